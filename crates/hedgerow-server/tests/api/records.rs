//! Creating, reading, changing and deleting rows.

use hedgerow_testing::{Answer, TestApp, Who};
use insta::assert_snapshot;
use serde_json::{Value, json};

const TASKS: &str = r#"
[fields.title]
type = "text"
required = true
max_length = 200

[fields.status]
type = "select"
options = ["todo", "doing", "done"]
default = "todo"
indexed = true

[fields.points]
type = "integer"
min = 0

[fields.price]
type = "number"
precision = 10
scale = 2

[fields.urgent]
type = "boolean"
default = false

[fields.due]
type = "date"

[fields.seen]
type = "datetime"

[fields.extra]
type = "json"

[fields.link]
type = "url"

[fields.contact]
type = "email"

[fields.parent]
type = "relation"
entity = "tasks"
on_delete = "set_null"
"#;

/// A row without what differs from run to run.
fn stable(mut row: Value) -> Value {
    for key in ["id", "userId", "createdAt", "updatedAt"] {
        assert!(row[key].is_string(), "{row}");
        row[key] = json!("…");
    }
    row
}

fn titles(answer: &Answer) -> String {
    let rows = answer.json();
    let titles =
        rows.as_array().expect("an array").iter().map(|row| row["title"].as_str().unwrap_or("?").to_owned());
    titles.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_row_lives_from_creation_to_deletion() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let body = json!({
        "title": "Plan \"it\"", "points": 3, "price": 12.50, "due": "2026-02-28", "seen": "2026-01-31T10:30:00.123456+01:00",
        "extra": {"tags": ["a", "b"], "n": 1.50}, "link": "https://example.com/?a=b", "contact": "bo@example.com"
    });
    let created = app.post(&ann, "/api/v1/tasks", body).await.expect(201);
    let row = created.json();
    let path = created.header("location").expect("a location").to_owned();
    assert_eq!(path, format!("/api/v1/tasks/{}", row["id"].as_str().expect("an id")));
    assert!(created.text.contains("\"price\":12.50,"), "digits stay as they are: {}", created.text);
    assert_snapshot!(stable(row.clone()), @r#"{"id":"…","userId":"…","title":"Plan \"it\"","status":"todo","points":3,"price":12.5,"urgent":false,"due":"2026-02-28","seen":"2026-01-31T09:30:00.123Z","extra":{"n":1.5,"tags":["a","b"]},"link":"https://example.com/?a=b","contact":"bo@example.com","parent":null,"createdAt":"…","updatedAt":"…"}"#);

    assert_eq!(app.get(&ann, &path).await.expect(200).json(), row);

    let changed = app.patch(&ann, &path, json!({"status": "done", "points": null})).await.expect(200).json();
    assert_eq!(changed["status"], "done");
    assert_eq!(changed["points"], Value::Null);
    assert_eq!(changed["title"], row["title"]);
    assert_ne!(changed["updatedAt"], row["updatedAt"]);

    let replaced = app.put(&ann, &path, json!({"title": "Anew", "id": row["id"]})).await.expect(200).json();
    assert_eq!(replaced["title"], "Anew");
    assert_eq!(replaced["status"], "todo", "the default comes back");
    assert_eq!(replaced["extra"], Value::Null);
    assert_eq!(replaced["createdAt"], row["createdAt"]);

    let deleted = app.delete(&ann, &path).await.expect(204);
    assert_eq!(deleted.text, "");
    assert_snapshot!(app.get(&ann, &path).await.problem(), @"404 not_found");
    assert_snapshot!(app.delete(&ann, &path).await.problem(), @"404 not_found");
    app.close().await;
}

#[tokio::test]
async fn many_rows_are_created_at_once_in_their_order() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    // Different fields go in different statements; the answer keeps the order of the request.
    let body =
        json!([{"title": "a"}, {"title": "b", "points": 1}, {"title": "c"}, {"title": "d", "points": 2}]);
    let created = app.post(&ann, "/api/v1/tasks?select=title,points", body).await.expect(201);
    assert_snapshot!(created.text, @r#"[{"title":"a","points":null},{"title":"b","points":1},{"title":"c","points":null},{"title":"d","points":2}]"#);
    assert_eq!(created.header("location"), None);

    // All or none, and every mistake of every row.
    let body = json!([{"title": "e"}, {"points": -1}, {"title": "f", "nope": 1}]);
    let refused = app.post(&ann, "/api/v1/tasks", body).await;
    assert_snapshot!(refused.problem(), @"400 invalid_input [[1].points: too_small, [1].title: required, [2].nope: unknown_field]");
    assert_eq!(app.get(&ann, "/api/v1/tasks").await.json().as_array().map(Vec::len), Some(4));

    assert_snapshot!(app.post(&ann, "/api/v1/tasks", json!([])).await.expect(201).text, @"[]");
    app.close().await;
}

#[tokio::test]
async fn lists_filter_order_and_page() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let body = json!([
        {"title": "a", "points": 1, "status": "todo", "due": "2026-01-01", "urgent": true},
        {"title": "b", "points": 2, "status": "doing", "due": "2026-01-02"},
        {"title": "c", "points": 3, "status": "done", "price": 9.99},
        {"title": "D, \"E\"", "points": null, "status": "done", "price": 10},
    ]);
    let _ = app.post(&ann, "/api/v1/tasks", body).await.expect(201);
    let check = async |query: &str, expected: &str| {
        let answer = app.get(&ann, &format!("/api/v1/tasks?{query}")).await.expect(200);
        assert_eq!(titles(&answer), expected, "{query}");
    };
    // Newest first; rows of one request are equally old, so their ids decide, which rise.
    check("", "D, \"E\" c b a").await;
    check("order=points", "a b c D, \"E\"").await;
    check("order=points.desc.nullslast", "c b a D, \"E\"").await;
    check("order=status.desc,title", "a D, \"E\" c b").await;
    check("points=gt.1&order=title", "b c").await;
    check("points=gte.2&points=lte.2", "b").await;
    check("points=lt.2", "a").await;
    check("points=neq.1&order=title", "b c").await;
    check("points=is.null", "D, \"E\"").await;
    check("points=not.is.null&order=title", "a b c").await;
    app.close().await;
}

