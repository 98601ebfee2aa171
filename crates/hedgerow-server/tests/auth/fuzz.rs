//! Whatever is sent to whichever endpoint of sign-in: an answer, soon, and never the server's fault.

use std::time::{Duration, Instant};

use hedgerow_testing::{TestApp, Who};
use serde_json::json;

use crate::core::signed_up;

/// All routes, read where they are made, so that a new one is not forgotten: method and path.
fn routes() -> Vec<(&'static str, String)> {
    let sources = [include_str!("../../src/api/auth.rs"), include_str!("../../src/api/auth/admin.rs")];
    let mut all = Vec::new();
    for piece in sources.into_iter().flat_map(|source| source.split(".route(").skip(1)) {
        let path = piece.split('"').nth(1).expect("a path");
        let rest: String = piece.split(".route(").next().expect("a route").chars().take(160).collect();
        let path = format!("/api/auth{}", path.replace("{token}", "x").replace("{provider}", "gitlab"));
        if rest.contains("get(") {
            all.push(("GET", path.clone()));
        }
        if rest.contains("post(") {
            all.push(("POST", path));
        }
    }
    assert!(all.len() >= 70, "{all:?}");
    all
}

/// Values that are not what is expected, whatever is expected.
pub(crate) const VALUES: [&str; 16] = [
    "null",
    "true",
    "0",
    "-1",
    "1e308",
    "18446744073709551616",
    "\"\"",
    "\"\\u0000\"",
    "\"a\\u0000b@example.com\"",
    "\"' OR 1=1 --\"",
    "\"\\ud83d\\ude00\"",
    "[]",
    "[[[[[[]]]]]]",
    "{}",
    "{\"$gt\":\"\"}",
    "\"../../../etc/passwd\"",
];

const NAMES: [&str; 32] = [
    "email",
    "password",
    "name",
    "image",
    "rememberMe",
    "callbackURL",
    "redirectTo",
    "errorCallbackURL",
    "newUserCallbackURL",
    "token",
    "newPassword",
    "currentPassword",
    "revokeOtherSessions",
    "newEmail",
    "accountId",
    "providerId",
    "provider",
    "idToken",
    "scopes",
    "code",
    "otp",
    "type",
    "username",
    "displayUsername",
    "trustDevice",
    "userId",
    "role",
    "data",
    "permissions",
    "sessionToken",
    "banExpiresIn",
    "banReason",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_too_strange_for_an_answer() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let origin = format!("http://{}", app.address());
    let mut sent = 0;
    let mut slowest = Duration::ZERO;
    let long = "x".repeat(9000);
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let large = format!("{{\"email\":\"{}\"}}", "a".repeat(2 << 20));
    let good_cookie = ann.cookie_header();
    let cookies = [
        String::new(),
        good_cookie.clone(),
        "better-auth.session_token=".to_owned(),
        "better-auth.session_token=%".to_owned(),
        "better-auth.session_token=%00.%ff".to_owned(),
        format!("better-auth.session_token={}", "a.".repeat(2000)),
        "better-auth.session_token=x.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "better-auth.two_factor=x; better-auth.state=y; better-auth.admin_session=z; better-auth.trust_device=!".to_owned(),
        ";;;=;=;".to_owned(),
    ];
    let mut check =
        async |method: &'static str, path: &str, headers: &[(&str, &str)], body: Option<String>| {
            let start = Instant::now();
            let answer = app.ask(Who::Headers(headers), method, path, body.clone()).await;
            let took = start.elapsed();
            let shown: String = body.unwrap_or_default().chars().take(200).collect();
            assert!(
                answer.status < 500,
                "{method} {path} {headers:?} {shown}: {} {}",
                answer.status,
                answer.text
            );
            assert!(took < Duration::from_secs(10), "{method} {path} {shown} took {took:?}");
            slowest = slowest.max(took);
            sent += 1;
        };
    for (method, path) in routes() {
        // Sessions are ended by some of these, so each gets its own.
        let signed_in = [("origin", origin.as_str()), ("cookie", good_cookie.as_str())];
        if method == "POST" {
            for body in
                ["", "{", "[]", "null", "1", "\"x\"", "{}", "{\"a\":1,\"a\":2}", "\u{feff}{}", deep.as_str()]
            {
                check(method, &path, &signed_in, Some(body.to_owned())).await;
            }
            check(method, &path, &signed_in, Some(large.clone())).await;
            for kind in ["text/plain", "multipart/form-data", "application/json; charset=utf-16", "x"] {
                check(method, &path, &[("content-type", kind)], Some("{}".to_owned())).await;
            }
            let form = [("content-type", "application/x-www-form-urlencoded")];
            for text in ["email=%00&password=%ff", "=&=&&", "email[]=a&password[b]=c"] {
                check(method, &path, &form, Some(text.to_owned())).await;
            }
            for (at, value) in VALUES.into_iter().enumerate() {
                // Every member the same strange thing, and then one strange among good ones.
                let all: Vec<String> = NAMES.iter().map(|name| format!("\"{name}\":{value}")).collect();
                check(method, &path, &signed_in, Some(format!("{{{}}}", all.join(",")))).await;
                let mut object = json!({
                    "email": "ann@example.com", "password": "short", "name": "Ann", "token": "x",
                    "newPassword": "y", "newEmail": "z@example.com", "accountId": "q", "provider": "gitlab",
                    "userId": "nobody", "role": "member", "code": "000000", "otp": "000000", "type": "sign-in",
                    "username": "ann",
                });
                let name = NAMES[at * 2 % NAMES.len()];
                object[name] = serde_json::from_str(value).unwrap_or_default();
                check(method, &path, &[], Some(object.to_string())).await;
            }
        }
        for query in [
            "%00",
            "token=%00",
            "token=%ff",
            "callbackURL=%0d%0aX:y",
            "id=%00",
            "code=%00&state=%00",
            "a=b&&&=",
            long.as_str(),
        ] {
            check(
                method,
                &format!("{path}?{query}"),
                &signed_in,
                (method == "POST").then(|| "{}".to_owned()),
            )
            .await;
        }
        for cookie in &cookies {
            let headers = [("origin", origin.as_str()), ("cookie", cookie.as_str())];
            check(method, &path, &headers, (method == "POST").then(|| "{}".to_owned())).await;
        }
        for (name, value) in [
            ("authorization", "Bearer"),
            ("authorization", "Bearer a.b.c"),
            ("authorization", "Basic eA=="),
            ("origin", "null"),
            ("origin", "https://[::1"),
            ("referer", "not a url"),
            ("x-forwarded-for", "999.999.999.999, ::, x"),
            ("user-agent", long.as_str()),
        ] {
            check(method, &path, &[(name, value)], (method == "POST").then(|| "{}".to_owned())).await;
        }
    }
    eprintln!("{sent} requests, no answer of 500 or above, the slowest took {slowest:?}");
    app.close().await;
}
