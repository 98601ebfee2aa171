//! One connection to PostgreSQL, and the exchange of one flight of statements on it.
//!
//! Always holds:
//! * an exchange writes all of its messages with one Sync at the end, and reads up to the server's ReadyForQuery, so
//!   outside a transaction its statements are one transaction that ends with it (manual, section 55.2.3);
//! * a connection whose exchange was broken off knows it ([`Connection::is_resting`]) and is never lent again as it is;
//! * text that a caller sent is never part of a statement: values go as parameters of the extended protocol.

mod startup;
mod step;
mod stream;

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use lru::LruCache;
use postgres_protocol::IsNull;
use postgres_protocol::message::{backend, frontend};
use postgres_types::{Format, Type};
use tokio::io::AsyncReadExt;
use tokio_util::io::poll_read_buf;

use crate::error::{Error, ServerError};
use crate::identity::Role;
pub(crate) use startup::cancel;
pub(crate) use step::{ColumnInfo, Count, MakingRoom, Parameters, Sink, Step, wire_format, wire_type};
use step::{affected, check_columns, read_columns, read_types};
pub(crate) use stream::{Stream, connect as connect_stream};

/// Statements kept prepared on a connection; the least recently used is closed beyond that. A plan takes tens of
/// kilobytes of the server's memory.
const MAX_PREPARED: NonZeroUsize = NonZeroUsize::new(300).expect("not zero");

/// What is asked of the system at once.
const READ_SIZE: usize = 32 * 1024;

/// How statements are named on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statements {
    /// Prepared once under a name, planned once.
    Named,
    /// Parsed anew each time: all that is safe behind a pooler in transaction mode.
    Unnamed,
}

/// Where the server stands between two exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// No transaction is open.
    Idle,
    /// In a transaction.
    Open,
    /// In a transaction that can only be rolled back.
    Failed,
    /// An exchange was broken off: answers are still under way.
    Busy,
    /// The stream broke, or what came over it made no sense.
    Broken,
}

pub(crate) struct Connection {
    stream: Stream,
    /// What is still to be sent.
    output: BytesMut,
    /// What came and was not read yet.
    input: BytesMut,
    status: Status,
    mode: Statements,
    prepared: LruCache<StatementKey, Prepared>,
    /// Names of statements that were sent and that the server has not yet confirmed.
    unconfirmed: Vec<String>,
    /// Names of statements that the server may still hold although nobody will use them.
    to_close: Vec<String>,
    next_name: u64,
    cancel: CancelKey,
}

/// Statements are kept apart by role: a plan made for one is never run for another.
#[derive(PartialEq, Eq, Hash)]
struct StatementKey {
    role: Option<Role>,
    text: Box<str>,
}

struct Prepared {
    name: String,
    columns: Arc<[ColumnInfo]>,
}

/// What cancels the statement that runs on a connection.
#[derive(Clone, Debug)]
pub(crate) struct CancelKey {
    pub(crate) process_id: i32,
    pub(crate) secret_key: i32,
}

/// A statement that was sent with Parse or Describe and whose answer is awaited.
struct Pending {
    /// Its place in the flight.
    step: usize,
    /// Under which key it is kept once the server has it; `None` for unnamed ones.
    keep: Option<(StatementKey, String)>,
}

impl Connection {
    pub(crate) fn is_resting(&self) -> bool {
        self.status == Status::Idle
    }

    /// Whether the server has not said goodbye while the connection rested.
    pub(crate) fn is_alive(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match poll_read_buf(Pin::new(&mut self.stream), &mut context, &mut self.input) {
                Poll::Pending => break,
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(_) => return false,
            }
        }
        // A notice or a changed setting may have come; an error is the server's last word.
        while let Ok(Some(message)) = backend::Message::parse(&mut self.input) {
            if matches!(message, backend::Message::ErrorResponse(_)) {
                return false;
            }
        }
        true
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    pub(crate) fn cancel_key(&self) -> CancelKey {
        self.cancel.clone()
    }

