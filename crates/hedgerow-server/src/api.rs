//! The HTTP interface, by version.

pub(crate) mod v1;
