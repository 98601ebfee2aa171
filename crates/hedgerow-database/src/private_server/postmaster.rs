//! The server process as the operating system shows it: its pid file, whether it lives, how it is stopped.
//!
//! The pid file belongs to the server's account and outlives crashes and reboots, so its number may by now be any
//! process. It always holds that we signal only our own child, or a process that we have recognised as the server.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::error::PrivateServerError;
use super::poll::poll;

/// What `postmaster.pid` says (PostgreSQL: src/include/utils/pidfile.h).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: u32,
    /// The eighth line is `ready`: clients are let in.
    pub(super) is_ready: bool,
}

impl PidFile {
    pub(super) fn read(data_dir: &Path) -> Option<PidFile> {
        PidFile::parse(&fs::read_to_string(data_dir.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<PidFile> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        Some(PidFile { pid, is_ready: lines.nth(6).is_some_and(|status| status.trim() == "ready") })
    }
}

/// The live server of `data_dir`, whoever started it.
pub(super) fn alive(data_dir: &Path) -> Option<u32> {
    PidFile::read(data_dir).map(|file| file.pid).filter(|pid| is_server_of(*pid, data_dir))
}

/// A server works in its data directory, which nothing else does.
#[cfg(target_os = "linux")]
fn is_server_of(pid: u32, data_dir: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|directory| directory == data_dir)
}

/// Without /proc: the server was started with the data directory as its argument.
#[cfg(not(target_os = "linux"))]
fn is_server_of(pid: u32, data_dir: &Path) -> bool {
    let mut ps = std::process::Command::new("ps");
    let output = super::bounded_command::output_within(
        ps.args(["-o", "command=", "-p", &pid.to_string()]),
        Duration::from_secs(20),
    );
    output.is_ok_and(|output| {
        let command = String::from_utf8_lossy(&output.stdout);
        command.contains("postgres") && command.contains(&format!("-D {}", data_dir.display()))
    })
}

/// The kinds of shutdown (PostgreSQL manual, "Shutting Down the Server"), each with how long it is waited for: fast,
/// then immediate, then the one that nothing survives.
const STEPS: [(Signal, &str, Duration); 3] = [
    (Signal::INT, "SIGINT", Duration::from_secs(30)),
    (Signal::QUIT, "SIGQUIT", Duration::from_secs(10)),
    (Signal::KILL, "SIGKILL", Duration::from_secs(5)),
];

/// Stops the server `pid` and returns when `ended` says so.
///
/// # Errors
/// [`PrivateServerError::StoppedHard`] when the fast shutdown was not enough; the server has then ended, too.
pub(super) fn shut_down(pid: u32, mut ended: impl FnMut() -> bool) -> Result<(), PrivateServerError> {
    for (signal, name, patience) in STEPS {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have ended just now; `ended` tells.
            let _ = kill_process(pid, signal);
        }
        if poll(patience, || ended().then_some(())).is_some() {
            return match signal == Signal::INT {
                true => Ok(()),
                false => Err(PrivateServerError::StoppedHard { pid, signal: name, after: STEPS[0].2 }),
            };
        }
    }
    Err(PrivateServerError::Unstoppable { pid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_read_line_by_line() {
        fn check(text: &str, expected: Option<(u32, bool)>) {
            let expected = expected.map(|(pid, is_ready)| PidFile { pid, is_ready });
            assert_eq!(PidFile::parse(text), expected, "{text:?}");
        }
        check("4711\n/d\n1763800000\n5432\n/s\n\n  1 2\nready   \n", Some((4711, true)));
        check("4711\n/d\n1763800000\n5432\n/s\n\n  1 2\nstarting\n", Some((4711, false)));
        check("4711\n/d\n1763800000\n5432\n", Some((4711, false)));
        check("", None);
        check("-1\n", None);
    }

    #[test]
    fn another_process_is_not_taken_for_the_server() {
        let directory = tempfile::tempdir().unwrap();
        // Our own number: alive, and not a server.
        let text = format!("{}\n", std::process::id());
        fs::write(directory.path().join("postmaster.pid"), text).unwrap();
        assert_eq!(alive(directory.path()), None);
    }
}
