//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that is sent again does nothing again, and
//! gets the answer that the first one got.
//!
//! Always holds: that a key was used, and the answer, are kept in the transaction of the write itself. What was written has
//! its answer, also when the program dies before it is sent; what was refused has neither, and may be tried again.

use data_encoding::HEXLOWER;
use hedgerow_database::{Error as DatabaseError, Identity, Meaning, Row, ServerError};
use hedgerow_schema::{Bind, Sql};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::context::{Caller, Ctx};
use crate::error::Error;
use crate::records::Writes;

/// So many rows of one kind are taken away at once.
const CLEANED: u64 = 1000;

/// A key, which a client chose.
///
/// ```
/// use hedgerow::idempotency::Key;
/// assert!(Key::parse("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"").is_ok());
/// assert!(Key::parse("plain-too").is_ok());
/// assert!(Key::parse("with a space").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// 1 to 255 visible characters of ASCII, in quotes or without.
    ///
    /// # Errors
    /// [`Error::Input`]
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        if (1..=255).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(bare.to_owned()));
        }
        let message = "an Idempotency-Key has 1 to 255 visible ASCII characters, for example a UUID";
        Err(Error::input("Idempotency-Key", "invalid_idempotency_key", message))
    }
}

/// A request that may have been sent before.
#[derive(Clone, Debug)]
pub struct Repeatable {
    key: Key,
    /// Method and route; each has its own keys.
    route: String,
    /// A hash of everything that decides what the request does.
    request: String,
}

impl Repeatable {
    /// A request with a key. `asked` is what the request says: path, query, body. Who presents another credential, which may
    /// allow less, does not get the answer of this one.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`]: keys belong to a user.
    pub fn new(ctx: &Ctx, key: Key, route: String, asked: &[&[u8]]) -> Result<Self, Error> {
        let Caller::User(user) = ctx.caller() else { return Err(Error::NotSignedIn) };
        let mut hash = Sha256::new();
        let scopes = user.scopes.as_ref().map(|scopes| {
            let mut texts: Vec<String> = scopes.iter().map(ToString::to_string).collect();
            texts.sort();
            texts.join(" ")
        });
        let scopes = scopes.unwrap_or_else(|| "session".to_owned());
        for part in asked.iter().copied().chain([scopes.as_bytes()]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let request = HEXLOWER.encode(&hash.finalize());
        Ok(Self { key, route, request })
    }
}

/// An answer to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The HTTP status.
    pub status: u16,
    /// A JSON array of pairs: names and values.
    pub headers: String,
    /// The body.
    pub body: String,
}

/// What is to be done with a request that has a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the first one: do it, and [`keep`] the answer.
    First,
    /// It was done before.
    Again(Kept),
}

/// Takes the key for this request, in the transaction of its writes, which must be [together](Writes::together). A request
/// with the same key that is under way is waited for.
///
/// # Errors
/// [`Error::KeyReused`], and [`Error::KeyInUse`] when the other request takes long.
pub async fn claim(writes: &mut Writes<'_>, identity: &Identity, asked: &Repeatable) -> Result<Claim, Error> {
    let mut claim = Sql::new("INSERT INTO public.api_idempotency AS own (route, key, request) VALUES (");
    claim.bind(Bind::text(&asked.route)).push(", ").bind(Bind::text(&asked.key.0)).push(", ");
    claim.bind(Bind::text(&asked.request)).push(
        ") ON CONFLICT (\"userId\", route, key) DO UPDATE SET request = EXCLUDED.request, status = NULL, \
         headers = NULL, body = NULL, \"createdAt\" = CURRENT_TIMESTAMP \
         WHERE own.\"createdAt\" < CURRENT_TIMESTAMP - interval '24 hours'",
    );
    // For the other request, and then for any row that somebody else is writing.
    let wait = Sql::new("SELECT pg_catalog.set_config('lock_timeout', '2s', true)");
    let done = writes.send(identity).await?.execute_each(&[wait, claim]).await;
    let done = done.map_err(|error| match error.server().map(ServerError::meaning) {
        Some(Meaning::Locked) => Error::KeyInUse,
        _ => failed(error),
    })?;
    if done.get(1) == Some(&1) {
        return Ok(Claim::First);
    }
    let mut look = Sql::new("SELECT request, status, headers::text, body FROM public.api_idempotency");
    named(&mut look, asked);
    let rows = writes.send(identity).await?.rows(&look).await.map_err(failed)?;
    // It is gone since: somebody cleaned up.
    let Some(row) = rows.first() else { return Err(Error::KeyInUse) };
    if row.get::<String>(0).map_err(failed)? != asked.request {
        return Err(Error::KeyReused);
    }
    read(row).map(Claim::Again)
}

fn read(row: &Row) -> Result<Kept, Error> {
    let status: Option<i64> = row.get(1).map_err(failed)?;
    Ok(Kept {
        status: status.and_then(|status| status.try_into().ok()).ok_or(Error::KeyInUse)?,
        headers: row.get::<Option<String>>(2).map_err(failed)?.unwrap_or_default(),
        body: row.get::<Option<String>>(3).map_err(failed)?.unwrap_or_default(),
    })
}

/// Keeps the answer of a request that took its key.
///
/// # Errors
/// The database's.
pub async fn keep(
    writes: &mut Writes<'_>,
    identity: &Identity,
    asked: &Repeatable,
    answer: &Kept,
) -> Result<(), Error> {
    let mut keep = Sql::new("UPDATE public.api_idempotency SET status = ");
    keep.bind(Bind::integer(answer.status.into())).push(", headers = ");
    keep.bind(Bind::text(&answer.headers)).push("::jsonb, body = ").bind(Bind::text(&answer.body));
    named(&mut keep, asked);
    writes.send(identity).await?.execute_each(&[keep]).await.map(|_| ()).map_err(failed)
}

fn named(sql: &mut Sql, asked: &Repeatable) {
    sql.push(" WHERE \"userId\" = public.get_auth_user_id() AND route = ").bind(Bind::text(&asked.route));
    sql.push(" AND key = ").bind(Bind::text(&asked.key.0));
}

/// Forgets what is older than 24 hours, some rows at a time; tells whether there may be more.
///
/// # Errors
/// The database's.
pub async fn clean(app: &App) -> Result<bool, Error> {
    let mut clean = Sql::new(
        "DELETE FROM public.api_idempotency WHERE \"createdAt\" < CURRENT_TIMESTAMP - interval '24 hours' \
         AND (\"userId\", route, key) IN (SELECT \"userId\", route, key FROM public.api_idempotency \
         WHERE \"createdAt\" < CURRENT_TIMESTAMP - interval '24 hours' ORDER BY \"createdAt\" LIMIT ",
    );
    clean.number(CLEANED).push(")");
    let done = app.database().flight(&Identity::Auth).execute_each(&[clean]).await;
    let done = done.map_err(|error| Error::without_entity("forget old idempotency keys", error))?;
    Ok(done == [CLEANED])
}

fn failed(error: DatabaseError) -> Error {
    Error::without_entity("keep what a request did", error)
}
