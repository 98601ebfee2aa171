//! A key of metadata that everybody came to use becomes a field, and back.

use hedgerow_testing::TestDatabase;
use serde_json::json;

use crate::production::own_database;
use crate::project::{Project, Run, environment};

const TASKS: &str = r#"name = "tasks"
metadata = true # what nobody thought of
soft_delete = true

[access]
read = "public"

# What it is called.
[fields.title]
type = "text"

[metas.colour]
# As people see it.
type = "select"
options = ["red", "blue"]
public = true

[metas.beta]
type = "boolean"
default = false
rollout = 10
"#;

/// Rows of two users, one in the trash.
const ROWS: &str = r#"
INSERT INTO "user" (id, name, email) VALUES ('ann', 'Ann', 'ann@example.com'), ('bob', 'Bob', 'bob@example.com');
INSERT INTO tasks (id, "userId", title) VALUES ('a1', 'ann', 'x'), ('a2', 'ann', 'x'), ('b1', 'bob', 'x');
INSERT INTO tasks (id, "userId", title, "deletedAt") VALUES ('b2', 'bob', 'x', now());
INSERT INTO tasks_metas ("userId", "entityId", "metaKey", "metaValue", "dataType", "isPublic") VALUES
  ('ann', 'a1', 'colour', 'red', 'text', true), ('bob', 'b1', 'colour', 'green', 'string', true), ('bob', 'b2', 'colour', 'blue', 'text', true),
  ('ann', 'a1', 'hours', '7.50', 'number', false), ('bob', 'b1', 'hours', '0', 'number', true),
  ('ann', 'a1', 'mixed', '1', 'number', true), ('ann', 'a2', 'mixed', 'one', 'text', true), ('bob', 'b1', 'mixed', 'x', 'string', true),
  ('ann', 'a2', 'due', '2026-01-31', 'date', true), ('ann', 'a2', 'at', '2026-01-31T09:30:00.000Z', 'datetime', true),
  ('bob', 'b1', 'shape', '{"a": null}', 'json', true), ('bob', 'b1', 'on', 'false', 'boolean', true);
"#;

struct Metas {
    test: TestDatabase,
    project: Project,
    env: Vec<(&'static str, String)>,
}

impl Metas {
    async fn new() -> Self {
        let (test, owner) = own_database().await;
        let project = Project::new();
        std::fs::remove_dir_all(project.path().join("entities")).expect("no entities");
        project.write("hedgerow.toml", "");
        project.write("entities/tasks.toml", TASKS);
        let env = environment(&test.logins, &owner);
        let metas = Self { test, project, env };
        metas.run(&["migrate", "new", "init"]).expect(0);
        metas.run(&["migrate", "apply"]).expect(0);
        metas.test.sql(ROWS).await;
        metas
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.project.run_with(arguments, &self.env)
    }

    fn promote(&self, arguments: &[&str]) -> Run {
        self.run(&[&["migrate", "promote-meta", "tasks"], arguments].concat())
    }

    fn migrations(&self) -> usize {
        std::fs::read_dir(self.project.path().join("migrations")).expect("a folder").count()
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.project.path().join(name)).expect("a file")
    }

    /// All metas of these keys.
    async fn metas(&self, keys: &str) -> Vec<String> {
        let sql = format!(
            "SELECT concat_ws(' ', \"userId\", \"entityId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\") FROM tasks_metas \
             WHERE \"metaKey\" IN ({keys}) ORDER BY 1"
        );
        self.test.column(&sql).await
    }

