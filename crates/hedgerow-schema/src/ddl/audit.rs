//! The audit trail: one row for each request of the API, appended by functions of fixed meaning and changed by nobody.
//!
//! Always holds: a row's user is the identity of its transaction, never what somebody says; no role of requests may insert,
//! change or delete a row; what stands there already stays, and a table of others' making is not divided into weeks.

use crate::policy::{self, Roles};
use crate::{Identifier, Sql};

/// The trail.
pub const TABLE: &str = "api_audit_logs";

/// Makes weeks ahead, and lets go of those that are older than the retention it is given.
pub const KEEP: &str = "hedgerow.keep_audit(interval)";

/// All statements of the set; they may be run again.
pub(super) fn statements(roles: &Roles) -> Vec<Sql> {
    let mut statements: Vec<Sql> = MADE.iter().copied().map(Sql::new).collect();
    statements.extend(policy::for_audit(roles).statements_again(roles));
    statements.push(Sql::new(WRITE_FUNCTION));
    statements.push(Sql::new(KEEP_FUNCTION));
    for function in ["hedgerow.write_audit", "hedgerow.keep_audit"] {
        let mut revoke = Sql::new("REVOKE ALL ON FUNCTION ");
        revoke.push(function).push(" FROM PUBLIC");
        statements.push(revoke);
    }
    let to = |text: &'static str, roles: &[&Identifier]| {
        let mut sql = Sql::new(text);
        sql.join(", ", roles, |sql, role| {
            sql.name(role);
        });
        sql
    };
    statements.push(to("GRANT USAGE ON SCHEMA hedgerow TO ", &roles.all()));
    statements.push(to("GRANT EXECUTE ON FUNCTION hedgerow.write_audit TO ", &[&roles.app, &roles.admin]));
    statements.push(to("GRANT EXECUTE ON FUNCTION hedgerow.keep_audit TO ", &[&roles.admin]));
    statements.push(to("GRANT SELECT, INSERT ON TABLE hedgerow.audit_seals TO ", &[&roles.admin]));
    // Nothing is let go of here: whose history it is decides when the server starts.
    statements.push(Sql::new("DO $$ BEGIN PERFORM hedgerow.keep_audit(NULL); END $$"));
    statements
}

/// What undoes the set beside schema `public`.
pub(super) const WAY_BACK: &[&str] = &[
    "DROP FUNCTION hedgerow.write_audit",
    "DROP FUNCTION hedgerow.keep_audit",
    "DROP TABLE hedgerow.audit_seals",
];
/// What undoes it where the table is Hedgerow's.
pub(super) const TABLE_WAY_BACK: &str = "DROP TABLE public.api_audit_logs";

