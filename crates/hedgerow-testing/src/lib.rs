//! What Hedgerow's own tests run on: real PostgreSQL, one database for each test, and an application that listens.
//!
//! A test process starts one private cluster (or takes over the initialised directory of an earlier run), makes a
//! template database for each set of entities, and clones it for each test. Nothing here is part of the product.

mod app;
mod browser;
mod cluster;

pub use app::{Answer, TestApp, TestUser, Who, schema_of};
pub use browser::Browser;
pub use cluster::{Held, SPARE_LOGIN, TestDatabase, cluster_address, cluster_url};
