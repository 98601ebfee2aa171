//! The type of a field with the options that only this type has.

use std::fmt::Display;

use toml::de::DeValue;

use crate::reader::{Reader, Table, allowed, scalar};
use crate::value::{Mistake, moment};
use crate::{Bounds, Decimal, FieldKind, Identifier, NumberRules, OnDelete, Relation, TagRules, TextRules};

/// Reads `type` and the options that go with it.
pub(super) fn read(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<FieldKind> {
    let Some((name, span)) = reader.string(table, "type") else {
        if table.get("type").is_none() {
            let hint = Some(format!("allowed: {}", FieldKind::NAMES.join(", ")));
            reader.note(table.span(), "`type` is missing".into(), hint);
        }
        return None;
    };
    let kind = match name {
        "text" => FieldKind::Text(read_text_rules(reader, table)),
        "textarea" => FieldKind::Textarea(read_text_rules(reader, table)),
        "markdown" => FieldKind::Markdown(read_text_rules(reader, table)),
        "email" => FieldKind::Email(read_text_rules(reader, table)),
        "url" => FieldKind::Url(read_text_rules(reader, table)),
        "phone" => FieldKind::Phone,
        "slug" => FieldKind::Slug(read_text_rules(reader, table)),
        "integer" => read_integer(reader, table),
        "number" => FieldKind::Number(read_number_rules(reader, table)),
        "boolean" => FieldKind::Boolean,
        "date" => FieldKind::Date(read_bounds(reader, table, moment::date)),
        "datetime" => FieldKind::Datetime(read_bounds(reader, table, moment::datetime)),
        "time" => FieldKind::Time(read_bounds(reader, table, moment::time)),
        "select" => FieldKind::Select { options: read_options(reader, table, "select") },
        "multiselect" => FieldKind::Multiselect { options: read_options(reader, table, "multiselect") },
        "tags" => FieldKind::Tags(read_tag_rules(reader, table)),
        "json" => FieldKind::Json,
        "relation" => {
            let on_delete = read_on_delete(reader, table);
            FieldKind::Relation(read_relation(reader, table, on_delete)?)
        }
        "relation_many" => {
            // A link goes with either of its rows; nothing else could happen to it.
            let cascade = &[("cascade", OnDelete::Cascade)];
            let on_delete = reader.word(table, "on_delete", cascade).unwrap_or(OnDelete::Cascade);
            FieldKind::RelationMany(read_relation(reader, table, on_delete)?)
        }
        "user" => FieldKind::User(read_on_delete(reader, table)),
        "uuid" => FieldKind::Uuid,
        "country" => FieldKind::Country,
        "currency" => FieldKind::Currency,
        "timezone" => FieldKind::Timezone,
        "file" => FieldKind::File,
        unknown => {
            reader.note(
                span,
                format!("there is no type {unknown:?}"),
                Some(allowed(unknown, FieldKind::NAMES)),
            );
            return None;
        }
    };
    Some(kind)
}

fn read_text_rules(reader: &mut Reader<'_>, table: &mut Table<'_>) -> TextRules {
    let mut length = |key| reader.integer(table, key, 0..=10_000_000).and_then(|n| u32::try_from(n).ok());
    let (min_length, max_length) = (length("min_length"), length("max_length"));
    if let (Some(min), Some(max)) = (min_length, max_length)
        && min > max
    {
        reader.note(table.span(), format!("min_length {min} is more than max_length {max}"), None);
    }
    TextRules { min_length, max_length }
}

fn read_integer(reader: &mut Reader<'_>, table: &mut Table<'_>) -> FieldKind {
    let min = reader.integer(table, "min", i64::MIN..=i64::MAX);
    let max = reader.integer(table, "max", i64::MIN..=i64::MAX);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        reader.note(table.span(), format!("min {min} is more than max {max}"), None);
    }
    FieldKind::Integer { min, max }
}

