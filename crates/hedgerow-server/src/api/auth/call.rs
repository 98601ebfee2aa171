//! One request to sign-in: what was sent, who sent it, and the cookies that go back.
//!
//! Always holds: a handler gets a call only after its origin was checked; a request with cookies that changes something comes from
//! an origin that is trusted; no address that a browser will be sent to leaves what is trusted.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::auth::origins::Target;
use hedgerow::auth::refusal::{self, Refusal};
use hedgerow::auth::sessions::{self, Current};
use hedgerow::auth::settings::Plugin;
use hedgerow::auth::sign_in::Remember;
use hedgerow::auth::store::session::Session;
use hedgerow::auth::{Client, signed};
use hedgerow::rate_limit::{Counted, Tier};
use hedgerow::{App, Caller, Error, SignedIn, UserId};
use http_body_util::BodyExt;
use serde_json::{Map, Value};

use super::answer::{Refused, refuse};
use super::body::{Fields, Shape};
use super::cookies::{self, DONT_REMEMBER, Keep, SESSION, SESSION_DATA};
use crate::limit;
use crate::middleware::Facts;
use crate::peer::address_of;
use crate::service::Service;

/// Larger bodies have no business here.
const BODY_LIMIT: usize = 64 << 10;
/// So much is read of one that is too large, before the connection ends.
const DROPPED: usize = 8 << 20;

/// One request.
pub(super) struct Call {
    pub(super) app: App,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    body: Option<Value>,
    client: Client,
    /// `Set-Cookie` lines of the answer, in order.
    cookies: Vec<String>,
    /// The signed token that the answer gives.
    given: Option<String>,
    extra: Vec<(HeaderName, HeaderValue)>,
    /// Headers of the answer that pages of other origins may read.
    exposed: Vec<&'static str>,
    facts: Facts,
}

impl FromRequest<Service> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Response> {
        let app = service.app.clone();
        let (parts, body) = request.into_parts();
        let address = address_of(service, &parts.headers, &parts.extensions);
        let path = parts.uri.path().trim_start_matches("/api/auth").to_owned();
        if let Some(throttle) = app.auth().throttle()
            && let Err(seconds) = throttle.request(address, &path, app.world().now())
        {
            return Err(refuse(&Refusal::too_many(seconds)));
        }
        if let Some(limits) = app.rate_limits()
            && let Err(exceeded) = limits.count(Tier::Auth, &[Counted::Address(address)]).await
        {
            return Err(refuse(&Refusal::too_many(limit::seconds(exceeded.retry_after))));
        }
        if plugin_of(&path).is_some_and(|plugin| !app.auth().has(plugin)) {
            return Err(StatusCode::NOT_FOUND.into_response());
        }
        let bytes = read_bytes(body).await.map_err(|refusal| refuse(&refusal))?;
        let body = read_body(&parts, &path, &bytes).map_err(|refusal| refuse(&refusal))?;
        let query = parts.uri.query().unwrap_or_default();
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        if query.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(refuse(&Refusal::validation("[query] Invalid input: a text cannot contain U+0000")));
        }
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let client = Client {
            ip_address: address.map(|address| address.to_string()).unwrap_or_default(),
            user_agent: user_agent.unwrap_or_default().chars().take(512).collect(),
        };
        let call = Self {
            app,
            headers: parts.headers,
            query,
            body,
            client,
            cookies: Vec::new(),
            given: None,
            extra: Vec::new(),
            exposed: Vec::new(),
            facts: Facts::of(&parts.extensions),
        };
        call.check_origin(&parts.method, &path).map_err(|refusal| refuse(&refusal))?;
        Ok(call)
    }
}

/// The body's bytes. What is too much is read and dropped for a while: who is still sending would not see the answer.
async fn read_bytes(mut body: Body) -> Result<Vec<u8>, Refusal> {
    let (mut bytes, mut seen) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| refusal::INVALID_JSON)?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen > DROPPED {
            break;
        }
        if seen <= BODY_LIMIT {
            bytes.extend_from_slice(&data);
        }
    }
    if seen > BODY_LIMIT { Err(refusal::PAYLOAD_TOO_LARGE) } else { Ok(bytes) }
}

