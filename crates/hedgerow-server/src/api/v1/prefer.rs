//! The `Prefer` header (RFC 7240) in PostgREST's words, read once for each request.
//!
//! Always holds: a preference that would change what a request means is either kept or refused; which were kept, the answer
//! says in `Preference-Applied`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use hedgerow::Error;
use hedgerow::schema::InputError;

/// Where an answer says what was kept.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What a write answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    Minimal,
    HeadersOnly,
    Representation,
}

/// How the rows of a list are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountMode {
    Exact,
    Planned,
    Estimated,
}

/// What becomes of a new row whose key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    MergeDuplicates,
    IgnoreDuplicates,
}

/// What a field gets that some rows of a body leave out and others have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Default,
    Null,
}

/// The preferences of one request; `None` where it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    pub(crate) returning: Option<Return>,
    pub(crate) count: Option<CountMode>,
    pub(crate) resolution: Option<Resolution>,
    pub(crate) missing: Option<Missing>,
    pub(crate) max_affected: Option<u64>,
    /// `handling=strict`: what is not understood is an error, and `max-affected` is kept.
    pub(crate) strict: bool,
    /// `tx=rollback`: a trial run.
    pub(crate) rollback: bool,
}

impl Preferences {
    /// # Errors
    /// A value that its preference does not take; with `handling=strict` also a preference that nobody knows.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let mut read = Self::default();
        let mut mistakes = Vec::new();
        let mut unknown = Vec::new();
        for (name, value) in words(headers) {
            let known = match name.to_ascii_lowercase().as_str() {
                "return" => one_of(
                    &mut read.returning,
                    value,
                    &[
                        ("minimal", Return::Minimal),
                        ("headers-only", Return::HeadersOnly),
                        ("representation", Return::Representation),
                    ],
                ),
                "count" => one_of(
                    &mut read.count,
                    value,
                    &[
                        ("exact", CountMode::Exact),
                        ("planned", CountMode::Planned),
                        ("estimated", CountMode::Estimated),
                    ],
                ),
                "resolution" => one_of(
                    &mut read.resolution,
                    value,
                    &[
                        ("merge-duplicates", Resolution::MergeDuplicates),
                        ("ignore-duplicates", Resolution::IgnoreDuplicates),
                    ],
                ),
                "missing" => one_of(
                    &mut read.missing,
                    value,
                    &[("default", Missing::Default), ("null", Missing::Null)],
                ),
                "max-affected" => match value.parse() {
                    Ok(most) => {
                        read.max_affected = Some(most);
                        true
                    }
                    Err(_) => false,
                },
                "handling" => match value {
                    "strict" | "lenient" => {
                        read.strict = value == "strict";
                        true
                    }
                    _ => false,
                },
                "tx" => match value {
                    "commit" | "rollback" => {
                        read.rollback = value == "rollback";
                        true
                    }
                    _ => false,
                },
                _ => {
                    unknown.push(name);
                    continue;
                }
            };
            if !known {
                mistakes.push(mistake(format!("the preference `{name}` does not take `{value}`")));
            }
        }
        if read.strict {
            mistakes.extend(unknown.iter().map(|name| mistake(format!("there is no preference `{name}`"))));
        }
        if mistakes.is_empty() { Ok(read) } else { Err(Error::Input(mistakes)) }
    }

    /// For a request that makes no rows: with `handling=strict`, a preference that means nothing for it is a mistake.
    pub(crate) fn are_not_of_new_rows(&self) -> Result<(), Error> {
        for (name, given) in [("resolution", self.resolution.is_some()), ("missing", self.missing.is_some())]
        {
            if given && self.strict {
                let message = format!("the preference `{name}` is for new rows");
                return Err(Error::input("Prefer", "invalid_preference", message));
            }
        }
        Ok(())
    }
}

impl Preferences {
    /// Whether anything but `tx` and `handling` is said.
    pub(crate) fn says_more_than_tx(&self) -> bool {
        let tx = Self { strict: self.strict, rollback: self.rollback, ..Self::default() };
        *self != tx
    }
}

/// Names those preferences that were kept.
pub(crate) fn applied(kept: &[&str]) -> Option<HeaderValue> {
    (!kept.is_empty()).then(|| HeaderValue::from_str(&kept.join(", ")).ok()).flatten()
}

fn one_of<T: Copy>(place: &mut Option<T>, value: &str, words: &[(&str, T)]) -> bool {
    let found = words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning);
    if found.is_some() {
        *place = found;
    }
    found.is_some()
}

fn mistake(message: String) -> InputError {
    InputError { field: "Prefer".to_owned(), code: "invalid_preference", message }
}

/// Names and values of the `Prefer` headers.
fn words(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split([',', ';'])).filter(|text| !text.trim().is_empty()).map(
        |preference| {
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            (name.trim(), value.trim().trim_matches('"'))
        },
    )
}
