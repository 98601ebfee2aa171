//! Accounts: the ways in which a user can prove who they are. The password is one of them.

use hedgerow_database::{Identity, Row, UserId};
use jiff::Timestamp;

use crate::app::App;
use crate::error::Error;
use crate::token;

/// The provider of passwords.
pub const CREDENTIAL: &str = "credential";

/// An account, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Names the row.
    pub id: String,
    /// Who the user is at the provider.
    pub account_id: String,
    /// The provider; `credential` is the password.
    pub provider_id: String,
    /// Whose it is.
    pub user_id: UserId,
    /// What the provider allowed, with commas or spaces between.
    pub scope: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// The user's accounts, oldest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(app: &App, user: &UserId) -> Result<Vec<Account>, Error> {
    let sql = r#"SELECT id, "accountId", "providerId", "userId", scope, "createdAt"::timestamptz, "updatedAt"::timestamptz
        FROM public.account WHERE "userId" = $1 ORDER BY "createdAt", id"#;
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&user.as_str()]).await;
    rows.map_err(|error| Error::without_entity("list accounts", error))?.iter().map(read).collect()
}

pub(super) fn read(row: &Row) -> Result<Account, Error> {
    let account = || -> Result<Account, hedgerow_database::Error> {
        let user: String = row.get(3)?;
        Ok(Account {
            id: row.get(0)?,
            account_id: row.get(1)?,
            provider_id: row.get(2)?,
            user_id: user
                .parse()
                .map_err(|error| hedgerow_database::Error::Protocol(format!("{error}: {user:?}")))?,
            scope: row.get(4)?,
            created_at: row.get(5)?,
            updated_at: row.get(6)?,
        })
    };
    account().map_err(|error| Error::Internal { doing: "read an account", source: error.into() })
}

/// The hash of the user's password, if the user has one.
///
/// # Errors
/// When the database cannot be asked.
pub async fn password(app: &App, user: &UserId) -> Result<Option<String>, Error> {
    let sql = r#"SELECT password FROM public.account
        WHERE "userId" = $1 AND "providerId" = 'credential' AND password IS NOT NULL ORDER BY "createdAt" LIMIT 1"#;
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&user.as_str()]).await;
    let rows = rows.map_err(|error| Error::without_entity("look a password up", error))?;
    let Some(row) = rows.first() else { return Ok(None) };
    row.get(0).map_err(|error| Error::Internal { doing: "read a password's hash", source: error.into() })
}

/// Gives the user this password, by its hash; makes the account where there is none.
///
/// # Errors
/// When the database cannot be asked.
pub async fn set_password(app: &App, user: &UserId, hash: &str) -> Result<(), Error> {
    let sql = r#"WITH changed AS (
          UPDATE public.account SET password = $2, "updatedAt" = $3::timestamptz
          WHERE "userId" = $1 AND "providerId" = 'credential' RETURNING id)
        INSERT INTO public.account (id, "accountId", "providerId", "userId", password, "createdAt", "updatedAt")
        SELECT $4, $1, 'credential', $1, $2, $3::timestamptz, $3::timestamptz WHERE NOT EXISTS (SELECT FROM changed)"#;
    let (now, id) = (app.world().now_in_millis(), token::letters::<32>(app.world()));
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&user.as_str(), &hash, &now, &id]).await;
    done.map(|_| ()).map_err(|error| Error::without_entity("set a password", error))
}

/// Takes an account away from its user, unless it is the last; whether it was.
///
/// # Errors
/// When the database cannot be asked.
pub async fn unlink(app: &App, user: &UserId, id: &str) -> Result<bool, Error> {
    // Two at once must not take the last two.
    let sql = r#"WITH mine AS MATERIALIZED (SELECT id FROM public.account WHERE "userId" = $1 FOR UPDATE)
        DELETE FROM public.account WHERE id = $2 AND "userId" = $1 AND (SELECT count(*) FROM mine) > 1"#;
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&user.as_str(), &id]).await;
    done.map(|count| count > 0).map_err(|error| Error::without_entity("unlink an account", error))
}
