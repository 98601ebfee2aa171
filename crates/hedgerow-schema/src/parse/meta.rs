//! What an entity file says about metadata: `metadata = true` or `"strict"`, and one table `[metas.<key>]` for each declared key.

use toml::de::DeValue;

use super::{default, field, kind};
use crate::meta::{Level, MAX_SEARCHABLE_BYTES, MetaKey, Metadata, UnknownKeys};
use crate::reader::{Entry, Reader, Table};
use crate::{Field, FieldKind, Identifier};

const LEVELS: &[(&str, Level)] =
    &[("global", Level::Global), ("entity", Level::Entity), ("user", Level::User)];

/// Reads both; `None` where the file does not ask for metadata.
pub(super) fn read(reader: &mut Reader<'_>, top: &mut Table<'_>) -> Option<Metadata> {
    let unknown = match top.get("metadata").map(|entry| (entry, entry.value())) {
        Some((_, DeValue::Boolean(true))) => Some(UnknownKeys::Allowed),
        Some((_, DeValue::String(word))) if word == "strict" => Some(UnknownKeys::Refused),
        None | Some((_, DeValue::Boolean(false))) => None,
        Some((entry, _)) => {
            let hint =
                "true, false, or \"strict\", which refuses keys that the file does not declare".to_owned();
            reader.note(entry.span(), "`metadata` cannot be that".to_owned(), Some(hint));
            return None;
        }
    };
    let table = reader.table(top, "metas");
    if let (Some(table), None) = (&table, unknown) {
        let message = "`metas` declares keys, and rows of this entity have no metadata".to_owned();
        reader.note(table.span(), message, Some("add metadata = true, or \"strict\"".to_owned()));
    }
    let entries = table.iter().flat_map(Table::entries);
    let keys = entries.filter_map(|entry| read_key(reader, *entry)).collect();
    Some(Metadata { unknown: unknown?, keys })
}

fn read_key(reader: &mut Reader<'_>, entry: Entry<'_>) -> Option<MetaKey> {
    let name = match Identifier::parse(entry.key()) {
        Ok(name) => Some(name),
        Err(error) => {
            reader.note(
                entry.key_span(),
                format!("{:?} cannot name a declared key: {error}", entry.key()),
                None,
            );
            None
        }
    };
    let Some(mut table) = entry.table() else {
        let hint = Some(format!("[metas.{}]\ntype = \"text\"", entry.key()));
        reader.note(entry.span(), format!("the key `{}` is a table", entry.key()), hint);
        return None;
    };
    let kind = kind::read(reader, &mut table);
    let level = reader.word(&mut table, "level", LEVELS);
    let public = reader.flag(&mut table, "public");
    let searchable = reader.flag(&mut table, "searchable");
    let rollout =
        reader.integer(&mut table, "rollout", 0..=100).and_then(|percent| u8::try_from(percent).ok());
    let description = reader.string(&mut table, "description").map(|(text, _)| text.to_owned());
    let default_entry = table.get("default");
    let kind = kind?;
    if !MetaKey::can_be(&kind) {
        let message = format!("metadata cannot be of type {}", kind.name());
        let hint = "a relation keeps its promises as a field; a list is a json value".to_owned();
        reader.note(entry.key_span(), message, Some(hint));
        return None;
    }
    let pattern = if kind.is_free_text() { field::read_pattern(reader, &mut table) } else { None };
    let schema = if kind == FieldKind::Json { field::read_schema(reader, &mut table) } else { None };
    reader.finish(&table, &format!("a metadata key of type {}", kind.name()), &[]);
    let mut field = Field {
        name: name?,
        kind,
        required: false,
        unique: false,
        indexed: false,
        searchable: false,
        pattern,
        schema,
        sql_type: None,
        renamed_from: None,
        default: None,
        read_only: false,
        immutable: false,
        hidden: false,
        description,
    };
    field.default = default_entry.and_then(|entry| default::read(reader, &field, entry));
    if matches!(field.default, Some(crate::FieldDefault::Now)) {
        let message = "the default of a key is a value: now() is another one each time it is read".to_owned();
        reader.note(entry.key_span(), message, None);
        field.default = None;
    }
    if rollout.is_some() && (field.kind != FieldKind::Boolean || default_entry.is_none()) {
        let message =
            "`rollout` gives some users the opposite of the default: it is for a boolean with one".to_owned();
        reader.note(entry.key_span(), message, Some("type = \"boolean\"\ndefault = false".to_owned()));
    }
    if searchable && (field.kind == FieldKind::Json || is_too_long(&field)) {
        let most = MAX_SEARCHABLE_BYTES / 4;
        let message = "rows are found by short values alone: they have to fit into an index".to_owned();
        let hint = format!("a json value cannot be searchable, a text with a max_length of at most {most}");
        reader.note(entry.key_span(), message, Some(hint));
    }
    // Who could set a flag for themselves would not need it rolled out.
    let usual = if rollout.is_some() { Level::Global } else { Level::Entity };
    Some(MetaKey { field, level: level.unwrap_or(usual), public, searchable, rollout })
}

/// Whether a value could have more bytes than the index takes. A text without a rule is refused when it is written.
fn is_too_long(field: &Field) -> bool {
    let most = field.kind.text_rules().and_then(|rules| rules.max_length);
    most.is_some_and(|most| most as usize > MAX_SEARCHABLE_BYTES / 4)
}
