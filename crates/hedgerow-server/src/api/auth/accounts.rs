//! The user's own data and ways of signing in, and the end of the account.

use hedgerow::auth::accounts::{self, Deletion, Proof, Which};
use hedgerow::auth::refusal::{self, Refusal};
use hedgerow::auth::sign_up;
use hedgerow::auth::store::account;
use hedgerow::auth::store::user::{self, Clash};
use serde_json::json;

use super::answer::Answered;
use super::body::Shape;
use super::call::Call;
use super::sign_in::{Moment, own_fields};
use super::{username, wire};

/// `POST /update-user`
pub(super) async fn update_user(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Record);
    let name = fields.optional("name").map(str::to_owned);
    let image = fields.nullable("image").map(|image| image.map(str::to_owned));
    let object = fields.object().cloned().unwrap_or_default();
    fields.finish()?;
    let current = call.session().await?;
    if object.contains_key("email") {
        return Err(refusal::EMAIL_CAN_NOT_BE_UPDATED.into());
    }
    let changes = own_fields(call.app.auth(), &object, Moment::Update)?;
    let mut changes = username::add(&call.app, changes, &object, Some(&current.user.id)).await?;
    if let Some(name) = name {
        changes = changes.text("name", Some(name));
    }
    if let Some(image) = image {
        changes = changes.text("image", image);
    }
    if changes.is_empty() {
        return Err(refusal::NO_FIELDS_TO_UPDATE.into());
    }
    match user::update(&call.app, &current.user.id, changes, None).await {
        Ok(_) => {}
        Err(Clash::Other | Clash::Email) => return Err(sign_up::USERNAME_IS_ALREADY_TAKEN.into()),
        Err(Clash::Failed(error)) => return Err(error.into()),
    }
    let remember = call.remember();
    call.give_session(&current.session, remember);
    Ok(call.json(&json!({ "status": true })))
}

/// `GET /list-accounts`
pub(super) async fn list(mut call: Call) -> Answered {
    let current = call.session().await?;
    let all = account::list(&call.app, &current.user.id).await?;
    Ok(call.json(&all.iter().map(wire::account).collect()))
}

/// Which account a body means: `accountId` is the row, or beside `providerId` who the user is there (1.3 to 1.6).
pub(super) fn which(call: &Call) -> Result<Which, Refusal> {
    let mut fields = call.fields(Shape::Object);
    let provider = fields.optional("providerId").map(str::to_owned);
    let meant = match provider {
        Some(provider) => Which::Provider(provider, fields.optional("accountId").map(str::to_owned)),
        None => Which::Row(fields.string("accountId").to_owned()),
    };
    fields.finish()?;
    Ok(meant)
}

/// `POST /unlink-account`
pub(super) async fn unlink(mut call: Call) -> Answered {
    let meant = which(&call)?;
    let current = call.session().await?;
    accounts::unlink(&call.app, &current, &meant).await?;
    Ok(call.json(&json!({ "status": true })))
}

/// `POST /delete-user`
pub(super) async fn delete_user(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Optional);
    let password = fields.optional("password").map(str::to_owned);
    let token = fields.optional("token").map(str::to_owned);
    let callback = fields.optional("callbackURL").map(str::to_owned);
    fields.finish()?;
    let current = call.session().await?;
    let proof = match (password, token) {
        (Some(password), _) => Proof::Password(password),
        (None, Some(token)) => Proof::Token(token),
        (None, None) => Proof::Session,
    };
    let message = match accounts::delete(&call.app, &current, proof, callback.as_deref()).await? {
        Deletion::Mailed => "Verification email sent",
        Deletion::Done => {
            call.take_session();
            "User deleted"
        }
    };
    Ok(call.json(&json!({ "success": true, "message": message })))
}

/// `GET /delete-user/callback`: what the link of the mail does, for the browser that is signed in.
pub(super) async fn delete_user_callback(mut call: Call) -> Answered {
    let token = call.required_query("token")?.to_owned();
    let callback = call.query("callbackURL").filter(|text| !text.is_empty()).map(str::to_owned);
    let Some(current) = call.find_session().await? else {
        return Err(refusal::FAILED_TO_GET_USER_INFO.into());
    };
    let target = call.target(callback.as_deref());
    accounts::delete(&call.app, &current, Proof::Token(token), None).await?;
    call.take_session();
    match target {
        Some(target) => Ok(call.redirect(&target.text())),
        None => Ok(call.json(&json!({ "success": true, "message": "User deleted" }))),
    }
}
