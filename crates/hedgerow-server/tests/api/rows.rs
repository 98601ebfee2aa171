//! What an entity file says of its rows as a whole: who sees which, what happens to deleted ones, what cannot be written.

use hedgerow_testing::{TestApp, TestUser};
use serde_json::{Value, json};

fn id(row: &Value) -> String {
    row["id"].as_str().expect("an id").to_owned()
}

async fn add(app: &TestApp, who: &TestUser, entity: &str, body: Value) -> String {
    id(&app.post(who, &format!("/api/v1/{entity}"), body).await.expect(201).json())
}

/// The values of `key` in the rows at `path`, sorted.
async fn seen(app: &TestApp, who: impl Into<hedgerow_testing::Who<'_>>, path: &str, key: &str) -> String {
    let rows = app.get(who, path).await.expect(200).json();
    let rows = rows.as_array().expect("an array").iter();
    let mut values: Vec<String> = rows.map(|row| row[key].as_str().unwrap_or("null").to_owned()).collect();
    values.sort();
    values.join(" ")
}

const POSTS: &str = r#"
access = { read = "public", write = "signed_in", published_when = "state = 'out' and (at is null or at <= now())" }
fields.title = { type = "text", searchable = true }
fields.state = { type = "select", options = ["draft", "out"], default = "draft" }
fields.at = { type = "datetime" }
"#;

