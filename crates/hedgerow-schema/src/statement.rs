//! Entity and request to one SQL statement each.
//!
//! Always holds: a write names the owner beside the policy that enforces it, and so does a read of an entity that only
//! owners read. The predicate is not what isolates (the policy is); it lets the planner use the owner's index and
//! statistics, whatever the policy looks like.

mod conditions;
mod keyset;
mod operand;
mod place;
mod reading;
mod related;
mod selected;
mod writing;

use crate::query::Selected;
use crate::{Access, Column, Entity, Read, Sql, SqlType, Write};

use operand::{column, parameter, read_cast};
use place::Place;
use selected::{output, position, select_list};

pub use reading::*;
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
    /// JSON key.
    pub key: String,
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
