//! Who may do what: keys, scopes, other people's rows.

use hedgerow_testing::{TestApp, TestUser, Who};
use insta::assert_snapshot;
use serde_json::json;

const NOTES: &str = "fields.text = { type = \"text\" }";
const SIGNED_IN: &str =
    "access = { read = \"signed_in\", write = \"signed_in\" }\nfields.text = { type = \"text\" }";
const PUBLIC: &str = "access = { read = \"public\" }\nfields.text = { type = \"text\" }";
const REFERENCE: &str =
    "access = { read = \"public\", write = \"admin\" }\nfields.text = { type = \"text\" }";

async fn one_row(app: &TestApp, owner: &TestUser, entity: &str) -> String {
    let row = app.post(owner, &format!("/api/v1/{entity}"), json!({"text": "t"})).await.expect(201).json();
    format!("/api/v1/{entity}/{}", row["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn a_foreign_row_answers_like_a_row_that_is_not_there() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let foreign = one_row(&app, &ann, "notes").await;
    let absent = "/api/v1/notes/01900000-0000-7000-8000-000000000000";
    for method in ["GET", "PATCH", "PUT", "DELETE"] {
        let body = (method == "PATCH" || method == "PUT").then(|| json!({"text": "x"}).to_string());
        let one = app.ask(&bob, method, &foreign, body.clone()).await.expect(404);
        let two = app.ask(&bob, method, absent, body).await.expect(404);
        let neutral = |text: &str, path: &str, id: Option<&str>| {
            text.replace(path, "PATH").replace(id.unwrap_or("no id"), "ID")
        };
        assert_eq!(
            neutral(&one.text, &foreign, one.header("x-request-id")),
            neutral(&two.text, absent, two.header("x-request-id")),
            "{method}"
        );
    }
    assert_eq!(app.get(&bob, "/api/v1/notes").await.expect(200).text, "[]");
    assert_eq!(app.delete(&bob, "/api/v1/notes?text=eq.t").await.expect(200).text, "[]");
    assert_eq!(app.patch(&bob, "/api/v1/notes?text=eq.t", json!({"text": "x"})).await.expect(200).text, "[]");
    let own = app.get(&ann, &foreign).await.expect(200).json();
    assert_eq!(own["text"], "t", "untouched");
    app.close().await;
}

#[tokio::test]
async fn rows_that_others_may_read_are_still_only_their_owners_to_write() {
    let app = TestApp::with(&[("posts", SIGNED_IN), ("pages", PUBLIC)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    for entity in ["posts", "pages"] {
        let row = one_row(&app, &ann, entity).await;
        let _ = app.get(&bob, &row).await.expect(200);
        assert_eq!(app.patch(&bob, &row, json!({"text": "x"})).await.problem(), "403 not_owner");
        assert_eq!(app.put(&bob, &row, json!({"text": "x"})).await.problem(), "403 not_owner");
        assert_eq!(app.delete(&bob, &row).await.problem(), "403 not_owner");
        assert_eq!(app.delete(&bob, &format!("/api/v1/{entity}?text=eq.t")).await.expect(200).text, "[]");
        assert_eq!(app.delete(&bob, &format!("/api/v1/{entity}/nothing")).await.problem(), "404 not_found");
        let own = app.patch(&ann, &row, json!({"text": "y"})).await.expect(200).json();
        assert_eq!(own["text"], "y");
        let _ = one_row(&app, &bob, entity).await;
        assert_eq!(
            app.get(&bob, &format!("/api/v1/{entity}")).await.json().as_array().map(Vec::len),
            Some(2)
        );
    }
    app.close().await;
}

#[tokio::test]
async fn nobody_reads_only_what_is_public_and_writes_nothing() {
    let app = TestApp::with(&[("notes", NOTES), ("posts", SIGNED_IN), ("pages", PUBLIC)]).await;
    let ann = app.user("ann").await;
    for (entity, expected) in [("notes", 401), ("posts", 401), ("pages", 200)] {
        let row = one_row(&app, &ann, entity).await;
        let list = app.get(Who::Anyone, &format!("/api/v1/{entity}")).await.expect(expected);
        let _ = app.get(Who::Anyone, &row).await.expect(expected);
        if expected == 401 {
            assert_eq!(list.header("www-authenticate"), Some("Bearer"));
        } else {
            assert_eq!(list.json().as_array().map(Vec::len), Some(1));
        }
        let _ = app.post(Who::Anyone, &format!("/api/v1/{entity}"), json!({"text": "x"})).await.expect(401);
        let _ = app.patch(Who::Anyone, &row, json!({"text": "x"})).await.expect(401);
        let _ = app.delete(Who::Anyone, &row).await.expect(401);
        let _ = app.delete(Who::Anyone, &format!("/api/v1/{entity}?text=eq.t")).await.expect(401);
    }
    app.close().await;
}

#[tokio::test]
async fn who_is_not_signed_in_learns_no_field_of_what_they_may_not_read() {
    let linked = format!("{PUBLIC}\nfields.of = {{ type = \"relation\", entity = \"notes\" }}");
    let app = TestApp::with(&[("notes", NOTES), ("pages", PUBLIC), ("leaves", &linked)]).await;
    // A name that is right and one that is wrong are answered alike, embedded in what everybody reads too.
    for embedded in ["of(text)", "of(nothing)", "of(*)", "other:notes(nothing)", "...of(nothing)"] {
        let _ = app.get(Who::Anyone, &format!("/api/v1/leaves?select=id,{embedded}")).await.expect(401);
    }
    for filter in ["of.nothing=eq.x", "order=of(nothing)", "or=(of.nothing.eq.x,text.eq.x)"] {
        let _ = app.get(Who::Anyone, &format!("/api/v1/leaves?select=id,of(id)&{filter}")).await.expect(401);
    }
    let wrong = json!({"nothing": 1});
    for (path, read, written) in [
        ("/api/v1/notes?nothing=eq.x", 401, 401),
        ("/api/v1/notes?select=nothing", 401, 401),
        ("/api/v1/notes/some?select=nothing", 401, 401),
        ("/api/v1/notes", 401, 401),
        ("/api/v1/pages?nothing=eq.x", 400, 401),
        ("/api/v1/pages/some?select=nothing", 400, 401),
    ] {
        let _ = app.get(Who::Anyone, path).await.expect(read);
        for method in ["PATCH", if path.contains("/some") { "PUT" } else { "POST" }] {
            let answer = app.ask(Who::Anyone, method, path, Some(wrong.to_string())).await;
            assert_eq!(answer.status, written, "{method} {path}");
        }
    }
    let operation = json!({"method": "POST", "path": "/api/v1/notes", "body": wrong});
    for body in [json!({"operations": [operation]}), json!("nothing")] {
        assert_eq!(app.post(Who::Anyone, "/api/v1/batch", body).await.problem(), "401 not_signed_in");
    }
    let imported = app.post(Who::Anyone, "/api/v1/notes/import?nothing=1", wrong).await;
    assert_eq!(imported.problem(), "401 not_signed_in");
    app.close().await;
}

#[tokio::test]
async fn reference_data_is_written_by_administrators_and_pointed_at_by_everyone() {
    let orders = "fields.item = { type = \"relation\", entity = \"items\" }";
    let app = TestApp::with(&[("items", REFERENCE), ("orders", orders)]).await;
    let (root, other) =
        (app.user_with("root", "admin", &["*"]).await, app.user_with("other", "admin", &["*"]).await);
    let bob = app.user("bob").await;
    let item = one_row(&app, &root, "items").await;
    let id = item.rsplit('/').next().expect("an id");
    let _ = app.get(Who::Anyone, &item).await.expect(200);
    for refused in [
        app.post(&bob, "/api/v1/items", json!({"text": "x"})).await,
        app.patch(&bob, &item, json!({"text": "x"})).await,
        app.delete(&bob, &item).await,
        app.delete(&bob, "/api/v1/items?text=eq.t").await,
    ] {
        assert_eq!(refused.problem(), "403 admin_only");
    }
    // Any administrator edits any row, and its owner stays who made it.
    let changed = app.patch(&other, &item, json!({"text": "z"})).await.expect(200).json();
    assert_eq!((&changed["text"], &changed["userId"]), (&json!("z"), &json!(root.user.id.as_str())));
    let order = app.post(&bob, "/api/v1/orders", json!({"item": id})).await.expect(201).json();
    assert_eq!(order["item"], id);
    assert_eq!(app.delete(&root, &item).await.problem(), "409 still_referenced [: still_referenced]");
    app.close().await;
}

#[tokio::test]
async fn a_relation_cannot_point_at_another_tenants_row() {
    let app = TestApp::with(&[
        ("notes", NOTES),
        ("links", "fields.note = { type = \"relation\", entity = \"notes\" }"),
        (
            "marks",
            "access = { read = \"public\" }\nfields.note = { type = \"relation\", entity = \"posts\" }",
        ),
        ("posts", SIGNED_IN),
    ])
    .await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    // Also where the row can be read: reading it is no right to lean on it.
    for (entity, target) in [("links", "notes"), ("marks", "posts")] {
        let foreign = one_row(&app, &ann, target).await;
        let foreign = foreign.rsplit('/').next().expect("an id");
        let one = app.post(&bob, &format!("/api/v1/{entity}"), json!({"note": foreign})).await;
        let two = app.post(&bob, &format!("/api/v1/{entity}"), json!({"note": "nothing"})).await;
        assert_eq!(one.problem(), "409 relation_not_found [note: relation_not_found]");
        assert_eq!(one.json()["message"], two.json()["message"]);
        let own = one_row(&app, &bob, target).await;
        let own = own.rsplit('/').next().expect("an id");
        let row = app.post(&bob, &format!("/api/v1/{entity}"), json!({"note": own})).await.expect(201).json();
        let path = format!("/api/v1/{entity}/{}", row["id"].as_str().expect("an id"));
        assert_eq!(
            app.patch(&bob, &path, json!({"note": foreign})).await.problem(),
            "409 relation_not_found [note: relation_not_found]"
        );
    }
    app.close().await;
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let app = TestApp::with(&[("notes", NOTES), ("pages", PUBLIC)]).await;
    let ann = app.user("ann").await;
    let row = one_row(&app, &ann, "notes").await;
    let check = async |scopes: &[&str], expected: [u16; 4]| {
        let key = app.key(&ann.user, scopes).await;
        let user = TestUser { user: ann.user.clone(), key };
        let fresh = one_row(&app, &ann, "notes").await;
        let statuses = [
            app.get(&user, &row).await.status,
            app.post(&user, "/api/v1/notes", json!({"text": "x"})).await.status,
            app.patch(&user, &row, json!({"text": "x"})).await.status,
            app.delete(&user, &fresh).await.status,
        ];
        assert_eq!(statuses, expected, "{scopes:?}");
    };
    check(&["*"], [200, 201, 200, 204]).await;
    check(&["notes:*"], [200, 201, 200, 204]).await;
    check(&["notes:read"], [200, 403, 403, 403]).await;
    check(&["notes:write"], [403, 201, 200, 403]).await;
    check(&["notes:delete"], [403, 403, 403, 204]).await;
    check(&["pages:*"], [403, 403, 403, 403]).await;
    // A key without the scope reads less than nobody at all does: who presents a key means to use it.
    let pages = one_row(&app, &ann, "pages").await;
    let notes_only = TestUser { user: ann.user.clone(), key: app.key(&ann.user, &["notes:read"]).await };
    let refused = app.get(&notes_only, &pages).await;
    assert_snapshot!(refused.problem(), @"403 missing_scope");
    assert_eq!(refused.json()["message"], "this needs the scope `pages:read`");
    app.close().await;
}

#[tokio::test]
async fn a_credential_that_is_not_valid_is_never_anonymous() {
    let app = TestApp::with(&[("pages", PUBLIC)]).await;
    let ann = app.user("ann").await;
    let _ = app.get(Who::Anyone, "/api/v1/pages").await.expect(200);
    let bearer = format!("Bearer {}", ann.key);
    let unknown = "hrk_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (headers, expected) in [
        (vec![("authorization", bearer.as_str())], "200"),
        (vec![("authorization", bearer.as_str()), ("x-api-key", ann.key.as_str())], "200"),
        (vec![("x-api-key", ann.key.as_str())], "200"),
        (vec![("authorization", "Bearer x")], "401 invalid_credential"),
        (vec![("authorization", "Bearer ")], "401 invalid_credential"),
        (vec![("authorization", "Basic YTpi")], "401 invalid_credential"),
        (vec![("authorization", unknown)], "401 invalid_credential"),
        (vec![("x-api-key", unknown)], "401 invalid_credential"),
        (vec![("x-api-key", "")], "401 invalid_credential"),
        (vec![("authorization", bearer.as_str()), ("x-api-key", "other")], "400 two_credentials"),
        (vec![("authorization", bearer.as_str()), ("authorization", "Bearer other")], "400 two_credentials"),
    ] {
        let answer = app.get(Who::Headers(&headers), "/api/v1/pages").await;
        let got = if answer.status == 200 { "200".to_owned() } else { answer.problem() };
        assert_eq!(got, expected, "{headers:?}");
    }
    app.close().await;
}

#[tokio::test]
async fn a_key_stops_at_once_when_it_is_revoked_expired_or_its_user_banned() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let works = async || app.get(&ann, "/api/v1/notes").await.status == 200;
    assert!(works().await);
    for (stop, undo) in [
        ("UPDATE api_keys SET revoked = true", "UPDATE api_keys SET revoked = false"),
        ("UPDATE api_keys SET \"expiresAt\" = now()", "UPDATE api_keys SET \"expiresAt\" = now() + '1 hour'"),
        ("UPDATE \"user\" SET banned = true", "UPDATE \"user\" SET \"banExpires\" = now()"),
    ] {
        app.database.sql(stop).await;
        assert!(!works().await, "{stop}");
        app.database.sql(undo).await;
        assert!(works().await, "{undo}");
    }
    app.close().await;
}

#[tokio::test]
async fn the_database_holds_no_key() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let dump = app.database.column("SELECT api_keys::text FROM api_keys").await.join("\n");
    let secret = &ann.key["hrk_12345678_".len()..];
    assert!(!dump.contains(secret), "{dump}");
    assert!(dump.contains(&ann.key[.."hrk_12345678".len()]), "{dump}");
    app.close().await;
}
