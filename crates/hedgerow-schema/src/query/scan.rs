//! Text of a query string under reading: names, quotes, parentheses.
//!
//! Always holds: what is read is given back as text; nothing here decides what it means.

/// The characters that end a name, besides an arrow.
const ENDS: &[char] = &['.', ',', ':', '!', '(', ')'];

/// A text, and how far it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'t> {
    rest: &'t str,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'t str {
        self.rest
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn sees(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    /// Reads `text` if it stands here.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    pub(super) fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// A name: until a character of structure, an arrow or the end. May be empty.
    pub(super) fn name(&mut self) -> &'t str {
        let ends = |(at, c): &(usize, char)| ENDS.contains(c) || self.rest[*at..].starts_with("->");
        let end = self.rest.char_indices().find(ends).map_or(self.rest.len(), |(at, _)| at);
        self.take(end).trim()
    }

    /// A name, or a text in quotes.
    pub(super) fn name_or_quoted(&mut self) -> Option<String> {
        if self.sees("\"") { self.quoted() } else { Some(self.name().to_owned()) }
    }

    /// A text in quotes; a backslash makes the next character plain. `None`: it does not end.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.take(at + 1);
                    return Some(text);
                }
                '\\' => text.push(characters.next()?.1),
                c => text.push(c),
            }
        }
        None
    }

    /// A piece in these brackets, with them; quotes hide brackets. `None`: it does not end.
    pub(super) fn bracketed(&mut self, open: char, close: char) -> Option<&'t str> {
        let mut depth = 0;
        let mut is_quoted = false;
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' if is_quoted => drop(characters.next()),
                '"' => is_quoted = !is_quoted,
                _ if is_quoted => {}
                c if c == open => depth += 1,
                c if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(self.take(at + c.len_utf8()));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// A value inside a list of conditions: in quotes, in brackets, or until a comma or a closing parenthesis.
    pub(super) fn value(&mut self) -> Option<String> {
        match self.rest.chars().next() {
            Some('"') => self.quoted(),
            Some('(') => self.bracketed('(', ')').map(str::to_owned),
            Some('{') => self.bracketed('{', '}').map(str::to_owned),
            _ => {
                let end = self.rest.find([',', ')']).unwrap_or(self.rest.len());
                Some(self.take(end).to_owned())
            }
        }
    }

    /// Passes over what cannot be read, up to the comma or the parenthesis that ends it.
    pub(super) fn skip_item(&mut self) -> &'t str {
        let mut depth = 0_u32;
        let end = self.rest.char_indices().find(|(_, c)| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth > 0 => {
                depth -= 1;
                false
            }
            ')' => true,
            ',' => depth == 0,
            _ => false,
        });
        self.take(end.map_or(self.rest.len(), |(at, _)| at))
    }
}

/// Splits `a,"b,c"`; in quotes a backslash makes the next character plain. `None`: not of that form.
pub(crate) fn split_quoted(text: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    if text.is_empty() {
        return Some(values);
    }
    let mut scan = Scan::new(text);
    loop {
        if scan.sees("\"") {
            values.push(scan.quoted()?);
        } else {
            let end = scan.rest.find(',').unwrap_or(scan.rest.len());
            values.push(scan.take(end).to_owned());
        }
        if scan.is_at_end() {
            return Some(values);
        }
        if !scan.eat(",") {
            return None;
        }
    }
}

/// Splits `(a,"b,c")` or, with other brackets, `{a,"b,c"}`. `None`: not of that form.
pub(super) fn split_list(text: &str, open: char, close: char) -> Option<Vec<String>> {
    split_quoted(text.strip_prefix(open)?.strip_suffix(close)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_like_postgrest_does() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let got = split_list(text, '(', ')');
            let got: Option<Vec<&str>> =
                got.as_ref().map(|values| values.iter().map(String::as_str).collect());
            assert_eq!(got.as_deref(), expected, "{text}");
        };
        check("()", Some(&[]));
        check("(a)", Some(&["a"]));
        check("(a,b c,)", Some(&["a", "b c", ""]));
        check(r#"("a,b",c,"d\"e\\")"#, Some(&["a,b", "c", "d\"e\\"]));
        check("(a", None);
        check("a,b", None);
        check(r#"("a"b)"#, None);
        check(r#"("a)"#, None);
    }

    #[test]
    fn values_end_where_their_brackets_do() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let mut scan = Scan::new(text);
            let got = scan.value();
            assert_eq!(got.as_deref().map(|value| (value, scan.rest())), expected, "{text}");
        };
        check("a,b", Some(("a", ",b")));
        check("a(b),c", Some(("a(b", "),c")));
        check("\"a),b\",c", Some(("a),b", ",c")));
        check("(a,\"b)\"),c", Some(("(a,\"b)\")", ",c")));
        check("{a,\"}\"})", Some(("{a,\"}\"}", ")")));
        check("(a", None);
        check("", Some(("", "")));
    }
}
