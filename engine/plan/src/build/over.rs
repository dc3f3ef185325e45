//! OVER aggregations and UNNEST (sections B.5 and B.6).

use std::collections::BTreeSet;

use millrace_dataflow::graph::{AggregateCall, AggregateFunction, OverFrame, SortKey, WindowTime};
use millrace_dataflow::{TimeAttribute, TypeRoot};
use millrace_expr::TypedExpr;
use millrace_sql::logical::{Rel, RelNode};
use millrace_sql::{Problem, expressions};

use super::{Builder, Built, Native};
use crate::columns::{at_least_one, moved, moved_all, moved_call, moved_time, pick, wanted_calls};
use crate::physical::PhysicalOperator;

/// What an OVER aggregation computes over its input.
struct Over<'a> {
    input: &'a Rel,
    partition: &'a [usize],
    time: WindowTime,
    frame: OverFrame,
    calls: &'a [AggregateCall],
}

impl Builder<'_, '_> {
    pub(super) fn over(&mut self, rel: &Rel, wanted: &[usize]) -> Built<Native> {
        let RelNode::Over { input, partition, time, frame, calls } = &rel.node else {
            return Err(Problem::new(rel.span, "this is no OVER aggregation"));
        };
        let over = Over { input, partition, time: *time, frame: *frame, calls };
        self.over_aggregate(rel, &over, wanted)
    }

    /// `ROW_NUMBER()` that no filter bounds, over time (row B5.6).
    pub(super) fn row_number(&mut self, rel: &Rel, wanted: &[usize]) -> Built<Native> {
        let RelNode::RowNumber { input, partition, order } = &rel.node else {
            return Err(Problem::new(rel.span, "this is no ROW_NUMBER()"));
        };
        let [SortKey { column, .. }] = order.as_slice() else {
            return Err(Problem::new(rel.span, "ROW_NUMBER() counts by a time attribute only"));
        };
        let time = match input.schema.fields[*column].time {
            TimeAttribute::Proctime => WindowTime::Proctime,
            _ => WindowTime::Rowtime(*column),
        };
        let call = AggregateCall {
            function: AggregateFunction::RowNumber,
            arguments: Vec::new(),
            argument_types: Vec::new(),
            distinct: false,
            filter: None,
            output: TypeRoot::BigInt.not_null(),
        };
        let frame = OverFrame::UnboundedRows;
        let over = Over { input, partition, time, frame, calls: &[call] };
        self.over_aggregate(rel, &over, wanted)
    }

    fn over_aggregate(&mut self, rel: &Rel, over: &Over<'_>, wanted: &[usize]) -> Built<Native> {
        let width = over.input.schema.len();
        let mut calls = wanted_calls(width, over.calls, wanted);
        if calls.is_empty() {
            calls = (0..over.calls.len()).collect();
        }
        let kept: Vec<&AggregateCall> = calls.iter().map(|at| &over.calls[*at]).collect();
        let rowtime = match over.time {
            WindowTime::Rowtime(column) => Some(column),
            WindowTime::Proctime => None,
        };
        let read = kept.iter().flat_map(|call| call.arguments.iter().copied());
        let passed = wanted.iter().copied().filter(|column| *column < width);
        let partition = over.partition.iter().copied();
        let needed = at_least_one(passed.chain(partition).chain(rowtime).chain(read));
        let node = self.relation(over.input, &needed)?;
        let operator = PhysicalOperator::OverAggregate {
            partition: moved_all(over.partition, &needed),
            time: moved_time(over.time, &needed),
            frame: over.frame,
            calls: kept.iter().map(|call| moved_call(call, &needed)).collect(),
        };
        let mut columns = needed;
        columns.extend(calls.iter().map(|at| width + at));
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![node], output, rel.span), columns })
    }

    pub(super) fn correlate(&mut self, rel: &Rel, wanted: &[usize]) -> Built<Native> {
        let RelNode::Correlate { input, collection, outer } = &rel.node else {
            return Err(Problem::new(rel.span, "this is no UNNEST"));
        };
        let width = input.schema.len();
        let kept: BTreeSet<usize> = wanted.iter().copied().filter(|c| *c < width).collect();
        let read = expressions::columns(collection);
        let needed = at_least_one(kept.iter().copied().chain(read));
        let node = self.relation(input, &needed)?;
        let collection: TypedExpr = expressions::renumber(collection, &|c| moved(c, &needed));
        let kept: Vec<usize> = kept.into_iter().collect();
        let operator = PhysicalOperator::Correlate {
            collection,
            keep: moved_all(&kept, &needed),
            outer: *outer,
        };
        let columns: Vec<usize> = kept.into_iter().chain(width..rel.schema.len()).collect();
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![node], output, rel.span), columns })
    }
}
