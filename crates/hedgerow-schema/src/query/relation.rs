//! How rows lead to other rows: by a relation, against one, or over the links of a `relation_many` field.
//!
//! Always holds: a hidden field leads nowhere, in neither direction.

use super::parameters::Reading;
use crate::reader::nearest;
use crate::{Entity, Field, Schema};

/// A way from a row to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'e> {
    /// To the row that a relation of this one points at.
    To {
        /// The relation.
        field: &'e Field,
    },
    /// To the rows whose relation points here.
    From {
        /// Their relation.
        field: &'e Field,
    },
    /// To the rows that a `relation_many` field of this one points at.
    LinksTo {
        /// The field.
        field: &'e Field,
    },
    /// To the rows whose `relation_many` field points here.
    LinksFrom {
        /// Their field.
        field: &'e Field,
    },
}

/// A way, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relationship<'e> {
    /// The way.
    pub way: Way<'e>,
    /// The entity at its end.
    pub entity: &'e Entity,
}

impl<'e> Way<'e> {
    fn field(self) -> &'e Field {
        match self {
            Self::To { field }
            | Self::From { field }
            | Self::LinksTo { field }
            | Self::LinksFrom { field } => field,
        }
    }

    /// Whether the field is one of the entity that the way begins at.
    fn leaves(self) -> bool {
        matches!(self, Self::To { .. } | Self::LinksTo { .. })
    }
}

impl<'e> Relationship<'e> {
    /// Whether it leads to one row at most.
    pub fn is_to_one(self) -> bool {
        matches!(self.way, Way::To { .. })
    }

    /// What names it and nothing else, in `select`.
    fn name_from(self, entity: &Entity) -> String {
        if self.way.leaves() && self.entity.name == entity.name {
            return self.way.field().name.to_string();
        }
        format!("{}!{}", self.entity.name, self.way.field().name)
    }

    /// Every way that leads from `entity`.
    fn all(schema: &'e Schema, entity: &'e Entity) -> Vec<Self> {
        let visible = |field: &Field| !field.hidden;
        let target = |name: &str| schema.entity(name);
        let mut found = Vec::new();
        for (field, relation) in entity.relations().filter(|(field, _)| visible(field)) {
            found.extend(
                target(relation.entity.as_str()).map(|entity| Self { way: Way::To { field }, entity }),
            );
        }
        for (field, relation) in entity.links().filter(|(field, _)| visible(field)) {
            let end = target(relation.entity.as_str());
            found.extend(end.map(|entity| Self { way: Way::LinksTo { field }, entity }));
        }
        for other in schema.entities() {
            let here = |relation: &crate::Relation| relation.entity == entity.name;
            let by_one = other.relations().filter(|(field, to)| visible(field) && here(to));
            found.extend(by_one.map(|(field, _)| Self { way: Way::From { field }, entity: other }));
            let by_many = other.links().filter(|(field, to)| visible(field) && here(to));
            found.extend(by_many.map(|(field, _)| Self { way: Way::LinksFrom { field }, entity: other }));
        }
        found
    }
}

impl<'e> Reading<'e> {
    /// The relationship that `name` and `hint` mean: a relation's field, or the entity at its end.
    pub(super) fn relationship(
        &mut self,
        entity: &'e Entity,
        name: &str,
        hint: Option<&str>,
        parameter: &str,
    ) -> Option<Relationship<'e>> {
        let all = Relationship::all(self.schema, entity);
        let hinted = |one: &Relationship<'e>| {
            hint.is_none_or(|hint| one.way.field().name.as_str() == hint || one.entity.name.as_str() == hint)
        };
        let by_field = |one: &Relationship<'e>| one.way.leaves() && one.way.field().name.as_str() == name;
        if let Some(found) = all.iter().find(|one| by_field(one) && hinted(one)) {
            return Some(*found);
        }
        let mut fitting: Vec<Relationship<'e>> =
            all.iter().filter(|one| one.entity.name.as_str() == name && hinted(one)).copied().collect();
        if hint.is_some() && fitting.len() > 1 {
            // Within one entity, the field's own name is the way to what it points at.
            fitting.retain(|one| !one.way.leaves());
        }
        if let [found] = fitting.as_slice() {
            return Some(*found);
        }
        if fitting.is_empty() {
            let mut names: Vec<&str> = all.iter().map(|one| one.entity.name.as_str()).collect();
            let leaving = all.iter().filter(|one| one.way.leaves());
            names.extend(leaving.map(|one| one.way.field().name.as_str()));
            let mut message = match hint {
                Some(hint) => format!("no relation `{hint}` leads from {} to `{name}`", entity.name),
                None => format!("no relation leads from {} to `{name}`", entity.name),
            };
            if let Some(near) = nearest(name, &names).filter(|near| *near != name) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            self.note(parameter, "unknown_relation", message);
            return None;
        }
        let names: Vec<String> = fitting.iter().map(|one| format!("`{}`", one.name_from(entity))).collect();
        let message = format!("`{name}` could be several relations of {}: {}", entity.name, names.join(", "));
        self.note(parameter, super::AMBIGUOUS, message);
        None
    }
}
