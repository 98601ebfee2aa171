//! The query string of the data API (PostgREST's grammar) as a value: every mistake is reported, none stops the rest.
//!
//! Always holds: names became fields of the entities here and values became binds, so no text of a caller is left to
//! become SQL; a hidden field is in none of it.

mod condition;
mod filter;
mod operand;
mod order;
mod parameters;
mod relation;
mod scan;
mod select;
mod values;
mod words;

use crate::meta::MetaLimits;
use crate::{Bind, Entity, Schema};

use parameters::{Parameter, Reading};

pub use condition::{Comparison, IsValue, Quantifier, SetComparison, Test, TextConfig, WordsForm};
pub use filter::Filter;
pub use operand::{Operand, Path, PathEnd};
pub use order::Order;
pub use relation::{Relationship, Way};
pub(crate) use scan::split_quoted;
pub use select::{Aggregate, Cast, Embed, Item, Join, Selected, embedded, select_all};

/// The code of the mistake that a relation has several meanings.
pub const AMBIGUOUS: &str = "ambiguous_relation";

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
    /// A mistake in one part.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// What a request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many rows a list has when the request does not say.
    pub default: u32,
    /// At most.
    pub max: u32,
    /// `match` and `imatch`: a regular expression can keep a server busy for long.
    pub regex: Switch,
    /// `count()`, `sum()` and the like, which read all rows to answer with few.
    pub aggregates: Switch,
    /// How much metadata it may leave.
    pub metas: MetaLimits,
}

/// Whether something is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Switch {
    pub(crate) fn is_on(self) -> bool {
        self == Self::On
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            default: 1000,
            max: 1000,
            regex: Switch::Off,
            aggregates: Switch::On,
            metas: MetaLimits::default(),
        }
    }
}

/// Which rows, in which order, and what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery<'e> {
    /// What a row shows.
    pub select: Vec<Selected<'e>>,
    /// All hold for a row.
    pub filters: Vec<Filter<'e>>,
    /// Most significant first; total, so that pages do not overlap. Empty of rows that are grouped into one.
    pub order: Vec<Order<'e>>,
    /// At most so many rows.
    pub limit: u32,
    /// After leaving out so many.
    pub offset: u32,
    /// The words by which rows are ranked, before `order`.
    pub best_first: Option<Bind>,
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

/// What says which part of the rows an answer has, and not which rows there are.
const PAGE_PARAMETERS: &[&str] = &["select", "order", "limit", "offset", "cursor"];
/// Parameters of the grammar that later versions understand.
const LATER_PARAMETERS: &[&str] = &["not", "metas", "columns", "on_conflict"];

