//! The way from a row to related ones, as a subquery's FROM and WHERE.
//!
//! Always holds: the owner's predicate stands in every subquery over rows that only owners read, and rows in the trash are
//! in none, whatever the statement around it does.

use super::conditions::Conditions;
use super::operand::read_cast;
use super::place::Place;
use crate::query::{Filter, Relationship, Way};
use crate::{Column, Entity, Field, Sql, ddl};

/// ` FROM … WHERE …`: the rows at the end of a relationship of `outer`'s row that `filters` match.
pub(super) fn from(
    sql: &mut Sql,
    outer: Place<'_>,
    inside: Place<'_>,
    to: Relationship<'_>,
    filters: &[Filter<'_>],
) {
    sql.push(" FROM ");
    match to.way {
        Way::To { field } => {
            table(sql, inside);
            sql.push(" WHERE ");
            inside.name(sql);
            sql.push(".id = ");
            relation(sql, outer, field);
        }
        Way::From { field } => {
            table(sql, inside);
            sql.push(" WHERE ");
            relation(sql, inside, field);
            sql.push(" = ");
            outer.name(sql);
            sql.push(".id");
        }
        Way::LinksTo { field } => links(sql, outer, inside, outer.entity, field, ["targetId", "sourceId"]),
        Way::LinksFrom { field } => links(sql, outer, inside, inside.entity, field, ["sourceId", "targetId"]),
    }
    let mut conditions = Conditions::begun();
    conditions.readable(sql, inside);
    conditions.filters(sql, inside, filters);
}

/// Joins the links of `field`, an entity of `source`; `ends` are the ids of the inner and of the outer row.
fn links(
    sql: &mut Sql,
    outer: Place<'_>,
    inside: Place<'_>,
    source: &Entity,
    field: &Field,
    ends: [&'static str; 2],
) {
    let end = |sql: &mut Sql, name: &'static str| {
        inside.links_name(sql);
        sql.push(".\"").push(name).push("\"");
    };
    sql.push("public.").name(&ddl::link_table(source, field)).push(" AS ");
    inside.links_name(sql);
    sql.push(" JOIN ");
    table(sql, inside);
    sql.push(" ON ");
    inside.name(sql);
    sql.push(".id = ");
    end(sql, ends[0]);
    sql.push(" WHERE ");
    end(sql, ends[1]);
    sql.push(" = ");
    outer.name(sql);
    sql.push(".id");
    if source.access.read_names_owner() {
        sql.push(" AND ");
        inside.links_name(sql);
        inside.owner(sql);
    }
}

fn table(sql: &mut Sql, place: Place<'_>) {
    sql.push("public.").name(&place.entity.name).push(" AS ");
    place.name(sql);
}

/// The id that a relation points at, as a text.
fn relation(sql: &mut Sql, place: Place<'_>, field: &Field) {
    let column = Column::Field(field);
    place.full_column(sql, column);
    sql.push(read_cast(column).unwrap_or_default());
}

/// `EXISTS (…)`: whether there are such rows.
pub(super) fn exists(sql: &mut Sql, outer: Place<'_>, to: Relationship<'_>, filters: &[Filter<'_>]) {
    sql.push("EXISTS (SELECT");
    from(sql, outer, outer.inside(to.entity), to, filters);
    sql.push(")");
}
