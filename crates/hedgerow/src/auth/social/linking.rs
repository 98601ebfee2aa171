//! Whose an account at a provider is.
//!
//! Always holds: one that is known leads to its user and to nobody else; one that is not leads to a user with the same address
//! only when the provider vouches for the address (or is trusted) and the user has confirmed it here; otherwise whoever takes an
//! address at either side first would get into the other's account.

use secrecy::{ExposeSecret, SecretString};

use super::provider::Provider;
use super::settings::Trust;
use super::state::Link;
use super::tokens::{self, Tokens};
use super::{ID_TOKEN_NOT_SUPPORTED, PROVIDER_NOT_FOUND, PROVIDER_UNAVAILABLE, Profile, ProviderError};
use crate::app::App;
use crate::auth::Client;
use crate::auth::email;
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::sessions::{self, Current};
use crate::auth::settings::{Switch, Verification};
use crate::auth::sign_in::{self, Remember};
use crate::auth::sign_up;
use crate::auth::store::linked::{self, Kept, Linked};
use crate::auth::store::session::Session;
use crate::auth::store::user::{self, Changes, Clash};
use crate::error::Error;
use crate::users::User;

/// Why somebody is not let in, or an account not added.
#[derive(Debug)]
pub(super) enum NotIn {
    /// A code of ours, which is Better Auth's.
    No(&'static str),
    /// What the provider said.
    Said {
        /// Its code.
        code: String,
        /// Its sentence.
        sentence: Option<String>,
    },
    /// A refusal of signing in as such.
    Refused(Refusal),
    /// Something else went wrong.
    Error(Error),
}

impl From<Error> for NotIn {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<AuthError> for NotIn {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(refusal) => Self::Refused(refusal),
            AuthError::Failed(error) => Self::Error(error),
        }
    }
}

impl From<NotIn> for AuthError {
    /// For a front end that brought an ID token.
    fn from(not_in: NotIn) -> Self {
        match not_in {
            NotIn::No("email_not_verified") => refusal::EMAIL_NOT_VERIFIED.into(),
            NotIn::No("email_not_found") => USER_EMAIL_NOT_FOUND.into(),
            NotIn::No(code) => Refusal {
                message: Some(code.replace('_', " ").into()),
                ..Refusal::new(Kind::Unauthorized, "OAUTH_LINK_ERROR", "")
            }
            .into(),
            NotIn::Said { .. } => INVALID_TOKEN.into(),
            NotIn::Refused(refusal) => refusal.into(),
            NotIn::Error(error) => error.into(),
        }
    }
}

const INVALID_TOKEN: Refusal = Refusal::new(Kind::Unauthorized, "INVALID_TOKEN", "Invalid token");
const FAILED_TO_GET_USER_INFO: Refusal =
    Refusal::new(Kind::Unauthorized, "FAILED_TO_GET_USER_INFO", "Failed to get user info");
const USER_EMAIL_NOT_FOUND: Refusal =
    Refusal::new(Kind::Unauthorized, "USER_EMAIL_NOT_FOUND", "User email not found");
const LINKING_NOT_ALLOWED: Refusal =
    Refusal::new(Kind::Unauthorized, "LINKING_NOT_ALLOWED", "Account not linked - linking not allowed");
const LINKING_DIFFERENT_EMAILS_NOT_ALLOWED: Refusal = Refusal::new(
    Kind::Unauthorized,
    "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED",
    "Account not linked - different emails not allowed",
);
const SOCIAL_ACCOUNT_ALREADY_LINKED: Refusal =
    Refusal::new(Kind::Conflict, "SOCIAL_ACCOUNT_ALREADY_LINKED", "Social account already linked");

/// What else counts when somebody comes in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct To<'a> {
    /// Where the link of a mail leads in the end.
    pub(super) callback: Option<&'a str>,
    /// The token of an invitation.
    pub(super) invitation: Option<&'a SecretString>,
}

/// Somebody who came in.
pub(super) struct Entered {
    pub(super) session: Session,
    pub(super) user: User,
    pub(super) is_new: bool,
}

/// Signs somebody in.
pub(super) async fn sign_in(
    app: &App,
    provider: &Provider,
    profile: Profile,
    tokens: &Tokens,
    to: To<'_>,
    client: &Client,
) -> Result<Entered, NotIn> {
    let email = profile.email.clone().ok_or(NotIn::No("email_not_found"))?;
    let mut found = whose(app, provider, &profile, &email, tokens, to).await?;
    if found.is_none() {
        // Somebody else made the user or the account meanwhile; now it is there.
        found = whose(app, provider, &profile, &email, tokens, to).await?;
    }
    let (mut user, is_new) = found.ok_or(NotIn::No("unable_to_link_account"))?;
    if profile.email_verified && !user.email_verified && user.email == email {
        let verified = Changes::new().flag("emailVerified", true);
        let changed = user::update(app, &user.id, verified, Some(&email)).await.map_err(Error::from)?;
        user = changed.unwrap_or(user);
    }
    if app.auth().settings().verification == Verification::Required && !user.email_verified {
        if is_new {
            email::send_verification(app, &user, to.callback.map(str::to_owned)).map_err(NotIn::Refused)?;
        }
        return Err(NotIn::No("email_not_verified"));
    }
    let (session, user) = sign_in::admit(app, user, client, Remember::Yes).await?;
    Ok(Entered { session, user, is_new })
}

