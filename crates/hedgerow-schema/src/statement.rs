//! Entity and request to one SQL statement each.
//!
//! Always holds: a write names the owner beside the policy that enforces it, and so does a read of an entity that only
//! owners read. The predicate is not what isolates (the policy is); it lets the planner use the owner's index and
//! statistics, whatever the policy looks like.

mod conditions;
mod operand;
mod place;
mod reading;
mod related;
mod selected;
mod writing;

use crate::query::Selected;
use crate::{Access, Entity, Read, Sql, SqlType, Write};

use operand::{column, parameter};
use place::Place;
use selected::{output, select_list};

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
    let mut sql = Sql::new("SELECT ");
    select_list(&mut sql, Place::own(entity, asker), select);
    sql.push(" FROM public.").name(&entity.name);
    sql
}
