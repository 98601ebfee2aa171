//! Reading rows.

use hedgerow_database::{
    Error as DatabaseError, Identity, Met, Nulls, PageFormat, RowFormat, RowStream, StreamLimits,
};
use hedgerow_schema::statement::{self, Shelf};
use hedgerow_schema::{Action, Entity, ListQuery, Read, Selected, Side};

use super::cursor::Cursors;
use super::writing::refuse_no_trash;
use super::{OneRow, asker, embeds, possible_id, writer};
use crate::app::App;
use crate::audit;
use crate::context::{Caller, Ctx};
use crate::error::Error;

/// How the rows of a list are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Not at all.
    None,
    /// All of them.
    Exact,
    /// Up to [`MOST_COUNTED`]: a bounded price for a number that people only look at.
    Bounded,
}

/// Where bounded counting stops: this number means "so many or more".
pub const MOST_COUNTED: u64 = 10_001;

/// What a page is wanted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How its rows are written.
    pub format: PageFormat,
    /// How the list's rows are counted.
    pub counting: Counting,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { format: PageFormat::Json(Nulls::Kept), counting: Counting::None }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows in the format that was asked for.
    pub body: Vec<u8>,
    /// How many rows there are in it.
    pub count: usize,
    /// How many rows the list has, where it was counted.
    pub total: Option<u64>,
    /// Whether there are rows behind the last one.
    pub has_next: bool,
    /// The cursor of the page behind this one, if there is such a page and rows in this order have a place.
    pub next: Option<String>,
    /// The cursor of the page before this one. Rows from which a client came may be gone meanwhile, and the page be empty.
    pub prev: Option<String>,
}

/// A page of the rows of an entity that match a query.
///
/// ```no_run
/// # async fn example(ctx: hedgerow::Ctx, app: hedgerow::App) -> Result<(), Box<dyn std::error::Error>> {
/// use hedgerow::records::{self, Wanted};
/// use hedgerow::schema::{Limits, ListQuery};
///
/// let schema = app.schema();
/// let tasks = schema.entity("tasks").ok_or("no tasks")?;
/// let mut query = ListQuery::parse(&schema, tasks, &[("order", "createdAt.desc"), ("limit", "50")], Limits::default())
///     .map_err(hedgerow::Error::Input)?;
/// loop {
///     let page = records::list(&ctx, &app, tasks, &query, Wanted::default()).await?;
///     // page.body is a JSON array
///     let Some(next) = page.next else { break };
///     query.cursor = Some(next);
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error`]; `invalid_cursor` where the query's cursor is not of this list.
pub async fn list(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    query: &ListQuery<'_>,
    wanted: Wanted,
) -> Result<Page, Error> {
    let identity = reader(ctx, entity)?;
    page(ctx, app, entity, query, Shelf::Living, &identity, wanted).await
}

/// A page of the deleted rows that the caller may restore.
///
/// # Errors
/// As [`list`].
pub async fn trash(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    query: &ListQuery<'_>,
    wanted: Wanted,
) -> Result<Page, Error> {
    let identity = writer(ctx, entity, Action::Read)?;
    refuse_no_trash(entity)?;
    page(ctx, app, entity, query, Shelf::Trash, &identity, wanted).await
}

async fn page(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    query: &ListQuery<'_>,
    shelf: Shelf,
    identity: &Identity,
    wanted: Wanted,
) -> Result<Page, Error> {
    embeds(ctx, &query.select)?;
    let cursors = Cursors { ctx, app, entity, query, shelf };
    let place = query.cursor.as_deref().map(|text| cursors.read(text)).transpose()?;
    let built = statement::page(entity, query, shelf, asker(ctx), place.as_ref());
    let count = match wanted.counting {
        Counting::None => None,
        Counting::Exact => Some(statement::count(entity, query, shelf, asker(ctx), None)),
        Counting::Bounded => Some(statement::count(entity, query, shelf, asker(ctx), Some(MOST_COUNTED))),
    };
    let flight = ctx.reads(app, identity);
    let flight = if shelf == Shelf::Trash { flight.with_trash() } else { flight };
    let is_backward = place.as_ref().is_some_and(|place| place.side.is_backward());
    let met = if is_backward { Met::Backward } else { Met::InOrder };
    let rows = flight.page(&built, wanted.format, query.limit as usize, met, count.as_ref()).await;
    let (rows, total) = rows.map_err(|error| Error::from_database("list rows", entity, error))?;

    // On the way on there is another page if a row more was met, and back there is one if the way began at a place: before
    // the first row or behind the last of this page; where it is empty, from the place itself.
    let (onward, back) = if is_backward { (Side::Before, Side::After) } else { (Side::After, Side::Before) };
    let has_next = if is_backward { query.limit > 0 } else { rows.end.is_some() };
    let onward = rows.end.filter(|_| query.has_keyset()).map(|end| cursors.write(onward, end));
    let back = place.filter(|_| query.limit > 0).map(|place| match rows.start {
        Some(start) => cursors.write(back, start),
        None if is_backward => cursors.write(Side::From, place.values),
        None => cursors.write(Side::UpTo, place.values),
    });
    let (next, prev) = if is_backward { (back, onward) } else { (onward, back) };
    Ok(Page { body: rows.body, count: rows.count, total, has_next, next, prev })
}

/// All rows of an entity that match a query, while they come. It has begun when this returns: what refuses the statement is
/// this function's error and not the stream's.
///
/// # Errors
/// As [`list`]; [`Error::Unavailable`] where as many answers are streamed as may be.
pub async fn stream(
    ctx: &Ctx,
    app: &App,
    entity: &Entity,
    query: &ListQuery<'_>,
    format: RowFormat,
    limits: StreamLimits,
) -> Result<RowStream, Error> {
    let identity = reader(ctx, entity)?;
    embeds(ctx, &query.select)?;
    let cursors = Cursors { ctx, app, entity, query, shelf: Shelf::Living };
    let place = query.cursor.as_deref().map(|text| cursors.read(text)).transpose()?;
    let built = statement::stream(entity, query, asker(ctx), place.as_ref());
    let failed = |error: DatabaseError| Error::from_database("stream rows", entity, error);
    let rows = ctx.reads(app, &identity).stream(built, format, limits).map_err(failed)?;
    rows.begun().await.map_err(failed)
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

/// Who reads: nobody reads only what is public, a user needs the scope.
pub(crate) fn reader(ctx: &Ctx, entity: &Entity) -> Result<Identity, Error> {
    if let Some(identity) = audit::reader(ctx, entity) {
        return identity;
    }
    if ctx.caller() == &Caller::Anonymous && entity.access.read == Read::Public {
        return Ok(Identity::Anonymous);
    }
    ctx.require_user(entity.name.as_str(), Action::Read)?;
    Ok(ctx.identity())
}
