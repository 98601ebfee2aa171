//! Reads TOML tables whose keys are known, and notes every mistake instead of stopping at the first.
//!
//! Always holds: a key that nobody asked for is a problem that names the allowed keys.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Problem;

/// A TOML file under inspection, with the problems found so far.
#[derive(Debug)]
pub struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
}

/// A table of the file; remembers which keys were asked for.
#[derive(Debug)]
pub struct Table<'d> {
    entries: Vec<Entry<'d>>,
    /// Where the table stands, for problems about a key that is missing.
    span: Range<usize>,
    asked: BTreeSet<&'static str>,
}

/// A text of the file, and where it stands.
pub type Text<'d> = (&'d str, Range<usize>);

/// One key with its value.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'d> {
    key: &'d Spanned<toml::de::DeString<'d>>,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Entry<'d> {
    /// The key.
    pub fn key(self) -> &'d str {
        self.key.get_ref()
    }

    /// Where the key stands.
    pub fn key_span(self) -> Range<usize> {
        self.key.span()
    }

    /// The value.
    pub fn value(self) -> &'d DeValue<'d> {
        self.value.get_ref()
    }

    /// Where the value stands.
    pub fn span(self) -> Range<usize> {
        self.value.span()
    }

    /// The value as a table.
    pub fn table(self) -> Option<Table<'d>> {
        let DeValue::Table(table) = self.value.get_ref() else { return None };
        // A table's own span covers its header; the key is what a reader looks for.
        Some(Table::new(table, self.key.span()))
    }
}

impl<'d> Table<'d> {
    /// Wraps a parsed table, its keys in the order of the file.
    pub fn new(table: &'d DeTable<'d>, span: Range<usize>) -> Self {
        let mut entries: Vec<_> = table.iter().map(|(key, value)| Entry { key, value }).collect();
        entries.sort_by_key(|entry| entry.key.span().start);
        Self { entries, span, asked: BTreeSet::new() }
    }

    /// All keys, in the order of the file.
    pub fn entries(&self) -> &[Entry<'d>] {
        &self.entries
    }