    /// Sends `steps` as one flight and gives their rows to their sinks.
    ///
    /// The first error decides; the server skips what follows it. Cancel-safe in this sense: a future that is dropped
    /// midway leaves the connection [`Status::Busy`].
    pub(crate) async fn exchange(&mut self, steps: &mut [Step<'_>]) -> Result<(), Error> {
        debug_assert!(!matches!(self.status, Status::Busy | Status::Broken), "{:?}", self.status);
        let before = self.output.len();
        let mut pending = Vec::new();
        let mut known: Vec<Option<Arc<[ColumnInfo]>>> = Vec::with_capacity(steps.len());
        if let Err(error) = self.encode(steps, &mut pending, &mut known) {
            // Nothing was sent, and nothing will be.
            self.output.truncate(before);
            self.unconfirmed.clear();
            return Err(error);
        }
        frontend::sync(&mut self.output);
        self.status = Status::Busy;
        self.send().await?;
        self.receive(steps, pending, known).await
    }

    fn encode(
        &mut self,
        steps: &[Step<'_>],
        pending: &mut Vec<Pending>,
        known: &mut Vec<Option<Arc<[ColumnInfo]>>>,
    ) -> Result<(), Error> {
        for name in &self.to_close {
            frontend::close(b'S', name, &mut self.output).map_err(encoding)?;
        }
        for (at, step) in steps.iter().enumerate() {
            let key = StatementKey { role: step.role, text: step.text.into() };
            let found = if self.mode == Statements::Named { self.prepared.get(&key) } else { None };
            let (name, columns) = match found {
                Some(prepared) => (prepared.name.clone(), Some(prepared.columns.clone())),
                None => {
                    let keep = (self.mode == Statements::Named).then(|| {
                        self.next_name += 1;
                        (key, format!("h{}", self.next_name))
                    });
                    let name = keep.as_ref().map(|(_, name)| name.clone()).unwrap_or_default();
                    self.parse(&name, step)?;
                    self.unconfirmed.extend(keep.as_ref().map(|(_, name)| name.clone()));
                    pending.push(Pending { step: at, keep });
                    (name, None)
                }
            };
            let describe = columns.is_none();
            known.push(columns);
            self.bind(&name, step)?;
            if describe {
                frontend::describe(b'P', "", &mut self.output).map_err(encoding)?;
            }
            frontend::execute("", 0, &mut self.output).map_err(encoding)?;
        }
        Ok(())
    }

    fn parse(&mut self, name: &str, step: &Step<'_>) -> Result<(), Error> {
        match &step.parameters {
            Parameters::Text(binds) => {
                let types = binds.iter().map(|bind| wire_type(bind.ty, bind.array).oid());
                frontend::parse(name, step.text, types, &mut self.output)
            }
            Parameters::Typed(types, _) => {
                frontend::parse(name, step.text, types.iter().map(Type::oid), &mut self.output)
            }
        }
        .map_err(encoding)
    }

    fn bind(&mut self, name: &str, step: &Step<'_>) -> Result<(), Error> {
        let formats: &mut dyn Iterator<Item = i16> = match step.expected {
            Some(columns) => &mut columns.iter().map(|ty| wire_format(*ty)),
            None => &mut std::iter::once(1),
        };
        match &step.parameters {
            Parameters::Text(binds) => frontend::bind(
                "",
                name,
                std::iter::empty(),
                binds.iter(),
                |bind, buffer| match &bind.value {
                    None => Ok(IsNull::Yes),
                    Some(text) => {
                        buffer.extend_from_slice(text.as_bytes());
                        Ok(IsNull::No)
                    }
                },
                formats,
                &mut self.output,
            )
            .map_err(|error| bind_error(error, 0)),
            Parameters::Typed(types, values) => {
                if types.len() != values.len() {
                    return Err(Error::ParameterCount { wanted: types.len(), given: values.len() });
                }
                let codes: Vec<i16> = values
                    .iter()
                    .zip(*types)
                    .map(|(value, ty)| format_code(value.encode_format(ty)))
                    .collect();
                let mut number = 0;
                frontend::bind(
                    "",
                    name,
                    codes,
                    values.iter().zip(*types),
                    |(value, ty), buffer| {
                        number += 1;
                        Ok(match value.to_sql_checked(ty, buffer)? {
                            postgres_types::IsNull::Yes => IsNull::Yes,
                            postgres_types::IsNull::No => IsNull::No,
                        })
                    },
                    formats,
                    &mut self.output,
                )
                .map_err(|error| bind_error(error, number))
            }
        }
    }

    /// Asks what parameters and columns a statement has, after `first` (the identity) in the same transaction.
    pub(crate) async fn describe(&mut self, first: &mut [Step<'_>], text: &str) -> Result<Vec<Type>, Error> {
        let mut pending = Vec::new();
        let mut known = Vec::with_capacity(first.len());
        self.encode(first, &mut pending, &mut known)?;
        frontend::parse("", text, std::iter::empty(), &mut self.output).map_err(encoding)?;
        frontend::describe(b'S', "", &mut self.output).map_err(encoding)?;
        frontend::sync(&mut self.output);
        self.status = Status::Busy;
        self.send().await?;
        let mut described = Described::default();
        self.receive_into(first, pending, known, Some(&mut described)).await?;
        Ok(described.parameters)
    }

    async fn receive(
        &mut self,
        steps: &mut [Step<'_>],
        pending: Vec<Pending>,
        known: Vec<Option<Arc<[ColumnInfo]>>>,
    ) -> Result<(), Error> {
        self.receive_into(steps, pending, known, None).await
    }

    async fn receive_into(
        &mut self,
        steps: &mut [Step<'_>],
        pending: Vec<Pending>,
        mut known: Vec<Option<Arc<[ColumnInfo]>>>,
        mut described: Option<&mut Described>,
    ) -> Result<(), Error> {
        let mut failure = None;
        let mut current = 0;
        let mut awaited = pending.into_iter().peekable();
        for (step, columns) in steps.iter_mut().zip(&known) {
            if let Some(columns) = columns {
                step.sink.columns(columns);
            }
        }
        loop {
            let message = self.message().await?;
            match message {
                backend::Message::DataRow(row) if failure.is_none() => {
                    let Some(step) = steps.get_mut(current) else { continue };
                    if let Err(error) = step.sink.row(&row) {
                        failure = Some(error);
                    } else if let Some(room) = step.sink.make_room() {
                        room.await?;
                    }
                }
                backend::Message::RowDescription(body) if current < steps.len() => {
                    let columns = read_columns(&body).map_err(|error| self.broken(error))?;
                    if let Err(error) = check_columns(&columns, steps[current].expected) {
                        failure.get_or_insert(error);
                    }
                    steps[current].sink.columns(&columns);
                    known[current] = Some(columns);
                }
                backend::Message::CommandComplete(body) => {
                    if let Some(step) = steps.get_mut(current) {
                        step.sink.done(affected(body.tag().unwrap_or_default()));
                    }
                    let columns = known.get_mut(current).and_then(Option::take);
                    self.keep(&mut awaited, current, columns);
                    current += 1;
                }
                backend::Message::EmptyQueryResponse => {
                    self.keep(&mut awaited, current, None);
                    current += 1;
                }
                backend::Message::ParameterDescription(body) => {
                    if let Some(described) = described.as_deref_mut() {
                        described.parameters = read_types(&body).map_err(|error| self.broken(error))?;
                    }
                }
                backend::Message::ErrorResponse(body) => {
                    let error = ServerError::read(body.fields());
                    let fatal = error.severity != "ERROR";
                    let error = failure.take().unwrap_or_else(|| Error::Server(Box::new(error)));
                    if fatal {
                        self.status = Status::Broken;
                        return Err(error);
                    }
                    failure = Some(error);
                }
                backend::Message::ReadyForQuery(body) => {
                    // Parsed before an error came, and not kept.
                    self.to_close.append(&mut self.unconfirmed);
                    self.status = match body.status() {
                        b'I' => Status::Idle,
                        b'T' => Status::Open,
                        b'E' => Status::Failed,
                        _ => Status::Broken,
                    };
                    return failure.map_or(Ok(()), Err);
                }
                backend::Message::CloseComplete => self.to_close.clear(),
                backend::Message::NoticeResponse(body) => {
                    // A notice may quote a tenant's values; its code is enough to look it up.
                    tracing::debug!(
                        code = ServerError::read(body.fields()).code.code(),
                        "the server sent a notice"
                    );
                }
                _ => {}
            }
        }
    }

    /// Remembers a statement that the server has prepared.
    fn keep(
        &mut self,
        awaited: &mut std::iter::Peekable<std::vec::IntoIter<Pending>>,
        step: usize,
        columns: Option<Arc<[ColumnInfo]>>,
    ) {
        let Some(pending) = awaited.next_if(|pending| pending.step == step) else { return };
        let Some((key, name)) = pending.keep else { return };
        self.unconfirmed.retain(|unconfirmed| *unconfirmed != name);
        let prepared = Prepared { name, columns: columns.unwrap_or_else(|| Arc::from([])) };
        if let Some((_, old)) = self.prepared.push(key, prepared) {
            self.to_close.push(old.name);
        }
    }

    /// Lets the server forget all statements with the next flight: their plans no longer fit the tables.
    pub(crate) fn forget_statements(&mut self) {
        while let Some((_, prepared)) = self.prepared.pop_lru() {
            self.to_close.push(prepared.name);
        }
    }

    /// Reads up to the end of an exchange that was broken off, and rolls back what is open.
    ///
    /// # Errors
    /// When the connection cannot be used again.
    pub(crate) async fn come_to_rest(&mut self) -> Result<(), Error> {
        loop {
            match self.status {
                Status::Idle => return Ok(()),
                Status::Broken => return Err(Error::Protocol("the connection is broken".to_owned())),
                Status::Busy => {
                    self.send().await?;
                    let _ = self.receive(&mut [], Vec::new(), Vec::new()).await;
                    if self.status == Status::Busy {
                        self.status = Status::Broken;
                    }
                }
                Status::Open | Status::Failed => {
                    frontend::query("ROLLBACK", &mut self.output).map_err(encoding)?;
                    self.status = Status::Busy;
                    self.send().await?;
                    self.receive(&mut [], Vec::new(), Vec::new()).await?;
                }
            }
        }
    }

    /// Writes everything. Reads meanwhile, so that a server that waits to be read does not stop reading from us.
    async fn send(&mut self) -> Result<(), Error> {
        let sent = stream::write_all(&mut self.stream, &mut self.output, &mut self.input).await;
        sent.map_err(|source| self.io("sending a statement", source))
    }

    async fn message(&mut self) -> Result<backend::Message, Error> {
        loop {
            match backend::Message::parse(&mut self.input) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => return Err(self.broken(error)),
            }
            // Without room, a page of rows would come in dozens of small reads.
            self.input.reserve(READ_SIZE);
            let read = self.stream.read_buf(&mut self.input).await;
            match read {
                Ok(0) => {
                    let closed =
                        std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the server closed it");
                    return Err(self.io("waiting for an answer", closed));
                }
                Ok(_) => {}
                Err(source) => return Err(self.io("waiting for an answer", source)),
            }
        }
    }

    fn io(&mut self, doing: &'static str, source: std::io::Error) -> Error {
        self.status = Status::Broken;
        Error::Io { doing, source }
    }

    fn broken(&mut self, error: std::io::Error) -> Error {
        self.status = Status::Broken;
        Error::Protocol(error.to_string())
    }
}

#[derive(Default)]
struct Described {
    parameters: Vec<Type>,
}

fn encoding(error: std::io::Error) -> Error {
    Error::Protocol(format!("a statement cannot be sent: {error}"))
}

fn bind_error(error: frontend::BindError, number: usize) -> Error {
    match error {
        frontend::BindError::Conversion(source) => Error::Parameter { number, source },
        frontend::BindError::Serialization(error) => encoding(error),
    }
}

fn format_code(format: Format) -> i16 {
    match format {
        Format::Text => 0,
        Format::Binary => 1,
    }
}
