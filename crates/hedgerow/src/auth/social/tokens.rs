//! What a provider gives for a code: tokens, how long they last, what they allow.
//!
//! Always holds: they are encrypted where they are kept, unless the settings want a Node server to read them; printing them shows
//! nothing.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::app::App;
use crate::auth::sealed;
use crate::auth::settings::ProviderTokens;

/// Longer tokens are none.
const LONGEST: usize = 16 << 10;
/// Fewer letters cannot be an encrypted text: a nonce and a tag, in hexadecimal.
const SHORTEST_SEALED: usize = 80;

/// Tokens of a provider.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// What asks in the user's name.
    pub access: Option<SecretString>,
    /// What gets the next one.
    pub refresh: Option<SecretString>,
    /// Who the user is, signed.
    pub id: Option<SecretString>,
    /// Until when the first lasts.
    pub access_expires_at: Option<Timestamp>,
    /// Until when the second lasts.
    pub refresh_expires_at: Option<Timestamp>,
    /// What they allow.
    pub scopes: Vec<String>,
}

impl Tokens {
    /// From a token endpoint's answer (RFC 6749, section 5.1). `None` is one without an access token that could be used.
    pub(super) fn read(answer: &Value, now: Timestamp) -> Option<Self> {
        // GitHub says 200 to what it refuses.
        if answer.get("error").is_some_and(|error| !error.is_null()) {
            return None;
        }
        let kind = answer.get("token_type").and_then(Value::as_str).unwrap_or("bearer");
        let token = |name: &str| match answer.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) if text.is_empty() => Some(None),
            Some(Value::String(text))
                if text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_graphic()) =>
            {
                Some(Some(SecretString::from(text.as_str())))
            }
            Some(_) => None,
        };
        let until = |name: &str| {
            let seconds = match answer.get(name)? {
                Value::Number(number) => number.as_i64(),
                Value::String(text) => text.parse().ok(),
                _ => None,
            };
            let lasts = SignedDuration::from_secs(seconds.filter(|&seconds| seconds > 0)?);
            let millis = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
            millis.checked_add(lasts).ok()
        };
        let tokens = Self {
            access: token("access_token")?,
            refresh: token("refresh_token")?,
            id: token("id_token")?,
            access_expires_at: until("expires_in"),
            refresh_expires_at: until("refresh_token_expires_in"),
            scopes: scopes(answer.get("scope")),
        };
        (kind.eq_ignore_ascii_case("bearer") && tokens.access.is_some()).then_some(tokens)
    }

    /// What they allow, as it is kept.
    pub(super) fn scope(&self) -> Option<String> {
        Some(self.scopes.join(",")).filter(|scope| !scope.is_empty())
    }
}

/// With spaces between, as RFC 6749 says; with commas, as GitHub says; or as a list.
fn scopes(value: Option<&Value>) -> Vec<String> {
    let split = |text: &str| -> Vec<String> {
        let words = text.split([' ', ',']).map(str::trim);
        words.filter(|word| !word.is_empty() && !word.contains('\0')).map(str::to_owned).collect()
    };
    match value {
        Some(Value::String(text)) => split(text),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).flat_map(split).collect(),
        _ => Vec::new(),
    }
}

/// What is kept of a token.
pub(super) fn kept(app: &App, token: Option<&SecretString>) -> Option<String> {
    let token = token?.expose_secret();
    Some(match app.auth().settings().provider_tokens {
        ProviderTokens::Encrypted => sealed::seal(app.world(), app.auth().secrets(), token),
        ProviderTokens::Plain => token.to_owned(),
    })
}

/// A kept token. What Better Auth kept in clear is read too; `None` is one that no secret of ours opens.
pub(super) fn opened(app: &App, kept: Option<&str>) -> Option<SecretString> {
    let kept = kept.filter(|kept| !kept.is_empty())?;
    let is_hex = kept.len() % 2 == 0 && kept.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Tokens of some providers are hexadecimal too, but shorter.
    let is_sealed = kept.starts_with("$ba$") || (is_hex && kept.len() >= SHORTEST_SEALED);
    if !is_sealed {
        return Some(SecretString::from(kept));
    }
    match sealed::open(app.auth().secrets(), kept) {
        Ok(token) => Some(token),
        Err(error) => {
            tracing::warn!(%error, "a provider's token could not be decrypted");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answer: Value) -> Option<Tokens> {
        Tokens::read(&answer, "2026-11-22T11:30:33.9365Z".parse().unwrap())
    }

    #[test]
    fn an_answer_becomes_tokens_or_nothing() {
        let tokens = read(json!({
            "access_token": "a", "refresh_token": "r", "token_type": "Bearer", "expires_in": 7200, "scope": "read_user  api"
        }));
        let tokens = tokens.unwrap();
        assert_eq!(tokens.access.as_ref().map(ExposeSecret::expose_secret), Some("a"));
        assert_eq!(tokens.access_expires_at.unwrap().to_string(), "2026-11-22T13:30:33.936Z");
        assert_eq!(tokens.scope().as_deref(), Some("read_user,api"));
        assert_eq!(tokens.refresh_expires_at, None);
        assert!(!format!("{tokens:?}").contains("\"r\""));
        let github =
            read(json!({ "access_token": "a", "token_type": "bearer", "scope": "read:user,user:email" }));
        assert_eq!(github.unwrap().scope().as_deref(), Some("read:user,user:email"));
        assert!(
            read(json!({ "access_token": "a", "expires_in": "60" })).unwrap().access_expires_at.is_some()
        );
        for bad in [
            json!({}),
            json!([]),
            json!("a"),
            json!({ "error": "bad_verification_code", "access_token": "a" }),
            json!({ "access_token": "" }),
            json!({ "access_token": 5 }),
            json!({ "access_token": "a\u{0}" }),
            json!({ "access_token": "a b" }),
            json!({ "access_token": "a\r\nx: y" }),
            json!({ "access_token": "a", "token_type": "mac" }),
            json!({ "access_token": "a".repeat(LONGEST + 1) }),
            json!({ "access_token": "a", "id_token": {} }),
            json!({ "refresh_token": "r" }),
        ] {
            assert!(read(bad.clone()).is_none(), "{bad}");
        }
        for odd in [json!(-5), json!(0), json!(i64::MAX), json!("soon"), json!({}), json!(1.5)] {
            assert_eq!(
                read(json!({ "access_token": "a", "expires_in": odd })).unwrap().access_expires_at,
                None
            );
        }
    }
}
