//! Which requests the audit trail has, and what it is told of them when they come.
//!
//! Always holds: a row has the route's template, so no id, no filter's value and nothing of a query gets into the trail.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::http::{Method, header};
use hedgerow::audit::{Arrival, Audit, AuditedRequest, Outcome, Place};

use crate::middleware::Facts;
use crate::peer::address_of;
use crate::service::Service;

/// Requests of the API, and those that change something about sign-in. A browser that asks whether it may ask (OPTIONS)
/// asks for nothing.
pub(crate) fn is_audited(method: &Method, path: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match path.strip_prefix("/api/") {
        Some(rest) if rest.starts_with("auth/") => !reads && *method != Method::OPTIONS,
        Some(_) => *method != Method::OPTIONS,
        None => false,
    }
}

/// The request as it comes.
pub(crate) fn arrived(
    audit: &Audit,
    service: &Service,
    request: &Request,
    route: &str,
) -> Arc<AuditedRequest> {
    let headers = request.headers();
    let agent = headers.get(header::USER_AGENT);
    let arrival = Arrival {
        method: request.method().as_str(),
        endpoint: &endpoint(service, request, route),
        address: address_of(service, headers, request.extensions()),
        agent: agent.map(|agent| agent.to_str().unwrap_or("unreadable")),
        success: success(request.method(), route),
    };
    Arc::new(audit.request(service.app.world(), &arrival))
}

/// The row of a request whose answer begins before it is known how the request ends. One whose answer nobody reads to its end
/// has one, too: it says that the request broke off.
#[derive(Clone, Default)]
pub(crate) struct Later(Arc<Waiting>);

#[derive(Default)]
struct Waiting(Mutex<Option<(Place, Facts)>>);

/// A request that broke off, in the trail: Bad Request, as for any body that does.
const BROKEN_OFF: u16 = 400;

impl Later {
    pub(crate) fn keep(self, place: Place, facts: Facts) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((place, facts));
    }

    /// Says how it ended.
    pub(crate) fn record(&self, status: u16) {
        self.0.record(status);
    }
}

impl Waiting {
    fn record(&self, status: u16) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((place, facts)) = kept
            && let Some(request) = facts.audited()
        {
            place.record(request, Outcome { status, caller: facts.caller() });
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.record(BROKEN_OFF);
    }
}

/// The template, with the entity in its place: what an application is made of is no secret, and a row that did not say it
/// would say little.
fn endpoint(service: &Service, request: &Request, route: &str) -> String {
    let asked = request.uri().path().split('/').nth(3).unwrap_or_default();
    let schema = service.app.schema();
    match schema.entity(asked) {
        Some(entity) => route.replacen("{entity}", entity.name.as_str(), 1),
        None => route.to_owned(),
    }
}

/// The status with which a write of this route is answered. A handler that answers with another says so before it writes
/// ([`AuditedRequest::succeeds_with`]).
fn success(method: &Method, route: &str) -> u16 {
    match (method, route) {
        (&Method::POST, route)
            if ["/restore", "/revoke", "/import"].iter().any(|end| route.ends_with(end)) =>
        {
            200
        }
        (&Method::POST, _) => 201,
        (&Method::DELETE, "/api/v1/{entity}") => 200,
        (&Method::DELETE, route) if route.ends_with('}') || route.ends_with("/import") => 204,
        _ => 200,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_audited_and_nothing_else() {
        let check = |method: &Method, path: &str, expected: bool| {
            assert_eq!(is_audited(method, path), expected, "{method} {path}");
        };
        check(&Method::GET, "/api/v1/tasks", true);
        check(&Method::GET, "/api/nowhere", true);
        check(&Method::OPTIONS, "/api/v1/tasks", false);
        check(&Method::POST, "/api/auth/sign-in/email", true);
        check(&Method::GET, "/api/auth/get-session", false);
        check(&Method::GET, "/livez", false);
        check(&Method::GET, "/sign-in", false);
        check(&Method::GET, "/", false);
    }

    #[test]
    fn a_route_says_how_a_write_is_answered() {
        let check = |method: &Method, route: &str, expected: u16| {
            assert_eq!(success(method, route), expected, "{method} {route}");
        };
        check(&Method::POST, "/api/v1/{entity}", 201);
        check(&Method::POST, "/api/v1/{entity}/{id}/restore", 200);
        check(&Method::POST, "/api/v1/{entity}/import", 200);
        check(&Method::DELETE, "/api/v1/{entity}/import", 204);
        check(&Method::POST, "/api/v1/api-keys/{id}/rotate", 201);
        check(&Method::POST, "/api/v1/api-keys/{id}/revoke", 200);
        check(&Method::PATCH, "/api/v1/{entity}", 200);
        check(&Method::PUT, "/api/v1/{entity}/{id}", 200);
        check(&Method::DELETE, "/api/v1/{entity}", 200);
        check(&Method::DELETE, "/api/v1/{entity}/{id}", 204);
        check(&Method::DELETE, "/api/v1/{entity}/trash/{id}", 204);
        check(&Method::DELETE, "/api/v1/users/me/metas/{key}", 204);
        check(&Method::PATCH, "/api/v1/{entity}/{id}/metas", 200);
    }
}
