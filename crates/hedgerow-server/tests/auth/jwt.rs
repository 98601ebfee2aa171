//! Tokens for other services and for the data API.

use data_encoding::BASE64URL_NOPAD;
use hedgerow::auth::jwt::ed25519::SigningKey;
use hedgerow::auth::jwt::email::{EmailToken, Purpose};
use hedgerow::auth::jwt::jwks::{Algorithm, verify_with_jwks};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, Browser, TestApp, Who};
use serde_json::{Map, Value, json};

use crate::core::{code, signed_up};

const NOTES: (&str, &str) = ("notes", "[fields.text]\ntype = \"text\"\n");
const PRICES: (&str, &str) =
    ("prices", "access = { read = \"public\", write = \"admin\" }\n[fields.text]\ntype = \"text\"\n");

async fn token_of(browser: &Browser<'_>) -> String {
    browser.get("/token").await.expect(200).json()["token"].as_str().expect("a token").to_owned()
}

async fn with_token(app: &TestApp, token: &str, method: &'static str, path: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let body = (method == "POST").then(|| json!({ "text": "x" }).to_string());
    app.ask(Who::Headers(&[("authorization", &bearer)]), method, path, body).await
}

/// What the data API says to a token.
async fn opens(app: &TestApp, token: &str) -> String {
    code(&with_token(app, token, "GET", "/api/v1/notes").await)
}

fn part(token: &str, at: usize) -> Map<String, Value> {
    let part =
        BASE64URL_NOPAD.decode(token.split('.').nth(at).expect("a part").as_bytes()).expect("base64url");
    serde_json::from_slice(&part).expect("an object")
}

/// The key that signs, as whoever has the secret can read it.
async fn key(app: &TestApp) -> (String, SigningKey) {
    let column =
        |name: &str| format!("SELECT {name} FROM public.jwks ORDER BY \"createdAt\" DESC, id DESC LIMIT 1");
    let id = app.database.column(&column("id")).await.remove(0);
    let private = app.database.column(&column("\"privateKey\"")).await.remove(0);
    (id, SigningKey::open(app.app.auth().secrets(), &private).expect("a key"))
}

