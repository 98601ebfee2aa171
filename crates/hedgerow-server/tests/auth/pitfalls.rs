//! What has gone wrong in other sign-ins, each as a test that is named after what it prevents.

use hedgerow_testing::{Answer, Browser, TestApp, Who};
use serde_json::{Value, json};

use crate::core::{PASSWORD, code, signed_up};

/// An application that counts tries, behind a proxy that is believed.
async fn behind_a_proxy() -> TestApp {
    let proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let server = hedgerow_server::ServerOptions { trusted_proxies: proxies, ..Default::default() };
    let counting = |options: &mut hedgerow::AppOptions| {
        options.auth.as_mut().expect("sign-in").rate_limit = hedgerow::auth::settings::Switch::On;
    };
    TestApp::with_options(&[], server, counting).await
}

async fn token_of(browser: &Browser<'_>) -> String {
    browser.get("/get-session").await.json()["session"]["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn other_spellings_of_a_path_reach_no_endpoint() {
    let app = TestApp::with(&[]).await;
    let body = json!({ "email": "a@example.com", "password": PASSWORD }).to_string();
    for path in [
        "//sign-in/email",
        "/sign-in/email/",
        "/sign-in//email",
        "/sign-in%2femail",
        "/SIGN-IN/EMAIL",
        "/sign-in/Email",
        "/./sign-in/email%20",
        "/sign-in/email;x",
        "/sign-in/email%00",
    ] {
        let path = format!("/api/auth{path}");
        let answer = app.ask(Who::Anyone, "POST", &path, Some(body.clone())).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    app.close().await;
}

#[tokio::test]
async fn no_link_sends_a_browser_to_somebody_else() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let shapes = [
        "//evil.test",
        "/\\evil.test",
        "/.//evil.test",
        "/a/..//evil.test",
        "/%2e//evil.test",
        "/%2f/evil.test",
        "/%5cevil.test",
        "/\t/evil.test",
        "https://evil.test",
        "https:evil.test",
        "javascript:alert(1)",
        "https://127.0.0.1@evil.test",
        "http://127.0.0.1.evil.test",
        "data:text/html,x",
    ];
    for shape in shapes {
        let encoded: String = url_encoded(shape);
        for path in [
            format!("/verify-email?token=bad&callbackURL={encoded}"),
            format!("/reset-password/bad?callbackURL={encoded}"),
            format!("/delete-user/callback?token=bad&callbackURL={encoded}"),
        ] {
            let answer = ann.get(&path).await;
            assert_eq!(code(&answer), "403 INVALID_CALLBACK_URL", "{path}");
            assert_eq!(answer.header("location"), None, "{path}");
        }
        for (path, name, refused) in [
            ("/sign-in/email", "callbackURL", "403 INVALID_CALLBACK_URL"),
            ("/request-password-reset", "redirectTo", "403 INVALID_REDIRECT_URL"),
            ("/send-verification-email", "callbackURL", "403 INVALID_CALLBACK_URL"),
            ("/change-email", "callbackURL", "403 INVALID_CALLBACK_URL"),
        ] {
            let mut body =
                json!({ "email": "ann@example.com", "password": PASSWORD, "newEmail": "b@example.com" });
            body[name] = shape.into();
            assert_eq!(code(&ann.post(path, body).await), refused, "{path} {shape:?}");
        }
    }
    app.close().await;
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn the_host_of_a_request_reaches_no_mail() {
    let app = TestApp::with(&[]).await;
    let _ = signed_up(&app, "ann").await;
    let body = json!({ "email": "ann@example.com", "redirectTo": "/reset" }).to_string();
    let headers = [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.test"),
        ("x-original-url", "http://evil.test/"),
    ];
    let _ = app
        .ask(Who::Headers(&headers), "POST", "/api/auth/request-password-reset", Some(body))
        .await
        .expect(200);
    let mail = app.mail_to("ann@example.com").await;
    assert!(mail.url.as_deref().unwrap().starts_with(&format!("http://{}/api/auth/", app.address())));
    assert!(!format!("{} {:?}", mail.text, mail.html).contains("evil.test"));
    app.close().await;
}

#[tokio::test]
async fn a_client_does_not_say_its_own_address() {
    let app = TestApp::with(&[]).await;
    let body = json!({ "name": "x", "email": "x@example.com", "password": PASSWORD }).to_string();
    let headers = [("x-forwarded-for", "203.0.113.9"), ("x-real-ip", "203.0.113.9")];
    let answer =
        app.ask(Who::Headers(&headers), "POST", "/api/auth/sign-up/email", Some(body)).await.expect(200);
    let token = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    let session = app.get(Who::Headers(&[("authorization", &token)]), "/api/auth/get-session").await.json();
    assert_eq!(session["session"]["ipAddress"], "127.0.0.1");
    app.close().await;
}

#[tokio::test]
async fn nobody_makes_themselves_an_administrator() {
    let app = TestApp::with(&[]).await;
    let fields = ["role", "banned", "banReason", "banExpires", "twoFactorEnabled"];
    for field in fields {
        let mut body = json!({ "name": "Eve", "email": "eve@example.com", "password": PASSWORD });
        body[field] = json!("admin");
        assert_eq!(
            code(&app.browser().post("/sign-up/email", body).await),
            "400 FIELD_NOT_ALLOWED",
            "{field}"
        );
    }
    let browser = app.browser();
    let body = json!({ "name": "Eve", "email": "eve@example.com", "password": PASSWORD, "emailVerified": true, "id": "me", "userId": "me" });
    let user = browser.post("/sign-up/email", body).await.expect(200).json()["user"].clone();
    assert_eq!((&user["emailVerified"], &user["role"]), (&json!(false), &json!("member")));
    assert_ne!(user["id"], "me");
    for field in fields {
        assert_eq!(
            code(&browser.post("/update-user", json!({ field: "admin" })).await),
            "400 FIELD_NOT_ALLOWED"
        );
    }
    app.close().await;
}

#[tokio::test]
async fn an_api_key_is_no_session() {
    let app = TestApp::with(&[]).await;
    let user = app.user("ann").await;
    for path in ["/get-session", "/list-sessions", "/list-accounts"] {
        let answer = app.get(&user, &format!("/api/auth{path}")).await;
        assert!(answer.text == "null" || answer.status == 401, "{path}: {}", answer.text);
    }
    let body = json!({ "currentPassword": PASSWORD, "newPassword": "password-5678" });
    assert_eq!(app.post(&user, "/api/auth/change-password", body).await.status, 401);
    app.close().await;
}

#[tokio::test]
async fn what_one_secret_signed_for_one_thing_opens_no_other() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let token = token_of(&ann).await;
    let _ = ann.post("/send-verification-email", json!({ "email": "ann@example.com" })).await.expect(200);
    let link = app.mail_to("ann@example.com").await.url.unwrap();
    let mailed = link.split("token=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    // The token of a mail is no session, neither as cookie nor as bearer.
    let thief = app.browser();
    thief.set_cookie("better-auth.session_token", &mailed);
    assert_eq!(thief.get("/get-session").await.text, "null");
    let bearer = format!("Bearer {mailed}");
    let by_bearer = [("authorization", bearer.as_str())];
    assert_eq!(app.get(Who::Headers(&by_bearer), "/api/auth/get-session").await.text, "null");
    // A session's token is no token of a mail.
    assert_eq!(code(&ann.get(&format!("/verify-email?token={token}")).await), "401 INVALID_TOKEN");
    let body = json!({ "token": token, "newPassword": "password-5678" });
    assert_eq!(code(&ann.post("/reset-password", body).await), "400 INVALID_TOKEN");
    app.close().await;
}

#[tokio::test]
async fn a_cached_session_opens_nothing() {
    let app = TestApp::with(&[("notes", "[fields.text]\ntype = \"text\"\n")]).await;
    let thief = app.browser();
    thief.set_cookie("better-auth.session_data", "eyJzZXNzaW9uIjp7fX0");
    assert_eq!(thief.get("/get-session").await.text, "null");
    assert_eq!(thief.ask("GET", "/api/v1/notes", None, &[]).await.status, 401);
    app.close().await;
}

#[tokio::test]
async fn what_the_database_keeps_is_no_credential_where_tokens_are_hashed() {
    use hedgerow::auth::settings::{AuthSettings, TokenStorage};
    let app = TestApp::with_options(&[], hedgerow_server::ServerOptions::default(), |options| {
        if let Some(auth) = &mut options.auth {
            auth.settings =
                AuthSettings { session_tokens: TokenStorage::Hashed, ..AuthSettings::development() };
        }
    })
    .await;
    let ann = signed_up(&app, "ann").await;
    let token = token_of(&ann).await;
    let kept = app.database.column("SELECT token FROM session").await.remove(0);
    assert!(kept.starts_with("h1_") && !kept.contains(&token));
    for (shown, works) in [(&token, true), (&kept, false)] {
        let bearer = format!("Bearer {shown}");
        let headers = [("authorization", bearer.as_str())];
        let answer = app.get(Who::Headers(&headers), "/api/auth/get-session").await;
        assert_eq!(answer.text != "null", works);
    }
    // Links of mails are hashed too.
    let _ = ann.post("/request-password-reset", json!({ "email": "ann@example.com" })).await.expect(200);
    let link = app.mail_to("ann@example.com").await.url.unwrap();
    let mailed = link.split("reset-password/").nth(1).unwrap().split('?').next().unwrap().to_owned();
    let identifier = app.database.column("SELECT identifier FROM verification").await.remove(0);
    assert!(!identifier.contains(&mailed));
    let kept = identifier.trim_start_matches("reset-password:");
    let body = json!({ "token": kept, "newPassword": "password-5678" });
    assert_eq!(code(&ann.post("/reset-password", body).await), "400 INVALID_TOKEN");
    app.close().await;
}

#[tokio::test]
async fn of_several_who_sign_up_with_one_address_one_gets_it() {
    let app = TestApp::with(&[]).await;
    let five = futures_util::future::join_all((0..5).map(|n| {
        let browser = app.browser();
        let body = json!({ "name": n.to_string(), "email": "Ann@example.com", "password": PASSWORD });
        async move { browser.post("/sign-up/email", body).await.status }
    }))
    .await;
    assert_eq!(five.iter().filter(|&&status| status == 200).count(), 1, "{five:?}");
    assert_eq!(app.database.column("SELECT count(*)::text FROM \"user\"").await, ["1"]);
    app.close().await;
}

#[tokio::test]
async fn another_user_is_not_touched_by_their_id() {
    let app = TestApp::with(&[]).await;
    let (ann, eve) = (signed_up(&app, "ann").await, signed_up(&app, "eve").await);
    let token = token_of(&ann).await;
    let id = ann.get("/get-session").await.json()["session"]["id"].as_str().unwrap().to_owned();
    for known in [&token, &id] {
        let _ = eve.post("/revoke-session", json!({ "token": known })).await.expect(200);
    }
    let account = ann.get("/list-accounts").await.json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        code(&eve.post("/unlink-account", json!({ "accountId": account })).await),
        "400 FAILED_TO_UNLINK_LAST_ACCOUNT"
    );
    assert_ne!(ann.get("/get-session").await.text, "null");
    assert_eq!(ann.get("/list-accounts").await.json().as_array().map(Vec::len), Some(1));
    app.close().await;
}

#[tokio::test]
async fn a_banned_user_is_out_with_the_next_request_everywhere() {
    let app = TestApp::with(&[("notes", "[fields.text]\ntype = \"text\"\n")]).await;
    let other = TestApp::beside(&app).await;
    let ann = signed_up(&app, "ann").await;
    let bearer = format!("Bearer {}", token_of(&ann).await);
    let headers = [("authorization", bearer.as_str())];
    let notes = async |app: &TestApp| app.get(Who::Headers(&headers), "/api/v1/notes").await.status;
    assert_eq!((notes(&app).await, notes(&other).await), (200, 200));
    // As a Node server beside this one would do it: in the database alone.
    app.database.sql("UPDATE public.\"user\" SET banned = true").await;
    assert_eq!((notes(&app).await, notes(&other).await), (401, 401));
    assert_eq!(ann.get("/get-session").await.text, "null");
    let body = json!({ "email": "ann@example.com", "password": PASSWORD });
    assert_eq!(code(&app.browser().post("/sign-in/email", body.clone()).await), "403 BANNED_USER");
    app.database.sql("UPDATE public.\"user\" SET \"banExpires\" = now() - interval '1 second'").await;
    let _ = app.browser().post("/sign-in/email", body).await.expect(200);
    assert_eq!(app.database.column("SELECT banned::text FROM \"user\"").await, ["false"]);
    app.close().await;
    other.close().await;
}

#[tokio::test]
async fn every_answer_of_sign_in_is_kept_nowhere() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let answers: Vec<Answer> = vec![
        ann.get("/get-session").await,
        ann.get("/list-sessions").await,
        ann.get("/list-accounts").await,
        ann.post("/sign-in/email", json!({ "email": "ann@example.com", "password": PASSWORD })).await,
        ann.get("/verify-email?token=x").await,
    ];
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.text);
    }
    app.close().await;
}

