//! The applications of `examples/` do what their pages promise.

use std::path::Path;
use std::process::Command;

use crate::project::{Project, get};

/// A copy, so that a run leaves nothing in the tree.
fn example(name: &str) -> Project {
    let project = Project::new();
    std::fs::remove_dir_all(project.path().join("entities")).expect("the entities of another test");
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)];
    let root = waiting[0].clone();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let inside =
                std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("a file").path());
            waiting.extend(inside.filter(|path| !path.ends_with(".hedgerow") && !path.ends_with(".data")));
        } else {
            let name = path.strip_prefix(&root).expect("below the example").display().to_string();
            project.write(&name, &std::fs::read_to_string(&path).expect("text"));
        }
    }
    project
}

#[test]
fn crm_runs_with_its_seeds_and_prints_a_request_that_works() {
    let project = example("crm");
    let mut dev = project.dev();
    let (address, key) = dev.address_and_key();
    let list = |path: &str| {
        let (status, body) = get(&address, &key, path);
        assert_eq!(status, 200, "{body}");
        body
    };
    assert_eq!(
        list("/api/v1/companies?select=name,industry&order=name"),
        r#"[{"name":"Acme Tools","industry":"manufacturing"},{"name":"Willow Software","industry":"software"}]"#
    );
    assert_eq!(
        list("/api/v1/deals?select=title,amount,custom&stage=eq.proposal"),
        r#"[{"title":"Twelve machines","amount":48000.00,"custom":{"discount": 0.05}}]"#
    );

    // Pasted into a shell, to the letter. Where there is no curl, nobody could paste it.
    let said = dev.said();
    let line = said.lines().find(|line| line.trim_start().starts_with("curl ")).expect("a request");
    match Command::new("sh").args(["-c", &format!("{} --silent --fail", line.trim())]).output() {
        Ok(run) if run.status.code() == Some(127) => {}
        run => {
            let run = run.expect("a shell");
            assert!(run.status.success(), "{line}");
            assert!(String::from_utf8_lossy(&run.stdout).starts_with(r#"[{"id":""#), "{:?}", run.stdout);
        }
    }
}

#[test]
fn nycflights13_has_entities_that_fit_together() {
    let project = example("nycflights13");
    let applied = project.run(&["migrate", "apply", "--json"]).expect(0).json();
    let names: Vec<_> =
        applied["applied"].as_array().expect("a list").iter().map(|step| &step["name"]).collect();
    let own = hedgerow::schema::ddl::core(&hedgerow::schema::Roles::default());
    let expected: Vec<_> = own.iter().map(|set| set.name).chain(["0001_init"]).collect();
    assert_eq!(names, expected);
    assert_eq!(
        project.run(&["migrate", "check", "--json"]).expect(0).json()["differences"],
        serde_json::json!([])
    );
}

#[test]
fn the_migrations_of_the_examples_are_what_their_entity_files_say() {
    for name in ["crm", "nycflights13"] {
        let project = example(name);
        let folder = project.path().join("migrations");
        let written = |file: &str| std::fs::read_to_string(folder.join(file)).expect("a migration");
        let files = ["0001_init.sql", "0001_init.down.sql"];
        let committed = files.map(written);
        std::fs::remove_dir_all(&folder).expect("the migrations");
        project.run(&["migrate", "new", "init"]).expect(0);
        assert_eq!(files.map(written), committed, "{name}: write them anew with `hedgerow migrate new init`");
    }
}
