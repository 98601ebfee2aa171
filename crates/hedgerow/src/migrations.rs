//! A project's migrations: what is pending, what differs, and new files from what the entity files say.

use std::path::PathBuf;

use hedgerow_database::migrate::{self, Kind, Look, MigrateError, MigrationFile, Record};
use hedgerow_database::private_server::Download;
use hedgerow_database::{DatabaseUrl, Meaning};
use hedgerow_schema::diff::{Pace, Plan};
use hedgerow_schema::drift::{self, Difference};
use hedgerow_schema::{Roles, Schema};

use crate::place::{Place, PlaceError};
use crate::project::{Project, ProjectError};

/// Why a question about migrations has no answer.
#[derive(Debug, thiserror::Error)]
pub enum MigrationsError {
    /// The project's files.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The database.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A server for the scratch database.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A name that no file can have.
    #[error(
        "{0:?} cannot name a migration: lower-case letters, digits and underscores, such as add_due_date"
    )]
    Name(String),
}

/// Where a file of `migrations/` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Applied, and unchanged since.
    Applied,
    /// Not applied yet.
    Pending,
    /// Begun and not ended; the next `apply` goes on.
    Interrupted,
    /// Changed after it was applied.
    Edited,
    /// Applied, and no longer in the project.
    Gone,
    /// A development change that is in no file yet.
    Draft,
}

impl State {
    /// As people and programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Interrupted => "interrupted",
            Self::Edited => "edited",
            Self::Gone => "gone",
            Self::Draft => "draft",
        }
    }
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The file, without `.sql`.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// When it was applied.
    pub applied_at: Option<String>,
    /// Whether there is a way back.
    pub has_way_back: bool,
}

/// Where each file stands, in order of their names; drafts come last.
pub fn status(look: &Look, files: &[MigrationFile]) -> Vec<Status> {
    let record =
        |name: &str| look.records.iter().find(|record| record.kind == Kind::File && record.name == name);
    let interrupted = |name: &str| look.interrupted.as_deref() == Some(&format!("migrations/{name}.sql"));
    let mut lines: Vec<Status> = files
        .iter()
        .map(|file| {
            let known = record(&file.name);
            let state = match known {
                Some(known) if known.checksum == migrate::checksum(&file.text) => State::Applied,
                Some(_) => State::Edited,
                None if interrupted(&file.name) => State::Interrupted,
                None => State::Pending,
            };
            let applied_at = known.map(|known| known.applied_at.clone());
            Status { name: file.name.clone(), state, applied_at, has_way_back: file.down.is_some() }
        })
        .collect();
    let line = |record: &Record, state| Status {
        name: record.name.clone(),
        state,
        applied_at: Some(record.applied_at.clone()),
        has_way_back: false,
    };
    let gone =
        |record: &&Record| record.kind == Kind::File && files.iter().all(|file| file.name != record.name);
    lines.extend(look.records.iter().filter(gone).map(|record| line(record, State::Gone)));
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    let drafts = look.records.iter().filter(|record| record.kind == Kind::Draft);
    lines.extend(drafts.map(|record| line(record, State::Draft)));
    lines
}

/// Every object of the live database that is not as the entity files and the migrations make it.
pub fn check(look: &Look, schema: &Schema, roles: &Roles) -> Vec<Difference> {
    drift::differences(&look.catalog, &look.target(schema, roles))
}

/// A migration that was written.
#[derive(Clone, Debug)]
pub struct NewMigration {
    /// The file, without `.sql`.
    pub name: String,
    /// The file that goes forward.
    pub up: PathBuf,
    /// The file that goes back.
    pub down: PathBuf,
    /// What the files of `migrations/` lacked.
    pub plan: Plan,
    /// Whether the project's database is already what the file makes, and counts it as applied.
    pub adopted: bool,
}

