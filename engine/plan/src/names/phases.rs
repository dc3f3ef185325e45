//! Aggregations in two phases, as Flink's plans show them:
//! `LocalGroupAggregate(groupBy=[k], select=[k, AVG(v) AS (sum$0, count$1)])` and
//! `GlobalGroupAggregate(groupBy=[k], select=[k, AVG((sum$0, count$1)) AS a])`.

use millrace_dataflow::Schema;
use millrace_dataflow::graph::{AggregateCall, AggregateFunction};

use super::{call, columns, filtered, group_by, name};

pub(super) fn local(keys: &[usize], calls: &[AggregateCall], input: &Schema) -> String {
    let column = |column: usize| name(input, column);
    let distinct = distinct_columns(calls);
    let mut select: Vec<String> = keys.iter().map(|key| column(*key)).collect();
    for (aggregate, parts) in calls.iter().zip(accumulators(calls)) {
        let text = match distinct_view(aggregate, &distinct) {
            Some(view) => view_call(aggregate, view, &column),
            None => call(aggregate, &column),
        };
        select.push(format!("{text} AS {}", grouped(&parts)));
    }
    for (number, argument) in distinct.iter().enumerate() {
        select.push(format!("DISTINCT({}) AS distinct${number}", columns(argument, input)));
    }
    format!("LocalGroupAggregate({}select=[{}])", group_by(keys, input), select.join(", "))
}

pub(super) fn global(
    keys: &[usize],
    calls: &[AggregateCall],
    input: &Schema,
    output: &Schema,
) -> String {
    let distinct = distinct_columns(calls);
    let mut select: Vec<String> = keys.iter().map(|key| name(input, *key)).collect();
    let named = calls.iter().zip(accumulators(calls)).zip(output.fields.iter().skip(keys.len()));
    for ((aggregate, parts), field) in named {
        let view = distinct_view(aggregate, &distinct);
        let view = view.map_or_else(String::new, |number| format!("distinct${number} "));
        let function = function(aggregate);
        select.push(format!("{function}({view}{}) AS {}", grouped(&parts), field.name));
    }
    format!("GlobalGroupAggregate({}select=[{}])", group_by(keys, input), select.join(", "))
}

/// The arguments that calls are DISTINCT over; those of several are kept once.
fn distinct_columns(calls: &[AggregateCall]) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    for call in calls.iter().filter(|call| call.distinct) {
        if !all.contains(&call.arguments) {
            all.push(call.arguments.clone());
        }
    }
    all
}

fn distinct_view(call: &AggregateCall, distinct: &[Vec<usize>]) -> Option<usize> {
    let at = distinct.iter().position(|arguments| *arguments == call.arguments);
    at.filter(|_| call.distinct)
}

fn view_call(aggregate: &AggregateCall, view: usize, column: &impl Fn(usize) -> String) -> String {
    let arguments: Vec<String> = aggregate.arguments.iter().map(|c| column(*c)).collect();
    let text = format!("{}(distinct${view} {})", function(aggregate), arguments.join(", "));
    filtered(text, aggregate, column)
}

/// Its name without arguments.
fn function(aggregate: &AggregateCall) -> String {
    let plain = AggregateCall { filter: None, ..aggregate.clone() };
    let text = call(&plain, &|_| String::new());
    text.split('(').next().unwrap_or_default().to_owned()
}

/// The parts of each call's accumulator, numbered through.
fn accumulators(calls: &[AggregateCall]) -> Vec<Vec<String>> {
    let mut next = 0;
    let mut numbered = |part: &&str| {
        next += 1;
        format!("{part}${}", next - 1)
    };
    calls.iter().map(|call| parts(&call.function).iter().map(&mut numbered).collect()).collect()
}

fn parts(function: &AggregateFunction) -> &'static [&'static str] {
    match function {
        AggregateFunction::CountStar => &["count1"],
        AggregateFunction::Count => &["count"],
        AggregateFunction::Sum => &["sum"],
        AggregateFunction::Avg => &["sum", "count"],
        AggregateFunction::Min => &["min"],
        AggregateFunction::Max => &["max"],
        AggregateFunction::ListAgg { .. } => &["accDelimiter", "concatAcc"],
        _ => &["acc"],
    }
}

fn grouped(parts: &[String]) -> String {
    match parts {
        [part] => part.clone(),
        parts => format!("({})", parts.join(", ")),
    }
}
