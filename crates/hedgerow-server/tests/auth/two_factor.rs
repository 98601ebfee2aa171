//! The second factor: what it opens, and everything that must not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join_all;
use hedgerow::auth::secrets::Secrets;
use hedgerow::auth::settings::Plugin;
use hedgerow::auth::{sealed, signed, totp};
use hedgerow::{AppOptions, Clock, SystemRandom, World};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, Browser, TestApp};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::core::{PASSWORD, code, signed_up};

/// A clock that the test moves, in seconds since 1970.
#[derive(Clone)]
struct Watch(Arc<AtomicI64>);

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a moment")
    }
}

impl Watch {
    fn on(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

async fn started(entities: &[(&str, &str)], change: impl FnOnce(&mut AppOptions)) -> (TestApp, Watch) {
    let watch = Watch(Arc::new(AtomicI64::new(1_800_000_000)));
    let clock = watch.clone();
    let app = TestApp::with_options(entities, ServerOptions::default(), |options| {
        options.world = World::new(clock, SystemRandom);
        change(options);
    });
    (app.await, watch)
}

/// The code that the user's app shows.
async fn shown(app: &TestApp, name: &str) -> String {
    let sql = format!(
        "SELECT secret FROM public.\"twoFactor\" f JOIN public.\"user\" u ON u.id = f.\"userId\" WHERE u.name = '{name}'"
    );
    let secret = sealed::open(app.app.auth().secrets(), &app.database.column(&sql).await[0]);
    let secret = secret.expect("a sealed secret");
    totp::code(&secret, totp::step(app.app.world().now()))
}

/// A wrong one.
fn wrong(right: &str) -> &'static str {
    if right == "000000" { "000001" } else { "000000" }
}

/// Somebody with an app, and their backup codes. The clock moves on, because a code of this step was used.
async fn with_app<'a>(app: &'a TestApp, watch: &Watch, name: &str) -> (Browser<'a>, Vec<String>) {
    let browser = signed_up(app, name).await;
    let answer = browser.post("/two-factor/enable", json!({ "password": PASSWORD })).await.expect(200);
    let codes = serde_json::from_value(answer.json()["backupCodes"].clone()).expect("a list of texts");
    let code = shown(app, name).await;
    let _ = browser.post("/two-factor/verify-totp", json!({ "code": code })).await.expect(200);
    watch.on(30);
    (browser, codes)
}

async fn password<'a>(app: &'a TestApp, name: &str) -> Browser<'a> {
    let browser = app.browser();
    let answer = sign_in(&browser, name).await;
    assert_eq!(answer.json()["twoFactorRedirect"], true, "{}", answer.text);
    browser
}

async fn sign_in(browser: &Browser<'_>, name: &str) -> Answer {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    browser.post("/sign-in/email", body).await.expect(200)
}

async fn try_totp(browser: &Browser<'_>, text: &str) -> String {
    code(&browser.post("/two-factor/verify-totp", json!({ "code": text })).await)
}

async fn try_code(browser: &Browser<'_>, text: &str) -> String {
    code(&browser.post("/two-factor/verify-otp", json!({ "code": text })).await)
}

async fn is_signed_in(browser: &Browser<'_>) -> bool {
    browser.get("/get-session").await.text != "null"
}

fn cookies(answer: &Answer) -> Vec<&str> {
    let lines = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    lines.map(|(_, line)| line.as_str()).collect()
}

/// The lines of an answer, without what differs from run to run.
fn shapes(answer: &Answer) -> Vec<String> {
    let shape = |line: &&str| {
        let (name, rest) = line.split_once('=').expect("a cookie");
        let (value, attributes) = rest.split_once(';').expect("attributes");
        let value = if value.is_empty() { "" } else { "…" };
        format!("{}={value};{attributes}", name.trim_start_matches("better-auth."))
    };
    cookies(answer).iter().map(shape).collect()
}

const KEPT: &str = "; Path=/; HttpOnly; SameSite=Lax";

fn lines(expected: &[&str]) -> Vec<String> {
    expected.iter().map(|line| format!("{line}{KEPT}")).collect()
}

fn cookie(browser: &Browser<'_>, name: &str) -> Option<String> {
    let header = browser.cookie_header();
    let found = header.split("; ").find_map(|pair| pair.strip_prefix(&format!("better-auth.{name}=")));
    found.map(str::to_owned)
}

