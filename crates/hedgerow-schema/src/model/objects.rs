//! What all metadata of a row says, kept once more as a JSON object: the table, and the function that keeps it.
//!
//! Always holds: the function runs as whoever writes the metas, so under the same policies. First the objects of the rows are
//! locked, then they are made anew by a statement that sees what others wrote until then: of two who write metas of one row
//! at once, neither is forgotten.

use super::{column, hangs_on, in_order, index, protect};
use crate::catalog::{self, Function, Index, Table, Trigger};
use crate::diff::on;
use crate::expression::Expression;
use crate::{Entity, Identifier, Read, Roles, ddl, policy};

/// The members of the object of the metas `m`, in order of their keys: an aggregate. Texts are made JSON, whatever another
/// program called them; a document is what was written.
macro_rules! members {
    () => {
        r#"string_agg(to_json(m."metaKey")::text || ':' || CASE WHEN m."metaNumber" IS NOT NULL
      OR m."dataType" = 'json' OR m."dataType" = 'boolean' AND m."metaValue" IN ('true', 'false')
      THEN m."metaValue" ELSE to_json(m."metaValue")::text END, ',' ORDER BY m."metaKey")"#
    };
}

/// The same, for the statement that gathers them.
pub(crate) const MEMBERS: &str = members!();

/// The whole object, or where `public` holds what is public of it. The type of the column that takes it refuses what is no JSON.
const OBJECT: &str = concat!(
    "'{' || coalesce(",
    members!(),
    "\n      FILTER (WHERE m.\"isPublic\" OR NOT public), '') || '}'"
);

/// A row whose values have more bytes keeps no object, and its metas are gathered: every write of a meta writes the whole
/// object, which is cheap as long as it is small.
const MAX_BYTES: u32 = 65_536;

/// One object, or two where others read the rows.
fn audiences(is_shared: bool) -> &'static str {
    if is_shared { "(VALUES (false), (true)) a (public)" } else { "(VALUES (false)) a (public)" }
}

fn is_shared(entity: &Entity) -> bool {
    entity.access.read != Read::Owner
}

/// The table: for each row one object that says all, and where others read rows one that says what is public; NULL where
/// that would be large.
pub(super) fn table(entity: &Entity, roles: &Roles, owner: &str) -> Table {
    let name = ddl::objects_table(entity);
    let name = name.as_str();
    let named = |parts: &[&str]| Identifier::joined(&[&[name], parts].concat()).to_string();
    let columns = [
        ("userId", column("text", true, Some(Expression::read("public.get_auth_user_id()")))),
        ("entityId", column("text", true, None)),
        ("isPublic", column("boolean", true, None)),
        ("object", column("json", false, None)),
    ];
    let mut table = Table {
        owner: owner.to_owned(),
        comment: Some(catalog::DERIVED.to_owned()),
        columns: in_order(columns),
        ..Table::default()
    };
    let keys = ["userId", "entityId", "isPublic"];
    let primary = Index { primary: true, comment: None, ..index(&keys, true) };
    table.indexes.insert(named(&["pkey"]), primary);
    // A list looks up one for each row, and a hash costs half of what a tree does.
    let by_row = Index { method: "hash".into(), ..index(&["entityId"], false) };
    table.indexes.insert(Identifier::joined(&["idx", name, "entityId"]).to_string(), by_row);
    table.constraints.insert(named(&["entityId", "fkey"]), hangs_on("entityId", entity.name.as_str(), false));
    protect(&mut table, &policy::for_objects(entity, roles));
    table
}

fn function_name(objects: &Identifier) -> Identifier {
    Identifier::joined(&["keep", objects.as_str()])
}

/// The triggers of the metas. PostgreSQL lets a trigger that is told which rows were written be about one command. The
/// arguments say to migrations what the function is about.
pub(super) fn triggers(entity: &Entity) -> impl Iterator<Item = (String, Trigger)> {
    let (metas, objects) = (ddl::metas_table(entity), ddl::objects_table(entity));
    let function = function_name(&objects);
    let audience = if is_shared(entity) { ", 'public'" } else { "" };
    let told = [
        ("INSERT", "REFERENCING NEW TABLE AS changed "),
        ("UPDATE", "REFERENCING OLD TABLE AS before NEW TABLE AS changed "),
        ("DELETE", "REFERENCING OLD TABLE AS changed "),
        ("TRUNCATE", ""),
    ];
    told.into_iter().map(move |(command, tables)| {
        let name = Identifier::joined(&["keep", objects.as_str(), &command.to_lowercase()]);
        let definition = format!(
            "AFTER {command} ON {metas} {tables}FOR EACH STATEMENT EXECUTE FUNCTION {function}('{objects}'{audience})"
        );
        (name.to_string(), Trigger { definition, enabled: "O".into() })
    })
}

/// The table of objects that a trigger keeps, and whether others read some.
fn kept_by(definition: &str) -> Option<(&str, bool)> {
    let (function, arguments) = definition.split_once("EXECUTE FUNCTION ")?.1.split_once('(')?;
    let objects = arguments.split('\'').nth(1)?;
    let is_its = Identifier::parse(objects).is_ok_and(|objects| function_name(&objects).as_str() == function);
    is_its.then_some((objects, arguments.contains("'public'")))
}

/// Whether a trigger is one of [`triggers`], of whatever entity.
pub(super) fn is_keeping(trigger: &Trigger) -> bool {
    kept_by(&trigger.definition).is_some()
}

