//! The operation fails before its switch: the version before must run.

use super::Ctx;
use super::bring_up::Progress;
use crate::lifecycle::facts::Observed;
use crate::lifecycle::launch::RestoreFrom;
use crate::lifecycle::step::{Start, StartSlot, Step};

impl Ctx<'_> {
    /// Leads to FAILED with `cause`: RUNNING where a job ran before, READY where none did
    /// or where it cannot be brought back (then with both causes).
    pub(super) fn recover(&self, cause: &str) -> Step {
        if let Some(start) = &self.evidence.recovery {
            return match self.bring_up(start, StartSlot::Recovery) {
                Progress::Do(step) => step,
                Progress::Healthy => self.fail_running(cause),
                Progress::Completed => self.fail_ready(cause),
                Progress::Failed(also) => self.fail_ready(&format!(
                    "{cause}. Putting version {} back failed too: {also}",
                    self.operation.from_version
                )),
            };
        }
        match self.facts.job() {
            None | Some((_, Observed::Finished { savepoint: None })) => self.fail_ready(cause),
            Some((_, Observed::Running(_) | Observed::Restarting { .. })) => {
                self.fail_running(cause)
            }
            Some((_, Observed::Unreachable { since }))
                if !self.is_past(*since, self.facts.settings.unreachable_ms) =>
            {
                self.poll("the engine does not answer")
            }
            Some(_) => self.allocate_recovery(),
        }
    }

    fn allocate_recovery(&self) -> Step {
        let start = Start {
            version: self.operation.from_version,
            restore: RestoreFrom::Latest,
            allow_non_restored_state: false,
            hold_commits: false,
            standby: false,
            parallelism: self.facts.application.job.as_ref().and_then(|job| job.parallelism),
            retry_of: None,
        };
        Step::Allocate(StartSlot::Recovery, start)
    }
}
