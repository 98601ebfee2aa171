//! What administrators do to other users, as Better Auth's admin plugin has it.
//!
//! Always holds: who may do what is one table ([`PERMISSIONS`]) and is asked anew with every request, so that a role that was
//! taken away counts no more; nobody acts as an administrator while acting as somebody else; whatever is done to a user is
//! logged with the ids of both, and without an address.

pub mod list;

use std::fmt;
use std::time::Duration;

use hedgerow_database::UserId;
use jiff::Timestamp;

use crate::app::App;
use crate::auth::refusal::{self, AuthError, Kind, Refusal};
use crate::auth::sessions::{self, Current};
use crate::auth::settings::Switch;
use crate::auth::sign_in::not_banned;
use crate::auth::store::session::{self, End, NewSession, Session};
use crate::auth::store::user::{self, Changes, Clash};
use crate::auth::store::{account, verification};
use crate::auth::{Client, passwords, sign_up};
use crate::users::{self, User};

/// How long an administrator acts as somebody else.
pub const IMPERSONATION_LASTS: Duration = Duration::from_secs(3600);
/// What a ban says when nobody gave a reason.
pub const NO_REASON: &str = "No reason";

/// Something that takes a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the row of `PERMISSIONS` that has its name")]
pub enum Deed {
    CreateUsers,
    ListUsers,
    SetRoles,
    BanUsers,
    Impersonate,
    ImpersonateAdmins,
    DeleteUsers,
    SetPasswords,
    SetEmails,
    SetPhones,
    GetUsers,
    UpdateUsers,
    ListSessions,
    RevokeSessions,
    DeleteSessions,
}

/// Who has a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// Users with one of the administrators' roles.
    Administrators,
    /// No role of this server's.
    Nobody,
}

/// One permission.
#[derive(Debug)]
pub struct Permission {
    /// What it is for.
    pub deed: Deed,
    /// On what, as clients ask.
    pub resource: &'static str,
    /// What, as clients ask.
    pub action: &'static str,
    /// Who has it.
    pub granted: Granted,
    /// What others are told.
    pub refusal: Refusal,
}

macro_rules! permissions {
    ($($deed:ident $resource:literal $action:literal $granted:ident $code:ident $message:literal;)*) => {
        /// All permissions there are.
        pub static PERMISSIONS: &[Permission] = &[$(Permission {
            deed: Deed::$deed,
            resource: $resource,
            action: $action,
            granted: Granted::$granted,
            refusal: Refusal::new(Kind::Forbidden, stringify!($code), $message),
        },)*];
    };
}

permissions! {
    CreateUsers "user" "create" Administrators YOU_ARE_NOT_ALLOWED_TO_CREATE_USERS "You are not allowed to create users";
    ListUsers "user" "list" Administrators YOU_ARE_NOT_ALLOWED_TO_LIST_USERS "You are not allowed to list users";
    SetRoles "user" "set-role" Administrators YOU_ARE_NOT_ALLOWED_TO_CHANGE_USERS_ROLE "You are not allowed to change users role";
    BanUsers "user" "ban" Administrators YOU_ARE_NOT_ALLOWED_TO_BAN_USERS "You are not allowed to ban users";
    Impersonate "user" "impersonate" Administrators YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS "You are not allowed to impersonate users";
    ImpersonateAdmins "user" "impersonate-admins" Nobody YOU_CANNOT_IMPERSONATE_ADMINS "You cannot impersonate admins";
    DeleteUsers "user" "delete" Administrators YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS "You are not allowed to delete users";
    SetPasswords "user" "set-password" Administrators YOU_ARE_NOT_ALLOWED_TO_SET_USERS_PASSWORD "You are not allowed to set users password";
    SetEmails "user" "set-email" Administrators YOU_ARE_NOT_ALLOWED_TO_SET_USERS_EMAIL "You are not allowed to update users email";
    SetPhones "user" "set-phone" Administrators YOU_ARE_NOT_ALLOWED_TO_SET_USERS_PHONE_NUMBER "You are not allowed to update users phone number";
    GetUsers "user" "get" Administrators YOU_ARE_NOT_ALLOWED_TO_GET_USER "You are not allowed to get user";
    UpdateUsers "user" "update" Administrators YOU_ARE_NOT_ALLOWED_TO_UPDATE_USERS "You are not allowed to update users";
    ListSessions "session" "list" Administrators YOU_ARE_NOT_ALLOWED_TO_LIST_USERS_SESSIONS "You are not allowed to list users sessions";
    RevokeSessions "session" "revoke" Administrators YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS "You are not allowed to revoke users sessions";
    DeleteSessions "session" "delete" Administrators YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS "You are not allowed to revoke users sessions";
}

