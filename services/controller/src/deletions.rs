//! Deletions of enhanced snapshots: files first, then the row. A crash in between leaves
//! the operation open, and the next round does both again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use millrace_launcher::Launcher;
use millrace_store::Store;

use crate::Clock;

/// Between two rounds.
const PERIOD: Duration = Duration::from_millis(500);
/// Of one round.
const LIMIT: u32 = 100;

/// Carries out the deletions that were committed.
#[derive(Clone)]
pub struct Deletions {
    pub store: Store,
    pub launcher: Arc<dyn Launcher>,
    pub clock: Clock,
}

impl Deletions {
    /// Round after round until `shutdown` resolves.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(error = format!("{error:#}"), "snapshots could not be deleted");
            }
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// Every deletion that is open, once. One that does not work stays open for the next
    /// round, and does not hold up the others.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn round(&self) -> anyhow::Result<()> {
        for (snapshot, operation) in self.store.open_deletions(LIMIT).await? {
            if let Some(location) = &snapshot.location
                && let Err(error) =
                    self.launcher.delete_snapshot(&snapshot.source.application, location).await
            {
                tracing::warn!(snapshot = %snapshot.name, error = %error.chain(), "it stays DELETING");
                continue;
            }
            let now = (self.clock)();
            self.store.end_deletion(&snapshot, &operation.ended(None, now), now).await?;
            tracing::info!(snapshot = %snapshot.name, "snapshot deleted");
        }
        Ok(())
    }
}
