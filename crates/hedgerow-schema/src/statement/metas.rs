//! Statements about metadata: of rows, of users, and of what all share.
//!
//! Always holds: a meta of a row is reached through the row, so it is there for whom the row is there; a value-only update leaves
//! the flags, and the type where the value fits it.

use super::conditions::Conditions;
use super::{ASIDE, Asker, Expected, OutputColumn, Query, VERSION};
use crate::meta::{self, DataType, MetaChanges, MetaValue, MetaWrite};
use crate::model::metas;
use crate::{Bind, Entity, Identifier, Sql, SqlType, ddl};

/// Whose metadata.
#[derive(Clone, Copy, Debug)]
pub enum MetasOf<'a> {
    /// That of the user who asks.
    User,
    /// What of another user's is public.
    Other(&'a str),
    /// That of a row.
    Row(&'a Entity, &'a str),
    /// What all share.
    Global,
}

impl MetasOf<'_> {
    /// The table.
    pub fn table(self) -> Identifier {
        match self {
            Self::User | Self::Other(_) => meta::user_table(),
            Self::Row(entity, _) => ddl::metas_table(entity),
            Self::Global => meta::global_table(),
        }
    }

    /// What is unique in it.
    fn key(self) -> &'static [&'static str] {
        match self {
            Self::User | Self::Other(_) => &["userId", "metaKey"],
            Self::Row(entity, _) => metas::key(entity),
            Self::Global => &["metaKey"],
        }
    }

    /// `WHERE` these: those that `asker` may read, or may write.
    fn conditions(self, sql: &mut Sql, asker: Asker<'_>, purpose: Purpose) -> Conditions {
        let mut conditions = Conditions::new();
        match self {
            Self::User => conditions.owner(sql, asker),
            Self::Other(user) => {
                conditions.next(sql);
                sql.push("\"userId\" = ").bind(Bind::text(user));
                // One's own are seen under the same address; the policy decides about the others.
                conditions.next(sql);
                sql.push("(\"isPublic\" OR ");
                match asker {
                    Asker::User(own) => sql.push("\"userId\" = ").bind(Bind::text(own)),
                    Asker::Anonymous => sql.push("false"),
                };
                sql.push(")");
            }
            Self::Row(entity, id) => {
                conditions.next(sql);
                sql.push("\"entityId\" = ").bind(Bind::text(id));
                conditions.next(sql);
                // The owner leads the key, and is found with the row.
                let by_owner = entity.access.write_names_owner();
                sql.push(if by_owner {
                    "\"userId\" = (SELECT \"userId\" FROM public."
                } else {
                    "EXISTS (SELECT FROM public."
                });
                sql.name(&entity.name);
                let mut row = Conditions::new();
                row.id(sql, id);
                match purpose {
                    Purpose::Read if entity.access.read_names_owner() => {
                        row.owner(sql, asker);
                        row.alive(sql, entity);
                    }
                    Purpose::Read => row.alive(sql, entity),
                    Purpose::Write => row.writable(sql, entity, asker),
                }
                sql.push(")");
            }
            Self::Global => {}
        }
        conditions
    }
}

#[derive(Clone, Copy)]
enum Purpose {
    Read,
    Write,
}

/// What answers show of a meta.
const COLUMNS: [(&str, SqlType); 7] = [
    ("key", SqlType::Text),
    ("value", SqlType::Json),
    ("dataType", SqlType::Text),
    ("isPublic", SqlType::Bool),
    ("isSearchable", SqlType::Bool),
    ("createdAt", SqlType::Timestamptz),
    ("updatedAt", SqlType::Timestamptz),
];

fn columns(sql: &mut Sql) {
    sql.push("\"metaKey\", ").push(JSON);
    sql.push(", \"dataType\", COALESCE(\"isPublic\", false), COALESCE(\"isSearchable\", false), ");
    sql.push("\"createdAt\"::timestamptz, \"updatedAt\"::timestamptz, \"metaKey\", ").push(VERSION);
}

