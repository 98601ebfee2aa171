//! kill -9 of either side while rows are imported: the next start works, and the import can be repeated without
//! duplicates.

use std::fmt::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::project::{Project, Running, get, signal};

const ROWS: usize = 60_000;

/// A project with a user and a file that takes a while.
fn scene() -> (Project, Running, String, String, String) {
    let project = Project::new();
    let mut dev = project.dev();
    let (address, key) = dev.address_and_key();
    project.run(&["user", "create", "--email", "ann@example.com"]).expect(0);
    let mut text = String::from("text,n\n");
    for n in 1..=ROWS {
        let _ = writeln!(text, "row {n},{n}");
    }
    let file = project.write("notes.csv", &text).display().to_string();
    (project, dev, address, key, file)
}

/// An import, once it has written some rows.
fn import_under_way(project: &Project, file: &str) -> std::process::Child {
    let before = pages(project);
    let mut import = project.command(&["import", "notes", file, "--as", "ann@example.com"]);
    let child = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
    let deadline = Instant::now() + Duration::from_secs(60);
    while pages(project) < before + 500_000 {
        assert!(Instant::now() < deadline, "nothing is written");
    }
    child
}

/// Bytes of the database's files, where the pages stand of rows that nobody can see yet.
fn pages(project: &Project) -> u64 {
    let mut waiting = vec![project.path().join(".hedgerow/postgres/data/base")];
    let mut bytes = 0;
    while let Some(path) = waiting.pop() {
        // A file may be gone before it is looked at.
        let Ok(entries) = std::fs::read_dir(path) else { continue };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => waiting.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

fn count(project: &Project) -> usize {
    project.run(&["export", "notes", "--format", "ndjson"]).expect(0).out.lines().count()
}

fn repeat(project: &Project, file: &str) {
    let report =
        project.run(&["import", "notes", file, "--as", "ann@example.com", "--json"]).expect(0).json();
    assert_eq!(report["written"], ROWS);
}

#[test]
fn a_killed_import_leaves_nothing() {
    let (project, _dev, _, _, file) = scene();
    let mut import = import_under_way(&project, &file);
    import.kill().expect("it runs");
    import.wait().expect("a status");
    assert_eq!(count(&project), 0);
    repeat(&project, &file);
    assert_eq!(count(&project), ROWS);
}

#[test]
fn a_killed_postgres_is_started_again_and_the_import_says_what_happened() {
    let (project, mut dev, address, key, file) = scene();
    let mut import = import_under_way(&project, &file);
    let pid_file = project.path().join(".hedgerow/postgres/data/postmaster.pid");
    let pid_file = std::fs::read_to_string(pid_file).expect("a running server");
    let pid = pid_file.lines().next().expect("a pid");
    signal(pid.parse().expect("a number"), Signal::KILL);
    let code = import.wait().expect("a status").code();
    assert!(matches!(code, Some(1 | 4)), "{code:?}");
    dev.wait_for("the private PostgreSQL server is started again");
    let deadline = Instant::now() + Duration::from_secs(60);
    while get(&address, &key, "/readyz").0 != 200 {
        assert!(Instant::now() < deadline, "{}", dev.said());
    }
    assert_eq!(count(&project), 0);
    repeat(&project, &file);
    assert_eq!(count(&project), ROWS);
    assert_eq!(get(&address, &key, "/api/v1/notes?limit=1").0, 200, "the same `dev` goes on");
}

#[test]
fn a_killed_dev_is_started_again() {
    let (project, mut dev, _, key, file) = scene();
    let before = project.write("before.csv", "text,n\ncommitted,-1\n").display().to_string();
    project.run(&["import", "notes", &before, "--as", "ann@example.com"]).expect(0);
    let mut import = import_under_way(&project, &file);
    dev.process.kill().expect("it runs");
    dev.process.wait().expect("a status");
    let code = import.wait().expect("a status").code();
    assert!(matches!(code, Some(1 | 4)), "{code:?}");
    let mut dev = project.dev();
    let (address, same) = dev.address_and_key();
    assert_eq!(same, key);
    assert_eq!(count(&project), 1, "what was committed is there, and nothing else");
    repeat(&project, &file);
    assert_eq!(count(&project), ROWS + 1);
    assert_eq!(get(&address, &key, "/api/v1/notes?limit=1").0, 200);
}
