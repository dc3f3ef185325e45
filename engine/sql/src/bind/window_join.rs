//! Joins on equal windows of both sides (row B3.16).

use millrace_dataflow::graph::{JoinKind, WindowAssigner, WindowBounds};
use millrace_expr::{ExprContext, TypedExpr};

use super::Bound;
use super::aggregate::{check_key, select_columns};
use super::from::join_schema;
use super::interval_join::{appended, equal_keys};
use super::window::window_of;
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode, WindowColumns, WindowJoinRel};
use crate::span::Span;

/// The join when its conditions make both bounds of both sides' windows equal;
/// `None`: it is a join of another kind.
pub(super) fn window_join(
    left: &Rel,
    right: &Rel,
    kind: JoinKind,
    conditions: &[TypedExpr],
    context: &ExprContext,
    span: Span,
) -> Bound<Option<Rel>> {
    let (Some(left_window), Some(right_window)) = (bounds(left), bounds(right)) else {
        return Ok(None);
    };
    let width = left.schema.len();
    let (mut keys, mut residual) = (Vec::new(), Vec::new());
    let (mut starts, mut ends) = (false, false);
    for condition in conditions {
        let Some((one, other)) = equal_keys(condition, width) else {
            residual.push(condition.clone());
            continue;
        };
        let columns = (expressions::column_of(&one), expressions::column_of(&other));
        if columns == (Some(left_window.start), Some(right_window.start)) {
            starts = true;
        } else if columns == (Some(left_window.end), Some(right_window.end)) {
            ends = true;
        } else {
            keys.push((one, other));
        }
    }
    if !(starts && ends) {
        return Ok(None);
    }
    let window = common_window(left, right, span)?;
    let residual = expressions::conjunction(residual, context);
    let windows = (left_window, right_window);
    assemble(left.clone(), right.clone(), kind, keys, windows, window, residual, span).map(Some)
}

fn bounds(rel: &Rel) -> Option<WindowBounds> {
    let windows = rel.windows?;
    Some(WindowBounds { start: windows.start?, end: windows.end? })
}

// Same function, sizes and zone on both sides; the wall clock has no windows to wait for.
fn common_window(left: &Rel, right: &Rel, span: Span) -> Bound<WindowAssigner> {
    let (Some(one), Some(other)) = (window_of(left), window_of(right)) else {
        return Err(Problem::new(span, "a window join needs a windowing function on both sides"));
    };
    let proctime = |rel: &Rel| rel.windows.is_some_and(|windows| windows.proctime);
    if proctime(left) || proctime(right) {
        return Err(Problem::new(span, "Processing time Window Join is not supported yet."));
    }
    let of = |window: &WindowAssigner| (window.kind, window.offset_ms, window.time_zone.clone());
    if of(one) != of(other) {
        let message = "Currently, window join doesn't support different window table function of left and right inputs.";
        return Err(Problem::new(span, message)
            .with_hint("use the same windowing function with the same sizes on both sides"));
    }
    Ok(one.clone())
}

// Keys that are no plain columns are computed below the join and cut off above it.
#[expect(clippy::too_many_arguments, reason = "all that the conditions said")]
fn assemble(
    left: Rel,
    right: Rel,
    kind: JoinKind,
    keys: Vec<(TypedExpr, TypedExpr)>,
    (left_window, right_window): (WindowBounds, WindowBounds),
    window: WindowAssigner,
    residual: Option<TypedExpr>,
    span: Span,
) -> Bound<Rel> {
    let (left_width, right_width) = (left.schema.len(), right.schema.len());
    for (key, _) in &keys {
        check_key(key, span)?;
    }
    let (left_keys, right_keys): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    let (left, left_keys) = appended(left, left_keys, span);
    let (right, right_keys) = appended(right, right_keys, span);
    let width = left.schema.len();
    let extra = width - left_width;
    let moved = |column: usize| if column < left_width { column } else { column + extra };
    let schema = join_schema(&left, &right, kind);
    let windows = joined_windows(&left, &right, kind);
    let join = WindowJoinRel {
        kind,
        left_window,
        right_window,
        left_keys,
        right_keys,
        residual: residual.map(|residual| expressions::renumber(&residual, &moved)),
        window,
        left,
        right,
    };
    let node = RelNode::WindowJoin(Box::new(join));
    let rel = Rel { node, schema, windows, span };
    if rel.schema.len() == left_width + right_width {
        return Ok(rel);
    }
    let columns: Vec<usize> = (0..left_width + right_width).map(moved).collect();
    Ok(select_columns(rel, &columns, span))
}

// Windows go on from the side whose columns are never padded.
fn joined_windows(left: &Rel, right: &Rel, kind: JoinKind) -> Option<WindowColumns> {
    let width = left.schema.len();
    match kind {
        JoinKind::Inner | JoinKind::Left => left.windows,
        JoinKind::Right => right.windows.map(|windows| WindowColumns {
            start: windows.start.map(|column| column + width),
            end: windows.end.map(|column| column + width),
            time: windows.time.map(|column| column + width),
            ..windows
        }),
        JoinKind::Full => None,
    }
}
