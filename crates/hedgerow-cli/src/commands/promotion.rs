//! `hedgerow migrate promote-meta`: a key of metadata becomes a field.

use hedgerow::migrations::promotion::{self, PrivateValues, Promotion, PromotionError, Wanted};
use hedgerow::place::Place;
use hedgerow::project::Project;

use crate::arguments::Arguments;
use crate::commands::migrate::{confirmed, owner_of, plan_json, show, tell};
use crate::exit::Exit;
use crate::output;

/// How it is done.
pub(crate) struct How {
    pub(crate) dry_run: bool,
    pub(crate) yes: bool,
    pub(crate) json: bool,
}

pub(crate) async fn run(
    arguments: &Arguments,
    project: &Project,
    place: &Place,
    wanted: &Wanted<'_>,
    how: &How,
) -> anyhow::Result<Exit> {
    owner_of(place)?;
    let found =
        promotion::prepare(project, place, arguments.download(), wanted, tell).await.map_err(plain)?;
    if !how.dry_run {
        write(project, wanted, &found, how)?;
    }
    if how.json {
        let mut answer = plan_json(&found.plan);
        answer["name"] = found.name.clone().into();
        answer["field"] = found.field.name.as_str().into();
        answer["type"] = found.field.kind.name().into();
        answer["values"] = found.values.into();
        answer["opened"] = found.opened.into();
        answer["written"] = (!how.dry_run).into();
        answer["files"] = found.files.iter().map(|(name, _)| name.as_str()).collect();
        output::json(&answer);
    } else if how.dry_run {
        for (name, text) in &found.files {
            output::data(&format!("-- {name}\n{text}"));
        }
    } else {
        show(&found.plan);
        for (name, _) in &found.files {
            output::data(&format!("wrote {name}"));
        }
    }
    if found.opened > 0 {
        output::note(&format!(
            "{} values that only their owners read today will be read by whoever reads the row",
            found.opened
        ));
    }
    output::note(&if how.dry_run {
        "nothing was written (--dry-run)".to_owned()
    } else {
        format!("review the files; `hedgerow migrate apply` moves {} values", found.values)
    });
    Ok(Exit::Done)
}

/// Mistakes in files are shown in their place.
fn plain(error: PromotionError) -> anyhow::Error {
    match error {
        PromotionError::Project(error) => error.into(),
        error => error.into(),
    }
}

fn write(project: &Project, wanted: &Wanted<'_>, found: &Promotion, how: &How) -> anyhow::Result<()> {
    let private = if how.yes { PrivateValues::Open } else { PrivateValues::Stay };
    match promotion::write(project, wanted, found, private) {
        Err(PromotionError::Opens { count, .. })
            if confirmed(&format!("may whoever reads a row read these {count} private values?"))? =>
        {
            promotion::write(project, wanted, found, PrivateValues::Open)?;
        }
        outcome => {
            outcome?;
        }
    }
    Ok(())
}
