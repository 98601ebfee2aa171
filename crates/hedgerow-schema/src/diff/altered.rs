//! One table that is there and should be otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{
    add_constraint, column_grant, comment, drop_constraint, index_comment, index_definition, list, on,
    policy_definition, quote, table_grants, trigger_definition,
};
use super::maker::{Draft, Maker};
use super::{
    CHECKING, Class, How, INDEX_COMMENTS, INDEXES, INDEXES_GONE, INSTANT, KEYS, NO_LOCK, Pace, REMOVALS,
    RENAMES, REWRITING, RULES, VALIDATIONS,
};
use crate::catalog::{GRANT_OPTION, Index, Policy, Rule, Table};
use crate::model::objects;

/// One table that is there and should be otherwise.
pub(super) struct Altered<'m, 'c> {
    pub(super) maker: &'m mut Maker,
    pub(super) name: &'c str,
    pub(super) is: &'c Table,
    pub(super) should: &'c Table,
}

impl Altered<'_, '_> {
    pub(super) fn change(&mut self, object: impl Into<String>, action: impl Into<String>) -> Draft<'_> {
        self.maker.change(object, action).on(self.name)
    }

    pub(super) fn online(&self) -> bool {
        self.maker.pace == Pace::Online
    }

    pub(super) fn all(mut self) {
        let (is, should, name) = (self.is, self.should, self.name);
        if is == should {
            return;
        }
        if is.owner != should.owner {
            let sql = format!("ALTER TABLE {} OWNER TO {}", on(name), quote(&should.owner));
            let action = format!("changes its owner from {} to {}", is.owner, should.owner);
            self.change(format!("table {name}"), action).together(RULES, sql).done();
        }
        if is.comment != should.comment {
            let sql = comment(&format!("TABLE {}", on(name)), should.comment.as_deref());
            self.change(format!("table {name}"), "is marked as Hedgerow's")
                .class(Class::Safe, NO_LOCK)
                .together(RULES, sql)
                .done();
        }
        if is.unlogged != should.unlogged {
            let word = if should.unlogged { "UNLOGGED" } else { "LOGGED" };
            self.change(format!("table {name}"), format!("is set {word}"))
                .class(Class::Rewrites, REWRITING)
                .together(RULES, format!("ALTER TABLE {} SET {word}", on(name)))
                .done();
        }
        self.row_security();
        let retyped = self.columns();
        self.constraints(&retyped);
        self.indexes(&retyped);
        self.triggers();
        self.policies(&retyped);
        self.grants();
    }

    pub(super) fn row_security(&mut self) {
        let name = self.name;
        for (is, should, words) in [
            (self.is.row_security, self.should.row_security, ["ENABLE", "DISABLE"]),
            (self.is.forced, self.should.forced, ["FORCE", "NO FORCE"]),
        ] {
            if is != should {
                let word = if should { words[0] } else { words[1] };
                let sql = format!("ALTER TABLE {} {word} ROW LEVEL SECURITY", on(name));
                self.change(format!("table {name}"), format!("gets {word} ROW LEVEL SECURITY"))
                    .together(RULES, sql)
                    .done();
            }
        }
    }
    pub(super) fn constraints(&mut self, retyped: &BTreeSet<String>) {
        let (is, should, name, online) = (self.is, self.should, self.name, self.online());
        let renamed = twins(&is.constraints, &should.constraints, |a, b| a == b);
        for (old, new) in &renamed {
            self.maker.rename_constraint(name, old, new);
        }
        for (constraint, known) in &is.constraints {
            if renamed.contains_key(constraint) {
                continue;
            }
            let stays = should.constraints.get(constraint).is_some_and(|wanted| wanted.rule == known.rule);
            let touched = retyped.iter().any(|column| known.rule.speaks_of(column));
            if !stays || touched {
                let comes_back = should.constraints.contains_key(constraint);
                let action = if comes_back { "is taken off, to be put back" } else { "is dropped" };
                self.change(format!("constraint {constraint:?} of {name}"), action)
                    .together(REMOVALS, drop_constraint(name, constraint))
                    .done();
            }
        }
        for (constraint, wanted) in &should.constraints {
            if renamed.values().any(|new| new == constraint) {
                continue;
            }
            let known = is.constraints.get(constraint).filter(|known| known.rule == wanted.rule);
            let touched = retyped.iter().any(|column| wanted.rule.speaks_of(column));
            let is_key = !matches!(wanted.rule, Rule::Check(_));
            let phase = if is_key { KEYS } else { RULES };
            let validate = format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", on(name), quote(constraint));
            let object = format!("constraint {constraint:?} of {name}");
            if let Some(sql) =
                is.constraints.get(constraint).and_then(|known| given_back(name, &known.rule, &wanted.rule))
            {
                self.change(format!("rows of {name}"), "get the owner of the row that they hang on")
                    .class(Class::Locks, INSTANT)
                    .together(RULES, sql)
                    .done();
            }
            match known.filter(|_| !touched) {
                Some(known) if known.validated || !wanted.validated => {}
                Some(_) => self
                    .change(object, "is checked against all rows")
                    .class(Class::Locks, CHECKING)
                    .step(VALIDATIONS, How::Apart, validate)
                    .done(),
                None if online && wanted.validated && wanted.rule.can_wait() => self
                    .change(object, format!("is added: {}", wanted.rule.definition()))
                    .class(Class::Locks, CHECKING)
                    .together(phase, add_constraint(name, constraint, wanted, " NOT VALID"))
                    .step(VALIDATIONS, How::Apart, validate)
                    .done(),
                None => {
                    let end = if wanted.validated { "" } else { " NOT VALID" };
                    self.change(object, format!("is added: {}", wanted.rule.definition()))
                        .together(phase, add_constraint(name, constraint, wanted, end))
                        .done();
                }
            }
        }
    }

    pub(super) fn indexes(&mut self, retyped: &BTreeSet<String>) {
        let (is, should, name, online) = (self.is, self.should, self.name, self.online());
        let renamed = twins(&is.indexes, &should.indexes, Index::alike);
        for (old, new) in &renamed {
            let sql = format!("ALTER INDEX public.{} RENAME TO {}", quote(old), quote(new));
            let mark = should.indexes[new].comment.as_deref();
            let mut change = self
                .change(format!("index {old:?} of {name}"), format!("is renamed to {new}"))
                .together(RENAMES, sql);
            if is.indexes[old].comment.as_deref() != mark {
                change = change.together(RULES, index_comment(new, mark));
            }
            change.done();
        }
        // An index over a generated column goes with it; one with a condition would not fit the new type.
        let torn = |index: &Index| {
            retyped.iter().any(|column| {
                index.condition.as_ref().is_some_and(|condition| condition.names(column))
                    || index.keys.contains(column)
                        && is.columns.get(column).is_some_and(|known| known.generated)
            })
        };
        for (index, known) in &is.indexes {
            if renamed.contains_key(index) {
                continue;
            }
            let wanted = should.indexes.get(index);
            let same = wanted.is_some_and(|wanted| wanted.alike(known));
            if same && !torn(known) {
                continue;
            }
            let goes_with_column = known.keys.iter().any(|key| {
                is.columns.get(key).is_some_and(|column| column.generated)
                    && (retyped.contains(key) || !should.columns.contains_key(key))
            });
            let sql = if known.constraint || known.primary {
                drop_constraint(name, index)
            } else {
                format!(
                    "DROP INDEX {}public.{}",
                    if goes_with_column { "IF EXISTS " } else { "" },
                    quote(index)
                )
            };
            let action = if wanted.is_some() { "is taken off, to be built anew" } else { "is dropped" };
            self.change(format!("index {index:?} of {name}"), action).together(INDEXES_GONE, sql).done();
        }
        for (index, wanted) in &should.indexes {
            if renamed.values().any(|new| new == index) {
                continue;
            }
            let known = is.indexes.get(index).filter(|known| wanted.alike(known) && !torn(known));
            let marked = index_comment(index, wanted.comment.as_deref());
            if let Some(known) = known {
                if known.comment != wanted.comment {
                    self.change(format!("index {index:?} of {name}"), "is marked as Hedgerow's")
                        .class(Class::Safe, NO_LOCK)
                        .together(RULES, marked)
                        .done();
                }
                continue;
            }
            let object = format!("index {index:?} of {name}");
            let action = format!("is built on ({})", wanted.keys.join(", "));
            let mut change = self.change(object, action);
            if wanted.primary {
                let sql = format!(
                    "ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})",
                    on(name),
                    quote(index),
                    list(&wanted.keys)
                );
                change = change
                    .class(Class::Rewrites, "ACCESS EXCLUSIVE, while the index is built")
                    .together(INDEXES, sql);
            } else {
                change = change.class(Class::Locks, "SHARE UPDATE EXCLUSIVE, while the index is built");
                change = change.step(INDEXES, How::Alone, index_definition(name, index, wanted, online));
            }
            if wanted.comment.is_some() {
                change = change.together(INDEX_COMMENTS, marked);
            }
            change.done();
        }
    }

    pub(super) fn triggers(&mut self) {
        let (is, should, name) = (self.is, self.should, self.name);
        let renamed = twins(&is.triggers, &should.triggers, |a, b| a == b);
        for (old, new) in &renamed {
            let sql = format!("ALTER TRIGGER {} ON {} RENAME TO {}", quote(old), on(name), quote(new));
            self.change(format!("trigger {old:?} of {name}"), format!("is renamed to {new}"))
                .together(RENAMES, sql)
                .done();
        }
        for (trigger, known) in &is.triggers {
            if renamed.contains_key(trigger)
                || should.triggers.get(trigger).is_some_and(|wanted| wanted.definition == known.definition)
            {
                continue;
            }
            let sql = format!("DROP TRIGGER {} ON {}", quote(trigger), on(name));
            self.change(format!("trigger {trigger:?} of {name}"), "is dropped")
                .together(REMOVALS, sql)
                .done();
        }
        for (trigger, wanted) in &should.triggers {
            if renamed.values().any(|new| new == trigger) {
                continue;
            }
            match is.triggers.get(trigger).filter(|known| known.definition == wanted.definition) {
                Some(known) if known.enabled != wanted.enabled => {
                    let word = if wanted.enabled == "D" { "DISABLE" } else { "ENABLE" };
                    let sql = format!("ALTER TABLE {} {word} TRIGGER {}", on(name), quote(trigger));
                    // What it did not see meanwhile is made good by making all anew.
                    let filling = objects::filling(name, &wanted.definition).filter(|_| word == "ENABLE");
                    self.trigger(trigger, format!("gets {word}"), sql, filling);
                }
                Some(_) => {}
                None => {
                    let sql = trigger_definition(trigger, &wanted.definition);
                    // One of several that come together is enough.
                    let filling = objects::filling(name, &wanted.definition)
                        .filter(|_| wanted.definition.starts_with("AFTER INSERT "));
                    self.trigger(trigger, "is made".to_owned(), sql, filling);
                }
            }
        }
    }

    fn trigger(&mut self, trigger: &str, action: String, sql: String, filling: Option<[String; 2]>) {
        let mut change = self.change(format!("trigger {trigger:?} of {}", self.name), action);
        if let Some([clear, fill]) = filling {
            change = change
                .class(Class::Locks, "none that anybody waits for, while objects of metadata are made")
                .step(VALIDATIONS, How::Apart, clear)
                .step(VALIDATIONS, How::Behind, fill);
        }
        change.together(RULES, sql).done();
    }

    pub(super) fn policies(&mut self, retyped: &BTreeSet<String>) {
        let (is, should, name) = (self.is, self.should, self.name);
        let gone: Vec<&String> =
            is.columns.keys().filter(|column| !should.columns.contains_key(*column)).collect();
        let same = |known: &Policy, wanted: &Policy| {
            known == wanted
                && !retyped.iter().chain(gone.iter().copied()).any(|column| known.speaks_of(column))
        };
        for (policy, known) in &is.policies {
            if should.policies.get(policy).is_some_and(|wanted| same(known, wanted)) {
                continue;
            }
            let comes_back = should.policies.contains_key(policy);
            let action = if comes_back { "is taken off, to be made anew" } else { "is dropped" };
            self.change(format!("policy {policy:?} of {name}"), action)
                .together(REMOVALS, format!("DROP POLICY {} ON {}", quote(policy), on(name)))
                .done();
        }
        for (policy, wanted) in &should.policies {
            if is.policies.get(policy).is_some_and(|known| same(known, wanted)) {
                continue;
            }
            self.change(format!("policy {policy:?} of {name}"), "is made")
                .together(RULES, policy_definition(name, policy, wanted))
                .done();
        }
    }

    pub(super) fn grants(&mut self) {
        let (is, should, name) = (self.is, self.should, self.name);
        let none = BTreeSet::new();
        let roles: BTreeSet<&String> = is.grants.keys().chain(should.grants.keys()).collect();
        for role in roles {
            let (has, wants) =
                (is.grants.get(role).unwrap_or(&none), should.grants.get(role).unwrap_or(&none));
            for (verb, rights) in [("REVOKE", has - wants), ("GRANT", wants - has)] {
                if rights.is_empty() {
                    continue;
                }
                let statements = table_grants(verb, &rights, name, role);
                let rights = rights.into_iter().collect::<Vec<_>>().join(", ");
                let action =
                    if verb == "GRANT" { format!("may {rights}") } else { format!("may no longer {rights}") };
                let mut change =
                    self.change(format!("role {role} on {name}"), action).class(Class::Safe, NO_LOCK);
                for sql in statements {
                    change = change.together(RULES, sql);
                }
                change.done();
            }
        }
        let no_rights = BTreeMap::new();
        let roles: BTreeSet<&String> = is.column_grants.keys().chain(should.column_grants.keys()).collect();
        for role in roles {
            let has = is.column_grants.get(role).unwrap_or(&no_rights);
            let wants = should.column_grants.get(role).unwrap_or(&no_rights);
            for right in has.keys().chain(wants.keys()).collect::<BTreeSet<_>>() {
                let taken = |right: &str| {
                    let rights =
                        |table: &Table| table.grants.get(role).is_some_and(|rights| rights.contains(right));
                    rights(is) && !rights(should)
                };
                // With a right on the table, REVOKE takes the same right on its columns.
                let has =
                    has.get(right).filter(|_| !taken(right) && !taken(right.trim_end_matches(GRANT_OPTION)));
                let (has, wants) = (has.unwrap_or(&none), wants.get(right).unwrap_or(&none));
                // Rights on a column go with the column.
                let gone: BTreeSet<String> = (has - wants)
                    .into_iter()
                    .filter(|column| {
                        should.columns.get(column).is_some_and(|wanted| {
                            wanted.generated || is.columns.get(column).is_some_and(|known| !known.generated)
                        })
                    })
                    .collect();
                for (verb, columns) in [("REVOKE", gone), ("GRANT", wants - has)] {
                    if columns.is_empty() {
                        continue;
                    }
                    let sql = column_grant(verb, right, &columns, name, role);
                    let named = columns.into_iter().collect::<Vec<_>>().join(", ");
                    let may = if verb == "GRANT" { "may" } else { "may no longer" };
                    self.change(format!("role {role} on {name}"), format!("{may} {right} {named}"))
                        .class(Class::Safe, NO_LOCK)
                        .together(RULES, sql)
                        .done();
                }
            }
        }
    }
}

