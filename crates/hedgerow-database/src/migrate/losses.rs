//! What a migration would lose, counted: what has no rows or values cannot be lost.

use hedgerow_schema::catalog::DERIVED;
use hedgerow_schema::diff::{Loss, quote};

use super::{MigrateError, Report, failed, force, run};
use crate::error::Error;
use crate::owner::{Owner, from_driver};

/// Whether data may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataLoss {
    /// Where a migration would lose data, it does not happen.
    Refuse,
    /// The person at the keyboard said so.
    Allow,
}

/// Up to so many rows are counted; above, PostgreSQL's estimate is told, since counting holds a lock.
const COUNTED: f32 = 200_000.0;

/// Refuses what would lose data, unless it may.
pub(super) async fn allow(
    owner: &Owner,
    what: &str,
    losses: &[Loss],
    loss: DataLoss,
    report: &mut Report<'_>,
) -> Result<(), MigrateError> {
    if loss == DataLoss::Allow || losses.is_empty() {
        return Ok(());
    }
    // Counting past FORCE takes a lock that others would queue behind.
    let mut found = Vec::new();
    let tables: Vec<&str> = losses
        .iter()
        .map(|loss| match loss {
            Loss::Table(table) | Loss::Column(table, _) | Loss::Values(table, _) => table.as_str(),
        })
        .collect();
    run::again(owner, &tables.join(" "), report, async |owner| {
        run::begin(owner, run::SHORT).await?;
        found = count_all(owner, losses).await.map_err(failed("count what would be lost"))?;
        owner.run("ROLLBACK").await.map_err(failed("roll back"))
    })
    .await?;
    if found.is_empty() { Ok(()) } else { Err(MigrateError::Loss { what: what.to_owned(), losses: found }) }
}

async fn count_all(owner: &Owner, losses: &[Loss]) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for loss in losses {
        let (table, column) = match loss {
            Loss::Table(table) => (table, None),
            Loss::Column(table, column) | Loss::Values(table, column) => (table, Some(column)),
        };
        let rows = count(owner, table, column.map(String::as_str)).await?;
        let Some(rows) = rows else { continue };
        found.push(match (loss, column) {
            (Loss::Values(..), Some(column)) => {
                format!("values of {table}.{column} that do not fit the new type ({rows})")
            }
            (_, Some(column)) => format!("column {table}.{column} ({rows})"),
            (_, None) => format!("table {table} ({rows})"),
        });
    }
    Ok(found)
}

/// How many rows have something to lose, in words; `None` where there are none, no such table or column, or where the
/// table can be made again.
async fn count(owner: &Owner, table: &str, column: Option<&str>) -> Result<Option<String>, Error> {
    let sql = "SELECT c.oid, c.reltuples FROM pg_catalog.pg_class c WHERE c.relname = $1 \
               AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
               AND pg_catalog.obj_description(c.oid, 'pg_class') IS DISTINCT FROM $3 \
               AND ($2::text IS NULL OR EXISTS (SELECT FROM pg_catalog.pg_attribute a \
                 WHERE a.attrelid = c.oid AND a.attname = $2 AND NOT a.attisdropped))";
    let known = owner.client.query_opt(sql, &[&table, &column, &DERIVED]).await;
    let Some(row) = known.map_err(|source| from_driver("look for what would be lost", source))? else {
        return Ok(None);
    };
    let (oid, estimate): (u32, f32) = (row.get(0), row.get(1));
    if estimate > COUNTED {
        return Ok(Some(format!("about {estimate:.0} rows")));
    }
    force::lift(owner, &[(oid, table.to_owned())]).await?;
    let what = column.map_or_else(|| "*".to_owned(), quote);
    let sql = format!("SELECT count({what}) FROM public.{}", quote(table));
    let row = owner.client.query_one(&sql, &[]).await.map_err(|source| from_driver("count", source))?;
    let rows: i64 = row.get(0);
    Ok((rows > 0).then(|| if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }))
}
