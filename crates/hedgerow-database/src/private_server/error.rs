//! Why the private server could not be started or stopped.
//!
//! Every message says what happened and why; a line beginning with `hint:` says what to do. Causes are kept as
//! `source` and never repeated in the message.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server_version::ServerVersion;

/// An error of the private server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateServerError {
    /// Another process holds the lock of this project's server.
    #[error(
        "process {} already runs the PostgreSQL server in `{}`\n\
         hint: use that server, or stop that process first (Ctrl-C in its terminal)",
        pid.map_or("?".into(), |pid| pid.to_string()), home.display()
    )]
    AlreadyRunning {
        /// The process, when it has written its number already.
        pid: Option<u32>,
        /// The directory that both want to use.
        home: PathBuf,
    },

    /// An option cannot be passed on to PostgreSQL.
    #[error("{0} cannot be used for the private PostgreSQL server")]
    Option(String),

    /// A file operation failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// A program could not be run.
    #[error("cannot run `{program}`")]
    Run {
        /// The program.
        program: String,
        /// Why it failed.
        source: io::Error,
    },

    /// We are root and there is no other account to run PostgreSQL.
    #[error(
        "PostgreSQL refuses to run as root, and this system has no account `{}` to run it\n\
         hint: create one (`useradd --system postgres`), or name another in HEDGEROW_POSTGRES_USER",
        tried.join("`, `")
    )]
    NoAccount {
        /// The accounts looked for.
        tried: Vec<String>,
    },

    /// Our user id has no name, without which PostgreSQL neither runs nor lets us in.
    #[error(
        "the operating system has no name for the user who runs this program: {reason}\n\
         hint: add the user to /etc/passwd; PostgreSQL needs a name"
    )]
    NamelessUser {
        /// What `id` said.
        reason: String,
    },

    /// The account which runs PostgreSQL cannot get at a directory.
    #[error(
        "the account `{account}`, which runs PostgreSQL, cannot enter `{}`, so it does not reach `{}`\n\
         hint: allow it with `chmod o+x {}`, or move the directory",
        closed.display(), path.display(), closed.display()
    )]
    Unreachable {
        /// The account.
        account: String,
        /// The directory whose permissions stop it.
        closed: PathBuf,
        /// What it has to reach.
        path: PathBuf,
    },

    /// The server belongs to another user: as root, too, we do not write into somebody else's directory.
    #[error(
        "`{}` belongs to the user with the number {owner}, and this program runs as another user\n\
         hint: run Hedgerow as the user who created it, or remove the directory to begin with an empty database",
        path.display()
    )]
    ForeignHome {
        /// The directory of the server.
        path: PathBuf,
        /// The number of the user who owns it.
        owner: u32,
    },

    /// A link in the state directory leads out of the places that Hedgerow uses.
    #[error(
        "`{}` is a link to `{}`, which is not a place Hedgerow keeps data in\nhint: remove the link",
        link.display(), target.display()
    )]
    ForeignLink {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },

    /// The directory for the socket exists and cannot be trusted.
    #[error(
        "`{}`, the directory for the server's socket, belongs to another user or is writable by others\n\
         hint: remove it, or set TMPDIR to a directory of your own",
        .0.display()
    )]
    UntrustedSocketDirectory(PathBuf),

    /// No PostgreSQL that we can use.
    #[error(
        "no PostgreSQL {wanted} was found\n  looked in: {looked_in}\n  download: {download}\n\
         hint: install it with `{install}`, or name its `bin` directory in HEDGEROW_POSTGRES_BIN"
    )]
    NotFound {
        /// `15 or newer`, or `15` when existing data need that major version.
        wanted: String,
        /// Every place, and the unsuitable versions seen there.
        looked_in: String,
        /// Why there is no download.
        download: String,
        /// The command for this operating system.
        install: String,
    },

    /// A directory with PostgreSQL programs does not work.
    #[error(
        "PostgreSQL in `{}` cannot be used: {reason}\n\
         hint: the directory must contain working programs `postgres` and `initdb`, version {} or newer",
        bin_dir.display(), ServerVersion::OLDEST_MAJOR
    )]
    Unusable {
        /// The directory.
        bin_dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The data were written by another major version.
    #[error(
        "the data in `{}` belong to PostgreSQL {data}, and {found} cannot read them\n\
         hint: install PostgreSQL {data} with `{install}`, or move the data to the newer version with pg_upgrade, \
         or remove the directory to begin with an empty database",
        data_dir.display()
    )]
    OtherMajor {
        /// The data directory.
        data_dir: PathBuf,
        /// Its major version.
        data: u32,
        /// The PostgreSQL programs there are instead.
        found: String,
        /// The command that installs the right version on this operating system.
        install: String,
    },

    /// The download failed.
    #[error("cannot download PostgreSQL")]
    Download(#[source] DownloadError),

    /// initdb did not create the data directory.
    #[error(
        "initdb could not create the database cluster in `{}` ({status}):\n{output}\n\
         hint: correct what it complains about and start again; nothing was left behind",
        data_dir.display()
    )]
    Initdb {
        /// Where the data were to lie.
        data_dir: PathBuf,
        /// How initdb ended.
        status: String,
        /// What it said.
        output: String,
    },

    /// The server did not become ready, or ended.
    #[error("PostgreSQL {reason}\n{log_tail}\nhint: the whole log is in `{}`", log.display())]
    Ended {
        /// How it ended, or why it did not start.
        reason: String,
        /// The last lines of its log.
        log_tail: String,
        /// The log file.
        log: PathBuf,
    },

    /// The server had to be stopped the hard way. It is stopped.
    #[error(
        "PostgreSQL (process {pid}) did not stop within {} s and was stopped by {signal}; nothing that was \
         committed is lost\nhint: the next start takes longer, because it replays the log",
        after.as_secs()
    )]
    StoppedHard {
        /// Its process.
        pid: u32,
        /// What stopped it in the end.
        signal: &'static str,
        /// How long the clean stop was waited for.
        after: Duration,
    },

    /// Not even SIGKILL ended it.
    #[error(
        "PostgreSQL (process {pid}) does not end, not even by SIGKILL\n\
         hint: a process in this state waits for a disk or network file system; see the system's log"
    )]
    Unstoppable {
        /// Its process.
        pid: u32,
    },
}