/// Paths by their beginning, and the plugin without which there is nothing.
const PLUGINS: &[(&str, Plugin)] = &[
    ("/two-factor/", Plugin::TwoFactor),
    ("/sign-in/username", Plugin::Username),
    ("/is-username-available", Plugin::Username),
    ("/sign-in/magic-link", Plugin::MagicLink),
    ("/magic-link/", Plugin::MagicLink),
    ("/sign-in/email-otp", Plugin::EmailOtp),
    ("/email-otp/", Plugin::EmailOtp),
    ("/forget-password/email-otp", Plugin::EmailOtp),
    ("/token", Plugin::Jwt),
    ("/jwks", Plugin::Jwt),
    ("/admin/", Plugin::Admin),
];

fn plugin_of(path: &str) -> Option<Plugin> {
    PLUGINS.iter().find(|(start, _)| path.starts_with(start)).map(|(_, plugin)| *plugin)
}

/// The body, if there is one.
fn read_body(parts: &Parts, path: &str, bytes: &[u8]) -> Result<Option<Value>, Refusal> {
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(None);
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("unreadable"));
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let takes_forms = ["/sign-in/", "/sign-up/", "/callback/"].iter().any(|start| path.starts_with(start));
    match essence.as_str() {
        "application/json" | "" => {}
        "application/x-www-form-urlencoded" if takes_forms => {
            let mut object = Map::new();
            for (name, value) in url::form_urlencoded::parse(bytes) {
                object.entry(name).or_insert_with(|| Value::String(value.into_owned()));
            }
            return Ok(Some(Value::Object(object)));
        }
        _ => {
            let allowed = if takes_forms {
                "application/x-www-form-urlencoded, application/json"
            } else {
                "application/json"
            };
            let found = kind.unwrap_or_default();
            return Err(Refusal {
                message: Some(
                    format!("Content-Type \"{found}\" is not allowed. Allowed types: {allowed}").into(),
                ),
                ..refusal::UNSUPPORTED_MEDIA_TYPE
            });
        }
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(bytes).map(Some).map_err(|_| refusal::INVALID_JSON)
}

