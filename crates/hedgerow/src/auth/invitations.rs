//! Inviting somebody to make an account.
//!
//! Always holds: an invitation is for one address and one role; a new one for the address makes the ones before void.

use hedgerow_schema::InputError;
use url::Url;

use crate::app::App;
use crate::auth::email;
use crate::auth::sign_up::{INVITATION, INVITATION_LASTS, is_address};
use crate::auth::store::{user, verification};
use crate::error::Error;
use crate::mail::{Content, Link};
use crate::token;
use crate::users;

/// Invites an address: a mail goes to it, and the link is returned for whoever wants to bring it otherwise.
///
/// # Errors
/// [`Error::Input`] for what is no address or no role, [`Error::Conflict`] where the address has an account.
pub async fn invite(app: &App, address: &str, role: Option<&str>) -> Result<(String, Link), Error> {
    let address = address.trim().to_lowercase();
    if !is_address(&address) {
        return Err(Error::input("email", "invalid_email", format!("{address:?} is no e-mail address")));
    }
    let role = users::check_roles(role.unwrap_or(&app.auth().settings().default_role))?;
    if user::by_email(app, &address).await?.is_some() {
        let message = format!("there is a user with the address {address} already");
        let field = "email".to_owned();
        return Err(Error::Conflict(InputError { field, code: "already_exists", message }));
    }
    verification::forget_starting(app, INVITATION, &format!("{address} ")).await?;
    let token = token::letters::<32>(app.world());
    verification::keep(app, INVITATION, &token, &format!("{address} {role}"), INVITATION_LASTS).await?;
    let url = page(app, "sign-up", "invitation", &token);
    let link = email::link_of(url, INVITATION_LASTS);
    email::send_to(app, &address, "", Content::Invitation(link.clone()));
    Ok((role, link))
}

/// A page of this server, with a parameter.
pub(crate) fn page(app: &App, path: &str, name: &str, value: &str) -> Url {
    let mut url = app.auth().base_url().clone();
    url.set_path(path);
    url.query_pairs_mut().clear().append_pair(name, value);
    url
}
