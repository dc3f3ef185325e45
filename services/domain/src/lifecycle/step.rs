//! One thing to do, and how it can come out.

use serde::{Deserialize, Serialize};

use crate::application::Status;
use crate::ids::{Generation, SnapshotName, Timestamp, VersionId};
use crate::lifecycle::launch::{Launch, RestoreFrom};
use crate::operation::{Failure, OperationStatus};

/// The next thing to do for one application. Idempotent, every one.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing before `until`; `None`: nothing until something is stored.
    Wait {
        until: Option<Timestamp>,
        why: &'static str,
    },
    /// Ask the target runtime's planner about code and state; touches nothing.
    CheckPlan(Box<Launch>),
    /// Store a new generation and what it will start; no effect.
    Allocate(StartSlot, Start),
    /// Start the cluster without a job, beside the old one.
    Stage(Box<Launch>),
    /// Start the cluster with its job.
    StartCluster(Box<Launch>),
    /// Take a savepoint of a running job; with `stop` the job ends with it.
    TakeSnapshot(SnapshotRequest),
    /// The job has ended with its savepoint: store where it is; no effect.
    RecordSnapshot {
        location: String,
    },
    /// The old job cannot give a savepoint: store that; no effect.
    GiveUpSnapshot,
    /// The state does not fit after all: start from `restore` instead; no effect.
    RestoreInstead {
        restore: RestoreFrom,
    },
    /// Give a staged cluster its job.
    RunJob {
        generation: Generation,
        restore: RestoreFrom,
        allow_non_restored_state: bool,
    },
    /// Ask for a checkpoint now instead of after the interval.
    TriggerCheckpoint {
        generation: Generation,
    },
    /// Store that the job is healthy and that its output will be shown; no effect.
    Approve,
    /// Show what a held job prepared, and end its probation.
    ReleaseCommits {
        generation: Generation,
    },
    /// End a cluster and whatever job it has, without a savepoint.
    StopCluster {
        generation: Generation,
    },
    /// Remember why the operation fails and put things right; no effect.
    Fail {
        cause: String,
    },
    /// End the operation FAILED and begin its system rollback; no effect.
    BeginRollback {
        cause: String,
        way_back: String,
    },
    /// Store how the operation will end, before what still runs is ended: that it ended is
    /// then no new fact to decide from. No effect.
    DecideEnd(Ending),
    /// End the operation and settle the status; no effect.
    Finish(Ending),
    /// Outside an operation: a new generation for a job that crashed; no effect.
    RestartJob,
    /// Outside an operation: the bounded job has ended; no effect.
    SettleFinished,
    DeleteSnapshot {
        name: SnapshotName,
        location: Option<String>,
    },
    /// Remove state, snapshots and files, then the rows.
    DeleteEverything,
}

/// Which start of the operation's evidence a generation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartSlot {
    Target,
    Recovery,
}

/// What a new generation will start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    pub version: VersionId,
    pub restore: RestoreFrom,
    pub allow_non_restored_state: bool,
    pub hold_commits: bool,
    pub standby: bool,
    /// `None`: that of the version.
    pub parallelism: Option<u32>,
    /// Set on a retry: the first generation of this start.
    pub retry_of: Option<Generation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    pub generation: Generation,
    pub name: SnapshotName,
    pub stop: bool,
    /// It shall outlive the application: an enhanced snapshot.
    pub keep: bool,
    /// Write the snapshot format of this runtime, for an older version to read.
    pub level: Option<String>,
    /// Already under way, under this handle.
    pub trigger: Option<String>,
}

/// How an operation ends and what its application is afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    pub status: OperationStatus,
    pub failure: Option<Failure>,
    /// READY drops the job; RUNNING keeps the current one.
    pub settle: Status,
    /// Describe shows the version before the operation again.
    pub revert_version: bool,
}

/// How a step came out.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Done,
    Checked(CheckVerdict),
    /// The savepoint is under way, under this handle.
    SnapshotPending {
        trigger: String,
    },
    SnapshotTaken {
        location: String,
    },
    /// Another savepoint of the job is under way; its handle is lost.
    SnapshotBusy,
    /// Refused for good: trying again would give the same.
    Refused {
        cause: String,
    },
    /// It may work when tried again.
    Error {
        message: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckVerdict {
    pub ok: bool,
    /// Empty when ok.
    pub message: String,
}

impl Step {
    /// The step's name in logs, in errors recorded and in the golden table.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Wait { .. } => "Wait",
            Step::CheckPlan(_) => "CheckPlan",
            Step::Allocate(StartSlot::Target, _) => "Allocate",
            Step::Allocate(StartSlot::Recovery, _) => "AllocateRecovery",
            Step::Stage(_) => "Stage",
            Step::StartCluster(_) => "StartCluster",
            Step::TakeSnapshot(request) if request.stop => "StopWithSnapshot",
            Step::TakeSnapshot(_) => "TakeSnapshot",
            Step::RecordSnapshot { .. } => "RecordSnapshot",
            Step::GiveUpSnapshot => "GiveUpSnapshot",
            Step::RestoreInstead { .. } => "RestoreInstead",
            Step::RunJob { .. } => "RunJob",
            Step::TriggerCheckpoint { .. } => "TriggerCheckpoint",
            Step::Approve => "Approve",
            Step::ReleaseCommits { .. } => "ReleaseCommits",
            Step::StopCluster { .. } => "StopCluster",
            Step::Fail { .. } => "Fail",
            Step::BeginRollback { .. } => "BeginRollback",
            Step::DecideEnd(_) => "DecideEnd",
            Step::Finish(_) => "Finish",
            Step::RestartJob => "RestartJob",
            Step::SettleFinished => "SettleFinished",
            Step::DeleteSnapshot { .. } => "DeleteSnapshot",
            Step::DeleteEverything => "DeleteEverything",
        }
    }

    /// Whether the step does something outside the store.
    pub fn has_effect(&self) -> bool {
        matches!(
            self,
            Step::CheckPlan(_)
                | Step::Stage(_)
                | Step::StartCluster(_)
                | Step::TakeSnapshot(_)
                | Step::RunJob { .. }
                | Step::TriggerCheckpoint { .. }
                | Step::ReleaseCommits { .. }
                | Step::StopCluster { .. }
                | Step::DeleteSnapshot { .. }
                | Step::DeleteEverything
        )
    }

    /// Whether a `Done` of it is worth storing. What the next observation shows anyway is not:
    /// that saves a write on the way of an upgrade.
    pub fn is_recorded(&self) -> bool {
        !matches!(
            self,
            Step::Wait { .. }
                | Step::Stage(_)
                | Step::StartCluster(_)
                | Step::RunJob { .. }
                | Step::ReleaseCommits { .. }
                | Step::StopCluster { .. }
        )
    }
}
