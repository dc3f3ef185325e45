//! What others may see of a job: plain values, in Flink's terms (section I).

use std::collections::VecDeque;
use std::sync::Arc;

use millrace_dataflow::OperatorId;

use crate::metrics::SubtaskMetrics;

/// Flink's job states, as far as this engine has them.
///
/// ```text
/// INITIALIZING ─► RUNNING ─► FINISHED
///      │            │ ▲ └──► CANCELED
///      │            ▼ │
///      └────────► RESTARTING ─► FAILED
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobStatus {
    Initializing,
    Running,
    Restarting,
    Failing,
    Failed,
    Cancelling,
    Canceled,
    Finished,
}

impl JobStatus {
    pub fn text(self) -> &'static str {
        match self {
            JobStatus::Initializing => "INITIALIZING",
            JobStatus::Running => "RUNNING",
            JobStatus::Restarting => "RESTARTING",
            JobStatus::Failing => "FAILING",
            JobStatus::Failed => "FAILED",
            JobStatus::Cancelling => "CANCELLING",
            JobStatus::Canceled => "CANCELED",
            JobStatus::Finished => "FINISHED",
        }
    }

    pub fn is_terminal(self) -> bool {
        matches!(self, JobStatus::Failed | JobStatus::Canceled | JobStatus::Finished)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum TaskStatus {
    Created,
    Initializing,
    Running,
    Finished,
    Canceled,
    Failed,
}

impl TaskStatus {
    pub const ALL: [TaskStatus; 6] = [
        TaskStatus::Created,
        TaskStatus::Initializing,
        TaskStatus::Running,
        TaskStatus::Finished,
        TaskStatus::Canceled,
        TaskStatus::Failed,
    ];

    pub fn text(self) -> &'static str {
        match self {
            TaskStatus::Created => "CREATED",
            TaskStatus::Initializing => "INITIALIZING",
            TaskStatus::Running => "RUNNING",
            TaskStatus::Finished => "FINISHED",
            TaskStatus::Canceled => "CANCELED",
            TaskStatus::Failed => "FAILED",
        }
    }

    pub(crate) fn from_code(code: u8) -> TaskStatus {
        TaskStatus::ALL.get(usize::from(code)).copied().unwrap_or(TaskStatus::Created)
    }
}

/// A job as it is now.
#[derive(Clone, Debug)]
pub struct JobView {
    pub id: String,
    pub name: String,
    pub status: JobStatus,
    /// Every status with the time it was entered last, in milliseconds.
    pub timestamps: Vec<(JobStatus, i64)>,
    pub started_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    pub max_parallelism: u16,
    pub restarts: u64,
    /// Newest first.
    pub exceptions: VecDeque<ExceptionEntry>,
    pub vertices: Vec<VertexView>,
    pub checkpoints: CheckpointsView,
    /// Commits are held (probation).
    pub holding_commits: bool,
}

/// One task with its subtasks; Flink's job vertex.
#[derive(Clone, Debug)]
pub struct VertexView {
    /// The head operator's id.
    pub id: OperatorId,
    pub name: String,
    pub parallelism: u16,
    pub started_at_ms: i64,
    /// Attempt number, 0 for the first.
    pub attempt: u32,
    /// Per subtask; replaced at each restart.
    pub subtasks: Vec<Arc<SubtaskMetrics>>,
    /// Indices of the vertices it reads from, with Flink's ship strategy.
    pub inputs: Vec<(usize, &'static str)>,
}

/// A failure of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionEntry {
    /// The root cause: operator and message.
    pub message: String,
    /// The task's name with its subtask: `Source: a -> Sink: b (1/2)`; `None` for a
    /// failure outside tasks.
    pub task: Option<String>,
    pub at_ms: i64,
}

#[derive(Clone, Debug, Default)]
pub struct CheckpointsView {
    pub restored: Option<RestoredView>,
    pub restored_count: u64,
    pub completed: u64,
    pub failed: u64,
    pub in_progress: u64,
    /// Newest first, at most [`CheckpointsView::HISTORY`].
    pub history: VecDeque<CheckpointRecord>,
}

impl CheckpointsView {
    pub const HISTORY: usize = 10;

