//! The statements that make tables: Hedgerow's own, and one for each entity.
//!
//! Always holds: a table comes into being together with its protection (`policy.rs`), in one transaction.

use crate::policy::{self, Roles};
pub use crate::rules::check_names;
use crate::{
    Entity, Field, FieldDefault, FieldKind, Identifier, Index, OnDelete, Read, Schema, Sql, StoredType, rules,
};

/// A numbered set of Hedgerow's own tables and functions. Sets are only ever added, never edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreMigration {
    /// Such as `0001_users_and_keys`.
    pub name: &'static str,
    /// In order.
    pub statements: Vec<Sql>,
}

/// Hedgerow's own tables and functions, oldest first.
pub fn core(roles: &Roles) -> Vec<CoreMigration> {
    let mut statements = vec![
        Sql::new(IDENTITY_FUNCTION),
        Sql::new(UPDATED_AT_FUNCTION),
        Sql::new(USER_TABLE),
        updated_at_trigger(&Identifier::joined(&["user"])),
        Sql::new(API_KEYS_TABLE),
        Sql::new(API_KEYS_USER_INDEX),
        Sql::new(API_KEYS_PREFIX_INDEX),
        updated_at_trigger(&Identifier::joined(&["api_keys"])),
    ];
    let mut usage = Sql::new("GRANT USAGE ON SCHEMA public TO ");
    usage.join(", ", roles.all(), |sql, role| {
        sql.name(role);
    });
    statements.push(usage);
    statements.extend(policy::for_users(roles).statements());
    statements.extend(policy::for_api_keys(roles).statements());
    vec![CoreMigration { name: "0001_users_and_keys", statements }]
}

/// The identity of the request. The body is bound when the function is made, so no search path can change its
/// meaning; NULL when the setting is unset and when it is empty, which it is on a connection that served before.
const IDENTITY_FUNCTION: &str = "\
CREATE FUNCTION public.get_auth_user_id() RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN NULLIF(pg_catalog.current_setting('app.user_id', true), '')";

const UPDATED_AT_FUNCTION: &str = "\
CREATE FUNCTION public.update_updated_at_column() RETURNS trigger
  LANGUAGE plpgsql
AS $$
BEGIN
  NEW.\"updatedAt\" = CURRENT_TIMESTAMP;
  RETURN NEW;
END;
$$";

const USER_TABLE: &str = "\
CREATE TABLE public.\"user\" (
  id TEXT PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,64}$'),
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  \"emailVerified\" BOOLEAN NOT NULL DEFAULT false,
  image TEXT,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"updatedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  role TEXT NOT NULL DEFAULT 'member',
  banned BOOLEAN NOT NULL DEFAULT false,
  \"banReason\" TEXT,
  \"banExpires\" TIMESTAMPTZ
)";

/// `key` is the SHA-256 of the key in hexadecimal; the check keeps a key itself from ever standing there.
const API_KEYS_TABLE: &str = "\
CREATE TABLE public.api_keys (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  \"userId\" TEXT NOT NULL DEFAULT public.get_auth_user_id() REFERENCES public.\"user\" (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  key TEXT NOT NULL UNIQUE CHECK (key ~ '^[0-9a-f]{64}$'),
  prefix TEXT NOT NULL,
  scopes TEXT[] NOT NULL DEFAULT '{}',
  \"lastUsed\" TIMESTAMPTZ,
  \"expiresAt\" TIMESTAMPTZ,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"updatedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  revoked BOOLEAN NOT NULL DEFAULT false
)";
const API_KEYS_USER_INDEX: &str =
    "CREATE INDEX \"idx_api_keys_userId_createdAt_id\" ON public.api_keys (\"userId\", \"createdAt\", id)";
const API_KEYS_PREFIX_INDEX: &str = "CREATE INDEX idx_api_keys_prefix ON public.api_keys (prefix)";

