//! Columns and values: how a column is read as what travels, and how a value is made the column's own.

use super::place::Place;
use crate::query::{Operand, PathEnd};
use crate::{Bind, Column, Sql, Standard, StoredType, ddl};

pub(super) fn column(sql: &mut Sql, column: Column<'_>) {
    sql.name(&column.identifier());
}

/// What makes the column's value one of the type that travels.
pub(super) fn read_cast(column: Column<'_>) -> Option<&'static str> {
    match column {
        // An adopted table may have `timestamp` there. On the usual type the cast is nothing, and not even planned.
        Column::Standard(Standard::CreatedAt | Standard::UpdatedAt | Standard::DeletedAt) => {
            Some("::timestamptz")
        }
        Column::Standard(Standard::Id | Standard::UserId) => None,
        Column::Field(_) => column.stored().map(StoredType::read_cast),
    }
}

/// A value for a column, of the column's type.
pub(super) fn parameter(sql: &mut Sql, column: Column<'_>, bind: &Bind) {
    sql.bind(bind.clone());
    if let Some(stored) = column.stored() {
        sql.push(if bind.array { stored.write_array_cast() } else { stored.write_cast() });
    }
}

/// What is tested, as the table has it, so that an index can serve.
pub(super) fn tested(sql: &mut Sql, place: Place<'_>, operand: &Operand<'_>) {
    if operand.path.is_some() {
        value(sql, place, operand);
    } else {
        place.column(sql, operand.column);
    }
}

/// The value as it travels.
pub(super) fn value(sql: &mut Sql, place: Place<'_>, operand: &Operand<'_>) {
    if let Column::Field(field) = operand.column
        && field.kind.links().is_some()
    {
        let links = place.inside(place.entity);
        sql.push("ARRAY(SELECT ");
        links.links_name(sql);
        sql.push(".\"targetId\" FROM public.").name(&ddl::link_table(place.entity, field)).push(" AS ");
        links.links_name(sql);
        sql.push(" WHERE ");
        links.links_name(sql);
        sql.push(".\"sourceId\" = ");
        place.name(sql);
        sql.push(".id ORDER BY 1)");
        return;
    }
    let Some(path) = &operand.path else {
        place.column(sql, operand.column);
        if let Some(cast) = read_cast(operand.column) {
            sql.push(cast);
        }
        return;
    };
    sql.push("(");
    place.column(sql, operand.column);
    sql.push(if operand.column.stored() == Some(StoredType::Json) { "::jsonb" } else { "" });
    sql.push(match path.end {
        PathEnd::Json => " #> ",
        PathEnd::Text => " #>> ",
    });
    sql.bind(Bind::list(path.steps.iter().map(String::as_str))).push(")");
}
