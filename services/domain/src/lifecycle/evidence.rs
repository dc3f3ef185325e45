//! What the controller has seen and done for one operation, stored on its row.

use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::ids::{Generation, OperationId, SnapshotName, Timestamp, VersionId};
use crate::lifecycle::launch::RestoreFrom;
use crate::lifecycle::step::Ending;

/// The evidence of one operation. Fields are filled in the order of the walk-through;
/// what is absent has not happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// What a rollback from the version before would have returned to: put back when
    /// the update fails. Written by [`Evidence::at_begin`].
    pub updated_from_before: Option<VersionId>,
    /// Of the job before; `None`: that of its version. Written by [`Evidence::at_begin`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism_before: Option<u32>,
    pub check: Option<CheckEvidence>,
    /// The start that the operation leads to.
    pub start: Option<StartEvidence>,
    /// The savepoint before the switch, or the snapshot asked for.
    pub snapshot: Option<SnapshotEvidence>,
    /// The old job was broken before the operation touched it: no savepoint to be had.
    pub job_was_broken: bool,
    /// The new job proved healthy and its held output may be shown: no way back.
    pub approved_at: Option<Timestamp>,
    /// Why the operation will end FAILED; what follows is putting things right.
    pub failure: Option<String>,
    /// The start of the version before, after a failure that stopped the job.
    pub recovery: Option<StartEvidence>,
    /// Decided: the operation ends like this once nothing runs any more.
    pub ending: Option<Ending>,
    /// SystemRollback: the generation to cancel, what failed, where the way back is.
    pub failed_generation: Option<Generation>,
    pub rolled_back_because: Option<String>,
    pub way_back: Option<String>,
    /// Errors in a row of the current step, and when to try again.
    pub errors: Option<ErrorEvidence>,
}

impl Evidence {
    /// What a command that makes a new version stores with its operation.
    pub fn at_begin(before: &Application) -> serde_json::Value {
        let evidence = Evidence {
            updated_from_before: before.version_updated_from,
            parallelism_before: before.job.as_ref().and_then(|job| job.parallelism),
            ..Evidence::default()
        };
        evidence.into_value()
    }

    pub fn into_value(self) -> serde_json::Value {
        serde_json::to_value(self).expect("evidence holds only texts, numbers and lists")
    }
}

/// What the target runtime's planner said of the code and the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckEvidence {
    pub ok: bool,
    /// The refusal, in a sentence or a few.
    pub message: String,
    pub at: Timestamp,
}

/// One start of a job, over as many generations as its engine was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartEvidence {
    pub version: VersionId,
    pub generation: Generation,
    /// The generation of the first attempt: a retry restores what that or a later one
    /// completed, else `restore`.
    pub first_generation: Generation,
    pub restore: RestoreFrom,
    pub allow_non_restored_state: bool,
    /// Output stays invisible until the job has proved healthy.
    pub hold_commits: bool,
    /// Started beside the old job, without a job of its own.
    pub standby: bool,
    /// `None`: that of the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// When this generation was given its job: deadlines count from here.
    pub since: Timestamp,
    pub checkpoint_asked_at: Option<Timestamp>,
    /// Generations used so far, this one included.
    pub attempts: u32,
    /// The launcher or the engine refused to start it, for good.
    pub refused: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEvidence {
    pub name: SnapshotName,
    pub generation: Generation,
    pub requested_at: Timestamp,
    /// The engine's handle of the savepoint under way.
    pub trigger: Option<String>,
    /// Where it is, once complete.
    pub location: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEvidence {
    pub step: String,
    pub in_a_row: u32,
    pub last: String,
    pub retry_at: Timestamp,
}

/// The id of the rollback that follows a failed operation: derived, so that deciding twice
/// names the same one.
pub fn system_rollback_id(failed: &OperationId) -> OperationId {
    let stem: String = failed.as_str().chars().take(55).collect();
    OperationId::new(format!("{stem}-rollback")).expect("55 + 9 characters of an operation id")
}

/// The name of the snapshot that the service takes within an operation.
pub(super) fn automatic_snapshot_name(operation: &OperationId) -> SnapshotName {
    SnapshotName::new(format!("system-{operation}"))
        .expect("an operation id has the characters of a snapshot name")
}
