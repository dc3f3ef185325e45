//! The job graph: what the planner hands to the runtime.
//!
//! Nodes are in topological order (an edge goes from a smaller index to a larger
//! one). Column references are indices into the operator's input row; the inputs
//! of a join are numbered left (0) then right (1), and its row is left's columns
//! followed by right's.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::ChangelogMode;
pub use crate::correlate::Correlate;
use crate::expression::Expression;
use crate::level::RuntimeLevel;
pub use crate::local_aggregate::{LocalGroupAggregate, PARTIAL};
pub use crate::lookup::{
    Asking, LookupCache, LookupJoin, LookupTable, PartialCache, Reload, Retry,
};
pub use crate::mini_batch::{MiniBatch, MiniBatchMode};
pub use crate::over::{Over, OverFrame};
use crate::source::ScanSpec;
use crate::table::TableSpec;
use crate::types::{DataType, Schema};

/// Stable name of an operator: survives edits of the script that do not concern it.
/// 32 hex digits, as Flink's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperatorId(pub String);

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug)]
pub struct JobGraph {
    pub level: RuntimeLevel,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub id: OperatorId,
    /// For people: `GroupAggregate(groupBy=[origin], select=[COUNT(*)])`.
    pub name: String,
    pub operator: Operator,
    /// Columns of the output.
    pub output: Schema,
    /// `None`: the job's default. `Some(1)` for global operators.
    pub parallelism: Option<u16>,
    /// What the operator keeps; `None` when it keeps nothing.
    pub state: Option<StateLayout>,
}

/// What of an operator must be equal for its state to be read: a snapshot's state
/// fits when `kind` and `layout` are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateLayout {
    /// `source`, `window-aggregate`, `window-join`, `window-rank`, `group-aggregate`,
    /// `interval-join`, `join`, `rank`, `deduplicate`, `over-aggregate`,
    /// `changelog-normalize`, `sink-materialize`, `temporal-join`, `temporal-sort`, `sink`.
    pub kind: String,
    /// Canonical text of all that decides the state's meaning: key types, aggregate
    /// calls with their types, window, join bounds, order. Readable by people.
    pub layout: String,
}

/// What a snapshot's manifest records of one stateful operator, so that a planner
/// can say whether another graph can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorStateMeta {
    pub id: OperatorId,
    /// As in [`Node::name`] when the snapshot was taken: for messages.
    pub name: String,
    pub layout: StateLayout,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    /// 0, or 1 for the right side of a join; inputs of a union are 0, 1, 2, ...
    pub input: usize,
    pub exchange: Exchange,
}

/// How rows go from the subtasks of one node to those of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Subtask i to subtask i. Both ends have one parallelism; chained when the
    /// target has this input only.
    Forward,
    /// By key group of these columns of the sender's output.
    Hash(Vec<usize>),
    /// Everything to subtask 0.
    Global,
    /// Evenly.
    Rebalance,
}

#[derive(Clone, Debug)]
pub enum Operator {
    Source(SourceOperator),
    /// A bounded, insert-only constant table; subtask 0 emits it once.
    Values {
        rows: arrow::record_batch::RecordBatch,
    },
    /// Filter, then project. Keeps row kinds; a filter on a changelog sees both
    /// halves of an update, so none is torn.
    Calc {
        filter: Option<Expression>,
        project: Vec<Expression>,
    },
    /// Appends window_start, window_end (TIMESTAMP(3)) and window_time: a windowing
    /// table function on its own (row B3.8).
    WindowAssign {
        window: WindowAssigner,
    },
    WindowAggregate(WindowAggregate),
    WindowJoin(WindowJoin),
    WindowRank(WindowRank),
    GroupAggregate(GroupAggregate),
    LocalGroupAggregate(LocalGroupAggregate),
    IntervalJoin(IntervalJoin),
    Join(Join),
    Rank(Rank),
    Deduplicate(Deduplicate),
    Over(Over),
    Correlate(Correlate),
    ChangelogNormalize(ChangelogNormalize),
    SinkMaterialize(SinkMaterialize),
    TemporalJoin(TemporalJoin),
    LookupJoin(Box<LookupJoin>),
    TemporalSort(TemporalSort),
    /// All inputs in arrival order; watermarks by minimum.
    Union,
    Sink(SinkOperator),
    /// Rows go to whoever started the job: a SELECT at top level.
    Collect,
}

