//! Mistakes in query strings: each is named, none reaches the database.

use std::fmt::Write as _;

use hedgerow_schema::{Limits, ListQuery};

use crate::statements::schema;

const MISTAKES: &[(&str, &str)] = &[
    ("titel", "eq.a"),
    ("title", "a"),
    ("title", "equals.a"),
    ("title", "fts.a"),
    ("title", "eq"),
    ("title", "not.a"),
    ("notes", "eq.a"),
    ("title; DROP TABLE tasks", "eq.1"),
    ("title\" = '' OR 1=1 --", "eq.1"),
    ("title", "eq.\0"),
    ("estimate", "eq.one"),
    ("estimate", "gt.99999999999999999999"),
    ("estimate", "like.1*"),
    ("price", "eq.1e400000"),
    ("billable", "eq.maybe"),
    ("due", "lt.2026-02-30"),
    ("seenAt", "lt.yesterday"),
    ("extra", "eq.{}"),
    ("status", "in.todo"),
    ("status", "in.(\"todo"),
    ("status", "is.todo"),
    ("select", ""),
    ("select", "id,nothing"),
    ("select", "id,id"),
    ("select", "project:projects(code)"),
    ("select", "notes"),
    ("select", "title::json"),
    ("order", "title.upwards"),
    ("order", "nothing"),
    ("order", "title.desc.nullslast.more"),
    ("order", ""),
    ("limit", "-1"),
    ("limit", "1000000000"),
    ("limit", "1;DROP"),
    ("offset", "x"),
    ("offset", "99999999999"),
    ("or", "(a.eq.1)"),
    ("and", "(a.eq.1)"),
    ("search", "x"),
    ("metas", "all"),
];

#[test]
fn every_mistake_is_named() {
    let schema = schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let mut answers = String::new();
    for (name, value) in MISTAKES {
        let Err(errors) = ListQuery::parse(tasks, &[(name, value)], Limits::default()) else {
            panic!("nobody noticed: {name}={value:?}");
        };
        for error in errors {
            writeln!(answers, "{name}={value:?} => {} [{}] {}", error.field, error.code, error.message)
                .unwrap();
        }
    }
    insta::assert_snapshot!(answers);
}

proptest::proptest! {
    /// Whatever a caller writes, it is read or refused; and what is read never stands in the statement's text.
    #[test]
    fn values_never_become_text(value in "\\PC{0,40}", operator in "eq|neq|like|ilike|in") {
        let schema = schema();
        let tasks = schema.entity("tasks").expect("tasks");
        let marked = match operator.as_str() {
            "in" => format!("in.(\"QQ{}\")", value.replace(['"', '\\'], "")),
            operator => format!("{operator}.QQ{value}"),
        };
        if let Ok(query) = ListQuery::parse(tasks, &[("title", &marked)], Limits::default()) {
            let sql = hedgerow_schema::statement::list(tasks, &query, hedgerow_schema::Asker::Anonymous).sql;
            proptest::prop_assert!(!sql.text().contains("QQ"), "{}", sql.text());
            let bound = sql.binds().iter().any(|bind| bind.value.as_ref().is_some_and(|text| text.contains("QQ")));
            proptest::prop_assert!(bound);
        }
    }
}
