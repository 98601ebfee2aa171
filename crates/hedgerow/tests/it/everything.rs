//! Entities with everything that an entity file can say, made by a draft: PostgreSQL then has what the files say, to
//! the letter, and goes on having it when they change.

use hedgerow::checks::{Tolerance, examine};
use hedgerow::database::migrate::{self, DataLoss, look};
use hedgerow::import::{Format, ImportOptions, Refusal, import};
use hedgerow::schema::diff::{Loss, Pace};
use hedgerow::schema::{Roles, Schema};
use hedgerow::{App, AppOptions, Caller, Ctx, export, migrations, users};
use hedgerow_testing::{TestDatabase, schema_of};

const TOPICS: &str = "access = { read = \"signed_in\", write = \"admin\" }\nfields.name = { type = \"text\", max_length = 30, unique = true }";
const AUTHORS: &str = "soft_delete = true\nfields.name = { type = \"text\", max_length = 30, searchable = true, sql_type = \"varchar(30)\" }";

/// The options that go together, with each access in turn.
fn everything(access: &str) -> String {
    let with_condition = if access.contains("read") {
        ", published_when = \"state <> 'draft' and not hidden and (due is null or due <= now()) and Rank between 1 and 5\""
    } else {
        ""
    };
    format!(
        r#"
        soft_delete = true
        metadata = "strict"
        metas.weight = {{ type = "integer", default = 3, searchable = true, public = true }}
        access = {{ {access}{with_condition} }}
        fields.title = {{ type = "text", searchable = true, max_length = 100, unique = true }}
        fields.body = {{ type = "markdown", searchable = true, description = "It's what is read" }}
        fields.code = {{ type = "text", searchable = true, sql_type = "varchar(20)" }}
        fields.state = {{ type = "select", options = ["draft", "it's out"], default = "draft", indexed = true }}
        fields.hidden = {{ type = "boolean", default = false, required = true, hidden = true }}
        fields.due = {{ type = "datetime" }}
        fields.day = {{ type = "date" }}
        fields.price = {{ type = "number", precision = 8, scale = 2 }}
        fields.Rank = {{ type = "integer", read_only = true, default = 3 }}
        fields.external = {{ type = "uuid" }}
        fields.author = {{ type = "relation", entity = "authors", on_delete = "set_null" }}
        fields.topics = {{ type = "relation_many", entity = "topics" }}
        fields.authors = {{ type = "relation_many", entity = "authors", immutable = true }}
        fields.related = {{ type = "relation_many", entity = "order", on_delete = "cascade", hidden = true }}

        [[indexes]]
        fields = ["state", "day"]
        where = "state in ('draft', 'it''s out') and day >= '2026-01-31' and due > '2026-01-31T10:00:00+02:00'"

        [[indexes]]
        fields = ["code", "createdAt"]
        where = "code <> 'x' or code is null"

        [[indexes]]
        fields = ["day", "price"]
        unique = true
        where = "price > -1.50 and external <> '01890a5d-ac96-774b-bcce-b302099a8057' and hidden is not true"
        "#
    )
}

/// `order` is a word of SQL's own.
fn schema(access: &str) -> Schema {
    schema_of(&[("topics", TOPICS), ("authors", AUTHORS), ("order", &everything(access))])
}

const ACCESSES: &[&str] = &[
    "",
    "read = \"signed_in\", write = \"signed_in\"",
    "read = \"public\"",
    "read = \"public\", write = \"admin\"",
    "read = \"signed_in\", write = \"admin\"",
];

async fn app_on(database: &TestDatabase, schema: &Schema) -> App {
    let mut options = AppOptions::new(database.logins.clone());
    options.pool.max_connections = 2;
    App::open(options, schema.clone())
}

/// The database is what the files say, in the eyes of everything that compares the two.
async fn is_settled(database: &TestDatabase, schema: &Schema) {
    let roles = Roles::default();
    let look = look(&database.owner).await.expect("a look");
    for pace in [Pace::AtOnce, Pace::Online] {
        let plan = look.plan(schema, &roles, pace);
        assert!(plan.is_empty(), "{:#?}", plan.changes);
    }
    assert_eq!(migrations::check(&look, schema, &roles), []);
    let app = app_on(database, schema).await;
    let findings = examine(&app, Tolerance::default()).await.expect("an examination");
    let findings: Vec<_> = findings.iter().filter(|finding| finding.code != "outdated_server").collect();
    assert!(findings.is_empty(), "{findings:#?}");
    app.close().await;
}

#[tokio::test]
async fn what_is_made_is_what_the_files_say() {
    for access in ACCESSES {
        let schema = schema(access);
        let database = TestDatabase::with(&schema).await;
        is_settled(&database, &schema).await;
    }
}

#[tokio::test]
async fn one_access_becomes_another_and_everything_comes_and_goes() {
    let roles = Roles::default();
    let plain = schema_of(&[
        ("topics", TOPICS),
        ("authors", AUTHORS),
        ("order", "fields.title = { type = \"text\", max_length = 100 }"),
    ]);
    let database = TestDatabase::with(&plain).await;
    for access in ACCESSES.iter().chain(&[ACCESSES[0]]) {
        let schema = schema(access);
        migrate::draft(&database.owner, &roles, &schema, DataLoss::Refuse, |_| {}).await.expect("a draft");
        is_settled(&database, &schema).await;
    }
    // Everything goes again: the links and the moment of deletion are lost, and that is said first.
    let look = look(&database.owner).await.expect("a look");
    let lost: Vec<Loss> = look.plan(&plain, &roles, Pace::AtOnce).losses().into_iter().cloned().collect();
    for table in ["order_topics", "order_authors", "order_related"] {
        assert!(lost.contains(&Loss::Table(table.to_owned())), "{lost:?}");
    }
    assert!(lost.contains(&Loss::Column("order".to_owned(), "deletedAt".to_owned())), "{lost:?}");
    migrate::draft(&database.owner, &roles, &plain, DataLoss::Allow, |_| {}).await.expect("a draft");
    is_settled(&database, &plain).await;
    // With its source gone altogether, a table of links is dropped before what its policies speak of.
    let public = schema(ACCESSES[2]);
    migrate::draft(&database.owner, &roles, &public, DataLoss::Refuse, |_| {}).await.expect("a draft");
    let without = schema_of(&[("topics", TOPICS), ("authors", AUTHORS)]);
    migrate::draft(&database.owner, &roles, &without, DataLoss::Allow, |_| {}).await.expect("a draft");
    is_settled(&database, &without).await;
}

