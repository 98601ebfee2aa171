//! The description of the API: it says what is there, no more and no less, and only to whom it is said.

use std::collections::BTreeSet;
use std::path::Path;

use hedgerow::auth::settings::AuthSettings;
use hedgerow::config::Audience;
use hedgerow::schema::{EntityFile, JsonSchema, Limits, Schema};
use hedgerow_server::ServerOptions;
use hedgerow_server::openapi::{About, document};
use hedgerow_testing::{TestApp, Who};
use serde_json::{Value, json};

const NOTES: (&str, &str) = (
    "notes",
    "soft_delete = true\nmetadata = true\n[fields.title]\ntype = \"text\"\nrequired = true\nmax_length = 9\n[fields.pin]\ntype = \"text\"\n\
     hidden = true\n[fields.code]\ntype = \"text\"\nimmutable = true\n[fields.score]\ntype = \"integer\"\nread_only = true",
);

fn about() -> About {
    About::of(&AuthSettings::development(), Limits::default(), Audience::SignedIn)
}

fn schema_of(name: &str, rest: &str) -> Schema {
    let text = format!("name = \"{name}\"\n{rest}");
    Schema::parse(&[EntityFile { name: format!("{name}.toml"), text }]).expect("a schema")
}

/// `JsonSchema` of one of the document's own schemas, with all that it refers to.
fn compiled(document: &Value, name: &str) -> JsonSchema {
    let whole =
        json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
    JsonSchema::parse(whole).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described_and_nothing_else() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = app.user("ann").await;
    let document = app.get(&ann, "/api/v1/openapi.json").await.json();

    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("an item").keys() {
            described.insert((method.to_uppercase(), path.replace("/api/v1/notes", "/api/v1/{entity}")));
        }
    }

    // Paths are read where they are made, methods are what the server itself says of them.
    let source = include_str!("../../src/router.rs");
    let mut live = BTreeSet::new();
    for piece in source.split("\"/api/v1/").skip(1) {
        let path = format!("/api/v1/{}", piece.split('"').next().expect("a path"));
        let asked = path.replace("{entity}", "notes").replace("{id}", "x");
        let answer = app.ask(&ann, "TRACE", &asked, None).await;
        assert_eq!(answer.status, 405, "{path}: {}", answer.text);
        for method in answer.header("allow").expect("405 names the methods").split(',') {
            // Of a row that is called `import`, what is described of any row.
            let is_of_a_row = path.ends_with("/import") && method != "POST";
            if method != "HEAD" && !is_of_a_row {
                live.insert((method.to_owned(), path.clone()));
            }
        }
    }
    assert!(live.len() >= 13, "{live:?}");
    assert_eq!(described, live, "describe it in openapi/, and add it to routes.rs");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_for_those_who_are_signed_in_unless_it_is_public() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = app.user_with("ann", "member", &["audit:read"]).await;
    for path in ["/api/v1/openapi.json", "/api/v1/docs"] {
        assert_eq!(app.get(Who::Anyone, path).await.status, 401, "{path}");
        let forged = [("authorization", "Bearer hrk_nonsense")];
        assert_eq!(app.get(Who::Headers(&forged), path).await.status, 401, "{path}");
        // No scope names it: it tells nothing of rows.
        let answer = app.get(&ann, path).await;
        assert_eq!(answer.status, 200, "{path}");
        let tag = answer.header("etag").expect("a tag").to_owned();
        let key = format!("Bearer {}", ann.key);
        let again = [("authorization", key.as_str()), ("if-none-match", tag.as_str())];
        let again = app.get(Who::Headers(&again), path).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
    }
    let browser = app.get(Who::Headers(&[("accept", "text/html,*/*;q=0.8")]), "/api/v1/docs").await;
    assert_eq!((browser.status, browser.header("location")), (303, Some("/sign-in?next=/api/v1/docs")));
    app.close().await;

    let open = ServerOptions { openapi: Audience::Public, ..ServerOptions::default() };
    let app = TestApp::with_options(&[NOTES], open, |_| {}).await;
    for path in ["/api/v1/openapi.json", "/api/v1/docs"] {
        assert_eq!(app.get(Who::Anyone, path).await.status, 200, "{path}");
        let forged = [("authorization", "Bearer hrk_nonsense")];
        assert_eq!(
            app.get(Who::Headers(&forged), path).await.status,
            401,
            "{path}: never anonymous by mistake"
        );
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_the_entities_in_use() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = app.user("ann").await;
    let before = app.get(&ann, "/api/v1/openapi.json").await;
    assert_eq!(before.text, app.get(&ann, "/api/v1/openapi.json").await.text);
    app.app.replace_schema(schema_of("plans", "fields.title = { type = \"text\" }"));
    let after = app.get(&ann, "/api/v1/openapi.json").await;
    assert!(after.json()["paths"].get("/api/v1/plans").is_some());
    assert!(after.json()["paths"].get("/api/v1/notes").is_none());
    assert_ne!(before.header("etag"), after.header("etag"));
    let page = app.get(&ann, "/api/v1/docs").await.text;
    assert!(page.contains("<h2 id=\"plans\">plans</h2>") && !page.contains("notes"), "{page}");
    app.close().await;
}

