//! `/api/v1/api-keys`: making, showing, renaming, rotating and stopping keys.

use std::net::IpAddr;

use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, Browser, TestApp, TestUser, Who};
use insta::assert_snapshot;
use serde_json::{Value, json};

const NOTES: &str = "fields.text = { type = \"text\" }";
const PATH: &str = "/api/v1/api-keys";

async fn signed_up<'a>(app: &'a TestApp, name: &str) -> Browser<'a> {
    let browser = app.browser();
    let email = format!("{name}@example.com");
    let body = json!({ "name": name, "email": email, "password": "correct horse battery" });
    let _ = browser.post("/sign-up/email", body).await.expect(200);
    browser
}

async fn send(browser: &Browser<'_>, method: &'static str, path: &str, body: Value) -> Answer {
    let body = (!body.is_null()).then(|| body.to_string());
    browser.ask(method, path, body, &[]).await
}

async fn made(browser: &Browser<'_>, body: Value) -> Value {
    send(browser, "POST", PATH, body).await.expect(201).json()
}

fn bearer(key: &Value) -> String {
    format!("Bearer {}", key["key"].as_str().expect("a key"))
}

async fn works(app: &TestApp, key: &Value) -> u16 {
    app.get(Who::Headers(&[("authorization", &bearer(key))]), "/api/v1/notes").await.status
}

