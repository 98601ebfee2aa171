//! What every handler gets: the application, and the limits of the HTTP side.

use std::time::Duration;

use hedgerow::App;

/// Limits of the HTTP side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// How long a request may take, from its first byte to the answer.
    pub request_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { body_limit: 1 << 20, request_timeout: Duration::from_secs(30) }
    }
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) options: ServerOptions,
}
