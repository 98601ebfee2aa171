//! The HTTP interface, by version.

pub(crate) mod auth;
pub(crate) mod v1;
