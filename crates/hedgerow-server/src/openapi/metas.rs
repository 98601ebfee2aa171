//! The operations on metadata: those of rows, of users, and of what all share, which differ in whose it is.
//!
//! Always holds: an entity without metadata has none of them; the keys that its file declares are described as it declares them.

use hedgerow::schema::{Action, Entity, Read, shape};
use serde_json::{Map, Value, json};

use super::operation::{Callers, Operation, Paths, schema};

const READING: &[u16] = &[403, 404, 406];
const WRITING: &[u16] = &[403, 404, 406, 408, 409, 413, 415, 422];

/// Whose metadata.
struct Whose<'a> {
    /// The start of the operations' ids, and their tag.
    tag: &'a str,
    id: String,
    /// In a sentence.
    name: String,
    template: &'a str,
    path: String,
    /// What the path needs beside the key.
    path_parameters: &'a [&'a str],
    scope: &'a str,
    readers: Callers,
    /// The shared schemas of the object that is read, and of the one that changes it.
    read: Value,
    changed: Value,
    entity: Option<&'a Entity>,
}

/// Describes the metadata of an entity's rows, where they have some.
pub(super) fn of_rows(entity: &Entity, paths: &mut Paths) {
    if entity.metadata.is_none() {
        return;
    }
    let name = entity.name.as_str();
    describe(
        paths,
        &Whose {
            tag: name,
            id: format!("{name}_metas"),
            name: format!("one {}", entity.label.singular.to_lowercase()),
            template: "/api/v1/{entity}/{id}/metas",
            path: format!("/api/v1/{name}/{{id}}/metas"),
            path_parameters: &["id"],
            scope: name,
            readers: if entity.access.read == Read::Public { Callers::Anyone } else { Callers::SignedIn },
            read: schema(&format!("{name}Metas")),
            changed: schema(&format!("{name}MetasUpdate")),
            entity: Some(entity),
        },
    );
}

/// The objects of an entity's metadata: read, changed.
pub(super) fn schemas_of(entity: &Entity) -> impl Iterator<Item = (String, Value)> {
    entity.metadata.iter().flat_map(|metadata| {
        [
            (format!("{}Metas", entity.name), shape::metas(metadata)),
            (format!("{}MetasUpdate", entity.name), shape::metas_written(metadata)),
        ]
    })
}

/// Describes the metadata of users and of all.
pub(super) fn beside_rows(paths: &mut Paths, schemas: &mut Map<String, Value>) {
    let plain = |id: &str, name: &str, template, path_parameters| Whose {
        tag: "metas",
        id: id.to_owned(),
        name: name.to_owned(),
        template,
        path: String::from(template),
        path_parameters,
        scope: "metas",
        readers: Callers::SignedIn,
        read: schema("Metas"),
        changed: schema("MetasUpdate"),
        entity: None,
    };
    describe(paths, &plain("myMetas", "the caller", "/api/v1/users/me/metas", &[]));
    describe(paths, &plain("userMetas", "a user", "/api/v1/users/{id}/metas", &["UserId"]));
    describe(paths, &plain("globalMetas", "all", "/api/v1/metas", &[]));
    schemas.extend(shapes());
}

