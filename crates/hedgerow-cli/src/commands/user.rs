//! `hedgerow user`: who there is, who may do what, and who is invited.

use std::time::Duration;

use anyhow::{Context, anyhow};
use comfy_table::Table;
use hedgerow::auth::admin::{self, Actor};
use hedgerow::auth::invitations;
use hedgerow::auth::passwords;
use hedgerow::auth::store::user::Changes;
use hedgerow::config::parse_duration;
use hedgerow::mail::Link;
use hedgerow::project::Project;
use hedgerow::users::{self, NewUser, User};
use hedgerow::{App, Error};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::arguments::{Arguments, NewUserWords, UserCommand};
use crate::commands::{personal_data, refused, said, secret_line, table};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

/// How long a link lasts that a person brings to another.
pub(crate) const LINK_LASTS: Duration = Duration::from_secs(86_400);

pub(crate) async fn run(arguments: &Arguments, command: &UserCommand) -> anyhow::Result<Exit> {
    if let UserCommand::Ban { lasts: Some(text), .. } = command
        && parse_duration(text).is_none_or(|lasts| lasts.is_zero())
    {
        output::note(&format!("error: {text:?} is no duration such as 7d, 12h or 30min"));
        return Ok(Exit::Usage);
    }
    let session = Session::open(arguments).await?;
    let app = &session.app;
    know_address(app, &session.project);
    let exit = match command {
        UserCommand::Create(words) => create(app, words).await?,
        UserCommand::List { json } => {
            show(app, &users::list(app).await?, *json, Value::Array);
            Exit::Done
        }
        UserCommand::SetRole { user, role, json } => {
            let role = users::check_roles(role).map_err(said)?;
            let known = find(app, user).await?;
            let done = admin::set_role(app, Actor::Operator, known.id.as_str(), &role).await;
            tell_about_role(app, &role);
            one(app, done.map_err(refused)?, *json, &format!("{role} counts with the next request"));
            Exit::Done
        }
        UserCommand::Ban { user, reason, lasts, json } => {
            let known = find(app, user).await?;
            let lasts = lasts.as_deref().and_then(parse_duration);
            let lasts =
                lasts.map(SignedDuration::try_from).transpose().context("the duration is too long")?;
            let until = lasts.map(|lasts| app.world().now_in_millis().checked_add(lasts)).transpose();
            let until = until.context("the duration is too long")?;
            let done = admin::ban(app, Actor::Operator, known.id.as_str(), reason.as_deref(), until).await;
            let until = until.map_or("for good".to_owned(), |end| format!("until {end:.0}"));
            let note = format!("shut out {until}: sessions ended, and API keys are refused");
            one(app, done.map_err(refused)?, *json, &note);
            Exit::Done
        }
        UserCommand::Unban { user, json } => {
            let known = find(app, user).await?;
            let done = admin::unban(app, Actor::Operator, known.id.as_str()).await;
            one(app, done.map_err(refused)?, *json, "may sign in again; API keys work again");
            Exit::Done
        }
        UserCommand::Invite { email, role, json } => {
            let (role, link) = invitations::invite(app, email, role.as_deref()).await.map_err(said)?;
            if *json {
                let email = email.trim().to_lowercase();
                output::json(&json!({
                    "email": email, "role": role, "url": link.url, "expiresAt": ends(app, &link)?,
                }));
            } else {
                output::data(&link.url);
                output::note(&format!(
                    "the link makes an account with the role {role}, once, within 7 days; a mail with it is on its way"
                ));
            }
            tell_about_address(app);
            Exit::Done
        }
        UserCommand::Export { user, out } => {
            personal_data::export(app, &find(app, user).await?, out.as_deref()).await?
        }
        UserCommand::Erase { user, yes, dry_run, json } => {
            let wanted = personal_data::Erasure { yes: *yes, dry_run: *dry_run, json: *json };
            personal_data::erase(app, &find(app, user).await?, &wanted).await?
        }
    };
    session.close().await?;
    Ok(exit)
}

async fn find(app: &App, user: &str) -> anyhow::Result<User> {
    users::find(app, user).await.map_err(|error| match error {
        Error::Input(_) => {
            anyhow!("there is no user with the id or address {user:?}; `hedgerow user list` shows all")
        }
        error => error.into(),
    })
}

