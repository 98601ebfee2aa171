//! Watches the quotes of a CSV file go by (RFC 4180).
//!
//! A quote that opens and never closes makes one cell of the rest of the file, which the parser takes for what was meant.
//! Always holds: the bytes pass unchanged, and none pass behind a row that is too long.

use std::io::{BufRead, Error, Read, Result};

pub(super) struct Quotes<'i> {
    input: &'i mut (dyn BufRead + Send),
    place: Place,
    line: u64,
    opened_in: u64,
    /// Bytes of the row so far, and how many it may have.
    size: usize,
    row_limit: usize,
    /// Bytes of a byte order mark that may still come.
    mark: &'static [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    StartOfCell,
    InCell,
    InQuotes,
    /// The end of the cell, or the first half of an escaped quote.
    AfterQuote,
}

impl<'i> Quotes<'i> {
    pub(super) fn new(input: &'i mut (dyn BufRead + Send), row_limit: usize) -> Self {
        let mark = b"\xef\xbb\xbf";
        Self { input, place: Place::StartOfCell, line: 1, opened_in: 0, size: 0, row_limit, mark }
    }

    /// At the end of the file: the line in which a quote opens that never closes.
    pub(super) fn unclosed(&self) -> Option<u64> {
        (self.place == Place::InQuotes).then_some(self.opened_in)
    }

    fn watch(&mut self, byte: u8) {
        if let Some((first, rest)) = self.mark.split_first() {
            self.mark = if byte == *first { rest } else { &[] };
            if byte == *first {
                return;
            }
        }
        self.line += u64::from(byte == b'\n');
        self.size = if byte == b'\n' && self.place != Place::InQuotes { 0 } else { self.size + 1 };
        self.place = match (self.place, byte) {
            (Place::StartOfCell, b'"') => {
                self.opened_in = self.line;
                Place::InQuotes
            }
            (Place::AfterQuote, b'"') => Place::InQuotes,
            (Place::InQuotes, b'"') => Place::AfterQuote,
            (Place::InQuotes, _) => Place::InQuotes,
            (_, b',' | b'\n' | b'\r') => Place::StartOfCell,
            _ => Place::InCell,
        };
    }
}

impl Read for Quotes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.input.read(buffer)?;
        for &byte in &buffer[..read] {
            self.watch(byte);
            if self.size > self.row_limit {
                let (limit, line) = (self.row_limit, self.line);
                return Err(Error::other(format!(
                    "the row that ends in line {line} has more than {limit} bytes"
                )));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_quote_that_never_closes_is_found() {
        let check = |text: &str, expected: Option<u64>| {
            let mut input = std::io::Cursor::new(text);
            let mut quotes = Quotes::new(&mut input, 100);
            let mut passed = String::new();
            quotes.read_to_string(&mut passed).unwrap();
            assert_eq!(passed, text);
            assert_eq!(quotes.unclosed(), expected, "{text}");
        };
        check("a,b\n1,2\n", None);
        check("a\n\"x, \"\"y\"\"\nz\"\n", None);
        check("a\n5\" disk\n", None);
        check("a\n\"x\"y\"\n", None);
        check("a\n1\n\"oops\n2\n", Some(3));
        check("a,b\n1,\"", Some(2));
        check("\u{feff}\"a\n1", Some(1));
        check("\u{feff}\"a\"\n1", None);
        check("", None);
    }

    #[test]
    fn a_row_that_is_too_long_ends_the_file() {
        let check = |text: &str, expected: Option<&str>| {
            let mut input = std::io::Cursor::new(text);
            let mut quotes = Quotes::new(&mut input, 5);
            let error = quotes.read_to_string(&mut String::new()).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{text}");
        };
        check("12345\n12345\n", None);
        check("1\n123456\n", Some("the row that ends in line 2 has more than 5 bytes"));
        check("\"12\n4\"\n", Some("the row that ends in line 2 has more than 5 bytes"));
    }
}
