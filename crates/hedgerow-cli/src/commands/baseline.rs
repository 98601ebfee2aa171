//! `hedgerow migrate baseline`: a database that others made becomes a project.

use anyhow::bail;
use hedgerow::baseline::{self, Baseline, Remark};
use hedgerow::place::Place;
use hedgerow::project::Project;
use hedgerow::schema::adopt::ClosedTo;
use hedgerow::schema::diff::Class;
use serde_json::{Value, json};

use crate::commands::migrate::{owner_of, plan_json, show_change, show_lock};
use crate::exit::Exit;
use crate::output;

pub(crate) async fn run(
    project: &Project,
    place: &Place,
    dry_run: bool,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let found = baseline::prepare(project, owner_of(place)?).await?;
    let writes = found.obstacles.is_empty() && !dry_run;
    if writes {
        baseline::write(project, &found)?;
    }
    if as_json {
        output::json(&answer(&found, writes));
    } else if writes || dry_run {
        tell(&found, writes);
    }
    if !as_json {
        remarks("must be put right first", &found.obstacles);
    }
    if !found.obstacles.is_empty() {
        bail!("nothing was written: put right what must be put right first, and run baseline again");
    }
    output::note(if writes {
        "review the files; `hedgerow migrate apply` applies the migration. From then on, an application that connects as the \
         owner sees no rows: run it under a login of `hedgerow setup`, or one with BYPASSRLS"
    } else {
        "nothing was written (--dry-run)"
    });
    Ok(Exit::Done)
}

fn tell(found: &Baseline, written: bool) {
    for (name, _) in &found.files {
        output::data(&format!("{}  {name}", if written { "wrote" } else { "would write" }));
    }
    heading("changes, in migrations/0001_baseline.sql");
    for change in &found.goal.plan.changes {
        show_change(change);
        // A short lock is what most of them take; the others say what they take.
        if change.class != Class::Safe {
            show_lock(&found.goal.plan, change);
        }
    }
    if !found.adoption.closed.is_empty() {
        heading("not adopted, and closed");
    }
    for closed in &found.adoption.closed {
        let to = if closed.to == ClosedTo::AllButSignIn { " (open to sign-in)" } else { "" };
        output::data(&format!("table {}{to}: {}", closed.table, closed.reason));
        statements(&closed.remedy);
    }
    if !found.goal.left.is_empty() {
        heading("stays as it is");
    }
    for left in &found.goal.left {
        output::data(&format!("{}: {}", left.object, left.reason));
    }
    remarks("to be done by hand", &found.by_hand);
}

fn heading(text: &str) {
    output::data(&format!("\n{text}:"));
}

fn statements(statements: &[String]) {
    for statement in statements {
        output::data(&format!("    {statement}{}", if statement.starts_with("--") { "" } else { ";" }));
    }
}

fn remarks(title: &str, remarks: &[Remark]) {
    if !remarks.is_empty() {
        heading(title);
    }
    for remark in remarks {
        output::data(&remark.text);
        statements(&remark.remedy);
    }
}

fn answer(found: &Baseline, written: bool) -> Value {
    let remarks = |remarks: &[Remark]| {
        let rows = remarks.iter().map(|remark| json!({ "message": remark.text, "remedy": remark.remedy }));
        rows.collect::<Vec<_>>()
    };
    let entities = found.adoption.entities.iter().map(|(table, adopted)| {
        let fields = found.adoption.schema.entity(table).into_iter().flat_map(|entity| &entity.fields);
        let fields: Vec<Value> =
            fields.map(|field| json!({ "name": field.name.as_str(), "type": field.kind.name() })).collect();
        json!({ "table": table, "file": adopted.file.name, "fields": fields })
    });
    let renames = found.adoption.renames.columns.iter();
    let renames = renames.map(|((table, new), old)| json!({ "table": table, "from": old, "to": new }));
    let closed = found.adoption.closed.iter().map(|closed| {
        json!({
            "table": closed.table, "reason": closed.reason, "remedy": closed.remedy,
            "signIn": closed.to == ClosedTo::AllButSignIn,
        })
    });
    let left = found.goal.left.iter().map(|left| json!({ "object": left.object, "reason": left.reason }));
    let mut answer = plan_json(&found.goal.plan);
    answer["written"] = written.into();
    answer["files"] = found.files.iter().map(|(name, _)| Value::from(name.as_str())).collect();
    answer["entities"] = entities.collect();
    answer["renames"] = renames.collect();
    answer["notAdopted"] = closed.collect();
    answer["leftAlone"] = left.collect();
    answer["obstacles"] = remarks(&found.obstacles).into();
    answer["byHand"] = remarks(&found.by_hand).into();
    answer
}
