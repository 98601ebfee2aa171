//! Seals of the audit trail: whoever changes what stands there is found, whatever their rights on the database; what goes by
//! its retention, or with a user or a key, is no change.

use std::time::Duration;

use hedgerow::audit::{Audit, AuditOptions, Fault, Head, Report, verify};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{TestApp, Who};
use serde_json::json;

const ENTITIES: &[(&str, &str)] = &[
    ("tasks", "fields.title = { type = \"text\" }"),
    ("open", "access = { read = \"public\" }\nfields.text = { type = \"text\" }"),
];

fn trail(app: &TestApp) -> &Audit {
    app.app.audit().expect("a trail")
}

async fn look(app: &TestApp, since: Option<&Head>) -> Report {
    verify(&app.app, trail(app), since).await.expect("an answer")
}

/// Seals everything; other tests of this server have transactions of their own, which are waited for.
async fn sealed(app: &TestApp) -> Report {
    trail(app).settled().await;
    let all = async {
        loop {
            trail(app).seal(&app.app).await.expect("sealed");
            let report = look(app, None).await;
            if report.unsealed == 0 || report.fault.is_some() {
                return report;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("everything is sealed")
}

async fn requests(app: &TestApp) -> Report {
    let ann = app.user("ann").await;
    for title in ["a", "b", "c"] {
        let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": title })).await.expect(201);
        let _ = app.get(&ann, "/api/v1/tasks").await.expect(200);
    }
    let first = sealed(app).await;
    assert_eq!((first.fault, first.rows), (None, 6));
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": "d" })).await.expect(201);
    let _ = app.get(Who::Anyone, "/api/v1/tasks").await.expect(401);
    let second = sealed(app).await;
    assert_eq!((&second.fault, second.rows, second.unsealed), (&None, 8, 0));
    assert!(second.seals >= 2, "{second:?}");
    second
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_is_found() {
    let app = TestApp::with(ENTITIES).await;
    let whole = requests(&app).await;
    app.user("bob").await;
    let ids =
        app.database.column("SELECT id FROM api_audit_logs ORDER BY \"writtenBy\", \"createdAt\", id").await;
    let (first, third, last) = (&ids[0], &ids[2], &ids[7]);
    app.database.sql("CREATE SCHEMA kept; CREATE TABLE kept.rows AS TABLE api_audit_logs; CREATE TABLE kept.seals AS TABLE hedgerow.audit_seals").await;
    let changed = |id: &String| Fault::Changed { id: id.clone() };
    let removed = |id: &String| Fault::Removed { id: id.clone() };
    let inserted = |id: &str| Fault::Inserted { id: id.to_owned() };
    let insert = |id: &str, written_by: &str| {
        format!(
            "INSERT INTO api_audit_logs (id, endpoint, method, \"statusCode\", \"createdAt\", \"writtenBy\")
             SELECT '{id}', endpoint, method, 200, \"createdAt\" + interval '1 day', {written_by} FROM kept.rows WHERE id = '{third}'"
        )
    };
    for (tampering, expected) in [
        (format!("UPDATE api_audit_logs SET \"statusCode\" = 500 WHERE id = '{third}'"), changed(third)),
        (
            format!("UPDATE api_audit_logs SET endpoint = '/api/v1/other' WHERE id = '{first}'"),
            changed(first),
        ),
        (format!("UPDATE api_audit_logs SET \"responseTime\" = NULL WHERE id = '{last}'"), changed(last)),
        (
            format!(
                "UPDATE api_audit_logs SET \"createdAt\" = \"createdAt\" + interval '1 microsecond' WHERE id = '{first}'"
            ),
            changed(first),
        ),
        (format!("UPDATE api_audit_logs SET \"userMark\" = NULL WHERE id = '{first}'"), changed(first)),
        // Given to somebody else.
        (
            format!(
                "UPDATE api_audit_logs SET \"userId\" = (SELECT id FROM \"user\" WHERE name = 'bob') WHERE id = '{first}'"
            ),
            changed(first),
        ),
        (
            format!(
                "UPDATE api_audit_logs SET \"apiKeyId\" = (SELECT k.id FROM api_keys k JOIN \"user\" u ON u.id = k.\"userId\" WHERE u.name = 'bob') WHERE id = '{first}'"
            ),
            changed(first),
        ),
        (format!("DELETE FROM api_audit_logs WHERE id = '{first}'"), removed(first)),
        (format!("DELETE FROM api_audit_logs WHERE id = '{third}'"), removed(third)),
        (format!("DELETE FROM api_audit_logs WHERE id = '{last}'"), removed(last)),
        ("TRUNCATE api_audit_logs".to_owned(), removed(first)),
        (insert("forged", "\"writtenBy\""), inserted("forged")),
        (insert("forged", "3"), inserted("forged")),
        (insert("forged", "NULL"), inserted("forged")),
        (format!("UPDATE api_audit_logs SET id = 'other' WHERE id = '{third}'"), inserted("other")),
        (
            format!("UPDATE api_audit_logs SET \"writtenBy\" = \"writtenBy\" + 1000000 WHERE id = '{third}'"),
            removed(third),
        ),
        (
            "UPDATE hedgerow.audit_seals SET content = repeat('0', 64) WHERE id = 1".to_owned(),
            Fault::Seal { seal: 1 },
        ),
        (
            "UPDATE hedgerow.audit_seals SET leaves = leaves[2:] WHERE id = 2".to_owned(),
            Fault::Seal { seal: 2 },
        ),
        (
            "UPDATE hedgerow.audit_seals SET signature = repeat('0', 64) WHERE id = 2".to_owned(),
            Fault::Seal { seal: 2 },
        ),
        ("UPDATE hedgerow.audit_seals SET week = week - 7 WHERE id = 1".to_owned(), Fault::Seal { seal: 1 }),
        // Without the first one, its rows are nobody's.
        ("DELETE FROM hedgerow.audit_seals WHERE id = 1".to_owned(), inserted(first)),
        // A row and everything that tells of it, but the numbers that follow.
        (
            format!(
                "DELETE FROM api_audit_logs WHERE id = '{first}'; UPDATE hedgerow.audit_seals SET leaves = leaves[2:] WHERE id = 1"
            ),
            Fault::Seal { seal: 1 },
        ),
    ] {
        app.database.sql(&tampering).await;
        assert_eq!(look(&app, None).await.fault, Some(expected), "{tampering}");
        app.database.sql("TRUNCATE api_audit_logs; INSERT INTO api_audit_logs TABLE kept.rows; TRUNCATE hedgerow.audit_seals; INSERT INTO hedgerow.audit_seals TABLE kept.seals").await;
        assert_eq!(look(&app, None).await, whole, "as it was before {tampering}");
    }
    // Who cuts the end off with its seals leaves a whole trail behind; whoever kept its head elsewhere sees it.
    let head = whole.head.clone().expect("a head");
    assert_eq!(look(&app, Some(&head)).await.fault, None);
    let cut = format!(
        "DELETE FROM api_audit_logs a USING hedgerow.audit_seals s WHERE s.id = {0} AND a.\"writtenBy\" >= s.\"from\"; DELETE FROM hedgerow.audit_seals WHERE id = {0}",
        head.seal
    );
    app.database.sql(&cut).await;
    assert_eq!(look(&app, None).await.fault, None);
    assert_eq!(look(&app, Some(&head)).await.fault, Some(Fault::CutOff { seal: head.seal }));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_user_or_a_key_is_no_tampering() {
    let app = TestApp::with(ENTITIES).await;
    let whole = requests(&app).await;
    app.database.sql("DELETE FROM api_keys").await;
    assert_eq!(look(&app, None).await, whole);
    app.database.sql("DELETE FROM \"user\"").await;
    assert_eq!(look(&app, None).await, whole);
    let left =
        "SELECT count(*), count(\"userId\"), count(\"apiKeyId\"), count(\"userMark\") FROM api_audit_logs";
    assert_eq!(app.database.column(&format!("SELECT r::text FROM ({left}) r")).await, ["(8,0,0,7)"]);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_commits_late_is_not_skipped() {
    let app = TestApp::with(ENTITIES).await;
    let ann = app.user("ann").await;
    let late = app
        .database
        .hold("BEGIN; INSERT INTO api_audit_logs (id, endpoint, method, \"statusCode\", \"writtenBy\") VALUES ('late', '/', 'GET', 200, pg_current_xact_id()::text::bigint)")
        .await;
    let _ = app.post(&ann, "/api/v1/tasks", json!({ "title": "a" })).await.expect(201);
    trail(&app).settled().await;
    // What was written since waits with it.
    trail(&app).seal(&app.app).await.expect("sealed");
    let before = look(&app, None).await;
    assert_eq!((before.rows, before.unsealed, before.fault), (0, 1, None));
    late.commit().await;
    let after = sealed(&app).await;
    assert_eq!((after.rows, after.fault), (2, None));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weeks_go_when_their_time_is_over() {
    let week = Duration::from_secs(7 * 86_400);
    let app = TestApp::with_options(ENTITIES, ServerOptions::default(), |options| {
        options.audit = Some(AuditOptions { retention: week, ..AuditOptions::default() });
    })
    .await;
    app.database.owner_sql("CREATE TABLE hedgerow.api_audit_logs_2026_01_05 PARTITION OF api_audit_logs FOR VALUES FROM ('2026-01-05 00:00:00+00') TO ('2026-01-12 00:00:00+00')").await;
    app.database.sql("INSERT INTO api_audit_logs (id, endpoint, method, \"statusCode\", \"createdAt\", \"writtenBy\") VALUES ('old', '/', 'GET', 200, '2026-01-06', 1)").await;
    let whole = requests(&app).await;
    trail(&app).keep_once(&app.app).await.expect("kept");
    let rows = "SELECT count(*), count(*) FILTER (WHERE id = 'old') FROM api_audit_logs";
    assert_eq!(app.database.column(&format!("SELECT r::text FROM ({rows}) r")).await, ["(8,0)"]);
    assert_eq!(
        app.database.column("SELECT to_regclass('hedgerow.api_audit_logs_2026_01_05') IS NULL").await,
        ["t"]
    );
    let report = look(&app, None).await;
    assert_eq!((report.fault, report.rows), (None, whole.rows));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_others_made_is_kept_as_it_is() {
    let app = TestApp::with(ENTITIES).await;
    // As the schema that this product implements makes it, with the set applied to it again.
    let set = hedgerow::schema::ddl::core(&hedgerow::schema::Roles::default());
    let set = set.iter().find(|set| set.name == "0003_audit").expect("the set");
    let statements: Vec<&str> = set.statements.iter().map(hedgerow::schema::Sql::text).collect();
    app.database
        .owner_sql(
            "DROP TABLE api_audit_logs;
             CREATE TABLE api_audit_logs (
               id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text,
               \"apiKeyId\" TEXT REFERENCES api_keys (id) ON DELETE SET NULL,
               \"userId\" TEXT REFERENCES \"user\" (id) ON DELETE SET NULL,
               endpoint TEXT NOT NULL, method TEXT NOT NULL, \"statusCode\" INTEGER NOT NULL, \"responseTime\" INTEGER,
               \"ipAddress\" TEXT, \"userAgent\" TEXT, \"createdAt\" TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
             INSERT INTO api_audit_logs (id, endpoint, method, \"statusCode\", \"createdAt\") VALUES ('old', '/', 'GET', 200, '2020-01-01'), ('new', '/', 'GET', 200, now())",
        )
        .await;
    app.database.owner_sql(&statements.join(";\n")).await;
    let count = "SELECT count(*) FROM api_audit_logs";
    assert_eq!(app.database.column(count).await, ["2"], "applying a set deletes nobody's history");
    let whole = requests(&app).await;
    assert_eq!(app.database.column(count).await, ["10"]);
    let root = app.user_with("root", "admin", &["*"]).await;
    let listed = app.get(&root, "/api/v1/audit-logs?order=createdAt&limit=1").await.expect(200).json();
    assert_eq!(listed[0]["createdAt"], json!("2020-01-01T00:00:00.000Z"));
    trail(&app).keep_once(&app.app).await.expect("kept");
    let left = "SELECT string_agg(id, ' ' ORDER BY id) FROM api_audit_logs WHERE id IN ('old', 'new')";
    assert_eq!(app.database.column(left).await, ["new"]);
    let forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'api_audit_logs'::regclass";
    assert_eq!(app.database.column(forced).await, ["t"]);
    assert_eq!(look(&app, None).await.rows, whole.rows);
    app.close().await;
}
