//! The objects that are kept of rows' metadata: they say what the metas say, whoever writes these, in whatever way, and
//! however many at once.

use std::fmt::Write as _;

use hedgerow::database::Identity;
use hedgerow::{App, AppOptions};
use hedgerow_testing::{TestDatabase, schema_of};
use tokio::task::JoinSet;

const ENTITIES: &[(&str, &str)] = &[
    ("notes", "metadata = true\nfields.title = { type = \"text\" }"),
    ("posts", "metadata = true\naccess = { read = \"public\" }\nfields.title = { type = \"text\" }"),
    (
        "shelves",
        "metadata = true\naccess = { read = \"public\", write = \"admin\" }\nfields.title = { type = \"text\" }",
    ),
    (
        "books",
        "metadata = true\nfields.shelf = { type = \"relation\", entity = \"shelves\", on_delete = \"cascade\" }",
    ),
];

const USERS: &str = "INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'a', 'a@x'), ('bob', 'b', 'b@x'), ('root', 'r', 'r@x');";

/// The rows whose object is not what their metas say, of each entity that keeps objects. Another way to the same: this one
/// gathers with `jsonb`, and has no part of the trigger's text.
pub(crate) async fn wrong(database: &TestDatabase) -> Vec<String> {
    let tables =
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE '%\\_metas\\_objects' ORDER BY 1";
    let mut wrong = Vec::new();
    for objects in database.column(tables).await {
        let metas = objects.trim_end_matches("_objects");
        // Only where others read the rows is there more than one.
        let shared = format!(
            "EXISTS (SELECT FROM pg_trigger WHERE tgrelid = '{metas}'::regclass AND pg_get_triggerdef(oid) LIKE '%''public''%')"
        );
        let sql = format!(
            "SELECT format('{metas} %s %s: kept %s, is %s', coalesce(o.\"entityId\", m.id), coalesce(o.\"isPublic\", m.public), o.object, m.object)
             FROM (SELECT * FROM {objects} WHERE NOT \"isPublic\" OR {shared}) o FULL JOIN (
               SELECT \"userId\" AS owner, \"entityId\" AS id, public, coalesce(jsonb_object_agg(\"metaKey\",
                 CASE \"dataType\" WHEN 'number' THEN to_jsonb(\"metaValue\"::numeric) WHEN 'boolean' THEN to_jsonb(\"metaValue\"::boolean)
                   WHEN 'json' THEN \"metaValue\"::jsonb ELSE to_jsonb(\"metaValue\") END) FILTER (WHERE \"isPublic\" OR NOT public), '{{}}') AS object,
                 sum(octet_length(\"metaValue\")) > 65536 AS large
               FROM {metas}, (VALUES (false), (true)) a (public)
               WHERE NOT public OR {shared}
               GROUP BY 1, 2, 3) m ON m.owner = o.\"userId\" AND m.id = o.\"entityId\" AND m.public = o.\"isPublic\"
             WHERE CASE WHEN m.large THEN o.object IS NOT NULL OR o.\"entityId\" IS NULL
               ELSE coalesce(o.object::jsonb, '{{\"kept\": \"nothing\"}}') IS DISTINCT FROM coalesce(m.object, '{{}}') END"
        );
        wrong.extend(database.column(&sql).await);
    }
    wrong
}

/// A row of numbers that looks like chance and is the same each time (Numerical Recipes, 7.1).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.roll(all.len())]
    }
}

#[tokio::test]
async fn objects_say_what_metas_say_whatever_is_written() {
    let database = TestDatabase::with(&schema_of(ENTITIES)).await;
    let mut load = USERS.to_owned();
    for table in ["notes", "posts"] {
        for row in 0..4 {
            let owner = ["ann", "bob"][row % 2];
            let _ = write!(load, "INSERT INTO {table} (id, \"userId\") VALUES ('{owner}{row}', '{owner}');");
        }
    }
    database.sql(&load).await;
    let mut dice = Dice(7);
    let values = &[
        "'1.50', 'number'",
        "'true', 'boolean'",
        "'a \"quoted\" \\ text', 'text'",
        "'{\"a\": [1, null]}', 'json'",
        "'2026-01-31', 'date'",
        "'', 'text'",
        "repeat('x', 70000), 'text'",
    ];
    for step in 0..400 {
        let (table, key) = (dice.of(&["notes", "posts"]), dice.of(&["a", "b", "c\"\\", "d"]));
        let owner = dice.of(&["ann", "bob"]);
        let row = format!("{owner}{}", dice.roll(2) * 2 + usize::from(owner == "bob"));
        let (value, public) = (dice.of(values), dice.of(&["true", "false"]));
        let insert = format!(
            "INSERT INTO {table}_metas (\"entityId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\")"
        );
        let again = "ON CONFLICT (\"userId\", \"entityId\", \"metaKey\") DO UPDATE SET \"metaValue\" = excluded.\"metaValue\", \
            \"dataType\" = excluded.\"dataType\", \"isPublic\" = excluded.\"isPublic\"";
        let sql = match dice.roll(12) {
            0..=2 => format!("{insert} VALUES ('{row}', '{key}', {value}, {public}) {again}"),
            3 => format!(
                "{insert} SELECT id, '{key}', {value}, {public} FROM {table} WHERE \"userId\" = '{owner}' {again}"
            ),
            4 => format!("UPDATE {table}_metas SET \"isPublic\" = {public} WHERE \"metaKey\" = '{key}'"),
            5 => format!(
                "UPDATE {table}_metas SET \"metaValue\" = 'x', \"dataType\" = 'text' WHERE \"entityId\" = '{row}'"
            ),
            6 => format!("DELETE FROM {table}_metas WHERE \"entityId\" = '{row}' AND \"metaKey\" = '{key}'"),
            7 => format!("DELETE FROM {table}_metas WHERE \"metaKey\" = '{key}'"),
            // A row goes with its metas and its objects, and another one of the name has none.
            8 => format!("DELETE FROM {table} WHERE id = '{row}'; INSERT INTO {table} (id) VALUES ('{row}')"),
            // What no request can: past row-level security a meta is moved, and given another key.
            9 => format!(
                "RESET ROLE; UPDATE {table}_metas m SET \"entityId\" = '{row}', \"metaKey\" = 'moved' WHERE \"userId\" = '{owner}' \
                 AND \"metaKey\" = '{key}' AND \"entityId\" <> '{row}' AND NOT EXISTS (SELECT FROM {table}_metas o \
                   WHERE o.\"entityId\" = '{row}' AND o.\"metaKey\" = 'moved')"
            ),
            10 => {
                format!("RESET ROLE; DELETE FROM {table}_metas WHERE \"entityId\" LIKE '%{}'", dice.roll(4))
            }
            _ if step % 50 == 0 => format!("RESET ROLE; TRUNCATE {table}_metas"),
            _ => format!("{insert} VALUES ('{row}', '{key}', {value}, {public}) ON CONFLICT DO NOTHING"),
        };
        let all =
            format!("BEGIN; SET LOCAL ROLE hedgerow_app; SET LOCAL app.user_id = '{owner}'; {sql}; COMMIT");
        database.sql(&all).await;
        assert_eq!(wrong(&database).await, Vec::<String>::new(), "step {step}: {sql}");
    }
}

