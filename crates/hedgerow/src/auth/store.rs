//! The rows of sign-in: sessions, accounts, and what is being verified. Users are in `users.rs`.
//!
//! Always holds: all of it is read and written as [`hedgerow_database::Identity::Auth`], the one role that may; moments are written to the
//! millisecond, because a JavaScript server may read them; what is used once is deleted by the statement that reads it.

pub mod account;
pub mod code;
pub mod jwks;
pub mod linked;
pub mod session;
pub mod two_factor;
pub mod user;
pub mod verification;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// What a stored hash starts with. A token that somebody presents and that starts so is none: a copy of the database is
/// no key to it.
const HASHED: &str = "h1_";

/// What is kept of a token where nobody else must read it: `h1_` and the SHA-256 in hexadecimal.
pub(crate) fn hashed(token: &str) -> String {
    format!("{HASHED}{}", HEXLOWER.encode(&Sha256::digest(token.as_bytes())))
}

/// What a presented token may be kept as: in clear, or hashed. `None` is one that nobody was ever given.
pub(crate) fn kept_as(token: &str) -> Option<[String; 2]> {
    let possible =
        !token.is_empty() && token.len() <= 512 && !token.contains('\0') && !token.starts_with(HASHED);
    possible.then(|| [token.to_owned(), hashed(token)])
}
