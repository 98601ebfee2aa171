//! One flight: identity and statements go to the server together, in one write, one transaction and one wait.
//!
//! Always holds:
//! * the identity is set first and only for this transaction; if setting it fails, the server runs nothing behind it;
//! * success means that the server confirmed the whole flight. There is no COMMIT whose answer could be believed wrongly:
//!   the transaction ends with the flight, and whatever fails, at its end too, is the flight's error;
//! * a flight that is dropped midway leaves nothing open: everything it had to say was already sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hedgerow_schema::statement::Page;

use hedgerow_schema::{Bind, Query, Roles, Sql, SqlType};
use postgres_types::{ToSql, Type};

use crate::error::{Error, Meaning};
use crate::guard::{Guard, Proof};
use crate::identity::{Identity, Role};
use crate::json::JsonRows;
use crate::page::{Met, PageRows, PageSink};
use crate::parts::{self, Part, Sends, Surrounded};
use crate::pool::{Lease, Pool, PoolSettings, Work, timeouts};
use crate::row::{Row, Rows};
use crate::row_format::{PageFormat, RowFormat, RowWriter};
use crate::stream::{Asker, RowStream, StreamLimits};
use crate::wire::{Count, Parameters, Sink, Step};

/// Sets who asks, for one transaction. A connection starts with the role that its pool mostly needs; the role is set
/// where it is another, whatever happened to the session in between. Whether the trash is seen is said each time for the
/// same reason: a setting of the session, whoever made it, is never what counts.
macro_rules! identity {
    () => {
        "SELECT CASE WHEN current_user::text = $1 THEN $1 ELSE pg_catalog.set_config('role', $1, true) END, \
         pg_catalog.set_config('app.user_id', $2, true), \
         pg_catalog.set_config('app.deleted', $3, true)"
    };
}
const IDENTITY: &str = identity!();
/// The same behind a pooler, where a connection cannot be given its timeouts once.
const IDENTITY_AND_TIMEOUTS: &str = concat!(
    identity!(),
    ", pg_catalog.set_config('statement_timeout', $4, true), \
     pg_catalog.set_config('idle_in_transaction_session_timeout', $5, true)"
);

/// Statements for one identity, about to be sent.
///
/// It is how everything reaches a tenant's data; a caller gets one from [`crate::Database::flight`].
#[must_use = "a flight does nothing until it is sent"]
pub struct Flight<'d> {
    pool: &'d Pool,
    roles: &'d Roles,
    identity: &'d Identity,
    trash: Trash,
    work: Work,
    guard: Option<&'d Arc<Guard>>,
    ending: Option<&'d Ending>,
}

/// A statement that goes last in a transaction that may have written, and whether it had a row.
///
/// What it says is lasting exactly when the rest of the transaction is.
#[derive(Debug)]
pub struct Ending {
    sql: Sql,
    met: AtomicBool,
}

impl Ending {
    /// Not sent yet.
    pub fn new(sql: Sql) -> Self {
        Self { sql, met: AtomicBool::new(false) }
    }

    /// Whether a transaction was committed in which the statement had a row.
    pub fn was_met(&self) -> bool {
        self.met.load(Ordering::Acquire)
    }

    pub(crate) fn step<'s>(&'s self, role: Role, sink: &'s mut Count) -> Step<'s> {
        let parameters = Parameters::Text(self.sql.binds());
        Step { text: self.sql.text(), role: Some(role), parameters, expected: None, sink }
    }

    /// To be called when the transaction is committed.
    pub(crate) fn note(&self, sink: &Count) {
        if sink.0 > 0 {
            self.met.store(true, Ordering::Release);
        }
    }
}

/// Whether rows in the trash are seen by whoever may write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trash {
    Hidden,
    Seen,
}

/// What sets the identity, as a statement of a flight.
pub(crate) struct IdentityStatement {
    text: &'static str,
    binds: Vec<Bind>,
}

impl IdentityStatement {
    pub(crate) fn new(identity: &Identity, trash: Trash, work: Work, roles: &Roles, pool: &Pool) -> Self {
        let (settings, is_usual) = pool.settings().of(work);
        if pool.sets_timeouts_per_flight() || !is_usual {
            return Self::with_timeouts(identity, trash, roles, &settings);
        }
        Self { text: IDENTITY, binds: identity_binds(identity, trash, roles) }
    }

