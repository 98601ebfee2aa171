//! `hedgerow key`: API keys.

use anyhow::{Context, anyhow};
use hedgerow::api_keys::{self, ApiKey, NewApiKey};
use hedgerow::config::parse_duration;
use hedgerow::users;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::arguments::{Arguments, KeyCommand};
use crate::commands::{said, table};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

pub(crate) async fn run(arguments: &Arguments, command: &KeyCommand) -> anyhow::Result<Exit> {
    if let KeyCommand::Create { expires: Some(text), .. } = command
        && parse_duration(text).is_none()
    {
        output::note(&format!("error: {text:?} is no duration such as 90d, 12h or 30min"));
        return Ok(Exit::Usage);
    }
    let session = Session::open(arguments).await?;
    let app = &session.app;
    match command {
        KeyCommand::Create { user, name, scopes, expires, json } => {
            let user = users::find(app, user).await.map_err(said)?;
            let span = expires.as_deref().and_then(parse_duration);
            let span = span.map(SignedDuration::try_from).transpose().context("the duration is too long")?;
            let expires_at = span.map(|span| app.world().now() + span);
            let new = NewApiKey { name: name.clone(), scopes: scopes.clone(), expires_at };
            let (key, secret) = api_keys::create(app, &user, &new).await.map_err(said)?;
            if *json {
                let mut value = describe(&key);
                value["key"] = secret.reveal().into();
                output::json(&value);
            } else {
                output::data(secret.reveal());
                output::note(
                    "this key is shown once and kept nowhere; it goes into the header Authorization: Bearer …",
                );
            }
        }
        KeyCommand::List { user, json } => {
            let user = match user {
                Some(user) => Some(users::find(app, user).await.map_err(said)?.id),
                None => None,
            };
            let keys = api_keys::list(app, user.as_ref()).await?;
            if *json {
                output::json(&Value::Array(keys.iter().map(describe).collect()));
            } else {
                let mut table = table(&["id", "user", "name", "key", "scopes", "ends", "state"]);
                for key in &keys {
                    let ends = key
                        .expires_at
                        .map_or("never".to_owned(), |end| end.strftime("%Y-%m-%d %H:%M").to_string());
                    let expired = key.expires_at.is_some_and(|end| end <= app.world().now());
                    let state = if key.revoked {
                        "revoked"
                    } else if expired {
                        "expired"
                    } else {
                        "active"
                    };
                    let prefix = format!("{}_…", key.prefix);
                    let scopes = key.scopes.join(" ");
                    table.add_row([&key.id, key.user_id.as_str(), &key.name, &prefix, &scopes, &ends, state]);
                }
                output::data(&table.to_string());
            }
        }
        KeyCommand::Revoke { id } => {
            api_keys::revoke(app, id).await.map_err(|error| match error {
                hedgerow::Error::NotFound => {
                    anyhow!("there is no key with the id {id}; `hedgerow key list` shows all")
                }
                error => error.into(),
            })?;
            output::note("revoked; the key is refused from now on");
        }
    }
    session.close().await?;
    Ok(Exit::Done)
}

fn describe(key: &ApiKey) -> Value {
    json!({
        "id": key.id, "userId": key.user_id.as_str(), "name": key.name, "prefix": key.prefix, "scopes": key.scopes,
        "expiresAt": key.expires_at.map(|end| end.to_string()), "createdAt": key.created_at.to_string(),
        "revoked": key.revoked,
    })
}
