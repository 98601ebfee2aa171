//! Metadata over HTTP: of oneself, of others, of rows, of all; what is written comes back as it was, and to nobody else.

use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, TestApp, Who};
use insta::assert_snapshot;
use serde_json::{Value, json};

const ME: &str = "/api/v1/users/me/metas";
const NOTES: &str = "metadata = true\nfields.title = { type = \"text\" }";
const SHOWN: &str = "metadata = true\naccess = { read = \"signed_in\", write = \"signed_in\" }\nfields.title = { type = \"text\" }";
const PLAIN: &str = "fields.title = { type = \"text\" }";

/// What each answer is without what is another one each time.
fn neutral(answer: &Answer, id: &str) -> String {
    let request = answer.header("x-request-id").unwrap_or_default().to_owned();
    format!("{} {}", answer.status, answer.text.replace(id, "ID").replace(&request, "REQUEST"))
}

async fn row(app: &TestApp, who: &hedgerow_testing::TestUser, path: &str) -> String {
    let made = app.post(who, path, json!({"title": "a"})).await.expect(201);
    made.header("location").expect("a place").to_owned()
}

#[tokio::test]
async fn every_value_comes_back_as_it_was() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let note = row(&app, &ann, "/api/v1/notes").await;
    let values = [
        ("false", "boolean"),
        ("true", "boolean"),
        ("0", "number"),
        ("-0.0", "number"),
        ("1.10", "number"),
        ("123456789012345678901234567890.5", "number"),
        ("\"\"", "text"),
        ("\"ünï ☃ 𝄞 \\\"q\\\" \\\\ \\n\"", "text"),
        ("\"null\"", "text"),
        ("{\"a\":null,\"b\":[1.10,{\"c\":null}],\"a b\":\"ü\"}", "json"),
        ("[]", "json"),
        ("{}", "json"),
    ];
    for place in [ME.to_owned(), format!("{note}/metas")] {
        for (at, (json, data_type)) in values.iter().enumerate() {
            let path = format!("{place}/k{at}");
            let body = format!("{{\"value\":{json}}}");
            let put = app.ask(&ann, "PUT", &path, Some(body)).await.expect(201);
            assert_eq!(put.header("location"), Some(path.as_str()));
            let expected = format!(
                "{{\"key\":\"k{at}\",\"value\":{json},\"dataType\":\"{data_type}\",\"isPublic\":false,\"isSearchable\":false,\"createdAt\":"
            );
            assert!(put.text.starts_with(&expected), "{} is not {expected}", put.text);
            assert_eq!(app.get(&ann, &path).await.expect(200).text, put.text);
        }
        let all = app.get(&ann, &place).await.expect(200).text;
        for (at, (json, _)) in values.iter().enumerate() {
            assert!(all.contains(&format!("\"k{at}\":{json}")), "{json} is not in {all}");
        }
        let some = app.get(&ann, &format!("{place}?keys=k4,%22k2%22,nothing")).await.expect(200).text;
        assert_eq!(some, "{\"k2\":0,\"k4\":1.10}");
    }
    app.close().await;
}

#[tokio::test]
async fn what_is_not_said_of_a_key_stays_as_it_was() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let path = format!("{ME}/when");
    let whole = json!({"value": "2026-01-31T10:30:00+01:00", "dataType": "datetime", "isPublic": true, "isSearchable": true});
    let made = app.put(&ann, &path, whole).await.expect(201).json();
    assert_eq!(made["value"], "2026-01-31T09:30:00.000Z");
    let changed = app.put(&ann, &path, json!({"value": "2026-02-01T10:00:00Z"})).await.expect(200).json();
    assert_eq!(
        [&changed["value"], &changed["dataType"], &changed["isPublic"], &changed["isSearchable"]],
        [&json!("2026-02-01T10:00:00.000Z"), &json!("datetime"), &json!(true), &json!(true)]
    );
    assert_eq!(changed["createdAt"], made["createdAt"]);
    let hidden = app.put(&ann, &path, json!({"value": "soon", "isPublic": false})).await.expect(200).json();
    assert_eq!(
        [&hidden["value"], &hidden["dataType"], &hidden["isPublic"], &hidden["isSearchable"]],
        [&json!("soon"), &json!("text"), &json!(false), &json!(true)]
    );
    app.close().await;
}

