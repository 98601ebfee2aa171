//! Browsers that need no second factor for a while, because somebody said so there.
//!
//! Always holds: such a browser has a cookie with a signature over the user, and the database a row of the same name, which
//! can be deleted; each sign-in uses the name up and gives a new one.

use std::time::Duration;

use crate::app::App;
use crate::auth::signed;
use crate::auth::store::two_factor as store;
use crate::auth::store::verification::{self, Purpose};
use crate::error::Error;
use crate::token::{self, Alphabet};
use crate::users::User;

/// How the identifier of a trusted device starts; the value is the user's id.
pub const TRUST: Purpose = Purpose("trust-device-");
/// How long it is trusted after its last sign-in.
pub const LASTS: Duration = Duration::from_secs(30 * 86_400);

/// Trusts a browser: what its cookie says.
///
/// # Errors
/// When the database cannot be asked.
pub async fn give(app: &App, user: &User) -> Result<String, Error> {
    let identifier = format!("{}{}", TRUST.0, token::random::<32>(app.world(), Alphabet::UrlSafe));
    verification::put(app, &identifier, user.id.as_str(), LASTS).await?;
    let mac = signed::mac(app.auth().secrets(), &format!("{}!{identifier}", user.id));
    Ok(format!("{mac}!{identifier}"))
}

/// Whether a browser with this cookie is trusted for the user; if so, the cookie is used up.
///
/// # Errors
/// When the database cannot be asked.
pub async fn take(app: &App, user: &User, cookie: &str) -> Result<bool, Error> {
    let Some((mac, identifier)) = cookie.split_once('!') else { return Ok(false) };
    let is_ours = identifier.starts_with(TRUST.0)
        && !identifier.contains('\0')
        && signed::is_mac(app.auth().secrets(), &format!("{}!{identifier}", user.id), mac);
    Ok(is_ours && store::take(app, identifier, user.id.as_str()).await?)
}
