//! Forgetting what is past its time, a piece after another: no statement holds others up.

use millrace_domain::Timestamp;
use millrace_domain::enhanced::EnhancedSnapshot;

use crate::enhanced::{self, Owner};
use crate::error::StoreError;
use crate::open::Store;
use crate::row::Reader;

/// Rows of one statement.
const PIECE: i64 = 1000;

/// The enhanced snapshots of one name of an application; the empty name is that of imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotGroup {
    pub account: String,
    pub region: String,
    pub application: String,
}

impl Store {
    /// Forgets operations of applications that ended before then; each application's
    /// newest stays. Answers how many.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_operations(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.forget(
            "DELETE FROM operations WHERE sequence IN (
                 SELECT sequence FROM operations AS old
                 WHERE ended_at IS NOT NULL AND ended_at < $1
                   AND sequence < (SELECT MAX(newer.sequence) FROM operations AS newer
                                   WHERE newer.application = old.application)
                 LIMIT $2)",
            before,
        )
        .await
    }

    /// Forgets events before then; the last ones of each application are kept by number
    /// anyway. Answers how many.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_events(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.forget(
            "DELETE FROM events WHERE sequence IN (
                 SELECT sequence FROM events WHERE at < $1 LIMIT $2)",
            before,
        )
        .await
    }

    /// Forgets operations of enhanced snapshots that began before then and have ended.
    /// Answers how many.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_snapshot_operations(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.forget(
            "DELETE FROM snapshot_operations WHERE sequence IN (
                 SELECT sequence FROM snapshot_operations
                 WHERE ended_at IS NOT NULL AND started_at < $1 LIMIT $2)",
            before,
        )
        .await
    }

    async fn forget(&self, statement: &'static str, before: Timestamp) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let gone = sqlx::query(statement).bind(before.0).bind(PIECE).execute(&self.writer);
            let gone = gone.await?.rows_affected();
            all += gone;
            if gone < PIECE as u64 {
                return Ok(all);
            }
        }
    }

    /// All groups of enhanced snapshots.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn snapshot_groups(&self) -> Result<Vec<SnapshotGroup>, StoreError> {
        let rows =
            sqlx::query("SELECT DISTINCT account, region, application FROM enhanced_snapshots")
                .fetch_all(&self.reader)
                .await?;
        let group = |row| {
            let row = Reader { table: "enhanced_snapshots", row };
            Ok(SnapshotGroup {
                account: row.text("account")?,
                region: row.text("region")?,
                application: row.text("application")?,
            })
        };
        rows.iter().map(group).collect()
    }

    /// The enhanced snapshots of a group, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn snapshots_of_group(
        &self,
        group: &SnapshotGroup,
    ) -> Result<Vec<EnhancedSnapshot>, StoreError> {
        let owner = Owner { account: &group.account, region: &group.region };
        let rows = sqlx::query(
            "SELECT * FROM enhanced_snapshots
             WHERE account = $1 AND region = $2 AND application = $3 ORDER BY sequence DESC",
        )
        .bind(owner.account)
        .bind(owner.region)
        .bind(&group.application)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(enhanced::snapshot).collect()
    }
}
