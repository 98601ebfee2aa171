//! What happens around every request: it gets an id, a limit in time, headers that keep browsers careful, one line in
//! the log, and an answer even when a handler panics.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hedgerow::audit::{AuditedRequest, Outcome};
use hedgerow::database::Guard;
use hedgerow::rate_limit::Standing;
use hedgerow::{Caller, World};

use crate::audited::{self, Later};
use crate::limit;
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
    was_nobody: AtomicBool,
    audited: Option<Arc<AuditedRequest>>,
    guard: Mutex<Option<Arc<Guard>>>,
    kind: OnceLock<limit::Kind>,
    standing: Mutex<Option<Standing>>,
    is_body_slow: AtomicBool,
    was_weighed: AtomicBool,
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
        self.0.caller.get().filter(|_| !self.0.was_nobody.load(Ordering::Relaxed))
    }

    /// Whoever was remembered did not ask: what they presented is no credential any more.
    pub(crate) fn was_nobody(&self) {
        self.0.was_nobody.store(true, Ordering::Relaxed);
    }

    /// The request as the audit trail has it.
    pub(crate) fn audited(&self) -> Option<&Arc<AuditedRequest>> {
        self.0.audited.as_ref()
    }

    /// What has to be proved of a caller who was remembered; `None` is nothing.
    pub(crate) fn guarded_by(&self, guard: Option<Arc<Guard>>) {
        *self.0.guard.lock().unwrap_or_else(PoisonError::into_inner) = guard;
    }

    pub(crate) fn guard(&self) -> Option<Arc<Guard>> {
        self.0.guard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is counted of the request.
    pub(crate) fn is_of(&self, kind: limit::Kind) {
        let _ = self.0.kind.set(kind);
    }

    pub(crate) fn kind(&self) -> Option<limit::Kind> {
        self.0.kind.get().copied()
    }

    /// Where a counter stands; the one that has least left is told to the client.
    pub(crate) fn stands(&self, standing: Standing) {
        let mut known = self.0.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|known| standing.remaining <= known.remaining) {
            *known = Some(standing);
        }
    }

    fn standing(&self) -> Option<Standing> {
        *self.0.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this was asked before.
    pub(crate) fn was_weighed(&self) -> bool {
        self.0.was_weighed.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn body_was_slow(&self) {
        self.0.is_body_slow.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_body_slow(&self) -> bool {
        self.0.is_body_slow.load(Ordering::Relaxed)
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
                return Failure::Leaving.into_response();
            }
        }
        next.run(request).await
    })
    .catch_unwind();
    let limit = time_limit(&service, &method, &route);
    let mut response = match tokio::time::timeout(limit, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            tracing::error!(request_id = id.0, route, panic = text, "a handler panicked");
            Failure::Panicked.into_response()
        }
        Err(_) => Failure::TimedOut(limit).into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        // Problems are written last, because only here the path is known to all of them.
        response = problem.write(response, &path, &id.0);
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, HeaderValue::from_str(&id.0).unwrap_or(HeaderValue::from_static("-")));
    careful(&service, headers);
    if let Some(standing) = facts.standing() {
        limit::write(headers, &standing);
    }
    if service.app.is_leaving() {
        // Whoever asks again finds another instance.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }

    if let Some(request) = facts.audited() {
        match (place, response.extensions_mut().remove::<Later>()) {
            (Some(place), Some(later)) => later.keep(place, facts.clone()),
            (Some(place), None) => {
                let status = response.status().as_u16();
                place.record(request, Outcome { status, caller: facts.caller() });
            }
            (None, _) => tracing::error!(
                request_id = id.0,
                route,
                "a request was turned away without a row of the audit trail"
            ),
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

/// How long a request may take. An import has time of its own, which it looks at itself; what comes before takes no longer than
/// any request.
fn time_limit(service: &Service, method: &Method, route: &str) -> Duration {
    let usual = service.options.request_timeout;
    if *method == Method::POST && route == "/api/v1/{entity}/import" {
        usual.saturating_add(service.options.import_timeout)
    } else {
        usual
    }
}

/// Headers that keep browsers careful. A page of ours says itself what it may load; everything else may load nothing.
fn careful(service: &Service, headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let usual = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in usual {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if service.app.auth().base_url().scheme() == "https" {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
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
