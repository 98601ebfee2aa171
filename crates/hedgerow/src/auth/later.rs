//! Work that is done after the answer, so that an answer's time says nothing about what there was to do.
//!
//! Always holds: at most [`ROOM`] pieces wait; who comes then is told so, whoever they ask for; a stop waits for what
//! was begun, for [`GRACE`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::auth::refusal::{self, Refusal};

/// How much work waits at most.
pub const ROOM: usize = 1000;
/// How long a stop waits for it.
pub const GRACE: Duration = Duration::from_secs(5);
/// How many pieces are done at once: fewer than the sign-in role has connections.
const AT_ONCE: usize = 2;

/// Work after the answer.
#[derive(Clone)]
pub struct Later {
    tasks: TaskTracker,
    room: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

impl Default for Later {
    fn default() -> Self {
        Self {
            tasks: TaskTracker::new(),
            room: Arc::new(Semaphore::new(ROOM)),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Later {
    /// Does this when its turn comes.
    ///
    /// # Errors
    /// When too much waits already.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Refusal> {
        let Ok(place) = self.room.clone().try_acquire_owned() else { return Err(refusal::BUSY) };
        let at_once = self.at_once.clone();
        self.tasks.spawn(async move {
            let _turn = at_once.acquire().await;
            work.await;
            drop(place);
        });
        Ok(())
    }

    /// Waits until everything that was begun is done.
    pub async fn settled(&self) {
        let all = self.room.acquire_many(u32::try_from(ROOM).unwrap_or(u32::MAX)).await;
        drop(all);
    }

    /// Takes no more, and waits for what was begun, for a while.
    pub async fn close(&self) {
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!(after = ?GRACE, "mails and other work after an answer were still under way at the end");
        }
    }
}
