//! Rows of entities: list, get, create, change, delete.
//!
//! Always holds: each operation asks first whether the caller's credential allows it; statements run under the caller's
//! identity; a row of another tenant and a row that does not exist give the same answer.

mod cursor;
mod each;
mod reading;
mod upsert;
mod version;
mod writes;
mod writing;

use hedgerow_schema::Selected;
use hedgerow_schema::query::embedded;
use hedgerow_schema::statement::Asker;

use crate::context::{Caller, Ctx};
use crate::error::Error;

pub(crate) use cursor::CursorKey;
pub use each::update_each;
pub(crate) use reading::reader;
pub use reading::*;
pub use upsert::{Conflict, UniqueKey, Upserted, upsert};
pub use version::{Expected, OneRow};
pub use writes::{Outcome, Writes};
pub use writing::*;
pub(crate) use writing::{group_by_fields, writer};

pub(crate) fn asker(ctx: &Ctx) -> Asker<'_> {
    match ctx.caller() {
        Caller::Anonymous => Asker::Anonymous,
        Caller::User(user) => Asker::User(user.id.as_str()),
    }
}

/// Whether the caller may read all that is embedded in what is selected: each entity as if it were asked for alone.
fn embeds(ctx: &Ctx, select: &[Selected<'_>]) -> Result<(), Error> {
    embedded(select).into_iter().try_for_each(|entity| reader(ctx, entity).map(drop))
}

/// An id that PostgreSQL could not even read names no row.
pub(crate) fn possible_id(id: &str) -> Result<&str, Error> {
    if id.is_empty() || id.len() > 255 || id.contains('\0') { Err(Error::NotFound) } else { Ok(id) }
}
