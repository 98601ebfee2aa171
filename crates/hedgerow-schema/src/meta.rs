//! Metadata: keys and values beside the fields of a row, and what an entity file says about them.
//!
//! Always holds: a [`MetaValue`] is a text from which its value is read back exactly, and which PostgreSQL can compare as
//! its type: numbers by the column `metaNumber`, everything else as it is.

mod input;
mod merge;

use crate::value::{self, Mistake, moment};
use crate::{Decimal, Field, FieldKind, Identifier, SqlType};

pub use input::{MetaChanges, MetaInput, MetaLimits, MetaRules, MetaWrite, read_keys, too_long, too_many};
pub use merge::{Found, Level, MergeDepth, MergedValue, defaults, merge};

/// A key has at most this many characters.
pub const MAX_KEY_LENGTH: usize = 255;
/// Key and value of a searchable meta have together at most this many bytes: they have to fit into an entry of an index.
pub const MAX_SEARCHABLE_BYTES: usize = 2000;
/// Numbers have at most this many digits on each side of the point.
const MAX_NUMBER_DIGITS: i32 = 200;

/// What an entity file says about metadata: `metadata = true`, or `"strict"`, and `[metas.<key>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What becomes of keys that the file does not declare.
    pub unknown: UnknownKeys,
    /// The declared keys, in the order of the file.
    pub keys: Vec<MetaKey>,
}

/// What becomes of keys that no file declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownKeys {
    /// They take any value.
    Allowed,
    /// They are refused.
    Refused,
}

/// A declared key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaKey {
    /// Its name, the values that it takes, and what it has where nothing is set.
    pub field: Field,
    /// The nearest level at which it may be set; it may be set at the levels behind that one, too.
    pub level: Level,
    /// Whether whoever may read the row may read it.
    pub public: bool,
    /// Whether rows are found and ordered by it.
    pub searchable: bool,
    /// For so many percent of all users a flag has the opposite of its default.
    pub rollout: Option<u8>,
}

impl Metadata {
    /// The declaration of a key.
    pub fn key(&self, name: &str) -> Option<&MetaKey> {
        self.keys.iter().find(|key| key.name() == name)
    }
}

impl MetaKey {
    /// The key.
    pub fn name(&self) -> &str {
        self.field.name.as_str()
    }

    /// How its values are stored.
    pub fn data_type(&self) -> DataType {
        match self.field.kind.sql_type() {
            SqlType::Int8 | SqlType::Numeric => DataType::Number,
            SqlType::Bool => DataType::Boolean,
            SqlType::Date => DataType::Date,
            SqlType::Timestamptz => DataType::Datetime,
            SqlType::Json | SqlType::Jsonb | SqlType::TextArray => DataType::Json,
            SqlType::Text | SqlType::Time | SqlType::Uuid => DataType::Text,
        }
    }

    /// The value that it has where nothing is set.
    pub fn default_value(&self) -> Option<MetaValue> {
        match self.field.default.as_ref()? {
            crate::FieldDefault::Value(bind) => {
                Some(MetaValue::stored(self.data_type(), bind.value.clone()?))
            }
            crate::FieldDefault::Now => None,
        }
    }

    /// Reads the JSON text of a value, which has to keep the rules of the declaration.
    ///
    /// # Errors
    /// [`Mistake`] names the rule that is broken.
    pub fn read(&self, json: &str) -> Result<MetaValue, Mistake> {
        let raw = serde_json::from_str(json)
            .map_err(|error| Mistake::new("invalid_json", format!("is no JSON: {error}")))?;
        let bind = value::read_json(&self.field, raw)?;
        let Some(text) = bind.value else { return Err(null()) };
        match self.data_type() {
            // In the form in which all values of the type are stored.
            DataType::Datetime => MetaValue::of_text(DataType::Datetime, &text),
            DataType::Number => MetaValue::of_text(DataType::Number, &text),
            other => Ok(MetaValue::stored(other, text)),
        }
    }

