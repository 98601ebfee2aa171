//! Making an account.
//!
//! Always holds: where signing in needs a confirmed address, the answer for an address that is known is that for one that is
//! not, in content and in time; the owner of a known one gets a mail instead.

use std::time::Duration;

use crate::app::App;
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::settings::{Registration, Verification};
use crate::auth::store::user::{self, Changes, Clash};
use crate::auth::store::verification::{self, Purpose};
use crate::auth::{email, passwords};
use crate::mail::Content;
use crate::users::{self, User};

/// Invitations: the token leads to the invited address and the role.
pub const INVITATION: Purpose = Purpose("invitation:");
/// How long an invitation lasts.
pub const INVITATION_LASTS: Duration = Duration::from_secs(7 * 86_400);

/// What somebody who makes an account says, checked for its form.
#[derive(Clone, Debug, Default)]
pub struct SignUp {
    /// The address; any case.
    pub email: String,
    /// The password.
    pub password: String,
    /// The name for people.
    pub name: String,
    /// A picture's address.
    pub image: Option<String>,
    /// Where the link of the mail leads in the end, checked.
    pub callback: Option<String>,
    /// The token of an invitation.
    pub invitation: Option<String>,
    /// Other columns: of plugins and of the application, checked.
    pub extra: Changes,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum SignedUp {
    /// There is a new user, who may be signed in.
    New(User),
    /// The user, who may be new, has to confirm the address first.
    Unconfirmed(User),
}

/// Makes an account with a password.
///
/// # Errors
/// [`AuthError`]
pub async fn sign_up(app: &App, new: SignUp) -> Result<SignedUp, AuthError> {
    let settings = app.auth().settings();
    passwords::check_length(app, &new.password)?;
    let email = new.email.to_lowercase();
    let role = admitted(app, &email, new.invitation.as_deref()).await?;
    let hash = app.auth().passwords().hash(app.world(), &new.password).await.map_err(|_| refusal::BUSY)?;
    let verification = settings.verification;
    let values = new
        .extra
        .clone()
        .text("name", Some(new.name.as_str()))
        .flag("emailVerified", false)
        .text("image", new.image.as_deref())
        .text("role", Some(role.as_str()));
    match user::create(app, &email, values, Some(&hash)).await {
        Ok(user) => {
            use_up(app, new.invitation.as_deref()).await?;
            match verification {
                Verification::Optional => Ok(SignedUp::New(user)),
                Verification::Required => {
                    email::send_verification(app, &user, new.callback)?;
                    Ok(SignedUp::Unconfirmed(user))
                }
            }
        }
        Err(Clash::Email) => match verification {
            Verification::Optional => Err(refusal::USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL.into()),
            Verification::Required => {
                // What a new user's row costs, so that the time says nothing.
                verification::put(app, "sign-up-again", "", Duration::ZERO).await?;
                tell_owner(app, &email)?;
                Ok(SignedUp::Unconfirmed(like_new(app, &new, &email, role)?))
            }
        },
        Err(Clash::Other) => Err(USERNAME_IS_ALREADY_TAKEN.into()),
        Err(Clash::Failed(error)) => Err(error.into()),
    }
}

/// Somebody has the user name.
pub const USERNAME_IS_ALREADY_TAKEN: Refusal =
    Refusal::new(Kind::Bad, "USERNAME_IS_ALREADY_TAKEN", "Username is already taken. Please try another.");

/// Whether an account may be made for this address, and with which role.
///
/// # Errors
/// [`AuthError`]
pub async fn admitted(app: &App, email: &str, invitation: Option<&str>) -> Result<String, AuthError> {
    let settings = app.auth().settings();
    if let Some(token) = invitation {
        let invited = verification::look(app, INVITATION, token).await?;
        let mut parts = invited.as_deref().unwrap_or_default().splitn(2, ' ');
        if let (Some(address), Some(role)) = (parts.next(), parts.next())
            && address == email
        {
            return Ok(role.to_owned());
        }
        // Said, not passed over: who was invited as something would become something else, and the link would be gone.
        if settings.registration != Registration::Invitation {
            return Err(refusal::INVALID_INVITATION.into());
        }
    }
    match &settings.registration {
        Registration::Open => {}
        Registration::Domains(domains) => {
            let domain = email.rsplit('@').next().unwrap_or_default();
            if !domains.iter().any(|own| own == domain) {
                return Err(refusal::REGISTRATION_DOMAIN.into());
            }
        }
        Registration::Invitation => return Err(refusal::INVITATION_REQUIRED.into()),
        Registration::Closed => return Err(refusal::REGISTRATION_CLOSED.into()),
    }
    Ok(settings.default_role.clone())
}

/// The invitation that made an account makes no other.
pub(crate) async fn use_up(app: &App, invitation: Option<&str>) -> Result<(), crate::Error> {
    if let Some(token) = invitation {
        verification::take(app, INVITATION, token).await?;
    }
    Ok(())
}

/// Somebody tried to make an account with an address that has one: its owner should know.
fn tell_owner(app: &App, email: &str) -> Result<(), Refusal> {
    let (app_later, email) = (app.clone(), email.to_owned());
    app.auth().later().spawn(async move {
        let app = app_later;
        if let Ok(Some(user)) = user::by_email(&app, &email).await {
            email::send(&app, &user, Content::ExistingAccount);
        }
    })
}

/// What a new user with this address would look like.
fn like_new(app: &App, new: &SignUp, email: &str, role: String) -> Result<User, AuthError> {
    let now = app.world().now_in_millis();
    let id = users::new_user_id(app.world()).parse().map_err(|error: hedgerow_database::UserIdError| {
        crate::Error::Internal { doing: "make an id", source: error.into() }
    })?;
    Ok(User {
        id,
        email: email.to_owned(),
        name: new.name.clone(),
        email_verified: false,
        image: new.image.clone(),
        role,
        banned: false,
        ban_reason: None,
        ban_expires: None,
        created_at: now,
        updated_at: now,
        extra: new.extra.as_json(),
    })
}

/// Checks that a text can be an address of ours: what mail programs agree on, in ASCII.
pub fn is_address(text: &str) -> bool {
    text.len() <= 254 && hedgerow_schema::value::is_email(text)
}
