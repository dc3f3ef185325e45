//! DeleteApplication.

use crate::application::Status;
use crate::change::Change;
use crate::commands::{Call, Command, Facts};
use crate::ids::Timestamp;
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;

impl Facts<'_> {
    /// The application DELETING, a running one too: Terraform destroys without a stop.
    /// `created_at` is compared by whole second, which is all that some clients send.
    ///
    /// # Errors
    /// The creation time is another's, or the status does not allow it.
    pub fn delete(&self, created_at: Timestamp, call: &Call) -> Result<Change, Reject> {
        if created_at.seconds() != self.application.created_at.seconds() {
            let of = format!("application {}", self.application.name);
            return Err(Reject::CreationTime { member: "CreateTimestamp", of });
        }
        self.check(Command::Delete)?;
        let (to, request) = (self.application.version, OperationRequest::default());
        Ok(self.begin(call, OperationKind::DeleteApplication, Status::Deleting, to, request))
    }
}
