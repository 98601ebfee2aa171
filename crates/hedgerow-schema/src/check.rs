//! The rules that hold between the parts of an entity and between entities.

use std::collections::HashMap;
use std::ops::Range;

use crate::reader::allowed;
use crate::{Entity, EntityFile, Field, OnDelete, Problem, Standard};

/// An entity with the places in its file that rules across entities speak of.
pub(crate) struct Draft<'f> {
    pub(crate) file: &'f EntityFile,
    pub(crate) entity: Entity,
    pub(crate) name_span: Range<usize>,
    /// In the order of the entity's fields.
    pub(crate) field_spans: Vec<Range<usize>>,
}

impl Draft<'_> {
    pub(crate) fn problem(&self, span: &Range<usize>, message: String, hint: Option<String>) -> Problem {
        Problem::at(&self.file.name, &self.file.text, span.clone(), message, hint)
    }
}

/// Names that other parts of the URL space or of the database use.
const REFUSED_ENTITIES: &[&str] = &[
    "user",
    "users",
    "session",
    "account",
    "verification",
    "api-keys",
    "api_keys",
    "api_audit_logs",
    "audit-logs",
    "batch",
    "docs",
    "keys",
    "metas",
    "user_metas",
    "global_metas",
    "audit",
    "auth",
    "admin",
];
/// Names that the query string uses.
const REFUSED_FIELDS: &[&str] = &[
    "select",
    "order",
    "limit",
    "offset",
    "cursor",
    "search",
    "metas",
    "and",
    "or",
    "not",
    "columns",
    "on_conflict",
];
/// Names that PostgreSQL keeps for itself in every table, and that a later version adds.
const TAKEN_COLUMNS: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "deletedAt"];
/// A table has room for 1,600 columns and a row for fewer; an entity this wide is a mistake.
const MAX_FIELDS: usize = 200;

pub(crate) fn across(drafts: &[Draft<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut by_name: HashMap<&str, &Draft<'_>> = HashMap::new();
    for draft in drafts {
        let name = draft.entity.name.as_str();
        if REFUSED_ENTITIES.contains(&name) || name.starts_with("pg_") || name.ends_with("_metas") {
            let message =
                format!("{name:?} cannot name an entity: Hedgerow or PostgreSQL uses the name itself");
            problems.push(draft.problem(&draft.name_span, message, None));
        }
        if let Some(first) = by_name.get(name) {
            let message = format!("the entity {name:?} is already described in {}", first.file.name);
            problems.push(draft.problem(&draft.name_span, message, None));
        } else {
            by_name.insert(name, draft);
        }
        problems.extend(check_fields(draft));
    }
    let names: Vec<&str> = by_name.keys().copied().collect();
    for draft in drafts {
        for (field, span) in draft.entity.fields.iter().zip(&draft.field_spans) {
            let Some(relation) = field.kind.relation() else { continue };
            if !by_name.contains_key(relation.entity.as_str()) {
                let message =
                    format!("`{}` points at {:?}, which is no entity", field.name, relation.entity.as_str());
                let mut sorted = names.clone();
                sorted.sort_unstable();
                problems.push(draft.problem(span, message, Some(allowed(relation.entity.as_str(), &sorted))));
            }
            if relation.on_delete == OnDelete::SetNull && field.required {
                let message =
                    format!("`{}` is required, so on_delete = \"set_null\" could never happen", field.name);
                problems.push(draft.problem(span, message, Some("use cascade or restrict".into())));
            }
        }
    }
    problems
}

fn check_fields(draft: &Draft<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if draft.entity.fields.len() > MAX_FIELDS {
        let message =
            format!("an entity has at most {MAX_FIELDS} fields, this one has {}", draft.entity.fields.len());
        problems.push(draft.problem(&draft.name_span, message, None));
    }
    let mut seen: HashMap<String, &Field> = HashMap::new();
    for (field, span) in draft.entity.fields.iter().zip(&draft.field_spans) {
        let name = field.name.as_str();
        if Standard::ALL.iter().any(|standard| standard.name().eq_ignore_ascii_case(name)) {
            let message = format!("every entity has `{name}` already");
            problems.push(draft.problem(span, message, Some("remove it".into())));
        } else if REFUSED_FIELDS.contains(&name) {
            let message = format!("`{name}` cannot name a field: the query string uses the name");
            problems.push(draft.problem(span, message, None));
        } else if TAKEN_COLUMNS.contains(&name) {
            let message = format!("`{name}` cannot name a field: the column exists already or will");
            problems.push(draft.problem(span, message, None));
        }
        if let Some(other) = seen.insert(name.to_ascii_lowercase(), field) {
            let message = format!("`{name}` and `{}` differ only in upper and lower case", other.name);
            problems.push(draft.problem(span, message, None));
        }
    }
    problems
}
