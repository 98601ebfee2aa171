//! Rows from a file, through the same checks as the API and under the identity of their owners.
//!
//! Always holds: the whole file is one transaction, so a killed import leaves nothing and can be repeated; by default one
//! refused row refuses all; every refused row is reported with its place in the file; memory does not grow with the file.

mod array;
mod plan;
mod quotes;
mod reading;
mod run;
mod source;

use std::io::BufRead;

use hedgerow_schema::InputError;

use crate::app::App;
use crate::context::Ctx;
use crate::error::Error;
use crate::records::Outcome;
use plan::Plan;
use reading::Reading;
use run::Import;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header.
    Csv,
    /// An array of objects.
    Json,
    /// One object a line.
    Ndjson,
}

/// What is imported, and for whom.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The entity.
    pub entity: String,
    /// How the file is read.
    pub format: Format,
    /// Whose rows they become.
    pub owner: Owner,
    /// Columns of the file and the fields that they are, where the names differ.
    pub rename: Vec<(String, String)>,
    /// Columns that are left out.
    pub ignore: Vec<String>,
    /// Relations that the file names by another field than the id.
    pub matches: Vec<Match>,
    /// What happens to a row whose relation names no row.
    pub missing: Missing,
    /// Texts that mean NULL, besides the empty one.
    pub nulls: Vec<String>,
    /// What one refused row means for the others.
    pub refusal: Refusal,
    /// What becomes of the rows: a trial undoes them.
    pub outcome: Outcome,
    /// Most bytes of one row.
    pub row_limit: usize,
}

impl ImportOptions {
    /// All or nothing of a file, for whoever asks.
    pub fn new(entity: impl Into<String>, format: Format) -> Self {
        Self {
            entity: entity.into(),
            format,
            owner: Owner::Caller,
            rename: Vec::new(),
            ignore: Vec::new(),
            matches: Vec::new(),
            missing: Missing::Reject,
            nulls: Vec::new(),
            refusal: Refusal::RefusesAll,
            outcome: Outcome::Kept,
            row_limit: 64 << 20,
        }
    }
}

/// Whose rows imported rows become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The caller's.
    Caller,
    /// Those of the user whose id or e-mail address stands in this column: for the program's own commands, since nobody's
    /// credential is asked about it.
    Column(String),
}

/// `field=entity.by`: the file names a relation by a natural key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The relation.
    pub field: String,
    /// The entity it points at.
    pub entity: String,
    /// The field of that entity whose values the file has.
    pub by: String,
}

/// A text is no [`Match`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form FIELD=ENTITY.KEY, as in planeId=planes.tailnum")]
pub struct MatchError(String);

impl std::str::FromStr for Match {
    type Err = MatchError;

    fn from_str(text: &str) -> Result<Self, MatchError> {
        let parts = text.split_once('=').and_then(|(field, target)| Some((field, target.split_once('.')?)));
        match parts {
            Some((field, (entity, by))) if ![field, entity, by].contains(&"") => {
                Ok(Self { field: field.to_owned(), entity: entity.to_owned(), by: by.to_owned() })
            }
            _ => Err(MatchError(text.to_owned())),
        }
    }
}

/// What happens to a row whose relation names no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The relation becomes NULL.
    Null,
    /// The row is refused.
    Reject,
}

/// What one refused row means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is imported.
    RefusesAll,
    /// The others are imported.
    SkipsRow,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows read from the file.
    pub read: u64,
    /// Rows written to the database.
    pub written: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows of the file.
    pub read: u64,
    /// Rows that are in the database now.
    pub written: u64,
    /// How many different owners they have.
    pub owners: usize,
    /// Rows that were refused.
    pub refused: u64,
    /// The first thousand of them.
    pub refusals: Vec<RefusedRow>,
    /// Relations that named no row and became NULL.
    pub unmatched: u64,
    /// Columns that were left out because the server sets them.
    pub left_out: Vec<String>,
}

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Line of the file, from 1; for a JSON array the position in it.
    pub line: u64,
    /// Why: the first hundred mistakes.
    pub errors: Vec<InputError>,
}

/// Imports a file, whose rows are written while it is still read. Dropping this leaves nothing in the database.
///
/// # Errors
/// What the caller may not do, and what keeps the whole file from being read: no such entity or user, unknown columns, a
/// database that breaks off. Refused rows are no error; they are in the report.
///
/// ```no_run
/// # async fn example(ctx: hedgerow::Ctx, app: hedgerow::App) -> Result<(), hedgerow::Error> {
/// use hedgerow::import::{Format, ImportOptions, import};
/// let options = ImportOptions::new("tasks", Format::Csv);
/// let report = import(&ctx, &app, &options, "title\nwater the hedge\n".as_bytes(), &mut |_| {}).await?;
/// assert_eq!(report.written, 1);
/// # Ok(()) }
/// ```
pub async fn import(
    ctx: &Ctx,
    app: &App,
    options: &ImportOptions,
    input: impl BufRead + Send + 'static,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ImportReport, Error> {
    let schema = app.schema();
    let unknown = || Error::UnknownEntity { name: options.entity.clone() };
    let entity = schema.entity(&options.entity).ok_or_else(unknown)?;
    let writer = run::writer(ctx, entity, &options.owner)?;
    plan::matches(ctx, &schema, entity, options)?;
    let mut reading = Reading::start(options.format, options.row_limit, input).await?;
    let plan = Plan::make(&schema, entity, options, reading.columns())?;
    let mut import = Import::new(ctx, app, entity, &plan, options, writer);
    while let Some(rows) = reading.next().await? {
        for row in rows {
            import.take(row).await?;
            let so_far = import.progress();
            if so_far.read.is_multiple_of(1000) {
                progress(so_far);
            }
        }
    }
    let report = import.finish().await?;
    progress(Progress { read: report.read, written: report.written });
    Ok(report)
}
