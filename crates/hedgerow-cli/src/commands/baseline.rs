//! `hedgerow migrate baseline`: a database that others made becomes a project.

use hedgerow::place::Place;
use hedgerow::project::Project;

use crate::exit::Exit;

pub(crate) async fn run(
    _project: &Project,
    _place: &Place,
    _dry_run: bool,
    _as_json: bool,
) -> anyhow::Result<Exit> {
    anyhow::bail!("baseline comes with the next commit")
}
