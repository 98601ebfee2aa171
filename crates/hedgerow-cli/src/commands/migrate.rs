//! `hedgerow migrate`: from one schema to the next, and back.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use anyhow::{Context, bail};
use hedgerow::database::DatabaseUrl;
use hedgerow::database::migrate::{self, Applied, DataLoss, Look, MigrateEvent, MigrationFile};
use hedgerow::migrations::promotion::Wanted;
use hedgerow::migrations::{self, State};
use hedgerow::place::Place;
use hedgerow::project::Project;
use hedgerow::schema::diff::{Change, Loss, Pace, Plan, Unit};
use hedgerow::schema::drift::How;
use serde_json::{Value, json};

use crate::arguments::{Arguments, Migrate};
use crate::commands::{baseline, promotion, table};
use crate::exit::Exit;
use crate::output;
use crate::session::{find_place, open_project};

pub(crate) async fn run(arguments: &Arguments, command: &Migrate) -> anyhow::Result<Exit> {
    let project = open_project(&arguments.project, BTreeMap::new())?;
    // Mistakes are said before anything is started or changed; the way back does not need the entity files.
    if matches!(
        command,
        Migrate::Plan { .. } | Migrate::New { .. } | Migrate::Apply { .. } | Migrate::Check { .. }
    ) {
        project.schema()?;
    }
    let place = find_place(&project, arguments.download()).await?;
    let outcome = match command {
        Migrate::Plan { sql, json } => plan(&project, &place, *sql, *json).await,
        Migrate::New { name, json } => new(arguments, &project, &place, name, *json).await,
        Migrate::Apply { allow_data_loss, dry_run: false, json } => {
            apply(&project, &place, loss(*allow_data_loss), *json).await
        }
        Migrate::Apply { dry_run: true, json, .. } => pending(&project, &place, *json).await,
        Migrate::Status { json } => status(&project, &place, *json).await,
        Migrate::Check { json } => check(&project, &place, *json).await,
        Migrate::Rollback { count, allow_data_loss, yes, dry_run, json } => {
            let wanted =
                Rollback { count: *count, loss: loss(*allow_data_loss), yes: *yes, dry_run: *dry_run };
            rollback(&project, &place, &wanted, *json).await
        }
        Migrate::PromoteMeta { entity, key, ty, field, dry_run, yes, json } => {
            let wanted = Wanted { entity, key, field: field.as_deref(), ty: ty.as_deref() };
            let how = promotion::How { dry_run: *dry_run, yes: *yes, json: *json };
            promotion::run(arguments, &project, &place, &wanted, &how).await
        }
        Migrate::Baseline { dry_run, json } => baseline::run(&project, &place, *dry_run, *json).await,
    };
    place.close().await?;
    outcome
}

fn loss(allowed: bool) -> DataLoss {
    if allowed { DataLoss::Allow } else { DataLoss::Refuse }
}

/// The login that owns the tables.
pub(crate) fn owner_of(place: &Place) -> anyhow::Result<&DatabaseUrl> {
    place.owner.as_ref().context(
        "migrations need the owner of the tables: set DIRECT_DATABASE_URL=postgresql://OWNER:PASSWORD@HOST/DATABASE",
    )
}

async fn look(place: &Place) -> anyhow::Result<Look> {
    Ok(migrate::look(owner_of(place)?).await?)
}

