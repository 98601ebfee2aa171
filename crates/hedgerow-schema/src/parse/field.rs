//! One field of an entity file.

use super::{default, kind};
use crate::check;
use crate::reader::{Entry, Reader, Table};
use crate::{Field, FieldKind, Identifier, JsonSchema, Pattern, StoredType, TextRules};

/// Reads one table below `[fields]`.
pub(super) fn read(reader: &mut Reader<'_>, entry: Entry<'_>) -> Option<Field> {
    let name = match Identifier::parse(entry.key()) {
        Ok(name) => Some(name),
        Err(error) => {
            reader.note(entry.key_span(), format!("{:?} cannot name a field: {error}", entry.key()), None);
            None
        }
    };
    let Some(mut table) = entry.table() else {
        let hint = Some(format!("[fields.{}]\ntype = \"text\"", entry.key()));
        reader.note(entry.span(), format!("the field `{}` is a table", entry.key()), hint);
        return None;
    };
    let kind = kind::read(reader, &mut table);
    let required = reader.flag(&mut table, "required");
    let unique = reader.flag(&mut table, "unique");
    let indexed = reader.flag(&mut table, "indexed");
    let read_only = reader.flag(&mut table, "read_only");
    let immutable = reader.flag(&mut table, "immutable");
    let hidden = reader.flag(&mut table, "hidden");
    let description = reader.string(&mut table, "description").map(|(text, _)| text.to_owned());
    let renamed_from = read_renamed_from(reader, &mut table);
    let default_entry = table.get("default");
    // Without a type nobody knows which options are right.
    let kind = kind?;
    let is_free_text = kind.is_free_text();
    let searchable = is_free_text && reader.flag(&mut table, "searchable");
    let pattern = if is_free_text { read_pattern(reader, &mut table) } else { None };
    let schema = if kind == FieldKind::Json { read_schema(reader, &mut table) } else { None };
    let sql_type = read_sql_type(reader, &mut table, &kind);
    reader.finish(&table, &format!("a field of type {}", kind.name()), &[]);
    let mut field = Field {
        name: name?,
        kind,
        required,
        unique,
        indexed,
        searchable,
        pattern,
        schema,
        sql_type,
        renamed_from,
        default: None,
        read_only,
        immutable,
        hidden,
        description,
    };
    let default = default_entry.and_then(|entry| default::read(reader, &field, entry));
    field.default = default;
    if let Some(why) = (unique || indexed).then(|| check::not_indexable(&field)).flatten() {
        reader.note(table.span(), why.0, why.1);
    }
    if required && field.kind.links().is_some() {
        let message =
            "a relation_many field cannot be `required`: it always has a list, which may be empty".to_owned();
        reader.note(table.span(), message, Some("remove it".into()));
    }
    if hidden && searchable {
        let message =
            "a hidden field cannot be searchable: its words could be guessed by searching".to_owned();
        reader.note(table.span(), message, Some("remove `hidden` or `searchable`".into()));
    }
    if required && read_only && field.default.is_none() {
        let message = "a required field that cannot be written needs a default".to_owned();
        reader.note(table.span(), message, Some("add `default`, or remove `required` or `read_only`".into()));
    }
    Some(field)
}

fn read_renamed_from(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Identifier> {
    let (text, span) = reader.string(table, "renamed_from")?;
    let old = Identifier::parse(text);
    old.map_err(|error| reader.note(span, format!("{text:?} was no field's name: {error}"), None)).ok()
}

pub(super) fn read_pattern(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Pattern> {
    let (text, span) = reader.string(table, "pattern")?;
    let hint = || {
        Some("a pattern is for Rust's regex crate and for PostgreSQL, and matches the whole value".to_owned())
    };
    Pattern::parse(text).map_err(|why| reader.note(span, why, hint())).ok()
}

pub(super) fn read_schema(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<JsonSchema> {
    reader.table(table, "schema")?;
    let entry = table.get("schema")?;
    let schema =
        default::to_json(entry.value()).ok_or_else(|| "it has a number that JSON has not".to_owned());
    let schema = schema.and_then(JsonSchema::parse);
    schema.map_err(|why| reader.note(entry.span(), format!("this is no JSON Schema: {why}"), None)).ok()
}

fn read_sql_type(reader: &mut Reader<'_>, table: &mut Table<'_>, kind: &FieldKind) -> Option<StoredType> {
    if StoredType::allowed(kind).is_empty() {
        return None;
    }
    let (text, span) = reader.string(table, "sql_type")?;
    let stored = StoredType::parse(kind, text)
        .map_err(|words| {
            let message = format!("a field of type {} cannot be stored as {text:?}", kind.name());
            reader.note(span.clone(), message, Some(format!("allowed: {}", words.join(", "))));
        })
        .ok()?;
    if let (StoredType::Varchar(room), Some(TextRules { max_length: Some(max), .. })) =
        (stored, kind.text_rules())
        && max > room
    {
        reader.note(span, format!("max_length {max} is more than {text} holds"), None);
    }
    Some(stored)
}