/// `You cannot ban yourself`
pub const YOU_CANNOT_BAN_YOURSELF: Refusal =
    Refusal::new(Kind::Bad, "YOU_CANNOT_BAN_YOURSELF", "You cannot ban yourself");
/// `You cannot remove yourself`
pub const YOU_CANNOT_REMOVE_YOURSELF: Refusal =
    Refusal::new(Kind::Bad, "YOU_CANNOT_REMOVE_YOURSELF", "You cannot remove yourself");
/// `Invalid role type`
pub const INVALID_ROLE_TYPE: Refusal = Refusal::new(Kind::Bad, "INVALID_ROLE_TYPE", "Invalid role type");
/// Where an administrator makes a user, this is a mistake in the input.
pub const ADDRESS_IS_TAKEN: Refusal = Refusal::new(
    Kind::Bad,
    "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
    "User already exists. Use another email.",
);
/// Nobody is signed in: an answer without a body.
pub const NOBODY: Refusal = Refusal::silent(Kind::Unauthorized);
/// `You are not impersonating anyone`
pub const NOT_IMPERSONATING: Refusal = Refusal::sentence(Kind::Bad, "You are not impersonating anyone");

/// Whether the user's role allows it.
pub fn may(app: &App, user: &User, deed: Deed) -> bool {
    let permission = PERMISSIONS.iter().find(|permission| permission.deed == deed);
    permission.is_some_and(|permission| has(app, user, permission))
}

/// Whether the user's role allows an action that a client names; what nobody knows is allowed to nobody.
pub fn allows(app: &App, user: &User, resource: &str, action: &str) -> bool {
    let mut named = PERMISSIONS
        .iter()
        .filter(|permission| permission.resource == resource && permission.action == action);
    named.any(|permission| has(app, user, permission))
}

fn has(app: &App, user: &User, permission: &Permission) -> bool {
    permission.granted == Granted::Administrators && is_administrator(app, &user.role)
}

/// Whether one of these roles is an administrator's.
pub fn is_administrator(app: &App, roles: &str) -> bool {
    let known = &app.auth().settings().admin_roles;
    roles.split(',').any(|role| known.iter().any(|known| known == role.trim()))
}

/// Insists on the permission of whoever asks; while somebody acts as somebody else, there is none.
///
/// # Errors
/// The permission's own.
pub fn require(app: &App, current: &Current, deed: Deed) -> Result<(), Refusal> {
    if current.session.impersonated_by.is_none() && may(app, &current.user, deed) {
        return Ok(());
    }
    let permission = PERMISSIONS.iter().find(|permission| permission.deed == deed);
    Err(permission.map_or(NOBODY, |permission| permission.refusal.clone()))
}

/// Who does something to a user.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    /// An administrator who is signed in.
    Administrator(&'a UserId),
    /// Whoever runs the program's commands.
    Operator,
}

impl Actor<'_> {
    fn is(self, user: &UserId) -> bool {
        matches!(self, Self::Administrator(id) if id == user)
    }
}

impl fmt::Display for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator(id) => f.write_str(id.as_str()),
            Self::Operator => f.write_str("the operator"),
        }
    }
}

/// The user with this id.
///
/// # Errors
/// [`refusal::USER_NOT_FOUND`]
pub async fn find(app: &App, id: &str) -> Result<User, AuthError> {
    Ok(user::by_id(app, id).await?.ok_or(refusal::USER_NOT_FOUND)?)
}

