//! StopApplication, with and without Force.

use crate::application::Status;
use crate::change::Change;
use crate::commands::{Call, Command, Facts};
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;

impl Facts<'_> {
    /// The application STOPPING, or with `force` FORCE_STOPPING: then without a
    /// snapshot, in place of whatever operation is in progress.
    ///
    /// # Errors
    /// The status does not allow it.
    pub fn stop(&self, force: bool, call: &Call) -> Result<Change, Reject> {
        let (command, status) = match force {
            true => (Command::ForceStop, Status::ForceStopping),
            false => (Command::Stop, Status::Stopping),
        };
        self.check(command)?;
        let request = OperationRequest { force, ..OperationRequest::default() };
        let to = self.application.version;
        Ok(self.begin(call, OperationKind::StopApplication, status, to, request))
    }
}
