//! Finding users: searched, filtered, sorted, in pages.
//!
//! Always holds: columns come from a fixed list and operators from an enum, so nothing that was asked becomes SQL; what is
//! searched for is text, never a pattern.

use hedgerow_database::Identity;
use hedgerow_schema::{Bind, Identifier, Sql};
use jiff::Timestamp;

use crate::app::App;
use crate::auth::settings::{Plugin, UserFieldKind};
use crate::error::Error;
use crate::users::{self, User, user_columns};

/// Users on a page when nobody says how many.
pub const DEFAULT_LIMIT: u32 = 100;
/// Users on a page at most.
pub const MAX_LIMIT: u32 = 1000;

/// Which users are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What to look for, in a text.
    pub search: Option<Condition>,
    /// What else holds of them.
    pub filter: Option<Condition>,
    /// The column to sort by, and how.
    pub sort: Option<(String, Direction)>,
    /// How many at most; [`DEFAULT_LIMIT`] when not given.
    pub limit: Option<u32>,
    /// How many to leave out.
    pub offset: u32,
}

/// Something that holds of a column.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The column, as a client names it.
    pub column: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; several for `in` and `not_in`, of which one or none must be it.
    pub values: Vec<String>,
}

/// How to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name on the wire says")]
pub enum Operator {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    NotIn,
    Contains,
    StartsWith,
    EndsWith,
}

impl Operator {
    /// The names, in the order in which clients are told of them.
    pub const NAMES: [(&'static str, Self); 11] = [
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("lt", Self::Lt),
        ("lte", Self::Lte),
        ("gt", Self::Gt),
        ("gte", Self::Gte),
        ("in", Self::In),
        ("not_in", Self::NotIn),
        ("contains", Self::Contains),
        ("starts_with", Self::StartsWith),
        ("ends_with", Self::EndsWith),
    ];
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Flag,
    Number,
    Moment,
}

impl Holds {
    /// Whether a text can be read as such a value; only those reach the database.
    fn takes(self, text: &str) -> bool {
        match self {
            Self::Text => !text.contains('\0'),
            Self::Flag => matches!(text, "true" | "false"),
            Self::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Moment => text.parse::<Timestamp>().is_ok(),
        }
    }

    fn cast(self) -> &'static str {
        match self {
            Self::Text => "::text",
            Self::Flag => "::boolean",
            Self::Number => "::numeric",
            Self::Moment => "::timestamptz",
        }
    }
}

/// A column that may be asked about, with what stands for NULL in tables that others made.
struct Column {
    name: Identifier,
    holds: Holds,
    when_null: &'static str,
}

fn column(app: &App, name: &str) -> Option<Column> {
    let settings = app.auth().settings();
    let (holds, when_null) = match name {
        "id" | "name" | "email" | "image" | "banReason" => (Holds::Text, ""),
        "role" => (Holds::Text, "'member'"),
        "emailVerified" | "banned" => (Holds::Flag, "false"),
        "createdAt" | "updatedAt" | "banExpires" => (Holds::Moment, ""),
        "twoFactorEnabled" if settings.has(Plugin::TwoFactor) => (Holds::Flag, "false"),
        "username" | "displayUsername" if settings.has(Plugin::Username) => (Holds::Text, ""),
        _ => {
            let field = settings.fields.iter().find(|field| field.name.as_str() == name)?;
            let holds = match field.kind {
                UserFieldKind::Text => Holds::Text,
                UserFieldKind::Number => Holds::Number,
                UserFieldKind::Boolean => Holds::Flag,
            };
            (holds, "")
        }
    };
    Some(Column { name: Identifier::parse(name).ok()?, holds, when_null })
}

impl Column {
    fn write(&self, sql: &mut Sql) {
        if !self.when_null.is_empty() {
            sql.push("coalesce(");
        }
        sql.push("u.").name(&self.name);
        if !self.when_null.is_empty() {
            sql.push(", ").push(self.when_null).push(")");
        }
        sql.push(self.holds.cast());
    }
}

/// A condition on a column that there is, with values that it can have.
struct Checked<'w> {
    column: Column,
    operator: Operator,
    values: &'w [String],
}

fn checked<'w>(app: &App, condition: &'w Condition) -> Option<Checked<'w>> {
    let column = column(app, &condition.column)?;
    let is_text =
        matches!(condition.operator, Operator::Contains | Operator::StartsWith | Operator::EndsWith);
    let fits = condition.values.iter().all(|value| column.holds.takes(value))
        && !condition.values.is_empty()
        && !(is_text && column.holds != Holds::Text);
    fits.then_some(Checked { column, operator: condition.operator, values: &condition.values })
}

