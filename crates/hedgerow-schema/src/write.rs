//! The body of a request that writes rows: JSON to checked values, all mistakes of all rows at once.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::meta::{MetaChanges, MetaLimits, MetaRules};
use crate::query::{InputError, split_quoted};
use crate::{Bind, Entity, Field, Schema, value};

mod children;
mod row;

pub use children::Children;
use children::Nested;
use row::Row;

/// A request writes at most this many rows.
pub const MAX_ROWS: usize = 1000;

/// The member of a row's object that has its metadata.
pub const METAS: &str = "metas";

/// A `relation_many` field of a row points at so many rows at most.
pub const MAX_LINKS: usize = 1000;

/// What a body is for; it decides which fields must and may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind<'a> {
    /// New rows.
    Create,
    /// New rows, and with an `id` the named fields of rows that exist.
    Upsert,
    /// The named fields of rows that exist.
    Update,
    /// The same for the row that each object's `id` names.
    UpdateEach,
    /// All fields of the row with this id; what is not named gets its default, or NULL.
    Replace {
        /// The id in the path; the body may repeat it.
        id: &'a str,
    },
}

/// What a field gets that one row of a body leaves out and another, or `columns`, names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Its default.
    #[default]
    Default,
    /// NULL.
    Null,
}

/// How a body is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyRules<'a, 'e> {
    /// What it is for.
    pub kind: WriteKind<'a>,
    /// The fields that count; others in the body are left out, because the request says so.
    pub columns: Option<Vec<&'e str>>,
    /// What fields get that are missing.
    pub missing: Missing,
    /// How much metadata a row may have.
    pub metas: MetaLimits,
    /// Where the entities are whose rows may stand within a new one; `None` takes none.
    pub children: Option<&'e Schema>,
}

impl<'a> From<WriteKind<'a>> for BodyRules<'a, '_> {
    fn from(kind: WriteKind<'a>) -> Self {
        Self { kind, columns: None, missing: Missing::Default, metas: MetaLimits::default(), children: None }
    }
}

