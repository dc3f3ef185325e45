//! RollbackApplication.

use crate::application::Status;
use crate::change::{ApplicationWrite, Change};
use crate::commands::{Call, Command, Facts};
use crate::ids::VersionId;
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;
use crate::snapshot::SnapshotStatus;

impl Facts<'_> {
    /// The application ROLLING_BACK to the version it was updated from. That version
    /// is shown again under its own number: AWS counts a version for an update only.
    ///
    /// # Errors
    /// The version is not the current one, the status does not allow it, or there is
    /// no earlier version or no snapshot to go back with.
    pub fn roll_back(&self, current: VersionId, call: &Call) -> Result<Change, Reject> {
        self.check_version(current)?;
        self.check(Command::Rollback)?;
        let target = self.rollback_target()?;
        let request = OperationRequest::default();
        let mut change = self.begin(
            call,
            OperationKind::RollbackApplication,
            Status::RollingBack,
            target,
            request,
        );
        if let ApplicationWrite::Put(application) = &mut change.application {
            application.version_rolled_back_from = Some(current);
            application.version_rolled_back_to = Some(target);
            application.version_updated_from = None;
            application.show_version(target);
        }
        Ok(change)
    }

    fn rollback_target(&self) -> Result<VersionId, Reject> {
        let target = self
            .application
            .version_updated_from
            .filter(|target| *target != self.application.version)
            .ok_or(Reject::NothingToRollBackTo(
                "the application is not the result of an update: there is no version to go back to",
            ))?;
        // AWS: a rollback loads the last successful snapshot, and is refused without one.
        if !self.snapshots.iter().any(|snapshot| snapshot.status == SnapshotStatus::Ready) {
            return Err(Reject::NothingToRollBackTo(
                "the application has no READY snapshot to go back with: \
                 update it to the earlier code instead",
            ));
        }
        Ok(target)
    }
}
