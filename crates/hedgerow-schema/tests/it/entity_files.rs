//! Mistakes in entity files: each is found, in its place, with what is allowed. The snapshot is the whole catalogue of
//! answers, to be read as a user would.

use std::fmt::Write as _;

use hedgerow_schema::{EntityFile, Schema};

fn parse(files: &[(&str, &str)]) -> Result<Schema, String> {
    let files: Vec<EntityFile> = files
        .iter()
        .map(|(name, text)| EntityFile { name: (*name).to_owned(), text: (*text).to_owned() })
        .collect();
    Schema::parse(&files).map_err(|problems| problems.to_string())
}

/// Texts after the line `name = "tasks"`, each with at least one mistake.
const MISTAKES: &[&str] = &[
    // Whole files.
    "fields.title = { type = \"text\" ",
    "nmae = 1",
    "fields = 3",
    "label = { singular = \"Task\" }",
    "label = { singular = \"Task\", plural = \"Tasks\", dual = \"x\" }",
    "soft_delete = \"yes\"",
    "metadata = \"yes\"",
    "metas.color = { type = \"text\" }",
    "metadata = true\nmetas.color = \"text\"",
    "metadata = true\nmetas.\"a b\" = { type = \"text\" }",
    "metadata = true\nmetas.color = { type = \"tags\" }",
    "metadata = true\nmetas.color = { type = \"text\", required = true, unique = true }",
    "metadata = true\nmetas.color = { type = \"text\", level = \"team\" }",
    "metadata = true\nmetas.color = { type = \"text\", max_length = 501, searchable = true }",
    "metadata = true\nmetas.color = { type = \"json\", searchable = true }",
    "metadata = true\nmetas.color = { type = \"text\", rollout = 10 }",
    "metadata = true\nmetas.flag = { type = \"boolean\", default = false, rollout = 101 }",
    "metadata = true\nmetas.weight = { type = \"integer\", default = \"5\" }",
    "metadata = true\nmetas.since = { type = \"date\", default = \"now()\" }",
    "indexes = 3",
    "indexes = [3]",
    "[[indexes]]\nfields = [\"a\"]",
    "fields.a = { type = \"integer\" }\n[[indexes]]\n",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = []",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\", \"b c\"]",
    "fields.due = { type = \"date\" }\n[[indexes]]\nfields = [\"createdAt\", \"deu\"]\nunique = true",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\", \"a\"]",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\"]\n[[indexes]]\nfields = [\"a\"]",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\"]\nwhere = \"a > \"",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\"]\nwhere = \"a > 'x'\"",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\"]\nwhere = 7",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\"]\nwhere = \"createdAt > now()\"",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"createdAt\", \"id\"]\nwhere = \"a > 1\"",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\"]\nwhere = \"a > 1\"\n[[indexes]]\nfields = [\"a\"]\nwhere = \"a > 2\"",
    "fields.a = { type = \"integer\" }\n[[indexes]]\nfields = [\"a\"]\nname = \"x\"",
    "fields.a = { type = \"integer\", unique = true }\n[[indexes]]\nfields = [\"a\"]\nunique = true",
    "fields.a = { type = \"text\" }\n[[indexes]]\nfields = [\"a\"]",
    "fields.a = { type = \"tags\" }\n[[indexes]]\nfields = [\"a\"]",
    "renamed_from = \"tasks\"",
    "renamed_from = \"Old Tasks\"",
    // Access.
    "access = { read = \"everyone\" }",
    "access = { read = \"owner\", write = \"admin\" }",
    "access = { publish = \"x\" }",
    "access = { read = \"public\", published_when = \"status = 'x'\" }",
    "access = { published_when = \"a > 1\" }\nfields.a = { type = \"integer\" }",
    "access = { read = \"public\", published_when = \"a > 1; DROP TABLE tasks\" }\nfields.a = { type = \"integer\" }",
    "access = { read = \"public\", published_when = \"state = 'dome'\" }\nfields.state = { type = \"select\", options = [\"done\"] }",
    "access = { read = \"public\", published_when = \"at < now()\" }\nfields.at = { type = \"datetime\", sql_type = \"timestamp\" }",
    "access = { read = \"public\", published_when = \"pg_sleep(9) is null\" }\nfields.a = { type = \"integer\" }",
    "access = { read = \"public\", published_when = \"a = (select 1)\" }\nfields.a = { type = \"integer\" }",
    // Names.
    "fields.userId = { type = \"text\" }",
    "fields.id = { type = \"integer\" }",
    "fields.select = { type = \"text\" }",
    "fields.tableoid = { type = \"text\" }",
    "fields.deletedAt = { type = \"datetime\" }",
    "fields.\"a b\" = { type = \"text\" }",
    "fields.\"x\\\"; DROP TABLE users; --\" = { type = \"text\" }",
    "fields.a = { type = \"text\" }\nfields.A = { type = \"text\" }",
    "fields.a_name_that_is_longer_than_postgresql_takes_it_because_it_goes_on_and_on = { type = \"text\" }",
    // Types and options.
    "fields.a = \"text\"",
    "fields.a = {}",
    "fields.a = { type = \"strnig\" }",
    "fields.a = { type = \"relation_many\" }",
    "fields.a = { type = \"relation_many\", entity = \"task\" }",
    "fields.a = { type = \"relation_many\", entity = \"tasks\", on_delete = \"restrict\" }",
    "fields.a = { type = \"relation_many\", entity = \"tasks\", required = true }",
    "fields.a = { type = \"relation_many\", entity = \"tasks\", unique = true }",
    "fields.a = { type = \"relation_many\", entity = \"tasks\", default = [] }",
    "fields.a = { type = \"relation_many\", entity = \"tasks\" }\n[[indexes]]\nfields = [\"a\"]",
    "fields.a = { type = \"relation_many\", entity = \"tasks\" }\n[[indexes]]\nfields = [\"createdAt\"]\nwhere = \"a is null\"",
    "fields.x_metas = { type = \"relation_many\", entity = \"tasks\" }",
    "fields.a = { type = 7 }",
    "fields.a = { type = \"text\", requird = true }",
    "fields.a = { type = \"text\", required = \"yes\" }",
    "fields.a = { type = \"text\", pattern = \"a{\" }",
    "fields.a = { type = \"text\", pattern = '\\p{L}+' }",
    "fields.a = { type = \"text\", pattern = '(?i)a' }",
    "fields.a = { type = \"text\", pattern = '(?P<x>a)' }",
    "fields.a = { type = \"integer\", pattern = \"1*\" }",
    "fields.a = { type = \"text\", pattern = \"[a-z]+\", default = \"A\" }",
    "fields.a = { type = \"integer\", searchable = true }",
    "fields.a = { type = \"text\", renamed_from = \"a\" }",
    "fields.a = { type = \"text\", renamed_from = \"createdAt\" }",
    "fields.a = { type = \"text\", renamed_from = \"a b\" }",
    "fields.a = { type = \"text\", renamed_from = \"c\" }\nfields.b = { type = \"text\", renamed_from = \"c\" }",
    "fields.a = { type = \"datetime\", sql_type = \"timestamptz\" }",
    "fields.a = { type = \"text\", sql_type = \"varchar(many)\" }",
    "fields.a = { type = \"text\", sql_type = \"varchar(20)\", max_length = 30 }",
    "fields.a = { type = \"boolean\", sql_type = \"integer\" }",
    "fields.a = { type = \"json\", schema = \"object\" }",
    "fields.a = { type = \"json\", schema = { type = \"strnig\" } }",
    "fields.a = { type = \"json\", schema = { \"$ref\" = \"https://example.com/other\" } }",
    "fields.a = { type = \"json\", schema = { required = [\"x\"] }, default = {} }",
    "fields.a = { type = \"text\", schema = {} }",
    "fields.a = { type = \"slug\", unique = true }",
    "fields.a = { type = \"file\", indexed = true }",
    "fields.a = { type = \"multiselect\", options = [\"x\"], indexed = true }",
    "fields.a = { type = \"multiselect\" }",
    "fields.a = { type = \"tags\", max_length = 201 }",
    "fields.a = { type = \"tags\", unique = true }",
    "fields.a = { type = \"date\", min = 2026 }",
    "fields.a = { type = \"date\", min = 2026-01-02, max = \"2026-01-01\" }",
    "fields.a = { type = \"datetime\", min = 2026-01-01 }",
    "fields.a = { type = \"time\", min = 09:00:00, max = \"25:00\" }",
    "fields.a = { type = \"text\", min_length = 5, max_length = 3 }",
    "fields.a = { type = \"text\", max_length = -1 }",
    "fields.a = { type = \"text\", max_length = 99999999999 }",
    "fields.a = { type = \"text\", indexed = true }",
    "fields.a = { type = \"textarea\", unique = true, max_length = 9000 }",
    "fields.a = { type = \"integer\", min = 3, max = 1 }",
    "fields.a = { type = \"integer\", min = 1.5 }",
    "fields.a = { type = \"integer\", max_length = 3 }",
    "fields.a = { type = \"number\", scale = 2 }",
    "fields.a = { type = \"number\", precision = 2, scale = 4 }",
    "fields.a = { type = \"number\", precision = 9999 }",
    "fields.a = { type = \"number\", min = \"much\" }",
    "fields.a = { type = \"select\" }",
    "fields.a = { type = \"select\", options = [] }",
    "fields.a = { type = \"select\", options = [\"x\", \"x\"] }",
    "fields.a = { type = \"select\", options = [\"\"] }",
    "fields.a = { type = \"select\", options = [1] }",
    "fields.a = { type = \"json\", unique = true }",
    // Defaults.
    "fields.a = { type = \"integer\", default = \"one\" }",
    "fields.a = { type = \"integer\", max = 3, default = 4 }",
    "fields.a = { type = \"select\", options = [\"x\"], default = \"y\" }",
    "fields.a = { type = \"text\", max_length = 2, default = \"long\" }",
    "fields.a = { type = \"date\", default = \"tomorrow\" }",
    "fields.a = { type = \"multiselect\", options = [\"x\"], default = \"x\" }",
    "fields.a = { type = \"multiselect\", options = [\"x\"], default = [\"y\"] }",
    "fields.a = { type = \"tags\", default = [\"x\", \"x\"] }",
    "fields.a = { type = \"country\", default = \"Germany\" }",
    "fields.a = { type = \"uuid\", default = \"x\" }",
    "fields.a = { type = \"time\", default = \"now()\" }",
    "fields.a = { type = \"user\", default = \"ann\" }",
    "fields.a = { type = \"text\", required = true, read_only = true }",
    // Relations.
    "fields.a = { type = \"relation\" }",
    "fields.a = { type = \"relation\", entity = \"task\" }",
    "fields.a = { type = \"relation\", entity = \"tasks\", on_delete = \"explode\" }",
    "fields.a = { type = \"relation\", entity = \"tasks\", on_delete = \"set_null\", required = true }",
    "fields.a = { type = \"relation\", entity = \"tasks\", default = \"x\" }",
    "fields.a = { type = \"user\", on_delete = \"set_null\", required = true }",
    // Several at once.
    "access = { raed = \"owner\" }\nfields.a = { type = \"txt\" }\nfields.b = { type = \"text\", max = 3 }",
];

