//! What stands in tables whose policies hide it from their owner, for a change that has to know it.
//!
//! Always holds: FORCE is off for as long as reading takes, as it is for a migration, and is put back by the next session
//! that opens if this one is killed; nothing is written.

use hedgerow_schema::{Roles, Sql};

use super::{MigrateError, Report, Session, failed, force};
use crate::error::Error;
use crate::owner::from_driver;
use crate::url::DatabaseUrl;

/// The rows of a query whose columns are all texts, those of every tenant; all of them are held in memory.
///
/// # Errors
/// [`MigrateError`]
pub async fn rows(
    url: &DatabaseUrl,
    roles: &Roles,
    query: &Sql,
    mut report: impl FnMut(super::MigrateEvent) + Send,
) -> Result<Vec<Vec<Option<String>>>, MigrateError> {
    let session = Session::open(url, roles, &mut report).await?;
    let read = read(&session, query, &mut report).await;
    let restored = force::recover(&session.owner, &mut report).await;
    let closed = session.close().await;
    let rows = read?;
    restored.and(closed)?;
    Ok(rows)
}

async fn read(
    session: &Session<'_>,
    query: &Sql,
    report: &mut Report<'_>,
) -> Result<Vec<Vec<Option<String>>>, MigrateError> {
    let tables = force::named(&session.owner, query.text()).await.map_err(failed("list tables"))?;
    force::lift_for_long(&session.owner, &tables, report).await?;
    let read = async {
        // A statement that would be filtered in spite of this fails.
        session.owner.run("SET row_security = off").await?;
        let rows = session.owner.client.query(query.text(), &[]).await;
        let rows = rows.map_err(|source| from_driver("read rows", source))?;
        session.owner.run("RESET row_security").await?;
        Ok::<_, Error>(rows)
    };
    let rows = read.await.map_err(failed("read rows"))?;
    Ok(rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect())
}
