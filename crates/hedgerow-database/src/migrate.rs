//! Brings a database from one schema to another, and back.
//!
//! Always holds:
//! * one runner at a time (an advisory lock); a second waits, and then finds nothing to do;
//! * what was applied is recorded with its text, in the transaction that applied it; a file that runs in steps records
//!   each step, so that a runner that was killed is followed by one that goes on where it ended;
//! * a migration never believes a lie of row-level security: FORCE is taken off the tables whose rows it reads or writes,
//!   `row_security` is off, so that a statement which would be filtered fails instead, and FORCE comes back;
//! * a table without enforced row-level security is not committed;
//! * nothing is lost that was not allowed to be;
//! * nobody waits long: a lock is asked for when nobody holds the table for long, and given up if it is not granted at once.

mod error;
mod force;
mod found;
mod losses;
mod pending;
mod records;
mod run;
mod scratch;
mod seeds;

use std::time::{Duration, Instant};

use hedgerow_schema::catalog::Catalog;
use hedgerow_schema::diff::{Pace, Plan, Renames, plan};
use hedgerow_schema::script::Script;
use hedgerow_schema::{Roles, Schema, ddl, model, script};

use crate::error::Error;
use crate::introspect::introspect;
use crate::owner::{Owner, from_driver};
use crate::url::DatabaseUrl;

use self::error::failed;
pub use found::{found, survey};

pub use self::error::{MigrateError, server_error};
pub use losses::DataLoss;
pub use records::{Kind, Record, checksum};
pub use scratch::replay;
pub use seeds::seed;

/// A file of `migrations/`, with its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationFile {
    /// The file's name without `.sql`, such as `0001_add_index`.
    pub name: String,
    /// Its content.
    pub text: String,
    /// The content of `<name>.down.sql`, where there is one.
    pub down: Option<String>,
}

/// One thing that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
}

/// What happens while migrations run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrateEvent {
    /// Another runner is at work; this one waits for it.
    Waiting,
    /// A lock was not free in time; it is given up, so that nobody queues behind it, and asked for again.
    Busy {
        /// How often by now.
        attempts: u32,
    },
    /// A file that runs in steps is at this statement, of so many.
    Step {
        /// The file.
        name: String,
        /// From 1.
        step: usize,
        /// How many there are.
        steps: usize,
        /// The statement's first line.
        statement: String,
    },
    /// A file is applied after one with a later name: it was probably merged later.
    Late {
        /// The file.
        name: String,
        /// The later one that is applied already.
        after: String,
    },
    /// An earlier run ended in the middle; this one goes on behind this many steps.
    Resuming {
        /// The file.
        name: String,
        /// Steps that were done.
        done: usize,
    },
    /// This was applied.
    Applied(Applied),
}

/// Hears what happens.
pub(crate) type Report<'r> = dyn FnMut(MigrateEvent) + Send + 'r;

/// What stands in a database, and what is known of how it came there.
#[derive(Clone, Debug)]
pub struct Look {
    /// As it is.
    pub catalog: Catalog,
    /// As the last migration left it; `None` before the first.
    pub accepted: Option<Catalog>,
    /// What was applied, oldest first.
    pub records: Vec<Record>,
    /// The login that asked: who owns what it makes.
    pub owner: String,
    /// The file that an interrupted run left half applied.
    pub interrupted: Option<String>,
}

impl Look {
    /// What the database should become: the entities of `schema`, and what migrations made beside them.
    pub fn target(&self, schema: &Schema, roles: &Roles) -> Catalog {
        self.target_with(schema, roles, self.accepted.as_ref().unwrap_or(&self.catalog))
    }

    /// The same, but what nobody's migration made stays too: a plan does not touch what is not Hedgerow's. Policies are
    /// the exception, since one too many opens a table.
    fn plan_target(&self, schema: &Schema, roles: &Roles) -> Catalog {
        let mut kept = self.catalog.clone();
        if let Some(accepted) = &self.accepted {
            for (name, table) in kept.tables.iter_mut().filter(|(_, table)| table.is_managed()) {
                let known = accepted.tables.get(name);
                table.policies.retain(|policy, found| {
                    known.is_some_and(|known| known.policies.get(policy) == Some(found))
                });
            }
        }
        self.target_with(schema, roles, &kept)
    }

