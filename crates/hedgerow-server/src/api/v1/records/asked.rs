//! What every handler starts from: who asks, for which entity, with which parameters, headers and body.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use bytes::BytesMut;
use hedgerow::schema::{Entity, Limits, Schema, Selected, WriteQuery};
use hedgerow::{Ctx, Error};
use http_body_util::BodyExt;
use url::form_urlencoded;

use super::invalid;
use crate::accept;
use crate::api::v1::prefer::Preferences;
use crate::identity;
use crate::respond::Failure;
use crate::service::Service;

/// What every handler starts from.
pub(super) struct Asked {
    pub(super) ctx: Ctx,
    pub(super) schema: Arc<Schema>,
    pub(super) limits: Limits,
    pub(super) entity: String,
    pub(super) id: String,
    /// Decoded, in the order of the query string.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) prefer: Preferences,
    pub(super) body: Body,
}

pub(super) type RowPath = Result<Path<(String, String)>, PathRejection>;
pub(super) type EntityPath = Result<Path<String>, PathRejection>;

impl Asked {
    pub(super) async fn of_rows(
        service: &Service,
        path: EntityPath,
        request: Request,
    ) -> Result<Self, Failure> {
        let Path(entity) = path.map_err(|_| Failure::NoSuchPath)?;
        Self::read(service, entity, String::new(), request).await
    }

    pub(super) async fn of_row(service: &Service, path: RowPath, request: Request) -> Result<Self, Failure> {
        let Path((entity, id)) = path.map_err(|_| Failure::NoSuchPath)?;
        Self::read(service, entity, id, request).await
    }

    async fn read(service: &Service, entity: String, id: String, request: Request) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        // First of all: whoever may not come in learns nothing of what else is wrong.
        let ctx = identity::context(service, &parts).await?;
        // Readers have a choice, which they look at themselves.
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            accept::choose(&parts.headers, accept::WRITTEN)?;
        }
        let prefer = Preferences::read(&parts.headers)?;
        supported(&parts.headers, &prefer)?;
        let schema = service.app.schema();
        if schema.entity(&entity).is_none() {
            return Err(Error::UnknownEntity { name: entity }.into());
        }
        let query = parts.uri.query().unwrap_or_default();
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let path = parts.uri.path().to_owned();
        let limits = service.app.limits();
        let (method, headers) = (parts.method, parts.headers);
        Ok(Self { ctx, schema, limits, entity, id, parameters, method, path, headers, prefer, body })
    }

    pub(super) fn entity(&self) -> Result<&Entity, Failure> {
        let unknown = || Error::UnknownEntity { name: self.entity.clone() }.into();
        self.schema.entity(&self.entity).ok_or_else(unknown)
    }

    pub(super) fn parameters(&self) -> Vec<(&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Whether the request has that parameter.
    pub(super) fn says(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, _)| name == parameter)
    }

    /// The columns of a row that comes back, where filters have no meaning.
    pub(super) fn select(&self) -> Result<Vec<Selected<'_>>, Failure> {
        let select = WriteQuery::parse_select(&self.schema, self.entity()?, &self.parameters(), self.limits);
        select.map_err(invalid)
    }

    /// The body, read to its end; it is read before a connection to the database is taken.
    pub(super) async fn body(&mut self, limit: usize) -> Result<Bytes, Failure> {
        read_body(&self.headers, std::mem::take(&mut self.body), limit).await
    }
}

/// A body of JSON, read to its end.
pub(crate) async fn read_body(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes, Failure> {
    understandable(headers)?;
    // A client that asks first is told before it sends anything.
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > limit) && headers.contains_key(header::EXPECT) {
        return Err(Failure::TooLarge(limit));
    }
    let mut bytes = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::BodyBroken)?.into_data() else { continue };
        length += data.len();
        if length <= limit {
            bytes.extend_from_slice(&data);
        } else if length > limit.saturating_add(MAX_DISCARDED) {
            break;
        }
    }
    if length > limit { Err(Failure::TooLarge(limit)) } else { Ok(bytes.freeze()) }
}

/// So much of a body that is too large is still read: many clients listen for an answer only when they have sent
/// everything, and would see a broken connection instead.
const MAX_DISCARDED: usize = 32 << 20;
/// Refuses what a later version understands and what changes the meaning of a request. The server may leave other
/// preferences out (RFC 7240, section 2); these it may not: who asks for a trial run must not get a real one.
fn supported(headers: &HeaderMap, prefer: &Preferences) -> Result<(), Failure> {
    for name in ["if-match", "idempotency-key"] {
        if headers.contains_key(name) {
            return Err(Failure::UnsupportedHeader(name.to_owned()));
        }
    }
    let refused = [
        (prefer.resolution.is_some(), "resolution"),
        (prefer.max_affected.is_some(), "max-affected"),
        (prefer.missing.is_some(), "missing"),
        (prefer.rollback, "tx=rollback"),
        (prefer.strict, "handling=strict"),
    ];
    match refused.iter().find(|(asked, _)| *asked) {
        Some((_, name)) => Err(Failure::UnsupportedHeader(format!("Prefer: {name}"))),
        None => Ok(()),
    }
}

/// Whether the body is JSON as it is: a compressed one could be any size.
fn understandable(headers: &HeaderMap) -> Result<(), Failure> {
    let text =
        |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("an unreadable type"));
    if let Some(encoding) = text(header::CONTENT_ENCODING)
        && !encoding.eq_ignore_ascii_case("identity")
    {
        return Err(Failure::UnsupportedMediaType(format!("encoding {encoding}")));
    }
    let Some(media) = text(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        Ok(())
    } else {
        Err(Failure::UnsupportedMediaType(media.to_owned()))
    }
}
