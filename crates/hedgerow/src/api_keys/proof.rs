//! Who a key speaks for: looked up, or recalled together with what has to be proved of it.
//!
//! Always holds: what is recalled is proved in the flight that relies on it (`memory.rs`).

use std::net::IpAddr;
use std::sync::Arc;

use hedgerow_database::{Guard, Identity};
use hedgerow_schema::{Bind, Sql, SqlType};

use super::address::Addresses;
use super::secret::ApiKeySecret;
use crate::app::App;
use crate::context::SignedIn;
use crate::error::Error;
use crate::memory::Remembered;
use crate::users::is_admin_role;

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
        app.keys().memory.forget(&hash);
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
    app.keys().memory.keep(hash, Remembered { user: user.clone(), condition, also: addresses });
    if is_allowed { Ok(user) } else { Err(Error::AddressNotAllowed) }
}

/// Who a key speaks for as far as it is remembered, with the guard that every flight for them has to prove. Asks nobody;
/// `None` sends the caller to [`authenticate`].
pub fn recall(app: &App, key: &ApiKeySecret, from: Option<IpAddr>) -> Option<(SignedIn, Guard)> {
    app.keys().memory.recall(&key.hash(), |addresses| addresses.allow(from))
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
