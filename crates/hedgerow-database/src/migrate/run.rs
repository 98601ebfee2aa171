//! Runs statements so that nobody waits long, and so that a killed run can be followed by another.

use std::time::Duration;

use hedgerow_schema::script::{self, Block, Script};

use tokio_postgres::error::ErrorPosition;

use super::records::{self, Kind, New};
use super::{MigrateError, MigrateEvent, Report, failed, force, server_error};
use crate::error::Error;
use crate::owner::{Owner, from_driver};

/// How long a statement waits for a lock that stops others: they queue behind it meanwhile.
pub(super) const SHORT: &str = "300ms";
/// How long a statement waits for a lock that stops nobody.
const LONG: &str = "60min";
/// How long between two attempts, at most.
const PAUSE: Duration = Duration::from_secs(2);
/// After this long without the locks, the migration gives up.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What becomes of the records when all is done.
pub(super) enum End<'a> {
    /// It was applied.
    Record(New<'a>),
    /// It was undone.
    Forget { name: String },
}

/// The file that is run.
pub(super) struct Source<'a> {
    /// From the project's folder.
    pub(super) path: String,
    pub(super) end: End<'a>,
    /// The sets of Hedgerow's own tables whose work it does or undoes.
    pub(super) core: &'a [String],
    /// Whether tables may be open afterwards: those that an adopted database had, before they are closed and after the
    /// adoption was undone.
    pub(super) may_open: bool,
}

impl Source<'_> {
    async fn finish(&self, owner: &Owner) -> Result<(), Error> {
        match &self.end {
            End::Record(new) => {
                records::add(owner, new).await?;
                for name in self.core {
                    records::add(owner, &New { kind: Kind::Core, name, ..*new }).await?;
                }
                // What was found is what should be.
                if self.may_open {
                    records::accept_all(owner).await?;
                }
            }
            End::Forget { name } => {
                records::remove(owner, Kind::File, name).await?;
                for name in self.core {
                    records::remove(owner, Kind::Core, name).await?;
                }
            }
        }
        records::forget_steps(owner, &self.path).await
    }

    async fn protected(&self, owner: &Owner) -> Result<(), MigrateError> {
        if self.may_open { Ok(()) } else { protected(owner, &self.path).await }
    }
}

/// Runs a file.
pub(super) async fn script(
    owner: &Owner,
    script: &Script,
    source: &Source<'_>,
    report: &mut Report<'_>,
) -> Result<(), MigrateError> {
    if !script.in_steps {
        let empty = Block { statements: Vec::new(), alone: false };
        let block = script.blocks.first().unwrap_or(&empty);
        return again(owner, &text_of(block), report, async |owner| {
            begin(owner, SHORT).await?;
            let mut lifted = Vec::new();
            for statement in &block.statements {
                make_visible(owner, &statement.text, &mut lifted).await?;
                run_statement(owner, statement, &source.path).await?;
            }
            force::restore(owner, &lifted).await.map_err(failed("put FORCE back"))?;
            source.protected(owner).await?;
            source.finish(owner).await.map_err(failed("record what was applied"))?;
            owner.run("COMMIT").await.map_err(failed("commit"))
        })
        .await;
    }
    let known = records::steps(owner, &source.path).await.map_err(failed("read the steps"))?;
    let done = known.iter().filter(|step| step.done).count();
    let same = known
        .iter()
        .zip(&script.blocks)
        .all(|(known, block)| !known.done || known.checksum == records::checksum(&text_of(block)));
    if !same || done > script.blocks.len() {
        let name = source.path.trim_start_matches("migrations/").trim_end_matches(".sql").to_owned();
        return Err(MigrateError::EditedMidway { name, done });
    }
    if done > 0 {
        report(MigrateEvent::Resuming { name: source.path.clone(), done });
    }
    let steps = script.blocks.len();
    for (at, block) in script.blocks.iter().enumerate().skip(done) {
        let first = &block.statements[0].text;
        let statement = first.lines().next().unwrap_or_default().to_owned();
        report(MigrateEvent::Step { name: source.path.clone(), step: at + 1, steps, statement });
        let begun = known.get(at).is_some_and(|step| step.checksum == records::checksum(&text_of(block)));
        step(owner, block, at, begun, source, report).await?;
    }
    again(owner, "", report, async |owner| {
        owner.run("BEGIN").await.map_err(failed("begin"))?;
        source.protected(owner).await?;
        source.finish(owner).await.map_err(failed("record what was applied"))?;
        owner.run("COMMIT").await.map_err(failed("commit"))
    })
    .await
}

