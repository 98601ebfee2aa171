//! The audit trail: every answered request has one row, a committed write always, and nobody writes or changes one.

use std::sync::Arc;
use std::time::Duration;

use hedgerow::audit::AuditOptions;
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
    let _ = app.get(&ann, "/api/v1/tasks?title=eq.secret").await.expect(200);
    let _ = app.get(&ann, &format!("/api/v1/tasks/{id}")).await.expect(200);
    let _ = app.patch(&ann, &format!("/api/v1/tasks/{id}"), json!({ "title": "b" })).await.expect(200);
    let _ = app.patch(&ann, "/api/v1/tasks/nothing", json!({ "title": "b" })).await.expect(404);
    let _ = app.patch(&ann, "/api/v1/tasks?title=eq.nothing", json!({ "title": "c" })).await.expect(200);
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": "b" })).await.expect(409);
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "titel": "b" })).await.expect(400);
    let _ = app.delete(&ann, &format!("/api/v1/tasks/{id}")).await.expect(204);
    let _ = app.get(Who::Anyone, "/api/v1/open").await.expect(200);
    let _ = app.get(Who::Anyone, "/api/v1/tasks").await.expect(401);
    let _ = app.get(Who::Headers(&[("x-api-key", "hrk_nothing")]), "/api/v1/tasks").await.expect(401);
    let _ = app.get(&ann, "/api/v1/nowhere").await.expect(404);
    let _ = app.get(&ann, "/api/nowhere").await.expect(404);
    let _ = app.post(&ann, "/api/v1/reference", json!({ "text": "x" })).await.expect(403);
    let _ = app.post(&root, "/api/v1/reference", json!({ "text": "x" })).await.expect(201);
    let kept = app.post(&ann, "/api/v1/bin", json!({ "text": "x" })).await.expect(201).json();
    let kept = kept["id"].as_str().expect("an id");
    let _ = app.delete(&ann, &format!("/api/v1/bin/{kept}")).await.expect(204);
    let _ = app.post(&ann, &format!("/api/v1/bin/{kept}/restore"), json!({})).await.expect(200);
    let _ = app.get(Who::Anyone, "/livez").await.expect(200);
    let _ = app.ask(&ann, "TRACE", "/api/v1/tasks", None).await.expect(405);
    // Who comes with what is a credential no more is nobody, known as they were.
    app.database.sql("UPDATE api_keys SET revoked = true").await;
    let _ = app.get(&ann, "/api/v1/tasks").await.expect(401);
    insta::assert_snapshot!(rows(&app).await.join("\n"), @r"
    POST /api/v1/tasks 201 ann key
    GET /api/v1/tasks 200 ann key
    GET /api/v1/tasks/{id} 200 ann key
    PATCH /api/v1/tasks/{id} 200 ann key
    PATCH /api/v1/tasks/{id} 404 ann key
    PATCH /api/v1/tasks 200 ann key
    POST /api/v1/tasks 409 ann key
    POST /api/v1/tasks 400 ann key
    DELETE /api/v1/tasks/{id} 204 ann key
    GET /api/v1/open 200 nobody no key
    GET /api/v1/tasks 401 nobody no key
    GET /api/v1/tasks 401 nobody no key
    GET /api/v1/{entity} 404 ann key
    GET (none) 404 nobody no key
    POST /api/v1/reference 403 ann key
    POST /api/v1/reference 201 root key
    POST /api/v1/bin 201 ann key
    DELETE /api/v1/bin/{id} 204 ann key
    POST /api/v1/bin/{id}/restore 200 ann key
    TRACE /api/v1/tasks 405 nobody no key
    GET /api/v1/tasks 401 nobody no key
    ");
    // No id, no value, no secret is anywhere in it.
    let all = app.database.column("SELECT a::text FROM api_audit_logs a").await.join("\n");
    for secret in ["secret", &id, &ann.key, "hrk_"] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert!(all.contains("127.0.0.1"), "{all}");
    app.close().await;
}

