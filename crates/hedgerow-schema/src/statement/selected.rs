//! What rows show: columns as they are, and embedded rows and metadata as JSON that PostgreSQL builds.
//!
//! Always holds: a value has the same form in an embedded row as in a row of its own entity (`json.rs` of
//! `hedgerow-database` writes those): moments in UTC with milliseconds, integers that JavaScript cannot hold as texts.

use super::operand::{read_cast, value};
use super::place::Place;
use super::{OutputColumn, related, row_metas};
use crate::query::{Aggregate, Cast, Embed, Item, Operand, Selected};
use crate::{Bind, Column, Sql, SqlType};

/// `json_build_object` takes 100 arguments at most (FUNC_MAX_ARGS).
const MAX_PAIRS: usize = 50;

/// One value of a row, and over which single rows it is reached.
struct Leaf<'s, 'e> {
    key: &'s str,
    over: Vec<&'s Embed<'e>>,
    item: &'s Item<'e>,
}

/// The values of a row, those of spread rows among them.
fn leaves<'s, 'e>(select: &'s [Selected<'e>], over: &[&'s Embed<'e>]) -> Vec<Leaf<'s, 'e>> {
    let mut found = Vec::new();
    for selected in select {
        match &selected.item {
            Item::Spread(embed) => found.extend(leaves(&embed.rows.select, &[over, &[embed]].concat())),
            // Embedded for the sake of conditions alone.
            Item::Embed(embed) if embed.rows.select.is_empty() => {}
            item => found.push(Leaf { key: &selected.key, over: over.to_vec(), item }),
        }
    }
    found
}

pub(super) fn output(select: &[Selected<'_>]) -> Vec<OutputColumn> {
    let column =
        |leaf: Leaf<'_, '_>| OutputColumn { key: Some(leaf.key.to_owned()), ty: leaf.item.sql_type() };
    leaves(select, &[]).into_iter().map(column).collect()
}

/// Which column of the answer is that column of the table as it is.
pub(super) fn position(select: &[Selected<'_>], column: Column<'_>) -> Option<usize> {
    leaves(select, &[]).iter().position(|leaf| {
        let is_it = |operand: &Operand<'_>| operand.path.is_none() && operand.column == column;
        leaf.over.is_empty() && matches!(leaf.item, Item::Value(operand, Cast::Not) if is_it(operand))
    })
}

/// The columns of a row.
pub(super) fn select_list(sql: &mut Sql, place: Place<'_>, select: &[Selected<'_>]) {
    sql.join(", ", leaves(select, &[]), |sql, leaf| {
        write(sql, place, &leaf.over, &|sql, place| plain(sql, place, leaf.item));
        if let Item::Value(operand, Cast::Not) = leaf.item
            && leaf.over.is_empty()
            && operand.path.is_none()
            && (operand.is_links() || read_cast(operand.column).is_some())
        {
            sql.push(" AS ").name(&operand.column.identifier());
        }
    });
}

/// A row as JSON.
pub(super) fn object(sql: &mut Sql, place: Place<'_>, select: &[Selected<'_>]) {
    let leaves = leaves(select, &[]);
    let build = |sql: &mut Sql, leaves: &[Leaf<'_, '_>]| {
        sql.push("json_build_object(");
        sql.join(", ", leaves, |sql, leaf| {
            // The entity file's own names are part of the statement, so that it is the same for all who ask for them.
            match leaf.item {
                Item::Value(operand, _) if operand.column.name() == leaf.key => sql.literal(leaf.key),
                _ => sql.bind(Bind::text(leaf.key)).push("::text"),
            };
            sql.push(", ");
            write(sql, place, &leaf.over, &|sql, place| in_json(sql, place, leaf.item));
        });
        sql.push(")");
    };
    if leaves.len() <= MAX_PAIRS {
        build(sql, &leaves);
        return;
    }
    // Several objects, joined where one ends and the next begins.
    sql.push("('{' || ");
    sql.join(" || ', ' || ", leaves.chunks(MAX_PAIRS), |sql, leaves| {
        sql.push("substr(left(");
        build(sql, leaves);
        sql.push("::text, -1), 2)");
    });
    sql.push(" || '}')::json");
}

