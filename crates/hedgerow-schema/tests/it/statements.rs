//! The SQL that an entity becomes, to the letter: a change here is a change of everybody's database.

use hedgerow_schema::statement::{self, Asker};
use hedgerow_schema::write::{Cell, read_cells};
use hedgerow_schema::{EntityFile, Limits, ListQuery, Roles, Schema, Sql, ddl};

pub(crate) fn schema() -> Schema {
    let files = [
        (
            "projects.toml",
            r#"
            name = "projects"
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
            access = { read = "public", write = "signed_in" }
            fields.text = { type = "textarea" }
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

fn all(statements: &[Sql]) -> String {
    statements.iter().map(shown).collect::<Vec<_>>().join(";\n") + ";"
}

#[test]
fn an_entity_becomes_these_tables() {
    let (schema, roles) = (schema(), Roles::default());
    let tasks = schema.entity("tasks").expect("tasks");
    insta::assert_snapshot!("tasks", all(&ddl::create_entity(tasks, &roles)));
    insta::assert_snapshot!("tasks_relations", all(&ddl::relations(tasks, &schema)));
    for name in ["airports", "posts"] {
        let entity = schema.entity(name).expect("an entity");
        insta::assert_snapshot!(name, all(&ddl::create_entity(entity, &roles)));
    }
}

#[test]
fn requests_become_these_statements() {
    let schema = schema();
    let tasks = schema.entity("tasks").expect("tasks");
    let posts = schema.entity("posts").expect("posts");
    let ann = Asker::User("ann");
    let list = |entity, parameters: &[(&str, &str)], asker| {
        let query = ListQuery::parse(entity, parameters, Limits::default()).expect("a query");
        shown(&statement::list(entity, &query, asker).sql)
    };
    let cells = [("title", Cell::Text("x'; DROP TABLE tasks; --")), ("project", Cell::Text("p1"))];
    let row = read_cells(tasks, &cells).expect("a row");
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
        shown(&statement::insert(tasks, &["id-1".to_owned()], &[&row], None).sql),
        shown(&statement::delete_one(tasks, "id-1", ann)),
    ];
    insta::assert_snapshot!(everything.join("\n\n"));
}
