//! SQL as a value: static text with typed holes.
//!
//! Always holds: text comes from the program, a name only as an [`Identifier`], a value only as a [`Bind`] or as a
//! literal quoted here. There is no `From<String>`, so text that a caller sent cannot become SQL.

use crate::{Field, Identifier};

/// The PostgreSQL types that columns and parameters of Hedgerow have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlType {
    /// `text`
    Text,
    /// `bigint`
    Int8,
    /// `numeric`
    Numeric,
    /// `boolean`
    Bool,
    /// `date`
    Date,
    /// `timestamp with time zone`
    Timestamptz,
    /// `time without time zone`
    Time,
    /// `json`; only of what a statement builds, no column has it
    Json,
    /// `jsonb`
    Jsonb,
    /// `uuid`
    Uuid,
    /// `text[]`
    TextArray,
}

impl SqlType {
    /// The type's name, as PostgreSQL's `format_type()` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int8 => "bigint",
            Self::Numeric => "numeric",
            Self::Bool => "boolean",
            Self::Date => "date",
            Self::Timestamptz => "timestamp with time zone",
            Self::Time => "time without time zone",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Uuid => "uuid",
            Self::TextArray => "text[]",
        }
    }
}

/// A parameter: its type, and its value in PostgreSQL's text form (`None` is NULL).
///
/// Values are checked before they become a bind, so the server never meets text it cannot read as the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The element type.
    pub ty: SqlType,
    /// Whether this is an array of `ty`.
    pub array: bool,
    /// Text form, or NULL.
    pub value: Option<String>,
}

impl Bind {
    /// A text parameter.
    pub fn text(value: impl Into<String>) -> Self {
        Self::new(SqlType::Text, Some(value.into()))
    }

    /// A whole number.
    pub fn integer(value: i64) -> Self {
        Self::new(SqlType::Int8, Some(value.to_string()))
    }

    /// A parameter of type `ty` whose text form was checked by the caller.
    pub(crate) fn new(ty: SqlType, value: Option<String>) -> Self {
        Self { ty, array: false, value }
    }

    /// A `text[]` parameter.
    pub fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> Self {
        let literal = Self::array(SqlType::Text, items.into_iter().map(Some));
        Self { ty: SqlType::TextArray, array: false, value: literal.value }
    }

    /// An array parameter, written as PostgreSQL's array literal (manual, section 8.15.6).
    ///
    /// PostgreSQL has no arrays of arrays of different lengths, so many values of type `text[]` travel as an array of
    /// their literals, and the statement casts each.
    pub fn array<'a>(ty: SqlType, items: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let ty = if ty == SqlType::TextArray { SqlType::Text } else { ty };
        let mut literal = String::from("{");
        for item in items {
            if literal.len() > 1 {
                literal.push(',');
            }
            match item {
                None => literal.push_str("NULL"),
                Some(text) => {
                    literal.push('"');
                    for c in text.chars() {
                        if matches!(c, '"' | '\\') {
                            literal.push('\\');
                        }
                        literal.push(c);
                    }
                    literal.push('"');
                }
            }
        }
        literal.push('}');
        Self { ty, array: true, value: Some(literal) }
    }
}

/// One SQL statement with its parameters.
///
/// ```
/// use hedgerow_schema::{Bind, Identifier, Sql};
/// let table = Identifier::parse("tasks").unwrap();
/// let mut sql = Sql::new("SELECT count(*) FROM ");
/// sql.name(&table).push(" WHERE \"userId\" = ").bind(Bind::text("u1"));
/// assert_eq!(sql.text(), "SELECT count(*) FROM \"tasks\" WHERE \"userId\" = $1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    text: String,
    binds: Vec<Bind>,
}

impl Sql {
    /// Starts with text of the program.
    pub fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), binds: Vec::new() }
    }

    /// Adds text of the program.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a name, quoted.
    pub fn name(&mut self, name: &Identifier) -> &mut Self {
        self.text.push('"');
        self.text.push_str(name.as_str());
        self.text.push('"');
        self
    }

    /// Adds the type of a field's column.
    pub fn column_type(&mut self, field: &Field) -> &mut Self {
        self.text.push_str(&field.column_type());
        self
    }

    /// Adds `$n` for a value.
    pub fn bind(&mut self, bind: Bind) -> &mut Self {
        self.binds.push(bind);
        self.text.push('$');
        self.text.push_str(&self.binds.len().to_string());
        self
    }

    /// Adds a whole number as a literal: a LIMIT as a parameter would be planned anew at each execution.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.text.push_str(&number.to_string());
        self
    }

    /// Adds a quoted text literal, for DDL, where PostgreSQL takes no parameters.
    pub fn literal(&mut self, text: &str) -> &mut Self {
        let escape = text.contains('\\');
        self.text.push_str(if escape { " E'" } else { "'" });
        for c in text.chars() {
            if c == '\'' || c == '\\' {
                self.text.push(c);
            }
            self.text.push(c);
        }
        self.text.push('\'');
        self
    }

    /// Adds another piece without parameters.
    ///
    /// # Panics
    /// When `other` has parameters: their numbers would no longer be true.
    pub fn append(&mut self, other: &Sql) -> &mut Self {
        assert!(other.binds.is_empty(), "a piece with parameters cannot be appended");
        self.text.push_str(&other.text);
        self
    }

    /// Adds what `write` writes for each item, with `separator` between.
    pub fn join<T>(
        &mut self,
        separator: &'static str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.push(separator);
            }
            write(self, item);
        }
        self
    }

    /// The statement.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The parameters, `$1` first.
    pub fn binds(&self) -> &[Bind] {
        &self.binds
    }

    /// Takes the statement apart.
    pub fn into_parts(self) -> (String, Vec<Bind>) {
        (self.text, self.binds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_cannot_end_early() {
        let check = |text: &str, expected: &str| {
            let mut sql = Sql::new("");
            sql.literal(text);
            assert_eq!(sql.text(), expected);
        };
        check("todo", "'todo'");
        check("it's", "'it''s'");
        check("a\\'; DROP", " E'a\\\\''; DROP'");
        check("", "''");
    }

    #[test]
    fn arrays_quote_every_item() {
        let check = |items: &[Option<&str>], expected: &str| {
            let bind = Bind::array(SqlType::Text, items.iter().copied());
            assert_eq!(bind.value.as_deref(), Some(expected));
        };
        check(&[], "{}");
        check(&[Some("a"), None, Some("NULL"), Some("")], r#"{"a",NULL,"NULL",""}"#);
        check(&[Some(r#"quote " and \ and , }"#)], r#"{"quote \" and \\ and , }"}"#);
    }

    #[test]
    fn parameters_are_numbered_in_order() {
        let mut sql = Sql::new("SELECT ");
        sql.bind(Bind::text("a")).push(", ").bind(Bind::text("b")).push(" LIMIT ").number(50);
        assert_eq!(sql.text(), "SELECT $1, $2 LIMIT 50");
        assert_eq!(sql.binds().len(), 2);
    }
}
