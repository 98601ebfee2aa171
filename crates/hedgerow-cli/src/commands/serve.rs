//! `hedgerow serve`: production. It changes no schema, starts no database, and does not start over a danger.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use hedgerow::App;
use hedgerow::audit::Audit;
use hedgerow::auth::Auth;
use hedgerow::auth::secrets::Secrets;
use hedgerow::checks::{Finding, Severity, Tolerance, examine};
use hedgerow::config::{Config, Mode};
use hedgerow::follow::{Followed, follow};
use hedgerow::place::{Place, PrivateUse};
use hedgerow_server::{Server, ServerOptions, router};

use crate::arguments::{Arguments, Listen};
use crate::exit::Exit;
use crate::output;
use crate::session::{open_app, open_project};

pub(crate) async fn run(arguments: &Arguments, listen: &Listen) -> anyhow::Result<Exit> {
    let project = open_project(&arguments.project, listen.flags())?;
    let config = &project.config;
    if let Some(weakness) = config.server.secrets.as_ref().and_then(Secrets::weakness) {
        bail!(
            "serving needs HEDGEROW_SECRET (or BETTER_AUTH_SECRET) of at least 32 characters that nobody else knows: {weakness}"
        );
    }
    if config.server.secrets.is_none() {
        bail!(
            "serving needs HEDGEROW_SECRET (or BETTER_AUTH_SECRET) of at least 32 characters; make one with `openssl rand -base64 32`"
        );
    }
    let schema = project.schema()?;
    let place = Place::find(&project, PrivateUse::Refused, |_| {}).await?;
    if config.sign_in.settings(Mode::Production).base_url.is_none() {
        output::note(
            "warning: nobody said where people reach this server; links in mails will lead to where it listens, and cookies are \
             not for TLS alone",
        );
        output::note("hint: set HEDGEROW_URL, for example https://app.example.com");
    }
    if config.sign_in.has_no_mail() {
        output::note("warning: no mail leaves this server; mails are files in .hedgerow/mail");
        output::note("hint: set HEDGEROW_MAIL_URL, for example smtps://user:password@mail.example.com");
    }
    let app = open_app(&project, &place, schema, config.pool, Mode::Production)?;
    let tolerance = Tolerance {
        outdated_server: config.outdated_server,
        privileged_login: config.privileged_login,
        pending: config.pending,
        drift: config.drift,
    };
    if !show(&examine(&app, tolerance).await?) {
        bail!("this database is not fit to serve from; nothing was changed");
    }
    let server = bind(&app, config, Mode::Production).await?;
    let stop = stop_signal();
    tracing::info!(address = %server.address(), "serving");
    tokio::select! {
        () = server.run(leave(&app, stop, config.server.drain)) => {}
        () = follow(&app, &project, tolerance, followed) => {}
        () = Auth::keep_clean(&app) => {}
        () = Audit::keep(&app) => {}
    }
    app.close().await;
    place.close().await?;
    Ok(Exit::Done)
}

/// Says what became of the entity files after a migration.
fn followed(followed: Followed) {
    match followed {
        Followed::Using => {
            tracing::info!("a migration was applied; the entity files were read anew and are in use");
        }
        Followed::Unfit(findings) => {
            let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
            tracing::warn!(
                findings = messages.join("; "),
                "a migration was applied, and the entity files do not fit the database; the API stays as it was"
            );
        }
        Followed::Mistaken(mistakes) => {
            tracing::warn!(
                problems = %mistakes.problems,
                "a migration was applied, and the entity files have mistakes; the API stays as it was"
            );
        }
    }
}

/// Shows what was found; whether serving may go on.
pub(crate) fn show(findings: &[Finding]) -> bool {
    for finding in findings {
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        output::note(&format!("{word}: {}", finding.message));
        output::note(&format!("hint: {}", finding.remedy));
    }
    findings.iter().all(|finding| finding.severity != Severity::Error)
}

/// Takes the address of the settings.
pub(crate) async fn bind(app: &App, config: &Config, mode: Mode) -> anyhow::Result<Server> {
    let own = &config.server;
    let options = ServerOptions {
        body_limit: own.body_limit,
        import_limit: own.import_limit,
        import_timeout: own.import_timeout,
        request_timeout: own.request_timeout,
        header_timeout: own.header_timeout,
        body_timeout: own.body_timeout,
        write_timeout: own.write_timeout,
        stream_limit: own.stream_limit,
        max_url: own.max_url,
        max_parameters: own.max_parameters,
        max_connections: own.max_connections,
        max_connections_per_address: own.max_connections_per_address,
        trusted_proxies: own.trusted_proxies.clone(),
        cors_origins: own.cors_origins.clone(),
        openapi: config.openapi(mode),
    };
    let routes = router(app.clone(), options.clone());
    let server = Server::bind(&own.host, own.port, routes).await?.with_limits(options);
    if let Ok(url) = format!("http://{}", server.address()).parse() {
        app.auth().listens_at(url);
    }
    Ok(server)
}

/// Done some time after a signal: load balancers first see that this instance will end, and send nothing more to it.
async fn leave(app: &App, stop: impl Future<Output = ()>, drain: Duration) {
    stop.await;
    app.leave();
    // Nothing is waited for but the time itself.
    let _ = tokio::time::timeout(drain, std::future::pending::<()>()).await;
}

/// Done at Ctrl-C or SIGTERM; a second one ends the program at once. From this call on, not from the first wait: whoever is told
/// that the program serves may end it at that moment.
pub(crate) fn stop_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        match signals {
            (Ok(interrupt), Ok(terminate)) => stopped(interrupt, terminate).await,
            _ => std::future::pending().await,
        }
    }
}

async fn stopped(mut interrupt: tokio::signal::unix::Signal, mut terminate: tokio::signal::unix::Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    output::note("stopping; once more ends at once");
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the second signal says that nothing is worth waiting for"
        )]
        std::process::exit(130);
    });
}

impl Listen {
    /// As settings.
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let host = self.host.as_ref().map(|host| ("server.host".to_owned(), host.clone()));
        let port = self.port.map(|port| ("server.port".to_owned(), port.to_string()));
        host.into_iter().chain(port).collect()
    }
}
