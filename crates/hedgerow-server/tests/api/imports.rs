//! Files of rows over HTTP: all or nothing, whatever happens to either side, and told line by line to whoever asks.

use std::time::Duration;

use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, TestApp, TestUser, Who};
use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PLANES: &str = "access = { read = \"signed_in\", write = \"admin\" }\nfields.tailnum = { type = \"text\", unique = true, max_length = 10 }";
const FLIGHTS: &str = r#"
fields.number = { type = "integer", required = true, unique = true, min = 1 }
fields.planeId = { type = "relation", entity = "planes" }
fields.note = { type = "text" }
fields.secret = { type = "text", hidden = true }
fields.stamp = { type = "text", read_only = true }
"#;
const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";
/// A transaction that waits for the rest of its file, and nothing else in these databases.
const OPEN: &str = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                    AND xact_start IS NOT NULL AND backend_type = 'client backend'";

async fn app_with(options: ServerOptions) -> (TestApp, TestUser) {
    let app = TestApp::with_options(&[("planes", PLANES), ("flights", FLIGHTS)], options, |_| {}).await;
    let ann = app.user("ann").await;
    (app, ann)
}

async fn app() -> (TestApp, TestUser) {
    app_with(ServerOptions::default()).await
}

/// Sends a file with a key.
async fn send(
    app: &TestApp,
    key: &str,
    query: &str,
    kind: &str,
    headers: &[(&str, &str)],
    file: &str,
) -> Answer {
    let bearer = format!("Bearer {key}");
    let mut all = vec![("authorization", bearer.as_str()), ("content-type", kind)];
    all.extend_from_slice(headers);
    let path = format!("/api/v1/flights/import{query}");
    app.ask(Who::Headers(&all), "POST", &path, Some(file.to_owned())).await
}

async fn numbers(app: &TestApp) -> String {
    let rows = "SELECT number || coalesce(' ' || note, '') FROM flights ORDER BY number";
    app.database.column(rows).await.join(", ")
}

/// The trail's rows of imports, once all are written.
async fn trail(app: &TestApp) -> Vec<String> {
    app.app.audit().expect("a trail").settled().await;
    let rows = "SELECT method || ' ' || \"statusCode\" || ' ' || coalesce(\"userId\", 'nobody') FROM api_audit_logs \
                WHERE endpoint = '/api/v1/flights/import' ORDER BY \"createdAt\", id";
    app.database.column(rows).await
}

#[tokio::test]
async fn rows_of_every_format_become_the_callers() {
    let (app, ann) = app().await;
    let id = ann.user.id.to_string();
    let files = [
        (CSV, "number,note,userId,id\n1,\"a, b\",eve,x\n2,,eve,y\n"),
        ("text/csv; charset=UTF-8; header=present", "\u{feff}number\r\n3\r\n"),
        (NDJSON, "{\"number\": 4, \"note\": \"n\"}\n\n{\"number\": 5}"),
        (JSON, " [ {\"number\": 6}, {\"number\": 7, \"note\": null} ] "),
    ];
    let mut answers = Vec::new();
    for (kind, file) in files {
        let answer = send(&app, &ann.key, "", kind, &[], file).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(JSON));
        // The trail's row was committed with the rows; others of its kind are gathered for a while first.
        let written = "SELECT count(*) FROM api_audit_logs WHERE endpoint = '/api/v1/flights/import'";
        assert_eq!(app.database.column(written).await, [(answers.len() + 1).to_string()]);
        answers.push(answer.text);
    }
    assert_snapshot!(answers.join("\n"), @r#"
    {"rows":2,"created":2,"failed":0,"failures":[],"unmatched":0,"leftOut":["userId","id"]}
    {"rows":1,"created":1,"failed":0,"failures":[],"unmatched":0,"leftOut":[]}
    {"rows":2,"created":2,"failed":0,"failures":[],"unmatched":0,"leftOut":[]}
    {"rows":2,"created":2,"failed":0,"failures":[],"unmatched":0,"leftOut":[]}
    "#);
    assert_eq!(numbers(&app).await, "1 a, b, 2, 3, 4 n, 5, 6, 7");
    let owners = app.database.column("SELECT DISTINCT \"userId\" FROM flights").await;
    assert_eq!(owners, [id.as_str()]);
    assert_eq!(trail(&app).await, vec![format!("POST 200 {id}"); 4]);
    // Nothing is a file, too.
    for (kind, file) in [(CSV, ""), (CSV, "number\n"), (NDJSON, "\n"), (JSON, "[]")] {
        let none = send(&app, &ann.key, "", kind, &[], file).await.expect(200).json();
        assert_eq!((&none["rows"], &none["created"]), (&json!(0), &json!(0)), "{kind} {file:?}");
    }
    app.close().await;
}

