//! Everything that somebody may change in a database by hand is found and named, and what is Hedgerow's own is put right
//! by the plan.

use std::fmt::Write as _;

use hedgerow::database::migrate::{DataLoss, Look, MigrationFile, apply, look};
use hedgerow::migrations;
use hedgerow::schema::diff::{Pace, Unit};
use hedgerow::schema::{Roles, Schema};
use hedgerow_testing::{TestDatabase, schema_of};

const ENTITIES: &[(&str, &str)] = &[
    (
        "projects",
        r#"
        fields.code = { type = "text", required = true, unique = true, max_length = 20 }
        "#,
    ),
    (
        "airports",
        r#"
        metadata = true
        access = { read = "signed_in", write = "admin" }
        fields.faa = { type = "text", required = true, unique = true, max_length = 3, pattern = "[A-Z]+" }
        "#,
    ),
    (
        "posts",
        r#"
        access = { read = "public", write = "signed_in" }
        fields.text = { type = "textarea" }
        fields.labels = { type = "tags" }
        "#,
    ),
    (
        "tasks",
        r#"
        metadata = true
        fields.title = { type = "text", required = true, min_length = 1, max_length = 200, description = "It's what" }
        fields.status = { type = "select", options = ["todo", "it's done"], default = "todo", indexed = true }
        fields.estimate = { type = "integer", min = 0, max = 1000, default = 1 }
        fields.price = { type = "number", precision = 12, scale = 2 }
        fields.due = { type = "date", default = "now()" }
        fields.extra = { type = "json" }
        fields.link = { type = "url", immutable = true }
        fields.project = { type = "relation", entity = "projects", on_delete = "cascade", required = true }
        fields.parent = { type = "relation", entity = "tasks", on_delete = "set_null" }
        fields.airport = { type = "relation", entity = "airports" }
        "#,
    ),
];

/// What a team writes beside its entities.
const BY_HAND: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN rating AS integer CHECK (VALUE BETWEEN 1 AND 5);
CREATE SEQUENCE invoice_number;
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "userId" text NOT NULL DEFAULT get_auth_user_id() REFERENCES "user" (id) ON DELETE CASCADE,
  mood mood NOT NULL DEFAULT 'ok',
  note text
);
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY floor ON events AS RESTRICTIVE USING ("userId" = (SELECT get_auth_user_id()));
CREATE POLICY mine ON events USING (true);
GRANT SELECT, INSERT ON events TO hedgerow_app;
CREATE VIEW open_tasks WITH (security_invoker = true) AS SELECT id, title FROM tasks WHERE status = 'todo';
GRANT SELECT ON open_tasks TO hedgerow_app;
CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN upper($1) || '!';
CREATE FUNCTION trim_title() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.title = btrim(NEW.title);
  RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION trim_title() FROM PUBLIC;
CREATE TRIGGER trim_title BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION trim_title();
CREATE INDEX tasks_by_hand ON tasks (lower(title)) WHERE status = 'todo';
CREATE POLICY "No drafts" ON tasks AS RESTRICTIVE FOR SELECT USING (title <> 'draft');
ALTER TABLE tasks ADD CONSTRAINT tasks_by_hand CHECK (title <> 'forbidden');
ALTER TABLE tasks ADD COLUMN by_hand text;
"#;

/// What becomes of a drift.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// The statements of `migrate plan` put it right.
    Plan,
    /// It is said, and a person decides: others' objects, what is there beside Hedgerow's, and what the plan takes for
    /// another way to the same (an adopted database may have it).
    Person,
}
use Then::{Person, Plan};

