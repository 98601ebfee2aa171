//! Passwords as hashes, in the form in which Better Auth keeps them: `salt:key`.
//!
//! Always holds: a hash costs 32 MiB and some 70 ms of one core, so only so many run at once, only so many wait, and the rest
//! is told so; a check costs the same whether the user, the hash or the password is right; no password outlives its check.

use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use secrecy::zeroize::Zeroizing;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::context::World;

/// N = 2^14.
const LOG_N: u8 = 14;
const R: u32 = 16;
const P: u32 = 1;
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 64;

/// The place where passwords are hashed and checked.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// Who is let in at all: those that run and those that wait.
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// Too many passwords are being checked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many passwords are being checked at the moment; each takes 32 MiB and a core, so only a few are let in; try again in a few seconds"
)]
pub struct Busy;

impl Passwords {
    /// Runs `at_once` (at least one) at a time, 32 MiB each, and lets `waiting` more wait for their turn.
    pub fn new(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        let places = at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places)), running: Arc::new(Semaphore::new(at_once)) }
    }

    /// What is kept of a password.
    ///
    /// # Errors
    /// [`Busy`]
    pub async fn hash(&self, world: &World, password: &str) -> Result<String, Busy> {
        let salt = HEXLOWER.encode(&world.random::<SALT_BYTES>());
        let password = Zeroizing::new(password.to_owned());
        self.run(move || {
            let key = derive(&password, &salt);
            format!("{salt}:{}", HEXLOWER.encode(&*key))
        })
        .await
    }

    /// Whether `hash` was made of `password`. A hash that cannot be read matches nothing.
    ///
    /// # Errors
    /// [`Busy`]
    pub async fn verify(&self, hash: &str, password: &str) -> Result<bool, Busy> {
        let (hash, password) = (hash.to_owned(), Zeroizing::new(password.to_owned()));
        self.run(move || matches(&hash, &password)).await
    }

    /// As costly as [`Passwords::verify`] and never true: for users who do not exist or have no password, so that the time
    /// an answer takes does not say so.
    ///
    /// # Errors
    /// [`Busy`]
    pub async fn verify_nothing(&self, password: &str) -> Result<bool, Busy> {
        self.verify("", password).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, even when nobody waits for it any more.
            let _held = (place, turn);
            work()
        });
        match task.await {
            Ok(done) => Ok(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down.
                Err(_) => Err(Busy),
            },
        }
    }
}

/// How long a password is, in UTF-16 code units, as JavaScript and so every client counts: `"😀"` has 2.
pub fn length(password: &str) -> usize {
    password.encode_utf16().count()
}

fn matches(hash: &str, password: &str) -> bool {
    let stored = read(hash);
    // The same work for a hash that cannot be read, against a key that never counts.
    let (salt, key) = stored.as_ref().map_or(("", [0; KEY_BYTES]), |(salt, key)| (*salt, *key));
    let same = derive(password, salt).ct_eq(&key);
    bool::from(same) && stored.is_some()
}

/// The salt's text and the key.
fn read(hash: &str) -> Option<(&str, [u8; KEY_BYTES])> {
    let (salt, key) = hash.split_once(':')?;
    let key = HEXLOWER_PERMISSIVE.decode(key.as_bytes()).ok()?.try_into().ok()?;
    (!salt.is_empty()).then_some((salt, key))
}

