//! Why a command may not happen. `Display` is one sentence for the caller: what is
//! wrong, and what to do next.

use crate::application::Status;
use crate::ids::{EnhancedSnapshotName, SnapshotName, VersionId};
use crate::operation::OperationKind;

/// A refusal: nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    #[error(
        "CurrentApplicationVersionId is {given}, but the application is at version {current}: \
         describe the application and decide again"
    )]
    StaleVersion { given: VersionId, current: VersionId },
    #[error(
        "ConditionalToken is not the application's current one: \
         describe the application and decide again"
    )]
    StaleToken,
    #[error("give CurrentApplicationVersionId or ConditionalToken, one of the two is required")]
    NoVersionNorToken,
    #[error(
        "{command} is not possible while the application is {}: {}",
        .status.name(), allowed_text(.allowed)
    )]
    Status { command: &'static str, status: Status, allowed: &'static [Status] },
    #[error(
        "{command} is not possible while the application's {} is in progress: wait for its end",
        .open.name()
    )]
    OperationOpen { command: &'static str, open: OperationKind },
    #[error("{member} is not that of {of}: give the time that describing it shows")]
    CreationTime { member: &'static str, of: String },
    #[error("the application has no {what} {id}: describe it to see those it has")]
    NoSuchOption { what: &'static str, id: String },
    #[error("the application has no snapshot {0}")]
    NoSuchSnapshot(SnapshotName),
    #[error("the application has a snapshot {0} already: choose another name")]
    SnapshotExists(SnapshotName),
    #[error("snapshot {name} is {status}: {next}")]
    SnapshotStatus { name: SnapshotName, status: &'static str, next: &'static str },
    #[error("snapshot {name} is {status}: {next}")]
    EnhancedStatus { name: EnhancedSnapshotName, status: &'static str, next: &'static str },
    #[error("the application has {count} tags with those asked for; at most {max} are allowed")]
    TooManyTags { count: usize, max: usize },
    #[error("{what}: the quota is {max}")]
    Quota { what: String, max: u64 },
    #[error("RuntimeEnvironment {name} is not offered; offered are {offered}")]
    RuntimeNotOffered { name: String, offered: String },
    #[error("{what} is not supported: {next}")]
    Unsupported { what: &'static str, next: &'static str },
    /// A member whose value cannot be meant, for a reason beyond its form.
    #[error("{member}: {problem}")]
    Invalid { member: &'static str, problem: String },
    /// What the application is set to does not allow the command.
    #[error("{0}")]
    Configuration(&'static str),
    #[error("{0}")]
    NothingToRollBackTo(&'static str),
}

fn allowed_text(allowed: &[Status]) -> String {
    let names: Vec<&str> = allowed.iter().map(|status| status.name()).collect();
    format!("it must be {}", names.join(" or "))
}
