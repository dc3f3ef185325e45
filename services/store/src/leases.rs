//! Leases: which replica of the controller looks after an application now.

use millrace_domain::{ApplicationId, Timestamp};

use crate::error::StoreError;
use crate::open::Store;

impl Store {
    /// Takes or renews the lease of an application until `until`. False when another
    /// holder has it beyond `now`, or the application is gone.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn acquire_lease(
        &self,
        application: &ApplicationId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let taken = sqlx::query(
            "INSERT INTO leases (application, holder, held_until)
             SELECT id, $1, $2 FROM applications WHERE id = $3
             ON CONFLICT (application) DO UPDATE
             SET holder = excluded.holder, held_until = excluded.held_until
             WHERE leases.holder = excluded.holder OR leases.held_until <= $4",
        )
        .bind(holder)
        .bind(until.0)
        .bind(application.as_str())
        .bind(now.0)
        .execute(&self.writer)
        .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Gives the lease back, if `holder` still has it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn release_lease(
        &self,
        application: &ApplicationId,
        holder: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM leases WHERE application = $1 AND holder = $2")
            .bind(application.as_str())
            .bind(holder)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