#[tokio::test]
async fn a_person_sets_up_an_app_signs_in_with_it_trusts_a_browser_and_ends_it() {
    let (app, watch) = started(&[], |_| {}).await;
    let ann = signed_up(&app, "ann").await;
    let old = cookie(&ann, "session_token").unwrap();
    let refused = ann.post("/two-factor/enable", json!({ "password": "wrong-password" })).await;
    assert_eq!(code(&refused), "400 INVALID_PASSWORD");
    let refused = ann.post("/two-factor/enable", json!({ "password": PASSWORD, "method": "sms" })).await;
    assert_eq!(
        refused.json()["message"],
        "[body.method] Invalid option: expected one of \"otp\"|\"totp\"",
        "{}",
        refused.text
    );
    let refused = app.browser().post("/two-factor/enable", json!({ "password": PASSWORD })).await;
    assert_eq!(code(&refused), "401 UNAUTHORIZED");
    let body = json!({ "password": PASSWORD });
    assert_eq!(code(&ann.post("/two-factor/get-totp-uri", body.clone()).await), "400 TOTP_NOT_ENABLED");
    let enabled = ann.post("/two-factor/enable", body.clone()).await.expect(200).json();
    assert_eq!(
        (enabled["method"].as_str(), enabled["backupCodes"].as_array().unwrap().len()),
        (Some("totp"), 10)
    );
    let uri = enabled["totpURI"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Hedgerow:ann%40example.com?secret="), "{uri}");
    assert!(!is_asked(&app, "ann").await, "it does not count before the app has shown a code");

    let again = ann.post("/two-factor/enable", body.clone()).await.expect(200).json();
    assert_ne!(enabled["totpURI"], again["totpURI"], "begun anew");
    assert_eq!(app.database.column("SELECT count(*)::text FROM public.\"twoFactor\"").await, ["1"]);
    let uri = ann.post("/two-factor/get-totp-uri", body.clone()).await.expect(200).json();
    assert_eq!(uri, json!({ "totpURI": again["totpURI"] }));

    let right = shown(&app, "ann").await;
    assert_eq!(try_totp(&ann, wrong(&right)).await, "401 INVALID_CODE");
    let begun = ann.post("/two-factor/verify-totp", json!({ "code": right })).await.expect(200);
    assert_eq!(shapes(&begun), lines(&["session_token=…; Max-Age=604800"]));
    let token = begun.json()["token"].as_str().unwrap().to_owned();
    assert!(cookie(&ann, "session_token").unwrap().starts_with(&token), "the new token, not the old one");
    assert!(begun.header("set-auth-token").unwrap().starts_with(&token));
    assert!(!old.starts_with(&token));
    let thief = app.browser();
    thief.set_cookie("better-auth.session_token", &old);
    assert!(!is_signed_in(&thief).await, "the old session is over");
    assert_eq!(ann.get("/get-session").await.json()["user"]["twoFactorEnabled"], true);
    assert_eq!(code(&ann.post("/two-factor/enable", body.clone()).await), "400 TOTP_ALREADY_ENABLED");

    watch.on(30);
    let phone = password(&app, "ann").await;
    let right = shown(&app, "ann").await;
    assert_eq!(try_totp(&phone, wrong(&right)).await, "401 INVALID_CODE");
    let shown_code = json!({ "code": right, "trustDevice": true });
    let signed_in = phone.post("/two-factor/verify-totp", shown_code).await.expect(200);
    let expected = [
        "session_token=…; Max-Age=604800",
        "two_factor=; Max-Age=0",
        "trust_device=…; Max-Age=2592000",
        "dont_remember=; Max-Age=0",
    ];
    assert_eq!(shapes(&signed_in), lines(&expected));
    assert_eq!(signed_in.json()["user"]["twoFactorEnabled"], true);
    assert!(is_signed_in(&phone).await);
    let none_left = "SELECT count(*)::text FROM public.verification WHERE identifier LIKE '2fa-%'";
    assert_eq!(app.database.column(none_left).await, ["0"]);

    let trusted = cookie(&phone, "trust_device").unwrap();
    let _ = phone.post("/sign-out", json!({})).await.expect(200);
    let answer = sign_in(&phone, "ann").await;
    assert_eq!(
        shapes(&answer),
        lines(&["session_token=…; Max-Age=604800", "trust_device=…; Max-Age=2592000"])
    );
    assert_ne!(cookie(&phone, "trust_device").unwrap(), trusted, "each sign-in gives a new one");
    let copy = app.browser();
    copy.set_cookie("better-auth.trust_device", &trusted);
    let answer = sign_in(&copy, "ann").await;
    assert_eq!(answer.json()["twoFactorRedirect"], true, "and uses the old one up");
    assert_eq!(
        shapes(&answer),
        lines(&[
            "trust_device=; Max-Age=0",
            "session_token=; Max-Age=0",
            "session_data=; Max-Age=0",
            "two_factor=…; Max-Age=600"
        ])
    );

    let refused = phone.post("/two-factor/disable", json!({ "password": "wrong-password" })).await;
    assert_eq!(code(&refused), "400 INVALID_PASSWORD");
    let ended = phone.post("/two-factor/disable", body).await.expect(200);
    assert_eq!(shapes(&ended), lines(&["session_token=…; Max-Age=604800", "trust_device=; Max-Age=0"]));
    assert_eq!(ended.json(), json!({ "status": true }));
    assert!(is_signed_in(&phone).await);
    assert!(!is_asked(&app, "ann").await);
    let left = "SELECT count(*)::text FROM public.verification
        WHERE identifier LIKE 'trust-device-%' OR identifier ~ '^2fa-.{20}$'";
    assert_eq!(
        app.database.column(left).await,
        ["0"],
        "trusted browsers and sign-ins under way are gone too"
    );
    app.close().await;
}

async fn is_asked(app: &TestApp, name: &str) -> bool {
    sign_in(&app.browser(), name).await.json()["twoFactorRedirect"] == true
}

#[tokio::test]
async fn nothing_opens_before_the_second_factor() {
    let (app, watch) = started(&[("notes", "[fields.text]\ntype = \"text\"\n")], |_| {}).await;
    let (owner, _) = with_app(&app, &watch, "ann").await;
    let update = json!({ "username": "ann" });
    let _ = owner.post("/update-user", update).await.expect(200);
    let sessions = "SELECT count(*)::text FROM public.session";
    assert_eq!(app.database.column(sessions).await, ["1"]);
    for (path, key, name) in
        [("/sign-in/email", "email", "ann@example.com"), ("/sign-in/username", "username", "ann")]
    {
        let browser = app.browser();
        let body = json!({ key: name, "password": PASSWORD, "callbackURL": "/in" });
        let answer = browser.post(path, body).await.expect(200);
        assert_eq!(answer.text, r#"{"twoFactorRedirect":true,"twoFactorMethods":["totp","otp"]}"#);
        // A cached session before the second factor was GHSA-xg6x-h9c9-2m83.
        let expected = ["session_token=; Max-Age=0", "session_data=; Max-Age=0", "two_factor=…; Max-Age=600"];
        assert_eq!(shapes(&answer), lines(&expected));
        for name in ["set-auth-token", "set-auth-jwt", "location"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        assert!(!is_signed_in(&browser).await);
        let challenge = cookie(&browser, "two_factor").unwrap();
        let identifier = signed::from_cookie(app.app.auth().secrets(), &challenge).unwrap();
        for credential in [&challenge, &identifier] {
            let bearer = format!("Bearer {credential}");
            let as_bearer = [("authorization", bearer.as_str())];
            let answer = browser.ask("GET", "/api/auth/get-session", None, &as_bearer).await;
            assert_eq!(answer.text, "null");
            let answer = browser.ask("GET", "/api/v1/notes", None, &as_bearer).await;
            assert_eq!(answer.status, 401, "{}", answer.text);
        }
        assert_eq!(browser.ask("GET", "/api/v1/notes", None, &[]).await.status, 401);
        // Neither does the challenge stand in for a session's cookie.
        browser.set_cookie("better-auth.session_token", &challenge);
        assert!(!is_signed_in(&browser).await);
        for path in ["enable", "disable", "get-totp-uri", "generate-backup-codes"] {
            let refused = browser.post(&format!("/two-factor/{path}"), json!({ "password": PASSWORD })).await;
            assert_eq!(code(&refused), "401 UNAUTHORIZED", "{path}");
        }
    }
    assert_eq!(app.database.column(sessions).await, ["1"], "none was made");
    app.close().await;
}

#[tokio::test]
async fn who_is_not_to_be_remembered_is_not_after_the_second_factor_either() {
    let (app, watch) = started(&[], |_| {}).await;
    with_app(&app, &watch, "ann").await;
    let browser = app.browser();
    let body = json!({ "email": "ann@example.com", "password": PASSWORD, "rememberMe": false });
    let answer = browser.post("/sign-in/email", body).await.expect(200);
    assert!(cookie(&browser, "dont_remember").is_some(), "{:?}", answer.headers);
    let body = json!({ "code": shown(&app, "ann").await, "trustDevice": true });
    let answer = browser.post("/two-factor/verify-totp", body).await.expect(200);
    assert!(shapes(&answer).contains(&format!("session_token=…{KEPT}")), "{:?}", answer.headers);
    let session = browser.get("/get-session").await.json();
    assert_eq!(session["session"]["expiresAt"], "2027-01-16T08:00:30.000Z", "a day, not prolonged");

    let _ = browser.post("/sign-out", json!({})).await.expect(200);
    browser.set_cookie("better-auth.dont_remember", &signed::to_cookie(app.app.auth().secrets(), "true"));
    sign_in(&browser, "ann").await;
    assert_eq!(cookie(&browser, "dont_remember"), None, "an earlier wish is over");
    app.close().await;
}

#[tokio::test]
async fn a_replayed_code_opens_nothing() {
    let (app, watch) = started(&[], |_| {}).await;
    with_app(&app, &watch, "ann").await;
    let right = shown(&app, "ann").await;
    // Five at the same moment, each with a challenge of its own.
    let mut browsers = Vec::new();
    for _ in 0..5 {
        browsers.push(password(&app, "ann").await);
    }
    let outcomes = join_all(browsers.iter().map(|browser| try_totp(browser, &right))).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "200 ").count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "401 INVALID_CODE").count(), 4, "{outcomes:?}");
    let signed_in = join_all(browsers.iter().map(is_signed_in)).await;
    assert_eq!(signed_in.iter().filter(|is_in| **is_in).count(), 1);
    // The one before is in the window, and too old as well.
    watch.on(30);
    let late = password(&app, "ann").await;
    assert_eq!(try_totp(&late, &right).await, "401 INVALID_CODE");
    assert_eq!(try_totp(&late, &shown(&app, "ann").await).await, "200 ");
    app.close().await;
}

