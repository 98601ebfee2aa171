//! Brings a database to what the entity files say.
//!
//! Always holds:
//! * one runner at a time (an advisory lock); a second waits, and then finds nothing to do;
//! * what was applied is recorded with its checksum, in the transaction that applied it;
//! * a migration never believes a lie of row-level security: FORCE is taken off the tables it names, `row_security` is
//!   off, so that a statement which would be filtered fails instead, and FORCE is back before the commit;
//! * a table without enforced row-level security is not committed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hedgerow_schema::{Entity, Identifier, Roles, Schema, Sql, ddl};
use sha2::{Digest, Sha256};

use crate::UserId;
use crate::error::{Error, ServerError};
use crate::owner::{Owner, from_driver};
use crate::url::DatabaseUrl;

/// A file of `migrations/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationFile {
    /// The file's name without `.sql`, such as `0001_add_index`.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// What is applied, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Hedgerow's own tables.
    Core,
    /// An entity's table.
    Entity,
    /// A file of `migrations/`.
    File,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Entity => "entity",
            Self::File => "file",
        }
    }
}

/// One thing that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// How long it took; entities are made together and share their time.
    pub took: Duration,
}

/// What happens while [`apply`] runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrateEvent {
    /// Another runner is at work; this one waits for it.
    Waiting,
    /// This was applied.
    Applied(Applied),
}

/// Why a migration did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A file was edited after it was applied.
    #[error(
        "migrations/{name}.sql was changed after it was applied; undo the change and write a new migration"
    )]
    Edited {
        /// The file.
        name: String,
    },
    /// An entity file says something else than the table that was made of it.
    #[error(
        "the entity file of {} changed after its table was made; this version makes tables and does not \
         change them, so undo the change; in development, start over with an empty database: stop `dev`, and remove \
         .hedgerow and what .hedgerow/postgres leads to, if it is a link", names.join(", ")
    )]
    Changed {
        /// The entities.
        names: Vec<String>,
    },
    /// The database is newer than this program.
    #[error(
        "the database has the step {0:?}, which this version of Hedgerow does not know; use a newer version"
    )]
    Newer(String),
    /// A statement of a file failed.
    #[error("{file} failed{}", line.map(|line| format!(" at line {line}")).unwrap_or_default())]
    File {
        /// The file, from the project's folder.
        file: String,
        /// Where, if the server said it.
        line: Option<usize>,
        /// What the server said.
        #[source]
        source: Error,
    },
    /// A file ended the transaction that it runs in.
    #[error(
        "migrations/{0}.sql ends its own transaction; remove BEGIN, COMMIT and ROLLBACK, each file is one anyway"
    )]
    OwnTransaction(String),
    /// Tables would be open.
    #[error("after {after}, row-level security would not be enforced: {}; nothing was changed", problems.join("; "))]
    Unprotected {
        /// What was being applied.
        after: String,
        /// Which tables, and what is missing.
        problems: Vec<String>,
    },
    /// The database reports an error.
    #[error("cannot {doing}")]
    Database {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: Error,
    },
}

/// "hedgerow" in ASCII.
const LOCK_KEY: i64 = 0x6865_6467_6572_6f77;

const BOOKKEEPING: &str = "\
CREATE SCHEMA IF NOT EXISTS hedgerow;
CREATE TABLE hedgerow.migrations (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  \"appliedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"tookMs\" BIGINT NOT NULL,
  PRIMARY KEY (kind, name)
)";

/// Applies what is pending: Hedgerow's own tables, new entities, files; in this order.
///
/// `url` is the owner's. `report` hears of each step as it is committed.
///
/// # Errors
/// [`MigrateError`]; what was reported stays applied, the failing step left nothing.
pub async fn apply(
    url: &DatabaseUrl,
    roles: &Roles,
    schema: &Schema,
    files: &[MigrationFile],
    mut report: impl FnMut(MigrateEvent),
) -> Result<Vec<Applied>, MigrateError> {
    let owner = Owner::connect(url).await.map_err(|source| failed("connect as the owner", source))?;
    let outcome = run(&owner, roles, schema, files, &mut report).await;
    // Ends the session and with it the lock.
    owner.close().await;
    outcome
}

fn failed(doing: &str, source: Error) -> MigrateError {
    MigrateError::Database { doing: doing.to_owned(), source }
}

