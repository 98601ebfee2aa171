//! `POST /api/v1/{entity}/import`: a file of rows, written while it comes, in one transaction.
//!
//! Always holds: the rows become the caller's own; whatever ends the request before its commit, a client that goes away too,
//! leaves nothing; the row of the audit trail is in the transaction. What an answer looked like before its file was read to
//! the end is only said where progress was asked for.

mod asked;
mod intake;
mod told;

use axum::body::Body;
use axum::extract::{Request as Received, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hedgerow::import::{ImportOptions, ImportReport, Progress, import};
use hedgerow::{App, Ctx};
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{Duration, Interval, interval};
use tokio_util::task::AbortOnDropHandle;

use super::asked::{Asked, EntityPath};
use super::json;
use crate::accept::{self, Media};
use crate::api::v1::prefer::{self, PREFERENCE_APPLIED};
use crate::audited::Later;
use crate::respond::Failure;
use crate::service::Service;
use intake::Sending;

/// How often a client that asked for it hears how far the import is.
const TOLD: Duration = Duration::from_millis(500);

/// `POST /api/v1/{entity}/import`
pub(crate) async fn import_rows(
    State(service): State<Service>,
    path: EntityPath,
    request: Received,
) -> Result<Response, Failure> {
    let mut asked = Asked::of_rows(&service, path, request, accept::IMPORTED).await?;
    let media = accept::choose(&asked.headers, accept::IMPORTED)?;
    let options = asked::options(&asked, service.options.body_limit)?;
    let kept: &[&str] = if asked.prefer.rollback { &["tx=rollback"] } else { &[] };
    let (mut sending, file) = intake::open(
        std::mem::take(&mut asked.body),
        service.options.import_limit,
        service.options.body_timeout,
    );
    sending.fits(&asked.headers).await?;
    let (progress, mut known) = watch::channel(Progress { read: 0, written: 0 });
    let work = Work { ctx: asked.ctx.clone(), app: service.app.clone(), options: options.clone(), progress };
    let limit = service.options.import_timeout;
    let mut running = AbortOnDropHandle::new(tokio::spawn(async move {
        let timed = tokio::time::timeout(limit, work.run(sending, file)).await;
        timed.unwrap_or(Err(Failure::TimedOut(limit)))
    }));
    let ended = tokio::select! {
        biased;
        outcome = &mut running => Some(outcome),
        // The caller was proved with the first rows, and what is wrong with the request would have been told by now.
        Ok(_) = known.wait_for(|progress| media == Media::Ndjson && progress.written > 0) => None,
    };
    let mut response = match ended {
        Some(outcome) => whole(outcome, media, &options)?,
        None => {
            let (ticks, later) = (interval(TOLD), Later::default());
            Told { running, known, ticks, said: 0, options, later, asked }.into_response()
        }
    };
    response.headers_mut().extend(prefer::applied(kept).map(|kept| (PREFERENCE_APPLIED, kept)));
    Ok(response)
}

/// An import on its way.
struct Work {
    ctx: Ctx,
    app: App,
    options: ImportOptions,
    progress: watch::Sender<Progress>,
}

impl Work {
    async fn run(self, sending: Sending, file: intake::File) -> Result<ImportReport, Failure> {
        let mut tell = |progress| {
            self.progress.send_replace(progress);
        };
        let (sent, imported) =
            tokio::join!(sending.run(), import(&self.ctx, &self.app, &self.options, file, &mut tell));
        // What was wrong with the body is why it could not be read.
        sent?;
        Ok(imported?)
    }
}

type Outcome = Result<Result<ImportReport, Failure>, JoinError>;

/// The report, or why there is none.
fn outcome(outcome: Outcome, options: &ImportOptions) -> Result<ImportReport, Failure> {
    let report = match outcome {
        Ok(report) => report?,
        Err(ended) => {
            tracing::error!(%ended, "an import ended by itself");
            return Err(Failure::Panicked);
        }
    };
    told::accepted(report, options)
}

/// The answer of an import that is over before an answer began.
fn whole(ended: Outcome, media: Media, options: &ImportOptions) -> Result<Response, Failure> {
    let report = outcome(ended, options)?;
    let mut body = told::report(&report, options.format).to_string().into_bytes();
    if media == Media::Ndjson {
        body.push(b'\n');
    }
    let mut response = json(StatusCode::OK, body);
    response.headers_mut().insert(header::CONTENT_TYPE, media.content_type());
    Ok(response)
}

/// An import whose client hears how far it is, line by line; the last line says what came of it.
struct Told {
    running: AbortOnDropHandle<Result<ImportReport, Failure>>,
    known: watch::Receiver<Progress>,
    ticks: Interval,
    /// The rows of the last line.
    said: u64,
    options: ImportOptions,
    later: Later,
    asked: Asked,
}

impl Told {
    fn into_response(self) -> Response {
        let later = self.later.clone();
        let lines = stream::unfold(Some(self), |told| async {
            let mut told = told?;
            match told.next().await {
                Line::Progress(line) => Some((Ok::<_, std::convert::Infallible>(line), Some(told))),
                Line::Last(line) => Some((Ok(line), None)),
            }
        });
        let mut response = Body::from_stream(lines).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, Media::Ndjson.content_type());
        // A proxy that gathers lines would keep them.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response.extensions_mut().insert(later);
        response
    }

    async fn next(&mut self) -> Line {
        loop {
            tokio::select! {
                biased;
                ended = &mut self.running => return Line::Last(self.last(ended)),
                _ = self.ticks.tick() => {}
            }
            let rows = self.known.borrow().read;
            if rows > self.said {
                self.said = rows;
                return Line::Progress(format!("{{\"rows\":{rows}}}\n"));
            }
        }
    }

    fn last(&self, ended: Outcome) -> String {
        let (status, line) = match outcome(ended, &self.options) {
            Ok(report) => (StatusCode::OK, told::report(&report, self.options.format)),
            Err(failure) => failure.told(&self.asked.path, self.asked.ctx.request_id()),
        };
        self.later.record(status.as_u16());
        format!("{line}\n")
    }
}

enum Line {
    Progress(String),
    Last(String),
}