#[tokio::test]
async fn a_challenge_is_for_one_user_and_one_sign_in() {
    let (app, watch) = started(&[], |_| {}).await;
    with_app(&app, &watch, "ann").await;
    with_app(&app, &watch, "bob").await;
    let (ann, bob) = (password(&app, "ann").await, password(&app, "bob").await);
    let challenge = cookie(&ann, "two_factor").unwrap();

    // Bob's code does not open Ann's challenge, in whichever browser it is.
    let thief = app.browser();
    thief.set_cookie("better-auth.two_factor", &challenge);
    assert_eq!(try_totp(&thief, &shown(&app, "bob").await).await, "401 INVALID_CODE");
    assert_eq!(try_totp(&bob, &shown(&app, "ann").await).await, "401 INVALID_CODE");
    assert_eq!(try_totp(&ann, &shown(&app, "ann").await).await, "200 ");
    // Once Ann is in, nobody else is by her challenge.
    watch.on(30);
    for path in ["verify-totp", "verify-otp", "verify-backup-code"] {
        let body = json!({ "code": shown(&app, "ann").await });
        let refused = thief.post(&format!("/two-factor/{path}"), body).await;
        assert_eq!(code(&refused), "401 INVALID_TWO_FACTOR_COOKIE", "{path}");
    }
    assert_eq!(code(&thief.post("/two-factor/send-otp", json!({})).await), "401 INVALID_TWO_FACTOR_COOKIE");

    // What is not signed, or signed for something else, is no challenge.
    let bobs = password(&app, "bob").await;
    let secrets = app.app.auth().secrets();
    let identifier = signed::from_cookie(secrets, &cookie(&bobs, "two_factor").unwrap()).unwrap();
    let other = Secrets::single("another-secret-0123456789-abcdefghijklmnop");
    let right = shown(&app, "bob").await;
    for forged in [
        identifier.clone(),
        signed::to_cookie(&other, &identifier),
        signed::to_cookie(secrets, &format!("2fa-attempts-{identifier}")),
        signed::to_cookie(secrets, "trust-device-0123456789"),
        signed::to_cookie(secrets, "2fa-01234567890123456789"),
        signed::to_cookie(secrets, "2fa-0123456789\u{0}123456789"),
        String::new(),
    ] {
        thief.set_cookie("better-auth.two_factor", &forged);
        assert_eq!(try_totp(&thief, &right).await, "401 INVALID_TWO_FACTOR_COOKIE", "{forged}");
    }
    assert_eq!(try_totp(&bobs, &right).await, "200 ");

    // It lasts ten minutes, and not longer than the password that began it.
    let late = password(&app, "ann").await;
    watch.on(601);
    assert_eq!(try_totp(&late, &shown(&app, "ann").await).await, "401 INVALID_TWO_FACTOR_COOKIE");
    let old = password(&app, "ann").await;
    let body = json!({ "currentPassword": PASSWORD, "newPassword": "password-5678" });
    let _ = ann.post("/change-password", body).await.expect(200);
    assert_eq!(try_totp(&old, &shown(&app, "ann").await).await, "401 INVALID_TWO_FACTOR_COOKIE");

    // A ban in between holds.
    let banned = password(&app, "bob").await;
    app.database.sql("UPDATE public.\"user\" SET banned = true WHERE name = 'bob'").await;
    assert_eq!(try_totp(&banned, &shown(&app, "bob").await).await, "403 BANNED_USER");
    assert!(!is_signed_in(&banned).await);
    app.close().await;
}

