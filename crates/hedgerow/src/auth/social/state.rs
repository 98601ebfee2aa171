//! What is remembered while a browser is at a provider: Better Auth's row, so that either server takes the browser back.
//!
//! Always holds: who was sent away with a state comes back with it in a signed cookie too; of several who do at once, one gets on.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::auth::sealed;
use crate::auth::sessions::{self, Current};
use crate::auth::store::verification::{self, Purpose};
use crate::error::Error;

const PURPOSE: Purpose = Purpose("auth-state:");
/// How long somebody may stay at the provider.
const LASTS: Duration = Duration::from_secs(600);
/// What the token of a session is encrypted for.
const LINK_SESSION: &str = "oauth-link-session-token";

/// What is remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) callback: String,
    pub(super) verifier: String,
    pub(super) error: Option<String>,
    pub(super) new_user: Option<String>,
    pub(super) link: Option<Link>,
    pub(super) request_sign_up: Option<bool>,
    pub(super) nonce: Option<String>,
    /// Ours, beyond Better Auth's: to whom the browser was sent.
    pub(super) provider: Option<String>,
    /// Ours too: an invitation, encrypted.
    pub(super) invitation: Option<String>,
}

/// Whose account is linked.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) user: String,
    pub(super) email: String,
    /// The session that asked, encrypted.
    pub(super) session: Option<String>,
}

impl Link {
    /// For whoever is signed in.
    pub(super) fn of(app: &App, current: &Current) -> Self {
        let secrets = app.auth().secrets().for_purpose(LINK_SESSION);
        Self {
            user: current.user.id.to_string(),
            email: current.user.email.clone(),
            session: Some(sealed::seal(app.world(), &secrets, &current.session.token)),
        }
    }

    /// The session that asked, if it still lives.
    pub(super) async fn current(&self, app: &App) -> Result<Option<Current>, Error> {
        let secrets = app.auth().secrets().for_purpose(LINK_SESSION);
        let token = self.session.as_deref().and_then(|sealed| sealed::open(&secrets, sealed).ok());
        let Some(token) = token else { return Ok(None) };
        let current = sessions::find(app, token.expose_secret()).await?;
        Ok(current.filter(|current| current.user.id.as_str() == self.user))
    }
}

impl State {
    /// Seals an invitation's token.
    pub(super) fn invited(app: &App, token: Option<&str>) -> Option<String> {
        token.map(|token| sealed::seal(app.world(), app.auth().secrets(), token))
    }

    /// The invitation's token.
    pub(super) fn invitation(&self, app: &App) -> Option<SecretString> {
        self.invitation.as_deref().and_then(|sealed| sealed::open(app.auth().secrets(), sealed).ok())
    }

    /// Remembers it under a name.
    pub(super) async fn keep(&self, app: &App, name: &str) -> Result<(), Error> {
        let end =
            app.world().now_in_millis().checked_add(SignedDuration::try_from(LASTS).unwrap_or_default());
        let text = Value::Object(self.write(name, end.unwrap_or(Timestamp::MAX))).to_string();
        // In clear: the other server looks for it so, and without the cookie it is of no use.
        verification::put(app, &format!("{}{name}", PURPOSE.0), &text, LASTS).await
    }

    fn write(&self, name: &str, end: Timestamp) -> Map<String, Value> {
        let mut object = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        };
        put("callbackURL", Some(json!(self.callback)));
        put("codeVerifier", Some(json!(self.verifier)));
        put("errorURL", self.error.as_ref().map(|text| json!(text)));
        put("newUserURL", self.new_user.as_ref().map(|text| json!(text)));
        put("link", self.link.as_ref().map(|link| {
            json!({ "userId": link.user, "email": link.email, "encryptedSessionToken": link.session })
        }));
        put("expiresAt", Some(json!(end.as_millisecond())));
        put("requestSignUp", self.request_sign_up.map(|flag| json!(flag)));
        put("idTokenNonce", self.nonce.as_ref().map(|text| json!(text)));
        put("providerId", self.provider.as_ref().map(|text| json!(text)));
        put("invitation", self.invitation.as_ref().map(|text| json!(text)));
        put("oauthState", Some(json!(name)));
        object
    }

    fn read(text: &str, name: &str) -> Option<Self> {
        let object: Value = serde_json::from_str(text).ok()?;
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        if text("oauthState").is_some_and(|own| own != name) {
            return None;
        }
        let link = match object.get("link").filter(|link| !link.is_null()) {
            None => None,
            Some(link) => {
                let text = |name: &str| link.get(name).and_then(Value::as_str).map(str::to_owned);
                Some(Link {
                    user: text("userId")?,
                    email: text("email")?,
                    session: text("encryptedSessionToken"),
                })
            }
        };
        Some(Self {
            callback: text("callbackURL")?,
            verifier: text("codeVerifier")?,
            error: text("errorURL"),
            new_user: text("newUserURL"),
            link,
            request_sign_up: object.get("requestSignUp").and_then(Value::as_bool),
            nonce: text("idTokenNonce"),
            provider: text("providerId"),
            invitation: text("invitation"),
        })
    }

    /// What is remembered under a name, which stays.
    pub(super) async fn look(app: &App, name: &str) -> Result<Option<Self>, Error> {
        let text = verification::look(app, PURPOSE, name).await?;
        Ok(text.and_then(|text| Self::read(&text, name)))
    }

    /// Takes it away; whether nobody else had.
    pub(super) async fn take(app: &App, name: &str) -> Result<bool, Error> {
        Ok(verification::take(app, PURPOSE, name).await?.is_some())
    }
}

/// Whether the cookie says this state.
pub(super) fn is_bound(cookie: Option<&str>, name: &str) -> bool {
    cookie.is_some_and(|cookie| cookie.as_bytes().ct_eq(name.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_auths_row_is_written_and_read() {
        let text = r#"{"callbackURL":"/dashboard","codeVerifier":"r5Kb","errorURL":"/err","newUserURL":"/welcome","expiresAt":1795347632680,"oauthState":"97HV"}"#;
        let state = State::read(text, "97HV").unwrap();
        assert_eq!((state.callback.as_str(), state.error.as_deref()), ("/dashboard", Some("/err")));
        let end = Timestamp::from_millisecond(1_795_347_632_680).unwrap();
        assert_eq!(Value::Object(state.write("97HV", end)).to_string(), text);
        assert!(State::read(text, "other").is_none());
        for bad in ["", "[]", "{}", "null", r#"{"callbackURL":1,"codeVerifier":"x"}"#] {
            assert!(State::read(bad, "97HV").is_none(), "{bad}");
        }
        let link = r#"{"callbackURL":"/","codeVerifier":"v","link":{"userId":"u","email":"e@x.co","encryptedSessionToken":"00"},"expiresAt":1,"oauthState":"s"}"#;
        assert_eq!(State::read(link, "s").unwrap().link.unwrap().user, "u");
        // A link that names nobody is not a sign-in.
        assert!(State::read(&link.replace("userId", "x"), "s").is_none());
    }

    #[test]
    fn a_state_counts_in_the_browser_that_was_sent_away_with_it() {
        assert!(is_bound(Some("abc"), "abc"));
        for other in [None, Some(""), Some("abd"), Some("abcd"), Some("ab")] {
            assert!(!is_bound(other, "abc"), "{other:?}");
        }
    }
}
