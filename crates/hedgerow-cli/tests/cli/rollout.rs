//! A migration under running servers: the new version is taken up without a restart, and the old one goes on working on
//! a database one step ahead.

use std::time::{Duration, Instant};

use hedgerow_testing::TestDatabase;

use crate::project::{NOTES, Project, Running, environment, get, send};

/// A project whose database is one of one's own, and an administrator's key.
pub(crate) struct Deployment {
    pub(crate) project: Project,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) database: TestDatabase,
    pub(crate) key: String,
}

impl Deployment {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::empty().await;
        let environment = environment(&database.logins, &database.owner);
        let mut made = Self { project: Project::new(), environment, database, key: String::new() };
        made.migrate("init");
        made.run(&["user", "create", "--email", "ann@example.com"]);
        let arguments = ["key", "create", "--user", "ann@example.com", "--name", "k", "--scope", "*"];
        made.key = made.run(&arguments).trim().to_owned();
        made
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.project.run_with(arguments, &self.environment).expect(0).out
    }

    fn migrate(&self, name: &str) {
        self.run(&["migrate", "new", name]);
        self.run(&["migrate", "apply"]);
    }

    /// `hedgerow serve` of a project, with its address.
    pub(crate) fn serve(&self, project: &Project) -> (Running, String) {
        let mut command = project.command(&["serve", "--port", "0"]);
        command.envs(self.environment.iter().filter(|(name, _)| *name != "DIRECT_DATABASE_URL").cloned());
        let mut serve = Running::start(command);
        let address = serve.address();
        (serve, address)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_takes_up_an_applied_migration_without_a_restart() {
    let deployment = Deployment::new().await;
    let (project, key) = (&deployment.project, &deployment.key);
    let (mut serve, address) = deployment.serve(project);
    assert_eq!(get(&address, key, "/api/v1/notes"), (200, "[]".to_owned()));
    assert_eq!(get(&address, key, "/api/v1/tasks").0, 404);

    project.write("entities/tasks.toml", &NOTES.replace("notes", "tasks"));
    project.write("entities/notes.toml", &format!("{NOTES}fields.due = {{ type = \"date\" }}\n"));
    deployment.run(&["migrate", "new", "tasks"]);
    assert_eq!(get(&address, key, "/api/v1/tasks").0, 404, "a file alone changes nothing");
    deployment.run(&["migrate", "apply"]);
    let applied = Instant::now();
    while get(&address, key, "/api/v1/tasks").0 != 200 {
        assert!(applied.elapsed() < Duration::from_secs(60), "{}", serve.said());
    }
    serve.wait_for("a migration was applied; the entity files were read anew and are in use");
    assert_eq!(send(&address, key, "POST", "/api/v1/notes", r#"{"text":"a","due":"2026-01-31"}"#).0, 201);

    // Entity files that ask for more than the database has: the API stays as it was.
    project.write(
        "entities/tasks.toml",
        &format!("{NOTES}fields.more = {{ type = \"text\" }}\n").replace("notes", "tasks"),
    );
    project.write("migrations/0003_view.sql", "CREATE VIEW one AS SELECT 1 AS one;");
    deployment.run(&["migrate", "apply"]);
    let said = serve.wait_for("the entity files do not fit the database; the API stays as it was");
    assert!(said.contains("column \\\"more\\\" of tasks is missing"), "{said}");
    assert_eq!(get(&address, key, "/api/v1/tasks?select=text,n"), (200, "[]".to_owned()));
    assert_eq!(serve.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_goes_on_working_one_step_behind() {
    let deployment = Deployment::new().await;
    let key = &deployment.key;
    // The old version keeps its files; the new one has others.
    let old = Project::new();
    let (mut serve, address) = deployment.serve(&old);
    assert_eq!(send(&address, key, "POST", "/api/v1/notes", r#"{"text":"before","n":1}"#).0, 201);

    let new = &deployment.project;
    let wider = format!(
        "{NOTES}fields.state = {{ type = \"select\", options = [\"open\", \"done\"], default = \"open\", required = true, \
         indexed = true }}\n"
    );
    new.write("entities/notes.toml", &wider);
    new.write("entities/tasks.toml", &NOTES.replace("notes", "tasks"));
    deployment.migrate("expand");
    let works = |address: &str, n: u32| {
        let body = format!(r#"{{"text":"after","n":{n}}}"#);
        assert_eq!(send(address, key, "POST", "/api/v1/notes", &body).0, 201);
        let (status, row) = get(address, key, &format!("/api/v1/notes?n=eq.{n}"));
        assert!(status == 200 && row.contains("\"after\"") && !row.contains("state"), "{status} {row}");
        let path = format!("/api/v1/notes?n=eq.{n}");
        assert_eq!(send(address, key, "PATCH", &path, r#"{"text":"changed"}"#).0, 200);
        assert_eq!(get(address, key, "/api/v1/tasks").0, 404);
    };
    works(&address, 2);
    serve.wait_for("a migration was applied");
    works(&address, 3);
    assert_eq!(serve.stop().0, Some(0));

    // It starts on the newer database, and says that it is one.
    let (mut serve, address) = deployment.serve(&old);
    let said = serve.wait_for("the database has more than the entity files");
    assert!(said.contains("column \"state\" of notes"), "{said}");
    works(&address, 4);
    // Beside it the new version, with the rows of both.
    let (_new, address) = deployment.serve(new);
    let (status, rows) = get(&address, key, "/api/v1/notes?select=n,state&order=n");
    assert_eq!(status, 200);
    assert_eq!(
        rows,
        [1, 2, 3, 4].map(|n| format!(r#"{{"n":{n},"state":"open"}}"#)).join(",").replacen('{', "[{", 1) + "]"
    );
    assert_eq!(serve.stop().0, Some(0));
}
