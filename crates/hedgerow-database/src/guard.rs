//! What was known before, proved in the flight that relies on it.
//!
//! Always holds: the statement of a guard runs right after the identity and before everything else; where it does not hold, the
//! server runs nothing behind it, and the flight ends with [`Error::Unproven`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hedgerow_schema::Sql;
use postgres_protocol::message::backend;

use crate::error::Error;
use crate::identity::Role;
use crate::wire::{Parameters, Sink, Step};

/// A condition that flights and transactions prove before they do anything.
///
/// The condition is a statement of the form `SELECT 1 / count(*) FROM … WHERE …`: it fails where it finds nothing. Plain SQL
/// raises an error only through an operator, so none of it is a function that somebody could replace, but for one of Hedgerow's own that
/// counts what the role may not see.
///
/// ```
/// use std::sync::Arc;
/// use hedgerow_database::Guard;
/// use hedgerow_schema::{Bind, Sql};
/// let mut condition = Sql::new("SELECT 1 / count(*) FROM public.\"user\" WHERE id = ");
/// condition.bind(Bind::text("ann"));
/// assert!(!Guard::new(Arc::new(condition)).held());
/// ```
#[derive(Debug)]
pub struct Guard {
    condition: Arc<Sql>,
    held: AtomicBool,
}

/// SQLSTATEs of a guard that does not hold: a division by zero; and of one that cannot be asked, because what it asks is gone or no
/// right of the role any more. Nobody is believed for that: the caller has to be looked up.
const UNPROVEN: &[&str] = &["22012", "3F000", "42501", "42883", "42P01", "42703"];

impl Guard {
    /// A guard that nothing has proved yet.
    pub fn new(condition: Arc<Sql>) -> Self {
        Self { condition, held: AtomicBool::new(false) }
    }

    /// Whether a flight or transaction has proved it.
    pub fn held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    pub(crate) fn proof(&self) -> Proof<'_> {
        Proof { guard: self, held: false }
    }
}

/// A guard in one exchange.
pub(crate) struct Proof<'g> {
    guard: &'g Guard,
    held: bool,
}

impl Proof<'_> {
    pub(crate) fn step(&mut self, role: Role) -> Step<'_> {
        let condition = &*self.guard.condition;
        let parameters = Parameters::Text(condition.binds());
        Step { text: condition.text(), role: Some(role), parameters, expected: None, sink: self }
    }

    /// Tells the guard's own error from one of the statements behind it.
    pub(crate) fn judge(&self, error: Error) -> Error {
        let is_its_own = error.server().is_some_and(|error| UNPROVEN.contains(&error.code.code()));
        if is_its_own && !self.held { Error::Unproven } else { error }
    }
}

impl Sink for Proof<'_> {
    fn row(&mut self, _row: &backend::DataRowBody) -> Result<(), Error> {
        Ok(())
    }

    fn done(&mut self, _rows: u64) {
        self.held = true;
        self.guard.held.store(true, Ordering::Release);
    }
}
