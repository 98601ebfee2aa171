//! The tokens in the links that confirm an address: HS256 under the current secret.
//!
//! Always holds: the header is exactly `{"alg":"HS256"}`, the claims are exactly those of one purpose, and nothing else that
//! the same secret signed (a cookie, a cached session) is taken for one of them. They are not used up: until its end, a link
//! may be followed again.

use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde_json::Value;

use super::{Claims, Parts, TokenError, check_end, object, written};
use crate::auth::secrets::Secrets;
use crate::auth::signed::key;

const HEADER: &str = r#"{"alg":"HS256"}"#;
/// The same as it stands in a token.
const ENCODED_HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";

const CONFIRM_CHANGE: &str = "change-email-confirmation";
const VERIFY_CHANGE: &str = "change-email-verification";

/// What following a link proves or allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailToken {
    /// The user's present address, in lower case.
    pub email: String,
    /// Who; tokens of older Better Auths do not say.
    pub user_id: Option<String>,
    /// What for.
    pub purpose: Purpose,
}

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The address is the user's.
    VerifyEmail,
    /// Sent to the old address: the user wants this new one.
    ConfirmChange {
        /// The new address.
        new_email: String,
    },
    /// Sent to the new address: it is the user's.
    VerifyChange {
        /// The new address.
        new_email: String,
    },
}

impl EmailToken {
    /// The token, good for `lifetime` from `now` on, both in whole seconds.
    pub fn sign(&self, secrets: &Secrets, now: Timestamp, lifetime: SignedDuration) -> String {
        let mut claims = Claims::new();
        claims.insert("email".to_owned(), self.email.to_lowercase().into());
        let change = match &self.purpose {
            Purpose::VerifyEmail => None,
            Purpose::ConfirmChange { new_email } => Some((new_email, CONFIRM_CHANGE)),
            Purpose::VerifyChange { new_email } => Some((new_email, VERIFY_CHANGE)),
        };
        if let Some((new_email, request)) = change {
            claims.insert("updateTo".to_owned(), new_email.as_str().into());
            claims.insert("requestType".to_owned(), request.into());
        }
        if let Some(id) = &self.user_id {
            claims.insert("userId".to_owned(), id.as_str().into());
        }
        claims.insert("iat".to_owned(), now.as_second().into());
        claims.insert("exp".to_owned(), now.as_second().saturating_add(lifetime.as_secs()).into());
        written(HEADER, &claims, |signed| hmac::sign(&key(secrets), signed).as_ref().to_vec())
    }

    /// Reads what [`EmailToken::sign`] or Better Auth wrote.
    ///
    /// # Errors
    /// [`TokenError::Expired`] only for a token that was right, else [`TokenError::Invalid`].
    pub fn verify(secrets: &Secrets, token: &str, now: Timestamp) -> Result<Self, TokenError> {
        let parts = Parts::of(token)?;
        if parts.header != ENCODED_HEADER {
            return Err(TokenError::Invalid);
        }
        hmac::verify(&key(secrets), parts.signed.as_bytes(), &parts.signature)
            .map_err(|_| TokenError::Invalid)?;
        let mut claims = object(parts.claims)?;
        let read = Self::read(&mut claims)?;
        check_end(&claims, now)?;
        Ok(read)
    }

