//! A condition on one value: `[not.]operator.value`, as a value and as it is read.
//!
//! Always holds: what an operator compares with was read as the type of what it compares, or is a pattern or words.

use super::operand::Operand;
use super::parameters::Reading;
use super::scan::split_list;
use super::values::{self, MAX_VALUES, Wrong, wrong};
use crate::{Bind, SqlType};

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
    pub(super) const NAMES: &'static [&'static str] = &[
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

    pub(super) fn parse(name: &str) -> Option<Self> {
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
pub(super) const SETS: &[(&str, SetComparison)] =
    &[("cs", SetComparison::Contains), ("cd", SetComparison::Contained), ("ov", SetComparison::Overlaps)];
pub(super) const WORDS: &[(&str, WordsForm)] = &[
    ("fts", WordsForm::Query),
    ("plfts", WordsForm::Plain),
    ("phfts", WordsForm::Phrase),
    ("wfts", WordsForm::Web),
];
/// Operators of PostgREST for ranges, which no field is.
const RANGES: &[&str] = &["sl", "sr", "nxr", "nxl", "adj"];
pub(super) fn known<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

impl Comparison {
    pub(super) fn is_pattern(self) -> bool {
        matches!(self, Self::Like | Self::Ilike | Self::Match | Self::Imatch)
    }

    /// Whether it asks which of two values is greater.
    fn is_order(self) -> bool {
        matches!(self, Self::Gt | Self::Gte | Self::Lt | Self::Lte)
    }
}

impl<'e> Reading<'e> {
    /// Reads the value of an operator, which may have an option in parentheses.
    pub(super) fn test(&self, operand: &Operand<'e>, operator: &str, text: &str) -> Result<Test, Wrong> {
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
            return values::words_test(operand, form, operator, option, text);
        }
        if option.is_some() {
            return wrong(format!("`{operator}` takes nothing in parentheses"));
        }
        if let Some(comparison) = known(SETS, operator) {
            return values::set_test(operand, comparison, operator, text);
        }
        match operator {
            "in" => {
                values::plain_value(operand, operator)?;
                let Some(values) = split_list(text, '(', ')') else {
                    return wrong(format!("`in` takes a list in parentheses: `{name}=in.(a,\"b,c\")`"));
                };
                Ok(Test::In(values::several(operand, &values)?))
            }
            "is" => values::is_test(operand, text),
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
            return values::links_only(operand, operator);
        }
        if comparison.is_pattern() && operand.sql_type() != SqlType::Text {
            return Err(("unsupported_operator", format!("`{operator}` is for texts, `{name}` is none")));
        }
        if matches!(comparison, Comparison::Match | Comparison::Imatch) && !self.limits.regex.is_on() {
            let message =
                format!("`{operator}` is switched off (`api.regex`); `like` and `ilike` match with `*`");
            return Err(("unsupported_operator", message));
        }
        if comparison.is_order() && !values::is_ordered(operand) {
            let kind = values::kind_of(operand);
            return Err(("unsupported_operator", format!("`{name}` is a {kind}, which has no order")));
        }
        let quantifier = match option {
            None => return Ok(Test::Compare(comparison, values::one(operand, comparison, text)?)),
            Some("any") => Quantifier::Any,
            Some("all") => Quantifier::All,
            Some(_) => return wrong(format!("`{operator}` takes `any` or `all` in parentheses")),
        };
        if matches!(comparison, Comparison::Neq | Comparison::Distinct) {
            return wrong(format!("`{operator}` takes one value; `not.in` takes several"));
        }
        values::plain_value(operand, operator)?;
        let Some(values) = split_list(text, '{', '}').filter(|values| values.len() <= MAX_VALUES) else {
            let message =
                format!("`{operator}(any)` takes up to {MAX_VALUES} values in braces: `{{a,\"b,c\"}}`");
            return wrong(message);
        };
        let binds: Vec<Bind> =
            values.iter().map(|value| values::one(operand, comparison, value)).collect::<Result<_, _>>()?;
        let array = Bind::array(operand.sql_type(), binds.iter().map(|bind| bind.value.as_deref()));
        Ok(Test::CompareEach(comparison, quantifier, array))
    }
}
