//! Statements that read rows.

use super::conditions::{Conditions, search_column, search_query};
use super::keyset::{self, ScanKey};
use super::operand::value;
use super::place::Place;
use super::{
    Asker, OutputColumn, Query, column, output, output_and_aside, position, row_metas, rows, rows_and_aside,
    rows_with, select_list,
};
use crate::query::{Item, ListQuery, Order, Selected};
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
    /// The columns that hold the values of the order's keys; none where a row has no place
    /// ([`ListQuery::has_keyset`]).
    pub keys: Vec<usize>,
}

/// The rows of a list from its start, at most `query.limit + 1`: one row more tells that there is a next page.
pub fn list(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>) -> Query {
    let mut sql = all(entity, query, Shelf::Living, asker, &[], None, Turn::AsMet);
    limit(&mut sql, u64::from(query.limit) + 1);
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
    from: Option<&Keyset>,
) -> Page {
    let mut columns = output(&query.select);
    let shown = columns.len();
    let mut hidden = Vec::new();
    let mut keys = Vec::with_capacity(query.order.len());
    for order in query.order.iter().filter(|_| query.has_keyset()) {
        keys.push(position(&query.select, order.column).unwrap_or_else(|| {
            hidden.push(order.column);
            columns.push(OutputColumn { key: None, ty: order.column.sql_type() });
            columns.len() - 1
        }));
    }
    let mut sql = all(entity, query, shelf, asker, &hidden, from, Turn::AsMet);
    limit(&mut sql, u64::from(query.limit) + 1);
    offset(&mut sql, query);
    Page { query: Query { sql, columns }, shown, keys }
}

