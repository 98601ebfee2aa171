//! Migrations: once, one at a time, all or nothing, and never believing what row-level security hides.

use hedgerow_database::migrate::{Applied, MigrateError, MigrateEvent, MigrationFile, apply};
use hedgerow_schema::{Roles, Schema};
use hedgerow_testing::{TestDatabase, schema_of};

const NOTES: (&str, &str) = ("notes", "fields.text = { type = \"text\" }");
const LINKS: (&str, &str) = ("links", "fields.note = { type = \"text\" }");

fn file(name: &str, text: &str) -> MigrationFile {
    MigrationFile { name: name.to_owned(), text: text.to_owned() }
}

async fn run(
    test: &TestDatabase,
    schema: &Schema,
    files: &[MigrationFile],
) -> Result<Vec<Applied>, MigrateError> {
    apply(&test.owner, &Roles::default(), schema, files, |_| {}).await
}

fn names(applied: &[Applied]) -> String {
    applied.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// Two rows of two tenants, and a third that points at nothing.
async fn with_rows() -> (TestDatabase, Schema) {
    let schema = schema_of(&[NOTES, LINKS]);
    let test = TestDatabase::with(&schema).await;
    test.sql(
        "INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'A', 'a@example.com'), ('bob', 'B', 'b@example.com');
         INSERT INTO notes (id, \"userId\", text) VALUES ('1', 'ann', 'a'), ('2', 'bob', 'b');
         INSERT INTO links (id, \"userId\", note) VALUES ('1', 'ann', '1'), ('2', 'bob', 'nothing')",
    )
    .await;
    (test, schema)
}

#[tokio::test]
async fn what_is_applied_stays_applied_and_is_not_applied_again() {
    let test = TestDatabase::with(&schema_of(&[NOTES])).await;
    let schema = schema_of(&[NOTES, LINKS]);
    let files = [file("0001_index", "CREATE INDEX more ON notes (text);")];
    assert_eq!(names(&run(&test, &schema, &files).await.expect("applied")), "links 0001_index");
    assert_eq!(names(&run(&test, &schema, &files).await.expect("applied")), "");
    let record = "SELECT kind || ' ' || name || ' ' || length(checksum) FROM hedgerow.migrations ORDER BY 1";
    assert_eq!(
        test.column(record).await,
        ["core 0001_users_and_keys 64", "entity links 64", "entity notes 64", "file 0001_index 64"]
    );
}

#[tokio::test]
async fn what_was_applied_cannot_be_edited() {
    let (test, schema) = with_rows().await;
    run(&test, &schema, &[file("0001_x", "SELECT 1")]).await.expect("applied");
    let error = run(&test, &schema, &[file("0001_x", "SELECT 2")]).await.expect_err("edited");
    assert!(matches!(&error, MigrateError::Edited { name } if name == "0001_x"), "{error}");
    let changed = schema_of(&[("notes", "fields.text = { type = \"text\", required = true }"), LINKS]);
    let error = run(&test, &changed, &[]).await.expect_err("changed");
    assert!(matches!(&error, MigrateError::Changed { names } if names == &["notes"]), "{error}");
    test.sql("INSERT INTO hedgerow.migrations VALUES ('core', '9999_future', '', now(), 0)").await;
    let error = run(&test, &schema, &[]).await.expect_err("newer");
    assert!(matches!(&error, MigrateError::Newer(name) if name == "9999_future"), "{error}");
}

#[tokio::test]
async fn a_failing_file_leaves_nothing_and_names_its_line() {
    let (test, schema) = with_rows().await;
    let files = [
        file("0001_good", "CREATE INDEX good ON notes (text);"),
        file("0002_bad", "CREATE INDEX bad ON notes (text);\n\nSELECT nothing FROM notes;"),
        file("0003_never", "CREATE INDEX never ON notes (text);"),
    ];
    let error = run(&test, &schema, &files).await.expect_err("it fails");
    assert_eq!(error.to_string(), "migrations/0002_bad.sql failed at line 3");
    let indexes = "SELECT indexname FROM pg_indexes WHERE indexname IN ('good', 'bad', 'never')";
    assert_eq!(test.column(indexes).await, ["good"]);
    let error = run(&test, &schema, &[files[0].clone(), file("0002_own", "SELECT 1; COMMIT; BEGIN;")]).await;
    assert!(matches!(error, Err(MigrateError::OwnTransaction(name)) if name == "0002_own"));
}

#[tokio::test]
async fn two_runners_apply_everything_once() {
    let test = TestDatabase::with(&Schema::default()).await;
    let schema = schema_of(&[NOTES, LINKS]);
    let files =
        [file("0001_slow", "SELECT pg_sleep(0.3);"), file("0002_x", "CREATE INDEX x ON notes (text);")];
    let runner = async || {
        let mut waited = false;
        let report = |event| waited |= event == MigrateEvent::Waiting;
        let applied = apply(&test.owner, &Roles::default(), &schema, &files, report).await.expect("applied");
        (names(&applied), waited)
    };
    let (one, two) = tokio::join!(runner(), runner());
    let mut both = [one, two];
    both.sort();
    assert_eq!(both, [(String::new(), true), ("links notes 0001_slow 0002_x".to_owned(), false)]);
}

#[tokio::test]
async fn a_backfill_reaches_the_rows_of_every_tenant() {
    let (test, schema) = with_rows().await;
    // Under FORCE the owner would see no row, and UPDATE would change none, without a word.
    run(&test, &schema, &[file("0001_backfill", "UPDATE notes SET text = text || '!';")])
        .await
        .expect("applied");
    assert_eq!(test.column("SELECT string_agg(text, ' ' ORDER BY id) FROM notes").await, ["a! b!"]);
    let forced = "SELECT bool_and(relforcerowsecurity)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    assert_eq!(test.column(forced).await, ["true"]);
}

#[tokio::test]
async fn a_violating_row_makes_a_constraint_fail() {
    for constraint in [
        "ALTER TABLE links ADD FOREIGN KEY (note) REFERENCES notes (id);",
        "ALTER TABLE links ADD CONSTRAINT fk FOREIGN KEY (note) REFERENCES notes (id) NOT VALID; ALTER TABLE links VALIDATE CONSTRAINT fk;",
        "ALTER TABLE links ADD CHECK (note <> 'nothing');",
    ] {
        let (test, schema) = with_rows().await;
        let error = run(&test, &schema, &[file("0001_fk", constraint)]).await.expect_err("a row violates it");
        let code = hedgerow_database::migrate::server_error(&error).map(|error| error.code.code().to_owned());
        assert!(matches!(code.as_deref(), Some("23503" | "23514")), "{constraint}: {error:?}");
        // The control: without the violating row it is fine.
        test.sql("DELETE FROM links WHERE note = 'nothing'").await;
        run(&test, &schema, &[file("0001_fk", constraint)]).await.expect("no row violates it");
    }
}

#[tokio::test]
async fn a_table_that_is_reached_without_its_name_fails_instead_of_lying() {
    let (test, schema) = with_rows().await;
    // The name is put together at run time, so FORCE stays on; row_security = off makes the server refuse.
    let hidden = "DO $$ BEGIN EXECUTE format('UPDATE %I SET text = ''x''', 'no' || 'tes'); END $$;";
    let error = run(&test, &schema, &[file("0001_hidden", hidden)]).await.expect_err("refused");
    let said = hedgerow_database::migrate::server_error(&error)
        .map(|error| error.message.clone())
        .unwrap_or_default();
    assert!(said.contains("row-level security"), "{error:?}");
    assert_eq!(test.column("SELECT string_agg(text, ' ' ORDER BY id) FROM notes").await, ["a b"]);
}

#[tokio::test]
async fn an_open_table_is_not_committed() {
    let (test, schema) = with_rows().await;
    for (text, problem) in [
        ("CREATE TABLE extra (id int);", "extra has row-level security disabled"),
        (
            "CREATE TABLE extra (id int); ALTER TABLE extra ENABLE ROW LEVEL SECURITY;",
            "extra has no FORCE ROW LEVEL SECURITY",
        ),
        (
            "CREATE TABLE extra (id int); ALTER TABLE extra ENABLE ROW LEVEL SECURITY; ALTER TABLE extra FORCE ROW LEVEL SECURITY;",
            "extra has no restrictive policy",
        ),
        ("ALTER TABLE notes DISABLE ROW LEVEL SECURITY;", "notes has row-level security disabled"),
        ("DROP POLICY hedgerow_floor_update ON notes;", "notes has no restrictive policy"),
    ] {
        let error = run(&test, &schema, &[file("0001_open", text)]).await.expect_err(problem);
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!(test.column("SELECT count(*) FROM pg_class WHERE relname = 'extra'").await, ["0"]);
    }
    // With FORCE taken off for the file and put back by the runner, nobody has to think of it.
    run(
        &test,
        &schema,
        &[file("0001_fine", "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY; SELECT count(*) FROM notes;")],
    )
    .await
    .expect("FORCE is back");
}