    pub fn latest(&self, wanted: impl Fn(&CheckpointRecord) -> bool) -> Option<&CheckpointRecord> {
        self.history.iter().find(|record| wanted(record))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredView {
    pub checkpoint: u64,
    pub location: String,
    pub savepoint: bool,
    pub at_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointState {
    InProgress,
    Completed,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRecord {
    pub id: u64,
    pub state: CheckpointState,
    pub savepoint: bool,
    pub triggered_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    /// Written for it (Flink: `checkpointed_size`).
    pub bytes: u64,
    /// Of the whole state that it refers to (Flink: `state_size`).
    pub state_bytes: u64,
    /// How long the snapshot kept a subtask from its rows: the longest of any (Flink: the
    /// synchronous part of a checkpoint).
    pub sync_ms: u64,
    /// From the last acknowledgement until all was stored, the encoding of what was frozen
    /// included, while the tasks went on (Flink: the asynchronous part).
    pub async_ms: u64,
    pub subtasks: usize,
    pub acknowledged: usize,
    pub location: Option<String>,
    pub failure: Option<String>,
    pub alignment: AlignmentView,
    /// Of each subtask that acknowledged, in that order.
    pub acknowledgements: Vec<SubtaskCheckpoint>,
}

/// What one subtask did for a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubtaskCheckpoint {
    /// Index into [`JobView::vertices`].
    pub vertex: usize,
    pub subtask: u16,
    pub acknowledged_at_ms: i64,
    /// How long it stood still.
    pub sync_ms: u64,
    /// As those of the whole checkpoint; known once it is complete.
    pub bytes: u64,
    pub state_bytes: u64,
    pub alignment: AlignmentView,
}

/// How a checkpoint's barriers came together, over all subtasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlignmentView {
    /// At some subtask the barrier overtook rows (Flink: `UNALIGNED_CHECKPOINT`).
    pub unaligned: bool,
    /// The longest of any subtask, from its first barrier to its last.
    pub duration_ms: u64,
    /// Bytes of rows in flight that are part of the checkpoint.
    pub persisted_bytes: u64,
    /// Bytes taken in while barriers were coming.
    pub processed_bytes: u64,
}

impl AlignmentView {
    pub(crate) fn add(&mut self, subtask: AlignmentView) {
        self.unaligned |= subtask.unaligned;
        self.duration_ms = self.duration_ms.max(subtask.duration_ms);
        self.persisted_bytes += subtask.persisted_bytes;
        self.processed_bytes += subtask.processed_bytes;
    }
}

impl JobView {
    pub fn new(id: String, name: String, now_ms: i64) -> JobView {
        JobView {
            id,
            name,
            status: JobStatus::Initializing,
            timestamps: vec![(JobStatus::Initializing, now_ms)],
            started_at_ms: now_ms,
            ended_at_ms: None,
            max_parallelism: 0,
            restarts: 0,
            exceptions: VecDeque::new(),
            vertices: vec![],
            checkpoints: CheckpointsView::default(),
            holding_commits: false,
        }
    }

    pub(crate) fn enter(&mut self, status: JobStatus, now_ms: i64) {
        if self.status == status {
            return;
        }
        self.status = status;
        self.timestamps.retain(|(earlier, _)| *earlier != status);
        self.timestamps.push((status, now_ms));
        if status.is_terminal() {
            self.ended_at_ms = Some(now_ms);
        }
    }

    pub(crate) fn fail(&mut self, entry: ExceptionEntry, keep: usize) {
        self.exceptions.push_front(entry);
        self.exceptions.truncate(keep.max(1));
    }
}

impl CheckpointsView {
    pub(crate) fn begin(&mut self, record: CheckpointRecord) {
        self.in_progress += 1;
        self.history.push_front(record);
        self.history.truncate(CheckpointsView::HISTORY);
    }

    pub(crate) fn update(&mut self, id: u64, change: impl FnOnce(&mut CheckpointRecord)) {
        if let Some(record) = self.history.iter_mut().find(|record| record.id == id) {
            change(record);
        }
    }

    pub(crate) fn end(&mut self, id: u64, result: Result<(String, u64, u64), String>, now_ms: i64) {
        self.in_progress = self.in_progress.saturating_sub(1);
        match result {
            Ok(_) => self.completed += 1,
            Err(_) => self.failed += 1,
        }
        self.update(id, |record| {
            record.ended_at_ms = Some(now_ms);
            match result {
                Ok((location, bytes, state_bytes)) => {
                    record.state = CheckpointState::Completed;
                    record.location = Some(location);
                    record.bytes = bytes;
                    record.state_bytes = state_bytes;
                }
                Err(failure) => {
                    record.state = CheckpointState::Failed;
                    record.failure = Some(failure);
                }
            }
        });
    }
}
