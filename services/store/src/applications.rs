//! Applications: one row each.

use std::collections::BTreeMap;

use millrace_domain::care::Care;
use millrace_domain::quota::Quotas;
use millrace_domain::{
    Application, ApplicationId, ApplicationName, Generation, Job, OperationId, Revision, VersionId,
};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::{CommitError, StoreError};
use crate::open::Store;
use crate::row::{Reader, count, json, word};
use crate::tags;

/// An application with what a list shows of its version.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub application: Application,
    pub runtime_environment: String,
}

impl Store {
    /// The application of this name, if there is one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn application(
        &self,
        account: &str,
        region: &str,
        name: &ApplicationName,
    ) -> Result<Option<Application>, StoreError> {
        by_name(&mut *self.reader.acquire().await?, account, region, name).await
    }

    /// Up to `limit` applications by name, those after `after`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn applications(
        &self,
        account: &str,
        region: &str,
        after: Option<&ApplicationName>,
        limit: u32,
    ) -> Result<Vec<Listed>, StoreError> {
        let rows = sqlx::query(
            "SELECT applications.*, versions.runtime_environment
             FROM applications
             JOIN versions ON versions.application = applications.id
                          AND versions.id = applications.version
             WHERE account = $1 AND region = $2 AND name > $3
             ORDER BY name
             LIMIT $4",
        )
        .bind(account)
        .bind(region)
        .bind(after.map_or("", ApplicationName::as_str))
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(listed).collect()
    }

    /// How many applications the account has in the Region.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_applications(&self, account: &str, region: &str) -> Result<u64, StoreError> {
        count_of(&mut *self.reader.acquire().await?, account, region).await
    }

    /// The applications that have a job, or are meant to, with its generation.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn jobs(&self) -> Result<Vec<(ApplicationId, Generation)>, StoreError> {
        let rows =
            sqlx::query("SELECT id, job FROM applications WHERE job IS NOT NULL ORDER BY id")
                .fetch_all(&self.reader)
                .await?;
        let job = |row| {
            let row = Reader { table: "applications", row };
            let job: Job = row.json("job")?;
            Ok((row.id("id", ApplicationId::new)?, job.generation))
        };
        rows.iter().map(job).collect()
    }

    /// Every application there is, of every account.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn application_ids(&self) -> Result<Vec<ApplicationId>, StoreError> {
        let rows =
            sqlx::query("SELECT id FROM applications ORDER BY id").fetch_all(&self.reader).await?;
        let id = |row| Reader { table: "applications", row }.id("id", ApplicationId::new);
        rows.iter().map(id).collect()
    }
}

pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: &ApplicationId,
) -> Result<Option<Application>, StoreError> {
    let row = sqlx::query("SELECT * FROM applications WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    with_tags(connection, row).await
}

/// As [`by_id`], without its tags: what events are told from.
pub(crate) async fn without_tags(
    connection: &mut AnyConnection,
    id: &ApplicationId,
) -> Result<Option<Application>, StoreError> {
    let row = sqlx::query("SELECT * FROM applications WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(application).transpose()
}

pub(crate) async fn by_name(
    connection: &mut AnyConnection,
    account: &str,
    region: &str,
    name: &ApplicationName,
) -> Result<Option<Application>, StoreError> {
    let row =
        sqlx::query("SELECT * FROM applications WHERE account = $1 AND region = $2 AND name = $3")
            .bind(account)
            .bind(region)
            .bind(name.as_str())
            .fetch_optional(&mut *connection)
            .await?;
    with_tags(connection, row).await
}

async fn with_tags(
    connection: &mut AnyConnection,
    row: Option<AnyRow>,
) -> Result<Option<Application>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    let mut application = application(&row)?;
    application.tags = tags::of(connection, &application.id).await?;
    Ok(Some(application))
}

async fn count_of(
    connection: &mut AnyConnection,
    account: &str,
    region: &str,
) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "SELECT count(*) AS count FROM applications WHERE account = $1 AND region = $2",
    )
    .bind(account)
    .bind(region)
    .fetch_one(connection)
    .await?;
    Reader { table: "applications", row: &row }.count("count")
}

