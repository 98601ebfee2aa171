//! `/api/v1/api-keys`: the keys of whoever asks.
//!
//! Always holds: the key itself leaves in one answer, that of its making or rotation; making and rotating need somebody who
//! signed in; the key of another user is answered like one that is not there.

mod body;

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::api_keys::{self, ApiKey, ApiKeySecret, OVERLAP, Page};
use hedgerow::schema::InputError;
use hedgerow::{Caller, Ctx, Error};
use url::form_urlencoded;

use super::records::{Pages, content_range, read_body};
use crate::identity;
use crate::respond::Failure;
use crate::service::Service;

type KeyPath = Result<Path<String>, PathRejection>;

/// One request about keys.
struct Call {
    ctx: Ctx,
    headers: HeaderMap,
    path: String,
    parameters: Vec<(String, String)>,
    body: Body,
}

impl Call {
    async fn of(service: &Service, request: Request) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let ctx = identity::context(service, &parts).await?;
        if ctx.caller() == &Caller::Anonymous {
            return Err(Error::NotSignedIn.into());
        }
        let query = parts.uri.query().unwrap_or_default();
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let path = parts.uri.path().to_owned();
        Ok(Self { ctx, headers: parts.headers, path, parameters, body })
    }

    /// The same for a path that takes no parameters.
    async fn plain(service: &Service, request: Request) -> Result<Self, Failure> {
        let call = Self::of(service, request).await?;
        let unknown = call.parameters.iter().map(|(name, _)| unknown_parameter(name)).collect::<Vec<_>>();
        if unknown.is_empty() { Ok(call) } else { Err(Error::Input(unknown).into()) }
    }

    /// The same for one key, by its id in the path.
    async fn of_key(service: &Service, path: KeyPath, request: Request) -> Result<(String, Self), Failure> {
        let Path(id) = path.map_err(|_| Failure::NoSuchPath)?;
        Ok((id, Self::plain(service, request).await?))
    }

    async fn json(&mut self, service: &Service) -> Result<Vec<u8>, Failure> {
        let body = std::mem::take(&mut self.body);
        Ok(read_body(&self.headers, body, service.options.body_limit).await?.to_vec())
    }
}

/// `GET /api/v1/api-keys`: an array, newest first; `limit` and `offset` as of any list.
pub(crate) async fn list(State(service): State<Service>, request: Request) -> Result<Response, Failure> {
    let call = Call::of(&service, request).await?;
    let page = page(&service, &call.parameters)?;
    let (keys, has_more) = api_keys::list_own(&call.ctx, &service.app, page).await?;
    let array = keys.iter().map(ApiKey::to_json).collect::<Vec<_>>();
    let mut response = axum::Json(array).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_RANGE, content_range(Some(page.offset), keys.len(), None));
    let pages = Pages { path: &call.path, parameters: &call.parameters };
    let links = pages.by_offset(page.offset, page.limit, has_more);
    headers.extend(links.map(|links| (header::LINK, links)));
    Ok(response)
}

fn page(service: &Service, parameters: &[(String, String)]) -> Result<Page, Failure> {
    let limits = service.app.limits();
    let mut page = Page { limit: limits.default, offset: 0 };
    let mut mistakes = Vec::new();
    for (at, (name, text)) in parameters.iter().enumerate() {
        let mut mistake = |code, message: String| {
            mistakes.push(InputError { field: name.clone(), code, message });
        };
        if parameters[..at].iter().any(|(other, _)| other == name) {
            mistake("repeated_parameter", format!("`{name}` stands here twice"));
            continue;
        }
        match (name.as_str(), text.parse::<u32>()) {
            ("limit", Ok(limit)) if limit <= limits.max => page.limit = limit,
            ("limit", _) => {
                mistake("invalid_limit", format!("`limit` is a whole number from 0 to {}", limits.max));
            }
            ("offset", Ok(offset)) if i32::try_from(offset).is_ok() => page.offset = offset,
            ("offset", _) => {
                mistake("invalid_offset", format!("`offset` is a whole number from 0 to {}", i32::MAX));
            }
            _ => mistakes.push(unknown_parameter(name)),
        }
    }
    if mistakes.is_empty() { Ok(page) } else { Err(Error::Input(mistakes).into()) }
}

