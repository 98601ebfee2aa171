//! Development data: files of `seeds/`, each run once, as a user and under the same policies as a request.

use hedgerow_schema::Roles;

use super::records::{self, Kind, New};
use super::{MigrateError, MigrationFile, failed, run};
use crate::UserId;
use crate::owner::{Owner, from_driver};
use crate::url::DatabaseUrl;

/// Runs seed files as a user, under the same policies as a request, each once and in one transaction.
///
/// `url` is the tenants' login. Returns the names of the files that were new.
///
/// # Errors
/// [`MigrateError::File`] with the line, and nothing of that file is left.
pub async fn seed(
    url: &DatabaseUrl,
    owner_url: &DatabaseUrl,
    roles: &Roles,
    user: &UserId,
    files: &[MigrationFile],
) -> Result<Vec<String>, MigrateError> {
    let owner = Owner::connect(owner_url).await.map_err(failed("connect as the owner"))?;
    let known = records::all(&owner).await.map_err(failed("read hedgerow.migrations"))?;
    let planted = |file: &&MigrationFile| {
        !known.iter().any(|record| record.kind == Kind::Seed && record.name == file.name)
    };
    let mut new = Vec::new();
    for file in files.iter().filter(planted) {
        let tenant = Owner::connect(url).await.map_err(failed("connect as the tenants' login"))?;
        let start = std::time::Instant::now();
        plant(&tenant, roles, user, file).await?;
        tenant.close().await;
        let record = New { kind: Kind::Seed, name: &file.name, text: &file.text, start };
        records::add(&owner, &record).await.map_err(failed("record a seed"))?;
        new.push(file.name.clone());
    }
    owner.close().await;
    Ok(new)
}

async fn plant(
    tenant: &Owner,
    roles: &Roles,
    user: &UserId,
    file: &MigrationFile,
) -> Result<(), MigrateError> {
    tenant.run("BEGIN").await.map_err(failed("begin"))?;
    let sql = "SELECT set_config('role', $1, true), set_config('app.user_id', $2, true)";
    let set = tenant.client.execute(sql, &[&roles.app.as_str(), &user.as_str()]).await;
    set.map_err(|source| {
        failed("take the user's identity")(from_driver("take the user's identity", source))
    })?;
    tenant.client.batch_execute(&file.text).await.map_err(|source| {
        let line = run::lines_before(&file.text, &source).map(|lines| 1 + lines);
        let path = format!("seeds/{}.sql", file.name);
        MigrateError::File { file: path, line, source: from_driver("run the file", source) }
    })?;
    tenant.run("COMMIT").await.map_err(failed("commit"))
}
