//! A key of metadata becomes a field: the entity file, and the migration that moves the values there and back.
//!
//! Always holds: the database is only read, and no file is written while a value would be refused or changed by the field,
//! or become readable for others without anybody's word.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hedgerow_database::migrate::{self, MigrateEvent};
use hedgerow_database::private_server::Download;
use hedgerow_schema::diff::{Pace, Plan};
use hedgerow_schema::meta::{DataType, Level, MetaValue};
use hedgerow_schema::promote::{self, Definition, Form, NotEdited};
use hedgerow_schema::{EntityFile, Field, Read, Schema, script};

use super::{MigrationsError, State, next_name, replay, status};
use crate::place::Place;
use crate::project::{Mistakes, Project, ProjectError};

/// What is to become of which key.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The entity.
    pub entity: &'a str,
    /// The key.
    pub key: &'a str,
    /// What the field is called; the key itself where nothing is said.
    pub field: Option<&'a str>,
    /// The field's type; where nothing is said, what the entity file declares, or what all values have.
    pub ty: Option<&'a str>,
}

/// What would be written.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// The migration, such as `0007_promote_tasks_colour`.
    pub name: String,
    /// The field.
    pub field: Field,
    /// How many values move.
    pub values: usize,
    /// How many of them only their owner reads today, and whoever reads the row afterwards.
    pub opened: usize,
    /// What becomes of the table.
    pub plan: Plan,
    /// The files by their path from the project's folder.
    pub files: Vec<(String, String)>,
}

/// What holds for values that only their owner reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateValues {
    /// They may not become readable for others.
    Stay,
    /// They may.
    Open,
}

/// Why a key does not become a field.
#[derive(Debug, thiserror::Error)]
pub enum PromotionError {
    /// The project's files.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The database.
    #[error(transparent)]
    Migrations(#[from] MigrationsError),
    /// The entity file cannot be edited.
    #[error("{file} cannot be edited: {why}")]
    File {
        /// The file.
        file: String,
        /// Why.
        why: NotEdited,
    },
    /// No such entity.
    #[error("no entity file is about {0}")]
    NoEntity(String),
    /// It has no metadata.
    #[error("rows of {0} have no metadata")]
    NoMetadata(String),
    /// Nobody may look at all tenants' rows.
    #[error("the values are read as the owner of the tables, whom nothing names (DIRECT_DATABASE_URL)")]
    NoOwner,
    /// The database is elsewhere.
    #[error(
        "the database is not what entity files and migrations say; write and apply what is missing first \
         (`hedgerow migrate status`, `hedgerow migrate new`, `hedgerow migrate apply`)"
    )]
    Unsettled,
    /// A flag, or a key that no row has.
    #[error("{0} is a key that rows do not have: it is set for all, or rolled out")]
    NotOfRows(String),
    /// Two say what it is.
    #[error("the entity file declares the type of {0}; change it there")]
    Declared(String),
    /// Nobody says what it is.
    #[error(
        "no row of {entity} has the key {key}, and nothing declares it: say of which type it is (--type)"
    )]
    Unknown {
        /// The entity.
        entity: String,
        /// The key.
        key: String,
    },
    /// Values of several types.
    #[error("values of {key} are of several types ({}); say which the field has (--type)", counts(.types))]
    Mixed {
        /// The key.
        key: String,
        /// How many there are of each.
        types: BTreeMap<&'static str, usize>,
    },
    /// A type that is no single value.
    #[error("a key cannot become a field of type {0}")]
    Type(&'static str),
    /// Values that the field does not take.
    #[error(
        "{count} values of {key} do not fit a field of type {ty}, and nothing was written: {}{}",
        .examples.iter().map(|(id, why)| format!("that of {id} {why}")).collect::<Vec<_>>().join("; "),
        if .count > &.examples.len() { "; …" } else { "" }
    )]
    Values {
        /// The key.
        key: String,
        /// The type.
        ty: &'static str,
        /// How many.
        count: usize,
        /// The first of them: the row, and what is wrong.
        examples: Vec<(String, String)>,
    },
    /// Others would read what is private.
    #[error(
        "{count} values of {key} are private, and whoever reads a row would read the field; nothing was written \
         (--yes opens them)"
    )]
    Opens {
        /// The key.
        key: String,
        /// How many.
        count: usize,
    },
}

