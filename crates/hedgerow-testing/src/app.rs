//! An application on a database of its own, asked over HTTP like any other.

use std::net::SocketAddr;
use std::time::Duration;

use hedgerow::api_keys::{self, NewApiKey};
use hedgerow::auth::AuthOptions;
use hedgerow::auth::settings::AuthSettings;
use hedgerow::mail::ReceivedMail;
use hedgerow::schema::{EntityFile, Schema};
use hedgerow::users::{self, NewUser, User};
use hedgerow::{App, AppOptions};
use hedgerow_server::{Server, ServerOptions, router};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cluster::TestDatabase;

/// A listening application.
pub struct TestApp {
    /// The application itself.
    pub app: App,
    /// Its database.
    pub database: TestDatabase,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// A user with a key.
#[derive(Clone, Debug)]
pub struct TestUser {
    /// The user.
    pub user: User,
    /// A key with all scopes, or those asked for.
    pub key: String,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// Nobody.
    Anyone,
    /// A user, by key.
    User(&'a TestUser),
    /// Whoever these headers are.
    Headers(&'a [(&'a str, &'a str)]),
}

impl<'a> From<&'a TestUser> for Who<'a> {
    fn from(user: &'a TestUser) -> Self {
        Self::User(user)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Insists on a status.
    ///
    /// # Panics
    /// When it is another.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// `code` of a problem, and for input the fields with their codes: `invalid_input [title: required]`.
    pub fn problem(&self) -> String {
        let document = self.json();
        let mut text = format!("{} {}", self.status, document["code"].as_str().unwrap_or("no code"));
        if let Some(errors) = document["errors"].as_array() {
            let word = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
            let list: Vec<_> = errors
                .iter()
                .map(|error| format!("{}: {}", word(error, "field"), word(error, "code")))
                .collect();
            text.push_str(&format!(" [{}]", list.join(", ")));
        }
        text
    }
}

/// Entity files by name; the text needs no `name` line.
pub fn schema_of(entities: &[(&str, &str)]) -> Schema {
    let files: Vec<EntityFile> = entities
        .iter()
        .map(|(name, text)| EntityFile {
            name: format!("entities/{name}.toml"),
            text: format!("name = \"{name}\"\n{text}"),
        })
        .collect();
    Schema::parse(&files).unwrap_or_else(|problems| panic!("{problems}"))
}

impl TestApp {
    /// An application with these entities (name and the rest of the file), listening on a free port.
    pub async fn with(entities: &[(&str, &str)]) -> Self {
        Self::with_options(entities, ServerOptions::default(), |_| {}).await
    }

    /// The same with other options.
    pub async fn with_options(
        entities: &[(&str, &str)],
        server: ServerOptions,
        change: impl FnOnce(&mut AppOptions),
    ) -> Self {
        let schema = schema_of(entities);
        let database = TestDatabase::with(&schema).await;
        Self::on(database, schema, server, change).await
    }

    /// A second instance on the same database, with the same secret and settings: people reach both at one address.
    pub async fn beside(other: &Self) -> Self {
        Self::beside_with(other, |_| {}).await
    }

    /// The same with other options.
    pub async fn beside_with(other: &Self, change: impl FnOnce(&mut AppOptions)) -> Self {
        let secrets = other.app.auth().secrets().clone();
        let mut settings = other.app.auth().settings().clone();
        settings.base_url = Some(other.app.auth().base_url().clone());
        let same = |options: &mut AppOptions| {
            if let Some(auth) = &mut options.auth {
                auth.secrets = secrets;
                auth.settings = settings;
            }
            change(options);
        };
        let (database, schema) = (other.database.shared(), (*other.app.schema()).clone());
        Self::on(database, schema, ServerOptions::default(), same).await
    }

    async fn on(
        database: TestDatabase,
        schema: Schema,
        server: ServerOptions,
        change: impl FnOnce(&mut AppOptions),
    ) -> Self {
        let mut options = AppOptions::new(database.logins.clone());
        options.pool.max_connections = 5;
        options.auth = Some(AuthOptions {
            settings: AuthSettings::development(),
            ..AuthOptions::for_itself(&options.world)
        });
        change(&mut options);
        let app = App::open(options, schema);
        let routes = router(app.clone(), server.clone());
        let listening = Server::bind("127.0.0.1", 0, routes).await.expect("a free port").with_limits(server);
        let address = listening.address();
        app.auth().listens_at(format!("http://{address}").parse().expect("a URL"));
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(listening.run(async {
            let _ = stopped.await;
        }));
        Self { app, database, address, stop: Some(stop), server: Some(server) }
    }

    /// A user with a key for everything.
    pub async fn user(&self, name: &str) -> TestUser {
        self.user_with(name, "member", &["*"]).await
    }

    /// A user with a role, and a key with these scopes.
    pub async fn user_with(&self, name: &str, role: &str, scopes: &[&str]) -> TestUser {
        let new = NewUser { email: format!("{name}@example.com"), name: None, role: Some(role.to_owned()) };
        let user = users::create(&self.app, &new).await.expect("a user");
        let key = self.key(&user, scopes).await;
        TestUser { user, key }
    }

    /// Another key.
    pub async fn key(&self, user: &User, scopes: &[&str]) -> String {
        let scopes = scopes.iter().map(|scope| scope.parse().expect("a scope")).collect();
        let new = NewApiKey { name: "test".to_owned(), scopes, ..NewApiKey::default() };
        api_keys::create(&self.app, user, &new).await.expect("a key").1.reveal().to_owned()
    }

    /// Where the application listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks.
    pub async fn get<'a>(&self, who: impl Into<Who<'a>>, path: &str) -> Answer {
        self.ask(who, "GET", path, None).await
    }

    /// Creates.
    pub async fn post<'a>(&self, who: impl Into<Who<'a>>, path: &str, body: Value) -> Answer {
        self.ask(who, "POST", path, Some(body.to_string())).await
    }