#[tokio::test]
async fn one_refused_row_refuses_all_unless_they_are_to_be_left_out() {
    let (app, ann) = app().await;
    let csv = "number,note\n1,\nx,\n3,\n,\n1,\n";
    let refused = send(&app, &ann.key, "", CSV, &[], csv).await;
    assert_snapshot!(refused.problem(), @"422 rows_refused [lines[3].number: invalid_integer, lines[5].number: required]");
    assert_snapshot!(refused.json()["failures"].to_string(), @r#"[{"line":3,"errors":[{"field":"number","code":"invalid_integer","message":"`number` must be a whole number of 64 bits"}]},{"line":5,"errors":[{"field":"number","code":"required","message":"`number` cannot be null"}]}]"#);
    assert_snapshot!(refused.json()["detail"].to_string(), @r#""at least 2 of 5 rows were refused, so nothing was imported""#);
    let json = "[{\"number\": 1}, {\"nope\": 1}, 7]";
    assert_snapshot!(send(&app, &ann.key, "", JSON, &[], json).await.problem(), @"422 rows_refused [rows[2].nope: unknown_field, rows[2].number: required, rows[3]: invalid_row]");
    assert_eq!(numbers(&app).await, "");

    let some = send(&app, &ann.key, "?skip_invalid=true", CSV, &[], csv).await.expect(200).json();
    assert_eq!((&some["rows"], &some["created"], &some["failed"]), (&json!(5), &json!(2), &json!(3)));
    let lines: Vec<&Value> =
        some["failures"].as_array().expect("failures").iter().map(|one| &one["line"]).collect();
    assert_eq!(lines, [3, 5, 6]);
    assert_eq!(numbers(&app).await, "1, 3");
    // What the database refuses is found, too: the number is taken.
    let again = send(&app, &ann.key, "", NDJSON, &[], "{\"number\": 9}\n{\"number\": 3}\n").await;
    assert_snapshot!(again.problem(), @"422 rows_refused [lines[2].number: already_exists]");
    let bob = app.user("bob").await;
    assert_eq!(send(&app, &bob.key, "", CSV, &[], "number\n1\n").await.expect(200).json()["created"], 1);
    let statuses: Vec<String> =
        trail(&app).await.iter().map(|row| row.split(' ').nth(1).expect("a status").to_owned()).collect();
    assert_eq!(statuses, ["422", "422", "200", "422", "200"]);
    app.close().await;
}

#[tokio::test]
async fn a_trial_says_what_would_be_and_does_nothing() {
    let (app, ann) = app().await;
    for (query, headers) in [("?dry_run=true", &[][..]), ("?dry_run=false", &[("prefer", "tx=rollback")])] {
        let trial = send(&app, &ann.key, query, CSV, headers, "number\n1\n2\n").await.expect(200);
        assert_eq!(trial.json()["created"], 2);
        assert_eq!(trial.header("preference-applied"), headers.first().map(|(_, value)| *value));
    }
    assert_eq!(send(&app, &ann.key, "?dry_run=true", CSV, &[], "number\n0\n").await.status, 422);
    assert_eq!(numbers(&app).await, "");
    app.close().await;
}

#[tokio::test]
async fn relations_are_found_by_natural_keys_with_the_scope_to_read_them() {
    let (app, ann) = app().await;
    let root = app.user_with("root", "admin", &["*"]).await;
    let planes = [("content-type", CSV), ("authorization", &format!("Bearer {}", root.key))];
    let planes =
        app.ask(Who::Headers(&planes), "POST", "/api/v1/planes/import", Some("tailnum\nN1\n".into()));
    assert_eq!(planes.await.expect(200).json()["created"], 1);
    let file = "number,planeId\n1,N1\n2,N9\n3,\n";
    let with = "?match=planeId=planes.tailnum";
    assert_snapshot!(send(&app, &ann.key, with, CSV, &[], file).await.problem(), @"422 rows_refused [lines[3].planeId: relation_not_found]");
    let found =
        send(&app, &ann.key, &format!("{with}&missing=null"), CSV, &[], file).await.expect(200).json();
    assert_eq!((&found["created"], &found["unmatched"]), (&json!(3), &json!(1)));
    let joined =
        "SELECT number::text FROM flights f JOIN planes p ON p.id = f.\"planeId\" WHERE tailnum = 'N1'";
    assert_eq!(app.database.column(joined).await, ["1"]);

    let check = async |scopes: &[&str], query: &str, expected: &str| {
        let key = app.key(&ann.user, scopes).await;
        let answer = send(&app, &key, query, CSV, &[], "number,planeId\n7,N1\n").await;
        assert_eq!(answer.problem().split(" [").next(), Some(expected), "{scopes:?}");
    };
    check(&["flights:write"], with, "403 missing_scope").await;
    check(&["flights:read", "planes:*"], with, "403 missing_scope").await;
    check(&["*"], "?match=planeId=flights.number", "400 invalid_match").await;
    check(&["*"], "?match=note=planes.tailnum", "400 invalid_match").await;
    check(&["*"], "?match=secret=planes.tailnum", "400 invalid_match").await;
    check(&["*"], "?match=number=planes.tailnum&match=planeId=planes.nope", "400 invalid_input").await;
    let key = app.key(&ann.user, &["flights:write", "planes:read"]).await;
    let _ = send(&app, &key, with, CSV, &[], "number,planeId\n7,N1\n").await.expect(200);
    // Of a hidden field nobody finds out what is in it.
    let hidden = "fields.code = { type = \"text\", hidden = true }\nfields.parent = { type = \"relation\", entity = \"flights\" }";
    let other = TestApp::with(&[("flights", hidden)]).await;
    let eve = other.user("eve").await;
    let asked = send(&other, &eve.key, "?match=parent=flights.code", CSV, &[], "parent\nx\n").await;
    assert_snapshot!(asked.problem(), @"400 invalid_match [parent: invalid_match]");
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_named() {
    let (app, ann) = app().await;
    let check = async |query: &str, kind: &str, headers: &[(&str, &str)], file: &str, expected: &str| {
        let answer = send(&app, &ann.key, query, kind, headers, file).await;
        assert_eq!(answer.problem(), expected, "{query} {kind} {headers:?} {file}");
    };
    let csv = "number\n1\n";
    check("?x=1", CSV, &[], csv, "400 unknown_parameter [x: unknown_parameter]").await;
    check("?select=id", CSV, &[], csv, "400 unknown_parameter [select: unknown_parameter]").await;
    check(
        "?dry_run=1&dry_run=true&missing=x&match=a&skip_invalid=",
        CSV,
        &[],
        csv,
        "400 invalid_input [dry_run: invalid_value, dry_run: repeated_parameter, missing: invalid_value, match: invalid_match, skip_invalid: invalid_value]",
    )
    .await;
    check("", "text/plain", &[], csv, "415 unsupported_media_type").await;
    check("", "text/csv; charset=latin1", &[], csv, "415 unsupported_media_type").await;
    check("", "text/csv; header=absent", &[], csv, "415 unsupported_media_type").await;
    check("", CSV, &[("content-encoding", "gzip")], csv, "415 unsupported_media_type").await;
    check("", CSV, &[("idempotency-key", "\"k\"")], csv, "400 unsupported_header").await;
    check("", CSV, &[("if-match", "*")], csv, "400 unsupported_header").await;
    check("", CSV, &[("accept", CSV)], csv, "406 not_acceptable").await;
    let strict = [("prefer", "handling=strict, return=minimal")];
    check("", CSV, &strict, csv, "400 invalid_preference [Prefer: invalid_preference]").await;
    check("", CSV, &[], "number,colour\n1,2\n", "400 unknown_field [colour: unknown_field]").await;
    check("", CSV, &[], "number,number\n1,2\n", "400 unreadable_file [: unreadable_file]").await;
    check("", CSV, &[], "number,note\n1,\"open\n", "400 unreadable_file [: unreadable_file]").await;
    check("", JSON, &[], "{\"number\": 1}", "400 unreadable_file [: unreadable_file]").await;
    check("", JSON, &[], "[{\"number\": 1}", "400 unreadable_file [: unreadable_file]").await;
    check("", JSON, &[], "", "400 unreadable_file [: unreadable_file]").await;
    let deep = format!("[{{\"note\": {}1{}}}]", "[".repeat(500), "]".repeat(500));
    check("", JSON, &[], &deep, "422 rows_refused [rows[1].note: invalid_text, rows[1].number: required]")
        .await;
    let long = format!("{{\"number\": 1, \"note\": \"{}\"}}\n", "x".repeat(2 << 20));
    check("", NDJSON, &[], &long, "400 unreadable_file [: unreadable_file]").await;
    let nobody =
        app.ask(Who::Headers(&[("content-type", CSV)]), "POST", "/api/v1/flights/import", Some(csv.into()));
    assert_eq!(nobody.await.problem(), "401 not_signed_in");
    let nowhere = app.post(&ann, "/api/v1/nothing/import", json!([])).await;
    assert_eq!(nowhere.problem(), "404 unknown_entity");
    assert_eq!(app.post(&ann, "/api/v1/planes/import", json!([])).await.problem(), "403 admin_only");
    // A row that is called so is asked for as any other.
    for method in ["GET", "PATCH", "PUT", "DELETE"] {
        let body = matches!(method, "PATCH" | "PUT").then(|| json!({"number": 1}).to_string());
        let row = app.ask(&ann, method, "/api/v1/flights/import", body).await;
        assert_eq!(row.problem(), "404 not_found", "{method}");
    }
    app.database
        .sql(&format!("INSERT INTO flights (id, \"userId\", number) VALUES ('import', '{}', 3)", ann.user.id))
        .await;
    assert_eq!(app.get(&ann, "/api/v1/flights/import").await.expect(200).json()["number"], 3);
    assert_eq!(numbers(&app).await, "3");
    app.close().await;
}

/// A file that is sent piece by piece.
struct Upload(TcpStream);

impl Upload {
    async fn begin(app: &TestApp, user: &TestUser, further: &str) -> Self {
        let mut stream = TcpStream::connect(app.address()).await.expect("a connection");
        let head = format!(
            "POST /api/v1/flights/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: text/csv\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n{further}\r\n",
            user.key
        );
        stream.write_all(head.as_bytes()).await.expect("a head");
        Self(stream)
    }

    async fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.write_all(chunk.as_bytes()).await.expect("a piece");
    }

    /// Reads until the answer has this text.
    async fn until(&mut self, text: &str) -> String {
        let mut answer = String::new();
        let mut buffer = [0; 4096];
        let work = async {
            while !answer.contains(text) {
                let read = self.0.read(&mut buffer).await.expect("an answer");
                assert!(read > 0, "the answer ended: {answer}");
                answer.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        };
        tokio::time::timeout(Duration::from_secs(30), work).await.expect("it is answered");
        answer
    }

    /// The body of the answer, whose chunks are lines.
    async fn end(mut self) -> String {
        self.0.write_all(b"0\r\n\r\n").await.expect("the end");
        self.rest().await
    }

    async fn rest(mut self) -> String {
        let mut answer = Vec::new();
        let _ = self.0.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn rows(from: usize, to: usize) -> String {
    (from..=to).map(|number| format!("{number}\n")).collect()
}

/// The last line of a streamed answer.
fn last_line(answer: &str) -> Value {
    let line = answer.lines().rfind(|line| line.starts_with('{')).expect("a line");
    serde_json::from_str(line).expect("JSON")
}

async fn until_open(app: &TestApp, count: usize) {
    let wait = async { while app.database.column(OPEN).await.len() != count {} };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the database comes to that state");
}

const TELL: &str = "Accept: application/x-ndjson\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_it_hears_how_far_it_is() {
    // A file may take longer than any request.
    let short = ServerOptions { request_timeout: Duration::from_secs(3), ..ServerOptions::default() };
    let (app, ann) = app_with(short).await;
    let mut upload = Upload::begin(&app, &ann, TELL).await;
    upload.send("number\n").await;
    upload.send(&rows(1, 2500)).await;
    let begun = upload.until("{\"rows\":2000}").await;
    assert!(
        begun.starts_with("HTTP/1.1 200 OK\r\n") && begun.contains("content-type: application/x-ndjson"),
        "{begun}"
    );
    // Nobody sees anything yet.
    assert_eq!((numbers(&app).await.as_str(), app.database.column(OPEN).await.len()), ("", 1));
    let _ = app.database.column("SELECT pg_sleep(3.5)::text").await;
    upload.send(&rows(2501, 5000)).await;
    let answer = upload.end().await;
    let last = last_line(&answer);
    assert_eq!(
        (&last["rows"], &last["created"], &last["failed"]),
        (&json!(5000), &json!(5000), &json!(0)),
        "{answer}"
    );
    assert_eq!(app.database.column("SELECT count(*) FROM flights").await, ["5000"]);

    // A mistake after the answer began is its last line, and nothing stays.
    let mut upload = Upload::begin(&app, &ann, TELL).await;
    upload.send("number\n").await;
    upload.send(&rows(5001, 7000)).await;
    let _ = upload.until("{\"rows\":2000}").await;
    upload.send("nonsense\n").await;
    let answer = upload.end().await;
    let last = last_line(&answer);
    assert_eq!((&last["status"], &last["code"]), (&json!(422), &json!("rows_refused")), "{answer}");
    assert_eq!(last["errors"][0]["field"], "lines[2002].number");
    assert_eq!(app.database.column("SELECT count(*) FROM flights").await, ["5000"]);
    // A short one is told at once.
    let key = format!("Bearer {}", ann.key);
    let tell = [("authorization", key.as_str()), ("content-type", CSV), ("accept", NDJSON)];
    let short = app.ask(Who::Headers(&tell), "POST", "/api/v1/flights/import", Some("number\n9999\n".into()));
    assert_eq!(short.await.expect(200).text.lines().count(), 1);
    let refused =
        app.ask(Who::Headers(&tell), "POST", "/api/v1/flights/import", Some("number\n9999\n".into()));
    assert_eq!(refused.await.status, 422);
    let id = &ann.user.id;
    let expected = [200, 422, 200, 422].map(|status| format!("POST {status} {id}"));
    assert_eq!(trail(&app).await, expected);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_nothing() {
    let (app, ann) = app().await;
    for further in ["", TELL] {
        let mut upload = Upload::begin(&app, &ann, further).await;
        upload.send("number\n").await;
        upload.send(&rows(1, 3000)).await;
        until_open(&app, 1).await;
        drop(upload);
        until_open(&app, 0).await;
    }
    assert_eq!(numbers(&app).await, "");
    // Its place is free: the same again, by whoever stays.
    let whole = send(&app, &ann.key, "", CSV, &[], &format!("number\n{}", rows(1, 3000))).await;
    assert_eq!(whole.expect(200).json()["created"], 3000);
    // Whose answer had begun is in the trail; whether the other one is depends on who noticed first.
    let mut trail = trail(&app).await;
    assert_eq!(trail.pop(), Some(format!("POST 200 {}", ann.user.id)));
    assert!(!trail.is_empty() && trail.iter().all(|row| row.starts_with("POST 400 ")), "{trail:?}");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_limits_of_its_own() {
    let options = ServerOptions {
        body_limit: 1000,
        import_limit: 100_000,
        import_timeout: Duration::from_secs(60),
        ..ServerOptions::default()
    };
    let (app, ann) = app_with(options.clone()).await;
    let file = |count| format!("number\n{}", rows(1, count));
    let fits = send(&app, &ann.key, "?dry_run=true", CSV, &[], &file(15_000)).await;
    assert_eq!(fits.expect(200).json()["created"], 15_000);
    assert_eq!(send(&app, &ann.key, "", CSV, &[], &file(30_000)).await.problem(), "413 body_too_large");
    let wide = format!("number,note\n1,{}\n", "x".repeat(2000));
    assert_eq!(
        send(&app, &ann.key, "", CSV, &[], &wide).await.problem(),
        "400 unreadable_file [: unreadable_file]"
    );
    // Its length is not known before.
    let mut upload = Upload::begin(&app, &ann, "").await;
    upload.send(&file(10_000)).await;
    upload.send(&rows(10_001, 30_000)).await;
    let answer = upload.end().await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{answer}");
    app.close().await;

    // Who stops sending is given up, whatever came before.
    let (app, ann) = app_with(ServerOptions { body_timeout: Duration::from_millis(700), ..options }).await;
    let mut upload = Upload::begin(&app, &ann, "").await;
    upload.send(&file(10_000)).await;
    let answer = upload.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let mut upload = Upload::begin(&app, &ann, TELL).await;
    upload.send(&file(10_000)).await;
    let answer = upload.rest().await;
    assert_eq!(
        (&last_line(&answer)["status"], &last_line(&answer)["code"]),
        (&json!(408), &json!("body_too_slow"))
    );
    until_open(&app, 0).await;
    assert_eq!(numbers(&app).await, "");
    app.close().await;

    let options = ServerOptions { import_timeout: Duration::from_millis(500), ..ServerOptions::default() };
    let (app, ann) = app_with(options).await;
    let mut upload = Upload::begin(&app, &ann, "").await;
    upload.send(&file(3000)).await;
    let answer = upload.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("request_timeout"), "{answer}");
    until_open(&app, 0).await;
    assert_eq!(numbers(&app).await, "");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_slowly_leave_connections_for_everybody_else() {
    // A quarter of five connections: one at a time.
    let (app, ann) = app().await;
    let mut first = Upload::begin(&app, &ann, TELL).await;
    first.send(&format!("number\n{}", rows(1, 3000))).await;
    let _ = first.until("\"rows\"").await;
    let mut second = Upload::begin(&app, &ann, "").await;
    second.send(&format!("number\n{}", rows(10_001, 13_000))).await;
    let refused = second.end().await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nretry-after: "), "{refused}");
    // What is there as a whole keeps no connection waiting.
    let short = send(&app, &ann.key, "", CSV, &[], "number\n20001\n").await;
    assert_eq!(short.expect(200).json()["created"], 1);
    assert_eq!(last_line(&first.end().await)["created"], 3000);
    app.close().await;
}

#[tokio::test]
async fn a_key_that_is_remembered_is_proved_before_the_first_row() {
    let (app, ann) = app().await;
    let _ = app.get(&ann, "/api/v1/flights").await.expect(200);
    app.database.sql("UPDATE api_keys SET revoked = true").await;
    let small = send(&app, &ann.key, "", CSV, &[], "number\n1\n").await;
    assert_eq!(small.problem(), "401 invalid_credential");
    let other = app.key(&ann.user, &["*"]).await;
    let _ = send(&app, &other, "", CSV, &[], "number\n1\n").await.expect(200);
    app.database.sql("UPDATE api_keys SET scopes = '{flights:read}'").await;
    let scope = send(&app, &other, "", CSV, &[], "number\n2\n").await;
    assert_eq!(scope.problem(), "403 missing_scope");
    assert_eq!(numbers(&app).await, "1");
    app.close().await;
}
