//! Entity files to a [`Schema`]: every problem in every file is reported, none stops the reading of the rest.

use std::ops::Range;

use toml::de::DeValue;

use crate::check::{self, Draft};
use crate::reader::{Entry, Reader, Table, allowed, scalar};
use crate::{
    Access, Bind, Decimal, Entity, EntityFile, Field, FieldDefault, FieldKind, Identifier, Label,
    NumberRules, OnDelete, Problems, Read, Relation, Schema, SqlType, TextRules, Write, value,
};

/// A text field that an index or a unique rule covers has at most this many characters: an index entry must fit
/// into a third of a page (about 2,700 bytes), and a character can take four.
const MAX_INDEXED_LENGTH: u32 = 500;

impl Schema {
    /// Reads entity files.
    ///
    /// # Errors
    /// All problems of all files at once, each with file, line, column and what is allowed.
    ///
    /// ```
    /// use hedgerow_schema::{EntityFile, Schema};
    /// let file = EntityFile {
    ///     name: "entities/tasks.toml".into(),
    ///     text: "name = \"tasks\"\n[fields.title]\ntype = \"text\"\nrequird = true\n".into(),
    /// };
    /// let problems = Schema::parse(&[file]).unwrap_err();
    /// assert!(problems.to_string().starts_with("entities/tasks.toml:4:1: `requird` is no key of a field of type text"));
    /// ```
    pub fn parse(files: &[EntityFile]) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut drafts = Vec::new();
        for file in files {
            let mut reader = Reader::new(&file.name, &file.text);
            let draft = read_entity(&mut reader, file);
            let found = reader.into_problems();
            // A file with problems may still name an entity that others point at.
            drafts.extend(draft);
            problems.extend(found);
        }
        problems.extend(check::across(&drafts));
        if problems.is_empty() {
            Ok(Self::from_checked(drafts.into_iter().map(|draft| draft.entity).collect()))
        } else {
            Err(Problems(problems))
        }
    }
}

fn read_entity<'f>(reader: &mut Reader<'_>, file: &'f EntityFile) -> Option<Draft<'f>> {
    let document = reader.document();
    let mut top = Table::new(document.get_ref(), 0..0);
    let name = match reader.string(&mut top, "name") {
        Some((text, span)) => entity_name(reader, text, &span).map(|name| (name, span)),
        None if top.get("name").is_none() => {
            reader.note(
                0..0,
                "`name` is missing".into(),
                Some("name = \"tasks\" names table and path".into()),
            );
            None
        }
        None => None,
    };
    let label = read_label(reader, &mut top);
    let access = read_access(reader, &mut top);
    for key in ["metadata", "soft_delete"] {
        if reader.flag(&mut top, key)
            && let Some(entry) = top.get(key)
        {
            let message = format!("`{key} = true` is not supported by this version of Hedgerow");
            reader.note(entry.key_span(), message, Some("remove it for now".into()));
        }
    }
    let mut fields = Vec::new();
    let mut field_spans = Vec::new();
    if let Some(table) = reader.table(&mut top, "fields") {
        for entry in table.entries() {
            if let Some(field) = read_field(reader, *entry) {
                fields.push(field);
                field_spans.push(entry.key_span());
            }
        }
    }
    reader.finish(&top, "an entity file", &["indexes", "renamed_from", "published_when"]);
    let (name, name_span) = name?;
    let label = label.unwrap_or_else(|| Label { singular: name.to_string(), plural: name.to_string() });
    Some(Draft { file, entity: Entity { name, label, access, fields, renamed_from: None }, name_span, field_spans })
}

fn entity_name(reader: &mut Reader<'_>, text: &str, span: &Range<usize>) -> Option<Identifier> {
    let hint =
        || Some("lower-case letters, digits and underscores, at most 40: it is the table's name".to_owned());
    match Identifier::parse(text) {
        Err(error) => {
            reader.note(span.clone(), format!("{text:?} cannot name an entity: {error}"), hint());
            None
        }
        Ok(_) if text.len() > 40 || text.starts_with('_') || text.chars().any(|c| c.is_ascii_uppercase()) => {
            reader.note(span.clone(), format!("{text:?} cannot name an entity"), hint());
            None
        }
        Ok(name) => Some(name),
    }
}

