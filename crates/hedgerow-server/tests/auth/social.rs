//! Signing in with other providers, against one on loopback that behaves as badly as it is told to.

use std::time::Duration;

use hedgerow::AppOptions;
use hedgerow::auth::settings::{AuthSettings, ProviderTokens, Registration, Switch, Verification};
use hedgerow::auth::social::settings::{ProviderKind, ProviderSettings, Trust};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, Browser, TestApp};
use serde_json::{Value, json};

use crate::core::{PASSWORD, code, signed_up};
use crate::provider::{Mood, Person, Provider, person};

const MISMATCH: &str = "/err?error=state_mismatch";

/// An application with these providers.
async fn app_with(providers: Vec<ProviderSettings>, change: impl FnOnce(&mut AuthSettings)) -> TestApp {
    let own = |options: &mut AppOptions| {
        let auth = options.auth.as_mut().expect("is there");
        auth.settings.providers = providers;
        change(&mut auth.settings);
    };
    TestApp::with_options(&[], ServerOptions::default(), own).await
}

async fn gitlab() -> (Provider, TestApp) {
    let provider = Provider::start().await;
    let app = app_with(vec![provider.settings("gitlab", ProviderKind::GitLab)], |_| {}).await;
    (provider, app)
}

async fn oidc() -> (Provider, TestApp) {
    let provider = Provider::start().await;
    let app = app_with(vec![provider.settings("sso", ProviderKind::Oidc)], |_| {}).await;
    (provider, app)
}

/// Starts, and answers with the provider's address.
async fn start(browser: &Browser<'_>, provider: &str) -> String {
    let body = json!({
        "provider": provider, "callbackURL": "/dashboard", "newUserCallbackURL": "/welcome", "errorCallbackURL": "/err"
    });
    let answer = browser.post("/sign-in/social", body).await.expect(200);
    answer.json()["url"].as_str().expect("is there").to_owned()
}

async fn come_back(browser: &Browser<'_>, path: &str) -> Answer {
    browser.ask("GET", path, None, &[]).await
}

fn place(answer: &Answer) -> &str {
    assert_eq!(answer.status, 302, "{}", answer.text);
    answer.header("location").expect("is there")
}

fn cookies(answer: &Answer) -> Vec<&str> {
    let lines = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    lines.map(|(_, line)| line.split('=').next().expect("is there")).collect()
}

/// All the way.
async fn round(browser: &Browser<'_>, provider: &Provider, name: &str, who: Person) -> Answer {
    let path = provider.visit(&start(browser, name).await, who);
    come_back(browser, &path).await
}

async fn arrives(browser: &Browser<'_>, provider: &Provider, name: &str, who: Person) -> String {
    let answer = round(browser, provider, name, who).await;
    let place = place(&answer).to_owned();
    assert!(
        !place.contains("/api/auth/error?error=state_mismatch"),
        "DEBUG {answer:?} {}",
        browser.cookie_header()
    );
    place
}

async fn who(browser: &Browser<'_>) -> Value {
    browser.get("/get-session").await.expect(200).json()["user"]["email"].clone()
}

/// Adds an account of the provider to whoever is signed in.
async fn link(browser: &Browser<'_>, provider: &Provider, name: &str, who: Person) -> String {
    let body = json!({ "provider": name, "callbackURL": "/settings", "errorCallbackURL": "/err" });
    let url = browser.post("/link-social", body).await.expect(200).json()["url"]
        .as_str()
        .expect("is there")
        .to_owned();
    place(&come_back(browser, &provider.visit(&url, who)).await).to_owned()
}

