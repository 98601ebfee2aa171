//! Conditions on rows: `field=operator.value`, and trees of them.

use super::Relationship;
use super::operand::{Operand, PathEnd};
use super::parameters::Reading;
use super::scan::{Scan, split_list};
use super::words;
use crate::{Bind, Column, Entity, FieldKind, SqlType, StoredType, value};

/// A tree has at most this many levels of `and` and `or`.
const MAX_DEPTH: u32 = 10;
/// A request has at most this many conditions.
const MAX_CONDITIONS: usize = 100;
/// A list of values has at most this many.
const MAX_VALUES: usize = 1000;
/// The links of a row are compared with at most this many ids.
const MAX_IDS: usize = 50;
/// A pattern has at most this many characters.
const MAX_PATTERN: usize = 200;

/// Which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter<'e> {
    /// A condition on one value.
    Test(Operand<'e>, Test),
    /// The words of the row's searchable fields, as `to_tsquery` reads them.
    Search(Bind),
    /// There are related rows that these conditions match.
    Related(Relationship<'e>, Vec<Filter<'e>>),
    /// The condition is false.
    Not(Box<Filter<'e>>),
    /// All are true; at least one.
    All(Vec<Filter<'e>>),
    /// One is true at least; at least one.
    Any(Vec<Filter<'e>>),
}

/// A condition on a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Compared with a value.
    Compare(Comparison, Bind),
    /// Compared with each of several values; an array bind.
    CompareEach(Comparison, Quantifier, Bind),
    /// Among several values; an array bind.
    In(Bind),
    /// NULL, true, false or unknown.
    Is(IsValue),
    /// A list or document, compared as a set with another.
    Set(SetComparison, Bind),
    /// Words of a text.
    Words(WordsForm, TextConfig, Bind),
}

/// Comparisons with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `<>`
    Neq,
    /// `>`
    Gt,
    /// `>=`
    Gte,
    /// `<`
    Lt,
    /// `<=`
    Lte,
    /// `IS DISTINCT FROM`
    Distinct,
    /// Like a pattern (`%` any text, `_` any character).
    Like,
    /// The same without regard to case.
    Ilike,
    /// A regular expression matches (POSIX, as PostgreSQL reads it).
    Match,
    /// The same without regard to case.
    Imatch,
}

/// How many of several values the comparison holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// One at least.
    Any,
    /// Each.
    All,
}

/// What `is` tests for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsValue {
    /// NULL.
    Null,
    /// Not NULL.
    NotNull,
    /// true.
    True,
    /// false.
    False,
    /// NULL, said of a boolean.
    Unknown,
}

/// Comparisons of sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetComparison {
    /// `@>`
    Contains,
    /// `<@`
    Contained,
    /// `&&`
    Overlaps,
}

/// How the words of a test are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordsForm {
    /// `to_tsquery`
    Query,
    /// `plainto_tsquery`
    Plain,
    /// `phraseto_tsquery`
    Phrase,
    /// `websearch_to_tsquery`
    Web,
}

/// A configuration of text search that every PostgreSQL from 14 on has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextConfig(&'static str);

impl TextConfig {
    const NAMES: &'static [&'static str] = &[
        "simple",
        "arabic",
        "armenian",
        "basque",
        "catalan",
        "danish",
        "dutch",
        "english",
        "finnish",
        "french",
        "german",
        "greek",
        "hindi",
        "hungarian",
        "indonesian",
        "irish",
        "italian",
        "lithuanian",
        "nepali",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "serbian",
        "spanish",
        "swedish",
        "tamil",
        "turkish",
        "yiddish",
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0
    }

    fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|known| **known == name).map(|known| Self(known))
    }
}

const COMPARISONS: &[(&str, Comparison)] = &[
    ("eq", Comparison::Eq),
    ("neq", Comparison::Neq),
    ("gt", Comparison::Gt),
    ("gte", Comparison::Gte),
    ("lt", Comparison::Lt),
    ("lte", Comparison::Lte),
    ("isdistinct", Comparison::Distinct),
    ("like", Comparison::Like),
    ("ilike", Comparison::Ilike),
    ("match", Comparison::Match),
    ("imatch", Comparison::Imatch),
];
const SETS: &[(&str, SetComparison)] =
    &[("cs", SetComparison::Contains), ("cd", SetComparison::Contained), ("ov", SetComparison::Overlaps)];
const WORDS: &[(&str, WordsForm)] = &[
    ("fts", WordsForm::Query),
    ("plfts", WordsForm::Plain),
    ("phfts", WordsForm::Phrase),
    ("wfts", WordsForm::Web),
];
/// Operators of PostgREST for ranges, which no field is.
const RANGES: &[&str] = &["sl", "sr", "nxr", "nxl", "adj"];

