//! Tokens whose claims only we read (JWE, RFC 7516): `dir` with A256CBC-HS512 under a key made of a secret, as Better Auth
//! encrypts cached sessions.
//!
//! Always holds: the current secret encrypts, every known one decrypts, and nothing is decrypted before it is authenticated.

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use ring::{hkdf, hmac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Claims, LONGEST, TokenError, check_end, object};
use crate::auth::secrets::Secrets;
use crate::context::World;

const SALT: &[u8] = b"better-auth-session";
const INFO: &[u8] = b"BetterAuth.js Generated Encryption Key";
const IV_BYTES: usize = 16;
const HALF: usize = 32;

/// The claims, encrypted. They have to hold `exp`, or nobody reads them.
pub fn encrypt(world: &World, secrets: &Secrets, claims: &Claims) -> String {
    let key = Key::of(secrets.current());
    let header = format!(r#"{{"alg":"dir","enc":"A256CBC-HS512","kid":"{}"}}"#, key.id());
    let header = BASE64URL_NOPAD.encode(header.as_bytes());
    let iv = world.random::<IV_BYTES>();
    let plain = Value::Object(claims.clone()).to_string();
    let ciphertext = cbc::Encryptor::<Aes256>::new(key.cipher().into(), &iv.into())
        .encrypt_padded_vec::<Pkcs7>(plain.as_bytes());
    let tag = key.tag(&header, &iv, &ciphertext);
    let [iv, ciphertext, tag] = [&iv[..], &ciphertext, &tag].map(|part| BASE64URL_NOPAD.encode(part));
    // `dir` has no encrypted key: nothing stands between the first two dots.
    format!("{header}..{iv}.{ciphertext}.{tag}")
}

/// Reads what [`encrypt`] or Better Auth wrote with any of the known secrets.
///
/// # Errors
/// [`TokenError::Expired`] only for a token that was right, else [`TokenError::Invalid`].
pub fn decrypt(secrets: &Secrets, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
    if token.len() > LONGEST {
        return Err(TokenError::Invalid);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, "", iv, ciphertext, tag] = parts[..] else { return Err(TokenError::Invalid) };
    let named = object(header)?;
    let says = |name: &str| named.get(name).and_then(Value::as_str);
    if says("alg") != Some("dir") || says("enc") != Some("A256CBC-HS512") {
        return Err(TokenError::Invalid);
    }
    if ["crit", "zip"].iter().any(|name| named.contains_key(*name)) {
        return Err(TokenError::Invalid);
    }
    let bytes = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| TokenError::Invalid);
    let (iv, ciphertext, tag) = (bytes(iv)?, bytes(ciphertext)?, bytes(tag)?);
    let iv: [u8; IV_BYTES] = iv.try_into().map_err(|_| TokenError::Invalid)?;
    // The key's name is a hint for which secret it was; the tag decides.
    let key = secrets
        .known()
        .map(|secret| Key::of(&secret.text))
        .find(|key| bool::from(key.tag(header, &iv, &ciphertext).ct_eq(tag.as_slice())))
        .ok_or(TokenError::Invalid)?;
    let plain = cbc::Decryptor::<Aes256>::new(key.cipher().into(), &iv.into())
        .decrypt_padded_vec::<Pkcs7>(&ciphertext)
        .map_err(|_| TokenError::Invalid)?;
    let claims: Claims = serde_json::from_slice(&plain).map_err(|_| TokenError::Invalid)?;
    check_end(&claims, now)?;
    Ok(claims)
}

/// 32 bytes that authenticate and 32 that encrypt (RFC 7518, section 5.2.2.1).
struct Key(Zeroizing<[u8; 2 * HALF]>);

impl Key {
    fn of(secret: &SecretString) -> Self {
        let mut key = Zeroizing::new([0; 2 * HALF]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, SALT)
            .extract(secret.expose_secret().as_bytes())
            .expand(&[INFO], Length)
            .and_then(|expanded| expanded.fill(&mut *key))
            .expect("a length that HKDF allows");
        Self(key)
    }

    fn cipher(&self) -> &[u8; HALF] {
        self.0.last_chunk().expect("half of the key")
    }

