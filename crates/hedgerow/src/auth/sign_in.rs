//! Proving who one is, and beginning a session.
//!
//! Always holds: the password is checked before anything else is said about an account, and checking it takes as long where there
//! is none; a session's token is always new.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::auth::Client;
use crate::auth::refusal::{self, AuthError, Refusal};
use crate::auth::settings::Verification;
use crate::auth::store::account;
use crate::auth::store::session::{self, NewSession, Session};
use crate::auth::store::user::{self, Changes};
use crate::users::User;

/// How long a session lasts that the browser forgets when it is closed.
const NOT_REMEMBERED: Duration = Duration::from_secs(86_400);

/// Whether the browser keeps the session after it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remember {
    /// It does.
    Yes,
    /// It does not, and the session is not prolonged.
    No,
}

/// Counts a try to be somebody, from wherever it comes and whether there is such a user or not.
///
/// # Errors
/// When there were too many.
pub fn guard(app: &App, name: &str) -> Result<(), Refusal> {
    let Some(throttle) = app.auth().throttle() else { return Ok(()) };
    throttle.account(name, app.world().now()).map_err(Refusal::too_many)
}

impl Remember {
    /// As a front end says it: everything but `false` is yes.
    pub fn of(flag: Option<bool>) -> Self {
        if flag == Some(false) { Self::No } else { Self::Yes }
    }
}

/// The user with this address and password.
///
/// # Errors
/// [`refusal::INVALID_EMAIL_OR_PASSWORD`], whichever of both is wrong.
pub async fn by_password(app: &App, email: &str, password: &str) -> Result<User, AuthError> {
    guard(app, email)?;
    let user = user::by_email(app, email).await?;
    has_password(app, user, password, refusal::INVALID_EMAIL_OR_PASSWORD).await
}

/// The user, if this is the password; `refused` otherwise, also where there is no user or no password.
///
/// # Errors
/// [`AuthError`]
pub async fn has_password(
    app: &App,
    user: Option<User>,
    password: &str,
    refused: Refusal,
) -> Result<User, AuthError> {
    let hash = match &user {
        Some(user) => account::password(app, &user.id).await?,
        None => None,
    };
    let passwords = app.auth().passwords();
    let fits = match &hash {
        Some(hash) => passwords.verify(hash, password).await,
        None => passwords.verify_nothing(password).await,
    };
    let fits = fits.map_err(|_| refusal::BUSY)?;
    let user = user.filter(|_| fits).ok_or(refused)?;
    if app.auth().settings().verification == Verification::Required && !user.email_verified {
        return Err(refusal::EMAIL_NOT_VERIFIED.into());
    }
    Ok(user)
}

/// Begins a session for a user who proved who they are; a ban that is over is lifted.
///
/// # Errors
/// [`refusal::BANNED_USER`]
pub async fn admit(
    app: &App,
    user: User,
    client: &Client,
    remember: Remember,
) -> Result<(Session, User), AuthError> {
    let user = not_banned(app, user).await?;
    let lasts = match remember {
        Remember::Yes => app.auth().settings().session_expires_in,
        Remember::No => NOT_REMEMBERED,
    };
    let new = NewSession { user: &user.id, client, lasts, impersonated_by: None };
    let session = session::create(app, &new).await?;
    Ok((session, user))
}

/// The user without a ban that is over.
///
/// # Errors
/// [`refusal::BANNED_USER`]
pub async fn not_banned(app: &App, user: User) -> Result<User, AuthError> {
    if !user.banned {
        return Ok(user);
    }
    if user.is_shut_out(app.world().now()) {
        return Err(refusal::BANNED_USER.into());
    }
    let lifted =
        Changes::new().flag("banned", false).text("banReason", None::<String>).moment("banExpires", None);
    let changed = user::update(app, &user.id, lifted, None).await.map_err(crate::Error::from)?;
    Ok(changed.unwrap_or(user))
}

/// The moment so long from now, to the millisecond.
pub(crate) fn after(app: &App, lasts: Duration) -> Timestamp {
    later(app.world().now_in_millis(), lasts)
}

/// The moment so long after `start`.
pub(crate) fn later(start: Timestamp, lasts: Duration) -> Timestamp {
    let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
    start.checked_add(lasts).unwrap_or(Timestamp::MAX)
}
