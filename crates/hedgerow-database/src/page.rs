//! A page of rows: its body in the wanted format, and the places in the order where it begins and ends.
//!
//! Always holds: rows stand in the order that was asked for, whichever way they were read; a place is said by the exact
//! values of the row's keys, moments to the microsecond although JSON shows milliseconds.

use bytes::Bytes;
use hedgerow_schema::statement::Page;
use hedgerow_schema::{OutputColumn, SqlType};
use postgres_protocol::message::backend::DataRowBody;

use crate::error::Error;
use crate::json::{odd, split_value, write_day, write_plain};
use crate::row_format::{PageFormat, RowEncoder, RowFormat, write_header};
use crate::wire::Sink;

/// The values of a row's keys in PostgreSQL's text form; `None` is NULL.
pub type Place = Vec<Option<String>>;

/// The rows of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRows {
    /// The rows in the format that was asked for.
    pub body: Vec<u8>,
    /// How many rows there are.
    pub count: usize,
    /// Where the row stands that was met first; `None` where there is none.
    pub start: Option<Place>,
    /// Where the row stands that was met last, if more rows lie beyond it.
    pub end: Option<Place>,
}

/// In which order the rows come, as against the one they shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// The same.
    InOrder,
    /// The last first.
    Backward,
}

/// Takes up to `wanted` rows.
pub(crate) struct PageSink<'p> {
    page: &'p Page,
    encoder: RowEncoder,
    wanted: usize,
    met: Met,
    body: Body,
    /// Rows that come the wrong way round, until all are there.
    waiting: Vec<Vec<u8>>,
    has_more: bool,
    start: Option<Bytes>,
    end: Option<Bytes>,
}

impl<'p> PageSink<'p> {
    pub(crate) fn new(page: &'p Page, format: PageFormat, wanted: usize, met: Met) -> Self {
        let shown = &page.query.columns[..page.shown];
        Self {
            page,
            encoder: RowEncoder::new(format, shown),
            wanted,
            met,
            body: Body::new(format, shown),
            waiting: Vec::new(),
            has_more: false,
            start: None,
            end: None,
        }
    }

    pub(crate) fn finish(mut self) -> Result<PageRows, Error> {
        while let Some(row) = self.waiting.pop() {
            self.body.begin_row().extend(row);
            self.body.end_row();
        }
        let place = |row: Option<&Bytes>| row.map(|row| read_place(self.page, row)).transpose();
        let start = place(self.start.as_ref())?;
        let end = place(self.end.as_ref().filter(|_| self.has_more))?;
        let count = self.body.count;
        Ok(PageRows { body: self.body.close(), count, start, end })
    }
}

impl Sink for PageSink<'_> {
    fn row(&mut self, row: &DataRowBody) -> Result<(), Error> {
        let count = self.body.count + self.waiting.len();
        if count == self.wanted {
            self.has_more = true;
            return Ok(());
        }
        match self.met {
            Met::InOrder => {
                self.encoder.write(self.body.begin_row(), row)?;
                self.body.end_row();
            }
            Met::Backward => {
                let mut written = Vec::new();
                self.encoder.write(&mut written, row)?;
                self.waiting.push(written);
            }
        }
        if count == 0 {
            self.start = Some(row.buffer_bytes().clone());
        }
        if count + 1 == self.wanted {
            self.end = Some(row.buffer_bytes().clone());
        }
        Ok(())
    }
}

/// Rows with what stands before, between and behind them.
struct Body {
    format: PageFormat,
    text: Vec<u8>,
    count: usize,
}

impl Body {
    fn new(format: PageFormat, columns: &[OutputColumn]) -> Self {
        let mut text = Vec::new();
        match format {
            PageFormat::Json(_) => text.push(b'['),
            PageFormat::Rows(RowFormat::Csv(_)) => {
                write_header(&mut text, columns);
                text.extend_from_slice(b"\r\n");
            }
            PageFormat::Rows(RowFormat::Ndjson) => {}
        }
        Self { format, text, count: 0 }
    }

    /// Where the row is to be written.
    fn begin_row(&mut self) -> &mut Vec<u8> {
        if self.count > 0 && matches!(self.format, PageFormat::Json(_)) {
            self.text.push(b',');
        }
        &mut self.text
    }

