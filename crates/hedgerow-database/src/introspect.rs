//! PostgreSQL's catalog as a [`Catalog`]: one question, answered by any login, since everybody may read the catalog.
//!
//! Always holds: the same objects give the same values on every version from 15 on. What versions name in their own way
//! (NOT NULL as a constraint, rights of the owner) is left out, and what belongs to an extension is the extension's.

use std::collections::{BTreeMap, BTreeSet};

use hedgerow_schema::catalog::{
    Catalog, Column, Constraint, Function, GRANT_OPTION, Index, Policy, Position, Rule, Size, Table, Trigger,
};
use hedgerow_schema::expression::Expression;
use serde::Deserialize;

use crate::error::Error;
use crate::owner::{Owner, from_driver};

/// The question; its answer is one text, a JSON document that [`read`] understands.
pub const QUESTION: &str = include_str!("introspect.sql");

pub(crate) async fn introspect(owner: &Owner) -> Result<Catalog, Error> {
    let row = owner.client.query_one(QUESTION, &[]).await;
    let text: String = row.map_err(|source| from_driver("read the catalog", source))?.get(0);
    read(&text)
}

/// The answer to [`QUESTION`] as a catalog.
///
/// # Errors
/// [`Error::Protocol`] when it is no such answer.
pub fn read(text: &str) -> Result<Catalog, Error> {
    let document: Document = serde_json::from_str(text)
        .map_err(|error| Error::Protocol(format!("the catalog's answer is not understood: {error}")))?;
    let mut catalog = Catalog { others: document.others, ..Catalog::default() };
    for table in document.tables {
        catalog.tables.insert(table.name.clone(), table.into());
    }
    for function in document.functions {
        let returns =
            function.body.strip_prefix("RETURN ").filter(|_| function.is_sql_body).map(Expression::read);
        let body = if returns.is_some() { String::new() } else { function.body };
        let made = Function {
            owner: function.owner,
            attributes: function.attributes,
            body,
            returns,
            callers: function.callers.into_iter().collect(),
        };
        catalog.functions.insert(function.name, made);
    }
    Ok(catalog)
}

