//! Whether a session still stands, for the flights of those whom it speaks for.
//!
//! Always holds: no role of requests reads the table of sessions; they may ask for one of their own, by its id and by the versions of
//! the rows that were read when it was looked up, and are told no more than that it stands.

use crate::policy::{self, Roles};
use crate::{Identifier, Sql};

/// The statements of the set; they may be run again.
pub(super) fn statements(roles: &Roles) -> Vec<Sql> {
    let mut statements = policy::for_sessions(roles).statements_again(roles);
    statements.extend(function(roles));
    statements
}

/// The function and who may call it.
pub(super) fn function(roles: &Roles) -> [Sql; 3] {
    let mut rights = Sql::new("GRANT EXECUTE ON FUNCTION hedgerow.session_stands TO ");
    rights.join(", ", [&roles.app, &roles.admin], |sql, role: &Identifier| {
        sql.name(role);
    });
    [Sql::new(FUNCTION), Sql::new("REVOKE ALL ON FUNCTION hedgerow.session_stands FROM PUBLIC"), rights]
}

/// What undoes it beside schema `public`.
pub(super) const WAY_BACK: &str = "DROP FUNCTION hedgerow.session_stands";

/// 1 where the session is the asker's, has not ended, and neither its row nor its user's was changed since; else 0.
///
/// Every change of a row gives it another `xmin`: a session that is prolonged or taken over, a user who is banned or gets another
/// role. FORCE binds the function's owner too, who sees what the identity sees.
macro_rules! body {
    () => {
        r#"
BEGIN
  RETURN (SELECT count(*) FROM public.session s JOIN public."user" u ON u.id = s."userId"
    WHERE s.id = $1 AND s."userId" = public.get_auth_user_id() AND s.xmin::text = $2 AND u.xmin::text = $3
      AND s."expiresAt"::timestamptz > now());
END;
"#
    };
}

/// The body of `hedgerow.session_stands`: whoever put another one in its place decides which sessions never end.
pub(super) const BODY: &str = body!();

const FUNCTION: &str = concat!(
    "CREATE OR REPLACE FUNCTION hedgerow.session_stands(text, text, text) RETURNS bigint\n  LANGUAGE plpgsql STABLE \
     SECURITY DEFINER SET search_path = pg_catalog, pg_temp\nAS $$",
    body!(),
    "$$"
);
