//! Whether an address exists cannot be told: not by status, not by body, not by time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hedgerow::auth::settings::{AuthSettings, Verification};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{TestApp, Who};
use serde_json::{Value, json};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Tries for each kind of address. `HEDGEROW_TRIES=200` is the whole measurement; the gate makes fewer.
fn tries() -> usize {
    std::env::var("HEDGEROW_TRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}

async fn ask(app: &TestApp, path: &str, body: &Value) -> (Duration, u16, String) {
    let start = Instant::now();
    let answer = app.ask(Who::Headers(&[]), "POST", path, Some(body.to_string())).await;
    (start.elapsed(), answer.status, answer.text)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// What may differ between two answers: ids and moments.
fn plain(text: &str, address: &str) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    if let Some(user) = value.get_mut("user").and_then(Value::as_object_mut) {
        for name in ["id", "createdAt", "updatedAt"] {
            let known = user[name].as_str().map(str::len);
            user[name] = json!(known);
        }
    }
    value.to_string().replace(address, "<address>")
}

/// Asks for known and unknown addresses in turn; each path gets a new address, so nothing is remembered.
async fn check(app: &TestApp, path: &str, body: impl Fn(&str) -> Value) {
    check_after(app, None, path, body).await;
}

#[expect(clippy::print_stderr, reason = "the figures are what a measurement is for")]
/// The same after both were asked something else, which leads to what is tried now.
///
/// A leak shows in every measurement, a busy machine only now and then: three that differ are needed to fail.
async fn check_after(app: &TestApp, before: Option<(&str, Value)>, path: &str, body: impl Fn(&str) -> Value) {
    for last in [false, false, true] {
        let [known, unknown] = measure(app, before.as_ref(), path, &body).await;
        let difference = known.abs_diff(unknown);
        let limit = (known.max(unknown) / 20).max(Duration::from_millis(1));
        eprintln!("{path}: known {known:?}, unknown {unknown:?}, difference {difference:?}, limit {limit:?}");
        // Few tries scatter: the gate allows three times as much as the whole measurement does.
        let allowed = if tries() >= 200 { limit } else { limit * 3 };
        if difference <= allowed {
            return;
        }
        assert!(!last, "{path}: known {known:?}, unknown {unknown:?}");
    }
}

/// How long answers take for addresses that are known, and for those that are not (medians).
async fn measure(
    app: &TestApp,
    before: Option<&(&str, Value)>,
    path: &str,
    body: &impl Fn(&str) -> Value,
) -> [Duration; 2] {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..tries() {
        // Signing up makes an unknown address a known one, so each is used once.
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let (there, not) = (format!("known{}@example.com", n % 8), format!("other{unique}@example.com"));
        if let Some((path, asked)) = before {
            for address in [&there, &not] {
                let mut asked = asked.clone();
                asked["email"] = address.as_str().into();
                ask(app, path, &asked).await;
                app.app.auth().later().settled().await;
            }
        }
        let first = ask(app, path, &body(&there)).await;
        let second = ask(app, path, &body(&not)).await;
        assert_eq!(first.1, second.1, "{path}: {} {}", first.2, second.2);
        assert_eq!(plain(&first.2, &there), plain(&second.2, &not), "{path}");
        assert!(first.1 < 500, "{path}: {}", first.2);
        known.push(first.0);
        unknown.push(second.0);
        // What is done afterwards for one answer is not to slow the next one.
        app.app.auth().later().settled().await;
    }
    [median(known), median(unknown)]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_whether_an_address_exists() {
    let _alone = crate::ALONE.lock().await;
    let app = TestApp::with_options(&[], ServerOptions::default(), |options| {
        if let Some(auth) = &mut options.auth {
            auth.settings =
                AuthSettings { verification: Verification::Required, ..AuthSettings::development() };
        }
    })
    .await;
    for n in 0..8 {
        let body =
            json!({ "name": "x", "email": format!("known{n}@example.com"), "password": "password-1234" });
        let _ = app.browser().post("/sign-up/email", body).await.expect(200);
    }
    app.all_mail().await;
    let email = |address: &str| json!({ "email": address });
    check(
        &app,
        "/api/auth/sign-in/email",
        |address| json!({ "email": address, "password": "wrong-password" }),
    )
    .await;
    check(&app, "/api/auth/request-password-reset", email).await;
    check(&app, "/api/auth/send-verification-email", email).await;
    check(
        &app,
        "/api/auth/sign-up/email",
        |address| json!({ "name": "x", "email": address, "password": "password-1234" }),
    )
    .await;
    check(&app, "/api/auth/sign-in/magic-link", email).await;
    for kind in ["sign-in", "email-verification", "forget-password"] {
        check(
            &app,
            "/api/auth/email-otp/send-verification-otp",
            |address| json!({ "email": address, "type": kind }),
        )
        .await;
    }
    let code = |kind: &str| ("/api/auth/email-otp/send-verification-otp", json!({ "type": kind }));
    check_after(
        &app,
        Some(code("sign-in")),
        "/api/auth/sign-in/email-otp",
        |address| json!({ "email": address, "otp": "none" }),
    )
    .await;
    check_after(
        &app,
        Some(code("forget-password")),
        "/api/auth/email-otp/reset-password",
        |address| json!({ "email": address, "otp": "none", "password": "password-5678" }),
    )
    .await;
    check(
        &app,
        "/api/auth/sign-in/username",
        |address| json!({ "username": address.split('@').next(), "password": "wrong-password" }),
    )
    .await;
    app.close().await;
}
