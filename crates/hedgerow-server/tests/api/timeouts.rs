//! How long a statement may run: reads, writes and imports have time of their own, and what takes longer is stopped and told.

use std::time::{Duration, Instant};

use hedgerow::database::{Identity, WorkTimeouts};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, TestApp, TestUser};
use serde_json::json;

const NOTES: (&str, &str) = ("notes", "fields.number = { type = \"integer\", unique = true }");
/// Far below the general limit of 30 s.
const SHORT: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(15);

async fn app(timeouts: WorkTimeouts) -> (TestApp, TestUser) {
    let app = TestApp::with_options(&[NOTES], ServerOptions::default(), |options| {
        options.pool.timeouts = timeouts;
    })
    .await;
    let ann = app.user("ann").await;
    (app, ann)
}

/// The answer to something slow: stopped by its own limit, and told so that it can be understood.
fn stopped(since: Instant, answer: &Answer) {
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    assert_eq!(answer.problem(), "503 too_slow", "{}", answer.text);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.text.contains("this took too long and was stopped"), "{}", answer.text);
}

#[tokio::test]
async fn a_write_that_waits_for_another_ends_after_its_time() {
    let (app, ann) = app(WorkTimeouts { write: Some(SHORT), ..WorkTimeouts::default() }).await;
    let row = app.post(&ann, "/api/v1/notes", json!({"number": 1})).await.expect(201);
    let path = row.header("location").expect("a place").to_owned();
    // Somebody holds the row.
    let mut holder =
        app.app.database().transaction(&Identity::User(ann.user.id.clone())).await.expect("a transaction");
    holder.execute("UPDATE notes SET number = 2", &[]).await.expect("the row");
    let operation = json!({"method": "PATCH", "path": path, "body": {"number": 3}});
    let start = Instant::now();
    stopped(start, &app.patch(&ann, &path, json!({"number": 3})).await);
    let start = Instant::now();
    stopped(start, &app.post(&ann, "/api/v1/batch", json!({"operations": [operation]})).await);
    // Reads wait for nobody, and have the usual time.
    assert_eq!(app.get(&ann, &path).await.expect(200).json()["number"], 1);
    holder.rollback().await.expect("the end");
    assert_eq!(app.patch(&ann, &path, json!({"number": 3})).await.expect(200).json()["number"], 3);
    app.close().await;
}

#[tokio::test]
async fn a_read_ends_after_its_time() {
    let (app, ann) = app(WorkTimeouts { read: Some(SHORT), ..WorkTimeouts::default() }).await;
    let _ = app.post(&ann, "/api/v1/notes", json!({"number": 1})).await.expect(201);
    // Every policy asks who asks, and is told late where it is somebody.
    app.database
        .owner_sql(
            "CREATE OR REPLACE FUNCTION public.get_auth_user_id() RETURNS text LANGUAGE sql STABLE \
             AS $$SELECT NULL::text FROM pg_catalog.pg_sleep(CASE current_setting('app.user_id', true) WHEN '' THEN 0 ELSE 20 END)$$",
        )
        .await;
    let start = Instant::now();
    stopped(start, &app.get(&ann, "/api/v1/notes").await);
    app.close().await;
}

#[tokio::test]
async fn an_import_has_its_own_time() {
    let own = WorkTimeouts { write: Some(SOON * 2), import: Some(SHORT), read: None };
    let (app, ann) = app(own).await;
    // Somebody is about to take a number that the file has.
    let mut holder =
        app.app.database().transaction(&Identity::User(ann.user.id.clone())).await.expect("a transaction");
    holder.execute("INSERT INTO notes (number) VALUES (7)", &[]).await.expect("the number");
    let start = Instant::now();
    stopped(start, &app.post(&ann, "/api/v1/notes/import", json!([{"number": 6}, {"number": 7}])).await);
    holder.rollback().await.expect("the end");
    let done = app.post(&ann, "/api/v1/notes/import", json!([{"number": 6}, {"number": 7}])).await;
    assert_eq!(done.expect(200).json()["created"], 2);
    app.close().await;
}
