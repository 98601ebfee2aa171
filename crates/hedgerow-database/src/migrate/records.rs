//! What schema `hedgerow` remembers of migrations: what was applied, how far a file in steps came, and the catalog as
//! migrations left it.

use std::time::Instant;

use hedgerow_schema::Roles;
use hedgerow_schema::catalog::Catalog;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::MigrationFile;
use crate::error::Error;
use crate::owner::{Owner, from_driver};

/// What is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Hedgerow's own tables.
    Core,
    /// A change that development made without a file.
    Draft,
    /// A file of `migrations/`.
    File,
    /// A file of `seeds/`.
    Seed,
}

impl Kind {
    /// As programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Draft => "draft",
            Self::File => "file",
            Self::Seed => "seed",
        }
    }
}

/// One thing that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// SHA-256 of its text.
    pub checksum: String,
    /// Its text; not known of what very old versions applied.
    pub text: Option<String>,
    /// When, as PostgreSQL writes it in UTC.
    pub applied_at: String,
}

/// What is being applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct New<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) start: Instant,
}

const TABLES: &str = "\
CREATE SCHEMA IF NOT EXISTS hedgerow;
CREATE TABLE IF NOT EXISTS hedgerow.migrations (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  \"appliedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"tookMs\" BIGINT NOT NULL,
  PRIMARY KEY (kind, name)
);
ALTER TABLE hedgerow.migrations ADD COLUMN IF NOT EXISTS text TEXT;
UPDATE hedgerow.migrations SET kind = 'draft' WHERE kind = 'entity';
CREATE TABLE hedgerow.migration_steps (
  path TEXT NOT NULL,
  step INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  done BOOLEAN NOT NULL,
  PRIMARY KEY (path, step)
);
CREATE TABLE hedgerow.unforced (name TEXT PRIMARY KEY);
CREATE TABLE hedgerow.state (
  id BOOLEAN PRIMARY KEY DEFAULT true CHECK (id),
  revision BIGINT NOT NULL,
  catalog JSONB,
  before JSONB
);
INSERT INTO hedgerow.state (revision) VALUES (0);
GRANT USAGE ON SCHEMA hedgerow TO $ROLES;
GRANT SELECT (revision) ON hedgerow.state TO $ROLES;
GRANT SELECT ON hedgerow.unforced TO $ROLES";

/// Whether anything was ever recorded here, in the form of this version.
pub(super) async fn exist(owner: &Owner) -> Result<bool, Error> {
    let asked = owner.client.query_one("SELECT to_regclass('hedgerow.state') IS NOT NULL", &[]).await;
    Ok(asked.map_err(|source| from_driver("look for the bookkeeping", source))?.get(0))
}

pub(super) async fn make(owner: &Owner, roles: &Roles) -> Result<(), Error> {
    // Asked first: even IF NOT EXISTS needs the right to create, which an owner on a managed host may lack by then.
    if exist(owner).await? {
        return Ok(());
    }
    let names = [&roles.app, &roles.anon].map(hedgerow_schema::Identifier::quoted).join(", ");
    owner.run(&format!("BEGIN; {}; COMMIT", TABLES.replace("$ROLES", &names))).await
}

/// What was applied, oldest first.
pub(super) async fn all(owner: &Owner) -> Result<Vec<Record>, Error> {
    let sql = "SELECT kind, name, checksum, text, \
                 to_char(\"appliedAt\" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
               FROM hedgerow.migrations ORDER BY \"appliedAt\", kind, name";
    let rows =
        owner.client.query(sql, &[]).await.map_err(|source| from_driver("read what was applied", source))?;
    Ok(rows
        .iter()
        .map(|row| Record {
            kind: match row.get::<_, &str>(0) {
                "core" => Kind::Core,
                "file" => Kind::File,
                "seed" => Kind::Seed,
                _ => Kind::Draft,
            },
            name: row.get(1),
            checksum: row.get(2),
            text: row.get(3),
            applied_at: row.get(4),
        })
        .collect())
}

/// Records what was applied, in the transaction that applies it.
pub(super) async fn add(owner: &Owner, new: &New<'_>) -> Result<(), Error> {
    let millis = i64::try_from(new.start.elapsed().as_millis()).unwrap_or(i64::MAX);
    let sql = "INSERT INTO hedgerow.migrations (kind, name, checksum, \"tookMs\", text) VALUES ($1, $2, $3, $4, $5)";
    let added = owner
        .client
        .execute(sql, &[&new.kind.word(), &new.name, &checksum(new.text), &millis, &new.text])
        .await;
    added.map_err(|source| from_driver("record what was applied", source))?;
    Ok(())
}

/// Forgets what is undone, in the transaction that undoes it.
pub(super) async fn remove(owner: &Owner, kind: Kind, name: &str) -> Result<(), Error> {
    let sql = "DELETE FROM hedgerow.migrations WHERE kind = $1 AND name = $2";
    let removed = owner.client.execute(sql, &[&kind.word(), &name]).await;
    removed.map_err(|source| from_driver("forget what was undone", source))?;
    Ok(())
}

pub(super) async fn adopt(owner: &Owner, files: &[&MigrationFile]) -> Result<(), Error> {
    owner.run("BEGIN").await?;
    let work = async {
        for file in files {
            add(owner, &New { kind: Kind::File, name: &file.name, text: &file.text, start: Instant::now() })
                .await?;
        }
        owner.run("DELETE FROM hedgerow.migrations WHERE kind = 'draft'").await?;
        owner.run("COMMIT").await
    };
    let outcome = work.await;
    if outcome.is_err() {
        let _ = owner.run("ROLLBACK").await;
    }
    outcome
}

/// One step of a file, as it was recorded.
pub(super) struct StepRecord {
    pub(super) checksum: String,
    pub(super) done: bool,
}

