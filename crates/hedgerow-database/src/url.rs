//! Where a database is: a libpq URL, with the parameters that other tools put there understood instead of refused.
//!
//! Always holds: a password is held as a secret and never shown; an unknown parameter is an error that names it.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

/// A parsed connection URL.
///
/// Besides libpq's own parameters (PostgreSQL manual, section 34.1.2) it understands `pgbouncer`, `connection_limit`,
/// `pool_timeout`, `statement_cache_size` and `schema`, which other tools' documentation puts into `DATABASE_URL`.
///
/// ```
/// use hedgerow_database::DatabaseUrl;
/// let url: DatabaseUrl = "postgresql://app:secret@db.example:6543/shop?pgbouncer=true".parse().unwrap();
/// assert!(url.is_transaction_pooler());
/// assert_eq!(url.to_string(), "postgresql://app@db.example:6543/shop");
/// assert!("postgresql://db.example/shop?colour=red".parse::<DatabaseUrl>().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct DatabaseUrl {
    /// Tried in order.
    pub(crate) addresses: Vec<Address>,
    pub(crate) user: String,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: String,
    pub(crate) application_name: Option<String>,
    pub(crate) options: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) tls: TlsMode,
    pub(crate) root_certificate: Option<PathBuf>,
    pooler: bool,
    connection_limit: Option<usize>,
    pool_timeout: Option<Duration>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// The socket file.
    Unix(PathBuf),
}

/// How far TLS is insisted on, as libpq's `sslmode` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// Never.
    Disable,
    /// Where the server offers it; the certificate is not checked.
    Prefer,
    /// Always; the certificate is not checked, as in libpq.
    Require,
    /// Always, and certificate and name are checked (`verify-ca` and `verify-full`).
    Verify,
}

/// Why a text is no connection URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not `postgresql://` or `postgres://`.
    #[error("a database URL starts with postgresql://, as in postgresql://user:password@host:5432/database")]
    Scheme,
    /// A parameter that nobody understands.
    #[error("the database URL has the parameter `{0}`, which is not understood; remove it")]
    UnknownParameter(String),
    /// A parameter whose value is wrong.
    #[error("the parameter `{name}` of the database URL is {wanted}, not {found:?}")]
    Value {
        /// The parameter.
        name: String,
        /// What it should be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// What libpq's syntax does not allow.
    #[error("the database URL cannot be read")]
    Syntax(#[source] SyntaxError),
    /// No user, and nobody to take the name from.
    #[error("the database URL names no user; write postgresql://USER@host/database")]
    NoUser,
}

/// The reason behind [`UrlError::Syntax`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SyntaxError(String);

impl std::str::FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if !text.starts_with("postgresql://") && !text.starts_with("postgres://") {
            return Err(UrlError::Scheme);
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut own = Own::default();
        let mut left = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !own.take(name, &decode(value)?)? {
                left.push(part);
            }
        }
        let libpq = format!("{base}?{}", left.join("&"));
        // The driver's message may repeat the URL; only the reason is kept.
        let config: tokio_postgres::Config = libpq.parse().map_err(|error: tokio_postgres::Error| {
            let reason =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            match reason.strip_prefix("unknown option `").and_then(|rest| rest.strip_suffix('`')) {
                Some(name) => UrlError::UnknownParameter(name.to_owned()),
                None => UrlError::Syntax(SyntaxError(reason)),
            }
        })?;
        let user = config.get_user().map(str::to_owned).ok_or(UrlError::NoUser)?;
        let port = |at: usize| {
            let ports = config.get_ports();
            ports.get(at).or(if ports.len() == 1 { ports.first() } else { None }).copied().unwrap_or(5432)
        };
        let addresses = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
            tokio_postgres::config::Host::Tcp(name) => Address::Tcp(name.clone(), port(at)),
            tokio_postgres::config::Host::Unix(directory) => {
                Address::Unix(directory.join(format!(".s.PGSQL.{}", port(at))))
            }
        });
        let mut addresses: Vec<_> = addresses.collect();
        if addresses.is_empty() {
            addresses.push(Address::Tcp("localhost".to_owned(), port(0)));
        }
        let looks_pooled = addresses.iter().any(|address| match address {
            Address::Tcp(host, port) => *port == 6543 || host.contains("pooler"),
            Address::Unix(_) => false,
        });
        Ok(Self {
            addresses,
            database: config.get_dbname().map_or_else(|| user.clone(), str::to_owned),
            user,
            password: config
                .get_password()
                .map(|password| SecretString::from(String::from_utf8_lossy(password).into_owned())),
            application_name: config.get_application_name().map(str::to_owned),
            options: config.get_options().map(str::to_owned),
            connect_timeout: config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(10)),
            tls: own.tls.unwrap_or(TlsMode::Prefer),
            root_certificate: own.root_certificate,
            pooler: own.pooler.unwrap_or(looks_pooled),
            connection_limit: own.connection_limit,
            pool_timeout: own.pool_timeout,
        })
    }
}

