//! A sign-in whose password was right and that waits for the second factor.
//!
//! Always holds: it is no session and opens nothing; it lasts ten minutes, has five tries, and ends with the one that succeeds.

use std::time::Duration;

use super::INVALID_TWO_FACTOR_COOKIE;
use crate::app::App;
use crate::auth::refusal::AuthError;
use crate::auth::store::two_factor as store;
use crate::auth::store::user;
use crate::auth::store::verification::Purpose;
use crate::token::{self, Alphabet};
use crate::users::User;

/// How the identifier of a challenge starts; the value is the user's id.
pub const CHALLENGE: Purpose = Purpose("2fa-");
/// How many characters follow.
const LENGTH: usize = 20;
/// How long it lasts.
pub const LASTS: Duration = Duration::from_secs(600);

/// A challenge that is under way.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// What the cookie says.
    pub(super) identifier: String,
    /// Whose password was right.
    pub user: User,
}

/// How the second factor can be proved, in Better Auth's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By an authenticator app.
    Totp,
    /// By a code that comes by mail.
    Otp,
}

impl Method {
    /// As answers say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Otp => "otp",
        }
    }
}

/// Asks a user whose password was right for the second factor: what the cookie says, and how it can be proved.
///
/// # Errors
/// When the database cannot be asked.
pub async fn begin(app: &App, user: &User) -> Result<(String, Vec<Method>), AuthError> {
    let factor = match store::find(app, &user.id).await? {
        None => {
            super::be_counted(app, user).await?;
            None
        }
        factor => factor,
    };
    let identifier = format!("{}{}", CHALLENGE.0, token::random::<LENGTH>(app.world(), Alphabet::UrlSafe));
    store::challenge(app, &identifier, &user.id, LASTS).await?;
    let has_app = factor.is_some_and(|factor| factor.is_verified);
    let methods = has_app.then_some(Method::Totp).into_iter().chain([Method::Otp]);
    Ok((identifier, methods.collect()))
}

/// The challenge of a cookie.
///
/// # Errors
/// [`INVALID_TWO_FACTOR_COOKIE`]
pub async fn find(app: &App, identifier: &str) -> Result<Challenge, AuthError> {
    let rest = identifier.strip_prefix(CHALLENGE.0).filter(|rest| rest.len() == LENGTH);
    if rest.is_none() || identifier.contains('\0') {
        return Err(INVALID_TWO_FACTOR_COOKIE.into());
    }
    let id = store::look(app, identifier).await?.ok_or(INVALID_TWO_FACTOR_COOKIE)?;
    let user = user::by_id(app, &id).await?.filter(|user| super::is_on(app, user));
    let user = user.ok_or(INVALID_TWO_FACTOR_COOKIE)?;
    Ok(Challenge { identifier: identifier.to_owned(), user })
}

/// Ends a challenge that was met; of several at the same moment one goes on.
///
/// # Errors
/// [`INVALID_TWO_FACTOR_COOKIE`]
pub async fn meet(app: &App, challenge: &Challenge) -> Result<(), AuthError> {
    if !store::take(app, &challenge.identifier, challenge.user.id.as_str()).await? {
        return Err(INVALID_TWO_FACTOR_COOKIE.into());
    }
    Ok(store::forget_challenge(app, &challenge.identifier).await?)
}
