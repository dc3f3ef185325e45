//! Work on enhanced snapshots outside the database: deletions, exports, imports.
//!
//! Guarantees. An operation is taken for a time by one replica and kept while it works
//! ([`Store::take_snapshot_work`]); after a crash another attempt goes on from the start,
//! and what it writes outside is told apart by attempt (imports), the same bytes again
//! (exports), or gone already (deletions). A snapshot is READY in the commit that ends its
//! import, when all of it was read back. What fails is tried again later, behind what has
//! not been tried: no number of failing operations holds up another.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millrace_domain::enhanced::{EnhancedRequest, EnhancedSnapshot, SnapshotOperationKind};
use millrace_domain::transfer::S3Prefix;
use millrace_domain::{ApplicationId, Timestamp};
use millrace_launcher::Launcher;
use millrace_store::{CommitError, SnapshotWork, Store, WorkKind};
use tokio::task::JoinSet;

use crate::Clock;

/// The files of snapshots, here and in S3.
#[async_trait]
pub trait SnapshotFiles: Send + Sync {
    /// Copies all that the snapshot has to that place. Done again, it writes the same.
    async fn export(&self, location: &str, to: &S3Prefix) -> Result<(), FilesError>;

    /// Copies a snapshot from that place, checks all of it, and leaves nothing of it when
    /// that fails; nor of earlier attempts.
    async fn import(
        &self,
        from: &S3Prefix,
        holder: &ApplicationId,
        attempt: u64,
    ) -> Result<Kept, FilesError>;

    /// Removes what an attempt has brought that was overtaken.
    async fn discard(&self, holder: &ApplicationId, attempt: u64);

    /// Bytes of all its files; 0 when they are gone.
    async fn size(&self, location: &str) -> Result<u64, FilesError>;
}

/// A snapshot that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What the engine restores from.
    pub location: String,
    pub size_bytes: u64,
}

/// Why files could not be copied: what an operation that FAILED tells.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilesError {
    pub message: String,
    /// Trying again would give the same.
    pub is_final: bool,
}

/// Times and numbers of the work.
#[derive(Clone, Copy, Debug)]
pub struct WorkSettings {
    /// How long an operation is taken for; renewed while it is worked on.
    pub hold: Duration,
    /// Between two questions to the store.
    pub period: Duration,
    /// Deletions, and transfers, at once.
    pub deletions: usize,
    pub transfers: usize,
    /// Failures of a transfer that could be tried again, before it is FAILED.
    pub transfer_attempts: u64,
    /// One attempt at a transfer.
    pub transfer_limit: Duration,
}

impl Default for WorkSettings {
    fn default() -> WorkSettings {
        WorkSettings {
            hold: Duration::from_secs(5),
            period: Duration::from_millis(500),
            deletions: 16,
            transfers: 4,
            transfer_attempts: 8,
            transfer_limit: Duration::from_secs(6 * 60 * 60),
        }
    }
}

/// The first wait after a failure, doubled each time, and the longest.
const BACKOFF_MS: i64 = 500;
const LONGEST_BACKOFF_MS: i64 = 60_000;
/// Snapshots measured in one round.
const MEASURED: u32 = 20;

/// Carries out what was committed.
#[derive(Clone)]
pub struct SnapshotWorker {
    pub store: Store,
    pub launcher: Arc<dyn Launcher>,
    pub files: Arc<dyn SnapshotFiles>,
    pub clock: Clock,
    pub settings: WorkSettings,
}

/// How an attempt came out.
enum Done {
    Deleted,
    Exported,
    Imported(Kept),
}