fn known<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

impl Comparison {
    fn is_pattern(self) -> bool {
        matches!(self, Self::Like | Self::Ilike | Self::Match | Self::Imatch)
    }

    /// Whether it asks which of two values is greater.
    fn is_order(self) -> bool {
        matches!(self, Self::Gt | Self::Gte | Self::Lt | Self::Lte)
    }
}

/// What is wrong with a condition; the parameter is known to the caller.
type Wrong = (&'static str, String);

fn wrong<T>(message: impl Into<String>) -> Result<T, Wrong> {
    Err(("invalid_filter", message.into()))
}

impl<'e> Reading<'e> {
    /// Reads `name=[not.]operator.value`; `name` may have a path.
    pub(super) fn condition(
        &mut self,
        entity: &'e Entity,
        name: &str,
        text: &str,
        parameter: &str,
    ) -> Option<Filter<'e>> {
        let mut scan = Scan::new(name);
        let column = scan.name();
        let operand = self.operand(entity, column, &mut scan, parameter)?;
        if !scan.is_at_end() {
            self.note(parameter, "invalid_filter", format!("`{}` cannot stand behind a field", scan.rest()));
            return None;
        }
        self.tested(operand, text, parameter)
    }

    /// Reads `[not.]operator.value`.
    fn tested(&mut self, operand: Operand<'e>, text: &str, parameter: &str) -> Option<Filter<'e>> {
        if !self.count_condition(parameter) {
            return None;
        }
        let (is_negated, rest) = negation(text);
        let name = operand.shown();
        let Some((operator, value)) = split_operator(rest) else {
            let message = format!("a filter has the form `{name}=operator.value`, for example `{name}=eq.x`");
            self.note(parameter, "invalid_filter", message);
            return None;
        };
        match self.test(&operand, operator, value) {
            Ok(test) => Some(negated(Filter::Test(operand, test), is_negated)),
            Err((code, message)) => {
                self.note(parameter, code, message);
                None
            }
        }
    }

    fn count_condition(&mut self, parameter: &str) -> bool {
        self.conditions += 1;
        if self.conditions == MAX_CONDITIONS + 1 {
            let message = format!("a request has at most {MAX_CONDITIONS} conditions");
            self.note(parameter, "too_many_conditions", message);
        }
        self.conditions <= MAX_CONDITIONS
    }

    /// Reads the value of `and=`, `or=`, `not.and=`, `not.or=`; `related` tells what conditions on embedded rows are.
    pub(super) fn tree(
        &mut self,
        entity: &'e Entity,
        word: &str,
        text: &str,
        parameter: &str,
        related: &dyn Fn(&str) -> Option<Filter<'e>>,
    ) -> Option<Filter<'e>> {
        let mut scan = Scan::new(text);
        let found = self.branch(entity, word, &mut scan, parameter, 1, related);
        if found.is_some() && !scan.is_at_end() {
            self.note(parameter, "invalid_filter", format!("`{}` stands behind the list", scan.rest()));
            return None;
        }
        found
    }

    /// Reads `(condition,…)` behind `and`, `or`, `not.and` or `not.or`.
    fn branch(
        &mut self,
        entity: &'e Entity,
        word: &str,
        scan: &mut Scan<'_>,
        parameter: &str,
        depth: u32,
        related: &dyn Fn(&str) -> Option<Filter<'e>>,
    ) -> Option<Filter<'e>> {
        let (is_negated, word) = negation(word);
        if depth > MAX_DEPTH {
            let message = format!("conditions nest at most {MAX_DEPTH} levels deep");
            self.note(parameter, "too_deep", message);
            return None;
        }
        let form = || format!("`{word}` takes a list of conditions: `{word}=(a.eq.1,b.gt.2)`");
        if !scan.eat("(") {
            self.note(parameter, "invalid_filter", form());
            return None;
        }
        let mut filters = Vec::new();
        let before = self.errors.len();
        if scan.sees(")") {
            self.note(parameter, "invalid_filter", form());
            return None;
        }
        loop {
            scan.skip_spaces();
            match self.leaf(entity, scan, parameter, depth, related) {
                Some(filter) => filters.push(filter),
                None => {
                    scan.skip_item();
                }
            }
            scan.skip_spaces();
            if scan.eat(")") {
                break;
            }
            if !scan.eat(",") {
                self.note(parameter, "invalid_filter", form());
                return None;
            }
        }
        if self.errors.len() > before {
            return None;
        }
        let whole = if word == "or" { Filter::Any(filters) } else { Filter::All(filters) };
        Some(negated(whole, is_negated))
    }

    fn leaf(
        &mut self,
        entity: &'e Entity,
        scan: &mut Scan<'_>,
        parameter: &str,
        depth: u32,
        related: &dyn Fn(&str) -> Option<Filter<'e>>,
    ) -> Option<Filter<'e>> {
        for word in ["and", "or", "not.and", "not.or"] {
            let mut ahead = *scan;
            if ahead.eat(word) && ahead.sees("(") {
                *scan = ahead;
                return self.branch(entity, word, scan, parameter, depth + 1, related);
            }
        }
        let name = scan.name();
        if let Some(rows) = related(name) {
            let mut ahead = *scan;
            if ahead.eat(".")
                && let Some(is_there) = there(ahead.skip_item())
            {
                *scan = ahead;
                return self.count_condition(parameter).then(|| negated(rows, !is_there));
            }
        }
        let operand = self.operand(entity, name, scan, parameter)?;
        if !scan.eat(".") {
            let message =
                format!("a condition has the form `{name}.operator.value`, for example `{name}.eq.x`");
            self.note(parameter, "invalid_filter", message);
            return None;
        }
        // The operator up to its dot, which a list of options may hide; then the value as it is quoted here.
        let mut text = String::new();
        if scan.eat("not.") {
            text.push_str("not.");
        }
        text.push_str(scan.name());
        if scan.sees("(") {
            text.push_str(scan.bracketed('(', ')').unwrap_or_default());
        }
        if scan.eat(".") {
            let Some(value) = scan.value() else {
                let message = format!("the value of `{name}` does not end");
                self.note(parameter, "invalid_filter", message);
                return None;
            };
            text.push('.');
            text.push_str(&value);
        }
        self.tested(operand, &text, parameter)
    }

    fn test(&self, operand: &Operand<'e>, operator: &str, text: &str) -> Result<Test, Wrong> {
        let (operator, option) = match operator.split_once('(') {
            Some((word, option)) => match option.strip_suffix(')') {
                Some(option) => (word, Some(option)),
                None => return wrong(format!("`{operator}` has no closing parenthesis")),
            },
            None => (operator, None),
        };
        let name = operand.shown();
        if let Some(comparison) = known(COMPARISONS, operator) {
            return self.comparison(operand, comparison, operator, option, text);
        }
        if let Some(form) = known(WORDS, operator) {
            return words_test(operand, form, operator, option, text);
        }
        if option.is_some() {
            return wrong(format!("`{operator}` takes nothing in parentheses"));
        }
        if let Some(comparison) = known(SETS, operator) {
            return set_test(operand, comparison, operator, text);
        }
        match operator {
            "in" => {
                plain_value(operand, operator)?;
                let Some(values) = split_list(text, '(', ')') else {
                    return wrong(format!("`in` takes a list in parentheses: `{name}=in.(a,\"b,c\")`"));
                };
                Ok(Test::In(several(operand, &values)?))
            }
            "is" => is_test(operand, text),
            _ if RANGES.contains(&operator) => {
                Err(("unsupported_operator", format!("`{operator}` is for ranges, and no field is one")))
            }
            _ => {
                let all: Vec<&str> = COMPARISONS
                    .iter()
                    .map(|(word, _)| *word)
                    .chain(["in", "is"])
                    .chain(SETS.iter().map(|(word, _)| *word))
                    .chain(WORDS.iter().map(|(word, _)| *word))
                    .collect();
                let message = format!("there is no operator `{operator}`: there are {}", all.join(", "));
                Err(("unknown_operator", message))
            }
        }
    }

    fn comparison(
        &self,
        operand: &Operand<'e>,
        comparison: Comparison,
        operator: &str,
        option: Option<&str>,
        text: &str,
    ) -> Result<Test, Wrong> {
        let name = operand.shown();
        if operand.is_links() {
            return links_only(operand, operator);
        }
        if comparison.is_pattern() && operand.sql_type() != SqlType::Text {
            return Err(("unsupported_operator", format!("`{operator}` is for texts, `{name}` is none")));
        }
        if matches!(comparison, Comparison::Match | Comparison::Imatch) && !self.limits.regex.is_on() {
            let message =
                format!("`{operator}` is switched off (`api.regex`); `like` and `ilike` match with `*`");
            return Err(("unsupported_operator", message));
        }
        if comparison.is_order() && !is_ordered(operand) {
            let kind = kind_of(operand);
            return Err(("unsupported_operator", format!("`{name}` is a {kind}, which has no order")));
        }
        let quantifier = match option {
            None => return Ok(Test::Compare(comparison, one(operand, comparison, text)?)),
            Some("any") => Quantifier::Any,
            Some("all") => Quantifier::All,
            Some(_) => return wrong(format!("`{operator}` takes `any` or `all` in parentheses")),
        };
        if matches!(comparison, Comparison::Neq | Comparison::Distinct) {
            return wrong(format!("`{operator}` takes one value; `not.in` takes several"));
        }
        plain_value(operand, operator)?;
        let Some(values) = split_list(text, '{', '}').filter(|values| values.len() <= MAX_VALUES) else {
            let message =
                format!("`{operator}(any)` takes up to {MAX_VALUES} values in braces: `{{a,\"b,c\"}}`");
            return wrong(message);
        };
        let binds: Vec<Bind> =
            values.iter().map(|value| one(operand, comparison, value)).collect::<Result<_, _>>()?;
        let array = Bind::array(operand.sql_type(), binds.iter().map(|bind| bind.value.as_deref()));
        Ok(Test::CompareEach(comparison, quantifier, array))
    }
}

