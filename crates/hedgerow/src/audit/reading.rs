//! Reading the trail: one's own rows, or as an administrator those of all.

use hedgerow_database::{Identity, JsonRows};
use hedgerow_schema::statement::{self, Asker};
use hedgerow_schema::{Action, Entity, ListQuery, Read, trail};

use crate::app::App;
use crate::context::Ctx;
use crate::error::Error;

/// The trail as the caller may read it: what a query is parsed for.
///
/// # Errors
/// [`Error::NotSignedIn`]; [`Error::MissingScope`] where a key lacks `audit:read`.
pub fn entity(ctx: &Ctx) -> Result<Entity, Error> {
    let user = ctx.require_user("audit", Action::Read)?;
    Ok(trail::entity(if user.is_admin { Read::SignedIn } else { Read::Owner }))
}

/// The rows of the trail that match a query; `entity` is what [`entity`] returned.
///
/// # Errors
/// [`Error`]
pub async fn list(ctx: &Ctx, app: &App, entity: &Entity, query: &ListQuery<'_>) -> Result<JsonRows, Error> {
    let user = ctx.require_user("audit", Action::Read)?;
    let identity = if user.is_admin { Identity::Admin(user.id.clone()) } else { ctx.identity() };
    let built = statement::list(entity, query, Asker::User(user.id.as_str()));
    let rows = ctx.reads(app, &identity).json(&built, query.limit as usize).await;
    rows.map_err(|error| Error::from_database("list the audit trail", entity, error))
}
