//! Migrations: once, one at a time, all or nothing, there and back, and never believing what row-level security hides.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hedgerow_database::migrate::{
    self, Applied, DataLoss, Kind, Look, MigrateError, MigrateEvent, MigrationFile, apply, draft, look,
    rollback,
};
use hedgerow_schema::{Roles, Schema, ddl};
use hedgerow_testing::{TestDatabase, schema_of};

const NOTES: (&str, &str) = ("notes", "fields.text = { type = \"text\" }");
const LINKS: (&str, &str) = ("links", "fields.note = { type = \"text\" }");

fn file(name: &str, text: &str) -> MigrationFile {
    MigrationFile { name: name.to_owned(), text: text.to_owned(), down: None }
}

fn both_ways(name: &str, up: &str, down: &str) -> MigrationFile {
    MigrationFile { down: Some(down.to_owned()), ..file(name, up) }
}

async fn run(test: &TestDatabase, files: &[MigrationFile]) -> Result<Vec<Applied>, MigrateError> {
    apply(&test.owner, &Roles::default(), files, DataLoss::Refuse, |_| {}).await
}

async fn back(
    test: &TestDatabase,
    files: &[MigrationFile],
    count: usize,
) -> Result<Vec<Applied>, MigrateError> {
    rollback(&test.owner, &Roles::default(), files, count, DataLoss::Refuse, |_| {}).await
}

async fn seen(test: &TestDatabase) -> Look {
    look(&test.owner).await.expect("a look")
}

fn names(applied: &[Applied]) -> String {
    applied.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// The names of Hedgerow's own sets.
fn own_sets() -> Vec<&'static str> {
    ddl::core(&Roles::default()).iter().map(|set| set.name).collect()
}

fn code(error: &MigrateError) -> &str {
    migrate::server_error(error).map_or("", |server| server.code.code())
}

