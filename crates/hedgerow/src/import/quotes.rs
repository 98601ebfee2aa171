//! Watches the quotes of a CSV file go by (RFC 4180).
//!
//! A quote that opens and never closes makes one cell of the rest of the file, which the parser takes for what was meant.
//! Always holds: the bytes pass unchanged.

use std::io::{BufRead, Read, Result};

pub(super) struct Quotes<'i> {
    input: &'i mut (dyn BufRead + Send),
    place: Place,
    line: u64,
    opened_in: u64,
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
    pub(super) fn new(input: &'i mut (dyn BufRead + Send)) -> Self {
        Self { input, place: Place::StartOfCell, line: 1, opened_in: 0, mark: b"\xef\xbb\xbf" }
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
            let mut quotes = Quotes::new(&mut input);
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
}
