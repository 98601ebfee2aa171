//! Keys that are remembered: what was revoked, banned or changed counts with the next request, on every instance.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hedgerow_testing::{Answer, TestApp, TestUser};
use serde_json::json;

const NOTES: &str = "fields.text = { type = \"text\" }";
const REFERENCE: &str =
    "access = { read = \"public\", write = \"admin\" }\nfields.text = { type = \"text\" }";

async fn status(app: &TestApp, user: &TestUser, method: &'static str, path: &str) -> u16 {
    let body = (method == "POST").then(|| json!({"text": "x"}).to_string());
    app.ask(user, method, path, body).await.status
}

#[tokio::test]
async fn a_known_key_costs_no_flight_of_its_own() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let count = async |method: &'static str, path: &str, expected: u16| {
        let before = app.app.database().exchanges();
        assert_eq!(status(&app, &ann, method, path).await, expected, "{method} {path}");
        app.app.database().exchanges() - before
    };
    assert_eq!(count("GET", "/api/v1/notes", 200).await, 3, "look-up with its types, and the list");
    assert_eq!(count("GET", "/api/v1/notes", 200).await, 1);
    assert_eq!(count("POST", "/api/v1/notes", 201).await, 1);
    assert_eq!(count("DELETE", "/api/v1/notes?text=eq.x", 200).await, 1);
    assert_eq!(count("GET", "/api/v1/notes/nothing", 404).await, 1);
    // What no flight of its own has proved is looked up.
    assert_eq!(count("GET", "/api/v1/notes?nothing=eq.x", 400).await, 1);
    assert_eq!(count("GET", "/api/v1/notes", 200).await, 1);
    app.close().await;
}

#[tokio::test]
async fn a_key_revoked_on_one_instance_is_refused_by_the_next_request_on_another() {
    let one = TestApp::with(&[("notes", NOTES)]).await;
    let two = TestApp::beside(&one).await;
    let ann = one.user("ann").await;
    let (mut plain, mut refused) = (Vec::new(), Vec::new());
    for round in 0..200 {
        let key = TestUser { user: ann.user.clone(), key: one.key(&ann.user, &["*"]).await };
        let [revoker, asked] = if round % 2 == 0 { [&one, &two] } else { [&two, &one] };
        for _ in 0..2 {
            let start = Instant::now();
            assert_eq!(status(asked, &key, "GET", "/api/v1/notes").await, 200);
            plain.push(start.elapsed());
        }
        let keys = hedgerow::api_keys::list(&revoker.app, Some(&ann.user.id)).await.expect("keys");
        let newest = keys.last().expect("a key");
        hedgerow::api_keys::revoke(&revoker.app, &newest.id).await.expect("revoked");
        let start = Instant::now();
        let (method, path) =
            [("GET", "/api/v1/notes"), ("POST", "/api/v1/notes"), ("GET", "/api/v1/notes?x=y")][round % 3];
        assert_eq!(status(asked, &key, method, path).await, 401, "round {round}: {method} {path}");
        refused.push(start.elapsed());
    }
    let written = one.database.column("SELECT count(*) FROM notes").await;
    assert_eq!(written, ["0"], "nothing was written with a revoked key");
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let (plain, refused) = (median(&mut plain), median(&mut refused));
    eprintln!("a plain request {plain:?}, from revoked to 401 {refused:?} (medians)");
    assert!(refused < plain * 20, "from revoked to 401 {refused:?}, a plain request {plain:?}");
    two.close().await;
    one.close().await;
}

#[tokio::test]
async fn keys_revoked_while_they_are_used_write_nothing_afterwards() {
    let one = TestApp::with(&[("notes", NOTES)]).await;
    let two = TestApp::beside(&one).await;
    let ann = one.user("ann").await;
    for _ in 0..10 {
        let key = TestUser { user: ann.user.clone(), key: one.key(&ann.user, &["*"]).await };
        assert_eq!(status(&two, &key, "POST", "/api/v1/notes").await, 201);
        let keys = hedgerow::api_keys::list(&one.app, Some(&ann.user.id)).await.expect("keys");
        let id = keys.last().expect("a key").id.clone();
        let writing = async {
            let mut answers = Vec::new();
            loop {
                let answer = status(&two, &key, "POST", "/api/v1/notes").await;
                answers.push(answer);
                if answer != 201 {
                    return answers;
                }
            }
        };
        let revoking = async { hedgerow::api_keys::revoke(&one.app, &id).await.expect("revoked") };
        let (answers, ()) = tokio::join!(writing, revoking);
        assert_eq!(answers.last(), Some(&401), "{answers:?}");
        let after = status(&two, &key, "POST", "/api/v1/notes").await;
        assert_eq!(after, 401);
    }
    two.close().await;
    one.close().await;
}