/// Reads splits; computes columns; assigns watermarks per split.
#[derive(Clone, Debug)]
pub struct SourceOperator {
    pub scan: ScanSpec,
    /// From the produced columns to the table's columns (computed columns, casts of
    /// metadata); `None`: the produced columns as they are.
    pub compute: Option<Vec<Expression>>,
    pub watermark: Option<WatermarkSpec>,
    /// Watermarks go on only when they pass a multiple of so many milliseconds: event
    /// time in mini-batches (row E.23).
    pub watermark_step_ms: Option<i64>,
}

/// `WATERMARK FOR column AS expression`.
#[derive(Clone, Debug)]
pub struct WatermarkSpec {
    /// Column of the source operator's output. A NULL there fails the job (row A2.7).
    pub rowtime: usize,
    /// Over the source operator's output; type TIMESTAMP(3) or TIMESTAMP_LTZ(3).
    pub expression: Expression,
    /// `scan.watermark.idle-timeout` or `table.exec.source.idle-timeout`; `None`: never idle.
    pub idle_timeout_ms: Option<i64>,
    pub alignment: Option<WatermarkAlignment>,
    /// A watermark after every row that raises it, rather than now and then
    /// (`scan.watermark.emit.strategy`, row E.4).
    pub on_event: bool,
}

/// Sources of one group wait for each other: none goes on while its watermark is more
/// than `max_drift_ms` past the least of the group (row E.7; Flink: FLIP-182, FLIP-217).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatermarkAlignment {
    pub group: String,
    pub max_drift_ms: i64,
    /// How often the sources look at each other.
    pub update_interval_ms: i64,
}

/// How a row finds its windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowAssigner {
    pub kind: WindowKind,
    pub offset_ms: i64,
    pub time: WindowTime,
    /// Rows in TIMESTAMP_LTZ are aligned in this zone (rows B3.1, E.20); `None` is UTC.
    pub time_zone: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    Tumble {
        size_ms: i64,
    },
    /// `size_ms` is a multiple of `slide_ms`.
    Hop {
        slide_ms: i64,
        size_ms: i64,
    },
    /// `size_ms` is a multiple of `step_ms`.
    Cumulate {
        step_ms: i64,
        size_ms: i64,
    },
    /// Rows of one key at most `gap_ms` apart; ends `gap_ms` after the last one. Under
    /// a window aggregate alone: its keys are what sessions are kept apart by.
    Session {
        gap_ms: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowTime {
    /// This rowtime column.
    Rowtime(usize),
    /// The wall clock at the operator.
    Proctime,
}

/// Where a window aggregate's windows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowInput {
    /// It assigns them itself, by slices.
    Assign(WindowAssigner),
    /// The input carries them: window_start and window_end columns of an earlier
    /// window operator (row B3.13 when they were re-grouped with window_time).
    Attached { start: usize, end: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowProperty {
    Start,
    End,
    /// `end - 1 ms`, a rowtime attribute (TIMESTAMP_LTZ for LTZ input).
    Time,
}

/// Insert-only out; a window is emitted when the watermark reaches its end - 1 ms
/// (row B3.10). Output: keys, aggregates, properties.
#[derive(Clone, Debug)]
pub struct WindowAggregate {
    pub window: WindowInput,
    pub keys: Vec<usize>,
    pub aggregates: Vec<AggregateCall>,
    pub properties: Vec<WindowProperty>,
    /// The input carries -U, +U or -D (row B4.3; under the windowing functions since
    /// Flink 1.19): a window whose rows were all taken back is not emitted.
    pub retracts: bool,
}

/// Columns of an input that hold the bounds of each row's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowBounds {
    pub start: usize,
    pub end: usize,
}

/// Rows of the same window with equal keys (row B3.16), emitted when the watermark
/// reaches the window's end - 1 ms. Insert-only in and out.
#[derive(Clone, Debug)]
pub struct WindowJoin {
    pub kind: JoinKind,
    /// Each over its own input.
    pub left_window: WindowBounds,
    pub right_window: WindowBounds,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// Over left's columns followed by right's.
    pub residual: Option<Expression>,
    /// The zone on whose wall clock the bounds lie; `None` is UTC.
    pub time_zone: Option<String>,
}

/// `ROW_NUMBER() OVER (PARTITION BY window_start, window_end, .. ORDER BY ..)` between
/// `start` and `end` (rows B3.14, B3.15), emitted when the watermark reaches the
/// window's end - 1 ms. Insert-only in and out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRank {
    pub window: WindowBounds,
    /// Without the window's bounds.
    pub partition: Vec<usize>,
    pub order: Vec<SortKey>,
    pub start: u64,
    pub end: u64,
    /// Of equal rows the later one is first: deduplication that keeps the last.
    pub latest_first: bool,
    /// The rank (BIGINT) is appended to the output.
    pub output_rank: bool,
    /// The zone on whose wall clock the bounds lie; `None` is UTC.
    pub time_zone: Option<String>,
}