    /// Its name: the thumbprint of the key as JSON Web Key (RFC 7638).
    fn id(&self) -> String {
        let jwk = Zeroizing::new(format!(r#"{{"k":"{}","kty":"oct"}}"#, BASE64URL_NOPAD.encode(&*self.0)));
        BASE64URL_NOPAD.encode(&Sha256::digest(jwk.as_bytes()))
    }

    /// RFC 7518, section 5.2.2.1: half of an HMAC-SHA512.
    fn tag(&self, header: &str, iv: &[u8], ciphertext: &[u8]) -> [u8; HALF] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA512, &self.0[..HALF]));
        context.update(header.as_bytes());
        context.update(iv);
        context.update(ciphertext);
        context.update(&(header.len() as u64 * 8).to_be_bytes());
        *context.sign().as_ref().first_chunk().expect("half of 64 bytes")
    }
}

/// Of a whole key, as HKDF asks for it.
struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        2 * HALF
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::{Random, SystemClock};
    use crate::token;

    /// Made by Better Auth.
    const SECRET: &str = "conformance-secret-0123456789-abcdefghijklmnop";
    const TOKEN: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiUzZPZkRWRkNZd014bXJ3a1BkV0RpUkFJV042VWJkTFJRZ3JiVnJERTludyJ9..DU22f6XbQ5Ba78AohlqNsQ.Q2cPCVmYl4v3yqM2EJOrezcijLr5KzT44lu4jGkg9aSR0O3U69pzYOzuyQD1pIb7fMohq2LhVdZtu1OSX-qjfeJB7usBbeWRpb8OmwHNLfZ-ohVhwP_lcdrNEdJfQ0Qf.nwASI8qB0rZRkjqQytcVS-71EPjZlmiasMg9dv3NQ1s";

    struct Fixed(Vec<u8>);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0);
        }
    }

    fn moment(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn better_auths_token_is_read_and_written() {
        let secrets = Secrets::single(SECRET);
        let claims = decrypt(&secrets, TOKEN, moment(0)).unwrap();
        let expected =
            r#"{"a":1,"iat":1795346172,"exp":1795349772,"jti":"c6dc466f-8f13-4ac8-8b72-a115c0279696"}"#;
        assert_eq!(json!(claims).to_string(), expected);
        let iv = BASE64URL_NOPAD.decode(TOKEN.split('.').nth(2).unwrap().as_bytes()).unwrap();
        assert_eq!(encrypt(&World::new(SystemClock, Fixed(iv)), &secrets, &claims), TOKEN);
        let end = claims["exp"].as_i64().unwrap();
        assert!(decrypt(&secrets, TOKEN, moment(end - 1)).is_ok());
        assert_eq!(decrypt(&secrets, TOKEN, moment(end)), Err(TokenError::Expired));
    }

    #[test]
    fn a_character_changed_anywhere_is_noticed() {
        let secrets = Secrets::single(SECRET);
        for at in 0..TOKEN.len() {
            let mut bytes = TOKEN.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(decrypt(&secrets, &changed, moment(0)), Err(TokenError::Invalid), "{at}");
            assert_eq!(decrypt(&secrets, &TOKEN[..at], moment(0)), Err(TokenError::Invalid), "{at}");
        }
        for bad in ["", "....", "e30....", &TOKEN.replace("..", ".AAAA."), &format!("{TOKEN}.")] {
            assert_eq!(decrypt(&secrets, bad, moment(0)), Err(TokenError::Invalid), "{bad}");
        }
    }

    #[test]
    fn whatever_is_encrypted_is_read_by_who_knows_the_secret() {
        let world = World::default();
        for length in 0..100 {
            let secret = token::letters::<32>(&world);
            let claims = json!({"session": "ü".repeat(length), "exp": 10}).as_object().cloned().unwrap();
            let token = encrypt(&world, &Secrets::single(&secret), &claims);
            let rotated = Secrets::parse_versions(&format!("2:new,1:{secret}")).unwrap();
            assert_eq!(decrypt(&rotated, &token, moment(9)).as_ref(), Ok(&claims));
            assert_eq!(decrypt(&rotated, &token, moment(10)), Err(TokenError::Expired));
            assert_eq!(decrypt(&Secrets::single("new"), &token, moment(9)), Err(TokenError::Invalid));
            let endless = json!({"session": length}).as_object().cloned().unwrap();
            let token = encrypt(&world, &rotated, &endless);
            assert_eq!(decrypt(&rotated, &token, moment(9)), Err(TokenError::Invalid));
        }
    }
}
