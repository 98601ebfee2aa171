//! Whether the trail is what was sealed: the first row or seal that is not, and what is not sealed yet.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use hedgerow_database::{Error as DatabaseError, Identity, Row, ToSql};

use super::Audit;
use super::mark::{Marks, Of};
use super::seals::{ROWS, Seal, Sealed, content};
use crate::app::App;
use crate::error::Error;

/// Seals that are looked at together have at most about so many rows.
const ROWS_AT_ONCE: usize = 20_000;
/// So many seals are asked for at once.
const SEALS_AT_ONCE: i64 = 500;

/// The last seal: whoever keeps it elsewhere can tell later whether the trail's end was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub seal: i64,
    /// What all seals before it lead to.
    pub chain: String,
}

/// A text is no [`Head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a head has the form SEAL:CHAIN, a number and 64 hexadecimal digits")]
pub struct HeadError;

/// What is not as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A row says something else.
    Changed {
        /// The row.
        id: String,
    },
    /// A row is gone.
    Removed {
        /// The row.
        id: String,
    },
    /// A row is there that nobody sealed, written by a transaction whose rows were sealed, or by none.
    Inserted {
        /// The row.
        id: String,
    },
    /// A seal is not the one that was made, or what leads to it is not.
    Seal {
        /// Its number.
        seal: i64,
    },
    /// The seal that was kept elsewhere is gone.
    CutOff {
        /// Its number.
        seal: i64,
    },
}

impl Fault {
    /// Stable, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "changed",
            Self::Removed { .. } => "removed",
            Self::Inserted { .. } => "inserted",
            Self::Seal { .. } => "seal",
            Self::CutOff { .. } => "cut_off",
        }
    }

    /// The row it is about.
    pub fn row(&self) -> Option<&str> {
        match self {
            Self::Changed { id } | Self::Removed { id } | Self::Inserted { id } => Some(id),
            Self::Seal { .. } | Self::CutOff { .. } => None,
        }
    }

    /// The seal it is about.
    pub fn seal(&self) -> Option<i64> {
        match self {
            Self::Seal { seal } | Self::CutOff { seal } => Some(*seal),
            Self::Changed { .. } | Self::Removed { .. } | Self::Inserted { .. } => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { id } => write!(f, "the row {id} is not as it was sealed"),
            Self::Removed { id } => write!(f, "the row {id} was sealed and is gone"),
            Self::Inserted { id } => write!(f, "the row {id} was never sealed, and is among rows that were"),
            Self::Seal { seal } => {
                write!(f, "seal {seal} is not one that was made here, or not in its place")
            }
            Self::CutOff { seal } => {
                write!(f, "seal {seal} is gone or another one: the end of the trail was cut off")
            }
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seal, self.chain)
    }
}

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (seal, chain) = text.split_once(':').ok_or(HeadError)?;
        let is_hash = chain.len() == 64 && chain.bytes().all(|byte| byte.is_ascii_hexdigit());
        let seal = seal.parse().map_err(|_| HeadError)?;
        if is_hash { Ok(Self { seal, chain: chain.to_ascii_lowercase() }) } else { Err(HeadError) }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Seals that were looked at.
    pub seals: u64,
    /// Rows that are as they were sealed.
    pub rows: u64,
    /// Rows that wait to be sealed.
    pub unsealed: u64,
    /// The last seal.
    pub head: Option<Head>,
    /// The first fault, where there is one.
    pub fault: Option<Fault>,
}

/// Compares the trail with its seals. `kept` is a [`Head`] of an earlier look that was kept elsewhere.
///
/// # Errors
/// When the database cannot be asked.
pub async fn verify(app: &App, audit: &Audit, kept: Option<&Head>) -> Result<Report, Error> {
    let look =
        Look { app, identity: Identity::System { reason: "verify the audit trail" }, marks: audit.marks() };
    let seconds = audit.options().retention.as_secs_f64();
    look.all(seconds, kept).await.map_err(|error| Error::without_entity("verify the audit trail", error))
}

struct Look<'a> {
    app: &'a App,
    identity: Identity,
    marks: &'a Marks,
}

