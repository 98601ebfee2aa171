//! A checked PostgreSQL name: the only thing that can be written as a name into SQL.
//!
//! Always holds: 1 to 63 ASCII letters, digits and underscores, the first no digit; written in double quotes.

use std::fmt;

/// The longest name PostgreSQL keeps (`NAMEDATALEN - 1`, in bytes).
pub(crate) const MAX_BYTES: usize = 63;

/// A name of a table, column, role, index or constraint that is safe to write into SQL.
///
/// ```
/// use hedgerow_schema::Identifier;
/// let column = Identifier::parse("dueDate").unwrap();
/// assert_eq!(column.as_str(), "dueDate");
/// assert_eq!(column.quoted(), "\"dueDate\"");
/// assert!(Identifier::parse("x\"; DROP TABLE tasks").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(Box<str>);

/// Why a text is not an [`Identifier`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// More than 63 bytes: PostgreSQL would cut it off silently.
    #[error("a name has at most {MAX_BYTES} characters, this one has {0}")]
    TooLong(usize),
    /// A character outside `A-Z a-z 0-9 _`, or a digit in front.
    #[error(
        "a name consists of letters, digits and underscores and starts with no digit; {0:?} is not allowed here"
    )]
    Character(char),
}

impl Identifier {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`IdentifierError`] says what is not allowed.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.is_empty() {
            return Err(IdentifierError::Empty);
        }
        let wrong = text
            .chars()
            .enumerate()
            .find(|&(at, c)| !(c.is_ascii_alphabetic() || c == '_' || (at > 0 && c.is_ascii_digit())));
        if let Some((_, c)) = wrong {
            return Err(IdentifierError::Character(c));
        }
        if text.len() > MAX_BYTES {
            return Err(IdentifierError::TooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// A name made of `parts` joined by underscores, for indexes, constraints and triggers.
    ///
    /// `parts` are names themselves, or pieces of them that the program writes. A name that would be too long is cut and ends in a hash of the whole, so that two names stay two.
    ///
    /// # Panics
    /// When a part has characters that no name has.
    pub fn joined(parts: &[&str]) -> Self {
        let whole = parts.join("_");
        let is_name = matches!(Self::parse(&whole), Ok(_) | Err(IdentifierError::TooLong(_)));
        assert!(is_name, "{whole:?} is no name");
        if whole.len() <= MAX_BYTES {
            return Self(whole.into());
        }
        // FNV-1a: a name needs to be stable over versions of the compiler, which std's hasher does not promise.
        let hash = whole.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(format!("{}_{:08x}", &whole[..MAX_BYTES - 9], hash >> 32).into())
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in SQL.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_pass() {
        for good in ["a", "dueDate", "_x1", "A_b", &"n".repeat(63)] {
            assert_eq!(Identifier::parse(good).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", IdentifierError::Empty),
            ("1a", IdentifierError::Character('1')),
            ("a-b", IdentifierError::Character('-')),
            ("a\"b", IdentifierError::Character('"')),
            ("a b", IdentifierError::Character(' ')),
            ("größe", IdentifierError::Character('ö')),
            ("a\0", IdentifierError::Character('\0')),
        ] {
            assert_eq!(Identifier::parse(bad), Err(why), "{bad:?}");
        }
        assert_eq!(Identifier::parse(&"n".repeat(64)), Err(IdentifierError::TooLong(64)));
    }

    #[test]
    fn long_joined_names_stay_distinct_and_short() {
        let field = "f".repeat(63);
        let one = Identifier::joined(&["idx", "tasks", &field, "a"]);
        let two = Identifier::joined(&["idx", "tasks", &field, "b"]);
        assert_eq!(one.as_str().len(), MAX_BYTES);
        assert_ne!(one, two);
        assert_eq!(Identifier::joined(&["idx", "tasks", "status"]).as_str(), "idx_tasks_status");
    }
}
