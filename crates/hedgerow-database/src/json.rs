//! Rows to JSON, once: from the bytes of PostgreSQL's answer straight into the bytes of ours.

mod list;

use hedgerow_schema::{OutputColumn, SqlType};
use postgres_protocol::message::backend::DataRowBody;

use crate::error::Error;
use crate::wire::Sink;

/// The largest integer that JavaScript holds exactly; larger ones are written as texts.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Rows as JSON objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonRows {
    /// The objects, separated by commas.
    pub objects: Vec<u8>,
    /// How many objects there are.
    pub count: usize,
    /// Whether the answer had more rows than were wanted.
    pub has_more: bool,
    /// The values of columns without a key, in PostgreSQL's text form, one list for each row.
    pub aside: Vec<Vec<Option<String>>>,
    /// Where each object ends in `objects`.
    ends: Vec<usize>,
}

impl JsonRows {
    /// `[…]`
    pub fn into_array(mut self) -> Vec<u8> {
        self.objects.insert(0, b'[');
        self.objects.push(b']');
        self.objects
    }

    /// Several answers as one; `places` says for each row of each answer where it stands then.
    pub fn arranged(parts: Vec<(Vec<usize>, Self)>) -> Self {
        let mut rows = Vec::new();
        for (places, part) in parts {
            let objects: Vec<Vec<u8>> = part.split().collect();
            let aside = part.aside.into_iter().chain(std::iter::repeat_with(Vec::new));
            rows.extend(places.into_iter().zip(objects.into_iter().zip(aside)));
        }
        rows.sort_by_key(|(place, _)| *place);
        let mut all = Self::default();
        for (_, (object, aside)) in rows {
            if all.count > 0 {
                all.objects.push(b',');
            }
            all.objects.extend(object);
            all.ends.push(all.objects.len());
            all.aside.push(aside);
            all.count += 1;
        }
        all
    }

    /// Each object by itself.
    pub fn split(&self) -> impl Iterator<Item = Vec<u8>> {
        // A comma stands before every object but the first.
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        starts.zip(&self.ends).map(|(start, end)| self.objects[start..*end].to_vec())
    }
}

/// Whether a row says of a column that it is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// It does.
    Kept,
    /// It leaves the key out.
    Stripped,
}

/// Writes rows as JSON objects.
pub(crate) struct Objects {
    /// `"id":` for each column that is shown; they stand before the others.
    columns: Vec<(Vec<u8>, SqlType)>,
    nulls: Nulls,
}

impl Objects {
    pub(crate) fn new(columns: &[OutputColumn], nulls: Nulls) -> Self {
        let columns = columns.iter().filter_map(|column| {
            let mut start = Vec::new();
            write_string(&mut start, column.key.as_deref()?);
            start.push(b':');
            Some((start, column.ty))
        });
        Self { columns: columns.collect(), nulls }
    }

    /// The values of columns of these types behind those that are shown.
    fn aside(&self, row: &DataRowBody, types: &[SqlType]) -> Result<Vec<Option<String>>, Error> {
        let mut rest = row.buffer();
        for _ in 0..if types.is_empty() { 0 } else { self.columns.len() } {
            rest = split_value(rest)?.1;
        }
        let mut values = Vec::with_capacity(types.len());
        for ty in types {
            let (value, behind) = split_value(rest)?;
            rest = behind;
            values.push(value.map(|bytes| plain(*ty, bytes)).transpose()?);
        }
        Ok(values)
    }

    /// Columns beyond those that are known are not for the answer.
    pub(crate) fn write(&self, out: &mut Vec<u8>, row: &DataRowBody) -> Result<(), Error> {
        let mut rest = row.buffer();
        let mut before = b'{';
        for (start, ty) in &self.columns {
            let (value, behind) = split_value(rest)?;
            rest = behind;
            if value.is_none() && self.nulls == Nulls::Stripped {
                continue;
            }
            out.push(before);
            before = b',';
            out.extend_from_slice(start);
            match value {
                None => out.extend_from_slice(b"null"),
                Some(bytes) => write_value(out, *ty, bytes)?,
            }
        }
        // A statement without columns still answers with an object for each row.
        out.extend_from_slice(if before == b'{' { b"{}" } else { b"}" });
        Ok(())
    }
}