/// By statements of the superuser: what is said of it.
const DRIFTS: &[(&str, &[&str], Then)] = &[
    // Policies.
    (
        "DROP POLICY \"Users can view own records\" ON tasks",
        &["policy \"Users can view own records\" of tasks is missing"],
        Plan,
    ),
    (
        "DROP POLICY hedgerow_floor_delete ON \"user\"",
        &["policy \"hedgerow_floor_delete\" of user is missing"],
        Plan,
    ),
    (
        "ALTER POLICY hedgerow_floor_select ON tasks USING (true)",
        &["policy \"hedgerow_floor_select\" of tasks: USING is true, should be"],
        Plan,
    ),
    (
        "ALTER POLICY hedgerow_floor_select ON tasks USING (\"userId\" = get_auth_user_id())",
        &["policy \"hedgerow_floor_select\" of tasks: USING is"],
        Plan,
    ),
    (
        "ALTER POLICY hedgerow_floor_update ON api_keys WITH CHECK (true)",
        &["policy \"hedgerow_floor_update\" of api_keys: WITH CHECK is true, should be"],
        Plan,
    ),
    (
        "ALTER POLICY \"Users can create own records\" ON tasks WITH CHECK (\"userId\" <> (SELECT get_auth_user_id()))",
        &["policy \"Users can create own records\" of tasks: WITH CHECK is"],
        Plan,
    ),
    (
        "ALTER POLICY hedgerow_floor_insert ON posts TO hedgerow_app",
        &["policy \"hedgerow_floor_insert\" of posts: roles is hedgerow_app, should be PUBLIC"],
        Plan,
    ),
    (
        "DROP POLICY hedgerow_floor_select ON posts; CREATE POLICY hedgerow_floor_select ON posts FOR SELECT USING (true)",
        &["policy \"hedgerow_floor_select\" of posts: kind is permissive, should be restrictive"],
        Plan,
    ),
    (
        "DROP POLICY hedgerow_floor_delete ON tasks; CREATE POLICY hedgerow_floor_delete ON tasks AS RESTRICTIVE FOR ALL \
         USING (\"userId\" = (SELECT get_auth_user_id()))",
        &["policy \"hedgerow_floor_delete\" of tasks: command is ALL, should be DELETE"],
        Plan,
    ),
    (
        "CREATE POLICY everyone ON tasks FOR SELECT USING (true)",
        &["policy \"everyone\" of tasks is there and should not be"],
        Plan,
    ),
    ("DROP POLICY \"No drafts\" ON tasks", &["policy \"No drafts\" of tasks is missing"], Person),
    (
        "ALTER POLICY floor ON events USING (true)",
        &["policy \"floor\" of events: USING is true, should be"],
        Person,
    ),
    (
        "ALTER POLICY hedgerow_floor_select ON tasks_metas USING (\"isPublic\")",
        &["policy \"hedgerow_floor_select\" of tasks_metas: USING is \"isPublic\", should be"],
        Plan,
    ),
    (
        "DROP POLICY hedgerow_floor_update ON global_metas",
        &["policy \"hedgerow_floor_update\" of global_metas is missing"],
        Plan,
    ),
    // Rights.
    (
        "GRANT UPDATE (\"entityId\") ON tasks_metas TO hedgerow_app",
        &["right UPDATE (entityId) of hedgerow_app on tasks_metas is there and should not be"],
        Plan,
    ),
    (
        "REVOKE INSERT (\"metaKey\") ON user_metas FROM hedgerow_app",
        &["right INSERT (metaKey) of hedgerow_app on user_metas is missing"],
        Plan,
    ),
    ("REVOKE SELECT ON tasks FROM hedgerow_app", &["right SELECT of hedgerow_app on tasks is missing"], Plan),
    (
        "GRANT TRUNCATE, TRIGGER ON tasks TO hedgerow_app",
        &[
            "right TRIGGER of hedgerow_app on tasks is there and should not be",
            "right TRUNCATE of hedgerow_app on tasks is there and should not be",
        ],
        Plan,
    ),
    (
        "GRANT UPDATE (\"userId\") ON tasks TO hedgerow_app",
        &["right UPDATE (userId) of hedgerow_app on tasks is there and should not be"],
        Plan,
    ),
    (
        "GRANT UPDATE (link) ON tasks TO hedgerow_app",
        &["right UPDATE (link) of hedgerow_app on tasks is there and should not be"],
        Plan,
    ),
    (
        "REVOKE INSERT (title) ON tasks FROM hedgerow_app",
        &["right INSERT (title) of hedgerow_app on tasks is missing"],
        Plan,
    ),
    (
        "GRANT SELECT ON tasks TO PUBLIC",
        &["right SELECT of PUBLIC on tasks is there and should not be"],
        Plan,
    ),
    (
        "GRANT SELECT ON api_keys TO hedgerow_app",
        &["right SELECT of hedgerow_app on api_keys is there and should not be"],
        Plan,
    ),
    (
        "GRANT SELECT ON tasks TO hedgerow_app WITH GRANT OPTION",
        &["right SELECT WITH GRANT OPTION of hedgerow_app on tasks is there and should not be"],
        Plan,
    ),
    (
        "GRANT SELECT ON tasks TO pg_monitor",
        &["right SELECT of pg_monitor on tasks is there and should not be"],
        Person,
    ),
    (
        "GRANT DELETE ON events TO hedgerow_app",
        &["right DELETE of hedgerow_app on events is there and should not be"],
        Person,
    ),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", &["rights on schema public: definition is"], Person),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE hedgerow_owner IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
        &["default rights on tables of hedgerow_owner in public is there and should not be"],
        Person,
    ),
    // Tables.
    (
        "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY",
        &["table tasks: row-level security is off, should be on"],
        Plan,
    ),
    (
        "ALTER TABLE \"user\" NO FORCE ROW LEVEL SECURITY",
        &["table user: FORCE ROW LEVEL SECURITY is off, should be on"],
        Plan,
    ),
    (
        "ALTER TABLE tasks OWNER TO postgres",
        &["table tasks: owner is postgres, should be hedgerow_owner"],
        Plan,
    ),
    ("COMMENT ON TABLE tasks IS NULL", &["table tasks: comment is none, should be hedgerow entity"], Plan),
    (
        "ALTER TABLE user_metas NO FORCE ROW LEVEL SECURITY",
        &["table user_metas: FORCE ROW LEVEL SECURITY is off, should be on"],
        Plan,
    ),
    ("DROP TABLE airports_metas", &["table airports_metas is missing"], Plan),
    ("DROP TABLE global_metas", &["table global_metas is missing"], Plan),
    ("DROP TABLE posts", &["table posts is missing"], Plan),
    ("DROP TABLE events", &["table events is missing"], Person),
    ("CREATE TABLE extra (id int)", &["table extra is there and should not be"], Person),
    (
        "CREATE TABLE heirs () INHERITS (posts)",
        &["parents of heirs is there and should not be", "table heirs is there and should not be"],
        Person,
    ),
    (
        "CREATE RULE leak AS ON INSERT TO tasks DO ALSO INSERT INTO events (note) VALUES (NEW.title)",
        &["rule leak on tasks is there and should not be"],
        Person,
    ),
    (
        "ALTER TABLE tasks_metas SET UNLOGGED",
        &["table tasks_metas: storage is unlogged, should be logged"],
        Plan,
    ),
    // Columns.
    ("ALTER TABLE tasks ALTER estimate SET DEFAULT 2", &["column \"estimate\" of tasks: default is"], Plan),
    (
        "ALTER TABLE tasks ALTER status DROP DEFAULT",
        &["column \"status\" of tasks: default is none, should be"],
        Plan,
    ),
    (
        "ALTER TABLE tasks ALTER \"userId\" SET DEFAULT 'ann'",
        &["column \"userId\" of tasks: default is 'ann'"],
        Plan,
    ),
    (
        "ALTER TABLE tasks ALTER title DROP NOT NULL",
        &["column \"title\" of tasks: NOT NULL is off, should be on"],
        Plan,
    ),
    (
        "ALTER TABLE tasks ALTER due SET NOT NULL",
        &["column \"due\" of tasks: NOT NULL is on, should be off"],
        Plan,
    ),
    (
        "ALTER TABLE tasks ALTER \"createdAt\" DROP NOT NULL",
        &["column \"createdAt\" of tasks: NOT NULL is off, should be on"],
        Person,
    ),
    (
        "ALTER TABLE \"user\" ALTER banned SET DEFAULT true",
        &["column \"banned\" of user: default is true, should be false"],
        Person,
    ),
    (
        "ALTER TABLE tasks ALTER estimate TYPE integer",
        &["column \"estimate\" of tasks: type is integer, should be bigint"],
        Plan,
    ),
    (
        "ALTER TABLE tasks ALTER price TYPE numeric(14,4)",
        &["column \"price\" of tasks: type is numeric(14,4), should be numeric(12,2)"],
        Plan,
    ),
    (
        "ALTER TABLE tasks ALTER link TYPE text COLLATE \"C\"",
        &["column \"link\" of tasks: type is text COLLATE \"C\", should be text"],
        Person,
    ),
    (
        "ALTER TABLE tasks DROP COLUMN link",
        &[
            "column \"link\" of tasks is missing",
            "constraint \"tasks_link_url\" of tasks is missing",
            "right INSERT (link) of hedgerow_app on tasks is missing",
        ],
        Plan,
    ),
    (
        "ALTER TABLE tasks_metas ALTER \"isPublic\" SET DEFAULT true",
        &["column \"isPublic\" of tasks_metas: default is true, should be false"],
        Plan,
    ),
    (
        "ALTER TABLE tasks_metas DROP COLUMN \"metaNumber\"",
        &[
            "column \"metaNumber\" of tasks_metas is missing",
            "index \"idx_tasks_metas_userId_metaKey_metaNumber_entityId\" of tasks_metas is missing",
        ],
        Plan,
    ),
    ("ALTER TABLE tasks DROP COLUMN by_hand", &["column \"by_hand\" of tasks is missing"], Person),
    (
        "ALTER TABLE tasks ADD COLUMN extra_column text",
        &["column \"extra_column\" of tasks is there and should not be"],
        Person,
    ),
    (
        "COMMENT ON COLUMN tasks.title IS NULL",
        &["column \"title\" of tasks: comment is none, should be hedgerow text: It's what"],
        Plan,
    ),
    (
        "ALTER TABLE events ALTER note SET DEFAULT 'x'",
        &["column \"note\" of events: default is 'x'::text, should be none"],
        Person,
    ),
    (
        "ALTER TABLE events ALTER id SET GENERATED BY DEFAULT",
        &["column \"id\" of events: identity is d, should be a"],
        Person,
    ),
    // Constraints.
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_title_max_length",
        &["constraint \"tasks_title_max_length\" of tasks is missing"],
        Plan,
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_status_options; \
         ALTER TABLE tasks ADD CONSTRAINT tasks_status_options CHECK (status IN ('todo', 'it''s done', 'more'))",
        &["constraint \"tasks_status_options\" of tasks: rule is CHECK"],
        Plan,
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_title_max_length; \
         ALTER TABLE tasks ADD CONSTRAINT tasks_title_max_length CHECK (char_length(title) <= 200) NOT VALID",
        &["constraint \"tasks_title_max_length\" of tasks: validated is off, should be on"],
        Plan,
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_project_fkey",
        &["constraint \"tasks_project_fkey\" of tasks is missing"],
        Plan,
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_project_fkey; ALTER TABLE tasks ADD CONSTRAINT tasks_project_fkey \
         FOREIGN KEY (\"userId\", project) REFERENCES projects (\"userId\", id)",
        &["constraint \"tasks_project_fkey\" of tasks: rule is FOREIGN KEY"],
        Plan,
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_project_fkey; ALTER TABLE tasks ADD CONSTRAINT tasks_project_fkey \
         FOREIGN KEY (project) REFERENCES projects (id) ON DELETE CASCADE",
        &["constraint \"tasks_project_fkey\" of tasks: rule is FOREIGN KEY"],
        Plan,
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_parent_fkey; ALTER TABLE tasks ADD CONSTRAINT tasks_parent_fkey \
         FOREIGN KEY (\"userId\", parent) REFERENCES tasks (\"userId\", id) ON DELETE SET NULL (parent) \
         DEFERRABLE INITIALLY DEFERRED",
        &["constraint \"tasks_parent_fkey\" of tasks: rule is FOREIGN KEY"],
        Plan,
    ),
    (
        "ALTER TABLE posts DISABLE TRIGGER ALL",
        &[
            "constraint \"posts_userId_fkey\" of posts: rule is FOREIGN KEY (\"userId\") REFERENCES \"user\"(id) ON DELETE \
             CASCADE, with disabled triggers, should be",
            "trigger \"update_posts_updated_at\" of posts: state is disabled",
        ],
        Plan,
    ),
    (
        "ALTER TABLE tasks ADD CONSTRAINT extra_check CHECK (estimate <> 13)",
        &["constraint \"extra_check\" of tasks is there and should not be"],
        Person,
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_by_hand",
        &["constraint \"tasks_by_hand\" of tasks is missing"],
        Person,
    ),
    (
        "ALTER TABLE api_keys DROP CONSTRAINT api_keys_key_check",
        &["constraint \"api_keys_key_check\" of api_keys is missing"],
        Person,
    ),
    (
        "ALTER TABLE tasks_metas DROP CONSTRAINT \"tasks_metas_entityId_fkey\"",
        &["constraint \"tasks_metas_entityId_fkey\" of tasks_metas is missing"],
        Plan,
    ),
    (
        "ALTER TABLE tasks_metas DROP CONSTRAINT \"tasks_metas_metaValue_check\"",
        &["constraint \"tasks_metas_metaValue_check\" of tasks_metas is missing"],
        Plan,
    ),
    // Of a table that others made it may be missing.
    (
        "ALTER TABLE user_metas DROP CONSTRAINT \"user_metas_metaValue_check\"",
        &["constraint \"user_metas_metaValue_check\" of user_metas is missing"],
        Person,
    ),
    ("ALTER TABLE tasks DROP CONSTRAINT tasks_pkey", &["index \"tasks_pkey\" of tasks is missing"], Plan),
    // Indexes.
    (
        "DROP INDEX \"idx_tasks_userId_createdAt_id\"",
        &["index \"idx_tasks_userId_createdAt_id\" of tasks is missing"],
        Plan,
    ),
    (
        "DROP INDEX \"projects_userId_code_key\"",
        &["index \"projects_userId_code_key\" of projects is missing"],
        Plan,
    ),
    (
        "ALTER TABLE \"user\" DROP CONSTRAINT user_email_key",
        &["index \"user_email_key\" of user is missing"],
        Person,
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"idx_tasks_userId_status_id\"'::regclass",
        &["index \"idx_tasks_userId_status_id\" of tasks: valid is off, should be on"],
        Plan,
    ),
    (
        "DROP INDEX \"idx_tasks_userId_status_id\"; \
         CREATE INDEX \"idx_tasks_userId_status_id\" ON tasks (\"userId\", status DESC, id); \
         COMMENT ON INDEX \"idx_tasks_userId_status_id\" IS 'hedgerow index'",
        &[
            "index \"idx_tasks_userId_status_id\" of tasks: columns is userId, status DESC, id, should be userId, status, id",
        ],
        Plan,
    ),
    (
        "DROP INDEX \"idx_tasks_userId_status_id\"; \
         CREATE INDEX \"idx_tasks_userId_status_id\" ON tasks (\"userId\", status, id) WHERE status = 'todo'; \
         COMMENT ON INDEX \"idx_tasks_userId_status_id\" IS 'hedgerow index'",
        &["index \"idx_tasks_userId_status_id\" of tasks: WHERE is"],
        Plan,
    ),
    (
        "DROP INDEX \"projects_userId_code_key\"; \
         CREATE INDEX \"projects_userId_code_key\" ON projects (\"userId\", code); \
         COMMENT ON INDEX \"projects_userId_code_key\" IS 'hedgerow index'",
        &["index \"projects_userId_code_key\" of projects: unique is off, should be on"],
        Plan,
    ),
    (
        "COMMENT ON INDEX \"idx_tasks_userId_status_id\" IS NULL",
        &["index \"idx_tasks_userId_status_id\" of tasks: comment is none, should be hedgerow index"],
        Plan,
    ),
    (
        "CREATE INDEX extra_index ON tasks (due)",
        &["index \"extra_index\" of tasks is there and should not be"],
        Person,
    ),
    ("DROP INDEX tasks_by_hand", &["index \"tasks_by_hand\" of tasks is missing"], Person),
    (
        "DROP INDEX \"idx_tasks_metas_userId_metaKey_metaValue_entityId\"",
        &["index \"idx_tasks_metas_userId_metaKey_metaValue_entityId\" of tasks_metas is missing"],
        Plan,
    ),
    // Triggers.
    (
        "DROP TRIGGER update_user_metas_updated_at ON user_metas",
        &["trigger \"update_user_metas_updated_at\" of user_metas is missing"],
        Plan,
    ),
    (
        "DROP TRIGGER update_tasks_updated_at ON tasks",
        &["trigger \"update_tasks_updated_at\" of tasks is missing"],
        Plan,
    ),
    (
        "ALTER TABLE tasks DISABLE TRIGGER update_tasks_updated_at",
        &["trigger \"update_tasks_updated_at\" of tasks: state is disabled, should be enabled"],
        Plan,
    ),
    (
        "ALTER TABLE tasks ENABLE REPLICA TRIGGER update_tasks_updated_at",
        &[
            "trigger \"update_tasks_updated_at\" of tasks: state is enabled for replicas only, should be enabled",
        ],
        Plan,
    ),
    (
        "DROP TRIGGER update_tasks_updated_at ON tasks; CREATE TRIGGER update_tasks_updated_at BEFORE UPDATE OF title ON \
         tasks FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()",
        &["trigger \"update_tasks_updated_at\" of tasks: definition is BEFORE UPDATE OF title ON tasks"],
        Plan,
    ),
    (
        "CREATE TRIGGER extra_trigger BEFORE UPDATE OF text ON posts FOR EACH ROW EXECUTE FUNCTION \
         update_updated_at_column()",
        &["trigger \"extra_trigger\" of posts is there and should not be"],
        Person,
    ),
    // The same as ours under another name.
    (
        "CREATE TRIGGER twin BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()",
        &["trigger \"twin\" of posts is there and should not be"],
        Plan,
    ),
    ("DROP TRIGGER trim_title ON tasks", &["trigger \"trim_title\" of tasks is missing"], Person),
    // Functions.
    (
        "CREATE OR REPLACE FUNCTION get_auth_user_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN 'ann'",
        &["function get_auth_user_id(): body is 'ann'::text, should be"],
        Plan,
    ),
    (
        "CREATE OR REPLACE FUNCTION get_auth_user_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE \
         AS 'SELECT current_setting(''app.user_id'', true)'",
        &["function get_auth_user_id(): body is"],
        Plan,
    ),
    (
        "ALTER FUNCTION get_auth_user_id() SECURITY DEFINER",
        &["function get_auth_user_id(): attributes is text sql stable definer parallel=safe, should be"],
        Plan,
    ),
    (
        "ALTER FUNCTION get_auth_user_id() VOLATILE",
        &["function get_auth_user_id(): attributes is text sql volatile"],
        Plan,
    ),
    (
        "ALTER FUNCTION get_auth_user_id() SET search_path = public",
        &[
            "function get_auth_user_id(): attributes is text sql stable invoker parallel=safe search_path=public",
        ],
        Plan,
    ),
    (
        "ALTER FUNCTION get_auth_user_id() OWNER TO postgres",
        &["function get_auth_user_id(): owner is postgres, should be hedgerow_owner"],
        Plan,
    ),
    (
        "REVOKE EXECUTE ON FUNCTION get_auth_user_id() FROM PUBLIC",
        &["function get_auth_user_id(): callers is nobody, should be PUBLIC"],
        Plan,
    ),
    (
        "CREATE OR REPLACE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        &["function update_updated_at_column(): body is BEGIN RETURN NEW; END, should be"],
        Plan,
    ),
    (
        "CREATE OR REPLACE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN upper($1) || '?'",
        &["function shout(text): body is"],
        Person,
    ),
    (
        "GRANT EXECUTE ON FUNCTION trim_title() TO hedgerow_app",
        &["function trim_title(): callers is hedgerow_app, should be nobody"],
        Person,
    ),
    ("DROP FUNCTION shout(text)", &["function shout(text) is missing"], Person),
    (
        "CREATE FUNCTION extra() RETURNS int LANGUAGE sql RETURN 1",
        &["function extra() is there and should not be"],
        Person,
    ),
    // The rest.
    ("DROP VIEW open_tasks", &["view open_tasks is missing"], Person),
    (
        "CREATE OR REPLACE VIEW open_tasks WITH (security_invoker = true) AS SELECT id, title FROM tasks",
        &["view open_tasks: definition is"],
        Person,
    ),
    ("ALTER VIEW open_tasks SET (security_invoker = false)", &["view open_tasks: definition is"], Person),
    ("GRANT SELECT ON open_tasks TO hedgerow_anon", &["view open_tasks: definition is"], Person),
    ("GRANT SELECT (title) ON open_tasks TO hedgerow_anon", &["view open_tasks: definition is"], Person),
    ("CREATE VIEW extra_view AS SELECT 1 AS one", &["view extra_view is there and should not be"], Person),
    (
        "CREATE MATERIALIZED VIEW copied AS SELECT 1 AS one",
        &["materialized view copied is there and should not be"],
        Person,
    ),
    ("ALTER TYPE mood ADD VALUE 'great'", &["type mood: definition is"], Person),
    ("ALTER DOMAIN rating DROP CONSTRAINT rating_check", &["type rating: definition is"], Person),
    ("ALTER SEQUENCE invoice_number INCREMENT 10", &["sequence invoice_number: definition is"], Person),
    ("CREATE TYPE pair AS (a int, b int)", &["type pair is there and should not be"], Person),
];

