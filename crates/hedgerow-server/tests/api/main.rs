//! The data API as its clients see it: stories over HTTP, on a real database each.

mod access;
mod bad_input;
mod embeds;
mod every_type;
mod formats;
mod fuzz;
mod grammar;
mod hostile;
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
