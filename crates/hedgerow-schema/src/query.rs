//! The query string of the data API (PostgREST's grammar) as a value: every mistake is reported, none stops the rest.

use crate::reader::nearest;
use crate::{Bind, Column, Entity, SqlType, value};

/// What is wrong with one part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The parameter or field.
    pub field: String,
    /// Stable, for programs.
    pub code: &'static str,
    /// A sentence, for people.
    pub message: String,
}

impl InputError {
    pub(crate) fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// How many rows a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// When the request does not say.
    pub default: u32,
    /// At most.
    pub max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { default: 1000, max: 1000 }
    }
}

/// Which rows, in which order, and what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery<'e> {
    /// What a row shows.
    pub select: Vec<Selected<'e>>,
    /// All hold for a row.
    pub filters: Vec<Filter<'e>>,
    /// Most significant first; never empty and always total, so that pages do not overlap.
    pub order: Vec<Order<'e>>,
    /// At most so many rows.
    pub limit: u32,
    /// After leaving out so many.
    pub offset: u32,
    /// A place that an earlier answer named, as it came: reading it takes a secret.
    pub cursor: Option<String>,
    /// The parameters that decide which rows there are, as they came: a cursor holds for these alone.
    pub narrowing: Vec<(String, String)>,
}

/// Which rows a change is about, and what of them comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteQuery<'e> {
    /// What a returned row shows.
    pub select: Vec<Selected<'e>>,
    /// All hold for a row; empty where the request had none.
    pub filters: Vec<Filter<'e>>,
}

/// A column under the key it is shown as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected<'e> {
    /// JSON key.
    pub key: String,
    /// What stands there.
    pub column: Column<'e>,
}

/// One condition on one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter<'e> {
    /// The column.
    pub column: Column<'e>,
    /// Whether the condition must not hold.
    pub negated: bool,
    /// The condition.
    pub test: Test,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Compared with a value.
    Compare(Comparison, Bind),
    /// Among several values; an array bind.
    In(Bind),
    /// NULL, true, false or unknown.
    Is(IsValue),
    /// Like a pattern (`%` any text, `_` any character).
    Like(Bind),
    /// The same without regard to case.
    Ilike(Bind),
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

/// One key of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'e> {
    /// By what.
    pub column: Column<'e>,
    /// Largest first.
    pub descending: bool,
    /// Where NULL stands; `None` is PostgreSQL's rule (as the largest value).
    pub nulls_first: Option<bool>,
}

/// The parameters that are no filters.
const KNOWN_PARAMETERS: &[&str] = &["select", "order", "limit", "offset", "cursor"];
/// Parameters of the grammar that later versions understand.
const LATER_PARAMETERS: &[&str] = &["and", "or", "not", "search", "metas", "columns", "on_conflict"];
const OPERATORS: &[&str] = &["eq", "neq", "gt", "gte", "lt", "lte", "in", "is", "like", "ilike"];
/// Operators of the grammar that later versions understand.
const LATER_OPERATORS: &[&str] = &[
    "match",
    "imatch",
    "isdistinct",
    "fts",
    "plfts",
    "phfts",
    "wfts",
    "cs",
    "cd",
    "ov",
    "sl",
    "sr",
    "nxr",
    "nxl",
    "adj",
];
/// A list of values has at most this many.
const MAX_IN_VALUES: usize = 1000;
/// A pattern has at most this many characters.
const MAX_PATTERN: usize = 200;

