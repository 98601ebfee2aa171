//! Hedgerow: a multi-tenant application backend on PostgreSQL, as a library.
//!
//! An application's entities are described in files ([`Schema`]); PostgreSQL keeps every tenant's rows apart, and an
//! [`App`] gives access to them for somebody in particular. The tenant is the user.

pub mod api_keys;
mod app;
pub mod audit;
pub mod auth;
pub mod baseline;
pub mod checks;
pub mod config;
mod context;
mod error;
pub mod export;
pub mod follow;
pub mod health;
pub mod idempotency;
pub mod import;
pub mod mail;
mod memory;
pub mod metadata;
pub mod migrations;
pub mod personal_data;
pub mod place;
pub mod project;
pub mod rate_limit;
pub mod records;
pub mod token;
pub mod users;

pub use app::{App, AppOptions, AsIdentity};
pub use context::{Caller, Clock, Ctx, Random, SignedIn, SystemClock, SystemRandom, World};
pub use error::Error;
pub use hedgerow_database as database;
pub use hedgerow_database::UserId;
pub use hedgerow_schema as schema;
pub use hedgerow_schema::Schema;

/// A secret that signs and seals: 64 letters and digits, some 380 bits.
pub fn new_secret(world: &World) -> String {
    token::letters::<64>(world)
}

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
