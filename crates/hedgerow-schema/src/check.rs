//! The rules that hold between the parts of an entity and between entities.

use std::collections::HashMap;
use std::ops::Range;

use crate::meta::{Level, MetaKey};
use crate::reader::allowed;
use crate::{Entity, EntityFile, Field, FieldKind, OnDelete, Problem, Standard, StoredType};

/// An entity with the places in its file that rules across entities speak of.
pub(crate) struct Draft<'f> {
    pub(crate) file: &'f EntityFile,
    pub(crate) entity: Entity,
    pub(crate) name_span: Range<usize>,
    /// In the order of the entity's fields.
    pub(crate) field_spans: Vec<Range<usize>>,
    /// In the order of the entity's indexes.
    pub(crate) index_spans: Vec<Range<usize>>,
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
    "jwks",
    "api-keys",
    "api_keys",
    "api_audit_logs",
    "api_idempotency",
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
/// A text field that an index or a unique rule covers has at most this many characters: an index entry must fit
/// into a third of a page (about 2,700 bytes), and a character can take four.
pub(crate) const MAX_INDEXED_LENGTH: u32 = 500;

pub(crate) fn across(drafts: &[Draft<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut by_name: HashMap<&str, &Draft<'_>> = HashMap::new();
    for draft in drafts {
        let name = draft.entity.name.as_str();
        if REFUSED_ENTITIES.contains(&name) || name.starts_with("pg_") || is_of_metas(name) {
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
        problems.extend(check_indexes(draft));
    }
    problems.extend(check_link_tables(drafts, &by_name));
    problems.extend(check_shared_metas(drafts));
    let names: Vec<&str> = by_name.keys().copied().collect();
    for draft in drafts {
        if let Some(old) = draft.entity.renamed_from.as_ref().filter(|old| by_name.contains_key(old.as_str()))
        {
            let message = format!("renamed_from {:?} is the name of an entity that there is", old.as_str());
            problems.push(draft.problem(&draft.name_span, message, None));
        }
        for (field, span) in draft.entity.fields.iter().zip(&draft.field_spans) {
            let on_delete = match &field.kind {
                FieldKind::Relation(relation) | FieldKind::RelationMany(relation) => relation.on_delete,
                FieldKind::User(on_delete) => *on_delete,
                _ => continue,
            };
            if on_delete == OnDelete::SetNull && field.required {
                let message =
                    format!("`{}` is required, so on_delete = \"set_null\" could never happen", field.name);
                problems.push(draft.problem(span, message, Some("use cascade or restrict".into())));
            }
            let Some(relation) = field.kind.relation().or(field.kind.links()) else { continue };
            if !by_name.contains_key(relation.entity.as_str()) {
                let message =
                    format!("`{}` points at {:?}, which is no entity", field.name, relation.entity.as_str());
                let mut sorted = names.clone();
                sorted.sort_unstable();
                problems.push(draft.problem(span, message, Some(allowed(relation.entity.as_str(), &sorted))));
            }
        }
    }
    problems
}

/// The tables of `relation_many` fields have names that nothing else has.
fn check_link_tables(drafts: &[Draft<'_>], entities: &HashMap<&str, &Draft<'_>>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for draft in drafts {
        for (field, span) in draft.entity.fields.iter().zip(&draft.field_spans) {
            if field.kind.links().is_none() {
                continue;
            }
            let table = crate::ddl::link_table(&draft.entity, field).to_string();
            let place = format!("`{}` of {}", field.name, draft.entity.name);
            let what = if entities.contains_key(table.as_str()) {
                "an entity has that name".to_owned()
            } else if REFUSED_ENTITIES.contains(&table.as_str()) || is_of_metas(&table) {
                "Hedgerow uses the name itself".to_owned()
            } else if let Some(other) = seen.insert(table.clone(), place) {
                format!("that is the table of {other}")
            } else {
                continue;
            };
            let message = format!("the links of `{}` would be the table {table:?}, but {what}", field.name);
            problems.push(draft.problem(span, message, Some("give the field another name".to_owned())));
        }
    }
    problems
}

/// Whether a table of metadata could have the name.
fn is_of_metas(table: &str) -> bool {
    table.ends_with("_metas") || table.ends_with("_metas_objects")
}

/// A key that users or administrators set for several entities at once is the same key everywhere.
fn check_shared_metas(drafts: &[Draft<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: HashMap<&str, (&Draft<'_>, &MetaKey)> = HashMap::new();
    for draft in drafts {
        for key in draft.entity.declared_keys().filter(|key| key.level != Level::Entity) {
            let Some((first, other)) = seen.insert(key.name(), (draft, key)) else { continue };
            if other != key {
                let message = format!(
                    "the key `{}` is declared otherwise in {}, and at the level {:?} it is the same key",
                    key.name(),
                    first.file.name,
                    key.level.name()
                );
                problems.push(draft.problem(&draft.name_span, message, Some("declare it alike".to_owned())));
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
        if let Some(old) = &field.renamed_from {
            let others = draft.entity.fields.iter().filter(|other| other.name != field.name);
            let is_standard = Standard::ALL.iter().any(|standard| standard.name() == old.as_str());
            let message = if draft.entity.field(old.as_str()).is_some() || is_standard {
                format!("`{name}` cannot be renamed from `{old}`, which is there")
            } else if others.clone().any(|other| other.renamed_from.as_ref() == Some(old)) {
                format!("two fields are renamed from `{old}`")
            } else {
                continue;
            };
            problems.push(draft.problem(span, message, None));
        }
    }
    problems
}

fn check_indexes(draft: &Draft<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let entity = &draft.entity;
    let names: Vec<&str> = entity
        .standard()
        .map(|standard| -> &str { standard.name() })
        .chain(entity.fields.iter().map(|field| field.name.as_str()))
        .collect();
    for (at, (index, span)) in entity.indexes.iter().zip(&draft.index_spans).enumerate() {
        let mut note = |message: String, hint| problems.push(draft.problem(span, message, hint));
        for (place, name) in index.fields.iter().enumerate() {
            let name = name.as_str();
            if index.fields[..place].iter().any(|other| other.as_str() == name) {
                note(format!("the index has `{name}` twice"), None);
            }
            if !names.contains(&name) {
                note(format!("`{name}` is no field of {}", entity.name), Some(allowed(name, &names)));
            }
            if let Some((why, hint)) = entity.field(name).and_then(not_indexable) {
                note(format!("`{name}`: {why}"), hint);
            }
        }
        if entity.indexes[..at].iter().any(|other| other.fields == index.fields) {
            note("there are two indexes over these fields".to_owned(), None);
        }
        let keys = crate::model::index_keys(entity, index);
        if index.condition.is_some() && !index.unique && crate::model::automatic_keys(entity).contains(&keys)
        {
            let message = format!("{} has an index over these fields anyway, of all rows", entity.name);
            note(message, Some("remove it".to_owned()));
        }
        let says_the_same =
            |field: &Field| index.unique && field.unique && index.fields == [field.name.clone()];
        if entity.fields.iter().any(says_the_same) {
            note("the field is `unique` already".to_owned(), None);
        }
    }
    problems
}

/// Why a field can be neither indexed nor unique, with what to do.
pub(crate) fn not_indexable(field: &Field) -> Option<(String, Option<String>)> {
    let name = field.kind.name();
    if !field.kind.is_ordered() || field.kind == FieldKind::File {
        return Some((format!("a {name} field can be neither indexed nor unique"), None));
    }
    let stored = match field.sql_type {
        Some(StoredType::Varchar(length)) => Some(length),
        _ => None,
    };
    let is_long = |rules: crate::TextRules| {
        rules.max_length.or(stored).is_none_or(|length| length > MAX_INDEXED_LENGTH)
    };
    // An e-mail address is short by its own rule.
    let is_email = matches!(field.kind, FieldKind::Email(_));
    (!is_email && field.kind.text_rules().is_some_and(is_long)).then(|| {
        let message = format!("an indexed or unique text needs a max_length of at most {MAX_INDEXED_LENGTH}");
        (message, Some("longer texts do not fit into an index entry".to_owned()))
    })
}
