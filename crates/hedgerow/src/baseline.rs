//! A database that others made becomes a project: its entity files, and the first migration.
//!
//! Always holds: the database is only read. Files are written when the migration can run to its end, and none is
//! overwritten.

use std::path::PathBuf;

use hedgerow_database::DatabaseUrl;
use hedgerow_database::migrate::{self, Kind, Look, MigrateError};
use hedgerow_schema::adopt::{About, Adoption, Goal, Question, SetAside};
use hedgerow_schema::{Identifier, ddl, model};

use crate::project::{Project, ProjectError};

/// Why a database is not adopted.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The project's files.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The database.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// It was done before.
    #[error(
        "{0}: baseline is the beginning of a project's migrations, and this one has begun (to begin anew, roll back \
         what is applied, and remove the files)"
    )]
    Begun(String),
    /// Files would be overwritten.
    #[error("{} exist already, and baseline overwrites nothing; move them away, or the tables out of schema public", .0.join(", "))]
    Exist(Vec<String>),
    /// Setup was not run.
    #[error("the roles {} do not exist; run `hedgerow setup` first", .0.join(", "))]
    NoRoles(Vec<String>),
    /// An earlier version's tables.
    #[error("Hedgerow's own set {0} is not applied to this database yet; run `hedgerow migrate apply` first")]
    Behind(&'static str),
    /// There is nothing.
    #[error("there is no table in schema public; `hedgerow migrate new NAME` begins with entity files")]
    Empty,
}

/// Something for a person to do, with the statements that do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What.
    pub text: String,
    /// How.
    pub remedy: Vec<String>,
}

/// What baseline found and would write.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Entities and closed tables.
    pub adoption: Adoption,
    /// The changes of the migration, and what stays.
    pub goal: Goal,
    /// What must be put right before the files are written; empty where they can be.
    pub obstacles: Vec<Remark>,
    /// What the migration leaves to a person.
    pub by_hand: Vec<Remark>,
    /// The files by their path from the project's folder.
    pub files: Vec<(String, String)>,
}

/// The names of the migrations.
const FOUND: &str = "0000_found";
const NAME: &str = "0001_baseline";

/// Looks at a database, and says what would be made of it. `owner` is the login that owns its tables.
///
/// # Errors
/// [`BaselineError`]
pub async fn prepare(project: &Project, owner: &DatabaseUrl) -> Result<Baseline, BaselineError> {
    let roles = &project.config.roles;
    let look = migrate::look(owner).await?;
    has_not_begun(project, &look)?;
    let pending = look.pending_sets(roles);
    let has_begun = pending.len() < ddl::core(roles).len();
    let is_own = |table: &String| has_begun && model::OWN_TABLES.contains(&table.as_str());
    if look.catalog.tables.keys().all(is_own) {
        return Err(BaselineError::Empty);
    }
    if let Some(set) = pending.first().filter(|_| has_begun) {
        return Err(BaselineError::Behind(set));
    }
    roles_exist(owner, &roles.all()).await?;
    let mut aside = SetAside::new();
    let (adoption, goal, remarks) = loop {
        let adoption = Adoption::of(&look.catalog, aside.clone());
        let goal = adoption.goal(&look.catalog, roles, &look.owner);
        let remarks = ask(owner, adoption.questions(&look.catalog, &goal)).await?;
        let known = aside.len();
        for (about, remark) in &remarks {
            if let About::Column(table, column) = about {
                aside.insert((table.clone(), column.clone()), remark.text.clone());
            }
        }
        if aside.len() == known {
            break (adoption, goal, remarks);
        }
    };
    let existing = project.entity_files()?;
    let names: Vec<String> = adoption
        .entities
        .values()
        .map(|adopted| adopted.file.name.clone())
        .filter(|name| existing.iter().any(|file| file.name == *name))
        .collect();
    if !names.is_empty() {
        return Err(BaselineError::Exist(names));
    }
    let of = |wanted: About| {
        let remarks = remarks.iter().filter(move |(about, _)| *about == wanted);
        remarks.map(|(_, remark)| remark.clone()).collect::<Vec<_>>()
    };
    let obstacles =
        goal.obstacles.iter().map(|(text, remedy)| Remark { text: text.clone(), remedy: remedy.clone() });
    let obstacles = obstacles.chain(of(About::Obstacle)).collect();
    let notes =
        goal.by_hand.iter().map(|(text, remedy)| Remark { text: text.clone(), remedy: remedy.clone() });
    let by_hand = of(About::ByHand).into_iter().chain(notes).collect();
    let files = files(project, owner, &look, &adoption, &goal).await?;
    Ok(Baseline { adoption, goal, obstacles, by_hand, files })
}

