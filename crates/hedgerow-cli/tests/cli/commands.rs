//! Commands that do one thing and end.

use insta::assert_snapshot;

use crate::project::Project;

#[test]
fn init_makes_a_project_that_runs() {
    let project = Project::new();
    std::fs::create_dir(project.path().join("shop")).expect("a folder");
    let shop = project.path().join("shop");
    let run = project.run(&["init", &shop.display().to_string()]).expect(0);
    assert_snapshot!(run.err, @"
    made a project with the entity `notes`; run it with:
      cd PROJECT/shop && hedgerow dev
    ");
    for file in ["hedgerow.toml", "entities/notes.toml", ".gitignore", ".env.example"] {
        assert!(shop.join(file).exists(), "{file}");
    }
    let again = project.run(&["init", &shop.display().to_string()]).expect(1);
    assert_snapshot!(again.err, @"error: PROJECT/shop/hedgerow.toml exists already; nothing was changed");
    let inside = Project { directory: tempfile::tempdir_in("/tmp").expect("a directory") };
    std::fs::write(inside.path().join(".gitignore"), "/target\n").expect("a file");
    let run = inside.run(&["init", &inside.path().display().to_string()]).expect(0);
    assert!(run.out.is_empty());
    let ignored = std::fs::read_to_string(inside.path().join(".gitignore")).expect("a file");
    assert_eq!(ignored, "/target\n.hedgerow/\n.env\n");
}

#[test]
fn a_wrong_call_is_told_apart_from_a_failure() {
    let project = Project::new();
    for arguments in [
        vec![],
        vec!["nonsense"],
        vec!["user", "create"],
        vec!["user", "create", "--email", "a@example.com", "--password", "x", "--password-stdin"],
        vec!["user", "create", "--email", "a@example.com", "--password", "x", "--link"],
        vec!["user", "set-role", "a"],
        vec!["user", "ban", "a", "--for", "soon"],
        vec!["user", "ban", "a", "--for", "0s"],
        vec!["user", "invite"],
        vec!["user", "erase"],
        vec!["setup", "--password-stdin"],
        vec!["key", "create", "--user", "a", "--name", "n"],
        vec!["key", "create", "--user", "a", "--name", "n", "--scope", "tasks"],
        vec!["key", "create", "--user", "a", "--name", "n", "--scope", "*", "--expires", "soon"],
        vec!["key", "create", "--user", "a", "--name", "n", "--scope", "*", "--allow-ip", "everywhere"],
        vec!["key", "rotate", "a", "--overlap", "soon"],
        vec!["import", "notes", "x.csv"],
        vec!["import", "notes", "x.csv", "--as", "a", "--as-column", "b"],
        vec!["import", "notes", "x.csv", "--as", "a", "--match", "b"],
        vec!["import", "notes", "x.dat", "--as", "a"],
        vec!["export", "notes", "--format", "xml"],
        vec!["dev", "--port", "70000"],
    ] {
        let run = project.run(&arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}\n{}", run.err);
        assert!(run.out.is_empty() && !run.err.is_empty(), "{arguments:?}");
    }
    assert!(project.run(&["--version"]).expect(0).out.starts_with("hedgerow "));
    assert!(project.run(&["help", "import"]).expect(0).out.contains("--as-column"));
    assert!(!project.path().join(".hedgerow").exists(), "no server was started for any of it");
}

#[test]
fn every_mistake_in_every_file_is_shown_where_it_stands() {
    let project = Project::new();
    project.write(
        "entities/tasks.toml",
        "name = \"tasks\"\nmetadata = true\n\n[access]\nread = \"everyone\"\n\n[fields.title]\ntype = \"txt\"\n\n[fields.id]\ntype = \"text\"\n\n[fields.status]\ntype = \"select\"\n\n[fields.owner]\ntype = \"relation\"\nentity = \"note\"\non_delete = \"set_null\"\nrequired = true\n",
    );
    project.write("entities/broken.toml", "name = \"broken\nfields = 3\n");
    let run = project.run(&["migrate", "apply"]).expect(1);
    assert!(run.out.is_empty());
    assert_snapshot!(run.err);
    project.write("hedgerow.toml", "[server]\nprot = 1\n[databse]\n");
    let run = project.run_with(&["migrate", "apply"], &[("PORT", "many")]).expect(1);
    assert_snapshot!(run.err);
}

#[test]
fn a_folder_that_is_no_project_is_named() {
    let empty = Project { directory: tempfile::tempdir().expect("a directory") };
    let run = empty.run(&["migrate", "apply"]).expect(1);
    assert_snapshot!(run.err, @"error: PROJECT is no Hedgerow project: it has neither hedgerow.toml nor entities/");
}

#[test]
fn users_keys_and_rows_work_without_a_running_server() {
    let project = Project::new();
    // Before anything is there, the next step is said.
    let early = project.run(&["user", "list"]).expect(1);
    assert!(early.err.contains("hint: run `hedgerow migrate apply` first"), "{}", early.err);

    project.run(&["migrate", "new", "init"]).expect(0);
    let applied = project.run(&["migrate", "apply", "--json"]).expect(0).json();
    let names: Vec<_> =
        applied["applied"].as_array().expect("a list").iter().map(|step| step["name"].clone()).collect();
    let own = hedgerow::schema::ddl::core(&hedgerow::schema::Roles::default());
    let expected: Vec<_> = own.iter().map(|set| set.name).chain(["0001_init"]).collect();
    assert_eq!(names, expected);
    assert_eq!(
        project.run(&["migrate", "apply", "--json"]).expect(0).json()["applied"],
        serde_json::json!([])
    );

    let ann = project.run(&["user", "create", "--email", "Ann@Example.com", "--json"]).expect(0).json();
    assert_eq!(
        (&ann["email"], &ann["name"], &ann["role"]),
        (&"ann@example.com".into(), &"ann".into(), &"member".into())
    );
    let id = ann["id"].as_str().expect("an id");
    let again = project.run(&["user", "create", "--email", "ann@example.com"]).expect(1);
    assert_snapshot!(again.err, @"error: there is a user with the address ann@example.com already");
    let wrong = project.run(&["user", "create", "--email", "nobody"]).expect(1);
    assert_snapshot!(wrong.err, @r#"error: "nobody" is no e-mail address"#);
    let table = project.run(&["user", "list"]).expect(0).out;
    assert!(table.contains(id) && table.contains("ann@example.com"), "{table}");

    let key = project
        .run(&[
            "key",
            "create",
            "--user",
            "ann@example.com",
            "--name",
            "k",
            "--scope",
            "notes:*",
            "--expires",
            "90d",
            "--json",
        ])
        .expect(0)
        .json();
    assert!(key["key"].as_str().expect("a key").starts_with("hrk_"));
    let plain = project.run(&["key", "create", "--user", id, "--name", "k", "--scope", "*"]).expect(0);
    assert!(plain.out.starts_with("hrk_") && plain.out.lines().count() == 1, "only the key: {}", plain.out);
    let unknown =
        project.run(&["key", "create", "--user", id, "--name", "k", "--scope", "tasks:read"]).expect(1);
    assert_snapshot!(unknown.err, @r#"error: "tasks:read" names no entity of this application: there are notes"#);
    let listed = project.run(&["key", "list", "--json"]).expect(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert!(
        listed.to_string().find(&key["key"].as_str().expect("a key")[13..]).is_none(),
        "no key is shown again"
    );
    let key_id = key["id"].as_str().expect("an id");
    let rotated = project.run(&["key", "rotate", key_id, "--overlap", "1h", "--json"]).expect(0).json();
    assert_eq!((&rotated["name"], &rotated["scopes"]), (&key["name"], &key["scopes"]));
    assert!(
        rotated["key"].as_str().is_some_and(|text| text.starts_with("hrk_")) && rotated["key"] != key["key"]
    );
    let again = project.run(&["key", "rotate", key_id]).expect(1);
    assert!(again.err.contains("was replaced already"), "{}", again.err);
    let from =
        ["key", "create", "--user", id, "--name", "k", "--scope", "*", "--allow-ip", "10.1.2.3/8", "--json"];
    assert_eq!(project.run(&from).expect(0).json()["allowedIps"], serde_json::json!(["10.0.0.0/8"]));
    project.run(&["key", "revoke", key_id]).expect(0);
    let listed = project.run(&["key", "list", "--user", id, "--json"]).expect(0).json();
    assert_eq!((&listed[0]["revoked"], &listed[0]["replacedBy"]), (&true.into(), &rotated["id"]));
    assert!(
        project
            .run(&["key", "revoke", "nothing"])
            .expect(1)
            .err
            .contains("there is no key with the id nothing")
    );

    let file = project.write("notes.csv", "text,n\nfirst,1\n\"second, with a comma\",2\n");
    let file = file.display().to_string();
    let imported = project.run(&["import", "notes", &file, "--as", id, "--json"]).expect(0).json();
    assert_eq!((&imported["written"], &imported["refused"]), (&2.into(), &0.into()));
    let refused = project.run(&["import", "notes", &file, "--as", id]).expect(1);
    assert_snapshot!(refused.err, @"
    line 2: a row with this `n` exists already
    line 3: a row with this `n` exists already
    error: 2 of 2 rows were refused, so nothing was imported
    hint: correct them, or import the others with --partial
    ");
    let exported =
        project.run(&["export", "notes", "--as", "ann@example.com", "--format", "csv"]).expect(0).out;
    assert!(exported.starts_with("id,userId,text,n,createdAt,updatedAt\n"), "{exported}");
    assert!(exported.contains(",\"second, with a comma\",2,"), "{exported}");
    assert_eq!(project.run(&["export", "notes", "--format", "ndjson"]).expect(0).out.lines().count(), 2);
    assert!(project.run(&["export", "nothing"]).expect(1).err.contains("there is no entity \"nothing\""));
}

#[test]
fn psql_shows_the_owner_everything_and_a_user_its_own() {
    let project = Project::new();
    project.make_tables();
    let user = |name: &str| {
        let email = format!("{name}@example.com");
        let made = project.run(&["user", "create", "--email", &email, "--json"]).expect(0).json();
        made["id"].as_str().expect("an id").to_owned()
    };
    let (ann, bob) = (user("ann"), user("bob"));
    let file = project.write("notes.csv", "text,n\nfirst,1\nsecond,2\n").display().to_string();
    project.run(&["import", "notes", &file, "--as", &ann]).expect(0);
    let count = "SELECT count(*) FROM notes";
    let as_owner = project.run(&["psql", "--", "-Atc", count]);
    if as_owner.err.contains("install it, for example with `apt-get install postgresql-client`") {
        eprintln!("skipped: psql is not installed");
        return;
    }
    assert_eq!(as_owner.expect(0).out.trim(), "2");
    assert_eq!(project.run(&["psql", "--as", &ann, "--", "-Atc", count]).expect(0).out.trim(), "2");
    assert_eq!(project.run(&["psql", "--as", &bob, "--", "-Atc", count]).expect(0).out.trim(), "0");
    let more = project.run(&["psql", "--as", &bob, "--", "-Atc", "SET ROLE hedgerow_admin"]).expect(1);
    assert!(more.err.contains("permission denied"), "{}", more.err);
    // Whoever looks for what is wrong is not told first to put it right.
    project.write("entities/notes.toml", "name = ");
    assert_eq!(project.run(&["psql", "--", "-Atc", count]).expect(0).out.trim(), "2");
}

#[test]
fn a_closed_pipe_is_no_crash() {
    let project = Project::new();
    let mut help = project.command(&["help"]);
    let mut child = help.stdout(std::process::Stdio::piped()).spawn().expect("the program runs");
    drop(child.stdout.take());
    let code = child.wait().expect("a status").code();
    assert!(code.is_some_and(|code| code < 70), "{code:?}");
}

#[test]
fn an_export_ends_when_its_reader_has_seen_enough() {
    let project = Project::new();
    project.make_tables();
    project.run(&["user", "create", "--email", "ann@example.com"]).expect(0);
    let lines: String =
        (0..20_000).map(|n| format!("{{\"text\":\"a row that fills pipes\",\"n\":{n}}}\n")).collect();
    let file = project.write("rows.ndjson", &lines).display().to_string();
    project.run(&["import", "notes", &file, "--as", "ann@example.com"]).expect(0);
    let mut export = project.command(&["export", "notes", "--format", "ndjson"]);
    let child = export.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let mut child = child.expect("the program runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("a status");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