/// Writes rows as JSON objects, up to `wanted` of them.
pub(crate) struct JsonSink {
    objects: Objects,
    /// The columns behind them, for the program.
    aside: Vec<SqlType>,
    wanted: usize,
    pub(crate) rows: JsonRows,
}

impl JsonSink {
    pub(crate) fn new(columns: &[OutputColumn], wanted: usize) -> Self {
        let aside = columns.iter().filter(|column| column.key.is_none()).map(|column| column.ty);
        Self {
            objects: Objects::new(columns, Nulls::Kept),
            aside: aside.collect(),
            wanted,
            rows: JsonRows::default(),
        }
    }
}

impl Sink for JsonSink {
    fn row(&mut self, row: &DataRowBody) -> Result<(), Error> {
        if self.rows.count == self.wanted {
            self.rows.has_more = true;
            return Ok(());
        }
        let out = &mut self.rows.objects;
        if self.rows.count > 0 {
            out.push(b',');
        }
        self.objects.write(out, row)?;
        self.rows.aside.push(self.objects.aside(row, &self.aside)?);
        self.rows.ends.push(out.len());
        self.rows.count += 1;
        Ok(())
    }
}

/// A value as a text of its own.
fn plain(ty: SqlType, bytes: &[u8]) -> Result<String, Error> {
    let mut out = Vec::new();
    write_plain(&mut out, ty, bytes)?;
    String::from_utf8(out).map_err(|_| odd(ty))
}

/// The next value of a DataRow message (manual, section 55.7): its length, -1 for NULL, and its bytes.
pub(crate) fn split_value(rest: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Error> {
    let cut = || Error::Protocol("a row is shorter than it says".to_owned());
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    match usize::try_from(i32::from_be_bytes(*length)) {
        Err(_) => Ok((None, rest)),
        Ok(length) => rest.split_at_checked(length).map(|(value, rest)| (Some(value), rest)).ok_or_else(cut),
    }
}

/// How a value stands in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is: a number, true, a document.
    Bare,
    /// In quotes; it has nothing to escape.
    Quoted,
    /// In quotes, escaped.
    Escaped,
}

fn write_value(out: &mut Vec<u8>, ty: SqlType, bytes: &[u8]) -> Result<(), Error> {
    match ty {
        SqlType::Text => {
            write_string(out, text(ty, bytes)?);
            return Ok(());
        }
        SqlType::TextArray => return list::write_json(out, bytes),
        _ => {}
    }
    let start = out.len();
    if write_plain(out, ty, bytes)? == Form::Quoted {
        out.insert(start, b'"');
        out.push(b'"');
    }
    Ok(())
}

