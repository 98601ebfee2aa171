//! One cluster for each test process, one template for each set of entities, one database for each test.
//!
//! Always holds: two processes never share a cluster (a directory is locked by its server); a process begins with no
//! database of an earlier one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use hedgerow::database::migrate::{self, DataLoss};
use hedgerow::database::private_server::{
    Durability, PrivateServer, PrivateServerError, PrivateServerOptions,
};
use hedgerow::database::setup::{self, LoginProof};
use hedgerow::database::{DatabaseUrl, Logins};
use hedgerow::schema::{Identifier, Roles, Schema, model};
use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::NoTls;

/// A name that may log in without a password and that no setup makes: for a test that needs a role of its own.
pub const SPARE_LOGIN: &str = "spare_login";

struct Cluster {
    server: PrivateServer,
    /// Template databases by what they were made of.
    templates: Mutex<HashMap<String, String>>,
}

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database of a test's own, dropped at its end.
#[derive(Debug)]
pub struct TestDatabase {
    /// Its name.
    pub name: String,
    /// The logins of requests.
    pub logins: Logins,
    /// The login that owns the tables.
    pub owner: DatabaseUrl,
    /// The login that sees everything.
    pub superuser: DatabaseUrl,
    /// Another owner drops it.
    is_shared: bool,
}

/// A connection that holds locks or a snapshot.
pub struct Held {
    client: tokio_postgres::Client,
    driver: tokio::task::JoinHandle<()>,
}

impl Held {
    /// Undoes the transaction, and ends the connection.
    pub async fn release(self) {
        self.end("ROLLBACK").await;
    }

    /// Commits the transaction, and ends the connection.
    pub async fn commit(self) {
        self.end("COMMIT").await;
    }

    async fn end(self, how: &str) {
        self.client.batch_execute(how).await.expect("the transaction ends");
        drop(self.client);
        self.driver.await.expect("the driver ends");
    }
}

/// The TCP address of this process's cluster, where a login needs a password.
pub async fn cluster_address() -> (String, u16) {
    let url = cluster().await.server.url("postgres", "postgres");
    let port = url
        .rsplit_once("/postgres")
        .and_then(|(rest, _)| rest.rsplit_once(':'))
        .and_then(|(_, port)| port.parse().ok());
    ("127.0.0.1".to_owned(), port.unwrap_or(5432))
}

/// The superuser's URL of this process's cluster, for what needs a server but none of our tables.
pub async fn cluster_url() -> DatabaseUrl {
    cluster().await.url("postgres", "postgres")
}

impl TestDatabase {
    /// A database with Hedgerow's own tables and those of `schema`.
    pub async fn with(schema: &Schema) -> Self {
        let cluster = cluster().await;
        cluster.database(&cluster.template(Some(schema)).await).await
    }

    /// A database in which nothing was made yet, beside the roles.
    pub async fn empty() -> Self {
        let cluster = cluster().await;
        cluster.database(&cluster.template(None).await).await
    }

    /// Another database that is as this one is; nobody may be connected to this one meanwhile.
    pub async fn copy(&self) -> Self {
        cluster().await.database(&self.name).await
    }

    /// The same database for a second application; it goes with the first one's.
    pub fn shared(&self) -> Self {
        Self {
            name: self.name.clone(),
            logins: self.logins.clone(),
            owner: self.owner.clone(),
            superuser: self.superuser.clone(),
            is_shared: true,
        }
    }

    /// Runs statements as the superuser, past row-level security.
    pub async fn sql(&self, statements: &str) {
        run(&self.superuser, statements).await;
    }

    /// Runs statements as the owner of the tables.
    pub async fn owner_sql(&self, statements: &str) {
        run(&self.owner, statements).await;
    }

    /// Runs statements as the superuser and stays connected, with whatever they hold.
    pub async fn hold(&self, statements: &str) -> Held {
        let (client, driver) = connect(&self.superuser).await;
        client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
        Held { client, driver }
    }

    /// The values of the first column, as the superuser sees them, as text.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn column(&self, query: &str) -> Vec<String> {
        self.try_column(query).await.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// The same, or what the server said.
    ///
    /// # Errors
    /// The server's message.
    pub async fn try_column(&self, query: &str) -> Result<Vec<String>, String> {
        let (client, driver) = connect(&self.superuser).await;
        let answer = client.simple_query(query).await;
        drop(client);
        driver.await.expect("the driver ends");
        let message = |error: tokio_postgres::Error| {
            error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
        };
        let values = answer.map_err(message)?.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        });
        Ok(values.collect())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.is_shared {
            return;
        }
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let url = self.superuser.with_database("postgres");
        // A test's runtime may be ending right now; the statement gets its own.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run(&url, &statement));
        });
        let _ = dropping.join();
    }
}

async fn cluster() -> &'static Cluster {
    CLUSTER
        .get_or_init(|| async {
            let server = tokio::task::spawn_blocking(start).await.expect("the cluster starts");
            let cluster = Cluster { server, templates: Mutex::default() };
            cluster.make_fresh().await;
            cluster
        })
        .await
}