/// The parameters that are read here and not by the driver.
#[derive(Default)]
struct Own {
    tls: Option<TlsMode>,
    root_certificate: Option<PathBuf>,
    pooler: Option<bool>,
    connection_limit: Option<usize>,
    pool_timeout: Option<Duration>,
}

impl Own {
    /// Whether `name` is one of ours.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, UrlError> {
        let wrong = |wanted| UrlError::Value { name: name.to_owned(), wanted, found: value.to_owned() };
        match name {
            "sslmode" => {
                self.tls = Some(match value {
                    "disable" => TlsMode::Disable,
                    "allow" | "prefer" => TlsMode::Prefer,
                    "require" => TlsMode::Require,
                    "verify-ca" | "verify-full" => TlsMode::Verify,
                    _ => return Err(wrong("disable, prefer, require, verify-ca or verify-full")),
                });
            }
            "sslrootcert" => self.root_certificate = Some(value.into()),
            "pgbouncer" => self.pooler = Some(value.parse().map_err(|_| wrong("true or false"))?),
            "connection_limit" => {
                let limit = value.parse().ok().filter(|&limit: &usize| limit > 0);
                self.connection_limit = Some(limit.ok_or_else(|| wrong("a whole number from 1"))?);
            }
            "pool_timeout" => {
                let seconds = value.parse().map_err(|_| wrong("a number of seconds"))?;
                self.pool_timeout = Some(Duration::from_secs(seconds));
            }
            "schema" if value != "public" => return Err(wrong("public")),
            // How other drivers cache statements is theirs to know.
            "schema" | "statement_cache_size" | "uselibpqcompat" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn decode(text: &str) -> Result<String, UrlError> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|error| UrlError::Syntax(SyntaxError(error.to_string())))
}

impl DatabaseUrl {
    /// Whether a pooler in transaction mode stands before the server: named statements, session settings and
    /// advisory locks would reach other clients. Said by `pgbouncer=true`, or guessed from port 6543 and a host name
    /// with `pooler` in it.
    pub fn is_transaction_pooler(&self) -> bool {
        self.pooler
    }

    /// `connection_limit`, the most connections this URL may be used for.
    pub fn connection_limit(&self) -> Option<usize> {
        self.connection_limit
    }

    /// `pool_timeout`, how long a request waits for a free connection.
    pub fn pool_timeout(&self) -> Option<Duration> {
        self.pool_timeout
    }

    /// The login.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The same place for another login.
    #[must_use]
    pub fn with_login(&self, user: &str, password: Option<SecretString>) -> Self {
        Self { user: user.to_owned(), password, ..self.clone() }
    }

    /// The same server and login, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// The URL with its password, for an environment line; handle it as a secret.
    pub fn to_secret_string(&self) -> SecretString {
        SecretString::from(self.format(true))
    }

