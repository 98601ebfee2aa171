//! The library's public face: statements and transactions as a user.

use hedgerow::database::{Error, Meaning, ServerError};
use hedgerow::{App, UserId};
use hedgerow_testing::TestApp;

const NOTES: &str = "fields.text = { type = \"text\", required = true }\nfields.n = { type = \"integer\" }";

async fn texts(app: &App, user: &UserId) -> Vec<String> {
    let rows = app.as_user(user).query("SELECT text FROM notes ORDER BY text", &[]).await.expect("an answer");
    rows.iter().map(|row| row.get("text").expect("a text")).collect()
}

#[tokio::test]
async fn statements_run_as_their_user() {
    let test = TestApp::with(&[("notes", NOTES)]).await;
    let (ann, bob) = (test.user("ann").await.user.id, test.user("bob").await.user.id);
    let app = &test.app;
    let count =
        app.as_user(&ann).execute("INSERT INTO notes (text, n) VALUES ($1, $2)", &[&"a", &7_i64]).await;
    assert_eq!(count.expect("one row"), 1);
    let rows = app
        .as_user(&ann)
        .query("SELECT text, n, \"createdAt\" FROM notes WHERE n = $1", &[&7_i64])
        .await
        .expect("rows");
    assert_eq!(rows[0].columns().collect::<Vec<_>>(), ["text", "n", "createdAt"]);
    assert_eq!(rows[0].get::<Option<i64>>("n").expect("a number"), Some(7));
    assert!(rows[0].get::<jiff::Timestamp>(2).is_ok());
    assert!(texts(app, &bob).await.is_empty());
    let refused = app.as_anonymous().query("SELECT text FROM notes", &[]).await.expect_err("no right");
    assert_eq!(refused.server().map(ServerError::meaning), Some(Meaning::NotAllowed));
    test.close().await;
}

#[tokio::test]
async fn mistakes_of_the_program_are_named() {
    let test = TestApp::with(&[("notes", NOTES)]).await;
    let ann = test.user("ann").await.user.id;
    let ann = test.app.as_user(&ann);
    let error =
        ann.query("SELECT text FROM notes WHERE n = $1", &[&"seven"]).await.expect_err("a text is no number");
    assert!(matches!(error, Error::Parameter { number: 1, .. }), "{error:?}");
    let error = ann.query("SELECT text FROM notes WHERE n = $1", &[]).await.expect_err("nothing for $1");
    assert!(matches!(error, Error::ParameterCount { wanted: 1, given: 0 }), "{error:?}");
    ann.execute("INSERT INTO notes (text) VALUES ('a')", &[]).await.expect("one row");
    let rows = ann.query("SELECT text FROM notes", &[]).await.expect("rows");
    let error = rows[0].get::<i64>("text").expect_err("a text is no number");
    assert_eq!(error.to_string(), "cannot read the column text as i64");
    let error = rows[0].get::<String>("nothing").expect_err("no such column");
    assert!(matches!(error, Error::Column { .. }), "{error:?}");
    // Several statements in one text are refused by the protocol, so that nothing can be smuggled in behind.
    let error = ann.query("SELECT 1; DELETE FROM notes", &[]).await.expect_err("two statements");
    assert!(error.server().is_some(), "{error:?}");
    assert_eq!(ann.query("SELECT text FROM notes", &[]).await.expect("still there").len(), 1);
    test.close().await;
}

#[tokio::test]
async fn a_transaction_is_kept_on_ok_and_undone_on_err() {
    let test = TestApp::with(&[("notes", NOTES)]).await;
    let ann = test.user("ann").await.user.id;
    let app = &test.app;
    let as_ann = app.as_user(&ann);
    let kept = as_ann.transaction(async |tx| {
        tx.execute("INSERT INTO notes (text) VALUES ($1)", &[&"a"]).await?;
        let rows = tx.query("SELECT count(*) FROM notes", &[]).await?;
        rows[0].get::<i64>(0)
    });
    assert_eq!(kept.await.expect("committed"), 1);

    #[derive(Debug, PartialEq)]
    enum Own {
        Mine,
        Database,
    }
    impl From<Error> for Own {
        fn from(_: Error) -> Self {
            Self::Database
        }
    }
    let undone = as_ann.transaction(async |tx| {
        tx.execute("INSERT INTO notes (text) VALUES ($1)", &[&"b"]).await?;
        Err::<(), Own>(Own::Mine)
    });
    assert_eq!(undone.await, Err(Own::Mine));
    let failed = as_ann.transaction(async |tx| {
        tx.execute("INSERT INTO notes (text) VALUES ($1)", &[&"c"]).await?;
        tx.execute("INSERT INTO notes (text) VALUES (NULL)", &[]).await?;
        Ok::<(), Own>(())
    });
    assert_eq!(failed.await, Err(Own::Database));
    assert_eq!(texts(app, &ann).await, ["a"]);
    test.close().await;
}

