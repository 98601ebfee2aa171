//! The data API as its clients see it: stories over HTTP, on a real database each.

mod access;
mod bad_input;
mod embeds;
mod every_type;
mod keys;
mod matrix;
mod proof;
mod hostile;
mod limits;
mod grammar;
mod records;
mod rows;
mod trees;
