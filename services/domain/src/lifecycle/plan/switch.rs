//! From the old job to a staged new one: standby up, stop-with-savepoint, switch.

use super::Ctx;
use crate::ids::Generation;
use crate::lifecycle::evidence::{StartEvidence, automatic_snapshot_name};
use crate::lifecycle::facts::Observed;
use crate::lifecycle::launch::Launch;
use crate::lifecycle::step::{SnapshotRequest, Step};

impl Ctx<'_> {
    /// Everything before the new job is the application's job. `level`: the runtime whose
    /// snapshot format the old job shall write; its own by default.
    pub(super) fn before_switch(&self, start: &StartEvidence, level: Option<&str>) -> Step {
        let Some((old, observed)) = self.facts.job() else { return self.succeed_ready() };
        let hangs = matches!(observed, Observed::Starting { since }
            if self.is_past(*since, self.facts.settings.start_deadline_ms));
        if self.evidence.snapshot.is_none() && (is_broken(observed) || hangs) {
            return Step::GiveUpSnapshot;
        }
        match self.stage(start) {
            Some(step) => step,
            None => self.stop_with_snapshot(old, observed, level),
        }
    }

    /// `None`: it is staged.
    fn stage(&self, start: &StartEvidence) -> Option<Step> {
        if let Some(cause) = &start.refused {
            return Some(self.fail(cause.clone()));
        }
        match self.observed(start.generation) {
            Observed::Absent => Some(match self.launch_start(start) {
                Ok(launch) => Step::Stage(Box::new(Launch { standby: true, ..launch })),
                Err(cause) => self.fail(cause),
            }),
            Observed::Staged => None,
            Observed::Exited { cause, .. } | Observed::Failed { cause } => {
                Some(self.fail(format!("The new engine ended before the switch: {cause}")))
            }
            _ if self.is_past(start.since, self.facts.settings.start_deadline_ms) => {
                Some(self.fail("The new engine did not become ready beside the old one"))
            }
            _ => Some(self.poll("the new engine is starting")),
        }
    }

    /// Ends the old job with a savepoint; `RecordSnapshot` makes the switch.
    pub(super) fn stop_with_snapshot(
        &self,
        generation: Generation,
        observed: &Observed,
        level: Option<&str>,
    ) -> Step {
        let settings = &self.facts.settings;
        let requested = self.evidence.snapshot.as_ref();
        let late =
            requested.is_some_and(|s| self.is_past(s.requested_at, settings.snapshot_deadline_ms));
        match observed {
            Observed::Finished { savepoint: Some(location) } => {
                Step::RecordSnapshot { location: location.clone() }
            }
            Observed::Finished { savepoint: None } => self.succeed_ready(),
            _ if late => self.fail(format!(
                "The savepoint did not complete within {} s",
                settings.snapshot_deadline_ms.div_euclid(1000)
            )),
            Observed::Running(_) => Step::TakeSnapshot(SnapshotRequest {
                generation,
                name: automatic_snapshot_name(&self.operation.id),
                stop: true,
                keep: self.facts.keeps_snapshots(),
                level: level.map(str::to_owned),
                trigger: requested.and_then(|s| s.trigger.clone()),
            }),
            Observed::Failed { cause } | Observed::Exited { cause, .. } => {
                self.fail(format!("The job ended while its state was saved: {cause}"))
            }
            Observed::Cancelled => self.fail("The job was cancelled while its state was saved"),
            Observed::Restarting { cause } if self.facts.application.care.is_in_restart_loop() => {
                self.fail(format!("The job is in a restart loop, and saves no state: {cause}"))
            }
            Observed::Unreachable { since } if self.is_past(*since, settings.unreachable_ms) => {
                self.fail("The engine stopped answering while its state was saved")
            }
            _ => self.poll("the job is not running at this moment"),
        }
    }
}

/// No savepoint can be had of such a job; the checkpoint log has all that it made visible.
fn is_broken(observed: &Observed) -> bool {
    matches!(
        observed,
        Observed::Absent
            | Observed::Staged
            | Observed::Restarting { .. }
            | Observed::Cancelled
            | Observed::Failed { .. }
            | Observed::Exited { .. }
    )
}
