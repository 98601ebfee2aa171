//! Making an account, signing in with a password, signing out.

use axum::response::Response;
use hedgerow::auth::refusal::{self, Refusal};
use hedgerow::auth::settings::{UserField, UserFieldKind};
use hedgerow::auth::sign_in::{self, Remember};
use hedgerow::auth::sign_up::{self, SignUp, SignedUp};
use hedgerow::auth::store::session::{self, End};
use hedgerow::auth::store::user::Changes;
use hedgerow::auth::{Auth, password};
use hedgerow::users::User;
use serde_json::{Map, Value, json};

use super::answer::{Answered, Refused};
use super::body::{Shape, is_email};
use super::call::Call;
use super::two_factor::{self, Gate};
use super::{username, wire};

/// `POST /sign-up/email`
pub(super) async fn sign_up(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::ObjectAndRecord);
    let mut new = SignUp {
        name: fields.string("name").to_owned(),
        email: fields.email("email").to_owned(),
        password: fields.filled("password").to_owned(),
        image: fields.optional("image").map(str::to_owned),
        callback: fields.optional("callbackURL").map(str::to_owned),
        invitation: fields.optional("invitation").map(str::to_owned),
        extra: Changes::new(),
    };
    let remember = Remember::of(fields.flag("rememberMe"));
    let object = fields.object().cloned().unwrap_or_default();
    fields.finish()?;
    new.extra = own_fields(call.app.auth(), &object, Moment::SignUp)?;
    new.extra = username::add(&call.app, new.extra, &object, None).await?;
    match sign_up::sign_up(&call.app, new).await? {
        SignedUp::New(user) => {
            let app = call.app.clone();
            let (session, user) = sign_in::admit(&app, user, call.client(), remember).await?;
            call.give_session(&session, remember);
            Ok(call.json(&json!({ "token": session.token, "user": wire::user(&app, &user) })))
        }
        SignedUp::Unconfirmed(user) => {
            let document = json!({ "token": null, "user": wire::user(&call.app, &user) });
            Ok(call.json(&document))
        }
    }
}

/// When fields are set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// An account is made: defaults count, and what is required must be there.
    SignUp,
    /// It is changed: what is not said stays.
    Update,
}

/// Columns that only the program sets.
const NOT_INPUT: [&str; 5] = ["role", "banned", "banReason", "banExpires", "twoFactorEnabled"];

/// The fields of the application that a body sets; what only the program sets is refused.
pub(super) fn own_fields(
    auth: &Auth,
    object: &Map<String, Value>,
    moment: Moment,
) -> Result<Changes, Refusal> {
    if let Some(name) = NOT_INPUT.into_iter().find(|name| object.contains_key(*name)) {
        return Err(Refusal::field_not_allowed(name));
    }
    let mut changes = Changes::new();
    for field in &auth.settings().fields {
        let name = field.name.as_str();
        let value = match object.get(name) {
            Some(_) if !field.input => return Err(Refusal::field_not_allowed(name)),
            Some(value) => value.clone(),
            None if moment == Moment::Update => continue,
            None => match (&field.default, field.required) {
                (Some(value), _) => value.clone(),
                (None, false) => continue,
                (None, true) => return Err(Refusal::validation(format!("[body.{name}] {name} is required"))),
            },
        };
        check_field(field, &value, "body")?;
        changes = changes.field(&field.name, &value);
    }
    Ok(changes)
}

/// Insists on a value that a field of the application can have; `within` is where it was sent.
pub(super) fn check_field(field: &UserField, value: &Value, within: &str) -> Result<(), Refusal> {
    let fits = match (value, field.kind) {
        (Value::Null, _) => !field.required,
        (Value::String(text), UserFieldKind::Text) => !text.contains('\0') && text.len() <= 65_536,
        (Value::Number(_), UserFieldKind::Number) | (Value::Bool(_), UserFieldKind::Boolean) => true,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let kind = match field.kind {
        UserFieldKind::Text => "string",
        UserFieldKind::Number => "number",
        UserFieldKind::Boolean => "boolean",
    };
    Err(Refusal::validation(format!("[{within}.{}] Invalid input: expected {kind}", field.name)))
}

/// `POST /sign-in/email`
pub(super) async fn sign_in(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let email = fields.string("email").to_owned();
    let text = fields.string("password").to_owned();
    let callback = fields.optional("callbackURL").map(str::to_owned);
    let remember = Remember::of(fields.flag("rememberMe"));
    fields.finish()?;
    if !is_email(&email) {
        return Err(refusal::INVALID_EMAIL.into());
    }
    if password::length(&text) > call.app.auth().settings().password_max {
        return Err(refusal::PASSWORD_TOO_LONG.into());
    }
    let user = sign_in::by_password(&call.app, &email, &text).await?;
    proved(call, user, remember, callback).await
}

/// The answer to somebody who proved with a password who they are: a session, unless there is a second factor.
pub(super) async fn proved(
    mut call: Call,
    user: User,
    remember: Remember,
    callback: Option<String>,
) -> Answered {
    let app = call.app.clone();
    let user = sign_in::not_banned(&app, user).await?;
    let device = match two_factor::gate(&mut call, &user, remember).await? {
        Gate::Closed(document) => return Ok(call.json(&document)),
        Gate::Open(device) => device,
    };
    let (session, user) = sign_in::admit(&app, user, call.client(), remember).await?;
    call.give_session(&session, remember);
    if let Some(device) = device {
        two_factor::trust(&mut call, &device);
    }
    let mut document = json!({ "redirect": callback.is_some(), "token": session.token });
    if let Some(target) = call.target(callback.as_deref()) {
        call.set_header("location", &target.text());
        document["url"] = json!(callback);
    }
    document["user"] = wire::user(&app, &user);
    Ok(call.json(&document))
}

/// `POST /sign-out`
pub(super) async fn sign_out(mut call: Call) -> Result<Response, Refused> {
    if let Some(token) = call.token()
        && let Some((session, _)) = session::find(&call.app, &token).await?
    {
        session::end(&call.app, End::Id(&session.id)).await?;
    }
    call.take_session();
    Ok(call.json(&json!({ "success": true })))
}
