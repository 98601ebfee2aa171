//! Statements that read rows.

use super::conditions::Conditions;
use super::keyset::{self, ScanKey};
use super::{Asker, OutputColumn, Query, column, output, read_cast, rows, rows_with};
use crate::query::{ListQuery, Order, Selected};
use crate::{Bind, Column, Entity, Keyset, Sql, SqlType};

/// On which shelf an entity's rows are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Rows that are there.
    Living,
    /// Deleted rows that the asker may restore.
    Trash,
}

/// The statement of one page, and where its rows say their place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The statement; its columns are those that a row shows, and behind them keys that it does not show.
    pub query: Query,
    /// How many columns a row shows.
    pub shown: usize,
    /// The columns that hold the values of the order's keys.
    pub keys: Vec<usize>,
}

/// The rows of a list from its start, at most `query.limit + 1`: one row more tells that there is a next page.
pub fn list(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>) -> Query {
    let mut sql = ordered(entity, query, Shelf::Living, asker, &[], None, Turn::AsMet);
    sql.push(" LIMIT ").number(u64::from(query.limit) + 1);
    offset(&mut sql, query);
    Query { sql, columns: output(&query.select) }
}

/// The same with the place of each row in the order, and where there is a place to start from: the rows on that side of
/// it, before a place the nearest first.
pub fn page(
    entity: &Entity,
    query: &ListQuery<'_>,
    shelf: Shelf,
    asker: Asker<'_>,
    place: Option<&Keyset>,
) -> Page {
    let mut columns = output(&query.select);
    let shown = columns.len();
    let mut hidden = Vec::new();
    let mut keys = Vec::with_capacity(query.order.len());
    for order in &query.order {
        let selected = query.select.iter().position(|item| item.column == order.column);
        keys.push(selected.unwrap_or_else(|| {
            hidden.push(order.column);
            columns.push(OutputColumn { key: String::new(), ty: order.column.sql_type() });
            columns.len() - 1
        }));
    }
    let mut sql = ordered(entity, query, shelf, asker, &hidden, place, Turn::AsMet);
    sql.push(" LIMIT ").number(u64::from(query.limit) + 1);
    offset(&mut sql, query);
    Page { query: Query { sql, columns }, shown, keys }
}

/// All rows of a list, for answers that are read as they come; on one side of a place, where there is one. Always in the
/// order that was asked for.
pub fn stream(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>, place: Option<&Keyset>) -> Query {
    let mut sql = ordered(entity, query, Shelf::Living, asker, &[], place, Turn::AsAsked);
    offset(&mut sql, query);
    Query { sql, columns: output(&query.select) }
}

/// How many rows match, whichever page is read; at most `bound` where there is one, so that the price has a bound too.
///
/// It counts what the policies let through. The planner's own estimates are never shown: they are made from all tenants'
/// rows, and would tell of them.
pub fn count(
    entity: &Entity,
    query: &ListQuery<'_>,
    shelf: Shelf,
    asker: Asker<'_>,
    bound: Option<u64>,
) -> Sql {
    let mut sql = Sql::new("SELECT count(*) FROM ");
    if bound.is_some() {
        sql.push("(SELECT FROM ");
    }
    sql.push("public.").name(&entity.name);
    conditions(&mut sql, entity, query, shelf, asker);
    if let Some(bound) = bound {
        sql.push(" LIMIT ").number(bound).push(") AS bounded");
    }
    sql
}

/// Which way the rows before a place are met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The nearest first.
    AsMet,
    /// As the request orders them.
    AsAsked,
}

fn ordered(
    entity: &Entity,
    query: &ListQuery<'_>,
    shelf: Shelf,
    asker: Asker<'_>,
    hidden: &[Column<'_>],
    place: Option<&Keyset>,
    turn: Turn,
) -> Sql {
    let mut sql = rows_with(entity, &query.select, hidden);
    let mut conditions = conditions(&mut sql, entity, query, shelf, asker);
    let is_backward = place.is_some_and(|place| place.side.is_backward());
    let scan = |turned| query.order.iter().map(move |order| ScanKey::new(order, turned)).collect::<Vec<_>>();
    if let Some(place) = place {
        conditions.next(&mut sql);
        keyset::beside(&mut sql, entity, &scan(is_backward), place);
    }
    sql.push(" ORDER BY ");
    sql.join(", ", scan(is_backward && turn == Turn::AsMet), |sql, key| key.write(sql, entity));
    sql
}

fn conditions(
    sql: &mut Sql,
    entity: &Entity,
    query: &ListQuery<'_>,
    shelf: Shelf,
    asker: Asker<'_>,
) -> Conditions {
    let mut conditions = Conditions::new();
    let names_owner = match shelf {
        Shelf::Living => entity.access.read_names_owner(),
        Shelf::Trash => entity.access.write_names_owner(),
    };
    if names_owner {
        conditions.owner(sql, asker);
    }
    match shelf {
        Shelf::Living => conditions.alive(sql, entity),
        Shelf::Trash => conditions.deleted(sql),
    }
    conditions.filters(sql, &query.filters);
    conditions
}

fn offset(sql: &mut Sql, query: &ListQuery<'_>) {
    if query.offset > 0 {
        sql.push(" OFFSET ").bind(Bind::new(SqlType::Int8, Some(query.offset.to_string())));
    }
}

/// What rows are ordered by. With the table where the selected value is another than the column's: its name would win in
/// an ORDER BY.
pub(super) fn order_key(sql: &mut Sql, entity: &Entity, order: &Order<'_>) {
    if read_cast(order.column).is_some() {
        sql.name(&entity.name).push(".");
    }
    column(sql, order.column);
}

/// All rows that `asker` reads, or those that `asker` owns, oldest first.
pub fn export(entity: &Entity, select: &[Selected<'_>], asker: Asker<'_>, owned: Owned) -> Query {
    let mut sql = rows(entity, select);
    let mut conditions = Conditions::new();
    if owned != Owned::OrReadable || entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    if owned != Owned::OnlyWithTrash {
        conditions.alive(&mut sql, entity);
    }
    sql.push(" ORDER BY ").name(&entity.name).push(".\"createdAt\", id");
    Query { sql, columns: output(select) }
}

/// Whether rows of others are left out although they could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    /// Rows of the asker.
    Only,
    /// Rows of the asker, those in the trash included, where the flight sees them.
    OnlyWithTrash,
    /// Rows that others opened, too.
    OrReadable,
}

/// One row by its id.
pub fn get(entity: &Entity, id: &str, select: &[Selected<'_>], asker: Asker<'_>) -> Query {
    let mut sql = rows(entity, select);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    Query { sql, columns: output(select) }
}

/// Whether a row can be read: asked when a write met no row, to tell "not yours" from "not there".
pub fn is_readable(entity: &Entity, id: &str) -> Sql {
    let mut sql = Sql::new("SELECT FROM public.");
    sql.name(&entity.name);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    conditions.alive(&mut sql, entity);
    sql
}

/// The id of each row by the value of another field, for rows that point at others by a natural key.
///
/// `values` is a text array; where several rows have one value, all come back.
pub fn ids_by_value(entity: &Entity, by: Column<'_>, values: Bind, asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("SELECT ");
    column(&mut sql, by);
    sql.push("::text, id FROM public.").name(&entity.name).push(" WHERE ");
    column(&mut sql, by);
    sql.push("::text = ANY (").bind(values).push(")");
    let mut conditions = Conditions { any: true };
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    sql
}