#[tokio::test]
async fn five_guesses_end_a_challenge_and_ten_lock_the_account() {
    let (app, watch) = started(&[], |_| {}).await;
    let (_, codes) = with_app(&app, &watch, "ann").await;
    let right = shown(&app, "ann").await;
    let browser = password(&app, "ann").await;
    for _ in 0..5 {
        assert_eq!(try_totp(&browser, wrong(&right)).await, "401 INVALID_CODE");
    }
    let over = browser.post("/two-factor/verify-totp", json!({ "code": right })).await;
    assert_eq!(code(&over), "400 TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE");
    assert_eq!(shapes(&over), lines(&["two_factor=; Max-Age=0"]));
    assert_eq!(try_totp(&browser, &right).await, "401 INVALID_TWO_FACTOR_COOKIE");

    // Whichever way one guesses, it counts, and a new challenge does not help.
    let browser = password(&app, "ann").await;
    let _ = browser.post("/two-factor/send-otp", json!({})).await.expect(200);
    let sent = app.mail_to("ann@example.com").await.code.unwrap();
    for (path, text, expected) in [
        ("verify-backup-code", "aaaaa-aaaaa", "401 INVALID_BACKUP_CODE"),
        ("verify-otp", wrong(&sent), "401 INVALID_CODE"),
        ("verify-totp", wrong(&right), "401 INVALID_CODE"),
        ("verify-totp", wrong(&right), "401 INVALID_CODE"),
        ("verify-totp", wrong(&right), "401 INVALID_CODE"),
    ] {
        let refused = browser.post(&format!("/two-factor/{path}"), json!({ "code": text })).await;
        assert_eq!(code(&refused), expected, "{path}");
    }
    let browser = password(&app, "ann").await;
    let _ = browser.post("/two-factor/send-otp", json!({})).await.expect(200);
    let sent = app.mail_to("ann@example.com").await.code.unwrap();
    for (path, text) in [("verify-totp", &right), ("verify-otp", &sent), ("verify-backup-code", &codes[0])] {
        let refused = browser.post(&format!("/two-factor/{path}"), json!({ "code": text })).await;
        assert_eq!(code(&refused), "429 ACCOUNT_TEMPORARILY_LOCKED", "{path}");
    }
    assert!(!is_signed_in(&browser).await);
    watch.on(901);
    let browser = password(&app, "ann").await;
    assert_eq!(try_totp(&browser, wrong(&right)).await, "401 INVALID_CODE", "the count begins anew");
    assert_eq!(try_totp(&browser, &shown(&app, "ann").await).await, "200 ");
    let counted = "SELECT \"failedVerificationCount\"::text FROM public.\"twoFactor\"";
    assert_eq!(app.database.column(counted).await, ["0"]);
    app.close().await;
}

