//! People who come in by a mail: with a link or a code that only the owner of an address can have.
//!
//! Always holds: who made an account with the address before, without ever proving it, keeps no way into it; somebody new
//! comes in only where an account may be made.

use crate::app::App;
use crate::auth::refusal::{AuthError, Kind, Refusal};
use crate::auth::store::user::{self, Changes, Clash};
use crate::auth::{email, sign_in, sign_up};
use crate::error::Error;
use crate::users::User;

/// Who comes, and what a new account is made of.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The address that was proved; any case.
    pub email: String,
    /// The name for people.
    pub name: Option<String>,
    /// A picture's address.
    pub image: Option<String>,
    /// The token of an invitation.
    pub invitation: Option<String>,
    /// Other columns, or what is wrong with them, which concerns a new account alone.
    pub extra: Result<Changes, Refusal>,
}

/// Who came.
#[derive(Clone, Debug)]
pub enum Arrived {
    /// Somebody who has an account since now.
    New(User),
    /// Somebody who had one.
    Known(User),
}

impl Arrived {
    /// Whoever it is.
    pub fn into_user(self) -> User {
        match self {
            Self::New(user) | Self::Known(user) => user,
        }
    }
}

/// The account is gone, or has another address by now.
const USER_NOT_FOUND: Refusal = Refusal::new(Kind::Bad, "USER_NOT_FOUND", "User not found");

/// Whether somebody with this address, who has no account, gets a mail that makes one.
///
/// # Errors
/// When the database cannot be asked.
pub async fn is_welcome(app: &App, address: &str, invitation: Option<&str>) -> Result<bool, Error> {
    match sign_up::admitted(app, address, invitation).await {
        Ok(_) => Ok(true),
        Err(AuthError::Refused(_)) => Ok(false),
        Err(AuthError::Failed(error)) => Err(error),
    }
}

/// The user of an address that was just proved, with the address confirmed.
///
/// # Errors
/// Those of [`sign_up::admitted`], and `BANNED_USER`.
pub async fn arrive(app: &App, arrival: Arrival) -> Result<Arrived, AuthError> {
    let address = arrival.email.to_lowercase();
    if let Some(user) = user::by_email(app, &address).await? {
        return known(app, user).await;
    }
    let role = sign_up::admitted(app, &address, arrival.invitation.as_deref()).await?;
    let values = arrival
        .extra?
        .text("name", Some(arrival.name.unwrap_or_default()))
        .flag("emailVerified", true)
        .text("image", arrival.image)
        .text("role", Some(role));
    match user::create(app, &address, values, None).await {
        Ok(user) => {
            sign_up::use_up(app, arrival.invitation.as_deref()).await?;
            Ok(Arrived::New(user))
        }
        // Somebody was faster; perhaps not the owner.
        Err(Clash::Email) => match user::by_email(app, &address).await? {
            Some(user) => known(app, user).await,
            None => Err(USER_NOT_FOUND.into()),
        },
        Err(Clash::Other) => Err(sign_up::USERNAME_IS_ALREADY_TAKEN.into()),
        Err(Clash::Failed(error)) => Err(error.into()),
    }
}

async fn known(app: &App, user: User) -> Result<Arrived, AuthError> {
    let user = sign_in::not_banned(app, user).await?;
    if user.email_verified {
        return Ok(Arrived::Known(user));
    }
    let user = email::take_over(app, &user).await?.ok_or(USER_NOT_FOUND)?;
    Ok(Arrived::Known(user))
}
