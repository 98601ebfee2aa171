//! `hedgerow dev`: one command from entity files to a running API, and on from there with every saved file.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use hedgerow::api_keys::{self, ApiKeySecret, NewApiKey};
use hedgerow::audit::Audit;
use hedgerow::auth::{Auth, passwords, store::account};
use hedgerow::checks::{Tolerance, examine};
use hedgerow::config::Mode;
use hedgerow::database::migrate::{self, DataLoss, MigrateError, MigrateEvent};
use hedgerow::database::private_server::ServerState;
use hedgerow::database::setup::{self, LoginProof};
use hedgerow::migrations;
use hedgerow::place::Place;
use hedgerow::project::Project;
use hedgerow::schema::{Schema, Scope};
use hedgerow::users::{self, ADMIN, NewUser, User};
use hedgerow::{App, Error, token};

use crate::arguments::{Arguments, Dev};
use crate::commands::migrate::{apply_files, confirmed, owner_of, tell};
use crate::commands::{said, serve};
use crate::exit::Exit;
use crate::output;
use crate::session::{open_app, open_project, own_place, write_private};

/// Whose rows the seeds are, and whose key is printed.
const EMAIL: &str = "dev@example.com";
/// How often the entity files are looked at.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn run(arguments: &Arguments, command: &Dev) -> anyhow::Result<Exit> {
    let project = open_project(&arguments.project, command.listen.flags())?;
    let schema = project.schema()?;
    let mut place = own_place(&project, arguments.download()).await?;
    if !place.is_private {
        prepare_own_database(&project, &mut place).await?;
    }
    let owner = owner_of(&place)?;
    for name in migrations::catch_up(&project, &place, arguments.download(), owner).await? {
        output::note(&format!(
            "{name} makes what this database has as a draft already; it counts as applied"
        ));
    }
    apply_tried(&project, &place).await?;
    draft(&project, &place, &schema, command).await?;
    let app = open_app(&project, &place, schema, project.config.pool, Mode::Development)?;
    if !serve::show(&examine(&app, Tolerance::DEVELOPMENT).await?) {
        anyhow::bail!("this database is not fit to serve from");
    }
    let (user, key) = developer(&app, &project).await?;
    let password = developers_password(&app, &project, &user).await?;
    plant_seeds(&project, &place, &user).await?;

    let server = serve::bind(&app, &project.config, Mode::Development).await?;
    let url = project.state_directory().join("url");
    write_private(&url, &format!("http://{}", server.address()))
        .with_context(|| format!("cannot write {}", url.display()))?;
    let stopped = serve::stop_signal();
    greet(&server.address().to_string(), &app.schema(), &key, &password);
    let watcher = watch(&project, &place, &app, command);
    let failure = server_failure(&place);
    let stop = async {
        tokio::select! {
            () = stopped => None,
            reason = failure => Some(reason),
            never = watcher => never,
            () = Auth::keep_clean(&app) => None,
            () = Audit::keep(&app) => None,
        }
    };
    let (done, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let failed = stop.await;
    drop(done);
    serving.await.context("the server ended unexpectedly")?;
    let _ = fs::remove_file(url);
    app.close().await;
    place.close().await?;
    match failed {
        Some(reason) => anyhow::bail!("the private PostgreSQL server is down: {reason}"),
        None => Ok(Exit::Done),
    }
}

/// A database of the user's own: the roles are made, and the one login may take them.
async fn prepare_own_database(project: &Project, place: &mut Place) -> anyhow::Result<()> {
    let owner = place.owner.get_or_insert_with(|| place.logins.tenant.clone());
    let login = place.logins.tenant.user();
    setup::setup(owner, &project.config.roles, LoginProof::Peer, Some(login)).await?;
    Ok(())
}

