//! `ROW_NUMBER()` within the rows of one window: window Top-N and window
//! deduplication (rows B3.14, B3.15).

use millrace_dataflow::graph::{SortKey, WindowBounds, WindowRank};
use millrace_dataflow::{Schema, TimeAttribute};

use super::Bound;
use super::window::window_of;
use crate::diagnostic::Problem;
use crate::logical::{Rel, RelNode};
use crate::span::Span;

/// The bounds of the input's windows, when it is partitioned by both.
pub(super) fn partitioned_windows(input: &Rel, partition: &[usize]) -> Option<WindowBounds> {
    let windows = input.windows?;
    let bounds = WindowBounds { start: windows.start?, end: windows.end? };
    (partition.contains(&bounds.start) && partition.contains(&bounds.end)).then_some(bounds)
}

/// The rows of each window and key between two ranks; `schema` is the input's with the
/// number behind.
pub(super) fn window_rank(
    input: Rel,
    window: WindowBounds,
    partition: Vec<usize>,
    order: Vec<SortKey>,
    (start, end): (u64, u64),
    schema: Schema,
    span: Span,
) -> Bound<Rel> {
    let by_time = |key: &SortKey| input.schema.fields[key.column].time != TimeAttribute::None;
    let is_deduplication =
        (start, end) == (1, 1) && matches!(order.as_slice(), [key] if by_time(key));
    if input.windows.is_some_and(|windows| windows.proctime) {
        let what = if is_deduplication { "Deduplication" } else { "TopN" };
        let message = format!("Processing time Window {what} is not supported yet.");
        return Err(Problem::new(span, message));
    }
    let assigner = window_of(&input).ok_or_else(|| {
        Problem::new(span, "the windows of this query come from no windowing function")
    })?;
    let rank = WindowRank {
        window,
        partition: partition
            .into_iter()
            .filter(|column| *column != window.start && *column != window.end)
            .collect(),
        // Of equal times the last row to come is kept as the last.
        latest_first: is_deduplication && !order[0].ascending,
        order,
        start,
        end,
        output_rank: true,
        time_zone: assigner.time_zone.clone(),
    };
    let windows = input.windows;
    Ok(Rel { node: RelNode::WindowRank { input: Box::new(input), rank }, schema, windows, span })
}
