//! What each column of the file is for, decided before the first row is read.
//!
//! Always holds: a column is a field, an owner, a natural key, one that the server sets, or left out by name; a column
//! that is none of these refuses the file.

use std::collections::HashSet;

use hedgerow_schema::{Column, Entity, Field, InputError, Schema};

use super::{ImportOptions, Match, Owner};
use crate::context::Ctx;
use crate::error::Error;
use crate::records;

/// What each column of the file is for.
pub(super) struct Plan<'e> {
    entity: &'e Entity,
    /// Fields by the column they come from.
    fields: Vec<(String, &'e str)>,
    owner_column: Option<String>,
    pub(super) matches: Vec<MatchPlan<'e>>,
    pub(super) left_out: Vec<String>,
    ignored: HashSet<String>,
}

pub(super) struct MatchPlan<'e> {
    pub(super) field: &'e Field,
    /// The column of the file with the natural key.
    pub(super) column: String,
    pub(super) target: &'e Entity,
    pub(super) by: Column<'e>,
}

impl<'e> Plan<'e> {
    /// `columns` is `None` where each row brings its own.
    pub(super) fn make(
        schema: &'e Schema,
        entity: &'e Entity,
        options: &ImportOptions,
        columns: Option<&[String]>,
    ) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, code, message: String| {
            errors.push(InputError { field: field.to_owned(), code, message });
        };
        let column_of = |field: &str| {
            options
                .rename
                .iter()
                .find(|(_, to)| to == field)
                .map_or(field, |(from, _)| from.as_str())
                .to_owned()
        };
        for (column, field) in &options.rename {
            if entity.field(field).is_none_or(|field| field.read_only) {
                wrong(
                    column,
                    "unknown_field",
                    format!("{column}={field}: `{field}` is no field of {} that can be written", entity.name),
                );
            }
        }
        let mut matches = Vec::new();
        for wanted in &options.matches {
            match resolve(schema, entity, wanted) {
                Ok((field, target, by)) => {
                    matches.push(MatchPlan { field, column: column_of(&wanted.field), target, by });
                }
                Err(message) => wrong(&wanted.field, "invalid_match", message),
            }
        }
        let owner_column = match &options.owner {
            Owner::Column(column) => Some(column.clone()),
            Owner::Caller => None,
        };
        let mut plan = Self {
            entity,
            fields: entity
                .fields
                .iter()
                .filter(|field| !field.read_only)
                .map(|field| (column_of(field.name.as_str()), field.name.as_str()))
                .collect(),
            owner_column,
            matches,
            left_out: Vec::new(),
            ignored: options.ignore.iter().cloned().collect(),
        };
        if let Some(columns) = columns {
            if let Some(owner) = plan.owner_column.as_ref().filter(|owner| !columns.contains(owner)) {
                wrong(
                    owner,
                    "missing_column",
                    format!("the file has no column `{owner}` to take the owner from"),
                );
            }
            for one in &plan.matches {
                if !columns.contains(&one.column) {
                    let message = format!("the file has no column `{}` for `{}`", one.column, one.field.name);
                    wrong(&one.column, "missing_column", message);
                }
            }
            for column in columns {
                match plan.use_of(column) {
                    Use::Unknown => {
                        let message = format!("the column `{column}` is no field of {}", entity.name);
                        wrong(column, "unknown_field", message);
                    }
                    Use::Standard => plan.left_out.push(column.clone()),
                    Use::Field(_) | Use::Nothing => {}
                }
            }
        }
        if errors.is_empty() { Ok(plan) } else { Err(Error::Input(errors)) }
    }

    pub(super) fn use_of(&self, column: &str) -> Use<'e> {
        if let Some((_, field)) = self.fields.iter().find(|(from, _)| from == column) {
            return Use::Field(field);
        }
        if self.ignored.contains(column) || self.owner_column.as_deref() == Some(column) {
            return Use::Nothing;
        }
        // What an export has beside the fields that a user writes; the server sets it anew.
        let is_read_only = self.entity.field(column).is_some_and(|field| field.read_only);
        if is_read_only || self.entity.standard().any(|standard| standard.name() == column) {
            Use::Standard
        } else {
            Use::Unknown
        }
    }
}

/// Whether the caller may look up what the file names by other fields than ids.
///
/// # Errors
/// As reading those entities has.
pub(super) fn matches(
    ctx: &Ctx,
    schema: &Schema,
    entity: &Entity,
    options: &ImportOptions,
) -> Result<(), Error> {
    if options.owner != Owner::Caller {
        return Ok(());
    }
    let found = options.matches.iter().filter_map(|wanted| resolve(schema, entity, wanted).ok());
    found.map(|(_, target, _)| target).try_for_each(|target| records::reader(ctx, target).map(drop))
}

pub(super) enum Use<'e> {
    Field(&'e str),
    Standard,
    Nothing,
    Unknown,
}

fn resolve<'e>(
    schema: &'e Schema,
    entity: &'e Entity,
    wanted: &Match,
) -> Result<(&'e Field, &'e Entity, Column<'e>), String> {
    let Some(field) = entity.field(&wanted.field) else {
        return Err(format!("`{}` is no field of {}", wanted.field, entity.name));
    };
    if field.read_only {
        return Err(format!("`{}` of {} cannot be written", wanted.field, entity.name));
    }
    let target = field.kind.relation().map(|relation| relation.entity.as_str());
    let Some(target) = target.filter(|target| *target == wanted.entity) else {
        return Err(format!("`{}` is no relation to {}", wanted.field, wanted.entity));
    };
    let Some(target) = schema.entity(target) else { return Err(format!("there is no entity {target:?}")) };
    let by = target.column(&wanted.by);
    // What nobody is shown cannot be found out here either.
    let is_column =
        |by: &Column<'_>| !matches!(by, Column::Field(field) if field.hidden || field.kind.links().is_some());
    let Some(by) = by.filter(is_column) else {
        return Err(format!("`{}` is no field of {}", wanted.by, target.name));
    };
    Ok((field, target, by))
}
