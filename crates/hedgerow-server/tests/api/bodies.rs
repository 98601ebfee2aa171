//! Bodies that nobody sends by accident, at every place of every write: each is answered, none breaks anything, and no other tenant's row
//! is touched.

use hedgerow_testing::TestApp;
use serde_json::{Value, json};

/// Method, path and headers.
type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

const THINGS: &str = r#"
fields.text = { type = "text", unique = true, max_length = 100 }
fields.n = { type = "integer" }
fields.price = { type = "number", precision = 6, scale = 2 }
fields.due = { type = "date" }
fields.at = { type = "datetime" }
fields.flag = { type = "boolean" }
fields.extra = { type = "json" }
fields.words = { type = "tags" }
fields.of = { type = "relation", entity = "things" }
fields.others = { type = "relation_many", entity = "things" }
"#;

/// JSON texts, since some of these no value of serde can hold.
const HOSTILE: &[&str] = &[
    "null",
    "true",
    "0",
    "-0",
    "1e400",
    "1e-400",
    "9223372036854775808",
    "99999999999999999999999999999999999999999999",
    "0.1e1",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"' OR 1=1; --\"",
    "\"$1\"",
    "\"{\\\"a\\\"}\"",
    "\"NaN\"",
    "\"infinity\"",
    "\"2026-02-30\"",
    "\"0000-00-00\"",
    "\"294277-01-01T00:00:00Z\"",
    "\"\u{202e}\u{0301}\u{fffd}\"",
    "[]",
    "[[]]",
    "[null]",
    "[\"a\\u0000\"]",
    "{}",
    "{\"$ref\": \"0.id\"}",
    "{\"$ref\": \"99999999999999999999.id\"}",
    "{\"\": {\"\\u0000\": 1}}",
    "{\"__proto__\": 1}",
];

#[tokio::test]
async fn every_body_is_answered() {
    let app = TestApp::with(&[("things", THINGS)]).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let own = app.post(&ann, "/api/v1/things", json!({"text": "a"})).await.expect(201).json();
    let _ = app.post(&bob, "/api/v1/things", json!({"text": "bob's", "n": 7})).await.expect(201);
    let id = own["id"].as_str().expect("an id");
    let row = format!("/api/v1/things/{id}");
    let long = format!("\"{}\"", "x".repeat(200_000));
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let hostile: Vec<&str> = HOSTILE.iter().copied().chain([long.as_str(), deep.as_str()]).collect();
    let fields = [
        "id",
        "text",
        "n",
        "price",
        "due",
        "at",
        "flag",
        "extra",
        "words",
        "of",
        "others",
        "userId",
        "things",
        "things!of",
        "\\u0000",
        "",
    ];
    let merge = [("prefer", "resolution=merge-duplicates")];
    let mut statuses = std::collections::BTreeMap::new();
    let mut note = |status: u16, what: &str| {
        *statuses.entry(status).or_insert(0) += 1;
        assert!((200..500).contains(&status), "{status}: {}", &what[..what.len().min(300)]);
    };
    for value in &hostile {
        let places: Vec<String> = fields.iter().map(|field| format!("{{\"{field}\": {value}}}")).collect();
        let arrays = places.iter().map(|place| format!("[{place}, {place}]"));
        let bodies: Vec<String> = std::iter::once((*value).to_owned())
            .chain(places.iter().cloned())
            .chain(arrays.collect::<Vec<_>>())
            .chain([
                format!("[{{\"id\": \"{id}\", \"n\": {value}}}]"),
                format!("{{\"text\": {value}, \"text\": {value}}}"),
            ])
            .collect();
        for body in &bodies {
            // Each kind of write meets each body once over all values.
            let asked: &[Asked<'_>] = match body.len() % 4 {
                0 => &[("POST", "/api/v1/things", &[]), ("PATCH", "/api/v1/things", &[])],
                1 => &[("PATCH", &row, &[]), ("POST", "/api/v1/things?on_conflict=text", &merge)],
                2 => &[("PUT", &row, &[]), ("PATCH", "/api/v1/things?n=eq.1", &[])],
                _ => &[
                    ("POST", "/api/v1/things", &merge),
                    ("POST", "/api/v1/things?columns=text,n", &[("prefer", "missing=null")]),
                ],
            };
            for (method, path, headers) in asked {
                let bearer = format!("Bearer {}", ann.key);
                let headers: Vec<(&str, &str)> =
                    [("authorization", bearer.as_str())].into_iter().chain(headers.iter().copied()).collect();
                let method = match *method {
                    "POST" => "POST",
                    "PATCH" => "PATCH",
                    _ => "PUT",
                };
                let answer =
                    app.ask(hedgerow_testing::Who::Headers(&headers), method, path, Some(body.clone())).await;
                note(answer.status, &format!("{method} {path} {body} {}", answer.text));
            }
        }
        for body in [
            format!("{{\"operations\": {value}}}"),
            format!("{{\"operations\": [{value}]}}"),
            format!("{{\"operations\": [{{\"method\": {value}, \"path\": \"/things\"}}]}}"),
            format!("{{\"operations\": [{{\"method\": \"POST\", \"path\": {value}}}]}}"),
            format!(
                "{{\"operations\": [{{\"method\": \"POST\", \"path\": \"/things\", \"body\": {value}}}]}}"
            ),
            format!(
                "{{\"operations\": [{{\"method\": \"POST\", \"path\": \"/things\", \"body\": {{}}, \"headers\": {value}}}]}}"
            ),
            format!(
                "{{\"operations\": [{{\"method\": \"POST\", \"path\": \"/things\", \"body\": {{}}, \"headers\": {{\"prefer\": {value}}}}}]}}"
            ),
        ] {
            let answer = app.ask(&ann, "POST", "/api/v1/batch", Some(body.clone())).await;
            note(answer.status, &format!("{body} {}", answer.text));
        }
    }
    assert!(statuses.contains_key(&400) && statuses.contains_key(&201), "{statuses:?}");
    let bobs = app.get(&bob, "/api/v1/things?select=text,n").await.expect(200).json();
    assert_eq!(bobs, Value::from(vec![json!({"text": "bob's", "n": 7})]));
    app.close().await;
}
