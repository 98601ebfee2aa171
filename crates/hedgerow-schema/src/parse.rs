//! Entity files to a [`Schema`]: every problem in every file is reported, none stops the reading of the rest.

mod default;
mod field;
mod kind;
mod meta;

use std::ops::Range;

use crate::check::{self, Draft};
use crate::reader::Text;
use crate::reader::{Reader, Table};
use crate::{Access, Condition, Entity, EntityFile, Identifier, Index, Label, Problems, Read, Schema, Write};

/// An index has at most this many columns of its own; PostgreSQL allows 32.
const MAX_INDEX_FIELDS: usize = 8;

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
    let (access, published_when) = read_access(reader, &mut top);
    let metadata = meta::read(reader, &mut top);
    let soft_delete = reader.flag(&mut top, "soft_delete");
    let mut fields = Vec::new();
    let mut field_spans = Vec::new();
    if let Some(table) = reader.table(&mut top, "fields") {
        for entry in table.entries() {
            if let Some(field) = field::read(reader, *entry) {
                fields.push(field);
                field_spans.push(entry.key_span());
            }
        }
    }
    let indexes = read_indexes(reader, &mut top);
    let renamed_from =
        reader.string(&mut top, "renamed_from").and_then(|(text, span)| entity_name(reader, text, &span));
    reader.finish(&top, "an entity file", &[]);
    let (name, name_span) = name?;
    let label = label.unwrap_or_else(|| Label { singular: name.to_string(), plural: name.to_string() });
    let mut entity =
        Entity { name, label, access, fields, indexes: Vec::new(), soft_delete, metadata, renamed_from };
    // Of a field that could not be read nobody knows what it is compared with.
    let all_read = reader.is_clean();
    let condition = |reader: &mut Reader<'_>, text: &Option<Text<'_>>| {
        let (text, span) = text.as_ref().filter(|_| all_read)?;
        read_condition(reader, file, &entity, text, span)
    };
    let published_when = condition(reader, &published_when);
    let mut index_spans = Vec::new();
    let mut read = Vec::new();
    for (index, text, span) in indexes {
        let found = condition(reader, &text);
        if let Some((_, place)) = text.filter(|_| found.as_ref().is_some_and(Condition::uses_now)) {
            let message = "the condition of an index cannot use now(): what it covers would change with time";
            reader.note(place, message.to_owned(), Some("compare with a value that stays".to_owned()));
        }
        read.push(Index { condition: found, ..index });
        index_spans.push(span);
    }
    entity.indexes = read;
    entity.access.published_when = published_when;
    Some(Draft { file, entity, name_span, field_spans, index_spans })
}

/// A condition on a row, which stands as a text at `span`.
fn read_condition(
    reader: &mut Reader<'_>,
    file: &EntityFile,
    entity: &Entity,
    text: &str,
    span: &Range<usize>,
) -> Option<Condition> {
    let condition = Condition::parse(text, entity);
    condition
        .map_err(|wrong| {
            // Where the text stands in the file as it is, its bytes do too.
            let start = file.text.get(span.clone()).and_then(|source| source.find(text));
            let at = start.map_or(span.start, |start| span.start + start + wrong.at.min(text.len()));
            reader.note(at..span.end, wrong.message, None);
        })
        .ok()
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

/// The access, and the text of `published_when`, which speaks of fields.
fn read_access<'d>(reader: &mut Reader<'_>, top: &mut Table<'d>) -> (Access, Option<Text<'d>>) {
    let Some(mut table) = reader.table(top, "access") else { return (Access::default(), None) };
    let read = reader.word(&mut table, "read", Read::WORDS).unwrap_or(Read::Owner);
    let write = reader.word(&mut table, "write", Write::WORDS).unwrap_or(Write::Owner);
    let published_when = reader.string(&mut table, "published_when");
    reader.finish(&table, "access", &[]);
    if let Some((_, span)) = published_when.as_ref().filter(|_| read == Read::Owner) {
        let message =
            "`published_when` says which rows others may read, and here nobody else reads any".to_owned();
        let hint = Some("it goes with read = \"signed_in\" or \"public\"".to_owned());
        reader.note(span.clone(), message, hint);
    }
    if read == Read::Owner && write == Write::Admin {
        let message = "with read = \"owner\", nobody but the admin who wrote a row could see it".to_owned();
        reader.note(
            table.span(),
            message,
            Some("write = \"admin\" goes with read = \"signed_in\" or \"public\"".into()),
        );
    }
    (Access { read, write, published_when: None }, published_when)
}

fn read_indexes<'d>(
    reader: &mut Reader<'_>,
    top: &mut Table<'d>,
) -> Vec<(Index, Option<Text<'d>>, Range<usize>)> {
    let mut indexes = Vec::new();
    for mut table in reader.tables(top, "indexes") {
        let hint = || Some("fields = [\"status\", \"dueDate\"]".to_owned());
        let names = reader.strings(&mut table, "fields");
        if table.get("fields").is_none() {
            reader.note(table.span(), "an index needs `fields`".into(), hint());
        }
        let unique = reader.flag(&mut table, "unique");
        let condition = reader.string(&mut table, "where");
        reader.finish(&table, "an index", &[]);
        let Some((names, span)) = names else { continue };
        if names.is_empty() || names.len() > MAX_INDEX_FIELDS {
            let message = format!("an index has 1 to {MAX_INDEX_FIELDS} fields");
            reader.note(span, message, hint());
            continue;
        }
        let mut fields = Vec::new();
        for (name, span) in names {
            match Identifier::parse(name) {
                Ok(name) => fields.push(name),
                Err(error) => {
                    reader.note(span, format!("{name:?} is no field of this entity: {error}"), None);
                }
            }
        }
        indexes.push((Index { fields, unique, condition: None }, condition, table.span()));
    }
    indexes
}
