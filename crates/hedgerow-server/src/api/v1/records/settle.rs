//! How the writes of a request come to their end: once, all or nothing, and with an `Idempotency-Key` never twice.

use axum::http::HeaderMap;
use hedgerow::idempotency::{self, Claim, Key, Repeatable};
use hedgerow::records::{Outcome, Writes};
use hedgerow::{App, Ctx, Error};

use super::asked::Asked;
use super::reply::Answer;
use super::request::Request;
use crate::api::v1::batch::Batch;
use crate::respond::Failure;

/// How often what collides with another transaction is tried.
const TRIES: usize = 3;

/// What a request writes.
pub(crate) enum Work<'r> {
    One(Box<Request<'r>>),
    Batch(Batch<'r>),
}

impl Work<'_> {
    /// All of its operations, of which there is at least one.
    fn operations(&self) -> &[Request<'_>] {
        match self {
            Self::One(request) => std::slice::from_ref(request),
            Self::Batch(batch) => &batch.operations,
        }
    }

    async fn perform(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        match self {
            Self::One(request) => request.perform(writes).await,
            Self::Batch(batch) => batch.perform(writes).await,
        }
    }

    fn outcome(&self) -> Outcome {
        let undone = match self {
            Self::One(request) => request.prefer.rollback,
            Self::Batch(batch) => batch.is_trial,
        };
        if undone { Outcome::Undone } else { Outcome::Kept }
    }

    fn decides(&self) -> bool {
        match self {
            Self::One(request) => request.decides(),
            Self::Batch(_) => true,
        }
    }
}

/// What makes the request one that can be sent again, if it has an idempotency key.
pub(crate) fn repeatable(asked: &Asked, route: String, body: &[u8]) -> Result<Option<Repeatable>, Error> {
    let Some(key) = key(&asked.headers)? else { return Ok(None) };
    let says = [asked.path.as_bytes(), asked.query.as_bytes(), body];
    Repeatable::new(&asked.ctx, key, route, &says).map(Some)
}

/// The request's idempotency key, if it has one.
fn key(headers: &HeaderMap) -> Result<Option<Key>, Error> {
    let mut given = headers.get_all("idempotency-key").iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => Key::parse(one.to_str().unwrap_or_default()).map(Some),
        (Some(_), Some(_)) => {
            Err(Error::input("Idempotency-Key", "invalid_idempotency_key", "there are two idempotency keys"))
        }
    }
}

/// Does the work, and ends it. What collided with another transaction has done nothing, and is done again.
pub(crate) async fn settle(
    ctx: &Ctx,
    app: &App,
    work: &Work<'_>,
    repeatable: Option<&Repeatable>,
) -> Result<Answer, Failure> {
    let mut tries = 1;
    loop {
        match once(ctx, app, work, repeatable).await {
            Err(Failure::Operation(error)) if error.is_passing() && tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

async fn once(
    ctx: &Ctx,
    app: &App,
    work: &Work<'_>,
    repeatable: Option<&Repeatable>,
) -> Result<Answer, Failure> {
    let mut writes = if repeatable.is_some() || work.decides() {
        Writes::together(ctx, app)
    } else {
        Writes::alone(ctx, app)
    };
    // Of one statement, the row of the audit trail goes with it; of several, before the commit, when the answer is known.
    if let Work::One(request) = work {
        ctx.succeeds_with(request.success());
    }
    let Some(asked) = repeatable else {
        let answer = work.perform(&mut writes).await?;
        ctx.succeeds_with(answer.status());
        writes.finish(work.outcome()).await?;
        return Ok(answer);
    };
    // Whoever may not do it does not hear what came of it either.
    let mut identity = None;
    for operation in work.operations() {
        let own = writes.authorize(operation.entity, operation.action());
        identity = Some(own.map_err(|error| operation.failed(error.into()))?);
    }
    let identity = identity.ok_or(Failure::NoSuchMethod)?;
    if let Claim::Again(kept) = idempotency::claim(&mut writes, &identity, asked).await? {
        writes.finish(Outcome::Undone).await?;
        return Ok(Answer::again(kept));
    }
    let answer = work.perform(&mut writes).await?;
    idempotency::keep(&mut writes, &identity, asked, &answer.kept()).await?;
    ctx.succeeds_with(answer.status());
    writes.finish(work.outcome()).await?;
    Ok(answer)
}
