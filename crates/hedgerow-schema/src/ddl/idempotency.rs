//! What a request with an `Idempotency-Key` did, kept in the same transaction as what it wrote.
//!
//! Always holds: a row belongs to who sent the request and is read by nobody else; sign-in's role, which takes old ones away, sees
//! neither request nor answer.

use super::policy::{self, Roles};
use crate::Sql;

/// The table's name.
pub(crate) const TABLE: &str = "api_idempotency";

pub(super) fn statements(roles: &Roles) -> Vec<Sql> {
    let mut statements: Vec<Sql> = MADE.iter().copied().map(Sql::new).collect();
    statements.extend(policy::for_idempotency(roles).statements());
    statements
}

/// `request` is a hash of what was asked; `status`, `headers` and `body` are the answer, NULL until there is one.
const MADE: &[&str] = &[
    "\
CREATE TABLE public.api_idempotency (
  \"userId\" TEXT NOT NULL DEFAULT public.get_auth_user_id() REFERENCES public.\"user\" (id) ON DELETE CASCADE,
  route TEXT NOT NULL,
  key TEXT NOT NULL CHECK (key ~ '^[!-~]{1,255}$'),
  request TEXT NOT NULL,
  status BIGINT,
  headers JSONB,
  body TEXT,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (\"userId\", route, key)
)",
    "CREATE INDEX \"idx_api_idempotency_createdAt\" ON public.api_idempotency (\"createdAt\")",
];
