//! `/api/v1/audit-logs`: who asked for what.

use hedgerow::schema::Action;
use serde_json::{Map, Value, json};

use crate::openapi::operation::{Callers, Operation, Paths, array_of};

pub(super) fn describe(paths: &mut Paths, schemas: &mut Map<String, Value>) {
    let path = "/api/v1/audit-logs";
    let lines = json!({ "type": "string" });
    let kinds = [
        ("application/json", array_of("AuditLog")),
        ("text/csv", lines.clone()),
        ("application/x-ndjson", lines),
    ];
    let headers = ["Content-Range", "Link"];
    let list = Operation::new("auditLogs_list".to_owned(), "audit-logs", "List requests".to_owned())
        .called_by(Callers::SignedIn, Some(("audit", Action::Read)))
        .says("One's own; administrators see all.")
        .takes(["limit", "cursor"])
        .answer(200, "The requests, newest first.", &headers, &kinds)
        .fails(&[403, 406]);
    paths.add("GET", path, path, list);
    let text = json!({ "type": ["string", "null"] });
    let log = json!({
        "type": "object",
        "required": ["id", "endpoint", "method", "createdAt"],
        "properties": {
            "id": { "type": "string" },
            "userId": text,
            "apiKeyId": text,
            "endpoint": { "type": "string", "description": "The template of the path, such as /api/v1/{entity}/{id}." },
            "method": { "type": "string" },
            "statusCode": { "type": ["integer", "null"] },
            "ipAddress": text,
            "userAgent": text,
            "responseTime": { "type": ["integer", "null"], "description": "Milliseconds." },
            "createdAt": { "type": "string", "format": "date-time" },
        },
    });
    schemas.insert("AuditLog".to_owned(), log);
}
