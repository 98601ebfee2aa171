//! Mails with links and codes, and what their links do: confirming and changing an address.
//!
//! Always holds: links lead to the configured address of this server, whatever a request says about its host; an address
//! changes when its new owner has opened a link, once, and not before.

use std::time::Duration;

use hedgerow_database::Identity;
use jiff::SignedDuration;

use crate::app::App;
use crate::auth::jwt::TokenError;
use crate::auth::jwt::email::{EmailToken, Purpose};
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::sessions::{self, Current};
use crate::auth::settings::Switch;
use crate::auth::store::user::{self, Changes, Clash};
use crate::error::Error;
use crate::mail::{Content, Link, Mail};
use crate::users::User;

/// How long a link lasts that confirms or changes an address.
pub const LASTS: Duration = Duration::from_secs(3600);

/// Puts a mail to a user into the queue. A full queue is said in the log; the asker's answer is the same.
pub fn send(app: &App, user: &User, content: Content) {
    send_to(app, &user.email, &user.name, content);
}

/// The same to an address.
pub fn send_to(app: &App, address: &str, name: &str, content: Content) {
    let template = content.template();
    let Ok(mailbox) = address.parse() else {
        tracing::error!(%template, "a mail was not sent: the address is none that mail goes to");
        return;
    };
    match app.auth().mailer().reserve() {
        Ok(slot) => slot.send(Mail::new(mailbox, content).with_name(name)),
        Err(error) => tracing::error!(%template, %error, "a mail was not sent"),
    }
}

/// What a mail's link is to the mail.
pub(crate) fn link_of(url: impl Into<String>, valid_for: Duration) -> Link {
    Link { url: url.into(), valid_for }
}

/// Sends a link that confirms the user's address.
///
/// # Errors
/// When too much waits already.
pub fn send_verification(app: &App, user: &User, callback: Option<String>) -> Result<(), Refusal> {
    let (own, user) = (app.clone(), user.clone());
    app.auth().later().spawn(async move {
        let link = link(&own, &user, Purpose::VerifyEmail, callback.as_deref());
        send(&own, &user, Content::VerifyEmail(link));
    })
}

/// The same for whoever has this address, if anybody has and has not confirmed it; the asker does not learn that.
///
/// # Errors
/// When too much waits already.
pub fn request_verification(app: &App, address: &str, callback: Option<String>) -> Result<(), Refusal> {
    let (own, address) = (app.clone(), address.to_owned());
    app.auth().later().spawn(async move {
        let found = user::by_email(&own, &address).await;
        if let Ok(Some(user)) = found
            && !user.email_verified
        {
            let link = link(&own, &user, Purpose::VerifyEmail, callback.as_deref());
            send(&own, &user, Content::VerifyEmail(link));
        }
    })
}

fn link(app: &App, user: &User, purpose: Purpose, callback: Option<&str>) -> Link {
    let token = EmailToken { email: user.email.clone(), user_id: Some(user.id.to_string()), purpose };
    let lasts = SignedDuration::try_from(LASTS).unwrap_or(SignedDuration::ZERO);
    let token = token.sign(app.auth().secrets(), app.world().now(), lasts);
    let mut url = app.auth().endpoint("verify-email");
    url.query_pairs_mut().append_pair("token", &token).append_pair("callbackURL", callback.unwrap_or("/"));
    link_of(url, LASTS)
}

/// What became of a link.
#[derive(Clone, Debug)]
pub enum Verified {
    /// The address is confirmed, or was already.
    Address,
    /// The old address's owner agreed; a mail went to the new one.
    Agreed,
    /// The address was changed.
    Changed(Box<User>),
}

/// Does what a link of a mail is for.
///
/// # Errors
/// `INVALID_TOKEN`, `TOKEN_EXPIRED`, `USER_NOT_FOUND`, all as 401.
pub async fn verify(app: &App, token: &str, callback: Option<&str>) -> Result<Verified, AuthError> {
    let read = EmailToken::verify(app.auth().secrets(), token, app.world().now());
    let token = read.map_err(|error| match error {
        TokenError::Expired => TOKEN_EXPIRED,
        _ => INVALID_TOKEN,
    })?;
    let Some(found) = user::by_email(app, &token.email).await? else {
        // An address that changed in between: a change cannot be repeated.
        let refused = if token.purpose == Purpose::VerifyEmail { USER_NOT_FOUND } else { INVALID_TOKEN };
        return Err(refused.into());
    };
    // Somebody else may have the address by now.
    if token.user_id.as_deref().is_some_and(|id| id != found.id.as_str()) {
        return Err(INVALID_TOKEN.into());
    }
    match token.purpose {
        Purpose::VerifyEmail => {
            if !found.email_verified {
                confirm(app, &found).await?;
            }
            Ok(Verified::Address)
        }
        Purpose::ConfirmChange { new_email } => {
            let link = link(app, &found, Purpose::VerifyChange { new_email: new_email.clone() }, callback);
            send_to(app, &new_email, &found.name, Content::VerifyEmail(link));
            Ok(Verified::Agreed)
        }
        Purpose::VerifyChange { new_email } => {
            let changes = Changes::new().text("email", Some(new_email)).flag("emailVerified", true);
            match user::update(app, &found.id, changes, Some(&found.email)).await {
                Ok(Some(user)) => {
                    send_to(app, &found.email, &found.name, Content::EmailChanged);
                    Ok(Verified::Changed(Box::new(user)))
                }
                Ok(None) | Err(Clash::Email | Clash::Other) => Err(INVALID_TOKEN.into()),
                Err(Clash::Failed(error)) => Err(error.into()),
            }
        }
    }
}

