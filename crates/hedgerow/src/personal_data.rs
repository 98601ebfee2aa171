//! Everything that is kept of one user: counted, written as one document, and deleted (GDPR, articles 15, 17 and 20).
//!
//! Always holds: rows of entities are read as the user, so nothing of anybody else can be among them; the document holds no
//! secret that would let its reader in: no password, token or key, nor what is kept of one; rows are written as they come,
//! so memory does not grow with them.

use std::io::Write;

use hedgerow_database::{Error as DatabaseError, Identity, Row, RowFormat};
use hedgerow_schema::query::select_all;
use hedgerow_schema::statement::{self, Asker, OutputColumn, Owned, Query};
use hedgerow_schema::{Bind, Entity, Identifier, Read, Sql, SqlType, ddl, meta, trail};
use serde_json::{Value, json};

use crate::api_keys;
use crate::app::App;
use crate::auth::store::{account, session, user};
use crate::error::Error;
use crate::export::JsonArray;
use crate::users::User;

/// How many rows of a table belong to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portion {
    /// The table.
    pub table: String,
    /// The rows, those in the trash included.
    pub rows: u64,
}

/// How many rows of which table belong to the user: those of sign-in, then metadata, then those of the entities.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count(app: &App, user: &User) -> Result<Vec<Portion>, Error> {
    let sql = r#"SELECT 'user', count(*) FROM public."user" WHERE id = $1
        UNION ALL SELECT 'account', count(*) FROM public.account WHERE "userId" = $1
        UNION ALL SELECT 'session', count(*) FROM public.session WHERE "userId" = $1
        UNION ALL SELECT 'twoFactor', count(*) FROM public."twoFactor" WHERE "userId" = $1
        UNION ALL SELECT 'api_keys', count(*) FROM public.api_keys WHERE "userId" = $1"#;
    let failed = |error| Error::without_entity("count what belongs to a user", error);
    let rows = app.database().flight(&Identity::Auth).rows(sql, &[&user.id.as_str()]).await;
    let mut portions = Vec::new();
    for row in rows.map_err(failed)? {
        portions.push(Portion { table: row.get(0).map_err(failed)?, rows: number(&row, 1).map_err(failed)? });
    }
    let identity = Identity::User(user.id.clone());
    let schema = app.schema();
    let of_entities = schema.entities().iter().flat_map(|entity| [Some(entity.name.clone()), metas(entity)]);
    for table in [meta::user_table()].into_iter().chain(of_entities.flatten()) {
        let mut sql = Sql::new("SELECT count(*) FROM public.");
        sql.name(&table).push(" WHERE \"userId\" = ").bind(Bind::text(user.id.as_str()));
        let rows = app.database().flight(&identity).with_trash().sql_rows(&sql).await.map_err(failed)?;
        let count = rows.first().map(|row| number(row, 0)).transpose().map_err(failed)?;
        portions.push(Portion { table: table.to_string(), rows: count.unwrap_or_default() });
    }
    Ok(portions)
}

/// The table of the entity's metadata, where its rows have any.
fn metas(entity: &Entity) -> Option<Identifier> {
    entity.metadata.as_ref().map(|_| ddl::metas_table(entity))
}

