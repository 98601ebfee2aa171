//! Signing in with a link of a mail.

use hedgerow::auth::settings::{Plugin, Registration};
use hedgerow::auth::sign_up::{INVITATION, INVITATION_LASTS};
use hedgerow::auth::store::verification;
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, TestApp, Who};
use serde_json::{Value, json};

use crate::core::{PASSWORD, code, signed_up};

pub(crate) async fn with_settings(
    change: impl FnOnce(&mut hedgerow::auth::settings::AuthSettings),
) -> TestApp {
    TestApp::with_options(&[], ServerOptions::default(), |options| {
        change(&mut options.auth.as_mut().expect("sign-in").settings);
    })
    .await
}

async fn link(app: &TestApp, name: &str, more: Value) -> String {
    let address = format!("{name}@example.com");
    let mut body = json!({ "email": address, "callbackURL": "/done" });
    for (member, value) in more.as_object().expect("an object") {
        body[member] = value.clone();
    }
    let _ = app.browser().post("/sign-in/magic-link", body).await.expect(200);
    app.mail_to(&address).await.url.expect("a link")
}

fn location(app: &TestApp, answer: &Answer) -> String {
    let location = answer.header("location").unwrap_or_default();
    location.replace(&format!("http://{}", app.address()), "BASE")
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let link = link(&app, "ann", json!({})).await;
    let browser = app.browser();
    let opened = browser.open(&link).await.expect(302);
    assert_eq!(location(&app, &opened), "BASE/done");
    assert_eq!(browser.get("/get-session").await.json()["user"]["email"], "ann@example.com");
    let again = app.browser().open(&link).await.expect(302);
    assert_eq!(location(&app, &again), "BASE/done?error=INVALID_TOKEN");
    assert_eq!(again.header("set-cookie"), None);
    drop(ann);
    app.close().await;
}

#[tokio::test]
async fn somebody_new_gets_an_account_with_a_confirmed_address() {
    let app = TestApp::with(&[]).await;
    let more = json!({ "name": "Ada", "newUserCallbackURL": "/welcome", "errorCallbackURL": "/oops?x=1" });
    let first = link(&app, "Ada", more).await;
    let browser = app.browser();
    assert_eq!(location(&app, &browser.open(&first).await.expect(302)), "BASE/welcome");
    let user = browser.get("/get-session").await.json()["user"].clone();
    assert_eq!((&user["email"], &user["name"]), (&json!("ada@example.com"), &json!("Ada")));
    assert_eq!((&user["emailVerified"], &user["role"]), (&json!(true), &json!("member")));
    let failed = browser.open(&first).await.expect(302);
    assert_eq!(location(&app, &failed), "BASE/oops?x=1&error=INVALID_TOKEN");

    // A program that takes the token itself.
    let second = link(&app, "ada", json!({})).await;
    let token = second.split_once("token=").unwrap().1.split('&').next().unwrap();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_alphabetic()), "{token}");
    let answer = app.browser().get(&format!("/magic-link/verify?token={token}")).await.expect(200);
    assert_eq!(answer.json()["user"]["email"], "ada@example.com");
    assert_eq!(answer.json()["session"]["token"], answer.json()["token"]);
    let failed = app.browser().get(&format!("/magic-link/verify?token={token}")).await.expect(302);
    assert_eq!(location(&app, &failed), "BASE/?error=INVALID_TOKEN");
    app.close().await;
}

