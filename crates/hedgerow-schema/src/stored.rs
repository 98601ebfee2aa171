//! The column types that a database which was there before Hedgerow may keep, and how their values travel all the same.
//!
//! Always holds: what is selected is cast to the type that the field's values have on the wire, and what is written is
//! cast to the column's, so nothing else needs to know.

use std::fmt;

use crate::FieldKind;

/// A column's type that is not the field's own (`sql_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredType {
    /// `timestamp`, read and written as UTC.
    Timestamp,
    /// `integer`
    Integer,
    /// `smallint`
    Smallint,
    /// `real`
    Real,
    /// `double precision`
    DoublePrecision,
    /// `varchar(n)`
    Varchar(u32),
    /// `json`
    Json,
    /// `uuid`, where the field has a text.
    Uuid,
}

impl StoredType {
    /// Reads the word of an entity file for a field of that kind.
    ///
    /// # Errors
    /// The words that the kind takes; none where it has only its own type.
    pub fn parse(kind: &FieldKind, text: &str) -> Result<Self, &'static [&'static str]> {
        let allowed = Self::allowed(kind);
        let found = match text {
            "timestamp" => Some(Self::Timestamp),
            "integer" => Some(Self::Integer),
            "smallint" => Some(Self::Smallint),
            "real" => Some(Self::Real),
            "double precision" => Some(Self::DoublePrecision),
            "json" => Some(Self::Json),
            "uuid" => Some(Self::Uuid),
            _ => varchar(text).map(Self::Varchar),
        };
        found.filter(|stored| allowed.contains(&stored.word())).ok_or(allowed)
    }

    /// The words that a field of that kind may have.
    pub fn allowed(kind: &FieldKind) -> &'static [&'static str] {
        match kind {
            FieldKind::Text(_)
            | FieldKind::Textarea(_)
            | FieldKind::Markdown(_)
            | FieldKind::Email(_)
            | FieldKind::Url(_)
            | FieldKind::Phone
            | FieldKind::Slug(_)
            | FieldKind::Select { .. }
            | FieldKind::Country
            | FieldKind::Currency
            | FieldKind::Timezone
            | FieldKind::File => &["varchar(N)"],
            FieldKind::Integer { .. } => &["integer", "smallint"],
            FieldKind::Number(_) => &["real", "double precision"],
            FieldKind::Datetime(_) => &["timestamp"],
            FieldKind::Json => &["json"],
            FieldKind::Relation(_) | FieldKind::User(_) => &["uuid"],
            FieldKind::Boolean
            | FieldKind::Date(_)
            | FieldKind::Time(_)
            | FieldKind::Multiselect { .. }
            | FieldKind::Tags(_)
            | FieldKind::RelationMany(_)
            | FieldKind::Uuid => &[],
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Integer => "integer",
            Self::Smallint => "smallint",
            Self::Real => "real",
            Self::DoublePrecision => "double precision",
            Self::Varchar(_) => "varchar(N)",
            Self::Json => "json",
            Self::Uuid => "uuid",
        }
    }

    /// What makes the column's value one of the wire's type.
    pub(crate) fn read_cast(self) -> &'static str {
        match self {
            // Not a cast, which would depend on the session's time zone.
            Self::Timestamp => " AT TIME ZONE 'UTC'",
            Self::Integer | Self::Smallint => "::bigint",
            // By way of the text, which has as many digits as it takes to read the same number again; the direct cast
            // rounds to 6 or 15.
            Self::Real | Self::DoublePrecision => "::text::numeric",
            Self::Varchar(_) | Self::Uuid => "::text",
            Self::Json => "::jsonb",
        }
    }

    /// What makes a value of the wire's type one of the column's.
    pub(crate) fn write_cast(self) -> &'static str {
        match self {
            Self::Timestamp => " AT TIME ZONE 'UTC'",
            // These fit by themselves, and an explicit cast to varchar(n) would cut what is too long.
            Self::Integer | Self::Smallint | Self::Varchar(_) => "",
            Self::Real => "::real",
            Self::DoublePrecision => "::double precision",
            Self::Json => "::json",
            Self::Uuid => "::uuid",
        }
    }

    /// The same for an array. `timestamp` relies on the session's time zone, which is UTC on every connection.
    pub(crate) fn write_array_cast(self) -> &'static str {
        match self {
            Self::Timestamp => "::timestamp without time zone[]",
            Self::Integer | Self::Smallint | Self::Varchar(_) => "",
            Self::Real => "::real[]",
            Self::DoublePrecision => "::double precision[]",
            Self::Json => "::json[]",
            Self::Uuid => "::uuid[]",
        }
    }
}

/// As PostgreSQL's `format_type()` spells it.
impl fmt::Display for StoredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamp => f.write_str("timestamp without time zone"),
            Self::Varchar(length) => write!(f, "character varying({length})"),
            other => f.write_str(other.word()),
        }
    }
}

/// `N` of `varchar(N)`; PostgreSQL allows up to 10,485,760.
fn varchar(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("varchar(")?.strip_suffix(')')?;
    let length: u32 = digits.parse().ok()?;
    (digits.bytes().all(|b| b.is_ascii_digit()) && (1..=10_485_760).contains(&length)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextRules;

    #[test]
    fn a_field_keeps_only_types_that_hold_its_values() {
        let text = FieldKind::Text(TextRules::default());
        let integer = FieldKind::Integer { min: None, max: None };
        let check = |kind: &FieldKind, word: &str, expected: Result<&str, &[&str]>| {
            let got = StoredType::parse(kind, word);
            assert_eq!(got.map(|stored| stored.to_string()), expected.map(str::to_owned), "{word}");
        };
        check(&text, "varchar(20)", Ok("character varying(20)"));
        check(&text, "varchar(0)", Err(&["varchar(N)"]));
        check(&text, "varchar(+2)", Err(&["varchar(N)"]));
        check(&text, "uuid", Err(&["varchar(N)"]));
        check(&integer, "smallint", Ok("smallint"));
        check(&integer, "bigint", Err(&["integer", "smallint"]));
        check(&FieldKind::Datetime(crate::Bounds::default()), "timestamp", Ok("timestamp without time zone"));
        check(&FieldKind::Boolean, "integer", Err(&[]));
    }
}
