//! The fields of an entity: what a value is, how PostgreSQL stores it and how JSON shows it.

use crate::{Bind, Identifier, SqlType};

/// One field: a JSON key and a column of the same name.
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
    /// What it was called before.
    pub renamed_from: Option<Identifier>,
}

/// What values a field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// One line of text, or several (`textarea`): the difference is for forms.
    Text(TextRules),
    /// Text over several lines.
    Textarea(TextRules),
    /// An e-mail address, as browsers check it.
    Email(TextRules),
    /// An http or https URL.
    Url(TextRules),
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
    Date,
    /// A moment, RFC 3339.
    Datetime,
    /// One of the named options.
    Select {
        /// At least one, each once.
        options: Vec<String>,
    },
    /// Any JSON value.
    Json,
    /// A row of another entity, or of the same.
    Relation(Relation),
}

/// Limits of a text, in characters (Unicode code points).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextRules {
    /// Fewest characters.
    pub min_length: Option<u32>,
    /// Most characters.
    pub max_length: Option<u32>,
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
    /// The names of the field types, as entity files write them.
    pub const NAMES: &'static [&'static str] = &[
        "text", "textarea", "integer", "number", "boolean", "date", "datetime", "select", "json", "email",
        "url", "relation",
    ];

    /// The name of the type, as entity files write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Textarea(_) => "textarea",
            Self::Email(_) => "email",
            Self::Url(_) => "url",
            Self::Integer { .. } => "integer",
            Self::Number(_) => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Select { .. } => "select",
            Self::Json => "json",
            Self::Relation(_) => "relation",
        }
    }

    /// How PostgreSQL stores it.
    pub fn sql_type(&self) -> SqlType {
        match self {
            Self::Text(_)
            | Self::Textarea(_)
            | Self::Email(_)
            | Self::Url(_)
            | Self::Select { .. }
            | Self::Relation(_) => SqlType::Text,
            Self::Integer { .. } => SqlType::Int8,
            Self::Number(_) => SqlType::Numeric,
            Self::Boolean => SqlType::Bool,
            Self::Date => SqlType::Date,
            Self::Datetime => SqlType::Timestamptz,
            Self::Json => SqlType::Jsonb,
        }
    }

    /// The limits, where the type is a free text.
    pub fn text_rules(&self) -> Option<TextRules> {
        match self {
            Self::Text(rules) | Self::Textarea(rules) | Self::Email(rules) | Self::Url(rules) => Some(*rules),
            _ => None,
        }
    }

    /// The relation, where it is one.
    pub fn relation(&self) -> Option<&Relation> {
        if let Self::Relation(relation) = self { Some(relation) } else { None }
    }
}

/// A decimal number, kept as the text it was written in.
///
/// ```
/// use hedgerow_schema::Decimal;
/// assert!(Decimal::parse("-12.50").unwrap() < Decimal::parse("3e2").unwrap());
/// assert!(Decimal::parse("1e999999").is_none());
/// assert!(Decimal::parse("NaN").is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Decimal {
    text: String,
    negative: bool,
    /// Significant digits without leading zeros; empty is zero.
    digits: Vec<u8>,
    /// The value is `0.digits * 10^exponent`.
    exponent: i32,
}

impl Decimal {
    /// Numbers beyond this many digits on either side of the point are refused: far more than anything counts,
    /// far less than PostgreSQL's own limit of 131,072.
    pub const MAX_DIGITS: i32 = 1000;

    /// Reads a JSON number or the same in a string. `None`: no number, or beyond [`Self::MAX_DIGITS`].
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) if power.len() <= 6 => (mantissa, power.parse::<i32>().ok()?),
            Some(_) => return None,
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || text.len() > 2000 {
            return None;
        }
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|&b| b == b'0').collect();
        let leading_zeros = i32::try_from(whole.len() + fraction.len() - digits.len()).ok()?;
        let exponent =
            if digits.is_empty() { 0 } else { i32::try_from(whole.len()).ok()? - leading_zeros + power };
        let kept = digits.iter().rposition(|&b| b != b'0').map_or(0, |last| last + 1);
        let number = Self { text: text.to_owned(), negative, digits: digits[..kept].to_vec(), exponent };
        (number.exponent <= Self::MAX_DIGITS && number.scale() <= Self::MAX_DIGITS).then_some(number)
    }

    /// The text it was read from; PostgreSQL reads the same.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one text that all ways of writing this value have in common.
    pub(crate) fn canonical(&self) -> String {
        let sign = if self.negative && !self.digits.is_empty() { "-" } else { "" };
        let digits = String::from_utf8_lossy(&self.digits);
        match usize::try_from(self.exponent) {
            Ok(whole) if whole >= digits.len() => format!("{sign}{digits}{}{}", "0".repeat(whole - digits.len()), if whole == 0 { "0" } else { "" }),
            Ok(whole) => format!("{sign}{}{}.{}", &digits[..whole], if whole == 0 { "0" } else { "" }, &digits[whole..]),
            Err(_) => format!("{sign}0.{}{digits}", "0".repeat(self.exponent.unsigned_abs() as usize)),
        }
    }

    /// Digits after the point that are not trailing zeros.
    pub fn scale(&self) -> i32 {
        (i32::try_from(self.digits.len()).unwrap_or(i32::MAX) - self.exponent).max(0)
    }

    /// Digits before the point.
    pub fn whole_digits(&self) -> i32 {
        self.exponent.max(0)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let sign = |n: &Self| match (n.digits.is_empty(), n.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let size = (self.exponent, &self.digits).cmp(&(other.exponent, &other.digits));
            if self.negative { size.reverse() } else { size }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_compare_by_value() {
        let sorted =
            ["-1e3", "-20", "-2.5", "-0.001", "0", "0.0009", "0.1", "2", "2.50", "10", "1.1e1", "1e3"];
        for pair in sorted.windows(2) {
            let (a, b) = (Decimal::parse(pair[0]).unwrap(), Decimal::parse(pair[1]).unwrap());
            assert!(a < b, "{a:?} < {b:?}");
        }
        for (a, b) in [("1.50", "1.5"), ("0", "-0.00"), ("100", "1e2"), ("0.01", "1e-2"), ("0010", "10")] {
            assert_eq!(Decimal::parse(a), Decimal::parse(b), "{a} = {b}");
        }
    }

    #[test]
    fn decimals_know_their_digits() {
        let check = |text: &str, whole: i32, scale: i32| {
            let number = Decimal::parse(text).unwrap();
            assert_eq!((number.whole_digits(), number.scale()), (whole, scale), "{text}");
        };
        check("0", 0, 0);
        check("12.50", 2, 1);
        check("0.001", 0, 3);
        check("1e5", 6, 0);
        check("1.25e1", 2, 1);
        check("-999.999", 3, 3);
        for bad in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e1001",
            "1e-1001",
            "0x1",
            "1 ",
            "٣",
            "1e9999999",
            "Infinity",
        ] {
            assert!(Decimal::parse(bad).is_none(), "{bad:?}");
        }
    }
}
