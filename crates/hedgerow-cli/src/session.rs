//! What a command works on: the project, its database and its application, opened in this order and closed in reverse.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use hedgerow::auth::AuthOptions;
use hedgerow::auth::secrets::Secrets;
use hedgerow::auth::settings::Switch;
use hedgerow::config::Mode;
use hedgerow::database::private_server::{Download, Progress};
use hedgerow::database::{PoolSettings, WorkTimeouts};
use hedgerow::mail::{Announce, Mailer, Templates};
use hedgerow::place::{Place, PrivateUse};
use hedgerow::project::Project;
use hedgerow::schema::Schema;
use hedgerow::{App, AppOptions, World};
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::Arguments;
use crate::output;

/// Opens the project in the folder of the command line, with what `.env` adds to the environment.
pub(crate) fn open_project(directory: &Path, flags: BTreeMap<String, String>) -> anyhow::Result<Project> {
    let mut environment: BTreeMap<String, String> = BTreeMap::new();
    let file = directory.join(".env");
    if file.exists() {
        let entries = dotenvy::from_path_iter(&file).context("cannot read .env")?;
        for entry in entries {
            let (name, value) = entry.context("cannot read .env")?;
            environment.insert(name, value);
        }
    }
    environment.extend(
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
    );
    Ok(Project::open(directory, environment, flags)?)
}

/// Where the project's database is; a private server is started for the command if none runs.
pub(crate) async fn find_place(project: &Project, download: Download) -> anyhow::Result<Place> {
    place(project, PrivateUse::Allowed(download)).await
}

/// The same for `dev`, which does not share the server with another `dev`.
pub(crate) async fn own_place(project: &Project, download: Download) -> anyhow::Result<Place> {
    place(project, PrivateUse::Own(download)).await
}

async fn place(project: &Project, private: PrivateUse) -> anyhow::Result<Place> {
    let mut shown = Shown::default();
    Ok(Place::find(project, private, move |progress| shown.show(&progress)).await?)
}

/// Shows the start of a private server: one line for what takes long, a bar for what has a length.
#[derive(Default)]
struct Shown {
    bar: Option<ProgressBar>,
}

impl Shown {
    fn show(&mut self, progress: &Progress) {
        let line = match progress {
            Progress::Downloading { done, total } => {
                let bar = self.bar.get_or_insert_with(|| {
                    output::note("PostgreSQL is not installed; downloading it once, into the cache");
                    let style =
                        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
                    ProgressBar::no_length()
                        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                });
                if let Some(total) = total {
                    bar.set_length(*total);
                }
                bar.set_position(*done);
                return;
            }
            Progress::Unpacking => "unpacking PostgreSQL",
            Progress::Initialising => "making a database cluster of the project's own (.hedgerow/postgres)",
            Progress::Recovering => {
                "PostgreSQL was not stopped cleanly; it replays its log, nothing committed is lost"
            }
            Progress::Notice(text) => {
                output::note(&format!("note: {text}"));
                return;
            }
            _ => return,
        };
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
        output::note(line);
    }
}

/// A project with its database and an application on it, for one command.
pub(crate) struct Session {
    pub(crate) project: Project,
    pub(crate) place: Place,
    pub(crate) app: App,
}

impl Session {
    /// Opens everything.
    pub(crate) async fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let project = open_project(&arguments.project, BTreeMap::new())?;
        let schema = project.schema()?;
        Self::of(arguments, project, schema).await
    }

    /// The same for what asks nothing about entities, and works while there is a mistake in their files.
    pub(crate) async fn open_without_entities(arguments: &Arguments) -> anyhow::Result<Self> {
        let project = open_project(&arguments.project, BTreeMap::new())?;
        Self::of(arguments, project, Schema::default()).await
    }

    async fn of(arguments: &Arguments, project: Project, schema: Schema) -> anyhow::Result<Self> {
        let place = find_place(&project, arguments.download()).await?;
        // A command may take long with one statement; it is the person at the terminal who ends it.
        let timeouts = WorkTimeouts::default();
        let pool = PoolSettings { statement_timeout: Duration::ZERO, timeouts, ..project.config.pool };
        let app = open_app(&project, &place, schema, pool, Mode::Production)?;
        Ok(Self { project, place, app })
    }

    /// Closes everything and waits for it.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.app.close().await;
        Ok(self.place.close().await?)
    }
}

/// The application of a project on the place of its database.
pub(crate) fn open_app(
    project: &Project,
    place: &Place,
    schema: Schema,
    pool: PoolSettings,
    mode: Mode,
) -> anyhow::Result<App> {
    let world = World::default();
    let options = AppOptions {
        logins: place.logins.clone(),
        pool,
        roles: project.config.roles.clone(),
        limits: project.config.limits,
        keys: project.config.keys,
        rate_limit: (project.config.sign_in.rate_limit(mode) == Switch::On)
            .then(|| project.config.rate_limit.clone()),
        auth: Some(sign_in(project, &world, mode)?),
        audit: Some(project.config.audit),
        world,
    };
    Ok(App::open(options, schema))
}

/// Sign-in as the project's settings say. In development, the secret is the project's own and mails are files, told of.
fn sign_in(project: &Project, world: &World, mode: Mode) -> anyhow::Result<AuthOptions> {
    let config = &project.config;
    let secrets = match &config.server.secrets {
        Some(secrets) => secrets.clone(),
        None => Secrets::single(own_secret(&project.state_directory().join("secret"), world)?),
    };
    let settings = config.sign_in.settings(mode);
    let announce = if mode == Mode::Development { Announce::Log } else { Announce::Silent };
    let templates = Templates::load(&project.directory.join("mail"))?;
    let mail = config.sign_in.mail(&project.state_directory());
    let mailer = Mailer::start(&mail, announce, templates, &settings.app_name, world)?;
    Ok(AuthOptions {
        settings,
        secrets,
        mailer,
        passwords_at_once: config.sign_in.passwords_at_once,
        rate_limit: config.sign_in.rate_limit(mode),
    })
}

/// The secret of a project that nobody gave one: made once and kept in its local state.
fn own_secret(file: &Path, world: &World) -> anyhow::Result<String> {
    if let Ok(text) = std::fs::read_to_string(file)
        && text.trim().len() >= 32
    {
        return Ok(text.trim().to_owned());
    }
    let secret = hedgerow::new_secret(world);
    write_private(file, &secret).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(secret)
}

/// Writes a file that its owner alone reads.
pub(crate) fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A file that others could read before would keep its rights.
    let _ = std::fs::remove_file(file);
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(out, "{text}")
}
