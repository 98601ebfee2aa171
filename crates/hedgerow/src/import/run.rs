//! The rows of a file on their way into the database, in batches of one owner each.
//!
//! Always holds: all batches are one transaction; a batch goes under the identity of its owner; memory is bounded by the
//! rows that wait, not by the file.

use std::collections::{BTreeMap, HashMap, HashSet};

use hedgerow_database::{
    Error as DatabaseError, Identity, LongWork, Meaning, ServerError, Transaction, UserId, Work,
};
use hedgerow_schema::statement::{self, Asker};
use hedgerow_schema::write::{Cell, RowInput, read_cells};
use hedgerow_schema::{Action, Bind, Entity, InputError, SqlType, Write};

use super::plan::{MatchPlan, Plan, Use};
use super::source::{FileRow, RawRow, Value};
use super::{ImportOptions, ImportReport, Missing, Owner, Progress, Refusal, RefusedRow};
use crate::app::App;
use crate::context::Ctx;
use crate::error::Error;
use crate::records::{self, Outcome, group_by_fields};
use crate::users::{self, User};

/// Rows of one owner that go in one statement.
const BATCH_ROWS: usize = 1000;
/// The same as bytes: a statement must stay far below PostgreSQL's limit of a gigabyte.
const BATCH_BYTES: usize = 8 << 20;
/// Rows of all owners that wait in memory for their batch to fill.
const WAITING_ROWS: usize = 50_000;
/// Refused rows that are described; all are counted.
const REPORTED: usize = 1000;
/// Mistakes of one row that are described,
const REPORTED_OF_ROW: usize = 100;
/// and bytes of all descriptions, since a file may consist of mistakes.
const REPORTED_BYTES: usize = 1 << 20;
/// Natural keys whose rows are remembered.
const REMEMBERED: usize = 100_000;

/// A row that is checked and waits for its batch.
struct Waiting<'e> {
    line: u64,
    row: RowInput<'e>,
    /// For each match of the plan, the natural key that the file has.
    keys: Vec<Option<String>>,
}

#[derive(Default)]
struct OwnerBatch<'e> {
    rows: Vec<Waiting<'e>>,
    bytes: usize,
}

pub(super) struct Import<'a> {
    ctx: &'a Ctx,
    app: &'a App,
    entity: &'a Entity,
    plan: &'a Plan<'a>,
    options: &'a ImportOptions,
    /// Whose rows all of them become, and who writes them; `None` where a column says it.
    writer: Option<(UserId, Identity)>,
    transaction: Option<Transaction>,
    /// Held while the transaction waits for the rest of the file.
    long: Option<LongWork>,
    is_all_read: bool,
    /// What the owner column said, and who that is.
    owners: HashMap<String, Option<User>>,
    /// By owner, in an order that two imports have in common: they then lock in the same order.
    waiting: BTreeMap<UserId, OwnerBatch<'a>>,
    waiting_rows: usize,
    /// Ids by match, owner (none for reference data) and natural key. An empty list is "looked for and not there".
    found: HashMap<(usize, Option<UserId>, String), Vec<String>>,
    report: ImportReport,
    reported_bytes: usize,
    seen_owners: HashSet<UserId>,
}

/// Who writes the rows, where the caller does.
///
/// # Errors
/// As writing one row has.
pub(super) fn writer(ctx: &Ctx, entity: &Entity, owner: &Owner) -> Result<Option<(UserId, Identity)>, Error> {
    match owner {
        Owner::Caller => {
            let user = ctx.require_user(entity.name.as_str(), Action::Write)?;
            Ok(Some((user.id.clone(), records::writer(ctx, entity, Action::Write)?)))
        }
        Owner::Column(_) => Ok(None),
    }
}