    /// Hedgerow's own sets that are not applied; the next `apply` begins with them.
    pub fn pending_sets(&self, roles: &Roles) -> Vec<&'static str> {
        let is_applied =
            |name: &str| self.records.iter().any(|record| record.kind == Kind::Core && record.name == name);
        ddl::core(roles).iter().map(|set| set.name).filter(|name| !is_applied(name)).collect()
    }

    fn target_with(&self, schema: &Schema, roles: &Roles, kept: &Catalog) -> Catalog {
        let renames = Renames::declared(schema, &self.catalog);
        let expected = model::expected(schema, roles, &self.owner);
        model::target(&renames.apply(&self.catalog), &expected, &renames.apply(kept), roles)
    }

    /// The changes that lead from the database as it is to what the entities of `schema` say.
    pub fn plan(&self, schema: &Schema, roles: &Roles, pace: Pace) -> Plan {
        let renames = Renames::declared(schema, &self.catalog);
        plan(&self.catalog, &self.plan_target(schema, roles), &renames, pace)
    }

    /// The files that a plan becomes: forward, and back.
    pub fn files(&self, schema: &Schema, roles: &Roles, note: &str) -> (String, String) {
        let renames = Renames::declared(schema, &self.catalog);
        let target = self.plan_target(schema, roles);
        let up = plan(&self.catalog, &target, &renames, Pace::Online);
        let down = plan(&target, &self.catalog, &renames.reversed(), Pace::Online);
        (script::write(&up, note), script::write(&down, &format!("The way back of: {note}")))
    }
}

/// Looks at a database; changes and locks nothing.
///
/// # Errors
/// [`MigrateError::Database`]
pub async fn look(url: &DatabaseUrl) -> Result<Look, MigrateError> {
    let owner = Owner::connect(url).await.map_err(failed("connect as the owner"))?;
    let outcome = look_with(&owner).await;
    owner.close().await;
    outcome
}

async fn look_with(owner: &Owner) -> Result<Look, MigrateError> {
    let catalog = introspect(owner).await.map_err(failed("read the catalog"))?;
    let known = records::exist(owner).await.map_err(failed("look for hedgerow.migrations"))?;
    let name = owner.client.query_one("SELECT current_user::text", &[]).await;
    let name = name
        .map_err(|source| from_driver("ask who we are", source))
        .map_err(failed("ask who we are"))?
        .get(0);
    let mut look = Look { catalog, accepted: None, records: Vec::new(), owner: name, interrupted: None };
    if known {
        look.records = records::all(owner).await.map_err(failed("read hedgerow.migrations"))?;
        look.accepted = records::accepted(owner).await.map_err(failed("read hedgerow.state"))?;
        look.interrupted =
            records::interrupted(owner).await.map_err(failed("read hedgerow.migration_steps"))?;
    }
    Ok(look)
}

/// A connection that holds the migration lock; what an earlier run left open is closed.
struct Session<'r> {
    owner: Owner,
    roles: &'r Roles,
    /// The catalog at the beginning; of a run that was killed, if one was: this one answers for what that one did.
    before: Catalog,
}

impl<'r> Session<'r> {
    async fn open(
        url: &DatabaseUrl,
        roles: &'r Roles,
        report: &mut Report<'_>,
    ) -> Result<Self, MigrateError> {
        let owner = Owner::connect(url).await.map_err(failed("connect as the owner"))?;
        lock(&owner, report).await.map_err(failed("get the migration lock"))?;
        records::make(&owner, roles).await.map_err(failed("make the tables of schema hedgerow"))?;
        force::recover(&owner, report).await?;
        let before = match records::before(&owner).await.map_err(failed("read hedgerow.state"))? {
            Some(before) => before,
            None => introspect(&owner).await.map_err(failed("read the catalog"))?,
        };
        Ok(Self { owner, roles, before })
    }

    /// From here on, what changes is the work of this run, even if it is killed.
    async fn begin(&self) -> Result<(), MigrateError> {
        records::begin(&self.owner, &self.before).await.map_err(failed("remember the catalog before"))
    }