fn of(key: &Value) -> String {
    format!("{PATH}/{}", key["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn a_person_makes_keys_and_stops_them() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = signed_up(&app, "ann").await;
    let answer = send(
        &ann,
        "POST",
        PATH,
        json!({"name": " build ", "scopes": ["notes:read"], "expiresAt": "2100-01-31T10:30:00+01:00", "allowedIps": ["127.0.0.1", "10.1.2.3/8"]}),
    )
    .await
    .expect(201);
    let key = answer.json();
    assert_eq!(answer.header("location"), Some(of(&key).as_str()));
    let members: Vec<&str> = key.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_snapshot!(members.join(" "), @"id userId name prefix scopes allowedIps createdAt expiresAt lastUsed requestCount revoked replacedBy key");
    assert_eq!(key["name"], "build");
    assert_eq!(key["expiresAt"], "2100-01-31T09:30:00.000Z");
    assert_eq!(key["allowedIps"], json!(["127.0.0.1/32", "10.0.0.0/8"]));
    assert_eq!(
        (&key["lastUsed"], &key["requestCount"], &key["revoked"]),
        (&Value::Null, &json!(0), &json!(false))
    );
    assert!(
        key["key"].as_str().is_some_and(|text| text.starts_with(key["prefix"].as_str().expect("a text")))
    );
    assert_eq!(works(&app, &key).await, 200);

    // Shown once.
    let other = made(&ann, json!({"name": "other", "scopes": ["*"]})).await;
    let list = send(&ann, "GET", PATH, Value::Null).await.expect(200);
    assert_eq!(list.header("content-range"), Some("0-1/*"));
    assert!(!list.text.contains(key["key"].as_str().expect("a key")), "{}", list.text);
    let names: Vec<Value> =
        list.json().as_array().expect("keys").iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["other", "build"], "newest first");
    let page = send(&ann, "GET", &format!("{PATH}?limit=1"), Value::Null).await.expect(200);
    assert_eq!(page.json().as_array().map(Vec::len), Some(1));
    assert_eq!(page.header("link"), Some("</api/v1/api-keys?limit=1&offset=1>; rel=\"next\""));
    let mut known = key.clone();
    known.as_object_mut().expect("an object").remove("key");
    let shown = send(&ann, "GET", &of(&key), Value::Null).await.expect(200);
    assert_eq!(shown.json()["id"], known["id"]);

    let renamed = send(&ann, "PATCH", &of(&key), json!({"name": "ci"})).await.expect(200).json();
    assert_eq!(renamed["name"], "ci");
    let revoked = send(&ann, "POST", &format!("{}/revoke", of(&key)), Value::Null).await.expect(200).json();
    assert_eq!(revoked["revoked"], true);
    assert_eq!(works(&app, &key).await, 401);
    assert_eq!(works(&app, &other).await, 200);
    let _ = send(&ann, "DELETE", &of(&other), Value::Null).await.expect(204);
    assert_eq!(works(&app, &other).await, 401);
    assert_eq!(send(&ann, "GET", &of(&other), Value::Null).await.problem(), "404 not_found");
    app.close().await;
}

#[tokio::test]
async fn a_key_makes_no_keys_and_does_with_them_what_its_scopes_say() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let check = async |scopes: &[&str], expected: [&str; 6]| {
        let user = TestUser { user: ann.user.clone(), key: app.key(&ann.user, scopes).await };
        let target = app.key(&ann.user, &["notes:read"]).await;
        let keys = hedgerow::api_keys::list(&app.app, Some(&ann.user.id)).await.expect("keys");
        let newest = keys.iter().find(|key| target.starts_with(&key.prefix)).expect("the key");
        let path = format!("{PATH}/{}", newest.id);
        let said =
            |answer: Answer| if answer.status < 400 { answer.status.to_string() } else { answer.problem() };
        let answers = [
            said(app.get(&user, PATH).await),
            said(app.post(&user, PATH, json!({"name": "x", "scopes": ["*"]})).await),
            said(app.patch(&user, &path, json!({"name": "x"})).await),
            said(app.ask(&user, "POST", &format!("{path}/rotate"), None).await),
            said(app.ask(&user, "POST", &format!("{path}/revoke"), None).await),
            said(app.delete(&user, &path).await),
        ];
        assert_eq!(answers, expected, "{scopes:?}");
    };
    let (scope, session) = ("403 missing_scope", "403 session_required");
    check(&["*"], ["200", session, "200", session, "200", "204"]).await;
    check(&["keys:*"], ["200", session, "200", session, "200", "204"]).await;
    check(&["keys:read"], ["200", session, scope, session, scope, scope]).await;
    check(&["keys:write"], [scope, session, "200", session, scope, scope]).await;
    check(&["keys:delete"], [scope, session, scope, session, "200", "204"]).await;
    check(&["notes:*"], [scope, session, scope, session, scope, scope]).await;
    assert_eq!(app.get(Who::Anyone, PATH).await.problem(), "401 not_signed_in");
    assert_eq!(app.post(Who::Anyone, PATH, json!({})).await.problem(), "401 not_signed_in");
    app.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = signed_up(&app, "ann").await;
    let key = made(&ann, json!({"name": "a", "scopes": ["notes:read"]})).await;
    let check = async |method: &'static str, path: &str, body: &str, expected: &str| {
        let answer = ann.ask(method, path, Some(body.to_owned()), &[]).await;
        assert_eq!(answer.problem(), expected, "{method} {path} {body}");
    };
    let rotate = format!("{}/rotate", of(&key));
    for (body, expected) in [
        ("", "400 invalid_json [: invalid_json]"),
        ("[]", "400 invalid_body [: invalid_body]"),
        ("{}", "400 invalid_input [name: required, scopes: required]"),
        (r#"{"name":1,"scopes":"*"}"#, "400 invalid_input [name: invalid_text, scopes: invalid_list]"),
        (r#"{"name":"a","name":"b","scopes":["*"]}"#, "400 repeated_field [name: repeated_field]"),
        (r#"{"name":" ","scopes":[]}"#, "400 invalid_input [name: invalid_name, scopes: scope_required]"),
        (
            r#"{"name":"a","scopes":["*",7,"notes","tasks:read"]}"#,
            "400 invalid_input [scopes[1]: invalid_scope, scopes[2]: invalid_scope]",
        ),
        (r#"{"name":"a","scopes":["*","tasks:read"]}"#, "400 unknown_scope [scopes[1]: unknown_scope]"),
        (r#"{"name":"a","scopes":["audit:write"]}"#, "400 unknown_scope [scopes[0]: unknown_scope]"),
        (
            r#"{"name":"a","scopes":["*"],"expiresAt":"soon","allowedIps":["x","10.0.0.0/99"]}"#,
            "400 invalid_input [expiresAt: invalid_datetime, allowedIps[0]: invalid_address, allowedIps[1]: invalid_address]",
        ),
        (
            r#"{"name":"a","scopes":["*"],"expiresAt":"2001-01-01T00:00:00Z","allowedIps":[]}"#,
            "400 invalid_input [expiresAt: invalid_expiry, allowedIps: invalid_list]",
        ),
        (
            r#"{"name":"a","scopes":["*"],"userId":"x","key":"hrk_x","revoked":false}"#,
            "400 invalid_input [userId: unknown_field, key: unknown_field, revoked: unknown_field]",
        ),
        ("{\"name\":\"a\\u0000\",\"scopes\":[\"*\"]}", "400 invalid_name [name: invalid_name]"),
    ] {
        check("POST", PATH, body, expected).await;
    }
    for (method, path, body, expected) in [
        ("PATCH", of(&key), r#"{"name":"a","scopes":["*"]}"#, "400 unknown_field [scopes: unknown_field]"),
        ("PATCH", of(&key), "{}", "400 required [name: required]"),
        ("POST", rotate.clone(), r#"{"overlap":"1d"}"#, "400 invalid_overlap [overlap: invalid_overlap]"),
        ("POST", rotate.clone(), r#"{"overlap":-1}"#, "400 invalid_overlap [overlap: invalid_overlap]"),
        ("POST", rotate, r#"{"overlap":2592001}"#, "400 invalid_overlap [overlap: invalid_overlap]"),
        ("POST", format!("{}/revoke", of(&key)), r#"{"x":1}"#, "400 unknown_field [x: unknown_field]"),
        ("POST", format!("{PATH}?x=1"), "{}", "400 unknown_parameter [x: unknown_parameter]"),
        ("PATCH", format!("{PATH}/%00"), r#"{"name":"a"}"#, "404 not_found"),
    ] {
        check(method, &path, body, expected).await;
    }
    for (query, expected) in [
        ("limit=1001", "400 invalid_limit [limit: invalid_limit]"),
        ("limit=1&limit=2", "400 repeated_parameter [limit: repeated_parameter]"),
        ("offset=-1&name=eq.a", "400 invalid_input [offset: invalid_offset, name: unknown_parameter]"),
    ] {
        let answer = send(&ann, "GET", &format!("{PATH}?{query}"), Value::Null).await;
        assert_eq!(answer.problem(), expected, "{query}");
    }
    app.close().await;
}

#[tokio::test]
async fn the_key_of_another_is_answered_like_one_that_is_not_there() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let (ann, bob) = (signed_up(&app, "ann").await, signed_up(&app, "bob").await);
    let key = made(&ann, json!({"name": "a", "scopes": ["*"]})).await;
    let id = key["id"].as_str().expect("an id");
    let absent = "01900000-0000-7000-8000-000000000000";
    for (method, end, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({"name": "x"})),
        ("DELETE", "", Value::Null),
        ("POST", "/revoke", Value::Null),
        ("POST", "/rotate", Value::Null),
    ] {
        let [foreign, absent] = [id, absent].map(|id| (id, format!("{PATH}/{id}{end}")));
        let mut texts = Vec::new();
        for (id, path) in [foreign, absent] {
            let answer = send(&bob, method, &path, body.clone()).await.expect(404);
            let request = answer.header("x-request-id").expect("an id").to_owned();
            texts.push(answer.text.replace(id, "ID").replace(&request, "REQUEST"));
        }
        assert_eq!(texts[0], texts[1], "{method} {end}");
    }
    assert_eq!(send(&bob, "GET", PATH, Value::Null).await.expect(200).text, "[]");
    assert_eq!(works(&app, &key).await, 200, "untouched");
    app.close().await;
}

#[tokio::test]
async fn a_key_is_rotated_with_an_overlap() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = signed_up(&app, "ann").await;
    let old = made(&ann, json!({"name": "a", "scopes": ["notes:read"], "expiresAt": "2100-01-01T00:00:00Z", "allowedIps": ["127.0.0.1"]})).await;
    let rotate = format!("{}/rotate", of(&old));
    let new = send(&ann, "POST", &rotate, Value::Null).await.expect(201).json();
    for member in ["name", "scopes", "allowedIps", "userId"] {
        assert_eq!(new[member], old[member], "{member}");
    }
    assert_ne!(new["key"], old["key"]);
    assert_eq!((works(&app, &old).await, works(&app, &new).await), (200, 200), "both in the overlap");
    let shown = send(&ann, "GET", &of(&old), Value::Null).await.json();
    assert_eq!(shown["replacedBy"], new["id"]);
    let hours = app.database.column(&format!("SELECT round(extract(epoch FROM \"expiresAt\" - now()) / 3600)::text FROM api_keys WHERE id = '{}'", old["id"].as_str().expect("an id"))).await;
    assert_eq!(hours, ["24"]);
    assert_eq!(
        send(&ann, "POST", &rotate, Value::Null).await.problem(),
        "409 key_has_ended [: key_has_ended]"
    );

    // Without one, the old key ends at once; and of many at the same time one succeeds.
    let rotate = format!("{}/rotate", of(&new));
    let tries = (0..8).map(|_| send(&ann, "POST", &rotate, json!({"overlap": 0})));
    let answers = futures_util::future::join_all(tries).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(works(&app, &new).await, 401);
    let last = answers.iter().find(|answer| answer.status == 201).expect("one").json();
    assert_eq!(works(&app, &last).await, 200);
    assert_eq!(app.database.column("SELECT count(*) FROM api_keys").await, ["3"]);
    app.close().await;
}

#[tokio::test]
async fn a_user_has_only_so_many_keys() {
    let app = TestApp::with_options(&[("notes", NOTES)], ServerOptions::default(), |options| {
        options.keys.most = 5;
    })
    .await;
    let (ann, bob) = (signed_up(&app, "ann").await, signed_up(&app, "bob").await);
    let tries = (0..20).map(|_| send(&ann, "POST", PATH, json!({"name": "a", "scopes": ["*"]})));
    let answers = futures_util::future::join_all(tries).await;
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 5);
    let refused = answers.iter().find(|answer| answer.status != 201).expect("one");
    assert_eq!(refused.problem(), "409 too_many_keys [: too_many_keys]");
    let _ = send(&bob, "POST", PATH, json!({"name": "a", "scopes": ["*"]})).await.expect(201);
    // One in the place of another is no more than before, and what ended makes room.
    let first = made[0].json();
    let mut last =
        send(&ann, "POST", &format!("{}/rotate", of(&first)), Value::Null).await.expect(201).json();
    assert_eq!(send(&ann, "POST", PATH, json!({"name": "a", "scopes": ["*"]})).await.status, 409);
    for _ in 0..4 {
        last = send(&ann, "POST", &format!("{}/rotate", of(&last)), Value::Null).await.expect(201).json();
    }
    let full = send(&ann, "POST", &format!("{}/rotate", of(&last)), Value::Null).await;
    assert_eq!(full.problem(), "409 too_many_keys [: too_many_keys]", "five old ones are still good");
    let _ = send(&ann, "POST", &format!("{}/revoke", of(&made[1].json())), Value::Null).await.expect(200);
    let _ = send(&ann, "POST", PATH, json!({"name": "a", "scopes": ["*"]})).await.expect(201);
    app.close().await;
}

#[tokio::test]
async fn a_key_is_used_from_where_it_may_be() {
    let server = ServerOptions {
        trusted_proxies: vec![IpAddr::from([127, 0, 0, 1]).into()],
        ..ServerOptions::default()
    };
    let app = TestApp::with_options(&[("notes", NOTES)], server, |_| {}).await;
    let ann = signed_up(&app, "ann").await;
    let key =
        made(&ann, json!({"name": "a", "scopes": ["*"], "allowedIps": ["192.0.2.0/24", "2001:db8::7"]}))
            .await;
    let bearer = bearer(&key);
    let from = async |forwarded: &str| {
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", forwarded)];
        app.get(Who::Headers(&headers), "/api/v1/notes").await
    };
    for _ in 0..2 {
        let _ = from("192.0.2.77").await.expect(200);
        let _ = from("2001:db8::7").await.expect(200);
        // The last hop that is no proxy of ours counts, not what the client claims before it.
        assert_eq!(from("192.0.2.77, 198.51.100.1").await.problem(), "403 address_not_allowed");
        assert_eq!(from("nonsense").await.problem(), "403 address_not_allowed");
        let direct = app.get(Who::Headers(&[("authorization", &bearer)]), "/api/v1/notes").await;
        assert_eq!(direct.problem(), "403 address_not_allowed");
    }
    app.close().await;
}

#[tokio::test]
async fn the_use_of_keys_is_counted_and_written_together() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let other = TestUser { user: ann.user.clone(), key: app.key(&ann.user, &["notes:read"]).await };
    for _ in 0..7 {
        let _ = app.get(&ann, "/api/v1/notes").await.expect(200);
    }
    let _ = app.get(&other, "/api/v1/notes").await.expect(200);
    let _ = app.post(&other, "/api/v1/notes", json!({"text": "x"})).await.expect(403);
    app.database.sql("UPDATE api_keys SET revoked = true WHERE scopes = '{*}'").await;
    let _ = app.get(&ann, "/api/v1/notes").await.expect(401);
    let database = app.database.shared();
    app.app.close().await;
    let counts = database
        .column("SELECT \"requestCount\" || ' ' || (\"lastUsed\" > now() - interval '1 minute') FROM api_keys ORDER BY \"createdAt\"")
        .await;
    assert_eq!(counts, ["7 true", "2 true"], "a refused use is none");
    app.close().await;
}
