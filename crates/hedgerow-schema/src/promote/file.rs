//! An entity file in which a key of metadata is a field; comments, order and everything else stay as they are.

use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

use crate::check::not_indexable;
use crate::meta::MetaKey;

/// What the field is.
#[derive(Clone, Copy, Debug)]
pub enum Definition<'a> {
    /// What the file says of the key.
    Declared(&'a MetaKey),
    /// A field of this type, and nothing else.
    OfType(&'a str),
}

/// Why a file cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEdited {
    /// It is no TOML.
    #[error("it is no TOML: {0}")]
    NoToml(String),
    /// The declaration is not where it was read.
    #[error("`metas.{0}` is not in the file")]
    NoKey(String),
    /// There is such a field.
    #[error("the field `{0}` is there already")]
    Exists(String),
    /// `fields` is no table.
    #[error("`fields` is no table")]
    NoFields,
}

/// The text of an entity file with `key` as the field `field`.
///
/// # Errors
/// [`NotEdited`]
///
/// ```
/// use hedgerow_schema::promote::{Definition, edited};
/// let file = "name = \"tasks\" # ours\nmetadata = true\n\n[fields.title]\ntype = \"text\"\n";
/// let after = edited(file, "colour", "colour", Definition::OfType("text")).unwrap();
/// assert_eq!(after, format!("{file}\n[fields.colour]\ntype = \"text\"\n"));
/// ```
pub fn edited(text: &str, key: &str, field: &str, definition: Definition<'_>) -> Result<String, NotEdited> {
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| NotEdited::NoToml(error.to_string()))?;
    let mut table = match definition {
        Definition::Declared(declared) => moved(&mut document, key, declared)?,
        Definition::OfType(ty) => {
            let mut table = Table::new();
            table.insert("type", value(ty));
            table.decor_mut().set_prefix("\n");
            table
        }
    };
    table.set_position(None);
    let fields = document.entry("fields").or_insert_with(|| {
        let mut fields = Table::new();
        fields.set_implicit(true);
        Item::Table(fields)
    });
    let is_inline = match fields {
        Item::Table(fields) => fields.is_dotted(),
        _ => true,
    };
    let fields = fields.as_table_like_mut().ok_or(NotEdited::NoFields)?;
    if fields.contains_key(field) {
        return Err(NotEdited::Exists(field.to_owned()));
    }
    // As the other fields stand.
    let item = if is_inline { value(on_one_line(table)) } else { Item::Table(table) };
    fields.insert(field, item);
    Ok(document.to_string())
}

/// Takes the declaration out of `metas`, without what only metadata has.
fn moved(document: &mut DocumentMut, key: &str, declared: &MetaKey) -> Result<Table, NotEdited> {
    let gone = || NotEdited::NoKey(key.to_owned());
    let metas = document.get_mut("metas").and_then(Item::as_table_like_mut).ok_or_else(gone)?;
    let item = metas.remove(key).ok_or_else(gone)?;
    let is_last = metas.is_empty();
    let is_section = item.is_table();
    let mut table = item.into_table().map_err(|_| gone())?;
    if is_last {
        document.remove("metas");
    }
    for only in ["level", "public", "rollout", "searchable"] {
        table.remove(only);
    }
    if declared.searchable && not_indexable(&declared.field).is_none() {
        table.insert("indexed", value(true));
    }
    if !is_section {
        table.set_dotted(false);
        table.decor_mut().set_prefix("\n");
    }
    Ok(table)
}

fn on_one_line(table: Table) -> InlineTable {
    let mut inline = table.into_inline_table();
    inline.set_dotted(false);
    inline.fmt();
    inline.decor_mut().clear();
    inline
}
