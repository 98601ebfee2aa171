//! The second factor: setting it up, asking for it at sign-in, and proving it.
//!
//! Always holds: while it is asked for, an answer has no session and no token, in no header; whoever acts as somebody else
//! does nothing here.

use axum::response::IntoResponse;
use hedgerow::auth::refusal::AuthError;
use hedgerow::auth::sessions::{self, Current};
use hedgerow::auth::sign_in::{self, Remember};
use hedgerow::auth::store::session::{self, End, Session};
use hedgerow::auth::two_factor::challenge::{self, Challenge, Method};
use hedgerow::auth::two_factor::{self, Asked, Proved, trust as devices};
use hedgerow::users::User;
use serde_json::{Value, json};

use super::answer::{Answered, Refused};
use super::body::Shape;
use super::call::Call;
use super::cookies::{DONT_REMEMBER, Keep, SESSION, SESSION_DATA, TRUST_DEVICE, TWO_FACTOR};
use super::wire;

/// What stands between a right password and a session.
pub(super) enum Gate {
    /// Nothing; where the browser was trusted, what its cookie says from now on.
    Open(Option<String>),
    /// The second factor, and the answer that asks for it.
    Closed(Value),
}

/// Asks for the second factor, where there is one and the browser is not trusted.
pub(super) async fn gate(call: &mut Call, user: &User, remember: Remember) -> Result<Gate, Refused> {
    let app = call.app.clone();
    if !two_factor::is_on(&app, user) {
        return Ok(Gate::Open(None));
    }
    if let Some(cookie) = call.cookie(TRUST_DEVICE) {
        if devices::take(&app, user, &cookie).await? {
            return Ok(Gate::Open(Some(devices::give(&app, user).await?)));
        }
        call.set_cookie(TRUST_DEVICE, "", Keep::Not);
    }
    let (identifier, methods) = challenge::begin(&app, user).await?;
    // The session that comes in the end is to be as this sign-in asks for.
    match remember {
        Remember::No => call.set_cookie(DONT_REMEMBER, "true", Keep::UntilClosed),
        Remember::Yes if call.cookie(DONT_REMEMBER).is_some() => {
            call.set_cookie(DONT_REMEMBER, "", Keep::Not);
        }
        Remember::Yes => {}
    }
    call.set_cookie(SESSION, "", Keep::Not);
    call.set_cookie(SESSION_DATA, "", Keep::Not);
    call.set_cookie(TWO_FACTOR, &identifier, Keep::Seconds(challenge::LASTS.as_secs()));
    let methods: Vec<&str> = methods.into_iter().map(Method::name).collect();
    Ok(Gate::Closed(json!({ "twoFactorRedirect": true, "twoFactorMethods": methods })))
}

/// The browser needs no second factor for a while.
pub(super) fn trust(call: &mut Call, device: &str) {
    call.set_cookie(TRUST_DEVICE, device, Keep::Seconds(devices::LASTS.as_secs()));
}

/// The password of a body that has nothing else.
fn password_of(call: &Call) -> Result<String, Refused> {
    let mut fields = call.fields(Shape::Object);
    let password = fields.string("password").to_owned();
    fields.finish()?;
    Ok(password)
}

/// `POST /two-factor/enable`
pub(super) async fn enable(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let password = fields.string("password").to_owned();
    let method = fields.one_of("method", &["totp", "otp"]);
    let issuer = fields.optional("issuer").map(str::to_owned).filter(|issuer| !issuer.is_empty());
    fields.finish()?;
    let current = call.session().await?;
    let app = call.app.clone();
    if method == "otp" {
        two_factor::switch_on(&app, &current, &password).await?;
        renew(&mut call, &current).await?;
        return Ok(call.json(&json!({ "method": "otp" })));
    }
    let set_up = two_factor::set_up(&app, &current, &password, issuer.as_deref()).await?;
    Ok(call.json(&json!({
        "method": "totp",
        "totpURI": set_up.uri,
        "backupCodes": set_up.backup_codes,
    })))
}

/// `POST /two-factor/disable`
pub(super) async fn disable(mut call: Call) -> Answered {
    let password = password_of(&call)?;
    let current = call.session().await?;
    two_factor::switch_off(&call.app, &current, &password).await?;
    renew(&mut call, &current).await?;
    if call.cookie(TRUST_DEVICE).is_some() {
        call.set_cookie(TRUST_DEVICE, "", Keep::Not);
    }
    Ok(call.json(&json!({ "status": true })))
}

/// `POST /two-factor/get-totp-uri`
pub(super) async fn uri(mut call: Call) -> Answered {
    let password = password_of(&call)?;
    let current = call.session().await?;
    let uri = two_factor::uri(&call.app, &current, &password).await?;
    Ok(call.json(&json!({ "totpURI": uri })))
}

/// `POST /two-factor/generate-backup-codes`
pub(super) async fn new_backup_codes(mut call: Call) -> Answered {
    let password = password_of(&call)?;
    let current = call.session().await?;
    let codes = two_factor::new_backup_codes(&call.app, &current, &password).await?;
    Ok(call.json(&json!({ "status": true, "backupCodes": codes })))
}

/// `POST /two-factor/send-otp`
pub(super) async fn send_code(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Optional);
    fields.flag("trustDevice");
    fields.finish()?;
    let asked = asked(&mut call).await?;
    two_factor::send_code(&call.app, &asked).await?;
    Ok(call.json(&json!({ "status": true })))
}

