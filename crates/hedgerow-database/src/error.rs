//! What can go wrong between Hedgerow and PostgreSQL, and what a server's error means.
//!
//! Always holds: an error names what was being done; the server's own words (which may hold a tenant's data) are in
//! [`ServerError`] alone and reach a caller only where somebody decides so.

use std::time::Duration;

use postgres_protocol::message::backend::ErrorFields;
use tokio_postgres::error::SqlState;
use tokio_postgres::fallible_iterator::FallibleIterator;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection could be made.
    #[error("cannot connect to {target}")]
    Connect {
        /// The URL without its password.
        target: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// All connections are taken and none came free in time.
    #[error("no database connection came free within {waited:?} (all {size} are in use)")]
    Busy {
        /// How long the request waited.
        waited: Duration,
        /// The size of the pool.
        size: usize,
    },
    /// As many answers are being streamed, or files imported, as may be at once.
    #[error("{most} streams have a connection already, and more would leave none for other requests")]
    TooManyStreams {
        /// At most.
        most: usize,
    },
    /// Whoever reads a streamed answer took nothing for so long.
    #[error("the rows were not taken for {0:?}")]
    Stalled(Duration),
    /// The server refused a statement.
    #[error("the database refused the statement")]
    Server(#[source] Box<ServerError>),
    /// What a [`crate::Guard`] says does not hold any more; nothing was done.
    #[error("what was known before does not hold any more")]
    Unproven,
    /// The connection broke.
    #[error("the connection to the database broke while {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Rows came, and whoever was to take them did not.
    #[error("the rows cannot be written to where they should go")]
    Output(#[source] std::io::Error),
    /// The server said something that does not fit the protocol.
    #[error("the database answered something unexpected: {0}")]
    Protocol(String),
    /// Sign-in to the server failed for a reason of ours.
    #[error("cannot sign in to the database: {0}")]
    SignIn(String),
    /// A parameter cannot be sent as the type that the statement wants.
    #[error("parameter ${number} does not fit the statement")]
    Parameter {
        /// From 1.
        number: usize,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The number of parameters is not the one that the statement has.
    #[error("the statement has {wanted} parameters, {given} were given")]
    ParameterCount {
        /// In the statement.
        wanted: usize,
        /// Given.
        given: usize,
    },
    /// A column is not there, or is of another type.
    #[error("cannot read the column {column} as {wanted}")]
    Column {
        /// Name or position.
        column: String,
        /// The Rust type.
        wanted: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// COMMIT was answered with ROLLBACK: a statement of the transaction had failed and its error was passed over.
    #[error("the transaction was rolled back because a statement in it had failed")]
    RolledBack,
    /// The deadline of the work passed.
    #[error("the database did not answer within {0:?}")]
    Deadline(Duration),
    /// TLS could not be set up.
    #[error("cannot set up TLS to the database: {reason}")]
    Tls {
        /// What failed.
        reason: String,
    },
    /// The driver for owner connections reports an error.
    #[error("cannot {doing}")]
    Owner {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl Error {
    /// What the server said, if it was the server.
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(error) => Some(error),
            Self::Connect { source, .. } => source.server(),
            _ => None,
        }
    }

    /// Whether the database could not be reached or had no room: trying again later may help.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Busy { .. } | Self::TooManyStreams { .. } | Self::Io { .. } => true,
            Self::Server(error) => error.meaning() == Meaning::Unavailable,
            Self::Owner { source, .. } => {
                source.is_closed()
                    || source.as_db_error().is_none_or(|error| error.code().code().starts_with("57P"))
            }
            _ => false,
        }
    }
}

/// An error that the server reported (PostgreSQL manual, section 55.8).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{severity} {}: {message}", code.code())]
pub struct ServerError {
    /// ERROR, FATAL or PANIC.
    pub severity: String,
    /// SQLSTATE.
    pub code: SqlState,
    /// In the server's words.
    pub message: String,
    /// More of it; may quote values of rows.
    pub detail: Option<String>,
    /// What the server suggests.
    pub hint: Option<String>,
    /// The constraint that was broken.
    pub constraint: Option<String>,
    /// The table it is about.
    pub table: Option<String>,
    /// The column it is about.
    pub column: Option<String>,
}

/// What a server's error means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Another row has the value already.
    Unique,
    /// The row that is pointed at does not exist, or a row that is pointed at would go.
    ForeignKey,
    /// A column that must have a value got none.
    NotNull,
    /// A check was not met.
    Check,
    /// Row-level security or a missing right.
    NotAllowed,
    /// A value cannot be read as its type, or is out of range.
    InvalidValue,
    /// Cancelled, by the statement timeout or on request.
    Cancelled,
    /// A lock was not to be had in time.
    Locked,
    /// Concurrent transactions collided: the same again may succeed.
    Retry,
    /// One statement was to write the same row twice.
    Repeated,
    /// The plan of a prepared statement no longer fits the tables.
    StalePlan,
    /// The server is starting, stopping or full.
    Unavailable,
    /// Anything else: a defect of ours, or of the statement.
    Other,
}

impl ServerError {
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> Self {
        let mut error = Self {
            severity: "ERROR".to_owned(),
            code: SqlState::INTERNAL_ERROR,
            message: String::new(),
            detail: None,
            hint: None,
            constraint: None,
            table: None,
            column: None,
        };
        while let Ok(Some(field)) = fields.next() {
            let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'V' => error.severity = text,
                b'C' => error.code = SqlState::from_code(&text),
                b'M' => error.message = text,
                b'D' => error.detail = Some(text),
                b'H' => error.hint = Some(text),
                b'n' => error.constraint = Some(text),
                b't' => error.table = Some(text),
                b'c' => error.column = Some(text),
                _ => {}
            }
        }
        error
    }

    /// What the SQLSTATE means.
    pub fn meaning(&self) -> Meaning {
        let code = self.code.code();
        match code {
            "23505" => Meaning::Unique,
            "23503" | "23001" => Meaning::ForeignKey,
            "23502" => Meaning::NotNull,
            "23514" => Meaning::Check,
            "42501" => Meaning::NotAllowed,
            "21000" => Meaning::Repeated,
            "57014" => Meaning::Cancelled,
            "55P03" => Meaning::Locked,
            "40001" | "40P01" => Meaning::Retry,
            "26000" => Meaning::StalePlan,
            "0A000" if self.message.contains("cached plan") => Meaning::StalePlan,
            // The row is too large for an index or a page: a matter of the value.
            "54000" | "54001" => Meaning::InvalidValue,
            _ if code.starts_with("22") => Meaning::InvalidValue,
            _ if code.starts_with("53") || code.starts_with("57P") || code.starts_with("08") => {
                Meaning::Unavailable
            }
            _ => Meaning::Other,
        }
    }
}