#[tokio::test]
async fn of_five_who_open_a_link_at_once_one_comes_in() {
    let app = TestApp::with(&[]).await;
    let other = TestApp::beside(&app).await;
    let link = link(&app, "ann", json!({})).await;
    let five = futures_util::future::join_all((0..5).map(|n| {
        let browser = if n % 2 == 0 { app.browser() } else { other.browser() };
        let link = &link;
        async move { browser.open(link).await }
    }))
    .await;
    assert_eq!(five.iter().filter(|answer| answer.header("set-cookie").is_some()).count(), 1);
    assert_eq!(app.database.column("SELECT count(*)::text FROM public.session").await, ["1"]);
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn who_made_the_account_before_its_owner_came_keeps_no_way_into_it() {
    let app = TestApp::with(&[("notes", "[fields.text]\ntype = \"text\"\n")]).await;
    let thief = signed_up(&app, "victim").await;
    let user = hedgerow::users::find(&app.app, "victim@example.com").await.unwrap();
    let key = app.key(&user, &["*"]).await;
    let with_key = [("authorization", format!("Bearer {key}"))];
    let with_key = with_key.each_ref().map(|(name, value)| (*name, value.as_str()));
    let _ = app.get(Who::Headers(&with_key), "/api/v1/notes").await.expect(200);

    // A second factor of the thief's would shut the owner out.
    let factor = format!(
        "UPDATE public.\"user\" SET \"twoFactorEnabled\" = true;
         INSERT INTO public.\"twoFactor\" (id, secret, \"backupCodes\", \"userId\") VALUES ('f', 's', 'b', '{}')",
        user.id
    );
    app.database.sql(&factor).await;

    let owner = app.browser();
    let _ = owner.open(&link(&app, "victim", json!({})).await).await.expect(302);
    let session = owner.get("/get-session").await.json();
    assert_eq!(
        (&session["user"]["id"], &session["user"]["emailVerified"]),
        (&json!(user.id.as_str()), &json!(true))
    );
    assert_eq!(session["user"]["twoFactorEnabled"], false);
    assert_eq!(app.database.column("SELECT count(*)::text FROM public.\"twoFactor\"").await, ["0"]);
    assert_eq!(thief.get("/get-session").await.text, "null", "the session is over");
    let password = json!({ "email": "victim@example.com", "password": PASSWORD });
    assert_eq!(code(&app.browser().post("/sign-in/email", password).await), "401 INVALID_EMAIL_OR_PASSWORD");
    assert_eq!(code(&app.get(Who::Headers(&with_key), "/api/v1/notes").await), "401 invalid_credential");

    // Whoever has proved the address keeps everything.
    let second = app.browser();
    let _ = second.open(&link(&app, "victim", json!({})).await).await.expect(302);
    assert_ne!(owner.get("/get-session").await.text, "null");
    app.close().await;
}

#[tokio::test]
async fn an_address_that_is_not_known_answers_like_one_that_is() {
    let app = with_settings(|settings| settings.registration = Registration::Closed).await;
    let ann = hedgerow::users::NewUser { email: "ann@example.com".to_owned(), ..Default::default() };
    hedgerow::users::create(&app.app, &ann).await.unwrap();
    let ask = async |name: &str| {
        let body = json!({ "email": format!("{name}@example.com"), "callbackURL": "/done" });
        let answer = app.browser().post("/sign-in/magic-link", body).await;
        (answer.status, answer.text)
    };
    assert_eq!(ask("ann").await, ask("nobody").await);
    let mails = app.all_mail().await;
    assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["ann@example.com"]);

    // A link from the time when accounts could still be made, of a Node server beside this one.
    for name in ["ann", "late"] {
        let value = json!({ "type": "magic-link", "email": format!("{name}@example.com") });
        let row = format!(
            "INSERT INTO public.verification (id, identifier, value, \"expiresAt\")
             VALUES ('{name}', 'magic-link:{name}', '{value}', now() + interval '1 minute')"
        );
        app.database.sql(&row).await;
    }
    let opened = async |name: &str| {
        let path = format!("/magic-link/verify?token={name}&callbackURL=/done");
        location(&app, &app.browser().get(&path).await)
    };
    assert_eq!(opened("ann").await, "BASE/done");
    assert_eq!(opened("late").await, "BASE/done?error=REGISTRATION_CLOSED");
    assert_eq!(app.database.column("SELECT email FROM public.\"user\"").await, ["ann@example.com"]);
    app.close().await;
}

#[tokio::test]
async fn who_was_invited_comes_in_by_a_link_too() {
    let app = with_settings(|settings| settings.registration = Registration::Invitation).await;
    let invited = "new@example.com editor";
    verification::keep(&app.app, INVITATION, "invited", invited, INVITATION_LASTS).await.unwrap();
    let ask = async |body: Value| {
        let _ = app.browser().post("/sign-in/magic-link", body).await.expect(200);
        app.all_mail().await.pop()
    };
    assert_eq!(ask(json!({ "email": "new@example.com" })).await, None);
    assert_eq!(ask(json!({ "email": "eve@example.com", "invitation": "invited" })).await, None);
    let mail = ask(json!({ "email": "new@example.com", "invitation": "invited" })).await.unwrap();
    let browser = app.browser();
    let _ = browser.open(&mail.url.unwrap()).await.expect(302);
    assert_eq!(browser.get("/get-session").await.json()["user"]["role"], "editor");
    assert_eq!(app.database.column("SELECT count(*)::text FROM public.verification").await, ["0"]);
    app.close().await;
}

