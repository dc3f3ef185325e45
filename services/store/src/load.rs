//! All that the controller decides from, as of one moment.

use std::collections::{BTreeMap, BTreeSet};

use millrace_domain::{
    Application, ApplicationId, ApplicationName, Operation, Snapshot, Version, VersionId,
};
use sqlx::AnyConnection;

use crate::error::StoreError;
use crate::open::Store;
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
    pub snapshots: Vec<Snapshot>,
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
        // A read transaction: one snapshot of the database for all parts.
        let mut tx = self.begin_read().await?;
        match applications::by_id(&mut tx, id).await? {
            Some(application) => with_parts(&mut tx, application).await.map(Some),
            None => Ok(None),
        }
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
        let mut tx = self.begin_read().await?;
        match applications::by_name(&mut tx, account, region, name).await? {
            Some(application) => with_parts(&mut tx, application).await.map(Some),
            None => Ok(None),
        }
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
    let snapshots = snapshots::all(tx, id).await?;
    Ok(Loaded { application, versions, open_operation, snapshots })
}

async fn versions(
    connection: &mut AnyConnection,
    application: &Application,
    operation: Option<&Operation>,
) -> Result<BTreeMap<VersionId, Version>, StoreError> {
    let mut loaded = BTreeMap::new();
    for id in needed(application, operation) {
        if let Some(version) = versions::by_id(connection, &application.id, id).await? {
            loaded.insert(id, version);
        }
    }
    Ok(loaded)
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
