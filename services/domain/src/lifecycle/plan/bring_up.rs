//! From a generation handed out to a job that has proved healthy.

use super::Ctx;
use crate::lifecycle::evidence::StartEvidence;
use crate::lifecycle::facts::{Health, Observed};
use crate::lifecycle::step::{Start, StartSlot, Step};

/// How far a start has come.
pub(super) enum Progress {
    Do(Step),
    /// RUNNING, a checkpoint completed, no restart, for the stability window.
    Healthy,
    /// Its bounded input ended.
    Completed,
    /// Why it will not become healthy.
    Failed(String),
}

impl Ctx<'_> {
    pub(super) fn bring_up(&self, start: &StartEvidence, slot: StartSlot) -> Progress {
        if let Some(cause) = &start.refused {
            return Progress::Failed(cause.clone());
        }
        match self.observed(start.generation) {
            Observed::Absent => match self.launch_start(start) {
                Ok(launch) => Progress::Do(Step::StartCluster(Box::new(launch))),
                Err(cause) => Progress::Failed(cause),
            },
            Observed::Starting { .. } => self.until_deadline(start, "the engine did not answer"),
            Observed::Staged => Progress::Do(Step::RunJob {
                generation: start.generation,
                restore: start.restore.clone(),
                allow_non_restored_state: start.allow_non_restored_state,
            }),
            Observed::Running(health) => self.verify(start, health),
            Observed::Restarting { cause } => Progress::Failed(restarted(cause)),
            Observed::Finished { .. } => Progress::Completed,
            Observed::Cancelled => Progress::Failed("The job was cancelled".to_owned()),
            Observed::Failed { cause } | Observed::Exited { code: Some(_), cause } => {
                Progress::Failed(cause.clone())
            }
            Observed::Exited { code: None, cause } => self.again(start, slot, cause),
            Observed::Unreachable { since } => {
                match self.is_past(*since, self.facts.settings.unreachable_ms) {
                    false => Progress::Do(self.poll("the engine does not answer")),
                    true => self.again(start, slot, "The engine stopped answering"),
                }
            }
        }
    }

    /// A job on probation whose engine cannot hold its output back is asked for its first
    /// checkpoint only after the window: until then nothing that it did is to be seen, and
    /// going back repeats nothing. A checkpoint of its own that comes sooner shows its output,
    /// and from then on there is no way back: that is stored as if it had been approved.
    fn verify(&self, start: &StartEvidence, health: &Health) -> Progress {
        let settings = &self.facts.settings;
        if health.restarts > 0 {
            let cause = health.last_failure.as_deref().unwrap_or("no cause was recorded");
            return Progress::Failed(restarted(cause));
        }
        let unheld = start.hold_commits && health.cannot_hold;
        if unheld && health.checkpoints_completed > 0 && self.evidence.approved_at.is_none() {
            return Progress::Do(Step::Approve);
        }
        if health.checkpoints_completed == 0 {
            // What cannot be held back is not committed before the job has proved itself.
            let earliest_ms =
                if unheld { settings.stability_ms } else { settings.first_checkpoint_ms };
            if start.checkpoint_asked_at.is_none() && health.uptime_ms >= earliest_ms {
                return Progress::Do(Step::TriggerCheckpoint { generation: start.generation });
            }
            return self.until_deadline(start, "the job completed no checkpoint");
        }
        let left_ms = settings.stability_ms - health.uptime_ms;
        match left_ms > 0 {
            true => Progress::Do(
                self.wait_ms(left_ms.min(10 * settings.poll_ms), "the stability window"),
            ),
            false => Progress::Healthy,
        }
    }

    fn until_deadline(&self, start: &StartEvidence, why: &'static str) -> Progress {
        let deadline_ms = self.facts.settings.start_deadline_ms;
        if self.is_past(start.since, deadline_ms) {
            return Progress::Failed(format!(
                "Not healthy after {} s: {why}",
                deadline_ms.div_euclid(1000)
            ));
        }
        Progress::Do(self.poll(why))
    }

    /// Of a healthy job. The decision is stored before the output is shown: from then on no
    /// going back to before it, which would repeat it.
    pub(super) fn show_output(&self, start: &StartEvidence) -> Step {
        let observed = self.observed(start.generation);
        let held = matches!(observed, Observed::Running(health) if health.held);
        match (held, self.evidence.approved_at) {
            (false, _) => self.succeed_running(),
            (true, None) => Step::Approve,
            (true, Some(_)) => Step::ReleaseCommits { generation: start.generation },
        }
    }

    /// The cluster vanished without saying why (killed, machine gone): the start goes on
    /// in a new generation, a bounded number of times.
    fn again(&self, start: &StartEvidence, slot: StartSlot, cause: &str) -> Progress {
        if start.attempts >= self.facts.settings.start_attempts {
            return Progress::Failed(format!("{cause} ({} times in a row)", start.attempts));
        }
        Progress::Do(Step::Allocate(
            slot,
            Start {
                version: start.version,
                restore: start.restore.clone(),
                allow_non_restored_state: start.allow_non_restored_state,
                hold_commits: start.hold_commits && self.evidence.approved_at.is_none(),
                standby: false,
                parallelism: start.parallelism,
                retry_of: Some(start.first_generation),
            },
        ))
    }
}

fn restarted(cause: &str) -> String {
    format!("The job failed and restarted within its stability window: {cause}")
}
