//! One owner per server, and how other commands of the project find the server.
//!
//! The owner holds a lock on the file `lock` as long as it lives; the kernel gives it back however the owner ends. The
//! description in `server.json` is believed only while the lock is held.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::RunningServer;
use super::error::PrivateServerError;
use super::poll::poll;
use crate::server_version::ServerVersion;

/// A command which asks whether a server runs holds the lock for an instant; an owner holds it much longer.
const OTHERS_MAY_LOOK: Duration = Duration::from_millis(500);

/// The lock of one home, held until dropped.
#[derive(Debug)]
pub(super) struct OwnerLock {
    _file: File,
    description: PathBuf,
}

impl OwnerLock {
    /// Takes the lock of `home`, or says who has it.
    pub(super) fn take(home: &Path) -> Result<OwnerLock, PrivateServerError> {
        let path = home.join("lock");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(PrivateServerError::io("open", &path))?;
        let locked = poll(OTHERS_MAY_LOOK, || match file.try_lock() {
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(source)) => Some(Err(source)),
            Ok(()) => Some(Ok(())),
        });
        let Some(locked) = locked else {
            let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            return Err(PrivateServerError::AlreadyRunning { pid, home: home.to_path_buf() });
        };
        locked.map_err(PrivateServerError::io("lock", &path))?;
        let description = home.join("server.json");
        let _ = fs::remove_file(&description);
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(PrivateServerError::io("write", &path))?;
        Ok(OwnerLock { _file: file, description })
    }

    /// Lets other commands find the server.
    pub(super) fn publish(&self, server: &RunningServer) -> Result<(), PrivateServerError> {
        let unfinished = self.description.with_extension("json.new");
        fs::write(&unfinished, server.to_json().to_string())
            .and_then(|()| fs::rename(&unfinished, &self.description))
            .map_err(PrivateServerError::io("write", &self.description))
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.description);
    }
}

/// The server described in `home`, if its owner lives.
pub(super) fn running(home: &Path) -> Option<RunningServer> {
    let file = File::open(home.join("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return None,
    }
    RunningServer::from_json(&serde_json::from_slice(&fs::read(home.join("server.json")).ok()?).ok()?)
}

impl RunningServer {
    fn to_json(&self) -> Value {
        json!({
            "owner": self.owner,
            "version": self.version.to_string(),
            "socket_dir": self.socket_dir,
            "port": self.port,
            "data_dir": self.data_dir,
            "bin_dir": self.bin_dir,
            "log": self.log,
        })
    }

    fn from_json(value: &Value) -> Option<RunningServer> {
        let path = |name: &str| value[name].as_str().map(PathBuf::from);
        Some(RunningServer {
            owner: value["owner"].as_u64()?.try_into().ok()?,
            version: ServerVersion::parse(value["version"].as_str()?)?,
            socket_dir: path("socket_dir")?,
            port: value["port"].as_u64()?.try_into().ok()?,
            data_dir: path("data_dir")?,
            bin_dir: path("bin_dir")?,
            log: path("log")?,
        })
    }
}
