//! The keys that sign tokens for other services.
//!
//! Always holds: a private key leaves this table encrypted; which key signs depends on the rows alone, so that all instances
//! agree; a key that is made is made once, however many need it first at the same moment.

use std::time::Duration;

use hedgerow_database::{Error as DatabaseError, Identity, Row};
use jiff::{SignedDuration, Timestamp};

use super::kept_as;
use crate::app::App;
use crate::auth::sign_in::after;
use crate::error::Error;
use crate::token;
use crate::users::{self, USER_COLUMNS, User, user_columns};

/// How long tokens of a key are believed after it stopped signing.
pub const GRACE: Duration = Duration::from_secs(30 * 86_400);

/// A key, as its row says.
#[derive(Clone, Debug)]
pub struct Key {
    /// What tokens call it.
    pub id: String,
    /// A JSON Web Key.
    pub public: String,
    /// A private one, encrypted.
    pub private: String,
    /// How it signs; Better Auth's own columns, which its older versions leave empty.
    pub alg: Option<String>,
    /// On which curve.
    pub crv: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it signs no more.
    pub expires_at: Option<Timestamp>,
}

impl Key {
    /// Whether its tokens are still believed.
    pub fn is_believed(&self, now: Timestamp) -> bool {
        let grace = SignedDuration::try_from(GRACE).unwrap_or(SignedDuration::ZERO);
        self.expires_at.is_none_or(|end| end.checked_add(grace).is_ok_and(|end| end > now))
    }
}

macro_rules! key_columns {
    () => {
        r#"k.id, k."publicKey", k."privateKey", k.alg, k.crv, k."createdAt"::timestamptz, k."expiresAt"::timestamptz"#
    };
}
const KEY_COLUMNS: usize = 7;

/// The newest keys that may sign, first the one that does.
const SIGNING: &str = concat!(
    "SELECT ",
    key_columns!(),
    r#" FROM public.jwks k WHERE (k.alg IS NULL OR k.alg = 'EdDSA')
        AND (k."expiresAt" IS NULL OR k."expiresAt"::timestamptz > $1::timestamptz)
        AND k."createdAt"::timestamptz > $2::timestamptz ORDER BY k."createdAt" DESC, k.id DESC LIMIT 10"#
);

/// All keys, oldest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(app: &App) -> Result<Vec<Key>, Error> {
    let sql = concat!("SELECT ", key_columns!(), r#" FROM public.jwks k ORDER BY k."createdAt", k.id"#);
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[]).await;
    let keys = rows.and_then(|rows| rows.iter().map(read).collect());
    keys.map_err(|error| Error::without_entity("list the keys of tokens", error))
}

/// The newest keys that may sign: made after `since`, and not ended.
///
/// # Errors
/// When the database cannot be asked.
pub async fn signing(app: &App, since: Timestamp) -> Result<Vec<Key>, Error> {
    let now = app.world().now();
    let rows = app.database().flight(&Identity::Auth).rows(SIGNING, &[&now, &since]).await;
    let keys = rows.and_then(|rows| rows.iter().map(read).collect());
    keys.map_err(|error| Error::without_entity("look the key of tokens up", error))
}

/// Adds a key, unless somebody added one that is `good` since it was looked for. `halves` is the public and the encrypted
/// private one; `lasts` is how long it signs.
///
/// # Errors
/// When the database cannot be asked.
pub async fn add(
    app: &App,
    since: Timestamp,
    good: impl Fn(&Key) -> bool,
    halves: (&str, &str),
    lasts: Option<Duration>,
) -> Result<(), Error> {
    let now = app.world().now_in_millis();
    let (id, end) = (token::letters::<32>(app.world()), lasts.map(|lasts| after(app, lasts)));
    let added = async {
        let mut transaction = app.database().transaction(&Identity::Auth).await?;
        transaction.execute("LOCK TABLE public.jwks IN SHARE ROW EXCLUSIVE MODE", &[]).await?;
        let rows = transaction.query(SIGNING, &[&now, &since]).await?;
        let keys = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if keys.iter().any(good) {
            return Ok(());
        }
        let sql = r#"INSERT INTO public.jwks (id, "publicKey", "privateKey", "createdAt", "expiresAt", alg, crv)
            VALUES ($1, $2, $3, $4::timestamptz, $5::timestamptz, 'EdDSA', 'Ed25519')"#;
        transaction.execute(sql, &[&id, &halves.0, &halves.1, &now, &end]).await?;
        transaction.commit().await
    };
    let added: Result<(), DatabaseError> = added.await;
    added.map_err(|error| Error::without_entity("make a key for tokens", error))
}

/// What is known of what a token says, before it is known whether the token is right.
#[derive(Clone, Debug)]
pub struct Witness {
    /// The key that the token names.
    pub key: Key,
    /// The user that it names.
    pub user: User,
    /// The session that it names, if that is the user's and has not ended: its token as it is kept.
    pub session: Option<String>,
}

/// Looks key, user and session up at once. `None` when there is no such key or no such user.
///
/// # Errors
/// When the database cannot be asked.
pub async fn witness(
    app: &App,
    kid: &str,
    user: &str,
    session: Option<&str>,
) -> Result<Option<Witness>, Error> {
    if [Some(kid), Some(user), session].into_iter().flatten().any(|text| text.contains('\0')) {
        return Ok(None);
    }
    let sql = concat!(
        "SELECT ",
        user_columns!(),
        ", ",
        key_columns!(),
        r#", s.token FROM public.jwks k JOIN public."user" u ON u.id = $2
           LEFT JOIN public.session s ON s.id = $3 AND s."userId" = u.id AND s."expiresAt"::timestamptz > $4::timestamptz
           WHERE k.id = $1"#
    );
    let now = app.world().now();
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&kid, &user, &session, &now]).await;
    let rows = rows.map_err(|error| Error::without_entity("look the key of a token up", error))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let internal =
        |error: DatabaseError| Error::Internal { doing: "read the key of a token", source: error.into() };
    Ok(Some(Witness {
        user: users::read_at(row, 0)?,
        key: read_at(row, USER_COLUMNS).map_err(internal)?,
        session: row.get(USER_COLUMNS + KEY_COLUMNS).map_err(internal)?,
    }))
}

impl Witness {
    /// Whether the session is that of this token of a cookie.
    pub fn is_of(&self, token: &str) -> bool {
        let kept = kept_as(token);
        self.session.as_ref().is_some_and(|own| kept.is_some_and(|kept| kept.contains(own)))
    }
}

fn read(row: &Row) -> Result<Key, DatabaseError> {
    read_at(row, 0)
}

fn read_at(row: &Row, from: usize) -> Result<Key, DatabaseError> {
    Ok(Key {
        id: row.get(from)?,
        public: row.get(from + 1)?,
        private: row.get(from + 2)?,
        alg: row.get(from + 3)?,
        crv: row.get(from + 4)?,
        created_at: row.get(from + 5)?,
        expires_at: row.get(from + 6)?,
    })
}
