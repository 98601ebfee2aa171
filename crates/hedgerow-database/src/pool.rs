//! Connections of one login, lent one at a time.
//!
//! Always holds: a connection goes back only when it rests, with no transaction open and no answer under way. One that
//! comes back otherwise is brought to rest by a task of the pool, within a limit, or closed.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::managed::{
    self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use hedgerow_schema::Identifier;
use postgres_types::Type;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::identity::Role;
use crate::url::DatabaseUrl;
use crate::wire::{Connection, Statements, Status, cancel};

/// How a pool behaves; the defaults are those of the schema this product implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Most connections. A `connection_limit` in the URL wins.
    pub max_connections: usize,
    /// A connection that nobody used for so long is closed.
    pub idle_timeout: Duration,
    /// How long a request waits for a connection. A `pool_timeout` in the URL wins.
    pub acquire_timeout: Duration,
    /// The server ends a statement that runs longer; zero is never.
    pub statement_timeout: Duration,
    /// The same for what [`Work`] says of a statement; `None` is `statement_timeout`.
    pub timeouts: WorkTimeouts,
    /// The server ends a transaction in which nothing happens for so long; zero is never.
    pub idle_in_transaction_timeout: Duration,
    /// Whether statements are prepared under names.
    pub statements: StatementMode,
}

/// What a statement is for, where that decides how long it may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Sign-in, and what the program does for itself.
    #[default]
    Other,
    /// Reading rows for somebody.
    Read,
    /// Writing rows for somebody.
    Write,
    /// Writing the rows of a file, for which its transaction waits.
    Import,
}

/// How long statements of some [`Work`] may run, where that is not the usual time; zero is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkTimeouts {
    /// For [`Work::Read`].
    pub read: Option<Duration>,
    /// For [`Work::Write`].
    pub write: Option<Duration>,
    /// For [`Work::Import`].
    pub import: Option<Duration>,
}

/// Whether statements are prepared under names and planned once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementMode {
    /// Yes, except behind a pooler in transaction mode.
    Auto,
    /// Yes. Behind a pooler that does not track them, one client gets another's answers.
    Named,
    /// No.
    Unnamed,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 20,
            idle_timeout: Duration::from_secs(30),
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(30),
            timeouts: WorkTimeouts::default(),
            idle_in_transaction_timeout: Duration::from_secs(30),
            statements: StatementMode::Auto,
        }
    }
}

impl PoolSettings {
    /// The same with the timeouts of `work`, and whether those are the usual ones.
    pub(crate) fn of(&self, work: Work) -> (Self, bool) {
        let own = match work {
            Work::Other => None,
            Work::Read => self.timeouts.read,
            Work::Write => self.timeouts.write,
            Work::Import => self.timeouts.import,
        };
        let mut settings = Self { statement_timeout: own.unwrap_or(self.statement_timeout), ..*self };
        if work == Work::Import && !settings.idle_in_transaction_timeout.is_zero() {
            settings.idle_in_transaction_timeout = settings.idle_in_transaction_timeout.max(FILE);
        }
        (settings, settings == *self)
    }
}

/// How many requests may wait for each connection. A statement of the usual length is done in a few milliseconds, so whoever stands
/// further back would wait for nothing; it is better told at once, while there is still something to answer with.
const WAITING: usize = 64;
/// How long a connection that was left in the middle may go on by itself before its statement is cancelled, and then
/// how long until it is closed.
const GRACE: Duration = Duration::from_secs(1);
/// An answer that is streamed keeps its connection as long as its reader takes, a file that is imported as long as it comes; so many connections for each that may do so
/// leave enough for everybody else.
const STREAMS_SHARE: usize = 4;
/// How long a transaction waits for the next rows of a file; whoever reads the file has a limit that is shorter.
const FILE: Duration = Duration::from_secs(3600);
/// The network's share of a deadline whose other part is the statement timeout.
const NETWORK_ALLOWANCE: Duration = Duration::from_secs(5);

