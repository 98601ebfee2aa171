//! What a request wants of metadata: JSON to checked changes.
//!
//! Always holds: a declared key keeps the rules of its declaration, its flags among them; a flag that nobody names stays what it
//! was, and so does the type of a value that fits it.

use super::{DataType, Level, MetaKey, MetaValue, Metadata, UnknownKeys, check_key};
use crate::query::{InputError, split_quoted};
use crate::reader::nearest;
use crate::write::members;
use crate::{Entity, Mistake, Schema};

/// How much metadata there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaLimits {
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Keys of one row, of one user, and of what all share.
    pub keys: u32,
}

impl Default for MetaLimits {
    fn default() -> Self {
        Self { value_bytes: 1024 * 1024, keys: 100 }
    }
}

/// A value as a request gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetaInput<'j> {
    /// The key.
    pub key: &'j str,
    /// The JSON text of the value.
    pub json: &'j str,
    /// The type; where none is said, that of the value that is there, if this one fits it, else the one that its form
    /// says.
    pub data_type: Option<DataType>,
    /// Whether whoever may read the row may read it.
    pub is_public: Option<bool>,
    /// Whether rows are found by it.
    pub is_searchable: Option<bool>,
}

/// A value that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaWrite {
    /// The key.
    pub key: String,
    /// What it gets.
    pub value: MetaValue,
    /// The types that it may keep from the value before; none where the type was said.
    pub(crate) fitting: Vec<DataType>,
    /// `None` leaves it as it is, and is false of a new one.
    pub is_public: Option<bool>,
    /// The same.
    pub is_searchable: Option<bool>,
}

/// What becomes of the metadata of a row, of a user, or of what all share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaChanges {
    /// These get a value.
    pub set: Vec<MetaWrite>,
    /// These are deleted.
    pub remove: Vec<String>,
    /// So many keys there may be afterwards.
    pub most: u32,
}

