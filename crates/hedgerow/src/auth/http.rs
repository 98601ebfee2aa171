//! Requests that leave this server, to the providers that the configuration names.
//!
//! Always holds: a name is resolved once, its addresses are looked at, and the connection goes to one of those that were
//! found good; no redirect is followed, no proxy asked; only TLS, except to a server on this computer that the
//! configuration names; an answer has a largest size, and all of it a deadline. Bodies are never logged, nor put in errors.

mod address;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Semaphore;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use url::{Host, Origin, Url};

pub use address::{Reach, may_reach};

/// How many requests are under way at once; each has a thread.
const AT_ONCE: usize = 16;
/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(2);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// The largest answer.
const LARGEST: u64 = 1 << 20;

/// Why there is no answer that could be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The address is none that is asked.
    #[error("{0} is not asked: only https, or a server on this computer that the settings name")]
    NotAsked(String),
    /// Everything the name resolves to is of a network that is not asked.
    #[error(
        "the name resolves to addresses of a private network only; if the server is meant to be there, say private_network = true"
    )]
    PrivateAddress,
    /// Too many requests are under way.
    #[error("too many requests to providers are under way; try again")]
    Busy,
    /// It took too long.
    #[error("no complete answer came in time")]
    TooSlow,
    /// The answer is larger than 1 MiB.
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
    /// The connection failed.
    #[error("the connection failed ({0})")]
    Connection(&'static str),
    /// The answer says no.
    #[error("the answer has the status {0}")]
    Status(u16),
    /// The answer is no JSON.
    #[error("the answer is no JSON")]
    NotJson,
}

/// What a set of addresses may be, as the configuration says.
#[derive(Clone, Debug)]
pub struct Network {
    /// The one server that may be on a network of one's own.
    own: Option<Origin>,
}

impl Network {
    /// Public servers with TLS.
    pub fn public() -> Self {
        Self { own: None }
    }

    /// Those, and the server of a URL that the configuration names. It is on a network of one's own where `reach` says so, and
    /// where it is written as an address.
    pub fn around(url: &Url, reach: Reach) -> Self {
        let is_written = match url.host() {
            Some(Host::Ipv4(address)) => !may_reach(address.into(), Reach::Public),
            Some(Host::Ipv6(address)) => !may_reach(address.into(), Reach::Public),
            Some(Host::Domain(_)) | None => is_this_computer(url),
        };
        Self { own: (reach == Reach::Private || is_written).then(|| url.origin()) }
    }

    /// An address that may be asked.
    ///
    /// # Errors
    /// [`HttpError::NotAsked`]
    pub fn place(&self, url: &Url) -> Result<Place, HttpError> {
        let is_own = self.own.as_ref().is_some_and(|own| *own == url.origin());
        let is_safe = url.scheme() == "https" || (is_own && url.scheme() == "http" && is_this_computer(url));
        if !is_safe || !url.has_host() || !url.username().is_empty() || url.password().is_some() {
            return Err(HttpError::NotAsked(format!(
                "{}://{}",
                url.scheme(),
                url.host_str().unwrap_or_default()
            )));
        }
        let mut url = url.clone();
        url.set_fragment(None);
        Ok(Place { url, reach: if is_own { Reach::Private } else { Reach::Public } })
    }
}

/// Whether the URL itself says that the server is on this computer.
pub fn is_this_computer(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An address that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    url: Url,
    reach: Reach,
}

impl Place {
    /// The address.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// Nothing; a GET.
    None,
    /// A POST of a form (`application/x-www-form-urlencoded`).
    Form(&'a [(&'a str, &'a str)]),
    /// A POST of JSON.
    Json(&'a Value),
}

/// In whose name.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// Nobody's.
    None,
    /// `Authorization: Bearer`
    Bearer(&'a SecretString),
    /// `Authorization: Basic`; name and password as RFC 6749, section 2.3.1, wants them.
    Basic(&'a str, &'a SecretString),
}

/// An answer that arrived whole.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    bytes: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.bytes.len())
    }
}

impl Answer {
    /// The JSON of an answer that says yes.
    ///
    /// # Errors
    /// [`HttpError::Status`], [`HttpError::NotJson`]
    pub fn json(&self) -> Result<Value, HttpError> {
        if !(200..300).contains(&self.status) {
            return Err(HttpError::Status(self.status));
        }
        serde_json::from_slice(&self.bytes).map_err(|_| HttpError::NotJson)
    }
}

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    public: ureq::Agent,
    private: ureq::Agent,
    room: Arc<Semaphore>,
    overall: Duration,
}

