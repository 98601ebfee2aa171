//! Metadata in a request: the keys that a row shows (`metas=all`, `metas=color,"a,b"`), and conditions on searchable ones
//! (`metas.color=eq.red`).
//!
//! Always holds: a row that has no such key is as one whose nullable column is NULL; only what its writer made searchable
//! is looked at.
//!
//! What a value is compared with is said by the key where the entity file declares it, and else by the value's own form:
//! numbers with numbers, days with days, moments with moments, all others with texts. Whether it is *equal* is asked of
//! every meta: `eq.5` finds the number 5.0 and the text `5`.

use super::condition::{Comparison, SETS, WORDS, known};
use super::filter::{Filter, negated};
use super::parameters::Reading;
use super::scan::{split_list, split_quoted};
use super::values::{MAX_VALUES, Wrong, pattern, wrong};
use super::{Item, Selected};
use crate::meta::{self, DataType, MetaKey, MetaValue, Metadata, UnknownKeys};
use crate::value::{self, Mistake};
use crate::{Bind, Column, Entity, SqlType};

pub(crate) use crate::write::METAS;

/// A request names at most this many keys for its rows to show.
const MAX_KEYS: usize = 100;
/// Each condition on metadata, and each key of an order, is a table more to plan for.
const MAX_SUBQUERIES: usize = 10;

/// The keys of its metadata that a row shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownMetas {
    /// Every key that the row has.
    All,
    /// Those of these that the row has.
    Keys(Vec<String>),
}

/// A condition on a row's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaTest {
    /// The row has the key.
    Is,
    /// It has it, and this is true of the value.
    Holds(MetaComparison),
    /// It does not have it, or this is not true of the value.
    Distinct(MetaComparison),
}

/// What is asked of the value of a meta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaComparison {
    /// Whether it is one of several.
    Among {
        /// As they are stored; an array.
        texts: Bind,
        /// Those that are numbers; an array.
        numbers: Option<Bind>,
    },
    /// Of a number, whether it is greater or less.
    Number(Comparison, Bind),
    /// Of a value of one of these types, how its text compares.
    Text(Comparison, &'static [DataType], Bind),
}

/// What types a text has that nothing else is said of.
const TEXTS: &[DataType] = &[DataType::Text, DataType::String];

impl<'e> Reading<'e> {
    /// Reads the value of `metas=`.
    pub(super) fn shown_metas(
        &mut self,
        entity: &'e Entity,
        text: &str,
        parameter: &str,
    ) -> Option<Selected<'e>> {
        let metadata = self.metadata(entity, parameter)?;
        let shown = if text == "all" {
            ShownMetas::All
        } else {
            let keys = split_quoted(text).filter(|keys| (1..=MAX_KEYS).contains(&keys.len()));
            let Some(keys) = keys else {
                let message =
                    format!("`{parameter}` is `all`, or at most {MAX_KEYS} keys: `{parameter}=a,\"b,c\"`");
                self.note(parameter, "invalid_metas", message);
                return None;
            };
            let before = self.errors.len();
            for key in &keys {
                self.known_key(metadata, key, parameter);
            }
            if self.errors.len() > before {
                return None;
            }
            ShownMetas::Keys(keys)
        };
        Some(Selected { key: METAS.to_owned(), item: Item::Metas(shown) })
    }

    fn metadata(&mut self, entity: &'e Entity, parameter: &str) -> Option<&'e Metadata> {
        let found = entity.metadata.as_ref();
        if found.is_none() {
            let message = format!("rows of {} have no metadata", entity.name);
            self.note(parameter, "no_metadata", message);
        }
        found
    }

    /// The declaration of a key that rows may have; what is none is noted.
    fn known_key(&mut self, metadata: &'e Metadata, key: &str, parameter: &str) -> Option<&'e MetaKey> {
        if let Err(mistake) = meta::check_key(key) {
            self.note(parameter, mistake.code, format!("a key of `{parameter}`: {}", mistake.message));
            return None;
        }
        let declared = metadata.key(key);
        if declared.is_none() && metadata.unknown == UnknownKeys::Refused {
            let names: Vec<&str> = metadata.keys.iter().map(MetaKey::name).collect();
            let near = crate::reader::nearest(key, &names);
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            self.note(parameter, "unknown_meta_key", format!("no row has the key `{key}`{hint}"));
        }
        declared
    }

    /// What conditions and orders on a key are about: one that rows may be found by.
    pub(super) fn meta_operand<'k>(
        &mut self,
        entity: &'e Entity,
        key: &'k str,
        parameter: &str,
    ) -> Option<MetaOperand<'k>>
    where
        'e: 'k,
    {
        let metadata = self.metadata(entity, parameter)?;
        self.metas += 1;
        if self.metas > MAX_SUBQUERIES {
            if self.metas == MAX_SUBQUERIES + 1 {
                let message =
                    format!("a request finds and orders rows by metadata at most {MAX_SUBQUERIES} times");
                self.note(parameter, "too_many_conditions", message);
            }
            return None;
        }
        let before = self.errors.len();
        let declared = self.known_key(metadata, key, parameter);
        if declared.is_some_and(|declared| !declared.searchable) {
            let message = format!("the key `{key}` is not searchable: its declaration decides that");
            self.note(parameter, "not_searchable", message);
        }
        (self.errors.len() == before).then_some(MetaOperand { key, declared })
    }
}

/// A key, and what is known of its values.
#[derive(Clone, Copy)]
pub(super) struct MetaOperand<'o> {
    key: &'o str,
    declared: Option<&'o MetaKey>,
}

