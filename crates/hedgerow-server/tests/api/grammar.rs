//! What lists can be asked for: conditions, paths, casts, aggregates, words.

use hedgerow::schema::query::Switch;
use hedgerow_server::ServerOptions;
use hedgerow_testing::{TestApp, TestUser};
use insta::assert_snapshot;
use serde_json::{Value, json};

const THINGS: &str = r#"
fields.name = { type = "text", required = true, searchable = true }
fields.body = { type = "markdown", searchable = true }
fields.n = { type = "integer" }
fields.price = { type = "number" }
fields.on = { type = "boolean" }
fields.at = { type = "datetime" }
fields.day = { type = "date" }
fields.tags = { type = "tags" }
fields.colours = { type = "multiselect", options = ["red", "green", "blue"] }
fields.data = { type = "json" }
fields.kin = { type = "relation_many", entity = "things" }
"#;

async fn things(app: &TestApp, ann: &TestUser) {
    let rows = json!([
        {"name": "a", "n": 1, "price": 1.5, "on": true, "at": "2026-01-31T23:30:00.5Z", "day": "2026-01-01", "tags": ["x", "y, z"], "colours": ["red"],
         "data": {"k": "v", "n": 10, "list": [1, {"deep": "here"}], "it's": true}, "body": "The fat cat sat on a mat"},
        {"name": "b", "n": 2, "price": 2.5, "on": false, "tags": ["x"], "colours": ["red", "blue"], "data": {"k": "w", "n": 9}, "body": "A thin cat, and a dog"},
        {"name": "c, (d)", "n": 2, "tags": [], "data": [1, 2], "body": "Catalogue of gardens"},
        {"name": "d", "n": null, "price": 4, "data": null, "body": null},
    ]);
    let _ = app.post(ann, "/api/v1/things", rows).await.expect(201);
}

fn names(rows: &Value) -> String {
    let names = rows.as_array().expect("an array").iter().map(|row| row["name"].as_str().unwrap_or("?"));
    names.collect::<Vec<_>>().join(" ")
}

fn encoded(text: &str) -> String {
    text.replace('"', "%22")
        .replace('+', "%2B")
        .replace(' ', "%20")
        .replace('{', "%7B")
        .replace('}', "%7D")
        .replace('|', "%7C")
        .replace('\\', "%5C")
        .replace('>', "%3E")
        .replace('<', "%3C")
        .replace('^', "%5E")
        .replace('#', "%23")
}

#[tokio::test]
async fn conditions_come_in_trees_lists_and_paths() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let ann = app.user("ann").await;
    things(&app, &ann).await;
    let check = async |query: &str, expected: &str| {
        let answer =
            app.get(&ann, &format!("/api/v1/things?order=name&{}", encoded(query))).await.expect(200);
        assert_eq!(names(&answer.json()), expected, "{query}");
    };
    check("or=(name.eq.a,n.eq.2)", "a b c, (d)").await;
    check("and=(n.eq.2,or(name.eq.b,name.eq.a))", "b").await;
    check("not.or=(name.eq.a,name.eq.b)", "c, (d) d").await;
    check("not.and=(n.eq.2,name.eq.b)&n=eq.2", "c, (d)").await;
    check("or=(name.eq.\"c, (d)\",and(n.gt.1,not.and(n.eq.2)))", "c, (d)").await;
    check("or=(name.in.(a,\"c, (d)\"),name.like.d*)", "a c, (d) d").await;
    check("or=(tags.cs.{x},on.not.is.null)&name=neq.a", "b").await;
    check("or=(tags.cs.{\"y, z\"},data->>k.eq.w)", "a b").await;
    check("n=isdistinct.2", "a d").await;
    check("n=not.isdistinct.2", "b c, (d)").await;
    check("name=eq(any).{a,\"c, (d)\"}", "a c, (d)").await;
    check("name=like(all).{*a*,a*}", "a").await;
    check("name=not.ilike(any).{A,B}", "c, (d) d").await;
    check("n=gte(any).{2,5}", "b c, (d)").await;
    check("n=gt(all).{}&n=not.is.null", "a b c, (d)").await;
    // Lists.
    check("tags=cs.{x}", "a b").await;
    check("tags=cs.{x,\"y, z\"}", "a").await;
    check("tags=cd.{x}", "b c, (d)").await;
    check("tags=ov.{q,\"y, z\"}", "a").await;
    check("tags=eq.{x}", "b").await;
    check("tags=not.cs.{x}", "c, (d)").await;
    check("tags=is.null", "d").await;
    check("colours=cs.{red,blue}", "b").await;
    // Documents.
    check("data=cs.{\"k\":\"v\"}", "a").await;
    check("data=cd.[1,2,3]", "c, (d)").await;
    check("data=eq.[1,2]", "c, (d)").await;
    check("data->>k=eq.v", "a").await;
    check("data->>k=in.(v,w)", "a b").await;
    check("data->>k=like.*v*", "a").await;
    check("data->k=eq.\"w\"", "b").await;
    // As JSON, numbers compare as numbers; as texts, they do not.
    check("data->n=gt.9", "a").await;
    check("data->>n=gt.5", "b").await;
    check("data->list->1->>deep=eq.here", "a").await;
    check("data->list->>0=eq.1", "a").await;
    check("data->1=eq.2", "c, (d)").await;
    check("data->\"it's\"=eq.true", "a").await;
    check("data->k=is.null", "c, (d) d").await;
    check("data->'; DROP TABLE things--=is.not_null", "").await;
    // Words of one text.
    check("body=fts.fat %26 cat", "a").await;
    check("body=fts(english).sit | dog", "b").await;
    check("body=fts.cat:*", "a b c, (d)").await;
    check("body=plfts(english).fat cats", "a").await;
    check("body=phfts(english).thin cat", "b").await;
    check("body=wfts(english).cat -dog", "a").await;
    check("body=not.fts.cat", "c, (d)").await;
    app.close().await;
}

