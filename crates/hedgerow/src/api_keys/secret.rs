//! The text of a key: made once, shown once, kept as a hash.

use std::fmt;

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::context::World;
use crate::token;

const PREFIX_LETTERS: usize = 8;
const SECRET_LETTERS: usize = 32;
const CHECKSUM_LETTERS: usize = 6;

/// A whole key, `hrk_<prefix>_<secret><checksum>`: 8, 32 and 6 letters and digits.
///
/// The checksum is the CRC-32 of everything before it, in base 62: a key that was cut or mistyped is told from an
/// unknown one without asking the database.
#[derive(Clone)]
pub struct ApiKeySecret(SecretString);

/// A text is no API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no API key: it is incomplete or mistyped")]
pub struct ApiKeyFormError;

impl ApiKeySecret {
    /// What every key starts with.
    pub const START: &'static str = "hrk_";

    pub(super) fn new(world: &World) -> Self {
        let prefix = token::letters::<PREFIX_LETTERS>(world);
        let secret = token::letters::<SECRET_LETTERS>(world);
        let text = format!("{}{prefix}_{secret}", Self::START);
        let checksum = token::base62(crc32fast::hash(text.as_bytes()), CHECKSUM_LETTERS);
        Self(SecretString::from(text + &checksum))
    }

    /// The key, to be shown once.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// The part that is kept in clear, for people to tell keys apart.
    pub(super) fn prefix(&self) -> &str {
        &self.reveal()[..Self::START.len() + PREFIX_LETTERS]
    }

    /// What is kept of the rest.
    pub(super) fn hash(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.reveal().as_bytes()))
    }
}

impl std::str::FromStr for ApiKeySecret {
    type Err = ApiKeyFormError;

    fn from_str(text: &str) -> Result<Self, ApiKeyFormError> {
        let letters = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
        let rest = text.strip_prefix(Self::START).ok_or(ApiKeyFormError)?;
        let (prefix, secret) = rest.split_once('_').ok_or(ApiKeyFormError)?;
        if prefix.len() != PREFIX_LETTERS || secret.len() != SECRET_LETTERS + CHECKSUM_LETTERS {
            return Err(ApiKeyFormError);
        }
        if !letters(prefix) || !letters(secret) {
            return Err(ApiKeyFormError);
        }
        let (body, checksum) = text.split_at(text.len() - CHECKSUM_LETTERS);
        if token::base62(crc32fast::hash(body.as_bytes()), CHECKSUM_LETTERS) != checksum {
            return Err(ApiKeyFormError);
        }
        Ok(Self(SecretString::from(text)))
    }
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeySecret({}_…)", self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_again_and_a_mistyped_one_is_not() {
        let key = ApiKeySecret::new(&World::default());
        let text = key.reveal().to_owned();
        assert_eq!(text.len(), 4 + 8 + 1 + 32 + 6);
        assert_eq!(text.parse::<ApiKeySecret>().unwrap().hash(), key.hash());
        assert!(text.starts_with(key.prefix()));
        for at in 4..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(changed.parse::<ApiKeySecret>().is_err(), "{at}");
        }
        for bad in ["", "hrk_", "hrk__", &text[..text.len() - 1], &format!("{text}a"), &text.to_uppercase()] {
            assert!(bad.parse::<ApiKeySecret>().is_err(), "{bad}");
        }
        assert!(!format!("{key:?}").contains(&text[13..]));
    }
}
