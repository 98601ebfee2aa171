//! What is looked at before serving, and that each danger is found and named.

use hedgerow::checks::{Severity, Tolerance, examine};
use hedgerow::database::{DatabaseUrl, Logins};
use hedgerow::{App, AppOptions, Schema};
use hedgerow_testing::{SPARE_LOGIN, TestApp, TestDatabase, schema_of};

const NOTES: (&str, &str) = ("notes", "fields.text = { type = \"text\" }");

/// `error code, warning code`; the server's age is whatever it is.
async fn findings(app: &App) -> String {
    let found = examine(app, Tolerance::default()).await.expect("an examination");
    let words = found.iter().filter(|finding| finding.code != "outdated_server").map(|finding| {
        assert!(!finding.remedy.is_empty() && !finding.message.is_empty());
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        format!("{severity} {}", finding.code)
    });
    words.collect::<Vec<_>>().join(", ")
}

fn app_with(logins: Logins, schema: Schema) -> App {
    let mut options = AppOptions::new(logins);
    options.pool.max_connections = 1;
    App::open(options, schema)
}

#[tokio::test]
async fn a_sound_database_has_no_findings() {
    let test = TestApp::with(&[NOTES]).await;
    assert_eq!(findings(&test.app).await, "");
    test.close().await;
}

#[tokio::test]
async fn searching_without_its_index_is_said_where_something_is_searched() {
    let not_marked = "ALTER FUNCTION pg_catalog.ts_match_vq(tsvector, tsquery) NOT LEAKPROOF";
    let searched = ("notes", "fields.text = { type = \"text\", searchable = true }");
    for (entity, expected) in [(NOTES, ""), (searched, "warning slow_search")] {
        let test = TestApp::with(&[entity]).await;
        assert_eq!(findings(&test.app).await, "");
        test.database.sql(not_marked).await;
        assert_eq!(findings(&test.app).await, expected);
        test.close().await;
    }
}

#[tokio::test]
async fn each_danger_in_the_tables_is_found() {
    for (broken, expected) in [
        ("ALTER TABLE notes DISABLE ROW LEVEL SECURITY", "error open_table"),
        ("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY", "error open_table"),
        ("CREATE TABLE extra (id int)", "error open_table"),
        ("DROP POLICY hedgerow_floor_delete ON notes", "error missing_policy"),
        ("ALTER POLICY hedgerow_floor_select ON notes TO hedgerow_app", "error missing_policy"),
        ("DROP POLICY \"Users can view own records\" ON \"user\"", "error missing_policy"),
        ("ALTER POLICY hedgerow_floor_select ON notes USING (true)", "error missing_policy"),
        ("ALTER POLICY hedgerow_floor_update ON notes WITH CHECK (true)", "error missing_policy"),
        (
            "ALTER POLICY hedgerow_floor_select ON notes USING (\"userId\" <> (SELECT get_auth_user_id()))",
            "error missing_policy",
        ),
        ("CREATE VIEW seen AS SELECT * FROM notes; GRANT SELECT ON seen TO hedgerow_app", "error open_view"),
        ("CREATE VIEW seen AS SELECT * FROM notes; GRANT SELECT (text) ON seen TO PUBLIC", "error open_view"),
        (
            "CREATE MATERIALIZED VIEW seen AS SELECT * FROM notes; ALTER MATERIALIZED VIEW seen OWNER TO hedgerow_owner; GRANT SELECT ON seen TO hedgerow_anon",
            "error open_view",
        ),
        (
            "CREATE FUNCTION everything() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN (SELECT count(*) FROM notes)",
            "error open_function",
        ),
        ("GRANT UPDATE (\"userId\") ON notes TO hedgerow_app", "error too_many_rights"),
        ("GRANT TRUNCATE ON notes TO hedgerow_admin", "error too_many_rights"),
        ("GRANT SELECT (token) ON session TO hedgerow_app", "error too_many_rights"),
        ("DROP POLICY hedgerow_floor_select ON jwks", "error missing_policy"),
        ("ALTER TABLE \"twoFactor\" NO FORCE ROW LEVEL SECURITY", "error open_table"),
        ("DROP TABLE verification", "error missing_table"),
        ("DROP TABLE notes", "error missing_table"),
        ("ALTER TABLE notes DROP COLUMN text", "error schema_differs"),
        ("ALTER TABLE notes ALTER text TYPE varchar(5)", "error schema_differs"),
        (
            "CREATE OR REPLACE FUNCTION get_auth_user_id() RETURNS text LANGUAGE sql STABLE RETURN 'alice'",
            "error identity_function",
        ),
        ("ALTER FUNCTION get_auth_user_id() VOLATILE", "error identity_function"),
        (
            "CREATE OR REPLACE FUNCTION hedgerow.session_stands(text, text, text) RETURNS bigint LANGUAGE plpgsql STABLE \
             SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN 1; END $$",
            "error own_function",
        ),
        ("ALTER FUNCTION hedgerow.write_audit SECURITY INVOKER", "error own_function"),
        ("DROP FUNCTION hedgerow.keep_audit", "error own_function"),
        (
            "ALTER FUNCTION hedgerow.keep_audit OWNER TO postgres; GRANT EXECUTE ON FUNCTION hedgerow.keep_audit TO hedgerow_app",
            "error open_function, error own_function",
        ),
        ("ALTER FUNCTION get_auth_user_id() SECURITY DEFINER", "error identity_function"),
    ] {
        let test = TestApp::with(&[NOTES]).await;
        test.database.sql(broken).await;
        assert_eq!(findings(&test.app).await, expected, "{broken}");
        test.close().await;
    }
}

