//! The reference of the field types is what the code does: the page is written by it, and says all there is to say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hedgerow_schema::{EntityFile, FieldKind, Schema, reference};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_page_is_what_the_code_writes() {
    let path = root().join("docs/reference/field-types.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(page, reference::field_types(), "write it anew: cargo xtask reference");
}

#[test]
fn every_code_has_a_value_that_shows_it() {
    let page = reference::field_types();
    let mut codes = BTreeSet::new();
    for name in ["value.rs", "value/list.rs", "value/moment.rs", "value/text.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name);
        let text = std::fs::read_to_string(path).expect("the source");
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        // A code is a quoted word of lower-case letters and underscores, and nothing else is.
        codes.extend(
            product
                .split('"')
                .skip(1)
                .step_by(2)
                .filter(|word| {
                    word.contains('_') && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                })
                .map(str::to_owned),
        );
    }
    assert!(codes.len() > 25, "{codes:?}");
    // Only a number for a column that was there before answers so.
    codes.remove("out_of_range");
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "no example is answered with {missing:?}");
}

#[test]
fn options_are_those_that_the_parser_asks_for() {
    for name in FieldKind::NAMES {
        let needed = match *name {
            "select" | "multiselect" => "options = [\"a\"]",
            "relation" | "relation_many" => "entity = \"tasks\"",
            _ => "",
        };
        let text = format!("name = \"tasks\"\n[fields.a]\ntype = \"{name}\"\nno_option = 1\n{needed}\n");
        let problems =
            Schema::parse(&[EntityFile { name: "tasks.toml".to_owned(), text }]).expect_err("a problem");
        let hint = problems.0[0].hint.clone().expect("a hint");
        let allowed: BTreeSet<&str> = hint.split("allowed: ").nth(1).expect("a list").split(", ").collect();
        let common = reference::COMMON_OPTIONS.iter().map(|(option, _)| *option);
        let described: BTreeSet<&str> =
            common.chain(["type"]).chain(reference::own_options(name).iter().copied()).collect();
        assert_eq!(described, allowed, "{name}");
    }
    let page = std::fs::read_to_string(root().join("docs/reference/entity-file.md")).expect("the page");
    for (option, _) in reference::COMMON_OPTIONS {
        assert!(page.contains(&format!("`{option}`")), "{option} is not described");
    }
    for name in FieldKind::NAMES {
        for option in reference::own_options(name) {
            assert!(page.contains(&format!("`{option}`")), "{option} of {name} is not described");
        }
    }
}
