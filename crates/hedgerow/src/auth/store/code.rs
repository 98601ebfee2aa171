//! Codes that people type, one row for each purpose and address.
//!
//! Always holds: there is one code at a time for an identifier, whoever asks at the same moment; a try is counted in the
//! transaction that looks, so that no number of tries at once is more than [`TRIES`]; a code that was taken is gone.

use std::time::Duration;

use hedgerow_database::{Error as DatabaseError, Identity};
use jiff::Timestamp;

use crate::app::App;
use crate::auth::sealed;
use crate::auth::sign_in::after;
use crate::error::Error;

/// How many wrong codes are listened to.
pub const TRIES: u32 = 3;

/// What becomes of a code that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It was used.
    Gone,
    /// Something else is done with it later.
    Stays,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It is the code.
    Right,
    /// It is not, or there is none.
    Wrong,
    /// There was one, too long ago.
    Late,
    /// There were too many tries before this one.
    TooMany,
}

/// Keeps what a code is recognised by, in place of an older one.
///
/// # Errors
/// When the database cannot be asked.
pub async fn put(app: &App, identifier: &str, kept: &str, lasts: Duration) -> Result<(), Error> {
    // The row's id follows from what it is for, so that two who ask at once do not leave two codes to guess.
    let (id, value) = (sealed::digest(identifier), format!("{kept}:0"));
    let sql = r#"WITH others AS (DELETE FROM public.verification WHERE identifier = $2 AND id <> $1)
        INSERT INTO public.verification (id, identifier, value, "expiresAt", "createdAt", "updatedAt")
        VALUES ($1, $2, $3, $4::timestamptz, $5::timestamptz, $5::timestamptz)
        ON CONFLICT (id) DO UPDATE SET value = excluded.value, "expiresAt" = excluded."expiresAt",
          "createdAt" = excluded."createdAt", "updatedAt" = excluded."updatedAt""#;
    let (end, now) = (after(app, lasts), app.world().now_in_millis());
    let flight = app.database().flight(&Identity::Auth);
    let done = flight.execute(sql, &[&id, &identifier, &value, &end, &now]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("keep a code", error))
}

/// Tries a code: `fits` says whether what is kept is of it.
///
/// # Errors
/// When the database cannot be asked; the try then did not count.
pub async fn attempt(
    app: &App,
    identifier: &str,
    fits: impl Fn(&str) -> bool,
    then: Then,
) -> Result<Tried, Error> {
    let outcome = look(app, identifier, fits, then).await;
    outcome.map_err(|error| Error::without_entity("try a code", error))
}

async fn look(
    app: &App,
    identifier: &str,
    fits: impl Fn(&str) -> bool,
    then: Then,
) -> Result<Tried, DatabaseError> {
    let mut transaction = app.database().transaction(&Identity::Auth).await?;
    // A Node server beside this one may leave several; the newest is the one that was mailed last.
    let sql = r#"SELECT id, value, "expiresAt"::timestamptz FROM public.verification
        WHERE identifier = $1 ORDER BY "createdAt" DESC, id FOR UPDATE"#;
    let rows = transaction.query(sql, &[&identifier]).await?;
    let Some(row) = rows.first() else { return Ok(Tried::Wrong) };
    let (id, value): (String, String) = (row.get(0)?, row.get(1)?);
    let end: Timestamp = row.get(2)?;
    let (kept, count) = value.rsplit_once(':').unwrap_or((&value, "0"));
    // A count that cannot be read is none that allows anything.
    let count: u32 = count.parse().unwrap_or(u32::MAX);
    let tried = if end <= app.world().now() {
        Tried::Late
    } else if count >= TRIES {
        Tried::TooMany
    } else if fits(kept) {
        Tried::Right
    } else {
        Tried::Wrong
    };
    match (tried, then) {
        (Tried::Right, Then::Stays) => {}
        (Tried::Wrong, _) => {
            let value = format!("{kept}:{}", count + 1);
            let sql = "UPDATE public.verification SET value = $2 WHERE id = $1";
            transaction.execute(sql, &[&id, &value]).await?;
        }
        _ => {
            let sql = "DELETE FROM public.verification WHERE identifier = $1";
            transaction.execute(sql, &[&identifier]).await?;
        }
    }
    transaction.commit().await?;
    Ok(tried)
}
