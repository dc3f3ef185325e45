//! Leases: which replica of the controller looks after an application now.
//!
//! A lease holds until its own time, and beyond it for as long as its holder is alive: a
//! replica says so every few seconds, in one row, however many leases it has.

use millrace_domain::{ApplicationId, Timestamp};
use sqlx::AnyConnection;

use crate::error::StoreError;
use crate::open::Store;

/// A replica that has not been heard of for so long is forgotten.
const FORGOTTEN_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

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
        let (application, holder) = (application.clone(), holder.to_owned());
        let taken = self.write(move |connection| {
            Box::pin(async move { acquire(connection, &application, &holder, now, until).await })
        });
        taken.await
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
        let (application, holder) = (application.clone(), holder.to_owned());
        let released = self.write(move |connection| {
            Box::pin(async move { release(connection, &application, &holder).await })
        });
        released.await
    }

    /// The replica lives until `until` at least: so long hold all its leases.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn heartbeat(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sqlx::query(
            "INSERT INTO replicas (holder, alive_until) VALUES ($1, $2)
             ON CONFLICT (holder) DO UPDATE SET alive_until = excluded.alive_until",
        )
        .bind(holder)
        .bind(until.0)
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM replicas WHERE alive_until < $1")
            .bind(now.0.saturating_sub(FORGOTTEN_AFTER_MS))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The replica is about to end: gives all its leases back.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn retire(&self, holder: &str) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        for rows in
            ["DELETE FROM leases WHERE holder = $1", "DELETE FROM replicas WHERE holder = $1"]
        {
            sqlx::query(rows).bind(holder).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }
}

async fn acquire(
    connection: &mut AnyConnection,
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
         WHERE leases.holder = excluded.holder
            OR (leases.held_until <= $4 AND NOT EXISTS (
                SELECT 1 FROM replicas
                WHERE replicas.holder = leases.holder AND replicas.alive_until > $5))",
    )
    .bind(holder)
    .bind(until.0)
    .bind(application.as_str())
    .bind(now.0)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

async fn release(
    connection: &mut AnyConnection,
    application: &ApplicationId,
    holder: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM leases WHERE application = $1 AND holder = $2")
        .bind(application.as_str())
        .bind(holder)
        .execute(connection)
        .await?;
    Ok(())
}