/// All rows of a list, for answers that are read as they come; on one side of a place, where there is one. Always in the
/// order that was asked for.
pub fn stream(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>, from: Option<&Keyset>) -> Query {
    let mut sql = all(entity, query, Shelf::Living, asker, &[], from, Turn::AsAsked);
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
    let place = Place::own(entity, asker);
    let mut sql = Sql::new("SELECT count(*) FROM (SELECT");
    if query.is_grouped() {
        sql.push(" ");
        select_list(&mut sql, place, &query.select);
    }
    sql.push(" FROM public.").name(&entity.name);
    conditions(&mut sql, place, query, shelf);
    group_by(&mut sql, place, query);
    if let Some(bound) = bound {
        limit(&mut sql, bound);
    }
    sql.push(") AS counted");
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

fn all(
    entity: &Entity,
    query: &ListQuery<'_>,
    shelf: Shelf,
    asker: Asker<'_>,
    hidden: &[Column<'_>],
    from: Option<&Keyset>,
    turn: Turn,
) -> Sql {
    let place = Place::own(entity, asker);
    let mut sql = rows_with(entity, &query.select, hidden, asker);
    let mut conditions = conditions(&mut sql, place, query, shelf);
    let is_backward = from.is_some_and(|from| from.side.is_backward());
    if let Some(from) = from {
        conditions.next(&mut sql);
        keyset::beside(&mut sql, place, &scan(query, is_backward), from);
    }
    group_by(&mut sql, place, query);
    order_by(&mut sql, place, query, is_backward && turn == Turn::AsMet);
    sql
}

fn conditions(sql: &mut Sql, place: Place<'_>, query: &ListQuery<'_>, shelf: Shelf) -> Conditions {
    let mut conditions = Conditions::new();
    let names_owner = match shelf {
        Shelf::Living => place.entity.access.read_names_owner(),
        Shelf::Trash => place.entity.access.write_names_owner(),
    };
    if names_owner {
        conditions.owner(sql, place.asker);
    }
    match shelf {
        Shelf::Living => conditions.alive(sql, place.entity),
        Shelf::Trash => conditions.deleted(sql),
    }
    conditions.filters(sql, place, &query.filters);
    conditions
}

/// The keys of the order as they are met.
fn scan<'q, 'e>(query: &'q ListQuery<'e>, is_backward: bool) -> Vec<ScanKey<'q, 'e>> {
    query.order.iter().map(|order| ScanKey::new(order, is_backward)).collect()
}

/// GROUP BY, ORDER BY, LIMIT and OFFSET of embedded rows.
pub(super) fn embedded_page(sql: &mut Sql, place: Place<'_>, query: &ListQuery<'_>) {
    group_by(sql, place, query);
    order_by(sql, place, query, false);
    limit(sql, query.limit.into());
    offset(sql, query);
}

fn group_by(sql: &mut Sql, place: Place<'_>, query: &ListQuery<'_>) {
    if !query.is_grouped() || query.order.is_empty() {
        return;
    }
    sql.push(" GROUP BY ");
    if place.is_inside() {
        // What is selected is one column there; all that it is made of are keys of the order.
        sql.join(", ", &query.order, |sql, key| by_own(sql, place, key));
        return;
    }
    let values = query.select.iter().enumerate();
    let values = values.filter(|(_, item)| matches!(item.item, Item::Value(..)));
    sql.join(", ", values, |sql, (at, _)| {
        sql.number(at as u64 + 1);
    });
}

fn order_by(sql: &mut Sql, place: Place<'_>, query: &ListQuery<'_>, is_backward: bool) {
    let mut separator = " ORDER BY ";
    if let Some(words) = &query.best_first {
        sql.push(separator).push("ts_rank(");
        search_column(sql, place);
        sql.push(", ");
        search_query(sql, words);
        sql.push(") DESC");
        separator = ", ";
    }
    for key in scan(query, is_backward) {
        sql.push(separator);
        separator = ", ";
        if let Some(meta) = &key.order.meta {
            sql.join(", ", row_metas::ORDERED_BY, |sql, column| {
                row_metas::order_value(sql, place, meta, column);
                key.direction(sql);
            });
            continue;
        }
        if query.is_grouped() {
            group(sql, place, query, key.order);
        } else {
            by(sql, place, key.order);
        }
        key.direction(sql);
    }
}

fn limit(sql: &mut Sql, rows: u64) {
    sql.push(" LIMIT ").number(rows);
}

fn offset(sql: &mut Sql, query: &ListQuery<'_>) {
    if query.offset > 0 {
        sql.push(" OFFSET ").bind(Bind::new(SqlType::Int8, Some(query.offset.to_string())));
    }
}

/// What a row is ordered by. The table is named: the bare name would mean what is selected under it.
fn by(sql: &mut Sql, place: Place<'_>, key: &Order<'_>) {
    match key.of {
        Some(to) => {
            let inside = place.inside(to.entity);
            sql.push("(SELECT ");
            by_own(sql, inside, key);
            super::related::from(sql, place, inside, to, &[]);
            sql.push(")");
        }
        None => by_own(sql, place, key),
    }
}

fn by_own(sql: &mut Sql, place: Place<'_>, key: &Order<'_>) {
    if key.path.is_some() {
        value(sql, place, &key.operand());
    } else {
        place.full_column(sql, key.column);
    }
}

/// What rows are grouped by: the column of the answer, or, inside an embedded row, which is one column, the table's.
fn group(sql: &mut Sql, place: Place<'_>, query: &ListQuery<'_>, key: &Order<'_>) {
    if place.is_inside() {
        by_own(sql, place, key);
        return;
    }
    let operand = key.operand();
    let is_it = |item: &Selected<'_>| matches!(&item.item, Item::Value(own, _) if *own == operand);
    let at = query.select.iter().position(is_it).unwrap_or_default();
    sql.number(at as u64 + 1);
}

/// All rows that `asker` reads, or those that `asker` owns, oldest first.
pub fn export(entity: &Entity, select: &[Selected<'_>], asker: Asker<'_>, owned: Owned) -> Query {
    let mut sql = rows(entity, select, asker);
    let mut conditions = Conditions::new();
    if owned != Owned::OrReadable || entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    if owned != Owned::OnlyWithTrash {
        conditions.alive(&mut sql, entity);
    }
    sql.push(" ORDER BY ").name(&entity.name).push(".\"createdAt\", ").name(&entity.name).push(".id");
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

/// One row by its id, with its id and version aside.
pub fn get(entity: &Entity, id: &str, select: &[Selected<'_>], asker: Asker<'_>) -> Query {
    let mut sql = rows_and_aside(entity, select, asker);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    Query { sql, columns: output_and_aside(select) }
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
    let mut conditions = Conditions::begun();
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    sql
}
