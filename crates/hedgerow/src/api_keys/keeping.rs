//! Making, listing, renaming, rotating and stopping keys.
//!
//! Always holds: a user's keys are rows like any other, read and written as the user under row-level security; only somebody
//! who signed in makes a key, so that a key that leaked ends with its own end.

use std::time::Duration;

use hedgerow_database::{Identity, ToSql, UserId};
use hedgerow_schema::{Action, Bind, InputError, Scope, Sql};
use ipnet::IpNet;

use super::secret::ApiKeySecret;
use super::{ApiKey, NewApiKey, columns, read};
use crate::app::App;
use crate::context::{Caller, Ctx, SignedIn};
use crate::error::Error;
use crate::users::User;

/// How long the old key stays good beside the new one, unless somebody says otherwise.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// The longest that somebody may say.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);
/// Addresses and networks of one key.
const MOST_ADDRESSES: usize = 100;
/// Scopes of one key.
const MOST_SCOPES: usize = 1000;

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many at most.
    pub limit: u32,
    /// How many are passed over.
    pub offset: u32,
}

/// The user behind a request about keys, and their identity.
fn keeper(ctx: &Ctx, action: Action) -> Result<(&SignedIn, Identity), Error> {
    let user = ctx.require_user("keys", action)?;
    Ok((user, Identity::User(user.id.clone())))
}

/// The same for what only a person does.
fn person(ctx: &Ctx) -> Result<(&SignedIn, Identity), Error> {
    match ctx.caller() {
        Caller::User(user) if user.key.is_some() => Err(Error::SessionRequired),
        _ => keeper(ctx, Action::Write),
    }
}

/// Whether whoever asks may make keys at all.
///
/// # Errors
/// [`Error::NotSignedIn`]; [`Error::SessionRequired`] when a key asks.
pub fn may_make(ctx: &Ctx) -> Result<(), Error> {
    person(ctx).map(drop)
}

/// Makes a key for a user whom the program speaks for. The secret is nowhere else afterwards.
///
/// # Errors
/// As [`create_own`].
pub async fn create(app: &App, user: &User, new: &NewApiKey) -> Result<(ApiKey, ApiKeySecret), Error> {
    create_own(&Ctx::for_user(app.world(), user.id.clone()), app, new).await
}