async fn run(
    owner: &Owner,
    roles: &Roles,
    schema: &Schema,
    files: &[MigrationFile],
    report: &mut dyn FnMut(MigrateEvent),
) -> Result<Vec<Applied>, MigrateError> {
    lock(owner, report).await.map_err(|source| failed("get the migration lock", source))?;
    make_bookkeeping(owner).await.map_err(|source| failed("make the table hedgerow.migrations", source))?;
    let known = recorded(owner).await.map_err(|source| failed("read hedgerow.migrations", source))?;
    let mut applied = Vec::new();
    let mut done = |step: Applied| {
        report(MigrateEvent::Applied(step.clone()));
        applied.push(step);
    };

    let core = ddl::core(roles);
    let newer = known.keys().find(|(kind, name)| kind == "core" && core.iter().all(|own| own.name != name));
    if let Some((_, name)) = newer {
        return Err(MigrateError::Newer(name.clone()));
    }
    for migration in &core {
        if known.contains_key(&key(Kind::Core, migration.name)) {
            continue;
        }
        let steps =
            [Step { kind: Kind::Core, name: migration.name, checksum: checksum_of(&migration.statements) }];
        apply_statements(owner, &steps, &migration.statements).await?.into_iter().for_each(&mut done);
    }

    for step in new_entities(owner, roles, schema, &known).await? {
        done(step);
    }

    for file in files {
        let checksum = checksum(&file.text);
        match known.get(&key(Kind::File, &file.name)) {
            Some(recorded) if *recorded == checksum => {}
            Some(_) => return Err(MigrateError::Edited { name: file.name.clone() }),
            None => done(apply_file(owner, file, checksum).await?),
        }
    }
    Ok(applied)
}

fn key(kind: Kind, name: &str) -> (String, String) {
    (kind.word().to_owned(), name.to_owned())
}

async fn lock(owner: &Owner, report: &mut dyn FnMut(MigrateEvent)) -> Result<(), Error> {
    let tried = owner.client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK_KEY]).await;
    let free: bool = tried.map_err(|source| from_driver("try the lock", source))?.get(0);
    if !free {
        report(MigrateEvent::Waiting);
        owner.run("SET lock_timeout = '15min'").await?;
        let waited = owner.client.execute("SELECT pg_advisory_lock($1)", &[&LOCK_KEY]).await;
        waited.map_err(|source| from_driver("wait for the lock", source))?;
        owner.run("SET lock_timeout = '30s'").await?;
    }
    Ok(())
}

async fn make_bookkeeping(owner: &Owner) -> Result<(), Error> {
    // Asked first: even IF NOT EXISTS needs the right to create, which an owner on a managed host may lack by then.
    let asked = owner.client.query_one("SELECT to_regclass('hedgerow.migrations') IS NOT NULL", &[]).await;
    let exists: bool = asked.map_err(|source| from_driver("look for the bookkeeping", source))?.get(0);
    if exists { Ok(()) } else { owner.run(BOOKKEEPING).await }
}

async fn recorded(owner: &Owner) -> Result<HashMap<(String, String), String>, Error> {
    let rows = owner.client.query("SELECT kind, name, checksum FROM hedgerow.migrations", &[]).await;
    let rows = rows.map_err(|source| from_driver("read what was applied", source))?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// One record of what a transaction applies.
struct Step<'a> {
    kind: Kind,
    name: &'a str,
    checksum: String,
}

async fn new_entities(
    owner: &Owner,
    roles: &Roles,
    schema: &Schema,
    known: &HashMap<(String, String), String>,
) -> Result<Vec<Applied>, MigrateError> {
    let with_relations = |entity: &Entity| {
        let mut statements = ddl::create_entity(entity, roles);
        statements.extend(ddl::relations(entity, schema));
        checksum_of(&statements)
    };
    let mut new = Vec::new();
    let mut changed = Vec::new();
    for entity in schema.entities() {
        match known.get(&key(Kind::Entity, entity.name.as_str())) {
            None => new.push(entity),
            Some(recorded) if *recorded != with_relations(entity) => changed.push(entity.name.to_string()),
            Some(_) => {}
        }
    }
    if !changed.is_empty() {
        return Err(MigrateError::Changed { names: changed });
    }
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let mut statements: Vec<Sql> = new.iter().flat_map(|entity| ddl::create_entity(entity, roles)).collect();
    // All tables are there before the first points at another.
    statements.extend(new.iter().flat_map(|entity| ddl::relations(entity, schema)));
    let steps: Vec<Step<'_>> = new
        .iter()
        .map(|entity| Step {
            kind: Kind::Entity,
            name: entity.name.as_str(),
            checksum: with_relations(entity),
        })
        .collect();
    apply_statements(owner, &steps, &statements).await
}

