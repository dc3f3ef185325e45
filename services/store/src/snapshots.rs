//! Snapshots: named copies of a job's state.

use millrace_domain::{ApplicationId, Snapshot, SnapshotName, VersionId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::Page;
use crate::error::StoreError;
use crate::open::Store;
use crate::operations::{bound, page};
use crate::row::{Reader, count, word};

impl Store {
    /// One snapshot of an application, if it is there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn snapshot(
        &self,
        application: &ApplicationId,
        name: &SnapshotName,
    ) -> Result<Option<Snapshot>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM snapshots WHERE application = $1 AND name = $2 AND enhanced = 0",
        )
        .bind(application.as_str())
        .bind(name.as_str())
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(snapshot).transpose()
    }

    /// Up to `limit` snapshots, newest first, those before `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn snapshots(
        &self,
        application: &ApplicationId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<Snapshot>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM snapshots
             WHERE application = $1 AND sequence < $2 AND enhanced = 0
             ORDER BY sequence DESC
             LIMIT $3",
        )
        .bind(application.as_str())
        .bind(bound(before))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        page(&rows, limit, "snapshots", "sequence", snapshot)
    }
}

/// All of an application's, newest first.
pub(crate) async fn all(
    connection: &mut AnyConnection,
    application: &ApplicationId,
) -> Result<Vec<Snapshot>, StoreError> {
    let rows = sqlx::query("SELECT * FROM snapshots WHERE application = $1 ORDER BY sequence DESC")
        .bind(application.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(snapshot).collect()
}

/// Inserts, or replaces what may change of the one with the same name.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    snapshot: &Snapshot,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO snapshots (application, name, status, created_at, version,
             runtime_environment, location, automatic, enhanced)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (application, name) DO UPDATE
         SET status = excluded.status, location = excluded.location",
    )
    .bind(snapshot.application.as_str())
    .bind(snapshot.name.as_str())
    .bind(word(&snapshot.status))
    .bind(snapshot.created_at.0)
    .bind(count(snapshot.version.0))
    .bind(&snapshot.runtime_environment)
    .bind(&snapshot.location)
    .bind(i64::from(snapshot.automatic))
    .bind(i64::from(snapshot.enhanced))
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn delete(
    connection: &mut AnyConnection,
    application: &ApplicationId,
    name: &SnapshotName,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM snapshots WHERE application = $1 AND name = $2")
        .bind(application.as_str())
        .bind(name.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

fn snapshot(row: &AnyRow) -> Result<Snapshot, StoreError> {
    let row = Reader { table: "snapshots", row };
    Ok(Snapshot {
        application: row.id("application", ApplicationId::new)?,
        name: row.id("name", SnapshotName::new)?,
        status: row.word("status")?,
        created_at: row.time("created_at")?,
        version: VersionId(row.count("version")?),
        runtime_environment: row.text("runtime_environment")?,
        location: row.optional_text("location")?,
        automatic: row.flag("automatic")?,
        enhanced: row.flag("enhanced")?,
    })
}
