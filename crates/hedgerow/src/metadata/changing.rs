//! Changing metadata among the writes of a request: one key, or an object of them.
//!
//! Always holds: what is written goes through the request's [`Writes`], so that it is undone with them, and its row of the
//! audit trail goes with it.

use hedgerow_database::Identity;
use hedgerow_schema::Action;
use hedgerow_schema::meta::{MetaChanges, MetaInput};
use hedgerow_schema::statement::metas::{self, MetasOf, Only};

use super::{Meta, MetaService, all, failed, no_such, possible_key, rules};
use crate::error::Error;
use crate::records::{Expected, OneRow, Writes};

/// A key that has a value now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// As JSON, with its entity tag.
    pub row: OneRow,
    /// Whether there was none before.
    pub is_new: bool,
}

impl MetaService<'_> {
    /// Who writes there: a user whose credential must allow `action`.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`], [`Error::MissingScope`], [`Error::AdminOnly`], and [`Error::NotFound`] for another user's.
    pub fn authorize(self, of: MetasOf<'_>, action: Action) -> Result<Identity, Error> {
        self.writer(of, action)
    }

    /// Gives a key its value, on a condition where there is one.
    ///
    /// # Errors
    /// [`Error::Changed`] where the condition does not hold, and what [`Self::set_meta`] has.
    pub async fn put_one(
        self,
        writes: &mut Writes<'_>,
        of: MetasOf<'_>,
        input: &MetaInput<'_>,
        only: Option<Only<'_>>,
    ) -> Result<Written, Error> {
        let identity = self.writer(of, Action::Write)?;
        let checked = self.checked(of, std::slice::from_ref(input))?;
        let rows = match (only, checked.as_slice()) {
            (Some(only), [write]) => {
                let query = metas::put_only(of, write, only, self.asker());
                let sent = writes.send(&identity).await?.json_between(&[], &query, &self.behind(of)).await;
                let sent = sent.map_err(|error| failed("write metadata", of, error))?;
                if sent.rows.count == 0 {
                    return Err(self.refused(of, &sent.after).unwrap_or(Error::Changed));
                }
                sent.rows
            }
            _ => self.put(writes, &identity, of, &checked).await?,
        };
        let is_new = match only {
            None => rows.aside.first().and_then(|aside| aside.get(2)?.as_deref()) == Some("true"),
            Some(only) => matches!(only, Only::IfAbsent),
        };
        Ok(Written { row: OneRow::first(rows)?, is_new })
    }

    /// Gives keys their values and deletes others, all or none; returns what is there then, in order of the keys. A key that
    /// is to be deleted and is not there is no mistake.
    ///
    /// # Errors
    /// As [`Self::set_metas`].
    pub async fn change_metas(self, of: MetasOf<'_>, changes: &MetaChanges) -> Result<Vec<Meta>, Error> {
        self.change(&mut Writes::alone(self.ctx, self.app), of, changes).await
    }

    /// Reads an object of keys and values for [`Self::change_metas`]; null deletes a key. Mistakes name `<prefix>.<key>`.
    ///
    /// # Errors
    /// [`Error::Input`] with every mistake; an object without keys is one.
    pub fn read_changes(self, of: MetasOf<'_>, json: &str, prefix: &str) -> Result<MetaChanges, Error> {
        let schema = self.app.schema();
        let changes = rules(of, &schema)?.read_object(json, prefix, self.app.limits().metas);
        let changes = changes.map_err(Error::Input)?;
        if changes.is_empty() {
            return Err(Error::input(prefix, "empty_change", "the object names no key to change"));
        }
        Ok(changes)
    }

    /// The same as [`Self::change_metas`] among the writes of a request.
    ///
    /// # Errors
    /// As there.
    pub async fn change(
        self,
        writes: &mut Writes<'_>,
        of: MetasOf<'_>,
        changes: &MetaChanges,
    ) -> Result<Vec<Meta>, Error> {
        let identity = self.writer(of, Action::Write)?;
        let mut before = Vec::new();
        if !changes.remove.is_empty() {
            self.writer(of, Action::Delete)?;
            let keys: Vec<&str> = changes.remove.iter().map(String::as_str).collect();
            let any = Expected::Any;
            before.push(metas::remove(of, &keys, any.of_statement(), self.asker()));
        }
        if !changes.set.is_empty() {
            before.push(metas::put(of, &changes.set, self.asker()).sql);
        }
        let then = metas::all(of, None, self.asker());
        let sent = writes.send(&identity).await?.json_between(&before, &then, &self.behind(of)).await;
        let sent = sent.map_err(|error| failed("change metadata", of, error))?;
        match self.refused(of, &sent.after) {
            None => all(&sent.rows),
            Some(refused) => Err(refused),
        }
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// As [`Self::delete_meta`].
    pub async fn delete_one(
        self,
        writes: &mut Writes<'_>,
        of: MetasOf<'_>,
        key: &str,
        expected: &Expected,
    ) -> Result<(), Error> {
        let identity = self.writer(of, Action::Delete)?;
        let key = possible_key(key)?;
        let removal = metas::remove(of, &[key], expected.of_statement(), self.asker());
        // Behind a condition that was not met, there may be one of another version.
        let mut after = vec![removal, metas::one(of, key, self.asker()).sql];
        after.extend(self.may_write(of));
        let counts = writes.send(&identity).await?.execute_each(&after).await;
        let counts = counts.map_err(|error| failed("delete metadata", of, error))?;
        match counts.as_slice() {
            [deleted, ..] if *deleted > 0 => Ok(()),
            [_, _, 0, readable] if *readable > 0 => Err(Error::NotOwner),
            [_, seen, ..] if *seen > 0 => Err(Error::Changed),
            _ => Err(no_such(key)),
        }
    }
}
