//! What mails there are and what each of them tells.
//!
//! Always holds: a mail that needs a link has one and a mail that needs a code has one, because [`Content`] cannot be
//! made otherwise; links and codes are secrets, which `Debug` does not print.

use std::fmt;
use std::time::Duration;

/// What a mail tells its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// "Is this your address?", after sign-up.
    VerifyEmail(Link),
    /// The same with a code to type.
    VerifyEmailCode(Code),
    /// The way to a new password.
    ResetPassword(Link),
    /// The same with a code to type.
    ResetPasswordCode(Code),
    /// To the old address: "is this change yours?"
    ChangeEmailConfirmation(Link),
    /// "Shall your account really go?"
    DeleteAccount(Link),
    /// Sign-in by link.
    MagicLink(Link),
    /// Sign-in by code.
    OneTimeCode(Code),
    /// The second step of a sign-in.
    TwoFactorCode(Code),
    /// Somebody may open an account.
    Invitation(Link),
    /// To the owner of an account, when somebody signs up with its address.
    ExistingAccount,
    /// The password is another one now.
    PasswordChanged,
    /// To the old address: the account has another one now.
    EmailChanged,
}

impl Content {
    /// The template that it is written with.
    pub fn template(&self) -> Template {
        match self {
            Self::VerifyEmail(_) => Template::VerifyEmail,
            Self::VerifyEmailCode(_) => Template::VerifyEmailCode,
            Self::ResetPassword(_) => Template::ResetPassword,
            Self::ResetPasswordCode(_) => Template::ResetPasswordCode,
            Self::ChangeEmailConfirmation(_) => Template::ChangeEmailConfirmation,
            Self::DeleteAccount(_) => Template::DeleteAccount,
            Self::MagicLink(_) => Template::MagicLink,
            Self::OneTimeCode(_) => Template::OneTimeCode,
            Self::TwoFactorCode(_) => Template::TwoFactorCode,
            Self::Invitation(_) => Template::Invitation,
            Self::ExistingAccount => Template::ExistingAccount,
            Self::PasswordChanged => Template::PasswordChanged,
            Self::EmailChanged => Template::EmailChanged,
        }
    }

    /// The link, where the mail has one.
    pub fn link(&self) -> Option<&Link> {
        match self {
            Self::VerifyEmail(link)
            | Self::ResetPassword(link)
            | Self::ChangeEmailConfirmation(link)
            | Self::DeleteAccount(link)
            | Self::MagicLink(link)
            | Self::Invitation(link) => Some(link),
            Self::VerifyEmailCode(_)
            | Self::ResetPasswordCode(_)
            | Self::OneTimeCode(_)
            | Self::TwoFactorCode(_)
            | Self::ExistingAccount
            | Self::PasswordChanged
            | Self::EmailChanged => None,
        }
    }

    /// The code, where the mail has one.
    pub fn code(&self) -> Option<&Code> {
        match self {
            Self::VerifyEmailCode(code)
            | Self::ResetPasswordCode(code)
            | Self::OneTimeCode(code)
            | Self::TwoFactorCode(code) => Some(code),
            Self::VerifyEmail(_)
            | Self::ResetPassword(_)
            | Self::ChangeEmailConfirmation(_)
            | Self::DeleteAccount(_)
            | Self::MagicLink(_)
            | Self::Invitation(_)
            | Self::ExistingAccount
            | Self::PasswordChanged
            | Self::EmailChanged => None,
        }
    }
}

/// A link that does something, once, for whoever has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Absolute, on the configured base URL; never made from what a request's headers say.
    pub url: String,
    /// For how long it works.
    pub valid_for: Duration,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link(… for {})", in_words(self.valid_for))
    }
}

/// A code that its reader types.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// As it is typed.
    pub code: String,
    /// For how long it works.
    pub valid_for: Duration,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code(… for {})", in_words(self.valid_for))
    }
}

/// The templates of [`Content`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the kind of `Content` that has its name")]
pub enum Template {
    VerifyEmail,
    VerifyEmailCode,
    ResetPassword,
    ResetPasswordCode,
    ChangeEmailConfirmation,
    DeleteAccount,
    MagicLink,
    OneTimeCode,
    TwoFactorCode,
    Invitation,
    ExistingAccount,
    PasswordChanged,
    EmailChanged,
}

impl Template {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 13] = [
        Self::VerifyEmail,
        Self::VerifyEmailCode,
        Self::ResetPassword,
        Self::ResetPasswordCode,
        Self::ChangeEmailConfirmation,
        Self::DeleteAccount,
        Self::MagicLink,
        Self::OneTimeCode,
        Self::TwoFactorCode,
        Self::Invitation,
        Self::ExistingAccount,
        Self::PasswordChanged,
        Self::EmailChanged,
    ];

    /// As its files are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::VerifyEmailCode => "verify-email-code",
            Self::ResetPassword => "reset-password",
            Self::ResetPasswordCode => "reset-password-code",
            Self::ChangeEmailConfirmation => "change-email-confirmation",
            Self::DeleteAccount => "delete-account",
            Self::MagicLink => "magic-link",
            Self::OneTimeCode => "one-time-code",
            Self::TwoFactorCode => "two-factor-code",
            Self::Invitation => "invitation",
            Self::ExistingAccount => "existing-account",
            Self::PasswordChanged => "password-changed",
            Self::EmailChanged => "email-changed",
        }
    }

    /// What a reader cannot do without.
    pub(crate) fn carries(self) -> Carries {
        match self {
            Self::VerifyEmail
            | Self::ResetPassword
            | Self::ChangeEmailConfirmation
            | Self::DeleteAccount
            | Self::MagicLink
            | Self::Invitation => Carries::Link,
            Self::VerifyEmailCode | Self::ResetPasswordCode | Self::OneTimeCode | Self::TwoFactorCode => {
                Carries::Code
            }
            Self::ExistingAccount | Self::PasswordChanged | Self::EmailChanged => Carries::News,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a template brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    Link,
    Code,
    News,
}

/// "1 hour", "10 minutes": the largest unit that says it exactly.
pub(crate) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let exact = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, name) = exact.unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_the_largest_exact_unit() {
        let check = |seconds, expected: &str| assert_eq!(in_words(Duration::from_secs(seconds)), expected);
        check(3600, "1 hour");
        check(300, "5 minutes");
        check(90, "90 seconds");
        check(86_400, "1 day");
        check(172_800, "2 days");
        check(129_600, "36 hours");
        check(0, "0 seconds");
    }

    #[test]
    fn secrets_are_not_printed() {
        let minute = Duration::from_secs(60);
        let link = Content::MagicLink(Link { url: "http://localhost/s3cret".to_owned(), valid_for: minute });
        let code = Content::OneTimeCode(Code { code: "123456".to_owned(), valid_for: minute });
        assert_eq!(format!("{link:?}"), "MagicLink(Link(… for 1 minute))");
        assert_eq!(format!("{code:?}"), "OneTimeCode(Code(… for 1 minute))");
    }
}
