//! Sessions.

use std::time::Duration;

use hedgerow_database::{Identity, Row, UserId};
use hedgerow_schema::{Bind, Sql};
use jiff::Timestamp;

use super::{hashed, kept_as};
use crate::app::App;
use crate::auth::Client;
use crate::auth::settings::TokenStorage;
use crate::auth::sign_in::later;
use crate::error::Error;
use crate::token;
use crate::users::{self, USER_COLUMNS, User, is_admin_role, user_columns};

/// A session, as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Names the row; no credential.
    pub id: String,
    /// Whose it is.
    pub user_id: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was prolonged last.
    pub updated_at: Timestamp,
    /// When it ends unless it is prolonged.
    pub expires_at: Timestamp,
    /// Where it began; empty when unknown.
    pub ip_address: String,
    /// With what; empty when unknown.
    pub user_agent: String,
    /// The administrator who acts as the user.
    pub impersonated_by: Option<String>,
    /// The credential, where it is known in clear; otherwise what is kept of it, which opens nothing.
    pub token: String,
}

macro_rules! session_columns {
    () => {
        r#"s.id, s."userId", s."createdAt"::timestamptz, s."updatedAt"::timestamptz, s."expiresAt"::timestamptz,
           coalesce(s."ipAddress", ''), coalesce(s."userAgent", ''), s."impersonatedBy", s.token"#
    };
}

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// From where.
    pub client: &'a Client,
    /// How long at most without a refresh, from the moment it is made.
    pub lasts: Duration,
    /// The administrator who acts as the user.
    pub impersonated_by: Option<&'a str>,
}

/// Makes a session with a token of its own: 32 letters and digits, some 190 bits.
///
/// # Errors
/// When the database cannot be asked.
pub async fn create(app: &App, new: &NewSession<'_>) -> Result<Session, Error> {
    let token = token::letters::<32>(app.world());
    let kept = match app.auth().settings().session_tokens {
        TokenStorage::Plain => token.clone(),
        TokenStorage::Hashed => hashed(&token),
    };
    let now = app.world().now_in_millis();
    let ends = later(now, new.lasts);
    let sql = concat!(
        r#"INSERT INTO public.session AS s (id, token, "userId", "createdAt", "updatedAt", "expiresAt", "ipAddress", "userAgent", "impersonatedBy")
           VALUES ($1, $2, $3, $4::timestamptz, $4::timestamptz, $5::timestamptz, $6, $7, $8) RETURNING "#,
        session_columns!()
    );
    let id = token::letters::<32>(app.world());
    let (ip, agent) = (&new.client.ip_address, &new.client.user_agent);
    let rows = app
        .database()
        .flight(&Identity::Auth)
        .rows(sql, &[&id, &kept, &new.user.as_str(), &now, &ends, ip, agent, &new.impersonated_by])
        .await;
    let rows = rows.map_err(|error| Error::without_entity("begin a session", error))?;
    let row = rows.first().ok_or(Error::NotFound)?;
    Ok(Session { token, ..read(row)? })
}

/// The session of a token and its user, whatever became of either.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find(app: &App, token: &str) -> Result<Option<(Session, User)>, Error> {
    let Some(kept) = kept_as(token) else { return Ok(None) };
    let sql = concat!(
        "SELECT ",
        user_columns!(),
        ", ",
        session_columns!(),
        r#" FROM public.session s JOIN public."user" u ON u.id = s."userId" WHERE s.token IN ($1, $2)"#
    );
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&kept[0], &kept[1]]).await;
    let rows = rows.map_err(|error| Error::without_entity("look a session up", error))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let session = Session { token: token.to_owned(), ..read_at(row, USER_COLUMNS)? };
    Ok(Some((session, users::read_at(row, 0)?)))
}

/// Whom a session speaks for, without everything else that is known of them.
pub struct Speaker {
    /// Who.
    pub user: UserId,
    /// Whether they are an administrator.
    pub is_admin: bool,
    /// When the session ends unless it is prolonged.
    pub expires_at: Timestamp,
    /// Whether more has to be asked: the session has ended, its user is shut out, or somebody acts as them.
    pub is_out_of_the_ordinary: bool,
    session: String,
    /// Those of the session's row and of its user's.
    versions: [String; 2],
}

impl Speaker {
    /// What has to hold for all of this to be true still, as a [`Guard`](hedgerow_database::Guard) asks: the session has not ended,
    /// and both rows are the very ones that were read.
    pub fn stands(&self) -> Sql {
        let mut sql = Sql::new("SELECT 1 / hedgerow.session_stands(");
        let [session, user] = &self.versions;
        sql.join(", ", [&self.session, session, user], |sql, text| {
            sql.bind(Bind::text(text.as_str()));
        });
        sql.push(")");
        sql
    }
}

