//! Entity and request to one SQL statement each.
//!
//! Always holds: a write names the owner beside the policy that enforces it, and so does a read of an entity that only
//! owners read. The predicate is not what isolates (the policy is); it lets the planner use the owner's index and
//! statistics, whatever the policy looks like.

mod conditions;
mod keyset;
pub mod metas;
mod operand;
mod place;
mod reading;
mod related;
mod selected;
mod upsert;
mod writing;

use crate::query::Selected;
use crate::{Access, Column, Entity, Read, Sql, SqlType, Write};

use operand::{column, parameter, read_cast};
use place::Place;
use selected::{output, position, select_list};

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
fn rows(entity: &Entity, select: &[Selected<'_>], asker: Asker<'_>) -> Sql {
    rows_with(entity, select, &[], asker)
}

/// The same with columns that the answer does not show. Their names are ones that no field has: an ORDER BY would mean
/// them instead of the table's columns.
fn rows_with(entity: &Entity, select: &[Selected<'_>], hidden: &[Column<'_>], asker: Asker<'_>) -> Sql {
    let place = Place::own(entity, asker);
    let mut sql = Sql::new("SELECT ");
    select_list(&mut sql, place, select);
    for (at, &one) in hidden.iter().enumerate() {
        sql.push(if at == 0 && output(select).is_empty() { "" } else { ", " });
        place.full_column(&mut sql, one);
        sql.push(read_cast(one).unwrap_or_default()).push(" AS \"key ").number(at as u64).push("\"");
    }
    sql.push(" FROM public.").name(&entity.name);
    sql
}

/// The same with what the program learns of each row.
fn rows_and_aside(entity: &Entity, select: &[Selected<'_>], asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("SELECT ");
    select_list(&mut sql, Place::own(entity, asker), select);
    aside(&mut sql, select);
    sql.push(" FROM public.").name(&entity.name);
    sql
}

/// What the program learns of each row behind what it shows: its id and its version.
const ASIDE: [SqlType; 2] = [SqlType::Text, SqlType::Int8];

/// Adds [`ASIDE`] to the list of what is selected.
fn aside(sql: &mut Sql, select: &[Selected<'_>]) {
    sql.push(if output(select).is_empty() { "id, " } else { ", id, " }).push(VERSION);
}

fn output_and_aside(select: &[Selected<'_>]) -> Vec<OutputColumn> {
    output(select).into_iter().chain(ASIDE.map(|ty| OutputColumn { key: None, ty })).collect()
}

/// A number that is another one after each change of the row: when it was changed, to the microsecond, and the last
/// eight bits of the transaction's number, for two that began in the same one. Not more of them: they would tell
/// everyone how busy the whole server is.
const VERSION: &str = "(COALESCE(extract(epoch FROM \"updatedAt\") * 1000000, 0)::bigint << 8) \
                       + (xmin::text::bigint & 255)";
