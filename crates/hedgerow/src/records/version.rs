//! Versions of rows as entity tags (RFC 9110, section 8.8.3), and what a client asks of them.
//!
//! Always holds: a tag changes with every change of the row, and with everything that the answer shows. Its first part is
//! the version of the row, by which a change is conditional; the second is of the answer's bytes, so that two answers
//! that show different fields of one row have different tags.

use data_encoding::HEXLOWER;
use hedgerow_database::JsonRows;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// One row as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneRow {
    /// Its id.
    pub id: String,
    /// A JSON object.
    pub object: Vec<u8>,
    version: Option<i64>,
}

impl OneRow {
    /// The first row of an answer whose rows have their ids and versions aside; there is one.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub fn first(rows: JsonRows) -> Result<Self, Error> {
        let [Some(id), version] = [0, 1].map(|at| rows.aside.first()?.get(at)?.clone()) else {
            return Err(Error::NotFound);
        };
        Ok(Self { id, object: rows.objects, version: version.and_then(|number| number.parse().ok()) })
    }

    /// The strong entity tag of the answer, in its quotes.
    pub fn tag(&self) -> Option<String> {
        let version = self.version?;
        let hash = Sha256::digest(&self.object);
        Some(format!("\"{version:x}-{}\"", HEXLOWER.encode(&hash[..8])))
    }
}

/// What `If-Match` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Nothing, or any version.
    #[default]
    Any,
    /// One of these versions.
    Versions(Vec<i64>),
}

impl Expected {
    /// Reads the value of `If-Match`. A tag that no row ever had, and a weak one, is the version of none.
    ///
    /// ```
    /// use hedgerow::records::Expected;
    /// assert_eq!(Expected::read("*"), Expected::Any);
    /// assert_eq!(Expected::read("\"ff-0123456789abcdef\", \"x\""), Expected::Versions(vec![255]));
    /// ```
    pub fn read(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        let version = |tag: &str| {
            let tag = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
            i64::from_str_radix(tag.split_once('-')?.0, 16).ok()
        };
        Self::Versions(text.split(',').filter_map(version).collect())
    }

    pub(crate) fn of_statement(&self) -> hedgerow_schema::statement::Expected<'_> {
        match self {
            Self::Any => hedgerow_schema::statement::Expected::Any,
            Self::Versions(versions) => hedgerow_schema::statement::Expected::Versions(versions),
        }
    }
}
