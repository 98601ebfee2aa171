//! Administrators and the users they see to.

use hedgerow::auth::settings::Plugin;
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, Browser, TestApp, Who};
use serde_json::{Value, json};

use crate::core::{PASSWORD, code, signed_up};
use crate::fuzz::VALUES;

const NOTES: (&str, &str) = ("notes", "[fields.text]\ntype = \"text\"\n");

/// Somebody who signed up and was made an administrator.
async fn administrator<'a>(app: &'a TestApp, name: &str) -> Browser<'a> {
    let browser = signed_up(app, name).await;
    set_role(app, name, "admin").await;
    browser
}

async fn set_role(app: &TestApp, name: &str, role: &str) {
    app.database
        .sql(&format!("UPDATE \"user\" SET role = '{role}' WHERE email = '{name}@example.com'"))
        .await;
}

async fn id(browser: &Browser<'_>) -> String {
    text(&browser.get("/get-session").await.json(), "/user/id")
}

fn text(document: &Value, path: &str) -> String {
    document
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{path} of {document}"))
        .to_owned()
}

fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, line)| line.as_str()).collect()
}

fn emails(answer: &Answer) -> Vec<String> {
    let document = answer.json();
    let users = document["users"].as_array().expect("users").clone();
    users.iter().map(|user| text(user, "/email").split('@').next().unwrap_or_default().to_owned()).collect()
}

/// Each endpoint with a body that would do something, and what a member is told.
fn endpoints(user: &str, session: &str) -> Vec<(&'static str, String, Value, &'static str)> {
    let post = |path: &str, body: Value, code| ("POST", format!("/api/auth/admin/{path}"), body, code);
    let get = |path: String, code| ("GET", format!("/api/auth/admin/{path}"), Value::Null, code);
    vec![
        get("list-users".to_owned(), "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS"),
        get(format!("get-user?id={user}"), "YOU_ARE_NOT_ALLOWED_TO_GET_USER"),
        post(
            "create-user",
            json!({ "email": "x@example.com", "name": "X", "password": PASSWORD, "role": "admin" }),
            "YOU_ARE_NOT_ALLOWED_TO_CREATE_USERS",
        ),
        post(
            "update-user",
            json!({ "userId": user, "data": { "role": "admin" } }),
            "YOU_ARE_NOT_ALLOWED_TO_UPDATE_USERS",
        ),
        post(
            "set-role",
            json!({ "userId": user, "role": "admin" }),
            "YOU_ARE_NOT_ALLOWED_TO_CHANGE_USERS_ROLE",
        ),
        post(
            "set-user-password",
            json!({ "userId": user, "newPassword": "stolen-password" }),
            "YOU_ARE_NOT_ALLOWED_TO_SET_USERS_PASSWORD",
        ),
        post("ban-user", json!({ "userId": user }), "YOU_ARE_NOT_ALLOWED_TO_BAN_USERS"),
        post("unban-user", json!({ "userId": user }), "YOU_ARE_NOT_ALLOWED_TO_BAN_USERS"),
        post("impersonate-user", json!({ "userId": user }), "YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS"),
        post("list-user-sessions", json!({ "userId": user }), "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS_SESSIONS"),
        post(
            "revoke-user-session",
            json!({ "sessionToken": session }),
            "YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS",
        ),
        post(
            "revoke-user-sessions",
            json!({ "userId": user }),
            "YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS",
        ),
        post("remove-user", json!({ "userId": user }), "YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS"),
    ]
}

async fn send(browser: &Browser<'_>, method: &'static str, path: &str, body: &Value) -> Answer {
    let body = (!body.is_null()).then(|| body.to_string());
    browser.ask(method, path, body, &[]).await
}

