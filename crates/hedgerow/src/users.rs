//! Users: who there is, as commands and look-ups know them. How they sign in is in `auth`.

use hedgerow_database::{Identity, Row, UserId};
use hedgerow_schema::InputError;
use hedgerow_schema::value::is_email;
use jiff::Timestamp;

use crate::app::App;
use crate::auth::store::user::{self, Changes, Clash};
use crate::context::{Caller, SignedIn, World};
use crate::error::Error;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The tenant: whose rows are whose.
    pub id: UserId,
    /// In lower case.
    pub email: String,
    /// For people.
    pub name: String,
    /// Whether the address was proved to be theirs.
    pub email_verified: bool,
    /// Where their picture is.
    pub image: Option<String>,
    /// `member`, `admin`, or roles of the application's own, with commas between.
    pub role: String,
    /// Whether somebody shut the user out, for as long as [`Self::ban_expires`] says.
    pub banned: bool,
    /// Why.
    pub ban_reason: Option<String>,
    /// Until when; `None` is for good.
    pub ban_expires: Option<Timestamp>,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user was changed last.
    pub updated_at: Timestamp,
    /// The other columns, as JSON: of plugins and of the application.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl User {
    /// Whether the user may write reference data and see to other users.
    pub fn is_admin(&self) -> bool {
        is_admin_role(&self.role)
    }

    /// Whether the user may not sign in nor use keys at this moment.
    pub fn is_shut_out(&self, now: Timestamp) -> bool {
        self.banned && self.ban_expires.is_none_or(|end| end > now)
    }
}

/// Whoever may do all that the user may.
impl From<&User> for Caller {
    fn from(user: &User) -> Self {
        Self::User(SignedIn { id: user.id.clone(), is_admin: user.is_admin(), scopes: None, key: None })
    }
}

/// Whether a user with these roles is an administrator.
pub(crate) fn is_admin_role(roles: &str) -> bool {
    roles.split(',').any(|role| role.trim() == ADMIN)
}

/// The role of administrators.
pub const ADMIN: &str = "admin";
/// The role of everybody else, unless they are given another.
pub const MEMBER: &str = "member";

/// A user to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewUser {
    /// Unique without regard to case.
    pub email: String,
    /// The address's local part when not given.
    pub name: Option<String>,
    /// The default role when not given.
    pub role: Option<String>,
}

/// The columns of a user, of the table or alias `u`. In a table that Better Auth made, role and state may be NULL, and
/// moments without a zone.
macro_rules! user_columns {
    () => {
        r#"u.id, u.email, coalesce(u.name, ''), u."emailVerified", u.image, coalesce(u.role, 'member'),
           coalesce(u.banned, false), u."banReason", u."banExpires"::timestamptz, u."createdAt"::timestamptz,
           u."updatedAt"::timestamptz, (to_jsonb(u) - '{id,email,name,emailVerified,image,role,banned,banReason,banExpires,createdAt,updatedAt}'::text[])::text"#
    };
}
pub(crate) use user_columns;

/// How many there are.
pub(crate) const USER_COLUMNS: usize = 12;

/// Roles with commas between, without spaces around them.
///
/// # Errors
/// [`Error::Input`] for what is no role.
pub fn check_roles(text: &str) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let roles: Vec<&str> = text.split(',').map(str::trim).collect();
    let fits = |role: &&str| !role.is_empty() && role.len() <= 64 && role.chars().all(plain);
    if roles.len() > 16 || !roles.iter().all(fits) {
        let message = "a role consists of 1 to 64 letters, digits, `_` and `-`; several have commas between";
        return Err(Error::input("role", "invalid_role", message));
    }
    Ok(roles.join(","))
}

/// Makes a user without a password.
///
/// # Errors
/// [`Error::Input`] for an address that is none, [`Error::Conflict`] when it is taken.
pub async fn create(app: &App, new: &NewUser) -> Result<User, Error> {
    create_with(app, new, Changes::new(), None).await
}