impl<'a> Import<'a> {
    pub(super) fn new(
        ctx: &'a Ctx,
        app: &'a App,
        entity: &'a Entity,
        plan: &'a Plan<'a>,
        options: &'a ImportOptions,
        writer: Option<(UserId, Identity)>,
    ) -> Self {
        Self {
            ctx,
            app,
            entity,
            plan,
            options,
            writer,
            transaction: None,
            long: None,
            is_all_read: false,
            owners: HashMap::new(),
            waiting: BTreeMap::new(),
            waiting_rows: 0,
            found: HashMap::new(),
            report: ImportReport { left_out: plan.left_out.clone(), ..ImportReport::default() },
            reported_bytes: 0,
            seen_owners: HashSet::new(),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { read: self.report.read, written: self.report.written }
    }

    /// Takes one row of the file, and writes its batch once that is full.
    pub(super) async fn take(&mut self, raw: FileRow) -> Result<(), Error> {
        self.report.read += 1;
        let raw = match raw {
            Ok(raw) => raw,
            Err(refused) => {
                self.refuse(refused.line, refused.errors);
                return Ok(());
            }
        };
        let owner = match self.owner_of(&raw).await? {
            Ok(owner) => owner,
            Err(error) => {
                self.refuse(raw.line, vec![error]);
                return Ok(());
            }
        };
        if self.report.read == 1 && self.report.left_out.is_empty() {
            let set_by_server =
                |(name, _): &&(String, Value)| matches!(self.plan.use_of(name), Use::Standard);
            self.report.left_out =
                raw.cells.iter().filter(set_by_server).map(|(name, _)| name.clone()).collect();
        }
        match self.read(&raw) {
            Ok((row, keys)) => {
                let batch = self.waiting.entry(owner.clone()).or_default();
                batch.bytes += row
                    .values
                    .iter()
                    .map(|(_, bind)| bind.value.as_ref().map_or(0, String::len))
                    .sum::<usize>();
                batch.bytes += row.links.iter().flat_map(|(_, ids)| ids).map(String::len).sum::<usize>();
                batch.rows.push(Waiting { line: raw.line, row, keys });
                self.waiting_rows += 1;
                if batch.rows.len() >= BATCH_ROWS || batch.bytes >= BATCH_BYTES {
                    self.flush(&owner).await?;
                } else if self.waiting_rows >= WAITING_ROWS {
                    self.flush_all().await?;
                }
            }
            Err(errors) => self.refuse(raw.line, errors),
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, mut errors: Vec<InputError>) {
        self.report.refused += 1;
        errors.truncate(REPORTED_OF_ROW);
        let bytes: usize = errors.iter().map(|error| error.field.len() + error.message.len()).sum();
        if self.report.refusals.len() < REPORTED && self.reported_bytes + bytes <= REPORTED_BYTES {
            self.reported_bytes += bytes;
            self.report.refusals.push(RefusedRow { line, errors });
        }
    }

    /// The fields of a row, and its natural keys.
    fn read(&self, raw: &RawRow) -> Result<(RowInput<'a>, Vec<Option<String>>), Vec<InputError>> {
        let mut cells = Vec::with_capacity(raw.cells.len());
        for (column, value) in &raw.cells {
            match self.plan.use_of(column) {
                Use::Field(field) if self.plan.matches.iter().any(|one| one.field.name.as_str() == field) => {
                    cells.push((field, Cell::Later));
                }
                Use::Field(field) => cells.push((field, self.cell(value))),
                Use::Nothing | Use::Standard => {}
                // Only files whose rows bring their own keys get here.
                Use::Unknown => cells.push((column.as_str(), Cell::Later)),
            }
        }
        let keys = self.plan.matches.iter().map(|one| {
            let value = raw.cells.iter().find(|(column, _)| *column == one.column).map(|(_, value)| value);
            value.and_then(|value| self.plain(value))
        });
        Ok((read_cells(self.entity, &cells)?, keys.collect()))
    }

    fn cell<'v>(&self, value: &'v Value) -> Cell<'v> {
        match value {
            Value::Text(text) if self.is_null(text) => Cell::Empty,
            Value::Text(text) => Cell::Text(text),
            Value::Json(json) if json.get() == "null" => Cell::Empty,
            Value::Json(json) => Cell::Json(json),
        }
    }

    fn is_null(&self, text: &str) -> bool {
        text.is_empty() || self.options.nulls.iter().any(|null| null == text)
    }

    /// A value as text, whatever its JSON type.
    fn plain(&self, value: &Value) -> Option<String> {
        match value {
            Value::Text(text) => (!self.is_null(text)).then(|| text.clone()),
            Value::Json(json) if json.get() == "null" => None,
            Value::Json(json) => {
                Some(serde_json::from_str(json.get()).unwrap_or_else(|_| json.get().to_owned()))
            }
        }
    }

