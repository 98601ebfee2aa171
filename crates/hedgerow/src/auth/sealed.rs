//! Columns that are encrypted (second factors, signing keys, tokens of other services), and hashes of what only has to be
//! recognised.
//!
//! Always holds: XChaCha20-Poly1305 under the SHA-256 of a secret, `hex(nonce ‖ ciphertext ‖ tag)`, with `$ba$<version>$` in
//! front where secrets have versions; the current secret encrypts, every known one decrypts; what was changed is refused.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::secrets::Secrets;
use crate::context::World;

const VERSIONED: &str = "$ba$";
const NONCE_BYTES: usize = 24;

/// A text cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// It is not of the form that is written here.
    #[error("this is no encrypted text: it is cut or was never encrypted; make the value anew")]
    Malformed,
    /// It names a secret that is not configured.
    #[error(
        "this was encrypted with version {0} of the secrets, which is not configured; put that version back into BETTER_AUTH_SECRETS"
    )]
    UnknownVersion(u32),
    /// No secret opens it.
    #[error(
        "no configured secret opens this text: it was changed, or its secret was taken away; put the older secret back into BETTER_AUTH_SECRETS"
    )]
    WrongSecret,
}

/// Encrypts `plain` with the current secret.
pub fn seal(world: &World, secrets: &Secrets, plain: &str) -> String {
    let nonce = world.random::<NONCE_BYTES>();
    let ciphertext = cipher(secrets.current())
        .encrypt(&XNonce::from(nonce), plain.as_bytes())
        .expect("a text that fits into memory is short enough");
    let hex = format!("{}{}", HEXLOWER.encode(&nonce), HEXLOWER.encode(&ciphertext));
    match secrets.current_version() {
        Some(version) => format!("{VERSIONED}{version}${hex}"),
        None => hex,
    }
}

/// Decrypts what [`seal`] or Better Auth's `symmetricEncrypt` made. What names no version is tried with every secret.
///
/// # Errors
/// See [`SealedError`].
pub fn open(secrets: &Secrets, sealed: &str) -> Result<SecretString, SealedError> {
    let (version, hex) = match sealed.strip_prefix(VERSIONED) {
        None => (None, sealed),
        Some(rest) => {
            let (version, hex) = rest.split_once('$').ok_or(SealedError::Malformed)?;
            (Some(version.parse::<u32>().map_err(|_| SealedError::Malformed)?), hex)
        }
    };
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| SealedError::Malformed)?;
    let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(SealedError::Malformed)?;
    let mut is_known = false;
    for secret in secrets.known().filter(|secret| version.is_none() || secret.version == version) {
        is_known = true;
        if let Ok(plain) = cipher(&secret.text).decrypt(&XNonce::from(*nonce), ciphertext) {
            let plain = Zeroizing::new(plain);
            let text = std::str::from_utf8(&plain).map_err(|_| SealedError::Malformed)?;
            return Ok(SecretString::from(text));
        }
    }
    match version {
        Some(version) if !is_known => Err(SealedError::UnknownVersion(version)),
        _ => Err(SealedError::WrongSecret),
    }
}

/// What is kept of a random token or key that only has to be recognised: base64url of its SHA-256. Not for passwords.
pub fn digest(token: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(token.as_bytes()))
}

