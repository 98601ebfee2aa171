//! The statements that make tables: Hedgerow's own, and one for each entity.
//!
//! Always holds: a table comes into being together with its protection (`policy.rs`), in one transaction.

use crate::policy::{self, Roles};
use crate::{Entity, Field, FieldDefault, FieldKind, Identifier, OnDelete, Read, Schema, Sql};

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
        sql.push(",\n  ").name(&field.name).push(" ");
        column_type(&mut sql, &field.kind);
        if field.required {
            sql.push(" NOT NULL");
        }
        match &field.default {
            Some(FieldDefault::Now) if field.kind == FieldKind::Date => {
                sql.push(" DEFAULT CURRENT_DATE");
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
        checks(&mut sql, entity, field);
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

/// The constraints that check a field's values, whichever of them the field has.
pub fn check_names(entity: &Entity, field: &Field) -> impl Iterator<Item = Identifier> {
    CHECK_RULES.iter().map(|rule| Identifier::joined(&[entity.name.as_str(), field.name.as_str(), rule]))
}

const CHECK_RULES: &[&str] = &["min_length", "max_length", "min", "max", "options"];

fn column_type(sql: &mut Sql, kind: &FieldKind) {
    sql.push(kind.sql_type().name());
    if let FieldKind::Number(rules) = kind
        && let Some(precision) = rules.precision
    {
        sql.push("(").number(precision.into()).push(", ").number(rules.scale.unwrap_or(0).into()).push(")");
    }
}

fn checks(sql: &mut Sql, entity: &Entity, field: &Field) {
    let mut check = |rule: &'static str, write: &dyn Fn(&mut Sql)| {
        debug_assert!(CHECK_RULES.contains(&rule), "{rule} is no known rule");
        let name = Identifier::joined(&[entity.name.as_str(), field.name.as_str(), rule]);
        sql.push(",\n  CONSTRAINT ").name(&name).push(" CHECK (");
        write(sql);
        sql.push(")");
    };
    if let Some(rules) = field.kind.text_rules() {
        let length = |sql: &mut Sql, operator, limit: u32| {
            sql.push("char_length(").name(&field.name).push(")").push(operator).number(limit.into());
        };
        if let Some(min) = rules.min_length {
            check("min_length", &|sql| length(sql, " >= ", min));
        }
        if let Some(max) = rules.max_length {
            check("max_length", &|sql| length(sql, " <= ", max));
        }
    }
    let (min, max) = match &field.kind {
        FieldKind::Integer { min, max } => (min.map(|n| n.to_string()), max.map(|n| n.to_string())),
        FieldKind::Number(rules) => {
            let text =
                |limit: &Option<crate::Decimal>| limit.as_ref().map(|number| number.as_str().to_owned());
            (text(&rules.min), text(&rules.max))
        }
        _ => (None, None),
    };
    let bound = |sql: &mut Sql, operator, limit: &str| {
        sql.name(&field.name).push(operator).literal(limit).push("::").push(field.kind.sql_type().name());
    };
    if let Some(min) = &min {
        check("min", &|sql| bound(sql, " >= ", min));
    }
    if let Some(max) = &max {
        check("max", &|sql| bound(sql, " <= ", max));
    }
    if let FieldKind::Select { options } = &field.kind {
        check("options", &|sql| {
            sql.name(&field.name).push(" IN (");
            sql.join(", ", options, |sql, option| {
                sql.literal(option);
            });
            sql.push(")");
        });
    }
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
    all.iter().map(|columns| index(&entity.name, columns)).collect()
}

fn index(table: &Identifier, columns: &[&str]) -> Sql {
    let name: Vec<&str> = ["idx", table.as_str()].into_iter().chain(columns.iter().copied()).collect();
    let mut sql = Sql::new("CREATE INDEX ");
    sql.name(&Identifier::joined(&name)).push(" ON public.").name(table).push(" (");
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
        match relation.on_delete {
            OnDelete::Cascade => {
                sql.push(" ON DELETE CASCADE");
            }
            // The column is named, or the owner would become NULL too.
            OnDelete::SetNull => {
                sql.push(" ON DELETE SET NULL (").name(&field.name).push(")");
            }
            // NO ACTION refuses as RESTRICT does, but at the end of the statement: so a user can still be deleted
            // with all rows, in whatever order the cascade meets them.
            OnDelete::Restrict => {
                sql.push(" ON DELETE NO ACTION");
            }
        }
        statements.push(sql);
        let name = field.name.as_str();
        // Led by what the parent's check asks for: the pair within an owner, the id alone for reference data.
        statements.push(index(&entity.name, &(if shared { [name, "userId"] } else { ["userId", name] })));
    }
    statements
}
