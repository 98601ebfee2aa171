//! A database of one's own: setup, serve, and what serve refuses.

use hedgerow_testing::{TestDatabase, cluster_address};
use insta::assert_snapshot;

use crate::project::{Project, Running, SECRET, environment, get, run_with_input};

#[test]
fn serve_starts_only_with_what_production_needs() {
    let project = Project::new();
    let run = project.run(&["serve"]).expect(1);
    assert!(run.err.contains("serving needs HEDGEROW_SECRET"), "{}", run.err);
    let run = project.run_with(&["serve"], &[("HEDGEROW_SECRET", "short")]).expect(1);
    assert!(run.err.contains("at least 32 characters"), "{}", run.err);
    let run = project.run_with(&["serve"], &[SECRET]).expect(1);
    assert_snapshot!(run.err, @"error: DATABASE_URL is not set; production never starts a database of its own (for development, run `hedgerow dev`)");
    let run = project
        .run_with(&["serve"], &[SECRET, ("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/d")])
        .expect(4);
    assert!(run.err.contains("postgresql://u@127.0.0.1:1/d") && !run.err.contains("hunter2"), "{}", run.err);
    assert!(!project.path().join(".hedgerow").exists(), "no server was started");
}

/// An empty database whose owner has a password, as on any host.
pub(crate) async fn own_database() -> (TestDatabase, String) {
    let test = TestDatabase::with(&hedgerow::Schema::default()).await;
    test.sql("DROP TABLE api_audit_logs, api_idempotency, user_metas, global_metas, session, account, verification, jwks, \"twoFactor\", api_keys, \"user\"; DROP FUNCTION get_auth_user_id(), update_updated_at_column(); DROP SCHEMA hedgerow CASCADE").await;
    // Once: PostgreSQL refuses to change a role twice at the same time.
    static PASSWORD: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    PASSWORD.get_or_init(|| test.sql("ALTER ROLE hedgerow_owner PASSWORD 'owner'")).await;
    let (host, port) = cluster_address().await;
    let url = format!("postgresql://hedgerow_owner:owner@{host}:{port}/{}", test.name);
    (test, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_database_to_a_served_one() {
    let (test, owner) = own_database().await;
    // Roles of this test's own: those of the other tests live on the same server.
    let project = Project::new();
    let name = |kind: &str| format!("{}_{kind}", test.name);
    project.write(
        "hedgerow.toml",
        &format!(
            "[roles]\napp = \"{}\"\nanon = \"{}\"\nauth = \"{}\"\nadmin = \"{}\"\n",
            name("app"),
            name("anon"),
            name("auth"),
            name("admin")
        ),
    );
    let owner = [("DIRECT_DATABASE_URL", owner.as_str())];
    let early = project.run_with(&["migrate", "apply"], &[("DATABASE_URL", owner[0].1)]).expect(1);
    assert!(early.err.contains("set DIRECT_DATABASE_URL"), "{}", early.err);

    let made = project.run_with(&["setup", "--admin", "root@example.com", "--json"], &owner).expect(0).json();
    let url = |variable: &str| made[variable].as_str().expect("a URL").to_owned();
    let [tenant, auth, admin] = ["DATABASE_URL", "AUTH_DATABASE_URL", "ADMIN_DATABASE_URL"].map(url);
    assert!(tenant.starts_with(&format!("postgresql://{}:", name("app_login"))), "{tenant}");
    let again = project.run_with(&["setup"], &owner).expect(0);
    assert!(again.out.is_empty() && again.err.contains("kept their passwords"), "{}{}", again.out, again.err);
    let repeat =
        project.run_with(&["setup", "--admin", "root@example.com", "--json"], &owner).expect(0).json();
    assert_eq!(repeat["adminId"], made["adminId"]);
    let links = [&made, &repeat].map(|answer| answer["setPasswordUrl"].as_str().expect("a link").to_owned());
    assert!(
        links[0] != links[1] && links[1].starts_with("http://127.0.0.1:4400/set-password?token="),
        "{links:?}"
    );
    let mut setup = project.command(&["setup", "--admin", "root@example.com", "--password-stdin", "--json"]);
    let chosen = run_with_input(setup.envs(owner), "password-of-root\n").expect(0).json();
    assert_eq!(chosen, serde_json::json!({ "adminId": made["adminId"] }), "no link once there is a password");

    let env = [
        SECRET,
        ("DATABASE_URL", tenant.as_str()),
        ("AUTH_DATABASE_URL", &auth),
        ("ADMIN_DATABASE_URL", &admin),
        ("HEDGEROW_DATABASE_OUTDATED_SERVER", "warn"),
    ];
    let unready = project.run_with(&["serve", "--port", "0"], &env).expect(1);
    assert!(unready.err.contains("error: the table notes is not there"), "{}", unready.err);
    assert!(unready.err.contains("run `hedgerow migrate apply`"), "{}", unready.err);

    let with_owner: Vec<(&str, &str)> = env.iter().copied().chain(owner).collect();
    project.run_with(&["migrate", "new", "init"], &with_owner).expect(0);
    project.run_with(&["migrate", "apply"], &with_owner).expect(0);
    let key = project
        .run_with(&["key", "create", "--user", "root@example.com", "--name", "k", "--scope", "*"], &env)
        .expect(0)
        .out;

    let mut command = project.command(&["serve", "--port", "0"]);
    command.envs(env);
    let mut serve = Running::start(command);
    let address = &serve.address();
    assert_eq!(get(address, key.trim(), "/api/v1/notes"), (200, "[]".to_owned()));
    assert_eq!(get(address, "x", "/livez").0, 200);
    assert_eq!(serve.stop().0, Some(0));

    let with_owner = [env[0], env[1], env[2], env[3], owner[0]];
    let psql = project.run_with(&["psql", "--", "-Atc", "SELECT count(*) FROM notes"], &with_owner);
    assert!(psql.err.contains("row-level security binds hedgerow_owner, too"), "{}", psql.err);

    // The logins of setup, each in the other's place.
    let swapped = [env[0], ("DATABASE_URL", auth.as_str()), env[4]];
    let refused = project.run_with(&["serve", "--port", "0"], &swapped).expect(1);
    assert!(refused.err.contains("cannot take the role"), "{}", refused.err);

    // A table that somebody opened stops the next start.
    test.sql("ALTER TABLE notes DISABLE ROW LEVEL SECURITY").await;
    let refused = project.run_with(&["serve", "--port", "0"], &env).expect(1);
    assert!(refused.err.contains("row-level security is not enforced on notes"), "{}", refused.err);
    test.sql("ALTER TABLE notes ENABLE ROW LEVEL SECURITY").await;

    // The owner in everybody's place.
    test.sql(&format!(
        "GRANT {}, {}, {}, {} TO hedgerow_owner",
        name("app"),
        name("anon"),
        name("auth"),
        name("admin")
    ))
    .await;
    let as_owner = [env[0], ("DATABASE_URL", owner[0].1), env[4]];
    let refused = project.run_with(&["serve", "--port", "0"], &as_owner).expect(1);
    assert!(refused.err.contains("owns tables: row-level security does not bind it"), "{}", refused.err);
    for role in ["app_login", "auth_login", "admin_login", "app", "anon", "auth", "admin"].map(name) {
        test.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_server_is_refused_by_default() {
    let test = TestDatabase::with(&hedgerow_testing::schema_of(&[(
        "notes",
        "fields.text = { type = \"text\" }\nfields.n = { type = \"integer\", unique = true }",
    )]))
    .await;
    let version: u32 = test.column("SHOW server_version_num").await[0].parse().expect("a number");
    let version = hedgerow::database::server_version::ServerVersion::from_version_num(version);
    let project = Project::new();
    let mut env = environment(&test.logins, &test.owner);
    env.retain(|(name, _)| !matches!(*name, "DIRECT_DATABASE_URL" | "HEDGEROW_DATABASE_OUTDATED_SERVER"));
    if hedgerow::database::server_version::known_holes(version).is_none() {
        let mut command = project.command(&["serve", "--port", "0"]);
        command.envs(env);
        Running::start(command).wait_for("\"serving\"");
        return;
    }
    let refused = project.run_with(&["serve", "--port", "0"], &env).expect(1);
    assert!(refused.err.contains("has known holes in row-level security"), "{}", refused.err);
    assert!(refused.err.contains("database.outdated_server = \"warn\""), "{}", refused.err);
}
