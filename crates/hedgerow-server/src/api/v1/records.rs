//! `/api/v1/{entity}` and `/api/v1/{entity}/{id}`: each handler reads a request into typed values, all mistakes at once,
//! calls one operation of the library, and writes its answer.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use hedgerow::database::JsonRows;
use hedgerow::schema::write::{self, Body as Rows};
use hedgerow::schema::{Entity, InputError, ListQuery, Schema, Selected, WriteKind, WriteQuery};
use hedgerow::{Ctx, Error, records};
use http_body_util::BodyExt;
use url::form_urlencoded;

use crate::identity;
use crate::middleware::RequestId;
use crate::respond::Failure;
use crate::service::Service;

/// What every handler starts from.
struct Asked {
    ctx: Ctx,
    schema: Arc<Schema>,
    entity: String,
    id: String,
    /// Decoded, in the order of the query string.
    parameters: Vec<(String, String)>,
    path: String,
    headers: HeaderMap,
    body: Body,
}

type RowPath = Result<Path<(String, String)>, PathRejection>;
type EntityPath = Result<Path<String>, PathRejection>;

impl Asked {
    async fn of_rows(service: &Service, path: EntityPath, request: Request) -> Result<Self, Failure> {
        let Path(entity) = path.map_err(|_| Failure::NoSuchPath)?;
        Self::read(service, entity, String::new(), request).await
    }

    async fn of_row(service: &Service, path: RowPath, request: Request) -> Result<Self, Failure> {
        let Path((entity, id)) = path.map_err(|_| Failure::NoSuchPath)?;
        Self::read(service, entity, id, request).await
    }

    async fn read(service: &Service, entity: String, id: String, request: Request) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        acceptable(&parts.headers)?;
        supported(&parts.headers)?;
        let caller = identity::caller(&service.app, &parts.method, &parts.headers).await?;
        let schema = service.app.schema();
        if schema.entity(&entity).is_none() {
            return Err(Error::UnknownEntity { name: entity }.into());
        }
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let ctx = Ctx::new(service.app.world(), caller, request_id);
        let query = parts.uri.query().unwrap_or_default();
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let path = parts.uri.path().to_owned();
        Ok(Self { ctx, schema, entity, id, parameters, path, headers: parts.headers, body })
    }

    fn entity(&self) -> Result<&Entity, Failure> {
        let unknown = || Error::UnknownEntity { name: self.entity.clone() }.into();
        self.schema.entity(&self.entity).ok_or_else(unknown)
    }

    fn parameters(&self) -> Vec<(&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The columns of a row that comes back, where filters have no meaning.
    fn select(&self) -> Result<Vec<Selected<'_>>, Failure> {
        WriteQuery::parse_select(self.entity()?, &self.parameters()).map_err(invalid)
    }

    /// The body, read to its end; it is read before a connection to the database is taken.
    async fn body(&mut self, limit: usize) -> Result<Bytes, Failure> {
        understandable(&self.headers)?;
        // A client that asks first is told before it sends anything.
        let declared =
            self.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if declared.is_some_and(|length: usize| length > limit) && self.headers.contains_key(header::EXPECT) {
            return Err(Failure::TooLarge(limit));
        }
        let mut body = std::mem::take(&mut self.body);
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
}

/// So much of a body that is too large is still read: many clients listen for an answer only when they have sent
/// everything, and would see a broken connection instead.
const MAX_DISCARDED: usize = 32 << 20;

/// `GET /api/v1/{entity}`
pub(crate) async fn list(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_rows(&service, path, request).await?;
    let entity = asked.entity()?;
    let query = ListQuery::parse(entity, &asked.parameters(), service.app.limits()).map_err(invalid)?;
    let rows = records::list(&asked.ctx, &service.app, entity, &query).await?;
    Ok(page(&asked, &query, rows))
}

/// One page of a list.
fn page(asked: &Asked, query: &ListQuery<'_>, rows: JsonRows) -> Response {
    let range = content_range(query.offset, rows.count);
    let links = links(&asked.path, &asked.parameters, query, rows.has_more);
    let mut response = json(StatusCode::OK, rows.into_array());
    response.headers_mut().insert(header::CONTENT_RANGE, range);
    response.headers_mut().extend(links.map(|links| (header::LINK, links)));
    response
}

