//! Keeps the server running: one thread starts it, waits for its end, starts it again, and stops it when asked.
//!
//! The thread alone owns the child process, so nobody ever signals a process number that has been given away. It lives
//! as long as the server: the kernel's "stop when your parent dies" means the parent's thread.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::account::Launcher;
use super::error::PrivateServerError;
use super::postmaster::{self, PidFile};
use super::server_log::ServerLog;
use super::{Progress, ServerState};

/// After this many restarts within the window, the reason is not an accident.
const RESTARTS: usize = 5;
const RESTARTS_WINDOW: Duration = Duration::from_secs(60);

/// A start takes a tenth of a second; recovery after a crash replays the log, which can be long.
const READY: Duration = Duration::from_secs(60);
const READY_AFTER_RECOVERY: Duration = Duration::from_secs(30 * 60);

/// How long the processes of a killed server may keep its memory and pid file.
const LEFTOVERS: Duration = Duration::from_secs(10);

const WHILE_STARTING: Duration = Duration::from_millis(2);
const WHILE_RUNNING: Duration = Duration::from_millis(50);

/// All that is needed to start the server, as often as necessary.
pub(super) struct Server {
    pub(super) launcher: Launcher,
    pub(super) postgres: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) data_dir: PathBuf,
    pub(super) log: ServerLog,
}

/// The handle of the thread. Dropping it stops the server.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// Taken and dropped to ask for the end.
    keep_running: Option<Sender<()>>,
    thread: Option<JoinHandle<Result<(), PrivateServerError>>>,
    state: watch::Receiver<ServerState>,
}

impl Supervisor {
    /// Starts the server and returns when it lets clients in.
    pub(super) fn start(
        server: Server,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Supervisor, PrivateServerError> {
        let (keep_running, stop) = mpsc::channel();
        let (report, reports) = mpsc::sync_channel(8);
        let (publish, state) = watch::channel(ServerState::Starting { after: None });
        let thread = thread::Builder::new()
            .name("hedgerow-postgres".into())
            .spawn(move || Supervision { server, stop, publish }.run(report))
            .map_err(|source| PrivateServerError::Run {
                program: "a thread for PostgreSQL".into(),
                source,
            })?;
        let mut supervisor = Supervisor { keep_running: Some(keep_running), thread: Some(thread), state };
        // Ends when the thread drops its side: at the first `ready`, or with an error.
        reports.into_iter().for_each(progress);
        if matches!(*supervisor.state.borrow(), ServerState::Running { .. }) {
            return Ok(supervisor);
        }
        Err(match supervisor.stop() {
            Err(error) => error,
            Ok(()) => PrivateServerError::Run {
                program: "postgres".into(),
                source: io::Error::other("its supervision ended at once"),
            },
        })
    }

    pub(super) fn state(&self) -> watch::Receiver<ServerState> {
        self.state.clone()
    }

    /// Stops the server and waits for its end. The second call does nothing.
    pub(super) fn stop(&mut self) -> Result<(), PrivateServerError> {
        self.keep_running = None;
        // A panic of the thread has ended the server through the kernel, or leaves it to the next start.
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "the private PostgreSQL server was not stopped cleanly");
        }
    }
}

/// How one attempt to start the server ended.
enum Attempt {
    Ready(Child),
    /// We were asked to stop meanwhile, and the server is stopped.
    Stopped,
    /// Something of an earlier server is still there: worth another attempt.
    LeftoversInTheWay(PrivateServerError),
}

struct Supervision {
    server: Server,
    /// Nothing is ever sent: it ends when the handle is dropped.
    stop: Receiver<()>,
    publish: watch::Sender<ServerState>,
}

impl Supervision {
    fn run(self, report: SyncSender<Progress>) -> Result<(), PrivateServerError> {
        let Some(mut child) = self.bring_up(&|progress| drop(report.send(progress)))? else { return Ok(()) };
        let mut restarts: Vec<Instant> = Vec::new();
        let mut all_restarts = 0;
        self.publish.send_replace(ServerState::Running { pid: child.id(), restarts: all_restarts });
        drop(report);

        loop {
            let Some(mut reason) = self.wait_for_end(&mut child)? else {
                return postmaster::shut_down(child.id(), || has_ended(&mut child));
            };
            child = loop {
                restarts.retain(|restart| restart.elapsed() < RESTARTS_WINDOW);
                if restarts.len() >= RESTARTS {
                    let reason = format!(
                        "ended {RESTARTS} times within {} s, so it is not started again; the last time it {reason}",
                        RESTARTS_WINDOW.as_secs()
                    );
                    let error = self.ended(reason);
                    tracing::error!(%error, "the private PostgreSQL server keeps ending");
                    self.publish.send_replace(ServerState::Failed { reason: error.to_string() });
                    return Ok(());
                }
                restarts.push(Instant::now());
                all_restarts += 1;
                tracing::warn!(reason, "the private PostgreSQL server is started again");
                self.publish
                    .send_replace(ServerState::Starting { after: Some(format!("PostgreSQL {reason}")) });
                match self.bring_up(&|_| ()) {
                    Ok(Some(child)) => break child,
                    Ok(None) => return Ok(()),
                    Err(PrivateServerError::Ended { reason: again, .. }) => reason = again,
                    Err(error) => reason = format!("could not be started: {error}"),
                }
            };
            self.publish.send_replace(ServerState::Running { pid: child.id(), restarts: all_restarts });
        }
    }

