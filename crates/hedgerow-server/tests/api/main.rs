//! The data API as its clients see it: stories over HTTP, on a real database each.

mod access;
mod audit;
mod audit_seals;
mod bad_input;
mod batches;
mod bodies;
mod embeds;
mod every_type;
mod formats;
mod fuzz;
mod grammar;
mod hostile;
mod idempotency;
mod keys;
mod limits;
mod matrix;
mod openapi;
mod pages;
mod proof;
mod records;
mod rows;
mod streams;
mod trees;
mod upserts;
mod versions;
mod writes;
