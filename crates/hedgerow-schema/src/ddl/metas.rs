//! The metadata of users, the metadata that all share, and the function that keeps the objects of rows' metadata.
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

/// The members of the object of the metas `m`, in order of their keys: an aggregate. Texts are made JSON, whatever another
/// program called them; a document is what was written.
macro_rules! members {
    () => {
        r#"string_agg(to_json(m."metaKey")::text || ':' || CASE WHEN m."metaNumber" IS NOT NULL
      OR m."dataType" = 'json' OR m."dataType" = 'boolean' AND m."metaValue" IN ('true', 'false')
      THEN m."metaValue" ELSE to_json(m."metaValue")::text END, ',' ORDER BY m."metaKey")"#
    };
}

/// The whole object, or where `public` holds what is public of it. The type of the column that takes it refuses what is no JSON.
macro_rules! object {
    () => {
        concat!(
            "'{' || coalesce(",
            members!(),
            "\n      FILTER (WHERE m.\"isPublic\" OR NOT public), '') || '}'"
        )
    };
}

/// The members, for the statement that gathers them.
pub(crate) const MEMBERS: &str = members!();
/// The object, for the statement that makes all.
pub(crate) const OBJECT: &str = object!();

/// What keeps the table of objects (its name is the first argument) as the metas of the trigger's table are; what is public
/// in an object of its own, where the second argument is `public`.
///
/// It runs as whoever writes the metas, so under the same policies. First the objects of the rows are locked, then
/// they are made anew by a statement that sees what others wrote until then: two who write metas of one row at the same
/// time wait for each other, and neither is forgotten. Without row-level security (migrations) the owner is named; with it
/// the column's default says the only one that the policy lets through. Who cannot write objects, or is nobody, deletes
/// metas with their rows alone (of a user who goes, of what an administrator takes away); the objects go with the rows, too.
macro_rules! keep_objects_body {
    () => {
        concat!(
            r#"
DECLARE
  objects CONSTANT text := format('public.%I', TG_ARGV[0]);
  rows CONSTANT text := CASE TG_OP
    WHEN 'UPDATE' THEN '(SELECT "userId", "entityId" FROM before UNION SELECT "userId", "entityId" FROM changed)'
    ELSE '(SELECT DISTINCT "userId", "entityId" FROM changed)' END;
  of_rows CONSTANT text := rows || ' r, ' || CASE TG_ARGV[1]
    WHEN 'public' THEN '(VALUES (false), (true)) a (public)' ELSE '(VALUES (false)) a (public)' END;
  owner CONSTANT text := CASE WHEN row_security_active(TG_RELID) THEN '' ELSE '"userId", ' END;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    -- Empty already where the rows were truncated, too.
    IF pg_relation_size(objects::regclass) > 0 THEN
      EXECUTE 'TRUNCATE ' || objects;
    END IF;
    RETURN NULL;
  END IF;
  PERFORM FROM changed LIMIT 1;
  IF NOT FOUND OR TG_OP = 'DELETE' AND (NOT has_any_column_privilege(objects, 'UPDATE')
      OR row_security_active(TG_RELID) AND public.get_auth_user_id() IS NULL) THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    EXECUTE 'SELECT FROM ' || objects || ' o WHERE (o."userId", o."entityId") IN ' || rows
      || ' ORDER BY o."userId", o."entityId", o."isPublic" FOR NO KEY UPDATE';
  ELSE
    EXECUTE 'INSERT INTO ' || objects || ' AS o (' || owner || '"entityId", "isPublic", object) SELECT ' || owner
      || '"entityId", public, ''{}'' FROM ' || of_rows || ' ORDER BY "userId", "entityId", public'
      || ' ON CONFLICT ("userId", "entityId", "isPublic") DO UPDATE SET object = o.object WHERE false';
  END IF;
  EXECUTE 'WITH made AS MATERIALIZED (SELECT r.*, public, (SELECT ' || $text$"#,
            object!(),
            r#"$text$
    || ' FROM ' || format('public.%I', TG_TABLE_NAME) || ' m WHERE m."userId" = r."userId" AND m."entityId" = r."entityId")'
    || ' AS object FROM ' || of_rows || ') UPDATE ' || objects || ' o SET object = made.object::json FROM made'
    || ' WHERE o."userId" = made."userId" AND o."entityId" = made."entityId" AND o."isPublic" = made.public'
    || ' AND o.object::text <> made.object';
  RETURN NULL;
END;
"#
        )
    };
}

/// The body of `keep_metas_objects()`, to the letter.
pub(crate) const KEEP_OBJECTS_BODY: &str = keep_objects_body!();

pub(super) const KEEP_OBJECTS: &str = concat!(
    "CREATE OR REPLACE FUNCTION public.keep_metas_objects() RETURNS trigger\n  LANGUAGE plpgsql VOLATILE SECURITY INVOKER \
     SET search_path = pg_catalog, pg_temp\nAS $$",
    keep_objects_body!(),
    "$$"
);
