//! The columns of a table that should be otherwise, and what a change of type does to their values.

use std::collections::BTreeSet;

use super::altered::Altered;
use super::definition::{column_comment, column_definition, on, quote};
use super::{
    AFTER_VALIDATION, CHECKING, COLUMNS, COLUMNS_GONE, COMPUTED, Class, How, Loss, NO_LOCK, REMOVALS,
    REWRITING, RULES, VALIDATIONS,
};
use crate::catalog::{self, Column};

impl Altered<'_, '_> {
    /// Returns the columns whose type changes: what depends on those is taken off and put back.
    pub(super) fn columns(&mut self) -> BTreeSet<String> {
        let (is, should, name) = (self.is, self.should, self.name);
        let mut retyped: BTreeSet<String> = is
            .columns
            .iter()
            .filter(|(column, known)| {
                should
                    .columns
                    .get(*column)
                    .is_some_and(|wanted| known.ty != wanted.ty && !known.generated && !wanted.generated)
            })
            .map(|(column, _)| column.clone())
            .collect();
        for (column, known) in &is.columns {
            match should.columns.get(column) {
                None => {
                    let sql = format!("ALTER TABLE {} DROP COLUMN {}", on(name), quote(column));
                    let change = self.change(format!("column {column:?} of {name}"), "is dropped");
                    // A generated value can be computed again.
                    if known.generated {
                        change.together(REMOVALS, sql).done();
                    } else {
                        change
                            .loss(Loss::Column(name.to_owned(), column.clone()))
                            .together(COLUMNS_GONE, sql)
                            .done();
                    }
                }
                Some(wanted) if known.generated || wanted.generated => {
                    // PostgreSQL changes no type that a generated column reads.
                    let reads_retyped = known
                        .default
                        .as_ref()
                        .is_some_and(|value| retyped.iter().any(|read| value.names(read)));
                    let differs = (&known.ty, &known.default, known.generated)
                        != (&wanted.ty, &wanted.default, wanted.generated);
                    if !differs && !reads_retyped {
                        self.column_comment(column, known, wanted);
                        continue;
                    }
                    let mut change = self
                        .change(format!("column {column:?} of {name}"), "is computed anew")
                        .class(Class::Rewrites, REWRITING)
                        .together(REMOVALS, format!("ALTER TABLE {} DROP COLUMN {}", on(name), quote(column)))
                        .together(
                            COMPUTED,
                            format!(
                                "ALTER TABLE {} ADD COLUMN {}",
                                on(name),
                                column_definition(column, wanted)
                            ),
                        );
                    if wanted.comment.is_some() {
                        let sql = column_comment(name, column, wanted.comment.as_deref());
                        change = change.together(COMPUTED, sql);
                    }
                    change.done();
                    retyped.insert(column.clone());
                }
                Some(wanted) => {
                    if known.ty != wanted.ty {
                        self.retype(column, known, wanted);
                    } else if known.default != wanted.default {
                        let sql = set_default(name, column, wanted);
                        let text = wanted.default.as_ref().map_or("none".to_owned(), ToString::to_string);
                        self.change(
                            format!("column {column:?} of {name}"),
                            format!("gets the default {text}"),
                        )
                        .together(COLUMNS, sql)
                        .done();
                    }
                    if known.not_null && !wanted.not_null {
                        let sql =
                            format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", on(name), quote(column));
                        self.change(format!("column {column:?} of {name}"), "may be null")
                            .together(COLUMNS, sql)
                            .done();
                    } else if wanted.not_null && !known.not_null {
                        self.require(column);
                    }
                    self.column_comment(column, known, wanted);
                }
            }
        }
        for (column, wanted) in should.in_order() {
            if !is.columns.contains_key(column) {
                self.add_column(column, wanted);
            }
        }
        retyped
    }

    pub(super) fn column_comment(&mut self, column: &str, is: &Column, should: &Column) {
        if is.comment != should.comment {
            let sql = column_comment(self.name, column, should.comment.as_deref());
            let object = format!("column {column:?} of {}", self.name);
            let action = should.comment.as_deref().map_or("loses its comment".to_owned(), |text| {
                format!("is described as {:?}", text.trim_start_matches(catalog::MARK))
            });
            self.change(object, action).class(Class::Safe, NO_LOCK).together(RULES, sql).done();
        }
    }

    pub(super) fn add_column(&mut self, column: &str, wanted: &Column) {
        let name = self.name;
        // Rows that are there have no value yet: they get the default, or the rule waits for them.
        let later = wanted.not_null && wanted.default.is_none();
        let first = Column { not_null: wanted.not_null && !later, ..wanted.clone() };
        let sql = format!("ALTER TABLE {} ADD COLUMN {}", on(name), column_definition(column, &first));
        let mut change = self.change(
            format!("column {column:?} of {name}"),
            format!(
                "is added: {}",
                column_definition(column, wanted).trim_start_matches(&format!("{} ", quote(column)))
            ),
        );
        if wanted.generated {
            change = change.class(Class::Rewrites, REWRITING);
        }
        let phase = if wanted.generated { COMPUTED } else { COLUMNS };
        change = change.together(phase, sql);
        if wanted.comment.is_some() {
            change = change.together(phase, column_comment(name, column, wanted.comment.as_deref()));
        }
        change.done();
        if later {
            self.require(column);
        }
    }

