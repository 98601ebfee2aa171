//! Mistakes in query strings: each is named, none reaches the database.

use std::fmt::Write as _;

use hedgerow_schema::{Limits, ListQuery};

use crate::statements::schema;

const MISTAKES: &[(&str, &str)] = &[
    ("titel", "eq.a"),
    ("title", "a"),
    ("title", "equals.a"),
    ("title", "eq"),
    ("title", "not.a"),
    ("title", "not.not.eq.a"),
    ("notes", "eq.a"),
    ("title; DROP TABLE tasks", "eq.1"),
    ("title\" = '' OR 1=1 --", "eq.1"),
    ("title", "eq.\0"),
    ("title", "sl.(1,2)"),
    ("title", "match.^a"),
    ("title", "cs.{a}"),
    ("title", "eq(some).{a}"),
    ("title", "neq(any).{a}"),
    ("title", "eq(any).a"),
    ("title", "in(any).(a)"),
    ("title", "fts.a b"),
    ("title", "fts(klingon).a"),
    ("title", "wfts.\0"),
    ("title", "like.a\\"),
    ("title", "is.true"),
    ("estimate", "eq.one"),
    ("estimate", "gt.99999999999999999999"),
    ("estimate", "like.1*"),
    ("estimate", "fts.1"),
    ("price", "eq.1e400000"),
    ("billable", "eq.maybe"),
    ("due", "lt.2026-02-30"),
    ("seenAt", "lt.yesterday"),
    ("extra", "eq.{a}"),
    ("extra", "gt.1"),
    ("extra", "ov.{}"),
    ("extra->a", "eq.plain"),
    ("extra->", "eq.1"),
    ("extra->>a->b", "eq.1"),
    ("extra->\0", "eq.1"),
    ("title->a", "eq.1"),
    ("notes->>a", "eq.1"),
    ("status", "in.todo"),
    ("status", "in.(\"todo"),
    ("status", "is.todo"),
    ("select", ""),
    ("select", "id,nothing"),
    ("select", "id,id"),
    ("select", "id,,title"),
    ("select", "notes"),
    ("select", "notes:title,notes->a"),
    ("select", "title::json"),
    ("select", "estimate::date"),
    ("select", "title::text; DROP TABLE tasks"),
    ("select", "title.sum()"),
    ("select", "estimate.median()"),
    ("select", "estimate.sum"),
    ("select", "notes.max()"),
    ("select", "status,count(),project(code)"),
    ("select", "project(code"),
    ("select", "project:projects(code))"),
    ("select", "project!airport(code)"),
    ("select", "projekt(code)"),
    ("select", "project(nothing,code)"),
    ("select", "tasks(title)"),
    ("select", "posts(title)"),
    ("select", "...tasks!parent(title)"),
    ("select", "id,...project(id)"),
    ("select", "parent(parent(parent(parent(parent(parent(id))))))"),
    ("order", "title.upwards"),
    ("order", "nothing"),
    ("order", "title.desc.nullslast.more"),
    ("order", "notes"),
    ("order", "extra"),
    ("order", "project(code)"),
    ("order", ""),
    ("limit", "-1"),
    ("limit", "1000000000"),
    ("limit", "1;DROP"),
    ("offset", "x"),
    ("offset", "99999999999"),
    ("or", "(a.eq.1)"),
    ("and", "(title.eq.1"),
    ("or", "title.eq.1"),
    ("or", "()"),
    ("or", "(title.eq.1)x"),
    ("or", "(title.eq.a,nand(title.eq.b))"),
    ("not.or", "(title.eq.\"a)"),
    ("nor", "(title.eq.a)"),
    ("project.code", "eq.a"),
    ("project.order", "code"),
    ("search", "x"),
    ("metas", "all"),
];

/// Several parameters together.
const TOGETHER: &[&[(&str, &str)]] = &[
    &[("titel", "eq.x"), ("limit", "many"), ("select", "nope"), ("or", "(stats.eq.a,price.eq.b)")],
    &[("limit", "1"), ("limit", "2")],
    &[("select", "project(code)"), ("project.cod", "eq.a"), ("projekt.code", "eq.a")],
    &[("select", "project(code)"), ("project.order", "code"), ("project.limit", "1")],
    &[("select", "children:tasks!parent(id)"), ("children.order", "nope"), ("children.limit", "x")],
    &[("select", "children:tasks!parent(id)"), ("order", "children(title)")],
    &[("select", "status,count()"), ("order", "title")],
    &[("select", "project(code,notes)"), ("project.notes", "eq.a")],
    &[("select", "id,project(code)"), ("project.or", "(code.eq.a,id.foo.b)")],
];

fn answers(parameters: &[(&str, &str)]) -> String {
    let schema = schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let Err(errors) = ListQuery::parse(&schema, tasks, parameters, Limits::default()) else {
        panic!("nobody noticed: {parameters:?}");
    };
    let mut text = String::new();
    for error in errors {
        writeln!(text, "  {} [{}] {}", error.field, error.code, error.message).expect("a text");
    }
    text
}

#[test]
fn every_mistake_is_named() {
    let mut text = String::new();
    for (name, value) in MISTAKES {
        write!(text, "{name}={value:?}\n{}", answers(&[(name, value)])).expect("a text");
    }
    for parameters in TOGETHER {
        write!(text, "{parameters:?}\n{}", answers(parameters)).expect("a text");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn conditions_have_an_end() {
    let deep = format!("{}(title.eq.a{}", "(and".repeat(10), ")".repeat(11));
    let many = format!("({})", vec!["title.eq.a"; 101].join(","));
    let values = format!("in.({})", vec!["a"; 1001].join(","));
    let pattern = format!("like.{}", "a".repeat(201));
    let steps = format!("extra{}", "->a".repeat(17));
    for (name, value, code) in [
        ("or", deep.as_str(), "too_deep"),
        ("or", many.as_str(), "too_many_conditions"),
        ("title", values.as_str(), "invalid_filter"),
        ("title", pattern.as_str(), "invalid_filter"),
        (steps.as_str(), "is.null", "invalid_path"),
    ] {
        let text = answers(&[(name, value)]);
        assert!(text.contains(code), "{text}");
    }
    let embeds = vec!["parent(id)"; 21].join(",");
    let text = answers(&[("select", &embeds)]);
    assert!(text.contains("too_many_embeds"), "{text}");
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
        if let Ok(query) = ListQuery::parse(&schema, tasks, &[("title", &marked)], Limits::default()) {
            let sql = hedgerow_schema::statement::list(tasks, &query, hedgerow_schema::Asker::Anonymous).sql;
            proptest::prop_assert!(!sql.text().contains("QQ"), "{}", sql.text());
            let bound = sql.binds().iter().any(|bind| bind.value.as_ref().is_some_and(|text| text.contains("QQ")));
            proptest::prop_assert!(bound);
        }
    }
}
