//! The rows on one side of a place in the order, as a condition that an index over the order can serve.
//!
//! Always holds: the condition and the ORDER BY speak of the same keys with NULL at the same end, so pages neither overlap
//! nor leave anything out.
//!
//! Where all keys run one way it is a row comparison, which PostgreSQL takes as a bound of the index (manual, section
//! 9.24.5). Otherwise it is spelled out key by key, with the first key's bound beside it wherever NULL allows one.

use super::parameter;
use super::place::Place;
use crate::query::Order;
use crate::{Bind, Column, Keyset, Sql};

/// One key as the page meets it: turned round for the rows before a place.
#[derive(Clone, Copy)]
pub(super) struct ScanKey<'k, 'e> {
    pub(super) order: &'k Order<'e>,
    descending: bool,
    nulls_first: bool,
}

impl<'k, 'e> ScanKey<'k, 'e> {
    pub(super) fn new(order: &'k Order<'e>, is_backward: bool) -> Self {
        // PostgreSQL has NULL as the largest value where nothing is said.
        let nulls_first = order.nulls_first.unwrap_or(order.descending);
        Self { order, descending: order.descending != is_backward, nulls_first: nulls_first != is_backward }
    }

    /// What stands behind the key in ORDER BY. NULLS is left out where it is PostgreSQL's rule.
    pub(super) fn direction(self, sql: &mut Sql) {
        sql.push(if self.descending { " DESC" } else { "" });
        if self.is_nullable() && self.nulls_first != self.descending {
            sql.push(if self.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
    }

    fn is_nullable(self) -> bool {
        match self.order.column {
            _ if !self.order.is_by_column() => true,
            Column::Standard(standard) => standard == crate::Standard::DeletedAt,
            Column::Field(field) => !field.required,
        }
    }

    /// Whether a comparison that is not true of NULL leaves out exactly what it should: NULL came before.
    fn leaves_null_out(self) -> bool {
        !self.is_nullable() || self.nulls_first
    }

    fn is_beyond(self) -> &'static str {
        if self.descending { " < " } else { " > " }
    }

    fn is_at_or_beyond(self) -> &'static str {
        if self.descending { " <= " } else { " >= " }
    }
}

/// Adds the condition; `keys` and the values of the place belong together.
pub(super) fn beside(sql: &mut Sql, place: Place<'_>, keys: &[ScanKey<'_, '_>], from: &Keyset) {
    let inclusive = from.side.is_inclusive();
    let uniform = keys.windows(2).all(|pair| pair[0].descending == pair[1].descending);
    let plain = keys.iter().zip(&from.values).all(|(key, value)| value.is_some() && key.leaves_null_out());
    let Some(first) = keys.first() else { return };
    if uniform && plain {
        sql.push("(").join(", ", keys, |sql, key| {
            place.full_column(sql, key.order.column);
        });
        sql.push(")").push(if inclusive { first.is_at_or_beyond() } else { first.is_beyond() }).push("(");
        sql.join(", ", keys.iter().zip(&from.values), |sql, (key, value)| bound(sql, *key, value.as_deref()));
        sql.push(")");
        return;
    }
    if let Some(Some(value)) = from.values.first()
        && first.leaves_null_out()
    {
        place.full_column(sql, first.order.column);
        sql.push(first.is_at_or_beyond());
        bound(sql, *first, Some(value));
        sql.push(" AND ");
    }
    key_by_key(sql, place, keys, &from.values, inclusive);
}

/// Beyond in the first key, or equal there and beyond in the others.
fn key_by_key(
    sql: &mut Sql,
    place: Place<'_>,
    keys: &[ScanKey<'_, '_>],
    values: &[Option<String>],
    inclusive: bool,
) {
    let (Some((key, keys)), Some((value, values))) = (keys.split_first(), values.split_first()) else {
        return;
    };
    // A row that is equal in all keys is the one at the place.
    let takes_equal = inclusive && keys.is_empty();
    sql.push("(");
    match value {
        Some(text) => {
            place.full_column(sql, key.order.column);
            sql.push(if takes_equal { key.is_at_or_beyond() } else { key.is_beyond() });
            bound(sql, *key, Some(text));
            if !key.leaves_null_out() {
                sql.push(" OR ");
                place.full_column(sql, key.order.column);
                sql.push(" IS NULL");
            }
        }
        None if takes_equal && key.nulls_first => {
            sql.push("true");
        }
        None if key.nulls_first || takes_equal => {
            place.full_column(sql, key.order.column);
            sql.push(if takes_equal { " IS NULL" } else { " IS NOT NULL" });
        }
        None => {
            sql.push("false");
        }
    }
    if !keys.is_empty() {
        sql.push(" OR (");
        place.full_column(sql, key.order.column);
        match value {
            Some(text) => {
                sql.push(" = ");
                bound(sql, *key, Some(text));
            }
            None => {
                sql.push(" IS NULL");
            }
        }
        sql.push(" AND ");
        key_by_key(sql, place, keys, values, inclusive);
        sql.push(")");
    }
    sql.push(")");
}

fn bound(sql: &mut Sql, key: ScanKey<'_, '_>, value: Option<&str>) {
    let column = key.order.column;
    parameter(sql, column, &Bind::new(column.sql_type(), value.map(str::to_owned)));
}
