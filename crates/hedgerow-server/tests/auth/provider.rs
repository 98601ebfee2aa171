//! A sign-in provider on loopback: GitLab, GitHub and OpenID Connect at once, with real keys, that signs in whomever a test
//! names, and misbehaves when it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hedgerow::World;
use hedgerow::auth::jwt::ed25519::SigningKey;
use hedgerow::auth::sealed;
use hedgerow::auth::social::settings::{ProviderKind, ProviderSettings};
use hedgerow::token;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

pub(crate) const CLIENT: &str = "client-1";
pub(crate) const SECRET: &str = "client-secret-1";

/// Somebody at the provider.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: u32,
    pub(crate) email: &'static str,
    pub(crate) verified: bool,
}

pub(crate) fn person(id: u32, email: &'static str, verified: bool) -> Person {
    Person { id, email, verified }
}

/// What the token endpoint does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Fine,
    /// An error.
    Broken,
    /// An error that says 200, as GitHub does.
    Refusing,
    /// Never answers.
    Silent,
    /// Answers a byte now and then, for ever.
    Dripping,
    /// Two megabytes.
    Huge,
    /// No JSON.
    Html,
    /// Sends elsewhere.
    Redirecting(u16, String),
}

struct Grant {
    redirect: String,
    challenge: String,
    nonce: Option<String>,
    person: Person,
}

pub(crate) struct Inner {
    pub(crate) mood: Mood,
    /// Members of the next ID tokens, in place of what they should be; null takes one away.
    pub(crate) claims: Value,
    /// What becomes of an ID token at last.
    pub(crate) forge: fn(&str) -> String,
    /// Members of the discovery document, likewise.
    pub(crate) discovery: Value,
    /// How long access tokens last.
    pub(crate) lasts: i64,
    pub(crate) key: SigningKey,
    pub(crate) kid: String,
    /// Requests by path.
    pub(crate) asked: BTreeMap<String, usize>,
    grants: BTreeMap<String, Grant>,
    people: BTreeMap<String, Person>,
    /// Refresh tokens that work, each once.
    refreshes: BTreeMap<String, Person>,
    address: SocketAddr,
    world: World,
}

#[derive(Clone)]
pub(crate) struct Provider {
    inner: Arc<Mutex<Inner>>,
    address: SocketAddr,
    #[expect(dead_code, reason = "the server ends with the runtime")]
    server: Arc<JoinHandle<()>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let world = World::default();
        let inner = Arc::new(Mutex::new(Inner {
            mood: Mood::Fine,
            claims: json!({}),
            forge: str::to_owned,
            discovery: json!({}),
            lasts: 7200,
            key: SigningKey::generate(&world),
            kid: "key-1".to_owned(),
            asked: BTreeMap::new(),
            grants: BTreeMap::new(),
            people: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            address,
            world,
        }));
        let router = Router::new()
            .route("/oauth/token", post(give_tokens))
            .route("/login/oauth/access_token", post(give_tokens))
            .route("/token", post(give_tokens))
            .route("/api/v4/user", get(user))
            .route("/api/v3/user", get(user))
            .route("/api/v3/user/emails", get(emails))
            .route("/userinfo", get(user))
            .route("/jwks", get(keys))
            .route("/.well-known/openid-configuration", get(discovery))
            .with_state(inner.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { inner, address, server: Arc::new(server) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As a configuration would name it.
    pub(crate) fn settings(&self, name: &str, kind: ProviderKind) -> ProviderSettings {
        ProviderSettings { issuer: Some(self.url()), ..ProviderSettings::new(name, kind, CLIENT, SECRET) }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut lock(&self.inner))
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        self.with(|inner| inner.asked.get(path).copied().unwrap_or_default())
    }

    /// What somebody's browser does there: it comes back to this path.
    pub(crate) fn visit(&self, authorization: &str, person: Person) -> String {
        let url: url::Url = authorization.parse().expect("an address");
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["client_id"], CLIENT);
        assert_eq!(
            (query["response_type"].as_str(), query["code_challenge_method"].as_str()),
            ("code", "S256")
        );
        let redirect: url::Url = query["redirect_uri"].parse().expect("an address");
        let code = self.with(|inner| {
            let code = token::letters::<24>(&inner.world);
            let grant = Grant {
                redirect: query["redirect_uri"].clone(),
                challenge: query["code_challenge"].clone(),
                nonce: query.get("nonce").cloned(),
                person,
            };
            inner.grants.insert(code.clone(), grant);
            code
        });
        format!("{}?code={code}&state={}", redirect.path(), query["state"])
    }

    /// An ID token that a front end got for itself.
    pub(crate) fn id_token(&self, person: &Person, nonce: Option<&str>) -> String {
        self.with(|inner| id_token(inner, person, nonce))
    }

    /// New keys, and the old ones are gone.
    pub(crate) fn rotate(&self, kid: &str) {
        self.with(|inner| {
            inner.key = SigningKey::generate(&inner.world);
            inner.kid = kid.to_owned();
        });
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().expect("no test panics here")
}

type Shared = State<Arc<Mutex<Inner>>>;

fn note(inner: &mut Inner, uri: &Uri) {
    *inner.asked.entry(uri.path().to_owned()).or_default() += 1;
}

fn changed(mut document: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => {
                document.as_object_mut().expect("an object").remove(name);
            }
            value => document[name] = value.clone(),
        }
    }
    document
}

