//! Versions: what an application said at each of its versions. Written once.

use millrace_domain::{ApplicationId, Version, VersionId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::open::Store;
use crate::row::{Reader, count, json};
use crate::{Page, operations};

/// Versions that an application refers to at most.
const AT_ONCE: usize = 7;

impl Store {
    /// One version of an application, if it is there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn version(
        &self,
        application: &ApplicationId,
        id: VersionId,
    ) -> Result<Option<Version>, StoreError> {
        by_id(&mut *self.reader.acquire().await?, application, id).await
    }

    /// Up to `limit` versions, newest first, those before `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn versions(
        &self,
        application: &ApplicationId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<Version>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM versions WHERE application = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(application.as_str())
        .bind(operations::bound(before))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        operations::page(&rows, limit, "versions", "id", version)
    }
}

pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    application: &ApplicationId,
    id: VersionId,
) -> Result<Option<Version>, StoreError> {
    let row = sqlx::query("SELECT * FROM versions WHERE application = $1 AND id = $2")
        .bind(application.as_str())
        .bind(count(id.0))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(version).transpose()
}

/// Of these, which are [`AT_ONCE`] at most, those that are there.
pub(crate) async fn of_ids(
    connection: &mut AnyConnection,
    application: &ApplicationId,
    ids: &[VersionId],
) -> Result<Vec<Version>, StoreError> {
    assert!((1..=AT_ONCE).contains(&ids.len()), "an application refers to some versions");
    let mut query = sqlx::query(
        "SELECT * FROM versions
         WHERE application = $1 AND id IN ($2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(application.as_str());
    for at in 0..AT_ONCE {
        // Asked for twice, it is found once.
        query = query.bind(count(ids[at.min(ids.len() - 1)].0));
    }
    query.fetch_all(connection).await?.iter().map(version).collect()
}

pub(crate) async fn insert(
    connection: &mut AnyConnection,
    application: &ApplicationId,
    version: &Version,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO versions (application, id, runtime_environment, service_execution_role,
             configuration, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(application.as_str())
    .bind(count(version.id.0))
    .bind(&version.runtime_environment)
    .bind(&version.service_execution_role)
    .bind(json(&version.configuration))
    .bind(version.created_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

fn version(row: &AnyRow) -> Result<Version, StoreError> {
    let row = Reader { table: "versions", row };
    Ok(Version {
        id: VersionId(row.count("id")?),
        runtime_environment: row.text("runtime_environment")?,
        service_execution_role: row.text("service_execution_role")?,
        configuration: row.json("configuration")?,
        created_at: row.time("created_at")?,
    })
}