#[tokio::test]
async fn filters_take_every_type() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let body = json!([
        {"title": "a", "points": 1, "due": "2026-01-01", "urgent": true, "price": 9.99, "seen": "2026-01-01T00:00:00Z"},
        {"title": "b", "points": 2, "due": "2026-01-02", "price": 10, "link": "https://example.com/100%"},
        {"title": "D, \"E\"", "status": "done", "extra": {}},
    ]);
    let _ = app.post(&ann, "/api/v1/tasks", body).await.expect(201);
    let check = async |query: &str, expected: &str| {
        let answer = app.get(&ann, &format!("/api/v1/tasks?order=title&{query}")).await.expect(200);
        assert_eq!(titles(&answer), expected, "{query}");
    };
    check("title=eq.a", "a").await;
    check("title=in.(a,b)", "a b").await;
    check("title=in.(a,%22D,%20%5C%22E%5C%22%22)", "D, \"E\" a").await;
    check("title=not.in.(a)", "D, \"E\" b").await;
    check("title=in.()", "").await;
    check("title=like.*E*", "D, \"E\"").await;
    check("title=like.*e*", "").await;
    check("title=ilike.*e*", "D, \"E\"").await;
    check("title=not.ilike.*e*", "a b").await;
    check("link=like.*100%5C%25", "b").await;
    check("due=gte.2026-01-02", "b").await;
    check("urgent=is.true", "a").await;
    check("urgent=eq.false", "D, \"E\" b").await;
    check("urgent=is.not_null", "D, \"E\" a b").await;
    check("price=eq.9.990", "a").await;
    check("price=gt.9.995", "b").await;
    check("seen=eq.2026-01-01T01:00:00%2B01:00", "a").await;
    check("extra=is.null", "a b").await;
    check("status=eq.done&title=ilike.d*", "D, \"E\"").await;
    check("status=eq.done&title=eq.a", "").await;
}

#[tokio::test]
async fn select_chooses_and_renames() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let _ = app.post(&ann, "/api/v1/tasks", json!({"title": "a", "points": 7})).await.expect(201);
    let answer = app.get(&ann, "/api/v1/tasks?select=what:title,points,owner%22:status").await.expect(200);
    assert_snapshot!(answer.text, @r#"[{"what":"a","points":7,"owner\"":"todo"}]"#);
    let all = app.get(&ann, "/api/v1/tasks?select=*").await.expect(200).json();
    assert_eq!(all[0].as_object().map(serde_json::Map::len), Some(15));
    app.close().await;
}