fn answer(document: Value) -> Response {
    axum::Json(document).into_response()
}

fn id_token(inner: &Inner, person: &Person, nonce: Option<&str>) -> String {
    let now = inner.world.now().as_second();
    let mut claims = json!({
        "iss": format!("http://{}", inner.address),
        "aud": CLIENT,
        "sub": format!("sub-{}", person.id),
        "email": person.email,
        "email_verified": person.verified,
        "name": format!("Person {}", person.id),
        "iat": now,
        "exp": now + 600,
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    let claims: Map<String, Value> = changed(claims, &inner.claims).as_object().expect("an object").clone();
    (inner.forge)(&inner.key.sign(&inner.kid, &claims))
}

async fn give_tokens(State(inner): Shared, uri: Uri, body: String) -> Response {
    let mood = {
        let mut inner = lock(&inner);
        note(&mut inner, &uri);
        inner.mood.clone()
    };
    match mood {
        Mood::Fine => {}
        Mood::Broken => return (StatusCode::BAD_GATEWAY, "broken").into_response(),
        Mood::Refusing => return answer(json!({ "error": "bad_verification_code", "access_token": "x" })),
        Mood::Silent => return std::future::pending().await,
        Mood::Dripping => {
            // A header promises more than will ever come, and so the answer never ends.
            let first =
                futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"{"))]);
            let never = futures_util::stream::pending();
            return Response::new(Body::from_stream(futures_util::StreamExt::chain(first, never)));
        }
        Mood::Huge => return answer(json!({ "access_token": "x".repeat(2 << 20) })),
        Mood::Html => return "<html>".into_response(),
        Mood::Redirecting(status, to) => {
            let status = StatusCode::from_u16(status).expect("a status");
            return (status, [(header::LOCATION, to)]).into_response();
        }
    }
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let said = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let refused =
        || (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": "invalid_grant" }))).into_response();
    if said("client_id") != CLIENT || said("client_secret") != SECRET {
        return refused();
    }
    let mut inner = lock(&inner);
    let mut nonce = None;
    let person = match said("grant_type") {
        "authorization_code" => {
            let Some(grant) = inner.grants.remove(said("code")) else { return refused() };
            // SHA-256 in base64url without padding: the form of PKCE too.
            let challenge = sealed::digest(said("code_verifier"));
            if challenge != grant.challenge || said("redirect_uri") != grant.redirect {
                return refused();
            }
            nonce = grant.nonce;
            grant.person
        }
        "refresh_token" => match inner.refreshes.remove(said("refresh_token")) {
            Some(person) => person,
            None => return refused(),
        },
        _ => return refused(),
    };
    let access = format!("access-{}-{}", person.id, token::letters::<8>(&inner.world));
    let refresh = format!("refresh-{}-{}", person.id, token::letters::<8>(&inner.world));
    inner.people.insert(access.clone(), person.clone());
    inner.refreshes.insert(refresh.clone(), person.clone());
    let mut document = json!({
        "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": inner.lasts, "scope": "read_user",
    });
    if uri.path() == "/token" {
        document["id_token"] = json!(id_token(&inner, &person, nonce.as_deref()));
    }
    answer(document)
}

fn asker(inner: &Inner, headers: &HeaderMap) -> Option<Person> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    inner.people.get(token).cloned()
}

async fn user(State(inner): Shared, uri: Uri, headers: HeaderMap) -> Response {
    let mut inner = lock(&inner);
    note(&mut inner, &uri);
    let Some(person) = asker(&inner, &headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let Person { id, email, verified } = person;
    answer(match uri.path() {
        "/api/v4/user" => json!({
            "id": id, "name": format!("GL {id}"), "username": format!("gl{id}"), "email": email, "email_verified": verified,
            "state": "active", "locked": false, "avatar_url": "https://img.test/gl.png",
        }),
        "/api/v3/user" => json!({ "id": id, "login": format!("gh{id}"), "name": null, "email": null }),
        _ => {
            json!({ "sub": format!("sub-{id}"), "email": email, "email_verified": verified, "name": format!("Info {id}") })
        }
    })
}

async fn emails(State(inner): Shared, uri: Uri, headers: HeaderMap) -> Response {
    let mut inner = lock(&inner);
    note(&mut inner, &uri);
    let Some(person) = asker(&inner, &headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    answer(json!([
        { "email": "other@example.net", "primary": false, "verified": true },
        { "email": person.email, "primary": true, "verified": person.verified },
    ]))
}

async fn keys(State(inner): Shared, uri: Uri) -> Response {
    let mut inner = lock(&inner);
    note(&mut inner, &uri);
    let mut key: Value = serde_json::from_str(&inner.key.public_jwk()).expect("a key");
    key["kid"] = json!(inner.kid);
    key["use"] = json!("sig");
    answer(json!({ "keys": [key] }))
}

async fn discovery(State(inner): Shared, uri: Uri) -> Response {
    let mut inner = lock(&inner);
    note(&mut inner, &uri);
    let own = format!("http://{}", inner.address);
    let document = json!({
        "issuer": own,
        "authorization_endpoint": format!("{own}/authorize"),
        "token_endpoint": format!("{own}/token"),
        "userinfo_endpoint": format!("{own}/userinfo"),
        "jwks_uri": format!("{own}/jwks"),
        "id_token_signing_alg_values_supported": ["EdDSA"],
    });
    answer(changed(document, &inner.discovery))
}
