//! Runs a short command to its end, with a limit: a command that hangs never hangs us.

use std::io;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::poll::poll;

/// The output of `command`, which is killed after `limit`.
///
/// For commands that print less than a pipe holds (16 KiB): nobody reads before the command has ended.
///
/// # Errors
/// When it cannot be started, and `TimedOut` when it was killed.
pub(super) fn output_within(command: &mut Command, limit: Duration) -> io::Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A program that was written just now is "busy" while a child of another thread, which has not come to its own
    // program yet, holds the file open.
    let spawned = poll(Duration::from_secs(1), || match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => None,
        spawned => Some(spawned),
    });
    let mut child = spawned.unwrap_or_else(|| Err(io::ErrorKind::ExecutableFileBusy.into()))?;
    if poll(limit, || child.try_wait().transpose()).is_none() {
        child.kill()?;
        child.wait()?;
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no end after {} s", limit.as_secs())));
    }
    child.wait_with_output()
}
