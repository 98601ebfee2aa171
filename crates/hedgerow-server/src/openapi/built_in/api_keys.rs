//! `/api/v1/api-keys`: a user's own keys.

use hedgerow::schema::Action;
use serde_json::{Map, Value, json};

use crate::openapi::operation::{Callers, Operation, Paths, array_of, schema};

const KEYS: &str = "/api/v1/api-keys";
const KEY: &str = "/api/v1/api-keys/{id}";
const REVOKE: &str = "/api/v1/api-keys/{id}/revoke";
const ROTATE: &str = "/api/v1/api-keys/{id}/rotate";
const READING: &[u16] = &[403, 404, 406];
const WRITING: &[u16] = &[403, 404, 406, 408, 409, 413, 415, 422];

pub(super) fn describe(paths: &mut Paths, schemas: &mut Map<String, Value>) {
    let operation = |verb: &str, summary: &str, callers, scope: Option<Action>| {
        Operation::new(format!("apiKeys_{verb}"), "api-keys", summary.to_owned())
            .called_by(callers, scope.map(|action| ("keys", action)))
    };
    let json_of = |schema| [("application/json", schema)];
    let list = operation("list", "List one's own keys", Callers::SignedIn, Some(Action::Read))
        .takes(["limit", "offset"])
        .answer(
            200,
            "The keys, without their secrets.",
            &["Content-Range", "Link"],
            &json_of(array_of("ApiKey")),
        )
        .fails(READING);
    paths.add("GET", KEYS, KEYS, list);
    let create = operation("create", "Make a key", Callers::Sessions, None)
        .says("A key cannot make keys.")
        .body(schema("ApiKeyInsert"))
        .answer(201, "The key; its secret is shown this once.", &["Location"], &json_of(schema("NewApiKey")))
        .fails(WRITING);
    paths.add("POST", KEYS, KEYS, create);
    let get = operation("get", "Get one key", Callers::SignedIn, Some(Action::Read))
        .takes(["id"])
        .answer(200, "The key, without its secret.", &[], &json_of(schema("ApiKey")))
        .fails(READING);
    paths.add("GET", KEY, KEY, get);
    let update = operation("update", "Rename a key", Callers::SignedIn, Some(Action::Write))
        .takes(["id"])
        .body(schema("ApiKeyUpdate"))
        .answer(200, "The key.", &[], &json_of(schema("ApiKey")))
        .fails(WRITING);
    paths.add("PATCH", KEY, KEY, update);
    let delete =
        operation("delete", "Stop a key at once, and forget it", Callers::SignedIn, Some(Action::Delete))
            .takes(["id"])
            .says_done(204, "It opens nothing any more.", &[])
            .fails(READING);
    paths.add("DELETE", KEY, KEY, delete);
    let revoke = operation("revoke", "Stop a key at once", Callers::SignedIn, Some(Action::Delete))
        .says("It stays in the list.")
        .takes(["id"])
        .answer(200, "The key, which opens nothing any more.", &[], &json_of(schema("ApiKey")))
        .fails(READING)
        .fails(&[413, 415]);
    paths.add("POST", REVOKE, REVOKE, revoke);
    let rotate = operation("rotate", "Replace a key", Callers::Sessions, None)
        .says("The old key works on for `overlap` seconds.")
        .takes(["id"])
        .body_or_none(schema("ApiKeyRotation"))
        .answer(
            201,
            "The new key; its secret is shown this once.",
            &["Location"],
            &json_of(schema("NewApiKey")),
        )
        .fails(WRITING);
    paths.add("POST", ROTATE, ROTATE, rotate);
    schemas.extend(shapes());
}

fn shapes() -> [(String, Value); 5] {
    let moment = |description: &str| json!({ "type": ["string", "null"], "format": "date-time", "description": description });
    let scopes = json!({
        "type": "array",
        "items": { "type": "string" },
        "minItems": 1,
        "description": "Such as `tasks:read`, `tasks:*` or `*`.",
    });
    let addresses = json!({
        "type": ["array", "null"],
        "items": { "type": "string" },
        "description": "The addresses and networks that it opens from; null is everywhere.",
    });
    let key = json!({
        "id": { "type": "string" },
        "userId": { "type": "string" },
        "name": { "type": "string" },
        "prefix": { "type": "string", "description": "The first characters of the key." },
        "scopes": scopes,
        "allowedIps": addresses,
        "createdAt": { "type": "string", "format": "date-time" },
        "expiresAt": moment("When it ends by itself."),
        "lastUsed": moment("Some seconds late."),
        "requestCount": { "type": "integer", "format": "int64" },
        "revoked": { "type": "boolean" },
        "replacedBy": { "type": ["string", "null"], "description": "The key that it was rotated to." },
    });
    let mut with_secret = key.clone();
    with_secret["key"] = json!({ "type": "string", "description": "The whole key, `hrk_…`." });
    let written = json!({
        "name": { "type": "string", "minLength": 1 },
        "scopes": scopes,
        "expiresAt": moment("When it ends by itself."),
        "allowedIps": addresses,
    });
    let all = |properties: &Value| -> Vec<String> {
        properties.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect()
    };
    let whole = |properties: Value| json!({ "type": "object", "required": all(&properties), "properties": properties });
    let body = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false });
    let (mut insert, name) =
        (body(&["name", "scopes"], written), json!({ "type": "string", "minLength": 1 }));
    insert["examples"] = json!([{ "name": "build", "scopes": ["*"] }]);
    let mut update = body(&["name"], json!({ "name": name }));
    update["examples"] = json!([{ "name": "deploy" }]);
    [
        ("ApiKey".to_owned(), whole(key)),
        ("NewApiKey".to_owned(), whole(with_secret)),
        ("ApiKeyInsert".to_owned(), insert),
        ("ApiKeyUpdate".to_owned(), update),
        (
            "ApiKeyRotation".to_owned(),
            body(
                &[],
                json!({ "overlap": { "type": ["integer", "null"], "minimum": 0, "description": "Seconds; a day when not given." } }),
            ),
        ),
    ]
}