fn text_of(block: &Block) -> String {
    block.statements.iter().map(|statement| statement.text.as_str()).collect::<Vec<_>>().join(";\n")
}

/// One step of a file. `begun`: an earlier run began it, and nobody knows whether it ended.
async fn step(
    owner: &Owner,
    block: &Block,
    at: usize,
    begun: bool,
    source: &Source<'_>,
    report: &mut Report<'_>,
) -> Result<(), MigrateError> {
    let text = text_of(block);
    let note = async |done| {
        records::note_step(owner, &source.path, at, &text, done).await.map_err(failed("record a step"))
    };
    if block.alone {
        note(false).await?;
        let statement = &block.statements[0];
        let index = script::concurrent_index(&statement.text);
        let ready = match (&index, script::concurrent_drop(&statement.text)) {
            (Some(index), _) => clear_broken_index(owner, index).await? && begun,
            (None, Some(index)) => begun && !is_there(owner, &index).await?,
            (None, None) => false,
        };
        if !ready {
            owner.run(&format!("SET lock_timeout = '{LONG}'")).await.map_err(failed("set lock_timeout"))?;
            let run = run_statement(owner, statement, &source.path).await;
            if run.is_err()
                && let Some(index) = &index
            {
                // What is left of it would stand in the way of the next attempt.
                let _ = clear_broken_index(owner, index).await;
            }
            run?;
        }
        return note(true).await;
    }
    // What does nothing but read or write rows may take long, so FORCE is taken off beside it; a statement of that kind
    // among others finds tables that are new, and is short.
    let long = block.statements.iter().all(|statement| script::needs_rows(&statement.text));
    let tables =
        if long { force::named(owner, &text).await.map_err(failed("list tables"))? } else { Vec::new() };
    if !tables.is_empty() {
        force::lift_for_long(owner, &tables, report).await?;
    }
    // While it waits with nothing but rows in its hands, nobody queues behind it.
    let patient = block.statements.iter().all(|statement| script::stops_nobody(&statement.text));
    let outcome = again(owner, if patient { "" } else { &text }, report, async |owner| {
        begin(owner, if patient { LONG } else { SHORT }).await?;
        let mut lifted = Vec::new();
        for statement in &block.statements {
            if !long {
                make_visible(owner, &statement.text, &mut lifted).await?;
            }
            run_statement(owner, statement, &source.path).await?;
        }
        force::restore(owner, &lifted).await.map_err(failed("put FORCE back"))?;
        if tables.is_empty() {
            source.protected(owner).await?;
        }
        note(true).await?;
        owner.run("COMMIT").await.map_err(failed("commit"))
    })
    .await;
    if !tables.is_empty() {
        force::recover(owner, report).await?;
    }
    outcome
}

/// Drops an index that a cut-short build left invalid. Returns whether a whole one is there.
async fn clear_broken_index(owner: &Owner, name: &str) -> Result<bool, MigrateError> {
    let sql = "SELECT i.indisvalid FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
               WHERE c.relname = $1 AND c.relnamespace = 'public'::regnamespace";
    let row = owner.client.query_opt(sql, &[&name]).await;
    let row = row
        .map_err(|source| from_driver("look for the index", source))
        .map_err(failed("look for the index"))?;
    let valid = row.map(|row| row.get::<_, bool>(0));
    if valid == Some(false) {
        let sql = format!("SET lock_timeout = '{LONG}'");
        owner.run(&sql).await.map_err(failed("set lock_timeout"))?;
        let drop = format!("DROP INDEX CONCURRENTLY public.{}", hedgerow_schema::diff::quote(name));
        owner.run(&drop).await.map_err(failed("drop an index whose build was cut short"))?;
    }
    Ok(valid == Some(true))
}

