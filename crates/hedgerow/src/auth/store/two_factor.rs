//! Second factors, and sign-ins that wait for one.
//!
//! Always holds: what may happen once is decided by one statement: a step of the clock is accepted once, a backup code leaves the list
//! once, a try is counted before it is looked at. Identifiers and values of challenges, codes and trusted devices are
//! Better Auth's, in clear: a Node server on the same database goes on with what was begun here.

use std::time::Duration;

use hedgerow_database::{Identity, Row, UserId};
use jiff::Timestamp;

use crate::app::App;
use crate::auth::sign_in::after;
use crate::error::Error;
use crate::token;

/// How many failures in a row lock the second factor.
pub const FAILURES: i32 = 10;
/// For how long.
pub const LOCKED: Duration = Duration::from_secs(900);

/// A user's second factor.
#[derive(Clone, Debug)]
pub struct TwoFactor {
    /// Names the row.
    pub id: String,
    /// The secret of the authenticator app, sealed.
    pub secret: String,
    /// The list of backup codes, sealed.
    pub backup_codes: String,
    /// Whether the app has shown that it has the secret; rows of older Better Auth say nothing, and mean yes.
    pub is_verified: bool,
    /// Until when nothing is accepted.
    pub locked_until: Option<Timestamp>,
}

/// The user's second factor. Where rows are doubled, the one that counts is always the same.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find(app: &App, user: &UserId) -> Result<Option<TwoFactor>, Error> {
    let sql = r#"SELECT id, secret, "backupCodes", verified IS DISTINCT FROM false, "lockedUntil"::timestamptz
        FROM public."twoFactor" WHERE "userId" = $1 ORDER BY 4 DESC, id LIMIT 1"#;
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&user.as_str()]).await;
    let rows = rows.map_err(|error| Error::without_entity("look a second factor up", error))?;
    rows.first().map(read).transpose()
}

/// What is to be kept of a second factor that is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The sealed secret.
    pub secret: &'a str,
    /// The sealed list of backup codes.
    pub backup_codes: &'a str,
}

/// What happens to a second factor that was begun earlier and that no app has shown yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is replaced.
    Replace,
    /// It stays.
    Keep,
}

/// Keeps a second factor that no app has shown yet; whether it is kept now. Failures that were counted stay counted.
///
/// # Errors
/// When the database cannot be asked.
pub async fn set_up(app: &App, user: &UserId, setup: Setup<'_>, begun: Begun) -> Result<bool, Error> {
    let work = async || {
        let mut tx = app.database().transaction(&Identity::Auth).await?;
        // Two at once make one row.
        tx.query(r#"SELECT id FROM public."user" WHERE id = $1 FOR UPDATE"#, &[&user.as_str()]).await?;
        let sql = r#"SELECT id, verified IS DISTINCT FROM false FROM public."twoFactor" WHERE "userId" = $1 ORDER BY 2 DESC, id"#;
        let rows = tx.query(sql, &[&user.as_str()]).await?;
        let kept = match rows.first() {
            Some(row) if begun == Begun::Keep || row.get::<bool>(1)? => false,
            Some(row) => {
                let id: String = row.get(0)?;
                let sql = r#"UPDATE public."twoFactor" SET secret = $2, "backupCodes" = $3, verified = false, "lastUsedStep" = NULL
                    WHERE id = $1"#;
                tx.execute(sql, &[&id, &setup.secret, &setup.backup_codes]).await? > 0
            }
            None => {
                let id = token::letters::<32>(app.world());
                let sql = r#"INSERT INTO public."twoFactor"
                    (id, secret, "backupCodes", "userId", verified, "failedVerificationCount")
                    VALUES ($1, $2, $3, $4, false, 0)"#;
                tx.execute(sql, &[&id, &setup.secret, &setup.backup_codes, &user.as_str()]).await? > 0
            }
        };
        tx.commit().await?;
        Ok(kept)
    };
    work().await.map_err(|error| Error::without_entity("set a second factor up", error))
}

/// Switches the second factor off: its rows, trusted devices and sign-ins under way are gone.
///
/// # Errors
/// When the database cannot be asked.
pub async fn remove(app: &App, user: &UserId) -> Result<(), Error> {
    let sql = r#"WITH factors AS (DELETE FROM public."twoFactor" WHERE "userId" = $1),
        begun AS (DELETE FROM public.verification
          WHERE value = $1 AND (starts_with(identifier, '2fa-') OR starts_with(identifier, 'trust-device-')))
        UPDATE public."user" SET "twoFactorEnabled" = false, "updatedAt" = $2::timestamptz WHERE id = $1"#;
    let now = app.world().now_in_millis();
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&user.as_str(), &now]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("switch a second factor off", error))
}

