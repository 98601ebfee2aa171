//! Metadata: what an application keeps beside the fields of rows, for users, and for all, without a change of its schema.
//!
//! Always holds: a write of several keys happens as a whole or not at all; what a caller does not say of a key stays as it was;
//! merged metadata is read by one statement, and says of each key where its value comes from.

use std::collections::BTreeMap;

use hedgerow_database::{Error as DatabaseError, Identity, JsonRows, Meaning, Row};
use hedgerow_schema::meta::{
    self, Found, Level, MergeDepth, MergedValue, MetaInput, MetaKey, MetaRules, MetaValue, MetaWrite, merge,
    too_long, too_many,
};
use hedgerow_schema::statement::metas;
use hedgerow_schema::write::members;
use hedgerow_schema::{Action, Entity, Limits, ListQuery, Schema, Sql, Write};
use serde_json::value::RawValue;

use crate::app::App;
use crate::context::{Caller, Ctx, SignedIn};
use crate::error::Error;
use crate::records::{self, Expected, OneRow, Wanted, Writes};

mod changing;

pub use changing::Written;
pub use hedgerow_schema::meta::DataType;
pub use hedgerow_schema::statement::metas::{MetasOf, Only};

/// The scope's resource of the metadata of users and of what all share.
const RESOURCE: &str = "metas";

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The key, 1 to 255 characters.
    pub key: String,
    /// The value with its type.
    pub value: MetaValue,
    /// Whether whoever may read the row, or the user, may read it.
    pub is_public: bool,
    /// Whether rows are found and ordered by it.
    pub is_searchable: bool,
}

/// What somebody does with metadata; cheap to make for each request.
///
/// ```no_run
/// # async fn example(ctx: hedgerow::Ctx, app: hedgerow::App) -> Result<(), hedgerow::Error> {
/// use hedgerow::metadata::{MetaService, MetasOf};
/// use hedgerow::schema::meta::{MergeDepth, MetaInput};
///
/// let metas = MetaService::new(&ctx, &app);
/// metas.create_meta(MetasOf::User, &MetaInput { key: "theme", json: "\"dark\"", ..MetaInput::default() }).await?;
/// assert_eq!(metas.get_user_meta("theme").await?.value.json(), "\"dark\"");
///
/// let schema = app.schema();
/// let tasks = schema.entity("tasks").expect("the entity");
/// let merged = metas.get_merged_meta(tasks, "0190…", MergeDepth::Shallow).await?;
/// println!("{} comes from {:?}", merged["theme"].value.json(), merged["theme"].level);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy)]
pub struct MetaService<'a> {
    ctx: &'a Ctx,
    app: &'a App,
}

impl<'a> MetaService<'a> {
    /// For one request.
    pub fn new(ctx: &'a Ctx, app: &'a App) -> Self {
        Self { ctx, app }
    }

    /// A key that is new.
    ///
    /// # Errors
    /// [`Error::Conflict`] where it is there already, and what [`Self::set_meta`] has.
    pub async fn create_meta(self, of: MetasOf<'_>, input: &MetaInput<'_>) -> Result<Meta, Error> {
        let created = self.compare_and_set(of, input, Only::IfAbsent).await;
        created.map_err(|error| match error {
            Error::Changed => {
                let message = format!("the key `{}` exists already", input.key);
                Error::Conflict(hedgerow_schema::InputError::new("key", "already_exists", message))
            }
            other => other,
        })
    }

    /// The meta of the user who asks.
    ///
    /// # Errors
    /// [`Error::NoSuchMeta`] where there is none.
    pub async fn get_user_meta(self, key: &str) -> Result<Meta, Error> {
        self.get_meta(MetasOf::User, key).await
    }

    /// One meta.
    ///
    /// # Errors
    /// [`Error::NoSuchMeta`] where there is none, or no such row.
    pub async fn get_meta(self, of: MetasOf<'_>, key: &str) -> Result<Meta, Error> {
        parsed(&self.read_one(of, key).await?.object)
    }

    /// The same as JSON, with its entity tag.
    ///
    /// # Errors
    /// As [`Self::get_meta`].
    pub async fn read_one(self, of: MetasOf<'_>, key: &str) -> Result<OneRow, Error> {
        let identity = self.reader(of)?;
        let query = metas::one(of, possible_key(key)?, self.asker());
        let rows = self.ctx.reads(self.app, &identity).json(&query, 1).await;
        OneRow::first(rows.map_err(|error| failed("read metadata", of, error))?).map_err(
            |error| match error {
                Error::NotFound => no_such(key),
                other => other,
            },
        )
    }

