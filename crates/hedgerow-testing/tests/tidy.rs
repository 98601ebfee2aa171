//! The repository's own rules, as tests: the directions between the crates and what must be absent where.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Files below `folders` that end in `ending`, by their path from the root, with their text.
fn files(folders: &[&str], ending: &str) -> Vec<(String, String)> {
    let root = root();
    let mut waiting: Vec<PathBuf> =
        folders.iter().map(|folder| root.join(folder)).filter(|path| path.exists()).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path());
            let skipped = ["target", ".hedgerow", ".data", ".git", "node_modules"];
            waiting.extend(entries.filter(|path| !skipped.iter().any(|name| path.ends_with(name))));
        } else if path.to_string_lossy().ends_with(ending) {
            let name = path.strip_prefix(&root).expect("below the root").display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap_or_default()));
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    files(&["crates", "benches", "xtask"], ".rs")
}

/// A file without its unit tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn crates_depend_only_to_the_left() {
    let order = ["hedgerow-schema", "hedgerow-database", "hedgerow", "hedgerow-server", "hedgerow-cli"];
    let place = |name: &str| order.iter().position(|known| *known == name);
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("metadata");
    let mut seen = 0;
    for package in &metadata.packages {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        for dependency in normal {
            let (from, to) = (package.name.as_str(), dependency.name.as_str());
            if let (Some(from_place), Some(to_place)) = (place(from), place(to)) {
                assert!(to_place < from_place, "{from} must not depend on {to}");
                seen += 1;
            }
            // What only these may name.
            let owners: &[&str] = match to {
                "tokio-postgres" | "postgres-protocol" | "deadpool" => {
                    &["hedgerow-database", "hedgerow-testing", "hedgerow-bench"]
                }
                "axum" | "hyper" | "hyper-util" => &["hedgerow-server"],
                "clap" | "anyhow" | "indicatif" | "comfy-table" => &["hedgerow-cli"],
                "hedgerow-testing" => &["hedgerow-bench"],
                "tokio" if from == "hedgerow-schema" => &[],
                _ => continue,
            };
            assert!(owners.contains(&from), "{from} must not depend on {to}");
        }
        // Statements without an identity are for the benchmark alone.
        let enables =
            package.dependencies.iter().any(|dependency| dependency.features.iter().any(|f| f == "bench"));
        assert!(!enables || package.name.as_str() == "hedgerow-bench", "{} enables `bench`", package.name);
    }
    assert!(seen >= 5, "the crates were not found");
}

#[test]
fn what_belongs_to_one_crate_stands_in_no_other() {
    let database = ["crates/hedgerow-database", "crates/hedgerow-testing", "benches"];
    let sql = [database.as_slice(), &["crates/hedgerow-schema", "crates/hedgerow/"]].concat();
    let asynchronous =
        [database.as_slice(), &["crates/hedgerow/", "crates/hedgerow-server", "crates/hedgerow-cli"]]
            .concat();
    let terminal = ["crates/hedgerow-cli/src/output.rs", "xtask", "benches"];
    let rules: &[(&str, &[&str])] = &[
        ("println!", &terminal),
        ("eprintln!", &terminal),
        ("print!(", &terminal),
        ("tokio_postgres::", &database),
        ("use tokio_postgres", &database),
        ("axum", &["crates/hedgerow-server"]),
        ("async fn", &asynchronous),
        ("SELECT ", &sql),
        ("INSERT INTO", &sql),
        ("DELETE FROM", &sql),
        ("todo!(", &[]),
        ("unimplemented!(", &[]),
        ("unsafe ", &[]),
        ("#[allow(", &[]),
    ];
    for (name, text) in sources().iter().filter(|(name, _)| name.contains("/src/")) {
        for (needle, allowed) in rules {
            if allowed.iter().any(|path| name.starts_with(path)) {
                continue;
            }
            let lines = product(text).lines().filter(|line| !line.trim_start().starts_with("//"));
            let found = lines.filter(|line| line.contains(needle)).collect::<Vec<_>>();
            assert!(found.is_empty(), "{name} has {needle}: {found:?}");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (name, text) in sources() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{name} does not begin with what it is for");
        let stem = Path::new(&name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let by_kind = ["mod", "utils", "util", "helpers", "common", "types", "misc"];
        assert!(!by_kind.contains(&stem), "{name} is named by its kind, not by its thing");
        if name.contains("/src/") {
            let lines = product(&text).lines().count();
            assert!(lines <= 600, "{name} has {lines} lines; divide it by thing");
        }
    }
}

#[test]
fn every_dependency_says_why_and_comes_from_the_workspace() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let section = workspace.split("[workspace.dependencies]").nth(1).expect("dependencies");
    let mut before = "";
    for line in section.split("\n[").next().expect("a section").lines() {
        if line.contains('=') && !line.starts_with('#') {
            assert!(before.starts_with("# "), "{line}: the line before it says why it is taken");
        }
        before = line;
    }
    for (name, text) in files(&["crates", "benches", "xtask"], "Cargo.toml") {
        for section in text.split("dependencies]").skip(1) {
            for line in section.split("\n[").next().unwrap_or_default().lines() {
                let is_dependency = line.contains('=') && !line.trim_start().starts_with('#');
                let from_workspace = line.contains("workspace = true");
                assert!(
                    !is_dependency || from_workspace,
                    "{name}: {line}: dependencies are named in the workspace"
                );
            }
        }
    }
}

#[test]
fn nothing_names_a_registry_or_the_machine_it_was_made_on() {
    let mut all = sources();
    for ending in [".md", ".toml", ".sh", ".lock", "run"] {
        all.extend(files(&["."], ending));
    }
    // In pieces, or this file would name them itself.
    let refused = [
        ["registry.", "npmjs"],
        ["static.crates", ".io"],
        ["index.crates", ".io"],
        ["pypi", ".org"],
        ["deb.debian", ".org"],
        ["files.python", "hosted"],
        ["/work/", "main"],
        ["/work/", "shared"],
        ["../", "shared"],
        [".library", "/"],
    ]
    .map(|parts| parts.concat());
    for (name, text) in all {
        for place in &refused {
            assert!(!text.contains(place.as_str()), "{name} names {place}");
        }
    }
}
