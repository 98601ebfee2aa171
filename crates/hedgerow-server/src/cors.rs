//! Which pages of other origins may read answers: those that sign-in trusts, and those of `server.cors_origins` (the Fetch
//! standard, "CORS protocol").
//!
//! Always holds: an origin is named back only when it is trusted, so that a browser's cookie serves no page that is not; there
//! is no `*`; the server's own pages, and programs that say no origin, get no header of this.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::service::Service;

/// What a page of another origin may read of an answer's headers.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "set-auth-token, set-auth-jwt, x-retry-after, retry-after, x-request-id, content-range, link, location, \
     preference-applied, etag, ratelimit, ratelimit-policy, idempotency-replayed, allow",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// Answers browsers that ask whether a page may ask, and tells them which pages may read.
pub(crate) async fn around_request(State(service): State<Service>, request: Request, next: Next) -> Response {
    let Some(origin) = trusted(&service, request.headers()) else { return next.run(request).await };
    let asks_first = *request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_first {
        let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        if let Some(wanted) = wanted {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}

/// The origin of the page that asks, if it is another one than this server's and trusted.
fn trusted(service: &Service, headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(header::ORIGIN)?;
    let url = Url::parse(value.to_str().ok()?).ok()?;
    let auth = service.app.auth();
    let is_trusted = url.origin() != auth.base_url().origin()
        && (auth.origins().trusts_url(&url) || service.options.cors_origins.iter().any(|one| one.fits(&url)));
    is_trusted.then(|| value.clone())
}
