//! The data API, version 1.

pub(crate) mod api_keys;
pub(crate) mod batch;
pub(crate) mod metas;
pub(crate) mod prefer;
pub(crate) mod records;
