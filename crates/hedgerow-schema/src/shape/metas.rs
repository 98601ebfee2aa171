//! The metadata of a row as JSON Schema: the object that is read, and the one that a body writes.
//!
//! Always holds: a declared key has the form that the entity file gives it; others are there where the file lets there be others.

use serde_json::{Value, json};

use super::{object, read, written};
use crate::Field;
use crate::meta::{DataType, MetaKey, Metadata, UnknownKeys};

/// Key to value, as it is read.
pub fn metas(metadata: &Metadata) -> Value {
    let of_key = |key: &MetaKey| {
        if key.data_type() != DataType::Number {
            // A key that is there has a value.
            return described(read(&Field { required: true, ..key.field.clone() }), key);
        }
        // However long it is.
        described(json!({ "type": "number" }), key)
    };
    whole(
        metadata,
        of_key,
        "Metadata, key to value; in rows where the request says `metas=all` or `metas=key,key`.",
    )
}

/// Key to value, as a body writes it; null deletes a key.
pub fn metas_written(metadata: &Metadata) -> Value {
    let of_key = |key: &MetaKey| described(written(&key.field), key);
    whole(metadata, of_key, "Metadata, key to value; null deletes a key, and what is not named stays.")
}

fn whole(metadata: &Metadata, of_key: impl Fn(&MetaKey) -> Value, description: &str) -> Value {
    let members: Vec<(&str, Value)> = metadata.keys.iter().map(|key| (key.name(), of_key(key))).collect();
    let mut schema = object(&[], &members);
    schema.insert("additionalProperties".to_owned(), json!(metadata.unknown == UnknownKeys::Allowed));
    schema.insert("description".to_owned(), json!(description));
    Value::Object(schema)
}

/// With what the file says of the key, and the share of users that a flag is turned round for.
fn described(mut schema: Value, key: &MetaKey) -> Value {
    let mut words: Vec<String> = key.field.description.iter().cloned().collect();
    if let Some(percent) = key.rollout {
        words.push(format!("For {percent} of 100 users the opposite of its default."));
    }
    if !words.is_empty() {
        schema["description"] = json!(words.join(" "));
    }
    schema
}
