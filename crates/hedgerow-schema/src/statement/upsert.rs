//! New rows that may meet rows which are there: by a key that is unique within their owner, and no other.
//!
//! Always holds: what a row can collide with is a row of the same owner, so the answer tells nothing about anybody else's.

use super::writing::{finish, insertion};
use super::{Asker, Query};
use crate::policy::LIVES;
use crate::query::Selected;
use crate::write::RowInput;
use crate::{Entity, Field, Sql, model};

/// Fields whose values no two rows of one owner share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey<'e> {
    fields: Vec<&'e Field>,
}

impl<'e> UniqueKey<'e> {
    /// The key over exactly these fields, in any order; `None` where there is none. A rule that is about some rows only
    /// is no key.
    pub fn find(entity: &'e Entity, names: &[&str]) -> Option<Self> {
        let same = |own: &[&str]| own.len() == names.len() && own.iter().all(|name| names.contains(name));
        let fields = names.iter().map(|name| entity.field(name)).collect::<Option<Vec<_>>>()?;
        let by_field = matches!(fields.as_slice(), [field] if field.unique);
        let by_index = entity.indexes.iter().any(|index| {
            let mut keys = model::index_keys(entity, index);
            keys.retain(|key| *key != "userId");
            index.unique && index.condition.is_none() && same(&keys)
        });
        (by_field || by_index).then_some(Self { fields })
    }

    fn has(&self, field: &Field) -> bool {
        self.fields.iter().any(|own| own.name == field.name)
    }
}

/// What becomes of a new row whose key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The row that is there gets the new one's values. One whose immutable fields say something else stays as it is, and does
    /// not come back.
    Merge,
    /// The row that is there stays; the new one does not come back.
    Ignore,
}

/// New rows that all have the same fields, as [`super::insert`], or what `conflict` says.
///
/// # Panics
/// When rows differ in their fields; the caller groups them.
pub fn upsert(
    entity: &Entity,
    ids: &[String],
    rows: &[&RowInput<'_>],
    key: &UniqueKey<'_>,
    conflict: Conflict,
    select: &[Selected<'_>],
    asker: Asker<'_>,
) -> Query {
    let mut sql = insertion(entity, ids, rows);
    sql.push(" ON CONFLICT (\"userId\"");
    for field in &key.fields {
        sql.push(", ").name(&field.name);
    }
    sql.push(")");
    if entity.soft_delete {
        // The rule leaves the trash out, and is found only by saying so.
        sql.push(" WHERE ").push(LIVES);
    }
    match conflict {
        Conflict::Ignore => {
            sql.push(" DO NOTHING");
        }
        Conflict::Merge => merge(&mut sql, entity, rows, key),
    }
    finish(sql, entity, Some(select), asker)
}

fn merge(sql: &mut Sql, entity: &Entity, rows: &[&RowInput<'_>], key: &UniqueKey<'_>) {
    let given = rows.first().map(|row| row.fields()).unwrap_or_default();
    let mut set: Vec<&Field> =
        given.iter().copied().filter(|field| !key.has(field) && !field.immutable).collect();
    if set.is_empty() {
        // A row that says nothing new comes back all the same.
        set.extend(given.iter().copied().find(|field| !field.immutable));
    }
    if set.is_empty() {
        sql.push(" DO NOTHING");
        return;
    }
    sql.push(" DO UPDATE SET ");
    sql.join(", ", &set, |sql, field| {
        sql.name(&field.name).push(" = EXCLUDED.").name(&field.name);
    });
    let kept: Vec<&Field> = given.into_iter().filter(|field| field.immutable && !key.has(field)).collect();
    for (at, field) in kept.iter().enumerate() {
        sql.push(if at == 0 { " WHERE " } else { " AND " });
        sql.name(&entity.name).push(".").name(&field.name);
        sql.push(" IS NOT DISTINCT FROM EXCLUDED.").name(&field.name);
    }
}
