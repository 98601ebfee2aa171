//! The operations of an entity: its rows, and its trash where it has one.

use hedgerow::schema::write::MAX_ROWS;
use hedgerow::schema::{Action, Entity, Read, Write, shape};
use serde_json::{Value, json};

use super::operation::{Callers, Operation, Paths, array_of, schema};
use super::parameters::filter_names;

const READING: &[u16] = &[403, 406];
const WRITING: &[u16] = &[403, 406, 408, 409, 413, 415, 422];

/// Who may read and write, in a sentence.
pub(super) fn access_in_words(entity: &Entity) -> String {
    let some = if entity.access.published_when.is_some() { "published rows" } else { "all rows" };
    let read = match entity.access.read {
        Read::Owner => "Owners alone read their rows".to_owned(),
        Read::SignedIn => format!("Everyone signed in reads {some}"),
        Read::Public => format!("Everyone reads {some}"),
    };
    let write = match entity.access.write {
        Write::Owner | Write::SignedIn => "owners write their own",
        Write::Admin => "administrators write",
    };
    format!("{read}; {write}.")
}

/// Describes all operations of an entity.
pub(super) fn describe(entity: &Entity, paths: &mut Paths) {
    let path = format!("/api/v1/{}", entity.name);
    let rows = "/api/v1/{entity}";
    paths.add("GET", rows, &path, list(entity));
    paths.add("POST", rows, &path, create(entity));
    paths.add("PATCH", rows, &path, update_many(entity));
    paths.add("DELETE", rows, &path, delete_many(entity));
    let (row, row_path) = ("/api/v1/{entity}/{id}", format!("{path}/{{id}}"));
    paths.add("GET", row, &row_path, get(entity));
    paths.add("PATCH", row, &row_path, update(entity));
    paths.add("PUT", row, &row_path, replace(entity));
    paths.add("DELETE", row, &row_path, delete(entity));
    paths.add("POST", "/api/v1/{entity}/import", &format!("{path}/import"), import(entity));
    if entity.soft_delete {
        paths.add("GET", "/api/v1/{entity}/trash", &format!("{path}/trash"), trash(entity));
        paths.add("DELETE", "/api/v1/{entity}/trash/{id}", &format!("{path}/trash/{{id}}"), purge(entity));
        paths.add(
            "POST",
            "/api/v1/{entity}/{id}/restore",
            &format!("{path}/{{id}}/restore"),
            restore(entity),
        );
    }
}

fn operation(entity: &Entity, verb: &str, summary: String, action: Action) -> Operation {
    let name = entity.name.as_str();
    let open = action == Action::Read && entity.access.read == Read::Public && verb != "trash";
    let callers = if open { Callers::Anyone } else { Callers::SignedIn };
    Operation::new(format!("{name}_{verb}"), name, summary).called_by(callers, Some((name, action)))
}

fn plural(entity: &Entity) -> String {
    entity.label.plural.to_lowercase()
}

fn one(entity: &Entity) -> String {
    format!("one {}", entity.label.singular.to_lowercase())
}

