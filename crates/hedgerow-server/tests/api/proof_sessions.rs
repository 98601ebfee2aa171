//! Sessions that are remembered: what was ended, banned or changed counts with the next request, on every instance.

use hedgerow::auth::settings::TokenStorage;
use hedgerow::database::{Error, Identity};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, Browser, TestApp, Who};
use serde_json::json;

const NOTES: (&str, &str) = ("notes", "fields.text = { type = \"text\" }");
const ITEMS: (&str, &str) =
    ("items", "access = { read = \"public\", write = \"admin\" }\nfields.text = { type = \"text\" }");

/// Somebody's browser, and the token of the session that they sign in with.
struct Person<'a> {
    browser: Browser<'a>,
    id: String,
    token: String,
}

async fn sign_up<'a>(app: &'a TestApp, name: &str) -> Person<'a> {
    let browser = app.browser();
    let email = format!("{name}@example.com");
    let body = json!({ "name": name, "email": email, "password": "correct horse battery" });
    let answer = browser.post("/sign-up/email", body).await.expect(200).json();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    Person { browser, id: text(&answer["user"]["id"]), token: text(&answer["token"]) }
}

/// How a session comes with a request.
#[derive(Clone, Copy, Debug)]
enum By {
    Cookie,
    Bearer,
}

async fn ask(app: &TestApp, person: &Person<'_>, by: By, method: &'static str, path: &str) -> Answer {
    let (cookie, bearer) = (person.browser.cookie_header(), format!("Bearer {}", person.token));
    let origin = app.app.auth().base_url().origin().ascii_serialization();
    let headers: &[(&str, &str)] = match by {
        By::Cookie => &[("cookie", &cookie), ("origin", &origin)],
        By::Bearer => &[("authorization", &bearer)],
    };
    let body = (method == "POST").then(|| json!({"text": "x"}).to_string());
    app.ask(Who::Headers(headers), method, path, body).await
}

#[tokio::test]
async fn a_known_session_costs_no_flight_of_its_own() {
    for storage in [TokenStorage::Plain, TokenStorage::Hashed] {
        let app = TestApp::with_options(&[NOTES], ServerOptions::default(), |options| {
            options.auth.as_mut().expect("sign-in").settings.session_tokens = storage;
        })
        .await;
        let ann = sign_up(&app, "ann").await;
        let count = async |by: By, method: &'static str, path: &str, expected: u16| {
            let before = app.app.database().exchanges();
            assert_eq!(ask(&app, &ann, by, method, path).await.status, expected, "{by:?} {method} {path}");
            app.app.database().exchanges() - before
        };
        assert_eq!(
            count(By::Cookie, "GET", "/api/v1/notes", 200).await,
            3,
            "look-up with its types, and the list"
        );
        for by in [By::Cookie, By::Bearer] {
            assert_eq!(count(by, "GET", "/api/v1/notes", 200).await, 1);
            assert_eq!(count(by, "POST", "/api/v1/notes", 201).await, 1);
            assert_eq!(count(by, "DELETE", "/api/v1/notes?text=eq.x", 200).await, 1);
            assert_eq!(count(by, "GET", "/api/v1/notes/nothing", 404).await, 1);
            assert_eq!(count(by, "GET", "/api/v1/notes?nothing=eq.x", 400).await, 1, "it is looked up");
            assert_eq!(count(by, "GET", "/api/v1/users/me/metas", 200).await, 1);
        }
        app.close().await;
    }
}

