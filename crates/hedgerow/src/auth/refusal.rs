//! What sign-in refuses, in Better Auth's words: codes and messages are part of the wire format (1.7).
//!
//! Always holds: a refusal says nothing about whether an account exists, unless the asker has proved to own it.

use std::borrow::Cow;

use crate::error::Error;

/// What kind of answer a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was sent is wrong.
    Bad,
    /// Nobody is signed in, or the proof is wrong.
    Unauthorized,
    /// Somebody is, and may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The method needs another setting.
    NotAllowed,
    /// It collides with what is there.
    Conflict,
    /// It is understood and cannot be done.
    Unprocessable,
    /// Too often.
    TooMany,
    /// Not at the moment.
    Unavailable,
    /// The body is of the wrong type.
    MediaType,
    /// The body is too large.
    TooLarge,
}

/// Something that sign-in does not do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of answer it is.
    pub kind: Kind,
    /// For programs; some have none.
    pub code: Option<&'static str>,
    /// For people; `None` is an answer without a body.
    pub message: Option<Cow<'static, str>>,
    /// When to try again, in seconds.
    pub retry_after: Option<u64>,
}

/// Why a flow of sign-in did not go through.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// It was refused.
    #[error("refused: {}", .0.code.or(.0.message.as_deref()).unwrap_or("without a word"))]
    Refused(Refusal),
    /// Something else went wrong.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<Refusal> for AuthError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Refusal {
    /// A refusal with code and message.
    pub const fn new(kind: Kind, code: &'static str, message: &'static str) -> Self {
        Self { kind, code: Some(code), message: Some(Cow::Borrowed(message)), retry_after: None }
    }

    /// A refusal that says only a sentence.
    pub const fn sentence(kind: Kind, message: &'static str) -> Self {
        Self { kind, code: None, message: Some(Cow::Borrowed(message)), retry_after: None }
    }

    /// A refusal without a body.
    pub const fn silent(kind: Kind) -> Self {
        Self { kind, code: None, message: None, retry_after: None }
    }

    /// What was sent does not have the form it must have.
    pub fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: Kind::Bad,
            code: Some("VALIDATION_ERROR"),
            message: Some(message.into()),
            retry_after: None,
        }
    }

    /// A field that only the program sets.
    pub fn field_not_allowed(field: &str) -> Self {
        Self {
            kind: Kind::Bad,
            code: Some("FIELD_NOT_ALLOWED"),
            message: Some(format!("{field} is not allowed to be set").into()),
            retry_after: None,
        }
    }

    /// Too often; `seconds` from now it may work again.
    pub fn too_many(seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::sentence(Kind::TooMany, "Too many requests. Please try again later.")
        }
    }
}

macro_rules! refusals {
    ($($name:ident = $kind:ident, $message:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`: ", $message)]
            pub const $name: Refusal = Refusal::new(Kind::$kind, stringify!($name), $message);
        )*
    };
}

refusals! {
    UNAUTHORIZED = Unauthorized, "Unauthorized";
    SESSION_NOT_FRESH = Forbidden, "Session is not fresh";
    SESSION_EXPIRED = Bad, "Session expired. Re-authenticate to perform this action.";
    METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED = NotAllowed, "POST method requires deferSessionRefresh to be enabled in session config";
    MISSING_OR_NULL_ORIGIN = Forbidden, "Missing or null Origin";
    INVALID_ORIGIN = Forbidden, "Invalid origin";
    CROSS_SITE_NAVIGATION_LOGIN_BLOCKED = Forbidden, "Cross-site navigation login blocked. This request appears to be a CSRF attack.";
    INVALID_CALLBACK_URL = Forbidden, "Invalid callbackURL";
    INVALID_REDIRECT_URL = Forbidden, "Invalid redirectURL";
    INVALID_ERROR_CALLBACK_URL = Forbidden, "Invalid errorCallbackURL";
    INVALID_NEW_USER_CALLBACK_URL = Forbidden, "Invalid newUserCallbackURL";
    INVALID_EMAIL_OR_PASSWORD = Unauthorized, "Invalid email or password";
    INVALID_USERNAME_OR_PASSWORD = Unauthorized, "Invalid username or password";
    INVALID_EMAIL = Bad, "Invalid email";
    INVALID_PASSWORD = Bad, "Invalid password";
    PASSWORD_TOO_SHORT = Bad, "Password too short";
    PASSWORD_TOO_LONG = Bad, "Password too long";
    USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL = Unprocessable, "User already exists. Use another email.";
    EMAIL_NOT_VERIFIED = Forbidden, "Email not verified";
    BANNED_USER = Forbidden, "You have been banned from this application. Please contact support if you believe this is an error.";
    EMAIL_CAN_NOT_BE_UPDATED = Bad, "Email can not be updated";
    CREDENTIAL_ACCOUNT_NOT_FOUND = Bad, "Credential account not found";
    INVALID_TOKEN = Bad, "Invalid token";
    USER_NOT_FOUND = NotFound, "User not found";
    EMAIL_MISMATCH = Bad, "Email mismatch";
    EMAIL_ALREADY_VERIFIED = Bad, "Email is already verified";
    CHANGE_EMAIL_DISABLED = Bad, "Change email is disabled";
    FAILED_TO_GET_USER_INFO = NotFound, "Failed to get user info";
    ACCOUNT_NOT_FOUND = Bad, "Account not found";
    FAILED_TO_UNLINK_LAST_ACCOUNT = Bad, "You can't unlink your last account";
    UNSUPPORTED_MEDIA_TYPE = MediaType, "Content-Type is not allowed";
    PAYLOAD_TOO_LARGE = TooLarge, "The body is too large: 64 KiB are enough for everything here";
}

/// An administrator who acts as somebody does not change who they are.
pub const IMPERSONATING: Refusal = Refusal::new(
    Kind::Forbidden,
    "IMPERSONATING",
    "You act as somebody else; stop impersonating before you change how they sign in",
);
/// `No fields to update`.
pub const NO_FIELDS_TO_UPDATE: Refusal = Refusal::sentence(Kind::Bad, "No fields to update");
/// `Email is the same`.
pub const EMAIL_IS_THE_SAME: Refusal = Refusal::sentence(Kind::Bad, "Email is the same");
/// The body cannot be read.
pub const INVALID_JSON: Refusal = Refusal::new(Kind::Bad, "BAD_REQUEST", "Invalid JSON in request body");
/// More passwords are being checked than the computer can.
pub const BUSY: Refusal = Refusal {
    kind: Kind::Unavailable,
    code: Some("BUSY"),
    message: Some(Cow::Borrowed("The server is busy. Please try again in a moment.")),
    retry_after: Some(2),
};
/// This server takes no new accounts from everybody.
pub const REGISTRATION_CLOSED: Refusal =
    Refusal::new(Kind::Forbidden, "REGISTRATION_CLOSED", "New accounts are made by an administrator");
/// The address is of no domain that may make accounts.
pub const REGISTRATION_DOMAIN: Refusal = Refusal::new(
    Kind::Forbidden,
    "REGISTRATION_DOMAIN",
    "New accounts need an address of one of this application's domains",
);
/// The invitation is somebody else's, or over.
pub const INVALID_INVITATION: Refusal = Refusal::new(
    Kind::Forbidden,
    "INVALID_INVITATION",
    "This invitation is not for this address, or not valid any more; sign up with the address that it was sent to, or without it",
);
/// Accounts are made by invitation.
pub const INVITATION_REQUIRED: Refusal = Refusal::new(
    Kind::Forbidden,
    "INVITATION_REQUIRED",
    "New accounts need an invitation; use the link of the mail that invited you",
);
