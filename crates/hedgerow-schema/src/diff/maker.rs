//! Changes under construction, and those of whole tables and functions.

use super::definition::{
    add_constraint, column_comment, column_definition, column_grant, comment, drop_constraint, index_comment,
    index_definition, list, on, policy_definition, quote, table_grants, trigger_definition,
};
use super::{
    Change, Class, FUNCTIONS, FUNCTIONS_GONE, How, INSTANT, KEYS, Loss, NO_LOCK, Pace, REMOVALS, RENAMES,
    Renames, Step, TABLES, TABLES_GONE,
};
use crate::catalog::{self, Function, Rule, Table};
use crate::ddl;
use crate::model::objects;

pub(super) struct Maker {
    pub(super) changes: Vec<Change>,
    pub(super) pace: Pace,
}

/// A change under construction.
pub(super) struct Draft<'m> {
    pub(super) maker: &'m mut Maker,
    pub(super) change: Change,
}

impl Draft<'_> {
    pub(super) fn class(mut self, class: Class, lock: &'static str) -> Self {
        self.change.class = class;
        self.change.lock = lock;
        self
    }

    pub(super) fn on(mut self, table: &str) -> Self {
        self.change.table = Some(table.to_owned());
        self
    }

    pub(super) fn loss(mut self, loss: Loss) -> Self {
        self.change.class = Class::LosesData;
        self.change.loss = Some(loss);
        self
    }

    pub(super) fn step(mut self, phase: u8, how: How, sql: String) -> Self {
        let how = if self.maker.pace == Pace::AtOnce { How::Together } else { how };
        self.change.steps.push(Step { phase, how, sql });
        self
    }

    pub(super) fn together(self, phase: u8, sql: String) -> Self {
        self.step(phase, How::Together, sql)
    }

    pub(super) fn done(self) {
        self.maker.changes.push(self.change);
    }
}