/// Writes what the entity files say and `migrations/` does not, as the next file. Where nothing differs, the file is for
/// statements by hand.
///
/// # Errors
/// [`MigrationsError`]
pub async fn new(
    project: &Project,
    place: &Place,
    download: Download,
    schema: &Schema,
    name: &str,
) -> Result<NewMigration, MigrationsError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > 60 || !name.chars().all(plain) {
        return Err(MigrationsError::Name(name.to_owned()));
    }
    let files = project.migrations()?;
    let roles = &project.config.roles;
    let replayed = replay(project, place, download, &files).await?;
    let number =
        |file: &MigrationFile| file.name.split('_').next().and_then(|digits| digits.parse::<u32>().ok());
    let next = 1 + files.iter().filter_map(number).max().unwrap_or(0);
    let full = format!("{next:04}_{name}");
    let plan = replayed.plan(schema, roles, Pace::Online);
    let note = format!("{full}, from the entity files.\nReview it; the way back is {full}.down.sql.");
    let (up, down) = if plan.is_empty() {
        let note = |way: &str| {
            format!("-- {full}: the entity files ask for nothing, so this {way} is yours to write.\n")
        };
        (note("file"), note("way back"))
    } else {
        replayed.files(schema, roles, &note)
    };
    let written_down = project.write(&format!("migrations/{full}.down.sql"), &down)?;
    let file = MigrationFile { name: full.clone(), text: up, down: Some(down) };
    let mut adopted = false;
    if let Some(owner) = place.owner.as_ref().filter(|_| !plan.is_empty()) {
        let live = migrate::look(owner).await?;
        let others_pending = status(&live, &files).iter().any(|line| line.state == State::Pending);
        let is_there = live.plan(schema, roles, Pace::Online).is_empty();
        if is_there && !others_pending {
            migrate::adopt(owner, roles, &[&file]).await?;
            adopted = true;
        }
    }
    // Last, and counted already where it is: a `dev` that runs beside this applies what it sees and does not know.
    let written_up = project.write(&format!("migrations/{full}.sql"), &file.text)?;
    Ok(NewMigration { name: full, up: written_up, down: written_down, plan, adopted })
}

/// Counts pending files as applied where drafts have made the same already: another developer's `new` of the same change.
///
/// # Errors
/// [`MigrationsError`]
pub async fn catch_up(
    project: &Project,
    place: &Place,
    download: Download,
    owner: &DatabaseUrl,
) -> Result<Vec<String>, MigrationsError> {
    let files = project.migrations()?;
    let live = migrate::look(owner).await?;
    let lines = status(&live, &files);
    let pending = |file: &&MigrationFile| {
        lines.iter().any(|line| line.name == file.name && line.state == State::Pending)
    };
    let pending: Vec<&MigrationFile> = files.iter().filter(pending).collect();
    if pending.is_empty() || lines.iter().all(|line| line.state != State::Draft) {
        return Ok(Vec::new());
    }
    let replayed = replay(project, place, download, &files).await?;
    if !drift::differences(&live.catalog, &replayed.catalog).is_empty() {
        return Ok(Vec::new());
    }
    migrate::adopt(owner, &project.config.roles, &pending).await?;
    Ok(pending.into_iter().map(|file| file.name.clone()).collect())
}

/// What the files make of nothing: on the project's own server, or where its owner may not create databases, on a private
/// one.
async fn replay(
    project: &Project,
    place: &Place,
    download: Download,
    files: &[MigrationFile],
) -> Result<Look, MigrationsError> {
    let roles = &project.config.roles;
    if let Some(owner) = &place.owner {
        match migrate::replay(owner, roles, files).await {
            Err(error)
                if migrate::server_error(&error)
                    .is_some_and(|server| server.meaning() == Meaning::NotAllowed) => {}
            outcome => return Ok(outcome?),
        }
    }
    let private = Place::private(project, download).await?;
    let outcome = match &private.owner {
        Some(owner) => migrate::replay(owner, roles, files).await,
        None => unreachable!("a private server has an owner"),
    };
    private.close().await?;
    Ok(outcome?)
}
