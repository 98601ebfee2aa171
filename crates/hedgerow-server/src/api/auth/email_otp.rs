//! Codes by mail.

use hedgerow::auth::arrivals::Arrival;
use hedgerow::auth::email_otp::{self, Purpose};
use hedgerow::auth::refusal::{self, Kind, Refusal};
use hedgerow::auth::sign_in::{self, Remember};
use serde_json::json;

use super::answer::Answered;
use super::body::{Fields, Shape, is_email};
use super::call::Call;
use super::sign_in::{Moment, own_fields};
use super::wire;

/// Codes for another address are asked for elsewhere, by whoever is signed in.
const INVALID_TYPE: Refusal = Refusal::sentence(Kind::Bad, "Invalid OTP type");

/// The purpose that a body names.
fn purpose(fields: &mut Fields<'_>) -> Option<Purpose> {
    let name = fields.object().and_then(|object| object.get("type")).and_then(|name| name.as_str());
    let purpose = name.and_then(Purpose::named);
    if purpose.is_none() && fields.object().is_some() {
        let names = Purpose::ALL.map(|purpose| format!("{:?}", purpose.name())).join("|");
        fields.note("type", &format!("Invalid option: expected one of {names}"));
    }
    purpose
}

fn check_address(address: &str) -> Result<(), Refusal> {
    if is_email(address) { Ok(()) } else { Err(refusal::INVALID_EMAIL) }
}

/// `POST /email-otp/send-verification-otp`: one answer for all addresses.
pub(super) async fn send(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let address = fields.string("email").to_owned();
    let purpose = purpose(&mut fields);
    let invitation = fields.optional("invitation").map(str::to_owned);
    fields.finish()?;
    check_address(&address)?;
    let purpose = purpose.filter(|purpose| *purpose != Purpose::ChangeEmail).ok_or(INVALID_TYPE)?;
    email_otp::request(&call.app, purpose, &address, invitation)?;
    Ok(call.json(&json!({ "success": true })))
}

/// `POST /email-otp/check-verification-otp`: a code that is right may be used afterwards.
pub(super) async fn check(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let address = fields.string("email").to_owned();
    let purpose = purpose(&mut fields);
    let code = fields.string("otp").to_owned();
    fields.finish()?;
    check_address(&address)?;
    email_otp::check(&call.app, purpose.ok_or(INVALID_TYPE)?, &address, &code).await?;
    Ok(call.json(&json!({ "success": true })))
}

/// `POST /email-otp/verify-email`
pub(super) async fn verify_email(call: Call) -> Answered {
    let (address, code) = address_and_code(&call)?;
    check_address(&address)?;
    let user = email_otp::verify_email(&call.app, &address, &code).await?;
    let document = json!({ "status": true, "token": null, "user": wire::user(&call.app, &user) });
    Ok(call.json(&document))
}

fn address_and_code(call: &Call) -> Result<(String, String), Refusal> {
    let mut fields = call.fields(Shape::Object);
    let found = (fields.string("email").to_owned(), fields.string("otp").to_owned());
    fields.finish()?;
    Ok(found)
}

/// `POST /sign-in/email-otp`
pub(super) async fn sign_in(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::ObjectAndRecord);
    let email = fields.string("email").to_owned();
    let code = fields.string("otp").to_owned();
    let name = fields.optional("name").map(str::to_owned);
    let image = fields.optional("image").map(str::to_owned);
    let invitation = fields.optional("invitation").map(str::to_owned);
    let object = fields.object().cloned().unwrap_or_default();
    fields.finish()?;
    let app = call.app.clone();
    let extra = own_fields(app.auth(), &object, Moment::SignUp);
    let arrival = Arrival { email, name, image, invitation, extra };
    let user = email_otp::sign_in(&app, arrival, &code).await?.into_user();
    let (session, user) = sign_in::admit(&app, user, call.client(), Remember::Yes).await?;
    call.give_session(&session, Remember::Yes);
    Ok(call.json(&json!({ "token": session.token, "user": wire::user(&app, &user) })))
}

/// `POST /email-otp/request-password-reset`, before 1.5 `/forget-password/email-otp`: one answer for all addresses.
pub(super) async fn request_reset(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let address = fields.string("email").to_owned();
    fields.finish()?;
    check_address(&address)?;
    email_otp::request(&call.app, Purpose::ResetPassword, &address, None)?;
    Ok(call.json(&json!({ "success": true })))
}

/// `POST /email-otp/reset-password`
pub(super) async fn reset_password(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let address = fields.string("email").to_owned();
    let code = fields.string("otp").to_owned();
    let new = fields.string("password").to_owned();
    fields.finish()?;
    check_address(&address)?;
    email_otp::reset_password(&call.app, &address, &code, &new).await?;
    Ok(call.json(&json!({ "success": true })))
}

/// `POST /email-otp/request-email-change`
pub(super) async fn request_change(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let new = fields.string("newEmail").to_owned();
    let code = fields.optional("otp").map(str::to_owned);
    fields.finish()?;
    let current = call.session().await?;
    check_address(&new)?;
    email_otp::request_change(&call.app, &current, &new, code.as_deref()).await?;
    Ok(call.json(&json!({ "success": true })))
}

/// `POST /email-otp/change-email`
pub(super) async fn change(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let new = fields.string("newEmail").to_owned();
    let code = fields.string("otp").to_owned();
    fields.finish()?;
    let current = call.session().await?;
    check_address(&new)?;
    email_otp::change(&call.app, &current, &new, &code).await?;
    let remember = call.remember();
    call.give_session(&current.session, remember);
    Ok(call.json(&json!({ "success": true })))
}
