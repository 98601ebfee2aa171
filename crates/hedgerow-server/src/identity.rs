//! Who is asking. The only place that decides it.
//!
//! Always holds: a credential that is presented and not valid is an error, never "anonymous".

use axum::http::{HeaderMap, header};
use hedgerow::api_keys::{self, ApiKeySecret};
use hedgerow::{App, Caller, Error};

use crate::respond::Failure;

/// The caller behind the headers of a request.
pub(crate) async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Failure> {
    let Some(credential) = credential(headers)? else { return Ok(Caller::Anonymous) };
    let key: ApiKeySecret = credential.parse().map_err(|_| Error::InvalidCredential)?;
    Ok(Caller::User(api_keys::authenticate(app, &key).await?))
}

/// The one credential of the request.
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
