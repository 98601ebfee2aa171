//! The rules of a field's values as CHECK constraints: the same that `value.rs` checks first, for whoever writes without
//! the API.
//!
//! Always holds: an expression is made of columns, literals, operators, function calls and AND, so that it can be read
//! back from what PostgreSQL makes of it; a NULL passes every one of them.

use jiff::fmt::strtime;
use jiff::tz::Offset;

use crate::{Entity, Field, FieldKind, Identifier, Sql, SqlType, StoredType, TagRules};

/// Every rule that a constraint can be named by.
pub(crate) const RULES: &[&str] = &[
    "min_length",
    "max_length",
    "min",
    "max",
    "options",
    "pattern",
    "email",
    "url",
    "phone",
    "slug",
    "tags",
    "country",
    "currency",
    "file",
];

/// The constraints of a field: `<table>_<field>_<rule>` and the expression, without the word CHECK.
pub fn checks(entity: &Entity, field: &Field) -> Vec<(Identifier, Sql)> {
    let mut checks = Checks { entity, field, made: Vec::new() };
    if let Some(rules) = field.kind.text_rules() {
        for (rule, operator, limit) in
            [("min_length", " >= ", rules.min_length), ("max_length", " <= ", rules.max_length)]
        {
            // A column that has room for so many and no more says it already.
            let is_room = |limit| rule == "max_length" && field.sql_type == Some(StoredType::Varchar(limit));
            if let Some(limit) = limit.filter(|&limit| !is_room(limit)) {
                checks.add(rule, |sql| {
                    char_length(sql, field, operator, limit);
                });
            }
        }
    }
    for (rule, operator, limit) in [("min", " >= ", Limit::Smallest), ("max", " <= ", Limit::Largest)] {
        if let Some((literal, ty)) = bound(field, limit) {
            checks.add(rule, |sql| {
                sql.name(&field.name).push(operator).literal(&literal).push("::").push(ty);
            });
        }
    }
    match &field.kind {
        FieldKind::Select { options } => checks.add("options", |sql| {
            sql.name(&field.name).push(" IN (");
            literals(sql, options);
            sql.push(")");
        }),
        FieldKind::Multiselect { options } => checks.add("options", |sql| {
            sql.name(&field.name).push(" <@ ARRAY[");
            literals(sql, options);
            sql.push("]::text[]");
        }),
        FieldKind::Tags(_) => checks.add("tags", |sql| {
            sql.push("array_position(").name(&field.name).push(", NULL::text) IS NULL AND cardinality(");
            sql.name(&field.name).push(") <= ").number(TagRules::MAX_TAGS as u64);
        }),
        // The API asks for more: that the domain is one.
        FieldKind::Email(_) => checks.matches("email", " ~ ", "^[^@[:space:]]+@[^@[:space:]]+$"),
        FieldKind::Url(_) => checks.matches("url", " ~* ", "^https?://"),
        FieldKind::Phone => checks.matches("phone", " ~ ", "^[+][1-9][0-9]{1,14}$"),
        FieldKind::Slug(_) => checks.matches("slug", " ~ ", "^[a-z0-9]+(-[a-z0-9]+)*$"),
        FieldKind::Country => checks.matches("country", " ~ ", "^[A-Z]{2}$"),
        FieldKind::Currency => checks.matches("currency", " ~ ", "^[A-Z]{3}$"),
        FieldKind::File => checks.add("file", |sql| {
            char_length(sql, field, " >= ", 1).push(" AND ");
            char_length(sql, field, " <= ", FieldKind::MAX_FILE_LENGTH).push(" AND ");
            sql.name(&field.name).push(" !~ ").literal("[[:cntrl:]]");
        }),
        FieldKind::Text(_)
        | FieldKind::Textarea(_)
        | FieldKind::Markdown(_)
        | FieldKind::Integer { .. }
        | FieldKind::Number(_)
        | FieldKind::Boolean
        | FieldKind::Date(_)
        | FieldKind::Datetime(_)
        | FieldKind::Time(_)
        | FieldKind::Json
        | FieldKind::Relation(_)
        | FieldKind::RelationMany(_)
        | FieldKind::User(_)
        | FieldKind::Uuid
        | FieldKind::Timezone => {}
    }
    if let Some(pattern) = &field.pattern {
        checks.matches("pattern", " ~ ", &pattern.for_postgres());
    }
    checks.made
}

fn name(entity: &Entity, field: &Field, rule: &str) -> Identifier {
    Identifier::joined(&[entity.name.as_str(), field.name.as_str(), rule])
}

struct Checks<'f> {
    entity: &'f Entity,
    field: &'f Field,
    made: Vec<(Identifier, Sql)>,
}

impl Checks<'_> {
    fn add(&mut self, rule: &'static str, write: impl FnOnce(&mut Sql)) {
        debug_assert!(RULES.contains(&rule), "{rule} is no known rule");
        let mut sql = Sql::new("");
        write(&mut sql);
        self.made.push((name(self.entity, self.field, rule), sql));
    }

    fn matches(&mut self, rule: &'static str, operator: &'static str, pattern: &str) {
        let field = self.field;
        self.add(rule, |sql| {
            sql.name(&field.name).push(operator).literal(pattern);
        });
    }
}

fn char_length<'s>(sql: &'s mut Sql, field: &Field, operator: &'static str, limit: u32) -> &'s mut Sql {
    sql.push("char_length(").name(&field.name).push(")").push(operator).number(limit.into())
}

fn literals(sql: &mut Sql, options: &[String]) {
    sql.join(", ", options, |sql, option| {
        sql.literal(option);
    });
}

/// Which of two limits.
#[derive(Clone, Copy)]
enum Limit {
    Smallest,
    Largest,
}

impl Limit {
    fn of<T>(self, min: T, max: T) -> T {
        match self {
            Self::Smallest => min,
            Self::Largest => max,
        }
    }
}

/// A limit as PostgreSQL writes the value, and the literal's type.
fn bound(field: &Field, limit: Limit) -> Option<(String, &'static str)> {
    match &field.kind {
        FieldKind::Integer { min, max } => Some((limit.of(*min, *max)?.to_string(), SqlType::Int8.name())),
        FieldKind::Number(rules) => {
            let ty = match field.sql_type {
                Some(StoredType::Real) => "real",
                Some(StoredType::DoublePrecision) => "double precision",
                _ => SqlType::Numeric.name(),
            };
            Some((limit.of(rules.min.as_ref(), rules.max.as_ref())?.as_str().to_owned(), ty))
        }
        FieldKind::Date(bounds) => {
            Some((limit.of(bounds.min, bounds.max)?.to_string(), SqlType::Date.name()))
        }
        FieldKind::Datetime(bounds) => {
            let moment = Offset::UTC.to_datetime(limit.of(bounds.min, bounds.max)?);
            let text = strtime::format("%Y-%m-%d %H:%M:%S%.f", moment).ok()?;
            Some(match field.sql_type {
                Some(StoredType::Timestamp) => (text, "timestamp without time zone"),
                _ => (text + "+00", SqlType::Timestamptz.name()),
            })
        }
        FieldKind::Time(bounds) => {
            Some((limit.of(bounds.min, bounds.max)?.to_string(), SqlType::Time.name()))
        }
        _ => None,
    }
}
