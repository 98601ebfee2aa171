//! A database that others made: Better Auth's own program, SQL by hand, and what becomes of both.

use hedgerow_testing::TestDatabase;
use serde_json::{Value, json};

use crate::better_auth::BetterAuth;
use crate::production::own_database;
use crate::project::{Project, Run, Running, environment, get, send};

/// A database of others', and the project that adopts it.
struct Others {
    test: TestDatabase,
    project: Project,
    owner: String,
    env: Vec<(&'static str, String)>,
}

impl Others {
    async fn new() -> Self {
        let (test, owner) = own_database().await;
        let project = Project::new();
        std::fs::remove_dir_all(project.path().join("entities")).expect("no entities");
        let env = environment(&test.logins, &owner);
        Self { test, project, owner, env }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.project.run_with(arguments, &self.env)
    }

    fn serve(&self) -> (Running, String) {
        let mut command = self.project.command(&["serve", "--port", "0"]);
        command.envs(self.env.iter().map(|(name, value)| (*name, value)));
        let mut serve = Running::start(command);
        let address = serve.address();
        (serve, address)
    }

    fn key(&self, user: &str) -> String {
        let run = self.run(&["key", "create", "--user", user, "--name", "k", "--scope", "*"]);
        run.expect(0).out.trim().to_owned()
    }

    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        for folder in ["entities", "migrations"] {
            for entry in std::fs::read_dir(self.project.path().join(folder)).into_iter().flatten() {
                let name = entry.expect("an entry").file_name();
                found.push(format!("{folder}/{}", name.to_string_lossy()));
            }
        }
        found.sort();
        found
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.project.path().join(name)).expect("a file")
    }

    /// One line for each table of `tables`: a checksum of all its rows, over the columns that it has at the time, without
    /// those that every adoption adds.
    async fn checksums(&self, tables: &[&str]) -> Vec<String> {
        let mut sums = Vec::new();
        for table in tables {
            let columns = format!(
                "SELECT string_agg(format('%I::text', attname), ', ' ORDER BY attnum) FROM pg_attribute \
                 WHERE attrelid = 'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped \
                   AND attname NOT IN ('twoFactorEnabled', 'username', 'displayUsername', 'impersonatedBy', 'lastUsedStep', \
                     'allowedIps', 'replacedBy', 'requestCount', 'userMark', 'keyMark', 'writtenBy', 'metaNumber')"
            );
            let columns = self.test.column(&columns).await.remove(0);
            let sql = format!(
                "SELECT md5(string_agg(ROW({columns})::text, '|' ORDER BY id)) || ' ' || count(*) FROM public.{table}"
            );
            sums.push(self.test.column(&sql).await.remove(0));
        }
        sums
    }
}

fn names(answer: &Value, list: &str, key: &str) -> Vec<String> {
    let rows = answer[list].as_array().expect("a list");
    rows.iter().map(|row| row[key].as_str().expect("a name").to_owned()).collect()
}

const NOTHING: &str = r#"{"toBeCreated":[],"toBeAdded":[]}"#;
/// Those whose tables Hedgerow has.
const PLUGINS: &str = "admin bearer jwt twoFactor username";

