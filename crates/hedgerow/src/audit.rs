//! The audit trail: one row for each request of the API, allowed or refused.
//!
//! Always holds: a write and its row are one transaction, so none is committed without the other; the row of anything else
//! waits in a queue with a limit, in which a request has its place before it is begun, so none is dropped for want of room;
//! no row holds a body, a query's value or a secret.

mod buffer;
mod keeping;
mod mark;
mod reading;
mod request;
mod seals;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use hedgerow_database::Database;

use crate::auth::secrets::Secrets;
use crate::auth::settings::Switch;
use buffer::Buffer;
use mark::Marks;

pub use buffer::Place;
pub(crate) use reading::reader;
pub use reading::schema;
pub use request::{Arrival, AuditedRequest, Outcome};
pub use verify::{Fault, Head, HeadError, Report, verify};

/// How the trail is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// Rows older than this go, a week at a time; at least a day.
    pub retention: Duration,
    /// Whether rows are sealed, so that `verify` finds what was changed.
    pub tamper_evident: Switch,
    /// How many rows wait to be written; requests wait when it is full.
    pub queue: usize,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { retention: Duration::from_secs(90 * 86_400), tamper_evident: Switch::On, queue: 8192 }
    }
}

/// The trail of one application. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Audit {
    inner: Arc<Inner>,
}

struct Inner {
    options: AuditOptions,
    marks: Marks,
    buffer: Buffer,
}

impl Audit {
    /// Must be called within a tokio runtime; nothing is written until there is something to write.
    pub(crate) fn new(options: AuditOptions, secrets: &Secrets, database: &Database) -> Self {
        let buffer = Buffer::new(options.queue, database.clone());
        Self { inner: Arc::new(Inner { options, marks: Marks::new(secrets), buffer }) }
    }

    /// How it is kept.
    pub fn options(&self) -> AuditOptions {
        self.inner.options
    }

    /// A place in the queue for the row of a request that is about to begin; waits while there is none. `None` when the
    /// application ends.
    pub async fn place(&self) -> Option<Place> {
        self.inner.buffer.place().await
    }

    /// Waits until all rows that were handed over are written.
    pub async fn settled(&self) {
        self.inner.buffer.settled().await;
    }

    /// Takes no more rows and writes those that wait, for a while.
    pub(crate) async fn close(&self) {
        self.inner.buffer.close().await;
    }

    fn marks(&self) -> &Marks {
        &self.inner.marks
    }

    /// Whether rows are sealed.
    fn is_sealed(&self) -> bool {
        self.inner.options.tamper_evident == Switch::On
    }
}

/// What led to an error, for the log.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}