    /// The place as libpq's environment variables (manual, section 34.15), for its programs: unlike arguments, nobody
    /// else on the computer can read them.
    pub fn libpq_environment(&self) -> Vec<(&'static str, SecretString)> {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for address in &self.addresses {
            match address {
                Address::Tcp(host, port) => {
                    hosts.push(host.clone());
                    ports.push(port.to_string());
                }
                Address::Unix(file) => {
                    hosts.push(
                        file.parent().map(|directory| directory.display().to_string()).unwrap_or_default(),
                    );
                    ports.push(file.extension().and_then(|port| port.to_str()).unwrap_or("5432").to_owned());
                }
            }
        }
        let tls = match self.tls {
            TlsMode::Disable => "disable",
            TlsMode::Prefer => "prefer",
            TlsMode::Require => "require",
            TlsMode::Verify => "verify-full",
        };
        let mut variables = vec![
            ("PGHOST", SecretString::from(hosts.join(","))),
            ("PGPORT", SecretString::from(ports.join(","))),
            ("PGUSER", SecretString::from(self.user.as_str())),
            ("PGDATABASE", SecretString::from(self.database.as_str())),
            ("PGSSLMODE", SecretString::from(tls)),
        ];
        variables.extend(self.password.clone().map(|password| ("PGPASSWORD", password)));
        let root = self.root_certificate.as_ref().map(|file| file.display().to_string());
        variables.extend(root.map(|file| ("PGSSLROOTCERT", SecretString::from(file))));
        variables
    }

    fn format(&self, with_password: bool) -> String {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
                .replace("%2D", "-")
                .replace("%2E", ".")
                .replace("%5F", "_")
        };
        let mut text = format!("postgresql://{}", encode(&self.user));
        if let Some(password) = self.password.as_ref().filter(|_| with_password) {
            text.push(':');
            text.push_str(&encode(password.expose_secret()));
        }
        text.push('@');
        let hosts: Vec<String> = self
            .addresses
            .iter()
            .map(|address| match address {
                Address::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
                Address::Tcp(host, port) => format!("{host}:{port}"),
                Address::Unix(file) => {
                    let directory =
                        file.parent().map(|directory| directory.display().to_string()).unwrap_or_default();
                    let port = file.extension().and_then(|port| port.to_str()).unwrap_or("5432");
                    format!("{}:{port}", encode(&directory))
                }
            })
            .collect();
        text.push_str(&hosts.join(","));
        text.push('/');
        text.push_str(&encode(&self.database));
        if with_password {
            let tls = match self.tls {
                TlsMode::Disable => Some("disable"),
                TlsMode::Prefer => None,
                TlsMode::Require => Some("require"),
                TlsMode::Verify => Some("verify-full"),
            };
            let mut parameters: Vec<String> = tls.map(|mode| format!("sslmode={mode}")).into_iter().collect();
            if let Some(file) = &self.root_certificate {
                parameters.push(format!("sslrootcert={}", encode(&file.display().to_string())));
            }
            if self.pooler {
                parameters.push("pgbouncer=true".to_owned());
            }
            if !parameters.is_empty() {
                text.push('?');
                text.push_str(&parameters.join("&"));
            }
        }
        text
    }
}

/// Without the password: for messages.
impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.format(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_understood_as_libpq_does() {
        let check = |text: &str, expected: &str| {
            let url: DatabaseUrl = text.parse().unwrap();
            assert_eq!(url.to_secret_string().expose_secret(), expected);
            // What is printed can be read again.
            let again: DatabaseUrl = expected.parse().unwrap();
            assert_eq!(again.to_secret_string().expose_secret(), expected);
        };
        check("postgres://u@h/d", "postgresql://u@h:5432/d");
        check(
            "postgresql://u:p%40ss@h:6543/d?pgbouncer=true",
            "postgresql://u:p%40ss@h:6543/d?pgbouncer=true",
        );
        check("postgresql://u@h:6543/d", "postgresql://u@h:6543/d?pgbouncer=true");
        check(
            "postgresql://u@h/d?sslmode=verify-ca&schema=public",
            "postgresql://u@h:5432/d?sslmode=verify-full",
        );
        check("postgresql://u@%2Fvar%2Frun:5433/d", "postgresql://u@%2Fvar%2Frun:5433/d");
        check("postgresql://u@a:1,b:2/d?connection_limit=5", "postgresql://u@a:1,b:2/d");
        check("postgresql://u@h", "postgresql://u@h:5432/u");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        };
        check("mysql://u@h/d", "starts with postgresql://");
        check("postgresql://u@h/d?colour=red", "`colour`");
        check("postgresql://u@h/d?sslmode=maybe", "`sslmode`");
        check("postgresql://u@h/d?connection_limit=0", "`connection_limit`");
        check("postgresql://h/d", "names no user");
        check("postgresql://u@h/d?schema=other", "`schema`");
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgresql://u:hunter2@h/d".parse().unwrap();
        assert!(!format!("{url} {url:?}").contains("hunter2"));
    }
}