#[tokio::test]
async fn rows_are_found_by_what_they_point_at() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let ann = app.user("ann").await;
    things(&app, &ann).await;
    let rows = app.get(&ann, "/api/v1/things?order=name&select=id,name").await.json();
    let id = |at: usize| rows[at]["id"].as_str().expect("an id").to_owned();
    let (a, b) = (id(0), id(1));
    for (row, kin) in [(0, vec![&b]), (2, vec![&a, &b])] {
        let path = format!("/api/v1/things/{}", id(row));
        let _ = app.patch(&ann, &path, json!({"kin": kin})).await.expect(200);
    }
    let check = async |query: String, expected: &str| {
        let answer =
            app.get(&ann, &format!("/api/v1/things?order=name&{}", encoded(&query))).await.expect(200);
        assert_eq!(names(&answer.json()), expected, "{query}");
    };
    check(format!("kin=cs.{{{b}}}"), "a c, (d)").await;
    check(format!("kin=cs.{{{a},{b}}}"), "c, (d)").await;
    check(format!("kin=ov.{{{a},nobody}}"), "c, (d)").await;
    check(format!("kin=cd.{{{b}}}"), "a b d").await;
    check(format!("kin=not.ov.{{{a},{b}}}"), "b d").await;
    check("kin=cd.{}".to_owned(), "b d").await;
    check(format!("or=(kin.cs.{{{a}}},name.eq.d)"), "c, (d) d").await;
    let wrong = app.get(&ann, "/api/v1/things?kin=eq.x").await;
    assert_snapshot!(wrong.problem(), @"400 unsupported_operator [kin: unsupported_operator]");
    app.close().await;
}

