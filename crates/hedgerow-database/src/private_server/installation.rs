//! A PostgreSQL that is there to be run.
//!
//! Always holds: its programs were asked for their version, so they start on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::bounded_command::output_within;
use crate::server_version::ServerVersion;

/// A working pair of `postgres` and `initdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installation {
    pub(super) bin_dir: PathBuf,
    pub(super) version: ServerVersion,
}

impl Installation {
    /// Looks at the programs in `bin_dir`, through the links that distributions put on `PATH`. The error is the
    /// reason, as in "cannot be used: …".
    pub(super) fn at(bin_dir: &Path) -> Result<Installation, String> {
        let postgres =
            fs::canonicalize(bin_dir.join("postgres")).map_err(|error| format!("`postgres`: {error}"))?;
        let bin_dir = postgres.parent().unwrap_or(bin_dir).to_path_buf();
        if !bin_dir.join("initdb").is_file() {
            return Err("it has no `initdb`".into());
        }
        let output = output_within(Command::new(&postgres).arg("--version"), Duration::from_secs(20));
        let output = output.map_err(|error| format!("`postgres --version`: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = ServerVersion::parse(&text).filter(|_| output.status.success()).ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            format!("`postgres --version` says `{}{}`", text.trim(), complaint.trim())
        })?;
        Ok(Installation { bin_dir, version })
    }

    pub(super) fn suits(&self, major: Option<u32>) -> bool {
        major.map_or(self.version.major >= ServerVersion::OLDEST_MAJOR, |major| major == self.version.major)
    }
}