/// The steps of a file that an earlier run began, in order.
pub(super) async fn steps(owner: &Owner, path: &str) -> Result<Vec<StepRecord>, Error> {
    let sql = "SELECT checksum, done FROM hedgerow.migration_steps WHERE path = $1 ORDER BY step";
    let rows =
        owner.client.query(sql, &[&path]).await.map_err(|source| from_driver("read the steps", source))?;
    Ok(rows.iter().map(|row| StepRecord { checksum: row.get(0), done: row.get(1) }).collect())
}

/// The file that is half applied.
pub(super) async fn interrupted(owner: &Owner) -> Result<Option<String>, Error> {
    let sql = "SELECT path FROM hedgerow.migration_steps LIMIT 1";
    let row =
        owner.client.query_opt(sql, &[]).await.map_err(|source| from_driver("read the steps", source))?;
    Ok(row.map(|row| row.get(0)))
}

pub(super) async fn note_step(
    owner: &Owner,
    path: &str,
    step: usize,
    text: &str,
    done: bool,
) -> Result<(), Error> {
    let sql = "INSERT INTO hedgerow.migration_steps (path, step, checksum, done) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (path, step) DO UPDATE SET checksum = excluded.checksum, done = excluded.done";
    let step = i32::try_from(step).unwrap_or(i32::MAX);
    let noted = owner.client.execute(sql, &[&path, &step, &checksum(text), &done]).await;
    noted.map_err(|source| from_driver("record a step", source))?;
    Ok(())
}

pub(super) async fn forget_steps(owner: &Owner, path: &str) -> Result<(), Error> {
    let sql = "DELETE FROM hedgerow.migration_steps WHERE path = $1";
    owner.client.execute(sql, &[&path]).await.map_err(|source| from_driver("forget the steps", source))?;
    Ok(())
}

pub(super) async fn accepted(owner: &Owner) -> Result<Option<Catalog>, Error> {
    kept(owner, "SELECT catalog::text FROM hedgerow.state").await
}

/// The catalog before the run that is under way, or that was killed.
pub(super) async fn before(owner: &Owner) -> Result<Option<Catalog>, Error> {
    kept(owner, "SELECT before::text FROM hedgerow.state").await
}

async fn kept(owner: &Owner, sql: &str) -> Result<Option<Catalog>, Error> {
    let row = owner
        .client
        .query_one(sql, &[])
        .await
        .map_err(|source| from_driver("read hedgerow.state", source))?;
    let text: Option<String> = row.get(0);
    text.map(|text| {
        serde_json::from_str(&text)
            .map_err(|error| Error::Protocol(format!("hedgerow.state is not understood: {error}")))
    })
    .transpose()
}

/// Notes that what differs from `catalog` from now on is the work of migrations, until [`accept`]; whoever began already
/// goes on from where it began.
pub(super) async fn begin(owner: &Owner, catalog: &Catalog) -> Result<(), Error> {
    write(owner, "UPDATE hedgerow.state SET before = $1::text::jsonb WHERE before IS NULL", catalog).await
}

pub(super) async fn accept(owner: &Owner, catalog: &Catalog) -> Result<(), Error> {
    let sql = "UPDATE hedgerow.state SET catalog = $1::text::jsonb, before = NULL, revision = revision + 1";
    write(owner, sql, catalog).await
}

async fn write(owner: &Owner, sql: &str, catalog: &Catalog) -> Result<(), Error> {
    let text =
        serde_json::to_string(catalog).map_err(|error| Error::Protocol(format!("the catalog: {error}")))?;
    owner
        .client
        .execute(sql, &[&text])
        .await
        .map_err(|source| from_driver("write hedgerow.state", source))?;
    Ok(())
}

/// Takes whatever stands in the database as what should: it is adopted.
pub(super) async fn accept_all(owner: &Owner) -> Result<(), Error> {
    owner.run("UPDATE hedgerow.state SET catalog = NULL").await
}

/// The catalog that migrations are answerable for: what they changed is as it is now, the rest as it was accepted before.
pub(super) fn merged(before: &Catalog, after: &Catalog, accepted: Option<&Catalog>) -> Catalog {
    let Some(accepted) = accepted else { return after.clone() };
    let value = |catalog: &Catalog| serde_json::to_value(catalog).unwrap_or_default();
    let merged = merge(&value(before), &value(after), Some(&value(accepted)));
    merged.and_then(|merged| serde_json::from_value(merged).ok()).unwrap_or_else(|| after.clone())
}

fn merge(before: &Value, after: &Value, accepted: Option<&Value>) -> Option<Value> {
    if before == after {
        return accepted.cloned();
    }
    match (before, after, accepted) {
        (Value::Object(old), Value::Object(new), Some(Value::Object(known))) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).chain(known.keys()).collect();
            names.sort();
            names.dedup();
            let member = |name: &String| {
                let value = match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) => merge(old, new, known.get(name)),
                    (None, None) => known.get(name).cloned(),
                    (_, new) => new.cloned(),
                };
                value.map(|value| (name.clone(), value))
            };
            Some(Value::Object(names.into_iter().filter_map(member).collect()))
        }
        _ => Some(after.clone()),
    }
}

/// SHA-256 of a file's text, in hexadecimal.
pub fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The lines that differ, as `diff -u` marks them, at most so many as a person reads.
pub(super) fn difference(before: &str, after: &str) -> String {
    const MOST: usize = 40;
    let diff = similar::TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(1).header("as applied", "as it is now").to_string();
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = lines.iter().take(MOST).copied().collect::<Vec<_>>().join("\n");
    if lines.len() > MOST {
        shown.push_str(&format!("\n… and {} more lines", lines.len() - MOST));
    }
    shown
}