#[tokio::test]
async fn rows_change_and_go_by_filter() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let rows: Vec<Value> = (0..4).map(|n| json!({"title": format!("t{n}"), "points": n})).collect();
    let _ = app.post(&ann, "/api/v1/tasks", json!(rows)).await.expect(201);
    let changed =
        app.patch(&ann, "/api/v1/tasks?points=gte.2&select=title,status", json!({"status": "done"})).await;
    assert_snapshot!(changed.expect(200).text, @r#"[{"title":"t2","status":"done"},{"title":"t3","status":"done"}]"#);
    let gone = app.delete(&ann, "/api/v1/tasks?status=eq.done&select=title").await.expect(200);
    assert_snapshot!(gone.text, @r#"[{"title":"t2"},{"title":"t3"}]"#);
    assert_snapshot!(app.delete(&ann, "/api/v1/tasks").await.problem(), @"400 filter_required [: filter_required]");
    assert_snapshot!(app.patch(&ann, "/api/v1/tasks", json!({"points": 1})).await.problem(), @"400 filter_required [: filter_required]");
    assert_eq!(titles(&app.get(&ann, "/api/v1/tasks?order=title").await), "t0 t1");
    app.close().await;
}

#[tokio::test]
async fn relations_hold_and_deletes_follow_them() {
    let notes = r#"
fields.text = { type = "text" }
fields.task = { type = "relation", entity = "tasks", on_delete = "cascade", required = true }
"#;
    let bills = "fields.task = { type = \"relation\", entity = \"tasks\", on_delete = \"restrict\" }";
    let app = TestApp::with(&[("tasks", TASKS), ("notes", notes), ("bills", bills)]).await;
    let ann = app.user("ann").await;
    let id = async |title: &str, parent: Value| {
        let body = json!({"title": title, "parent": parent});
        app.post(&ann, "/api/v1/tasks", body).await.expect(201).json()["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let top = id("top", Value::Null).await;
    let child = id("child", json!(top)).await;
    let note = app.post(&ann, "/api/v1/notes", json!({"text": "n", "task": child})).await.expect(201).json();
    let bill = app.post(&ann, "/api/v1/bills", json!({"task": child})).await.expect(201).json();

    let nowhere = app.post(&ann, "/api/v1/notes", json!({"text": "n", "task": "nowhere"})).await;
    assert_snapshot!(nowhere.problem(), @"409 relation_not_found [task: relation_not_found]");

    // set_null: the child stays, and stays its owner's.
    let _ = app.delete(&ann, &format!("/api/v1/tasks/{top}")).await.expect(204);
    let left = app.get(&ann, &format!("/api/v1/tasks/{child}")).await.expect(200).json();
    assert_eq!(left["parent"], Value::Null);
    assert_eq!(left["userId"], ann.user.id.as_str());

    // restrict: not while a bill points there. cascade: then the note goes too.
    let refused = app.delete(&ann, &format!("/api/v1/tasks/{child}")).await;
    assert_snapshot!(refused.problem(), @"409 still_referenced [: still_referenced]");
    let _ =
        app.delete(&ann, &format!("/api/v1/bills/{}", bill["id"].as_str().expect("an id"))).await.expect(204);
    let _ = app.delete(&ann, &format!("/api/v1/tasks/{child}")).await.expect(204);
    let note = format!("/api/v1/notes/{}", note["id"].as_str().expect("an id"));
    assert_snapshot!(app.get(&ann, &note).await.problem(), @"404 not_found");
    app.close().await;
}

#[tokio::test]
async fn a_user_can_be_deleted_with_everything_in_whatever_order_the_cascade_runs() {
    let first = "fields.z = { type = \"relation\", entity = \"zebras\", on_delete = \"restrict\" }";
    let second = "fields.name = { type = \"text\" }";
    let app = TestApp::with(&[("apes", first), ("zebras", second)]).await;
    let ann = app.user("ann").await;
    let zebra = app.post(&ann, "/api/v1/zebras", json!({"name": "z"})).await.expect(201).json();
    let _ = app.post(&ann, "/api/v1/apes", json!({"z": zebra["id"]})).await.expect(201);
    app.database.sql("DELETE FROM \"user\"").await;
    assert_eq!(app.database.column("SELECT count(*) FROM apes").await, ["0"]);
    assert_eq!(app.database.column("SELECT count(*) FROM zebras").await, ["0"]);
    app.close().await;
}

#[tokio::test]
async fn unique_fields_are_unique_within_one_owner() {
    let app =
        TestApp::with(&[("shops", "fields.slug = { type = \"text\", max_length = 50, unique = true }")])
            .await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let body = || json!({"slug": "corner"});
    let _ = app.post(&ann, "/api/v1/shops", body()).await.expect(201);
    let again = app.post(&ann, "/api/v1/shops", body()).await;
    assert_snapshot!(again.problem(), @"409 already_exists [slug: already_exists]");
    assert!(!again.text.contains("corner"), "the value is not repeated: {}", again.text);
    let _ = app.post(&bob, "/api/v1/shops", body()).await.expect(201);
    app.close().await;
}

#[tokio::test]
async fn fields_are_hidden_read_only_and_immutable_as_they_say() {
    let fields = r#"
fields.name = { type = "text" }
fields.secret = { type = "text", hidden = true }
fields.total = { type = "integer", read_only = true, default = 5 }
fields.kind = { type = "text", immutable = true }
"#;
    let app = TestApp::with(&[("things", fields)]).await;
    let ann = app.user("ann").await;
    let row = app
        .post(&ann, "/api/v1/things", json!({"name": "n", "secret": "s", "kind": "k"}))
        .await
        .expect(201)
        .json();
    assert_eq!(row["total"], 5);
    assert_eq!(row.get("secret"), None);
    let path = format!("/api/v1/things/{}", row["id"].as_str().expect("an id"));
    let problem = async |answer: Answer| answer.problem();
    assert_snapshot!(problem(app.get(&ann, "/api/v1/things?secret=eq.s").await).await, @"400 unknown_field [secret: unknown_field]");
    assert_snapshot!(problem(app.get(&ann, "/api/v1/things?select=secret").await).await, @"400 unknown_field [select: unknown_field]");
    assert_snapshot!(problem(app.get(&ann, "/api/v1/things?order=secret").await).await, @"400 unknown_field [order: unknown_field]");
    assert_snapshot!(problem(app.patch(&ann, &path, json!({"kind": "x"})).await).await, @"400 immutable_field [kind: immutable_field]");
    assert_snapshot!(problem(app.patch(&ann, &path, json!({"total": 1})).await).await, @"400 read_only_field [total: read_only_field]");
    let kept = app.put(&ann, &path, json!({"name": "m"})).await.expect(200).json();
    assert_eq!(
        (&kept["kind"], &kept["total"]),
        (&json!("k"), &json!(5)),
        "PUT leaves alone what cannot be written"
    );
    app.close().await;
}

#[tokio::test]
async fn large_numbers_survive_javascript() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let body = r#"{"title": "n", "points": 9223372036854775807, "price": 99999999.99}"#;
    let row =
        app.ask(&ann, "POST", "/api/v1/tasks?select=points,price", Some(body.to_owned())).await.expect(201);
    assert_snapshot!(row.text, @r#"{"points":"9223372036854775807","price":99999999.99}"#);
    let body = r#"{"title": "n", "points": "9007199254740993"}"#;
    let row = app.ask(&ann, "POST", "/api/v1/tasks?select=points", Some(body.to_owned())).await.expect(201);
    assert_snapshot!(row.text, @r#"{"points":"9007199254740993"}"#);
    app.close().await;
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let mine = [("x-request-id", "my-id_1"), ("authorization", &*format!("Bearer {}", ann.key))];
    let answer = app.get(Who::Headers(&mine), "/api/v1/tasks").await.expect(200);
    assert_eq!(answer.header("x-request-id"), Some("my-id_1"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let odd = [("x-request-id", "a b<script>")];
    let answer = app.get(Who::Headers(&odd), "/nothing").await.expect(404);
    assert_ne!(answer.header("x-request-id"), Some("a b<script>"));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let document = answer.json();
    assert_eq!(document["requestId"].as_str(), answer.header("x-request-id"));
    assert_eq!(document["instance"], "/nothing");
    assert_eq!(document["title"], "Not Found");
    app.close().await;
}
