//! What stands in a database, as values: tables with everything that belongs to them, functions, and the rest by its
//! definition. The same values come from entity files (`model.rs`) and from PostgreSQL's catalog (hedgerow-database's
//! `introspect.rs`), so that the two can be compared (`diff.rs`).
//!
//! Always holds: equality is about meaning. Where a column stands, how many rows a table has and how PostgreSQL words an
//! expression make no difference.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::expression::Expression;

/// The objects of schema `public`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// By name.
    pub tables: BTreeMap<String, Table>,
    /// By name and argument types, such as `get_auth_user_id()`.
    pub functions: BTreeMap<String, Function>,
    /// Everything else by kind and name, such as `view open_tasks`, with its definition.
    pub others: BTreeMap<String, String>,
}

/// A table with everything that belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The role that owns it.
    pub owner: String,
    /// Its rows are gone after a crash.
    #[serde(default)]
    pub unlogged: bool,
    /// ENABLE ROW LEVEL SECURITY.
    pub row_security: bool,
    /// FORCE ROW LEVEL SECURITY.
    pub forced: bool,
    /// COMMENT ON TABLE.
    pub comment: Option<String>,
    /// By name.
    pub columns: BTreeMap<String, Column>,
    /// Checks and foreign keys, by name.
    pub constraints: BTreeMap<String, Constraint>,
    /// Indexes, those of primary keys and unique constraints included, by name.
    pub indexes: BTreeMap<String, Index>,
    /// By name.
    pub triggers: BTreeMap<String, Trigger>,
    /// By name.
    pub policies: BTreeMap<String, Policy>,
    /// Rights on the whole table, by role; `PUBLIC` is everybody. One that may be given to others is there twice, once
    /// with [`GRANT_OPTION`] behind it.
    pub grants: BTreeMap<String, BTreeSet<String>>,
    /// Rights on columns, by role and right.
    pub column_grants: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// How large it is; makes no difference.
    #[serde(skip)]
    pub size: Size,
}

/// How large a table is, as PostgreSQL estimates it. All sizes are equal: they are no part of a definition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Rows.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl PartialEq for Size {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Size {}

/// A place that makes no difference.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Position(pub i16);

impl PartialEq for Position {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Position {}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As `format_type()` writes it, with a collation that is not the type's own.
    pub ty: String,
    /// NOT NULL.
    pub not_null: bool,
    /// DEFAULT, or the expression of a generated column.
    pub default: Option<Expression>,
    /// GENERATED ALWAYS AS … STORED.
    pub generated: bool,
    /// `a` or `d` for an identity column.
    pub identity: Option<String>,
    /// COMMENT ON COLUMN.
    pub comment: Option<String>,
    /// Among the columns.
    pub position: Position,
}

/// A check or a foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// What it says.
    pub rule: Rule,
    /// Whether all rows were checked.
    pub validated: bool,
}

/// What a constraint says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// CHECK.
    Check(Expression),
    /// FOREIGN KEY.
    References {
        /// The columns.
        columns: Vec<String>,
        /// The table they point at.
        table: String,
        /// Its columns.
        targets: Vec<String>,
        /// `NO ACTION`, `RESTRICT`, `CASCADE`, `SET NULL`, `SET DEFAULT`.
        on_delete: String,
        /// The columns that SET NULL or SET DEFAULT sets, where not all.
        sets: Vec<String>,
        /// The same as `on_delete` for changed keys.
        on_update: String,
    },
    /// Anything else, as PostgreSQL writes it.
    Other(String),
}

/// An index.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Columns or expressions with what follows them (`DESC`, an operator class).
    pub keys: Vec<String>,
    /// UNIQUE.
    pub unique: bool,
    /// It is the primary key.
    pub primary: bool,
    /// `btree`, `gin`, …
    pub method: String,
    /// WHERE.
    pub condition: Option<Expression>,
    /// False where a concurrent build was cut short; PostgreSQL then does not use it.
    pub valid: bool,
    /// COMMENT ON INDEX.
    pub comment: Option<String>,
    /// Whether a constraint of the same name stands on it; a unique index says the same without one.
    pub constraint: bool,
}

impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        self.alike(other) && self.comment == other.comment
    }
}

/// A trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// As `pg_get_triggerdef()` writes it, with bare names.
    pub definition: String,
    /// `O` enabled, `D` disabled, `R` or `A` by replication role.
    pub enabled: String,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Restrictive policies are the floor.
    pub restrictive: bool,
    /// `SELECT`, `INSERT`, `UPDATE`, `DELETE` or `ALL`.
    pub command: String,
    /// For whom; `PUBLIC` is everybody.
    pub roles: BTreeSet<String>,
    /// USING.
    pub using: Option<Expression>,
    /// WITH CHECK.
    pub check: Option<Expression>,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// The role that owns it.
    pub owner: String,
    /// Language, result, volatility, security and settings, in a fixed order of words.
    pub attributes: String,
    /// The text of its body; an SQL body as PostgreSQL shows it.
    pub body: String,
    /// The expression of an SQL body of one RETURN.
    pub returns: Option<Expression>,
    /// Roles that may call it; `PUBLIC` is everybody.
    pub callers: BTreeSet<String>,
}

/// What a comment of Hedgerow's begins with: such a table, column or index follows the entity files.
pub const MARK: &str = "hedgerow ";

/// The comment of a table which can be made again from another one: nothing is lost with it.
pub const DERIVED: &str = "hedgerow objects";

/// What follows a right that its holder may give to others.
pub const GRANT_OPTION: &str = " WITH GRANT OPTION";

/// Whether a comment is Hedgerow's.
pub fn is_marked(comment: Option<&str>) -> bool {
    comment.is_some_and(|comment| comment.starts_with(MARK))
}

impl Table {
    /// Whether the table follows the entity files.
    pub fn is_managed(&self) -> bool {
        is_marked(self.comment.as_deref())
    }

    /// The columns in the order in which they stand.
    pub fn in_order(&self) -> Vec<(&String, &Column)> {
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort_by_key(|(_, column)| column.position.0);
        columns
    }
}

impl Column {
    /// Whether a row that does not say its value cannot be made.
    pub(crate) fn needs_value(&self) -> bool {
        self.not_null && self.default.is_none() && !self.generated && self.identity.is_none()
    }
}

impl Rule {
    /// The columns of its table that it speaks of, where that is known.
    pub fn speaks_of(&self, column: &str) -> bool {
        match self {
            Self::Check(expression) => expression.names(column),
            Self::References { columns, .. } => columns.iter().any(|own| own == column),
            Self::Other(text) => text.contains(column),
        }
    }
}

impl Index {
    /// Whether it is the same but for its comment.
    pub(crate) fn alike(&self, other: &Self) -> bool {
        let of = |index: &Self| (index.unique, index.primary, index.valid);
        of(self) == of(other)
            && self.keys == other.keys
            && self.method == other.method
            && self.condition == other.condition
    }

    /// Whether a key or the condition speaks of the column.
    pub fn speaks_of(&self, column: &str) -> bool {
        self.keys
            .iter()
            .any(|key| Expression::read(key.as_str()).names(column) || key.split(' ').next() == Some(column))
            || self.condition.as_ref().is_some_and(|condition| condition.names(column))
    }
}

impl Policy {
    /// Whether its expressions speak of the column.
    pub fn speaks_of(&self, column: &str) -> bool {
        [&self.using, &self.check].into_iter().flatten().any(|expression| expression.names(column))
    }
}