/// Switches the second factor on.
///
/// # Errors
/// When the database cannot be asked.
pub async fn switch_on(app: &App, user: &UserId) -> Result<(), Error> {
    let sql =
        r#"UPDATE public."user" SET "twoFactorEnabled" = true, "updatedAt" = $2::timestamptz WHERE id = $1"#;
    let now = app.world().now_in_millis();
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&user.as_str(), &now]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("switch a second factor on", error))
}

/// Accepts a step of the clock, unless it or a later one was accepted before, or the secret is another one by now;
/// whether it did.
///
/// # Errors
/// When the database cannot be asked.
pub async fn accept_step(app: &App, factor: &TwoFactor, step: i64) -> Result<bool, Error> {
    let sql = r#"UPDATE public."twoFactor" SET "lastUsedStep" = $3, verified = true
        WHERE id = $1 AND secret = $2 AND ("lastUsedStep" IS NULL OR "lastUsedStep" < $3)"#;
    let done =
        app.database().flight(&Identity::Auth).execute(sql, &[&factor.id, &factor.secret, &step]).await;
    done.map(|count| count > 0).map_err(|error| Error::without_entity("accept a code", error))
}

/// Puts another list of backup codes in place of the one that was read; whether that one was still there.
///
/// # Errors
/// When the database cannot be asked.
pub async fn replace_backup_codes(app: &App, factor: &TwoFactor, codes: &str) -> Result<bool, Error> {
    let sql = r#"UPDATE public."twoFactor" SET "backupCodes" = $3 WHERE id = $1 AND "backupCodes" = $2"#;
    let done = app
        .database()
        .flight(&Identity::Auth)
        .execute(sql, &[&factor.id, &factor.backup_codes, &codes])
        .await;
    done.map(|count| count > 0).map_err(|error| Error::without_entity("change backup codes", error))
}

/// Counts a failure before it is one, so that many at once are not more tries; the tenth in a row locks. Whether there
/// is one left: not while it is locked.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_failure(app: &App, user: &UserId) -> Result<bool, Error> {
    let sql = r#"UPDATE public."twoFactor" SET
          "failedVerificationCount" = CASE WHEN "lockedUntil" IS NULL THEN coalesce("failedVerificationCount", 0) ELSE 0 END + 1,
          "lockedUntil" = CASE WHEN "lockedUntil" IS NULL AND coalesce("failedVerificationCount", 0) + 1 >= $4 THEN $3::timestamptz END
        WHERE "userId" = $1 AND ("lockedUntil" IS NULL OR "lockedUntil"::timestamptz <= $2::timestamptz)"#;
    let (now, end) = (app.world().now_in_millis(), after(app, LOCKED));
    let done =
        app.database().flight(&Identity::Auth).execute(sql, &[&user.as_str(), &now, &end, &FAILURES]).await;
    done.map(|count| count > 0).map_err(|error| Error::without_entity("count a failure", error))
}

/// It was no failure: the count begins anew.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_failures(app: &App, user: &UserId) -> Result<(), Error> {
    let sql = r#"UPDATE public."twoFactor" SET "failedVerificationCount" = 0, "lockedUntil" = NULL WHERE "userId" = $1"#;
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&user.as_str()]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("forget failures", error))
}

/// Keeps a challenge and how many tries it has had.
///
/// # Errors
/// When the database cannot be asked.
pub async fn challenge(app: &App, identifier: &str, user: &UserId, lasts: Duration) -> Result<(), Error> {
    let sql = r#"INSERT INTO public.verification (id, identifier, value, "expiresAt", "createdAt", "updatedAt")
        VALUES ($1, $3, $4, $5::timestamptz, $6::timestamptz, $6::timestamptz),
               ($2, '2fa-attempts-' || $3, '0', $5::timestamptz, $6::timestamptz, $6::timestamptz)"#;
    let [first, second] = [(); 2].map(|()| token::letters::<32>(app.world()));
    let (now, end) = (app.world().now_in_millis(), after(app, lasts));
    let flight = app.database().flight(&Identity::Auth);
    let done = flight.execute(sql, &[&first, &second, &identifier, &user.as_str(), &end, &now]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("begin a challenge", error))
}

/// The value under an identifier, which stays.
///
/// # Errors
/// When the database cannot be asked.
pub async fn look(app: &App, identifier: &str) -> Result<Option<String>, Error> {
    let sql = r#"SELECT value FROM public.verification WHERE identifier = $1 AND "expiresAt"::timestamptz > $2::timestamptz
        ORDER BY "createdAt" DESC LIMIT 1"#;
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&identifier, &app.world().now()]).await;
    first_text(rows)
}