    /// With the timeouts of these settings instead of the connection's own.
    pub(crate) fn with_timeouts(
        identity: &Identity,
        trash: Trash,
        roles: &Roles,
        settings: &PoolSettings,
    ) -> Self {
        let mut binds = identity_binds(identity, trash, roles);
        binds.extend(timeouts(settings).map(|(_, value)| Bind::text(value)));
        Self { text: IDENTITY_AND_TIMEOUTS, binds }
    }

    pub(crate) fn step<'s>(&'s self, sink: &'s mut dyn Sink) -> Step<'s> {
        Step { text: self.text, role: None, parameters: Parameters::Text(&self.binds), expected: None, sink }
    }
}

fn identity_binds(identity: &Identity, trash: Trash, roles: &Roles) -> Vec<Bind> {
    let deleted = if trash == Trash::Seen { "on" } else { "" };
    vec![Bind::text(identity.role().name(roles)), Bind::text(identity.user_id()), Bind::text(deleted)]
}

impl<'d> Flight<'d> {
    pub(crate) fn new(pool: &'d Pool, roles: &'d Roles, identity: &'d Identity) -> Self {
        if let Identity::System { reason } = identity {
            tracing::info!(reason, "the program reads or writes for itself");
        }
        Self { pool, roles, identity, trash: Trash::Hidden, work: Work::Other, guard: None, ending: None }
    }

    /// The same with rows in the trash, for what deletes, restores and lists them; for this flight alone.
    pub fn with_trash(self) -> Self {
        Self { trash: Trash::Seen, ..self }
    }

    /// The same with the timeout of `work`.
    pub fn of(self, work: Work) -> Self {
        Self { work, ..self }
    }

    /// The same with a statement behind its own; if that fails, none of them had an effect.
    pub fn ending(self, ending: &'d Ending) -> Self {
        Self { ending: Some(ending), ..self }
    }

    /// The same with something to prove first; nothing is done where it does not hold ([`Error::Unproven`]).
    pub fn guarded(self, guard: Option<&'d Arc<Guard>>) -> Self {
        Self { guard, ..self }
    }

    /// Sends a statement of the program's with Rust values as parameters, and returns its rows.
    ///
    /// The first time a statement is used on a pool the server is asked for its parameter types, which is a second
    /// flight.
    ///
    /// # Errors
    /// [`Error`]; the statement then had no effect, unless the connection broke while its answer was under way.
    pub async fn rows(
        self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let mut sink = Rows::default();
        self.typed(sql, parameters, &mut sink).await?;
        Ok(sink.rows)
    }

