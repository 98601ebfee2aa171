//! Tables of others, made by hand, and what becomes of them.

use super::*;
use crate::Roles;
use crate::catalog::{Column, Function, Index, Position, Trigger};
use crate::diff::{Class, Unit};
use crate::expression::Expression;

fn column(ty: &str, default: Option<&str>) -> Column {
    Column {
        ty: ty.to_owned(),
        not_null: false,
        default: default.map(Expression::read),
        generated: false,
        identity: None,
        comment: None,
        position: Position(9),
    }
}

fn index(keys: &[&str]) -> Index {
    Index {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        unique: true,
        primary: keys == ["id"],
        method: "btree".into(),
        condition: None,
        valid: true,
        comment: None,
        constraint: true,
    }
}

fn points_at(column: &str, table: &str) -> Constraint {
    let rule = Rule::References {
        columns: vec![column.to_owned()],
        table: table.to_owned(),
        targets: vec!["id".into()],
        on_delete: "NO ACTION".into(),
        sets: Vec::new(),
        on_update: "NO ACTION".into(),
    };
    Constraint { rule, validated: true }
}

/// A table with an id, an owner and these columns.
fn table(columns: &[(&str, Column)]) -> Table {
    let mut table = Table { owner: "owner".into(), ..Table::default() };
    for (at, (name, known)) in
        [("id", column("text", None)), ("user_id", column("text", None))].iter().chain(columns).enumerate()
    {
        let position = Position(i16::try_from(at).unwrap());
        table.columns.insert((*name).to_owned(), Column { position, ..known.clone() });
    }
    table.indexes.insert("things_pkey".into(), index(&["id"]));
    table
}

fn catalog(tables: &[(&str, Table)]) -> Catalog {
    let mut catalog = Catalog::default();
    catalog.tables.extend(tables.iter().map(|(name, table)| ((*name).to_owned(), table.clone())));
    catalog
}

#[test]
fn a_column_is_the_field_that_keeps_its_type() {
    let check = |ty: &str, default: Option<&str>, expected: &str| {
        let catalog = catalog(&[("things", table(&[("x", column(ty, default))]))]);
        let made = Adoption::of(&catalog, SetAside::new());
        let text = &made.entities["things"].file.text;
        let field = text.split_once("[fields.x]\n").map(|(_, field)| field.replace('\n', "; "));
        let got = field.unwrap_or_else(|| made.left[0].reason.clone());
        assert_eq!(got.trim_end_matches("; "), expected, "{ty} {default:?}");
        let goal = made.goal(&catalog, &Roles::default(), "owner");
        assert!(
            goal.plan.changes.iter().all(|change| change.class < Class::Rewrites),
            "{ty}: {:?}",
            goal.plan.changes
        );
        let retyped = goal.plan.changes.iter().any(|change| change.action.contains("changes its type"));
        assert_eq!(retyped, ty == "character varying", "{ty}");
    };
    check("text", None, "type = \"text\"");
    check("text", Some("'it''s'::text"), "type = \"text\"; default = \"it's\"");
    check("text", Some("NULL::text"), "type = \"text\"");
    check("text", Some("lower('A'::text)"), "its default is computed: lower('A'::text)");
    check("character varying(9)", None, "type = \"text\"; max_length = 9; sql_type = \"varchar(9)\"");
    check("character varying", None, "type = \"text\"");
    check("bigint", Some("5"), "type = \"integer\"; default = 5");
    check("integer", Some("'-1'::integer"), "type = \"integer\"; sql_type = \"integer\"; default = -1");
    check("smallint", None, "type = \"integer\"; sql_type = \"smallint\"");
    check("numeric(10,2)", Some("1.50"), "type = \"number\"; precision = 10; scale = 2; default = 1.5");
    check("double precision", None, "type = \"number\"; sql_type = \"double precision\"");
    check("boolean", Some("true"), "type = \"boolean\"; default = true");
    check("date", Some("CURRENT_DATE"), "type = \"date\"; default = \"now()\"");
    check("timestamp with time zone", Some("now()"), "type = \"datetime\"; default = \"now()\"");
    check("timestamp without time zone", None, "type = \"datetime\"; sql_type = \"timestamp\"");
    check("time without time zone", None, "type = \"time\"");
    check("jsonb", Some("'{\"a\": [1]}'::jsonb"), "type = \"json\"; default = { a = [1] }");
    check("json", None, "type = \"json\"; sql_type = \"json\"");
    check("uuid", None, "type = \"uuid\"");
    check("uuid", Some("gen_random_uuid()"), "its default is computed: gen_random_uuid()");
    check("text[]", Some("'{}'::text[]"), "type = \"tags\"; default = []");
    check("text COLLATE \"C\"", None, "type = \"text\"");
    check("bytea", None, "no field type is stored as bytea");
    check("mood", None, "no field type is stored as mood");
}

