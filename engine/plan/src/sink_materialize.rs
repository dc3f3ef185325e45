//! Where the changes of a sink's primary key must be brought into order (row B12.22).

use std::collections::BTreeMap;

use millrace_dataflow::catalog::{ConnectorCatalog, TableUsage};

use crate::changelog::Changelog;
use crate::physical::{PhysicalNode, PhysicalOperator, Plan};
use crate::upsert_keys::{Key, upsert_keys};

/// The plan with a materializing node before each sink that needs one, by
/// `table.exec.sink.upsert-materialize`: AUTO when the input updates and none of its
/// upsert keys is within the sink's primary key, FORCE whenever there is such a key.
pub(crate) fn added(
    plan: Plan,
    changelog: &Changelog,
    connectors: &dyn ConnectorCatalog,
    settings: &BTreeMap<String, String>,
) -> Plan {
    let policy = settings.get("table.exec.sink.upsert-materialize");
    let policy = policy.map_or("AUTO", String::as_str).to_ascii_uppercase();
    let keys = upsert_keys(&plan);
    let mut places = vec![0; plan.nodes.len()];
    let mut result = Plan::default();
    for (index, mut node) in plan.nodes.into_iter().enumerate() {
        if let PhysicalOperator::Sink(table) = &node.operator {
            let input = node.inputs[0];
            let takes_updates =
                !connectors.changelog_mode(&table.spec, TableUsage::Sink).is_insert_only();
            let updates = !changelog.kinds[input].is_insert_only();
            let primary_key = &table.spec.primary_key;
            if takes_updates && needed(&policy, updates, primary_key, &keys[input]) {
                result.nodes.push(materialize(&node, primary_key, &keys[input], places[input]));
                node.inputs = vec![result.nodes.len() - 1];
                result.nodes.push(node);
                places[index] = result.nodes.len() - 1;
                continue;
            }
        }
        node.inputs.iter_mut().for_each(|input| *input = places[*input]);
        places[index] = result.nodes.len();
        result.nodes.push(node);
    }
    result
}

fn needed(policy: &str, updates: bool, primary_key: &[usize], upsert_keys: &[Key]) -> bool {
    let within = |key: &Key| key.iter().all(|column| primary_key.contains(column));
    match policy {
        _ if primary_key.is_empty() => false,
        "NONE" => false,
        "FORCE" => true,
        _ => updates && !upsert_keys.iter().any(within),
    }
}

// The smallest upsert key tells rows apart at the least cost.
fn materialize(
    sink: &PhysicalNode,
    primary_key: &[usize],
    upsert_keys: &[Key],
    input: usize,
) -> PhysicalNode {
    let smallest = upsert_keys.iter().filter(|key| !key.is_empty()).min_by_key(|key| key.len());
    let operator = PhysicalOperator::SinkMaterialize {
        keys: primary_key.to_vec(),
        upsert_key: smallest.map(|key| key.iter().copied().collect()),
    };
    PhysicalNode { operator, inputs: vec![input], ..sink.clone() }
}
