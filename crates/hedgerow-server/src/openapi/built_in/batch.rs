//! `POST /api/v1/batch`: several operations, one transaction.

use serde_json::{Map, Value, json};

use crate::openapi::operation::{Callers, Operation, Paths, schema};

pub(super) fn describe(paths: &mut Paths, schemas: &mut Map<String, Value>) {
    let path = "/api/v1/batch";
    let answer = json!({ "type": "array", "items": schema("BatchAnswer") });
    let operation = Operation::new("batch".to_owned(), "batch", "Do several operations, or none".to_owned())
        .called_by(Callers::SignedIn, None)
        .says("One transaction: the first failure undoes all. A key needs the scope of each operation.")
        .takes(["PreferWriting", "Idempotency-Key"])
        .body(schema("Batch"))
        .answer(
            200,
            "The answer to each, in their order.",
            &["Preference-Applied", "Idempotency-Replayed"],
            &[("application/json", answer)],
        )
        .fails(&[403, 404, 406, 408, 409, 412, 413, 415, 422]);
    paths.add("POST", path, path, operation);
    let batch = json!({
        "type": "object",
        "required": ["operations"],
        "additionalProperties": false,
        "examples": [{ "operations": [{ "method": "DELETE", "path": "/tasks/ID" }] }],
        "properties": { "operations": {
            "type": "array", "minItems": 1, "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["method", "path"],
                "additionalProperties": false,
                "properties": {
                    "method": { "type": "string", "enum": ["POST", "PATCH", "PUT", "DELETE"] },
                    "path": { "type": "string", "pattern": "^/", "description": "`/api/v1/tasks?status=eq.todo`, or what stands behind `/api/v1`." },
                    "headers": {
                        "type": "object",
                        "additionalProperties": { "type": "string" },
                        "description": "`prefer`, `accept` and `if-match`.",
                    },
                    "body": { "description": "As the operation takes it; `{\"$ref\": \"0.id\"}` in a relation is the row that the operation before made." },
                },
            },
        } },
    });
    schemas.insert("Batch".to_owned(), batch);
    let answer = json!({
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": { "type": "integer" },
            "headers": { "type": "object", "additionalProperties": { "type": "string" } },
            "body": { "description": "As the operation answers it." },
        },
    });
    schemas.insert("BatchAnswer".to_owned(), answer);
}
