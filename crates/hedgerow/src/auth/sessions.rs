//! Sessions that are there: who they belong to, when they are prolonged, when they are too old for what is asked.
//!
//! Always holds: a session that has ended, or whose user is shut out, is none; nor is one in which somebody acts as a user
//! without being allowed to any more.

use std::sync::Arc;

use hedgerow_database::Guard;
use jiff::SignedDuration;

use crate::app::App;
use crate::auth::admin;
use crate::auth::refusal::{self, AuthError, Refusal};
use crate::auth::sign_in::{Remember, after};
use crate::auth::store::hashed;
use crate::auth::store::session::{self, End, Session};
use crate::context::SignedIn;
use crate::error::Error;
use crate::memory::Remembered;
use crate::users::User;

/// A session with its user.
#[derive(Clone, Debug)]
pub struct Current {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
}

/// The session of a token.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find(app: &App, token: &str) -> Result<Option<Current>, Error> {
    let Some((session, user)) = session::find(app, token).await? else { return Ok(None) };
    let now = app.world().now();
    if session.expires_at <= now {
        session::end(app, End::Id(&session.id)).await?;
        return Ok(None);
    }
    if user.is_shut_out(now) {
        return Ok(None);
    }
    if let Some(by) = &session.impersonated_by
        && !admin::still_acts(app, by, &user).await?
    {
        session::end(app, End::Id(&session.id)).await?;
        return Ok(None);
    }
    Ok(Some(Current { session, user }))
}

/// Who a session speaks for: everything that its user may do. Asks the database.
///
/// # Errors
/// [`Error::InvalidCredential`]
pub async fn authenticate(app: &App, token: &str) -> Result<SignedIn, Error> {
    let hash = hashed(token);
    let Some(speaker) = session::speaker(app, token).await? else {
        app.auth().sessions().forget(&hash);
        return Err(Error::InvalidCredential);
    };
    if speaker.is_out_of_the_ordinary {
        app.auth().sessions().forget(&hash);
        let current = find(app, token).await?.ok_or(Error::InvalidCredential)?;
        let is_admin = current.user.is_admin();
        return Ok(SignedIn { id: current.user.id, is_admin, scopes: None, key: None });
    }
    let condition = Arc::new(speaker.stands());
    let user = SignedIn { id: speaker.user, is_admin: speaker.is_admin, scopes: None, key: None };
    let remembered = Remembered { user: user.clone(), condition, also: speaker.expires_at };
    app.auth().sessions().keep(hash, remembered);
    Ok(user)
}

/// Who a session speaks for as far as it is remembered, with the guard that every flight for them has to prove. Asks nobody;
/// `None` sends the caller to [`authenticate`].
pub fn recall(app: &App, token: &str) -> Option<(SignedIn, Guard)> {
    let now = app.world().now();
    app.auth().sessions().recall(&hashed(token), |&ends| ends > now)
}

/// Prolongs the session when its time has come; whether it was.
///
/// # Errors
/// When the database cannot be asked.
pub async fn refresh(app: &App, current: &mut Current, remember: Remember) -> Result<bool, Error> {
    let settings = app.auth().settings();
    // Administrators act as somebody else for an hour, and not longer by being busy.
    if remember == Remember::No || current.session.impersonated_by.is_some() {
        return Ok(false);
    }
    let span = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    let begun = current.session.expires_at.saturating_sub(span(settings.session_expires_in));
    let due = begun.and_then(|begun| begun.saturating_add(span(settings.session_update_age)));
    if due.is_ok_and(|due| due > app.world().now()) {
        return Ok(false);
    }
    let expires_at = after(app, settings.session_expires_in);
    current.session = session::prolong(app, &current.session, expires_at).await?;
    Ok(true)
}

/// Whether the session began recently enough for something sensitive.
pub fn is_fresh(app: &App, session: &Session) -> bool {
    let limit = app.auth().settings().session_fresh_age;
    let limit = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
    limit.is_zero() || app.world().now().duration_since(session.created_at) < limit
}

/// Insists on a session that began recently.
///
/// # Errors
/// [`refusal::SESSION_NOT_FRESH`]
pub fn require_fresh(app: &App, session: &Session) -> Result<(), AuthError> {
    if is_fresh(app, session) { Ok(()) } else { Err(refusal::SESSION_NOT_FRESH.into()) }
}

/// Insists on somebody who is signed in as themselves: who acts as somebody else does not change how they sign in.
///
/// # Errors
/// [`refusal::IMPERSONATING`]
pub fn require_own(current: &Current) -> Result<(), Refusal> {
    if current.session.impersonated_by.is_some() { Err(refusal::IMPERSONATING) } else { Ok(()) }
}