    /// All metas in order of their keys, or those with these keys.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such row.
    pub async fn list_metas(self, of: MetasOf<'_>, keys: Option<&[&str]>) -> Result<Vec<Meta>, Error> {
        let identity = self.reader(of)?;
        let query = metas::all(of, keys, self.asker());
        let there = self.there(of);
        let found = self.ctx.reads(self.app, &identity).json_between(&[], &query, &there).await;
        let found = found.map_err(|error| failed("read metadata", of, error))?;
        if found.rows.count == 0 && found.after.contains(&0) {
            return Err(Error::NotFound);
        }
        all(&found.rows)
    }

    /// How many there are.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn count_metas(self, of: MetasOf<'_>) -> Result<u64, Error> {
        let identity = self.reader(of)?;
        let rows = self.ctx.reads(self.app, &identity).sql_rows(&metas::how_many(of, self.asker())).await;
        let rows = rows.map_err(|error| failed("count metadata", of, error))?;
        let count = rows.first().map(|row| row.get::<i64>(0)).transpose();
        Ok(count.map_err(|error| failed("count metadata", of, error))?.unwrap_or_default().unsigned_abs())
    }

    /// Gives a key its value, whether it has one or not.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such row, [`Error::NotOwner`] where it is somebody else's.
    pub async fn set_meta(self, of: MetasOf<'_>, input: &MetaInput<'_>) -> Result<Meta, Error> {
        let written = self.set_metas(of, std::slice::from_ref(input)).await?;
        written.into_iter().next().ok_or(Error::NotFound)
    }

    /// The same for several keys, all or none.
    ///
    /// # Errors
    /// As [`Self::set_meta`]; every mistake of every key.
    pub async fn set_metas(self, of: MetasOf<'_>, inputs: &[MetaInput<'_>]) -> Result<Vec<Meta>, Error> {
        let identity = self.writer(of, Action::Write)?;
        let writes = self.checked(of, inputs)?;
        let mut together = Writes::alone(self.ctx, self.app);
        all(&self.put(&mut together, &identity, of, &writes).await?)
    }

    /// Gives a key its value, where it is as the caller expects; two who change it at once cannot both.
    ///
    /// # Errors
    /// [`Error::Changed`] where it is not, and what [`Self::set_meta`] has.
    pub async fn compare_and_set(
        self,
        of: MetasOf<'_>,
        input: &MetaInput<'_>,
        only: Only<'_>,
    ) -> Result<Meta, Error> {
        let mut alone = Writes::alone(self.ctx, self.app);
        parsed(&self.put_one(&mut alone, of, input, Some(only)).await?.row.object)
    }

    async fn put(
        self,
        together: &mut Writes<'_>,
        identity: &Identity,
        of: MetasOf<'_>,
        writes: &[MetaWrite],
    ) -> Result<JsonRows, Error> {
        let query = metas::put(of, writes, self.asker());
        let after = self.behind(of);
        let sent = together.send(identity).await?.json_between(&[], &query, &after).await;
        let sent = sent.map_err(|error| failed("write metadata", of, error))?;
        if sent.rows.count < writes.len() {
            return Err(self.refused(of, &sent.after).unwrap_or(Error::NotFound));
        }
        Ok(sent.rows)
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`Error::NoSuchMeta`] where there is none, [`Error::Changed`] where it has another version than expected.
    pub async fn delete_meta(self, of: MetasOf<'_>, key: &str, expected: &Expected) -> Result<(), Error> {
        self.delete_one(&mut Writes::alone(self.ctx, self.app), of, key, expected).await
    }

    /// Gives `to` all keys that the caller reads of `from`, with values, types and flags; keys that only `to` has stay. Returns how
    /// many.
    ///
    /// # Errors
    /// As [`Self::set_metas`].
    pub async fn copy_metas(self, from: MetasOf<'_>, to: MetasOf<'_>) -> Result<usize, Error> {
        let all = self.list_metas(from, None).await?;
        let values: Vec<String> = all.iter().map(|meta| meta.value.json()).collect();
        let mut inputs = Vec::with_capacity(all.len());
        for (meta, json) in all.iter().zip(&values) {
            inputs.push(MetaInput {
                key: &meta.key,
                json,
                data_type: Some(meta.value.data_type()),
                is_public: Some(meta.is_public),
                is_searchable: Some(meta.is_searchable),
            });
        }
        if inputs.is_empty() {
            // Whoever may not write there is told so even where there is nothing to write.
            self.writer(to, Action::Write)?;
            return Ok(0);
        }
        Ok(self.set_metas(to, &inputs).await?.len())
    }

    /// The ids of the rows whose searchable meta `key` fulfils a condition of the data API: `eq.red`, `gte.5`, `in.(a,b)`.
    ///
    /// # Errors
    /// [`Error::Input`] where the condition is none, or `limit` is more than a list may have.
    pub async fn search_by_meta(
        self,
        entity: &Entity,
        key: &str,
        condition: &str,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let schema = self.app.schema();
        let (name, limit) = (format!("metas.{key}"), limit.to_string());
        let parameters = [("select", "id"), ("limit", limit.as_str()), (name.as_str(), condition)];
        let limits: Limits = self.app.limits();
        let query = ListQuery::parse(&schema, entity, &parameters, limits).map_err(Error::Input)?;
        let page = records::list(self.ctx, self.app, entity, &query, Wanted::default()).await?;
        let rows: Vec<&RawValue> =
            serde_json::from_slice(&page.body).map_err(|error| unreadable(error.into()))?;
        rows.iter().map(|row| Members::of(row.get())?.text("id")).collect()
    }

    /// The metadata that the caller meets at a row: their own before the row's, the row's before what all share, and what is
    /// declared where nothing is set.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such row.
    pub async fn get_merged_meta(
        self,
        entity: &Entity,
        id: &str,
        depth: MergeDepth,
    ) -> Result<BTreeMap<String, MergedValue>, Error> {
        let of = MetasOf::Row(entity, id);
        let identity = self.reader(of)?;
        if let Caller::User(_) = self.ctx.caller() {
            self.ctx.require_user(RESOURCE, Action::Read)?;
        }
        let read = self.set_at_levels(&identity, of, &metas::merged(entity, id, self.asker())).await?;
        if !read.iter().any(|(level, _)| *level == 0) {
            return Err(Error::NotFound);
        }
        Ok(self.merged(read, &entity.declared_keys().collect::<Vec<_>>(), depth))
    }

    /// The metadata that the user who asks meets anywhere: their own before what all share, and what is declared where nothing is
    /// set, of the keys that are declared for more than rows (feature flags).
    ///
    /// # Errors
    /// [`Error::NotSignedIn`] where nobody asks.
    pub async fn get_merged_user_meta(
        self,
        depth: MergeDepth,
    ) -> Result<BTreeMap<String, MergedValue>, Error> {
        let identity = self.reader(MetasOf::User)?;
        let sql = metas::merged_of_user(self.asker());
        let read = self.set_at_levels(&identity, MetasOf::User, &sql).await?;
        Ok(self.merged(read, &self.app.schema().shared_keys(), depth))
    }

    async fn set_at_levels(
        self,
        identity: &Identity,
        of: MetasOf<'_>,
        sql: &Sql,
    ) -> Result<Vec<(i32, Option<Found>)>, Error> {
        let rows = self.ctx.reads(self.app, identity).sql_rows(sql).await;
        let rows = rows.map_err(|error| failed("read merged metadata", of, error))?;
        let read = rows.iter().map(found).collect::<Result<Vec<_>, _>>();
        read.map_err(|error| failed("read merged metadata", of, error))
    }

    /// What was found as one, with the defaults of `keys`.
    fn merged(
        self,
        read: Vec<(i32, Option<Found>)>,
        keys: &[&MetaKey],
        depth: MergeDepth,
    ) -> BTreeMap<String, MergedValue> {
        // A key counts as far as its declaration lets it be set, with a value that the declaration takes.
        let fits = |found: &Found| {
            let key = keys.iter().find(|key| key.name() == found.key);
            key.is_none_or(|key| found.level <= key.level && key.read(&found.value.json()).is_ok())
        };
        let mut all: Vec<Found> = read.into_iter().filter_map(|(_, found)| found).filter(fits).collect();
        let user = match self.ctx.caller() {
            Caller::User(user) => Some(user.id.as_str()),
            Caller::Anonymous => None,
        };
        all.extend(meta::defaults(keys.iter().copied(), user));
        merge(all, depth)
    }

    /// The checked values.
    fn checked(self, of: MetasOf<'_>, inputs: &[MetaInput<'_>]) -> Result<Vec<MetaWrite>, Error> {
        let schema = self.app.schema();
        let rules = rules(of, &schema)?;
        let (mut writes, mut errors) = (Vec::new(), Vec::new());
        for (at, input) in inputs.iter().enumerate() {
            if inputs[..at].iter().any(|before| before.key == input.key) {
                let message = format!("`{}` stands here twice", input.key);
                errors.push(hedgerow_schema::InputError::new("key", "repeated_field", message));
            }
            match rules.check(input, self.app.limits().metas) {
                Ok(write) => writes.push(write),
                Err(found) => errors.extend(found),
            }
        }
        if errors.is_empty() { Ok(writes) } else { Err(Error::Input(errors)) }
    }

    fn asker(self) -> hedgerow_schema::Asker<'a> {
        records::asker(self.ctx)
    }

    /// What is sent behind a write: whether there are too many now, and who may do what.
    fn behind(self, of: MetasOf<'_>) -> Vec<Sql> {
        let mut after = vec![metas::at_most(of, self.app.limits().metas.keys, self.asker())];
        after.extend(self.may_write(of));
        after
    }

    /// Whether there is a row that the caller may write, and one that they may read.
    fn may_write(self, of: MetasOf<'_>) -> Vec<Sql> {
        match of {
            MetasOf::Row(entity, id) => vec![
                hedgerow_schema::statement::is_writable(entity, id, self.asker()),
                hedgerow_schema::statement::is_readable(entity, id),
            ],
            MetasOf::User | MetasOf::Other(_) | MetasOf::Global => Vec::new(),
        }
    }

    /// Why a write did nothing, by the answers to [`Self::behind`], where that was for the row.
    fn refused(self, of: MetasOf<'_>, answers: &[u64]) -> Option<Error> {
        match (of, answers) {
            (MetasOf::Row(..), [_, 0, 0]) => Some(Error::NotFound),
            (MetasOf::Row(..), [_, 0, _]) => Some(Error::NotOwner),
            _ => None,
        }
    }

    /// Whether there is such a row.
    fn there(self, of: MetasOf<'_>) -> Vec<Sql> {
        match of {
            MetasOf::Row(entity, id) => vec![hedgerow_schema::statement::is_readable(entity, id)],
            MetasOf::User | MetasOf::Other(_) | MetasOf::Global => Vec::new(),
        }
    }

    fn reader(self, of: MetasOf<'_>) -> Result<Identity, Error> {
        match of {
            MetasOf::User | MetasOf::Other(_) | MetasOf::Global => {
                let user = self.ctx.require_user(RESOURCE, Action::Read)?;
                if let MetasOf::Other(other) = of {
                    records::possible_id(other)?;
                }
                Ok(Identity::User(user.id.clone()))
            }
            MetasOf::Row(entity, id) => {
                let identity = records::reader(self.ctx, entity)?;
                possible_row(entity, id)?;
                // What one administrator wrote of reference data, another one changes.
                Ok(match self.ctx.caller() {
                    Caller::User(user) if entity.access.write == Write::Admin && user.is_admin => {
                        Identity::Admin(user.id.clone())
                    }
                    _ => identity,
                })
            }
        }
    }

    fn writer(self, of: MetasOf<'_>, action: Action) -> Result<Identity, Error> {
        match of {
            MetasOf::User => Ok(Identity::User(self.ctx.require_user(RESOURCE, action)?.id.clone())),
            // Whether there is such a user is not told.
            MetasOf::Other(_) => self.ctx.require_user(RESOURCE, action).and(Err(Error::NotFound)),
            MetasOf::Row(entity, id) => {
                // A key that is deleted is a change of its row.
                let identity = records::writer(self.ctx, entity, Action::Write)?;
                possible_row(entity, id)?;
                Ok(identity)
            }
            MetasOf::Global => {
                let SignedIn { id, is_admin, .. } = self.ctx.require_user(RESOURCE, action)?;
                if *is_admin {
                    Ok(Identity::Admin(id.clone()))
                } else {
                    Err(Error::AdminOnly { entity: "global metadata".to_owned() })
                }
            }
        }
    }
}

