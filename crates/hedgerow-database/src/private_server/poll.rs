//! Waiting for what cannot wake us: files, locks and processes of others.

use std::thread;
use std::time::{Duration, Instant};

/// Asks until there is an answer; `None` when there was none within `limit`.
///
/// The pauses grow with the time waited, so that the answer comes late by an eighth of it at most.
#[expect(clippy::disallowed_methods, reason = "the poll loop, and the limit is a parameter")]
pub(super) fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        let waited = begun.elapsed();
        if waited > limit {
            return None;
        }
        thread::sleep((waited / 8).clamp(Duration::from_millis(1), Duration::from_millis(50)));
    }
}
