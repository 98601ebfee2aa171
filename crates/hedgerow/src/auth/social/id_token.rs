//! ID tokens (OpenID Connect Core 1.0, section 3.1.3.7): who somebody is, signed by the provider.
//!
//! Always holds: the keys come from the provider that the configuration names, never from the token; issuer, audience, the end and
//! the nonce are compared exactly; only the algorithms of a fixed list count. Keys are fetched anew when the token names one
//! that is not there, and not again for a while when that changed nothing.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;

use super::ProviderError;
use super::settings::ProviderSettings;
use crate::auth::http::{Body, Credential, Outgoing, Place};
use crate::auth::jwt::jwks::{Algorithm, verify_with_jwks};
use crate::auth::jwt::{Claims, TokenError};

/// How long keys are used before they are fetched again.
const KEYS_LAST: SignedDuration = SignedDuration::from_hours(1);
/// How long nobody looks again for a key that was not there.
const FRUITLESS: SignedDuration = SignedDuration::from_secs(60);
/// How far another computer's clock may be ahead of ours.
const SKEW: i64 = 60;
/// How old a token is at most that a front end brings.
pub(super) const OLDEST: SignedDuration = SignedDuration::from_hours(1);

/// Keys of a provider, as they were fetched last.
#[derive(Default)]
pub(super) struct Keys {
    known: Mutex<Option<Known>>,
}

struct Known {
    text: String,
    until: Timestamp,
    /// No look again before.
    fruitless_until: Timestamp,
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// One of these issuers.
    pub(super) issuers: &'a [String],
    /// This nonce, if one was given.
    pub(super) nonce: Option<&'a str>,
    /// By one of these algorithms.
    pub(super) algorithms: &'a [Algorithm],
    /// Not older than this.
    pub(super) oldest: Option<SignedDuration>,
}

