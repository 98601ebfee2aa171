//! Sign-in as browsers and other clients see it: stories over HTTP, on a real database each.

mod admin;
mod core;
mod email_otp;
mod fuzz;
mod jwt;
mod magic_link;
mod pitfalls;
mod provider;
mod social;
mod two_factor;
mod username;
