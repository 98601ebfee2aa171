//! Who is asking. The only place that decides it.
//!
//! Always holds: a credential that is presented and not valid is an error, never "anonymous"; a browser's cookie changes something
//! only when the page that asks is of a trusted origin; nobody is believed without the database: it is asked here, or, for an API key
//! or a session that is remembered, in the flight of the request itself (`proof.rs`). So what was revoked, banned or changed counts with
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
use crate::proof;
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
    let presented = presented(&service.app, &parts.method, &parts.headers)?;
    let caller = match recalled(service, parts, &presented) {
        Some((caller, guard)) => {
            facts.guarded_by(Some(Arc::new(guard)));
            caller
        }
        None => looked_up(service, parts, presented).await?,
    };
    facts.asked_by(&caller);
    limit::admit(service, &facts, &caller).await?;
    Ok(caller)
}

/// Whether the request presents anything that may be remembered.
pub(crate) fn presents_something(headers: &HeaderMap) -> bool {
    [header::AUTHORIZATION, header::COOKIE].iter().any(|name| headers.contains_key(name))
        || headers.contains_key("x-api-key")
}

/// The credential of a request, as its headers have it; nobody was asked about it yet.
enum Presented<'r> {
    Nothing,
    Key(ApiKeySecret),
    /// A JSON Web Token, and the cookie that came along.
    Jwt(&'r str, SessionCookie),
    /// The token of a session.
    Session {
        token: String,
        by_cookie: bool,
    },
}

/// What the request presents: at most one credential, in a form that can be asked about.
fn presented<'r>(app: &App, method: &Method, headers: &'r HeaderMap) -> Result<Presented<'r>, Failure> {
    let cookie = session_cookie(app, headers);
    let Some(credential) = credential(headers)? else {
        let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        return match cookie {
            SessionCookie::None => Ok(Presented::Nothing),
            SessionCookie::Forged => Err(Failure::DeadCookie(expired_cookies(app))),
            SessionCookie::Token(_) if changes && is_trusted_origin(app, headers).is_err() => {
                Err(Failure::UntrustedOrigin)
            }
            SessionCookie::Token(token) => Ok(Presented::Session { token, by_cookie: true }),
        };
    };
    if is_jwt(credential) && app.auth().has(Plugin::Jwt) && !headers.contains_key("x-api-key") {
        return Ok(Presented::Jwt(credential, cookie));
    }
    match cookie {
        // A front end may send the same session both ways.
        SessionCookie::Token(token) if token == credential => {}
        SessionCookie::None => {}
        SessionCookie::Token(_) | SessionCookie::Forged => return Err(Failure::TwoCredentials),
    }
    if credential.starts_with(ApiKeySecret::START) {
        return Ok(Presented::Key(credential.parse().map_err(|_| Error::InvalidCredential)?));
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
    Ok(Presented::Session { token, by_cookie: false })
}

/// The caller behind a credential that is remembered, of a request that can be done again where that cannot be proved.
fn recalled(service: &Service, parts: &Parts, presented: &Presented<'_>) -> Option<(Caller, Guard)> {
    if !proof::can_be_repeated(parts, service.options.body_limit) {
        return None;
    }
    let (user, guard) = match presented {
        Presented::Nothing | Presented::Jwt(..) => return None,
        Presented::Key(key) => {
            let from = address_of(service, &parts.headers, &parts.extensions);
            api_keys::recall(&service.app, key, from)?
        }
        Presented::Session { token, .. } => sessions::recall(&service.app, token)?,
    };
    Some((Caller::User(user), guard))
}

/// The caller behind a request, looked up.
pub(crate) async fn caller(service: &Service, parts: &Parts) -> Result<Caller, Failure> {
    looked_up(service, parts, presented(&service.app, &parts.method, &parts.headers)?).await
}

async fn looked_up(service: &Service, parts: &Parts, presented: Presented<'_>) -> Result<Caller, Failure> {
    let app = &service.app;
    let user = match presented {
        Presented::Nothing => return Ok(Caller::Anonymous),
        Presented::Key(key) => {
            let from = address_of(service, &parts.headers, &parts.extensions);
            api_keys::authenticate(app, &key, from).await?
        }
        Presented::Jwt(text, cookie) => {
            let spoken = issued::authenticate(app, text).await?;
            match cookie {
                SessionCookie::None => spoken.user,
                // A browser sends its cookie along; the token is of the same session.
                SessionCookie::Token(token) if spoken.is_of(&token) => spoken.user,
                SessionCookie::Token(_) | SessionCookie::Forged => return Err(Failure::TwoCredentials),
            }
        }
        Presented::Session { token, by_cookie } => match sessions::authenticate(app, &token).await {
            Err(Error::InvalidCredential) if by_cookie => {
                return Err(Failure::DeadCookie(expired_cookies(app)));
            }
            found => found?,
        },
    };
    Ok(Caller::User(user))
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
