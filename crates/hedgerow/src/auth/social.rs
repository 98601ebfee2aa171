//! Signing in with an account at another provider: Google, GitHub, GitLab, OpenID Connect.
//!
//! Always holds: providers are those of the configuration, and so are the addresses that are asked; a browser comes back with the
//! state it was sent away with, once; an account of a provider leads to one user, and to a user with the same address only
//! where both sides vouch for it.

mod access;
mod github;
mod gitlab;
mod google;
mod id_token;
mod linking;
mod oidc;
mod profile;
mod provider;
mod redirect;
pub mod settings;
mod state;
mod tokens;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

pub use access::{AccessToken, Info, Refreshed, access_token, info, refresh};
pub use linking::{ByIdToken, link_by_id_token, sign_in_by_id_token};
pub use profile::Profile;
pub use redirect::{Arrived, Back, Outcome, Start, Started, back, start};
pub use tokens::Tokens;

use crate::auth::http::{HttpError, Outgoing};
use crate::auth::refusal::{Kind, Refusal};
use provider::Provider;
use settings::ProviderSettings;

/// The providers of one application.
pub struct Social {
    providers: BTreeMap<String, Provider>,
    http: Outgoing,
    /// One of them is held while an account's tokens are refreshed: a provider takes a refresh token once.
    refreshing: [Mutex<()>; 16],
}

impl Social {
    /// With these providers, and so long for each request to one.
    pub fn new(providers: &[ProviderSettings], deadline: Duration) -> Self {
        let named = |settings: &ProviderSettings| (settings.name.clone(), Provider::new(settings.clone()));
        Self {
            providers: providers.iter().map(named).collect(),
            http: Outgoing::new(deadline),
            refreshing: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    /// The providers' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }

    fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.get(name)
    }

    async fn refreshing(&self, account: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        account.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % 16).unwrap_or(0);
        self.refreshing[place].lock().await
    }
}

/// Why a provider was of no help. Says nothing that it or a user said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum ProviderError {
    /// It could not be asked.
    #[error("cannot {doing}")]
    Http {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: HttpError,
    },
    /// Its answer has no token in it.
    #[error("cannot {doing}: the provider refused")]
    Refused {
        /// What was being done.
        doing: &'static str,
    },
    /// Its discovery document is of no use.
    #[error("cannot use its discovery document: {0}")]
    Discovery(&'static str),
    /// An ID token is not accepted.
    #[error("its ID token is not accepted: {0}")]
    IdToken(&'static str),
    /// It does not say who somebody is.
    #[error("it does not say who the user is, or says that the user is blocked there")]
    NoProfile,
}

impl ProviderError {
    fn http(doing: &'static str, source: HttpError) -> Self {
        Self::Http { doing, source }
    }

    /// Says in the log what happened.
    fn tell(&self, provider: &str) {
        match self {
            Self::Http { doing, source } => {
                tracing::warn!(provider, error = %source, "cannot {doing} of a sign-in provider");
            }
            other => tracing::warn!(provider, error = %other, "a sign-in provider's answer is not accepted"),
        }
    }
}

/// No such provider is configured.
pub const PROVIDER_NOT_FOUND: Refusal =
    Refusal::new(Kind::NotFound, "PROVIDER_NOT_FOUND", "Provider not found");
/// The provider has no ID tokens.
pub const ID_TOKEN_NOT_SUPPORTED: Refusal =
    Refusal::new(Kind::NotFound, "ID_TOKEN_NOT_SUPPORTED", "id_token not supported");
/// The provider cannot be reached at all.
pub const PROVIDER_UNAVAILABLE: Refusal = Refusal::new(
    Kind::Unavailable,
    "PROVIDER_UNAVAILABLE",
    "The provider cannot be reached. Please try again in a moment.",
);
