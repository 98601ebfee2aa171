//! The session that asks, and the user's others.

use hedgerow::auth::refusal;
use hedgerow::auth::sessions;
use hedgerow::auth::settings::Plugin;
use hedgerow::auth::store::session::{self, End};
use serde_json::{Value, json};

use super::answer::{Answered, Refused};
use super::body::Shape;
use super::call::Call;
use super::wire;

/// `GET /get-session`: `null` for nobody, never an error.
pub(super) async fn get(mut call: Call) -> Answered {
    call.set_header("cache-control", "no-store");
    call.set_header("pragma", "no-cache");
    let has_cookie = call.has_session_cookie();
    let app = call.app.clone();
    // `?x=false` is true here: Better Auth looks at whether the text is empty.
    let truthy = |name: &str| call.query(name).is_some_and(|text| !text.is_empty());
    let found = if truthy("disableRefresh") {
        match call.token() {
            Some(token) => sessions::find(&app, &token).await?,
            None => None,
        }
    } else {
        call.find_session().await?
    };
    let Some(current) = found else {
        if has_cookie {
            call.take_session();
        }
        return Ok(call.json(&Value::Null));
    };
    if app.auth().has(Plugin::Jwt) {
        let token = super::jwt::issue(&app, &current).await?;
        call.expose_header("set-auth-jwt", &token);
    }
    let document = json!({
        "session": wire::session(&app, &current.session),
        "user": wire::user(&app, &current.user),
    });
    Ok(call.json(&document))
}

/// `POST /get-session`: needs a setting that this server does not have.
pub(super) async fn get_by_post(mut call: Call) -> Answered {
    call.set_header("cache-control", "no-store");
    call.set_header("pragma", "no-cache");
    let refused: Refused = refusal::METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED.into();
    Ok(call.finish(axum::response::IntoResponse::into_response(refused)))
}

/// `GET /list-sessions`
pub(super) async fn list(mut call: Call) -> Answered {
    let current = call.session().await?;
    sessions::require_fresh(&call.app, &current.session)?;
    let mut all = session::list(&call.app, &current.user.id).await?;
    if current.session.impersonated_by.is_some() {
        // An administrator who acts as the user does not get what outlasts that.
        all.iter_mut().for_each(|one| one.token = one.handle());
    }
    // Whoever an administrator acts as does not see that session.
    let shown = all.iter().filter(|one| one.impersonated_by.is_none());
    let document = shown.map(|one| wire::session(&call.app, one)).collect();
    Ok(call.json(&document))
}

/// `POST /revoke-session`: the same answer for a token that is nobody's, or somebody else's.
pub(super) async fn revoke(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let token = fields.string("token").to_owned();
    fields.finish()?;
    let current = call.session().await?;
    session::end(&call.app, End::Token(&current.user.id, &token)).await?;
    Ok(call.json(&json!({ "status": true })))
}

/// `POST /revoke-sessions`
pub(super) async fn revoke_all(mut call: Call) -> Answered {
    let current = call.session().await?;
    session::end(&call.app, End::All(&current.user.id)).await?;
    call.take_session();
    Ok(call.json(&json!({ "status": true })))
}

/// `POST /revoke-other-sessions`
pub(super) async fn revoke_others(mut call: Call) -> Answered {
    let current = call.session().await?;
    session::end(&call.app, End::AllBut(&current.user.id, &current.session.id)).await?;
    Ok(call.json(&json!({ "status": true })))
}

/// `POST /update-session`: sessions have no fields of the application's own.
pub(super) async fn update(mut call: Call) -> Answered {
    call.fields(Shape::Record).finish()?;
    call.session().await?;
    Err(refusal::NO_FIELDS_TO_UPDATE.into())
}