impl Call {
    /// What was sent, to be looked at field by field.
    pub(super) fn fields(&self, shape: Shape) -> Fields<'_> {
        Fields::of(self.body.as_ref(), shape)
    }

    /// The first parameter of that name in the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All parameters of that name in the query.
    pub(super) fn queries(&self, name: &str) -> Vec<String> {
        self.query.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
    }

    /// A parameter that must be there.
    pub(super) fn required_query(&self, name: &str) -> Result<&str, Refusal> {
        self.query(name).ok_or_else(|| {
            Refusal::validation(format!("[query.{name}] Invalid input: expected string, received undefined"))
        })
    }

    /// Where the browser is sent in the end, which [`Self::check_origin`] has looked at.
    pub(super) fn target(&self, text: Option<&str>) -> Option<Target> {
        self.app.auth().origins().target(text?)
    }

    /// From where it comes.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The value of one of our cookies, if its signature is ours.
    pub(super) fn cookie(&self, own: &str) -> Option<String> {
        cookies::get(&self.app, &self.headers, own)
    }

    /// Whether the browser was told to forget the session when it is closed.
    pub(super) fn remember(&self) -> Remember {
        if self.cookie(DONT_REMEMBER).is_some() { Remember::No } else { Remember::Yes }
    }

    /// The token of the request: in `Authorization`, else in the cookie.
    pub(super) fn token(&self) -> Option<String> {
        if self.app.auth().has(Plugin::Bearer)
            && let Some(token) = bearer_token(&self.app, &self.headers)
        {
            return Some(token);
        }
        match session_cookie(&self.app, &self.headers) {
            SessionCookie::Token(token) => Some(token),
            SessionCookie::None | SessionCookie::Forged => None,
        }
    }

    /// Whether the browser holds a session cookie that was once ours.
    pub(super) fn has_session_cookie(&self) -> bool {
        matches!(session_cookie(&self.app, &self.headers), SessionCookie::Token(_))
    }

    /// Who asks, if anybody; a session that is due is prolonged, and its cookie goes back.
    pub(super) async fn find_session(&mut self) -> Result<Option<Current>, Error> {
        let Some(token) = self.token() else { return Ok(None) };
        let Some(mut current) = sessions::find(&self.app, &token).await? else { return Ok(None) };
        self.acts(&current.session.user_id);
        let remember = self.remember();
        if sessions::refresh(&self.app, &mut current, remember).await? {
            self.give_session(&current.session, remember);
        }
        Ok(Some(current))
    }

    /// Who asks; somebody must.
    pub(super) async fn session(&mut self) -> Result<Current, Refused> {
        Ok(self.find_session().await?.ok_or(refusal::UNAUTHORIZED)?)
    }

    /// Says who asks, or who just proved who they are, to what is done around the request.
    fn acts(&self, id: &UserId) {
        let user = SignedIn { id: id.clone(), is_admin: false, scopes: None, key: None };
        self.facts.asked_by(&Caller::User(user));
    }

    /// The answer gives this session to the browser.
    pub(super) fn give_session(&mut self, session: &Session, remember: Remember) {
        self.acts(&session.user_id);
        let keep = match remember {
            Remember::Yes => Keep::Seconds(self.app.auth().settings().session_expires_in.as_secs()),
            Remember::No => Keep::UntilClosed,
        };
        self.set_cookie(SESSION, &session.token, keep);
        if remember == Remember::No {
            self.set_cookie(DONT_REMEMBER, "true", Keep::UntilClosed);
        } else if self.cookie(DONT_REMEMBER).is_some() {
            // Of an earlier session.
            self.set_cookie(DONT_REMEMBER, "", Keep::Not);
        }
        self.given = Some(signed::sign(self.app.auth().secrets(), &session.token));
    }

    /// The answer takes the session's cookies away.
    pub(super) fn take_session(&mut self) {
        self.cookies.extend(expired_cookies(&self.app));
    }

    /// The answer sets this cookie.
    pub(super) fn set_cookie(&mut self, own: &str, value: &str, keep: Keep) {
        let line = cookies::set(&self.app, own, value, keep);
        if !self.cookies.contains(&line) {
            self.cookies.push(line);
        }
    }

    /// The answer has this header.
    pub(super) fn set_header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.extra.push((HeaderName::from_static(name), value));
        }
    }

    /// The answer has this header, for pages of other origins too.
    pub(super) fn expose_header(&mut self, name: &'static str, value: &str) {
        self.set_header(name, value);
        self.exposed.push(name);
    }

    /// The answer, with everything that was gathered for it.
    pub(super) fn finish(mut self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        for line in &self.cookies {
            if let Ok(value) = HeaderValue::from_str(line) {
                headers.append(header::SET_COOKIE, value);
            }
        }
        if self.app.auth().has(Plugin::Bearer)
            && let Some(given) = &self.given
            && let Ok(value) = HeaderValue::from_str(given)
        {
            headers.insert("set-auth-token", value);
            self.exposed.insert(0, "set-auth-token");
        }
        if let Ok(names) = HeaderValue::from_str(&self.exposed.join(", "))
            && !names.is_empty()
        {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
        headers.extend(self.extra);
        response
    }

    /// The answer is this document.
    pub(super) fn json(self, document: &Value) -> Response {
        let response = axum::Json(document).into_response();
        self.finish(response)
    }

    /// The browser is sent there.
    pub(super) fn redirect(self, to: &str) -> Response {
        self.finish(super::answer::redirect(to))
    }

    /// Who sends this request, and where it wants a browser to go.
    fn check_origin(&self, method: &Method, path: &str) -> Result<(), Refusal> {
        let header = |name: &str| self.headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
        // Providers post their answers; such a request is only sent on, by GET.
        let is_answer = path.starts_with("/callback/");
        let changes = !is_answer && !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes {
            let has_cookies = self.headers.contains_key(header::COOKIE);
            let enters = path.starts_with("/sign-in/") || path.starts_with("/sign-up/");
            let is_fetch = ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"]
                .into_iter()
                .any(|name| self.headers.contains_key(name));
            if enters && !has_cookies {
                let navigates = header("sec-fetch-mode") == Some("navigate");
                if header("sec-fetch-site") == Some("cross-site") && navigates {
                    return Err(refusal::CROSS_SITE_NAVIGATION_LOGIN_BLOCKED);
                }
                if is_fetch || header("origin").is_some() || header("referer").is_some() {
                    is_trusted_origin(&self.app, &self.headers)?;
                }
            } else if has_cookies {
                is_trusted_origin(&self.app, &self.headers)?;
            }
        }
        let body = |name: &str| self.body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
        for (name, refused) in [
            ("callbackURL", refusal::INVALID_CALLBACK_URL),
            ("redirectTo", refusal::INVALID_REDIRECT_URL),
            ("errorCallbackURL", refusal::INVALID_ERROR_CALLBACK_URL),
            ("newUserCallbackURL", refusal::INVALID_NEW_USER_CALLBACK_URL),
        ] {
            for text in [body(name), self.query(name)].into_iter().flatten() {
                // Links of mails that lead nowhere in the end carry an empty text.
                if !text.is_empty() && self.target(Some(text)).is_none() {
                    return Err(refused);
                }
            }
        }
        Ok(())
    }
}

