//! Several writes in one transaction.

use hedgerow_testing::{Answer, TestApp, TestUser};
use insta::assert_snapshot;
use serde_json::{Value, json};

const PROJECTS: &str = "fields.name = { type = \"text\", required = true }";
const TASKS: &str = r#"
fields.title = { type = "text", required = true }
fields.price = { type = "number", precision = 10, scale = 2 }
fields.project = { type = "relation", entity = "projects" }
fields.friends = { type = "relation_many", entity = "tasks" }
fields.note = { type = "json" }
"#;
const REFERENCE: &str =
    "access = { read = \"public\", write = \"admin\" }\nfields.text = { type = \"text\" }";

async fn app() -> (TestApp, TestUser) {
    let app = TestApp::with(&[("tasks", TASKS), ("projects", PROJECTS), ("items", REFERENCE)]).await;
    let ann = app.user("ann").await;
    (app, ann)
}

async fn batch(app: &TestApp, who: &TestUser, operations: Value) -> Answer {
    app.post(who, "/api/v1/batch", json!({"operations": operations})).await
}

async fn count(app: &TestApp) -> String {
    let rows =
        app.database.column("SELECT (SELECT count(*) FROM tasks) || ' ' || (SELECT count(*) FROM projects)");
    rows.await[0].clone()
}

#[tokio::test]
async fn operations_are_done_together_and_know_of_each_other() {
    let (app, ann) = app().await;
    let done = batch(&app, &ann, json!([
        {"method": "POST", "path": "/api/v1/projects", "body": {"name": "p"}},
        {"method": "POST", "path": "/api/v1/tasks?select=id,title,price,project", "body": [
            {"title": "a", "price": 1.50, "project": {"$ref": "0.id"}},
            {"title": "b", "project": {"$ref": "0.id"}, "note": {"$ref": "0.id"}},
        ]},
        {"method": "POST", "path": "/tasks", "body": {"title": "c", "friends": [{"$ref": "1.0.id"}, {"$ref": "1.1.id"}]},
            "headers": {"Prefer": "return=minimal"}},
        {"method": "PATCH", "path": "/api/v1/tasks?title=eq.a&select=title", "body": {"title": "A"}},
        {"method": "DELETE", "path": "/tasks?title=eq.b&select=title"},
    ])).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(done.text.contains("\"price\":1.50,"), "digits stay as they are: {}", done.text);
    let answers = done.json();
    let statuses: Vec<&Value> =
        answers.as_array().expect("answers").iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [201, 201, 201, 200, 200]);
    assert_eq!(answers[1]["body"][0]["project"], answers[0]["body"]["id"]);
    assert_eq!((&answers[2]["body"], &answers[3]["body"][0]["title"]), (&Value::Null, &json!("A")));
    assert!(answers[0]["headers"]["etag"].is_string() && answers[0]["headers"]["location"].is_string());
    let path = answers[2]["headers"]["location"].as_str().expect("a place");
    let friends = app.get(&ann, path).await.expect(200).json()["friends"].clone();
    assert_eq!(friends, json!([answers[1]["body"][0]["id"]]), "the other one was deleted later");
    app.close().await;
}

