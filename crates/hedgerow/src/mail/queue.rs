//! The queue of mails and the one task that empties it.
//!
//! Always holds: at most as many mails wait as the queue has places, those that wait for another try included; a place is
//! free again when its mail is sent or given up, and giving up is logged. Mails that wait for another try hold up no other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Message, MultiPart, SinglePart};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::file::{self, Announce};
use super::templates::{Letter, Templates};
use super::{Mail, MemoryMailbox, Sender, SmtpServer, Template};
use crate::context::World;

/// How many mails may wait where nobody says otherwise: a few MiB, and what a slow server takes in some minutes.
pub const DEFAULT_QUEUE: usize = 1000;

/// How long after a failure the next try comes: six minutes in all, for a server that starts again and for greylisting.
const WAITS: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];

/// Connections to an SMTP server at a time, so that one slow answer does not hold up all mails.
const AT_ONCE: usize = 4;

/// Where mails go.
#[derive(Clone)]
pub enum Transport {
    /// To a mail server.
    Smtp(SmtpServer),
    /// Into a folder, for development.
    File {
        /// Made when it is not there.
        folder: PathBuf,
        /// Whether each is told.
        announce: Announce,
    },
    /// Into memory, for tests.
    Memory(MemoryMailbox),
}

/// Sends mails. Cheap to clone; all clones are one queue.
#[derive(Clone)]
pub struct Mailer {
    inner: Arc<Inner>,
}

struct Inner {
    bound: usize,
    places: Arc<Semaphore>,
    /// `None` once the mailer closes. The task ends when the last sender is gone, those of [`Slot`]s included.
    queue: Mutex<Option<UnboundedSender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    memory: Option<MemoryMailbox>,
}

/// A place in the queue, for one mail.
pub struct Slot {
    place: OwnedSemaphorePermit,
    queue: UnboundedSender<Job>,
}

/// Why there is no place for a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSlot {
    /// As many mails wait as may.
    #[error(
        "the mail cannot be sent: {bound} mails wait already, because the mail server takes them slowly or not at all; \
         try again in a minute, and see the log for what the mail server says"
    )]
    QueueFull {
        /// How many may wait.
        bound: usize,
    },
    /// The program ends.
    #[error("the mail cannot be sent: the server is shutting down; try again in a moment")]
    Closing,
}

/// What [`Mailer::close`] left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Mails that were not sent, which is logged too.
    pub mails: usize,
}

/// Why one try failed.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: String,
    again: Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// The same may succeed later.
    Worthwhile,
    /// It would fail the same way.
    Useless,
}

impl Failure {
    pub(crate) fn passing(cause: String) -> Self {
        Self { cause, again: Again::Worthwhile }
    }

    pub(crate) fn lasting(cause: String) -> Self {
        Self { cause, again: Again::Useless }
    }
}

impl Mailer {
    /// Starts the task that sends. Must be called within a tokio runtime, and ended with [`Self::close`].
    pub fn new(
        transport: Transport,
        from: Sender,
        templates: Templates,
        product_name: impl Into<String>,
        queue_size: usize,
        world: &World,
    ) -> Self {
        let desk = Desk { transport, from, templates, product: product_name.into(), world: world.clone() };
        Self::with_waits(desk, queue_size, WAITS.to_vec())
    }

    pub(super) fn with_waits(desk: Desk, queue_size: usize, waits: Vec<Duration>) -> Self {
        let bound = queue_size.clamp(1, Semaphore::MAX_PERMITS);
        let memory = match &desk.transport {
            Transport::Memory(mailbox) => Some(mailbox.clone()),
            Transport::Smtp(_) | Transport::File { .. } => None,
        };
        // Unbounded by itself; every job in it holds one of `bound` places.
        let (sender, receiver) = unbounded_channel();
        let task = tokio::spawn(Sending::new(desk, waits).run(receiver));
        Self {
            inner: Arc::new(Inner {
                bound,
                places: Arc::new(Semaphore::new(bound)),
                queue: Mutex::new(Some(sender)),
                task: Mutex::new(Some(task)),
                memory,
            }),
        }
    }

    /// Takes a place in the queue, without waiting. To be taken before anything is written that the mail is needed for.
    ///
    /// # Errors
    /// [`NoSlot`], when the queue is full or closed.
    pub fn reserve(&self) -> Result<Slot, NoSlot> {
        let queue = self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or(NoSlot::Closing)?;
        match Arc::clone(&self.inner.places).try_acquire_owned() {
            Ok(place) => Ok(Slot { place, queue }),
            Err(TryAcquireError::NoPermits) => Err(NoSlot::QueueFull { bound: self.inner.bound }),
            Err(TryAcquireError::Closed) => Err(NoSlot::Closing),
        }
    }

    /// How many places are taken.
    pub fn waiting(&self) -> usize {
        self.inner.bound - self.inner.places.available_permits()
    }

    /// The mailbox of the transport `memory`.
    pub fn memory(&self) -> Option<&MemoryMailbox> {
        self.inner.memory.as_ref()
    }

    /// Takes no more mails, sends those that wait, and ends the task; after `deadline` it ends with what is left.
    ///
    /// A second call waits for nothing and leaves nothing.
    pub async fn close(&self, deadline: Duration) -> Left {
        drop(self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.inner.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return Left { mails: 0 } };
        if tokio::time::timeout(deadline, &mut task).await.is_ok() {
            return Left { mails: 0 };
        }
        let mails = self.waiting();
        task.abort();
        let _ = task.await;
        if mails > 0 {
            tracing::error!(mails, "mails were not sent before the server ended");
        }
        Left { mails }
    }
}

