//! The data API as its clients see it: stories over HTTP, on a real database each.

mod access;
mod bad_input;
mod batches;
mod bodies;
mod every_type;
mod idempotency;
mod records;
mod rows;
mod upserts;
mod versions;
mod writes;