async fn plan(project: &Project, place: &Place, sql: bool, as_json: bool) -> anyhow::Result<Exit> {
    let schema = project.schema()?;
    let look = look(place).await?;
    let plan = look.plan(&schema, &project.config.roles, Pace::Online);
    if as_json {
        output::json(&plan_json(&plan));
    } else if sql {
        for unit in plan.units() {
            match unit {
                Unit::Alone(statement) => output::data(&format!("{statement};\n")),
                Unit::Transaction(statements) => {
                    output::data(&format!("BEGIN;\n{};\nCOMMIT;\n", statements.join(";\n")));
                }
            }
        }
    } else {
        show(&plan);
    }
    let lines = migrations::status(&look, &project.migrations()?);
    let waiting =
        lines.iter().filter(|line| matches!(line.state, State::Pending | State::Interrupted)).count();
    if waiting > 0 {
        output::note(&format!(
            "{waiting} files of migrations/ are not applied yet (`hedgerow migrate status`); the plan is about the database \
             as it is without them"
        ));
    }
    own_sets(&look, project);
    if plan.is_empty() {
        output::note("nothing to do: the database is what the entity files say");
    } else {
        output::note(
            "what the entity files ask for and no file makes: `hedgerow migrate new NAME` writes it; what somebody changed by \
             hand: `hedgerow migrate plan --sql` prints what puts it right, for psql as the owner",
        );
    }
    Ok(Exit::Done)
}

/// A plan for people.
pub(crate) fn show(plan: &Plan) {
    for change in &plan.changes {
        show_change(change);
        show_lock(plan, change);
    }
}

pub(crate) fn show_change(change: &Change) {
    output::data(&format!("{:<10}  {} {}", change.class.word(), change.object, change.action));
}

pub(crate) fn show_lock(plan: &Plan, change: &Change) {
    let estimate = plan.estimate(change).map(|text| format!("; {text}")).unwrap_or_default();
    output::data(&format!("            lock: {}{estimate}", change.lock));
}

pub(crate) fn plan_json(plan: &Plan) -> Value {
    let changes = plan.changes.iter().map(|change| {
        json!({
            "object": change.object,
            "action": change.action,
            "class": change.class.word(),
            "lock": change.lock,
            "table": change.table,
            "estimate": plan.estimate(change),
            "loses": change.loss.as_ref().map(loss_text),
        })
    });
    let units = plan.units().into_iter().map(|unit| match unit {
        Unit::Alone(statement) => json!({ "transaction": false, "statements": [statement] }),
        Unit::Transaction(statements) => json!({ "transaction": true, "statements": statements }),
    });
    json!({ "changes": changes.collect::<Vec<_>>(), "units": units.collect::<Vec<_>>() })
}

fn loss_text(loss: &Loss) -> String {
    match loss {
        Loss::Table(table) => format!("table {table}"),
        Loss::Column(table, column) => format!("column {table}.{column}"),
        Loss::Values(table, column) => format!("values of {table}.{column}"),
    }
}

async fn new(
    arguments: &Arguments,
    project: &Project,
    place: &Place,
    name: &str,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let schema = project.schema()?;
    let made = migrations::new(project, place, arguments.download(), &schema, name).await?;
    if as_json {
        let mut answer = plan_json(&made.plan);
        answer["name"] = made.name.clone().into();
        answer["up"] = made.up.display().to_string().into();
        answer["down"] = made.down.display().to_string().into();
        answer["adopted"] = made.adopted.into();
        output::json(&answer);
    } else {
        show(&made.plan);
        output::data(&format!("wrote migrations/{0}.sql and migrations/{0}.down.sql", made.name));
    }
    if made.plan.is_empty() {
        output::note(
            "migrations/ already says what the entity files say; the file is for statements of your own",
        );
    }
    output::note(if made.adopted {
        "this database was brought there by `dev` already and counts the file as applied"
    } else {
        "review it; `hedgerow migrate apply` applies it"
    });
    Ok(Exit::Done)
}

/// Tells of each step, to people.
pub(crate) fn tell(event: MigrateEvent) {
    match event {
        MigrateEvent::Waiting => output::note("another migration is running; waiting for it"),
        MigrateEvent::Busy { attempts } if attempts.is_power_of_two() => output::note(&format!(
            "a table is in use; the lock was given up so that nobody waits, and is asked for again ({attempts} times so far)"
        )),
        MigrateEvent::Busy { .. } => {}
        MigrateEvent::Step { step, steps, statement, .. } => {
            output::note(&format!("  step {step} of {steps}: {statement}"));
        }
        MigrateEvent::Late { name, after } => output::note(&format!(
            "{name} comes after {after}, which is applied already; it was probably merged later"
        )),
        MigrateEvent::Resuming { name, done } => {
            output::note(&format!("{name} was interrupted after {done} steps; going on from there"));
        }
        MigrateEvent::Applied(step) => {
            output::note(&format!(
                "applied {} {} ({} ms)",
                step.kind.word(),
                step.name,
                step.took.as_millis()
            ));
        }
    }
}