/// Roles with commas between, checked.
///
/// # Errors
/// [`INVALID_ROLE_TYPE`]
pub fn roles(text: &str) -> Result<String, Refusal> {
    users::check_roles(text).map_err(|_| INVALID_ROLE_TYPE)
}

/// A user whom an administrator makes.
#[derive(Clone, Debug, Default)]
pub struct NewByAdmin {
    /// The address, checked for its form; any case.
    pub email: String,
    /// The password; none is a user who signs in otherwise.
    pub password: Option<String>,
    /// Other columns, checked.
    pub values: Changes,
    /// Roles, checked; the default role when not given.
    pub role: Option<String>,
}

/// Makes a user.
///
/// # Errors
/// [`AuthError`]
pub async fn create(app: &App, actor: Actor<'_>, new: NewByAdmin) -> Result<User, AuthError> {
    let hash = match &new.password {
        Some(text) => Some(passwords::hashed(app, text).await?),
        None => None,
    };
    let role = new.role.unwrap_or_else(|| app.auth().settings().default_role.clone());
    let values = new
        .values
        .text("role", Some(role.as_str()))
        .unless("emailVerified", |values| values.flag("emailVerified", false));
    let made = user::create(app, &new.email.to_lowercase(), values, hash.as_deref()).await;
    let user = made.map_err(refused)?;
    tracing::info!(by = %actor, user = %user.id, role, "a user was made by an administrator");
    Ok(user)
}

fn refused(clash: Clash) -> AuthError {
    match clash {
        Clash::Email => ADDRESS_IS_TAKEN.into(),
        Clash::Other => sign_up::USERNAME_IS_ALREADY_TAKEN.into(),
        Clash::Failed(error) => error.into(),
    }
}

/// What an administrator changes of a user, checked for its form.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Columns that mean nothing to sign-in.
    pub changes: Changes,
    /// Roles, with commas between.
    pub role: Option<String>,
    /// The address, in lower case, and whether it is proved; a new one that nobody vouches for is not.
    pub email: Option<String>,
    /// Whether the address is proved.
    pub email_verified: Option<bool>,
    /// Whether the user is shut out.
    pub banned: Option<Switch>,
}

/// Changes a user.
///
/// # Errors
/// [`AuthError`]
pub async fn update(app: &App, actor: Actor<'_>, id: &str, edit: Edit) -> Result<User, AuthError> {
    let mut changes = edit.changes;
    let known = user::by_id(app, id).await?;
    if edit.banned == Some(Switch::On) && known.as_ref().is_some_and(|known| actor.is(&known.id)) {
        return Err(YOU_CANNOT_BAN_YOURSELF.into());
    }
    if let Some(email) = &edit.email {
        let owner = user::by_email(app, email).await?;
        if owner.is_some_and(|owner| owner.id.as_str() != id) {
            return Err(ADDRESS_IS_TAKEN.into());
        }
    }
    let known = known.ok_or(refusal::USER_NOT_FOUND)?;
    let moves = edit.email.as_ref().is_some_and(|email| *email != known.email);
    if let Some(email) = edit.email {
        changes = changes.text("email", Some(email));
    }
    if let Some(verified) = edit.email_verified.or(moves.then_some(false)) {
        changes = changes.flag("emailVerified", verified);
    }
    if let Some(banned) = edit.banned {
        changes = changes.flag("banned", banned == Switch::On);
        // An end that is over would make a new ban none.
        changes = changes.unless("banExpires", |changes| changes.moment("banExpires", None));
    }
    if let Some(role) = &edit.role {
        changes = changes.text("role", Some(role.as_str()));
    }
    let changed = user::update(app, &known.id, changes, None).await.map_err(refused)?;
    let changed = changed.ok_or(refusal::USER_NOT_FOUND)?;
    if moves {
        // Links that went to the old address lead nowhere any more.
        verification::forget(app, passwords::RESET, known.id.as_str()).await?;
        tracing::info!(by = %actor, user = %known.id, "a user's address was changed by an administrator");
    }
    if let Some(role) = edit.role {
        told_role(actor, &known, &role);
    }
    if edit.banned == Some(Switch::On) {
        told_ban(app, actor, &changed).await?;
    }
    Ok(changed)
}

