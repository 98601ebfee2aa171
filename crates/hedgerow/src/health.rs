//! Whether the application can do its work.

use jiff::SignedDuration;

use crate::app::App;
use crate::error::Error;

/// So long a database that answered is believed to answer still.
const KNOWN: SignedDuration = SignedDuration::from_secs(1);

/// Asks the database, the way a request does but on a connection of its own, so that a full pool looks full and not dead. However
/// many ask, the database is asked once a second.
///
/// # Errors
/// When it does not answer.
pub async fn ready(app: &App) -> Result<(), Error> {
    let mut answered = app.answered().lock().await;
    let now = app.world().now();
    if answered.is_some_and(|last| now.duration_since(last).abs() < KNOWN) {
        return Ok(());
    }
    app.database().answers().await.map_err(|error| Error::without_entity("ask the database", error))?;
    *answered = Some(now);
    Ok(())
}
