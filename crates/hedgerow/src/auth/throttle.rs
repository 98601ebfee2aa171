//! How often one address or one account may try, with Better Auth's limits (1.7).
//!
//! Always holds: the IPv6 addresses of one network of 64 bits are one, and an IPv4 address is itself in every spelling; an account is
//! guarded over all addresses, whether it exists or not; memory is bounded, and what was seen longest ago is forgotten
//! first.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::rate_limit::network;

/// How many addresses and accounts are remembered: some 100 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).expect("is not zero");

/// Counts tries.
pub struct Throttle {
    seen: Mutex<LruCache<[u8; 16], Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    count: u32,
    last: Timestamp,
}

/// So many in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Seconds.
    pub window: u32,
    /// Tries.
    pub max: u32,
}

/// What is allowed where nothing stricter is said.
const USUAL: Limit = Limit { window: 10, max: 100 };
/// Paths by their beginning, and how often one address may ask for them.
const PATHS: &[(&str, Limit)] = &[
    ("/sign-in/magic-link", Limit { window: 60, max: 5 }),
    ("/magic-link/", Limit { window: 60, max: 5 }),
    ("/sign-in/email-otp", Limit { window: 60, max: 10 }),
    ("/sign-in", Limit { window: 10, max: 3 }),
    ("/sign-up", Limit { window: 10, max: 3 }),
    ("/change-password", Limit { window: 10, max: 3 }),
    ("/change-email", Limit { window: 10, max: 3 }),
    ("/request-password-reset", Limit { window: 60, max: 3 }),
    ("/forget-password", Limit { window: 60, max: 3 }),
    ("/send-verification-email", Limit { window: 60, max: 3 }),
    ("/email-otp/send", Limit { window: 60, max: 3 }),
    ("/email-otp/request", Limit { window: 60, max: 3 }),
    ("/email-otp/", Limit { window: 60, max: 10 }),
    ("/two-factor/", Limit { window: 10, max: 3 }),
];
/// How often somebody may try to be one account, from wherever.
const ACCOUNT: Limit = Limit { window: 3600, max: 100 };

impl Default for Throttle {
    fn default() -> Self {
        Self { seen: Mutex::new(LruCache::new(REMEMBERED)) }
    }
}

impl Throttle {
    /// Counts a request from an address to a path below `/api/auth`.
    ///
    /// # Errors
    /// The seconds to wait, when there were too many. An unknown address shares its count with all unknown ones.
    pub fn request(&self, address: Option<IpAddr>, path: &str, now: Timestamp) -> Result<(), u64> {
        let limit =
            PATHS.iter().find(|(start, _)| path.starts_with(start)).map_or(USUAL, |(_, limit)| *limit);
        let address = address.map_or_else(|| "unknown".to_owned(), |address| network(address).to_string());
        self.count(&["address", &address, path], limit, now)
    }

    /// Counts a try to be somebody, by address or user name.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn account(&self, name: &str, now: Timestamp) -> Result<(), u64> {
        self.count(&["account", &name.to_lowercase()], ACCOUNT, now)
    }

    fn count(&self, key: &[&str], limit: Limit, now: Timestamp) -> Result<(), u64> {
        // No address of a person is kept, only what it is told apart by.
        let digest = Sha256::digest(key.join("|").as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let window = SignedDuration::from_secs(i64::from(limit.window));
        match all.get_mut(&key) {
            Some(seen) if now.duration_since(seen.last) < window => {
                if seen.count >= limit.max {
                    let left = window.saturating_sub(now.duration_since(seen.last));
                    return Err(
                        u64::try_from(left.as_secs()).unwrap_or(0) + u64::from(left.subsec_nanos() > 0)
                    );
                }
                *seen = Seen { count: seen.count + 1, last: now };
            }
            _ => {
                all.put(key, Seen { count: 1, last: now });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn the_fourth_try_waits_and_the_window_restarts_after_a_pause() {
        let throttle = Throttle::default();
        let ask = |ip: &str, path, seconds| throttle.request(Some(ip.parse().unwrap()), path, at(seconds));
        for second in 0..3 {
            assert_eq!(ask("203.0.113.7", "/sign-in/email", second), Ok(()));
        }
        assert_eq!(ask("203.0.113.7", "/sign-in/email", 3), Err(9));
        assert_eq!(ask("203.0.113.8", "/sign-in/email", 3), Ok(()), "another address");
        assert_eq!(ask("203.0.113.7", "/sign-up/email", 3), Ok(()), "another path");
        assert_eq!(
            ask("203.0.113.7", "/sign-in/email", 12),
            Ok(()),
            "ten seconds after the last that was allowed"
        );
        assert_eq!(ask("203.0.113.7", "/get-session", 12), Ok(()));
    }

    #[test]
    fn one_network_of_ipv6_and_all_spellings_of_ipv4_are_one() {
        let throttle = Throttle::default();
        let ask = |ip: &str| throttle.request(Some(ip.parse().unwrap()), "/sign-in/email", at(0)).is_ok();
        let allowed = (0..100).filter(|n| ask(&format!("2001:DB8:0:1::{n:x}"))).count();
        assert_eq!(allowed, 3);
        assert!(ask("2001:db8:0:2::1"));
        let spellings = ["1.2.3.4", "::ffff:1.2.3.4", "::FFFF:102:304", "1.2.3.4"];
        assert_eq!(spellings.into_iter().filter(|ip| ask(ip)).count(), 3);
    }

    #[test]
    fn an_account_is_guarded_over_many_addresses() {
        let throttle = Throttle::default();
        let tried = (0..200).filter(|_| throttle.account("Ada@example.com", at(0)).is_ok()).count();
        assert_eq!(tried, 100);
        assert!(throttle.account("ada@EXAMPLE.com", at(1)).is_err());
        assert!(throttle.account("eve@example.com", at(1)).is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..150_000u32 {
            let _ = throttle.request(Some(IpAddr::V4(n.into())), "/sign-in/email", at(0));
        }
        assert_eq!(throttle.seen.lock().unwrap().len(), REMEMBERED.get());
    }
}
