//! The forms that answers take: JSON, one object, CSV, lines of JSON.

use hedgerow_testing::{Answer, TestApp, Who};
use insta::assert_snapshot;
use serde_json::json;

const NOTES: &str = r#"
fields.title = { type = "text", required = true, max_length = 200 }
fields.text = { type = "textarea" }
fields.points = { type = "integer" }
fields.tags = { type = "tags" }
"#;

#[tokio::test]
async fn rows_come_in_the_form_that_is_wanted() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    for note in [
        json!({"title": "plain", "points": 1}),
        json!({"title": "=1+1", "text": "a \"b\", c\nd", "tags": ["x", "y z"]}),
        json!({"title": "+49 30", "text": "", "points": -5}),
    ] {
        let _ = app.post(&ann, "/api/v1/notes", note).await.expect(201);
    }
    let ask = async |accept: &str, query: &str| -> Answer {
        let headers = [("authorization", &*format!("Bearer {}", ann.key)), ("accept", accept)];
        let path = format!("/api/v1/notes?order=createdAt&select=title,text,points,tags&{query}");
        app.get(Who::Headers(&headers), &path).await
    };
    let csv = ask("text/csv", "").await.expect(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(csv.header("vary"), Some("accept, prefer, range"));
    let lines = csv.text.replace("\r\n", "⏎\n");
    assert_snapshot!(lines, @r#"
    title,text,points,tags⏎
    plain,,1,⏎
    =1+1,"a ""b"", c
    d",,x;y z⏎
    +49 30,"",-5,⏎
    "#);
    // The same on a page of its own.
    let page = ask("text/csv", "limit=3").await.expect(200);
    assert_eq!((page.text, page.headers.iter().any(|(name, _)| name == "content-range")), (csv.text, true));
    let escaped = ask("text/csv;formulas=escaped", "title=neq.plain&select=title,points").await;
    assert_eq!(escaped.status, 400, "a parameter stands there once");
    let headers =
        [("authorization", &*format!("Bearer {}", ann.key)), ("accept", "text/csv;formulas=escaped")];
    let escaped = app
        .get(Who::Headers(&headers), "/api/v1/notes?order=createdAt&select=title,points")
        .await
        .expect(200);
    assert_eq!(escaped.text, "title,points\r\nplain,1\r\n'=1+1,\r\n'+49 30,-5\r\n");

    let lines = ask("application/x-ndjson", "").await.expect(200);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_snapshot!(lines.text, @r#"
    {"title":"plain","text":null,"points":1,"tags":null}
    {"title":"=1+1","text":"a \"b\", c\nd","points":null,"tags":["x","y z"]}
    {"title":"+49 30","text":"","points":-5,"tags":null}
    "#);
    assert_eq!(ask("application/x-ndjson", "limit=3").await.text, lines.text);
    let stripped =
        ask("application/vnd.pgrst.array+json;nulls=stripped", "points=not.is.null").await.expect(200);
    assert_snapshot!(stripped.text, @r#"[{"title":"plain","points":1},{"title":"+49 30","text":"","points":-5}]"#);

    let one = ask("application/vnd.pgrst.object+json", "title=eq.plain").await.expect(200);
    assert_eq!(one.header("content-type"), Some("application/vnd.pgrst.object+json"));
    assert_snapshot!(one.text, @r#"{"title":"plain","text":null,"points":1,"tags":null}"#);
    let one = ask("application/vnd.pgrst.object+json;nulls=stripped", "title=eq.plain").await.expect(200);
    assert_snapshot!(one.text, @r#"{"title":"plain","points":1}"#);
    for (query, count) in [("title=eq.none", 0), ("", 3)] {
        let answer = ask("application/vnd.pgrst.object+json", query).await.expect(406).json();
        assert_eq!(answer["code"], "PGRST116");
        assert_eq!(answer["details"], format!("The result contains {count} rows"));
    }
    let none = ask("image/png", "").await.expect(406).json();
    assert_eq!(none["code"], "not_acceptable");
    assert_snapshot!(none["message"].as_str().expect("a message"), @"there is no answer in image/png; there is application/json, application/vnd.pgrst.object+json, text/csv, application/x-ndjson, application/vnd.pgrst.array+json;nulls=stripped, application/vnd.pgrst.object+json;nulls=stripped, text/csv;formulas=escaped");
    assert_eq!(
        ask("text/csv;q=0.1, application/json;q=0.2", "").await.header("content-type"),
        Some("application/json")
    );
    // Nobody's rows, and no rows at all.
    assert_eq!(ask("text/csv", "title=eq.none").await.text, "title,text,points,tags\r\n");
    assert_eq!(ask("application/x-ndjson", "title=eq.none").await.expect(200).text, "");
    app.close().await;
}

#[tokio::test]
async fn a_stream_is_refused_like_any_other_answer() {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user_with("ann", "member", &["notes:write"]).await;
    let csv = |key: &str| {
        [("authorization".to_owned(), format!("Bearer {key}")), ("accept".to_owned(), "text/csv".to_owned())]
    };
    let ask = async |method: &'static str, path: &str| {
        let headers = csv(&ann.key);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        app.ask(Who::Headers(&headers), method, path, None).await
    };
    assert_snapshot!(ask("GET", "/api/v1/notes").await.problem(), @"403 missing_scope");
    assert_eq!(ask("HEAD", "/api/v1/notes").await.status, 403);
    assert_snapshot!(ask("GET", "/api/v1/notes?titel=eq.x").await.problem(), @"400 unknown_field [titel: unknown_field]");
    assert_snapshot!(app.get(Who::Headers(&[("accept", "text/csv")]), "/api/v1/notes").await.problem(), @"401 not_signed_in");
    let bob = app.user("bob").await;
    let headers = csv(&bob.key);
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let head = app.ask(Who::Headers(&headers), "HEAD", "/api/v1/notes", None).await.expect(200);
    assert_eq!(head.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    app.close().await;
}
