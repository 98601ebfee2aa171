//! What the first migration makes of an adopted database: isolation, and nothing else.

use std::collections::BTreeMap;

use super::{Adoption, Closed, ClosedTo, Left, metas};
use crate::catalog::{Catalog, Function, Index, Rule, Table};
use crate::diff::{Class, Pace, Plan, plan};
use crate::expression::{Expression, Node};
use crate::{Identifier, Roles, ddl, model, policy, script};

/// Where the first migration leads, and what stands in its way.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The changes.
    pub plan: Plan,
    /// The way back.
    pub back: Plan,
    /// What stays as it is.
    pub left: Vec<Left>,
    /// What must be changed by hand before, with statements that do it.
    pub obstacles: Vec<(String, Vec<String>)>,
    /// What is to be done by hand, sooner or later.
    pub by_hand: Vec<(String, Vec<String>)>,
    /// The sequences that new rows of entities count with.
    sequences: Vec<String>,
    /// Tables that a set makes past plans, and that were there.
    kept: Vec<&'static str>,
}

impl Adoption {
    /// The changes that make the database safe to serve, with everything owned by `owner`.
    pub fn goal(&self, catalog: &Catalog, roles: &Roles, owner: &str) -> Goal {
        let renamed = self.renames.apply(catalog);
        let expected = model::expected(&self.schema, roles, owner);
        let mut obstacles = Vec::new();
        let mut kept = renamed.clone();
        for name in self.entities.keys() {
            let table = kept.tables.get_mut(name).expect("an entity has its table");
            replace(table, &expected.tables[name]);
            self.triggers(name, table, catalog, &mut obstacles);
        }
        for (_, table) in kept.tables.iter_mut().filter(|(name, _)| is_own(name)) {
            // Under the floors they open nothing, but they are asked for every row, and may not be ours to call.
            table.policies.clear();
        }
        let mut should = model::target(&renamed, &expected, &kept, roles);
        for (name, table) in renamed.tables.iter().filter(|(name, _)| is_own(name)) {
            if let (Some(wanted), Some(target)) = (expected.tables.get(name), should.tables.get_mut(name)) {
                complete(name, table, wanted, target, &mut obstacles);
            }
        }
        for closed in &self.closed {
            if let Some(table) = should.tables.get_mut(&closed.table) {
                close(table, closed, roles);
            }
        }
        // A plan could only make them whole; the set's own statements do it.
        should.tables.retain(|name, _| {
            catalog.tables.contains_key(name) || !ddl::BESIDE_PLANS.contains(&name.as_str())
        });
        let kept =
            ddl::BESIDE_PLANS.iter().copied().filter(|name| catalog.tables.contains_key(*name)).collect();
        self.functions(catalog, &expected, &mut obstacles);
        let forward = plan(catalog, &should, &self.renames, Pace::Online);
        let back = plan(&should, catalog, &self.renames.reversed(), Pace::Online);
        for change in &forward.changes {
            // One that is computed of the others changes none of them.
            if change.class >= Class::Rewrites && !is_number(&change.object) {
                let text = format!("{} {}, and adopting changes no row", change.object, change.action);
                let table = change.table.as_ref().and_then(|name| Some((name, renamed.tables.get(name)?)));
                let remedy = match table {
                    Some((name, table)) if change.object.starts_with("column \"metaValue\" of ") => {
                        metas::to_text(name, table)
                    }
                    _ => Vec::new(),
                };
                obstacles.push((text, remedy));
            }
        }
        for (name, table) in catalog.tables.iter().filter(|(_, table)| table.owner != owner) {
            let statement = format!(
                "ALTER TABLE public.{} OWNER TO {}",
                crate::diff::quote(name),
                crate::diff::quote(owner)
            );
            obstacles.push((
                format!("the table {name} belongs to {}, not to {owner}", table.owner),
                vec![statement],
            ));
        }
        let defaults = self.entities.keys().flat_map(|name| catalog.tables[name].columns.values());
        let sequences = defaults.filter_map(|column| column.default.as_ref()).filter_map(sequence).collect();
        let mut by_hand = needs_of_users(catalog, &expected);
        by_hand.extend(self.without_zone(&renamed));
        let left = self.left.iter().cloned().chain(self.leftovers(&should, &expected)).collect();
        Goal { plan: forward, back, left, obstacles, by_hand, sequences, kept }
    }

