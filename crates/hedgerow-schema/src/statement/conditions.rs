//! Which rows a statement is about: WHERE and AND in the right places.

use super::{Asker, Expected, VERSION, column, parameter};
use crate::policy::LIVES;
use crate::query::{Comparison, Filter, IsValue, Test};
use crate::{Bind, Column, Entity, Identifier, Sql, SqlType, Standard, StoredType};

/// WHERE and AND in the right places.
pub(super) struct Conditions {
    pub(super) any: bool,
}

impl Conditions {
    pub(super) fn new() -> Self {
        Self { any: false }
    }

    pub(super) fn next(&mut self, sql: &mut Sql) {
        sql.push(if self.any { " AND " } else { " WHERE " });
        self.any = true;
    }

    pub(super) fn id(&mut self, sql: &mut Sql, id: &str) {
        self.next(sql);
        sql.push("id = ").bind(Bind::text(id));
    }

    pub(super) fn owner(&mut self, sql: &mut Sql, asker: Asker<'_>) {
        self.next(sql);
        match asker {
            Asker::User(id) => {
                sql.name(&Identifier::joined(&[Standard::UserId.name()])).push(" = ").bind(Bind::text(id))
            }
            // Nobody owns nothing; said here so that the statement is right even without a policy.
            Asker::Anonymous => sql.push("false"),
        };
    }

    /// The rows that a statement may change: the asker's own, where not all are.
    pub(super) fn writable(&mut self, sql: &mut Sql, entity: &Entity, asker: Asker<'_>) {
        if entity.access.write_names_owner() {
            self.owner(sql, asker);
        }
        self.alive(sql, entity);
    }

    pub(super) fn in_trash(&mut self, sql: &mut Sql, entity: &Entity, id: &str, asker: Asker<'_>) {
        self.id(sql, id);
        if entity.access.write_names_owner() {
            self.owner(sql, asker);
        }
        self.deleted(sql);
    }

    /// The row as it was when its version was one of these.
    pub(super) fn version(&mut self, sql: &mut Sql, expected: Expected<'_>) {
        let Expected::Versions(versions) = expected else { return };
        let numbers: Vec<String> = versions.iter().map(i64::to_string).collect();
        self.next(sql);
        sql.push(VERSION).push(" = ANY (");
        sql.bind(Bind::array(SqlType::Int8, numbers.iter().map(|number| Some(number.as_str())))).push(")");
    }

    /// Not in the trash; said beside the policy, so that an index over such rows can serve.
    pub(super) fn alive(&mut self, sql: &mut Sql, entity: &Entity) {
        if entity.soft_delete {
            self.next(sql);
            sql.push(LIVES);
        }
    }

    pub(super) fn deleted(&mut self, sql: &mut Sql) {
        self.next(sql);
        sql.push("\"deletedAt\" IS NOT NULL");
    }

    pub(super) fn filters(&mut self, sql: &mut Sql, filters: &[Filter<'_>]) {
        for filter in filters {
            self.next(sql);
            if filter.negated {
                sql.push("NOT (");
            }
            column(sql, filter.column);
            match &filter.test {
                Test::Compare(comparison, bind) => {
                    sql.push(comparison.operator());
                    parameter(sql, filter.column, bind);
                }
                Test::In(bind) => {
                    sql.push(" = ANY (");
                    parameter(sql, filter.column, bind);
                    sql.push(")");
                }
                Test::Is(value) => {
                    sql.push(value.words());
                }
                Test::Like(bind) => {
                    sql.push(like_cast(filter.column)).push(" LIKE ").bind(bind.clone());
                }
                Test::Ilike(bind) => {
                    sql.push(like_cast(filter.column)).push(" ILIKE ").bind(bind.clone());
                }
            }
            if filter.negated {
                sql.push(")");
            }
        }
    }
}

/// Only texts are like other texts, and these are not.
fn like_cast(column: Column<'_>) -> &'static str {
    if column.stored() == Some(StoredType::Uuid) { "::text" } else { "" }
}

impl Comparison {
    fn operator(self) -> &'static str {
        match self {
            Self::Eq => " = ",
            Self::Neq => " <> ",
            Self::Gt => " > ",
            Self::Gte => " >= ",
            Self::Lt => " < ",
            Self::Lte => " <= ",
        }
    }
}

impl IsValue {
    fn words(self) -> &'static str {
        match self {
            Self::Null => " IS NULL",
            Self::NotNull => " IS NOT NULL",
            Self::True => " IS TRUE",
            Self::False => " IS FALSE",
            Self::Unknown => " IS UNKNOWN",
        }
    }
}
