//! Behind a real PgBouncer in transaction mode, where a named statement or a session setting would reach another client.
//! Skipped, with a message, where `pgbouncer` is not installed.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hedgerow_database::{Database, DatabaseUrl, Error, Identity, Logins, PoolSettings};
use hedgerow_schema::statement::{self, Asker};
use hedgerow_schema::{Limits, ListQuery, Roles};
use hedgerow_testing::{TestDatabase, cluster_address};

use crate::flights::{notes, user};

struct Pooler {
    process: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|directory| directory.join("pgbouncer"))
        .find(|program| program.exists())
}

/// A pooler before `database`, with two server connections for everybody.
async fn pooler(database: &TestDatabase) -> Option<Pooler> {
    let program = installed()?;
    let (host, server_port) = cluster_address().await;
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    database.sql("ALTER ROLE hedgerow_app_login PASSWORD 'for the pooler'").await;
    std::fs::write(file("users"), "\"hedgerow_app_login\" \"for the pooler\"\n").expect("a file");
    let settings = format!(
        "[databases]\n{name} = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\n\
         max_client_conn = 200\nlogfile = {}\n",
        file("users"),
        file("log"),
        name = database.name
    );
    std::fs::write(file("ini"), settings).expect("a file");
    let mut command = Command::new(program);
    if rustix::process::getuid().is_root() {
        // It refuses to run as root, too.
        let nobody = "nobody";
        for (path, mode) in [(directory.path().to_path_buf(), 0o777), (file("users").into(), 0o644)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("rights");
        }
        command.args(["-u", nobody]);
    }
    let process =
        command.arg(file("ini")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgbouncer");
    let pooler = Pooler { process, directory, port };
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(pooler.directory.path().join("log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "pgbouncer does not listen: {}", log());
        tokio::task::yield_now().await;
    }
    Some(pooler)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_users_over_two_server_connections_never_meet() {
    let test = TestDatabase::with(&notes()).await;
    let Some(pooler) = pooler(&test).await else {
        println!("skipped: pgbouncer is not installed (Debian: apt-get install pgbouncer)");
        return;
    };
    test.sql(
        "INSERT INTO \"user\" (id, name, email) SELECT 'u' || n, 'U', n || '@example.com' FROM generate_series(0, 7) n;
         INSERT INTO notes (\"userId\", text) SELECT 'u' || n, 'of u' || n FROM generate_series(0, 7) n, generate_series(1, 5)",
    )
    .await;
    let url: DatabaseUrl = format!(
        "postgresql://hedgerow_app_login:for%20the%20pooler@127.0.0.1:{}/{}?pgbouncer=true",
        pooler.port, test.name
    )
    .parse()
    .expect("a URL");
    let logins = Logins { tenant: url, auth: None, admin: None };
    // Two programs, as two instances of a server are: their statements have the same names, if they have any.
    let settings = PoolSettings { acquire_timeout: Duration::from_secs(30), ..PoolSettings::default() };
    let programs = [0, 1].map(|_| Database::open(&logins, settings, Roles::default()));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        for database in programs.clone() {
            tasks.spawn(async move {
                let (me, schema) = (format!("u{n}"), notes());
                let identity = user(&me);
                let entity = schema.entity("notes").expect("notes");
                let query = ListQuery::parse(&schema, entity, &[("select", "userId,text")], Limits::default()).expect("a query");
                for round in 0..40 {
                    let built = statement::list(entity, &query, Asker::User(&me));
                    let rows = database.flight(&identity).json(&built, 100).await.expect("rows");
                    let text = String::from_utf8(rows.into_array()).expect("text");
                    assert_eq!(text.matches(&format!("\"userId\":\"{me}\"")).count(), 5, "round {round}: {text}");
                    assert_eq!(text.matches("userId").count(), 5, "round {round}: {text}");
                    // All rows that there are for this user, without saying whose.
                    let rows = database.flight(&identity).rows("SELECT \"userId\" FROM notes WHERE text <> $1", &[&"x"]);
                    let rows = rows.await.expect("rows");
                    assert!(rows.iter().all(|row| row.get::<&str>(0).expect("a text") == me));
                    if round % 10 == 0 {
                        let mut transaction = database.transaction(&identity).await.expect("a transaction");
                        transaction.execute("UPDATE notes SET text = text", &[]).await.expect("rows");
                        transaction.commit().await.expect("a commit");
                        assert!(database.flight(&identity).rows("SELECT 1/0", &[]).await.is_err());
                        let nobody = database.flight(&Identity::Anonymous).rows("SELECT coalesce(public.get_auth_user_id(), 'nobody'), current_setting('statement_timeout')", &[]).await.expect("nobody");
                        assert_eq!(nobody[0].get::<&str>(0).expect("a text"), "nobody");
                        assert_eq!(nobody[0].get::<&str>(1).expect("a text"), "30s");
                    }
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no mix-up");
    }
    let named = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'hedgerow_app_login'";
    assert_eq!(test.column(named).await, ["2"]);
    let error =
        programs[0].flight(&user("u0")).rows("SELECT 1 FROM nowhere", &[]).await.expect_err("no such table");
    assert!(matches!(error, Error::Server(_)), "{error:?}");
}
