//! What every handler starts from: who asks, for which entity, with which parameters, headers and body.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, Method, header};
use bytes::BytesMut;
use hedgerow::schema::{Entity, InputError, Limits, Read, Schema, Selected, WriteQuery, trail};
use hedgerow::{Caller, Ctx, Error, audit};
use http_body_util::BodyExt;
use url::form_urlencoded;

use super::invalid;
use crate::accept::{self, Media};
use crate::api::v1::prefer::Preferences;
use crate::identity;
use crate::respond::Failure;
use crate::service::Service;

/// What every handler starts from.
pub(crate) struct Asked {
    pub(crate) ctx: Ctx,
    pub(crate) schema: Arc<Schema>,
    pub(crate) limits: Limits,
    pub(crate) entity: String,
    pub(super) id: String,
    pub(crate) method: Method,
    /// As it came.
    pub(crate) query: String,
    /// Decoded, in the order of the query string.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) prefer: Preferences,
    pub(super) body: Body,
}

pub(super) type RowPath = Result<Path<HashMap<String, String>>, PathRejection>;
pub(super) type EntityPath = Result<Path<String>, PathRejection>;

impl Asked {
    /// `offered` are the forms of an answer to a write; readers have a choice, which they look at themselves.
    pub(super) async fn of_rows(
        service: &Service,
        path: EntityPath,
        request: Request,
        offered: &[Media],
    ) -> Result<Self, Failure> {
        let Path(entity) = path.map_err(|_| Failure::NoSuchPath)?;
        Self::read(service, entity, String::new(), request, offered).await
    }

    pub(super) async fn of_row(service: &Service, path: RowPath, request: Request) -> Result<Self, Failure> {
        let Path(mut names) = path.map_err(|_| Failure::NoSuchPath)?;
        let entity = names.remove("entity").unwrap_or_default();
        // The one word that a path has in the place of an id, and that may be one.
        let id = names.remove("id").unwrap_or_else(|| "import".to_owned());
        Self::read(service, entity, id, request, accept::WRITTEN).await
    }

    /// Of the audit trail, which is listed as an entity is.
    pub(super) async fn of_trail(service: &Service, request: Request) -> Result<Self, Failure> {
        let name = trail::NAME.to_owned();
        let mut asked = Self::begin(service, name, String::new(), request, accept::WRITTEN).await?;
        asked.schema = audit::schema(&asked.ctx)?;
        Ok(asked)
    }

    /// What is about several entities at once; each must be there when it is named.
    pub(crate) async fn of_batch(service: &Service, request: Request) -> Result<Self, Failure> {
        let asked = Self::begin(service, String::new(), String::new(), request, accept::WRITTEN).await?;
        asked.is_no_stranger()?;
        Ok(asked)
    }

    /// What is about the metadata of something.
    pub(crate) async fn of_metas(service: &Service, request: Request) -> Result<Self, Failure> {
        Self::begin(service, String::new(), String::new(), request, accept::WRITTEN).await
    }

    async fn read(
        service: &Service,
        entity: String,
        id: String,
        request: Request,
        offered: &[Media],
    ) -> Result<Self, Failure> {
        let asked = Self::begin(service, entity, id, request, offered).await?;
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        if asked.entity()?.access.read != Read::Public || !reads {
            asked.is_no_stranger()?;
        }
        Ok(asked)
    }

    async fn begin(
        service: &Service,
        entity: String,
        id: String,
        request: Request,
        offered: &[Media],
    ) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        // First of all: whoever may not come in learns nothing of what else is wrong.
        let ctx = identity::context(service, &parts).await?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            accept::choose(&parts.headers, offered)?;
        }
        let prefer = Preferences::read(&parts.headers)?;
        supported(&parts.method, &parts.headers)?;
        let schema = service.app.schema();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let path = parts.uri.path().to_owned();
        Ok(Self {
            ctx,
            schema,
            limits: service.app.limits(),
            entity,
            id,
            method: parts.method,
            query,
            parameters,
            path,
            headers: parts.headers,
            prefer,
            body,
        })
    }

    /// Somebody is signed in. Who is not learns no name of a field from the mistakes of a request.
    fn is_no_stranger(&self) -> Result<(), Failure> {
        match self.ctx.caller() {
            Caller::Anonymous => Err(Error::NotSignedIn.into()),
            Caller::User(_) => Ok(()),
        }
    }

    /// What is wrong with the parameters; to strangers, no more than that they have to sign in, where they name something of an entity
    /// that they may not read.
    pub(super) fn wrong(&self, errors: Vec<InputError>) -> Failure {
        let is_closed =
            |entity: &str| self.schema.entity(entity).is_some_and(|of| of.access.read != Read::Public);
        let entities = self.schema.entities();
        let closed = entities.iter().filter(|entity| is_closed(entity.name.as_str()));
        let fields =
            entities.iter().flat_map(Entity::relations).filter(|(_, to)| is_closed(to.entity.as_str()));
        let mut names = closed.map(|entity| &entity.name).chain(fields.map(|(field, _)| &field.name));
        let is_named = |name: &str| {
            self.parameters.iter().any(|(parameter, value)| parameter.contains(name) || value.contains(name))
        };
        if self.ctx.caller() == &Caller::Anonymous && names.any(|name| is_named(name.as_str())) {
            return Error::NotSignedIn.into();
        }
        invalid(errors)
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
        select.map_err(|errors| self.wrong(errors))
    }

    /// The body, read to its end; it is read before a connection to the database is taken.
    pub(crate) async fn body(&mut self, limit: usize) -> Result<Bytes, Failure> {
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
pub(super) const MAX_DISCARDED: usize = 32 << 20;

/// Reading by a version that the client has and the server has not is nothing that is done here.
fn supported(method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    if matches!(*method, Method::GET | Method::HEAD) && headers.contains_key(header::IF_MATCH) {
        return Err(Failure::UnsupportedHeader("If-Match".to_owned()));
    }
    Ok(())
}

/// Whether the body is as it is: a compressed one could be any size.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), Failure> {
    match text(headers, header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            Err(Failure::UnsupportedMediaType(format!("encoding {encoding}")))
        }
        _ => Ok(()),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("an unreadable type"))
}

/// Whether the body is JSON as it is.
fn understandable(headers: &HeaderMap) -> Result<(), Failure> {
    plain(headers)?;
    let Some(media) = text(headers, header::CONTENT_TYPE) else { return Ok(()) };
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        Ok(())
    } else {
        Err(Failure::UnsupportedMediaType(media.to_owned()))
    }
}
