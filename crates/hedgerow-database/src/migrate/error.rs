//! What can go wrong with a migration, and what to do then.

use hedgerow_schema::script::ScriptError;

use crate::error::{Error, ServerError};

/// Why a migration did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A file was edited after it was applied.
    #[error(
        "migrations/{name}.sql was changed after it was applied; undo the change and write a new migration\n{difference}"
    )]
    Edited {
        /// The file.
        name: String,
        /// Lines that were taken out (`-`) and put in (`+`).
        difference: String,
    },
    /// A file was edited while it was half applied, in a part that was already done.
    #[error(
        "migrations/{name}.sql was changed within its first {done} statements, which were applied before it was \
         interrupted; undo the change there; what follows may be changed"
    )]
    EditedMidway {
        /// The file.
        name: String,
        /// How many were done.
        done: usize,
    },
    /// Another file was interrupted, and must be ended first.
    #[error(
        "{path} was interrupted, and part of it is done: put right what stopped it (its statements behind those that are \
         done may be changed, and rows be filled with `hedgerow psql`), then `hedgerow migrate {command}` goes on from \
         there; where the file is gone, restore it first"
    )]
    Interrupted {
        /// The file, from the project's folder.
        path: String,
        /// What goes on.
        command: &'static str,
    },
    /// The database is newer than this program.
    #[error(
        "the database has the step {0:?}, which this version of Hedgerow does not know; use a newer version"
    )]
    Newer(String),
    /// A file is not understood.
    #[error("{file}: {source}")]
    Script {
        /// The file, from the project's folder.
        file: String,
        /// What is wrong with it.
        source: ScriptError,
    },
    /// A statement of a file failed.
    #[error("{file} failed{}", line.map(|line| format!(" at line {line}")).unwrap_or_default())]
    File {
        /// The file, from the project's folder.
        file: String,
        /// Where, if the server said it.
        line: Option<usize>,
        /// What the server said.
        #[source]
        source: Error,
    },
    /// Tables would be open.
    #[error("after {after}, row-level security would not be enforced: {}; nothing was changed", problems.join("; "))]
    Unprotected {
        /// What was being applied.
        after: String,
        /// Which tables, and what is missing.
        problems: Vec<String>,
    },
    /// Data would be lost.
    #[error("{what} would lose data: {}; nothing was changed", losses.join("; "))]
    Loss {
        /// What would.
        what: String,
        /// What would be lost, with how many rows.
        losses: Vec<String>,
    },
    /// Tables stayed in use.
    #[error(
        "the tables stayed in use for a quarter of an hour, by {}; what was not reported as applied was not changed, so \
         let it end and try again",
        if holders.is_empty() { "sessions that are gone by now".to_owned() } else { holders.join(", ") }
    )]
    Busy {
        /// Sessions that hold them.
        holders: Vec<String>,
        /// What the server said last.
        #[source]
        source: Box<MigrateError>,
    },
    /// There is no way back.
    #[error("migrations/{name}.down.sql is not there, so {name} cannot be rolled back")]
    NoWayBack {
        /// The file.
        name: String,
    },
    /// A file that was applied is gone.
    #[error("migrations/{0}.sql was applied and is not there any more; restore it")]
    Gone(String),
    /// The database reports an error.
    #[error("cannot {doing}")]
    Database {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: Error,
    },
}

pub(super) fn failed(doing: &str) -> impl FnOnce(Error) -> MigrateError {
    move |source| MigrateError::Database { doing: doing.to_owned(), source }
}

/// What the server said, for whoever shows a migration's error.
pub fn server_error(error: &MigrateError) -> Option<&ServerError> {
    match error {
        MigrateError::File { source, .. } | MigrateError::Database { source, .. } => source.server(),
        _ => None,
    }
}