impl Maker {
    pub(super) fn change(&mut self, object: impl Into<String>, action: impl Into<String>) -> Draft<'_> {
        let change = Change {
            object: object.into(),
            action: action.into(),
            class: Class::Safe,
            lock: INSTANT,
            table: None,
            loss: None,
            steps: Vec::new(),
        };
        Draft { maker: self, change }
    }

    pub(super) fn renames(&mut self, renames: &Renames) {
        for (new, old) in &renames.tables {
            self.change(format!("table {old}"), format!("is renamed to {new}"))
                .on(new)
                .together(RENAMES, format!("ALTER TABLE {} RENAME TO {}", on(old), quote(new)))
                .done();
        }
        for ((table, new), old) in &renames.columns {
            self.change(format!("column {old:?} of {table}"), format!("is renamed to {new}"))
                .on(table)
                .together(
                    RENAMES,
                    format!("ALTER TABLE {} RENAME COLUMN {} TO {}", on(table), quote(old), quote(new)),
                )
                .done();
        }
    }

    pub(super) fn rename_constraint(&mut self, table: &str, old: &str, new: &str) {
        self.change(format!("constraint {old:?} of {table}"), format!("is renamed to {new}"))
            .on(table)
            .together(
                RENAMES,
                format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", on(table), quote(old), quote(new)),
            )
            .done();
    }

    pub(super) fn function(&mut self, name: &str, known: Option<&Function>, wanted: &Function) {
        let sql = if objects::is_keeper(wanted) {
            objects::definition(name, wanted)
        } else {
            let Some(sql) = ddl::own_function(name) else { return };
            sql
        };
        let action = if known.is_some() { "becomes what Hedgerow made" } else { "is made" };
        let mut change = self
            .change(format!("function {name}"), action)
            .class(Class::Safe, NO_LOCK)
            .together(FUNCTIONS, sql)
            .together(FUNCTIONS, format!("GRANT EXECUTE ON FUNCTION public.{name} TO PUBLIC"));
        let owner = &wanted.owner;
        if known.is_some_and(|known| known.owner != *owner) {
            change =
                change.together(FUNCTIONS, format!("ALTER FUNCTION public.{name} OWNER TO {}", quote(owner)));
        }
        change.done();
    }

    pub(super) fn drop_function(&mut self, name: &str) {
        self.change(format!("function {name}"), "is dropped")
            .class(Class::Safe, NO_LOCK)
            .together(FUNCTIONS_GONE, format!("DROP FUNCTION public.{name}"))
            .done();
    }

    pub(super) fn create(&mut self, name: &str, table: &Table) {
        let mut parts: Vec<String> =
            table.in_order().into_iter().map(|(column, known)| column_definition(column, known)).collect();
        for (index, known) in table.indexes.iter().filter(|(_, index)| index.primary) {
            parts.push(format!("CONSTRAINT {} PRIMARY KEY ({})", quote(index), list(&known.keys)));
        }
        for (constraint, known) in &table.constraints {
            if stands_in_table(&known.rule) {
                parts.push(format!("CONSTRAINT {} {}", quote(constraint), known.rule.definition()));
            }
        }
        let kind = if table.unlogged { "UNLOGGED TABLE" } else { "TABLE" };
        let mut change = self
            .change(format!("table {name}"), "is made, with its indexes, policies and rights")
            .class(Class::Safe, NO_LOCK)
            .together(TABLES, format!("CREATE {kind} {} (\n  {}\n)", on(name), parts.join(",\n  ")))
            // A database may have default privileges that grant more than is said here.
            .together(TABLES, format!("REVOKE ALL ON TABLE {} FROM PUBLIC", on(name)));
        for (index, known) in table.indexes.iter().filter(|(_, index)| !index.primary) {
            change = change.together(TABLES, index_definition(name, index, known, false));
            if known.comment.is_some() {
                change = change.together(TABLES, index_comment(index, known.comment.as_deref()));
            }
        }
        let mut change = change.comments(name, table).protection(name, table);
        for (constraint, known) in &table.constraints {
            if !stands_in_table(&known.rule) {
                change = change.together(KEYS, add_constraint(name, constraint, known, ""));
            }
        }
        for (trigger, known) in &table.triggers {
            change = change.together(TABLES, trigger_definition(trigger, &known.definition));
        }
        change.done();
    }

    pub(super) fn drop_table(&mut self, name: &str, table: &Table) {
        let is_derived = table.comment.as_deref() == Some(catalog::DERIVED);
        let action =
            if is_derived { "is dropped; it can be made again" } else { "is dropped with all its rows" };
        let mut change = self.change(format!("table {name}"), action).on(name);
        for (constraint, known) in &table.constraints {
            if !matches!(known.rule, Rule::Check(_)) {
                change = change.together(REMOVALS, drop_constraint(name, constraint));
            }
        }
        if !is_derived {
            change = change.loss(Loss::Table(name.to_owned()));
        }
        change.together(TABLES_GONE, format!("DROP TABLE {}", on(name))).done();
    }
}

/// Whether a new table is made with the rule: there are no rows yet to look at. Other keys wait until all tables and
/// their indexes are there.
pub(super) fn stands_in_table(rule: &Rule) -> bool {
    match rule {
        Rule::Check(_) => true,
        Rule::References { table, .. } => table == "user",
        Rule::Other(_) => false,
    }
}

impl Draft<'_> {
    pub(super) fn comments(mut self, name: &str, table: &Table) -> Self {
        if table.comment.is_some() {
            self = self.together(TABLES, comment(&format!("TABLE {}", on(name)), table.comment.as_deref()));
        }
        for (column, known) in table.in_order() {
            if known.comment.is_some() {
                self = self.together(TABLES, column_comment(name, column, known.comment.as_deref()));
            }
        }
        self
    }

    /// Row-level security, policies and rights, from nothing.
    pub(super) fn protection(mut self, name: &str, table: &Table) -> Self {
        if table.row_security {
            self = self.together(TABLES, format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", on(name)));
        }
        if table.forced {
            self = self.together(TABLES, format!("ALTER TABLE {} FORCE ROW LEVEL SECURITY", on(name)));
        }
        for (policy, known) in &table.policies {
            self = self.together(TABLES, policy_definition(name, policy, known));
        }
        for (role, rights) in &table.grants {
            for sql in table_grants("GRANT", rights, name, role) {
                self = self.together(TABLES, sql);
            }
        }
        for (role, rights) in &table.column_grants {
            for (right, columns) in rights {
                self = self.together(TABLES, column_grant("GRANT", right, columns, name, role));
            }
        }
        self
    }
}