#[tokio::test]
async fn a_token_says_who_somebody_is_and_opens_the_data_api_of_every_instance() {
    let app = TestApp::with(&[NOTES]).await;
    let other = TestApp::beside(&app).await;
    let ann = signed_up(&app, "ann").await;
    let made = ann.ask("POST", "/api/v1/notes", Some(json!({ "text": "mine" }).to_string()), &[]).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(code(&app.browser().get("/token").await), "401 UNAUTHORIZED");

    let session = ann.get("/get-session").await.expect(200);
    let exposed = session.header("access-control-expose-headers").unwrap();
    assert!(exposed.split(',').any(|name| name.trim() == "set-auth-jwt"), "{exposed}");
    let token = token_of(&ann).await;
    let keys = app.browser().get("/jwks").await.expect(200);
    let names: Vec<_> = keys.json()["keys"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["alg", "crv", "x", "kty", "kid"]);
    for token in [&token, session.header("set-auth-jwt").unwrap()] {
        let claims = verify_with_jwks(token, &keys.text, &[Algorithm::EdDsa], app.app.world().now()).unwrap();
        let user = session.json()["user"].clone();
        let mut expected = vec!["iat"];
        expected.extend(user.as_object().unwrap().keys().map(String::as_str));
        expected.extend(["sub", "exp", "iss", "aud", "sid"]);
        assert_eq!(claims.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        assert_eq!((&claims["sub"], &claims["sid"]), (&user["id"], &session.json()["session"]["id"]));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
        assert_eq!(claims["iss"], format!("http://{}", app.address()));
        for app in [&app, &other] {
            let listed = with_token(app, token, "GET", "/api/v1/notes").await.expect(200);
            assert_eq!(listed.json().as_array().map(Vec::len), Some(1));
        }
    }
    assert_eq!(with_token(&app, &token, "POST", "/api/v1/notes").await.status, 201);
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_token_is_no_session() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = signed_up(&app, "ann").await;
    let token = token_of(&ann).await;
    assert_eq!(with_token(&app, &token, "GET", "/api/auth/get-session").await.expect(200).text, "null");
    assert_eq!(code(&with_token(&app, &token, "GET", "/api/auth/token").await), "401 UNAUTHORIZED");
    assert_eq!(code(&with_token(&app, &token, "GET", "/api/auth/list-accounts").await), "401 UNAUTHORIZED");

    // A browser sends the cookie along: of the same session it is welcome, of another it is a guess who asks.
    let bearer = format!("Bearer {token}");
    let both = [("authorization", bearer.as_str())];
    assert_eq!(ann.ask("GET", "/api/v1/notes", None, &both).await.status, 200);
    let eve = signed_up(&app, "eve").await;
    assert_eq!(code(&eve.ask("GET", "/api/v1/notes", None, &both).await), "400 two_credentials");
    app.close().await;
}

#[tokio::test]
async fn what_others_signed_or_nobody_opens_nothing() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = signed_up(&app, "ann").await;
    let token = token_of(&ann).await;
    assert_eq!(opens(&app, &token).await, "200 ");
    let (kid, key) = key(&app).await;
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(key.sign(&kid, &claims), token, "the key is the one");
    let changed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims.insert(name.to_owned(), value);
        claims
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.shift_remove(name);
        claims
    };
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let body = encode(&Value::Object(claims.clone()));
    let mut bad = vec![
        ("expired", key.sign(&kid, &changed("exp", json!(app.app.world().now().as_second())))),
        ("without an end", key.sign(&kid, &without("exp"))),
        ("not yet", key.sign(&kid, &changed("nbf", json!(app.app.world().now().as_second() + 3600)))),
        ("another issuer", key.sign(&kid, &changed("iss", json!("https://other.example.com")))),
        ("no issuer", key.sign(&kid, &without("iss"))),
        ("for another", key.sign(&kid, &changed("aud", json!("another-client")))),
        ("for several", key.sign(&kid, &changed("aud", json!([claims["aud"].clone(), "another-client"])))),
        ("nobody", key.sign(&kid, &changed("sub", json!("nobody")))),
        ("no session", key.sign(&kid, &changed("sid", json!("nosession")))),
        ("a session of another form", key.sign(&kid, &changed("sid", json!(null)))),
        ("U+0000", key.sign(&kid, &changed("sub", json!("a\0b")))),
        ("an unknown key", key.sign("unknown", &claims)),
        ("another's key", SigningKey::generate(app.app.world()).sign(&kid, &claims)),
        ("cut", token[..token.len() - 4].to_owned()),
        ("dots", "..".to_owned()),
        ("not base64", "a.b.c".to_owned()),
    ];
    // Nobody signed it.
    for alg in ["none", "None", "NONE"] {
        bad.push(("alg none", format!("{}.{body}.", encode(&json!({ "alg": alg, "kid": kid })))));
        let signature = token.rsplit_once('.').unwrap().1;
        bad.push(("alg none", format!("{}.{body}.{signature}", encode(&json!({ "alg": alg, "kid": kid })))));
    }
    // The public key taken for a secret.
    let public = key.public_jwk();
    let x: Value = serde_json::from_str(&public).unwrap();
    let x = x["x"].as_str().unwrap();
    for secret in [public.as_bytes(), x.as_bytes(), &BASE64URL_NOPAD.decode(x.as_bytes()).unwrap()] {
        let signed = format!("{}.{body}", encode(&json!({ "alg": "HS256", "kid": kid })));
        let mac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), signed.as_bytes());
        bad.push(("HS256", format!("{signed}.{}", BASE64URL_NOPAD.encode(mac.as_ref()))));
    }
    // A link of a mail.
    let user = Some(claims["sub"].as_str().unwrap().to_owned());
    let mail =
        EmailToken { email: "ann@example.com".to_owned(), user_id: user, purpose: Purpose::VerifyEmail };
    let hour = jiff::SignedDuration::from_hours(1);
    bad.push(("an e-mail token", mail.sign(app.app.auth().secrets(), app.app.world().now(), hour)));
    // Somebody else's claims under our signature.
    let signature = token.rsplit_once('.').unwrap().1;
    let other = encode(&Value::Object(changed("sub", json!("nobody"))));
    bad.push(("changed", format!("{}.{other}.{signature}", encode(&Value::Object(header)))));
    for (what, token) in bad {
        assert_eq!(opens(&app, &token).await, "401 invalid_credential", "{what}: {token}");
    }
    let key = [("x-api-key", token.as_str())];
    assert_eq!(code(&app.get(Who::Headers(&key), "/api/v1/notes").await), "401 invalid_credential");
    // A Node server beside this one does not name the session.
    let (kid, node) = self::key(&app).await;
    assert_eq!(opens(&app, &node.sign(&kid, &without("sid"))).await, "200 ");
    app.close().await;
}