/// `GET /api/v1/{entity}/trash`
pub(crate) async fn trash(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_rows(&service, path, request).await?;
    let entity = asked.entity()?;
    let query = ListQuery::parse(entity, &asked.parameters(), service.app.limits()).map_err(invalid)?;
    let rows = records::trash(&asked.ctx, &service.app, entity, &query).await?;
    Ok(page(&asked, &query, rows))
}

/// `POST /api/v1/{entity}/{id}/restore`
pub(crate) async fn restore(
    State(service): State<Service>,
    path: RowPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    let select = asked.select()?;
    let row = records::restore(&asked.ctx, &service.app, asked.entity()?, &asked.id, &select).await?;
    Ok(json(StatusCode::OK, row))
}

/// `DELETE /api/v1/{entity}/trash/{id}`
pub(crate) async fn purge(
    State(service): State<Service>,
    path: RowPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    asked.select()?;
    records::purge(&asked.ctx, &service.app, asked.entity()?, &asked.id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /api/v1/{entity}/{id}`
pub(crate) async fn get(
    State(service): State<Service>,
    path: RowPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    let select = asked.select()?;
    let row = records::get(&asked.ctx, &service.app, asked.entity()?, &asked.id, &select).await?;
    Ok(json(StatusCode::OK, row))
}

/// `POST /api/v1/{entity}`
pub(crate) async fn create(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    let mut asked = Asked::of_rows(&service, path, request).await?;
    let body = asked.body(service.options.body_limit).await?;
    let entity = asked.entity()?;
    let (rows, select) = together(write::read_body(entity, WriteKind::Create, &body), asked.select())?;
    let created = records::create(&asked.ctx, &service.app, entity, &rows, &select).await?;
    let representation = preferences(&asked.headers).any(|one| one == ("return", "representation"));
    let mut body = created.objects;
    if created.many || representation {
        body.insert(0, b'[');
        body.push(b']');
    }
    let mut response = json(StatusCode::CREATED, body);
    if representation {
        response
            .headers_mut()
            .insert("preference-applied", HeaderValue::from_static("return=representation"));
    }
    if !created.many {
        let location = created.ids.first().map(|id| format!("{}/{id}", asked.path.trim_end_matches('/')));
        let location = location.and_then(|location| HeaderValue::from_str(&location).ok());
        response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    }
    Ok(response)
}

/// `PATCH /api/v1/{entity}/{id}`
pub(crate) async fn update(
    State(service): State<Service>,
    path: RowPath,
    request: Request,
) -> Result<Response, Failure> {
    change_one(&service, Asked::of_row(&service, path, request).await?, |_| WriteKind::Update).await
}

/// `PUT /api/v1/{entity}/{id}`
pub(crate) async fn replace(
    State(service): State<Service>,
    path: RowPath,
    request: Request,
) -> Result<Response, Failure> {
    change_one(&service, Asked::of_row(&service, path, request).await?, |id| WriteKind::Replace { id }).await
}

async fn change_one(
    service: &Service,
    mut asked: Asked,
    kind: impl FnOnce(&str) -> WriteKind<'_>,
) -> Result<Response, Failure> {
    let body = asked.body(service.options.body_limit).await?;
    let entity = asked.entity()?;
    let (rows, select) = together(write::read_body(entity, kind(&asked.id), &body), asked.select())?;
    let row = only_one(rows)?;
    let row = records::update_one(&asked.ctx, &service.app, entity, &asked.id, &row, &select).await?;
    Ok(json(StatusCode::OK, row))
}

/// `DELETE /api/v1/{entity}/{id}`
pub(crate) async fn delete(
    State(service): State<Service>,
    path: RowPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    // Nothing comes back, but a parameter that means nothing is still a mistake.
    asked.select()?;
    records::delete_one(&asked.ctx, &service.app, asked.entity()?, &asked.id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PATCH /api/v1/{entity}?filters`
pub(crate) async fn update_many(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    let mut asked = Asked::of_rows(&service, path, request).await?;
    let body = asked.body(service.options.body_limit).await?;
    let entity = asked.entity()?;
    let query = WriteQuery::parse(entity, &asked.parameters()).map_err(invalid);
    let (rows, query) = together(write::read_body(entity, WriteKind::Update, &body), query)?;
    let row = only_one(rows)?;
    let rows =
        records::update_many(&asked.ctx, &service.app, entity, &query.filters, &row, &query.select).await?;
    Ok(json(StatusCode::OK, rows.into_array()))
}

/// `DELETE /api/v1/{entity}?filters`
pub(crate) async fn delete_many(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_rows(&service, path, request).await?;
    let entity = asked.entity()?;
    let query = WriteQuery::parse(entity, &asked.parameters()).map_err(invalid)?;
    let rows = records::delete_many(&asked.ctx, &service.app, entity, &query.filters, &query.select).await?;
    Ok(json(StatusCode::OK, rows.into_array()))
}

fn invalid(errors: Vec<InputError>) -> Failure {
    Error::Input(errors).into()
}

/// Both, or the mistakes of both.
fn together<A, B>(body: Result<A, Vec<InputError>>, query: Result<B, Failure>) -> Result<(A, B), Failure> {
    match (body, query) {
        (Ok(body), Ok(query)) => Ok((body, query)),
        (Err(mut errors), Err(Failure::Operation(Error::Input(more)))) => {
            errors.extend(more);
            Err(invalid(errors))
        }
        (_, Err(failure)) => Err(failure),
        (Err(errors), Ok(_)) => Err(invalid(errors)),
    }
}

/// A body that changes rows is one object; reading it as one was already insisted on.
fn only_one(rows: Rows<'_>) -> Result<write::RowInput<'_>, Failure> {
    match rows {
        Rows::One(row) => Ok(row),
        Rows::Many(_) => Err(Error::input("", "invalid_body", "the body is an object").into()),
    }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// `0-24/*`: the rows of this answer, of an unknown number (RFC 9110, section 14.4).
fn content_range(offset: u32, count: usize) -> HeaderValue {
    let text = match count {
        0 => "*/*".to_owned(),
        count => format!("{offset}-{}/*", offset as usize + count - 1),
    };
    HeaderValue::from_str(&text).expect("digits, a dash and a slash")
}

/// The pages around this one (RFC 8288).
fn links(
    path: &str,
    parameters: &[(String, String)],
    query: &ListQuery<'_>,
    has_more: bool,
) -> Option<HeaderValue> {
    let page = |offset: u32, rel: &str| {
        let mut encoder = form_urlencoded::Serializer::new(String::new());
        encoder.extend_pairs(parameters.iter().filter(|(name, _)| name != "offset"));
        if offset > 0 {
            encoder.append_pair("offset", &offset.to_string());
        }
        let query = encoder.finish();
        format!("<{path}{}{query}>; rel=\"{rel}\"", if query.is_empty() { "" } else { "?" })
    };
    let mut links = Vec::new();
    if query.offset > 0 {
        links.push(page(0, "first"));
        links.push(page(query.offset.saturating_sub(query.limit), "prev"));
    }
    if has_more && query.limit > 0 {
        links.push(page(query.offset.saturating_add(query.limit), "next"));
    }
    (!links.is_empty()).then(|| HeaderValue::from_str(&links.join(", ")).ok()).flatten()
}

/// Refuses what a later version understands and what changes the meaning of a request. The server may leave other
/// preferences out (RFC 7240, section 2); these it may not: who asks for a trial run must not get a real one.
fn supported(headers: &HeaderMap) -> Result<(), Failure> {
    for name in ["if-match", "idempotency-key"] {
        if headers.contains_key(name) {
            return Err(Failure::UnsupportedHeader(name.to_owned()));
        }
    }
    let changes_meaning = |(name, value): &(&str, &str)| match name.to_ascii_lowercase().as_str() {
        "resolution" | "max-affected" | "missing" => true,
        "tx" => value.eq_ignore_ascii_case("rollback"),
        "handling" => value.eq_ignore_ascii_case("strict"),
        _ => false,
    };
    match preferences(headers).find(changes_meaning) {
        Some((name, value)) => Err(Failure::UnsupportedHeader(format!("Prefer: {name}={value}"))),
        None => Ok(()),
    }
}

/// Names and values of the `Prefer` headers.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split([',', ';'])).map(|preference| {
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        (name.trim(), value.trim().trim_matches('"'))
    })
}

/// Whether the client takes JSON.
fn acceptable(headers: &HeaderMap) -> Result<(), Failure> {
    let wanted: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let takes_json = wanted.iter().flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        ["*/*", "application/*", "application/json"].iter().any(|known| range.eq_ignore_ascii_case(known))
    });
    if wanted.is_empty() || takes_json { Ok(()) } else { Err(Failure::NotAcceptable(wanted.join(", "))) }
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
