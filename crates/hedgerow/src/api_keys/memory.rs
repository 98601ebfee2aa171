//! Who a key speaks for: looked up once, remembered, and proved again in the flight of each later request.
//!
//! Always holds: what is remembered is never believed by itself. [`recall`] gives it with a [`Guard`], and a flight with that
//! guard does nothing unless the key's row and its user's still say the same. So a key that was revoked on another instance is
//! refused here with the next request, without a message between the two, and a known key costs no flight of its own.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hedgerow_database::{Guard, Identity};
use hedgerow_schema::{Bind, Sql, SqlType};
use lru::LruCache;

use super::address::Addresses;
use super::secret::ApiKeySecret;
use crate::app::App;
use crate::context::SignedIn;
use crate::error::Error;
use crate::users::is_admin_role;

/// So many keys are remembered; beyond that the one that was not used longest is looked up again. About 1 KB each.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// What is remembered of keys, by their hash.
pub(crate) struct Memory {
    keys: Mutex<LruCache<String, Arc<Remembered>>>,
}

struct Remembered {
    user: SignedIn,
    addresses: Addresses,
    condition: Arc<Sql>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { keys: Mutex::new(LruCache::new(MOST)) }
    }
}

impl Memory {
    fn keys(&self) -> MutexGuard<'_, LruCache<String, Arc<Remembered>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who a key speaks for when it is used from `from`, and what it allows. Asks the database.
///
/// # Errors
/// [`Error::InvalidCredential`] for a key that is unknown, revoked, expired, or whose user is banned: which of these, the
/// answer does not say. [`Error::AddressNotAllowed`] for one that may not be used from there.
pub async fn authenticate(app: &App, key: &ApiKeySecret, from: Option<IpAddr>) -> Result<SignedIn, Error> {
    // The hash is compared by the index; how long that takes says nothing about a key that is not known.
    let sql = r#"SELECT k."userId", k.scopes, coalesce(u.role, 'member'), k.id, k."allowedIps"
        FROM public.api_keys k JOIN public."user" u ON u.id = k."userId"
        WHERE k.key = $1 AND NOT coalesce(k.revoked, false) AND (k."expiresAt" IS NULL OR k."expiresAt" > CURRENT_TIMESTAMP)
          AND NOT (coalesce(u.banned, false) AND (u."banExpires" IS NULL OR u."banExpires" > CURRENT_TIMESTAMP))"#;
    let hash = key.hash();
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&hash]).await;
    let rows = rows.map_err(|error| Error::without_entity("look an API key up", error))?;
    let Some(row) = rows.first() else {
        app.keys().memory.keys().pop(&hash);
        return Err(Error::InvalidCredential);
    };
    let read = || -> Result<_, hedgerow_database::Error> {
        let (id, scopes): (String, Vec<String>) = (row.get(0)?, row.get(1)?);
        let (role, key): (String, String) = (row.get(2)?, row.get(3)?);
        Ok((id, scopes, role, key, row.get::<Option<Vec<String>>>(4)?))
    };
    let (id, scopes, role, key_id, allowed) =
        read().map_err(|error| Error::Internal { doing: "read an API key", source: error.into() })?;
    let user = SignedIn {
        id: id.parse().map_err(|_| Error::InvalidCredential)?,
        is_admin: is_admin_role(&role),
        // A scope that this version cannot read allows nothing.
        scopes: Some(scopes.iter().filter_map(|scope| scope.parse().ok()).collect()),
        key: Some(key_id.clone()),
    };
    let addresses = Addresses::read(allowed.as_deref());
    let is_allowed = addresses.allow(from);
    let condition = Arc::new(condition(&key_id, &id, &scopes, allowed.as_deref(), &role));
    let remembered = Remembered { user: user.clone(), addresses, condition };
    app.keys().memory.keys().put(hash, Arc::new(remembered));
    if is_allowed { Ok(user) } else { Err(Error::AddressNotAllowed) }
}

/// Who a key speaks for as far as it is remembered, with the guard that every flight for them has to prove. Asks nobody;
/// `None` sends the caller to [`authenticate`].
pub fn recall(app: &App, key: &ApiKeySecret, from: Option<IpAddr>) -> Option<(SignedIn, Guard)> {
    let remembered = app.keys().memory.keys().get(&key.hash()).cloned()?;
    let guard = || Guard::new(remembered.condition.clone());
    remembered.addresses.allow(from).then(|| (remembered.user.clone(), guard()))
}

/// What has to hold for what was remembered to be true: everything that [`authenticate`] asked, and nothing changed in what it
/// read. Role and identity of the flight see both rows: they are the asker's own.
fn condition(key: &str, user: &str, scopes: &[String], allowed: Option<&[String]>, role: &str) -> Sql {
    let list = |texts: &[String]| Bind::list(texts.iter().map(String::as_str));
    let nothing = Bind { ty: SqlType::TextArray, array: false, value: None };
    let mut sql = Sql::new(
        "SELECT 1 / count(*) FROM public.api_keys k JOIN public.\"user\" u ON u.id = k.\"userId\" WHERE k.id = ",
    );
    sql.bind(Bind::text(key)).push(" AND k.\"userId\" = ").bind(Bind::text(user));
    sql.push(" AND k.scopes = ").bind(list(scopes));
    sql.push(" AND k.\"allowedIps\" IS NOT DISTINCT FROM ").bind(allowed.map_or(nothing, list));
    sql.push(" AND coalesce(u.role, 'member') = ").bind(Bind::text(role));
    sql.push(
        " AND NOT coalesce(k.revoked, false) AND (k.\"expiresAt\" IS NULL OR k.\"expiresAt\" > CURRENT_TIMESTAMP)\
         \n AND NOT (coalesce(u.banned, false) AND (u.\"banExpires\" IS NULL OR u.\"banExpires\" > CURRENT_TIMESTAMP))",
    );
    sql
}