fn read_label(reader: &mut Reader<'_>, top: &mut Table<'_>) -> Option<Label> {
    let mut table = reader.table(top, "label")?;
    let singular = reader.string(&mut table, "singular").map(|(text, _)| text.to_owned());
    let plural = reader.string(&mut table, "plural").map(|(text, _)| text.to_owned());
    reader.finish(&table, "a label", &[]);
    if singular.is_none() || plural.is_none() {
        let hint = Some("label = { singular = \"Task\", plural = \"Tasks\" }".to_owned());
        reader.note(table.span(), "a label has a singular and a plural".into(), hint);
    }
    Some(Label { singular: singular?, plural: plural? })
}

fn read_access(reader: &mut Reader<'_>, top: &mut Table<'_>) -> Access {
    let Some(mut table) = reader.table(top, "access") else { return Access::default() };
    let read = reader.word(&mut table, "read", Read::WORDS).unwrap_or(Read::Owner);
    let write = reader.word(&mut table, "write", Write::WORDS).unwrap_or(Write::Owner);
    reader.finish(&table, "access", &["published_when"]);
    if read == Read::Owner && write == Write::Admin {
        let message = "with read = \"owner\", nobody but the admin who wrote a row could see it".to_owned();
        reader.note(
            table.span(),
            message,
            Some("write = \"admin\" goes with read = \"signed_in\" or \"public\"".into()),
        );
    }
    Access { read, write }
}

/// Options that later versions understand, so that nobody is told they do not exist.
const LATER_OPTIONS: &[&str] = &["pattern", "searchable", "renamed_from", "sql_type", "schema"];
/// Field types that later versions understand.
const LATER_TYPES: &[&str] = &[
    "markdown",
    "phone",
    "slug",
    "time",
    "multiselect",
    "tags",
    "relation_many",
    "user",
    "uuid",
    "country",
    "currency",
    "timezone",
    "file",
];

fn read_field(reader: &mut Reader<'_>, entry: Entry<'_>) -> Option<Field> {
    let name = match Identifier::parse(entry.key()) {
        Ok(name) => Some(name),
        Err(error) => {
            reader.note(entry.key_span(), format!("{:?} cannot name a field: {error}", entry.key()), None);
            None
        }
    };
    let Some(mut table) = entry.table() else {
        let hint = Some(format!("[fields.{}]\ntype = \"text\"", entry.key()));
        reader.note(entry.span(), format!("the field `{}` is a table", entry.key()), hint);
        return None;
    };
    let kind = read_kind(reader, &mut table);
    let required = reader.flag(&mut table, "required");
    let unique = reader.flag(&mut table, "unique");
    let indexed = reader.flag(&mut table, "indexed");
    let read_only = reader.flag(&mut table, "read_only");
    let immutable = reader.flag(&mut table, "immutable");
    let hidden = reader.flag(&mut table, "hidden");
    let description = reader.string(&mut table, "description").map(|(text, _)| text.to_owned());
    let default_entry = table.get("default");
    // Without a type nobody knows which options are right.
    let kind = kind?;
    reader.finish(&table, &format!("a field of type {}", kind.name()), LATER_OPTIONS);
    let default = default_entry.and_then(|entry| read_default(reader, &kind, entry));

    if unique || indexed {
        check_indexable(reader, &kind, &table);
    }
    if required && read_only && default.is_none() {
        let message = "a required field that cannot be written needs a default".to_owned();
        reader.note(table.span(), message, Some("add `default`, or remove `required` or `read_only`".into()));
    }
    let name = name?;
    Some(Field { name, kind, required, unique, indexed, default, read_only, immutable, hidden, description, renamed_from: None })
}

