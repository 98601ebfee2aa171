//! The tokens that other services read: EdDSA over Ed25519 (RFC 8037), with keys as JSON Web Keys in the table `jwks`.
//!
//! Always holds: a private key is never printed and is kept encrypted; both forms of a key are written as npm's `jose` writes
//! them, member by member.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Claims, written};
use crate::auth::sealed::{self, SealedError};
use crate::auth::secrets::Secrets;
use crate::context::World;

const SEED_BYTES: usize = 32;

/// A key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; SEED_BYTES]>,
}

/// A private key cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no private Ed25519 key.
    #[error(
        "this is no private Ed25519 key as JSON Web Key; delete its row of `jwks`, and the next token makes a new one"
    )]
    Malformed,
    /// It cannot be decrypted.
    #[error("cannot decrypt a private key")]
    Sealed(#[source] SealedError),
}

impl SigningKey {
    /// A new key.
    pub fn generate(world: &World) -> Self {
        let seed = Zeroizing::new(world.random::<SEED_BYTES>());
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).expect("every seed of 32 bytes is a key");
        Self { pair, seed }
    }

    /// Reads `{"crv":"Ed25519","d":…,"x":…,"kty":"OKP"}`, in whichever order.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], also when the public half is not the private one's.
    pub fn from_private_jwk(jwk: &str) -> Result<Self, KeyError> {
        let jwk: Value = serde_json::from_str(jwk).map_err(|_| KeyError::Malformed)?;
        if jwk["kty"] != "OKP" || jwk["crv"] != "Ed25519" {
            return Err(KeyError::Malformed);
        }
        let bytes = |name: &str| {
            let text = jwk[name].as_str().ok_or(KeyError::Malformed)?;
            let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| KeyError::Malformed)?;
            <[u8; SEED_BYTES]>::try_from(bytes).map_err(|_| KeyError::Malformed)
        };
        let seed = Zeroizing::new(bytes("d")?);
        let pair = Ed25519KeyPair::from_seed_and_public_key(&*seed, &bytes("x")?);
        Ok(Self { pair: pair.map_err(|_| KeyError::Malformed)?, seed })
    }

    /// The public half, as the column `publicKey` keeps it.
    pub fn public_jwk(&self) -> String {
        format!(r#"{{"crv":"Ed25519","x":"{}","kty":"OKP"}}"#, self.x())
    }

    /// Both halves.
    pub fn private_jwk(&self) -> SecretString {
        let d = Zeroizing::new(BASE64URL_NOPAD.encode(&*self.seed));
        SecretString::from(format!(r#"{{"crv":"Ed25519","d":"{}","x":"{}","kty":"OKP"}}"#, *d, self.x()))
    }

    /// Both halves, as the column `privateKey` keeps them: encrypted, as a JSON string.
    pub fn seal(&self, world: &World, secrets: &Secrets) -> String {
        Value::String(sealed::seal(world, secrets, self.private_jwk().expose_secret())).to_string()
    }

    /// Reads the column `privateKey`, encrypted or (as Better Auth can be told to keep it) not.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open(secrets: &Secrets, column: &str) -> Result<Self, KeyError> {
        match serde_json::from_str(column) {
            Ok(Value::String(text)) => {
                let jwk = sealed::open(secrets, &text).map_err(KeyError::Sealed)?;
                Self::from_private_jwk(jwk.expose_secret())
            }
            _ => Self::from_private_jwk(column),
        }
    }

    /// A token that says `claims`. `kid` is the id of the key's row.
    pub fn sign(&self, kid: &str, claims: &Claims) -> String {
        let header = format!(r#"{{"alg":"EdDSA","kid":{}}}"#, Value::from(kid));
        written(&header, claims, |signed| self.pair.sign(signed).as_ref().to_vec())
    }

    fn x(&self) -> String {
        BASE64URL_NOPAD.encode(self.pair.public_key().as_ref())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(x {})", self.x())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::auth::jwt::TokenError;
    use crate::auth::jwt::jwks::{Algorithm, verify_with_jwks};

    /// Made by Node.
    const PRIVATE: &str = r#"{"crv":"Ed25519","d":"QG-Aw4szA-0YHM0AVVLPkyiLlXTYX01-41dnGCXGbmI","x":"4JDHvqqX7PyBZCVVZTN7Shgoq2r_tbLjPPEErphPbGw","kty":"OKP"}"#;
    const PUBLIC: &str = r#"{"crv":"Ed25519","x":"4JDHvqqX7PyBZCVVZTN7Shgoq2r_tbLjPPEErphPbGw","kty":"OKP"}"#;
    const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0IiwiYXVkIjoiY2xpZW50Iiwic3ViIjoidTEiLCJlbWFpbCI6ImFkYUBleGFtcGxlLmNvbSIsIm5vbmNlIjoibiIsImlhdCI6MTc5NTM0NjE3MiwiZXhwIjoxNzk1MzQ5NzcyfQ.42oolS7_4MuilLWiOBHTtgkMB4xEunTIqt-KOnzJaukOKxPiJx1ZHPT-4bMfco6LQCixsaHv5xYmzsT9UXgpBQ";

    /// Made by Better Auth: `GET /jwks` and `GET /token`.
    const BETTER_AUTH_JWKS: &str = r#"{"keys":[{"alg":"EdDSA","crv":"Ed25519","x":"PIgLcC_0FoPrh9A6RvHL-wVnLEYFYFVT2o6_sWTMdq4","kty":"OKP","kid":"8sX1GBJwnH1eq6K613AiioJCLcO50dEq"}]}"#;
    const BETTER_AUTH_TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6IjhzWDFHQkp3bkgxZXE2SzYxM0FpaW9KQ0xjTzUwZEVxIn0.eyJpYXQiOjE3OTUzNDcwNDIsIm5hbWUiOiJGdWxsIiwiZW1haWwiOiJmdWxsQGV4YW1wbGUuY29tIiwiZW1haWxWZXJpZmllZCI6ZmFsc2UsImltYWdlIjpudWxsLCJjcmVhdGVkQXQiOiIyMDI2LTExLTIyVDExOjMwOjQyLjc4NVoiLCJ1cGRhdGVkQXQiOiIyMDI2LTExLTIyVDExOjMwOjQyLjc4NVoiLCJyb2xlIjoidXNlciIsImJhbm5lZCI6ZmFsc2UsImJhblJlYXNvbiI6bnVsbCwiYmFuRXhwaXJlcyI6bnVsbCwidHdvRmFjdG9yRW5hYmxlZCI6ZmFsc2UsInVzZXJuYW1lIjoiZnVsbF91c2VyIiwiZGlzcGxheVVzZXJuYW1lIjoiRnVsbF9Vc2VyIiwiaXNBbm9ueW1vdXMiOmZhbHNlLCJwaG9uZU51bWJlciI6bnVsbCwicGhvbmVOdW1iZXJWZXJpZmllZCI6bnVsbCwiaWQiOiI1bnF6Qld5T0RxbGgxZTdWM0xYRjM0ZXI0cWNhSlZDMSIsInN1YiI6IjVucXpCV3lPRHFsaDFlN1YzTFhGMzRlcjRxY2FKVkMxIiwiZXhwIjoxNzk1MzQ3OTQyLCJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjM5MDEiLCJhdWQiOiJodHRwOi8vMTI3LjAuMC4xOjM5MDEifQ.0LGNJPnCQjydgwRdMPKR4LCOQ60grPFUFWwXKso-oSwBrmqM4uHfDJQhDj_HLp456PZcPG1dqEx1RyfWTrioCQ";

    fn moment(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn jwks(key: &SigningKey, kid: &str) -> String {
        let mut jwk: Value = serde_json::from_str(&key.public_jwk()).unwrap();
        jwk["kid"] = kid.into();
        json!({ "keys": [jwk] }).to_string()
    }

    #[test]
    fn nodes_keys_and_tokens_are_written_alike() {
        let key = SigningKey::from_private_jwk(PRIVATE).unwrap();
        assert_eq!(key.private_jwk().expose_secret(), PRIVATE);
        assert_eq!(key.public_jwk(), PUBLIC);
        let claims =
            verify_with_jwks(TOKEN, &jwks(&key, "ed-1"), &[Algorithm::EdDsa], moment(1_795_346_172)).unwrap();
        assert_eq!(claims["sub"], "u1");
        assert_eq!(key.sign("ed-1", &claims), TOKEN);
    }

    #[test]
    fn better_auths_token_is_read() {
        let read =
            |now| verify_with_jwks(BETTER_AUTH_TOKEN, BETTER_AUTH_JWKS, &[Algorithm::EdDsa], moment(now));
        let claims = read(1_795_347_941).unwrap();
        assert_eq!(claims["email"], "full@example.com");
        assert_eq!(claims["sub"], claims["id"]);
        assert_eq!(read(1_795_347_942), Err(TokenError::Expired));
        // The same header and claims, to the byte, under a key of ours.
        let key = SigningKey::generate(&World::default());
        let ours = key.sign("8sX1GBJwnH1eq6K613AiioJCLcO50dEq", &claims);
        assert_eq!(ours.rsplit_once('.').unwrap().0, BETTER_AUTH_TOKEN.rsplit_once('.').unwrap().0);
    }

    #[test]
    fn a_key_is_read_again_from_its_row() {
        let world = World::default();
        let secrets = Secrets::parse_versions("2:new,1:old").unwrap();
        for _ in 0..50 {
            let key = SigningKey::generate(&world);
            let column = key.seal(&world, &secrets);
            assert!(column.starts_with("\"$ba$2$") && column.ends_with('"'), "{column}");
            let again = SigningKey::open(&secrets, &column).unwrap();
            assert_eq!(again.private_jwk().expose_secret(), key.private_jwk().expose_secret());
            let claims = json!({"sub": "ü\n\"", "exp": 4_000_000_000_i64}).as_object().cloned().unwrap();
            let token = again.sign("k\"id", &claims);
            let read = verify_with_jwks(&token, &jwks(&key, "k\"id"), &[Algorithm::EdDsa], moment(0));
            assert_eq!(read, Ok(claims));
        }
        assert_eq!(SigningKey::open(&secrets, PRIVATE).unwrap().public_jwk(), PUBLIC);
        let foreign = SigningKey::generate(&world).seal(&world, &Secrets::single("foreign"));
        assert_eq!(
            SigningKey::open(&secrets, &foreign).unwrap_err(),
            KeyError::Sealed(SealedError::WrongSecret)
        );
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let other = SigningKey::generate(&World::default());
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            PUBLIC,
            &PRIVATE.replace("OKP", "EC"),
            &PRIVATE.replace("Ed25519", "X25519"),
            &PRIVATE.replace("\"d\":\"", "\"d\":\"AAAA"),
            &PRIVATE.replace("\"d\":\"", "\"d\":\"="),
            // The halves of two keys.
            &PRIVATE.replace(&SigningKey::from_private_jwk(PRIVATE).unwrap().x(), &other.x()),
        ] {
            assert_eq!(SigningKey::from_private_jwk(bad).unwrap_err(), KeyError::Malformed, "{bad}");
            assert!(SigningKey::open(&Secrets::single("s"), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_prints_a_private_key() {
        let key = SigningKey::from_private_jwk(PRIVATE).unwrap();
        let d = serde_json::from_str::<Value>(PRIVATE).unwrap()["d"].as_str().unwrap().to_owned();
        assert!(!format!("{key:?} {:?}", key.private_jwk()).contains(&d));
    }
}
