//! What a request may cost before anybody asks what it wants: its head and its URL are short, its body says once how long it is
//! and keeps coming.
//!
//! Always holds: a body that comes too slowly is given up before a connection to the database is taken for it; only the time in
//! which we wait for the client counts.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::middleware::Facts;
use crate::respond::Failure;
use crate::service::{ServerOptions, Service};

/// All header lines together.
const MAX_HEADERS: usize = 16 << 10;
/// A body that comes has this many bytes a second more time than its first seconds.
const LEAST_RATE: u64 = 1 << 10;

pub(crate) async fn around_request(State(service): State<Service>, request: Request, next: Next) -> Response {
    if let Err(failure) = check(&request, &service.options) {
        return failure.into_response();
    }
    let facts = Facts::of(request.extensions());
    let patience = service.options.body_timeout;
    let request = request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        Body::new(Paced { body, patience, waiting: None, facts: facts.clone() })
    });
    let response = next.run(request).await;
    if !facts.is_body_slow() {
        return response;
    }
    let mut response = Failure::BodyTooSlow.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn check(request: &Request, options: &ServerOptions) -> Result<(), Failure> {
    let uri = request.uri();
    let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
    if length > options.max_url {
        return Err(Failure::UrlTooLong(options.max_url));
    }
    let parameters = uri.query().map_or(0, |query| query.split('&').filter(|one| !one.is_empty()).count());
    if parameters > options.max_parameters {
        return Err(Failure::TooManyParameters(options.max_parameters));
    }
    let headers = request.headers();
    if size(headers) > MAX_HEADERS {
        return Err(Failure::HeadersTooLarge(MAX_HEADERS));
    }
    // Whoever stands before us may have believed the other one (RFC 9112, section 6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Failure::TwoLengths);
    }
    Ok(())
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// A body that has to keep coming.
struct Paced {
    body: Body,
    /// How long we may still wait for the client.
    patience: Duration,
    /// Since when we wait, and what ends it.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    facts: Facts,
}

/// The client sends too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body comes too slowly")]
struct TooSlow;

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some((since, _)) = this.waiting.take() {
                this.patience = this.patience.saturating_sub(since.elapsed());
            }
            if let Some(Ok(frame)) = &frame {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.patience += Duration::from_millis(bytes * 1000 / LEAST_RATE);
            }
            return Poll::Ready(frame);
        }
        let patience = this.patience;
        let (_, end) = this.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + patience)))
        });
        ready!(end.as_mut().poll(context));
        this.facts.body_was_slow();
        Poll::Ready(Some(Err(axum::Error::new(TooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
