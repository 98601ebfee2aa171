//! Once for each database: the roles that requests take and the logins that may take them.
//!
//! Always holds: none of them is superuser, bypasses row-level security, creates roles or owns a table; a login is a
//! member of the roles of its own work and of no other.

use hedgerow_schema::diff::quote;
use hedgerow_schema::{Identifier, Roles, Sql};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};

use crate::database::Logins;
use crate::error::{Error, Meaning, ServerError};
use crate::owner::{Owner, from_driver};
use crate::url::DatabaseUrl;

/// How the logins prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginProof {
    /// By the operating system's user, as on a private server.
    Peer,
    /// By a password that is made here; an existing login keeps its own.
    Password,
    /// By a password that is made here, for existing logins too.
    NewPassword,
}

/// What [`setup`] made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// URLs for the serving program. Where a login existed and kept its password, its URL has none.
    pub logins: Logins,
    /// The logins whose password was kept.
    pub kept: Vec<String>,
    /// Whether searching uses its index.
    pub search: Search,
}

/// Whether `search=` finds rows by its index or by looking at all rows of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// By the index.
    Indexed,
    /// By looking at all of a user's rows: only a superuser can change that, with [`LET_SEARCH_USE_INDEX`].
    Scanned,
}

/// Lets `search=` use its index.
///
/// Row-level security keeps a condition from an index unless its function is marked as one that tells nothing about
/// rows it is not to show (manual, section 41.5). `@@` of words and a query is such a function: it raises no error that
/// depends on the words, and has no other effect than its result. PostgreSQL marks few functions, and only a
/// superuser can.
pub const LET_SEARCH_USE_INDEX: &str = "ALTER FUNCTION pg_catalog.ts_match_vq(tsvector, tsquery) LEAKPROOF";

/// Everything that may go wrong in [`setup`].
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A role has rights that would make row-level security void.
    #[error("the role {role} exists already and {attribute}; name another in [roles] or change it")]
    Unfit {
        /// The role.
        role: String,
        /// What is wrong with it.
        attribute: &'static str,
    },
    /// A role that another owner made, and that would have to change.
    #[error(
        "the role {role} belongs to another owner, and this one may not change it; run setup as a superuser, or give this \
         application roles of its own in [roles]"
    )]
    NotYours {
        /// The role.
        role: String,
        /// What the server said.
        #[source]
        source: Error,
    },
    /// The database reports an error.
    #[error("cannot set up the database")]
    Database(#[from] Error),
}

/// The login that owns the tables of a private server's database.
pub const PRIVATE_OWNER: &str = "hedgerow_owner";

/// Makes a database of a private server, and the login that owns it; `url` is the superuser's.
///
/// The owner is no superuser, so that a private database behaves as one on a managed host does.
///
/// # Errors
/// [`Error`]
pub async fn create_private_database(url: &DatabaseUrl, database: &Identifier) -> Result<(), Error> {
    let superuser = Owner::connect(&url.with_database("postgres")).await?;
    let exists = |sql: &'static str, name: String| {
        let client = &superuser.client;
        async move {
            let found = client.query_opt(sql, &[&name]).await;
            found
                .map(|row| row.is_some())
                .map_err(|source| from_driver("look for the private database", source))
        }
    };
    let owner = Identifier::joined(&[PRIVATE_OWNER]);
    if !exists("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", PRIVATE_OWNER.to_owned()).await? {
        let mut sql = Sql::new("CREATE ROLE ");
        sql.name(&owner).push(" LOGIN CREATEROLE CREATEDB");
        superuser.run(sql.text()).await?;
    }
    if !exists("SELECT FROM pg_catalog.pg_database WHERE datname = $1", database.to_string()).await? {
        let mut sql = Sql::new("CREATE DATABASE ");
        sql.name(database).push(" OWNER ").name(&owner);
        superuser.run(sql.text()).await?;
    }
    let extension = "SELECT FROM pg_catalog.pg_available_extensions WHERE name = $1";
    let has_statistics = exists(extension, "pg_stat_statements".to_owned()).await?;
    superuser.close().await;
    let inside = Owner::connect(&url.with_database(database.as_str())).await?;
    if has_statistics {
        // In a schema of its own: everything in `public` is a table of the application.
        inside.run("CREATE SCHEMA IF NOT EXISTS extensions").await?;
        inside.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA extensions").await?;
    }
    let marked = let_search_use_index(&inside).await;
    inside.close().await;
    marked.map(drop)
}

