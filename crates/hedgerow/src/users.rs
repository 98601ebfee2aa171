//! Users: who there is. Signing in comes with a later version; until then keys are the way in.

use hedgerow_database::{Identity, Row, UserId};
use hedgerow_schema::InputError;
use hedgerow_schema::value::is_email;
use jiff::Timestamp;

use crate::app::App;
use crate::context::World;
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
    /// `member`, `admin`, or a role of the application's own.
    pub role: String,
    /// May not sign in nor use keys.
    pub banned: bool,
    /// When the user was made.
    pub created_at: Timestamp,
}

impl User {
    /// Whether the user may write reference data.
    pub fn is_admin(&self) -> bool {
        self.role == ADMIN
    }
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
    /// `member` when not given.
    pub role: Option<String>,
}

/// In a table that Better Auth made, role and state may be NULL, and moments without a zone.
macro_rules! columns {
    () => {
        r#"id, email, coalesce(name, ''), coalesce(role, 'member'), coalesce(banned, false), "createdAt"::timestamptz"#
    };
}

/// Makes a user.
///
/// # Errors
/// [`Error::Input`] for an address that is none, [`Error::Conflict`] when it is taken.
pub async fn create(app: &App, new: &NewUser) -> Result<User, Error> {
    let email = new.email.trim().to_lowercase();
    if !is_email(&email) {
        return Err(Error::input("email", "invalid_email", format!("{email:?} is no e-mail address")));
    }
    let role = new.role.as_deref().unwrap_or(MEMBER);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if role.is_empty() || role.len() > 64 || !role.chars().all(plain) {
        return Err(Error::input(
            "role",
            "invalid_role",
            "a role consists of 1 to 64 letters, digits, `_` and `-`",
        ));
    }
    let given = new.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let name = given.or(email.split('@').next()).unwrap_or_default();
    if name.contains('\0') || name.chars().count() > 255 {
        return Err(Error::input(
            "name",
            "invalid_name",
            "a name has at most 255 characters, none of them U+0000",
        ));
    }
    let id = new_user_id(app.world());
    let sql = concat!(
        r#"INSERT INTO public."user" (id, name, email, role) VALUES ($1, $2, $3, $4)
           ON CONFLICT (email) DO NOTHING RETURNING "#,
        columns!()
    );
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&id.as_str(), &name, &email, &role]).await;
    match rows.map_err(|error| Error::without_entity("create a user", error))?.first() {
        Some(row) => read(row),
        None => Err(Error::Conflict(InputError {
            field: "email".to_owned(),
            code: "already_exists",
            message: format!("there is a user with the address {email} already"),
        })),
    }
}

/// All users, oldest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(app: &App) -> Result<Vec<User>, Error> {
    let sql = concat!("SELECT ", columns!(), r#" FROM public."user" ORDER BY "createdAt", id"#);
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
    let sql =
        concat!("SELECT ", columns!(), r#" FROM public."user" WHERE id = ANY ($1) OR email = ANY ($2)"#);
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&ids, &emails]).await;
    rows.map_err(|error| Error::without_entity("look for users", error))?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<User, Error> {
    let internal = |source| Error::Internal { doing: "read a user", source };
    let id: String = row.get(0).map_err(|error| internal(error.into()))?;
    let user = || -> Result<User, hedgerow_database::Error> {
        Ok(User {
            id: id.parse().map_err(|error| hedgerow_database::Error::Protocol(format!("{error}: {id:?}")))?,
            email: row.get(1)?,
            name: row.get(2)?,
            role: row.get(3)?,
            banned: row.get(4)?,
            created_at: row.get(5)?,
        })
    };
    user().map_err(|error| internal(error.into()))
}

/// 32 letters and digits, as Better Auth makes them.
fn new_user_id(world: &World) -> String {
    crate::token::letters::<32>(world)
}
