//! Many at once: checking passwords takes a core and 32 MiB each, and must take neither from everybody else.

use std::time::{Duration, Instant};

use hedgerow_testing::{TestApp, Who};
use serde_json::json;

/// The memory of this process in bytes (`/proc/self/status`, VmRSS).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
    kilobytes * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_sign_ins_at_once_neither_exhaust_memory_nor_stop_the_others() {
    let _alone = crate::ALONE.lock().await;
    let app = TestApp::with(&[]).await;
    let body = json!({ "name": "x", "email": "ann@example.com", "password": "password-1234" });
    let _ = app.browser().post("/sign-up/email", body).await.expect(200);
    let alone = Instant::now();
    let body = json!({ "email": "ann@example.com", "password": "password-1234" });
    let _ = app.browser().post("/sign-in/email", body).await.expect(200);
    let alone = alone.elapsed();
    let before = resident();
    let sign_ins = (0..200).map(|n| {
        let password = if n % 2 == 0 { "password-1234" } else { "wrong-password" };
        let body = json!({ "email": "ann@example.com", "password": password }).to_string();
        let app = &app;
        async move { app.ask(Who::Headers(&[]), "POST", "/api/auth/sign-in/email", Some(body)).await.status }
    });
    let signing = futures_util::future::join_all(sign_ins);
    let watching = async {
        let (mut took, mut most) = (Vec::new(), 0);
        let end = Instant::now() + Duration::from_secs(4);
        while Instant::now() < end {
            let start = Instant::now();
            assert_eq!(app.get(Who::Anyone, "/readyz").await.status, 200);
            took.push(start.elapsed());
            most = most.max(resident());
        }
        took.sort_unstable();
        (took, most)
    };
    let (statuses, (took, most)) = tokio::join!(signing, watching);
    // One look in ten may meet a busy machine; whoever waits for the hashes of others waits longer than for one nearly every time.
    let (looks, usual) = (took.len(), took[took.len() * 9 / 10]);
    let count = |wanted: u16| statuses.iter().filter(|&&status| status == wanted).count();
    let grown = most.saturating_sub(before) >> 20;
    eprintln!(
        "200 sign-ins: {} in, {} refused, {} told to wait; one alone {alone:?}; memory grew by {grown} MiB; /readyz {looks} times, nine in ten within {usual:?}, the slowest {:?}",
        count(200),
        count(401),
        count(503),
        took[looks - 1]
    );
    assert_eq!(count(200) + count(401) + count(503), 200, "{statuses:?}");
    assert!(count(200) > 0 && count(401) > 0);
    // Two are checked at once, 32 MiB each; the rest are connections of the test's own.
    assert!(grown < 256, "memory grew by {grown} MiB");
    assert!(usual < alone, "nine of ten /readyz took up to {usual:?}, one sign-in alone {alone:?}");
    app.close().await;
}
