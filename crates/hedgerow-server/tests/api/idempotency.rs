//! Requests that are sent again.

use hedgerow_testing::{Answer, TestApp, TestUser, Who};
use insta::assert_snapshot;
use serde_json::{Value, json};

const NOTES: &str = "fields.text = { type = \"text\", required = true }\nfields.sku = { type = \"text\", unique = true, max_length = 20 }";

async fn app() -> (TestApp, TestUser) {
    let app = TestApp::with(&[("notes", NOTES), ("other", NOTES)]).await;
    let ann = app.user("ann").await;
    (app, ann)
}

async fn with_key<'a>(
    app: &TestApp,
    who: impl Into<Who<'a>>,
    method: &'static str,
    path: &str,
    body: Value,
    key: &str,
) -> Answer {
    app.ask_with(who, method, path, Some(body), &[("idempotency-key", key)]).await
}

async fn count(app: &TestApp) -> String {
    app.database.column("SELECT count(*)::text FROM notes").await[0].clone()
}

fn same(first: &Answer, again: &Answer) {
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    for name in ["location", "etag", "content-type", "preference-applied"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

#[tokio::test]
async fn the_same_again_does_nothing_again() {
    let (app, ann) = app().await;
    let body = || json!({"text": "a"});
    let first = with_key(&app, &ann, "POST", "/api/v1/notes", body(), "\"k-1\"").await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let path = first.header("location").expect("a place").to_owned();
    same(&first, &with_key(&app, &ann, "POST", "/api/v1/notes", body(), "k-1").await);
    // What the row is by now does not matter: the answer is the first one.
    let changed = with_key(&app, &ann, "PATCH", &path, json!({"text": "b"}), "k-1").await.expect(200);
    same(&changed, &with_key(&app, &ann, "PATCH", &path, json!({"text": "b"}), "k-1").await);
    same(&first, &with_key(&app, &ann, "POST", "/api/v1/notes", body(), "k-1").await);
    let many = || json!([{"text": "c"}, {"text": "d"}]);
    let rows = with_key(&app, &ann, "POST", "/api/v1/notes", many(), "k-2").await.expect(201);
    same(&rows, &with_key(&app, &ann, "POST", "/api/v1/notes", many(), "k-2").await);
    let batch = || json!({"operations": [{"method": "POST", "path": "/notes", "body": {"text": "e"}}]});
    let done = with_key(&app, &ann, "POST", "/api/v1/batch", batch(), "k-1").await.expect(200);
    same(&done, &with_key(&app, &ann, "POST", "/api/v1/batch", batch(), "k-1").await);
    assert_eq!(count(&app).await, "4");

    // Another request with the key is a mistake; another route and another user have keys of their own.
    let other = with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "b"}), "k-1").await;
    assert_snapshot!(other.problem(), @"422 idempotency_key_reused");
    let other = with_key(&app, &ann, "POST", "/api/v1/notes?select=id", body(), "k-1").await;
    assert_snapshot!(other.problem(), @"422 idempotency_key_reused");
    let row = app.post(&ann, "/api/v1/notes", json!({"text": "f"})).await.expect(201);
    let elsewhere = row.header("location").expect("a place");
    assert_snapshot!(with_key(&app, &ann, "PATCH", elsewhere, json!({"text": "b"}), "k-1").await.problem(), @"422 idempotency_key_reused");
    let _ = with_key(&app, &ann, "POST", "/api/v1/other", body(), "k-1").await.expect(201);
    let bob = app.user("bob").await;
    let bobs = with_key(&app, &bob, "POST", "/api/v1/notes", body(), "k-1").await.expect(201);
    assert_eq!(bobs.header("idempotency-replayed"), None);
    assert_ne!(bobs.json()["id"], first.json()["id"]);
    // Who may not do it does not hear what came of it, and neither does a credential that may less.
    let reader = TestUser { user: ann.user.clone(), key: app.key(&ann.user, &["notes:read"]).await };
    assert_snapshot!(with_key(&app, &reader, "POST", "/api/v1/notes", body(), "k-1").await.problem(), @"403 missing_scope");
    let writer = TestUser { user: ann.user.clone(), key: app.key(&ann.user, &["notes:write"]).await };
    assert_snapshot!(with_key(&app, &writer, "POST", "/api/v1/notes", body(), "k-1").await.problem(), @"422 idempotency_key_reused");
    assert_snapshot!(with_key(&app, Who::Anyone, "POST", "/api/v1/notes", body(), "k-1").await.problem(), @"401 not_signed_in");
    app.close().await;
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again() {
    let (app, ann) = app().await;
    let row = app.post(&ann, "/api/v1/notes", json!({"text": "a", "sku": "s"})).await.expect(201);
    let path = row.header("location").expect("a place").to_owned();
    let body = || json!({"text": "b", "sku": "s"});
    for _ in 0..2 {
        let refused = with_key(&app, &ann, "POST", "/api/v1/notes", body(), "k").await;
        assert_eq!(refused.problem(), "409 already_exists [sku: already_exists]");
    }
    let _ = app.delete(&ann, &path).await.expect(204);
    let done = with_key(&app, &ann, "POST", "/api/v1/notes", body(), "k").await.expect(201);
    same(&done, &with_key(&app, &ann, "POST", "/api/v1/notes", body(), "k").await);
    // A trial keeps nothing.
    let both = [("idempotency-key", "t"), ("prefer", "tx=rollback")];
    let trial =
        app.ask_with(&ann, "POST", "/api/v1/notes", Some(json!({"text": "t"})), &both).await.expect(201);
    assert_eq!(trial.header("preference-applied"), Some("tx=rollback"));
    let real = with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "t"}), "t").await.expect(201);
    assert_eq!(real.header("idempotency-replayed"), None);
    assert_eq!(count(&app).await, "2");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_make_one_row() {
    let (app, ann) = app().await;
    let app = std::sync::Arc::new(app);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (app, ann) = (app.clone(), ann.clone());
            tokio::spawn(async move {
                loop {
                    let answer =
                        with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "a"}), "k").await;
                    match answer.status {
                        201 => return answer,
                        // The first is still under way, or all connections wait for it.
                        409 | 503 => assert_eq!(answer.header("retry-after"), Some("1")),
                        _ => panic!("{}", answer.text),
                    }
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("an answer"));
    }
    assert!(answers.iter().all(|answer| answer.text == answers[0].text));
    let first = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
    assert_eq!((first, count(&app).await.as_str()), (1, "1"));
    std::sync::Arc::into_inner(app).expect("all are done").close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_long_is_not_waited_for_for_ever() {
    let (app, ann) = app().await;
    // Somebody holds the key, and does not come to an end.
    let held = format!(
        "BEGIN; INSERT INTO api_idempotency (\"userId\", route, key, request) VALUES ('{}', 'POST /api/v1/notes', 'k', 'x')",
        ann.user.id
    );
    let held = app.database.hold(&held).await;
    let answer = with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "a"}), "k").await;
    assert_snapshot!(answer.problem(), @"409 idempotency_key_in_use");
    assert_eq!(answer.header("retry-after"), Some("1"));
    held.release().await;
    let done = with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "a"}), "k").await.expect(201);
    assert_eq!(done.header("idempotency-replayed"), None);
    app.close().await;
}