#[tokio::test]
async fn nobody_who_writes_at_the_same_time_is_forgotten() {
    const WRITERS: usize = 12;
    let schema = schema_of(ENTITIES);
    let database = TestDatabase::with(&schema).await;
    database.sql(&format!("{USERS} INSERT INTO posts (id, \"userId\") VALUES ('p', 'ann')")).await;
    let mut options = AppOptions::new(database.logins.clone());
    options.pool.max_connections = 6;
    let connections = App::open(options, schema).database().clone();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let connections = connections.clone();
        // Each writes keys of its own, so that nothing but the object is written by several.
        let sql: &'static str = format!(
            "INSERT INTO posts_metas (\"entityId\", \"metaKey\", \"metaValue\", \"isPublic\") VALUES ('p', $1, 'w{writer}', {})",
            writer % 2 == 0
        )
        .leak();
        writers.spawn(async move {
            let identity = Identity::User("ann".parse().expect("an id"));
            for round in 0..8 {
                let mut transaction = connections.transaction(&identity).await.expect("a transaction");
                let key = format!("k{writer}-{round}");
                transaction.execute(sql, &[&key]).await.expect("a meta");
                tokio::task::yield_now().await;
                transaction.commit().await.expect("committed");
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.expect("a writer");
    }
    assert_eq!(wrong(&database).await, Vec::<String>::new());
    let keys = "SELECT count(*) FROM posts_metas_objects, json_object_keys(object) WHERE NOT \"isPublic\"";
    assert_eq!(database.column(keys).await, [(WRITERS * 8).to_string()]);
}

#[tokio::test]
async fn who_takes_rows_of_others_away_takes_their_metadata_too() {
    let database = TestDatabase::with(&schema_of(ENTITIES)).await;
    let load = format!(
        "{USERS} INSERT INTO shelves (id, \"userId\") VALUES ('s', 'root'), ('t', 'root');
         INSERT INTO books (id, \"userId\", shelf) VALUES ('a', 'ann', 's'), ('b', 'bob', 's'), ('c', 'bob', 't');
         INSERT INTO books_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") SELECT \"userId\", id, 'k', 'v' FROM books;
         INSERT INTO shelves_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\") VALUES ('root', 's', 'k', 'v')"
    );
    database.sql(&load).await;
    let left = "SELECT \"entityId\" FROM books_metas UNION ALL SELECT \"entityId\" || '.o' FROM books_metas_objects ORDER BY 1";
    assert_eq!(database.column(left).await, ["a", "a.o", "b", "b.o", "c", "c.o"]);
    // An administrator has no right on what is others': it goes with the shelf.
    database
        .sql("BEGIN; SET LOCAL ROLE hedgerow_admin; SET LOCAL app.user_id = 'root'; DELETE FROM shelves WHERE id = 's'; COMMIT")
        .await;
    assert_eq!(database.column(left).await, ["c", "c.o"]);
    // Nor has sign-in, which takes users away.
    database.sql("BEGIN; SET LOCAL ROLE hedgerow_auth; DELETE FROM \"user\" WHERE id = 'bob'; COMMIT").await;
    assert_eq!(database.column(left).await, Vec::<String>::new());
    assert_eq!(wrong(&database).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_document_that_is_none_is_refused_when_it_is_written() {
    let database = TestDatabase::with(&schema_of(ENTITIES)).await;
    database.sql(&format!("{USERS} INSERT INTO notes (id, \"userId\") VALUES ('n', 'ann')")).await;
    let write = "INSERT INTO notes_metas (\"userId\", \"entityId\", \"metaKey\", \"metaValue\", \"dataType\")
         VALUES ('ann', 'n', 'k', 'no json', 'json')";
    let refused = database.try_column(write).await.expect_err("a mistake");
    assert!(format!("{refused:?}").contains("invalid input syntax for type json"), "{refused:?}");
    assert_eq!(database.column("SELECT \"metaKey\" FROM notes_metas").await, Vec::<String>::new());
}
