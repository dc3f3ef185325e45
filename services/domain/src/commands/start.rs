//! StartApplication.

use crate::application::Status;
use crate::change::Change;
use crate::commands::{Call, Command, Facts};
use crate::configuration::{Restore, RunConfiguration};
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;
use crate::snapshot::{Snapshot, SnapshotStatus};

impl Facts<'_> {
    /// The application STARTING at its current version.
    ///
    /// # Errors
    /// The status does not allow it, there is no code to run, or the snapshot to
    /// restore is not there.
    pub fn start(&self, run: RunConfiguration, call: &Call) -> Result<Change, Reject> {
        self.check(Command::Start)?;
        if self.version.configuration.code.is_none() {
            return Err(Reject::Configuration(
                "the application has no code to start: \
                 send it with UpdateApplication in ApplicationCodeConfigurationUpdate",
            ));
        }
        check_restore(&run, self.snapshots)?;
        let request = OperationRequest { run: Some(run), ..OperationRequest::default() };
        let to = self.application.version;
        Ok(self.begin(call, OperationKind::StartApplication, Status::Starting, to, request))
    }
}

/// # Errors
/// A snapshot asked for by name is not there or not READY.
pub fn check_restore(run: &RunConfiguration, snapshots: &[Snapshot]) -> Result<(), Reject> {
    let Restore::Custom(name) = &run.restore else { return Ok(()) };
    let snapshot = snapshots
        .iter()
        .find(|snapshot| snapshot.name == *name)
        .ok_or_else(|| Reject::NoSuchSnapshot(name.clone()))?;
    match snapshot.status {
        SnapshotStatus::Ready => Ok(()),
        status => Err(Reject::SnapshotStatus {
            name: name.clone(),
            status: status.name(),
            next: "only a READY snapshot can be restored",
        }),
    }
}
