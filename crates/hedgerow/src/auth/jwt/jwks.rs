//! Tokens that are verified against a set of published keys (RFC 7517): our own, and the ID tokens of OpenID providers.
//!
//! Always holds: the algorithm is one that the caller allows, the key is one of the set and of that algorithm's type; keys and
//! addresses in the token's header are ignored. Who issued the token, for whom and for which request the caller checks.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

use super::{Claims, Parts, TokenError, check_end, object, seconds};

/// How far another computer's clock may be ahead of ours, in seconds.
const SKEW: f64 = 60.0;

/// How a token may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// RSA (2048 to 8192 bits), PKCS #1 v1.5, SHA-256.
    Rs256,
    /// P-256, SHA-256.
    Es256,
}

impl Algorithm {
    /// As headers and keys name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// `kty`, and `crv` where there is one.
    const fn key_type(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::EdDsa => ("OKP", Some("Ed25519")),
            Self::Rs256 => ("RSA", None),
            Self::Es256 => ("EC", Some("P-256")),
        }
    }
}

/// What a token says, if one of the keys in `jwks` (`{"keys":[…]}`) signed it by one of the `allowed` algorithms and its
/// time has come and not passed. A token without `kid` needs a set in which only one key fits.
///
/// The caller still has to compare `iss`, `aud` and `nonce`.
///
/// # Errors
/// [`TokenError::UnknownKey`] when the set has no such key, perhaps not yet; [`TokenError::Expired`] only for a token that was
/// right; see the others there.
pub fn verify_with_jwks(
    token: &str,
    jwks: &str,
    allowed: &[Algorithm],
    now: Timestamp,
) -> Result<Claims, TokenError> {
    let parts = Parts::of(token)?;
    let header = object(parts.header)?;
    // An extension that must be understood, and is not.
    if header.contains_key("crit") {
        return Err(TokenError::Invalid);
    }
    let name = header.get("alg").and_then(Value::as_str).ok_or(TokenError::Invalid)?;
    let algorithm = *allowed.iter().find(|algorithm| algorithm.name() == name).ok_or(TokenError::Invalid)?;
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.as_str()),
        Some(_) => return Err(TokenError::Invalid),
    };
    let set: Value = serde_json::from_str(jwks).map_err(|_| TokenError::UnreadableKeys)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(TokenError::UnreadableKeys)?;
    let mut fitting = keys.iter().filter(|key| fits(key, kid, algorithm));
    let key = fitting.next().ok_or(TokenError::UnknownKey)?;
    if fitting.next().is_some() {
        return Err(TokenError::Invalid);
    }
    if !is_signed(key, algorithm, &parts) {
        return Err(TokenError::Invalid);
    }
    let claims = object(parts.claims)?;
    let begins = claims.get("nbf").map(|begins| begins.as_f64().ok_or(TokenError::Invalid)).transpose()?;
    if begins.is_some_and(|begins| begins > seconds(now) + SKEW) {
        return Err(TokenError::Invalid);
    }
    check_end(&claims, now)?;
    Ok(claims)
}

/// Whether a key of the set may have signed.
fn fits(key: &Value, kid: Option<&str>, algorithm: Algorithm) -> bool {
    let says = |name: &str| key.get(name).and_then(Value::as_str);
    let (key_type, curve) = algorithm.key_type();
    says("kty") == Some(key_type)
        && (curve.is_none() || says("crv") == curve)
        && says("use").is_none_or(|usage| usage == "sig")
        && says("alg").is_none_or(|name| name == algorithm.name())
        && kid.is_none_or(|kid| says("kid") == Some(kid))
}