#[test]
fn fields_stand_where_they_are_read_and_written() {
    let document = document(&schema_of(NOTES.0, NOTES.1), &about());
    let names = |name: &str| -> Vec<&str> {
        let schema = &document["components"]["schemas"][name];
        schema["properties"].as_object().expect("properties").keys().map(String::as_str).collect()
    };
    assert_eq!(
        names("notes"),
        ["id", "userId", "title", "code", "score", "createdAt", "updatedAt", "deletedAt", "metas"]
    );
    assert_eq!(names("notesInsert"), ["title", "pin", "code", "metas"]);
    assert_eq!(names("notesUpdate"), ["title", "pin", "metas"]);
    assert_eq!(names("notesReplace"), ["title", "pin", "metas", "id"]);
    assert_eq!(document["components"]["schemas"]["notesInsert"]["required"], json!(["title"]));
    let parameters = document["components"]["parameters"].as_object().expect("parameters");
    assert!(parameters.contains_key("notes.title") && !parameters.contains_key("notes.pin"));
}

#[test]
fn access_decides_who_may_call() {
    let security = |access: &str, method: &str| {
        let schema = schema_of("notes", &format!("[access]\n{access}\n[fields.title]\ntype = \"text\""));
        let document = document(&schema, &about());
        let all =
            document["paths"]["/api/v1/notes"][method]["security"].as_array().cloned().expect("security");
        all.contains(&json!({}))
    };
    assert!(security("read = \"public\"", "get"));
    assert!(!security("read = \"public\"", "post"));
    assert!(!security("read = \"signed_in\"", "get"));
    assert!(!security("read = \"owner\"", "get"));
}

#[test]
fn the_page_says_what_the_document_says_and_nothing_runs_in_it() {
    let rest = "label = { singular = \"<b>Note</b>\", plural = \"<script>alert(1)</script>\" }\n[fields.title]\ntype = \"text\"\n\
                description = \"' \\\" <img src=x onerror=alert(1)>\"";
    let document = document(&schema_of("notes", rest), &about());
    let page = hedgerow_server::openapi::page(&document, "https://example.com/");
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(page.contains(
        "curl -H &#39;Authorization: Bearer hrk_…&#39; &#39;https://example.com/api/v1/notes?limit=3&#39;"
    ));
}

