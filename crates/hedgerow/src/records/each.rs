//! Changing several rows at once, each in its own way.

use hedgerow_database::{Identity, JsonRows};
use hedgerow_schema::write::RowInput;
use hedgerow_schema::{Action, Entity, Read, Selected, Sql, statement};

use super::{Writes, asker, embeds, group_by_fields, possible_id};
use crate::error::Error;

/// Changes the row that each input's `id` names; returns them in the order of the request, ids and versions aside. All or
/// none, where the work is [together](Writes::together).
///
/// # Errors
/// [`Error::NotFound`] when one of them is not there, [`Error::NotOwner`] when the caller reads all of them and may not write
/// one.
pub async fn update_each(
    writes: &mut Writes<'_>,
    entity: &Entity,
    rows: &[RowInput<'_>],
    select: &[Selected<'_>],
) -> Result<JsonRows, Error> {
    let identity = writes.authorize(entity, Action::Write)?;
    embeds(writes.ctx, select)?;
    let rows: Vec<&RowInput<'_>> = rows.iter().collect();
    change(writes, &identity, entity, &rows).await?;
    let ids: Vec<String> = rows.iter().filter_map(|row| row.id.clone()).collect();
    let built = statement::by_ids(entity, &ids, select, asker(writes.ctx));
    let answer = writes.send(&identity).await?.json_between(&[], &built, &[]).await;
    answer.map(|answer| answer.rows).map_err(|error| Error::from_database("change rows", entity, error))
}

/// Changes rows by their ids, each of which must be there.
pub(super) async fn change(
    writes: &mut Writes<'_>,
    identity: &Identity,
    entity: &Entity,
    rows: &[&RowInput<'_>],
) -> Result<(), Error> {
    let mut statements: Vec<Sql> = Vec::new();
    if rows.iter().any(|row| row.has_attached()) {
        let ids: Vec<&str> = rows.iter().filter_map(|row| row.id.as_deref()).collect();
        statements.push(statement::lock_rows(entity, &ids, asker(writes.ctx)));
    }
    for (at, row) in rows.iter().enumerate() {
        let id = possible_id(row.id.as_deref().unwrap_or_default())?;
        if row.is_empty() {
            return Err(Error::input(&format!("[{at}]"), "empty_change", "the row names no field to change"));
        }
        statements.extend(statement::attach_one(
            entity,
            id,
            row,
            statement::Expected::Any,
            asker(writes.ctx),
        ));
    }
    let links = statements.len();
    for group in group_by_fields(rows) {
        let rows: Vec<&RowInput<'_>> = group.iter().map(|&at| rows[at]).collect();
        let ids: Vec<&str> = rows.iter().filter_map(|row| row.id.as_deref()).collect();
        statements.push(statement::update_each(entity, &ids, &rows, asker(writes.ctx)));
    }
    let counts = writes.send(identity).await?.execute_each(&statements).await;
    let counts = counts.map_err(|error| Error::from_database("change rows", entity, error))?;
    let changed: u64 = counts.iter().skip(links).sum();
    if changed == rows.len() as u64 {
        return Ok(());
    }
    if entity.access.read != Read::Owner {
        let asked: Vec<Sql> = rows
            .iter()
            .filter_map(|row| row.id.as_deref())
            .map(|id| statement::is_readable(entity, id))
            .collect();
        let readable = writes.send(identity).await?.execute_each(&asked).await;
        let readable = readable.map_err(|error| Error::from_database("look for rows", entity, error))?;
        if readable.iter().all(|count| *count > 0) {
            return Err(Error::NotOwner);
        }
    }
    Err(Error::NotFound)
}