/// The user of an account, and whether they are new; `None` when somebody else was faster.
async fn whose(
    app: &App,
    provider: &Provider,
    profile: &Profile,
    email: &str,
    tokens: &Tokens,
    to: To<'_>,
) -> Result<Option<(User, bool)>, NotIn> {
    let settings = &provider.settings;
    if let Some(linked) = linked::of(app, &settings.name, &profile.id).await? {
        // What it allows stays: a sign-in asks for less than a link may have.
        linked::keep(app, &linked.account.id, &kept(app, tokens, None)).await?;
        let user = user::by_id(app, linked.account.user_id.as_str()).await?;
        return Ok(user.map(|user| (user, false)));
    }
    let account = linked::New {
        provider: &settings.name,
        account: &profile.id,
        kept: kept(app, tokens, tokens.scope()),
    };
    if let Some(user) = user::by_email(app, email).await? {
        if !is_vouched(provider, profile) || !user.email_verified {
            return Err(NotIn::No("account_not_linked"));
        }
        let is_linked = linked::add(app, &user.id, &account).await?;
        return Ok(is_linked.then_some((user, false)));
    }
    if settings.sign_up == Switch::Off {
        return Err(NotIn::No("signup_disabled"));
    }
    let invitation = to.invitation.map(ExposeSecret::expose_secret);
    let role = match sign_up::admitted(app, email, invitation).await {
        Err(AuthError::Refused(_)) => return Err(NotIn::No("signup_disabled")),
        role => role?,
    };
    let mut values = Changes::new();
    for field in &app.auth().settings().fields {
        if let Some(default) = &field.default {
            values = values.field(&field.name, default);
        }
    }
    let values = values
        .text("name", Some(profile.name.as_str()))
        .flag("emailVerified", profile.email_verified)
        .text("image", profile.image.as_deref())
        .text("role", Some(role));
    match user::create_linked(app, email, values, &account).await {
        Ok(user) => {
            sign_up::use_up(app, invitation).await?;
            Ok(Some((user, true)))
        }
        Err(Clash::Email | Clash::Other) => Ok(None),
        Err(Clash::Failed(error)) => Err(error.into()),
    }
}

/// Whether the provider vouches for the address, or is believed without.
fn is_vouched(provider: &Provider, profile: &Profile) -> bool {
    profile.email_verified || provider.settings.trust == Trust::Trusted
}

fn kept(app: &App, tokens: &Tokens, scope: Option<String>) -> Kept {
    Kept {
        access: tokens::kept(app, tokens.access.as_ref()),
        refresh: tokens::kept(app, tokens.refresh.as_ref()),
        id: tokens::kept(app, tokens.id.as_ref()),
        access_expires_at: tokens.access_expires_at,
        refresh_expires_at: tokens.refresh_expires_at,
        scope,
    }
}

/// Adds an account to whoever asked for it before they went to the provider.
pub(super) async fn link(
    app: &App,
    link: &Link,
    provider: &Provider,
    profile: Profile,
    tokens: &Tokens,
) -> Result<(), NotIn> {
    // Signed out, revoked or shut out meanwhile: nobody asks any more.
    let current = link.current(app).await?.ok_or(NotIn::No("unable_to_link_account"))?;
    if !is_vouched(provider, &profile) {
        return Err(NotIn::No("unable_to_link_account"));
    }
    if profile.email.as_deref() != Some(&current.user.email.to_lowercase())
        || current.user.email != link.email
    {
        return Err(NotIn::No("email_does_not_match"));
    }
    let found = linked::of(app, &provider.settings.name, &profile.id).await?;
    match add_or_keep(app, &current, provider, &profile, tokens, found).await? {
        Added::Mine => Ok(()),
        Added::Anothers => Err(NotIn::No("account_already_linked_to_different_user")),
        Added::TooLate => Err(NotIn::No("unable_to_link_account")),
    }
}

/// Whose the account is in the end.
enum Added {
    Mine,
    Anothers,
    TooLate,
}

async fn add_or_keep(
    app: &App,
    current: &Current,
    provider: &Provider,
    profile: &Profile,
    tokens: &Tokens,
    found: Option<Linked>,
) -> Result<Added, Error> {
    match found {
        Some(linked) if linked.account.user_id != current.user.id => Ok(Added::Anothers),
        Some(linked) => {
            let scope = merged(linked.account.scope.as_deref(), &tokens.scopes);
            linked::keep(app, &linked.account.id, &kept(app, tokens, scope)).await?;
            Ok(Added::Mine)
        }
        None => {
            let kept = kept(app, tokens, tokens.scope());
            let new = linked::New { provider: &provider.settings.name, account: &profile.id, kept };
            let is_added = linked::add(app, &current.user.id, &new).await?;
            Ok(if is_added { Added::Mine } else { Added::TooLate })
        }
    }
}

