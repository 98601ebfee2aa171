//! A project in a temporary folder, and the program run on it.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hedgerow::database::{DatabaseUrl, Logins};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) const NOTES: &str =
    "name = \"notes\"\nfields.text = { type = \"text\" }\nfields.n = { type = \"integer\", unique = true }\n";

pub(crate) const SECRET: (&str, &str) = ("HEDGEROW_SECRET", "0123456789abcdef0123456789abcdef");

/// What names a database of one's own and its logins.
pub(crate) fn environment(logins: &Logins, owner: impl ToString) -> Vec<(&'static str, String)> {
    let url = |url: Option<&DatabaseUrl>| url.expect("a URL").to_string();
    vec![
        (SECRET.0, SECRET.1.to_owned()),
        ("DATABASE_URL", logins.tenant.to_string()),
        ("AUTH_DATABASE_URL", url(logins.auth.as_ref())),
        ("ADMIN_DATABASE_URL", url(logins.admin.as_ref())),
        ("DIRECT_DATABASE_URL", owner.to_string()),
        ("HEDGEROW_DATABASE_OUTDATED_SERVER", "warn".to_owned()),
        // Nobody balances load here.
        ("HEDGEROW_SERVER_DRAIN", "0s".to_owned()),
        // A test asks as often as it can.
        ("HEDGEROW_RATE_LIMIT_TIERS", "read=1000000/1s,write=1000000/1s,auth=1000000/1s".to_owned()),
    ]
}

pub(crate) struct Project {
    pub(crate) directory: tempfile::TempDir,
}

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Insists on an exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

impl Project {
    /// A folder that the server's account can enter, with one entity.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("rights");
        let project = Self { directory };
        project.write("hedgerow.toml", "");
        project.write("entities/notes.toml", NOTES);
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hedgerow"));
        command.arg("--project").arg(self.path()).args(arguments);
        // Nothing of the tester's own setup may decide a test.
        for name in [
            "DATABASE_URL",
            "AUTH_DATABASE_URL",
            "ADMIN_DATABASE_URL",
            "DIRECT_DATABASE_URL",
            "HEDGEROW_SECRET",
            "BETTER_AUTH_SECRET",
            "HOST",
            "PORT",
            "RUST_LOG",
        ] {
            command.env_remove(name);
        }
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with::<&str>(arguments, &[])
    }

    pub(crate) fn run_with<V: AsRef<OsStr>>(&self, arguments: &[&str], environment: &[(&str, V)]) -> Run {
        let environment = environment.iter().map(|(name, value)| (name, value));
        let output = self.command(arguments).envs(environment).output().expect("the program runs");
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).replace(&self.path().display().to_string(), "PROJECT")
        };
        Run { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Writes the entity files as a migration, and applies it.
    pub(crate) fn make_tables(&self) {
        self.run(&["migrate", "new", "init"]).expect(0);
        self.run(&["migrate", "apply"]).expect(0);
    }

    /// `hedgerow dev`, listening.
    pub(crate) fn dev(&self) -> Running {
        Running::start(self.command(&["dev", "--port", "0"]))
    }
}

/// Runs a command that reads this.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Run {
    use std::io::Write;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the program runs");
    process.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = process.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A server that runs in the background; killed at the end of the test.
pub(crate) struct Running {
    pub(crate) process: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    /// Starts `command` and waits until it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let said = Arc::new(Mutex::new(String::new()));
        let (mut lines, heard) = (BufReader::new(process.stderr.take().expect("piped")), said.clone());
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                heard.lock().expect("no panic").push_str(&std::mem::take(&mut line));
            }
        });
        Self { process, said }
    }

    /// The address of `hedgerow serve`.
    pub(crate) fn address(&mut self) -> String {
        let said = self.wait_for("\"serving\"");
        let address = said.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
        address.expect("an address").to_owned()
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("no panic").clone()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.wait_for_count(text, 1)
    }

    /// Waits until it has said this so many times.
    #[track_caller]
    pub(crate) fn wait_for_count(&mut self, text: &str, count: usize) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.said();
            if said.matches(text).count() >= count {
                return said;
            }
            let ended = self.process.try_wait().expect("a status");
            assert!(ended.is_none() && Instant::now() < deadline, "never said {text:?}, {ended:?}:\n{said}");
            std::thread::yield_now();
        }
    }

    /// The address, and the key of the request that it printed.
    pub(crate) fn address_and_key(&mut self) -> (String, String) {
        let said = self.wait_for("curl -H");
        let after = |start: &str| {
            let rest = said.split_once(start).map(|(_, rest)| rest).expect(start);
            rest.split(['\'', ',', '\n', '/']).next().expect("a word").to_owned()
        };
        (after("listening on http://"), after("Bearer "))
    }

    /// Stops it as Ctrl-C does.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        signal(self.process.id(), Signal::INT);
        let status = self.process.wait().expect("a status");
        (status.code(), self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Not with the command `kill`, which a small system does not have.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(pid, signal).expect("it runs");
}

/// GET with a key; the status and the body.
pub(crate) fn get(address: &str, key: &str, path: &str) -> (u16, String) {
    send(address, key, "GET", path, "")
}

/// Any request with a key and a body of JSON; the status and the body.
pub(crate) fn send(
    address: &str,
    key: &str,
    method: &str,
    path: &str,
    body: &(impl ToString + ?Sized),
) -> (u16, String) {
    use std::io::Write;
    let body = body.to_string();
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