impl<'e> ListQuery<'e> {
    /// Reads the decoded parameters of a list request.
    ///
    /// # Errors
    /// Every mistake, each naming its parameter.
    ///
    /// ```
    /// use hedgerow_schema::{EntityFile, Limits, ListQuery, Schema};
    /// let file = EntityFile {
    ///     name: "tasks.toml".into(),
    ///     text: "name = \"tasks\"\nfields.title = { type = \"text\" }".into(),
    /// };
    /// let schema = Schema::parse(&[file]).unwrap();
    /// let tasks = schema.entity("tasks").unwrap();
    /// let query = ListQuery::parse(tasks, &[("title", "ilike.*plan*"), ("order", "createdAt.desc")], Limits::default());
    /// assert_eq!(query.unwrap().filters.len(), 1);
    /// let errors = ListQuery::parse(tasks, &[("titel", "eq.x"), ("limit", "many")], Limits::default()).unwrap_err();
    /// assert_eq!(errors.len(), 2);
    /// ```
    pub fn parse(
        entity: &'e Entity,
        parameters: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Self, Vec<InputError>> {
        let mut errors = Vec::new();
        let mut query = Self {
            select: select_all(entity),
            filters: Vec::new(),
            order: Vec::new(),
            limit: limits.default,
            offset: 0,
            cursor: None,
            narrowing: Vec::new(),
        };
        let mut seen: Vec<&str> = Vec::new();
        for &(name, text) in parameters {
            if KNOWN_PARAMETERS.contains(&name) {
                if seen.contains(&name) {
                    errors.push(InputError::new(
                        name,
                        "repeated_parameter",
                        format!("`{name}` stands here twice"),
                    ));
                    continue;
                }
                seen.push(name);
            }
            match name {
                "select" => query.select = read_select(entity, text, &mut errors),
                "order" => query.order = read_order(entity, text, &mut errors),
                "limit" => match text.parse::<u32>() {
                    Ok(limit) if limit <= limits.max => query.limit = limit,
                    _ => errors.push(InputError::new(
                        "limit",
                        "invalid_limit",
                        format!("`limit` is a whole number from 0 to {}", limits.max),
                    )),
                },
                "offset" => match text.parse::<i32>() {
                    Ok(offset) if offset >= 0 => query.offset = offset.cast_unsigned(),
                    _ => errors.push(InputError::new(
                        "offset",
                        "invalid_offset",
                        format!("`offset` is a whole number from 0 to {}", i32::MAX),
                    )),
                },
                "cursor" => query.cursor = Some(text.to_owned()),
                _ => {
                    query.narrowing.push((name.to_owned(), text.to_owned()));
                    query.filters.extend(read_filter(entity, name, text, &mut errors));
                }
            }
        }
        if query.cursor.is_some() && seen.contains(&"offset") {
            let message = "a cursor is a place by itself: leave `offset` out, or the cursor";
            errors.push(InputError::new("cursor", "cursor_and_offset", message));
        }
        make_total(entity, &mut query.order);
        if errors.is_empty() { Ok(query) } else { Err(errors) }
    }
}

impl<'e> WriteQuery<'e> {
    /// Reads the decoded parameters of a request that changes rows.
    ///
    /// # Errors
    /// Every mistake, each naming its parameter.
    pub fn parse(entity: &'e Entity, parameters: &[(&str, &str)]) -> Result<Self, Vec<InputError>> {
        let mut errors = Vec::new();
        let mut query = Self { select: select_all(entity), filters: Vec::new() };
        for &(name, text) in parameters {
            match name {
                "select" => query.select = read_select(entity, text, &mut errors),
                "order" | "limit" | "offset" | "cursor" => {
                    let message =
                        format!("`{name}` is for lists; a change is about all rows that its filters match");
                    errors.push(InputError::new(name, "unsupported_parameter", message));
                }
                _ => query.filters.extend(read_filter(entity, name, text, &mut errors)),
            }
        }
        if errors.is_empty() { Ok(query) } else { Err(errors) }
    }

    /// The same, for a request about one row or about new rows, where a filter has no meaning.
    ///
    /// # Errors
    /// Every mistake, each naming its parameter.
    pub fn parse_select(
        entity: &'e Entity,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<Selected<'e>>, Vec<InputError>> {
        let mut errors = Vec::new();
        let mut select = select_all(entity);
        for &(name, text) in parameters {
            if name == "select" {
                select = read_select(entity, text, &mut errors);
            } else {
                let message = format!("`{name}` is no parameter here: allowed is `select`");
                errors.push(InputError::new(name, "unknown_parameter", message));
            }
        }
        if errors.is_empty() { Ok(select) } else { Err(errors) }
    }
}

/// Every column a caller may read, under its own name.
pub fn select_all(entity: &Entity) -> Vec<Selected<'_>> {
    entity.readable().map(|column| Selected { key: column.name().to_owned(), column }).collect()
}

/// The column called `name`, or an error that offers the nearest.
fn find_column<'e>(
    entity: &'e Entity,
    name: &str,
    parameter: &str,
    errors: &mut Vec<InputError>,
) -> Option<Column<'e>> {
    let column = entity.column(name);
    if column.is_none() {
        let names: Vec<&str> = entity.readable().map(Column::name).collect();
        let mut message = format!("`{name}` is no field of {}", entity.name);
        if let Some(near) = nearest(name, &names) {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        errors.push(InputError::new(parameter, "unknown_field", message));
    }
    column
}

