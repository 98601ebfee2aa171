//! Signing in by user name, and names in the bodies of other endpoints.

use hedgerow::App;
use hedgerow::auth::password;
use hedgerow::auth::refusal::{self, Kind, Refusal};
use hedgerow::auth::sign_in::Remember;
use hedgerow::auth::store::user::Changes;
use hedgerow::auth::username::{self, Wanted};
use hedgerow::database::UserId;
use serde_json::{Map, Value, json};

use super::answer::{Answered, Refused};
use super::body::{Fields, Shape};
use super::call::Call;
use super::sign_in::proved;

/// `POST /sign-in/username`
pub(super) async fn sign_in(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let name = fields.string("username").to_owned();
    let text = fields.string("password").to_owned();
    let remember = Remember::of(fields.flag("rememberMe"));
    let callback = fields.optional("callbackURL").map(str::to_owned);
    fields.finish()?;
    if name.is_empty() || text.is_empty() {
        return Err(refusal::INVALID_USERNAME_OR_PASSWORD.into());
    }
    let name = username::normal(&name).map_err(unprocessable)?;
    if password::length(&text) > call.app.auth().settings().password_max {
        return Err(refusal::PASSWORD_TOO_LONG.into());
    }
    let user = username::by_password(&call.app, &name, &text).await?;
    proved(call, user, remember, callback).await
}

/// `POST /is-username-available`
pub(super) async fn is_available(call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let name = fields.string("username").to_owned();
    fields.finish()?;
    if name.is_empty() {
        return Err(unprocessable(username::INVALID_USERNAME).into());
    }
    let name = username::normal(&name).map_err(unprocessable)?;
    let is_free = username::is_free(&call.app, &name, None).await?;
    Ok(call.json(&json!({ "available": is_free })))
}

/// Bad names are 400 where an account is made or changed, and 422 where one is only looked up.
fn unprocessable(refused: Refusal) -> Refusal {
    Refusal { kind: Kind::Unprocessable, ..refused }
}

/// The names of a body, beside the other values of a user: of `owner`, or of a new one.
pub(super) async fn add(
    app: &App,
    changes: Changes,
    object: &Map<String, Value>,
    owner: Option<&UserId>,
) -> Result<Changes, Refused> {
    let body = Value::Object(object.clone());
    let mut fields = Fields::of(Some(&body), Shape::Record);
    let mut name = |name: &str| fields.nullable(name).map(|text| text.map(str::to_owned));
    let wanted = Wanted { username: name("username"), display: name("displayUsername") };
    if app.auth().has(hedgerow::auth::settings::Plugin::Username) {
        fields.finish()?;
    }
    Ok(username::add(app, changes, wanted, owner).await?)
}