#[tokio::test]
async fn a_front_end_of_another_origin_reads_answers_only_when_it_is_trusted() {
    use hedgerow::auth::settings::AuthSettings;
    let app = TestApp::with_options(&[], hedgerow_server::ServerOptions::default(), |options| {
        if let Some(auth) = &mut options.auth {
            let trusted = vec!["https://front.example.org".parse().unwrap()];
            auth.settings = AuthSettings { trusted_origins: trusted, ..AuthSettings::development() };
        }
    })
    .await;
    for (origin, trusted) in [
        ("https://front.example.org", true),
        ("https://front.example.org.evil.test", false),
        ("https://evil.test", false),
        ("null", false),
    ] {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let asked = app.ask(Who::Headers(&headers), "OPTIONS", "/api/auth/sign-in/email", None).await;
        assert_eq!(asked.header("access-control-allow-origin"), trusted.then_some(origin));
        assert_eq!(asked.header("access-control-allow-credentials"), trusted.then_some("true"));
        let got = app.get(Who::Headers(&[("origin", origin)]), "/api/auth/get-session").await;
        assert_eq!(got.header("access-control-allow-origin"), trusted.then_some(origin));
        assert!(!got.headers.iter().any(|(_, value)| value == "*"));
    }
    let value: Value = app.get(Who::Anyone, "/api/auth/ok").await.json();
    assert_eq!(value["ok"], true);
    app.close().await;
}