#[tokio::test]
async fn many_guesses_at_the_same_moment_are_not_more() {
    let (app, watch) = started(&[], |_| {}).await;
    with_app(&app, &watch, "ann").await;
    let right = shown(&app, "ann").await;
    let one = password(&app, "ann").await;
    let outcomes = join_all((0..12).map(|_| try_totp(&one, wrong(&right)))).await;
    let guesses = outcomes.iter().filter(|outcome| *outcome == "401 INVALID_CODE").count();
    assert!(guesses <= 5, "{outcomes:?}");
    let mut browsers = Vec::new();
    for _ in 0..16 {
        browsers.push(password(&app, "ann").await);
    }
    let outcomes = join_all(browsers.iter().map(|browser| try_totp(browser, wrong(&right)))).await;
    let more = outcomes.iter().filter(|outcome| *outcome == "401 INVALID_CODE").count();
    assert_eq!(guesses + more, 10, "{outcomes:?}");
    app.close().await;
}

#[tokio::test]
async fn a_backup_code_opens_once_also_in_a_race() {
    let (app, watch) = started(&[], |_| {}).await;
    let (owner, codes) = with_app(&app, &watch, "ann").await;
    let mut browsers = Vec::new();
    for _ in 0..5 {
        browsers.push(password(&app, "ann").await);
    }
    let used = |browser: usize, text: &str| {
        let body = json!({ "code": text });
        let browser = &browsers[browser];
        async move { code(&browser.post("/two-factor/verify-backup-code", body).await) }
    };
    let outcomes = join_all((0..5).map(|browser| used(browser, &codes[0]))).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "200 ").count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "401 INVALID_BACKUP_CODE").count(), 4);

    // Two different ones at the same moment both open.
    let (first, second) = (password(&app, "ann").await, password(&app, "ann").await);
    let body = |code: &str, nothing: bool| json!({ "code": code, "disableSession": nothing });
    let (one, two) = tokio::join!(
        first.post("/two-factor/verify-backup-code", body(&codes[1], false)),
        second.post("/two-factor/verify-backup-code", body(&codes[2], false)),
    );
    assert_eq!((one.status, two.status), (200, 200), "{} {}", one.text, two.text);
    assert_eq!(shapes(&one), lines(&["session_token=…; Max-Age=604800", "two_factor=; Max-Age=0"]));
    let without = password(&app, "ann").await;
    let answer = without.post("/two-factor/verify-backup-code", body(&codes[3], true)).await.expect(200);
    assert_eq!((answer.json().get("token"), cookies(&answer).len()), (None, 0), "{}", answer.text);
    assert!(!is_signed_in(&without).await);

    let new =
        owner.post("/two-factor/generate-backup-codes", json!({ "password": PASSWORD })).await.expect(200);
    let new = new.json()["backupCodes"][9].as_str().unwrap().to_owned();
    let browser = password(&app, "ann").await;
    let refused = browser.post("/two-factor/verify-backup-code", body(&codes[4], false)).await;
    assert_eq!(code(&refused), "401 INVALID_BACKUP_CODE", "the old ones are void");
    let _ = browser.post("/two-factor/verify-backup-code", body(&new, false)).await.expect(200);
    app.close().await;
}

