//! `ROW_NUMBER() OVER (..)` with a filter on the number: Top-N and deduplication
//! (section B.9).

use millrace_dataflow::graph::{Keep, SortKey, WindowTime};
use millrace_dataflow::{DataType, Field, Schema, TimeAttribute, TypeRoot};
use millrace_expr::{ExprContext, Literal, TypedExpr, TypedKind};

use super::Bound;
use super::aggregate::project;
use super::interval_join::{appended, filtered};
use super::window_rank::{partitioned_windows, window_rank};
use crate::ast::OrderItem;
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode};
use crate::span::Span;

/// `ROW_NUMBER() OVER (..)` as the only call of its SELECT.
pub(super) struct RowNumber {
    pub partition: Vec<TypedExpr>,
    /// Expression, ascending, NULLs first.
    pub order: Vec<(TypedExpr, bool, bool)>,
    pub span: Span,
}

fn number_type() -> DataType {
    TypeRoot::BigInt.not_null()
}

/// Expression, ascending, NULLs first (row B8.8: NULL is the smallest value).
pub(super) fn sort_items(
    items: &[OrderItem],
    mut bind: impl FnMut(&crate::ast::Expr) -> Bound<TypedExpr>,
) -> Bound<Vec<(TypedExpr, bool, bool)>> {
    items
        .iter()
        .map(|item| {
            let bound = bind(&item.expression)?;
            if matches!(bound.data_type.root, TypeRoot::Map(..) | TypeRoot::Multiset(_)) {
                let message = format!("{} has no order", bound.data_type.root);
                return Err(Problem::new(item.expression.span, message));
            }
            Ok((bound, item.ascending, item.nulls_first.unwrap_or(item.ascending)))
        })
        .collect()
}

/// The input with the number appended.
pub(super) fn row_number(input: Rel, number: RowNumber) -> Rel {
    let span = number.span;
    let wanted = number.partition.iter().chain(number.order.iter().map(|item| &item.0));
    let (input, columns) = appended(input, wanted.cloned().collect(), span);
    let (partition, order) = columns.split_at(number.partition.len());
    let order = order.iter().zip(&number.order).map(|(column, (_, ascending, nulls_first))| {
        SortKey { column: *column, ascending: *ascending, nulls_first: *nulls_first }
    });
    let mut fields = input.schema.fields.clone();
    fields.push(Field::new("w0$o0", number_type()));
    let windows = input.windows;
    let node = RelNode::RowNumber {
        partition: partition.to_vec(),
        order: order.collect(),
        input: Box::new(input),
    };
    Rel { node, schema: Schema::new(fields), windows, span }
}

/// A filter over a relation; when the relation numbers its rows and the filter bounds
/// the number, it becomes a rank.
pub(super) fn filter(rel: Rel, conjuncts: Vec<TypedExpr>, context: &ExprContext) -> Bound<Rel> {
    let Some(column) = number_column(&rel) else { return Ok(filtered(rel, conjuncts, context)) };
    let mut range = Range { start: 1, end: None };
    let (_, rest): (Vec<TypedExpr>, Vec<TypedExpr>) =
        conjuncts.into_iter().partition(|conjunct| range.take(conjunct, column));
    // Without an upper bound the number stays unresolved and is refused at the end.
    let Some(end) = range.end else { return Ok(filtered(rel, rest, context)) };
    let rel = with_rank(rel, range.start, end)?;
    Ok(filtered(rel, rest, context))
}

// The output column that carries the number of a RowNumber below.
fn number_column(rel: &Rel) -> Option<usize> {
    match &rel.node {
        RelNode::RowNumber { .. } => Some(rel.schema.len() - 1),
        RelNode::Filter { input, .. } => number_column(input),
        RelNode::Project { input, expressions } => {
            let column = number_column(input)?;
            expressions.iter().position(|e| expressions::column_of(e) == Some(column))
        }
        _ => None,
    }
}

struct Range {
    start: u64,
    end: Option<u64>,
}

impl Range {
    // Whether the conjunct bounds the number, and so is dealt with.
    fn take(&mut self, conjunct: &TypedExpr, column: usize) -> bool {
        let TypedKind::Call { function, arguments } = &conjunct.kind else { return false };
        match (function.as_str(), arguments.as_slice()) {
            ("BETWEEN", [value, low, high]) => {
                let bounds = (expressions::whole_constant(low), expressions::whole_constant(high));
                let (true, (Some(low), Some(high))) = (is_number(value, column), bounds) else {
                    return false;
                };
                self.at_least(low);
                self.at_most(high);
                true
            }
            (operator, [one, other]) => {
                if is_number(one, column)
                    && let Some(limit) = expressions::whole_constant(other)
                {
                    return self.compare(operator, limit);
                }
                if is_number(other, column)
                    && let Some(limit) = expressions::whole_constant(one)
                {
                    return self.compare(mirrored(operator), limit);
                }
                false
            }
            _ => false,
        }
    }