impl SnapshotWorker {
    /// Round after round until `shutdown` resolves; what is under way then is taken up by
    /// the next run.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let (mut deletions, mut transfers) = (JoinSet::new(), JoinSet::new());
        loop {
            let begun = async {
                self.begin(WorkKind::Deletions, self.settings.deletions, &mut deletions).await?;
                self.begin(WorkKind::Transfers, self.settings.transfers, &mut transfers).await?;
                self.measure().await
            };
            if let Err(error) = begun.await {
                tracing::warn!(error = format!("{error:#}"), "work on snapshots was not found");
            }
            tokio::select! {
                () = &mut shutdown => break,
                () = tokio::time::sleep(self.settings.period) => {}
                Some(_) = transfers.join_next(), if !transfers.is_empty() => {}
            }
        }
        deletions.abort_all();
        transfers.abort_all();
    }

    /// Everything that is due, once, one after another.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn round(&self) -> anyhow::Result<()> {
        for kind in [WorkKind::Deletions, WorkKind::Transfers] {
            let now = (self.clock)();
            for work in self.store.take_snapshot_work(kind, (now, self.until(now)), 100).await? {
                self.carry_out(work).await;
            }
        }
        self.measure().await
    }

    async fn begin(
        &self,
        kind: WorkKind,
        places: usize,
        tasks: &mut JoinSet<()>,
    ) -> anyhow::Result<()> {
        while tasks.try_join_next().is_some() {}
        let free = places.saturating_sub(tasks.len());
        if free == 0 {
            return Ok(());
        }
        let now = (self.clock)();
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        for work in self.store.take_snapshot_work(kind, (now, self.until(now)), limit).await? {
            let worker = self.clone();
            tasks.spawn(async move { worker.carry_out(work).await });
        }
        Ok(())
    }

    /// One attempt, and what is written of it. Ended early when another has the operation.
    async fn carry_out(&self, work: SnapshotWork) {
        let attempt = tokio::time::timeout(self.settings.transfer_limit, self.attempt(&work));
        let outcome = tokio::select! {
            outcome = attempt => outcome.unwrap_or_else(|_| Err(too_long(&self.settings))),
            () = self.keep(&work) => return self.overtaken(&work).await,
        };
        match self.record(&work, outcome).await {
            Ok(()) => {}
            Err(CommitError::Stale) => self.overtaken(&work).await,
            Err(error) => {
                // The hold runs out, and another attempt is made.
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(operation.id = %work.operation.id, error, "its end was not stored");
            }
        }
    }

    async fn attempt(&self, work: &SnapshotWork) -> Result<Done, FilesError> {
        let SnapshotWork { snapshot, operation, attempt, .. } = work;
        let place = || operation.place.clone().ok_or_else(|| unknown("it names no place"));
        match operation.kind {
            SnapshotOperationKind::DeleteSnapshot => self.delete(snapshot).await,
            SnapshotOperationKind::ExportSnapshot => {
                let location = snapshot.location.as_deref();
                let location = location.ok_or_else(|| unknown("the snapshot has no files"))?;
                self.files.export(location, &place()?.exported(&operation.id)).await?;
                Ok(Done::Exported)
            }
            SnapshotOperationKind::ImportSnapshot => {
                let holder = snapshot.source.holder();
                self.files.import(&place()?, holder, *attempt).await.map(Done::Imported)
            }
            _ => Err(unknown("it is no work on files")),
        }
    }

    async fn delete(&self, snapshot: &EnhancedSnapshot) -> Result<Done, FilesError> {
        if let Some(location) = &snapshot.location {
            let deleted = self.launcher.delete_snapshot(snapshot.source.holder(), location).await;
            deleted.map_err(|error| FilesError { message: error.chain(), is_final: false })?;
        }
        Ok(Done::Deleted)
    }

    /// Returns when another has the operation.
    async fn keep(&self, work: &SnapshotWork) {
        loop {
            tokio::time::sleep(self.settings.hold / 3).await;
            match self.store.keep_snapshot_work(work, self.until((self.clock)())).await {
                Ok(true) => {}
                Ok(false) => return,
                // The attempt decides at its end whether it still counts.
                Err(error) => tracing::debug!(%error, "a hold was not renewed"),
            }
        }
    }

    async fn record(
        &self,
        work: &SnapshotWork,
        outcome: Result<Done, FilesError>,
    ) -> Result<(), CommitError> {
        let now = (self.clock)();
        match outcome {
            Ok(Done::Deleted) => {
                let ended = work.operation.clone().ended(None, now);
                self.store.end_deletion(work, &ended, now).await?;
            }
            Ok(Done::Exported) => {
                let ended = work.operation.clone().ended(None, now);
                self.store.end_export(work, &ended, now).await?;
            }
            Ok(Done::Imported(kept)) => {
                let settled = request(work).settled(Ok(kept.location), now).sized(kept.size_bytes);
                self.store.end_import(work, &settled, now).await?;
            }
            Err(error) => return self.failed(work, error, now).await,
        }
        told(work, "done");
        Ok(())
    }

    async fn failed(
        &self,
        work: &SnapshotWork,
        error: FilesError,
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let kind = work.operation.kind;
        let is_deletion = kind == SnapshotOperationKind::DeleteSnapshot;
        let often = work.failures + 1 >= self.settings.transfer_attempts;
        if is_deletion || !(error.is_final || often) {
            let wait_ms = BACKOFF_MS.saturating_mul(1 << work.failures.min(20));
            let wait_ms = wait_ms.min(LONGEST_BACKOFF_MS);
            let (id, cause) = (&work.operation.id, &error.message);
            tracing::warn!(operation.id = %id, cause, wait_ms, "it is tried again later");
            let not_before = Timestamp(now.0.saturating_add(wait_ms));
            return Ok(self.store.put_back_snapshot_work(work, not_before).await?);
        }
        if kind == SnapshotOperationKind::ImportSnapshot {
            let settled = request(work).settled(Err(error.message), now);
            self.store.end_import(work, &settled, now).await?;
        } else {
            let ended = work.operation.clone().ended(Some(error.message), now);
            self.store.end_export(work, &ended, now).await?;
        }
        told(work, "failed");
        Ok(())
    }

    async fn overtaken(&self, work: &SnapshotWork) {
        tracing::info!(operation.id = %work.operation.id, "another attempt goes on with it");
        if work.operation.kind == SnapshotOperationKind::ImportSnapshot {
            self.files.discard(work.snapshot.source.holder(), work.attempt).await;
        }
    }

    /// Notes the sizes of snapshots that the engines took.
    async fn measure(&self) -> anyhow::Result<()> {
        for snapshot in self.store.unmeasured_snapshots(MEASURED).await? {
            let Some(location) = &snapshot.location else { continue };
            match self.files.size(location).await {
                Ok(bytes) => self.store.set_snapshot_size(&snapshot, bytes).await?,
                Err(error) => tracing::debug!(snapshot = %snapshot.name, %error, "not measured"),
            }
        }
        Ok(())
    }

    fn until(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add(self.settings.hold.as_millis() as i64))
    }
}

fn request(work: &SnapshotWork) -> EnhancedRequest {
    EnhancedRequest { snapshot: work.snapshot.clone(), operation: work.operation.clone() }
}

fn told(work: &SnapshotWork, how: &str) {
    let operation = &work.operation;
    tracing::info!(
        snapshot = %operation.snapshot,
        operation.id = %operation.id,
        kind = operation.kind.name(),
        attempt = work.attempt,
        "work on a snapshot is {how}"
    );
}

fn unknown(problem: &str) -> FilesError {
    let message = format!("The operation cannot be carried out: {problem}");
    FilesError { message, is_final: true }
}

fn too_long(settings: &WorkSettings) -> FilesError {
    let minutes = settings.transfer_limit.as_secs() / 60;
    FilesError { message: format!("The copy did not end within {minutes} min"), is_final: false }
}
