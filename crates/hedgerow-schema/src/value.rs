//! From what a person or program wrote to a parameter PostgreSQL can read, or to what is wrong with it.
//!
//! Always holds: a [`Bind`] made here is valid text of its type, so the server does not refuse it.

use jiff::Timestamp;
use jiff::civil;
use serde_json::value::RawValue;

use crate::{Bind, Decimal, FieldKind, NumberRules, SqlType, TextRules};

/// What is wrong with a value; the field is known to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Stable, for programs.
    pub code: &'static str,
    /// A sentence, for people.
    pub message: String,
}

impl Mistake {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// JSON documents nest at most this deep.
pub const MAX_JSON_DEPTH: usize = 32;

/// Reads text as a value of `ty`: a filter's value, a CSV cell, a default.
///
/// # Errors
/// [`Mistake`] when it is none.
pub fn read(ty: SqlType, text: &str) -> Result<Bind, Mistake> {
    let value = match ty {
        SqlType::Text if text.contains('\0') => {
            return Err(Mistake::new("nul_byte", "cannot contain the character U+0000"));
        }
        SqlType::Text => text.to_owned(),
        SqlType::Int8 => match text.parse::<i64>() {
            Ok(number) if !text.starts_with('+') => number.to_string(),
            _ => return Err(Mistake::new("invalid_integer", "must be a whole number of 64 bits")),
        },
        SqlType::Numeric => match Decimal::parse(text) {
            Some(number) => number.as_str().to_owned(),
            None => return Err(Mistake::new("invalid_number", "must be a decimal number")),
        },
        SqlType::Bool if matches!(text, "true" | "false") => text.to_owned(),
        SqlType::Bool => return Err(Mistake::new("invalid_boolean", "must be true or false")),
        SqlType::Date => read_date(text)?,
        SqlType::Timestamptz => read_datetime(text)?,
        SqlType::Jsonb => {
            check_json(text)?;
            text.to_owned()
        }
    };
    Ok(Bind::new(ty, Some(value)))
}

fn read_date(text: &str) -> Result<String, Mistake> {
    // jiff reads more forms than the one that is promised, so the form is looked at first.
    let form = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    match text.parse::<civil::Date>() {
        Ok(date) if form && date.year() >= 1 => Ok(text.to_owned()),
        _ => Err(Mistake::new("invalid_date", "must be a day of the form YYYY-MM-DD")),
    }
}

fn read_datetime(text: &str) -> Result<String, Mistake> {
    let year = |moment: Timestamp| jiff::tz::Offset::UTC.to_datetime(moment).year();
    match text.parse::<Timestamp>() {
        Ok(moment) if (1..=9999).contains(&year(moment)) => Ok(moment.to_string()),
        _ => Err(Mistake::new(
            "invalid_datetime",
            "must be a moment with its offset (RFC 3339), for example 2026-01-31T09:30:00Z",
        )),
    }
}

fn check_json(text: &str) -> Result<(), Mistake> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Mistake::new("invalid_json", format!("is no JSON this server accepts: {error}")))?;
    if depth(&value) > MAX_JSON_DEPTH {
        return Err(Mistake::new("json_too_deep", format!("nests deeper than {MAX_JSON_DEPTH} levels")));
    }
    if has_nul(&value) {
        return Err(Mistake::new("nul_byte", "cannot contain the character U+0000"));
    }
    Ok(())
}

/// How many arrays and objects lie inside each other. Values come from `serde_json`, which stops at 127 levels.
fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The same value with the members of every object in order of their names.
pub(crate) fn sorted(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.iter().map(sorted).collect(),
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            members.into_iter().collect()
        }
        other => other.clone(),
    }
}

fn has_nul(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().any(has_nul),
        serde_json::Value::Object(members) => {
            members.iter().any(|(key, value)| key.contains('\0') || has_nul(value))
        }
        _ => false,
    }
}