/// What one of many clients asks for, and how the trail names it: some of everything, allowed and refused.
async fn nth(app: &TestApp, user: &TestUser, at: usize) -> String {
    let title = format!("task-{}", at / 2);
    let (method, endpoint, answer) = match at % 10 {
        // Every second title is taken.
        0 | 1 => ("POST", "/api/v1/tasks", app.post(user, "/api/v1/tasks", json!({ "title": title })).await),
        2 => ("GET", "/api/v1/tasks", app.get(user, "/api/v1/tasks?limit=3").await),
        3 => ("GET", "/api/v1/tasks/{id}", app.get(user, "/api/v1/tasks/none").await),
        4 => {
            let body = json!({ "title": format!("{title}b") });
            (
                "PATCH",
                "/api/v1/tasks",
                app.patch(user, &format!("/api/v1/tasks?title=eq.task-{at}"), body).await,
            )
        }
        5 => ("DELETE", "/api/v1/tasks", app.delete(user, "/api/v1/tasks?title=eq.task-0").await),
        6 => ("GET", "/api/v1/open", app.get(Who::Anyone, "/api/v1/open").await),
        7 => ("PATCH", "/api/v1/tasks", app.patch(user, "/api/v1/tasks", json!({ "title": "x" })).await),
        8 => ("GET", "/api/v1/{entity}", app.get(user, "/api/v1/nothing").await),
        _ => ("DELETE", "/api/v1/tasks/{id}", app.delete(Who::Anyone, "/api/v1/tasks/x").await),
    };
    format!("{method} {endpoint} {}", answer.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_what_clients_were_answered() {
    let app = Arc::new(TestApp::with(ENTITIES).await);
    let ann = app.user("ann").await;
    let clients = (0..10).map(|client| {
        let (app, ann) = (app.clone(), ann.clone());
        tokio::spawn(async move {
            let mut ledger = Vec::new();
            for at in 0..30 {
                ledger.push(nth(&app, &ann, client * 30 + at).await);
            }
            ledger
        })
    });
    let mut ledger = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        ledger.extend(client.await.expect("a client"));
    }
    app.app.audit().expect("a trail").settled().await;
    let sql = "SELECT concat_ws(' ', method, endpoint, \"statusCode\") FROM api_audit_logs";
    let mut trail = app.database.column(sql).await;
    ledger.sort();
    trail.sort();
    assert_eq!(trail.len(), 300);
    assert_eq!(trail, ledger);
    for status in ["201", "200", "400", "401", "404", "409"] {
        assert!(ledger.iter().any(|line| line.ends_with(status)), "no {status}");
    }
    Arc::into_inner(app).expect("the last one").close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_says_the_status_of_the_answer_whatever_was_preferred() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let made = app.post(&ann, "/api/v1/tasks", json!({ "title": "a" })).await.expect(201).json();
    let row = format!("/api/v1/tasks/{}", made["id"].as_str().expect("an id"));
    let bearer = format!("Bearer {}", ann.key);
    let body = json!({ "title": "b" });
    let batch = json!({ "operations": [
        { "method": "POST", "path": "/api/v1/tasks", "body": { "title": "c" } },
        { "method": "POST", "path": "/api/v1/tasks", "body": { "title": "d" } },
    ] });
    let mut answers = vec![201];
    for (method, path, body, header) in [
        ("PATCH", &*row, Some(&body), ("prefer", "return=minimal")),
        ("PATCH", "/api/v1/tasks?title=eq.b", Some(&body), ("prefer", "return=minimal")),
        ("PATCH", &row, Some(&body), ("prefer", "return=representation")),
        ("PUT", &row, Some(&body), ("prefer", "return=headers-only")),
        ("POST", "/api/v1/batch", Some(&batch), ("accept", "application/json")),
        // A trial is answered as if it were done, and leaves nothing but its row.
        ("DELETE", &row, None, ("prefer", "tx=rollback")),
        ("DELETE", &row, None, ("prefer", "return=representation")),
        ("POST", "/api/v1/tasks", Some(&json!({ "title": "e" })), ("idempotency-key", "\"k1\"")),
        // Said again, and done once.
        ("POST", "/api/v1/tasks", Some(&json!({ "title": "e" })), ("idempotency-key", "\"k1\"")),
    ] {
        let who = Who::Headers(&[("authorization", &bearer), header]);
        let answer = app.ask(who, method, path, body.map(Value::to_string)).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text);
        answers.push(answer.status);
    }
    app.app.audit().expect("a trail").settled().await;
    let trail = app.database.column("SELECT \"statusCode\" FROM api_audit_logs ORDER BY id").await;
    assert_eq!(trail, answers.iter().map(u16::to_string).collect::<Vec<_>>());
    let titles = "SELECT string_agg(title, ' ' ORDER BY title) FROM tasks";
    assert_eq!(app.database.column(titles).await, ["c d e"]);
    app.close().await;
}