    /// Sends a statement of the program's, and returns how many rows it read or changed.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub async fn execute(self, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        let mut sink = Count::default();
        self.typed(sql, parameters, &mut sink).await?;
        Ok(sink.0)
    }

    async fn typed(
        self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
        sink: &mut (dyn Sink + '_),
    ) -> Result<(), Error> {
        let role = self.identity.role();
        let mut lease = self.pool.lend().await?;
        let identity = IdentityStatement::new(self.identity, self.trash, self.work, self.roles, self.pool);
        let mut retried = false;
        loop {
            let types = parameter_types(self.pool, &mut lease, role, sql, Some(&identity)).await?;
            let (mut identity_sink, mut last) = (Count::default(), Count::default());
            let mut proof = self.guard.map(|guard| guard.proof());
            let parameters = Parameters::Typed(&types, parameters);
            let mut steps = Vec::with_capacity(4);
            steps.push(identity.step(&mut identity_sink));
            steps.extend(proof.as_mut().map(|proof| proof.step(role)));
            steps.push(Step { text: sql, role: Some(role), parameters, expected: None, sink: &mut *sink });
            steps.extend(self.ending.map(|ending| ending.step(role, &mut last)));
            let outcome = within(self.pool, self.work, lease.exchange(&mut steps)).await;
            drop(steps);
            match outcome.map_err(|error| judged(proof.as_ref(), error)) {
                Err(error) => {
                    // The tables may have changed since the server was asked.
                    if is_type_trouble(&error) {
                        self.pool.forget_types(role, sql);
                    }
                    if retried || !is_stale_plan(&error) {
                        return Err(error);
                    }
                    retried = true;
                    lease.forget_statements();
                }
                Ok(()) => {
                    self.note(&last);
                    return Ok(());
                }
            }
        }
    }

    /// Sends a query of the builder, and returns its rows as JSON, at most `wanted` of them.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub async fn json(self, query: &Query, wanted: usize) -> Result<JsonRows, Error> {
        parts::json(self, query, wanted).await
    }

    /// Sends several queries of the builder in one transaction, and returns the rows of each as JSON.
    ///
    /// # Errors
    /// As [`Self::rows`]; if one fails, none had an effect.
    pub async fn json_each(self, queries: &[Query]) -> Result<Vec<JsonRows>, Error> {
        parts::json_each(self, queries).await
    }

    /// Sends statements, a query and other statements in one transaction.
    ///
    /// # Errors
    /// As [`Self::rows`]; if one fails, none had an effect.
    pub async fn json_between(
        self,
        before: &[Sql],
        query: &Query,
        after: &[Sql],
    ) -> Result<Surrounded, Error> {
        parts::json_between(self, before, query, after).await
    }

    /// Sends statements of the builder in one transaction, and returns how many rows each read or changed.
    ///
    /// # Errors
    /// As [`Self::rows`]; if one fails, none had an effect.
    pub async fn execute_each(self, statements: &[Sql]) -> Result<Vec<u64>, Error> {
        parts::execute_each(self, statements).await
    }

    /// Sends a statement of the builder, and returns its rows.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub async fn sql_rows(self, sql: &Sql) -> Result<Vec<Row>, Error> {
        parts::rows(self, sql).await
    }

    /// Sends statements and then one whose rows come back, in one transaction.
    ///
    /// # Errors
    /// As [`Self::rows`]; if one fails, none had an effect.
    pub async fn sql_rows_after(self, before: &[Sql], sql: &Sql) -> Result<Vec<Row>, Error> {
        let mut counts: Vec<Count> = before.iter().map(|_| Count::default()).collect();
        let mut sink = Rows::default();
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(before.len() + 1);
        for (sql, count) in before.iter().zip(&mut counts) {
            parts.push((sql, None, count));
        }
        parts.push((sql, None, &mut sink));
        self.built(&mut parts).await?;
        drop(parts);
        Ok(sink.rows)
    }

    /// Sends the statement of a page, and another that counts where there is one; returns at most `wanted` rows, and the
    /// count.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub async fn page(
        self,
        page: &Page,
        format: PageFormat,
        wanted: usize,
        met: Met,
        count: Option<&Sql>,
    ) -> Result<(PageRows, Option<u64>), Error> {
        let mut sink = PageSink::new(page, format, wanted, met);
        let mut counted = Rows::default();
        let expected: Vec<SqlType> = page.query.columns.iter().map(|column| column.ty).collect();
        let mut parts: Vec<Part<'_>> = vec![(&page.query.sql, Some(&expected), &mut sink)];
        if let Some(count) = count {
            parts.push((count, None, &mut counted));
        }
        self.built(&mut parts).await?;
        drop(parts);
        let total = counted.rows.first().map(|row| row.get::<i64>(0)).transpose()?;
        Ok((sink.finish()?, total.map(i64::unsigned_abs)))
    }

    /// Sends a query of the builder, and returns its rows while they come, in constant memory.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`]; what happens later comes from the stream.
    pub fn stream(self, query: Query, format: RowFormat, limits: StreamLimits) -> Result<RowStream, Error> {
        let settings = PoolSettings { statement_timeout: limits.total, ..*self.pool.settings() };
        let identity = IdentityStatement::with_timeouts(self.identity, self.trash, self.roles, &settings);
        let asker = Asker { identity, role: self.identity.role(), guard: self.guard.cloned() };
        RowStream::start(self.pool, asker, query, format, limits)
    }

    /// Sends a query of the builder, and writes its rows as they come.
    ///
    /// # Errors
    /// As [`Self::rows`]; also when `out` cannot be written.
    pub async fn write_rows(
        self,
        query: &Query,
        format: RowFormat,
        out: &mut (dyn std::io::Write + Send),
    ) -> Result<u64, Error> {
        let mut sink = RowWriter::new(format, &query.columns, out);
        let expected: Vec<SqlType> = query.columns.iter().map(|column| column.ty).collect();
        self.built(&mut [(&query.sql, Some(&expected), &mut sink)]).await?;
        Ok(sink.rows)
    }

    async fn built(self, parts: &mut [Part<'_>]) -> Result<(), Error> {
        let role = self.identity.role();
        let mut lease = self.pool.lend().await?;
        let identity = IdentityStatement::new(self.identity, self.trash, self.work, self.roles, self.pool);
        let mut sink = Count::default();
        let mut retried = false;
        loop {
            let mut last = Count::default();
            let mut proof = self.guard.map(|guard| guard.proof());
            let mut steps = Vec::with_capacity(parts.len() + 3);
            steps.push(identity.step(&mut sink));
            steps.extend(proof.as_mut().map(|proof| proof.step(role)));
            steps.extend(parts.iter_mut().map(|(sql, expected, sink)| Step {
                text: sql.text(),
                role: Some(role),
                parameters: Parameters::Text(sql.binds()),
                expected: *expected,
                sink: &mut **sink,
            }));
            steps.extend(self.ending.map(|ending| ending.step(role, &mut last)));
            let outcome = within(self.pool, self.work, lease.exchange(&mut steps)).await;
            drop(steps);
            match outcome.map_err(|error| judged(proof.as_ref(), error)) {
                // Nothing happened yet: the flight is one transaction, and it failed at planning.
                Err(error) if is_stale_plan(&error) && !retried => {
                    retried = true;
                    lease.forget_statements();
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    self.note(&last);
                    return Ok(());
                }
            }
        }
    }

    fn note(&self, last: &Count) {
        if let Some(ending) = self.ending {
            ending.note(last);
        }
    }
}

