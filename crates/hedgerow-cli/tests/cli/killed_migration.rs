//! kill -9 of `hedgerow migrate apply`, at every statement that it sends: the next one ends where an undisturbed run ends.
//!
//! The test stops the program itself: triggers count what it does, on tables and on Hedgerow's own records, and the one
//! of the wanted number sleeps. Each run is killed one further than the last, until one comes through.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hedgerow::database::migrate::{DataLoss, Look, MigrationFile, apply, look};
use hedgerow::schema::Roles;
use hedgerow::schema::drift::differences;
use hedgerow::{Schema, migrations};
use hedgerow_testing::{TestDatabase, schema_of};

use crate::project::{Project, Run};

const IN_STEPS: &str = r#"-- hedgerow: no-transaction
BEGIN;
ALTER TABLE links ADD COLUMN target text;
ALTER TABLE links ADD CONSTRAINT by_hand FOREIGN KEY (target) REFERENCES notes (id) NOT VALID;
COMMIT;
CREATE INDEX CONCURRENTLY by_target ON links (target);
UPDATE links SET target = note;
ALTER TABLE links VALIDATE CONSTRAINT by_hand;
DROP INDEX CONCURRENTLY old;
"#;

const AT_ONCE: &str = r#"
ALTER TABLE links ADD COLUMN target text;
UPDATE links SET target = note;
ALTER TABLE links ADD CONSTRAINT by_hand FOREIGN KEY (target) REFERENCES notes (id);
CREATE INDEX by_target ON links (target);
DROP INDEX old;
"#;

/// Counts in a schema of its own, which no fingerprint looks at.
const STOPS: &str = r#"
CREATE SCHEMA stops;
CREATE SEQUENCE stops.place;
CREATE TABLE stops.wanted (place bigint);
INSERT INTO stops.wanted VALUES (0);
CREATE FUNCTION stops.stop() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF nextval('stops.place') = (SELECT place FROM stops.wanted) THEN
    PERFORM pg_sleep(600);
  END IF;
END $$;
CREATE FUNCTION stops.row() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM stops.stop(); RETURN NULL; END $$;
CREATE FUNCTION stops.command() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM stops.stop(); END $$;
GRANT USAGE ON SCHEMA stops TO PUBLIC;
DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY '{hedgerow.migrations,hedgerow.migration_steps,hedgerow.unforced,hedgerow.state,public.links}'::text[] LOOP
    EXECUTE format('CREATE TRIGGER stop AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION stops.row()', name);
  END LOOP;
END $$;
-- DROP INDEX CONCURRENTLY allows nothing to have written before it.
CREATE EVENT TRIGGER before_command ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'CREATE INDEX')
  EXECUTE FUNCTION stops.command();
CREATE EVENT TRIGGER after_command ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE INDEX')
  EXECUTE FUNCTION stops.command();
"#;

const SIDE_BY_SIDE: usize = 4;

/// How far a run came.
#[derive(PartialEq)]
enum Reached {
    ThePlace,
    TheEnd,
}

fn schema() -> Schema {
    schema_of(&[
        ("notes", "fields.text = { type = \"text\" }"),
        ("links", "fields.note = { type = \"text\" }"),
    ])
}

struct Scene {
    project: Project,
    base: TestDatabase,
}