#[tokio::test]
async fn values_are_shown_by_path_and_as_other_types() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let ann = app.user("ann").await;
    things(&app, &ann).await;
    let get = async |query: &str| {
        app.get(&ann, &format!("/api/v1/things?{}", encoded(query))).await.expect(200).text
    };
    assert_snapshot!(get("name=eq.a&select=data->list->1->>deep,k:data->k,data->list,data->\"it's\"").await, @r#"[{"deep":"here","k":"v","list":[1, {"deep": "here"}],"it's":true}]"#);
    assert_snapshot!(get("name=eq.a&select=n::text,price::text,on::text,at::text,day:at::date,d:day::text,colours::text,num:n::numeric,data->list::text").await, @r#"[{"n":"1","price":"1.5","on":"true","at":"2026-01-31T23:30:00.500Z","day":"2026-01-31","d":"2026-01-01","colours":"{red}","num":1,"list":"[1, {\"deep\": \"here\"}]"}]"#);
    assert_snapshot!(get("select=name&order=data->>n.nullslast,name").await, @r#"[{"name":"a"},{"name":"b"},{"name":"c, (d)"},{"name":"d"}]"#);
    assert_snapshot!(get("select=name&order=data->n.desc.nullslast,name").await, @r#"[{"name":"a"},{"name":"b"},{"name":"c, (d)"},{"name":"d"}]"#);
    app.close().await;
}

#[tokio::test]
async fn rows_are_counted_and_added_up() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    things(&app, &ann).await;
    let get = async |query: &str| {
        app.get(&ann, &format!("/api/v1/things?{}", encoded(query))).await.expect(200).text
    };
    assert_snapshot!(get("select=count()").await, @r#"[{"count":4}]"#);
    assert_snapshot!(get("select=rows:count(),n.count(),n.sum(),n.avg(),lo:price.min(),hi:price.max(),name.max()").await, @r#"[{"rows":4,"count":3,"sum":5,"avg":1.6666666666666667,"lo":1.5,"hi":4,"max":"d"}]"#);
    assert_snapshot!(get("select=n,count()").await, @r#"[{"n":1,"count":1},{"n":2,"count":2},{"n":null,"count":1}]"#);
    assert_snapshot!(get("select=n,count()&order=n.desc.nullslast&limit=1").await, @r#"[{"n":2,"count":2}]"#);
    assert_snapshot!(get("select=n,price.sum()&name=neq.a&order=n").await, @r#"[{"n":2,"sum":2.5},{"n":null,"sum":4}]"#);
    assert_snapshot!(get("select=data->>k,count()&order=data->>k.desc").await, @r#"[{"k":null,"count":2},{"k":"w","count":1},{"k":"v","count":1}]"#);
    assert_snapshot!(get("select=x:n::text,n,y:n,count()&n=eq.2").await, @r#"[{"x":"2","n":2,"y":2,"count":2}]"#);
    assert_snapshot!(get("select=n,count()&n=eq.7").await, @"[]");
    // Of one's own rows.
    assert_snapshot!(app.get(&bob, "/api/v1/things?select=count()").await.expect(200).text, @r#"[{"count":0}]"#);
    let pages = app.get(&ann, "/api/v1/things?select=n,count()&limit=2").await.expect(200);
    assert_eq!(pages.header("content-range"), Some("0-1/*"));
    app.close().await;

    let off = |options: &mut hedgerow::AppOptions| options.limits.aggregates = Switch::Off;
    let app = TestApp::with_options(&[("things", THINGS)], ServerOptions::default(), off).await;
    let ann = app.user("ann").await;
    assert_snapshot!(app.get(&ann, "/api/v1/things?select=count()").await.problem(), @"400 unsupported_select [select: unsupported_select]");
    app.close().await;
}

#[tokio::test]
async fn regular_expressions_are_for_who_wants_them() {
    let on = |options: &mut hedgerow::AppOptions| options.limits.regex = Switch::On;
    let app = TestApp::with_options(&[("things", THINGS)], ServerOptions::default(), on).await;
    let ann = app.user("ann").await;
    things(&app, &ann).await;
    let get =
        async |query: &str| app.get(&ann, &format!("/api/v1/things?order=name&{}", encoded(query))).await;
    assert_eq!(names(&get("name=match.^[ab]$").await.expect(200).json()), "a b");
    assert_eq!(names(&get("body=imatch.^CAT").await.expect(200).json()), "c, (d)");
    assert_eq!(names(&get("name=match(any).{^a,^d}").await.expect(200).json()), "a d");
    // What PostgreSQL cannot read as one is the caller's mistake.
    assert_snapshot!(get("name=match.(").await.problem(), @"400 invalid_pattern [: invalid_pattern]");
    app.close().await;
}

#[tokio::test]
async fn searching_finds_words_in_all_searchable_fields() {
    let app = TestApp::with(&[("things", THINGS), ("plain", "fields.a = { type = \"text\" }")]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    things(&app, &ann).await;
    let _ = app.post(&ann, "/api/v1/things", json!({"name": "cat", "body": "cat cat cat"})).await.expect(201);
    let get = async |query: &str| {
        names(&app.get(&ann, &format!("/api/v1/things?{}", encoded(query))).await.expect(200).json())
    };
    // Best first, and then newest first.
    assert_eq!(get("search=cat").await, "cat c, (d) b a");
    // Every word; the last one may go on; case does not matter.
    assert_eq!(get("search=THE ca").await, "a");
    assert_eq!(get("search=cat thin").await, "b");
    assert_eq!(get("search=cata garden").await, "");
    assert_eq!(get("search=catalogue garden").await, "c, (d)");
    assert_eq!(get("search=\"fat cat\"").await, "a");
    assert_eq!(get("search=\"cat fat\"").await, "");
    assert_eq!(get("search=cat -dog -fat &order=name").await, "cat");
    assert_eq!(get("search=cat&order=name").await, "a b c, (d) cat");
    assert_eq!(get("search=cat&order=name.desc&limit=2&offset=1").await, "c, (d) b");
    assert_eq!(get("search=cat&n=eq.1").await, "a");
    assert_eq!(get("search=!!! &").await, "");
    assert_eq!(get("search=it's:* | cat").await, "");
    assert_eq!(names(&app.get(&bob, "/api/v1/things?search=cat").await.expect(200).json()), "");
    assert_snapshot!(app.get(&ann, "/api/v1/things?search=").await.problem(), @"400 invalid_search [search: invalid_search]");
    assert_snapshot!(app.get(&ann, "/api/v1/plain?search=a").await.problem(), @"400 not_searchable [search: not_searchable]");
    app.close().await;
}
