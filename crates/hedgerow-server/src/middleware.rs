//! What happens around every request: it gets an id, a limit in time, headers that keep browsers careful, one line in
//! the log, and an answer even when a handler panics.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Extensions, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hedgerow::database::Guard;
use hedgerow::{Caller, World};

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
    guard: Mutex<Option<Arc<Guard>>>,
}

impl Facts {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    pub(crate) fn asked_by(&self, caller: &Caller) {
        let _ = self.0.caller.set(caller.clone());
    }

    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.0.caller.get()
    }

    /// What has to be proved of a caller who was remembered; `None` is nothing.
    pub(crate) fn guarded_by(&self, guard: Option<Arc<Guard>>) {
        *self.0.guard.lock().unwrap_or_else(PoisonError::into_inner) = guard;
    }

    pub(crate) fn guard(&self) -> Option<Arc<Guard>> {
        self.0.guard.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    let facts = Facts::default();
    request.extensions_mut().insert(facts.clone());

    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
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
