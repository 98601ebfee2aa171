//! Metadata inside the statements of rows: the object that a row shows, the conditions on it, and what rows are ordered by.
//!
//! Always holds: it is read under the policy of its table, so a row of somebody else shows what is public; where only owners
//! read the rows, the owner is named here, too. Where a row's metadata is kept as one object, that is read for all of it.
//! Numbers are compared by the column that an index may serve below a policy, and then exactly; that comparison is never
//! evaluated on what is no number.

use super::Asker;
use super::place::Place;
use crate::model::{metas, objects};
use crate::query::{Comparison, MetaComparison, MetaTest, ShownMetas};
use crate::{Bind, Read, Sql, ddl};

/// The metas that rows are found by: what the indexes over them leave out is in no condition.
const FOUND: &str = ".\"isSearchable\"";
const NO_DOCUMENT: &str = ".\"dataType\" <> 'json'";

/// The keys and values of a row, in order of the keys, as one JSON object.
pub(super) fn object(sql: &mut Sql, outer: Place<'_>, shown: &ShownMetas) {
    if *shown != ShownMetas::All || !outer.entity.keeps_objects() {
        return gathered(sql, outer, shown);
    }
    let of_others = |sql: &mut Sql| {
        if outer.entity.private_keys().next().is_some() {
            // They read no object of such rows.
            gathered(sql, outer, shown);
        } else {
            kept(sql, outer, " AND ");
        }
    };
    match (outer.entity.access.read, outer.asker) {
        (Read::Owner, _) => kept(sql, outer, " AND NOT "),
        (_, Asker::Anonymous) => of_others(sql),
        (_, Asker::User(_)) => {
            sql.push("CASE WHEN ");
            outer.name(sql);
            outer.owner(sql);
            sql.push(" THEN ");
            kept(sql, outer, " AND NOT ");
            sql.push(" ELSE ");
            of_others(sql);
            sql.push(" END");
        }
    }
}

/// The object that is kept of all, or of what is public; the metas themselves where it would be large. The policy decides who
/// reads it; its owner is the row's, by its foreign key.
fn kept(sql: &mut Sql, outer: Place<'_>, public: &'static str) {
    let inside = outer.inside(outer.entity);
    sql.push("coalesce((SELECT coalesce(");
    inside.objects_name(sql);
    sql.push(".object, ");
    gathered(sql, outer, &ShownMetas::All);
    sql.push(") FROM public.").name(&ddl::objects_table(outer.entity)).push(" AS ");
    inside.objects_name(sql);
    sql.push(" WHERE ");
    inside.objects_name(sql);
    sql.push(".\"entityId\" = ");
    outer.name(sql);
    sql.push(".id").push(public);
    inside.objects_name(sql);
    sql.push(".\"isPublic\"), '{}')");
}

/// The object made of the metas.
fn gathered(sql: &mut Sql, outer: Place<'_>, shown: &ShownMetas) {
    let inside = outer.inside(outer.entity);
    sql.push("(SELECT '{' || coalesce(").push(objects::MEMBERS).push(", '') || '}' FROM (SELECT ");
    sql.join(", ", ["metaKey", "metaValue", "dataType", metas::NUMBER_COLUMN], |sql, column| {
        inside.metas_name(sql);
        sql.push(".\"").push(column).push("\"");
    });
    of_row(sql, outer, inside);
    if let ShownMetas::Keys(keys) = shown {
        sql.push(" AND ");
        inside.metas_name(sql);
        sql.push(".\"metaKey\" = ANY (").bind(Bind::list(keys.iter().map(String::as_str))).push(")");
    }
    sql.push(") AS m)::json");
}

/// ` FROM … WHERE`: the metas of one row of `outer`, by the whole of their key.
fn of_row(sql: &mut Sql, outer: Place<'_>, inside: Place<'_>) {
    from(sql, inside);
    inside.metas_name(sql);
    sql.push(".\"entityId\" = ");
    outer.name(sql);
    sql.push(".id");
    if !owner(sql, inside) && metas::key(outer.entity).contains(&"userId") {
        sql.push(" AND ");
        inside.metas_name(sql);
        sql.push(".\"userId\" = ");
        outer.name(sql);
        sql.push(".\"userId\"");
    }
}

fn from(sql: &mut Sql, inside: Place<'_>) {
    sql.push(" FROM public.").name(&ddl::metas_table(inside.entity)).push(" AS ");
    inside.metas_name(sql);
    sql.push(" WHERE ");
}

/// Adds the owner's predicate where only owners read the rows; says whether it did.
fn owner(sql: &mut Sql, inside: Place<'_>) -> bool {
    let named = inside.entity.access.read_names_owner();
    if named {
        sql.push(" AND ");
        inside.metas_name(sql);
        inside.owner(sql);
    }
    named
}

/// Whether a condition has to be true of a row, or false.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    True,
    False,
}

/// Whether `test` is true, or false, of a row. A row without the key is neither, unless `test` is about that.
pub(super) fn condition(sql: &mut Sql, outer: Place<'_>, key: &str, test: &MetaTest, wanted: Wanted) {
    match (test, wanted) {
        (MetaTest::Is, Wanted::True) => found(sql, outer, key, None),
        (MetaTest::Is, Wanted::False) => not_found(sql, outer, key, None),
        (MetaTest::Holds(comparison), wanted) => found(sql, outer, key, Some((comparison, wanted))),
        (MetaTest::Distinct(comparison), Wanted::True) => not_found(sql, outer, key, Some(comparison)),
        (MetaTest::Distinct(comparison), Wanted::False) => {
            found(sql, outer, key, Some((comparison, Wanted::True)));
        }
    }
}

