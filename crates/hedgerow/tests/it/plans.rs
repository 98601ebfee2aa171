//! How PostgreSQL goes about a tenant's request: by the index, with the identity found out once.

use hedgerow::schema::statement::{self, Asker, Shelf};
use hedgerow::schema::{Keyset, Limits, ListQuery, Side, Sql};
use hedgerow_testing::{TestDatabase, schema_of};

const ENTITIES: &[(&str, &str)] = &[
    (
        "tasks",
        r#"
        fields.title = { type = "text", required = true, max_length = 200 }
        fields.status = { type = "select", options = ["todo", "done"], default = "todo", indexed = true }
        "#,
    ),
    (
        "letters",
        r#"
        soft_delete = true
        fields.code = { type = "text", unique = true, max_length = 20 }
        fields.to = { type = "relation_many", entity = "tasks" }
        "#,
    ),
    (
        "posts",
        r#"
        access = { read = "public", published_when = "state = 'out'" }
        fields.state = { type = "select", options = ["draft", "out"] }
        "#,
    ),
    (
        "airports",
        r#"
        access = { read = "signed_in", write = "admin" }
        fields.faa = { type = "text", required = true, unique = true, max_length = 10 }
        "#,
    ),
];

/// The plan of a list as the user `u7` asks for it, among 40 users with 250 rows each.
async fn plan(database: &TestDatabase, entity: &str, parameters: &[(&str, &str)]) -> String {
    plan_of(database, ENTITIES, entity, parameters).await
}

async fn plan_of(
    database: &TestDatabase,
    entities: &[(&str, &str)],
    entity: &str,
    parameters: &[(&str, &str)],
) -> String {
    let schema = schema_of(entities);
    let entity = schema.entity(entity).expect("an entity");
    let query = ListQuery::parse(&schema, entity, parameters, Limits::default()).expect("a query");
    explained(database, &statement::list(entity, &query, Asker::User("u7")).sql).await
}

async fn explained(database: &TestDatabase, sql: &Sql) -> String {
    // `simple_query` has no parameters: the binds as literals, which none of these tests needs to escape.
    let mut text = sql.text().to_owned();
    for (at, bind) in sql.binds().iter().enumerate().rev() {
        let literal = format!("'{}'", bind.value.as_deref().expect("a value").replace('\'', "''"));
        text = text.replace(&format!("${}", at + 1), &literal);
    }
    let explain = format!(
        "SET ROLE hedgerow_app; SET app.user_id = 'u7'; EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) {text}"
    );
    let lines = database.column(&explain).await;
    assert!(lines.iter().any(|line| line.contains("rows=")), "{lines:?}");
    lines.join("\n")
}

