//! `POST`, `PATCH`, `PUT` and `DELETE`.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::schema::write::{self, Body as Rows};
use hedgerow::schema::{InputError, WriteKind, WriteQuery};
use hedgerow::{Error, records};

use super::asked::{Asked, EntityPath, RowPath};
use super::{invalid, json};
use crate::api::v1::prefer::{Return, applied};
use crate::respond::Failure;
use crate::service::Service;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

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
    let representation = asked.prefer.returning == Some(Return::Representation);
    let mut body = created.objects;
    if created.many || representation {
        body.insert(0, b'[');
        body.push(b']');
    }
    let mut response = json(StatusCode::CREATED, body);
    if representation {
        let kept = applied(&["return=representation"]);
        response.headers_mut().extend(kept.map(|kept| (PREFERENCE_APPLIED, kept)));
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
    let query = WriteQuery::parse(&asked.schema, entity, &asked.parameters(), asked.limits).map_err(invalid);
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
    let query =
        WriteQuery::parse(&asked.schema, entity, &asked.parameters(), asked.limits).map_err(invalid)?;
    let rows = records::delete_many(&asked.ctx, &service.app, entity, &query.filters, &query.select).await?;
    Ok(json(StatusCode::OK, rows.into_array()))
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