impl Slot {
    /// Puts the mail into the queue; it is written and sent later.
    pub fn send(self, mail: Mail) {
        let template = mail.content().template();
        if self.queue.send(Job { mail, place: self.place }).is_err() {
            tracing::error!(%template, "a mail was not sent: the mailer ended before");
        }
    }
}

/// A mail in the queue, with the place it takes.
struct Job {
    mail: Mail,
    place: OwnedSemaphorePermit,
}

/// A mail that is written and on its way; the same with every try, so that a server can tell a repetition.
struct Parcel {
    letter: Letter,
    envelope: Envelope,
    message: Vec<u8>,
    stem: String,
    tries: usize,
    _place: OwnedSemaphorePermit,
}

/// What mails are written and sent with.
pub(super) struct Desk {
    pub(super) transport: Transport,
    pub(super) from: Sender,
    pub(super) templates: Templates,
    pub(super) product: String,
    pub(super) world: World,
}

impl Desk {
    fn write(&self, job: Job) -> Result<Parcel, Failure> {
        let unwritten =
            |cause: &dyn std::fmt::Display| Failure::lasting(format!("it cannot be written: {cause}"));
        let letter = self.templates.write(&job.mail, &self.product);
        let letter = letter.ok_or_else(|| unwritten(&"its template is missing"))?;
        let id = self.world.new_id();
        let builder = Message::builder()
            .from(self.from.header())
            .to(letter.to.header())
            .subject(letter.subject.clone())
            .date(self.world.now().into())
            .message_id(Some(format!("<{id}@{}>", self.from.address().domain())))
            // No answers from those who are on holiday (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        let message = match &letter.html {
            Some(html) => {
                builder.multipart(MultiPart::alternative_plain_html(letter.text.clone(), html.clone()))
            }
            None => builder.singlepart(SinglePart::plain(letter.text.clone())),
        }
        .map_err(|error| unwritten(&error))?;
        let envelope = Envelope::new(Some(self.from.address().clone()), vec![letter.to.address().clone()])
            .map_err(|error| unwritten(&error))?;
        let stem = format!("{id}-{}", letter.template);
        Ok(Parcel { letter, envelope, message: message.formatted(), stem, tries: 0, _place: job.place })
    }

    async fn send(&self, parcel: &Parcel) -> Result<(), Failure> {
        match &self.transport {
            Transport::Smtp(server) => server.send(&parcel.envelope, &parcel.message).await,
            Transport::File { folder, announce } => {
                file::write(folder, *announce, &parcel.stem, &parcel.letter, &parcel.message)
                    .await
                    .map_err(|error| Failure::passing(format!("its file cannot be written: {error}")))
            }
            Transport::Memory(mailbox) => {
                mailbox.put(&parcel.letter);
                Ok(())
            }
        }
    }
}

/// The task.
struct Sending {
    desk: Arc<Desk>,
    waits: Vec<Duration>,
    at_once: usize,
    /// Owned: they end with the task.
    under_way: JoinSet<(Parcel, Result<(), Failure>)>,
    /// By when their next try is due, and a number where two are due at the same time.
    again: BTreeMap<(Instant, u64), Parcel>,
    failures: u64,
}

impl Sending {
    fn new(desk: Desk, waits: Vec<Duration>) -> Self {
        let at_once = match desk.transport {
            Transport::Smtp(_) => AT_ONCE,
            // One after the other, so that they lie in order.
            Transport::File { .. } | Transport::Memory(_) => 1,
        };
        let (under_way, again) = (JoinSet::new(), BTreeMap::new());
        Self { desk: Arc::new(desk), waits, at_once, under_way, again, failures: 0 }
    }

    async fn run(mut self, mut queue: UnboundedReceiver<Job>) {
        let mut more_to_come = true;
        while more_to_come || !self.under_way.is_empty() || !self.again.is_empty() {
            let has_room = self.under_way.len() < self.at_once;
            let due = self.again.keys().next().map(|(due, _)| *due);
            tokio::select! {
                biased;
                Some(done) = self.under_way.join_next() => match done {
                    Ok((parcel, result)) => self.finish(parcel, result),
                    Err(error) => tracing::error!(%error, "a mail was not sent: sending it failed unexpectedly"),
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if has_room && due.is_some() => {
                    if let Some((_, parcel)) = self.again.pop_first() {
                        self.begin(parcel);
                    }
                },
                job = queue.recv(), if has_room && more_to_come => match job {
                    Some(job) => self.accept(job),
                    None => more_to_come = false,
                },
            }
        }
    }

    fn accept(&mut self, job: Job) {
        let template = job.mail.content().template();
        match self.desk.write(job) {
            Ok(parcel) => self.begin(parcel),
            Err(failure) => give_up(template, 0, &failure),
        }
    }

    fn begin(&mut self, mut parcel: Parcel) {
        let desk = Arc::clone(&self.desk);
        parcel.tries += 1;
        self.under_way.spawn(async move {
            let result = desk.send(&parcel).await;
            (parcel, result)
        });
    }

    fn finish(&mut self, parcel: Parcel, result: Result<(), Failure>) {
        let (template, attempt) = (parcel.letter.template, parcel.tries);
        let Err(failure) = result else {
            tracing::debug!(%template, attempt, "a mail was sent");
            return;
        };
        match self.waits.get(attempt - 1) {
            Some(wait) if failure.again == Again::Worthwhile => {
                let cause = &failure.cause;
                tracing::warn!(%template, attempt, cause, next_in = ?wait, "a mail was not sent yet");
                self.failures += 1;
                self.again.insert((Instant::now() + *wait, self.failures), parcel);
            }
            _ => give_up(template, attempt, &failure),
        }
    }
}

fn give_up(template: Template, attempt: usize, failure: &Failure) {
    tracing::error!(%template, attempt, cause = failure.cause, "a mail was not sent, and is given up");
}