async fn create(app: &App, words: &NewUserWords) -> anyhow::Result<Exit> {
    let new = NewUser { email: words.email.clone(), name: words.name.clone(), role: words.role.clone() };
    let password = if words.password_stdin { Some(secret_line()?) } else { words.password.clone() };
    let values = if words.verified { Changes::new().flag("emailVerified", true) } else { Changes::new() };
    let hash = match &password {
        Some(text) => Some(passwords::hashed(app, text).await.map_err(refused)?),
        None => None,
    };
    let user = users::create_with(app, &new, values, hash.as_deref()).await.map_err(said)?;
    tell_about_role(app, &user.role);
    let link = if words.link { Some(passwords::link(app, &user, LINK_LASTS).await?) } else { None };
    if words.json {
        let mut document = describe(&user);
        if let Some(link) = &link {
            document["setPasswordUrl"] = link.url.as_str().into();
        }
        output::json(&document);
    } else {
        show(app, std::slice::from_ref(&user), false, Value::Array);
        if let Some(link) = &link {
            output::data(&link.url);
            output::note("whoever opens the link within a day sets the password, once");
        }
    }
    if link.is_some() {
        tell_about_address(app);
    } else if password.is_none() {
        output::note(
            "no password is set: --link makes a link to set one, and whoever gets mail here can ask for one",
        );
    }
    Ok(Exit::Done)
}

/// Links lead to where people reach the server; where nobody said, to where it listens by its settings.
pub(crate) fn know_address(app: &App, project: &Project) {
    // A `dev` that runs says where it listens.
    let running = std::fs::read_to_string(project.state_directory().join("url"));
    if let Some(url) = running.ok().and_then(|text| text.trim().parse().ok()) {
        return app.auth().listens_at(url);
    }
    let server = &project.config.server;
    let host = if server.host == "0.0.0.0" || server.host == "::" { "127.0.0.1" } else { &server.host };
    if let Ok(url) = format!("http://{host}:{}", server.port).parse() {
        app.auth().listens_at(url);
    }
}

pub(crate) fn tell_about_address(app: &App) {
    if app.auth().settings().base_url.is_none() {
        output::note(&format!(
            "note: the link leads to {}; set HEDGEROW_URL to where people reach your server",
            app.auth().base_url()
        ));
    }
}

/// A role that nobody gave a meaning is probably meant, but may be mistyped.
fn tell_about_role(app: &App, roles: &str) {
    let settings = app.auth().settings();
    let is_known = |role: &str| {
        matches!(role, users::ADMIN | users::MEMBER)
            || role == settings.default_role
            || settings.admin_roles.iter().any(|own| own == role)
    };
    if let Some(role) = roles.split(',').find(|role| !is_known(role)) {
        output::note(&format!(
            "note: `{role}` is a role of the application's own; Hedgerow itself knows {} and {}",
            users::MEMBER,
            users::ADMIN
        ));
    }
}

fn ends(app: &App, link: &Link) -> anyhow::Result<String> {
    let lasts = SignedDuration::try_from(link.valid_for)?;
    Ok(app.world().now_in_millis().checked_add(lasts)?.to_string())
}

fn one(app: &App, user: User, as_json: bool, note: &str) {
    if as_json {
        output::json(&describe(&user));
    } else {
        show(app, std::slice::from_ref(&user), false, Value::Array);
        output::note(note);
    }
}

fn describe(user: &User) -> Value {
    json!({
        "id": user.id.as_str(), "email": user.email, "name": user.name, "role": user.role,
        "emailVerified": user.email_verified, "banned": user.banned, "banReason": user.ban_reason,
        "banExpires": user.ban_expires.map(|end| end.to_string()), "createdAt": user.created_at.to_string(),
    })
}

fn show(app: &App, users: &[User], as_json: bool, shape: impl FnOnce(Vec<Value>) -> Value) {
    if as_json {
        output::json(&shape(users.iter().map(describe).collect()));
        return;
    }
    let now = app.world().now();
    let mut table: Table = table(&["id", "email", "name", "role", "created", "state"]);
    for user in users {
        let created = user.created_at.strftime("%Y-%m-%d %H:%M").to_string();
        let state = if user.is_shut_out(now) { "banned" } else { "" };
        table.add_row([user.id.as_str(), &user.email, &user.name, &user.role, &created, state]);
    }
    output::data(&table.to_string());
}
