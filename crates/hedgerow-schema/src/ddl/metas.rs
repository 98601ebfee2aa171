//! The metadata of users, and the metadata that all share.
//!
//! Always holds: a table that somebody made before has the columns of the schema this product implements, and keeps its rows; what
//! it lacks is added (`baseline`), and here the table is new.

use super::policy::{self, Roles};
use super::updated_at_trigger;
use crate::model::metas::{NUMBER, rules};
use crate::{Sql, meta};

pub(super) fn statements(roles: &Roles) -> Vec<Sql> {
    let mut statements = vec![Sql::new(USER_METAS), Sql::new(GLOBAL_METAS)];
    for table in [meta::user_table(), meta::global_table()] {
        let altered = |text| {
            let mut sql = Sql::new("ALTER TABLE public.");
            sql.name(&table).push(text);
            sql
        };
        let mut number = altered("\n  ADD COLUMN \"metaNumber\" DOUBLE PRECISION GENERATED ALWAYS AS (");
        number.push(NUMBER).push(") STORED");
        statements.push(number);
        for (name, rule) in rules(table.as_str()) {
            let mut sql = altered("\n  ADD CONSTRAINT ");
            sql.name(&name).push(" CHECK (").append(&rule).push(")");
            statements.push(sql);
        }
        statements.push(updated_at_trigger(&table));
    }
    statements.extend(policy::for_user_metas(roles).statements());
    statements.extend(policy::for_global_metas(roles).statements());
    statements
}

const USER_METAS: &str = "\
CREATE TABLE public.user_metas (
  id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
  \"userId\" TEXT NOT NULL DEFAULT public.get_auth_user_id() REFERENCES public.\"user\" (id) ON DELETE CASCADE,
  \"metaKey\" TEXT NOT NULL,
  \"metaValue\" TEXT NOT NULL,
  \"dataType\" TEXT NOT NULL DEFAULT 'text',
  \"isPublic\" BOOLEAN NOT NULL DEFAULT false,
  \"isSearchable\" BOOLEAN NOT NULL DEFAULT false,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"updatedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (\"userId\", \"metaKey\")
)";

const GLOBAL_METAS: &str = "\
CREATE TABLE public.global_metas (
  \"metaKey\" TEXT PRIMARY KEY,
  \"metaValue\" TEXT NOT NULL,
  \"dataType\" TEXT NOT NULL DEFAULT 'text',
  \"isPublic\" BOOLEAN NOT NULL DEFAULT false,
  \"isSearchable\" BOOLEAN NOT NULL DEFAULT false,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"updatedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
)";
