//! Codes by mail.

use hedgerow::auth::settings::Registration;
use hedgerow_testing::{Answer, TestApp};
use serde_json::{Value, json};

use crate::core::{PASSWORD, code, signed_up};
use crate::magic_link::with_settings;

const ANN: &str = "ann@example.com";

async fn ask(app: &TestApp, path: &str, body: Value) -> Answer {
    app.browser().post(path, body).await
}

async fn sent(app: &TestApp, kind: &str, address: &str) -> String {
    let body = json!({ "email": address, "type": kind });
    let _ = ask(app, "/email-otp/send-verification-otp", body).await.expect(200);
    app.mail_to(address).await.code.expect("a code")
}

async fn sign_in(app: &TestApp, address: &str, otp: &str) -> String {
    code(&ask(app, "/sign-in/email-otp", json!({ "email": address, "otp": otp })).await)
}

/// Another code than this.
fn wrong(otp: &str) -> String {
    otp.chars().map(|digit| if digit == '9' { '0' } else { char::from(digit as u8 + 1) }).collect()
}

#[tokio::test]
async fn a_code_signs_in_once_and_makes_an_account_for_somebody_new() {
    let app = TestApp::with(&[]).await;
    let otp = sent(&app, "sign-in", ANN).await;
    assert!(otp.len() == 6 && otp.bytes().all(|byte| byte.is_ascii_digit()), "{otp}");
    assert_eq!(sign_in(&app, ANN, &wrong(&otp)).await, "400 INVALID_OTP");
    let browser = app.browser();
    let body = json!({ "email": "Ann@Example.com", "otp": otp, "name": "Ann" });
    let answer = browser.post("/sign-in/email-otp", body).await.expect(200).json();
    assert_eq!((&answer["user"]["email"], &answer["user"]["name"]), (&json!(ANN), &json!("Ann")));
    assert_eq!((&answer["user"]["emailVerified"], &answer["user"]["role"]), (&json!(true), &json!("member")));
    assert_eq!(browser.get("/get-session").await.json()["session"]["token"], answer["token"]);
    assert_eq!(sign_in(&app, ANN, &otp).await, "400 INVALID_OTP");
    let otp = sent(&app, "sign-in", ANN).await;
    assert_eq!(sign_in(&app, ANN, &otp).await, "200 ");
    app.close().await;
}

#[tokio::test]
async fn the_fourth_try_fails_even_when_it_is_right() {
    let app = TestApp::with(&[]).await;
    let _ = signed_up(&app, "ann").await;
    let otp = sent(&app, "sign-in", ANN).await;
    for _ in 0..3 {
        assert_eq!(sign_in(&app, ANN, &wrong(&otp)).await, "400 INVALID_OTP");
    }
    assert_eq!(sign_in(&app, ANN, &otp).await, "403 TOO_MANY_ATTEMPTS");
    assert_eq!(sign_in(&app, ANN, &otp).await, "400 INVALID_OTP");
    let otp = sent(&app, "sign-in", ANN).await;
    assert_eq!(sign_in(&app, ANN, &otp).await, "200 ");
    app.close().await;
}

#[tokio::test]
async fn of_five_who_use_a_code_at_once_one_comes_in() {
    let app = TestApp::with(&[]).await;
    let other = TestApp::beside(&app).await;
    let otp = sent(&app, "sign-in", ANN).await;
    let all = [&app, &other, &app, &other, &app].map(|app| sign_in(app, ANN, &otp));
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all.iter().filter(|code| *code == "200 ").count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|code| *code == "400 INVALID_OTP").count(), 4, "{all:?}");
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn guesses_at_the_same_moment_are_counted_one_by_one() {
    let app = TestApp::with(&[]).await;
    let otp = sent(&app, "sign-in", ANN).await;
    let no = wrong(&otp);
    let all = futures_util::future::join_all((0..12).map(|_| sign_in(&app, ANN, &no))).await;
    assert_eq!(all.iter().filter(|code| *code == "403 TOO_MANY_ATTEMPTS").count(), 1, "{all:?}");
    assert_eq!(sign_in(&app, ANN, &otp).await, "400 INVALID_OTP", "it is gone");
    app.close().await;
}

