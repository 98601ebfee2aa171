//! The tables of sign-in: made beside those of an earlier version, over those of a Better Auth server, reached by nobody
//! but sign-in; and a user who is deleted is gone with everything.

use hedgerow_database::migrate::{DataLoss, Look, MigrateError, apply, look, server_error};
use hedgerow_database::setup::{LoginProof, better_auth_login};
use hedgerow_database::{Database, ExposeSecret, Identity, PoolSettings};
use hedgerow_schema::diff::{Pace, Plan};
use hedgerow_schema::{Roles, Schema, drift};
use hedgerow_testing::{TestDatabase, schema_of};

const SIGN_IN: [&str; 5] = ["session", "account", "verification", "jwks", "\"twoFactor\""];

async fn seen(test: &TestDatabase) -> Look {
    look(&test.owner).await.expect("a look")
}

async fn migrate(test: &TestDatabase) -> Result<Vec<String>, MigrateError> {
    let applied = apply(&test.owner, &Roles::default(), &[], DataLoss::Refuse, |_| {}).await?;
    Ok(applied.into_iter().map(|step| step.name).collect())
}

fn plan(look: &Look) -> Plan {
    look.plan(&Schema::default(), &Roles::default(), Pace::Online)
}

/// A database as the version before left it, with a user.
async fn of_earlier_version() -> TestDatabase {
    let test = TestDatabase::with(&Schema::default()).await;
    let without = format!(
        "DROP TABLE {}; ALTER TABLE \"user\" DROP COLUMN \"twoFactorEnabled\", DROP COLUMN username, DROP COLUMN \"displayUsername\";
         DROP FUNCTION hedgerow.session_stands;
         DELETE FROM hedgerow.migrations WHERE name IN ('0002_sign_in', '0008_sessions'); UPDATE hedgerow.state SET catalog = NULL;
         INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'Ann', 'ann@example.com')",
        SIGN_IN.join(", ")
    );
    test.sql(&without).await;
    test
}

#[tokio::test]
async fn an_earlier_versions_database_gets_what_is_missing() {
    let test = of_earlier_version().await;
    assert_eq!(seen(&test).await.pending_sets(&Roles::default()), ["0002_sign_in", "0008_sessions"]);
    assert_eq!(migrate(&test).await.expect("applied"), ["0002_sign_in", "0008_sessions"]);
    let after = seen(&test).await;
    assert_eq!(after.pending_sets(&Roles::default()), Vec::<&str>::new());
    assert_eq!(plan(&after).changes, []);
    let target = after.target(&Schema::default(), &Roles::default());
    assert_eq!(drift::differences(&after.catalog, &target), []);
    assert_eq!(
        test.column("SELECT name || coalesce(username, ' has no name') FROM \"user\"").await,
        ["Ann has no name"]
    );
    // What the catalog says of an upgraded database is what it says of a new one.
    let fresh = seen(&TestDatabase::with(&Schema::default()).await).await;
    assert_eq!(drift::differences(&after.catalog, &fresh.catalog), []);
    assert_eq!(migrate(&test).await.expect("nothing"), Vec::<String>::new());
}