impl MetaChanges {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

/// Which rules hold for keys.
#[derive(Clone, Copy, Debug)]
pub enum MetaRules<'e> {
    /// Those of an entity's file: metas of its rows.
    Entity(&'e Metadata),
    /// Those of all files, as far as they speak of what users set for themselves.
    User(&'e Schema),
    /// Those of all files.
    Global(&'e Schema),
}

impl<'e> MetaRules<'e> {
    /// Those of an entity's rows; `None` where they have no metadata.
    pub fn of(entity: &'e Entity) -> Option<Self> {
        entity.metadata.as_ref().map(Self::Entity)
    }

    fn level(self) -> Level {
        match self {
            Self::Entity(_) => Level::Entity,
            Self::User(_) => Level::User,
            Self::Global(_) => Level::Global,
        }
    }

    /// The declarations that speak of a key at this level. Two files may say different things of one.
    fn declarations(self, key: &str) -> Vec<&'e MetaKey> {
        let of = |schema: &'e Schema| {
            schema.entities().iter().filter_map(|entity| entity.metadata.as_ref()?.key(key)).collect()
        };
        match self {
            Self::Entity(metadata) => metadata.key(key).into_iter().collect(),
            // What is declared for rows alone says nothing of a user's own key.
            Self::User(schema) => {
                let all: Vec<&MetaKey> = of(schema);
                all.into_iter().filter(|key| key.level != Level::Entity).collect()
            }
            Self::Global(schema) => of(schema),
        }
    }

    /// Checks one value; mistakes name `value`, `dataType`, `isPublic`, `isSearchable` or `key`.
    ///
    /// # Errors
    /// Every mistake.
    pub fn check(self, input: &MetaInput<'_>, limits: MetaLimits) -> Result<MetaWrite, Vec<InputError>> {
        let one = |field: &str, mistake: Mistake| {
            vec![InputError::new(field, mistake.code, format!("`{}` {}", shown(input.key), mistake.message))]
        };
        check_key(input.key)
            .map_err(|mistake| vec![InputError::new("key", mistake.code, mistake.message)])?;
        let declared = self.declarations(input.key);
        if let (Self::Entity(metadata), true) = (self, declared.is_empty())
            && metadata.unknown == UnknownKeys::Refused
        {
            let names: Vec<&str> = metadata.keys.iter().map(MetaKey::name).collect();
            let mut message = format!("`{}` is no key that the entity file declares", shown(input.key));
            if let Some(near) = nearest(input.key, &names) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            return Err(vec![InputError::new("key", "unknown_meta_key", message)]);
        }
        let value = match (declared.first(), input.data_type) {
            (Some(key), _) => key.read(input.json),
            (None, Some(said)) => MetaValue::read_as(said, input.json),
            (None, None) => MetaValue::read(input.json),
        };
        let value = value.map_err(|mistake| one("value", mistake))?;
        let is_natural = declared.is_empty() && input.data_type.is_none();
        let mut write = MetaWrite {
            key: input.key.to_owned(),
            fitting: if is_natural { value.fitting() } else { Vec::new() },
            value,
            is_public: input.is_public,
            is_searchable: input.is_searchable,
        };
        let mut errors = Vec::new();
        // Of what is stored: how a text is escaped on its way is nobody's business.
        if write.value.text().len() > limits.value_bytes {
            let message = format!("has more than {} bytes", limits.value_bytes);
            errors.extend(one("value", Mistake::new("value_too_large", message)));
        }
        for (at, key) in declared.into_iter().enumerate() {
            let otherwise = self.declared(key, input).into_iter();
            errors.extend(otherwise.flat_map(|(field, mistake)| one(field, mistake)));
            // It was read by the first one.
            if at > 0
                && let Err(mistake) = key.read(input.json)
            {
                errors.extend(one("value", mistake));
            }
            (write.is_public, write.is_searchable) = (Some(key.public), Some(key.searchable));
        }
        if write.is_searchable == Some(true) && write.value.data_type() == DataType::Json {
            let mistake =
                Mistake::new("not_searchable", "is a json value, and rows are found by short values alone");
            errors.extend(one("isSearchable", mistake));
        }
        let bytes = write.key.len() + write.value.text().len();
        if write.is_searchable == Some(true) && bytes > super::MAX_SEARCHABLE_BYTES {
            errors.extend(one("isSearchable", too_long()));
        }
        if errors.is_empty() { Ok(write) } else { Err(errors) }
    }

    /// What of an input its declaration says otherwise.
    fn declared(self, key: &MetaKey, input: &MetaInput<'_>) -> Vec<(&'static str, Mistake)> {
        let mut wrong = Vec::new();
        if self.level() > key.level {
            let message =
                format!("may be set at the level {:?} and behind it, and not here", key.level.name());
            wrong.push(("key", Mistake::new("wrong_level", message)));
        }
        let is_type = |said: DataType| {
            said == key.data_type() || (said, key.data_type()) == (DataType::String, DataType::Text)
        };
        if input.data_type.is_some_and(|said| !is_type(said)) {
            let message = format!("has the dataType `{}`", key.data_type().name());
            wrong.push(("dataType", Mistake::new("wrong_data_type", message)));
        }
        for (field, said, own) in
            [("isPublic", input.is_public, key.public), ("isSearchable", input.is_searchable, key.searchable)]
        {
            if said.is_some_and(|said| said != own) {
                let message = format!("has {field} = {own} in the entity file");
                wrong.push((field, Mistake::new("declared_flag", message)));
            }
        }
        wrong
    }

    /// Reads an object of keys and values; null deletes a key. Mistakes name `<prefix>.<key>`, and without a prefix the key.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read_object(
        self,
        json: &str,
        prefix: &str,
        limits: MetaLimits,
    ) -> Result<MetaChanges, Vec<InputError>> {
        let members = members(json).map_err(|_| {
            let message = "metadata is an object: keys, and a value for each";
            vec![InputError::new(prefix, "invalid_metas", message)]
        })?;
        if members.len() > limits.keys as usize {
            return Err(vec![too_many(prefix)]);
        }
        let mut changes = MetaChanges { most: limits.keys, ..MetaChanges::default() };
        let mut errors = Vec::new();
        for (at, (key, value)) in members.iter().enumerate() {
            let dot = if prefix.is_empty() { "" } else { "." };
            let field = format!("{prefix}{dot}{}", shown(key));
            if members[..at].iter().any(|(before, _)| before == key) {
                errors.push(InputError::new(
                    field,
                    "repeated_field",
                    format!("`{}` stands here twice", shown(key)),
                ));
                continue;
            }
            if value.get() == "null" {
                match check_key(key) {
                    Ok(()) => changes.remove.push(key.clone()),
                    Err(mistake) => errors.push(InputError::new(field, mistake.code, mistake.message)),
                }
                continue;
            }
            match self.check(&MetaInput { key, json: value.get(), ..MetaInput::default() }, limits) {
                Ok(write) => changes.set.push(write),
                Err(found) => {
                    errors
                        .extend(found.into_iter().map(|error| InputError { field: field.clone(), ..error }));
                }
            }
        }
        if errors.is_empty() { Ok(changes) } else { Err(errors) }
    }
}

/// What a searchable value is that does not fit into the index.
pub fn too_long() -> Mistake {
    let message = format!(
        "is too long to be searchable: key and value have at most {} bytes",
        super::MAX_SEARCHABLE_BYTES
    );
    Mistake::new("too_long_to_search", message)
}

/// That there would be more keys than there may be.
pub fn too_many(field: &str) -> InputError {
    let message = "this would be more keys of metadata than there may be (`api.max_metas`)";
    InputError::new(field, "too_many_metas", message)
}

/// Reads a list of keys, in quotes or without: `color,"a,b"`.
///
/// ```
/// use hedgerow_schema::meta::read_keys;
/// assert_eq!(read_keys("keys", "color,\"a,b\"").unwrap(), ["color", "a,b"]);
/// assert_eq!(read_keys("keys", "color,").unwrap_err()[0].field, "keys");
/// ```
///
/// # Errors
/// What is wrong with it, named `parameter`.
pub fn read_keys(parameter: &str, text: &str) -> Result<Vec<String>, Vec<InputError>> {
    let Some(keys) = split_quoted(text).filter(|keys| !keys.is_empty()) else {
        let message =
            format!("`{parameter}` is a list of keys, for example `{parameter}=color,\"ui,theme\"`");
        return Err(vec![InputError::new(parameter, "invalid_keys", message)]);
    };
    let wrong = |key: &String| {
        let mistake = check_key(key).err()?;
        Some(InputError::new(parameter, mistake.code, mistake.message))
    };
    let errors: Vec<InputError> = keys.iter().filter_map(wrong).collect();
    if errors.is_empty() { Ok(keys) } else { Err(errors) }
}

/// A key as a message shows it.
fn shown(key: &str) -> String {
    key.chars().take(64).collect()
}