/// Whether the text is `[not.]is.null` or `[not.]is.not_null`: of related rows, that there are none, or some.
pub(super) fn there(text: &str) -> Option<bool> {
    let (is_negated, rest) = negation(text);
    match rest {
        "is.null" => Some(is_negated),
        "is.not_null" => Some(!is_negated),
        _ => None,
    }
}

fn negation(text: &str) -> (bool, &str) {
    match text.strip_prefix("not.") {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

pub(super) fn negated(filter: Filter<'_>, is_negated: bool) -> Filter<'_> {
    if is_negated { Filter::Not(Box::new(filter)) } else { filter }
}

/// Splits `operator.value` or `operator(option).value`.
fn split_operator(text: &str) -> Option<(&str, &str)> {
    let end = text.find(['.', '('])?;
    if text[end..].starts_with('(') {
        let close = end + text[end..].find(')')? + 1;
        return Some((&text[..close], text[close..].strip_prefix('.')?));
    }
    Some((&text[..end], &text[end + 1..]))
}

fn kind_of(operand: &Operand<'_>) -> &'static str {
    match (&operand.path, operand.column) {
        (Some(_), _) => "document",
        (None, Column::Field(field)) => match field.kind {
            FieldKind::Json => "document",
            _ => "list",
        },
        (None, Column::Standard(_)) => "column",
    }
}

/// A list has no order, a whole document none that is of use; what lies inside it compares as JSON does.
fn is_ordered(operand: &Operand<'_>) -> bool {
    match operand.column {
        Column::Field(field) => operand.path.is_some() || field.kind.is_ordered(),
        Column::Standard(_) => true,
    }
}

fn links_only<T>(operand: &Operand<'_>, operator: &str) -> Result<T, Wrong> {
    let name = operand.shown();
    let message = format!(
        "`{name}` points at any number of rows, so `{operator}` is not for it: `{name}=cs.{{id}}` (has), \
         `ov.{{id,id}}` (has one of), `cd.{{}}` (has none but)"
    );
    Err(("unsupported_operator", message))
}

/// Refuses lists, of which there is no list.
fn plain_value(operand: &Operand<'_>, operator: &str) -> Result<(), Wrong> {
    if operand.is_links() {
        return links_only(operand, operator);
    }
    if operand.sql_type() == SqlType::TextArray {
        let name = operand.shown();
        let message = format!("`{name}` is a list: it takes eq, neq, isdistinct, cs, cd, ov and is");
        return Err(("unsupported_operator", message));
    }
    Ok(())
}

/// Reads the one value that a comparison takes.
fn one(operand: &Operand<'_>, comparison: Comparison, text: &str) -> Result<Bind, Wrong> {
    let name = operand.shown();
    if comparison.is_pattern() {
        return pattern(&name, comparison, text);
    }
    if operand.sql_type() == SqlType::TextArray {
        return list(&name, text);
    }
    let read = match operand.path {
        None => value::read_operand(operand.column, text),
        Some(_) => value::read(operand.sql_type(), text),
    };
    read.map_err(|mistake| {
        let hint = match &operand.path {
            Some(path) if path.end == PathEnd::Json => {
                " (JSON, in which a text has quotes; behind `->>` it is a plain text)"
            }
            _ => "",
        };
        (mistake.code, format!("the value of `{name}` {}{hint}", mistake.message))
    })
}

fn several(operand: &Operand<'_>, values: &[String]) -> Result<Bind, Wrong> {
    if values.len() > MAX_VALUES {
        return wrong(format!("`in` takes at most {MAX_VALUES} values"));
    }
    let binds: Vec<Bind> =
        values.iter().map(|value| one(operand, Comparison::Eq, value)).collect::<Result<_, _>>()?;
    Ok(Bind::array(operand.sql_type(), binds.iter().map(|bind| bind.value.as_deref())))
}

fn pattern(name: &str, comparison: Comparison, text: &str) -> Result<Bind, Wrong> {
    if text.chars().count() > MAX_PATTERN {
        return wrong(format!("a pattern has at most {MAX_PATTERN} characters"));
    }
    let is_like = matches!(comparison, Comparison::Like | Comparison::Ilike);
    if is_like && text.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1 {
        return wrong("a pattern cannot end in a single backslash");
    }
    let text = if is_like { text.replace('*', "%") } else { text.to_owned() };
    // Part of a value need not be one itself.
    value::read(SqlType::Text, &text)
        .map_err(|mistake| (mistake.code, format!("the pattern of `{name}` {}", mistake.message)))
}

/// Reads `{a,"b,c"}`.
fn list(name: &str, text: &str) -> Result<Bind, Wrong> {
    match split_list(text, '{', '}') {
        Some(items) if items.len() > MAX_VALUES => wrong(format!("a list has at most {MAX_VALUES} values")),
        Some(items) if items.iter().any(|item| item.contains('\0')) => {
            Err(("nul_byte", format!("the value of `{name}` cannot contain the character U+0000")))
        }
        Some(items) => Ok(Bind::list(items.iter().map(String::as_str))),
        None => wrong(format!("a list is written in braces: `{name}=cs.{{a,\"b,c\"}}`")),
    }
}

fn set_test(
    operand: &Operand<'_>,
    comparison: SetComparison,
    operator: &str,
    text: &str,
) -> Result<Test, Wrong> {
    let name = operand.shown();
    match operand.sql_type() {
        SqlType::TextArray => {
            let bind = list(&name, text)?;
            if !operand.is_links() {
                return Ok(Test::Set(comparison, bind));
            }
            match split_list(text, '{', '}').map_or(0, |ids| ids.len()) {
                // To have this one is to have one of these; said so, the index by target serves.
                1 if comparison == SetComparison::Contains => Ok(Test::Set(SetComparison::Overlaps, bind)),
                0..=MAX_IDS => Ok(Test::Set(comparison, bind)),
                _ => wrong(format!("`{name}` is compared with at most {MAX_IDS} ids")),
            }
        }
        SqlType::Jsonb if comparison != SetComparison::Overlaps => {
            Ok(Test::Set(comparison, one(operand, Comparison::Eq, text)?))
        }
        SqlType::Jsonb => Err(("unsupported_operator", format!("`ov` is for lists, `{name}` is a document"))),
        _ => {
            let message = format!("`{operator}` is for lists and documents, `{name}` is neither");
            Err(("unsupported_operator", message))
        }
    }
}

fn words_test(
    operand: &Operand<'_>,
    form: WordsForm,
    operator: &str,
    option: Option<&str>,
    text: &str,
) -> Result<Test, Wrong> {
    let name = operand.shown();
    let is_uuid = operand.column.stored() == Some(StoredType::Uuid);
    if operand.sql_type() != SqlType::Text || is_uuid {
        return Err(("unsupported_operator", format!("`{operator}` is for texts, `{name}` is none")));
    }
    let option = option.unwrap_or("simple");
    let Some(config) = TextConfig::parse(option) else {
        let message = format!("`{option}` is no language: there are {}", TextConfig::NAMES.join(", "));
        return wrong(message);
    };
    let read = if form == WordsForm::Query { words::query(text) } else { words::plain(text) };
    match read {
        Ok(words) => Ok(Test::Words(form, config, Bind::text(words))),
        Err(message) => wrong(format!("the value of `{name}` {message}")),
    }
}

fn is_test(operand: &Operand<'_>, text: &str) -> Result<Test, Wrong> {
    let name = operand.shown();
    if operand.is_links() {
        return links_only(operand, "is");
    }
    let is_boolean = operand.sql_type() == SqlType::Bool;
    let value = match text.to_ascii_lowercase().as_str() {
        "null" => IsValue::Null,
        "not_null" => IsValue::NotNull,
        "true" | "false" | "unknown" if !is_boolean => {
            return wrong(format!("`is.{text}` is for boolean fields, `{name}` is none"));
        }
        "true" => IsValue::True,
        "false" => IsValue::False,
        "unknown" => IsValue::Unknown,
        _ => return wrong("`is` takes null, not_null, true, false or unknown"),
    };
    Ok(Test::Is(value))
}
