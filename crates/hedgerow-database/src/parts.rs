//! Statements of the builder as parts of one transaction, and what their rows become; the same for a flight, which is
//! its whole transaction, and for one that stays open.

use hedgerow_schema::{Query, Sql, SqlType};

use crate::error::Error;
use crate::json::{JsonRows, JsonSink};
use crate::row::{Row, Rows};
use crate::wire::{Count, Sink};

/// A statement, the columns it must have, and where its rows go.
pub(crate) type Part<'p> = (&'p Sql, Option<&'p [SqlType]>, &'p mut dyn Sink);

/// What sends parts to the server, in one write and one wait.
pub(crate) trait Sends {
    /// The first error decides; the parts behind it are not run.
    async fn send(self, parts: &mut [Part<'_>]) -> Result<(), Error>;
}

pub(crate) async fn json(to: impl Sends, query: &Query, wanted: usize) -> Result<JsonRows, Error> {
    let mut sink = JsonSink::new(&query.columns, wanted);
    to.send(&mut [(&query.sql, Some(&types(query)), &mut sink)]).await?;
    Ok(sink.rows)
}

pub(crate) async fn json_each(to: impl Sends, queries: &[Query]) -> Result<Vec<JsonRows>, Error> {
    let mut sinks: Vec<JsonSink> =
        queries.iter().map(|query| JsonSink::new(&query.columns, usize::MAX)).collect();
    let expected: Vec<Vec<SqlType>> = queries.iter().map(types).collect();
    let mut parts: Vec<Part<'_>> = Vec::with_capacity(queries.len());
    for ((query, expected), sink) in queries.iter().zip(&expected).zip(&mut sinks) {
        parts.push((&query.sql, Some(expected), sink));
    }
    to.send(&mut parts).await?;
    Ok(sinks.into_iter().map(|sink| sink.rows).collect())
}

/// Rows of a query that stands between other statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surrounded {
    /// How many rows each statement before it read or changed.
    pub before: Vec<u64>,
    /// The query's rows.
    pub rows: JsonRows,
    /// How many rows each statement behind it read or changed.
    pub after: Vec<u64>,
}

pub(crate) async fn json_between(
    to: impl Sends,
    before: &[Sql],
    query: &Query,
    after: &[Sql],
) -> Result<Surrounded, Error> {
    let counts = |statements: &[Sql]| statements.iter().map(|_| Count::default()).collect::<Vec<_>>();
    let (mut ahead, mut behind) = (counts(before), counts(after));
    let mut sink = JsonSink::new(&query.columns, usize::MAX);
    let expected = types(query);
    let mut parts: Vec<Part<'_>> = Vec::with_capacity(before.len() + 1 + after.len());
    for (sql, sink) in before.iter().zip(&mut ahead) {
        parts.push((sql, None, sink));
    }
    parts.push((&query.sql, Some(&expected), &mut sink));
    for (sql, sink) in after.iter().zip(&mut behind) {
        parts.push((sql, None, sink));
    }
    to.send(&mut parts).await?;
    drop(parts);
    let numbers = |counts: Vec<Count>| counts.into_iter().map(|count| count.0).collect();
    Ok(Surrounded { before: numbers(ahead), rows: sink.rows, after: numbers(behind) })
}

pub(crate) async fn execute_each(to: impl Sends, statements: &[Sql]) -> Result<Vec<u64>, Error> {
    let mut sinks: Vec<Count> = statements.iter().map(|_| Count::default()).collect();
    let mut parts: Vec<Part<'_>> = Vec::with_capacity(statements.len());
    for (sql, sink) in statements.iter().zip(&mut sinks) {
        parts.push((sql, None, sink));
    }
    to.send(&mut parts).await?;
    Ok(sinks.into_iter().map(|sink| sink.0).collect())
}

pub(crate) async fn rows(to: impl Sends, sql: &Sql) -> Result<Vec<Row>, Error> {
    let mut sink = Rows::default();
    to.send(&mut [(sql, None, &mut sink)]).await?;
    Ok(sink.rows)
}

fn types(query: &Query) -> Vec<SqlType> {
    query.columns.iter().map(|column| column.ty).collect()
}
