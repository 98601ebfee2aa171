//! What is below `/api/v1` beside entities: the description itself, metadata, API keys, the audit trail and batches.

mod api_keys;
mod audit_logs;
mod batch;

use hedgerow::config::Audience;
use serde_json::{Map, Value, json};

use super::operation::{Callers, Operation, Paths};
use super::{About, metas};

/// Describes all of them.
pub(super) fn describe(
    about: &About,
    paths: &mut Paths,
    tags: &mut Vec<Value>,
    schemas: &mut Map<String, Value>,
    parameters: &mut Map<String, Value>,
) {
    let readers = match about.readers {
        Audience::Public => Callers::Anyone,
        Audience::SignedIn => Callers::SignedIn,
    };
    batch::describe(paths, schemas);
    metas::beside_rows(paths, schemas);
    api_keys::describe(paths, schemas);
    audit_logs::describe(paths, schemas, parameters);
    let path = "/api/v1/openapi.json";
    let document = Operation::new("openapi".to_owned(), "description", "This document".to_owned())
        .called_by(readers, None)
        .answer(
            200,
            "An OpenAPI 3.1 document.",
            &["ETag"],
            &[("application/json", json!({ "type": "object" }))],
        )
        .says_done(304, "The client has this version.", &["ETag"]);
    paths.add("GET", path, path, document.takes(["If-None-Match"]));
    let path = "/api/v1/docs";
    let page = Operation::new("docs".to_owned(), "description", "This document, for people".to_owned())
        .called_by(readers, None)
        .answer(200, "A page.", &[], &[("text/html", json!({ "type": "string" }))])
        .says_done(303, "To the page on which people sign in.", &[]);
    paths.add("GET", path, path, page);
    for (name, description) in [
        ("batch", "Several operations as one."),
        ("metas", "What an application keeps beside rows: for users, and for all."),
        ("api-keys", "Keys for programs."),
        ("audit-logs", "Who asked for what."),
        ("description", "The description of this API."),
    ] {
        tags.push(json!({ "name": name, "description": description }));
    }
}
