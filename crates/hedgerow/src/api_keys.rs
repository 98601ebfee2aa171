//! API keys: made once, shown once, kept as a hash, proved with each request.
//!
//! Always holds: the database never holds a key, only its SHA-256 (a key has 190 random bits, so nothing slower is
//! needed); a key that is revoked, expired or whose user is banned is no key, on any instance, from that moment on; a key
//! makes no key.

mod address;
mod keeping;
mod proof;
mod secret;
mod usage;

use std::time::Duration;

use hedgerow_database::{Row, UserId};
use hedgerow_schema::Scope;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Error;

pub use address::{AddressError, parse_network};
pub use ipnet::IpNet;
pub use keeping::{
    MAX_OVERLAP, OVERLAP, Page, create, create_own, delete, get, list, list_own, may_make, rename, revoke,
    revoke_own, rotate, rotate_own,
};
pub use proof::{authenticate, recall};
pub use secret::{ApiKeyFormError, ApiKeySecret};

pub(crate) use address::Addresses;
pub(crate) use usage::Usage;

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
    /// The addresses and networks that it may be used from; `None` is everywhere.
    pub allowed_ips: Option<Vec<String>>,
    /// The key that was made in its place.
    pub replaced_by: Option<String>,
    /// When it was used last, some seconds late.
    pub last_used: Option<Timestamp>,
    /// How many requests it made.
    pub request_count: u64,
}

impl ApiKey {
    /// As clients and `--json` read it: `{"id","userId","name","prefix","scopes",…}`, moments in UTC with milliseconds.
    pub fn to_json(&self) -> Value {
        let moment = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        json!({
            "id": self.id, "userId": self.user_id.as_str(), "name": self.name, "prefix": self.prefix,
            "scopes": self.scopes, "allowedIps": self.allowed_ips, "createdAt": moment(self.created_at),
            "expiresAt": self.expires_at.map(moment), "lastUsed": self.last_used.map(moment),
            "requestCount": self.request_count, "revoked": self.revoked, "replacedBy": self.replaced_by,
        })
    }
}

/// A key to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewApiKey {
    /// For people.
    pub name: String,
    /// What it allows; at least one.
    pub scopes: Vec<Scope>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// The addresses and networks that it may be used from; `None` is everywhere.
    pub allowed_ips: Option<Vec<IpNet>>,
}

/// What of API keys an application decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// How many keys a user has that are neither revoked, expired nor replaced.
    pub most: u32,
    /// How late at most `lastUsed` and `requestCount` are.
    pub counted_after: Duration,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self { most: 100, counted_after: Duration::from_secs(3) }
    }
}

/// A request with this key was answered; `lastUsed` and `requestCount` say so soon. Must be called within a tokio runtime.
pub fn used(app: &App, key_id: &str) {
    app.keys().usage.note(key_id, app.world().now());
}

/// The columns of a key. In a table that was there before Hedgerow, some may be NULL, and moments without a zone.
macro_rules! columns {
    () => {
        r#"id, "userId", name, prefix, scopes, "expiresAt"::timestamptz,
           coalesce("createdAt"::timestamptz, 'epoch'), coalesce(revoked, false), "allowedIps", "replacedBy",
           "lastUsed"::timestamptz, "requestCount""#
    };
}
use columns;

/// Reads [`columns!`].
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
            allowed_ips: row.get(8)?,
            replaced_by: row.get(9)?,
            last_used: row.get(10)?,
            request_count: u64::try_from(row.get::<i64>(11)?).unwrap_or_default(),
        })
    };
    key().map_err(|error| Error::Internal { doing: "read an API key", source: error.into() })
}
