//! Creating, changing and deleting rows.

use hedgerow_database::{Flight, Identity, JsonRows};
use hedgerow_schema::query::Filter;
use hedgerow_schema::statement;
use hedgerow_schema::write::{Body, RowInput};
use hedgerow_schema::{Action, Entity, Read, Selected, Write};

use super::{asker, embeds, one, possible_id};
use crate::app::App;
use crate::context::Ctx;
use crate::error::Error;

/// Rows that were created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Their ids, in the order of the request.
    pub ids: Vec<String>,
    /// The rows as JSON objects separated by commas, in the same order.
    pub objects: Vec<u8>,
    /// Whether the request was an array.
    pub many: bool,
}
/// New rows, all or none.
///
/// # Errors
/// [`Error`]
pub async fn create(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    body: &Body<'_>,
    select: &[Selected<'_>],
) -> Result<Created, Error> {
    let identity = writer(ctx, entity, Action::Write)?;
    embeds(ctx, select)?;
    let (rows, many) = match body {
        Body::One(row) => (std::slice::from_ref(row), false),
        Body::Many(rows) => (rows.as_slice(), true),
    };
    let ids: Vec<String> = rows.iter().map(|_| ctx.world().new_id()).collect();
    // Rows with the same fields go in one statement.
    let groups = group_by_fields(rows);
    let insert = |group: &Vec<usize>, returning| {
        let own: Vec<String> = group.iter().map(|&at| ids[at].clone()).collect();
        let rows: Vec<&RowInput<'_>> = group.iter().map(|&at| &rows[at]).collect();
        statement::insert(entity, &own, &rows, returning, asker(ctx))
    };
    if rows.iter().any(|row| !row.links.is_empty()) {
        // Rows, then their links, then the rows as they are with them, all in one flight.
        let mut statements: Vec<_> = groups.iter().map(|group| insert(group, None).sql).collect();
        statements.extend(statement::link_new(entity, &ids, &rows.iter().collect::<Vec<_>>()));
        let created = statement::created(entity, &ids, select, asker(ctx));
        let answer = ctx.writes(app, &identity).json_after(&statements, &created, None).await;
        let (rows, _) = answer.map_err(|error| Error::from_database("create rows", entity, error))?;
        return Ok(Created { ids, objects: rows.objects, many });
    }
    let queries: Vec<_> = groups.iter().map(|group| insert(group, Some(select))).collect();
    let answers = ctx.writes(app, &identity).json_each(&queries).await;
    let answers = answers.map_err(|error| Error::from_database("create rows", entity, error))?;
    let objects = match <[JsonRows; 1]>::try_from(answers) {
        Ok([all]) => all.objects,
        Err(several) => in_order(&groups, &several),
    };
    Ok(Created { ids, objects, many })
}

/// The positions of rows that have the same fields, in order of appearance.
pub(crate) fn group_by_fields(rows: &[RowInput<'_>]) -> Vec<Vec<usize>> {
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

/// Puts the objects of several answers into the order of the request.
fn in_order(groups: &[Vec<usize>], answers: &[JsonRows]) -> Vec<u8> {
    let mut objects: Vec<(usize, Vec<u8>)> = Vec::new();
    for (group, answer) in groups.iter().zip(answers) {
        objects.extend(group.iter().copied().zip(answer.split()));
    }
    objects.sort_by_key(|(at, _)| *at);
    let objects: Vec<Vec<u8>> = objects.into_iter().map(|(_, object)| object).collect();
    objects.join(&b","[..])
}

/// Changes one row; returns it.
///
/// # Errors
/// [`Error::NotOwner`] when the caller can read the row but not write it, [`Error::NotFound`] when there is none.
pub async fn update_one(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    id: &str,
    row: &RowInput<'_>,
    select: &[Selected<'_>],
) -> Result<Vec<u8>, Error> {
    let identity = writer(ctx, entity, Action::Write)?;
    embeds(ctx, select)?;
    let id = possible_id(id)?;
    refuse_nothing(row)?;
    let built = statement::update_one(entity, id, row, select, asker(ctx));
    let links = statement::link_one(entity, id, row, asker(ctx));
    let readable = (entity.access.read != Read::Owner).then(|| statement::is_readable(entity, id));
    let answer = ctx.writes(app, &identity).json_after(&links, &built, readable.as_ref()).await;
    let (rows, readable) = answer.map_err(|error| Error::from_database("change a row", entity, error))?;
    if rows.count == 0 && readable {
        return Err(Error::NotOwner);
    }
    one(rows)
}

/// Changes all rows of the caller that match; returns them.
///
/// # Errors
/// [`Error`], also when there is no filter: a change of everything is asked for by saying so.
pub async fn update_many(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    filters: &[Filter<'_>],
    row: &RowInput<'_>,
    select: &[Selected<'_>],
) -> Result<JsonRows, Error> {
    let identity = writer(ctx, entity, Action::Write)?;
    embeds(ctx, select)?;
    refuse_no_filter(filters)?;
    refuse_nothing(row)?;
    let built = statement::update_many(entity, filters, row, select, asker(ctx));
    let links = statement::link_many(entity, filters, row, asker(ctx));
    let answer = ctx.writes(app, &identity).json_after(&links, &built, None).await;
    answer.map(|(rows, _)| rows).map_err(|error| Error::from_database("change rows", entity, error))
}

/// Deletes one row.
///
/// # Errors
/// As [`update_one`].
pub async fn delete_one(ctx: &Ctx, app: &App, entity: &Entity, id: &str) -> Result<(), Error> {
    let identity = writer(ctx, entity, Action::Delete)?;
    let id = possible_id(id)?;
    let mut statements = vec![statement::delete_one(entity, id, asker(ctx))];
    if entity.access.read != Read::Owner {
        statements.push(statement::is_readable(entity, id));
    }
    let counts = deleting(ctx, app, &identity, entity).execute_each(&statements).await;
    match counts.map_err(|error| Error::from_database("delete a row", entity, error))?.as_slice() {
        [0] | [0, 0] => Err(Error::NotFound),
        [0, _] => Err(Error::NotOwner),
        _ => Ok(()),
    }
}

/// Deletes all rows of the caller that match; returns them.
///
/// # Errors
/// As [`update_many`].
pub async fn delete_many(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    filters: &[Filter<'_>],
    select: &[Selected<'_>],
) -> Result<JsonRows, Error> {
    let identity = writer(ctx, entity, Action::Delete)?;
    embeds(ctx, select)?;
    refuse_no_filter(filters)?;
    let built = statement::delete_many(entity, filters, select, asker(ctx));
    let rows = deleting(ctx, app, &identity, entity).json(&built, usize::MAX).await;
    rows.map_err(|error| Error::from_database("delete rows", entity, error))
}

/// The flight of a deletion: what goes to the trash is still a row for the statement that sends it there.
fn deleting<'a>(ctx: &'a Ctx, app: &'a App, identity: &'a Identity, entity: &Entity) -> Flight<'a> {
    let flight = ctx.writes(app, identity);
    if entity.soft_delete { flight.with_trash() } else { flight }
}
/// Takes a row out of the trash; returns it.
///
/// # Errors
/// [`Error::NotFound`] when the caller has no such deleted row, [`Error::Conflict`] when its place was taken meanwhile.
pub async fn restore(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    id: &str,
    select: &[Selected<'_>],
) -> Result<Vec<u8>, Error> {
    let identity = writer(ctx, entity, Action::Write)?;
    embeds(ctx, select)?;
    refuse_no_trash(entity)?;
    let built = statement::restore(entity, possible_id(id)?, select, asker(ctx));
    let rows = ctx.writes(app, &identity).with_trash().json(&built, 1).await;
    one(rows.map_err(|error| Error::from_database("restore a row", entity, error))?)
}

/// Deletes a row of the trash for good.
///
/// # Errors
/// [`Error::NotFound`] when the caller has no such deleted row.
pub async fn purge(ctx: &Ctx, app: &App, entity: &Entity, id: &str) -> Result<(), Error> {
    let identity = writer(ctx, entity, Action::Delete)?;
    refuse_no_trash(entity)?;
    let built = statement::purge(entity, possible_id(id)?, asker(ctx));
    let counts = ctx.writes(app, &identity).with_trash().execute_each(&[built]).await;
    match counts.map_err(|error| Error::from_database("delete a row for good", entity, error))?.as_slice() {
        [0] => Err(Error::NotFound),
        _ => Ok(()),
    }
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
