//! Hedgerow's own tables and functions, as numbered sets of statements, and the names of what belongs to an entity.
//!
//! Always holds: a table comes into being together with its protection (`policy.rs`), in one transaction.

pub mod audit;
pub(crate) mod idempotency;
mod keys;
pub(crate) mod metas;
mod rate_limits;
mod sessions;
pub(crate) mod sign_in;

use crate::policy::{self, Roles};
use crate::{Entity, Field, Identifier, Sql};

pub use sign_in::TABLES as SIGN_IN_TABLES;

/// A numbered set of Hedgerow's own tables and functions. Sets are only ever added, never edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreMigration {
    /// Such as `0001_users_and_keys`.
    pub name: &'static str,
    /// In order.
    pub statements: Vec<Sql>,
}

const AUDIT: &str = "0003_audit";
const RATE_LIMITS: &str = "0006_rate_limits";
const SESSIONS: &str = "0008_sessions";

/// A function in schema `hedgerow` that runs as its owner.
#[derive(Clone, Copy, Debug)]
pub struct Definer {
    /// Its name.
    pub name: &'static str,
    /// Its body, to the letter.
    pub body: &'static str,
    /// The set that makes it.
    pub set: &'static str,
    /// What may say anything where it is another one.
    pub vouches_for: &'static str,
    /// Whether requests of users call it.
    pub is_for_users: bool,
}

/// All of them.
pub const DEFINERS: &[Definer] = &[
    Definer {
        name: "write_audit",
        body: audit::WRITE_BODY,
        set: AUDIT,
        vouches_for: "the audit trail",
        is_for_users: true,
    },
    Definer {
        name: "keep_audit",
        body: audit::KEEP_BODY,
        set: AUDIT,
        vouches_for: "the audit trail",
        is_for_users: false,
    },
    Definer {
        name: "session_stands",
        body: sessions::BODY,
        set: SESSIONS,
        vouches_for: "sessions",
        is_for_users: true,
    },
];

/// What of a set a plan between two catalogs cannot make (tables in parts, what stands in schema `hedgerow`), as the set's
/// statements, and the way back. `kept` are the tables that were there before.
pub(crate) fn beside_plans(set: &str, roles: &Roles, kept: &[&str]) -> Option<(Vec<Sql>, Vec<Sql>)> {
    if set == RATE_LIMITS {
        return Some((rate_limits::statements(roles), vec![Sql::new(rate_limits::WAY_BACK)]));
    }
    if set == SESSIONS {
        return Some((sessions::function(roles).into(), vec![Sql::new(sessions::WAY_BACK)]));
    }
    if set != AUDIT {
        return None;
    }
    let mut back: Vec<Sql> = audit::WAY_BACK.iter().copied().map(Sql::new).collect();
    if !kept.contains(&audit::TABLE) {
        back.push(Sql::new(audit::TABLE_WAY_BACK));
    }
    Some((audit::statements(roles), back))
}

/// The tables that such sets make.
pub(crate) const BESIDE_PLANS: &[&str] = &[audit::TABLE];

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
    statements.extend(policy::for_first_api_keys(roles).statements());
    vec![
        CoreMigration { name: "0001_users_and_keys", statements },
        CoreMigration { name: "0002_sign_in", statements: sign_in::statements(roles) },
        CoreMigration { name: AUDIT, statements: audit::statements(roles) },
        CoreMigration { name: "0004_keys", statements: keys::statements(roles) },
        CoreMigration { name: "0005_idempotency", statements: idempotency::statements(roles) },
        CoreMigration { name: RATE_LIMITS, statements: rate_limits::statements(roles) },
        CoreMigration { name: "0007_metas", statements: metas::statements(roles) },
        CoreMigration { name: SESSIONS, statements: sessions::statements(roles) },
    ]
}

/// The identity of the request. The body is bound when the function is made, so no search path can change its
/// meaning; NULL when the setting is unset and when it is empty, which it is on a connection that served before.
const IDENTITY_FUNCTION: &str = "\
CREATE OR REPLACE FUNCTION public.get_auth_user_id() RETURNS text
  LANGUAGE sql STABLE SECURITY INVOKER PARALLEL SAFE
  RETURN NULLIF(pg_catalog.current_setting('app.user_id', true), '')";

/// The body of `update_updated_at_column()`, to the letter.
pub const UPDATED_AT_BODY: &str = "
BEGIN
  NEW.\"updatedAt\" = CURRENT_TIMESTAMP;
  RETURN NEW;
END;
";

const UPDATED_AT_FUNCTION: &str = "\
CREATE OR REPLACE FUNCTION public.update_updated_at_column() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY INVOKER
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

/// The constraint that keeps a field unique within its owner.
pub fn unique_name(entity: &Entity, field: &Field) -> Identifier {
    Identifier::joined(&[entity.name.as_str(), "userId", field.name.as_str(), "key"])
}

/// The foreign key of a relation.
pub fn foreign_key_name(entity: &Entity, field: &Field) -> Identifier {
    Identifier::joined(&[entity.name.as_str(), field.name.as_str(), "fkey"])
}

/// The table of a `relation_many` field.
pub fn link_table(entity: &Entity, field: &Field) -> Identifier {
    Identifier::joined(&[entity.name.as_str(), field.name.as_str()])
}

/// The table of the metadata of an entity's rows.
pub fn metas_table(entity: &Entity) -> Identifier {
    Identifier::joined(&[entity.name.as_str(), "metas"])
}

/// The table of what all metadata of a row says, as one JSON object.
pub fn objects_table(entity: &Entity) -> Identifier {
    Identifier::joined(&[entity.name.as_str(), "metas", "objects"])
}

/// What the names of constraints end in that Hedgerow makes for a field: `<table>_<field>_<rule>`.
pub(crate) fn constraint_rules() -> impl Iterator<Item = &'static str> {
    crate::rules::RULES.iter().copied().chain(["fkey"])
}

/// The field whose rule a constraint or unique index of the entity's is, by its name.
pub fn field_of<'e>(entity: &'e Entity, constraint: &str) -> Option<&'e Field> {
    entity.fields.iter().find(|field| {
        unique_name(entity, field).as_str() == constraint
            || constraint_rules().any(|rule| {
                Identifier::joined(&[entity.name.as_str(), field.name.as_str(), rule]).as_str() == constraint
            })
    })
}

fn updated_at_trigger(table: &Identifier) -> Sql {
    let mut sql = Sql::new("CREATE TRIGGER ");
    sql.name(&Identifier::joined(&["update", table.as_str(), "updated_at"]));
    sql.push("\n  BEFORE UPDATE ON public.").name(table);
    sql.push("\n  FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column()");
    sql
}

/// The statement that makes one of Hedgerow's own functions, or puts it back.
pub fn own_function(name: &str) -> Option<String> {
    let text = match name {
        "get_auth_user_id()" => IDENTITY_FUNCTION.to_owned(),
        "update_updated_at_column()" => UPDATED_AT_FUNCTION.to_owned(),
        _ => return None,
    };
    Some(text)
}
