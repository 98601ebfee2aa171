//! Creating, changing and deleting rows.

use hedgerow_database::{Identity, JsonRows};
use hedgerow_schema::query::Filter;
use hedgerow_schema::statement::Asker;
use hedgerow_schema::write::{Body, RowInput};
use hedgerow_schema::{Action, Entity, Query, Read, Selected, Sql, Write, statement};

use super::{Expected, OneRow, Writes, asker, embeds, possible_id};
use crate::context::Ctx;
use crate::error::Error;

/// New rows, all or none, with the rows within them; returned in the order of the request, ids and versions aside.
///
/// # Errors
/// [`Error`]
pub async fn create(
    writes: &mut Writes<'_>,
    entity: &Entity,
    body: &Body<'_>,
    select: &[Selected<'_>],
) -> Result<JsonRows, Error> {
    let identity = writes.authorize(entity, Action::Write)?;
    embeds(writes.ctx, select)?;
    let rows: Vec<&RowInput<'_>> = body.rows().iter().collect();
    let ids: Vec<String> = rows.iter().map(|_| writes.ctx.world().new_id()).collect();
    let fail = |error| Error::from_database("create rows", entity, error);
    if rows.iter().any(|row| row.has_attached() || !row.children.is_empty()) {
        // Rows, then what hangs on them, then the rows as they are with it, all in one flight.
        let mut before = Vec::new();
        for (entity, statements) in family(writes, &identity, entity, &ids, &rows)? {
            before.extend(statements.into_iter().map(|sql| (entity, sql)));
        }
        let statements: Vec<Sql> = before.iter().map(|(_, sql)| sql.clone()).collect();
        let created = statement::by_ids(entity, &ids, select, asker(writes.ctx));
        let answer = writes.send(&identity).await?.json_between(&statements, &created, &[]).await;
        // A child's broken rule is told in the child's words.
        let told = |error: hedgerow_database::Error| {
            let table = error.server().and_then(|server| server.table.clone());
            let whose = before.iter().map(|(entity, _)| *entity);
            let whose = whose.clone().find(|own| table.as_deref() == Some(own.name.as_str()));
            Error::from_database("create rows", whose.unwrap_or(entity), error)
        };
        return Ok(answer.map_err(told)?.rows);
    }
    // Rows with the same fields go in one statement.
    let groups = group_by_fields(&rows);
    let queries: Vec<Query> = groups
        .iter()
        .map(|group| insert(entity, &ids, &rows, group, Some(select), asker(writes.ctx)))
        .collect();
    let answers = writes.send(&identity).await?.json_each(&queries).await.map_err(fail)?;
    Ok(match <[JsonRows; 1]>::try_from(answers) {
        Ok([all]) => all,
        Err(several) => JsonRows::arranged(groups.into_iter().zip(several).collect()),
    })
}

pub(super) fn insert(
    entity: &Entity,
    ids: &[String],
    rows: &[&RowInput<'_>],
    group: &[usize],
    returning: Option<&[Selected<'_>]>,
    asker: Asker<'_>,
) -> Query {
    let (ids, rows) = picked(ids, rows, group);
    statement::insert(entity, &ids, &rows, returning, asker)
}

/// The ids and rows at the positions of a group.
pub(super) fn picked<'r, 'e>(
    ids: &[String],
    rows: &[&'r RowInput<'e>],
    group: &[usize],
) -> (Vec<String>, Vec<&'r RowInput<'e>>) {
    group.iter().map(|&at| (ids[at].clone(), rows[at])).unzip()
}

/// The statements that create rows, what hangs on them and the rows within them, parents first, each with whose rows it makes.
fn family<'e>(
    writes: &Writes<'_>,
    identity: &Identity,
    entity: &'e Entity,
    ids: &[String],
    rows: &[&RowInput<'e>],
) -> Result<Vec<(&'e Entity, Vec<Sql>)>, Error> {
    let groups = group_by_fields(rows);
    let mut statements: Vec<Sql> =
        groups.iter().map(|group| insert(entity, ids, rows, group, None, asker(writes.ctx)).sql).collect();
    statements.extend(statement::attach_new(entity, ids, rows));
    let mut all = vec![(entity, statements)];
    for (id, row) in ids.iter().zip(rows) {
        for children in &row.children {
            if writes.authorize(children.entity, Action::Write)? != *identity {
                return Err(super::writes::mixed());
            }
            let mut own = children.rows.clone();
            for child in &mut own {
                child
                    .set(children.entity, children.field, Some(id))
                    .map_err(|error| Error::Input(vec![error]))?;
            }
            let ids: Vec<String> = own.iter().map(|_| writes.ctx.world().new_id()).collect();
            all.extend(family(writes, identity, children.entity, &ids, &own.iter().collect::<Vec<_>>())?);
        }
    }
    Ok(all)
}

/// The positions of rows that have the same fields, in order of appearance.
pub(crate) fn group_by_fields(rows: &[&RowInput<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let same = |group: &&mut Vec<usize>| {
            group.first().is_some_and(|&first| rows[first].fields() == row.fields())
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups
}

/// Changes one row; returns it.
///
/// # Errors
/// [`Error::Changed`] when the row has another version than expected, [`Error::NotOwner`] when the caller can read the row
/// but not write it, [`Error::NotFound`] when there is none.
pub async fn update_one(
    writes: &mut Writes<'_>,
    entity: &Entity,
    id: &str,
    row: &RowInput<'_>,
    select: &[Selected<'_>],
    expected: Expected,
) -> Result<OneRow, Error> {
    let identity = writes.authorize(entity, Action::Write)?;
    embeds(writes.ctx, select)?;
    let id = possible_id(id)?;
    refuse_nothing(row)?;
    let asker = asker(writes.ctx);
    let version = expected.of_statement();
    let built = statement::update_one(entity, id, row, select, version, asker);
    let mut links = Vec::new();
    if row.has_attached() {
        links.push(statement::lock_rows(entity, &[id], asker));
        links.extend(statement::attach_one(entity, id, row, version, asker));
    }
    let otherwise = otherwise(writes.ctx, entity, id, &expected);
    let answer = writes.send(&identity).await?.json_between(&links, &built, &otherwise).await;
    let answer = answer.map_err(|error| Error::from_database("change a row", entity, error))?;
    if answer.rows.count == 0 {
        return Err(why_not(&answer.after, &expected));
    }
    OneRow::first(answer.rows)
}

/// What is asked behind a write of one row that may meet none: is there one that may be written, and one to be read. Nothing
/// where every answer means the same.
fn otherwise(ctx: &Ctx, entity: &Entity, id: &str, expected: &Expected) -> Vec<Sql> {
    let is_shown = entity.access.read != Read::Owner;
    if !is_shown && *expected == Expected::Any {
        return Vec::new();
    }
    let mut asked = vec![statement::is_writable(entity, id, asker(ctx))];
    if is_shown {
        asked.push(statement::is_readable(entity, id));
    }
    asked
}

/// Why a write met no row, by the answers to [`otherwise`].
fn why_not(answers: &[u64], expected: &Expected) -> Error {
    match (answers, expected) {
        ([writable, ..], Expected::Versions(_)) if *writable > 0 => Error::Changed,
        // It came while this was under way.
        ([writable, ..], Expected::Any) if *writable > 0 => Error::NotFound,
        ([_, readable], _) if *readable > 0 => Error::NotOwner,
        _ => Error::NotFound,
    }
}

/// Changes all rows of the caller that match; returns them.
///
/// # Errors
/// [`Error`], also when there is no filter: a change of everything is asked for by saying so.
pub async fn update_many(
    writes: &mut Writes<'_>,
    entity: &Entity,
    filters: &[Filter<'_>],
    row: &RowInput<'_>,
    select: &[Selected<'_>],
) -> Result<JsonRows, Error> {
    let identity = writes.authorize(entity, Action::Write)?;
    embeds(writes.ctx, select)?;
    refuse_no_filter(filters)?;
    refuse_nothing(row)?;
    let built = statement::update_many(entity, filters, row, select, asker(writes.ctx));
    let links = statement::attach_many(entity, filters, row, asker(writes.ctx));
    let answer = writes.send(&identity).await?.json_between(&links, &built, &[]).await;
    answer.map(|answer| answer.rows).map_err(|error| Error::from_database("change rows", entity, error))
}

/// Deletes one row; returns it as it was.
///
/// # Errors
/// As [`update_one`].
pub async fn delete_one(
    writes: &mut Writes<'_>,
    entity: &Entity,
    id: &str,
    select: &[Selected<'_>],
    expected: Expected,
) -> Result<OneRow, Error> {
    let identity = writes.authorize(entity, Action::Delete)?;
    embeds(writes.ctx, select)?;
    let id = possible_id(id)?;
    let built = statement::delete_one(entity, id, select, expected.of_statement(), asker(writes.ctx));
    let otherwise = otherwise(writes.ctx, entity, id, &expected);
    let sender = writes.send(&identity).await?;
    // What goes to the trash is still a row for the statement that sends it there.
    let answer = if entity.soft_delete {
        sender.json_with_trash(&built, &otherwise).await
    } else {
        sender.json_between(&[], &built, &otherwise).await
    };
    let answer = answer.map_err(|error| Error::from_database("delete a row", entity, error))?;
    if answer.rows.count == 0 {
        return Err(why_not(&answer.after, &expected));
    }
    OneRow::first(answer.rows)
}

/// Deletes all rows of the caller that match; returns them.
///
/// # Errors
/// As [`update_many`].
pub async fn delete_many(
    writes: &mut Writes<'_>,
    entity: &Entity,
    filters: &[Filter<'_>],
    select: &[Selected<'_>],
) -> Result<JsonRows, Error> {
    let identity = writes.authorize(entity, Action::Delete)?;
    embeds(writes.ctx, select)?;
    refuse_no_filter(filters)?;
    let built = statement::delete_many(entity, filters, select, asker(writes.ctx));
    let sender = writes.send(&identity).await?;
    let answer = if entity.soft_delete {
        sender.json_with_trash(&built, &[]).await
    } else {
        sender.json_between(&[], &built, &[]).await
    };
    answer.map(|answer| answer.rows).map_err(|error| Error::from_database("delete rows", entity, error))
}

/// Takes a row out of the trash; returns it.
///
/// # Errors
/// [`Error::NotFound`] when the caller has no such deleted row, [`Error::Conflict`] when its place was taken meanwhile.
pub async fn restore(
    writes: &mut Writes<'_>,
    entity: &Entity,
    id: &str,
    select: &[Selected<'_>],
) -> Result<OneRow, Error> {
    let identity = writes.authorize(entity, Action::Write)?;
    embeds(writes.ctx, select)?;
    refuse_no_trash(entity)?;
    let built = statement::restore(entity, possible_id(id)?, select, asker(writes.ctx));
    let answer = writes.send(&identity).await?.json_with_trash(&built, &[]).await;
    OneRow::first(answer.map_err(|error| Error::from_database("restore a row", entity, error))?.rows)
}

/// Deletes a row of the trash for good.
///
/// # Errors
/// [`Error::NotFound`] when the caller has no such deleted row.
pub async fn purge(writes: &mut Writes<'_>, entity: &Entity, id: &str) -> Result<(), Error> {
    let identity = writes.authorize(entity, Action::Delete)?;
    refuse_no_trash(entity)?;
    let built = statement::purge(entity, possible_id(id)?, asker(writes.ctx));
    let answer = writes.send(&identity).await?.json_with_trash(&built, &[]).await;
    let answer = answer.map_err(|error| Error::from_database("delete a row for good", entity, error))?;
    if answer.rows.count == 0 { Err(Error::NotFound) } else { Ok(()) }
}

/// Where deleting is for good there is no trash.
pub(super) fn refuse_no_trash(entity: &Entity) -> Result<(), Error> {
    if entity.soft_delete { Ok(()) } else { Err(Error::NotFound) }
}

/// Who writes: a user with the scope, and for reference data an administrator.
pub(crate) fn writer(ctx: &Ctx, entity: &Entity, action: Action) -> Result<Identity, Error> {
    let user = ctx.require_user(entity.name.as_str(), action)?;
    match entity.access.write {
        Write::Owner | Write::SignedIn => Ok(Identity::User(user.id.clone())),
        Write::Admin if user.is_admin => Ok(Identity::Admin(user.id.clone())),
        Write::Admin => Err(Error::AdminOnly { entity: entity.name.to_string() }),
    }
}

fn refuse_nothing(row: &RowInput<'_>) -> Result<(), Error> {
    if row.is_empty() {
        Err(Error::input("", "empty_change", "the body names no field to change"))
    } else {
        Ok(())
    }
}

fn refuse_no_filter(filters: &[Filter<'_>]) -> Result<(), Error> {
    if filters.is_empty() {
        let message = "a change of all rows needs a filter, for example `id=not.is.null`";
        return Err(Error::input("", "filter_required", message));
    }
    Ok(())
}
