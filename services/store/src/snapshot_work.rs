//! Work on enhanced snapshots outside the database: deletions, exports, imports.
//!
//! An operation in progress is taken for a time by one process. Each taking counts as one
//! more attempt, and whatever is written afterwards names the attempt: who was overtaken
//! writes nothing.

use millrace_domain::change::IdempotencyRecord;
use millrace_domain::enhanced::{EnhancedRequest, EnhancedSnapshot, SnapshotOperation};
use millrace_domain::{OperationId, SnapshotStatus, Timestamp};
use sqlx::AnyConnection;

use crate::commit;
use crate::enhanced::{self, Owner, expect_status, put_operation};
use crate::error::{CommitError, StoreError};
use crate::known::Touched;
use crate::open::Store;
use crate::row::{Reader, count, word};
use crate::snapshot_uses;

/// Which work: either kind is taken by itself, so that neither waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    Deletions,
    /// Exports and imports.
    Transfers,
}

/// An operation that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotWork {
    pub snapshot: EnhancedSnapshot,
    pub operation: SnapshotOperation,
    /// From 1; a greater one fences a smaller.
    pub attempt: u64,
    /// Attempts that did not work, not those that were cut off.
    pub failures: u64,
}

impl Store {
    /// Takes up to `limit` operations that nobody has at `now`, until `until`. A deletion
    /// waits for the exports of its snapshot (AWS: it stays DELETING until they finish).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn take_snapshot_work(
        &self,
        kind: WorkKind,
        (now, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<SnapshotWork>, StoreError> {
        let statement = match kind {
            WorkKind::Deletions => {
                "SELECT * FROM snapshot_operations AS it
                 WHERE kind = 'DeleteSnapshot' AND status = 'IN_PROGRESS'
                   AND not_before <= $1 AND held_until <= $1
                   AND NOT EXISTS (
                       SELECT 1 FROM snapshot_operations AS other
                       WHERE other.kind = 'ExportSnapshot' AND other.status = 'IN_PROGRESS'
                         AND other.account = it.account AND other.region = it.region
                         AND other.snapshot = it.snapshot)
                 ORDER BY not_before, sequence LIMIT $2"
            }
            WorkKind::Transfers => {
                "SELECT * FROM snapshot_operations
                 WHERE kind IN ('ExportSnapshot', 'ImportSnapshot') AND status = 'IN_PROGRESS'
                   AND not_before <= $1 AND held_until <= $1
                 ORDER BY not_before, sequence LIMIT $2"
            }
        };
        let rows = sqlx::query(statement)
            .bind(now.0)
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        let mut taken = Vec::new();
        for row in &rows {
            let operation = enhanced::operation(row)?;
            let reader = Reader { table: "snapshot_operations", row };
            let (seen, failures) = (reader.count("attempt")?, reader.count("failures")?);
            let owner = Owner { account: &operation.account, region: &operation.region };
            let Some(snapshot) = self.enhanced_snapshot(owner, &operation.snapshot).await? else {
                continue;
            };
            if self.take(&operation.id, seen, until).await? {
                taken.push(SnapshotWork { snapshot, operation, attempt: seen + 1, failures });
            }
        }
        Ok(taken)
    }

    async fn take(
        &self,
        id: &OperationId,
        seen: u64,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let taken = sqlx::query(
            "UPDATE snapshot_operations SET attempt = attempt + 1, held_until = $1
             WHERE id = $2 AND attempt = $3 AND status = 'IN_PROGRESS'",
        )
        .bind(until.0)
        .bind(id.as_str())
        .bind(count(seen))
        .execute(&self.writer)
        .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Keeps what was taken until `until`. False: another has it by now, or it has ended.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_snapshot_work(
        &self,
        work: &SnapshotWork,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let kept = sqlx::query(
            "UPDATE snapshot_operations SET held_until = $1
             WHERE id = $2 AND attempt = $3 AND status = 'IN_PROGRESS'",
        )
        .bind(until.0)
        .bind(work.operation.id.as_str())
        .bind(count(work.attempt))
        .execute(&self.writer)
        .await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Gives back what did not work, to be tried again no earlier than `not_before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn put_back_snapshot_work(
        &self,
        work: &SnapshotWork,
        not_before: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE snapshot_operations
             SET failures = failures + 1, not_before = $1, held_until = 0
             WHERE id = $2 AND attempt = $3 AND status = 'IN_PROGRESS'",
        )
        .bind(not_before.0)
        .bind(work.operation.id.as_str())
        .bind(count(work.attempt))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Writes a new import with the answer to a retry.
    ///
    /// # Errors
    /// [`CommitError::AlreadyDone`], [`CommitError::SnapshotNameTaken`], or
    /// [`CommitError::TransfersReached`].
    pub async fn begin_import(
        &self,
        request: &EnhancedRequest,
        answer: Option<&IdempotencyRecord>,
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let mut tx = self.begin_write().await?;
        commit::claim(&mut tx, answer).await?;
        check_transfers(&mut tx, &request.operation, self.transfers_of(&request.operation)).await?;
        enhanced::insert(&mut tx, &request.snapshot, &self.quotas).await?;
        put_operation(&mut tx, &request.operation, now).await?;
        Ok(tx.commit().await?)
    }

    /// Writes a new export of a READY snapshot, with the answer to a retry.
    ///
    /// # Errors
    /// [`CommitError::AlreadyDone`], [`CommitError::Stale`] when it is no longer READY,
    /// [`CommitError::ExportOpen`], or [`CommitError::TransfersReached`].
    pub async fn begin_export(
        &self,
        snapshot: &EnhancedSnapshot,
        operation: &SnapshotOperation,
        answer: Option<&IdempotencyRecord>,
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let mut tx = self.begin_write().await?;
        commit::claim(&mut tx, answer).await?;
        // Its row is locked from here on: neither a deletion nor another export comes between.
        expect_status(&mut tx, snapshot, SnapshotStatus::Ready).await?;
        check_transfers(&mut tx, operation, self.transfers_of(operation)).await?;
        if is_exported(&mut tx, operation).await? {
            return Err(CommitError::ExportOpen { name: snapshot.name.clone() });
        }
        put_operation(&mut tx, operation, now).await?;
        Ok(tx.commit().await?)
    }

    /// Ends an export.
    ///
    /// # Errors
    /// [`CommitError::Stale`]: another attempt was begun since.
    pub async fn end_export(
        &self,
        work: &SnapshotWork,
        ended: &SnapshotOperation,
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let mut tx = self.begin_write().await?;
        expect_attempt(&mut tx, work).await?;
        put_operation(&mut tx, ended, now).await?;
        Ok(tx.commit().await?)
    }

    /// Ends an import: the snapshot is READY or FAILED with it.
    ///
    /// # Errors
    /// [`CommitError::Stale`]: another attempt was begun since.
    pub async fn end_import(
        &self,
        work: &SnapshotWork,
        settled: &EnhancedRequest,
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let mut tx = self.begin_write().await?;
        expect_attempt(&mut tx, work).await?;
        enhanced::put(&mut tx, settled, &self.quotas, now).await?;
        Ok(tx.commit().await?)
    }

    /// Ends a deletion: the snapshot's row goes, with what an application knows of it. The
    /// files are gone by then.
    ///
    /// # Errors
    /// [`CommitError::Stale`]: another attempt was begun since.
    pub async fn end_deletion(
        &self,
        work: &SnapshotWork,
        ended: &SnapshotOperation,
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let (work, ended) = (work.clone(), ended.clone());
        self.write_touching(Touched::All, move |connection| {
            Box::pin(end_deletion(connection, work, ended, now))
        })
        .await
    }

    fn transfers_of(&self, operation: &SnapshotOperation) -> u64 {
        self.quotas_of(&operation.account).transfers
    }

    /// READY snapshots whose size is not known yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unmeasured_snapshots(
        &self,
        limit: u32,
    ) -> Result<Vec<EnhancedSnapshot>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM enhanced_snapshots
             WHERE status = 'READY' AND size_bytes IS NULL ORDER BY sequence LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(enhanced::snapshot).collect()
    }

    /// Notes what a READY snapshot measures; nothing when it is gone.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_snapshot_size(
        &self,
        snapshot: &EnhancedSnapshot,
        bytes: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE enhanced_snapshots SET size_bytes = $1
             WHERE account = $2 AND region = $3 AND name = $4 AND status = $5 AND location = $6",
        )
        .bind(count(bytes))
        .bind(&snapshot.account)
        .bind(&snapshot.region)
        .bind(snapshot.name.as_str())
        .bind(word(&SnapshotStatus::Ready))
        .bind(&snapshot.location)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

async fn end_deletion(
    connection: &mut AnyConnection,
    work: SnapshotWork,
    ended: SnapshotOperation,
    now: Timestamp,
) -> Result<(), CommitError> {
    let snapshot = &work.snapshot;
    expect_attempt(connection, &work).await?;
    sqlx::query(
        "DELETE FROM enhanced_snapshots
         WHERE account = $1 AND region = $2 AND name = $3 AND status = 'DELETING'",
    )
    .bind(&snapshot.account)
    .bind(&snapshot.region)
    .bind(snapshot.name.as_str())
    .execute(&mut *connection)
    .await?;
    // Of a deletion that a release before this one began.
    snapshot_uses::forget(connection, snapshot).await?;
    put_operation(connection, &ended, now).await
}

/// Written to, so that another's taking of it waits for this transaction.
async fn expect_attempt(
    connection: &mut AnyConnection,
    work: &SnapshotWork,
) -> Result<(), CommitError> {
    let found = sqlx::query(
        "UPDATE snapshot_operations SET held_until = 0
         WHERE id = $1 AND attempt = $2 AND status = 'IN_PROGRESS'",
    )
    .bind(work.operation.id.as_str())
    .bind(count(work.attempt))
    .execute(connection)
    .await?;
    if found.rows_affected() == 0 { Err(CommitError::Stale) } else { Ok(()) }
}

/// Two that begin at one moment may both be let in: the bound is one of fairness.
async fn check_transfers(
    connection: &mut AnyConnection,
    operation: &SnapshotOperation,
    max: u64,
) -> Result<(), CommitError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS open FROM snapshot_operations
         WHERE status = 'IN_PROGRESS' AND kind IN ('ExportSnapshot', 'ImportSnapshot')
           AND account = $1",
    )
    .bind(&operation.account)
    .fetch_one(connection)
    .await?;
    let open = Reader { table: "snapshot_operations", row: &row }.count("open")?;
    if open >= max { Err(CommitError::TransfersReached { max }) } else { Ok(()) }
}

async fn is_exported(
    connection: &mut AnyConnection,
    operation: &SnapshotOperation,
) -> Result<bool, CommitError> {
    let row = sqlx::query(
        "SELECT 1 FROM snapshot_operations
         WHERE status = 'IN_PROGRESS' AND kind = 'ExportSnapshot'
           AND account = $1 AND region = $2 AND snapshot = $3",
    )
    .bind(&operation.account)
    .bind(&operation.region)
    .bind(operation.snapshot.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}
