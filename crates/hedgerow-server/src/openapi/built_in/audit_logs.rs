//! `/api/v1/audit-logs`: who asked for what, with the parameters of any list.

use hedgerow::schema::{Action, Read, shape, trail};
use serde_json::{Map, Value, json};

use crate::openapi::operation::{Callers, Operation, Paths};
use crate::openapi::{parameters, rows};

pub(super) fn describe(paths: &mut Paths, schemas: &mut Map<String, Value>, shared: &mut Map<String, Value>) {
    let path = "/api/v1/audit-logs";
    for entity in trail::schema(Read::Owner).entities() {
        let list = Operation::new("auditLogs_list".to_owned(), "audit-logs", "List requests".to_owned())
            .called_by(Callers::SignedIn, Some(("audit", Action::Read)))
            .says("One's own; administrators see all.");
        paths.add("GET", path, path, rows::listing(list, entity));
        let mut row = shape::row(entity);
        row["properties"]["userId"] = json!({
            "type": ["string", "null"],
            "description": "Who asked; null where nobody was signed in, or who asked was deleted.",
        });
        schemas.insert(entity.name.to_string(), row);
        shared.extend(parameters::of_fields(entity));
    }
}