async fn is_there(owner: &Owner, relation: &str) -> Result<bool, MigrateError> {
    let sql = "SELECT FROM pg_catalog.pg_class WHERE relname = $1 AND relnamespace = 'public'::regnamespace";
    let row = owner.client.query_opt(sql, &[&relation]).await;
    let row = row
        .map_err(|source| from_driver("look for the index", source))
        .map_err(failed("look for the index"))?;
    Ok(row.is_some())
}

/// Runs statements of the program's own in one transaction, with a record.
pub(super) async fn statements(
    owner: &Owner,
    statements: &[String],
    what: &str,
    record: &New<'_>,
    report: &mut Report<'_>,
) -> Result<(), MigrateError> {
    again(owner, &statements.join(";\n"), report, async |owner| {
        begin(owner, SHORT).await?;
        let mut lifted = Vec::new();
        for text in statements {
            make_visible(owner, text, &mut lifted).await?;
            let first = text.lines().next().unwrap_or_default();
            owner.run(text).await.map_err(failed(&format!("run `{first}`")))?;
        }
        force::restore(owner, &lifted).await.map_err(failed("put FORCE back"))?;
        protected(owner, what).await?;
        records::add(owner, record).await.map_err(failed("record what was applied"))?;
        owner.run("COMMIT").await.map_err(failed("commit"))
    })
    .await
}

/// Runs statements of the program's own in one transaction, without a record.
pub(super) async fn patiently(
    owner: &Owner,
    statements: &[String],
    report: &mut Report<'_>,
) -> Result<(), MigrateError> {
    again(owner, &statements.join(";\n"), report, async |owner| {
        owner.run(&format!("BEGIN; SET LOCAL lock_timeout = '{SHORT}'")).await.map_err(failed("begin"))?;
        for text in statements {
            owner.run(text).await.map_err(failed(&format!("run `{text}`")))?;
        }
        owner.run("COMMIT").await.map_err(failed("commit"))
    })
    .await
}

/// Begins a transaction in which a statement that row-level security would filter fails instead.
pub(super) async fn begin(owner: &Owner, patience: &str) -> Result<(), MigrateError> {
    let begin = format!("BEGIN; SET LOCAL lock_timeout = '{patience}'; SET LOCAL row_security = off");
    owner.run(&begin).await.map_err(failed("begin"))
}

/// Takes FORCE off the tables that a statement names, if it needs their rows.
async fn make_visible(
    owner: &Owner,
    statement: &str,
    lifted: &mut Vec<(u32, String)>,
) -> Result<(), MigrateError> {
    if !script::needs_rows(statement) {
        return Ok(());
    }
    let tables = force::named(owner, statement).await.map_err(failed("list tables"))?;
    force::lift(owner, &tables).await.map_err(failed("take FORCE off the tables"))?;
    lifted.extend(tables);
    Ok(())
}

async fn run_statement(owner: &Owner, statement: &script::Statement, path: &str) -> Result<(), MigrateError> {
    owner.client.batch_execute(&statement.text).await.map_err(|source| {
        let line = Some(statement.line + lines_before(&statement.text, &source).unwrap_or(0));
        MigrateError::File { file: path.to_owned(), line, source: from_driver("run the statement", source) }
    })
}

/// What says that statements cannot be tried in one transaction: one that runs alone, a lock that is not given, rows that wait for
/// the end of the transaction.
const UNTRIED: [&str; 3] = ["25001", "55P03", "55006"];

/// Runs all statements of these scripts in one transaction and undoes it; `Ok` also where that cannot be done.
pub(super) async fn rehearse(owner: &Owner, scripts: &[(String, &Script)]) -> Result<(), MigrateError> {
    begin(owner, SHORT).await?;
    let all = async {
        let mut lifted = Vec::new();
        for (path, script) in scripts {
            for statement in script.blocks.iter().flat_map(|block| &block.statements) {
                make_visible(owner, &statement.text, &mut lifted).await?;
                // The same without what takes several transactions.
                let text = statement.text.replace(" CONCURRENTLY", "");
                run_statement(owner, &script::Statement { text, line: statement.line }, path).await?;
            }
        }
        Ok(())
    };
    let outcome = all.await;
    owner.run("ROLLBACK").await.map_err(failed("undo a rehearsal"))?;
    match outcome {
        Err(error) if server_error(&error).is_some_and(|server| UNTRIED.contains(&server.code.code())) => {
            Ok(())
        }
        outcome => outcome,
    }
}

