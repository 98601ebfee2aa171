//! Metadata in the query string: what rows show of it, are found and ordered by, and each mistake.

use std::fmt::Write as _;

use hedgerow_schema::statement::{self, Asker};
use hedgerow_schema::{EntityFile, Limits, ListQuery, Schema, Sql, WriteQuery};

fn schema() -> Schema {
    let files = [
        (
            "notes.toml",
            r#"
            name = "notes"
            metadata = true
            fields.title = { type = "text" }
            fields.topic = { type = "relation", entity = "topics" }
            metas.weight = { type = "number", searchable = true }
            metas.stage = { type = "select", options = ["new", "old"], searchable = true }
            metas.done = { type = "boolean", searchable = true }
            metas.due = { type = "date", searchable = true }
            metas.seen = { type = "datetime", searchable = true }
            metas.secret = { type = "text" }
            "#,
        ),
        (
            "posts.toml",
            r#"
            name = "posts"
            access = { read = "public", write = "signed_in" }
            metadata = "strict"
            fields.title = { type = "text" }
            metas.color = { type = "text", searchable = true }
            "#,
        ),
        (
            "airports.toml",
            r#"
            name = "airports"
            access = { read = "signed_in", write = "admin" }
            metadata = true
            fields.faa = { type = "text" }
            "#,
        ),
        ("topics.toml", "name = \"topics\"\nfields.name = { type = \"text\" }"),
    ];
    let files: Vec<EntityFile> = files
        .iter()
        .map(|(name, text)| EntityFile { name: (*name).to_owned(), text: (*text).to_owned() })
        .collect();
    Schema::parse(&files).unwrap_or_else(|problems| panic!("{problems}"))
}

const MISTAKES: &[(&str, &[(&str, &str)])] = &[
    ("topics", &[("metas", "all")]),
    ("topics", &[("metas.color", "eq.red")]),
    ("topics", &[("order", "metas.color")]),
    ("topics", &[("or", "(metas.color.eq.red,name.eq.a)")]),
    ("topics", &[("select", "name,notes(title)"), ("notes.metas", "all")]),
    ("notes", &[("metas", "")]),
    ("notes", &[("metas", "a,,b")]),
    ("notes", &[("metas", "\"a")]),
    ("notes", &[("metas", "a\0")]),
    ("notes", &[("metas", "all"), ("metas", "all")]),
    ("notes", &[("metas", "all"), ("select", "id,metas:title")]),
    ("notes", &[("metas", "all"), ("select", "topic,count()")]),
    ("notes", &[("order", "metas.weight"), ("select", "topic,count()")]),
    ("notes", &[("order", "metas.weight"), ("cursor", "x")]),
    ("notes", &[("order", "metas.")]),
    ("notes", &[("order", "metas.secret.desc")]),
    ("notes", &[("order", "metas.weight.up")]),
    ("notes", &[("order", "metas.\"weight")]),
    ("notes", &[("metas.", "eq.a")]),
    ("notes", &[("metas.secret", "eq.a")]),
    ("notes", &[("metas.color", "red")]),
    ("notes", &[("metas.color", "eq(any).{red}")]),
    ("notes", &[("metas.color", "fts.red")]),
    ("notes", &[("metas.color", "cs.{red}")]),
    ("notes", &[("metas.color", "match.^r")]),
    ("notes", &[("metas.color", "equals.red")]),
    ("notes", &[("metas.color", "in.red")]),
    ("notes", &[("metas.color", "is.red")]),
    ("notes", &[("metas.color", "eq.\0")]),
    ("notes", &[("metas.color", "like.a\\")]),
    ("notes", &[("metas.color", "gt.1e300")]),
    ("notes", &[("metas.weight", "eq.heavy")]),
    ("notes", &[("metas.weight", "like.1*")]),
    ("notes", &[("metas.weight", "in.(1,two)")]),
    ("notes", &[("metas.done", "eq.perhaps")]),
    ("notes", &[("metas.done", "gt.true")]),
    ("notes", &[("metas.due", "lt.tomorrow")]),
    ("notes", &[("metas.seen", "lt.2026-01-31")]),
    ("notes", &[("or", "(metas.weight.eq.heavy)")]),
    ("notes", &[("or", "(metas.ui.theme.eq.dark)")]),
    ("notes", &[("or", "(metas.color)")]),
    ("notes", &[("not.and", "(metas.secret.eq.a)")]),
    ("posts", &[("metas", "colour")]),
    ("posts", &[("metas.colour", "eq.red")]),
    ("posts", &[("order", "metas.size")]),
];

