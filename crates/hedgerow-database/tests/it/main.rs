//! Flights, transactions, pools and migrations on a real server, directly, over TLS and behind a pooler.

mod flights;
mod migrations;
mod pooler;
mod setup;
mod sign_in;
mod tls;
