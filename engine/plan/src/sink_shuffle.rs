//! How rows get to a sink: its own parallelism, and the shuffle by its primary key (row
//! B12.23, F1.10).

use std::collections::BTreeMap;

use millrace_dataflow::graph::Exchange;
use millrace_sql::Problem;
use millrace_sql::logical::BoundTable;

use crate::build::Built;
use crate::changelog::Changelog;
use crate::physical::{PhysicalNode, PhysicalOperator, Plan};

/// The table's `sink.parallelism`; `None`: that of its input.
///
/// # Errors
/// The option is no positive number.
pub(crate) fn parallelism(node: &PhysicalNode, table: &BoundTable) -> Built<Option<u16>> {
    let Some(text) = table.spec.options.get("sink.parallelism") else { return Ok(None) };
    match text.trim().parse() {
        Ok(parallelism @ 1..=32_768) => Ok(Some(parallelism)),
        _ => {
            let name = &table.spec.name;
            let message =
                format!("'sink.parallelism' of {name} is '{text}', and must be from 1 to 32768");
            Err(Problem::new(node.span, message))
        }
    }
}

/// The exchange before a sink. NONE never shuffles by key; AUTO does when the sink has
/// another parallelism than its input and not 1; FORCE does whenever it is not 1. A sink
/// without a primary key cannot, and takes a changelog only as its input gives it.
///
/// # Errors
/// A changelog would be torn apart.
pub(crate) fn exchange(
    plan: &Plan,
    changelog: &Changelog,
    settings: &BTreeMap<String, String>,
    index: usize,
    parallelism: &[Option<u16>],
) -> Built<Exchange> {
    let node = &plan.nodes[index];
    let PhysicalOperator::Sink(table) = &node.operator else { return Ok(Exchange::Forward) };
    let input = node.inputs[0];
    let (ours, theirs) = (parallelism[index], parallelism[input]);
    let (same, key) = (ours == theirs, &table.spec.primary_key);
    if ours == Some(1) {
        return Ok(if same { Exchange::Forward } else { Exchange::Global });
    }
    let policy = settings.get("table.exec.sink.keyed-shuffle");
    let by_key = match policy.map_or("AUTO", String::as_str).to_ascii_uppercase().as_str() {
        _ if key.is_empty() => false,
        "NONE" => false,
        // What brings the changes of a key into order has its rows by the key already.
        "FORCE" => !(same && is_materialized(plan, input)),
        _ => !same,
    };
    if by_key {
        return Ok(Exchange::Hash(key.clone()));
    }
    if same {
        return Ok(Exchange::Forward);
    }
    if key.is_empty() && !changelog.kinds[input].is_insert_only() {
        let message = format!(
            "the sink {} has a parallelism of its own ('sink.parallelism'), takes updates, and has no primary key: they would not stay in order; declare PRIMARY KEY (..) NOT ENFORCED, or remove the option",
            table.spec.name
        );
        return Err(Problem::new(node.span, message));
    }
    Ok(Exchange::Rebalance)
}

fn is_materialized(plan: &Plan, input: usize) -> bool {
    matches!(plan.nodes[input].operator, PhysicalOperator::SinkMaterialize { .. })
}
