//! Statements that write rows, and return what became of them.

use super::conditions::Conditions;
use super::place::Place;
use super::{Asker, Query, aside, output_and_aside, parameter, rows_and_aside, select_list};
use crate::query::{Filter, Selected};
use crate::write::RowInput;
use crate::{Bind, Column, Entity, Field, Identifier, Sql, SqlType, ddl};

/// New rows that all have the same fields; `ids` and `rows` go together. Rows come back in the same order.
///
/// # Panics
/// When rows differ in their fields; the caller groups them.
pub fn insert(
    entity: &Entity,
    ids: &[String],
    rows: &[&RowInput<'_>],
    returning: Option<&[Selected<'_>]>,
    asker: Asker<'_>,
) -> Query {
    finish(insertion(entity, ids, rows), entity, returning, asker)
}

/// `INSERT INTO` the entity's table these rows, up to what happens behind.
pub(super) fn insertion(entity: &Entity, ids: &[String], rows: &[&RowInput<'_>]) -> Sql {
    let mut sql = Sql::new("INSERT INTO public.");
    sql.name(&entity.name).push(" (id");
    let fields: Vec<_> = rows.first().map(|row| row.fields()).unwrap_or_default();
    for field in &fields {
        sql.push(", ").name(&field.name);
    }
    sql.push(") ");
    if let ([id], [row]) = (ids, rows) {
        sql.push("VALUES (").bind(Bind::text(id.clone()));
        for (field, bind) in &row.values {
            sql.push(", ");
            parameter(&mut sql, Column::Field(field), bind);
        }
        sql.push(")");
    } else {
        // One array for each column: the statement's text does not depend on the number of rows.
        let casts: Vec<&'static str> = fields.iter().map(|field| item_cast(field)).collect();
        let has_casts = casts.iter().any(|cast| !cast.is_empty());
        sql.push("SELECT ");
        if has_casts {
            sql.push("id");
            for (field, cast) in fields.iter().zip(casts) {
                sql.push(", ").name(&field.name).push(cast);
            }
        } else {
            sql.push("*");
        }
        unnest(&mut sql, ids.iter().map(String::as_str), &fields, rows);
        if has_casts {
            sql.push(" AS given");
            given_names(&mut sql, &fields);
        }
    }
    sql
}

/// `FROM unnest(…)`: one array for the ids, and one for each field of the rows.
fn unnest<'i>(
    sql: &mut Sql,
    ids: impl IntoIterator<Item = &'i str>,
    fields: &[&Field],
    rows: &[&RowInput<'_>],
) {
    sql.push(" FROM unnest(").bind(Bind::array(SqlType::Text, ids.into_iter().map(Some)));
    for (at, field) in fields.iter().enumerate() {
        let items = rows.iter().map(|row| {
            let (own, bind) = &row.values[at];
            assert_eq!(own.name, field.name, "rows of one statement have the same fields");
            bind.value.as_deref()
        });
        sql.push(", ").bind(Bind::array(field.kind.sql_type(), items));
    }
    sql.push(")");
}

/// How the columns of [`unnest`] are called.
fn given_names(sql: &mut Sql, fields: &[&Field]) {
    sql.push(" (id");
    for field in fields {
        sql.push(", ").name(&field.name);
    }
    sql.push(")");
}

/// Which version of a row a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// Whichever there is.
    Any,
    /// One of these; there is no such row in any other.
    Versions(&'a [i64]),
}

/// Changes one row.
pub fn update_one(
    entity: &Entity,
    id: &str,
    row: &RowInput<'_>,
    select: &[Selected<'_>],
    expected: Expected<'_>,
    asker: Asker<'_>,
) -> Query {
    let (mut sql, returning) = update(entity, row, select, asker);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    conditions.writable(&mut sql, entity, asker);
    conditions.version(&mut sql, expected);
    finish_change(sql, entity, select, returning, asker)
}

/// Changes all rows that the filters match; where links or metadata change too, those that [`attach_many`] found.
pub fn update_many(
    entity: &Entity,
    filters: &[Filter<'_>],
    row: &RowInput<'_>,
    select: &[Selected<'_>],
    asker: Asker<'_>,
) -> Query {
    let (mut sql, returning) = update(entity, row, select, asker);
    if row.has_attached() {
        found(&mut sql, entity, asker);
    } else {
        let mut conditions = Conditions::new();
        conditions.writable(&mut sql, entity, asker);
        conditions.filters(&mut sql, Place::own(entity, asker), filters);
    }
    finish_change(sql, entity, select, returning, asker)
}

/// Finds the rows once for all statements of a change, in its transaction: what the first of them writes may be what the
/// filters ask about.
fn find(entity: &Entity, filters: &[Filter<'_>], asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new(
        "SELECT set_config('app.found', COALESCE(array_agg(found.id), '{}')::text, true) FROM (SELECT id FROM public.",
    );
    sql.name(&entity.name);
    let mut conditions = Conditions::new();
    conditions.writable(&mut sql, entity, asker);
    conditions.filters(&mut sql, Place::own(entity, asker), filters);
    lock(&mut sql, entity);
    sql.push(") AS found");
    sql
}

/// Rows are locked before what hangs on them, and in order of their ids: two who write the same rows in different ways wait
/// for each other, and never both. Who can change no column cannot lock a row either.
fn lock(sql: &mut Sql, entity: &Entity) {
    if changeable(entity).is_some() {
        sql.push(" ORDER BY id FOR NO KEY UPDATE");
    }
}

/// Locks the rows with these ids, for what is attached to each of them.
pub fn lock_rows(entity: &Entity, ids: &[&str], asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("SELECT id FROM public.");
    sql.name(&entity.name);
    let mut conditions = Conditions::new();
    conditions.next(&mut sql);
    sql.push("id = ANY (").bind(Bind::list(ids.iter().copied())).push(")");
    conditions.writable(&mut sql, entity, asker);
    lock(&mut sql, entity);
    sql
}

/// `WHERE` the rows that [`find`] found.
fn found(sql: &mut Sql, entity: &Entity, asker: Asker<'_>) {
    let mut conditions = Conditions::new();
    conditions.next(sql);
    sql.push("id = ANY (current_setting('app.found')::text[])");
    conditions.writable(sql, entity, asker);
}

/// A column that whoever writes rows may change.
fn changeable(entity: &Entity) -> Option<&Field> {
    entity.columns().find(|field| !field.read_only && !field.immutable)
}

/// Whether the rows of a statement come back by RETURNING, or are what it selects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Returning {
    Clause,
    Itself,
}

fn finish_change(
    sql: Sql,
    entity: &Entity,
    select: &[Selected<'_>],
    returning: Returning,
    asker: Asker<'_>,
) -> Query {
    match returning {
        Returning::Clause => finish(sql, entity, Some(select), asker),
        Returning::Itself => Query { sql, columns: output_and_aside(select) },
    }
}

fn update(
    entity: &Entity,
    row: &RowInput<'_>,
    select: &[Selected<'_>],
    asker: Asker<'_>,
) -> (Sql, Returning) {
    let mut sql = Sql::new("UPDATE public.");
    sql.name(&entity.name).push(" SET ");
    if row.values.is_empty() && row.to_default.is_empty() {
        // Only what hangs on it changes. Writing a column as it is moves `updatedAt`; where none can be written, nothing does.
        let Some(field) = changeable(entity) else {
            return (rows_and_aside(entity, select, asker), Returning::Itself);
        };
        sql.name(&field.name).push(" = ").name(&field.name);
        return (sql, Returning::Clause);
    }
    sql.join(", ", &row.values, |sql, (field, bind)| {
        sql.name(&field.name).push(" = ");
        parameter(sql, Column::Field(field), bind);
    });
    for (at, field) in row.to_default.iter().enumerate() {
        sql.push(if at > 0 || !row.values.is_empty() { ", " } else { "" });
        sql.name(&field.name).push(" = DEFAULT");
    }
    (sql, Returning::Clause)
}

/// Changes the row of each id to what its `row` says; all rows name the same fields.
///
/// # Panics
/// When rows differ in their fields; the caller groups them.
pub fn update_each(entity: &Entity, ids: &[&str], rows: &[&RowInput<'_>], asker: Asker<'_>) -> Sql {
    // No entity can have a name with a space.
    const GIVEN: &str = "\"given rows\"";
    let fields: Vec<_> = rows.first().map(|row| row.fields()).unwrap_or_default();
    let mut sql = Sql::new("UPDATE public.");
    sql.name(&entity.name).push(" SET ");
    sql.join(", ", &fields, |sql, field| {
        sql.name(&field.name).push(" = ").push(GIVEN).push(".").name(&field.name).push(item_cast(field));
    });
    if fields.is_empty() {
        // Only what hangs on it changes, as in `update`.
        let own = changeable(entity);
        let own = own.map_or_else(|| Identifier::joined(&["id"]), |field| field.name.clone());
        sql.name(&own).push(" = ").name(&entity.name).push(".").name(&own);
    }
    unnest(&mut sql, ids.iter().copied(), &fields, rows);
    sql.push(" AS ").push(GIVEN);
    given_names(&mut sql, &fields);
    sql.push(" WHERE ").name(&entity.name).push(".id = ").push(GIVEN).push(".id");
    let mut conditions = Conditions::begun();
    conditions.writable(&mut sql, entity, asker);
    sql
}

/// Rows by their ids, in the order of the ids, as they are after what was done to them.
pub fn by_ids(entity: &Entity, ids: &[String], select: &[Selected<'_>], asker: Asker<'_>) -> Query {
    let all = || Bind::array(SqlType::Text, ids.iter().map(|id| Some(id.as_str())));
    let mut sql = rows_and_aside(entity, select, asker);
    sql.push(" WHERE id = ANY (").bind(all());
    sql.push(") ORDER BY array_position(").bind(all()).push(", id)");
    Query { sql, columns: output_and_aside(select) }
}

/// What hangs on new rows, one statement for each field that has links and one for metadata; `ids` and `rows` go together.
pub fn attach_new(entity: &Entity, ids: &[String], rows: &[&RowInput<'_>]) -> Vec<Sql> {
    let mut statements = Vec::new();
    for (field, _) in entity.links() {
        let pairs: Vec<(&str, &str)> = ids
            .iter()
            .zip(rows)
            .flat_map(|(id, row)| {
                let links = row.links.iter().filter(|(own, _)| own.name == field.name);
                links.flat_map(move |(_, targets)| {
                    targets.iter().map(move |target| (id.as_str(), target.as_str()))
                })
            })
            .collect();
        if pairs.is_empty() {
            continue;
        }
        let mut sql = insert_links(entity, field);
        sql.push(" SELECT * FROM unnest(");
        sql.bind(Bind::array(SqlType::Text, pairs.iter().map(|(source, _)| Some(*source)))).push(", ");
        sql.bind(Bind::array(SqlType::Text, pairs.iter().map(|(_, target)| Some(*target)))).push(")");
        statements.push(sql);
    }
    let metas = ids.iter().zip(rows).map(|(id, row)| (id.as_str(), &row.metas)).collect::<Vec<_>>();
    statements.extend(super::metas::of_new(entity, &metas));
    statements
}

fn insert_links(entity: &Entity, field: &Field) -> Sql {
    let mut sql = Sql::new("INSERT INTO public.");
    sql.name(&ddl::link_table(entity, field)).push(" (\"sourceId\", \"targetId\")");
    sql
}

/// Makes the links and the metadata of one row what `row` says; to be sent before [`update_one`], which shows them, and behind
/// [`lock_rows`].
pub fn attach_one(
    entity: &Entity,
    id: &str,
    row: &RowInput<'_>,
    expected: Expected<'_>,
    asker: Asker<'_>,
) -> Vec<Sql> {
    attach(entity, row, |sql| {
        let mut conditions = Conditions::new();
        conditions.id(sql, id);
        conditions.writable(sql, entity, asker);
        conditions.version(sql, expected);
    })
}

/// The same for all rows that the filters match, before [`update_many`] changes what they match.
pub fn attach_many(
    entity: &Entity,
    filters: &[Filter<'_>],
    row: &RowInput<'_>,
    asker: Asker<'_>,
) -> Vec<Sql> {
    if !row.has_attached() {
        return Vec::new();
    }
    let attached = attach(entity, row, |sql| found(sql, entity, asker));
    std::iter::once(find(entity, filters, asker)).chain(attached).collect()
}

/// Only rows that the asker may write are reached; a link that stays is not written anew.
fn attach(entity: &Entity, row: &RowInput<'_>, which: impl Fn(&mut Sql)) -> Vec<Sql> {
    let mut statements = Vec::new();
    for (field, ids) in &row.links {
        let all = || Bind::array(SqlType::Text, ids.iter().map(|id| Some(id.as_str())));
        let mut sql = Sql::new("DELETE FROM public.");
        sql.name(&ddl::link_table(entity, field));
        sql.push(" WHERE \"sourceId\" IN (SELECT id FROM public.").name(&entity.name);
        which(&mut sql);
        sql.push(") AND NOT (\"targetId\" = ANY (").bind(all()).push("))");
        statements.push(sql);
        if ids.is_empty() {
            continue;
        }
        let mut sql = insert_links(entity, field);
        sql.push(" SELECT source.id, target.id FROM (SELECT id FROM public.").name(&entity.name);
        which(&mut sql);
        sql.push(") AS source CROSS JOIN unnest(")
            .bind(all())
            .push(") AS target (id) ON CONFLICT DO NOTHING");
        statements.push(sql);
    }
    statements.extend(super::metas::beside(entity, &row.metas, which));
    statements
}

/// Deletes one row; returns it as it was.
pub fn delete_one(
    entity: &Entity,
    id: &str,
    select: &[Selected<'_>],
    expected: Expected<'_>,
    asker: Asker<'_>,
) -> Query {
    let mut sql = removal(entity);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    conditions.writable(&mut sql, entity, asker);
    conditions.version(&mut sql, expected);
    finish(sql, entity, Some(select), asker)
}

/// Whether there is such a row that `asker` may write: asked when a change of a certain version met none.
pub fn is_writable(entity: &Entity, id: &str, asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("SELECT FROM public.");
    sql.name(&entity.name);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    conditions.writable(&mut sql, entity, asker);
    sql
}

/// Takes rows away: for good, or into the trash.
fn removal(entity: &Entity) -> Sql {
    let mut sql = Sql::new(if entity.soft_delete { "UPDATE public." } else { "DELETE FROM public." });
    sql.name(&entity.name);
    if entity.soft_delete {
        sql.push(" SET \"deletedAt\" = CURRENT_TIMESTAMP");
    }
    sql
}

/// Takes one row out of the trash, and returns it.
pub fn restore(entity: &Entity, id: &str, select: &[Selected<'_>], asker: Asker<'_>) -> Query {
    let mut sql = Sql::new("UPDATE public.");
    sql.name(&entity.name).push(" SET \"deletedAt\" = NULL");
    Conditions::new().in_trash(&mut sql, entity, id, asker);
    finish(sql, entity, Some(select), asker)
}

/// Deletes one row of the trash for good.
pub fn purge(entity: &Entity, id: &str, asker: Asker<'_>) -> Query {
    let mut sql = Sql::new("DELETE FROM public.");
    sql.name(&entity.name);
    Conditions::new().in_trash(&mut sql, entity, id, asker);
    finish(sql, entity, Some(&[]), asker)
}

/// Deletes all rows that the filters match, and returns them.
pub fn delete_many(
    entity: &Entity,
    filters: &[Filter<'_>],
    select: &[Selected<'_>],
    asker: Asker<'_>,
) -> Query {
    let mut sql = removal(entity);
    let mut conditions = Conditions::new();
    conditions.writable(&mut sql, entity, asker);
    conditions.filters(&mut sql, Place::own(entity, asker), filters);
    finish(sql, entity, Some(select), asker)
}

/// Rows come back as `returning` shows them, with their ids and versions aside.
pub(super) fn finish(
    mut sql: Sql,
    entity: &Entity,
    returning: Option<&[Selected<'_>]>,
    asker: Asker<'_>,
) -> Query {
    let Some(select) = returning else { return Query { sql, columns: Vec::new() } };
    sql.push(" RETURNING ");
    select_list(&mut sql, Place::own(entity, asker), select);
    aside(&mut sql, select);
    Query { sql, columns: output_and_aside(select) }
}

/// What makes an item of a column's array a value of the column's type.
fn item_cast(field: &Field) -> &'static str {
    match (field.sql_type, field.kind.sql_type()) {
        (Some(stored), _) => stored.write_cast(),
        (None, SqlType::TextArray) => "::text[]",
        (None, _) => "",
    }
}
