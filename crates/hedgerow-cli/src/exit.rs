//! How a command ends.

use std::process::ExitCode;

/// Exit statuses; scripts hold on to the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It is done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// It was called wrongly.
    Usage = 2,
    /// A check found a difference.
    Difference = 3,
    /// The database cannot be reached.
    Unreachable = 4,
    /// A defect.
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
