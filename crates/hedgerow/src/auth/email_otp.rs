//! Codes by mail: six digits that stand for the owner of an address for five minutes.
//!
//! Always holds: of a code only a keyed hash is kept, because six digits are guessed from any other; each address has a row,
//! known or not, and so the tries at one answer as those at the other; a code is for one purpose and works once.

use std::time::Duration;

use crate::app::App;
use crate::auth::arrivals::{self, Arrival, Arrived};
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::sessions::{self, Current};
use crate::auth::settings::Switch;
use crate::auth::store::code::{self, Then, Tried};
use crate::auth::store::user::{self, Changes, Clash};
use crate::auth::{email, passwords, signed};
use crate::error::Error;
use crate::mail::{Code, Content};
use crate::token::{self, Alphabet};
use crate::users::User;

/// How long a code lasts.
pub const LASTS: Duration = Duration::from_secs(300);

/// What a code is kept by starts so; what does not was written by a Node server, in clear.
const KEYED: &str = "k1_";
/// Longer than any code.
const LONGEST: usize = 16;

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in, or making an account.
    SignIn,
    /// Confirming an address.
    VerifyEmail,
    /// A new password.
    ResetPassword,
    /// A new address.
    ChangeEmail,
}

impl Purpose {
    /// All of them, in Better Auth's order.
    pub const ALL: [Self; 4] = [Self::VerifyEmail, Self::SignIn, Self::ResetPassword, Self::ChangeEmail];

    /// As requests and rows name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::VerifyEmail => "email-verification",
            Self::ResetPassword => "forget-password",
            Self::ChangeEmail => "change-email",
        }
    }

    /// The purpose of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Where the row is.
    fn identifier(self, whose: &str) -> String {
        format!("{}-otp-{whose}", self.name())
    }

    fn content(self, code: String) -> Content {
        let code = Code { code, valid_for: LASTS };
        match self {
            Self::SignIn => Content::OneTimeCode(code),
            Self::VerifyEmail | Self::ChangeEmail => Content::VerifyEmailCode(code),
            Self::ResetPassword => Content::ResetPasswordCode(code),
        }
    }
}

/// It is not the code.
pub const INVALID_OTP: Refusal = Refusal::new(Kind::Bad, "INVALID_OTP", "Invalid OTP");
/// It was, once.
pub const OTP_EXPIRED: Refusal = Refusal::new(Kind::Bad, "OTP_EXPIRED", "OTP expired");
/// Nobody listens to this code any more.
pub const TOO_MANY_ATTEMPTS: Refusal =
    Refusal::new(Kind::Forbidden, "TOO_MANY_ATTEMPTS", "Too many attempts");
/// Whoever has the code knows that there is nobody with this address.
pub const USER_NOT_FOUND: Refusal = Refusal::new(Kind::Bad, "USER_NOT_FOUND", "User not found");
/// Addresses are not changed here.
pub const CHANGE_DISABLED: Refusal = Refusal::sentence(Kind::Bad, "Change email with OTP is disabled");
/// The old address's owner has to agree.
pub const CURRENT_CODE_REQUIRED: Refusal =
    Refusal::sentence(Kind::Bad, "OTP is required to verify current email");
/// Somebody has the new address by now.
pub const EMAIL_IN_USE: Refusal = Refusal::sentence(Kind::Bad, "Email already in use");