#[tokio::test]
async fn codes_by_mail_open_once_for_three_minutes_with_five_tries() {
    let (app, watch) = started(&[], |_| {}).await;
    let ann = signed_up(&app, "ann").await;
    let body = json!({ "password": PASSWORD, "method": "otp" });
    let enabled = ann.post("/two-factor/enable", body).await.expect(200);
    assert_eq!(enabled.json(), json!({ "method": "otp" }));
    assert_eq!(shapes(&enabled), lines(&["session_token=…; Max-Age=604800"]));
    assert!(is_signed_in(&ann).await);

    let browser = app.browser();
    let asked = sign_in(&browser, "ann").await.json();
    assert_eq!(asked, json!({ "twoFactorRedirect": true, "twoFactorMethods": ["otp"] }));
    assert_eq!(try_totp(&browser, "000000").await, "400 TOTP_NOT_ENABLED");
    assert_eq!(try_code(&browser, "000000").await, "400 OTP_HAS_EXPIRED", "none was sent");
    let mut sent = Vec::new();
    for _ in 0..2 {
        let _ = browser.post("/two-factor/send-otp", json!({})).await.expect(200);
        let mail = app.mail_to("ann@example.com").await;
        assert_eq!(mail.template.to_string(), "two-factor-code");
        sent.push(mail.code.unwrap());
    }
    if sent[0] != sent[1] {
        assert_eq!(try_code(&browser, &sent[0]).await, "401 INVALID_CODE", "only the last one counts");
    }
    let outcomes = join_all((0..3).map(|_| try_code(&browser, &sent[1]))).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "200 ").count(), 1, "{outcomes:?}");

    let late = password(&app, "ann").await;
    let _ = late.post("/two-factor/send-otp", json!({})).await.expect(200);
    let sent = app.mail_to("ann@example.com").await.code.unwrap();
    watch.on(181);
    assert_eq!(try_code(&late, &sent).await, "400 OTP_HAS_EXPIRED");

    // New codes are no new tries, and without an app failures count as well.
    app.database.sql("UPDATE public.\"twoFactor\" SET \"failedVerificationCount\" = NULL").await;
    for _ in 0..2 {
        let guessing = password(&app, "ann").await;
        for _ in 0..5 {
            let _ = guessing.post("/two-factor/send-otp", json!({})).await.expect(200);
            let sent = app.mail_to("ann@example.com").await.code.unwrap();
            assert_eq!(try_code(&guessing, wrong(&sent)).await, "401 INVALID_CODE");
        }
    }
    let locked = password(&app, "ann").await;
    let _ = locked.post("/two-factor/send-otp", json!({})).await.expect(200);
    let sent = app.mail_to("ann@example.com").await.code.unwrap();
    assert_eq!(try_code(&locked, &sent).await, "429 ACCOUNT_TEMPORARILY_LOCKED");
    app.close().await;
}

#[tokio::test]
async fn a_code_by_mail_switches_the_second_factor_on_for_who_is_signed_in() {
    let (app, _) = started(&[], |_| {}).await;
    let ann = signed_up(&app, "ann").await;
    let _ = ann.post("/two-factor/send-otp", json!({})).await.expect(200);
    let sent = app.mail_to("ann@example.com").await.code.unwrap();
    for _ in 0..5 {
        let refused = ann.post("/two-factor/verify-otp", json!({ "code": wrong(&sent) })).await;
        assert_eq!(code(&refused), "401 INVALID_CODE");
    }
    let refused = ann.post("/two-factor/verify-otp", json!({ "code": sent })).await;
    assert_eq!(code(&refused), "400 TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE");
    let _ = ann.post("/two-factor/send-otp", json!({})).await.expect(200);
    let sent = app.mail_to("ann@example.com").await.code.unwrap();
    let answer = ann.post("/two-factor/verify-otp", json!({ "code": sent })).await.expect(200);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert!(cookie(&ann, "session_token").unwrap().starts_with(&token));
    assert!(is_asked(&app, "ann").await);
    app.close().await;
}

