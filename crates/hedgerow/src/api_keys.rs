//! API keys: made once, shown once, kept as a hash, looked up with each request.
//!
//! Always holds: the database never holds a key, only its SHA-256 (a key has 190 random bits, so nothing slower is
//! needed); a key that is revoked, expired or whose user is banned is no key.

use std::fmt;

use data_encoding::HEXLOWER;
use hedgerow_database::{Identity, Row, UserId};
use hedgerow_schema::{InputError, Scope};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::context::{SignedIn, World};
use crate::error::Error;
use crate::token;
use crate::users::{User, is_admin_role};

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

    fn new(world: &World) -> Self {
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
    fn prefix(&self) -> &str {
        &self.reveal()[..Self::START.len() + PREFIX_LETTERS]
    }

    /// What is kept of the rest.
    fn hash(&self) -> String {
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

/// A key as it can be shown again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Names it for revocation.
    pub id: String,
    /// Whose it is.
    pub user_id: UserId,
    /// For people.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether somebody stopped it.
    pub revoked: bool,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// For people.
    pub name: String,
    /// What it allows; at least one.
    pub scopes: Vec<Scope>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
}

/// In a table that was there before Hedgerow, some may be NULL, and moments without a zone.
macro_rules! columns {
    () => {
        r#"id, "userId", name, prefix, scopes, "expiresAt"::timestamptz,
           coalesce("createdAt"::timestamptz, 'epoch'), coalesce(revoked, false)"#
    };
}

/// Makes a key for a user. The secret is nowhere else afterwards.
///
/// # Errors
/// [`Error::Input`] for a name, scope or end that makes no sense.
pub async fn create(app: &App, user: &User, new: &NewApiKey) -> Result<(ApiKey, ApiKeySecret), Error> {
    let mut mistakes = Vec::new();
    let mut mistake = |field: &str, code, message: String| {
        mistakes.push(InputError { field: field.to_owned(), code, message });
    };
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 255 || name.contains('\0') {
        mistake("name", "invalid_name", "a key's name has 1 to 255 characters".to_owned());
    }
    if new.scopes.is_empty() {
        mistake(
            "scope",
            "scope_required",
            "a key needs at least one scope, for example `tasks:read` or `*`".to_owned(),
        );
    }
    let schema = app.schema();
    for scope in &new.scopes {
        if let Err(error) = scope.check(&schema) {
            mistake("scope", "unknown_scope", error.to_string());
        }
    }
    if new.expires_at.is_some_and(|end| end <= app.world().now()) {
        mistake("expires", "invalid_expiry", "a key cannot end before it begins".to_owned());
    }
    if !mistakes.is_empty() {
        return Err(Error::Input(mistakes));
    }
    let secret = ApiKeySecret::new(app.world());
    let scopes: Vec<String> = new.scopes.iter().map(Scope::to_string).collect();
    let sql = concat!(
        r#"INSERT INTO public.api_keys (id, name, key, prefix, scopes, "expiresAt")
           VALUES ($1, $2, $3, $4, $5, $6::timestamptz) RETURNING "#,
        columns!()
    );
    // As the user: a key is their own row like any other.
    let identity = Identity::User(user.id.clone());
    let id = app.world().new_id();
    let rows = app
        .database()
        .flight(&identity)
        .rows(sql, &[&id, &name, &secret.hash(), &secret.prefix(), &scopes, &new.expires_at])
        .await
        .map_err(|error| Error::without_entity("create an API key", error))?;
    let row = rows.first().ok_or(Error::NotFound)?;
    Ok((read(row)?, secret))
}

/// All keys, or those of one user, oldest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(app: &App, user: Option<&UserId>) -> Result<Vec<ApiKey>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        r#" FROM public.api_keys WHERE $1::text IS NULL OR "userId" = $1 ORDER BY "createdAt", id"#
    );
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&user.map(UserId::as_str)]).await;
    rows.map_err(|error| Error::without_entity("list API keys", error))?.iter().map(read).collect()
}

/// Stops a key at once, for every instance.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn revoke(app: &App, id: &str) -> Result<(), Error> {
    if id.contains('\0') {
        return Err(Error::NotFound);
    }
    let sql = "UPDATE public.api_keys SET revoked = true WHERE id = $1";
    let count = app.database().flight(&Identity::Auth).execute(sql, &[&id]).await;
    match count.map_err(|error| Error::without_entity("revoke an API key", error))? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Who a key speaks for, and what it allows.
///
/// # Errors
/// [`Error::InvalidCredential`] for a key that is unknown, revoked, expired, or whose user is banned: which of these, the
/// answer does not say.
pub async fn authenticate(app: &App, key: &ApiKeySecret) -> Result<SignedIn, Error> {
    // The hash is compared by the index; how long that takes says nothing about a key that is not known.
    let sql = r#"SELECT k."userId", k.scopes, coalesce(u.role, 'member'), k.id FROM public.api_keys k JOIN public."user" u ON u.id = k."userId"
        WHERE k.key = $1 AND NOT coalesce(k.revoked, false) AND (k."expiresAt" IS NULL OR k."expiresAt" > CURRENT_TIMESTAMP)
          AND NOT (coalesce(u.banned, false) AND (u."banExpires" IS NULL OR u."banExpires" > CURRENT_TIMESTAMP))"#;
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&key.hash()]).await;
    let rows = rows.map_err(|error| Error::without_entity("look an API key up", error))?;
    let row = rows.first().ok_or(Error::InvalidCredential)?;
    let internal =
        |error: hedgerow_database::Error| Error::Internal { doing: "read an API key", source: error.into() };
    let id: String = row.get(0).map_err(internal)?;
    let scopes: Vec<String> = row.get(1).map_err(internal)?;
    let role: String = row.get(2).map_err(internal)?;
    let key_id: String = row.get(3).map_err(internal)?;
    Ok(SignedIn {
        id: id.parse().map_err(|_| Error::InvalidCredential)?,
        is_admin: is_admin_role(&role),
        // A scope that this version cannot read allows nothing.
        scopes: Some(scopes.iter().filter_map(|scope| scope.parse().ok()).collect()),
        key: Some(key_id),
    })
}

fn read(row: &Row) -> Result<ApiKey, Error> {
    let key = || -> Result<ApiKey, hedgerow_database::Error> {
        let user_id: String = row.get(1)?;
        Ok(ApiKey {
            id: row.get(0)?,
            user_id: user_id
                .parse()
                .map_err(|error| hedgerow_database::Error::Protocol(format!("{error}")))?,
            name: row.get(2)?,
            prefix: row.get(3)?,
            scopes: row.get(4)?,
            expires_at: row.get(5)?,
            created_at: row.get(6)?,
            revoked: row.get(7)?,
        })
    };
    key().map_err(|error| Error::Internal { doing: "read an API key", source: error.into() })
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
