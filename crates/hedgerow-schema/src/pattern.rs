//! Regular expressions that Rust and PostgreSQL read alike.
//!
//! Always holds: a [`Pattern`] uses only what both have (manual, section 9.7.3), so what the API takes, the column's CHECK
//! takes. Where the two differ in a class (`\w` in a database with Unicode rules), the API is the stricter one: `\d`, `\w`,
//! `\s` and `[:…:]` are ASCII there.

use regex::Regex;

/// A text that must match as a whole.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// More characters than this are a program, not a pattern.
const MAX_LENGTH: usize = 500;
/// PostgreSQL's largest count in braces (`DUPMAX`).
const MAX_COUNT: u32 = 255;

const CLASSES: &[&str] = &[
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
    "xdigit",
];

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that names what one of the two does not have.
    ///
    /// ```
    /// use hedgerow_schema::Pattern;
    /// let sku = Pattern::parse("[A-Z]{2}-\\d+").unwrap();
    /// assert!(sku.matches("AB-12") && !sku.matches("xAB-12"));
    /// assert!(Pattern::parse(r"\p{L}").unwrap_err().contains(r"\p"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().count() > MAX_LENGTH {
            return Err(format!("a pattern has 1 to {MAX_LENGTH} characters"));
        }
        let translated = Scanner { rest: text.chars().peekable(), out: String::new() }.run()?;
        let whole = format!("^(?:{translated})$");
        // As in PostgreSQL, where a dot matches a line's end too.
        let regex = regex::RegexBuilder::new(&whole).dot_matches_new_line(true).build();
        let regex = regex.map_err(|error| {
            let said = error.to_string();
            let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("this is no regular expression: {last}")
        })?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// As the entity file has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The same for PostgreSQL's operator `~`.
    pub(crate) fn for_postgres(&self) -> String {
        format!("^(?:{})$", self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// Goes through a pattern, refuses what only one of the two understands, and writes Rust's form.
struct Scanner<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    out: String,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<String, String> {
        // Whether a quantifier may follow here.
        let mut quantifiable = false;
        while let Some(c) = self.rest.next() {
            match c {
                '\0' => return Err("a pattern cannot contain the character U+0000".to_owned()),
                '\\' => {
                    let escape = self.escape()?;
                    match class(escape) {
                        Some((set, negated)) => {
                            self.out.push_str(if negated { "[^" } else { "[" });
                            self.out.push_str(set);
                            self.out.push(']');
                        }
                        None => self.out.extend(['\\', escape]),
                    }
                    quantifiable = true;
                }
                '[' => {
                    self.bracket()?;
                    quantifiable = true;
                }
                '(' => {
                    self.out.push('(');
                    if self.rest.next_if_eq(&'?').is_some() {
                        if self.rest.next_if_eq(&':').is_none() {
                            let message = "of the groups that begin with (? only (?:…) is allowed: no names, no flags, no \
                                           look-around";
                            return Err(message.to_owned());
                        }
                        self.out.push_str("?:");
                    }
                    quantifiable = false;
                }
                '*' | '+' | '?' | '{' => {
                    if !quantifiable {
                        return Err(format!("nothing stands before `{c}` that could be repeated"));
                    }
                    self.out.push(c);
                    if c == '{' {
                        self.count()?;
                    }
                    // As few as possible: for a whole match it means the same.
                    if self.rest.next_if_eq(&'?').is_some() {
                        self.out.push('?');
                    }
                    quantifiable = false;
                }
                '|' | '^' | '$' => {
                    self.out.push(c);
                    quantifiable = false;
                }
                ']' | '}' => {
                    self.out.extend(['\\', c]);
                    quantifiable = true;
                }
                c => {
                    self.out.push(c);
                    quantifiable = true;
                }
            }
        }
        Ok(self.out)
    }

    fn escape(&mut self) -> Result<char, String> {
        match self.rest.next() {
            Some(c @ ('d' | 'w' | 's' | 'D' | 'W' | 'S' | 'n' | 't' | 'r' | 'f' | 'v')) => Ok(c),
            Some(c) if c.is_ascii_punctuation() && !matches!(c, '<' | '>') => Ok(c),
            Some(c) => Err(format!(
                "`\\{c}` is not the same in Rust and in PostgreSQL; allowed are \\d \\w \\s \\D \\W \\S \\n \\t \\r \\f \\v and a backslash before punctuation"
            )),
            None => Err("a backslash stands at the end".to_owned()),
        }
    }

    /// `{2}`, `{2,}` or `{2,5}`, behind the brace.
    fn count(&mut self) -> Result<(), String> {
        let wrong =
            || format!("a count has the form {{2}}, {{2,}} or {{2,5}}, with numbers up to {MAX_COUNT}");
        let mut inner = String::new();
        loop {
            match self.rest.next() {
                Some('}') => break,
                Some(c) if c.is_ascii_digit() || c == ',' => inner.push(c),
                _ => return Err(wrong()),
            }
        }
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= MAX_COUNT);
        let fits = match inner.split_once(',') {
            None => number(&inner).is_some(),
            Some((low, "")) => number(low).is_some(),
            Some((low, high)) => number(low).zip(number(high)).is_some_and(|(low, high)| low <= high),
        };
        if !fits {
            return Err(wrong());
        }
        self.out.push_str(&inner);
        self.out.push('}');
        Ok(())
    }

    /// A set of characters, behind the bracket.
    fn bracket(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        if self.rest.peek() == Some(&']') {
            return Err("a `]` in brackets is written `\\]`".to_owned());
        }
        loop {
            match self.rest.next() {
                None => return Err("a `[` is never closed".to_owned()),
                Some(']') => {
                    self.out.push(']');
                    return Ok(());
                }
                Some('\\') => {
                    let escape = self.escape()?;
                    match class(escape) {
                        Some((set, false)) => self.out.push_str(set),
                        Some((_, true)) => return Err(format!("`\\{escape}` cannot stand in brackets")),
                        None => self.out.extend(['\\', escape]),
                    }
                }
                Some('[') if self.rest.next_if_eq(&':').is_some() => {
                    let mut name = String::new();
                    while let Some(c) = self.rest.next_if(char::is_ascii_lowercase) {
                        name.push(c);
                    }
                    let ends = self.rest.next() == Some(':') && self.rest.next() == Some(']');
                    if !ends || !CLASSES.contains(&name.as_str()) {
                        return Err(format!("a class in brackets is one of [:{}:]", CLASSES.join(":] [:")));
                    }
                    self.out.push_str(&format!("[:{name}:]"));
                }
                Some('[') => return Err("a `[` in brackets is written `\\[`".to_owned()),
                Some(c @ ('&' | '~' | '-')) if self.rest.peek() == Some(&c) => {
                    return Err(format!(
                        "`{c}{c}` in brackets does not mean the same in Rust and in PostgreSQL"
                    ));
                }
                Some(c) => self.out.push(c),
            }
        }
    }
}

