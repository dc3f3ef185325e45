//! The right to make rows visible.

use crate::message::{CheckpointId, Generation};

/// Proof that a checkpoint is complete and visible: what a sink must be shown
/// before it commits. Not `Clone`; made only by the checkpoint store, from the
/// conditional create that made the checkpoint visible (or from reading back
/// that very entry after a restart).
#[derive(Debug)]
pub struct CommitPermit {
    generation: Generation,
    checkpoint: CheckpointId,
}

impl CommitPermit {
    /// For the checkpoint store alone: the caller has just won the conditional
    /// create of this checkpoint's entry, or has read the entry back.
    pub fn for_visible_checkpoint(
        generation: Generation,
        checkpoint: CheckpointId,
    ) -> CommitPermit {
        CommitPermit { generation, checkpoint }
    }

    pub fn generation(&self) -> Generation {
        self.generation
    }

    pub fn checkpoint(&self) -> CheckpointId {
        self.checkpoint
    }
}