/// What was allowed before and what is now.
fn merged(before: Option<&str>, now: &[String]) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    let before = before.unwrap_or_default().split([',', ' ']).map(str::trim);
    for scope in before.chain(now.iter().map(String::as_str)) {
        if !scope.is_empty() && !all.contains(&scope) {
            all.push(scope);
        }
    }
    Some(all.join(",")).filter(|all| !all.is_empty())
}

/// An ID token that a front end brings, with what it has besides.
#[derive(Clone, Debug)]
pub struct ByIdToken<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The token.
    pub token: &'a str,
    /// What it was asked for with.
    pub nonce: Option<&'a str>,
    /// Tokens that came with it.
    pub access: Option<&'a str>,
    /// The same.
    pub refresh: Option<&'a str>,
    /// Where the link of a mail leads in the end, checked.
    pub callback: Option<&'a str>,
    /// The token of an invitation.
    pub invitation: Option<&'a str>,
}

impl ByIdToken<'_> {
    async fn checked<'p>(&self, app: &'p App) -> Result<(&'p Provider, Profile, Tokens), AuthError> {
        let social = app.auth().social();
        let provider = social.provider(self.provider).ok_or(PROVIDER_NOT_FOUND)?;
        if !provider.has_id_tokens() {
            return Err(ID_TOKEN_NOT_SUPPORTED.into());
        }
        let fits = |token: &str| token.len() <= 16 << 10 && token.bytes().all(|byte| byte.is_ascii_graphic());
        if [self.access, self.refresh].into_iter().flatten().any(|token| !fits(token)) {
            return Err(INVALID_TOKEN.into());
        }
        let nonce = self.nonce.filter(|nonce| !nonce.is_empty());
        let profile = provider.profile_of_id_token(self.token, nonce, &social.http, app.world().now()).await;
        let profile = profile.map_err(|error| {
            error.tell(self.provider);
            match error {
                ProviderError::Http { .. } | ProviderError::Discovery(_) => PROVIDER_UNAVAILABLE,
                ProviderError::NoProfile => FAILED_TO_GET_USER_INFO,
                ProviderError::IdToken(_) | ProviderError::Refused { .. } => INVALID_TOKEN,
            }
        })?;
        if profile.email.is_none() {
            return Err(USER_EMAIL_NOT_FOUND.into());
        }
        let secret = |token: Option<&str>| token.filter(|token| !token.is_empty()).map(SecretString::from);
        let tokens = Tokens {
            access: secret(self.access),
            refresh: secret(self.refresh),
            id: secret(Some(self.token)),
            ..Tokens::default()
        };
        Ok((provider, profile, tokens))
    }
}

/// Signs in whoever an ID token is about.
///
/// # Errors
/// [`AuthError`]
pub async fn sign_in_by_id_token(
    app: &App,
    by: ByIdToken<'_>,
    client: &Client,
) -> Result<(Session, User), AuthError> {
    let (provider, profile, tokens) = by.checked(app).await?;
    let invitation = by.invitation.map(SecretString::from);
    let to = To { callback: by.callback, invitation: invitation.as_ref() };
    let entered = sign_in(app, provider, profile, &tokens, to, client).await?;
    Ok((entered.session, entered.user))
}

/// Adds the account that an ID token is about.
///
/// # Errors
/// [`AuthError`]
pub async fn link_by_id_token(app: &App, current: &Current, by: ByIdToken<'_>) -> Result<(), AuthError> {
    sessions::require_own(current)?;
    let (provider, profile, tokens) = by.checked(app).await?;
    let found = linked::of(app, &provider.settings.name, &profile.id).await?;
    if found.is_none() {
        if !is_vouched(provider, &profile) {
            return Err(LINKING_NOT_ALLOWED.into());
        }
        if profile.email.as_deref() != Some(&current.user.email.to_lowercase()) {
            return Err(LINKING_DIFFERENT_EMAILS_NOT_ALLOWED.into());
        }
    }
    match add_or_keep(app, current, provider, &profile, &tokens, found).await? {
        Added::Mine => Ok(()),
        Added::Anothers | Added::TooLate => Err(SOCIAL_ACCOUNT_ALREADY_LINKED.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_allowed_stays() {
        let check = |before: Option<&str>, now: &[&str], expected: Option<&str>| {
            let now: Vec<String> = now.iter().map(|scope| (*scope).to_owned()).collect();
            assert_eq!(merged(before, &now).as_deref(), expected);
        };
        check(None, &[], None);
        check(Some("a,b"), &["b", "c"], Some("a,b,c"));
        check(Some("a b"), &[], Some("a,b"));
        check(None, &["x"], Some("x"));
    }
}
