//! One field as JSON Schema: what is read of it, and what may be written to it.
//!
//! Always holds: what is written is described as narrowly as JSON Schema can say it, what is read as widely as a column that
//! was there before Hedgerow may need.

use serde_json::{Map, Number, Value, json};

use crate::write::MAX_LINKS;
use crate::{Decimal, Field, FieldDefault, FieldKind, NumberRules, SqlType, StoredType, TagRules, TextRules};

/// The largest whole number that every reader of JSON keeps exactly (RFC 8259, section 6).
const MAX_SAFE: i64 = (1 << 53) - 1;

/// A field of a row that is read.
pub fn read(field: &Field) -> Value {
    let mut schema = match &field.kind {
        FieldKind::Integer { .. } if is_safe_integer(field) => {
            json!({ "type": "integer", "format": "int64" })
        }
        FieldKind::Integer { .. } => json!({ "type": ["integer", "string"], "format": "int64" }),
        FieldKind::Number(_) => json!({ "type": "number" }),
        FieldKind::Boolean => json!({ "type": "boolean" }),
        FieldKind::Date(_) => json!({ "type": "string", "format": "date" }),
        FieldKind::Datetime(_) => json!({ "type": "string", "format": "date-time" }),
        FieldKind::Email(_) => json!({ "type": "string", "format": "email" }),
        FieldKind::Url(_) => json!({ "type": "string", "format": "uri" }),
        FieldKind::Uuid => json!({ "type": "string", "format": "uuid" }),
        FieldKind::Select { options } => json!({ "type": "string", "enum": options }),
        FieldKind::Multiselect { options } => list(json!({ "type": "string", "enum": options })),
        FieldKind::Tags(_) | FieldKind::RelationMany(_) => list(json!({ "type": "string" })),
        FieldKind::Json => document(field),
        FieldKind::Text(_)
        | FieldKind::Textarea(_)
        | FieldKind::Markdown(_)
        | FieldKind::Phone
        | FieldKind::Slug(_)
        | FieldKind::Time(_)
        | FieldKind::Relation(_)
        | FieldKind::User(_)
        | FieldKind::Country
        | FieldKind::Currency
        | FieldKind::Timezone
        | FieldKind::File => json!({ "type": "string" }),
    };
    if !field.required && field.kind.links().is_none() {
        allow_null(&mut schema);
    }
    describe(&mut schema, field);
    schema
}

/// A field of a body.
pub fn written(field: &Field) -> Value {
    let mut schema = match &field.kind {
        FieldKind::Integer { min, max } => integer(field, *min, *max),
        FieldKind::Number(rules) => number(rules),
        FieldKind::Boolean => json!({ "type": "boolean" }),
        FieldKind::Date(_) => json!({ "type": "string", "format": "date" }),
        FieldKind::Datetime(_) => json!({ "type": "string", "format": "date-time" }),
        FieldKind::Time(_) => {
            json!({ "type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$" })
        }
        FieldKind::Text(rules) | FieldKind::Textarea(rules) | FieldKind::Markdown(rules) => {
            text(field, *rules, json!({ "type": "string" }))
        }
        FieldKind::Email(rules) => {
            let max = Some(rules.max_length.map_or(254, |max| max.min(254)));
            text(
                field,
                TextRules { max_length: max, ..*rules },
                json!({ "type": "string", "format": "email" }),
            )
        }
        FieldKind::Url(rules) => {
            text(field, *rules, json!({ "type": "string", "format": "uri", "pattern": "^https?://" }))
        }
        FieldKind::Slug(rules) => {
            text(field, *rules, json!({ "type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$" }))
        }
        FieldKind::Phone => {
            text(field, TextRules::default(), json!({ "type": "string", "pattern": r"^\+[1-9][0-9 ()-]+$" }))
        }
        FieldKind::File => {
            let rules = TextRules { min_length: Some(1), max_length: Some(FieldKind::MAX_FILE_LENGTH) };
            text(field, rules, json!({ "type": "string" }))
        }
        FieldKind::Json => document(field),
        FieldKind::Select { options } => json!({ "type": "string", "enum": options }),
        FieldKind::Multiselect { options } => {
            set(json!({ "type": "string", "enum": options }), options.len())
        }
        FieldKind::Tags(rules) => set(
            json!({ "type": "string", "minLength": 1, "maxLength": rules.max_length }),
            TagRules::MAX_TAGS,
        ),
        FieldKind::RelationMany(_) => set(json!({ "type": "string", "minLength": 1 }), MAX_LINKS),
        FieldKind::Relation(_) => json!({ "type": "string", "minLength": 1 }),
        FieldKind::User(_) => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" }),
        FieldKind::Uuid => json!({ "type": "string", "format": "uuid" }),
        FieldKind::Country => json!({ "$ref": "#/components/schemas/Country" }),
        FieldKind::Currency => json!({ "$ref": "#/components/schemas/Currency" }),
        FieldKind::Timezone => json!({ "type": "string" }),
    };
    if !field.required {
        allow_null(&mut schema);
    }
    if let Some(default) = &field.default {
        schema_default(&mut schema, field, default);
    }
    describe(&mut schema, field);
    schema
}

/// Whether every value of the field is a number in JSON: its limits keep it within 2^53 - 1.
pub fn is_safe_integer(field: &Field) -> bool {
    match (&field.kind, field.sql_type) {
        (_, Some(StoredType::Integer | StoredType::Smallint)) => true,
        (FieldKind::Integer { min: Some(min), max: Some(max) }, _) => *min >= -MAX_SAFE && *max <= MAX_SAFE,
        _ => false,
    }
}

