//! Seals: what rows of the trail say, as hashes that lead from each to the next, signed.
//!
//! Always holds: a row belongs to one seal, by the number of the transaction that wrote it, and is sealed when no transaction
//! of a smaller number is under way; what a seal says of a row does not change when its user or key is deleted, because it
//! says their marks; who has all rights on the database and not the secret can make no seal.

use std::collections::BTreeMap;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hedgerow_database::{Error as DatabaseError, Identity, Row, Transaction};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::mark::Marks;
use crate::app::App;

/// Most rows that are sealed at once.
const MOST: usize = 10_000;
/// One instance seals.
const LOCK: i64 = 7_521_983_310_476_228_914;
/// So much of a row's hash names it among the rows of its seal; the seal's own hash is made of whole ones.
const LEAF_BYTES: usize = 12;

/// What is sealed of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) week: String,
    pub(super) written_by: i64,
    pub(super) id: String,
    pub(super) at: String,
    pub(super) hash: [u8; 32],
    pub(super) user: Option<String>,
    pub(super) key: Option<String>,
    pub(super) user_mark: Option<String>,
    pub(super) key_mark: Option<String>,
}

/// The rows of the transactions from `$1` up to `$2`, at most `$3` of them, in the order in which they are sealed.
pub(super) const ROWS: &str = r#"SELECT date_trunc('week', "createdAt"::timestamptz AT TIME ZONE 'UTC')::date::text,
      "writtenBy", id, to_char("createdAt"::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
      endpoint, method, "statusCode"::text, "responseTime"::text, "ipAddress", "userAgent", "userMark", "keyMark",
      "userId", "apiKeyId"
    FROM public.api_audit_logs WHERE "writtenBy" >= $1 AND "writtenBy" < $2
    ORDER BY "writtenBy", "createdAt", id LIMIT $3"#;

impl Sealed {
    pub(super) fn read(row: &Row) -> Result<Self, DatabaseError> {
        let written_by: i64 = row.get(1)?;
        let mut hash = Sha256::new();
        hash.update(written_by.to_be_bytes());
        for at in 2..12 {
            let value: Option<&str> = row.get(at)?;
            // With its length, so that no two rows read the same; of nothing another than of an empty text.
            hash.update(value.map_or(u64::MAX, |value| value.len() as u64).to_be_bytes());
            hash.update(value.unwrap_or_default());
        }
        Ok(Self {
            week: row.get(0)?,
            written_by,
            id: row.get(2)?,
            at: row.get(3)?,
            hash: hash.finalize().into(),
            user: row.get(12)?,
            key: row.get(13)?,
            user_mark: row.get(10)?,
            key_mark: row.get(11)?,
        })
    }

    /// The row among those of its seal: its id, and the beginning of its hash.
    pub(super) fn leaf(&self) -> String {
        format!("{} {}", self.id, BASE64URL_NOPAD.encode(&self.hash[..LEAF_BYTES]))
    }
}

/// A seal over the rows of one week that some transactions wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) id: i64,
    pub(super) week: String,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) leaves: Vec<String>,
    /// Over the whole hashes of the rows.
    pub(super) content: String,
    pub(super) chain: String,
    pub(super) signature: String,
}

impl Seal {
    /// What leads on from the seal before.
    pub(super) fn linked(&self, before: &str) -> String {
        let Self { id, week, from, to, leaves, content, .. } = self;
        let text = format!("{before}\n{id}\n{week}\n{from}\n{to}\n{}\n{content}", leaves.join("\n"));
        HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
    }

    /// What is signed.
    pub(super) fn statement(&self) -> String {
        format!("{} {} {} {} {} {}", self.id, self.week, self.from, self.to, self.content, self.chain)
    }
}

/// The hash over rows.
pub(super) fn content<'r>(rows: impl IntoIterator<Item = &'r Sealed>) -> String {
    let mut hash = Sha256::new();
    for row in rows {
        hash.update(row.hash);
    }
    HEXLOWER.encode(&hash.finalize())
}

/// Seals what is not sealed and can be; returns how many rows.
pub(super) async fn seal(app: &App, marks: &Marks) -> Result<usize, DatabaseError> {
    let identity = Identity::System { reason: "seal the audit trail" };
    let mut transaction = app.database().transaction(&identity).await?;
    let sealed = seal_within(&mut transaction, marks, app.world().now_in_millis()).await?;
    transaction.commit().await?;
    Ok(sealed)
}

async fn seal_within(
    transaction: &mut Transaction,
    marks: &Marks,
    now: Timestamp,
) -> Result<usize, DatabaseError> {
    let free = transaction.query("SELECT pg_try_advisory_xact_lock($1)", &[&LOCK]).await?;
    if !free.first().map(|row| row.get::<bool>(0)).transpose()?.unwrap_or_default() {
        return Ok(0);
    }
    let last = r#"SELECT id, "to", chain FROM hedgerow.audit_seals ORDER BY id DESC LIMIT 1"#;
    let last = transaction.query(last, &[]).await?;
    let (mut id, from, mut chain): (i64, i64, String) = match last.first() {
        Some(row) => (row.get(0)?, row.get(1)?, row.get(2)?),
        None => (0, 0, String::new()),
    };
    // All transactions of smaller numbers are over, and what they wrote is seen by the next statement.
    let horizon = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
    let horizon = transaction.query(horizon, &[]).await?;
    let mut to: i64 = horizon.first().map(|row| row.get(0)).transpose()?.unwrap_or_default();
    let most = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let rows = transaction.query(ROWS, &[&from, &to, &most]).await?;
    let mut rows: Vec<Sealed> = rows.iter().map(Sealed::read).collect::<Result<_, _>>()?;
    if rows.len() > MOST
        && let Some(last) = rows.last().map(|row| row.written_by)
    {
        // The last transaction may be cut.
        to = last;
        rows.retain(|row| row.written_by < last);
    }
    let mut weeks: BTreeMap<&str, Vec<&Sealed>> = BTreeMap::new();
    for row in &rows {
        weeks.entry(&row.week).or_default().push(row);
    }
    for (week, rows) in weeks {
        id += 1;
        let mut seal = Seal {
            id,
            week: week.to_owned(),
            from,
            to,
            leaves: rows.iter().map(|row| row.leaf()).collect(),
            content: content(rows),
            chain: String::new(),
            signature: String::new(),
        };
        seal.chain = seal.linked(&chain);
        seal.signature = marks.sign(&seal.statement());
        let insert = r#"INSERT INTO hedgerow.audit_seals (id, week, "from", "to", leaves, content, chain, signature, "sealedAt")
            VALUES ($1, $2::text::date, $3, $4, $5, $6, $7, $8, $9::timestamptz)"#;
        let parameters: [&(dyn hedgerow_database::ToSql + Sync); 9] = [
            &seal.id,
            &seal.week,
            &seal.from,
            &seal.to,
            &seal.leaves,
            &seal.content,
            &seal.chain,
            &seal.signature,
            &now,
        ];
        transaction.execute(insert, &parameters).await?;
        chain = seal.chain;
    }
    Ok(rows.len())
}
