//! Answers and files of any size, to and from the real program: what they take of its memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;

use crate::rollout::Deployment;

/// A field of `/proc/<pid>/status`, in kilobytes.
fn memory(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect(field);
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Reads a whole answer without keeping it; the number of rows, and whether the body had its end.
fn read_rows(address: &str, key: &str) -> (usize, bool) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!(
        "GET /api/v1/notes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\naccept: application/x-ndjson\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let (mut rows, mut end) = (0, Vec::new());
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = stream.read(&mut piece).expect("an answer");
        if read == 0 {
            break;
        }
        // Each row is an object without others in it.
        rows += piece[..read].iter().filter(|byte| **byte == b'{').count();
        end.extend_from_slice(&piece[..read]);
        end.drain(..end.len().saturating_sub(7));
    }
    (rows, end == b"\r\n0\r\n\r\n")
}

async fn stream(rows: usize) {
    let deployment = Deployment::new().await;
    let insert = format!(
        "INSERT INTO notes (\"userId\", n, text) SELECT (SELECT id FROM \"user\"), n, repeat('x', 100) FROM generate_series(1, {rows}) n"
    );
    deployment.database.sql(&insert).await;
    let (serve, address) = deployment.serve(&deployment.project);
    let pid = serve.process.id();
    // A first answer warms everything that is there once.
    let (status, _) = crate::project::get(&address, &deployment.key, "/api/v1/notes?limit=1000");
    assert_eq!(status, 200);
    let before = memory(pid, "VmRSS");
    let key = deployment.key.clone();
    let read = tokio::task::spawn_blocking(move || read_rows(&address, &key)).await.expect("no panic");
    assert_eq!(read, (rows, true), "{}", serve.said());
    let peak = memory(pid, "VmHWM");
    let grown = peak.saturating_sub(before);
    assert!(grown < 50_000, "{grown} kB more for {rows} rows: {before} kB before, {peak} kB at most");
    // Shown with --nocapture.
    let mut out = std::io::stderr();
    let _ = writeln!(out, "{rows} rows: {grown} kB more than the {before} kB before");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_rows_take_no_memory() {
    stream(50_000).await;
}

/// `cargo test -p hedgerow-cli --test cli -- --ignored --nocapture a_million_rows_take_no_memory`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; the test above is the same with fewer rows"]
async fn a_million_rows_take_no_memory() {
    stream(1_000_000).await;
}

/// Sends a file of rows with these numbers as it is made; what it is answered.
fn send_rows(address: &str, key: &str, kind: &str, numbers: Range<usize>) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = format!(
        "POST /api/v1/notes/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: {kind}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a head");
    let text = "x".repeat(100);
    let (start, end) = match kind {
        "text/csv" => ("n,text\n", "\n"),
        "application/json" => ("[", "]"),
        _ => ("", "\n"),
    };
    let first = numbers.start;
    let row = |n: usize| match kind {
        "text/csv" => format!("{n},{text}\n"),
        "application/json" => {
            format!("{}{{\"n\":{n},\"text\":\"{text}\"}}", if n > first { "," } else { "" })
        }
        _ => format!("{{\"n\":{n},\"text\":\"{text}\"}}\n"),
    };
    let mut send = |piece: &str| {
        stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).expect("a piece");
    };
    send(if start.is_empty() { "\n" } else { start });
    for from in numbers.clone().step_by(500) {
        send(&(from..numbers.end.min(from + 500)).map(row).collect::<String>());
    }
    send(end);
    stream.write_all(b"0\r\n\r\n").expect("the end");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

async fn import(rows: usize) {
    let deployment = Deployment::new().await;
    let (serve, address) = deployment.serve(&deployment.project);
    let pid = serve.process.id();
    let mut before = 0;
    // The first one, a small one, warms everything that is there once.
    let files =
        [("text/csv", 3000), ("text/csv", rows), ("application/json", rows), ("application/x-ndjson", rows)];
    for (at, (kind, rows)) in files.into_iter().enumerate() {
        let (address, key) = (address.clone(), deployment.key.clone());
        // The numbers are unique.
        let numbers = at * 10_000_000..at * 10_000_000 + rows;
        let sent = tokio::task::spawn_blocking(move || send_rows(&address, &key, kind, numbers));
        let answer = sent.await.expect("no panic");
        assert!(answer.contains(&format!("\"created\":{rows},")), "{answer} {}", serve.said());
        if at == 0 {
            before = memory(pid, "VmRSS");
        }
        let peak = memory(pid, "VmHWM");
        let grown = peak.saturating_sub(before);
        assert!(
            grown < 50_000,
            "{grown} kB more for {rows} rows of {kind}: {before} kB before, {peak} kB at most"
        );
        // Shown with --nocapture.
        let mut out = std::io::stderr();
        let _ = writeln!(out, "{rows} rows of {kind}: {grown} kB more than the {before} kB before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_take_no_memory() {
    import(50_000).await;
}

/// `cargo test -p hedgerow-cli --test cli -- --ignored --nocapture large_files_take_no_memory`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; the test above is the same with fewer rows"]
async fn large_files_take_no_memory() {
    import(1_500_000).await;
}