/// The statements that make an entity's table with indexes, trigger and protection, without its foreign keys to
/// other entities: those come when all tables are there ([`relations`]).
pub fn create_entity(entity: &Entity, roles: &Roles) -> Vec<Sql> {
    let mut statements = vec![table(entity)];
    statements.extend(indexes(entity));
    statements.push(updated_at_trigger(&entity.name));
    statements.extend(policy::for_entity(entity, roles).statements());
    statements
}

fn table(entity: &Entity) -> Sql {
    let mut sql = Sql::new("CREATE TABLE public.");
    sql.name(&entity.name)
        .push(" (\n  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,\n  \"userId\" TEXT NOT NULL");
    sql.push(" DEFAULT public.get_auth_user_id() REFERENCES public.\"user\" (id) ON DELETE CASCADE");
    for field in &entity.fields {
        sql.push(",\n  ").name(&field.name).push(" ").column_type(field);
        if field.required {
            sql.push(" NOT NULL");
        }
        match &field.default {
            Some(FieldDefault::Now) if matches!(field.kind, FieldKind::Date(_)) => {
                sql.push(" DEFAULT CURRENT_DATE");
            }
            Some(FieldDefault::Now) if field.sql_type == Some(StoredType::Timestamp) => {
                sql.push(" DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'UTC')");
            }
            Some(FieldDefault::Now) => {
                sql.push(" DEFAULT CURRENT_TIMESTAMP");
            }
            Some(FieldDefault::Value(bind)) => {
                sql.push(" DEFAULT ").literal(bind.value.as_deref().unwrap_or_default());
            }
            None => {}
        }
    }
    sql.push(",\n  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP");
    sql.push(",\n  \"updatedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP");
    for field in &entity.fields {
        for (name, expression) in rules::checks(entity, field) {
            sql.push(",\n  CONSTRAINT ").name(&name).push(" CHECK (").append(&expression).push(")");
        }
        if field.unique {
            sql.push(",\n  CONSTRAINT ").name(&unique_name(entity, field));
            sql.push(" UNIQUE (\"userId\", ").name(&field.name).push(")");
        }
    }
    sql.push("\n)");
    sql
}

/// The constraint that keeps a field unique within its owner.
pub fn unique_name(entity: &Entity, field: &Field) -> Identifier {
    Identifier::joined(&[entity.name.as_str(), "userId", field.name.as_str(), "key"])
}

/// The foreign key of a relation.
pub fn foreign_key_name(entity: &Entity, field: &Field) -> Identifier {
    Identifier::joined(&[entity.name.as_str(), field.name.as_str(), "fkey"])
}

fn indexes(entity: &Entity) -> Vec<Sql> {
    let mut all: Vec<Vec<&str>> = vec![vec!["userId", "createdAt", "id"]];
    let read_by_others = entity.access.read != Read::Owner;
    if read_by_others {
        // Strangers list without an owner, newest first.
        all.push(vec!["createdAt", "id"]);
    }
    for field in entity.fields.iter().filter(|field| field.indexed) {
        let name = field.name.as_str();
        all.push(if read_by_others { vec![name, "id"] } else { vec!["userId", name, "id"] });
    }
    let mut statements = Vec::new();
    for index in &entity.indexes {
        let columns = index_columns(entity, index);
        if index.unique {
            let name: Vec<&str> = [&[entity.name.as_str()], columns.as_slice(), &["key"]].concat();
            statements.push(index_as(Sql::new("CREATE UNIQUE INDEX "), &name, &entity.name, &columns));
        } else if !all.contains(&columns) {
            all.push(columns);
        }
    }
    all.iter().map(|columns| index(&entity.name, columns)).chain(statements).collect()
}

/// The columns of an index that the file asks for: led by the owner, by whom rows are read and are unique.
fn index_columns<'e>(entity: &Entity, index: &'e Index) -> Vec<&'e str> {
    let own: Vec<&str> = index.fields.iter().map(Identifier::as_str).collect();
    let needs_owner = (index.unique || entity.access.read == Read::Owner) && !own.contains(&"userId");
    if needs_owner { [&["userId"], own.as_slice()].concat() } else { own }
}