#[tokio::test]
async fn an_account_is_guarded_over_many_addresses_whether_it_exists_or_not() {
    let app = behind_a_proxy().await;
    let _ = signed_up(&app, "ann").await;
    let throttle = app.app.auth().throttle().unwrap();
    for address in ["ann@example.com", "nobody@example.com"] {
        while throttle.account(address, app.app.world().now()).is_ok() {}
        // An address that never asked before: what is counted is the account.
        let headers = [("x-forwarded-for", "203.0.113.77")];
        let body = json!({ "email": address, "password": PASSWORD }).to_string();
        let answer = app.ask(Who::Headers(&headers), "POST", "/api/auth/sign-in/email", Some(body)).await;
        assert_eq!(answer.status, 429, "{}", answer.text);
        assert!(answer.header("x-retry-after").is_some());
    }
    app.close().await;
}

#[tokio::test]
async fn a_hop_that_the_client_made_up_is_not_believed() {
    let app = behind_a_proxy().await;
    let body = json!({ "email": "nobody@example.com", "password": PASSWORD }).to_string();
    let mut statuses = Vec::new();
    for n in 0..5 {
        // The proxy adds the last one; everything before it is the client's word.
        let hops = format!("198.51.100.{n}, ::ffff:203.0.113.9");
        let headers = [("x-forwarded-for", hops.as_str())];
        let answer =
            app.ask(Who::Headers(&headers), "POST", "/api/auth/sign-in/email", Some(body.clone())).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    app.close().await;
}

#[tokio::test]
async fn an_invitation_is_not_used_up_by_somebody_else() {
    let app = TestApp::with(&[]).await;
    let (_, link) =
        hedgerow::auth::invitations::invite(&app.app, "eve@example.com", Some("editor")).await.unwrap();
    let token = link.url.split("invitation=").nth(1).unwrap();
    let body =
        |email: &str| json!({ "name": "x", "email": email, "password": PASSWORD, "invitation": token });
    let other = app.browser().post("/sign-up/email", body("mallory@example.com")).await;
    assert_eq!(code(&other), "403 INVALID_INVITATION");
    let invited = app.browser().post("/sign-up/email", body("eve@example.com")).await.expect(200);
    assert_eq!(invited.json()["user"]["role"], "editor");
    app.close().await;
}

#[tokio::test]
async fn a_link_to_set_a_password_leads_to_a_page_when_nobody_said_where_to() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let _ = ann.post("/request-password-reset", json!({ "email": "ann@example.com" })).await.expect(200);
    let link = app.mail_to("ann@example.com").await.url.unwrap();
    let location = ann.open(&link).await.expect(302).header("location").unwrap().to_owned();
    assert!(location.contains("/set-password?token="), "{location}");
    for page in ["/sign-in", "/sign-up", "/set-password"] {
        let page = app.get(Who::Anyone, page).await.expect(200);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'sha256-") && policy.contains("default-src 'none'"), "{policy}");
    }
    app.close().await;
}

