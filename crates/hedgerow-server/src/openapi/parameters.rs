//! The parameters of the grammar, and one for each field with the form of its filter.

use hedgerow::schema::meta::MAX_KEY_LENGTH;
use hedgerow::schema::{Column, Entity, SqlType};
use serde_json::{Map, Value, json};

use super::About;

/// Operators that fields of a kind understand: the name of the shared schema, the operators with a value, an example.
const FILTERS: &[(&str, &str, &str)] = &[
    (
        "FilterText",
        "eq|neq|gt|gte|lt|lte|like|ilike|match|imatch|in|is|isdistinct|fts|plfts|phfts|wfts",
        "ilike.*plan*",
    ),
    ("FilterNumber", "eq|neq|gt|gte|lt|lte|in|is|isdistinct", "gte.10"),
    ("FilterMoment", "eq|neq|gt|gte|lt|lte|in|is|isdistinct", "lt.2026-01-31"),
    ("FilterBoolean", "eq|neq|in|is|isdistinct", "is.true"),
    ("FilterList", "eq|neq|cs|cd|ov|is", "cs.{urgent}"),
    ("FilterDocument", "eq|neq|cs|cd|is", "cs.{\"size\":3}"),
];

/// The shared schemas of filters.
pub(super) fn filters() -> Map<String, Value> {
    let schema = |(name, operators, example): &(&str, &str, &str)| {
        let words = operators.replace('|', "`, `");
        let value = json!({
            "type": "string",
            "pattern": format!(r"^(not\.)?({operators})(\((any|all|[a-z_]+)\))?\."),
            "description": format!("`operator.value`, turned round by `not.` before it. Operators: `{words}`."),
            "examples": [example],
        });
        ((*name).to_owned(), value)
    };
    FILTERS.iter().map(schema).collect()
}

/// The filters of an entity, by the names of [`of_fields`].
pub(super) fn filter_names(entity: &Entity) -> impl Iterator<Item = String> {
    filters_of(entity).map(move |(name, _)| format!("{}.{name}", entity.name))
}

/// One parameter for each field that can be read, and for each key that rows are known to be found by.
pub(super) fn of_fields(entity: &Entity) -> impl Iterator<Item = (String, Value)> {
    filters_of(entity).map(move |(filter, column)| {
        let parameter = json!({
            "name": filter,
            "in": "query",
            "description": format!("Rows whose `{filter}` fits: `{filter}={}`.", example(column)),
            "schema": { "$ref": format!("#/components/schemas/{}", kind(column)) },
        });
        (format!("{}.{filter}", entity.name), parameter)
    })
}

fn filters_of(entity: &Entity) -> impl Iterator<Item = (String, Column<'_>)> {
    let columns = entity.readable().map(|column| (column.name().to_owned(), column));
    let keys = entity.declared_keys().filter(|key| key.searchable);
    columns.chain(keys.map(|key| (format!("metas.{}", key.name()), Column::Field(&key.field))))
}

