//! New rows that may be there already.
//!
//! Always holds: an `id` names a row that the caller may write, and never becomes the id of a new one; any other key is unique
//! within its owner. So nothing tells about rows of others.

use hedgerow_database::{Identity, JsonRows};
use hedgerow_schema::write::{Body, RowInput};
use hedgerow_schema::{Action, Entity, Query, Selected, Sql, statement};

pub use hedgerow_schema::statement::{Conflict, UniqueKey};

use super::each::change;
use super::writing::{insert, picked};
use super::{Writes, asker, embeds, group_by_fields, possible_id};
use crate::error::Error;

/// What became of rows that may have been there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upserted {
    /// The rows, in the order of the request, ids and versions aside; with [`Conflict::Ignore`] those that are new.
    pub rows: JsonRows,
    /// How many of them are new.
    pub created: usize,
}

/// Writes rows that may be there, all or none where the work is [together](Writes::together). With a `key`, a row whose key is
/// taken meets the one that has it; without, a row with an `id` is that one, and one without is new.
///
/// # Errors
/// [`Error::NotFound`] when an `id` names no row that the caller may write.
pub async fn upsert(
    writes: &mut Writes<'_>,
    entity: &Entity,
    body: &Body<'_>,
    key: Option<&UniqueKey<'_>>,
    conflict: Conflict,
    select: &[Selected<'_>],
) -> Result<Upserted, Error> {
    let identity = writes.authorize(entity, Action::Write)?;
    embeds(writes.ctx, select)?;
    let rows: Vec<&RowInput<'_>> = body.rows().iter().collect();
    let (ids, created) = match key {
        Some(key) => by_key(writes, &identity, entity, &rows, key, conflict).await?,
        None => by_id(writes, &identity, entity, &rows, conflict).await?,
    };
    let built = statement::by_ids(entity, &ids, select, asker(writes.ctx));
    let answer = writes.send(&identity).await?.json_between(&[], &built, &[]).await;
    let answer = answer.map_err(|error| Error::from_database("write rows", entity, error))?;
    Ok(Upserted { rows: answer.rows, created })
}

/// Rows with an id are there, the others are new; returns the ids of those to show, and how many are new.
async fn by_id(
    writes: &mut Writes<'_>,
    identity: &Identity,
    entity: &Entity,
    rows: &[&RowInput<'_>],
    conflict: Conflict,
) -> Result<(Vec<String>, usize), Error> {
    let (named, new): (Vec<&RowInput<'_>>, Vec<&RowInput<'_>>) =
        rows.iter().copied().partition(|row| row.id.is_some());
    if !named.is_empty() {
        match conflict {
            Conflict::Merge => change(writes, identity, entity, &named).await?,
            Conflict::Ignore => insist(writes, identity, entity, &named).await?,
        }
    }
    let ids: Vec<String> =
        rows.iter().map(|row| row.id.clone().unwrap_or_else(|| writes.ctx.world().new_id())).collect();
    let new_ids: Vec<String> =
        ids.iter().zip(rows).filter(|(_, row)| row.id.is_none()).map(|(id, _)| id.clone()).collect();
    let groups = group_by_fields(&new);
    let inserted = |group: &Vec<usize>| insert(entity, &new_ids, &new, group, None, asker(writes.ctx)).sql;
    let mut statements: Vec<Sql> = groups.iter().map(inserted).collect();
    statements.extend(statement::attach_new(entity, &new_ids, &new));
    let done = writes.send(identity).await?.execute_each(&statements).await;
    done.map_err(|error| Error::from_database("write rows", entity, error))?;
    let created = new_ids.len();
    Ok((if conflict == Conflict::Ignore { new_ids } else { ids }, created))
}

/// Each of these is a row that the caller may write.
async fn insist(
    writes: &mut Writes<'_>,
    identity: &Identity,
    entity: &Entity,
    rows: &[&RowInput<'_>],
) -> Result<(), Error> {
    let mut asked = Vec::new();
    for row in rows {
        let id = possible_id(row.id.as_deref().unwrap_or_default())?;
        asked.push(statement::is_writable(entity, id, asker(writes.ctx)));
    }
    let found = writes.send(identity).await?.execute_each(&asked).await;
    let found = found.map_err(|error| Error::from_database("look for rows", entity, error))?;
    if found.iter().all(|count| *count > 0) { Ok(()) } else { Err(Error::NotFound) }
}

/// Lets the key decide; returns the same.
async fn by_key(
    writes: &mut Writes<'_>,
    identity: &Identity,
    entity: &Entity,
    rows: &[&RowInput<'_>],
    key: &UniqueKey<'_>,
    conflict: Conflict,
) -> Result<(Vec<String>, usize), Error> {
    let groups = group_by_fields(rows);
    let new_ids: Vec<String> = rows.iter().map(|_| writes.ctx.world().new_id()).collect();
    let queries: Vec<Query> = groups
        .iter()
        .map(|group| {
            let (ids, rows) = picked(&new_ids, rows, group);
            statement::upsert(entity, &ids, &rows, key, conflict, &[], asker(writes.ctx))
        })
        .collect();
    let answers = writes.send(identity).await?.json_each(&queries).await;
    let answers = answers.map_err(|error| Error::from_database("write rows", entity, error))?;
    let mut placed: Vec<(usize, String)> = Vec::new();
    for (group, answer) in groups.iter().zip(answers) {
        if conflict == Conflict::Merge && answer.count < group.len() {
            let message = "a row that is there has another value in a field that cannot be changed";
            return Err(Error::input("", "immutable_field", message));
        }
        let ids = answer.aside.into_iter().filter_map(|aside| aside.into_iter().next().flatten());
        // Those that were passed over left no trace, and nobody can say which; the order is kept.
        placed.extend(group.iter().copied().zip(ids));
    }
    placed.sort_by_key(|(at, _)| *at);
    let mut links: Vec<Sql> = Vec::new();
    for (at, id) in &placed {
        links.extend(statement::attach_one(
            entity,
            id,
            rows[*at],
            statement::Expected::Any,
            asker(writes.ctx),
        ));
    }
    if !links.is_empty() && conflict == Conflict::Ignore {
        // Which row a link belongs to would be a guess.
        let message = "metadata and fields that point at several rows cannot be written with `resolution=ignore-duplicates`";
        return Err(Error::input("", "unsupported_upsert", message));
    }
    let done = writes.send(identity).await?.execute_each(&links).await;
    done.map_err(|error| Error::from_database("write rows", entity, error))?;
    let created = placed.iter().filter(|(_, id)| new_ids.contains(id)).count();
    Ok((placed.into_iter().map(|(_, id)| id).collect(), created))
}