    /// NOT NULL in steps: a check that new rows meet, its validation without a lock, and then the flag, which PostgreSQL
    /// takes from the check instead of reading the table.
    pub(super) fn require(&mut self, column: &str) {
        let (name, online) = (self.name, self.online());
        let check = format!("{name}_{column}_not_null");
        let check = quote(&check.chars().take(63).collect::<String>());
        let set = format!("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", on(name), quote(column));
        let change = self.change(
            format!("column {column:?} of {name}"),
            "must have a value; rows without one stop the migration (give the field a default, or fill them first)",
        );
        if !online {
            change.together(AFTER_VALIDATION, set).done();
            return;
        }
        change
            .class(Class::Locks, CHECKING)
            .together(
                RULES,
                format!(
                    "ALTER TABLE {} ADD CONSTRAINT {check} CHECK ({} IS NOT NULL) NOT VALID",
                    on(name),
                    quote(column)
                ),
            )
            .step(VALIDATIONS, How::Apart, format!("ALTER TABLE {} VALIDATE CONSTRAINT {check}", on(name)))
            .together(AFTER_VALIDATION, set)
            .together(AFTER_VALIDATION, format!("ALTER TABLE {} DROP CONSTRAINT {check}", on(name)))
            .done();
    }

    pub(super) fn retype(&mut self, column: &str, known: &Column, wanted: &Column) {
        let name = self.name;
        let (from, to) = (known.ty.as_str(), wanted.ty.as_str());
        let own = quote(column);
        let using = match (from.ends_with("[]"), to.ends_with("[]")) {
            (false, true) => format!("CASE WHEN {own} IS NULL THEN NULL ELSE ARRAY[{own}::text] END"),
            (true, false) if to == "text" => format!("array_to_string({own}, ',')"),
            _ if to == "jsonb" => format!("to_jsonb({own})"),
            _ if from == "jsonb" => format!("({own} #>> '{{}}')::{to}"),
            _ if from == to.split('(').next().unwrap_or_default() => own.clone(),
            // Values that no cast can read come over as text.
            _ if to == "text" || from == "text" => format!("{own}::{to}"),
            _ => format!("{own}::text::{to}"),
        };
        let using = if is_plain_cast(from, to) { format!("{own}::{to}") } else { using };
        let rewrites = !is_free(from, to);
        let change = self
            .change(format!("column {column:?} of {name}"), format!("changes its type from {from} to {to}"));
        let change = if rewrites { change.class(Class::Rewrites, REWRITING) } else { change };
        let change = if is_lossless(from, to) {
            change
        } else {
            change.loss(Loss::Values(name.to_owned(), column.to_owned()))
        };
        let mut change = if known.default.is_some() {
            change.together(COLUMNS, format!("ALTER TABLE {} ALTER COLUMN {own} DROP DEFAULT", on(name)))
        } else {
            change
        };
        change = change.together(
            COLUMNS,
            format!("ALTER TABLE {} ALTER COLUMN {own} TYPE {to} USING {using}", on(name)),
        );
        if wanted.default.is_some() {
            change = change.together(COLUMNS, set_default(name, column, wanted));
        }
        change.done();
    }
}

fn set_default(table: &str, column: &str, wanted: &Column) -> String {
    match &wanted.default {
        Some(value) => {
            format!("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT {value}", on(table), quote(column))
        }
        None => format!("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT", on(table), quote(column)),
    }
}

fn base(ty: &str) -> &str {
    ty.split('(').next().unwrap_or(ty)
}

/// Types between which a direct cast keeps the meaning.
fn is_plain_cast(from: &str, to: &str) -> bool {
    const NUMBERS: &[&str] = &["smallint", "integer", "bigint", "numeric", "real", "double precision"];
    const TIMES: &[&str] = &["date", "timestamp without time zone", "timestamp with time zone"];
    [NUMBERS, TIMES].iter().any(|group| group.contains(&base(from)) && group.contains(&base(to)))
}

/// Whether the change of type leaves the rows as they are on disk.
fn is_free(from: &str, to: &str) -> bool {
    matches!((base(from), to), ("character varying", "text"))
}

/// Whether every value of `from` is one of `to`.
fn is_lossless(from: &str, to: &str) -> bool {
    if base(from) == "numeric" && base(to) == "numeric" {
        return to == "numeric"
            || digits(from).zip(digits(to)).is_some_and(|(a, b)| a.0 <= b.0 && a.1 <= b.1);
    }
    const WIDER: &[(&str, &str)] = &[
        ("smallint", "integer"),
        ("smallint", "bigint"),
        ("integer", "bigint"),
        ("smallint", "numeric"),
        ("integer", "numeric"),
        ("bigint", "numeric"),
        ("date", "timestamp with time zone"),
        ("timestamp without time zone", "timestamp with time zone"),
        ("json", "jsonb"),
    ];
    (to == "text" && !from.ends_with("[]"))
        || to == "jsonb"
        || WIDER.contains(&(from, to))
        || (from == "text" && to == "text[]")
}

/// Digits before and behind the point.
pub(crate) fn digits(ty: &str) -> Option<(i64, i64)> {
    let (precision, scale) = ty.split_once('(')?.1.strip_suffix(')')?.split_once(',')?;
    let (precision, scale): (i64, i64) = (precision.parse().ok()?, scale.parse().ok()?);
    Some((precision - scale, scale))
}
