//! The queue of rows whose request wrote nothing, and the task that writes them.
//!
//! Always holds: a row that has its place is written sooner or later, in the order of places; while the database is away rows
//! stay, and who comes then waits. At a stop, rows are written for [`GRACE`]; what is lost after that is said.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hedgerow_database::{Database, Error as DatabaseError, Identity};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, OwnedPermit, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::cause;
use super::request::{AuditedRequest, Outcome, Row};

/// Rows go together: so many, or those of so long.
const BATCH: usize = 500;
const GATHER: Duration = Duration::from_millis(250);
/// How long between two tries while the database refuses.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a stop waits for rows to be written.
const GRACE: Duration = Duration::from_secs(5);

pub(super) struct Buffer {
    rows: Mutex<Option<Sender<Row>>>,
    waiting: Arc<Waiting>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Rows that were handed over and are not written.
#[derive(Default)]
struct Waiting {
    count: AtomicUsize,
    less: Notify,
}

/// A place for one row. Dropping it gives it to the next.
pub struct Place {
    permit: OwnedPermit<Row>,
    waiting: Arc<Waiting>,
}

impl Place {
    /// Hands over the row of a request, unless its write took the row with it.
    pub fn record(self, request: &AuditedRequest, outcome: Outcome<'_>) {
        if !request.is_recorded() {
            self.waiting.count.fetch_add(1, Ordering::AcqRel);
            self.permit.send(request.row(outcome));
        }
    }
}

impl Buffer {
    pub(super) fn new(size: usize, database: Database) -> Self {
        let (sender, receiver) = mpsc::channel(size.max(1));
        let waiting = Arc::<Waiting>::default();
        let writer = tokio::spawn(write_all(receiver, database, waiting.clone()));
        Self { rows: Mutex::new(Some(sender)), waiting, writer: Mutex::new(Some(writer)) }
    }

    pub(super) async fn place(&self) -> Option<Place> {
        let sender = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let permit = sender.reserve_owned().await.ok()?;
        Some(Place { permit, waiting: self.waiting.clone() })
    }

    pub(super) async fn settled(&self) {
        loop {
            let less = self.waiting.less.notified();
            if self.waiting.count.load(Ordering::Acquire) == 0 {
                return;
            }
            less.await;
        }
    }

    pub(super) async fn close(&self) {
        drop(self.rows.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut writer) = writer else { return };
        if timeout(GRACE, &mut writer).await.is_err() {
            writer.abort();
            let rows = self.waiting.count.load(Ordering::Acquire);
            tracing::error!(
                rows,
                "the program ends, and the last rows of the audit trail could not be written"
            );
        }
    }
}

async fn write_all(mut rows: Receiver<Row>, database: Database, waiting: Arc<Waiting>) {
    let mut batch: Vec<Row> = Vec::with_capacity(BATCH);
    while let Some(row) = rows.recv().await {
        batch.push(row);
        let end = Instant::now() + GATHER;
        while batch.len() < BATCH
            && let Ok(Some(row)) = timeout_at(end, rows.recv()).await
        {
            batch.push(row);
        }
        let mut is_told = false;
        while let Err(error) = write(&database, &batch).await {
            if !is_told {
                tracing::error!(%error, cause = cause(&error), rows = batch.len(), "rows of the audit trail cannot be written and wait");
                is_told = true;
            }
            let _ = timeout(PAUSE, std::future::pending::<()>()).await;
        }
        if is_told {
            tracing::info!("rows of the audit trail are written again");
        }
        waiting.count.fetch_sub(batch.len(), Ordering::AcqRel);
        waiting.less.notify_waiters();
        batch.clear();
    }
}

/// One statement for all. A user or key that is gone since leaves its place empty, as in rows that were there before.
async fn write(database: &Database, rows: &[Row]) -> Result<(), DatabaseError> {
    let sql = r#"INSERT INTO public.api_audit_logs (id, "createdAt", "userId", "apiKeyId", endpoint, method, "statusCode",
          "responseTime", "ipAddress", "userAgent", "userMark", "keyMark", "writtenBy")
        SELECT b.id, least(greatest(b.at, now() - interval '1 day'), now() + interval '1 day'), u.id, k.id, b.endpoint,
          b.method, b.status, b.took, b.address, b.agent, b.user_mark, b.key_mark, pg_current_xact_id()::text::bigint
        FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[],
          $8::integer[], $9::text[], $10::text[], $11::text[], $12::text[])
          AS b(id, at, who, key, endpoint, method, status, took, address, agent, user_mark, key_mark)
        LEFT JOIN public."user" u ON u.id = b.who
        LEFT JOIN public.api_keys k ON k.id = b.key
        ON CONFLICT DO NOTHING"#;
    fn of<'r, T>(rows: &'r [Row], value: impl Fn(&'r Row) -> T) -> Vec<T> {
        rows.iter().map(value).collect()
    }
    let ids: Vec<&str> = of(rows, |row| row.id.as_str());
    let times: Vec<Timestamp> = of(rows, |row| row.at);
    let users: Vec<Option<&str>> = of(rows, |row| row.user.as_deref());
    let keys: Vec<Option<&str>> = of(rows, |row| row.key.as_deref());
    let endpoints: Vec<&str> = of(rows, |row| row.endpoint.as_str());
    let methods: Vec<&str> = of(rows, |row| row.method.as_str());
    let statuses: Vec<i32> = of(rows, |row| i32::from(row.status));
    let took: Vec<i32> = of(rows, |row| i32::try_from(row.took).unwrap_or(i32::MAX));
    let addresses: Vec<Option<&str>> = of(rows, |row| row.address.as_deref());
    let agents: Vec<Option<&str>> = of(rows, |row| row.agent.as_deref());
    let user_marks: Vec<Option<&str>> = of(rows, |row| row.user_mark.as_deref());
    let key_marks: Vec<Option<&str>> = of(rows, |row| row.key_mark.as_deref());
    let parameters: [&(dyn hedgerow_database::ToSql + Sync); 12] = [
        &ids,
        &times,
        &users,
        &keys,
        &endpoints,
        &methods,
        &statuses,
        &took,
        &addresses,
        &agents,
        &user_marks,
        &key_marks,
    ];
    database.flight(&Identity::Auth).execute(sql, &parameters).await.map(|_| ())
}
