//! Entity and request to one SQL statement each.
//!
//! Always holds: a write names the owner beside the policy that enforces it, and so does a read of an entity that only
//! owners read. The predicate is not what isolates (the policy is); it lets the planner use the owner's index and
//! statistics, whatever the policy looks like.

mod conditions;
mod reading;
mod upsert;
mod writing;

use crate::query::Selected;
use crate::{Access, Bind, Column, Entity, Read, Sql, SqlType, Standard, StoredType, Write, ddl};

pub use reading::*;
pub use upsert::*;
pub use writing::*;

/// A statement that returns rows, with what each column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The statement.
    pub sql: Sql,
    /// One for each column of a row.
    pub columns: Vec<OutputColumn>,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// JSON key; `None` for what the program needs to know of a row and no answer shows.
    pub key: Option<String>,
    /// How its bytes are read.
    pub ty: SqlType,
}

/// Whose rows a statement may touch, as far as its own text says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker<'a> {
    /// A signed-in user, by id.
    User(&'a str),
    /// Nobody.
    Anonymous,
}

impl Access {
    /// Whether reading statements name the owner: not where strangers read too.
    fn read_names_owner(&self) -> bool {
        self.read == Read::Owner
    }

    /// Whether writing statements name the owner: not where administrators write all rows.
    fn write_names_owner(&self) -> bool {
        self.write != Write::Admin
    }
}
/// `SELECT … FROM` the entity's table.
fn rows(entity: &Entity, select: &[Selected<'_>]) -> Sql {
    let mut sql = Sql::new("SELECT ");
    select_list(&mut sql, entity, select);
    sql.push(" FROM public.").name(&entity.name);
    sql
}

/// The same with what the program learns of each row.
fn rows_and_aside(entity: &Entity, select: &[Selected<'_>]) -> Sql {
    let mut sql = Sql::new("SELECT ");
    select_list(&mut sql, entity, select);
    aside(&mut sql, select);
    sql.push(" FROM public.").name(&entity.name);
    sql
}

fn output(select: &[Selected<'_>]) -> Vec<OutputColumn> {
    select
        .iter()
        .map(|item| OutputColumn { key: Some(item.key.clone()), ty: item.column.sql_type() })
        .collect()
}

/// What the program learns of each row behind what it shows: its id and its version.
const ASIDE: [SqlType; 2] = [SqlType::Text, SqlType::Int8];

/// Adds [`ASIDE`] to the list of what is selected.
fn aside(sql: &mut Sql, select: &[Selected<'_>]) {
    sql.push(if select.is_empty() { "id, " } else { ", id, " }).push(VERSION);
}

fn output_and_aside(select: &[Selected<'_>]) -> Vec<OutputColumn> {
    output(select).into_iter().chain(ASIDE.map(|ty| OutputColumn { key: None, ty })).collect()
}

/// A number that is another one after each change of the row: when it was changed, to the microsecond, and the last
/// eight bits of the transaction's number, for two that began in the same one. Not more of them: they would tell
/// everyone how busy the whole server is.
const VERSION: &str = "(COALESCE(extract(epoch FROM \"updatedAt\") * 1000000, 0)::bigint << 8) \
                       + (xmin::text::bigint & 255)";

fn select_list(sql: &mut Sql, entity: &Entity, select: &[Selected<'_>]) {
    sql.join(", ", select, |sql, item| {
        if let Column::Field(field) = item.column
            && field.kind.links().is_some()
        {
            sql.push("ARRAY(SELECT l.\"targetId\" FROM public.").name(&ddl::link_table(entity, field));
            sql.push(" l WHERE l.\"sourceId\" = public.").name(&entity.name).push(".id ORDER BY 1) AS ");
            sql.name(&field.name);
            return;
        }
        column(sql, item.column);
        if let Some(cast) = read_cast(item.column) {
            sql.push(cast).push(" AS ").name(&item.column.identifier());
        }
    });
}

/// What makes the column's value one of the type that travels.
fn read_cast(column: Column<'_>) -> Option<&'static str> {
    match column {
        // An adopted table may have `timestamp` there. On the usual type the cast is nothing, and not even planned.
        Column::Standard(Standard::CreatedAt | Standard::UpdatedAt | Standard::DeletedAt) => {
            Some("::timestamptz")
        }
        Column::Standard(Standard::Id | Standard::UserId) => None,
        Column::Field(_) => column.stored().map(StoredType::read_cast),
    }
}

fn column(sql: &mut Sql, column: Column<'_>) {
    sql.name(&column.identifier());
}

/// A value for a column, of the column's type.
fn parameter(sql: &mut Sql, column: Column<'_>, bind: &Bind) {
    sql.bind(bind.clone());
    if let Some(stored) = column.stored() {
        sql.push(if bind.array { stored.write_array_cast() } else { stored.write_cast() });
    }
}
