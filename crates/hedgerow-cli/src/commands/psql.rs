//! `hedgerow psql`: PostgreSQL's own client on the project's database.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use hedgerow::database::{DatabaseUrl, ExposeSecret, setup};
use hedgerow::users;

use crate::arguments::{Arguments, Psql};
use crate::commands::said;
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

pub(crate) async fn run(arguments: &Arguments, command: &Psql) -> anyhow::Result<Exit> {
    let session = Session::open_without_entities(arguments).await?;
    let own =
        session.place.programs.as_ref().map(|programs| programs.join("psql")).filter(|psql| psql.exists());
    let mut psql = Command::new(own.unwrap_or_else(|| PathBuf::from("psql")));
    let url: &DatabaseUrl = match &command.user {
        Some(user) => {
            let user = users::find(&session.app, user).await.map_err(said)?;
            // For the whole session: what is tried here is what a request of this user could do.
            let role = &session.project.config.roles.app;
            psql.env("PGOPTIONS", format!("-c role={role} -c app.user_id={}", user.id));
            &session.place.logins.tenant
        }
        None => session.place.superuser.as_ref().context(
            "psql past row-level security needs the owner: set DIRECT_DATABASE_URL, or name a user with --as",
        )?,
    };
    // As an argument, everybody on this computer could read the password.
    for (name, value) in url.libpq_environment() {
        psql.env(name, value.expose_secret());
    }
    if command.user.is_none() && !setup::passes_row_level_security(url).await? {
        output::note(&format!(
            "note: row-level security binds {}, too: without --as USER it sees no tenant's rows. A login with \
             BYPASSRLS in DIRECT_DATABASE_URL sees all",
            url.user()
        ));
    }
    psql.args(&command.arguments);
    // Ctrl-C is for psql's query; this program waits for psql's end.
    let mut interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let ignore = tokio::spawn(async move { while interrupts.recv().await.is_some() {} });
    let waited = tokio::task::spawn_blocking(move || psql.status()).await?;
    ignore.abort();
    let status = waited
        .context("cannot run psql; install it, for example with `apt-get install postgresql-client`")?;
    session.close().await?;
    Ok(if status.success() { Exit::Done } else { Exit::Failed })
}
