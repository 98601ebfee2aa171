//! `hedgerow dev`: one command to a running API, and on with every saved file.

use std::time::{Duration, Instant};

use crate::project::{NOTES, Project, get, send};

#[test]
fn the_printed_request_works_and_the_next_start_finds_everything_again() {
    let project = Project::new();
    project.write("seeds/0001_first.sql", "INSERT INTO notes (text, n) VALUES ('from the seed', 1);");
    let mut dev = project.dev();
    let (address, key) = dev.address_and_key();
    let (status, body) = get(&address, &key, "/api/v1/notes?select=text");
    assert_eq!((status, body.as_str()), (200, r#"[{"text":"from the seed"}]"#));
    assert_eq!(get(&address, &key, "/readyz").0, 200);
    // Commands use the running server, and a second `dev` says who is there.
    assert!(project.run(&["user", "list"]).expect(0).out.contains("dev@example.com"));
    let second = project.run(&["dev", "--port", "0"]).expect(1);
    assert!(second.err.contains("already"), "{}", second.err);
    let (code, said) = dev.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        !project.path().join(".hedgerow/postgres/data/postmaster.pid").exists(),
        "PostgreSQL is stopped, too"
    );

    let mut dev = project.dev();
    let (address, same) = dev.address_and_key();
    assert_eq!(same, key, "the key is kept");
    let (_, body) = get(&address, &key, "/api/v1/notes?select=text");
    assert_eq!(body, r#"[{"text":"from the seed"}]"#, "the seed is not planted twice");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(project.path().join(".hedgerow/dev-key")).expect("the key").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn saved_files_are_followed_within_three_seconds() {
    let project = Project::new();
    let mut dev = project.dev();
    let (address, key) = dev.address_and_key();
    assert_eq!(get(&address, &key, "/api/v1/tasks").0, 404);
    let saved = Instant::now();
    project.write("entities/tasks.toml", &NOTES.replace("notes", "tasks"));
    let said = dev.wait_for("the API follows the changed files");
    assert!(saved.elapsed() < Duration::from_secs(3), "{:?}", saved.elapsed());
    assert!(said.contains("  table tasks is made, with its indexes, policies and rights\n"), "{said}");
    assert_eq!(send(&address, &key, "POST", "/api/v1/tasks", r#"{"text":"a","n":1}"#).0, 201);

    // A table that is there follows, too.
    let saved = Instant::now();
    let renamed = "name = \"tasks\"\nfields.title = { type = \"text\", renamed_from = \"text\", indexed = true, \
                   max_length = 100 }\nfields.n = { type = \"integer\" }\n";
    project.write("entities/tasks.toml", renamed);
    let said = dev.wait_for("column \"text\" of tasks is renamed to title");
    assert!(saved.elapsed() < Duration::from_secs(3), "{:?}", saved.elapsed());
    dev.wait_for_count("the API follows the changed files", 2);
    assert!(!said.contains("loses data"), "{said}");
    assert_eq!(
        get(&address, &key, "/api/v1/tasks?select=title,n"),
        (200, r#"[{"title":"a","n":1}]"#.to_owned())
    );

    // A mistake, and a change that loses what is there: said, and the API stays as it was.
    project.write("entities/tasks.toml", "name = \"tasks\"\nfields.text = { type = \"txt\" }\n");
    dev.wait_for("there is no type \"txt\"");
    project.write("entities/tasks.toml", "name = \"tasks\"\nfields.n = { type = \"integer\" }\n");
    let said = dev.wait_for("the change would lose data: column tasks.title (1 row); nothing was changed");
    assert!(said.contains("the API stays as it was"), "{said}");
    assert_eq!(get(&address, &key, "/api/v1/tasks?select=title").1, r#"[{"title":"a"}]"#);
    // What nobody filled may go.
    assert_eq!(send(&address, &key, "PATCH", "/api/v1/tasks?n=eq.1", r#"{"title":null}"#).0, 200);
    project.write("entities/tasks.toml", "name = \"tasks\"\nfields.n = { type = \"integer\" }\n# again\n");
    dev.wait_for("column \"title\" of tasks is dropped");
    dev.wait_for_count("the API follows the changed files", 3);
    assert_eq!(get(&address, &key, "/api/v1/tasks?select=n").1, r#"[{"n":1}]"#);

    // Drafts become a file, which this database counts as applied.
    let made = project.run(&["migrate", "new", "init", "--json"]).expect(0).json();
    assert_eq!((&made["name"], &made["adopted"]), (&"0001_init".into(), &true.into()));
    let status = project.run(&["migrate", "status", "--json"]).expect(0).json();
    let states: Vec<_> =
        status.as_array().expect("a list").iter().map(|line| (&line["name"], &line["state"])).collect();
    assert_eq!(states, [(&"0001_init".into(), &"applied".into())]);
    assert_eq!(
        project.run(&["migrate", "apply", "--json"]).expect(0).json()["applied"],
        serde_json::json!([])
    );
    project.run(&["migrate", "check"]).expect(0);

    // A file by hand is applied as soon as it is saved.
    project.write(
        "migrations/0002_view.sql",
        "CREATE VIEW numbers WITH (security_invoker = true) AS SELECT n FROM tasks;",
    );
    dev.wait_for("applied file 0002_view");
}

#[test]
fn a_file_that_would_fail_in_the_middle_changes_nothing() {
    let project = Project::new();
    let mut dev = crate::project::Running::start(project.command(&["dev", "--port", "0"]));
    let (address, key) = dev.address_and_key();
    assert_eq!(send(&address, &key, "POST", "/api/v1/notes", r#"{"text":"a","n":1}"#).0, 201);
    project.run(&["migrate", "new", "init"]).expect(0);
    let notes = std::fs::read_to_string(project.path().join("entities/notes.toml")).expect("the file");
    // A row that is there has no value for it, and nothing says which.
    project
        .write("entities/notes.toml", &format!("{notes}\n[fields.lang]\ntype = \"text\"\nrequired = true\n"));
    dev.wait_for("the API stays as it was");
    project.run(&["migrate", "new", "lang"]).expect(0);
    let said = dev.wait_for("a migration was tried and would fail");
    assert!(!said.contains("0001_init.sql failed"), "{said}");
    // Everything goes on, and the way out is to change one's mind.
    assert_eq!(send(&address, &key, "POST", "/api/v1/notes", r#"{"text":"b","n":2}"#).0, 201);
    for way in ["sql", "down.sql"] {
        std::fs::remove_file(project.path().join(format!("migrations/0002_lang.{way}"))).expect("the file");
    }
    project.write("entities/notes.toml", &notes);
    dev.wait_for("the API follows the changed files");
    assert_eq!(send(&address, &key, "POST", "/api/v1/notes", r#"{"text":"c","n":3}"#).0, 201);
    project.run(&["migrate", "check"]).expect(0);
}

#[test]
fn data_may_be_lost_where_that_was_said() {
    let project = Project::new();
    let mut dev =
        crate::project::Running::start(project.command(&["dev", "--port", "0", "--allow-data-loss"]));
    let (address, key) = dev.address_and_key();
    assert_eq!(send(&address, &key, "POST", "/api/v1/notes", r#"{"text":"a","n":1}"#).0, 201);
    project.write("entities/notes.toml", "name = \"notes\"\nfields.n = { type = \"integer\" }\n");
    dev.wait_for("column \"text\" of notes is dropped");
    dev.wait_for("the API follows the changed files");
    assert_eq!(get(&address, &key, "/api/v1/notes?select=n").1, r#"[{"n":1}]"#);
}

#[test]
fn the_log_names_no_secret_and_no_value() {
    let project = Project::new();
    let mut command = project.command(&["dev", "--port", "0"]);
    command.env("RUST_LOG", "trace");
    let mut dev = crate::project::Running::start(command);
    let (address, key) = dev.address_and_key();
    assert_eq!(get(&address, &key, "/api/v1/notes?text=eq.canary-4711").0, 200);
    assert_eq!(get(&address, &key, "/api/v1/notes/canary-0815").0, 404);
    assert_eq!(get(&address, "hrk_canary", "/api/v1/notes").0, 401);
    let (_, said) = dev.stop();
    let log = said
        .split_once("curl -H")
        .map(|(_, log)| log.split_once('\n').map_or("", |(_, log)| log))
        .expect("a log");
    assert!(log.contains("answered a request"), "{log}");
    for secret in ["canary", &key[13..]] {
        let found = log.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "{secret}");
    }
}