/// Marks the function of searching where the login may; says whether it is marked then.
async fn let_search_use_index(owner: &Owner) -> Result<Search, Error> {
    let asked = "SELECT p.proleakproof, r.rolsuper FROM pg_catalog.pg_proc p, pg_catalog.pg_roles r \
                 WHERE p.oid = 'pg_catalog.ts_match_vq(tsvector, tsquery)'::regprocedure AND r.rolname = current_user";
    let row = owner.client.query_one(asked, &[]).await;
    let row = row.map_err(|source| from_driver("look at the function of searching", source))?;
    match (row.get(0), row.get(1)) {
        (true, _) => Ok(Search::Indexed),
        (false, false) => Ok(Search::Scanned),
        (false, true) => owner.run(LET_SEARCH_USE_INDEX).await.map(|()| Search::Indexed),
    }
}

/// The login that belongs to a role: `<role>_login`.
pub fn login_name(role: &Identifier) -> String {
    let mut name = role.as_str().to_owned();
    name.truncate(57);
    format!("{name}_login")
}

/// The names of the three logins: of the tenants, of sign-in, of administration.
pub fn login_names(roles: &Roles) -> [String; 3] {
    [login_name(&roles.app), login_name(&roles.auth), login_name(&roles.admin)]
}

/// Whether the login of `url` sees all rows, whatever the policies say.
///
/// # Errors
/// When the database cannot be asked.
pub async fn passes_row_level_security(url: &DatabaseUrl) -> Result<bool, Error> {
    let login = Owner::connect(url).await?;
    let asked = "SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = session_user";
    let row = login.client.query_one(asked, &[]).await;
    login.close().await;
    Ok(row.map_err(|source| from_driver("look at the login", source))?.get(0))
}

/// Makes roles, logins and rights. May be run again; it changes nothing then.
///
/// `url` is the owner's, who may create roles.
///
/// # Errors
/// [`SetupError`]
///
/// `also` is a login of the user's own that may take all four roles, for those who serve with one login.
pub async fn setup(
    url: &DatabaseUrl,
    roles: &Roles,
    proof: LoginProof,
    also: Option<&str>,
) -> Result<Setup, SetupError> {
    let owner = Owner::connect(url).await?;
    let outcome = run(&owner, url, roles, proof, also).await;
    owner.close().await;
    outcome
}

async fn run(
    owner: &Owner,
    url: &DatabaseUrl,
    roles: &Roles,
    proof: LoginProof,
    also: Option<&str>,
) -> Result<Setup, SetupError> {
    let version = begin(owner).await?;
    for role in roles.all() {
        if existing(owner, role.as_str()).await?.is_none() {
            let mut sql = Sql::new("CREATE ROLE ");
            sql.name(role).push(" NOLOGIN NOINHERIT");
            owner.run(sql.text()).await?;
        }
    }
    let members: [(&Identifier, &[&Identifier]); 3] = [
        (&roles.app, &[&roles.app, &roles.anon]),
        (&roles.auth, &[&roles.auth]),
        (&roles.admin, &[&roles.admin]),
    ];
    let mut kept = Vec::new();
    let mut urls = Vec::new();
    for (role, may_take) in members {
        let name = login_name(role);
        let login = parsed(&name)?;
        let (password, was_kept) = make_login(owner, &login, proof).await?;
        if was_kept {
            kept.push(name.clone());
        }
        grant(owner, may_take, &login, version).await?;
        urls.push(url.with_login(&name, password));
    }
    if let Some(login) = also.and_then(|name| Identifier::parse(name).ok()) {
        grant(owner, &roles.all(), &login, version).await?;
    }
    restrict_public(owner, url).await?;
    owner.run("CREATE SCHEMA IF NOT EXISTS hedgerow").await?;
    let search = let_search_use_index(owner).await?;
    owner.run("COMMIT").await?;
    let [tenant, auth, admin] =
        <[DatabaseUrl; 3]>::try_from(urls).map_err(|_| Error::Protocol("three logins".into()))?;
    Ok(Setup { logins: Logins { tenant, auth: Some(auth), admin: Some(admin) }, kept, search })
}