/// Writes the files.
///
/// # Errors
/// [`ProjectError::Write`]
pub fn write(project: &Project, baseline: &Baseline) -> Result<Vec<PathBuf>, ProjectError> {
    baseline.files.iter().map(|(name, text)| project.write(name, text)).collect()
}

fn has_not_begun(project: &Project, look: &Look) -> Result<(), BaselineError> {
    if let Some(file) = project.migrations()?.first() {
        return Err(BaselineError::Begun(format!("migrations/{}.sql exists", file.name)));
    }
    let applied = look.records.iter().find(|record| matches!(record.kind, Kind::File | Kind::Draft));
    match applied {
        Some(record) => Err(BaselineError::Begun(format!("{} was applied to this database", record.name))),
        None => Ok(()),
    }
}

async fn roles_exist(owner: &DatabaseUrl, roles: &[&Identifier]) -> Result<(), BaselineError> {
    let ask = |role: &&Identifier| {
        format!("SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname = '{}'", role.as_str())
    };
    let questions: Vec<String> = roles.iter().map(ask).collect();
    let answers = migrate::survey(owner, &questions).await?;
    let missing = roles.iter().zip(answers).filter(|(_, count)| *count == Some(0));
    let missing: Vec<String> = missing.map(|(role, _)| role.to_string()).collect();
    if missing.is_empty() { Ok(()) } else { Err(BaselineError::NoRoles(missing)) }
}

/// The questions whose answer is not 0, in words.
async fn ask(owner: &DatabaseUrl, questions: Vec<Question>) -> Result<Vec<(About, Remark)>, BaselineError> {
    let statements: Vec<String> = questions.iter().map(|question| question.sql.clone()).collect();
    let answers = migrate::survey(owner, &statements).await?;
    let remarks = questions.into_iter().zip(answers).filter_map(|(question, answer)| match answer {
        Some(0) => None,
        Some(count) => Some((
            question.about,
            Remark { text: format!("{count} {}", question.says), remedy: question.remedy },
        )),
        None => {
            let text = format!("row-level security hides from the owner how many {}", question.says);
            Some((About::ByHand, Remark { text, remedy: vec![question.sql] }))
        }
    });
    Ok(remarks.collect())
}

async fn files(
    project: &Project,
    owner: &DatabaseUrl,
    look: &Look,
    adoption: &Adoption,
    goal: &Goal,
) -> Result<Vec<(String, String)>, BaselineError> {
    let roles = &project.config.roles;
    let sets = look.pending_sets(roles);
    // What the sets made, they make again on an empty database.
    let own = [model::OWN_TABLES, &["get_auth_user_id", "update_updated_at_column"]].concat();
    let except = if look.records.iter().any(|record| record.kind == Kind::Core) { own } else { Vec::new() };
    let found = migrate::found(owner, &except).await?;
    let note = format!(
        "{NAME}: what isolation needs, in a database that was there before.\nReview it; the way back is {NAME}.down.sql."
    );
    let (up, down) = goal.files(&sets, roles, &found, &note);
    let mut first = format!(
        "-- hedgerow: found\n-- {FOUND}: what stood in the database when it was adopted. There it only counts as applied; on an empty \
         database\n-- (a scratch copy, another developer's) it is run, so that the files that follow find what they change.\n\n"
    );
    for statement in &found {
        first.push_str(statement.trim_end());
        first.push_str(";\n");
    }
    let mut files: Vec<(String, String)> = adoption
        .entities
        .values()
        .map(|adopted| (adopted.file.name.clone(), adopted.file.text.clone()))
        .collect();
    files.push((format!("migrations/{FOUND}.sql"), first));
    let stays = "-- hedgerow: found\n-- What was found stays; it only counts as applied no more.\n";
    files.push((format!("migrations/{FOUND}.down.sql"), stays.to_owned()));
    files.push((format!("migrations/{NAME}.sql"), up));
    files.push((format!("migrations/{NAME}.down.sql"), down));
    Ok(files)
}