/// The statements, for one transaction behind the trigger's own, that make all objects of the table `metas` anew. Others
/// read the old ones meanwhile, and write metas: of a row that somebody writes after the first statement, theirs is right.
pub(crate) fn filling(metas: &str, definition: &str) -> Option<[String; 2]> {
    let (objects, is_shared) = kept_by(definition)?;
    let (objects, metas, audiences) = (on(objects), on(metas), audiences(is_shared));
    Some([
        format!("DELETE FROM {objects}"),
        format!(
            "INSERT INTO {objects} (\"userId\", \"entityId\", \"isPublic\", object)\n  \
             SELECT m.\"userId\", m.\"entityId\", public,\n    \
             CASE WHEN sum(octet_length(m.\"metaValue\")) <= {MAX_BYTES} THEN ({OBJECT})::json END\n  \
             FROM {metas} m, {audiences}\n  GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING"
        ),
    ])
}

/// What such a function's body begins with: it is known by that.
const MARK: &str = "\n-- hedgerow objects\n";

/// Whether a function keeps objects, of whatever entity.
pub(crate) fn is_keeper(function: &Function) -> bool {
    function.body.starts_with(MARK)
}

/// The function that keeps the objects of one entity, by name. One for all would have to plan its statements anew each time,
/// and so would this one if PostgreSQL looked how many rows there are: planning costs more than the statements.
///
/// Without row-level security (migrations) the owner is named; with it the column's default says the only one that the policy
/// lets through. Who cannot write objects, or is nobody, deletes metas with their rows alone (of a user who goes, of what an
/// administrator takes away); the objects go with the rows, too.
pub(super) fn function(entity: &Entity, owner: &str) -> (String, Function) {
    let objects = ddl::objects_table(entity);
    let (table, metas) = (on(objects.as_str()), on(ddl::metas_table(entity).as_str()));
    let rows = format!("unnest(owners, ids) r (\"userId\", \"entityId\"), {}", audiences(is_shared(entity)));
    let add = |owner: &str| {
        format!(
            "INSERT INTO {table} AS o ({owner}\"entityId\", \"isPublic\", object)
      SELECT {owner}\"entityId\", public, '{{}}' FROM {rows} ORDER BY \"userId\", \"entityId\", public
      ON CONFLICT (\"userId\", \"entityId\", \"isPublic\") DO UPDATE SET object = o.object WHERE false;"
        )
    };
    let (add_own, add_named) = (add(""), add("\"userId\", "));
    let of_row =
        format!("FROM {metas} m WHERE m.\"userId\" = r.\"userId\" AND m.\"entityId\" = r.\"entityId\"");
    let body = format!(
        "{MARK}DECLARE
  owners text[];
  ids text[];
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    -- Empty already where the rows were truncated, too.
    IF pg_relation_size('{table}'::regclass) > 0 THEN
      TRUNCATE {table};
    END IF;
    RETURN NULL;
  ELSIF TG_OP = 'UPDATE' THEN
    SELECT array_agg(\"userId\"), array_agg(\"entityId\") INTO owners, ids
      FROM (SELECT \"userId\", \"entityId\" FROM before UNION SELECT \"userId\", \"entityId\" FROM changed) r;
  ELSE
    SELECT array_agg(\"userId\"), array_agg(\"entityId\") INTO owners, ids
      FROM (SELECT DISTINCT \"userId\", \"entityId\" FROM changed) r;
  END IF;
  IF ids IS NULL OR TG_OP = 'DELETE' AND (NOT has_any_column_privilege('{table}', 'UPDATE')
      OR row_security_active(TG_RELID) AND public.get_auth_user_id() IS NULL) THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    PERFORM FROM {table} o WHERE (o.\"userId\", o.\"entityId\") IN (SELECT * FROM unnest(owners, ids))
      ORDER BY o.\"userId\", o.\"entityId\", o.\"isPublic\" FOR NO KEY UPDATE;
  ELSIF row_security_active(TG_RELID) THEN
    {add_own}
  ELSE
    {add_named}
  END IF;
  WITH made AS MATERIALIZED (
    SELECT r.*, public, CASE WHEN coalesce((SELECT sum(octet_length(m.\"metaValue\")) {of_row}), 0) <= {MAX_BYTES}
      THEN (SELECT {OBJECT} {of_row}) END AS object
    FROM {rows})
  UPDATE {table} o SET object = made.object::json FROM made
    WHERE o.\"userId\" = made.\"userId\" AND o.\"entityId\" = made.\"entityId\" AND o.\"isPublic\" = made.public
      AND o.object::text IS DISTINCT FROM made.object;
  RETURN NULL;
END;
"
    );
    let function = Function {
        owner: owner.to_owned(),
        attributes: [
            "trigger plpgsql volatile invoker parallel=unsafe",
            "search_path=pg_catalog, pg_temp plan_cache_mode=force_generic_plan",
        ]
        .join(" "),
        body,
        returns: None,
        callers: ["PUBLIC".to_owned()].into(),
    };
    (format!("{}()", function_name(&objects)), function)
}

/// The statement that makes such a function.
pub(crate) fn definition(name: &str, function: &Function) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION public.{name} RETURNS trigger\n  LANGUAGE plpgsql VOLATILE SECURITY INVOKER \
         SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan\nAS $${}$$",
        function.body
    )
}
