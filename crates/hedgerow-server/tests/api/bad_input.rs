//! Bad input of every kind: a clear 4xx that names what is wrong, never a 5xx, and nothing changes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hedgerow_testing::{TestApp, TestUser, Who};
use serde_json::json;

const NOTES: &str = r#"
fields.text = { type = "text", max_length = 20 }
fields.count = { type = "integer" }
fields.amount = { type = "number", precision = 5, scale = 2 }
fields.done = { type = "boolean" }
fields.day = { type = "date" }
fields.at = { type = "datetime" }
fields.data = { type = "json" }
fields.kind = { type = "select", options = ["a", "b"] }
fields.mail = { type = "email" }
fields.site = { type = "url" }
fields.of = { type = "relation", entity = "notes" }
fields.name = { type = "text", required = true, default = "n" }
"#;

async fn app() -> (TestApp, TestUser) {
    let app = TestApp::with(&[("notes", NOTES)]).await;
    let ann = app.user("ann").await;
    (app, ann)
}

async fn count(app: &TestApp) -> String {
    app.database.column("SELECT count(*) FROM notes").await.remove(0)
}

#[tokio::test]
async fn a_hundred_mistakes_are_described_and_all_are_counted() {
    let (app, ann) = app().await;
    let check = |answer: hedgerow_testing::Answer, all: usize| {
        let problem = answer.expect(400).json();
        assert_eq!(problem["detail"], format!("the request has {all} mistakes"));
        let errors = problem["errors"].as_array().expect("mistakes");
        let last =
            json!({"field": "", "code": "more_mistakes", "message": format!("and {} more", all - 100)});
        assert_eq!((errors.len(), &errors[100]), (101, &last));
        assert_ne!(errors[99]["code"], "more_mistakes");
    };
    let names: Vec<String> = (0..250).map(|n| format!("x{n}")).collect();
    check(app.get(&ann, &format!("/api/v1/notes?select={}", names.join(","))).await, 250);
    check(app.post(&ann, "/api/v1/notes", json!(vec![json!({"count": "x"}); 300])).await, 300);
    app.close().await;
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused_by_name() {
    let (app, ann) = app().await;
    let deep = format!(r#"{{"data": {}1{}}}"#, "[".repeat(60), "]".repeat(60));
    let very_deep = format!(r#"{{"data": {}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let long = format!(r#"{{"text": "{}"}}"#, "x".repeat(21));
    for (body, expected) in [
        ("", "400 invalid_json [: invalid_json]"),
        ("{", "400 invalid_json [: invalid_json]"),
        ("{\"text\": \"a\"} x", "400 invalid_json [: invalid_json]"),
        ("nonsense", "400 invalid_json [: invalid_json]"),
        ("null", "400 invalid_body [: invalid_body]"),
        ("1", "400 invalid_body [: invalid_body]"),
        ("\"text\"", "400 invalid_body [: invalid_body]"),
        ("[1]", "400 invalid_body [[0]: invalid_body]"),
        ("[[]]", "400 invalid_body [[0]: invalid_body]"),
        (r#"{"nope": 1}"#, "400 unknown_field [nope: unknown_field]"),
        (r#"{"TEXT": "a"}"#, "400 unknown_field [TEXT: unknown_field]"),
        (r#"{"": 1}"#, "400 unknown_field [: unknown_field]"),
        (r#"{"text\u0000": 1}"#, "400 unknown_field [text\0: unknown_field]"),
        (
            r#"{"text\"; DROP TABLE notes; --": 1}"#,
            "400 unknown_field [text\"; DROP TABLE notes; --: unknown_field]",
        ),
        (r#"{"text": "a", "text": "b"}"#, "400 repeated_field [text: repeated_field]"),
        (r#"{"id": "x"}"#, "400 read_only_field [id: read_only_field]"),
        (r#"{"userId": "x"}"#, "400 read_only_field [userId: read_only_field]"),
        (r#"{"createdAt": "2020-01-01T00:00:00Z"}"#, "400 read_only_field [createdAt: read_only_field]"),
        (r#"{"updatedAt": null}"#, "400 read_only_field [updatedAt: read_only_field]"),
        (r#"{"text": 1}"#, "400 invalid_text [text: invalid_text]"),
        (r#"{"text": ["a"]}"#, "400 invalid_text [text: invalid_text]"),
        (r#"{"text": "a\u0000b"}"#, "400 nul_byte [text: nul_byte]"),
        (r#"{"text": "\ud800"}"#, "400 invalid_text [text: invalid_text]"),
        (&long, "400 too_long [text: too_long]"),
        (r#"{"count": "one"}"#, "400 invalid_integer [count: invalid_integer]"),
        (r#"{"count": 1.5}"#, "400 invalid_integer [count: invalid_integer]"),
        (r#"{"count": 9e400}"#, "400 invalid_integer [count: invalid_integer]"),
        (r#"{"count": 9223372036854775808}"#, "400 invalid_integer [count: invalid_integer]"),
        (r#"{"count": "1; DROP TABLE notes"}"#, "400 invalid_integer [count: invalid_integer]"),
        (r#"{"amount": 1234.5}"#, "400 too_large [amount: too_large]"),
        (r#"{"amount": 1.234}"#, "400 too_many_decimals [amount: too_many_decimals]"),
        (r#"{"amount": "NaN"}"#, "400 invalid_number [amount: invalid_number]"),
        (r#"{"amount": 1e999999}"#, "400 invalid_number [amount: invalid_number]"),
        (r#"{"done": "true"}"#, "400 invalid_boolean [done: invalid_boolean]"),
        (r#"{"day": "2026-02-30"}"#, "400 invalid_date [day: invalid_date]"),
        (r#"{"day": "infinity"}"#, "400 invalid_date [day: invalid_date]"),
        (r#"{"at": "2026-02-28 10:00"}"#, "400 invalid_datetime [at: invalid_datetime]"),
        (r#"{"data": {"a": "\u0000"}}"#, "400 nul_byte [data: nul_byte]"),
        (&deep, "400 json_too_deep [data: json_too_deep]"),
        (&very_deep, "400 invalid_json [data: invalid_json]"),
        (r#"{"kind": "c"}"#, "400 not_an_option [kind: not_an_option]"),
        (r#"{"mail": "me"}"#, "400 invalid_email [mail: invalid_email]"),
        (r#"{"site": "javascript:alert(1)"}"#, "400 invalid_url [site: invalid_url]"),
        (r#"{"of": ""}"#, "400 invalid_id [of: invalid_id]"),
        (r#"{"of": "nowhere"}"#, "409 relation_not_found [of: relation_not_found]"),
        (r#"{"name": null}"#, "400 required [name: required]"),
        (
            r#"{"count": "x", "day": 1, "nope": 1}"#,
            "400 invalid_input [count: invalid_integer, day: invalid_date, nope: unknown_field]",
        ),
    ] {
        let answer = app.ask(&ann, "POST", "/api/v1/notes", Some(body.to_owned())).await;
        assert_eq!(answer.problem(), expected, "{}", &body[..body.len().min(200)]);
    }
    assert_eq!(count(&app).await, "0");
    app.close().await;
}

#[tokio::test]
async fn queries_that_are_wrong_are_refused_by_name() {
    let (app, ann) = app().await;
    let long = format!("text=like.{}", "*".repeat(201));
    let many = format!("count=in.({})", vec!["1"; 1001].join(","));
    for (query, expected) in [
        ("nope=eq.1", "400 unknown_field [nope: unknown_field]"),
        ("text", "400 invalid_filter [text: invalid_filter]"),
        ("text=a", "400 invalid_filter [text: invalid_filter]"),
        ("text=nope.a", "400 unknown_operator [text: unknown_operator]"),
        ("text=EQ.a", "400 unknown_operator [text: unknown_operator]"),
        ("text=match.a", "400 unsupported_operator [text: unsupported_operator]"),
        ("count=eq.one", "400 invalid_integer [count: invalid_integer]"),
        ("count=like.1", "400 unsupported_operator [count: unsupported_operator]"),
        ("count=in.1,2", "400 invalid_filter [count: invalid_filter]"),
        ("count=in.(1,x)", "400 invalid_integer [count: invalid_integer]"),
        (&many, "400 invalid_filter [count: invalid_filter]"),
        ("text=is.maybe", "400 invalid_filter [text: invalid_filter]"),
        ("text=is.true", "400 invalid_filter [text: invalid_filter]"),
        ("data=gt.1", "400 unsupported_operator [data: unsupported_operator]"),
        ("text=like.a%5C", "400 invalid_filter [text: invalid_filter]"),
        (&long, "400 invalid_filter [text: invalid_filter]"),
        ("text=eq.%00", "400 nul_byte [text: nul_byte]"),
        ("day=eq.tomorrow", "400 invalid_date [day: invalid_date]"),
        ("done=eq.1", "400 invalid_boolean [done: invalid_boolean]"),
        ("limit=1000000000", "400 invalid_limit [limit: invalid_limit]"),
        ("limit=1001", "400 invalid_limit [limit: invalid_limit]"),
        ("limit=-1", "400 invalid_limit [limit: invalid_limit]"),
        ("limit=x", "400 invalid_limit [limit: invalid_limit]"),
        ("limit=1&limit=2", "400 repeated_parameter [limit: repeated_parameter]"),
        ("offset=-1", "400 invalid_offset [offset: invalid_offset]"),
        ("offset=99999999999", "400 invalid_offset [offset: invalid_offset]"),
        ("order=nope", "400 unknown_field [order: unknown_field]"),
        ("order=text.up", "400 invalid_order [order: invalid_order]"),
        ("order=text;DROP TABLE notes", "400 unknown_field [order: unknown_field]"),
        ("order=data", "400 invalid_order [order: invalid_order]"),
        ("order=", "400 invalid_order [order: invalid_order]"),
        ("select=nope", "400 unknown_field [select: unknown_field]"),
        ("select=text,text", "400 repeated_key [select: repeated_key]"),
        ("select=", "400 invalid_select [select: invalid_select]"),
        ("select=of()", "400 invalid_select [select: invalid_select]"),
        ("select=of(text,nope)", "400 unknown_field [select: unknown_field]"),
        ("select=count::date", "400 invalid_cast [select: invalid_cast]"),
        ("select=1;DROP TABLE notes", "400 unknown_field [select: unknown_field]"),
        ("and=(text.eq.a", "400 invalid_filter [and: invalid_filter]"),
        ("%22%3BDROP=eq.1", "400 unknown_field [\";DROP: unknown_field]"),
        (
            "nope=eq.1&limit=x&order=text.up",
            "400 invalid_input [nope: unknown_field, limit: invalid_limit, order: invalid_order]",
        ),
    ] {
        let answer = app.get(&ann, &format!("/api/v1/notes?{}", query.replace(' ', "%20"))).await;
        assert_eq!(answer.problem(), expected, "{query}");
    }
    let made = app.post(&ann, "/api/v1/notes?select=of()", json!({})).await;
    assert_eq!(made.problem(), "400 invalid_select [select: invalid_select]");
    app.close().await;
}

#[tokio::test]
async fn sql_in_every_place_stays_text() {
    let (app, ann) = app().await;
    let attack = "'; DROP TABLE notes; --";
    let encoded = "%27%3B%20DROP%20TABLE%20notes%3B%20--";
    let row = app
        .post(&ann, "/api/v1/notes", json!({"name": attack, "data": {attack: attack}}))
        .await
        .expect(201)
        .json();
    assert_eq!((&row["name"], &row["data"][attack]), (&json!(attack), &json!(attack)));
    for query in [
        format!("name=eq.{encoded}"),
        format!("name=in.({encoded},x)"),
        format!("name=like.{encoded}"),
        format!("name=ilike.*{encoded}*"),
        format!("select={encoded}:name"),
    ] {
        let rows = app.get(&ann, &format!("/api/v1/notes?{query}")).await.expect(200).json();
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{query}");
    }
    for path in [
        format!("/api/v1/notes/{encoded}"),
        format!("/api/v1/{encoded}"),
        format!("/api/v1/{encoded}/{encoded}"),
        "/api/v1/notes/%00".to_owned(),
        "/api/v1/user".to_owned(),
        "/api/v1/api_keys".to_owned(),
        "/api/v1/pg_class".to_owned(),
        "/api/v1/notes%22".to_owned(),
        "/api/v1/../../etc/passwd".to_owned(),
        "/api/v1/notes/..%2f..%2fetc".to_owned(),
        format!("/api/v1/notes/{}", "x".repeat(300)),
        "/api/v1/notes/%FF".to_owned(),
    ] {
        let answer = app.get(&ann, &path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    assert_eq!(count(&app).await, "1");
    app.close().await;
}

#[tokio::test]
async fn bodies_that_are_too_large_or_odd_are_refused() {
    let (app, ann) = app().await;
    let large = json!({"name": "x".repeat(10 << 20)}).to_string();
    let answer = app.ask(&ann, "POST", "/api/v1/notes", Some(large)).await;
    assert_eq!(answer.problem(), "413 body_too_large");
    let rows = vec![json!({}); 1001];
    assert_eq!(
        app.post(&ann, "/api/v1/notes", json!(rows)).await.problem(),
        "400 too_many_rows [: too_many_rows]"
    );
    let bearer = format!("Bearer {}", ann.key);
    for (headers, expected) in [
        (("content-type", "text/plain"), "415 unsupported_media_type"),
        (("content-type", "text/csv"), "415 unsupported_media_type"),
        (("content-encoding", "gzip"), "415 unsupported_media_type"),
        (("accept", "text/html"), "406 not_acceptable"),
        (("if-match", "\"1\""), "400 unsupported_header"),
        (("if-none-match", "*"), "400 unsupported_header"),
        (
            ("idempotency-key", "with a space"),
            "400 invalid_idempotency_key [Idempotency-Key: invalid_idempotency_key]",
        ),
        (
            ("idempotency-key", "\"\""),
            "400 invalid_idempotency_key [Idempotency-Key: invalid_idempotency_key]",
        ),
        (("prefer", "resolution=guess"), "400 invalid_preference [Prefer: invalid_preference]"),
        (("prefer", "max-affected=-1"), "400 invalid_preference [Prefer: invalid_preference]"),
        (("prefer", "handling=strict, nonsense"), "400 invalid_preference [Prefer: invalid_preference]"),
    ] {
        let headers = [("authorization", bearer.as_str()), headers];
        let answer = app.ask(Who::Headers(&headers), "POST", "/api/v1/notes", Some("{}".to_owned())).await;
        assert_eq!(answer.problem(), expected, "{headers:?}");
    }
    assert_eq!(count(&app).await, "0", "nothing was done");
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/vnd.api+json; charset=utf-8")];
    let _ = app.ask(Who::Headers(&headers), "POST", "/api/v1/notes", Some("{}".to_owned())).await.expect(201);
    assert_eq!(
        app.ask(&ann, "POST", "/api/v1/notes/x", Some("{}".into())).await.problem(),
        "405 no_such_method"
    );
    assert_eq!(app.ask(&ann, "OPTIONS", "/api/v1/notes", None).await.problem(), "405 no_such_method");
    assert_eq!(
        app.patch(&ann, "/api/v1/notes/x", json!({})).await.problem(),
        "400 empty_change [: empty_change]"
    );
    assert_eq!(
        app.patch(&ann, "/api/v1/notes/x", json!([{}])).await.problem(),
        "400 invalid_body [: invalid_body]"
    );
    assert_eq!(
        app.patch(&ann, "/api/v1/notes?id=eq.x", json!([{}])).await.problem(),
        "400 invalid_input [[0].id: required, id: unknown_parameter]"
    );
    assert_eq!(
        app.get(&ann, "/api/v1/notes/x?limit=1").await.problem(),
        "400 unknown_parameter [limit: unknown_parameter]"
    );
    app.close().await;
}

/// Sends bytes as they are, and returns the first line of the answer; empty when there is none.
fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a connection");
    stream.write_all(request).expect("a connection");
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
        if read == 0 || answer.contains(&b'\n') {
            break;
        }
    }
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_no_http_end_the_connection_and_nothing_else() {
    let (app, ann) = app().await;
    let headers: String = (0..200).map(|n| format!("x-h{n}: v\r\n")).collect();
    for (request, expected) in [
        ("nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        (format!("GET /livez HTTP/1.1\r\nhost: x\r\n{headers}\r\n"), "HTTP/1.1 431"),
        ("GET /livez HTTP/1.1\r\nhost: x\r\nbad header: v\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        (
            "POST /api/v1/notes HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            "HTTP/1.1 4",
        ),
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000)), "HTTP/1.1 414"),
        ("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), "HTTP/1.1 200"),
    ] {
        let line = tokio::task::block_in_place(|| raw(&app, request.as_bytes()));
        assert!(line.starts_with(expected), "{}: {line}", &request[..request.len().min(100)]);
    }
    // A body that says it is longer than it is, cut off: nothing is written.
    let request = format!(
        "POST /api/v1/notes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\n\r\n{{\"name\": \"n\"}}",
        ann.key
    );
    tokio::task::block_in_place(|| {
        let mut stream = TcpStream::connect(app.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        drop(stream);
    });
    let _ = app.get(&ann, "/api/v1/notes").await.expect(200);
    assert_eq!(count(&app).await, "0");
    app.close().await;
}