/// Reads text as a value of a field: the type and the field's own rules.
///
/// # Errors
/// [`Mistake`] names the rule that is broken.
pub fn read_field(kind: &FieldKind, text: &str) -> Result<Bind, Mistake> {
    let bind = read(kind.sql_type(), text)?;
    match kind {
        FieldKind::Text(rules) | FieldKind::Textarea(rules) => check_length(*rules, text)?,
        FieldKind::Email(rules) => {
            if !is_email(text) {
                return Err(Mistake::new("invalid_email", "must be an e-mail address"));
            }
            check_length(*rules, text)?;
        }
        FieldKind::Url(rules) => {
            if !is_url(text) {
                return Err(Mistake::new(
                    "invalid_url",
                    "must be a URL that starts with http:// or https://",
                ));
            }
            check_length(*rules, text)?;
        }
        FieldKind::Integer { min, max } => {
            let number = text.parse::<i64>().ok();
            if let (Some(number), Some(min)) = (number, min)
                && number < *min
            {
                return Err(Mistake::new("too_small", format!("must be at least {min}")));
            }
            if let (Some(number), Some(max)) = (number, max)
                && number > *max
            {
                return Err(Mistake::new("too_large", format!("must be at most {max}")));
            }
        }
        FieldKind::Number(rules) => check_number(rules, text)?,
        FieldKind::Select { options } => {
            if !options.iter().any(|option| option == text) {
                return Err(Mistake::new("not_an_option", format!("must be one of: {}", options.join(", "))));
            }
        }
        FieldKind::Relation(_) => {
            if text.is_empty() || text.len() > 255 {
                return Err(Mistake::new("invalid_id", "must be the id of a row"));
            }
        }
        FieldKind::Boolean | FieldKind::Date | FieldKind::Datetime | FieldKind::Json => {}
    }
    Ok(bind)
}

fn check_length(rules: TextRules, text: &str) -> Result<(), Mistake> {
    let length = text.chars().count();
    if let Some(min) = rules.min_length
        && length < min as usize
    {
        return Err(Mistake::new("too_short", format!("must have at least {min} characters, has {length}")));
    }
    if let Some(max) = rules.max_length
        && length > max as usize
    {
        return Err(Mistake::new("too_long", format!("must have at most {max} characters, has {length}")));
    }
    Ok(())
}

fn check_number(rules: &NumberRules, text: &str) -> Result<(), Mistake> {
    let Some(number) = Decimal::parse(text) else {
        return Err(Mistake::new("invalid_number", "must be a decimal number"));
    };
    if let Some(precision) = rules.precision {
        let scale = rules.scale.unwrap_or(0);
        // PostgreSQL would round the excess away; a number that changes on the way is a loss.
        if number.scale() > scale.cast_signed() {
            return Err(Mistake::new(
                "too_many_decimals",
                format!("must have at most {scale} digits after the point"),
            ));
        }
        let whole = precision - scale;
        if number.whole_digits() > whole.cast_signed() {
            return Err(Mistake::new(
                "too_large",
                format!("must have at most {whole} digits before the point"),
            ));
        }
    }
    if let Some(min) = &rules.min
        && number < *min
    {
        return Err(Mistake::new("too_small", format!("must be at least {}", min.as_str())));
    }
    if let Some(max) = &rules.max
        && number > *max
    {
        return Err(Mistake::new("too_large", format!("must be at most {}", max.as_str())));
    }
    Ok(())
}

/// The address check of HTML's `<input type=email>` (WHATWG HTML, 4.10.5.1.5), within RFC 5321's 254 characters.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 254
        && !local.is_empty()
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b))
        && domain.split('.').all(label)
}

fn is_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        && !text.contains(char::is_whitespace)
}

