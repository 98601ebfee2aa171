//! The real Better Auth, installed from its lock file beside the build, for tests that compare with it.
//!
//! Always holds: it is installed once for each process, and never where its sources are.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::node;

/// Better Auth and the programs that compare with it; `None` where there is no Node to run it.
#[derive(Clone)]
pub(crate) struct BetterAuth {
    pub(crate) folder: PathBuf,
}

/// A program of Node that runs in the background; killed at the end of the test.
pub(crate) struct Node {
    process: Child,
    /// What it printed when it was ready.
    pub(crate) ready: Value,
}

impl BetterAuth {
    pub(crate) fn install() -> Option<Self> {
        static INSTALLED: OnceLock<Option<BetterAuth>> = OnceLock::new();
        INSTALLED.get_or_init(Self::install_once).clone()
    }

    fn install_once() -> Option<Self> {
        let folder = node::install("tests/better-auth")?;
        Some(Self { folder })
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("node");
        command.arg(program).args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Better Auth's own schema, in this database.
    pub(crate) fn schema(&self, database: &str, arguments: &[&str]) -> String {
        self.schema_with("admin", database, arguments)
    }

    /// The same with these plugins.
    pub(crate) fn schema_with(&self, plugins: &str, database: &str, arguments: &[&str]) -> String {
        let mut command = self.command("schema.mjs", arguments);
        let run = command.envs([("DATABASE_URL", database), ("PLUGINS", plugins)]).output();
        let run = run.expect("node runs");
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).expect("text").trim().to_owned()
    }

    /// Runs a program to its end, which must be a good one; what it printed.
    #[track_caller]
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let run = self.command(program, arguments).output().expect("node runs");
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{program} {arguments:?}:\n{out}\n{err}");
        out.into_owned()
    }

    /// Starts a program that prints one line of JSON when it is ready.
    pub(crate) fn start(&self, program: &str, arguments: &[&str]) -> Node {
        let mut process = self.command(program, arguments).stdout(Stdio::piped()).spawn().expect("node runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{program}: {error}: {line}"));
        Node { process, ready }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