fn read_number_rules(reader: &mut Reader<'_>, table: &mut Table<'_>) -> NumberRules {
    let digits = |n: i64| u32::try_from(n).ok();
    let precision = reader.integer(table, "precision", 1..=1000).and_then(digits);
    let scale = reader.integer(table, "scale", 0..=1000).and_then(digits);
    match (precision, scale) {
        (None, Some(_)) => reader.note(table.span(), "`scale` goes with `precision`".into(), None),
        (Some(precision), Some(scale)) if scale > precision => {
            reader.note(table.span(), format!("scale {scale} is more than precision {precision}"), None);
        }
        _ => {}
    }
    let (min, max) = (read_decimal(reader, table, "min"), read_decimal(reader, table, "max"));
    if let (Some(min), Some(max)) = (&min, &max)
        && min > max
    {
        reader.note(table.span(), format!("min {} is more than max {}", min.as_str(), max.as_str()), None);
    }
    // With an impossible scale the rest of the file is still read; the schema never comes to exist.
    let scale = scale.filter(|scale| precision.is_some_and(|precision| *scale <= precision));
    NumberRules { precision, scale, min, max }
}

fn read_decimal(reader: &mut Reader<'_>, table: &mut Table<'_>, key: &'static str) -> Option<Decimal> {
    let entry = table.get(key)?;
    let number = scalar(entry.value()).as_deref().and_then(Decimal::parse);
    if number.is_none() {
        reader.note(entry.span(), format!("`{key}` is a decimal number"), None);
    }
    number
}

/// `min` and `max`, each a text or what TOML has for it.
fn read_bounds<T: PartialOrd + Display + Copy>(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    read: fn(&str) -> Result<T, Mistake>,
) -> Bounds<T> {
    let mut bound = |key| {
        let entry = table.get(key)?;
        let found = match entry.value() {
            value @ (DeValue::String(_) | DeValue::Datetime(_)) => scalar(value),
            _ => None,
        };
        let read = read(&found.unwrap_or_default());
        read.map_err(|mistake| reader.note(entry.span(), format!("`{key}` {}", mistake.message), None)).ok()
    };
    let bounds = Bounds { min: bound("min"), max: bound("max") };
    if let Bounds { min: Some(min), max: Some(max) } = bounds
        && min > max
    {
        reader.note(table.span(), format!("min {min} is more than max {max}"), None);
    }
    bounds
}

fn read_tag_rules(reader: &mut Reader<'_>, table: &mut Table<'_>) -> TagRules {
    let most = i64::from(TagRules::MAX_LENGTH);
    let max_length = reader.integer(table, "max_length", 1..=most).and_then(|n| u32::try_from(n).ok());
    max_length.map_or_else(TagRules::default, |max_length| TagRules { max_length })
}

fn read_options(reader: &mut Reader<'_>, table: &mut Table<'_>, kind: &str) -> Vec<String> {
    let hint = || Some("options = [\"todo\", \"done\"]".to_owned());
    let Some((items, span)) = reader.strings(table, "options") else {
        if table.get("options").is_none() {
            reader.note(table.span(), format!("a {kind} field needs `options`"), hint());
        }
        return Vec::new();
    };
    if items.is_empty() {
        reader.note(span, "`options` names at least one option".into(), hint());
    }
    let longest = TagRules::MAX_LENGTH as usize;
    let mut options: Vec<String> = Vec::new();
    for (option, span) in items {
        if options.iter().any(|known| known == option) {
            reader.note(span, format!("the option {option:?} stands here twice"), None);
        } else if option.is_empty() || option.contains('\0') || option.chars().count() > longest {
            reader.note(span, format!("an option has 1 to {longest} characters"), None);
        } else {
            options.push(option.to_owned());
        }
    }
    options
}

fn read_relation(reader: &mut Reader<'_>, table: &mut Table<'_>, on_delete: OnDelete) -> Option<Relation> {
    let Some((target, span)) = reader.string(table, "entity") else {
        if table.get("entity").is_none() {
            let hint = Some("entity = \"projects\" names the entity it points at".to_owned());
            reader.note(table.span(), "a relation needs `entity`".into(), hint);
        }
        return None;
    };
    match Identifier::parse(target) {
        Ok(entity) => Some(Relation { entity, on_delete }),
        Err(_) => {
            reader.note(span, format!("there is no entity {target:?}"), None);
            None
        }
    }
}

fn read_on_delete(reader: &mut Reader<'_>, table: &mut Table<'_>) -> OnDelete {
    reader.word(table, "on_delete", OnDelete::WORDS).unwrap_or(OnDelete::Restrict)
}
