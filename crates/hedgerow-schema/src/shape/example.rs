//! An example of each field's value: always the same, always one that the field takes.

use serde_json::{Value, json};

use crate::{Field, FieldKind};

/// An id.
pub(super) const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// A user's id.
pub(super) const USER: &str = "01890a5d-ac96-7000-8000-00000000000a";
/// A moment.
pub(super) const MOMENT: &str = "2026-01-31T09:30:00.000Z";

/// A value that the field takes, as a row shows it.
///
/// A pattern of the field's own is not understood here: its example is the name of the field, like that of any text.
pub fn value(field: &Field) -> Value {
    match &field.kind {
        FieldKind::Text(rules) | FieldKind::Textarea(rules) | FieldKind::Markdown(rules) => {
            let least = rules.min_length.unwrap_or(0) as usize;
            let most = rules.max_length.map_or(usize::MAX, |max| max as usize);
            let text = field.name.as_str().chars().chain(std::iter::repeat('x'));
            let length = field.name.as_str().chars().count().max(least).min(most);
            json!(text.take(length).collect::<String>())
        }
        FieldKind::Email(_) => json!("ann@example.com"),
        FieldKind::Url(_) => json!("https://example.com"),
        FieldKind::Phone => json!("+4930123456"),
        FieldKind::Slug(_) => json!("my-first-post"),
        FieldKind::Integer { min, max } => json!(1.max(min.unwrap_or(1)).min(max.unwrap_or(i64::MAX))),
        FieldKind::Number(rules) => {
            let edge = rules.min.as_ref().filter(|min| min.as_str() != "0").or(rules.max.as_ref());
            let number = edge.and_then(|edge| edge.as_str().parse::<serde_json::Number>().ok());
            number.map_or(json!(1), Value::Number)
        }
        FieldKind::Boolean => json!(true),
        FieldKind::Date(bounds) => {
            bounds.min.or(bounds.max).map_or(json!("2026-01-31"), |date| json!(date.to_string()))
        }
        FieldKind::Datetime(bounds) => {
            bounds.min.or(bounds.max).map_or(json!(MOMENT), |moment| json!(moment.to_string()))
        }
        FieldKind::Time(bounds) => {
            bounds.min.or(bounds.max).map_or(json!("09:30:00"), |time| json!(time.to_string()))
        }
        FieldKind::Select { options } => json!(options.first()),
        FieldKind::Multiselect { options } => json!([options.first()]),
        FieldKind::Tags(_) => json!(["urgent"]),
        FieldKind::Json => json!({}),
        FieldKind::Relation(_) | FieldKind::Uuid => json!(ID),
        FieldKind::RelationMany(_) => json!([ID]),
        FieldKind::User(_) => json!(USER),
        FieldKind::Country => json!("DE"),
        FieldKind::Currency => json!("EUR"),
        FieldKind::Timezone => json!("Europe/Berlin"),
        FieldKind::File => json!("uploads/2026/plan.pdf"),
    }
}
