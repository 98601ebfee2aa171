//! What somebody has been asked to prove: tokens and codes of mails, states of sign-ins under way.
//!
//! Always holds: a token is kept as a hash, so that who reads the database cannot use it; it is taken by the one statement that deletes it, so of
//! several who present it at the same moment one wins.

use std::time::Duration;

use hedgerow_database::Identity;
use jiff::{SignedDuration, Timestamp};

use super::{hashed, kept_as};
use crate::app::App;
use crate::error::Error;
use crate::token;

/// What a token is for; the first part of the row's identifier, as Better Auth writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(pub &'static str);

/// Keeps `value` for whoever presents `token` before `lasts` is over.
///
/// # Errors
/// When the database cannot be asked.
pub async fn keep(
    app: &App,
    purpose: Purpose,
    token: &str,
    value: &str,
    lasts: Duration,
) -> Result<(), Error> {
    put(app, &format!("{}{}", purpose.0, hashed(token)), value, lasts).await
}

/// The value behind a token, once: nobody else gets it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn take(app: &App, purpose: Purpose, token: &str) -> Result<Option<String>, Error> {
    let Some(kept) = kept_as(token) else { return Ok(None) };
    let [plain, hash] = kept.map(|kept| format!("{}{kept}", purpose.0));
    let sql = r#"DELETE FROM public.verification WHERE identifier IN ($1, $2) RETURNING value, "expiresAt"::timestamptz"#;
    first_living(app, app.database().flight(&Identity::Auth).rows(sql, &[&plain, &hash]).await)
}

/// The value behind a token, which stays.
///
/// # Errors
/// When the database cannot be asked.
pub async fn look(app: &App, purpose: Purpose, token: &str) -> Result<Option<String>, Error> {
    let Some(kept) = kept_as(token) else { return Ok(None) };
    let [plain, hash] = kept.map(|kept| format!("{}{kept}", purpose.0));
    let sql =
        r#"SELECT value, "expiresAt"::timestamptz FROM public.verification WHERE identifier IN ($1, $2)"#;
    first_living(app, app.database().flight(&Identity::Auth).rows(sql, &[&plain, &hash]).await)
}

/// Keeps `value` under a whole identifier, in place of what was there under it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn put(app: &App, identifier: &str, value: &str, lasts: Duration) -> Result<(), Error> {
    let now = app.world().now_in_millis();
    let end = now
        .checked_add(SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX);
    let id = token::letters::<32>(app.world());
    let sql = r#"WITH gone AS (DELETE FROM public.verification WHERE identifier = $2)
        INSERT INTO public.verification (id, identifier, value, "expiresAt", "createdAt", "updatedAt")
        VALUES ($1, $2, $3, $4::timestamptz, $5::timestamptz, $5::timestamptz)"#;
    let done =
        app.database().flight(&Identity::Auth).execute(sql, &[&id, &identifier, &value, &end, &now]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("keep what is to be verified", error))
}

/// Forgets all that is kept for a purpose with this value: the other links that a user was sent.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget(app: &App, purpose: Purpose, value: &str) -> Result<(), Error> {
    let sql = "DELETE FROM public.verification WHERE starts_with(identifier, $1) AND value = $2";
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&purpose.0, &value]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("forget what was to be verified", error))
}

/// Forgets all that is kept for a purpose with a value that begins so.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_starting(app: &App, purpose: Purpose, start: &str) -> Result<(), Error> {
    let sql = "DELETE FROM public.verification WHERE starts_with(identifier, $1) AND starts_with(value, $2)";
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&purpose.0, &start]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("forget what was to be verified", error))
}

/// Deletes what ended: rows that nobody ever presented, and sessions that nobody prolonged.
///
/// # Errors
/// When the database cannot be asked.
pub async fn clean(app: &App) -> Result<u64, Error> {
    let now = app.world().now();
    let mut gone = 0;
    for sql in [
        r#"DELETE FROM public.verification WHERE "expiresAt"::timestamptz < $1::timestamptz"#,
        r#"DELETE FROM public.session WHERE "expiresAt"::timestamptz < $1::timestamptz"#,
    ] {
        let done = app.database().flight(&Identity::Auth).execute(sql, &[&now]).await;
        gone += done.map_err(|error| Error::without_entity("delete what ended", error))?;
    }
    Ok(gone)
}

fn first_living(
    app: &App,
    rows: Result<Vec<hedgerow_database::Row>, hedgerow_database::Error>,
) -> Result<Option<String>, Error> {
    let rows = rows.map_err(|error| Error::without_entity("look up what is to be verified", error))?;
    let internal = |error: hedgerow_database::Error| Error::Internal {
        doing: "read what is to be verified",
        source: error.into(),
    };
    let now = app.world().now();
    for row in &rows {
        if row.get::<Timestamp>(1).map_err(internal)? > now {
            return row.get(0).map(Some).map_err(internal);
        }
    }
    Ok(None)
}