fn index(table: &Identifier, columns: &[&str]) -> Sql {
    let name: Vec<&str> = ["idx", table.as_str()].into_iter().chain(columns.iter().copied()).collect();
    index_as(Sql::new("CREATE INDEX "), &name, table, columns)
}

fn index_as(mut sql: Sql, name: &[&str], table: &Identifier, columns: &[&str]) -> Sql {
    sql.name(&Identifier::joined(name)).push(" ON public.").name(table).push(" (");
    sql.join(", ", columns, |sql, column| {
        sql.name(&Identifier::joined(&[column]));
    });
    sql.push(")");
    sql
}

fn updated_at_trigger(table: &Identifier) -> Sql {
    let mut sql = Sql::new("CREATE TRIGGER ");
    sql.name(&Identifier::joined(&["update", table.as_str(), "updated_at"]));
    sql.push("\n  BEFORE UPDATE ON public.").name(table);
    sql.push("\n  FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column()");
    sql
}

/// The foreign keys of an entity to others, each with the index that serves it.
///
/// A relation stays within its owner: the key is ("userId", field), so it cannot point at another tenant's row. Only
/// reference data (readable by others, written by admins) is pointed at by the id alone.
pub fn relations(entity: &Entity, schema: &Schema) -> Vec<Sql> {
    let mut statements = Vec::new();
    for (field, relation) in entity.relations() {
        let target = &relation.entity;
        let shared = schema.entity(target.as_str()).is_some_and(|target| target.access.is_shared());
        if !shared {
            let mut unique = Sql::new("CREATE UNIQUE INDEX IF NOT EXISTS ");
            unique.name(&Identifier::joined(&[target.as_str(), "userId", "id", "key"]));
            unique.push(" ON public.").name(target).push(" (\"userId\", id)");
            statements.push(unique);
        }
        let mut sql = Sql::new("ALTER TABLE public.");
        sql.name(&entity.name).push("\n  ADD CONSTRAINT ").name(&foreign_key_name(entity, field));
        sql.push(" FOREIGN KEY (").push(if shared { "" } else { "\"userId\", " }).name(&field.name);
        sql.push(") REFERENCES public.").name(target).push(if shared {
            " (id)"
        } else {
            " (\"userId\", id)"
        });
        on_delete(&mut sql, field, relation.on_delete);
        statements.push(sql);
        let name = field.name.as_str();
        // Led by what the parent's check asks for: the pair within an owner, the id alone for reference data.
        let columns = if shared { [name, "userId"] } else { ["userId", name] };
        statements.extend(index_unless_asked_for(entity, &columns));
    }
    for field in &entity.fields {
        let FieldKind::User(deleted) = field.kind else { continue };
        let mut sql = Sql::new("ALTER TABLE public.");
        sql.name(&entity.name).push("\n  ADD CONSTRAINT ").name(&foreign_key_name(entity, field));
        sql.push(" FOREIGN KEY (").name(&field.name).push(") REFERENCES public.\"user\" (id)");
        on_delete(&mut sql, field, deleted);
        statements.push(sql);
        statements.extend(index_unless_asked_for(entity, &[field.name.as_str(), "userId"]));
    }
    statements
}

fn index_unless_asked_for(entity: &Entity, columns: &[&str]) -> Option<Sql> {
    let asked = entity.indexes.iter().any(|own| !own.unique && index_columns(entity, own) == columns);
    (!asked).then(|| index(&entity.name, columns))
}

fn on_delete(sql: &mut Sql, field: &Field, what: OnDelete) {
    match what {
        OnDelete::Cascade => sql.push(" ON DELETE CASCADE"),
        // The column is named, or the owner would become NULL too.
        OnDelete::SetNull => sql.push(" ON DELETE SET NULL (").name(&field.name).push(")"),
        // NO ACTION refuses as RESTRICT does, but at the end of the statement: so a user can still be deleted with all
        // rows, in whatever order the cascade meets them.
        OnDelete::Restrict => sql.push(" ON DELETE NO ACTION"),
    };
}