/// The checked values of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowInput<'e> {
    /// The row it is about, where the body names one.
    pub id: Option<String>,
    /// In the order of the entity's fields, so that equal sets of fields are equal statements.
    pub values: Vec<(&'e Field, Bind)>,
    /// Fields that go back to their default.
    pub to_default: Vec<&'e Field>,
    /// The rows that `relation_many` fields point at from then on.
    pub links: Vec<(&'e Field, Vec<String>)>,
    /// What becomes of the row's metadata.
    pub metas: MetaChanges,
    /// New rows that point at this one.
    pub children: Vec<Children<'e>>,
}

impl<'e> RowInput<'e> {
    /// How many rows this writes: itself, and those within.
    pub fn count(&self) -> usize {
        1 + self.children.iter().flat_map(|children| &children.rows).map(Self::count).sum::<usize>()
    }

    /// The fields that have a value.
    pub fn fields(&self) -> Vec<&'e Field> {
        self.values.iter().map(|(field, _)| *field).collect()
    }

    /// Sets a relation to the row with this id, or to none.
    ///
    /// # Errors
    /// When the field is required and `id` is none.
    pub fn set(&mut self, entity: &'e Entity, field: &'e Field, id: Option<&str>) -> Result<(), InputError> {
        if id.is_none() && field.required {
            return Err(InputError::new(
                field.name.as_str(),
                "required",
                format!("`{}` cannot be null", field.name),
            ));
        }
        self.values.retain(|(own, _)| own.name != field.name);
        self.values.push((field, Bind::new(field.kind.sql_type(), id.map(str::to_owned))));
        self.order(entity);
        Ok(())
    }

    /// Gives NULL to those of `named` that have no value.
    fn fill_with_null(&mut self, entity: &Entity, named: &[&'e Field], prefix: &str) -> Vec<InputError> {
        let mut errors = Vec::new();
        for field in named {
            if self.values.iter().any(|(own, _)| own.name == field.name) || field.kind.links().is_some() {
                continue;
            }
            if field.required {
                let message = format!("`{}` cannot be null", field.name);
                errors.push(InputError::new(format!("{prefix}{}", field.name), "required", message));
            }
            self.values.push((field, Bind::new(field.kind.sql_type(), None)));
        }
        self.order(entity);
        errors
    }

    fn order(&mut self, entity: &Entity) {
        self.values.sort_by_key(|(field, _)| entity.fields.iter().position(|own| own.name == field.name));
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.to_default.is_empty() && !self.has_attached()
    }

    /// Whether something is written that hangs on the row.
    pub fn has_attached(&self) -> bool {
        !self.links.is_empty() || !self.metas.is_empty()
    }
}

/// The rows of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'e> {
    /// `{…}`
    One(RowInput<'e>),
    /// `[{…}, …]`
    Many(Vec<RowInput<'e>>),
}

impl<'e> Body<'e> {
    /// All of them.
    pub fn rows(&self) -> &[RowInput<'e>] {
        match self {
            Self::One(row) => std::slice::from_ref(row),
            Self::Many(rows) => rows,
        }
    }
}

/// Reads a body.
///
/// # Errors
/// Every mistake of every row; for an array the field is `[index].name`. An error about the body as a whole has an
/// empty field.
///
/// ```
/// use hedgerow_schema::write::{Body, WriteKind, read_body};
/// use hedgerow_schema::{EntityFile, Schema};
/// let text = "name = \"tasks\"\nfields.title = { type = \"text\" }";
/// let schema = Schema::parse(&[EntityFile { name: "tasks.toml".into(), text: text.into() }]).unwrap();
/// let tasks = schema.entity("tasks").unwrap();
/// let body = read_body(tasks, &WriteKind::Create.into(), br#"[{"title": "a"}, {"title": "b"}]"#);
/// assert!(matches!(body, Ok(Body::Many(rows)) if rows.len() == 2));
/// let errors = read_body(tasks, &WriteKind::Create.into(), br#"{"userId": "u"}"#).unwrap_err();
/// assert_eq!(errors[0].code, "read_only_field");
/// ```
pub fn read_body<'e>(
    entity: &'e Entity,
    rules: &BodyRules<'_, 'e>,
    body: &[u8],
) -> Result<Body<'e>, Vec<InputError>> {
    let kind = rules.kind;
    let whole = |code, message: String| vec![InputError::new("", code, message)];
    let text = std::str::from_utf8(body).map_err(|error| {
        whole("invalid_json", format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    if text.trim().is_empty() {
        return Err(whole("invalid_json", "the body is empty, and should be JSON".to_owned()));
    }
    let json: &RawValue = serde_json::from_str(text)
        .map_err(|error| whole("invalid_json", format!("the body is no JSON: {error}")))?;
    let raw = json.get();
    if raw.starts_with('{') && kind != WriteKind::UpdateEach {
        let row = read_row(entity, rules, raw, "")?;
        if row.count() > MAX_ROWS {
            return Err(whole("too_many_rows", format!("a request writes at most {MAX_ROWS} rows")));
        }
        return Ok(Body::One(row));
    }
    let many = matches!(kind, WriteKind::Create | WriteKind::Upsert | WriteKind::UpdateEach);
    if !raw.starts_with('[') || !many {
        let wanted = if many { "an object or an array of objects" } else { "an object" };
        return Err(whole("invalid_body", format!("the body is {wanted}")));
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw)
        .map_err(|error| whole("invalid_json", format!("the body is no JSON: {error}")))?;
    if items.len() > MAX_ROWS {
        return Err(whole(
            "too_many_rows",
            format!("a request writes at most {MAX_ROWS} rows, this one {}", items.len()),
        ));
    }
    let mut rows = Vec::with_capacity(items.len());
    let mut errors = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match read_row(entity, rules, item.get(), &format!("[{at}].")) {
            Ok(row) => rows.push(row),
            Err(found) => errors.extend(found),
        }
    }
    let mut ids = HashSet::new();
    for (at, id) in rows.iter().enumerate().filter_map(|(at, row)| Some((at, row.id.as_deref()?))) {
        if !ids.insert(id) {
            let message = "two rows of the request have this `id`";
            errors.push(InputError::new(format!("[{at}].id"), "repeated_row", message));
        }
    }
    if rows.iter().map(RowInput::count).sum::<usize>() > MAX_ROWS {
        errors.push(InputError::new(
            "",
            "too_many_rows",
            format!("a request writes at most {MAX_ROWS} rows"),
        ));
    }
    if rules.missing == Missing::Null && kind != WriteKind::UpdateEach {
        let named: Vec<&Field> = rows.iter().flat_map(RowInput::fields).collect();
        for (at, row) in rows.iter_mut().enumerate().filter(|(_, row)| row.id.is_none()) {
            errors.extend(row.fill_with_null(entity, &named, &format!("[{at}].")));
        }
    }
    if errors.is_empty() { Ok(Body::Many(rows)) } else { Err(errors) }
}

/// Reads `columns`: the fields of a body that count, in quotes or without.
///
/// # Errors
/// When one of them is no field.
pub fn read_columns<'e>(entity: &'e Entity, text: &str) -> Result<Vec<&'e str>, Vec<InputError>> {
    let form = || {
        let message = "`columns` is a list of fields, for example `columns=title,status`";
        vec![InputError::new("columns", "invalid_columns", message)]
    };
    let names = split_quoted(text).filter(|names| !names.is_empty()).ok_or_else(form)?;
    let (mut fields, mut errors) = (Vec::new(), Vec::new());
    for name in &names {
        match entity.field(name.trim()) {
            Some(field) => fields.push(field.name.as_str()),
            None if name == "id" => fields.push("id"),
            None if name == METAS && entity.metadata.is_some() => fields.push(METAS),
            None => {
                let message = format!("`{name}` is no field of {}", entity.name);
                errors.push(InputError::new("columns", "unknown_field", message));
            }
        }
    }
    if errors.is_empty() { Ok(fields) } else { Err(errors) }
}

