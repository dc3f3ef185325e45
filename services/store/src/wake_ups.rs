//! Wake-ups: when the controller should look at an application next.
//!
//! A commit writes its wake-up in the same transaction. What is here is for the time
//! between commits: a retry later, or nothing more to do.

use millrace_domain::{ApplicationId, Revision, Timestamp};
use sqlx::AnyConnection;

use crate::error::StoreError;
use crate::open::Store;
use crate::row::{Reader, count};

impl Store {
    /// Up to `limit` applications whose wake-up has come, longest due first. Leases are
    /// not looked at: who cannot take one goes on to the next.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<ApplicationId>, StoreError> {
        let rows = sqlx::query(
            "SELECT application FROM wake_ups WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2",
        )
        .bind(now.0)
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let id = |row| Reader { table: "wake_ups", row }.id("application", ApplicationId::new);
        rows.iter().map(id).collect()
    }

    /// The earliest wake-up of all, due or not.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_wake_up(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT min(wake_at) AS wake_at FROM wake_ups")
            .fetch_one(&self.reader)
            .await?;
        Reader { table: "wake_ups", row: &row }.optional_time("wake_at")
    }

    /// Sets the wake-up without a change of the application: `None` when nothing is
    /// left to do. Does nothing when the application is no longer at `seen`, for then
    /// someone committed a wake-up that must not be lost.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_wake_up(
        &self,
        application: &ApplicationId,
        seen: Revision,
        wake_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        let current = sqlx::query("SELECT 1 FROM applications WHERE id = $1 AND revision = $2")
            .bind(application.as_str())
            .bind(count(seen.0))
            .fetch_optional(&mut *tx)
            .await?;
        if current.is_some() {
            put(&mut tx, application, wake_at).await?;
        }
        Ok(tx.commit().await?)
    }
}

pub(crate) async fn put(
    connection: &mut AnyConnection,
    application: &ApplicationId,
    wake_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let Some(wake_at) = wake_at else {
        sqlx::query("DELETE FROM wake_ups WHERE application = $1")
            .bind(application.as_str())
            .execute(connection)
            .await?;
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO wake_ups (application, wake_at) VALUES ($1, $2)
         ON CONFLICT (application) DO UPDATE SET wake_at = excluded.wake_at",
    )
    .bind(application.as_str())
    .bind(wake_at.0)
    .execute(connection)
    .await?;
    Ok(())
}