/// Makes a key for whoever asks. The secret is nowhere else afterwards.
///
/// # Errors
/// [`Error::SessionRequired`] when a key asks; [`Error::Input`] for a name, scope, address or end that makes no sense;
/// [`Error::Conflict`] when the user has as many keys as one may have.
pub async fn create_own(ctx: &Ctx, app: &App, new: &NewApiKey) -> Result<(ApiKey, ApiKeySecret), Error> {
    let (user, identity) = person(ctx)?;
    let name = checked(app, new)?;
    let secret = ApiKeySecret::new(app.world());
    let scopes: Vec<String> = new.scopes.iter().map(Scope::to_string).collect();
    let most = app.key_settings().most;
    // Two requests at once would both count before either writes.
    let mut lock = Sql::new("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(");
    lock.bind(Bind::text(format!("api_keys of {}", user.id))).push(", 0))");
    let mut sql = Sql::new(
        r#"INSERT INTO public.api_keys (id, name, key, prefix, scopes, "expiresAt", "allowedIps") SELECT "#,
    );
    sql.bind(Bind::text(app.world().new_id())).push(", ").bind(Bind::text(name));
    sql.push(", ").bind(Bind::text(secret.hash())).push(", ").bind(Bind::text(secret.prefix()));
    sql.push(", ").bind(Bind::list(scopes.iter().map(String::as_str))).push(", ");
    match new.expires_at {
        Some(end) => sql.bind(Bind::text(end.to_string())).push("::timestamptz, "),
        None => sql.push("NULL, "),
    };
    match &new.allowed_ips {
        Some(networks) => {
            let texts: Vec<String> = networks.iter().map(IpNet::to_string).collect();
            sql.bind(Bind::list(texts.iter().map(String::as_str)))
        }
        None => sql.push("NULL"),
    };
    sql.push(r#" WHERE (SELECT count(*) FROM public.api_keys WHERE "userId" = "#)
        .bind(Bind::text(user.id.as_str()));
    sql.push(r#" AND NOT coalesce(revoked, false) AND ("expiresAt" IS NULL OR "expiresAt" > CURRENT_TIMESTAMP) AND "replacedBy" IS NULL) < "#);
    sql.number(most.into());
    sql.push(concat!(" RETURNING ", columns!()));
    let rows = ctx.writes(app, &identity).sql_rows_after(&[lock], &sql).await;
    let rows = rows.map_err(|error| Error::without_entity("create an API key", error))?;
    match rows.first() {
        Some(row) => Ok((read(row)?, secret)),
        None => Err(too_many(most)),
    }
}

fn too_many(most: u32) -> Error {
    Error::Conflict(InputError {
        field: String::new(),
        code: "too_many_keys",
        message: format!("a user has at most {most} keys; revoke one that is not used any more"),
    })
}

/// The name of a key that can be made.
fn checked<'n>(app: &App, new: &'n NewApiKey) -> Result<&'n str, Error> {
    let mut mistakes = Vec::new();
    let mut mistake = |field: String, code, message: String| {
        mistakes.push(InputError { field, code, message });
    };
    let name = new.name.trim();
    if !is_name(name) {
        mistake("name".to_owned(), "invalid_name", NAMES.to_owned());
    }
    if new.scopes.is_empty() {
        let message = "a key needs at least one scope, for example `tasks:read` or `*`".to_owned();
        mistake("scopes".to_owned(), "scope_required", message);
    }
    if new.scopes.len() > MOST_SCOPES {
        let message = format!("a key has at most {MOST_SCOPES} scopes");
        mistake("scopes".to_owned(), "too_many_scopes", message);
    }
    let schema = app.schema();
    for (at, scope) in new.scopes.iter().enumerate() {
        if let Err(error) = scope.check(&schema) {
            mistake(format!("scopes[{at}]"), "unknown_scope", error.to_string());
        }
    }
    if new.expires_at.is_some_and(|end| end <= app.world().now()) {
        mistake("expiresAt".to_owned(), "invalid_expiry", "a key cannot end before it begins".to_owned());
    }
    match new.allowed_ips.as_ref().map(Vec::len) {
        Some(0) => {
            let message = "an empty list would let the key be used from nowhere; leave it out for everywhere";
            mistake("allowedIps".to_owned(), "invalid_list", message.to_owned());
        }
        Some(count) if count > MOST_ADDRESSES => {
            let message = format!("a key has at most {MOST_ADDRESSES} addresses and networks");
            mistake("allowedIps".to_owned(), "invalid_list", message);
        }
        _ => {}
    }
    if mistakes.is_empty() { Ok(name) } else { Err(Error::Input(mistakes)) }
}

const NAMES: &str = "a key's name has 1 to 255 characters";

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= 255 && !name.contains('\0')
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

/// Keys of whoever asks, newest first, and whether there are more.
///
/// # Errors
/// [`Error::MissingScope`] for a key without `keys:read`.
pub async fn list_own(ctx: &Ctx, app: &App, page: Page) -> Result<(Vec<ApiKey>, bool), Error> {
    let (user, identity) = keeper(ctx, Action::Read)?;
    let sql = concat!(
        "SELECT ",
        columns!(),
        r#" FROM public.api_keys WHERE "userId" = $1 ORDER BY "createdAt" DESC, id DESC LIMIT $2 OFFSET $3"#
    );
    let limit = page.limit as usize;
    let (most, offset) = (i64::from(page.limit) + 1, i64::from(page.offset));
    let rows = ctx.reads(app, &identity).rows(sql, &[&user.id.as_str(), &most, &offset]).await;
    let rows = rows.map_err(|error| Error::without_entity("list API keys", error))?;
    let keys = rows.iter().take(limit).map(read).collect::<Result<_, _>>()?;
    Ok((keys, rows.len() > limit))
}