fn schema() -> Schema {
    schema_of(ENTITIES)
}

/// A database that files made, from nothing.
async fn made_by_files() -> TestDatabase {
    let (test, schema, roles) = (TestDatabase::empty().await, schema(), Roles::default());
    apply(&test.owner, &roles, &[], DataLoss::Refuse, |_| {}).await.expect("Hedgerow's own tables");
    let seen = look(&test.owner).await.expect("a look");
    let (up, down) = seen.files(&schema, &roles, "0001_init");
    let file = |name: &str, text: &str, down: &str| MigrationFile {
        name: name.to_owned(),
        text: text.to_owned(),
        down: Some(down.to_owned()),
    };
    let files = [file("0001_init", &up, &down), file("0002_by_hand", BY_HAND, "")];
    apply(&test.owner, &roles, &files, DataLoss::Refuse, |_| {}).await.expect("applied");
    test
}

async fn check(test: &TestDatabase) -> Vec<String> {
    said_of(&look(&test.owner).await.expect("a look"))
}

fn said_of(seen: &Look) -> Vec<String> {
    let found = migrations::check(seen, &schema(), &Roles::default());
    found.iter().map(ToString::to_string).collect()
}

/// Runs what the plan offers, each transaction by itself: as the owner, who alone makes what belongs to the owner.
async fn follow_the_plan(test: &TestDatabase, seen: &Look) -> String {
    let plan = seen.plan(&schema(), &Roles::default(), Pace::Online);
    let mut said = String::new();
    for unit in plan.units() {
        let statements = match unit {
            Unit::Transaction(statements) => statements.join(";\n"),
            Unit::Alone(statement) => statement,
        };
        let _ = writeln!(said, "{statements};");
        if statements.contains(" OWNER TO ") {
            test.sql(&statements).await;
        } else {
            test.owner_sql(&statements).await;
        }
    }
    said
}

