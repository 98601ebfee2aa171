//! Days, moments and times of day, in the one form each that is promised. jiff reads more forms, so the form is looked at
//! first.

use jiff::{Timestamp, civil};

use super::Mistake;

/// A day of the years 1 to 9999, `YYYY-MM-DD`.
pub(crate) fn date(text: &str) -> Result<civil::Date, Mistake> {
    match text.parse::<civil::Date>() {
        Ok(date) if has_form(text, "0000-00-00") && date.year() >= 1 => Ok(date),
        _ => Err(Mistake::new("invalid_date", "must be a day of the form YYYY-MM-DD")),
    }
}

/// A moment with its offset (RFC 3339), of the years 1 to 9999 in UTC.
pub(crate) fn datetime(text: &str) -> Result<Timestamp, Mistake> {
    let year = |moment: Timestamp| jiff::tz::Offset::UTC.to_datetime(moment).year();
    match text.parse::<Timestamp>() {
        Ok(moment) if (1..=9999).contains(&year(moment)) => Ok(moment),
        _ => Err(Mistake::new(
            "invalid_datetime",
            "must be a moment with its offset (RFC 3339), for example 2026-01-31T09:30:00Z",
        )),
    }
}

/// A time of day, `HH:MM:SS` with up to six digits of a second's fraction; `HH:MM` is what browsers send.
pub(crate) fn time(text: &str) -> Result<civil::Time, Mistake> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let has_form = has_form(clock, "00:00:00") || has_form(text, "00:00");
    let has_fraction = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    // jiff takes a leap second for the second before.
    match text.parse::<civil::Time>() {
        Ok(time) if has_form && has_fraction && !clock.ends_with(":60") => Ok(time),
        _ => Err(Mistake::new("invalid_time", "must be a time of day of the form HH:MM:SS, without a zone")),
    }
}

/// Whether `text` has digits where `form` has them, and is equal elsewhere.
fn has_form(text: &str, form: &str) -> bool {
    let fits = |(a, b): (u8, u8)| if b == b'0' { a.is_ascii_digit() } else { a == b };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}