/// How many lines of `text` end before the character that the server complains about, where it names one.
pub(super) fn lines_before(text: &str, error: &tokio_postgres::Error) -> Option<usize> {
    let Some(ErrorPosition::Original(position)) = error.as_db_error()?.position() else { return None };
    Some(text.chars().take(position.saturating_sub(1) as usize).filter(|&c| c == '\n').count())
}

/// How long somebody holds a table before it is better to wait apart from the queue.
const HELD: Duration = Duration::from_millis(60);
/// How long a migration waits apart before it queues in spite of everything.
const APART: Duration = Duration::from_secs(60);

/// Waits until nobody holds the tables that `text` names for longer than a moment. Whoever asks for a lock that stops
/// others makes all who come later wait behind it, so the request is made when it will be granted soon. PostgreSQL's own
/// cleaning (autovacuum) is such a holder too: it gives way only to those who have waited for a second.
async fn wait_apart(owner: &Owner, text: &str, report: &mut Report<'_>) -> Result<(), MigrateError> {
    let tables = force::relations(owner, text).await.map_err(failed("list tables"))?;
    if tables.is_empty() {
        return Ok(());
    }
    let start = std::time::Instant::now();
    let mut looks: u32 = 0;
    let mut before: Vec<String> = Vec::new();
    while start.elapsed() < APART {
        let now = force::holders(owner, &tables).await.map_err(failed("see who uses the tables"))?;
        if looks > 0 && !now.iter().any(|holder| before.contains(holder)) {
            return Ok(());
        }
        if looks > 1 {
            report(MigrateEvent::Busy { attempts: looks - 1 });
        }
        looks += 1;
        if now.is_empty() {
            return Ok(());
        }
        before = now;
        rest(HELD).await;
    }
    Ok(())
}

/// Does `work` on the tables that `text` names until its locks are free; rolls back whatever it leaves open.
pub(super) async fn again(
    owner: &Owner,
    text: &str,
    report: &mut Report<'_>,
    mut work: impl AsyncFnMut(&Owner) -> Result<(), MigrateError>,
) -> Result<(), MigrateError> {
    let mut attempts = 0;
    let start = std::time::Instant::now();
    loop {
        wait_apart(owner, text, report).await?;
        let outcome = work(owner).await;
        let Err(error) = outcome else { return Ok(()) };
        let _ = owner.run("ROLLBACK").await;
        attempts += 1;
        let code = server_error(&error).map(|server| server.code.code().to_owned());
        // lock_not_available, deadlock_detected
        if !matches!(code.as_deref(), Some("55P03" | "40P01")) {
            return Err(error);
        }
        if start.elapsed() > PATIENCE {
            let holders = force::who_holds(owner, text).await.map_err(failed("see who uses the tables"))?;
            return Err(MigrateError::Busy { holders, source: Box::new(error) });
        }
        report(MigrateEvent::Busy { attempts });
        rest(PAUSE.min(Duration::from_millis(100 * u64::from(attempts)))).await;
    }
}

/// Refuses to go on where row-level security would not be enforced.
async fn protected(owner: &Owner, after: &str) -> Result<(), MigrateError> {
    let problems = unprotected(owner).await.map_err(failed("check row-level security"))?;
    if problems.is_empty() {
        Ok(())
    } else {
        Err(MigrateError::Unprotected { after: after.to_owned(), problems })
    }
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
  AND NOT EXISTS (SELECT FROM hedgerow.unforced u WHERE u.name = c.relname)
ORDER BY 1";
    let rows = owner.client.query(sql, &[]).await.map_err(|source| from_driver("check policies", source))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "PostgreSQL tells nobody when a lock becomes free, unless by queueing"
)]
async fn rest(time: Duration) {
    tokio::time::sleep(time).await;
}