#[tokio::test]
async fn one_that_fails_undoes_all_and_is_named() {
    let (app, ann) = app().await;
    let first = json!({"method": "POST", "path": "/api/v1/projects", "body": {"name": "p"}});
    let check = async |operation: Value, expected: &str| {
        let text = operation.to_string();
        let refused = batch(&app, &ann, json!([first, operation])).await;
        assert_eq!(refused.problem(), expected, "{text}");
        assert_eq!(count(&app).await, "0 0", "{text}");
    };
    let post = |body: Value| json!({"method": "POST", "path": "/api/v1/tasks", "body": body});
    check(post(json!({})), "400 required [operations[1].body.title: required]").await;
    check(post(json!([{"title": "a"}, {"titel": "b"}])), "400 invalid_input [operations[1].body[1].titel: unknown_field, operations[1].body[1].title: required]").await;
    check(post(json!("x")), "400 invalid_body [operations[1].body: invalid_body]").await;
    check(
        post(json!({"title": "a", "project": "nothing"})),
        "409 relation_not_found [operations[1].project: relation_not_found]",
    )
    .await;
    for reference in ["1.id", "5.id", "0.nothing", "id", "", "0.id.id"] {
        check(
            post(json!({"title": "a", "project": {"$ref": reference}})),
            "400 invalid_reference [operations[1].body: invalid_reference]",
        )
        .await;
    }
    let other = |method: &str, path: &str| json!({"method": method, "path": path, "body": {"title": "a"}});
    check(other("PATCH", "/api/v1/tasks/nothing"), "404 not_found [operations[1]: not_found]").await;
    check(other("PATCH", "/api/v1/tasks"), "400 filter_required [operations[1]: filter_required]").await;
    check(
        other("PATCH", "/api/v1/tasks?titel=eq.x"),
        "400 unknown_field [operations[1].path.titel: unknown_field]",
    )
    .await;
    check(other("PUT", "/api/v1/tasks"), "405 no_such_method [operations[1]: no_such_method]").await;
    check(other("POST", "/api/v1/nothing"), "404 unknown_entity [operations[1]: unknown_entity]").await;
    check(other("POST", "/api/v1/batch"), "404 unknown_entity [operations[1]: unknown_entity]").await;
    check(other("POST", "/api/auth/sign-out"), "404 no_such_path [operations[1]: no_such_path]").await;
    check(other("POST", "tasks"), "400 invalid_operation [operations[1].path: invalid_operation]").await;
    check(other("POST", "/api/v1/%ff"), "400 invalid_operation [operations[1].path: invalid_operation]")
        .await;
    check(other("GET", "/api/v1/tasks"), "400 invalid_operation [operations[1].method: invalid_operation]")
        .await;
    check(json!({"method": "POST"}), "400 invalid_operation [operations[1].path: invalid_operation]").await;
    check(
        json!({"method": "POST", "path": "/tasks", "more": 1}),
        "400 invalid_operation [operations[1].more: invalid_operation]",
    )
    .await;
    check(json!(7), "400 invalid_operation [operations[1]: invalid_operation]").await;
    let with = |header: &str, value: Value| json!({"method": "POST", "path": "/tasks", "body": {"title": "a"}, "headers": {header: value}});
    check(
        with("authorization", json!("Bearer x")),
        "400 invalid_operation [operations[1].headers: invalid_operation]",
    )
    .await;
    check(
        with("idempotency-key", json!("x")),
        "400 invalid_operation [operations[1].headers: invalid_operation]",
    )
    .await;
    check(with("prefer", json!(1)), "400 invalid_operation [operations[1].headers: invalid_operation]").await;
    check(
        with("prefer", json!("tx=rollback")),
        "400 invalid_preference [operations[1].headers.prefer: invalid_preference]",
    )
    .await;
    check(with("if-match", json!("x")), "400 unsupported_header [operations[1]: unsupported_header]").await;
    for (body, expected) in [
        (json!({}), "400 invalid_body [: invalid_body]"),
        (json!([]), "400 invalid_body [: invalid_body]"),
        (json!({"operations": {}}), "400 invalid_body [: invalid_body]"),
        (json!({"operations": [], "more": 1}), "400 invalid_body [: invalid_body]"),
        (json!({"operations": []}), "400 invalid_batch [operations: invalid_batch]"),
        (json!({"operations": vec![first.clone(); 101]}), "400 invalid_batch [operations: invalid_batch]"),
    ] {
        assert_eq!(
            app.post(&ann, "/api/v1/batch", body.clone()).await.problem(),
            expected,
            "{}",
            body.to_string().len()
        );
    }
    assert_eq!(
        batch(&app, &ann, json!(vec![first; 100])).await.expect(200).json().as_array().map(Vec::len),
        Some(100)
    );
    app.close().await;
}

#[tokio::test]
async fn a_batch_may_no_more_than_its_operations() {
    let (app, ann) = app().await;
    let bob = app.user("bob").await;
    let row = app.post(&ann, "/api/v1/tasks", json!({"title": "a"})).await.expect(201);
    let path = row.header("location").expect("a place").to_owned();
    let project = json!({"method": "POST", "path": "/projects", "body": {"name": "p"}});
    let change = json!({"method": "PATCH", "path": path, "body": {"title": "b"}});
    assert_eq!(
        batch(&app, &bob, json!([project, change])).await.problem(),
        "404 not_found [operations[1]: not_found]"
    );
    let only = TestUser {
        user: ann.user.clone(),
        key: app.key(&ann.user, &["projects:*", "tasks:read", "tasks:delete"]).await,
    };
    assert_eq!(
        batch(&app, &only, json!([project, change])).await.problem(),
        "403 missing_scope [operations[1]: missing_scope]"
    );
    let item = json!({"method": "POST", "path": "/items", "body": {"text": "x"}});
    assert_eq!(
        batch(&app, &ann, json!([item])).await.problem(),
        "403 admin_only [operations[0]: admin_only]"
    );
    let root = app.user_with("root", "admin", &["*"]).await;
    let _ = batch(&app, &root, json!([item, item])).await.expect(200);
    let mixed = batch(&app, &root, json!([item, project])).await;
    assert_snapshot!(mixed.problem(), @"400 mixed_writers [operations[1]: mixed_writers]");
    let anyone =
        app.post(hedgerow_testing::Who::Anyone, "/api/v1/batch", json!({"operations": [project]})).await;
    assert_snapshot!(anyone.problem(), @"401 not_signed_in");
    assert_eq!(count(&app).await, "1 0");

    let trial = app
        .ask_with(
            &ann,
            "POST",
            "/api/v1/batch",
            Some(json!({"operations": [project, change]})),
            &[("prefer", "tx=rollback")],
        )
        .await;
    assert_eq!(trial.header("preference-applied"), Some("tx=rollback"));
    assert_eq!(trial.expect(200).json()[1]["body"]["title"], "b");
    assert_eq!(count(&app).await, "1 0");
    let stale =
        json!({"method": "PATCH", "path": path, "body": {"title": "b"}, "headers": {"If-Match": "\"1-1\""}});
    assert_eq!(
        batch(&app, &ann, json!([project, stale])).await.problem(),
        "412 precondition_failed [operations[1]: precondition_failed]"
    );
    assert_eq!(app.get(&ann, &path).await.json()["title"], "a");
    app.close().await;
}
