//! Several statements of one identity with the program's own decisions in between.
//!
//! Always holds: the identity is set for this transaction alone; a transaction that is not committed is rolled back,
//! whether its owner returns an error, panics or is dropped.

use hedgerow_schema::{Query, Roles, Sql};
use postgres_types::ToSql;

use crate::error::Error;
use crate::flight::{Ending, IdentityStatement, Trash, is_stale_plan, judged, parameter_types, within};
use crate::guard::Guard;
use crate::identity::Identity;
use crate::json::JsonRows;
use crate::parts::{self, Part, Sends, Surrounded};
use crate::pool::{Lease, Pool, Work};
use crate::row::{Row, Rows};
use crate::wire::{Count, Parameters, Sink, Status, Step};

/// An open transaction for one identity.
pub struct Transaction {
    pool: Pool,
    roles: Roles,
    lease: Lease,
    identity: Identity,
    work: Work,
}

impl Transaction {
    /// BEGIN, the identity and what is to be proved go in one flight.
    pub(crate) async fn begin(
        pool: &Pool,
        roles: &Roles,
        identity: &Identity,
        work: Work,
        guard: Option<&Guard>,
    ) -> Result<Self, Error> {
        let mut lease = pool.lend().await?;
        let statement = IdentityStatement::new(identity, Trash::Hidden, work, roles, pool);
        let (mut begin, mut set) = (Count::default(), Count::default());
        let mut proof = guard.map(Guard::proof);
        let mut steps = vec![plain("BEGIN", &mut begin), statement.step(&mut set)];
        steps.extend(proof.as_mut().map(|proof| proof.step(identity.role())));
        let outcome = within(pool, work, lease.exchange(&mut steps)).await;
        drop(steps);
        outcome.map_err(|error| judged(proof.as_ref(), error))?;
        Ok(Self { pool: pool.clone(), roles: roles.clone(), lease, identity: identity.clone(), work })
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// [`Error`]; after an error of the server the transaction can only be rolled back.
    pub async fn query(
        &mut self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let mut sink = Rows::default();
        self.typed(sql, parameters, &mut sink).await?;
        Ok(sink.rows)
    }

    /// Runs a statement and returns how many rows it read or changed.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn execute(
        &mut self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        let mut sink = Count::default();
        self.typed(sql, parameters, &mut sink).await?;
        Ok(sink.0)
    }