/// One key of whoever asks.
///
/// # Errors
/// [`Error::NotFound`], [`Error::MissingScope`]
pub async fn get(ctx: &Ctx, app: &App, id: &str) -> Result<ApiKey, Error> {
    let (user, identity) = keeper(ctx, Action::Read)?;
    let sql = concat!("SELECT ", columns!(), r#" FROM public.api_keys WHERE id = $1 AND "userId" = $2"#);
    let rows = ctx.reads(app, &identity).rows(sql, &[&possible(id)?, &user.id.as_str()]).await;
    one(&rows.map_err(|error| Error::without_entity("get an API key", error))?)
}

/// Gives a key of whoever asks another name.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Input`], [`Error::MissingScope`]
pub async fn rename(ctx: &Ctx, app: &App, id: &str, name: &str) -> Result<ApiKey, Error> {
    let (user, identity) = keeper(ctx, Action::Write)?;
    let name = name.trim();
    if !is_name(name) {
        return Err(Error::input("name", "invalid_name", NAMES));
    }
    let sql = concat!(
        r#"UPDATE public.api_keys SET name = $3 WHERE id = $1 AND "userId" = $2 RETURNING "#,
        columns!()
    );
    let rows = ctx.writes(app, &identity).rows(sql, &[&possible(id)?, &user.id.as_str(), &name]).await;
    one(&rows.map_err(|error| Error::without_entity("rename an API key", error))?)
}

/// Stops a key of whoever asks, at once and for every instance; it stays in the list.
///
/// # Errors
/// [`Error::NotFound`], [`Error::MissingScope`]
pub async fn revoke_own(ctx: &Ctx, app: &App, id: &str) -> Result<ApiKey, Error> {
    let (user, identity) = keeper(ctx, Action::Delete)?;
    let sql = concat!(
        r#"UPDATE public.api_keys SET revoked = true WHERE id = $1 AND "userId" = $2 RETURNING "#,
        columns!()
    );
    let rows = ctx.writes(app, &identity).rows(sql, &[&possible(id)?, &user.id.as_str()]).await;
    one(&rows.map_err(|error| Error::without_entity("revoke an API key", error))?)
}

/// Deletes a key of whoever asks: it is stopped, and gone from the list.
///
/// # Errors
/// [`Error::NotFound`], [`Error::MissingScope`]
pub async fn delete(ctx: &Ctx, app: &App, id: &str) -> Result<(), Error> {
    let (user, identity) = keeper(ctx, Action::Delete)?;
    let sql = r#"DELETE FROM public.api_keys WHERE id = $1 AND "userId" = $2"#;
    let count = ctx.writes(app, &identity).execute(sql, &[&possible(id)?, &user.id.as_str()]).await;
    match count.map_err(|error| Error::without_entity("delete an API key", error))? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Makes a key in the place of one of anybody's, as the program.
///
/// # Errors
/// As [`rotate_own`].
pub async fn rotate(app: &App, id: &str, overlap: Duration) -> Result<(ApiKey, ApiKeySecret), Error> {
    let sql = r#"SELECT "userId" FROM public.api_keys WHERE id = $1"#;
    let failed = |error| Error::without_entity("look for an API key", error);
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&possible(id)?]).await.map_err(failed)?;
    let owner: String = rows.first().ok_or(Error::NotFound)?.get(0).map_err(failed)?;
    let owner = owner.parse().map_err(|_| Error::NotFound)?;
    rotate_own(&Ctx::for_user(app.world(), owner), app, id, overlap).await
}

