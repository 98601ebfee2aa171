//! The SQL that an entity becomes, to the letter: a change here is a change of everybody's database.

use hedgerow_schema::catalog::Catalog;
use hedgerow_schema::diff::{self, Pace, Renames};
use hedgerow_schema::statement::{self, Asker, Conflict, Expected, Shelf, UniqueKey};
use hedgerow_schema::write::{Cell, read_cells};
use hedgerow_schema::{EntityFile, Keyset, Limits, ListQuery, Roles, Schema, Side, Sql, ddl, model, script};

pub(crate) fn schema() -> Schema {
    let files = [
        (
            "projects.toml",
            r#"
            name = "projects"
            soft_delete = true
            fields.code = { type = "text", required = true, unique = true, max_length = 20 }
            "#,
        ),
        (
            "airports.toml",
            r#"
            name = "airports"
            access = { read = "signed_in", write = "admin" }
            fields.faa = { type = "text", required = true, unique = true, max_length = 3 }
            "#,
        ),
        (
            "posts.toml",
            r#"
            name = "posts"
            access = { read = "public", write = "signed_in", published_when = "state = 'out' and at <= now()" }
            fields.text = { type = "textarea", searchable = true }
            fields.title = { type = "text", searchable = true, sql_type = "varchar(90)" }
            fields.state = { type = "select", options = ["draft", "out"], default = "draft" }
            fields.at = { type = "datetime" }
            fields.views = { type = "integer", read_only = true, default = 0 }

            fields.topics = { type = "relation_many", entity = "airports" }
            fields.notes = { type = "relation_many", entity = "projects" }

            [[indexes]]
            fields = ["state", "views"]
            where = "state <> 'draft' and views > 0"
            "#,
        ),
        (
            "tasks.toml",
            r#"
            name = "tasks"
            fields.title = { type = "text", required = true, min_length = 1, max_length = 200, description = "It's what" }
            fields.notes = { type = "textarea", hidden = true }
            fields.status = { type = "select", options = ["todo", "it's done"], default = "todo", indexed = true }
            fields.estimate = { type = "integer", min = 0, max = 1000, default = 1 }
            fields.price = { type = "number", precision = 12, scale = 2, min = 0 }
            fields.billable = { type = "boolean", default = false, required = true }
            fields.due = { type = "date", indexed = true }
            fields.seenAt = { type = "datetime", default = "now()", read_only = true }
            fields.extra = { type = "json" }
            fields.contact = { type = "email", unique = true }
            fields.link = { type = "url", immutable = true }
            fields.project = { type = "relation", entity = "projects", on_delete = "cascade", required = true }
            fields.parent = { type = "relation", entity = "tasks", on_delete = "set_null" }
            fields.airport = { type = "relation", entity = "airports" }
            "#,
        ),
        (
            "everything.toml",
            r#"
            name = "everything"
            renamed_from = "all_things"
            fields.body = { type = "markdown", searchable = true, renamed_from = "text" }
            fields.phone = { type = "phone", unique = true }
            fields.slug = { type = "slug", max_length = 100, unique = true }
            fields.sku = { type = "text", max_length = 20, pattern = '[A-Z]{2}-\d+' }
            fields.opens = { type = "time", min = "06:00", max = 22:30:00.5, default = "09:00" }
            fields.day = { type = "date", min = 2026-01-01, max = "2026-12-31" }
            fields.at = { type = "datetime", min = "2026-01-01T00:00:00+02:00", max = 2026-12-31T23:59:59.5Z }
            fields.colours = { type = "multiselect", options = ["red", "it's blue"], default = ["it's blue"] }
            fields.tags = { type = "tags", max_length = 50, default = [] }
            fields.assignee = { type = "user", on_delete = "set_null" }
            fields.external = { type = "uuid", indexed = true }
            fields.country = { type = "country", default = "DE" }
            fields.currency = { type = "currency" }
            fields.zone = { type = "timezone", default = "Europe/Berlin" }
            fields.photo = { type = "file" }
            fields.shape = { type = "json", schema = { type = "object" } }

            [[indexes]]
            fields = ["day", "createdAt"]

            [[indexes]]
            fields = ["country", "sku"]
            unique = true
            "#,
        ),
        (
            "adopted.toml",
            r#"
            name = "adopted"
            fields.at = { type = "datetime", sql_type = "timestamp", default = "now()", min = "2000-01-01T00:00:00Z" }
            fields.qty = { type = "integer", sql_type = "integer", min = 0 }
            fields.rank = { type = "integer", sql_type = "smallint" }
            fields.weight = { type = "number", sql_type = "real", min = 0.5 }
            fields.ratio = { type = "number", sql_type = "double precision" }
            fields.name = { type = "text", sql_type = "varchar(20)", indexed = true }
            fields.extra = { type = "json", sql_type = "json" }
            fields.assignee = { type = "user", sql_type = "uuid" }
            fields.title = { type = "text" }
            "#,
        ),
    ];
    let files = files.map(|(name, text)| EntityFile { name: name.to_owned(), text: text.to_owned() });
    Schema::parse(&files).expect("a schema")
}

