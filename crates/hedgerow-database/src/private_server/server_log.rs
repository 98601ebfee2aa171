//! The log of the private server: PostgreSQL's stderr in a file that we own.
//!
//! One older log is kept, so that a restart does not destroy what explains the crash before it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Enough to see why a start failed.
const TAIL_LINES: usize = 15;

pub(super) struct ServerLog {
    path: PathBuf,
}

impl ServerLog {
    /// Begins a new log in `home`.
    pub(super) fn begin(home: &Path) -> ServerLog {
        let path = home.join("server.log");
        let _ = fs::rename(&path, home.join("server.log.1"));
        ServerLog { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file for the server to write to. Errors that it logs quote statements, so nobody else reads it.
    pub(super) fn open(&self) -> io::Result<File> {
        File::options().create(true).append(true).mode(0o600).open(&self.path)
    }

    pub(super) fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// What was written after the first `start` bytes.
    pub(super) fn since(&self, start: u64) -> String {
        let mut text = Vec::new();
        let _ = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.read_to_end(&mut text)
        });
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The last lines.
    pub(super) fn tail(&self) -> String {
        let text = self.since(self.len().saturating_sub(16 * 1024));
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}