impl Look<'_> {
    async fn ask(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.app.database().flight(&self.identity).rows(sql, parameters).await
    }

    async fn all(&self, retention: f64, kept: Option<&Head>) -> Result<Report, DatabaseError> {
        let first = "SELECT date_trunc('week', (now() - greatest(make_interval(secs => $1), interval '1 day')) \
                       AT TIME ZONE 'UTC')::date::text";
        let first: Option<String> =
            self.ask(first, &[&retention]).await?.first().map(|row| row.get(0)).transpose()?;
        let first = first.unwrap_or_default();
        let mut report = Report::default();
        let mut before: Option<Seal> = None;
        let mut is_kept = kept.is_none();
        loop {
            let after = before.as_ref().map_or(0, |seal| seal.id);
            let seals = self.seals(after).await?;
            if seals.is_empty() {
                break;
            }
            if before.is_none() {
                // Rows older than all seals: of weeks that are gone, or nobody's.
                let fault = self.strangers(seals[0].from, &first).await?;
                report.fault = fault;
            }
            for group in groups(&seals) {
                if report.fault.is_some() {
                    break;
                }
                let last = before.as_ref().map(|seal| (seal.id, seal.chain.as_str(), seal.to));
                report.fault = self.chain(group, last);
                if report.fault.is_none() {
                    self.rows(group, &first, &mut report).await?;
                }
                is_kept |= kept.is_some_and(|kept| {
                    // What came before the oldest seal went with its weeks.
                    kept.seal < group[0].id && before.is_none()
                        || group.iter().any(|seal| seal.id == kept.seal && seal.chain == kept.chain)
                });
                before = group.last().cloned();
                report.seals += group.len() as u64;
            }
            if report.fault.is_some() {
                return Ok(report);
            }
        }
        let end = before.as_ref().map_or(0, |seal| seal.to);
        report.head = before.map(|seal| Head { seal: seal.id, chain: seal.chain });
        if !is_kept {
            report.fault = kept.map(|kept| Fault::CutOff { seal: kept.seal });
            return Ok(report);
        }
        let tail = r#"SELECT count(*) FROM public.api_audit_logs WHERE "writtenBy" >= $1"#;
        let tail: i64 =
            self.ask(tail, &[&end]).await?.first().map(|row| row.get(0)).transpose()?.unwrap_or(0);
        report.unsealed = u64::try_from(tail).unwrap_or_default();
        Ok(report)
    }

    async fn seals(&self, after: i64) -> Result<Vec<Seal>, DatabaseError> {
        let sql = r#"SELECT id, week::text, "from", "to", leaves, content, chain, signature FROM hedgerow.audit_seals
            WHERE id > $1 ORDER BY id LIMIT $2"#;
        let rows = self.ask(sql, &[&after, &SEALS_AT_ONCE]).await?;
        let seal = |row: &Row| {
            Ok(Seal {
                id: row.get(0)?,
                week: row.get(1)?,
                from: row.get(2)?,
                to: row.get(3)?,
                leaves: row.get(4)?,
                content: row.get(5)?,
                chain: row.get(6)?,
                signature: row.get(7)?,
            })
        };
        rows.iter().map(seal).collect()
    }

    /// Whether each seal was made here and leads on from the one before it.
    fn chain(&self, seals: &[Seal], before: Option<(i64, &str, i64)>) -> Option<Fault> {
        let mut before = before.map(|(id, chain, to)| (id, chain.to_owned(), to));
        for seal in seals {
            let is_next = match &before {
                // The seals before the first one may have gone with their weeks: its signature says that it was made here.
                None => seal.id != 1 || seal.chain == seal.linked(""),
                Some((id, chain, to)) => {
                    let follows = seal.from == *to || seal.to == *to;
                    seal.id == id + 1 && follows && seal.chain == seal.linked(chain)
                }
            };
            if !is_next || !self.marks.is_signed(&seal.statement(), &seal.signature) {
                return Some(Fault::Seal { seal: seal.id });
            }
            before = Some((seal.id, seal.chain.clone(), seal.to));
        }
        None
    }

    /// Compares the rows of these seals' transactions with what the seals say.
    async fn rows(&self, seals: &[Seal], first: &str, report: &mut Report) -> Result<(), DatabaseError> {
        let (Some(from), Some(to)) = (seals.first().map(|seal| seal.from), seals.last().map(|seal| seal.to))
        else {
            return Ok(());
        };
        let sealed: usize = seals.iter().map(|seal| seal.leaves.len()).sum();
        // One more is a row too many.
        let most = i64::try_from(sealed + 1).unwrap_or(i64::MAX);
        let rows = self.ask(ROWS, &[&from, &to, &most]).await?;
        let rows: Vec<Sealed> = rows.iter().map(Sealed::read).collect::<Result<_, _>>()?;
        let mut found: HashMap<(&str, i64), Vec<&Sealed>> = HashMap::new();
        for row in &rows {
            let of = seals
                .iter()
                .find(|seal| seal.week == row.week && (seal.from..seal.to).contains(&row.written_by));
            match of {
                Some(seal) => found.entry((&seal.week, seal.id)).or_default().push(row),
                None if row.week.as_str() >= first => {
                    report.fault = Some(Fault::Inserted { id: row.id.clone() });
                    return Ok(());
                }
                None => {}
            }
        }
        // Rows of weeks whose retention is over go as they can.
        for seal in seals.iter().filter(|seal| seal.week.as_str() >= first) {
            let rows = found.remove(&(seal.week.as_str(), seal.id)).unwrap_or_default();
            if let Some(fault) = self.compare(seal, &rows) {
                report.fault = Some(fault);
                return Ok(());
            }
            report.rows += rows.len() as u64;
        }
        Ok(())
    }

    /// The first row, in the order of sealing, that is not as the seal says.
    fn compare(&self, seal: &Seal, rows: &[&Sealed]) -> Option<Fault> {
        let id_of = |leaf: &str| leaf.split(' ').next().unwrap_or_default().to_owned();
        let leaves: Vec<String> = rows.iter().map(|row| row.leaf()).collect();
        for (at, leaf) in seal.leaves.iter().enumerate() {
            match leaves.get(at) {
                Some(found) if found == leaf => {}
                Some(found) => {
                    let (wanted, id) = (id_of(leaf), id_of(found));
                    let sealed_too = seal.leaves.iter().any(|leaf| id_of(leaf) == id);
                    return Some(if wanted == id || rows.iter().any(|row| row.id == wanted) && sealed_too {
                        Fault::Changed { id: wanted }
                    } else if sealed_too {
                        Fault::Removed { id: wanted }
                    } else {
                        Fault::Inserted { id }
                    });
                }
                None => return Some(Fault::Removed { id: id_of(leaf) }),
            }
        }
        if let Some(extra) = rows.get(seal.leaves.len()) {
            return Some(Fault::Inserted { id: extra.id.clone() });
        }
        // A user or key that is there must be the one whose mark was sealed.
        let is_marked = |whose, id: &Option<String>, mark: &Option<String>| match (id, mark) {
            (Some(id), Some(mark)) => self.marks.recognises(whose, id, mark),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let strange = rows.iter().find(|row| {
            !is_marked(Of::User, &row.user, &row.user_mark) || !is_marked(Of::Key, &row.key, &row.key_mark)
        });
        match strange {
            Some(row) => Some(Fault::Changed { id: row.id.clone() }),
            None if content(rows.iter().copied()) == seal.content => None,
            None => Some(Fault::Seal { seal: seal.id }),
        }
    }

    /// Rows that no seal can be of: written before the first seal's transactions, or by no function of Hedgerow's since then.
    async fn strangers(&self, from: i64, first: &str) -> Result<Option<Fault>, DatabaseError> {
        let sql = r#"SELECT id FROM public.api_audit_logs
            WHERE "createdAt" >= $2::text::date AND ("writtenBy" < $1 OR "writtenBy" IS NULL AND "createdAt"::timestamptz >=
              (SELECT min("sealedAt") FROM hedgerow.audit_seals))
            ORDER BY "createdAt", id LIMIT 1"#;
        let rows = self.ask(sql, &[&from, &first]).await?;
        let id: Option<String> = rows.first().map(|row| row.get(0)).transpose()?;
        Ok(id.map(|id| Fault::Inserted { id }))
    }
}

/// Seals whose rows are looked at together; those over the same transactions stay together.
fn groups(seals: &[Seal]) -> Vec<&[Seal]> {
    let mut groups = Vec::new();
    let (mut start, mut rows) = (0, 0);
    for (at, seal) in seals.iter().enumerate() {
        let is_new = at > 0 && seals[at - 1].to != seal.to;
        if is_new && rows + seal.leaves.len() > ROWS_AT_ONCE {
            groups.push(&seals[start..at]);
            (start, rows) = (at, 0);
        }
        rows += seal.leaves.len();
    }
    groups.push(&seals[start..]);
    groups
}
