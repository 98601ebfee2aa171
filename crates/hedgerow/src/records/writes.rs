//! Where the statements of writes go: each operation by itself in one flight, or several together in one transaction.
//!
//! Always holds: everything that changes rows for a request is sent from here, through the request's [`Ctx`]; what is not
//! [finished](Writes::finish) when the work is together is rolled back.

use hedgerow_database::{Error as DatabaseError, Flight, Identity, JsonRows, Row, Surrounded, Transaction};
use hedgerow_schema::{Action, Entity, Query, Sql};

use super::writer;
use crate::app::App;
use crate::context::Ctx;
use crate::error::Error;

/// What becomes of work that was done together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It lasts.
    Kept,
    /// It is undone: a trial.
    Undone,
}

/// The writes of one request.
///
/// ```no_run
/// # async fn example(ctx: hedgerow::Ctx, app: hedgerow::App) -> Result<(), hedgerow::Error> {
/// use hedgerow::records::{self, Expected, Outcome, Writes};
/// let schema = app.schema();
/// let tasks = schema.entity("tasks").expect("the entity");
/// let mut writes = Writes::together(&ctx, &app);
/// records::delete_one(&mut writes, tasks, "one", &[], Expected::Any).await?;
/// records::delete_one(&mut writes, tasks, "two", &[], Expected::Any).await?;
/// writes.finish(Outcome::Kept).await
/// # }
/// ```
pub struct Writes<'a> {
    pub(crate) ctx: &'a Ctx,
    pub(crate) app: &'a App,
    together: Together,
}

/// Whether operations share a transaction, and which.
enum Together {
    No,
    NotBegun,
    Begun(Box<Transaction>, Identity),
}

impl<'a> Writes<'a> {
    /// Each operation is a transaction of its own, which one wait is enough for.
    pub fn alone(ctx: &'a Ctx, app: &'a App) -> Self {
        Self { ctx, app, together: Together::No }
    }

    /// All operations are one transaction, which [`Self::finish`] ends.
    pub fn together(ctx: &'a Ctx, app: &'a App) -> Self {
        Self { ctx, app, together: Together::NotBegun }
    }

    /// Who writes rows of `entity`, whose credential must allow `action`.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`], [`Error::MissingScope`], [`Error::AdminOnly`]
    pub fn authorize(&self, entity: &Entity, action: Action) -> Result<Identity, Error> {
        writer(self.ctx, entity, action)
    }

    /// Ends the work. Without this, work together is rolled back.
    ///
    /// # Errors
    /// When the server refuses to commit: nothing lasts then.
    pub async fn finish(self, outcome: Outcome) -> Result<(), Error> {
        let Together::Begun(transaction, _) = self.together else { return Ok(()) };
        let ended = match outcome {
            Outcome::Kept => self.ctx.commit(*transaction).await,
            Outcome::Undone => transaction.rollback().await,
        };
        ended.map_err(|error| Error::without_entity("end the writes of a request", error))
    }

    /// What sends the next statements for `identity`.
    pub(crate) async fn send<'s>(&'s mut self, identity: &'s Identity) -> Result<Sender<'s>, Error> {
        match &mut self.together {
            Together::No => return Ok(Sender::Flight(self.ctx.writes(self.app, identity))),
            Together::Begun(_, own) if own != identity => return Err(mixed()),
            Together::Begun(..) => {}
            Together::NotBegun => {
                let begun = self.ctx.begin(self.app, identity).await;
                let begun = begun.map_err(|error| Error::without_entity("begin to write", error))?;
                self.together = Together::Begun(Box::new(begun), identity.clone());
            }
        }
        match &mut self.together {
            Together::Begun(transaction, _) => Ok(Sender::Open(transaction)),
            Together::No | Together::NotBegun => unreachable!("begun above"),
        }
    }
}

/// Reference data is written with another login than a user's own rows.
pub(super) fn mixed() -> Error {
    let message = "what administrators write and what users write cannot be one transaction; send them apart";
    Error::input("", "mixed_writers", message)
}

/// A flight of its own, or an open transaction.
pub(crate) enum Sender<'s> {
    Flight(Flight<'s>),
    Open(&'s mut Transaction),
}

impl Sender<'_> {
    pub(crate) async fn json_each(self, queries: &[Query]) -> Result<Vec<JsonRows>, DatabaseError> {
        match self {
            Self::Flight(flight) => flight.json_each(queries).await,
            Self::Open(transaction) => transaction.json_each(queries).await,
        }
    }

    pub(crate) async fn json_between(
        self,
        before: &[Sql],
        query: &Query,
        after: &[Sql],
    ) -> Result<Surrounded, DatabaseError> {
        match self {
            Self::Flight(flight) => flight.json_between(before, query, after).await,
            Self::Open(transaction) => transaction.json_between(before, query, after).await,
        }
    }

    /// Runs a query that sees rows in the trash, and statements behind it.
    pub(crate) async fn json_with_trash(
        self,
        query: &Query,
        after: &[Sql],
    ) -> Result<Surrounded, DatabaseError> {
        match self {
            Self::Flight(flight) => flight.with_trash().json_between(&[], query, after).await,
            Self::Open(transaction) => transaction.with_trash().json_between(&[], query, after).await,
        }
    }

    pub(crate) async fn execute_each(self, statements: &[Sql]) -> Result<Vec<u64>, DatabaseError> {
        match self {
            Self::Flight(flight) => flight.execute_each(statements).await,
            Self::Open(transaction) => transaction.execute_each(statements).await,
        }
    }

    pub(crate) async fn rows(self, sql: &Sql) -> Result<Vec<Row>, DatabaseError> {
        match self {
            Self::Flight(flight) => flight.sql_rows(sql).await,
            Self::Open(transaction) => transaction.query_sql(sql).await,
        }
    }
}
