//! Reading the trail: one's own rows, or as an administrator those of all.

use std::sync::Arc;

use hedgerow_database::Identity;
use hedgerow_schema::{Action, Entity, Read, Schema, trail};

use crate::context::Ctx;
use crate::error::Error;

/// The trail as the caller may read it, as a schema of one entity ([`trail::NAME`]): it is listed by [`crate::records::list`],
/// with the filters, orders and pages of entities.
///
/// # Errors
/// [`Error::NotSignedIn`]; [`Error::MissingScope`] where a key lacks `audit:read`.
pub fn schema(ctx: &Ctx) -> Result<Arc<Schema>, Error> {
    let user = ctx.require_user("audit", Action::Read)?;
    Ok(Arc::new(trail::schema(if user.is_admin { Read::SignedIn } else { Read::Owner })))
}

/// Who reads, where the entity is the trail.
pub(crate) fn reader(ctx: &Ctx, entity: &Entity) -> Option<Result<Identity, Error>> {
    (entity.name.as_str() == trail::NAME).then(|| {
        let user = ctx.require_user("audit", Action::Read)?;
        Ok(if user.is_admin { Identity::Admin(user.id.clone()) } else { ctx.identity() })
    })
}