fn describe(paths: &mut Paths, whose: &Whose<'_>) {
    let Whose { name, template, path, .. } = whose;
    let (key_template, key_path) = (format!("{template}/{{key}}"), format!("{path}/{{key}}"));
    let operation = |verb: &str, summary: String, callers, action| {
        let limits = match (whose.path.as_str(), action) {
            ("/api/v1/users/{id}/metas", Action::Read) => "Of another user what is public.",
            ("/api/v1/users/{id}/metas", _) => "One's own alone; every other id is 404.",
            ("/api/v1/metas", Action::Write | Action::Delete) => "Administrators do.",
            _ => "",
        };
        let operation = Operation::new(format!("{}_{verb}", whose.id), whose.tag, summary)
            .called_by(callers, Some((whose.scope, action)))
            .takes(whose.path_parameters.iter().copied());
        if limits.is_empty() { operation } else { operation.says(limits) }
    };
    // A key that is deleted is a change of its row.
    let deletes = if whose.entity.is_some() { Action::Write } else { Action::Delete };
    let json_of = |schema| [("application/json", schema)];

    let list = operation("list", format!("Get the metadata of {name}"), whose.readers, Action::Read)
        .takes(["keys"])
        .fails(READING);
    let merged = match (whose.entity, whose.template) {
        (Some(_), _) => Some(
            "With `merged=true` what whoever asks meets there: their own before the row's, the row's before what all share, and then \
             what is declared; a key then needs `metas:read`, too.",
        ),
        (None, "/api/v1/users/me/metas") => Some(
            "With `merged=true` what the caller meets anywhere: their own before what all share, and then what is declared for users \
             and for all, feature flags among it.",
        ),
        _ => None,
    };
    let list = match merged {
        Some(says) => {
            let both = json!({ "anyOf": [whose.read.clone(), schema("MergedMetas")] });
            list.says(says).takes(["merged", "merge"]).answer(
                200,
                "Key to value; merged, key to value and level.",
                &[],
                &json_of(both),
            )
        }
        None => list.answer(200, "Key to value.", &[], &json_of(whose.read.clone())),
    };
    paths.add("GET", template, path, list);

    let change = operation(
        "change",
        format!("Change several keys of the metadata of {name}"),
        Callers::SignedIn,
        Action::Write,
    )
    .says("All or none; null deletes a key, and what is not named stays.")
    .takes(["PreferWriting", "Idempotency-Key"])
    .body(whose.changed.clone())
    .answer(
        200,
        "All keys, as they are now.",
        &["Preference-Applied", "Idempotency-Replayed"],
        &json_of(whose.read.clone()),
    )
    .says_done(204, "Done, with `Prefer: return=minimal`.", &["Preference-Applied"])
    .fails(WRITING);
    paths.add("PATCH", template, path, change);

    let get = operation("get", format!("Get one key of the metadata of {name}"), whose.readers, Action::Read)
        .takes(["key", "If-None-Match"])
        .answer(200, "The value with its type and its flags.", &["ETag"], &json_of(schema("Meta")))
        .says_done(304, "The client has this version.", &["ETag"])
        .fails(READING);
    paths.add("GET", &key_template, &key_path, get);

    let headers = &["ETag", "Preference-Applied", "Idempotency-Replayed"];
    let created = &["Location", "ETag", "Preference-Applied", "Idempotency-Replayed"];
    let put =
        operation("put", format!("Set one key of the metadata of {name}"), Callers::SignedIn, Action::Write)
            .says("Flags and type that are not named stay as they were.")
            .takes(["key", "PreferWriting", "If-Match", "IfNoneMatchAny", "Idempotency-Key"])
            .body(schema("MetaInsert"))
            .answer(200, "The value, with its type and its flags.", headers, &json_of(schema("Meta")))
            .answer(201, "The same of a key that is new.", created, &json_of(schema("Meta")))
            .says_done(204, "Done, with `Prefer: return=minimal`.", &["ETag", "Preference-Applied"])
            .fails(&[412])
            .fails(WRITING);
    paths.add("PUT", &key_template, &key_path, put);

    let delete =
        operation("delete", format!("Delete one key of the metadata of {name}"), Callers::SignedIn, deletes)
            .takes(["key", "PreferWriting", "If-Match", "Idempotency-Key"])
            .says_done(204, "It is gone.", &["Preference-Applied", "Idempotency-Replayed"])
            .fails(&[409, 412, 422])
            .fails(READING);
    paths.add("DELETE", &key_template, &key_path, delete);
}

fn shapes() -> [(String, Value); 5] {
    let value = json!({ "description": "Any JSON value but null." });
    let types = json!({
        "type": "string",
        "enum": ["text", "string", "number", "boolean", "json", "date", "datetime"],
    });
    let mut said = types.clone();
    said["description"] =
        json!("By default that of the value before, where the new one fits it, else what its JSON says.");
    let flag = |description: &str| json!({ "type": "boolean", "description": description });
    let public = "Whether whoever may read the row, or for a user's own whoever is signed in, may read it.";
    let searchable = "Whether rows are found and ordered by it.";
    let meta = json!({
        "type": "object",
        "required": ["key", "value", "dataType", "isPublic", "isSearchable", "createdAt", "updatedAt"],
        "properties": {
            "key": { "type": "string" },
            "value": value,
            "dataType": types,
            "isPublic": flag(public),
            "isSearchable": flag(searchable),
            "createdAt": { "type": "string", "format": "date-time" },
            "updatedAt": { "type": "string", "format": "date-time" },
        },
    });
    let insert = json!({
        "type": "object",
        "required": ["value"],
        "additionalProperties": false,
        "properties": {
            "value": { "description": "Any JSON value but null, which is what a key without a value has." },
            "dataType": said,
            "isPublic": flag(public),
            "isSearchable": flag(searchable),
        },
        "examples": [{ "value": "dark", "isPublic": true }],
    });
    let object = |description: &str| json!({ "type": "object", "description": description, "additionalProperties": true });
    let mut changed = object("Key to value; null deletes the key.");
    changed["minProperties"] = json!(1);
    changed["examples"] = json!([{ "theme": "dark", "old": null }]);
    let level = json!({ "type": "string", "enum": ["user", "entity", "global", "default"] });
    let mut levels = json!({ "type": "array", "items": level });
    levels["description"] = json!(
        "All levels that the value has something of, the nearest first, where `merge=deep` merged several."
    );
    let merged = json!({
        "type": "object",
        "description": "Key to value, and the nearest level that it comes from.",
        "additionalProperties": {
            "type": "object",
            "required": ["value", "level"],
            "properties": { "value": {}, "level": level, "levels": levels },
        },
    });
    [
        ("Meta".to_owned(), meta),
        ("MetaInsert".to_owned(), insert),
        ("Metas".to_owned(), object("Key to value.")),
        ("MetasUpdate".to_owned(), changed),
        ("MergedMetas".to_owned(), merged),
    ]
}
