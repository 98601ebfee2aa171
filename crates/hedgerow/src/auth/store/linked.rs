//! Accounts at other providers, with their tokens as they are kept.
//!
//! Always holds: one account at one provider is one row; printing a row shows no token.

use std::fmt;

use hedgerow_database::{Identity, Row, UserId};
use jiff::Timestamp;

use super::account::{Account, read};
use crate::app::App;
use crate::error::Error;
use crate::token;

/// An account at a provider.
#[derive(Clone, Debug)]
pub struct Linked {
    /// Whose, and where.
    pub account: Account,
    /// Its tokens.
    pub kept: Kept,
}

/// Tokens as they are kept: encrypted, or as Better Auth does.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The access token.
    pub access: Option<String>,
    /// The refresh token.
    pub refresh: Option<String>,
    /// The ID token.
    pub id: Option<String>,
    /// Until when the first lasts.
    pub access_expires_at: Option<Timestamp>,
    /// Until when the second lasts.
    pub refresh_expires_at: Option<Timestamp>,
    /// What was allowed, with commas between.
    pub scope: Option<String>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("access_expires_at", &self.access_expires_at).finish_non_exhaustive()
    }
}

/// An account to be added.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// Who the user is there.
    pub account: &'a str,
    /// Its tokens.
    pub kept: Kept,
}

macro_rules! columns {
    () => {
        r#"a.id, a."accountId", a."providerId", a."userId", a.scope, a."createdAt"::timestamptz, a."updatedAt"::timestamptz,
           a."accessToken", a."refreshToken", a."idToken", a."accessTokenExpiresAt"::timestamptz, a."refreshTokenExpiresAt"::timestamptz"#
    };
}

/// The account of somebody at a provider, whoever's it is here.
///
/// # Errors
/// When the database cannot be asked.
pub async fn of(app: &App, provider: &str, account: &str) -> Result<Option<Linked>, Error> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        r#" FROM public.account a WHERE a."providerId" = $1 AND a."accountId" = $2"#
    );
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&provider, &account]).await;
    one(rows.map_err(|error| Error::without_entity("look a linked account up", error))?)
}

/// One of the user's accounts.
///
/// # Errors
/// When the database cannot be asked.
pub async fn by_row(app: &App, user: &UserId, id: &str) -> Result<Option<Linked>, Error> {
    let sql = concat!("SELECT ", columns!(), r#" FROM public.account a WHERE a.id = $1 AND a."userId" = $2"#);
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&id, &user.as_str()]).await;
    one(rows.map_err(|error| Error::without_entity("look a linked account up", error))?)
}

/// Adds an account to a user; not when anybody has it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn add(app: &App, user: &UserId, new: &New<'_>) -> Result<bool, Error> {
    let sql = r#"INSERT INTO public.account (id, "accountId", "providerId", "userId", "accessToken", "refreshToken", "idToken",
          "accessTokenExpiresAt", "refreshTokenExpiresAt", scope, "createdAt", "updatedAt")
        SELECT $1, $2, $3, $4, $5, $6, $7, $8::timestamptz, $9::timestamptz, $10, $11::timestamptz, $11::timestamptz
        WHERE NOT EXISTS (SELECT FROM public.account WHERE "providerId" = $3 AND "accountId" = $2)
        ON CONFLICT DO NOTHING"#;
    let (id, now, kept) = (token::letters::<32>(app.world()), app.world().now_in_millis(), &new.kept);
    let done = app
        .database()
        .flight(&Identity::Auth)
        .execute(
            sql,
            &[
                &id,
                &new.account,
                &new.provider,
                &user.as_str(),
                &kept.access,
                &kept.refresh,
                &kept.id,
                &kept.access_expires_at,
                &kept.refresh_expires_at,
                &kept.scope,
                &now,
            ],
        )
        .await;
    done.map(|count| count > 0).map_err(|error| Error::without_entity("link an account", error))
}

/// Keeps new tokens; what there is none of stays. The account as it is now, if it is still there.
///
/// # Errors
/// When the database cannot be asked.
pub async fn keep(app: &App, id: &str, kept: &Kept) -> Result<Option<Linked>, Error> {
    let sql = concat!(
        r#"UPDATE public.account a SET "accessToken" = coalesce($2, "accessToken"),
          "refreshToken" = coalesce($3, "refreshToken"), "idToken" = coalesce($4, "idToken"),
          "accessTokenExpiresAt" = CASE WHEN $2 IS NULL THEN "accessTokenExpiresAt"::timestamptz ELSE $5::timestamptz END,
          "refreshTokenExpiresAt" = coalesce($6::timestamptz, "refreshTokenExpiresAt"::timestamptz),
          scope = coalesce($7, scope), "updatedAt" = $8::timestamptz
        WHERE id = $1 RETURNING "#,
        columns!()
    );
    let now = app.world().now_in_millis();
    let rows = app
        .database()
        .flight(&Identity::Auth)
        .rows(
            sql,
            &[
                &id,
                &kept.access,
                &kept.refresh,
                &kept.id,
                &kept.access_expires_at,
                &kept.refresh_expires_at,
                &kept.scope,
                &now,
            ],
        )
        .await;
    one(rows.map_err(|error| Error::without_entity("keep a provider's tokens", error))?)
}

fn one(rows: Vec<Row>) -> Result<Option<Linked>, Error> {
    let Some(row) = rows.first() else { return Ok(None) };
    let kept = || -> Result<Kept, hedgerow_database::Error> {
        Ok(Kept {
            access: row.get(7)?,
            refresh: row.get(8)?,
            id: row.get(9)?,
            access_expires_at: row.get(10)?,
            refresh_expires_at: row.get(11)?,
            scope: row.get(4)?,
        })
    };
    let kept =
        kept().map_err(|error| Error::Internal { doing: "read a linked account", source: error.into() })?;
    Ok(Some(Linked { account: read(row)?, kept }))
}
