//! What a decision is made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::configuration::{SnapshotMode, Version};
use crate::ids::{Generation, Timestamp, VersionId};
use crate::lifecycle::evidence::Evidence;
use crate::operation::Operation;
use crate::snapshot::{Snapshot, SnapshotStatus};

/// All that is known of one application at one moment: what is stored, and what the
/// launcher saw of each job cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub application: Application,
    /// The operation IN_PROGRESS.
    pub operation: Option<Operation>,
    pub versions: BTreeMap<VersionId, Version>,
    pub snapshots: Vec<Snapshot>,
    /// A generation that is not here is [`Observed::Absent`].
    pub clusters: BTreeMap<Generation, Observed>,
    pub settings: Settings,
}

/// Times of the lifecycle, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// A started job must stay up this long without a restart.
    pub stability_ms: i64,
    /// From its start, a job must be RUNNING with a completed checkpoint within this.
    pub start_deadline_ms: i64,
    /// A savepoint must complete within this.
    pub snapshot_deadline_ms: i64,
    /// A cluster that lives and does not answer counts as gone after this.
    pub unreachable_ms: i64,
    /// Between two looks while something is under way.
    pub poll_ms: i64,
    /// Between two looks at a RUNNING application with no operation.
    pub idle_ms: i64,
    /// A started job without a checkpoint is asked for one after this much uptime.
    pub first_checkpoint_ms: i64,
    /// Clusters that may vanish under one start before the operation fails.
    pub start_attempts: u32,
    /// Errors in a row of one step before its operation fails.
    pub step_attempts: u32,
    /// Back-off after a crash or an error: doubled each time, up to the greatest.
    pub backoff_first_ms: i64,
    pub backoff_max_ms: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            stability_ms: 2_000,
            start_deadline_ms: 60_000,
            snapshot_deadline_ms: 600_000,
            unreachable_ms: 10_000,
            poll_ms: 15,
            idle_ms: 1_000,
            first_checkpoint_ms: 50,
            start_attempts: 3,
            step_attempts: 5,
            backoff_first_ms: 100,
            backoff_max_ms: 60_000,
        }
    }
}

impl Settings {
    /// The wait after `failures` failures in a row; none before the first.
    pub fn backoff_ms(&self, failures: u32) -> i64 {
        match failures {
            0 => 0,
            n => {
                self.backoff_first_ms.saturating_mul(1 << (n - 1).min(30)).min(self.backoff_max_ms)
            }
        }
    }
}

/// What the launcher saw of one generation.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// Never started, or stopped by the launcher and gone.
    Absent,
    /// The process is there and does not answer yet.
    Starting {
        since: Timestamp,
    },
    /// It answers and has no job: a standby.
    Staged,
    Running(Health),
    /// The engine restarts the job by itself.
    Restarting {
        cause: String,
    },
    /// The job ended by itself, or by stop-with-savepoint: then where its state is.
    Finished {
        savepoint: Option<String>,
    },
    Cancelled,
    /// The job ended for good; the process may still answer.
    Failed {
        cause: String,
    },
    /// The process lives and does not answer.
    Unreachable {
        since: Timestamp,
    },
    /// The process ended by itself; no code when it was killed or is not known.
    Exited {
        code: Option<i32>,
        cause: String,
    },
}

impl Observed {
    /// Whether there is a process.
    pub fn is_alive(&self) -> bool {
        !matches!(self, Observed::Absent | Observed::Exited { .. })
    }

    pub fn is_running(&self) -> bool {
        matches!(self, Observed::Running(_))
    }
}

/// A running job, as its REST interface tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    pub checkpoints_completed: u64,
    pub last_checkpoint_at: Option<Timestamp>,
    /// Of this generation.
    pub restarts: u64,
    /// The latest exception, when there was one.
    pub last_failure: Option<String>,
    pub uptime_ms: i64,
    /// Its sinks keep back what they prepared (probation).
    pub held: bool,
    /// Its engine shows what a checkpoint commits at once (Apache Flink): asked to hold it
    /// back, it does not. See `plan::bring_up`.
    pub cannot_hold: bool,
}

static ABSENT: Observed = Observed::Absent;

impl Facts {
    /// Whether the job's snapshots are enhanced ones.
    pub fn keeps_snapshots(&self) -> bool {
        let version = self.application.job.as_ref().and_then(|job| self.version(job.version));
        version.is_some_and(|version| {
            version.configuration.snapshot_mode == SnapshotMode::Enhanced
                && version.configuration.snapshots_enabled
        })
    }

    pub fn observed(&self, generation: Generation) -> &Observed {
        self.clusters.get(&generation).unwrap_or(&ABSENT)
    }

    pub fn version(&self, id: VersionId) -> Option<&Version> {
        self.versions.get(&id)
    }

    /// The evidence of the open operation. One that cannot be read counts as none: every
    /// step is idempotent, so the operation goes through its steps again.
    pub fn evidence(&self) -> Evidence {
        self.operation
            .as_ref()
            .and_then(|operation| serde_json::from_value(operation.evidence.clone()).ok())
            .unwrap_or_default()
    }

    /// What was observed of the application's current job.
    pub fn job(&self) -> Option<(Generation, &Observed)> {
        let job = self.application.job.as_ref()?;
        Some((job.generation, self.observed(job.generation)))
    }

    /// The newest READY snapshot that a job of one of `versions` wrote in its own format.
    pub fn snapshot_of(&self, versions: &[VersionId]) -> Option<&Snapshot> {
        self.snapshots
            .iter()
            .filter(|snapshot| versions.contains(&snapshot.version))
            .filter(|snapshot| snapshot.status == SnapshotStatus::Ready)
            .filter(|snapshot| {
                self.version(snapshot.version)
                    .is_some_and(|v| v.runtime_environment == snapshot.runtime_environment)
            })
            .max_by_key(|snapshot| snapshot.created_at)
    }

    /// A live cluster that nothing stored wants: left over by a crash or a decision.
    pub fn stray(&self) -> Option<Generation> {
        let evidence = self.evidence();
        let wanted = [
            self.application.job.as_ref().map(|job| job.generation),
            evidence.start.as_ref().map(|start| start.generation),
            evidence.recovery.as_ref().map(|start| start.generation),
        ];
        self.clusters
            .iter()
            .find(|(generation, observed)| {
                observed.is_alive() && !wanted.contains(&Some(**generation))
            })
            .map(|(generation, _)| *generation)
    }
}
