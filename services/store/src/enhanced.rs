//! Enhanced snapshots and what was done to them. Neither hangs on an application's row:
//! they outlive it.

use std::collections::BTreeMap;

use millrace_domain::change::IdempotencyRecord;
use millrace_domain::enhanced::{
    EnhancedRequest, EnhancedSnapshot, OPERATIONS_KEPT_MS, SnapshotOperation, SnapshotOperationKind,
};
use millrace_domain::quota::QuotaBook;
use millrace_domain::{
    EnhancedSnapshotName, OperationId, OperationStatus, SnapshotStatus, Timestamp,
};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::{CommitError, StoreError};
use crate::known::Touched;
use crate::open::Store;
use crate::operations::{bound, page};
use crate::row::{Reader, count, json, word};
use crate::{Page, commit, snapshot_uses};

/// Which enhanced snapshots to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct SnapshotFilter {
    pub application: Option<String>,
    /// SYSTEM or USER.
    pub initiator: Option<String>,
    pub operation: Option<String>,
    pub status: Option<SnapshotStatus>,
}

/// Whose snapshots, or operations, are meant.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub account: &'a str,
    pub region: &'a str,
}

impl Store {
    /// The enhanced snapshot of this name, if there is one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn enhanced_snapshot(
        &self,
        owner: Owner<'_>,
        name: &EnhancedSnapshotName,
    ) -> Result<Option<EnhancedSnapshot>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM enhanced_snapshots WHERE account = $1 AND region = $2 AND name = $3",
        )
        .bind(owner.account)
        .bind(owner.region)
        .bind(name.as_str())
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(snapshot).transpose()
    }

    /// Up to `limit` enhanced snapshots, newest first, those before `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn enhanced_snapshots(
        &self,
        owner: Owner<'_>,
        filter: &SnapshotFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<EnhancedSnapshot>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM enhanced_snapshots
             WHERE account = $1 AND region = $2 AND sequence < $3
               AND ($4 IS NULL OR application = $4) AND ($5 IS NULL OR initiator = $5)
               AND ($6 IS NULL OR operation = $6) AND ($7 IS NULL OR status = $7)
             ORDER BY sequence DESC
             LIMIT $8",
        )
        .bind(owner.account)
        .bind(owner.region)
        .bind(bound(before))
        .bind(&filter.application)
        .bind(&filter.initiator)
        .bind(&filter.operation)
        .bind(filter.status.as_ref().map(word))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        page(&rows, limit, "enhanced_snapshots", "sequence", snapshot)
    }

    /// One operation of the snapshots of this name, also of one that is gone.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn snapshot_operation(
        &self,
        owner: Owner<'_>,
        name: &EnhancedSnapshotName,
        id: &str,
    ) -> Result<Option<SnapshotOperation>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM snapshot_operations
             WHERE account = $1 AND region = $2 AND snapshot = $3 AND id = $4",
        )
        .bind(owner.account)
        .bind(owner.region)
        .bind(name.as_str())
        .bind(id)
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(operation).transpose()
    }

    /// Up to `limit` operations of the snapshots of this name, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn snapshot_operations(
        &self,
        owner: Owner<'_>,
        name: &EnhancedSnapshotName,
        (kind, status): (Option<&str>, Option<&str>),
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<SnapshotOperation>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM snapshot_operations
             WHERE account = $1 AND region = $2 AND snapshot = $3 AND sequence < $4
               AND ($5 IS NULL OR kind = $5) AND ($6 IS NULL OR status = $6)
             ORDER BY sequence DESC
             LIMIT $7",
        )
        .bind(owner.account)
        .bind(owner.region)
        .bind(name.as_str())
        .bind(bound(before))
        .bind(kind)
        .bind(status)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        page(&rows, limit, "snapshot_operations", "sequence", operation)
    }

    /// Writes a deletion of the snapshot, when its status is still `expected`, with the
    /// answer to a retry. What applications know of the snapshot goes at once: none begins
    /// to use it from here on.
    ///
    /// # Errors
    /// [`CommitError::AlreadyDone`], [`CommitError::Stale`] when the status is another, or
    /// [`CommitError::SnapshotUsed`].
    pub async fn commit_enhanced(
        &self,
        request: &EnhancedRequest,
        expected: SnapshotStatus,
        answer: Option<&IdempotencyRecord>,
        now: Timestamp,
    ) -> Result<(), CommitError> {
        let (quotas, request, answer) = (self.quotas.clone(), request.clone(), answer.cloned());
        self.write_touching(Touched::All, move |connection| {
            Box::pin(async move {
                commit::claim(connection, answer.as_ref()).await?;
                delete(connection, &request, expected, &quotas, now).await
            })
        })
        .await
    }

    /// Replaces a snapshot's tags. False: there is no such snapshot.
    ///
    /// # Errors
    /// The database does not answer; or the call was committed before.
    pub async fn tag_enhanced(
        &self,
        snapshot: &EnhancedSnapshot,
        tags: &BTreeMap<String, String>,
        answer: Option<&IdempotencyRecord>,
    ) -> Result<(), CommitError> {
        let mut tx = self.begin_write().await?;
        commit::claim(&mut tx, answer).await?;
        let changed = sqlx::query(
            "UPDATE enhanced_snapshots SET tags = $1
             WHERE account = $2 AND region = $3 AND name = $4 AND tags = $5",
        )
        .bind(json(tags))
        .bind(&snapshot.account)
        .bind(&snapshot.region)
        .bind(snapshot.name.as_str())
        .bind(json(&snapshot.tags))
        .execute(&mut *tx)
        .await?;
        if changed.rows_affected() == 0 {
            return Err(CommitError::Stale);
        }
        Ok(tx.commit().await?)
    }
}