    /// Takes off what does what Hedgerow's own trigger does, and finds those that a rename would break.
    fn triggers(
        &self,
        name: &str,
        table: &mut Table,
        catalog: &Catalog,
        obstacles: &mut Vec<(String, Vec<String>)>,
    ) {
        let renamed = || self.renames.columns.iter().filter(|((table, _), _)| table == name);
        table.triggers.retain(|trigger, known| {
            let Some(function) = called(&known.definition) else { return true };
            let (Some(body), false) = (body_of(catalog, &function), is_own_function(&function)) else { return true };
            let Some(((_, new), old)) = renamed().find(|(_, old)| names(body, old)) else { return true };
            if new == "updatedAt" && known.definition.starts_with("BEFORE UPDATE ON") && only_sets(body, old) {
                return false;
            }
            obstacles.push((
                format!("the trigger {trigger} of {name} calls {function}, which names {old}; the column becomes {new}"),
                vec![format!("DROP TRIGGER {} ON public.{}", crate::diff::quote(trigger), crate::diff::quote(name))],
            ));
            true
        });
    }

    /// Hedgerow's functions that are there already and cannot be replaced.
    fn functions(&self, catalog: &Catalog, expected: &Catalog, obstacles: &mut Vec<(String, Vec<String>)>) {
        for (name, wanted) in &expected.functions {
            let Some(known) = catalog.functions.get(name) else { continue };
            let result = |function: &Function| function.attributes.split(' ').next().map(str::to_owned);
            let bare = name.trim_end_matches("()");
            if result(known) != result(wanted) {
                let text = format!("the function {name} has another result than Hedgerow's");
                obstacles.push((text, vec![format!("ALTER FUNCTION public.{name} RENAME TO {bare}_before")]));
            }
            // Others' tables may have it set a column of another name.
            let others = catalog.tables.iter().filter(|(name, table)| {
                !self.entities.contains_key(*name)
                    && !table.columns.contains_key("updatedAt")
                    && table
                        .triggers
                        .values()
                        .any(|trigger| called(&trigger.definition).as_deref() == Some(bare))
            });
            let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
            if bare == "update_updated_at_column" && !others.is_empty() {
                let text = format!(
                    "{} have triggers that call {name}, which will set \"updatedAt\"",
                    others.join(", ")
                );
                obstacles.push((
                    text,
                    vec![format!("ALTER FUNCTION public.{name} RENAME TO set_updated_at_before")],
                ));
            }
        }
    }

    /// Moments that do not say of which zone they are.
    fn without_zone(&self, catalog: &Catalog) -> Option<(String, Vec<String>)> {
        let adopted = |name: &String| self.entities.contains_key(name) || is_own(name);
        let mut columns = Vec::new();
        for (name, table) in catalog.tables.iter().filter(|(name, _)| adopted(name)) {
            let moments =
                table.in_order().into_iter().filter(|(_, column)| column.ty.starts_with("timestamp without"));
            columns.extend(moments.map(|(column, _)| format!("{name}.{column}")));
        }
        let text = format!(
            "moments without a time zone are read and written as UTC, whatever they were written as: {}",
            columns.join(", ")
        );
        (!columns.is_empty()).then_some((text, Vec::new()))
    }