/// Keys for anybody (CVE-2025-61928), devices approved by anybody (CVE-2026-45337), passkeys deleted by their id
/// (GHSA-4vcf-q4xf-f48m): what is not there cannot be asked for, with a session or without.
#[tokio::test]
async fn endpoints_that_went_wrong_elsewhere_are_not_there() {
    let app = TestApp::with(&[]).await;
    let ann = signed_up(&app, "ann").await;
    let id = ann.get("/get-session").await.json()["user"]["id"].clone();
    for path in [
        "/api-key/create",
        "/api-key/update",
        "/api-key/verify",
        "/device/approve",
        "/device/deny",
        "/passkey/delete-passkey",
        "/set-password",
        "/two-factor/view-backup-codes",
    ] {
        let body = json!({ "userId": id, "name": "x", "id": "x", "userCode": "x", "newPassword": PASSWORD });
        for browser in [&ann, &app.browser()] {
            let answer = browser.post(path, body.clone()).await;
            assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{path}");
        }
    }
    assert_eq!(app.database.column("SELECT count(*)::text FROM api_keys").await, ["0"]);
    app.close().await;
}

#[tokio::test]
async fn a_cookie_that_names_another_session_ends_none_at_sign_out() {
    let app = TestApp::with(&[]).await;
    let (ann, eve) = (signed_up(&app, "ann").await, signed_up(&app, "eve").await);
    let token = token_of(&ann).await;
    eve.set_cookie(&format!("better-auth.session_token_multi-{}", token.to_lowercase()), &token);
    eve.set_cookie("better-auth.admin_session", &token);
    let _ = eve.post("/sign-out", json!({})).await.expect(200);
    assert_ne!(ann.get("/get-session").await.text, "null", "the other's session lives");
    app.close().await;
}

/// Whatever is switched on beside it, an address that nobody proved stays unproved.
#[tokio::test]
async fn no_combination_of_settings_confirms_an_address_by_itself() {
    use hedgerow::auth::settings::{AuthSettings, Switch, Verification};
    for verification in [Verification::Optional, Verification::Required] {
        for change_email in [Switch::On, Switch::Off] {
            let app = TestApp::with_options(&[], hedgerow_server::ServerOptions::default(), |options| {
                if let Some(auth) = &mut options.auth {
                    auth.settings =
                        AuthSettings { verification, change_email, ..AuthSettings::development() };
                }
            })
            .await;
            let ann = signed_up(&app, "ann").await;
            let _ = ann.post("/change-email", json!({ "newEmail": "ann2@example.com" })).await;
            let _ = ann.post("/update-user", json!({ "name": "Ann", "emailVerified": true })).await;
            app.all_mail().await;
            let rows = app.database.column("SELECT email || ' ' || \"emailVerified\" FROM \"user\"").await;
            assert_eq!(rows, ["ann@example.com false"], "{verification:?} {change_email:?}");
            app.close().await;
        }
    }
}