/// A row that may have metadata.
fn possible_row(entity: &Entity, id: &str) -> Result<(), Error> {
    entity.metadata.as_ref().ok_or_else(|| no_metadata(entity))?;
    records::possible_id(id).map(drop)
}

/// What holds for keys and values there.
fn rules<'e>(of: MetasOf<'e>, schema: &'e Schema) -> Result<MetaRules<'e>, Error> {
    Ok(match of {
        MetasOf::Row(entity, _) => MetaRules::of(entity).ok_or_else(|| no_metadata(entity))?,
        MetasOf::User | MetasOf::Other(_) => MetaRules::User(schema),
        MetasOf::Global => MetaRules::Global(schema),
    })
}

/// A key that PostgreSQL could not even read, or that nothing can have, names no meta.
fn possible_key(key: &str) -> Result<&str, Error> {
    meta::check_key(key).map(|()| key).map_err(|_| no_such(key))
}

fn no_such(key: &str) -> Error {
    Error::NoSuchMeta { key: key.chars().take(255).collect() }
}

fn no_metadata(entity: &Entity) -> Error {
    Error::NoMetadata { entity: entity.name.to_string() }
}

/// One row of [`metas::merged`]: its level, and what it says.
fn found(row: &Row) -> Result<(i32, Option<Found>), DatabaseError> {
    let level = row.get::<i32>(0)?;
    let at = usize::try_from(level - 1).ok().and_then(|at| Level::SET.get(at).copied());
    let Some(at) = at else { return Ok((level, None)) };
    let value = MetaValue::found(&row.get::<String>(3)?, row.get::<String>(2)?);
    Ok((level, Some(Found { level: at, key: row.get(1)?, value })))
}

