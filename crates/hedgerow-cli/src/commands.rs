//! One file for each command.

mod audit;
mod baseline;
mod describe;
mod dev;
mod export;
mod import;
mod init;
mod key;
mod migrate;
mod personal_data;
mod promotion;
mod psql;
mod serve;
mod setup;
mod user;

use std::io::IsTerminal;

use anyhow::Context;
use hedgerow::auth::refusal::AuthError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::{Arguments, Command};
use crate::exit::Exit;
use crate::output;

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    // Commands speak for themselves; the servers tell of each request.
    log(match arguments.command {
        Command::Serve(_) => "info",
        Command::Dev(_) => "info,hedgerow_database=warn",
        _ => "warn",
    });
    match &arguments.command {
        Command::Init { directory } => init::run(directory),
        Command::Dev(command) => dev::run(&arguments, command).await,
        Command::Serve(listen) => serve::run(&arguments, listen).await,
        Command::Setup(setup) => setup::run(&arguments, setup).await,
        Command::Migrate(migrate) => migrate::run(&arguments, migrate).await,
        Command::User(command) => user::run(&arguments, command).await,
        Command::Key(command) => key::run(&arguments, command).await,
        Command::Audit(command) => audit::run(&arguments, command).await,
        Command::Import(import) => import::run(&arguments, import).await,
        Command::Export(export) => export::run(&arguments, export).await,
        Command::Psql(psql) => psql::run(&arguments, psql).await,
        Command::Openapi(command) => describe::openapi(&arguments, command),
        Command::Types(command) => describe::types(&arguments, command),
    }
}

/// Logs to standard error: for people on a terminal, as JSON elsewhere.
///
/// Whatever RUST_LOG says, the driver stays at `info`: below that it writes the values of parameters.
fn log(default: &str) {
    let wanted = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = EnvFilter::builder()
        .parse_lossy(wanted.unwrap_or_else(|| default.to_owned()))
        .add_directive(filter_directive("tokio_postgres=info"))
        .add_directive(filter_directive("postgres_protocol=info"));
    let registry = tracing_subscriber::registry().with(filter);
    if std::io::stderr().is_terminal() {
        let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
        registry.with(layer.with_ansi(output::in_colour()).compact()).init();
    } else {
        registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .init();
    }
}

fn filter_directive(text: &'static str) -> tracing_subscriber::filter::Directive {
    text.parse().expect("a directive of the program's own")
}

/// A table for people.
fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

/// A refusal of sign-in as an error for whoever runs the command.
fn refused(error: AuthError) -> anyhow::Error {
    match error {
        AuthError::Refused(refusal) => {
            let text = refusal.message.as_deref().or(refusal.code).unwrap_or("sign-in refuses it");
            anyhow::anyhow!("{text}")
        }
        AuthError::Failed(error) => said(error),
    }
}

/// One line of standard input, as secrets are handed over.
fn secret_line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read the password from standard input")?;
    let line = line.trim_end_matches(['\n', '\r']).to_owned();
    anyhow::ensure!(!line.is_empty(), "standard input holds no password; give it as its first line");
    Ok(line)
}

/// An error of the library in the words that it has for whoever made the mistake.
fn said(error: hedgerow::Error) -> anyhow::Error {
    let inputs = error.inputs();
    if inputs.is_empty() {
        return error.into();
    }
    let lines: Vec<&str> = inputs.iter().map(|input| input.message.as_str()).collect();
    anyhow::anyhow!(lines.join("\n"))
}
