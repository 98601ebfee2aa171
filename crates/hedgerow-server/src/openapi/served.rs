//! `GET /api/v1/openapi.json` and `/api/v1/docs`.
//!
//! Always holds: who is not signed in reads them only where the settings say `public`; they follow the entities in use, and are
//! written once for each set of them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use hedgerow::config::Audience;
use hedgerow::{Caller, Error, Schema};

use super::{About, document, page};
use crate::api::v1::records::knows;
use crate::identity;
use crate::pages;
use crate::respond::Failure;
use crate::service::Service;

/// The document and its page, as they were last written.
#[derive(Default)]
pub(crate) struct Written(Mutex<Option<Arc<Forms>>>);

/// Both forms of one document.
struct Forms {
    /// Held, so that no other schema can be at its place.
    schema: Arc<Schema>,
    json: Bytes,
    html: Bytes,
    tag: HeaderValue,
}

impl Written {
    fn of(&self, service: &Service) -> Arc<Forms> {
        let app = &service.app;
        let schema = app.schema();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(forms) = known.filter(|forms| Arc::ptr_eq(&forms.schema, &schema)) {
            return forms;
        }
        let document =
            document(&schema, &About::of(app.auth().settings(), app.limits(), service.options.openapi));
        let json = document.to_string();
        let tag = HeaderValue::from_str(&format!("\"{}\"", hedgerow::auth::signed::content_hash(&json)));
        let forms = Arc::new(Forms {
            html: page::render(&document, app.auth().base_url().as_str()).into(),
            json: json.into(),
            tag: tag.unwrap_or(HeaderValue::from_static("\"1\"")),
            schema,
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&forms));
        forms
    }
}

/// `GET /api/v1/openapi.json`
pub(crate) async fn json(State(service): State<Service>, request: Request) -> Result<Response, Failure> {
    let (parts, _) = request.into_parts();
    if !may_read(&service, &parts).await? {
        return Err(Error::NotSignedIn.into());
    }
    let forms = service.written.of(&service);
    Ok(fresh(&parts.headers, &forms, "application/json", &forms.json))
}

/// `GET /api/v1/docs`: whoever comes with a browser and is not signed in is led to where people sign in.
pub(crate) async fn docs(State(service): State<Service>, request: Request) -> Result<Response, Failure> {
    let (parts, _) = request.into_parts();
    if !may_read(&service, &parts).await? {
        return if takes_pages(&parts.headers) {
            Ok(Redirect::to("/sign-in?next=/api/v1/docs").into_response())
        } else {
            Err(Error::NotSignedIn.into())
        };
    }
    let forms = service.written.of(&service);
    let mut response = fresh(&parts.headers, &forms, "text/html; charset=utf-8", &forms.html);
    let policy = format!(
        "default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        pages::hash(page::STYLE)
    );
    let policy = HeaderValue::from_str(&policy).ok();
    response.headers_mut().extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    Ok(response)
}

/// Whether the description is the caller's to read; a credential that is not valid is refused all the same.
async fn may_read(service: &Service, parts: &Parts) -> Result<bool, Failure> {
    let caller = identity::admitted(service, parts).await?;
    Ok(service.options.openapi == Audience::Public || matches!(caller, Caller::User(_)))
}

fn fresh(headers: &HeaderMap, forms: &Forms, kind: &'static str, body: &Bytes) -> Response {
    let mut response = if forms.tag.to_str().is_ok_and(|tag| knows(headers, tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], body.clone()).into_response()
    };
    response.headers_mut().insert(header::ETAG, forms.tag.clone());
    // Kept by whoever asked, and asked for again each time.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

fn takes_pages(headers: &HeaderMap) -> bool {
    let wanted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    wanted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/html"))
}
