//! OVER aggregation in the job graph (section B.5).

use crate::graph::{AggregateCall, WindowTime};

/// Aggregates over the rows before each row: insert-only in and out. Output: the
/// input's columns, then the calls.
///
/// By event time a row waits for the watermark to reach its time, and late rows are
/// dropped; by the wall clock it is emitted at once, but for [`OverFrame::Range`],
/// where it waits for the end of its millisecond.
#[derive(Clone, Debug)]
pub struct Over {
    /// No columns: one global partition.
    pub partition: Vec<usize>,
    pub time: WindowTime,
    pub frame: OverFrame,
    pub calls: Vec<AggregateCall>,
    /// `table.exec.state.ttl`; 0: for ever. Not used by [`OverFrame::Range`], whose
    /// state goes with time.
    pub state_ttl_ms: i64,
}

/// Which rows of its partition a row's aggregates are over; the last is always the row
/// itself, with its peers (rows of equal time) when by range (rows B5.1, B5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverFrame {
    UnboundedRows,
    UnboundedRange,
    /// This many rows before the row, and the row.
    Rows(u64),
    /// Rows at most this many milliseconds older.
    Range(i64),
}

impl OverFrame {
    /// Whether rows leave the frame again.
    pub fn is_bounded(self) -> bool {
        matches!(self, OverFrame::Rows(_) | OverFrame::Range(_))
    }

    /// Whether rows of equal time share a result.
    pub fn has_peers(self) -> bool {
        matches!(self, OverFrame::UnboundedRange | OverFrame::Range(_))
    }
}
