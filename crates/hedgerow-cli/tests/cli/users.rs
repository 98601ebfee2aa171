//! `hedgerow user`: people, as those see to them who run the program.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::project::{Project, Run, get, run_with_input, send};

const TASKS: &str = "name = \"tasks\"\nsoft_delete = true\n[fields.title]\ntype = \"text\"\n[fields.secret]\ntype = \"text\"\n";

fn sign_in(address: &str, email: &str, password: &str) -> String {
    let body = json!({ "email": email, "password": password }).to_string();
    let (status, text) = send(address, "", "POST", "/api/auth/sign-in/email", &body);
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    format!("{status} {}", document["code"].as_str().unwrap_or_default())
}

fn token(url: &str) -> &str {
    url.rsplit('=').next().expect("a token")
}

fn text<'v>(document: &'v Value, name: &str) -> &'v str {
    document[name].as_str().unwrap_or_else(|| panic!("{name} of {document}"))
}

#[test]
fn people_come_in_and_are_shut_out() {
    let project = Project::new();
    let mut dev = project.dev();
    let (address, _) = dev.address_and_key();

    let mut create =
        project.command(&["user", "create", "--email", "ann@example.com", "--password-stdin", "--json"]);
    let ann = run_with_input(&mut create, "password-of-ann\n").expect(0).json();
    assert_eq!((text(&ann, "role"), &ann["emailVerified"]), ("member", &json!(false)));
    assert_eq!(sign_in(&address, "ann@example.com", "password-of-ann"), "200 ");
    let short = project.run(&["user", "create", "--email", "x@example.com", "--password", "short"]).expect(1);
    assert_snapshot!(short.err, @"error: Password too short");
    let empty = project.run(&["user", "create", "--email", "x@example.com", "--password-stdin"]).expect(1);
    assert!(empty.err.contains("standard input holds no password"), "{}", empty.err);
    assert!(!project.run(&["user", "list"]).expect(0).out.contains("x@example.com"), "all or nothing");

    // A link instead of a password, once.
    let bob = project.run(&["user", "create", "--email", "bob@example.com", "--link", "--json"]).expect(0);
    assert!(bob.err.contains("set HEDGEROW_URL"), "{}", bob.err);
    let bob = bob.json();
    let link = text(&bob, "setPasswordUrl");
    assert!(link.starts_with(&format!("http://{address}/set-password?token=")), "{link}");
    let reset = |password: &str| {
        let body = json!({ "token": token(link), "newPassword": password }).to_string();
        send(&address, "", "POST", "/api/auth/reset-password", &body).0
    };
    assert_eq!((reset("password-of-bob"), reset("password-of-eve")), (200, 400));
    assert_eq!(sign_in(&address, "bob@example.com", "password-of-bob"), "200 ");

    let raised = project.run(&["user", "set-role", "bob@example.com", "admin,editor", "--json"]).expect(0);
    assert_eq!(text(&raised.json(), "role"), "admin,editor");
    assert!(raised.err.contains("`editor` is a role of the application's own"), "{}", raised.err);
    let wrong = project.run(&["user", "set-role", text(&bob, "id"), "a b"]).expect(1);
    assert!(wrong.err.contains("a role consists of"), "{}", wrong.err);
    let unknown = project.run(&["user", "set-role", "nobody@example.com", "admin"]).expect(1);
    assert_snapshot!(unknown.err, @r#"error: there is no user with the id or address "nobody@example.com"; `hedgerow user list` shows all"#);

    let key = project.run(&["key", "create", "--user", "ann@example.com", "--name", "n", "--scope", "*"]);
    let key = key.expect(0).out.trim().to_owned();
    assert_eq!(get(&address, &key, "/api/v1/notes").0, 200);
    let ban = project
        .run(&["user", "ban", text(&ann, "id"), "--reason", "spam", "--for", "7d", "--json"])
        .expect(0)
        .json();
    assert_eq!((&ban["banned"], text(&ban, "banReason")), (&json!(true), "spam"));
    assert_eq!(get(&address, &key, "/api/v1/notes").0, 401);
    assert_eq!(sign_in(&address, "ann@example.com", "password-of-ann"), "403 BANNED_USER");
    let listed = project.run(&["user", "list"]).expect(0).out;
    assert!(
        listed.lines().any(|line| line.contains("ann@example.com") && line.trim().ends_with("banned")),
        "{listed}"
    );
    project.run(&["user", "unban", "ann@example.com"]).expect(0);
    assert_eq!(get(&address, &key, "/api/v1/notes").0, 200);

    let (code, _) = dev.stop();
    assert_eq!(code, Some(0));
}

#[test]
fn an_invitation_opens_a_closed_door_for_one_address() {
    let project = Project::new();
    project.write(
        "hedgerow.toml",
        "[auth]\nregistration = \"invitation\"\nbase_url = \"https://app.example.com\"\n",
    );
    let mut dev = project.dev();
    let (address, _) = dev.address_and_key();
    let invite = |role: &str| {
        project.run(&["user", "invite", "Cat@Example.com", "--role", role, "--json"]).expect(0).json()
    };
    let (first, second) = (invite("admin"), invite("editor"));
    assert_eq!((text(&second, "email"), text(&second, "role")), ("cat@example.com", "editor"));
    assert!(text(&second, "url").starts_with("https://app.example.com/sign-up?invitation="), "{second}");
    let mails: Vec<String> = fs::read_dir(project.path().join(".hedgerow/mail"))
        .expect("a folder of mails")
        .map(|file| fs::read_to_string(file.expect("a file").path()).expect("a mail"))
        .collect();
    assert!(mails.iter().any(|mail| mail.contains(token(text(&second, "url")))), "{mails:?}");

    let sign_up = |email: &str, invitation: &Value| {
        let token = token(text(invitation, "url"));
        let body = json!({ "name": "Cat", "email": email, "password": "password-1234", "invitation": token });
        send(&address, "", "POST", "/api/auth/sign-up/email", &body.to_string())
    };
    assert_eq!(sign_up("cat@example.com", &first).0, 403, "a new invitation makes the one before void");
    assert_eq!(sign_up("eve@example.com", &second).0, 403, "it is for one address");
    let (status, body) = sign_up("cat@example.com", &second);
    assert!(status == 200 && body.contains("\"role\":\"editor\""), "{status} {body}");
    let again = project.run(&["user", "invite", "cat@example.com"]).expect(1);
    assert_snapshot!(again.err, @"error: there is a user with the address cat@example.com already");
    let wrong = project.run(&["user", "invite", "cat@"]).expect(1);
    assert!(wrong.err.contains("is no e-mail address"), "{}", wrong.err);
    dev.stop();
}

#[test]
fn what_is_kept_of_a_person_is_written_and_deleted() {
    let project = Project::new();
    project.write("entities/tasks.toml", &format!("metadata = true\n{TASKS}"));
    let mut dev = project.dev();
    let (address, _) = dev.address_and_key();
    for name in ["ann", "bob"] {
        let email = format!("{name}@example.com");
        project.run(&["user", "create", "--email", &email, "--password", "password-1234"]).expect(0);
        let key = project.run(&["key", "create", "--user", &email, "--name", name, "--scope", "*"]).expect(0);
        let key = key.out.trim();
        for title in ["kept", "thrown away"] {
            let (status, body) = send(
                &address,
                key,
                "POST",
                "/api/v1/tasks",
                &json!({ "title": format!("{title} by {name}") }).to_string(),
            );
            assert_eq!(status, 201, "{body}");
            if title == "thrown away" {
                let id = serde_json::from_str::<Value>(&body).expect("JSON")["id"]
                    .as_str()
                    .expect("an id")
                    .to_owned();
                assert_eq!(send(&address, key, "DELETE", &format!("/api/v1/tasks/{id}"), "").0, 204);
            }
        }
    }
    assert_eq!(sign_in(&address, "ann@example.com", "password-1234"), "200 ");
    dev.stop();
    let metas = "INSERT INTO tasks_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\")
          SELECT t.\"userId\", t.id, 'colour', 'as ' || u.name FROM tasks t JOIN \"user\" u ON u.id = t.\"userId\";
        INSERT INTO user_metas (\"userId\", \"metaKey\", \"metaValue\", \"dataType\") SELECT id, 'size', '7', 'number' FROM \"user\"";
    project.run(&["psql", "--", "-c", metas]).expect(0);

    let printed = project.run(&["user", "export", "ann@example.com"]).expect(0);
    let document = printed.json();
    assert_eq!(text(&document["user"], "email"), "ann@example.com");
    let count = |name: &str| document[name].as_array().map(Vec::len);
    assert_eq!((count("accounts"), count("sessions"), count("apiKeys")), (Some(1), Some(1), Some(1)));
    let tasks = document["rows"]["tasks"].as_array().expect("rows");
    let titles: Vec<&str> = tasks.iter().map(|task| text(task, "title")).collect();
    assert_eq!(titles, ["kept by ann", "thrown away by ann"]);
    assert_eq!(document["rows"]["notes"], json!([]));
    let colours = document["rows"]["tasks_metas"].as_array().expect("metas");
    assert_eq!(colours.len(), 2, "those of rows in the trash, too");
    assert!(tasks.iter().all(|task| colours.iter().any(|meta| meta["entityId"] == task["id"])));
    assert_eq!((count("metas"), text(&document["metas"][0], "metaValue")), (Some(1), "7"));
    for secret in ["hrk_", "password", "token", "bob"] {
        let found = printed.out.lines().filter(|line| line.contains(secret)).collect::<Vec<_>>();
        // The prefix of a key tells keys apart and opens nothing.
        assert!(found.iter().all(|line| line.contains("\"prefix\"")), "{secret}: {found:?}");
    }
    let file = project.path().join("ann.json");
    let out = ["user", "export", "ann@example.com", "--out", &file.display().to_string()].map(str::to_owned);
    let out: Vec<&str> = out.iter().map(String::as_str).collect();
    let run = project.run(&out).expect(0);
    assert!(run.out.is_empty() && run.err.contains("with 2 rows of entities"), "{}", run.err);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let written: Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    assert_eq!(written["rows"], document["rows"]);
    assert!(project.run(&out).expect(1).err.contains("exists already; nothing was written"));

    let erase =
        |more: &[&str]| -> Run { project.run(&[&["user", "erase", "ann@example.com"], more].concat()) };
    let refused = erase(&[]).expect(1);
    assert!(
        refused.err.contains("nothing was erased; without a terminal to ask on, say --yes"),
        "{}",
        refused.err
    );
    let counts = json!({ "user": 1, "account": 1, "session": 1, "twoFactor": 0, "api_keys": 1, "user_metas": 1, "notes": 0,
        "tasks": 2, "tasks_metas": 2 });
    let dry = erase(&["--dry-run", "--json"]).expect(0).json();
    assert_eq!((&dry["rows"], &dry["erased"]), (&counts, &json!(false)));
    let shown = erase(&["--dry-run"]).expect(0).out;
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["tasks", "2"])), "{shown}");
    let done = erase(&["--yes", "--json"]).expect(0).json();
    assert_eq!((&done["rows"], &done["erased"]), (&counts, &json!(true)));
    let sql = "SELECT count(*) FROM tasks UNION ALL SELECT count(*) FROM tasks_metas UNION ALL SELECT count(*) FROM session UNION ALL SELECT count(*) FROM \"user\" WHERE email <> 'dev@example.com'";
    let left = project.run(&["psql", "--", "-At", "-c", sql]).expect(0).out;
    assert_eq!(left.lines().collect::<Vec<_>>(), ["2", "2", "0", "1"], "Bob's are there");
    erase(&["--yes"]).expect(1);
}