    /// Remembers the catalog as migrations left it, and ends. Where nothing was begun, nothing that differs became right
    /// by it; what somebody else changed in the meantime stays drift.
    async fn close(self) -> Result<(), MigrateError> {
        let begun = records::before(&self.owner).await.map_err(failed("read hedgerow.state"))?;
        if let Some(before) = begun {
            let after = introspect(&self.owner).await.map_err(failed("read the catalog"))?;
            let accepted = records::accepted(&self.owner).await.map_err(failed("read hedgerow.state"))?;
            let accepted = records::merged(&before, &after, accepted.as_ref());
            records::accept(&self.owner, &accepted).await.map_err(failed("remember the catalog"))?;
        }
        self.owner.close().await;
        Ok(())
    }
}

/// "hedgerow" in ASCII.
const LOCK_KEY: i64 = 0x6865_6467_6572_6f77;

async fn lock(owner: &Owner, report: &mut Report<'_>) -> Result<(), Error> {
    let tried = owner.client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK_KEY]).await;
    let free: bool = tried.map_err(|source| from_driver("try the lock", source))?.get(0);
    if !free {
        report(MigrateEvent::Waiting);
        owner.run("SET lock_timeout = '60min'").await?;
        let waited = owner.client.execute("SELECT pg_advisory_lock($1)", &[&LOCK_KEY]).await;
        waited.map_err(|source| from_driver("wait for the lock", source))?;
    }
    Ok(())
}

/// Applies what is pending: Hedgerow's own tables, then files in order of their names.
///
/// `url` is the owner's. `report` hears of each step as it is committed.
///
/// # Errors
/// [`MigrateError`]; what was reported stays applied, the failing file left nothing, or where it runs in steps, the steps
/// before the failing one, from which the next run goes on.
pub async fn apply(
    url: &DatabaseUrl,
    roles: &Roles,
    files: &[MigrationFile],
    loss: DataLoss,
    mut report: impl FnMut(MigrateEvent) + Send,
) -> Result<Vec<Applied>, MigrateError> {
    let session = Session::open(url, roles, &mut report).await?;
    let mut applied = Vec::new();
    let outcome = pending::apply(&session, files, loss, &mut report, &mut applied).await;
    let closed = session.close().await;
    outcome.and(closed)?;
    Ok(applied)
}

/// Tries the files that [`apply`] would run, in one transaction that is undone. A file in steps that fails in the middle stays
/// half applied; in a development database, whose tables are small and wait for nobody, it is tried first.
///
/// # Errors
/// [`MigrateError::File`] with what would have failed. `Ok` also where a file cannot be tried this way.
pub async fn rehearse(
    url: &DatabaseUrl,
    roles: &Roles,
    files: &[MigrationFile],
    mut report: impl FnMut(MigrateEvent) + Send,
) -> Result<(), MigrateError> {
    let session = Session::open(url, roles, &mut report).await?;
    let outcome = pending::rehearse(&session, files).await;
    let closed = session.close().await;
    outcome.and(closed)
}

/// Brings a development database to what the entities say, without a file, in one transaction. What was changed this way
/// is a draft until [`adopt`] says that a file does the same.
///
/// # Errors
/// [`MigrateError`]; nothing was changed then.
pub async fn draft(
    url: &DatabaseUrl,
    roles: &Roles,
    schema: &Schema,
    loss: DataLoss,
    mut report: impl FnMut(MigrateEvent) + Send,
) -> Result<Plan, MigrateError> {
    let session = Session::open(url, roles, &mut report).await?;
    let outcome = draft_with(&session, schema, loss, &mut report).await;
    let closed = session.close().await;
    let plan = outcome?;
    closed.map(|()| plan)
}

async fn draft_with(
    session: &Session<'_>,
    schema: &Schema,
    loss: DataLoss,
    report: &mut Report<'_>,
) -> Result<Plan, MigrateError> {
    pending::apply_core(session, report, &mut Vec::new()).await?;
    let look = look_with(&session.owner).await?;
    let plan = look.plan(schema, session.roles, Pace::AtOnce);
    if plan.is_empty() {
        return Ok(plan);
    }
    let lost: Vec<_> = plan.losses().into_iter().cloned().collect();
    losses::allow(&session.owner, "the change", &lost, loss, report).await?;
    session.begin().await?;
    let text = script::write(&plan, "a draft");
    let name =
        format!("draft_{}", 1 + look.records.iter().filter(|record| record.kind == Kind::Draft).count());
    let record = records::New { kind: Kind::Draft, name: &name, text: &text, start: Instant::now() };
    let statements: Vec<String> = plan
        .units()
        .into_iter()
        .flat_map(|unit| match unit {
            hedgerow_schema::diff::Unit::Transaction(statements) => statements,
            hedgerow_schema::diff::Unit::Alone(statement) => vec![statement],
        })
        .collect();
    run::statements(&session.owner, &statements, "the change", &record, report).await?;
    Ok(plan)
}

