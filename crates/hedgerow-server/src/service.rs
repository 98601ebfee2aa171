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
    /// Largest file of an import, in bytes.
    pub import_limit: usize,
    /// How long an import may take; a transaction is open meanwhile.
    pub import_timeout: Duration,
    /// How long any other request may take, from its first byte to the answer.
    pub request_timeout: Duration,
    /// How long a request's headers may take to come: slow ones are how a few clients hold many connections.
    pub header_timeout: Duration,
    /// How long a client may keep its body from coming; each KiB that came adds a second.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub write_timeout: Duration,
    /// Longest path and query, in bytes.
    pub max_url: usize,
    /// Most parameters of a query.
    pub max_parameters: usize,
    /// Most connections; more clients wait in the system's queue.
    pub max_connections: usize,
    /// Most connections of one address that is no trusted proxy; more are closed at once.
    pub max_connections_per_address: usize,
    /// How long a streamed answer may take in all.
    pub stream_limit: Duration,
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
            import_limit: 256 << 20,
            import_timeout: Duration::from_secs(900),
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            max_url: 8 << 10,
            max_parameters: 100,
            max_connections: 4096,
            max_connections_per_address: 1024,
            stream_limit: Duration::from_secs(3600),
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