fn read_select<'e>(entity: &'e Entity, text: &str, errors: &mut Vec<InputError>) -> Vec<Selected<'e>> {
    let mut selected: Vec<Selected<'e>> = Vec::new();
    if text.contains('(') {
        let message =
            "embedded relations are not supported by this version; select fields of the entity itself";
        errors.push(InputError::new("select", "unsupported_select", message));
        return selected;
    }
    for item in text.split(',').map(str::trim) {
        if item == "*" {
            selected.extend(select_all(entity));
            continue;
        }
        let (key, name) = match item.split_once(':') {
            Some((_, rest)) if rest.starts_with(':') => {
                let message = format!("casts are not supported by this version: `{item}`");
                errors.push(InputError::new("select", "unsupported_select", message));
                continue;
            }
            Some((key, name)) => (key, name),
            None => (item, item),
        };
        if key.is_empty() || key.contains('\0') {
            errors.push(InputError::new(
                "select",
                "invalid_select",
                "`select` is a list of fields, `key:field` renames",
            ));
            continue;
        }
        if let Some(column) = find_column(entity, name, "select", errors) {
            selected.push(Selected { key: key.to_owned(), column });
        }
    }
    let mut keys: Vec<&str> = selected.iter().map(|item| item.key.as_str()).collect();
    keys.sort_unstable();
    if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        let message = format!("the key `{}` is selected twice", twice[0]);
        errors.push(InputError::new("select", "repeated_key", message));
    }
    selected
}

fn read_order<'e>(entity: &'e Entity, text: &str, errors: &mut Vec<InputError>) -> Vec<Order<'e>> {
    let mut order = Vec::new();
    if text.trim().is_empty() {
        let message = "`order` is a list of fields, `field.desc` turns one round".to_owned();
        errors.push(InputError::new("order", "invalid_order", message));
        return order;
    }
    for item in text.split(',').map(str::trim) {
        let mut parts = item.split('.');
        let Some(column) = find_column(entity, parts.next().unwrap_or_default(), "order", errors) else {
            continue;
        };
        let mut key = Order { column, descending: false, nulls_first: None };
        let words: Vec<&str> = parts.collect();
        let (direction, nulls) = match words.as_slice() {
            [] => (None, None),
            [one @ ("asc" | "desc")] => (Some(*one), None),
            [one @ ("nullsfirst" | "nullslast")] => (None, Some(*one)),
            [one @ ("asc" | "desc"), two @ ("nullsfirst" | "nullslast")] => (Some(*one), Some(*two)),
            _ => {
                let message = format!(
                    "`{item}` is no order: a field, then .asc or .desc, then .nullsfirst or .nullslast"
                );
                errors.push(InputError::new("order", "invalid_order", message));
                continue;
            }
        };
        if let Column::Field(field) = column
            && !field.kind.is_ordered()
        {
            let message =
                format!("rows cannot be ordered by the {} field `{}`", field.kind.name(), column.name());
            errors.push(InputError::new("order", "invalid_order", message));
            continue;
        }
        key.descending = direction == Some("desc");
        key.nulls_first = nulls.map(|word| word == "nullsfirst");
        order.push(key);
    }
    order
}

/// Newest first where nothing is asked; `id` last, so that rows that are equal otherwise have an order too.
fn make_total<'e>(entity: &'e Entity, order: &mut Vec<Order<'e>>) {
    let key = |name: &str, descending| {
        entity.column(name).map(|column| Order { column, descending, nulls_first: None })
    };
    if order.is_empty() {
        order.extend(key("createdAt", true));
    }
    if !order.iter().any(|key| key.column.name() == "id") {
        // The direction of the key before it, so that one index serves both.
        let descending = order.last().is_some_and(|key| key.descending);
        order.extend(key("id", descending));
    }
}

fn read_filter<'e>(
    entity: &'e Entity,
    name: &str,
    text: &str,
    errors: &mut Vec<InputError>,
) -> Option<Filter<'e>> {
    if LATER_PARAMETERS.contains(&name) {
        let message = format!("`{name}` is not supported by this version");
        errors.push(InputError::new(name, "unsupported_parameter", message));
        return None;
    }
    let column = find_column(entity, name, name, errors)?;
    let mut fail = |code, message: String| {
        errors.push(InputError::new(name, code, message));
        None
    };
    if let Column::Field(field) = column
        && field.kind.links().is_some()
    {
        let message = format!("`{name}` points at any number of rows: this version cannot filter by it");
        return fail("unsupported_filter", message);
    }
    let (negated, rest) = match text.strip_prefix("not.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let Some((operator, operand)) = rest.split_once('.') else {
        return fail(
            "invalid_filter",
            format!("a filter has the form `{name}=operator.value`, for example `{name}=eq.x`"),
        );
    };
    match read_test(column, operator, operand) {
        Ok(test) => Some(Filter { column, negated, test }),
        Err((code, message)) => fail(code, message),
    }
}

