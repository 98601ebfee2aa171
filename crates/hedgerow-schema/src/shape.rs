//! What rows look like in JSON, as JSON Schema (draft 2020-12): a row that is read, and the bodies that make, change and
//! replace one.
//!
//! Always holds: a hidden field is in none of them, a read-only one only in the row, an immutable one in no body but the one
//! that makes the row; the order of the members is the order in which rows show them.

mod example;
mod field;
mod metas;

use serde_json::{Map, Value, json};

use crate::write::METAS;
use crate::{Column, Entity, Field, Schema, Standard, codes};

pub use example::value as example_value;
pub use field::{is_safe_integer, read, written};
pub use metas::{metas, metas_written};

/// A row as it is read, all columns selected.
///
/// ```
/// use hedgerow_schema::{EntityFile, Schema, shape};
/// let text = "name = \"tasks\"\n[fields.title]\ntype = \"text\"\nrequired = true\n[fields.pin]\ntype = \"text\"\nhidden = true";
/// let schema = Schema::parse(&[EntityFile { name: "tasks.toml".into(), text: text.into() }]).unwrap();
/// let row = shape::row(schema.entity("tasks").unwrap());
/// assert_eq!(row["properties"]["title"], serde_json::json!({ "type": "string" }));
/// assert!(row["properties"].get("pin").is_none());
/// ```
pub fn row(entity: &Entity) -> Value {
    let mut members: Vec<(&str, Value)> =
        entity.readable().map(|column| (column.name(), column_schema(column))).collect();
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    members.extend(entity.metadata.as_ref().map(|metadata| (METAS, metas(metadata))));
    let mut schema = object(&required, &members);
    schema.insert("examples".to_owned(), json!([example_row(entity)]));
    Value::Object(schema)
}

/// The body that makes a row, with new rows of other entities within it that point at it.
pub fn insert(schema: &Schema, entity: &Entity) -> Value {
    let mut shape = body(&needed(writable(entity)), &writable(entity).collect::<Vec<_>>());
    with_metas(&mut shape, entity);
    for (child, by) in children(schema, entity) {
        let fields: Vec<&Field> = writable(child).filter(|field| field.name != by.name).collect();
        let mut row = body(&needed(fields.iter().copied()), &fields);
        if let Some(members) = row.as_object_mut() {
            members.remove("examples");
        }
        with_metas(&mut row, child);
        let description = format!("New rows of {} whose `{}` is this row.", child.name, by.name);
        shape["properties"][child.name.as_str()] =
            json!({ "type": "array", "items": row, "description": description });
    }
    shape
}

/// The entities whose rows may stand within a new row: those with one relation to it, by that relation.
pub(crate) fn children<'e>(
    schema: &'e Schema,
    entity: &'e Entity,
) -> impl Iterator<Item = (&'e Entity, &'e Field)> {
    schema.entities().iter().filter(|child| entity.field(child.name.as_str()).is_none()).filter_map(|child| {
        let mut by = child.relations().filter(|(_, relation)| relation.entity == entity.name);
        let (field, _) = by.next()?;
        (by.next().is_none() && !field.read_only).then_some((child, field))
    })
}

/// Those that a body cannot leave out.
fn needed<'e>(fields: impl Iterator<Item = &'e Field>) -> Vec<&'e str> {
    fields
        .filter(|field| field.required && field.default.is_none())
        .map(|field| field.name.as_str())
        .collect()
}

/// The body that changes a row: fields that are not named stay.
pub fn update(entity: &Entity) -> Value {
    let fields: Vec<&Field> = writable(entity).filter(|field| !field.immutable).collect();
    let mut schema = body(&[], &fields);
    with_metas(&mut schema, entity);
    schema
}

/// Adds the metadata that a body writes along, by the name of its shared schema.
fn with_metas(body: &mut Value, entity: &Entity) {
    if entity.metadata.is_some() {
        let name = format!("#/components/schemas/{}MetasUpdate", entity.name);
        body["properties"][METAS] = json!({ "$ref": name });
    }
}

/// The body that replaces a row: fields that are not named return to their default, immutable ones stay.
pub fn replace(entity: &Entity) -> Value {
    let fields: Vec<&Field> = writable(entity).filter(|field| !field.immutable).collect();
    let mut schema = body(&needed(fields.iter().copied()), &fields);
    with_metas(&mut schema, entity);
    // The one place for an id in a body: it repeats the path's.
    schema["properties"]["id"] = json!({ "type": "string", "description": "May repeat the id of the path." });
    schema
}

/// The values that a field may be written with, and the whole of what a request may name.
pub fn writable(entity: &Entity) -> impl Iterator<Item = &Field> {
    entity.fields.iter().filter(|field| !field.read_only)
}

/// The lists of codes that fields of the types `country` and `currency` refer to, by the name they refer to them with.
pub fn code_lists() -> [(&'static str, Value); 2] {
    [("Country", codes::countries().collect()), ("Currency", codes::currencies().collect())]
}

fn column_schema(column: Column<'_>) -> Value {
    match column {
        Column::Field(field) => read(field),
        Column::Standard(standard) => {
            let (description, format) = match standard {
                Standard::Id => ("The row's id.", None),
                Standard::UserId => ("The owner.", None),
                Standard::CreatedAt => ("When it was made.", Some("date-time")),
                Standard::UpdatedAt => ("When it was last changed.", Some("date-time")),
                Standard::DeletedAt => {
                    ("When it was moved to the trash; null outside it.", Some("date-time"))
                }
            };
            let mut schema = json!({ "type": "string", "description": description });
            if standard == Standard::DeletedAt {
                schema["type"] = json!(["string", "null"]);
            }
            if let Some(format) = format {
                schema["format"] = json!(format);
            }
            schema
        }
    }
}

fn body(required: &[&str], fields: &[&Field]) -> Value {
    let members: Vec<(&str, Value)> =
        fields.iter().map(|field| (field.name.as_str(), written(field))).collect();
    let mut schema = object(required, &members);
    schema.insert("additionalProperties".to_owned(), json!(false));
    let example: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_string(), example::value(field))).collect();
    schema.insert("examples".to_owned(), json!([example]));
    Value::Object(schema)
}

fn object(required: &[&str], members: &[(&str, Value)]) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema
}

fn example_row(entity: &Entity) -> Value {
    let value = |column: Column<'_>| match column {
        Column::Field(field) => example::value(field),
        Column::Standard(Standard::Id) => json!(example::ID),
        Column::Standard(Standard::UserId) => json!(example::USER),
        Column::Standard(Standard::CreatedAt | Standard::UpdatedAt) => json!(example::MOMENT),
        Column::Standard(Standard::DeletedAt) => Value::Null,
    };
    let members: Map<String, Value> =
        entity.readable().map(|column| (column.name().to_owned(), value(column))).collect();
    Value::Object(members)
}
