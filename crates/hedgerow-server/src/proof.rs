//! What an API key or a session that is remembered still has to prove, and what happens when it cannot.
//!
//! Always holds: no answer leaves that relied on something remembered and not proved. Nearly all requests prove it in their own
//! flight. One that sent none (a mistake in its parameters, a missing scope) is proved here; one whose guard did not hold did
//! nothing, and is done again with the caller as the database knows them now, or refused. Nothing is ever written twice:
//! after a flight that was proved, only what reads is done again.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hedgerow::{Caller, Error, api_keys};
use hyper::body::Frame;

use crate::identity::{self, LookUp};
use crate::middleware::Facts;
use crate::respond::{CredentialChanged, Failure};
use crate::service::Service;

pub(crate) async fn around_request(State(service): State<Service>, request: Request, next: Next) -> Response {
    let is_data = request.uri().path().starts_with("/api/v1/");
    if !is_data || !identity::presents_something(request.headers()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let facts = Facts::of(&parts.extensions);
    let tape = Tape::of(body, service.options.body_limit);
    let first = Request::from_parts(parts.clone(), Tape::play(&tape));
    let response = next.clone().run(first).await;
    let response = proved(&service, &facts, parts, &tape, response, next).await;
    if let Some(Caller::User(user)) = facts.caller()
        && let Some(key) = &user.key
        && response.status() != StatusCode::UNAUTHORIZED
    {
        api_keys::used(&service.app, key);
    }
    response
}

/// The answer, once it relies on nothing that is merely remembered.
async fn proved(
    service: &Service,
    facts: &Facts,
    mut parts: Parts,
    tape: &Arc<Mutex<Tape>>,
    response: Response,
    next: Next,
) -> Response {
    let Some(guard) = facts.guard() else { return response };
    let is_refused = response.extensions().get::<CredentialChanged>().is_some();
    // A refusal for another's sake tells nothing, and must not cost what it saves.
    let is_spared = response.status() == StatusCode::TOO_MANY_REQUESTS || response.status().is_server_error();
    if (guard.held() || is_spared) && !is_refused {
        return response;
    }
    let caller = match identity::caller(service, &parts).await {
        Ok(caller) => caller,
        Err(failure) => {
            facts.was_nobody();
            return failure.into_response();
        }
    };
    if !is_refused && facts.caller() == Some(&caller) {
        return response;
    }
    // A flight before the one that was refused may have written.
    if guard.held() && !parts.method.is_safe() || !Tape::rewind(tape) {
        let changed = || Failure::from(Error::CredentialChanged).into_response();
        return if is_refused { response } else { changed() };
    }
    facts.guarded_by(None);
    parts.extensions.insert(LookUp);
    next.run(Request::from_parts(parts, Tape::play(tape))).await
}

/// What a piece of a body costs besides its bytes: one of a single byte must not cost nothing.
const PIECE: usize = 64;
/// Room for the pieces of a body as clients send them, some KB each.
const PIECES: usize = 256 << 10;

/// Whether a body with these headers can be read a second time: it has an end that is said, within what is kept.
pub(crate) fn can_be_repeated(parts: &Parts, limit: usize) -> bool {
    let length =
        parts.headers.get(header::CONTENT_LENGTH).map(|value| value.to_str().ok()?.parse::<usize>().ok());
    match length {
        Some(length) => length.is_some_and(|length| length <= limit),
        None => parts.method.is_safe() || parts.method == Method::DELETE,
    }
}

/// A body that can be read a second time: what was read of it is kept, up to a limit.
struct Tape {
    rest: Body,
    read: Vec<Bytes>,
    /// What is left of the limit; `None` when more was read than is kept.
    room: Option<usize>,
}

impl Tape {
    fn of(rest: Body, limit: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { rest, read: Vec::new(), room: Some(limit.saturating_add(PIECES)) }))
    }

    /// The body from its beginning.
    fn play(tape: &Arc<Mutex<Self>>) -> Body {
        let tape = tape.clone();
        Body::new(Playing { tape, at: 0 })
    }

    /// Whether it can be read from its beginning.
    fn rewind(tape: &Mutex<Self>) -> bool {
        open(tape).room.is_some()
    }

    fn keep(&mut self, data: &Bytes) {
        self.room = self.room.and_then(|room| room.checked_sub(data.len() + PIECE));
        match self.room {
            Some(_) => self.read.push(data.clone()),
            None => self.read.clear(),
        }
    }
}

fn open(tape: &Mutex<Tape>) -> MutexGuard<'_, Tape> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Playing {
    tape: Arc<Mutex<Tape>>,
    /// How many pieces of what is kept were given.
    at: usize,
}

impl HttpBody for Playing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let tape = self.tape.clone();
        let mut tape = open(&tape);
        if tape.room.is_some()
            && let Some(data) = tape.read.get(self.at)
        {
            self.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        let frame = std::task::ready!(Pin::new(&mut tape.rest).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            tape.keep(data);
            self.at += 1;
        }
        Poll::Ready(frame)
    }
}