    /// What stays on adopted tables, and beside all tables.
    fn leftovers(&self, should: &Catalog, expected: &Catalog) -> Vec<Left> {
        let mut left = Vec::new();
        let none = Table::default();
        for name in self.entities.keys() {
            let (table, ours) = (&should.tables[name], expected.tables.get(name).unwrap_or(&none));
            let mut stays = |kind: &str, object: &str, reason: &str| {
                left.push(Left { object: format!("{kind} {object:?} of {name}"), reason: reason.to_owned() });
            };
            for (index, known) in table
                .indexes
                .iter()
                .filter(|(index, known)| !ours.indexes.contains_key(*index) && !known.primary)
            {
                let across = known.unique && !known.keys.iter().any(|key| key == "userId");
                stays(
                    "index",
                    index,
                    if across {
                        "it is unique among all owners: who is refused a value learns that somebody has it"
                    } else {
                        "no entity file asks for it"
                    },
                );
            }
            for (constraint, known) in &table.constraints {
                let is_said = ours.constraints.contains_key(constraint)
                    || ours.constraints.values().any(|own| own.rule == known.rule);
                if !is_said {
                    stays("constraint", constraint, &known.rule.definition());
                }
            }
            for trigger in table.triggers.keys().filter(|trigger| !ours.triggers.contains_key(*trigger)) {
                stays("trigger", trigger, "it runs for rows of the API, too");
            }
        }
        for object in
            should.others.keys().filter(|name| name.contains("view ") || name.starts_with("foreign table "))
        {
            let reason = "it shows what its owner may see, under the policies from now on".to_owned();
            left.push(Left { object: object.clone(), reason });
        }
        for (name, function) in should.functions.iter().filter(|(name, function)| {
            !is_own_function(name.trim_end_matches("()")) && !model::objects::is_keeper(function)
        }) {
            let renamed = self
                .renames
                .columns
                .iter()
                .find(|((table, _), old)| names(&function.body, old) && names(&function.body, table));
            let reason = match renamed {
                Some(((table, new), old)) => {
                    format!("it names {old}, which becomes {new} in {table}: see whether it means that one")
                }
                None => "no entity file asks for it".to_owned(),
            };
            left.push(Left { object: format!("function {name}"), reason });
        }
        left
    }
}

/// Hedgerow's own functions, which the sets make.
const OWN_FUNCTIONS: &[&str] = &["get_auth_user_id()", "update_updated_at_column()"];

impl Goal {
    /// The files of the first migration: forward and back. `before` are the statements that make Hedgerow's functions as
    /// they were, where they were.
    pub fn files(&self, sets: &[&str], roles: &Roles, before: &[String], note: &str) -> (String, String) {
        let mut sign = String::new();
        for set in sets {
            sign.push_str(&format!("-- hedgerow: core {set}\n"));
        }
        let names: Vec<String> = roles.all().iter().map(|role| role.quoted()).collect();
        let mut up = sign.clone() + &script::write(&self.plan, note);
        up.push_str(&format!("\nGRANT USAGE ON SCHEMA public TO {};\n", names.join(", ")));
        for sequence in &self.sequences {
            up.push_str(&format!(
                "GRANT USAGE ON SEQUENCE {sequence} TO {}, {};\n",
                roles.app.quoted(),
                roles.admin.quoted()
            ));
        }
        let mut back = sign + &script::write(&self.back, &format!("The way back of: {note}"));
        for (forward, backward) in sets.iter().filter_map(|set| ddl::beside_plans(set, roles, &self.kept)) {
            script::append(&mut up, &forward);
            // First what was made last: it points at the tables of the plan.
            script::prepend(&mut back, &backward);
        }
        let makes_them = ddl::core(roles).first().is_some_and(|set| sets.contains(&set.name));
        let functions = if makes_them { OWN_FUNCTIONS } else { &[] };
        for function in functions {
            let was =
                before.iter().find(|statement| statement.contains(&format!("FUNCTION public.{function}")));
            let statement = was
                .map_or_else(|| format!("DROP FUNCTION public.{function}"), |was| was.trim_end().to_owned());
            back.push_str(&format!("\n{statement};\n"));
        }
        (up, back)
    }
}

/// Whether a change is about what numbers of metadata are compared by.
fn is_number(object: &str) -> bool {
    let name = object.strip_prefix("column ").and_then(|rest| rest.split(" of ").next());
    name.is_some_and(|name| name == format!("{:?}", model::metas::NUMBER_COLUMN))
}

fn is_own(table: &str) -> bool {
    model::OWN_TABLES.contains(&table)
}