    /// Runs a query of the builder and returns its rows as JSON.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn json(&mut self, query: &Query) -> Result<JsonRows, Error> {
        parts::json(self, query, usize::MAX).await
    }

    /// Runs several queries of the builder in one wait, and returns the rows of each as JSON.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn json_each(&mut self, queries: &[Query]) -> Result<Vec<JsonRows>, Error> {
        parts::json_each(self, queries).await
    }

    /// Runs statements, a query and other statements in one wait.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn json_between(
        &mut self,
        before: &[Sql],
        query: &Query,
        after: &[Sql],
    ) -> Result<Surrounded, Error> {
        parts::json_between(self, before, query, after).await
    }

    /// Runs statements of the builder in one wait, and returns how many rows each read or changed.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn execute_each(&mut self, statements: &[Sql]) -> Result<Vec<u64>, Error> {
        parts::execute_each(self, statements).await
    }

    /// Runs a statement of the builder and returns its rows.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn query_sql(&mut self, sql: &Sql) -> Result<Vec<Row>, Error> {
        parts::rows(self, sql).await
    }

    /// The same with rows in the trash, for the statements that are sent with what this returns.
    pub fn with_trash(&mut self) -> TrashTransaction<'_> {
        TrashTransaction(self)
    }

    /// Goes on for another identity of the same pool: an import writes the rows of many owners all or nothing.
    ///
    /// # Errors
    /// As [`Self::query`], also when the login may not take the identity's role.
    pub async fn switch_to(&mut self, identity: &Identity) -> Result<(), Error> {
        self.check()?;
        if self.identity != *identity {
            let statement =
                IdentityStatement::new(identity, Trash::Hidden, self.work, &self.roles, &self.pool);
            let mut sink = Count::default();
            within(&self.pool, self.work, self.lease.exchange(&mut [statement.step(&mut sink)])).await?;
            self.identity = identity.clone();
        }
        Ok(())
    }

    /// Runs statements for `identity` in a way that their failure does not end the transaction, all in one flight; tells
    /// how many rows the first one changed.
    ///
    /// # Errors
    /// The inner error is that of a statement, and then none had an effect; the outer one ends the transaction.
    pub async fn attempt(
        &mut self,
        identity: &Identity,
        statements: &[Sql],
    ) -> Result<Result<u64, Error>, Error> {
        self.check()?;
        let statement = IdentityStatement::new(identity, Trash::Hidden, self.work, &self.roles, &self.pool);
        let [mut set, mut save, mut release] = [(); 3].map(|()| Count::default());
        let mut counts: Vec<Count> = statements.iter().map(|_| Count::default()).collect();
        let mut steps = Vec::with_capacity(statements.len() + 3);
        // Before the savepoint: going back to it would bring the old identity back.
        if self.identity != *identity {
            steps.push(statement.step(&mut set));
        }
        steps.push(plain("SAVEPOINT attempt", &mut save));
        for (sql, sink) in statements.iter().zip(&mut counts) {
            steps.push(Step {
                text: sql.text(),
                role: Some(identity.role()),
                parameters: Parameters::Text(sql.binds()),
                expected: None,
                sink,
            });
        }
        steps.push(plain("RELEASE attempt", &mut release));
        let outcome = within(&self.pool, self.work, self.lease.exchange(&mut steps)).await;
        drop(steps);
        self.identity = identity.clone();
        match outcome {
            Ok(()) => Ok(Ok(counts.first().map_or(0, |count| count.0))),
            Err(error) if self.lease.status() == Status::Failed => {
                let mut sink = Count::default();
                within(
                    &self.pool,
                    self.work,
                    self.lease.exchange(&mut [plain("ROLLBACK TO attempt", &mut sink)]),
                )
                .await?;
                Ok(Err(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes everything lasting.
    ///
    /// # Errors
    /// [`Error::RolledBack`] when an error of an earlier statement was passed over; an error of the server when a
    /// deferred check fails now. Nothing was written then.
    pub async fn commit(mut self) -> Result<(), Error> {
        let failed = self.lease.status() != Status::Open;
        let mut sink = Count::default();
        if failed {
            // Dropping the lease rolls back.
            return Err(Error::RolledBack);
        }
        within(&self.pool, self.work, self.lease.exchange(&mut [plain("COMMIT", &mut sink)])).await
    }

    /// The same with a statement before the commit, in one flight with it.
    ///
    /// # Errors
    /// As [`Self::commit`], also when the statement fails.
    pub async fn commit_with(mut self, ending: &Ending) -> Result<(), Error> {
        self.check()?;
        let (mut last, mut sink) = (Count::default(), Count::default());
        let mut steps = [ending.step(self.identity.role(), &mut last), plain("COMMIT", &mut sink)];
        within(&self.pool, self.work, self.lease.exchange(&mut steps)).await?;
        ending.note(&last);
        Ok(())
    }

    /// Undoes everything, and waits until it is undone.
    ///
    /// # Errors
    /// When the connection broke; the server then rolls back by itself.
    pub async fn rollback(mut self) -> Result<(), Error> {
        within(&self.pool, self.work, self.lease.come_to_rest()).await
    }

    fn check(&self) -> Result<(), Error> {
        if self.lease.status() == Status::Open { Ok(()) } else { Err(Error::RolledBack) }
    }

    async fn typed(
        &mut self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
        sink: &mut (dyn Sink + '_),
    ) -> Result<(), Error> {
        self.check()?;
        let types = parameter_types(&self.pool, &mut self.lease, self.identity.role(), sql, None).await?;
        let parameters = Parameters::Typed(&types, parameters);
        let mut steps =
            [Step { text: sql, role: Some(self.identity.role()), parameters, expected: None, sink }];
        within(&self.pool, self.work, self.lease.exchange(&mut steps)).await
    }

    async fn exchange(&mut self, trash: Trash, parts: &mut [Part<'_>]) -> Result<(), Error> {
        self.check()?;
        if parts.is_empty() {
            return Ok(());
        }
        let role = self.identity.role();
        let around = (trash == Trash::Seen).then(|| {
            [Trash::Seen, Trash::Hidden].map(|trash| {
                IdentityStatement::new(&self.identity, trash, self.work, &self.roles, &self.pool)
            })
        });
        let (mut open, mut close) = (Count::default(), Count::default());
        let mut steps = Vec::with_capacity(parts.len() + 2);
        steps.extend(around.as_ref().map(|[seen, _]| seen.step(&mut open)));
        steps.extend(parts.iter_mut().map(|(sql, expected, sink)| Step {
            text: sql.text(),
            role: Some(role),
            parameters: Parameters::Text(sql.binds()),
            expected: *expected,
            sink: &mut **sink,
        }));
        steps.extend(around.as_ref().map(|[_, hidden]| hidden.step(&mut close)));
        let outcome = within(&self.pool, self.work, self.lease.exchange(&mut steps)).await;
        if outcome.as_ref().is_err_and(is_stale_plan) {
            // Whoever does the whole again gets new plans.
            self.lease.forget_statements();
        }
        outcome
    }
}

impl Sends for &mut Transaction {
    async fn send(self, parts: &mut [Part<'_>]) -> Result<(), Error> {
        self.exchange(Trash::Hidden, parts).await
    }
}

/// An open transaction that sees rows in the trash, for one exchange.
pub struct TrashTransaction<'t>(&'t mut Transaction);

impl TrashTransaction<'_> {
    /// As [`Transaction::json_between`].
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub async fn json_between(
        self,
        before: &[Sql],
        query: &Query,
        after: &[Sql],
    ) -> Result<Surrounded, Error> {
        parts::json_between(self, before, query, after).await
    }
}

impl Sends for TrashTransaction<'_> {
    async fn send(self, parts: &mut [Part<'_>]) -> Result<(), Error> {
        self.0.exchange(Trash::Seen, parts).await
    }
}

fn plain<'s>(text: &'static str, sink: &'s mut Count) -> Step<'s> {
    Step { text, role: None, parameters: Parameters::Text(&[]), expected: None, sink }
}
