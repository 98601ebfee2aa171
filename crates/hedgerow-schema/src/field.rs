//! The fields of an entity: what a value is, how PostgreSQL stores it and how JSON shows it.

use jiff::{Timestamp, civil};

use crate::{Bind, Decimal, Identifier, JsonSchema, Pattern, SqlType, StoredType};

/// One field: a JSON key and a column of the same name, or for `relation_many` a table of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// JSON key and column name.
    pub name: Identifier,
    /// What values it takes.
    pub kind: FieldKind,
    /// Must be given and cannot be null.
    pub required: bool,
    /// No two rows of one owner have the same value.
    pub unique: bool,
    /// Filtering and ordering by it use an index.
    pub indexed: bool,
    /// Counted in `?search=`.
    pub searchable: bool,
    /// What the whole of a text must look like.
    pub pattern: Option<Pattern>,
    /// What a JSON document must look like.
    pub schema: Option<JsonSchema>,
    /// The column's type, where a database that was there before has another than the field's own.
    pub sql_type: Option<StoredType>,
    /// What the column was called before.
    pub renamed_from: Option<Identifier>,
    /// What a new row has when the field is not given.
    pub default: Option<FieldDefault>,
    /// Cannot be written through the API at all.
    pub read_only: bool,
    /// Can be written at creation only.
    pub immutable: bool,
    /// Never read through the API.
    pub hidden: bool,
    /// For people.
    pub description: Option<String>,
}

/// What values a field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// One line of text, or several (`textarea`): the difference is for forms.
    Text(TextRules),
    /// Text over several lines.
    Textarea(TextRules),
    /// Text over several lines, in Markdown; stored as it is, never as HTML.
    Markdown(TextRules),
    /// An e-mail address, as browsers check it.
    Email(TextRules),
    /// An http or https URL.
    Url(TextRules),
    /// A telephone number in international form (ITU-T E.164).
    Phone,
    /// A part of a path: lower-case letters and digits, in groups that single hyphens separate.
    Slug(TextRules),
    /// A whole number of 64 bits.
    Integer {
        /// Smallest value.
        min: Option<i64>,
        /// Largest value.
        max: Option<i64>,
    },
    /// An exact decimal number.
    Number(NumberRules),
    /// true or false.
    Boolean,
    /// A day, `YYYY-MM-DD`.
    Date(Bounds<civil::Date>),
    /// A moment, RFC 3339.
    Datetime(Bounds<Timestamp>),
    /// A time of day without a zone, `HH:MM:SS`.
    Time(Bounds<civil::Time>),
    /// One of the named options.
    Select {
        /// At least one, each once.
        options: Vec<String>,
    },
    /// Any number of the named options.
    Multiselect {
        /// At least one, each once; values are stored in this order.
        options: Vec<String>,
    },
    /// Free words, each once.
    Tags(TagRules),
    /// Any JSON value.
    Json,
    /// A row of another entity, or of the same.
    Relation(Relation),
    /// Any number of rows of another entity, or of the same: a table of its own with a row for each pair.
    RelationMany(Relation),
    /// A user, by id.
    User(OnDelete),
    /// A UUID (RFC 9562).
    Uuid,
    /// A country by its code of two letters (ISO 3166-1 alpha-2).
    Country,
    /// A currency by its code of three letters (ISO 4217).
    Currency,
    /// A time zone by its name in the IANA database.
    Timezone,
    /// A reference to a file: a text that whoever stores files understands.
    File,
}

/// Limits of a text, in characters (Unicode code points).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextRules {
    /// Fewest characters.
    pub min_length: Option<u32>,
    /// Most characters.
    pub max_length: Option<u32>,
}

/// The smallest and the largest value, both allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds<T> {
    /// Smallest value.
    pub min: Option<T>,
    /// Largest value.
    pub max: Option<T>,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Self { min: None, max: None }
    }
}

/// Limits of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagRules {
    /// Most characters of one tag.
    pub max_length: u32,
}

impl TagRules {
    /// Most characters of a tag, where the field says nothing shorter; an option of a select has as many.
    pub const MAX_LENGTH: u32 = 200;
    /// Most tags of a field.
    pub const MAX_TAGS: usize = 100;
}

impl Default for TagRules {
    fn default() -> Self {
        Self { max_length: Self::MAX_LENGTH }
    }
}

/// Limits of a decimal number; the numbers themselves stay decimal text, so nothing is rounded on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberRules {
    /// Digits in all; with `scale` it is `NUMERIC(precision, scale)`.
    pub precision: Option<u32>,
    /// Digits after the point.
    pub scale: Option<u32>,
    /// Smallest value.
    pub min: Option<Decimal>,
    /// Largest value.
    pub max: Option<Decimal>,
}

/// Where a relation points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The entity it points at.
    pub entity: Identifier,
    /// What happens to this row when that row is deleted.
    pub on_delete: OnDelete,
}

/// What happens to a row when the row it points at is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// It is deleted too.
    Cascade,
    /// It points nowhere from then on.
    SetNull,
    /// The deletion is refused.
    Restrict,
}

impl OnDelete {
    /// The words of the entity file.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("cascade", Self::Cascade), ("set_null", Self::SetNull), ("restrict", Self::Restrict)];
}