/// Says which of Hedgerow's own tables are not made yet.
fn own_sets(look: &Look, project: &Project) {
    let sets = look.pending_sets(&project.config.roles);
    if !sets.is_empty() {
        output::note(&format!(
            "Hedgerow's own {} is not applied yet: `hedgerow migrate apply` does, whatever the files say",
            sets.join(" and ")
        ));
    }
}

async fn apply(project: &Project, place: &Place, loss: DataLoss, as_json: bool) -> anyhow::Result<Exit> {
    let applied = apply_files(project, place, loss).await?;
    if as_json {
        output::json(&json!({ "applied": steps(&applied) }));
    } else if applied.is_empty() {
        output::note("nothing to do: every file of migrations/ is applied");
    }
    let schema = project.schema()?;
    let missing = look(place).await?.plan(&schema, &project.config.roles, Pace::Online);
    if !missing.is_empty() {
        output::note(&format!(
            "the entity files ask for {} more changes that no file makes: see `hedgerow migrate plan`, write them with \
             `hedgerow migrate new NAME`",
            missing.changes.len()
        ));
    }
    Ok(Exit::Done)
}

fn steps(applied: &[Applied]) -> Value {
    let steps = applied.iter().map(
        |step| json!({ "kind": step.kind.word(), "name": step.name, "milliseconds": step.took.as_millis() }),
    );
    Value::Array(steps.collect())
}

/// Applies the files that are pending, and says each step.
pub(crate) async fn apply_files(
    project: &Project,
    place: &Place,
    loss: DataLoss,
) -> anyhow::Result<Vec<Applied>> {
    let files = project.migrations()?;
    Ok(migrate::apply(owner_of(place)?, &project.config.roles, &files, loss, tell).await?)
}

async fn pending(project: &Project, place: &Place, as_json: bool) -> anyhow::Result<Exit> {
    let files = project.migrations()?;
    let look = look(place).await?;
    let lines = migrations::status(&look, &files);
    let waits = |file: &&MigrationFile| {
        lines
            .iter()
            .any(|line| line.name == file.name && matches!(line.state, State::Pending | State::Interrupted))
    };
    let waiting: Vec<&MigrationFile> = files.iter().filter(waits).collect();
    if as_json {
        let names: Vec<&str> = waiting.iter().map(|file| file.name.as_str()).collect();
        output::json(&json!({ "pending": names, "core": look.pending_sets(&project.config.roles) }));
    } else {
        for file in &waiting {
            output::data(&format!("-- migrations/{}.sql\n{}", file.name, file.text));
        }
    }
    own_sets(&look, project);
    if waiting.is_empty() && look.pending_sets(&project.config.roles).is_empty() {
        output::note("nothing is pending");
    }
    Ok(Exit::Done)
}

async fn status(project: &Project, place: &Place, as_json: bool) -> anyhow::Result<Exit> {
    let look = look(place).await?;
    let lines = migrations::status(&look, &project.migrations()?);
    own_sets(&look, project);
    if as_json {
        let rows = lines.iter().map(|line| {
            json!({ "name": line.name, "state": line.state.word(), "appliedAt": line.applied_at, "hasWayBack": line.has_way_back })
        });
        output::json(&Value::Array(rows.collect()));
        return Ok(Exit::Done);
    }
    let mut shown = table(&["NAME", "STATE", "APPLIED AT", "WAY BACK"]);
    for line in &lines {
        let way_back = if line.has_way_back { "yes" } else { "no" };
        shown.add_row([&line.name, line.state.word(), line.applied_at.as_deref().unwrap_or(""), way_back]);
    }
    output::data(&shown.to_string());
    Ok(Exit::Done)
}