fn shown(sql: &Sql) -> String {
    let mut text = sql.text().to_owned();
    for (at, bind) in sql.binds().iter().enumerate() {
        text.push_str(&format!(
            "\n  ${} {:?}{} = {:?}",
            at + 1,
            bind.ty,
            if bind.array { "[]" } else { "" },
            bind.value
        ));
    }
    text
}

/// The catalog of a database with Hedgerow's own tables alone.
fn own(roles: &Roles) -> Catalog {
    model::expected(&Schema::default(), roles, "owner")
}

#[test]
fn entities_become_these_tables() {
    let roles = Roles::default();
    let should = model::expected(&schema(), &roles, "owner");
    let made = diff::plan(&own(&roles), &should, &Renames::default(), Pace::Online);
    insta::assert_snapshot!("tables", script::write(&made, "0001_init"));
    let back = diff::plan(&should, &own(&roles), &Renames::default(), Pace::Online);
    insta::assert_snapshot!("tables_back", script::write(&back, "0001_init"));
    // The same file without steps is what a development database gets.
    let at_once = diff::plan(&own(&roles), &should, &Renames::default(), Pace::AtOnce);
    assert_eq!(script::write(&at_once, "0001_init"), script::write(&made, "0001_init"));
}

#[test]
fn from_nothing_to_nothing_is_no_way() {
    let (roles, renames) = (Roles::default(), Renames::default());
    for should in [own(&roles), model::expected(&schema(), &roles, "owner")] {
        assert!(diff::plan(&should, &should, &renames, Pace::Online).is_empty());
        let target = model::target(&should, &should, &should, &roles);
        assert!(diff::plan(&should, &target, &renames, Pace::Online).is_empty());
    }
}

#[test]
fn requests_become_these_statements() {
    let schema = schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let posts = schema.entity("posts").expect("posts");
    let ann = Asker::User("ann");
    let list = |entity, parameters: &[(&str, &str)], asker| {
        let query = ListQuery::parse(&schema, entity, parameters, Limits::default()).expect("a query");
        shown(&statement::list(entity, &query, asker).sql)
    };
    let cells = [("title", Cell::Text("x'; DROP TABLE tasks; --")), ("project", Cell::Text("p1"))];
    let row = read_cells(tasks, &cells).expect("a row");
    let cells =
        [("title", "a"), ("contact", "a@example.com"), ("link", "https://example.com"), ("project", "p1")];
    let one = read_cells(tasks, &cells.map(|(name, text)| (name, Cell::Text(text)))).expect("a row");
    let key = UniqueKey::find(tasks, &["contact"]).expect("a key");
    let upsert = |conflict| statement::upsert(tasks, &["id-1".to_owned()], &[&one], &key, conflict, &[], ann);
    let everything = [
        list(tasks, &[], ann),
        list(
            tasks,
            &[
                ("select", "id,what:title"),
                ("limit", "5"),
                ("offset", "10"),
                ("order", "due.desc.nullslast,title"),
            ],
            ann,
        ),
        list(
            tasks,
            &[
                ("status", "in.(todo,\"it's done\")"),
                ("price", "gte.10.50"),
                ("title", "not.ilike.*a%*"),
                ("due", "is.null"),
            ],
            ann,
        ),
        list(tasks, &[], Asker::Anonymous),
        list(posts, &[("text", "like.a*")], Asker::Anonymous),
        shown(&statement::insert(tasks, &["id-1".to_owned()], &[&row], None, ann).sql),
        shown(&statement::delete_one(tasks, "id-1", &[], Expected::Any, ann).sql),
        shown(&statement::update_each(tasks, &["id-1", "id-2"], &[&row, &row], ann)),
        shown(&upsert(Conflict::Merge).sql),
        shown(&upsert(Conflict::Ignore).sql),
    ];
    insta::assert_snapshot!(everything.join("\n\n"));
}