#[tokio::test]
async fn asking_many_times_at_once_leaves_one_code() {
    let app = TestApp::with(&[]).await;
    let other = TestApp::beside(&app).await;
    let asked = [&app, &other]
        .repeat(4)
        .into_iter()
        .map(|app| ask(app, "/email-otp/send-verification-otp", json!({ "email": ANN, "type": "sign-in" })));
    let _ = futures_util::future::join_all(asked).await;
    let mut mails = app.all_mail().await;
    mails.extend(other.all_mail().await);
    assert_eq!(mails.len(), 8);
    assert_eq!(app.database.column("SELECT count(*)::text FROM public.verification").await, ["1"]);
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn an_address_that_is_not_known_answers_like_one_that_is() {
    let app = with_settings(|settings| settings.registration = Registration::Closed).await;
    let ann = hedgerow::users::NewUser { email: ANN.to_owned(), ..Default::default() };
    hedgerow::users::create(&app.app, &ann).await.unwrap();
    for kind in ["sign-in", "email-verification", "forget-password"] {
        let story = async |address: &str| {
            let mut said = Vec::new();
            let send = json!({ "email": address, "type": kind });
            let mut tell = |answer: Answer| said.push((answer.status, answer.text));
            tell(ask(&app, "/email-otp/send-verification-otp", send).await);
            app.app.auth().later().settled().await;
            for _ in 0..5 {
                // No code is `x`.
                let body = json!({ "email": address, "otp": "x", "type": kind, "password": "password-5678" });
                tell(match kind {
                    "sign-in" => ask(&app, "/sign-in/email-otp", body).await,
                    "email-verification" => ask(&app, "/email-otp/verify-email", body).await,
                    _ => ask(&app, "/email-otp/reset-password", body).await,
                });
            }
            said
        };
        let known = story(ANN).await;
        assert_eq!(known, story("nobody@example.com").await, "{kind}");
        assert_eq!(known[4].0, 403, "{kind}: {known:?}");
    }
    assert!(app.all_mail().await.iter().all(|mail| mail.to == ANN));
    app.close().await;
}

#[tokio::test]
async fn a_copy_of_the_database_tells_no_code() {
    let app = TestApp::with(&[]).await;
    let otp = sent(&app, "sign-in", ANN).await;
    let row =
        app.database.column("SELECT identifier || ' ' || value FROM public.verification").await.remove(0);
    let (identifier, value) = row.split_once(' ').unwrap();
    assert_eq!(identifier, "sign-in-otp-ann@example.com");
    let kept = value.strip_suffix(":0").unwrap();
    assert!(kept.starts_with("k1_") && !value.contains(&otp), "{value}");
    assert_eq!(sign_in(&app, ANN, kept).await, "400 INVALID_OTP");
    // The same code at another address, or for something else, is kept as something else.
    let copied = "INSERT INTO public.verification (id, identifier, value, \"expiresAt\")
        SELECT 'copy', 'sign-in-otp-eve@example.com', value, \"expiresAt\" FROM public.verification";
    app.database.sql(copied).await;
    assert_eq!(sign_in(&app, "eve@example.com", &otp).await, "400 INVALID_OTP");
    assert_eq!(sign_in(&app, ANN, &otp).await, "200 ");
    // What a Node server wrote beside this one.
    let node = "INSERT INTO public.verification (id, identifier, value, \"expiresAt\")
        VALUES ('node', 'sign-in-otp-ann@example.com', '012345:2', now() + interval '1 minute')";
    app.database.sql(node).await;
    assert_eq!(sign_in(&app, ANN, "012345").await, "200 ");
    app.close().await;
}

#[tokio::test]
async fn a_code_is_for_one_purpose_and_five_minutes() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let otp = sent(&app, "email-verification", ANN).await;
    assert_eq!(sign_in(&app, ANN, &otp).await, "400 INVALID_OTP");
    let body = json!({ "email": ANN, "otp": otp, "type": "email-verification", "password": "password-5678" });
    assert_eq!(code(&ask(&app, "/email-otp/reset-password", body.clone()).await), "400 INVALID_OTP");
    for _ in 0..2 {
        let _ = ask(&app, "/email-otp/check-verification-otp", body.clone()).await.expect(200);
    }
    let verified = ask(&app, "/email-otp/verify-email", body.clone()).await.expect(200).json();
    assert_eq!((&verified["status"], &verified["token"]), (&json!(true), &Value::Null));
    assert_eq!(verified["user"]["emailVerified"], true);
    assert_eq!(code(&ask(&app, "/email-otp/verify-email", body).await), "400 INVALID_OTP");
    assert_eq!(ann.get("/get-session").await.json()["user"]["emailVerified"], true);

    let otp = sent(&app, "sign-in", ANN).await;
    app.database.sql(r#"UPDATE public.verification SET "expiresAt" = now()"#).await;
    assert_eq!(sign_in(&app, ANN, &otp).await, "400 OTP_EXPIRED");
    assert_eq!(sign_in(&app, ANN, &otp).await, "400 INVALID_OTP");
    app.close().await;
}

#[tokio::test]
async fn a_password_is_set_anew_with_a_code_once_and_ends_all_sessions() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let _ = ask(&app, "/forget-password/email-otp", json!({ "email": ANN })).await.expect(200);
    let otp = app.mail_to(ANN).await.code.unwrap();
    let reset = async |otp: &str, password: String| {
        let body = json!({ "email": ANN, "otp": otp, "password": password });
        code(&ask(&app, "/email-otp/reset-password", body).await)
    };
    assert_eq!(reset(&otp, "short".to_owned()).await, "400 PASSWORD_TOO_SHORT");
    assert_eq!(reset(&wrong(&otp), "password-5678".to_owned()).await, "400 INVALID_OTP");
    let five = (0..5).map(|n| reset(&otp, format!("password-new-{n}")));
    let five = futures_util::future::join_all(five).await;
    assert_eq!(five.iter().filter(|code| *code == "200 ").count(), 1, "{five:?}");
    assert_eq!(ann.get("/get-session").await.text, "null");
    let old = json!({ "email": ANN, "password": PASSWORD });
    assert_eq!(code(&ask(&app, "/sign-in/email", old).await), "401 INVALID_EMAIL_OR_PASSWORD");
    let winner = five.iter().position(|code| code == "200 ").unwrap();
    let new = json!({ "email": ANN, "password": format!("password-new-{winner}") });
    let _ = ask(&app, "/sign-in/email", new).await.expect(200);
    app.close().await;
}

