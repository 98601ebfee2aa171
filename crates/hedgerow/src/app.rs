//! The application: a database, the entities in use, time and randomness; and the library's way to a user's rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use hedgerow_database::{
    Database, Error as DatabaseError, Identity, Logins, PoolSettings, Row, ToSql, Transaction, UserId,
};
use hedgerow_schema::{Limits, Roles, Schema};
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::api_keys::{Addresses, KeySettings, Usage};
use crate::audit::{Audit, AuditOptions};
use crate::auth::{Auth, AuthOptions};
use crate::context::World;
use crate::memory::Memory;
use crate::rate_limit::{RateLimitSettings, RateLimits};
use crate::records::CursorKey;

/// What an [`App`] is opened with.
#[derive(Clone)]
pub struct AppOptions {
    /// Where the database is, for each kind of work.
    pub logins: Logins,
    /// Connections and timeouts.
    pub pool: PoolSettings,
    /// The names of the database roles.
    pub roles: Roles,
    /// How many rows a list has.
    pub limits: Limits,
    /// API keys.
    pub keys: KeySettings,
    /// Time and randomness.
    pub world: World,
    /// How many requests somebody may send; `None` is as many as they like.
    pub rate_limit: Option<RateLimitSettings>,
    /// Sign-in; `None` is one whose secret is made anew, so that sessions end with the program, and whose mail goes nowhere.
    pub auth: Option<AuthOptions>,
    /// How the audit trail of HTTP requests is kept; `None` keeps none.
    pub audit: Option<AuditOptions>,
}

impl AppOptions {
    /// Defaults for everything but the place of the database.
    pub fn new(logins: Logins) -> Self {
        Self {
            logins,
            pool: PoolSettings::default(),
            roles: Roles::default(),
            limits: Limits::default(),
            keys: KeySettings::default(),
            world: World::default(),
            rate_limit: None,
            auth: None,
            audit: Some(AuditOptions::default()),
        }
    }
}

/// An application on its database. Cheap to clone; all clones are one application.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use hedgerow::{App, AppOptions, Schema, database::Logins};
///
/// let tenant = "postgresql://hedgerow_app_login@localhost/shop".parse()?;
/// let app = App::open(AppOptions::new(Logins { tenant, auth: None, admin: None }), Schema::default());
///
/// let ann = "ann".parse()?;
/// for row in app.as_user(&ann).query("SELECT title FROM tasks WHERE status = $1", &[&"todo"]).await? {
///     println!("{}", row.get::<String>("title")?);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    schema: ArcSwap<Schema>,
    limits: Limits,
    key_settings: KeySettings,
    keys: Keys,
    world: World,
    auth: Auth,
    cursor_key: CursorKey,
    audit: Option<Audit>,
    rate_limits: Option<RateLimits>,
    is_leaving: AtomicBool,
    /// When the database last answered whoever asked whether it does.
    answered: Mutex<Option<Timestamp>>,
}

/// What is known of API keys between requests.
pub(crate) struct Keys {
    pub(crate) memory: Memory<Addresses>,
    pub(crate) usage: Arc<Usage>,
}

impl App {
    /// Opens no connection yet. Must be called within a tokio runtime.
    ///
    /// Whether the database is fit to serve from is another question: [`crate::checks::examine`].
    pub fn open(options: AppOptions, schema: Schema) -> Self {
        let database = Database::open(&options.logins, options.pool, options.roles);
        let auth = Auth::new(options.auth.unwrap_or_else(|| AuthOptions::for_itself(&options.world)));
        let audit = options.audit.map(|options| Audit::new(options, auth.secrets(), &database));
        let usage = Arc::new(Usage::new(database.clone(), options.keys.counted_after));
        let limits = options.rate_limit.as_ref();
        let rate_limits =
            limits.map(|settings| RateLimits::open(settings, &database, auth.secrets(), &options.world));
        let inner = Inner {
            database,
            cursor_key: CursorKey::new(auth.secrets()),
            auth,
            audit,
            key_settings: options.keys,
            keys: Keys { memory: Memory::default(), usage },
            rate_limits,
            is_leaving: AtomicBool::new(false),
            answered: Mutex::default(),
            schema: ArcSwap::from_pointee(schema),
            limits: options.limits,
            world: options.world,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Statements for a signed-in user: PostgreSQL shows and changes that user's rows alone.
    pub fn as_user(&self, id: &UserId) -> AsIdentity<'_> {
        AsIdentity { app: self, identity: Identity::User(id.clone()) }
    }

    /// Statements for nobody in particular: public rows alone.
    pub fn as_anonymous(&self) -> AsIdentity<'_> {
        AsIdentity { app: self, identity: Identity::Anonymous }
    }

