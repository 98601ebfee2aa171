//! Which rows: conditions, and trees of them.

use super::Relationship;
use super::condition::Test;
use super::metas::{METAS, MetaOperand, MetaTest};
use super::operand::Operand;
use super::parameters::Reading;
use super::scan::Scan;
use crate::{Bind, Entity};

/// A tree has at most this many levels of `and` and `or`.
const MAX_DEPTH: u32 = 10;
/// A request has at most this many conditions.
const MAX_CONDITIONS: usize = 100;

/// Which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter<'e> {
    /// A condition on one value.
    Test(Operand<'e>, Test),
    /// The words of the row's searchable fields, as `to_tsquery` reads them.
    Search(Bind),
    /// A condition on the metadata under a key.
    Meta(String, MetaTest),
    /// There are related rows that these conditions match.
    Related(Relationship<'e>, Vec<Filter<'e>>),
    /// The condition is false.
    Not(Box<Filter<'e>>),
    /// All are true; at least one.
    All(Vec<Filter<'e>>),
    /// One is true at least; at least one.
    Any(Vec<Filter<'e>>),
}

/// What a condition is about.
enum Subject<'s, 'e> {
    Value(Operand<'e>),
    Meta(MetaOperand<'s>),
}

impl Subject<'_, '_> {
    /// As messages call it.
    fn shown(&self) -> String {
        match self {
            Self::Value(operand) => operand.shown(),
            Self::Meta(operand) => operand.shown(),
        }
    }
}

/// The key of the metadata that the parameter `metas.key` is about: all that stands behind the dot.
pub(super) fn meta_key(name: &str) -> Option<&str> {
    name.strip_prefix(METAS)?.strip_prefix('.')
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
        if let Some(key) = meta_key(name) {
            let operand = self.meta_operand(entity, key, parameter)?;
            return self.tested(Subject::Meta(operand), text, parameter);
        }
        let mut scan = Scan::new(name);
        let column = scan.name();
        let operand = self.operand(entity, column, &mut scan, parameter)?;
        if !scan.is_at_end() {
            self.note(parameter, "invalid_filter", format!("`{}` cannot stand behind a field", scan.rest()));
            return None;
        }
        self.tested(Subject::Value(operand), text, parameter)
    }

    /// Reads `[not.]operator.value`.
    fn tested(&mut self, subject: Subject<'_, 'e>, text: &str, parameter: &str) -> Option<Filter<'e>> {
        if !self.count_condition(parameter) {
            return None;
        }
        let (is_negated, rest) = negation(text);
        let Some((operator, value)) = split_operator(rest) else {
            let name = subject.shown();
            let message = format!("a filter has the form `{name}=operator.value`, for example `{name}=eq.x`");
            self.note(parameter, "invalid_filter", message);
            return None;
        };
        let read = match subject {
            Subject::Value(operand) => {
                self.test(&operand, operator, value).map(|test| Filter::Test(operand, test))
            }
            Subject::Meta(operand) => operand.test(operator, value),
        };
        match read {
            Ok(filter) => Some(negated(filter, is_negated)),
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
        let key;
        let subject = if name == METAS && scan.eat(".") {
            key = scan.name_or_quoted().unwrap_or_default();
            Subject::Meta(self.meta_operand(entity, &key, parameter)?)
        } else {
            Subject::Value(self.operand(entity, name, scan, parameter)?)
        };
        if !scan.eat(".") {
            let name = subject.shown();
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
                let message = format!("the value of `{}` does not end", subject.shown());
                self.note(parameter, "invalid_filter", message);
                return None;
            };
            text.push('.');
            text.push_str(&value);
        }
        self.tested(subject, &text, parameter)
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