fn cipher(secret: &SecretString) -> XChaCha20Poly1305 {
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(secret.expose_secret().as_bytes()).into());
    XChaCha20Poly1305::new(&Key::from(*key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Random, SystemClock};
    use crate::token;

    /// Made by Better Auth.
    const SECRET: &str = "conformance-secret-0123456789-abcdefghijklmnop";
    const PLAIN: &str = "hello 😀";
    const SEALED: &str = "b75a9871f36cd9938d97e6c00acd9cf0ba715247703fbfbece2821a4e0837939b7350f688dc0497255682a2bd603aa5ab988";

    struct Fixed(Vec<u8>);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0);
        }
    }

    fn opened(secrets: &Secrets, sealed: &str) -> Result<String, SealedError> {
        open(secrets, sealed).map(|plain| plain.expose_secret().to_owned())
    }

    #[test]
    fn better_auths_texts_are_read_and_written() {
        let secrets = Secrets::single(SECRET);
        assert_eq!(opened(&secrets, SEALED).as_deref(), Ok(PLAIN));
        assert_eq!(opened(&secrets, &SEALED.to_uppercase()).as_deref(), Ok(PLAIN));
        let world = World::new(SystemClock, Fixed(HEXLOWER.decode(&SEALED.as_bytes()[..48]).unwrap()));
        assert_eq!(seal(&world, &secrets, PLAIN), SEALED);
        let versions = Secrets::parse_versions(&format!("7:{SECRET}")).unwrap();
        assert_eq!(seal(&world, &versions, PLAIN), format!("$ba$7${SEALED}"));
    }

    #[test]
    fn a_key_is_kept_as_better_auth_keeps_it() {
        let key = "acme_LDvcfWZGnrClSWhwxJZaLolXFLSMnYybECasKgNfNKURjDZUaiZzJUolXBjKBvbH";
        assert_eq!(digest(key), "c74Vjc8QoInUIMazxvIujCH8YSJtIO6z3b9V4QJofCU");
        assert_eq!(digest(""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    }

    #[test]
    fn older_secrets_open_what_they_closed() {
        let world = World::default();
        let old = Secrets::parse_versions("1:old").unwrap();
        let both = Secrets::parse_versions("2:new,1:old").unwrap();
        let new = Secrets::parse_versions("2:new").unwrap();
        let (by_old, by_both) = (seal(&world, &old, "text"), seal(&world, &both, "text"));
        assert!(by_old.starts_with("$ba$1$") && by_both.starts_with("$ba$2$"));
        assert_eq!(opened(&both, &by_old).as_deref(), Ok("text"));
        assert_eq!(opened(&new, &by_both).as_deref(), Ok("text"));
        assert_eq!(opened(&new, &by_old), Err(SealedError::UnknownVersion(1)));
        assert_eq!(opened(&Secrets::single("old"), &by_old), Err(SealedError::UnknownVersion(1)));
        // The version is believed, never guessed.
        assert_eq!(opened(&both, &by_old.replace("$1$", "$2$")), Err(SealedError::WrongSecret));
        // From the time before versions: any secret.
        assert_eq!(opened(&both, &seal(&world, &Secrets::single("old"), "text")).as_deref(), Ok("text"));
        assert_eq!(opened(&new.clone().with_unversioned(SECRET), SEALED).as_deref(), Ok(PLAIN));
        assert_eq!(opened(&new, SEALED), Err(SealedError::WrongSecret));
    }

    #[test]
    fn what_was_changed_or_cut_is_refused() {
        let secrets = Secrets::single(SECRET);
        for at in 0..SEALED.len() {
            let mut bytes = SEALED.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(opened(&secrets, &changed), Err(SealedError::WrongSecret), "{changed}");
            assert!(opened(&secrets, &SEALED[..at]).is_err(), "{at}");
        }
        for bad in ["", "hello", "0", "$ba$", "$ba$1", "$ba$x$00", "$ba$-1$00", "$ba$1$", "zz", &SEALED[..46]]
        {
            assert_eq!(opened(&secrets, bad), Err(SealedError::Malformed), "{bad}");
        }
        assert_eq!(opened(&secrets, &SEALED[..48]), Err(SealedError::WrongSecret));
    }

    #[test]
    fn whatever_is_sealed_is_opened_and_never_twice_the_same() {
        let world = World::default();
        for length in 0..200 {
            let secrets = Secrets::single(token::letters::<16>(&world));
            let plain = "ü".repeat(length);
            let sealed = seal(&world, &secrets, &plain);
            assert_eq!(sealed.len(), 2 * (24 + plain.len() + 16));
            assert_eq!(opened(&secrets, &sealed).as_ref(), Ok(&plain));
            assert_ne!(seal(&world, &secrets, &plain), sealed);
            assert_eq!(opened(&Secrets::single("other"), &sealed), Err(SealedError::WrongSecret));
        }
    }
}
