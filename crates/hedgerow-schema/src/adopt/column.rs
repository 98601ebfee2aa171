//! The columns of a table as the fields of an entity file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Left, SetAside, Standing, plain, points_at_user};
use crate::catalog::{Column, Rule, Table};
use crate::check::MAX_INDEXED_LENGTH;
use crate::diff::digits;
use crate::expression::{Expression, Node};

/// An entity file under way.
pub(super) struct Written {
    pub(super) text: String,
    /// The line on which each field begins, from 1.
    lines: Vec<(usize, String)>,
}

impl Written {
    /// The column whose field stands on a line.
    pub(super) fn column_at(&self, line: usize) -> Option<String> {
        self.lines.iter().rev().find(|(first, _)| *first <= line).map(|(_, column)| column.clone())
    }
}

/// Keys and values of a field, as TOML.
type Options = Vec<(&'static str, String)>;

/// Writes the file of a table; what is no field goes to `left`.
pub(super) fn write(
    name: &str,
    table: &Table,
    standard: &Standing,
    all: &BTreeMap<String, Standing>,
    aside: &SetAside,
    left: &mut Vec<Left>,
) -> Written {
    let mut written = Written { text: String::new(), lines: Vec::new() };
    for line in table.comment.iter().flat_map(|comment| comment.lines()) {
        let _ = writeln!(written.text, "# {line}");
    }
    let _ = writeln!(written.text, "name = {}", string(name));
    if standard.has_trash {
        written.text.push_str("soft_delete = true\n");
    }
    for (own, column) in table.in_order() {
        if standard.has(own) {
            continue;
        }
        let known = aside.get(&(name.to_owned(), own.clone())).cloned();
        let described = match known {
            Some(reason) => Err(reason),
            None => describe(table, standard, all, own, column),
        };
        match described {
            Ok(options) => {
                written.lines.push((written.text.lines().count() + 2, own.clone()));
                let _ = writeln!(written.text, "\n[fields.{}]", key(own));
                for (key, value) in options {
                    let _ = writeln!(written.text, "{key} = {value}");
                }
            }
            Err(mut reason) => {
                if column.needs_value() {
                    reason.push_str("; it must have a value, so rows cannot be made through the API");
                }
                left.push(Left { object: format!("column {own:?} of {name}"), reason });
            }
        }
    }
    written
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(bare) { name.to_owned() } else { string(name) }
}

fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// The field that a column is, or why it is none.
fn describe(
    table: &Table,
    standard: &Standing,
    all: &BTreeMap<String, Standing>,
    name: &str,
    column: &Column,
) -> Result<Options, String> {
    if column.generated {
        return Err("it is computed".to_owned());
    }
    if column.identity.is_some() {
        return Err("its values are counted by the database".to_owned());
    }
    let mut options = match pointer(table, standard, all, name)? {
        Some(options) => options,
        None => kind(table, name, column)?,
    };
    if column.not_null {
        options.push(("required", "true".to_owned()));
    }
    if is_unique(table, standard, name) && takes_unique(&options) {
        options.push(("unique", "true".to_owned()));
    }
    if let Some(default) = &column.default {
        let ty = column.ty.as_str();
        match default_value(default, ty) {
            Ok(Some(value)) => options.push(("default", value)),
            Ok(None) => {}
            Err(()) => return Err(format!("its default is computed: {default}")),
        }
    }
    if let Some(comment) = &column.comment {
        options.push(("description", string(comment)));
    }
    Ok(options)
}

/// A field that points at a row of another table, if the column does.
fn pointer(
    table: &Table,
    standard: &Standing,
    all: &BTreeMap<String, Standing>,
    name: &str,
) -> Result<Option<Options>, String> {
    for constraint in table.constraints.values() {
        let Rule::References { columns, table: target, targets, on_delete, .. } = &constraint.rule else {
            continue;
        };
        let points = match columns.as_slice() {
            [one] => one == name,
            // What Hedgerow would make: within the owner.
            [owner, one] => *owner == standard.owner && one == name,
            _ => columns.iter().any(|own| own == name),
        };
        if !points {
            continue;
        }
        let action = match on_delete.as_str() {
            "CASCADE" => "\"cascade\"",
            "SET NULL" => "\"set_null\"",
            "NO ACTION" | "RESTRICT" => "\"restrict\"",
            other => return Err(format!("it points at {target} with ON DELETE {other}")),
        };
        if points_at_user(constraint).is_some() && targets == &["id"] {
            return Ok(Some(vec![("type", "\"user\"".to_owned()), ("on_delete", action.to_owned())]));
        }
        if !all.contains_key(target) {
            return Err(format!("it points at {target}, which is not adopted"));
        }
        if columns.len() > 2 || targets.last().is_none_or(|last| last != "id") {
            return Err(format!(
                "it points at {} of {target}, and a relation points at an id",
                targets.join(", ")
            ));
        }
        return Ok(Some(vec![
            ("type", "\"relation\"".to_owned()),
            ("entity", string(target)),
            ("on_delete", action.to_owned()),
        ]));
    }
    Ok(None)
}

/// The field type of a column that points nowhere.
fn kind(table: &Table, name: &str, column: &Column) -> Result<Options, String> {
    let options = table.constraints.values().find_map(|constraint| match &constraint.rule {
        Rule::Check(condition) => condition.options_of(name),
        _ => None,
    });
    let of = |ty: &str| vec![("type", string(ty))];
    let stored = |ty: &str, sql: &str| vec![("type", string(ty)), ("sql_type", string(sql))];
    let (base, limits) = plain(&column.ty).split_once('(').unwrap_or((plain(&column.ty), ""));
    let room =
        limits.strip_suffix(')').filter(|room| room.bytes().all(|b| b.is_ascii_digit()) && !room.is_empty());
    Ok(match (base, room, options) {
        ("text" | "character varying", _, Some(options)) => {
            let list: Vec<String> = options.iter().map(|option| string(option)).collect();
            let mut kind =
                vec![("type", "\"select\"".to_owned()), ("options", format!("[{}]", list.join(", ")))];
            kind.extend(room.map(|room| ("sql_type", format!("\"varchar({room})\""))));
            kind
        }
        // Without a limit it is a text in all but name, and becomes one without a row being read.
        ("text" | "character varying", None, None) => of("text"),
        ("character varying", Some(room), None) => {
            let mut kind = stored("text", &format!("varchar({room})"));
            kind.insert(1, ("max_length", room.to_owned()));
            kind
        }
        ("integer" | "smallint", ..) => stored("integer", base),
        ("bigint", ..) => of("integer"),
        ("real" | "double precision", ..) => stored("number", base),
        ("numeric", ..) if limits.is_empty() => of("number"),
        ("numeric", ..) => {
            let (whole, scale) = digits(&column.ty).ok_or_else(|| format!("its type is {}", column.ty))?;
            vec![
                ("type", "\"number\"".to_owned()),
                ("precision", (whole + scale).to_string()),
                ("scale", scale.to_string()),
            ]
        }
        ("boolean", ..) => of("boolean"),
        ("date", ..) => of("date"),
        ("timestamp with time zone", ..) => of("datetime"),
        ("timestamp without time zone", ..) => stored("datetime", "timestamp"),
        ("time without time zone", ..) => of("time"),
        ("jsonb", ..) => of("json"),
        ("json", ..) => stored("json", "json"),
        ("uuid", ..) => of("uuid"),
        ("text[]", ..) => of("tags"),
        _ => return Err(format!("no field type is stored as {}", column.ty)),
    })
}

/// Whether no two rows of one owner have the same value; an entity with a trash does not promise it for the rows there.
fn is_unique(table: &Table, standard: &Standing, name: &str) -> bool {
    !standard.has_trash
        && table.indexes.values().any(|index| {
            index.unique
                && index.method == "btree"
                && index.condition.is_none()
                && index.keys == [standard.owner.as_str(), name]
        })
}

/// A text without a limit may be unique in the database, but an entity file does not promise it.
fn takes_unique(options: &Options) -> bool {
    let value = |key: &str| options.iter().find(|(own, _)| *own == key).map(|(_, value)| value.as_str());
    match value("type") {
        Some("\"text\"") => value("max_length")
            .and_then(|max| max.parse().ok())
            .is_some_and(|max: u32| max <= MAX_INDEXED_LENGTH),
        Some("\"json\"" | "\"tags\"") => false,
        _ => true,
    }
}

/// A default as TOML; `None` for NULL, an error for what is no plain value.
fn default_value(default: &Expression, ty: &str) -> Result<Option<String>, ()> {
    let is_moment = ty.starts_with("timestamp");
    Ok(Some(match default.meaning() {
        Node::Null => return Ok(None),
        Node::Boolean(flag) => flag.to_string(),
        Node::Number(number) => number.clone(),
        Node::Call(name, arguments) if arguments.is_empty() => match name.as_str() {
            "current_timestamp" if is_moment => "\"now()\"".to_owned(),
            "current_date" if ty == "date" => "\"now()\"".to_owned(),
            _ => return Err(()),
        },
        Node::Literal(text) if ty == "jsonb" || ty == "json" => {
            let value: serde_json::Value = serde_json::from_str(text).map_err(|_| ())?;
            toml::Value::try_from(value).map_err(|_| ())?.to_string()
        }
        Node::Literal(text) if is_moment => {
            let text = text.replacen(' ', "T", 1);
            let zone = if text.ends_with('Z') || ty.contains("with time") { "" } else { "Z" };
            string(&format!("{text}{zone}"))
        }
        Node::Literal(text) => string(text),
        Node::Array(items) => {
            let text = |node: &Node| if let Node::Literal(text) = node { Ok(string(text)) } else { Err(()) };
            format!("[{}]", items.iter().map(text).collect::<Result<Vec<_>, ()>>()?.join(", "))
        }
        _ => return Err(()),
    }))
}