/// The link is not ours.
pub const INVALID_TOKEN: Refusal = Refusal::new(Kind::Unauthorized, "INVALID_TOKEN", "Invalid token");
/// The link is too old.
pub const TOKEN_EXPIRED: Refusal = Refusal::new(Kind::Unauthorized, "TOKEN_EXPIRED", "Token expired");
/// There is no such user any more.
pub const USER_NOT_FOUND: Refusal = Refusal::new(Kind::Unauthorized, "USER_NOT_FOUND", "User not found");

/// Notes that the user's address is theirs.
///
/// # Errors
/// When the database cannot be asked.
pub async fn confirm(app: &App, user: &User) -> Result<(), Error> {
    let changes = Changes::new().flag("emailVerified", true);
    user::update(app, &user.id, changes, Some(&user.email)).await?;
    Ok(())
}

/// Begins to change the address of whoever asks. Where the new address is somebody else's, nothing happens, and the
/// asker does not learn it.
///
/// # Errors
/// [`refusal::CHANGE_EMAIL_DISABLED`], [`refusal::EMAIL_IS_THE_SAME`]
pub async fn change(
    app: &App,
    current: &Current,
    new: &str,
    callback: Option<String>,
) -> Result<(), AuthError> {
    if app.auth().settings().change_email == Switch::Off {
        return Err(refusal::CHANGE_EMAIL_DISABLED.into());
    }
    sessions::require_own(current)?;
    let new = new.to_lowercase();
    if new == current.user.email {
        return Err(refusal::EMAIL_IS_THE_SAME.into());
    }
    let (own, user) = (app.clone(), current.user.clone());
    app.auth().later().spawn(async move {
        if !matches!(user::by_email(&own, &new).await, Ok(None)) {
            return;
        }
        if user.email_verified {
            let link = link(&own, &user, Purpose::ConfirmChange { new_email: new }, callback.as_deref());
            send(&own, &user, Content::ChangeEmailConfirmation(link));
        } else {
            let purpose = Purpose::VerifyChange { new_email: new.clone() };
            let link = link(&own, &user, purpose, callback.as_deref());
            send_to(&own, &new, &user.name, Content::VerifyEmail(link));
        }
    })?;
    Ok(())
}

/// Hands an account to somebody who proved to own its address, which nobody did before: who made the account keeps
/// neither session nor password, key or second factor, and the address is confirmed. An account whose address is
/// confirmed stays as it is. `None` is one that is gone, or has another address by now.
///
/// # Errors
/// When the database cannot be asked; nothing was done then.
pub async fn take_over(app: &App, user: &User) -> Result<Option<User>, Error> {
    let id = user.id.as_str();
    let taken = async {
        let mut transaction = app.database().transaction(&Identity::Auth).await?;
        // Whoever comes at the same moment waits here, and finds it done.
        let sql = r#"SELECT coalesce("emailVerified", false) FROM public."user"
            WHERE id = $1 AND email = $2 FOR UPDATE"#;
        let rows = transaction.query(sql, &[&id, &user.email]).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        if row.get::<bool>(0)? {
            return Ok(true);
        }
        for sql in [
            r#"DELETE FROM public.session WHERE "userId" = $1"#,
            r#"DELETE FROM public.account WHERE "userId" = $1"#,
            r#"UPDATE public.api_keys SET revoked = true WHERE "userId" = $1"#,
            r#"DELETE FROM public."twoFactor" WHERE "userId" = $1"#,
        ] {
            transaction.execute(sql, &[&id]).await?;
        }
        let sql = r#"UPDATE public."user" SET "emailVerified" = true, "twoFactorEnabled" = false,
            "updatedAt" = $2::timestamptz WHERE id = $1"#;
        transaction.execute(sql, &[&id, &app.world().now_in_millis()]).await?;
        transaction.commit().await?;
        Ok::<bool, hedgerow_database::Error>(true)
    };
    let doing = "hand an account to the owner of its address";
    if taken.await.map_err(|error| Error::without_entity(doing, error))? {
        user::by_id(app, id).await
    } else {
        Ok(None)
    }
}
