//! Reading rows.

use hedgerow_database::{Identity, JsonRows};
use hedgerow_schema::{Action, Entity, ListQuery, Read, Selected, statement};

use super::writing::refuse_no_trash;
use super::{OneRow, asker, embeds, possible_id, writer};
use crate::app::App;
use crate::context::{Caller, Ctx};
use crate::error::Error;

/// The rows of an entity that match a query.
///
/// # Errors
/// [`Error`]
pub async fn list(ctx: &Ctx, app: &App, entity: &Entity, query: &ListQuery<'_>) -> Result<JsonRows, Error> {
    let identity = reader(ctx, entity)?;
    embeds(ctx, &query.select)?;
    let built = statement::list(entity, query, asker(ctx));
    let rows = ctx.reads(app, &identity).json(&built, query.limit as usize).await;
    rows.map_err(|error| Error::from_database("list rows", entity, error))
}

/// One row.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the caller may read.
pub async fn get(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    id: &str,
    select: &[Selected<'_>],
) -> Result<OneRow, Error> {
    let identity = reader(ctx, entity)?;
    embeds(ctx, select)?;
    let id = possible_id(id)?;
    let built = statement::get(entity, id, select, asker(ctx));
    let rows = ctx.reads(app, &identity).json(&built, 1).await;
    OneRow::first(rows.map_err(|error| Error::from_database("get a row", entity, error))?)
}
/// The deleted rows that the caller may restore.
///
/// # Errors
/// [`Error`]
pub async fn trash(ctx: &Ctx, app: &App, entity: &Entity, query: &ListQuery<'_>) -> Result<JsonRows, Error> {
    let identity = writer(ctx, entity, Action::Read)?;
    refuse_no_trash(entity)?;
    embeds(ctx, &query.select)?;
    let built = statement::trash(entity, query, asker(ctx));
    let rows = ctx.reads(app, &identity).with_trash().json(&built, query.limit as usize).await;
    rows.map_err(|error| Error::from_database("list deleted rows", entity, error))
}
/// Who reads: nobody reads only what is public, a user needs the scope.
pub(super) fn reader(ctx: &Ctx, entity: &Entity) -> Result<Identity, Error> {
    if ctx.caller() == &Caller::Anonymous && entity.access.read == Read::Public {
        return Ok(Identity::Anonymous);
    }
    ctx.require_user(entity.name.as_str(), Action::Read)?;
    Ok(ctx.identity())
}