async fn delete(
    connection: &mut AnyConnection,
    request: &EnhancedRequest,
    expected: SnapshotStatus,
    quotas: &QuotaBook,
    now: Timestamp,
) -> Result<(), CommitError> {
    // Applications first, as every change of one does: then nobody waits in a ring.
    snapshot_uses::overtake_holders(connection, &request.snapshot).await?;
    expect_status(connection, &request.snapshot, expected).await?;
    snapshot_uses::check_unused(connection, &request.snapshot).await?;
    snapshot_uses::forget(connection, &request.snapshot).await?;
    put(connection, request, quotas, now).await
}

pub(crate) async fn expect_status(
    connection: &mut AnyConnection,
    snapshot: &EnhancedSnapshot,
    expected: SnapshotStatus,
) -> Result<(), CommitError> {
    // Written to, so that another replica's change of it waits for this one.
    let found = sqlx::query(
        "UPDATE enhanced_snapshots SET status = status
         WHERE account = $1 AND region = $2 AND name = $3 AND status = $4",
    )
    .bind(&snapshot.account)
    .bind(&snapshot.region)
    .bind(snapshot.name.as_str())
    .bind(word(&expected))
    .execute(connection)
    .await?;
    if found.rows_affected() == 0 { Err(CommitError::Stale) } else { Ok(()) }
}

/// Inserts both, or replaces what may change of them: never a snapshot's tags.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    request: &EnhancedRequest,
    quotas: &QuotaBook,
    now: Timestamp,
) -> Result<(), CommitError> {
    let EnhancedRequest { snapshot, operation } = request;
    if snapshot.status == SnapshotStatus::Creating || is_new(&mut *connection, snapshot).await? {
        insert(&mut *connection, snapshot, quotas).await?;
    }
    sqlx::query(
        "UPDATE enhanced_snapshots SET status = $1, location = $2, size_bytes = $3
         WHERE account = $4 AND region = $5 AND name = $6",
    )
    .bind(word(&snapshot.status))
    .bind(&snapshot.location)
    .bind(snapshot.size_bytes.map(count))
    .bind(&snapshot.account)
    .bind(&snapshot.region)
    .bind(snapshot.name.as_str())
    .execute(&mut *connection)
    .await?;
    put_operation(connection, operation, now).await
}

async fn is_new(
    connection: &mut AnyConnection,
    snapshot: &EnhancedSnapshot,
) -> Result<bool, CommitError> {
    let row = sqlx::query(
        "SELECT 1 FROM enhanced_snapshots WHERE account = $1 AND region = $2 AND name = $3",
    )
    .bind(&snapshot.account)
    .bind(&snapshot.region)
    .bind(snapshot.name.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.is_none())
}

