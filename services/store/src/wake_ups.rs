//! Wake-ups: when the controller should look at an application next.
//!
//! A commit writes its wake-up in the same transaction. What is here is for the time
//! between commits: a retry later, or nothing more to do.

use millrace_domain::{ApplicationId, Revision, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::open::Store;
use crate::row::{Reader, count};

/// An application whose wake-up has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub application: ApplicationId,
    /// Who has looked at this revision already knows what it says.
    pub revision: Revision,
}

impl Store {
    /// Up to `limit` applications whose wake-up has come and whose lease no other replica
    /// than `holder` has, longest due first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due(
        &self,
        holder: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Due>, StoreError> {
        let rows = sqlx::query(
            "SELECT wake_ups.application, applications.revision FROM wake_ups
             JOIN applications ON applications.id = wake_ups.application
             LEFT JOIN leases ON leases.application = wake_ups.application
             LEFT JOIN replicas ON replicas.holder = leases.holder
             WHERE wake_ups.wake_at <= $1
               AND (leases.holder IS NULL OR leases.holder = $2
                    OR (leases.held_until <= $3
                        AND (replicas.alive_until IS NULL OR replicas.alive_until <= $4)))
             ORDER BY wake_ups.wake_at, wake_ups.application LIMIT $5",
        )
        .bind(now.0)
        .bind(holder)
        .bind(now.0)
        .bind(now.0)
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(due).collect()
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
        let application = application.clone();
        let set = self.write(move |connection| {
            Box::pin(async move { set(connection, &application, seen, wake_at).await })
        });
        set.await
    }
}

async fn set(
    connection: &mut AnyConnection,
    application: &ApplicationId,
    seen: Revision,
    wake_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let current = sqlx::query("SELECT 1 FROM applications WHERE id = $1 AND revision = $2")
        .bind(application.as_str())
        .bind(count(seen.0))
        .fetch_optional(&mut *connection)
        .await?;
    if current.is_some() {
        put(connection, application, wake_at).await?;
    }
    Ok(())
}

fn due(row: &AnyRow) -> Result<Due, StoreError> {
    let reader = Reader { table: "wake_ups", row };
    let application = reader.id("application", ApplicationId::new)?;
    Ok(Due { application, revision: Revision(reader.count("revision")?) })
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
