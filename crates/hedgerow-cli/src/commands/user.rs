//! `hedgerow user`: who there is.

use comfy_table::Table;
use hedgerow::users::{self, NewUser, User};
use serde_json::{Value, json};

use crate::arguments::{Arguments, UserCommand};
use crate::commands::table;
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

pub(crate) async fn run(arguments: &Arguments, command: &UserCommand) -> anyhow::Result<Exit> {
    let session = Session::open(arguments).await?;
    match command {
        UserCommand::Create { email, name, role, json } => {
            let new = NewUser { email: email.clone(), name: name.clone(), role: role.clone() };
            let user = users::create(&session.app, &new).await.map_err(super::said)?;
            if !matches!(user.role.as_str(), users::ADMIN | users::MEMBER) {
                output::note(&format!(
                    "note: `{}` is a role of the application's own; Hedgerow itself knows {} and {}",
                    user.role,
                    users::MEMBER,
                    users::ADMIN
                ));
            }
            show(&[user], *json, |users| users.first().cloned().unwrap_or_default());
        }
        UserCommand::List { json } => show(&users::list(&session.app).await?, *json, Value::Array),
    }
    session.close().await?;
    Ok(Exit::Done)
}

fn show(users: &[User], as_json: bool, shape: impl FnOnce(Vec<Value>) -> Value) {
    if as_json {
        let users = users.iter().map(|user| {
            json!({
                "id": user.id.as_str(), "email": user.email, "name": user.name, "role": user.role,
                "banned": user.banned, "createdAt": user.created_at.to_string(),
            })
        });
        output::json(&shape(users.collect()));
        return;
    }
    let mut table: Table = table(&["id", "email", "name", "role", "created"]);
    for user in users {
        let created = user.created_at.strftime("%Y-%m-%d %H:%M").to_string();
        table.add_row([user.id.as_str(), &user.email, &user.name, &user.role, &created]);
    }
    output::data(&table.to_string());
}
