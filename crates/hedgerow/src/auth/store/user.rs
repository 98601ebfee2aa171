//! Users, as sign-in finds, makes and changes them.

use hedgerow_database::{Error as DatabaseError, Identity, Meaning, UserId};
use hedgerow_schema::{Bind, Identifier, InputError, Sql, SqlType};
use jiff::Timestamp;
use serde_json::Value;

use super::linked::New;
use crate::app::App;
use crate::auth::settings::Plugin;
use crate::error::Error;
use crate::token;
use crate::users::{self, User, user_columns};

/// New values for columns of a user.
#[derive(Clone, Debug, Default)]
pub struct Changes(Vec<Change>);

#[derive(Clone, Debug)]
struct Change {
    column: Identifier,
    /// What the value's text is read as.
    cast: &'static str,
    value: Option<String>,
}

impl Changes {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With what `change` adds, unless the column changes already.
    #[must_use]
    pub fn unless(self, column: &str, change: impl FnOnce(Self) -> Self) -> Self {
        if self.0.iter().any(|own| own.column.as_str() == column) { self } else { change(self) }
    }

    /// A text, or none.
    #[must_use]
    pub fn text(self, column: &'static str, value: Option<impl Into<String>>) -> Self {
        self.with(Identifier::joined(&[column]), "::text", value.map(Into::into))
    }

    /// Yes or no.
    #[must_use]
    pub fn flag(self, column: &'static str, value: bool) -> Self {
        self.with(Identifier::joined(&[column]), "::boolean", Some(value.to_string()))
    }

    /// A moment, or none.
    #[must_use]
    pub fn moment(self, column: &'static str, value: Option<Timestamp>) -> Self {
        self.with(Identifier::joined(&[column]), "::timestamptz", value.map(|value| value.to_string()))
    }

    /// A field of the application's own, checked by the caller; `null` is none.
    #[must_use]
    pub fn field(self, column: &Identifier, value: &Value) -> Self {
        let (cast, text) = match value {
            Value::Bool(flag) => ("::boolean", Some(flag.to_string())),
            Value::Number(number) => ("::numeric", Some(number.to_string())),
            Value::String(text) => ("::text", Some(text.clone())),
            _ => ("", None),
        };
        self.with(column.clone(), cast, text)
    }

    /// The values as JSON, for a user who is not in the database.
    pub(crate) fn as_json(&self) -> serde_json::Map<String, Value> {
        let read = |change: &Change| match (&change.value, change.cast) {
            (None, _) => Value::Null,
            (Some(text), "::boolean" | "::numeric") => serde_json::from_str(text).unwrap_or_default(),
            (Some(text), _) => Value::String(text.clone()),
        };
        self.0.iter().map(|change| (change.column.to_string(), read(change))).collect()
    }

    fn with(mut self, column: Identifier, cast: &'static str, value: Option<String>) -> Self {
        self.0.retain(|change| change.column != column);
        self.0.push(Change { column, cast, value });
        self
    }
}

impl Change {
    fn write(&self, sql: &mut Sql) {
        match &self.value {
            Some(_) => {
                sql.bind(Bind { ty: SqlType::Text, array: false, value: self.value.clone() }).push(self.cast);
            }
            None => {
                sql.push("NULL");
            }
        }
    }
}

/// Why a user was not written.
#[derive(Debug)]
pub enum Clash {
    /// Somebody has the address.
    Email,
    /// Somebody has another value that only one may have, such as the user name.
    Other,
    /// Something else.
    Failed(Error),
}

