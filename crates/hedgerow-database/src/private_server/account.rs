//! The operating system's user that runs PostgreSQL, and how a program is started as that user.
//!
//! PostgreSQL refuses to run as root. So when we are root, an unprivileged account runs it; else we run it ourselves.
//! What is started here never sees our environment variables, which may hold secrets.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Environment;
use super::bounded_command::output_within;
use super::error::PrivateServerError;

/// More than any of the small commands here needs, even on a busy machine.
const SHORT: Duration = Duration::from_secs(20);

/// An unprivileged account that runs PostgreSQL in place of root.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The account to use for a new cluster; `None` when we are not root.
    pub(super) fn choose(environment: Environment<'_>) -> Result<Option<Account>, PrivateServerError> {
        if !we_are_root() {
            return Ok(None);
        }
        let named = environment("HEDGEROW_POSTGRES_USER").filter(|name| !name.is_empty());
        let candidates = match named {
            Some(name) => vec![name.to_string_lossy().into_owned()],
            None => ["postgres", "_postgres", "nobody"].map(String::from).to_vec(),
        };
        for name in &candidates {
            if let (Ok(uid), Ok(gid)) = (id(&["-u", name]), id(&["-g", name]))
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
                && uid != 0
            {
                return Ok(Some(Account { name: name.clone(), uid, gid }));
            }
        }
        Err(PrivateServerError::NoAccount { tried: candidates })
    }

    /// The account that owns existing data: only it can run them, whatever `choose` would say today.
    pub(super) fn owning(data_dir: &Path) -> Result<Option<Account>, PrivateServerError> {
        let metadata = fs::metadata(data_dir).map_err(PrivateServerError::io("read", data_dir))?;
        let (uid, gid) = (metadata.uid(), metadata.gid());
        if !we_are_root() {
            return Ok(None);
        }
        let name = id(&["-un", &uid.to_string()]).unwrap_or_else(|_| uid.to_string());
        Ok(Some(Account { name, uid, gid }))
    }

    /// The first directory on the way to `path` that the account cannot enter. Directories that do not exist yet
    /// count as open. Only mode bits are looked at: access lists and further groups may open more than this knows.
    pub(super) fn closed_directory(&self, path: &Path) -> Option<PathBuf> {
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        way.into_iter().find(|directory| !self.can_enter(directory)).map(Path::to_path_buf)
    }

    fn can_enter(&self, directory: &Path) -> bool {
        let Ok(metadata) = fs::metadata(directory) else { return true };
        let enter = match (metadata.uid() == self.uid, metadata.gid() == self.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        metadata.mode() & enter != 0
    }
}

pub(super) fn we_are_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(super) fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The name under which PostgreSQL's peer authentication sees us.
pub(super) fn our_name() -> Result<String, PrivateServerError> {
    id(&["-un"]).map_err(|reason| PrivateServerError::NamelessUser { reason })
}

/// Asks `id`, which also knows the accounts that are not in /etc/passwd (directory services, LDAP).
fn id(arguments: &[&str]) -> Result<String, String> {
    let output =
        output_within(Command::new("id").args(arguments), SHORT).map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Starts programs as the account, so that they end with us where the system can do that.
pub(super) struct Launcher {
    account: Option<Account>,
    /// util-linux's `setpriv`: with it the kernel tells PostgreSQL to stop when we are killed.
    setpriv: Option<PathBuf>,
    directory: PathBuf,
    kept_variables: Vec<(&'static str, std::ffi::OsString)>,
}

impl Launcher {
    /// Tries the ways to start the programs in `bin_dir` and keeps the best that works. The programs will find
    /// themselves in `directory`.
    pub(super) fn new(
        account: Option<Account>,
        bin_dir: &Path,
        directory: &Path,
        environment: Environment<'_>,
    ) -> Result<Launcher, PrivateServerError> {
        let kept =
            ["PATH", "LD_LIBRARY_PATH"].into_iter().filter_map(|name| Some((name, environment(name)?)));
        let mut launcher = Launcher {
            account,
            setpriv: None,
            directory: directory.to_path_buf(),
            kept_variables: kept.collect(),
        };
        let postgres = bin_dir.join("postgres");
        launcher.setpriv = find_setpriv(environment);
        if launcher.setpriv.is_some() && launcher.try_out(&postgres).is_ok() {
            return Ok(launcher);
        }
        launcher.setpriv = None;
        match (launcher.try_out(&postgres), &launcher.account) {
            (Ok(()), _) => Ok(launcher),
            (Err(reason), Some(account)) => Err(match account.closed_directory(bin_dir) {
                Some(closed) => PrivateServerError::Unreachable {
                    account: account.name.clone(),
                    closed,
                    path: bin_dir.to_path_buf(),
                },
                None => PrivateServerError::Unusable { bin_dir: bin_dir.to_path_buf(), reason },
            }),
            (Err(reason), None) => {
                Err(PrivateServerError::Unusable { bin_dir: bin_dir.to_path_buf(), reason })
            }
        }
    }

    /// A command that runs `program` as the account. PDEATHSIG follows the thread that spawns it: that thread must
    /// live as long as the program is to run.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = match &self.setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.arg("--pdeathsig=INT");
                if let Some(Account { uid, gid, .. }) = &self.account {
                    command.args([format!("--reuid={uid}"), format!("--regid={gid}")]).arg("--clear-groups");
                }
                command.arg("--").arg(program);
                command
            }
            None => {
                let mut command = Command::new(program);
                if let Some(Account { uid, gid, .. }) = &self.account {
                    command.uid(*uid).gid(*gid);
                }
                command
            }
        };
        command.current_dir(&self.directory).env_clear().envs(self.kept_variables.iter().cloned());
        // The log is read by us (`supervisor.rs`), so it is in English; macOS wants a valid locale here.
        command.env("LC_ALL", "C");
        command
    }

    fn try_out(&self, postgres: &Path) -> Result<(), String> {
        let output = output_within(self.command(postgres).arg("--version"), SHORT);
        match output.map_err(|error| error.to_string())? {
            output if output.status.success() => Ok(()),
            output => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

fn find_setpriv(environment: Environment<'_>) -> Option<PathBuf> {
    let path = environment("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("setpriv")).find(|file| file.is_file())
}
