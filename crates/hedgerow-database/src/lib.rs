//! The Postgres wire.
pub mod private_server;
pub mod server_version;