impl PrivateServerError {
    /// For `map_err`: names what was being done to `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PrivateServerError {
        let path = path.to_path_buf();
        move |source| PrivateServerError::Io { action, path, source }
    }
}

/// Why the download failed. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The registry did not answer with the package.
    #[error("`{url}` did not answer\nhint: check the network and the registry that npm is configured for")]
    Request {
        /// The address of the package.
        url: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The package ended early.
    #[error("the connection broke while reading `{url}`\nhint: try again")]
    Interrupted {
        /// The address of the package.
        url: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The package is not the one we know.
    #[error(
        "`{url}` is not the package that Hedgerow was tested with: its SHA-512 is {found}, not {expected}; nothing \
         was unpacked\nhint: ask whoever runs the registry what it serves there"
    )]
    Checksum {
        /// The address of the package.
        url: String,
        /// What was served.
        found: String,
        /// What is pinned.
        expected: String,
    },
    /// The cache could not be written.
    #[error("cannot {action} `{}`", path.display())]
    Cache {
        /// What was being done, as a verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The programs do not run on this system.
    #[error(
        "the downloaded PostgreSQL in `{}` does not run here: {reason}\n\
         hint: install PostgreSQL with the system's package manager instead", bin_dir.display()
    )]
    DoesNotRun {
        /// Where it lies.
        bin_dir: PathBuf,
        /// What it said.
        reason: String,
    },
}

impl DownloadError {
    pub(super) fn cache(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DownloadError {
        let path = path.to_path_buf();
        move |source| DownloadError::Cache { action, path, source }
    }
}
