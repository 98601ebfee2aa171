//! A database that others made, as entities: which tables can be one, the text of their files, and the first migration
//! that makes the database safe to serve (`adopt/goal.rs`).
//!
//! Always holds: no row is changed, and what an entity file cannot say stays as it is. A table that cannot be an entity
//! is closed, with the reason and the statements that would change it: never left open, never guessed at.

mod column;
mod goal;
mod metas;
mod survey;
mod to_text;

use std::collections::BTreeMap;

pub use goal::Goal;
pub use survey::{About, Question};

use crate::catalog::{Catalog, Constraint, Rule, Table};
use crate::diff::{Renames, quote};
use crate::{EntityFile, Schema, model};

/// What is made of a database.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The tables that become entities, with their files, by name.
    pub entities: BTreeMap<String, Adopted>,
    /// What the files say.
    pub schema: Schema,
    /// Standard columns that had other names.
    pub renames: Renames,
    /// The tables that become no entities.
    pub closed: Vec<Closed>,
    /// Columns that stay without being fields.
    pub left: Vec<Left>,
}

/// A table that becomes an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Its file.
    pub file: EntityFile,
    /// What the owner's column is called now.
    pub owner: String,
}

/// A table that becomes no entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Its name.
    pub table: String,
    /// Why.
    pub reason: String,
    /// Statements after which it could be adopted, if there are any.
    pub remedy: Vec<String>,
    /// Whether sign-in may use it; otherwise nobody may.
    pub to: ClosedTo,
}

/// Whom a closed table still serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedTo {
    /// Nobody.
    Everyone,
    /// Everyone but sign-in.
    AllButSignIn,
}

/// Something that stays as it is, because an entity file cannot say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Such as `index "tasks_title_idx" of tasks`.
    pub object: String,
    /// Why, or what it means.
    pub reason: String,
}

/// Columns, and with an empty column whole tables, that are known not to fit, with the reason.
pub type SetAside = BTreeMap<(String, String), String>;

/// Tables of Better Auth's plugins that a server of its own beside Hedgerow uses, and nobody else.
const PLUGINS: &[&str] = &["passkey", "deviceCode", "apikey", "rateLimit"];
/// What the owner's column may be called, the best first.
const OWNERS: &[&str] = &["userId", "user_id", "owner_id", "ownerId"];

/// The names of an entity's standard columns, as the table has them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    owner: String,
    created: Option<String>,
    updated: Option<String>,
    /// Whether rows say when they were deleted.
    has_trash: bool,
}

impl Standing {
    fn renames(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pairs = [
            ("userId", Some(&self.owner)),
            ("createdAt", self.created.as_ref()),
            ("updatedAt", self.updated.as_ref()),
        ];
        pairs.into_iter().filter_map(|(new, old)| Some((new, old?.as_str())))
    }

    fn has(&self, column: &str) -> bool {
        column == "id" || column == model::DELETED_COLUMN || self.renames().any(|(_, old)| old == column)
    }
}

impl Adoption {
    /// Makes entities of every table that can be one.
    pub fn of(catalog: &Catalog, mut aside: SetAside) -> Self {
        loop {
            let (standing, closed) = choose(catalog, &aside);
            let mut left = Vec::new();
            let drafts: Vec<(String, column::Written)> = standing
                .iter()
                .map(|(name, columns)| {
                    let table = &catalog.tables[name];
                    (name.clone(), column::write(name, table, columns, &standing, &aside, &mut left))
                })
                .collect();
            let files: Vec<EntityFile> = drafts.iter().map(|(name, draft)| file(name, &draft.text)).collect();
            match Schema::parse(&files) {
                Ok(schema) => return finish(catalog, standing, schema, files, closed, left),
                Err(problems) => {
                    for problem in problems.0 {
                        let Some((name, draft)) =
                            drafts.iter().find(|(name, _)| file_name(name) == problem.file)
                        else {
                            continue;
                        };
                        let column = draft.column_at(problem.line).unwrap_or_default();
                        let hint = problem.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                        aside.entry((name.clone(), column)).or_insert(format!("{}{hint}", problem.message));
                    }
                }
            }
        }
    }
}