/// Every field type with a value of each; what the document says of it must hold for what the server takes and answers.
#[tokio::test(flavor = "multi_thread")]
async fn examples_are_taken_and_answers_are_as_described() {
    let every = "[fields.text]\ntype = \"text\"\nrequired = true\nmin_length = 3\nmax_length = 9\n[fields.area]\ntype = \"textarea\"\n\
        [fields.mark]\ntype = \"markdown\"\n[fields.mail]\ntype = \"email\"\n[fields.link]\ntype = \"url\"\n[fields.phone]\ntype = \"phone\"\n\
        [fields.slug]\ntype = \"slug\"\n[fields.big]\ntype = \"integer\"\n[fields.small]\ntype = \"integer\"\nmin = 2\nmax = 5\n\
        [fields.price]\ntype = \"number\"\nprecision = 6\nscale = 2\nmin = 0\n[fields.done]\ntype = \"boolean\"\ndefault = true\n\
        [fields.day]\ntype = \"date\"\n[fields.moment]\ntype = \"datetime\"\n[fields.hour]\ntype = \"time\"\n[fields.data]\ntype = \"json\"\n\
        schema = { type = \"object\", properties = { size = { type = \"integer\" } } }\n[fields.kind]\ntype = \"select\"\noptions = [\"a\", \"b\"]\n\
        [fields.kinds]\ntype = \"multiselect\"\noptions = [\"a\", \"b\"]\n[fields.tags]\ntype = \"tags\"\n[fields.uuid]\ntype = \"uuid\"\n\
        [fields.country]\ntype = \"country\"\n[fields.currency]\ntype = \"currency\"\n[fields.zone]\ntype = \"timezone\"\n[fields.file]\ntype = \"file\"";
    let app = TestApp::with(&[("every", every)]).await;
    let ann = app.user("ann").await;
    let document = app.get(&ann, "/api/v1/openapi.json").await.json();
    let (row, insert) = (compiled(&document, "every"), compiled(&document, "everyInsert"));

    let example = document["components"]["schemas"]["everyInsert"]["examples"][0].clone();
    assert_eq!(insert.check(&example), Ok(()), "{example}");
    let made = app.post(&ann, "/api/v1/every", example.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(row.check(&made.json()), Ok(()), "{}", made.text);
    let shown = document["components"]["schemas"]["every"]["examples"][0].clone();
    assert_eq!(row.check(&shown), Ok(()), "{shown}");

    let bare = app.post(&ann, "/api/v1/every", json!({ "text": "abc" })).await;
    assert_eq!(row.check(&bare.json()), Ok(()), "{}", bare.text);

    // Said and done: what the document refuses, the server refuses, and the reverse.
    let check = |change: Value, taken: bool| {
        let mut body = example.clone();
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        assert_eq!(insert.check(&body).is_ok(), taken, "the document on {change}");
        let (app, ann) = (&app, &ann);
        async move {
            let answer = app.post(ann, "/api/v1/every", body).await;
            assert_eq!(answer.status == 201, taken, "the server on {change}: {}", answer.text);
            if taken { answer.json() } else { Value::Null }
        }
    };
    let big = check(json!({ "big": "9223372036854775807" }), true).await;
    assert_eq!(row.check(&big), Ok(()), "{big}");
    for (change, taken) in [
        (json!({ "big": 1.5 }), false),
        (json!({ "big": "x" }), false),
        (json!({ "small": 6 }), false),
        (json!({ "small": null }), true),
        (json!({ "text": null }), false),
        (json!({ "text": "ab" }), false),
        (json!({ "text": "abcdefghij" }), false),
        (json!({ "price": "12.50" }), true),
        (json!({ "price": "12.505" }), false),
        (json!({ "price": -1 }), false),
        (json!({ "hour": "9:30" }), false),
        (json!({ "hour": "09:30:05.25" }), true),
        (json!({ "kind": "c" }), false),
        (json!({ "kind": null }), true),
        (json!({ "kinds": ["a", "a"] }), false),
        (json!({ "kinds": null }), true),
        (json!({ "tags": [""] }), false),
        (json!({ "country": "ZZ" }), false),
        (json!({ "country": null }), true),
        (json!({ "data": { "size": "3" } }), false),
        (json!({ "data": null }), true),
        (json!({ "slug": "A" }), false),
        (json!({ "other": 1 }), false),
        (json!({ "userId": "x" }), false),
    ] {
        check(change, taken).await;
    }
    app.close().await;
}

#[test]
fn metadata_is_described_where_rows_have_some() {
    let files = [
        (
            "notes",
            "metadata = true\nmetas.weight = { type = \"number\", searchable = true }\nmetas.hidden = { type = \"text\" }",
        ),
        ("tasks", ""),
    ];
    let files: Vec<EntityFile> = files
        .iter()
        .map(|(name, text)| {
            let text = format!("name = \"{name}\"\nfields.title = {{ type = \"text\" }}\n{text}");
            EntityFile { name: format!("{name}.toml"), text }
        })
        .collect();
    let document = document(&Schema::parse(&files).expect("a schema"), &about());
    let takes = |path: &str, method: &str, name: &str| {
        let parameters = document["paths"][path][method]["parameters"].as_array().expect("parameters");
        let wanted = format!("#/components/parameters/{name}");
        parameters.iter().any(|parameter| parameter["$ref"] == json!(wanted))
    };
    for method in ["get", "post", "patch", "delete"] {
        assert!(takes("/api/v1/notes", method, "metas"), "{method}");
        assert!(!takes("/api/v1/tasks", method, "metas"), "{method}");
    }
    for method in ["get", "patch", "put"] {
        assert!(takes("/api/v1/notes/{id}", method, "metas"), "{method}");
    }
    assert!(takes("/api/v1/notes", "get", "notes.metas.weight"));
    let weight = &document["components"]["parameters"]["notes.metas.weight"];
    assert_eq!(
        (&weight["name"], &weight["schema"]["$ref"]),
        (&json!("metas.weight"), &json!("#/components/schemas/FilterNumber"))
    );
    assert_eq!(document["components"]["parameters"].get("notes.metas.hidden"), None);
    let row = &document["components"]["schemas"]["notes"];
    assert_eq!(row["properties"]["metas"]["properties"]["weight"]["type"], "number");
    assert!(!row["required"].as_array().expect("names").contains(&json!("metas")));
}

/// What the document says of metadata is what the server takes and answers.
#[tokio::test(flavor = "multi_thread")]
async fn declared_keys_are_as_described() {
    let strict = "metadata = \"strict\"\nfields.title = { type = \"text\" }\n[metas.colour]\ntype = \"select\"\n\
        options = [\"red\", \"blue\"]\ndefault = \"red\"\ndescription = \"Of its card.\"\n[metas.size]\ntype = \"integer\"\n\
        min = 1\nmax = 9\n[metas.beta]\ntype = \"boolean\"\ndefault = false\nrollout = 20\nlevel = \"user\"";
    let app = TestApp::with(&[("notes", strict), ("plain", "fields.title = { type = \"text\" }")]).await;
    let ann = app.user("ann").await;
    let document = app.get(&ann, "/api/v1/openapi.json").await.json();
    let keys = &document["components"]["schemas"]["notesMetasUpdate"]["properties"];
    assert_eq!(
        keys["colour"],
        json!({ "type": ["string", "null"], "enum": ["red", "blue", null], "default": "red", "description": "Of its card." })
    );
    assert_eq!(keys["beta"]["description"], "For 20 of 100 users the opposite of its default.");
    assert!(document["paths"].get("/api/v1/plain/{id}/metas").is_none(), "plain rows have none");
    assert!(document["components"]["schemas"]["plainInsert"]["properties"].get("metas").is_none());

    let insert = compiled(&document, "notesInsert");
    let (metas, meta) = (compiled(&document, "notesMetas"), compiled(&document, "Meta"));
    for (metas, taken) in [
        (json!({ "colour": "blue", "size": 3 }), true),
        (json!({ "colour": null }), true),
        (json!({ "colour": "green" }), false),
        (json!({ "size": 10 }), false),
        (json!({ "size": "3" }), true),
        (json!({ "other": 1 }), false),
        (json!([1]), false),
    ] {
        let body = json!({ "metas": metas });
        assert_eq!(insert.check(&body).is_ok(), taken, "the document on {body}");
        let answer = app.post(&ann, "/api/v1/notes", body.clone()).await;
        assert_eq!(answer.status == 201, taken, "the server on {body}: {}", answer.text);
    }
    let made = app
        .post(&ann, "/api/v1/notes", json!({ "metas": { "colour": "blue", "size": 3 } }))
        .await
        .expect(201);
    let place = format!("{}/metas", made.header("location").expect("a place"));
    let all = app.get(&ann, &place).await.expect(200);
    assert_eq!(metas.check(&all.json()), Ok(()), "{}", all.text);
    let merged = app.get(&ann, &format!("{place}?merged=true")).await.expect(200);
    assert_eq!(compiled(&document, "MergedMetas").check(&merged.json()), Ok(()), "{}", merged.text);
    let one = app.get(&ann, &format!("{place}/size")).await.expect(200);
    assert_eq!(meta.check(&one.json()), Ok(()), "{}", one.text);
    let put = compiled(&document, "MetaInsert");
    for (body, taken) in [
        (json!({ "value": 4 }), true),
        (json!({ "value": 4, "dataType": "number", "isPublic": false, "isSearchable": false }), true),
        (json!({}), false),
        (json!({ "value": 4, "dataType": "array" }), false),
        (json!({ "value": 4, "isPublic": null }), false),
        (json!({ "value": 4, "colour": 1 }), false),
    ] {
        assert_eq!(put.check(&body).is_ok(), taken, "the document on {body}");
        let answer = app.put(&ann, &format!("{place}/size"), body.clone()).await;
        assert_eq!(answer.status < 300, taken, "the server on {body}: {}", answer.text);
    }
    app.close().await;
}

/// Held in the repository, so that a change of the API is seen in review. `HEDGEROW_GOLDEN=write` writes it anew.
#[test]
fn the_committed_document_is_that_of_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join("examples/crm/entities")).expect("the example") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a file");
        files.push(EntityFile { name: path.display().to_string(), text });
    }
    let document = document(&Schema::parse(&files).expect("a schema"), &about());
    let written = format!("{}\n", serde_json::to_string_pretty(&document).expect("JSON"));
    let golden = root.join("openapi/v1.json");
    if std::env::var("HEDGEROW_GOLDEN").is_ok_and(|word| word == "write") {
        std::fs::write(&golden, &written).expect("written");
    }
    let known = std::fs::read_to_string(&golden).unwrap_or_default();
    let differs = known.lines().zip(written.lines()).position(|(known, new)| known != new);
    assert!(
        known == written,
        "openapi/v1.json differs from line {}: write it anew with HEDGEROW_GOLDEN=write, and read the difference",
        differs.unwrap_or(known.lines().count()) + 1
    );
}
