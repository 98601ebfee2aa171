//! A key of an entity's metadata becomes a field: the entity file, and the statements that move the values there and back.
//!
//! Always holds: a value is moved as it is. What the field would refuse, or keep in another form, is a mistake that is
//! named before anything is moved; and whoever undoes it has the metas again, though not who was allowed to read each.

mod file;

use crate::meta::{DataType, Level, MetaKey, MetaValue};
use crate::model::metas;
use crate::value::{self, Mistake};
use crate::{Entity, Field, FieldKind, Identifier, Sql, SqlType, ddl};

pub use file::{Definition, NotEdited, edited};

/// What the metas of a key have in common, for the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How a value is stored.
    pub data_type: DataType,
    /// Whether all of them were public.
    pub is_public: bool,
    /// Whether all of them were searchable.
    pub is_searchable: bool,
}

/// All values of a key, one row each: the id of the row, `dataType`, `metaValue`, and as `true` or `false` `isPublic` and
/// `isSearchable`.
pub fn values(entity: &Entity, key: &str) -> Sql {
    let mut sql = Sql::new(
        "SELECT \"entityId\", \"dataType\", \"metaValue\", \"isPublic\"::text, \"isSearchable\"::text FROM public.",
    );
    sql.name(&ddl::metas_table(entity)).push(" WHERE \"metaKey\" = ").literal(key);
    sql.push(" ORDER BY \"entityId\"");
    sql
}

/// Whether a field can have been a key: it stands by itself.
pub fn can_be(field: &Field) -> bool {
    MetaKey::can_be(&field.kind)
}

/// How values of the field are stored as metadata.
pub fn data_type(field: &Field) -> DataType {
    let key = MetaKey {
        field: field.clone(),
        level: Level::Entity,
        public: false,
        searchable: false,
        rollout: None,
    };
    key.data_type()
}

/// The type of a field that takes all values of a type of metadata.
pub fn field_type(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Text | DataType::String => "text",
        DataType::Number => "number",
        DataType::Boolean => "boolean",
        DataType::Json => "json",
        DataType::Date => "date",
        DataType::Datetime => "datetime",
    }
}

/// Whether the field takes a value as it is.
///
/// # Errors
/// [`Mistake`] says why not.
pub fn check(field: &Field, stored: &MetaValue) -> Result<(), Mistake> {
    if field.kind == FieldKind::Json {
        return value::read_field(field, &stored.json()).map(drop);
    }
    let text = match stored.data_type() {
        DataType::Json => match serde_json::from_str(stored.text()) {
            Ok(serde_json::Value::String(text)) => text,
            Ok(serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => stored.text().trim().to_owned(),
            _ => return Err(Mistake::new("json_document", "is a JSON document")),
        },
        _ => stored.text().to_owned(),
    };
    let kept = value::read_field(field, &text)?;
    if kept.ty == SqlType::Text && kept.value.as_deref() != Some(text.as_str()) {
        let message = format!("would become {}", kept.value.unwrap_or_default());
        return Err(Mistake::new("another_form", message));
    }
    Ok(())
}

/// The statements that move the values into the field's column, which is there, and take the metas away.
pub fn forward(entity: &Entity, field: &Field, key: &str) -> Vec<Sql> {
    let metas = ddl::metas_table(entity);
    let mut update = Sql::new("UPDATE public.");
    update.name(&entity.name).push(" AS r\n  SET ").name(&field.name).push(" = ");
    if field.kind == FieldKind::Json {
        update.push(
            "CASE WHEN m.\"dataType\" IN ('number', 'boolean', 'json') THEN m.\"metaValue\"::jsonb \
             ELSE to_jsonb(m.\"metaValue\") END",
        );
    } else {
        update.push(
            "(CASE WHEN m.\"dataType\" = 'json' THEN m.\"metaValue\"::jsonb #>> '{}' ELSE m.\"metaValue\" END)::",
        );
        update.column_type(field);
    }
    update.push("\n  FROM public.").name(&metas);
    update.push(" AS m\n  WHERE m.\"entityId\" = r.id AND m.\"metaKey\" = ").literal(key);
    let mut delete = Sql::new("DELETE FROM public.");
    delete.name(&metas).push(" WHERE \"metaKey\" = ").literal(key);
    vec![update, delete]
}

/// The statement that makes metas of the field's values again, before the column goes.
pub fn backward(entity: &Entity, field: &Field, key: &str, form: Form) -> Vec<Sql> {
    let column = |sql: &mut Sql| {
        sql.push("r.").name(&field.name);
    };
    let mut text = Sql::new("");
    match field.kind.sql_type() {
        SqlType::Date => {
            text.push("to_char(");
            column(&mut text);
            text.push(", 'YYYY-MM-DD')");
        }
        SqlType::Timestamptz => {
            text.push("to_char(");
            column(&mut text);
            text.push(" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')");
        }
        _ => {
            column(&mut text);
            text.push("::text");
        }
    }
    let mut insert = Sql::new("INSERT INTO public.");
    insert.name(&ddl::metas_table(entity));
    insert.push(
        "\n  (\"userId\", \"entityId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\", \"isSearchable\")",
    );
    insert.push("\n  SELECT r.\"userId\", r.id, ").literal(key).push(", ").append(&text);
    insert.push(", ").literal(form.data_type.name());
    insert.push(if form.is_public { ", true, " } else { ", false, " });
    // Values that became longer meanwhile fit into no index.
    insert.push(if form.is_searchable { "octet_length(" } else { "false" });
    if form.is_searchable {
        insert.append(&text).push(") <= 1000");
    }
    insert.push("\n  FROM public.").name(&entity.name).push(" AS r WHERE ");
    column(&mut insert);
    insert.push(" IS NOT NULL");
    // Somebody may have written the key anew meanwhile; the field is what counted.
    insert.push("\n  ON CONFLICT (");
    insert.join(", ", metas::key(entity), |sql, key| {
        sql.push("\"").push(key).push("\"");
    });
    insert
        .push(") DO UPDATE SET \"metaValue\" = excluded.\"metaValue\", \"dataType\" = excluded.\"dataType\"");
    vec![insert]
}

/// The name of the migration, without its number.
pub fn name(entity: &Entity, field: &Field) -> Identifier {
    let plain = |name: &Identifier| {
        let mut text = String::new();
        for c in name.as_str().chars() {
            if c.is_ascii_uppercase() {
                text.push('_');
            }
            text.push(c.to_ascii_lowercase());
        }
        text
    };
    Identifier::joined(&["promote", &plain(&entity.name), &plain(&field.name)])
}

#[cfg(test)]
mod tests;