#[tokio::test]
async fn an_address_changes_with_the_codes_of_both_owners() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let _ = signed_up(&app, "bob").await;
    let otp = sent(&app, "email-verification", ANN).await;
    let _ = ask(&app, "/email-otp/verify-email", json!({ "email": ANN, "otp": otp })).await.expect(200);

    let ask_for = |new: &str| json!({ "newEmail": new });
    let answer = ann.post("/email-otp/request-email-change", ask_for("new@example.com")).await;
    assert_eq!(answer.json()["message"], "OTP is required to verify current email");
    assert_eq!(
        ann.post("/email-otp/request-email-change", ask_for(ANN)).await.json()["message"],
        "Email is the same"
    );
    // Somebody else's address: the same answer, and no mail.
    for new in ["bob@example.com", "New@Example.com"] {
        let body = json!({ "newEmail": new, "otp": sent(&app, "email-verification", ANN).await });
        let _ = ann.post("/email-otp/request-email-change", body).await.expect(200);
    }
    let mails = app.all_mail().await;
    assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["new@example.com"]);
    let otp = mails[0].code.clone().unwrap();
    let change = |otp: &str| json!({ "newEmail": "new@example.com", "otp": otp });
    let bob = signed_up(&app, "eve").await;
    assert_eq!(code(&bob.post("/email-otp/change-email", change(&otp)).await), "400 INVALID_OTP");
    assert_eq!(code(&app.browser().post("/email-otp/change-email", change(&otp)).await), "401 UNAUTHORIZED");
    assert_eq!(code(&ann.post("/email-otp/change-email", change(&wrong(&otp))).await), "400 INVALID_OTP");
    let _ = ann.post("/email-otp/change-email", change(&otp)).await.expect(200);
    assert_eq!(ann.get("/get-session").await.json()["user"]["email"], "new@example.com");
    assert_eq!(app.mail_to(ANN).await.template.name(), "email-changed");
    app.close().await;
}