#[test]
fn a_table_that_remembers_deletions_has_a_trash() {
    let catalog =
        catalog(&[("things", table(&[("deletedAt", column("timestamp without time zone", None))]))]);
    let made = Adoption::of(&catalog, SetAside::new());
    assert_eq!(made.entities["things"].file.text, "name = \"things\"\nsoft_delete = true\n");
    let goal = made.goal(&catalog, &Roles::default(), "owner");
    let about = goal.plan.changes.iter().filter(|change| change.object.contains("deletedAt"));
    assert_eq!(about.count(), 0, "{:?}", goal.plan.changes);
}

#[test]
fn what_the_parser_refuses_stays_a_column() {
    let long = "n".repeat(41);
    let tables = [
        ("things", table(&[("limit", column("text", None)), ("größe", column("text", None))])),
        (long.as_str(), table(&[])),
        ("users", table(&[])),
    ];
    let made = Adoption::of(&catalog(&tables), SetAside::new());
    assert_eq!(made.entities.keys().collect::<Vec<_>>(), ["things"]);
    let reasons: Vec<&str> = made.left.iter().map(|left| left.reason.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("the query string uses the name")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("cannot name a field")), "{reasons:?}");
    assert_eq!(made.closed.len(), 2, "{:?}", made.closed);
}

#[test]
fn a_table_that_cannot_be_an_entity_says_why() {
    let check = |table: Table, expected: &str| {
        let made = Adoption::of(&catalog(&[("things", table)]), SetAside::new());
        let reasons: Vec<&str> = made.closed.iter().map(|closed| closed.reason.as_str()).collect();
        assert_eq!(reasons.join("|"), expected);
    };
    let with = |change: &dyn Fn(&mut Table)| {
        let mut table = table(&[]);
        change(&mut table);
        table
    };
    check(table(&[]), "");
    check(
        with(&|table| table.columns.get_mut("id").unwrap().ty = "uuid".into()),
        "its id is uuid, and an entity's id is text",
    );
    check(with(&|table| table.indexes.clear()), "its id is no primary key");
    check(
        with(&|table| table.columns.get_mut("user_id").unwrap().ty = "integer".into()),
        "its owner user_id is integer, and the id of a user is text",
    );
    check(
        with(&|table| {
            table.constraints.insert("a".into(), points_at("user_id", "members"));
        }),
        "its owner user_id points at members, not at \"user\"",
    );
    check(
        with(&|table| {
            table.columns.remove("user_id");
            table.columns.insert("author".into(), column("text", None));
            table.constraints.insert("a".into(), points_at("author", "user"));
        }),
        "it has no column that says whose a row is, unless it is author",
    );
    check(
        with(&|table| {
            table.columns.insert("createdAt".into(), column("date", None));
        }),
        "its createdAt is date, not a timestamp",
    );
}