/// Reads a JSON value as a value of a field; `null` is NULL.
///
/// # Errors
/// [`Mistake`] when the JSON type is another than the field's, or a rule is broken.
pub fn read_json(kind: &FieldKind, json: &RawValue) -> Result<Bind, Mistake> {
    let raw = json.get();
    if raw == "null" {
        return Ok(Bind::new(kind.sql_type(), None));
    }
    let text = || -> Result<String, Mistake> {
        serde_json::from_str(raw)
            .map_err(|error| Mistake::new("invalid_text", format!("is no valid text: {error}")))
    };
    let is_text = raw.starts_with('"');
    let is_number = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match kind.sql_type() {
        SqlType::Jsonb => read_field(kind, raw),
        // Large numbers come as texts, because JavaScript cannot hold them: both forms are read.
        SqlType::Int8 | SqlType::Numeric if is_number => read_field(kind, raw),
        SqlType::Int8 | SqlType::Numeric if is_text => read_field(kind, &text()?),
        SqlType::Int8 => Err(Mistake::new("invalid_integer", "must be a whole number")),
        SqlType::Numeric => Err(Mistake::new("invalid_number", "must be a number")),
        SqlType::Bool if is_text => {
            Err(Mistake::new("invalid_boolean", "must be true or false, without quotes"))
        }
        SqlType::Bool => read_field(kind, raw),
        SqlType::Text | SqlType::Date | SqlType::Timestamptz if is_text => read_field(kind, &text()?),
        SqlType::Text => Err(Mistake::new("invalid_text", "must be a text")),
        SqlType::Date => Err(Mistake::new("invalid_date", "must be a text of the form YYYY-MM-DD")),
        SqlType::Timestamptz => {
            Err(Mistake::new("invalid_datetime", "must be a text of the form of RFC 3339"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn json_values_become_binds_or_mistakes() {
        let integer = FieldKind::Integer { min: Some(0), max: Some(10) };
        let number =
            FieldKind::Number(NumberRules { precision: Some(6), scale: Some(2), ..NumberRules::default() });
        let text = FieldKind::Text(TextRules { min_length: Some(1), max_length: Some(3) });
        let select = FieldKind::Select { options: vec!["todo".into(), "done".into()] };
        let email = FieldKind::Email(TextRules::default());
        let url = FieldKind::Url(TextRules::default());
        let check = |kind: &FieldKind, json: &str, expected: Result<Option<&str>, &str>| {
            let got = read_json(kind, &raw(json));
            let got = got.as_ref().map(|bind| bind.value.as_deref()).map_err(|mistake| mistake.code);
            assert_eq!(got, expected, "{kind:?} {json}");
        };
        check(&integer, "7", Ok(Some("7")));
        check(&integer, "\"7\"", Ok(Some("7")));
        check(&integer, "null", Ok(None));
        check(&integer, "11", Err("too_large"));
        check(&integer, "-1", Err("too_small"));
        check(&integer, "1.0", Err("invalid_integer"));
        check(&integer, "1e1", Err("invalid_integer"));
        check(&integer, "9223372036854775808", Err("invalid_integer"));
        check(&integer, "true", Err("invalid_integer"));
        check(&integer, "[1]", Err("invalid_integer"));
        check(&number, "1234.56", Ok(Some("1234.56")));
        check(&number, "1234.5600", Ok(Some("1234.5600")));
        check(&number, "0.001", Err("too_many_decimals"));
        check(&number, "12345", Err("too_large"));
        check(&number, "\"x\"", Err("invalid_number"));
        check(&text, "\"äöü\"", Ok(Some("äöü")));
        check(&text, "\"\"", Err("too_short"));
        check(&text, "\"abcd\"", Err("too_long"));
        check(&text, r#""a\u0000""#, Err("nul_byte"));
        check(&text, r#""\ud800""#, Err("invalid_text"));
        check(&text, "1", Err("invalid_text"));
        check(&text, "{}", Err("invalid_text"));
        check(&select, "\"todo\"", Ok(Some("todo")));
        check(&select, "\"TODO\"", Err("not_an_option"));
        check(&email, "\"ann@example.com\"", Ok(Some("ann@example.com")));
        check(&email, "\"ann@@example.com\"", Err("invalid_email"));
        check(&email, "\"ann@-x.com\"", Err("invalid_email"));
        check(&url, "\"https://example.com/a?b=c\"", Ok(Some("https://example.com/a?b=c")));
        check(&url, "\"javascript:alert(1)\"", Err("invalid_url"));
        check(&url, "\"example.com\"", Err("invalid_url"));
        check(&FieldKind::Boolean, "true", Ok(Some("true")));
        check(&FieldKind::Boolean, "\"true\"", Err("invalid_boolean"));
        check(&FieldKind::Boolean, "1", Err("invalid_boolean"));
        check(&FieldKind::Date, "\"2026-02-28\"", Ok(Some("2026-02-28")));
        check(&FieldKind::Date, "\"2026-02-29\"", Err("invalid_date"));
        check(&FieldKind::Date, "\"20260228\"", Err("invalid_date"));
        check(&FieldKind::Date, "\"0000-01-01\"", Err("invalid_date"));
        check(&FieldKind::Datetime, "\"2026-02-28T10:00:00+02:00\"", Ok(Some("2026-02-28T08:00:00Z")));
        check(&FieldKind::Datetime, "\"2026-02-28T10:00:00\"", Err("invalid_datetime"));
        check(&FieldKind::Datetime, "\"-009999-02-28T10:00:00Z\"", Err("invalid_datetime"));
        check(&FieldKind::Json, r#"{"a":[1,2.50]}"#, Ok(Some(r#"{"a":[1,2.50]}"#)));
        check(&FieldKind::Json, r#"{"a":"\u0000"}"#, Err("nul_byte"));
        check(&FieldKind::Json, &("[".repeat(33) + &"]".repeat(33)), Err("json_too_deep"));
        check(&FieldKind::Json, &("[".repeat(200) + &"]".repeat(200)), Err("invalid_json"));
    }
}
