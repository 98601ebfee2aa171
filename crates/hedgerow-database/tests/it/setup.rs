//! Roles and logins in databases whose owners are not alone on their server.

use hedgerow_database::setup::{LoginProof, Search, SetupError, setup};
use hedgerow_schema::{Identifier, Roles, Schema};
use hedgerow_testing::TestDatabase;

/// Names that no other test on the same server uses.
fn roles(test: &TestDatabase) -> Roles {
    let role = |kind: &str| Identifier::parse(&format!("{}_{kind}", test.name)).expect("a name");
    Roles { app: role("app"), anon: role("anon"), auth: role("auth"), admin: role("admin") }
}

#[tokio::test]
async fn two_applications_of_different_owners_share_the_roles_of_one_server() {
    let test = TestDatabase::with(&Schema::default()).await;
    let roles = roles(&test);
    let second = format!("{}_second", test.name);
    test.sql(&format!("CREATE ROLE {second} LOGIN CREATEROLE PASSWORD 'second'")).await;
    test.sql(&format!("CREATE DATABASE {second} OWNER {second}")).await;
    let first = setup(&test.owner, &roles, LoginProof::Password, None).await.expect("made");
    assert!(first.kept.is_empty());

    // Since PostgreSQL 16 a role that two have granted is a member twice.
    test.sql(&format!("GRANT {} TO {}_login", roles.auth, roles.auth)).await;
    let (host, port) = hedgerow_testing::cluster_address().await;
    let url = format!("postgresql://{second}:second@{host}:{port}/{second}").parse().expect("a URL");
    let shared = setup(&url, &roles, LoginProof::Password, None).await.expect("found as they should be");
    assert_eq!(shared.kept.len(), 3, "{shared:?}");
    // Since PostgreSQL 16 a role is changed by whoever made it, and by nobody else who may make roles.
    let is_16 = test.column("SELECT current_setting('server_version_num')::int >= 160000").await == ["t"];
    match setup(&url, &roles, LoginProof::NewPassword, None).await {
        Err(SetupError::NotYours { role, .. }) => assert_eq!(role, format!("{}_login", roles.app)),
        other => assert!(!is_16, "{other:?}"),
    }
    test.sql(&format!("DROP DATABASE {second}")).await;
    let logins = ["app", "auth", "admin"].map(|kind| format!("{}_{kind}_login", test.name)).join(", ");
    test.sql(&format!("DROP OWNED BY {second} CASCADE; DROP ROLE {logins}, {second}")).await;
    test.sql(&format!("DROP ROLE {}, {}, {}, {}", roles.app, roles.anon, roles.auth, roles.admin)).await;
}

#[tokio::test]
async fn a_superuser_lets_searching_use_its_index_and_another_is_told() {
    let test = TestDatabase::with(&Schema::default()).await;
    let made = async |url| setup(url, &Roles::default(), LoginProof::Peer, None).await.expect("made").search;
    let marked =
        "SELECT proleakproof FROM pg_proc WHERE oid = 'ts_match_vq(tsvector, tsquery)'::regprocedure";
    assert_eq!(test.column(marked).await, ["t"], "a private server's database is made so");
    test.sql("ALTER FUNCTION pg_catalog.ts_match_vq(tsvector, tsquery) NOT LEAKPROOF").await;
    assert_eq!(made(&test.owner).await, Search::Scanned);
    assert_eq!(test.column(marked).await, ["f"]);
    let superuser = hedgerow_testing::cluster_url().await.with_database(&test.name);
    assert_eq!(made(&superuser).await, Search::Indexed);
    assert_eq!(test.column(marked).await, ["t"]);
    assert_eq!(made(&test.owner).await, Search::Indexed);
}