/// The value as JSON. Another program may have called something a number or a boolean that is none.
const JSON: &str = "CASE WHEN \"metaNumber\" IS NOT NULL OR \"dataType\" = 'json' \
    OR \"dataType\" = 'boolean' AND \"metaValue\" IN ('true', 'false') THEN \"metaValue\"::json ELSE to_json(\"metaValue\") END";

/// What is shown, and key and version aside.
fn query(sql: Sql) -> Query {
    let shown = COLUMNS.map(|(key, ty)| OutputColumn { key: Some(key.to_owned()), ty });
    Query { sql, columns: shown.into_iter().chain(ASIDE.map(|ty| OutputColumn { key: None, ty })).collect() }
}

/// One meta; key and version aside.
pub fn one(of: MetasOf<'_>, key: &str, asker: Asker<'_>) -> Query {
    let mut sql = selected(of);
    let mut conditions = of.conditions(&mut sql, asker, Purpose::Read);
    conditions.next(&mut sql);
    sql.push("\"metaKey\" = ").bind(Bind::text(key));
    query(sql)
}

/// All of them in order of their keys, or those with these keys; keys and versions aside.
pub fn all(of: MetasOf<'_>, keys: Option<&[&str]>, asker: Asker<'_>) -> Query {
    let mut sql = selected(of);
    let mut conditions = of.conditions(&mut sql, asker, Purpose::Read);
    if let Some(keys) = keys {
        conditions.next(&mut sql);
        sql.push("\"metaKey\" = ANY (").bind(Bind::list(keys.iter().copied())).push(")");
    }
    sql.push(" ORDER BY \"metaKey\" COLLATE \"C\"");
    query(sql)
}

fn selected(of: MetasOf<'_>) -> Sql {
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql);
    sql.push(" FROM public.").name(&of.table());
    sql
}

/// How many there are.
pub fn how_many(of: MetasOf<'_>, asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("SELECT count(*) FROM public.");
    sql.name(&of.table());
    of.conditions(&mut sql, asker, Purpose::Read);
    sql
}

/// What has to be as it was for a meta to be written.
#[derive(Clone, Copy, Debug)]
pub enum Only<'a> {
    /// There is none.
    IfAbsent,
    /// There is one.
    IfPresent,
    /// It has one of these versions.
    IfVersion(&'a [i64]),
    /// It has this value.
    IfValue(&'a MetaValue),
}

/// Gives keys their values; returns what is there then; key, version and whether it is new aside.
pub fn put(of: MetasOf<'_>, writes: &[MetaWrite], asker: Asker<'_>) -> Query {
    let mut sql = insertion(of.table(), matches!(of, MetasOf::Row(..)));
    match of {
        MetasOf::Row(entity, id) => given(&mut sql, writes, |sql| row(sql, entity, id, asker)),
        _ => given_plain(&mut sql, writes),
    }
    on_conflict(&mut sql, of.key(), writes);
    sql.push(" RETURNING ");
    columns(&mut sql);
    // ON CONFLICT locks the row that is there before it changes it, and nobody has locked a new one.
    sql.push(", xmax = 0");
    let mut query = query(sql);
    query.columns.push(OutputColumn { key: None, ty: SqlType::Bool });
    query
}

/// The same for one key, on a condition; returns nothing where it does not hold.
pub fn put_only(of: MetasOf<'_>, write: &MetaWrite, only: Only<'_>, asker: Asker<'_>) -> Query {
    let mut sql;
    match only {
        Only::IfAbsent => {
            let writes = std::slice::from_ref(write);
            sql = insertion(of.table(), matches!(of, MetasOf::Row(..)));
            match of {
                MetasOf::Row(entity, id) => given(&mut sql, writes, |sql| row(sql, entity, id, asker)),
                _ => given_plain(&mut sql, writes),
            }
            sql.push(" ON CONFLICT (");
            names(&mut sql, of.key());
            sql.push(") DO NOTHING");
        }
        Only::IfPresent | Only::IfVersion(_) | Only::IfValue(_) => {
            sql = Sql::new("UPDATE public.");
            sql.name(&of.table()).push(" AS own SET ");
            let bound = |text: &'_ str| {
                let bind = Bind::text(text);
                move |sql: &mut Sql| {
                    sql.bind(bind.clone());
                }
            };
            let (key, value) = (bound(&write.key), bound(write.value.text()));
            let data_type = bound(write.value.data_type().name());
            changed(&mut sql, std::slice::from_ref(write), &key, &value, &data_type);
            let mut conditions = of.conditions(&mut sql, asker, Purpose::Write);
            conditions.next(&mut sql);
            sql.push("\"metaKey\" = ").bind(Bind::text(write.key.clone()));
            match only {
                Only::IfVersion(versions) => conditions.version(&mut sql, Expected::Versions(versions)),
                Only::IfValue(value) => {
                    conditions.next(&mut sql);
                    sql.push("\"metaValue\" = ").bind(Bind::text(value.text()));
                    conditions.next(&mut sql);
                    let types = if value.data_type() == DataType::Text {
                        vec![DataType::Text.name(), DataType::String.name()]
                    } else {
                        vec![value.data_type().name()]
                    };
                    sql.push("\"dataType\" = ANY (").bind(Bind::list(types)).push(")");
                }
                Only::IfAbsent | Only::IfPresent => {}
            }
        }
    }
    sql.push(" RETURNING ");
    columns(&mut sql);
    query(sql)
}