#[tokio::test]
async fn what_acts_as_a_bound_owner_or_as_its_reader_is_no_danger() {
    for harmless in [
        "CREATE VIEW seen WITH (security_invoker = true) AS SELECT * FROM notes; GRANT SELECT ON seen TO hedgerow_app",
        "CREATE VIEW seen AS SELECT * FROM notes; ALTER VIEW seen OWNER TO hedgerow_owner; GRANT SELECT ON seen TO hedgerow_app",
        "CREATE VIEW seen AS SELECT * FROM notes",
        "CREATE FUNCTION everything() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN (SELECT count(*) FROM notes); \
         REVOKE EXECUTE ON FUNCTION everything() FROM PUBLIC",
    ] {
        let test = TestApp::with(&[NOTES]).await;
        test.database.sql(harmless).await;
        assert_eq!(findings(&test.app).await, "", "{harmless}");
        test.close().await;
    }
}

#[tokio::test]
async fn every_kind_of_policy_is_recognised_as_it_was_made() {
    let test = TestApp::with(&[
        NOTES,
        ("shown", "access = { read = \"signed_in\" }\nfields.text = { type = \"text\" }"),
        ("open", "access = { read = \"public\" }\nfields.text = { type = \"text\" }"),
        ("reference", "access = { read = \"public\", write = \"admin\" }\nfields.text = { type = \"text\" }"),
    ])
    .await;
    assert_eq!(findings(&test.app).await, "");
    test.close().await;
}

#[tokio::test]
async fn each_danger_in_the_logins_is_found() {
    let schema = || schema_of(&[NOTES]);
    let test = TestApp::with(&[NOTES]).await;
    let superuser = test.database.superuser.clone();
    let only = |tenant: &DatabaseUrl| Logins { tenant: tenant.clone(), auth: None, admin: None };
    let check = async |logins: Logins, expected: &str| {
        let app = app_with(logins, schema());
        assert_eq!(findings(&app).await, expected);
        app.close().await;
    };
    check(
        only(&superuser),
        "error privileged_login, error privileged_login, error privileged_login, error privileged_login, error privileged_login, error privileged_login",
    )
    .await;
    // The owner may not even take the roles.
    check(only(&test.database.owner), "error no_role, error no_role, error no_role").await;
    // The tenants' login alone cannot do sign-in's work.
    check(only(&test.database.logins.tenant), "error no_role, error no_role").await;
    // One login for everything works, and is called weaker.
    let grant = "GRANT hedgerow_app, hedgerow_anon, hedgerow_auth, hedgerow_admin TO";
    test.database.sql(&format!("CREATE ROLE {SPARE_LOGIN} LOGIN NOINHERIT; {grant} {SPARE_LOGIN}")).await;
    check(only(&superuser.with_login(SPARE_LOGIN, None)), "warning single_login").await;
    // With logins of their own for the other work, it may become more than it needs.
    let mut wide = test.database.logins.clone();
    wide.tenant = superuser.with_login(SPARE_LOGIN, None);
    check(wide, "error wide_login").await;
    test.database.sql(&format!("DROP ROLE {SPARE_LOGIN}")).await;
    test.close().await;
}

#[tokio::test]
async fn a_database_without_anything_is_told_what_to_run() {
    let schema = schema_of(&[NOTES]);
    let test = TestApp::with(&[]).await;
    let app = app_with(test.database.logins.clone(), schema);
    assert_eq!(findings(&app).await, "error missing_table");
    app.close().await;
    // As an earlier version left it.
    test.database.sql("DROP TABLE jwks; ALTER TABLE \"user\" DROP COLUMN username").await;
    assert_eq!(findings(&test.app).await, "error missing_table, error schema_differs");
    test.database
        .sql("DROP TABLE api_audit_logs, api_idempotency, user_metas, global_metas, session, account, verification, \"twoFactor\", api_keys, \"user\"; DROP FUNCTION get_auth_user_id()")
        .await;
    let missing = ", error missing_table".repeat(11);
    assert_eq!(findings(&test.app).await, format!("error no_tables{missing}"));
    test.close().await;
}

#[tokio::test]
async fn a_database_that_was_only_set_up_is_told_what_to_run() {
    let test = TestDatabase::empty().await;
    let app = app_with(test.logins.clone(), schema_of(&[NOTES]));
    // The eleven of Hedgerow's own, and notes.
    let nothing = format!("error no_tables{}", ", error missing_table".repeat(12));
    assert_eq!(findings(&app).await, nothing);
    // Requests may not look into schema hedgerow yet, so no migration excuses a table without FORCE.
    test.sql("CREATE TABLE half (); ALTER TABLE half ENABLE ROW LEVEL SECURITY").await;
    assert_eq!(findings(&app).await, format!("error open_table, {nothing}"));
    app.close().await;
}

#[tokio::test]
async fn an_outdated_server_is_refused_unless_the_settings_say_otherwise() {
    let test = TestApp::with(&[NOTES]).await;
    let severity = async |tolerance| {
        let found = examine(&test.app, tolerance).await.expect("an examination");
        found.into_iter().find(|finding| finding.code == "outdated_server").map(|finding| finding.severity)
    };
    let version: u32 = test.database.column("SHOW server_version_num").await[0].parse().expect("a number");
    let version = hedgerow::database::server_version::ServerVersion::from_version_num(version);
    let is_outdated = hedgerow::database::server_version::known_holes(version).is_some();
    assert_eq!(severity(Tolerance::default()).await, is_outdated.then_some(Severity::Error));
    assert_eq!(severity(Tolerance::DEVELOPMENT).await, is_outdated.then_some(Severity::Warning));
    test.close().await;
}
