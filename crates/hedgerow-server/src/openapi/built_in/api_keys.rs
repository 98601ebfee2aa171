//! `/api/v1/api-keys`: a user's own keys.

use hedgerow::schema::Action;
use serde_json::{Map, Value, json};

use crate::openapi::operation::{Callers, Operation, Paths, array_of, schema};

const KEYS: &str = "/api/v1/api-keys";
const KEY: &str = "/api/v1/api-keys/{id}";
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
    let revoke = operation("revoke", "Stop a key at once", Callers::SignedIn, Some(Action::Delete))
        .takes(["id"])
        .says_done(204, "It opens nothing any more.", &[])
        .fails(READING);
    paths.add("DELETE", KEY, KEY, revoke);
    let rotate = operation("rotate", "Replace a key", Callers::Sessions, None)
        .says("The old key works on for `overlap`.")
        .takes(["id"])
        .body(schema("ApiKeyRotation"))
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
    let moment = json!({ "type": ["string", "null"], "format": "date-time" });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let key = json!({
        "id": { "type": "string" },
        "name": { "type": "string" },
        "prefix": { "type": "string", "description": "The first characters of the key." },
        "scopes": texts,
        "allowedIps": { "type": ["array", "null"], "items": { "type": "string" }, "description": "Addresses and networks that it opens from; all where there are none." },
        "createdAt": { "type": "string", "format": "date-time" },
        "expiresAt": moment,
        "lastUsed": moment,
        "revoked": { "type": "boolean" },
    });
    let mut with_secret = key.clone();
    with_secret["key"] = json!({ "type": "string", "description": "The whole key, `hrk_…`." });
    let required = ["id", "name", "prefix", "scopes", "createdAt", "expiresAt", "revoked"];
    let written = json!({
        "name": { "type": "string", "minLength": 1 },
        "scopes": { "type": "array", "items": { "type": "string" }, "minItems": 1, "description": "Such as `tasks:read`, `tasks:*` or `*`." },
        "expiresAt": moment,
        "allowedIps": { "type": "array", "items": { "type": "string" } },
    });
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties });
    [
        ("ApiKey".to_owned(), object(&required, key)),
        ("NewApiKey".to_owned(), object(&[&required[..], &["key"]].concat(), with_secret)),
        ("ApiKeyInsert".to_owned(), object(&["name", "scopes"], written)),
        (
            "ApiKeyUpdate".to_owned(),
            json!({ "type": "object", "properties": { "name": { "type": "string", "minLength": 1 } } }),
        ),
        (
            "ApiKeyRotation".to_owned(),
            json!({ "type": "object", "properties": { "overlap": { "type": "string", "description": "Such as `24h`; `0s` stops the old key at once." } } }),
        ),
    ]
}
