//! A named copy of a job's state.

use serde::{Deserialize, Serialize};

use crate::ids::{ApplicationId, SnapshotName, Timestamp, VersionId};

/// AWS: `SnapshotStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SnapshotStatus {
    Creating,
    Ready,
    Deleting,
    Failed,
}

impl SnapshotStatus {
    /// The status of this name on the wire.
    pub fn named(name: &str) -> Option<SnapshotStatus> {
        use SnapshotStatus::{Creating, Deleting, Failed, Ready};
        [Creating, Ready, Deleting, Failed].into_iter().find(|status| status.name() == name)
    }

    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            SnapshotStatus::Creating => "CREATING",
            SnapshotStatus::Ready => "READY",
            SnapshotStatus::Deleting => "DELETING",
            SnapshotStatus::Failed => "FAILED",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub application: ApplicationId,
    pub name: SnapshotName,
    pub status: SnapshotStatus,
    pub created_at: Timestamp,
    /// The version whose job it was taken from.
    pub version: VersionId,
    pub runtime_environment: String,
    /// Where its manifest is, once READY: what the engine restores from.
    pub location: Option<String>,
    /// Taken by the service (stop, update, rollback) rather than asked for by name.
    pub automatic: bool,
    /// What the application keeps of an enhanced snapshot, to roll back with: not shown as
    /// one of its own.
    pub enhanced: bool,
}
