//! `POST`, `PATCH`, `PUT` and `DELETE`.

use axum::extract::Request as Received;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::asked::{Asked, EntityPath, RowPath};
use super::request::{Request, Target, expected, form};
use super::settle::{Work, repeatable, settle};
use crate::accept;
use crate::respond::Failure;
use crate::service::Service;

/// `POST`, `PATCH` and `DELETE /api/v1/{entity}`
pub(crate) async fn write_rows(
    State(service): State<Service>,
    path: EntityPath,
    request: Received,
) -> Result<Response, Failure> {
    let asked = Asked::of_rows(&service, path, request, accept::WRITTEN).await?;
    write(&service, asked, Target::Rows).await
}

/// `PATCH`, `PUT` and `DELETE /api/v1/{entity}/{id}`
pub(crate) async fn write_row(
    State(service): State<Service>,
    path: RowPath,
    request: Received,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    let target = Target::Row(asked.id.clone());
    write(&service, asked, target).await
}

/// `POST /api/v1/{entity}/{id}/restore`
pub(crate) async fn restore(
    State(service): State<Service>,
    path: RowPath,
    request: Received,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    let target = Target::Restore(asked.id.clone());
    write(&service, asked, target).await
}

/// `DELETE /api/v1/{entity}/trash/{id}`
pub(crate) async fn purge(
    State(service): State<Service>,
    path: RowPath,
    request: Received,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    let target = Target::Trash(asked.id.clone());
    write(&service, asked, target).await
}

async fn write(service: &Service, mut asked: Asked, target: Target) -> Result<Response, Failure> {
    let body = match target {
        // They have none that means anything.
        Target::Restore(_) | Target::Trash(_) => Default::default(),
        Target::Rows | Target::Row(_) if asked.method == axum::http::Method::DELETE => Default::default(),
        Target::Rows | Target::Row(_) => asked.body(service.options.body_limit).await?,
    };
    let expected = expected(&asked.headers, &target)?;
    let route = format!("{} /api/v1/{}{}", asked.method, asked.entity, target.route());
    let repeatable = repeatable(&asked, route, &body)?;
    let rows_at = match &target {
        Target::Rows => asked.path.trim_end_matches('/').to_owned(),
        _ => String::new(),
    };
    let request = Request {
        schema: &asked.schema,
        limits: asked.limits,
        entity: asked.entity()?,
        method: asked.method.clone(),
        target,
        parameters: asked.parameters(),
        path: rows_at,
        prefer: asked.prefer.clone(),
        form: form(&asked.headers)?,
        expected,
        body: &body,
        place: String::new(),
    };
    let answer = settle(&asked.ctx, &service.app, &Work::One(Box::new(request)), repeatable.as_ref()).await?;
    Ok(answer.into_response())
}
