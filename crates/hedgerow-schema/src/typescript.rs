//! The application's entities as TypeScript types: for `@supabase/postgrest-js` (its generic `Database`) and for the client of
//! `clients/typescript` (its generic `Schema`).
//!
//! Always holds: the same entities make the same text; what a request cannot name is in no type of a body, what an answer
//! never shows is in no type of a row.

use std::fmt::Write as _;

use crate::meta::{DataType, UnknownKeys};
use crate::write::METAS;
use crate::{Column, Entity, Field, FieldKind, Schema, Standard, ddl, shape};

/// The types of all entities, as one file.
///
/// ```
/// use hedgerow_schema::{EntityFile, Schema, typescript};
/// let text = "name = \"tasks\"\nfields.status = { type = \"select\", options = [\"todo\", \"done\"] }".to_owned();
/// let schema = Schema::parse(&[EntityFile { name: "tasks.toml".into(), text }]).unwrap();
/// assert!(typescript::types(&schema).contains("status: \"todo\" | \"done\" | null;"));
/// ```
pub fn types(schema: &Schema) -> String {
    let mut out = HEAD.to_owned();
    out.push_str("export type Database = {\n  public: {\n    Tables: {\n");
    for entity in schema.entities() {
        write_entity(&mut out, schema, entity);
    }
    out.push_str("    };\n    Views: {\n");
    // Tables that rows are embedded through; there is no path to them.
    for (entity, field, target) in schema.entities().iter().flat_map(|entity| {
        entity.links().map(move |(field, relation)| (entity, field, relation.entity.as_str()))
    }) {
        let table = ddl::link_table(entity, field);
        let _ =
            writeln!(out, "      {table}: {{\n        Row: Record<never, never>;\n        Relationships: [");
        write_relationship(&mut out, &format!("{table}_sourceId_fkey"), "sourceId", entity.name.as_str());
        write_relationship(&mut out, &format!("{table}_targetId_fkey"), "targetId", target);
        out.push_str("        ];\n      };\n");
    }
    out.push_str("    };\n    Functions: Record<never, never>;\n  };\n};\n");
    out.push_str(TAIL);
    out
}

const HEAD: &str = "\
// Written by `hedgerow types`; write it anew when the entities change.

/** Any JSON value. */
export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

/** A whole number of 64 bits: a number up to 2^53 - 1, a string beyond it. `min` and `max` of a field make it a number. */
export type Int64 = number | string;

/** What is where, in the words of `@supabase/postgrest-js`: `new PostgrestClient<Database>(url)`. */
";

