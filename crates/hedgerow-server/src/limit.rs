//! Rate limits over HTTP: an address is counted before anybody asks who it is, a credential and its user after.
//!
//! Always holds: what is counted is a kind of request (`read`, `write`, `export`), not its path, so no spelling of a path is
//! another counter; a refusal is 429 with `Retry-After`; every answer of the API says where its counter stands (`RateLimit` and
//! `RateLimit-Policy`, draft-ietf-httpapi-ratelimit-headers-10). Sign-in counts in `api/auth/call.rs`, with its own answers.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hedgerow::Caller;
use hedgerow::rate_limit::{Counted, Exceeded, Standing, Tier};

use crate::middleware::Facts;
use crate::peer::address_of;
use crate::respond::Failure;
use crate::service::Service;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is counted of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    tier: Tier,
    address: Option<IpAddr>,
}

/// Counts the address.
pub(crate) async fn around_request(State(service): State<Service>, request: Request, next: Next) -> Response {
    let Some(limits) = service.app.rate_limits() else { return next.run(request).await };
    let Some(tier) = tier_of(&request) else { return next.run(request).await };
    let address = address_of(&service, request.headers(), request.extensions());
    let facts = Facts::of(request.extensions());
    facts.is_of(Kind { tier, address });
    match counted(&facts, limits.count(tier, &[Counted::Address(address)]).await) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

/// Counts who asks, now that it is known.
pub(crate) async fn admit(service: &Service, facts: &Facts, caller: &Caller) -> Result<(), Failure> {
    let (Some(limits), Some(kind)) = (service.app.rate_limits(), facts.kind()) else { return Ok(()) };
    let outcome = match caller {
        Caller::Anonymous => limits.count(kind.tier, &[Counted::Anonymous(kind.address)]).await,
        Caller::User(user) => {
            let credential = user.key.as_deref().map_or(Counted::Sessions(&user.id), Counted::Key);
            limits.count(kind.tier, &[credential, Counted::User(&user.id)]).await
        }
    };
    counted(facts, outcome)
}

/// Counts the rest of what a request does that was let in as one: `operations` in all. It is not refused any more; who does more
/// than is left waits for it with the next one.
pub(crate) async fn weigh(service: &Service, facts: &Facts, caller: &Caller, operations: usize) {
    let (Some(limits), Some(kind)) = (service.app.rate_limits(), facts.kind()) else { return };
    let Caller::User(user) = caller else { return };
    let more = u32::try_from(operations.saturating_sub(1)).unwrap_or(u32::MAX);
    // A request that is done again is the same request.
    if more == 0 || facts.was_weighed() {
        return;
    }
    let credential = user.key.as_deref().map_or(Counted::Sessions(&user.id), Counted::Key);
    let all = [Counted::Address(kind.address), credential, Counted::User(&user.id)];
    facts.stands(limits.charge(kind.tier, &all, more).await);
}

fn counted(facts: &Facts, outcome: Result<Standing, Exceeded>) -> Result<(), Failure> {
    match outcome {
        Ok(standing) => {
            facts.stands(standing);
            Ok(())
        }
        Err(exceeded) => {
            facts.stands(exceeded.standing);
            Err(Failure::TooMany(exceeded))
        }
    }
}

/// The kind of a request; `None` for what is not counted here.
fn tier_of(request: &Request) -> Option<Tier> {
    let route = request.extensions().get::<MatchedPath>().map_or("/api/", MatchedPath::as_str);
    if !route.starts_with("/api/") || route.starts_with("/api/auth/") {
        return None;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    Some(match (reads, is_export(request.headers())) {
        (true, true) => Tier::Export,
        (true, false) => Tier::Read,
        (false, _) => Tier::Write,
    })
}

/// Whether the client asks for a form in which whole tables leave.
fn is_export(headers: &HeaderMap) -> bool {
    let wanted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    wanted.flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        ["text/csv", "application/x-ndjson"].iter().any(|one| range.eq_ignore_ascii_case(one))
    })
}

/// Whole seconds to wait, never too few.
pub(crate) fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Says where the counter stands.
pub(crate) fn write(headers: &mut HeaderMap, standing: &Standing) {
    let Standing { tier, quota, remaining, reset } = standing;
    let window = quota.window.as_secs();
    let reset = if reset.is_zero() { 0 } else { seconds(*reset) };
    let lines = [
        (RATE_LIMIT_POLICY, format!("\"{tier}\";q={};w={window}", quota.requests)),
        (RATE_LIMIT, format!("\"{tier}\";r={remaining};t={reset}")),
    ];
    for (name, line) in lines {
        headers.extend(HeaderValue::from_str(&line).ok().map(|line| (name, line)));
    }
}
