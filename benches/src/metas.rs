//! What metadata costs a list: 50 rows with `metas=all` beside the same rows without, and how a condition on a searchable
//! key is answered.
//!
//! `cargo run --release -p hedgerow-bench --bin metas -- [ROWS]`, by default 100,000 rows of 100 tenants with ten metas each.
//! Asked through the library, and over HTTP on one connection that stays open. It ends with an error where the list with metadata costs more
//! than 1.5 times the one without.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program is for a terminal")]

use std::time::Instant;

use hedgerow::records::{self, Wanted};
use hedgerow::schema::statement::{self, Asker};
use hedgerow::schema::{Limits, ListQuery, Schema};
use hedgerow::{App, Ctx, World};
use hedgerow_testing::TestApp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TASKS: &str = r#"
metadata = true
fields.title = { type = "text", required = true, max_length = 200 }
fields.status = { type = "select", options = ["todo", "doing", "done"], default = "todo" }
fields.priority = { type = "integer" }
fields.due = { type = "date" }
fields.notes = { type = "textarea" }
"#;

const USERS: usize = 100;
const ROUNDS: usize = 60;
const PER_ROUND: usize = 20;
/// A list with all metadata costs at most so many times the one without.
const LIMIT: f64 = 1.5;
const LISTS: [&[(&str, &str)]; 2] = [&[("limit", "50")], &[("limit", "50"), ("metas", "all")]];
const PATHS: [&str; 2] = ["/api/v1/tasks?limit=50", "/api/v1/tasks?limit=50&metas=all"];

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let rows: usize = std::env::args().nth(1).map(|rows| rows.parse()).transpose()?.unwrap_or(100_000);
    let app = TestApp::with(&[("tasks", TASKS)]).await;
    let ann = app.user("ann").await;
    eprintln!("loading {rows} rows with ten metas each …");
    let id = ann.user.id.as_str();
    let load = format!(
        r#"INSERT INTO "user" (id, name, email) SELECT 'u' || n, 'u' || n, 'u' || n || '@bench.example' FROM generate_series(1, {USERS} - 1) n;
           INSERT INTO tasks (id, "userId", title, priority, due, notes, "createdAt")
           SELECT lpad(to_hex(n), 12, '0') || '-7000-8000-000000000000', CASE WHEN n % {USERS} = 0 THEN '{id}' ELSE 'u' || n % {USERS} END,
             'task ' || n, n / {USERS} % 10, '2026-01-01', 'what is to be known of task ' || n, '2026-01-01'::timestamptz + n * interval '1 s'
           FROM generate_series(1, {rows}) n;
           INSERT INTO tasks_metas ("userId", "entityId", "metaKey", "metaValue", "dataType", "isSearchable")
           SELECT t."userId", t.id, 'key' || k,
             (ARRAY['value ' || t.priority, (t.priority * k)::text, 'true', '2026-01-31'])[k % 4 + 1],
             (ARRAY['text', 'number', 'boolean', 'date'])[k % 4 + 1], k < 4
           FROM tasks t CROSS JOIN generate_series(0, 9) k ORDER BY t.id;"#
    );
    app.database.sql(&load).await;
    app.database.sql("VACUUM ANALYZE tasks").await;
    app.database.sql("VACUUM ANALYZE tasks_metas").await;
    app.database.sql("VACUUM ANALYZE tasks_metas_objects").await;
    let schema = app.app.schema();
    for (key, condition) in [("metas.key0", "eq.value 7"), ("metas.key1", "gte.9")] {
        println!(
            "{key}={condition}\n{}\n",
            explained(&app, &schema, id, &[(key, condition), ("limit", "50")]).await?
        );
    }

    let ctx = Ctx::for_user(&World::default(), id.parse()?);
    let mut wire = Wire::open(&app, &ann.key).await?;
    assert!(list(&ctx, &app.app, &schema, 1).await? > list(&ctx, &app.app, &schema, 0).await?);
    let mut ratios = [Vec::new(), Vec::new()];
    let mut took = [[0.0; 2]; 2];
    for round in 0..ROUNDS {
        for way in 0..2 {
            // Another order in each round, so that none is always the first after a pause.
            for turn in 0..2 {
                let which = (turn + round) % 2;
                let start = Instant::now();
                for _ in 0..PER_ROUND {
                    if way == 0 {
                        list(&ctx, &app.app, &schema, which).await?;
                    } else {
                        wire.get(PATHS[which]).await?;
                    }
                }
                took[way][which] = start.elapsed().as_secs_f64();
            }
            ratios[way].push(took[way][1] / took[way][0]);
        }
    }
    let mut over_http = 0.0;
    for (way, name) in ["library", "HTTP"].into_iter().enumerate() {
        let ratios = &mut ratios[way];
        ratios.sort_by(f64::total_cmp);
        let at = |share: f64| ratios[((ratios.len() - 1) as f64 * share) as usize];
        let [without, with] = took[way].map(|seconds| seconds * 1e6 / PER_ROUND as f64);
        println!(
            "{name}: with metas=all {:.3} of without (quartiles {:.3} to {:.3}); the last round {without:.0} and {with:.0} us",
            at(0.5),
            at(0.25),
            at(0.75)
        );
        over_http = at(0.5);
    }
    app.close().await;
    if over_http > LIMIT {
        Err(format!("a list with metadata costs more than {LIMIT} times the list without").into())
    } else {
        Ok(())
    }
}

