//! Answers of sign-in: JSON, redirects, refusals, and the two pages that need nobody.

use axum::Json;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::auth::refusal::{AuthError, Kind, Refusal};
use serde_json::json;

use crate::respond::Failure;

/// What a handler of sign-in answers.
pub(super) type Answered = Result<Response, Refused>;

/// Why it does not answer as asked.
#[derive(Debug)]
pub(super) struct Refused(AuthError);

impl<E: Into<AuthError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self.0 {
            AuthError::Refused(refusal) => refuse(&refusal),
            AuthError::Failed(error) => Failure::from(error).into_response(),
        }
    }
}

/// The one table from a refusal to a status.
fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Bad => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    }
}

/// A refusal as an answer.
pub(super) fn refuse(refusal: &Refusal) -> Response {
    let status = status_of(refusal.kind);
    let mut response = match &refusal.message {
        None => status.into_response(),
        Some(message) => {
            let mut document = json!({ "message": message });
            if let Some(code) = refusal.code {
                document["code"] = code.into();
            }
            (status, Json(document)).into_response()
        }
    };
    if let Some(seconds) = refusal.retry_after {
        let headers = response.headers_mut();
        headers.insert("x-retry-after", seconds.into());
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A browser is sent elsewhere.
pub(super) fn redirect(to: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(value) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// `GET /ok`
pub(super) async fn ok() -> Response {
    Json(json!({ "ok": true })).into_response()
}

/// `GET /error?error=…`: what a person sees whose sign-in failed at another server.
pub(super) async fn error_page(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let code = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "error");
    let code = code.map(|(_, value)| value.into_owned()).unwrap_or_else(|| "unknown".to_owned());
    // Codes of ours and of providers are such words; anything else is somebody's text.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let code: String = code.chars().filter(|&c| plain(c)).take(64).collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"UTF-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sign-in failed</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}}code{{background:#eee;padding:.1em .3em}}</style>\n\
         </head>\n<body>\n<h1>Sign-in failed</h1>\n<p>What happened: <code>{code}</code></p>\n\
         <p>Go back and try again. If it happens again, tell the people who run this application the code above.</p>\n\
         <p><a href=\"/\">Back to the start</a></p>\n</body>\n</html>\n"
    );
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
