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
    assert_eq!(applied["applied"].as_array().map(Vec::len), Some(5), "{applied}");
}