    /// Changes.
    pub async fn patch<'a>(&self, who: impl Into<Who<'a>>, path: &str, body: Value) -> Answer {
        self.ask(who, "PATCH", path, Some(body.to_string())).await
    }

    /// Replaces.
    pub async fn put<'a>(&self, who: impl Into<Who<'a>>, path: &str, body: Value) -> Answer {
        self.ask(who, "PUT", path, Some(body.to_string())).await
    }

    /// Deletes.
    pub async fn delete<'a>(&self, who: impl Into<Who<'a>>, path: &str) -> Answer {
        self.ask(who, "DELETE", path, None).await
    }

    /// Sends any request with further headers.
    pub async fn ask_with<'a>(
        &self,
        who: impl Into<Who<'a>>,
        method: &'static str,
        path: &str,
        body: Option<Value>,
        further: &[(&str, &str)],
    ) -> Answer {
        let bearer;
        let mut headers = match who.into() {
            Who::Anyone => Vec::new(),
            Who::User(user) => {
                bearer = format!("Bearer {}", user.key);
                vec![("authorization", bearer.as_str())]
            }
            Who::Headers(headers) => headers.to_vec(),
        };
        headers.extend_from_slice(further);
        self.ask(Who::Headers(&headers), method, path, body.map(|body| body.to_string())).await
    }

    /// Sends any request.
    pub async fn ask<'a>(
        &self,
        who: impl Into<Who<'a>>,
        method: &'static str,
        path: &str,
        body: Option<String>,
    ) -> Answer {
        let mut headers: Vec<(String, String)> = match who.into() {
            Who::Anyone => Vec::new(),
            Who::User(user) => vec![("authorization".to_owned(), format!("Bearer {}", user.key))],
            Who::Headers(headers) => {
                headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
            }
        };
        if body.is_some() && !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let url = format!("http://{}{path}", self.address);
        let asked = tokio::task::spawn_blocking(move || send(method, &url, &headers, body));
        asked.await.expect("the client does not panic")
    }

    /// The next mail to an address.
    ///
    /// # Panics
    /// When none comes.
    pub async fn mail_to(&self, address: &str) -> ReceivedMail {
        let mailbox = self.app.auth().mailer().memory().expect("mails stay in memory");
        let mail = mailbox.next_to(address, Duration::from_secs(20)).await;
        mail.unwrap_or_else(|| panic!("no mail to {address}"))
    }

    /// Waits until everything that is done after answers is done; then takes all mails.
    pub async fn all_mail(&self) -> Vec<ReceivedMail> {
        self.app.auth().later().settled().await;
        let mailer = self.app.auth().mailer();
        while mailer.waiting() > 0 {
            tokio::task::yield_now().await;
        }
        mailer.memory().expect("mails stay in memory").take_all()
    }

    /// Stops listening, waits for the end, and drops the database.
    pub async fn close(mut self) {
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            let _ = server.await;
        }
        self.app.close().await;
    }
}

fn send(method: &str, url: &str, headers: &[(String, String)], body: Option<String>) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .proxy(None)
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = match body {
        Some(body) => agent.run(request.body(body).expect("a request")),
        None => agent.run(request.body(()).expect("a request")),
    };
    let mut response = response.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
    let headers = response.headers().iter();
    let headers =
        headers.map(|(k, v)| (k.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect();
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().expect("a body of text");
    Answer { status, headers, text }
}
