//! What is not applied yet, and in which order it is.

use std::time::Instant;

use hedgerow_schema::script::Script;
use hedgerow_schema::{ddl, model};

use super::records::{self, Kind, Record};
use super::{
    Applied, DataLoss, MigrateError, MigrateEvent, MigrationFile, Report, Session, checksum, failed, losses,
    not_interrupted, parse, run,
};

/// Applies the files that were not, and Hedgerow's own sets in their place among them.
pub(super) async fn apply(
    session: &Session<'_>,
    files: &[MigrationFile],
    loss: DataLoss,
    report: &mut Report<'_>,
    applied: &mut Vec<Applied>,
) -> Result<(), MigrateError> {
    let known = records::all(&session.owner).await.map_err(failed("read hedgerow.migrations"))?;
    let (known, sets): (Vec<&Record>, Vec<&Record>) = known
        .iter()
        .filter(|record| matches!(record.kind, Kind::File | Kind::Core))
        .partition(|record| record.kind == Kind::File);
    for record in &known {
        let Some(file) = files.iter().find(|file| file.name == record.name) else { continue };
        if record.checksum != checksum(&file.text) {
            let before = record.text.as_deref().unwrap_or_default();
            let difference = records::difference(before, &file.text);
            return Err(MigrateError::Edited { name: file.name.clone(), difference });
        }
    }
    let mut waiting = Vec::new();
    for file in files.iter().filter(|file| known.iter().all(|record| record.name != file.name)) {
        waiting.push((file, parse(&format!("migrations/{}.sql", file.name), &file.text)?));
    }
    not_interrupted(session, waiting.iter().map(|(file, _)| format!("migrations/{}.sql", file.name))).await?;
    // A file that does a set's work comes before the sets that follow, and so does what comes before that file.
    let does_a_set = |(_, script): &(&MigrationFile, Script)| {
        script.core.iter().any(|name| sets.iter().all(|record| record.name != *name))
    };
    let early = waiting.iter().rposition(does_a_set).map_or(0, |last| last + 1);
    for (at, (file, script)) in waiting.iter().enumerate() {
        if at == early {
            apply_core(session, report, applied).await?;
        }
        let last = known.iter().map(|record| record.name.as_str()).max().unwrap_or_default();
        if last > file.name.as_str() {
            report(MigrateEvent::Late { name: file.name.clone(), after: last.to_owned() });
        }
        apply_file(session, file, script, loss, report, applied).await?;
    }
    if early == waiting.len() { apply_core(session, report, applied).await } else { Ok(()) }
}

/// Tries the files that are not applied yet, and leaves everything as it is.
pub(super) async fn rehearse(session: &Session<'_>, files: &[MigrationFile]) -> Result<(), MigrateError> {
    let known = records::all(&session.owner).await.map_err(failed("read hedgerow.migrations"))?;
    let has = |kind: Kind, name: &str| known.iter().any(|record| record.kind == kind && record.name == name);
    let interrupted = records::interrupted(&session.owner).await;
    let is_interrupted = interrupted.map_err(failed("read hedgerow.migration_steps"))?.is_some();
    // Without Hedgerow's own tables there are no rows that could be in the way.
    if is_interrupted || ddl::core(session.roles).iter().any(|set| !has(Kind::Core, set.name)) {
        return Ok(());
    }
    let mut scripts = Vec::new();
    for file in files.iter().filter(|file| !has(Kind::File, &file.name)) {
        let path = format!("migrations/{}.sql", file.name);
        scripts.push((path.clone(), parse(&path, &file.text)?));
    }
    // What is one transaction leaves nothing by itself.
    let leaves_something = scripts.iter().any(|(_, script)| script.in_steps);
    if !leaves_something || scripts.iter().any(|(_, script)| script.found || !script.core.is_empty()) {
        return Ok(());
    }
    let scripts: Vec<(String, &Script)> =
        scripts.iter().map(|(path, script)| (path.clone(), script)).collect();
    run::rehearse(&session.owner, &scripts).await
}

async fn apply_file(
    session: &Session<'_>,
    file: &MigrationFile,
    script: &Script,
    loss: DataLoss,
    report: &mut Report<'_>,
    applied: &mut Vec<Applied>,
) -> Result<(), MigrateError> {
    let start = Instant::now();
    let path = format!("migrations/{}.sql", file.name);
    let sets = ddl::core(session.roles);
    if let Some(unknown) = script.core.iter().find(|name| sets.iter().all(|set| set.name != **name)) {
        return Err(MigrateError::Newer(unknown.clone()));
    }
    losses::allow(&session.owner, &path, &script.losses, loss, report).await?;
    session.begin().await?;
    let record = records::New { kind: Kind::File, name: &file.name, text: &file.text, start };
    let source =
        run::Source { path, end: run::End::Record(record), core: &script.core, may_open: script.found };
    // In the database that was adopted, what it makes is there; Better Auth's tables have the names of Hedgerow's own.
    let sets = records::all(&session.owner).await.map_err(failed("read hedgerow.migrations"))?;
    let has_own = sets.iter().any(|record| record.kind == Kind::Core);
    let is_others = |table: &String| !has_own || !model::OWN_TABLES.contains(&table.as_str());
    let is_there = script.found && session.before.tables.keys().any(is_others);
    let nothing = Script { blocks: Vec::new(), ..script.clone() };
    run::script(&session.owner, if is_there { &nothing } else { script }, &source, report).await?;
    let step = Applied { kind: Kind::File, name: file.name.clone(), took: start.elapsed() };
    report(MigrateEvent::Applied(step.clone()));
    applied.push(step);
    Ok(())
}

/// Applies Hedgerow's own sets that were not.
pub(super) async fn apply_core(
    session: &Session<'_>,
    report: &mut Report<'_>,
    applied: &mut Vec<Applied>,
) -> Result<(), MigrateError> {
    let known = records::all(&session.owner).await.map_err(failed("read hedgerow.migrations"))?;
    let known: Vec<&str> =
        known.iter().filter(|record| record.kind == Kind::Core).map(|record| record.name.as_str()).collect();
    let core = ddl::core(session.roles);
    if let Some(newer) = known.iter().find(|name| core.iter().all(|own| own.name != **name)) {
        return Err(MigrateError::Newer((*newer).to_owned()));
    }
    for migration in core.iter().filter(|own| !known.contains(&own.name)) {
        let start = Instant::now();
        let statements: Vec<String> =
            migration.statements.iter().map(|statement| statement.text().to_owned()).collect();
        let text = statements.join(";\n");
        session.begin().await?;
        let record = records::New { kind: Kind::Core, name: migration.name, text: &text, start };
        run::statements(&session.owner, &statements, migration.name, &record, report).await?;
        let step = Applied { kind: Kind::Core, name: migration.name.to_owned(), took: start.elapsed() };
        report(MigrateEvent::Applied(step.clone()));
        applied.push(step);
    }
    Ok(())
}
