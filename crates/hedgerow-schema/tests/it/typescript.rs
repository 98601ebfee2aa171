//! The types of entities, to the letter; that TypeScript and PostgREST's client read them as they are meant is shown in
//! `hedgerow-cli/tests/postgrest/typed.ts`.

use hedgerow_schema::{EntityFile, Schema, shape, typescript};

fn schema(files: &[&str]) -> Schema {
    let file =
        |(at, text): (usize, &&str)| EntityFile { name: format!("{at}.toml"), text: (*text).to_owned() };
    Schema::parse(&files.iter().enumerate().map(file).collect::<Vec<_>>()).expect("a schema")
}

#[test]
fn every_side_has_what_it_may_have() {
    let tasks = "name = \"tasks\"\nsoft_delete = true\n\
        fields.title = { type = \"text\", required = true, description = \"ends */ here\" }\n\
        fields.status = { type = \"select\", options = [\"todo\", \"it's \\\"done\\\"\"], default = \"todo\", required = true }\n\
        fields.big = { type = \"integer\" }\nfields.small = { type = \"integer\", min = 0, max = 9 }\n\
        fields.price = { type = \"number\" }\nfields.kinds = { type = \"multiselect\", options = [\"a\", \"b\"] }\n\
        fields.data = { type = \"json\" }\nfields.pin = { type = \"text\", hidden = true }\n\
        fields.score = { type = \"boolean\", read_only = true }\nfields.code = { type = \"slug\", immutable = true }\n\
        fields.project = { type = \"relation\", entity = \"projects\" }\n\
        fields.labels = { type = \"relation_many\", entity = \"labels\" }";
    let others = [
        "name = \"projects\"\nfields.name = { type = \"text\" }",
        "name = \"labels\"\nfields.name = { type = \"text\" }",
    ];
    insta::assert_snapshot!(typescript::types(&schema(&[tasks, others[0], others[1]])));
}

#[test]
fn rows_may_have_metadata() {
    let open = "name = \"notes\"\nmetadata = true\nfields.title = { type = \"text\" }\n\
        metas.weight = { type = \"integer\", searchable = true }\nmetas.stage = { type = \"select\", options = [\"new\", \"old\"] }\n\
        metas.done = { type = \"boolean\", default = false }\nmetas.data = { type = \"json\" }";
    let strict = "name = \"posts\"\nmetadata = \"strict\"\nfields.title = { type = \"text\" }\n\
        metas.due = { type = \"date\" }";
    let schema = schema(&[open, strict]);
    let metas =
        |entity: &str| shape::row(schema.entity(entity).expect("an entity"))["properties"]["metas"].clone();
    let keys = r#"{"weight":{"type":"number"},"stage":{"type":"string","enum":["new","old"]},"done":{"type":"boolean"},"data":{"description":"Any JSON value."}}"#;
    assert_eq!(metas("notes")["properties"].to_string(), keys);
    assert_eq!(metas("notes")["additionalProperties"], true);
    assert_eq!(metas("posts")["properties"].to_string(), r#"{"due":{"type":"string","format":"date"}}"#);
    assert_eq!(metas("posts")["additionalProperties"], false);
}

#[test]
fn the_same_entities_make_the_same_text() {
    let (a, b) =
        ("name = \"a\"\nfields.x = { type = \"text\" }", "name = \"b\"\nfields.x = { type = \"text\" }");
    assert_eq!(typescript::types(&schema(&[a, b])), typescript::types(&schema(&[b, a])));
}

#[test]
fn metadata_is_in_bodies_and_in_a_type_of_its_own() {
    let keys = "[metas.colour]\ntype = \"select\"\noptions = [\"red\", \"it's\"]\ndescription = \"Of its card.\"\n\
                [metas.size]\ntype = \"integer\"\n[metas.data]\ntype = \"json\"\n[metas.due]\ntype = \"date\"";
    let of = |metadata: &str| {
        let text =
            format!("name = \"notes\"\nmetadata = {metadata}\nfields.title = {{ type = \"text\" }}\n{keys}");
        let types = typescript::types(&schema(&[&text]));
        let lines = types.lines().skip_while(|line| !line.contains("Insert: {"));
        lines.take_while(|line| !line.contains("Relationships")).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(of("\"strict\""));
    let open = of("true");
    assert!(open.contains("          [key: string]: Json | undefined;\n        };"), "{open}");
}
