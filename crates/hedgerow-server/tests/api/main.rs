//! The data API as its clients see it: stories over HTTP, on a real database each.

mod access;
mod bad_input;
mod every_type;
mod formats;
mod pages;
mod records;
mod rows;
mod streams;
