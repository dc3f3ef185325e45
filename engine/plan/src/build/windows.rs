//! Joins and ranks of windows that rows carry; what sessions are kept apart by.

use std::collections::BTreeSet;

use millrace_dataflow::graph::{WindowAssigner, WindowBounds, WindowKind, WindowRank};
use millrace_sql::logical::{Rel, RelNode, WindowJoinRel};
use millrace_sql::{Problem, Span, expressions};

use super::{Builder, Built, Native};
use crate::collapse::Collapsed;
use crate::columns::{at_least_one, moved, moved_all, pick};
use crate::physical::{PhysicalOperator, PhysicalWindowJoin};

impl Builder<'_, '_> {
    pub(super) fn window_join(
        &mut self,
        rel: &Rel,
        join: &WindowJoinRel,
        wanted: &[usize],
    ) -> Built<Native> {
        let width = join.left.schema.len();
        let residual = join.residual.as_ref().map(expressions::columns).unwrap_or_default();
        let all: BTreeSet<usize> = wanted.iter().copied().chain(residual).collect();
        let of_left = all.iter().copied().filter(|column| *column < width);
        let left_needed = side(of_left, &join.left_keys, join.left_window);
        let of_right = all.iter().filter(|column| **column >= width).map(|column| column - width);
        let right_needed = side(of_right, &join.right_keys, join.right_window);
        let left = self.relation(&join.left, &left_needed)?;
        let right = self.relation(&join.right, &right_needed)?;
        let columns: Vec<usize> =
            left_needed.iter().copied().chain(right_needed.iter().map(|c| c + width)).collect();
        let operator = PhysicalWindowJoin {
            kind: join.kind,
            left_window: moved_bounds(join.left_window, &left_needed),
            right_window: moved_bounds(join.right_window, &right_needed),
            left_keys: moved_all(&join.left_keys, &left_needed),
            right_keys: moved_all(&join.right_keys, &right_needed),
            residual: join
                .residual
                .as_ref()
                .map(|residual| expressions::renumber(residual, &|c| moved(c, &columns))),
            window: join.window.clone(),
        };
        let operator = PhysicalOperator::WindowJoin(Box::new(operator));
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![left, right], output, rel.span), columns })
    }

    pub(super) fn window_rank(
        &mut self,
        rel: &Rel,
        input: &Rel,
        rank: &WindowRank,
        wanted: &[usize],
    ) -> Built<Native> {
        let width = input.schema.len();
        let output_rank = wanted.contains(&width);
        let order_columns = rank.order.iter().map(|key| key.column);
        let of_input = wanted.iter().copied().filter(|column| *column < width);
        let needed = side(of_input.chain(order_columns), &rank.partition, rank.window);
        let node = self.relation(input, &needed)?;
        let mut rank = WindowRank {
            window: moved_bounds(rank.window, &needed),
            partition: moved_all(&rank.partition, &needed),
            output_rank,
            ..rank.clone()
        };
        rank.order.iter_mut().for_each(|key| key.column = moved(key.column, &needed));
        let mut columns = needed;
        columns.extend(output_rank.then_some(width));
        let output = pick(&rel.schema, &columns);
        let operator = PhysicalOperator::WindowRank(rank);
        Ok(Native { node: self.node(operator, vec![node], output, rel.span), columns })
    }
}

fn side(wanted: impl Iterator<Item = usize>, keys: &[usize], window: WindowBounds) -> Vec<usize> {
    at_least_one(wanted.chain(keys.iter().copied()).chain([window.start, window.end]))
}

fn moved_bounds(window: WindowBounds, needed: &[usize]) -> WindowBounds {
    WindowBounds { start: moved(window.start, needed), end: moved(window.end, needed) }
}

/// Sessions are kept by the aggregate above them alone.
pub(super) fn refuse_sessions_alone(window: &WindowAssigner, span: Span) -> Built<()> {
    if !matches!(window.kind, WindowKind::Session { .. }) {
        return Ok(());
    }
    let message = "the windowing function SESSION is offered below GROUP BY window_start, window_end alone, with nothing between them that looks at the windows";
    Err(Problem::new(span, message))
}

/// The windowing function SESSION makes sessions of its PARTITION BY, of all its rows:
/// an aggregate can keep them only when it groups by just that and filters nothing.
pub(super) fn check_session_keys(input: &Rel, keys: &[usize], span: Span) -> Built<()> {
    let collapsed = Collapsed::of(input, keys);
    let RelNode::Window { window, partition: Some(partition), .. } = &collapsed.base.node else {
        return Ok(());
    };
    if !matches!(window.kind, WindowKind::Session { .. }) {
        return Ok(());
    }
    if !collapsed.filters.is_empty() {
        let message =
            "a filter between the windowing function SESSION and its GROUP BY is not offered yet";
        return Err(
            Problem::new(span, message).with_hint("filter in a view, and give the view to SESSION")
        );
    }
    let keys: Option<BTreeSet<usize>> =
        collapsed.project.iter().map(expressions::column_of).collect();
    if keys == Some(partition.iter().copied().collect()) {
        return Ok(());
    }
    let message =
        "grouping sessions by other columns than the PARTITION BY of SESSION is not offered yet";
    Err(Problem::new(span, message)
        .with_hint("GROUP BY window_start, window_end and the columns of PARTITION BY"))
}
