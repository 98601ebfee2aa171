//! Tokens for other services, and the keys that they are checked with.

use hedgerow::auth::jwt::issued;
use hedgerow::auth::sessions::Current;
use hedgerow::{App, Error};
use serde_json::{Value, json};

use super::answer::Answered;
use super::call::Call;
use super::wire;

/// `GET /token`
pub(super) async fn token(mut call: Call) -> Answered {
    let current = call.session().await?;
    let token = issue(&call.app, &current).await?;
    Ok(call.json(&json!({ "token": token })))
}

/// `GET /jwks`
pub(super) async fn keys(call: Call) -> Answered {
    let keys = issued::published(&call.app).await?;
    Ok(call.json(&keys))
}

/// A token that says what clients read of the user.
pub(super) async fn issue(app: &App, current: &Current) -> Result<String, Error> {
    match wire::user(app, &current.user) {
        Value::Object(user) => issued::issue(app, current, user).await,
        other => unreachable!("a user is an object: {other}"),
    }
}
