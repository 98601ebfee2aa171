//! Confirming and changing an address.

use hedgerow::auth::email::{self, Verified};
use hedgerow::auth::refusal::{self, AuthError};
use serde_json::json;

use super::answer::Answered;
use super::body::Shape;
use super::call::Call;
use super::wire;

/// `POST /send-verification-email`: one answer for all addresses, unless somebody asks for their own.
pub(super) async fn send_verification(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let address = fields.email("email").to_owned();
    let callback = fields.optional("callbackURL").map(str::to_owned);
    fields.finish()?;
    match call.find_session().await? {
        None => email::request_verification(&call.app, &address, callback)?,
        Some(current) if current.user.email != address.to_lowercase() => {
            return Err(refusal::EMAIL_MISMATCH.into());
        }
        Some(current) if current.user.email_verified => return Err(refusal::EMAIL_ALREADY_VERIFIED.into()),
        Some(current) => email::send_verification(&call.app, &current.user, callback)?,
    }
    Ok(call.json(&json!({ "status": true })))
}

/// `GET /verify-email`: what a link of a mail does.
pub(super) async fn verify(mut call: Call) -> Answered {
    let token = call.required_query("token")?.to_owned();
    let callback = call.query("callbackURL").filter(|text| !text.is_empty()).map(str::to_owned);
    let target = call.target(callback.as_deref());
    let app = call.app.clone();
    let verified = match email::verify(&app, &token, callback.as_deref()).await {
        Err(AuthError::Refused(refused)) => {
            return match (target, refused.code) {
                (Some(target), Some(code)) => Ok(call.redirect(&target.with("error", code).text())),
                _ => Err(refused.into()),
            };
        }
        outcome => outcome?,
    };
    let mut user = None;
    if let Verified::Changed(changed) = verified {
        // The browser that is signed in as this user goes on with the new address.
        if let Some(current) = call.find_session().await?
            && current.user.id == changed.id
        {
            let remember = call.remember();
            call.give_session(&current.session, remember);
        }
        user = Some(wire::user(&app, &changed));
    }
    match target {
        Some(target) => Ok(call.redirect(&target.text())),
        None => Ok(call.json(&json!({ "status": true, "user": user }))),
    }
}

/// `POST /change-email`
pub(super) async fn change(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let new = fields.email("newEmail").to_owned();
    let callback = fields.optional("callbackURL").map(str::to_owned);
    fields.finish()?;
    let current = call.session().await?;
    email::change(&call.app, &current, &new, callback).await?;
    Ok(call.json(&json!({ "status": true })))
}
