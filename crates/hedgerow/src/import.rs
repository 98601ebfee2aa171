//! Rows from a file, through the same checks as the API and under the identity of their owners.
//!
//! Always holds: the whole file is one transaction, so a killed import leaves nothing and can be repeated; by default one
//! refused row refuses all; every refused row is reported with its place in the file.

mod source;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufRead;

use hedgerow_database::{Error as DatabaseError, Identity, Meaning, ServerError, Transaction, UserId};
use hedgerow_schema::statement::{self, Asker};
use hedgerow_schema::write::{Cell, RowInput, read_cells};
use hedgerow_schema::{Bind, Column, Entity, Field, InputError, Schema, SqlType, Standard, Write};

use crate::app::App;
use crate::error::Error;
use crate::records::group_by_fields;
use crate::users::{self, User};
use source::{RawRow, Source, Value};

/// Rows of one owner that go in one statement.
const BATCH_ROWS: usize = 1000;
/// The same as bytes: a statement must stay far below PostgreSQL's limit of a gigabyte.
const BATCH_BYTES: usize = 8 << 20;
/// Rows of all owners that wait in memory for their batch to fill.
const WAITING_ROWS: usize = 50_000;
/// Refused rows that are described; all are counted.
const REPORTED: usize = 1000;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header.
    Csv,
    /// An array of objects.
    Json,
    /// One object a line.
    Ndjson,
}

/// What is imported, and for whom.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The entity.
    pub entity: String,
    /// How the file is read.
    pub format: Format,
    /// Whose rows they become.
    pub owner: Owner,
    /// Columns of the file and the fields that they are, where the names differ.
    pub rename: Vec<(String, String)>,
    /// Columns that are left out.
    pub ignore: Vec<String>,
    /// Relations that the file names by another field than the id.
    pub matches: Vec<Match>,
    /// What happens to a row whose relation names no row.
    pub missing: Missing,
    /// Texts that mean NULL, besides the empty one.
    pub nulls: Vec<String>,
    /// What one refused row means for the others.
    pub refusal: Refusal,
}

/// Whose rows imported rows become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This user's.
    User(Box<User>),
    /// Those of the user whose id or e-mail address stands in this column.
    Column(String),
}

/// `field=entity.by`: the file names a relation by a natural key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The relation.
    pub field: String,
    /// The entity it points at.
    pub entity: String,
    /// The field of that entity whose values the file has.
    pub by: String,
}

/// A text is no [`Match`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form FIELD=ENTITY.KEY, as in planeId=planes.tailnum")]
pub struct MatchError(String);

impl std::str::FromStr for Match {
    type Err = MatchError;

    fn from_str(text: &str) -> Result<Self, MatchError> {
        let parts = text.split_once('=').and_then(|(field, target)| Some((field, target.split_once('.')?)));
        match parts {
            Some((field, (entity, by))) if ![field, entity, by].contains(&"") => {
                Ok(Self { field: field.to_owned(), entity: entity.to_owned(), by: by.to_owned() })
            }
            _ => Err(MatchError(text.to_owned())),
        }
    }
}

/// What happens to a row whose relation names no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The relation becomes NULL.
    Null,
    /// The row is refused.
    Reject,
}

/// What one refused row means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is imported.
    RefusesAll,
    /// The others are imported.
    SkipsRow,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows read from the file.
    pub read: u64,
    /// Rows written to the database.
    pub written: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows of the file.
    pub read: u64,
    /// Rows that are in the database now.
    pub written: u64,
    /// How many different owners they have.
    pub owners: usize,
    /// Rows that were refused.
    pub refused: u64,
    /// The first thousand of them.
    pub refusals: Vec<RefusedRow>,
    /// Relations that named no row and became NULL.
    pub unmatched: u64,
    /// Columns that were left out because the server sets them.
    pub left_out: Vec<String>,
}

/// One row that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Line of the file, from 1; for a JSON array the position in it.
    pub line: u64,
    /// Why.
    pub errors: Vec<InputError>,
}

