//! Windows that rows carry as two columns, and when they fire.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::DataType as ArrowType;
use millrace_dataflow::graph::WindowBounds;

use super::assign::Clock;
use super::slices::Span;
use crate::operator::OperatorError;
use crate::operators::progress::Progress;
use crate::operators::shape::Shape;

/// Bytes of a window and a number before the key of an entry: three BIGINT values.
pub const PREFIX_BYTES: usize = 27;
/// The types of those.
pub const PREFIX_TYPES: [ArrowType; 3] = [ArrowType::Int64, ArrowType::Int64, ArrowType::Int64];

/// Rows of a batch by window, and how many are late.
#[derive(Debug, Default)]
pub struct ByWindow {
    pub rows: BTreeMap<Span, Vec<u32>>,
    pub late: u64,
}

/// Whether the watermark has reached the window's last millisecond.
pub fn has_fired(window: Span, clock: &Clock, progress: Progress) -> bool {
    clock.zone.timer_ms(window.end.saturating_sub(1)) <= progress.ms()
}

/// Which rows belong to which window; those of windows that have fired are dropped
/// (Flink: `TimeWindowUtil.isWindowFired`).
///
/// # Errors
/// The bounds are no timestamps.
pub fn by_window(
    record: &RecordBatch,
    bounds: WindowBounds,
    clock: &Clock,
    progress: Progress,
    shape: &Shape,
) -> Result<ByWindow, OperatorError> {
    let starts = shape.times_ms(record.column(bounds.start))?;
    let ends = shape.times_ms(record.column(bounds.end))?;
    let mut found = ByWindow::default();
    let mut row = 0;
    while row < starts.len() {
        let window = Span { start: starts[row], end: ends[row] };
        let from = row;
        while row < starts.len() && (starts[row], ends[row]) == (window.start, window.end) {
            row += 1;
        }
        if has_fired(window, clock, progress) {
            found.late += (row - from) as u64;
        } else {
            found.rows.entry(window).or_default().extend(from as u32..row as u32);
        }
    }
    Ok(found)
}

/// The columns of [`PREFIX_TYPES`].
pub fn prefix(window: Span, numbers: impl ExactSizeIterator<Item = i64>) -> [ArrayRef; 3] {
    let count = numbers.len();
    let same = |time: i64| std::sync::Arc::new(Int64Array::from(vec![time; count])) as ArrayRef;
    [
        same(window.end),
        same(window.start),
        std::sync::Arc::new(Int64Array::from_iter_values(numbers)),
    ]
}