fn read_test(column: Column<'_>, operator: &str, operand: &str) -> Result<Test, (&'static str, String)> {
    let ty = column.sql_type();
    let name = column.name();
    let wrong = |message: String| ("invalid_filter", message);
    let read = |text: &str| {
        value::read_operand(column, text)
            .map_err(|mistake| (mistake.code, format!("the value of `{name}` {}", mistake.message)))
    };
    let comparison = match operator {
        "eq" => Some(Comparison::Eq),
        "neq" => Some(Comparison::Neq),
        "gt" => Some(Comparison::Gt),
        "gte" => Some(Comparison::Gte),
        "lt" => Some(Comparison::Lt),
        "lte" => Some(Comparison::Lte),
        _ => None,
    };
    if let Column::Field(field) = column
        && !field.kind.is_ordered()
        && operator != "is"
        && OPERATORS.contains(&operator)
    {
        let message = format!("`{name}` is a {} field: it can only be tested with `is`", field.kind.name());
        return Err(("unsupported_operator", message));
    }
    if let Some(comparison) = comparison {
        return Ok(Test::Compare(comparison, read(operand)?));
    }
    match operator {
        "in" => {
            let values = split_list(operand)
                .ok_or_else(|| wrong(format!("`in` takes a list in parentheses: `{name}=in.(a,\"b,c\")`")))?;
            if values.len() > MAX_IN_VALUES {
                return Err(wrong(format!("`in` takes at most {MAX_IN_VALUES} values")));
            }
            let binds = values.iter().map(|value| read(value)).collect::<Result<Vec<_>, _>>()?;
            Ok(Test::In(Bind::array(ty, binds.iter().map(|bind| bind.value.as_deref()))))
        }
        "is" => match operand {
            "null" => Ok(Test::Is(IsValue::Null)),
            "not_null" => Ok(Test::Is(IsValue::NotNull)),
            "true" | "false" | "unknown" if ty != SqlType::Bool => {
                Err(wrong(format!("`is.{operand}` is for boolean fields, `{name}` is none")))
            }
            "true" => Ok(Test::Is(IsValue::True)),
            "false" => Ok(Test::Is(IsValue::False)),
            "unknown" => Ok(Test::Is(IsValue::Unknown)),
            _ => Err(wrong("`is` takes null, not_null, true, false or unknown".to_owned())),
        },
        "like" | "ilike" => {
            if ty != SqlType::Text {
                return Err(("unsupported_operator", format!("`{operator}` is for texts, `{name}` is none")));
            }
            let pattern = operand.replace('*', "%");
            if pattern.chars().count() > MAX_PATTERN {
                return Err(wrong(format!("a pattern has at most {MAX_PATTERN} characters")));
            }
            if pattern.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1 {
                return Err(wrong("a pattern cannot end in a single backslash".to_owned()));
            }
            // Part of a value need not be one itself.
            let bind = value::read(SqlType::Text, &pattern)
                .map_err(|mistake| (mistake.code, format!("the pattern of `{name}` {}", mistake.message)))?;
            Ok(if operator == "like" { Test::Like(bind) } else { Test::Ilike(bind) })
        }
        later if LATER_OPERATORS.contains(&later) => {
            Err(("unsupported_operator", format!("the operator `{later}` is not supported by this version")))
        }
        unknown => Err((
            "unknown_operator",
            format!("there is no operator `{unknown}`: allowed are {}", OPERATORS.join(", ")),
        )),
    }
}

/// Splits `(a,"b,c")`. `None`: not of that form.
fn split_list(text: &str) -> Option<Vec<String>> {
    split_quoted(text.strip_prefix('(')?.strip_suffix(')')?)
}

/// Splits `a,"b,c"`; in quotes a backslash makes the next character plain. `None`: not of that form.
pub(crate) fn split_quoted(text: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    if text.is_empty() {
        return Some(values);
    }
    let mut rest = text.chars().peekable();
    loop {
        let mut value = String::new();
        if rest.next_if_eq(&'"').is_some() {
            loop {
                match rest.next()? {
                    '"' => break,
                    '\\' => value.push(rest.next()?),
                    c => value.push(c),
                }
            }
        } else {
            while let Some(c) = rest.next_if(|&c| c != ',') {
                value.push(c);
            }
        }
        values.push(value);
        match rest.next() {
            None => return Some(values),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_like_postgrest_does() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let got = split_list(text);
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
}
