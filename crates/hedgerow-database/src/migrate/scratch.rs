//! A database that is made for a moment: what migration files make of nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use hedgerow_schema::Roles;
use hedgerow_schema::diff::quote;

use super::{DataLoss, Look, MigrateError, MigrationFile, apply, failed, look};
use crate::owner::Owner;
use crate::url::DatabaseUrl;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Runs all files in a new database beside `url`'s, looks at what they make, and drops it again.
///
/// `url` is a login that may create databases, on a server that has the roles.
///
/// # Errors
/// [`MigrateError`]
pub async fn replay(url: &DatabaseUrl, roles: &Roles, files: &[MigrationFile]) -> Result<Look, MigrateError> {
    let name = format!("hedgerow_scratch_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let beside = Owner::connect(url).await.map_err(failed("connect as the owner"))?;
    let made = beside.run(&format!("CREATE DATABASE {} TEMPLATE template0", quote(&name))).await;
    let outcome = match made.map_err(failed("make a scratch database")) {
        Ok(()) => {
            let scratch = url.with_database(&name);
            let applied = apply(&scratch, roles, files, DataLoss::Allow, |_| {}).await;
            let seen = match applied {
                Ok(_) => look(&scratch).await,
                Err(error) => Err(error),
            };
            let dropped = beside.run(&format!("DROP DATABASE {} WITH (FORCE)", quote(&name))).await;
            dropped.map_err(failed("drop the scratch database")).and(seen)
        }
        Err(error) => Err(error),
    };
    beside.close().await;
    outcome
}