/// Deletes these keys, where they have one of these versions.
pub fn remove(of: MetasOf<'_>, keys: &[&str], expected: Expected<'_>, asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("DELETE FROM public.");
    sql.name(&of.table());
    let mut conditions = of.conditions(&mut sql, asker, Purpose::Write);
    conditions.next(&mut sql);
    sql.push("\"metaKey\" = ANY (").bind(Bind::list(keys.iter().copied())).push(")");
    conditions.version(&mut sql, expected);
    sql
}

/// Fails with a division by zero where there are more than `most`: sent behind what writes, so that nothing of it stays.
pub fn at_most(of: MetasOf<'_>, most: u32, asker: Asker<'_>) -> Sql {
    let mut sql = bounded(most);
    sql.name(&of.table());
    of.conditions(&mut sql, asker, Purpose::Write);
    sql
}

/// `SELECT …` what fails where a group has more rows than `most`, `FROM public.`
fn bounded(most: u32) -> Sql {
    // A decision that the planner cannot make before it counts.
    let mut sql = Sql::new("SELECT 1 / (count(*) <= ");
    sql.number(most.into()).push(")::int FROM public.");
    sql
}

/// The metadata that a user meets at a row: `level`, key, value and type of each, the farthest level first; a row without a
/// key says that there is the row.
pub fn merged(entity: &Entity, id: &str, asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("SELECT 0, NULL::text, NULL::text, NULL::text FROM public.");
    sql.name(&entity.name);
    let mut row = Conditions::new();
    row.id(&mut sql, id);
    if entity.access.read_names_owner() {
        row.owner(&mut sql, asker);
    }
    row.alive(&mut sql, entity);
    sql.push(" UNION ALL ");
    set_at(&mut sql, 1, MetasOf::Global);
    if entity.metadata.is_some() {
        sql.push(" UNION ALL ");
        set_at(&mut sql, 2, MetasOf::Row(entity, id)).conditions(&mut sql, asker, Purpose::Read);
    }
    if matches!(asker, Asker::User(_)) {
        sql.push(" UNION ALL ");
        set_at(&mut sql, 3, MetasOf::User).conditions(&mut sql, asker, Purpose::Read);
    }
    sql
}

/// The same of what a user meets anywhere: what they set for themselves, and what all share.
pub fn merged_of_user(asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("");
    set_at(&mut sql, 1, MetasOf::Global);
    sql.push(" UNION ALL ");
    set_at(&mut sql, 3, MetasOf::User).conditions(&mut sql, asker, Purpose::Read);
    sql
}