fn file_name(table: &str) -> String {
    format!("entities/{table}.toml")
}

fn file(table: &str, text: &str) -> EntityFile {
    EntityFile { name: file_name(table), text: text.to_owned() }
}

fn finish(
    catalog: &Catalog,
    standing: BTreeMap<String, Standing>,
    schema: Schema,
    files: Vec<EntityFile>,
    closed: Vec<Closed>,
    mut left: Vec<Left>,
) -> Adoption {
    let mut renames = Renames::default();
    for (table, columns) in &standing {
        for (new, old) in columns.renames().filter(|(new, old)| new != old) {
            renames.columns.insert((table.clone(), new.to_owned()), old.to_owned());
        }
    }
    for (name, table) in catalog.tables.iter().filter(|(name, _)| standing.contains_key(*name)) {
        if let Some(comment) = &table.comment {
            let reason = format!("it becomes the first line of the file: {comment:?}");
            left.push(Left { object: format!("comment of {name}"), reason });
        }
    }
    let entities = standing.into_iter().zip(files);
    let entities =
        entities.map(|((name, columns), file)| (name, Adopted { file, owner: columns.owner })).collect();
    Adoption { entities, schema, renames, closed, left }
}

/// The tables that can be entities, and why the others cannot.
fn choose(catalog: &Catalog, aside: &SetAside) -> (BTreeMap<String, Standing>, Vec<Closed>) {
    let (mut standing, mut closed) = (BTreeMap::new(), Vec::new());
    for (name, table) in &catalog.tables {
        let is = |list: &[&str]| list.contains(&name.as_str());
        let to = if is(PLUGINS) { ClosedTo::AllButSignIn } else { ClosedTo::Everyone };
        let mut close = |reason: String, remedy| {
            closed.push(Closed { table: name.clone(), reason, remedy, to });
        };
        if is(model::OWN_TABLES) {
        } else if is(PLUGINS) {
            close("only a Better Auth server uses it".to_owned(), Vec::new());
        } else if let Some(found) = metas::found(catalog, name, table) {
            close(found.reason, found.remedy);
        } else if let Some(reason) = aside.get(&(name.clone(), String::new())) {
            close(reason.clone(), Vec::new());
        } else {
            match stand(catalog, name, table) {
                Ok(columns) => {
                    standing.insert(name.clone(), columns);
                }
                Err(unfit) => close(unfit.reasons.join("; "), unfit.remedy),
            }
        }
    }
    (standing, closed)
}

/// Reasons why a table cannot be an entity, and statements that would change it.
#[derive(Default)]
struct Unfit {
    reasons: Vec<String>,
    remedy: Vec<String>,
}

impl Unfit {
    fn note(&mut self, reason: impl Into<String>, remedy: Vec<String>) {
        self.reasons.push(reason.into());
        self.remedy.extend(remedy);
    }
}