/// Imports a file.
///
/// # Errors
/// What keeps the whole file from being read: no such entity or user, unknown columns, a database that breaks off.
/// Refused rows are no error; they are in the report.
pub async fn import(
    app: &App,
    options: &ImportOptions,
    input: &mut (dyn BufRead + Send),
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ImportReport, Error> {
    let schema = app.schema();
    let unknown = || Error::UnknownEntity { name: options.entity.clone() };
    let entity = schema.entity(&options.entity).ok_or_else(unknown)?;
    let mut source = Source::open(options.format, input)?;
    let plan = Plan::make(&schema, entity, options, source.columns())?;
    let mut import = Import {
        app,
        entity,
        plan: &plan,
        options,
        transaction: None,
        owners: HashMap::new(),
        waiting: BTreeMap::new(),
        waiting_rows: 0,
        found: HashMap::new(),
        report: ImportReport { left_out: plan.left_out.clone(), ..ImportReport::default() },
        seen_owners: HashSet::new(),
    };
    while let Some(row) = source.next()? {
        import.report.read += 1;
        import.take(row).await?;
        if import.report.read.is_multiple_of(1000) {
            progress(Progress { read: import.report.read, written: import.report.written });
        }
    }
    let report = import.finish().await?;
    progress(Progress { read: report.read, written: report.written });
    Ok(report)
}

/// What each column of the file is for.
struct Plan<'e> {
    /// Fields by the column they come from.
    fields: Vec<(String, &'e str)>,
    owner_column: Option<String>,
    matches: Vec<MatchPlan<'e>>,
    left_out: Vec<String>,
    ignored: HashSet<String>,
}

struct MatchPlan<'e> {
    field: &'e Field,
    /// The column of the file with the natural key.
    column: String,
    target: &'e Entity,
    by: Column<'e>,
}

impl<'e> Plan<'e> {
    /// `columns` is `None` where each row brings its own.
    fn make(
        schema: &'e Schema,
        entity: &'e Entity,
        options: &ImportOptions,
        columns: Option<&[String]>,
    ) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, code, message: String| {
            errors.push(InputError { field: field.to_owned(), code, message });
        };
        let column_of = |field: &str| {
            options
                .rename
                .iter()
                .find(|(_, to)| to == field)
                .map_or(field, |(from, _)| from.as_str())
                .to_owned()
        };
        for (column, field) in &options.rename {
            if entity.field(field).is_none() {
                wrong(
                    column,
                    "unknown_field",
                    format!("{column}={field}: `{field}` is no field of {}", entity.name),
                );
            }
        }
        let mut matches = Vec::new();
        for wanted in &options.matches {
            match resolve(schema, entity, wanted) {
                Ok((field, target, by)) => {
                    matches.push(MatchPlan { field, column: column_of(&wanted.field), target, by });
                }
                Err(message) => wrong(&wanted.field, "invalid_match", message),
            }
        }
        let owner_column = match &options.owner {
            Owner::Column(column) => Some(column.clone()),
            Owner::User(_) => None,
        };
        let mut plan = Self {
            fields: entity
                .fields
                .iter()
                .map(|field| (column_of(field.name.as_str()), field.name.as_str()))
                .collect(),
            owner_column,
            matches,
            left_out: Vec::new(),
            ignored: options.ignore.iter().cloned().collect(),
        };
        if let Some(columns) = columns {
            if let Some(owner) = plan.owner_column.as_ref().filter(|owner| !columns.contains(owner)) {
                wrong(
                    owner,
                    "missing_column",
                    format!("the file has no column `{owner}` to take the owner from"),
                );
            }
            for one in &plan.matches {
                if !columns.contains(&one.column) {
                    let message = format!(
                        "the file has no column `{}` for `{}`; name it with --rename",
                        one.column, one.field.name
                    );
                    wrong(&one.column, "missing_column", message);
                }
            }
            for column in columns {
                match plan.use_of(column) {
                    Use::Unknown => {
                        let message = format!(
                            "the column `{column}` is no field of {}; leave it out with --ignore {column}, or give it a \
                             field with --rename {column}=FIELD",
                            entity.name
                        );
                        wrong(column, "unknown_field", message);
                    }
                    Use::Standard => plan.left_out.push(column.clone()),
                    Use::Field(_) | Use::Nothing => {}
                }
            }
        }
        if errors.is_empty() { Ok(plan) } else { Err(Error::Input(errors)) }
    }

    fn use_of(&self, column: &str) -> Use<'e> {
        if let Some((_, field)) = self.fields.iter().find(|(from, _)| from == column) {
            return Use::Field(field);
        }
        if self.ignored.contains(column) || self.owner_column.as_deref() == Some(column) {
            return Use::Nothing;
        }
        // What an export has beside the fields; the database sets it anew.
        if Standard::ALL.iter().any(|standard| standard.name() == column) {
            Use::Standard
        } else {
            Use::Unknown
        }
    }
}

