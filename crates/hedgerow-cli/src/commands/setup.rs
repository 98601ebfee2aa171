//! `hedgerow setup`: roles and logins in a database of one's own.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use hedgerow::auth::admin::{self, Actor};
use hedgerow::auth::store::user::Changes;
use hedgerow::auth::{AuthOptions, passwords};
use hedgerow::config::Mode;
use hedgerow::database::migrate::{self, DataLoss};
use hedgerow::database::setup::{self, LET_SEARCH_USE_INDEX, LoginProof, Search};
use hedgerow::database::{DatabaseUrl, Logins, PoolSettings};
use hedgerow::mail::Link;
use hedgerow::project::Project;
use hedgerow::schema::Schema;
use hedgerow::users::{self, ADMIN, NewUser};
use hedgerow::{App, AppOptions, World};
use serde_json::{Map, Value};

use crate::arguments::{Arguments, Setup};
use crate::commands::user::{LINK_LASTS, know_address, tell_about_address};
use crate::commands::{refused, said, secret_line};
use crate::exit::Exit;
use crate::output;
use crate::session::open_project;

pub(crate) async fn run(arguments: &Arguments, command: &Setup) -> anyhow::Result<Exit> {
    let project = open_project(&arguments.project, BTreeMap::new())?;
    let config = &project.config;
    let owner = config.direct_url.as_ref().context(
        "setup needs the owner of your database: set DIRECT_DATABASE_URL=postgresql://OWNER:PASSWORD@HOST/DATABASE \
         (`hedgerow dev` needs no setup)",
    )?;
    let proof = if command.new_passwords { LoginProof::NewPassword } else { LoginProof::Password };
    // The owner may then act for an administrator that does not exist yet.
    let also = command.admin.is_some().then(|| owner.user());
    let mut made = setup::setup(owner, &config.roles, proof, also).await?;
    let mut better_auth = None;
    if command.better_auth {
        let (url, is_kept) = setup::better_auth_login(owner, &config.roles, proof).await?;
        if is_kept {
            made.kept.push(url.user().to_owned());
        }
        better_auth = Some(url);
    }
    let lines = [
        ("DATABASE_URL", Some(&made.logins.tenant)),
        ("AUTH_DATABASE_URL", made.logins.auth.as_ref()),
        ("ADMIN_DATABASE_URL", made.logins.admin.as_ref()),
        ("BETTER_AUTH_DATABASE_URL", better_auth.as_ref()),
    ];
    let lines: Vec<(&str, &DatabaseUrl)> =
        lines.into_iter().filter_map(|(name, url)| Some((name, url?))).collect();
    let mut answer = Map::new();
    for (name, url) in &lines {
        // A login that kept its password cannot be printed with one; its line is where it was printed first.
        if !made.kept.iter().any(|kept| kept == url.user()) {
            answer.insert((*name).to_owned(), reveal(url).into());
        }
    }
    if let Some(email) = &command.admin {
        let password = if command.password_stdin { Some(secret_line()?) } else { None };
        let (id, link) = first_admin(&project, owner, email, password.as_deref()).await?;
        answer.insert("adminId".to_owned(), id.into());
        if let Some(link) = link {
            answer.insert("setPasswordUrl".to_owned(), link.url.into());
        }
    }
    if command.json {
        output::json(&Value::Object(answer));
    } else {
        for (name, value) in &answer {
            let name = match name.as_str() {
                "adminId" => "# administrator: ",
                "setPasswordUrl" => "# sets the administrator's password, once, within a day: ",
                name => &format!("{name}="),
            };
            output::data(&format!("{name}{}", value.as_str().unwrap_or_default()));
        }
    }
    if !made.kept.is_empty() {
        let kept = made.kept.join(", ");
        output::note(&format!(
            "{kept} existed and kept their passwords, so their lines are those that were printed first; \
             --new-passwords makes new ones, for every application on this server that uses these logins. \
             A second application gets logins of its own by other names in [roles]"
        ));
    }
    if made.search == Search::Scanned {
        output::note(&format!(
            "`search=` looks at all rows of a user until a superuser lets it use its index: {LET_SEARCH_USE_INDEX}"
        ));
    }
    output::note(
        "roles and logins are ready; next: `hedgerow migrate baseline` where the database has tables already, `hedgerow migrate new init` where \
         migrations/ is empty, and `hedgerow migrate apply`",
    );
    Ok(Exit::Done)
}

fn reveal(url: &DatabaseUrl) -> String {
    use hedgerow::database::ExposeSecret;
    url.to_secret_string().expose_secret().to_owned()
}

/// The administrator's id, and a link to set a password unless there is one. Setup can be run again: who is an
/// administrator stays one.
async fn first_admin(
    project: &Project,
    owner: &DatabaseUrl,
    email: &str,
    password: Option<&str>,
) -> anyhow::Result<(String, Option<Link>)> {
    let roles = &project.config.roles;
    // Users are Hedgerow's own table: it is there before any entity's.
    migrate::apply(owner, roles, &[], DataLoss::Refuse, |_| {}).await?;
    let logins = Logins { tenant: owner.clone(), auth: None, admin: None };
    let world = World::default();
    // Links and passwords need no secret; sessions are made by `serve`, with one.
    let auth = AuthOptions {
        settings: project.config.sign_in.settings(Mode::Production),
        ..AuthOptions::for_itself(&world)
    };
    let options = AppOptions {
        roles: roles.clone(),
        pool: PoolSettings { max_connections: 1, ..PoolSettings::default() },
        auth: Some(auth),
        world,
        ..AppOptions::new(logins)
    };
    let app = App::open(options, Schema::default());
    know_address(&app, project);
    let made = administrator(&app, email, password).await;
    if let Ok((_, Some(_))) = &made {
        tell_about_address(&app);
    }
    app.close().await;
    made
}

async fn administrator(
    app: &App,
    email: &str,
    password: Option<&str>,
) -> anyhow::Result<(String, Option<Link>)> {
    let user = match users::find_all(app, &[email]).await?.pop() {
        Some(user) if user.is_admin() => {
            if let Some(text) = password {
                let id = user.id.as_str();
                admin::set_password(app, Actor::Operator, id, text, None).await.map_err(refused)?;
            }
            user
        }
        Some(_) => bail!(
            "there is a user with the address {email} already, who is no administrator; \
             `hedgerow user set-role {email} {ADMIN}` makes them one"
        ),
        None => {
            let new = NewUser { email: email.to_owned(), name: None, role: Some(ADMIN.to_owned()) };
            let hash = match password {
                Some(text) => Some(passwords::hashed(app, text).await.map_err(refused)?),
                None => None,
            };
            // Whoever sets the database up vouches for the address.
            let values = Changes::new().flag("emailVerified", true);
            users::create_with(app, &new, values, hash.as_deref()).await.map_err(said)?
        }
    };
    let link = match admin::has_password(app, &user).await? {
        true => None,
        false => Some(passwords::link(app, &user, LINK_LASTS).await?),
    };
    Ok((user.id.to_string(), link))
}
