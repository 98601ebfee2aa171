//! `hedgerow migrate`: the database follows the entity files.

use std::collections::BTreeMap;

use anyhow::Context;
use hedgerow::database::migrate::{Applied, Kind, MigrateEvent, apply};
use hedgerow::place::Place;
use hedgerow::project::Project;
use hedgerow::schema::Schema;
use serde_json::{Value, json};

use crate::arguments::{Arguments, Migrate};
use crate::exit::Exit;
use crate::output;
use crate::session::{find_place, open_project};

pub(crate) async fn run(arguments: &Arguments, command: &Migrate) -> anyhow::Result<Exit> {
    let Migrate::Apply { json } = command;
    let project = open_project(&arguments.project, BTreeMap::new())?;
    let schema = project.schema()?;
    let place = find_place(&project, arguments.download()).await?;
    let applied = bring_up_to_date(&project, &place, &schema).await?;
    if *json {
        let steps = applied.iter().map(|step| {
            json!({ "kind": word(step.kind), "name": step.name, "milliseconds": step.took.as_millis() })
        });
        output::json(&json!({ "applied": Value::Array(steps.collect()) }));
    } else if applied.is_empty() {
        output::note("nothing to do: the database is what the entity files say");
    }
    place.close().await?;
    Ok(Exit::Done)
}

/// Applies what is pending, and says each step.
pub(crate) async fn bring_up_to_date(
    project: &Project,
    place: &Place,
    schema: &Schema,
) -> anyhow::Result<Vec<Applied>> {
    let owner = place.owner.as_ref().context(
        "migrations need the owner of the database: set DIRECT_DATABASE_URL (DATABASE_URL is for requests)",
    )?;
    let files = project.migrations()?;
    let report = |event: MigrateEvent| match event {
        MigrateEvent::Waiting => output::note("another migration is running; waiting for it"),
        MigrateEvent::Applied(step) => {
            output::note(&format!(
                "applied {} {} ({} ms)",
                word(step.kind),
                step.name,
                step.took.as_millis()
            ));
        }
    };
    Ok(apply(owner, &project.config.roles, schema, &files, report).await?)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Core => "core",
        Kind::Entity => "entity",
        Kind::File => "file",
    }
}
