//! What those who write feel of a migration: a required column with a default, an index and a foreign key come to a large
//! table while a client writes to it without a pause. Beside each migration stands a stretch of the same writing without
//! one, in the same run; the ratio decides.
//!
//! `cargo run --release -p hedgerow-bench --bin online -- [ROWS] [ROUNDS]`, by default 1,000,000 rows and 4 rounds.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "this program is for a terminal, and measures for as long as it says"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hedgerow::database::migrate::{self, DataLoss, MigrateEvent, MigrationFile};
use hedgerow::schema::{Roles, Schema};
use hedgerow::{App, AppOptions, UserId};
use hedgerow_testing::{TestDatabase, schema_of};
use tokio_postgres::NoTls;

const TENANTS: usize = 1_000;
/// Nobody waits longer for a lock.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The slowest of a thousand writes takes at most so many times what it takes without a migration.
const LIMIT: f64 = 2.0;

const PROJECTS: (&str, &str) = ("projects", "fields.name = { type = \"text\", required = true }");
const BEFORE: &str = "\
fields.title = { type = \"text\", required = true, max_length = 200 }
fields.status = { type = \"select\", options = [\"todo\", \"doing\", \"done\"], default = \"todo\", indexed = true }
fields.projectId = { type = \"text\", max_length = 64 }
";
const AFTER: &str = "\
fields.title = { type = \"text\", required = true, max_length = 200 }
fields.status = { type = \"select\", options = [\"todo\", \"doing\", \"done\"], default = \"todo\", indexed = true }
fields.projectId = { type = \"relation\", entity = \"projects\" }
fields.effort = { type = \"integer\", required = true, default = 1, indexed = true }
";

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<usize>());
    let rows = numbers.next().transpose()?.unwrap_or(1_000_000);
    let rounds = numbers.next().transpose()?.unwrap_or(4);
    let before = schema_of(&[PROJECTS, ("tasks", BEFORE)]);
    let after = schema_of(&[PROJECTS, ("tasks", AFTER)]);
    let database = TestDatabase::with(&before).await;
    eprintln!("loading {rows} rows of {TENANTS} tenants …");
    load(&database, rows).await;
    let roles = Roles::default();
    let (up, down) = migrate::look(&database.owner).await?.files(&after, &roles, "the benchmark");
    println!("{up}");
    let files = [MigrationFile { name: "0001_benchmark".into(), text: up, down: Some(down) }];

    let mut options = AppOptions::new(database.logins.clone());
    options.pool.max_connections = 2;
    let app = App::open(options, before.clone());
    let (mut control, mut during) = (Vec::new(), Vec::new());
    let mut longest_wait = Duration::ZERO;
    for round in 1..=rounds {
        let migration = measured(&app, &database, async || apply(&database, &files).await).await?;
        let pause = migration.took;
        let rest = measured(&app, &database, async || {
            tokio::time::sleep(pause).await;
            Ok(0)
        })
        .await?;
        println!(
            "round {round}: the migration took {:.1} s and asked {} times for a lock that was not free; longest lock wait of the writer {:?}; \
             writes: {} with it, {} without; p99.9 {:?} with, {:?} without; slowest {:?} with, {:?} without",
            migration.took.as_secs_f64(),
            migration.busy,
            migration.longest_wait,
            migration.latencies.len(),
            rest.latencies.len(),
            percentile(&migration.latencies, 0.999),
            percentile(&rest.latencies, 0.999),
            migration.latencies.iter().max(),
            rest.latencies.iter().max(),
        );
        longest_wait = longest_wait.max(migration.longest_wait);
        during.extend(migration.latencies);
        control.extend(rest.latencies);
        check(&database, &after).await?;
        migrate::rollback(&database.owner, &roles, &files, 1, DataLoss::Allow, |_| {}).await?;
        database.sql("VACUUM ANALYZE tasks").await;
    }
    let (with, without) = (percentile(&during, 0.999), percentile(&control, 0.999));
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    let median = percentile(&during, 0.5).as_secs_f64() / percentile(&control, 0.5).as_secs_f64();
    println!(
        "all rounds: p99.9 {with:?} with, {without:?} without, ratio {ratio:.2} (limit {LIMIT}); median ratio {median:.2}; \
         longest lock wait {longest_wait:?} (limit {LONGEST_WAIT:?}); slowest write {:?} with, {:?} without",
        during.iter().max(),
        control.iter().max()
    );
    app.close().await;
    if ratio > LIMIT || longest_wait > LONGEST_WAIT {
        return Err("a migration is felt more than it may be".into());
    }
    Ok(())
}

async fn load(database: &TestDatabase, rows: usize) {
    database
        .sql(&format!(
            "SET session_replication_role = replica;
             INSERT INTO \"user\" (id, name, email) SELECT 'u' || n, 'U', 'u' || n || '@example.com' FROM generate_series(0, {TENANTS} - 1) n;
             INSERT INTO projects (id, \"userId\", name) SELECT 'p' || n, 'u' || n, 'P' FROM generate_series(0, {TENANTS} - 1) n;
             INSERT INTO tasks (id, \"userId\", title, \"projectId\", \"createdAt\")
             SELECT gen_random_uuid()::text, 'u' || n % {TENANTS}, repeat('words and words ', 8), 'p' || n % {TENANTS},
                    TIMESTAMPTZ '2026-01-01' + n * INTERVAL '1 second'
             FROM generate_series(0, {rows} - 1) n"
        ))
        .await;
    database.sql("VACUUM ANALYZE tasks").await;
}

/// The schema is there as asked for, and every row has what it must.
async fn check(database: &TestDatabase, after: &Schema) -> Result<(), Failure> {
    let look = migrate::look(&database.owner).await?;
    let left = hedgerow::migrations::check(&look, after, &Roles::default());
    if left.is_empty() { Ok(()) } else { Err(format!("the schema differs: {left:?}").into()) }
}

async fn apply(database: &TestDatabase, files: &[MigrationFile]) -> Result<u32, Failure> {
    let mut busy = 0;
    let report = |event| busy += u32::from(matches!(event, MigrateEvent::Busy { .. }));
    migrate::apply(&database.owner, &Roles::default(), files, DataLoss::Refuse, report).await?;
    Ok(busy)
}

struct Measured {
    took: Duration,
    busy: u32,
    latencies: Vec<Duration>,
    longest_wait: Duration,
}

/// Writes as long as `work` lasts, and watches who waits for locks.
async fn measured(
    app: &App,
    database: &TestDatabase,
    work: impl AsyncFn() -> Result<u32, Failure>,
) -> Result<Measured, Failure> {
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(app.clone(), done.clone()));
    let (client, connection) = tokio_postgres::connect(&database.superuser.to_string(), NoTls).await?;
    let driver = tokio::spawn(connection);
    let watcher = tokio::spawn(watch(client, done.clone()));
    let start = Instant::now();
    let busy = work().await;
    let took = start.elapsed();
    done.store(true, Ordering::Relaxed);
    let latencies = writer.await?;
    let longest_wait = watcher.await?;
    let _ = driver.await;
    let latencies = latencies.map_err(|error| format!("the writer: {error}"))?;
    Ok(Measured { took, busy: busy?, latencies, longest_wait })
}

/// One client, one write after the other: two new rows and a change of each, in turns of tenants.
async fn write(app: App, done: Arc<AtomicBool>) -> Result<Vec<Duration>, hedgerow::database::Error> {
    let mut latencies = Vec::new();
    let mut n: usize = 0;
    while !done.load(Ordering::Relaxed) {
        n += 1;
        let tenant = n % TENANTS;
        let Ok(user) = format!("u{tenant}").parse::<UserId>() else { continue };
        let project = format!("p{tenant}");
        let start = Instant::now();
        if n.is_multiple_of(2) {
            let sql = "INSERT INTO tasks (title, \"projectId\") VALUES ('written', $1)";
            app.as_user(&user).execute(sql, &[&project]).await?;
        } else {
            let sql = "UPDATE tasks SET status = 'done' WHERE id = (SELECT id FROM tasks WHERE \"userId\" = $1 \
                       ORDER BY \"createdAt\" DESC, id DESC LIMIT 1)";
            app.as_user(&user).execute(sql, &[&user.as_str()]).await?;
        }
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}

/// The longest time that a request waited for a lock, looked at fifty times a second.
async fn watch(client: tokio_postgres::Client, done: Arc<AtomicBool>) -> Duration {
    let mut longest = Duration::ZERO;
    let sql = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8 \
               FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
               WHERE NOT l.granted AND a.usename = 'hedgerow_app_login'";
    while !done.load(Ordering::Relaxed) {
        if let Ok(row) = client.query_one(sql, &[]).await {
            longest = longest.max(Duration::from_secs_f64(row.get::<_, f64>(0).max(0.0)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    longest
}

fn percentile(latencies: &[Duration], which: f64) -> Duration {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let at = (sorted.len() as f64 * which) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}
