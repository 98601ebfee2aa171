//! The rows of a file, one after the other, whatever its format.
//!
//! Always holds: no more than one row is in memory, and no row is longer than its limit.

use std::collections::HashSet;
use std::io::{BufRead, Read};

use hedgerow_schema::InputError;
use serde_json::value::RawValue;

use super::array::Items;
use super::quotes::Quotes;
use super::{Format, RefusedRow};
use crate::error::Error;

/// A row as the file has it.
pub(super) struct RawRow {
    /// From 1.
    pub(super) line: u64,
    /// By column, in the order of the file.
    pub(super) cells: Vec<(String, Value)>,
}

/// A row, or what is wrong with it.
pub(super) type FileRow = Result<RawRow, RefusedRow>;

/// A value as the file has it.
pub(super) enum Value {
    Text(String),
    Json(Box<RawValue>),
}

impl RawRow {
    /// Its size in memory, more or less.
    pub(super) fn size(&self) -> usize {
        self.cells.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

impl Value {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Json(json) => json.get().len(),
        }
    }
}

pub(super) enum Source<'i> {
    Csv { reader: csv::Reader<Quotes<'i>>, header: Vec<String> },
    Json { items: Items<'i>, at: u64 },
    Ndjson { input: &'i mut (dyn BufRead + Send), line: u64, row_limit: usize },
}

impl<'i> Source<'i> {
    pub(super) fn open(
        format: Format,
        row_limit: usize,
        input: &'i mut (dyn BufRead + Send),
    ) -> Result<Self, Error> {
        match format {
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new().from_reader(Quotes::new(input, row_limit));
                let header: Vec<String> = reader
                    .headers()
                    .map_err(|error| unreadable(&error.to_string()))?
                    .iter()
                    // Spreadsheets write a byte order mark.
                    .map(|name| name.trim_start_matches('\u{feff}').to_owned())
                    .collect();
                let mut seen = HashSet::new();
                if let Some(twice) = header.iter().find(|name| !seen.insert(name.as_str())) {
                    return Err(unreadable(&format!("the column `{twice}` stands there twice")));
                }
                Ok(Self::Csv { reader, header })
            }
            Format::Json => Ok(Self::Json { items: Items::new(input, row_limit), at: 0 }),
            Format::Ndjson => Ok(Self::Ndjson { input, line: 0, row_limit }),
        }
    }

    /// The columns, where all rows have the same.
    pub(super) fn columns(&self) -> Option<&[String]> {
        match self {
            Self::Csv { header, .. } => Some(header),
            Self::Json { .. } | Self::Ndjson { .. } => None,
        }
    }

    /// The next row; `None` at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    pub(super) fn next(&mut self) -> Result<Option<FileRow>, Error> {
        match self {
            Self::Csv { reader, header } => {
                let mut record = csv::StringRecord::new();
                match reader.read_record(&mut record) {
                    Ok(false) => match reader.get_ref().unclosed() {
                        Some(line) => {
                            Err(unreadable(&format!("the quote that opens in line {line} is never closed")))
                        }
                        None => Ok(None),
                    },
                    Ok(true) => {
                        let line = record.position().map_or(0, csv::Position::line);
                        let cells = header.iter().zip(record.iter());
                        let cells =
                            cells.map(|(name, text)| (name.clone(), Value::Text(text.to_owned()))).collect();
                        Ok(Some(Ok(RawRow { line, cells })))
                    }
                    Err(error) => {
                        let line = error.position().map(csv::Position::line);
                        match (error.kind(), line) {
                            (csv::ErrorKind::UnequalLengths { expected_len, len, .. }, Some(line)) => {
                                let message = format!("the row has {len} cells, the header {expected_len}");
                                Ok(Some(Err(wrong(line, "invalid_row", message))))
                            }
                            (csv::ErrorKind::Utf8 { .. }, Some(line)) => {
                                Ok(Some(Err(wrong(line, "invalid_row", "the row is not UTF-8".to_owned()))))
                            }
                            _ => Err(unreadable(&error.to_string())),
                        }
                    }
                }
            }
            Self::Json { items, at } => {
                let Some(text) = items.next().map_err(|error| unreadable(&error.to_string()))? else {
                    return Ok(None);
                };
                *at += 1;
                let row: Box<RawValue> = serde_json::from_str(&text)
                    .map_err(|error| unreadable(&format!("item {at} of the array is no JSON: {error}")))?;
                Ok(Some(object(*at, &row)))
            }
            Self::Ndjson { input, line, row_limit } => {
                let mut text = String::new();
                loop {
                    text.clear();
                    *line += 1;
                    let mut bounded = (&mut **input).take(*row_limit as u64 + 1);
                    let read = bounded.read_line(&mut text);
                    if read.map_err(|error| unreadable(&error.to_string()))? == 0 {
                        return Ok(None);
                    }
                    if text.len() > *row_limit {
                        return Err(unreadable(&format!("line {line} has more than {row_limit} bytes")));
                    }
                    if !text.trim().is_empty() {
                        break;
                    }
                }
                let row: Result<Box<RawValue>, _> = serde_json::from_str(text.trim());
                Ok(Some(match row {
                    Ok(row) => object(*line, &row),
                    Err(error) => Err(wrong(*line, "invalid_json", format!("the line is no JSON: {error}"))),
                }))
            }
        }
    }
}

fn object(line: u64, row: &RawValue) -> FileRow {
    match hedgerow_schema::write::members(row.get()) {
        Ok(members) => {
            let cells =
                members.into_iter().map(|(name, value)| (name, Value::Json(value.to_owned()))).collect();
            Ok(RawRow { line, cells })
        }
        Err(_) => Err(wrong(line, "invalid_row", "the row is no JSON object".to_owned())),
    }
}

fn wrong(line: u64, code: &'static str, message: String) -> RefusedRow {
    RefusedRow { line, errors: vec![InputError { field: String::new(), code, message }] }
}

fn unreadable(why: &str) -> Error {
    Error::input("", "unreadable_file", format!("the file cannot be read: {why}"))
}