/// The login of a Better Auth server that runs beside Hedgerow: `<role of sign-in>_node`.
pub fn better_auth_login_name(roles: &Roles) -> String {
    let mut name = roles.auth.as_str().to_owned();
    name.truncate(58);
    format!("{name}_node")
}

/// Makes the login of a Better Auth server that runs beside Hedgerow. Whoever connects with it to this database has the
/// role of sign-in at once, since such a server switches no roles. Returns its URL, without a password where it existed
/// and kept it.
///
/// `url` is the owner's. To be called after [`setup`], whose role it takes.
///
/// # Errors
/// [`SetupError`]
pub async fn better_auth_login(
    url: &DatabaseUrl,
    roles: &Roles,
    proof: LoginProof,
) -> Result<(DatabaseUrl, bool), SetupError> {
    let owner = Owner::connect(url).await?;
    let outcome = make_better_auth_login(&owner, url, roles, proof).await;
    owner.close().await;
    outcome
}

async fn make_better_auth_login(
    owner: &Owner,
    url: &DatabaseUrl,
    roles: &Roles,
    proof: LoginProof,
) -> Result<(DatabaseUrl, bool), SetupError> {
    let version = begin(owner).await?;
    let name = better_auth_login_name(roles);
    let login = parsed(&name)?;
    let (password, kept) = make_login(owner, &login, proof).await?;
    grant(owner, &[&roles.auth], &login, version).await?;
    // Until PostgreSQL 16, a role can be named here only by its members.
    let asked = "SELECT pg_catalog.pg_has_role(current_user, $1, 'MEMBER')";
    let is_member = owner.client.query_one(asked, &[&roles.auth.as_str()]).await;
    let is_member: bool = is_member.map_err(|source| from_driver("look for members", source))?.get(0);
    let joins = version < 160_000 && !is_member;
    let membership = |verb: &'static str, way: &'static str| {
        let mut sql = Sql::new(verb);
        sql.name(&roles.auth).push(way).push("CURRENT_USER");
        sql
    };
    if joins {
        let join = membership("GRANT ", " TO ");
        owner.run(join.text()).await.map_err(|error| not_yours(&roles.auth, error))?;
    }
    let database = quote(url.database());
    let sql = format!("ALTER ROLE {} IN DATABASE {database} SET role = '{}'", login.quoted(), roles.auth);
    owner.run(&sql).await.map_err(|error| not_yours(&login, error))?;
    if joins {
        owner.run(membership("REVOKE ", " FROM ").text()).await?;
    }
    owner.run("COMMIT").await?;
    Ok((url.with_login(&name, password), kept))
}

fn parsed(name: &str) -> Result<Identifier, Error> {
    Identifier::parse(name).map_err(|error| Error::Protocol(error.to_string()))
}

/// Begins a transaction in which no other setup of this database is at work. Returns the server's version.
async fn begin(owner: &Owner) -> Result<i32, Error> {
    owner.run("BEGIN").await?;
    // Two setups of one database come one after the other.
    owner.run("SELECT pg_advisory_xact_lock(7594868130424872823)").await?;
    let row = owner.client.query_one("SELECT current_setting('server_version_num')::int", &[]).await;
    Ok(row.map_err(|source| from_driver("read the server's version", source))?.get(0))
}

