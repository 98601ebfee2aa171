//! Changing, checking and resetting passwords.

use hedgerow::auth::passwords;
use hedgerow::auth::refusal;
use hedgerow::auth::sessions;
use hedgerow::auth::sign_in;
use hedgerow::auth::store::session::{self, End};
use serde_json::json;

use super::answer::Answered;
use super::body::Shape;
use super::call::Call;
use super::wire;

/// `POST /change-password`
pub(super) async fn change(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let new = fields.string("newPassword").to_owned();
    let old = fields.string("currentPassword").to_owned();
    let ends_others = fields.flag("revokeOtherSessions") == Some(true);
    fields.finish()?;
    let current = call.session().await?;
    let app = call.app.clone();
    sessions::require_own(&current)?;
    passwords::check_length(&app, &new)?;
    passwords::verify(&app, &current.user.id, &old).await?;
    passwords::set(&app, &current.user.id, &new).await?;
    let mut token = None;
    if ends_others {
        session::end(&app, End::All(&current.user.id)).await?;
        let remember = call.remember();
        let (session, _) = sign_in::admit(&app, current.user.clone(), call.client(), remember).await?;
        call.give_session(&session, remember);
        token = Some(session.token);
    }
    Ok(call.json(&json!({ "token": token, "user": wire::user(&app, &current.user) })))
}

/// `POST /verify-password`
pub(super) async fn verify(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let text = fields.string("password").to_owned();
    fields.finish()?;
    let current = call.session().await?;
    passwords::verify(&call.app, &current.user.id, &text).await?;
    Ok(call.json(&json!({ "status": true })))
}

/// `POST /request-password-reset`, in 1.3 `/forget-password`: one answer for all addresses.
pub(super) async fn request_reset(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let email = fields.email("email").to_owned();
    let redirect = fields.optional("redirectTo").map(str::to_owned);
    fields.finish()?;
    passwords::request_reset(&call.app, &email, redirect)?;
    Ok(call.json(&json!({
        "status": true,
        "message": "If this email exists in our system, check your email for the reset link",
    })))
}

/// `GET /reset-password/{token}`: the link of the mail leads on to the front end.
pub(super) async fn open_reset(
    axum::extract::Path(token): axum::extract::Path<String>,
    call: Call,
) -> Answered {
    let callback = call.required_query("callbackURL")?;
    // Nobody said where to: this server has a page of its own for it.
    let callback = if callback.is_empty() { "/set-password" } else { callback };
    let target = call.target(Some(callback)).ok_or(refusal::INVALID_CALLBACK_URL)?;
    let target = if passwords::is_reset_token(&call.app, &token).await? {
        target.with("token", &token)
    } else {
        target.with("error", "INVALID_TOKEN")
    };
    Ok(call.redirect(&target.absolute()))
}

/// `POST /reset-password`
pub(super) async fn reset(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let new = fields.string("newPassword").to_owned();
    let token = fields.optional("token").map(str::to_owned);
    fields.finish()?;
    let token = token.or_else(|| call.query("token").map(str::to_owned)).ok_or(refusal::INVALID_TOKEN)?;
    passwords::reset(&call.app, &token, &new).await?;
    Ok(call.json(&json!({ "status": true })))
}
