//! Accounts, passwords, sessions and addresses.

use hedgerow_testing::{Answer, TestApp};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "password-1234";

pub(crate) async fn signed_up<'a>(app: &'a TestApp, name: &str) -> hedgerow_testing::Browser<'a> {
    let browser = app.browser();
    let body = json!({ "name": name, "email": format!("{name}@example.com"), "password": PASSWORD });
    let _ = browser.post("/sign-up/email", body).await.expect(200);
    browser
}

pub(crate) fn code(answer: &Answer) -> String {
    let code = serde_json::from_str::<Value>(&answer.text).ok();
    let code = code.and_then(|body| body["code"].as_str().map(str::to_owned));
    format!("{} {}", answer.status, code.unwrap_or_default())
}

#[tokio::test]
async fn a_person_signs_up_in_and_out() {
    let app = TestApp::with(&[]).await;
    let browser = app.browser();
    let body = json!({ "name": "Ada", "email": "Ada@Example.com", "password": PASSWORD });
    let answer = browser.post("/sign-up/email", body.clone()).await.expect(200);
    let user = &answer.json()["user"];
    assert_eq!((user["email"].as_str(), user["role"].as_str()), (Some("ada@example.com"), Some("member")));
    let line = answer.header("set-cookie").unwrap().to_owned();
    assert!(line.starts_with("better-auth.session_token="), "{line}");
    assert!(line.ends_with("; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"), "{line}");
    assert!(answer.header("set-auth-token").unwrap().starts_with(answer.json()["token"].as_str().unwrap()));
    assert_eq!(
        code(&browser.post("/sign-up/email", body).await),
        "422 USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"
    );

    let session = browser.get("/get-session").await.expect(200).json();
    assert_eq!(session["user"]["email"], "ada@example.com");
    assert_eq!(session["session"]["ipAddress"], "127.0.0.1");
    assert_eq!(app.browser().get("/get-session").await.expect(200).text, "null");

    let _ = browser.post("/sign-out", json!({})).await.expect(200);
    assert_eq!(browser.get("/get-session").await.text, "null");
    let wrong = json!({ "email": "ada@example.com", "password": "wrong-password" });
    assert_eq!(code(&browser.post("/sign-in/email", wrong).await), "401 INVALID_EMAIL_OR_PASSWORD");
    let unknown = json!({ "email": "nobody@example.com", "password": "wrong-password" });
    assert_eq!(code(&browser.post("/sign-in/email", unknown).await), "401 INVALID_EMAIL_OR_PASSWORD");
    let right = json!({ "email": "ADA@example.com", "password": PASSWORD });
    let _ = browser.post("/sign-in/email", right).await.expect(200);
    assert_eq!(browser.get("/get-session").await.json()["user"]["name"], "Ada");
    app.close().await;
}

#[tokio::test]
async fn a_session_opens_the_data_api_until_it_is_revoked() {
    let app = TestApp::with(&[("notes", "[fields.text]\ntype = \"text\"\n")]).await;
    let other = TestApp::beside(&app).await;
    let ann = signed_up(&app, "ann").await;
    let token = ann.get("/get-session").await.json()["session"]["token"].as_str().unwrap().to_owned();
    let made = ann.ask("POST", "/api/v1/notes", Some(json!({ "text": "mine" }).to_string()), &[]).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let bearer = format!("Bearer {token}");
    let by_bearer = [("authorization", bearer.as_str())];
    let listed = other.ask(hedgerow_testing::Who::Headers(&by_bearer), "GET", "/api/v1/notes", None).await;
    assert_eq!(listed.json().as_array().map(Vec::len), Some(1), "the second instance knows the session");

    let evil = [("origin", "https://evil.test")];
    let forged = ann.ask("POST", "/api/v1/notes", Some(json!({ "text": "x" }).to_string()), &evil).await;
    assert_eq!(code(&forged), "403 untrusted_origin");
    let _ = ann.post("/revoke-sessions", json!({})).await.expect(200);
    let after = other.ask(hedgerow_testing::Who::Headers(&by_bearer), "GET", "/api/v1/notes", None).await;
    assert_eq!(code(&after), "401 invalid_credential");
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_once_and_ends_all_sessions() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let thief = app.browser();
    for _ in 0..2 {
        let asked = json!({ "email": "ann@example.com", "redirectTo": "/reset" });
        let _ = thief.post("/request-password-reset", asked).await.expect(200);
    }
    let unknown = json!({ "email": "nobody@example.com", "redirectTo": "/reset" });
    let _ = thief.post("/request-password-reset", unknown).await.expect(200);
    let mails = app.all_mail().await;
    assert_eq!(mails.len(), 2, "nobody else gets one");
    let links: Vec<String> = mails.into_iter().map(|mail| mail.url.unwrap()).collect();
    let opened = ann.open(&links[0]).await.expect(302);
    let location = opened.header("location").unwrap().to_owned();
    let token = location.split_once("token=").unwrap().1.to_owned();

    let five = futures_util::future::join_all((0..5).map(|n| {
        let browser = app.browser();
        let body = json!({ "newPassword": format!("password-new-{n}"), "token": token });
        async move { browser.post("/reset-password", body).await.status }
    }))
    .await;
    assert_eq!(five.iter().filter(|&&status| status == 200).count(), 1, "{five:?}");
    assert_eq!(ann.get("/get-session").await.text, "null", "the session is over");
    let second = ann.open(&links[1]).await.expect(302);
    assert!(second.header("location").unwrap().contains("error=INVALID_TOKEN"), "the other link is void");
    app.close().await;
}

#[tokio::test]
async fn an_address_changes_when_the_new_owner_says_so_and_once() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let _ = ann.post("/send-verification-email", json!({ "email": "ann@example.com" })).await.expect(200);
    let link = app.mail_to("ann@example.com").await.url.unwrap();
    let _ = ann.open(&link).await.expect(302);
    let _ = ann.post("/change-email", json!({ "newEmail": "Ann2@example.com" })).await.expect(200);
    let first = app.mail_to("ann@example.com").await.url.unwrap();
    let _ = ann.open(&first).await.expect(302);
    let email = |session: Value| session["user"]["email"].as_str().map(str::to_owned);
    assert_eq!(email(ann.get("/get-session").await.json()).as_deref(), Some("ann@example.com"));
    let second = app.mail_to("ann2@example.com").await.url.unwrap();
    let _ = ann.open(&second).await.expect(302);
    assert_eq!(email(ann.get("/get-session").await.json()).as_deref(), Some("ann2@example.com"));
    let again = ann.open(&second).await.expect(302);
    assert!(again.header("location").unwrap().contains("error=INVALID_TOKEN"), "{:?}", again.headers);
    app.close().await;
}

#[tokio::test]
async fn a_deleted_user_is_gone_with_everything() {
    let app = TestApp::with(&[("notes", "[fields.text]\ntype = \"text\"\n")]).await;
    let ann = signed_up(&app, "ann").await;
    let made = ann.ask("POST", "/api/v1/notes", Some(json!({ "text": "mine" }).to_string()), &[]).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        code(&ann.post("/delete-user", json!({ "password": "wrong-password" })).await),
        "400 INVALID_PASSWORD"
    );
    let _ = ann.post("/delete-user", json!({ "password": PASSWORD })).await.expect(200);
    for table in ["\"user\"", "session", "account", "notes"] {
        let count = app.database.column(&format!("SELECT count(*)::text FROM public.{table}")).await;
        assert_eq!(count, ["0"], "{table}");
    }
    app.close().await;
}
