//! `hedgerow key`: API keys.

use anyhow::{Context, anyhow};
use hedgerow::api_keys::{self, ApiKey, ApiKeySecret, NewApiKey, OVERLAP};
use hedgerow::config::parse_duration;
use hedgerow::users;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::arguments::{Arguments, KeyCommand};
use crate::commands::{said, table};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

pub(crate) async fn run(arguments: &Arguments, command: &KeyCommand) -> anyhow::Result<Exit> {
    if let KeyCommand::Create { expires: Some(text), .. } | KeyCommand::Rotate { overlap: text, .. } = command
        && parse_duration(text).is_none()
    {
        output::note(&format!("error: {text:?} is no duration such as 90d, 12h or 30min"));
        return Ok(Exit::Usage);
    }
    let session = Session::open(arguments).await?;
    let app = &session.app;
    match command {
        KeyCommand::Create { user, name, scopes, expires, allowed_ips, json } => {
            let user = users::find(app, user).await.map_err(said)?;
            let span = expires.as_deref().and_then(parse_duration);
            let span = span.map(SignedDuration::try_from).transpose().context("the duration is too long")?;
            let expires_at = span.map(|span| app.world().now() + span);
            let allowed_ips = (!allowed_ips.is_empty()).then(|| allowed_ips.clone());
            let new = NewApiKey { name: name.clone(), scopes: scopes.clone(), expires_at, allowed_ips };
            let (key, secret) = api_keys::create(app, &user, &new).await.map_err(said)?;
            show(&key, &secret, *json);
        }
        KeyCommand::List { user, json } => {
            let user = match user {
                Some(user) => Some(users::find(app, user).await.map_err(said)?.id),
                None => None,
            };
            let keys = api_keys::list(app, user.as_ref()).await?;
            if *json {
                output::json(&Value::Array(keys.iter().map(ApiKey::to_json).collect()));
            } else {
                let mut table = table(&["id", "user", "name", "key", "scopes", "ends", "last used", "state"]);
                for key in &keys {
                    let moment = |at: Option<Timestamp>| {
                        at.map_or("never".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
                    };
                    let (ends, used) = (moment(key.expires_at), moment(key.last_used));
                    let expired = key.expires_at.is_some_and(|end| end <= app.world().now());
                    let state = if key.revoked {
                        "revoked"
                    } else if expired {
                        "expired"
                    } else if key.replaced_by.is_some() {
                        "replaced"
                    } else {
                        "active"
                    };
                    let prefix = format!("{}_…", key.prefix);
                    let scopes = key.scopes.join(" ");
                    table.add_row([
                        &key.id,
                        key.user_id.as_str(),
                        &key.name,
                        &prefix,
                        &scopes,
                        &ends,
                        &used,
                        state,
                    ]);
                }
                output::data(&table.to_string());
            }
        }
        KeyCommand::Rotate { id, overlap, json } => {
            let overlap = parse_duration(overlap).unwrap_or(OVERLAP);
            let (key, secret) = api_keys::rotate(app, id, overlap).await.map_err(|error| about(id, error))?;
            show(&key, &secret, *json);
        }
        KeyCommand::Revoke { id } => {
            api_keys::revoke(app, id).await.map_err(|error| about(id, error))?;
            output::note("revoked; the key is refused from now on");
        }
    }
    session.close().await?;
    Ok(Exit::Done)
}

fn about(id: &str, error: hedgerow::Error) -> anyhow::Error {
    match error {
        hedgerow::Error::NotFound => {
            anyhow!("there is no key with the id {id}; `hedgerow key list` shows all")
        }
        error => said(error),
    }
}

/// Shows a key that was just made.
fn show(key: &ApiKey, secret: &ApiKeySecret, json: bool) {
    if json {
        let mut value = key.to_json();
        value["key"] = secret.reveal().into();
        output::json(&value);
    } else {
        output::data(secret.reveal());
        output::note(
            "this key is shown once and kept nowhere; it goes into the header Authorization: Bearer …",
        );
    }
}
