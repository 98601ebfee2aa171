//! Who asks, and what the world is at the moment: the first parameter of every operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hedgerow_database::{Ending, Error as DatabaseError, Flight, Guard, Identity, Transaction, UserId, Work};
use hedgerow_schema::{Action, Scope};
use jiff::Timestamp;

use crate::app::App;
use crate::audit::AuditedRequest;
use crate::error::Error;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Where randomness comes from.
pub trait Random: Send + Sync {
    /// Fills `bytes` with what nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

/// The computer's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place where randomness enters")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::Rng::fill_bytes(&mut rand::rng(), bytes);
    }
}

/// Time and randomness of one program.
#[derive(Clone)]
pub struct World {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Milliseconds since 1970 in the upper 52 bits and a counter in the lower 12: the last id that was given out.
    last_id: Arc<AtomicU64>,
}

impl Default for World {
    fn default() -> Self {
        Self::new(SystemClock, SystemRandom)
    }
}

impl World {
    /// A world with this clock and this randomness.
    pub fn new(clock: impl Clock + 'static, random: impl Random + 'static) -> Self {
        Self { clock: Arc::new(clock), random: Arc::new(random), last_id: Arc::default() }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Now, to the millisecond: what is written where a JavaScript program reads it too.
    pub fn now_in_millis(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now().as_millisecond()).unwrap_or_default()
    }

    /// `N` bytes that nobody can guess.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// An id for a new row: a UUID of version 7 (RFC 9562), larger than all that this program gave out before.
    pub fn new_id(&self) -> String {
        let millis = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        let next = |last: u64| Some((millis << 12).max(last + 1));
        // Method 1 of RFC 9562, section 6.2: the counter is `rand_a`, and its overflow runs into the time.
        let last = self.last_id.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
        let stamp = (millis << 12).max(last + 1);
        let counter = u128::from(stamp & 0xfff);
        let random = u128::from(u64::from_be_bytes(self.random())) >> 2;
        let bits = (u128::from(stamp >> 12) << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | random;
        uuid::Uuid::from_u128(bits).to_string()
    }
}

/// Who asks, as sign-in found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody.
    Anonymous,
    /// A user.
    User(SignedIn),
}

/// A user who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub id: UserId,
    /// Whether the user's role is `admin`.
    pub is_admin: bool,
    /// What the credential allows; `None` allows what the user may do.
    pub scopes: Option<Vec<Scope>>,
    /// The id of the API key, where one was presented.
    pub key: Option<String>,
}

/// The context of one request or command.
#[derive(Clone)]
pub struct Ctx {
    caller: Caller,
    request_id: String,
    world: World,
    /// What every flight proves before it does anything, where the caller was remembered and not looked up.
    guard: Option<Arc<Guard>>,
    audited: Option<Arc<AuditedRequest>>,
}

impl Ctx {
    /// For one request.
    pub fn new(world: &World, caller: Caller, request_id: impl Into<String>) -> Self {
        Self { caller, request_id: request_id.into(), world: world.clone(), guard: None, audited: None }
    }

    /// The same for a request whose writes go into the audit trail together with their row.
    #[must_use]
    pub fn audited(self, request: Option<Arc<AuditedRequest>>) -> Self {
        Self { audited: request, ..self }
    }

    /// For a user whom the program itself speaks for, as a command does; not with an administrator's rights.
    pub fn for_user(world: &World, id: UserId) -> Self {
        Self::new(world, Caller::User(SignedIn { id, is_admin: false, scopes: None, key: None }), "command")
    }

    /// The same for a caller who was remembered: every flight and transaction proves `guard` first.
    pub fn guarded(self, guard: Option<Arc<Guard>>) -> Self {
        Self { guard, ..self }
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What the answer's `X-Request-Id` says.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Time and randomness.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The signed-in user, whose credential must allow `action` on `resource`.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`], [`Error::MissingScope`]
    pub fn require_user(&self, resource: &str, action: Action) -> Result<&SignedIn, Error> {
        let Caller::User(user) = &self.caller else { return Err(Error::NotSignedIn) };
        let allowed = user
            .scopes
            .as_ref()
            .is_none_or(|scopes| scopes.iter().any(|scope| scope.allows(resource, action)));
        if allowed {
            Ok(user)
        } else {
            Err(Error::MissingScope { scope: format!("{resource}:{}", action.name()) })
        }
    }

    /// What the request reads, about to be sent.
    pub(crate) fn reads<'a>(&'a self, app: &'a App, identity: &'a Identity) -> Flight<'a> {
        app.database().flight(identity).of(Work::Read).guarded(self.guard.as_ref())
    }

    /// What the request writes, about to be sent. All writes of the data API begin here, so that what belongs to
    /// every write goes with each.
    pub(crate) fn writes<'a>(&'a self, app: &'a App, identity: &'a Identity) -> Flight<'a> {
        let flight = app.database().flight(identity).of(Work::Write).guarded(self.guard.as_ref());
        match self.ending() {
            Some(ending) => flight.ending(ending),
            None => flight,
        }
    }

    /// Says which status the answer has when what is about to be written is written; the row of the audit trail says it.
    pub fn succeeds_with(&self, status: u16) {
        if let Some(request) = &self.audited {
            request.succeeds_with(status);
        }
    }

    /// What goes last in each transaction of the request's writes: its row of the audit trail.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.audited.as_ref().map(|request| request.ending(&self.caller))
    }

    /// The same for writes that are several statements with decisions in between; [`Self::commit`] ends them.
    pub(crate) async fn begin(&self, app: &App, identity: &Identity) -> Result<Transaction, DatabaseError> {
        self.begin_work(app, identity, Work::Write).await
    }

    /// The same for work that has time of its own.
    pub(crate) async fn begin_work(
        &self,
        app: &App,
        identity: &Identity,
        work: Work,
    ) -> Result<Transaction, DatabaseError> {
        app.database().guarded_transaction(identity, work, self.guard.as_deref()).await
    }

    /// Makes what began by [`Self::begin`] lasting. What belongs to every write goes with it.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<(), DatabaseError> {
        match self.ending() {
            Some(ending) => transaction.commit_with(ending).await,
            None => transaction.commit().await,
        }
    }

    /// The identity of the signed-in user, or of nobody.
    pub fn identity(&self) -> Identity {
        match &self.caller {
            Caller::Anonymous => Identity::Anonymous,
            Caller::User(user) => Identity::User(user.id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Frozen;

    impl Clock for Frozen {
        fn now(&self) -> Timestamp {
            "2026-01-31T09:30:00Z".parse().unwrap()
        }
    }

    #[test]
    fn ids_are_version_7_and_rise_even_when_the_clock_stands() {
        let world = World::new(Frozen, SystemRandom);
        let ids: Vec<String> = (0..10_000).map(|_| world.new_id()).collect();
        assert!(ids.is_sorted());
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
        let first: uuid::Uuid = ids[0].parse().unwrap();
        assert_eq!(first.get_version_num(), 7);
        assert_eq!(first.get_variant(), uuid::Variant::RFC4122);
        assert!(ids[0].starts_with("019c1363-49c0-7000-"), "{}", ids[0]);
    }
}