/// The columns have the names and types of the schema that this product implements. The last three are Hedgerow's: keyed
/// pseudonyms of user and key, which stay when these are deleted, and the number of the transaction that wrote the row, by
/// which rows are sealed.
const MADE: &[&str] = &[
    "\
CREATE TABLE IF NOT EXISTS public.api_audit_logs (
  id TEXT NOT NULL DEFAULT gen_random_uuid()::text,
  \"apiKeyId\" TEXT REFERENCES public.api_keys (id) ON DELETE SET NULL,
  \"userId\" TEXT REFERENCES public.\"user\" (id) ON DELETE SET NULL,
  endpoint TEXT NOT NULL,
  method TEXT NOT NULL,
  \"statusCode\" INTEGER NOT NULL,
  \"responseTime\" INTEGER,
  \"ipAddress\" TEXT,
  \"userAgent\" TEXT,
  \"createdAt\" TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (\"createdAt\", id)
) PARTITION BY RANGE (\"createdAt\")",
    "\
ALTER TABLE public.api_audit_logs
  ADD COLUMN IF NOT EXISTS \"userMark\" TEXT,
  ADD COLUMN IF NOT EXISTS \"keyMark\" TEXT,
  ADD COLUMN IF NOT EXISTS \"writtenBy\" BIGINT",
    "\
CREATE INDEX IF NOT EXISTS \"idx_api_audit_logs_userId_createdAt_id\"
  ON public.api_audit_logs (\"userId\", \"createdAt\", id)",
    "CREATE INDEX IF NOT EXISTS \"idx_api_audit_logs_apiKeyId\" ON public.api_audit_logs (\"apiKeyId\")",
    // Rows are written in the order of this number, so a few bytes for each range of pages are enough.
    "\
CREATE INDEX IF NOT EXISTS \"idx_api_audit_logs_writtenBy\"
  ON public.api_audit_logs USING brin (\"writtenBy\") WITH (pages_per_range = 16)",
    "\
CREATE TABLE IF NOT EXISTS hedgerow.audit_seals (
  id BIGINT PRIMARY KEY,
  week DATE NOT NULL,
  \"from\" BIGINT NOT NULL,
  \"to\" BIGINT NOT NULL,
  leaves TEXT[] NOT NULL,
  content TEXT NOT NULL,
  chain TEXT NOT NULL,
  signature TEXT NOT NULL,
  \"sealedAt\" TIMESTAMPTZ NOT NULL
)",
    "REVOKE ALL ON TABLE hedgerow.audit_seals FROM PUBLIC",
];

/// The body of `hedgerow.write_audit`, to the letter.
///
/// The user is the identity. A key is believed when it is that user's. The time is the program's, so that the same row
/// written twice is one row, and is believed within a day. FORCE binds the function's owner too, so a body that said another
/// user would be refused by the policy.
macro_rules! write_body {
    () => {
        r#"
BEGIN
  INSERT INTO public.api_audit_logs (id, "createdAt", "apiKeyId", "userId", endpoint, method, "statusCode",
    "responseTime", "ipAddress", "userAgent", "userMark", "keyMark", "writtenBy")
  VALUES ($1, least(greatest($2, now() - interval '1 day'), now() + interval '1 day'),
    (SELECT k.id FROM public.api_keys k WHERE k.id = $3 AND k."userId" = public.get_auth_user_id()),
    public.get_auth_user_id(), $4, $5, $6, $7 + (extract(epoch FROM clock_timestamp() - now()) * 1000)::integer,
    $8, $9, $10, $11, pg_current_xact_id()::text::bigint)
  ON CONFLICT DO NOTHING;
  RETURN true;
END;
"#
    };
}

/// The body of `hedgerow.write_audit`: whoever put another one in its place decides what the trail says.
pub(super) const WRITE_BODY: &str = write_body!();

const WRITE_FUNCTION: &str = concat!(
    "CREATE OR REPLACE FUNCTION hedgerow.write_audit(text, timestamptz, text, text, text, integer, integer, text, text, \
     text, text) RETURNS boolean\n  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp\n\
     AS $$",
    write_body!(),
    "$$"
);

/// Weeks begin on Mondays, in UTC. A week that ended before the retention did goes as a whole.
macro_rules! keep_body {
    () => {
        r#"
DECLARE
  this_week CONSTANT date := date_trunc('week', now() AT TIME ZONE 'UTC')::date;
  first_kept CONSTANT date := date_trunc('week', (now() - greatest($1, interval '1 day')) AT TIME ZONE 'UTC')::date;
  is_divided boolean;
  week date;
  part text;
  command text;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7521983310476228913) THEN
    RETURN;
  END IF;
  SELECT relkind = 'p' INTO STRICT is_divided FROM pg_class WHERE oid = 'public.api_audit_logs'::regclass;
  IF is_divided THEN
    FOREACH week IN ARRAY ARRAY[this_week - 7, this_week, this_week + 7, this_week + 14] LOOP
      part := to_char(week, '"api_audit_logs_"YYYY_MM_DD');
      CONTINUE WHEN to_regclass('hedgerow.' || part) IS NOT NULL OR ($1 IS NOT NULL AND week < first_kept);
      EXECUTE format('CREATE TABLE hedgerow.%I PARTITION OF public.api_audit_logs FOR VALUES FROM (%L) TO (%L)',
        part, week || ' 00:00:00+00', (week + 7) || ' 00:00:00+00');
      EXECUTE format('REVOKE ALL ON TABLE hedgerow.%I FROM PUBLIC', part);
      EXECUTE format('ALTER TABLE hedgerow.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part);
      FOREACH command IN ARRAY ARRAY['SELECT', 'UPDATE', 'DELETE'] LOOP
        EXECUTE format('CREATE POLICY %I ON hedgerow.%I AS RESTRICTIVE FOR %s TO PUBLIC USING (false)',
          'hedgerow_floor_' || lower(command), part, command);
      END LOOP;
      EXECUTE format('CREATE POLICY hedgerow_floor_insert ON hedgerow.%I AS RESTRICTIVE FOR INSERT TO PUBLIC '
        'WITH CHECK (false)', part);
    END LOOP;
  END IF;
  IF $1 IS NULL THEN
    RETURN;
  END IF;
  IF is_divided THEN
    FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.api_audit_logs'::regclass AND c.relnamespace = 'hedgerow'::regnamespace
          AND c.relname ~ '^api_audit_logs_[0-9]{4}_[0-9]{2}_[0-9]{2}$'
          AND to_date(right(c.relname, 10), 'YYYY_MM_DD') < first_kept LOOP
      EXECUTE format('DROP TABLE hedgerow.%I', part);
    END LOOP;
  ELSE
    ALTER TABLE public.api_audit_logs NO FORCE ROW LEVEL SECURITY;
    DELETE FROM public.api_audit_logs WHERE ctid IN (SELECT ctid FROM public.api_audit_logs
      WHERE "createdAt" < first_kept ORDER BY "createdAt" LIMIT 5000);
    ALTER TABLE public.api_audit_logs FORCE ROW LEVEL SECURITY;
  END IF;
  DELETE FROM hedgerow.audit_seals s
    WHERE s.id < (SELECT min(o.id) FROM hedgerow.audit_seals o WHERE o.week >= first_kept);
END;
"#
    };
}

const KEEP_FUNCTION: &str = concat!(
    "CREATE OR REPLACE FUNCTION hedgerow.keep_audit(interval) RETURNS void\n  LANGUAGE plpgsql VOLATILE SECURITY DEFINER \
     SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'\nAS $$",
    keep_body!(),
    "$$"
);

/// The body of `hedgerow.keep_audit`.
pub(super) const KEEP_BODY: &str = keep_body!();
