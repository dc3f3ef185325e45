//! The face of a source: one enumerator that finds splits, and a reader per
//! subtask that turns splits into batches. Flink: FLIP-27.
//!
//! Flow: the runtime calls [`SplitEnumerator::discover`] at start and then every
//! `discovery_interval`, hands each split to one reader, and asks readers for
//! batches from the subtask's own thread. On a checkpoint the enumerator is
//! snapshotted first; a split handed out before that reaches its reader before
//! the barrier does, so each split is in exactly one of the two snapshots.
//!
//! Guarantee asked of a reader: after `add_split` with a split taken from a
//! snapshot it yields exactly the rows that followed that snapshot, in order.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::table::{ProducedColumn, TableSpec};

/// One independently read piece of a source with its position, for example a file
/// and the offset of the next unread byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Unique within the source for ever: a path, `topic-3`, `generator-0`.
    pub id: String,
    /// The connector's own position; stable between releases.
    pub state: serde_json::Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundedness {
    Bounded,
    Unbounded,
}

/// How splits are handed to readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// All at once, evenly: each split lives as long as the job (Kafka partitions,
    /// generators).
    Eager,
    /// One at a time, oldest first, to a reader that has none (files).
    OnDemand,
}

/// What a source is asked to read.
#[derive(Clone, Debug)]
pub struct ScanSpec {
    pub table: TableSpec,
    /// The columns to produce, in order.
    pub columns: Vec<ProducedColumn>,
    /// For each of the columns that is a ROW: which members anyone reads, ascending. The
    /// others may hold any value of their type. `None`, or no element: all of them.
    pub members: Vec<Option<Vec<usize>>>,
    /// At most this many rows a batch.
    pub batch_rows: usize,
}

/// Where a reader or writer runs.
#[derive(Clone, Copy, Debug)]
pub struct TaskContext {
    pub subtask: u16,
    pub parallelism: u16,
}

pub trait Source: Send + Sync {
    fn boundedness(&self) -> Boundedness;
    fn assignment(&self) -> Assignment;
    /// `None`: discover once, at the start.
    fn discovery_interval(&self) -> Option<Duration>;
    /// `parallelism` is the source operator's; `restored` is what
    /// [`SplitEnumerator::snapshot`] gave.
    fn create_enumerator(
        &self,
        parallelism: u16,
        restored: Option<&serde_json::Value>,
    ) -> Result<Box<dyn SplitEnumerator>, SourceError>;
    fn create_reader(&self, ctx: TaskContext) -> Result<Box<dyn SourceReader>, SourceError>;
}

pub trait SplitEnumerator: Send {
    /// Splits not handed over before. For [`Assignment::OnDemand`] in the order to
    /// read them.
    fn discover(&mut self) -> Result<Vec<Split>, SourceError>;
    /// What was handed over, so that it is not again (splits the runtime has been
    /// given but has not yet passed to a reader are kept by the runtime).
    fn snapshot(&self) -> serde_json::Value;
}

/// What a reader has for its caller.
#[derive(Debug)]
pub enum ReaderEvent {
    /// Rows of one split, in its order.
    Batch { split: String, batch: Batch },
    /// All rows of the split have been given; it is in no later snapshot.
    SplitFinished { split: String },
    /// Nothing now; ask again after this long, or when a split is added.
    Wait(Duration),
}

pub trait SourceReader: Send {
    fn add_split(&mut self, split: Split) -> Result<(), SourceError>;
    /// Never blocks longer than a few milliseconds.
    fn poll(&mut self, processing_time_ms: i64) -> Result<ReaderEvent, SourceError>;
    /// The unfinished splits at their current positions: all rows before were given.
    fn snapshot(&self) -> Vec<Split>;
    /// Gives no rows of this split until it is told otherwise, because its time is too
    /// far ahead of others (Flink: `pauseOrResumeSplits`, FLIP-217). A reader of one
    /// split at a time need not: its caller does not poll.
    fn set_paused(&mut self, split: &str, paused: bool) {
        let _ = (split, paused);
    }
}

/// Reading failed. `Display` names what was being read and where (file, line and
/// byte; partition and offset) and, for a bad record, the reason.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{message}")]
    BadRecord { message: String },
    #[error("{message}")]
    Failed {
        message: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}