fn read_row<'e>(
    entity: &'e Entity,
    rules: &BodyRules<'_, 'e>,
    raw: &str,
    prefix: &str,
) -> Result<RowInput<'e>, Vec<InputError>> {
    read_row_within(entity, rules, raw, prefix, Nested::default())
}

fn read_row_within<'e>(
    entity: &'e Entity,
    rules: &BodyRules<'_, 'e>,
    raw: &str,
    prefix: &str,
    within: Nested<'e>,
) -> Result<RowInput<'e>, Vec<InputError>> {
    let members = members(raw).map_err(|_| {
        let place = prefix.trim_end_matches('.');
        vec![InputError::new(place, "invalid_body", format!("`{place}` is no object, and a row is one"))]
    })?;
    let has_id = members.iter().any(|(name, _)| name == "id");
    let kind = match rules.kind {
        WriteKind::Upsert if has_id => WriteKind::UpdateEach,
        kind => kind,
    };
    let mut row = Row::new(entity, kind);
    // The parent says it.
    row.named.extend(within.by);
    let mut seen = HashSet::new();
    for (name, json) in &members {
        if !seen.insert(name.as_str()) {
            row.error(name, "repeated_field", format!("`{name}` stands here twice"));
        } else if rules.columns.as_ref().is_some_and(|columns| !columns.contains(&name.as_str())) {
            // The request says that it does not count.
        } else if name == "id" && kind == WriteKind::UpdateEach {
            row.id = serde_json::from_str(json.get()).ok();
            if row.id.is_none() {
                row.error("id", "invalid_text", "`id` must be a text".to_owned());
            }
        } else if within.by.is_some_and(|by| by.name.as_str() == name) {
            row.error(name, "read_only_field", format!("`{name}` is the row around this one"));
        } else if name == METAS
            && let Some(known) = MetaRules::of(entity)
        {
            match known.read_object(json.get(), METAS, rules.metas) {
                Ok(metas) => row.metas = metas,
                Err(errors) => row.errors.extend(errors),
            }
        } else if let Some(children) = within.children(entity, rules, name, json) {
            match children {
                Ok(children) => row.children.push(children),
                Err(errors) => row.errors.extend(errors),
            }
        } else if let Some(field) = row.writable(name, Some(json.get())) {
            if field.kind.links().is_some() {
                row.set_links(field, ids_of_json(json));
            } else {
                let checked = value::read_json(field, json);
                row.set(field, checked);
            }
        }
    }
    if kind == WriteKind::UpdateEach && !has_id {
        row.error("id", "required", "`id` is required: it names the row to change".to_owned());
    }
    let mut row = row.finish(prefix)?;
    if let (Some(columns), Missing::Null, None) = (&rules.columns, rules.missing, &row.id) {
        let named: Vec<&Field> = columns.iter().filter_map(|name| entity.field(name)).collect();
        let errors = row.fill_with_null(entity, &named, prefix);
        if !errors.is_empty() {
            return Err(errors);
        }
    }
    Ok(row)
}

/// A value of a row that comes from a file.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'c> {
    /// Nothing there: the field's default where it has one, else NULL.
    Empty,
    /// Text of a CSV file.
    Text(&'c str),
    /// A JSON value.
    Json(&'c RawValue),
    /// The value will be set later ([`RowInput::set`]).
    Later,
}

/// Reads one row of a file.
///
/// # Errors
/// Every mistake of the row.
pub fn read_cells<'e>(
    entity: &'e Entity,
    cells: &[(&str, Cell<'_>)],
) -> Result<RowInput<'e>, Vec<InputError>> {
    let mut row = Row::new(entity, WriteKind::Create);
    for (name, cell) in cells {
        let Some(field) = row.writable(name, None) else { continue };
        match cell {
            Cell::Later => {}
            Cell::Empty if field.default.is_some() || field.kind.links().is_some() => {}
            Cell::Text(text) if field.kind.links().is_some() => row.set_links(field, value::read_ids(text)),
            Cell::Json(json) if field.kind.links().is_some() => row.set_links(field, ids_of_json(json)),
            Cell::Empty => row.set(field, Ok(Bind::new(field.kind.sql_type(), None))),
            Cell::Text(text) => row.set(field, value::read_field(field, text)),
            Cell::Json(json) => row.set(field, value::read_json(field, json)),
        }
    }
    row.finish("")
}

/// Ids as a request gives them; null is none.
fn ids_of_json(json: &RawValue) -> Result<Vec<String>, value::Mistake> {
    match json.get() {
        "null" => Ok(Vec::new()),
        list if list.starts_with('[') => value::read_ids(list),
        _ => Err(value::Mistake::new("invalid_list", "must be an array of texts")),
    }
}

/// The members of a JSON object, in order, repetitions included.
///
/// # Errors
/// When it is no object.
pub fn members(json: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    serde_json::from_str::<Object<'_>>(json).map(|object| object.0)
}

/// An object whose members keep their order, their repetitions and their text.
struct Object<'b>(Vec<(String, &'b RawValue)>);

impl<'de: 'b, 'b> Deserialize<'de> for Object<'b> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Object)
    }
}
