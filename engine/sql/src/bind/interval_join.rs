//! Joins: those with bounds on both time attributes become interval joins (rows B6.8,
//! B6.9); the others are regular ones.

use std::collections::BTreeSet;

use millrace_dataflow::graph::{JoinEmits, JoinKind};
use millrace_dataflow::{Schema, TimeAttribute, TypeRoot};
use millrace_expr::{ExprContext, TypedExpr, TypedKind};

use super::aggregate::{check_key, project};
use super::from::join_schema;
use super::window_join::window_join;
use super::{Bound, regular_join};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{IntervalJoinRel, Rel, RelNode};
use crate::span::Span;

/// Resolves the joins of a FROM clause under a WHERE clause. Conjuncts of WHERE go
/// into inner joins and to the side they concern; the rest is given back.
pub(super) fn resolve(
    rel: Rel,
    mut filter: Vec<TypedExpr>,
    context: &ExprContext,
) -> Bound<(Rel, Vec<TypedExpr>)> {
    if matches!(rel.node, RelNode::Correlate { .. }) {
        return super::unnest::resolve(rel, filter, context);
    }
    if super::lookup_join::is_one(&rel) {
        return super::lookup_join::resolve(rel, filter, context);
    }
    let RelNode::Join { left, right, kind, conjuncts, state_ttl_ms } = rel.node else {
        return Ok((rel, filter));
    };
    let mut conditions = conjuncts;
    if kind == JoinKind::Inner {
        conditions.append(&mut filter);
    }
    let width = left.schema.len();
    let mut sides = split(conditions, width, kind);
    let filter = pushed_down(filter, width, kind, &mut sides);
    let left = resolve_side(*left, sides.left, context)?;
    let right = resolve_side(*right, sides.right, context)?;
    let mut join = interval_join(left, right, kind, sides.both, context, rel.span)?;
    regular_join::keep_for(&mut join, state_ttl_ms);
    Ok((join, filter))
}

/// As [`resolve`]; what is given back is put above it.
pub(super) fn resolve_side(rel: Rel, filter: Vec<TypedExpr>, context: &ExprContext) -> Bound<Rel> {
    let (rel, rest) = resolve(rel, filter, context)?;
    super::rank::filter(rel, rest, context)
}

// A filter above an outer join that concerns its kept side alone goes below it.
fn pushed_down(
    filter: Vec<TypedExpr>,
    width: usize,
    kind: JoinKind,
    sides: &mut Sides,
) -> Vec<TypedExpr> {
    let mut above = Vec::new();
    for condition in filter {
        let columns = expressions::columns(&condition);
        let movable = !columns.is_empty() && expressions::is_deterministic(&condition);
        let on_left = columns.iter().all(|column| *column < width);
        let on_right = columns.iter().all(|column| *column >= width);
        match kind {
            JoinKind::Left if movable && on_left => sides.left.push(condition),
            JoinKind::Right if movable && on_right => {
                sides.right.push(expressions::renumber(&condition, &|column| column - width));
            }
            _ => above.push(condition),
        }
    }
    above
}

/// The relation with some conjuncts above it.
pub(super) fn filtered(rel: Rel, conjuncts: Vec<TypedExpr>, context: &ExprContext) -> Rel {
    let Some(predicate) = expressions::conjunction(conjuncts, context) else { return rel };
    let (schema, windows, span) = (rel.schema.clone(), rel.windows, rel.span);
    Rel { node: RelNode::Filter { input: Box::new(rel), predicate }, schema, windows, span }
}

struct Sides {
    left: Vec<TypedExpr>,
    right: Vec<TypedExpr>,
    both: Vec<TypedExpr>,
}

// A condition on one side goes to that side, unless the side's rows must survive
// without a match: then it only decides whether there is one.
fn split(conditions: Vec<TypedExpr>, width: usize, kind: JoinKind) -> Sides {
    let mut sides = Sides { left: vec![], right: vec![], both: vec![] };
    for condition in conditions {
        let columns = expressions::columns(&condition);
        let on_left = columns.iter().all(|column| *column < width);
        let on_right = columns.iter().all(|column| *column >= width);
        let left_may = matches!(kind, JoinKind::Inner | JoinKind::Right);
        let right_may = matches!(kind, JoinKind::Inner | JoinKind::Left);
        if on_left && left_may && !columns.is_empty() {
            sides.left.push(condition);
        } else if on_right && right_may && !columns.is_empty() {
            sides.right.push(expressions::renumber(&condition, &|column| column - width));
        } else {
            sides.both.push(condition);
        }
    }
    sides
}