#[tokio::test]
async fn a_copy_of_the_database_opens_no_link() {
    let app = TestApp::with(&[]).await;
    let link = link(&app, "ann", json!({})).await;
    let token = link.split_once("token=").unwrap().1.split('&').next().unwrap();
    let rows = app.database.column("SELECT row_to_json(v)::text FROM public.verification v").await;
    assert!(rows.len() == 1 && !rows[0].contains(token), "{rows:?}");
    let kept = app.database.column("SELECT identifier FROM public.verification").await.remove(0);
    let kept = kept.strip_prefix("magic-link:").unwrap();
    let answer = app.browser().get(&format!("/magic-link/verify?token={kept}&callbackURL=/done")).await;
    assert_eq!(location(&app, &answer), "BASE/done?error=INVALID_TOKEN");
    assert_eq!(location(&app, &app.browser().open(&link).await), "BASE/done");
    app.close().await;
}

#[tokio::test]
async fn links_end_after_five_minutes_and_with_a_ban() {
    let app = TestApp::with(&[]).await;
    let _ = signed_up(&app, "ann").await;
    let lasts = r#"SELECT ("expiresAt" - "createdAt")::text FROM public.verification"#;
    let old = link(&app, "ann", json!({})).await;
    assert_eq!(app.database.column(lasts).await, ["00:05:00"]);
    app.database.sql(r#"UPDATE public.verification SET "expiresAt" = now()"#).await;
    assert_eq!(location(&app, &app.browser().open(&old).await), "BASE/done?error=INVALID_TOKEN");

    let new = link(&app, "ann", json!({})).await;
    app.database.sql(r#"UPDATE public."user" SET banned = true"#).await;
    let answer = app.browser().open(&new).await;
    assert_eq!(location(&app, &answer), "BASE/done?error=BANNED_USER");
    assert_eq!(answer.header("set-cookie"), None);
    let accounts = app.database.column("SELECT count(*)::text FROM public.account").await;
    assert_eq!(accounts, ["1"], "nothing of a banned user is taken away");
    app.close().await;
}

#[tokio::test]
async fn a_program_that_only_looks_at_a_link_does_not_use_it_up() {
    let app = TestApp::with(&[]).await;
    let link = link(&app, "ann", json!({})).await;
    let path = link.split_once(&app.address().to_string()).unwrap().1;
    assert_eq!(app.browser().ask("HEAD", path, None, &[]).await.status, 404);
    assert_eq!(location(&app, &app.browser().open(&link).await), "BASE/done");
    app.close().await;
}

#[tokio::test]
async fn a_link_leads_nowhere_that_is_not_trusted() {
    let app = TestApp::with(&[]).await;
    let browser = app.browser();
    for (name, expected) in [
        ("callbackURL", "403 INVALID_CALLBACK_URL"),
        ("newUserCallbackURL", "403 INVALID_NEW_USER_CALLBACK_URL"),
        ("errorCallbackURL", "403 INVALID_ERROR_CALLBACK_URL"),
    ] {
        for evil in ["https://evil.test", "//evil.test", "/.//evil.test", "/%2e//evil.test"] {
            let body = json!({ "email": "ann@example.com", name: evil });
            assert_eq!(code(&browser.post("/sign-in/magic-link", body).await), expected, "{evil}");
            let evil = evil.replace('%', "%25");
            let opened = browser.get(&format!("/magic-link/verify?token=x&{name}={evil}")).await;
            assert_eq!(code(&opened), expected, "{evil}");
        }
    }
    assert_eq!(code(&browser.get("/magic-link/verify").await), "400 VALIDATION_ERROR");
    assert_eq!(app.all_mail().await.len(), 0);
    app.close().await;
}

#[tokio::test]
async fn without_the_plugin_there_is_nothing() {
    let app = with_settings(|settings| {
        settings.plugins = [Plugin::Admin, Plugin::Bearer].into();
    })
    .await;
    let browser = signed_up(&app, "ann").await;
    for path in [
        "/sign-in/magic-link",
        "/sign-in/email-otp",
        "/email-otp/send-verification-otp",
        "/forget-password/email-otp",
    ] {
        let answer = browser.post(path, json!([])).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{path}");
    }
    for path in ["/magic-link/verify?token=x", "/token", "/jwks"] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{path}");
    }
    assert_eq!(browser.get("/get-session").await.expect(200).header("set-auth-jwt"), None);
    app.close().await;
}
