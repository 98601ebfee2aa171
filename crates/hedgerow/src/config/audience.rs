//! Who may read what tells nothing of rows, such as the description of the API.

use super::{Config, Mode};

/// Who may read something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everyone.
    Public,
    /// Whoever is signed in, or has a key.
    SignedIn,
}

impl Audience {
    /// The word of the setting; `None` where nothing is set.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "public" => Some(Self::Public),
            "signed_in" => Some(Self::SignedIn),
            _ => None,
        }
    }
}

impl Config {
    /// Who may read the description of the API: where nobody said it, everyone in development, and whoever is signed in
    /// elsewhere.
    pub fn openapi(&self, mode: Mode) -> Audience {
        let default = if mode == Mode::Development { Audience::Public } else { Audience::SignedIn };
        self.openapi.unwrap_or(default)
    }
}
