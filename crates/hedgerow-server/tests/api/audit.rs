//! The audit trail: every answered request has one row, a committed write always, and nobody writes or changes one.

use hedgerow_server::ServerOptions;
use hedgerow_testing::{TestApp, TestUser, Who};
use serde_json::{Value, json};

const ENTITIES: &[(&str, &str)] = &[
    ("tasks", "fields.title = { type = \"text\", required = true, unique = true, max_length = 100 }"),
    ("open", "access = { read = \"public\" }\nfields.text = { type = \"text\" }"),
    ("bin", "soft_delete = true\nfields.text = { type = \"text\" }"),
    ("reference", "access = { read = \"public\", write = \"admin\" }\nfields.text = { type = \"text\" }"),
];

/// The rows of the trail as text, in order: `method endpoint status user key`.
async fn rows(app: &TestApp) -> Vec<String> {
    app.app.audit().expect("a trail").settled().await;
    let sql = "SELECT concat_ws(' ', method, endpoint, \"statusCode\", coalesce(u.name, 'nobody'),
                 CASE WHEN \"apiKeyId\" IS NULL THEN 'no key' ELSE 'key' END)
               FROM api_audit_logs a LEFT JOIN \"user\" u ON u.id = a.\"userId\" ORDER BY a.id";
    app.database.column(sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_row() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let root = app.user_with("root", "admin", &["*"]).await;
    let made = app.post(&ann, "/api/v1/tasks", json!({ "title": "secret title" })).await.expect(201).json();
    let id = made["id"].as_str().expect("an id").to_owned();
    app.get(&ann, "/api/v1/tasks?title=eq.secret").await.expect(200);
    app.get(&ann, &format!("/api/v1/tasks/{id}")).await.expect(200);
    app.patch(&ann, &format!("/api/v1/tasks/{id}"), json!({ "title": "b" })).await.expect(200);
    app.patch(&ann, "/api/v1/tasks/nothing", json!({ "title": "b" })).await.expect(404);
    app.patch(&ann, "/api/v1/tasks?title=eq.nothing", json!({ "title": "c" })).await.expect(200);
    app.post(&ann, "/api/v1/tasks", json!({ "title": "b" })).await.expect(409);
    app.post(&ann, "/api/v1/tasks", json!({ "titel": "b" })).await.expect(400);
    app.delete(&ann, &format!("/api/v1/tasks/{id}")).await.expect(204);
    app.get(Who::Anyone, "/api/v1/open").await.expect(200);
    app.get(Who::Anyone, "/api/v1/tasks").await.expect(401);
    app.get(Who::Headers(&[("x-api-key", "hrk_nothing")]), "/api/v1/tasks").await.expect(401);
    app.get(&ann, "/api/v1/nowhere").await.expect(404);
    app.get(&ann, "/api/nowhere").await.expect(404);
    app.post(&ann, "/api/v1/reference", json!({ "text": "x" })).await.expect(403);
    app.post(&root, "/api/v1/reference", json!({ "text": "x" })).await.expect(201);
    let kept = app.post(&ann, "/api/v1/bin", json!({ "text": "x" })).await.expect(201).json();
    let kept = kept["id"].as_str().expect("an id");
    app.delete(&ann, &format!("/api/v1/bin/{kept}")).await.expect(204);
    app.post(&ann, &format!("/api/v1/bin/{kept}/restore"), json!({})).await.expect(200);
    app.get(Who::Anyone, "/livez").await.expect(200);
    app.ask(&ann, "TRACE", "/api/v1/tasks", None).await.expect(405);
    insta::assert_snapshot!(rows(&app).await.join("\n"), @"");
    // No id, no value, no secret is anywhere in it.
    let all = app.database.column("SELECT a::text FROM api_audit_logs a").await.join("\n");
    for secret in ["secret", &id, &ann.key, "hrk_"] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert!(all.contains("127.0.0.1"), "{all}");
    app.close().await;
}