    /// Whether a field of this kind can be a key: a value that stands by itself, and points at nothing.
    pub(crate) fn can_be(kind: &FieldKind) -> bool {
        !matches!(
            kind,
            FieldKind::Relation(_)
                | FieldKind::RelationMany(_)
                | FieldKind::User(_)
                | FieldKind::Multiselect { .. }
                | FieldKind::Tags(_)
        )
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// A text.
    Text,
    /// The same under its other name.
    String,
    /// A decimal number.
    Number,
    /// true or false.
    Boolean,
    /// Any JSON value.
    Json,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A moment, RFC 3339; stored in UTC with milliseconds.
    Datetime,
}

impl DataType {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::String, Self::Number, Self::Boolean, Self::Json, Self::Date, Self::Datetime];

    /// As `dataType` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Json => "json",
            Self::Date => "date",
            Self::Datetime => "datetime",
        }
    }

    /// The type of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }

    /// Whether the value is a JSON text by itself; of the others it is what stands between the quotes.
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Number | Self::Boolean | Self::Json)
    }
}

/// A value with its type.
///
/// ```
/// use hedgerow_schema::meta::{DataType, MetaValue};
/// for json in ["false", "0", "\"\"", "1.10", "{\"a\":null}", "\"dark\""] {
///     assert_eq!(MetaValue::read(json).unwrap().json(), json);
/// }
/// let when = MetaValue::read_as(DataType::Datetime, "\"2026-01-31T10:30:00+01:00\"").unwrap();
/// assert_eq!(when.json(), "\"2026-01-31T09:30:00.000Z\"");
/// assert!(MetaValue::read("null").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaValue {
    data_type: DataType,
    text: String,
}

impl MetaValue {
    /// Reads the JSON text of a value; its form says the type.
    ///
    /// # Errors
    /// [`Mistake`] when it is no value of metadata; null is none.
    pub fn read(json: &str) -> Result<Self, Mistake> {
        Self::read_as(Self::natural(json), json)
    }

    /// Reads the JSON text of a value of a type.
    ///
    /// # Errors
    /// [`Mistake`] when it is no value of that type.
    pub fn read_as(data_type: DataType, json: &str) -> Result<Self, Mistake> {
        let json = json.trim();
        if json == "null" {
            return Err(null());
        }
        if !data_type.takes(Self::natural(json)) {
            let message =
                format!("must be a JSON {}, as its dataType `{}` says", data_type.form(), data_type.name());
            return Err(Mistake::new("wrong_data_type", message));
        }
        if data_type.is_json() {
            return Self::of_text(data_type, json);
        }
        let text: String = serde_json::from_str(json)
            .map_err(|error| Mistake::new("invalid_text", format!("is no valid text: {error}")))?;
        Self::of_text(data_type, &text)
    }

    /// Reads what is stored: the same as JSON, but texts, days and moments are without quotes.
    ///
    /// # Errors
    /// [`Mistake`] when it is no value of that type.
    pub fn of_text(data_type: DataType, text: &str) -> Result<Self, Mistake> {
        let text = match data_type {
            DataType::Text | DataType::String => value::read(SqlType::Text, text)?.value.unwrap_or_default(),
            DataType::Json => value::read(SqlType::Jsonb, text)?.value.unwrap_or_default(),
            DataType::Boolean => value::read(SqlType::Bool, text)?.value.unwrap_or_default(),
            DataType::Date => moment::date(text)?.to_string(),
            DataType::Datetime => format!("{:.3}", moment::datetime(text)?),
            DataType::Number => number(text)?,
        };
        Ok(Self::stored(data_type, text))
    }

    /// What stands in a row; PostgreSQL and this program keep it valid.
    pub fn stored(data_type: DataType, text: String) -> Self {
        Self { data_type, text }
    }

    /// What stands in a row that another program may have written: a value that is none of its type is a text, and so is
    /// one of a type that nobody knows.
    pub fn found(data_type: &str, text: String) -> Self {
        let data_type = DataType::parse(data_type).unwrap_or(DataType::Text);
        let is_it = !data_type.is_json()
            || serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok()
                && (data_type == DataType::Json || Self::natural(&text) == data_type);
        Self::stored(if is_it { data_type } else { DataType::Text }, text)
    }

