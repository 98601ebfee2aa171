//! The second factor: an authenticator app, codes by mail, and backup codes for when both are gone.
//!
//! Always holds: who has one switched on gets no session from a password alone, by nothing in the answer; it is set up, shown
//! and switched off by its owner with the password, never by an administrator who acts as them; every code opens once.
//! As at Better Auth, links and codes by mail and other services ask for no second factor: they prove something else
//! than a password.

pub mod backup_codes;
pub mod challenge;
pub mod trust;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::sessions::{self, Current};
use crate::auth::settings::Plugin;
use crate::auth::store::two_factor::{self as store, Begun, Setup, Try, TwoFactor};
use crate::auth::store::verification;
use crate::auth::{email, password, passwords, sealed, totp};
use crate::error::Error;
use crate::mail::{Code, Content};
use crate::token::{self, Alphabet};
use crate::users::User;
use challenge::Challenge;

/// How long a code by mail lasts.
pub const CODE_LASTS: Duration = Duration::from_secs(180);

macro_rules! refusals {
    ($($name:ident = $kind:ident, $message:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`: ", $message)]
            pub const $name: Refusal = Refusal::new(Kind::$kind, stringify!($name), $message);
        )*
    };
}

refusals! {
    TOTP_NOT_ENABLED = Bad, "TOTP not enabled";
    TOTP_ALREADY_ENABLED = Bad, "TOTP is already enabled";
    TWO_FACTOR_NOT_ENABLED = Bad, "Two factor isn't enabled";
    BACKUP_CODES_NOT_ENABLED = Bad, "Backup codes aren't enabled";
    OTP_HAS_EXPIRED = Bad, "OTP has expired";
    INVALID_BACKUP_CODE = Unauthorized, "Invalid backup code";
    INVALID_CODE = Unauthorized, "Invalid code";
    INVALID_TWO_FACTOR_COOKIE = Unauthorized, "Invalid two factor cookie";
    TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE = Bad, "Too many attempts. Please request a new code.";
    ACCOUNT_TEMPORARILY_LOCKED = TooMany, "Too many failed verification attempts. Your account is temporarily locked. Please try again later.";
}

/// Whether the user's password alone gives no session.
pub fn is_on(app: &App, user: &User) -> bool {
    app.auth().has(Plugin::TwoFactor) && user.extra.get("twoFactorEnabled") == Some(&true.into())
}

/// What an authenticator app is set up with; not to be printed, and so without `Debug`.
#[derive(Clone)]
pub struct SetUp {
    /// What the app reads from a QR code; it holds the secret.
    pub uri: String,
    /// For when the app is gone. Shown once.
    pub backup_codes: Vec<String>,
}

/// Begins to set up an authenticator app; it counts when the app has shown a code.
///
/// # Errors
/// [`refusal::INVALID_PASSWORD`], [`TOTP_ALREADY_ENABLED`], [`refusal::IMPERSONATING`]
pub async fn set_up(
    app: &App,
    current: &Current,
    password: &str,
    issuer: Option<&str>,
) -> Result<SetUp, AuthError> {
    is_owner(app, current, password).await?;
    let (secret, codes) = (totp::generate(app.world()), backup_codes::generate(app.world()));
    let sealed_secret = seal(app, secret.expose_secret());
    let setup = Setup { secret: &sealed_secret, backup_codes: &backup_codes::seal(app, &codes) };
    if !store::set_up(app, &current.user.id, setup, Begun::Replace).await? {
        return Err(TOTP_ALREADY_ENABLED.into());
    }
    let issuer = issuer.unwrap_or(&app.auth().settings().app_name);
    let uri = totp::uri(issuer, &current.user.email, &secret);
    Ok(SetUp { uri, backup_codes: codes })
}

/// Switches codes by mail on, at once.
///
/// # Errors
/// [`refusal::INVALID_PASSWORD`], [`refusal::IMPERSONATING`]
pub async fn switch_on(app: &App, current: &Current, password: &str) -> Result<(), AuthError> {
    is_owner(app, current, password).await?;
    be_counted(app, &current.user).await?;
    Ok(store::switch_on(app, &current.user.id).await?)
}

/// Switches the second factor off: the app, the backup codes and all trusted devices.
///
/// # Errors
/// [`refusal::INVALID_PASSWORD`], [`refusal::IMPERSONATING`]
pub async fn switch_off(app: &App, current: &Current, password: &str) -> Result<(), AuthError> {
    is_owner(app, current, password).await?;
    Ok(store::remove(app, &current.user.id).await?)
}

/// What another authenticator app is set up with.
///
/// # Errors
/// [`TOTP_NOT_ENABLED`], [`refusal::INVALID_PASSWORD`], [`refusal::IMPERSONATING`]
pub async fn uri(app: &App, current: &Current, password: &str) -> Result<String, AuthError> {
    sessions::require_own(current)?;
    let factor = store::find(app, &current.user.id).await?.ok_or(TOTP_NOT_ENABLED)?;
    is_owner(app, current, password).await?;
    let secret = open(app, &factor.secret)?;
    Ok(totp::uri(&app.auth().settings().app_name, &current.user.email, &secret))
}

/// New backup codes; the old ones are void.
///
/// # Errors
/// [`TWO_FACTOR_NOT_ENABLED`], [`refusal::INVALID_PASSWORD`], [`refusal::IMPERSONATING`]
pub async fn new_backup_codes(
    app: &App,
    current: &Current,
    password: &str,
) -> Result<Vec<String>, AuthError> {
    sessions::require_own(current)?;
    if !is_on(app, &current.user) {
        return Err(TWO_FACTOR_NOT_ENABLED.into());
    }
    is_owner(app, current, password).await?;
    let codes = backup_codes::generate(app.world());
    let sealed = backup_codes::seal(app, &codes);
    // Somebody may use one of the old ones at this moment.
    for _ in 0..backup_codes::RACES {
        let factor = store::find(app, &current.user.id).await?.ok_or(TWO_FACTOR_NOT_ENABLED)?;
        if store::replace_backup_codes(app, &factor, &sealed).await? {
            return Ok(codes);
        }
    }
    Err(refusal::BUSY.into())
}

/// Who is asked for a second factor.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Somebody who is signed in.
    SignedIn(Box<Current>),
    /// Somebody whose password was right.
    Challenged(Box<Challenge>),
}

/// What a right code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// Nothing new: whoever is signed in has shown it again.
    Again,
    /// The second factor is switched on from now on.
    SwitchedOn,
    /// The sign-in may go on.
    SignIn,
}

impl Asked {
    /// Whose second factor it is.
    pub fn user(&self) -> &User {
        match self {
            Self::SignedIn(current) => &current.user,
            Self::Challenged(challenge) => &challenge.user,
        }
    }

    /// Under what codes by mail are kept.
    fn code_identifier(&self) -> String {
        match self {
            Self::SignedIn(current) => format!("2fa-otp-{}!{}", current.user.id, current.session.id),
            Self::Challenged(challenge) => format!("2fa-otp-{}", challenge.identifier),
        }
    }

    /// Who is signed in already guesses nothing that opens more, and cannot lock themselves out.
    fn is_not_locked(&self, app: &App, factor: Option<&TwoFactor>) -> Result<(), Refusal> {
        let end = factor.and_then(|factor| factor.locked_until);
        match self {
            Self::Challenged(_) if end.is_some_and(|end| end > app.world().now()) => {
                Err(ACCOUNT_TEMPORARILY_LOCKED)
            }
            _ => Ok(()),
        }
    }

    /// Counts a try before it is looked at.
    async fn begin(&self, app: &App, factor: Option<&TwoFactor>) -> Result<(), AuthError> {
        self.is_not_locked(app, factor)?;
        let Self::Challenged(challenge) = self else { return Ok(()) };
        match store::count_try(app, &challenge.identifier).await? {
            Try::Counted(_) => {}
            Try::Nothing => return Err(INVALID_TWO_FACTOR_COOKIE.into()),
            Try::TooMany => {
                store::forget_challenge(app, &challenge.identifier).await?;
                return Err(TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE.into());
            }
        }
        if factor.is_some() && !store::count_failure(app, &challenge.user.id).await? {
            return Err(ACCOUNT_TEMPORARILY_LOCKED.into());
        }
        Ok(())
    }

    /// The code was right.
    async fn end(&self, app: &App) -> Result<Proved, AuthError> {
        match self {
            Self::Challenged(challenge) => {
                store::forget_failures(app, &challenge.user.id).await?;
                Ok(Proved::SignIn)
            }
            Self::SignedIn(current) if is_on(app, &current.user) => Ok(Proved::Again),
            Self::SignedIn(current) => {
                store::switch_on(app, &current.user.id).await?;
                Ok(Proved::SwitchedOn)
            }
        }
    }
}

/// Looks at a code of an authenticator app.
///
/// # Errors
/// [`INVALID_CODE`], also for one that was used before; [`TOTP_NOT_ENABLED`], [`TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE`],
/// [`ACCOUNT_TEMPORARILY_LOCKED`], [`INVALID_TWO_FACTOR_COOKIE`]
pub async fn verify_totp(app: &App, asked: &Asked, code: &str) -> Result<Proved, AuthError> {
    let factor = store::find(app, &asked.user().id).await?.ok_or(TOTP_NOT_ENABLED)?;
    if matches!(asked, Asked::Challenged(_)) && !factor.is_verified {
        return Err(TOTP_NOT_ENABLED.into());
    }
    let secret = open(app, &factor.secret)?;
    asked.begin(app, Some(&factor)).await?;
    let step = totp::verify(&secret, code, app.world().now()).ok_or(INVALID_CODE)?;
    if !store::accept_step(app, &factor, step).await? {
        return Err(INVALID_CODE.into());
    }
    asked.end(app).await
}

/// Sends a code by mail; the ones before it are void.
///
/// # Errors
/// When the database cannot be asked.
pub async fn send_code(app: &App, asked: &Asked) -> Result<(), AuthError> {
    let code = token::random::<6>(app.world(), Alphabet::Digits);
    verification::put(app, &asked.code_identifier(), &format!("{code}:0"), CODE_LASTS).await?;
    email::send(app, asked.user(), Content::TwoFactorCode(Code { code, valid_for: CODE_LASTS }));
    Ok(())
}

/// Looks at a code that came by mail.
///
/// # Errors
/// [`INVALID_CODE`], [`OTP_HAS_EXPIRED`], [`TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE`], [`ACCOUNT_TEMPORARILY_LOCKED`],
/// [`INVALID_TWO_FACTOR_COOKIE`]
pub async fn verify_code(app: &App, asked: &Asked, code: &str) -> Result<Proved, AuthError> {
    let factor = store::find(app, &asked.user().id).await?;
    asked.is_not_locked(app, factor.as_ref())?;
    let identifier = asked.code_identifier();
    if store::look(app, &identifier).await?.is_none() {
        return Err(OTP_HAS_EXPIRED.into());
    }
    asked.begin(app, factor.as_ref()).await?;
    let sent = match store::count_code(app, &identifier).await? {
        Try::Counted(sent) => sent.ok_or(OTP_HAS_EXPIRED)?,
        Try::TooMany => return Err(TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE.into()),
        Try::Nothing => return Err(OTP_HAS_EXPIRED.into()),
    };
    if !bool::from(sent.code.as_bytes().ct_eq(code.as_bytes())) {
        return Err(INVALID_CODE.into());
    }
    if !store::take_code(app, &identifier, &sent).await? {
        return Err(OTP_HAS_EXPIRED.into());
    }
    if matches!(asked, Asked::SignedIn(_)) {
        be_counted(app, asked.user()).await?;
    }
    asked.end(app).await
}

/// Looks at a backup code, which is gone when it was right.
///
/// # Errors
/// [`INVALID_BACKUP_CODE`], [`BACKUP_CODES_NOT_ENABLED`], [`TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE`],
/// [`ACCOUNT_TEMPORARILY_LOCKED`], [`INVALID_TWO_FACTOR_COOKIE`]
pub async fn verify_backup_code(app: &App, asked: &Asked, code: &str) -> Result<Proved, AuthError> {
    let mut factor = store::find(app, &asked.user().id).await?.ok_or(BACKUP_CODES_NOT_ENABLED)?;
    backup_codes::open(app, &factor)?;
    asked.begin(app, Some(&factor)).await?;
    for _ in 0..backup_codes::RACES {
        let left = backup_codes::without(&backup_codes::open(app, &factor)?, code);
        let left = backup_codes::seal(app, &left.ok_or(INVALID_BACKUP_CODE)?);
        if store::replace_backup_codes(app, &factor, &left).await? {
            return match asked {
                Asked::SignedIn(_) => Ok(Proved::Again),
                Asked::Challenged(_) => asked.end(app).await,
            };
        }
        // Another code was used in between, or this one.
        factor = store::find(app, &asked.user().id).await?.ok_or(BACKUP_CODES_NOT_ENABLED)?;
    }
    Err(Refusal::sentence(Kind::Conflict, "Failed to verify backup code. Please try again.").into())
}

/// Sees to it that failures can be counted, also for who has no authenticator app: their row holds a secret that
/// nobody was shown, and no backup codes.
async fn be_counted(app: &App, user: &User) -> Result<(), Error> {
    let secret = seal(app, totp::generate(app.world()).expose_secret());
    let setup = Setup { secret: &secret, backup_codes: &backup_codes::seal(app, &[]) };
    store::set_up(app, &user.id, setup, Begun::Keep).await.map(|_| ())
}

/// Insists on the owner of the account: by the password, and not by an administrator who acts as them.
async fn is_owner(app: &App, current: &Current, text: &str) -> Result<(), AuthError> {
    sessions::require_own(current)?;
    if password::length(text) > app.auth().settings().password_max {
        return Err(refusal::PASSWORD_TOO_LONG.into());
    }
    match passwords::verify(app, &current.user.id, text).await {
        Err(AuthError::Refused(refused)) if refused == refusal::CREDENTIAL_ACCOUNT_NOT_FOUND => {
            Err(refusal::INVALID_PASSWORD.into())
        }
        outcome => outcome,
    }
}

fn seal(app: &App, plain: &str) -> String {
    sealed::seal(app.world(), app.auth().secrets(), plain)
}

fn open(app: &App, text: &str) -> Result<SecretString, Error> {
    sealed::open(app.auth().secrets(), text)
        .map_err(|error| Error::Internal { doing: "open a second factor", source: error.into() })
}
