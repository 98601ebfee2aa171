//! What every handler gets: the application, and the limits of the HTTP side.

use std::sync::Arc;
use std::time::Duration;

use hedgerow::App;
use hedgerow::auth::origins::OriginPattern;
use hedgerow::config::Audience;
use ipnet::IpNet;

use crate::openapi::Written;

/// Limits of the HTTP side, and whom it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// How long a request may take, from its first byte to the answer.
    pub request_timeout: Duration,
    /// Proxies that are believed about the address a request comes from; nobody else is.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may read answers, besides those that sign-in trusts.
    pub cors_origins: Vec<OriginPattern>,
    /// Who may read the description of the API, which names all entities and fields.
    pub openapi: Audience,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            body_limit: 1 << 20,
            request_timeout: Duration::from_secs(30),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            openapi: Audience::SignedIn,
        }
    }
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) options: ServerOptions,
    pub(crate) written: Arc<Written>,
}
