//! Counters in the database, in a table that no tenant reaches and that PostgreSQL does not log: a crash of the server empties
//! it, a restart does not.

use std::time::Duration;

use hedgerow_database::{Database, Error, Identity};
use uuid::Uuid;

use super::meter::{Ask, Taken};

/// Takes what each counter has left, and what is owed, in the order of keys: two instances that take from the same ones cannot wait for each other.
/// The time is the server's, so that the clocks of instances do not matter.
const TAKE: &str = r#"INSERT INTO hedgerow.rate_limits AS known (key, seen, step, quota, wanted, granted, "fullAt")
SELECT key, seen, step, quota, wanted, least(wanted, quota), seen + step * (least(wanted, quota) + owed)
FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::integer[], $5::integer[])
    AS asked (key, step, quota, wanted, owed),
  (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS clock (seen)
ORDER BY key
ON CONFLICT (key) DO UPDATE SET
  seen = EXCLUDED.seen,
  step = EXCLUDED.step,
  quota = EXCLUDED.quota,
  wanted = EXCLUDED.wanted,
  granted = least(EXCLUDED.wanted, greatest(0,
    (EXCLUDED.seen + EXCLUDED.step * EXCLUDED.quota - greatest(known."fullAt", EXCLUDED.seen)) / EXCLUDED.step)),
  "fullAt" = greatest(known."fullAt", EXCLUDED.seen) + EXCLUDED.step * least(EXCLUDED.wanted, greatest(0,
    (EXCLUDED.seen + EXCLUDED.step * EXCLUDED.quota - greatest(known."fullAt", EXCLUDED.seen)) / EXCLUDED.step))
    -- What is owed.
    + EXCLUDED."fullAt" - EXCLUDED.seen - EXCLUDED.step * EXCLUDED.granted
RETURNING key, granted, "fullAt" - seen AS ahead"#;

/// Counters that are whole again say nothing. Those that somebody is counting with are left alone.
const CLEAN: &str = r#"DELETE FROM hedgerow.rate_limits
WHERE key IN (
  SELECT key FROM hedgerow.rate_limits
  WHERE "fullAt" < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
  LIMIT 10000
  FOR UPDATE SKIP LOCKED
)"#;

/// How long the database may take; a request waits for it.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Counters {
    database: Database,
}

impl Counters {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    /// One answer for each ask, in their order; each key is asked for once.
    pub(super) async fn take(&self, asks: &[Ask]) -> Result<Vec<Taken>, Error> {
        let keys: Vec<Uuid> = asks.iter().map(|ask| Uuid::from_bytes(ask.key)).collect();
        let steps: Vec<i64> = asks.iter().map(|ask| ask.meter.step).collect();
        let of = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let quotas: Vec<i32> = asks.iter().map(|ask| of(ask.meter.requests)).collect();
        let wanted: Vec<i32> = asks.iter().map(|ask| of(ask.wanted)).collect();
        let owed: Vec<i32> = asks.iter().map(|ask| of(ask.owed)).collect();
        let flight = self.database.flight(&Identity::Auth);
        let asked = async { flight.rows(TAKE, &[&keys, &steps, &quotas, &wanted, &owed]).await };
        let rows = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| Error::Deadline(PATIENCE))??;
        let mut answers = std::collections::HashMap::with_capacity(rows.len());
        for row in rows {
            let granted = u32::try_from(row.get::<i32>("granted")?).unwrap_or(0);
            answers.insert(row.get::<Uuid>("key")?, Taken { granted, ahead: row.get("ahead")? });
        }
        // Every key has its row; one that had none would be refused, and its holder would notice.
        Ok(keys
            .iter()
            .map(|key| answers.get(key).copied().unwrap_or(Taken { granted: 0, ahead: 0 }))
            .collect())
    }

    pub(super) async fn clean(&self) -> Result<(), Error> {
        self.database.flight(&Identity::Auth).execute(CLEAN, &[]).await.map(drop)
    }
}
