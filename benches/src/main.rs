//! What Hedgerow costs beside the plain query. Absolute times say something about the computer; ratios of one
//! interleaved run say something about Hedgerow, so those are printed and those decide.
//!
//! `cargo run --release -p hedgerow-bench -- [ROWS] [TENANTS]`, by default 1,000,000 rows of 1,000 tenants.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program is for a terminal")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hedgerow::api_keys::{self, NewApiKey};
use hedgerow::auth::store::session::{self, NewSession};
use hedgerow::auth::{Client, sessions};
use hedgerow::database::{PoolSettings, UserId};
use hedgerow::records::{self, Wanted};
use hedgerow::schema::statement::{self, Asker};
use hedgerow::schema::{Entity, Limits, ListQuery, Query, Schema, Scope};
use hedgerow::{App, AppOptions, Caller, Ctx, World};
use hedgerow_testing::{TestDatabase, schema_of};
use tokio_postgres::NoTls;

/// A table as applications have them: eleven columns, about 340 bytes a row.
const TASKS: &str = r#"
fields.title = { type = "text", required = true, max_length = 200 }
fields.description = { type = "textarea" }
fields.status = { type = "select", options = ["todo", "doing", "done"], default = "todo", indexed = true }
fields.priority = { type = "integer" }
fields.due = { type = "date" }
fields.done = { type = "boolean", default = false }
fields.extra = { type = "json" }
"#;

const ROUNDS: usize = 60;
const PER_ROUND: usize = 200;
/// A list through the library costs at most so many times the plain query.
const LIMIT: f64 = 1.15;
/// A list whose flight proves a credential costs at most so many times the list that has none to prove; looking a session up in a
/// flight of its own costs about 1.6.
const PROVED: f64 = 1.3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<usize>());
    let rows = numbers.next().transpose()?.unwrap_or(1_000_000);
    let tenants = numbers.next().transpose()?.unwrap_or(1_000);
    let schema = schema_of(&[("tasks", TASKS)]);
    let database = TestDatabase::with(&schema).await;
    eprintln!("loading {rows} rows of {tenants} tenants …");
    load(&database, rows, tenants).await;

    // One connection for everything. The plain query asks a copy of the table that has no row-level security.
    let mut options = AppOptions::new(database.logins.clone());
    options.pool = PoolSettings { max_connections: 1, ..PoolSettings::default() };
    let app = App::open(options, schema.clone());
    let entity = schema.entity("tasks").ok_or("tasks")?;
    let copy = schema_of(&[("copy", TASKS)]);
    let copy = copy.entity("copy").ok_or("copy")?;
    let (client, connection) = tokio_postgres::connect(&database.superuser.to_string(), NoTls).await?;
    let driver = tokio::spawn(connection);

    explain(&client, &schema, entity).await?;
    let bench = Bench { app: &app, schema: &schema, entity, copy, tenants };
    let mut failed = false;
    for (name, parameters) in [
        ("newest 50, all columns", vec![("limit", "50")]),
        ("newest 50, three columns", vec![("limit", "50"), ("select", "id,title,status")]),
        ("one page by status", vec![("limit", "50"), ("status", "eq.todo")]),
    ] {
        let ratio = bench.list(name, &parameters).await?;
        failed |= ratio > LIMIT;
    }
    failed |= bench.guarded().await? > PROVED;
    drop(client);
    let _ = driver.await;
    app.close().await;
    if failed {
        let limits = format!("{LIMIT} times the plain query, or {PROVED} times one that proves nobody");
        return Err(format!("a list costs more than {limits}").into());
    }
    Ok(())
}

struct Bench<'b> {
    app: &'b App,
    schema: &'b Schema,
    entity: &'b Entity,
    copy: &'b Entity,
    tenants: usize,
}

