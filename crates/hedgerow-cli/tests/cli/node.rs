//! Programs of Node, installed from their lock files beside the build.
//!
//! Always holds: each is installed once for each process, and never where its sources are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a test says where there is no Node.
pub(crate) const SKIPPED: &str = "skipped: this needs node and npm";

/// Copies a folder of this repository beside the build, and installs what its lock file names. `None` where there is no Node.
pub(crate) fn install(source: &str) -> Option<PathBuf> {
    let works =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|run| run.status.success());
    if !works("node") || !works("npm") {
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source.file_name().expect("a name"));
    let known = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let before = known("package-lock.json");
    copy(&source, &folder);
    if before != known("package-lock.json") || !folder.join("node_modules/.package-lock.json").exists() {
        let run = Command::new("npm")
            .args(["ci", "--ignore-scripts"])
            .current_dir(&folder)
            .output()
            .expect("npm runs");
        assert!(run.status.success(), "npm ci: {}", String::from_utf8_lossy(&run.stderr));
    }
    Some(folder)
}

/// Runs a program of Node in its folder to its end, which must be a good one; what it printed.
#[track_caller]
pub(crate) fn run(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder).envs(environment.iter().copied()).stdin(Stdio::null());
    let run = command.output().unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{words:?}:\n{out}\n{err}");
    out.into_owned()
}

/// Copies all that is written by hand.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if !entry.file_type().expect("a type").is_dir() {
            std::fs::copy(entry.path(), target).expect("a copy");
        } else if !["node_modules", "dist", "build"].iter().any(|made| entry.file_name() == *made) {
            copy(&entry.path(), &target);
        }
    }
}
