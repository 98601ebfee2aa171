//! Entity and request to one SQL statement each.
//!
//! Always holds: a write names the owner beside the policy that enforces it, and so does a read of an entity that only
//! owners read. The predicate is not what isolates (the policy is); it lets the planner use the owner's index and
//! statistics, whatever the policy looks like.

mod conditions;

use self::conditions::Conditions;
use crate::query::{Filter, ListQuery, Selected};
use crate::write::RowInput;
use crate::{Access, Bind, Column, Entity, Field, Read, Sql, SqlType, Standard, StoredType, Write, ddl};

/// A statement that returns rows, with what each column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The statement.
    pub sql: Sql,
    /// One for each column of a row.
    pub columns: Vec<OutputColumn>,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// JSON key.
    pub key: String,
    /// How its bytes are read.
    pub ty: SqlType,
}

/// Whose rows a statement may touch, as far as its own text says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker<'a> {
    /// A signed-in user, by id.
    User(&'a str),
    /// Nobody.
    Anonymous,
}

impl Access {
    /// Whether reading statements name the owner: not where strangers read too.
    fn read_names_owner(&self) -> bool {
        self.read == Read::Owner
    }

    /// Whether writing statements name the owner: not where administrators write all rows.
    fn write_names_owner(&self) -> bool {
        self.write != Write::Admin
    }
}

/// The rows of a list, at most `query.limit + 1`: one row more tells that there is a next page.
pub fn list(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>) -> Query {
    let mut sql = rows(entity, &query.select);
    let mut conditions = Conditions::new();
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    ordered(sql, conditions, entity, query)
}

/// The deleted rows that `asker` may restore, as [`list`].
pub fn trash(entity: &Entity, query: &ListQuery<'_>, asker: Asker<'_>) -> Query {
    let mut sql = rows(entity, &query.select);
    let mut conditions = Conditions::new();
    if entity.access.write_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.deleted(&mut sql);
    ordered(sql, conditions, entity, query)
}

fn ordered(mut sql: Sql, mut conditions: Conditions, entity: &Entity, query: &ListQuery<'_>) -> Query {
    conditions.filters(&mut sql, &query.filters);
    sql.push(" ORDER BY ");
    sql.join(", ", &query.order, |sql, key| {
        // With the table where the selected value is another than the column's: its name would win here.
        if read_cast(key.column).is_some() {
            sql.name(&entity.name).push(".");
        }
        column(sql, key.column);
        sql.push(if key.descending { " DESC" } else { "" });
        match key.nulls_first {
            Some(true) => sql.push(" NULLS FIRST"),
            Some(false) => sql.push(" NULLS LAST"),
            None => sql,
        };
    });
    sql.push(" LIMIT ").number(u64::from(query.limit) + 1);
    if query.offset > 0 {
        sql.push(" OFFSET ").bind(Bind::new(SqlType::Int8, Some(query.offset.to_string())));
    }
    Query { sql, columns: output(&query.select) }
}

/// All rows that `asker` reads, or those that `asker` owns, oldest first.
pub fn export(entity: &Entity, select: &[Selected<'_>], asker: Asker<'_>, owned: Owned) -> Query {
    let mut sql = rows(entity, select);
    let mut conditions = Conditions::new();
    if owned != Owned::OrReadable || entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    if owned != Owned::OnlyWithTrash {
        conditions.alive(&mut sql, entity);
    }
    sql.push(" ORDER BY ").name(&entity.name).push(".\"createdAt\", id");
    Query { sql, columns: output(select) }
}

/// Whether rows of others are left out although they could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    /// Rows of the asker.
    Only,
    /// Rows of the asker, those in the trash included, where the flight sees them.
    OnlyWithTrash,
    /// Rows that others opened, too.
    OrReadable,
}