fn is_own_function(name: &str) -> bool {
    ddl::own_function(&format!("{name}()")).is_some()
}

/// Takes off what the entity's own rules say better: keys within the owner for keys by the id alone, whose two refusals
/// would tell a row of somebody else from one that is not there; the same index or trigger under another name, which is
/// renamed; policies of others, which nothing reaches under the floors.
fn replace(table: &mut Table, ours: &Table) {
    let columns_of = |rule: &Rule| match rule {
        Rule::References { columns, .. } => columns.last().cloned(),
        _ => None,
    };
    let pointing: Vec<Option<String>> = ours.constraints.values().map(|own| columns_of(&own.rule)).collect();
    table.constraints.retain(|name, known| {
        let column = columns_of(&known.rule);
        column.is_none() || ours.constraints.contains_key(name) || !pointing.contains(&column)
    });
    let free: BTreeMap<&String, &Index> =
        ours.indexes.iter().filter(|(name, _)| !table.indexes.contains_key(*name)).collect();
    let twin = |known: &Index| {
        free.values()
            .any(|own| Index { comment: None, ..(*own).clone() } == Index { comment: None, ..known.clone() })
    };
    let gone: Vec<String> = table
        .indexes
        .iter()
        .filter(|(name, known)| !ours.indexes.contains_key(*name) && !known.primary && twin(known))
        .map(|(name, _)| name.clone())
        .collect();
    for name in gone {
        table.indexes.remove(&name);
    }
    table.triggers.retain(|name, known| {
        ours.triggers.contains_key(name)
            || ours.triggers.values().all(|own| own.definition != known.definition)
    });
    table.policies.clear();
}

/// Columns of Hedgerow's own tables that it does not know and that must have a value, and users that would not go.
fn needs_of_users(catalog: &Catalog, expected: &Catalog) -> Vec<(String, Vec<String>)> {
    let mut needs = Vec::new();
    for (name, table) in catalog.tables.iter().filter(|(name, _)| is_own(name)) {
        let Some(ours) = expected.tables.get(name) else { continue };
        let needed = table.columns.iter().filter(|(name, column)| {
            column.not_null
                && column.default.is_none()
                && !column.generated
                && column.identity.is_none()
                && !ours.columns.contains_key(*name)
        });
        let needed: Vec<&str> = needed.map(|(name, _)| name.as_str()).collect();
        let table_name = crate::diff::quote(name);
        if !needed.is_empty() {
            let remedy = needed.iter().map(|name| {
                format!(
                    "ALTER TABLE public.{table_name} ALTER COLUMN {} DROP NOT NULL",
                    crate::diff::quote(name)
                )
            });
            let text = format!(
                "{} of {table_name} must have a value and has no default, so {}",
                needed.join(", "),
                match name.as_str() {
                    "user" => "`hedgerow user create` cannot make users",
                    "api_keys" => "`hedgerow key create` cannot make keys",
                    "user_metas" | "global_metas" => "no metadata can be written",
                    _ => "Hedgerow's sign-in cannot write it",
                }
            );
            needs.push((text, remedy.collect()));
        }
        let holds = |key: &Rule| {
            matches!(key, Rule::References { columns, table, on_delete, .. }
                if columns == &["userId"] && table == "user" && on_delete != "CASCADE"
                    && !(name == ddl::audit::TABLE && on_delete == "SET NULL"))
        };
        for (key, _) in table.constraints.iter().filter(|(_, key)| holds(&key.rule)) {
            let text = format!(
                "users who have rows in {table_name} cannot be deleted: {key} does not say ON DELETE CASCADE"
            );
            let key = crate::diff::quote(key);
            let statement = format!(
                "ALTER TABLE public.{table_name} DROP CONSTRAINT {key}, ADD CONSTRAINT {key} FOREIGN KEY (\"userId\") \
                 REFERENCES public.\"user\" (id) ON DELETE CASCADE"
            );
            needs.push((text, vec![statement]));
        }
    }
    needs
}