    /// The entities in use.
    pub fn schema(&self) -> Arc<Schema> {
        self.inner.schema.load_full()
    }

    /// Uses other entities from now on; requests under way finish with the old ones.
    pub fn replace_schema(&self, schema: Schema) {
        self.inner.schema.store(Arc::new(schema));
    }

    /// How many rows a list has.
    pub fn limits(&self) -> Limits {
        self.inner.limits
    }

    /// What of API keys the application decides.
    pub fn key_settings(&self) -> KeySettings {
        self.inner.key_settings
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(crate) fn cursor_key(&self) -> &CursorKey {
        &self.inner.cursor_key
    }

    /// Time and randomness.
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// The database; every statement on it names its identity.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// Sign-in.
    pub fn auth(&self) -> &Auth {
        &self.inner.auth
    }

    /// The audit trail, where one is kept.
    pub fn audit(&self) -> Option<&Audit> {
        self.inner.audit.as_ref()
    }

    /// What counts requests, if anything does.
    pub fn rate_limits(&self) -> Option<&RateLimits> {
        self.inner.rate_limits.as_ref()
    }

    pub(crate) fn answered(&self) -> &Mutex<Option<Timestamp>> {
        &self.inner.answered
    }

    /// Says that this instance will end: it still answers, and `/readyz` turns new requests away to others.
    pub fn leave(&self) {
        self.inner.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Whether this instance will end soon.
    pub fn is_leaving(&self) -> bool {
        self.inner.is_leaving.load(Ordering::Relaxed)
    }

    /// Finishes what was to be done after answers, and closes all connections.
    pub async fn close(&self) {
        self.inner.auth.close().await;
        if let Some(audit) = &self.inner.audit {
            audit.close().await;
        }
        self.inner.keys.usage.close().await;
        if let Some(limits) = &self.inner.rate_limits {
            limits.close().await;
        }
        self.inner.database.close().await;
    }
}

/// The library's way to rows: statements that run as one identity.
///
/// Statement texts are `&'static str`: what a caller sent can only be a parameter.
pub struct AsIdentity<'a> {
    app: &'a App,
    identity: Identity,
}

impl AsIdentity<'_> {
    /// Runs one statement in one flight and returns its rows.
    ///
    /// # Errors
    /// The database's error; the statement then had no effect.
    ///
    /// ```no_run
    /// # async fn example(app: hedgerow::App, ann: hedgerow::UserId) -> Result<(), hedgerow::database::Error> {
    /// let rows = app.as_user(&ann).query(r#"SELECT id, title FROM tasks ORDER BY "createdAt" DESC"#, &[]).await?;
    /// let title: String = rows[0].get("title")?;
    /// # Ok(()) }
    /// ```
    pub async fn query(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.app.database().flight(&self.identity).rows(sql, parameters).await
    }

    /// Runs one statement in one flight and returns how many rows it read or changed.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn execute(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DatabaseError> {
        self.app.database().flight(&self.identity).execute(sql, parameters).await
    }

    /// Runs several statements as one transaction: committed when `work` returns `Ok`, rolled back when it returns
    /// `Err`, panics or is dropped.
    ///
    /// # Errors
    /// What `work` returned, or the database's error; nothing was written then.
    ///
    /// ```no_run
    /// # async fn example(app: hedgerow::App, ann: hedgerow::UserId) -> Result<(), hedgerow::database::Error> {
    /// let moved = app.as_user(&ann).transaction(async |tx| {
    ///     let done = tx.execute("UPDATE tasks SET status = 'done' WHERE status = $1", &[&"doing"]).await?;
    ///     tx.execute("INSERT INTO notes (text) VALUES ($1)", &[&"all done"]).await?;
    ///     Ok::<_, hedgerow::database::Error>(done)
    /// }).await?;
    /// # Ok(()) }
    /// ```
    pub async fn transaction<T, E>(
        &self,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DatabaseError>,
    {
        let mut transaction = self.app.database().transaction(&self.identity).await?;
        match work(&mut transaction).await {
            Ok(value) => {
                transaction.commit().await?;
                Ok(value)
            }
            Err(error) => {
                // The caller's error is what matters; a connection that breaks now rolls back by itself.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }
}