/// Rows of two tenants, and one that points at nothing.
async fn with_rows() -> TestDatabase {
    let test = TestDatabase::with(&schema_of(&[NOTES, LINKS])).await;
    test.sql(
        "INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'A', 'a@example.com'), ('bob', 'B', 'b@example.com');
         INSERT INTO notes (id, \"userId\", text) VALUES ('1', 'ann', 'a'), ('2', 'bob', 'b');
         INSERT INTO links (id, \"userId\", note) VALUES ('1', 'ann', '1'), ('2', 'bob', 'nothing')",
    )
    .await;
    test
}

/// Nothing is left open or half done.
async fn assert_tidy(test: &TestDatabase) {
    let forced = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') \
                  AND NOT (relforcerowsecurity AND relrowsecurity)";
    assert_eq!(test.column(forced).await, Vec::<String>::new(), "FORCE");
    let left = "SELECT path FROM hedgerow.migration_steps UNION ALL SELECT name FROM hedgerow.unforced \
                UNION ALL SELECT 'before' FROM hedgerow.state WHERE before IS NOT NULL";
    assert_eq!(test.column(left).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_applied_stays_applied_and_is_not_applied_again() {
    let test = TestDatabase::empty().await;
    let files =
        [file("0001_one", "CREATE VIEW one AS SELECT 1 AS one;"), file("0002_nothing", "-- nothing yet\n")];
    assert_eq!(
        names(&run(&test, &files).await.expect("applied")),
        [own_sets(), vec!["0001_one", "0002_nothing"]].concat().join(" ")
    );
    assert_eq!(names(&run(&test, &files).await.expect("applied")), "");
    let records = seen(&test).await.records;
    let kept: Vec<_> =
        records.iter().map(|record| (record.kind, record.name.as_str(), record.text.is_some())).collect();
    let own = own_sets().into_iter().map(|name| (Kind::Core, name, true));
    let files = [(Kind::File, "0001_one", true), (Kind::File, "0002_nothing", true)];
    assert_eq!(kept, own.chain(files).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.checksum.len() == 64));
    assert_tidy(&test).await;
}

#[tokio::test]
async fn what_was_applied_cannot_be_edited() {
    let test = with_rows().await;
    run(&test, &[file("0001_x", "SELECT 1;\nSELECT 2;\n")]).await.expect("applied");
    let error = run(&test, &[file("0001_x", "SELECT 1;\nSELECT 3;\n")]).await.expect_err("edited");
    let said = error.to_string();
    assert!(matches!(error, MigrateError::Edited { .. }), "{said}");
    assert!(said.starts_with("migrations/0001_x.sql was changed after it was applied"), "{said}");
    assert!(said.contains("\n-SELECT 2;\n+SELECT 3;"), "{said}");
    test.sql("INSERT INTO hedgerow.migrations VALUES ('core', '9999_future', '', now(), 0)").await;
    let error = run(&test, &[]).await.expect_err("newer");
    assert!(matches!(&error, MigrateError::Newer(name) if name == "9999_future"), "{error}");
}

#[tokio::test]
async fn a_failing_file_leaves_nothing_and_names_its_line() {
    let test = with_rows().await;
    let files = [
        file("0001_good", "CREATE INDEX good ON notes (text);"),
        file("0002_bad", "CREATE INDEX bad ON notes (text);\n\nSELECT 'a',\n  nothing FROM notes;"),
        file("0003_never", "CREATE INDEX never ON notes (text);"),
    ];
    let error = run(&test, &files).await.expect_err("it fails");
    assert_eq!(error.to_string(), "migrations/0002_bad.sql failed at line 4");
    let indexes = "SELECT indexname FROM pg_indexes WHERE indexname IN ('good', 'bad', 'never')";
    assert_eq!(test.column(indexes).await, ["good"]);
    for (text, line) in [
        ("SELECT 1;\nCOMMIT;\nBEGIN;", 2),
        ("-- hedgerow: no-transactoin\n", 1),
        ("-- hedgerow: no-transaction\nBEGIN;", 2),
    ] {
        let error = run(&test, &[files[0].clone(), file("0002_own", text)]).await.expect_err(text);
        assert!(matches!(&error, MigrateError::Script { source, .. } if source.line == line), "{error}");
        assert!(error.to_string().starts_with(&format!("migrations/0002_own.sql: line {line}: ")), "{error}");
    }
    // What a failing file did before the mistake is nobody's drift.
    let look = seen(&test).await;
    assert_eq!(look.accepted.as_ref(), Some(&look.catalog));
    assert_tidy(&test).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runners_one_applies_and_none_fails() {
    let base = TestDatabase::empty().await;
    let up = "-- hedgerow: no-transaction\n\
              CREATE VIEW steps AS SELECT 1 AS one;\n\
              COMMENT ON VIEW steps IS 'x';";
    let files = [
        file("0001_one", "CREATE VIEW one AS SELECT 1 AS one; SELECT pg_sleep(0.1);"),
        file("0002_steps", up),
        file("0003_three", "CREATE VIEW three AS SELECT 3 AS three;"),
    ];
    for _ in 0..20 {
        let test = base.copy().await;
        let runner = async || {
            let mut waited = false;
            let report = |event| waited |= event == MigrateEvent::Waiting;
            let applied = apply(&test.owner, &Roles::default(), &files, DataLoss::Refuse, report).await;
            (names(&applied.expect("applied")), waited)
        };
        let (one, two) = tokio::join!(runner(), runner());
        let mut both = [one, two];
        both.sort();
        let files = ["0001_one", "0002_steps", "0003_three"];
        let all = [own_sets(), files.to_vec()].concat().join(" ");
        assert_eq!(both, [(String::new(), true), (all, false)]);
        let history = "SELECT kind || ' ' || name FROM hedgerow.migrations ORDER BY \"appliedAt\", name";
        let own = own_sets().into_iter().map(|name| format!("core {name}"));
        let expected: Vec<String> = own.chain(files.map(|name| format!("file {name}"))).collect();
        assert_eq!(test.column(history).await, expected);
        assert_tidy(&test).await;
    }
}

#[tokio::test]
async fn a_backfill_reaches_the_rows_of_every_tenant() {
    // Under FORCE the owner would see no row, and UPDATE would change none, without a word.
    for way in ["", "-- hedgerow: no-transaction\n"] {
        let test = with_rows().await;
        let text = format!("{way}UPDATE notes SET text = text || '!';");
        run(&test, &[file("0001_backfill", &text)]).await.expect("applied");
        assert_eq!(test.column("SELECT string_agg(text, ' ' ORDER BY id) FROM notes").await, ["a! b!"]);
        assert_tidy(&test).await;
    }
}

#[tokio::test]
async fn a_violating_row_makes_a_constraint_fail() {
    for constraint in [
        "ALTER TABLE links ADD FOREIGN KEY (note) REFERENCES notes (id);",
        "ALTER TABLE links ADD CONSTRAINT fk FOREIGN KEY (note) REFERENCES notes (id) NOT VALID; ALTER TABLE links VALIDATE CONSTRAINT fk;",
        "-- hedgerow: no-transaction\nALTER TABLE links ADD CONSTRAINT fk FOREIGN KEY (note) REFERENCES notes (id) NOT VALID;\n\
         ALTER TABLE links VALIDATE CONSTRAINT fk;",
        "-- hedgerow: no-transaction\nALTER TABLE links ADD CONSTRAINT fk FOREIGN KEY (note) REFERENCES notes (id) NOT VALID;\n\
         ALTER TABLE public.\"links\" VALIDATE CONSTRAINT \"fk\";",
        "ALTER TABLE links ADD CHECK (note <> 'nothing');",
        "ALTER TABLE links ADD CONSTRAINT fk CHECK (note <> 'nothing') NOT VALID; ALTER TABLE links VALIDATE CONSTRAINT fk;",
    ] {
        let test = with_rows().await;
        let files = [file("0001_fk", constraint)];
        let error = run(&test, &files).await.expect_err("a row violates it");
        assert!(matches!(code(&error), "23503" | "23514"), "{constraint}: {error:?}");
        let forced =
            "SELECT bool_and(relforcerowsecurity)::text FROM pg_class WHERE relname IN ('notes', 'links')";
        assert_eq!(test.column(forced).await, ["true"], "{constraint}");
        // The control: without the violating row it is fine, and a file in steps goes on.
        test.sql("DELETE FROM links WHERE note = 'nothing'").await;
        run(&test, &files).await.expect("no row violates it");
        assert_tidy(&test).await;
    }
}

#[tokio::test]
async fn a_table_that_is_reached_without_its_name_fails_instead_of_lying() {
    // The name is put together at run time, so FORCE stays on; row_security = off makes the server refuse.
    for way in ["", "-- hedgerow: no-transaction\n"] {
        let test = with_rows().await;
        let hidden =
            format!("{way}DO $$ BEGIN EXECUTE format('UPDATE %I SET text = ''x''', 'no' || 'tes'); END $$;");
        let error = run(&test, &[file("0001_hidden", &hidden)]).await.expect_err("refused");
        let said = migrate::server_error(&error).map(|error| error.message.clone()).unwrap_or_default();
        assert!(said.contains("row-level security"), "{error:?}");
        assert_eq!(test.column("SELECT string_agg(text, ' ' ORDER BY id) FROM notes").await, ["a b"]);
    }
}

#[tokio::test]
async fn an_open_table_is_not_committed() {
    let base = with_rows().await;
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
        for way in ["", "-- hedgerow: no-transaction\nBEGIN;\n"] {
            let test = base.copy().await;
            let text = if way.is_empty() { text.to_owned() } else { format!("{way}{text}\nCOMMIT;") };
            let error = run(&test, &[file("0001_open", &text)]).await.expect_err(problem);
            assert!(error.to_string().contains(problem), "{error}");
            assert_eq!(test.column("SELECT count(*) FROM pg_class WHERE relname = 'extra'").await, ["0"]);
            assert_tidy(&test).await;
        }
    }
    // A file that takes FORCE off itself has to put it back, although it need not think of it at all.
    let open = "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY; UPDATE notes SET text = 'c';";
    let error = run(&base, &[file("0001_fine", open)]).await.expect_err("FORCE is off");
    assert!(error.to_string().contains("notes has no FORCE ROW LEVEL SECURITY"), "{error}");
    let fine = format!("{open} ALTER TABLE notes FORCE ROW LEVEL SECURITY; SELECT count(*) FROM links;");
    run(&base, &[file("0001_fine", &fine)]).await.expect("FORCE is back");
    assert_tidy(&base).await;
}

const IN_STEPS: &str = "-- hedgerow: no-transaction\n\
    ALTER TABLE notes ADD COLUMN a int;\n\
    ALTER TABLE notes ADD COLUMN b int;\n\
    ALTER TABLE notes ADD COLUMN c nonsense;\n";

#[tokio::test]
async fn a_half_applied_file_may_be_changed_only_behind_what_is_done() {
    let test = with_rows().await;
    let error = run(&test, &[file("0001_steps", IN_STEPS)]).await.expect_err("no such type");
    assert_eq!(error.to_string(), "migrations/0001_steps.sql failed at line 4");
    let look = seen(&test).await;
    assert_eq!(look.interrupted.as_deref(), Some("migrations/0001_steps.sql"));
    assert_eq!(look.accepted.as_ref(), Some(&look.catalog), "what was done is the file's work, no drift");
    let changed = |from: &str, to: &str| [file("0001_steps", &IN_STEPS.replace(from, to))];
    let error = run(&test, &changed("b int", "b text")).await.expect_err("that is done");
    assert!(
        matches!(&error, MigrateError::EditedMidway { name, done: 2 } if name == "0001_steps"),
        "{error}"
    );
    let error =
        run(&test, &changed("ALTER TABLE notes ADD COLUMN b int;\n", "")).await.expect_err("that is done");
    assert!(matches!(error, MigrateError::EditedMidway { .. }), "{error}");
    // Neither another file nor a way back goes between.
    for files in [
        vec![],
        vec![file("0002_other", "SELECT 1")],
        vec![file("0000_first", "SELECT 1"), file("0001_steps", IN_STEPS)],
    ] {
        let error = run(&test, &files).await.expect_err("the file is gone");
        assert!(matches!(&error, MigrateError::Interrupted { command: "apply", .. }), "{error}");
    }
    let error = back(&test, &[file("0001_steps", IN_STEPS)], 1).await.expect_err("half done");
    assert!(matches!(error, MigrateError::Interrupted { command: "apply", .. }), "{error}");
    let mut events = Vec::new();
    let files = changed("nonsense", "text");
    let applied =
        apply(&test.owner, &Roles::default(), &files, DataLoss::Refuse, |event| events.push(event)).await;
    assert_eq!(names(&applied.expect("it goes on")), "0001_steps");
    assert_eq!(events[0], MigrateEvent::Resuming { name: "migrations/0001_steps.sql".into(), done: 2 });
    assert!(matches!(&events[1], MigrateEvent::Step { step: 3, steps: 3, .. }), "{events:?}");
    assert_tidy(&test).await;
    let look = seen(&test).await;
    assert_eq!(look.accepted.as_ref(), Some(&look.catalog));
}

#[tokio::test]
async fn a_way_back_in_steps_goes_on_too() {
    let test = with_rows().await;
    let up = "ALTER TABLE notes ADD COLUMN a int; ALTER TABLE notes ADD COLUMN b int;";
    let down = "-- hedgerow: no-transaction\nALTER TABLE notes DROP COLUMN a;\nALTER TABLE notes DROP COLUMN nonsense;\n";
    let files = [both_ways("0001_steps", up, down)];
    run(&test, &files).await.expect("applied");
    back(&test, &files, 1).await.expect_err("no such column");
    let error = run(&test, &files).await.expect_err("half undone");
    assert!(matches!(error, MigrateError::Interrupted { command: "rollback", .. }), "{error}");
    let files = [both_ways("0001_steps", up, &down.replace("nonsense", "b"))];
    assert_eq!(names(&back(&test, &files, 1).await.expect("it goes on")), "0001_steps");
    assert_tidy(&test).await;
}

#[tokio::test]
async fn what_loses_data_needs_a_word_and_says_how_much() {
    let base = with_rows().await;
    base.sql("ALTER TABLE notes ADD COLUMN empty text; CREATE TABLE nobody (LIKE links); DROP TABLE nobody")
        .await;
    for (text, lost) in [
        ("DROP TABLE links;", "table links (2 rows)"),
        ("TRUNCATE public.\"links\";", "table links (2 rows)"),
        ("ALTER TABLE notes DROP COLUMN text;", "column notes.text (2 rows)"),
        ("ALTER TABLE notes DROP text, DROP COLUMN empty;", "column notes.text (2 rows)"),
        ("-- hedgerow: no-transaction\nALTER TABLE notes DROP COLUMN text;", "column notes.text (2 rows)"),
        (
            "-- hedgerow: loses values notes.text\nALTER TABLE notes ALTER text TYPE char(1);",
            "values of notes.text that do not fit the new type (2 rows)",
        ),
    ] {
        let test = base.copy().await;
        let before = seen(&test).await.catalog;
        let files = [file("0001_loss", text)];
        let error = run(&test, &files).await.expect_err(text);
        let said = format!("migrations/0001_loss.sql would lose data: {lost}; nothing was changed");
        assert_eq!(error.to_string(), said);
        assert_eq!(seen(&test).await.catalog, before);
        assert_tidy(&test).await;
        apply(&test.owner, &Roles::default(), &files, DataLoss::Allow, |_| {}).await.expect("it may");
    }
    // One row, and nothing to lose.
    let test = base.copy().await;
    test.sql("DELETE FROM notes WHERE id = '2'; UPDATE links SET note = NULL").await;
    let error = run(&test, &[file("0001_loss", "DROP TABLE notes;")]).await.expect_err("a row");
    assert!(error.to_string().contains("table notes (1 row);"), "{error}");
    let nothing = "ALTER TABLE notes DROP COLUMN empty; ALTER TABLE links DROP COLUMN note; DROP TABLE IF EXISTS unknown;";
    run(&test, &[file("0001_nothing", nothing)]).await.expect("nothing is lost");
}

#[tokio::test]
async fn a_way_back_restores_what_was() {
    let test = with_rows().await;
    let before = seen(&test).await;
    let schema = schema_of(&[
        (
            "notes",
            "fields.text = { type = \"text\", required = true, unique = true, max_length = 50 }\n\
             fields.due = { type = \"date\", indexed = true }",
        ),
        (
            "labels",
            "fields.name = { type = \"text\" }\nfields.note = { type = \"relation\", entity = \"notes\" }",
        ),
    ]);
    let (up, down) = before.files(&schema, &Roles::default(), "0001_change");
    let files = [both_ways("0001_change", &up, &down)];
    // The table `links` goes, with its rows.
    let error = run(&test, &files).await.expect_err("rows are lost");
    assert!(error.to_string().contains("table links (2 rows)"), "{error}");
    test.sql("DELETE FROM links").await;
    run(&test, &files).await.expect("applied");
    let after = seen(&test).await;
    assert!(after.plan(&schema, &Roles::default(), hedgerow_schema::diff::Pace::Online).is_empty());
    assert_eq!(after.accepted.as_ref(), Some(&after.catalog));

    test.sql("INSERT INTO labels (\"userId\", name) VALUES ('ann', 'x'); UPDATE notes SET due = '2026-01-31' WHERE id = '1'").await;
    let error = back(&test, &files, 1).await.expect_err("rows are lost");
    let said = error.to_string();
    assert!(said.contains("column notes.due (1 row)") && said.contains("table labels (1 row)"), "{said}");
    assert!(said.starts_with("migrations/0001_change.down.sql would lose data"), "{said}");
    assert_eq!(seen(&test).await.catalog, after.catalog);
    let undone = rollback(&test.owner, &Roles::default(), &files, 1, DataLoss::Allow, |_| {}).await;
    assert_eq!(names(&undone.expect("undone")), "0001_change");
    let again = seen(&test).await;
    assert_eq!(again.catalog, before.catalog);
    assert_eq!(again.accepted, Some(before.catalog));
    assert_eq!(again.records, before.records);
    assert_eq!(test.column("SELECT string_agg(text, ' ' ORDER BY id) FROM notes").await, ["a b"]);
    assert_tidy(&test).await;

    // And forward again. A file without a way back, and one that is gone, are named.
    run(&test, &files).await.expect("applied again");
    let error = back(&test, &[file("0001_change", &up)], 1).await.expect_err("no way back");
    assert!(matches!(error, MigrateError::NoWayBack { .. }), "{error}");
    let error = back(&test, &[], 1).await.expect_err("gone");
    assert!(matches!(error, MigrateError::Gone(_)), "{error}");
}

#[tokio::test]
async fn several_files_are_undone_newest_first() {
    let test = with_rows().await;
    let one = |n: u32| {
        both_ways(
            &format!("000{n}_v{n}"),
            &format!("CREATE VIEW v{n} AS SELECT 1 AS one;"),
            &format!("DROP VIEW v{n};"),
        )
    };
    let files = [one(1), one(2), one(3)];
    run(&test, &files).await.expect("applied");
    assert_eq!(names(&back(&test, &files, 2).await.expect("undone")), "0003_v3 0002_v2");
    assert_eq!(names(&run(&test, &files).await.expect("applied")), "0002_v2 0003_v3");
    assert_eq!(names(&back(&test, &files, 9).await.expect("undone")), "0003_v3 0002_v2 0001_v1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_transaction_keeps_the_migration_waiting_and_nobody_else() {
    let lost = "ALTER TABLE notes DROP COLUMN text;";
    for (text, loss) in [
        ("ALTER TABLE notes ADD COLUMN due date;", DataLoss::Refuse),
        ("UPDATE notes SET text = 'c';", DataLoss::Refuse),
        (
            "-- hedgerow: no-transaction\nBEGIN;\nUPDATE notes SET text = 'c';\nALTER TABLE notes ADD COLUMN due date;\nCOMMIT;",
            DataLoss::Refuse,
        ),
        (
            "-- hedgerow: no-transaction\nALTER TABLE links ADD FOREIGN KEY (note) REFERENCES notes (id);",
            DataLoss::Refuse,
        ),
        (lost, DataLoss::Allow),
        (lost, DataLoss::Refuse),
    ] {
        let test = with_rows().await;
        test.sql("DELETE FROM links").await;
        let mode = if text.contains("FOREIGN KEY") { "ROW EXCLUSIVE" } else { "ACCESS SHARE" };
        let long = test.hold(&format!("BEGIN; LOCK TABLE notes IN {mode} MODE")).await;

        let (busy, ended) = (AtomicU32::new(0), AtomicU32::new(0));
        let files = [file("0001_lock", text)];
        let migration = async {
            let report = |event| {
                if let MigrateEvent::Busy { attempts } = event {
                    busy.store(attempts, Ordering::Relaxed);
                }
            };
            let outcome = apply(&test.owner, &Roles::default(), &files, loss, report).await;
            ended.store(1, Ordering::Relaxed);
            outcome
        };
        // Readers go on, each within about a second, while the migration tries again and again.
        let readers = async {
            let mut longest = Duration::ZERO;
            let deadline = Instant::now() + Duration::from_secs(60);
            while busy.load(Ordering::Relaxed) < 3 {
                assert!(ended.load(Ordering::Relaxed) == 0 && Instant::now() < deadline, "{text}");
                let start = Instant::now();
                test.column("SELECT count(*) FROM notes").await;
                longest = longest.max(start.elapsed());
            }
            long.release().await;
            longest
        };
        let (outcome, longest) = tokio::join!(migration, readers);
        assert!(longest < Duration::from_secs(5), "{text}: {longest:?}");
        match (text, loss) {
            (text, DataLoss::Refuse) if text == lost => {
                let error = outcome.expect_err("the loss is counted as soon as the table is free");
                assert!(error.to_string().contains("column notes.text (2 rows)"), "{error}");
            }
            _ => assert_eq!(names(&outcome.expect("applied")), "0001_lock"),
        }
        assert_tidy(&test).await;
    }
}

#[tokio::test]
async fn a_draft_follows_the_entities_and_loses_nothing_unasked() {
    let test = with_rows().await;
    let roles = Roles::default();
    let save = async |schema: &Schema, loss| draft(&test.owner, &roles, schema, loss, |_| {}).await;
    let changed =
        schema_of(&[("notes", "fields.title = { type = \"text\", renamed_from = \"text\" }"), LINKS]);
    let plan = save(&changed, DataLoss::Refuse).await.expect("a rename loses nothing");
    assert!(!plan.is_empty());
    assert_eq!(test.column("SELECT string_agg(title, ' ' ORDER BY id) FROM notes").await, ["a b"]);
    let before = seen(&test).await;
    let error = save(&schema_of(&[NOTES]), DataLoss::Refuse).await.expect_err("rows are lost");
    assert!(error.to_string().contains("column notes.title (2 rows)"), "{error}");
    assert!(error.to_string().contains("table links (2 rows)"), "{error}");
    assert_eq!(seen(&test).await.catalog, before.catalog);
    save(&schema_of(&[NOTES]), DataLoss::Allow).await.expect("it may");
    assert!(save(&schema_of(&[NOTES]), DataLoss::Refuse).await.expect("nothing to do").is_empty());
    let look = seen(&test).await;
    assert_eq!(look.accepted.as_ref(), Some(&look.catalog));
    assert_tidy(&test).await;

    // A file that does the same takes the drafts' place.
    assert!(look.records.iter().any(|record| record.kind == Kind::Draft));
    migrate::adopt(&test.owner, &roles, &[&file("0001_init", "CREATE TABLE never_run ();")])
        .await
        .expect("adopted");
    let kinds: Vec<Kind> = seen(&test).await.records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [vec![Kind::Core; own_sets().len()], vec![Kind::File]].concat());
    assert_eq!(
        names(&run(&test, &[file("0001_init", "CREATE TABLE never_run ();")]).await.expect("applied")),
        ""
    );
}

#[tokio::test]
async fn what_others_change_by_hand_is_no_migrations_work() {
    let test = with_rows().await;
    test.sql("CREATE VIEW by_hand AS SELECT 1 AS one").await;
    run(&test, &[file("0001_x", "CREATE VIEW by_file AS SELECT 1 AS one;")]).await.expect("applied");
    let accepted = seen(&test).await.accepted.expect("accepted");
    let views: Vec<&String> = accepted.others.keys().filter(|name| name.starts_with("view")).collect();
    assert_eq!(views, ["view by_file"]);
}

#[tokio::test]
async fn a_run_that_does_nothing_accepts_nothing() {
    let test = with_rows().await;
    let files = [file("0001_x", "CREATE VIEW by_file AS SELECT 1 AS one;")];
    run(&test, &files).await.expect("applied");
    let state = "SELECT revision || ' ' || catalog::text FROM hedgerow.state";
    let before = test.column(state).await;
    test.sql("CREATE VIEW by_hand AS SELECT 1 AS one").await;
    run(&test, &files).await.expect("nothing to do");
    run(&test, &[file("0001_x", "SELECT 1;")]).await.expect_err("edited");
    back(&test, &files, 1).await.expect_err("no way back");
    let schema = schema_of(&[NOTES, LINKS]);
    let plan = draft(&test.owner, &Roles::default(), &schema, DataLoss::Refuse, |_| {}).await;
    assert!(plan.expect("nothing to do").is_empty());
    assert_eq!(test.column(state).await, before);
    assert_tidy(&test).await;
}