    fn compare(&mut self, operator: &str, limit: i64) -> bool {
        match operator {
            "<=" => self.at_most(limit),
            "<" => self.at_most(limit.saturating_sub(1)),
            ">=" => self.at_least(limit),
            ">" => self.at_least(limit.saturating_add(1)),
            "=" => {
                self.at_least(limit);
                self.at_most(limit);
            }
            _ => return false,
        }
        true
    }

    fn at_least(&mut self, limit: i64) {
        self.start = self.start.max(u64::try_from(limit).unwrap_or(0));
    }

    fn at_most(&mut self, limit: i64) {
        let limit = u64::try_from(limit).unwrap_or(0);
        self.end = Some(self.end.map_or(limit, |end| end.min(limit)));
    }
}

fn is_number(expression: &TypedExpr, column: usize) -> bool {
    match &expression.kind {
        TypedKind::Column(index) => *index == column,
        TypedKind::Cast { value, .. } => {
            expression.data_type.root.is_integer() && is_number(value, column)
        }
        _ => false,
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

// Replaces the RowNumber below by a rank over this range.
fn with_rank(mut rel: Rel, start: u64, end: u64) -> Bound<Rel> {
    match rel.node {
        RelNode::RowNumber { input, partition, order } => {
            rank(*input, partition, order, (start, end), rel.schema, rel.span)
        }
        RelNode::Filter { input, predicate } => {
            let input = Box::new(with_rank(*input, start, end)?);
            rel.node = RelNode::Filter { input, predicate };
            Ok(rel)
        }
        RelNode::Project { input, expressions } => {
            let input = with_rank(*input, start, end)?;
            let names = rel.schema.fields.iter().map(|field| field.name.clone()).collect();
            Ok(project(input, expressions, names, rel.span))
        }
        _ => Ok(rel),
    }
}

fn rank(
    input: Rel,
    partition: Vec<usize>,
    order: Vec<SortKey>,
    (start, end): (u64, u64),
    schema: Schema,
    span: Span,
) -> Bound<Rel> {
    if end < start {
        return Err(Problem::new(span, "the filter on ROW_NUMBER() lets no row through"));
    }
    if let Some(window) = partitioned_windows(&input, &partition) {
        return window_rank(input, window, partition, order, (start, end), schema, span);
    }
    if (start, end) == (1, 1)
        && let [key] = order.as_slice()
        && input.schema.fields[key.column].time != TimeAttribute::None
    {
        return Ok(deduplicate(input, partition, *key, schema, span));
    }
    let node =
        RelNode::Rank { input: Box::new(input), partition, order, start, end, output_rank: true };
    Ok(Rel::new(node, schema, span))
}

// The number is always 1 (row B9.8).
fn deduplicate(input: Rel, keys: Vec<usize>, order: SortKey, numbered: Schema, span: Span) -> Rel {
    let proctime = input.schema.fields[order.column].time == TimeAttribute::Proctime;
    let schema = input.schema.clone();
    let mut all: Vec<TypedExpr> = schema
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| TypedExpr::column(index, field.data_type.clone()))
        .collect();
    all.push(TypedExpr::literal(Literal::Integer(1), number_type()));
    let node = RelNode::Deduplicate {
        input: Box::new(input),
        keys,
        time: if proctime { WindowTime::Proctime } else { WindowTime::Rowtime(order.column) },
        time_column: order.column,
        keep: if order.ascending { Keep::First } else { Keep::Last },
    };
    let names = numbered.fields.iter().map(|field| field.name.clone()).collect();
    project(Rel::new(node, schema, span), all, names, span)
}

/// ORDER BY with LIMIT, or LIMIT alone: a rank without a partition (rows B8.6, B8.7).
pub(super) fn limited(
    input: Rel,
    order: Vec<SortKey>,
    (start, end): (u64, u64),
    span: Span,
) -> Rel {
    let schema = input.schema.clone();
    let node = RelNode::Rank {
        input: Box::new(input),
        partition: Vec::new(),
        order,
        start,
        end,
        output_rank: false,
    };
    Rel::new(node, schema, span)
}

/// Refuses a number that no filter bounds, unless it counts by time: then it is an OVER
/// aggregation (row B5.6).
pub(super) fn check_resolved(rel: &Rel) -> Bound<()> {
    if let RelNode::RowNumber { input, order, .. } = &rel.node {
        let is_time = |key: &SortKey| input.schema.fields[key.column].time != TimeAttribute::None;
        if !matches!(order.as_slice(), [key] if key.ascending && is_time(key)) {
            let message =
                "OVER windows' ordering in stream mode must be defined on a time attribute.";
            return Err(Problem::new(rel.span, message)
                .with_hint("for a Top-N, filter on ROW_NUMBER() in an outer query: SELECT .. FROM (SELECT .., ROW_NUMBER() OVER (..) AS rn FROM t) WHERE rn <= N"));
        }
    }
    rel.inputs().into_iter().try_for_each(check_resolved)
}