fn is_signed(key: &Value, algorithm: Algorithm, parts: &Parts<'_>) -> bool {
    let bytes = |name: &str| {
        let text = key.get(name).and_then(Value::as_str)?;
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()
    };
    let (message, signature) = (parts.signed.as_bytes(), parts.signature.as_slice());
    let verified = match algorithm {
        Algorithm::EdDsa => {
            bytes("x").map(|x| UnparsedPublicKey::new(&ED25519, x).verify(message, signature))
        }
        Algorithm::Rs256 => bytes("n").zip(bytes("e")).map(|(n, e)| {
            RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        }),
        Algorithm::Es256 => {
            bytes("x").zip(bytes("y")).filter(|(x, y)| x.len() == 32 && y.len() == 32).map(|(x, y)| {
                // Uncompressed, as SEC 1, section 2.3.3, writes a point.
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            })
        }
    };
    matches!(verified, Some(Ok(())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::jwt::ed25519::SigningKey;
    use crate::context::World;

    /// Made by Node.
    const JWKS: &str = r#"{"keys":[{"kty":"RSA","n":"kZ2O44BulCaLq_Aq05_x5W77Bv6hay37Mpf1n8ZC4-jI54j8F2YvAD9pVWj-cfCc0t41J73dxiG858WdYjP50uY_LPhWnNQQKbsu7wUA53zN6Ocp4oaSOdj64lVuGiSxhtVQ0l9HK5rYSG5BQHDPfSnS_L7QhfP4KPf9wB84hr32Vk6nsoRVudL8HnFkvt61e4eW897A8ILiFNLNEwgaF8soOrxUhCxkmeei5kdPtpdKCDHmUyRKwi6bDI7r0Cgx5KaXPtXs9LX0byR5vmlX4Jnvcy47QooNIsFHVBeSG69v5988q4_3TbIpPOjuiKd0uewBFbbdyVmFNVz5kcxE3Q","e":"AQAB","kid":"rsa-1","use":"sig","alg":"RS256"},{"kty":"EC","x":"9uon_ezhacWiS7GJdpJsxKuz7a-Ywola2UbgBoiP0a8","y":"dfd7-QVryYjlyeJagwYRHW2SRcgAiOU6ehcYyIOcXdQ","crv":"P-256","kid":"ec-1","use":"sig"},{"alg":"EdDSA","crv":"Ed25519","x":"4JDHvqqX7PyBZCVVZTN7Shgoq2r_tbLjPPEErphPbGw","kty":"OKP","kid":"ed-1"}]}"#;
    const RS256: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0IiwiYXVkIjoiY2xpZW50Iiwic3ViIjoidTEiLCJlbWFpbCI6ImFkYUBleGFtcGxlLmNvbSIsIm5vbmNlIjoibiIsImlhdCI6MTc5NTM0NjE3MiwiZXhwIjoxNzk1MzQ5NzcyfQ.adkeXhQ6iZHu-Na2yQAxihflyaM4H8lOBU8QRJHDmuMLVny4EgjZHNXsdEQjwqvzh9Ga-SiSTyi5-u4Z3cz8EBbcdp93QEEZeL-_9ld45HLFeA9wKlrexLyuW4prZ_qsDL7ExfPGVA8X0HQfDr9p1Hq-ZEKxoZArOASX4lZ2wAxDZqVoFBYKNYdQhhlXqvD8t5VPOswhauPgeQkpCIJWunnVVW-EvF6ltdP30yAIgo-AsFxA8akUG8izPRDCRr09hkeCdj6PASPy9nd1dr4Ax6x3R3i8UesbybQIeyj6SYAAInott7URCXobXWnRtIgUp8M3qtijJDUUfv-EMcOnXg";
    const ES256: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjLTEiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0IiwiYXVkIjoiY2xpZW50Iiwic3ViIjoidTEiLCJlbWFpbCI6ImFkYUBleGFtcGxlLmNvbSIsIm5vbmNlIjoibiIsImlhdCI6MTc5NTM0NjE3MiwiZXhwIjoxNzk1MzQ5NzcyfQ.8SVGwyiAam0JNKpnjQjbvHH3hGq6QOarEHbpI32f9q7tYMGqr5awa9wN_9AlifTbl4JnhIffOehm-SPwIIpH9Q";
    const EDDSA: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0IiwiYXVkIjoiY2xpZW50Iiwic3ViIjoidTEiLCJlbWFpbCI6ImFkYUBleGFtcGxlLmNvbSIsIm5vbmNlIjoibiIsImlhdCI6MTc5NTM0NjE3MiwiZXhwIjoxNzk1MzQ5NzcyfQ.42oolS7_4MuilLWiOBHTtgkMB4xEunTIqt-KOnzJaukOKxPiJx1ZHPT-4bMfco6LQCixsaHv5xYmzsT9UXgpBQ";
    /// 1024 bits.
    const SHORT_JWKS: &str = r#"{"keys":[{"kty":"RSA","n":"1uPP7Z6g8gnbRfxncLX72QrntgaJZEwvfvMCNl1BIP_kcrRNOfLUmbWPIe61ETYOGw5DBgHb9GlOsgZvwmh9Q8-i8RINAhRzs--UGcG28-y6g99z50r59lR55uSyeGE8P98jwJsdsDPApJFvX3Y11pxGJ3SxxFhpf9JtqsJN-os","e":"AQAB","kid":"rsa-1"}]}"#;
    const SHORT_RS256: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0IiwiYXVkIjoiY2xpZW50Iiwic3ViIjoidTEiLCJlbWFpbCI6ImFkYUBleGFtcGxlLmNvbSIsIm5vbmNlIjoibiIsImlhdCI6MTc5NTM0NjE3MiwiZXhwIjoxNzk1MzQ5NzcyfQ.VIHjIO2aEEji7zfbSgM4E_HVEHNrozW6F1_DrAjxEgi2LzMJSGu1C2LkpdT2g_2lSFPkTJMY1zkEGEghP4ORdZFPJqsd2AADsImbE2_gFiVbVi9ayYEuLc3430VbIiYb7xjul7c3DIf473-nFtFdUNQ3VBxYScm44FIXFUQBx_o";
    const ISSUED: i64 = 1_795_346_172;
    const ALL: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256];

    fn moment(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn verify(token: &str, jwks: &str, allowed: &[Algorithm]) -> Result<Claims, TokenError> {
        verify_with_jwks(token, jwks, allowed, moment(ISSUED))
    }

    /// Any header and claims, signed by a new Ed25519 key, and that key.
    fn signed(header: &Value, claims: &Value) -> (String, Value) {
        let world = World::default();
        let key = SigningKey::generate(&world);
        let jwk: Value = serde_json::from_str(&key.public_jwk()).unwrap();
        // What the key signs has its own header; so take the pair itself.
        let private: Value =
            serde_json::from_str(secrecy::ExposeSecret::expose_secret(&key.private_jwk())).unwrap();
        let seed = BASE64URL_NOPAD.decode(private["d"].as_str().unwrap().as_bytes()).unwrap();
        let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let token = crate::auth::jwt::written(&header.to_string(), claims.as_object().unwrap(), |message| {
            pair.sign(message).as_ref().to_vec()
        });
        (token, jwk)
    }

    #[test]
    fn nodes_tokens_of_every_algorithm_are_read() {
        for (token, algorithm) in ALL.iter().zip([EDDSA, RS256, ES256]).map(|(a, t)| (t, *a)) {
            let claims = verify(token, JWKS, &ALL).unwrap();
            assert_eq!(claims["iss"], "https://issuer.test");
            assert_eq!(verify(token, JWKS, &[algorithm]).as_ref(), Ok(&claims));
            // What is not allowed is not tried.
            let others: Vec<Algorithm> = ALL.into_iter().filter(|other| *other != algorithm).collect();
            assert_eq!(verify(token, JWKS, &others), Err(TokenError::Invalid));
            assert_eq!(verify(token, JWKS, &[]), Err(TokenError::Invalid));
            assert_eq!(verify_with_jwks(token, JWKS, &ALL, moment(ISSUED + 3600)), Err(TokenError::Expired));
            assert!(verify_with_jwks(token, JWKS, &ALL, moment(ISSUED + 3599)).is_ok());
        }
    }

    #[test]
    fn a_character_changed_anywhere_is_noticed() {
        for token in [EDDSA, RS256, ES256] {
            for at in 0..token.len() {
                let mut bytes = token.as_bytes().to_vec();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(bytes).unwrap();
                assert!(verify(&changed, JWKS, &ALL).is_err(), "{changed}");
            }
            let end = token.rfind('.').unwrap();
            assert_eq!(verify(&token[..=end], JWKS, &ALL), Err(TokenError::Invalid));
            assert_eq!(verify(&token[..end], JWKS, &ALL), Err(TokenError::Invalid));
        }
        for bad in ["", ".", "..", "a.b.c", "e30.e30.", "e30.e30.e30"] {
            assert_eq!(verify(bad, JWKS, &ALL), Err(TokenError::Invalid), "{bad}");
        }
    }

    #[test]
    fn a_public_key_is_no_secret_and_none_is_no_signature() {
        let claims = json!({"sub": "u1", "exp": ISSUED + 60});
        let claims = claims.as_object().unwrap();
        let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, JWKS.as_bytes());
        for alg in ["HS256", "none", "None", "RS384", "RS512", "PS256", "ES384", ""] {
            let header = json!({"alg": alg, "kid": "rsa-1"}).to_string();
            let token = crate::auth::jwt::written(&header, claims, |message| {
                ring::hmac::sign(&hmac, message).as_ref().to_vec()
            });
            assert_eq!(verify(&token, JWKS, &ALL), Err(TokenError::Invalid), "{alg}");
            let end = token.rfind('.').unwrap();
            assert_eq!(verify(&token[..=end], JWKS, &ALL), Err(TokenError::Invalid), "{alg}");
        }
    }

    #[test]
    fn keys_come_from_the_set_alone() {
        let claims = json!({"sub": "u1", "exp": ISSUED + 60});
        let (_, foreign) = signed(&json!({}), &claims);
        // Its own key, or where to find it, in its header.
        for extra in [
            json!({"jwk": foreign}),
            json!({"jku": "http://127.0.0.1/"}),
            json!({"x5u": "http://127.0.0.1/"}),
        ] {
            let mut header = json!({"alg": "EdDSA", "kid": "ed-1"});
            header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let (token, _) = signed(&header, &claims);
            assert_eq!(verify(&token, JWKS, &ALL), Err(TokenError::Invalid), "{header}");
        }
        let (token, jwk) = signed(&json!({"alg": "EdDSA", "kid": "new"}), &claims);
        assert_eq!(verify(&token, JWKS, &ALL), Err(TokenError::UnknownKey));
        let set = |changes: Value| {
            let mut jwk = jwk.clone();
            jwk["kid"] = "new".into();
            jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            json!({"keys": [{"kty": "unheard of"}, 1, jwk]}).to_string()
        };
        assert!(verify(&token, &set(json!({})), &ALL).is_ok());
        assert!(verify(&token, &set(json!({"use": "sig", "alg": "EdDSA"})), &ALL).is_ok());
        for changes in [
            json!({"use": "enc"}),
            json!({"alg": "ES256"}),
            json!({"kty": "EC"}),
            json!({"crv": "X25519"}),
            json!({"kid": "other"}),
            json!({"kid": null}),
        ] {
            assert_eq!(verify(&token, &set(changes.clone()), &ALL), Err(TokenError::UnknownKey), "{changes}");
        }
        for changes in
            [json!({"x": ""}), json!({"x": null}), json!({"x": "AAAA"}), json!({"x": foreign["x"]})]
        {
            assert_eq!(verify(&token, &set(changes.clone()), &ALL), Err(TokenError::Invalid), "{changes}");
        }
        for bad in ["", "{}", "[]", "null", r#"{"keys":{}}"#] {
            assert_eq!(verify(&token, bad, &ALL), Err(TokenError::UnreadableKeys), "{bad}");
        }
        assert_eq!(verify(&token, r#"{"keys":[]}"#, &ALL), Err(TokenError::UnknownKey));
    }

    #[test]
    fn without_a_name_only_the_only_key_will_do() {
        let claims = json!({"sub": "u1", "exp": ISSUED + 60});
        let (token, jwk) = signed(&json!({"alg": "EdDSA"}), &claims);
        let (_, other) = signed(&json!({}), &claims);
        assert!(verify(&token, &json!({"keys": [jwk]}).to_string(), &ALL).is_ok());
        let two = json!({"keys": [jwk, other]}).to_string();
        assert_eq!(verify(&token, &two, &ALL), Err(TokenError::Invalid));
        // Keys of other types do not count.
        let rsa: Value = serde_json::from_str(SHORT_JWKS).unwrap();
        assert!(verify(&token, &json!({"keys": [rsa["keys"][0], jwk]}).to_string(), &ALL).is_ok());
    }

    #[test]
    fn short_rsa_keys_are_not_believed() {
        assert_eq!(verify(SHORT_RS256, SHORT_JWKS, &ALL), Err(TokenError::Invalid));
    }

    #[test]
    fn times_are_numbers_and_there_is_an_end() {
        let check = |header: Value, claims: Value| {
            let (token, jwk) = signed(&header, &claims);
            verify(&token, &json!({ "keys": [jwk] }).to_string(), &ALL).map(|_| ())
        };
        let plain = || json!({"alg": "EdDSA"});
        for (claims, expected) in [
            (json!({"exp": ISSUED + 1}), Ok(())),
            (json!({"exp": ISSUED as f64 + 0.5}), Ok(())),
            (json!({"exp": ISSUED}), Err(TokenError::Expired)),
            (json!({"exp": -1}), Err(TokenError::Expired)),
            (json!({}), Err(TokenError::Invalid)),
            (json!({"exp": null}), Err(TokenError::Invalid)),
            (json!({"exp": (ISSUED + 1).to_string()}), Err(TokenError::Invalid)),
            (json!({"exp": ISSUED + 1, "nbf": ISSUED + 60}), Ok(())),
            (json!({"exp": ISSUED + 1, "nbf": ISSUED + 61}), Err(TokenError::Invalid)),
            (json!({"exp": ISSUED + 1, "nbf": "0"}), Err(TokenError::Invalid)),
        ] {
            assert_eq!(check(plain(), claims.clone()), expected, "{claims}");
        }
        let claims = json!({"exp": ISSUED + 1});
        for header in [
            json!({}),
            json!({"alg": ["EdDSA"]}),
            json!({"alg": "EdDSA", "kid": 1}),
            json!({"alg": "EdDSA", "crit": []}),
            json!({"alg": "EdDSA", "crit": ["b64"], "b64": false}),
        ] {
            assert_eq!(check(header.clone(), claims.clone()), Err(TokenError::Invalid), "{header}");
        }
    }
}
