//! Whom credentials speak for: looked up once, remembered, and proved again in the flight of each later request.
//!
//! Always holds: what is remembered is never believed by itself. It is given out with a [`Guard`], and a flight with that guard does
//! nothing unless the rows that were read still say the same. So what was revoked on another instance is refused here with the
//! next request, without a message between the two, and a known credential costs no flight of its own.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hedgerow_database::Guard;
use hedgerow_schema::Sql;
use lru::LruCache;

use crate::context::SignedIn;

/// So many credentials of a kind are remembered; beyond that the one that was not used longest is looked up again. About 1 KB
/// each.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// What is remembered of one kind of credential, by the credential's hash; `T` is what else has to fit.
pub(crate) struct Memory<T>(Mutex<LruCache<String, Arc<Remembered<T>>>>);

/// What is remembered of one credential.
pub(crate) struct Remembered<T> {
    pub(crate) user: SignedIn,
    /// What has to hold for it to be true, as a [`Guard`] asks.
    pub(crate) condition: Arc<Sql>,
    pub(crate) also: T,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl<T> Memory<T> {
    fn open(&self) -> MutexGuard<'_, LruCache<String, Arc<Remembered<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keep(&self, hash: String, remembered: Remembered<T>) {
        self.open().put(hash, Arc::new(remembered));
    }

    pub(crate) fn forget(&self, hash: &str) {
        self.open().pop(hash);
    }

    /// The one whom the credential speaks for, where `fits`, with what every flight for them has to prove.
    pub(crate) fn recall(&self, hash: &str, fits: impl FnOnce(&T) -> bool) -> Option<(SignedIn, Guard)> {
        let known = self.open().get(hash).cloned()?;
        fits(&known.also).then(|| (known.user.clone(), Guard::new(known.condition.clone())))
    }
}