/// One list each: the entity, who asks, and the parameters.
const GRAMMAR: &[(&str, &[(&str, &str)])] = &[
    (
        "tasks",
        &[
            ("select", "id"),
            (
                "or",
                "(title.eq.a,and(estimate.gt.1,not.or(due.is.null,billable.is.true)),status.in.(todo,\"it's done\"))",
            ),
            ("not.and", "(title.eq.b,title.isdistinct.c)"),
        ],
    ),
    (
        "tasks",
        &[
            ("select", "id"),
            ("title", "like(any).{a*,\"b,*\"}"),
            ("estimate", "gt(all).{1,2}"),
            ("title", "fts(english).fat & !cat"),
            ("link", "wfts.\"fat cat\" or rat"),
            ("extra->a->>b", "eq.x"),
            ("extra->0", "in.(1,\"[2]\")"),
            ("extra", "cs.{\"a\":1}"),
        ],
    ),
    (
        "tasks",
        &[
            (
                "select",
                "n:estimate::text,at:createdAt::text,day:seenAt::date,price::numeric,estimate::numeric,extra->a->>b,z:extra->0",
            ),
            ("order", "extra->a->>b.desc.nullslast,extra->0,due"),
        ],
    ),
    (
        "tasks",
        &[
            ("select", "title,project:projects(id,code,createdAt),...parent(up:title,...project(top:code))"),
            ("project.code", "like.a*"),
            ("order", "project(code).desc.nullsfirst"),
        ],
    ),
    (
        "projects",
        &[
            ("select", "code,tasks!inner(title,estimate,parent(title)),posts()"),
            ("tasks.estimate", "gt.5"),
            ("tasks.order", "due.desc"),
            ("tasks.limit", "3"),
            ("tasks.offset", "1"),
            ("tasks.parent.title", "eq.x"),
            ("or", "(posts.not.is.null,code.eq.a)"),
        ],
    ),
    (
        "posts",
        &[
            ("select", "topics(faa),notes(code,tasks(title)),ids:notes"),
            ("topics", "cs.{a,b}"),
            ("notes", "cs.{a}"),
            ("topics", "cd.{a,b}"),
            ("search", "fat \"cat food\" -dog mou"),
        ],
    ),
    (
        "airports",
        &[("select", "faa,posts(text),tasks(count())"), ("posts.search", "cat"), ("posts", "is.null")],
    ),
    (
        "tasks",
        &[
            ("select", "status,extra->a,n:count(),estimate.sum(),most:price.max(),due.count()"),
            ("order", "status.desc"),
            ("billable", "is.true"),
        ],
    ),
    ("tasks", &[("select", "count()")]),
    // The relation as a row, in place of its id.
    ("tasks", &[("select", "*,project(code)")]),
    ("projects", &[("select", "code,tasks(status,estimate.avg(),count())"), ("tasks.order", "status")]),
    (
        "everything",
        &[
            ("select", "id,tags,opens"),
            ("tags", "cs.{a,\"b,c\"}"),
            ("colours", "ov.{red}"),
            ("tags", "eq.{a}"),
            ("external", "eq(any).{01890a5d-ac96-774b-bcce-b302099a8057}"),
        ],
    ),
    ("adopted", &[("select", "id,at,weight.max(),qty.sum()"), ("extra->a", "eq.1"), ("extra", "cs.{}")]),
];

#[test]
fn the_grammar_becomes_these_statements() {
    let schema = schema();
    let mut shows = Vec::new();
    for (entity, parameters) in GRAMMAR {
        let entity = schema.entity(entity).expect("an entity");
        let query = ListQuery::parse(&schema, entity, parameters, Limits::default());
        let query = query.unwrap_or_else(|errors| panic!("{parameters:?}: {errors:?}"));
        shows.push(shown(&statement::list(entity, &query, Asker::User("ann")).sql));
    }
    // Nobody owns anything, inside either.
    let airports = schema.entity("airports").expect("airports");
    let query = ListQuery::parse(&schema, airports, &[("select", "tasks(id)")], Limits::default());
    shows.push(shown(&statement::list(airports, &query.expect("a query"), Asker::Anonymous).sql));
    insta::assert_snapshot!(shows.join("\n\n"));
}