/// The metas of an answer.
fn all(rows: &JsonRows) -> Result<Vec<Meta>, Error> {
    let array = rows.clone().into_array();
    let shown: Vec<&RawValue> = serde_json::from_slice(&array).map_err(|error| unreadable(error.into()))?;
    shown.iter().map(|shown| parsed(shown.get().as_bytes())).collect()
}

/// One of them.
fn parsed(object: &[u8]) -> Result<Meta, Error> {
    let members = Members::of(std::str::from_utf8(object).map_err(|error| unreadable(error.into()))?)?;
    let data_type = DataType::parse(&members.text("dataType")?).unwrap_or(DataType::Text);
    let value = MetaValue::shown(data_type, members.json("value"));
    Ok(Meta {
        key: members.text("key")?,
        value,
        is_public: members.json("isPublic") == "true",
        is_searchable: members.json("isSearchable") == "true",
    })
}

/// The members of an object of an answer.
struct Members<'j>(Vec<(String, &'j RawValue)>);

impl<'j> Members<'j> {
    fn of(json: &'j str) -> Result<Self, Error> {
        members(json).map(Self).map_err(|error| unreadable(error.into()))
    }

    /// The JSON of a member; null where there is none.
    fn json(&self, name: &str) -> &'j str {
        self.0.iter().find(|(own, _)| own == name).map_or("null", |(_, json)| json.get())
    }

    fn text(&self, name: &str) -> Result<String, Error> {
        serde_json::from_str(self.json(name)).map_err(|error| unreadable(error.into()))
    }
}

