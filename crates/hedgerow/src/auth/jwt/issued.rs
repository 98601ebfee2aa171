//! The tokens that this server gives to those who are signed in, for other services and for its own data API.
//!
//! Always holds: nothing of a key or a user is remembered between requests, so a key that was deleted, a session that was
//! ended and a user who was banned open nothing from that moment on, on any instance; what a user may do is what the
//! database says now, not what the token said then.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::ed25519::SigningKey;
use super::jwks::{Algorithm, verify_with_jwks};
use super::{Claims, Parts, TokenError, object};
use crate::app::App;
use crate::auth::sessions::Current;
use crate::auth::store::jwks::{self, Key, Witness};
use crate::context::SignedIn;
use crate::error::Error;

/// How long a token is good.
pub const LASTS: Duration = Duration::from_secs(900);

/// A token for whoever a session is of. `user` is the user as clients read them.
///
/// # Errors
/// When the database cannot be asked.
pub async fn issue(app: &App, current: &Current, user: Map<String, Value>) -> Result<String, Error> {
    let (kid, key) = signing_key(app).await?;
    let now = app.world().now().as_second();
    let lasts = i64::try_from(LASTS.as_secs()).unwrap_or_default();
    let own = origin(app);
    let mut claims = Claims::new();
    claims.insert("iat".to_owned(), now.into());
    claims.extend(user);
    for (name, value) in [
        // A field of the application's own says neither who somebody is nor for how long.
        ("iat", json!(now)),
        ("sub", json!(current.user.id.as_str())),
        ("exp", json!(now.saturating_add(lasts))),
        ("iss", json!(own)),
        ("aud", json!(own)),
        ("sid", json!(current.session.id)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    Ok(key.sign(&kid, &claims))
}

/// The public keys, `{"keys":[…]}`: those that sign, and those whose tokens are still believed.
///
/// # Errors
/// When the database cannot be asked.
pub async fn published(app: &App) -> Result<Value, Error> {
    let mut keys = jwks::list(app).await?;
    if keys.is_empty() {
        signing_key(app).await?;
        keys = jwks::list(app).await?;
    }
    let now = app.world().now();
    let keys: Vec<Value> = keys.iter().filter(|key| key.is_believed(now)).filter_map(public).collect();
    Ok(json!({ "keys": keys }))
}

/// Who a token speaks for, and the session that it hangs on.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// Who, with everything that the user may do now.
    pub user: SignedIn,
    witness: Witness,
}

impl Spoken {
    /// Whether a session cookie with this token is of the same session.
    pub fn is_of(&self, token: &str) -> bool {
        self.witness.is_of(token)
    }
}

/// Who a token speaks for.
///
/// # Errors
/// [`Error::InvalidCredential`] for what is no token of ours, is over, or speaks for somebody who may not come in.
pub async fn authenticate(app: &App, token: &str) -> Result<Spoken, Error> {
    let invalid = |_: TokenError| Error::InvalidCredential;
    let named = Named::by(token).map_err(invalid)?;
    let witness = jwks::witness(app, &named.kid, &named.user, named.session.as_deref()).await?;
    let witness = witness.ok_or(Error::InvalidCredential)?;
    let now = app.world().now();
    let key =
        public(&witness.key).filter(|_| witness.key.is_believed(now)).ok_or(Error::InvalidCredential)?;
    let set = json!({ "keys": [key] }).to_string();
    let claims = verify_with_jwks(token, &set, &[Algorithm::EdDsa], now).map_err(invalid)?;
    let own = origin(app);
    let is_ours = claims.get("iss").and_then(Value::as_str) == Some(&own)
        && claims.get("aud").and_then(Value::as_str) == Some(&own);
    let is_over = named.session.is_some() && witness.session.is_none();
    if !is_ours || is_over || witness.user.is_shut_out(now) {
        return Err(Error::InvalidCredential);
    }
    let user =
        SignedIn { id: witness.user.id.clone(), is_admin: witness.user.is_admin(), scopes: None, key: None };
    Ok(Spoken { user, witness })
}

/// What a token names, right or not.
struct Named {
    kid: String,
    user: String,
    session: Option<String>,
}

impl Named {
    fn by(token: &str) -> Result<Self, TokenError> {
        let parts = Parts::of(token)?;
        let (header, claims) = (object(parts.header)?, object(parts.claims)?);
        let text = |object: &Claims, name: &str| match object.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(TokenError::Invalid),
        };
        Ok(Self {
            kid: text(&header, "kid")?.ok_or(TokenError::Invalid)?,
            user: text(&claims, "sub")?.ok_or(TokenError::Invalid)?,
            // A Node server beside this one does not name it.
            session: text(&claims, "sid")?,
        })
    }
}

/// Who issues tokens, and who they are for.
fn origin(app: &App) -> String {
    app.auth().base_url().origin().ascii_serialization()
}

/// A key as others see it; nothing for a row that holds none.
fn public(key: &Key) -> Option<Value> {
    let Ok(Value::Object(own)) = serde_json::from_str(&key.public) else { return None };
    let mut jwk = Map::new();
    jwk.insert("alg".to_owned(), json!(key.alg.as_deref().unwrap_or(Algorithm::EdDsa.name())));
    if let Some(curve) = &key.crv {
        jwk.insert("crv".to_owned(), json!(curve));
    }
    // A row that was filled by hand does not publish the other half.
    jwk.extend(own.into_iter().filter(|(name, _)| name != "d"));
    jwk.insert("kid".to_owned(), json!(key.id));
    Some(Value::Object(jwk))
}

/// The key that signs now: the newest that can be read. Where there is none, one is made.
async fn signing_key(app: &App) -> Result<(String, SigningKey), Error> {
    let rotation = app.auth().settings().jwt_rotation;
    let now = app.world().now();
    let since = rotation.and_then(|rotation| SignedDuration::try_from(rotation).ok());
    let since = since.and_then(|since| now.checked_sub(since).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let secrets = app.auth().secrets();
    let open = |key: &Key| SigningKey::open(secrets, &key.private);
    let newest = |keys: Vec<Key>| keys.into_iter().find_map(|key| Some((open(&key).ok()?, key.id)));
    let keys = jwks::signing(app, since).await?;
    let failed = keys.first().and_then(|key| open(key).err());
    if let Some((key, id)) = newest(keys) {
        return Ok((id, key));
    }
    if let Some(error) = failed {
        tracing::warn!(%error, "no key of `jwks` can be read, so tokens are signed with a new one");
    }
    let made = SigningKey::generate(app.world());
    let private = made.seal(app.world(), secrets);
    let is_good = |key: &Key| open(key).is_ok();
    jwks::add(app, since, is_good, (&made.public_jwk(), &private), rotation).await?;
    let (key, id) = newest(jwks::signing(app, since).await?).ok_or_else(|| Error::Internal {
        doing: "sign a token",
        source: "the key that was just made is gone again".into(),
    })?;
    Ok((id, key))
}