/// Writes a new application; its revision is 1 whatever it says.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    application: &Application,
    quotas: &Quotas,
) -> Result<Revision, CommitError> {
    // Counted here once more: two creations may have been decided from one count.
    let Application { account, region, .. } = application;
    if count_of(&mut *connection, account, region).await? >= quotas.applications {
        return Err(CommitError::QuotaReached { max: quotas.applications });
    }
    let inserted = sqlx::query(
        "INSERT INTO applications (id, account, region, name, description, status, version,
             latest_version, version_updated_from, version_rolled_back_from,
             version_rolled_back_to, conditional_token, created_at, updated_at, job, generation,
             open_operation, maintenance_start, care, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
             $19, 1)",
    )
    .bind(application.id.as_str())
    .bind(&application.account)
    .bind(&application.region)
    .bind(application.name.as_str())
    .bind(&application.description)
    .bind(word(&application.status))
    .bind(count(application.version.0))
    .bind(count(application.latest_version.0))
    .bind(application.version_updated_from.map(|version| count(version.0)))
    .bind(application.version_rolled_back_from.map(|version| count(version.0)))
    .bind(application.version_rolled_back_to.map(|version| count(version.0)))
    .bind(&application.conditional_token)
    .bind(application.created_at.0)
    .bind(application.updated_at.0)
    .bind(application.job.as_ref().map(json))
    .bind(count(application.generation.0))
    .bind(application.open_operation.as_ref().map(OperationId::as_str))
    .bind(application.maintenance_start.as_ref().map(json))
    .bind(care(application))
    .execute(&mut *connection)
    .await;
    match inserted {
        Ok(_) => Ok(Revision(1)),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(CommitError::NameTaken)
        }
        Err(error) => Err(error.into()),
    }
}

/// Replaces an application that is still at `expected`. What never changes (id,
/// account, Region, name, creation) is not written.
pub(crate) async fn replace(
    connection: &mut AnyConnection,
    application: &Application,
    expected: Revision,
) -> Result<Revision, CommitError> {
    let replaced = sqlx::query(
        "UPDATE applications
         SET description = $1, status = $2, version = $3, latest_version = $4,
             version_updated_from = $5, version_rolled_back_from = $6, version_rolled_back_to = $7,
             conditional_token = $8, updated_at = $9, job = $10, generation = $11, open_operation = $12,
             maintenance_start = $13, care = $14, revision = revision + 1
         WHERE id = $15 AND revision = $16",
    )
    .bind(&application.description)
    .bind(word(&application.status))
    .bind(count(application.version.0))
    .bind(count(application.latest_version.0))
    .bind(application.version_updated_from.map(|version| count(version.0)))
    .bind(application.version_rolled_back_from.map(|version| count(version.0)))
    .bind(application.version_rolled_back_to.map(|version| count(version.0)))
    .bind(&application.conditional_token)
    .bind(application.updated_at.0)
    .bind(application.job.as_ref().map(json))
    .bind(count(application.generation.0))
    .bind(application.open_operation.as_ref().map(OperationId::as_str))
    .bind(application.maintenance_start.as_ref().map(json))
    .bind(care(application))
    .bind(application.id.as_str())
    .bind(count(expected.0))
    .execute(&mut *connection)
    .await?;
    one_row(replaced.rows_affected()).map(|()| Revision(expected.0 + 1))
}

/// Deletes an application that is still at `expected`, with everything of it.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    id: &ApplicationId,
    expected: Revision,
) -> Result<Revision, CommitError> {
    let deleted = sqlx::query("DELETE FROM applications WHERE id = $1 AND revision = $2")
        .bind(id.as_str())
        .bind(count(expected.0))
        .execute(&mut *connection)
        .await?;
    one_row(deleted.rows_affected()).map(|()| Revision(expected.0 + 1))
}

/// Most applications have nothing of it.
fn care(application: &Application) -> Option<String> {
    (application.care != Care::default()).then(|| json(&application.care))
}

fn one_row(affected: u64) -> Result<(), CommitError> {
    if affected == 1 { Ok(()) } else { Err(CommitError::Stale) }
}

fn listed(row: &AnyRow) -> Result<Listed, StoreError> {
    let runtime_environment = Reader { table: "versions", row }.text("runtime_environment")?;
    Ok(Listed { application: application(row)?, runtime_environment })
}

/// The row without its tags, which a list does not show.
fn application(row: &AnyRow) -> Result<Application, StoreError> {
    let row = Reader { table: "applications", row };
    Ok(Application {
        id: row.id("id", ApplicationId::new)?,
        account: row.text("account")?,
        region: row.text("region")?,
        name: row.id("name", ApplicationName::new)?,
        description: row.text("description")?,
        status: row.word("status")?,
        version: VersionId(row.count("version")?),
        latest_version: VersionId(row.count("latest_version")?),
        version_updated_from: row.optional_count("version_updated_from")?.map(VersionId),
        version_rolled_back_from: row.optional_count("version_rolled_back_from")?.map(VersionId),
        version_rolled_back_to: row.optional_count("version_rolled_back_to")?.map(VersionId),
        conditional_token: row.text("conditional_token")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        job: row.optional_json("job")?,
        generation: Generation(row.count("generation")?),
        open_operation: match row.optional_text("open_operation")? {
            None => None,
            Some(_) => Some(row.id("open_operation", OperationId::new)?),
        },
        tags: BTreeMap::new(),
        maintenance_start: row.optional_json("maintenance_start")?,
        care: row.optional_json("care")?.unwrap_or_default(),
        revision: Revision(row.count("revision")?),
    })
}