#[tokio::test]
async fn no_endpoint_of_administrators_does_anything_for_others() {
    let app = TestApp::with(&[]).await;
    let (eve, ann) = (signed_up(&app, "eve").await, signed_up(&app, "ann").await);
    let victim = id(&ann).await;
    let session = text(&ann.get("/get-session").await.json(), "/session/token");
    let state = "SELECT u.* FROM (SELECT to_jsonb(u)::text AS t FROM \"user\" u UNION SELECT to_jsonb(s)::text FROM session s UNION SELECT to_jsonb(a)::text FROM account a) u ORDER BY 1";
    let before = app.database.column(state).await;
    for (method, path, body, refused) in endpoints(&victim, &session) {
        let anonymous = send(&app.browser(), method, &path, &body).await;
        assert_eq!((anonymous.status, anonymous.text.as_str()), (401, ""), "{path}");
        assert_eq!(code(&send(&eve, method, &path, &body).await), format!("403 {refused}"), "{path}");
    }
    let nobody = app.browser();
    for path in ["stop-impersonating", "has-permission"] {
        let answer =
            nobody.post(&format!("/admin/{path}"), json!({ "permissions": { "user": ["list"] } })).await;
        assert_eq!((answer.status, answer.text.as_str()), (401, ""), "{path}");
    }
    assert_eq!(app.database.column(state).await, before);
    // An API key is no session, whoever's it is.
    let root = app.user_with("root", "admin", &["*"]).await;
    assert_eq!(app.get(&root, "/api/auth/admin/list-users").await.status, 401);
    app.close().await;
}

#[tokio::test]
async fn without_the_plugin_there_is_nothing() {
    let app = TestApp::with_options(&[], ServerOptions::default(), |options| {
        if let Some(auth) = &mut options.auth {
            auth.settings.plugins.remove(&Plugin::Admin);
        }
    })
    .await;
    let ada = administrator(&app, "ada").await;
    let own = id(&ada).await;
    for (method, path, body, _) in endpoints(&own, "x") {
        let answer = send(&ada, method, &path, &body).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{path}");
    }
    app.close().await;
}

