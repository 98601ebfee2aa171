//! User names: another word for whom one signs in as.
//!
//! Always holds: a name is kept in lower case, so one in another case is the same; signing in with a name that nobody has takes as
//! long as with a wrong password.

use hedgerow_database::UserId;

use crate::app::App;
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::sign_in;
use crate::auth::sign_up::USERNAME_IS_ALREADY_TAKEN;
use crate::auth::store::user::{self, Changes};
use crate::auth::{password, settings::Plugin};
use crate::users::User;

/// Shortest name.
const FEWEST: usize = 3;
/// Longest name.
const MOST: usize = 30;
/// Longest name as it is shown.
const MOST_SHOWN: usize = 255;

/// `USERNAME_TOO_SHORT`
pub const USERNAME_TOO_SHORT: Refusal =
    Refusal::new(Kind::Bad, "USERNAME_TOO_SHORT", "Username is too short");
/// `USERNAME_TOO_LONG`
pub const USERNAME_TOO_LONG: Refusal = Refusal::new(Kind::Bad, "USERNAME_TOO_LONG", "Username is too long");
/// `INVALID_USERNAME`
pub const INVALID_USERNAME: Refusal = Refusal::new(Kind::Bad, "INVALID_USERNAME", "Username is invalid");
/// `INVALID_DISPLAY_USERNAME`
pub const INVALID_DISPLAY_USERNAME: Refusal =
    Refusal::new(Kind::Bad, "INVALID_DISPLAY_USERNAME", "Display username is invalid");

/// A name as it is kept.
///
/// # Errors
/// [`USERNAME_TOO_SHORT`], [`USERNAME_TOO_LONG`], [`INVALID_USERNAME`]
pub fn normal(name: &str) -> Result<String, Refusal> {
    match password::length(name) {
        length if length < FEWEST => return Err(USERNAME_TOO_SHORT),
        length if length > MOST => return Err(USERNAME_TOO_LONG),
        _ => {}
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.') {
        return Err(INVALID_USERNAME);
    }
    Ok(name.to_ascii_lowercase())
}

/// Whether nobody has a name, or only its present owner.
///
/// # Errors
/// When the database cannot be asked.
pub async fn is_free(app: &App, normal: &str, owner: Option<&UserId>) -> Result<bool, crate::Error> {
    let found = user::by_username(app, normal).await?;
    Ok(found.is_none_or(|found| owner == Some(&found.id)))
}

/// The user with this name and password.
///
/// # Errors
/// [`refusal::INVALID_USERNAME_OR_PASSWORD`], whichever of both is wrong.
pub async fn by_password(app: &App, normal: &str, password: &str) -> Result<User, AuthError> {
    sign_in::guard(app, normal)?;
    let user = user::by_username(app, normal).await?;
    sign_in::has_password(app, user, password, refusal::INVALID_USERNAME_OR_PASSWORD).await
}

/// What somebody wants to be called; the inner `None` takes a name away.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The name to sign in with.
    pub username: Option<Option<String>>,
    /// The same as it is shown.
    pub display: Option<Option<String>>,
}

/// Adds names to the values of a user: of `owner`, or of a new one, who is shown as they sign in unless they say
/// otherwise. Without the plugin nothing is added.
///
/// # Errors
/// [`USERNAME_TOO_SHORT`], [`USERNAME_TOO_LONG`], [`INVALID_USERNAME`], [`INVALID_DISPLAY_USERNAME`],
/// [`USERNAME_IS_ALREADY_TAKEN`]
pub async fn add(
    app: &App,
    mut changes: Changes,
    wanted: Wanted,
    owner: Option<&UserId>,
) -> Result<Changes, AuthError> {
    if !app.auth().has(Plugin::Username) {
        return Ok(changes);
    }
    let Wanted { mut username, mut display } = wanted;
    if owner.is_none() {
        let shown = display.clone().flatten();
        match (&username, shown) {
            (None, Some(shown)) if normal(&shown).is_ok() => username = Some(Some(shown)),
            (Some(Some(name)), shown) if shown.as_deref().unwrap_or_default().is_empty() => {
                display = Some(Some(name.clone()));
            }
            _ => {}
        }
    }
    if let Some(name) = username {
        let name = name.map(|name| normal(&name)).transpose()?;
        if let Some(name) = &name
            && !is_free(app, name, owner).await?
        {
            return Err(USERNAME_IS_ALREADY_TAKEN.into());
        }
        changes = changes.text("username", name);
    }
    if let Some(shown) = display {
        if shown.as_deref().is_some_and(|shown| password::length(shown) > MOST_SHOWN || shown.contains('\0'))
        {
            return Err(INVALID_DISPLAY_USERNAME.into());
        }
        changes = changes.text("displayUsername", shown);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_three_to_thirty_letters_digits_underscores_and_dots_in_lower_case() {
        let check = |name: &str, expected: Result<&str, Refusal>| {
            assert_eq!(normal(name), expected.map(str::to_owned), "{name:?}");
        };
        check("Full_User", Ok("full_user"));
        check("a.9", Ok("a.9"));
        check(&"A".repeat(30), Ok(&"a".repeat(30)));
        check("", Err(USERNAME_TOO_SHORT));
        check("ab", Err(USERNAME_TOO_SHORT));
        check(&"a".repeat(31), Err(USERNAME_TOO_LONG));
        // Dotless and dotted i, a look-alike of `a`, and what would be another name to a person.
        for bad in ["full user", "ab\0", "a@b.co", "\u{131}an", "\u{130}an", "\u{430}nn", "a-b", "ann\n"] {
            check(bad, Err(INVALID_USERNAME));
        }
    }
}