/// Sends a code, if the address is one that gets it; the asker does not learn whether.
///
/// # Errors
/// When too much waits already.
pub fn request(
    app: &App,
    purpose: Purpose,
    address: &str,
    invitation: Option<String>,
) -> Result<(), Refusal> {
    let (own, address) = (app.clone(), address.to_lowercase());
    app.auth().later().spawn(async move {
        let identifier = purpose.identifier(&address);
        let sent = async {
            let code = keep_new(&own, &identifier).await?;
            let user = user::by_email(&own, &address).await?;
            let gets_one = match (&user, purpose) {
                (Some(_), _) => true,
                (None, Purpose::SignIn) => {
                    arrivals::is_welcome(&own, &address, invitation.as_deref()).await?
                }
                (None, _) => false,
            };
            if gets_one {
                let name = user.map(|user| user.name).unwrap_or_default();
                email::send_to(&own, &address, &name, purpose.content(code));
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = sent.await {
            tracing::error!(%error, purpose = purpose.name(), "a code could not be made");
        }
    })
}

/// Whether it is the code; it stays, for what is done with it next.
///
/// # Errors
/// [`INVALID_OTP`], [`OTP_EXPIRED`], [`TOO_MANY_ATTEMPTS`], [`USER_NOT_FOUND`]
pub async fn check(app: &App, purpose: Purpose, address: &str, code: &str) -> Result<User, AuthError> {
    let address = address.to_lowercase();
    attempt(app, &purpose.identifier(&address), &address, code, Then::Stays).await?;
    Ok(user::by_email(app, &address).await?.ok_or(USER_NOT_FOUND)?)
}

/// Confirms an address with its code.
///
/// # Errors
/// As [`check`].
pub async fn verify_email(app: &App, address: &str, code: &str) -> Result<User, AuthError> {
    let address = address.to_lowercase();
    let identifier = Purpose::VerifyEmail.identifier(&address);
    attempt(app, &identifier, &address, code, Then::Gone).await?;
    let user = user::by_email(app, &address).await?.ok_or(USER_NOT_FOUND)?;
    email::confirm(app, &user).await?;
    Ok(user::by_id(app, user.id.as_str()).await?.ok_or(USER_NOT_FOUND)?)
}

/// Who comes in with a code: a user, or somebody who becomes one.
///
/// # Errors
/// As [`check`], and those of [`arrivals::arrive`].
pub async fn sign_in(app: &App, arrival: Arrival, code: &str) -> Result<Arrived, AuthError> {
    let address = arrival.email.to_lowercase();
    attempt(app, &Purpose::SignIn.identifier(&address), &address, code, Then::Gone).await?;
    arrivals::arrive(app, arrival).await
}

/// Sets a new password with a code, and ends everything that the old one began.
///
/// # Errors
/// As [`check`], and those of a password's length.
pub async fn reset_password(app: &App, address: &str, code: &str, text: &str) -> Result<(), AuthError> {
    passwords::check_length(app, text)?;
    // A hash takes a core's time; only who has the code may ask for it, and the code is taken when it is there.
    let found = check(app, Purpose::ResetPassword, address, code).await?;
    let hash = app.auth().passwords().hash(app.world(), text).await.map_err(|_| refusal::BUSY)?;
    let address = address.to_lowercase();
    attempt(app, &Purpose::ResetPassword.identifier(&address), &address, code, Then::Gone).await?;
    passwords::replace(app, &found, &hash).await?;
    if !found.email_verified {
        email::confirm(app, &found).await?;
    }
    Ok(())
}

/// Sends a code to the address that somebody wants to have. Whose present address is confirmed says with a code of that
/// address (of [`Purpose::VerifyEmail`]) that the change is theirs. Where the new address is somebody else's, nothing is
/// sent, and the asker does not learn it.
///
/// # Errors
/// As [`check`] for the present address's code, and those that say what is missing.
pub async fn request_change(
    app: &App,
    current: &Current,
    new: &str,
    code: Option<&str>,
) -> Result<(), AuthError> {
    let new = may_change(app, current, new)?;
    let user = &current.user;
    if user.email_verified {
        let code = code.ok_or(CURRENT_CODE_REQUIRED)?;
        let identifier = Purpose::VerifyEmail.identifier(&user.email);
        attempt(app, &identifier, &user.email, code, Then::Gone).await?;
    }
    let (own, user) = (app.clone(), user.clone());
    app.auth().later().spawn(async move {
        let sent = async {
            let code = keep_new(&own, &change_of(&user, &new)).await?;
            if user::by_email(&own, &new).await?.is_none() {
                email::send_to(&own, &new, &user.name, Purpose::ChangeEmail.content(code));
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = sent.await {
            tracing::error!(%error, "a code for a new address could not be made");
        }
    })?;
    Ok(())
}

/// Changes the address with the code that went to the new one.
///
/// # Errors
/// As [`check`], and [`EMAIL_IN_USE`].
pub async fn change(app: &App, current: &Current, new: &str, code: &str) -> Result<User, AuthError> {
    let new = may_change(app, current, new)?;
    let user = &current.user;
    attempt(app, &change_of(user, &new), &new, code, Then::Gone).await?;
    let changes = Changes::new().text("email", Some(new)).flag("emailVerified", true);
    match user::update(app, &user.id, changes, Some(&user.email)).await {
        Ok(Some(changed)) => {
            email::send_to(app, &user.email, &user.name, Content::EmailChanged);
            Ok(changed)
        }
        Ok(None) => Err(INVALID_OTP.into()),
        Err(Clash::Email | Clash::Other) => Err(EMAIL_IN_USE.into()),
        Err(Clash::Failed(error)) => Err(error.into()),
    }
}

/// The new address in lower case, if it may be asked for.
fn may_change(app: &App, current: &Current, new: &str) -> Result<String, AuthError> {
    if app.auth().settings().change_email == Switch::Off {
        return Err(CHANGE_DISABLED.into());
    }
    sessions::require_own(current)?;
    let new = new.to_lowercase();
    if new == current.user.email { Err(refusal::EMAIL_IS_THE_SAME.into()) } else { Ok(new) }
}

fn change_of(user: &User, new: &str) -> String {
    Purpose::ChangeEmail.identifier(&format!("{}:{new}", user.id))
}

/// A new code in place of the one that was there.
async fn keep_new(app: &App, identifier: &str) -> Result<String, Error> {
    let code = token::random::<6>(app.world(), Alphabet::Digits);
    let kept = format!("{KEYED}{}", signed::mac(app.auth().secrets(), &message(identifier, &code)));
    code::put(app, identifier, &kept, LASTS).await?;
    Ok(code)
}

/// Tries a code, which counts for its row, and for the address over all rows that it ever had.
async fn attempt(
    app: &App,
    identifier: &str,
    address: &str,
    code: &str,
    then: Then,
) -> Result<(), AuthError> {
    if let Some(throttle) = app.auth().throttle() {
        let counted = throttle.account(&format!("code {address}"), app.world().now());
        counted.map_err(Refusal::too_many)?;
    }
    match code::attempt(app, identifier, |kept| fits(app, identifier, kept, code), then).await? {
        Tried::Right => Ok(()),
        Tried::Wrong => Err(INVALID_OTP.into()),
        Tried::Late => Err(OTP_EXPIRED.into()),
        Tried::TooMany => Err(TOO_MANY_ATTEMPTS.into()),
    }
}

/// Whether what is kept is of this code; in constant time.
fn fits(app: &App, identifier: &str, kept: &str, code: &str) -> bool {
    // Nothing else is a code, what a row says of one neither.
    if code.is_empty() || code.len() > LONGEST || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let secrets = app.auth().secrets();
    let message = message(identifier, code);
    match kept.strip_prefix(KEYED) {
        Some(mac) => signed::is_mac(secrets, &message, mac),
        None => signed::is_mac(secrets, &message, &signed::mac(secrets, &self::message(identifier, kept))),
    }
}

/// What is signed for a code: nothing else that is signed with the same secret has a space in it.
fn message(identifier: &str, code: &str) -> String {
    format!("email-otp {identifier} {code}")
}