    /// Where the table stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Asks for a key.
    pub fn get(&mut self, key: &'static str) -> Option<Entry<'d>> {
        self.asked.insert(key);
        self.entries.iter().copied().find(|entry| entry.key() == key)
    }
}

impl<'t> Reader<'t> {
    /// For the file called `file` with the content `text`.
    pub fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, problems: Vec::new() }
    }

    /// Parses the whole file; what is no TOML is noted as a problem, and the rest is still read.
    pub fn document(&mut self) -> Spanned<DeTable<'t>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.note(span, format!("this is not TOML: {}", error.message()), None);
        }
        document
    }

    /// Notes a problem.
    pub fn note(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        self.problems.push(Problem::at(self.file, self.text, span, message, hint));
    }

    /// The problems, in the order of the file.
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.span.start);
        self.problems
    }

    /// Whether nothing was wrong so far.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn mistyped(&mut self, entry: Entry<'_>, wanted: &str) {
        let found = match entry.value() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.note(entry.span(), format!("`{}` is {wanted}, not {found}", entry.key()), None);
    }

    /// A key whose value is a text.
    pub fn string<'d>(&mut self, table: &mut Table<'d>, key: &'static str) -> Option<Text<'d>> {
        let entry = table.get(key)?;
        let DeValue::String(text) = entry.value() else {
            self.mistyped(entry, "a text");
            return None;
        };
        Some((text, entry.span()))
    }

    /// A key whose value is true or false; absent is false.
    pub fn flag(&mut self, table: &mut Table<'_>, key: &'static str) -> bool {
        let Some(entry) = table.get(key) else { return false };
        let DeValue::Boolean(value) = entry.value() else {
            self.mistyped(entry, "true or false");
            return false;
        };
        *value
    }

    /// A key whose value is a whole number within `range`.
    pub fn integer(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let entry = table.get(key)?;
        let DeValue::Integer(digits) = entry.value() else {
            self.mistyped(entry, "a whole number");
            return None;
        };
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let inside = number.filter(|number| range.contains(number));
        if inside.is_none() {
            let limits = match (*range.start(), *range.end()) {
                (i64::MIN, i64::MAX) => "a whole number of 64 bits".to_owned(),
                (low, i64::MAX) => format!("a whole number from {low}"),
                (low, high) => format!("a whole number from {low} to {high}"),
            };
            self.note(entry.span(), format!("`{key}` is {limits}"), None);
        }
        inside
    }

    /// A key whose value is a table.
    pub fn table<'d>(&mut self, table: &mut Table<'d>, key: &'static str) -> Option<Table<'d>> {
        let entry = table.get(key)?;
        let inner = entry.table();
        if inner.is_none() {
            self.mistyped(entry, "a table");
        }
        inner
    }

    /// A key whose value is an array of tables.
    pub fn tables<'d>(&mut self, table: &mut Table<'d>, key: &'static str) -> Vec<Table<'d>> {
        let Some(entry) = table.get(key) else { return Vec::new() };
        let DeValue::Array(array) = entry.value() else {
            self.mistyped(entry, "an array of tables");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in array {
            match item.get_ref() {
                DeValue::Table(inner) => tables.push(Table::new(inner, item.span())),
                _ => self.note(item.span(), format!("`{key}` holds tables only"), None),
            }
        }
        tables
    }

    /// A key whose value is an array of texts.
    pub fn strings<'d>(
        &mut self,
        table: &mut Table<'d>,
        key: &'static str,
    ) -> Option<(Vec<Text<'d>>, Range<usize>)> {
        let entry = table.get(key)?;
        let DeValue::Array(array) = entry.value() else {
            self.mistyped(entry, "an array of texts");
            return None;
        };
        let mut items = Vec::new();
        for item in array {
            match item.get_ref() {
                DeValue::String(text) => items.push((text.as_ref(), item.span())),
                _ => self.note(item.span(), format!("`{key}` holds texts only"), None),
            }
        }
        Some((items, entry.span()))
    }

    /// A key whose value is one of `words`.
    pub fn word<T: Copy>(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let (text, span) = self.string(table, key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.note(span, format!("`{key}` cannot be {text:?}"), Some(allowed(text, &names)));
        }
        found
    }

    /// Notes every key of `table` that was not asked for. `later` are keys that a later version understands.
    pub fn finish(&mut self, table: &Table<'_>, what: &str, later: &[&'static str]) {
        for entry in table.entries() {
            if table.asked.contains(entry.key()) {
                continue;
            }
            if later.contains(&entry.key()) {
                let message = format!("`{}` is not supported by this version of Hedgerow", entry.key());
                self.note(entry.key_span(), message, Some("remove it for now".to_owned()));
            } else {
                let names: Vec<_> = table.asked.iter().copied().collect();
                let message = format!("`{}` is no key of {what}", entry.key());
                self.note(entry.key_span(), message, Some(allowed(entry.key(), &names)));
            }
        }
    }
}

/// The text of a value that is no array and no table.
pub fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(moment) => Some(moment.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// "did you mean `title`? allowed: …", the nearest name first where one is near.
pub(crate) fn allowed(found: &str, names: &[&str]) -> String {
    let list = format!("allowed: {}", names.join(", "));
    match nearest(found, names) {
        Some(name) => format!("did you mean `{name}`? {list}"),
        None => list,
    }
}

/// The name that differs from `found` in the fewest letters, if in at most a third of them, rounded up.
pub(crate) fn nearest<'n>(found: &str, names: &[&'n str]) -> Option<&'n str> {
    let best = names.iter().map(|name| (distance(found, name), *name)).min()?;
    (best.0 <= found.chars().count().div_ceil(3)).then_some(best.1)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        let names = ["required", "unique", "max_length"];
        let check =
            |found: &str, expected: Option<&str>| assert_eq!(nearest(found, &names), expected, "{found}");
        check("requird", Some("required"));
        check("maxLength", Some("max_length"));
        check("Unique", Some("unique"));
        check("colour", None);
        check("x", None);
    }
}
