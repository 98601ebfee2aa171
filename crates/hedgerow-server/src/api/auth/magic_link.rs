//! Signing in with a link of a mail.

use hedgerow::auth::arrivals::Arrived;
use hedgerow::auth::magic_link::{self, Wanted};
use hedgerow::auth::origins::Target;
use hedgerow::auth::refusal::{self, AuthError, Kind};
use hedgerow::auth::sign_in::{self, Remember};
use serde_json::{Map, json};

use super::answer::Answered;
use super::body::Shape;
use super::call::Call;
use super::sign_in::{Moment, own_fields};
use super::wire;

/// `POST /sign-in/magic-link`: one answer for all addresses.
pub(super) async fn send(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let mut wanted = Wanted { email: fields.email("email").to_owned(), ..Wanted::default() };
    for (name, place) in [
        ("name", &mut wanted.name),
        ("callbackURL", &mut wanted.callback),
        ("newUserCallbackURL", &mut wanted.new_user_callback),
        ("errorCallbackURL", &mut wanted.error_callback),
        ("invitation", &mut wanted.invitation),
    ] {
        *place = fields.optional(name).map(str::to_owned);
    }
    fields.finish()?;
    magic_link::request(&call.app, wanted)?;
    Ok(call.json(&json!({ "status": true })))
}

/// `GET /magic-link/verify`: what the link of the mail does.
pub(super) async fn verify(mut call: Call) -> Answered {
    let token = call.required_query("token")?.to_owned();
    let place = |names: &[&str]| -> Option<Target> {
        let text = names.iter().find_map(|name| call.query(name).filter(|text| !text.is_empty()));
        call.target(Some(text.unwrap_or("/")))
    };
    let done = place(&["callbackURL"]).ok_or(refusal::INVALID_CALLBACK_URL)?;
    let new_user = place(&["newUserCallbackURL", "callbackURL"]).ok_or(refusal::INVALID_CALLBACK_URL)?;
    let failed = place(&["errorCallbackURL", "callbackURL"]).ok_or(refusal::INVALID_CALLBACK_URL)?;
    let is_for_a_program = call.query("callbackURL").is_none_or(str::is_empty);
    let app = call.app.clone();
    let extra = own_fields(app.auth(), &Map::new(), Moment::SignUp);
    let came = async {
        let arrived = magic_link::open(&app, &token, extra).await?;
        let target = if matches!(arrived, Arrived::New(_)) { new_user } else { done };
        let admitted = sign_in::admit(&app, arrived.into_user(), call.client(), Remember::Yes).await?;
        Ok((target, admitted))
    };
    let (target, (session, user)) = match came.await {
        Ok(came) => came,
        // The browser is where a person is; only what another try would mend is said to it directly.
        Err(AuthError::Refused(refused)) => {
            return match refused.code {
                Some(code) if refused.kind != Kind::Unavailable => {
                    Ok(call.redirect(&failed.with("error", code).absolute()))
                }
                _ => Err(refused.into()),
            };
        }
        Err(error) => return Err(error.into()),
    };
    call.give_session(&session, Remember::Yes);
    if is_for_a_program {
        let document = json!({
            "token": session.token,
            "user": wire::user(&app, &user),
            "session": wire::session(&app, &session),
        });
        return Ok(call.json(&document));
    }
    Ok(call.redirect(&target.absolute()))
}
