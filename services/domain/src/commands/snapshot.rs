//! CreateApplicationSnapshot and DeleteApplicationSnapshot.

use crate::change::Change;
use crate::commands::{Call, Command, Facts};
use crate::configuration::SnapshotMode;
use crate::ids::{SnapshotName, Timestamp};
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;
use crate::snapshot::{Snapshot, SnapshotStatus};

impl Facts<'_> {
    /// A snapshot CREATING. The application stays RUNNING.
    ///
    /// # Errors
    /// The status does not allow it, snapshots are disabled, the name is taken, or the
    /// quota is reached.
    pub fn create_snapshot(&self, name: SnapshotName, call: &Call) -> Result<Change, Reject> {
        self.check(Command::CreateSnapshot)?;
        if !self.version.configuration.snapshots_enabled {
            return Err(Reject::Configuration(
                "snapshots are disabled for the application: enable them with \
                 UpdateApplication in ApplicationSnapshotConfigurationUpdate",
            ));
        }
        if self.version.configuration.snapshot_mode == SnapshotMode::Enhanced {
            return Err(Reject::Configuration(
                "the application's SnapshotMode is ENHANCED_SNAPSHOTS: use CreateSnapshot",
            ));
        }
        if self.snapshot(&name).is_ok() {
            return Err(Reject::SnapshotExists(name));
        }
        self.check_snapshot_quota()?;
        let request =
            OperationRequest { snapshot: Some(name.clone()), ..OperationRequest::default() };
        let (status, to) = (self.application.status, self.application.version);
        let kind = OperationKind::CreateApplicationSnapshot;
        let mut change = self.begin(call, kind, status, to, request);
        change.snapshots.push(self.creating(name, call.now));
        Ok(change)
    }

    /// The snapshot DELETING; the controller removes its files, then its row.
    /// `created_at` is compared by whole second.
    ///
    /// # Errors
    /// There is no such snapshot, the creation time is another's, or it is in use.
    pub fn delete_snapshot(
        &self,
        name: &SnapshotName,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<Change, Reject> {
        let snapshot = self.snapshot(name)?;
        if created_at.seconds() != snapshot.created_at.seconds() {
            let of = format!("snapshot {name}");
            return Err(Reject::CreationTime { member: "SnapshotCreationTimestamp", of });
        }
        self.check(Command::DeleteSnapshot)?;
        if !matches!(snapshot.status, SnapshotStatus::Ready | SnapshotStatus::Failed) {
            return Err(Reject::SnapshotStatus {
                name: name.clone(),
                status: snapshot.status.name(),
                next: "only a READY or FAILED snapshot can be deleted",
            });
        }
        let mut change = self.change(self.application.clone(), now);
        change.snapshots.push(Snapshot { status: SnapshotStatus::Deleting, ..snapshot.clone() });
        Ok(change)
    }

    /// # Errors
    /// The application has no snapshot of this name.
    pub fn snapshot(&self, name: &SnapshotName) -> Result<&Snapshot, Reject> {
        let found = self.snapshots.iter().find(|it| it.name == *name && !it.enhanced);
        found.ok_or_else(|| Reject::NoSuchSnapshot(name.clone()))
    }

    fn check_snapshot_quota(&self) -> Result<(), Reject> {
        let count = self.snapshots.iter().filter(|snapshot| !snapshot.enhanced).count();
        if (count as u64) < self.quotas.snapshots {
            return Ok(());
        }
        let what = format!("the application has {count} snapshots");
        Err(Reject::Quota { what, max: self.quotas.snapshots })
    }

    fn creating(&self, name: SnapshotName, now: Timestamp) -> Snapshot {
        Snapshot {
            application: self.application.id.clone(),
            name,
            status: SnapshotStatus::Creating,
            created_at: now,
            version: self.application.version,
            runtime_environment: self.version.runtime_environment.clone(),
            location: None,
            automatic: false,
            enhanced: false,
        }
    }
}