/// Makes a key in the place of one of whoever asks: same name, scopes and addresses, and as long a life. The old one stays good
/// for `overlap`, or ends at once where that is zero.
///
/// # Errors
/// [`Error::SessionRequired`] when a key asks; [`Error::NotFound`]; [`Error::Conflict`] for a key that has ended or was
/// replaced already, and when as many old keys are still good as a user may have; [`Error::Input`] for an overlap above [`MAX_OVERLAP`].
pub async fn rotate_own(
    ctx: &Ctx,
    app: &App,
    id: &str,
    overlap: Duration,
) -> Result<(ApiKey, ApiKeySecret), Error> {
    let (user, identity) = person(ctx)?;
    let id = possible(id)?;
    if overlap > MAX_OVERLAP {
        let message = format!("the old key stays good for at most {} days", MAX_OVERLAP.as_secs() / 86_400);
        return Err(Error::input("overlap", "invalid_overlap", message));
    }
    let secret = ApiKeySecret::new(app.world());
    // Whoever comes second waits for the row, and finds that it was replaced.
    let sql = concat!(
        r#"WITH old AS (
          SELECT id, name, scopes, "allowedIps", "expiresAt"::timestamptz AS ends, "createdAt"::timestamptz AS made FROM public.api_keys
          WHERE id = $1 AND "userId" = $2 AND NOT coalesce(revoked, false) AND "replacedBy" IS NULL
            AND ("expiresAt" IS NULL OR "expiresAt" > CURRENT_TIMESTAMP)
            AND (SELECT count(*) FROM public.api_keys WHERE "userId" = $2 AND NOT coalesce(revoked, false)
              AND "expiresAt" > CURRENT_TIMESTAMP AND "replacedBy" IS NOT NULL) < $7::bigint FOR UPDATE),
        ended AS (
          UPDATE public.api_keys k SET "replacedBy" = $3, revoked = $6::bigint = 0,
            "expiresAt" = least(old.ends, CURRENT_TIMESTAMP + $6::bigint * interval '1 millisecond')
          FROM old WHERE k.id = old.id)
        INSERT INTO public.api_keys (id, name, key, prefix, scopes, "allowedIps", "expiresAt")
          SELECT $3, name, $4, $5, scopes, "allowedIps", CURRENT_TIMESTAMP + (ends - coalesce(made, CURRENT_TIMESTAMP)) FROM old
        RETURNING "#,
        columns!()
    );
    let (new_id, hash) = (app.world().new_id(), secret.hash());
    let millis = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
    let (user, most) = (user.id.as_str(), app.key_settings().most);
    let parameters: [&(dyn ToSql + Sync); 7] =
        [&id, &user, &new_id, &hash, &secret.prefix(), &millis, &i64::from(most)];
    let rows = ctx.writes(app, &identity).rows(sql, &parameters).await;
    let rows = rows.map_err(|error| Error::without_entity("rotate an API key", error))?;
    if let Some(row) = rows.first() {
        return Ok((read(row)?, secret));
    }
    let found = get(ctx, app, id).await?;
    let is_over = found.revoked || found.expires_at.is_some_and(|end| end <= app.world().now());
    if !is_over && found.replaced_by.is_none() {
        return Err(too_many(most));
    }
    Err(Error::Conflict(InputError {
        field: String::new(),
        code: "key_has_ended",
        message: "the key is revoked, expired or was replaced already; make a new one".to_owned(),
    }))
}

/// Stops anybody's key at once, for every instance.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn revoke(app: &App, id: &str) -> Result<(), Error> {
    let sql = "UPDATE public.api_keys SET revoked = true WHERE id = $1";
    let count = app.database().flight(&Identity::Auth).execute(sql, &[&possible(id)?]).await;
    match count.map_err(|error| Error::without_entity("revoke an API key", error))? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// An id that PostgreSQL could not even read names no key.
fn possible(id: &str) -> Result<&str, Error> {
    if id.contains('\0') { Err(Error::NotFound) } else { Ok(id) }
}

fn one(rows: &[hedgerow_database::Row]) -> Result<ApiKey, Error> {
    read(rows.first().ok_or(Error::NotFound)?)
}