fn integer(field: &Field, min: Option<i64>, max: Option<i64>) -> Value {
    let (least, most) = match field.sql_type {
        Some(StoredType::Smallint) => (i16::MIN.into(), i16::MAX.into()),
        Some(StoredType::Integer) => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    json!({
        "type": ["integer", "string"],
        "format": "int64",
        "minimum": min.map_or(least, |min| min.max(least)),
        "maximum": max.map_or(most, |max| max.min(most)),
        "pattern": r"^-?\d{1,19}$",
    })
}

fn number(rules: &NumberRules) -> Value {
    let mut schema = json!({ "type": ["number", "string"] });
    let bound = |decimal: &Option<Decimal>| decimal.as_ref().and_then(|d| d.as_str().parse::<Number>().ok());
    if let Some(min) = bound(&rules.min) {
        schema["minimum"] = Value::Number(min);
    }
    if let Some(max) = bound(&rules.max) {
        schema["maximum"] = Value::Number(max);
    }
    let Some(precision) = rules.precision else {
        schema["pattern"] = json!(r"^-?\d+(\.\d+)?([eE][+-]?\d{1,3})?$");
        return schema;
    };
    let scale = rules.scale.unwrap_or(0);
    let whole = precision - scale;
    let fraction = if scale == 0 { String::new() } else { format!(r"(\.\d{{1,{scale}}})?") };
    let digits = if whole == 0 { "0".to_owned() } else { format!(r"\d{{1,{whole}}}") };
    schema["pattern"] = json!(format!("^-?{digits}{fraction}$"));
    schema["description"] =
        json!(format!("At most {whole} digits before the point and {scale} after it; nothing is rounded."));
    schema
}

fn text(field: &Field, rules: TextRules, mut schema: Value) -> Value {
    let stored = match field.sql_type {
        Some(StoredType::Varchar(max)) => Some(max),
        _ => None,
    };
    if let Some(min) = rules.min_length {
        schema["minLength"] = json!(min);
    }
    if let Some(max) = [rules.max_length, stored].into_iter().flatten().min() {
        schema["maxLength"] = json!(max);
    }
    if let Some(pattern) = &field.pattern {
        let own = format!("^(?:{})$", pattern.as_str());
        // Two patterns are two schemas that hold together.
        match schema.get("pattern").cloned() {
            Some(_) => schema["allOf"] = json!([{ "pattern": own }]),
            None => schema["pattern"] = json!(own),
        }
    }
    schema
}

/// What the entity file says of a document, unless it refers to itself: references count from the root of whatever holds them.
fn document(field: &Field) -> Value {
    fn refers(value: &Value) -> bool {
        match value {
            Value::Object(members) => {
                members.iter().any(|(name, value)| name.starts_with('$') || refers(value))
            }
            Value::Array(items) => items.iter().any(refers),
            _ => false,
        }
    }
    match field.schema.as_ref().map(crate::JsonSchema::source) {
        Some(Value::Object(members)) if !refers(&Value::Object(members.clone())) => {
            Value::Object(members.clone())
        }
        _ => json!({ "description": "Any JSON value." }),
    }
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn set(items: Value, most: usize) -> Value {
    json!({ "type": "array", "items": items, "maxItems": most, "uniqueItems": true })
}

fn allow_null(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    if let Some(Value::Array(options)) = members.get_mut("enum") {
        options.push(Value::Null);
    }
    match members.get("type").cloned() {
        Some(Value::Array(mut types)) => {
            types.push(json!("null"));
            members.insert("type".to_owned(), Value::Array(types));
        }
        Some(one) => {
            members.insert("type".to_owned(), json!([one, "null"]));
        }
        None if is_open(members) => {}
        None => {
            let own = Value::Object(std::mem::take(members));
            members.insert("anyOf".to_owned(), json!([own, { "type": "null" }]));
        }
    }
}

/// Whether a schema without a type takes everything, null too.
fn is_open(members: &Map<String, Value>) -> bool {
    members.keys().all(|name| name == "description")
}

fn schema_default(schema: &mut Value, field: &Field, default: &FieldDefault) {
    let FieldDefault::Value(bind) = default else { return };
    let Some(text) = &bind.value else { return };
    let value = match field.kind.sql_type() {
        SqlType::Bool => json!(text == "true" || text == "t"),
        SqlType::Int8 | SqlType::Numeric => match text.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => json!(text),
        },
        SqlType::Jsonb => serde_json::from_str(text).unwrap_or(Value::Null),
        // A list travels in PostgreSQL's own notation, which says nothing to a reader of JSON.
        SqlType::TextArray => return,
        _ => json!(text),
    };
    schema["default"] = value;
}

/// What people read: the file's own words, and what the type alone does not say.
fn describe(schema: &mut Value, field: &Field) {
    let own = field.description.clone();
    let kind = match &field.kind {
        FieldKind::Relation(relation) => Some(format!("The id of a row of {}.", relation.entity)),
        FieldKind::RelationMany(relation) => Some(format!("The ids of rows of {}.", relation.entity)),
        FieldKind::User(_) => Some("The id of a user.".to_owned()),
        FieldKind::Markdown(_) => Some("Markdown; clean what you show of it as HTML.".to_owned()),
        FieldKind::Phone => Some("International form, such as +49 30 123456.".to_owned()),
        FieldKind::Timezone => Some("A time zone of the IANA database, such as Europe/Berlin.".to_owned()),
        FieldKind::Time(_) => Some("A time of day, such as 09:30:00.".to_owned()),
        FieldKind::Integer { .. } if !is_safe_integer(field) => {
            Some("A number; beyond 2^53 - 1 a string, which loses no digit.".to_owned())
        }
        _ => None,
    };
    let known = schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let parts: Vec<String> = [own, kind, known].into_iter().flatten().collect();
    if !parts.is_empty() {
        schema["description"] = json!(parts.join(" "));
    }
}