/// The user's metas in a table, oldest first; `of` says what each is a meta of.
fn own_metas(table: &Identifier, of: &[&'static str], user: &User) -> Query {
    const COLUMNS: &[(&str, SqlType)] = &[
        ("metaKey", SqlType::Text),
        ("metaValue", SqlType::Text),
        ("dataType", SqlType::Text),
        ("isPublic", SqlType::Bool),
        ("isSearchable", SqlType::Bool),
        ("createdAt", SqlType::Timestamptz),
        ("updatedAt", SqlType::Timestamptz),
    ];
    let columns: Vec<(&str, SqlType)> =
        of.iter().map(|name| (*name, SqlType::Text)).chain(COLUMNS.iter().copied()).collect();
    let mut sql = Sql::new("SELECT ");
    sql.join(", ", &columns, |sql, (name, _)| {
        sql.push("\"").push(name).push("\"");
    });
    sql.push(" FROM public.").name(table);
    sql.push(" WHERE \"userId\" = ").bind(Bind::text(user.id.as_str()));
    sql.push(" ORDER BY \"createdAt\", \"metaKey\"");
    let columns = columns.into_iter().map(|(name, ty)| OutputColumn { key: Some(name.to_owned()), ty });
    Query { sql, columns: columns.collect() }
}

fn number(row: &Row, at: usize) -> Result<u64, DatabaseError> {
    Ok(u64::try_from(row.get::<i64>(at)?).unwrap_or_default())
}

/// Writes everything that is kept of the user as one JSON document, and returns how many rows of entities there were.
///
/// # Errors
/// [`Error`]; what was written until then stays written.
pub async fn export(app: &App, user: &User, out: &mut (dyn Write + Send)) -> Result<u64, Error> {
    let written = |source| Error::without_entity("write the export", DatabaseError::Output(source));
    let accounts: Vec<Value> = account::list(app, &user.id).await?.iter().map(account_document).collect();
    let sessions: Vec<Value> = session::list(app, &user.id).await?.iter().map(session_document).collect();
    let keys: Vec<Value> =
        api_keys::list(app, Some(&user.id)).await?.iter().map(api_keys::ApiKey::to_json).collect();
    let head = [
        ("exportedAt", json!(app.world().now_in_millis().to_string())),
        ("user", user_document(user)),
        ("accounts", Value::Array(accounts)),
        ("sessions", Value::Array(sessions)),
        ("apiKeys", Value::Array(keys)),
    ];
    out.write_all(b"{\n").map_err(written)?;
    for (name, value) in head {
        writeln!(out, "\"{name}\": {value:#},").map_err(written)?;
    }
    let identity = Identity::User(user.id.clone());
    let exported = |error| Error::without_entity("export metadata", error);
    out.write_all(b"\"metas\": ").map_err(written)?;
    let mut array = JsonArray::new(out);
    let query = own_metas(&meta::user_table(), &[], user);
    let count = app.database().flight(&identity).write_rows(&query, RowFormat::Ndjson, &mut array).await;
    count.map_err(exported)?;
    array.finish().map_err(written)?;
    out.write_all(b",\n\"rows\": {").map_err(written)?;
    let (mut rows, mut comma) = (0, "");
    for entity in app.schema().entities() {
        write!(out, "{comma}\n\"{}\": ", entity.name).map_err(written)?;
        comma = ",";
        let query = statement::export(
            entity,
            &select_all(entity),
            Asker::User(user.id.as_str()),
            Owned::OnlyWithTrash,
        );
        let mut array = JsonArray::new(out);
        let flight = app.database().flight(&identity).with_trash();
        let count = flight.write_rows(&query, RowFormat::Ndjson, &mut array).await;
        rows += count.map_err(|error| Error::from_database("export rows", entity, error))?;
        array.finish().map_err(written)?;
        let Some(table) = metas(entity) else { continue };
        write!(out, ",\n\"{table}\": ").map_err(written)?;
        let query = own_metas(&table, &["entityId"], user);
        let mut array = JsonArray::new(out);
        let count = app.database().flight(&identity).write_rows(&query, RowFormat::Ndjson, &mut array).await;
        count.map_err(exported)?;
        array.finish().map_err(written)?;
    }
    // Their requests, as the audit trail has them; the rows stay when the user goes, without the name.
    out.write_all(b"},\n\"requests\": ").map_err(written)?;
    let trail = trail::schema(Read::Owner);
    for entity in trail.entities() {
        let own = Asker::User(user.id.as_str());
        let query = statement::export(entity, &select_all(entity), own, Owned::Only);
        let mut array = JsonArray::new(out);
        let count = app.database().flight(&identity).write_rows(&query, RowFormat::Ndjson, &mut array).await;
        count.map_err(|error| Error::from_database("export requests", entity, error))?;
        array.finish().map_err(written)?;
    }
    out.write_all(b"}\n").map_err(written)?;
    out.flush().map_err(written)?;
    Ok(rows)
}

/// Deletes the user with everything that is theirs, at once.
///
/// # Errors
/// [`Error::Conflict`] where rows of others need the user to be there, [`Error::NotFound`] where there is none.
pub async fn erase(app: &App, user: &User) -> Result<(), Error> {
    if !user::delete(app, &user.id).await? {
        return Err(Error::NotFound);
    }
    tracing::info!(user = %user.id, "a user was erased by the operator");
    Ok(())
}

fn user_document(user: &User) -> Value {
    let mut document = json!({
        "id": user.id.as_str(), "email": user.email, "name": user.name, "emailVerified": user.email_verified,
        "image": user.image, "role": user.role, "banned": user.banned, "banReason": user.ban_reason,
        "banExpires": user.ban_expires.map(|end| end.to_string()), "createdAt": user.created_at.to_string(),
        "updatedAt": user.updated_at.to_string(),
    });
    for (name, value) in &user.extra {
        document[name] = value.clone();
    }
    document
}

fn account_document(account: &account::Account) -> Value {
    json!({
        "id": account.id, "providerId": account.provider_id, "accountId": account.account_id,
        "scope": account.scope, "createdAt": account.created_at.to_string(),
        "updatedAt": account.updated_at.to_string(),
    })
}

fn session_document(session: &session::Session) -> Value {
    json!({
        "id": session.id, "ipAddress": session.ip_address, "userAgent": session.user_agent,
        "impersonatedBy": session.impersonated_by, "createdAt": session.created_at.to_string(),
        "updatedAt": session.updated_at.to_string(), "expiresAt": session.expires_at.to_string(),
    })
}
