//! `hedgerow migrate`, command by command, on the project's private server.

use insta::assert_snapshot;
use serde_json::json;

use crate::project::{NOTES, Project};

const TASKS: &str = "name = \"tasks\"\nfields.title = { type = \"text\", required = true, max_length = 100 }\n\
                     fields.note = { type = \"relation\", entity = \"notes\" }\n";

#[test]
fn from_entity_files_to_a_database_and_back() {
    let project = Project::new();
    project.make_tables();
    project.write("entities/tasks.toml", TASKS);

    // What is missing, for people and for programs; nothing is changed by asking.
    let plan = project.run(&["migrate", "plan"]).expect(0);
    assert_snapshot!(plan.out, @r#"
    safe        table tasks is made, with its indexes, policies and rights
                lock: none that anybody waits for
    locks       index "notes_userId_id_key" of notes is built on (userId, id)
                lock: SHARE UPDATE EXCLUSIVE, while the index is built
    "#);
    assert_snapshot!(plan.err, @"what the entity files ask for and no file makes: `hedgerow migrate new NAME` writes it; what somebody changed by hand: `hedgerow migrate plan --sql` prints what puts it right, for psql as the owner");
    let plan = project.run(&["migrate", "plan", "--json"]).expect(0).json();
    assert_eq!(plan["changes"][0]["object"], "table tasks");
    assert_eq!(plan["changes"][1]["class"], "locks");
    assert_eq!(plan["units"][1]["transaction"], false);
    let sql = project.run(&["migrate", "plan", "--sql"]).expect(0).out;
    assert!(sql.contains("CREATE TABLE public.\"tasks\"") && sql.contains("CONCURRENTLY"), "{sql}");
    let check = project.run(&["migrate", "check", "--json"]).expect(3).json();
    assert_eq!(
        check["differences"][0],
        json!({
            "kind": "index", "name": "notes_userId_id_key", "place": "notes", "difference": "missing", "aspect": null,
            "is": null, "should": null, "message": "index \"notes_userId_id_key\" of notes is missing"
        })
    );

    // As a file, and the file in the database.
    let made = project.run(&["migrate", "new", "tasks"]).expect(0);
    assert!(
        made.out.ends_with("wrote migrations/0002_tasks.sql and migrations/0002_tasks.down.sql\n"),
        "{}",
        made.out
    );
    assert!(made.err.ends_with("review it; `hedgerow migrate apply` applies it\n"), "{}", made.err);
    let status = project.run(&["migrate", "status"]).expect(0).out;
    let shape: Vec<Vec<&str>> = status
        .lines()
        .map(|line| line.split_whitespace().filter(|word| !word.starts_with("20")).collect())
        .collect();
    assert_eq!(
        shape,
        [
            vec!["NAME", "STATE", "APPLIED", "AT", "WAY", "BACK"],
            vec!["0001_init", "applied", "yes"],
            vec!["0002_tasks", "pending", "yes"]
        ]
    );
    let check = project.run(&["migrate", "check"]).expect(3);
    assert!(check.out.starts_with("migration 0002_tasks is pending\n"), "{}", check.out);
    let dry = project.run(&["migrate", "apply", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(dry, json!({ "pending": ["0002_tasks"], "core": [] }));
    let dry = project.run(&["migrate", "apply", "--dry-run"]).expect(0).out;
    assert!(dry.contains("-- migrations/0002_tasks.sql\n") && dry.contains("no-transaction"), "{dry}");
    let applied = project.run(&["migrate", "apply"]).expect(0);
    assert!(applied.err.contains("  step 2 of 3: CREATE UNIQUE INDEX CONCURRENTLY"), "{}", applied.err);
    assert!(applied.err.contains("applied file 0002_tasks ("), "{}", applied.err);
    let again = project.run(&["migrate", "apply", "--json"]).expect(0);
    assert_eq!(again.json(), json!({ "applied": [] }));
    let check = project.run(&["migrate", "check", "--json"]).expect(0);
    assert_eq!(check.json(), json!({ "differences": [], "files": [] }));
    assert!(project.run(&["migrate", "plan"]).expect(0).err.contains("nothing to do"));

    // And back: nothing without a word, nothing that loses rows without another.
    project.run(&["user", "create", "--email", "ann@example.com"]).expect(0);
    let rows = project.write("rows.csv", "title\nfirst\n").display().to_string();
    project.run(&["import", "tasks", &rows, "--as", "ann@example.com"]).expect(0);
    let unsaid = project.run(&["migrate", "rollback"]).expect(1);
    assert_snapshot!(unsaid.err, @"error: nothing was undone; without a terminal to ask on, say --yes");
    let dry = project.run(&["migrate", "rollback", "--dry-run"]).expect(0).out;
    assert!(dry.contains("-- migrations/0002_tasks.down.sql") && dry.contains("DROP TABLE"), "{dry}");
    let refused = project.run(&["migrate", "rollback", "--yes"]).expect(1);
    assert_snapshot!(refused.err, @r"
    error: migrations/0002_tasks.down.sql would lose data: table tasks (1 row); nothing was changed
    hint: back up what matters, and repeat with --allow-data-loss
    ");
    let undone =
        project.run(&["migrate", "rollback", "--yes", "--allow-data-loss", "--json"]).expect(0).json();
    assert_eq!(undone["undone"][0]["name"], "0002_tasks");
    let status = project.run(&["migrate", "status", "--json"]).expect(0).json();
    assert_eq!((&status[1]["state"], &status[1]["appliedAt"]), (&"pending".into(), &json!(null)));
    project.run(&["migrate", "apply"]).expect(0);
    project.run(&["migrate", "check"]).expect(0);
    // The way back does not need the entity files: a mistake in one does not turn what was done into a failure.
    project.write("entities/tasks.toml", "name = 7\n");
    let undone = project.run(&["migrate", "rollback", "--yes"]).expect(0);
    assert!(undone.err.contains("undid 0002_tasks") && !undone.err.contains("error"), "{}", undone.err);
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let project = Project::new();
    project.make_tables();
    let name = project.run(&["migrate", "new", "Add Due"]).expect(1);
    assert_snapshot!(name.err, @r#"error: "Add Due" cannot name a migration: lower-case letters, digits and underscores, such as add_due_date"#);

    let made = project.run(&["migrate", "new", "by_hand", "--json"]).expect(0).json();
    assert_eq!(
        (&made["name"], &made["changes"], &made["adopted"]),
        (&"0002_by_hand".into(), &json!([]), &false.into())
    );
    let file =
        project.write("migrations/0002_by_hand.sql", "CREATE VIEW one AS SELECT 1;\nSELECT nothing;\n");
    let failed = project.run(&["migrate", "apply"]).expect(1);
    assert_snapshot!(failed.err, @r#"
    error: migrations/0002_by_hand.sql failed at line 2
      because: the database refused the statement
      because: ERROR 42703: column "nothing" does not exist
    "#);
    std::fs::write(&file, "CREATE VIEW one AS SELECT 1;\n").expect("a file");
    project.run(&["migrate", "apply"]).expect(0);
    std::fs::write(&file, "CREATE VIEW one AS SELECT 2;\n").expect("a file");
    let edited = project.run(&["migrate", "apply"]).expect(1);
    assert_snapshot!(edited.err, @r"
    error: migrations/0002_by_hand.sql was changed after it was applied; undo the change and write a new migration
    --- as applied
    +++ as it is now
    @@ -1 +1 @@
    -CREATE VIEW one AS SELECT 1;
    +CREATE VIEW one AS SELECT 2;
    ");
    let check = project.run(&["migrate", "check"]).expect(3);
    assert_eq!(check.out, "migration 0002_by_hand is edited\n");
    std::fs::remove_file(&file).expect("the file");
    let check = project.run(&["migrate", "check", "--json"]).expect(3).json();
    assert_eq!(check["files"], json!([{ "name": "0002_by_hand", "state": "gone" }]));
    project.write("migrations/0002_by_hand.sql", "CREATE VIEW one AS SELECT 1;\n");

    // A change that loses rows is refused, and done where that was said.
    project.run(&["user", "create", "--email", "ann@example.com"]).expect(0);
    let rows = project.write("rows.csv", "text,n\nfirst,1\n").display().to_string();
    project.run(&["import", "notes", &rows, "--as", "ann@example.com"]).expect(0);
    project.write("entities/notes.toml", &NOTES.replace("fields.text = { type = \"text\" }\n", ""));
    project.run(&["migrate", "new", "no_text"]).expect(0);
    let refused = project.run(&["migrate", "apply"]).expect(1);
    assert_snapshot!(refused.err, @r"
    error: migrations/0003_no_text.sql would lose data: column notes.text (1 row); nothing was changed
    hint: back up what matters, and repeat with --allow-data-loss
    ");
    project.run(&["migrate", "apply", "--allow-data-loss"]).expect(0);
    project.run(&["migrate", "check"]).expect(0);
}