#[tokio::test]
async fn who_made_the_account_before_its_owner_came_keeps_no_way_into_it() {
    let app = TestApp::with(&[]).await;
    let thief = signed_up(&app, "ann").await;
    let otp = sent(&app, "sign-in", ANN).await;
    assert_eq!(sign_in(&app, ANN, &otp).await, "200 ");
    assert_eq!(thief.get("/get-session").await.text, "null");
    let password = json!({ "email": ANN, "password": PASSWORD });
    assert_eq!(code(&ask(&app, "/sign-in/email", password).await), "401 INVALID_EMAIL_OR_PASSWORD");
    app.close().await;
}

#[tokio::test]
async fn nobody_gives_themselves_a_role_or_evades_a_ban() {
    let app = TestApp::with(&[]).await;
    let otp = sent(&app, "sign-in", ANN).await;
    let body = json!({ "email": ANN, "otp": otp, "role": "admin" });
    assert_eq!(code(&ask(&app, "/sign-in/email-otp", body).await), "400 FIELD_NOT_ALLOWED");
    let otp = sent(&app, "sign-in", ANN).await;
    assert_eq!(sign_in(&app, ANN, &otp).await, "200 ");
    app.database.sql(r#"UPDATE public."user" SET banned = true"#).await;
    let otp = sent(&app, "sign-in", ANN).await;
    assert_eq!(sign_in(&app, ANN, &otp).await, "403 BANNED_USER");
    app.close().await;
}

#[tokio::test]
async fn bodies_of_a_wrong_form_are_refused() {
    let app = TestApp::with(&[]).await;
    let kinds = "Invalid option: expected one of \"email-verification\"|\"sign-in\"|\"forget-password\"|\"change-email\"";
    let wrong = ask(&app, "/email-otp/send-verification-otp", json!({ "email": ANN, "type": "nope" })).await;
    assert_eq!(wrong.json()["message"], format!("[body.type] {kinds}"));
    let change =
        ask(&app, "/email-otp/send-verification-otp", json!({ "email": ANN, "type": "change-email" })).await;
    assert_eq!((change.status, change.json()["message"].as_str()), (400, Some("Invalid OTP type")));
    for path in ["/email-otp/send-verification-otp", "/email-otp/request-password-reset"] {
        let body = json!({ "email": "no address", "type": "sign-in" });
        assert_eq!(code(&ask(&app, path, body).await), "400 INVALID_EMAIL", "{path}");
    }
    for body in [
        json!([]),
        json!({ "email": [ANN], "otp": "1" }),
        json!({ "email": ANN, "otp": 123_456 }),
        json!({ "email": "a\0b", "otp": "1" }),
    ] {
        assert_eq!(code(&ask(&app, "/sign-in/email-otp", body).await), "400 VALIDATION_ERROR");
    }
    app.close().await;
}