#[tokio::test]
async fn a_token_ends_with_its_session_on_every_instance() {
    let app = TestApp::with(&[NOTES]).await;
    let other = TestApp::beside(&app).await;
    let ann = signed_up(&app, "ann").await;
    let token = token_of(&ann).await;
    assert_eq!(
        (opens(&app, &token).await, opens(&other, &token).await),
        ("200 ".to_owned(), "200 ".to_owned())
    );
    let _ = ann.post("/sign-out", json!({})).await.expect(200);
    for app in [&app, &other] {
        assert_eq!(opens(app, &token).await, "401 invalid_credential");
    }
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn who_is_banned_deleted_or_demoted_is_so_with_a_token_too() {
    let app = TestApp::with(&[NOTES, PRICES]).await;
    let other = TestApp::beside(&app).await;
    let ann = signed_up(&app, "ann").await;
    app.database.sql(r#"UPDATE public."user" SET role = 'admin'"#).await;
    let token = token_of(&ann).await;
    assert_eq!(part(&token, 1)["role"], "admin");
    assert_eq!(with_token(&other, &token, "POST", "/api/v1/prices").await.status, 201);
    app.database.sql(r#"UPDATE public."user" SET role = 'member'"#).await;
    assert_eq!(code(&with_token(&other, &token, "POST", "/api/v1/prices").await), "403 admin_only");

    app.database.sql(r#"UPDATE public."user" SET banned = true"#).await;
    for app in [&app, &other] {
        assert_eq!(opens(app, &token).await, "401 invalid_credential");
    }
    app.database.sql(r#"UPDATE public."user" SET "banExpires" = now() - interval '1 minute'"#).await;
    assert_eq!(opens(&other, &token).await, "200 ");
    app.database.sql(r#"UPDATE public.session SET "expiresAt" = now()"#).await;
    assert_eq!(opens(&other, &token).await, "401 invalid_credential");
    app.database.sql(r#"DELETE FROM public."user""#).await;
    assert_eq!(opens(&other, &token).await, "401 invalid_credential");
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn many_who_need_the_first_key_at_once_agree_on_one() {
    let app = TestApp::with(&[NOTES]).await;
    let other = TestApp::beside(&app).await;
    let ann = signed_up(&app, "ann").await;
    let cookie = ann.cookie_header();
    let headers = [("cookie", cookie.as_str())];
    let asked =
        [&app, &other].repeat(4).into_iter().map(|app| app.get(Who::Headers(&headers), "/api/auth/token"));
    let tokens = futures_util::future::join_all(asked).await;
    for answer in tokens {
        let token = answer.expect(200).json()["token"].as_str().unwrap().to_owned();
        assert_eq!(opens(&other, &token).await, "200 ");
    }
    assert_eq!(app.database.column("SELECT count(*)::text FROM public.jwks").await, ["1"]);
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn keys_rotate_and_old_tokens_are_believed_for_a_while() {
    let app = TestApp::with_options(&[NOTES], ServerOptions::default(), |options| {
        let settings = &mut options.auth.as_mut().unwrap().settings;
        settings.jwt_rotation = Some(std::time::Duration::from_secs(86_400));
    })
    .await;
    let ann = signed_up(&app, "ann").await;
    let kid = |token: &str| part(token, 0)["kid"].as_str().unwrap().to_owned();
    let first = token_of(&ann).await;
    assert_eq!(kid(&first), kid(&token_of(&ann).await));
    let lasts = r#"SELECT ("expiresAt" - "createdAt")::text FROM public.jwks"#;
    assert_eq!(app.database.column(lasts).await, ["1 day"]);
    app.database.sql(r#"UPDATE public.jwks SET "createdAt" = now() - interval '2 days', "expiresAt" = now() - interval '1 day'"#).await;
    let second = token_of(&ann).await;
    assert_ne!(kid(&first), kid(&second));
    assert_eq!(opens(&app, &first).await, "200 ");
    assert_eq!(app.browser().get("/jwks").await.json()["keys"].as_array().map(Vec::len), Some(2));

    // Beyond its grace, and after it was deleted, a key opens nothing.
    let old = format!(
        r#"UPDATE public.jwks SET "expiresAt" = now() - interval '31 days' WHERE id = '{}'"#,
        kid(&first)
    );
    app.database.sql(&old).await;
    assert_eq!(opens(&app, &first).await, "401 invalid_credential");
    assert_eq!(app.browser().get("/jwks").await.json()["keys"].as_array().map(Vec::len), Some(1));
    app.database.sql("DELETE FROM public.jwks").await;
    assert_eq!(opens(&app, &second).await, "401 invalid_credential");
    assert_eq!(opens(&app, &token_of(&ann).await).await, "200 ");
    app.close().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_read_stops_nobody() {
    let app = TestApp::with(&[NOTES]).await;
    let ann = signed_up(&app, "ann").await;
    let before = token_of(&ann).await;
    // As after a change of the secret that forgot the older one.
    app.database.sql(r#"UPDATE public.jwks SET "privateKey" = '"00"'"#).await;
    assert!(ann.get("/get-session").await.expect(200).header("set-auth-jwt").is_some());
    assert_eq!(opens(&app, &before).await, "200 ", "its public half is still good");
    assert_eq!(opens(&app, &token_of(&ann).await).await, "200 ");
    assert_eq!(app.database.column("SELECT count(*)::text FROM public.jwks").await, ["2"]);
    let keys = app.browser().get("/jwks").await;
    assert!(!keys.text.contains("\"d\""), "{}", keys.text);
    app.close().await;
}
