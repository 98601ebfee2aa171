//! From a database as it is to what it should be: ordered changes, each with its danger, its lock and its statements.
//!
//! Always holds: going back is the same function with its arguments exchanged. A rename is one that the entity files
//! declare; nothing is guessed to be one. On a table that has rows, no statement reads or rewrites them under a lock that
//! stops others, unless the change is classed as [`Class::Rewrites`].

mod altered;
mod columns;
mod definition;
mod maker;
mod renames;

use std::collections::BTreeMap;

use self::altered::Altered;
use self::maker::Maker;
use crate::catalog::Catalog;
use crate::model::objects;

pub(crate) use self::columns::digits;
pub(crate) use self::definition::{add_constraint, drop_constraint, on};
pub use self::definition::{literal, quote};
pub use self::renames::Renames;

/// What a change may do to those who use the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A short lock at most.
    Safe,
    /// Takes time that grows with the table, while reads and writes go on; some other changes wait.
    Locks,
    /// Writes the whole table anew; nobody reads or writes it meanwhile.
    Rewrites,
    /// What is there is gone afterwards.
    LosesData,
}

impl Class {
    /// As plans write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Locks => "locks",
            Self::Rewrites => "rewrites",
            Self::LosesData => "loses data",
        }
    }
}

/// What is lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// A table with its rows.
    Table(String),
    /// A column with its values: table, column.
    Column(String, String),
    /// What a value no longer fits into: table, column.
    Values(String, String),
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Such as `column "title" of tasks`.
    pub object: String,
    /// What happens to it.
    pub action: String,
    /// What it may do to others.
    pub class: Class,
    /// The strongest lock it takes, and for how long.
    pub lock: &'static str,
    /// The table, for its size.
    pub table: Option<String>,
    /// What is lost.
    pub loss: Option<Loss>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    phase: u8,
    how: How,
    sql: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// In one transaction with its neighbours.
    Together,
    /// In a transaction of its own: it takes long under a weak lock.
    Apart,
    /// In the transaction of the step before it.
    Behind,
    /// PostgreSQL refuses it inside a transaction.
    Alone,
}

/// Whether others use the database meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Yes: long work is done in steps under weak locks.
    Online,
    /// No: everything in one transaction.
    AtOnce,
}

/// Statements that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// One transaction.
    Transaction(Vec<String>),
    /// Outside a transaction.
    Alone(String),
}

/// What leads from one catalog to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they are made.
    pub changes: Vec<Change>,
    sizes: BTreeMap<String, (u64, u64)>,
}

// Phases: what must be there before what.
const FUNCTIONS: u8 = 10;
const RENAMES: u8 = 20;
const REMOVALS: u8 = 30;
/// After the keys of other tables that stand on them.
const INDEXES_GONE: u8 = 35;
const TABLES: u8 = 40;
const COLUMNS: u8 = 50;
/// Generated columns, when what they read has its type.
const COMPUTED: u8 = 55;
const RULES: u8 = 60;
const INDEXES: u8 = 70;
const INDEX_COMMENTS: u8 = 75;
const KEYS: u8 = 80;
const VALIDATIONS: u8 = 85;
const AFTER_VALIDATION: u8 = 87;
const COLUMNS_GONE: u8 = 90;
const TABLES_GONE: u8 = 95;
/// After the triggers that call them.
const FUNCTIONS_GONE: u8 = 97;

const INSTANT: &str = "ACCESS EXCLUSIVE, for an instant";
const REWRITING: &str = "ACCESS EXCLUSIVE, while the table is written anew";
const CHECKING: &str = "SHARE UPDATE EXCLUSIVE, while rows are checked";
const NO_LOCK: &str = "none that anybody waits for";

/// The changes from `is` to `should`.
pub fn plan(is: &Catalog, should: &Catalog, renames: &Renames, pace: Pace) -> Plan {
    let (renamed, followed) = renames.apply_with(is);
    let mut maker = Maker { changes: Vec::new(), pace };
    maker.renames(renames);
    for (table, old, new) in &followed {
        maker.rename_constraint(table, old, new);
    }
    for (name, function) in &should.functions {
        let known = renamed.functions.get(name);
        if known != Some(function) {
            maker.function(name, known, function);
        }
    }
    for (name, function) in &renamed.functions {
        if objects::is_keeper(function) && !should.functions.contains_key(name) {
            maker.drop_function(name);
        }
    }
    // Others' keys point at users from the moment they are made.
    let (users, others): (Vec<_>, Vec<_>) = should.tables.iter().partition(|(name, _)| *name == "user");
    for (name, table) in users.into_iter().chain(others) {
        match renamed.tables.get(name) {
            None => maker.create(name, table),
            Some(known) => Altered { maker: &mut maker, name, is: known, should: table }.all(),
        }
    }
    // The other way round: the policies of a table of links speak of the table whose name its own begins with.
    for (name, table) in renamed.tables.iter().rev() {
        if !should.tables.contains_key(name) {
            maker.drop_table(name, table);
        }
    }
    let mut changes = maker.changes;
    changes.sort_by_key(|change| change.steps.iter().map(|step| step.phase).min());
    let sizes =
        renamed.tables.iter().map(|(name, table)| (name.clone(), (table.size.rows, table.size.bytes)));
    Plan { changes, sizes: sizes.collect() }
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What is lost.
    pub fn losses(&self) -> Vec<&Loss> {
        self.changes.iter().filter_map(|change| change.loss.as_ref()).collect()
    }

    /// The statements, in the order and the transactions in which they run.
    pub fn units(&self) -> Vec<Unit> {
        let mut steps: Vec<&Step> = self.changes.iter().flat_map(|change| &change.steps).collect();
        steps.sort_by_key(|step| step.phase);
        let mut units: Vec<Unit> = Vec::new();
        let mut open = false;
        for step in steps {
            match (step.how, units.last_mut()) {
                (How::Alone, _) => units.push(Unit::Alone(step.sql.clone())),
                (How::Together | How::Behind, Some(Unit::Transaction(statements)))
                    if open || step.how == How::Behind =>
                {
                    statements.push(step.sql.clone());
                }
                _ => units.push(Unit::Transaction(vec![step.sql.clone()])),
            }
            open = step.how == How::Together;
        }
        units
    }

    /// What a change means for a table of this size, in words; none where the table is empty or new.
    pub fn estimate(&self, change: &Change) -> Option<String> {
        let (rows, bytes) = *self.sizes.get(change.table.as_ref()?)?;
        if rows == 0 {
            return None;
        }
        let size = format!("{} rows, {}", thousands(rows), megabytes(bytes));
        // Measured on a small machine: a scan reads some 200 MB/s, building and rewriting handle some 40.
        let seconds = |rate: u64| match bytes / (rate * 1_000_000) {
            0 | 1 => "about a second".to_owned(),
            n if n < 120 => format!("about {n} s"),
            n => format!("about {} min", n / 60),
        };
        Some(match change.class {
            Class::Safe => format!("{size}: an instant"),
            Class::Locks => format!("{size}: {}, reads and writes go on", seconds(60)),
            Class::Rewrites => format!("{size}: {} in which nobody reads or writes it", seconds(40)),
            Class::LosesData => size,
        })
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn megabytes(bytes: u64) -> String {
    match bytes / 1_000_000 {
        0 => "under 1 MB".to_owned(),
        n => format!("{} MB", thousands(n)),
    }
}