#[derive(Deserialize)]
struct Document {
    tables: Vec<TableRow>,
    functions: Vec<FunctionRow>,
    others: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct FunctionRow {
    name: String,
    owner: String,
    attributes: String,
    body: String,
    is_sql_body: bool,
    callers: Vec<String>,
}

#[derive(Deserialize)]
struct TableRow {
    name: String,
    owner: String,
    unlogged: bool,
    row_security: bool,
    forced: bool,
    comment: Option<String>,
    rows: u64,
    bytes: u64,
    columns: Vec<ColumnRow>,
    constraints: Vec<ConstraintRow>,
    indexes: Vec<IndexRow>,
    triggers: Vec<TriggerRow>,
    policies: Vec<PolicyRow>,
    grants: Vec<GrantRow>,
}

#[derive(Deserialize)]
struct ColumnRow {
    name: String,
    ty: String,
    not_null: bool,
    default: Option<String>,
    generated: bool,
    identity: String,
    comment: Option<String>,
    position: i16,
    grants: Vec<GrantRow>,
}

#[derive(Deserialize)]
struct ConstraintRow {
    name: String,
    kind: String,
    validated: bool,
    /// A trigger that enforces it is disabled.
    asleep: bool,
    definition: String,
    condition: Option<String>,
    columns: Vec<String>,
    target: Option<String>,
    targets: Vec<String>,
    on_delete: String,
    on_update: String,
    sets: Vec<String>,
}

#[derive(Deserialize)]
struct IndexRow {
    name: String,
    keys: Vec<String>,
    unique: bool,
    primary: bool,
    method: String,
    condition: Option<String>,
    valid: bool,
    comment: Option<String>,
    constraint: bool,
}

#[derive(Deserialize)]
struct TriggerRow {
    name: String,
    definition: String,
    enabled: String,
}

#[derive(Deserialize)]
struct PolicyRow {
    name: String,
    permissive: bool,
    command: String,
    roles: Vec<String>,
    using: Option<String>,
    check: Option<String>,
}

#[derive(Deserialize)]
struct GrantRow {
    role: String,
    right: String,
    passes_on: bool,
}

impl GrantRow {
    /// The right, and the right to give it to others.
    fn rights(self) -> impl Iterator<Item = String> {
        let option = self.passes_on.then(|| format!("{}{GRANT_OPTION}", self.right));
        option.into_iter().chain([self.right])
    }
}

impl From<TableRow> for Table {
    fn from(row: TableRow) -> Self {
        let mut table = Self {
            owner: row.owner,
            unlogged: row.unlogged,
            row_security: row.row_security,
            forced: row.forced,
            comment: row.comment,
            size: Size { rows: row.rows, bytes: row.bytes },
            ..Self::default()
        };
        for grant in row.grants {
            table.grants.entry(grant.role.clone()).or_default().extend(grant.rights());
        }
        for column in row.columns {
            for grant in column.grants {
                let rights = table.column_grants.entry(grant.role.clone()).or_default();
                for right in grant.rights() {
                    rights.entry(right).or_default().insert(column.name.clone());
                }
            }
            let made = Column {
                ty: column.ty,
                not_null: column.not_null,
                default: column.default.map(Expression::read),
                generated: column.generated,
                identity: Some(column.identity).filter(|identity| !identity.is_empty()),
                comment: column.comment,
                position: Position(column.position),
            };
            table.columns.insert(column.name, made);
        }
        for constraint in row.constraints {
            let (name, validated) = (constraint.name.clone(), constraint.validated);
            table.constraints.insert(name, Constraint { rule: constraint.into(), validated });
        }
        for index in row.indexes {
            let made = Index {
                keys: index.keys,
                unique: index.unique,
                primary: index.primary,
                method: index.method,
                condition: index.condition.map(Expression::read),
                valid: index.valid,
                comment: index.comment,
                constraint: index.constraint,
            };
            table.indexes.insert(index.name, made);
        }
        for trigger in row.triggers {
            // `CREATE TRIGGER name BEFORE …`, with names quoted where PostgreSQL thinks they need it.
            let definition = trigger.definition.replace('"', "").replace("public.", "");
            let words = definition.split_once(&format!("TRIGGER {} ", trigger.name));
            let definition = words.map_or(definition.clone(), |(_, rest)| rest.to_owned());
            table.triggers.insert(trigger.name, Trigger { definition, enabled: trigger.enabled });
        }
        for policy in row.policies {
            let made = Policy {
                restrictive: !policy.permissive,
                command: match policy.command.as_str() {
                    "r" => "SELECT",
                    "a" => "INSERT",
                    "w" => "UPDATE",
                    "d" => "DELETE",
                    _ => "ALL",
                }
                .to_owned(),
                roles: policy.roles.into_iter().collect::<BTreeSet<_>>(),
                using: policy.using.map(Expression::read),
                check: policy.check.map(Expression::read),
            };
            table.policies.insert(policy.name, made);
        }
        table
    }
}

impl From<ConstraintRow> for Rule {
    fn from(row: ConstraintRow) -> Self {
        let action = |letter: &str| {
            match letter {
                "r" => "RESTRICT",
                "c" => "CASCADE",
                "n" => "SET NULL",
                "d" => "SET DEFAULT",
                _ => "NO ACTION",
            }
            .to_owned()
        };
        if row.asleep {
            return Self::Other(format!("{}, with disabled triggers", row.definition));
        }
        match (row.kind.as_str(), row.condition, row.target) {
            ("c", Some(condition), _) => Self::Check(Expression::read(condition)),
            ("f", _, Some(table))
                if !row.definition.contains(" DEFERRABLE") && !row.definition.contains(" MATCH ") =>
            {
                Self::References {
                    columns: row.columns,
                    table,
                    targets: row.targets,
                    on_delete: action(&row.on_delete),
                    sets: row.sets,
                    on_update: action(&row.on_update),
                }
            }
            _ => Self::Other(row.definition),
        }
    }
}
