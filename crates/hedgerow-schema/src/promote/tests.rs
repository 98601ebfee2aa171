//! Files before and after, and what a field takes.

use super::*;
use crate::{EntityFile, Schema};

fn schema(text: &str) -> Schema {
    let file = EntityFile { name: "entities/tasks.toml".into(), text: text.into() };
    Schema::parse(&[file]).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// The file after the key became a field; it is a right one.
#[track_caller]
fn becomes(before: &str, key: &str, after: &str) {
    let parsed = schema(before);
    let entity = &parsed.entities()[0];
    let declared = entity.metadata.as_ref().and_then(|metadata| metadata.key(key));
    let definition = declared.map_or(Definition::OfType("number"), Definition::Declared);
    let text = edited(before, key, key, definition).unwrap();
    assert_eq!(text, after);
    let parsed = schema(&text);
    let entity = &parsed.entities()[0];
    assert!(entity.fields.iter().any(|field| field.name.as_str() == key));
    assert!(entity.metadata.as_ref().is_some_and(|metadata| metadata.key(key).is_none()));
}

#[test]
fn a_file_keeps_its_comments_and_its_order() {
    becomes(
        "# Tasks.\nname = \"tasks\"\nmetadata = true # more\n\n# What it is called.\n[fields.title]\ntype = \"text\"  # short\n\n\
         [metas.colour]\n# As people see it.\ntype = \"select\"\noptions = [\"red\", \"blue\"]\ndefault = \"red\"\npublic = true\n\
         searchable = true\n\n[metas.size]\ntype = \"number\"\n",
        "colour",
        "# Tasks.\nname = \"tasks\"\nmetadata = true # more\n\n# What it is called.\n[fields.title]\ntype = \"text\"  # short\n\n\
         [fields.colour]\n# As people see it.\ntype = \"select\"\noptions = [\"red\", \"blue\"]\ndefault = \"red\"\nindexed = true\n\n\
         [metas.size]\ntype = \"number\"\n",
    );
    // Nothing is declared any more, or ever was; the other fields stand on one line each.
    becomes(
        "name = \"tasks\"\nmetadata = \"strict\"\nfields.title = { type = \"text\" }\nmetas.size = { type = \"integer\", level = \"user\" }\n",
        "size",
        "name = \"tasks\"\nmetadata = \"strict\"\nfields.title = { type = \"text\" }\nfields.size = { type = \"integer\" }\n",
    );
    becomes(
        "name = \"tasks\"\nmetadata = true\n",
        "size",
        "name = \"tasks\"\nmetadata = true\n\n[fields.size]\ntype = \"number\"\n",
    );
    becomes(
        "name = \"tasks\"\nmetadata = true\n\n[metas]\nsize = { type = \"number\" } # so big\n\n[access]\nread = \"public\"\n",
        "size",
        "name = \"tasks\"\nmetadata = true\n\n[access]\nread = \"public\"\n\n[fields.size]\ntype = \"number\"\n",
    );
    let exists = edited("fields.size = {}", "size", "size", Definition::OfType("text"));
    assert_eq!(exists, Err(NotEdited::Exists("size".into())));
}

#[test]
fn a_field_takes_what_it_keeps_as_it_is() {
    let checked = |ty: &str, data_type: &str, text: &str| {
        let parsed = schema(&format!("name = \"tasks\"\n[fields.f]\n{ty}\n"));
        let stored = MetaValue::stored(DataType::parse(data_type).unwrap(), text.into());
        check(&parsed.entities()[0].fields[0], &stored).map_err(|mistake| mistake.code)
    };
    for (ty, data_type, text, expected) in [
        ("type = \"integer\"", "number", "7", Ok(())),
        ("type = \"integer\"", "text", "7", Ok(())),
        ("type = \"integer\"", "number", "7.5", Err("invalid_integer")),
        ("type = \"integer\"\nmax = 6", "number", "7", Err("too_large")),
        ("type = \"number\"", "number", "1.10", Ok(())),
        ("type = \"number\"", "json", "1.10", Ok(())),
        ("type = \"number\"", "text", "many", Err("invalid_number")),
        ("type = \"text\"", "number", "1.10", Ok(())),
        ("type = \"text\"", "json", "\"a\"", Ok(())),
        ("type = \"text\"", "json", "{\"a\":1}", Err("json_document")),
        ("type = \"text\"", "json", "null", Err("json_document")),
        ("type = \"text\"\nmax_length = 2", "text", "abc", Err("too_long")),
        ("type = \"phone\"", "text", "+49 30 123456", Err("another_form")),
        ("type = \"json\"", "text", "a", Ok(())),
        ("type = \"json\"", "json", "{\"a\":null}", Ok(())),
        ("type = \"boolean\"", "boolean", "false", Ok(())),
        ("type = \"boolean\"", "number", "0", Err("invalid_boolean")),
        ("type = \"date\"", "date", "2026-01-31", Ok(())),
        ("type = \"datetime\"", "datetime", "2026-01-31T09:30:00.000Z", Ok(())),
        ("type = \"uuid\"", "text", "x", Err("invalid_uuid")),
    ] {
        assert_eq!(checked(ty, data_type, text), expected, "{ty} of {data_type} {text}");
    }
}
