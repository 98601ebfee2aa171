//! Who is asking. The only place that decides it.
//!
//! Always holds: a credential that is presented and not valid is an error, never "anonymous"; a browser's cookie changes something
//! only when the page that asks is of a trusted origin; every look-up asks the database, so what was revoked, banned or
//! changed counts with the next request.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use hedgerow::api_keys::{self, ApiKeySecret};
use hedgerow::auth::jwt::issued;
use hedgerow::auth::sessions;
use hedgerow::auth::settings::Plugin;
use hedgerow::{App, Caller, Error};

use crate::api::auth::{SessionCookie, expired_cookies, is_trusted_origin, session_cookie};
use crate::limit;
use crate::middleware::Facts;
use crate::respond::Failure;
use crate::service::Service;

/// The caller behind a request, who may go on: known to what is done around it, and within the limits on requests.
pub(crate) async fn admitted(service: &Service, parts: &Parts) -> Result<Caller, Failure> {
    let facts = Facts::of(&parts.extensions);
    let caller = caller(&service.app, &parts.method, &parts.headers).await?;
    facts.asked_by(&caller);
    limit::admit(service, &facts, &caller).await?;
    Ok(caller)
}

/// The caller behind a request's method and headers.
async fn caller(app: &App, method: &Method, headers: &HeaderMap) -> Result<Caller, Failure> {
    let cookie = session_cookie(app, headers);
    let Some(credential) = credential(headers)? else {
        return match cookie {
            SessionCookie::None => Ok(Caller::Anonymous),
            SessionCookie::Forged => Err(Failure::DeadCookie(expired_cookies(app))),
            SessionCookie::Token(token) => by_cookie(app, method, headers, &token).await,
        };
    };
    if is_jwt(credential) && app.auth().has(Plugin::Jwt) && !headers.contains_key("x-api-key") {
        let spoken = issued::authenticate(app, credential).await?;
        return match cookie {
            SessionCookie::None => Ok(Caller::User(spoken.user)),
            // A browser sends its cookie along; the token is of the same session.
            SessionCookie::Token(token) if spoken.is_of(&token) => Ok(Caller::User(spoken.user)),
            SessionCookie::Token(_) | SessionCookie::Forged => Err(Failure::TwoCredentials),
        };
    }
    match cookie {
        // A front end may send the same session both ways.
        SessionCookie::Token(token) if token == credential => {}
        SessionCookie::None => {}
        SessionCookie::Token(_) | SessionCookie::Forged => return Err(Failure::TwoCredentials),
    }
    if credential.starts_with(ApiKeySecret::START) {
        let key: ApiKeySecret = credential.parse().map_err(|_| Error::InvalidCredential)?;
        return Ok(Caller::User(api_keys::authenticate(app, &key).await?));
    }
    if headers.contains_key("x-api-key") || !app.auth().has(Plugin::Bearer) {
        return Err(Error::InvalidCredential.into());
    }
    let token = if credential.contains('.') {
        hedgerow::auth::signed::from_cookie(app.auth().secrets(), credential)
    } else {
        Some(credential.to_owned())
    };
    let token = token.ok_or(Error::InvalidCredential)?;
    Ok(Caller::User(sessions::authenticate(app, &token).await?))
}

async fn by_cookie(app: &App, method: &Method, headers: &HeaderMap, token: &str) -> Result<Caller, Failure> {
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && is_trusted_origin(app, headers).is_err() {
        return Err(Failure::UntrustedOrigin);
    }
    match sessions::authenticate(app, token).await {
        Ok(user) => Ok(Caller::User(user)),
        Err(Error::InvalidCredential) => Err(Failure::DeadCookie(expired_cookies(app))),
        Err(error) => Err(error.into()),
    }
}

/// Whether this has the form of a JSON Web Token; signed session tokens have one dot.
fn is_jwt(credential: &str) -> bool {
    credential.bytes().filter(|&byte| byte == b'.').count() == 2
}

/// The one credential of the request's headers besides the cookie.
fn credential(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let mut found: Option<&str> = None;
    let bearers =
        headers.get_all(header::AUTHORIZATION).iter().map(|value| value.to_str().ok().and_then(bearer));
    let keys = headers.get_all("x-api-key").iter().map(|value| value.to_str().ok().map(str::trim));
    for one in bearers.chain(keys) {
        // A header that is there and cannot be read is a credential that is not valid.
        let one = one.ok_or(Error::InvalidCredential)?;
        if found.is_some_and(|other| other != one) {
            return Err(Failure::TwoCredentials);
        }
        found = Some(one);
    }
    Ok(found)
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1).
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
