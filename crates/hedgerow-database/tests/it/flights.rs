//! What always holds of flights and their connections.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hedgerow_database::{Database, Error, Guard, Identity, Meaning, PoolSettings, Work, WorkTimeouts};
use hedgerow_schema::statement::{self, Asker};
use hedgerow_schema::write::{self, Body};
use hedgerow_schema::{Bind, Limits, ListQuery, Query, Roles, Schema, Sql, WriteKind};
use hedgerow_testing::{TestDatabase, schema_of};

pub(crate) fn user(id: &str) -> Identity {
    Identity::User(id.parse().expect("an id"))
}

pub(crate) fn notes() -> Schema {
    schema_of(&[("notes", "fields.text = { type = \"text\" }\nfields.n = { type = \"integer\" }")])
}

/// A database with the users ann and bob, and a pool of so many connections.
async fn open(connections: usize) -> (TestDatabase, Database) {
    let test = TestDatabase::with(&notes()).await;
    test.sql("INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'A', 'a@example.com'), ('bob', 'B', 'b@example.com')").await;
    let settings = PoolSettings {
        max_connections: connections,
        acquire_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(10),
        ..PoolSettings::default()
    };
    let database = Database::open(&test.logins, settings, Roles::default());
    (test, database)
}

fn insert(schema: &Schema, id: &str, json: &str) -> Query {
    let entity = schema.entity("notes").expect("notes");
    let Ok(Body::One(row)) = write::read_body(entity, &WriteKind::Create.into(), json.as_bytes()) else {
        panic!("{json}")
    };
    statement::insert(
        entity,
        &[id.to_owned()],
        &[&row],
        Some(&hedgerow_schema::query::select_all(entity)),
        Asker::Anonymous,
    )
}

async fn number(database: &Database, identity: &Identity, sql: &'static str) -> i64 {
    database.flight(identity).rows(sql, &[]).await.expect("an answer")[0].get(0).expect("a number")
}

#[tokio::test]
async fn the_identity_ends_with_the_flight() {
    let (test, database) = open(1).await;
    let ann = user("ann");
    let seen = "SELECT current_setting('app.user_id') || ' ' || current_user";
    let rows = database.flight(&ann).rows(seen, &[]).await.expect("an answer");
    assert_eq!(rows[0].get::<String>(0).expect("a text"), "ann hedgerow_app");
    // The same connection for nobody, then for a flight that fails, then for nobody again.
    for _ in 0..2 {
        let rows = database.flight(&Identity::Anonymous).rows(seen, &[]).await.expect("an answer");
        assert_eq!(rows[0].get::<String>(0).expect("a text"), " hedgerow_anon");
        assert!(database.flight(&ann).rows("SELECT 1/0", &[]).await.is_err());
    }
    let leftovers = "SELECT string_agg(state || ' ' || usename, ',') FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(test.column(leftovers).await, ["idle hedgerow_app_login"]);
}

