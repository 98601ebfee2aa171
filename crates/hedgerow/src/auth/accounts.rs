//! The ways in which a user signs in, and the end of an account.

use std::time::Duration;

use crate::app::App;
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::sessions::{self, Current};
use crate::auth::settings::{Switch, Verification};
use crate::auth::store::verification::{self, Purpose};
use crate::auth::store::{account, user};
use crate::auth::{email, passwords};
use crate::mail::Content;
use crate::token::{self, Alphabet};

/// Links of mails that delete an account; the value is the user's id.
pub const DELETE: Purpose = Purpose("delete-account-");
/// How long such a link lasts.
pub const DELETE_LASTS: Duration = Duration::from_secs(86_400);

/// Which account is meant: by its row, or as front ends of 1.3 to 1.6 say it.
#[derive(Clone, Debug)]
pub enum Which {
    /// The row.
    Row(String),
    /// The provider, and who the user is there.
    Provider(String, Option<String>),
}

/// The user's account that is meant.
///
/// # Errors
/// [`refusal::ACCOUNT_NOT_FOUND`]
pub async fn find(app: &App, current: &Current, which: &Which) -> Result<account::Account, AuthError> {
    let all = account::list(app, &current.user.id).await?;
    let is_meant = |one: &account::Account| match which {
        Which::Row(id) => one.id == *id,
        Which::Provider(provider, own) => {
            one.provider_id == *provider
                && own.as_ref().is_none_or(|own| one.account_id == *own || one.id == *own)
        }
    };
    all.into_iter().find(is_meant).ok_or(refusal::ACCOUNT_NOT_FOUND.into())
}

/// Takes a way of signing in away.
///
/// # Errors
/// [`refusal::SESSION_NOT_FRESH`], [`refusal::ACCOUNT_NOT_FOUND`], [`refusal::FAILED_TO_UNLINK_LAST_ACCOUNT`]
pub async fn unlink(app: &App, current: &Current, which: &Which) -> Result<(), AuthError> {
    sessions::require_own(current)?;
    sessions::require_fresh(app, &current.session)?;
    if account::list(app, &current.user.id).await?.len() < 2 {
        return Err(refusal::FAILED_TO_UNLINK_LAST_ACCOUNT.into());
    }
    let found = find(app, current, which).await?;
    if account::unlink(app, &current.user.id, &found.id).await? {
        return Ok(());
    }
    Err(refusal::FAILED_TO_UNLINK_LAST_ACCOUNT.into())
}

/// How somebody proves that they want their account gone.
#[derive(Clone, Debug)]
pub enum Proof {
    /// By the password.
    Password(String),
    /// By the token of a link.
    Token(String),
    /// By the session alone, which then has to be fresh.
    Session,
}

/// What became of a wish to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The user is gone, with everything that was theirs.
    Done,
    /// A link was sent.
    Mailed,
}

/// Deletes the account of whoever asks; where addresses have to be confirmed, by a mail, whose link leads to `callback` in the
/// end.
///
/// # Errors
/// [`AuthError`]
pub async fn delete(
    app: &App,
    current: &Current,
    proof: Proof,
    callback: Option<&str>,
) -> Result<Deletion, AuthError> {
    if app.auth().settings().delete_user == Switch::Off {
        return Err(Refusal::silent(Kind::NotFound).into());
    }
    // Who acts as somebody else does not end their account.
    sessions::require_own(current)?;
    let id = current.user.id.as_str();
    match proof {
        Proof::Token(text) => {
            let owner = verification::look(app, DELETE, &text).await?;
            if owner.as_deref() != Some(id) || verification::take(app, DELETE, &text).await?.is_none() {
                return Err(Refusal { kind: Kind::NotFound, ..refusal::INVALID_TOKEN }.into());
            }
            user::delete(app, &current.user.id).await?;
            return Ok(Deletion::Done);
        }
        Proof::Password(text) => passwords::verify(app, &current.user.id, &text).await?,
        Proof::Session if sessions::is_fresh(app, &current.session) => {}
        Proof::Session => return Err(refusal::SESSION_EXPIRED.into()),
    }
    // Where an address has to be confirmed, so has its end.
    if app.auth().settings().verification == Verification::Required {
        let token = token::random::<32>(app.world(), Alphabet::LowercaseAndDigits);
        verification::keep(app, DELETE, &token, id, DELETE_LASTS).await?;
        let mut url = app.auth().endpoint("delete-user/callback");
        let callback = callback.unwrap_or("/");
        url.query_pairs_mut().append_pair("token", &token).append_pair("callbackURL", callback);
        email::send(app, &current.user, Content::DeleteAccount(email::link_of(url, DELETE_LASTS)));
        return Ok(Deletion::Mailed);
    }
    user::delete(app, &current.user.id).await?;
    Ok(Deletion::Done)
}
