//! Asking a provider in a user's name: the tokens of linked accounts.
//!
//! Always holds: only the user's own session leads to them, and not that of an administrator who acts as the user; a refresh
//! token is used by one at a time.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::Profile;
use super::provider::Provider;
use super::tokens::{self, Tokens};
use crate::app::App;
use crate::auth::accounts::{self, Which};
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::sessions::{self, Current};
use crate::auth::store::account::Account;
use crate::auth::store::linked::{self, Kept, Linked};

/// A token that ends within this time is as good as ended.
const SOON: SignedDuration = SignedDuration::from_secs(5);

const TOKEN_FAILED: Refusal =
    Refusal::new(Kind::Bad, "FAILED_TO_GET_ACCESS_TOKEN", "Failed to get a valid access token");
const REFRESH_FAILED: Refusal =
    Refusal::new(Kind::Bad, "FAILED_TO_REFRESH_ACCESS_TOKEN", "Failed to refresh access token");
const NO_REFRESH_TOKEN: Refusal =
    Refusal::new(Kind::Bad, "REFRESH_TOKEN_NOT_FOUND", "Refresh token not found");
const NO_ACCESS_TOKEN: Refusal = Refusal::new(Kind::Bad, "ACCESS_TOKEN_NOT_FOUND", "Access token not found");
const PROVIDER_NOT_CONFIGURED: Refusal = Refusal::new(
    Kind::Bad,
    "PROVIDER_NOT_CONFIGURED",
    "Account is not associated with a configured social provider.",
);
const FAILED_TO_GET_USER_INFO: Refusal =
    Refusal::new(Kind::Unauthorized, "FAILED_TO_GET_USER_INFO", "Failed to get user info");

fn not_supported(provider: &str) -> Refusal {
    Refusal {
        message: Some(format!("Provider {provider} is not supported.").into()),
        ..Refusal::new(Kind::Bad, "PROVIDER_NOT_SUPPORTED", "")
    }
}

/// An access token that works.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token, if there is one.
    pub token: Option<SecretString>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// What was allowed, as it is kept.
    pub scope: Option<String>,
    /// Who the user is, signed.
    pub id_token: Option<SecretString>,
}

/// An access token of one of the user's accounts; refreshed when it is about to end.
///
/// # Errors
/// [`AuthError`]
pub async fn access_token(app: &App, current: &Current, which: &Which) -> Result<AccessToken, AuthError> {
    let account = own(app, current, which).await?;
    let provider = app.auth().social().provider(&account.provider_id);
    let provider = provider.ok_or_else(|| not_supported(&account.provider_id))?;
    living(app, current, provider, &account).await
}

async fn own(app: &App, current: &Current, which: &Which) -> Result<Account, AuthError> {
    sessions::require_own(current)?;
    accounts::find(app, current, which).await
}

async fn row(app: &App, current: &Current, account: &Account) -> Result<Linked, AuthError> {
    let row = linked::by_row(app, &current.user.id, &account.id).await?;
    row.ok_or_else(|| refusal::ACCOUNT_NOT_FOUND.into())
}

fn ends_soon(app: &App, linked: &Linked) -> bool {
    let soon = app.world().now().checked_add(SOON).unwrap_or(Timestamp::MAX);
    linked.kept.access_expires_at.is_some_and(|end| end < soon)
}

async fn living(
    app: &App,
    current: &Current,
    provider: &Provider,
    account: &Account,
) -> Result<AccessToken, AuthError> {
    let mut linked = row(app, current, account).await?;
    if ends_soon(app, &linked) && linked.kept.refresh.is_some() {
        let _alone = app.auth().social().refreshing(&account.id).await;
        linked = row(app, current, account).await?;
        // Somebody who was here before may have done it.
        if ends_soon(app, &linked) {
            let token = tokens::opened(app, linked.kept.refresh.as_deref()).ok_or(TOKEN_FAILED)?;
            linked = renewed(app, provider, &linked, &token).await.map_err(|()| TOKEN_FAILED)?;
        }
    }
    let kept = &linked.kept;
    let token = tokens::opened(app, kept.access.as_deref());
    if kept.access.as_deref().is_some_and(|kept| !kept.is_empty()) && token.is_none() {
        return Err(TOKEN_FAILED.into());
    }
    Ok(AccessToken {
        token,
        expires_at: kept.access_expires_at,
        scope: linked.account.scope.clone(),
        id_token: tokens::opened(app, kept.id.as_deref()),
    })
}

