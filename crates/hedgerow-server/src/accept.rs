//! In which form an answer is wanted: the `Accept` header (RFC 9110, section 12.5.1) against the forms that there are.
//!
//! Always holds: who asks for a form that there is none of learns which there are; who asks for nothing gets JSON.

use std::cmp::Reverse;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::respond::Failure;

/// A form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// JSON: an array for a list, an object for a row.
    Json,
    /// An array whose objects leave out what is NULL.
    Stripped,
    /// One object, and an error where there is not exactly one row.
    Object,
    /// One object that leaves out what is NULL.
    StrippedObject,
    /// A header line and a line for each row.
    Csv,
    /// The same for spreadsheets.
    EscapedCsv,
    /// An object a line.
    Ndjson,
}

/// What a list can be answered with, the first being what is meant where any will do.
pub(crate) const LIST: &[Media] = &[
    Media::Json,
    Media::Object,
    Media::Csv,
    Media::Ndjson,
    Media::Stripped,
    Media::StrippedObject,
    Media::EscapedCsv,
];
/// What the trash can be answered with.
pub(crate) const TRASH: &[Media] = &[Media::Json, Media::Object, Media::Stripped, Media::StrippedObject];
/// What a write can be answered with.
pub(crate) const WRITTEN: &[Media] = &[Media::Json, Media::Object];
/// What an import can be answered with.
pub(crate) const IMPORTED: &[Media] = &[Media::Json, Media::Ndjson];
/// What a single row can be answered with.
pub(crate) const ROW: &[Media] = &[Media::Json, Media::Object];

impl Media {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Stripped => "application/vnd.pgrst.array+json;nulls=stripped",
            Self::Object => "application/vnd.pgrst.object+json",
            Self::StrippedObject => "application/vnd.pgrst.object+json;nulls=stripped",
            Self::Csv => "text/csv",
            Self::EscapedCsv => "text/csv;formulas=escaped",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// What `Content-Type` says.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::EscapedCsv => "text/csv; charset=utf-8; header=present; formulas=escaped",
            other => other.name(),
        })
    }
}

/// One range of an `Accept` header.
#[derive(Debug)]
struct Range<'h> {
    essence: String,
    parameters: Vec<(String, &'h str)>,
    /// In thousandths; 0 is "not that".
    quality: u16,
}

/// How much a form is liked: its quality, how exactly it is meant, and how early it stands in the header.
type Rank = (u16, u8, Reverse<usize>);

/// The form among `offered` that the client likes best.
///
/// # Errors
/// [`Failure::NotAcceptable`] when it takes none of them.
pub(crate) fn choose(headers: &HeaderMap, offered: &[Media]) -> Result<Media, Failure> {
    let wanted: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let ranges: Vec<Range<'_>> =
        wanted.iter().flat_map(|value| value.split(',')).filter_map(read_range).collect();
    if ranges.is_empty() && wanted.iter().all(|value| value.trim().is_empty()) {
        return Ok(offered.first().copied().unwrap_or(Media::Json));
    }
    let mut best: Option<(Rank, Media)> = None;
    for &media in offered {
        // The most specific range that fits decides about a form; among forms the client's quality, and then its order.
        let fitting =
            ranges.iter().enumerate().filter_map(|(at, range)| Some((range.fits(media)?, at, range)));
        let Some((specific, at, range)) = fitting.max_by_key(|(specific, at, _)| (*specific, Reverse(*at)))
        else {
            continue;
        };
        let rank = (range.quality, specific, Reverse(at));
        if range.quality > 0 && best.is_none_or(|(other, _)| rank > other) {
            best = Some((rank, media));
        }
    }
    best.map(|(_, media)| media).ok_or_else(|| Failure::NotAcceptable {
        wanted: wanted.join(", "),
        offered: offered.iter().map(|media| media.name()).collect::<Vec<_>>().join(", "),
    })
}

fn read_range(text: &str) -> Option<Range<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().filter(|essence| !essence.is_empty())?.to_ascii_lowercase();
    let mut range = Range { essence, parameters: Vec::new(), quality: 1000 };
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        match name.as_str() {
            // What cannot be read is no reason to give nothing.
            "q" => range.quality = read_quality(value).unwrap_or(1000),
            // Everything is UTF-8.
            "charset" if value.eq_ignore_ascii_case("utf-8") => {}
            // What RFC 4180 calls the first line; there always is one.
            "header" if value.eq_ignore_ascii_case("present") => {}
            "" => {}
            _ => range.parameters.push((name, value)),
        }
    }
    Some(range)
}

/// `0.8` is 800.
fn read_quality(text: &str) -> Option<u16> {
    let quality: f32 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0).round() as u16;
    quality.is_finite().then_some(thousandths)
}

impl Range<'_> {
    /// How specifically the range means the form, if it does.
    fn fits(&self, media: Media) -> Option<u8> {
        let mut parts = media.name().split(';');
        let essence = parts.next().unwrap_or_default();
        let own: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let named = self.essence == essence
            // An array is what JSON is here.
            || (media == Media::Json && self.essence == "application/vnd.pgrst.array+json");
        if named {
            let same = self.parameters.len() == own.len()
                && self.parameters.iter().all(|(name, value)| own.contains(&(name.as_str(), value)));
            return same.then_some(2);
        }
        let plain = own.is_empty() && self.parameters.is_empty();
        let kind = essence.split('/').next().unwrap_or_default();
        match self.essence.strip_suffix("/*") {
            Some("*") if plain => Some(0),
            Some(wanted) if plain && wanted == kind => Some(1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_that_is_liked_best_is_chosen() {
        let check = |accept: &'static str, expected: Option<Media>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(choose(&headers, LIST).ok(), expected, "{accept}");
        };
        assert_eq!(choose(&HeaderMap::new(), LIST).ok(), Some(Media::Json));
        check("", Some(Media::Json));
        check("*/*", Some(Media::Json));
        check("application/*", Some(Media::Json));
        check("text/*", Some(Media::Csv));
        check("text/csv", Some(Media::Csv));
        check("Text/CSV; charset=UTF-8", Some(Media::Csv));
        check("text/csv;formulas=escaped", Some(Media::EscapedCsv));
        check("text/csv;formulas=run", None);
        check("text/csv, application/json", Some(Media::Csv));
        check("text/csv;q=0.5, application/json", Some(Media::Json));
        check("*/*, text/csv", Some(Media::Csv));
        check("text/html, application/xhtml+xml, */*;q=0.8", Some(Media::Json));
        check("application/json;q=0, */*", Some(Media::Object));
        check("application/x-ndjson", Some(Media::Ndjson));
        check("application/vnd.pgrst.object+json", Some(Media::Object));
        check("application/vnd.pgrst.object+json;nulls=stripped", Some(Media::StrippedObject));
        check("application/vnd.pgrst.array+json;nulls=stripped", Some(Media::Stripped));
        check("application/vnd.pgrst.array+json", Some(Media::Json));
        check("application/vnd.pgrst.plan+json", None);
        check("image/png", None);
        check("text/csv;q=0", None);
        check(";;q=1", None);
    }
}
