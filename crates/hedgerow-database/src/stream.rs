//! Rows of any number, handed on while they come: from the wire through a few chunks to whoever reads.
//!
//! Always holds:
//! * memory is bounded: when the chunks are full the connection is not read, and the server waits;
//! * a reader who takes nothing for the limit loses the stream, and the statement is cancelled: nobody holds a transaction
//!   open by not reading. A reader who goes away ends it at once;
//! * a stream that broke never looks like one that ended: its end is said, and whatever else happens is an error;
//! * so few run at once that they cannot take all connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hedgerow_schema::{Query, SqlType};
use postgres_protocol::message::backend::DataRowBody;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::error::Error;
use crate::flight::{IdentityStatement, is_stale_plan, judged};
use crate::guard::Guard;
use crate::identity::Role;
use crate::pool::Pool;
use crate::row_format::{RowEncoder, RowFormat, write_header};
use crate::wire::{Count, MakingRoom, Parameters, Sink, Step};

/// What is handed on at once.
const CHUNK: usize = 64 * 1024;
/// So many chunks wait for the reader.
const WAITING: usize = 4;

/// How long a stream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// A reader who takes nothing for so long has gone.
    pub stall: Duration,
    /// From the first row to the last; zero is without a limit. A transaction is open meanwhile, and what it could still see is not cleaned up.
    pub total: Duration,
}

/// Rows as text in one of the formats, chunk by chunk. Dropping it ends the statement.
pub struct RowStream {
    chunks: mpsc::Receiver<Chunk>,
    /// A chunk that was asked for early, so that a refusal is known before an answer begins.
    first: Option<Bytes>,
    ended: bool,
    _work: AbortOnDropHandle<()>,
}

enum Chunk {
    Rows(Bytes),
    End(Result<(), Error>),
}

/// Who asks, and what has to hold before they are answered.
pub(crate) struct Asker {
    pub(crate) identity: IdentityStatement,
    pub(crate) role: Role,
    pub(crate) guard: Option<Arc<Guard>>,
}

impl RowStream {
    pub(crate) fn start(
        pool: &Pool,
        asker: Asker,
        query: Query,
        format: RowFormat,
        limits: StreamLimits,
    ) -> Result<Self, Error> {
        let permit = pool.long_work()?;
        let (sender, chunks) = mpsc::channel(WAITING);
        let pool = pool.clone();
        let work = tokio::spawn(async move {
            let outcome = tokio::select! {
                outcome = send_rows(&pool, &asker, &query, format, limits, &sender) => outcome,
                () = sender.closed() => return,
            };
            drop(permit);
            // A reader who stalled will not take this either, and sees a stream without an end.
            let _ = tokio::time::timeout(limits.stall, sender.send(Chunk::End(outcome))).await;
        });
        Ok(Self { chunks, first: None, ended: false, _work: AbortOnDropHandle::new(work) })
    }

    /// Waits until there are rows, or it is known that there are none.
    ///
    /// # Errors
    /// As a flight's: the statement failed before its first row.
    pub async fn begun(mut self) -> Result<Self, Error> {
        self.first = self.next().await.transpose()?;
        Ok(self)
    }

    /// The next piece of text; `None` at the end of a stream that is complete.
    ///
    /// # Errors
    /// [`Error`]; what came before is not all there was.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if self.ended {
            return None;
        }
        match self.chunks.recv().await {
            Some(Chunk::Rows(rows)) => Some(Ok(rows)),
            Some(Chunk::End(Ok(()))) => {
                self.ended = true;
                None
            }
            Some(Chunk::End(Err(error))) => Some(Err(error)),
            None => Some(Err(Error::Protocol("a stream ended before its rows did".to_owned()))),
        }
    }
}

async fn send_rows(
    pool: &Pool,
    asker: &Asker,
    query: &Query,
    format: RowFormat,
    limits: StreamLimits,
    sender: &mpsc::Sender<Chunk>,
) -> Result<(), Error> {
    let mut lease = pool.lend().await?;
    let expected: Vec<SqlType> = query.columns.iter().map(|column| column.ty).collect();
    let mut sink = ChunkSink::new(query, format, limits.stall, sender);
    let mut retried = false;
    loop {
        let mut set = Count::default();
        let mut proof = asker.guard.as_deref().map(Guard::proof);
        let mut steps = vec![asker.identity.step(&mut set)];
        steps.extend(proof.as_mut().map(|proof| proof.step(asker.role)));
        steps.push(Step {
            text: query.sql.text(),
            role: Some(asker.role),
            parameters: Parameters::Text(query.sql.binds()),
            expected: Some(&expected),
            sink: &mut sink,
        });
        pool.count_exchange();
        let work = lease.exchange(&mut steps);
        let sent = if limits.total.is_zero() {
            work.await
        } else {
            // The server's own limit is the same; this one is for a server that does not answer at all.
            let answered = tokio::time::timeout(limits.total + limits.stall, work).await;
            answered.unwrap_or(Err(Error::Deadline(limits.total)))
        };
        drop(steps);
        match sent.map_err(|error| judged(proof.as_ref(), error)) {
            // It failed at planning: no row was sent yet.
            Err(error) if is_stale_plan(&error) && !retried => {
                retried = true;
                lease.forget_statements();
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    // The connection goes back before the reader has taken the rest.
    drop(lease);
    sink.flush().await
}

/// Gathers rows until they make a chunk.
struct ChunkSink<'s> {
    encoder: RowEncoder,
    line_end: &'static [u8],
    gathered: Vec<u8>,
    /// The first row goes at once: whoever waits for the answer learns that it begins.
    enough: usize,
    stall: Duration,
    sender: &'s mpsc::Sender<Chunk>,
}

impl<'s> ChunkSink<'s> {
    fn new(query: &Query, format: RowFormat, stall: Duration, sender: &'s mpsc::Sender<Chunk>) -> Self {
        let mut gathered = Vec::new();
        let is_csv = matches!(format, RowFormat::Csv(_));
        let line_end: &[u8] = if is_csv { b"\r\n" } else { b"\n" };
        if is_csv {
            write_header(&mut gathered, &query.columns);
            gathered.extend_from_slice(line_end);
        }
        let encoder = RowEncoder::new(format.into(), &query.columns);
        Self { encoder, line_end, gathered, enough: 1, stall, sender }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.enough = CHUNK;
        let rows = std::mem::replace(&mut self.gathered, Vec::with_capacity(CHUNK));
        let sent = tokio::time::timeout(self.stall, self.sender.send(Chunk::Rows(rows.into()))).await;
        // Who does not receive any more is told nothing.
        sent.map_or(Err(Error::Stalled(self.stall)), |_| Ok(()))
    }
}

impl Sink for ChunkSink<'_> {
    fn row(&mut self, row: &DataRowBody) -> Result<(), Error> {
        self.encoder.write(&mut self.gathered, row)?;
        self.gathered.extend_from_slice(self.line_end);
        Ok(())
    }

    fn make_room(&mut self) -> Option<MakingRoom<'_>> {
        (self.gathered.len() >= self.enough).then(|| Box::pin(self.flush()) as MakingRoom<'_>)
    }
}
