//! Who may read and write the rows of an entity, as data. What it means in SQL is written in `policy.rs` alone.

use crate::Condition;

/// Who may read rows, besides their owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Nobody.
    Owner,
    /// Everyone who is signed in.
    SignedIn,
    /// Everyone.
    Public,
}

/// Who may create, change and delete rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Every user their own rows.
    Owner,
    /// The same, said of an entity whose rows others read: everyone creates, owners edit their own.
    SignedIn,
    /// Users of role `admin`, all rows.
    Admin,
}

/// The `[access]` table of an entity file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who may read.
    pub read: Read,
    /// Who may write.
    pub write: Write,
    /// Which rows others may read, where not all; owners always read their own.
    pub published_when: Option<Condition>,
}

impl Default for Access {
    /// Closed unless opened: owners alone.
    fn default() -> Self {
        Self { read: Read::Owner, write: Write::Owner, published_when: None }
    }
}

impl Access {
    /// Whether rows are reference data: readable by others, written by admins only.
    ///
    /// Every tenant may point a relation at such a row; all other relations stay within one owner. Rows that wait to be
    /// published are not shared: a foreign key would tell that they are there.
    pub fn is_shared(&self) -> bool {
        self.read != Read::Owner && self.write == Write::Admin && self.published_when.is_none()
    }
}

impl Read {
    /// The words of the entity file.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("owner", Self::Owner), ("signed_in", Self::SignedIn), ("public", Self::Public)];
}

impl Write {
    /// The words of the entity file.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("owner", Self::Owner), ("signed_in", Self::SignedIn), ("admin", Self::Admin)];
}