impl<'e> ListQuery<'e> {
    /// Reads the decoded parameters of a list request.
    ///
    /// # Errors
    /// Every mistake, each naming its parameter.
    ///
    /// ```
    /// use hedgerow_schema::{EntityFile, Limits, ListQuery, Schema};
    /// let file = |name: &str, fields: &str| EntityFile {
    ///     name: format!("{name}.toml"),
    ///     text: format!("name = \"{name}\"\n{fields}"),
    /// };
    /// let schema = Schema::parse(&[
    ///     file("projects", "fields.title = { type = \"text\" }"),
    ///     file("tasks", "fields.title = { type = \"text\" }\nfields.project = { type = \"relation\", entity = \"projects\" }"),
    /// ])
    /// .unwrap();
    /// let tasks = schema.entity("tasks").unwrap();
    /// let parse = |parameters: &[(&str, &str)]| ListQuery::parse(&schema, tasks, parameters, Limits::default());
    ///
    /// let query = parse(&[
    ///     ("select", "id,title,project(title)"),
    ///     ("or", "(title.ilike.*plan*,createdAt.gt.2026-01-01T00:00:00Z)"),
    ///     ("project.title", "eq.garden"),
    ///     ("order", "createdAt.desc"),
    /// ]);
    /// assert_eq!(query.unwrap().filters.len(), 1);
    ///
    /// let errors = parse(&[("titel", "eq.x"), ("limit", "many")]).unwrap_err();
    /// assert_eq!(errors.len(), 2);
    /// ```
    pub fn parse(
        schema: &'e Schema,
        entity: &'e Entity,
        parameters: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Self, Vec<InputError>> {
        let mut reading = Reading::new(schema, limits);
        let select = read_select(&mut reading, entity, parameters);
        let mut rows = ListQuery { select, ..reading.all_rows() };
        let placed: Vec<_> = parameters.iter().map(|(name, value)| Parameter::new(name, value)).collect();
        reading.fill(entity, &mut rows, &placed);
        let decides = |(name, _): &&(&str, &str)| !PAGE_PARAMETERS.contains(name);
        let narrowing = parameters.iter().filter(decides);
        rows.narrowing = narrowing.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        reading.finish(rows, parameters)
    }

    /// Whether a row of the answer stands for several rows of the table.
    pub fn is_grouped(&self) -> bool {
        self.select.iter().any(|item| matches!(item.item, Item::Aggregate(_)))
    }

    /// Whether a row's place in the order is known from its own columns, so that a page can begin behind a row.
    pub fn has_keyset(&self) -> bool {
        !self.is_grouped() && self.best_first.is_none() && self.order.iter().all(Order::is_by_column)
    }
}

impl<'e> WriteQuery<'e> {
    /// Reads the decoded parameters of a request that changes rows.
    ///
    /// # Errors
    /// Every mistake, each naming its parameter.
    pub fn parse(
        schema: &'e Schema,
        entity: &'e Entity,
        parameters: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Self, Vec<InputError>> {
        let mut reading = Reading::new(schema, limits);
        let select = read_select(&mut reading, entity, parameters);
        refuse_aggregates(&mut reading, &select);
        let mut rows = ListQuery { select, ..reading.all_rows() };
        let mut placed = Vec::new();
        for &(name, value) in parameters {
            if matches!(name, "order" | "limit" | "offset" | "cursor" | "search") {
                let message =
                    format!("`{name}` is for lists; a change is about all rows that its filters match");
                reading.note(name, "unsupported_parameter", message);
            } else {
                placed.push(Parameter::new(name, value));
            }
        }
        reading.fill(entity, &mut rows, &placed);
        reading.finish(Self { select: rows.select, filters: rows.filters }, parameters)
    }

    /// The same, for a request about one row or about new rows, where a filter has no meaning.
    ///
    /// # Errors
    /// Every mistake, each naming its parameter.
    pub fn parse_select(
        schema: &'e Schema,
        entity: &'e Entity,
        parameters: &[(&str, &str)],
        limits: Limits,
    ) -> Result<Vec<Selected<'e>>, Vec<InputError>> {
        let mut reading = Reading::new(schema, limits);
        let select = read_select(&mut reading, entity, parameters);
        refuse_aggregates(&mut reading, &select);
        let mut rows = ListQuery { select, ..reading.all_rows() };
        let mut placed = Vec::new();
        for &(name, value) in parameters {
            let is_about_embedded = select_names(&rows.select, name);
            if name == "select" || is_about_embedded {
                placed.push(Parameter::new(name, value));
            } else {
                let message = format!("`{name}` is no parameter here: allowed is `select`");
                reading.note(name, "unknown_parameter", message);
            }
        }
        reading.fill(entity, &mut rows, &placed);
        if !rows.filters.is_empty() {
            let message = "`!inner` leaves rows out of a list; here the row is there or not";
            reading.note("select", "unsupported_select", message);
        }
        reading.finish(rows.select, parameters)
    }
}

/// What `select` says; everything where it says nothing.
fn read_select<'e>(
    reading: &mut Reading<'e>,
    entity: &'e Entity,
    parameters: &[(&str, &str)],
) -> Vec<Selected<'e>> {
    match parameters.iter().find(|(name, _)| *name == "select") {
        Some((_, text)) => reading.select(entity, text),
        None => select_all(entity),
    }
}

/// Whether a parameter speaks of something that is embedded.
fn select_names(select: &[Selected<'_>], parameter: &str) -> bool {
    parameter.split_once('.').is_some_and(|(first, _)| select.iter().any(|item| item.is_called(first)))
}

fn refuse_aggregates(reading: &mut Reading<'_>, select: &[Selected<'_>]) {
    if select.iter().any(|item| matches!(item.item, Item::Aggregate(_))) {
        let message = "aggregates are for lists: a change answers with the rows themselves";
        reading.note("select", "unsupported_select", message);
    }
}