/// Whom the session of a token speaks for.
///
/// # Errors
/// When the database cannot be asked.
pub async fn speaker(app: &App, token: &str) -> Result<Option<Speaker>, Error> {
    let Some(kept) = kept_as(token) else { return Ok(None) };
    let sql = r#"SELECT u.id, coalesce(u.role, 'member'), s."impersonatedBy" IS NOT NULL OR s."expiresAt"::timestamptz <= $3::timestamptz
          OR (coalesce(u.banned, false) AND (u."banExpires" IS NULL OR u."banExpires"::timestamptz > $3::timestamptz)),
          s."expiresAt"::timestamptz, s.id, s.xmin::text, u.xmin::text
        FROM public.session s JOIN public."user" u ON u.id = s."userId" WHERE s.token IN ($1, $2)"#;
    let now = app.world().now();
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&kept[0], &kept[1], &now]).await;
    let rows = rows.map_err(|error| Error::without_entity("look a session up", error))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let internal =
        |error: hedgerow_database::Error| Error::Internal { doing: "read a session", source: error.into() };
    let text = |at: usize| row.get::<String>(at).map_err(internal);
    Ok(Some(Speaker {
        user: text(0)?.parse().map_err(|_| Error::InvalidCredential)?,
        is_admin: is_admin_role(&text(1)?),
        is_out_of_the_ordinary: row.get(2).map_err(internal)?,
        expires_at: row.get(3).map_err(internal)?,
        session: text(4)?,
        versions: [text(5)?, text(6)?],
    }))
}

/// The user's sessions that have not ended, oldest first; tokens are as they are kept.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(app: &App, user: &UserId) -> Result<Vec<Session>, Error> {
    let sql = concat!(
        "SELECT ",
        session_columns!(),
        r#" FROM public.session s WHERE s."userId" = $1 AND s."expiresAt"::timestamptz > $2::timestamptz ORDER BY s."createdAt", s.id"#
    );
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&user.as_str(), &app.world().now()]).await;
    rows.map_err(|error| Error::without_entity("list sessions", error))?.iter().map(read).collect()
}

/// Prolongs a session.
///
/// # Errors
/// When the database cannot be asked.
pub async fn prolong(app: &App, session: &Session, expires_at: Timestamp) -> Result<Session, Error> {
    let sql = concat!(
        r#"UPDATE public.session s SET "expiresAt" = $2::timestamptz, "updatedAt" = $3::timestamptz WHERE s.id = $1 RETURNING "#,
        session_columns!()
    );
    let now = app.world().now_in_millis();
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&session.id, &expires_at, &now]).await;
    let rows = rows.map_err(|error| Error::without_entity("prolong a session", error))?;
    match rows.first() {
        Some(row) => Ok(Session { token: session.token.clone(), ..read(row)? }),
        // It was ended in between.
        None => Err(Error::InvalidCredential),
    }
}

impl Session {
    /// Names the session to those who may end it and may not be in it; told from a token by its beginning.
    pub fn handle(&self) -> String {
        format!("{HANDLE}{}", self.id)
    }
}

const HANDLE: &str = "session_";

/// Which sessions to end.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// The one with this id.
    Id(&'a str),
    /// The user's one with this token, as presented or as kept.
    Token(&'a UserId, &'a str),
    /// Whoever's one with this token, id or [`Session::handle`].
    AnyTokenOrId(&'a str),
    /// All of the user's.
    All(&'a UserId),
    /// All of the user's but this one, by id.
    AllBut(&'a UserId, &'a str),
}

/// Ends sessions, for every instance and at once; returns how many.
///
/// # Errors
/// When the database cannot be asked.
pub async fn end(app: &App, which: End<'_>) -> Result<u64, Error> {
    let flight = app.database().flight(&Identity::Auth);
    let outcome = match which {
        End::Id(id) => flight.execute("DELETE FROM public.session WHERE id = $1", &[&id]).await,
        End::Token(_, token) | End::AnyTokenOrId(token) if token.contains('\0') => return Ok(0),
        End::Token(user, token) => {
            let sql = r#"DELETE FROM public.session WHERE "userId" = $1 AND token IN ($2, $3)"#;
            flight.execute(sql, &[&user.as_str(), &token, &hashed(token)]).await
        }
        End::AnyTokenOrId(token) => {
            let sql = "DELETE FROM public.session WHERE token IN ($1, $2) OR id IN ($1, $3)";
            let id = token.strip_prefix(HANDLE).unwrap_or(token);
            flight.execute(sql, &[&token, &hashed(token), &id]).await
        }
        End::All(user) => {
            flight.execute(r#"DELETE FROM public.session WHERE "userId" = $1"#, &[&user.as_str()]).await
        }
        End::AllBut(user, id) => {
            let sql = r#"DELETE FROM public.session WHERE "userId" = $1 AND id <> $2"#;
            flight.execute(sql, &[&user.as_str(), &id]).await
        }
    };
    outcome.map_err(|error| Error::without_entity("end sessions", error))
}

fn read(row: &Row) -> Result<Session, Error> {
    read_at(row, 0)
}

fn read_at(row: &Row, from: usize) -> Result<Session, Error> {
    let session = || -> Result<Session, hedgerow_database::Error> {
        let user: String = row.get(from + 1)?;
        Ok(Session {
            id: row.get(from)?,
            user_id: user
                .parse()
                .map_err(|error| hedgerow_database::Error::Protocol(format!("{error}: {user:?}")))?,
            created_at: row.get(from + 2)?,
            updated_at: row.get(from + 3)?,
            expires_at: row.get(from + 4)?,
            ip_address: row.get(from + 5)?,
            user_agent: row.get(from + 6)?,
            impersonated_by: row.get(from + 7)?,
            token: row.get(from + 8)?,
        })
    };
    session().map_err(|error| Error::Internal { doing: "read a session", source: error.into() })
}
