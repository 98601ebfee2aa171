//! What every handler gets: the application, and the limits of the HTTP side.

use std::time::Duration;

use hedgerow::App;
use hedgerow::auth::origins::OriginPattern;
use ipnet::IpNet;

/// Limits of the HTTP side, and whom it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// How long a request may take, from its first byte to the answer.
    pub request_timeout: Duration,
    /// How long the reader of a streamed answer may take nothing of it.
    pub stream_timeout: Duration,
    /// How long a streamed answer may take in all.
    pub stream_limit: Duration,
    /// Proxies that are believed about the address a request comes from; nobody else is.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may read answers, besides those that sign-in trusts.
    pub cors_origins: Vec<OriginPattern>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            body_limit: 1 << 20,
            request_timeout: Duration::from_secs(30),
            stream_timeout: Duration::from_secs(30),
            stream_limit: Duration::from_secs(3600),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        }
    }
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) options: ServerOptions,
}