/// Records files as applied without running them, because the database is already what they would make of it; drafts are
/// files from then on.
///
/// # Errors
/// [`MigrateError::Database`]
pub async fn adopt(url: &DatabaseUrl, roles: &Roles, files: &[&MigrationFile]) -> Result<(), MigrateError> {
    let session = Session::open(url, roles, &mut |_| {}).await?;
    session.begin().await?;
    let outcome = records::adopt(&session.owner, files).await.map_err(failed("record files as applied"));
    let closed = session.close().await;
    outcome.and(closed)
}

/// Runs the way back of the last `count` applied files, newest first.
///
/// # Errors
/// [`MigrateError`]; files that were reported stay rolled back.
pub async fn rollback(
    url: &DatabaseUrl,
    roles: &Roles,
    files: &[MigrationFile],
    count: usize,
    loss: DataLoss,
    mut report: impl FnMut(MigrateEvent) + Send,
) -> Result<Vec<Applied>, MigrateError> {
    let session = Session::open(url, roles, &mut report).await?;
    let mut undone = Vec::new();
    let outcome = rollback_with(&session, files, count, loss, &mut report, &mut undone).await;
    let closed = session.close().await;
    outcome.and(closed)?;
    Ok(undone)
}

async fn rollback_with(
    session: &Session<'_>,
    files: &[MigrationFile],
    count: usize,
    loss: DataLoss,
    report: &mut Report<'_>,
    undone: &mut Vec<Applied>,
) -> Result<(), MigrateError> {
    let known = records::all(&session.owner).await.map_err(failed("read hedgerow.migrations"))?;
    let mut known: Vec<&Record> = known.iter().filter(|record| record.kind == Kind::File).collect();
    known.sort_by(|a, b| b.name.cmp(&a.name));
    let newest = known.first().map(|record| format!("migrations/{}.down.sql", record.name));
    not_interrupted(session, newest.into_iter()).await?;
    for record in known.into_iter().take(count) {
        let start = Instant::now();
        let file = files.iter().find(|file| file.name == record.name);
        let file = file.ok_or_else(|| MigrateError::Gone(record.name.clone()))?;
        let down = file.down.as_ref().ok_or_else(|| MigrateError::NoWayBack { name: record.name.clone() })?;
        let path = format!("migrations/{}.down.sql", file.name);
        let script = parse(&path, down)?;
        losses::allow(&session.owner, &path, &script.losses, loss, report).await?;
        session.begin().await?;
        let end = run::End::Forget { name: file.name.clone() };
        // Without Hedgerow's own tables there is nobody to keep apart.
        let may_open = script.found || !script.core.is_empty();
        // Sets stand on one another: without the first, the later ones are made again, too.
        let sets = ddl::core(session.roles).into_iter().map(|set| set.name.to_owned());
        let core: Vec<String> = sets.skip_while(|name| !script.core.contains(name)).collect();
        let source = run::Source { path, end, core: &core, may_open };
        run::script(&session.owner, &script, &source, report).await?;
        let step = Applied { kind: Kind::File, name: file.name.clone(), took: start.elapsed() };
        report(MigrateEvent::Applied(step.clone()));
        undone.push(step);
    }
    Ok(())
}

/// Refuses to do anything but to go on, where an earlier run was killed within a file in steps.
async fn not_interrupted(
    session: &Session<'_>,
    mut next: impl Iterator<Item = String>,
) -> Result<(), MigrateError> {
    let interrupted = records::interrupted(&session.owner).await;
    match interrupted.map_err(failed("read hedgerow.migration_steps"))? {
        Some(path) if next.next().as_ref() != Some(&path) => Err(MigrateError::Interrupted {
            command: if path.ends_with(".down.sql") { "rollback" } else { "apply" },
            path,
        }),
        _ => Ok(()),
    }
}

fn parse(path: &str, text: &str) -> Result<Script, MigrateError> {
    Script::parse(text).map_err(|source| MigrateError::Script { file: path.to_owned(), source })
}