fn check_indexable(reader: &mut Reader<'_>, kind: &FieldKind, table: &Table<'_>) {
    if matches!(kind, FieldKind::Json) {
        reader.note(table.span(), "a json field can be neither indexed nor unique".into(), None);
    }
    // An e-mail address is short by its own rule.
    let needs_limit = !matches!(kind, FieldKind::Email(_))
        && kind.text_rules().is_some_and(|rules| rules.max_length.is_none_or(|max| max > MAX_INDEXED_LENGTH));
    if needs_limit {
        let message = format!("an indexed or unique text needs a max_length of at most {MAX_INDEXED_LENGTH}");
        reader.note(table.span(), message, Some("longer texts do not fit into an index entry".into()));
    }
}

fn read_kind(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<FieldKind> {
    let Some((name, span)) = reader.string(table, "type") else {
        if table.get("type").is_none() {
            let hint = Some(format!("allowed: {}", FieldKind::NAMES.join(", ")));
            reader.note(table.span(), "`type` is missing".into(), hint);
        }
        return None;
    };
    let kind = match name {
        "text" => FieldKind::Text(read_text_rules(reader, table)),
        "textarea" => FieldKind::Textarea(read_text_rules(reader, table)),
        "email" => FieldKind::Email(read_text_rules(reader, table)),
        "url" => FieldKind::Url(read_text_rules(reader, table)),
        "integer" => read_integer(reader, table),
        "number" => FieldKind::Number(read_number_rules(reader, table)),
        "boolean" => FieldKind::Boolean,
        "date" => FieldKind::Date,
        "datetime" => FieldKind::Datetime,
        "select" => FieldKind::Select { options: read_options(reader, table) },
        "json" => FieldKind::Json,
        "relation" => FieldKind::Relation(read_relation(reader, table)?),
        later if LATER_TYPES.contains(&later) => {
            let message = format!("the type {later:?} is not supported by this version of Hedgerow");
            reader.note(span, message, Some(format!("supported: {}", FieldKind::NAMES.join(", "))));
            return None;
        }
        unknown => {
            reader.note(
                span,
                format!("there is no type {unknown:?}"),
                Some(allowed(unknown, FieldKind::NAMES)),
            );
            return None;
        }
    };
    Some(kind)
}

fn read_text_rules(reader: &mut Reader<'_>, table: &mut Table<'_>) -> TextRules {
    let mut length = |key| reader.integer(table, key, 0..=10_000_000).and_then(|n| u32::try_from(n).ok());
    let (min_length, max_length) = (length("min_length"), length("max_length"));
    if let (Some(min), Some(max)) = (min_length, max_length)
        && min > max
    {
        reader.note(table.span(), format!("min_length {min} is more than max_length {max}"), None);
    }
    TextRules { min_length, max_length }
}

fn read_integer(reader: &mut Reader<'_>, table: &mut Table<'_>) -> FieldKind {
    let min = reader.integer(table, "min", i64::MIN..=i64::MAX);
    let max = reader.integer(table, "max", i64::MIN..=i64::MAX);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        reader.note(table.span(), format!("min {min} is more than max {max}"), None);
    }
    FieldKind::Integer { min, max }
}

fn read_number_rules(reader: &mut Reader<'_>, table: &mut Table<'_>) -> NumberRules {
    let digits = |n: i64| u32::try_from(n).ok();
    let precision = reader.integer(table, "precision", 1..=1000).and_then(digits);
    let scale = reader.integer(table, "scale", 0..=1000).and_then(digits);
    match (precision, scale) {
        (None, Some(_)) => reader.note(table.span(), "`scale` goes with `precision`".into(), None),
        (Some(precision), Some(scale)) if scale > precision => {
            reader.note(table.span(), format!("scale {scale} is more than precision {precision}"), None);
        }
        _ => {}
    }
    let (min, max) = (read_decimal(reader, table, "min"), read_decimal(reader, table, "max"));
    if let (Some(min), Some(max)) = (&min, &max)
        && min > max
    {
        reader.note(table.span(), format!("min {} is more than max {}", min.as_str(), max.as_str()), None);
    }
    // With an impossible scale the rest of the file is still read; the schema never comes to exist.
    let scale = scale.filter(|scale| precision.is_some_and(|precision| *scale <= precision));
    NumberRules { precision, scale, min, max }
}

