//! Whether the process lives, and whether it can serve.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::respond::Failure;
use crate::service::Service;

/// The process answers.
pub(crate) async fn live() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], r#"{"status":"live"}"#).into_response()
}

/// The database answers too, and the process will not end soon.
pub(crate) async fn ready(State(service): State<Service>) -> Result<Response, Failure> {
    if service.app.is_leaving() {
        return Err(Failure::Leaving);
    }
    hedgerow::health::ready(&service.app).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], r#"{"status":"ready"}"#).into_response())
}
