//! The reference names everything that there is: a key or a type that is added without its line is found here.

use hedgerow::config::{Config, Sources};
use hedgerow::schema::FieldKind;

fn page(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_setting_stands_in_the_reference_with_its_default() {
    let page = page("docs/reference/configuration.md");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    let mut section = String::new();
    let mut known = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let &[named, key, default, ..] = cells.as_slice() else { continue };
        if !named.is_empty() {
            section = named.trim_matches('`').to_owned();
        }
        known.push((format!("{section}.{}", key.trim_matches('`')), default.trim_matches('`').to_owned()));
    }
    for (key, default, _) in Config::explain(&Sources::default()) {
        let found =
            known.iter().find(|(name, _)| *name == key).unwrap_or_else(|| panic!("{key} is not described"));
        // The logins that fall back to another say so instead.
        if !default.is_empty() {
            assert_eq!(found.1, default, "the default of {key}");
        }
    }
}

#[test]
fn every_field_type_stands_in_the_reference() {
    let page = page("docs/reference/entity-file.md");
    for name in FieldKind::NAMES {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not described");
    }
}
