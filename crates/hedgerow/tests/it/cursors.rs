//! Walking lists by cursors on a real database: every row once, whatever the order, while others come and go.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hedgerow::records::{self, Page, Wanted};
use hedgerow::schema::{Entity, Limits, ListQuery};
use hedgerow::{App, Ctx, UserId, World};
use hedgerow_testing::TestApp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

const ITEMS: &str = r#"
fields.kept = { type = "boolean", required = true }
fields.whole = { type = "integer" }
fields.word = { type = "text" }
fields.price = { type = "number" }
fields.weight = { type = "number", sql_type = "double precision" }
fields.day = { type = "date" }
fields.at = { type = "datetime", required = true }
fields.flag = { type = "boolean" }
"#;

/// Rows whose values are few, so that many are equal, and often NULL.
macro_rules! insert {
    ($kept:literal, $rows:literal) => {
        concat!(
            "INSERT INTO items (kept, whole, word, price, weight, day, at, flag)
             SELECT ", $kept, ",
                    NULLIF(floor(random() * 4)::bigint, 3),
                    (ARRAY['', 'a', 'B', 'ä', 'a''b\"', NULL])[1 + floor(random() * 6)],
                    (ARRAY[0.1, 0.10, -7, 'NaN', 12345678901234567890.123, NULL]::numeric[])[1 + floor(random() * 6)],
                    (ARRAY[0.1, 1e-300, 'Infinity', '-Infinity', 'NaN', NULL]::float8[])[1 + floor(random() * 6)],
                    (ARRAY['2026-01-31', 'infinity', '0044-03-15 BC', NULL]::date[])[1 + floor(random() * 4)],
                    '2026-01-31T09:30:00Z'::timestamptz + floor(random() * 3) * interval '1 microsecond',
                    (ARRAY[true, false, NULL])[1 + floor(random() * 3)]
             FROM generate_series(1, ", $rows, ") n"
        )
    };
}

/// One list to walk.
#[derive(Clone, Debug)]
struct Walk {
    order: String,
    filter: Option<(&'static str, &'static str)>,
    limit: u32,
}

fn walks() -> impl Strategy<Value = Walk> {
    let column = prop::sample::select(vec![
        "whole",
        "word",
        "price",
        "weight",
        "day",
        "at",
        "flag",
        "createdAt",
        "id",
    ]);
    let direction = prop::sample::select(vec!["", ".asc", ".desc"]);
    let nulls = prop::sample::select(vec!["", ".nullsfirst", ".nullslast"]);
    let key = (column, direction, nulls)
        .prop_map(|(column, direction, nulls)| format!("{column}{direction}{nulls}"));
    let order = prop::collection::vec(key, 1..4).prop_map(|keys| keys.join(","));
    let filter = prop::sample::select(vec![
        None,
        Some(("whole", "gte.1")),
        Some(("word", "is.null")),
        Some(("flag", "is.true")),
        Some(("word", "not.in.(a,B)")),
        Some(("kept", "eq.true")),
    ]);
    (order, filter, 1..20_u32).prop_map(|(order, filter, limit)| Walk { order, filter, limit })
}

struct Walker {
    app: App,
    ctx: Ctx,
}

impl Walker {
    async fn page(&self, items: &Entity, walk: &Walk, limit: u32, cursor: Option<&str>) -> Page {
        let limit = limit.to_string();
        let mut parameters = vec![("select", "id,kept"), ("order", walk.order.as_str()), ("limit", &limit)];
        parameters.extend(walk.filter);
        parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        let schema = self.app.schema();
        let query = ListQuery::parse(&schema, items, &parameters, Limits::default()).expect("a query");
        records::list(&self.ctx, &self.app, items, &query, Wanted::default()).await.expect("a page")
    }

    /// Pages from the first to the last by `next`, and from there to the first by `prev`.
    async fn forward_and_backward(&self, items: &Entity, walk: &Walk) -> (Vec<Vec<Row>>, Vec<Vec<Row>>) {
        let mut page = self.page(items, walk, walk.limit, None).await;
        let mut forward = vec![rows(&page)];
        while let Some(next) = &page.next {
            page = self.page(items, walk, walk.limit, Some(next)).await;
            forward.push(rows(&page));
        }
        let mut backward = vec![rows(&page)];
        while let Some(prev) = &page.prev {
            page = self.page(items, walk, walk.limit, Some(prev)).await;
            backward.push(rows(&page));
        }
        backward.reverse();
        (forward, backward)
    }
}

/// An id, and whether the row stays.
type Row = (String, bool);

fn rows(page: &Page) -> Vec<Row> {
    let rows: Vec<Value> = serde_json::from_slice(&page.body).expect("an array");
    let row = |row: &Value| (row["id"].as_str().expect("an id").to_owned(), row["kept"] == true);
    rows.iter().map(row).collect()
}

/// The rows that stay, each of which must come once; no row at all may come twice.
fn kept(pages: &[Vec<Row>]) -> Result<Vec<String>, TestCaseError> {
    let all: Vec<&Row> = pages.iter().flatten().collect();
    let distinct: HashSet<&str> = all.iter().map(|(id, _)| id.as_str()).collect();
    prop_assert_eq!(distinct.len(), all.len(), "a row came twice");
    Ok(all.iter().filter(|(_, kept)| *kept).map(|(id, _)| id.clone()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_is_met_once_in_both_directions_while_others_come_and_go() {
    let test = TestApp::with(&[("items", ITEMS)]).await;
    let ann: UserId = test.user("ann").await.user.id;
    let app = test.app.clone();
    app.as_user(&ann).execute(insert!("true", "60"), &[]).await.expect("rows that stay");

    let stop = Arc::new(AtomicBool::new(false));
    let (busy_app, busy_ann, stopped) = (app.clone(), ann.clone(), stop.clone());
    let others = tokio::spawn(async move {
        let mut changes = 0_u32;
        while !stopped.load(Ordering::Relaxed) {
            let user = busy_app.as_user(&busy_ann);
            user.execute(insert!("false", "5"), &[]).await.expect("rows that come");
            let gone = "DELETE FROM items WHERE NOT kept AND random() < 0.3";
            user.execute(gone, &[]).await.expect("rows that go");
            changes += 1;
        }
        changes
    });

    let walker = Walker { app: app.clone(), ctx: Ctx::for_user(&World::default(), ann) };
    let outcome = tokio::task::block_in_place(|| {
        let runtime = tokio::runtime::Handle::current();
        let mut runner =
            TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
        runner.run(&walks(), |walk| {
            runtime.block_on(async {
                let schema = walker.app.schema();
                let items = schema.entity("items").expect("items");
                let (forward, backward) = walker.forward_and_backward(items, &walk).await;
                // What PostgreSQL says in one statement; the rows that stay have one order among themselves.
                let whole = kept(&[rows(&walker.page(items, &walk, 1000, None).await)])?;
                prop_assert_eq!(kept(&forward)?, whole.clone(), "forward");
                prop_assert_eq!(kept(&backward)?, whole, "backward");
                Ok(())
            })
        })
    });
    stop.store(true, Ordering::Relaxed);
    assert!(others.await.expect("no panic") > 0, "nothing changed meanwhile");
    outcome.expect("every walk meets every row once");
    test.close().await;
}
