//! Forgets by itself what is past its time (`services/design/retention.md`).
//!
//! A sweep decides from what is stored and deletes as a caller would: by the same commands
//! and the same compare-and-set, so that whatever happens meanwhile wins. Replicas may
//! sweep at the same time: what one has deleted the other does not find.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use millrace_domain::commands::Facts;
use millrace_domain::enhanced::{EnhancedSnapshot, OPERATIONS_KEPT_MS};
use millrace_domain::retention::{Candidate, Kept, Retention};
use millrace_domain::{ApplicationId, OperationId, Timestamp};
use millrace_launcher::Launcher;
use millrace_store::{CommitError, Loaded, SnapshotGroup, Store};

use crate::Clock;

/// Between two sweeps.
const PERIOD: Duration = Duration::from_secs(60 * 60);
/// Before the first: a server that just started has other things to do.
const FIRST: Duration = Duration::from_secs(5);
/// After one that could not be made.
const AGAIN: Duration = Duration::from_secs(60);

/// Gives ids to the deletions that it begins.
pub type OperationIds = Arc<dyn Fn() -> OperationId + Send + Sync>;

/// Sweeps, again and again.
#[derive(Clone)]
pub struct Sweeper {
    pub store: Store,
    pub launcher: Arc<dyn Launcher>,
    pub clock: Clock,
    pub ids: OperationIds,
    pub retention: Retention,
}

/// What a sweep has removed, or begun to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub operations: u64,
    pub events: u64,
    pub snapshots: u64,
    pub runs: u64,
}

impl Sweeper {
    /// Sweep after sweep until `shutdown` resolves.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut pause = FIRST;
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = tokio::select! {
                () = &mut shutdown => return,
                swept = self.sweep() => match swept {
                    Ok(swept) => {
                        tracing::info!(?swept, "swept");
                        PERIOD
                    }
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "a sweep was cut off");
                        AGAIN
                    }
                }
            };
        }
    }

    /// Everything once.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn sweep(&self) -> anyhow::Result<Swept> {
        let mut swept = Swept::default();
        for id in self.store.application_ids().await? {
            self.sweep_runs(&id, &mut swept).await;
            if self.retention.forgets_snapshots() {
                self.sweep_own_snapshots(&id, &mut swept).await?;
            }
        }
        if self.retention.forgets_snapshots() {
            for group in self.store.snapshot_groups().await? {
                self.sweep_group(&group, &mut swept).await?;
            }
        }
        let before = |kept_ms: i64| Timestamp((self.clock)().0.saturating_sub(kept_ms));
        let history = before(self.retention.history_ms);
        swept.operations += self.store.forget_operations(history).await?;
        swept.operations +=
            self.store.forget_snapshot_operations(before(OPERATIONS_KEPT_MS)).await?;
        swept.events += self.store.forget_events(history).await?;
        Ok(swept)
    }

    /// Files that stay are found by the next sweep.
    async fn sweep_runs(&self, id: &ApplicationId, swept: &mut Swept) {
        match self.launcher.remove_old_runs(id, self.retention.runs).await {
            Ok(removed) => swept.runs += removed,
            Err(error) => {
                tracing::warn!(application.id = %id, error = %error.chain(), "old runs stay");
            }
        }
    }

    /// Snapshots that go with their application: the reconciler removes their files.
    async fn sweep_own_snapshots(
        &self,
        id: &ApplicationId,
        swept: &mut Swept,
    ) -> anyhow::Result<()> {
        let Some(loaded) = self.store.load(id).await? else { return Ok(()) };
        let tags = &loaded.application.tags;
        let now = (self.clock)();
        let expired = self.retention.expired_snapshots(&kept(&loaded), tags, now);
        for name in expired {
            // Each deletion is one more change of the application.
            let Some(loaded) = self.store.load(id).await? else { return Ok(()) };
            let Some(version) = loaded.versions.get(&loaded.application.version) else { continue };
            let facts = Facts {
                application: &loaded.application,
                version,
                open_operation: loaded.open_operation.as_ref(),
                snapshots: &loaded.snapshots,
                quotas: self.store.quotas_of(&loaded.application.account),
            };
            let Ok(snapshot) = facts.snapshot(&name) else { continue };
            let Ok(change) = facts.delete_snapshot(&name, snapshot.created_at, now) else {
                continue;
            };
            match self.store.commit(&change, now).await {
                Ok(_) => {
                    swept.snapshots += 1;
                    tracing::info!(application.id = %id, snapshot = %name, "past its time");
                }
                // Whatever came between may need it: the next sweep decides anew.
                Err(CommitError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn sweep_group(&self, group: &SnapshotGroup, swept: &mut Swept) -> anyhow::Result<()> {
        let mut by_holder: BTreeMap<ApplicationId, Vec<EnhancedSnapshot>> = BTreeMap::new();
        for snapshot in self.store.snapshots_of_group(group).await? {
            by_holder.entry(snapshot.source.holder().clone()).or_default().push(snapshot);
        }
        for (holder, snapshots) in by_holder {
            let needed = match self.store.load(&holder).await? {
                Some(loaded) => kept(&loaded).needed(),
                // The application is gone: no start or rollback of it needs any.
                None => Some(BTreeSet::new()),
            };
            let Some(needed) = needed else { continue };
            let candidates: Vec<Candidate<'_>> = snapshots.iter().map(candidate).collect();
            for at in self.retention.expired(&candidates, &needed, (self.clock)()) {
                self.delete(&snapshots[at], swept).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, snapshot: &EnhancedSnapshot, swept: &mut Swept) -> anyhow::Result<()> {
        let now = (self.clock)();
        let Ok(deletion) = snapshot.delete(snapshot.created_at, (self.ids)(), now) else {
            return Ok(());
        };
        match self.store.commit_enhanced(&deletion, snapshot.status, None, now).await {
            Ok(()) => {
                swept.snapshots += 1;
                tracing::info!(snapshot = %snapshot.name, "past its time");
                Ok(())
            }
            // Deleted, or used by a start, meanwhile.
            Err(CommitError::Stale | CommitError::SnapshotUsed { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn kept(loaded: &Loaded) -> Kept<'_> {
    Kept {
        application: &loaded.application,
        versions: &loaded.versions,
        snapshots: &loaded.snapshots,
    }
}

fn candidate(snapshot: &EnhancedSnapshot) -> Candidate<'_> {
    Candidate {
        status: snapshot.status,
        created_at: snapshot.created_at,
        automatic: snapshot.initiator.initiator() == "SYSTEM",
        location: snapshot.location.as_deref(),
        tags: &snapshot.tags,
    }
}
