//! The rows of a file, one after the other, whatever its format.

use std::io::BufRead;

use hedgerow_schema::InputError;
use serde_json::value::RawValue;

use super::Format;
use super::quotes::Quotes;
use crate::error::Error;

/// A row as the file has it.
pub(super) struct RawRow {
    /// From 1.
    pub(super) line: u64,
    /// By column, in the order of the file.
    pub(super) cells: Vec<(String, Value)>,
}

/// A value as the file has it.
pub(super) enum Value {
    Text(String),
    Json(Box<RawValue>),
}

pub(super) enum Source<'i> {
    Csv { reader: csv::Reader<Quotes<'i>>, header: Vec<String> },
    Json(std::iter::Enumerate<std::vec::IntoIter<Box<RawValue>>>),
    Ndjson { input: &'i mut (dyn BufRead + Send), line: u64 },
}

impl<'i> Source<'i> {
    pub(super) fn open(format: Format, input: &'i mut (dyn BufRead + Send)) -> Result<Self, Error> {
        match format {
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new().from_reader(Quotes::new(input));
                let header: Vec<String> = reader
                    .headers()
                    .map_err(|error| unreadable(&error.to_string()))?
                    .iter()
                    // Spreadsheets write a byte order mark.
                    .map(|name| name.trim_start_matches('\u{feff}').to_owned())
                    .collect();
                if let Some(twice) = header.iter().enumerate().find(|(at, name)| header[..*at].contains(name))
                {
                    return Err(unreadable(&format!("the column `{}` stands there twice", twice.1)));
                }
                Ok(Self::Csv { reader, header })
            }
            Format::Json => {
                let rows: Vec<Box<RawValue>> = serde_json::from_reader(input)
                    .map_err(|error| unreadable(&format!("it is no array of objects: {error}")))?;
                Ok(Self::Json(rows.into_iter().enumerate()))
            }
            Format::Ndjson => Ok(Self::Ndjson { input, line: 0 }),
        }
    }

    /// The columns, where all rows have the same.
    pub(super) fn columns(&self) -> Option<&[String]> {
        match self {
            Self::Csv { header, .. } => Some(header),
            Self::Json(_) | Self::Ndjson { .. } => None,
        }
    }

    /// The next row, or what is wrong with it.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    #[expect(
        clippy::type_complexity,
        reason = "end of file, broken file, broken row and row are four things"
    )]
    pub(super) fn next(&mut self) -> Result<Option<Result<RawRow, (u64, InputError)>>, Error> {
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
                                Ok(Some(Err((line, wrong("", "invalid_row", message)))))
                            }
                            (csv::ErrorKind::Utf8 { .. }, Some(line)) => Ok(Some(Err((
                                line,
                                wrong("", "invalid_row", "the row is not UTF-8".to_owned()),
                            )))),
                            _ => Err(unreadable(&error.to_string())),
                        }
                    }
                }
            }
            Self::Json(rows) => Ok(rows.next().map(|(at, row)| object(at as u64 + 1, &row))),
            Self::Ndjson { input, line } => {
                let mut text = String::new();
                loop {
                    text.clear();
                    *line += 1;
                    if input.read_line(&mut text).map_err(|error| unreadable(&error.to_string()))? == 0 {
                        return Ok(None);
                    }
                    if !text.trim().is_empty() {
                        break;
                    }
                }
                let row: Result<Box<RawValue>, _> = serde_json::from_str(text.trim());
                Ok(Some(match row {
                    Ok(row) => object(*line, &row),
                    Err(error) => {
                        Err((*line, wrong("", "invalid_json", format!("the line is no JSON: {error}"))))
                    }
                }))
            }
        }
    }
}

fn object(line: u64, row: &RawValue) -> Result<RawRow, (u64, InputError)> {
    match hedgerow_schema::write::members(row.get()) {
        Ok(members) => {
            let cells =
                members.into_iter().map(|(name, value)| (name, Value::Json(value.to_owned()))).collect();
            Ok(RawRow { line, cells })
        }
        Err(_) => Err((line, wrong("", "invalid_row", "the row is no JSON object".to_owned()))),
    }
}

fn wrong(field: &str, code: &'static str, message: String) -> InputError {
    InputError { field: field.to_owned(), code, message }
}

fn unreadable(why: &str) -> Error {
    Error::input("", "unreadable_file", format!("the file cannot be read: {why}"))
}
