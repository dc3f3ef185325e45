//! Aggregations in two phases (row F2.1; Flink: `TwoStageOptimizedAggregateRule`): with
//! mini-batches on, each subtask adds up its own rows of a mini-batch before they are
//! sent to the subtasks of their keys.
//!
//! The second phase is the aggregation that it would be in one phase: the same id, the
//! same state. So a savepoint fits whatever the strategy was when it was taken.

use std::collections::BTreeMap;

use millrace_dataflow::graph::{AggregateCall, LocalGroupAggregate};

use crate::mini_batch;
use crate::physical::{PhysicalNode, PhysicalOperator, Plan};

const STRATEGY: &str = "table.optimizer.agg-phase-strategy";

/// What the settings ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    One,
    Two,
    /// Two phases of which the first lets rows pass where it does not pay: on one subtask,
    /// where rows are not sent, and where they are mostly alone in their group. The plan
    /// is the same at any parallelism.
    Auto,
}

impl Strategy {
    pub(crate) fn of(settings: &BTreeMap<String, String>) -> Strategy {
        let text = settings.get(STRATEGY).map_or("AUTO", |text| text.trim());
        match text.to_ascii_uppercase().as_str() {
            "TWO_PHASE" => Strategy::Two,
            "ONE_PHASE" => Strategy::One,
            _ => Strategy::Auto,
        }
    }
}

/// The plan with its aggregations in the phases that the settings ask for. Without
/// mini-batches each has one.
pub(crate) fn split(plan: Plan, settings: &BTreeMap<String, String>) -> Plan {
    let strategy = Strategy::of(settings);
    if !mini_batch::is_enabled(settings) || strategy == Strategy::One {
        return plan;
    }
    let adaptive = strategy == Strategy::Auto;
    let mut places = vec![0; plan.nodes.len()];
    let mut result = Plan::default();
    for (index, mut node) in plan.nodes.into_iter().enumerate() {
        node.inputs.iter_mut().for_each(|input| *input = places[*input]);
        match node.operator.clone() {
            PhysicalOperator::GroupAggregate { keys, calls, state_ttl_ms } => {
                phases(&mut result, node, (keys, calls, state_ttl_ms), adaptive);
            }
            _ => result.nodes.push(node),
        }
        places[index] = result.nodes.len() - 1;
    }
    result
}

fn phases(
    plan: &mut Plan,
    node: PhysicalNode,
    (keys, calls, state_ttl_ms): (Vec<usize>, Vec<AggregateCall>, Option<i64>),
    adaptive: bool,
) {
    let input = &plan.nodes[node.inputs[0]].output;
    let output = LocalGroupAggregate::output(input, &keys, adaptive);
    let merged = (0..keys.len()).collect();
    plan.nodes.push(PhysicalNode {
        operator: PhysicalOperator::LocalGroupAggregate { keys, calls: calls.clone() },
        inputs: node.inputs.clone(),
        output,
        ..node.clone()
    });
    let operator = PhysicalOperator::GlobalGroupAggregate { keys: merged, calls, state_ttl_ms };
    plan.nodes.push(PhysicalNode { operator, inputs: vec![plan.nodes.len() - 1], ..node });
}

/// The calls over what an adaptive first phase gives out.
pub(crate) fn placed(plan: &Plan, index: usize, calls: &[AggregateCall]) -> Vec<AggregateCall> {
    let PhysicalOperator::LocalGroupAggregate { keys, .. } =
        &plan.nodes[first_phase(plan, index)].operator
    else {
        return calls.to_vec();
    };
    let place = |column: &usize| LocalGroupAggregate::place(keys, *column);
    let moved = |call: &AggregateCall| AggregateCall {
        arguments: call.arguments.iter().map(place).collect(),
        filter: call.filter.as_ref().map(place),
        ..call.clone()
    };
    calls.iter().map(moved).collect()
}

/// For the second phase: the node that adds up the rows themselves, where the calls'
/// arguments are columns of the input. For any other node, itself.
pub(crate) fn first_phase(plan: &Plan, index: usize) -> usize {
    match plan.nodes[index].operator {
        PhysicalOperator::GlobalGroupAggregate { .. } => plan.nodes[index].inputs[0],
        _ => index,
    }
}