const TAIL: &str = "
/** The entities by their names: `new Hedgerow<Schema>(options)`. */
export type Schema = Database[\"public\"][\"Tables\"];

/** A row as it is read. */
export type Row<E extends keyof Schema> = Schema[E][\"Row\"];

/** The body that makes a row. */
export type Insert<E extends keyof Schema> = Schema[E][\"Insert\"];

/** The body that changes a row. */
export type Update<E extends keyof Schema> = Schema[E][\"Update\"];

/** The metadata of a row. */
export type Metas<E extends keyof Schema> = Schema[E] extends { Metas: infer M } ? M : never;
";

fn write_entity(out: &mut String, schema: &Schema, entity: &Entity) {
    comment(out, 6, &entity.label.plural);
    let _ = writeln!(out, "      {}: {{\n        Row: {{", entity.name);
    for column in entity.readable() {
        if let Column::Field(field) = column {
            describe(out, field);
        }
        let _ = writeln!(out, "          {}: {};", column.name(), column_type(column));
    }
    if entity.metadata.is_some() {
        comment(out, 10, "Metadata, with `metas=all` or `metas=key,key`.");
        let own = format!("Database[\"public\"][\"Tables\"][\"{}\"][\"Metas\"]", entity.name);
        let _ = writeln!(out, "          {METAS}?: {own};");
    }
    out.push_str(
        "        };\n        Insert: {\n          /** Only to upsert by it. */\n          id?: string;\n",
    );
    for field in shape::writable(entity) {
        let needed = field.required && field.default.is_none();
        let _ =
            writeln!(out, "          {}{}: {};", field.name, if needed { "" } else { "?" }, written(field));
    }
    for (child, by) in shape::children(schema, entity) {
        comment(out, 10, "New rows that point at this one.");
        let own = format!("Database[\"public\"][\"Tables\"][\"{}\"][\"Insert\"]", child.name);
        let _ = writeln!(out, "          {}?: Omit<{own}, \"{}\">[];", child.name, by.name);
    }
    write_metas_of_body(out, entity);
    out.push_str("        };\n        Update: {\n");
    for field in shape::writable(entity).filter(|field| !field.immutable) {
        let _ = writeln!(out, "          {}?: {};", field.name, written(field));
    }
    write_metas_of_body(out, entity);
    out.push_str("        };\n");
    write_metas(out, entity);
    out.push_str("        Relationships: [\n");
    for (field, relation) in entity.relations() {
        let key = ddl::foreign_key_name(entity, field);
        write_relationship(out, key.as_str(), field.name.as_str(), relation.entity.as_str());
    }
    out.push_str("        ];\n      };\n");
}

/// The metadata that a body writes along.
fn write_metas_of_body(out: &mut String, entity: &Entity) {
    if entity.metadata.is_some() {
        comment(out, 10, "Metadata; null deletes a key.");
        let own = format!("Database[\"public\"][\"Tables\"][\"{}\"][\"Metas\"]", entity.name);
        let _ = writeln!(out, "          {METAS}?: {{ [K in keyof {own}]: {own}[K] | null }};");
    }
}

/// The keys of its rows' metadata: those that are declared, and others where there may be others.
fn write_metas(out: &mut String, entity: &Entity) {
    let Some(metadata) = &entity.metadata else { return };
    out.push_str("        Metas: {\n");
    for key in &metadata.keys {
        if let Some(text) = &key.field.description {
            comment(out, 10, text);
        }
        let value = match key.data_type() {
            // However long it is.
            DataType::Number => "number".to_owned(),
            _ => value(&key.field, Side::Read),
        };
        let _ = writeln!(out, "          {}?: {value};", key.name());
    }
    if metadata.unknown == UnknownKeys::Allowed {
        out.push_str("          [key: string]: Json | undefined;\n");
    }
    out.push_str("        };\n");
}

fn write_relationship(out: &mut String, key: &str, column: &str, target: &str) {
    let _ = writeln!(
        out,
        "          {{\n            foreignKeyName: \"{key}\";\n            columns: [\"{column}\"];\n            isOneToOne: false;\n            \
         referencedRelation: \"{target}\";\n            referencedColumns: [\"id\"];\n          }},"
    );
}

fn column_type(column: Column<'_>) -> String {
    match column {
        Column::Standard(Standard::DeletedAt) => "string | null".to_owned(),
        Column::Standard(_) => "string".to_owned(),
        Column::Field(field) => or_null(field, value(field, Side::Read)),
    }
}

fn written(field: &Field) -> String {
    or_null(field, value(field, Side::Written))
}

/// Whether a value is read or written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Read,
    Written,
}

fn value(field: &Field, side: Side) -> String {
    match &field.kind {
        FieldKind::Integer { .. } if shape::is_safe_integer(field) => "number".to_owned(),
        FieldKind::Integer { .. } => "Int64".to_owned(),
        // A string keeps the digits that a number of JavaScript would lose on the way.
        FieldKind::Number(_) if side == Side::Written => "number | string".to_owned(),
        FieldKind::Number(_) => "number".to_owned(),
        FieldKind::Boolean => "boolean".to_owned(),
        FieldKind::Json => "Json".to_owned(),
        FieldKind::Select { options } => union(options),
        FieldKind::Multiselect { options } => format!("({})[]", union(options)),
        FieldKind::Tags(_) | FieldKind::RelationMany(_) => "string[]".to_owned(),
        FieldKind::Text(_)
        | FieldKind::Textarea(_)
        | FieldKind::Markdown(_)
        | FieldKind::Email(_)
        | FieldKind::Url(_)
        | FieldKind::Phone
        | FieldKind::Slug(_)
        | FieldKind::Date(_)
        | FieldKind::Datetime(_)
        | FieldKind::Time(_)
        | FieldKind::Relation(_)
        | FieldKind::User(_)
        | FieldKind::Uuid
        | FieldKind::Country
        | FieldKind::Currency
        | FieldKind::Timezone
        | FieldKind::File => "string".to_owned(),
    }
}

fn or_null(field: &Field, value: String) -> String {
    if field.required || field.kind.links().is_some() { value } else { format!("{value} | null") }
}

fn union(options: &[String]) -> String {
    let quoted: Vec<String> = options.iter().map(|option| quoted(option)).collect();
    quoted.join(" | ")
}

/// A text as a string of TypeScript; one of JSON is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn describe(out: &mut String, field: &Field) {
    let schema = shape::read(field);
    if let Some(text) = schema["description"].as_str() {
        comment(out, 10, text);
    }
}

fn comment(out: &mut String, indent: usize, text: &str) {
    let text = text.replace("*/", "* /").replace(['\n', '\r'], " ");
    let _ = writeln!(out, "{:indent$}/** {text} */", "");
}