#[tokio::test]
async fn links_stay_when_their_field_or_entity_is_renamed() {
    let roles = Roles::default();
    let tags = "fields.name = { type = \"text\" }";
    let books = |top: &str, field: &str| {
        format!(
            "{top}\nsoft_delete = true\naccess = {{ read = \"public\" }}\nfields.{field}entity = \"tags\" }}"
        )
    };
    let first = books("", "tags = { type = \"relation_many\", ");
    let database = TestDatabase::with(&schema_of(&[("tags", tags), ("books", &first)])).await;
    database
        .sql(
            "INSERT INTO \"user\" (id, name, email) VALUES ('ann', 'Ann', 'a@example.com');
             INSERT INTO tags (id, \"userId\") VALUES ('t', 'ann'); INSERT INTO books (id, \"userId\") VALUES ('b', 'ann');
             INSERT INTO books_tags (\"userId\", \"sourceId\", \"targetId\") VALUES ('ann', 'b', 't')",
        )
        .await;
    let renamed = "labels = { type = \"relation_many\", renamed_from = \"tags\", ";
    for (name, text, table) in [
        ("books", books("", renamed), "books_labels"),
        ("works", books("renamed_from = \"books\"", renamed), "works_labels"),
        (
            "papers",
            books(
                "renamed_from = \"works\"",
                "words = { type = \"relation_many\", renamed_from = \"labels\", ",
            ),
            "papers_words",
        ),
    ] {
        let schema = schema_of(&[("tags", tags), (name, &text)]);
        migrate::draft(&database.owner, &roles, &schema, DataLoss::Refuse, |_| {}).await.expect("a draft");
        is_settled(&database, &schema).await;
        assert_eq!(database.column(&format!("SELECT \"targetId\" FROM {table}")).await, ["t"]);
    }
}

#[tokio::test]
async fn links_go_through_files() {
    let schema = schema_of(&[
        ("tags", "fields.name = { type = \"text\" }"),
        (
            "books",
            "soft_delete = true\nfields.title = { type = \"text\" }\nfields.tags = { type = \"relation_many\", entity = \"tags\" }\nfields.stars = { type = \"integer\", read_only = true, default = 3 }",
        ),
    ]);
    let database = TestDatabase::with(&schema).await;
    let app = app_on(&database, &schema).await;
    let new = users::NewUser { email: "ann@example.com".to_owned(), name: None, role: None };
    let ann = users::create(&app, &new).await.expect("a user");
    database
        .sql(&format!(
            "INSERT INTO tags (id, \"userId\") SELECT t, '{}' FROM unnest('{{t1,t2}}'::text[]) t",
            ann.id
        ))
        .await;
    let ctx = Ctx::new(app.world(), Caller::from(&ann), "test");
    let options = |format, refusal| ImportOptions { refusal, ..ImportOptions::new("books", format) };
    let csv = "title,tags,deletedAt,stars\na,t1;t2,,9\nb,,,9\nc,\"[\"\"t2\"\"]\",,9\nd,t1;nothing,,9\n";
    let mut skip = |_| {};
    let report = import(&ctx, &app, &options(Format::Csv, Refusal::SkipsRow), csv.as_bytes(), &mut skip)
        .await
        .expect("an import");
    assert_eq!((report.written, report.refused), (3, 1), "{report:?}");
    assert_eq!(report.left_out, ["deletedAt", "stars"]);
    let refused = &report.refusals[0];
    assert_eq!(
        (refused.line, refused.errors[0].field.as_str(), refused.errors[0].code),
        (5, "tags", "relation_not_found")
    );
    let ndjson = "{\"title\":\"e\",\"tags\":[\"t1\"]}\n{\"title\":\"f\",\"tags\":null}\n";
    let report =
        import(&ctx, &app, &options(Format::Ndjson, Refusal::RefusesAll), ndjson.as_bytes(), &mut skip)
            .await
            .expect("an import");
    assert_eq!((report.written, report.refused), (2, 0), "{report:?}");
    database.sql("UPDATE books SET \"deletedAt\" = now() WHERE title = 'b'").await;
    let written = async |format| {
        let mut out = Vec::new();
        export::export(&app, "books", Some(&ann.id), format, &mut out).await.expect("an export");
        String::from_utf8(out).expect("text")
    };
    let csv = written(Format::Csv).await;
    let cells: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').skip(2).take(3).collect()).collect();
    assert_eq!(
        cells,
        [
            ["title", "tags", "stars"],
            ["a", "t1;t2", "3"],
            ["c", "t2", "3"],
            ["e", "t1", "3"],
            ["f", "[]", "3"]
        ]
    );
    assert!(written(Format::Ndjson).await.contains("\"tags\":[\"t1\",\"t2\"]"));
    app.close().await;
}