async fn check(project: &Project, place: &Place, as_json: bool) -> anyhow::Result<Exit> {
    let schema = project.schema()?;
    let look = look(place).await?;
    let differences = migrations::check(&look, &schema, &project.config.roles);
    let files: Vec<_> = migrations::status(&look, &project.migrations()?)
        .into_iter()
        .filter(|line| line.state != State::Applied)
        .collect();
    if as_json {
        let rows = differences.iter().map(|difference| {
            let (how, aspect, is, should) = match &difference.how {
                How::Missing => ("missing", None, None, None),
                How::Unexpected => ("unexpected", None, None, None),
                How::Changed { aspect, is, should } => ("changed", Some(aspect), Some(is), Some(should)),
            };
            let object = &difference.object;
            json!({
                "kind": object.kind.word(), "name": object.name, "place": object.place, "difference": how,
                "aspect": aspect, "is": is, "should": should, "message": difference.to_string(),
            })
        });
        let files = files.iter().map(|line| json!({ "name": line.name, "state": line.state.word() }));
        output::json(&json!({ "differences": rows.collect::<Vec<_>>(), "files": files.collect::<Vec<_>>() }));
    } else {
        for line in &files {
            output::data(&format!("migration {} is {}", line.name, line.state.word()));
        }
        for difference in &differences {
            output::data(&difference.to_string());
        }
    }
    own_sets(&look, project);
    if differences.is_empty() && files.is_empty() {
        output::note("the database is what entity files and migrations say");
        return Ok(Exit::Done);
    }
    output::note(
        "hint: `hedgerow migrate plan --sql` prints what puts Hedgerow's own objects right, for psql as the owner; what a \
         migration made by hand is in its file; a change made on purpose belongs in a new one",
    );
    Ok(Exit::Difference)
}

struct Rollback {
    count: usize,
    loss: DataLoss,
    yes: bool,
    dry_run: bool,
}

async fn rollback(
    project: &Project,
    place: &Place,
    wanted: &Rollback,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let files = project.migrations()?;
    let lines = migrations::status(&look(place).await?, &files);
    let applied =
        lines.iter().rev().filter(|line| matches!(line.state, State::Applied | State::Edited | State::Gone));
    let names: Vec<&str> = applied.take(wanted.count).map(|line| line.name.as_str()).collect();
    if names.is_empty() {
        output::note("nothing to undo: no file of migrations/ is applied");
        return Ok(Exit::Done);
    }
    if wanted.dry_run {
        for name in &names {
            let down = files.iter().find(|file| file.name == *name).and_then(|file| file.down.as_deref());
            output::data(&format!("-- migrations/{name}.down.sql\n{}", down.unwrap_or("-- is not there\n")));
        }
        return Ok(Exit::Done);
    }
    if !wanted.yes && !confirmed(&format!("undo {}?", names.join(", ")))? {
        bail!("nothing was undone; without a terminal to ask on, say --yes");
    }
    let undone = migrate::rollback(
        owner_of(place)?,
        &project.config.roles,
        &files,
        names.len(),
        wanted.loss,
        |event| {
            if let MigrateEvent::Applied(step) = event {
                output::note(&format!("undid {} ({} ms)", step.name, step.took.as_millis()));
            } else {
                tell(event);
            }
        },
    )
    .await?;
    if as_json {
        output::json(&json!({ "undone": steps(&undone) }));
    }
    // A mistake in an entity file does not undo what was done.
    if let Ok(schema) = project.schema()
        && !look(place).await?.plan(&schema, &project.config.roles, Pace::Online).is_empty()
    {
        output::note(
            "the entity files still ask for what was undone: take it out of them, or `serve` and `check` will miss it",
        );
    }
    Ok(Exit::Done)
}

/// Asks on the terminal; without one the answer is no.
pub(crate) fn confirmed(question: &str) -> anyhow::Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(false);
    }
    eprint_question(question);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn eprint_question(question: &str) {
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "{question} [y/N] ");
    let _ = out.flush();
}