impl Bench<'_> {
    /// The median ratio of the library to the plain query on the same connection.
    async fn list(&self, name: &str, parameters: &[(&str, &str)]) -> Result<f64, Box<dyn std::error::Error>> {
        let query = ListQuery::parse(self.schema, self.entity, parameters, Limits::default())
            .map_err(|errors| format!("{errors:?}"))?;
        let world = World::default();
        let mut ratios = Vec::new();
        let mut times = Vec::new();
        for round in 0..=ROUNDS {
            let users: Vec<UserId> = (0..PER_ROUND)
                .map(|n| format!("u{}", (round * 7919 + n * 104_729) % self.tenants).parse())
                .collect::<Result<_, _>>()?;
            // Pages into memory first: which way meets a page first would decide otherwise.
            for user in &users {
                let ctx = Ctx::for_user(&world, user.clone());
                records::list(&ctx, self.app, self.entity, &query, Wanted::default()).await?;
                self.app.database().plain_for_benchmarks(&self.plain(&query, user.as_str()), 1).await?;
            }
            let mut took = [Duration::ZERO; 2];
            // Another order in each round, so that no way is always the first after a pause.
            for turn in 0..2 {
                let way = (turn + round) % 2;
                let start = Instant::now();
                for user in &users {
                    if way == 0 {
                        let ctx = Ctx::for_user(&world, user.clone());
                        let rows =
                            records::list(&ctx, self.app, self.entity, &query, Wanted::default()).await?;
                        assert_eq!((rows.count, rows.next.is_some()), (50, true));
                    } else {
                        let plain = self.plain(&query, user.as_str());
                        let rows =
                            self.app.database().plain_for_benchmarks(&plain, query.limit as usize).await?;
                        assert_eq!(rows.count, 50);
                    }
                }
                took[way] = start.elapsed();
            }
            // The first round warms caches and statements.
            if round > 0 {
                ratios.push(took[0].as_secs_f64() / took[1].as_secs_f64());
                times.push(took[0].as_secs_f64() / PER_ROUND as f64 * 1e6);
            }
        }
        let (ratio, low, high) = quartiles(&mut ratios);
        let (micros, _, _) = quartiles(&mut times);
        println!(
            "{name}: {ratio:.3} of the plain query on the same connection (quartiles {low:.3} to {high:.3}), {micros:.0} us"
        );
        Ok(ratio)
    }

    /// The median ratios of a list whose flight proves a credential to the same list without, on the same connection: an API
    /// key and a session. A session that is looked up in a flight of its own is shown beside them.
    async fn guarded(&self) -> Result<f64, Box<dyn std::error::Error>> {
        let query = ListQuery::parse(self.schema, self.entity, &[("limit", "50")], Limits::default())
            .map_err(|errors| format!("{errors:?}"))?;
        let world = World::default();
        let mut people = Vec::new();
        for n in 0..PER_ROUND {
            let user: UserId = format!("u{}", n * 7919 % self.tenants).parse()?;
            let new =
                NewApiKey { name: "bench".to_owned(), scopes: vec![Scope::ALL], ..NewApiKey::default() };
            let ctx = Ctx::for_user(&world, user.clone());
            let (_, key) = api_keys::create_own(&ctx, self.app, &new).await?;
            api_keys::authenticate(self.app, &key, None).await?;
            let session = NewSession {
                user: &user,
                client: &Client::default(),
                lasts: Duration::from_secs(3600),
                impersonated_by: None,
            };
            let token = session::create(self.app, &session).await?.token;
            sessions::authenticate(self.app, &token).await?;
            people.push((user, key, token));
        }
        let ways = [
            "no credential",
            "an API key that is proved",
            "a session that is proved",
            "a session that is looked up",
        ];
        let mut ratios = ways.map(|_| Vec::new());
        let mut more = ways.map(|_| Vec::new());
        for round in 0..=ROUNDS {
            let mut took = ways.map(|_| Duration::ZERO);
            for turn in 0..ways.len() {
                let way = (turn + round) % ways.len();
                let start = Instant::now();
                for (user, key, token) in &people {
                    let known = |(caller, guard)| {
                        Ctx::new(&world, Caller::User(caller), "bench").guarded(Some(Arc::new(guard)))
                    };
                    let ctx = match way {
                        0 => Ctx::for_user(&world, user.clone()),
                        1 => known(api_keys::recall(self.app, key, None).ok_or("forgotten")?),
                        2 => known(sessions::recall(self.app, token).ok_or("forgotten")?),
                        _ => {
                            let caller = sessions::authenticate(self.app, token).await?;
                            Ctx::new(&world, Caller::User(caller), "bench")
                        }
                    };
                    assert_eq!(
                        records::list(&ctx, self.app, self.entity, &query, Wanted::default()).await?.count,
                        50
                    );
                }
                took[way] = start.elapsed();
            }
            if round > 0 {
                for way in 1..ways.len() {
                    ratios[way].push(took[way].as_secs_f64() / took[0].as_secs_f64());
                    more[way]
                        .push((took[way].as_secs_f64() - took[0].as_secs_f64()) / PER_ROUND as f64 * 1e6);
                }
            }
        }
        let mut worst: f64 = 0.0;
        for way in 1..ways.len() {
            let (ratio, low, high) = quartiles(&mut ratios[way]);
            let (micros, _, _) = quartiles(&mut more[way]);
            println!(
                "newest 50 with {}: {ratio:.3} of the list with none (quartiles {low:.3} to {high:.3}), {micros:.0} us more",
                ways[way]
            );
            if way < 3 {
                worst = worst.max(ratio);
            }
        }
        Ok(worst)
    }

    /// The statement one would write by hand, and no identity around it: exactly as many rows as are wanted.
    fn plain(&self, query: &ListQuery<'_>, user: &str) -> Query {
        let mut exact = query.clone();
        exact.limit -= 1;
        statement::list(self.copy, &exact, Asker::User(user))
    }
}