impl MetaOperand<'_> {
    /// As messages call it.
    pub(super) fn shown(self) -> String {
        format!("{METAS}.{}", self.key)
    }

    /// Reads the value of an operator.
    pub(super) fn test<'e>(self, operator: &str, text: &str) -> Result<Filter<'e>, Wrong> {
        let key = self.key;
        let filter = |test| Filter::Meta(key.to_owned(), test);
        let comparison = match operator {
            "eq" | "neq" | "isdistinct" => {
                let among = self.among(&[text.to_owned()])?;
                return Ok(match operator {
                    "isdistinct" => filter(MetaTest::Distinct(among)),
                    _ => negated(filter(MetaTest::Holds(among)), operator == "neq"),
                });
            }
            "in" => {
                let Some(values) = split_list(text, '(', ')').filter(|list| list.len() <= MAX_VALUES) else {
                    return wrong(format!(
                        "`in` takes up to {MAX_VALUES} values in parentheses: `metas.{key}=in.(a,\"b,c\")`"
                    ));
                };
                return Ok(filter(MetaTest::Holds(self.among(&values)?)));
            }
            "is" => {
                let among = |word: &str| Ok(MetaTest::Distinct(self.among(&[word.to_owned()])?));
                return match text.to_ascii_lowercase().as_str() {
                    "null" | "unknown" => Ok(negated(filter(MetaTest::Is), true)),
                    "not_null" => Ok(filter(MetaTest::Is)),
                    word @ ("true" | "false") => Ok(negated(filter(among(word)?), true)),
                    _ => wrong("`is` takes null, not_null, true, false or unknown"),
                };
            }
            "gt" => Comparison::Gt,
            "gte" => Comparison::Gte,
            "lt" => Comparison::Lt,
            "lte" => Comparison::Lte,
            "like" => Comparison::Like,
            "ilike" => Comparison::Ilike,
            _ => return Err(unsupported(key, operator)),
        };
        Ok(filter(MetaTest::Holds(self.compared(comparison, operator, text)?)))
    }

    /// One of these values, whatever its type is.
    fn among(self, values: &[String]) -> Result<MetaComparison, Wrong> {
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        for text in values {
            let value = self.read(text)?;
            // As it is asked for, and as its type is stored.
            texts.push(text.clone());
            if value.data_type() == DataType::Number {
                numbers.push(value.text().to_owned());
            } else if value.text() != text {
                texts.push(value.text().to_owned());
            }
        }
        let array = |ty, values: &[String]| Bind::array(ty, values.iter().map(|value| Some(value.as_str())));
        Ok(MetaComparison::Among {
            texts: array(SqlType::Text, &texts),
            numbers: (!numbers.is_empty()).then(|| array(SqlType::Numeric, &numbers)),
        })
    }

    fn compared(self, comparison: Comparison, operator: &str, text: &str) -> Result<MetaComparison, Wrong> {
        let key = self.key;
        let is_other = |ty: DataType| !TEXTS.contains(&ty);
        if comparison.is_pattern() {
            if self.declared.is_some_and(|declared| is_other(declared.data_type())) {
                return Err(("unsupported_operator", format!("`{operator}` is for texts, `{key}` is none")));
            }
            return Ok(MetaComparison::Text(comparison, TEXTS, pattern(key, comparison, text)?));
        }
        let value = self.read(text)?;
        let bind = Bind::text(value.text());
        Ok(match value.data_type() {
            DataType::Number => MetaComparison::Number(comparison, Bind::new(SqlType::Numeric, bind.value)),
            DataType::Date => MetaComparison::Text(comparison, &[DataType::Date], bind),
            DataType::Datetime => MetaComparison::Text(comparison, &[DataType::Datetime], bind),
            DataType::Boolean | DataType::Json if self.declared.is_some() => {
                let message = format!("`{key}` is a {}, which has no order", value.data_type().name());
                return Err(("unsupported_operator", message));
            }
            DataType::Text | DataType::String | DataType::Boolean | DataType::Json => {
                MetaComparison::Text(comparison, TEXTS, bind)
            }
        })
    }

    /// The value as its type stores it.
    fn read(self, text: &str) -> Result<MetaValue, Wrong> {
        let read = match self.declared {
            Some(declared) => {
                let bind = value::read_operand(Column::Field(&declared.field), text);
                bind.and_then(|bind| {
                    MetaValue::of_text(declared.data_type(), &bind.value.unwrap_or_default())
                })
            }
            None => by_form(text),
        };
        read.map_err(|mistake| (mistake.code, format!("the value of `{}` {}", self.key, mistake.message)))
    }
}

/// The value that a text is of by its form.
fn by_form(text: &str) -> Result<MetaValue, Mistake> {
    match MetaValue::of_text(DataType::Number, text) {
        Err(mistake) if mistake.code != "out_of_range" => {}
        read => return read,
    }
    [DataType::Boolean, DataType::Date, DataType::Datetime]
        .into_iter()
        .find_map(|ty| MetaValue::of_text(ty, text).ok())
        .map_or_else(|| MetaValue::of_text(DataType::Text, text), Ok)
}

/// Which operators there are, by what was asked for instead.
fn unsupported(key: &str, operator: &str) -> Wrong {
    let all = "eq, neq, gt, gte, lt, lte, isdistinct, like, ilike, in, is";
    let word = operator.split('(').next().unwrap_or_default();
    let is_known = all.split(", ").any(|own| own == word)
        || known(SETS, word).is_some()
        || known(WORDS, word).is_some()
        || matches!(word, "match" | "imatch");
    let code = if is_known { "unsupported_operator" } else { "unknown_operator" };
    (code, format!("`{operator}` is not for metadata: `metas.{key}` takes {all}"))
}