enum Use<'e> {
    Field(&'e str),
    Standard,
    Nothing,
    Unknown,
}

fn resolve<'e>(
    schema: &'e Schema,
    entity: &'e Entity,
    wanted: &Match,
) -> Result<(&'e Field, &'e Entity, Column<'e>), String> {
    let Some(field) = entity.field(&wanted.field) else {
        return Err(format!("`{}` is no field of {}", wanted.field, entity.name));
    };
    let target = field.kind.relation().map(|relation| relation.entity.as_str());
    let Some(target) = target.filter(|target| *target == wanted.entity) else {
        return Err(format!("`{}` is no relation to {}", wanted.field, wanted.entity));
    };
    let Some(target) = schema.entity(target) else { return Err(format!("there is no entity {target:?}")) };
    let Some(by) = target.column(&wanted.by) else {
        return Err(format!("`{}` is no field of {}", wanted.by, target.name));
    };
    Ok((field, target, by))
}

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

struct Import<'a> {
    app: &'a App,
    entity: &'a Entity,
    plan: &'a Plan<'a>,
    options: &'a ImportOptions,
    transaction: Option<Transaction>,
    /// What the owner column said, and who that is.
    owners: HashMap<String, Option<User>>,
    /// By owner, in an order that two imports have in common: they then lock in the same order.
    waiting: BTreeMap<UserId, OwnerBatch<'a>>,
    waiting_rows: usize,
    /// Ids by match, owner (none for reference data) and natural key. An empty list is "looked for and not there".
    found: HashMap<(usize, Option<UserId>, String), Vec<String>>,
    report: ImportReport,
    seen_owners: HashSet<UserId>,
}

impl<'a> Import<'a> {
    async fn take(&mut self, raw: Result<RawRow, (u64, InputError)>) -> Result<(), Error> {
        let raw = match raw {
            Ok(raw) => raw,
            Err((line, error)) => {
                self.refuse(line, vec![error]);
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

    fn refuse(&mut self, line: u64, errors: Vec<InputError>) {
        self.report.refused += 1;
        if self.report.refusals.len() < REPORTED {
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
        let column = match &self.options.owner {
            Owner::User(user) => return Ok(Ok(user.id.clone())),
            Owner::Column(column) => column,
        };
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
        if self.entity.access.write != Write::Admin {
            return Ok(Identity::User(owner.clone()));
        }
        let is_admin = match &self.options.owner {
            Owner::User(user) => user.is_admin(),
            Owner::Column(_) => {
                self.owners.values().flatten().any(|user| user.id == *owner && user.is_admin())
            }
        };
        if is_admin {
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
            let begun = self.app.database().transaction(&identity).await;
            self.transaction = Some(begun.map_err(|error| Error::without_entity("begin the import", error))?);
        }
        let rows = self.fill_in_relations(owner, &identity, batch.rows).await?;
        if self.report.refused > 0 && self.options.refusal == Refusal::RefusesAll {
            // Nothing will stay; the rest is only checked.
            return Ok(());
        }
        let (lines, inputs): (Vec<u64>, Vec<RowInput<'a>>) = rows.into_iter().unzip();
        let written = self.report.written;
        for group in group_by_fields(&inputs) {
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
            let sql = statement::insert(self.entity, &ids, &rows, None).sql;
            let Some(transaction) = &mut self.transaction else { return Ok(()) };
            let attempt = transaction.attempt(identity, &sql).await;
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

    async fn finish(mut self) -> Result<ImportReport, Error> {
        self.flush_all().await?;
        let refused_all = self.report.refused > 0 && self.options.refusal == Refusal::RefusesAll;
        if let Some(transaction) = self.transaction.take() {
            let ended = if refused_all { transaction.rollback().await } else { transaction.commit().await };
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
