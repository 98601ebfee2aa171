//! Metadata inside rows: shown, found and ordered by, each as far as whoever asks may see it.

use hedgerow_testing::{Answer, TestApp, TestUser, Who};
use insta::assert_snapshot;
use serde_json::{Value, json};

const ENTITIES: &[(&str, &str)] = &[
    (
        "notes",
        r#"
        metadata = true
        soft_delete = true
        fields.title = { type = "text" }
        fields.topic = { type = "relation", entity = "topics" }
        metas.weight = { type = "number", searchable = true }
        metas.hidden = { type = "text" }
        "#,
    ),
    (
        "posts",
        r#"
        access = { read = "public", write = "signed_in", published_when = "state = 'out'" }
        metadata = true
        fields.title = { type = "text" }
        fields.state = { type = "select", options = ["draft", "out"], default = "out" }
        "#,
    ),
    (
        "airports",
        r#"
        access = { read = "signed_in", write = "admin" }
        metadata = true
        fields.faa = { type = "text" }
        "#,
    ),
    ("topics", "fields.name = { type = \"text\" }"),
];

async fn made(app: &TestApp, who: &TestUser, entity: &str, row: Value) -> String {
    let answer = app.post(who, &format!("/api/v1/{entity}"), row).await.expect(201);
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// What becomes of a meta: how others see it, and whether rows are found by it.
#[derive(Clone, Copy)]
enum Flag {
    Private,
    Public,
    Searchable,
    Both,
}

/// Gives the row with this title, of whomever it is, a meta.
async fn meta(app: &TestApp, entity: &str, title: &str, key: &str, value: &str, ty: &str, flag: Flag) {
    let title_of = if entity == "airports" { "faa" } else { "title" };
    let is_public = matches!(flag, Flag::Public | Flag::Both);
    let is_searchable = matches!(flag, Flag::Searchable | Flag::Both);
    let sql = format!(
        r#"INSERT INTO {entity}_metas ("userId", "entityId", "metaKey", "metaValue", "dataType", "isPublic", "isSearchable")
           SELECT "userId", id, $meta${key}$meta$, $meta${value}$meta$, '{ty}', {is_public}, {is_searchable}
           FROM {entity} WHERE "{title_of}" = '{title}'"#
    );
    app.database.sql(&sql).await;
}

fn titles(answer: &Answer) -> String {
    let rows = answer.json();
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| row["title"].as_str().expect("a title")).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn rows_show_their_metadata_exactly_as_it_is() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let id = made(&app, &ann, "notes", json!({"title": "a"})).await;
    let _ = made(&app, &ann, "notes", json!({"title": "b"})).await;
    for (key, value, ty) in [
        ("off", "false", "boolean"),
        ("zero", "0", "number"),
        ("price", "1.10", "number"),
        ("empty", "", "text"),
        ("name", "a \"b\" \\ \n\u{1f331}", "string"),
        ("nothing", "{\"a\":null,  \"b\":[1]}", "json"),
        ("nil", "null", "json"),
        ("due", "2026-01-31", "date"),
        ("at", "2026-01-31T09:30:00.000Z", "datetime"),
        ("a,b \"c\"", "x", "text"),
    ] {
        meta(&app, "notes", "a", key, value, ty, Flag::Private).await;
    }
    let get = async |path: &str| app.get(&ann, &format!("/api/v1/{path}")).await.expect(200).text;
    assert_snapshot!(get("notes?select=title,topic&metas=all&order=title").await, @r#"[{"title":"a","topic":null,"metas":{"a,b \"c\"":"x","at":"2026-01-31T09:30:00.000Z","due":"2026-01-31","empty":"","name":"a \"b\" \\ \n🌱","nil":null,"nothing":{"a":null,  "b":[1]},"off":false,"price":1.10,"zero":0}},{"title":"b","topic":null,"metas":{}}]"#);
    let one = format!("notes/{id}");
    assert_snapshot!(get(&format!("{one}?select=title&metas=off,none,zero")).await, @r#"{"title":"a","metas":{"off":false,"zero":0}}"#);
    assert_snapshot!(get(&format!("{one}?select=title&metas=%22a,b%20%5C%22c%5C%22%22,due")).await, @r#"{"title":"a","metas":{"a,b \"c\"":"x","due":"2026-01-31"}}"#);
    // The key of that name, and not all.
    assert_snapshot!(get(&format!("{one}?select=title&metas=%22all%22")).await, @r#"{"title":"a","metas":{}}"#);
    assert!(!get("notes").await.contains("metas"), "only who asks is shown them");

    let as_form = async |form: &str, path: &str| {
        app.ask_with(&ann, "GET", &format!("/api/v1/{path}"), None, &[("accept", form)])
            .await
            .expect(200)
            .text
    };
    assert_snapshot!(as_form("text/csv", "notes?select=title&metas=off,empty&order=title").await, @r#"
    title,metas
    a,"{""empty"":"""",""off"":false}"
    b,{}
    "#);
    assert_snapshot!(as_form("application/x-ndjson", "notes?select=title&metas=price&order=title").await, @r#"
    {"title":"a","metas":{"price":1.10}}
    {"title":"b","metas":{}}
    "#);
    assert_snapshot!(as_form("application/vnd.pgrst.array+json;nulls=stripped","notes?select=title,topic&metas=nil&order=title").await, @r#"[{"title":"a","metas":{"nil":null}},{"title":"b","metas":{}}]"#);
    app.close().await;
}

#[tokio::test]
async fn answers_of_writes_show_metadata_too() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let new = app.post(&ann, "/api/v1/notes?select=title&metas=all", json!({"title": "a"})).await.expect(201);
    assert_snapshot!(new.text, @r#"{"title":"a","metas":{}}"#);
    meta(&app, "notes", "a", "color", "red", "text", Flag::Searchable).await;
    let id = app.get(&ann, "/api/v1/notes?metas.color=eq.red").await.json()[0]["id"].clone();
    let path = format!("/api/v1/notes/{}", id.as_str().expect("an id"));
    let ask = "?select=title&metas=all";
    assert_snapshot!(app.patch(&ann, &format!("{path}{ask}"), json!({"title": "b"})).await.expect(200).text, @r#"{"title":"b","metas":{"color":"red"}}"#);
    assert_snapshot!(app.put(&ann, &format!("{path}{ask}"), json!({"title": "c"})).await.expect(200).text, @r#"{"title":"c","metas":{"color":"red"}}"#);
    let many =
        app.patch(&ann, &format!("/api/v1/notes{ask}&metas.color=eq.red"), json!({"title": "d"})).await;
    assert_snapshot!(many.expect(200).text, @r#"[{"title":"d","metas":{"color":"red"}}]"#);
    let other = app.patch(&ann, "/api/v1/notes?metas.color=eq.blue", json!({"title": "e"})).await;
    assert_snapshot!(other.expect(200).text, @"[]");
    let batch =
        json!({"operations": [{"method": "PATCH", "path": format!("{path}{ask}"), "body": {"title": "f"}}]});
    assert_snapshot!(app.post(&ann, "/api/v1/batch", batch).await.expect(200).json()[0]["body"].to_string(), @r#"{"title":"f","metas":{"color":"red"}}"#);
    let gone = app.delete(&ann, &format!("/api/v1/notes{ask}&metas.color=like.r*")).await;
    assert_snapshot!(gone.expect(200).text, @r#"[{"title":"f","metas":{"color":"red"}}]"#);
    assert_snapshot!(app.get(&ann, &format!("/api/v1/notes/trash{ask}")).await.expect(200).text, @r#"[{"title":"f","metas":{"color":"red"}}]"#);
    let back = app.ask(&ann, "POST", &format!("{path}/restore{ask}"), None).await;
    assert_snapshot!(back.expect(200).text, @r#"{"title":"f","metas":{"color":"red"}}"#);
    app.close().await;
}

#[tokio::test]
async fn what_a_body_writes_is_in_its_answer_and_finds_the_row() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let ask = "?select=title&metas=all";
    let body = json!({"title": "a", "metas": {"color": "red", "weight": 5, "off": false}});
    let new = app.post(&ann, &format!("/api/v1/notes{ask}"), body).await.expect(201);
    assert_snapshot!(new.text, @r#"{"title":"a","metas":{"color":"red","off":false,"weight":5}}"#);
    let path = new.header("location").expect("a place").to_owned();
    let changed = json!({"metas": {"off": null, "weight": 7.50}});
    let changed = app.patch(&ann, &format!("{path}{ask}"), changed).await.expect(200);
    assert_snapshot!(changed.text, @r#"{"title":"a","metas":{"color":"red","weight":7.5}}"#);
    let several = json!([{"title": "b", "metas": {"weight": 8}}, {"title": "c"}]);
    assert_snapshot!(app.post(&ann, &format!("/api/v1/notes{ask}"), several).await.expect(201).text, @r#"[{"title":"b","metas":{"weight":8}},{"title":"c","metas":{}}]"#);
    let found = app.get(&ann, "/api/v1/notes?metas.weight=gte.7.5&order=title").await;
    assert_eq!(titles(&found.expect(200)), "a b");
    let many = app
        .patch(&ann, &format!("/api/v1/notes{ask}&metas.weight=eq.8"), json!({"metas": {"weight": 9}}))
        .await;
    assert_snapshot!(many.expect(200).text, @r#"[{"title":"b","metas":{"weight":9}}]"#);
    app.close().await;
}

#[tokio::test]
async fn a_tag_is_another_when_the_metadata_that_is_shown_is() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let id = made(&app, &ann, "notes", json!({"title": "a"})).await;
    let tag = async |query: &str| {
        let answer = app.get(&ann, &format!("/api/v1/notes/{id}{query}")).await.expect(200);
        answer.header("etag").expect("a tag").to_owned()
    };
    let (without, before) = (tag("").await, tag("?metas=all").await);
    meta(&app, "notes", "a", "color", "red", "text", Flag::Private).await;
    assert_eq!(tag("").await, without);
    let after = tag("?metas=all").await;
    assert_ne!(after, before);
    assert_eq!(tag("?metas=all").await, after);
    let path = format!("/api/v1/notes/{id}?metas=all");
    let _ = app.ask_with(&ann, "GET", &path, None, &[("if-none-match", &after)]).await.expect(304);
    let _ = app.ask_with(&ann, "GET", &path, None, &[("if-none-match", &before)]).await.expect(200);
    app.close().await;
}

#[tokio::test]
async fn others_see_and_find_what_is_public_and_nothing_else() {
    let app = TestApp::with(ENTITIES).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let root = app.user_with("root", "admin", &["*"]).await;
    let _ = made(&app, &ann, "posts", json!({"title": "out"})).await;
    let _ = made(&app, &ann, "posts", json!({"title": "draft", "state": "draft"})).await;
    let _ = made(&app, &root, "airports", json!({"faa": "JFK"})).await;
    let _ = made(&app, &ann, "notes", json!({"title": "own"})).await;
    for title in ["out", "draft"] {
        meta(&app, "posts", title, "color", "red", "text", Flag::Both).await;
        meta(&app, "posts", title, "price", "7", "number", Flag::Searchable).await;
        meta(&app, "posts", title, "size", "9", "number", Flag::Public).await;
    }
    meta(&app, "airports", "JFK", "runways", "4", "number", Flag::Both).await;
    meta(&app, "airports", "JFK", "cost", "5", "number", Flag::Searchable).await;
    meta(&app, "notes", "own", "color", "red", "text", Flag::Both).await;
    let reader = app.key(&bob.user, &["posts:read"]).await;
    let stranger = app.key(&bob.user, &["notes:*", "metas:*"]).await;

    let shown = async |who: Who<'_>, path: &str| {
        let answer = app.get(who, &format!("/api/v1/{path}")).await;
        if answer.status == 200 { answer.text } else { answer.problem() }
    };
    let bearer = |key: &str| [("authorization", format!("Bearer {key}"))];
    let all = "posts?select=title&metas=all&order=title";
    assert_snapshot!(shown(Who::User(&ann), all).await, @r#"[{"title":"draft","metas":{"color":"red","price":7,"size":9}},{"title":"out","metas":{"color":"red","price":7,"size":9}}]"#);
    assert_snapshot!(shown(Who::User(&bob), all).await, @r#"[{"title":"out","metas":{"color":"red","size":9}}]"#);
    assert_snapshot!(shown(Who::Anyone, all).await, @r#"[{"title":"out","metas":{"color":"red","size":9}}]"#);
    // The scope of the entity is enough, and none of metadata stands for it.
    for (key, expected) in [(&reader, "price"), (&stranger, "403 missing_scope")] {
        let headers = bearer(key);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let got = shown(Who::Headers(&headers), "posts?metas=all&metas.color=eq.red").await;
        assert!(
            if key == &reader {
                got.contains("\"color\":\"red\"") && !got.contains(expected)
            } else {
                got == expected
            },
            "{got}"
        );
    }
    for (parameter, own, others) in [
        ("metas.color=eq.red", "draft out", "out"),
        ("metas.price=eq.7", "draft out", ""),
        ("metas.price=not.eq.8", "draft out", ""),
        ("metas.price=is.null", "", "out"),
        ("metas.price=isdistinct.7", "", "out"),
        ("or=(metas.price.eq.7,title.eq.none)", "draft out", ""),
        // Nobody made it searchable.
        ("metas.size=eq.9", "", ""),
        ("metas.size=is.null", "draft out", "out"),
    ] {
        let path = format!("/api/v1/posts?order=title&{parameter}");
        assert_eq!(titles(&app.get(&ann, &path).await.expect(200)), own, "{parameter}");
        for who in [Who::User(&bob), Who::Anyone] {
            assert_eq!(titles(&app.get(who, &path).await.expect(200)), others, "{parameter} {who:?}");
        }
    }
    // What administrators write.
    let airports = "airports?select=faa&metas=all&order=metas.cost,faa";
    assert_snapshot!(shown(Who::User(&root), airports).await, @r#"[{"faa":"JFK","metas":{"cost":5,"runways":4}}]"#);
    assert_snapshot!(shown(Who::User(&bob), airports).await, @r#"[{"faa":"JFK","metas":{"runways":4}}]"#);
    assert_snapshot!(shown(Who::Anyone, airports).await, @"401 not_signed_in");
    // A row of one's own is nobody else's business, however public its metadata is.
    assert_snapshot!(shown(Who::User(&bob), "notes?metas=all").await, @"[]");
    assert_snapshot!(shown(Who::User(&bob), "notes?metas.color=eq.red").await, @"[]");
    app.close().await;
}

/// Rows a to g with all kinds of values under one key, and h without it.
async fn with_values(app: &TestApp, ann: &TestUser) {
    for (title, value, ty) in [
        ("a", "5", "number"),
        ("b", "5.0", "number"),
        ("c", "5", "text"),
        ("d", "red", "string"),
        ("e", "true", "boolean"),
        ("f", "2026-01-31", "date"),
        ("g", "2026-01-31T09:30:00.000Z", "datetime"),
        // As a double, this is 9007199254740992.
        ("i", "9007199254740993", "number"),
        ("j", "-12.5", "number"),
        ("k", "[5]", "json"),
    ] {
        let _ = made(app, ann, "notes", json!({"title": title})).await;
        meta(app, "notes", title, "x.y", value, ty, Flag::Searchable).await;
    }
    let _ = made(app, ann, "notes", json!({"title": "h"})).await;
    // Of another user, and under another key.
    let bob = app.user("bob").await;
    let _ = made(app, &bob, "notes", json!({"title": "z"})).await;
    meta(app, "notes", "z", "x.y", "5", "number", Flag::Both).await;
    meta(app, "notes", "h", "x.z", "5", "number", Flag::Both).await;
    meta(app, "notes", "a", "weight", "1.5", "number", Flag::Searchable).await;
    meta(app, "notes", "b", "weight", "15", "number", Flag::Searchable).await;
}

#[tokio::test]
async fn rows_are_found_by_the_values_of_searchable_keys() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    with_values(&app, &ann).await;
    for (parameter, expected) in [
        // Numbers by number, and texts of the same characters.
        ("metas.x.y=eq.5", "a b c"),
        ("metas.x.y=eq.5.0", "a b"),
        ("metas.x.y=eq.5e0", "a b"),
        ("metas.x.y=neq.5", "d e f g i j"),
        ("metas.x.y=not.eq.5", "d e f g i j"),
        ("metas.x.y=not.neq.5", "a b c"),
        ("metas.x.y=isdistinct.5", "d e f g h i j k"),
        ("metas.x.y=not.isdistinct.5", "a b c"),
        ("metas.x.y=in.(5,red,2026-01-31)", "a b c d f"),
        ("metas.x.y=not.in.(5,red)", "e f g i j"),
        ("metas.x.y=in.()", ""),
        ("metas.x.y=gt.5", "i"),
        ("metas.x.y=gte.5", "a b i"),
        ("metas.x.y=lt.5", "j"),
        ("metas.x.y=lte.5.00", "a b j"),
        ("metas.x.y=not.gt.5", "a b j"),
        ("metas.x.y=lt.-12.4999", "j"),
        // Exactly, beyond the digits of a double.
        ("metas.x.y=eq.9007199254740992", ""),
        ("metas.x.y=gt.9007199254740992", "i"),
        ("metas.x.y=lt.9007199254740992", "a b j"),
        ("metas.x.y=gte.9007199254740994", ""),
        ("metas.x.y=eq.9007199254740993.000", "i"),
        // Texts, and what has the form of something else.
        ("metas.x.y=eq.red", "d"),
        ("metas.x.y=gt.r", "d"),
        ("metas.x.y=not.gt.r", "c"),
        ("metas.x.y=like.r*", "d"),
        ("metas.x.y=ilike.*E*", "d"),
        ("metas.x.y=not.like.r*", "c"),
        ("metas.x.y=like.5", "c"),
        ("metas.x.y=eq.true", "e"),
        ("metas.x.y=is.true", "e"),
        ("metas.x.y=is.false", ""),
        ("metas.x.y=not.is.true", "a b c d f g h i j k"),
        ("metas.x.y=eq.2026-01-31", "f"),
        ("metas.x.y=lt.2026-02-01", "f"),
        ("metas.x.y=gt.2026-01-31", ""),
        ("metas.x.y=eq.2026-01-31T10:30:00%2B01:00", "g"),
        ("metas.x.y=lte.2026-01-31T09:30:00Z", "g"),
        ("metas.x.y=not.lte.2026-01-31T09:30:00Z", ""),
        // A document is compared with nothing.
        ("metas.x.y=is.null", "h k"),
        ("metas.x.y=is.not_null", "a b c d e f g i j"),
        ("metas.x.y=not.is.null", "a b c d e f g i j"),
        ("metas.x.y=eq.[5]", ""),
        ("metas.nowhere=eq.5", ""),
        // A declared key has one type.
        ("metas.weight=gt.1.5", "b"),
        ("metas.weight=eq.15e-1", "a"),
        ("metas.weight=gt.1&metas.x.y=eq.5", "a b"),
        // In trees.
        ("or=(metas.%22x.y%22.eq.red,metas.weight.lt.2)", "a d"),
        ("and=(metas.%22x.y%22.not.eq.red,title.in.(c,d,h))", "c"),
        ("not.or=(metas.%22x.y%22.eq.5,title.eq.d)", "e f g i j"),
        ("not.and=(metas.%22x.y%22.eq.5,title.eq.a)", "b c d e f g h i j k"),
        ("and=(not.or(metas.%22x.y%22.eq.5,not.and(metas.%22x.y%22.isdistinct.red)),title.neq.e)", "f g i j"),
    ] {
        let path = format!("/api/v1/notes?order=title&{parameter}");
        let answer = app.get(&ann, &path).await.expect(200);
        assert_eq!(titles(&answer), expected, "{parameter}");
        let counted = app.ask_with(&ann, "GET", &path, None, &[("prefer", "count=exact")]).await;
        let range = counted.header("content-range").expect("a range").to_owned();
        let number = expected.split_whitespace().count();
        assert_eq!(
            range.rsplit_once('/').map(|(_, all)| all),
            Some(number.to_string().as_str()),
            "{parameter}"
        );
    }
    app.close().await;
}

#[tokio::test]
async fn rows_are_ordered_by_metadata() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    with_values(&app, &ann).await;
    for (order, expected) in [
        ("metas.%22x.y%22,title", "j a b i f g c d e h k"),
        ("metas.%22x.y%22.desc.nullslast,title", "i b a j e d c g f h k"),
        ("metas.weight.nullsfirst,title.desc", "k j i h g f e d c a b"),
    ] {
        let answer = app.get(&ann, &format!("/api/v1/notes?order={order}")).await.expect(200);
        assert_eq!(titles(&answer), expected, "{order}");
    }
    // No cursors, but pages.
    let path = "/api/v1/notes?order=metas.weight.nullslast,title&select=title&limit=3";
    let first = app.get(&ann, path).await.expect(200);
    let link = first.header("link").expect("links").to_owned();
    assert!(link.contains("offset=3") && !link.contains("cursor"), "{link}");
    assert_eq!(titles(&first), "a b c");
    assert_eq!(titles(&app.get(&ann, &format!("{path}&offset=3")).await.expect(200)), "d e f");
    app.close().await;
}

#[tokio::test]
async fn a_cursor_is_of_the_conditions_on_metadata_that_it_was_made_for() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    with_values(&app, &ann).await;
    let path = "/api/v1/notes?order=title&limit=2&metas.x.y=neq.5";
    let first = app.get(&ann, path).await.expect(200);
    let link = first.header("link").expect("links").to_owned();
    let cursor =
        link.split("cursor=").nth(1).and_then(|rest| rest.split(['&', '>']).next()).expect("a cursor");
    assert_eq!(titles(&app.get(&ann, &format!("{path}&metas=all&cursor={cursor}")).await.expect(200)), "f g");
    for other in ["metas.x.y=neq.6", "metas.x.z=neq.5", "metas.x.y=neq.5&metas.a=is.null"] {
        let path = format!("/api/v1/notes?order=title&limit=2&{other}&cursor={cursor}");
        let answer = app.get(&ann, &path).await;
        assert_eq!(answer.problem(), "400 invalid_cursor [cursor: invalid_cursor]", "{other}");
    }
    app.close().await;
}

#[tokio::test]
async fn embedded_rows_are_found_and_ordered_by_metadata_and_show_none() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let topic = made(&app, &ann, "topics", json!({"name": "t"})).await;
    for (title, weight) in [("a", "10"), ("b", "9"), ("c", "0.5")] {
        let _ = made(&app, &ann, "notes", json!({"title": title, "topic": topic})).await;
        meta(&app, "notes", title, "weight", weight, "number", Flag::Searchable).await;
    }
    let get = async |path: &str| app.get(&ann, &format!("/api/v1/{path}")).await;
    let found = get("topics?select=name,notes(title)&notes.metas.weight=gt.1&notes.order=metas.weight").await;
    assert_snapshot!(found.expect(200).text, @r#"[{"name":"t","notes":[{"title" : "b"}, {"title" : "a"}]}]"#);
    let none = get("topics?select=name,notes!inner(title)&notes.metas.weight=gt.100").await;
    assert_snapshot!(none.expect(200).text, @"[]");
    let tree =
        get("topics?select=name,notes(title)&notes.or=(metas.weight.eq.9,title.eq.c)&notes.order=title")
            .await;
    assert_snapshot!(tree.expect(200).text, @r#"[{"name":"t","notes":[{"title" : "b"}, {"title" : "c"}]}]"#);
    assert_snapshot!(get("topics?select=name,notes(title)&notes.metas=all").await.problem(), @"400 unsupported_parameter [notes.metas: unsupported_parameter]");
    assert_snapshot!(get("topics?metas=all").await.problem(), @"400 no_metadata [metas: no_metadata]");
    assert_snapshot!(get("topics?metas.a=eq.b").await.problem(), @"400 no_metadata [metas.a: no_metadata]");
    assert_snapshot!(get("notes?metas.hidden=eq.b&metas.weight=eq.heavy&order=metas.hidden").await.problem(), @"400 invalid_input [metas.hidden: not_searchable, metas.weight: invalid_number, order: not_searchable]");
    assert_snapshot!(get("notes?select=topic,count()&metas=all").await.problem(), @"400 unsupported_parameter [metas: unsupported_parameter]");
    app.close().await;
}
