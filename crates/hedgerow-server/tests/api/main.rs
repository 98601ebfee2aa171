//! The data API as its clients see it: stories over HTTP, on a real database each.

mod access;
mod audit;
mod audit_seals;
mod bad_input;
mod every_type;
mod records;
mod rows;