/// `SELECT … FROM` what is set there; the level stands in front, its place in [`meta::Level::SET`] from 1.
fn set_at<'a>(sql: &mut Sql, level: u64, of: MetasOf<'a>) -> MetasOf<'a> {
    sql.push("SELECT ").number(level);
    sql.push(", \"metaKey\", \"metaValue\", \"dataType\" FROM public.").name(&of.table());
    of
}

/// What becomes of the metadata of one row or of several, which `which` selects, beside what else is written of them.
pub(super) fn beside(entity: &Entity, changes: &MetaChanges, which: impl Fn(&mut Sql)) -> Vec<Sql> {
    let table = ddl::metas_table(entity);
    let mut statements = Vec::new();
    if !changes.remove.is_empty() {
        let mut sql = Sql::new("DELETE FROM public.");
        sql.name(&table).push(" WHERE \"entityId\" IN (SELECT id FROM public.").name(&entity.name);
        which(&mut sql);
        sql.push(") AND \"metaKey\" = ANY (");
        sql.bind(Bind::list(changes.remove.iter().map(String::as_str))).push(")");
        statements.push(sql);
    }
    if !changes.set.is_empty() {
        let mut sql = insertion(table.clone(), true);
        given(&mut sql, &changes.set, |sql| {
            sql.push("SELECT id FROM public.").name(&entity.name);
            which(sql);
        });
        on_conflict(&mut sql, metas::key(entity), &changes.set);
        statements.push(sql);
        let mut sql = bounded(changes.most);
        sql.name(&table).push(" WHERE \"entityId\" IN (SELECT id FROM public.").name(&entity.name);
        which(&mut sql);
        sql.push(") GROUP BY \"entityId\"");
        statements.push(sql);
    }
    statements
}

/// The metadata of new rows: the ids and what each of them gets. No row has more keys than its request was let have.
pub(super) fn of_new(entity: &Entity, rows: &[(&str, &MetaChanges)]) -> Option<Sql> {
    let all: Vec<(&str, &MetaWrite)> =
        rows.iter().flat_map(|(id, changes)| changes.set.iter().map(move |write| (*id, write))).collect();
    if all.is_empty() {
        return None;
    }
    let mut sql = insertion(ddl::metas_table(entity), true);
    sql.push("SELECT * FROM unnest(").bind(Bind::list(all.iter().map(|(id, _)| *id)));
    let texts: [fn(&MetaWrite) -> &str; 3] =
        [|write| &write.key, |write| write.value.text(), |write| write.value.data_type().name()];
    for text in texts {
        sql.push(", ").bind(Bind::list(all.iter().map(|(_, write)| text(write))));
    }
    let flags: [fn(&MetaWrite) -> Option<bool>; 2] = [|write| write.is_public, |write| write.is_searchable];
    for flag in flags {
        let values = all.iter().map(|(_, write)| Some(word(flag(write).unwrap_or_default())));
        sql.push(", ").bind(Bind::array(SqlType::Bool, values));
    }
    sql.push(")");
    Some(sql)
}

fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// The row, where `asker` may write it.
fn row(sql: &mut Sql, entity: &Entity, id: &str, asker: Asker<'_>) {
    sql.push("SELECT id FROM public.").name(&entity.name);
    let mut conditions = Conditions::new();
    conditions.id(sql, id);
    conditions.writable(sql, entity, asker);
}

/// `INSERT INTO … AS own (…) `
fn insertion(table: Identifier, of_rows: bool) -> Sql {
    let mut sql = Sql::new("INSERT INTO public.");
    sql.name(&table).push(if of_rows { " AS own (\"entityId\", " } else { " AS own (" });
    sql.push("\"metaKey\", \"metaValue\", \"dataType\", \"isPublic\", \"isSearchable\") ");
    sql
}

const GIVEN_VALUES: &str =
    "given.key, given.value, given.type, COALESCE(given.public, false), COALESCE(given.searchable, false)";