    fn end_row(&mut self) {
        self.count += 1;
        self.text.extend_from_slice(match self.format {
            PageFormat::Json(_) => b"",
            PageFormat::Rows(RowFormat::Ndjson) => b"\n",
            PageFormat::Rows(RowFormat::Csv(_)) => b"\r\n",
        });
    }

    fn close(mut self) -> Vec<u8> {
        if matches!(self.format, PageFormat::Json(_)) {
            self.text.push(b']');
        }
        self.text
    }
}

fn read_place(page: &Page, row: &[u8]) -> Result<Place, Error> {
    let mut values = Vec::with_capacity(page.query.columns.len());
    let mut rest = row;
    for _ in &page.query.columns {
        let (value, behind) = split_value(rest)?;
        values.push(value);
        rest = behind;
    }
    let key = |&at: &usize| match values[at] {
        None => Ok(None),
        Some(bytes) => exact_text(page.query.columns[at].ty, bytes).map(Some),
    };
    page.keys.iter().map(key).collect()
}

/// The text from which PostgreSQL makes the same value again.
fn exact_text(ty: SqlType, bytes: &[u8]) -> Result<String, Error> {
    let micros = match ty {
        SqlType::Date => match <[u8; 4]>::try_from(bytes).map(i32::from_be_bytes).map_err(|_| odd(ty))? {
            i32::MAX => i64::MAX,
            i32::MIN => i64::MIN,
            days => i64::from(days) * MICROS_A_DAY,
        },
        SqlType::Timestamptz => <[u8; 8]>::try_from(bytes).map(i64::from_be_bytes).map_err(|_| odd(ty))?,
        // Everything else is exact in JSON, too.
        _ => {
            let mut out = Vec::new();
            write_plain(&mut out, ty, bytes)?;
            return String::from_utf8(out).map_err(|_| odd(ty));
        }
    };
    Ok(match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        micros => exact_moment(ty, micros),
    })
}

const MICROS_A_DAY: i64 = 86_400_000_000;

/// Microseconds since 2000-01-01 as PostgreSQL writes and reads moments, years before the first one included (manual,
/// section 8.5.1).
fn exact_moment(ty: SqlType, micros: i64) -> String {
    let (day, of_day) = (micros.div_euclid(MICROS_A_DAY), micros.rem_euclid(MICROS_A_DAY));
    let mut iso = Vec::new();
    write_day(&mut iso, day);
    let iso = String::from_utf8_lossy(&iso);
    let unsigned = iso.trim_start_matches(['-', '+']);
    let (year, month_and_day) = unsigned.split_once('-').unwrap_or((unsigned, ""));
    let year: i64 = year.parse().unwrap_or_default();
    // ISO 8601 has a year 0, the one before the first; PostgreSQL calls it 1 BC.
    let is_before = iso.starts_with('-') || year == 0;
    let year = if is_before { year + 1 } else { year };
    let mut text = format!("{year:04}-{month_and_day}");
    if ty == SqlType::Timestamptz {
        let seconds = of_day / 1_000_000;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        text.push_str(&format!(" {hour:02}:{minute:02}:{second:02}.{:06}+00", of_day % 1_000_000));
    }
    text.push_str(if is_before { " BC" } else { "" });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_every_microsecond() {
        let check = |micros: i64, expected: &str| {
            let text = exact_text(SqlType::Timestamptz, &micros.to_be_bytes());
            assert_eq!(text.unwrap(), expected);
        };
        check(1, "2000-01-01 00:00:00.000001+00");
        check(-1, "1999-12-31 23:59:59.999999+00");
        check(i64::MAX, "infinity");
        check(i64::MIN, "-infinity");
        // 0000-12-31 and 12000-01-01.
        check(-730_120 * MICROS_A_DAY, "0001-12-31 00:00:00.000000+00 BC");
        check(3_652_425 * MICROS_A_DAY, "12000-01-01 00:00:00.000000+00");
        let day = exact_text(SqlType::Date, &(-730_485_i32).to_be_bytes());
        assert_eq!(day.unwrap(), "0001-01-01 BC");
        assert_eq!(exact_text(SqlType::Numeric, b"0.10").unwrap(), "0.10");
        assert!(exact_text(SqlType::Date, b"x").is_err());
    }
}