impl Outgoing {
    /// With a deadline for each request as a whole.
    pub fn new(overall: Duration) -> Self {
        let agent = |reach| {
            let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
            let config = ureq::Agent::config_builder()
                .timeout_connect(Some(CONNECT.min(overall)))
                .timeout_global(Some(overall))
                .max_redirects(0)
                .max_redirects_will_error(false)
                .http_status_as_error(false)
                .proxy(None)
                .user_agent("hedgerow")
                // Each request looks its address up, and looks at it.
                .max_idle_connections(0)
                .tls_config(tls)
                .build();
            ureq::Agent::with_parts(config, DefaultConnector::default(), Checked { reach })
        };
        Self {
            public: agent(Reach::Public),
            private: agent(Reach::Private),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            overall,
        }
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn ask(
        &self,
        place: &Place,
        credential: Credential<'_>,
        body: Body<'_>,
    ) -> Result<Answer, HttpError> {
        let turn = tokio::time::timeout(TURN, self.room.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(HttpError::Busy) };
        let broken = |_| HttpError::Connection("the request cannot be written");
        let mut request =
            ureq::http::Request::builder().uri(place.url.as_str()).header("accept", "application/json");
        match credential {
            Credential::None => {}
            Credential::Bearer(token) => {
                request = request.header("authorization", format!("Bearer {}", token.expose_secret()));
            }
            Credential::Basic(name, password) => {
                let form =
                    |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", form(name), form(password.expose_secret()));
                let pair = data_encoding::BASE64.encode(pair.as_bytes());
                request = request.header("authorization", format!("Basic {pair}"));
            }
        }
        let (method, kind, text) = match body {
            Body::None => ("GET", None, None),
            Body::Form(pairs) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(pairs);
                ("POST", Some("application/x-www-form-urlencoded"), Some(form.finish()))
            }
            Body::Json(value) => ("POST", Some("application/json"), Some(value.to_string())),
        };
        request = request.method(method);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let agent = match place.reach {
            Reach::Public => self.public.clone(),
            Reach::Private => self.private.clone(),
        };
        let asked = tokio::task::spawn_blocking(move || {
            let answer = match text {
                Some(text) => agent.run(request.body(text).map_err(broken)?),
                None => agent.run(request.body(()).map_err(broken)?),
            };
            let mut answer = answer.map_err(|error| meaning(&error))?;
            let status = answer.status().as_u16();
            let bytes = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
            drop(turn);
            Ok(Answer { status, bytes: bytes.map_err(|error| meaning(&error))? })
        });
        // The thread keeps the deadline itself; this is for a resolver that does not.
        match tokio::time::timeout(self.overall + CONNECT, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(HttpError::Connection("the request panicked")),
            Err(_) => Err(HttpError::TooSlow),
        }
    }
}

/// What happened, without a word of what was sent or came back.
fn meaning(error: &ureq::Error) -> HttpError {
    use std::io::ErrorKind;
    match error {
        ureq::Error::Timeout(_) => HttpError::TooSlow,
        ureq::Error::BodyExceedsLimit(_) => HttpError::TooLarge,
        ureq::Error::HostNotFound => HttpError::Connection("the name is not known"),
        ureq::Error::Io(error) => match error.kind() {
            _ if matches!(error.get_ref(), Some(inner) if inner.is::<NotThere>()) => {
                HttpError::PrivateAddress
            }
            ErrorKind::TimedOut | ErrorKind::WouldBlock => HttpError::TooSlow,
            ErrorKind::ConnectionRefused => HttpError::Connection("refused"),
            ErrorKind::InvalidData => HttpError::Connection("TLS"),
            _ => HttpError::Connection("lost"),
        },
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => HttpError::Connection("TLS"),
        ureq::Error::LargeResponseHeader(_, _) => HttpError::TooLarge,
        _ => HttpError::Connection("it speaks no HTTP"),
    }
}

/// Resolves names to addresses that may be asked; the connection goes to what this gives out.
#[derive(Debug)]
struct Checked {
    reach: Reach,
}

/// All addresses of a name are such that are not asked.
#[derive(Debug, thiserror::Error)]
#[error("every address is of a private network")]
struct NotThere;

impl Resolver for Checked {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let all = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut good = self.empty();
        for address in all.iter().filter(|address| may_reach(address.ip(), self.reach)) {
            good.push(*address);
        }
        if good.is_empty() {
            return Err(ureq::Error::Io(std::io::Error::other(NotThere)));
        }
        Ok(good)
    }
}