#[test]
fn what_cannot_be_an_entity_is_closed_and_sign_in_keeps_its_tables() {
    let odd = Table { owner: "owner".into(), ..Table::default() };
    let catalog = catalog(&[("Odd table", odd.clone()), ("session", odd)]);
    let made = Adoption::of(&catalog, SetAside::new());
    let goal = made.goal(&catalog, &Roles::default(), "owner");
    let mut statements = Vec::new();
    for unit in goal.plan.units() {
        match unit {
            Unit::Transaction(list) => statements.extend(list),
            Unit::Alone(statement) => statements.push(statement),
        }
    }
    let count = |needle: &str| statements.iter().filter(|statement| statement.contains(needle)).count();
    assert_eq!(count("\"Odd table\" FORCE ROW LEVEL SECURITY"), 1, "{statements:#?}");
    assert_eq!(count("ON public.\"Odd table\"\n  AS RESTRICTIVE"), 4);
    assert_eq!(count("ON public.\"Odd table\"\n  AS PERMISSIVE"), 0);
    assert_eq!(count("ON public.\"session\"\n  AS PERMISSIVE"), 4);
    let grants: Vec<&String> =
        statements.iter().filter(|text| text.contains("TABLE public.\"session\" TO")).collect();
    assert!(matches!(grants.as_slice(), [one] if one.ends_with("TO \"hedgerow_auth\"")), "{grants:?}");
}

#[test]
fn a_trigger_is_taken_off_only_if_hedgerows_does_the_same() {
    let check = |body: &str, is_dropped: bool, obstacles: usize| {
        let mut things = table(&[("updated_at", column("timestamp with time zone", None))]);
        let definition = "BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION touch()".to_owned();
        things.triggers.insert("touch".into(), Trigger { definition, enabled: "O".into() });
        let mut catalog = catalog(&[("things", things)]);
        let function = Function {
            owner: "owner".into(),
            attributes: "trigger plpgsql".into(),
            body: body.to_owned(),
            returns: None,
            callers: std::collections::BTreeSet::default(),
        };
        catalog.functions.insert("touch()".into(), function);
        let made = Adoption::of(&catalog, SetAside::new());
        let goal = made.goal(&catalog, &Roles::default(), "owner");
        let dropped = goal.plan.changes.iter().any(|change| {
            change.object.starts_with("trigger \"touch\"") && change.action.contains("dropped")
        });
        assert_eq!((dropped, goal.obstacles.len()), (is_dropped, obstacles), "{body}: {:?}", goal.obstacles);
    };
    check("BEGIN\n  NEW.updated_at = now();\n  RETURN NEW;\nEND;", true, 0);
    check("begin new.updated_at := CURRENT_TIMESTAMP; return new; end", true, 0);
    check("BEGIN NEW.updated_at = now(); NEW.version = 1; RETURN NEW; END;", false, 1);
    check("BEGIN PERFORM 1; RETURN NEW; END;", false, 0);
}

#[test]
fn a_key_by_the_id_alone_becomes_one_within_the_owner() {
    let mut tasks = table(&[("project_id", column("text", None))]);
    tasks.constraints.insert("some_key".into(), points_at("project_id", "projects"));
    tasks.constraints.insert("owner_key".into(), points_at("user_id", "user"));
    let user = {
        let mut user = table(&[("email", column("text", None)), ("name", column("text", None))]);
        user.columns.remove("user_id");
        user
    };
    let catalog = catalog(&[("projects", table(&[])), ("tasks", tasks), ("user", user)]);
    let made = Adoption::of(&catalog, SetAside::new());
    let goal = made.goal(&catalog, &Roles::default(), "owner");
    let said = |object: &str, action: &str| {
        goal.plan.changes.iter().any(|change| change.object == object && change.action.starts_with(action))
    };
    assert!(said("constraint \"some_key\" of tasks", "is dropped"));
    assert!(
        said("constraint \"owner_key\" of tasks", "is dropped"),
        "it did not delete rows with their user"
    );
    assert!(said(
        "constraint \"tasks_project_id_fkey\" of tasks",
        "is added: FOREIGN KEY (\"userId\", \"project_id\")"
    ));
    assert!(said("index \"user_email_key\" of user", "is built"), "{:#?}", goal.plan.changes);
}