/// An error of a guarded exchange: the guard's own, or the one that it is.
pub(crate) fn judged(proof: Option<&Proof<'_>>, error: Error) -> Error {
    match proof {
        Some(proof) => proof.judge(error),
        None => error,
    }
}

/// A query and nothing else, for the benchmark.
#[cfg(feature = "bench")]
pub(crate) async fn plain(pool: &Pool, query: &Query, wanted: usize) -> Result<JsonRows, Error> {
    let mut lease = pool.lend().await?;
    let mut sink = crate::json::JsonSink::new(&query.columns, wanted);
    let expected: Vec<SqlType> = query.columns.iter().map(|column| column.ty).collect();
    let parameters = Parameters::Text(query.sql.binds());
    let mut steps =
        [Step { text: query.sql.text(), role: None, parameters, expected: Some(&expected), sink: &mut sink }];
    within(pool, Work::Other, lease.exchange(&mut steps)).await?;
    Ok(sink.rows)
}

impl Sends for Flight<'_> {
    async fn send(self, parts: &mut [Part<'_>]) -> Result<(), Error> {
        self.built(parts).await
    }
}

/// The parameter types of a statement that a library user wrote; the server is asked once for each pool and role.
pub(crate) async fn parameter_types(
    pool: &Pool,
    lease: &mut Lease,
    role: Role,
    sql: &'static str,
    identity: Option<&IdentityStatement>,
) -> Result<Arc<[Type]>, Error> {
    if let Some(types) = pool.known_types(role, sql) {
        return Ok(types);
    }
    let mut sink = Count::default();
    let types: Arc<[Type]> = match identity {
        Some(identity) => {
            within(pool, Work::Other, lease.describe(&mut [identity.step(&mut sink)], sql)).await?
        }
        None => within(pool, Work::Other, lease.describe(&mut [], sql)).await?,
    }
    .into();
    pool.learn_types(role, sql, types.clone());
    Ok(types)
}

/// Waits as long as the server may take. The future that is dropped then leaves its connection to the pool's care.
pub(crate) async fn within<T>(
    pool: &Pool,
    work: Work,
    exchange: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    pool.count_exchange();
    match pool.answer_deadline(work) {
        Some(limit) => tokio::time::timeout(limit, exchange).await.unwrap_or(Err(Error::Deadline(limit))),
        None => exchange.await,
    }
}

pub(crate) fn is_stale_plan(error: &Error) -> bool {
    error.server().is_some_and(|error| error.meaning() == Meaning::StalePlan)
}

/// Whether the parameter types may be out of date.
fn is_type_trouble(error: &Error) -> bool {
    matches!(error, Error::Parameter { .. } | Error::ParameterCount { .. })
        || error
            .server()
            .is_some_and(|error| error.code.code().starts_with("42") || error.code.code().starts_with("22"))
}
