//! Texts with a form of their own.

use super::Mistake;
use crate::FieldKind;

/// An http or https URL (WHATWG).
pub(super) fn is_url(text: &str) -> bool {
    // Browsers read `http:example.com` too; the column's CHECK does not.
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
        && url::Url::parse(text).is_ok_and(|url| url.has_host())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `my-first-post`
pub(super) fn is_slug(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split('-').all(word)
}

/// Whether it has the form of ids that the table of users insists on: 1 to 64 letters, digits, `_` and `-`.
pub fn is_user_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// A reference that something else resolves: not empty, and safe in a header and in a log.
pub(super) fn is_file_reference(text: &str) -> bool {
    let length = text.chars().count();
    (1..=FieldKind::MAX_FILE_LENGTH as usize).contains(&length) && !text.chars().any(char::is_control)
}

/// The normal form of a telephone number: `+` and 2 to 15 digits, the first no zero (ITU-T E.164).
pub(super) fn phone(text: &str) -> Result<String, Mistake> {
    let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
    let digits = number.strip_prefix('+').unwrap_or_default();
    let is_number = (2..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if is_number {
        Ok(number)
    } else {
        let message = "must be a telephone number in international form, such as +49 30 123456";
        Err(Mistake::new("invalid_phone", message))
    }
}

/// The lower-case form of a UUID with its hyphens (RFC 9562, section 4).
pub(super) fn uuid(text: &str) -> Result<String, Mistake> {
    let fits = |(at, b): (usize, u8)| match at {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    };
    if text.len() == 36 && text.bytes().enumerate().all(fits) {
        Ok(text.to_ascii_lowercase())
    } else {
        let message = "must be a UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057";
        Err(Mistake::new("invalid_uuid", message))
    }
}
