//! What an application *is*, as pure values: entities, access rules, queries, and the SQL they mean.
//!
//! This crate does no I/O and is never async. Entity files go in ([`Schema::parse`]), DDL and statements come out
//! ([`Sql`]); whoever holds a [`Schema`] holds one whose rules were all checked.

mod access;
pub mod catalog;
mod check;
mod condition;
pub mod ddl;
pub mod diff;
pub mod drift;
mod entity;
pub mod expression;
mod field;
mod identifier;
pub mod model;
mod parse;
pub mod policy;
mod problem;
pub mod query;
pub mod reader;
pub mod rules;
mod scope;
pub mod script;
mod sql;
pub mod statement;
pub mod value;
pub mod write;

pub use access::{Access, Read, Write};
pub use condition::Condition;
pub use entity::{Column, Entity, EntityFile, Label, Schema, Standard};
pub use field::{Decimal, Field, FieldDefault, FieldKind, NumberRules, OnDelete, Relation, TextRules};
pub use identifier::{Identifier, IdentifierError};
pub use policy::Roles;
pub use problem::{Problem, Problems};
pub use query::{InputError, Limits, ListQuery, Selected, WriteQuery};
pub use scope::{Action, Scope, ScopeError};
pub use sql::{Bind, Sql, SqlType};
pub use statement::{Asker, OutputColumn, Query};
pub use value::Mistake;
pub use write::{RowInput, WriteKind};