    /// Starts the server and waits until it is ready; `None` when it was stopped before it was.
    fn bring_up(&self, report: &dyn Fn(Progress)) -> Result<Option<Child>, PrivateServerError> {
        let deadline = Instant::now() + LEFTOVERS;
        loop {
            if let Some(pid) = postmaster::alive(&self.server.data_dir) {
                // We hold the lock, so its owner is gone.
                report(Progress::Notice(format!(
                    "stopping the PostgreSQL server (process {pid}) of a Hedgerow process that was killed"
                )));
                let data_dir = &self.server.data_dir;
                let stopped = postmaster::shut_down(pid, || postmaster::alive(data_dir) != Some(pid));
                // However hard it had to be stopped, it is out of the way.
                if let Err(error @ PrivateServerError::Unstoppable { .. }) = stopped {
                    return Err(error);
                }
            }
            match self.attempt(report)? {
                Attempt::Ready(child) => return Ok(Some(child)),
                Attempt::Stopped => return Ok(None),
                Attempt::LeftoversInTheWay(error) if Instant::now() > deadline => return Err(error),
                Attempt::LeftoversInTheWay(_) => {
                    if self.asked_to_stop_within(WHILE_RUNNING) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn attempt(&self, report: &dyn Fn(Progress)) -> Result<Attempt, PrivateServerError> {
        let log = &self.server.log;
        let before = log.len();
        let started = Instant::now();
        let mut child = self.spawn()?;
        let mut log_read = before;
        let mut recovering = false;
        report(Progress::Starting);
        loop {
            if PidFile::read(&self.server.data_dir)
                .is_some_and(|file| file.pid == child.id() && file.is_ready)
            {
                return Ok(Attempt::Ready(child));
            }
            if let Some(status) = child.try_wait().map_err(|e| self.cannot("wait for", e))? {
                let said = log.since(before);
                let error =
                    self.ended(why_it_ended(&said).unwrap_or_else(|| format!("did not start ({status})")));
                return match LEFTOVERS_IN_THE_WAY.iter().any(|text| said.contains(text)) {
                    true => Ok(Attempt::LeftoversInTheWay(error)),
                    false => Err(error),
                };
            }
            if !recovering && log.len() > log_read {
                log_read = log.len();
                recovering = log.since(before).contains("automatic recovery in progress");
                if recovering {
                    report(Progress::Recovering);
                }
            }
            let limit = if recovering { READY_AFTER_RECOVERY } else { READY };
            if started.elapsed() > limit {
                postmaster::shut_down(child.id(), || has_ended(&mut child))?;
                return Err(self.ended(format!("did not become ready within {} s", limit.as_secs())));
            }
            if self.asked_to_stop_within(WHILE_STARTING) {
                postmaster::shut_down(child.id(), || has_ended(&mut child))?;
                return Ok(Attempt::Stopped);
            }
        }
    }

    fn spawn(&self) -> Result<Child, PrivateServerError> {
        let log = self.server.log.open().map_err(PrivateServerError::io("open", self.server.log.path()))?;
        let errors = log.try_clone().map_err(PrivateServerError::io("open", self.server.log.path()))?;
        let mut command = self.server.launcher.command(&self.server.postgres);
        command.args(&self.server.arguments).stdin(Stdio::null()).stdout(log).stderr(errors);
        // Ctrl-C goes to the whole process group of the terminal: the server must hear it from us only.
        command.process_group(0);
        command.spawn().map_err(|error| self.cannot("run", error))
    }

    /// Waits while the server runs. `None`: we are asked to stop it; else how it ended.
    fn wait_for_end(&self, child: &mut Child) -> Result<Option<String>, PrivateServerError> {
        loop {
            if self.asked_to_stop_within(WHILE_RUNNING) {
                return Ok(None);
            }
            if let Some(status) = child.try_wait().map_err(|e| self.cannot("wait for", e))? {
                return Ok(Some(format!("ended by itself ({status})")));
            }
        }
    }

    fn asked_to_stop_within(&self, time: Duration) -> bool {
        matches!(self.stop.recv_timeout(time), Err(RecvTimeoutError::Disconnected))
    }

    fn ended(&self, reason: String) -> PrivateServerError {
        let log = &self.server.log;
        PrivateServerError::Ended { reason, log_tail: log.tail(), log: log.path().to_path_buf() }
    }

    fn cannot(&self, action: &'static str, source: io::Error) -> PrivateServerError {
        PrivateServerError::Io { action, path: self.server.postgres.clone(), source }
    }
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

/// What PostgreSQL says when an earlier server of the same data has not quite gone yet.
const LEFTOVERS_IN_THE_WAY: [&str; 2] = ["lock file \"postmaster.pid\" already exists", "is still in use"];

/// The cause in our words, where PostgreSQL's are known and do not say what to do.
fn why_it_ended(said: &str) -> Option<String> {
    let port = said.split_once("could not bind IPv4 address \"127.0.0.1\"").map(|_| {
        "did not start: another program uses its port; choose another one, or none and connect by the socket"
    });
    port.map(String::from)
}