    async fn owner_of(&mut self, raw: &RawRow) -> Result<Result<UserId, InputError>, Error> {
        if let Some((owner, _)) = &self.writer {
            return Ok(Ok(owner.clone()));
        }
        let Owner::Column(column) = &self.options.owner else { return Err(Error::NotSignedIn) };
        let input = |code, message| InputError { field: column.clone(), code, message };
        let value =
            raw.cells.iter().find(|(name, _)| name == column).and_then(|(_, value)| self.plain(value));
        let Some(value) = value else {
            return Ok(Err(input("required", format!("`{column}` names no owner"))));
        };
        if !self.owners.contains_key(&value) {
            let user = users::find_all(self.app, &[&value]).await?.pop();
            self.owners.insert(value.clone(), user);
        }
        let user = self.owners.get(&value).and_then(Option::as_ref);
        let missing = || input("unknown_user", format!("there is no user with the id or address {value:?}"));
        Ok(user.map(|user| user.id.clone()).ok_or_else(missing))
    }

    /// Who writes the rows of this owner.
    fn identity(&self, owner: &UserId) -> Result<Identity, Error> {
        if let Some((_, identity)) = &self.writer {
            return Ok(identity.clone());
        }
        if self.entity.access.write != Write::Admin {
            return Ok(Identity::User(owner.clone()));
        }
        if self.owners.values().flatten().any(|user| user.id == *owner && user.is_admin()) {
            Ok(Identity::Admin(owner.clone()))
        } else {
            Err(Error::AdminOnly { entity: self.entity.name.to_string() })
        }
    }

