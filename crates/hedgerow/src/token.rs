//! Random texts of letters and digits.

use crate::context::World;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `N` letters and digits, each of the 62 as likely as any other.
pub(crate) fn letters<const N: usize>(world: &World) -> String {
    let mut text = String::with_capacity(N);
    while text.len() < N {
        // Bytes from 248 up would make the first letters likelier.
        let fair = world.random::<64>().into_iter().filter(|&byte| byte < 248);
        text.extend(fair.take(N - text.len()).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
    text
}

/// A number in base 62, with leading zeros up to `width` characters.
pub(crate) fn base62(mut number: u32, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    digits.into_iter().map(char::from).collect()
}