#[tokio::test]
async fn strangers_see_what_is_published() {
    let members = POSTS.replace("public", "signed_in");
    let pages = POSTS.replace("signed_in", "admin");
    let app = TestApp::with(&[("posts", POSTS), ("notices", &members), ("pages", &pages)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    for entity in ["posts", "notices"] {
        let path = format!("/api/v1/{entity}");
        let draft = add(&app, &ann, entity, json!({"title": "draft"})).await;
        let _ = add(&app, &ann, entity, json!({"title": "out", "state": "out"})).await;
        let _ =
            add(&app, &ann, entity, json!({"title": "soon", "state": "out", "at": "2999-01-01T00:00:00Z"}))
                .await;
        let _ =
            add(&app, &ann, entity, json!({"title": "past", "state": "out", "at": "2001-01-01T00:00:00Z"}))
                .await;
        assert_eq!(seen(&app, &ann, &path, "title").await, "draft out past soon");
        assert_eq!(seen(&app, &bob, &path, "title").await, "out past");
        let one = format!("{path}/{draft}");
        assert_eq!(app.get(&bob, &one).await.problem(), "404 not_found");
        // What cannot be seen cannot be told from what is not there; what can be seen is somebody else's.
        assert_eq!(app.patch(&bob, &one, json!({"state": "out"})).await.problem(), "404 not_found");
        assert_eq!(app.delete(&bob, &one).await.problem(), "404 not_found");
        let _ = app.patch(&ann, &one, json!({"state": "out"})).await.expect(200);
        assert_eq!(app.patch(&bob, &one, json!({"state": "out"})).await.problem(), "403 not_owner");
        assert_eq!(seen(&app, &bob, &path, "title").await, "draft out past");
    }
    assert_eq!(seen(&app, hedgerow_testing::Who::Anyone, "/api/v1/posts", "title").await, "draft out past");
    assert_eq!(
        app.get(hedgerow_testing::Who::Anyone, "/api/v1/notices").await.problem(),
        "401 not_signed_in"
    );
    // Administrators see and change each other's drafts.
    let (eve, joe) =
        (app.user_with("eve", "admin", &["*"]).await, app.user_with("joe", "admin", &["*"]).await);
    let page = add(&app, &eve, "pages", json!({"title": "draft"})).await;
    assert_eq!(app.get(&bob, &format!("/api/v1/pages/{page}")).await.problem(), "404 not_found");
    let _ = app.patch(&joe, &format!("/api/v1/pages/{page}"), json!({"state": "out"})).await.expect(200);
    let _ = app.get(&bob, &format!("/api/v1/pages/{page}")).await.expect(200);
    app.close().await;
}

#[tokio::test]
async fn what_is_searched_is_kept_in_words_and_never_shown() {
    let entity = "fields.title = { type = \"text\", searchable = true }\nfields.body = { type = \"markdown\", searchable = true }";
    let app = TestApp::with(&[("notes", entity)]).await;
    let ann = app.user("ann").await;
    let row = app.post(&ann, "/api/v1/notes", json!({"title": "The Plan"})).await.expect(201).json();
    assert_eq!(row.get("search"), None);
    let _ = add(&app, &ann, "notes", json!({"title": "a", "body": "the plan is off"})).await;
    let words = app.database.column("SELECT search::text FROM notes ORDER BY search::text").await;
    assert_eq!(words, ["'a':1 'is':4 'off':5 'plan':3 'the':2", "'plan':2 'the':1"]);
    assert_eq!(
        app.get(&ann, "/api/v1/notes?select=search").await.problem(),
        "400 unknown_field [select: unknown_field]"
    );
    let found = app.get(&ann, "/api/v1/notes?search=plan%20off").await.expect(200).json();
    assert_eq!((found[0]["title"].as_str(), found[0].get("search")), (Some("a"), None));
    let body = json!({"search": "x"});
    assert_eq!(
        app.post(&ann, "/api/v1/notes", body).await.problem(),
        "400 unknown_field [search: unknown_field]"
    );
    app.close().await;
}

#[tokio::test]
async fn read_only_columns_are_refused_by_postgresql_too() {
    let entity = r#"
        fields.title = { type = "text" }
        fields.score = { type = "integer", read_only = true, default = 7 }
        fields.secret = { type = "text", hidden = true }
    "#;
    let app = TestApp::with(&[("games", entity)]).await;
    let ann = app.user("ann").await;
    let made = app.post(&ann, "/api/v1/games", json!({"title": "a", "secret": "s"})).await.expect(201).json();
    assert_eq!((&made["score"], made.get("secret")), (&json!(7), None));
    let path = format!("/api/v1/games/{}", id(&made));
    app.database.sql("UPDATE games SET score = 8").await;
    let put = app.put(&ann, &path, json!({"title": "b"})).await.expect(200).json();
    assert_eq!(put["score"], 8, "what the server keeps, a replacement leaves");
    assert_eq!(
        app.database.column("SELECT secret FROM games").await,
        ["NULL"],
        "a hidden field can be written"
    );
    assert_eq!(
        app.patch(&ann, &path, json!({"score": 1})).await.problem(),
        "400 read_only_field [score: read_only_field]"
    );
    for sql in ["UPDATE games SET score = 1", "INSERT INTO games (score) VALUES (1)"] {
        let tried = format!(
            "SELECT set_config('app.user_id', '{}', false); SET ROLE hedgerow_app; {sql}",
            ann.user.id
        );
        let error = app.database.try_column(&tried).await.expect_err("a refusal");
        assert!(error.contains("permission denied"), "{error}");
    }
    app.close().await;
}

const TASKS: &str = r#"
soft_delete = true
fields.title = { type = "text", max_length = 50, unique = true }
fields.parent = { type = "relation", entity = "tasks", on_delete = "cascade" }
"#;

#[tokio::test]
async fn a_deleted_row_waits_in_its_owners_trash() {
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let one = add(&app, &ann, "tasks", json!({"title": "one"})).await;
    let two = add(&app, &ann, "tasks", json!({"title": "two", "parent": one})).await;
    let path = format!("/api/v1/tasks/{one}");
    assert_eq!(app.get(&ann, &path).await.json()["deletedAt"], Value::Null);
    assert_eq!(app.delete(&bob, &path).await.problem(), "404 not_found");
    assert_eq!(app.delete(&ann, &path).await.expect(204).text, "");
    // It is gone for everything that speaks of rows; what points at it stays.
    assert_eq!(app.get(&ann, &path).await.problem(), "404 not_found");
    assert_eq!(app.delete(&ann, &path).await.problem(), "404 not_found");
    assert_eq!(app.patch(&ann, &path, json!({"title": "x"})).await.problem(), "404 not_found");
    assert_eq!(app.put(&ann, &path, json!({"title": "x"})).await.problem(), "404 not_found");
    assert_eq!(
        app.patch(&ann, "/api/v1/tasks?title=eq.one", json!({"title": "x"})).await.expect(200).text,
        "[]"
    );
    assert_eq!(app.delete(&ann, "/api/v1/tasks?title=eq.one").await.expect(200).text, "[]");
    assert_eq!(seen(&app, &ann, "/api/v1/tasks", "title").await, "two");
    // The trash is a list like another, and its owner's alone.
    let trash =
        app.get(&ann, "/api/v1/tasks/trash?select=id,deletedAt&title=eq.one&limit=5").await.expect(200);
    assert_eq!(trash.header("content-range"), Some("0-0/*"));
    assert!(trash.json()[0]["deletedAt"].is_string(), "{}", trash.text);
    assert_eq!(app.get(&bob, "/api/v1/tasks/trash").await.expect(200).text, "[]");
    assert_eq!(
        app.get(hedgerow_testing::Who::Anyone, "/api/v1/tasks/trash").await.problem(),
        "401 not_signed_in"
    );
    assert_eq!(app.post(&bob, &format!("{path}/restore"), json!({})).await.problem(), "404 not_found");
    assert_eq!(app.delete(&bob, &format!("/api/v1/tasks/trash/{one}")).await.problem(), "404 not_found");
    // Back, with what it had.
    let back = app.post(&ann, &format!("{path}/restore"), json!({})).await.expect(200).json();
    assert_eq!((&back["title"], &back["deletedAt"]), (&json!("one"), &Value::Null));
    assert_eq!(app.post(&ann, &format!("{path}/restore"), json!({})).await.problem(), "404 not_found");
    // A collection goes the same way, and comes back in the answer.
    let gone = app.delete(&ann, "/api/v1/tasks?title=in.(one,two)").await.expect(200).json();
    assert_eq!(gone.as_array().map(Vec::len), Some(2));
    assert!(gone[0]["deletedAt"].is_string());
    // Its unique value is free until it is restored.
    let other = add(&app, &ann, "tasks", json!({"title": "one"})).await;
    assert_eq!(
        app.post(&ann, &format!("{path}/restore"), json!({})).await.problem(),
        "409 already_exists [title: already_exists]"
    );
    let purge = |id: &str| format!("/api/v1/tasks/trash/{id}");
    assert_eq!(app.delete(&ann, &purge(&other)).await.problem(), "404 not_found", "it is not in the trash");
    assert_eq!(app.delete(&ann, &purge(&one)).await.expect(204).text, "");
    let left = app.database.column("SELECT id FROM tasks").await;
    assert_eq!(left, [other], "what pointed at it went with it: {two}");
    app.close().await;
}

#[tokio::test]
async fn nobody_writes_the_moment_of_deletion_or_opens_the_trash_by_asking() {
    let app = TestApp::with_options(
        &[("tasks", TASKS), ("notes", "fields.text = { type = \"text\" }")],
        hedgerow_server::ServerOptions::default(),
        |options| options.pool.max_connections = 1,
    )
    .await;
    let ann = app.user("ann").await;
    let one = add(&app, &ann, "tasks", json!({"title": "one"})).await;
    let path = format!("/api/v1/tasks/{one}");
    for value in [Value::Null, json!("2026-01-01T00:00:00Z")] {
        let body = json!({"deletedAt": value});
        assert_eq!(
            app.patch(&ann, &path, body.clone()).await.problem(),
            "400 read_only_field [deletedAt: read_only_field]"
        );
        assert_eq!(
            app.post(&ann, "/api/v1/tasks", body).await.problem(),
            "400 read_only_field [deletedAt: read_only_field]"
        );
    }
    // One connection serves all: what a deletion, a restoration and a failure among them set is over with them.
    let hidden = async || {
        assert_eq!(seen(&app, &ann, "/api/v1/tasks", "title").await, "");
        let shown = app.get(&ann, "/api/v1/tasks?deletedAt=not.is.null").await.expect(200).text;
        assert_eq!(shown, "[]");
        let user = hedgerow::database::Identity::User(ann.user.id.clone());
        let rows = app
            .app
            .database()
            .flight(&user)
            .rows(
                "SELECT coalesce(current_setting('app.deleted', true), ''), (SELECT count(*) FROM tasks)",
                &[],
            )
            .await
            .expect("an answer");
        assert_eq!(
            (rows[0].get::<String>(0).expect("a text"), rows[0].get::<i64>(1).expect("a number")),
            (String::new(), 0)
        );
    };
    let _ = app.delete(&ann, &path).await.expect(204);
    hidden().await;
    let _ = app.get(&ann, "/api/v1/tasks/trash").await.expect(200);
    hidden().await;
    assert_eq!(app.post(&ann, "/api/v1/tasks/nothing/restore", json!({})).await.problem(), "404 not_found");
    hidden().await;
    // A program that set it for the session finds that no request believes it.
    let user = hedgerow::database::Identity::User(ann.user.id.clone());
    let _ = app
        .app
        .database()
        .flight(&user)
        .rows("SELECT set_config('app.deleted', 'on', false)", &[])
        .await
        .expect("an answer");
    hidden().await;
    for path in ["/api/v1/tasks?app.deleted=on", "/api/v1/tasks?deleted=true"] {
        let _ = app.get(&ann, path).await.expect(400);
    }
    let headers = [("authorization", format!("Bearer {}", ann.key)), ("app.deleted", "on".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(
        app.get(hedgerow_testing::Who::Headers(&headers), "/api/v1/tasks").await.expect(200).text,
        "[]"
    );
    // Entities that delete for good have no trash.
    let note = add(&app, &ann, "notes", json!({"text": "x"})).await;
    assert_eq!(app.get(&ann, "/api/v1/notes/trash").await.problem(), "404 not_found");
    assert_eq!(
        app.post(&ann, &format!("/api/v1/notes/{note}/restore"), json!({})).await.problem(),
        "404 not_found"
    );
    assert_eq!(app.delete(&ann, &format!("/api/v1/notes/trash/{note}")).await.problem(), "404 not_found");
    // The scopes are those of the actions.
    let reader = TestUser { user: ann.user.clone(), key: app.key(&ann.user, &["tasks:read"]).await };
    assert_eq!(
        app.get(&reader, "/api/v1/tasks/trash").await.expect(200).json().as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(app.post(&reader, &format!("{path}/restore"), json!({})).await.problem(), "403 missing_scope");
    assert_eq!(
        app.delete(&reader, &format!("/api/v1/tasks/trash/{one}")).await.problem(),
        "403 missing_scope"
    );
    app.close().await;
}

#[tokio::test]
async fn what_others_see_they_see_no_longer_when_it_is_deleted() {
    let open = "soft_delete = true\naccess = { read = \"public\" }\nfields.title = { type = \"text\" }";
    let shared = "soft_delete = true\naccess = { read = \"public\", write = \"admin\" }\nfields.title = { type = \"text\" }";
    let app = TestApp::with(&[("pages", open), ("terms", shared)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let (eve, joe) =
        (app.user_with("eve", "admin", &["*"]).await, app.user_with("joe", "admin", &["*"]).await);
    let page = add(&app, &ann, "pages", json!({"title": "a"})).await;
    assert_eq!(app.delete(&bob, &format!("/api/v1/pages/{page}")).await.problem(), "403 not_owner");
    assert_eq!(app.delete(&ann, &format!("/api/v1/pages/{page}")).await.expect(204).text, "");
    for who in [&ann, &bob] {
        assert_eq!(app.get(who, "/api/v1/pages").await.expect(200).text, "[]");
        assert_eq!(app.delete(who, &format!("/api/v1/pages/{page}")).await.problem(), "404 not_found");
        assert_eq!(
            app.patch(who, &format!("/api/v1/pages/{page}"), json!({"title": "b"})).await.problem(),
            "404 not_found"
        );
    }
    assert_eq!(seen(&app, &ann, "/api/v1/pages/trash", "title").await, "a");
    assert_eq!(seen(&app, &bob, "/api/v1/pages/trash", "title").await, "");
    // Even with the trash open, PostgreSQL shows a row in it only to whoever may write it.
    let sql = "SELECT set_config('app.deleted', 'on', true), set_config('app.user_id', 'bob', true); SET LOCAL ROLE hedgerow_app; SELECT count(*) FROM pages";
    assert_eq!(app.database.column(sql).await.last().map(String::as_str), Some("0"));
    let term = add(&app, &eve, "terms", json!({"title": "t"})).await;
    assert_eq!(app.delete(&joe, &format!("/api/v1/terms/{term}")).await.expect(204).text, "");
    assert_eq!(app.get(&bob, "/api/v1/terms/trash").await.problem(), "403 admin_only");
    assert_eq!(seen(&app, &joe, "/api/v1/terms/trash", "title").await, "t");
    let _ = app.post(&eve, &format!("/api/v1/terms/{term}/restore"), json!({})).await.expect(200);
    assert_eq!(seen(&app, &bob, "/api/v1/terms", "title").await, "t");
    app.close().await;
}

const TAGS: &str = "fields.name = { type = \"text\" }";
const BOOKS: &str = r#"
fields.title = { type = "text" }
fields.tags = { type = "relation_many", entity = "tags" }
fields.like = { type = "relation_many", entity = "books", on_delete = "cascade" }
fields.places = { type = "relation_many", entity = "places", immutable = true }
"#;
const PLACES: &str = "access = { read = \"public\", write = \"admin\" }\nfields.name = { type = \"text\" }";

/// Tags of that owner, in the order in which answers show them.
async fn tags(app: &TestApp, owner: &TestUser, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(add(app, owner, "tags", json!({"name": n.to_string()})).await);
    }
    ids.sort();
    ids
}

#[tokio::test]
async fn a_row_points_at_many_others_of_its_owner() {
    let app = TestApp::with(&[("tags", TAGS), ("books", BOOKS), ("places", PLACES)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let root = app.user_with("root", "admin", &["*"]).await;
    let place = add(&app, &root, "places", json!({"name": "p"})).await;
    let (own, foreign) = (tags(&app, &ann, 3).await, tags(&app, &bob, 1).await);
    let body = json!({"title": "a", "tags": [own[1], own[0]], "places": [place]});
    let made = app.post(&ann, "/api/v1/books", body).await.expect(201).json();
    assert_eq!(
        (&made["tags"], &made["like"], &made["places"]),
        (&json!([own[0], own[1]]), &json!([]), &json!([place]))
    );
    let path = format!("/api/v1/books/{}", id(&made));
    // Changed alone, with other fields, to none by null, and by a replacement that does not name them.
    let changed = app.patch(&ann, &path, json!({"tags": [own[1], own[2]]})).await.expect(200).json();
    assert_eq!((&changed["tags"], &changed["title"]), (&json!([own[1], own[2]]), &json!("a")));
    assert_ne!(changed["updatedAt"], made["updatedAt"]);
    let changed = app.patch(&ann, &path, json!({"title": "b", "like": [id(&made)]})).await.expect(200).json();
    assert_eq!((&changed["tags"], &changed["like"]), (&json!([own[1], own[2]]), &json!([id(&made)])));
    assert_eq!(app.patch(&ann, &path, json!({"like": null})).await.expect(200).json()["like"], json!([]));
    let put = app.put(&ann, &path, json!({"title": "c"})).await.expect(200).json();
    assert_eq!((&put["tags"], &put["places"]), (&json!([]), &json!([place])), "what is immutable stays");
    let put = app.put(&ann, &path, json!({"title": "c", "tags": own})).await.expect(200).json();
    assert_eq!(put["tags"], json!(own));
    assert_eq!(
        app.patch(&ann, &path, json!({"places": []})).await.problem(),
        "400 immutable_field [places: immutable_field]"
    );
    // Selected and renamed like a column; filtered by as a set, and not ordered by.
    let one = app.get(&ann, &format!("{path}?select=labels:tags,title")).await.expect(200).text;
    assert_eq!(one, json!({"labels": own, "title": "c"}).to_string());
    for (query, expected) in [
        ("tags=eq.x", "400 unsupported_operator [tags: unsupported_operator]"),
        ("tags=is.null", "400 unsupported_operator [tags: unsupported_operator]"),
        ("order=tags", "400 invalid_order [order: invalid_order]"),
    ] {
        assert_eq!(app.get(&ann, &format!("/api/v1/books?{query}")).await.problem(), expected);
    }
    // Another's row and no row at all are one answer, and nothing of the request stays.
    let before = app.get(&ann, &path).await.text;
    for wrong in [json!([own[0], foreign[0]]), json!(["nothing"])] {
        let expected = "409 relation_not_found [tags: relation_not_found]";
        assert_eq!(app.patch(&ann, &path, json!({"title": "x", "tags": wrong})).await.problem(), expected);
        assert_eq!(
            app.post(&ann, "/api/v1/books", json!({"title": "x", "tags": wrong})).await.problem(),
            expected
        );
        let many = json!([{"title": "x", "tags": [own[0]]}, {"title": "y", "tags": wrong}]);
        assert_eq!(app.post(&ann, "/api/v1/books", many).await.problem(), expected);
    }
    assert_eq!(app.get(&ann, &path).await.text, before);
    assert_eq!(app.database.column("SELECT count(*) FROM books").await, ["1"]);
    for (wrong, code) in [
        (json!("x"), "invalid_list"),
        (json!([1]), "invalid_list"),
        (json!([own[0], own[0]]), "repeated_item"),
        (json!([""]), "invalid_id"),
        (json!((0..1001).map(|n| n.to_string()).collect::<Vec<_>>()), "too_many_ids"),
    ] {
        assert_eq!(
            app.patch(&ann, &path, json!({"tags": wrong})).await.problem(),
            format!("400 {code} [tags: {code}]")
        );
    }
    // Nobody links rows that are not theirs to write.
    assert_eq!(app.patch(&bob, &path, json!({"tags": foreign})).await.problem(), "404 not_found");
    assert_eq!(app.put(&bob, &path, json!({"tags": []})).await.problem(), "404 not_found");
    assert_eq!(
        app.patch(&ann, "/api/v1/books/nothing", json!({"tags": own})).await.problem(),
        "404 not_found"
    );
    assert_eq!(app.get(&ann, &path).await.text, before);
    // A link goes with what it points at, and with what it leads from.
    assert_eq!(app.delete(&ann, &format!("/api/v1/tags/{}", own[0])).await.expect(204).text, "");
    assert_eq!(app.get(&ann, &path).await.json()["tags"], json!([own[1], own[2]]));
    assert_eq!(app.delete(&ann, "/api/v1/books?title=eq.c").await.expect(200).json()[0]["title"], "c");
    assert_eq!(app.database.column("SELECT count(*) FROM books_tags").await, ["0"]);
    app.close().await;
}

#[tokio::test]
async fn many_rows_are_linked_at_once() {
    let app = TestApp::with(&[("tags", TAGS), ("books", BOOKS), ("places", PLACES)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let own = tags(&app, &ann, 2).await;
    let body =
        json!([{"title": "a", "tags": [own[0]]}, {"tags": own}, {"title": "c"}, {"title": "d", "tags": []}]);
    let made = app.post(&ann, "/api/v1/books", body).await.expect(201).json();
    let shown: Vec<_> = made.as_array().expect("an array").iter().map(|row| row["tags"].clone()).collect();
    assert_eq!(shown, [json!([own[0]]), json!(own), json!([]), json!([])]);
    assert_eq!(made[3]["title"], "d");
    let _ = add(&app, &bob, "books", json!({"title": "d"})).await;
    // The filter is asked of the rows as they were.
    let changed = app
        .patch(&ann, "/api/v1/books?title=in.(c,d)", json!({"title": "e", "tags": [own[1]]}))
        .await
        .expect(200)
        .json();
    let shown: Vec<_> = changed.as_array().expect("an array").iter().map(|row| row["tags"].clone()).collect();
    assert_eq!(shown, [json!([own[1]]), json!([own[1]])]);
    let changed = app
        .patch(&ann, "/api/v1/books?id=not.is.null&select=tags", json!({"tags": null}))
        .await
        .expect(200)
        .text;
    assert_eq!(changed, r#"[{"tags":[]},{"tags":[]},{"tags":[]},{"tags":[]}]"#);
    assert_eq!(app.database.column("SELECT count(*) FROM books_tags").await, ["0"]);
    app.close().await;
}

#[tokio::test]
async fn links_are_seen_where_their_row_is() {
    let page = |access: &str| {
        format!(
            "soft_delete = true\naccess = {{ {access} }}\nfields.open = {{ type = \"boolean\", default = false }}\nfields.places = {{ type = \"relation_many\", entity = \"places\" }}"
        )
    };
    let drafts = page("read = \"public\", published_when = \"open\"");
    let terms = page("read = \"public\", write = \"admin\"");
    let app = TestApp::with(&[("drafts", &drafts), ("terms", &terms), ("places", PLACES)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let (eve, joe) =
        (app.user_with("eve", "admin", &["*"]).await, app.user_with("joe", "admin", &["*"]).await);
    let place = add(&app, &eve, "places", json!({"name": "p"})).await;
    let other = add(&app, &joe, "places", json!({"name": "q"})).await;
    let draft = add(&app, &ann, "drafts", json!({"places": [place]})).await;
    let path = format!("/api/v1/drafts/{draft}");
    let visible = "SELECT set_config('app.user_id', 'bob', true); SET LOCAL ROLE hedgerow_app; SELECT count(*) FROM drafts_places";
    let count = async || app.database.column(visible).await.pop();
    assert_eq!(count().await.as_deref(), Some("0"));
    let _ = app.patch(&ann, &path, json!({"open": true})).await.expect(200);
    assert_eq!(count().await.as_deref(), Some("1"));
    assert_eq!(
        app.get(hedgerow_testing::Who::Anyone, &path).await.expect(200).json()["places"],
        json!([place])
    );
    assert_eq!(app.patch(&bob, &path, json!({"places": []})).await.problem(), "403 not_owner");
    // In the trash and back, with its links; nobody else sees them meanwhile, and they cannot be changed.
    let _ = app.delete(&ann, &path).await.expect(204);
    assert_eq!(count().await.as_deref(), Some("0"));
    assert_eq!(app.patch(&ann, &path, json!({"places": []})).await.problem(), "404 not_found");
    assert_eq!(app.get(&ann, "/api/v1/drafts/trash").await.expect(200).json()[0]["places"], json!([place]));
    let back = app.post(&ann, &format!("{path}/restore"), json!({})).await.expect(200).json();
    assert_eq!(back["places"], json!([place]));
    // Administrators link each other's rows.
    let term = add(&app, &eve, "terms", json!({"places": [place]})).await;
    let path = format!("/api/v1/terms/{term}");
    let changed = app.patch(&joe, &path, json!({"places": [other]})).await.expect(200).json();
    assert_eq!(changed["places"], json!([other]));
    assert_eq!(app.patch(&bob, &path, json!({"places": []})).await.problem(), "403 admin_only");
    assert_eq!(app.get(&bob, &path).await.expect(200).json()["places"], json!([other]));
    app.close().await;
}
