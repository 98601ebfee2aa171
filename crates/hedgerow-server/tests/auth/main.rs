//! Sign-in as browsers and other clients see it: stories over HTTP, on a real database each.

mod admin;
mod core;
mod enumeration;
mod fuzz;
mod load;
mod pitfalls;
mod two_factor;
mod username;
mod email_otp;
mod jwt;
mod magic_link;
