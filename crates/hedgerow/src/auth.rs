//! What sign-in is made of.
//!
//! Always holds: what these modules write, Better Auth 1.7 reads, and the other way round, so that both can serve the same
//! database and the same browsers side by side; secrets, passwords and tokens cannot be printed by accident.

pub mod jwt;
pub mod password;
pub mod sealed;
pub mod secrets;
pub mod signed;
pub mod totp;
