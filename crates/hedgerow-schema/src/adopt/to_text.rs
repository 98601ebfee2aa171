//! The statements that make a column text, with all columns that point at it.

use crate::catalog::{Catalog, Rule};
use crate::diff::quote;

/// What would make `column` a text, in order. Rows are written anew, except from `varchar`.
pub(super) fn statements(catalog: &Catalog, table: &str, column: &str) -> Vec<String> {
    let on = |table: &str| format!("public.{}", quote(table));
    let (mut before, mut change, mut after) = (Vec::new(), Vec::new(), Vec::new());
    let mut turn = |table: &str, column: &str| {
        let known = &catalog.tables[table].columns[column];
        let alter = |what: &str| format!("ALTER TABLE {} ALTER COLUMN {} {what}", on(table), quote(column));
        if known.identity.is_some() {
            before.push(alter("DROP IDENTITY"));
        } else if known.default.is_some() {
            before.push(alter("DROP DEFAULT"));
        }
        change.push(alter(&format!("TYPE text USING {}::text", quote(column))));
    };
    turn(table, column);
    let mut keys = Vec::new();
    for (other, known) in &catalog.tables {
        for (name, constraint) in &known.constraints {
            let Rule::References { columns, table: target, targets, .. } = &constraint.rule else { continue };
            let points = target == table && targets == &[column];
            if points {
                if let [pointing] = columns.as_slice() {
                    turn(other, pointing);
                }
                keys.push(format!("ALTER TABLE {} DROP CONSTRAINT {}", on(other), quote(name)));
                let sql = format!(
                    "ALTER TABLE {} ADD CONSTRAINT {} {}",
                    on(other),
                    quote(name),
                    constraint.rule.definition()
                );
                after.push(sql);
            }
        }
    }
    if column == "id" {
        let sql = format!("ALTER TABLE {} ALTER COLUMN id SET DEFAULT gen_random_uuid()::text", on(table));
        after.insert(0, sql);
    }
    [keys, before, change, after].concat()
}