#[test]
fn every_mistake_about_metadata_is_named() {
    let schema = schema();
    let mut text = String::new();
    for (entity, parameters) in MISTAKES {
        let entity = schema.entity(entity).expect("an entity");
        let Err(errors) = ListQuery::parse(&schema, entity, parameters, Limits::default()) else {
            panic!("nobody noticed: {parameters:?}");
        };
        writeln!(text, "{} {parameters:?}", entity.name).expect("a text");
        for error in errors {
            writeln!(text, "  {}: {} {:?}", error.field, error.code, error.message).expect("a text");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn how_often_a_request_speaks_of_metadata_has_an_end() {
    let schema = schema();
    let notes = schema.entity("notes").expect("notes");
    let code = |parameters: &[(&str, &str)]| {
        let errors = ListQuery::parse(&schema, notes, parameters, Limits::default()).map(drop);
        errors.map_err(|errors| errors.iter().map(|error| error.code).collect::<Vec<_>>())
    };
    let keys = |number: usize| vec!["a"; number].join(",");
    let orders = |number: usize| vec!["metas.a"; number].join(",");
    let tree = |number: usize| format!("({})", vec!["metas.a.eq.b"; number].join(","));
    assert_eq!(code(&[("metas", &keys(100))]), Ok(()));
    assert_eq!(code(&[("metas", &keys(101))]), Err(vec!["invalid_metas"]));
    assert_eq!(code(&[("order", &orders(5)), ("or", &tree(5))]), Ok(()));
    assert_eq!(code(&[("order", &orders(11))]), Err(vec!["too_many_conditions"]));
    assert_eq!(code(&[("order", &orders(5)), ("or", &tree(7))]), Err(vec!["too_many_conditions"]));
    let values = format!("in.({})", vec!["a"; 1001].join(","));
    assert_eq!(code(&[("metas.a", &values)]), Err(vec!["invalid_filter"]));
}

const GRAMMAR: &[(&str, &[(&str, &str)])] = &[
    ("notes", &[("select", "title"), ("metas", "all")]),
    ("notes", &[("select", "title"), ("metas", "all,\"a,b\"")]),
    ("posts", &[("select", "title"), ("metas", "all")]),
    ("airports", &[("select", "faa"), ("metas", "all"), ("metas.color", "eq.red")]),
    ("notes", &[("select", "id"), ("metas.ui.theme", "eq.dark")]),
    ("notes", &[("select", "id"), ("metas.a->b.or", "not.eq.dark")]),
    ("notes", &[("select", "id"), ("metas.size", "eq.5.0")]),
    ("notes", &[("select", "id"), ("metas.size", "neq.5")]),
    ("notes", &[("select", "id"), ("metas.size", "in.(5,six,2026-01-31T10:30:00Z)")]),
    ("notes", &[("select", "id"), ("metas.size", "gt.1e2")]),
    ("notes", &[("select", "id"), ("metas.size", "not.lte.5")]),
    ("notes", &[("select", "id"), ("metas.at", "gte.2026-01-31")]),
    ("notes", &[("select", "id"), ("metas.at", "not.lt.2026-01-31T10:30:00.5Z")]),
    ("notes", &[("select", "id"), ("metas.color", "ilike.*RED*")]),
    ("notes", &[("select", "id"), ("metas.color", "is.null"), ("metas.size", "is.not_null")]),
    ("notes", &[("select", "id"), ("metas.color", "isdistinct.red"), ("metas.size", "not.isdistinct.x")]),
    ("notes", &[("select", "id"), ("metas.done", "is.true"), ("metas.flag", "not.is.false")]),
    ("notes", &[("select", "id"), ("metas.weight", "lt.5"), ("metas.stage", "eq.new")]),
    (
        "notes",
        &[("select", "id"), ("or", "(metas.color.eq.red,metas.\"ui.theme\".not.eq.\"a,b\",title.eq.a)")],
    ),
    ("notes", &[("select", "id"), ("not.or", "(metas.color.eq.red,not.and(title.eq.a,metas.size.gt.5))")]),
    ("notes", &[("select", "id"), ("order", "metas.weight.desc.nullslast,metas.\"ui.theme\",title")]),
    (
        "topics",
        &[("select", "name,notes(title)"), ("notes.metas.color", "eq.red"), ("notes.order", "metas.size")],
    ),
];

fn shown(sql: &Sql) -> String {
    let binds: Vec<_> = sql.binds().iter().map(|bind| bind.value.as_deref().unwrap_or("NULL")).collect();
    format!("{}\n  {binds:?}", sql.text())
}

#[test]
fn metadata_in_requests_becomes_these_statements() {
    let schema = schema();
    let mut shows = Vec::new();
    for (entity, parameters) in GRAMMAR {
        let entity = schema.entity(entity).expect("an entity");
        let query = ListQuery::parse(&schema, entity, parameters, Limits::default());
        let query = query.unwrap_or_else(|errors| panic!("{parameters:?}: {errors:?}"));
        shows.push(format!(
            "{parameters:?}\n{}",
            shown(&statement::list(entity, &query, Asker::User("ann")).sql)
        ));
    }
    let posts = schema.entity("posts").expect("posts");
    let query =
        ListQuery::parse(&schema, posts, &[("metas", "all"), ("metas.color", "eq.red")], Limits::default());
    shows.push(shown(&statement::list(posts, &query.expect("a query"), Asker::Anonymous).sql));
    insta::assert_snapshot!(shows.join("\n\n"));
}

#[test]
fn a_cursor_holds_for_conditions_on_metadata_and_not_for_what_is_shown() {
    let schema = schema();
    let notes = schema.entity("notes").expect("notes");
    let asked = [("metas", "all"), ("metas.size", "gt.5"), ("limit", "2"), ("select", "id")];
    let query = ListQuery::parse(&schema, notes, &asked, Limits::default()).expect("a query");
    assert_eq!(query.narrowing, [("metas.size".to_owned(), "gt.5".to_owned())]);
    assert!(query.has_keyset());
    let by_meta = ListQuery::parse(&schema, notes, &[("order", "metas.size")], Limits::default());
    assert!(!by_meta.expect("a query").has_keyset());
}

#[test]
fn rows_that_are_written_show_metadata_too() {
    let schema = schema();
    let notes = schema.entity("notes").expect("notes");
    let one = WriteQuery::parse_select(&schema, notes, &[("metas", "weight")], Limits::default());
    assert_eq!(one.expect("what is selected").last().expect("a key").key, "metas");
    let many = WriteQuery::parse(&schema, notes, &[("metas", "all"), ("metas.a", "eq.b")], Limits::default());
    let many = many.expect("a query");
    assert_eq!((many.select.last().expect("a key").key.as_str(), many.filters.len()), ("metas", 1));
    let filtered = WriteQuery::parse_select(&schema, notes, &[("metas.a", "eq.b")], Limits::default());
    assert_eq!(filtered.unwrap_err()[0].code, "unknown_parameter");
}
