//! What an application *is*, as pure values: entities, access rules, queries, and the SQL they mean.
//!
//! This crate does no I/O and is never async. Entity files go in ([`Schema::parse`]), DDL and statements come out
//! ([`Sql`]); whoever holds a [`Schema`] holds one whose rules were all checked.

mod access;
pub mod adopt;
pub mod catalog;
mod check;
mod codes;
mod condition;
pub mod ddl;
mod decimal;
pub mod diff;
pub mod drift;
mod entity;
pub mod expression;
mod field;
mod identifier;
mod json_schema;
mod keyset;
pub mod meta;
pub mod model;
mod parse;
mod pattern;
pub mod policy;
mod problem;
pub mod query;
pub mod reader;
pub mod reference;
pub mod rules;
mod scope;
pub mod script;
pub mod shape;
mod sql;
pub mod statement;
mod stored;
pub mod trail;
pub mod typescript;
pub mod value;
pub mod write;

pub use access::{Access, Read, Write};
pub use condition::Condition;
pub use decimal::Decimal;
pub use entity::{Column, Entity, EntityFile, Index, Label, Schema, Standard};
pub use field::{
    Bounds, Field, FieldDefault, FieldKind, NumberRules, OnDelete, Relation, TagRules, TextRules,
};
pub use identifier::{Identifier, IdentifierError};
pub use json_schema::JsonSchema;
pub use keyset::{Keyset, Side};
pub use pattern::Pattern;
pub use policy::Roles;
pub use problem::{Problem, Problems};
pub use query::{InputError, Limits, ListQuery, Selected, WriteQuery};
pub use scope::{Action, Scope, ScopeError};
pub use sql::{Bind, Sql, SqlType};
pub use statement::{Asker, OutputColumn, Query};
pub use stored::StoredType;
pub use value::Mistake;
pub use write::{RowInput, WriteKind};
