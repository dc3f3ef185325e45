//! The face of a sink: a writer per subtask, and one committer that makes what
//! the writers prepared visible. Flink: FLIP-143.
//!
//! Flow at a barrier: `flush`, `prepare_commit`, `snapshot`; the committables go
//! into the checkpoint; when the checkpoint is visible the runtime calls
//! `commit` with the permit. After a crash the runtime first commits the
//! restored checkpoint's committables again, so a commit must be idempotent.

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::commit::CommitPermit;
use crate::message::{CheckpointId, Generation};
use crate::source::TaskContext;

/// Something prepared, to be made visible once: for example a finished file that
/// waits for its rename.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Committable(pub serde_json::Value);

#[derive(Clone, Copy, Debug)]
pub struct WriterContext {
    pub task: TaskContext,
    /// In the name of everything a writer prepares: two generations never share one.
    pub generation: Generation,
    /// Distinguishes restarts within a generation.
    pub attempt: u32,
    /// The checkpoint the job was restored from.
    pub restored: Option<CheckpointId>,
}

pub trait Sink: Send + Sync {
    /// `restored` is what the writers of the restored checkpoint gave, all of it to
    /// one writer or spread over several.
    fn create_writer(
        &self,
        ctx: WriterContext,
        restored: &[serde_json::Value],
    ) -> Result<Box<dyn SinkWriter>, SinkError>;
    /// Called once a start, after the restored committables were committed: removes
    /// what earlier generations or attempts left unfinished and nobody will commit.
    fn clean_up(&self, generation: Generation, attempt: u32) -> Result<(), SinkError>;
    fn create_committer(&self) -> Result<Box<dyn Committer>, SinkError>;
}

pub trait SinkWriter: Send {
    fn write(&mut self, batch: &Batch) -> Result<(), SinkError>;
    /// Called now and then between batches: time-based rolling.
    fn on_processing_time(&mut self, _now_ms: i64) -> Result<(), SinkError> {
        Ok(())
    }
    /// Hands everything written so far to the outside as far as it can be without
    /// becoming visible. `end_of_input`: no row follows.
    fn flush(&mut self, end_of_input: bool) -> Result<(), SinkError>;
    fn prepare_commit(&mut self) -> Result<Vec<Committable>, SinkError>;
    /// What a later writer needs beyond the committables.
    fn snapshot(&mut self) -> Result<Vec<serde_json::Value>, SinkError>;
}

pub trait Committer: Send {
    /// Makes each visible; one that is visible already is left alone.
    fn commit(
        &mut self,
        permit: &CommitPermit,
        committables: &[Committable],
    ) -> Result<(), SinkError>;
}

/// Writing failed. `Display` names the target and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    pub message: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}