/// Makes a user with other columns, and with a password if its hash is given: all or nothing.
///
/// # Errors
/// As [`create`].
pub async fn create_with(
    app: &App,
    new: &NewUser,
    values: Changes,
    password: Option<&str>,
) -> Result<User, Error> {
    let email = new.email.trim().to_lowercase();
    if !is_email(&email) {
        return Err(Error::input("email", "invalid_email", format!("{email:?} is no e-mail address")));
    }
    let role = check_roles(new.role.as_deref().unwrap_or(&app.auth().settings().default_role))?;
    let given = new.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let name = given.or(email.split('@').next()).unwrap_or_default();
    if name.contains('\0') || name.chars().count() > 255 {
        return Err(Error::input(
            "name",
            "invalid_name",
            "a name has at most 255 characters, none of them U+0000",
        ));
    }
    let values = values
        .text("name", Some(name))
        .text("role", Some(role))
        .unless("emailVerified", |values| values.flag("emailVerified", false));
    user::create(app, &email, values, password).await.map_err(|clash| match clash {
        Clash::Email => Error::Conflict(InputError {
            field: "email".to_owned(),
            code: "already_exists",
            message: format!("there is a user with the address {email} already"),
        }),
        clash => clash.into(),
    })
}

/// All users, oldest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(app: &App) -> Result<Vec<User>, Error> {
    let sql = concat!("SELECT ", user_columns!(), r#" FROM public."user" u ORDER BY u."createdAt", u.id"#);
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[]).await;
    rows.map_err(|error| Error::without_entity("list users", error))?.iter().map(read).collect()
}

/// The user with this id or this e-mail address.
///
/// # Errors
/// [`Error::Input`] when there is none.
pub async fn find(app: &App, id_or_email: &str) -> Result<User, Error> {
    find_all(app, &[id_or_email]).await?.pop().ok_or_else(|| {
        Error::input(
            "user",
            "unknown_user",
            format!("there is no user with the id or address {id_or_email:?}"),
        )
    })
}

/// The users with these ids or e-mail addresses, as far as there are any.
///
/// # Errors
/// When the database cannot be asked.
pub async fn find_all(app: &App, ids_or_emails: &[&str]) -> Result<Vec<User>, Error> {
    let ids: Vec<&str> = ids_or_emails.iter().copied().filter(|text| !text.contains('\0')).collect();
    let emails: Vec<String> = ids.iter().map(|text| text.to_lowercase()).collect();
    let sql = concat!(
        "SELECT ",
        user_columns!(),
        r#" FROM public."user" u WHERE u.id = ANY ($1) OR u.email = ANY ($2)"#
    );
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&ids, &emails]).await;
    rows.map_err(|error| Error::without_entity("look for users", error))?.iter().map(read).collect()
}

/// Reads the columns of `user_columns!()`, which start at `from`.
pub(crate) fn read_at(row: &Row, from: usize) -> Result<User, Error> {
    let user = || -> Result<User, hedgerow_database::Error> {
        let wrong = |error: &dyn std::fmt::Display| hedgerow_database::Error::Protocol(error.to_string());
        let id: String = row.get(from)?;
        let extra: String = row.get(from + 11)?;
        Ok(User {
            id: id.parse().map_err(|error| wrong(&format!("{error}: {id:?}")))?,
            email: row.get(from + 1)?,
            name: row.get(from + 2)?,
            email_verified: row.get::<Option<bool>>(from + 3)?.unwrap_or_default(),
            image: row.get(from + 4)?,
            role: row.get(from + 5)?,
            banned: row.get(from + 6)?,
            ban_reason: row.get(from + 7)?,
            ban_expires: row.get(from + 8)?,
            created_at: row.get(from + 9)?,
            updated_at: row.get(from + 10)?,
            extra: serde_json::from_str(&extra).map_err(|error| wrong(&error))?,
        })
    };
    user().map_err(|error| Error::Internal { doing: "read a user", source: error.into() })
}

fn read(row: &Row) -> Result<User, Error> {
    read_at(row, 0)
}

/// 32 letters and digits, as Better Auth makes them.
pub(crate) fn new_user_id(world: &World) -> String {
    crate::token::letters::<32>(world)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_words_with_commas_between() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(check_roles(text).ok().as_deref(), expected, "{text:?}");
        };
        check("admin", Some("admin"));
        check("member, shop-editor,x_1", Some("member,shop-editor,x_1"));
        for wrong in ["", ",", "admin,", "a b", "a\0", "ädmin", &"x".repeat(65), &["r"; 17].join(",")] {
            check(wrong, None);
        }
    }
}
