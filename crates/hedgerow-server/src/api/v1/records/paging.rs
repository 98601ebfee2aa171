//! Which rows of a list an answer has, and where the others are: `Range`, `Content-Range` and `Link`.

use axum::http::{HeaderMap, HeaderValue};
use hedgerow::records::Page;
use hedgerow::schema::{InputError, ListQuery};
use url::form_urlencoded;

use super::asked::Asked;

/// A cursor longer than this makes a URL that somebody on the way may refuse.
const LONGEST_CURSOR: usize = 4000;

/// Reads PostgREST's `Range: 0-9` (and `Range-Unit: items`) as if it were `offset` and `limit`. Ranges of other units, such
/// as bytes, are nothing that a list has, and are passed over (RFC 9110, section 14.2).
///
/// # Errors
/// The range is none, or the parameters say something about the same.
pub(super) fn rows_of_range(
    headers: &HeaderMap,
    parameters: &mut Vec<(String, String)>,
) -> Result<(), InputError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(range) = text("range") else { return Ok(()) };
    let range = match range.split_once('=') {
        Some(("items", range)) => range,
        Some(_) => return Ok(()),
        None => range,
    };
    if text("range-unit").is_some_and(|unit| unit != "items") {
        return Ok(());
    }
    let mistake =
        |code, message: &str| InputError { field: "Range".to_owned(), code, message: message.to_owned() };
    if parameters.iter().any(|(name, _)| matches!(name.as_str(), "limit" | "offset" | "cursor")) {
        let message = "the rows are named twice: leave `Range` out, or `limit`, `offset` and `cursor`";
        return Err(mistake("two_ranges", message));
    }
    let read = || -> Option<(u32, Option<u32>)> {
        let (first, last) = range.split_once('-')?;
        let first: u32 = first.trim().parse().ok()?;
        let last = last.trim();
        if last.is_empty() {
            return Some((first, None));
        }
        let count = last.parse::<u32>().ok()?.checked_sub(first)?.checked_add(1)?;
        Some((first, Some(count)))
    };
    let (offset, limit) = read()
        .ok_or_else(|| mistake("invalid_range", "`Range` names the first and the last row, as in 0-9"))?;
    parameters.push(("offset".to_owned(), offset.to_string()));
    parameters.extend(limit.map(|limit| ("limit".to_owned(), limit.to_string())));
    Ok(())
}

/// `0-24/3573458`: the rows of this answer and how many there are, `*` for what is not known (RFC 9110, section 14.4).
/// `first` is the first one's place, where it is known: not where a page begins that a cursor leads to.
pub(crate) fn content_range(first: Option<u32>, count: usize, total: Option<u64>) -> HeaderValue {
    let rows = match (first, count) {
        (None, _) | (_, 0) => "*".to_owned(),
        (Some(first), count) => format!("{first}-{}", first as usize + count - 1),
    };
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    HeaderValue::from_str(&format!("{rows}/{total}")).expect("digits, a dash, a slash and stars")
}

/// The address of a list, without the place in it.
pub(crate) struct Pages<'a> {
    pub(crate) path: &'a str,
    pub(crate) parameters: &'a [(String, String)],
}

impl Pages<'_> {
    /// One of the pages around this one (RFC 8288): the same list at another place.
    fn link(&self, place: Option<(&str, &str)>, rel: &str) -> String {
        let mut encoder = form_urlencoded::Serializer::new(String::new());
        let others = self.parameters.iter().filter(|(name, _)| name != "offset" && name != "cursor");
        encoder.extend_pairs(others);
        encoder.extend_pairs(place);
        let (path, query) = (self.path, encoder.finish());
        format!("<{path}{}{query}>; rel=\"{rel}\"", if query.is_empty() { "" } else { "?" })
    }

    /// The pages around the one that leaves out `offset` rows and shows `limit`.
    pub(crate) fn by_offset(&self, offset: u32, limit: u32, has_next: bool) -> Option<HeaderValue> {
        let at = |offset: u32, rel: &str| match offset {
            0 => self.link(None, rel),
            offset => self.link(Some(("offset", &offset.to_string())), rel),
        };
        let mut links = Vec::new();
        if offset > 0 {
            links.push(at(0, "first"));
            links.push(at(offset.saturating_sub(limit), "prev"));
        }
        if has_next && limit > 0 {
            links.push(at(offset.saturating_add(limit), "next"));
        }
        joined(&links)
    }
}

/// The pages around this one: by cursor, or by offset where the client counts rows itself.
pub(super) fn links(asked: &Asked, query: &ListQuery<'_>, page: &Page) -> Option<HeaderValue> {
    let pages = Pages { path: &asked.path, parameters: &asked.parameters };
    let has_cursors =
        query.has_keyset() && page.next.as_ref().is_none_or(|next| next.len() <= LONGEST_CURSOR);
    if query.cursor.is_none() && (!has_cursors || asked.says("offset")) {
        return pages.by_offset(query.offset, query.limit, page.has_next);
    }
    let mut links = Vec::new();
    links.extend(query.cursor.as_ref().map(|_| pages.link(None, "first")));
    links.extend(page.prev.as_deref().map(|prev| pages.link(Some(("cursor", prev)), "prev")));
    links.extend(page.next.as_deref().map(|next| pages.link(Some(("cursor", next)), "next")));
    joined(&links)
}

fn joined(links: &[String]) -> Option<HeaderValue> {
    (!links.is_empty()).then(|| HeaderValue::from_str(&links.join(", ")).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, header};

    use super::*;

    #[test]
    fn ranges_of_rows_are_read_as_postgrest_does() {
        let check = |range: &'static str, unit: Option<&'static str>, expected: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static(range));
            headers.extend(
                unit.map(|unit| (HeaderName::from_static("range-unit"), HeaderValue::from_static(unit))),
            );
            let mut parameters = Vec::new();
            let got = match rows_of_range(&headers, &mut parameters) {
                Ok(()) => parameters
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect::<Vec<_>>()
                    .join("&"),
                Err(error) => error.code.to_owned(),
            };
            assert_eq!(got, expected, "{range}");
        };
        check("0-9", None, "offset=0&limit=10");
        check("0-9", Some("items"), "offset=0&limit=10");
        check("items=5-5", None, "offset=5&limit=1");
        check("10-", None, "offset=10");
        check("bytes=0-9", None, "");
        check("0-9", Some("bytes"), "");
        check("9-0", None, "invalid_range");
        check("-5", None, "invalid_range");
        check("0-4294967295", None, "invalid_range");
        check("a-b", Some("items"), "invalid_range");
    }

    #[test]
    fn rows_are_named_once() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("0-9"));
        let mut parameters = vec![("limit".to_owned(), "5".to_owned())];
        assert_eq!(rows_of_range(&headers, &mut parameters).unwrap_err().code, "two_ranges");
    }
}
