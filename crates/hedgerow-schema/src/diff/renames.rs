//! Declared renames, and what a catalog looks like after them: whatever was named after a table or a column follows.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, Rule, Table};
use crate::{Identifier, Schema, ddl};

/// Declared renames: new name to old name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    /// Tables.
    pub tables: BTreeMap<String, String>,
    /// Columns, by (new) table and (new) column.
    pub columns: BTreeMap<(String, String), String>,
}

impl Renames {
    /// Those that entity files declare and that `is` has not seen yet.
    pub fn declared(schema: &Schema, is: &Catalog) -> Self {
        let mut renames = Self::default();
        for entity in schema.entities() {
            let name = entity.name.to_string();
            let mut table = name.clone();
            if let Some(old) = &entity.renamed_from
                && !is.tables.contains_key(&name)
                && is.tables.get(old.as_str()).is_some_and(Table::is_managed)
            {
                table = old.to_string();
                renames.tables.insert(name.clone(), table.clone());
            }
            let Some(known) = is.tables.get(&table) else { continue };
            for field in entity.columns() {
                if let Some(old) = &field.renamed_from
                    && !known.columns.contains_key(field.name.as_str())
                    && known.columns.contains_key(old.as_str())
                {
                    renames.columns.insert((name.clone(), field.name.to_string()), old.to_string());
                }
            }
            for (is_there, new, parts) in [
                (entity.metadata.is_some(), ddl::metas_table(entity), &["metas"][..]),
                (entity.keeps_objects(), ddl::objects_table(entity), &["metas", "objects"]),
            ] {
                let old = Identifier::joined(&[&[table.as_str()], parts].concat());
                if is_there
                    && old != new
                    && !is.tables.contains_key(new.as_str())
                    && is.tables.get(old.as_str()).is_some_and(Table::is_managed)
                {
                    renames.tables.insert(new.to_string(), old.to_string());
                }
            }
            // A field that is a table of its own goes by the names of its entity and itself.
            for (field, _) in entity.links() {
                let new = ddl::link_table(entity, field).to_string();
                let old = field.renamed_from.as_ref().unwrap_or(&field.name);
                let now = |field: &Identifier| Identifier::joined(&[&table, field.as_str()]).to_string();
                let old = [now(old), now(&field.name)]
                    .into_iter()
                    .find(|old| *old != new && is.tables.get(old).is_some_and(Table::is_managed));
                if let Some(old) = old.filter(|_| !is.tables.contains_key(&new)) {
                    renames.tables.insert(new, old);
                }
            }
        }
        renames
    }

    /// The way back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let old_table = |new: &String| self.tables.get(new).unwrap_or(new).clone();
        Self {
            tables: self.tables.iter().map(|(new, old)| (old.clone(), new.clone())).collect(),
            columns: self
                .columns
                .iter()
                .map(|((table, new), old)| ((old_table(table), old.clone()), new.clone()))
                .collect(),
        }
    }

    /// `catalog` as it is after the renames.
    pub fn apply(&self, catalog: &Catalog) -> Catalog {
        self.apply_with(catalog).0
    }

    /// The same, with the constraints that follow the names of table and column: table, old and new name.
    pub(super) fn apply_with(&self, catalog: &Catalog) -> (Catalog, Vec<(String, String, String)>) {
        let mut renamed = catalog.clone();
        let mut followed = Vec::new();
        for (new, old) in &self.tables {
            if let Some(mut table) = renamed.tables.remove(old) {
                for trigger in table.triggers.values_mut() {
                    trigger.definition =
                        trigger.definition.replace(&format!(" ON {old} "), &format!(" ON {new} "));
                }
                let columns: Vec<String> = table.columns.keys().cloned().collect();
                for column in &columns {
                    followed.extend(follow(&mut table, [old, column], [new, column]));
                }
                renamed.tables.insert(new.clone(), table);
            }
            for table in renamed.tables.values_mut() {
                for constraint in table.constraints.values_mut() {
                    if let Rule::References { table, .. } = &mut constraint.rule
                        && table == old
                    {
                        table.clone_from(new);
                    }
                }
            }
        }
        for ((table, new), old) in &self.columns {
            if let Some(known) = renamed.tables.get_mut(table) {
                rename_column(known, old, new);
                followed.extend(follow(known, [table, old], [table, new]));
            }
            for other in renamed.tables.values_mut() {
                for constraint in other.constraints.values_mut() {
                    if let Rule::References { table: target, targets, .. } = &mut constraint.rule
                        && target == table
                    {
                        rename_in(targets, old, new);
                    }
                }
            }
        }
        (renamed, followed)
    }
}

/// Renames the constraints whose names Hedgerow made of a table and a column.
fn follow(table: &mut Table, old: [&String; 2], new: [&String; 2]) -> Vec<(String, String, String)> {
    let mut followed = Vec::new();
    let is_name = |name: &&String| Identifier::parse(name).is_ok();
    if !old.iter().chain(&new).all(is_name) {
        return followed;
    }
    for rule in ddl::constraint_rules() {
        let name = |[table, column]: [&String; 2]| Identifier::joined(&[table, column, rule]).to_string();
        let (before, after) = (name(old), name(new));
        if !table.constraints.contains_key(&after)
            && let Some(constraint) = table.constraints.remove(&before)
        {
            table.constraints.insert(after.clone(), constraint);
            followed.push((new[0].clone(), before, after));
        }
    }
    followed
}

fn rename_in(names: &mut [String], old: &str, new: &str) {
    for name in names.iter_mut().filter(|name| *name == old) {
        new.clone_into(name);
    }
}

fn rename_column(table: &mut Table, old: &str, new: &str) {
    if let Some(column) = table.columns.remove(old) {
        table.columns.insert(new.to_owned(), column);
    }
    for column in table.columns.values_mut() {
        column.default = column.default.as_ref().map(|default| default.renamed(old, new));
    }
    for constraint in table.constraints.values_mut() {
        match &mut constraint.rule {
            Rule::Check(condition) => *condition = condition.renamed(old, new),
            Rule::References { columns, sets, .. } => {
                rename_in(columns, old, new);
                rename_in(sets, old, new);
            }
            Rule::Other(_) => {}
        }
    }
    for index in table.indexes.values_mut() {
        rename_in(&mut index.keys, old, new);
        index.condition = index.condition.as_ref().map(|condition| condition.renamed(old, new));
    }
    for policy in table.policies.values_mut() {
        policy.using = policy.using.as_ref().map(|using| using.renamed(old, new));
        policy.check = policy.check.as_ref().map(|check| check.renamed(old, new));
    }
    for columns in table.column_grants.values_mut().flat_map(BTreeMap::values_mut) {
        if columns.remove(old) {
            columns.insert(new.to_owned());
        }
    }
}
