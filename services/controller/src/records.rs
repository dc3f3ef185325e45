//! What the controller needs of the store; a port, so that a simulation can be one.

use std::sync::Arc;

use std::collections::BTreeMap;

use async_trait::async_trait;
use millrace_domain::{
    Application, ApplicationId, Change, Operation, OperationKind, Revision, Snapshot, Timestamp,
    Version, VersionId,
};
use millrace_store::{CommitError, Due, OperationFilter, Store, StoreError};

/// An application with what belongs to it, as of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub application: Application,
    pub operation: Option<Operation>,
    pub versions: BTreeMap<VersionId, Version>,
    pub snapshots: Arc<Vec<Snapshot>>,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The facts of the decision are not the newest: load again, decide again.
    #[error("the application changed since it was loaded")]
    Stale,
    #[error("the store did not answer")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The controller's side of the store.
#[async_trait]
pub trait Records: Send + Sync {
    /// `None`: the application is gone.
    async fn load(&self, id: &ApplicationId) -> Result<Option<Stored>, RecordError>;

    /// All of the change, or nothing when the application is not as it was loaded.
    async fn commit(&self, change: &Change, now: Timestamp) -> Result<(), RecordError>;

    /// Applications whose wake-up has come.
    /// Those that no other living replica looks after.
    async fn due(&self, holder: &str, now: Timestamp) -> Result<Vec<Due>, RecordError>;

    /// Nothing is left to do for the application, unless it changed since `seen`.
    async fn clear_wake_up(&self, id: &ApplicationId, seen: Revision) -> Result<(), RecordError>;

    /// The applications that have a job.
    async fn with_jobs(&self) -> Result<Vec<ApplicationId>, RecordError>;

    /// The newest operation of a kind.
    async fn newest(
        &self,
        id: &ApplicationId,
        kind: OperationKind,
    ) -> Result<Option<Operation>, RecordError>;

    async fn acquire_lease(
        &self,
        id: &ApplicationId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, RecordError>;

    async fn release_lease(&self, id: &ApplicationId, holder: &str) -> Result<(), RecordError>;

    /// All leases of this holder hold until then, if nothing is heard of it again.
    async fn heartbeat(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), RecordError>;

    /// Gives all its leases back.
    async fn retire(&self, holder: &str) -> Result<(), RecordError>;
}

#[async_trait]
impl Records for Store {
    async fn load(&self, id: &ApplicationId) -> Result<Option<Stored>, RecordError> {
        let loaded = Store::load(self, id).await?;
        Ok(loaded.map(|loaded| Stored {
            application: loaded.application,
            operation: loaded.open_operation,
            versions: loaded.versions,
            snapshots: loaded.snapshots,
        }))
    }

    async fn commit(&self, change: &Change, now: Timestamp) -> Result<(), RecordError> {
        match Store::commit(self, change, now).await {
            Ok(_) => Ok(()),
            Err(CommitError::Stale) => Err(RecordError::Stale),
            Err(error) => Err(RecordError::Store(Box::new(error))),
        }
    }

    async fn due(&self, holder: &str, now: Timestamp) -> Result<Vec<Due>, RecordError> {
        Ok(Store::due(self, holder, now, u32::MAX).await?)
    }

    async fn clear_wake_up(&self, id: &ApplicationId, seen: Revision) -> Result<(), RecordError> {
        Ok(Store::set_wake_up(self, id, seen, None).await?)
    }

    async fn with_jobs(&self) -> Result<Vec<ApplicationId>, RecordError> {
        Ok(self.jobs().await?.into_iter().map(|(id, _)| id).collect())
    }

    async fn newest(
        &self,
        id: &ApplicationId,
        kind: OperationKind,
    ) -> Result<Option<Operation>, RecordError> {
        let filter = OperationFilter { kind: Some(kind), status: None };
        let page = self.operations(id, filter, None, 1).await?;
        Ok(page.items.into_iter().next())
    }

    async fn acquire_lease(
        &self,
        id: &ApplicationId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, RecordError> {
        Ok(Store::acquire_lease(self, id, holder, now, until).await?)
    }

    async fn release_lease(&self, id: &ApplicationId, holder: &str) -> Result<(), RecordError> {
        Ok(Store::release_lease(self, id, holder).await?)
    }

    async fn heartbeat(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), RecordError> {
        Ok(Store::heartbeat(self, holder, now, until).await?)
    }

    async fn retire(&self, holder: &str) -> Result<(), RecordError> {
        Ok(Store::retire(self, holder).await?)
    }
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> RecordError {
        RecordError::Store(Box::new(error))
    }
}