/// What a body with a code says.
struct Shown {
    code: String,
    device: Device,
    session: Wish,
}

/// Whether the browser is to be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Device {
    Trusted,
    Untrusted,
}

/// Whether a session is wanted at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Session,
    Nothing,
}

fn shown(call: &Call) -> Result<Shown, Refused> {
    let mut fields = call.fields(Shape::Object);
    let code = fields.string("code").to_owned();
    let trusts = fields.flag("trustDevice") == Some(true);
    fields.finish()?;
    let device = if trusts { Device::Trusted } else { Device::Untrusted };
    Ok(Shown { code, device, session: Wish::Session })
}

/// `POST /two-factor/verify-totp`
pub(super) async fn verify_totp(mut call: Call) -> Answered {
    let shown = shown(&call)?;
    let asked = asked(&mut call).await?;
    let proved = two_factor::verify_totp(&call.app, &asked, &shown.code).await;
    answer(call, asked, proved, &shown).await
}

/// `POST /two-factor/verify-otp`
pub(super) async fn verify_code(mut call: Call) -> Answered {
    let shown = shown(&call)?;
    let asked = asked(&mut call).await?;
    let proved = two_factor::verify_code(&call.app, &asked, &shown.code).await;
    answer(call, asked, proved, &shown).await
}

/// `POST /two-factor/verify-backup-code`
pub(super) async fn verify_backup_code(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    fields.string("code");
    let wants_none = fields.flag("disableSession") == Some(true);
    fields.flag("trustDevice");
    fields.finish()?;
    let session = if wants_none { Wish::Nothing } else { Wish::Session };
    let shown = Shown { session, ..shown(&call)? };
    let asked = asked(&mut call).await?;
    let proved = two_factor::verify_backup_code(&call.app, &asked, &shown.code).await;
    answer(call, asked, proved, &shown).await
}

/// Who is asked: whoever is signed in, else whose sign-in waits.
async fn asked(call: &mut Call) -> Result<Asked, Refused> {
    if let Some(current) = call.find_session().await? {
        sessions::require_own(&current)?;
        return Ok(Asked::SignedIn(Box::new(current)));
    }
    let identifier = call.cookie(TWO_FACTOR).ok_or(two_factor::INVALID_TWO_FACTOR_COOKIE)?;
    Ok(Asked::Challenged(Box::new(challenge::find(&call.app, &identifier).await?)))
}

/// The answer to a code.
async fn answer(mut call: Call, asked: Asked, proved: Result<Proved, AuthError>, shown: &Shown) -> Answered {
    let app = call.app.clone();
    let proved = match proved {
        // The challenge is over.
        Err(AuthError::Refused(refused))
            if matches!(asked, Asked::Challenged(_))
                && refused == two_factor::TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE =>
        {
            return Ok(forget_challenge(call, refused.into()));
        }
        outcome => outcome?,
    };
    let (token, user) = match asked {
        Asked::SignedIn(current) if proved == Proved::SwitchedOn => {
            let session = renew(&mut call, &current).await?;
            (Some(session.token), current.user)
        }
        Asked::SignedIn(current) => (Some(current.session.token), current.user),
        Asked::Challenged(challenge) if shown.session == Wish::Nothing => (None, challenge.user),
        Asked::Challenged(challenge) => match admit(&mut call, *challenge, shown.device).await {
            Ok((session, user)) => (Some(session.token), user),
            Err(AuthError::Refused(refused)) if refused == two_factor::INVALID_TWO_FACTOR_COOKIE => {
                return Ok(forget_challenge(call, refused.into()));
            }
            Err(error) => return Err(error.into()),
        },
    };
    let mut document = json!({});
    if let Some(token) = token {
        document["token"] = token.into();
    }
    document["user"] = wire::user(&app, &user);
    Ok(call.json(&document))
}

/// A refusal that also takes the challenge's cookie away.
fn forget_challenge(mut call: Call, refused: Refused) -> axum::response::Response {
    call.set_cookie(TWO_FACTOR, "", Keep::Not);
    call.finish(refused.into_response())
}

/// Both factors are proved: the session that the sign-in asked for.
async fn admit(call: &mut Call, challenge: Challenge, device: Device) -> Result<(Session, User), AuthError> {
    let app = call.app.clone();
    challenge::meet(&app, &challenge).await?;
    let remember = call.remember();
    let (session, user) = sign_in::admit(&app, challenge.user, call.client(), remember).await?;
    call.give_session(&session, remember);
    call.set_cookie(TWO_FACTOR, "", Keep::Not);
    if device == Device::Trusted {
        let device = devices::give(&app, &user).await?;
        trust(call, &device);
        // A session that is not to be remembered stays so; trusting the browser is another thing.
        if remember == Remember::Yes {
            call.set_cookie(DONT_REMEMBER, "", Keep::Not);
        }
    }
    Ok((session, user))
}

/// Another session in place of the one that asks, since it may do more or less from now on.
async fn renew(call: &mut Call, current: &Current) -> Result<Session, Refused> {
    let (app, remember) = (call.app.clone(), call.remember());
    let (session, _) = sign_in::admit(&app, current.user.clone(), call.client(), remember).await?;
    call.give_session(&session, remember);
    session::end(&app, End::Id(&current.session.id)).await?;
    Ok(session)
}
