//! What others make of the API: PostgREST's own client, the client of this repository, and programs that read the description.

use std::fs;
use std::path::Path;

use crate::node::{SKIPPED, install, run};
use crate::project::Project;

/// A project with the entities of `tests/postgrest`.
fn project() -> Project {
    let project = Project::new();
    fs::remove_dir_all(project.path().join("entities")).expect("the entities of another test");
    let entities = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgrest/entities");
    for entry in fs::read_dir(entities).expect("a folder") {
        let entry = entry.expect("a file");
        let name = entry.file_name().into_string().expect("a name");
        project.write(&format!("entities/{name}"), &fs::read_to_string(entry.path()).expect("a file"));
    }
    project
}

#[test]
fn the_client_of_postgrest_works_unchanged() {
    let Some(folder) = install("tests/postgrest") else {
        eprintln!("{SKIPPED}");
        return;
    };
    let project = project();
    let types = folder.join("database.ts").display().to_string();
    project.run(&["types", "--out", &types]).expect(0);
    let options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"];
    run(&folder, &[&["node", "node_modules/typescript/bin/tsc"], &options[..], &["typed.ts"]].concat(), &[]);

    let mut dev = project.dev();
    let (address, key) = dev.address_and_key();
    let url = format!("http://{address}/api/v1");
    let environment = [("HEDGEROW_URL", url.as_str()), ("HEDGEROW_KEY", key.as_str())];
    run(&folder, &["node", "--test", "operations.test.mjs"], &environment);
}

#[test]
fn the_client_of_this_repository_works() {
    let Some(folder) = install("../../clients/typescript") else {
        eprintln!("{SKIPPED}");
        return;
    };
    let project = project();
    let types = folder.join("test/schema.ts").display().to_string();
    project.run(&["types", "--out", &types]).expect(0);
    let mut dev = project.dev();
    let (address, key) = dev.address_and_key();
    let url = format!("http://{address}");
    let environment = [("HEDGEROW_URL", url.as_str()), ("HEDGEROW_TOKEN", key.as_str())];
    run(&folder, &["npm", "test"], &environment);
}

#[test]
fn the_description_is_clean_and_makes_types() {
    let Some(folder) = install("tests/openapi") else {
        eprintln!("{SKIPPED}");
        return;
    };
    let document = folder.join("v1.json").display().to_string();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::new();
    fs::remove_dir_all(project.path().join("entities")).expect("the entities of another test");
    for entry in fs::read_dir(root.join("examples/crm/entities")).expect("the example") {
        let entry = entry.expect("a file");
        let name = entry.file_name().into_string().expect("a name");
        project.write(&format!("entities/{name}"), &fs::read_to_string(entry.path()).expect("a file"));
    }
    project.run(&["openapi", "--out", &document]).expect(0);
    let printed = project.run(&["openapi"]).expect(0).out;
    let written = fs::read_to_string(&document).expect("it was written");
    assert_eq!(printed, written);
    assert_eq!(written, fs::read_to_string(root.join("openapi/v1.json")).expect("the golden file"));

    let said = run(
        &folder,
        &["node", "node_modules/@redocly/cli/bin/cli.js", "lint", "--format=json", &document],
        &[],
    );
    let found: serde_json::Value =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!((&found["totals"]["errors"], &found["totals"]["warnings"]), (&0.into(), &0.into()), "{said}");
    run(&folder, &["node", "node_modules/openapi-typescript/bin/cli.js", "v1.json", "-o", "api.ts"], &[]);
    run(&folder, &["node", "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "api.ts"], &[]);
}