/// The right to keep a connection for as long as somebody else takes. It ends when it is dropped.
#[derive(Debug)]
pub struct LongWork(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

#[derive(Clone)]
pub(crate) struct Pool {
    connections: managed::Pool<Manager>,
    shared: Arc<Shared>,
}

type KnownTypes = HashMap<(Role, &'static str), Arc<[Type]>>;

struct Shared {
    settings: PoolSettings,
    url: DatabaseUrl,
    /// Parameter types of the statements that library users wrote; the server was asked once.
    types: Mutex<KnownTypes>,
    recoveries: TaskTracker,
    /// How often an answer of the server was waited for.
    exchanges: AtomicU64,
    /// One permit for each answer that may be streamed, or file that may be imported, at once.
    streams: Arc<Semaphore>,
    most_streams: usize,
    /// Requests that wait for a connection.
    waiting: AtomicUsize,
}

/// A request that waits.
struct Waits<'p>(&'p AtomicUsize);

impl<'p> Waits<'p> {
    /// `None` where as many wait as may.
    fn among(waiting: &'p AtomicUsize, most: usize) -> Option<Self> {
        // Made first: it takes itself off again.
        let (before, waits) = (waiting.fetch_add(1, Ordering::Relaxed), Self(waiting));
        (before < most).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Manager {
    url: DatabaseUrl,
    mode: Statements,
    settings: Vec<(&'static str, String)>,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection, Error> {
        Connection::connect(&self.url, self.mode, &self.settings).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Error> {
        if connection.is_resting() && connection.is_alive() {
            Ok(())
        } else {
            Err(RecycleError::message("the connection is not at rest, or the server closed it"))
        }
    }
}

impl Pool {
    /// Opens nothing yet. Must be called within a tokio runtime, which closes idle connections in the background.
    ///
    /// `role` is what most of the pool's work runs as. A connection starts with it, because a role that changes with
    /// each transaction costs the server more than the identity itself.
    pub(crate) fn new(url: &DatabaseUrl, mut settings: PoolSettings, role: &Identifier) -> Self {
        settings.max_connections = url.connection_limit().unwrap_or(settings.max_connections).max(1);
        settings.acquire_timeout = url.pool_timeout().unwrap_or(settings.acquire_timeout);
        let named = match settings.statements {
            StatementMode::Auto => !url.is_transaction_pooler(),
            StatementMode::Named => true,
            StatementMode::Unnamed => false,
        };
        let mode = if named { Statements::Named } else { Statements::Unnamed };
        let mut startup = vec![("TimeZone", "UTC".to_owned())];
        if !url.is_transaction_pooler() {
            startup.extend(timeouts(&settings));
            startup.push(("role", role.to_string()));
        }
        let manager = Manager { url: url.clone(), mode, settings: startup };
        let wait = Some(settings.acquire_timeout);
        let connections = managed::Pool::builder(manager)
            .max_size(settings.max_connections)
            .timeouts(Timeouts { wait, create: wait, recycle: None })
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .expect("the runtime that timeouts need is set");
        let weak = connections.weak();
        let idle = settings.idle_timeout;
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(idle.max(Duration::from_secs(1)) / 2);
            loop {
                ticks.tick().await;
                // Ends with the pool.
                let Some(pool) = weak.upgrade() else { return };
                pool.retain(|_, metrics| metrics.last_used() < idle);
            }
        });
        let most_streams = (settings.max_connections / STREAMS_SHARE).max(1);
        let shared = Shared {
            settings,
            url: url.clone(),
            types: Mutex::new(HashMap::new()),
            recoveries: TaskTracker::new(),
            exchanges: AtomicU64::new(0),
            streams: Arc::new(Semaphore::new(most_streams)),
            most_streams,
            waiting: AtomicUsize::new(0),
        };
        Self { connections, shared: Arc::new(shared) }
    }

    /// Whether the identity statement carries the timeouts, because a pooler would refuse them at the start.
    pub(crate) fn sets_timeouts_per_flight(&self) -> bool {
        self.shared.url.is_transaction_pooler()
    }

    pub(crate) fn settings(&self) -> &PoolSettings {
        &self.shared.settings
    }

    pub(crate) fn count_exchange(&self) {
        self.shared.exchanges.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn exchanges(&self) -> u64 {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// How long an answer may take: what the server allows a statement, and the network on top.
    pub(crate) fn answer_deadline(&self, work: Work) -> Option<Duration> {
        let timeout = self.shared.settings.of(work).0.statement_timeout;
        (!timeout.is_zero()).then(|| timeout + NETWORK_ALLOWANCE)
    }

    pub(crate) async fn lend(&self) -> Result<Lease, Error> {
        let settings = &self.shared.settings;
        let busy = |waited| Error::Busy { waited, size: settings.max_connections };
        let most = settings.max_connections * WAITING;
        let Some(_waits) = Waits::among(&self.shared.waiting, most) else { return Err(busy(Duration::ZERO)) };
        match self.connections.get().await {
            Ok(connection) => Ok(Lease { connection: Some(connection), shared: self.shared.clone() }),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(busy(settings.acquire_timeout)),
            Err(PoolError::Timeout(_)) => Err(Error::Connect {
                target: self.shared.url.to_string(),
                source: Box::new(Error::Deadline(settings.acquire_timeout)),
            }),
            Err(PoolError::Backend(error)) => Err(error),
            Err(error) => Err(Error::Protocol(format!("the pool is closed: {error}"))),
        }
    }

    /// The right to keep a connection for as long as whoever reads or sends takes.
    pub(crate) fn long_work(&self) -> Result<LongWork, Error> {
        let full = |_| Error::TooManyStreams { most: self.shared.most_streams };
        self.shared.streams.clone().try_acquire_owned().map(LongWork).map_err(full)
    }

    pub(crate) fn known_types(&self, role: Role, sql: &'static str) -> Option<Arc<[Type]>> {
        self.types().get(&(role, sql)).cloned()
    }

    pub(crate) fn learn_types(&self, role: Role, sql: &'static str, types: Arc<[Type]>) {
        self.types().insert((role, sql), types);
    }

    pub(crate) fn forget_types(&self, role: Role, sql: &'static str) {
        self.types().remove(&(role, sql));
    }

    /// Statement texts are static, so the map cannot outgrow the program.
    fn types(&self) -> MutexGuard<'_, KnownTypes> {
        self.shared.types.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections that are open, and of these the ones that are free.
    pub(crate) fn status(&self) -> (usize, usize) {
        let status = self.connections.status();
        (status.size, status.available)
    }

    /// Closes what is free, and waits for connections that are being brought to rest.
    pub(crate) async fn close(&self) {
        self.connections.close();
        self.shared.recoveries.close();
        self.shared.recoveries.wait().await;
    }
}

pub(crate) fn timeouts(settings: &PoolSettings) -> [(&'static str, String); 2] {
    [
        ("statement_timeout", settings.statement_timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", settings.idle_in_transaction_timeout.as_millis().to_string()),
    ]
}

/// A connection on loan.
pub(crate) struct Lease {
    connection: Option<Object<Manager>>,
    shared: Arc<Shared>,
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("present until drop")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("present until drop")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match connection.status() {
            // Dropping the object gives it back.
            Status::Idle => {}
            Status::Broken => drop(Object::take(connection)),
            Status::Busy | Status::Open | Status::Failed => {
                let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                    drop(Object::take(connection));
                    return;
                };
                let shared = self.shared.clone();
                let work = async move {
                    if bring_to_rest(&mut connection, &shared.url).await.is_err() {
                        drop(Object::take(connection));
                    }
                };
                self.shared.recoveries.spawn_on(work, &runtime);
            }
        }
    }
}

/// # Errors
/// When the connection must be closed: it is broken, or its statement had to be cancelled. A cancel request may arrive
/// late and would then hit whoever uses the connection next.
async fn bring_to_rest(connection: &mut Connection, url: &DatabaseUrl) -> Result<(), Error> {
    if let Ok(outcome) = tokio::time::timeout(GRACE, connection.come_to_rest()).await {
        return outcome;
    }
    // Nobody waits for the answer any more.
    let key = connection.cancel_key();
    let _ = tokio::time::timeout(GRACE, cancel(url, &key)).await;
    let _ = tokio::time::timeout(GRACE * 5, connection.come_to_rest()).await;
    Err(Error::Deadline(GRACE))
}
