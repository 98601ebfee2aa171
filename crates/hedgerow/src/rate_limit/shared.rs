//! Counters that several instances share: one task asks the store, for all requests that wait at the moment together.
//!
//! Always holds:
//! * while one question is under way the next one gathers, so a hot counter costs the store one row of a question, however many
//!   requests ask for it;
//! * a counter that is asked for again and again is given a few requests ahead, at most a fiftieth of its quota and for at most a
//!   second; so a quota below fifty is counted exactly;
//! * who was refused is refused without a question until the time that the refusal named;
//! * when the queue is full or the store does not answer, this process counts by itself.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::memory::Memory;
use super::meter::{Ask, Meter, Taken};
use super::{postgres, redis};
use crate::context::World;

/// Requests that may wait for the store.
const QUEUE: usize = 4096;
/// Counters of one question.
const BATCH: usize = 512;
/// What is held of counters here: a hint, which may be forgotten.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).expect("is not zero");
/// Requests that were taken ahead are forgotten after it, in microseconds.
const KEPT: i64 = 1_000_000;
/// A store that failed is not asked for so long, in microseconds.
const PAUSE: i64 = 1_000_000;
/// How often counters that say nothing any more are deleted, in microseconds.
const CLEAN: i64 = 60_000_000;
/// How long a question that is under way at the end may take.
const GRACE: Duration = Duration::from_secs(1);

pub(super) enum Backend {
    Postgres(postgres::Counters),
    Redis(redis::Counters),
}

/// What is known here of a counter; times are microseconds of this computer's clock.
#[derive(Clone, Copy, Default)]
struct Held {
    /// Requests taken ahead.
    left: u32,
    /// Until when they count.
    until: i64,
    /// Nothing is granted before it.
    refused_until: i64,
    /// When the quota is whole again.
    full_at: i64,
}

struct Waiting {
    ask: Ask,
    answer: oneshot::Sender<Taken>,
}

pub(super) struct Shared {
    queue: mpsc::Sender<Waiting>,
    state: Arc<State>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct State {
    held: Mutex<LruCache<[u8; 16], Held>>,
    /// What counts while the store does not.
    alone: Memory,
    world: World,
}

impl Shared {
    pub(super) fn start(backend: Backend, world: World) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let alone = Memory::new(world.clone());
        let state = Arc::new(State { held: Mutex::new(LruCache::new(REMEMBERED)), alone, world });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let asker = Asker { backend, state: state.clone(), paused_until: 0, clean_at: 0, works: true };
        tasks.spawn(asker.run(waiting, stop.clone()));
        Self { queue, state, tasks, stop }
    }

    pub(super) async fn take(&self, ask: Ask) -> Taken {
        if let Some(taken) = self.state.known(ask) {
            return taken;
        }
        let (answer, answered) = oneshot::channel();
        let taken = match self.queue.try_send(Waiting { ask, answer }) {
            Ok(()) => answered.await.ok(),
            Err(_) => None,
        };
        taken.unwrap_or_else(|| self.state.alone.take(ask))
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(GRACE, self.tasks.wait()).await;
    }
}

impl State {
    /// The answer, where the store need not be asked.
    fn known(&self, ask: Ask) -> Option<Taken> {
        if ask.owed > 0 {
            return None;
        }
        let now = self.world.now().as_microsecond();
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = all.get_mut(&ask.key)?;
        let ahead = held.full_at.saturating_sub(now).max(0);
        if now < held.refused_until {
            return Some(Taken { granted: 0, ahead });
        }
        if held.left < ask.wanted || now >= held.until {
            return None;
        }
        held.left -= ask.wanted;
        // What is still held here is not gone.
        let ahead = ahead.saturating_sub(ask.meter.step * i64::from(held.left)).max(0);
        Some(Taken { granted: ask.wanted, ahead })
    }

