//! The end of `serve` under load: nothing that was acknowledged is lost, nobody is refused before `/readyz` said so, and what hostile
//! clients say of themselves is one line of the log each.

use std::collections::HashSet;
use std::io::{Error, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::project::signal;
use crate::rollout::Deployment;

/// Asks on a connection of its own; the status.
fn ask(address: &str, request: &str) -> Result<u16, Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| Error::other("no answer"))
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n")
}

fn post(key: &str, n: u64) -> String {
    let body = format!("{{\"text\": \"acknowledged\", \"n\": {n}}}");
    format!(
        "POST /api/v1/notes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What clients saw until they were refused.
#[derive(Default)]
struct Seen {
    acknowledged: HashSet<u64>,
    /// Answers that are neither a success nor a connection that ended.
    odd: Vec<u16>,
    refused_at: Option<Instant>,
    unready_at: Option<Instant>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_nothing() {
    let mut deployment = Deployment::new().await;
    deployment.environment.retain(|(name, _)| *name != "HEDGEROW_SERVER_DRAIN");
    deployment.environment.push(("HEDGEROW_SERVER_DRAIN", "3s".to_owned()));
    let (mut serve, address) = deployment.serve(&deployment.project);
    let key = &deployment.key;
    // The log's lines are not made by whoever asks.
    let hostile = "user-agent: \u{1b}[31mred\u{1b}[0m \u{202e}\r\nx-request-id: a\u{1b}b\r\n";
    for path in ["/api/v1/%0d%0a%7B%22message%22:%22forged%22%7D", "/api/v1/notes?text=eq.%0aforged"] {
        assert!((400..500).contains(&ask(&address, &get(path, hostile)).expect("an answer")));
    }

    let seen = Mutex::new(Seen::default());
    let pid = serve.process.id();
    std::thread::scope(|threads| {
        for client in 0..4 {
            let (seen, address) = (&seen, &address);
            threads.spawn(move || {
                for n in 0.. {
                    let n = n * 4 + client;
                    let outcome = ask(address, &post(key, n));
                    let mut seen = seen.lock().expect("no panic");
                    match outcome {
                        Ok(201) => {
                            seen.acknowledged.insert(n);
                        }
                        Ok(status) => seen.odd.push(status),
                        Err(_) => {
                            let now = Instant::now();
                            seen.refused_at = Some(seen.refused_at.map_or(now, |at| at.min(now)));
                            return;
                        }
                    }
                }
            });
        }
        threads.spawn(|| {
            while let Ok(status) = ask(&address, &get("/readyz", "")) {
                let mut seen = seen.lock().expect("no panic");
                if status == 503 && seen.unready_at.is_none() {
                    seen.unready_at = Some(Instant::now());
                }
            }
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        while seen.lock().expect("no panic").acknowledged.len() < 100 {
            assert!(Instant::now() < deadline, "nothing is written");
            std::thread::yield_now();
        }
        signal(pid, Signal::TERM);
    });
    assert_eq!(serve.process.wait().expect("a status").code(), Some(0), "{}", serve.said());

    let seen = seen.into_inner().expect("no panic");
    assert_eq!(seen.odd, Vec::<u16>::new(), "while it leaves, it serves");
    let (unready, refused) = (seen.unready_at.expect("it said so"), seen.refused_at.expect("it ended"));
    assert!(
        refused.duration_since(unready) > Duration::from_millis(500),
        "load balancers had time to see it"
    );
    let exported = deployment.run(&["export", "notes", "--format", "ndjson"]);
    let rows = exported.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a row"));
    let stored: HashSet<u64> = rows.filter_map(|row| row["n"].as_u64()).collect();
    let lost: Vec<&u64> = seen.acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{lost:?}");

    for line in serve.said().lines() {
        assert!(!line.contains('\u{1b}') && !line.starts_with("forged"), "{line:?}");
        let is_note = ["stopping; ", "warning: ", "hint: "].iter().any(|start| line.starts_with(start));
        assert!(is_note || serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let mut deployment = Deployment::new().await;
    deployment.environment.retain(|(name, _)| *name != "HEDGEROW_SERVER_DRAIN");
    deployment.environment.push(("HEDGEROW_SERVER_DRAIN", "1h".to_owned()));
    let (mut serve, address) = deployment.serve(&deployment.project);
    signal(serve.process.id(), Signal::TERM);
    serve.wait_for("stopping; once more ends at once");
    let deadline = Instant::now() + Duration::from_secs(60);
    while ask(&address, &get("/readyz", "")).expect("it still answers") != 503 {
        assert!(Instant::now() < deadline, "it never said that it will end");
    }
    assert_eq!(ask(&address, &get("/livez", "")).expect("it still answers"), 200);
    signal(serve.process.id(), Signal::TERM);
    assert_eq!(serve.process.wait().expect("a status").code(), Some(130));
}