fn kind(column: Column<'_>) -> &'static str {
    match column.sql_type() {
        SqlType::Int8 | SqlType::Numeric => "FilterNumber",
        SqlType::Bool => "FilterBoolean",
        SqlType::Date | SqlType::Timestamptz | SqlType::Time => "FilterMoment",
        SqlType::Jsonb => "FilterDocument",
        SqlType::TextArray => "FilterList",
        _ => "FilterText",
    }
}

fn example(column: Column<'_>) -> String {
    match column {
        Column::Field(field) => match hedgerow::schema::shape::example_value(field) {
            Value::String(text) => format!("eq.{text}"),
            Value::Array(_) => "is.not_null".to_owned(),
            Value::Object(_) => "is.not_null".to_owned(),
            value => format!("eq.{value}"),
        },
        Column::Standard(_) if column.sql_type() == SqlType::Timestamptz => "gte.2026-01-31".to_owned(),
        Column::Standard(_) => "in.(a,b)".to_owned(),
    }
}

/// The parameters that entities share.
pub(super) fn shared(about: &About) -> Map<String, Value> {
    let text = json!({ "type": "string", "minLength": 1 });
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "description": description, "schema": schema });
    // What is not understood is left out, unless `handling=strict` is asked for.
    let prefer = |words: &str| json!({ "anyOf": [{ "type": "string", "pattern": format!("^({words})(, ?({words}))*$") }, { "type": "string" }] });
    let reading = "count=(exact|planned|estimated)|handling=(strict|lenient)";
    let writing = r"return=(minimal|headers-only|representation)|resolution=(merge|ignore)-duplicates|missing=(default|null)|max-affected=[0-9]{1,9}|tx=(commit|rollback)|handling=(strict|lenient)";
    let list = [
        (
            "select",
            query(
                "select",
                "What a row shows: fields, `key:field` renamed, `field::text` cast, `project:projects(id,name)` with rows of a \
             relation. The answer then has these keys and no others.",
                text.clone(),
            ),
        ),
        (
            "metas",
            query(
                "metas",
                "The keys of its metadata that a row shows: `all`, or `key,\"a,b\"`. Rows are found by searchable ones \
                 (`metas.key=eq.value`; all that stands behind the dot is the key) and ordered by them (`order=metas.key`).",
                text.clone(),
            ),
        ),
        (
            "order",
            query(
                "order",
                "`due.desc.nullslast,title`; by default `createdAt.desc`, and the id decides between equals.",
                text.clone(),
            ),
        ),
        (
            "limit",
            query(
                "limit",
                "At most so many rows.",
                json!({ "type": "integer", "minimum": 0, "maximum": about.max_limit }),
            ),
        ),
        (
            "offset",
            query(
                "offset",
                "After leaving out so many rows; `cursor` does not slow down with the distance.",
                json!({ "type": "integer", "minimum": 0, "maximum": i32::MAX }),
            ),
        ),
        (
            "cursor",
            query(
                "cursor",
                "Where the page begins: taken from a `Link` of an answer with the same filters and order, never made by hand.",
                text.clone(),
            ),
        ),
        (
            "search",
            query(
                "search",
                "Words to look for in all searchable fields: `plan`, `\"a phrase\"`, `-not`.",
                text.clone(),
            ),
        ),
        (
            "or",
            query("or", "`(a.eq.1,and(b.gt.2,c.is.null))`: one of these holds. Also `not.or`.", text.clone()),
        ),
        (
            "and",
            query("and", "`(a.eq.1,or(b.gt.2,c.is.null))`: all of these hold. Also `not.and`.", text.clone()),
        ),
        (
            "columns",
            query("columns", "The fields that a body writes; others of it are left out.", text.clone()),
        ),
        (
            "on_conflict",
            query(
                "on_conflict",
                "The unique fields, or `id`, by which a row is the same; for `Prefer: resolution=…`.",
                text.clone(),
            ),
        ),
        (
            "id",
            json!({ "name": "id", "in": "path", "required": true, "description": "The row's id.", "schema": { "type": "string", "minLength": 1 } }),
        ),
        (
            "UserId",
            json!({ "name": "id", "in": "path", "required": true, "description": "The user's id.", "schema": { "type": "string", "minLength": 1 } }),
        ),
        (
            "key",
            json!({ "name": "key", "in": "path", "required": true, "description": "The key of a meta, escaped: `ui.theme`, `a%2Fb`.", "schema": { "type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH } }),
        ),
        (
            "keys",
            query(
                "keys",
                "These keys alone, in quotes where one has a comma: `color,\"a,b\"`.",
                text.clone(),
            ),
        ),
        (
            "merged",
            query(
                "merged",
                "`true`: the levels of metadata as one.",
                json!({ "type": "string", "enum": ["true", "false"] }),
            ),
        ),
        (
            "merge",
            query(
                "merge",
                "`deep` merges objects member by member; with `merged=true`.",
                json!({ "type": "string", "enum": ["shallow", "deep"] }),
            ),
        ),
        (
            "IfNoneMatchAny",
            header(
                "If-None-Match",
                "`*`: 412 where there is one already.",
                json!({ "type": "string", "const": "*" }),
            ),
        ),
        (
            "skip_invalid",
            query(
                "skip_invalid",
                "Whether refused rows are left out and reported; otherwise one of them refuses the whole file.",
                json!({ "type": "boolean", "default": false }),
            ),
        ),
        (
            "match",
            json!({
                "name": "match", "in": "query",
                "description": "A relation that the file names by another field than the id: `planeId=planes.tailnum`. Several.",
                "schema": { "type": "array", "items": { "type": "string", "pattern": r"^[^=]+=[^.]+\..+$" } },
            }),
        ),
        (
            "missing",
            query(
                "missing",
                "What becomes of a row whose `match` finds nothing.",
                json!({ "type": "string", "enum": ["reject", "null"], "default": "reject" }),
            ),
        ),
        (
            "dry_run",
            query(
                "dry_run",
                "Whether it is a trial: everything is checked, and nothing is done.",
                json!({ "type": "boolean", "default": false }),
            ),
        ),
        (
            "PreferImporting",
            header(
                "Prefer",
                "Preferences (RFC 7240): `tx=rollback` is `dry_run=true`.",
                prefer("tx=(commit|rollback)|handling=lenient"),
            ),
        ),
        (
            "PreferReading",
            header(
                "Prefer",
                "Preferences (RFC 7240): `count=exact` counts the rows in `Content-Range`.",
                prefer(reading),
            ),
        ),
        (
            "PreferWriting",
            header(
                "Prefer",
                "Preferences (RFC 7240): what is answered, what becomes of rows that are there already, how many rows may change, whether it is a trial run.",
                prefer(writing),
            ),
        ),
        (
            "Range",
            header(
                "Range",
                "`0-24`: the same as `offset` and `limit`, with `Range-Unit: items`.",
                json!({ "type": "string", "pattern": "^[0-9]{1,9}-([0-9]{1,9})?$" }),
            ),
        ),
        (
            "If-None-Match",
            header(
                "If-None-Match",
                "The versions that the client has: 304 where the row is one of them.",
                // An empty one is no version of anything, and no mistake.
                json!({ "type": "string" }),
            ),
        ),
        (
            "If-Match",
            header(
                "If-Match",
                "The version that the change is about: 412 where the row is another.",
                // An empty one is no version of anything, and no mistake.
                json!({ "type": "string" }),
            ),
        ),
        (
            "Idempotency-Key",
            header(
                "Idempotency-Key",
                "Names the request, so that a repetition gets the first answer and does nothing; kept for a day.",
                json!({ "type": "string", "pattern": "^[!-~]{1,255}$" }),
            ),
        ),
    ];
    list.into_iter().map(|(name, parameter)| (name.to_owned(), parameter)).collect()
}