/// Gives a user roles in place of the ones before; they count with the next request, on every instance.
///
/// # Errors
/// [`refusal::USER_NOT_FOUND`]
pub async fn set_role(app: &App, actor: Actor<'_>, id: &str, role: &str) -> Result<User, AuthError> {
    let known = find(app, id).await?;
    let changes = Changes::new().text("role", Some(role));
    let changed = user::update(app, &known.id, changes, None).await.map_err(refused)?;
    told_role(actor, &known, role);
    Ok(changed.ok_or(refusal::USER_NOT_FOUND)?)
}

fn told_role(actor: Actor<'_>, known: &User, role: &str) {
    tracing::info!(by = %actor, user = %known.id, before = known.role, role, "a user's role was changed");
}

/// Gives a user a password, and ends the user's sessions and links that set another: who needs it may have lost the account.
/// `keep` is the session of an administrator who does it to themselves.
///
/// # Errors
/// [`refusal::USER_NOT_FOUND`] and those of a password's length.
pub async fn set_password(
    app: &App,
    actor: Actor<'_>,
    id: &str,
    text: &str,
    keep: Option<&str>,
) -> Result<(), AuthError> {
    passwords::check_length(app, text)?;
    let known = find(app, id).await?;
    passwords::set(app, &known.id, text).await?;
    verification::forget(app, passwords::RESET, known.id.as_str()).await?;
    let which = match keep {
        Some(session) if actor.is(&known.id) => End::AllBut(&known.id, session),
        _ => End::All(&known.id),
    };
    session::end(app, which).await?;
    tracing::info!(by = %actor, user = %known.id, "a user's password was set by an administrator");
    Ok(())
}

/// Shuts a user out, for a while or for good, and ends the user's sessions. API keys are refused for as long.
///
/// # Errors
/// [`refusal::USER_NOT_FOUND`], [`YOU_CANNOT_BAN_YOURSELF`]
pub async fn ban(
    app: &App,
    actor: Actor<'_>,
    id: &str,
    reason: Option<&str>,
    until: Option<Timestamp>,
) -> Result<User, AuthError> {
    let known = find(app, id).await?;
    if actor.is(&known.id) {
        return Err(YOU_CANNOT_BAN_YOURSELF.into());
    }
    let reason = reason.filter(|reason| !reason.is_empty()).unwrap_or(NO_REASON);
    let changes =
        Changes::new().flag("banned", true).text("banReason", Some(reason)).moment("banExpires", until);
    let changed = user::update(app, &known.id, changes, None).await.map_err(refused)?;
    let changed = changed.ok_or(refusal::USER_NOT_FOUND)?;
    told_ban(app, actor, &changed).await?;
    Ok(changed)
}

async fn told_ban(app: &App, actor: Actor<'_>, user: &User) -> Result<(), AuthError> {
    let sessions = session::end(app, End::All(&user.id)).await?;
    let until = user.ban_expires.map(|end| end.to_string()).unwrap_or_default();
    tracing::info!(by = %actor, user = %user.id, until, sessions, "a user was shut out");
    Ok(())
}

/// Lets a user in again.
///
/// # Errors
/// [`refusal::USER_NOT_FOUND`]
pub async fn unban(app: &App, actor: Actor<'_>, id: &str) -> Result<User, AuthError> {
    let known = find(app, id).await?;
    let changes =
        Changes::new().flag("banned", false).text("banReason", None::<String>).moment("banExpires", None);
    let changed = user::update(app, &known.id, changes, None).await.map_err(refused)?;
    tracing::info!(by = %actor, user = %known.id, "a user was let in again");
    Ok(changed.ok_or(refusal::USER_NOT_FOUND)?)
}

