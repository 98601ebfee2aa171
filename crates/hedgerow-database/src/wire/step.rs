//! What a flight is made of: statements with their parameters, and where their rows go.
//!
//! Always holds: the types on the wire are those that the caller expects, or the exchange fails; bytes are never read as
//! another type than they were sent.

use std::pin::Pin;
use std::sync::Arc;

use hedgerow_schema::{Bind, SqlType};
use postgres_protocol::message::backend;
use postgres_types::{ToSql, Type};
use tokio_postgres::fallible_iterator::FallibleIterator;

use crate::error::Error;
use crate::identity::Role;

/// One statement of a flight.
pub(crate) struct Step<'a> {
    pub(crate) text: &'a str,
    /// The role it runs as, where the identity was set before.
    pub(crate) role: Option<Role>,
    pub(crate) parameters: Parameters<'a>,
    /// The columns that the caller will read; `None` takes them as they come, in binary.
    pub(crate) expected: Option<&'a [SqlType]>,
    pub(crate) sink: &'a mut dyn Sink,
}

pub(crate) enum Parameters<'a> {
    /// Values in text form with their types.
    Text(&'a [Bind]),
    /// Rust values, and the types that the statement wants.
    Typed(&'a [Type], &'a [&'a (dyn ToSql + Sync)]),
}

/// What takes the rows of a statement.
pub(crate) trait Sink: Send {
    /// Before the first row.
    fn columns(&mut self, _columns: &Arc<[ColumnInfo]>) {}
    /// Each row.
    fn row(&mut self, row: &backend::DataRowBody) -> Result<(), Error>;
    /// What must be done before the next row can be taken; the connection is not read meanwhile, so the server waits, too.
    /// An error breaks the exchange off where it is.
    fn make_room(&mut self) -> Option<MakingRoom<'_>> {
        None
    }
    /// After the last row: how many rows the statement read or changed.
    fn done(&mut self, _rows: u64) {}
}

/// See [`Sink::make_room`].
pub(crate) type MakingRoom<'s> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 's>>;

/// Takes no rows; counts.
#[derive(Debug, Default)]
pub(crate) struct Count(pub(crate) u64);

impl Sink for Count {
    fn row(&mut self, _row: &backend::DataRowBody) -> Result<(), Error> {
        Ok(())
    }

    fn done(&mut self, rows: u64) {
        self.0 = rows;
    }
}

/// The result format of a column: binary, except where PostgreSQL's text is already what JSON wants.
pub(crate) fn wire_format(ty: SqlType) -> i16 {
    match ty {
        SqlType::Numeric => 0,
        SqlType::Text
        | SqlType::Int8
        | SqlType::Bool
        | SqlType::Date
        | SqlType::Timestamptz
        | SqlType::Time
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::Uuid
        | SqlType::TextArray => 1,
    }
}

pub(crate) fn wire_type(ty: SqlType, array: bool) -> Type {
    match (ty, array) {
        (SqlType::Text, false) => Type::TEXT,
        (SqlType::Text, true) => Type::TEXT_ARRAY,
        (SqlType::Int8, false) => Type::INT8,
        (SqlType::Int8, true) => Type::INT8_ARRAY,
        (SqlType::Numeric, false) => Type::NUMERIC,
        (SqlType::Numeric, true) => Type::NUMERIC_ARRAY,
        (SqlType::Bool, false) => Type::BOOL,
        (SqlType::Bool, true) => Type::BOOL_ARRAY,
        (SqlType::Date, false) => Type::DATE,
        (SqlType::Date, true) => Type::DATE_ARRAY,
        (SqlType::Timestamptz, false) => Type::TIMESTAMPTZ,
        (SqlType::Timestamptz, true) => Type::TIMESTAMPTZ_ARRAY,
        (SqlType::Json, false) => Type::JSON,
        (SqlType::Json, true) => Type::JSON_ARRAY,
        (SqlType::Jsonb, false) => Type::JSONB,
        (SqlType::Jsonb, true) => Type::JSONB_ARRAY,
        (SqlType::Time, false) => Type::TIME,
        (SqlType::Time, true) => Type::TIME_ARRAY,
        (SqlType::Uuid, false) => Type::UUID,
        (SqlType::Uuid, true) => Type::UUID_ARRAY,
        // PostgreSQL has one type for arrays of all dimensions.
        (SqlType::TextArray, _) => Type::TEXT_ARRAY,
    }
}

/// What the server says of a result column.
#[derive(Clone, Debug)]
pub(crate) struct ColumnInfo {
    pub(crate) name: String,
    pub(crate) ty: Type,
}

pub(super) fn read_columns(body: &backend::RowDescriptionBody) -> std::io::Result<Arc<[ColumnInfo]>> {
    let fields = body
        .fields()
        .map(|field| Ok(ColumnInfo { name: field.name().to_owned(), ty: type_of(field.type_oid()) }));
    Ok(fields.collect::<Vec<_>>()?.into())
}

pub(super) fn read_types(body: &backend::ParameterDescriptionBody) -> std::io::Result<Vec<Type>> {
    body.parameters().map(|oid| Ok(type_of(oid))).collect()
}

/// A built-in type, or one that only its number is known of: readable by nothing, until cast in the statement.
fn type_of(oid: u32) -> Type {
    Type::from_oid(oid).unwrap_or_else(|| {
        Type::new(
            format!("type {oid}; cast it to text"),
            oid,
            postgres_types::Kind::Simple,
            "pg_catalog".to_owned(),
        )
    })
}

/// The table may have changed since the schema was read: better an error than bytes read as another type.
pub(super) fn check_columns(columns: &[ColumnInfo], expected: Option<&[SqlType]>) -> Result<(), Error> {
    let Some(expected) = expected else { return Ok(()) };
    let fits = columns.len() == expected.len()
        && columns.iter().zip(expected).all(|(column, ty)| column.ty == wire_type(*ty, false));
    if fits {
        return Ok(());
    }
    Err(Error::Protocol(
        "a table has other columns than the entity files say; run `hedgerow migrate check`".to_owned(),
    ))
}

/// The number at the end of a command tag: `INSERT 0 5`, `SELECT 50`.
pub(super) fn affected(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
