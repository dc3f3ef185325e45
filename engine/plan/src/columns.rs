//! Which columns are wanted, and where they are once others are gone.

use std::collections::BTreeSet;

use millrace_dataflow::Schema;
use millrace_dataflow::graph::{AggregateCall, WindowProperty, WindowTime};
use millrace_expr::TypedExpr;

pub(crate) fn identity(schema: &Schema) -> Vec<TypedExpr> {
    let columns = schema.fields.iter().enumerate();
    columns.map(|(at, field)| TypedExpr::column(at, field.data_type.clone())).collect()
}

pub(crate) fn pick(schema: &Schema, columns: &[usize]) -> Schema {
    Schema::new(columns.iter().map(|column| schema.fields[*column].clone()).collect())
}

pub(crate) fn moved(column: usize, needed: &[usize]) -> usize {
    needed.iter().position(|known| *known == column).unwrap_or(column)
}

pub(crate) fn moved_all(columns: &[usize], needed: &[usize]) -> Vec<usize> {
    columns.iter().map(|column| moved(*column, needed)).collect()
}

pub(crate) fn moved_time(time: WindowTime, needed: &[usize]) -> WindowTime {
    match time {
        WindowTime::Rowtime(column) => WindowTime::Rowtime(moved(column, needed)),
        WindowTime::Proctime => WindowTime::Proctime,
    }
}

pub(crate) fn moved_call(call: &AggregateCall, needed: &[usize]) -> AggregateCall {
    AggregateCall {
        arguments: moved_all(&call.arguments, needed),
        filter: call.filter.map(|filter| moved(filter, needed)),
        ..call.clone()
    }
}

pub(crate) fn at_least_one(columns: impl Iterator<Item = usize>) -> Vec<usize> {
    let columns: BTreeSet<usize> = columns.collect();
    if columns.is_empty() { vec![0] } else { columns.into_iter().collect() }
}

pub(crate) fn join_side(
    wanted: impl Iterator<Item = usize>,
    keys: &[usize],
    time: usize,
    proctime: bool,
) -> Vec<usize> {
    at_least_one(wanted.chain(keys.iter().copied()).chain((!proctime).then_some(time)))
}

// Which calls anyone reads.
pub(crate) fn wanted_calls(first: usize, calls: &[AggregateCall], wanted: &[usize]) -> Vec<usize> {
    (0..calls.len()).filter(|at| wanted.contains(&(first + at))).collect()
}

// Keys first, then what the calls read.
pub(crate) fn aggregate_columns(keys: &[usize], calls: &[AggregateCall]) -> Vec<usize> {
    let mut columns: Vec<usize> = Vec::new();
    let read = calls.iter().flat_map(|call| call.arguments.iter().copied().chain(call.filter));
    for column in keys.iter().copied().chain(read) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

pub(crate) fn property(at: usize) -> WindowProperty {
    match at {
        0 => WindowProperty::Start,
        1 => WindowProperty::End,
        _ => WindowProperty::Time,
    }
}
