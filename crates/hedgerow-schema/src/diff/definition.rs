//! Objects as SQL writes them.
//!
//! Always holds: a name is quoted; an expression is text that PostgreSQL or Hedgerow wrote.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::catalog::{Column, Constraint, GRANT_OPTION, Index, Policy, Rule};

/// A name as it stands in SQL.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal of SQL.
pub fn literal(text: &str) -> String {
    let mut sql = crate::Sql::new("");
    sql.literal(text);
    sql.text().trim_start().to_owned()
}

pub(super) fn list(names: &[String]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

pub(crate) fn on(table: &str) -> String {
    format!("public.{}", quote(table))
}

/// One key of an index as it stands in SQL: a bare column, or an expression as PostgreSQL wrote it.
pub(super) fn key(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { quote(text) } else { text.to_owned() }
}

impl Rule {
    /// Whether it can be made for new rows first, and checked against the others later.
    pub(super) fn can_wait(&self) -> bool {
        !matches!(self, Self::Other(text) if text.starts_with("EXCLUDE"))
    }

    /// As SQL writes it.
    pub fn definition(&self) -> String {
        match self {
            Self::Check(condition) => format!("CHECK ({condition})"),
            Self::References { columns, table, targets, on_delete, sets, on_update } => {
                let mut sql =
                    format!("FOREIGN KEY ({}) REFERENCES {} ({})", list(columns), on(table), list(targets));
                if on_update != "NO ACTION" {
                    let _ = write!(sql, " ON UPDATE {on_update}");
                }
                if on_delete != "NO ACTION" {
                    let _ = write!(sql, " ON DELETE {on_delete}");
                }
                if !sets.is_empty() {
                    let _ = write!(sql, " ({})", list(sets));
                }
                sql
            }
            Self::Other(text) => text.clone(),
        }
    }
}

pub(super) fn column_definition(name: &str, column: &Column) -> String {
    let mut sql = format!("{} {}", quote(name), column.ty);
    match &column.default {
        Some(value) if column.generated => {
            let _ = write!(sql, " GENERATED ALWAYS AS ({value}) STORED");
        }
        Some(value) => {
            let _ = write!(sql, " DEFAULT {value}");
        }
        None => {}
    }
    if column.not_null {
        sql.push_str(" NOT NULL");
    }
    sql
}

pub(super) fn index_definition(table: &str, name: &str, index: &Index, concurrently: bool) -> String {
    let keys: Vec<String> = index.keys.iter().map(|text| key(text)).collect();
    let mut sql = format!(
        "CREATE {}INDEX {}{} ON {}{} ({})",
        if index.unique { "UNIQUE " } else { "" },
        if concurrently { "CONCURRENTLY " } else { "" },
        quote(name),
        on(table),
        if index.method == "btree" { String::new() } else { format!(" USING {}", index.method) },
        keys.join(", "),
    );
    if let Some(condition) = &index.condition {
        let _ = write!(sql, " WHERE {condition}");
    }
    sql
}

pub(super) fn policy_definition(table: &str, name: &str, policy: &Policy) -> String {
    let roles: Vec<String> = policy.roles.iter().map(|role| role_name(role)).collect();
    let mut sql = format!(
        "CREATE POLICY {} ON {}\n  AS {} FOR {} TO {}",
        quote(name),
        on(table),
        if policy.restrictive { "RESTRICTIVE" } else { "PERMISSIVE" },
        policy.command,
        roles.join(", "),
    );
    if let Some(using) = &policy.using {
        let _ = write!(sql, "\n  USING ({using})");
    }
    if let Some(check) = &policy.check {
        let _ = write!(sql, "\n  WITH CHECK ({check})");
    }
    sql
}

pub(super) fn role_name(role: &str) -> String {
    if role == "PUBLIC" { role.to_owned() } else { quote(role) }
}

pub(super) fn comment(object: &str, text: Option<&str>) -> String {
    format!("COMMENT ON {object} IS {}", text.map_or_else(|| "NULL".to_owned(), literal))
}

pub(super) fn column_comment(table: &str, column: &str, text: Option<&str>) -> String {
    comment(&format!("COLUMN {}.{}", on(table), quote(column)), text)
}

pub(super) fn index_comment(index: &str, text: Option<&str>) -> String {
    comment(&format!("INDEX public.{}", quote(index)), text)
}

pub(super) fn column_grant(
    verb: &str,
    right: &str,
    columns: &BTreeSet<String>,
    table: &str,
    role: &str,
) -> String {
    let columns: Vec<String> = columns.iter().cloned().collect();
    let plain = right.trim_end_matches(GRANT_OPTION);
    grant(verb, &format!("{plain} ({})", list(&columns)), plain != right, table, role)
}

/// The rights to give others come first: what was given on goes with them.
pub(super) fn table_grants(verb: &str, rights: &BTreeSet<String>, table: &str, role: &str) -> Vec<String> {
    let options = rights.iter().filter_map(|right| right.strip_suffix(GRANT_OPTION)).collect::<Vec<_>>();
    let plain =
        rights.iter().filter(|right| !right.ends_with(GRANT_OPTION)).map(String::as_str).collect::<Vec<_>>();
    let both = [(options, true), (plain, false)].into_iter().filter(|(rights, _)| !rights.is_empty());
    both.map(|(rights, option)| grant(verb, &rights.join(", "), option, table, role)).collect()
}

pub(super) fn grant(verb: &str, rights: &str, option: bool, table: &str, role: &str) -> String {
    let (table, role) = (on(table), role_name(role));
    match (verb, option) {
        ("GRANT", false) => format!("GRANT {rights} ON TABLE {table} TO {role}"),
        ("GRANT", true) => format!("GRANT {rights} ON TABLE {table} TO {role}{GRANT_OPTION}"),
        (_, false) => format!("REVOKE {rights} ON TABLE {table} FROM {role}"),
        (_, true) => format!("REVOKE GRANT OPTION FOR {rights} ON TABLE {table} FROM {role} CASCADE"),
    }
}

pub(crate) fn add_constraint(table: &str, name: &str, constraint: &Constraint, end: &str) -> String {
    format!("ALTER TABLE {} ADD CONSTRAINT {} {}{end}", on(table), quote(name), constraint.rule.definition())
}

pub(crate) fn drop_constraint(table: &str, name: &str) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT {}", on(table), quote(name))
}

/// `pg_get_triggerdef()` writes `BEFORE UPDATE ON tasks …`; the name stands in front.
pub(super) fn trigger_definition(name: &str, definition: &str) -> String {
    let mut words = definition.splitn(2, " ON ");
    let (head, tail) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (table, rest) = tail.split_once(' ').unwrap_or((tail, ""));
    let rest = rest.replace("EXECUTE FUNCTION ", "EXECUTE FUNCTION public.");
    format!("CREATE TRIGGER {} {head} ON {} {rest}", quote(name), on(table.trim_matches('"')))
}
