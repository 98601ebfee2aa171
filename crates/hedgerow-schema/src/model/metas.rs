//! The tables of metadata: those of entities, and the columns that all of them have.
//!
//! Always holds: a meta stays within the owner of its row by its foreign key. The unique key is led by the owner, so that no
//! collision tells anybody of another's keys.

use super::{check, column, hangs_on, in_order, index, links, objects, protect, references_user, updated_at};
use crate::catalog::{self, Column, Constraint, Index, Table};
use crate::expression::Expression;
use crate::meta::{MAX_KEY_LENGTH, MAX_SEARCHABLE_BYTES};
use crate::{Entity, Identifier, Read, Roles, Sql, ddl, policy};

/// A number as [`crate::meta::MetaValue`] writes it, within a longer expression.
macro_rules! number {
    () => {
        "-?(?:0|[1-9][0-9]{0,199})(?:[.][0-9]{1,200})?"
    };
}

/// What a number is compared by: the planner may use an index on this type below a policy, and on exact numbers it may
/// not. What is no number has none.
pub(crate) const NUMBER: &str = concat!(
    "substring(\"dataType\" || ':' || \"metaValue\", '^number:(",
    number!(),
    ")$')::double precision"
);

/// Which type a value is of, and that it is one.
pub(crate) const VALUE: &str = concat!(
    "\"dataType\" || ':' || \"metaValue\" ~ '^(?:(?:text|string|json):|number:",
    number!(),
    "$|boolean:(?:true|false)$|date:[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "|datetime:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$)'"
);

/// The metas that rows are found by; documents are in no index.
const INDEXED: &str = "\"isSearchable\" AND \"dataType\" <> 'json'";

/// The name of the column of [`NUMBER`].
pub(crate) const NUMBER_COLUMN: &str = "metaNumber";

/// The columns of every such table behind those that say what it is a meta of.
pub(super) fn columns() -> impl Iterator<Item = (&'static str, Column)> {
    let now = || Some(Expression::read("CURRENT_TIMESTAMP"));
    let time = "timestamp with time zone";
    let no = || Some(Expression::read("false"));
    let number =
        Column { generated: true, ..column("double precision", false, Some(Expression::read(NUMBER))) };
    [
        ("metaKey", column("text", true, None)),
        ("metaValue", column("text", true, None)),
        ("dataType", column("text", true, Some(Expression::read("'text'::text")))),
        ("isPublic", column("boolean", true, no())),
        ("isSearchable", column("boolean", true, no())),
        ("createdAt", column(time, true, now())),
        ("updatedAt", column(time, true, now())),
        (NUMBER_COLUMN, number),
    ]
    .into_iter()
}

/// What holds for a meta, whoever writes it: the constraint's name and its expression.
pub(crate) fn rules(table: &str) -> [(Identifier, Sql); 3] {
    let mut key = Sql::new("char_length(\"metaKey\") >= 1 AND char_length(\"metaKey\") <= ");
    key.number(MAX_KEY_LENGTH as u64);
    let mut short =
        Sql::new("NOT \"isSearchable\" OR octet_length(\"metaKey\") + octet_length(\"metaValue\") <= ");
    short.number(MAX_SEARCHABLE_BYTES as u64);
    let named = |rule: &str| Identifier::joined(&[table, rule]);
    [
        (named("metaKey_check"), key),
        (named("metaValue_check"), Sql::new(VALUE)),
        (named("isSearchable_check"), short),
    ]
}

/// The same as constraints.
pub(super) fn checks(table: &str) -> impl Iterator<Item = (String, Constraint)> {
    rules(table).into_iter().map(|(name, rule)| (name.to_string(), check(super::expression(&rule))))
}

/// The table of an entity's metadata: one row for each key of each row.
pub(super) fn table(entity: &Entity, roles: &Roles, owner: &str) -> Table {
    let name = ddl::metas_table(entity);
    let name = name.as_str();
    let named = |parts: &[&str]| Identifier::joined(&[&[name], parts].concat()).to_string();
    let own = [
        ("userId", column("text", true, Some(Expression::read("public.get_auth_user_id()")))),
        ("entityId", column("text", true, None)),
    ];
    let mut table = Table {
        owner: owner.to_owned(),
        comment: Some(format!("{}metas", catalog::MARK)),
        columns: in_order(own.into_iter().chain(columns())),
        ..Table::default()
    };
    let primary = Index { primary: true, comment: None, ..index(key(entity), true) };
    table.indexes.insert(named(&["pkey"]), primary);
    if links::lead_by_id(entity) {
        table
            .indexes
            .insert(Identifier::joined(&["idx", name, "userId"]).to_string(), index(&["userId"], false));
    }
    for value in [NUMBER_COLUMN, "metaValue"] {
        // Strangers look for rows without an owner.
        let keys: &[&str] = if entity.access.read == Read::Owner {
            &["userId", "metaKey", value, "entityId"]
        } else {
            &["metaKey", value, "entityId"]
        };
        let parts = [&["idx", name], keys].concat();
        let found = Index { condition: Some(super::expression(&Sql::new(INDEXED))), ..index(keys, false) };
        table.indexes.insert(Identifier::joined(&parts).to_string(), found);
    }
    table.constraints.extend(checks(name));
    table.constraints.insert(named(&["userId", "fkey"]), references_user("userId", "CASCADE"));
    let of_row = hangs_on("entityId", entity.name.as_str(), links::lead_by_id(entity));
    table.constraints.insert(named(&["entityId", "fkey"]), of_row);
    updated_at(&mut table, name);
    if entity.keeps_objects() {
        table.triggers.extend(objects::triggers(entity));
    }
    protect(&mut table, &policy::for_metas(entity, roles));
    table
}

/// What is unique: a key of a row. Where every administrator writes every row, its owner does not say whose the meta is.
pub(crate) fn key(entity: &Entity) -> &'static [&'static str] {
    if links::lead_by_id(entity) { &["entityId", "metaKey"] } else { &["userId", "entityId", "metaKey"] }
}