#[tokio::test]
async fn a_change_of_several_is_done_as_a_whole() {
    let app = TestApp::with_options(&[("notes", NOTES)], ServerOptions::default(), |options| {
        options.limits.metas.keys = 3;
    })
    .await;
    let ann = app.user("ann").await;
    let note = format!("{}/metas", row(&app, &ann, "/api/v1/notes").await);
    for place in [ME, note.as_str()] {
        let set = app.patch(&ann, place, json!({"b": 1, "a": "x", "gone": null})).await.expect(200);
        assert_eq!(set.text, r#"{"a":"x","b":1}"#);
        let changed = app.patch(&ann, place, json!({"a": null, "b": 2, "c": [null]})).await.expect(200);
        assert_eq!(changed.text, r#"{"b":2,"c":[null]}"#);
        for (body, problem) in [
            (json!({"b": 3, "d": 1, "e": 1}), "400 too_many_metas [metas: too_many_metas]"),
            (json!({"b": 3, "": 1}), "400 invalid_meta_key [: invalid_meta_key]"),
            (json!({"b": 3, "n": 1e300}), "400 out_of_range [n: out_of_range]"),
            (json!({}), "400 empty_change [: empty_change]"),
            (json!([1]), "400 invalid_body [: invalid_body]"),
        ] {
            let answer = app.patch(&ann, place, body.clone()).await;
            assert_eq!(answer.problem(), problem, "{body}");
            assert_eq!(app.get(&ann, place).await.text, r#"{"b":2,"c":[null]}"#, "{body}");
        }
        let twice = app.ask(&ann, "PATCH", place, Some(r#"{"b":1,"b":2}"#.to_owned())).await;
        assert_eq!(twice.problem(), "400 repeated_field [b: repeated_field]");
        let fourth = app.put(&ann, &format!("{place}/d"), json!({"value": 1})).await.expect(201);
        assert_eq!(fourth.json()["value"], 1);
        let one_more = app.put(&ann, &format!("{place}/e"), json!({"value": 1})).await;
        assert_eq!(one_more.problem(), "400 too_many_metas [metas: too_many_metas]");
        assert_eq!(app.get(&ann, place).await.text, r#"{"b":2,"c":[null],"d":1}"#);
    }
    app.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_value_is_named() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let mut found = String::new();
    for body in [
        "{}",
        "[]",
        "{\"value\":",
        r#"{"value":null}"#,
        r#"{"value":1,"value":2}"#,
        r#"{"value":1,"colour":2,"isPublic":"yes","isSearchable":null,"dataType":"array"}"#,
        r#"{"value":1,"dataType":"boolean"}"#,
        r#"{"value":"x","dataType":"number"}"#,
        r#"{"value":"2026-02-30","dataType":"date"}"#,
        r#"{"value":"x\u0000"}"#,
    ] {
        let answer = app.ask(&ann, "PUT", &format!("{ME}/k"), Some(body.to_owned())).await;
        found.push_str(&format!("{body}  {}\n", answer.problem()));
    }
    let long = json!({"value": "x".repeat(2000), "isSearchable": true});
    found.push_str(&format!("long  {}\n", app.put(&ann, &format!("{ME}/k"), long).await.problem()));
    for path in ["/k?x=1", "?keys=", "?keys=a,", "?keys=%22a", "?keys=a&keys=b", "?keys=%00"] {
        found.push_str(&format!("{path}  {}\n", app.get(&ann, &format!("{ME}{path}")).await.problem()));
    }
    let bob = app.user("bob").await;
    for path in
        [format!("/api/v1/users/{}/metas?merged=true", bob.user.id), "/api/v1/metas?merged=true".into()]
    {
        assert_eq!(
            app.get(&ann, &path).await.problem(),
            "400 unknown_parameter [merged: unknown_parameter]",
            "{path}"
        );
    }
    let note = row(&app, &ann, "/api/v1/notes").await;
    for path in ["?merged=yes", "?merge=deep", "?merged=true&merge=flat", "?select=id"] {
        let answer = app.get(&ann, &format!("{note}/metas{path}")).await;
        found.push_str(&format!("{path}  {}\n", answer.problem()));
    }
    let key = "k".repeat(256);
    let answer = app.put(&ann, &format!("{ME}/{key}"), json!({"value": 1})).await;
    found.push_str(&format!("256 characters  {}\n", answer.problem()));
    assert_snapshot!(found, @r#"
    {}  400 required [value: required]
    []  400 invalid_body [: invalid_body]
    {"value":  400 invalid_json [: invalid_json]
    {"value":null}  400 null_value [value: null_value]
    {"value":1,"value":2}  400 repeated_field [value: repeated_field]
    {"value":1,"colour":2,"isPublic":"yes","isSearchable":null,"dataType":"array"}  400 invalid_input [colour: unknown_field, isPublic: invalid_boolean, isSearchable: invalid_boolean, dataType: invalid_data_type]
    {"value":1,"dataType":"boolean"}  400 wrong_data_type [value: wrong_data_type]
    {"value":"x","dataType":"number"}  400 wrong_data_type [value: wrong_data_type]
    {"value":"2026-02-30","dataType":"date"}  400 invalid_date [value: invalid_date]
    {"value":"x\u0000"}  400 nul_byte [value: nul_byte]
    long  400 too_long_to_search [isSearchable: too_long_to_search]
    /k?x=1  400 unknown_parameter [x: unknown_parameter]
    ?keys=  400 invalid_keys [keys: invalid_keys]
    ?keys=a,  400 invalid_meta_key [keys: invalid_meta_key]
    ?keys=%22a  400 invalid_keys [keys: invalid_keys]
    ?keys=a&keys=b  400 repeated_parameter [keys: repeated_parameter]
    ?keys=%00  400 nul_byte [keys: nul_byte]
    ?merged=yes  400 invalid_parameter [merged: invalid_parameter]
    ?merge=deep  400 invalid_parameter [merge: invalid_parameter]
    ?merged=true&merge=flat  400 invalid_parameter [merge: invalid_parameter]
    ?select=id  400 unknown_parameter [select: unknown_parameter]
    256 characters  400 invalid_meta_key [key: invalid_meta_key]
    "#);
    assert_eq!(app.get(&ann, ME).await.text, "{}", "nothing of it was written");
    app.close().await;
}

#[tokio::test]
async fn a_key_may_have_any_character() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    for (escaped, key) in [
        ("ui.theme", "ui.theme"),
        ("a%2Fb", "a/b"),
        ("%C3%BC%20%E2%98%83", "ü ☃"),
        ("%25", "%"),
        ("a%3Fb%23c", "a?b#c"),
        ("%22q%22", "\"q\""),
        ("metas", "metas"),
        ("me", "me"),
    ] {
        let path = format!("{ME}/{escaped}");
        let put = app.put(&ann, &path, json!({"value": key})).await.expect(201);
        assert_eq!((put.json()["key"].as_str(), put.header("location")), (Some(key), Some(path.as_str())));
        assert_eq!(app.get(&ann, &path).await.expect(200).json()["value"], key);
        assert_eq!(app.ask(&ann, "HEAD", &path, None).await.expect(200).text, "");
        assert_eq!(app.get(&ann, ME).await.json(), json!({key: key}));
        let _ = app.delete(&ann, &path).await.expect(204);
        assert_eq!(app.get(&ann, &path).await.problem(), "404 not_found");
        assert_eq!(app.delete(&ann, &path).await.problem(), "404 not_found");
    }
    assert_eq!(app.get(&ann, &format!("{ME}/%FF")).await.problem(), "404 no_such_path");
    assert_eq!(app.get(&ann, &format!("{ME}/a%00b")).await.problem(), "404 not_found");
    assert_eq!(app.post(&ann, ME, json!({})).await.problem(), "405 no_such_method");
    app.close().await;
}

#[tokio::test]
async fn others_see_of_a_user_what_is_public() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let _ =
        app.put(&ann, &format!("{ME}/nick"), json!({"value": "Annie", "isPublic": true})).await.expect(201);
    let _ = app.put(&ann, &format!("{ME}/secret"), json!({"value": 1})).await.expect(201);
    let id = ann.user.id.as_str();
    let of_ann = format!("/api/v1/users/{id}/metas");
    assert_eq!(app.get(&bob, &of_ann).await.expect(200).text, r#"{"nick":"Annie"}"#);
    assert_eq!(app.get(&ann, &of_ann).await.expect(200).text, r#"{"nick":"Annie","secret":1}"#);
    assert_eq!(app.get(&bob, &format!("{of_ann}/nick")).await.expect(200).json()["value"], "Annie");
    assert_eq!(app.get(Who::Anyone, &of_ann).await.problem(), "401 not_signed_in");
    let absent = "01900000-0000-7000-8000-000000000000";
    let of_absent = format!("/api/v1/users/{absent}/metas");
    assert_eq!(app.get(&bob, &of_absent).await.expect(200).text, "{}", "as of a user who shows nothing");
    for (method, path, body) in [
        ("GET", "/secret", None),
        ("PUT", "/secret", Some(json!({"value": 2}))),
        ("PUT", "/nick", Some(json!({"value": 2}))),
        ("PATCH", "", Some(json!({"nick": 2}))),
        ("DELETE", "/nick", None),
        ("DELETE", "/secret", None),
    ] {
        let foreign = app.ask_with(&bob, method, &format!("{of_ann}{path}"), body.clone(), &[]).await;
        let nobody = app.ask_with(&bob, method, &format!("{of_absent}{path}"), body, &[]).await;
        assert_eq!(foreign.problem(), "404 not_found", "{method} {path}");
        assert_eq!(neutral(&foreign, id), neutral(&nobody, absent), "{method} {path}");
    }
    assert_eq!(app.get(&ann, ME).await.text, r#"{"nick":"Annie","secret":1}"#);
    let _ = app.patch(&ann, &of_ann, json!({"nick": null})).await.expect(200);
    assert_eq!(app.get(&bob, &of_ann).await.text, "{}");
    app.close().await;
}

#[tokio::test]
async fn a_key_of_the_api_needs_the_scope() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    let note = format!("{}/metas", row(&app, &ann, "/api/v1/notes").await);
    let _ = app.patch(&ann, &note, json!({"a": 1})).await.expect(200);
    let _ = app.patch(&ann, ME, json!({"a": 1})).await.expect(200);
    let mut found = String::new();
    for scopes in
        ["metas:read", "metas:write", "metas:delete", "notes:read", "notes:write", "notes:delete", "notes:*"]
    {
        let key = app.key(&ann.user, &[scopes]).await;
        let bearer = format!("Bearer {key}");
        let who = [("authorization", bearer.as_str())];
        for place in [ME, note.as_str()] {
            let ask = async |method, path: &str, body: Option<Value>| {
                let body = body.map(|body| body.to_string());
                app.ask(Who::Headers(&who), method, &format!("{place}{path}"), body).await.status
            };
            let statuses = [
                ask("GET", "", None).await,
                ask("GET", "/a", None).await,
                ask("PUT", "/a", Some(json!({"value": 1}))).await,
                ask("PATCH", "", Some(json!({"a": 1}))).await,
                ask("PATCH", "", Some(json!({"no": null}))).await,
                ask("DELETE", "/no", None).await,
            ];
            let whose = if place == ME { "me" } else { "row" };
            found.push_str(&format!("{scopes} {whose} {statuses:?}\n"));
        }
        let merged = app.get(Who::Headers(&who), &format!("{note}?merged=true")).await.status;
        found.push_str(&format!("{scopes} merged {merged}\n"));
    }
    assert_snapshot!(found, @r#"
    metas:read me [200, 200, 403, 403, 403, 403]
    metas:read row [403, 403, 403, 403, 403, 403]
    metas:read merged 403
    metas:write me [403, 403, 200, 200, 403, 403]
    metas:write row [403, 403, 403, 403, 403, 403]
    metas:write merged 403
    metas:delete me [403, 403, 403, 403, 403, 404]
    metas:delete row [403, 403, 403, 403, 403, 403]
    metas:delete merged 403
    notes:read me [403, 403, 403, 403, 403, 403]
    notes:read row [200, 200, 403, 403, 403, 403]
    notes:read merged 403
    notes:write me [403, 403, 403, 403, 403, 403]
    notes:write row [403, 403, 200, 200, 200, 404]
    notes:write merged 403
    notes:delete me [403, 403, 403, 403, 403, 403]
    notes:delete row [403, 403, 403, 403, 403, 403]
    notes:delete merged 403
    notes:* me [403, 403, 403, 403, 403, 403]
    notes:* row [200, 200, 200, 200, 200, 404]
    notes:* merged 403
    "#);
    app.close().await;
}

#[tokio::test]
async fn metadata_of_a_row_is_as_near_as_the_row() {
    let app = TestApp::with(&[("notes", NOTES), ("shown", SHOWN), ("plain", PLAIN)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let absent = "01900000-0000-7000-8000-000000000000";
    let requests = [
        ("GET", "", None),
        ("GET", "?merged=true", None),
        ("GET", "/a", None),
        ("PATCH", "", Some(json!({"a": 2}))),
        ("PATCH", "", Some(json!({"a": null}))),
        ("PUT", "/a", Some(json!({"value": 2}))),
        ("PUT", "/new", Some(json!({"value": 2}))),
        ("DELETE", "/a", None),
    ];
    let note = row(&app, &ann, "/api/v1/notes").await;
    let id = note.rsplit('/').next().expect("an id");
    let _ =
        app.put(&ann, &format!("{note}/metas/a"), json!({"value": 1, "isPublic": true})).await.expect(201);
    for (method, path, body) in &requests {
        let ask = async |id: &str| {
            let path = format!("/api/v1/notes/{id}/metas{path}");
            app.ask_with(&bob, method, &path, body.clone(), &[]).await
        };
        let (foreign, nobody) = (ask(id).await, ask(absent).await);
        assert_eq!(foreign.problem(), "404 not_found", "{method} {path}");
        assert_eq!(neutral(&foreign, id), neutral(&nobody, absent), "{method} {path}");
    }
    let shown = row(&app, &ann, "/api/v1/shown").await;
    let _ =
        app.put(&ann, &format!("{shown}/metas/a"), json!({"value": 1, "isPublic": true})).await.expect(201);
    let _ = app.put(&ann, &format!("{shown}/metas/b"), json!({"value": 1})).await.expect(201);
    let mut found = String::new();
    for (method, path, body) in &requests {
        let answer = app.ask_with(&bob, method, &format!("{shown}/metas{path}"), body.clone(), &[]).await;
        let text = if answer.status < 400 { answer.text.clone() } else { answer.problem() };
        let text = text.split(",\"createdAt\"").next().unwrap_or_default().to_owned();
        found.push_str(&format!("{method} {path} {text}\n"));
    }
    assert_snapshot!(found, @r#"
    GET  {"a":1}
    GET ?merged=true {"a":{"value":1,"level":"entity"}}
    GET /a {"key":"a","value":1,"dataType":"number","isPublic":true,"isSearchable":false
    PATCH  403 not_owner
    PATCH  403 not_owner
    PUT /a 403 not_owner
    PUT /new 403 not_owner
    DELETE /a 403 not_owner
    "#);
    assert_eq!(app.get(&bob, &format!("{shown}/metas/b")).await.problem(), "404 not_found");
    assert_eq!(app.get(&ann, &format!("{shown}/metas")).await.text, r#"{"a":1,"b":1}"#);
    for path in [
        format!("{shown}/metas"),
        format!("{shown}/metas?merged=true"),
        "/api/v1/shown/a%00b/metas".to_owned(),
    ] {
        assert_eq!(app.get(Who::Anyone, &path).await.problem(), "401 not_signed_in", "{path}");
    }
    for path in ["/metas", "/metas?merged=true", "/metas/a"] {
        let answer = app.get(&ann, &format!("/api/v1/shown/a%00b{path}")).await;
        assert_eq!(answer.problem(), "404 not_found", "{path}");
    }
    let plain = row(&app, &ann, "/api/v1/plain").await;
    for (method, path, body) in requests {
        let answer = app.ask_with(&ann, method, &format!("{plain}/metas{path}"), body.clone(), &[]).await;
        assert_eq!(answer.problem(), "404 no_metadata", "{method} {path}");
        let answer = app.ask_with(&ann, method, &format!("/api/v1/nothing/x/metas{path}"), body, &[]).await;
        assert_eq!(answer.problem(), "404 unknown_entity", "{method} {path}");
    }
    app.close().await;
}

#[tokio::test]
async fn administrators_write_what_all_share() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let (root, ann) = (app.user_with("root", "admin", &["*"]).await, app.user("ann").await);
    let of_all = "/api/v1/metas";
    let _ = app.put(&root, &format!("{of_all}/theme"), json!({"value": "light"})).await.expect(201);
    let _ = app.patch(&root, of_all, json!({"size": 2})).await.expect(200);
    assert_eq!(app.get(&ann, of_all).await.expect(200).text, r#"{"size":2,"theme":"light"}"#);
    assert_eq!(app.get(&ann, &format!("{of_all}/size")).await.expect(200).json()["value"], 2);
    assert_eq!(app.get(Who::Anyone, of_all).await.problem(), "401 not_signed_in");
    for (method, path, body) in [
        ("PUT", "/theme", Some(json!({"value": "dark"}))),
        ("PATCH", "", Some(json!({"theme": null}))),
        ("DELETE", "/theme", None),
    ] {
        let answer = app.ask_with(&ann, method, &format!("{of_all}{path}"), body, &[]).await;
        assert_eq!(answer.problem(), "403 admin_only", "{method}");
    }
    let _ = app.delete(&root, &format!("{of_all}/size")).await.expect(204);
    assert_eq!(app.get(&ann, of_all).await.text, r#"{"theme":"light"}"#);
    app.close().await;
}

#[tokio::test]
async fn merged_metadata_says_where_each_value_comes_from() {
    let declared = "[metas.flag]\ntype = \"boolean\"\ndefault = false\nlevel = \"user\"";
    let app = TestApp::with(&[("notes", &format!("{NOTES}\n{declared}"))]).await;
    let (root, ann) = (app.user_with("root", "admin", &["*"]).await, app.user("ann").await);
    let note = format!("{}/metas", row(&app, &ann, "/api/v1/notes").await);
    let global = json!({"theme": {"dark": true, "size": 2}, "zero": 5, "only": null, "all": "g"});
    let _ = app.patch(&root, "/api/v1/metas", global).await.expect(200);
    let _ = app.patch(&ann, &note, json!({"theme": {"size": 3}, "zero": 0, "empty": ""})).await.expect(200);
    let _ = app.patch(&ann, ME, json!({"theme": {"dark": false}, "zero": false})).await.expect(200);
    assert_snapshot!(app.get(&ann, &format!("{note}?merged=true")).await.expect(200).text, @r#"{"all":{"value":"g","level":"global"},"empty":{"value":"","level":"entity"},"flag":{"value":false,"level":"default"},"theme":{"value":{"dark":false},"level":"user"},"zero":{"value":false,"level":"user"}}"#);
    let deep = format!("{note}?merged=true&merge=deep&keys=theme,zero,flag");
    assert_snapshot!(app.get(&ann, &deep).await.expect(200).text, @r#"{"flag":{"value":false,"level":"default"},"theme":{"value":{"dark":false,"size":3},"level":"user","levels":["user","entity","global"]},"zero":{"value":false,"level":"user"}}"#);
    let plain = app.get(&ann, &format!("{note}?merged=false")).await.expect(200).text;
    assert_eq!(plain, r#"{"empty":"","theme":{"size":3},"zero":0}"#);
    app.close().await;
}

#[tokio::test]
async fn what_a_user_meets_anywhere_is_read_without_a_row() {
    let declared = r#"
        [metas.flag]
        type = "boolean"
        default = false
        rollout = 100
        [metas.layout]
        type = "json"
        level = "user"
        default = { columns = 2 }
        [metas.weight]
        type = "integer"
        default = 3
    "#;
    let entities = [("notes", format!("{NOTES}\n{declared}")), ("plans", NOTES.to_owned())];
    let entities = entities.each_ref().map(|(name, text)| (*name, text.as_str()));
    let app = TestApp::with(&entities).await;
    let (root, ann) = (app.user_with("root", "admin", &["*"]).await, app.user("ann").await);
    let merged = format!("{ME}?merged=true");
    // What is declared for rows is no business of hers; the rollout has chosen her.
    assert_snapshot!(app.get(&ann, &merged).await.expect(200).text, @r#"{"flag":{"value":true,"level":"default"},"layout":{"value":{"columns":2},"level":"default"}}"#);
    // A key that rows alone declare is another one under her name; where one is global, hers does not count.
    let _ =
        app.patch(&ann, ME, json!({"layout": {"dense": true}, "weight": "mine", "own": 0})).await.expect(200);
    app.database
        .sql(&format!(
            "INSERT INTO user_metas (\"userId\", \"metaKey\", \"metaValue\", \"dataType\") VALUES ('{}', 'flag', 'true', 'boolean')",
            ann.user.id
        ))
        .await;
    let _ = app
        .patch(&root, "/api/v1/metas", json!({"flag": false, "layout": {"columns": 4}, "own": 1}))
        .await
        .expect(200);
    assert_snapshot!(app.get(&ann, &merged).await.expect(200).text, @r#"{"flag":{"value":false,"level":"global"},"layout":{"value":{"dense":true},"level":"user"},"own":{"value":0,"level":"user"},"weight":{"value":"mine","level":"user"}}"#);
    assert_snapshot!(app.get(&ann, &format!("{merged}&merge=deep&keys=layout,flag")).await.expect(200).text, @r#"{"flag":{"value":false,"level":"global"},"layout":{"value":{"dense":true,"columns":4},"level":"user","levels":["user","global","default"]}}"#);
    assert_snapshot!(app.get(&root, &format!("{merged}&keys=layout,flag,own")).await.expect(200).text, @r#"{"flag":{"value":false,"level":"global"},"layout":{"value":{"columns":4},"level":"global"},"own":{"value":1,"level":"global"}}"#);
    assert_eq!(app.get(Who::Anyone, &merged).await.problem(), "401 not_signed_in");
    app.close().await;
}