/// Takes the first directory that no other process uses.
fn start() -> PrivateServer {
    let user = rustix::process::getuid().as_raw();
    // Data of one PostgreSQL are not for another: each choice of it has its own directories.
    let chosen = ["HEDGEROW_POSTGRES_BIN", "HEDGEROW_POSTGRES_SEARCH"].map(std::env::var_os);
    let chosen = migrate::checksum(&format!("{chosen:?}"));
    let place = std::env::temp_dir().join(format!("hedgerow-tests-{user}")).join(&chosen[..8]);
    for slot in 0.. {
        let state: PathBuf = place.join(format!("slot-{slot}"));
        let mut logins = setup::login_names(&Roles::default()).to_vec();
        logins.extend([setup::PRIVATE_OWNER.to_owned(), SPARE_LOGIN.to_owned()]);
        // For what speaks TCP and passwords, such as a pooler.
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let options = PrivateServerOptions {
            durability: Durability::Throwaway,
            logins,
            port: Some(free.expect("a free port").port()),
            settings: vec![("max_connections".to_owned(), "300".to_owned())],
            ..PrivateServerOptions::new(&state)
        };
        match PrivateServer::start(&options, &mut |_| {}) {
            Ok(server) => return server,
            Err(PrivateServerError::AlreadyRunning { .. }) => {}
            // A throwaway cluster does not survive a crash of the machine; another one is made.
            Err(error) if slot > 100 => panic!("no cluster can be started: {error}"),
            Err(PrivateServerError::Ended { .. }) => {
                let _ = std::fs::remove_dir_all(&state);
            }
            Err(error) => panic!("no cluster can be started: {error}"),
        }
    }
    unreachable!("slots do not end")
}

impl Cluster {
    fn url(&self, login: &str, database: &str) -> DatabaseUrl {
        self.server.url(login, database).parse().expect("the server's own URL")
    }

    /// Removes what an earlier process left: databases, and the roles that setup makes anew.
    async fn make_fresh(&self) {
        let url = self.url("postgres", "postgres");
        let (client, driver) = connect(&url).await;
        let databases =
            "SELECT datname FROM pg_database WHERE datname ~ '^(test|template|hedgerow_scratch)_'";
        for row in client.query(databases, &[]).await.expect("databases are listed") {
            let name: String = row.get(0);
            client
                .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
                .await
                .expect("an old database goes");
        }
        for row in client
            .query(
                "SELECT rolname FROM pg_roles WHERE rolname LIKE 'hedgerow%' OR rolname LIKE 'test\\_%' OR rolname = $1",
                &[&SPARE_LOGIN],
            )
            .await
            .expect("roles")
        {
            let role: String = row.get(0);
            let drop = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
            client.batch_execute(&drop).await.expect("an old role goes");
        }
        drop(client);
        driver.await.expect("the driver ends");
    }

    async fn database(&self, template: &str) -> TestDatabase {
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let superuser = self.url("postgres", &name);
        let server = self.url("postgres", "postgres");
        run(&server, &format!("CREATE DATABASE {name} OWNER {} TEMPLATE {template}", setup::PRIVATE_OWNER))
            .await;
        // Rights on the database itself are not copied with it.
        run(&server, &format!("REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")).await;
        let login = |login: &str| superuser.with_login(login, None);
        let [tenant, auth, admin] = setup::login_names(&Roles::default()).map(|name| login(&name));
        let logins = Logins { tenant, auth: Some(auth), admin: Some(admin) };
        TestDatabase { name, logins, owner: login(setup::PRIVATE_OWNER), superuser, is_shared: false }
    }

    async fn template(&self, schema: Option<&Schema>) -> String {
        let key = fingerprint(schema);
        let mut templates = self.templates.lock().await;
        if let Some(name) = templates.get(&key) {
            return name.clone();
        }
        let name = format!("template_{}", &key[..16]);
        let superuser = self.url("postgres", &name);
        let database = Identifier::parse(&name).expect("a plain name");
        setup::create_private_database(&superuser, &database).await.expect("the template database is made");
        let owner = superuser.with_login(setup::PRIVATE_OWNER, None);
        let roles = Roles::default();
        setup::setup(&owner, &roles, LoginProof::Peer, None).await.expect("roles are set up");
        if let Some(schema) = schema {
            let made = migrate::draft(&owner, &roles, schema, DataLoss::Refuse, |_| {}).await;
            made.expect("the schema is applied");
        }
        templates.insert(key, name.clone());
        name
    }
}

fn fingerprint(schema: Option<&Schema>) -> String {
    migrate::checksum(&format!("{:?}", schema.map(|schema| model::expected(schema, &Roles::default(), ""))))
}

async fn run(url: &DatabaseUrl, statements: &str) {
    let (client, driver) = connect(url).await;
    client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    drop(client);
    driver.await.expect("the driver ends");
}

async fn connect(url: &DatabaseUrl) -> (tokio_postgres::Client, tokio::task::JoinHandle<()>) {
    let (client, connection) = tokio_postgres::connect(&url.to_string(), NoTls).await.expect("a connection");
    let driver = tokio::spawn(async move {
        let _ = connection.await;
    });
    (client, driver)
}