async fn verify(app: &TestApp, email: &str) {
    app.database
        .sql(&format!(r#"UPDATE public."user" SET "emailVerified" = true WHERE email = '{email}'"#))
        .await;
}

#[tokio::test]
async fn a_new_user_comes_and_returns() {
    let (provider, app) = gitlab().await;
    let browser = app.browser();
    let answer = browser
        .post(
            "/sign-in/social",
            json!({ "provider": "gitlab", "callbackURL": "/dashboard", "newUserCallbackURL": "/welcome" }),
        )
        .await
        .expect(200);
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    assert_eq!((answer.header("location"), &answer.json()["redirect"]), (Some(url.as_str()), &json!(true)));
    let parsed: url::Url = url.parse().unwrap();
    let names: Vec<String> = parsed.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let expected = [
        "response_type",
        "client_id",
        "state",
        "scope",
        "redirect_uri",
        "code_challenge_method",
        "code_challenge",
    ];
    assert_eq!(names, expected);
    assert!(url.starts_with(&format!(
        "{}/oauth/authorize?response_type=code&client_id=client-1&state=",
        provider.url()
    )));
    let line = answer.header("set-cookie").unwrap();
    assert!(line.starts_with("better-auth.state="), "{line}");
    assert!(line.ends_with("; Max-Age=300; Path=/; HttpOnly; SameSite=Lax"), "{line}");

    let path = provider.visit(&url, person(77, "New@Example.com", true));
    let answer = come_back(&browser, &path).await;
    assert_eq!(
        (place(&answer), cookies(&answer)),
        ("/welcome", vec!["better-auth.state", "better-auth.session_token"])
    );
    assert!(answer.header("set-auth-token").is_some());
    let session = browser.get("/get-session").await.json();
    let user = &session["user"];
    assert_eq!((&user["email"], &user["emailVerified"]), (&json!("new@example.com"), &json!(true)));
    assert_eq!((&user["name"], &user["image"]), (&json!("GL 77"), &json!("https://img.test/gl.png")));
    // Who read the database could not ask the provider.
    let kept = r#"SELECT concat_ws(' ', "accountId", "providerId", scope, "accessToken" ~ '^[0-9a-f]{80,}$', "refreshToken" ~ '^[0-9a-f]{80,}$') FROM public.account"#;
    assert_eq!(app.database.column(kept).await, ["77 gitlab read_user t t"]);

    // The same state does nothing more, with the cookie neither.
    let again = come_back(&browser, &path).await;
    assert_eq!(place(&again), format!("http://{}/api/auth/error?error=state_mismatch", app.address()));
    assert!(cookies(&again).is_empty());

    let second = app.browser();
    assert_eq!(
        arrives(&second, &provider, "gitlab", person(77, "new@example.com", true)).await,
        "/dashboard"
    );
    assert_eq!(who(&second).await, "new@example.com");
    assert_eq!(app.database.column(r#"SELECT count(*)::text FROM public."user""#).await, ["1"]);
    // Another address at the provider is no other user.
    assert_eq!(
        arrives(&second, &provider, "gitlab", person(77, "moved@example.com", true)).await,
        "/dashboard"
    );
    assert_eq!(who(&second).await, "new@example.com");
    app.close().await;
}

#[tokio::test]
async fn an_account_is_linked_only_where_both_sides_vouch_for_the_address() {
    let provider = Provider::start().await;
    let trusted =
        ProviderSettings { trust: Trust::Trusted, ..provider.settings("trusted", ProviderKind::GitLab) };
    let app = app_with(vec![provider.settings("gitlab", ProviderKind::GitLab), trusted], |_| {}).await;
    let eve = signed_up(&app, "eve").await;
    let other = app.browser();
    let not_linked = "/err?error=account_not_linked";
    // PocketBase CVE-2024-38351: whoever makes an account here first must not wait inside it for its owner, and the reverse.
    let cases = [(false, "gitlab"), (true, "gitlab"), (false, "trusted"), (true, "trusted")];
    for (verified, name) in cases {
        assert_eq!(
            arrives(&other, &provider, name, person(78, "eve@example.com", verified)).await,
            not_linked,
            "{name}"
        );
        assert_eq!(who(&other).await, Value::Null);
    }
    verify(&app, "eve@example.com").await;
    assert_eq!(arrives(&other, &provider, "gitlab", person(78, "eve@example.com", false)).await, not_linked);
    assert_eq!(arrives(&other, &provider, "gitlab", person(78, "eve@example.com", true)).await, "/dashboard");
    assert_eq!(
        arrives(&app.browser(), &provider, "trusted", person(79, "eve@example.com", false)).await,
        "/dashboard"
    );
    let accounts = eve.get("/list-accounts").await.expect(200).json();
    let names: Vec<&str> =
        accounts.as_array().unwrap().iter().map(|one| one["providerId"].as_str().unwrap()).collect();
    assert_eq!(names, ["credential", "gitlab", "trusted"]);

    // A trusted provider does not verify addresses either: only its claim does.
    let new = app.browser();
    assert_eq!(arrives(&new, &provider, "trusted", person(80, "zoe@example.com", false)).await, "/welcome");
    let verified = || async { new.get("/get-session").await.json()["user"]["emailVerified"].clone() };
    assert_eq!(verified().await, json!(false));
    // Later it says so: of this address, not of another.
    assert_eq!(arrives(&new, &provider, "trusted", person(80, "else@example.com", true)).await, "/dashboard");
    assert_eq!(verified().await, json!(false));
    assert_eq!(arrives(&new, &provider, "trusted", person(80, "Zoe@example.com", true)).await, "/dashboard");
    assert_eq!(verified().await, json!(true));
    app.close().await;
}

#[tokio::test]
async fn a_state_counts_once_and_in_its_own_browser() {
    let (provider, app) = gitlab().await;
    let (ann, mallory) = (app.browser(), app.browser());
    let path = provider.visit(&start(&ann, "gitlab").await, person(1, "mallory@example.com", true));
    // Without a cookie, and with that of another start.
    let answer = come_back(&mallory, &path).await;
    assert_eq!((place(&answer), cookies(&answer).len()), (MISMATCH, 0));
    start(&mallory, "gitlab").await;
    let answer = come_back(&mallory, &path).await;
    assert_eq!((place(&answer), cookies(&answer).len()), (MISMATCH, 0));
    mallory.set_cookie("better-auth.state", path.split("state=").nth(1).unwrap());
    assert_eq!(place(&come_back(&mallory, &path).await), MISMATCH);
    assert_eq!((who(&mallory).await, provider.asked("/oauth/token")), (Value::Null, 0));
    // The owner still comes in; of several at once, one.
    let five = futures_util::future::join_all((0..5).map(|_| come_back(&ann, &path))).await;
    let places: Vec<&str> = five.iter().map(place).collect();
    assert_eq!(places.iter().filter(|place| **place == "/welcome").count(), 1, "{places:?}");
    assert!(
        places.iter().all(|place| *place == "/welcome" || place.ends_with("error=state_mismatch")),
        "{places:?}"
    );
    assert_eq!(provider.asked("/oauth/token"), 1);

    let own = |error: &str| format!("http://{}/api/auth/error?error={error}", app.address());
    for (query, error) in
        [("code=x", "state_not_found"), ("code=x&state=unknown", "state_mismatch"), ("", "state_not_found")]
    {
        assert_eq!(place(&mallory.get(&format!("/callback/gitlab?{query}")).await), own(error));
    }
    // The provider says no: in its own words, to where the application wants to hear it.
    let url = start(&ann, "gitlab").await;
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let path = format!("/callback/gitlab?error=access_denied&error_description=no&state={state}");
    let answer = ann.get(&path).await;
    assert_eq!(
        (place(&answer), cookies(&answer)),
        ("/err?error=access_denied&error_description=no", vec!["better-auth.state"])
    );
    app.close().await;
}

#[tokio::test]
async fn an_answer_of_one_provider_is_none_of_another() {
    let provider = Provider::start().await;
    let evil = Provider::start().await;
    let providers = vec![
        provider.settings("sso", ProviderKind::Oidc),
        evil.settings("evil", ProviderKind::Oidc),
        ProviderSettings { scopes: vec!["api".to_owned()], ..evil.settings("gitlab", ProviderKind::GitLab) },
    ];
    let app = app_with(providers, |_| {}).await;
    let browser = app.browser();
    let path = provider.visit(&start(&browser, "sso").await, person(1, "ann@example.com", true));
    assert_eq!(place(&come_back(&browser, &path.replace("/sso", "/evil")).await), MISMATCH);
    assert_eq!(evil.asked("/token"), 0);
    // RFC 9207.
    let path = provider.visit(&start(&browser, "sso").await, person(1, "ann@example.com", true));
    let answer = come_back(&browser, &format!("{path}&iss={}", evil.url())).await;
    assert_eq!(place(&answer), "/err?error=issuer_mismatch");
    let path = provider.visit(&start(&browser, "sso").await, person(1, "ann@example.com", true));
    let answer = come_back(&browser, &format!("{path}&iss={}", provider.url())).await;
    assert_eq!(place(&answer), "/welcome");
    let path = provider.visit(&start(&browser, "sso").await, person(1, "ann@example.com", true));
    assert_eq!(
        place(&come_back(&browser, &path.replace("/sso", "/gone")).await),
        "/err?error=oauth_provider_not_found"
    );
    assert!(start(&browser, "gitlab").await.contains("&scope=read_user+api&"));
    app.close().await;
}

/// What is made of a token.
type Forge = fn(&str) -> String;
/// `{"alg":"none"}` and `{"alg":"HS256"}`.
const NONE: &str = "eyJhbGciOiJub25lIn0";
const HS256: &str = "eyJhbGciOiJIUzI1NiJ9";

#[tokio::test]
async fn an_id_token_of_another_issuer_audience_request_or_algorithm_is_refused() {
    let (provider, app) = oidc().await;
    let browser = app.browser();
    let failed = "/err?error=unable_to_get_user_info";
    let ann = || person(1, "ann@example.com", true);
    for claims in [
        json!({ "iss": "https://evil.test" }),
        json!({ "iss": format!("{}/", provider.url()) }),
        json!({ "aud": "client-2" }),
        json!({ "aud": ["client-1", "client-2"] }),
        json!({ "azp": "client-2" }),
        json!({ "nonce": "another" }),
        json!({ "nonce": null }),
        json!({ "exp": 1 }),
        json!({ "exp": null }),
        json!({ "iat": null }),
        json!({ "sub": "" }),
        json!({ "sub": null }),
    ] {
        provider.with(|inner| inner.claims = claims.clone());
        assert_eq!(arrives(&browser, &provider, "sso", ann()).await, failed, "{claims}");
    }
    provider.with(|inner| inner.claims = json!({}));
    let forgeries: [(&str, Forge); 6] = [
        ("none", |token| format!("{NONE}.{}.", token.split('.').nth(1).unwrap())),
        ("HS256", |token| {
            let mut parts = token.split('.').skip(1);
            format!("{HS256}.{}.{}", parts.next().unwrap(), parts.next().unwrap())
        }),
        ("no signature", |token| token.rsplit_once('.').unwrap().0.to_owned()),
        ("another signature", |token| {
            let (signed, signature) = token.rsplit_once('.').unwrap();
            format!("{signed}.{}", signature.chars().rev().skip(1).chain(['A']).collect::<String>())
        }),
        ("nothing", |_| "a.b.c".to_owned()),
        ("empty", |_| String::new()),
    ];
    for (what, forge) in forgeries {
        provider.with(|inner| inner.forge = forge);
        assert_eq!(arrives(&browser, &provider, "sso", ann()).await, failed, "{what}");
    }
    provider.with(|inner| inner.forge = str::to_owned);
    assert_eq!(app.database.column(r#"SELECT count(*)::text FROM public."user""#).await, ["0"]);

    assert_eq!(arrives(&browser, &provider, "sso", ann()).await, "/welcome");
    assert_eq!((provider.asked("/jwks"), provider.asked("/.well-known/openid-configuration")), (1, 1));
    // New keys are looked for once; a key that is nowhere is not looked for again and again.
    provider.rotate("key-2");
    assert_eq!(arrives(&browser, &provider, "sso", ann()).await, "/dashboard");
    assert_eq!(provider.asked("/jwks"), 2);
    let stray = json!({ "provider": "sso", "idToken": { "token": stray_token() } });
    for _ in 0..3 {
        assert_eq!(code(&browser.post("/sign-in/social", stray.clone()).await), "401 INVALID_TOKEN");
    }
    assert_eq!(provider.asked("/jwks"), 3);
    // Somebody else's answer to who the user is.
    provider.with(|inner| inner.claims = json!({ "email": null, "sub": "sub-2" }));
    assert_eq!(arrives(&browser, &provider, "sso", ann()).await, failed);
    provider.with(|inner| inner.claims = json!({ "email": null }));
    assert_eq!(arrives(&browser, &provider, "sso", ann()).await, "/dashboard");
    app.close().await;
}

/// Signed by a key that nobody has.
fn stray_token() -> String {
    let world = hedgerow::World::default();
    let key = hedgerow::auth::jwt::ed25519::SigningKey::generate(&world);
    key.sign("stray", json!({ "sub": "1" }).as_object().expect("is there"))
}

#[tokio::test]
async fn a_provider_that_fails_is_a_sign_in_that_fails_and_nothing_worse() {
    let provider = Provider::start().await;
    let victim = Provider::start().await;
    let quick = |settings: &mut AuthSettings| settings.provider_timeout = Duration::from_millis(700);
    let providers =
        vec![provider.settings("gitlab", ProviderKind::GitLab), provider.settings("sso", ProviderKind::Oidc)];
    let app = app_with(providers, quick).await;
    let browser = app.browser();
    let ann = || person(1, "ann@example.com", true);
    let moods = [
        Mood::Broken,
        Mood::Refusing,
        Mood::Silent,
        Mood::Dripping,
        Mood::Huge,
        Mood::Html,
        Mood::Redirecting(302, format!("{}/token", victim.url())),
        Mood::Redirecting(307, format!("{}/token", victim.url())),
        Mood::Redirecting(308, "http://169.254.169.254/latest/meta-data/".to_owned()),
    ];
    for mood in moods {
        provider.with(|inner| inner.mood = mood.clone());
        assert_eq!(
            arrives(&browser, &provider, "gitlab", ann()).await,
            "/err?error=invalid_code",
            "{mood:?}"
        );
    }
    assert_eq!(victim.asked("/token"), 0, "redirects are not followed");

    // A discovery document leads neither to another issuer nor into the own network.
    provider.with(|inner| inner.mood = Mood::Fine);
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    for (name, value) in [
        ("issuer", json!("https://evil.test")),
        ("token_endpoint", json!(format!("http://127.0.0.1:{port}/token"))),
        ("jwks_uri", json!(format!("http://localhost:{port}/jwks"))),
        ("authorization_endpoint", json!("javascript:alert(1)")),
    ] {
        provider.with(|inner| inner.discovery = json!({ name: value }));
        let answer = browser.post("/sign-in/social", json!({ "provider": "sso" })).await;
        assert_eq!(code(&answer), "503 PROVIDER_UNAVAILABLE", "{name}");
    }
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1"] {
        provider.with(|inner| {
            inner.discovery = json!({ "token_endpoint": format!("https://{host}:{port}/token") });
        });
        let fresh = app_with(vec![provider.settings("sso", ProviderKind::Oidc)], quick).await;
        let browser = fresh.browser();
        assert_eq!(arrives(&browser, &provider, "sso", ann()).await, "/err?error=invalid_code", "{host}");
        fresh.close().await;
    }
    assert_eq!(
        trap.accept().err().map(|error| error.kind()),
        Some(std::io::ErrorKind::WouldBlock),
        "it was reached"
    );
    // It recovers with the provider.
    provider.with(|inner| inner.discovery = json!({}));
    assert_eq!(arrives(&browser, &provider, "sso", ann()).await, "/welcome");
    app.close().await;
}

#[tokio::test]
async fn a_front_end_brings_an_id_token() {
    let provider = Provider::start().await;
    let google = ProviderSettings::new("google", ProviderKind::Google, "google-client", "google-secret");
    let providers = vec![
        provider.settings("sso", ProviderKind::Oidc),
        provider.settings("gitlab", ProviderKind::GitLab),
        google,
    ];
    let app = app_with(providers, |_| {}).await;
    let browser = app.browser();
    let ann = person(1, "ann@example.com", true);
    let bring = |token: Value| json!({ "provider": "sso", "idToken": token });
    let token = provider.id_token(&ann, Some("n"));
    for (body, expected) in [
        (bring(json!({ "token": token, "nonce": "m" })), "401 INVALID_TOKEN"),
        (bring(json!({ "token": "a.b.c" })), "401 INVALID_TOKEN"),
        (bring(json!({ "token": 5 })), "400 VALIDATION_ERROR"),
        (bring(json!({})), "400 VALIDATION_ERROR"),
        (bring(json!("x")), "400 VALIDATION_ERROR"),
        (json!({ "provider": "google", "idToken": { "token": "a.b.c" } }), "401 INVALID_TOKEN"),
        (json!({ "provider": "gitlab", "idToken": { "token": token } }), "404 ID_TOKEN_NOT_SUPPORTED"),
        (json!({ "provider": "nope", "idToken": { "token": token } }), "404 PROVIDER_NOT_FOUND"),
    ] {
        assert_eq!(code(&browser.post("/sign-in/social", body.clone()).await), expected, "{body}");
    }
    provider.with(|inner| inner.claims = json!({ "iat": 1 }));
    let old = provider.id_token(&ann, None);
    assert_eq!(
        code(&browser.post("/sign-in/social", bring(json!({ "token": old }))).await),
        "401 INVALID_TOKEN"
    );
    provider.with(|inner| inner.claims = json!({ "email": null }));
    let nameless = provider.id_token(&ann, None);
    let answer = browser.post("/sign-in/social", bring(json!({ "token": nameless }))).await;
    assert_eq!(code(&answer), "401 USER_EMAIL_NOT_FOUND");
    provider.with(|inner| inner.claims = json!({}));

    let answer =
        browser.post("/sign-in/social", bring(json!({ "token": token, "nonce": "n" }))).await.expect(200);
    assert_eq!(
        (&answer.json()["redirect"], &answer.json()["user"]["email"]),
        (&json!(false), &json!("ann@example.com"))
    );
    assert_eq!(answer.json()["token"], browser.get("/get-session").await.json()["session"]["token"]);

    // Linking by it.
    let bob = signed_up(&app, "bob").await;
    let with = |who: &Person| bring(json!({ "token": provider.id_token(who, None) }));
    assert_eq!(code(&app.browser().post("/link-social", with(&ann)).await), "401 UNAUTHORIZED");
    assert_eq!(code(&bob.post("/link-social", with(&ann)).await), "409 SOCIAL_ACCOUNT_ALREADY_LINKED");
    let unverified = person(2, "bob@example.com", false);
    assert_eq!(code(&bob.post("/link-social", with(&unverified)).await), "401 LINKING_NOT_ALLOWED");
    let another = person(2, "else@example.com", true);
    assert_eq!(
        code(&bob.post("/link-social", with(&another)).await),
        "401 LINKING_DIFFERENT_EMAILS_NOT_ALLOWED"
    );
    for _ in 0..2 {
        let answer = bob.post("/link-social", with(&person(2, "bob@example.com", true))).await.expect(200);
        assert_eq!(answer.json(), json!({ "url": "", "status": true, "redirect": false }));
    }
    let answer = app.browser().post("/sign-in/social", with(&person(3, "bob@example.com", true))).await;
    assert_eq!(code(&answer), "401 OAUTH_LINK_ERROR");
    assert_eq!(answer.json()["message"], "account not linked");
    app.close().await;
}

#[tokio::test]
async fn somebody_signed_in_adds_an_account() {
    let (provider, app) = gitlab().await;
    let ada = signed_up(&app, "ada").await;
    let body = json!({ "provider": "gitlab", "callbackURL": "/settings" });
    assert_eq!(code(&app.browser().post("/link-social", body.clone()).await), "401 UNAUTHORIZED");
    assert_eq!(
        link(&ada, &provider, "gitlab", person(90, "other@example.com", true)).await,
        "/err?error=email_does_not_match"
    );
    let unverified = person(91, "ada@example.com", false);
    assert_eq!(link(&ada, &provider, "gitlab", unverified).await, "/err?error=unable_to_link_account");
    assert_eq!(link(&ada, &provider, "gitlab", person(91, "ada@example.com", true)).await, "/settings");
    assert_eq!(link(&ada, &provider, "gitlab", person(91, "ada@example.com", true)).await, "/settings");
    let accounts = ada.get("/list-accounts").await.json();
    assert_eq!((&accounts[1]["accountId"], &accounts[1]["scopes"]), (&json!("91"), &json!(["read_user"])));
    assert_eq!(accounts.as_array().unwrap().len(), 2);

    // Somebody else's stays theirs.
    let zoe = app.browser();
    assert_eq!(arrives(&zoe, &provider, "gitlab", person(92, "zoe@example.com", true)).await, "/welcome");
    assert_eq!(
        link(&ada, &provider, "gitlab", person(92, "ada@example.com", true)).await,
        "/err?error=account_already_linked_to_different_user"
    );
    // Whoever is signed out meanwhile asks for nothing any more.
    let url = ada.post(
        "/link-social",
        json!({ "provider": "gitlab", "callbackURL": "/settings", "errorCallbackURL": "/err" }),
    );
    let url = url.await.expect(200).json()["url"].as_str().unwrap().to_owned();
    let path = provider.visit(&url, person(93, "ada@example.com", true));
    app.database.sql("DELETE FROM public.session").await;
    assert_eq!(place(&come_back(&ada, &path).await), "/err?error=unable_to_link_account");
    app.close().await;
}

#[tokio::test]
async fn an_administrator_who_acts_as_somebody_gets_no_way_in_and_no_tokens() {
    let (provider, app) = gitlab().await;
    let ann = app.browser();
    assert_eq!(arrives(&ann, &provider, "gitlab", person(1, "ann@example.com", true)).await, "/welcome");
    let boss = app.user_with("boss", "admin", &["*"]).await.user.id;
    app.database.sql(&format!(r#"UPDATE public.session SET "impersonatedBy" = '{boss}'"#)).await;
    let provider_id = json!({ "providerId": "gitlab" });
    assert_eq!(code(&ann.post("/link-social", json!({ "provider": "gitlab" })).await), "403 IMPERSONATING");
    assert_eq!(code(&ann.post("/get-access-token", provider_id.clone()).await), "403 IMPERSONATING");
    assert_eq!(code(&ann.post("/refresh-token", provider_id).await), "403 IMPERSONATING");
    app.close().await;
}

#[tokio::test]
async fn tokens_of_a_provider_are_asked_for_and_refreshed() {
    let (provider, app) = gitlab().await;
    let ann = app.browser();
    assert_eq!(arrives(&ann, &provider, "gitlab", person(7, "ann@example.com", true)).await, "/welcome");
    let row = ann.get("/list-accounts").await.json()[0]["id"].as_str().unwrap().to_owned();
    let by_row = json!({ "accountId": row });
    let first = ann.post("/get-access-token", by_row.clone()).await.expect(200).json();
    assert!(first["accessToken"].as_str().unwrap().starts_with("access-7-"), "{first}");
    assert_eq!(first["scopes"], json!(["read_user"]));
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["accessToken", "accessTokenExpiresAt", "scopes"]);
    // As front ends of 1.3 to 1.6 say it.
    for body in [
        json!({ "providerId": "gitlab" }),
        json!({ "providerId": "gitlab", "accountId": "7" }),
        json!({ "providerId": "gitlab", "accountId": row }),
    ] {
        assert_eq!(ann.post("/get-access-token", body.clone()).await.expect(200).json(), first, "{body}");
    }
    let info = ann.get(&format!("/account-info?accountId={row}")).await.expect(200).json();
    let user = json!({
        "name": "GL 7", "email": "ann@example.com", "image": "https://img.test/gl.png", "emailVerified": true
    });
    assert_eq!(info["user"].to_string(), user.to_string());
    assert_eq!(info["account"], json!({ "id": row, "providerId": "gitlab", "accountId": "7" }));
    assert_eq!(info["data"]["username"], "gl7");
    assert_eq!(ann.get("/account-info?accountId=7").await.expect(200).json(), info);
    assert_eq!(ann.post("/account-info", json!({ "accountId": "7" })).await.expect(200).json(), info);

    // Nobody, and somebody else.
    let nobody = app.browser().post("/get-access-token", by_row.clone()).await;
    assert_eq!((nobody.status, nobody.text.as_str()), (401, ""));
    let bob = signed_up(&app, "bob").await;
    for path in ["/get-access-token", "/refresh-token", "/unlink-account"] {
        let expected = if path == "/unlink-account" {
            "400 FAILED_TO_UNLINK_LAST_ACCOUNT"
        } else {
            "400 ACCOUNT_NOT_FOUND"
        };
        assert_eq!(code(&bob.post(path, by_row.clone()).await), expected, "{path}");
    }
    assert_eq!(code(&bob.get(&format!("/account-info?accountId={row}")).await), "400 ACCOUNT_NOT_FOUND");
    let own = bob.get("/list-accounts").await.json()[0]["id"].as_str().unwrap().to_owned();
    for path in ["/get-access-token", "/refresh-token"] {
        assert_eq!(code(&bob.post(path, json!({ "accountId": own })).await), "400 PROVIDER_NOT_SUPPORTED");
        assert_eq!(code(&bob.post(path, json!({})).await), "400 VALIDATION_ERROR");
        assert_eq!(code(&bob.post(path, json!({ "useAccountCookie": true })).await), "400 ACCOUNT_NOT_FOUND");
    }
    assert_eq!(
        code(&bob.get(&format!("/account-info?accountId={own}")).await),
        "400 PROVIDER_NOT_CONFIGURED"
    );

    // On demand, and when it ends: the refresh token that came last is the one that works.
    let fresh = ann.post("/refresh-token", by_row.clone()).await.expect(200).json();
    assert_ne!(fresh["accessToken"], first["accessToken"]);
    assert_eq!(
        (&fresh["refreshTokenExpiresAt"], &fresh["idToken"], &fresh["scope"]),
        (&Value::Null, &Value::Null, &json!("read_user"))
    );
    assert_eq!((&fresh["providerId"], &fresh["accountId"]), (&json!("gitlab"), &json!(row)));
    let before = provider.asked("/oauth/token");
    app.database
        .sql(r#"UPDATE public.account SET "accessTokenExpiresAt" = now() + interval '2 seconds'"#)
        .await;
    let five =
        futures_util::future::join_all((0..5).map(|_| ann.post("/get-access-token", by_row.clone()))).await;
    let tokens: Vec<Value> =
        five.into_iter().map(|answer| answer.expect(200).json()["accessToken"].clone()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0] && *token != fresh["accessToken"]), "{tokens:?}");
    assert_eq!(provider.asked("/oauth/token"), before + 1, "a refresh token was used twice");

    provider.with(|inner| inner.mood = Mood::Broken);
    assert_eq!(code(&ann.post("/refresh-token", by_row.clone()).await), "400 FAILED_TO_REFRESH_ACCESS_TOKEN");
    app.database.sql(r#"UPDATE public.account SET "accessTokenExpiresAt" = now()"#).await;
    assert_eq!(code(&ann.post("/get-access-token", by_row.clone()).await), "400 FAILED_TO_GET_ACCESS_TOKEN");
    let clear = r#"UPDATE public.account SET "refreshToken" = NULL, "accessToken" = 'made-by-node', "accessTokenExpiresAt" = NULL"#;
    app.database.sql(clear).await;
    assert_eq!(code(&ann.post("/refresh-token", by_row.clone()).await), "400 REFRESH_TOKEN_NOT_FOUND");
    // What Better Auth kept in clear is read.
    assert_eq!(ann.post("/get-access-token", by_row.clone()).await.json()["accessToken"], "made-by-node");
    app.database.sql(r#"UPDATE public.account SET "accessToken" = '$ba$9$00ff'"#).await;
    assert_eq!(code(&ann.post("/get-access-token", by_row).await), "400 FAILED_TO_GET_ACCESS_TOKEN");
    app.close().await;
}

#[tokio::test]
async fn tokens_are_kept_in_clear_where_a_node_server_reads_them() {
    let provider = Provider::start().await;
    let plain = |settings: &mut AuthSettings| settings.provider_tokens = ProviderTokens::Plain;
    let app = app_with(vec![provider.settings("sso", ProviderKind::Oidc)], plain).await;
    let browser = app.browser();
    assert_eq!(arrives(&browser, &provider, "sso", person(7, "ann@example.com", true)).await, "/welcome");
    let kept = r#"SELECT concat_ws(' ', "accessToken" LIKE 'access-7-%', "refreshToken" LIKE 'refresh-7-%', "idToken" LIKE 'eyJ%') FROM public.account"#;
    assert_eq!(app.database.column(kept).await, ["t t t"]);
    let answer = browser.post("/get-access-token", json!({ "providerId": "sso" })).await.expect(200);
    assert!(answer.json()["idToken"].as_str().unwrap().starts_with("eyJ"));
    // A refreshed ID token has no nonce, and is still checked.
    let answer = browser.post("/refresh-token", json!({ "providerId": "sso" })).await.expect(200);
    assert!(answer.json()["idToken"].as_str().unwrap().starts_with("eyJ"));
    app.close().await;
}

#[tokio::test]
async fn who_may_not_make_an_account_does_not_make_one_by_a_provider() {
    let provider = Provider::start().await;
    let settings =
        |sign_up| ProviderSettings { sign_up, ..provider.settings("gitlab", ProviderKind::GitLab) };
    let disabled = "/err?error=signup_disabled";
    let check = async |sign_up: Switch, registration: Registration, email: &'static str, expected: &str| {
        let app = app_with(vec![settings(sign_up)], |settings| settings.registration = registration).await;
        assert_eq!(arrives(&app.browser(), &provider, "gitlab", person(1, email, true)).await, expected);
        app.close().await;
    };
    check(Switch::Off, Registration::Open, "ann@example.com", disabled).await;
    check(Switch::On, Registration::Closed, "ann@example.com", disabled).await;
    check(Switch::On, Registration::Invitation, "ann@example.com", disabled).await;
    check(Switch::On, Registration::Domains(vec!["example.org".to_owned()]), "ann@example.com", disabled)
        .await;
    check(Switch::On, Registration::Domains(vec!["example.com".to_owned()]), "ann@example.com", "/welcome")
        .await;
    check(Switch::On, Registration::Open, "a@x.co,b@y.co", "/err?error=email_not_found").await;

    // An invitation goes with the browser, and works once.
    let invite = |settings: &mut AuthSettings| settings.registration = Registration::Invitation;
    let app = app_with(vec![settings(Switch::On)], invite).await;
    let (purpose, lasts) = (hedgerow::auth::sign_up::INVITATION, Duration::from_secs(60));
    let invited = "ann@example.com editor";
    hedgerow::auth::store::verification::keep(&app.app, purpose, "invited", invited, lasts).await.unwrap();
    for (who, expected) in [
        (person(2, "eve@example.com", true), "/api/auth/error?error=signup_disabled"),
        (person(1, "ann@example.com", true), "/"),
        (person(3, "ann@example.com", false), "/api/auth/error?error=account_not_linked"),
    ] {
        let browser = app.browser();
        let answer = browser
            .post("/sign-in/social", json!({ "provider": "gitlab", "invitation": "invited" }))
            .await
            .expect(200);
        let path = provider.visit(answer.json()["url"].as_str().unwrap(), who);
        let place = place(&come_back(&browser, &path).await).to_owned();
        assert_eq!(place, format!("http://{}{expected}", app.address()));
    }
    assert_eq!(app.database.column(r#"SELECT role FROM public."user""#).await, ["editor"]);
    app.close().await;
}

#[tokio::test]
async fn who_is_shut_out_or_unconfirmed_stays_outside() {
    let provider = Provider::start().await;
    let strict = |settings: &mut AuthSettings| settings.verification = Verification::Required;
    let app = app_with(vec![provider.settings("gitlab", ProviderKind::GitLab)], strict).await;
    let browser = app.browser();
    assert_eq!(
        arrives(&browser, &provider, "gitlab", person(1, "ann@example.com", false)).await,
        "/err?error=email_not_verified"
    );
    assert_eq!(who(&browser).await, Value::Null);
    assert_eq!(app.mail_to("ann@example.com").await.template, hedgerow::mail::Template::VerifyEmail);
    assert_eq!(
        arrives(&browser, &provider, "gitlab", person(1, "ann@example.com", true)).await,
        "/dashboard"
    );
    app.database.sql(r#"UPDATE public."user" SET banned = true"#).await;
    let place = arrives(&browser, &provider, "gitlab", person(1, "ann@example.com", true)).await;
    assert!(place.starts_with("/err?error=BANNED_USER&error_description=You+have+been+banned"), "{place}");
    assert_eq!(who(&browser).await, Value::Null);
    app.close().await;
}

#[tokio::test]
async fn two_browsers_of_one_person_make_one_user() {
    let (provider, app) = gitlab().await;
    let browsers: Vec<Browser<'_>> = (0..4).map(|_| app.browser()).collect();
    let all = browsers
        .iter()
        .map(|browser| arrives(browser, &provider, "gitlab", person(5, "ann@example.com", true)));
    let places = futures_util::future::join_all(all).await;
    assert!(places.iter().all(|place| place == "/welcome" || place == "/dashboard"), "{places:?}");
    for table in ["\"user\"", "account"] {
        assert_eq!(app.database.column(&format!("SELECT count(*)::text FROM public.{table}")).await, ["1"]);
    }
    app.close().await;
}

#[tokio::test]
async fn github_vouches_by_its_list_of_addresses() {
    let provider = Provider::start().await;
    let app = app_with(vec![provider.settings("github", ProviderKind::GitHub)], |_| {}).await;
    let browser = app.browser();
    let url = start(&browser, "github").await;
    assert!(
        url.contains("/login/oauth/authorize?") && url.contains("&scope=read%3Auser+user%3Aemail&"),
        "{url}"
    );
    let path = provider.visit(&url, person(5, "ann@example.com", true));
    assert_eq!(place(&come_back(&browser, &path).await), "/welcome");
    let user = browser.get("/get-session").await.json()["user"].clone();
    assert_eq!(
        (&user["email"], &user["emailVerified"], &user["name"]),
        (&json!("ann@example.com"), &json!(true), &json!("gh5"))
    );
    app.close().await;
}

#[tokio::test]
async fn google_is_asked_as_better_auth_asks_it() {
    let google = ProviderSettings {
        parameters: vec![("access_type".to_owned(), "offline".to_owned())],
        ..ProviderSettings::new("google", ProviderKind::Google, "google-client", "google-secret")
    };
    let app = app_with(vec![google], |_| {}).await;
    let browser = app.browser();
    let body = json!({
        "provider": "google", "callbackURL": "/dashboard", "disableRedirect": true, "loginHint": "ann@example.com",
        "additionalParams": { "hd": "example.com" },
    });
    let answer = browser.post("/sign-in/social", body).await.expect(200);
    assert_eq!((answer.header("location"), &answer.json()["redirect"]), (None, &json!(false)));
    let url: url::Url = answer.json()["url"].as_str().unwrap().parse().unwrap();
    let hidden = ["state", "code_challenge"];
    let shown: Vec<String> = url
        .query_pairs()
        .map(
            |(name, value)| {
                if hidden.contains(&&*name) { name.into_owned() } else { format!("{name}={value}") }
            },
        )
        .collect();
    assert_eq!(url.as_str().split('?').next(), Some("https://accounts.google.com/o/oauth2/v2/auth"));
    let redirect = format!("redirect_uri=http://{}/api/auth/callback/google", app.address());
    let expected = [
        "response_type=code",
        "client_id=google-client",
        "state",
        "scope=email profile openid",
        &redirect,
        "login_hint=ann@example.com",
        "code_challenge_method=S256",
        "code_challenge",
        "include_granted_scopes=true",
        "access_type=offline",
        "hd=example.com",
    ];
    assert_eq!(shown, expected);
    app.close().await;
}

#[tokio::test]
async fn no_body_and_no_parameter_sends_a_browser_elsewhere_or_breaks_anything() {
    let (provider, app) = gitlab().await;
    let browser = app.browser();
    for (name, refused) in [
        ("callbackURL", "403 INVALID_CALLBACK_URL"),
        ("errorCallbackURL", "403 INVALID_ERROR_CALLBACK_URL"),
        ("newUserCallbackURL", "403 INVALID_NEW_USER_CALLBACK_URL"),
    ] {
        for bad in
            ["https://evil.test", "//evil.test", "/\\evil.test", "/%2f/evil.test", "javascript:alert(1)"]
        {
            for path in ["/sign-in/social", "/link-social"] {
                let answer = browser.post(path, json!({ "provider": "gitlab", name: bad })).await;
                assert_eq!(code(&answer), refused, "{name} {bad}");
            }
        }
    }
    for (body, message) in [
        (json!({}), "[body.provider] Invalid input"),
        (json!({ "provider": 5 }), "[body.provider] Invalid input"),
        (json!({ "provider": "gitlab", "scopes": "x" }), "[body.scopes]"),
        (json!({ "provider": "gitlab", "scopes": ["a b"] }), "[body.scopes]"),
        (json!({ "provider": "gitlab", "additionalParams": [] }), "[body.additionalParams]"),
        (
            json!({ "provider": "gitlab", "additionalParams": { "redirect_uri": "https://evil.test" } }),
            "[body.additionalParams] additionalParams cannot include reserved OAuth parameters: state, client_id, redirect_uri, response_type, code_challenge, code_challenge_method, nonce, scope",
        ),
        (json!({ "provider": "gitlab", "callbackURL": 5 }), "[body.callbackURL]"),
        (json!({ "provider": "gitlab", "disableRedirect": "maybe" }), "[body.disableRedirect]"),
        (json!([]), "[body]"),
    ] {
        let answer = browser.post("/sign-in/social", body.clone()).await;
        assert_eq!(code(&answer), "400 VALIDATION_ERROR", "{body}");
        assert!(answer.json()["message"].as_str().unwrap().starts_with(message), "{body}: {}", answer.text);
    }
    assert_eq!(
        code(&browser.post("/sign-in/social", json!({ "provider": "github" })).await),
        "404 PROVIDER_NOT_FOUND"
    );
    // A row that somebody wrote leads nowhere else either.
    let url = start(&browser, "gitlab").await;
    app.database
        .sql(r#"UPDATE public.verification SET value = replace(value, '"/err"', '"https://evil.test"')"#)
        .await;
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let answer = browser.get(&format!("/callback/gitlab?error=x&state={state}")).await;
    assert_eq!(place(&answer), format!("http://{}/api/auth/error?error=x", app.address()));

    // A provider that posts its answer: on by GET, where the browser sends its cookie.
    let path = provider.visit(&start(&browser, "gitlab").await, person(1, "ann@example.com", true));
    let (route, form) = path.split_once('?').unwrap();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://provider.test"),
        ("cookie", "other=1"),
    ];
    let answer = app.browser().ask("POST", route, Some(form.to_owned()), &headers).await;
    let on = place(&answer).to_owned();
    assert_eq!(on, format!("http://{}{path}", app.address()));
    assert_eq!(place(&come_back(&browser, &path).await), "/welcome");

    let long = "x".repeat(5000);
    let odd = ["", "%00", "%ff", "..", "%2e%2e%2f", "a%0d%0ab", "'--", "%F0%9F%98%80", "null", "[]", &long];
    for value in odd {
        for name in ["state", "code", "error", "error_description", "iss", "user"] {
            for start in ["", "code=x&", "state=x&"] {
                let answer = browser.get(&format!("/callback/gitlab?{start}{name}={value}")).await;
                assert!(answer.status < 500, "{name}={value}: {}", answer.status);
                let place = answer
                    .header("location")
                    .unwrap_or("/api/auth/error")
                    .replace(&app.address().to_string(), "");
                assert!(place.contains("/api/auth/error"), "{place}");
            }
        }
        for provider in [value, "gitlab"] {
            let answer = browser.ask("POST", &format!("/api/auth/callback/{provider}"), None, &[]).await;
            assert!(answer.status < 500, "{provider}: {}", answer.status);
        }
        let answer = browser.get(&format!("/account-info?accountId={value}")).await;
        assert!(answer.status < 500, "{value}: {}", answer.status);
    }
    for body in [r#"{"state":5}"#, "[]", "null", "5", r#"{"code":{}}"#] {
        let answer = browser.ask("POST", "/api/auth/callback/gitlab", Some(body.to_owned()), &[]).await;
        assert!(answer.status < 500, "{body}: {}", answer.status);
    }
    assert_eq!(
        code(
            &browser
                .post("/sign-in/email", json!({ "email": "ann@example.com", "password": PASSWORD }))
                .await
        ),
        "401 INVALID_EMAIL_OR_PASSWORD"
    );
    app.close().await;
}