#[tokio::test]
async fn several_statements_of_a_flight_are_all_or_nothing() {
    let (test, database) = open(1).await;
    let schema = notes();
    let ann = user("ann");
    let queries = [insert(&schema, "1", r#"{"n": 1}"#), insert(&schema, "2", r#"{"n": 2}"#)];
    let rows = database.flight(&ann).json_each(&queries).await.expect("two rows");
    assert_eq!(rows.iter().map(|rows| rows.count).sum::<usize>(), 2);
    let queries = [insert(&schema, "3", r#"{"n": 3}"#), insert(&schema, "1", r#"{"n": 1}"#)];
    let error = database.flight(&ann).json_each(&queries).await.expect_err("a repeated id");
    assert_eq!(error.server().map(hedgerow_database::ServerError::meaning), Some(Meaning::Unique));
    assert_eq!(test.column("SELECT string_agg(id, ' ' ORDER BY id) FROM notes").await, ["1 2"]);
}

#[tokio::test]
async fn what_a_guard_does_not_find_is_not_built_upon() {
    let (test, database) = open(1).await;
    let schema = notes();
    let ann = user("ann");
    let named = |name: &str| {
        let mut sql = Sql::new("SELECT 1 / count(*) FROM public.\"user\" WHERE name = ");
        sql.bind(Bind::text(name));
        Arc::new(Guard::new(Arc::new(sql)))
    };
    let (right, wrong) = (named("A"), named("B"));
    let rows = database.flight(&ann).guarded(Some(&right)).json_each(&[insert(&schema, "1", "{}")]).await;
    assert_eq!(rows.expect("a row").len(), 1);
    assert!(right.held());
    let refused = database.flight(&ann).guarded(Some(&wrong)).json_each(&[insert(&schema, "2", "{}")]).await;
    assert!(matches!(refused, Err(Error::Unproven)), "{refused:?}");
    let refused =
        database.flight(&ann).guarded(Some(&wrong)).execute("INSERT INTO notes (id) VALUES ('3')", &[]);
    assert!(matches!(refused.await, Err(Error::Unproven)));
    let refused = database.guarded_transaction(&ann, Work::Write, Some(&wrong)).await;
    assert!(matches!(refused, Err(Error::Unproven)));
    assert!(!wrong.held());
    // The same error of a statement behind a guard that held is its own.
    let again = named("A");
    let error =
        database.flight(&ann).guarded(Some(&again)).rows("SELECT 1 / 0", &[]).await.expect_err("no number");
    assert!(again.held() && error.server().is_some(), "{error:?}");
    let mut transaction =
        database.guarded_transaction(&ann, Work::Write, Some(&again)).await.expect("a transaction");
    transaction.execute("INSERT INTO notes (id) VALUES ('4')", &[]).await.expect("a row");
    transaction.commit().await.expect("committed");
    // The guard sees what its asker sees: nobody's row but their own.
    let bobs = database.flight(&user("bob")).guarded(Some(&right)).rows("SELECT 1", &[]).await;
    assert!(matches!(bobs, Err(Error::Unproven)), "{bobs:?}");
    assert_eq!(test.column("SELECT string_agg(id, ' ' ORDER BY id) FROM notes").await, ["1 4"]);
}

#[tokio::test]
async fn a_flight_that_is_dropped_anywhere_leaves_a_sound_pool() {
    let (test, database) = open(2).await;
    let ann = user("ann");
    for polls in 0..200 {
        let flight = database
            .flight(&ann)
            .execute("INSERT INTO notes (text) SELECT repeat('x', 1000) FROM generate_series(1, 20)", &[]);
        let mut flight = pin!(flight);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls % 8 {
            if flight.as_mut().poll(&mut context).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // Whole inserts or none, nothing open, and both connections answer.
    for (identity, expected) in [(&ann, 0), (&user("bob"), 0)] {
        assert_eq!(number(&database, identity, "SELECT count(*) % 20 FROM notes").await, expected);
    }
    let open =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
    assert_eq!(test.column(open).await, ["0"]);
}

#[tokio::test]
async fn a_full_pool_says_so_in_time() {
    let (_test, database) = open(1).await;
    let ann = user("ann");
    let held = database.transaction(&ann).await.expect("a transaction");
    let start = Instant::now();
    let error = database.flight(&ann).rows("SELECT 1", &[]).await.expect_err("no connection");
    assert!(matches!(error, Error::Busy { size: 1, .. }), "{error:?}");
    assert!((2.0..20.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
    drop(held);
    assert_eq!(number(&database, &ann, "SELECT 1::int8").await, 1);
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let (test, database) = open(3).await;
    let ann = user("ann");
    for _ in 0..5 {
        assert_eq!(number(&database, &ann, "SELECT 1::int8").await, 1);
        test.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'hedgerow_app_login' AND datname = current_database()").await;
    }
    assert_eq!(number(&database, &ann, "SELECT 1::int8").await, 1);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let test = TestDatabase::with(&notes()).await;
    let settings = PoolSettings { idle_timeout: Duration::from_millis(500), ..PoolSettings::default() };
    let database = Database::open(&test.logins, settings, Roles::default());
    assert_eq!(number(&database, &Identity::Anonymous, "SELECT 1::int8").await, 1);
    assert_eq!(database.connections(), (1, 1));
    let deadline = Instant::now() + Duration::from_secs(60);
    while database.connections() != (0, 0) {
        assert!(Instant::now() < deadline, "{:?}", database.connections());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let test = TestDatabase::with(&notes()).await;
    let settings = PoolSettings {
        max_connections: 1,
        statement_timeout: Duration::from_millis(200),
        ..PoolSettings::default()
    };
    let database = Database::open(&test.logins, settings, Roles::default());
    let error = database
        .flight(&Identity::Anonymous)
        .rows("SELECT pg_sleep(20)::text", &[])
        .await
        .expect_err("too slow");
    assert_eq!(error.server().map(hedgerow_database::ServerError::meaning), Some(Meaning::Cancelled));
    assert_eq!(number(&database, &Identity::Anonymous, "SELECT 1::int8").await, 1);
}

#[tokio::test]
async fn each_kind_of_work_has_its_own_time_and_leaves_none_behind() {
    let test = TestDatabase::with(&notes()).await;
    let own = |millis| Some(Duration::from_millis(millis));
    let settings = PoolSettings {
        max_connections: 1,
        statement_timeout: Duration::from_secs(9),
        timeouts: WorkTimeouts { read: own(200), write: None, import: own(60_000) },
        ..PoolSettings::default()
    };
    let database = Database::open(&test.logins, settings, Roles::default());
    let (ann, seen) = (user("ann"), "SELECT current_setting('statement_timeout')");
    for (work, expected) in
        [(Work::Read, "200ms"), (Work::Other, "9s"), (Work::Import, "1min"), (Work::Write, "9s")]
    {
        let rows = database.flight(&ann).of(work).rows(seen, &[]).await.expect("an answer");
        assert_eq!(rows[0].get::<String>(0).expect("a text"), expected, "{work:?}");
    }
    let slow = database.flight(&ann).of(Work::Read).rows("SELECT pg_sleep(20)::text", &[]).await;
    let error = slow.expect_err("too slow");
    assert_eq!(error.server().map(hedgerow_database::ServerError::meaning), Some(Meaning::Cancelled));
    // A file may keep its transaction waiting; a switch of the identity and an attempt that fails change no time.
    let mut transaction =
        database.guarded_transaction(&ann, Work::Import, None).await.expect("a transaction");
    let _ = transaction.attempt(&user("bob"), &[Sql::new("SELECT 1 / 0")]).await.expect("it goes on");
    transaction.switch_to(&ann).await.expect("ann again");
    let idle = "SELECT current_setting('idle_in_transaction_session_timeout')";
    for (sql, expected) in [(seen, "1min"), (idle, "1h")] {
        let rows = transaction.query(sql, &[]).await.expect("an answer");
        assert_eq!(rows[0].get::<String>(0).expect("a text"), expected);
    }
    transaction.rollback().await.expect("the end");
    let rows = database.flight(&ann).rows(idle, &[]).await.expect("an answer");
    assert_eq!(rows[0].get::<String>(0).expect("a text"), "30s");
}

#[tokio::test]
async fn statements_follow_tables_that_change_under_them() {
    let (test, database) = open(1).await;
    let ann = user("ann");
    let columns = async || {
        let built = database.flight(&ann).sql_rows(&Sql::new("SELECT * FROM notes")).await.expect("rows");
        let typed =
            database.flight(&ann).rows("SELECT * FROM notes WHERE n = $1", &[&1_i64]).await.expect("rows");
        assert_eq!(built.len() + typed.len(), 2);
        built[0].columns().count()
    };
    database.flight(&ann).execute("INSERT INTO notes (n) VALUES (1)", &[]).await.expect("a row");
    assert_eq!(columns().await, 6);
    test.owner_sql("ALTER TABLE notes ADD COLUMN more text").await;
    assert_eq!(columns().await, 7);
    // A parameter whose type changed is asked for anew.
    test.owner_sql("ALTER TABLE notes ALTER n TYPE text").await;
    let ask = || database.flight(&ann);
    assert!(ask().rows("SELECT n FROM notes WHERE n = $1", &[&"1"]).await.is_ok());
    // What the entity files say is believed only as long as it is true.
    let schema = notes();
    let entity = schema.entity("notes").expect("notes");
    let query = ListQuery::parse(&schema, entity, &[], Limits::default()).expect("a query");
    let error = ask()
        .json(&statement::list(entity, &query, Asker::User("ann")), 10)
        .await
        .expect_err("n is no integer");
    assert!(matches!(error, Error::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn a_connection_keeps_a_bounded_number_of_statements() {
    let (_test, database) = open(1).await;
    let ann = user("ann");
    for n in 0..700 {
        let mut sql = Sql::new("SELECT ");
        sql.number(n);
        database.flight(&ann).sql_rows(&sql).await.expect("a number");
    }
    let kept = number(&database, &ann, "SELECT count(*) FROM pg_prepared_statements").await;
    assert!((290..=305).contains(&kept), "{kept}");
    // And a statement that fails at planning is not kept either.
    for _ in 0..50 {
        assert!(database.flight(&ann).rows("SELECT nothing FROM nowhere", &[]).await.is_err());
    }
    let kept = number(&database, &ann, "SELECT count(*) FROM pg_prepared_statements").await;
    assert!((290..=305).contains(&kept), "{kept}");
}

#[tokio::test]
async fn a_flight_of_megabytes_in_both_directions_does_not_stall() {
    let (_test, database) = open(1).await;
    let schema = notes();
    let ann = user("ann");
    let large = format!(r#"{{"text": "{}"}}"#, "x".repeat(8 << 20));
    // The server wants to send the first row back while it has the second still to read.
    let queries = [insert(&schema, "1", &large), insert(&schema, "2", &large), insert(&schema, "3", &large)];
    let flight = database.flight(&ann).json_each(&queries);
    let rows =
        tokio::time::timeout(Duration::from_secs(60), flight).await.expect("no stall").expect("three rows");
    assert!(rows.iter().all(|rows| rows.objects.len() > 8 << 20));
}

#[tokio::test]
async fn a_login_that_may_not_take_a_role_runs_nothing() {
    let (test, _) = open(1).await;
    // sign-in's work through the tenants' login
    let logins = hedgerow_database::Logins { auth: None, admin: None, ..test.logins.clone() };
    let database = Database::open(&logins, PoolSettings::default(), Roles::default());
    for identity in [
        Identity::Auth,
        Identity::Admin("ann".parse().expect("an id")),
        Identity::System { reason: "a test" },
    ] {
        let error = database
            .flight(&identity)
            .rows("SELECT set_config('app.ran', 'yes', false)", &[])
            .await
            .expect_err("no role");
        assert_eq!(
            error.server().map(hedgerow_database::ServerError::meaning),
            Some(Meaning::NotAllowed),
            "{identity:?}"
        );
        assert!(database.transaction(&identity).await.is_err());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_with_its_place() {
    let logins = |url: &str| hedgerow_database::Logins {
        tenant: url.parse().expect("a URL"),
        auth: None,
        admin: None,
    };
    for (url, expected) in [
        ("postgresql://u:hunter2@127.0.0.1:1/d", "cannot connect to postgresql://u@127.0.0.1:1/d"),
        ("postgresql://u@%2Fnowhere/d", "cannot connect to postgresql://u@%2Fnowhere:5432/d"),
    ] {
        let database = Database::open(&logins(url), PoolSettings::default(), Roles::default());
        let error =
            database.flight(&Identity::Anonymous).rows("SELECT 1", &[]).await.expect_err("nobody there");
        assert_eq!(error.to_string(), expected);
        assert!(error.is_unavailable());
    }
    // Something listens and says nothing: the wait has an end.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("postgresql://u@{}/d?sslmode=disable", silent.local_addr().expect("an address"));
    let settings = PoolSettings { acquire_timeout: Duration::from_millis(300), ..PoolSettings::default() };
    let database = Database::open(&logins(&url), settings, Roles::default());
    let start = Instant::now();
    assert!(database.flight(&Identity::Anonymous).rows("SELECT 1", &[]).await.is_err());
    assert!(start.elapsed() < Duration::from_secs(20));
    let mut polled = pin!(silent.accept());
    assert!(matches!(polled.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
}