#[tokio::test]
async fn users_are_found_by_what_is_asked_and_never_by_a_pattern() {
    let app = TestApp::with(&[]).await;
    let ada = administrator(&app, "ada").await;
    for name in ["bob", "cat", "dan_x"] {
        signed_up(&app, name).await;
    }
    app.database.sql("UPDATE \"user\" SET name = '100% Dan' WHERE name = 'dan_x'").await;
    let list = async |query: &str| ada.get(&format!("/admin/list-users?{query}")).await.expect(200);
    let check =
        async |query: &str, expected: &[&str]| assert_eq!(emails(&list(query).await), expected, "{query}");
    check("", &["ada", "bob", "cat", "dan_x"]).await;
    check("sortBy=email&sortDirection=desc", &["dan_x", "cat", "bob", "ada"]).await;
    check("sortBy=email&limit=2&offset=1", &["bob", "cat"]).await;
    check("searchValue=a&searchOperator=starts_with", &["ada"]).await;
    check("searchValue=x%40example.com&searchOperator=ends_with", &["dan_x"]).await;
    check("searchValue=at", &["cat"]).await;
    for wildcard in ["%25", "_", "%5C", "*", ".*", "%27", "a%25"] {
        let expected: &[&str] = if wildcard == "_" { &["dan_x"] } else { &[] };
        check(&format!("searchValue={wildcard}"), expected).await;
    }
    check("searchValue=0%25&searchField=name", &["dan_x"]).await;
    check("filterField=role&filterValue=admin", &["ada"]).await;
    check("filterField=role&filterValue=admin&filterOperator=ne&sortBy=name", &["dan_x", "bob", "cat"]).await;
    check("filterField=name&filterOperator=in&filterValue=bob&filterValue=cat", &["bob", "cat"]).await;
    check("filterField=name&filterOperator=not_in&filterValue=bob&filterValue=cat", &["ada", "dan_x"]).await;
    check("filterField=banned&filterValue=false&limit=1", &["ada"]).await;
    check("filterField=createdAt&filterOperator=gt&filterValue=2020-01-01T00:00:00Z&limit=1", &["ada"]).await;
    let page = list("limit=2&offset=0&sortBy=email").await.json();
    assert_eq!((&page["total"], &page["limit"], page.get("offset")), (&json!(4), &json!(2), None));
    assert_eq!(list("limit=5000").await.json()["limit"], 1000);

    for nothing in [
        "filterField=nope&filterValue=1",
        "filterField=password&filterValue=1",
        "filterField=email%22%3B&filterValue=1",
        "filterField=u.email&filterValue=1",
        "filterField=banned&filterValue=perhaps",
        "filterField=createdAt&filterValue=yesterday",
        "filterField=createdAt&filterOperator=contains&filterValue=2026",
        "filterField=name&filterValue=bob&filterValue=cat",
        "sortBy=nope",
        "sortBy=email%20desc--",
        "limit=-1",
        "limit=2.5",
        "offset=-3",
        "limit=99999999999",
    ] {
        assert_eq!(list(nothing).await.text, r#"{"users":[],"total":0}"#, "{nothing}");
    }
    let wrong = ada.get("/admin/list-users?searchField=role&sortDirection=up").await;
    assert_eq!(
        wrong.expect(400).json()["message"],
        "[query.searchField] Invalid option: expected one of \"email\"|\"name\"; [query.sortDirection] Invalid option: expected one of \"asc\"|\"desc\""
    );
    app.close().await;
}

#[tokio::test]
async fn an_administrator_makes_and_changes_users() {
    let app = TestApp::with(&[]).await;
    let ada = administrator(&app, "ada").await;
    let made = |more: Value| {
        let mut body = json!({ "email": "Made@Example.com", "name": "Made" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let create = async |more: Value| ada.post("/admin/create-user", made(more)).await;
    assert_eq!(code(&create(json!({ "password": "short" })).await), "400 PASSWORD_TOO_SHORT");
    assert_eq!(code(&create(json!({ "password": "x".repeat(129) })).await), "400 PASSWORD_TOO_LONG");
    assert_eq!(code(&create(json!({ "role": "a b" })).await), "400 INVALID_ROLE_TYPE");
    assert_eq!(code(&create(json!({ "role": 5 })).await), "400 VALIDATION_ERROR");
    assert_eq!(code(&create(json!({ "data": { "role": 5 } })).await), "400 INVALID_ROLE_TYPE");
    assert_eq!(code(&create(json!({ "data": [] })).await), "400 VALIDATION_ERROR");
    let data =
        json!({ "image": "https://img.test/m.png", "emailVerified": true, "nonsense": 1, "id": "mine" });
    let user = create(json!({ "password": PASSWORD, "data": data })).await.expect(200).json()["user"].clone();
    assert_eq!((&user["email"], &user["role"]), (&json!("made@example.com"), &json!("member")));
    assert_eq!((&user["emailVerified"], &user["image"]), (&json!(true), &json!("https://img.test/m.png")));
    assert_eq!(code(&create(json!({})).await), "400 USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL");
    assert_eq!(code(&create(json!({ "email": "made" })).await), "400 INVALID_EMAIL");

    let made = text(&user, "/id");
    let update =
        async |data: Value| ada.post("/admin/update-user", json!({ "userId": made, "data": data })).await;
    for (data, refused) in [
        (json!({}), "400 NO_DATA_TO_UPDATE"),
        (json!({ "nonsense": 1 }), "400 NO_DATA_TO_UPDATE"),
        (json!({ "password": PASSWORD }), "400 PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER"),
        (json!({ "id": "other" }), "400 USER_ID_CANNOT_BE_UPDATED"),
        (json!({ "email": "ada@example.com" }), "400 USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"),
        (json!({ "email": ["x"] }), "400 INVALID_EMAIL"),
        (json!({ "role": ["admin", 5] }), "400 INVALID_ROLE_TYPE"),
        (json!({ "banned": "yes" }), "400 VALIDATION_ERROR"),
        (json!({ "name": "a\0b" }), "400 VALIDATION_ERROR"),
        (json!({ "banExpires": "soon" }), "400 VALIDATION_ERROR"),
    ] {
        assert_eq!(code(&update(data.clone()).await), refused, "{data}");
    }
    let changed =
        update(json!({ "email": "New@Example.com", "role": ["member", "editor"] })).await.expect(200).json();
    assert_eq!((&changed["email"], &changed["role"]), (&json!("new@example.com"), &json!("member,editor")));
    assert_eq!(changed["emailVerified"], false, "nobody has proved the new address");
    let unknown = json!({ "userId": "nobody", "data": { "name": "x" } });
    assert_eq!(code(&ada.post("/admin/update-user", unknown).await), "404 USER_NOT_FOUND");
    assert_eq!(code(&ada.post("/admin/set-role", json!({ "role": "member" })).await), "404 USER_NOT_FOUND");
    app.close().await;
}

#[tokio::test]
async fn a_password_that_an_administrator_sets_ends_sessions_and_links() {
    let app = TestApp::with(&[]).await;
    let ada = administrator(&app, "ada").await;
    let ann = signed_up(&app, "ann").await;
    let user = id(&ann).await;
    let reset = json!({ "email": "ann@example.com", "redirectTo": "/reset" });
    let _ = ann.post("/request-password-reset", reset).await.expect(200);
    let link = app.mail_to("ann@example.com").await.url.expect("a link");
    let set = async |new: &str| {
        ada.post("/admin/set-user-password", json!({ "userId": user, "newPassword": new })).await
    };
    assert_eq!(code(&set("short").await), "400 PASSWORD_TOO_SHORT");
    assert_eq!(set("").await.expect(400).json()["message"], "[body.newPassword] newPassword cannot be empty");
    let _ = set("password-5678").await.expect(200);
    assert_eq!(ann.get("/get-session").await.text, "null");
    let opened = app.browser().open(&link).await;
    assert!(opened.header("location").unwrap().contains("error=INVALID_TOKEN"), "{:?}", opened.headers);
    let body = json!({ "email": "ann@example.com", "password": "password-5678" });
    let _ = app.browser().post("/sign-in/email", body).await.expect(200);
    let own = json!({ "userId": id(&ada).await, "newPassword": "password-9999" });
    let _ = ada.post("/admin/set-user-password", own).await.expect(200);
    assert_eq!(ada.get("/admin/list-users").await.status, 200, "the session that asked stays");
    app.close().await;
}

#[tokio::test]
async fn a_banned_user_is_out_at_once_everywhere() {
    let app = TestApp::with(&[NOTES]).await;
    let other = TestApp::beside(&app).await;
    let ada = administrator(&app, "ada").await;
    let ann = signed_up(&app, "ann").await;
    let session = ann.get("/get-session").await.json();
    let (user, bearer) = (text(&session, "/user/id"), format!("Bearer {}", text(&session, "/session/token")));
    let known = hedgerow::users::find(&app.app, &user).await.expect("a user");
    let key = format!("Bearer {}", app.key(&known, &["*"]).await);
    let by = async |credential: &str| {
        let headers = [("authorization", credential)];
        other.ask(Who::Headers(&headers), "GET", "/api/v1/notes", None).await.status
    };
    assert_eq!((by(&bearer).await, by(&key).await), (200, 200));
    let ban = json!({ "userId": user, "banReason": "spam", "banExpiresIn": 3600 });
    let answer = ada.post("/admin/ban-user", ban).await.expect(200).json();
    assert_eq!((&answer["user"]["banned"], &answer["user"]["banReason"]), (&json!(true), &json!("spam")));
    assert_eq!((by(&bearer).await, by(&key).await), (401, 401));
    assert_eq!(ann.ask("GET", "/api/v1/notes", None, &[]).await.status, 401);
    let body = json!({ "email": "ann@example.com", "password": PASSWORD });
    assert_eq!(code(&app.browser().post("/sign-in/email", body.clone()).await), "403 BANNED_USER");
    let impersonate = json!({ "userId": user });
    assert_eq!(code(&ada.post("/admin/impersonate-user", impersonate.clone()).await), "403 BANNED_USER");

    let _ = ada.post("/admin/unban-user", impersonate).await.expect(200);
    assert_eq!((by(&bearer).await, by(&key).await), (401, 200), "the session ended, the key only rested");
    let _ = app.browser().post("/sign-in/email", body).await.expect(200);
    for seconds in [json!(-5), json!(1e300), json!("60")] {
        let ban = json!({ "userId": user, "banExpiresIn": seconds });
        assert_eq!(code(&ada.post("/admin/ban-user", ban).await), "400 VALIDATION_ERROR", "{seconds}");
    }
    let own = json!({ "userId": id(&ada).await });
    assert_eq!(code(&ada.post("/admin/ban-user", own.clone()).await), "400 YOU_CANNOT_BAN_YOURSELF");
    let own = json!({ "userId": own["userId"], "data": { "banned": true } });
    assert_eq!(code(&ada.post("/admin/update-user", own).await), "400 YOU_CANNOT_BAN_YOURSELF");

    // The same by way of changing the user; and an end of an older ban does not count.
    let ended = json!({ "banned": true, "banExpires": "2020-01-01T00:00:00.000Z" });
    let _ = ada.post("/admin/update-user", json!({ "userId": user, "data": ended })).await.expect(200);
    assert_eq!(by(&key).await, 200);
    let _ = ada
        .post("/admin/update-user", json!({ "userId": user, "data": { "banned": true } }))
        .await
        .expect(200);
    assert_eq!(by(&key).await, 401);
    let _ = ada.post("/admin/remove-user", json!({ "userId": user })).await.expect(200);
    assert_eq!(by(&key).await, 401);
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_role_that_was_taken_away_counts_no_more_on_any_instance() {
    let app = TestApp::with(&[]).await;
    let other = TestApp::beside(&app).await;
    let (ada, bob) = (administrator(&app, "ada").await, administrator(&app, "bob").await);
    let token = text(&bob.get("/get-session").await.json(), "/session/token");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let list = async || other.ask(Who::Headers(&headers), "GET", "/api/auth/admin/list-users", None).await;
    assert_eq!(list().await.status, 200);
    let eve = signed_up(&app, "eve").await;
    let _ = bob.post("/admin/impersonate-user", json!({ "userId": id(&eve).await })).await.expect(200);
    let bob_id = text(&bob.get("/get-session").await.json(), "/session/impersonatedBy");
    let _ = ada.post("/admin/set-role", json!({ "userId": bob_id, "role": "member" })).await.expect(200);
    assert_eq!(code(&list().await), "403 YOU_ARE_NOT_ALLOWED_TO_LIST_USERS");
    assert_eq!(bob.get("/get-session").await.text, "null", "nor does he act as Eve any more");
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn an_administrator_acts_as_a_user_and_comes_back() {
    let app = TestApp::with(&[NOTES]).await;
    let ada = administrator(&app, "ada").await;
    let eve = signed_up(&app, "eve").await;
    let (ada_id, eve_id) = (id(&ada).await, id(&eve).await);
    let eve_token = text(&eve.get("/get-session").await.json(), "/session/token");
    let answer = ada.post("/admin/impersonate-user", json!({ "userId": eve_id })).await.expect(200);
    let lines = cookies(&answer);
    let shape: Vec<String> = lines
        .iter()
        .map(|line| {
            let (pair, attributes) = line.split_once("; ").expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            format!("{name}={} {attributes}", if value.is_empty() { "" } else { "…" })
        })
        .collect();
    assert_eq!(
        shape,
        [
            "better-auth.session_token= Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
            "better-auth.session_data= Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
            "better-auth.dont_remember= Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
            "better-auth.admin_session=… Max-Age=604800; Path=/; HttpOnly; SameSite=Lax",
            "better-auth.session_token=… Path=/; HttpOnly; SameSite=Lax",
            "better-auth.dont_remember=… Path=/; HttpOnly; SameSite=Lax",
        ]
    );
    let document = answer.json();
    assert_eq!(
        (text(&document, "/user/id"), text(&document, "/session/impersonatedBy")),
        (eve_id.clone(), ada_id.clone())
    );
    let moment = |path: &str| text(&document, path).parse::<jiff::Timestamp>().expect("a date");
    let lasts = moment("/session/expiresAt").duration_since(moment("/session/createdAt")).as_secs();
    assert_eq!(lasts, 3600);

    // As Eve: her data, and nothing of what makes her account hers.
    let made =
        ada.ask("POST", "/api/v1/notes", Some(json!({ "text": "x" }).to_string()), &[]).await.expect(201);
    assert_eq!(text(&made.json(), "/userId"), eve_id);
    let refused = "403 IMPERSONATING";
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "password-5678" });
    assert_eq!(code(&ada.post("/change-password", change).await), refused);
    assert_eq!(code(&ada.post("/change-email", json!({ "newEmail": "z@example.com" })).await), refused);
    assert_eq!(code(&ada.post("/delete-user", json!({ "password": PASSWORD })).await), refused);
    assert_eq!(code(&ada.post("/unlink-account", json!({ "providerId": "credential" })).await), refused);
    assert_eq!(code(&ada.get("/admin/list-users").await), "403 YOU_ARE_NOT_ALLOWED_TO_LIST_USERS");
    let listed = ada.get("/list-sessions").await.expect(200);
    assert!(!listed.text.contains(&eve_token), "an administrator does not get Eve's own session");
    let seen = eve.get("/list-sessions").await.expect(200).json();
    assert_eq!(seen.as_array().map(Vec::len), Some(1), "{seen}");
    // Eve rises meanwhile: nobody acts as an administrator.
    set_role(&app, "eve", "admin").await;
    assert_eq!(ada.get("/get-session").await.text, "null");
    app.close().await;
}

#[tokio::test]
async fn acting_as_a_user_ends_where_it_began() {
    let app = TestApp::with(&[]).await;
    let ada = app.browser();
    let body =
        json!({ "name": "ada", "email": "ada@example.com", "password": PASSWORD, "rememberMe": false });
    let _ = ada.post("/sign-up/email", body).await.expect(200);
    set_role(&app, "ada", "admin").await;
    let (eve, root) = (signed_up(&app, "eve").await, administrator(&app, "root").await);
    let (ada_id, eve_id) = (id(&ada).await, id(&eve).await);
    let stop = async |browser: &Browser<'_>| browser.post("/admin/stop-impersonating", json!({})).await;
    let not_yet = stop(&ada).await.expect(400);
    assert_eq!(not_yet.text, r#"{"message":"You are not impersonating anyone"}"#);
    for admin in [&ada_id, &id(&root).await] {
        let answer = ada.post("/admin/impersonate-user", json!({ "userId": admin })).await;
        assert_eq!(code(&answer), "403 YOU_CANNOT_IMPERSONATE_ADMINS");
    }
    assert_eq!(
        code(&ada.post("/admin/impersonate-user", json!({ "userId": "x" })).await),
        "404 USER_NOT_FOUND"
    );

    let _ = ada.post("/admin/impersonate-user", json!({ "userId": eve_id })).await.expect(200);
    let acting = text(&ada.get("/get-session").await.json(), "/session/token");
    let back = stop(&ada).await.expect(200);
    assert_eq!(text(&back.json(), "/user/id"), ada_id);
    let names: Vec<&str> = cookies(&back).iter().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(
        names,
        ["better-auth.session_token", "better-auth.dont_remember", "better-auth.admin_session"],
        "she did not want to be remembered, and is not"
    );
    assert!(!cookies(&back)[0].contains("Max-Age"), "{:?}", cookies(&back));
    assert_eq!(id(&ada).await, ada_id);
    let bearer = format!("Bearer {acting}");
    let gone =
        app.ask(Who::Headers(&[("authorization", &bearer)]), "GET", "/api/auth/get-session", None).await;
    assert_eq!(gone.text, "null");

    // A cookie of somebody else's acting leads nowhere: what comes back must be who went.
    let _ = ada.post("/admin/impersonate-user", json!({ "userId": eve_id })).await.expect(200);
    let _ = root.post("/admin/impersonate-user", json!({ "userId": eve_id })).await.expect(200);
    let header = root.cookie_header();
    let stolen =
        header.split("; ").find_map(|pair| pair.strip_prefix("better-auth.admin_session=")).expect("it");
    ada.set_cookie("better-auth.admin_session", stolen);
    let refused = stop(&ada).await.expect(401);
    assert_eq!(refused.text, r#"{"message":"Failed to find admin session"}"#);
    assert_eq!(ada.get("/get-session").await.text, "null");
    app.close().await;
}

#[tokio::test]
async fn a_user_whom_rows_of_others_need_stays() {
    let tasks = ("tasks", "[fields.reviewer]\ntype = \"user\"\non_delete = \"restrict\"\n");
    let app = TestApp::with(&[tasks]).await;
    let ada = administrator(&app, "ada").await;
    let (ann, bob) = (signed_up(&app, "ann").await, signed_up(&app, "bob").await);
    let (ann_id, bob_id) = (id(&ann).await, id(&bob).await);
    let body = json!({ "reviewer": bob_id }).to_string();
    let _ = ann.ask("POST", "/api/v1/tasks", Some(body), &[]).await.expect(201);
    let refused = ada.post("/admin/remove-user", json!({ "userId": bob_id })).await;
    assert_eq!(refused.problem(), "409 still_referenced [user: still_referenced]");
    assert!(refused.text.contains("rows of tasks that belong to others"), "{}", refused.text);
    for gone in [ann_id, bob_id] {
        let _ = ada.post("/admin/remove-user", json!({ "userId": gone })).await.expect(200);
    }
    app.close().await;
}

#[tokio::test]
async fn sessions_have_handles_that_end_them_and_open_nothing() {
    let app = TestApp::with(&[]).await;
    let ada = administrator(&app, "ada").await;
    let ann = signed_up(&app, "ann").await;
    let session = ann.get("/get-session").await.json();
    let (user, token) = (text(&session, "/user/id"), text(&session, "/session/token"));
    let list = async || ada.post("/admin/list-user-sessions", json!({ "userId": user })).await.expect(200);
    let listed = list().await;
    assert!(!listed.text.contains(&token), "{}", listed.text);
    let handle = text(&listed.json(), "/sessions/0/token");
    let bearer = format!("Bearer {handle}");
    let tried =
        app.ask(Who::Headers(&[("authorization", &bearer)]), "GET", "/api/auth/get-session", None).await;
    assert_eq!(tried.text, "null");
    let _ = ada.post("/admin/revoke-user-session", json!({ "sessionToken": handle })).await.expect(200);
    assert_eq!(ann.get("/get-session").await.text, "null");

    let again = app.browser();
    let body = json!({ "email": "ann@example.com", "password": PASSWORD });
    let _ = again.post("/sign-in/email", body).await.expect(200);
    let _ = ada.post("/admin/revoke-user-sessions", json!({ "userId": user })).await.expect(200);
    assert_eq!(again.get("/get-session").await.text, "null");
    assert_eq!(list().await.text, r#"{"sessions":[]}"#);
    let unknown = ada.post("/admin/list-user-sessions", json!({})).await.expect(200);
    assert_eq!(unknown.text, r#"{"sessions":[]}"#);
    app.close().await;
}

#[tokio::test]
async fn permissions_are_those_of_the_role() {
    let app = TestApp::with_options(&[], ServerOptions::default(), |options| {
        if let Some(auth) = &mut options.auth {
            auth.settings.admin_roles = vec!["admin".to_owned(), "superadmin".to_owned()];
        }
    })
    .await;
    let (ada, sue, eve) =
        (administrator(&app, "ada").await, signed_up(&app, "sue").await, signed_up(&app, "eve").await);
    set_role(&app, "sue", "developer,superadmin").await;
    let ask = async |browser: &Browser<'_>, permissions: Value| {
        let answer = browser.post("/admin/has-permission", json!({ "permissions": permissions })).await;
        answer.expect(200).json()["success"].clone()
    };
    for (permissions, expected) in [
        (json!({ "user": ["list"] }), true),
        (json!({ "user": ["list", "ban"], "session": ["revoke"] }), true),
        (json!({ "user": ["list", "impersonate-admins"] }), false),
        (json!({ "user": ["fly"] }), false),
        (json!({ "moon": ["list"] }), false),
        (json!({}), false),
    ] {
        assert_eq!(ask(&ada, permissions.clone()).await, expected, "{permissions}");
        assert_eq!(ask(&sue, permissions.clone()).await, expected, "{permissions}");
        assert_eq!(ask(&eve, permissions).await, false);
    }
    let body = json!({ "userId": id(&ada).await, "role": "admin", "permissions": { "user": ["list"] } });
    assert_eq!(
        eve.post("/admin/has-permission", body).await.json()["success"],
        false,
        "what a body claims is nothing"
    );
    for wrong in
        [json!([]), json!({}), json!({ "permissions": 5 }), json!({ "permissions": { "user": "list" } })]
    {
        assert_eq!(
            code(&eve.post("/admin/has-permission", wrong.clone()).await),
            "400 VALIDATION_ERROR",
            "{wrong}"
        );
    }
    assert_eq!(sue.get("/admin/list-users").await.status, 200);
    let body = json!({ "userId": id(&sue).await });
    assert_eq!(code(&ada.post("/admin/impersonate-user", body).await), "403 YOU_CANNOT_IMPERSONATE_ADMINS");
    app.close().await;
}

#[tokio::test]
async fn no_request_of_an_administrator_is_too_strange_for_an_answer() {
    let app = TestApp::with(&[]).await;
    let ada = administrator(&app, "ada").await;
    let check = async |method, path: &str, body: &Value| {
        let answer = send(&ada, method, path, body).await;
        assert!(answer.status < 500, "{method} {path} {body}: {} {}", answer.status, answer.text);
    };
    let user = id(&signed_up(&app, "eve").await).await;
    let columns =
        ["name", "email", "emailVerified", "image", "role", "banned", "banReason", "banExpires", "id"];
    for (method, path, body, _) in endpoints(&user, "x") {
        for value in VALUES {
            let strange: Value = serde_json::from_str(value).expect("JSON");
            let Some(object) = body.as_object() else {
                let text = strange.as_str().map_or_else(|| value.to_owned(), str::to_owned);
                let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                for name in ["searchValue", "filterField", "filterValue", "sortBy", "limit", "offset", "id"] {
                    let mark = if path.contains('?') { '&' } else { '?' };
                    check(method, &format!("{path}{mark}{name}={text}"), &body).await;
                    for operator in ["lt", "in", "contains"] {
                        let filter =
                            format!("filterField=createdAt&filterOperator={operator}&filterValue={text}");
                        check(method, &format!("{path}{mark}{filter}&{name}={text}"), &body).await;
                    }
                }
                continue;
            };
            let mut body = body.clone();
            let names: Vec<&str> =
                object.keys().map(String::as_str).chain(["banReason", "banExpiresIn"]).collect();
            if path.ends_with("/create-user") {
                // Hashing takes long, and is not what is tried.
                body.as_object_mut().expect("an object").remove("password");
            }
            for name in names {
                let mut body = body.clone();
                body[name] = strange.clone();
                check(method, &path, &body).await;
            }
            for column in
                columns.iter().filter(|_| path.ends_with("/create-user") || body["data"].is_object())
            {
                let mut body = body.clone();
                body["data"] = json!({ "name": "x", (*column): strange });
                check(method, &path, &body).await;
            }
        }
    }
    app.close().await;
}