#[test]
fn pages_become_these_statements() {
    let schema = schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let adopted = schema.entity("adopted").expect("adopted");
    let ann = Asker::User("ann");
    let page = |entity, parameters: &[(&str, &str)], side, values: &[Option<&str>]| {
        let query = ListQuery::parse(&schema, entity, parameters, Limits::default()).expect("a query");
        let values = values.iter().map(|value| value.map(str::to_owned)).collect();
        let page = statement::page(entity, &query, Shelf::Living, ann, Some(&Keyset { side, values }));
        format!("{}\n  shows {}, keys {:?}", shown(&page.query.sql), page.shown, page.keys)
    };
    let (id, moment) = (Some("i1"), Some("2026-01-31 09:30:00.000001+00"));
    let select = |select| ("select", select);
    let query = ListQuery::parse(&schema, tasks, &[select("id"), ("due", "is.null")], Limits::default())
        .expect("one");
    let everything = [
        page(tasks, &[select("id,title")], Side::After, &[moment, id]),
        page(tasks, &[select("createdAt,id")], Side::Before, &[moment, id]),
        page(tasks, &[select("title"), ("order", "due.desc")], Side::From, &[Some("2026-01-31"), id]),
        page(tasks, &[select("title"), ("order", "due")], Side::After, &[Some("2026-01-31"), id]),
        page(tasks, &[select("title"), ("order", "due")], Side::UpTo, &[None, id]),
        page(
            tasks,
            &[select("title"), ("order", "due.nullsfirst,title.desc")],
            Side::After,
            &[None, Some("t"), id],
        ),
        page(
            tasks,
            &[select("title"), ("order", "billable,title.desc")],
            Side::After,
            &[Some("true"), Some("t"), id],
        ),
        page(
            adopted,
            &[select("id"), ("order", "at.desc,weight.desc")],
            Side::After,
            &[moment, Some("0.1"), id],
        ),
        shown(
            &statement::stream(
                tasks,
                &query,
                ann,
                Some(&Keyset {
                    side: Side::Before,
                    values: vec![moment.map(str::to_owned), id.map(str::to_owned)],
                }),
            )
            .sql,
        ),
        shown(&statement::count(tasks, &query, Shelf::Living, ann, None)),
        shown(&statement::count(tasks, &query, Shelf::Living, Asker::Anonymous, Some(10))),
    ];
    insta::assert_snapshot!("pages", everything.join("\n\n"));
}

#[test]
fn what_is_stored_otherwise_is_cast() {
    let schema = schema();
    let (adopted, everything) =
        (schema.entity("adopted").expect("one"), schema.entity("everything").expect("one"));
    let ann = Asker::User("ann");
    let user = "01890a5d-ac96-774b-bcce-b302099a8057";
    let parameters = [
        ("order", "at,title"),
        ("at", "gte.2026-01-01T00:00:00Z"),
        ("weight", "eq.0.1"),
        ("qty", "in.(1,2)"),
        ("assignee", "in.(01890A5D-ac96-774b-bcce-b302099a8057)"),
        ("assignee", "like.0189*"),
        ("extra", "is.null"),
    ];
    let query = ListQuery::parse(&schema, adopted, &parameters, Limits::default()).expect("a query");
    let cells = [
        ("at", Cell::Text("2026-01-31T09:30:00+02:00")),
        ("qty", Cell::Text("1")),
        ("weight", Cell::Text("0.7")),
        ("name", Cell::Text("x")),
        ("extra", Cell::Text("{}")),
        ("assignee", Cell::Text(user)),
    ];
    let row = read_cells(adopted, &cells).expect("a row");
    let lists = [("tags", Cell::Text("a; b,c")), ("colours", Cell::Text("[]")), ("body", Cell::Text("x"))];
    let lists = read_cells(everything, &lists).expect("a row");
    let ids = ["id-1".to_owned(), "id-2".to_owned()];
    let select = hedgerow_schema::query::select_all(adopted);
    let statements = [
        shown(&statement::list(adopted, &query, ann).sql),
        shown(&statement::insert(adopted, &ids[..1], &[&row], Some(&select[2..4]), ann).sql),
        shown(&statement::insert(adopted, &ids, &[&row, &row], None, ann).sql),
        shown(
            &statement::update_one(adopted, "id-1", &row, &select[2..4], Expected::Versions(&[255]), ann).sql,
        ),
        shown(&statement::insert(everything, &ids[..1], &[&lists], None, ann).sql),
        shown(&statement::insert(everything, &ids, &[&lists, &lists], None, ann).sql),
    ];
    insta::assert_snapshot!(statements.join("\n\n"));
}

/// A set that was applied somewhere is never edited: a change is a new set.
#[test]
fn sets_of_hedgerows_own_tables_stay_as_they_were() {
    for set in ddl::core(&Roles::default()) {
        let statements: Vec<&str> = set.statements.iter().map(Sql::text).collect();
        insta::assert_snapshot!(set.name, statements.join(";\n"));
    }
}