/// Makes a login, or finds it. Returns its password where it got one, and whether it kept one that is not known here.
async fn make_login(
    owner: &Owner,
    login: &Identifier,
    proof: LoginProof,
) -> Result<(Option<SecretString>, bool), SetupError> {
    let now = existing(owner, login.as_str()).await?;
    let password = match proof {
        LoginProof::Peer => None,
        LoginProof::Password if now.is_some() => None,
        LoginProof::Password | LoginProof::NewPassword => Some(new_password()),
    };
    // What another application's setup made on this server is used as it is.
    if now != Some(LOGIN_AS_MADE_HERE) || password.is_some() {
        let mut sql = Sql::new(if now.is_some() { "ALTER ROLE " } else { "CREATE ROLE " });
        sql.name(login).push(" LOGIN NOINHERIT");
        if let Some(password) = &password {
            // The verifier, so that the password stands in no log of the server.
            let verifier = postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes());
            sql.push(" PASSWORD ").literal(&verifier);
        }
        owner.run(sql.text()).await.map_err(|error| not_yours(login, error))?;
    }
    let kept = now.is_some() && password.is_none() && proof != LoginProof::Peer;
    Ok((password, kept))
}

/// Lets `login` take `roles`; it has their rights only while it does.
async fn grant(
    owner: &Owner,
    roles: &[&Identifier],
    login: &Identifier,
    version: i32,
) -> Result<(), SetupError> {
    for role in roles {
        // The option is new in PostgreSQL 16; before, every member could.
        // Several who grant it are several rows.
        let known = "SELECT EXISTS (SELECT FROM pg_catalog.pg_auth_members m \
                       WHERE m.roleid = to_regrole(quote_ident($1)) AND m.member = to_regrole(quote_ident($2)) \
                         AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))";
        let found = owner.client.query_one(known, &[&role.as_str(), &login.as_str()]).await;
        if found.map_err(|source| from_driver("look for members", source))?.get(0) {
            continue;
        }
        let mut sql = Sql::new("GRANT ");
        sql.name(role).push(" TO ").name(login);
        if version >= 160_000 {
            sql.push(" WITH INHERIT FALSE, SET TRUE");
        }
        owner.run(sql.text()).await.map_err(|error| not_yours(role, error))?;
    }
    Ok(())
}

fn not_yours(role: &Identifier, source: Error) -> SetupError {
    match source.server().map(ServerError::meaning) {
        Some(Meaning::NotAllowed) => SetupError::NotYours { role: role.to_string(), source },
        _ => source.into(),
    }
}

/// What a role is like that exists.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Existing {
    may_log_in: bool,
    inherits: bool,
}

const LOGIN_AS_MADE_HERE: Existing = Existing { may_log_in: true, inherits: false };

/// The role, if it exists; an unfit one is an error.
async fn existing(owner: &Owner, name: &str) -> Result<Option<Existing>, SetupError> {
    let sql = "SELECT rolsuper, rolbypassrls, rolcreaterole, \
               EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p')), \
               rolcanlogin, rolinherit \
               FROM pg_catalog.pg_roles r WHERE rolname = $1";
    let found = owner.client.query_opt(sql, &[&name]).await;
    let Some(row) = found.map_err(|source| from_driver("look for roles", source))? else { return Ok(None) };
    let faults = ["is superuser", "bypasses row-level security", "may create roles", "owns tables"];
    for (at, attribute) in faults.into_iter().enumerate() {
        if row.get::<_, bool>(at) {
            return Err(SetupError::Unfit { role: name.to_owned(), attribute });
        }
    }
    Ok(Some(Existing { may_log_in: row.get(4), inherits: row.get(5) }))
}

/// What everybody may do by default and nobody of ours needs: making objects beside ours, that a function or a
/// careless search path would meet first.
async fn restrict_public(owner: &Owner, url: &DatabaseUrl) -> Result<(), Error> {
    let mut statement = Sql::new("REVOKE TEMPORARY ON DATABASE ");
    match Identifier::parse(url.database()) {
        Ok(database) => {
            statement.name(&database).push(" FROM PUBLIC");
            owner.run(statement.text()).await?;
        }
        // A database whose name is no plain name keeps its default; `doctor` says so.
        Err(_) => tracing::warn!("the database's name is no plain name: TEMPORARY stays granted to PUBLIC"),
    }
    owner.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await
}

/// 192 random bits, in letters that need no escaping in a URL.
fn new_password() -> SecretString {
    #[expect(
        clippy::disallowed_methods,
        reason = "a password is made once, from the operating system's randomness"
    )]
    let mut random = rand::rng();
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let password: String =
        (0..33).map(|_| char::from(letters[random.random_range(0..letters.len())])).collect();
    SecretString::from(password)
}