fn counts(types: &BTreeMap<&'static str, usize>) -> String {
    let counts = types.iter().map(|(ty, count)| format!("{count} {ty}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// So many values are named that do not fit.
const EXAMPLES: usize = 10;

/// A value of the key.
struct Value {
    /// The row.
    id: String,
    stored: MetaValue,
    is_public: bool,
    is_searchable: bool,
}

/// Reads all values of the key, and says what would be written.
///
/// # Errors
/// [`PromotionError`]
pub async fn prepare(
    project: &Project,
    place: &Place,
    download: Download,
    wanted: &Wanted<'_>,
    report: impl FnMut(MigrateEvent) + Send,
) -> Result<Promotion, PromotionError> {
    let schema = project.schema()?;
    let roles = &project.config.roles;
    let entity =
        schema.entity(wanted.entity).ok_or_else(|| PromotionError::NoEntity(wanted.entity.to_owned()))?;
    let metadata =
        entity.metadata.as_ref().ok_or_else(|| PromotionError::NoMetadata(wanted.entity.to_owned()))?;
    let declared = metadata.key(wanted.key);
    if declared.is_some_and(|declared| declared.level == Level::Global || declared.rollout.is_some()) {
        return Err(PromotionError::NotOfRows(wanted.key.to_owned()));
    }
    if declared.is_some() && wanted.ty.is_some() {
        return Err(PromotionError::Declared(wanted.key.to_owned()));
    }
    let owner = place.owner.as_ref().ok_or(PromotionError::NoOwner)?;
    let migrations = project.migrations()?;
    let live = migrate::look(owner).await.map_err(MigrationsError::from)?;
    let is_settled = status(&live, &migrations).iter().all(|line| line.state == State::Applied);
    if !is_settled || !live.plan(&schema, roles, Pace::Online).is_empty() {
        return Err(PromotionError::Unsettled);
    }
    let rows = migrate::rows(owner, roles, &promote::values(entity, wanted.key), report).await;
    let values: Vec<Value> = rows.map_err(MigrationsError::from)?.into_iter().map(value).collect();
    let definition = match (declared, wanted.ty) {
        (Some(declared), _) => Definition::Declared(declared),
        (None, Some(ty)) => Definition::OfType(ty),
        (None, None) => Definition::OfType(promote::field_type(common(wanted, &values)?)),
    };
    let name = wanted.field.unwrap_or(wanted.key);
    let (files, file) = edited(project, wanted, name, definition)?;
    let after = Schema::parse(&files)
        .map_err(|problems| ProjectError::Problems(Mistakes { problems, files: files.clone() }))?;
    let changed = after.entity(wanted.entity).unwrap_or(entity);
    let Some(field) = changed.fields.iter().find(|field| field.name.as_str() == name) else {
        return Err(PromotionError::Unsettled);
    };
    if !promote::can_be(field) {
        return Err(PromotionError::Type(field.kind.name()));
    }
    fit(wanted, field, &values)?;
    let replayed = replay(project, place, download, &migrations).await?;
    let full = next_name(&migrations, promote::name(entity, field).as_str());
    let note = format!(
        "{full}: the key {} of the metadata of {} becomes the field {name}.\nReview it; the way back is {full}.down.sql.",
        wanted.key, wanted.entity
    );
    let (mut up, mut down) = replayed.files(&after, roles, &note);
    script::append(&mut up, &promote::forward(changed, field, wanted.key));
    script::prepend(&mut down, &promote::backward(changed, field, wanted.key, form(field, &values)));
    let is_private = |value: &&Value| !value.is_public && entity.access.read != Read::Owner;
    Ok(Promotion {
        field: field.clone(),
        values: values.len(),
        opened: values.iter().filter(is_private).count(),
        plan: replayed.plan(&after, roles, Pace::Online),
        // A `dev` that runs beside this meets the migration before it could make the column by itself.
        files: vec![
            (format!("migrations/{full}.down.sql"), down),
            (format!("migrations/{full}.sql"), up),
            (file.name, file.text),
        ],
        name: full,
    })
}

/// Writes the files.
///
/// # Errors
/// [`PromotionError::Opens`], and nothing is written then; [`ProjectError::Write`]
pub fn write(
    project: &Project,
    wanted: &Wanted<'_>,
    promotion: &Promotion,
    private: PrivateValues,
) -> Result<Vec<PathBuf>, PromotionError> {
    if promotion.opened > 0 && private == PrivateValues::Stay {
        return Err(PromotionError::Opens { key: wanted.key.to_owned(), count: promotion.opened });
    }
    let written = promotion.files.iter().map(|(name, text)| project.write(name, text));
    Ok(written.collect::<Result<_, _>>()?)
}

fn value(row: Vec<Option<String>>) -> Value {
    let mut columns = row.into_iter().map(Option::unwrap_or_default);
    let mut next = || columns.next().unwrap_or_default();
    let (id, data_type, text) = (next(), next(), next());
    // What no type is known by is a text.
    let data_type = DataType::parse(&data_type).unwrap_or(DataType::Text);
    let (is_public, is_searchable) = (next() == "true", next() == "true");
    Value { id, stored: MetaValue::stored(data_type, text), is_public, is_searchable }
}

/// The type that all values have.
fn common(wanted: &Wanted<'_>, values: &[Value]) -> Result<DataType, PromotionError> {
    let mut types: BTreeMap<&'static str, usize> = BTreeMap::new();
    for value in values {
        // Two names of one type.
        let ty = match value.stored.data_type() {
            DataType::String => DataType::Text,
            other => other,
        };
        *types.entry(ty.name()).or_default() += 1;
    }
    let mut names = types.keys();
    match (names.next().and_then(|name| DataType::parse(name)), names.next()) {
        (Some(ty), None) => Ok(ty),
        (Some(_), Some(_)) => Err(PromotionError::Mixed { key: wanted.key.to_owned(), types }),
        (None, _) => {
            Err(PromotionError::Unknown { entity: wanted.entity.to_owned(), key: wanted.key.to_owned() })
        }
    }
}

/// All entity files as they would be, and the one that changes.
fn edited(
    project: &Project,
    wanted: &Wanted<'_>,
    field: &str,
    definition: Definition<'_>,
) -> Result<(Vec<EntityFile>, EntityFile), PromotionError> {
    let mut files = project.entity_files()?;
    let is_about = |file: &&mut EntityFile| {
        let table: Option<toml::Table> = file.text.parse().ok();
        table.is_some_and(|table| table.get("name").and_then(toml::Value::as_str) == Some(wanted.entity))
    };
    let file =
        files.iter_mut().find(is_about).ok_or_else(|| PromotionError::NoEntity(wanted.entity.to_owned()))?;
    file.text = promote::edited(&file.text, wanted.key, field, definition)
        .map_err(|why| PromotionError::File { file: file.name.clone(), why })?;
    let changed = file.clone();
    Ok((files, changed))
}

fn fit(wanted: &Wanted<'_>, field: &Field, values: &[Value]) -> Result<(), PromotionError> {
    let (mut count, mut examples) = (0, Vec::new());
    for value in values {
        let Err(mistake) = promote::check(field, &value.stored) else { continue };
        count += 1;
        if examples.len() < EXAMPLES {
            examples.push((value.id.clone(), mistake.message));
        }
    }
    if count == 0 {
        return Ok(());
    }
    Err(PromotionError::Values { key: wanted.key.to_owned(), ty: field.kind.name(), count, examples })
}

/// How the metas were stored, as far as they were alike; what some had and others not, none gets back.
fn form(field: &Field, values: &[Value]) -> Form {
    let data_type = promote::data_type(field);
    let is_string = |value: &Value| value.stored.data_type() == DataType::String;
    let is_named_so = data_type == DataType::Text && !values.is_empty() && values.iter().all(is_string);
    Form {
        data_type: if is_named_so { DataType::String } else { data_type },
        is_public: !values.is_empty() && values.iter().all(|value| value.is_public),
        is_searchable: !values.is_empty() && values.iter().all(|value| value.is_searchable),
    }
}