#[tokio::test]
async fn keys_are_kept_a_day() {
    let (app, ann) = app().await;
    let first = with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "a"}), "k").await.expect(201);
    let _ = with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "b"}), "l").await.expect(201);
    app.database
        .sql("UPDATE api_idempotency SET \"createdAt\" = now() - interval '23 hours 59 minutes'")
        .await;
    same(&first, &with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "a"}), "k").await);
    assert!(!hedgerow::idempotency::clean(&app.app).await.expect("cleaned"));
    assert_eq!(app.database.column("SELECT count(*)::text FROM api_idempotency").await, ["2"]);
    app.database.sql("UPDATE api_idempotency SET \"createdAt\" = now() - interval '24 hours 1 minute'").await;
    // Old ones are as good as gone, also where nobody has taken them away yet.
    let anew = with_key(&app, &ann, "POST", "/api/v1/notes", json!({"text": "other"}), "k").await.expect(201);
    assert_eq!(anew.header("idempotency-replayed"), None);
    assert!(!hedgerow::idempotency::clean(&app.app).await.expect("cleaned"));
    assert_eq!(app.database.column("SELECT key FROM api_idempotency").await, ["k"]);
    app.close().await;
}

/// The server ends the connections between the commit and the answer, and before the commit: whoever asks again gets one row.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_asked_again() {
    let (app, ann) = app().await;
    for n in 0..20 {
        let key = format!("k{n}");
        let body = || json!({"text": format!("t{n}")});
        let ends = app.database.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND usename <> current_user",
        );
        let (asked, ()) = tokio::join!(with_key(&app, &ann, "POST", "/api/v1/notes", body(), &key), ends);
        assert!(matches!(asked.status, 201 | 503), "{}", asked.text);
        let mut again = with_key(&app, &ann, "POST", "/api/v1/notes", body(), &key).await;
        while again.status == 503 {
            again = with_key(&app, &ann, "POST", "/api/v1/notes", body(), &key).await;
        }
        assert_eq!(again.status, 201, "{}", again.text);
        if asked.status == 201 {
            same(&asked, &again);
        }
    }
    assert_eq!(count(&app).await, "20");
    app.close().await;
}