/// A row that can be taken once, by whoever it is for; whether it was there.
///
/// # Errors
/// When the database cannot be asked.
pub async fn take(app: &App, identifier: &str, value: &str) -> Result<bool, Error> {
    let sql = r#"DELETE FROM public.verification
        WHERE identifier = $1 AND value = $2 AND "expiresAt"::timestamptz > $3::timestamptz"#;
    let now = app.world().now();
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&identifier, &value, &now]).await;
    done.map(|count| count > 0).map_err(|error| Error::without_entity("take what was begun", error))
}

/// Forgets everything of a challenge, its tries and codes.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_challenge(app: &App, identifier: &str) -> Result<(), Error> {
    let sql = "DELETE FROM public.verification
        WHERE identifier IN ($1, '2fa-attempts-' || $1, '2fa-otp-' || $1)";
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&identifier]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("forget a challenge", error))
}

/// What became of a try that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Try {
    /// It is one of those that are allowed; for a code that was sent, with the code and its row.
    Counted(Option<Sent>),
    /// There were as many before.
    TooMany,
    /// There is nothing to try.
    Nothing,
}

/// A code that was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its row.
    pub row: String,
    /// The code.
    pub code: String,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sent(…)")
    }
}

/// Counts a try of a challenge, before it is looked at; there are five.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_try(app: &App, challenge: &str) -> Result<Try, Error> {
    let sql = r#"UPDATE public.verification SET value = (value::int + 1)::text, "updatedAt" = $3::timestamptz
        WHERE identifier = '2fa-attempts-' || $1 AND "expiresAt"::timestamptz > $2::timestamptz AND value ~ '^[0-4]$'
        RETURNING id"#;
    let (now, millis) = (app.world().now(), app.world().now_in_millis());
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&challenge, &now, &millis]).await;
    let rows = rows.map_err(|error| Error::without_entity("count a try", error))?;
    if !rows.is_empty() {
        return Ok(Try::Counted(None));
    }
    let left = look(app, &format!("2fa-attempts-{challenge}")).await?;
    Ok(if left.is_some() { Try::TooMany } else { Try::Nothing })
}

/// Counts a try of a code that was sent, before it is looked at; there are five.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_code(app: &App, identifier: &str) -> Result<Try, Error> {
    // The last one that was sent counts; a Node server leaves the earlier ones.
    let sql = r#"UPDATE public.verification SET
          value = split_part(value, ':', 1) || ':' || (split_part(value, ':', 2)::int + 1)::text, "updatedAt" = $3::timestamptz
        WHERE id = (SELECT id FROM public.verification WHERE identifier = $1 ORDER BY "createdAt" DESC LIMIT 1)
          AND "expiresAt"::timestamptz > $2::timestamptz AND value ~ '^[0-9]+:[0-4]$'
        RETURNING id, split_part(value, ':', 1)"#;
    let (now, millis) = (app.world().now(), app.world().now_in_millis());
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&identifier, &now, &millis]).await;
    let rows = rows.map_err(|error| Error::without_entity("count a try", error))?;
    if let Some(row) = rows.first() {
        let sent = || Ok::<_, hedgerow_database::Error>(Sent { row: row.get(0)?, code: row.get(1)? });
        let sent = sent().map_err(internal)?;
        return Ok(Try::Counted(Some(sent)));
    }
    let left = look(app, identifier).await?;
    Ok(if left.is_some() { Try::TooMany } else { Try::Nothing })
}

/// A code that was right is used up, with all that were sent before it; whether it was there.
///
/// # Errors
/// When the database cannot be asked.
pub async fn take_code(app: &App, identifier: &str, sent: &Sent) -> Result<bool, Error> {
    let sql = "WITH earlier AS (DELETE FROM public.verification WHERE identifier = $1 AND id <> $2)
        DELETE FROM public.verification WHERE id = $2";
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&identifier, &sent.row]).await;
    done.map(|count| count > 0).map_err(|error| Error::without_entity("take a code", error))
}

fn first_text(rows: Result<Vec<Row>, hedgerow_database::Error>) -> Result<Option<String>, Error> {
    let rows = rows.map_err(|error| Error::without_entity("look up what was begun", error))?;
    rows.first().map(|row| row.get(0).map_err(internal)).transpose()
}

fn internal(error: hedgerow_database::Error) -> Error {
    Error::Internal { doing: "read a second factor", source: error.into() }
}

fn read(row: &Row) -> Result<TwoFactor, Error> {
    let factor = || -> Result<TwoFactor, hedgerow_database::Error> {
        Ok(TwoFactor {
            id: row.get(0)?,
            secret: row.get(1)?,
            backup_codes: row.get(2)?,
            is_verified: row.get(3)?,
            locked_until: row.get(4)?,
        })
    };
    factor().map_err(internal)
}