/// One row by its id.
pub fn get(entity: &Entity, id: &str, select: &[Selected<'_>], asker: Asker<'_>) -> Query {
    let mut sql = rows(entity, select);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    Query { sql, columns: output(select) }
}

/// Whether a row can be read: asked when a write met no row, to tell "not yours" from "not there".
pub fn is_readable(entity: &Entity, id: &str) -> Sql {
    let mut sql = Sql::new("SELECT FROM public.");
    sql.name(&entity.name);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    conditions.alive(&mut sql, entity);
    sql
}

/// New rows that all have the same fields; `ids` and `rows` go together. Rows come back in the same order.
///
/// # Panics
/// When rows differ in their fields; the caller groups them.
pub fn insert(
    entity: &Entity,
    ids: &[String],
    rows: &[&RowInput<'_>],
    returning: Option<&[Selected<'_>]>,
) -> Query {
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
        sql.push(" FROM unnest(");
        sql.bind(Bind::array(SqlType::Text, ids.iter().map(|id| Some(id.as_str()))));
        for (at, field) in fields.iter().enumerate() {
            let items = rows.iter().map(|row| {
                let (own, bind) = &row.values[at];
                assert_eq!(own.name, field.name, "rows of one statement have the same fields");
                bind.value.as_deref()
            });
            sql.push(", ").bind(Bind::array(field.kind.sql_type(), items));
        }
        sql.push(")");
        if has_casts {
            sql.push(" AS given (id");
            for field in &fields {
                sql.push(", ").name(&field.name);
            }
            sql.push(")");
        }
    }
    finish(sql, entity, returning)
}

/// Changes one row.
pub fn update_one(
    entity: &Entity,
    id: &str,
    row: &RowInput<'_>,
    select: &[Selected<'_>],
    asker: Asker<'_>,
) -> Query {
    let (mut sql, returning) = update(entity, row, select);
    let mut conditions = Conditions::new();
    conditions.id(&mut sql, id);
    conditions.writable(&mut sql, entity, asker);
    finish_change(sql, entity, select, returning)
}

/// Changes all rows that the filters match.
pub fn update_many(
    entity: &Entity,
    filters: &[Filter<'_>],
    row: &RowInput<'_>,
    select: &[Selected<'_>],
    asker: Asker<'_>,
) -> Query {
    let (mut sql, returning) = update(entity, row, select);
    let mut conditions = Conditions::new();
    conditions.writable(&mut sql, entity, asker);
    conditions.filters(&mut sql, filters);
    finish_change(sql, entity, select, returning)
}

/// Whether the rows of a statement come back by RETURNING, or are what it selects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Returning {
    Clause,
    Itself,
}

fn finish_change(sql: Sql, entity: &Entity, select: &[Selected<'_>], returning: Returning) -> Query {
    match returning {
        Returning::Clause => finish(sql, entity, Some(select)),
        Returning::Itself => Query { sql, columns: output(select) },
    }
}

fn update(entity: &Entity, row: &RowInput<'_>, select: &[Selected<'_>]) -> (Sql, Returning) {
    let mut sql = Sql::new("UPDATE public.");
    sql.name(&entity.name).push(" SET ");
    if row.values.is_empty() && row.to_default.is_empty() {
        // Only links change. Writing a column as it is moves `updatedAt`; where none can be written, nothing does.
        let Some(field) = entity.columns().find(|field| !field.read_only && !field.immutable) else {
            return (rows(entity, select), Returning::Itself);
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

/// New rows by their ids, in the order of the ids: what `relation_many` fields show is there only when they are.
pub fn created(entity: &Entity, ids: &[String], select: &[Selected<'_>]) -> Query {
    let all = || Bind::array(SqlType::Text, ids.iter().map(|id| Some(id.as_str())));
    let mut sql = rows(entity, select);
    sql.push(" WHERE id = ANY (").bind(all());
    sql.push(") ORDER BY array_position(").bind(all()).push(", id)");
    Query { sql, columns: output(select) }
}

/// The links of new rows, one statement for each field that has any; `ids` and `rows` go together.
pub fn link_new(entity: &Entity, ids: &[String], rows: &[&RowInput<'_>]) -> Vec<Sql> {
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
    statements
}

fn insert_links(entity: &Entity, field: &Field) -> Sql {
    let mut sql = Sql::new("INSERT INTO public.");
    sql.name(&ddl::link_table(entity, field)).push(" (\"sourceId\", \"targetId\")");
    sql
}

/// Makes the links of one row what `row` says; to be sent before [`update_one`], which shows them.
pub fn link_one(entity: &Entity, id: &str, row: &RowInput<'_>, asker: Asker<'_>) -> Vec<Sql> {
    relink(entity, row, |sql| {
        let mut conditions = Conditions::new();
        conditions.id(sql, id);
        conditions.writable(sql, entity, asker);
    })
}

/// The same for all rows that the filters match, before [`update_many`] changes what they match.
pub fn link_many(entity: &Entity, filters: &[Filter<'_>], row: &RowInput<'_>, asker: Asker<'_>) -> Vec<Sql> {
    relink(entity, row, |sql| {
        let mut conditions = Conditions::new();
        conditions.writable(sql, entity, asker);
        conditions.filters(sql, filters);
    })
}

/// Only rows that the asker may write are linked; a link that stays is not written anew.
fn relink(entity: &Entity, row: &RowInput<'_>, which: impl Fn(&mut Sql)) -> Vec<Sql> {
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
    statements
}

/// Deletes one row; returns its id.
pub fn delete_one(entity: &Entity, id: &str, asker: Asker<'_>) -> Sql {
    let mut sql = removal(entity);
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
    finish(sql, entity, Some(select))
}

/// Deletes one row of the trash for good.
pub fn purge(entity: &Entity, id: &str, asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("DELETE FROM public.");
    sql.name(&entity.name);
    Conditions::new().in_trash(&mut sql, entity, id, asker);
    sql
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
    conditions.filters(&mut sql, filters);
    finish(sql, entity, Some(select))
}

/// The id of each row by the value of another field, for rows that point at others by a natural key.
///
/// `values` is a text array; where several rows have one value, all come back.
pub fn ids_by_value(entity: &Entity, by: Column<'_>, values: Bind, asker: Asker<'_>) -> Sql {
    let mut sql = Sql::new("SELECT ");
    column(&mut sql, by);
    sql.push("::text, id FROM public.").name(&entity.name).push(" WHERE ");
    column(&mut sql, by);
    sql.push("::text = ANY (").bind(values).push(")");
    let mut conditions = Conditions { any: true };
    if entity.access.read_names_owner() {
        conditions.owner(&mut sql, asker);
    }
    conditions.alive(&mut sql, entity);
    sql
}

fn finish(mut sql: Sql, entity: &Entity, returning: Option<&[Selected<'_>]>) -> Query {
    let Some(select) = returning else { return Query { sql, columns: Vec::new() } };
    sql.push(" RETURNING ");
    select_list(&mut sql, entity, select);
    Query { sql, columns: output(select) }
}

/// `SELECT … FROM` the entity's table.
fn rows(entity: &Entity, select: &[Selected<'_>]) -> Sql {
    let mut sql = Sql::new("SELECT ");
    select_list(&mut sql, entity, select);
    sql.push(" FROM public.").name(&entity.name);
    sql
}

fn output(select: &[Selected<'_>]) -> Vec<OutputColumn> {
    select.iter().map(|item| OutputColumn { key: item.key.clone(), ty: item.column.sql_type() }).collect()
}

fn select_list(sql: &mut Sql, entity: &Entity, select: &[Selected<'_>]) {
    sql.join(", ", select, |sql, item| {
        if let Column::Field(field) = item.column
            && field.kind.links().is_some()
        {
            sql.push("ARRAY(SELECT l.\"targetId\" FROM public.").name(&ddl::link_table(entity, field));
            sql.push(" l WHERE l.\"sourceId\" = public.").name(&entity.name).push(".id ORDER BY 1) AS ");
            sql.name(&field.name);
            return;
        }
        column(sql, item.column);
        if let Some(cast) = read_cast(item.column) {
            sql.push(cast).push(" AS ").name(&item.column.identifier());
        }
    });
}

/// What makes the column's value one of the type that travels.
fn read_cast(column: Column<'_>) -> Option<&'static str> {
    match column {
        // An adopted table may have `timestamp` there. On the usual type the cast is nothing, and not even planned.
        Column::Standard(Standard::CreatedAt | Standard::UpdatedAt | Standard::DeletedAt) => {
            Some("::timestamptz")
        }
        Column::Standard(Standard::Id | Standard::UserId) => None,
        Column::Field(_) => column.stored().map(StoredType::read_cast),
    }
}

fn column(sql: &mut Sql, column: Column<'_>) {
    sql.name(&column.identifier());
}

/// A value for a column, of the column's type.
fn parameter(sql: &mut Sql, column: Column<'_>, bind: &Bind) {
    sql.bind(bind.clone());
    if let Some(stored) = column.stored() {
        sql.push(if bind.array { stored.write_array_cast() } else { stored.write_cast() });
    }
}

/// What makes an item of a column's array a value of the column's type.
fn item_cast(field: &Field) -> &'static str {
    match (field.sql_type, field.kind.sql_type()) {
        (Some(stored), _) => stored.write_cast(),
        (None, SqlType::TextArray) => "::text[]",
        (None, _) => "",
    }
}
