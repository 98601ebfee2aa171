//! Metadata that another program kept of rows: keys and values in a table beside theirs.
//!
//! Always holds: such a table is closed, never an entity. Its rows become metadata by statements that a person runs, which
//! keep every value: its text where it is one, its JSON where it is not.

use super::{OWNERS, plain};
use crate::catalog::{Catalog, Rule, Table};
use crate::diff::quote;

/// Why a table of metadata is closed, and how it becomes metadata.
pub(super) struct Found {
    pub(super) reason: String,
    pub(super) remedy: Vec<String>,
}

/// What the table is, if its rows are keys and values of another table's rows.
pub(super) fn found(catalog: &Catalog, name: &str, table: &Table) -> Option<Found> {
    let has = |column: &str| table.columns.contains_key(column);
    let value = table.columns.get("metaValue").filter(|_| has("entityId") && has("metaKey"))?;
    let pointed = table.constraints.values().find_map(|constraint| match &constraint.rule {
        Rule::References { columns, table, .. } if columns.last().is_some_and(|last| last == "entityId") => {
            Some(table.as_str())
        }
        _ => None,
    });
    let parent = pointed.or_else(|| name.strip_suffix("_metas"))?;
    // Without an owner nobody could say whose the metas are.
    catalog
        .tables
        .get(parent)
        .filter(|known| OWNERS.iter().any(|owner| known.columns.contains_key(*owner)))?;
    let reason = format!(
        "it is metadata of {parent}, which Hedgerow keeps in a table of its own: with whose it is, and every value as a text"
    );
    let before = if name.ends_with("_before") { name.to_owned() } else { format!("{name}_before") };
    let or = |column: &str, otherwise: &str| {
        if has(column) { format!("coalesce(m.{}, {otherwise})", quote(column)) } else { otherwise.to_owned() }
    };
    let (text, ty) = if plain(&value.ty) == "jsonb" || plain(&value.ty) == "json" {
        let is_text = "jsonb_typeof(m.\"metaValue\"::jsonb) = 'string'";
        (
            format!("CASE WHEN {is_text} THEN m.\"metaValue\" #>> '{{}}' ELSE m.\"metaValue\"::text END"),
            format!("CASE WHEN {is_text} THEN 'text' ELSE 'json' END"),
        )
    } else {
        // What another program called a number or a day may be none: as a text every value is right.
        ("m.\"metaValue\"::text".to_owned(), "'text'".to_owned())
    };
    let mut remedy = Vec::new();
    if before != name {
        remedy.push(format!("ALTER TABLE public.{} RENAME TO {}", quote(name), quote(&before)));
        // The new table's indexes have these names.
        for index in table.indexes.keys() {
            if let Some(at) = index.find(name).filter(|at| matches!(&index[..*at], "" | "idx_")) {
                let renamed = format!("{}{before}{}", &index[..at], &index[at + name.len()..]);
                remedy.push(format!("ALTER INDEX public.{} RENAME TO {}", quote(index), quote(&renamed)));
            }
        }
    }
    remedy.push(format!(
        "-- then metadata = true in entities/{parent}.toml, `hedgerow migrate new metadata`, and at the end of that file:"
    ));
    remedy.push(format!(
        "INSERT INTO public.{} (\"userId\", \"entityId\", \"metaKey\", \"metaValue\", \"dataType\", \"isPublic\", \"isSearchable\", \
         \"createdAt\", \"updatedAt\") SELECT r.\"userId\", r.id, m.\"metaKey\", {text}, {ty}, {}, {}, {}, {} \
         FROM public.{} m JOIN public.{} r ON r.id = m.\"entityId\"",
        quote(&format!("{parent}_metas")),
        or("isPublic", "false"),
        // An index takes short values alone, and what is searched is a decision.
        "false",
        or("createdAt", "now()"),
        or("updatedAt", "now()"),
        quote(&before),
        quote(parent),
    ));
    Some(Found { reason, remedy })
}

/// Statements that make texts of JSON values, in a table of Hedgerow's own that others made.
pub(super) fn to_text(name: &str, table: &Table) -> Vec<String> {
    let table_name = quote(name);
    let is_text = "jsonb_typeof(\"metaValue\"::jsonb) = 'string'";
    let mut statements = Vec::new();
    if table.columns.contains_key("dataType") {
        statements.push(format!(
            "UPDATE public.{table_name} SET \"dataType\" = CASE WHEN {is_text} THEN 'text' ELSE 'json' END"
        ));
    }
    statements.push(format!(
        "ALTER TABLE public.{table_name} ALTER COLUMN \"metaValue\" DROP DEFAULT, ALTER COLUMN \"metaValue\" TYPE text \
         USING CASE WHEN {is_text} THEN \"metaValue\" #>> '{{}}' ELSE \"metaValue\"::text END"
    ));
    statements
}
