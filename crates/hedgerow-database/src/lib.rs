//! The Postgres wire.
pub mod private_server;