/// What a Better Auth server of an earlier version made beside Hedgerow, closed by a migration of its own.
const NODE: &str = "
    CREATE TABLE session (id text PRIMARY KEY, \"expiresAt\" timestamp NOT NULL, token text NOT NULL UNIQUE,
      \"createdAt\" timestamp DEFAULT now(), \"userId\" text NOT NULL REFERENCES \"user\" (id) ON DELETE CASCADE, \"activeTeamId\" text);
    CREATE TABLE account (id text PRIMARY KEY, \"accountId\" text NOT NULL, \"providerId\" text NOT NULL,
      \"userId\" text NOT NULL REFERENCES \"user\" (id) ON DELETE CASCADE, \"accessToken\" text, \"refreshToken\" text, \"idToken\" text,
      \"accessTokenExpiresAt\" timestamptz, \"refreshTokenExpiresAt\" timestamptz, scope text, password text,
      \"createdAt\" timestamptz NOT NULL DEFAULT now(), \"updatedAt\" timestamptz NOT NULL);
    INSERT INTO session (id, \"expiresAt\", token, \"userId\", \"activeTeamId\") VALUES ('s', '2026-01-02 03:04:05', 't', 'ann', 'team');
    INSERT INTO account (id, \"accountId\", \"providerId\", \"userId\", \"updatedAt\") VALUES ('a', 'ann', 'credential', 'ann', now());
    ALTER TABLE session ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    ALTER TABLE account ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY hedgerow_floor_select ON session AS RESTRICTIVE FOR SELECT USING (true);
    GRANT ALL ON session TO hedgerow_app, PUBLIC;";

#[tokio::test]
async fn tables_that_a_better_auth_server_made_stay_with_their_rows() {
    let test = of_earlier_version().await;
    test.owner_sql(NODE).await;
    assert_eq!(migrate(&test).await.expect("applied"), ["0002_sign_in", "0008_sessions"]);
    let row = "SELECT concat_ws(' ', id, \"expiresAt\", token, \"activeTeamId\", \"updatedAt\" IS NOT NULL, \"impersonatedBy\") FROM session";
    assert_eq!(test.column(row).await, ["s 2026-01-02 03:04:05 t team t"]);
    let after = seen(&test).await;
    assert_eq!(plan(&after).changes, []);
    let target = after.target(&Schema::default(), &Roles::default());
    assert_eq!(drift::differences(&after.catalog, &target), []);
    let read = test.try_column("SET ROLE hedgerow_app; SELECT token FROM session").await;
    assert_eq!(read, Err("permission denied for table session".to_owned()));
    assert_eq!(test.column("SET ROLE hedgerow_auth; SELECT token FROM session").await, ["t"]);
}

#[tokio::test]
async fn an_identity_of_two_users_is_named_before_anything_is_made() {
    let test = of_earlier_version().await;
    test.owner_sql(NODE).await;
    test.sql(
        "INSERT INTO account (id, \"accountId\", \"providerId\", \"userId\", \"updatedAt\") VALUES
           ('b', 'ann', 'credential', 'ann', now()), ('c', '1', 'github', 'ann', now()), ('d', '1', 'github', 'ann', now()),
           ('e', '2', 'github', 'ann', now())",
    )
    .await;
    let error = migrate(&test).await.expect_err("refused");
    let server = server_error(&error).expect("the server refuses").to_string();
    assert!(
        server.contains("rows of account say the same identity (\"providerId\", \"accountId\"): a, b; c, d"),
        "{server}"
    );
    assert_eq!(test.column("SELECT to_regclass('public.jwks') IS NULL").await, ["t"]);
    test.sql("DELETE FROM account WHERE id IN ('b', 'd')").await;
    assert_eq!(migrate(&test).await.expect("applied"), ["0002_sign_in", "0008_sessions"]);
}

const ENTITIES: &[(&str, &str)] = &[
    ("places", "fields.name = { type = \"text\" }"),
    (
        "tasks",
        "soft_delete = true\nfields.place = { type = \"relation\", entity = \"places\", on_delete = \"restrict\" }\n\
         fields.helper = { type = \"user\", on_delete = \"set_null\" }\n\
         fields.many = { type = \"relation_many\", entity = \"places\" }",
    ),
    (
        "pages",
        "access = { read = \"public\", published_when = \"title = 'out'\" }\nfields.title = { type = \"text\" }",
    ),
];

fn rows_of_sign_in(user: &str) -> String {
    format!(
        "INSERT INTO \"user\" (id, name, email) VALUES ('{user}', '{user}', '{user}@example.com');
         INSERT INTO session (id, \"expiresAt\", token, \"updatedAt\", \"userId\") VALUES ('{user}', now(), 'of {user}', now(), '{user}');
         INSERT INTO account (id, \"accountId\", \"providerId\", \"userId\", \"updatedAt\") VALUES ('{user}', '{user}', 'credential', '{user}', now());
         INSERT INTO \"twoFactor\" (id, secret, \"backupCodes\", \"userId\") VALUES ('{user}', 'x', 'x', '{user}');"
    )
}

fn rows_of(user: &str, letter: &str) -> String {
    let rest = format!(
        "INSERT INTO api_keys (\"userId\", name, key, prefix) VALUES ('{user}', 'k', repeat('{letter}', 64), 'p');
         INSERT INTO places (id, \"userId\", name) VALUES ('place of {user}', '{user}', 'x');
         INSERT INTO tasks (id, \"userId\", place, \"deletedAt\") VALUES ('task of {user}', '{user}', 'place of {user}', NULL),
           ('old task of {user}', '{user}', 'place of {user}', now());
         INSERT INTO tasks_many (\"userId\", \"sourceId\", \"targetId\") VALUES ('{user}', 'task of {user}', 'place of {user}');
         INSERT INTO pages (\"userId\", title) VALUES ('{user}', 'out'), ('{user}', 'draft');"
    );
    rows_of_sign_in(user) + &rest
}

/// Referential actions run as the owner of the tables, whom FORCE binds everywhere but there.
#[tokio::test]
async fn a_user_whom_sign_in_deletes_is_gone_with_everything() {
    let test = TestDatabase::with(&schema_of(ENTITIES)).await;
    test.sql(&(rows_of("ann", "a") + &rows_of("bob", "b"))).await;
    test.sql("UPDATE tasks SET helper = 'ann' WHERE id = 'task of bob'").await;
    let count = "SELECT concat_ws(' ', (SELECT count(*) FROM \"user\"), (SELECT count(*) FROM session), (SELECT count(*) FROM account),
        (SELECT count(*) FROM \"twoFactor\"), (SELECT count(*) FROM api_keys), (SELECT count(*) FROM places),
        (SELECT count(*) FROM tasks), (SELECT count(*) FROM tasks_many), (SELECT count(*) FROM pages))";
    assert_eq!(test.column(count).await, ["2 2 2 2 2 2 4 2 4"]);
    let named = "SELECT string_agg(format('SELECT %L FROM %s t WHERE t::text ~ %L', c.relname, c.oid::regclass, '\\mann\\M'), ' UNION ALL ')
                 FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    let named = test.column(named).await.remove(0);
    assert_eq!(test.column(&named).await.len(), 12, "the question finds her");

    let database = Database::open(&test.logins, PoolSettings::default(), Roles::default());
    let sql = "DELETE FROM \"user\" WHERE id = 'ann'";
    let deleted = database.flight(&Identity::Auth).execute(sql, &[]).await;
    assert_eq!(deleted.expect("deleted"), 1);
    assert_eq!(test.column(count).await, ["1 1 1 1 1 1 2 1 2"]);
    assert_eq!(test.column(&named).await, Vec::<String>::new(), "nothing names her");
    let rest = "SELECT concat_ws(' ', id, \"userId\", coalesce(helper, 'without help')) FROM tasks WHERE \"deletedAt\" IS NULL";
    assert_eq!(test.column(rest).await, ["task of bob bob without help"]);
}

/// What somebody else's identity does to the tables of sign-in: nothing.
#[tokio::test]
async fn nobody_but_sign_in_reaches_its_tables() {
    let test = TestDatabase::with(&schema_of(ENTITIES)).await;
    test.sql(&rows_of("ann", "a")).await;
    for table in SIGN_IN {
        let tries = [
            format!("SELECT FROM {table}"),
            format!("SELECT id FROM {table}"),
            format!("INSERT INTO {table} (id) VALUES ('x')"),
            format!("UPDATE {table} SET id = 'x'"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
        ];
        let refused = Err(format!("permission denied for table {}", table.trim_matches('"')));
        for role in ["hedgerow_app", "hedgerow_anon", "hedgerow_admin"] {
            for sql in &tries {
                let tried = format!("SELECT set_config('app.user_id', 'ann', false); SET ROLE {role}; {sql}");
                assert_eq!(test.try_column(&tried).await, refused, "{role}: {sql}");
            }
        }
        // And nobody empties them at once, not even sign-in.
        let emptied = test.try_column(&format!("SET ROLE hedgerow_auth; TRUNCATE {table}")).await;
        assert_eq!(emptied, refused);
    }
    for table in ["places", "tasks", "tasks_many", "pages"] {
        for sql in [
            format!("SELECT FROM {table}"),
            format!("INSERT INTO {table} (\"userId\") VALUES ('ann')"),
            format!("UPDATE {table} SET \"userId\" = 'x'"),
            format!("DELETE FROM {table}"),
        ] {
            let tried = test.try_column(&format!("SET ROLE hedgerow_auth; {sql}")).await;
            assert_eq!(tried, Err(format!("permission denied for table {table}")), "{sql}");
        }
    }
}

#[tokio::test]
async fn the_login_of_a_better_auth_server_has_the_role_of_sign_in_at_once() {
    let test = TestDatabase::with(&Schema::default()).await;
    test.sql(&rows_of_sign_in("ann")).await;
    let (host, port) = hedgerow_testing::cluster_address().await;
    let make = async |proof| better_auth_login(&test.owner, &Roles::default(), proof).await.expect("a login");
    let (first, kept) = make(LoginProof::NewPassword).await;
    assert!(!kept);
    assert!(make(LoginProof::Password).await.1, "it keeps its password");
    assert_eq!(first.user(), "hedgerow_auth_node");
    let url = first.to_secret_string();
    let (_, password) = url.expose_secret().split_once("hedgerow_auth_node:").expect("a password");
    let password = password.split('@').next().expect("a password");
    let connect = async |database: &str| {
        let url = format!("postgresql://hedgerow_auth_node:{password}@{host}:{port}/{database}");
        let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.expect("a connection");
        (client, tokio::spawn(connection))
    };
    let (client, driver) = connect(&test.name).await;
    let sql = "SELECT current_user::text, session_user::text, (SELECT count(*) FROM session)";
    let who = client.query_one(sql, &[]).await.expect("an answer");
    assert_eq!((who.get(0), who.get(1), who.get(2)), ("hedgerow_auth", "hedgerow_auth_node", 1_i64));
    for role in ["hedgerow_app", "hedgerow_admin", "hedgerow_owner"] {
        assert!(client.batch_execute(&format!("SET ROLE {role}")).await.is_err(), "{role}");
    }
    drop(client);
    driver.await.expect("the driver").expect("ends");
    // In the other databases of the server it is nobody.
    let (client, driver) = connect("postgres").await;
    let who = client.query_one("SELECT current_user::text", &[]).await.expect("an answer");
    assert_eq!(who.get::<_, &str>(0), "hedgerow_auth_node");
    drop(client);
    driver.await.expect("the driver").expect("ends");
    let became = test.try_column("SET SESSION AUTHORIZATION hedgerow_owner; SET ROLE hedgerow_auth").await;
    let refused = "permission denied to set role \"hedgerow_auth\"";
    assert_eq!(became, Err(refused.to_owned()), "the owner became no member");
    test.sql("DROP ROLE hedgerow_auth_node").await;
}