/// What is wrong with how one drift is found and mended; nothing, if nothing.
async fn examine(base: &TestDatabase, drift: &(&str, &[&str], Then)) -> String {
    let (sql, expected, then) = drift;
    let mut wrong = String::new();
    let test = base.copy().await;
    test.sql(sql).await;
    let drifted = look(&test.owner).await.expect("a look");
    let found = said_of(&drifted);
    for text in *expected {
        if !found.iter().any(|difference| difference.starts_with(text)) {
            let _ = writeln!(wrong, "{sql}\n  is not said: {text}");
        }
    }
    if found.len() != expected.len() {
        let _ = writeln!(wrong, "{sql}\n  is said: {found:#?}");
    }
    let said = follow_the_plan(&test, &drifted).await;
    let after = check(&test).await;
    match then {
        Plan if !after.is_empty() => {
            let _ = writeln!(wrong, "{sql}\n  still: {after:#?}\n  after: {said}");
        }
        Person if after.is_empty() => {
            let _ = writeln!(wrong, "{sql}\n  is put right by the plan:\n{said}");
        }
        _ => {}
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_drift_is_named_and_what_is_ours_is_put_right() {
    let base = std::sync::Arc::new(made_by_files().await);
    assert_eq!(check(&base).await, Vec::<String>::new(), "nobody has touched it yet");
    let mut wrong = String::new();
    for drifts in DRIFTS.chunks(4) {
        let running: Vec<_> = drifts
            .iter()
            .map(|drift| {
                let base = base.clone();
                tokio::spawn(async move { examine(&base, drift).await })
            })
            .collect();
        for one in running {
            match one.await {
                Ok(text) => wrong.push_str(&text),
                Err(error) => {
                    let _ = writeln!(wrong, "{error}");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(DRIFTS.len() >= 40);
}