/// `id IN (…)`, which the planner turns round where few metas fit: it begins with those.
fn found(sql: &mut Sql, outer: Place<'_>, key: &str, asked: Option<(&MetaComparison, Wanted)>) {
    let inside = outer.inside(outer.entity);
    outer.name(sql);
    sql.push(".id IN (SELECT ");
    inside.metas_name(sql);
    sql.push(".\"entityId\"");
    from(sql, inside);
    searchable(sql, inside, key);
    owner(sql, inside);
    if let Some((comparison, wanted)) = asked {
        sql.push(if wanted == Wanted::True { " AND " } else { " AND NOT (" });
        compared(sql, inside, comparison, wanted);
        sql.push(if wanted == Wanted::True { "" } else { ")" });
    }
    sql.push(")");
}

/// `NOT EXISTS (…)`, which reads one place of the key's index for each row, or all places once.
fn not_found(sql: &mut Sql, outer: Place<'_>, key: &str, asked: Option<&MetaComparison>) {
    let inside = outer.inside(outer.entity);
    sql.push("NOT EXISTS (SELECT");
    of_row(sql, outer, inside);
    sql.push(" AND ");
    searchable(sql, inside, key);
    if let Some(comparison) = asked {
        sql.push(" AND ");
        compared(sql, inside, comparison, Wanted::True);
    }
    sql.push(")");
}

fn searchable(sql: &mut Sql, inside: Place<'_>, key: &str) {
    inside.metas_name(sql);
    sql.push(".\"metaKey\" = ").bind(Bind::text(key));
    for condition in [FOUND, NO_DOCUMENT] {
        sql.push(" AND ");
        inside.metas_name(sql);
        sql.push(condition);
    }
}

/// The comparison. Where it has to be true, what an index may serve stands in front.
fn compared(sql: &mut Sql, inside: Place<'_>, comparison: &MetaComparison, wanted: Wanted) {
    let column = |sql: &mut Sql, name: &'static str| {
        inside.metas_name(sql);
        sql.push(".\"").push(name).push("\"");
    };
    match comparison {
        MetaComparison::Among { texts, numbers: None } => {
            column(sql, "metaValue");
            sql.push(" = ANY (").bind(texts.clone()).push(")");
        }
        MetaComparison::Among { texts, numbers: Some(numbers) } => {
            if wanted == Wanted::True {
                sql.push("(");
                column(sql, metas::NUMBER_COLUMN);
                sql.push(" = ANY (").bind(numbers.clone()).push("::double precision[]) OR ");
                column(sql, "metaValue");
                sql.push(" = ANY (").bind(texts.clone()).push(")) AND ");
            }
            exactly(sql, inside, &|sql| {
                sql.push(" = ANY (").bind(numbers.clone()).push(")");
            });
            sql.push(" ELSE ");
            column(sql, "metaValue");
            sql.push(" = ANY (").bind(texts.clone()).push(") END");
        }
        MetaComparison::Number(comparison, number) => {
            if wanted == Wanted::True {
                column(sql, metas::NUMBER_COLUMN);
                sql.push(comparison.or_equal().operator());
                sql.bind(number.clone()).push("::double precision AND ");
            }
            exactly(sql, inside, &|sql| {
                sql.push(comparison.operator()).bind(number.clone());
            });
            sql.push(" END");
        }
        MetaComparison::Text(comparison, types, text) => {
            // Of a value of another type it is neither true nor false.
            column(sql, "dataType");
            sql.push(if wanted == Wanted::True { " IN (" } else { " NOT IN (" }).join(
                ", ",
                types.iter(),
                |sql, ty| {
                    sql.literal(ty.name());
                },
            );
            sql.push(if wanted == Wanted::True { ") AND " } else { ") OR " });
            column(sql, "metaValue");
            sql.push(comparison.operator()).bind(text.clone());
        }
    }
}

/// `CASE` for numbers, which nothing else is ever read as; the CASE goes on behind.
fn exactly(sql: &mut Sql, inside: Place<'_>, test: &dyn Fn(&mut Sql)) {
    sql.push("CASE WHEN ");
    inside.metas_name(sql);
    sql.push(".\"").push(metas::NUMBER_COLUMN).push("\" IS NOT NULL THEN ");
    inside.metas_name(sql);
    sql.push(".\"metaValue\"::numeric");
    test(sql);
}

/// What rows are ordered by: a column of the searchable meta with this key.
pub(super) fn order_value(sql: &mut Sql, outer: Place<'_>, key: &str, column: &'static str) {
    let inside = outer.inside(outer.entity);
    sql.push("(SELECT ");
    inside.metas_name(sql);
    sql.push(".\"").push(column).push("\"");
    of_row(sql, outer, inside);
    sql.push(" AND ");
    searchable(sql, inside, key);
    sql.push(")");
}

/// Numbers stand in order of their size before texts, days and moments.
pub(super) const ORDERED_BY: [&str; 2] = [metas::NUMBER_COLUMN, "metaValue"];

impl Comparison {
    /// The comparison that rounding both sides leaves true.
    fn or_equal(self) -> Self {
        match self {
            Self::Gt => Self::Gte,
            Self::Lt => Self::Lte,
            other => other,
        }
    }
}