async fn list(ctx: &Ctx, app: &App, schema: &Schema, which: usize) -> Result<usize, Failure> {
    let tasks = schema.entity("tasks").ok_or("tasks")?;
    let query = ListQuery::parse(schema, tasks, LISTS[which], Limits::default());
    let page =
        records::list(ctx, app, tasks, &query.map_err(|errors| format!("{errors:?}"))?, Wanted::default())
            .await?;
    assert_eq!(page.count, 50);
    Ok(page.body.len())
}

/// The plan of a list as its owner asks for it.
async fn explained(
    app: &TestApp,
    schema: &Schema,
    id: &str,
    asked: &[(&str, &str)],
) -> Result<String, Failure> {
    let tasks = schema.entity("tasks").ok_or("tasks")?;
    let query =
        ListQuery::parse(schema, tasks, asked, Limits::default()).map_err(|errors| format!("{errors:?}"))?;
    let built = statement::list(tasks, &query, Asker::User(id)).sql;
    let mut text = built.text().to_owned();
    for (at, bind) in built.binds().iter().enumerate().rev() {
        let cast = if bind.array { "[]" } else { "" };
        let literal = format!("'{}'::{}{cast}", bind.value.as_deref().unwrap_or_default(), bind.ty.name());
        text = text.replace(&format!("${}", at + 1), &literal);
    }
    let explain =
        format!("SET ROLE hedgerow_app; SET app.user_id = '{id}'; EXPLAIN (ANALYZE, BUFFERS) {text}");
    Ok(app.database.column(&explain).await.join("\n"))
}

/// One connection that is asked for one answer after the other.
struct Wire {
    stream: TcpStream,
    key: String,
    buffer: Vec<u8>,
}

impl Wire {
    async fn open(app: &TestApp, key: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(app.address()).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, key: key.to_owned(), buffer: vec![0; 1 << 20] })
    }

    async fn get(&mut self, path: &str) -> Result<(), Failure> {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", self.key);
        self.stream.write_all(request.as_bytes()).await?;
        let mut read = 0;
        loop {
            let more = self.stream.read(&mut self.buffer[read..]).await?;
            if more == 0 {
                return Err("the server has gone".into());
            }
            read += more;
            let text = &self.buffer[..read];
            let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&text[..end])?;
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.ok_or("no length")?.parse()?;
            if read == end + 4 + length {
                return Ok(());
            }
        }
    }
}
