//! How the rows of an answer are written, one after the other: what pages, streams and exports have in common.
//!
//! Always holds: a row is written from the bytes of the wire in one go, so any number of rows takes the memory of one.

use hedgerow_schema::{OutputColumn, SqlType};
use postgres_protocol::message::backend::DataRowBody;

use crate::error::Error;
use crate::json::{Nulls, Objects, split_value, write_plain};
use crate::wire::Sink;

/// How rows of any number are written, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180; NULL is an empty cell and an empty text is `""`.
    Csv(Formulas),
}

/// How the rows of a page are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFormat {
    /// An array of JSON objects.
    Json(Nulls),
    /// As any number of rows would be.
    Rows(RowFormat),
}

impl From<RowFormat> for PageFormat {
    fn from(format: RowFormat) -> Self {
        Self::Rows(format)
    }
}

/// What becomes of a text in a CSV cell that a spreadsheet would calculate: one that begins with `=`, `+`, `-`, `@`, a tab or
/// a carriage return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formulas {
    /// It stays as it is, so that whoever reads the file gets what was stored.
    Kept,
    /// It gets an apostrophe in front, for people who open the file in a spreadsheet.
    Escaped,
}

/// Writes rows in one of the formats, each without what separates it from the next.
pub(crate) struct RowEncoder {
    kind: Kind,
}

enum Kind {
    Objects(Objects),
    Cells(Vec<SqlType>, Formulas),
}

impl RowEncoder {
    pub(crate) fn new(format: PageFormat, columns: &[OutputColumn]) -> Self {
        let kind = match format {
            PageFormat::Json(nulls) => Kind::Objects(Objects::new(columns, nulls)),
            PageFormat::Rows(RowFormat::Ndjson) => Kind::Objects(Objects::new(columns, Nulls::Kept)),
            PageFormat::Rows(RowFormat::Csv(formulas)) => {
                Kind::Cells(columns.iter().map(|column| column.ty).collect(), formulas)
            }
        };
        Self { kind }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>, row: &DataRowBody) -> Result<(), Error> {
        match &self.kind {
            Kind::Objects(objects) => objects.write(out, row),
            Kind::Cells(types, formulas) => write_cells(out, types, *formulas, row),
        }
    }
}

/// The first line of a CSV file, without its end.
pub(crate) fn write_header(out: &mut Vec<u8>, columns: &[OutputColumn]) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let start = out.len();
        out.extend_from_slice(column.key.as_deref().unwrap_or_default().as_bytes());
        quote_cell(out, start);
    }
}

fn write_cells(
    out: &mut Vec<u8>,
    types: &[SqlType],
    formulas: Formulas,
    row: &DataRowBody,
) -> Result<(), Error> {
    let mut rest = row.buffer();
    for (at, ty) in types.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let (value, behind) = split_value(rest)?;
        rest = behind;
        let Some(bytes) = value else { continue };
        let start = out.len();
        write_plain(out, *ty, bytes)?;
        // Numbers and moments are what they look like; only texts could be made to calculate.
        if formulas == Formulas::Escaped
            && *ty == SqlType::Text
            && out.get(start).is_some_and(|first| b"=+-@\t\r".contains(first))
        {
            out.insert(start, b'\'');
        }
        quote_cell(out, start);
    }
    Ok(())
}

/// Puts what stands behind `start` in quotes where a reader would need them.
fn quote_cell(out: &mut Vec<u8>, start: usize) {
    let cell = &out[start..];
    if cell.is_empty() || cell.iter().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r')) {
        let cell = out.split_off(start);
        out.push(b'"');
        for byte in cell {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
}

/// Writes rows as lines of a file.
pub(crate) struct RowWriter<'w> {
    encoder: RowEncoder,
    line: Vec<u8>,
    out: &'w mut (dyn std::io::Write + Send),
    pub(crate) rows: u64,
}

impl<'w> RowWriter<'w> {
    pub(crate) fn new(
        format: RowFormat,
        columns: &[OutputColumn],
        out: &'w mut (dyn std::io::Write + Send),
    ) -> Self {
        Self { encoder: RowEncoder::new(format.into(), columns), line: Vec::new(), out, rows: 0 }
    }
}

impl Sink for RowWriter<'_> {
    fn row(&mut self, row: &DataRowBody) -> Result<(), Error> {
        self.encoder.write(&mut self.line, row)?;
        self.line.push(b'\n');
        let written = self.out.write_all(&self.line);
        self.line.clear();
        self.rows += 1;
        written.map_err(Error::Output)
    }
}