fn unreadable(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Internal { doing: "read stored metadata", source }
}

/// What a database error means for metadata.
fn failed(doing: &'static str, of: MetasOf<'_>, error: DatabaseError) -> Error {
    let Some(server) = error.server() else { return Error::without_entity(doing, error) };
    if server.table.as_deref() == Some(of.table().as_str()) {
        match server.meaning() {
            Meaning::Check
                if server.constraint.as_deref().is_some_and(|rule| rule.ends_with("isSearchable_check")) =>
            {
                let mistake = too_long();
                return Error::input("isSearchable", mistake.code, format!("this {}", mistake.message));
            }
            // The row, or the user, went while this was under way.
            Meaning::ForeignKey => return Error::NotFound,
            _ => {}
        }
    }
    match of {
        MetasOf::Row(entity, _) => Error::from_database(doing, entity, error),
        MetasOf::User | MetasOf::Other(_) | MetasOf::Global => {
            Error::of_metas(error).unwrap_or_else(|error| Error::without_entity(doing, error))
        }
    }
}

impl Error {
    /// That a request would leave more keys than there may be, where that is what the database says.
    pub(crate) fn of_metas(error: DatabaseError) -> Result<Self, DatabaseError> {
        // The statement that counts divides by zero, and no other one divides.
        let is_it = error.server().is_some_and(|server| server.code.code() == "22012");
        if is_it { Ok(Self::Input(vec![too_many("metas")])) } else { Err(error) }
    }
}
