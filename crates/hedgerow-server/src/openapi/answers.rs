//! What answers have in common: headers, problem documents and their statuses.

use serde_json::{Map, Value, json};

/// Status, name, when it comes, and an example: code, sentence, the field where there is one.
const PROBLEMS: &[(u16, &str, &str, [&str; 3])] = &[
    (
        300,
        "Ambiguous",
        "An embedded relation that could be one of several.",
        ["ambiguous_relation", "`companies` could be several relations of deals", "select"],
    ),
    (
        400,
        "BadRequest",
        "Something in the request is wrong; each mistake is named in `errors`.",
        ["unknown_field", "`titel` is no field of tasks; did you mean `title`?", "titel"],
    ),
    (
        401,
        "Unauthorized",
        "No credential where one is needed, or one that is not valid.",
        ["not_signed_in", "this needs an API key or a session", ""],
    ),
    (
        403,
        "Forbidden",
        "A missing scope, a row of somebody else, or something that administrators do.",
        ["missing_scope", "the key lacks the scope `tasks:write`", ""],
    ),
    (
        404,
        "NotFound",
        "There is no such row, or it is not the caller's to see.",
        ["not_found", "there is no such row", ""],
    ),
    (
        406,
        "NotAcceptable",
        "The answer is wanted in a form that there is none of, or is not one row where one is wanted.",
        ["not_acceptable", "there is no answer in text/html", ""],
    ),
    (
        408,
        "RequestTimeout",
        "The body did not arrive in time.",
        ["body_too_slow", "the body comes too slowly, and nothing was done", ""],
    ),
    (
        409,
        "Conflict",
        "A unique value that is taken, a relation to no row of the caller's, or a row that others point at.",
        ["already_exists", "another row of yours has this value", "name"],
    ),
    (
        412,
        "PreconditionFailed",
        "The row is another than `If-Match` says; nothing was done.",
        ["precondition_failed", "this has changed since you read it; read it again", ""],
    ),
    (
        413,
        "TooLarge",
        "The body is larger than the server takes.",
        ["body_too_large", "a body has at most 1048576 bytes", ""],
    ),
    (
        414,
        "UriTooLong",
        "The URL is longer than the server takes.",
        ["url_too_long", "a URL has at most 8192 bytes", ""],
    ),
    (
        415,
        "UnsupportedMediaType",
        "The body is of a kind that is not understood.",
        ["unsupported_media_type", "a body of text/plain is not understood", ""],
    ),
    (
        416,
        "RangeNotSatisfiable",
        "The offset lies behind the last row, and the rows were counted.",
        ["PGRST103", "the rows that were asked for begin behind the last one", ""],
    ),
    (
        422,
        "Unprocessable",
        "The `Idempotency-Key` was used for another request, or rows of a file were refused.",
        ["idempotency_key_reused", "this Idempotency-Key was sent with another request; use a new one", ""],
    ),
    (
        429,
        "TooManyRequests",
        "Too many requests; `Retry-After` says when to come back.",
        ["rate_limited", "too many requests; try again in 12 s", ""],
    ),
    (
        431,
        "HeadersTooLarge",
        "The headers are larger than the server takes.",
        ["headers_too_large", "the headers have at most 16384 bytes", ""],
    ),
    (
        503,
        "Unavailable",
        "The database is away, full, or took too long; `Retry-After` says when to come back.",
        ["unavailable", "the database does not answer", ""],
    ),
];

/// A problem of that status.
///
/// # Panics
/// For a status that has no description above; every operation is described in a test.
pub(super) fn problem(status: u16) -> Value {
    let known = PROBLEMS.iter().find(|(known, ..)| *known == status);
    let (_, name, ..) = known.unwrap_or_else(|| panic!("{status} is not described"));
    json!({ "$ref": format!("#/components/responses/{name}") })
}

/// The shared answers.
pub(super) fn problems() -> Map<String, Value> {
    PROBLEMS
        .iter()
        .map(|(status, name, description, [code, message, field])| {
            let mut example = json!({
                "type": format!("urn:hedgerow:problem:{code}"),
                "title": description.split(['.', ';', ',']).next(),
                "status": status,
                "detail": message,
                "instance": "/api/v1/tasks",
                "requestId": "01890a5d-ac96-774b-bcce-b302099a8057",
                "code": code,
                "message": message,
                "details": null,
                "hint": null,
            });
            if !field.is_empty() {
                example["errors"] = json!([{ "field": field, "code": code, "message": message }]);
            }
            let mut names = vec!["X-Request-Id"];
            if matches!(status, 429 | 503) {
                names.push("Retry-After");
            }
            if *status == 401 {
                names.push("WWW-Authenticate");
            }
            let headers: Map<String, Value> = names
                .iter()
                .map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })))
                .collect();
            let answer = json!({
                "description": description,
                "headers": headers,
                "content": {
                    "application/problem+json": {
                        "schema": { "$ref": "#/components/schemas/Problem" },
                        "example": example,
                    },
                },
            });
            ((*name).to_owned(), answer)
        })
        .collect()
}