/// The salt is the text itself, not the bytes that its hex digits mean: so Better Auth does it.
fn derive(password: &str, salt: &str) -> Zeroizing<[u8; KEY_BYTES]> {
    let password: Zeroizing<String> = Zeroizing::new(password.nfkc().collect());
    let params = scrypt::Params::new(LOG_N, R, P).expect("parameters that scrypt allows");
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut *key)
        .expect("a length that scrypt allows");
    key
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use tokio::sync::Notify;

    use super::*;
    use crate::context::{Random, SystemClock};

    /// Made by Better Auth.
    const VECTORS: [(&str, &str); 3] = [
        (
            "password-1234",
            "29570c5919e833424bbb572a77973d1b:d4839bc4872ec263ade4a9109d867d87770e098b76facab4ccc2fa735a1017819cda2923a3e59462db552376c131f24b45dc2f587d3c1e92e67a0a72c0eb334b",
        ),
        (
            "ｐａｓｓｗｏｒｄ-1234",
            "3b46079a65dd56a81465425c6f0136b2:de5743015e0b5151ca130ddffda1687fb7988107310b841cb67b977a27aed1a33c4d6178f42c7d2b11321d63454dca89c0195eec0122750c4eb5327a2ad50dc5",
        ),
        (
            "pässwörd😀",
            "23c3931ee295b64a94bea21355405976:d1426745e525b8a368fe7a4cff75fd40b1a3b2c659965c539b7ad5f72fd065c404390fe4c27a3bb2631a77705a924b6d5e63d1d693fb7ab050990c56a29482bd",
        ),
    ];

    /// Always the same bytes.
    struct Fixed(Vec<u8>);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0);
        }
    }

    #[tokio::test]
    async fn better_auths_hashes_are_read_and_written() {
        let passwords = Passwords::new(2, 0);
        for (password, hash) in VECTORS {
            assert!(passwords.verify(hash, password).await.unwrap(), "{password}");
            assert!(!passwords.verify(hash, &format!("{password} ")).await.unwrap(), "{password}");
            let salt = HEXLOWER.decode(&hash.as_bytes()[..32]).unwrap();
            let world = World::new(SystemClock, Fixed(salt));
            assert_eq!(passwords.hash(&world, password).await.unwrap(), hash);
        }
        // However it was typed: full-width letters are the ordinary ones.
        assert!(passwords.verify(VECTORS[0].1, VECTORS[1].0).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_that_was_changed_or_cannot_be_read_matches_nothing() {
        let passwords = Passwords::new(2, 0);
        let (password, hash) = VECTORS[0];
        let key = &hash[33..];
        for bad in [
            String::new(),
            ":".to_owned(),
            format!(":{key}"),
            key.to_owned(),
            format!("{hash}0"),
            format!("{hash}00"),
            hash[..hash.len() - 2].to_owned(),
            format!("{}:{key}", &hash[1..32]),
            hash.replace('d', "e"),
            format!("{}:{}", &hash[..32], "0".repeat(128)),
            format!("{}:{}", &hash[..32], "z".repeat(128)),
            "$2b$12$abcdefghijklmnopqrstuv".to_owned(),
        ] {
            assert!(!passwords.verify(&bad, password).await.unwrap(), "{bad}");
        }
        // Not even the password whose key it would be.
        assert!(!passwords.verify_nothing("").await.unwrap());
        assert!(!passwords.verify_nothing(password).await.unwrap());
    }

    #[tokio::test]
    async fn the_same_password_is_never_hashed_the_same_way() {
        let (passwords, world) = (Passwords::new(2, 0), World::default());
        let (first, second) =
            (passwords.hash(&world, "").await.unwrap(), passwords.hash(&world, "").await.unwrap());
        assert_ne!(first, second);
        assert_eq!(first.len(), 32 + 1 + 128);
        assert!(passwords.verify(&first, "").await.unwrap());
        assert!(!passwords.verify(&first, " ").await.unwrap());
    }

    #[test]
    fn lengths_are_counted_as_javascript_counts() {
        for (text, expected) in [("", 0), ("a", 1), ("ü", 1), ("😀", 2), ("e\u{301}", 2), ("ｐ", 1)] {
            assert_eq!(length(text), expected, "{text}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn fifty_checks_at_once_never_run_more_than_two_at_a_time() {
        let passwords = Passwords::new(2, 48);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for at in 0..50 {
            let (passwords, running, most) = (passwords.clone(), Arc::clone(&running), Arc::clone(&most));
            tasks.spawn(async move {
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let (password, hash) = VECTORS[at % 3];
                    let right = matches(hash, password);
                    running.fetch_sub(1, Ordering::SeqCst);
                    right
                };
                passwords.run(work).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            assert_eq!(done.unwrap(), Ok(true));
        }
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
    }

    /// Begins a future, or looks whether it is done.
    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_finds_no_place_to_wait_is_told_so_and_let_in_later() {
        let passwords = Passwords::new(2, 3);
        let (open, begun) = (Arc::new(std::sync::Barrier::new(3)), Arc::new(Notify::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let (passwords, open, here) = (passwords.clone(), Arc::clone(&open), Arc::clone(&begun));
            tasks.spawn(async move {
                let work = move || {
                    here.notify_one();
                    open.wait();
                    true
                };
                passwords.run(work).await
            });
            begun.notified().await;
        }
        // Two run; three may wait, and of fifty the others are told.
        let mut busy = 0;
        let mut waiting = Vec::new();
        for _ in 0..50 {
            let mut check = Box::pin(passwords.verify(VECTORS[0].1, VECTORS[0].0));
            match poll(check.as_mut()) {
                Poll::Ready(answer) => {
                    assert_eq!(answer, Err(Busy));
                    busy += 1;
                }
                Poll::Pending => waiting.push(check),
            }
        }
        assert_eq!((busy, waiting.len()), (47, 3));
        // Somebody who leaves makes room.
        drop(waiting.pop());
        let mut later = Box::pin(passwords.verify(VECTORS[0].1, "wrong"));
        assert!(poll(later.as_mut()).is_pending());
        assert_eq!(passwords.verify_nothing("").await, Err(Busy));
        open.wait();
        while let Some(done) = tasks.join_next().await {
            assert_eq!(done.unwrap(), Ok(true));
        }
        for check in waiting {
            assert_eq!(check.await, Ok(true));
        }
        assert_eq!(later.await, Ok(false));
        assert_eq!(passwords.places.available_permits(), 5);
        assert_eq!(passwords.running.available_permits(), 2);
    }
}