#[tokio::test]
async fn a_forged_or_foreign_trusted_browser_is_asked() {
    let (app, watch) = started(&[], |_| {}).await;
    with_app(&app, &watch, "ann").await;
    with_app(&app, &watch, "bob").await;
    let bob = password(&app, "bob").await;
    let body = json!({ "code": shown(&app, "bob").await, "trustDevice": true });
    let _ = bob.post("/two-factor/verify-totp", body).await.expect(200);
    let secrets = app.app.auth().secrets();
    let trusted = cookie(&bob, "trust_device").unwrap();
    let inner = signed::from_cookie(secrets, &trusted).unwrap();
    let identifier = inner.split_once('!').unwrap().1;
    let ann = &app.database.column("SELECT id FROM public.\"user\" WHERE name = 'ann'").await[0];
    let mac = signed::mac(secrets, &format!("{ann}!{identifier}"));
    for forged in [
        // Bob's own, with his row.
        trusted.clone(),
        // Not signed, or by somebody else.
        format!("{mac}!{identifier}"),
        signed::to_cookie(
            &Secrets::single("another-secret-0123456789-abcdefghijklmnop"),
            &format!("{mac}!{identifier}"),
        ),
        // Signed for Ann, with Bob's row or none.
        signed::to_cookie(secrets, &format!("{mac}!{identifier}")),
        signed::to_cookie(
            secrets,
            &format!("{}!trust-device-x", signed::mac(secrets, &format!("{ann}!trust-device-x"))),
        ),
        signed::to_cookie(secrets, identifier),
        signed::to_cookie(secrets, "!"),
    ] {
        let browser = app.browser();
        browser.set_cookie("better-auth.trust_device", &forged);
        assert_eq!(sign_in(&browser, "ann").await.json()["twoFactorRedirect"], true, "{forged}");
        assert_eq!(browser.get("/get-session").await.text, "null");
    }
    assert_eq!(sign_in(&bob, "bob").await.json()["redirect"], false, "Bob's is not used up by that");
    watch.on(30 * 86_400 + 1);
    assert_eq!(sign_in(&bob, "bob").await.json()["twoFactorRedirect"], true, "after 30 days it is over");
    app.close().await;
}

#[tokio::test]
async fn who_acts_as_somebody_else_does_not_touch_their_second_factor() {
    let (app, watch) = started(&[], |_| {}).await;
    let (ann, codes) = with_app(&app, &watch, "ann").await;
    let boss = app.user_with("boss", "admin", &["*"]).await.user.id;
    app.database.sql(&format!("UPDATE public.session SET \"impersonatedBy\" = '{boss}'")).await;
    let body = json!({ "password": PASSWORD });
    for path in ["enable", "disable", "get-totp-uri", "generate-backup-codes"] {
        let refused = ann.post(&format!("/two-factor/{path}"), body.clone()).await;
        assert_eq!(code(&refused), "403 IMPERSONATING", "{path}");
    }
    for path in ["verify-totp", "verify-otp", "verify-backup-code", "send-otp"] {
        let refused = ann.post(&format!("/two-factor/{path}"), json!({ "code": codes[0] })).await;
        assert_eq!(code(&refused), "403 IMPERSONATING", "{path}");
    }
    app.close().await;
}

#[tokio::test]
async fn what_only_the_program_does_and_what_is_switched_off_is_not_there() {
    let (app, watch) = started(&[], |_| {}).await;
    let (ann, _) = with_app(&app, &watch, "ann").await;
    for path in ["view-backup-codes", "generate-totp", "verify-totp/"] {
        let answer = ann.post(&format!("/two-factor/{path}"), json!({ "userId": "x" })).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{path}");
    }
    let refused = ann.post("/update-user", json!({ "twoFactorEnabled": false })).await;
    assert_eq!(code(&refused), "400 FIELD_NOT_ALLOWED");
    app.close().await;

    let without = |options: &mut AppOptions| {
        if let Some(auth) = &mut options.auth {
            auth.settings.plugins.remove(&Plugin::TwoFactor);
        }
    };
    let (app, _) = started(&[], without).await;
    let ann = signed_up(&app, "ann").await;
    app.database.sql("UPDATE public.\"user\" SET \"twoFactorEnabled\" = true").await;
    for path in ["enable", "verify-totp", "send-otp"] {
        let answer =
            ann.ask("POST", &format!("/api/auth/two-factor/{path}"), Some("{".to_owned()), &[]).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{path}");
    }
    let session: Value = sign_in(&app.browser(), "ann").await.json();
    assert_eq!((session["redirect"].as_bool(), session["user"].get("twoFactorEnabled")), (Some(false), None));
    app.close().await;
}