/// What `item` writes, of the row at the end of `over`.
fn write(sql: &mut Sql, place: Place<'_>, over: &[&Embed<'_>], item: &dyn Fn(&mut Sql, Place<'_>)) {
    let Some((embed, rest)) = over.split_first() else { return item(sql, place) };
    sql.push("(SELECT ");
    let inside = place.inside(embed.to.entity);
    write(sql, inside, rest, item);
    related::from(sql, place, inside, embed.to, &embed.rows.filters);
    sql.push(")");
}

fn plain(sql: &mut Sql, place: Place<'_>, item: &Item<'_>) {
    match item {
        Item::Value(operand, Cast::Text) => text(sql, place, operand),
        Item::Value(operand, Cast::Not) => value(sql, place, operand),
        Item::Value(operand, Cast::Numeric) => {
            value(sql, place, operand);
            sql.push("::numeric");
        }
        Item::Value(operand, Cast::Date) => {
            sql.push("(");
            value(sql, place, operand);
            sql.push(" AT TIME ZONE 'UTC')::date");
        }
        Item::Aggregate(aggregate) => aggregated(sql, place, aggregate),
        Item::Embed(embed) | Item::Spread(embed) => embedded(sql, place, embed),
        Item::Metas(shown) => row_metas::object(sql, place, shown),
    }
}

/// The value as a text: of a moment, the text that JSON has of it.
fn text(sql: &mut Sql, place: Place<'_>, operand: &Operand<'_>) {
    if operand.sql_type() == SqlType::Timestamptz {
        moment(sql, &|sql| value(sql, place, operand));
    } else {
        value(sql, place, operand);
        sql.push("::text");
    }
}

fn in_json(sql: &mut Sql, place: Place<'_>, item: &Item<'_>) {
    match item.sql_type() {
        SqlType::Timestamptz => moment(sql, &|sql| plain(sql, place, item)),
        SqlType::Int8 => {
            sql.push("CASE WHEN ");
            plain(sql, place, item);
            sql.push(" BETWEEN -9007199254740991 AND 9007199254740991 THEN to_json(");
            plain(sql, place, item);
            sql.push(") ELSE to_json(");
            plain(sql, place, item);
            sql.push("::text) END");
        }
        // PostgreSQL writes these as we do.
        SqlType::Text
        | SqlType::Numeric
        | SqlType::Bool
        | SqlType::Date
        | SqlType::Time
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::Uuid
        | SqlType::TextArray => plain(sql, place, item),
    }
}

/// RFC 3339 in UTC; `infinity` has no such form and stays a word.
fn moment(sql: &mut Sql, value: &dyn Fn(&mut Sql)) {
    sql.push("coalesce(to_char(");
    value(sql);
    sql.push(" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), ");
    value(sql);
    sql.push("::text)");
}

fn aggregated(sql: &mut Sql, place: Place<'_>, aggregate: &Aggregate<'_>) {
    let (function, operand) = match aggregate {
        Aggregate::Count => {
            sql.push("count(*)");
            return;
        }
        Aggregate::CountOf(operand) => ("count(", operand),
        Aggregate::Sum(operand) => ("sum(", operand),
        Aggregate::Avg(operand) => ("avg(", operand),
        Aggregate::Min(operand) => ("min(", operand),
        Aggregate::Max(operand) => ("max(", operand),
    };
    sql.push(function);
    value(sql, place, operand);
    // The sum of integers is a decimal number in PostgreSQL already; this says it of smaller ones, too.
    sql.push(if matches!(aggregate, Aggregate::Sum(_)) { ")::numeric" } else { ")" });
}

/// Embedded rows: an object or NULL, or an array.
fn embedded(sql: &mut Sql, place: Place<'_>, embed: &Embed<'_>) {
    let inside = place.inside(embed.to.entity);
    let rows = &embed.rows;
    if embed.to.is_to_one() {
        sql.push("(SELECT ");
        object(sql, inside, &rows.select);
        related::from(sql, place, inside, embed.to, &rows.filters);
        sql.push(")");
        return;
    }
    sql.push("(SELECT coalesce(json_agg(found.item), '[]') FROM (SELECT ");
    object(sql, inside, &rows.select);
    sql.push(" AS item");
    related::from(sql, place, inside, embed.to, &rows.filters);
    super::reading::embedded_page(sql, inside, rows);
    sql.push(") AS found)");
}
