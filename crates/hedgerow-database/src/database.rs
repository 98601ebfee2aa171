//! The database as the product sees it: a pool for each kind of work, and no way to it without an identity.

use hedgerow_schema::Roles;

use crate::error::Error;
use crate::flight::Flight;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::pool::{LongWork, Pool, PoolSettings, Work};
use crate::transaction::Transaction;
use crate::url::DatabaseUrl;

/// The logins of the serving program. Each may take only the roles of its own work, so what runs as a tenant cannot
/// become an administrator, whatever it says.
#[derive(Clone, Debug)]
pub struct Logins {
    /// Members of app and anon: the requests of tenants.
    pub tenant: DatabaseUrl,
    /// Member of auth; `None` uses the tenant's login, which is weaker.
    pub auth: Option<DatabaseUrl>,
    /// Member of admin; `None` uses the tenant's login, which is weaker.
    pub admin: Option<DatabaseUrl>,
}

/// Sign-in and administration need few connections beside the tenants' many.
const SIDE_CONNECTIONS: usize = 5;

/// Pools for tenants, sign-in and administration.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use hedgerow_database::{Database, Identity, Logins, PoolSettings};
/// let tenant = "postgresql://app@localhost/shop".parse()?;
/// let database = Database::open(&Logins { tenant, auth: None, admin: None }, PoolSettings::default(), Default::default());
/// let ann = Identity::User("ann".parse()?);
/// let rows = database.flight(&ann).rows("SELECT id, title FROM tasks", &[]).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Database {
    tenant: Pool,
    auth: Pool,
    admin: Pool,
    /// For the question whether the database answers, which must not wait behind tenants' requests.
    probe: Pool,
    roles: Roles,
}

impl Database {
    /// Opens no connection yet. Must be called within a tokio runtime.
    pub fn open(logins: &Logins, settings: PoolSettings, roles: Roles) -> Self {
        let side =
            PoolSettings { max_connections: settings.max_connections.min(SIDE_CONNECTIONS), ..settings };
        let side_pool =
            |url: &Option<DatabaseUrl>, role| Pool::new(url.as_ref().unwrap_or(&logins.tenant), side, role);
        Self {
            tenant: Pool::new(&logins.tenant, settings, &roles.app),
            auth: side_pool(&logins.auth, &roles.auth),
            admin: side_pool(&logins.admin, &roles.admin),
            probe: Pool::new(&logins.tenant, PoolSettings { max_connections: 1, ..settings }, &roles.anon),
            roles,
        }
    }

    /// Statements for `identity`, to be sent together.
    pub fn flight<'d>(&'d self, identity: &'d Identity) -> Flight<'d> {
        Flight::new(self.pool(identity), &self.roles, identity)
    }

    /// Opens a transaction for `identity`.
    ///
    /// # Errors
    /// When no connection is to be had, or the login may not take the identity's role.
    pub async fn transaction(&self, identity: &Identity) -> Result<Transaction, Error> {
        Transaction::begin(self.pool(identity), &self.roles, identity, Work::Other, None).await
    }

    /// Opens a transaction for `identity`, where `guard` holds, with the timeouts of `work`.
    ///
    /// # Errors
    /// [`Error::Unproven`] where it does not; else as [`Self::transaction`].
    pub async fn guarded_transaction(
        &self,
        identity: &Identity,
        work: Work,
        guard: Option<&Guard>,
    ) -> Result<Transaction, Error> {
        Transaction::begin(self.pool(identity), &self.roles, identity, work, guard).await
    }

    /// The right to keep a connection for as long as somebody else takes; so few have it that enough are left for everybody.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`]
    pub fn long_work(&self, identity: &Identity) -> Result<LongWork, Error> {
        self.pool(identity).long_work()
    }

    fn pool(&self, identity: &Identity) -> &Pool {
        match identity {
            Identity::User(_) | Identity::Anonymous => &self.tenant,
            Identity::Auth => &self.auth,
            Identity::Admin(_) | Identity::System { .. } => &self.admin,
        }
    }

    /// Asks as a tenant's request would, on a connection of its own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn answers(&self) -> Result<(), Error> {
        Flight::new(&self.probe, &self.roles, &Identity::Anonymous).execute("SELECT 1", &[]).await.map(drop)
    }

    /// Sends a query as the login itself, without an identity: what a flight is compared with.
    ///
    /// # Errors
    /// As a flight's.
    #[cfg(feature = "bench")]
    pub async fn plain_for_benchmarks(
        &self,
        query: &hedgerow_schema::Query,
        wanted: usize,
    ) -> Result<crate::JsonRows, Error> {
        crate::flight::plain(&self.tenant, query, wanted).await
    }

    /// The names of the roles.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Open connections of the tenants' pool, and how many of these are free.
    pub fn connections(&self) -> (usize, usize) {
        self.tenant.status()
    }

    /// How often an answer of the server was waited for since the start, over all pools: one for each flight, and for each
    /// step of a transaction.
    pub fn exchanges(&self) -> u64 {
        self.pools().iter().map(|(_, pool)| pool.exchanges()).sum()
    }

    pub(crate) fn pools(&self) -> [(&'static str, &Pool); 3] {
        [("tenant", &self.tenant), ("auth", &self.auth), ("admin", &self.admin)]
    }

    /// Closes all connections; waits for those that are being brought to rest.
    pub async fn close(&self) {
        for (_, pool) in self.pools() {
            pool.close().await;
        }
        self.probe.close().await;
    }
}
