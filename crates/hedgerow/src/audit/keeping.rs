//! What the trail needs from time to time: weeks made ahead and let go of, rows sealed.
//!
//! Always holds: of many instances one does it; the database's own functions of fixed meaning make and drop tables, so the
//! program needs no owner.

use std::time::Duration;

use hedgerow_database::Identity;
use tokio::time::{MissedTickBehavior, interval};

use super::{cause, seals};
use crate::app::App;
use crate::error::Error;

/// How often weeks are looked at. Some of the work gives up when a table is in use, and is done by a later look.
const KEEP: Duration = Duration::from_secs(600);
/// How often rows are sealed: so long somebody with the owner's rights could change one unseen.
const SEAL: Duration = Duration::from_secs(10);

impl super::Audit {
    /// Makes weeks ahead, lets go of old ones, and seals; never done.
    pub async fn keep(app: &App) {
        let Some(audit) = app.audit() else { return std::future::pending().await };
        let (mut keep, mut seal) = (interval(KEEP), interval(SEAL));
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = keep.tick() => {
                    if let Err(error) = audit.keep_once(app).await {
                        tracing::warn!(%error, cause = cause(&error), "the audit trail's weeks could not be seen to; the next try is in ten minutes");
                    }
                }
                _ = seal.tick(), if audit.is_sealed() => {
                    if let Err(error) = audit.seal(app).await {
                        tracing::warn!(%error, cause = cause(&error), "rows of the audit trail could not be sealed; the next try is in ten seconds");
                    }
                }
            }
        }
    }

    /// Makes the tables of the weeks to come, and lets go of those that the retention is over for.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where a table is in use for long; a later call does it.
    pub async fn keep_once(&self, app: &App) -> Result<(), Error> {
        let identity = Identity::System { reason: "make and drop the weeks of the audit trail" };
        let seconds = self.options().retention.as_secs_f64();
        let sql = "SELECT hedgerow.keep_audit(make_interval(secs => $1))";
        let kept = app.database().flight(&identity).execute(sql, &[&seconds]).await;
        kept.map(|_| ()).map_err(|error| Error::without_entity("see to the audit trail", error))
    }

    /// Seals the rows of all transactions that are over; returns how many.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn seal(&self, app: &App) -> Result<usize, Error> {
        let sealed = seals::seal(app, self.marks()).await;
        sealed.map_err(|error| Error::without_entity("seal the audit trail", error))
    }
}
