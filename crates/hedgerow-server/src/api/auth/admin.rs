//! What administrators do to other users: `/admin/*`.
//!
//! Always holds: without the plugin there is nothing here; no answer carries a token of somebody else's session; the form of
//! the input is looked at first, then who asks, then whether they may, then everything else.

mod data;
mod finding;

use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use hedgerow::auth::admin::{self, Actor, Deed};
use hedgerow::auth::refusal::{Kind, Refusal};
use hedgerow::auth::sessions::Current;
use hedgerow::auth::sign_in::Remember;
use hedgerow::auth::store::session::{self, End, Session};
use hedgerow::users::User;
use hedgerow::{App, UserId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::{Answered, Refused};
use super::body::Shape;
use super::call::Call;
use super::cookies::{ADMIN_SESSION, DONT_REMEMBER, Keep};
use super::{quiet, wire};
use crate::service::Service;

/// The endpoints.
pub(super) fn router() -> Router<Service> {
    Router::new()
        .route("/admin/list-users", quiet(get(finding::list_users)))
        .route("/admin/get-user", quiet(get(finding::get_user)))
        .route("/admin/create-user", quiet(post(data::create_user)))
        .route("/admin/update-user", quiet(post(data::update_user)))
        .route("/admin/set-role", quiet(post(data::set_role)))
        .route("/admin/set-user-password", quiet(post(set_password)))
        .route("/admin/ban-user", quiet(post(ban)))
        .route("/admin/unban-user", quiet(post(unban)))
        .route("/admin/impersonate-user", quiet(post(impersonate)))
        .route("/admin/stop-impersonating", quiet(post(stop_impersonating)))
        .route("/admin/list-user-sessions", quiet(post(list_sessions)))
        .route("/admin/revoke-user-session", quiet(post(revoke_session)))
        .route("/admin/revoke-user-sessions", quiet(post(revoke_sessions)))
        .route("/admin/remove-user", quiet(post(remove)))
        .route("/admin/has-permission", quiet(post(has_permission)))
}

/// Who asks, if they may.
async fn administrator(call: &mut Call, deed: Deed) -> Result<Current, Refused> {
    let current = somebody(call).await?;
    admin::require(&call.app, &current, deed)?;
    Ok(current)
}

/// Who asks, whoever it is.
async fn somebody(call: &mut Call) -> Result<Current, Refused> {
    Ok(call.find_session().await?.ok_or(admin::NOBODY)?)
}

/// The user whom a body with `userId` means.
fn user_id(call: &Call) -> Result<String, Refusal> {
    let mut fields = call.fields(Shape::Object);
    let id = fields.coerced("userId");
    fields.finish()?;
    Ok(id)
}

/// `POST /admin/set-user-password`
async fn set_password(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let new = fields.string("newPassword").to_owned();
    if new.is_empty() && matches!(fields.any("newPassword"), Some(Value::String(_))) {
        fields.note("newPassword", "newPassword cannot be empty");
    }
    let id = fields.coerced("userId");
    if id.is_empty() {
        fields.note("userId", "userId cannot be empty");
    }
    fields.finish()?;
    let current = administrator(&mut call, Deed::SetPasswords).await?;
    let actor = Actor::Administrator(&current.user.id);
    admin::set_password(&call.app, actor, &id, &new, Some(&current.session.id)).await?;
    Ok(call.json(&json!({ "status": true })))
}

/// `POST /admin/ban-user`
async fn ban(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let id = fields.coerced("userId");
    let reason = fields.optional("banReason").map(str::to_owned);
    let seconds = fields.number("banExpiresIn");
    fields.finish()?;
    let until = match seconds.filter(|&seconds| seconds != 0.0) {
        Some(seconds) => Some(from_now(call.app.world().now_in_millis(), seconds)?),
        None => None,
    };
    let current = administrator(&mut call, Deed::BanUsers).await?;
    let actor = Actor::Administrator(&current.user.id);
    let user = admin::ban(&call.app, actor, &id, reason.as_deref(), until).await?;
    let document = json!({ "user": wire::user(&call.app, &user) });
    Ok(call.json(&document))
}

/// So many seconds from now; a ban that is over before it begins is a mistake.
fn from_now(now: Timestamp, seconds: f64) -> Result<Timestamp, Refusal> {
    let span = Duration::try_from_secs_f64(seconds).ok();
    let span = span.map(|span| Duration::from_millis(span.as_millis().try_into().unwrap_or(u64::MAX)));
    let end = span.and_then(|span| now.checked_add(SignedDuration::try_from(span).ok()?).ok());
    // Clients read dates of four digits of a year.
    end.filter(|end| end.as_second() < 253_402_300_800).ok_or_else(|| {
        Refusal::validation("[body.banExpiresIn] Invalid input: expected a number of seconds from now")
    })
}

/// `POST /admin/unban-user`
async fn unban(mut call: Call) -> Answered {
    let id = user_id(&call)?;
    let current = administrator(&mut call, Deed::BanUsers).await?;
    let user = admin::unban(&call.app, Actor::Administrator(&current.user.id), &id).await?;
    let document = json!({ "user": wire::user(&call.app, &user) });
    Ok(call.json(&document))
}

/// `POST /admin/impersonate-user`: the administrator's own session waits in a cookie.
async fn impersonate(mut call: Call) -> Answered {
    let id = user_id(&call)?;
    let current = administrator(&mut call, Deed::Impersonate).await?;
    let app = call.app.clone();
    let (session, user) = admin::impersonate(&app, &current, &id, call.client()).await?;
    let forgets = if call.remember() == Remember::No { "true" } else { "" };
    call.take_session();
    let lasts = app.auth().settings().session_expires_in.as_secs();
    call.set_cookie(ADMIN_SESSION, &format!("{}:{forgets}", current.session.token), Keep::Seconds(lasts));
    call.give_session(&session, Remember::No);
    Ok(call.json(&session_and_user(&app, &session, &user)))
}

fn session_and_user(app: &App, session: &Session, user: &User) -> Value {
    json!({ "session": wire::session(app, session), "user": wire::user(app, user) })
}

/// `POST /admin/stop-impersonating`: back to the administrator's own session.
async fn stop_impersonating(mut call: Call) -> Answered {
    let current = somebody(&mut call).await?;
    let app = call.app.clone();
    let kept = call.cookie(ADMIN_SESSION).unwrap_or_default();
    let (token, forgets) = kept.split_once(':').unwrap_or((kept.as_str(), ""));
    let own_token = Some(token).filter(|token| !token.is_empty());
    let Some(own) = admin::stop_impersonating(&app, &current, own_token).await? else {
        // Acting as somebody else is over in any case; what was before is, too.
        call.take_session();
        call.set_cookie(ADMIN_SESSION, "", Keep::Not);
        let refused: Refused = Refusal::sentence(Kind::Unauthorized, "Failed to find admin session").into();
        return Ok(call.finish(refused.into_response()));
    };
    if forgets.is_empty() {
        call.give_session(&own.session, Remember::Yes);
        call.set_cookie(DONT_REMEMBER, "", Keep::Not);
    } else {
        call.give_session(&own.session, Remember::No);
    }
    call.set_cookie(ADMIN_SESSION, "", Keep::Not);
    Ok(call.json(&session_and_user(&app, &own.session, &own.user)))
}

/// `POST /admin/list-user-sessions`: each `token` is a handle, which ends the session and opens nothing.
async fn list_sessions(mut call: Call) -> Answered {
    let id = user_id(&call)?;
    administrator(&mut call, Deed::ListSessions).await?;
    let mut sessions = match id.parse::<UserId>() {
        Ok(id) => session::list(&call.app, &id).await?,
        Err(_) => Vec::new(),
    };
    sessions.iter_mut().for_each(|session| session.token = session.handle());
    let sessions: Value = sessions.iter().map(|session| wire::session(&call.app, session)).collect();
    Ok(call.json(&json!({ "sessions": sessions })))
}

/// `POST /admin/revoke-user-session`
async fn revoke_session(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let token = fields.string("sessionToken").to_owned();
    fields.finish()?;
    let current = administrator(&mut call, Deed::RevokeSessions).await?;
    let ended = session::end(&call.app, End::AnyTokenOrId(&token)).await?;
    tracing::info!(by = %current.user.id, ended, "an administrator ended a session");
    Ok(call.json(&json!({ "success": true })))
}

/// `POST /admin/revoke-user-sessions`
async fn revoke_sessions(mut call: Call) -> Answered {
    let id = user_id(&call)?;
    let current = administrator(&mut call, Deed::RevokeSessions).await?;
    if let Ok(id) = id.parse::<UserId>() {
        let ended = session::end(&call.app, End::All(&id)).await?;
        tracing::info!(by = %current.user.id, user = %id, ended, "an administrator ended a user's sessions");
    }
    Ok(call.json(&json!({ "success": true })))
}

/// `POST /admin/remove-user`
async fn remove(mut call: Call) -> Answered {
    let id = user_id(&call)?;
    let current = administrator(&mut call, Deed::DeleteUsers).await?;
    admin::remove(&call.app, Actor::Administrator(&current.user.id), &id).await?;
    Ok(call.json(&json!({ "success": true })))
}

/// `POST /admin/has-permission`: what whoever asks may do; `userId` and `role` of the body are for programs beside a server.
async fn has_permission(mut call: Call) -> Answered {
    let fields = call.fields(Shape::Object);
    let wanted = match (fields.any("permissions"), fields.any("permission")) {
        (Some(Value::Object(wanted)), None) => Some(wanted.clone()),
        (None, Some(Value::Object(_))) => None,
        _ if fields.object().is_none() => {
            fields.finish()?;
            None
        }
        _ => return Err(Refusal::validation("[body] Invalid input").into()),
    };
    let Some(wanted) = wanted else {
        let message = "invalid permission check. no permission(s) were passed.";
        return Err(Refusal::sentence(Kind::Bad, message).into());
    };
    let mut asked = Vec::new();
    for (resource, actions) in wanted {
        let actions = actions.as_array().map(|actions| actions.iter().map(Value::as_str).collect());
        let Some(actions): Option<Vec<&str>> = actions.and_then(|actions: Option<Vec<&str>>| actions) else {
            return Err(Refusal::validation("[body] Invalid input").into());
        };
        asked.extend(actions.into_iter().map(|action| (resource.clone(), action.to_owned())));
    }
    let current = somebody(&mut call).await?;
    let acts = current.session.impersonated_by.is_some();
    let allowed = |(resource, action): &(String, String)| {
        !acts && admin::allows(&call.app, &current.user, resource, action)
    };
    let success = !asked.is_empty() && asked.iter().all(allowed);
    Ok(call.json(&json!({ "error": null, "success": success })))
}
