//! New rows within a new row: `{"name": "…", "tasks": [{"title": "…"}]}` creates a project and the tasks that point at it.

use serde_json::value::RawValue;

use super::{BodyRules, RowInput, WriteKind, read_row_within};
use crate::query::InputError;
use crate::{Entity, Field, Schema};

/// Rows within rows within rows, and no deeper.
const MAX_DEPTH: usize = 3;

/// New rows that point at the one they stand in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Children<'e> {
    /// Whose rows they are.
    pub entity: &'e Entity,
    /// The field by which they point.
    pub field: &'e Field,
    /// The rows, without that field.
    pub rows: Vec<RowInput<'e>>,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nested<'e> {
    /// The field that points at the row around it.
    pub(super) by: Option<&'e Field>,
    depth: usize,
}

impl<'e> Nested<'e> {
    /// The rows under `name`, if that is what `name` stands for: an entity with one relation to this one. Where it has
    /// several, `tasks!parentId` says which.
    pub(super) fn children(
        self,
        parent: &'e Entity,
        rules: &BodyRules<'_, 'e>,
        name: &str,
        json: &RawValue,
    ) -> Option<Result<Children<'e>, Vec<InputError>>> {
        let schema = rules.children.filter(|_| rules.kind == WriteKind::Create)?;
        if parent.field(name).is_some() {
            return None;
        }
        let (entity, by) = relation(schema, parent, name)?;
        let error = |code, message: String| Some(Err(vec![InputError::new(name, code, message)]));
        let field = match by.as_slice() {
            [field] => *field,
            several => {
                let ways: Vec<String> =
                    several.iter().map(|field| format!("`{}!{}`", entity.name, field.name)).collect();
                let message =
                    format!("{} points here by several fields: write {}", entity.name, ways.join(" or "));
                return error("ambiguous_relation", message);
            }
        };
        if self.depth + 1 >= MAX_DEPTH {
            return error("too_deep", format!("rows stand within rows at most {MAX_DEPTH} deep"));
        }
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json.get()) else {
            return error("invalid_list", format!("`{name}` must be an array of objects"));
        };
        let rules = BodyRules { columns: None, ..rules.clone() };
        let within = Nested { by: Some(field), depth: self.depth + 1 };
        let (mut rows, mut errors) = (Vec::new(), Vec::new());
        for (at, item) in items.iter().enumerate() {
            match read_row_within(entity, &rules, item.get(), &format!("{name}[{at}]."), within) {
                Ok(row) => rows.push(row),
                Err(found) => errors.extend(found),
            }
        }
        Some(if errors.is_empty() { Ok(Children { entity, field, rows }) } else { Err(errors) })
    }
}

/// The entity that `name` stands for, and the fields by which it points at `parent`.
fn relation<'e>(schema: &'e Schema, parent: &Entity, name: &str) -> Option<(&'e Entity, Vec<&'e Field>)> {
    let (name, wanted) = match name.split_once('!') {
        Some((name, field)) => (name, Some(field)),
        None => (name, None),
    };
    let entity = schema.entity(name)?;
    let points_here = entity.relations().filter(|(_, relation)| relation.entity == parent.name);
    let by: Vec<&Field> = points_here
        .map(|(field, _)| field)
        .filter(|field| wanted.is_none_or(|wanted| field.name.as_str() == wanted))
        .collect();
    (!by.is_empty()).then_some((entity, by))
}
