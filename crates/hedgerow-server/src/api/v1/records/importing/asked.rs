//! How a file is to be imported, as the request says it: headers and parameters, all mistakes at once.

use axum::http::{HeaderMap, header};
use hedgerow::Error;
use hedgerow::import::{Format, ImportOptions, Match, Missing, Refusal};
use hedgerow::records::Outcome;
use hedgerow::schema::InputError;

use crate::api::v1::records::asked::{Asked, plain};
use crate::api::v1::records::request::{Target, expected};
use crate::respond::Failure;

/// # Errors
/// A body of another kind is 415, what is not done here 400.
pub(super) fn options(asked: &Asked, row_limit: usize) -> Result<ImportOptions, Failure> {
    let format = format(&asked.headers)?;
    expected(&asked.headers, &Target::Rows)?;
    if asked.headers.contains_key("idempotency-key") {
        return Err(Failure::UnsupportedHeader("Idempotency-Key".to_owned()));
    }
    let mut options = ImportOptions { row_limit, ..ImportOptions::new(&asked.entity, format) };
    let mut mistakes = parameters(asked, &mut options);
    if asked.prefer.rollback {
        options.outcome = Outcome::Undone;
    }
    if asked.prefer.strict && asked.prefer.says_more_than_tx() {
        let message = "an import knows no preference but `tx=rollback`";
        mistakes.push(InputError::new("Prefer", "invalid_preference", message.to_owned()));
    }
    if mistakes.is_empty() { Ok(options) } else { Err(Error::Input(mistakes).into()) }
}

/// How the body is read, as its media type says.
fn format(headers: &HeaderMap) -> Result<Format, Failure> {
    plain(headers)?;
    let unknown = |found: &str| Failure::UnsupportedFile(found.to_owned());
    let Some(media) = headers.get(header::CONTENT_TYPE) else { return Err(unknown("no media type")) };
    let Ok(media) = media.to_str() else { return Err(unknown("an unreadable media type")) };
    let mut parts = media.split(';').map(|part| part.trim().to_ascii_lowercase());
    let format = match parts.next().as_deref() {
        Some("text/csv") => Format::Csv,
        Some("application/x-ndjson") => Format::Ndjson,
        Some("application/json") => Format::Json,
        _ => return Err(unknown(media)),
    };
    // What a charset or a missing header would mean for the rows is nothing to guess.
    let is_known = |part: String| {
        let (name, value) = part.split_once('=').unwrap_or((&part, ""));
        match name {
            "charset" => matches!(value.trim_matches('"'), "utf-8" | "us-ascii"),
            "header" => value.trim_matches('"') == "present",
            _ => true,
        }
    };
    if parts.all(is_known) { Ok(format) } else { Err(unknown(media)) }
}

fn parameters(asked: &Asked, options: &mut ImportOptions) -> Vec<InputError> {
    let mut mistakes = Vec::new();
    for (at, (name, value)) in asked.parameters.iter().enumerate() {
        let mut mistake = |code, message: String| mistakes.push(InputError::new(name, code, message));
        if name != "match" && asked.parameters[..at].iter().any(|(other, _)| other == name) {
            mistake("repeated_parameter", format!("`{name}` stands here twice"));
            continue;
        }
        match (name.as_str(), value.as_str()) {
            ("match", value) => match value.parse::<Match>() {
                Ok(one) => options.matches.push(one),
                Err(error) => mistake("invalid_match", error.to_string()),
            },
            ("missing", "reject") => options.missing = Missing::Reject,
            ("missing", "null") => options.missing = Missing::Null,
            ("missing", _) => mistake("invalid_value", "`missing` is `null` or `reject`".to_owned()),
            ("skip_invalid", "false") => options.refusal = Refusal::RefusesAll,
            ("skip_invalid", "true") => options.refusal = Refusal::SkipsRow,
            ("dry_run", "false") => options.outcome = Outcome::Kept,
            ("dry_run", "true") => options.outcome = Outcome::Undone,
            ("skip_invalid" | "dry_run", _) => {
                mistake("invalid_value", format!("`{name}` is `true` or `false`"));
            }
            _ => mistake(
                "unknown_parameter",
                format!("`{name}` is no parameter here; there are match, missing, skip_invalid and dry_run"),
            ),
        }
    }
    mistakes
}
