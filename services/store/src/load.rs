//! All that the controller decides from, as of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_domain::{
    Application, ApplicationId, ApplicationName, Operation, Revision, Snapshot, Version, VersionId,
};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::open::Store;
use crate::row::Reader;
use crate::{applications, operations, snapshots, versions};

/// An application with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub application: Application,
    /// The current one, the job's, the one updated from, those rolled back between,
    /// and both ends of the open operation.
    pub versions: BTreeMap<VersionId, Version>,
    pub open_operation: Option<Operation>,
    /// All of them, newest first.
    pub snapshots: Arc<Vec<Snapshot>>,
}

impl Loaded {
    /// The version that Describe shows and the next start runs.
    pub fn current_version(&self) -> Option<&Version> {
        self.versions.get(&self.application.version)
    }
}

impl Store {
    /// Loads an application, all parts as of one moment. `None`: it is gone.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn load(&self, id: &ApplicationId) -> Result<Option<Loaded>, StoreError> {
        if let Some(known) = self.known.last(id).filter(|_| self.alone) {
            return Ok(Some(Loaded::clone(&known)));
        }
        let row = sqlx::query("SELECT id, revision FROM applications WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        self.load_found(row.as_ref()).await
    }

    /// As [`Store::load`], by name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn load_named(
        &self,
        account: &str,
        region: &str,
        name: &ApplicationName,
    ) -> Result<Option<Loaded>, StoreError> {
        if self.alone
            && let Some(known) = self.known.named(account, region, name)
        {
            return Ok(Some(Loaded::clone(&known)));
        }
        let row = sqlx::query(
            "SELECT id, revision FROM applications
             WHERE account = $1 AND region = $2 AND name = $3",
        )
        .bind(account)
        .bind(region)
        .bind(name.as_str())
        .fetch_optional(&self.reader)
        .await?;
        self.load_found(row.as_ref()).await
    }

    /// What is known of it, if it is still at that revision.
    async fn load_found(&self, row: Option<&AnyRow>) -> Result<Option<Loaded>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        let row = Reader { table: "applications", row };
        let id = row.id("id", ApplicationId::new)?;
        if let Some(known) = self.known.at(&id, Revision(row.count("revision")?)) {
            return Ok(Some(Loaded::clone(&known)));
        }
        let begun = self.known.begin();
        // A read transaction: one snapshot of the database for all parts.
        let mut tx = self.begin_read().await?;
        let Some(application) = applications::by_id(&mut tx, &id).await? else { return Ok(None) };
        let loaded = with_parts(&mut tx, application).await?;
        self.known.note(&loaded, begun);
        Ok(Some(loaded))
    }
}

async fn with_parts(
    tx: &mut AnyConnection,
    application: Application,
) -> Result<Loaded, StoreError> {
    let id = &application.id;
    let open_operation = match &application.open_operation {
        Some(operation) => operations::by_id(tx, id, operation).await?,
        None => None,
    };
    let versions = versions(tx, &application, open_operation.as_ref()).await?;
    let snapshots = Arc::new(snapshots::all(tx, id).await?);
    Ok(Loaded { application, versions, open_operation, snapshots })
}

async fn versions(
    connection: &mut AnyConnection,
    application: &Application,
    operation: Option<&Operation>,
) -> Result<BTreeMap<VersionId, Version>, StoreError> {
    let ids: Vec<VersionId> = needed(application, operation).into_iter().collect();
    let loaded = versions::of_ids(connection, &application.id, &ids).await?;
    Ok(loaded.into_iter().map(|version| (version.id, version)).collect())
}

fn needed(application: &Application, operation: Option<&Operation>) -> BTreeSet<VersionId> {
    [
        Some(application.version),
        application.version_updated_from,
        application.version_rolled_back_from,
        application.version_rolled_back_to,
        application.job.as_ref().map(|job| job.version),
        operation.map(|operation| operation.from_version),
        operation.map(|operation| operation.to_version),
    ]
    .into_iter()
    .flatten()
    .collect()
}
