//! `hedgerow setup`: roles and logins in a database of one's own.

use std::collections::BTreeMap;

use anyhow::Context;
use hedgerow::database::migrate::{self, DataLoss};
use hedgerow::database::setup::{self, LoginProof};
use hedgerow::database::{DatabaseUrl, Logins, PoolSettings};
use hedgerow::schema::Schema;
use hedgerow::users::{self, ADMIN, NewUser};
use hedgerow::{App, AppOptions};
use serde_json::{Map, Value};

use crate::arguments::{Arguments, Setup};
use crate::commands::said;
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
        let id = first_admin(owner, &config.roles, email).await?;
        answer.insert("adminId".to_owned(), id.into());
    }
    if command.json {
        output::json(&Value::Object(answer));
    } else {
        for (name, value) in &answer {
            let name = if name == "adminId" { "# administrator:" } else { &format!("{name}=") };
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

async fn first_admin(
    owner: &DatabaseUrl,
    roles: &hedgerow::schema::Roles,
    email: &str,
) -> anyhow::Result<String> {
    // Users are Hedgerow's own table: it is there before any entity's.
    migrate::apply(owner, roles, &[], DataLoss::Refuse, |_| {}).await?;
    let logins = Logins { tenant: owner.clone(), auth: None, admin: None };
    let options = AppOptions {
        roles: roles.clone(),
        pool: PoolSettings { max_connections: 1, ..PoolSettings::default() },
        ..AppOptions::new(logins)
    };
    let app = App::open(options, Schema::default());
    let new = NewUser { email: email.to_owned(), name: None, role: Some(ADMIN.to_owned()) };
    // Setup can be run again; who is an administrator already stays one.
    let known = users::find_all(&app, &[email]).await;
    let user = match known?.pop() {
        Some(user) if user.is_admin() => Ok(user),
        Some(_) => {
            Err(anyhow::anyhow!("there is a user with the address {email} already, who is no administrator"))
        }
        None => users::create(&app, &new).await.map_err(said),
    };
    app.close().await;
    Ok(user?.id.to_string())
}
