//! Changes of metadata that others make at the same time, that fail half-way, or that are sent twice; and what an entity file
//! declares of keys.

use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, TestApp, TestUser};
use insta::assert_snapshot;
use serde_json::{Value, json};

const ME: &str = "/api/v1/users/me/metas";
const NOTES: &str = "metadata = true\nfields.title = { type = \"text\" }";
const DECLARED: &str = "metadata = \"strict\"
fields.title = { type = \"text\" }
[metas.colour]
type = \"select\"
options = [\"red\", \"blue\"]
default = \"red\"
searchable = true
[metas.size]
type = \"integer\"
min = 1
max = 9
public = true
[metas.due]
type = \"date\"";

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap_or_else(|| panic!("a tag: {} {}", answer.status, answer.text)).to_owned()
}

#[tokio::test]
async fn a_change_is_about_the_version_that_was_read() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let note = app.post(&ann, "/api/v1/notes", json!({})).await.expect(201);
    let note = format!("{}/metas", note.header("location").expect("a place"));
    for place in [ME, note.as_str()] {
        let path = format!("{place}/k");
        let put = async |value: Value, condition: (&str, &str)| {
            app.ask_with(&ann, "PUT", &path, Some(json!({"value": value})), &[condition]).await
        };
        assert_eq!(
            put(json!(0), ("if-match", "*")).await.problem(),
            "412 precondition_failed",
            "there is none"
        );
        assert_eq!(put(json!(0), ("if-match", "\"1-00\"")).await.problem(), "412 precondition_failed");
        let first = tag(&put(json!(1), ("if-none-match", "*")).await.expect(201));
        let again = put(json!(2), ("if-none-match", "*")).await;
        assert_eq!(again.problem(), "412 precondition_failed");
        assert!(again.text.contains("there is one already"), "{}", again.text);
        let read = app.get(&ann, &path).await.expect(200);
        assert_eq!((tag(&read), &read.json()["value"]), (first.clone(), &json!(1)));
        let known = app.ask_with(&ann, "GET", &path, None, &[("if-none-match", &first)]).await.expect(304);
        assert_eq!((known.text.as_str(), known.header("etag")), ("", Some(first.as_str())));
        // The same value is a change, too.
        let second = tag(&put(json!(1), ("if-match", &first)).await.expect(200));
        assert_ne!(second, first);
        assert_eq!(put(json!(3), ("if-match", &first)).await.problem(), "412 precondition_failed");
        let third = tag(&put(json!(3), ("if-match", "*")).await.expect(200));
        let delete =
            async |condition: (&str, &str)| app.ask_with(&ann, "DELETE", &path, None, &[condition]).await;
        assert_eq!(delete(("if-match", &second)).await.problem(), "412 precondition_failed");
        assert_eq!(app.get(&ann, &path).await.json()["value"], 3);
        let _ = delete(("if-match", &third)).await.expect(204);
        assert_eq!(delete(("if-match", &third)).await.problem(), "404 not_found");
        for (method, path, header) in [
            ("PATCH", place, ("if-match", third.as_str())),
            ("PATCH", place, ("if-none-match", "*")),
            ("DELETE", path.as_str(), ("if-none-match", "*")),
            ("PUT", path.as_str(), ("if-none-match", "\"1-00\"")),
        ] {
            let body = (method != "DELETE").then(|| json!({"value": 1}));
            let answer = app.ask_with(&ann, method, path, body, &[header]).await;
            assert_eq!(answer.problem(), "400 unsupported_header", "{method} {header:?}");
        }
        let both = [("if-match", "*"), ("if-none-match", "*")];
        let answer = app.ask_with(&ann, "PUT", &path, Some(json!({"value": 1})), &both).await;
        assert_eq!(answer.problem(), "400 unsupported_header");
    }
    // Conditions open nothing.
    for condition in [("if-match", "*"), ("if-none-match", "*"), ("if-match", "\"1-00\"")] {
        let path = format!("{note}/k");
        let answer = app.ask_with(&bob, "PUT", &path, Some(json!({"value": 1})), &[condition]).await;
        assert_eq!(answer.problem(), "404 not_found", "{condition:?}");
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_change_is_lost_among_fifty_writers() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let path = format!("{ME}/count");
    let _ = app.put(&ann, &path, json!({"value": 0})).await.expect(201);
    let writer = async || {
        let mut refused = 0_u64;
        loop {
            let read = app.get(&ann, &path).await.expect(200);
            let count = read.json()["value"].as_u64().expect("a number");
            let body = Some(json!({"value": count + 1}));
            let answer = app.ask_with(&ann, "PUT", &path, body, &[("if-match", &tag(&read))]).await;
            match answer.status {
                200 => return refused,
                412 => refused += 1,
                status => panic!("{status} {}", answer.text),
            }
        }
    };
    let refused: u64 = futures_util::future::join_all((0..50).map(|_| writer())).await.iter().sum();
    assert_eq!(app.get(&ann, &path).await.json()["value"], 50);
    assert!(refused > 0, "they never met");
    app.close().await;
}

#[tokio::test]
async fn who_writes_the_same_rows_in_another_way_waits_and_never_for_each_other() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let made = app.post(&ann, "/api/v1/notes", json!([{"title": "a"}, {"title": "b"}, {"title": "c"}])).await;
    let made = made.expect(201).json();
    let ids: Vec<&str> = (0..3).map(|at| made[at]["id"].as_str().expect("an id")).collect();
    let writer = async |which: usize| {
        for round in 0..6 {
            let metas = json!({ format!("k{which}"): round });
            let each = |at: usize| json!({"id": ids[at], "metas": metas});
            let (method, path, body) = match which % 6 {
                0 => ("PATCH", format!("/{}", ids[1]), json!({"metas": metas})),
                1 => ("PATCH", format!("?id=in.({})", ids.join(",")), json!({"metas": metas})),
                2 => ("PATCH", String::new(), json!([each(0), each(1), each(2)])),
                3 => ("PATCH", String::new(), json!([each(2), each(1), each(0)])),
                4 => ("PUT", format!("/{}/metas/own", ids[1]), json!({"value": round})),
                _ => ("PATCH", format!("/{}", ids[1]), json!({"title": format!("t{round}"), "metas": metas})),
            };
            let answer = app.ask_with(&ann, method, &format!("/api/v1/notes{path}"), Some(body), &[]).await;
            assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text);
        }
    };
    futures_util::future::join_all((0..6).map(writer)).await;
    // PostgreSQL ends one of two who wait for each other, after a second; the request is then done again.
    let met = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(app.database.column(met).await, ["0"]);
    app.close().await;
}