#[tokio::test]
async fn an_error_that_was_passed_over_is_not_taken_for_success() {
    let test = TestApp::with(&[("notes", NOTES)]).await;
    let ann = test.user("ann").await.user.id;
    let as_ann = test.app.as_user(&ann);
    let passed_over = as_ann.transaction(async |tx| {
        tx.execute("INSERT INTO notes (text) VALUES ('a')", &[]).await?;
        let _ = tx.execute("INSERT INTO notes (text) VALUES (NULL)", &[]).await;
        Ok::<(), Error>(())
    });
    // COMMIT would be answered with ROLLBACK, and without an error.
    assert!(matches!(passed_over.await, Err(Error::RolledBack)));
    assert!(texts(&test.app, &ann).await.is_empty());
    // And within it, nothing goes on as if nothing had happened.
    let went_on = as_ann.transaction(async |tx| {
        let _ = tx.execute("INSERT INTO notes (text) VALUES (NULL)", &[]).await;
        tx.execute("INSERT INTO notes (text) VALUES ('b')", &[]).await?;
        Ok::<(), Error>(())
    });
    assert!(matches!(went_on.await, Err(Error::RolledBack)));
    test.close().await;
}

#[tokio::test]
async fn what_fails_at_the_end_of_a_flight_is_its_error() {
    let test = TestApp::with(&[("notes", NOTES)]).await;
    let ann = test.user("ann").await.user.id;
    // A check that comes only at the commit: the statement itself succeeds.
    test.database.sql(
        "CREATE FUNCTION public.never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not so' USING ERRCODE = '23514'; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.never()",
    ).await;
    let as_ann = test.app.as_user(&ann);
    let one = as_ann.execute("INSERT INTO notes (text) VALUES ('a')", &[]).await;
    assert_eq!(one.expect_err("the commit failed").server().map(ServerError::meaning), Some(Meaning::Check));
    let many = as_ann.transaction(async |tx| tx.execute("INSERT INTO notes (text) VALUES ('b')", &[]).await);
    assert_eq!(
        many.await.expect_err("the commit failed").server().map(ServerError::meaning),
        Some(Meaning::Check)
    );
    assert!(texts(&test.app, &ann).await.is_empty());
    test.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_panics_or_is_dropped_leaves_nothing_behind() {
    let test = TestApp::with_options(&[("notes", NOTES)], Default::default(), |options| {
        options.pool.max_connections = 1;
    })
    .await;
    let (ann, bob) = (test.user("ann").await.user.id, test.user("bob").await.user.id);
    let (app, id) = (test.app.clone(), ann.clone());
    let panicking = tokio::spawn(async move {
        app.as_user(&id)
            .transaction(async |tx| {
                tx.execute("INSERT INTO notes (text) VALUES ('a')", &[]).await?;
                assert!(id.as_str().is_empty(), "on purpose");
                Ok::<(), Error>(())
            })
            .await
    });
    assert!(panicking.await.expect_err("it panicked").is_panic());
    // Dropped in the middle of a statement.
    let (app, id) = (test.app.clone(), ann.clone());
    let slow = tokio::spawn(async move {
        app.as_user(&id)
            .transaction(async |tx| {
                tx.execute("INSERT INTO notes (text) VALUES ('b')", &[]).await?;
                tx.query("SELECT pg_sleep(30)::text", &[]).await
            })
            .await
    });
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active' AND datname = current_database()";
    while test.database.column(sleeping).await != ["1"] {
        tokio::task::yield_now().await;
    }
    slow.abort();
    let _ = slow.await;
    // The pool has one connection: it is at rest again, belongs to nobody, and the statement was cancelled.
    assert!(texts(&test.app, &bob).await.is_empty());
    assert!(texts(&test.app, &ann).await.is_empty());
    assert_eq!(test.database.column(sleeping).await, ["0"]);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()";
    assert_eq!(test.database.column(open).await, ["0"]);
    test.close().await;
}

/// The bound that an HTTP handler puts on its future.
fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn a_transaction_can_run_in_a_task() {
    let test = TestApp::with(&[("notes", NOTES)]).await;
    let ann = test.user("ann").await.user.id;
    let app = test.app.clone();
    let task = tokio::spawn(is_send(async move {
        let text = "from a task".to_owned();
        app.as_user(&ann)
            .transaction(async |tx| tx.execute("INSERT INTO notes (text) VALUES ($1)", &[&text]).await)
            .await
    }));
    assert_eq!(task.await.expect("no panic").expect("committed"), 1);
    test.close().await;
}