fn interval_join(
    left: Rel,
    right: Rel,
    kind: JoinKind,
    conditions: Vec<TypedExpr>,
    context: &ExprContext,
    span: Span,
) -> Bound<Rel> {
    if let Some(rel) = window_join(&left, &right, kind, &conditions, context, span)? {
        return Ok(rel);
    }
    let width = left.schema.len();
    let fields = left.schema.fields.iter().chain(&right.schema.fields).cloned().collect();
    let both = Schema::new(fields);
    let mut bounds = Bounds::default();
    for condition in &conditions {
        bounds.take(condition, &both, width);
    }
    if !bounds.are_complete() {
        let emits = JoinEmits::Pairs(kind);
        return regular_join::regular_join(left, right, emits, conditions, context, span);
    }
    let mut keys = Vec::new();
    let mut bounds = Bounds::default();
    let mut residual = Vec::new();
    for condition in conditions {
        if bounds.take(&condition, &both, width) {
            continue;
        }
        match equal_keys(&condition, width) {
            Some(pair) => keys.push(pair),
            None => residual.push(condition),
        }
    }
    let bounds = bounds.complete(&left, &right, span)?;
    let residual = expressions::conjunction(residual, context);
    assemble(left, right, kind, keys, bounds, residual, span)
}

// `l.a = r.b` as (over left, over right).
pub(super) fn equal_keys(condition: &TypedExpr, width: usize) -> Option<(TypedExpr, TypedExpr)> {
    let TypedKind::Call { function, arguments } = &condition.kind else { return None };
    let ("=", [one, other]) = (function.as_str(), arguments.as_slice()) else { return None };
    key_pair(one, other, width)
}

/// Both sides of an equality, when each is over one input.
pub(super) fn key_pair(
    one: &TypedExpr,
    other: &TypedExpr,
    width: usize,
) -> Option<(TypedExpr, TypedExpr)> {
    let side = |expression: &TypedExpr| {
        let columns: BTreeSet<usize> = expressions::columns(expression);
        let left = columns.iter().all(|column| *column < width);
        let right = columns.iter().all(|column| *column >= width);
        match (columns.is_empty(), left, right) {
            (false, true, false) => Some(0),
            (false, false, true) => Some(1),
            _ => None,
        }
    };
    let over_right = |expression: &TypedExpr| expressions::renumber(expression, &|c| c - width);
    match (side(one)?, side(other)?) {
        (0, 1) => Some((one.clone(), over_right(other))),
        (1, 0) => Some((other.clone(), over_right(one))),
        _ => None,
    }
}

/// What the conditions say of `left.time - right.time`.
#[derive(Default)]
struct Bounds {
    lower_ms: Option<i64>,
    upper_ms: Option<i64>,
    /// Columns of the join's row.
    times: Option<(usize, usize)>,
}

struct CompleteBounds {
    lower_ms: i64,
    upper_ms: i64,
    left_time: usize,
    right_time: usize,
    proctime: bool,
}

impl Bounds {
    /// Whether the condition was such a bound, and so is dealt with.
    fn take(&mut self, condition: &TypedExpr, both: &Schema, width: usize) -> bool {
        let TypedKind::Call { function, arguments } = &condition.kind else { return false };
        match (function.as_str(), arguments.as_slice()) {
            ("BETWEEN", [value, low, high]) => {
                let probe = Bounds { times: self.times, ..Bounds::default() };
                let fits = |operator, one, other| {
                    let mut probe = Bounds { times: probe.times, ..Bounds::default() };
                    probe.compare(operator, one, other, both, width)
                };
                if !fits(">=", value, low) || !fits("<=", value, high) {
                    return false;
                }
                self.compare(">=", value, low, both, width)
                    && self.compare("<=", value, high, both, width)
            }
            (operator @ ("=" | "<" | "<=" | ">" | ">="), [one, other]) => {
                self.compare(operator, one, other, both, width)
            }
            _ => false,
        }
    }

    fn compare(
        &mut self,
        operator: &str,
        one: &TypedExpr,
        other: &TypedExpr,
        both: &Schema,
        width: usize,
    ) -> bool {
        let (Some(one), Some(other)) = (shifted_time(one, both), shifted_time(other, both)) else {
            return false;
        };
        // As `left operator right + difference`.
        let (left, right, difference, operator) = if one.0 < width && other.0 >= width {
            (one.0, other.0, other.1.checked_sub(one.1), operator)
        } else if other.0 < width && one.0 >= width {
            (other.0, one.0, one.1.checked_sub(other.1), mirrored(operator))
        } else {
            return false;
        };
        let Some(difference) = difference else { return false };
        if self.times.is_some_and(|times| times != (left, right)) {
            return false;
        }
        self.times = Some((left, right));
        self.narrow(operator, difference);
        true
    }

    fn narrow(&mut self, operator: &str, ms: i64) {
        if matches!(operator, "=" | ">=" | ">") {
            let lower = if operator == ">" { ms.saturating_add(1) } else { ms };
            self.lower_ms = Some(self.lower_ms.map_or(lower, |known| known.max(lower)));
        }
        if matches!(operator, "=" | "<=" | "<") {
            let upper = if operator == "<" { ms.saturating_sub(1) } else { ms };
            self.upper_ms = Some(self.upper_ms.map_or(upper, |known| known.min(upper)));
        }
    }

    fn are_complete(&self) -> bool {
        self.lower_ms.is_some() && self.upper_ms.is_some() && self.times.is_some()
    }

