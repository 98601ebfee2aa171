//! The values that conditions compare with, read as what they are compared with.

use super::condition::{Comparison, IsValue, SetComparison, Test, TextConfig, WordsForm};
use super::operand::{Operand, PathEnd};
use super::scan::split_list;
use super::words;
use crate::{Bind, Column, FieldKind, SqlType, StoredType, value};

/// A list of values has at most this many.
pub(super) const MAX_VALUES: usize = 1000;
/// The links of a row are compared with at most this many ids.
const MAX_IDS: usize = 50;
/// A pattern has at most this many characters.
const MAX_PATTERN: usize = 200;

/// What is wrong with a condition; the parameter is known to the caller.
pub(super) type Wrong = (&'static str, String);

pub(super) fn wrong<T>(message: impl Into<String>) -> Result<T, Wrong> {
    Err(("invalid_filter", message.into()))
}
pub(super) fn kind_of(operand: &Operand<'_>) -> &'static str {
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
pub(super) fn is_ordered(operand: &Operand<'_>) -> bool {
    match operand.column {
        Column::Field(field) => operand.path.is_some() || field.kind.is_ordered(),
        Column::Standard(_) => true,
    }
}

pub(super) fn links_only<T>(operand: &Operand<'_>, operator: &str) -> Result<T, Wrong> {
    let name = operand.shown();
    let message = format!(
        "`{name}` points at any number of rows, so `{operator}` is not for it: `{name}=cs.{{id}}` (has), \
         `ov.{{id,id}}` (has one of), `cd.{{}}` (has none but)"
    );
    Err(("unsupported_operator", message))
}

/// Refuses lists, of which there is no list.
pub(super) fn plain_value(operand: &Operand<'_>, operator: &str) -> Result<(), Wrong> {
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
pub(super) fn one(operand: &Operand<'_>, comparison: Comparison, text: &str) -> Result<Bind, Wrong> {
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

pub(super) fn several(operand: &Operand<'_>, values: &[String]) -> Result<Bind, Wrong> {
    if values.len() > MAX_VALUES {
        return wrong(format!("`in` takes at most {MAX_VALUES} values"));
    }
    let binds: Vec<Bind> =
        values.iter().map(|value| one(operand, Comparison::Eq, value)).collect::<Result<_, _>>()?;
    Ok(Bind::array(operand.sql_type(), binds.iter().map(|bind| bind.value.as_deref())))
}

pub(super) fn pattern(name: &str, comparison: Comparison, text: &str) -> Result<Bind, Wrong> {
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

pub(super) fn set_test(
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

pub(super) fn words_test(
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

pub(super) fn is_test(operand: &Operand<'_>, text: &str) -> Result<Test, Wrong> {
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