#[tokio::test]
async fn lists_are_read_from_the_index_and_the_identity_is_found_out_once() {
    let database = TestDatabase::with(&schema_of(ENTITIES)).await;
    database
        .sql(
            "INSERT INTO \"user\" (id, name, email) SELECT 'u' || n, 'u' || n, 'u' || n || '@example.com' FROM generate_series(1, 40) n;
             INSERT INTO tasks (\"userId\", title, status, \"createdAt\")
             SELECT 'u' || (n % 40 + 1), repeat('t', 100), CASE WHEN n % 3 = 0 THEN 'done' ELSE 'todo' END, now() - n * interval '1 s'
             FROM generate_series(1, 10000) n;
             INSERT INTO airports (\"userId\", faa, \"createdAt\")
             SELECT 'u1', n::text, now() - n * interval '1 s' FROM generate_series(1, 10000) n;
             INSERT INTO letters (\"userId\", code, \"createdAt\", \"deletedAt\")
             SELECT 'u' || (n % 40 + 1), n::text, now() - n * interval '1 s', CASE WHEN n % 400 = 6 THEN now() END FROM generate_series(1, 10000) n;
             INSERT INTO letters_to (\"userId\", \"sourceId\", \"targetId\")
             SELECT l.\"userId\", l.id, t.id FROM letters l
             CROSS JOIN LATERAL (SELECT id FROM tasks t WHERE t.\"userId\" = l.\"userId\" LIMIT 2) t;
             INSERT INTO posts (\"userId\", state, \"createdAt\")
             SELECT 'u' || (n % 40 + 1), 'out', now() - n * interval '1 s' FROM generate_series(1, 10000) n;
             ANALYZE",
        )
        .await;
    for (entity, parameters, index) in [
        ("tasks", &[("limit", "50")][..], "Index Scan Backward using \"idx_tasks_userId_createdAt_id\""),
        (
            "tasks",
            &[("limit", "50"), ("order", "createdAt.asc")],
            "Index Scan using \"idx_tasks_userId_createdAt_id\"",
        ),
        ("airports", &[("limit", "50")], "Index Scan Backward using \"idx_airports_createdAt_id\""),
    ] {
        let plan = plan(&database, entity, parameters).await;
        assert!(plan.contains(index), "{plan}");
        // The function is called once for the statement, not once for each row.
        assert!(plan.contains("InitPlan 1"), "{plan}");
        assert!(!plan.contains("Filter: (\"userId\" = get_auth_user_id())"), "{plan}");
        // No row of anybody else was even looked at.
        assert!(!plan.contains("Rows Removed by Filter"), "{plan}");
        assert!(!plan.contains("Sort"), "{plan}");
    }
    let by_status = plan(&database, "tasks", &[("limit", "50"), ("status", "eq.done")]).await;
    assert!(by_status.contains("Index") && !by_status.contains("Seq Scan"), "{by_status}");
    // The trash is passed over on the owner's index, and a unique value is found among the living.
    let letters = plan(&database, "letters", &[("limit", "50")]).await;
    assert!(letters.contains("Index Scan Backward using \"idx_letters_userId_createdAt_id\""), "{letters}");
    assert!(letters.contains("using letters_to_pkey") || letters.contains("on letters_to_pkey"), "{letters}");
    assert!(!letters.contains("Seq Scan") && !letters.contains("Sort Key: letters"), "{letters}");
    let by_code = plan(&database, "letters", &[("code", "eq.46")]).await;
    assert!(by_code.contains("using \"letters_userId_code_key\""), "{by_code}");
    // Strangers list what is published, newest first, without sorting it.
    let posts = plan(&database, "posts", &[("limit", "50")]).await;
    assert!(posts.contains("Index Scan Backward using \"idx_posts_createdAt_id\""), "{posts}");
    // Another user's rows cost nothing but the comparison of two names: no index is opened.
    let schema = schema_of(ENTITIES);
    let tasks = schema.entity("tasks").expect("an entity");
    let query = ListQuery::parse(&schema, tasks, &[], Limits::default()).expect("a query");
    let text = statement::list(tasks, &query, Asker::User("u8")).sql.text().replace("$1", "'u8'");
    let explain = format!(
        "SET ROLE hedgerow_app; SET app.user_id = 'u7'; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {text}"
    );
    let foreign = database.column(&explain).await.join("\n");
    assert!(foreign.contains("One-Time Filter") && foreign.contains("never executed"), "{foreign}");
}

/// Notes of which one user has very many.
const SEARCHED: &[(&str, &str)] = &[
    ("folders", "fields.name = { type = \"text\" }"),
    (
        "notes",
        r#"
        fields.text = { type = "textarea", searchable = true }
        fields.folder = { type = "relation", entity = "folders" }
        fields.seen = { type = "relation_many", entity = "folders" }
        "#,
    ),
];

#[tokio::test]
async fn searching_uses_its_index_in_spite_of_row_level_security() {
    let database = TestDatabase::with(&schema_of(SEARCHED)).await;
    database
        .sql(
            "INSERT INTO \"user\" (id, name, email) SELECT 'u' || n, 'u' || n, 'u' || n || '@example.com' FROM generate_series(1, 20) n;
             INSERT INTO notes (\"userId\", text)
             SELECT CASE WHEN n % 4 = 0 THEN 'u' || (n / 4 % 20 + 1) ELSE 'u7' END,
               'note ' || n || ' about w' || (n % 500) || ' and ' || repeat('much else ', 5)
             FROM generate_series(1, 40000) n;
             ANALYZE",
        )
        .await;
    let asked: &[(&str, &str)] = &[("select", "text"), ("search", "about w77"), ("limit", "20")];
    let indexed = plan_of(&database, SEARCHED, "notes", asked).await;
    assert!(indexed.contains("Bitmap Index Scan on idx_notes_search"), "{indexed}");
    assert!(!indexed.contains("Seq Scan"), "{indexed}");
    // The same where nobody let it: all rows of the user are looked at.
    database.sql("ALTER FUNCTION pg_catalog.ts_match_vq(tsvector, tsquery) NOT LEAKPROOF").await;
    let scanned = plan_of(&database, SEARCHED, "notes", asked).await;
    assert!(!scanned.contains("idx_notes_search"), "{scanned}");
    assert!(scanned.contains("Rows Removed by Filter"), "{scanned}");
}

#[tokio::test]
async fn related_rows_are_read_from_their_index() {
    let database = TestDatabase::with(&schema_of(SEARCHED)).await;
    database
        .sql(
            "INSERT INTO \"user\" (id, name, email) SELECT 'u' || n, 'u' || n, 'u' || n || '@example.com' FROM generate_series(1, 20) n;
             INSERT INTO folders (id, \"userId\", name) SELECT 'f' || n, 'u' || (n % 20 + 1), 'f' || n FROM generate_series(1, 2000) n;
             INSERT INTO notes (id, \"userId\", text, folder)
             SELECT 'n' || n, 'u' || (n % 20 + 1), 'note ' || n, 'f' || n % 2000 FROM generate_series(1, 20000) n WHERE n % 2000 > 0;
             INSERT INTO notes_seen (\"userId\", \"sourceId\", \"targetId\")
             SELECT n.\"userId\", n.id, n.folder FROM notes n;
             ANALYZE",
        )
        .await;
    for (entity, parameters) in [
        ("folders", &[("select", "name,notes!folder(text)"), ("limit", "20")][..]),
        ("folders", &[("select", "name,notes!seen(text)"), ("limit", "20")]),
        ("notes", &[("select", "text,folder(name)"), ("limit", "20")]),
        ("notes", &[("select", "text,folders!seen(name)"), ("limit", "20")]),
        ("notes", &[("seen", "cs.{f26}"), ("limit", "20")]),
    ] {
        let plan = plan_of(&database, SEARCHED, entity, parameters).await;
        assert!(!plan.contains("Seq Scan"), "{entity} {parameters:?}\n{plan}");
    }
}

/// The plan of the page that a cursor from another page leads to, as the user `u7` asks for it.
async fn plan_of_page(
    database: &TestDatabase,
    parameters: &[(&str, &str)],
    side: Side,
    values: &[Option<&str>],
) -> String {
    let schema = schema_of(ENTITIES);
    let tasks = schema.entity("tasks").expect("an entity");
    let query = ListQuery::parse(&schema, tasks, parameters, Limits::default()).expect("a query");
    let values = values.iter().map(|value| value.map(str::to_owned)).collect();
    let place = Keyset { side, values };
    let page = statement::page(tasks, &query, Shelf::Living, Asker::User("u7"), Some(&place));
    explained(database, &page.query.sql).await
}

#[tokio::test]
async fn a_place_is_a_bound_of_the_index() {
    let database = TestDatabase::with(&schema_of(ENTITIES)).await;
    database
        .sql(
            "INSERT INTO \"user\" (id, name, email) SELECT 'u' || n, 'u' || n, 'u' || n || '@example.com' FROM generate_series(1, 10) n;
             INSERT INTO tasks (\"userId\", title, status, \"createdAt\")
             SELECT 'u' || (n % 10 + 1), repeat('t', 100), CASE WHEN n % 3 = 0 THEN 'done' ELSE 'todo' END, '2026-01-01'::timestamptz - n * interval '1 s'
             FROM generate_series(1, 20000) n;
             ANALYZE",
        )
        .await;
    // Half of the rows lie before this place.
    let (moment, id) = ("2025-12-31 21:13:20.000000+00", "5");
    let limit = ("limit", "20");
    for (order, side, bound) in [
        ("createdAt.desc", Side::After, "(ROW(\"createdAt\", id) < ROW("),
        ("createdAt.desc", Side::Before, "(ROW(\"createdAt\", id) > ROW("),
        ("createdAt.desc", Side::UpTo, "(ROW(\"createdAt\", id) >= ROW("),
        ("createdAt", Side::After, "(ROW(\"createdAt\", id) > ROW("),
        // Directions that differ: the first key bounds the index, and the rest is looked at for rows that are equal there.
        ("createdAt.desc,id.asc", Side::After, "(\"createdAt\" <= "),
    ] {
        let plan = plan_of_page(&database, &[limit, ("order", order)], side, &[Some(moment), Some(id)]).await;
        let condition = plan.lines().find(|line| line.contains("Index Cond")).unwrap_or_default();
        assert!(condition.contains(bound), "{order}: {plan}");
        assert!(plan.contains("idx_tasks_userId_createdAt_id"), "{order}: {plan}");
        // Rows before the place were not even looked at.
        let removed = plan.lines().find_map(|line| line.trim().strip_prefix("Rows Removed by Filter: "));
        let removed: u32 = removed.map_or(0, |rows| rows.parse().expect("a number"));
        assert!(removed <= 2, "{order}: {plan}");
    }
}

const WITH_METAS: &[(&str, &str)] = &[
    ("notes", "metadata = true\nfields.title = { type = \"text\" }"),
    (
        "remarks",
        "access = { read = \"public\", write = \"signed_in\" }\nmetadata = true\nfields.title = { type = \"text\" }",
    ),
    (
        "articles",
        r#"
        access = { read = "signed_in", write = "signed_in", published_when = "title = 'title'" }
        metadata = true
        fields.title = { type = "text" }
        "#,
    ),
];

#[tokio::test]
async fn metadata_is_found_by_its_index_and_shown_by_its_key() {
    let database = TestDatabase::with(&schema_of(WITH_METAS)).await;
    let mut load = "INSERT INTO \"user\" (id, name, email) SELECT 'u' || n, 'u' || n, 'u' || n || '@example.com' FROM generate_series(1, 40) n;".to_owned();
    for entity in ["notes", "remarks", "articles"] {
        load.push_str(&format!(
            "INSERT INTO {entity} (id, \"userId\", title, \"createdAt\")
             SELECT n::text, 'u' || (n % 40 + 1), 'title', now() - n * interval '1 s' FROM generate_series(1, 10000) n;
             INSERT INTO {entity}_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\", \"isSearchable\")
             SELECT t.\"userId\", t.id, k, CASE k WHEN 'weight' THEN t.id ELSE k || t.id END, CASE k WHEN 'weight' THEN 'number' ELSE 'text' END, true, true
             FROM {entity} t CROSS JOIN unnest(ARRAY['weight', 'color', 'size', 'form']) k;"
        ));
    }
    database.sql(&(load + " ANALYZE")).await;
    for (entity, owner) in [("notes", "userId_"), ("remarks", ""), ("articles", "")] {
        for (condition, column) in [
            (("metas.weight", "gt.9900"), "metaNumber"),
            (("metas.weight", "lte.200.0"), "metaNumber"),
            (("metas.weight", "eq.46"), "metaNumber"),
            (("metas.weight", "in.(46,86,126)"), "metaNumber"),
            (("metas.color", "eq.color46"), "metaValue"),
            (("metas.color", "in.(color46,color86)"), "metaValue"),
        ] {
            let plan = plan_of(&database, WITH_METAS, entity, &[("limit", "50"), condition]).await;
            let index = format!("idx_{entity}_metas_{owner}metaKey_{column}_entityId");
            assert!(plan.contains(&index), "{entity} {condition:?}\n{plan}");
            assert!(!plan.contains("Seq Scan"), "{entity} {condition:?}\n{plan}");
            // It bounds what is read of the index.
            let bounded = format!("\"{column}\" ");
            let condition_of = |line: &&str| line.contains("Index Cond") && line.contains(&bounded);
            assert!(plan.lines().any(|line| condition_of(&line)), "{entity} {condition:?}\n{plan}");
        }
        let shown = plan_of(&database, WITH_METAS, entity, &[("limit", "50"), ("metas", "all")]).await;
        assert!(shown.contains(&format!("\"idx_{entity}_metas_objects_entityId\"")), "{shown}");
        // The metas themselves are there for rows with too much of them.
        let gathers = |line: &str| line.contains(&format!("{entity}_metas_pkey"));
        assert!(shown.lines().all(|line| !gathers(line) || line.contains("never executed")), "{shown}");
        assert!(!shown.contains("Seq Scan") && !shown.contains("Sort"), "{shown}");
    }
}