    /// Nothing is left to do, and nothing stands open.
    async fn is_settled(&self) {
        self.run(&["migrate", "check"]).expect(0);
        assert_eq!(self.run(&["migrate", "plan", "--json"]).expect(0).json()["changes"], json!([]));
        let open = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relforcerowsecurity \
                    UNION ALL SELECT name FROM hedgerow.unforced";
        assert_eq!(self.test.column(open).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_becomes_a_field_with_the_values_of_all_tenants_and_back() {
    let metas = Metas::new().await;
    let before = metas.metas("'colour', 'hours'").await;
    // A value that the field would refuse stops it before anything is written.
    let bad = metas.promote(&["colour"]).expect(1);
    assert!(
        bad.err.contains("1 values of colour do not fit a field of type select, and nothing was written: that of b1 must be one of: red, blue"),
        "{}",
        bad.err
    );
    assert_eq!((metas.migrations(), metas.file("entities/tasks.toml").as_str()), (2, TASKS));
    metas.test.sql("UPDATE tasks_metas SET \"metaValue\" = 'blue' WHERE \"metaValue\" = 'green'").await;

    let dry = metas.promote(&["colour", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(
        (&dry["name"], &dry["values"], &dry["opened"], &dry["written"]),
        (&json!("0002_promote_tasks_colour"), &json!(3), &json!(0), &json!(false))
    );
    let shown = metas.promote(&["colour", "--dry-run"]).expect(0).out;
    assert!(shown.contains("UPDATE public.\"tasks\" AS r"), "{shown}");
    assert_eq!((metas.migrations(), metas.file("entities/tasks.toml").as_str()), (2, TASKS));

    metas.promote(&["colour"]).expect(0);
    insta::assert_snapshot!(metas.file("entities/tasks.toml"));
    insta::assert_snapshot!(metas.file("migrations/0002_promote_tasks_colour.sql"));
    insta::assert_snapshot!(metas.file("migrations/0002_promote_tasks_colour.down.sql"));
    // One after the other.
    let early = metas.promote(&["hours"]).expect(1);
    assert!(early.err.contains("the database is not what entity files and migrations say"), "{}", early.err);
    metas.run(&["migrate", "apply"]).expect(0);
    metas.is_settled().await;
    let colours = "SELECT id || ' ' || coalesce(colour, '-') FROM tasks ORDER BY id";
    assert_eq!(metas.test.column(colours).await, ["a1 red", "a2 -", "b1 blue", "b2 blue"]);
    assert_eq!(metas.metas("'colour'").await, Vec::<String>::new());

    // What its owner kept private is opened by nobody's silence.
    let private = metas.promote(&["hours", "--field", "spent"]).expect(1);
    assert!(
        private.err.contains("1 values of hours are private, and whoever reads a row would read the field"),
        "{}",
        private.err
    );
    assert_eq!(metas.migrations(), 4);
    let opened = metas.promote(&["hours", "--field", "spent", "--yes", "--json"]).expect(0).json();
    assert_eq!((&opened["type"], &opened["opened"]), (&json!("number"), &json!(1)));
    metas.run(&["migrate", "apply"]).expect(0);
    metas.is_settled().await;
    let spent = "SELECT id || ' ' || spent FROM tasks WHERE spent IS NOT NULL ORDER BY id";
    assert_eq!(metas.test.column(spent).await, ["a1 7.50", "b1 0"]);

    metas.run(&["migrate", "rollback", "2", "--yes", "--allow-data-loss"]).expect(0);
    let back = metas.metas("'colour', 'hours'").await;
    let expected: Vec<String> = before
        .iter()
        .map(|meta| meta.replace("green string", "blue text"))
        // Not all of them were public, so none is.
        .map(|meta| if meta.contains("hours") { meta.replace(" t", " f") } else { meta })
        .collect();
    assert_eq!(back, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_says_why_it_becomes_no_field() {
    let metas = Metas::new().await;
    for (arguments, says) in [
        (
            &["mixed"][..],
            "values of mixed are of several types (1 number, 2 text); say which the field has (--type)",
        ),
        (&["mixed", "--type", "integer"], "2 values of mixed do not fit a field of type integer"),
        (&["nothing"], "no row of tasks has the key nothing, and nothing declares it"),
        (&["colour", "--type", "text"], "the entity file declares the type of colour; change it there"),
        (&["beta"], "beta is a key that rows do not have"),
        (&["due", "--type", "tags"], "a key cannot become a field of type tags"),
        (
            &["due", "--field", "title"],
            "entities/tasks.toml cannot be edited: the field `title` is there already",
        ),
        (&["due", "--field", "limit"], "limit"),
        (&["due", "--type", "nothing"], "nothing"),
    ] {
        let run = metas.promote(arguments).expect(1);
        assert!(run.err.contains(says), "{arguments:?}: {}", run.err);
    }
    let other = metas.run(&["migrate", "promote-meta", "notes", "due"]).expect(1);
    assert!(other.err.contains("no entity file is about notes"), "{}", other.err);
    assert_eq!((metas.migrations(), metas.file("entities/tasks.toml").as_str()), (2, TASKS));
    metas.is_settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type_move_as_they_are_and_come_back() {
    let metas = Metas::new().await;
    let keys = "'mixed', 'due', 'at', 'shape', 'on', 'hours'";
    let before = metas.metas(keys).await;
    metas.test.sql("UPDATE tasks_metas SET \"isPublic\" = true").await;
    for (key, ty) in [
        ("mixed", "text"),
        ("due", "date"),
        ("at", "datetime"),
        ("shape", "json"),
        ("on", "boolean"),
        ("hours", "number"),
    ] {
        let more: &[&str] = if key == "mixed" { &["--type", "text"] } else { &[] };
        let made = metas.promote(&[&[key, "--json"], more].concat()).expect(0).json();
        assert_eq!(made["type"], json!(ty));
        metas.run(&["migrate", "apply"]).expect(0);
    }
    metas.is_settled().await;
    let shown = "SELECT concat_ws(' ', id, mixed, due, at AT TIME ZONE 'UTC', shape, \"on\", hours) FROM tasks ORDER BY id";
    assert_eq!(
        metas.test.column(shown).await,
        ["a1 1 7.50", "a2 one 2026-01-31 2026-01-31 09:30:00", "b1 x {\"a\": null} f 0", "b2"]
    );
    metas.run(&["migrate", "rollback", "6", "--yes", "--allow-data-loss"]).expect(0);
    let expected = before.iter().map(|meta| {
        let meta = meta.replace("mixed 1 number", "mixed 1 text").replace("x string", "x text");
        if meta.contains("hours") { meta.replace(" f", " t") } else { meta }
    });
    assert_eq!(metas.metas(keys).await, expected.collect::<Vec<_>>());
}
