//! What a JSON document must look like (JSON Schema, draft 2020-12 unless the schema names another).
//!
//! Always holds: a schema is complete in itself, so checking a document asks neither a file nor the network; patterns
//! run in time linear in the text.

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// A schema that was found to be one.
#[derive(Clone, Debug)]
pub struct JsonSchema {
    source: Value,
    validator: Arc<Validator>,
}

impl JsonSchema {
    /// Reads a schema.
    ///
    /// # Errors
    /// A sentence about the first place that is no JSON Schema.
    ///
    /// ```
    /// use hedgerow_schema::JsonSchema;
    /// let schema = JsonSchema::parse(serde_json::json!({"required": ["name"]})).unwrap();
    /// assert!(schema.check(&serde_json::json!({"name": "x"})).is_ok());
    /// assert_eq!(schema.check(&serde_json::json!({})).unwrap_err(), "\"name\" is a required property");
    /// ```
    pub fn parse(source: Value) -> Result<Self, String> {
        let validator = jsonschema::options()
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
            .build(&source)
            .map_err(|error| match error.kind() {
                ValidationErrorKind::Referencing(_) => {
                    "a `$ref` names no part of the schema itself".to_owned()
                }
                _ => place(error.instance_path().as_str(), &error.to_string()),
            })?;
        Ok(Self { source, validator: Arc::new(validator) })
    }

    /// As the entity file has it.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Checks a document.
    ///
    /// # Errors
    /// A sentence about the first thing that is wrong, with its place as a JSON Pointer (RFC 6901).
    pub fn check(&self, document: &Value) -> Result<(), String> {
        self.validator.validate(document).map_err(|error| {
            // Without the value itself, which may be long.
            place(error.instance_path().as_str(), &error.masked().to_string())
        })
    }
}

fn place(pointer: &str, message: &str) -> String {
    if pointer.is_empty() { message.to_owned() } else { format!("at {pointer}: {message}") }
}

impl PartialEq for JsonSchema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for JsonSchema {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_checked_against_their_schema() {
        let schema = json!({
            "type": "object",
            "properties": {"size": {"type": "integer", "minimum": 1}, "code": {"pattern": "^[a-z]+$"}},
            "additionalProperties": false
        });
        let schema = JsonSchema::parse(schema).unwrap();
        let check = |document: Value, expected: Result<(), &str>| {
            assert_eq!(schema.check(&document), expected.map_err(str::to_owned), "{document}");
        };
        check(json!({"size": 3}), Ok(()));
        check(json!({"size": "3"}), Err("at /size: value is not of type \"integer\""));
        check(json!({"size": 0}), Err("at /size: value is less than the minimum of 1"));
        check(json!({"code": "A"}), Err("at /code: value does not match \"^[a-z]+$\""));
        check(json!([]), Err("value is not of type \"object\""));
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for (schema, why) in [
            (json!({"type": "strnig"}), "at /type: "),
            (json!({"$ref": "https://example.com/other"}), "a `$ref`"),
            (json!({"$ref": "file:///etc/passwd"}), "a `$ref`"),
            (json!({"$ref": "#/$defs/none"}), "a `$ref`"),
            (json!({"pattern": "(?=a)"}), ""),
        ] {
            let said =
                JsonSchema::parse(schema.clone()).err().unwrap_or_else(|| panic!("{schema} was taken"));
            assert!(said.starts_with(why), "{schema}: {said}");
        }
    }
}
