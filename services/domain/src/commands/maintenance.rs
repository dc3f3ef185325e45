//! UpdateApplicationMaintenanceConfiguration.

use crate::change::Change;
use crate::commands::{Command, Facts};
use crate::ids::Timestamp;
use crate::maintenance::WindowStart;
use crate::reject::Reject;

impl Facts<'_> {
    /// The application with its window at `start`. Makes no version.
    ///
    /// # Errors
    /// The application is neither READY nor RUNNING.
    pub fn set_maintenance(&self, start: WindowStart, now: Timestamp) -> Result<Change, Reject> {
        self.check(Command::Maintain)?;
        let mut application = self.application.clone();
        application.maintenance_start = Some(start);
        application.updated_at = now;
        Ok(self.change(application, now))
    }
}