/// Rows and cookies as Better Auth 1.7.25 made them, under this secret.
mod node {
    pub(super) const SECRET: &str = "conformance-secret-0123456789-abcdefghijklmnop";
    pub(super) const PASSWORD: &str = "29570c5919e833424bbb572a77973d1b:d4839bc4872ec263ade4a9109d867d87770e098b76facab4ccc2fa735a1017819cda2923a3e59462db552376c131f24b45dc2f587d3c1e92e67a0a72c0eb334b";
    pub(super) const TOTP_SECRET: &str = "pTg7UZbpTX_JuKbkE1TUQ7D50u-DRify";
    pub(super) const SEALED_SECRET: &str = "293726c217356059a3f88342578a0bb7253211f91d761692759ff2bc94dd49715af88ec371e10efb02598683c185680e536c8c2aa1a5574e7514a07ff3d5ec518cab7e642bacb9bf";
    pub(super) const SEALED_CODES: &str = "1da121d99abaa346bd531e10345d4582ee505876b80617deafe18e8c4e994ed86f5c70fb77d8c0ddadc7e4cc86be365af4f787fdc8722d9c2514acc751fbd20fdf1b94f7cbce2c9943ae2e64928c4330a582ce";
    pub(super) const DEVICE: &str = "trust-device-LZFMJtDz9JCKvWjRSv4qRf1-Yh2gFLRa";
    pub(super) const TRUST: &str = "NBeGwlCEneRLVlFpF_f62PCQu3QDw2PRCG0zYnxBuXQ!trust-device-LZFMJtDz9JCKvWjRSv4qRf1-Yh2gFLRa.bFiTidsvTkgrpuIx47RE0KYSaGckPmZVRLBSlBBA1Zg%3D";
    pub(super) const CHALLENGE: &str =
        "2fa-BPtjPcJ2emlA_iB5mn_c.gEKbX22HMecWDGGtkDYuES2QVnPBRqo4dya2v7y%2Bp1I%3D";
}

#[tokio::test]
async fn rows_and_cookies_of_a_node_server_are_read() {
    let with_secret = |options: &mut AppOptions| {
        if let Some(auth) = &mut options.auth {
            auth.secrets = Secrets::single(node::SECRET);
        }
    };
    let (app, _) = started(&[], with_secret).await;
    let statements = format!(
        r#"INSERT INTO public."user" (id, name, email, "emailVerified", role, "twoFactorEnabled") VALUES ('u1', 'ann', 'ann@example.com', true, 'member', true);
        INSERT INTO public.account (id, "accountId", "providerId", "userId", password, "updatedAt") VALUES ('a1', 'u1', 'credential', 'u1', '{}', now());
        INSERT INTO public."twoFactor" (id, secret, "backupCodes", "userId", verified) VALUES ('f1', '{}', '{}', 'u1', NULL);
        INSERT INTO public.verification (id, identifier, value, "expiresAt") VALUES
          ('v1', '{}', 'u1', '2027-02-01'), ('v2', '2fa-BPtjPcJ2emlA_iB5mn_c', 'u1', '2027-02-01'),
          ('v3', '2fa-attempts-2fa-BPtjPcJ2emlA_iB5mn_c', '1', '2027-02-01');
        INSERT INTO public.verification (id, identifier, value, "expiresAt", "createdAt") VALUES
          ('v4', '2fa-otp-2fa-BPtjPcJ2emlA_iB5mn_c', '111111:0', '2027-02-01', '2027-01-01'),
          ('v5', '2fa-otp-2fa-BPtjPcJ2emlA_iB5mn_c', '222222:0', '2027-02-01', '2027-01-02')"#,
        node::PASSWORD,
        node::SEALED_SECRET,
        node::SEALED_CODES,
        node::DEVICE
    );
    app.database.sql(&statements).await;
    // A challenge that the other server began: the earlier code is void, the later opens.
    let browser = app.browser();
    browser.set_cookie("better-auth.two_factor", node::CHALLENGE);
    let refused = browser.post("/two-factor/verify-otp", json!({ "code": "111111" })).await;
    assert_eq!(code(&refused), "401 INVALID_CODE");
    let _ = browser.post("/two-factor/verify-otp", json!({ "code": "222222" })).await.expect(200);
    assert!(is_signed_in(&browser).await);
    assert_eq!(
        app.database
            .column("SELECT count(*)::text FROM public.verification WHERE identifier LIKE '2fa-%'")
            .await,
        ["0"]
    );

    let browser = app.browser();
    browser.set_cookie("better-auth.trust_device", node::TRUST);
    assert_eq!(sign_in(&browser, "ann").await.json()["redirect"], false);
    let browser = password(&app, "ann").await;
    let now = totp::step(app.app.world().now());
    assert_eq!(try_totp(&browser, &totp::code(&node::TOTP_SECRET.into(), now)).await, "200 ");
    let browser = password(&app, "ann").await;
    let _ =
        browser.post("/two-factor/verify-backup-code", json!({ "code": "MfcGU-J1NwX" })).await.expect(200);
    for (text, expected) in [("MfcGU-J1NwX", "401 INVALID_BACKUP_CODE"), ("gbXwk-7Fgad", "200 ")] {
        let browser = password(&app, "ann").await;
        let answer = browser.post("/two-factor/verify-backup-code", json!({ "code": text })).await;
        assert_eq!(code(&answer), expected);
    }
    app.close().await;
}