/// What Hedgerow's own statements rely on, in a table of its own that others made.
fn complete(
    name: &str,
    is: &Table,
    wanted: &Table,
    target: &mut Table,
    obstacles: &mut Vec<(String, Vec<String>)>,
) {
    for (column, missing) in target.columns.iter_mut().filter(|(column, _)| !is.columns.contains_key(*column))
    {
        if !missing.not_null || missing.default.is_some() {
        } else if missing.ty.starts_with("timestamp") {
            // Rows that are there get one.
            missing.default = Some(Expression::read("CURRENT_TIMESTAMP"));
        } else if name != "user" {
            let text = format!("{name} has no column {column:?}, which every row needs");
            let table = crate::diff::quote(name);
            let aside = vec![format!(
                "ALTER TABLE public.{table} RENAME TO {}",
                crate::diff::quote(&format!("{name}_before"))
            )];
            obstacles.push((text, aside));
        }
    }
    for (name, index) in &wanted.indexes {
        let is_there = is.indexes.values().any(|known| {
            let same = if index.unique {
                known.unique && known.keys == index.keys
            } else {
                known.keys.first() == index.keys.first()
            };
            same && known.condition.is_none() && known.valid
        });
        if !is_there && index.primary && is.indexes.values().any(|known| known.primary) {
            // A table has one primary key, and this one has another.
            let name = Identifier::joined(
                &[&[name.trim_end_matches("_pkey")], &*strings(&index.keys), &["key"]].concat(),
            );
            let index = Index { primary: false, ..index.clone() };
            target.indexes.insert(name.to_string(), index);
        } else if !is_there {
            target.indexes.insert(name.clone(), index.clone());
        }
    }
    for (name, constraint) in &wanted.constraints {
        let Rule::References { columns, .. } = &constraint.rule else { continue };
        let is_there = is.constraints.values().any(
            |known| matches!(&known.rule, Rule::References { columns: own, table, .. } if own == columns && table == "user"),
        );
        if !is_there {
            target.constraints.insert(name.clone(), constraint.clone());
        }
    }
}

fn strings(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn close(table: &mut Table, closed: &Closed, roles: &Roles) {
    match (closed.to, Identifier::parse(&closed.table)) {
        (ClosedTo::AllButSignIn, Ok(name)) => {
            table.policies.clear();
            model::protect(table, &policy::for_sign_in(&name, roles));
        }
        _ => model::restrict(table, &policy::closed()),
    }
}

/// The sequence that a default takes the next number of.
fn sequence(default: &Expression) -> Option<String> {
    let Node::Call(name, arguments) = default.meaning() else { return None };
    let name_of = |node: &Node| match node {
        Node::Literal(text) => Some(text.clone()),
        Node::Cast(inner, _) => match &**inner {
            Node::Literal(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    let sequence = arguments.first().filter(|_| name == "nextval").and_then(name_of)?;
    Some(if sequence.contains('.') { sequence } else { format!("public.{sequence}") })
}

/// The function that a trigger calls.
fn called(definition: &str) -> Option<String> {
    let (_, call) = definition.split_once("EXECUTE FUNCTION ")?;
    Some(call.split('(').next().unwrap_or(call).to_owned())
}

fn body_of<'c>(catalog: &'c Catalog, function: &str) -> Option<&'c str> {
    catalog.functions.get(&format!("{function}()")).map(|function| function.body.as_str())
}

/// Whether the word stands in the text.
fn names(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|own| own == word)
}

/// Whether a trigger's function sets this column to the current time and does nothing else.
fn only_sets(body: &str, column: &str) -> bool {
    let plain: String =
        body.chars().filter(|c| !c.is_whitespace() && *c != '"').collect::<String>().to_lowercase();
    let column = column.to_lowercase();
    ["now()", "current_timestamp", "clock_timestamp()", "transaction_timestamp()"].iter().any(|now| {
        [":=", "="].iter().any(|sign| {
            let wanted = format!("beginnew.{column}{sign}{now};returnnew;end");
            plain == wanted || plain == format!("{wanted};")
        })
    })
}
