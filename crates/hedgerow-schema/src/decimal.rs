//! A decimal number that keeps its digits: compared by value, never rounded.

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
            _ if digits.is_empty() => "0".to_owned(),
            Ok(whole) if whole >= digits.len() => {
                format!("{sign}{digits}{}", "0".repeat(whole - digits.len()))
            }
            Ok(0) => format!("{sign}0.{digits}"),
            Ok(whole) => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
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
