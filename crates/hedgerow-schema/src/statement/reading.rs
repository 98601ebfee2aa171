//! Statements that read rows.

use super::conditions::{Conditions, search_column, search_query};
use super::operand::value;
use super::place::Place;
use super::{Asker, Query, column, output, output_and_aside, rows, rows_and_aside};
use crate::query::{Item, ListQuery, Order, Selected};
use crate::{Bind, Column, Entity, Sql, SqlType};

/// The rows of a list, at most `query.limit + 1`: one row more tells that there is a next page.
pub fn list(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>) -> Query {
    let mut sql = rows(entity, &query.select, asker);
    let mut conditions = Conditions::new();
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    ordered(sql, conditions, Place::own(entity, asker), query)
}

/// The deleted rows that `asker` may restore, as [`list`].
pub fn trash(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>) -> Query {
    let mut sql = rows(entity, &query.select, asker);
    let mut conditions = Conditions::new();
    if entity.access.write_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.deleted(&mut sql);
    ordered(sql, conditions, Place::own(entity, asker), query)
}

fn ordered(mut sql: Sql, mut conditions: Conditions, place: Place<'_>, query: &ListQuery<'_>) -> Query {
    conditions.filters(&mut sql, place, &query.filters);
    page(&mut sql, place, query, u64::from(query.limit) + 1);
    Query { sql, columns: output(&query.select) }
}

/// GROUP BY, ORDER BY, LIMIT and OFFSET.
pub(super) fn page(sql: &mut Sql, place: Place<'_>, query: &ListQuery<'_>, limit: u64) {
    if query.is_grouped() && !query.order.is_empty() {
        sql.push(" GROUP BY ");
        if place.is_inside() {
            // What is selected is one column there; all that it is made of are keys of the order.
            sql.join(", ", &query.order, |sql, key| by_own(sql, place, key));
        } else {
            let values = query.select.iter().enumerate();
            let values = values.filter(|(_, item)| matches!(item.item, Item::Value(..)));
            sql.join(", ", values, |sql, (at, _)| {
                sql.number(at as u64 + 1);
            });
        }
    }
    let mut separator = " ORDER BY ";
    if let Some(words) = &query.best_first {
        sql.push(separator).push("ts_rank(");
        search_column(sql, place);
        sql.push(", ");
        search_query(sql, words);
        sql.push(") DESC");
        separator = ", ";
    }
    for key in &query.order {
        sql.push(separator);
        separator = ", ";
        if query.is_grouped() {
            group(sql, place, query, key);
        } else {
            by(sql, place, key);
        }
        sql.push(if key.descending { " DESC" } else { "" });
        match key.nulls_first {
            Some(true) => sql.push(" NULLS FIRST"),
            Some(false) => sql.push(" NULLS LAST"),
            None => sql,
        };
    }
    sql.push(" LIMIT ").number(limit);
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
