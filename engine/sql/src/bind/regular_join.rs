//! Regular joins: equal keys, and whatever else the condition says (rows B6.1 to B6.6).

use millrace_dataflow::graph::JoinEmits;
use millrace_dataflow::{Field, Schema, TimeAttribute};
use millrace_expr::{ExprContext, TypedExpr, TypedKind};

use super::Bound;
use super::aggregate::{check_key, select_columns};
use super::from::join_schema;
use super::interval_join::{appended, key_pair};
use crate::expressions;
use crate::logical::{RegularJoinRel, Rel, RelNode};
use crate::span::Span;

/// The conditions are over left's columns, then right's. Keys that are no plain columns
/// are computed below the join and cut off above it.
pub(super) fn regular_join(
    left: Rel,
    right: Rel,
    emits: JoinEmits,
    conditions: Vec<TypedExpr>,
    context: &ExprContext,
    span: Span,
) -> Bound<Rel> {
    let (left_width, right_width) = (left.schema.len(), right.schema.len());
    let (keys, residual) = keys_and_rest(conditions, left_width, span)?;
    let null_safe = keys.iter().map(|key| key.null_safe).collect();
    let (left_keys, right_keys) = keys.into_iter().map(|key| (key.left, key.right)).unzip();
    let (left, left_keys) = appended(left, left_keys, span);
    let (right, right_keys) = appended(right, right_keys, span);
    let extra = left.schema.len() - left_width;
    let moved = |column: usize| if column < left_width { column } else { column + extra };
    let residual = expressions::conjunction(residual, context)
        .map(|residual| expressions::renumber(&residual, &moved));
    let schema = output_schema(&left, &right, emits);
    let width = schema.len();
    let state_ttl_ms = [None, None];
    let join = RegularJoinRel {
        left,
        right,
        emits,
        left_keys,
        right_keys,
        null_safe,
        residual,
        state_ttl_ms,
    };
    let rel = Rel::new(RelNode::RegularJoin(Box::new(join)), schema, span);
    let plain_width = match emits {
        JoinEmits::Pairs(_) => left_width + right_width,
        JoinEmits::Semi | JoinEmits::Anti => left_width,
    };
    if width == plain_width {
        return Ok(rel);
    }
    let columns: Vec<usize> = (0..plain_width).map(moved).collect();
    Ok(select_columns(rel, &columns, span))
}

/// What a STATE_TTL hint says, where the join became a regular one: the others keep what
/// their times need.
pub(super) fn keep_for(rel: &mut Rel, ttl_ms: [Option<i64>; 2]) {
    match &mut rel.node {
        RelNode::RegularJoin(join) => join.state_ttl_ms = ttl_ms,
        RelNode::Project { input, .. } if ttl_ms != [None, None] => keep_for(input, ttl_ms),
        _ => {}
    }
}

// The output has no time attributes: rows come out of the order of time (Flink
// materialises them: RelTimeIndicatorConverter).
fn output_schema(left: &Rel, right: &Rel, emits: JoinEmits) -> Schema {
    let schema = match emits {
        JoinEmits::Pairs(kind) => join_schema(left, right, kind),
        JoinEmits::Semi | JoinEmits::Anti => left.schema.clone(),
    };
    let plain = |field: Field| field.with_time(TimeAttribute::None);
    Schema::new(schema.fields.into_iter().map(plain).collect())
}

struct Key {
    left: TypedExpr,
    right: TypedExpr,
    null_safe: bool,
}

fn keys_and_rest(
    conditions: Vec<TypedExpr>,
    width: usize,
    span: Span,
) -> Bound<(Vec<Key>, Vec<TypedExpr>)> {
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    for condition in conditions {
        match key(&condition, width) {
            Some(key) => {
                check_key(&key.left, span)?;
                keys.push(key);
            }
            None => rest.push(condition),
        }
    }
    Ok((keys, rest))
}

// `l.a = r.b`, or `l.a IS NOT DISTINCT FROM r.b` (row B6.4).
fn key(condition: &TypedExpr, width: usize) -> Option<Key> {
    let TypedKind::Call { function, arguments } = &condition.kind else { return None };
    let null_safe = match function.as_str() {
        "=" => false,
        "IS NOT DISTINCT FROM" => true,
        _ => return None,
    };
    let [one, other] = arguments.as_slice() else { return None };
    let (left, right) = key_pair(one, other, width)?;
    // What is equal must have equal bytes.
    let same_type = left.data_type.to_arrow() == right.data_type.to_arrow();
    (same_type && deterministic(&left, &right)).then_some(Key { left, right, null_safe })
}

fn deterministic(left: &TypedExpr, right: &TypedExpr) -> bool {
    expressions::is_deterministic(left) && expressions::is_deterministic(right)
}