/// Insists on an `Origin`, or else a `Referer`, that is trusted.
///
/// # Errors
/// `MISSING_OR_NULL_ORIGIN`, `INVALID_ORIGIN`
pub(crate) fn is_trusted_origin(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let origin = header("origin").or_else(|| header("referer"));
    let Some(origin) = origin.filter(|origin| !origin.is_empty()) else {
        return Err(refusal::MISSING_OR_NULL_ORIGIN);
    };
    if origin == "null" {
        // A page without an origin of its own, which the browser vouches for.
        let same = header("sec-fetch-site") == Some("same-origin");
        let base = app.auth().base_url();
        let host = base.port().map_or_else(
            || base.host_str().unwrap_or_default().to_owned(),
            |port| format!("{}:{port}", base.host_str().unwrap_or_default()),
        );
        return if same && header("host") == Some(&host) {
            Ok(())
        } else {
            Err(refusal::MISSING_OR_NULL_ORIGIN)
        };
    }
    if app.auth().origins().trusts(origin) { Ok(()) } else { Err(refusal::INVALID_ORIGIN) }
}

/// What a request's session cookie says.
pub(crate) enum SessionCookie {
    /// There is none.
    None,
    /// Its signature is not ours.
    Forged,
    /// The session's token.
    Token(String),
}

/// The session cookie of a request.
pub(crate) fn session_cookie(app: &App, headers: &HeaderMap) -> SessionCookie {
    match cookies::raw(headers, &cookies::name(app, SESSION)) {
        None | Some("") => SessionCookie::None,
        Some(_) => cookies::get(app, headers, SESSION).map_or(SessionCookie::Forged, SessionCookie::Token),
    }
}

/// `Set-Cookie` lines that take the session's cookies away.
pub(crate) fn expired_cookies(app: &App) -> Vec<String> {
    [SESSION, SESSION_DATA, DONT_REMEMBER].map(|own| cookies::set(app, own, "", Keep::Not)).into()
}

/// The session token in `Authorization: Bearer`, in clear or signed.
fn bearer_token(app: &App, headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let token = token.trim();
    if token.contains('.') {
        signed::from_cookie(app.auth().secrets(), token)
    } else {
        Some(token.to_owned())
    }
}