/// What a new row has when a field is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldDefault {
    /// A checked value.
    Value(Bind),
    /// `now()`: the start of the transaction (`datetime`) or its day (`date`).
    Now,
}

impl FieldKind {
    /// Most characters of a reference to a file.
    pub const MAX_FILE_LENGTH: u32 = 1024;

    /// The names of the field types, as entity files write them.
    pub const NAMES: &'static [&'static str] = &[
        "text",
        "textarea",
        "markdown",
        "email",
        "url",
        "phone",
        "slug",
        "integer",
        "number",
        "boolean",
        "date",
        "datetime",
        "time",
        "json",
        "select",
        "multiselect",
        "tags",
        "relation",
        "relation_many",
        "user",
        "uuid",
        "country",
        "currency",
        "timezone",
        "file",
    ];

    /// The name of the type, as entity files write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Textarea(_) => "textarea",
            Self::Markdown(_) => "markdown",
            Self::Email(_) => "email",
            Self::Url(_) => "url",
            Self::Phone => "phone",
            Self::Slug(_) => "slug",
            Self::Integer { .. } => "integer",
            Self::Number(_) => "number",
            Self::Boolean => "boolean",
            Self::Date(_) => "date",
            Self::Datetime(_) => "datetime",
            Self::Time(_) => "time",
            Self::Json => "json",
            Self::Select { .. } => "select",
            Self::Multiselect { .. } => "multiselect",
            Self::Tags(_) => "tags",
            Self::Relation(_) => "relation",
            Self::RelationMany(_) => "relation_many",
            Self::User(_) => "user",
            Self::Uuid => "uuid",
            Self::Country => "country",
            Self::Currency => "currency",
            Self::Timezone => "timezone",
            Self::File => "file",
        }
    }

    /// How PostgreSQL stores it, and how its values travel.
    pub fn sql_type(&self) -> SqlType {
        match self {
            Self::Text(_)
            | Self::Textarea(_)
            | Self::Markdown(_)
            | Self::Email(_)
            | Self::Url(_)
            | Self::Phone
            | Self::Slug(_)
            | Self::Select { .. }
            | Self::Relation(_)
            | Self::User(_)
            | Self::Country
            | Self::Currency
            | Self::Timezone
            | Self::File => SqlType::Text,
            Self::Integer { .. } => SqlType::Int8,
            Self::Number(_) => SqlType::Numeric,
            Self::Boolean => SqlType::Bool,
            Self::Date(_) => SqlType::Date,
            Self::Datetime(_) => SqlType::Timestamptz,
            Self::Time(_) => SqlType::Time,
            Self::Json => SqlType::Jsonb,
            Self::Multiselect { .. } | Self::Tags(_) | Self::RelationMany(_) => SqlType::TextArray,
            Self::Uuid => SqlType::Uuid,
        }
    }

    /// The limits, where the type is a text with limits of its own.
    pub fn text_rules(&self) -> Option<TextRules> {
        match self {
            Self::Text(rules)
            | Self::Textarea(rules)
            | Self::Markdown(rules)
            | Self::Email(rules)
            | Self::Url(rules)
            | Self::Slug(rules) => Some(*rules),
            _ => None,
        }
    }

    /// Whether people write it freely: such a field can be searched and have a pattern.
    pub fn is_free_text(&self) -> bool {
        self.text_rules().is_some() || matches!(self, Self::Phone | Self::File)
    }

    /// Whether rows can be ordered and compared by it; a document and a list have no useful order.
    pub fn is_ordered(&self) -> bool {
        !matches!(self, Self::Json | Self::Multiselect { .. } | Self::Tags(_) | Self::RelationMany(_))
    }

    /// Where it points, if it points at any number of rows and so is no column.
    pub fn links(&self) -> Option<&Relation> {
        if let Self::RelationMany(relation) = self { Some(relation) } else { None }
    }

    /// The relation, where it is one.
    pub fn relation(&self) -> Option<&Relation> {
        if let Self::Relation(relation) = self { Some(relation) } else { None }
    }
}

impl Field {
    /// A field of that kind with no options at all.
    pub fn new(name: Identifier, kind: FieldKind) -> Self {
        Self {
            name,
            kind,
            required: false,
            unique: false,
            indexed: false,
            searchable: false,
            pattern: None,
            schema: None,
            sql_type: None,
            renamed_from: None,
            default: None,
            read_only: false,
            immutable: false,
            hidden: false,
            description: None,
        }
    }

    /// The column's type, spelled as PostgreSQL's `format_type()` spells it.
    ///
    /// ```
    /// use hedgerow_schema::{Field, FieldKind, Identifier, StoredType, TextRules};
    /// let name = Identifier::parse("title").unwrap();
    /// let mut field = Field::new(name, FieldKind::Text(TextRules::default()));
    /// assert_eq!(field.column_type(), "text");
    /// field.sql_type = Some(StoredType::Varchar(20));
    /// assert_eq!(field.column_type(), "character varying(20)");
    /// ```
    pub fn column_type(&self) -> String {
        match (self.sql_type, &self.kind) {
            (Some(stored), _) => stored.to_string(),
            (None, FieldKind::Number(NumberRules { precision: Some(precision), scale, .. })) => {
                format!("numeric({precision},{})", scale.unwrap_or(0))
            }
            (None, kind) => kind.sql_type().name().to_owned(),
        }
    }
}
