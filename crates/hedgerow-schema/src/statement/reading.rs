//! Statements that read rows.

use super::conditions::Conditions;
use super::{Asker, Query, column, output, output_and_aside, read_cast, rows, rows_and_aside};
use crate::query::{ListQuery, Selected};
use crate::{Bind, Column, Entity, Sql, SqlType};

/// The rows of a list, at most `query.limit + 1`: one row more tells that there is a next page.
pub fn list(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>) -> Query {
    let mut sql = rows(entity, &query.select);
    let mut conditions = Conditions::new();
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    ordered(sql, conditions, entity, query)
}

/// The deleted rows that `asker` may restore, as [`list`].
pub fn trash(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>) -> Query {
    let mut sql = rows(entity, &query.select);
    let mut conditions = Conditions::new();
    if entity.access.write_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.deleted(&mut sql);
    ordered(sql, conditions, entity, query)
}

fn ordered(mut sql: Sql, mut conditions: Conditions, entity: &Entity, query: &ListQuery<'_>) -> Query {
    conditions.filters(&mut sql, &query.filters);
    sql.push(" ORDER BY ");
    sql.join(", ", &query.order, |sql, key| {
        // With the table where the selected value is another than the column's: its name would win here.
        if read_cast(key.column).is_some() {
            sql.name(&entity.name).push(".");
        }
        column(sql, key.column);
        sql.push(if key.descending { " DESC" } else { "" });
        match key.nulls_first {
            Some(true) => sql.push(" NULLS FIRST"),
            Some(false) => sql.push(" NULLS LAST"),
            None => sql,
        };
    });
    sql.push(" LIMIT ").number(u64::from(query.limit) + 1);
    if query.offset > 0 {
        sql.push(" OFFSET ").bind(Bind::new(SqlType::Int8, Some(query.offset.to_string())));
    }
    Query { sql, columns: output(&query.select) }
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

/// One row by its id, with its id and version aside.
pub fn get(entity: &Entity, id: &str, select: &[Selected<'_>], asker: Asker<'_>) -> Query {
    let mut sql = rows_and_aside(entity, select);
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
    let mut conditions = Conditions { any: true };
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    sql
}
