//! JSON Web Tokens (RFC 7519) in the uses that sign-in has for them: links in e-mails, tokens for other services, the ID tokens
//! of other services, and encrypted ones that only we read.
//!
//! Always holds: a token never chooses how it is verified. Each use has its algorithms, its keys come from us or from the
//! provider's published set and never from the token, and what has no end is not accepted.

pub mod ed25519;
pub mod email;
pub mod encrypted;
pub mod issued;
pub mod jwks;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// What a token says, in its order.
pub type Claims = Map<String, Value>;

/// Longer tokens are not read at all.
const LONGEST: usize = 16 * 1024;

/// A token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not of the expected form, or its signature is wrong.
    #[error("the token is not valid: it was cut, changed or made for something else; ask for a new one")]
    Invalid,
    /// It was right, once.
    #[error("the token has expired; ask for a new one")]
    Expired,
    /// Its key is not in the set of keys, which may have changed since it was fetched.
    #[error(
        "no key of the set has signed this token; fetch the set again, once, and refuse the token if that changes nothing"
    )]
    UnknownKey,
    /// The set of keys itself is of no use.
    #[error("the set of keys is no JSON Web Key Set; check the address it was fetched from")]
    UnreadableKeys,
}

/// A token, taken apart.
struct Parts<'a> {
    /// As written, in base64url.
    header: &'a str,
    claims: &'a str,
    /// What is signed: both, with the dot.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Invalid);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Invalid)?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| TokenError::Invalid)?;
        Ok(Self { header, claims, signed, signature })
    }
}

/// The object in a part.
fn object(part: &str) -> Result<Claims, TokenError> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| TokenError::Invalid)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Invalid)
}

/// A token of these parts. `header` is JSON.
fn written(header: &str, claims: &Claims, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    // A map of values always has a text.
    let claims = Value::Object(claims.clone()).to_string();
    let signed = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(header.as_bytes()),
        BASE64URL_NOPAD.encode(claims.as_bytes())
    );
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// Whether the token's end, which it must have, is still to come.
fn check_end(claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
    let end = claims.get("exp").and_then(Value::as_f64).ok_or(TokenError::Invalid)?;
    // As RFC 7519, section 4.1.4, says: on or after it, no more. Seconds as `jose` counts them.
    if end > seconds(now) { Ok(()) } else { Err(TokenError::Expired) }
}

#[expect(clippy::cast_precision_loss, reason = "whole seconds are exact for 285 million years")]
fn seconds(now: Timestamp) -> f64 {
    now.as_second() as f64
}
