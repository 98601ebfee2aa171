//! What API keys got later: where they may be used from, what became of them, how much they are used.
//!
//! Always holds: a table that has these columns already keeps them as they are.

use crate::Sql;
use crate::policy::{self, Roles};

/// `allowedIps` are addresses and networks, NULL is everywhere. `replacedBy` names the key that came in this one's place; it is
/// no foreign key, because that one may be gone.
const ADDED: &str = "\
ALTER TABLE public.api_keys
  ADD COLUMN IF NOT EXISTS \"allowedIps\" TEXT[],
  ADD COLUMN IF NOT EXISTS \"replacedBy\" TEXT,
  ADD COLUMN IF NOT EXISTS \"requestCount\" BIGINT NOT NULL DEFAULT 0";

pub(super) fn statements(roles: &Roles) -> Vec<Sql> {
    std::iter::once(Sql::new(ADDED)).chain(policy::later_key_rights(roles)).collect()
}