pub(crate) async fn insert(
    connection: &mut AnyConnection,
    snapshot: &EnhancedSnapshot,
    quotas: &QuotaBook,
) -> Result<(), CommitError> {
    check_quota(&mut *connection, snapshot, quotas.of(&snapshot.account).account_snapshots).await?;
    let inserted = sqlx::query(
        "INSERT INTO enhanced_snapshots (account, region, name, description, status, created_at,
             initiator, operation, application, source, location, tags, size_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(&snapshot.account)
    .bind(&snapshot.region)
    .bind(snapshot.name.as_str())
    .bind(&snapshot.description)
    .bind(word(&snapshot.status))
    .bind(snapshot.created_at.0)
    .bind(snapshot.initiator.initiator())
    .bind(word(&snapshot.initiator))
    // No application has the empty name.
    .bind(snapshot.source.application().map_or("", |source| source.name.as_str()))
    .bind(json(&snapshot.source))
    .bind(&snapshot.location)
    .bind(json(&snapshot.tags))
    .bind(snapshot.size_bytes.map(count))
    .execute(connection)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(CommitError::SnapshotNameTaken { name: snapshot.name.clone() })
        }
        Err(error) => Err(error.into()),
    }
}

/// Two that are made at one moment may both be let in.
async fn check_quota(
    connection: &mut AnyConnection,
    snapshot: &EnhancedSnapshot,
    max: u64,
) -> Result<(), CommitError> {
    if snapshot.initiator.initiator() == "SYSTEM" {
        return Ok(());
    }
    let row = sqlx::query(
        "SELECT COUNT(*) AS asked FROM enhanced_snapshots
         WHERE account = $1 AND region = $2 AND initiator = 'USER'",
    )
    .bind(&snapshot.account)
    .bind(&snapshot.region)
    .fetch_one(connection)
    .await?;
    let asked = Reader { table: "enhanced_snapshots", row: &row }.count("asked")?;
    if asked < max { Ok(()) } else { Err(CommitError::SnapshotsReached { max }) }
}

/// Also forgets the operations past their time.
pub(crate) async fn put_operation(
    connection: &mut AnyConnection,
    operation: &SnapshotOperation,
    now: Timestamp,
) -> Result<(), CommitError> {
    sqlx::query("DELETE FROM snapshot_operations WHERE ended_at IS NOT NULL AND started_at < $1")
        .bind(now.0 - OPERATIONS_KEPT_MS)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO snapshot_operations (account, region, snapshot, id, kind, status,
             started_at, ended_at, failure, application, place)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE
         SET status = excluded.status, ended_at = excluded.ended_at, failure = excluded.failure",
    )
    .bind(&operation.account)
    .bind(&operation.region)
    .bind(operation.snapshot.as_str())
    .bind(operation.id.as_str())
    .bind(word(&operation.kind))
    .bind(word(&operation.status))
    .bind(operation.started_at.0)
    .bind(operation.ended_at.map(|time| time.0))
    .bind(&operation.failure)
    .bind(operation.application.as_ref().map(json))
    .bind(operation.place.as_ref().map(json))
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) fn snapshot(row: &AnyRow) -> Result<EnhancedSnapshot, StoreError> {
    let row = Reader { table: "enhanced_snapshots", row };
    Ok(EnhancedSnapshot {
        account: row.text("account")?,
        region: row.text("region")?,
        name: row.id("name", EnhancedSnapshotName::new)?,
        description: row.text("description")?,
        status: row.word("status")?,
        created_at: row.time("created_at")?,
        initiator: row.word::<SnapshotOperationKind>("operation")?,
        source: row.json("source")?,
        location: row.optional_text("location")?,
        size_bytes: row.optional_count("size_bytes")?,
        tags: row.json("tags")?,
    })
}

pub(crate) fn operation(row: &AnyRow) -> Result<SnapshotOperation, StoreError> {
    let row = Reader { table: "snapshot_operations", row };
    Ok(SnapshotOperation {
        id: row.id("id", OperationId::new)?,
        account: row.text("account")?,
        region: row.text("region")?,
        snapshot: row.id("snapshot", EnhancedSnapshotName::new)?,
        kind: row.word("kind")?,
        status: row.word::<OperationStatus>("status")?,
        started_at: row.time("started_at")?,
        ended_at: row.optional_time("ended_at")?,
        failure: row.optional_text("failure")?,
        application: row.optional_json("application")?,
        place: row.optional_json("place")?,
    })
}
