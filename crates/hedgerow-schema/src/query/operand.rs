//! What a condition, an order or a selected key is about: a column, or a place inside a JSON document.

use super::InputError;
use super::parameters::Reading;
use super::scan::Scan;
use crate::reader::nearest;
use crate::{Column, Entity, FieldKind, SqlType, value};

/// A path into a document has at most this many steps.
const MAX_STEPS: usize = 16;

/// A column, or what lies at a path inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand<'e> {
    /// The column.
    pub column: Column<'e>,
    /// Where inside the column's document, if not all of it.
    pub path: Option<Path>,
}

/// A path into a JSON document: `data->a->0` or `data->a->>b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Names of members, or positions in arrays; at least one.
    pub steps: Vec<String>,
    /// What is taken from there.
    pub end: PathEnd,
}

/// What is taken from the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEnd {
    /// The value as JSON (`->`).
    Json,
    /// Its text (`->>`).
    Text,
}

impl<'e> Operand<'e> {
    /// All of a column.
    pub fn column(column: Column<'e>) -> Self {
        Self { column, path: None }
    }

    /// How its values travel.
    pub fn sql_type(&self) -> SqlType {
        match &self.path {
            None => self.column.sql_type(),
            Some(Path { end: PathEnd::Json, .. }) => SqlType::Jsonb,
            Some(Path { end: PathEnd::Text, .. }) => SqlType::Text,
        }
    }

    /// Whether it is a list of links, which is no column of the table.
    pub(crate) fn is_links(&self) -> bool {
        matches!(self.column, Column::Field(field) if field.kind.links().is_some())
    }

    /// The key under which it is shown: the last name of the path, or the column's.
    pub(super) fn key(&self) -> &str {
        let steps = self.path.iter().flat_map(|path| &path.steps).rev();
        let mut names = steps.filter(|step| step.parse::<i32>().is_err());
        names.next().map_or(self.column.name(), String::as_str)
    }

    /// As messages call it.
    pub(super) fn shown(&self) -> String {
        let Some(path) = &self.path else { return self.column.name().to_owned() };
        let last = if path.end == PathEnd::Text { "->>" } else { "->" };
        let mut text = self.column.name().to_owned();
        for (at, step) in path.steps.iter().enumerate() {
            text.push_str(if at + 1 == path.steps.len() { last } else { "->" });
            text.push_str(step);
        }
        text
    }
}

impl Reading<'_> {
    /// Reads the column `name` and the path behind it.
    pub(super) fn operand<'e>(
        &mut self,
        entity: &'e Entity,
        name: &str,
        scan: &mut Scan<'_>,
        parameter: &str,
    ) -> Option<Operand<'e>> {
        let column = self.column(entity, name, parameter);
        let path = if scan.sees("->") { Some(self.path(name, scan, parameter)?) } else { None };
        let operand = Operand { column: column?, path };
        let is_json = matches!(operand.column, Column::Field(field) if matches!(field.kind, FieldKind::Json));
        if operand.path.is_some() && !is_json {
            let message = format!("`{name}` is no json field, so `->` leads nowhere");
            self.note(parameter, "invalid_path", message);
            return None;
        }
        Some(operand)
    }

    fn path(&mut self, name: &str, scan: &mut Scan<'_>, parameter: &str) -> Option<Path> {
        let mut path = Path { steps: Vec::new(), end: PathEnd::Json };
        while path.end == PathEnd::Json && scan.eat("->") {
            path.end = if scan.eat(">") { PathEnd::Text } else { PathEnd::Json };
            let step = scan.name_or_quoted().unwrap_or_default();
            if step.is_empty() || path.steps.len() == MAX_STEPS {
                let message =
                    format!("a path of `{name}` has 1 to {MAX_STEPS} steps, such as `{name}->a->0->>b`");
                self.note(parameter, "invalid_path", message);
                return None;
            }
            if let Err(mistake) = value::read(SqlType::Text, &step) {
                self.note(parameter, mistake.code, format!("a path of `{name}` {}", mistake.message));
                return None;
            }
            path.steps.push(step);
        }
        if scan.sees("->") {
            let message = format!("`->>` gives a text, and ends the path of `{name}`");
            self.note(parameter, "invalid_path", message);
            return None;
        }
        Some(path)
    }

    /// The column called `name`, or an error that offers the nearest.
    fn column<'e>(&mut self, entity: &'e Entity, name: &str, parameter: &str) -> Option<Column<'e>> {
        let column = entity.column(name);
        if column.is_none() {
            let names: Vec<&str> = entity.readable().map(Column::name).collect();
            let mut message = format!("`{name}` is no field of {}", entity.name);
            if let Some(near) = nearest(name, &names) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            self.errors.push(InputError::new(parameter, "unknown_field", message));
        }
        column
    }
}
