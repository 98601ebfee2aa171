//! One request on its way to its row.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use hedgerow_database::Ending;
use hedgerow_schema::trail;
use jiff::Timestamp;

use super::Audit;
use super::mark::Of;
use crate::context::{Caller, World};

/// Most characters of a program's name.
const AGENT: usize = 256;
/// Most characters of a method: there may be any.
const METHOD: usize = 16;

/// What is known of a request when it comes.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// The method.
    pub method: &'a str,
    /// The route's template, such as `/api/v1/{entity}/{id}`: never a path or a query.
    pub endpoint: &'a str,
    /// Where it comes from, proxies that are trusted left out.
    pub address: Option<IpAddr>,
    /// The program that sends it.
    pub agent: Option<&'a str>,
    /// The status that its route answers with when all goes well.
    pub success: u16,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The status of the answer.
    pub status: u16,
    /// Who asked, where that is known.
    pub caller: Option<&'a Caller>,
}

/// A request under way.
pub struct AuditedRequest {
    audit: Audit,
    id: String,
    at: Timestamp,
    begun: Instant,
    method: String,
    endpoint: String,
    address: Option<String>,
    agent: Option<String>,
    success: AtomicU16,
    ending: OnceLock<Ending>,
}

/// A row to be written.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) user: Option<String>,
    pub(super) key: Option<String>,
    pub(super) endpoint: String,
    pub(super) method: String,
    pub(super) status: u16,
    pub(super) took: u32,
    pub(super) address: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) user_mark: Option<String>,
    pub(super) key_mark: Option<String>,
}

impl Audit {
    /// A request that just came.
    pub fn request(&self, world: &World, arrival: &Arrival<'_>) -> AuditedRequest {
        let cut = |text: &str, most: usize| text.chars().filter(|c| !c.is_control()).take(most).collect();
        AuditedRequest {
            audit: self.clone(),
            id: world.new_id(),
            at: world.now_in_millis(),
            begun: Instant::now(),
            method: cut(arrival.method, METHOD),
            endpoint: arrival.endpoint.to_owned(),
            address: arrival.address.map(|address| address.to_string()),
            agent: arrival.agent.map(|agent| cut(agent, AGENT)),
            success: AtomicU16::new(arrival.success),
            ending: OnceLock::new(),
        }
    }
}

impl AuditedRequest {
    /// Says which status a success has, where it is not the one that its route mostly answers with. Must be said before
    /// the write.
    pub fn succeeds_with(&self, status: u16) {
        self.success.store(status, Ordering::Relaxed);
    }

    /// What goes last in the transaction of the request's write: its row. Whatever the request writes in several
    /// transactions, it has one.
    pub(crate) fn ending(&self, caller: &Caller) -> &Ending {
        self.ending.get_or_init(|| {
            let row =
                self.row(Outcome { status: self.success.load(Ordering::Relaxed), caller: Some(caller) });
            Ending::new(trail::record(&trail::Request {
                id: &row.id,
                at: &row.at.to_string(),
                key: row.key.as_deref(),
                endpoint: &row.endpoint,
                method: &row.method,
                status: row.status,
                took: row.took,
                address: row.address.as_deref(),
                agent: row.agent.as_deref(),
                user_mark: row.user_mark.as_deref(),
                key_mark: row.key_mark.as_deref(),
            }))
        })
    }

    /// Whether a committed write has taken the row with it.
    pub fn is_recorded(&self) -> bool {
        self.ending.get().is_some_and(Ending::was_met)
    }

    pub(super) fn row(&self, outcome: Outcome<'_>) -> Row {
        let (user, key) = match outcome.caller {
            Some(Caller::User(user)) => (Some(user.id.to_string()), user.key.clone()),
            Some(Caller::Anonymous) | None => (None, None),
        };
        // Also where rows are not sealed: they may be later, and a row without a mark is nobody's.
        let mark = |whose, id: &Option<String>| Some(self.audit.marks().of(whose, id.as_deref()?));
        Row {
            user_mark: mark(Of::User, &user),
            key_mark: mark(Of::Key, &key),
            id: self.id.clone(),
            at: self.at,
            user,
            key,
            endpoint: self.endpoint.clone(),
            method: self.method.clone(),
            status: outcome.status,
            took: u32::try_from(self.begun.elapsed().as_millis()).unwrap_or(u32::MAX >> 1),
            address: self.address.clone(),
            agent: self.agent.clone(),
        }
    }
}