/// Writes a value without quotes, and tells how JSON would have it.
pub(crate) fn write_plain(out: &mut Vec<u8>, ty: SqlType, bytes: &[u8]) -> Result<Form, Error> {
    let int = || <[u8; 8]>::try_from(bytes).map(i64::from_be_bytes).map_err(|_| odd(ty));
    let mut special = |word: &[u8]| {
        out.extend_from_slice(word);
        Ok(Form::Quoted)
    };
    match ty {
        SqlType::Text => {
            out.extend_from_slice(text(ty, bytes)?.as_bytes());
            Ok(Form::Escaped)
        }
        SqlType::Int8 => {
            let number = int()?;
            write_number(out, number);
            Ok(if number.unsigned_abs() <= MAX_SAFE_INTEGER { Form::Bare } else { Form::Quoted })
        }
        // Sent as text: its digits are JSON's digits, except for the values that JSON does not have.
        SqlType::Numeric => {
            out.extend_from_slice(bytes);
            let is_number = bytes.last().is_some_and(u8::is_ascii_digit);
            Ok(if is_number { Form::Bare } else { Form::Quoted })
        }
        SqlType::Bool => {
            out.extend_from_slice(if bytes == [0] { b"false" } else { b"true" });
            Ok(Form::Bare)
        }
        SqlType::Date => match <[u8; 4]>::try_from(bytes).map(i32::from_be_bytes).map_err(|_| odd(ty))? {
            i32::MAX => special(b"infinity"),
            i32::MIN => special(b"-infinity"),
            days => {
                write_day(out, i64::from(days));
                Ok(Form::Quoted)
            }
        },
        SqlType::Timestamptz => match int()? {
            i64::MAX => special(b"infinity"),
            i64::MIN => special(b"-infinity"),
            micros => {
                write_moment(out, micros);
                Ok(Form::Quoted)
            }
        },
        SqlType::Time => {
            write_time(out, int()?);
            Ok(Form::Quoted)
        }
        SqlType::Uuid => {
            let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| odd(ty))?;
            write_uuid(out, bytes);
            Ok(Form::Quoted)
        }
        SqlType::TextArray => {
            list::write_cell(out, bytes)?;
            Ok(Form::Escaped)
        }
        SqlType::Json => {
            out.extend_from_slice(bytes);
            Ok(Form::Bare)
        }
        SqlType::Jsonb => match bytes {
            [1, json @ ..] => {
                out.extend_from_slice(json);
                Ok(Form::Bare)
            }
            _ => Err(odd(ty)),
        },
    }
}

pub(crate) fn odd(ty: SqlType) -> Error {
    Error::Protocol(format!("a value of type {} cannot be read", ty.name()))
}

fn text(ty: SqlType, bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| odd(ty))
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    // Most texts have nothing to escape. Looking at every byte without stopping early is what the compiler turns into
    // a few wide comparisons.
    let special = |found: bool, byte: &u8| found | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
    if !text.as_bytes().iter().fold(false, special) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    serde_json::to_writer(&mut *out, text).expect("writing a string to memory cannot fail");
}

fn write_number(out: &mut Vec<u8>, number: i64) {
    serde_json::to_writer(&mut *out, &number).expect("writing a number to memory cannot fail");
}

/// Microseconds since 2000-01-01 as RFC 3339 in UTC, with milliseconds.
fn write_moment(out: &mut Vec<u8>, micros: i64) {
    const DAY: i64 = 86_400_000;
    let millis = micros.div_euclid(1000);
    let (day, of_day) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    write_day(out, day);
    out.push(b'T');
    write_padded(out, of_day / 3_600_000, 2);
    out.push(b':');
    write_padded(out, of_day / 60_000 % 60, 2);
    out.push(b':');
    write_padded(out, of_day / 1000 % 60, 2);
    out.push(b'.');
    write_padded(out, of_day % 1000, 3);
    out.push(b'Z');
}

/// Microseconds since midnight; the fraction of a second only where there is one. The end of a day is `24:00:00`.
fn write_time(out: &mut Vec<u8>, micros: i64) {
    let seconds = micros / 1_000_000;
    write_padded(out, seconds / 3600, 2);
    out.push(b':');
    write_padded(out, seconds / 60 % 60, 2);
    out.push(b':');
    write_padded(out, seconds % 60, 2);
    if micros % 1_000_000 != 0 {
        out.push(b'.');
        write_padded(out, micros % 1_000_000, 6);
        while out.pop_if(|last| *last == b'0').is_some() {}
    }
}