impl Scene {
    async fn new(file: &str) -> Self {
        let project = Project::new();
        project.write("entities/notes.toml", "name = \"notes\"\nfields.text = { type = \"text\" }\n");
        project.write("entities/links.toml", "name = \"links\"\nfields.note = { type = \"text\" }\n");
        project.write("migrations/0001_by_hand.sql", file);
        let base = TestDatabase::with(&schema()).await;
        base.sql(
            "INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'A', 'a@example.com'), ('bob', 'B', 'b@example.com');
             INSERT INTO notes (id, \"userId\") VALUES ('1', 'ann'), ('2', 'bob');
             INSERT INTO links (id, \"userId\", note) VALUES ('1', 'ann', '1'), ('2', 'bob', '2')",
        )
        .await;
        // What stands there before the first file is accepted as it is, the triggers too.
        base.sql(STOPS).await;
        base.sql("UPDATE hedgerow.state SET catalog = NULL").await;
        let old = "CREATE INDEX old ON notes (text);";
        project.write("migrations/0000_old.sql", old);
        let old = MigrationFile { name: "0000_old".into(), text: old.into(), down: None };
        apply(&base.owner, &Roles::default(), &[old], DataLoss::Refuse, |_| {}).await.expect("applied");
        base.sql("SELECT setval('stops.place', 1, false)").await;
        Self { project, base }
    }

    fn command(&self, test: &TestDatabase) -> std::process::Command {
        let mut command = self.project.command(&["migrate", "apply", "--json"]);
        command.env("DATABASE_URL", test.logins.tenant.to_string());
        command.env("DIRECT_DATABASE_URL", test.owner.to_string());
        command
    }

    /// Runs it to its end.
    fn apply(&self, test: &TestDatabase) -> Run {
        let output = self.command(test).output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Runs it until `stopped` finds something, and kills it; false where it came to its end before.
    async fn killed(&self, test: &TestDatabase, stopped: &str) -> bool {
        let mut program =
            self.command(test).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut ended = None;
        while test.column(stopped).await.is_empty() {
            ended = program.try_wait().expect("a status");
            if ended.is_some() {
                break;
            }
            assert!(Instant::now() < deadline, "it neither stops nor ends");
        }
        // SIGKILL.
        let _ = program.kill();
        let status = program.wait().expect("a status");
        assert!(ended.is_none() || status.success(), "{status}");
        ended.is_none()
    }
}

/// What an undisturbed run leads to, and what every other one has to.
async fn outcome(test: &TestDatabase) -> (Look, Vec<String>) {
    let seen = look(&test.owner).await.expect("a look");
    (seen, test.column("SELECT concat_ws(' ', id, note, target) FROM links ORDER BY id").await)
}

async fn assert_same(place: usize, test: &TestDatabase, (wanted, rows): &(Look, Vec<String>)) {
    let (seen, found) = outcome(test).await;
    let different: Vec<String> =
        differences(&seen.catalog, &wanted.catalog).iter().map(ToString::to_string).collect();
    assert!(seen.catalog == wanted.catalog && different.is_empty(), "{place}: {different:#?}");
    assert_eq!(&found, rows, "{place}");
    let history =
        |look: &Look| -> Vec<String> { look.records.iter().map(|record| record.name.clone()).collect() };
    assert_eq!(history(&seen), history(wanted), "{place}");
    assert_eq!(seen.interrupted, None, "{place}");
    let drift = migrations::check(&seen, &schema(), &Roles::default());
    assert!(drift.is_empty(), "{place}: {drift:?}");
    let left = "SELECT path FROM hedgerow.migration_steps UNION ALL SELECT name FROM hedgerow.unforced \
                UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \
                AND NOT (relforcerowsecurity AND relrowsecurity) \
                UNION ALL SELECT 'invalid index' FROM pg_index WHERE NOT indisvalid \
                UNION ALL SELECT 'before' FROM hedgerow.state WHERE before IS NOT NULL";
    assert_eq!(test.column(left).await, Vec::<String>::new(), "{place}");
}

/// Returns how many places there are.
async fn at_every_place(file: &str) -> usize {
    let scene = Scene::new(file).await;
    let undisturbed = scene.base.copy().await;
    scene.apply(&undisturbed).expect(0);
    let wanted = outcome(&undisturbed).await;
    assert_eq!(wanted.1, ["1 1 1", "2 2 2"]);
    assert_same(0, &undisturbed, &wanted).await;

    // Some side by side: most of the time goes by until the server notices that a program is gone.
    let (scene, wanted) = (Arc::new(scene), Arc::new(wanted));
    for first in (1..).step_by(SIDE_BY_SIDE) {
        let running: Vec<_> = (first..first + SIDE_BY_SIDE)
            .map(|place| tokio::spawn(at_place(place, scene.clone(), wanted.clone())))
            .collect();
        for (place, one) in (first..).zip(running) {
            if one.await.expect("no panic") == Reached::TheEnd {
                return place - 1;
            }
        }
    }
    unreachable!("a run comes to its end");
}

async fn at_place(place: usize, scene: Arc<Scene>, wanted: Arc<(Look, Vec<String>)>) -> Reached {
    let stopped =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let test = scene.base.copy().await;
    test.sql(&format!("UPDATE stops.wanted SET place = {place}")).await;
    if !scene.killed(&test, stopped).await {
        assert_same(place, &test, &wanted).await;
        return Reached::TheEnd;
    }
    // At once, while the server still runs the statement of the killed one.
    scene.apply(&test).expect(0);
    assert_same(place, &test, &wanted).await;
    // And there is nothing left to do.
    assert_eq!(scene.apply(&test).expect(0).json()["applied"], serde_json::json!([]), "{place}");
    Reached::ThePlace
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_file_in_steps_is_followed_from_where_it_ended() {
    let places = at_every_place(IN_STEPS).await;
    assert!(places >= 30, "{places}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_file_in_one_transaction_left_nothing() {
    let places = at_every_place(AT_ONCE).await;
    assert!(places >= 15, "{places}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_build_of_an_index_is_begun_anew() {
    let scene = Scene::new(IN_STEPS).await;
    let undisturbed = scene.base.copy().await;
    scene.apply(&undisturbed).expect(0);
    let wanted = outcome(&undisturbed).await;
    let test = scene.base.copy().await;
    // A build waits for whoever may still see the old rows; the index is there meanwhile, and is not valid.
    let reader = test.hold("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await;
    let waiting =
        "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('public.by_target') AND NOT indisvalid";
    assert!(scene.killed(&test, waiting).await);
    assert_eq!(test.column(waiting).await, ["1"]);
    reader.release().await;
    scene.apply(&test).expect(0);
    assert_same(0, &test, &wanted).await;
}