/// The standard columns of a table, or why it has none.
fn stand(catalog: &Catalog, name: &str, table: &Table) -> Result<Standing, Unfit> {
    let mut unfit = Unfit::default();
    let rename = |old: &str, new: &str| {
        vec![format!("ALTER TABLE public.{} RENAME COLUMN {} TO {}", quote(name), quote(old), quote(new))]
    };
    key_fits(catalog, name, table, &mut unfit);
    let owner =
        OWNERS.iter().find(|owner| table.columns.contains_key(**owner)).map(|owner| (*owner).to_owned());
    match &owner {
        Some(owner) => owner_fits(catalog, name, table, owner, &mut unfit),
        None => {
            let others: Vec<&str> = table.constraints.values().filter_map(points_at_user).collect();
            if others.is_empty() {
                let reason = "it has no column that says whose a row is (userId, user_id or owner_id, the id of a user); \
                              what everybody reads belongs to an administrator";
                let table = quote(name);
                let remedy = vec![
                    format!(
                        "ALTER TABLE public.{table} ADD COLUMN \"userId\" text REFERENCES public.\"user\" (id) ON DELETE CASCADE"
                    ),
                    format!("-- UPDATE public.{table} SET \"userId\" = '…' for every row"),
                ];
                unfit.note(reason, remedy);
            } else {
                let reason = format!(
                    "it has no column that says whose a row is, unless it is {}",
                    others.join(" or ")
                );
                unfit.note(reason, others.iter().flat_map(|old| rename(old, "userId")).collect());
            }
        }
    }
    let trash = table.columns.get(model::DELETED_COLUMN);
    if let Some(column) = trash.filter(|column| !column.ty.starts_with("timestamp")) {
        let name = model::DELETED_COLUMN;
        let reason = format!("its {name} is {}, and {name} is when a row was deleted", column.ty);
        unfit.note(reason, rename(name, "removed"));
    }
    let mut moment = |new: &str, old: &str| {
        let is_moment =
            |name: &str| table.columns.get(name).is_some_and(|column| column.ty.starts_with("timestamp"));
        match table.columns.get(new) {
            Some(column) if !is_moment(new) => {
                unfit.note(format!("its {new} is {}, not a timestamp", column.ty), rename(new, old));
                None
            }
            Some(_) => Some(new.to_owned()),
            None => is_moment(old).then(|| old.to_owned()),
        }
    };
    let (created, updated) = (moment("createdAt", "created_at"), moment("updatedAt", "updated_at"));
    match owner {
        Some(owner) if unfit.reasons.is_empty() => {
            Ok(Standing { owner, created, updated, has_trash: trash.is_some() })
        }
        _ => Err(unfit),
    }
}

fn key_fits(catalog: &Catalog, name: &str, table: &Table, unfit: &mut Unfit) {
    let primary = table.indexes.values().find(|index| index.primary).map(|index| index.keys.as_slice());
    match primary {
        Some([key]) if key == "id" => {}
        Some([key]) if !table.columns.contains_key("id") => {
            let reason = format!("its primary key is called {key}; an entity's is called id");
            let sql = format!("ALTER TABLE public.{} RENAME COLUMN {} TO id", quote(name), quote(key));
            unfit.note(reason, vec![sql]);
        }
        Some(keys) => unfit.note(format!("its primary key is ({}), not (id)", keys.join(", ")), Vec::new()),
        None if table.columns.contains_key("id") => unfit.note("its id is no primary key", Vec::new()),
        None => {
            let add = "ADD COLUMN id text PRIMARY KEY DEFAULT gen_random_uuid()::text";
            let sql = format!("ALTER TABLE public.{} {add}", quote(name));
            unfit.note("it has no primary key; an entity has a text column id", vec![sql]);
        }
    }
    if let Some(id) = table.columns.get("id").filter(|id| plain(&id.ty) != "text") {
        let reason = format!("its id is {}, and an entity's id is text", id.ty);
        unfit.note(reason, to_text::statements(catalog, name, "id"));
    }
}

fn owner_fits(catalog: &Catalog, name: &str, table: &Table, owner: &str, unfit: &mut Unfit) {
    let ty = &table.columns[owner].ty;
    let elsewhere = table.constraints.values().find_map(|constraint| match &constraint.rule {
        Rule::References { columns, table, .. } if columns == &[owner] && table != "user" => Some(table),
        _ => None,
    });
    if let Some(elsewhere) = elsewhere {
        unfit.note(format!("its owner {owner} points at {elsewhere}, not at \"user\""), Vec::new());
    } else if plain(ty) != "text" {
        let reason = format!("its owner {owner} is {ty}, and the id of a user is text");
        unfit.note(reason, to_text::statements(catalog, name, owner));
    }
}

/// A type without the order of its texts, which a column keeps.
fn plain(ty: &str) -> &str {
    ty.split_once(" COLLATE ").map_or(ty, |(plain, _)| plain)
}

/// The one column that names a user.
fn points_at_user(constraint: &Constraint) -> Option<&str> {
    match &constraint.rule {
        Rule::References { columns, table, .. } if table == "user" => match columns.as_slice() {
            [column] => Some(column),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
