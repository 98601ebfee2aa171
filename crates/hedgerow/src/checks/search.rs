//! Whether searching uses its index, which row-level security keeps it from by default.

use hedgerow_database::Error as DatabaseError;
use hedgerow_database::setup::LET_SEARCH_USE_INDEX;
use hedgerow_schema::{Entity, Schema};

use super::{Finding, Severity, ask, first};
use crate::app::App;

/// The warning that it does not, where something can be searched.
pub(super) async fn slow(app: &App, schema: &Schema) -> Result<Option<Finding>, DatabaseError> {
    let is_searched = |entity: &&Entity| entity.columns().any(|field| field.searchable);
    let Some(entity) = schema.entities().iter().find(is_searched) else { return Ok(None) };
    let sql = "SELECT proleakproof FROM pg_catalog.pg_proc \
               WHERE oid = 'pg_catalog.ts_match_vq(tsvector, tsquery)'::regprocedure";
    let rows = ask(app, sql, &[]).await?;
    let is_indexed: bool = first(&rows)?.get(0)?;
    Ok((!is_indexed).then(|| Finding {
        severity: Severity::Warning,
        code: "slow_search",
        message: format!(
            "`search=` looks at all rows of a user, of {} for example, and uses no index",
            entity.name
        ),
        remedy: format!("as a superuser, {LET_SEARCH_USE_INDEX}"),
    }))
}
