//! The default of a field: a value of its type, checked like one that a request sends.

use toml::de::DeValue;

use crate::reader::{Entry, Reader, scalar};
use crate::{Bind, Field, FieldDefault, FieldKind, SqlType, value};

/// Reads the default of a field whose other options are known.
pub(super) fn read(reader: &mut Reader<'_>, field: &Field, entry: Entry<'_>) -> Option<FieldDefault> {
    let (value, kind) = (entry.value(), &field.kind);
    if matches!(kind, FieldKind::Relation(_) | FieldKind::RelationMany(_) | FieldKind::User(_)) {
        reader.note(entry.key_span(), format!("a {} has no default", kind.name()), None);
        return None;
    }
    let is_now = matches!(value, DeValue::String(text) if text == "now()");
    if is_now && matches!(kind, FieldKind::Date(_) | FieldKind::Datetime(_)) {
        return Some(FieldDefault::Now);
    }
    // The TOML type has to fit too: `default = "5"` in an integer field is a mistake, not a five.
    let fits = match kind.sql_type() {
        SqlType::Int8 => matches!(value, DeValue::Integer(_)),
        SqlType::Numeric => matches!(value, DeValue::Integer(_) | DeValue::Float(_)),
        SqlType::Bool => matches!(value, DeValue::Boolean(_)),
        SqlType::Text | SqlType::Uuid => matches!(value, DeValue::String(_)),
        SqlType::Date | SqlType::Timestamptz | SqlType::Time => {
            matches!(value, DeValue::String(_) | DeValue::Datetime(_))
        }
        SqlType::TextArray => matches!(value, DeValue::Array(_)),
        SqlType::Json | SqlType::Jsonb => true,
    };
    let text = if matches!(kind.sql_type(), SqlType::Jsonb | SqlType::TextArray) {
        to_json(value).map(|json| json.to_string())
    } else {
        scalar(value)
    };
    let checked: Result<Bind, String> = match text {
        Some(text) if fits => value::read_field(field, &text).map_err(|mistake| mistake.message),
        _ => Err(format!("it must be a value of the type {}", kind.name())),
    };
    match checked {
        Ok(bind) => Some(FieldDefault::Value(bind)),
        Err(why) => {
            reader.note(entry.span(), format!("this default does not fit the field: {why}"), None);
            None
        }
    }
}

/// A TOML value as JSON; `None` where JSON has no such number.
pub(super) fn to_json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::String(text) => text.to_string().into(),
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Integer(_) | DeValue::Float(_) => serde_json::from_str(&scalar(value)?).ok()?,
        DeValue::Array(items) => {
            serde_json::Value::Array(items.iter().map(|item| to_json(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => serde_json::Value::Object(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), to_json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}