#[tokio::test]
async fn every_change_counts_with_the_next_request() {
    let one = TestApp::with(&[("notes", NOTES), ("items", REFERENCE)]).await;
    let two = TestApp::beside(&one).await;
    let next = AtomicU32::new(0);
    let check =
        async |change: &str, method: &'static str, path: &str, before: u16, after: u16, back: &str| {
            let name = format!("u{}", next.fetch_add(1, Ordering::Relaxed));
            let root = one.user_with(&name, "admin", &["*"]).await;
            let of = |sql: &str| sql.replace("{user}", root.user.id.as_str());
            for app in [&one, &two] {
                assert_eq!(status(app, &root, "GET", "/api/v1/notes").await, 200);
                assert_eq!(status(app, &root, method, path).await, before, "{change} {method} {path}");
            }
            one.database.sql(&of(change)).await;
            for app in [&one, &two] {
                for _ in 0..2 {
                    assert_eq!(status(app, &root, method, path).await, after, "{change} {method} {path}");
                }
            }
            if !back.is_empty() {
                one.database.sql(&of(back)).await;
                for app in [&one, &two] {
                    for _ in 0..2 {
                        assert_eq!(status(app, &root, method, path).await, before, "{back} {method} {path}");
                    }
                }
            }
        };
    let key = "WHERE \"userId\" = '{user}'";
    let user = "WHERE id = '{user}'";
    let changes = [
        (
            format!("UPDATE api_keys SET revoked = true {key}"),
            format!("UPDATE api_keys SET revoked = false {key}"),
        ),
        (
            format!("UPDATE api_keys SET \"expiresAt\" = now() {key}"),
            format!("UPDATE api_keys SET \"expiresAt\" = now() + '1 hour' {key}"),
        ),
        (
            format!("UPDATE \"user\" SET banned = true {user}"),
            format!("UPDATE \"user\" SET \"banExpires\" = now() {user}"),
        ),
        (format!("DELETE FROM \"user\" {user}"), String::new()),
    ];
    for (change, back) in &changes {
        for (method, path, before) in [
            ("GET", "/api/v1/notes", 200),
            ("POST", "/api/v1/notes", 201),
            ("POST", "/api/v1/items", 201),
            ("GET", "/api/v1/items", 200),
            ("GET", "/api/v1/notes?nothing=eq.x", 400),
            ("GET", "/api/v1/nothing", 404),
            ("GET", "/api/v1/notes/nothing", 404),
            ("GET", "/api/v1/api-keys", 200),
        ] {
            check(change, method, path, before, 401, back).await;
        }
    }
    let scopes = |text: &str| format!("UPDATE api_keys SET scopes = '{{{text}}}' {key}");
    check(&scopes("items:read"), "GET", "/api/v1/notes", 200, 403, &scopes("*")).await;
    check(&scopes("notes:read"), "POST", "/api/v1/notes", 201, 403, &scopes("notes:*")).await;
    let role = |role: &str| format!("UPDATE \"user\" SET role = '{role}' {user}");
    check(&role("member"), "POST", "/api/v1/items", 201, 403, &role("admin,other")).await;
    let from = |list: &str| format!("UPDATE api_keys SET \"allowedIps\" = {list} {key}");
    check(&from("'{192.0.2.1}'"), "GET", "/api/v1/notes", 200, 403, &from("'{127.0.0.0/8}'")).await;
    two.close().await;
    one.close().await;
}

#[tokio::test]
async fn a_request_whose_caller_changed_is_done_once_with_its_whole_body() {
    let app = TestApp::with(&[("items", REFERENCE)]).await;
    let root = app.user_with("root", "admin", &["*"]).await;
    let post = async |text: &str| -> Answer { app.post(&root, "/api/v1/items", json!({"text": text})).await };
    let _ = post("first").await.expect(201);
    let long = "a long text ".repeat(10_000);
    for role in ["admin,editor", "editor,admin", "admin"] {
        app.database.sql(&format!("UPDATE \"user\" SET role = '{role}'")).await;
        let row = post(&long).await.expect(201).json();
        assert_eq!(row["text"], long);
    }
    assert_eq!(app.database.column("SELECT count(*) FROM items").await, ["4"]);
    app.close().await;
}