/// Output: keys, aggregates (rows B2.1 to B2.7). No keys: one global group.
#[derive(Clone, Debug)]
pub struct GroupAggregate {
    pub keys: Vec<usize>,
    pub aggregates: Vec<AggregateCall>,
    /// The input carries -U, +U or -D.
    pub retracts: bool,
    /// The consumer needs -U.
    pub emit_update_before: bool,
    /// `table.exec.state.ttl`; 0: for ever.
    pub state_ttl_ms: i64,
    /// `None`: every change is emitted.
    pub mini_batch: Option<MiniBatch>,
    /// The input is what [`LocalGroupAggregate`]s with these aggregates give out: the
    /// keys, then BYTES, then perhaps the rows' other columns. Such an operator works in
    /// mini-batches.
    pub merges: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateCall {
    pub function: AggregateFunction,
    /// Input columns; empty for `COUNT(*)`.
    pub arguments: Vec<usize>,
    pub argument_types: Vec<DataType>,
    pub distinct: bool,
    /// A BOOLEAN input column: rows where it is not TRUE do not count.
    pub filter: Option<usize>,
    pub output: DataType,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AggregateFunction {
    CountStar,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    FirstValue,
    LastValue,
    StddevPop,
    StddevSamp,
    VarPop,
    VarSamp,
    ListAgg {
        separator: String,
    },
    Collect,
    /// OVER only: the rows so far, counted.
    RowNumber,
    /// OVER only: the argument this many rows earlier, NULL or not; before the first
    /// row the second argument, else NULL (row B5.7).
    Lag {
        offset: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// `left.time BETWEEN right.time + lower AND right.time + upper`, both inclusive,
/// and equal keys (rows B6.8, B6.9). Insert-only in and out.
#[derive(Clone, Debug)]
pub struct IntervalJoin {
    pub kind: JoinKind,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// Columns of the left and the right input, or the wall clock.
    pub left_time: WindowTime,
    pub right_time: WindowTime,
    pub lower_ms: i64,
    pub upper_ms: i64,
    /// Over left's columns followed by right's.
    pub residual: Option<Expression>,
}

/// Equal keys without a bound in time: both sides are kept whole (rows B6.1 to B6.6).
/// Any changelog in.
#[derive(Clone, Debug)]
pub struct Join {
    pub emits: JoinEmits,
    /// As many of the left as of the right, of equal types; none: all rows meet.
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// For each key: NULL is equal to NULL (`IS NOT DISTINCT FROM`, row B6.4).
    pub null_safe: Vec<bool>,
    /// Over left's columns followed by right's.
    pub residual: Option<Expression>,
    /// Whether the left and the right input carry -U, +U or -D.
    pub retracts: [bool; 2],
    /// For the left and the right side; 0: for ever.
    pub state_ttl_ms: [i64; 2],
}

/// What a regular join's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinEmits {
    /// Left's columns, then right's.
    Pairs(JoinKind),
    /// Left's rows that have a match: `IN`, `EXISTS`.
    Semi,
    /// Left's rows that have none: `NOT IN`, `NOT EXISTS`.
    Anti,
}

impl JoinEmits {
    /// Whether rows of the left and of the right side show whether they have a match.
    pub fn outer(self) -> [bool; 2] {
        match self {
            JoinEmits::Pairs(JoinKind::Inner) => [false, false],
            JoinEmits::Pairs(JoinKind::Left) | JoinEmits::Semi | JoinEmits::Anti => [true, false],
            JoinEmits::Pairs(JoinKind::Right) => [false, true],
            JoinEmits::Pairs(JoinKind::Full) => [true, true],
        }
    }

    /// Whether the output has just those kinds of changes that the inputs have (rows
    /// B12.13, B12.14).
    pub fn forwards_kinds(self) -> bool {
        matches!(self, JoinEmits::Pairs(JoinKind::Inner) | JoinEmits::Semi)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    pub column: usize,
    pub ascending: bool,
    pub nulls_first: bool,
}

/// `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..)` between `start` and `end`
/// (1-based, inclusive); also ORDER BY + LIMIT with no partition (rows B9.1 to B9.6).
#[derive(Clone, Debug)]
pub struct Rank {
    pub partition: Vec<usize>,
    pub order: Vec<SortKey>,
    pub start: u64,
    pub end: u64,
    /// The rank (BIGINT) is appended to the output.
    pub output_rank: bool,
    /// The input carries -U, +U or -D: all rows are kept.
    pub retracts: bool,
    pub emit_update_before: bool,
    pub state_ttl_ms: i64,
}

/// `ROW_NUMBER() .. ORDER BY time = 1` (rows B9.8 to B9.11). Insert-only in.
#[derive(Clone, Debug)]
pub struct Deduplicate {
    pub keys: Vec<usize>,
    pub time: WindowTime,
    pub keep: Keep,
    pub emit_update_before: bool,
    pub state_ttl_ms: i64,
    /// `None`: every change is emitted.
    pub mini_batch: Option<MiniBatch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    First,
    Last,
}

/// Makes a full changelog of an upsert stream, or of one that may repeat itself
/// (rows B12.16, B12.20).
#[derive(Clone, Debug)]
pub struct ChangelogNormalize {
    /// The source's primary key.
    pub keys: Vec<usize>,
    pub emit_update_before: bool,
    pub state_ttl_ms: i64,
    /// `None`: every change is emitted.
    pub mini_batch: Option<MiniBatch>,
}

/// Brings the changes of a sink's primary key into order (row B12.22). Never emits -U.
#[derive(Clone, Debug)]
pub struct SinkMaterialize {
    /// The sink's primary key.
    pub keys: Vec<usize>,
    /// Columns by which the input's rows are known apart; `None`: by all.
    pub upsert_key: Option<Vec<usize>>,
    pub state_ttl_ms: i64,
}

/// `FOR SYSTEM_TIME AS OF` event time (rows B6.10 to B6.12): each left row with the
/// version of its key that was valid at its time. Keeps left's row kinds; -U on the
/// right is not looked at.
#[derive(Clone, Debug)]
pub struct TemporalJoin {
    /// Inner or left.
    pub kind: JoinKind,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// Rowtime columns of the left and the right input.
    pub left_time: usize,
    pub right_time: usize,
    /// Over left's columns followed by right's.
    pub residual: Option<Expression>,
}

/// `ORDER BY rowtime [, ..]` without LIMIT: rows in order once the watermark has
/// reached their time. Insert-only in and out.
#[derive(Clone, Debug)]
pub struct TemporalSort {
    /// First the rowtime, ascending.
    pub order: Vec<SortKey>,
}

#[derive(Clone, Debug)]
pub struct SinkOperator {
    pub table: TableSpec,
    /// What arrives. -U is dropped before the writer when the sink does not take it.
    pub changelog: ChangelogMode,
    /// Indices of the columns declared NOT NULL, checked by `not_null` policy.
    pub not_null: Vec<usize>,
    pub not_null_policy: NotNullPolicy,
}

/// `table.exec.sink.not-null-enforcer` (row C2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNullPolicy {
    Error,
    Drop,
}