#[test]
fn every_mistake_is_named_in_its_place() {
    let mut answers = String::new();
    for mistake in MISTAKES {
        let text = format!("name = \"tasks\"\n{mistake}\n");
        let Err(said) = parse(&[("tasks.toml", &text)]) else { panic!("nobody noticed: {mistake}") };
        writeln!(answers, "{mistake}\n=> {}\n", said.replace('\n', "\n=> ")).unwrap();
    }
    insta::assert_snapshot!(answers);
}

#[test]
fn names_of_entities_are_checked() {
    let mut answers = String::new();
    for name in [
        "user",
        "session",
        "api-keys",
        "Tasks",
        "tasks list",
        "1st",
        "_x",
        "",
        "audit",
        "batch",
        "ta\u{308}sks",
        "a\\u0000b",
    ] {
        let said = parse(&[("x.toml", &format!("name = \"{name}\"\nfields.a = {{ type = \"text\" }}\n"))]);
        writeln!(answers, "{name:?} => {}", said.err().unwrap_or_else(|| "taken".to_owned())).unwrap();
    }
    insta::assert_snapshot!(answers);
}

#[test]
fn rules_across_files_name_the_file() {
    let note = "name = \"notes\"\nfields.a = { type = \"text\" }\n";
    let said = parse(&[
        ("notes.toml", note),
        ("again.toml", note),
        ("tags.toml", "name = \"tags\"\nfields.note = { type = \"relation\", entity = \"note\" }\n"),
    ]);
    insta::assert_snapshot!(said.unwrap_err());
}

