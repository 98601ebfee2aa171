//! The statements that make a column text, with all columns that point at it.

use crate::catalog::{Catalog, Rule};
use crate::diff::{add_constraint, drop_constraint, on, quote};

/// What would make `column` a text, in order. Rows are written anew, except from `varchar`.
pub(super) fn statements(catalog: &Catalog, table: &str, column: &str) -> Vec<String> {
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
                keys.push(drop_constraint(other, name));
                after.push(add_constraint(other, name, constraint, ""));
            }
        }
    }
    if column == "id" {
        let sql = format!("ALTER TABLE {} ALTER COLUMN id SET DEFAULT gen_random_uuid()::text", on(table));
        after.insert(0, sql);
    }
    [keys, before, change, after].concat()
}