/// The shared headers.
pub(super) fn headers() -> Map<String, Value> {
    let text = |description: &str, example: &str| json!({ "description": description, "schema": { "type": "string" }, "example": example });
    let list = [
        (
            "X-Request-Id",
            text(
                "Names the request in the server's log; the client's own where it sent a sensible one.",
                "01890a5d-ac96-774b-bcce-b302099a8057",
            ),
        ),
        (
            "Content-Range",
            text("The rows of this answer, and how many there are where that was asked for.", "0-24/3573458"),
        ),
        (
            "Link",
            text(
                "The pages around this one (RFC 8288): `next`, `prev`, `first`.",
                "</api/v1/tasks?cursor=eyJ2>; rel=\"next\"",
            ),
        ),
        ("Location", text("Where the new row is.", "/api/v1/tasks/01890a5d-ac96-774b-bcce-b302099a8057")),
        ("ETag", text("The row's version, for `If-Match` and `If-None-Match`.", "\"7f3a\"")),
        ("Preference-Applied", text("The preferences that were followed (RFC 7240).", "count=exact")),
        (
            "Idempotency-Replayed",
            text("`true` where this is the first answer to the same `Idempotency-Key`.", "true"),
        ),
        ("RateLimit", text("What is left of the limit, and when it is full again.", "\"read\";r=599;t=60")),
        ("RateLimit-Policy", text("The limit.", "\"read\";q=600;w=60")),
        (
            "Retry-After",
            json!({ "description": "Seconds to wait.", "schema": { "type": "integer" }, "example": 1 }),
        ),
        ("WWW-Authenticate", text("How to say who asks.", "Bearer")),
    ];
    list.into_iter().map(|(name, header)| (name.to_owned(), header)).collect()
}

/// The problem document.
pub(super) fn schemas() -> Map<String, Value> {
    let problem = json!({
        "type": "object",
        "description": "What went wrong (RFC 9457), with the members that PostgREST's clients read.",
        "required": ["type", "title", "status", "detail", "instance", "requestId", "code", "message", "details", "hint"],
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "`urn:hedgerow:problem:` and the code." },
            "title": { "type": ["string", "null"], "description": "The status in words." },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "A sentence, for people." },
            "instance": { "type": "string", "description": "The path that was asked." },
            "requestId": { "type": "string" },
            "code": { "type": "string", "description": "Stable, for programs." },
            "message": { "type": "string" },
            "details": { "type": ["string", "null"] },
            "hint": { "type": ["string", "null"], "description": "What to do next." },
            "errors": { "type": "array", "items": { "$ref": "#/components/schemas/Mistake" } },
            "failed": { "type": "integer", "description": "Of an import: so many rows were refused, at least." },
            "failures": { "type": "array", "items": { "$ref": "#/components/schemas/RefusedRow" } },
        },
    });
    let count = |description: &str| json!({ "type": "integer", "description": description });
    let report = json!({
        "type": "object",
        "description": "What came of an import.",
        "required": ["rows", "created", "failed", "failures", "unmatched", "leftOut"],
        "properties": {
            "rows": count("Rows of the file."),
            "created": count("Rows that are there now; of a trial, that would be."),
            "failed": count("Rows that were refused."),
            "failures": {
                "type": "array",
                "items": { "$ref": "#/components/schemas/RefusedRow" },
                "description": "The first thousand of them.",
            },
            "unmatched": count("Relations whose `match` found nothing and that became null."),
            "leftOut": {
                "type": "array", "items": { "type": "string" },
                "description": "Columns that were left out because the server sets them.",
            },
        },
    });
    let refused = json!({
        "type": "object",
        "required": ["errors"],
        "properties": {
            "line": count("The line of the file, from 1."),
            "row": count("Of a JSON array: the row, from 1."),
            "errors": { "type": "array", "items": { "$ref": "#/components/schemas/Mistake" } },
        },
    });
    let mistake = json!({
        "type": "object",
        "required": ["field", "code", "message"],
        "properties": {
            "field": { "type": "string", "description": "The parameter or field; `[2].title` in the third row of an array, `lines[3].title` in the third line of a file." },
            "code": { "type": "string" },
            "message": { "type": "string" },
        },
    });
    [("Problem", problem), ("Mistake", mistake), ("ImportReport", report), ("RefusedRow", refused)]
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}