/// The characters of `\d`, `\w` and `\s`, and whether the escape means all others.
fn class(escape: char) -> Option<(&'static str, bool)> {
    let set = match escape.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "A-Za-z0-9_",
        's' => r" \t\n\r\x0B\x0C",
        _ => return None,
    };
    Some((set, escape.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            let parsed = Pattern::parse(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
            assert!(yes.iter().all(|text| parsed.matches(text)), "{pattern} takes {yes:?}");
            assert!(!no.iter().any(|text| parsed.matches(text)), "{pattern} refuses {no:?}");
        };
        check("a|b", &["a", "b"], &["ab", "", "xa", "a\n"]);
        check("^a$", &["a"], &["aa"]);
        check(r"[A-Z]{2}-\d{1,3}", &["AB-1"], &["AB-1234", "ab-1", "AB-٣"]);
        check(r"\w+\s\S*?", &["a b", "a\t"], &["ä b", "a"]);
        check(r"[\w.\-]+@[^\s@]+", &["a.b-c@d"], &["a@b c", "@"]);
        check("[[:upper:]_]+}]", &["A_}]"], &["a_}]"]);
        check("a.b", &["a\nb", "aäb"], &["ab"]);
        check("(?:x(y)?)+", &["xyx"], &["y"]);
    }

    #[test]
    fn what_only_one_of_the_two_understands_is_refused() {
        for (pattern, why) in [
            (r"\p{L}", "`\\p`"),
            (r"\bword\b", "`\\b`"),
            (r"\x41", "`\\x`"),
            (r"(a)\1", "`\\1`"),
            (r"\<a\>", "`\\<`"),
            ("(?i)a", "(?:"),
            ("(?P<n>a)", "(?:"),
            ("(?=a)", "(?:"),
            ("(?<!a)b", "(?:"),
            ("[a&&b]", "&&"),
            ("[a--b]", "--"),
            ("[[a]]", "`\\[`"),
            ("[]a]", "`\\]`"),
            ("[^]", "`\\]`"),
            (r"[\W]", "`\\W`"),
            ("[[:word:]]", "[:alnum:]"),
            ("[a", "never closed"),
            ("a{,3}", "count"),
            ("a{3,2}", "count"),
            ("a{256}", "count"),
            ("a**", "before `*`"),
            ("a{2}{3}", "before `{`"),
            ("*a", "before `*`"),
            ("^*", "before `*`"),
            ("(a", "unclosed"),
            ("a)", "unopened"),
            ("[z-a]", "range"),
            ("", "1 to 500"),
            ("a\\", "at the end"),
        ] {
            let said = Pattern::parse(pattern).err().unwrap_or_else(|| panic!("{pattern} was taken"));
            assert!(said.contains(why), "{pattern}: {said}");
        }
    }
}
