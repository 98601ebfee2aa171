//! Whether the application can do its work.

use hedgerow_database::Identity;

use crate::app::App;
use crate::error::Error;

/// Asks the database, the way a request does.
///
/// # Errors
/// When it does not answer.
pub async fn ready(app: &App) -> Result<(), Error> {
    let asked = app.database().flight(&Identity::Anonymous).rows("SELECT 1", &[]).await;
    asked.map(|_| ()).map_err(|error| Error::without_entity("ask the database", error))
}
