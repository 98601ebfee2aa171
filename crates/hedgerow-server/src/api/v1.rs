//! The data API, version 1.

pub(crate) mod records;
