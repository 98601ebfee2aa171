//! Changing and resetting passwords.
//!
//! Always holds: a reset ends all sessions of the user and makes all other links void; a link works once, also when several
//! use it at the same moment.

use std::time::Duration;

use hedgerow_database::UserId;

use crate::app::App;
use crate::auth::password;
use crate::auth::refusal::{self, AuthError, Refusal};
use crate::auth::store::session::{self, End};
use crate::auth::store::verification::{self, Purpose};
use crate::auth::store::{account, user};
use crate::auth::two_factor::challenge::CHALLENGE;
use crate::auth::{email, invitations, settings::Verification};
use crate::mail::{Content, Link};
use crate::token;
use crate::users::User;

/// Links of mails that set a new password; the value is the user's id.
pub const RESET: Purpose = Purpose("reset-password:");
/// How long such a link lasts.
pub const RESET_LASTS: Duration = Duration::from_secs(3600);

/// Checks a new password's length, in UTF-16 units as JavaScript counts.
///
/// # Errors
/// [`refusal::PASSWORD_TOO_SHORT`], [`refusal::PASSWORD_TOO_LONG`]
pub fn check_length(app: &App, text: &str) -> Result<(), Refusal> {
    let settings = app.auth().settings();
    match password::length(text) {
        length if length < settings.password_min => Err(refusal::PASSWORD_TOO_SHORT),
        length if length > settings.password_max => Err(refusal::PASSWORD_TOO_LONG),
        _ => Ok(()),
    }
}

/// What is kept of a new password.
///
/// # Errors
/// Those of a password's length.
pub async fn hashed(app: &App, text: &str) -> Result<String, AuthError> {
    check_length(app, text)?;
    Ok(app.auth().passwords().hash(app.world(), text).await.map_err(|_| refusal::BUSY)?)
}

/// Gives the user this password; sign-ins that the old one began and that wait for a second factor are void.
///
/// # Errors
/// [`AuthError`]
pub async fn set(app: &App, user: &UserId, text: &str) -> Result<(), AuthError> {
    let hash = hashed(app, text).await?;
    account::set_password(app, user, &hash).await?;
    // A sign-in that the old password began ends here.
    Ok(verification::forget(app, CHALLENGE, user.as_str()).await?)
}

/// Checks the password of a user who is signed in.
///
/// # Errors
/// `refused` when it is another, [`refusal::CREDENTIAL_ACCOUNT_NOT_FOUND`] when the user has none.
pub async fn verify(app: &App, user: &UserId, text: &str) -> Result<(), AuthError> {
    if password::length(text) > app.auth().settings().password_max {
        return Err(refusal::INVALID_PASSWORD.into());
    }
    let Some(hash) = account::password(app, user).await? else {
        return Err(refusal::CREDENTIAL_ACCOUNT_NOT_FOUND.into());
    };
    let fits = app.auth().passwords().verify(&hash, text).await.map_err(|_| refusal::BUSY)?;
    if fits { Ok(()) } else { Err(refusal::INVALID_PASSWORD.into()) }
}

/// Sends a link that sets a new password, if anybody has this address; the asker does not learn whether.
///
/// # Errors
/// When too much waits already.
pub fn request_reset(app: &App, address: &str, redirect: Option<String>) -> Result<(), Refusal> {
    let (own, address) = (app.clone(), address.to_owned());
    app.auth().later().spawn(async move {
        if let Err(error) = send_reset(&own, &address, redirect).await {
            tracing::error!(%error, "a link to set a new password could not be made");
        }
    })
}

/// A link that sets a password, for whoever runs the program to bring to the user; others that the user was sent are void.
///
/// # Errors
/// When the database cannot be asked.
pub async fn link(app: &App, user: &User, lasts: Duration) -> Result<Link, crate::Error> {
    verification::forget(app, RESET, user.id.as_str()).await?;
    let token = token::letters::<24>(app.world());
    verification::keep(app, RESET, &token, user.id.as_str(), lasts).await?;
    Ok(email::link_of(invitations::page(app, "set-password", "token", &token), lasts))
}

async fn send_reset(app: &App, address: &str, redirect: Option<String>) -> Result<(), crate::Error> {
    let Some(user) = user::by_email(app, address).await? else { return Ok(()) };
    let token = token::letters::<24>(app.world());
    verification::keep(app, RESET, &token, user.id.as_str(), RESET_LASTS).await?;
    let mut url = app.auth().endpoint(&format!("reset-password/{token}"));
    url.query_pairs_mut().append_pair("callbackURL", redirect.as_deref().unwrap_or_default());
    email::send(app, &user, Content::ResetPassword(email::link_of(url, RESET_LASTS)));
    Ok(())
}

/// Whether a link's token still works.
///
/// # Errors
/// When the database cannot be asked.
pub async fn is_reset_token(app: &App, token: &str) -> Result<bool, crate::Error> {
    Ok(verification::look(app, RESET, token).await?.is_some())
}

/// Sets a new password with the token of a link.
///
/// # Errors
/// [`refusal::INVALID_TOKEN`] and those of a password's length.
pub async fn reset(app: &App, token: &str, text: &str) -> Result<(), AuthError> {
    check_length(app, text)?;
    let id = verification::take(app, RESET, token).await?.ok_or(refusal::INVALID_TOKEN)?;
    let found = user::by_id(app, &id).await?.ok_or(refusal::INVALID_TOKEN)?;
    let hash = app.auth().passwords().hash(app.world(), text).await.map_err(|_| refusal::BUSY)?;
    replace(app, &found, &hash).await?;
    // Who opens a link of a mail has shown whose address it is.
    if !found.email_verified && app.auth().settings().verification == Verification::Required {
        email::confirm(app, &found).await?;
    }
    Ok(())
}

/// Puts the password with this hash in place of one that was forgotten: other links are void, all sessions end, and the user
/// gets a mail that says so.
///
/// # Errors
/// When the database cannot be asked.
pub(crate) async fn replace(app: &App, user: &User, hash: &str) -> Result<(), crate::Error> {
    account::set_password(app, &user.id, hash).await?;
    verification::forget(app, RESET, user.id.as_str()).await?;
    session::end(app, End::All(&user.id)).await?;
    email::send(app, user, Content::PasswordChanged);
    Ok(())
}