#[tokio::test(flavor = "multi_thread")]
async fn better_auth_finds_everything_in_a_new_database_under_the_login_of_setup() {
    let Some(better_auth) = BetterAuth::install() else {
        eprintln!("skipped: Better Auth's own schema needs node and npm");
        return;
    };
    let others = Others::new().await;
    let name = |kind: &str| format!("{}_{kind}", others.test.name);
    let roles = ["app", "anon", "auth", "admin"].map(|kind| format!("{kind} = \"{}\"\n", name(kind)));
    others.project.write("hedgerow.toml", &format!("[roles]\n{}", roles.concat()));
    let plain = others.run(&["setup", "--json"]).expect(0).json();
    assert!(plain.get("BETTER_AUTH_DATABASE_URL").is_none(), "nobody gets a login that nobody asked for");
    let made = others.run(&["setup", "--better-auth", "--json"]).expect(0).json();
    let beside = made["BETTER_AUTH_DATABASE_URL"].as_str().expect("a URL");
    assert!(beside.starts_with(&format!("postgresql://{}:", name("auth_node"))), "{beside}");
    let again = others.run(&["setup", "--better-auth"]).expect(0);
    assert!(again.out.is_empty() && again.err.contains(&name("auth_node")), "{}{}", again.out, again.err);

    others.project.write("entities/tasks.toml", "name = \"tasks\"\nfields.title = { type = \"text\" }\n");
    others.run(&["migrate", "new", "init"]).expect(0);
    others.run(&["migrate", "apply"]).expect(0);
    others.run(&["migrate", "check"]).expect(0);
    for database in [beside, &others.owner] {
        assert_eq!(better_auth.schema_with(PLUGINS, database, &[]), NOTHING);
        assert_eq!(better_auth.schema_with("", database, &[]), NOTHING);
    }
    let ann = better_auth.schema_with(PLUGINS, beside, &["user", "Ann", "ann@example.com"]);
    let bob = better_auth.schema_with(PLUGINS, beside, &["user", "Bob", "bob@example.com"]);
    assert_eq!(better_auth.schema_with(PLUGINS, beside, &["sign-in", "ann@example.com"]), ann);
    let rows = format!("INSERT INTO tasks (\"userId\", title) VALUES ('{ann}', 'x'), ('{bob}', 'x')");
    others.test.sql(&rows).await;
    better_auth.schema_with(PLUGINS, beside, &["delete", &ann]);
    for (table, left) in [("\"user\"", "1"), ("session", "1"), ("account", "1"), ("tasks", "1")] {
        assert_eq!(others.test.column(&format!("SELECT count(*) FROM {table}")).await, [left], "{table}");
    }
    for role in ["auth_node", "app_login", "auth_login", "admin_login", "app", "anon", "auth", "admin"] {
        let role = name(role);
        others.test.sql(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn better_auths_tables_alone_are_adopted_too() {
    let Some(better_auth) = BetterAuth::install() else {
        eprintln!("skipped: Better Auth's own schema needs node and npm");
        return;
    };
    for plugins in [PLUGINS, ""] {
        let others = Others::new().await;
        others.project.write("hedgerow.toml", "");
        better_auth.schema_with(plugins, &others.owner, &["apply"]);
        let ann = better_auth.schema_with(plugins, &others.owner, &["user", "Ann", "ann@example.com"]);
        let kept = ["\"user\"", "session", "account", "verification"];
        let before = others.checksums(&kept).await;
        let made = others.run(&["migrate", "baseline", "--json"]).expect(0).json();
        assert_eq!(made["notAdopted"], json!([]));
        assert_eq!((&made["obstacles"], &made["byHand"]), (&json!([]), &json!([])));
        others.run(&["migrate", "apply"]).expect(0);
        others.run(&["migrate", "check"]).expect(0);
        let columns = "SELECT count(*) FROM \"user\" WHERE username IS NULL";
        assert_eq!(others.test.column(columns).await, ["1"]);
        assert_eq!(better_auth.schema_with(PLUGINS, &others.owner, &[]), NOTHING);
        assert_eq!(
            others.test.column("SET ROLE hedgerow_auth; SELECT \"userId\" FROM session").await,
            [ann.as_str()]
        );

        // Another developer begins with nothing.
        let fresh = Others::new().await;
        for name in others.files() {
            fresh.project.write(&name, &others.file(&name));
        }
        fresh.project.write("hedgerow.toml", "");
        fresh.run(&["migrate", "apply"]).expect(0);
        fresh.run(&["migrate", "check"]).expect(0);
        assert_eq!(better_auth.schema_with(PLUGINS, &fresh.owner, &[]), NOTHING);

        others.run(&["migrate", "rollback", "--yes", "--allow-data-loss"]).expect(0);
        assert_eq!(others.checksums(&kept).await, before, "as it was");
        others.run(&["migrate", "apply"]).expect(0);
        others.run(&["migrate", "check"]).expect(0);
    }
}

/// Sign-in of an earlier making: moments without a zone, columns that came later, keys that do not delete.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_sign_in_that_lack_something_get_it() {
    let others = Others::new().await;
    others.project.write("hedgerow.toml", "");
    others
        .test
        .owner_sql(
            "CREATE TABLE \"user\" (id text PRIMARY KEY, name text, email text NOT NULL UNIQUE, \"emailVerified\" boolean DEFAULT false,
               role text DEFAULT 'member', banned boolean DEFAULT false, \"createdAt\" timestamp DEFAULT now(), \"updatedAt\" timestamp DEFAULT now());
             CREATE TABLE session (id text PRIMARY KEY, \"userId\" text NOT NULL REFERENCES \"user\" (id), token text NOT NULL UNIQUE,
               \"expiresAt\" timestamp NOT NULL, \"createdAt\" timestamp DEFAULT now());
             CREATE TABLE account (id text PRIMARY KEY, \"userId\" text, \"accountId\" text NOT NULL, \"providerId\" text NOT NULL,
               password text, tenant text NOT NULL);
             INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'Ann', 'ann@example.com');
             INSERT INTO session (id, \"userId\", token, \"expiresAt\") VALUES ('s', 'ann', 't', '2026-01-02 03:04:05');
             INSERT INTO account (id, \"userId\", \"accountId\", \"providerId\", tenant) VALUES ('a', 'ann', 'ann', 'credential', 'x'),
               ('b', 'ann', 'ann', 'credential', 'x'), ('c', NULL, 'c', 'credential', 'x'), ('d', 'nobody', 'd', 'credential', 'x');",
        )
        .await;
    let early = others.run(&["migrate", "baseline", "--json"]).expect(1).json();
    insta::assert_snapshot!(names(&early, "obstacles", "message").join("\n"), @r"
    1 rows of account have no owner (userId is NULL)
    1 rows of account have an owner that is no user
    1 identities (providerId, accountId) stand in account more than once, and one belongs to one user
    ");
    assert!(others.files().is_empty());
    others.test.owner_sql("DELETE FROM account WHERE id <> 'a'").await;
    let kept = ["\"user\"", "session", "account"];
    let made = others.run(&["migrate", "baseline", "--json"]).expect(0).json();
    insta::assert_snapshot!(names(&made, "byHand", "message").join("\n"));
    let changed = made["changes"].as_array().expect("a list").iter();
    let changed: Vec<String> = changed
        .map(|change| {
            format!("{} {}", change["object"], change["action"]).replace("\\\"", "").replace('"', "")
        })
        .filter(|change| change.starts_with("column") || change.starts_with("index"))
        .collect();
    insta::assert_snapshot!(changed.join("\n"));
    let row = "SELECT concat_ws(' ', id, token, \"expiresAt\") FROM session";
    others.run(&["migrate", "apply"]).expect(0);
    others.run(&["migrate", "check"]).expect(0);
    assert_eq!(others.test.column(row).await, ["s t 2026-01-02 03:04:05"]);
    // What is to be done by hand can be done.
    for remark in made["byHand"].as_array().expect("a list") {
        for statement in remark["remedy"].as_array().expect("a list") {
            others.test.owner_sql(statement.as_str().expect("SQL")).await;
        }
    }
    others.test.sql("SET ROLE hedgerow_auth; DELETE FROM \"user\" WHERE id = 'ann'").await;
    for table in kept {
        assert_eq!(others.test.column(&format!("SELECT count(*) FROM {table}")).await, ["0"], "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_better_auth_and_the_seed_is_adopted_row_by_row() {
    let Some(better_auth) = BetterAuth::install() else {
        eprintln!("skipped: Better Auth's own schema needs node and npm");
        return;
    };
    let others = Others::new().await;
    better_auth.schema(&others.owner, &["apply"]);
    let ann = better_auth.schema(&others.owner, &["user", "Ann", "ann@example.com"]);
    let bob = better_auth.schema(&others.owner, &["user", "Bob", "bob@example.com"]);
    others.test.owner_sql(include_str!("../sql/seed.sql")).await;
    let tables = [
        "\"user\"",
        "session",
        "account",
        "verification",
        "user_metas",
        "global_metas",
        "tasks_metas",
        "api_keys",
        "api_audit_logs",
        "projects",
        "tasks",
    ];
    let before = others.checksums(&tables).await;

    let dry = others.run(&["migrate", "baseline", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(dry["written"], json!(false));
    assert!(others.files().is_empty(), "{:?}", others.files());
    let made = others.run(&["migrate", "baseline", "--json"]).expect(0).json();
    assert_eq!(names(&made, "entities", "table"), ["projects", "tasks"]);
    assert_eq!(names(&made, "notAdopted", "table"), ["tasks_metas"]);
    let remedy = made["notAdopted"][0]["remedy"].as_array().expect("a list").iter();
    let remedy: Vec<&str> = remedy.map(|line| line.as_str().expect("SQL")).collect();
    assert_eq!(made["obstacles"], json!([]));
    assert!(
        made["byHand"][0]["message"].as_str().expect("text").starts_with("2 keys in api_keys are no SHA-256"),
        "{made}"
    );
    assert_eq!(
        others.files(),
        [
            "entities/projects.toml",
            "entities/tasks.toml",
            "migrations/0000_found.down.sql",
            "migrations/0000_found.sql",
            "migrations/0001_baseline.down.sql",
            "migrations/0001_baseline.sql",
        ]
    );
    // What numbers are compared by is computed of what is there.
    let written_anew: Vec<String> =
        (names(&made, "changes", "class").iter().zip(names(&made, "changes", "object")))
            .filter(|(class, _)| !matches!(class.as_str(), "safe" | "locks"))
            .map(|(class, object)| format!("{class} {object}"))
            .collect();
    assert_eq!(
        written_anew,
        ["global_metas", "user_metas"].map(|table| format!("rewrites column \"metaNumber\" of {table}"))
    );
    insta::assert_snapshot!(others.file("entities/tasks.toml"));

    others.run(&["migrate", "apply"]).expect(0);
    assert_eq!(others.checksums(&tables).await, before, "rows are as they were");
    others.run(&["migrate", "check"]).expect(0);
    assert_eq!(better_auth.schema(&others.owner, &[]), NOTHING);
    assert_eq!(better_auth.schema_with(PLUGINS, &others.owner, &[]), NOTHING);
    let again = others.run(&["migrate", "baseline"]).expect(1);
    assert!(
        again.err.contains("migrations/0000_found.sql exists: baseline is the beginning"),
        "{}",
        again.err
    );

    // Better Auth goes on beside Hedgerow, as a login that takes the role of sign-in; nobody else reads its tables.
    let login = format!("{}_node", others.test.name);
    let make = format!(
        "CREATE ROLE {login} LOGIN PASSWORD 'node' NOINHERIT IN ROLE hedgerow_auth; ALTER ROLE {login} SET role = hedgerow_auth"
    );
    others.test.sql(&make).await;
    let beside = others.owner.replace("hedgerow_owner:owner", &format!("{login}:node"));
    let cleo = better_auth.schema(&beside, &["user", "Cleo", "cleo@example.com"]);
    assert_eq!(cleo.len(), 32, "{cleo}");
    assert_eq!(better_auth.schema(&beside, &["sign-in", "ann@example.com"]), ann);
    others.test.sql(&format!("DROP ROLE {login}")).await;
    for (role, sees) in
        [("hedgerow_auth", Ok(vec!["4".to_owned()])), ("hedgerow_owner", Ok(vec!["0".to_owned()]))]
    {
        let seen = others.test.try_column(&format!("SET ROLE {role}; SELECT count(*) FROM session")).await;
        assert_eq!(seen, sees, "{role}");
    }
    for table in ["session", "account", "tasks_metas"] {
        let seen =
            others.test.try_column(&format!("SET ROLE hedgerow_app; SELECT count(*) FROM {table}")).await;
        assert_eq!(seen, Err(format!("permission denied for table {table}")));
    }

    // Metadata of users is theirs, whatever another program called its types.
    let own = format!(
        "SET ROLE hedgerow_app; SELECT set_config('app.user_id', '{ann}', false); \
         SELECT concat_ws(' ', \"metaKey\", \"metaValue\", \"dataType\", \"metaNumber\") FROM user_metas ORDER BY 1"
    );
    assert_eq!(
        others.test.column(&own).await[1..],
        ["list [1, 2] array", "size XL number", "theme {\"dark\": true} text"]
    );
    let mut keys =
        others.test.column("SELECT concat_ws(' ', \"metaKey\", \"metaNumber\") FROM global_metas").await;
    keys.sort();
    assert_eq!(keys, ["limit 10", "motto"]);
    let twice = "INSERT INTO global_metas (\"metaKey\", \"metaValue\") VALUES ('limit', '11')";
    assert!(others.test.try_column(twice).await.is_err_and(|error| error.contains("duplicate key")));
    becomes_metadata(&others, &remedy).await;

    let (key, other) = (others.key("ann@example.com"), others.key("bob@example.com"));
    let (serve, address) = others.serve();
    let (status, body) = get(&address, &key, "/api/v1/tasks?order=createdAt.desc");
    let rows: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, rows.as_array().map(Vec::len)), (200, Some(3)), "{body}");
    assert!(rows.as_array().expect("rows").iter().all(|row| row["userId"] == json!(ann)), "{body}");
    assert_eq!(rows[0]["createdAt"], json!("2026-01-02T03:07:05.678Z"));
    assert_eq!(rows[0]["labels"], json!(["a", "b"]));
    let mine = rows[0]["id"].as_str().expect("an id");
    assert_eq!(get(&address, &other, &format!("/api/v1/tasks/{mine}")).0, 404);
    let project = rows[0]["projectId"].clone();
    let foreign =
        send(&address, &other, "POST", "/api/v1/tasks", &json!({ "title": "x", "projectId": project }));
    assert_eq!(foreign.0, 409, "{}", foreign.1);
    let absent =
        send(&address, &other, "POST", "/api/v1/tasks", &json!({ "title": "x", "projectId": "nowhere" }));
    assert_eq!(foreign.0, absent.0, "{}", absent.1);
    let made = send(
        &address,
        &other,
        "POST",
        "/api/v1/tasks",
        &json!({ "title": "new", "remindAt": "2026-05-01T00:00:00Z" }),
    );
    assert_eq!(made.0, 201, "{}", made.1);
    let made: Value = serde_json::from_str(&made.1).expect("JSON");
    assert_eq!((&made["userId"], &made["remindAt"]), (&json!(bob), &json!("2026-05-01T00:00:00.000Z")));
    serve.stop();
}

/// What baseline says of a table that another program kept metadata in, done.
async fn becomes_metadata(others: &Others, remedy: &[&str]) {
    let at = remedy.iter().position(|line| line.starts_with("--")).expect("two steps");
    others.project.write("migrations/0002_before.sql", &format!("{};\n", remedy[..at].join(";\n")));
    let file = others.file("entities/tasks.toml");
    others.project.write("entities/tasks.toml", &file.replacen("\n", "\nmetadata = true\n", 1));
    others.run(&["migrate", "new", "metadata", "--json"]).expect(0);
    let made = others.file("migrations/0003_metadata.sql");
    let moved = format!("{made}\n{};\n", remedy[at + 1..].join(";\n"));
    others.project.write("migrations/0003_metadata.sql", &moved);
    others.run(&["migrate", "apply"]).expect(0);
    others.run(&["migrate", "check"]).expect(0);
    let moved = "SELECT DISTINCT concat_ws(' ', \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\") FROM tasks_metas ORDER BY 1";
    assert_eq!(
        others.test.column(moved).await,
        ["colour dark text t", "more {\"a\": null} json f", "size 7.50 json f"]
    );
    let strays = "SELECT count(*) FROM tasks_metas m JOIN tasks t ON t.id = m.\"entityId\" WHERE t.\"userId\" = m.\"userId\"";
    assert_eq!(others.test.column(strays).await, ["18"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_plain_tables_become_a_served_api() {
    let others = Others::new().await;
    others.test.owner_sql(include_str!("../sql/plain.sql")).await;
    let early = others.run(&["migrate", "baseline", "--json"]).expect(1);
    assert!(others.files().is_empty());
    let answer = early.json();
    let obstacles = names(&answer, "obstacles", "message");
    assert!(obstacles[0].contains("there is no table \"user\""), "{obstacles:?}");
    // What it says is what helps.
    for statement in answer["obstacles"][0]["remedy"].as_array().expect("a list") {
        others.test.owner_sql(statement.as_str().expect("SQL")).await;
    }
    let kept = ["projects", "tasks", "events", "event_notes", "\"user\""];
    let before = others.checksums(&kept).await;

    let made = others.run(&["migrate", "baseline"]).expect(0);
    let said: Vec<&str> = made.out.lines().filter(|line| !line.starts_with("            lock:")).collect();
    insta::assert_snapshot!(said.join("\n"));
    insta::assert_snapshot!(others.file("entities/tasks.toml"));
    others.run(&["migrate", "apply"]).expect(0);
    others.run(&["migrate", "check"]).expect(0);
    let rows =
        |table: &str| format!("SELECT string_agg(id || ' ' || \"userId\", ', ' ORDER BY id) FROM {table}");
    assert_eq!(others.test.column(&rows("projects")).await, ["p1 ann, p2 bob"]);

    let key = others.key("ann@example.com");
    let (serve, address) = others.serve();
    let (status, body) =
        get(&address, &key, "/api/v1/tasks?select=title,status,priority,project_id&order=title");
    assert_eq!(status, 200, "{body}");
    insta::assert_snapshot!(body, @r#"[{"title":"Clean","status":"todo","priority":2,"project_id":"p1"},{"title":"Paint","status":"todo","priority":2,"project_id":"p1"}]"#);
    let made = send(
        &address,
        &key,
        "POST",
        "/api/v1/tasks",
        &json!({ "title": "Sweep", "project_id": "p1", "priority": 1 }),
    );
    assert_eq!(made.0, 201, "{}", made.1);
    let id: Value = serde_json::from_str(&made.1).expect("JSON");
    let changed = send(
        &address,
        &key,
        "PATCH",
        &format!("/api/v1/tasks/{}", id["id"].as_str().expect("id")),
        &json!({ "status": "done" }),
    );
    assert_eq!(changed.0, 200, "{}", changed.1);
    let foreign =
        send(&address, &key, "POST", "/api/v1/tasks", &json!({ "title": "Steal", "project_id": "p2" }));
    assert_eq!(foreign.0, 409, "{}", foreign.1);
    serve.stop();
    others.test.sql("DELETE FROM tasks WHERE title = 'Sweep'").await;

    // What the files make of nothing is what this database is.
    let new = others.run(&["migrate", "new", "nothing", "--json"]).expect(0).json();
    assert_eq!(new["changes"], json!([]));
    for file in ["migrations/0002_nothing.sql", "migrations/0002_nothing.down.sql"] {
        std::fs::remove_file(others.project.path().join(file)).expect("the file");
    }

    // Another developer begins with nothing.
    let fresh = Others::new().await;
    for name in others.files() {
        fresh.project.write(&name, &others.file(&name));
    }
    fresh.run(&["migrate", "apply"]).expect(0);
    fresh.run(&["migrate", "check"]).expect(0);

    // And back, and there again.
    others.run(&["migrate", "rollback", "--yes", "--allow-data-loss"]).expect(0);
    let open =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relforcerowsecurity";
    assert_eq!(others.test.column(open).await, ["0"]);
    assert_eq!(others.checksums(&kept).await, before, "as it was");
    others.test.owner_sql("UPDATE tasks SET title = title, updated_at = DEFAULT").await;
    others.run(&["migrate", "apply"]).expect(0);
    others.run(&["migrate", "check"]).expect(0);
    others.run(&["migrate", "rollback", "2", "--yes", "--allow-data-loss"]).expect(0);
    for folder in ["entities", "migrations"] {
        std::fs::remove_dir_all(others.project.path().join(folder)).expect("a folder");
    }
    others.run(&["migrate", "baseline"]).expect(0);
    others.run(&["migrate", "apply"]).expect(0);
    others.run(&["migrate", "check"]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_came_after_hedgerows_own_are_adopted_too() {
    let others = Others::new().await;
    others.project.write("hedgerow.toml", "");
    others.run(&["migrate", "apply"]).expect(0);
    let users = "INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'Ann', 'ann@example.com'), ('bob', 'Bob', 'bob@example.com')";
    others.test.sql(users).await;
    others.test.owner_sql(include_str!("../sql/plain.sql")).await;
    let made = others.run(&["migrate", "baseline", "--json"]).expect(0).json();
    // FORCE hides the users from their owner, so nobody could count whose rows are nobody's.
    let by_hand = names(&made, "byHand", "message");
    assert!(by_hand.iter().any(|text| text.contains("have an owner that is no user")), "{by_hand:?}");
    others.run(&["migrate", "apply"]).expect(0);
    others.run(&["migrate", "check"]).expect(0);
    let new = others.run(&["migrate", "new", "nothing", "--json"]).expect(0).json();
    assert_eq!(new["changes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn baseline_says_what_it_needs() {
    let others = Others::new().await;
    let empty = others.run(&["migrate", "baseline"]).expect(1);
    assert!(empty.err.contains("there is no table in schema public"), "{}", empty.err);
    others.test.owner_sql(include_str!("../sql/plain.sql")).await;
    others.project.write("hedgerow.toml", "[roles]\napp = \"nobody_app\"\n");
    let early = others.run(&["migrate", "baseline"]).expect(1);
    assert!(
        early.err.contains("the roles nobody_app do not exist; run `hedgerow setup` first"),
        "{}",
        early.err
    );
    others.project.write("hedgerow.toml", "");
    others.project.write("entities/tasks.toml", "name = \"tasks\"\n");
    let exists = others.run(&["migrate", "baseline"]).expect(1);
    assert!(
        exists.err.contains("entities/tasks.toml exist already, and baseline overwrites nothing"),
        "{}",
        exists.err
    );
}
