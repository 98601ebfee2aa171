//! Who is asking. The only place that decides it.
//!
//! Always holds: a credential that is presented and not valid is an error, never "anonymous"; a browser's cookie changes something
//! only when the page that asks is of a trusted origin; nobody is believed without the database: it is asked here, or, for an API key
//! that is remembered, in the flight of the request itself (`proof.rs`). So what was revoked, banned or changed counts with
//! the next request.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use hedgerow::api_keys::{self, ApiKeySecret};
use hedgerow::auth::jwt::issued;
use hedgerow::auth::sessions;
use hedgerow::auth::settings::Plugin;
use hedgerow::database::Guard;
use hedgerow::{App, Caller, Ctx, Error};

use crate::api::auth::{SessionCookie, expired_cookies, is_trusted_origin, session_cookie};
use crate::limit;
use crate::middleware::{Facts, RequestId};
use crate::peer::address_of;
use crate::respond::Failure;
use crate::service::Service;

/// Marks a request that is done again: its caller is looked up, whatever is remembered.
#[derive(Clone, Copy)]
pub(crate) struct LookUp;

/// The context of a request whose caller may go on ([`admitted`]).
pub(crate) async fn context(service: &Service, parts: &Parts) -> Result<Ctx, Failure> {
    let caller = admitted(service, parts).await?;
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let facts = Facts::of(&parts.extensions);
    let ctx = Ctx::new(service.app.world(), caller, request_id);
    Ok(ctx.guarded(facts.guard()).audited(facts.audited().cloned()))
}

/// The caller behind a request, who may go on: known to what is done around it, and within the limits on requests. For a caller
/// who is remembered there is a guard in [`Facts::guard`], which every flight of the request has to prove.
pub(crate) async fn admitted(service: &Service, parts: &Parts) -> Result<Caller, Failure> {
    let facts = Facts::of(&parts.extensions);
    if parts.extensions.get::<LookUp>().is_some() {
        // It was counted when it came.
        return caller(service, parts).await;
    }
    let caller = match recalled(service, parts) {
        Some((caller, guard)) => {
            facts.guarded_by(Some(Arc::new(guard)));
            caller
        }
        None => caller(service, parts).await?,
    };
    facts.asked_by(&caller);
    limit::admit(service, &facts, &caller).await?;
    Ok(caller)
}

/// Whether the request presents what looks like an API key.
pub(crate) fn presents_key(headers: &HeaderMap) -> bool {
    credential(headers).is_ok_and(|found| found.is_some_and(|text| text.starts_with(ApiKeySecret::START)))
}

/// The caller behind an API key that is remembered and stands alone.
fn recalled(service: &Service, parts: &Parts) -> Option<(Caller, Guard)> {
    let credential = credential(&parts.headers).ok().flatten()?;
    if !credential.starts_with(ApiKeySecret::START)
        || !matches!(session_cookie(&service.app, &parts.headers), SessionCookie::None)
    {
        return None;
    }
    let from = address_of(service, &parts.headers, &parts.extensions);
    let (user, guard) = api_keys::recall(&service.app, &credential.parse().ok()?, from)?;
    Some((Caller::User(user), guard))
}

/// The caller behind a request, looked up.
pub(crate) async fn caller(service: &Service, parts: &Parts) -> Result<Caller, Failure> {
    let (app, method, headers) = (&service.app, &parts.method, &parts.headers);
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
        let from = address_of(service, headers, &parts.extensions);
        return Ok(Caller::User(api_keys::authenticate(app, &key, from).await?));
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
