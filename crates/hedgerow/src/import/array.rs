//! The items of a JSON array (RFC 8259), one after the other, as text with the space around them.
//!
//! Always holds: only what stands between the items is judged here; whether an item is JSON, whoever parses it says.

use std::io::{BufRead, Error, Result};

pub(super) struct Items<'i> {
    input: &'i mut (dyn BufRead + Send),
    place: Place,
    limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeArray,
    BeforeFirst,
    BeforeNext,
    BehindArray,
}

/// Where in an item a byte stands.
#[derive(Default)]
struct Inside {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Inside {
    /// Whether the item ends before this byte.
    fn ends(&mut self, byte: u8) -> bool {
        if self.in_text {
            let escaped = std::mem::replace(&mut self.escaped, false);
            match byte {
                b'\\' if !escaped => self.escaped = true,
                b'"' if !escaped => self.in_text = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b',' | b']' if self.depth == 0 => return true,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}

impl<'i> Items<'i> {
    pub(super) fn new(input: &'i mut (dyn BufRead + Send), limit: usize) -> Self {
        Self { input, place: Place::BeforeArray, limit }
    }

    /// The next item; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<String>> {
        if self.place == Place::BeforeArray {
            if self.skip_space()? != Some(b'[') {
                return Err(Error::other("it is no array of objects"));
            }
            self.input.consume(1);
            self.place = Place::BeforeFirst;
            if self.skip_space()? == Some(b']') {
                self.input.consume(1);
                self.place = Place::BehindArray;
            }
        }
        if self.place == Place::BehindArray {
            return match self.skip_space()? {
                None => Ok(None),
                Some(_) => Err(Error::other("there is something behind the array")),
            };
        }
        let item = self.item()?;
        self.place = match self.skip_space()? {
            Some(b',') => Place::BeforeNext,
            Some(b']') => Place::BehindArray,
            _ => return Err(Error::other("the array is not closed")),
        };
        self.input.consume(1);
        Ok(Some(item))
    }

    /// The bytes up to what ends the item.
    fn item(&mut self) -> Result<String> {
        let (mut item, mut inside) = (Vec::new(), Inside::default());
        loop {
            let bytes = self.input.fill_buf()?;
            let end = bytes.iter().position(|&byte| inside.ends(byte));
            let (taken, is_last) = (end.unwrap_or(bytes.len()), end.is_some() || bytes.is_empty());
            item.extend_from_slice(&bytes[..taken]);
            self.input.consume(taken);
            if item.len() > self.limit {
                return Err(Error::other(format!("an item has more than {} bytes", self.limit)));
            }
            if is_last {
                return String::from_utf8(item).map_err(|_| Error::other("it is not UTF-8"));
            }
        }
    }

    /// The next byte that is no white space.
    fn skip_space(&mut self) -> Result<Option<u8>> {
        loop {
            let bytes = self.input.fill_buf()?;
            let spaces = bytes.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
            let next = bytes.get(spaces).copied();
            let is_end = bytes.is_empty();
            self.input.consume(spaces);
            if next.is_some() || is_end {
                return Ok(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn items_are_cut_where_they_end() {
        let check = |text: &str, expected: &str| {
            // A buffer of one byte, so that everything is cut everywhere.
            let mut input = BufReader::with_capacity(1, text.as_bytes());
            let mut items = Items::new(&mut input, 20);
            let mut found = Vec::new();
            let end = loop {
                match items.next() {
                    Ok(Some(item)) => found.push(item),
                    Ok(None) => break "end".to_owned(),
                    Err(error) => break error.to_string(),
                }
            };
            found.push(end);
            assert_eq!(found.join("|"), expected, "{text}");
        };
        check("[]", "end");
        check(" [ ] \n", "end");
        check("[{\"a\": 1},{\"b\":[1,2]}]", "{\"a\": 1}|{\"b\":[1,2]}|end");
        check("[\n {\"a\":\"},]\\\"\"} , []\n]\n", "{\"a\":\"},]\\\"\"} | []\n|end");
        check("[\"\\\\\",1]", "\"\\\\\"|1|end");
        check("[1,]", "1||end");
        check("[1", "the array is not closed");
        check("[\"1", "the array is not closed");
        check("", "it is no array of objects");
        check("{\"a\":[]}", "it is no array of objects");
        check("[] x", "there is something behind the array");
        check("[1][2]", "1|there is something behind the array");
        check("[\"123456789012345678901\"]", "an item has more than 20 bytes");
        check("[}}]", "}}|end");
    }
}
