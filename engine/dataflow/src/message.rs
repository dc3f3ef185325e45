//! What flows along an edge of the job graph.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::batch::Batch;

/// Event time in milliseconds since the epoch: no row with an earlier or equal
/// time is expected any more. `Watermark::MAX` ends a bounded input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watermark(pub i64);

impl Watermark {
    pub const MIN: Watermark = Watermark(i64::MIN);
    pub const MAX: Watermark = Watermark(i64::MAX);
}

/// Counts checkpoints of one application across its generations; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckpointId(pub u64);

/// Counts the starts of one application's job. A greater one fences a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a barrier is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BarrierKind {
    /// Periodic, for recovery.
    Checkpoint,
    /// Asked for by name; the job goes on.
    Savepoint,
    /// The last barrier: sources stop after it. `drain` first sends `Watermark::MAX`,
    /// so that windows fire (Flink: stop with savepoint, `drain`).
    StopWithSavepoint { drain: bool },
    /// Every bounded source has ended: the barrier that makes the last rows visible
    /// (Flink: FLIP-147 final checkpoint).
    Final,
}

/// Divides a stream into what a checkpoint holds and what it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Barrier {
    pub checkpoint: CheckpointId,
    pub kind: BarrierKind,
    /// Monotonic nanoseconds from which on it may pass the rows queued before it, which
    /// then become part of the checkpoint (Flink: FLIP-76); `None`: never.
    pub overtakes_at_ns: Option<u64>,
}

/// One element of an edge's stream.
#[derive(Clone, Debug)]
pub enum Message {
    Batch(Batch),
    Watermark(Watermark),
    /// The sender has no data for now: leave it out of the minimum of watermarks
    /// until its next batch or watermark (Flink: `WatermarkStatus.IDLE`).
    Idle,
    Barrier(Barrier),
    /// Nothing follows.
    End,
}
