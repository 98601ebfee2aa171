//! When and how often keys are used: counted in memory, written in one statement every few seconds and at the end.
//!
//! Always holds: no request waits for it or writes for it; at most [`MOST`] keys wait to be written, and what the database
//! does not take stays for the next try. Numbers that a killed program had not written are lost: they are statistics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hedgerow_database::{Database, Error, Identity};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Keys that wait; one more is not counted, and the log says so.
const MOST: usize = 100_000;

/// What was not written yet, and the task that will.
pub(crate) struct Usage {
    database: Database,
    after: Duration,
    waiting: Mutex<Waiting>,
    tasks: TaskTracker,
    end: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    keys: BTreeMap<String, Used>,
    /// Whether a task is on its way.
    is_due: bool,
}

#[derive(Clone, Copy)]
struct Used {
    times: i64,
    last: Timestamp,
}

impl Usage {
    pub(crate) fn new(database: Database, after: Duration) -> Self {
        let waiting = Mutex::default();
        Self { database, after, waiting, tasks: TaskTracker::new(), end: CancellationToken::new() }
    }

    /// A key was used. Must be called within a tokio runtime.
    pub(crate) fn note(self: &Arc<Self>, key: &str, at: Timestamp) {
        let mut waiting = self.waiting();
        let has_room = waiting.keys.len() < MOST;
        match waiting.keys.get_mut(key) {
            Some(used) => {
                used.times += 1;
                used.last = used.last.max(at);
            }
            None if has_room => {
                waiting.keys.insert(key.to_owned(), Used { times: 1, last: at });
            }
            None => tracing::warn!(keys = MOST, "so many keys wait to be counted that one more was not"),
        }
        if !std::mem::replace(&mut waiting.is_due, true) {
            drop(waiting);
            let usage = self.clone();
            self.tasks.spawn(async move {
                let _ = tokio::time::timeout(usage.after, usage.end.cancelled()).await;
                usage.write().await;
            });
        }
    }

    /// Writes what waits.
    async fn write(&self) {
        let keys = {
            let mut waiting = self.waiting();
            waiting.is_due = false;
            std::mem::take(&mut waiting.keys)
        };
        if keys.is_empty() {
            return;
        }
        if let Err(error) = write(&self.database, &keys).await {
            tracing::warn!(%error, keys = keys.len(), "the use of API keys could not be written; it is tried again with the next use");
            let mut waiting = self.waiting();
            for (key, used) in keys {
                let now = waiting.keys.entry(key).or_insert(Used { times: 0, ..used });
                now.times += used.times;
                now.last = now.last.max(used.last);
            }
        }
    }

    /// Writes what waits, and ends.
    pub(crate) async fn close(&self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.write().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(database: &Database, keys: &BTreeMap<String, Used>) -> Result<(), Error> {
    // Two instances that write the same keys lock them in one order.
    let sql = r#"WITH used AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS used (id, times, last)),
        locked AS (SELECT id FROM public.api_keys WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE)
        UPDATE public.api_keys k SET "requestCount" = k."requestCount" + used.times,
          "lastUsed" = greatest(k."lastUsed"::timestamptz, used.last)
        FROM used JOIN locked USING (id) WHERE k.id = used.id"#;
    let ids: Vec<&str> = keys.keys().map(String::as_str).collect();
    let times: Vec<i64> = keys.values().map(|used| used.times).collect();
    let last: Vec<Timestamp> = keys.values().map(|used| used.last).collect();
    database.flight(&Identity::Auth).execute(sql, &[&ids, &times, &last]).await.map(drop)
}