/// The user with this address.
///
/// # Errors
/// When the database cannot be asked.
pub async fn by_email(app: &App, email: &str) -> Result<Option<User>, Error> {
    let sql = concat!("SELECT ", user_columns!(), r#" FROM public."user" u WHERE u.email = $1"#);
    one(app, sql, &email.to_lowercase()).await
}

/// The user with this id.
///
/// # Errors
/// When the database cannot be asked.
pub async fn by_id(app: &App, id: &str) -> Result<Option<User>, Error> {
    let sql = concat!("SELECT ", user_columns!(), r#" FROM public."user" u WHERE u.id = $1"#);
    one(app, sql, id).await
}

/// The user with this name, which is in lower case.
///
/// # Errors
/// When the database cannot be asked.
pub async fn by_username(app: &App, name: &str) -> Result<Option<User>, Error> {
    let sql = concat!("SELECT ", user_columns!(), r#" FROM public."user" u WHERE u.username = $1"#);
    one(app, sql, name).await
}

async fn one(app: &App, sql: &'static str, key: &str) -> Result<Option<User>, Error> {
    if key.contains('\0') {
        return Ok(None);
    }
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&key]).await;
    let rows = rows.map_err(|error| Error::without_entity("look a user up", error))?;
    rows.first().map(|row| users::read_at(row, 0)).transpose()
}

/// Makes a user, with a password if its hash is given, all or nothing.
///
/// # Errors
/// [`Clash`]
pub async fn create(app: &App, email: &str, values: Changes, password: Option<&str>) -> Result<User, Clash> {
    make(app, email, values, password.map_or(First::None, First::Password)).await
}

/// Makes a user with an account at a provider, all or nothing.
///
/// # Errors
/// [`Clash`]
pub async fn create_linked(
    app: &App,
    email: &str,
    values: Changes,
    account: &New<'_>,
) -> Result<User, Clash> {
    make(app, email, values, First::Linked(account)).await
}

/// The first account of a user.
enum First<'a> {
    None,
    Password(&'a str),
    Linked(&'a New<'a>),
}

async fn make(app: &App, email: &str, values: Changes, first: First<'_>) -> Result<User, Clash> {
    let now = app.world().now_in_millis();
    let id = users::new_user_id(app.world());
    let values = values
        .text("id", Some(id.clone()))
        .text("email", Some(email))
        .moment("createdAt", Some(now))
        .moment("updatedAt", Some(now));
    // As Better Auth writes it, so that a server beside this one says the same.
    let values =
        if app.auth().has(Plugin::TwoFactor) { values.flag("twoFactorEnabled", false) } else { values };
    let mut sql = Sql::new("WITH made AS (INSERT INTO public.\"user\" (");
    sql.join(", ", values.0.iter(), |sql, change| {
        sql.name(&change.column);
    });
    sql.push(") VALUES (");
    sql.join(", ", values.0.iter(), |sql, change| change.write(sql));
    sql.push(") ON CONFLICT (email) DO NOTHING RETURNING *)");
    if let First::Linked(new) = first {
        let kept = &new.kept;
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        sql.push(
            ", linked AS (INSERT INTO public.account (\"userId\", \"createdAt\", \"updatedAt\", id, \"accountId\", \"providerId\", \"accessToken\", \"refreshToken\", \"idToken\", scope, \"accessTokenExpiresAt\", \"refreshTokenExpiresAt\") SELECT id, \"createdAt\", \"updatedAt\"",
        );
        let id = token::letters::<32>(app.world());
        for (cast, value) in [
            ("", Some(id)),
            ("", Some(new.account.to_owned())),
            ("", Some(new.provider.to_owned())),
            ("", kept.access.clone()),
            ("", kept.refresh.clone()),
            ("", kept.id.clone()),
            ("", kept.scope.clone()),
            ("::timestamptz", moment(kept.access_expires_at)),
            ("::timestamptz", moment(kept.refresh_expires_at)),
        ] {
            sql.push(", ").bind(Bind { ty: SqlType::Text, array: false, value }).push("::text").push(cast);
        }
        sql.push(" FROM made)");
    }
    if let First::Password(hash) = first {
        sql.push(
            ", credential AS (INSERT INTO public.account (id, \"accountId\", \"providerId\", \"userId\", password, \"createdAt\", \"updatedAt\") SELECT ",
        );
        sql.bind(Bind::text(token::letters::<32>(app.world())));
        sql.push(", id, 'credential', id, ")
            .bind(Bind::text(hash))
            .push(", \"createdAt\", \"updatedAt\" FROM made)");
    }
    sql.push(concat!(" SELECT ", user_columns!(), " FROM made u"));
    let rows = app.database().flight(&Identity::Auth).sql_rows(&sql).await.map_err(clash)?;
    match rows.first() {
        Some(row) => users::read_at(row, 0).map_err(Clash::Failed),
        None => Err(Clash::Email),
    }
}

/// Changes a user; `None` when there is none, or its address is not `only_if_email` any more.
///
/// # Errors
/// [`Clash`]
pub async fn update(
    app: &App,
    id: &UserId,
    changes: Changes,
    only_if_email: Option<&str>,
) -> Result<Option<User>, Clash> {
    let changes = changes.moment("updatedAt", Some(app.world().now_in_millis()));
    let mut sql = Sql::new("UPDATE public.\"user\" u SET ");
    sql.join(", ", changes.0.iter(), |sql, change| {
        sql.name(&change.column).push(" = ");
        change.write(sql);
    });
    sql.push(" WHERE u.id = ").bind(Bind::text(id.as_str()));
    if let Some(email) = only_if_email {
        sql.push(" AND u.email = ").bind(Bind::text(email));
    }
    sql.push(concat!(" RETURNING ", user_columns!()));
    let rows = app.database().flight(&Identity::Auth).sql_rows(&sql).await.map_err(clash)?;
    rows.first().map(|row| users::read_at(row, 0)).transpose().map_err(Clash::Failed)
}

/// Deletes a user with everything that is theirs, what is to be verified and what they do as somebody else included;
/// whether there was one.
///
/// # Errors
/// [`Error::Conflict`] when rows of others point at theirs and forbid it (`on_delete = "restrict"`).
pub async fn delete(app: &App, id: &UserId) -> Result<bool, Error> {
    // A one-time code's row names the address or the user behind its purpose; an invitation's value begins with the address.
    let sql = r#"WITH gone AS (SELECT id, email FROM public."user" WHERE id = $1),
        verified AS (DELETE FROM public.verification v USING gone
          WHERE v.value = gone.id OR split_part(v.identifier, '-otp-', 2) IN (gone.id, gone.email)
             OR (starts_with(v.identifier, 'invitation:') AND starts_with(v.value, gone.email || ' '))),
        acted AS (DELETE FROM public.session WHERE "impersonatedBy" = $1 AND "userId" <> $1)
        DELETE FROM public."user" WHERE id = $1"#;
    let done = app.database().flight(&Identity::Auth).execute(sql, &[&id.as_str()]).await;
    done.map(|count| count > 0).map_err(|error| {
        let server = error.server().filter(|server| server.meaning() == Meaning::ForeignKey);
        match server.map(|server| server.table.clone().unwrap_or_default()) {
            Some(table) => Error::Conflict(InputError {
                field: "user".to_owned(),
                code: "still_referenced",
                message: format!(
                    "rows of {table} that belong to others name this user; change or delete them first"
                ),
            }),
            None => Error::without_entity("delete a user", error),
        }
    })
}

fn clash(error: DatabaseError) -> Clash {
    let unique = error.server().filter(|server| server.meaning() == Meaning::Unique);
    match unique.map(|server| server.constraint.as_deref().unwrap_or_default().contains("email")) {
        Some(true) => Clash::Email,
        Some(false) => Clash::Other,
        None => Clash::Failed(Error::without_entity("write a user", error)),
    }
}

impl From<Clash> for Error {
    /// For writers that change nothing that only one may have.
    fn from(clash: Clash) -> Self {
        match clash {
            Clash::Failed(error) => error,
            Clash::Email | Clash::Other => Self::Conflict(InputError {
                field: "user".to_owned(),
                code: "already_exists",
                message: "somebody else has this value, which only one may have".to_owned(),
            }),
        }
    }
}
