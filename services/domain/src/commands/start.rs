//! StartApplication.

use crate::application::Status;
use crate::change::Change;
use crate::commands::{Call, Command, Facts};
use crate::configuration::{Restore, RunConfiguration, SnapshotMode};
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;
use crate::snapshot::SnapshotStatus;

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
        check_restore(&run, self)?;
        let request = OperationRequest { run: Some(run), ..OperationRequest::default() };
        let to = self.application.version;
        Ok(self.begin(call, OperationKind::StartApplication, Status::Starting, to, request))
    }
}

/// # Errors
/// A snapshot asked for by name is not there or not READY, or is not of the kind that the
/// application's SnapshotMode has.
pub fn check_restore(run: &RunConfiguration, facts: &Facts<'_>) -> Result<(), Reject> {
    let mode = facts.version.configuration.snapshot_mode;
    let name = match (&run.restore, mode) {
        (Restore::Custom(name), SnapshotMode::Legacy) => name,
        (Restore::Custom(_), SnapshotMode::Enhanced) => {
            let problem = "the application's SnapshotMode is ENHANCED_SNAPSHOTS: give SnapshotArn";
            return Err(Reject::Invalid { member: "SnapshotName", problem: problem.to_owned() });
        }
        (Restore::Enhanced { .. }, SnapshotMode::Legacy) => {
            let problem = "the application's SnapshotMode is APPLICATION_SNAPSHOTS_LEGACY: \
                           give SnapshotName, or set the mode to ENHANCED_SNAPSHOTS";
            return Err(Reject::Invalid { member: "SnapshotArn", problem: problem.to_owned() });
        }
        _ => return Ok(()),
    };
    let snapshot = facts.snapshot(name)?;
    match snapshot.status {
        SnapshotStatus::Ready => Ok(()),
        status => Err(Reject::SnapshotStatus {
            name: name.clone(),
            status: status.name(),
            next: "only a READY snapshot can be restored",
        }),
    }
}
