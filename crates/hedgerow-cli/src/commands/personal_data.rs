//! `hedgerow user export` and `hedgerow user erase`: what is kept of one user, and its end.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use hedgerow::App;
use hedgerow::personal_data::{self, Portion};
use hedgerow::users::User;
use serde_json::{Map, Value, json};

use crate::commands::export::is_closed_pipe;
use crate::commands::migrate::confirmed;
use crate::commands::{said, table};
use crate::exit::Exit;
use crate::output;

pub(crate) async fn export(app: &App, user: &User, file: Option<&Path>) -> anyhow::Result<Exit> {
    let Some(file) = file else {
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
        return match personal_data::export(app, user, &mut out).await.map_err(anyhow::Error::from) {
            Err(error) if !is_closed_pipe(&error) => Err(error),
            _ => Ok(Exit::Done),
        };
    };
    // Nobody else on this computer reads it.
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let opened = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow!("{} exists already; nothing was written", file.display()),
        _ => anyhow::Error::new(error).context(format!("cannot write {}", file.display())),
    })?;
    let mut out = BufWriter::with_capacity(1 << 16, opened);
    let rows = match personal_data::export(app, user, &mut out).await {
        Ok(rows) => rows,
        Err(error) => {
            // Half a document is none.
            let _ = fs::remove_file(file);
            return Err(error.into());
        }
    };
    out.flush().with_context(|| format!("cannot write {}", file.display()))?;
    output::note(&format!("wrote {} with {rows} rows of entities", file.display()));
    Ok(Exit::Done)
}

/// How to erase.
pub(crate) struct Erasure {
    pub(crate) yes: bool,
    pub(crate) dry_run: bool,
    pub(crate) json: bool,
}

pub(crate) async fn erase(app: &App, user: &User, wanted: &Erasure) -> anyhow::Result<Exit> {
    let portions = personal_data::count(app, user).await?;
    if !wanted.json {
        show(&portions, wanted.dry_run);
    }
    let is_sure = wanted.dry_run || wanted.yes || confirmed(&format!("erase {} for good?", user.email))?;
    if !is_sure {
        bail!("nothing was erased; without a terminal to ask on, say --yes");
    }
    if !wanted.dry_run {
        personal_data::erase(app, user).await.map_err(said)?;
    }
    if wanted.json {
        let counts: Map<String, Value> =
            portions.into_iter().map(|portion| (portion.table, portion.rows.into())).collect();
        output::json(&json!({ "id": user.id.as_str(), "erased": !wanted.dry_run, "rows": counts }));
    } else if wanted.dry_run {
        output::note("nothing was erased: this was a dry run");
    } else {
        output::note(&format!(
            "erased {}; backups and what other programs keep are not reached from here",
            user.id
        ));
    }
    Ok(Exit::Done)
}

/// The counts are data only where they are all that is asked for.
fn show(portions: &[Portion], is_data: bool) {
    let mut shown = table(&["table", "rows"]);
    for portion in portions.iter().filter(|portion| portion.rows > 0) {
        shown.add_row([portion.table.as_str(), &portion.rows.to_string()]);
    }
    if is_data { output::data(&shown.to_string()) } else { output::note(&shown.to_string()) }
}