#[tokio::test]
async fn every_change_counts_with_the_next_request() {
    let one = TestApp::with(&[NOTES, ITEMS]).await;
    let two = TestApp::beside(&one).await;
    let apps = [&one, &two];
    let own = "WHERE \"userId\" = '{user}'";
    let user = "WHERE id = '{user}'";
    let ends = [
        (format!("DELETE FROM session {own}"), String::new()),
        (format!("UPDATE session SET \"expiresAt\" = now() - interval '1 s' {own}"), String::new()),
        (
            format!("UPDATE session SET token = token || 'x' {own}"),
            format!("UPDATE session SET token = left(token, -1) {own}"),
        ),
        (
            format!("UPDATE \"user\" SET banned = true {user}"),
            format!("UPDATE \"user\" SET \"banExpires\" = now() {user}"),
        ),
        // An administrator who is none acts as them.
        (format!("UPDATE session SET \"impersonatedBy\" = 'nobody' {own}"), String::new()),
        (format!("DELETE FROM \"user\" {user}"), String::new()),
    ];
    let mut next = 0;
    for (change, back) in &ends {
        for (by, method, path, before) in [
            (By::Cookie, "GET", "/api/v1/notes", 200),
            (By::Bearer, "POST", "/api/v1/notes", 201),
            (By::Cookie, "POST", "/api/v1/items", 201),
            (By::Bearer, "GET", "/api/v1/items", 200),
            (By::Cookie, "GET", "/api/v1/notes?nothing=eq.x", 400),
            (By::Cookie, "GET", "/api/v1/notes/nothing", 404),
            (By::Bearer, "GET", "/api/v1/api-keys", 200),
        ] {
            next += 1;
            let person = sign_up(&one, &format!("u{next}")).await;
            let of = |sql: &str| sql.replace("{user}", &person.id);
            one.database.sql(&of("UPDATE \"user\" SET role = 'admin' WHERE id = '{user}'")).await;
            let check = async |expected: u16, what: &str| {
                for app in apps {
                    for _ in 0..2 {
                        let answer = ask(app, &person, by, method, path).await;
                        assert_eq!(answer.status, expected, "{what} {by:?} {method} {path}: {}", answer.text);
                        let gone = answer
                            .headers
                            .iter()
                            .any(|(name, line)| name == "set-cookie" && line.contains("Max-Age=0"));
                        assert_eq!(
                            gone,
                            expected == 401 && matches!(by, By::Cookie),
                            "dead cookies are taken away"
                        );
                    }
                }
            };
            check(before, "").await;
            one.database.sql(&of(change)).await;
            check(401, change).await;
            if !back.is_empty() {
                one.database.sql(&of(back)).await;
                check(before, back).await;
            }
        }
    }
    // Four before each change that left the user there, and four where it was taken back.
    assert_eq!(one.database.column("SELECT count(*) FROM notes").await, ["28"]);

    let person = sign_up(&one, "member").await;
    let role = async |role: &str| {
        one.database.sql(&format!("UPDATE \"user\" SET role = '{role}' WHERE id = '{}'", person.id)).await;
    };
    for (is, expected) in [("member", 403), ("admin", 201), ("editor,admin", 201), ("member", 403)] {
        role(is).await;
        for app in apps {
            assert_eq!(ask(app, &person, By::Cookie, "POST", "/api/v1/items").await.status, expected, "{is}");
        }
    }
    two.close().await;
    one.close().await;
}

#[tokio::test]
async fn who_signs_out_on_one_instance_is_out_on_another() {
    let one = TestApp::with(&[NOTES]).await;
    let two = TestApp::beside(&one).await;
    for way in ["/sign-out", "/revoke-sessions", "/revoke-other-sessions"] {
        let ann = sign_up(&one, &way.replace('/', "")).await;
        for app in [&one, &two] {
            assert_eq!(ask(app, &ann, By::Bearer, "POST", "/api/v1/notes").await.status, 201);
        }
        // Another of their browsers ends the first one's session.
        let browser = one.browser();
        let email = format!("{}@example.com", way.replace('/', ""));
        let body = json!({ "email": email, "password": "correct horse battery" });
        let other = if way == "/sign-out" {
            &ann.browser
        } else {
            let _ = browser.post("/sign-in/email", body).await.expect(200);
            &browser
        };
        let _ = other.post(way, json!({})).await.expect(200);
        for (app, method) in [(&two, "POST"), (&one, "GET"), (&two, "GET")] {
            assert_eq!(ask(app, &ann, By::Bearer, method, "/api/v1/notes").await.status, 401, "{way}");
        }
    }
    assert_eq!(one.database.column("SELECT count(*) FROM notes").await, ["6"]);
    two.close().await;
    one.close().await;
}

#[tokio::test]
async fn a_session_that_is_prolonged_goes_on_and_writes_once() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = sign_up(&app, "ann").await;
    for n in 1..=3 {
        assert_eq!(ask(&app, &ann, By::Cookie, "POST", "/api/v1/notes").await.status, 201);
        assert_eq!(app.database.column("SELECT count(*) FROM notes").await, [n.to_string()]);
        app.database.sql("UPDATE session SET \"expiresAt\" = \"expiresAt\" + interval '1 day'").await;
    }
    app.close().await;
}