/// `SELECT …` every value for every row that `rows` selects.
fn given(sql: &mut Sql, writes: &[MetaWrite], rows: impl Fn(&mut Sql)) {
    sql.push("SELECT target.id, ").push(GIVEN_VALUES).push(" FROM (");
    rows(sql);
    sql.push(") AS target CROSS JOIN ");
    values(sql, writes);
}

fn given_plain(sql: &mut Sql, writes: &[MetaWrite]) {
    sql.push("SELECT ").push(GIVEN_VALUES).push(" FROM ");
    values(sql, writes);
}

fn values(sql: &mut Sql, writes: &[MetaWrite]) {
    sql.push("unnest(").bind(Bind::list(writes.iter().map(|write| write.key.as_str())));
    sql.push(", ").bind(Bind::list(writes.iter().map(|write| write.value.text())));
    sql.push(", ").bind(Bind::list(writes.iter().map(|write| write.value.data_type().name())));
    flags(sql, writes);
    sql.push(") AS given (key, value, type, public, searchable)");
}

/// Both flags of each; NULL where nothing is said.
fn flags(sql: &mut Sql, writes: &[MetaWrite]) {
    let kinds: [fn(&MetaWrite) -> Option<bool>; 2] = [|write| write.is_public, |write| write.is_searchable];
    for kind in kinds {
        sql.push(", ").bind(Bind::array(SqlType::Bool, writes.iter().map(|write| kind(write).map(word))));
    }
}

fn on_conflict(sql: &mut Sql, key: &'static [&'static str], writes: &[MetaWrite]) {
    sql.push(" ON CONFLICT (");
    names(sql, key);
    sql.push(") DO UPDATE SET ");
    let excluded = |column: &'static str| {
        move |sql: &mut Sql| {
            sql.push("excluded.\"").push(column).push("\"");
        }
    };
    changed(sql, writes, &excluded("metaKey"), &excluded("metaValue"), &excluded("dataType"));
}

/// The columns of what is there, as they are with what is given for `key`: the flags that nobody names stay, and so does the
/// type of a value that fits it. A value may be large, and is sent once.
fn changed(
    sql: &mut Sql,
    writes: &[MetaWrite],
    key: &dyn Fn(&mut Sql),
    value: &dyn Fn(&mut Sql),
    data_type: &dyn Fn(&mut Sql),
) {
    sql.push("(\"metaValue\", \"dataType\", \"isPublic\", \"isSearchable\") = (SELECT ");
    sql.push("COALESCE(CASE WHEN own.\"dataType\" = 'datetime' THEN given.moment END, ");
    value(sql);
    sql.push("), CASE WHEN own.\"dataType\" = ANY (string_to_array(given.fitting, ' ')) THEN own.\"dataType\" ELSE ");
    data_type(sql);
    sql.push(" END, COALESCE(given.public, own.\"isPublic\", false), COALESCE(given.searchable, own.\"isSearchable\", false)");
    sql.push(" FROM unnest(").bind(Bind::list(writes.iter().map(|write| write.key.as_str())));
    let fitting: Vec<String> = writes
        .iter()
        .map(|write| write.fitting.iter().map(|fits| fits.name()).collect::<Vec<_>>().join(" "))
        .collect();
    sql.push(", ").bind(Bind::list(fitting.iter().map(String::as_str)));
    // A moment that came without its type is stored as moments are, where there is one already.
    let moments: Vec<Option<String>> = writes
        .iter()
        .map(|write| write.value.as_moment().filter(|_| write.fitting.contains(&DataType::Datetime)))
        .collect();
    sql.push(", ").bind(Bind::array(SqlType::Text, moments.iter().map(Option::as_deref)));
    flags(sql, writes);
    sql.push(") AS given (key, fitting, moment, public, searchable) WHERE given.key = ");
    key(sql);
    sql.push(")");
}

fn names(sql: &mut Sql, columns: &'static [&'static str]) {
    sql.join(", ", columns, |sql, column| {
        sql.push("\"").push(column).push("\"");
    });
}
