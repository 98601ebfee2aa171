//! What happens around every request: it gets an id, a limit in time, headers that keep browsers careful, one line in
//! the log, and an answer even when a handler panics.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Extensions, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hedgerow::audit::{AuditedRequest, Outcome};
use hedgerow::{Caller, World};

use crate::audited;
use crate::respond::{Failure, Problem};
use crate::service::Service;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, for its answer, its log line and its context.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// What handlers find out about a request and what is done around it needs: one for each request, in its extensions.
#[derive(Clone, Default)]
pub(crate) struct Facts(Arc<FactsInner>);

#[derive(Default)]
struct FactsInner {
    caller: OnceLock<Caller>,
    audited: Option<Arc<AuditedRequest>>,
}

impl Facts {
    fn audited_as(audited: Option<Arc<AuditedRequest>>) -> Self {
        Self(Arc::new(FactsInner { audited, ..FactsInner::default() }))
    }

    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    pub(crate) fn asked_by(&self, caller: &Caller) {
        let _ = self.0.caller.set(caller.clone());
    }

    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.0.caller.get()
    }

    /// The request as the audit trail has it.
    pub(crate) fn audited(&self) -> Option<&Arc<AuditedRequest>> {
        self.0.audited.as_ref()
    }
}

pub(crate) async fn around_request(
    State(service): State<Service>,
    mut request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let id = RequestId::of(&request, service.app.world());
    let method = request.method().clone();
    // The template, not the path: an id or a filter's value is nobody's business in a log.
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(id.clone());
    let audit = service.app.audit().filter(|_| audited::is_audited(&method, &path));
    let facts = Facts::audited_as(audit.map(|audit| audited::arrived(audit, &service, &request, &route)));
    request.extensions_mut().insert(facts.clone());

    // What cannot be recorded is not begun: who finds no place in the trail's queue waits for one.
    let mut place = None;
    let place_of_row = &mut place;
    let work = AssertUnwindSafe(async move {
        if let Some(audit) = audit {
            *place_of_row = audit.place().await;
            if place_of_row.is_none() {
                return Failure::Stopping.into_response();
            }
        }
        next.run(request).await
    })
    .catch_unwind();
    let mut response = match tokio::time::timeout(service.options.request_timeout, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            tracing::error!(request_id = id.0, route, panic = text, "a handler panicked");
            Failure::Panicked.into_response()
        }
        Err(_) => Failure::TimedOut(service.options.request_timeout).into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        // Problems are written last, because only here the path is known to all of them.
        response = problem.write(response, &path, &id.0);
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, HeaderValue::from_str(&id.0).unwrap_or(HeaderValue::from_static("-")));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));

    if let Some(request) = facts.audited() {
        match place {
            Some(place) => {
                let status = response.status().as_u16();
                place.record(request, Outcome { status, caller: facts.caller() });
            }
            None => tracing::error!(request_id = id.0, route, "a request was turned away without a row of the audit trail"),
        }
    }

    let millis = start.elapsed().as_secs_f64() * 1000.0;
    tracing::info!(
        request_id = id.0,
        method = method.as_str(),
        route,
        status = response.status().as_u16(),
        signed_in = matches!(facts.caller(), Some(Caller::User(_))),
        millis,
        "answered a request"
    );
    response
}

impl RequestId {
    /// The client's own id where it is harmless to repeat, else a new one.
    fn of(request: &Request, world: &World) -> Self {
        let plain = |text: &&str| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
        Self(given.map_or_else(|| world.new_id(), str::to_owned))
    }
}