#[tokio::test]
async fn what_is_too_large_to_be_sent_again_is_looked_up() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = sign_up(&app, "ann").await;
    let bearer = format!("Bearer {}", ann.token);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    let rows = format!("{}\n", json!({"text": "x".repeat(1000)})).repeat(3000);
    for n in 1..=2 {
        assert_eq!(ask(&app, &ann, By::Bearer, "GET", "/api/v1/notes").await.status, 200);
        app.database.sql("UPDATE session SET \"expiresAt\" = \"expiresAt\" + interval '1 day'").await;
        let answer =
            app.ask(Who::Headers(&headers), "POST", "/api/v1/notes/import", Some(rows.clone())).await;
        assert_eq!(answer.expect(200).json()["created"], 3000);
        let stored = app.database.column("SELECT count(*) FROM notes").await;
        assert_eq!(stored, [(n * 3000).to_string()]);
    }
    app.close().await;
}

#[tokio::test]
async fn where_it_cannot_be_proved_it_is_looked_up() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = sign_up(&app, "ann").await;
    for gone in [
        "REVOKE EXECUTE ON FUNCTION hedgerow.session_stands FROM hedgerow_app",
        "REVOKE USAGE ON SCHEMA hedgerow FROM hedgerow_app",
        "GRANT USAGE ON SCHEMA hedgerow TO hedgerow_app; DROP FUNCTION hedgerow.session_stands",
    ] {
        assert_eq!(ask(&app, &ann, By::Bearer, "GET", "/api/v1/notes").await.status, 200, "{gone}");
        app.database.sql(gone).await;
        for _ in 0..2 {
            let _ = ask(&app, &ann, By::Cookie, "GET", "/api/v1/notes").await.expect(200);
        }
    }
    app.database.sql("DELETE FROM session").await;
    assert_eq!(ask(&app, &ann, By::Bearer, "GET", "/api/v1/notes").await.status, 401);
    app.close().await;
}

#[tokio::test]
async fn who_acts_as_somebody_is_looked_up_each_time() {
    let app = TestApp::with(&[NOTES]).await;
    let (root, ann) = (sign_up(&app, "root").await, sign_up(&app, "ann").await);
    app.database.sql(&format!("UPDATE \"user\" SET role = 'admin' WHERE id = '{}'", root.id)).await;
    let _ = root.browser.post("/admin/impersonate-user", json!({ "userId": ann.id })).await.expect(200);
    let list = async || root.browser.ask("GET", "/api/v1/notes", None, &[]).await.status;
    assert_eq!((list().await, list().await), (200, 200));
    app.database.sql(&format!("UPDATE \"user\" SET role = 'member' WHERE id = '{}'", root.id)).await;
    assert_eq!(list().await, 401, "who is no administrator any more acts as nobody");
    app.close().await;
}

#[tokio::test]
async fn the_database_tells_tenants_no_more_than_whether_their_own_session_stands() {
    let app = TestApp::with(&[NOTES]).await;
    let (ann, bob) = (sign_up(&app, "ann").await, sign_up(&app, "bob").await);
    let row = format!(
        "SELECT s.id || ' ' || s.xmin || ' ' || u.xmin FROM session s JOIN \"user\" u ON u.id = s.\"userId\" WHERE u.id = '{}'",
        ann.id
    );
    let row = app.database.column(&row).await.remove(0);
    let [session, version, of_user] = row.split(' ').collect::<Vec<_>>()[..] else { panic!("{row}") };
    let database = app.app.database();
    let stands = async |identity: &Identity, session: &str, version: &str, of_user: &str| {
        let sql = "SELECT hedgerow.session_stands($1, $2, $3)";
        let rows = database.flight(identity).rows(sql, &[&session, &version, &of_user]).await?;
        rows[0].get::<i64>(0)
    };
    let [ann, bob] = [&ann, &bob].map(|person| Identity::User(person.id.parse().expect("an id")));
    assert_eq!(stands(&ann, session, version, of_user).await.expect("an answer"), 1);
    for (identity, session, version, of_user) in [
        (&bob, session, version, of_user),
        (&ann, "other", version, of_user),
        (&ann, session, "1", of_user),
        (&ann, session, version, "1"),
        (&ann, session, "'", ""),
    ] {
        assert_eq!(
            stands(identity, session, version, of_user).await.expect("an answer"),
            0,
            "{identity:?} {version}"
        );
    }
    let denied = |error: &Error| error.server().map(|error| error.code.code().to_owned());
    let error = stands(&Identity::Anonymous, session, version, of_user).await.expect_err("nobody");
    assert_eq!(denied(&error).as_deref(), Some("42501"));
    for sql in ["SELECT count(*) FROM session", "SELECT id FROM session", "SELECT token FROM session"] {
        let error = database.flight(&ann).rows(sql, &[]).await.expect_err("no right");
        assert_eq!(denied(&error).as_deref(), Some("42501"), "{sql}");
    }
    app.close().await;
}
