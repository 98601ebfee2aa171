//! Hedgerow over HTTP: routes, who is asking, and how answers and errors look. It holds no SQL; what it does is done by
//! the `hedgerow` library.

mod accept;
mod api;
mod audited;
mod cors;
mod health;
mod identity;
mod limit;
mod middleware;
pub mod openapi;
mod pages;
mod peer;
mod proof;
mod protect;
mod respond;
mod router;
mod routes;
mod serve;
mod service;

pub use router::router;
pub use serve::{ServeError, Server};
pub use service::ServerOptions;