/// Runs statements and records `steps`, in one transaction.
async fn apply_statements(
    owner: &Owner,
    steps: &[Step<'_>],
    statements: &[Sql],
) -> Result<Vec<Applied>, MigrateError> {
    let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
    let what = names.join(", ");
    let start = Instant::now();
    let work = async {
        owner.run("BEGIN").await.map_err(|source| failed("begin", source))?;
        for statement in statements {
            let first = statement.text().lines().next().unwrap_or_default();
            owner.run(statement.text()).await.map_err(|source| failed(&format!("run `{first}`"), source))?;
        }
        finish(owner, steps, &what, start).await
    };
    roll_back_on_error(owner, work.await).await
}

async fn apply_file(owner: &Owner, file: &MigrationFile, checksum: String) -> Result<Applied, MigrateError> {
    let start = Instant::now();
    let work = async {
        let step = |doing: &'static str| move |source| failed(doing, source);
        owner.run("BEGIN").await.map_err(step("begin"))?;
        let transaction = transaction_id(owner).await.map_err(step("name the transaction"))?;
        let forced = lift_force(owner, &file.text).await.map_err(step("take FORCE off the tables"))?;
        owner.run("SET LOCAL row_security = off").await.map_err(step("set row_security"))?;
        run_file(owner, "migrations", file).await?;
        let same = transaction_id(owner).await.is_ok_and(|now| now == transaction);
        if !same {
            return Err(MigrateError::OwnTransaction(file.name.clone()));
        }
        restore_force(owner, &forced).await.map_err(step("put FORCE back"))?;
        let record = Step { kind: Kind::File, name: &file.name, checksum };
        let applied = finish(owner, &[record], &format!("migrations/{}.sql", file.name), start).await?;
        applied
            .into_iter()
            .next()
            .ok_or_else(|| failed("record", Error::Protocol("nothing was recorded".into())))
    };
    roll_back_on_error(owner, work.await).await
}

async fn run_file(owner: &Owner, folder: &str, file: &MigrationFile) -> Result<(), MigrateError> {
    owner.client.batch_execute(&file.text).await.map_err(|source| {
        let line = source.as_db_error().and_then(|error| match error.position() {
            Some(tokio_postgres::error::ErrorPosition::Original(at)) => Some(line_of(&file.text, *at)),
            _ => None,
        });
        let path = format!("{folder}/{}.sql", file.name);
        MigrateError::File { file: path, line, source: from_driver("run the file", source) }
    })
}

/// Checks, records and commits.
async fn finish(
    owner: &Owner,
    steps: &[Step<'_>],
    what: &str,
    start: Instant,
) -> Result<Vec<Applied>, MigrateError> {
    let problems = unprotected(owner).await.map_err(|source| failed("check row-level security", source))?;
    if !problems.is_empty() {
        return Err(MigrateError::Unprotected { after: what.to_owned(), problems });
    }
    let took = start.elapsed();
    let millis = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    for step in steps {
        let sql =
            "INSERT INTO hedgerow.migrations (kind, name, checksum, \"tookMs\") VALUES ($1, $2, $3, $4)";
        let recorded =
            owner.client.execute(sql, &[&step.kind.word(), &step.name, &step.checksum, &millis]).await;
        recorded.map_err(|source| failed("record what was applied", from_driver("record", source)))?;
    }
    owner.run("COMMIT").await.map_err(|source| failed("commit", source))?;
    Ok(steps.iter().map(|step| Applied { kind: step.kind, name: step.name.to_owned(), took }).collect())
}

async fn roll_back_on_error<T>(owner: &Owner, outcome: Result<T, MigrateError>) -> Result<T, MigrateError> {
    if outcome.is_err() {
        let _ = owner.run("ROLLBACK").await;
    }
    outcome
}

/// Tables of `public`, partitions included, on which row-level security is not enforced for everyone, and tables that
/// requests reach without a floor.
async fn unprotected(owner: &Owner) -> Result<Vec<String>, Error> {
    let sql = "\
SELECT format('%s has %s', c.oid::regclass, CASE
         WHEN NOT c.relrowsecurity THEN 'row-level security disabled'
         WHEN NOT c.relforcerowsecurity THEN 'no FORCE ROW LEVEL SECURITY'
         ELSE 'no restrictive policy TO PUBLIC for some command' END)
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND (NOT c.relrowsecurity OR NOT c.relforcerowsecurity
    OR (SELECT count(DISTINCT cmd) FROM unnest('{r,a,w,d}'::\"char\"[]) AS cmd
        JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid AND p.polcmd IN (cmd, '*')
          AND NOT p.polpermissive AND p.polroles = '{0}') < 4)
ORDER BY 1";
    let rows = owner.client.query(sql, &[]).await.map_err(|source| from_driver("check policies", source))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Takes FORCE off every table of `public` whose name stands in `text`, so that the owner sees all rows of it.
///
/// A name in a comment costs a lock that was not needed; a table that is reached without being named fails, because
/// `row_security` is off.
async fn lift_force(owner: &Owner, text: &str) -> Result<Vec<u32>, Error> {
    let sql = "SELECT oid, relname FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace \
               AND relkind IN ('r', 'p') AND relforcerowsecurity AND pg_has_role(relowner, 'MEMBER')";
    let rows = owner.client.query(sql, &[]).await.map_err(|source| from_driver("list tables", source))?;
    let words: std::collections::HashSet<String> = text
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .flat_map(|word| [word.to_owned(), word.to_lowercase()])
        .collect();
    let mut lifted = Vec::new();
    for row in &rows {
        let name: String = row.get(1);
        if words.contains(&name)
            && let Ok(table) = Identifier::parse(&name)
        {
            let mut sql = Sql::new("ALTER TABLE public.");
            sql.name(&table).push(" NO FORCE ROW LEVEL SECURITY");
            owner.run(sql.text()).await?;
            lifted.push(row.get(0));
        }
    }
    Ok(lifted)
}

async fn restore_force(owner: &Owner, tables: &[u32]) -> Result<(), Error> {
    // By oid: the file may have renamed or dropped a table.
    let sql = "SELECT relname FROM pg_catalog.pg_class WHERE oid = ANY ($1) AND relnamespace = 'public'::regnamespace";
    let rows =
        owner.client.query(sql, &[&tables]).await.map_err(|source| from_driver("list tables", source))?;
    for row in &rows {
        if let Ok(table) = Identifier::parse(row.get(0)) {
            let mut sql = Sql::new("ALTER TABLE public.");
            sql.name(&table).push(" FORCE ROW LEVEL SECURITY");
            owner.run(sql.text()).await?;
        }
    }
    Ok(())
}

async fn transaction_id(owner: &Owner) -> Result<String, Error> {
    let row = owner.client.query_one("SELECT pg_current_xact_id()::text", &[]).await;
    Ok(row.map_err(|source| from_driver("name the transaction", source))?.get(0))
}

/// The line of the character at `position`, both from 1.
fn line_of(text: &str, position: u32) -> usize {
    text.chars().take(position.saturating_sub(1) as usize).filter(|&c| c == '\n').count() + 1
}

fn checksum_of(statements: &[Sql]) -> String {
    let text: Vec<&str> = statements.iter().map(Sql::text).collect();
    checksum(&text.join(";\n"))
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs seed files as a user, under the same policies as a request, each once and in one transaction.
///
/// `url` is the tenants' login. Returns the names of the files that were new.
///
/// # Errors
/// [`MigrateError::File`] with the line, and nothing of that file is left.
pub async fn seed(
    url: &DatabaseUrl,
    owner_url: &DatabaseUrl,
    roles: &Roles,
    user: &UserId,
    files: &[MigrationFile],
) -> Result<Vec<String>, MigrateError> {
    let owner = Owner::connect(owner_url).await.map_err(|source| failed("connect as the owner", source))?;
    let known = recorded(&owner).await.map_err(|source| failed("read hedgerow.migrations", source))?;
    let mut new = Vec::new();
    for file in files.iter().filter(|file| !known.contains_key(&("seed".to_owned(), file.name.clone()))) {
        let tenant =
            Owner::connect(url).await.map_err(|source| failed("connect as the tenants' login", source))?;
        plant(&tenant, roles, user, file).await?;
        tenant.close().await;
        let sql =
            "INSERT INTO hedgerow.migrations (kind, name, checksum, \"tookMs\") VALUES ('seed', $1, $2, 0)";
        let recorded = owner.client.execute(sql, &[&file.name, &checksum(&file.text)]).await;
        recorded.map_err(|source| failed("record a seed", from_driver("record", source)))?;
        new.push(file.name.clone());
    }
    owner.close().await;
    Ok(new)
}

async fn plant(
    tenant: &Owner,
    roles: &Roles,
    user: &UserId,
    file: &MigrationFile,
) -> Result<(), MigrateError> {
    tenant.run("BEGIN").await.map_err(|source| failed("begin", source))?;
    let sql = "SELECT set_config('role', $1, true), set_config('app.user_id', $2, true)";
    let set = tenant.client.execute(sql, &[&roles.app.as_str(), &user.as_str()]).await;
    set.map_err(|source| {
        failed("take the user's identity", from_driver("take the user's identity", source))
    })?;
    run_file(tenant, "seeds", file).await?;
    tenant.run("COMMIT").await.map_err(|source| failed("commit", source))
}

/// What the server said, for whoever shows a migration's error.
pub fn server_error(error: &MigrateError) -> Option<&ServerError> {
    match error {
        MigrateError::File { source, .. } | MigrateError::Database { source, .. } => source.server(),
        _ => None,
    }
}
