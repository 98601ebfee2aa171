//! The data API as its clients see it: stories over HTTP, on a real database each.

mod access;
mod bad_input;
mod every_type;
mod fuzz;
mod records;
mod rows;
