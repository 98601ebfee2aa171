//! A running server follows its database: a migration that was applied is noticed without a restart.

use std::time::Duration;

use hedgerow_database::{Error as DatabaseError, Identity};

use crate::app::App;
use crate::checks::{Finding, Severity, Tolerance, examine_for};
use crate::project::{Mistakes, Project, ProjectError};

/// How often the database is asked whether something was applied: one row by its key.
const LOOK: Duration = Duration::from_secs(2);

/// What became of the entity files after a migration.
#[derive(Debug)]
pub enum Followed {
    /// They are in use now.
    Using,
    /// They do not fit the database; the old ones stay in use.
    Unfit(Vec<Finding>),
    /// They have mistakes; the old ones stay in use.
    Mistaken(Mistakes),
}

/// Reads the entity files anew whenever a migration was applied, and uses them if they fit the database; never done.
pub async fn follow(app: &App, project: &Project, tolerance: Tolerance, mut report: impl FnMut(Followed)) {
    let mut seen = revision(app).await.ok().flatten();
    let mut ticks = tokio::time::interval(LOOK);
    // Files that did not fit may be corrected, with no migration to tell of it.
    let mut misfit = false;
    loop {
        ticks.tick().await;
        // A database that is away for a moment has not changed.
        let Ok(Some(now)) = revision(app).await else { continue };
        if seen == Some(now) && !misfit {
            continue;
        }
        let Ok(followed) = read(app, project, tolerance).await else { continue };
        let fits = matches!(followed, Followed::Using);
        // What does not fit is said once.
        if fits || seen != Some(now) {
            report(followed);
        }
        misfit = !fits;
        seen = Some(now);
    }
}

async fn read(app: &App, project: &Project, tolerance: Tolerance) -> Result<Followed, ()> {
    let schema = match project.schema() {
        Ok(schema) => schema,
        Err(ProjectError::Problems(mistakes)) => return Ok(Followed::Mistaken(mistakes)),
        Err(_) => return Err(()),
    };
    let findings = examine_for(app, &schema, tolerance).await.map_err(|_| ())?;
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Ok(Followed::Unfit(findings));
    }
    app.replace_schema(schema);
    Ok(Followed::Using)
}

/// How many times migrations ran; `None` before the first.
async fn revision(app: &App) -> Result<Option<i64>, DatabaseError> {
    let sql = "SELECT revision FROM hedgerow.state";
    let rows = app.database().flight(&Identity::Anonymous).rows(sql, &[]).await?;
    rows.first().map(|row| row.get(0)).transpose()
}
