//! The secrets that cookies, tokens and encrypted columns hang on.
//!
//! Always holds: there is a current secret, and it alone signs and encrypts; older ones only open what was encrypted with
//! them. None is ever printed, in errors neither.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::hkdf;
use secrecy::{ExposeSecret, SecretString};

/// What Better Auth falls back to where no secret is set, in its present and its earlier versions: everybody knows them.
const WELL_KNOWN: [&str; 2] = ["better-auth-secret-12345678901234567890", "better-auth-secret-123456789"];

const FEWEST_CHARACTERS: usize = 32;

/// The current secret and the older ones.
#[derive(Clone)]
pub struct Secrets {
    current: Secret,
    older: Vec<Secret>,
}

/// One of them.
#[derive(Clone)]
pub(crate) struct Secret {
    /// What `$ba$<version>$` names in front of what is encrypted with it.
    pub(super) version: Option<u32>,
    pub(crate) text: SecretString,
}

/// A list of secrets cannot be read. Entries are counted from 1 and never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// There is nothing in the list.
    #[error("the list of secrets is empty; it is written `2:newest,1:older`, the current one first")]
    Empty,
    /// No colon.
    #[error(
        "secret {entry} has no version; each is written `<version>:<secret>`, and a secret holds no comma"
    )]
    NoVersion {
        /// Which entry.
        entry: usize,
    },
    /// What stands before the colon is no number.
    #[error("secret {entry} has a version that is no whole number from 0 to 4294967295")]
    BadVersion {
        /// Which entry.
        entry: usize,
    },
    /// Nothing stands behind the colon.
    #[error("secret {entry} is empty; write it behind the colon or take the entry away")]
    NoSecret {
        /// Which entry.
        entry: usize,
    },
    /// A version stands twice.
    #[error("version {version} stands twice in the list of secrets; a new secret takes a new version")]
    Repeated {
        /// The version.
        version: u32,
    },
}

/// Why a secret protects little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Fewer than 32 characters.
    #[error(
        "the secret has fewer than 32 characters, so it could be guessed; take one from `openssl rand -base64 32`"
    )]
    Short,
    /// It stands in Better Auth's source.
    #[error(
        "the secret is Better Auth's published default, so anybody can forge a session; take one from `openssl rand -base64 32`"
    )]
    WellKnown,
}

impl Secrets {
    /// The only secret there is, as `BETTER_AUTH_SECRET` gives it.
    pub fn single(text: impl Into<String>) -> Self {
        Self { current: Secret { version: None, text: text.into().into() }, older: Vec::new() }
    }