    /// Takes its claims out; nothing but the times may be left.
    fn read(claims: &mut Claims) -> Result<Self, TokenError> {
        let mut text = |name: &str| match claims.shift_remove(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(TokenError::Invalid),
        };
        let email = text("email")?.ok_or(TokenError::Invalid)?;
        let (new_email, request, user_id) = (text("updateTo")?, text("requestType")?, text("userId")?);
        let purpose = match (new_email, request.as_deref()) {
            (None, None) => Purpose::VerifyEmail,
            (Some(new_email), Some(CONFIRM_CHANGE)) => Purpose::ConfirmChange { new_email },
            (Some(new_email), Some(VERIFY_CHANGE)) => Purpose::VerifyChange { new_email },
            _ => return Err(TokenError::Invalid),
        };
        if claims.keys().any(|name| name != "iat" && name != "exp") {
            return Err(TokenError::Invalid);
        }
        Ok(Self { email, user_id, purpose })
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use serde_json::json;

    use super::*;

    /// Made by Better Auth.
    const SECRET: &str = "conformance-secret-0123456789-abcdefghijklmnop";
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImFkYUBleGFtcGxlLmNvbSIsInVzZXJJZCI6InUxIiwiaWF0IjoxNzk1MzQ2MTcyLCJleHAiOjE3OTUzNDk3NzJ9.VzQ6KOpyBhJBsRTLWbpNo2g3Pf-ptsuov3ouGQYdfIU";
    const ISSUED: i64 = 1_795_346_172;
    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn moment(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn ada(purpose: Purpose) -> EmailToken {
        EmailToken { email: "ada@example.com".to_owned(), user_id: Some("u1".to_owned()), purpose }
    }

    /// Any header and claims under the secret.
    fn forged(header: &str, claims: &Value) -> String {
        let claims = claims.as_object().unwrap();
        let secrets = Secrets::single(SECRET);
        written(header, claims, |signed| hmac::sign(&key(&secrets), signed).as_ref().to_vec())
    }

    fn verify(token: &str) -> Result<EmailToken, TokenError> {
        EmailToken::verify(&Secrets::single(SECRET), token, moment(ISSUED))
    }

    #[test]
    fn better_auths_tokens_are_read_and_written() {
        let secrets = Secrets::single(SECRET);
        assert_eq!(BASE64URL_NOPAD.encode(HEADER.as_bytes()), ENCODED_HEADER);
        assert_eq!(verify(TOKEN), Ok(ada(Purpose::VerifyEmail)));
        assert_eq!(ada(Purpose::VerifyEmail).sign(&secrets, moment(ISSUED), HOUR), TOKEN);
        let shouted = EmailToken { email: "ADA@Example.com".to_owned(), ..ada(Purpose::VerifyEmail) };
        assert_eq!(shouted.sign(&secrets, moment(ISSUED), HOUR), TOKEN);
    }

    #[test]
    fn a_change_of_address_has_its_claims_in_better_auths_order() {
        let secrets = Secrets::single(SECRET);
        let new_email = "new@example.com".to_owned();
        for (purpose, name) in [
            (Purpose::ConfirmChange { new_email: new_email.clone() }, "change-email-confirmation"),
            (Purpose::VerifyChange { new_email }, "change-email-verification"),
        ] {
            let token = ada(purpose.clone()).sign(&secrets, moment(ISSUED), HOUR);
            let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
            let expected = format!(
                r#"{{"email":"ada@example.com","updateTo":"new@example.com","requestType":"{name}","userId":"u1","iat":1795346172,"exp":1795349772}}"#
            );
            assert_eq!(String::from_utf8(claims).unwrap(), expected);
            assert_eq!(verify(&token), Ok(ada(purpose)));
        }
    }

    #[test]
    fn an_hour_is_an_hour() {
        let secrets = Secrets::single(SECRET);
        let at = |seconds| EmailToken::verify(&secrets, TOKEN, moment(seconds)).map(|_| ());
        assert_eq!(at(ISSUED + 3599), Ok(()));
        assert_eq!(at(ISSUED + 3600), Err(TokenError::Expired));
        // Who has not signed it does not learn that it has expired.
        let other = Secrets::single("other");
        assert_eq!(EmailToken::verify(&other, TOKEN, moment(ISSUED + 3600)), Err(TokenError::Invalid));
    }

    #[test]
    fn a_character_changed_anywhere_is_noticed() {
        for at in 0..TOKEN.len() {
            for other in [b'a', b'Q', b'.', b'='] {
                let mut bytes = TOKEN.as_bytes().to_vec();
                if bytes[at] == other {
                    continue;
                }
                bytes[at] = other;
                assert_eq!(verify(&String::from_utf8(bytes).unwrap()), Err(TokenError::Invalid), "{at}");
            }
            assert_eq!(verify(&TOKEN[..at]), Err(TokenError::Invalid), "{at}");
        }
        for bad in ["", ".", "..", "...", &format!("{TOKEN}."), &format!("{TOKEN}="), &"a.".repeat(10_000)] {
            assert_eq!(verify(bad), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn no_other_algorithm_is_accepted_whoever_signed() {
        let claims = json!({"email": "ada@example.com", "userId": "u1", "iat": ISSUED, "exp": ISSUED + 3600});
        assert!(verify(&forged(HEADER, &claims)).is_ok());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"EdDSA"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256" }"#,
            "{}",
            "",
        ] {
            assert_eq!(verify(&forged(header, &claims)), Err(TokenError::Invalid), "{header}");
        }
        let none =
            format!("{}.{}.", BASE64URL_NOPAD.encode(br#"{"alg":"none"}"#), TOKEN.split('.').nth(1).unwrap());
        assert_eq!(verify(&none), Err(TokenError::Invalid));
    }

    #[test]
    fn what_the_secret_signed_for_something_else_is_no_email_token() {
        let (iat, exp) = (ISSUED, ISSUED + 3600);
        for claims in [
            json!({}),
            json!({"iat": iat, "exp": exp}),
            // No end, or one that is no number.
            json!({"email": "a@b.c", "userId": "u1", "iat": iat}),
            json!({"email": "a@b.c", "userId": "u1", "exp": exp.to_string()}),
            json!({"email": "a@b.c", "userId": "u1", "exp": null}),
            // A cached session.
            json!({"session": {}, "user": {"email": "a@b.c"}, "iat": iat, "exp": exp}),
            json!({"email": "a@b.c", "session": {}, "exp": exp}),
            // A token for other services.
            json!({"email": "a@b.c", "sub": "u1", "iss": "http://x", "aud": "http://x", "iat": iat, "exp": exp}),
            // A change that does not say which, or to what.
            json!({"email": "a@b.c", "updateTo": "x@y.z", "userId": "u1", "exp": exp}),
            json!({"email": "a@b.c", "requestType": "change-email-verification", "userId": "u1", "exp": exp}),
            json!({"email": "a@b.c", "updateTo": "x@y.z", "requestType": "other", "exp": exp}),
            // Other types.
            json!({"email": ["a@b.c"], "exp": exp}),
            json!({"email": "a@b.c", "userId": 1, "exp": exp}),
            json!({"email": "a@b.c", "updateTo": null, "exp": exp}),
            json!({"email": "", "exp": exp}),
        ] {
            assert_eq!(verify(&forged(HEADER, &claims)), Err(TokenError::Invalid), "{claims}");
        }
        // Older Better Auths do not name the user.
        let unnamed = verify(&forged(HEADER, &json!({"email": "a@b.c", "iat": iat, "exp": exp}))).unwrap();
        assert_eq!(unnamed.user_id, None);
    }

    #[test]
    fn older_secrets_sign_no_links() {
        let secrets = Secrets::parse_versions(&format!("2:new,1:{SECRET}")).unwrap();
        assert_eq!(EmailToken::verify(&secrets, TOKEN, moment(ISSUED)), Err(TokenError::Invalid));
    }
}
