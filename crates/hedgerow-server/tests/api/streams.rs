//! Answers of any size: they come complete or visibly broken, and nobody holds the database by not reading.

use std::time::Duration;

use hedgerow_server::ServerOptions;
use hedgerow_testing::{TestApp, TestUser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NOTES: &str = "fields.n = { type = \"integer\" }\nfields.text = { type = \"textarea\" }";
/// What runs for a stream, and nothing else in these databases.
const RUNNING: &str = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                       AND xact_start IS NOT NULL AND query LIKE '%FROM public.\"notes\"%'";

async fn notes(app: &TestApp, user: &TestUser, rows: usize, length: usize) {
    let insert = format!(
        "INSERT INTO notes (\"userId\", n, text) SELECT '{}', n, repeat('x', {length}) FROM generate_series(1, {rows}) n; ANALYZE notes",
        user.user.id
    );
    app.database.sql(&insert).await;
}

/// Asks for all rows, and reads nothing yet.
async fn ask(app: &TestApp, user: &TestUser, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).await.expect("a connection");
    let request = format!(
        "GET /api/v1/notes?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nAccept: application/x-ndjson\r\nConnection: close\r\n\r\n",
        user.key
    );
    stream.write_all(request.as_bytes()).await.expect("a request");
    stream
}

/// Reads until the server has nothing more to say.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut in the middle may end with an error; what came counts.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks the database again and again until its answer has so many rows.
async fn until_running(app: &TestApp, count: usize) -> Vec<String> {
    let wait = async {
        loop {
            let running = app.database.column(RUNNING).await;
            if running.len() == count {
                return running;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the database comes to that state")
}

/// A body in chunks that has its end (RFC 9112, section 7.1).
fn is_complete(answer: &str) -> bool {
    answer.ends_with("\r\n0\r\n\r\n")
}

async fn app_with(options: ServerOptions) -> TestApp {
    TestApp::with_options(&[("notes", NOTES)], options, |_| {}).await
}

#[tokio::test]
async fn fifty_thousand_rows_come_complete_and_in_order() {
    // A stream may take longer than a request.
    let app =
        app_with(ServerOptions { request_timeout: Duration::from_secs(5), ..ServerOptions::default() }).await;
    let ann = app.user("ann").await;
    let bob = app.user("bob").await;
    notes(&app, &ann, 50_000, 10).await;
    notes(&app, &bob, 100, 10).await;
    let answer = read_all(&mut ask(&app, &ann, "select=n&order=n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{}", &answer[..100]);
    assert!(answer.contains("\r\ntransfer-encoding: chunked\r\n"));
    assert!(is_complete(&answer));
    let numbers: Vec<&str> = answer.split("{\"n\":").skip(1).collect();
    assert_eq!(numbers.len(), 50_000);
    let after = read_all(&mut ask(&app, &ann, "select=n&order=n.desc&offset=49990").await).await;
    assert_eq!(after.matches("{\"n\":").count(), 10);
    let (head, body) = after.split_once("\r\n\r\n").expect("a body");
    assert!(head.contains("content-type: application/x-ndjson"), "{head}");
    let numbers: String = body.lines().filter_map(|line| line.strip_prefix("{\"n\":")).collect();
    assert_eq!(numbers, "10}9}8}7}6}5}4}3}2}1}");
    app.close().await;
}

#[tokio::test]
async fn a_reader_who_stops_holds_no_transaction() {
    let stall = Duration::from_secs(1);
    let app = app_with(ServerOptions { write_timeout: stall, ..ServerOptions::default() }).await;
    let ann = app.user("ann").await;
    notes(&app, &ann, 50_000, 2000).await;
    let mut stream = ask(&app, &ann, "").await;
    let _ = until_running(&app, 1).await;
    // It reads nothing. The server lets the statement go; the transaction ends with it.
    let _ = until_running(&app, 0).await;
    // The pool serves others, streams too.
    let _ = app.get(&ann, "/api/v1/notes?limit=1").await.expect(200);
    let other = read_all(&mut ask(&app, &ann, "n=lt.10").await).await;
    assert!(is_complete(&other));
    // What the first one finds in its buffers is not mistaken for everything.
    let rest = read_all(&mut stream).await;
    assert!(!is_complete(&rest));
    app.close().await;
}

#[tokio::test]
async fn a_reader_who_goes_away_ends_the_statement() {
    let app = app_with(ServerOptions::default()).await;
    let ann = app.user("ann").await;
    notes(&app, &ann, 50_000, 2000).await;
    let stream = ask(&app, &ann, "").await;
    let _ = until_running(&app, 1).await;
    drop(stream);
    let _ = until_running(&app, 0).await;
    app.close().await;
}

#[tokio::test]
async fn a_stream_that_breaks_does_not_look_complete() {
    let app = app_with(ServerOptions::default()).await;
    let ann = app.user("ann").await;
    notes(&app, &ann, 50_000, 2000).await;
    let mut stream = ask(&app, &ann, "").await;
    let pid = until_running(&app, 1).await.remove(0);
    let ended = app.database.column(&format!("SELECT pg_terminate_backend({pid}, 5000)::text")).await;
    assert_eq!(ended, ["true"]);
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(!is_complete(&answer));
    let _ = app.get(&ann, "/api/v1/notes?limit=1").await.expect(200);
    app.close().await;
}

#[tokio::test]
async fn a_healthy_stream_outlives_the_timeout_of_statements() {
    // Statements of requests are stopped after 0.2 s; a stream has a limit of its own.
    let options = ServerOptions { stream_limit: Duration::from_secs(60), ..ServerOptions::default() };
    let app = TestApp::with_options(&[("notes", NOTES)], options, |options| {
        options.pool.statement_timeout = Duration::from_millis(200);
    })
    .await;
    let ann = app.user("ann").await;
    notes(&app, &ann, 50_000, 2000).await;
    let mut stream = ask(&app, &ann, "").await;
    let _ = until_running(&app, 1).await;
    let late =
        "SELECT 'late' FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND now() - xact_start > interval '0.5 s'";
    let wait = async { while app.database.column(late).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it goes on");
    assert!(is_complete(&read_all(&mut stream).await));
    app.close().await;
}

#[tokio::test]
async fn a_stream_has_a_limit_in_all() {
    let options = ServerOptions { stream_limit: Duration::from_millis(300), ..ServerOptions::default() };
    let app = app_with(options).await;
    let ann = app.user("ann").await;
    notes(&app, &ann, 50_000, 2000).await;
    let mut stream = ask(&app, &ann, "").await;
    let mut first = [0; 1024];
    let _ = stream.read(&mut first).await.expect("the beginning");
    let _ = until_running(&app, 1).await;
    let late = "SELECT pg_sleep(0.4)::text";
    let _ = app.database.column(late).await;
    let rest = read_all(&mut stream).await;
    assert!(!is_complete(&rest), "{}", rest.len());
    let _ = until_running(&app, 0).await;
    app.close().await;
}

#[tokio::test]
async fn streams_leave_connections_for_everybody_else() {
    // A quarter of five connections: one stream at a time.
    let app = app_with(ServerOptions::default()).await;
    let ann = app.user("ann").await;
    notes(&app, &ann, 50_000, 2000).await;
    let mut stream = ask(&app, &ann, "").await;
    let _ = until_running(&app, 1).await;
    let refused = read_all(&mut ask(&app, &ann, "").await).await;
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    assert!(refused.contains("\r\nretry-after: "), "{refused}");
    let _ = app.get(&ann, "/api/v1/notes?limit=1").await.expect(200);
    assert!(is_complete(&read_all(&mut stream).await));
    assert!(is_complete(&read_all(&mut ask(&app, &ann, "n=lt.100").await).await));
    app.close().await;
}
