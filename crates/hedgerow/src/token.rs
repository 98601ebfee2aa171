//! Random texts, and numbers in base 62.
//!
//! Always holds: every character of an alphabet is as likely as any other.

use crate::context::World;

const DIGITS_AND_LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a random text is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `a-z A-Z 0-9`, 62 characters: ids and session tokens.
    LettersAndDigits,
    /// `a-z A-Z`, 52 characters: magic links.
    Letters,
    /// `0-9 a-z`, 36 characters: confirmations of a deletion.
    LowercaseAndDigits,
    /// `a-z 0-9 A-Z - _`, 64 characters: what OAuth sends through URLs, and secrets of second factors.
    UrlSafe,
    /// `0-9`: codes that people type.
    Digits,
}

impl Alphabet {
    /// Its characters, all ASCII.
    pub fn characters(self) -> &'static [u8] {
        match self {
            Self::LettersAndDigits => DIGITS_AND_LETTERS,
            Self::Letters => b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
            Self::LowercaseAndDigits => b"0123456789abcdefghijklmnopqrstuvwxyz",
            Self::UrlSafe => b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_",
            Self::Digits => b"0123456789",
        }
    }
}

/// `N` characters of an alphabet, each as likely as any other.
pub fn random<const N: usize>(world: &World, alphabet: Alphabet) -> String {
    let characters = alphabet.characters();
    // Bytes from the last multiple up would make the first characters likelier.
    let fair = 256 - 256 % characters.len();
    let mut text = String::with_capacity(N);
    while text.len() < N {
        let bytes = world.random::<64>().into_iter().map(usize::from).filter(|&byte| byte < fair);
        text.extend(bytes.take(N - text.len()).map(|byte| char::from(characters[byte % characters.len()])));
    }
    text
}

/// `N` letters and digits, each of the 62 as likely as any other.
pub fn letters<const N: usize>(world: &World) -> String {
    random::<N>(world, Alphabet::LettersAndDigits)
}

/// A number in base 62, with leading zeros up to `width` characters.
pub(crate) fn base62(mut number: u32, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS_AND_LETTERS[(number % 62) as usize];
        number /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::context::{Random, SystemClock};

    const ALL: [Alphabet; 5] = [
        Alphabet::LettersAndDigits,
        Alphabet::Letters,
        Alphabet::LowercaseAndDigits,
        Alphabet::UrlSafe,
        Alphabet::Digits,
    ];

    /// Every byte as often as any other, one after the other.
    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    #[test]
    fn alphabets_have_as_many_characters_as_they_say() {
        for (alphabet, expected) in ALL.into_iter().zip([62, 52, 36, 64, 10]) {
            let mut characters = alphabet.characters().to_vec();
            characters.sort_unstable();
            characters.dedup();
            assert_eq!(characters.len(), expected, "{alphabet:?}");
        }
    }

    #[test]
    fn no_character_is_likelier_than_another() {
        for alphabet in ALL {
            let world = World::new(SystemClock, Counting(AtomicU8::new(0)));
            let size = alphabet.characters().len();
            // As many as come out of all 256 bytes.
            let rounds = 256 / size;
            let text: String = (0..4).map(|_| random::<64>(&world, alphabet)).collect();
            let mut counts = BTreeMap::new();
            for letter in text.bytes().take(rounds * size) {
                assert!(alphabet.characters().contains(&letter));
                *counts.entry(letter).or_insert(0_usize) += 1;
            }
            assert!(counts.len() == size && counts.values().all(|&count| count == rounds), "{alphabet:?}");
        }
    }

    #[test]
    fn texts_are_as_long_as_asked_and_never_the_same() {
        let world = World::default();
        assert_eq!(random::<0>(&world, Alphabet::Digits), "");
        assert_eq!(random::<6>(&world, Alphabet::Digits).len(), 6);
        assert_eq!(random::<128>(&world, Alphabet::UrlSafe).len(), 128);
        for alphabet in ALL {
            assert_ne!(random::<32>(&world, alphabet), random::<32>(&world, alphabet));
        }
    }
}
