//! What the last page of a long list costs beside its first: nothing more, because a cursor is a place in the index.
//!
//! `cargo run --release -p hedgerow-bench --bin pages -- [ROWS]`, by default 1,000,000 rows of one tenant in pages of 50.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program is for a terminal")]

use std::time::Instant;

use hedgerow::database::PoolSettings;
use hedgerow::records::{self, Page, Wanted};
use hedgerow::schema::{Entity, Limits, ListQuery, Schema};
use hedgerow::{App, AppOptions, Ctx, World};
use hedgerow_testing::{TestDatabase, schema_of};

const TASKS: &str = r#"
fields.title = { type = "text", required = true, max_length = 200 }
fields.status = { type = "select", options = ["todo", "doing", "done"], default = "todo" }
fields.priority = { type = "integer" }
"#;

const PAGE: usize = 50;
const ROUNDS: usize = 60;
const PER_ROUND: usize = 20;
/// The last page costs at most so many times the first.
const LIMIT: f64 = 1.5;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let rows: usize = std::env::args().nth(1).map(|rows| rows.parse()).transpose()?.unwrap_or(1_000_000);
    let schema = schema_of(&[("tasks", TASKS)]);
    let database = TestDatabase::with(&schema).await;
    eprintln!("loading {rows} rows …");
    let load = format!(
        "INSERT INTO \"user\" (id, name, email) VALUES ('u1', 'u1', 'u1@example.com');
         INSERT INTO tasks (\"userId\", title, priority, \"createdAt\")
         SELECT 'u1', 'task ' || n, n % 10, '2026-01-01'::timestamptz + n * interval '1 ms' FROM generate_series(1, {rows}) n"
    );
    database.sql(&load).await;
    database.sql("VACUUM ANALYZE tasks").await;
    let mut options = AppOptions::new(database.logins.clone());
    options.pool = PoolSettings { max_connections: 1, ..PoolSettings::default() };
    let app = App::open(options, schema.clone());
    let tasks = schema.entity("tasks").ok_or("tasks")?;
    let list =
        List { ctx: Ctx::for_user(&World::default(), "u1".parse()?), app: &app, schema: &schema, tasks };

    let start = Instant::now();
    let mut page = list.page(None).await?;
    let (mut pages, mut seen) = (1_usize, page.count);
    let mut last = None;
    while let Some(next) = page.next {
        page = list.page(Some(&next)).await?;
        (pages, seen) = (pages + 1, seen + page.count);
        last = Some(next);
    }
    assert_eq!(seen, rows, "every row once");
    println!("walked {seen} rows in {pages} pages within {:?}", start.elapsed());

    let last = last.ok_or("one page is no walk")?;
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let mut took = [0.0; 2];
        // Another order in each round, so that none is always the first after a pause.
        for turn in 0..2 {
            let which = (turn + round) % 2;
            let start = Instant::now();
            for _ in 0..PER_ROUND {
                list.page((which == 1).then_some(last.as_str())).await?;
            }
            took[which] = start.elapsed().as_secs_f64();
        }
        ratios.push(took[1] / took[0]);
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios[((ratios.len() - 1) as f64 * share) as usize];
    println!("page {pages} costs {:.3} of page 1 (quartiles {:.3} to {:.3})", at(0.5), at(0.25), at(0.75));
    app.close().await;
    if at(0.5) > LIMIT {
        Err(format!("a page far behind costs more than {LIMIT} times the first").into())
    } else {
        Ok(())
    }
}

struct List<'l> {
    ctx: Ctx,
    app: &'l App,
    schema: &'l Schema,
    tasks: &'l Entity,
}

impl List<'_> {
    async fn page(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        let limit = PAGE.to_string();
        let mut parameters = vec![("limit", limit.as_str())];
        parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        let query = ListQuery::parse(self.schema, self.tasks, &parameters, Limits::default())
            .map_err(|errors| format!("{errors:?}"))?;
        Ok(records::list(&self.ctx, self.app, self.tasks, &query, Wanted::default()).await?)
    }
}