impl Checked<'_> {
    fn write(&self, sql: &mut Sql) {
        let first = self.values.first().map(String::as_str).unwrap_or_default();
        let mut compare = |sign: &'static str| {
            self.column.write(sql);
            sql.push(sign).bind(Bind::text(first)).push(self.column.holds.cast());
        };
        match self.operator {
            Operator::Eq => compare(" = "),
            Operator::Ne => compare(" <> "),
            Operator::Lt => compare(" < "),
            Operator::Lte => compare(" <= "),
            Operator::Gt => compare(" > "),
            Operator::Gte => compare(" >= "),
            Operator::In | Operator::NotIn => {
                self.column.write(sql);
                sql.push(if self.operator == Operator::In { " IN (" } else { " NOT IN (" });
                let cast = self.column.holds.cast();
                sql.join(", ", self.values.iter(), |sql, value| {
                    sql.bind(Bind::text(value.as_str())).push(cast);
                });
                sql.push(")");
            }
            Operator::Contains => self.part(sql, "position(", " in ", ") > 0"),
            Operator::StartsWith => {
                sql.push("starts_with(");
                self.column.write(sql);
                sql.push(", ").bind(Bind::text(first)).push("::text)");
            }
            Operator::EndsWith => {
                sql.push("right(");
                self.column.write(sql);
                sql.push(", char_length(").bind(Bind::text(first)).push("::text)) = ");
                sql.bind(Bind::text(first)).push("::text");
            }
        }
    }

    fn part(&self, sql: &mut Sql, before: &'static str, between: &'static str, behind: &'static str) {
        let first = self.values.first().map(String::as_str).unwrap_or_default();
        sql.push(before).bind(Bind::text(first)).push("::text").push(between);
        self.column.write(sql);
        sql.push(behind);
    }
}

/// The users of a page and how many there are on all pages; `None` where a column is none or a value does not fit it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(app: &App, wanted: &Wanted) -> Result<Option<(Vec<User>, u64)>, Error> {
    let mut conditions = Vec::new();
    for condition in [&wanted.search, &wanted.filter].into_iter().flatten() {
        let Some(checked) = checked(app, condition) else { return Ok(None) };
        conditions.push(checked);
    }
    let sort = match &wanted.sort {
        Some((name, direction)) => {
            let Some(column) = column(app, name) else { return Ok(None) };
            Some((column, *direction))
        }
        None => None,
    };
    let which = |sql: &mut Sql| {
        sql.push(r#" FROM public."user" u"#);
        for (at, condition) in conditions.iter().enumerate() {
            sql.push(if at == 0 { " WHERE " } else { " AND " });
            condition.write(sql);
        }
    };
    let mut page = Sql::new(concat!("SELECT ", user_columns!()));
    which(&mut page);
    page.push(" ORDER BY ");
    if let Some((column, direction)) = &sort {
        column.write(&mut page);
        page.push(if *direction == Direction::Ascending { ", " } else { " DESC, " });
    }
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    page.push(r#"u."createdAt", u.id LIMIT "#).number(u64::from(limit));
    page.push(" OFFSET ").number(u64::from(wanted.offset));
    let mut count = Sql::new("SELECT count(*)");
    which(&mut count);

    let failed = |error| Error::without_entity("list users", error);
    let rows = app.database().flight(&Identity::Auth).sql_rows(&page).await.map_err(failed)?;
    let counted = app.database().flight(&Identity::Auth).sql_rows(&count).await.map_err(failed)?;
    let total = counted.first().map(|row| row.get::<i64>(0)).transpose();
    let total = total.map_err(failed)?.and_then(|total| u64::try_from(total).ok()).unwrap_or_default();
    let users: Result<Vec<User>, Error> = rows.iter().map(|row| users::read_at(row, 0)).collect();
    Ok(Some((users?, total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_a_column_can_have_reach_the_database() {
        let check =
            |holds: Holds, text: &str, expected: bool| assert_eq!(holds.takes(text), expected, "{text}");
        check(Holds::Text, "100%_\\", true);
        check(Holds::Text, "a\0", false);
        check(Holds::Flag, "true", true);
        check(Holds::Flag, "yes", false);
        check(Holds::Number, "-1.5e3", true);
        check(Holds::Number, "NaN", false);
        check(Holds::Number, "1; DROP", false);
        check(Holds::Moment, "2026-11-22T11:30:23.859Z", true);
        check(Holds::Moment, "yesterday", false);
    }
}