/// The account with new tokens, which are kept. What went wrong is in the log.
async fn renewed(
    app: &App,
    provider: &Provider,
    linked: &Linked,
    token: &SecretString,
) -> Result<Linked, ()> {
    let social = app.auth().social();
    let fresh = provider.refresh(token, &social.http, app.world().now()).await;
    let fresh = fresh.map_err(|error| error.tell(&provider.settings.name))?;
    let kept = Kept {
        access: tokens::kept(app, fresh.access.as_ref()),
        refresh: tokens::kept(app, fresh.refresh.as_ref()),
        // A refreshed ID token is of no further use than the first; it is checked like any other, or not kept.
        id: match &fresh.id {
            Some(_) if provider.has_id_tokens() => {
                let profile = provider.profile(&fresh, None, &social.http, app.world().now()).await;
                let is_same = profile.is_ok_and(|profile| profile.id == linked.account.account_id);
                if is_same { tokens::kept(app, fresh.id.as_ref()) } else { None }
            }
            _ => None,
        },
        access_expires_at: fresh.access_expires_at,
        refresh_expires_at: fresh.refresh_expires_at,
        scope: None,
    };
    let written = linked::keep(app, &linked.account.id, &kept).await;
    written
        .map_err(|error| tracing::error!(%error, "refreshed tokens of a provider were not kept"))?
        .ok_or(())
}

/// Tokens that were just refreshed.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The tokens.
    pub tokens: Tokens,
    /// What was allowed, as it is kept.
    pub scope: Option<String>,
    /// The provider.
    pub provider: String,
    /// The row.
    pub account: String,
}

/// Refreshes the tokens of one of the user's accounts.
///
/// # Errors
/// [`AuthError`]
pub async fn refresh(app: &App, current: &Current, which: &Which) -> Result<Refreshed, AuthError> {
    let account = own(app, current, which).await?;
    let social = app.auth().social();
    let provider =
        social.provider(&account.provider_id).ok_or_else(|| not_supported(&account.provider_id))?;
    let before = row(app, current, &account).await?;
    let _alone = social.refreshing(&account.id).await;
    let mut linked = row(app, current, &account).await?;
    // Another did meanwhile; what the refresh token gave them is what there is.
    if linked.kept.access == before.kept.access {
        let token =
            linked.kept.refresh.as_deref().filter(|token| !token.is_empty()).ok_or(NO_REFRESH_TOKEN)?;
        let token = tokens::opened(app, Some(token)).ok_or(REFRESH_FAILED)?;
        linked = renewed(app, provider, &linked, &token).await.map_err(|()| REFRESH_FAILED)?;
    }
    let kept = &linked.kept;
    Ok(Refreshed {
        tokens: Tokens {
            access: tokens::opened(app, kept.access.as_deref()),
            refresh: tokens::opened(app, kept.refresh.as_deref()),
            id: tokens::opened(app, kept.id.as_deref()),
            access_expires_at: kept.access_expires_at,
            refresh_expires_at: kept.refresh_expires_at,
            scopes: Vec::new(),
        },
        scope: linked.account.scope,
        provider: account.provider_id,
        account: account.id,
    })
}

/// What a provider says of the user now.
#[derive(Clone, Debug)]
pub struct Info {
    /// Who the user is there.
    pub profile: Profile,
    /// The account.
    pub account: Account,
}

/// Asks the provider who the user is there.
///
/// # Errors
/// [`AuthError`]
pub async fn info(app: &App, current: &Current, which: &Which) -> Result<Info, AuthError> {
    let account = own(app, current, which).await?;
    let social = app.auth().social();
    let provider = social.provider(&account.provider_id).ok_or(PROVIDER_NOT_CONFIGURED)?;
    let access = living(app, current, provider, &account).await?;
    let tokens = Tokens { access: access.token, ..Tokens::default() };
    if tokens.access.is_none() {
        return Err(NO_ACCESS_TOKEN.into());
    }
    let profile = provider.ask_who(&tokens, &social.http, app.world().now()).await.map_err(|error| {
        error.tell(&provider.settings.name);
        FAILED_TO_GET_USER_INFO
    })?;
    Ok(Info { profile, account })
}
