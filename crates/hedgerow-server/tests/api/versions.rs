//! Entity tags of rows: reading what changed, and changing only what was read.

use hedgerow_testing::{Answer, TestApp};
use insta::assert_snapshot;
use serde_json::json;

const TASKS: &str = "fields.title = { type = \"text\" }\nfields.n = { type = \"integer\" }\nfields.friends = { type = \"relation_many\", entity = \"tasks\" }";

fn tag(answer: &Answer) -> String {
    let tag = answer.header("etag").unwrap_or_else(|| panic!("a tag: {} {}", answer.status, answer.text));
    assert!(tag.starts_with('"') && tag.ends_with('"'), "strong: {tag}");
    tag.to_owned()
}

#[tokio::test]
async fn a_tag_is_another_after_each_change() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let made = app.post(&ann, "/api/v1/tasks", json!({"title": "a"})).await.expect(201);
    let path = made.header("location").expect("a place").to_owned();
    let mut seen = vec![tag(&made)];
    assert_eq!(tag(&app.get(&ann, &path).await), seen[0], "the same row, the same tag");
    for body in [
        json!({"title": "b"}),
        json!({"title": "b"}),
        json!({"n": 1}),
        json!({"friends": [made.json()["id"]]}),
    ] {
        let changed = tag(&app.patch(&ann, &path, body).await.expect(200));
        assert_eq!(tag(&app.get(&ann, &path).await), changed);
        assert!(!seen.contains(&changed), "{changed} {seen:?}");
        seen.push(changed);
    }
    let put = tag(&app.put(&ann, &path, json!({"title": "b"})).await.expect(200));
    assert!(!seen.contains(&put));
    // Other fields are another answer of the same version.
    let part = tag(&app.get(&ann, &format!("{path}?select=title")).await);
    assert_ne!(part, put);
    assert_eq!(part.split('-').next(), put.split('-').next());
    assert_eq!(app.get(&ann, "/api/v1/tasks").await.header("etag"), None, "a list has none");
    app.close().await;
}

#[tokio::test]
async fn who_has_the_row_is_not_sent_it_again() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let made = app.post(&ann, "/api/v1/tasks", json!({"title": "a"})).await.expect(201);
    let path = made.header("location").expect("a place").to_owned();
    let tag = tag(&made);
    let weak = format!("W/{tag}");
    let several = format!("\"other\", {tag}");
    for known in [tag.as_str(), weak.as_str(), several.as_str(), "*"] {
        let answer = app.ask_with(&ann, "GET", &path, None, &[("if-none-match", known)]).await.expect(304);
        assert_eq!((answer.text.as_str(), answer.header("etag")), ("", Some(tag.as_str())), "{known}");
    }
    let _ = app.ask_with(&ann, "GET", &path, None, &[("if-none-match", "\"other\"")]).await.expect(200);
    let _ = app.patch(&ann, &path, json!({"n": 1})).await.expect(200);
    let _ = app.ask_with(&ann, "GET", &path, None, &[("if-none-match", &tag)]).await.expect(200);
    app.close().await;
}

#[tokio::test]
async fn only_the_version_that_was_read_is_changed() {
    let bin = "soft_delete = true\nfields.title = { type = \"text\" }";
    let open = "access = { read = \"public\" }\nfields.title = { type = \"text\" }";
    let app = TestApp::with(&[("tasks", TASKS), ("bin", bin), ("open", open)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    for entity in ["tasks", "bin", "open"] {
        let made = app.post(&ann, &format!("/api/v1/{entity}"), json!({"title": "a"})).await.expect(201);
        let path = made.header("location").expect("a place").to_owned();
        let old = tag(&made);
        let part = tag(&app.get(&ann, &format!("{path}?select=title")).await);
        let with = async |who, method, tag: &str| {
            let body = (method != "DELETE").then(|| json!({"title": method}));
            app.ask_with(who, method, &path, body, &[("if-match", tag)]).await
        };
        let new = tag(&with(&ann, "PATCH", &part).await.expect(200));
        for method in ["PATCH", "PUT", "DELETE"] {
            for stale in [old.as_str(), "\"x\"", "\"\"", "nonsense", &format!("W/{new}")] {
                let answer = with(&ann, method, stale).await;
                assert_eq!(answer.problem(), "412 precondition_failed", "{entity} {method} {stale}");
            }
        }
        assert_eq!(app.get(&ann, &path).await.json()["title"], "PATCH");
        // Whose row it is comes first: a tag tells nobody anything.
        let expected = if entity == "open" { "403 not_owner" } else { "404 not_found" };
        assert_eq!(with(&bob, "PATCH", &new).await.problem(), expected);
        assert_eq!(with(&bob, "DELETE", &old).await.problem(), expected);
        let put = tag(&with(&ann, "PUT", &format!("{old}, {new}")).await.expect(200));
        let _ = with(&ann, "PATCH", "*").await.expect(200);
        assert_eq!(with(&ann, "DELETE", &put).await.problem(), "412 precondition_failed");
        let now = tag(&app.get(&ann, &path).await);
        let _ = with(&ann, "DELETE", &now).await.expect(204);
        assert_eq!(with(&ann, "DELETE", &now).await.problem(), "404 not_found");
    }
    // What would not be conditional is refused.
    for (method, path) in [
        ("PATCH", "/api/v1/tasks?title=eq.a"),
        ("DELETE", "/api/v1/tasks?title=eq.a"),
        ("GET", "/api/v1/tasks"),
        ("POST", "/api/v1/tasks"),
    ] {
        let body = matches!(method, "PATCH" | "POST").then(|| json!({"title": "x"}));
        let answer = app.ask_with(&ann, method, path, body, &[("if-match", "\"1-2\"")]).await;
        assert_eq!(answer.problem(), "400 unsupported_header", "{method}");
    }
    app.close().await;
}

#[tokio::test]
async fn a_stale_version_leaves_links_as_they_are() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let made = app.post(&ann, "/api/v1/tasks", json!({"title": "a"})).await.expect(201);
    let path = made.header("location").expect("a place").to_owned();
    let old = tag(&made);
    let own = made.json()["id"].clone();
    let _ = app.patch(&ann, &path, json!({"friends": [own]})).await.expect(200);
    let stale = app.ask_with(&ann, "PATCH", &path, Some(json!({"friends": []})), &[("if-match", &old)]).await;
    assert_snapshot!(stale.problem(), @"412 precondition_failed");
    assert_eq!(app.get(&ann, &path).await.json()["friends"], json!([own]));
    app.close().await;
}

/// Each reads, adds one and writes under the version that it read: no addition is lost.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_overwrites_what_they_have_not_read() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    let made = app.post(&ann, "/api/v1/tasks", json!({"n": 0})).await.expect(201);
    let path = made.header("location").expect("a place").to_owned();
    let add = async || {
        loop {
            let read = app.get(&ann, &path).await.expect(200);
            let n = read.json()["n"].as_i64().expect("a number");
            let version = tag(&read);
            let body = Some(json!({"n": n + 1}));
            let written = app.ask_with(&ann, "PATCH", &path, body, &[("if-match", &version)]).await;
            match written.status {
                200 => return,
                412 => {}
                _ => panic!("{}", written.text),
            }
        }
    };
    tokio::join!(add(), add(), add(), add(), add(), add(), add(), add());
    assert_eq!(app.get(&ann, &path).await.json()["n"], 8);
    app.close().await;
}