fn quartiles(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[values.len() / 4], values[values.len() * 3 / 4])
}

async fn load(database: &TestDatabase, rows: usize, tenants: usize) {
    database
        .sql(&format!(
            "SET session_replication_role = replica;
             INSERT INTO \"user\" (id, name, email) SELECT 'u' || n, 'U', 'u' || n || '@example.com' FROM generate_series(0, {tenants} - 1) n;
             INSERT INTO tasks (id, \"userId\", title, description, status, priority, due, extra, \"createdAt\")
             SELECT gen_random_uuid()::text, 'u' || n % {tenants}, 'Task number ' || n, repeat('words and words ', 8),
                    (ARRAY['todo', 'doing', 'done'])[1 + n / {tenants} % 3], n % 5, DATE '2026-01-01' + n % 365, '{{\"tags\": [\"a\", \"b\"]}}',
                    TIMESTAMPTZ '2026-01-01' + n * INTERVAL '1 second'
             FROM generate_series(0, {rows} - 1) n"
        ))
        .await;
    database
        .sql(
            "CREATE TABLE copy (LIKE tasks INCLUDING ALL);
             INSERT INTO copy SELECT * FROM tasks ORDER BY \"createdAt\";
             GRANT SELECT ON copy TO hedgerow_app",
        )
        .await;
    for table in ["tasks", "copy"] {
        database.sql(&format!("VACUUM ANALYZE {table}")).await;
    }
}

/// The plan of the newest 50, as the tenant; a plan that scans more than it shows is an error.
async fn explain(
    client: &tokio_postgres::Client,
    schema: &Schema,
    entity: &Entity,
) -> Result<(), Box<dyn std::error::Error>> {
    let query = ListQuery::parse(schema, entity, &[("limit", "50")], Limits::default())
        .map_err(|errors| format!("{errors:?}"))?;
    let built = statement::list(entity, &query, Asker::User("u1"));
    let text = built.sql.text().replace("$1", "'u1'");
    client.batch_execute("BEGIN; SET LOCAL ROLE hedgerow_app; SET LOCAL app.user_id = 'u1'").await?;
    let plan =
        client.query(&format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {text}"), &[]).await?;
    client.batch_execute("ROLLBACK").await?;
    let lines: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    println!("{}\n", lines.join("\n"));
    let plan = lines.join("\n");
    if !plan.contains("Index Scan Backward")
        || !plan.contains("InitPlan")
        || plan.contains("Seq Scan on tasks")
    {
        return Err("the newest 50 are not read from the index with the identity as an InitPlan".into());
    }
    Ok(())
}