    /// Those of an interval join; only for complete ones.
    fn complete(self, left: &Rel, right: &Rel, span: Span) -> Bound<CompleteBounds> {
        let (left_column, right_column) = self.times.unwrap_or((0, left.schema.len()));
        let (lower_ms, upper_ms) = (self.lower_ms.unwrap_or(0), self.upper_ms.unwrap_or(0));
        let right_time = right_column - left.schema.len();
        let left_field = &left.schema.fields[left_column];
        let right_field = &right.schema.fields[right_time];
        if left_field.time != right_field.time {
            let message = "an interval join needs the same kind of time attribute on both sides: event time or processing time";
            return Err(Problem::new(span, message));
        }
        let proctime = left_field.time == TimeAttribute::Proctime;
        Ok(CompleteBounds { lower_ms, upper_ms, left_time: left_column, right_time, proctime })
    }
}

fn mirrored(operator: &str) -> &str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

// A time attribute plus or minus a constant interval: (column, milliseconds).
fn shifted_time(expression: &TypedExpr, both: &Schema) -> Option<(usize, i64)> {
    match &expression.kind {
        TypedKind::Column(index) => {
            let is_time = both.fields.get(*index)?.time != TimeAttribute::None;
            is_time.then_some((*index, 0))
        }
        TypedKind::Cast { value, .. } if expression.data_type.root.is_timestamp() => {
            let same_kind = matches!(
                (&value.data_type.root, &expression.data_type.root),
                (TypeRoot::Timestamp { .. }, TypeRoot::Timestamp { .. })
                    | (TypeRoot::TimestampLtz { .. }, TypeRoot::TimestampLtz { .. })
            );
            if same_kind { shifted_time(value, both) } else { None }
        }
        TypedKind::Call { function, arguments } => {
            let [one, other] = arguments.as_slice() else { return None };
            let interval = expressions::interval_constant;
            match function.as_str() {
                "+" => match (shifted_time(one, both), interval(other)) {
                    (Some((column, ms)), Some(add)) => Some((column, ms.checked_add(add)?)),
                    _ => {
                        let (column, ms) = shifted_time(other, both)?;
                        Some((column, ms.checked_add(interval(one)?)?))
                    }
                },
                "-" => {
                    let (column, ms) = shifted_time(one, both)?;
                    Some((column, ms.checked_sub(interval(other)?)?))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

// Keys that are no plain columns are computed below the join and cut off above it.
fn assemble(
    left: Rel,
    right: Rel,
    kind: JoinKind,
    keys: Vec<(TypedExpr, TypedExpr)>,
    bounds: CompleteBounds,
    residual: Option<TypedExpr>,
    span: Span,
) -> Bound<Rel> {
    let (left_width, right_width) = (left.schema.len(), right.schema.len());
    let plain_schema = join_schema(&left, &right, kind);
    for (key, _) in &keys {
        check_key(key, span)?;
    }
    let (left_keys, right_keys): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    let (left, left_keys) = with_keys(left, left_keys, span);
    let (right, right_keys) = with_keys(right, right_keys, span);
    let extra = left.schema.len() - left_width;
    let moved = |column: usize| if column < left_width { column } else { column + extra };
    let schema = join_schema(&left, &right, kind);
    let join = IntervalJoinRel {
        kind,
        left_keys,
        right_keys,
        left_time: bounds.left_time,
        right_time: bounds.right_time,
        proctime: bounds.proctime,
        lower_ms: bounds.lower_ms,
        upper_ms: bounds.upper_ms,
        residual: residual.map(|residual| expressions::renumber(&residual, &moved)),
        left,
        right,
    };
    let rel = Rel::new(RelNode::IntervalJoin(Box::new(join)), schema, span);
    if rel.schema.len() == plain_schema.len() {
        return Ok(rel);
    }
    let columns: Vec<usize> = (0..left_width + right_width).map(moved).collect();
    Ok(super::aggregate::select_columns(rel, &columns, span))
}

fn with_keys(input: Rel, keys: Vec<TypedExpr>, span: Span) -> (Rel, Vec<usize>) {
    if keys.iter().all(|key| expressions::column_of(key).is_some()) {
        let columns = keys.iter().filter_map(expressions::column_of).collect();
        return (input, columns);
    }
    let mut names: Vec<String> =
        input.schema.fields.iter().map(|field| field.name.clone()).collect();
    let mut all: Vec<TypedExpr> = input
        .schema
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| TypedExpr::column(index, field.data_type.clone()))
        .collect();
    let columns = keys
        .into_iter()
        .map(|key| {
            expressions::column_of(&key).unwrap_or_else(|| {
                names.push(format!("$key{}", all.len()));
                all.push(key);
                all.len() - 1
            })
        })
        .collect();
    (project(input, all, names, span), columns)
}

/// Used by relations that need their input's columns and a few more.
pub(super) fn appended(input: Rel, more: Vec<TypedExpr>, span: Span) -> (Rel, Vec<usize>) {
    with_keys(input, more, span)
}
