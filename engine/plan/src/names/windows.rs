//! The operators over windows that rows carry, as Flink's plans show them.

use millrace_dataflow::Schema;
use millrace_dataflow::graph::{JoinKind, WindowBounds, WindowRank};

use super::{columns, fields, name, sort};
use crate::physical::PhysicalWindowJoin;
use crate::render;

fn bounds(window: WindowBounds, schema: &Schema) -> String {
    format!("win_start=[{}], win_end=[{}]", name(schema, window.start), name(schema, window.end))
}

pub(super) fn rank(rank: &WindowRank, input: &Schema, output: &Schema) -> String {
    format!(
        "WindowRank(window=[{}], rankType=[ROW_NUMBER], rankRange=[rankStart={}, rankEnd={}], partitionBy=[{}], orderBy=[{}], outputRank=[{}], select=[{}])",
        bounds(rank.window, input),
        rank.start,
        rank.end,
        columns(&rank.partition, input),
        sort(&rank.order, input),
        rank.output_rank,
        fields(output)
    )
}

pub(super) fn join(
    join: &PhysicalWindowJoin,
    left: &Schema,
    right: &Schema,
    output: &Schema,
) -> String {
    let kind = match join.kind {
        JoinKind::Inner => "InnerJoin",
        JoinKind::Left => "LeftOuterJoin",
        JoinKind::Right => "RightOuterJoin",
        JoinKind::Full => "FullOuterJoin",
    };
    let keys = join.left_keys.iter().zip(&join.right_keys);
    let mut conditions: Vec<String> = keys
        .map(|(one, other)| format!("({} = {})", name(left, *one), name(right, *other)))
        .collect();
    conditions.extend(join.residual.as_ref().map(|residual| {
        let column =
            |c: usize| if c < left.len() { name(left, c) } else { name(right, c - left.len()) };
        render::expression(residual, &column)
    }));
    format!(
        "WindowJoin(leftWindow=[{}], rightWindow=[{}], joinType=[{kind}], where=[{}], select=[{}])",
        bounds(join.left_window, left),
        bounds(join.right_window, right),
        conditions.join(" AND "),
        fields(output)
    )
}