    /// Takes out what is held of a counter, and says how many to take ahead of its requests: none, where it was not asked for
    /// lately.
    fn held_and_ahead(&self, ask: Ask) -> (u32, u32) {
        let now = self.world.now().as_microsecond();
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&ask.key) {
            Some(held) if now < held.until => (std::mem::take(&mut held.left), ask.meter.requests / 50),
            _ => (0, 0),
        }
    }

    /// Remembers what the store said, and what is `left` when those who waited have theirs; `None` where some went without.
    fn learn(&self, key: [u8; 16], meter: Meter, taken: Taken, left: Option<u32>) {
        let now = self.world.now().as_microsecond();
        let wait = i64::try_from(meter.wait(taken.ahead).as_micros()).unwrap_or(0);
        let refused_until = if left.is_none() { now + wait } else { 0 };
        let left = left.unwrap_or(0);
        let held = Held { left, until: now + KEPT, refused_until, full_at: now + taken.ahead };
        self.held.lock().unwrap_or_else(PoisonError::into_inner).put(key, held);
    }
}

/// The task that asks.
struct Asker {
    backend: Backend,
    state: Arc<State>,
    paused_until: i64,
    clean_at: i64,
    works: bool,
}

impl Asker {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = waiting.recv_many(&mut batch, BATCH) => received,
            };
            if received == 0 {
                return;
            }
            self.answer(batch.drain(..)).await;
            self.clean().await;
        }
    }

    async fn answer(&mut self, batch: impl Iterator<Item = Waiting>) {
        // In the order of keys, each once.
        let mut by_key: BTreeMap<[u8; 16], Vec<Waiting>> = BTreeMap::new();
        for one in batch {
            by_key.entry(one.ask.key).or_default().push(one);
        }
        let needed = |all: &[Waiting]| all.iter().map(|one| one.ask.wanted).sum::<u32>();
        let (asks, held): (Vec<Ask>, Vec<u32>) = by_key
            .values()
            .map(|all| {
                let (held, ahead) = self.state.held_and_ahead(all[0].ask);
                let wanted = (needed(all) + ahead).saturating_sub(held);
                let owed = all.iter().map(|one| one.ask.owed).sum();
                (Ask { wanted, owed, ..all[0].ask }, held)
            })
            .unzip();
        let Some(taken) = self.ask(&asks).await else {
            for one in by_key.into_values().flatten() {
                let _ = one.answer.send(self.state.alone.take(one.ask));
            }
            return;
        };
        for (((ask, held), taken), all) in asks.iter().zip(held).zip(taken).zip(by_key.into_values()) {
            let mut left = held + taken.granted;
            // Before anybody is answered, so that who asks again at once is known.
            self.state.learn(ask.key, ask.meter, taken, left.checked_sub(needed(&all)));
            for one in all {
                let granted = if left >= one.ask.wanted { one.ask.wanted } else { 0 };
                left -= granted;
                // Whoever went away does not need the answer; what was taken for them is gone, as for any request.
                let _ = one.answer.send(Taken { granted, ahead: taken.ahead });
            }
        }
    }

    /// The store's answers; `None` while it has none.
    async fn ask(&mut self, asks: &[Ask]) -> Option<Vec<Taken>> {
        if self.state.world.now().as_microsecond() < self.paused_until {
            return None;
        }
        let outcome = match &mut self.backend {
            Backend::Postgres(counters) => counters.take(asks).await.map_err(|error| error.to_string()),
            Backend::Redis(counters) => counters.take(asks).await.map_err(|error| error.to_string()),
        };
        match outcome {
            Ok(taken) => {
                if !std::mem::replace(&mut self.works, true) {
                    tracing::info!("the store of rate limits answers again");
                }
                Some(taken)
            }
            Err(error) => {
                self.paused_until = self.state.world.now().as_microsecond() + PAUSE;
                if std::mem::replace(&mut self.works, false) {
                    tracing::warn!(
                        error,
                        "the store of rate limits does not answer; until it does, each instance counts by itself"
                    );
                }
                None
            }
        }
    }

    async fn clean(&mut self) {
        let Backend::Postgres(counters) = &self.backend else { return };
        let now = self.state.world.now().as_microsecond();
        if now < self.clean_at {
            return;
        }
        self.clean_at = now + CLEAN;
        if let Err(error) = counters.clean().await {
            tracing::warn!(%error, "counters of rate limits that say nothing any more could not be deleted");
        }
    }
}
