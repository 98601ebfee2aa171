//! Clients that want to harm: heads and bodies that are too large, too slow or say two things, clients that do not read, and more
//! of them than there are connections. The server answers what it can, lets go of the rest, and stays ready.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hedgerow::database::Identity;
use hedgerow_server::ServerOptions;
use hedgerow_testing::{TestApp, TestUser, Who};
use serde_json::json;

const NOTES: (&str, &str) = ("notes", "fields.text = { type = \"text\" }");

async fn app(options: ServerOptions) -> (TestApp, TestUser) {
    let app = TestApp::with_options(&[NOTES], options, |_| {}).await;
    let ann = app.user("ann").await;
    (app, ann)
}

fn connect(app: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(app.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a connection");
    stream
}

/// All that the server says until it closes the connection.
fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has said what it had to say.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes as they are, and reads to the end.
fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = connect(app);
    let _ = stream.write_all(request);
    rest(&mut stream)
}

/// Work that waits for sockets, beside the server's.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

fn post(key: &str, more: &str) -> String {
    format!(
        "POST /api/v1/notes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{more}\r\n"
    )
}

async fn count(app: &TestApp, who: &TestUser) -> usize {
    app.get(who, "/api/v1/notes").await.expect(200).json().as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_are_refused_however_they_come() {
    let (app, ann) = app(ServerOptions { body_limit: 64 << 10, ..ServerOptions::default() }).await;
    let large = format!("{{\"text\": \"{}\"}}", "x".repeat(128 << 10));
    let declared = format!(
        "{}{large}",
        post(&ann.key, &format!("connection: close\r\ncontent-length: {}\r\n", large.len()))
    );
    let chunked = format!(
        "{}{:x}\r\n{large}\r\n0\r\n\r\n",
        post(&ann.key, "connection: close\r\ntransfer-encoding: chunked\r\n"),
        large.len()
    );
    let expected = post(
        &ann.key,
        &format!("connection: close\r\ncontent-length: {}\r\nexpect: 100-continue\r\n", large.len()),
    );
    // It says less than it sends: what is over is no request.
    let lying = format!("{}{large}", post(&ann.key, "content-length: 12\r\n"));
    for (request, wanted) in [(declared, 413), (chunked, 413), (expected, 413), (lying, 400)] {
        let answer = tokio::task::block_in_place(|| raw(&app, request.as_bytes()));
        assert!(answer.starts_with(&format!("HTTP/1.1 {wanted}")), "{}\n{answer}", &request[..120]);
    }
    assert_eq!(count(&app, &ann).await, 0);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_long_or_say_two_things_are_refused() {
    let (app, ann) = app(ServerOptions { max_parameters: 20, ..ServerOptions::default() }).await;
    let head =
        |line: &str, more: &str| format!("{line} HTTP/1.1\r\nhost: x\r\n{more}connection: close\r\n\r\n");
    let parameters: String = (0..21).map(|n| format!("x{n}=1&")).collect();
    let smuggled = |who: &str| {
        format!(
            "POST /api/v1/notes HTTP/1.1\r\nhost: x\r\n{who}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n\
             GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
        )
    };
    for (request, wanted) in [
        (head("GET /livez", &format!("x-long: {}\r\n", "v".repeat(16 << 10))), "HTTP/1.1 431"),
        (head("GET /livez", &format!("x-long: {}\r\n", "v".repeat(100 << 10))), "HTTP/1.1 431"),
        (head("GET /livez", &(0..200).map(|n| format!("x-{n}: v\r\n")).collect::<String>()), "HTTP/1.1 431"),
        (head(&format!("GET /api/v1/notes?text=eq.{}", "x".repeat(9 << 10)), ""), "HTTP/1.1 414"),
        (head(&format!("GET /api/v1/notes?{parameters}"), ""), "HTTP/1.1 400"),
        (head("GET /livez", "x space: v\r\n"), "HTTP/1.1 400"),
        (head("GET /livez", "x-nul: a\0b\r\n"), "HTTP/1.1 400"),
        (head("POST /api/v1/notes", "content-length: 1\r\ncontent-length: 2\r\n"), "HTTP/1.1 400"),
        (head("POST /api/v1/notes", "content-length: -1\r\n"), "HTTP/1.1 400"),
        (head("POST /api/v1/notes", "transfer-encoding: gzip\r\n"), "HTTP/1.1 400"),
        (smuggled(&format!("authorization: Bearer {}\r\n", ann.key)), "HTTP/1.1 400"),
        (smuggled(""), "HTTP/1.1 401"),
        (head("TRACE /livez", ""), "HTTP/1.1 405"),
        (head("TRACE /api/v1/notes", ""), "HTTP/1.1 405"),
        (
            "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n".to_owned(),
            "HTTP/1.1 404",
        ),
        ("GET /livez\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
    ] {
        let answer = tokio::task::block_in_place(|| raw(&app, request.as_bytes()));
        let shown = request.get(..request.len().min(100));
        assert!(answer.starts_with(wanted), "{shown:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            usize::from(!answer.is_empty()),
            "{shown:?}: {answer}"
        );
        assert!(!answer.contains("HTTP/1.1 200"), "{shown:?}: {answer}");
    }
    let answer = app.get(&ann, &format!("/api/v1/notes?text=eq.{}", "x".repeat(9 << 10))).await;
    assert_eq!(answer.problem(), "414 url_too_long");
    assert_eq!(
        app.get(&ann, &format!("/api/v1/notes?{parameters}")).await.problem(),
        "400 too_many_parameters"
    );
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_one_write_are_answered_in_their_order() {
    let (app, ann) = app(ServerOptions::default()).await;
    let _ = app.post(&ann, "/api/v1/notes", json!({"text": "one"})).await.expect(201);
    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{more}\r\n", ann.key)
    };
    let requests =
        [get("/livez", ""), get("/api/v1/notes", ""), get("/nothing", "connection: close\r\n")].concat();
    let answer = tokio::task::block_in_place(|| raw(&app, requests.as_bytes()));
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|one| &one[..3]).collect();
    assert_eq!(statuses, ["200", "200", "404"], "{answer}");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_slow_with_its_head_is_let_go() {
    let header_timeout = Duration::from_millis(300);
    let (app, _) = app(ServerOptions { header_timeout, ..ServerOptions::default() }).await;
    let mut streams: Vec<TcpStream> = (0..200).map(|_| connect(&app)).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").expect("a connection");
    }
    let said: Vec<String> = blocking(move || streams.iter_mut().map(rest).collect()).await;
    // All are closed, or this would wait for as long as the client's own limit and fail there.
    assert!(said.iter().all(|answer| !answer.contains(" 200 ")), "{said:?}");
    let _ = app.get(Who::Anyone, "/livez").await.expect(200);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections() {
    let options = ServerOptions { max_connections_per_address: 20, ..ServerOptions::default() };
    let (app, _) = app(options).await;
    let held: Vec<TcpStream> = (0..20).map(|_| connect(&app)).collect();
    // One that is held answers; one more is closed without a word.
    let live = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let first_line = |stream: &TcpStream| {
        let mut stream = stream;
        let mut buffer = [0; 12];
        let _ = stream.write_all(live);
        stream
            .read_exact(&mut buffer)
            .map(|()| String::from_utf8_lossy(&buffer).into_owned())
            .unwrap_or_default()
    };
    tokio::task::block_in_place(|| {
        assert_eq!(first_line(&held[19]), "HTTP/1.1 200");
        assert_eq!(first_line(&connect(&app)), "");
        drop(held);
        let deadline = Instant::now() + Duration::from_secs(60);
        while first_line(&connect(&app)) != "HTTP/1.1 200" {
            assert!(Instant::now() < deadline, "places of connections that ended are free again");
        }
    });
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_come_too_slowly_cost_no_connection_to_the_database() {
    let body_timeout = Duration::from_secs(5);
    let (app, ann) = app(ServerOptions { body_timeout, ..ServerOptions::default() }).await;
    // 500 clients send the beginning of a body, and then nothing.
    let start = format!("{}{{\"text\"", post(&ann.key, "content-length: 100\r\n"));
    let address = app.address();
    let mut streams = blocking(move || {
        let open = |_| {
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a connection");
            stream.write_all(start.as_bytes()).expect("a connection");
            stream
        };
        (0..500).map(open).collect::<Vec<TcpStream>>()
    })
    .await;
    // Meanwhile others are served, as fast as the machine lets them.
    let mut took = Vec::new();
    for _ in 0..9 {
        let asked = Instant::now();
        let _ = app.get(Who::Anyone, "/readyz").await.expect(200);
        took.push(asked.elapsed());
        let _ = app.get(&ann, "/api/v1/notes").await.expect(200);
    }
    took.sort();
    assert!(took[4] < Duration::from_secs(1), "{took:?}");
    let slow = tokio::task::spawn_blocking(move || streams.iter_mut().map(rest).collect::<Vec<String>>());
    let answers = slow.await.expect("no panic");
    for answer in &answers {
        let is_told = answer.starts_with("HTTP/1.1 408") && answer.contains("body_too_slow");
        // What the queue for keys had no room for is told at once.
        assert!(is_told || answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(!is_told || answer.contains("connection: close"), "{answer}");
    }
    assert!(answers.iter().filter(|answer| answer.contains("body_too_slow")).count() > 300);
    assert_eq!(count(&app, &ann).await, 0);
    app.close().await;
}

/// One byte now and then is slow too: a minimum rate counts, not the last sign of life.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_given_up() {
    let body_timeout = Duration::from_millis(500);
    let (app, ann) = app(ServerOptions { body_timeout, ..ServerOptions::default() }).await;
    let start = post(&ann.key, "content-length: 100000\r\n");
    let answer = tokio::task::block_in_place(|| {
        let mut stream = connect(&app);
        stream.write_all(start.as_bytes()).expect("a connection");
        let ticks = stream.try_clone().expect("a connection");
        ticks.set_read_timeout(Some(Duration::from_millis(50))).expect("a connection");
        let begun = Instant::now();
        let mut answer = Vec::new();
        while begun.elapsed() < Duration::from_secs(20) {
            let mut buffer = [0; 4096];
            match (&ticks).read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
                // Nothing yet: the next drop.
                Err(_) if answer.is_empty() => {
                    let _ = stream.write_all(b" ");
                }
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    });
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_let_go_and_holds_nothing() {
    let write_timeout = Duration::from_millis(500);
    let (app, ann) = app(ServerOptions { write_timeout, ..ServerOptions::default() }).await;
    let rows: Vec<_> = (0..1000).map(|_| json!({"text": "x".repeat(900)})).collect();
    let _ = app.post(&ann, "/api/v1/notes", json!(rows)).await.expect(201);
    let get = format!("GET /api/v1/notes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", ann.key);
    // Twenty answers of a megabyte in a row are more than the system's buffers take.
    let mut stream = connect(&app);
    let _ = stream.write_all(get.repeat(20).as_bytes());
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_closed = async |stream: &TcpStream| {
        let stream = stream.try_clone().expect("a connection");
        blocking(move || (&stream).write_all(b"\r\n").is_err()).await
    };
    while !is_closed(&stream).await {
        let (open, free) = app.app.database().connections();
        let _ = app.get(Who::Anyone, "/readyz").await.expect(200);
        assert!(open - free <= 1, "an answer that waits for its reader has given its connection back");
        assert!(Instant::now() < deadline, "it is never let go");
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_can_be_served_are_told_so_at_once() {
    // Nobody's patience ends during this test: who is answered before the connection is free was refused at once.
    let patience = Duration::from_secs(300);
    let options = ServerOptions { request_timeout: patience, ..ServerOptions::default() };
    let app = TestApp::with_options(&[NOTES], options, |options| {
        options.pool.max_connections = 1;
        options.pool.acquire_timeout = patience;
        options.pool.idle_in_transaction_timeout = patience;
    })
    .await;
    let ann = app.user("ann").await;
    let _ = app.get(&ann, "/api/v1/notes").await.expect(200);
    // Somebody holds the only connection, for which 64 may wait.
    let identity = Identity::User(ann.user.id.clone());
    let held = app.app.database().transaction(&identity).await.expect("a transaction");
    let mut asked: FuturesUnordered<_> = (0..120).map(|_| app.get(&ann, "/api/v1/notes")).collect();
    for _ in 0..120 - 64 {
        let answer = asked.next().await.expect("an answer");
        assert_eq!(answer.problem(), "503 unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
        // A full pool is not a dead server.
        let _ = app.get(Who::Anyone, "/readyz").await.expect(200);
    }
    held.rollback().await.expect("it ends");
    while let Some(answer) = asked.next().await {
        assert_eq!(answer.status, 200, "whoever waited is served: {}", answer.text);
    }
    drop(asked);
    app.close().await;
}

#[tokio::test]
async fn answers_let_a_browser_do_nothing_with_them() {
    let (app, ann) = app(ServerOptions::default()).await;
    let answers = [
        app.get(&ann, "/api/v1/notes").await.expect(200),
        app.get(Who::Anyone, "/api/v1/notes").await.expect(401),
        app.get(Who::Anyone, "/nothing").await.expect(404),
        app.get(Who::Anyone, "/api/auth/ok").await.expect(200),
    ];
    for answer in answers {
        let header = |name| answer.header(name).unwrap_or_default();
        assert_eq!(header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("strict-transport-security"), "", "there is no TLS here");
    }
    // A page says itself what it loads.
    let page = app.get(Who::Anyone, "/sign-in").await.expect(200);
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.contains("script-src 'sha256-"))
    );
    app.close().await;

    let app = TestApp::with_options(&[NOTES], ServerOptions::default(), |options| {
        let auth = options.auth.as_mut().expect("sign-in");
        auth.settings.base_url = Some("https://app.example.com".parse().expect("a URL"));
    })
    .await;
    let answer = app.get(Who::Anyone, "/livez").await.expect(200);
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    app.close().await;
}

#[tokio::test]
async fn an_instance_that_will_end_turns_new_requests_away_and_serves_those_that_come() {
    let (app, ann) = app(ServerOptions::default()).await;
    let _ = app.get(Who::Anyone, "/readyz").await.expect(200);
    app.app.leave();
    let answer = app.get(Who::Anyone, "/readyz").await;
    assert_eq!(answer.problem(), "503 leaving");
    let _ = app.get(Who::Anyone, "/livez").await.expect(200);
    let answer = app.post(&ann, "/api/v1/notes", json!({"text": "still"})).await.expect(201);
    assert_eq!(answer.header("connection"), Some("close"));
    app.close().await;
}