#[tokio::test]
async fn a_row_is_not_made_where_its_metadata_is_refused() {
    let app =
        TestApp::with_options(&[("notes", NOTES), ("tags", DECLARED)], ServerOptions::default(), |options| {
            options.limits.metas.keys = 2;
        })
        .await;
    let ann = app.user("ann").await;
    let mut found = String::new();
    for (path, body) in [
        ("notes", json!({"title": "a", "metas": {"a": 1, "b": 2, "c": 3}})),
        ("notes", json!([{"title": "a"}, {"title": "b", "metas": {"": 1}}])),
        ("tags", json!({"title": "a", "metas": {"colour": "green"}})),
        ("tags", json!({"title": "a", "metas": {"size": 0, "due": "soon"}})),
        ("tags", json!({"title": "a", "metas": {"color": "red"}})),
    ] {
        let answer = app.post(&ann, &format!("/api/v1/{path}"), body.clone()).await;
        found.push_str(&format!("{body}  {}\n", answer.problem()));
    }
    assert_snapshot!(found, @r#"
    {"title":"a","metas":{"a":1,"b":2,"c":3}}  400 too_many_metas [metas: too_many_metas]
    [{"title":"a"},{"title":"b","metas":{"":1}}]  400 invalid_meta_key [[1].metas.: invalid_meta_key]
    {"title":"a","metas":{"colour":"green"}}  400 not_an_option [metas.colour: not_an_option]
    {"title":"a","metas":{"size":0,"due":"soon"}}  400 invalid_input [metas.size: too_small, metas.due: invalid_date]
    {"title":"a","metas":{"color":"red"}}  400 unknown_meta_key [metas.color: unknown_meta_key]
    "#);
    for entity in ["notes", "tags"] {
        assert_eq!(app.get(&ann, &format!("/api/v1/{entity}")).await.text, "[]", "{entity}");
    }
    let made =
        app.post(&ann, "/api/v1/notes", json!({"title": "a", "metas": {"a": 1, "b": 2}})).await.expect(201);
    let path = made.header("location").expect("a place").to_owned();
    // Only the database knows that this is one too many.
    let change = json!({"title": "b", "metas": {"c": 3}});
    assert_eq!(app.patch(&ann, &path, change).await.problem(), "400 too_many_metas [metas: too_many_metas]");
    assert_eq!(app.get(&ann, &path).await.json()["title"], "a");
    assert_eq!(app.get(&ann, &format!("{path}/metas")).await.text, r#"{"a":1,"b":2}"#);
    let _ = app.patch(&ann, &path, json!({"metas": {"a": null, "c": false}})).await.expect(200);
    assert_eq!(app.get(&ann, &format!("{path}/metas")).await.text, r#"{"b":2,"c":false}"#);
    app.close().await;
}

#[tokio::test]
async fn declared_keys_keep_what_is_declared() {
    let app = TestApp::with(&[("tags", DECLARED)]).await;
    let ann = app.user("ann").await;
    let made = app.post(&ann, "/api/v1/tags", json!({"metas": {"size": 3}})).await.expect(201);
    let place = format!("{}/metas", made.header("location").expect("a place"));
    let mut found = String::new();
    for (key, body) in [
        ("size", json!({"value": 4})),
        ("size", json!({"value": 10})),
        ("size", json!({"value": "4"})),
        ("size", json!({"value": 4.5})),
        ("size", json!({"value": 4, "isPublic": false})),
        ("size", json!({"value": 4, "dataType": "text"})),
        ("size", json!({"value": 4, "dataType": "number", "isPublic": true, "isSearchable": false})),
        ("colour", json!({"value": "blue"})),
        ("colour", json!({"value": "green"})),
        ("due", json!({"value": "2026-02-28"})),
        ("due", json!({"value": "2026-02-30"})),
        ("colours", json!({"value": "blue"})),
    ] {
        let answer = app.put(&ann, &format!("{place}/{key}"), body.clone()).await;
        let text = if answer.status < 400 {
            answer.text.split(",\"createdAt\"").next().unwrap_or_default().to_owned()
        } else {
            answer.problem()
        };
        found.push_str(&format!("{key} {body}  {} {text}\n", answer.status));
    }
    let patched = app.patch(&ann, &place, json!({"size": "x", "colour": null, "other": 1})).await;
    found.push_str(&format!("PATCH {}\n", patched.problem()));
    assert_snapshot!(found, @r#"
    size {"value":4}  200 {"key":"size","value":4,"dataType":"number","isPublic":true,"isSearchable":false
    size {"value":10}  400 400 too_large [value: too_large]
    size {"value":"4"}  200 {"key":"size","value":4,"dataType":"number","isPublic":true,"isSearchable":false
    size {"value":4.5}  400 400 invalid_integer [value: invalid_integer]
    size {"value":4,"isPublic":false}  400 400 declared_flag [isPublic: declared_flag]
    size {"value":4,"dataType":"text"}  400 400 wrong_data_type [dataType: wrong_data_type]
    size {"value":4,"dataType":"number","isPublic":true,"isSearchable":false}  200 {"key":"size","value":4,"dataType":"number","isPublic":true,"isSearchable":false
    colour {"value":"blue"}  201 {"key":"colour","value":"blue","dataType":"text","isPublic":false,"isSearchable":true
    colour {"value":"green"}  400 400 not_an_option [value: not_an_option]
    due {"value":"2026-02-28"}  201 {"key":"due","value":"2026-02-28","dataType":"date","isPublic":false,"isSearchable":false
    due {"value":"2026-02-30"}  400 400 invalid_date [value: invalid_date]
    colours {"value":"blue"}  400 400 unknown_meta_key [key: unknown_meta_key]
    PATCH 400 invalid_input [size: invalid_integer, other: unknown_meta_key]
    "#);
    // What the file does not say any more, such as a key that was renamed, can still be deleted.
    let _ = app.patch(&ann, &place, json!({"colour": null, "other": null})).await.expect(200);
    let merged = app.get(&ann, &format!("{place}?merged=true")).await.expect(200).json();
    assert_eq!(merged["colour"], json!({"value": "red", "level": "default"}));
    assert_eq!(merged["size"], json!({"value": 4, "level": "entity"}));
    app.close().await;
}

#[tokio::test]
async fn a_value_may_have_a_mebibyte() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let note = app.post(&ann, "/api/v1/notes", json!({})).await.expect(201);
    let row = note.header("location").expect("a place").to_owned();
    let note = format!("{row}/metas/k");
    let largest = "x".repeat(1 << 20);
    for path in [format!("{ME}/k"), note] {
        let _ = app.put(&ann, &path, json!({"value": largest, "isPublic": true})).await.expect(201);
        assert_eq!(app.get(&ann, &path).await.expect(200).json()["value"], largest.as_str());
        let more = format!("{largest}y");
        let answer = app.put(&ann, &path, json!({"value": more})).await;
        assert_eq!(answer.problem(), "400 value_too_large [value: value_too_large]");
        // In an object of several keys the body's own limit counts.
        let place = path.trim_end_matches("/k");
        assert_eq!(app.patch(&ann, place, json!({"k": largest})).await.problem(), "413 body_too_large");
        let far_more = "x".repeat((1 << 20) + (64 << 10) + 1);
        assert_eq!(app.put(&ann, &path, json!({"value": far_more})).await.problem(), "413 body_too_large");
        assert_eq!(app.get(&ann, &path).await.expect(200).json()["value"], largest.as_str());
    }
    // A row shows it among its others, whether it is kept with them or gathered, and when it is small again.
    let shown = async || app.get(&ann, &format!("{row}?metas=all")).await.expect(200).json()["metas"].take();
    let _ = app.put(&ann, &format!("{row}/metas/a"), json!({"value": 1})).await.expect(201);
    assert_eq!(shown().await, json!({"a": 1, "k": largest}));
    let _ = app.put(&ann, &format!("{row}/metas/k"), json!({"value": "small"})).await.expect(200);
    assert_eq!(shown().await, json!({"a": 1, "k": "small"}));
    app.close().await;
}

#[tokio::test]
async fn preferences_and_idempotency_are_those_of_rows() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let path = format!("{ME}/k");
    let one = || Some(json!({"value": 1}));
    let minimal = [("prefer", "return=minimal")];
    let made = app.ask_with(&ann, "PUT", &path, one(), &minimal).await.expect(201);
    assert_eq!((made.text.as_str(), made.header("preference-applied")), ("", Some("return=minimal")));
    let put = app.ask_with(&ann, "PUT", &path, one(), &minimal).await.expect(204);
    assert_eq!((put.text.as_str(), put.header("preference-applied")), ("", Some("return=minimal")));
    assert_eq!(tag(&put).split('-').next(), tag(&app.get(&ann, &path).await).split('-').next());
    let patched = app.ask_with(&ann, "PATCH", ME, Some(json!({"k": 2})), &minimal).await.expect(204);
    assert_eq!((patched.text.as_str(), patched.header("preference-applied")), ("", Some("return=minimal")));
    let trial = [("prefer", "tx=rollback")];
    for (method, path, body) in [
        ("PATCH", ME, Some(json!({"k": null, "other": 1}))),
        ("PUT", path.as_str(), one()),
        ("DELETE", path.as_str(), None),
    ] {
        let answer = app.ask_with(&ann, method, path, body, &trial).await;
        assert!(answer.status < 300, "{method} {}", answer.text);
        assert_eq!(answer.header("preference-applied"), Some("tx=rollback"), "{method}");
        assert_eq!(app.get(&ann, ME).await.text, r#"{"k":2}"#, "{method}");
    }
    let shown = [("prefer", "return=representation")];
    let deleted = app.ask_with(&ann, "DELETE", &path, None, &shown).await.expect(204);
    assert_eq!(deleted.header("preference-applied"), None);
    let strict = [("prefer", "handling=strict, missing=null")];
    let answer = app.ask_with(&ann, "PATCH", ME, Some(json!({"k": 2})), &strict).await;
    assert_eq!(answer.problem(), "400 invalid_preference [Prefer: invalid_preference]");

    let key = [("idempotency-key", "\"one\"")];
    let first = app.ask_with(&ann, "PATCH", ME, Some(json!({"k": 5})), &key).await.expect(200);
    let _ = app.patch(&ann, ME, json!({"k": 6})).await.expect(200);
    let again = app.ask_with(&ann, "PATCH", ME, Some(json!({"k": 5})), &key).await.expect(200);
    assert_eq!(
        (again.text.as_str(), again.header("idempotency-replayed")),
        (first.text.as_str(), Some("true"))
    );
    assert_eq!(app.get(&ann, ME).await.text, r#"{"k":6}"#, "it was not done again");
    let other = app.ask_with(&ann, "PATCH", ME, Some(json!({"k": 7})), &key).await;
    assert_eq!(other.problem(), "422 idempotency_key_reused");
    app.close().await;
}

async fn trail(app: &TestApp, who: &TestUser) -> Vec<String> {
    app.app.audit().expect("a trail").settled().await;
    let id = who.user.id.as_str();
    let sql = format!(
        "SELECT concat_ws(' ', method, endpoint, \"statusCode\") FROM api_audit_logs WHERE \"userId\" = '{id}' ORDER BY id"
    );
    app.database.column(&sql).await
}

#[tokio::test]
async fn the_trail_has_a_row_of_each_request_and_no_key_of_metadata() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let note = app.post(&ann, "/api/v1/notes", json!({})).await.expect(201);
    let note = format!("{}/metas", note.header("location").expect("a place"));
    let value = || json!({"value": 1});
    let _ = app.put(&ann, &format!("{note}/private"), value()).await.expect(201);
    let _ = app.put(&ann, &format!("{note}/private"), value()).await.expect(200);
    let _ = app.patch(&ann, &note, json!({"private": 2})).await.expect(200);
    let _ = app.delete(&ann, &format!("{note}/private")).await.expect(204);
    let _ = app.delete(&ann, &format!("{note}/private")).await.expect(404);
    let _ = app.put(&ann, &format!("{ME}/private"), value()).await.expect(201);
    let wrong =
        app.ask_with(&ann, "PUT", &format!("{ME}/private"), Some(value()), &[("if-none-match", "*")]).await;
    let _ = wrong.expect(412);
    let _ = app.get(&ann, &format!("/api/v1/users/{}/metas/private", ann.user.id)).await.expect(200);
    let _ = app.get(&ann, "/api/v1/metas").await.expect(200);
    assert_snapshot!(trail(&app, &ann).await.join("\n"), @r#"
    POST /api/v1/notes 201
    PUT /api/v1/notes/{id}/metas/{key} 201
    PUT /api/v1/notes/{id}/metas/{key} 200
    PATCH /api/v1/notes/{id}/metas 200
    DELETE /api/v1/notes/{id}/metas/{key} 204
    DELETE /api/v1/notes/{id}/metas/{key} 404
    PUT /api/v1/users/me/metas/{key} 201
    PUT /api/v1/users/me/metas/{key} 412
    GET /api/v1/users/{id}/metas/{key} 200
    GET /api/v1/metas 200
    "#);
    app.close().await;
}
