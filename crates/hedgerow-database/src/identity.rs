//! Who asks. Every statement on a tenant's data runs for an [`Identity`]; there is none that means "everyone".

use std::fmt;

use hedgerow_schema::{Roles, value};

/// The id of a user: 1 to 64 letters, digits, `_` and `-`.
///
/// ```
/// use hedgerow_database::UserId;
/// assert!("u_1-x".parse::<UserId>().is_ok());
/// assert!("".parse::<UserId>().is_err());
/// assert!("a b".parse::<UserId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Box<str>);

/// A text is no [`UserId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user id consists of 1 to 64 letters, digits, `_` and `-`")]
pub struct UserIdError;

impl UserId {
    /// The bare id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for UserId {
    type Err = UserIdError;

    fn from_str(text: &str) -> Result<Self, UserIdError> {
        if value::is_user_id(text) { Ok(Self(text.into())) } else { Err(UserIdError) }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.0)
    }
}

/// Who asks, and so which role PostgreSQL runs the statement as and whose rows it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A signed-in user: their own rows, and what others opened.
    User(UserId),
    /// Nobody: public rows alone.
    Anonymous,
    /// Sign-in itself: users and keys, no entity rows.
    Auth,
    /// An administrator: may write reference data, as the owner of what they create.
    Admin(UserId),
    /// The program, for work of its own; it owns no rows and reads no tenant's.
    System {
        /// Why; it is logged with each use.
        reason: &'static str,
    },
}

/// The PostgreSQL role behind an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    App,
    Anon,
    Auth,
    Admin,
}

impl Role {
    pub(crate) fn name(self, roles: &Roles) -> &str {
        match self {
            Self::App => roles.app.as_str(),
            Self::Anon => roles.anon.as_str(),
            Self::Auth => roles.auth.as_str(),
            Self::Admin => roles.admin.as_str(),
        }
    }
}

impl Identity {
    pub(crate) fn role(&self) -> Role {
        match self {
            Self::User(_) => Role::App,
            Self::Anonymous => Role::Anon,
            Self::Auth => Role::Auth,
            Self::Admin(_) | Self::System { .. } => Role::Admin,
        }
    }

    /// The user whose rows are meant; empty is nobody.
    pub(crate) fn user_id(&self) -> &str {
        match self {
            Self::User(id) | Self::Admin(id) => id.as_str(),
            Self::Anonymous | Self::Auth | Self::System { .. } => "",
        }
    }
}