/// The forms in which a list is answered.
fn list_forms(entity: &Entity) -> [(&'static str, Value); 4] {
    let name = entity.name.as_str();
    let lines = |description: &str| json!({ "type": "string", "description": description });
    [
        ("application/json", array_of(name)),
        ("text/csv", lines("A header line, then a line for each row (RFC 4180); without `limit` all rows.")),
        ("application/x-ndjson", lines("An object on each line; without `limit` all rows.")),
        ("application/vnd.pgrst.object+json", schema(name)),
    ]
}

/// The forms in which one row is answered.
fn row_forms(entity: &Entity) -> [(&'static str, Value); 2] {
    let row = schema(entity.name.as_str());
    [("application/json", row.clone()), ("application/vnd.pgrst.object+json", row)]
}

/// The forms in which changed rows are answered.
fn changed_forms(entity: &Entity) -> [(&'static str, Value); 2] {
    let name = entity.name.as_str();
    [("application/json", array_of(name)), ("application/vnd.pgrst.object+json", schema(name))]
}

fn conditions(entity: &Entity) -> Vec<String> {
    let searchable = entity.fields.iter().any(|field| field.searchable && !field.hidden);
    let mut names: Vec<String> = filter_names(entity).collect();
    names.extend(["or".to_owned(), "and".to_owned()]);
    names.extend(searchable.then(|| "search".to_owned()));
    names
}

/// What rows with metadata show besides what is selected.
fn metas(entity: &Entity) -> Option<&'static str> {
    entity.metadata.is_some().then_some("metas")
}

const PAGE: [&str; 5] = ["select", "order", "limit", "offset", "cursor"];
const PAGE_HEADERS: &[&str] = &["Content-Range", "Link", "Preference-Applied"];

fn list(entity: &Entity) -> Operation {
    listing(operation(entity, "list", format!("List {}", plural(entity)), Action::Read), entity)
}

/// What every list takes and answers.
pub(super) fn listing(operation: Operation, entity: &Entity) -> Operation {
    operation
        .takes(conditions(entity))
        .takes(PAGE)
        .takes(metas(entity))
        .takes(["PreferReading", "Range"])
        .answer(200, "The rows.", PAGE_HEADERS, &list_forms(entity))
        .answer(206, "A part of the rows, where they were counted.", PAGE_HEADERS, &list_forms(entity))
        .fails(&[300, 416])
        .fails(READING)
}

fn create(entity: &Entity) -> Operation {
    let insert = format!("{}Insert", entity.name);
    let many = json!({ "type": "array", "items": schema(&insert), "maxItems": MAX_ROWS });
    let name = entity.name.as_str();
    let rows = json!({ "anyOf": [schema(name), array_of(name)] });
    let kinds = [("application/json", rows), ("application/vnd.pgrst.object+json", schema(name))];
    let headers = ["Location", "ETag", "Content-Range", "Preference-Applied", "Idempotency-Replayed"];
    operation(entity, "create", format!("Create {}", plural(entity)), Action::Write)
        .says("An object makes one row, an array makes several or none.")
        .takes(["select", "columns", "on_conflict", "PreferWriting", "Idempotency-Key"])
        .takes(metas(entity))
        .body(json!({ "anyOf": [schema(&insert), many] }))
        .answer(
            201,
            "The new row; an array for an array, and with `Prefer: return=representation`.",
            &headers,
            &kinds,
        )
        .answer(200, "The rows that were there already, with `Prefer: resolution=…`.", &headers, &kinds)
        .fails(&[404])
        .fails(WRITING)
}

fn update_many(entity: &Entity) -> Operation {
    operation(entity, "updateMany", format!("Change {} that filters match", plural(entity)), Action::Write)
        .says("Without a filter it is 400. An array of objects, each with its `id`, changes each row by itself.")
        .takes(conditions(entity))
        .takes(["select", "PreferWriting", "Idempotency-Key"])
        .takes(metas(entity))
        .body(json!({ "anyOf": [schema(&format!("{}Update", entity.name)), rows_with_ids(entity)] }))
        .answer(200, "The changed rows.", &["Preference-Applied", "Idempotency-Replayed"], &changed_forms(entity))
        .says_done(204, "Done, with `Prefer: return=minimal`.", &["Preference-Applied"])
        .fails(&[404])
        .fails(WRITING)
}

/// An array of changes, each with the id of its row.
fn rows_with_ids(entity: &Entity) -> Value {
    let mut change = shape::update(entity);
    change["required"] = json!(["id"]);
    change["properties"]["id"] = json!({ "type": "string", "description": "The row that it is about." });
    if let Some(members) = change.as_object_mut() {
        members.remove("examples");
    }
    json!({ "type": "array", "maxItems": MAX_ROWS, "items": change })
}

fn delete_many(entity: &Entity) -> Operation {
    operation(entity, "deleteMany", format!("Delete {} that filters match", plural(entity)), Action::Delete)
        .says("Without a filter it is 400.")
        .takes(conditions(entity))
        .takes(["select", "PreferWriting"])
        .takes(metas(entity))
        .answer(200, "The deleted rows.", &["Preference-Applied"], &changed_forms(entity))
        .says_done(204, "Done, with `Prefer: return=minimal`.", &["Preference-Applied"])
        .fails(&[409])
        .fails(READING)
}

fn get(entity: &Entity) -> Operation {
    operation(entity, "get", format!("Get {}", one(entity)), Action::Read)
        .takes(["id", "select", "If-None-Match"])
        .takes(metas(entity))
        .answer(200, "The row.", &["ETag"], &row_forms(entity))
        .says_done(304, "The client has this version.", &["ETag"])
        .fails(&[300, 404])
        .fails(READING)
}

fn update(entity: &Entity) -> Operation {
    operation(entity, "update", format!("Change {}", one(entity)), Action::Write)
        .says("Fields that are not named stay.")
        .takes(["id", "select", "PreferWriting", "If-Match", "Idempotency-Key"])
        .takes(metas(entity))
        .body(schema(&format!("{}Update", entity.name)))
        .answer(200, "The row.", &["ETag", "Preference-Applied", "Idempotency-Replayed"], &row_forms(entity))
        .says_done(204, "Done, with `Prefer: return=minimal`.", &["ETag", "Preference-Applied"])
        .fails(&[404, 412])
        .fails(WRITING)
}

fn replace(entity: &Entity) -> Operation {
    operation(entity, "replace", format!("Replace {}", one(entity)), Action::Write)
        .says("Fields that are not named return to their default, immutable ones stay.")
        .takes(["id", "select", "PreferWriting", "If-Match"])
        .takes(metas(entity))
        .body(schema(&format!("{}Replace", entity.name)))
        .answer(200, "The row.", &["ETag", "Preference-Applied"], &row_forms(entity))
        .says_done(204, "Done, with `Prefer: return=minimal`.", &["ETag", "Preference-Applied"])
        .fails(&[404, 412])
        .fails(WRITING)
}

fn delete(entity: &Entity) -> Operation {
    operation(entity, "delete", format!("Delete {}", one(entity)), Action::Delete)
        .takes(["id", "PreferWriting", "If-Match"])
        .answer(
            200,
            "The deleted row, with `Prefer: return=representation`.",
            &["Preference-Applied"],
            &row_forms(entity),
        )
        .says_done(204, "Done.", &["Preference-Applied"])
        .fails(&[404, 409, 412])
        .fails(READING)
}

fn trash(entity: &Entity) -> Operation {
    operation(entity, "trash", format!("List deleted {}", plural(entity)), Action::Read)
        .takes(conditions(entity))
        .takes(PAGE)
        .takes(metas(entity))
        .takes(["PreferReading"])
        .answer(200, "The caller's own deleted rows.", PAGE_HEADERS, &changed_forms(entity))
        .answer(206, "A part of them, where they were counted.", PAGE_HEADERS, &changed_forms(entity))
        .fails(&[300, 404, 416])
        .fails(READING)
}

fn restore(entity: &Entity) -> Operation {
    operation(entity, "restore", format!("Take {} out of the trash", one(entity)), Action::Write)
        .takes(["id", "select"])
        .takes(metas(entity))
        .answer(200, "The row.", &["ETag"], &row_forms(entity))
        .fails(&[404, 409])
        .fails(READING)
}

fn purge(entity: &Entity) -> Operation {
    operation(entity, "purge", format!("Delete {} for good", one(entity)), Action::Delete)
        .takes(["id"])
        .says_done(204, "It is gone.", &[])
        .fails(&[404, 409])
        .fails(READING)
}

fn import(entity: &Entity) -> Operation {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let kinds = [
        ("text/csv", text("RFC 4180, with a header line that names the fields, in UTF-8.")),
        ("application/x-ndjson", text("An object on each line.")),
        ("application/json", array_of(&format!("{}Insert", entity.name))),
    ];
    let lines = text(
        "`{\"rows\": 12000}` while it runs; the last line is the report, or a problem with its `status`.",
    );
    operation(entity, "import", format!("Import {}", plural(entity)), Action::Write)
        .says("Rows of any number in one transaction: all or none, unless refused ones are to be left out.")
        .says("They become the caller's own; what the server sets is left out. The scope to read an entity is needed for `match`.")
        .takes(["skip_invalid", "match", "missing", "dry_run", "PreferImporting"])
        .body_of(&kinds)
        .answer(
            200,
            "The report.",
            &["Preference-Applied"],
            &[("application/json", schema("ImportReport")), ("application/x-ndjson", lines)],
        )
        .fails(&[403, 404, 406, 408, 409, 413, 415, 422])
}
