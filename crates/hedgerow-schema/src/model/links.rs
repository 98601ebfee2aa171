//! The tables of `relation_many` fields.
//!
//! Always holds: a link stays within its owner as a relation does, by its foreign keys, and is protected like the row that
//! it leads from (`policy.rs`).

use super::{column, hangs_on, in_order, index, protect, references_user};
use crate::catalog::{self, Index, Table};
use crate::expression::Expression;
use crate::{Entity, Field, Identifier, Relation, Roles, Schema, Write, ddl, policy};

/// Whether links lead from a row by its id alone: where every administrator writes every row, a link's owner is who made
/// the link.
pub(super) fn lead_by_id(entity: &Entity) -> bool {
    entity.access.write == Write::Admin
}

/// The table of a `relation_many` field: one row for each pair. It stays within its owner as a relation does.
pub(super) fn table(
    entity: &Entity,
    field: &Field,
    relation: &Relation,
    schema: &Schema,
    roles: &Roles,
    owner: &str,
) -> Table {
    let name = ddl::link_table(entity, field);
    let name = name.as_str();
    let named_key = |parts: &[&str]| Identifier::joined(&[&[name], parts].concat()).to_string();
    let columns = [
        ("userId", column("text", true, Some(Expression::read("public.get_auth_user_id()")))),
        ("sourceId", column("text", true, None)),
        ("targetId", column("text", true, None)),
        ("createdAt", column("timestamp with time zone", true, Some(Expression::read("CURRENT_TIMESTAMP")))),
    ];
    let mut table = Table {
        owner: owner.to_owned(),
        comment: Some(format!("{}join", catalog::MARK)),
        columns: in_order(columns),
        ..Table::default()
    };
    let primary = Index { primary: true, comment: None, ..index(&["sourceId", "targetId"], true) };
    table.indexes.insert(named_key(&["pkey"]), primary);
    let target = relation.entity.as_str();
    let shared = schema.entity(target).is_some_and(|target| target.access.is_shared());
    let by_target: &[&[&str]] = if shared {
        &[&["userId", "targetId"], &["targetId", "sourceId"]]
    } else {
        &[&["userId", "targetId"]]
    };
    for keys in by_target {
        let parts = [&["idx", name], *keys].concat();
        table.indexes.insert(Identifier::joined(&parts).to_string(), index(keys, false));
    }
    table.constraints.insert(named_key(&["userId", "fkey"]), references_user("userId", "CASCADE"));
    for (own, of, by_id) in
        [("sourceId", entity.name.as_str(), lead_by_id(entity)), ("targetId", target, shared)]
    {
        table.constraints.insert(named_key(&[own, "fkey"]), hangs_on(own, of, by_id));
    }
    protect(&mut table, &policy::for_links(entity, field, roles));
    table
}
