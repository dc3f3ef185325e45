//! A store of one application in memory, with the store's rules: compare-and-set, and one
//! transaction for all of a change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use millrace_controller::{Due, RecordError, Records, Stored};
use millrace_domain::change::ApplicationWrite;
use millrace_domain::enhanced::EnhancedRequest;
use millrace_domain::event::{Event, events};
use millrace_domain::{
    Application, ApplicationId, Change, EnhancedSnapshotName, Operation, OperationId,
    OperationKind, Revision, Snapshot, SnapshotName, Timestamp, Version, VersionId,
};

#[derive(Default)]
pub struct Memory {
    rows: Mutex<Rows>,
}

#[derive(Clone, Default)]
pub struct Rows {
    pub application: Option<Application>,
    pub versions: BTreeMap<VersionId, Version>,
    pub operations: BTreeMap<OperationId, Operation>,
    pub snapshots: BTreeMap<SnapshotName, Snapshot>,
    /// Those of the account, with their operations.
    pub enhanced: BTreeMap<EnhancedSnapshotName, EnhancedRequest>,
    pub wake_at: Option<Timestamp>,
    /// What was told, in order.
    pub events: Vec<Event>,
}

impl Memory {
    pub fn with(application: Application, version: Version) -> Memory {
        let rows = Rows {
            application: Some(application),
            versions: BTreeMap::from([(version.id, version)]),
            ..Rows::default()
        };
        Memory { rows: Mutex::new(rows) }
    }

    pub fn rows(&self) -> Rows {
        self.rows.lock().expect("no test panics while it holds the rows").clone()
    }

    /// Another commit goes between: what was loaded before is stale.
    pub fn touch(&self) {
        let mut rows = self.rows.lock().expect("no test panics while it holds the rows");
        if let Some(application) = &mut rows.application {
            application.revision = Revision(application.revision.0 + 1);
        }
    }

    pub fn put(&self, change: &Change) -> Result<(), RecordError> {
        let mut rows = self.rows.lock().expect("no test panics while it holds the rows");
        let current = rows.application.as_ref().map(|application| application.revision);
        if current.is_none() || current != change.expected {
            return Err(RecordError::Stale);
        }
        let told = events(rows.application.as_ref(), change, Timestamp(0));
        rows.events.extend(told);
        match &change.application {
            ApplicationWrite::Delete(_) => *rows = Rows::default(),
            ApplicationWrite::Put(application) => {
                let revision = Revision(application.revision.0 + 1);
                rows.application = Some(Application { revision, ..*application.clone() });
                rows.versions.extend(change.new_version.clone().map(|v| (v.id, v)));
                let operations = change.operations.iter().cloned();
                rows.operations
                    .extend(operations.map(|operation| (operation.id.clone(), operation)));
                for name in &change.deleted_snapshots {
                    rows.snapshots.remove(name);
                }
                let snapshots = change.snapshots.iter().cloned();
                rows.snapshots.extend(snapshots.map(|snapshot| (snapshot.name.clone(), snapshot)));
                let enhanced = change.enhanced.iter().cloned();
                rows.enhanced.extend(enhanced.map(|it| (it.snapshot.name.clone(), it)));
                rows.wake_at = change.wake_at;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Records for Memory {
    async fn load(&self, _id: &ApplicationId) -> Result<Option<Stored>, RecordError> {
        let rows = self.rows();
        let Some(application) = rows.application else { return Ok(None) };
        let operation = application
            .open_operation
            .as_ref()
            .map(|id| rows.operations.get(id).expect("the open operation has a row").clone());
        let snapshots = Arc::new(rows.snapshots.into_values().collect());
        Ok(Some(Stored { application, operation, versions: rows.versions, snapshots }))
    }

    async fn commit(&self, change: &Change, _now: Timestamp) -> Result<(), RecordError> {
        self.put(change)
    }

    async fn due(&self, _holder: &str, now: Timestamp) -> Result<Vec<Due>, RecordError> {
        let rows = self.rows();
        let due = rows.wake_at.is_some_and(|at| at <= now);
        let due = rows.application.into_iter().filter(|_| due);
        Ok(due.map(|a| Due { application: a.id, revision: a.revision }).collect())
    }

    async fn clear_wake_up(&self, _id: &ApplicationId, seen: Revision) -> Result<(), RecordError> {
        let mut rows = self.rows.lock().expect("no test panics while it holds the rows");
        if rows.application.as_ref().is_some_and(|application| application.revision == seen) {
            rows.wake_at = None;
        }
        Ok(())
    }

    async fn with_jobs(&self) -> Result<Vec<ApplicationId>, RecordError> {
        let application = self.rows().application;
        Ok(application.into_iter().filter(|it| it.job.is_some()).map(|it| it.id).collect())
    }

    async fn newest(
        &self,
        _id: &ApplicationId,
        kind: OperationKind,
    ) -> Result<Option<Operation>, RecordError> {
        let rows = self.rows();
        let of_kind = rows.operations.into_values().filter(|it| it.kind == kind);
        Ok(of_kind.max_by_key(|it| it.started_at))
    }

    async fn acquire_lease(
        &self,
        _id: &ApplicationId,
        _holder: &str,
        _now: Timestamp,
        _until: Timestamp,
    ) -> Result<bool, RecordError> {
        Ok(true)
    }

    async fn release_lease(&self, _id: &ApplicationId, _holder: &str) -> Result<(), RecordError> {
        Ok(())
    }

    async fn heartbeat(
        &self,
        _holder: &str,
        _now: Timestamp,
        _until: Timestamp,
    ) -> Result<(), RecordError> {
        Ok(())
    }

    async fn retire(&self, _holder: &str) -> Result<(), RecordError> {
        Ok(())
    }
}
