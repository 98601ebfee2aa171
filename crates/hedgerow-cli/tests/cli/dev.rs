//! `hedgerow dev`: one command to a running API, and on with every saved file.

use std::time::{Duration, Instant};

use crate::project::{NOTES, Project, get};

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
    dev.wait_for("the API follows them");
    assert!(saved.elapsed() < Duration::from_secs(3), "{:?}", saved.elapsed());
    assert_eq!(get(&address, &key, "/api/v1/tasks").0, 200);

    // A mistake, and a change that this version cannot make: said, and the API stays as it was.
    project.write("entities/tasks.toml", "name = \"tasks\"\nfields.text = { type = \"txt\" }\n");
    dev.wait_for("there is no type \"txt\"");
    project.write("entities/tasks.toml", "name = \"tasks\"\nfields.other = { type = \"text\" }\n");
    dev.wait_for("the entity file of tasks changed after its table was made");
    assert_eq!(get(&address, &key, "/api/v1/tasks?text=eq.a").0, 200);
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