/// Until a statement waits for a lock: the writer of the trail, in these tests.
async fn until_somebody_waits(app: &TestApp) {
    let sql = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
               WHERE NOT l.granted AND a.datname = current_database()";
    let waits = async {
        while app.database.column(sql).await == ["0"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("somebody waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_makes_requests_wait_and_drops_no_row() {
    let server = ServerOptions { request_timeout: Duration::from_secs(2), ..ServerOptions::default() };
    let app = TestApp::with_options(ENTITIES, server, |options| {
        options.audit = Some(AuditOptions { queue: 2, ..AuditOptions::default() });
    })
    .await;
    let ann = app.user("ann").await;
    let held = app.database.hold("BEGIN; LOCK TABLE api_audit_logs IN ACCESS EXCLUSIVE MODE").await;
    let _ = app.get(Who::Anyone, "/api/v1/open").await.expect(200);
    // That one is on its way; two more have room.
    until_somebody_waits(&app).await;
    let _ = app.get(Who::Anyone, "/api/v1/open").await.expect(200);
    let _ = app.get(Who::Anyone, "/api/v1/tasks").await.expect(401);
    // What cannot be recorded is not done.
    let turned_away = app.get(Who::Anyone, "/api/v1/open").await.expect(503);
    assert_eq!(turned_away.header("retry-after"), Some("1"));
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": "never" })).await.expect(503);
    let _ = app.get(Who::Anyone, "/livez").await.expect(200);
    // Who waits when there is room again is answered.
    let (waiting, ()) = tokio::join!(app.get(&ann, "/api/v1/tasks"), held.release());
    assert_eq!(waiting.expect(200).json(), json!([]));
    let trail = rows(&app).await;
    assert_eq!(
        trail,
        [
            "GET /api/v1/open 200 nobody no key",
            "GET /api/v1/open 200 nobody no key",
            "GET /api/v1/tasks 401 nobody no key",
            "GET /api/v1/tasks 200 ann key",
        ]
    );
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_its_row_is_no_write() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": "a" })).await.expect(201);
    app.app.audit().expect("a trail").settled().await;
    let weeks = "DO $$ DECLARE week regclass; BEGIN FOR week IN SELECT inhrelid::regclass FROM pg_inherits
                   WHERE inhparent = 'api_audit_logs'::regclass LOOP EXECUTE format('DROP TABLE %s', week); END LOOP; END $$";
    app.database.owner_sql(weeks).await;
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": "b" })).await.expect(500);
    assert_eq!(app.database.column("SELECT title FROM tasks").await, ["a"]);
    // A later look makes the weeks again, and what waited is written.
    app.app.audit().expect("a trail").keep_once(&app.app).await.expect("weeks");
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": "b" })).await.expect(201);
    assert_eq!(rows(&app).await, ["POST /api/v1/tasks 500 ann key", "POST /api/v1/tasks 201 ann key"]);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_written_at_the_end() {
    let app = TestApp::with(ENTITIES).await;
    let other = TestApp::beside(&app).await;
    for _ in 0..40 {
        let _ = other.get(Who::Anyone, "/api/v1/open").await.expect(200);
    }
    other.close().await;
    assert_eq!(app.database.column("SELECT count(*) FROM api_audit_logs").await, ["40"]);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_their_own_requests_and_administrators_all() {
    let app = TestApp::with(ENTITIES).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let root = app.user_with("root", "admin", &["audit:read"]).await;
    let narrow = app.key(&ann.user, &["tasks:*"]).await;
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": "a" })).await.expect(201);
    let _ = app.get(&bob, "/api/v1/tasks?title=eq.a").await.expect(200);
    let _ = app.get(Who::Anyone, "/api/v1/tasks").await.expect(401);
    app.app.audit().expect("a trail").settled().await;
    let seen = |answer: &Value| {
        let line = |row: &Value| format!("{} {} {}", row["method"], row["endpoint"], row["statusCode"]);
        answer.as_array().expect("rows").iter().map(line).collect::<Vec<_>>().join("; ").replace('"', "")
    };
    let own = app.get(&ann, "/api/v1/audit-logs").await.expect(200);
    assert_eq!(seen(&own.json()), "POST /api/v1/tasks 201");
    let row = &own.json()[0];
    let keys: Vec<&str> = row.as_object().expect("a row").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "id",
            "userId",
            "apiKeyId",
            "endpoint",
            "method",
            "statusCode",
            "responseTime",
            "ipAddress",
            "userAgent",
            "createdAt"
        ]
    );
    assert_eq!(
        (row["userId"].as_str(), row["ipAddress"].as_str()),
        (Some(ann.user.id.as_str()), Some("127.0.0.1"))
    );
    let foreign = format!("/api/v1/audit-logs?userId=eq.{}", ann.user.id);
    assert_eq!(app.get(&bob, &foreign).await.expect(200).json(), json!([]));
    app.app.audit().expect("a trail").settled().await;
    let all =
        app.get(&root, "/api/v1/audit-logs?order=createdAt,id&endpoint=eq./api/v1/tasks").await.expect(200);
    assert_eq!(seen(&all.json()), "POST /api/v1/tasks 201; GET /api/v1/tasks 200; GET /api/v1/tasks 401");
    let refused = app.get(&root, "/api/v1/audit-logs?statusCode=gte.400&select=statusCode&limit=1").await;
    assert_eq!(refused.expect(200).json(), json!([{ "statusCode": 401 }]));
    assert_eq!(app.get(&root, &foreign).await.expect(200).json()[0]["userId"], json!(ann.user.id.as_str()));
    // As a file, of any length.
    let header = format!("Bearer {}", root.key);
    for (kind, expected) in [
        ("text/csv", "method,statusCode POST,201 GET,200 GET,401"),
        (
            "application/x-ndjson",
            r#"{"method":"POST","statusCode":201} {"method":"GET","statusCode":200} {"method":"GET","statusCode":401}"#,
        ),
    ] {
        let who = Who::Headers(&[("authorization", &header), ("accept", kind)]);
        let path = "/api/v1/audit-logs?select=method,statusCode&order=createdAt,id&endpoint=eq./api/v1/tasks";
        let file = app.get(who, path).await.expect(200).text;
        assert_eq!(file.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    }
    let header = format!("Bearer {narrow}");
    let narrow = Who::Headers(&[("authorization", &header)]);
    assert_eq!(app.get(narrow, "/api/v1/audit-logs").await.problem(), "403 missing_scope");
    assert_eq!(app.get(Who::Anyone, "/api/v1/audit-logs").await.problem(), "401 not_signed_in");
    for wrong in
        ["nothing=eq.1", "updatedAt=gt.2026-01-01", "userMark=eq.x", "writtenBy=gt.0", "statusCode=eq.x"]
    {
        let _ = app.get(&root, &format!("/api/v1/audit-logs?{wrong}")).await.expect(400);
    }
    for method in ["POST", "PATCH", "PUT", "DELETE"] {
        let _ = app.ask(&root, method, "/api/v1/audit-logs", Some("{}".to_owned())).await.expect(405);
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_sign_in_are_in_the_trail() {
    let app = TestApp::with(ENTITIES).await;
    let account = json!({ "email": "eve@example.com", "password": "a long password", "name": "eve" });
    let made = app.post(Who::Anyone, "/api/auth/sign-up/email", account).await.expect(200);
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    let wrong = json!({ "email": "eve@example.com", "password": "a wrong password" });
    let _ = app.post(Who::Anyone, "/api/auth/sign-in/email", wrong).await.expect(401);
    let header = format!("Bearer {token}");
    let _ = app
        .post(Who::Headers(&[("authorization", &header)]), "/api/auth/update-user", json!({ "name": "eve" }))
        .await
        .expect(200);
    let _ = app.get(Who::Headers(&[("authorization", &header)]), "/api/auth/get-session").await.expect(200);
    let _ = app
        .post(Who::Headers(&[("authorization", &header)]), "/api/v1/tasks", json!({ "title": "x" }))
        .await
        .expect(201);
    assert_eq!(
        rows(&app).await,
        [
            "POST /api/auth/sign-up/email 200 eve no key",
            "POST /api/auth/sign-in/email 401 nobody no key",
            "POST /api/auth/update-user 200 eve no key",
            "POST /api/v1/tasks 201 eve no key",
        ]
    );
    app.close().await;
}

/// How much slower lists are with a trail: `cargo test -p hedgerow-server --test api overhead -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn overhead() {
    let app = TestApp::with(ENTITIES).await;
    let off = TestApp::with_options(ENTITIES, ServerOptions::default(), |options| options.audit = None).await;
    let mut times = [Vec::new(), Vec::new()];
    let users = [app.user("ann").await, off.user("ann").await];
    for _ in 0..1500 {
        for ((app, user), times) in [&app, &off].into_iter().zip(&users).zip(&mut times) {
            let begun = std::time::Instant::now();
            let _ = app.get(user, "/api/v1/tasks?limit=20").await.expect(200);
            times.push(begun.elapsed());
        }
    }
    let [on, without] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!(
        "median with a trail {on:?}, without {without:?}, ratio {:.3}",
        without.as_secs_f64() / on.as_secs_f64()
    );
    app.close().await;
    off.close().await;
}
