//! The reference of the field types, written by the code that it describes: columns and constraints come from the schema of
//! an example, stored forms and error codes from reading example values.
//!
//! Always holds: `docs/reference/field-types.md` is [`field_types`]; a test fails where it is not.

mod examples;

use serde_json::value::RawValue;

use crate::value::read_json;
use crate::{Entity, EntityFile, Field, FieldKind, Schema, StoredType, rules};
use examples::{EXAMPLES, Example};

/// The page of the field types.
///
/// # Panics
/// When an example is none: a test reads the page.
pub fn field_types() -> String {
    let mut page = INTRODUCTION.to_owned();
    for name in FieldKind::NAMES {
        let example = EXAMPLES.iter().find(|example| example.name == *name);
        write_type(&mut page, example.unwrap_or_else(|| panic!("{name} has no example")));
    }
    page
}

/// The options that a type has beside those of every field.
pub fn own_options(name: &str) -> &'static [&'static str] {
    EXAMPLES.iter().find(|example| example.name == name).map_or(&[], |example| example.options)
}

/// The options of every field.
pub const COMMON_OPTIONS: &[(&str, &str)] = &[
    ("required", "cannot be null"),
    ("unique", "per owner; not for lists, documents and files"),
    ("default", "a value of the type; not for `relation` and `user`"),
    ("indexed", "for filters and orders; texts need a `max_length` of at most 500, as unique ones do"),
    ("read_only", "never in a body, nor in an import"),
    ("immutable", "only in the body that makes the row"),
    ("hidden", "never in an answer"),
    ("description", "for the documentation"),
    ("renamed_from", "what the column was called before"),
];

const INTRODUCTION: &str = "\
# Field types

<!-- Written by `cargo xtask reference` from crates/hedgerow-schema/src/reference.rs. -->

For each type: the column, the constraints beside what the API checks first, and what is read and refused. The tables of values are what
the code answers to them. `null` is read by every type; a `required` field refuses it with `required`.

A constraint is called `<table>_<field>_<rule>`. A value that passes the API and breaks a constraint all the same is answered with
`check_failed`.

";

fn write_type(page: &mut String, example: &Example) {
    let (entity, field) = example.parse();
    let name = example.name;
    let mut line = |text: String| {
        page.push_str(&text);
        page.push('\n');
    };
    line(format!("## `{name}`\n\n{}\n", example.about));
    line("| | |\n|---|---|".to_owned());
    if let Some(relation) = field.kind.links() {
        let table = crate::ddl::link_table(&entity, &field);
        line(format!("| table | `{table}`, from `{}` to `{}` |", entity.name, relation.entity));
    } else {
        line(format!("| column | `{}` |", example.bare().column_type()));
    }
    for (constraint, expression) in rules::checks(&entity, &field) {
        let rule = constraint.as_str().trim_start_matches("examples_value_");
        line(format!("| constraint `{rule}` | {} |", code(expression.text().trim())));
    }
    line(format!("| JSON | {} |", example.json));
    if !example.accepts.is_empty() {
        line(format!("| read | {} |", example.accepts));
    }
    let options: Vec<String> = example.options.iter().map(|option| format!("`{option}`")).collect();
    if !options.is_empty() {
        line(format!("| options | {} |", options.join(", ")));
    }
    let stored = StoredType::allowed(&field.kind);
    if !stored.is_empty() {
        let words: Vec<String> = stored.iter().map(|word| format!("`\"{word}\"`")).collect();
        line(format!("| `sql_type` | {} |", words.join(", ")));
    }
    line(format!("\n```toml\n[fields.value]\n{}\n```\n", example.toml()));
    line("| value | | |\n|---|---|---|".to_owned());
    for json in example.values {
        line(match read_json(&field, &raw(json)) {
            Ok(bind) => {
                let stored = bind.value.unwrap_or_else(|| "NULL".to_owned());
                format!("| {} | stored as | {} |", value(json), code(&stored))
            }
            Err(mistake) => format!("| {} | `{}` | {} |", value(json), mistake.code, cell(&mistake.message)),
        });
    }
    page.push('\n');
}

impl Example {
    fn toml(&self) -> String {
        let own = self.toml.trim();
        let separator = if own.is_empty() { "" } else { "\n" };
        format!("type = \"{}\"{separator}{own}", self.name)
    }

    fn parse(&self) -> (Entity, Field) {
        let text = format!("name = \"examples\"\n[fields.value]\n{}\n", self.toml());
        let file = EntityFile { name: self.name.to_owned(), text };
        let schema = Schema::parse(&[file]).unwrap_or_else(|problems| panic!("{problems}"));
        let entity = schema.entities()[0].clone();
        let field = entity.fields[0].clone();
        (entity, field)
    }

    /// The field without what would change its column.
    fn bare(&self) -> Field {
        Field { sql_type: None, ..self.parse().1 }
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// Code in a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", cell(&text.replace('\n', "\\n")))
}

/// A value, which may be long to show that it is too long.
fn value(json: &str) -> String {
    let is_long = json.chars().count() > 80;
    code(&if is_long { json.chars().take(20).chain(['…']).collect() } else { json.to_owned() })
}

/// Text in a cell of a table, where a bar would begin the next.
fn cell(text: &str) -> String {
    text.replace('|', "\\\\|")
}