    async fn flush_all(&mut self) -> Result<(), Error> {
        let owners: Vec<UserId> = self.waiting.keys().cloned().collect();
        for owner in owners {
            self.flush(&owner).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, owner: &UserId) -> Result<(), Error> {
        let Some(batch) = self.waiting.remove(owner) else { return Ok(()) };
        self.waiting_rows -= batch.rows.len();
        let identity = self.identity(owner)?;
        if self.transaction.is_none() {
            let failed = |error| Error::without_entity("begin the import", error);
            if !self.is_all_read {
                self.long = Some(self.app.database().long_work(&identity).map_err(failed)?);
            }
            let begun = self.ctx.begin_work(self.app, &identity, Work::Import).await;
            self.transaction = Some(begun.map_err(failed)?);
        }
        let rows = self.fill_in_relations(owner, &identity, batch.rows).await?;
        if self.report.refused > 0 && self.options.refusal == Refusal::RefusesAll {
            // Nothing will stay; the rest is only checked.
            return Ok(());
        }
        let (lines, inputs): (Vec<u64>, Vec<RowInput<'a>>) = rows.into_iter().unzip();
        let written = self.report.written;
        for group in group_by_fields(&inputs.iter().collect::<Vec<_>>()) {
            self.write(&identity, &group, &lines, &inputs).await?;
        }
        if self.report.written > written {
            self.seen_owners.insert(owner.clone());
        }
        Ok(())
    }

    /// Writes rows that have the same fields; where the database refuses them, finds out which ones by halves.
    async fn write(
        &mut self,
        identity: &Identity,
        group: &[usize],
        lines: &[u64],
        inputs: &[RowInput<'a>],
    ) -> Result<(), Error> {
        let mut parts = vec![group.to_vec()];
        while let Some(part) = parts.pop() {
            let ids: Vec<String> = part.iter().map(|_| self.app.world().new_id()).collect();
            let rows: Vec<&RowInput<'_>> = part.iter().map(|&at| &inputs[at]).collect();
            let mut statements =
                vec![statement::insert(self.entity, &ids, &rows, None, Asker::Anonymous).sql];
            statements.extend(statement::attach_new(self.entity, &ids, &rows));
            let Some(transaction) = &mut self.transaction else { return Ok(()) };
            let attempt = transaction.attempt(identity, &statements).await;
            match attempt.map_err(|error| Error::without_entity("import rows", error))? {
                Ok(count) => self.report.written += count,
                Err(error) if !is_about_values(&error) => {
                    return Err(Error::from_database("import rows", self.entity, error));
                }
                Err(error) => match part.as_slice() {
                    [one] => {
                        let error = Error::from_database("import a row", self.entity, error);
                        self.refuse(lines[*one], error.inputs().to_vec());
                    }
                    several => {
                        let (first, second) = several.split_at(several.len() / 2);
                        // The first half is tried first: a row that is there twice is refused the second time.
                        parts.extend([second.to_vec(), first.to_vec()]);
                    }
                },
            }
        }
        Ok(())
    }

    /// Sets the relations that the file names by natural keys.
    async fn fill_in_relations(
        &mut self,
        owner: &UserId,
        identity: &Identity,
        rows: Vec<Waiting<'a>>,
    ) -> Result<Vec<(u64, RowInput<'a>)>, Error> {
        if self.found.len() > REMEMBERED {
            self.found.clear();
        }
        for at in 0..self.plan.matches.len() {
            self.look_up(at, owner, identity, &rows).await?;
        }
        let mut filled = Vec::with_capacity(rows.len());
        for Waiting { line, mut row, keys } in rows {
            let mut errors = Vec::new();
            for (at, (one, key)) in self.plan.matches.iter().zip(keys).enumerate() {
                let ids = match &key {
                    Some(key) => self
                        .found
                        .get(&(at, self.scope_of(one, owner), key.clone()))
                        .cloned()
                        .unwrap_or_default(),
                    None => Vec::new(),
                };
                let name = one.field.name.as_str();
                let mut wrong = |code, message| {
                    errors.push(InputError { field: name.to_owned(), code, message });
                };
                let id = match (ids.as_slice(), &key) {
                    ([id], _) => Some(id.as_str()),
                    ([], None) => None,
                    ([], Some(_)) if self.options.missing == Missing::Null => {
                        self.report.unmatched += 1;
                        None
                    }
                    ([], Some(key)) => {
                        let message =
                            format!("no row of {} has the {} {key:?}", one.target.name, one.by.name());
                        wrong("relation_not_found", message);
                        continue;
                    }
                    (several, Some(key)) => {
                        let count = several.len();
                        let message =
                            format!("{count} rows of {} have the {} {key:?}", one.target.name, one.by.name());
                        wrong("relation_ambiguous", message);
                        continue;
                    }
                    (_, None) => None,
                };
                if let Err(error) = row.set(self.entity, one.field, id) {
                    errors.push(error);
                }
            }
            if errors.is_empty() {
                filled.push((line, row));
            } else {
                self.refuse(line, errors);
            }
        }
        Ok(filled)
    }

    /// Whose rows a match looks among: everybody's for reference data, else the owner's.
    fn scope_of(&self, one: &MatchPlan<'_>, owner: &UserId) -> Option<UserId> {
        (!one.target.access.is_shared()).then(|| owner.clone())
    }

    async fn look_up(
        &mut self,
        at: usize,
        owner: &UserId,
        identity: &Identity,
        rows: &[Waiting<'a>],
    ) -> Result<(), Error> {
        let one = &self.plan.matches[at];
        let scope = self.scope_of(one, owner);
        let keys: HashSet<&str> = rows.iter().filter_map(|row| row.keys[at].as_deref()).collect();
        let new: Vec<&str> = keys
            .into_iter()
            .filter(|key| !self.found.contains_key(&(at, scope.clone(), (*key).to_owned())))
            // A key that the database cannot even read is found nowhere.
            .filter(|key| !key.contains('\0'))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let values = Bind::array(SqlType::Text, new.iter().map(|key| Some(*key)));
        let sql = statement::ids_by_value(one.target, one.by, values, Asker::User(owner.as_str()));
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let asked = async {
            transaction.switch_to(identity).await?;
            let mut found: Vec<(String, String)> = Vec::new();
            for row in transaction.query_sql(&sql).await? {
                found.push((row.get(0)?, row.get(1)?));
            }
            Ok(found)
        };
        let found =
            asked.await.map_err(|error| Error::from_database("look relations up", one.target, error))?;
        for key in new {
            self.found.insert((at, scope.clone(), key.to_owned()), Vec::new());
        }
        for (key, id) in found {
            self.found.entry((at, scope.clone(), key)).or_default().push(id);
        }
        Ok(())
    }

    /// Writes what waits, and ends the transaction.
    pub(super) async fn finish(mut self) -> Result<ImportReport, Error> {
        self.is_all_read = true;
        self.flush_all().await?;
        let refused_all = self.report.refused > 0 && self.options.refusal == Refusal::RefusesAll;
        if let Some(transaction) = self.transaction.take() {
            let ended = match self.options.outcome {
                Outcome::Kept if !refused_all => self.ctx.commit(transaction).await,
                Outcome::Kept | Outcome::Undone => transaction.rollback().await,
            };
            ended.map_err(|error| Error::without_entity("end the import", error))?;
        }
        if refused_all {
            self.report.written = 0;
            self.seen_owners.clear();
        }
        self.report.owners = self.seen_owners.len();
        self.report.refusals.sort_by_key(|refusal| refusal.line);
        Ok(self.report)
    }
}

/// Whether another row in its place might have been taken.
fn is_about_values(error: &DatabaseError) -> bool {
    use Meaning::{Check, ForeignKey, InvalidValue, NotNull, Unique};
    let meaning = error.server().map(ServerError::meaning);
    matches!(meaning, Some(Unique | ForeignKey | NotNull | Check | InvalidValue))
}