/// Deletes a user with everything that is theirs.
///
/// # Errors
/// [`YOU_CANNOT_REMOVE_YOURSELF`], [`refusal::USER_NOT_FOUND`]
pub async fn remove(app: &App, actor: Actor<'_>, id: &str) -> Result<(), AuthError> {
    if matches!(actor, Actor::Administrator(own) if own.as_str() == id) {
        return Err(YOU_CANNOT_REMOVE_YOURSELF.into());
    }
    let known = find(app, id).await?;
    user::delete(app, &known.id).await?;
    tracing::info!(by = %actor, user = %known.id, "a user was removed");
    Ok(())
}

/// Begins a session in which an administrator is somebody else, for an hour that nothing prolongs.
///
/// # Errors
/// [`refusal::USER_NOT_FOUND`], `YOU_CANNOT_IMPERSONATE_ADMINS`, [`refusal::BANNED_USER`]
pub async fn impersonate(
    app: &App,
    current: &Current,
    id: &str,
    client: &Client,
) -> Result<(Session, User), AuthError> {
    let target = find(app, id).await?;
    if is_protected(app, &target) {
        require(app, current, Deed::ImpersonateAdmins)?;
    }
    let target = not_banned(app, target).await?;
    let by = &current.user.id;
    let new = NewSession {
        user: &target.id,
        client,
        lasts: IMPERSONATION_LASTS,
        impersonated_by: Some(by.as_str()),
    };
    let session = session::create(app, &new).await?;
    tracing::info!(by = %by, user = %target.id, session = session.id, "an administrator acts as a user");
    Ok((session, target))
}

/// Whether nobody acts as this user: the endpoints of administrators or the data that they write would open to others.
fn is_protected(app: &App, user: &User) -> bool {
    user.is_admin() || is_administrator(app, &user.role)
}

/// Whether a session that an administrator began as somebody else still stands: it ends with the administrator's role, with a
/// ban or the end of the account, and when the user becomes an administrator.
///
/// # Errors
/// When the database cannot be asked.
pub(crate) async fn still_acts(app: &App, by: &str, target: &User) -> Result<bool, crate::Error> {
    let Some(administrator) = user::by_id(app, by).await? else { return Ok(false) };
    let is_in = !administrator.is_shut_out(app.world().now());
    let is_target = !is_protected(app, target) || may(app, &administrator, Deed::ImpersonateAdmins);
    Ok(is_in && is_target && may(app, &administrator, Deed::Impersonate))
}

/// Ends a session of an administrator who is somebody else; the administrator's own session, if it still is one.
///
/// # Errors
/// [`NOT_IMPERSONATING`]
pub async fn stop_impersonating(
    app: &App,
    current: &Current,
    own_token: Option<&str>,
) -> Result<Option<Current>, AuthError> {
    let Some(by) = &current.session.impersonated_by else { return Err(NOT_IMPERSONATING.into()) };
    session::end(app, End::Id(&current.session.id)).await?;
    tracing::info!(
        by, user = %current.user.id, session = current.session.id,
        "an administrator does not act as a user any more"
    );
    let Some(token) = own_token else { return Ok(None) };
    let own = sessions::find(app, token).await?;
    Ok(own.filter(|own| own.user.id.as_str() == by && own.session.impersonated_by.is_none()))
}

/// Whether a user has a password.
///
/// # Errors
/// When the database cannot be asked.
pub async fn has_password(app: &App, user: &User) -> Result<bool, crate::Error> {
    Ok(account::password(app, &user.id).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permissions_are_those_of_better_auth() {
        let named = |granted: Granted| -> Vec<String> {
            let permissions = PERMISSIONS.iter().filter(|permission| permission.granted == granted);
            permissions.map(|permission| format!("{}:{}", permission.resource, permission.action)).collect()
        };
        let administrators = "user:create user:list user:set-role user:ban user:impersonate user:delete user:set-password \
            user:set-email user:set-phone user:get user:update session:list session:revoke session:delete";
        assert_eq!(named(Granted::Administrators).join(" "), administrators);
        assert_eq!(named(Granted::Nobody), ["user:impersonate-admins"]);
        for (at, permission) in PERMISSIONS.iter().enumerate() {
            let first = PERMISSIONS.iter().position(|other| other.deed == permission.deed);
            assert_eq!(first, Some(at), "{:?} has one row", permission.deed);
        }
    }
}
