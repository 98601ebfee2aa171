//! What stands for users and keys when they are gone, and what signs seals: keys of their own, derived from the secret.
//!
//! Always holds: without the secret nobody can say whose a mark is, nor make a seal; the current secret makes, older ones
//! only recognise.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::hmac;
use secrecy::ExposeSecret;

use crate::auth::secrets::Secrets;

/// Half of an HMAC-SHA256 is enough to tell users apart.
const MARK_BYTES: usize = 16;

/// Whose a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    User,
    Key,
}

/// The keys, the current one first.
pub(super) struct Marks {
    marking: Vec<hmac::Key>,
    sealing: Vec<hmac::Key>,
}

impl Marks {
    pub(super) fn new(secrets: &Secrets) -> Self {
        let derived = |purpose: &str| {
            let secrets = secrets.known().map(|secret| secret.text.expose_secret());
            let key = |secret: &str| {
                let from = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&from, purpose.as_bytes()).as_ref())
            };
            secrets.map(key).collect()
        };
        Self { marking: derived("hedgerow audit mark v1"), sealing: derived("hedgerow audit seal v1") }
    }

    /// The mark of a user or a key.
    pub(super) fn of(&self, whose: Of, id: &str) -> String {
        self.marking.first().map(|key| mark(key, whose, id)).unwrap_or_default()
    }

    /// Whether `given` is the mark of it, by this or an older secret.
    pub(super) fn recognises(&self, whose: Of, id: &str, given: &str) -> bool {
        self.marking.iter().any(|key| mark(key, whose, id) == given)
    }

    /// The signature of a text, in hexadecimal.
    pub(super) fn sign(&self, text: &str) -> String {
        let sign = |key: &hmac::Key| HEXLOWER.encode(hmac::sign(key, text.as_bytes()).as_ref());
        self.sealing.first().map(sign).unwrap_or_default()
    }

    /// Whether the text was signed so, by this or an older secret.
    pub(super) fn is_signed(&self, text: &str, signature: &str) -> bool {
        let Ok(signature) = HEXLOWER.decode(signature.as_bytes()) else { return false };
        self.sealing.iter().any(|key| hmac::verify(key, text.as_bytes(), &signature).is_ok())
    }
}

fn mark(key: &hmac::Key, whose: Of, id: &str) -> String {
    let kind = match whose {
        Of::User => "user",
        Of::Key => "key",
    };
    let whole = hmac::sign(key, format!("{kind} {id}").as_bytes());
    BASE64URL_NOPAD.encode(&whole.as_ref()[..MARK_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_by_older_secrets_and_by_no_other() {
        let old = Marks::new(&Secrets::parse_versions("1:the-first-secret-that-is-long-enough").unwrap());
        let both = "2:the-second-secret-that-is-long-enough,1:the-first-secret-that-is-long-enough";
        let new = Marks::new(&Secrets::parse_versions(both).unwrap());
        let mark = old.of(Of::User, "ann");
        assert_ne!(new.of(Of::User, "ann"), mark);
        assert!(new.recognises(Of::User, "ann", &mark));
        assert!(!new.recognises(Of::User, "bob", &mark));
        assert!(!new.recognises(Of::Key, "ann", &mark));
        assert!(new.is_signed("text", &old.sign("text")));
        assert!(!old.is_signed("text", &new.sign("text")));
        assert!(!old.is_signed("texts", &old.sign("text")));
    }
}
