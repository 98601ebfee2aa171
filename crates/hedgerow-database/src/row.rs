//! A row of an answer, read column by column into Rust types.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use postgres_protocol::message::backend::DataRowBody;
use postgres_types::{FromSql, Type, WrongType};
use tokio_postgres::fallible_iterator::FallibleIterator;

use crate::error::Error;
use crate::wire::{ColumnInfo, Sink};

/// One row.
///
/// ```no_run
/// # async fn example(row: hedgerow_database::Row) -> Result<(), hedgerow_database::Error> {
/// let title: String = row.get("title")?;
/// let due: Option<i64> = row.get(1)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Row {
    columns: Arc<[ColumnInfo]>,
    buffer: Bytes,
    /// Where each value lies; `None` is NULL.
    ranges: Vec<Option<Range<usize>>>,
}

/// A column by name or by position from 0.
pub trait ColumnIndex: fmt::Display {
    #[doc(hidden)]
    fn find<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<usize>;
}

impl ColumnIndex for &str {
    fn find<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> Option<usize> {
        names.position(|name| name == *self)
    }
}

impl ColumnIndex for usize {
    fn find<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<usize> {
        (*self < names.count()).then_some(*self)
    }
}

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    /// [`Error::Column`] when there is no such column, or its type is not `T`'s.
    pub fn get<'r, T: FromSql<'r>>(&'r self, column: impl ColumnIndex) -> Result<T, Error> {
        let wrong = |source: Box<dyn std::error::Error + Send + Sync>| Error::Column {
            column: format!("{column:#}"),
            wanted: std::any::type_name::<T>(),
            source,
        };
        let at = column
            .find(self.columns.iter().map(|column| column.name.as_str()))
            .ok_or_else(|| wrong("there is no such column in the answer".into()))?;
        let ty = &self.columns[at].ty;
        if !T::accepts(ty) {
            return Err(wrong(Box::new(WrongType::new::<T>(ty.clone()))));
        }
        let value = self.ranges[at].clone().map(|range| &self.buffer[range]);
        T::from_sql_nullable(ty, value).map_err(wrong)
    }

    /// The names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The types of the columns.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        self.columns.iter().map(|column| &column.ty)
    }
}

/// Column names only: a row may hold what must not stand in a log.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns()).finish()
    }
}

/// Collects rows.
#[derive(Default)]
pub(crate) struct Rows {
    columns: Option<Arc<[ColumnInfo]>>,
    pub(crate) rows: Vec<Row>,
}

impl Sink for Rows {
    fn columns(&mut self, columns: &Arc<[ColumnInfo]>) {
        self.columns = Some(columns.clone());
    }

    fn row(&mut self, row: &DataRowBody) -> Result<(), Error> {
        let columns =
            self.columns.clone().ok_or_else(|| Error::Protocol("rows came before their columns".into()))?;
        let ranges: Vec<_> = row.ranges().collect().map_err(|error| Error::Protocol(error.to_string()))?;
        if ranges.len() != columns.len() {
            return Err(Error::Protocol("a row has other columns than were announced".to_owned()));
        }
        self.rows.push(Row { columns, buffer: row.buffer_bytes().clone(), ranges });
        Ok(())
    }
}