#[test]
fn tables_of_links_have_names_of_their_own() {
    let links = |entity: &str, field: &str| {
        format!(
            "name = \"{entity}\"\nfields.{field} = {{ type = \"relation_many\", entity = \"{entity}\" }}\n"
        )
    };
    let said = parse(&[
        ("tasks.toml", &links("tasks", "tags_of")),
        ("tags.toml", &links("tasks_tags", "of")),
        ("api.toml", &links("api", "keys")),
        ("other.toml", &links("api_x", "api")),
        ("same.toml", "name = \"api_x_api\"\nfields.a = { type = \"text\" }\n"),
    ]);
    insta::assert_snapshot!(said.unwrap_err());
}

proptest::proptest! {
    /// Whatever stands in a file, reading it ends with a schema or with problems that lie inside the file.
    #[test]
    fn no_text_makes_the_parser_panic(text in "(name = \"tasks\"\n)?([a-z.\\[\\]{}=\"' \n#0-9]|type|fields|\\PC){0,80}") {
        let file = EntityFile { name: "x.toml".to_owned(), text: text.clone() };
        if let Err(problems) = Schema::parse(&[file]) {
            proptest::prop_assert!(!problems.0.is_empty());
            for problem in problems.0 {
                proptest::prop_assert!(problem.line <= text.matches('\n').count() + 1);
            }
        }
    }
}