fn write_uuid(out: &mut Vec<u8>, bytes: [u8; 16]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Days since 2000-01-01 as a date of the Gregorian calendar, after Howard Hinnant's "chrono-compatible low-level date
/// algorithms": years begin in March, so that a leap day is a year's last.
pub(crate) fn write_day(out: &mut Vec<u8>, days: i64) {
    // From 0000-03-01 to 2000-01-01.
    let days = days + 730_425;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + year_of_era + era * 400;
    if (0..=9999).contains(&year) {
        write_padded(out, year, 4);
    } else {
        // ISO 8601's expanded form; RFC 3339 has none.
        out.push(if year < 0 { b'-' } else { b'+' });
        write_padded(out, year.abs(), 6);
    }
    out.push(b'-');
    write_padded(out, month, 2);
    out.push(b'-');
    write_padded(out, day, 2);
}

fn write_padded(out: &mut Vec<u8>, number: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = (number / 10_i64.pow(place)) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(ty: SqlType, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        write_value(&mut out, ty, bytes).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_become_json() {
        let check = |ty, bytes: &[u8], expected: &str| assert_eq!(json(ty, bytes), expected);
        check(SqlType::Text, "a\"ö\n\u{1}".as_bytes(), r#""a\"ö\n\u0001""#);
        check(SqlType::Int8, &42_i64.to_be_bytes(), "42");
        check(SqlType::Int8, &9_007_199_254_740_991_i64.to_be_bytes(), "9007199254740991");
        check(SqlType::Int8, &9_007_199_254_740_992_i64.to_be_bytes(), "\"9007199254740992\"");
        check(SqlType::Int8, &i64::MIN.to_be_bytes(), "\"-9223372036854775808\"");
        check(SqlType::Numeric, b"-12.50", "-12.50");
        check(SqlType::Numeric, b"NaN", "\"NaN\"");
        check(SqlType::Numeric, b"-Infinity", "\"-Infinity\"");
        check(SqlType::Bool, &[1], "true");
        check(SqlType::Bool, &[0], "false");
        check(SqlType::Date, &0_i32.to_be_bytes(), "\"2000-01-01\"");
        check(SqlType::Date, &i32::MAX.to_be_bytes(), "\"infinity\"");
        check(SqlType::Timestamptz, &(-1_i64).to_be_bytes(), "\"1999-12-31T23:59:59.999Z\"");
        check(SqlType::Timestamptz, &i64::MIN.to_be_bytes(), "\"-infinity\"");
        check(SqlType::Jsonb, b"\x01{\"a\": 1}", "{\"a\": 1}");
        check(SqlType::Time, &0_i64.to_be_bytes(), "\"00:00:00\"");
        check(SqlType::Time, &34_205_000_000_i64.to_be_bytes(), "\"09:30:05\"");
        check(SqlType::Time, &86_399_250_000_i64.to_be_bytes(), "\"23:59:59.25\"");
        check(SqlType::Time, &86_400_000_000_i64.to_be_bytes(), "\"24:00:00\"");
        let uuid = 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057_u128.to_be_bytes();
        check(SqlType::Uuid, &uuid, "\"01890a5d-ac96-774b-bcce-b302099a8057\"");
        assert!(write_value(&mut Vec::new(), SqlType::Uuid, &uuid[1..]).is_err());
    }

    proptest! {
        #[test]
        fn days_agree_with_the_calendar(day in -719_000_i32..2_900_000) {
            let expected = jiff::civil::date(2000, 1, 1).checked_add(jiff::Span::new().days(day));
            prop_assume!(expected.is_ok());
            prop_assert_eq!(json(SqlType::Date, &day.to_be_bytes()), format!("\"{}\"", expected.unwrap()));
        }

        #[test]
        fn moments_agree_with_the_calendar(micros in -62_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let epoch: jiff::Timestamp = "2000-01-01T00:00:00Z".parse().unwrap();
            let moment = epoch + jiff::SignedDuration::from_micros(micros);
            let millis = micros.rem_euclid(1_000_000) / 1000;
            let expected = format!("\"{}.{millis:03}Z\"", moment.strftime("%Y-%m-%dT%H:%M:%S"));
            prop_assert_eq!(json(SqlType::Timestamptz, &micros.to_be_bytes()), expected);
        }
    }
}
