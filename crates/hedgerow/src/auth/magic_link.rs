//! Signing in with a link of a mail.
//!
//! Always holds: a link works once, for five minutes, and a copy of the database does not show it; asking for one answers
//! the same for every address.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::App;
use crate::auth::arrivals::{self, Arrival, Arrived};
use crate::auth::email;
use crate::auth::refusal::{self, AuthError, Refusal};
use crate::auth::store::user::{self, Changes};
use crate::auth::store::verification::{self, Purpose};
use crate::error::Error;
use crate::mail::Content;
use crate::token::{self, Alphabet};

/// Links of mails that sign in; the value says whom, as Better Auth writes it.
pub const LINK: Purpose = Purpose("magic-link:");
/// How long a link lasts.
pub const LASTS: Duration = Duration::from_secs(300);

/// What somebody asks for, checked for its form.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The address; any case.
    pub email: String,
    /// What somebody new is called.
    pub name: Option<String>,
    /// Where the link leads in the end, checked.
    pub callback: Option<String>,
    /// Where it leads somebody new, checked.
    pub new_user_callback: Option<String>,
    /// Where it leads when it does not work, checked.
    pub error_callback: Option<String>,
    /// The token of an invitation.
    pub invitation: Option<String>,
}

/// Sends a link, if the address has an account or may have one; the asker does not learn whether.
///
/// # Errors
/// When too much waits already.
pub fn request(app: &App, wanted: Wanted) -> Result<(), Refusal> {
    let own = app.clone();
    app.auth().later().spawn(async move {
        if let Err(error) = send(&own, wanted).await {
            tracing::error!(%error, "a link to sign in could not be made");
        }
    })
}

async fn send(app: &App, wanted: Wanted) -> Result<(), Error> {
    let address = wanted.email.to_lowercase();
    let user = user::by_email(app, &address).await?;
    if user.is_none() && !arrivals::is_welcome(app, &address, wanted.invitation.as_deref()).await? {
        return Ok(());
    }
    let token = token::random::<32>(app.world(), Alphabet::Letters);
    let mut value = json!({ "type": "magic-link", "email": address });
    for (member, text) in [("name", wanted.name), ("invitation", wanted.invitation)] {
        if let Some(text) = text {
            value[member] = text.into();
        }
    }
    verification::keep(app, LINK, &token, &value.to_string(), LASTS).await?;
    let mut url = app.auth().endpoint("magic-link/verify");
    let callback = wanted.callback.filter(|text| !text.is_empty()).unwrap_or_else(|| "/".to_owned());
    url.query_pairs_mut().append_pair("token", &token).append_pair("callbackURL", &callback);
    for (name, place) in
        [("newUserCallbackURL", wanted.new_user_callback), ("errorCallbackURL", wanted.error_callback)]
    {
        if let Some(place) = place.filter(|text| !text.is_empty()) {
            url.query_pairs_mut().append_pair(name, &place);
        }
    }
    // A name that the asker made up greets nobody.
    let name = user.map(|user| user.name).unwrap_or_default();
    email::send_to(app, &address, &name, Content::MagicLink(email::link_of(url, LASTS)));
    Ok(())
}

/// Who comes in with a link. `extra` are columns of an account that is new.
///
/// # Errors
/// [`refusal::INVALID_TOKEN`], and those of [`arrivals::arrive`].
pub async fn open(app: &App, token: &str, extra: Result<Changes, Refusal>) -> Result<Arrived, AuthError> {
    let value = verification::take(app, LINK, token).await?.ok_or(refusal::INVALID_TOKEN)?;
    let value: Value = serde_json::from_str(&value).map_err(|_| refusal::INVALID_TOKEN)?;
    let text = |member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
    let email = text("email").filter(|_| value["type"] == "magic-link").ok_or(refusal::INVALID_TOKEN)?;
    let arrival = Arrival { email, name: text("name"), image: None, invitation: text("invitation"), extra };
    arrivals::arrive(app, arrival).await
}