    /// What is read of a row as JSON, as PostgreSQL writes it: what is none of its type comes as a text.
    pub fn shown(data_type: DataType, json: &str) -> Self {
        let natural = Self::natural(json);
        let data_type = if data_type.takes(natural) { data_type } else { natural };
        let text = if data_type.is_json() { None } else { serde_json::from_str(json).ok() };
        Self::stored(data_type, text.unwrap_or_else(|| json.to_owned()))
    }

    /// The type that a JSON text has where nothing else is said.
    fn natural(json: &str) -> DataType {
        match json.trim_start().as_bytes().first() {
            Some(b'"') => DataType::Text,
            Some(b'-' | b'0'..=b'9') => DataType::Number,
            Some(b't' | b'f') => DataType::Boolean,
            _ => DataType::Json,
        }
    }

    /// Its type.
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// As it is stored.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As JSON.
    pub fn json(&self) -> String {
        if self.data_type.is_json() {
            self.text.clone()
        } else {
            serde_json::Value::from(self.text.as_str()).to_string()
        }
    }

    /// The value as a moment, in the one form in which moments are stored, where it is one.
    pub(crate) fn as_moment(&self) -> Option<String> {
        Self::of_text(DataType::Datetime, &self.text).ok().map(|moment| moment.text)
    }

    /// The types under which a value that came without one may be kept, if there is one stored already.
    pub(crate) fn fitting(&self) -> Vec<DataType> {
        match self.data_type {
            DataType::Text => {
                let mut fits = vec![DataType::Text, DataType::String];
                fits.extend(moment::date(&self.text).is_ok().then_some(DataType::Date));
                fits.extend(moment::datetime(&self.text).is_ok().then_some(DataType::Datetime));
                fits
            }
            // Whoever declared it JSON did not mean an object alone.
            DataType::Number | DataType::Boolean => vec![self.data_type, DataType::Json],
            other => vec![other],
        }
    }
}

impl DataType {
    /// Whether a JSON text whose form says `natural` can be a value of this type.
    fn takes(self, natural: Self) -> bool {
        match self {
            Self::Json => true,
            Self::Number | Self::Boolean => natural == self,
            Self::Text | Self::String | Self::Date | Self::Datetime => natural == Self::Text,
        }
    }

    /// The form of its values in JSON.
    fn form(self) -> &'static str {
        match self {
            Self::Text | Self::String | Self::Date | Self::Datetime => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Json => "value",
        }
    }
}

fn null() -> Mistake {
    Mistake::new("null_value", "cannot be null: a key that is deleted has no value")
}

/// A number in plain digits, without an exponent: PostgreSQL compares it as it is.
fn number(text: &str) -> Result<String, Mistake> {
    let number =
        Decimal::parse(text).ok_or_else(|| Mistake::new("invalid_number", "must be a decimal number"))?;
    if number.whole_digits() > MAX_NUMBER_DIGITS || number.scale() > MAX_NUMBER_DIGITS {
        let message = format!("must have at most {MAX_NUMBER_DIGITS} digits on each side of the point");
        return Err(Mistake::new("out_of_range", message));
    }
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-') && text.len() <= 400;
    // JSON has no leading zeros.
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let is_json = !unsigned.starts_with('0') || unsigned == "0" || unsigned.starts_with("0.");
    Ok(if is_plain && is_json { text.to_owned() } else { number.canonical() })
}

/// Checks a key.
///
/// # Errors
/// [`Mistake`] when it has no characters, or too many.
pub fn check_key(key: &str) -> Result<(), Mistake> {
    let length = key.chars().count();
    if !(1..=MAX_KEY_LENGTH).contains(&length) {
        let message = format!("a key has 1 to {MAX_KEY_LENGTH} characters, this one {length}");
        return Err(Mistake::new("invalid_meta_key", message));
    }
    value::read(SqlType::Text, key).map(drop)
}

/// The table of the metadata of a user.
pub fn user_table() -> Identifier {
    Identifier::joined(&["user", "metas"])
}

/// The table of the metadata that all share.
pub fn global_table() -> Identifier {
    Identifier::joined(&["global", "metas"])
}

#[cfg(test)]
mod tests;