fn read_decimal(reader: &mut Reader<'_>, table: &mut Table<'_>, key: &'static str) -> Option<Decimal> {
    let entry = table.get(key)?;
    let number = scalar(entry.value()).as_deref().and_then(Decimal::parse);
    if number.is_none() {
        reader.note(entry.span(), format!("`{key}` is a decimal number"), None);
    }
    number
}

fn read_options(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Vec<String> {
    let hint = || Some("options = [\"todo\", \"done\"]".to_owned());
    let Some((items, span)) = reader.strings(table, "options") else {
        if table.get("options").is_none() {
            reader.note(table.span(), "a select field needs `options`".into(), hint());
        }
        return Vec::new();
    };
    if items.is_empty() {
        reader.note(span, "`options` names at least one option".into(), hint());
    }
    let mut options: Vec<String> = Vec::new();
    for (option, span) in items {
        if options.iter().any(|known| known == option) {
            reader.note(span, format!("the option {option:?} stands here twice"), None);
        } else if option.is_empty() || option.contains('\0') || option.chars().count() > 200 {
            reader.note(span, "an option has 1 to 200 characters".into(), None);
        } else {
            options.push(option.to_owned());
        }
    }
    options
}

fn read_relation(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Relation> {
    let on_delete = reader.word(table, "on_delete", OnDelete::WORDS).unwrap_or(OnDelete::Restrict);
    let Some((target, span)) = reader.string(table, "entity") else {
        if table.get("entity").is_none() {
            let hint = Some("entity = \"projects\" names the entity it points at".to_owned());
            reader.note(table.span(), "a relation needs `entity`".into(), hint);
        }
        return None;
    };
    match Identifier::parse(target) {
        Ok(entity) => Some(Relation { entity, on_delete }),
        Err(_) => {
            reader.note(span, format!("there is no entity {target:?}"), None);
            None
        }
    }
}

fn read_default(reader: &mut Reader<'_>, kind: &FieldKind, entry: Entry<'_>) -> Option<FieldDefault> {
    let value = entry.value();
    if matches!(kind, FieldKind::Relation(_)) {
        reader.note(entry.key_span(), "a relation has no default".into(), None);
        return None;
    }
    let is_now = matches!(value, DeValue::String(text) if text == "now()");
    if is_now && matches!(kind, FieldKind::Date | FieldKind::Datetime) {
        return Some(FieldDefault::Now);
    }
    // The TOML type has to fit too: `default = "5"` in an integer field is a mistake, not a five.
    let fits = match kind.sql_type() {
        SqlType::Int8 => matches!(value, DeValue::Integer(_)),
        SqlType::Numeric => matches!(value, DeValue::Integer(_) | DeValue::Float(_)),
        SqlType::Bool => matches!(value, DeValue::Boolean(_)),
        SqlType::Text => matches!(value, DeValue::String(_)),
        SqlType::Date | SqlType::Timestamptz => matches!(value, DeValue::String(_) | DeValue::Datetime(_)),
        SqlType::Jsonb => true,
    };
    let text = if kind.sql_type() == SqlType::Jsonb {
        to_json(value).map(|json| json.to_string())
    } else {
        scalar(value)
    };
    let checked: Result<Bind, String> = match text {
        Some(text) if fits => value::read_field(kind, &text).map_err(|mistake| mistake.message),
        _ => Err(format!("it must be a value of the type {}", kind.name())),
    };
    match checked {
        Ok(bind) => Some(FieldDefault::Value(bind)),
        Err(why) => {
            reader.note(entry.span(), format!("this default does not fit the field: {why}"), None);
            None
        }
    }
}

fn to_json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::String(text) => text.to_string().into(),
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Integer(_) | DeValue::Float(_) => serde_json::from_str(&scalar(value)?).ok()?,
        DeValue::Array(items) => {
            serde_json::Value::Array(items.iter().map(|item| to_json(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => serde_json::Value::Object(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), to_json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}
