//! The tables of a statement, and the names by which their columns are called.
//!
//! Always holds: the name that a table gets within a statement begins with a digit, as no entity's does, so a name never
//! means another table than it was written for.

use super::Asker;
use crate::{Bind, Column, Entity, Sql};

/// A table that a statement reads.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) entity: &'a Entity,
    pub(super) asker: Asker<'a>,
    /// How deep in subqueries it stands; 0 is the statement's own table.
    depth: u32,
}

impl<'a> Place<'a> {
    /// The statement's own table.
    pub(super) fn own(entity: &'a Entity, asker: Asker<'a>) -> Self {
        Self { entity, asker, depth: 0 }
    }

    /// A table of a subquery.
    pub(super) fn inside(self, entity: &'a Entity) -> Self {
        Self { entity, depth: self.depth + 1, ..self }
    }

    /// Its name.
    pub(super) fn name(self, sql: &mut Sql) {
        if self.depth == 0 {
            sql.name(&self.entity.name);
        } else {
            sql.push("\"").number(self.depth.into()).push("\"");
        }
    }

    /// The name of the table of links that lead to it.
    pub(super) fn links_name(self, sql: &mut Sql) {
        sql.push("\"").number(self.depth.into()).push("l\"");
    }

    /// The name of the table of metadata of its rows.
    pub(super) fn metas_name(self, sql: &mut Sql) {
        sql.push("\"").number(self.depth.into()).push("m\"");
    }

    /// The name of the table of the objects that say it all.
    pub(super) fn objects_name(self, sql: &mut Sql) {
        sql.push("\"").number(self.depth.into()).push("o\"");
    }

    /// The name of a list of ids beside them.
    pub(super) fn ids_name(self, sql: &mut Sql) {
        sql.push("\"").number(self.depth.into()).push("i\"");
    }

    /// Whether it stands in a subquery.
    pub(super) fn is_inside(self) -> bool {
        self.depth > 0
    }

    /// A column, with its table where a subquery could take it for its own.
    pub(super) fn column(self, sql: &mut Sql, column: Column<'_>) {
        if self.depth > 0 {
            self.name(sql);
            sql.push(".");
        }
        super::column(sql, column);
    }

    /// A column with its table in any case.
    pub(super) fn full_column(self, sql: &mut Sql, column: Column<'_>) {
        self.name(sql);
        sql.push(".");
        super::column(sql, column);
    }

    /// The owner's predicate on this table, or on its links.
    pub(super) fn owner(self, sql: &mut Sql) {
        match self.asker {
            Asker::User(id) => sql.push(".\"userId\" = ").bind(Bind::text(id)),
            // Nobody owns nothing; said here so that the statement is right even without a policy.
            Asker::Anonymous => sql.push(".\"userId\" IS NULL"),
        };
    }
}
