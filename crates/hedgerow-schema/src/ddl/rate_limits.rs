//! The counters of rate limits, where instances share them through the database.
//!
//! Always holds: sign-in's role alone reaches them, by grant and by policy; they say nothing about anybody (keys are digests) and
//! nothing that has to outlive a crash, so the table is not logged.

use crate::Sql;
use crate::policy::Roles;

pub(super) fn statements(roles: &Roles) -> Vec<Sql> {
    let mut policy = Sql::new(
        "CREATE POLICY hedgerow_auth_alone ON hedgerow.rate_limits\n  USING ((SELECT current_user) = ",
    );
    policy.literal(roles.auth.as_str()).push(")");
    let mut usage = Sql::new("GRANT USAGE ON SCHEMA hedgerow TO ");
    usage.name(&roles.auth);
    let mut rights = Sql::new("GRANT SELECT, INSERT, UPDATE, DELETE ON hedgerow.rate_limits TO ");
    rights.name(&roles.auth);
    let forced = [
        "ALTER TABLE hedgerow.rate_limits ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE hedgerow.rate_limits FORCE ROW LEVEL SECURITY",
    ];
    let mut statements = vec![Sql::new(TABLE)];
    statements.extend(forced.map(Sql::new));
    statements.extend([policy, usage, rights]);
    statements
}

/// What undoes the set.
pub(super) const WAY_BACK: &str = "DROP TABLE hedgerow.rate_limits";

/// Times are microseconds since 1970 of the server's clock. Pages have room, so that a counter's new version stays on its page.
const TABLE: &str = "\
CREATE UNLOGGED TABLE hedgerow.rate_limits (
  key UUID PRIMARY KEY,
  seen BIGINT NOT NULL,
  step BIGINT NOT NULL,
  quota INTEGER NOT NULL,
  wanted INTEGER NOT NULL,
  granted INTEGER NOT NULL,
  \"fullAt\" BIGINT NOT NULL
) WITH (fillfactor = 50)";
