//! `/api/v1/{entity}` and `/api/v1/{entity}/{id}`: each handler reads a request into typed values, all mistakes at once,
//! calls one operation of the library, and writes its answer.

pub(crate) mod asked;
mod importing;
mod paging;
mod reading;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod settle;
mod streaming;
mod writing;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::Error;
use hedgerow::schema::InputError;

use crate::respond::Failure;

pub(crate) use asked::read_body;
pub(crate) use importing::import_rows;
pub(crate) use paging::{Pages, content_range};
pub(crate) use reading::*;
pub(crate) use writing::*;

pub(crate) fn invalid(errors: Vec<InputError>) -> Failure {
    Error::Input(errors).into()
}
fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