fn unknown_parameter(name: &str) -> InputError {
    let message = format!("`{name}` is no parameter here");
    InputError { field: name.to_owned(), code: "unknown_parameter", message }
}

/// `POST /api/v1/api-keys` with `{"name","scopes","expiresAt"?,"allowedIps"?}`: 201, the key with `key`, once.
pub(crate) async fn create(State(service): State<Service>, request: Request) -> Result<Response, Failure> {
    let mut call = Call::plain(&service, request).await?;
    let body = call.json(&service).await?;
    // Whoever may not make keys is told so before what else is wrong.
    api_keys::may_make(&call.ctx)?;
    let new = body::new_key(&body).map_err(Error::Input)?;
    let (key, secret) = api_keys::create_own(&call.ctx, &service.app, &new).await?;
    let location = format!("{}/{}", call.path.trim_end_matches('/'), key.id);
    Ok(made(&key, &secret, &location))
}

/// A key that was just made, with its secret.
fn made(key: &ApiKey, secret: &ApiKeySecret, location: &str) -> Response {
    let mut document = key.to_json();
    document["key"] = secret.reveal().into();
    let mut response = (StatusCode::CREATED, axum::Json(document)).into_response();
    let location = HeaderValue::from_str(location).ok();
    response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    response
}

/// `GET /api/v1/api-keys/{id}`
pub(crate) async fn get(
    State(service): State<Service>,
    path: KeyPath,
    request: Request,
) -> Result<Response, Failure> {
    let (id, call) = Call::of_key(&service, path, request).await?;
    shown(&api_keys::get(&call.ctx, &service.app, &id).await?)
}

/// `PATCH /api/v1/api-keys/{id}` with `{"name"}`; everything else of a key is as it was made.
pub(crate) async fn rename(
    State(service): State<Service>,
    path: KeyPath,
    request: Request,
) -> Result<Response, Failure> {
    let (id, mut call) = Call::of_key(&service, path, request).await?;
    let body = call.json(&service).await?;
    let name = body::name(&body).map_err(Error::Input)?;
    shown(&api_keys::rename(&call.ctx, &service.app, &id, &name).await?)
}

/// `DELETE /api/v1/api-keys/{id}`: it is refused from now on, and gone from the list.
pub(crate) async fn delete(
    State(service): State<Service>,
    path: KeyPath,
    request: Request,
) -> Result<Response, Failure> {
    let (id, call) = Call::of_key(&service, path, request).await?;
    api_keys::delete(&call.ctx, &service.app, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /api/v1/api-keys/{id}/revoke`: it is refused from now on, and stays in the list.
pub(crate) async fn revoke(
    State(service): State<Service>,
    path: KeyPath,
    request: Request,
) -> Result<Response, Failure> {
    let (id, mut call) = Call::of_key(&service, path, request).await?;
    let body = call.json(&service).await?;
    body::nothing(&body).map_err(Error::Input)?;
    shown(&api_keys::revoke_own(&call.ctx, &service.app, &id).await?)
}

/// `POST /api/v1/api-keys/{id}/rotate` with `{"overlap"?}` in seconds, a day where it is not said: 201, the new key with `key`.
pub(crate) async fn rotate(
    State(service): State<Service>,
    path: KeyPath,
    request: Request,
) -> Result<Response, Failure> {
    let (id, mut call) = Call::of_key(&service, path, request).await?;
    let body = call.json(&service).await?;
    api_keys::may_make(&call.ctx)?;
    let overlap = body::overlap(&body).map_err(Error::Input)?.map_or(OVERLAP, Duration::from_secs);
    let (key, secret) = api_keys::rotate_own(&call.ctx, &service.app, &id, overlap).await?;
    let location = format!("/api/v1/api-keys/{}", key.id);
    Ok(made(&key, &secret, &location))
}

fn shown(key: &ApiKey) -> Result<Response, Failure> {
    Ok(axum::Json(key.to_json()).into_response())
}