    /// Secrets by version, as `BETTER_AUTH_SECRETS` gives them: `2:newest,1:older`, the current one first.
    ///
    /// ```
    /// # use hedgerow::auth::secrets::Secrets;
    /// let secrets = Secrets::parse_versions("2:hunter2-hunter2-hunter2-hunter2-h,1:old").unwrap();
    /// assert!(secrets.is_good());
    /// assert_eq!(format!("{secrets:?}"), "Secrets(version 2 and 1 older)");
    /// ```
    ///
    /// # Errors
    /// What is wrong with the list, and in which entry.
    pub fn parse_versions(text: &str) -> Result<Self, SecretsError> {
        if text.trim().is_empty() {
            return Err(SecretsError::Empty);
        }
        let mut known: Vec<Secret> = Vec::new();
        for (entry, part) in text.split(',').enumerate() {
            let entry = entry + 1;
            let (version, secret) = part.split_once(':').ok_or(SecretsError::NoVersion { entry })?;
            let version = version.trim();
            if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(SecretsError::BadVersion { entry });
            }
            let version: u32 = version.parse().map_err(|_| SecretsError::BadVersion { entry })?;
            let secret = secret.trim();
            if secret.is_empty() {
                return Err(SecretsError::NoSecret { entry });
            }
            if known.iter().any(|secret| secret.version == Some(version)) {
                return Err(SecretsError::Repeated { version });
            }
            known.push(Secret { version: Some(version), text: SecretString::from(secret) });
        }
        let mut known = known.into_iter();
        let current = known.next().ok_or(SecretsError::Empty)?;
        Ok(Self { current, older: known.collect() })
    }

    /// Opens also what was encrypted with `text` before there were versions.
    #[must_use]
    pub fn with_unversioned(mut self, text: impl Into<String>) -> Self {
        self.older.push(Secret { version: None, text: text.into().into() });
        self
    }

    /// Signs and encrypts with `text` from now on, and opens with what was there besides.
    #[must_use]
    pub fn led_by(self, text: impl Into<String>) -> Self {
        let current = Secret { version: None, text: text.into().into() };
        Self { current, older: std::iter::once(self.current).chain(self.older).collect() }
    }

    /// Secrets of their own for one purpose, as Better Auth derives them (HKDF, RFC 5869): what is encrypted for one opens for no
    /// other.
    #[must_use]
    pub(super) fn for_purpose(&self, purpose: &str) -> Self {
        let derived = |secret: &Secret| {
            let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"better-auth:oauth-encryption:v1");
            let info = format!("better-auth:{purpose}:v1");
            let mut key = [0; 32];
            salt.extract(secret.text.expose_secret().as_bytes())
                .expand(&[info.as_bytes()], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(&mut key))
                .expect("32 bytes are not too many");
            Secret { version: secret.version, text: HEXLOWER.encode(&key).into() }
        };
        Self { current: derived(&self.current), older: self.older.iter().map(derived).collect() }
    }

    /// What signs and encrypts.
    pub fn current(&self) -> &SecretString {
        &self.current.text
    }

    /// Whether the current secret protects anything.
    pub fn is_good(&self) -> bool {
        self.weakness().is_none()
    }

    /// Why the current secret protects little, if it does.
    pub fn weakness(&self) -> Option<Weakness> {
        let text = self.current.text.expose_secret();
        if WELL_KNOWN.contains(&text) {
            Some(Weakness::WellKnown)
        } else if text.chars().count() < FEWEST_CHARACTERS {
            Some(Weakness::Short)
        } else {
            None
        }
    }

    pub(super) fn current_version(&self) -> Option<u32> {
        self.current.version
    }

    /// All, the current one first.
    pub(crate) fn known(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.current.version {
            Some(version) => write!(f, "Secrets(version {version} and {} older)", self.older.len()),
            None => write!(f, "Secrets(one and {} older)", self.older.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(secrets: &Secrets) -> Vec<(Option<u32>, &str)> {
        secrets.known().map(|secret| (secret.version, secret.text.expose_secret())).collect()
    }

    #[test]
    fn the_first_of_a_list_is_current() {
        let secrets =
            Secrets::parse_versions(" 2:new:with:colons , 1: old ").unwrap().with_unversioned("first");
        assert_eq!(versions(&secrets), [(Some(2), "new:with:colons"), (Some(1), "old"), (None, "first")]);
        assert_eq!(secrets.current().expose_secret(), "new:with:colons");
        assert_eq!(versions(&Secrets::single("s")), [(None, "s")]);
    }

    #[test]
    fn a_list_that_cannot_be_read_says_where() {
        for (text, expected) in [
            ("", SecretsError::Empty),
            ("  ", SecretsError::Empty),
            ("secret", SecretsError::NoVersion { entry: 1 }),
            ("2:a,", SecretsError::NoVersion { entry: 2 }),
            ("2:a,b", SecretsError::NoVersion { entry: 2 }),
            (":a", SecretsError::BadVersion { entry: 1 }),
            ("-1:a", SecretsError::BadVersion { entry: 1 }),
            ("+1:a", SecretsError::BadVersion { entry: 1 }),
            ("1.5:a", SecretsError::BadVersion { entry: 1 }),
            ("4294967296:a", SecretsError::BadVersion { entry: 1 }),
            ("2:a,1: ", SecretsError::NoSecret { entry: 2 }),
            ("2:a,2:b", SecretsError::Repeated { version: 2 }),
            ("2:a,02:b", SecretsError::Repeated { version: 2 }),
        ] {
            assert_eq!(Secrets::parse_versions(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn short_and_published_secrets_are_weak() {
        assert_eq!(Secrets::single("").weakness(), Some(Weakness::Short));
        assert_eq!(Secrets::single("x".repeat(31)).weakness(), Some(Weakness::Short));
        // 31 characters, whatever number of bytes.
        assert_eq!(Secrets::single("ü".repeat(31)).weakness(), Some(Weakness::Short));
        assert!(Secrets::single("x".repeat(32)).is_good());
        for text in WELL_KNOWN {
            assert_eq!(Secrets::single(text).weakness(), Some(Weakness::WellKnown));
        }
        assert!(!Secrets::parse_versions(&format!("2:short,1:{}", "x".repeat(40))).unwrap().is_good());
    }

    #[test]
    fn a_purpose_has_keys_of_its_own() {
        // Computed by another implementation of RFC 5869.
        let one = Secrets::single("conformance-secret-0123456789-abcdefghijklmnop");
        let derived = one.for_purpose("oauth-link-session-token");
        let expected = "affb79854be3fb3589a257aa0ce0b70d4213814427678028bd16bcb13ad5c834";
        assert_eq!(versions(&derived), [(None, expected)]);
        assert_ne!(versions(&one.for_purpose("oauth-state-cookie")), versions(&derived));
        let many = Secrets::parse_versions("2:new,1:conformance-secret-0123456789-abcdefghijklmnop").unwrap();
        assert_eq!(versions(&many.for_purpose("oauth-link-session-token"))[1], (Some(1), expected));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secrets = Secrets::parse_versions("7:hidden-one,3:hidden-two").unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(version 7 and 1 older)");
        assert!(!format!("{:#?}", secrets.current()).contains("hidden"));
        let error = Secrets::parse_versions("7:hidden-one,hidden-two").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hidden"));
    }
}