/// The developer's own user, and a key that works; it is kept in the project's local state.
async fn developer(app: &App, project: &Project) -> anyhow::Result<(User, String)> {
    let user = match users::find(app, EMAIL).await {
        Ok(user) => user,
        Err(Error::Input(_)) => {
            let new =
                NewUser { email: EMAIL.into(), name: Some("Developer".into()), role: Some(ADMIN.into()) };
            users::create(app, &new).await.map_err(said)?
        }
        Err(error) => return Err(error.into()),
    };
    let file = project.state_directory().join("dev-key");
    if let Some(key) =
        fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<ApiKeySecret>().ok())
    {
        match api_keys::authenticate(app, &key, None).await {
            Ok(known) if known.id == user.id => return Ok((user, key.reveal().to_owned())),
            Ok(_) | Err(Error::InvalidCredential | Error::AddressNotAllowed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let new = NewApiKey { name: "hedgerow dev".into(), scopes: vec![Scope::ALL], ..NewApiKey::default() };
    let (_, key) = api_keys::create(app, &user, &new).await.map_err(said)?;
    write_private(&file, key.reveal()).with_context(|| format!("cannot write {}", file.display()))?;
    Ok((user, key.reveal().to_owned()))
}

async fn plant_seeds(project: &Project, place: &Place, user: &User) -> anyhow::Result<()> {
    let files = project.seeds()?;
    let Some(owner) = place.owner.as_ref().filter(|_| !files.is_empty()) else { return Ok(()) };
    let new = migrate::seed(&place.logins.tenant, owner, &project.config.roles, &user.id, &files).await?;
    for name in new {
        output::note(&format!("planted seeds/{name}.sql as {EMAIL}"));
    }
    Ok(())
}

/// The developer's password, made once and kept in the project's local state.
async fn developers_password(app: &App, project: &Project, user: &User) -> anyhow::Result<String> {
    let file = project.state_directory().join("dev-password");
    let known =
        fs::read_to_string(&file).ok().map(|text| text.trim().to_owned()).filter(|text| text.len() >= 8);
    let password = match known {
        Some(password) => password,
        None => {
            let password = token::letters::<16>(app.world());
            write_private(&file, &password).with_context(|| format!("cannot write {}", file.display()))?;
            password
        }
    };
    if account::password(app, &user.id).await?.is_none() {
        passwords::set(app, &user.id, &password).await?;
    }
    Ok(password)
}

fn greet(address: &str, schema: &Schema, key: &str, password: &str) {
    output::note(&format!("\nlistening on http://{address}, stop with Ctrl-C"));
    output::note(&format!(
        "sign in at http://{address}/sign-in as {EMAIL} with the password {password}; mails are files in .hedgerow/mail"
    ));
    let names: Vec<&str> = schema.entities().iter().map(|entity| entity.name.as_str()).collect();
    if names.is_empty() {
        output::note("there is no entity yet; save one as entities/NAME.toml");
        return;
    }
    output::note(&format!("entities: {}, described at http://{address}/api/v1/docs", names.join(", ")));
    // One that needs no other row first is the one to start with.
    let first = schema.entities().iter().find(|entity| entity.relations().next().is_none());
    let first = first.map_or(names[0], |entity| entity.name.as_str());
    output::note(&format!("try, as {EMAIL}:\n"));
    output::note(&format!(
        "  curl -H 'Authorization: Bearer {key}' 'http://{address}/api/v1/{first}?limit=3'\n"
    ));
}

/// Brings the database to what the entity files say, and says what that changed. What loses data is asked for.
async fn draft(project: &Project, place: &Place, schema: &Schema, command: &Dev) -> anyhow::Result<()> {
    let roles = &project.config.roles;
    let loss = if command.allow_data_loss { DataLoss::Allow } else { DataLoss::Refuse };
    let quietly = |event: MigrateEvent| {
        if !matches!(event, MigrateEvent::Applied(_)) {
            tell(event);
        }
    };
    let plan = match migrate::draft(owner_of(place)?, roles, schema, loss, quietly).await {
        Err(MigrateError::Loss { what, losses }) => {
            output::note(&format!("this loses data: {}", losses.join("; ")));
            if !confirmed("go on?")? {
                return Err(MigrateError::Loss { what, losses }.into());
            }
            migrate::draft(owner_of(place)?, roles, schema, DataLoss::Allow, quietly).await?
        }
        outcome => outcome?,
    };
    for change in &plan.changes {
        output::note(&format!("  {} {}", change.object, change.action));
    }
    if !plan.is_empty() {
        output::note("the database follows; `hedgerow migrate new NAME` writes it as a file for the others");
    }
    Ok(())
}

/// Applies the files that are not yet, after they were tried: one that would fail in the middle changes nothing.
async fn apply_tried(project: &Project, place: &Place) -> anyhow::Result<()> {
    let tried =
        migrate::rehearse(owner_of(place)?, &project.config.roles, &project.migrations()?, tell).await;
    tried.context(
        "a migration was tried and would fail, so nothing was changed; fill the rows or change the file",
    )?;
    apply_files(project, place, DataLoss::Refuse).await.map(drop)
}

/// Applies each change of the entity files; never done.
async fn watch(project: &Project, place: &Place, app: &App, command: &Dev) -> Option<String> {
    let look = || (project.entity_files().ok(), project.migrations().ok());
    let mut seen = look();
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let now = look();
        if seen == now || now.0.is_none() {
            continue;
        }
        let new_files = seen.1 != now.1;
        seen = now;
        let changed = async {
            let schema = project.schema()?;
            if new_files {
                apply_tried(project, place).await?;
            }
            draft(project, place, &schema, command).await?;
            app.replace_schema(schema);
            anyhow::Ok(())
        };
        match changed.await {
            Ok(()) => output::note("the API follows the changed files"),
            Err(error) => {
                output::failure(&error);
                output::note("the API stays as it was; save a correction");
            }
        }
    }
}

/// Done when a private server has ended for good.
async fn server_failure(place: &Place) -> String {
    let Some(server) = place.server() else { return std::future::pending().await };
    let mut state = server.state();
    loop {
        if let ServerState::Failed { reason } = &*state.borrow_and_update() {
            return reason.clone();
        }
        if state.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