impl Keys {
    /// The claims of a token that is good.
    pub(super) async fn verify(
        &self,
        token: &str,
        settings: &ProviderSettings,
        expected: Expected<'_>,
        (http, place): (&Outgoing, &Place),
        now: Timestamp,
    ) -> Result<Claims, ProviderError> {
        let with = |keys: &str| verify_with_jwks(token, keys, expected.algorithms, now);
        // What is no token at all is told without asking anybody.
        if let Err(error) = with(r#"{"keys":[]}"#)
            && error != TokenError::UnknownKey
        {
            return Err(ProviderError::IdToken("it is no token of an algorithm that is accepted"));
        }
        let mut known = self.known.lock().await;
        let is_fresh = known.as_ref().is_some_and(|known| known.until > now);
        if !is_fresh {
            *known = Some(fetch(http, place, now).await?);
        }
        let mut claims = known.as_ref().map_or(Err(TokenError::UnreadableKeys), |known| with(&known.text));
        let may_look = known.as_ref().is_some_and(|known| known.fruitless_until <= now);
        if is_fresh && may_look && matches!(claims, Err(TokenError::UnknownKey)) {
            let mut fetched = fetch(http, place, now).await?;
            claims = with(&fetched.text);
            if matches!(claims, Err(TokenError::UnknownKey)) {
                fetched.fruitless_until = now.checked_add(FRUITLESS).unwrap_or(now);
            }
            *known = Some(fetched);
        }
        drop(known);
        let claims = claims.map_err(|error| {
            ProviderError::IdToken(match error {
                TokenError::Expired => "it has expired",
                TokenError::UnknownKey => "no key of the provider has signed it",
                TokenError::UnreadableKeys => "the provider's keys cannot be read",
                TokenError::Invalid => "its signature is wrong",
            })
        })?;
        check(&claims, settings, &expected, now).map_err(ProviderError::IdToken)?;
        Ok(claims)
    }
}

async fn fetch(http: &Outgoing, place: &Place, now: Timestamp) -> Result<Known, ProviderError> {
    let keys = http.ask(place, Credential::None, Body::None).await.and_then(|answer| answer.json());
    let keys = keys.map_err(|error| ProviderError::http("fetch its keys", error))?;
    Ok(Known {
        text: keys.to_string(),
        until: now.checked_add(KEYS_LAST).unwrap_or(now),
        fruitless_until: now,
    })
}

/// For whom it is, from whom and for which request; what is wrong otherwise.
fn check(
    claims: &Claims,
    settings: &ProviderSettings,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<(), &'static str> {
    let says = |name: &str| claims.get(name).and_then(Value::as_str);
    if !says("iss").is_some_and(|issuer| expected.issuers.iter().any(|own| own == issuer)) {
        return Err("it is of another issuer");
    }
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audiences.iter().any(|one| settings.is_ours(one)) {
        return Err("it is for somebody else");
    }
    // Who asked for it, where that is not who it is for.
    match claims.get("azp") {
        Some(Value::String(party)) if settings.is_ours(party) => {}
        None if audiences.len() == 1 => {}
        _ => return Err("somebody else asked for it"),
    }
    if says("sub").is_none_or(str::is_empty) {
        return Err("it is about nobody");
    }
    let issued = claims.get("iat").and_then(Value::as_f64).ok_or("it does not say when it was issued")?;
    let seconds = |at: Timestamp| at.as_millisecond() as f64 / 1000.0;
    if issued > seconds(now) + SKEW as f64 {
        return Err("it was issued in the future");
    }
    if expected.oldest.is_some_and(|oldest| issued < seconds(now) - oldest.as_secs_f64()) {
        return Err("it is too old");
    }
    match expected.nonce {
        Some(nonce) if says("nonce") != Some(nonce) => Err("it answers another request"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::social::settings::ProviderKind;

    #[test]
    fn a_token_for_somebody_else_is_refused() {
        let now = Timestamp::from_second(1_795_346_172).unwrap();
        let mut settings = ProviderSettings::new("own", ProviderKind::Oidc, "client", "secret");
        settings.other_clients = vec!["app".to_owned()];
        let issuers = ["https://issuer.test".to_owned()];
        let expected =
            Expected { issuers: &issuers, nonce: Some("n"), algorithms: &[], oldest: Some(OLDEST) };
        let good = json!({
            "iss": "https://issuer.test", "aud": "client", "sub": "1", "iat": 1_795_346_172, "exp": 1_795_349_772, "nonce": "n"
        });
        let check_with = |change: Value| {
            let mut claims = good.as_object().unwrap().clone();
            for (name, value) in change.as_object().unwrap() {
                match value {
                    Value::Null => claims.remove(name),
                    value => claims.insert(name.clone(), value.clone()),
                };
            }
            check(&claims, &settings, &expected, now)
        };
        for fine in [
            json!({}),
            json!({ "aud": ["client"] }),
            json!({ "aud": "app" }),
            json!({ "aud": "client", "azp": "app" }),
            json!({ "aud": ["other", "client"], "azp": "client" }),
            json!({ "iat": 1_795_346_172 + 60 }),
            json!({ "iat": 1_795_346_172 - 3600 }),
        ] {
            assert_eq!(check_with(fine.clone()), Ok(()), "{fine}");
        }
        for bad in [
            json!({ "iss": null }),
            json!({ "iss": "https://issuer.test/" }),
            json!({ "iss": "http://issuer.test" }),
            json!({ "iss": "https://issuer.test.evil.test" }),
            json!({ "iss": ["https://issuer.test"] }),
            json!({ "aud": null }),
            json!({ "aud": "other" }),
            json!({ "aud": "client " }),
            json!({ "aud": [] }),
            json!({ "aud": { "client": true } }),
            json!({ "aud": ["other", "client"] }),
            json!({ "aud": ["other", "client"], "azp": "other" }),
            json!({ "azp": "other" }),
            json!({ "azp": ["client"] }),
            json!({ "sub": null }),
            json!({ "sub": "" }),
            json!({ "sub": 1 }),
            json!({ "iat": null }),
            json!({ "iat": "1795346172" }),
            json!({ "iat": 1_795_346_172 + 61 }),
            json!({ "iat": 1_795_346_172 - 3601 }),
            json!({ "nonce": null }),
            json!({ "nonce": "m" }),
            json!({ "nonce": ["n"] }),
        ] {
            assert!(check_with(bad.clone()).is_err(), "{bad}");
        }
    }
}
