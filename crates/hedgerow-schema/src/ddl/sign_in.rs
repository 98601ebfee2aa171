//! What sign-in keeps: the tables of Better Auth, with its names and types, so that it can work beside Hedgerow.
//!
//! Always holds: what stands there already stays as it is. An adopted database, or one on which a Node server made these
//! tables, gets the columns, indexes and protection that it lacks, and nothing else.

use crate::policy::{self, Roles};
use crate::{Identifier, Sql};

/// The tables that only sign-in uses.
pub const TABLES: &[&str] = &["session", "account", "verification", "jwks", "twoFactor"];

/// Their names as SQL writes them.
pub(crate) fn tables() -> impl Iterator<Item = Identifier> {
    TABLES.iter().map(|name| Identifier::joined(&[name]))
}

pub(super) fn statements(roles: &Roles) -> Vec<Sql> {
    let mut statements: Vec<Sql> = MADE.iter().copied().map(Sql::new).collect();
    for table in tables() {
        statements.extend(policy::for_sign_in(&table, roles).statements_again(roles));
    }
    statements
}

/// Said before the index is built, whose own refusal names one of them only. Rows are named by their ids: an account's
/// name elsewhere may be an address.
const SINGLE_IDENTITIES: &str = "\
DO $$
DECLARE doubled text;
BEGIN
  SELECT string_agg(ids, '; ') INTO doubled FROM (
    SELECT string_agg(id, ', ' ORDER BY \"createdAt\", id) AS ids FROM public.account
    GROUP BY \"providerId\", \"accountId\" HAVING count(*) > 1 ORDER BY 1 LIMIT 20) twins;
  IF doubled IS NOT NULL THEN
    RAISE EXCEPTION 'rows of account say the same identity (\"providerId\", \"accountId\"): %', doubled
      USING HINT = 'One identity belongs to one user: keep one row of each group, oldest first, and migrate again.';
  END IF;
END $$";

const MADE: &[&str] = &[
    "\
ALTER TABLE public.\"user\"
  ADD COLUMN IF NOT EXISTS \"twoFactorEnabled\" BOOLEAN,
  ADD COLUMN IF NOT EXISTS username TEXT,
  ADD COLUMN IF NOT EXISTS \"displayUsername\" TEXT",
    "CREATE UNIQUE INDEX IF NOT EXISTS user_username_key ON public.\"user\" (username)",
    "\
CREATE TABLE IF NOT EXISTS public.session (
  id TEXT PRIMARY KEY,
  \"expiresAt\" TIMESTAMPTZ NOT NULL,
  token TEXT NOT NULL UNIQUE,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"updatedAt\" TIMESTAMPTZ NOT NULL,
  \"ipAddress\" TEXT,
  \"userAgent\" TEXT,
  \"userId\" TEXT NOT NULL REFERENCES public.\"user\" (id) ON DELETE CASCADE,
  \"impersonatedBy\" TEXT
)",
    // Of earlier making, or without the admin plugin.
    "\
ALTER TABLE public.session
  ADD COLUMN IF NOT EXISTS \"updatedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  ADD COLUMN IF NOT EXISTS \"ipAddress\" TEXT,
  ADD COLUMN IF NOT EXISTS \"userAgent\" TEXT,
  ADD COLUMN IF NOT EXISTS \"impersonatedBy\" TEXT",
    "CREATE INDEX IF NOT EXISTS \"session_userId_idx\" ON public.session (\"userId\")",
    "CREATE INDEX IF NOT EXISTS \"session_expiresAt_idx\" ON public.session (\"expiresAt\")",
    "\
CREATE TABLE IF NOT EXISTS public.account (
  id TEXT PRIMARY KEY,
  \"accountId\" TEXT NOT NULL,
  \"providerId\" TEXT NOT NULL,
  \"userId\" TEXT NOT NULL REFERENCES public.\"user\" (id) ON DELETE CASCADE,
  \"accessToken\" TEXT,
  \"refreshToken\" TEXT,
  \"idToken\" TEXT,
  \"accessTokenExpiresAt\" TIMESTAMPTZ,
  \"refreshTokenExpiresAt\" TIMESTAMPTZ,
  scope TEXT,
  password TEXT,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"updatedAt\" TIMESTAMPTZ NOT NULL
)",
    "CREATE INDEX IF NOT EXISTS \"account_userId_idx\" ON public.account (\"userId\")",
    SINGLE_IDENTITIES,
    "\
CREATE UNIQUE INDEX IF NOT EXISTS \"account_providerId_accountId_key\"
  ON public.account (\"providerId\", \"accountId\")",
    "\
CREATE TABLE IF NOT EXISTS public.verification (
  id TEXT PRIMARY KEY,
  identifier TEXT NOT NULL,
  value TEXT NOT NULL,
  \"expiresAt\" TIMESTAMPTZ NOT NULL,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  \"updatedAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
)",
    "CREATE INDEX IF NOT EXISTS verification_identifier_idx ON public.verification (identifier)",
    "CREATE INDEX IF NOT EXISTS \"verification_expiresAt_idx\" ON public.verification (\"expiresAt\")",
    "\
CREATE TABLE IF NOT EXISTS public.jwks (
  id TEXT PRIMARY KEY,
  \"publicKey\" TEXT NOT NULL,
  \"privateKey\" TEXT NOT NULL,
  \"createdAt\" TIMESTAMPTZ NOT NULL,
  \"expiresAt\" TIMESTAMPTZ,
  alg TEXT,
  crv TEXT
)",
    "ALTER TABLE public.jwks ADD COLUMN IF NOT EXISTS \"expiresAt\" TIMESTAMPTZ, \
     ADD COLUMN IF NOT EXISTS alg TEXT, ADD COLUMN IF NOT EXISTS crv TEXT",
    // lastUsedStep is Hedgerow's own: a code that was used once is not accepted again.
    "\
CREATE TABLE IF NOT EXISTS public.\"twoFactor\" (
  id TEXT PRIMARY KEY,
  secret TEXT NOT NULL,
  \"backupCodes\" TEXT NOT NULL,
  \"userId\" TEXT NOT NULL REFERENCES public.\"user\" (id) ON DELETE CASCADE,
  verified BOOLEAN,
  \"failedVerificationCount\" INTEGER,
  \"lockedUntil\" TIMESTAMPTZ,
  \"lastUsedStep\" BIGINT
)",
    "\
ALTER TABLE public.\"twoFactor\"
  ADD COLUMN IF NOT EXISTS verified BOOLEAN,
  ADD COLUMN IF NOT EXISTS \"failedVerificationCount\" INTEGER,
  ADD COLUMN IF NOT EXISTS \"lockedUntil\" TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS \"lastUsedStep\" BIGINT",
    "CREATE INDEX IF NOT EXISTS \"twoFactor_secret_idx\" ON public.\"twoFactor\" (secret)",
    "CREATE INDEX IF NOT EXISTS \"twoFactor_userId_idx\" ON public.\"twoFactor\" (\"userId\")",
];