/// Objects that are there under another name: old name to new name.
pub(super) fn twins<T>(
    is: &BTreeMap<String, T>,
    should: &BTreeMap<String, T>,
    same: impl Fn(&T, &T) -> bool,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (new, wanted) in should.iter().filter(|(name, _)| !is.contains_key(*name)) {
        let twin = is.iter().find(|(old, known)| {
            !should.contains_key(*old) && !found.contains_key(*old) && same(known, wanted)
        });
        if let Some((old, _)) = twin {
            found.insert(old.clone(), new.clone());
        }
    }
    found
}

/// The statement that gives what hangs on rows (metadata, links) the owner of its row, where its key comes to name the owner: who
/// wrote it was another one of those who write all rows.
fn given_back(table: &str, known: &Rule, wanted: &Rule) -> Option<String> {
    let (Rule::References { columns: by_id, .. }, Rule::References { columns, table: source, .. }) =
        (known, wanted)
    else {
        return None;
    };
    let [own] = by_id.as_slice() else { return None };
    if !matches!(own.as_str(), "entityId" | "sourceId") || columns.first()? != "userId" {
        return None;
    }
    Some(format!(
        "UPDATE {} h SET \"userId\" = r.\"userId\" FROM {} r WHERE r.id = h.{} AND h.\"userId\" <> r.\"userId\"",
        on(table),
        on(source),
        quote(own)
    ))
}
