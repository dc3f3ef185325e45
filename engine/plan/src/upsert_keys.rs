//! Upsert keys: column sets by which the rows of a node's changelog are known apart, so
//! that all changes of one row carry one key and stay in order. Source of the rules:
//! Flink `FlinkRelMdUpsertKeys`.

use std::collections::BTreeSet;

use millrace_dataflow::graph::JoinEmits;
use millrace_sql::expressions;

use crate::physical::{PhysicalJoin, PhysicalLookupJoin, PhysicalOperator, Plan};
use crate::upsert_source::primary_key;

pub(crate) type Key = BTreeSet<usize>;

/// Keys kept for one node: a projection may show a column many times.
const KEYS: usize = 16;

/// The upsert keys of each node; none when nothing is known. An empty key says that
/// there is at most one row.
pub(crate) fn upsert_keys(plan: &Plan) -> Vec<Vec<Key>> {
    let mut all: Vec<Vec<Key>> = Vec::with_capacity(plan.nodes.len());
    for index in 0..plan.nodes.len() {
        all.push(of_node(plan, index, &all));
    }
    all
}

fn of_node(plan: &Plan, index: usize, known: &[Vec<Key>]) -> Vec<Key> {
    let node = &plan.nodes[index];
    let input = |at: usize| known[node.inputs[at]].clone();
    match &node.operator {
        PhysicalOperator::Source { table, columns } => {
            let key = primary_key(table);
            let place = |column: &usize| columns.iter().position(|known| known == column);
            let key: Option<Key> = key.iter().map(place).collect();
            key.filter(|key| !key.is_empty()).into_iter().collect()
        }
        PhysicalOperator::Calc { project, .. } => {
            let picks: Vec<Option<usize>> = project.iter().map(expressions::column_of).collect();
            projected(&input(0), &picks)
        }
        PhysicalOperator::GroupAggregate { keys, .. }
        | PhysicalOperator::GlobalGroupAggregate { keys, .. } => {
            vec![(0..keys.len()).collect()]
        }
        PhysicalOperator::WindowAggregate { keys, calls, properties, .. } => {
            let first = keys.len() + calls.len();
            let bounds = first..first + properties.len();
            bounds.map(|bound| (0..keys.len()).chain([bound]).collect()).collect()
        }
        PhysicalOperator::Rank { partition, start, end, output_rank, .. } => {
            let partition: Key = partition.iter().copied().collect();
            let mut keys = input(0);
            keys.retain(|key| key.is_superset(&partition));
            if start == end {
                keys.push(partition);
            } else if *output_rank {
                let width = plan.nodes[node.inputs[0]].output.len();
                keys.push(partition.into_iter().chain([width]).collect());
            }
            keys
        }
        PhysicalOperator::Deduplicate { keys, .. }
        | PhysicalOperator::ChangelogNormalize { keys }
        | PhysicalOperator::SinkMaterialize { keys, .. } => vec![keys.iter().copied().collect()],
        // A left row meets one version at most, but changes of left's key must meet in
        // one place.
        PhysicalOperator::TemporalJoin(join) => {
            let mut keys = input(0);
            keys.retain(|key| join.left_keys.iter().all(|column| key.contains(column)));
            keys
        }
        // The same, when the key that is looked up has one row in the table at most.
        PhysicalOperator::LookupJoin(join) => {
            let mut keys = input(0);
            let is_unique = has_primary_key(join);
            keys.retain(|key| {
                is_unique && join.left_keys.iter().all(|column| key.contains(column))
            });
            keys
        }
        PhysicalOperator::Join(join) => {
            let width = plan.nodes[node.inputs[0]].output.len();
            joined(join, input(0), input(1), width)
        }
        PhysicalOperator::OverAggregate { .. }
        | PhysicalOperator::WindowRank(_)
        | PhysicalOperator::TemporalSort { .. }
        | PhysicalOperator::Sink(_)
        | PhysicalOperator::Collect => input(0),
        PhysicalOperator::Values(_)
        | PhysicalOperator::WindowAssign(_)
        | PhysicalOperator::LocalGroupAggregate { .. }
        | PhysicalOperator::IntervalJoin(_)
        | PhysicalOperator::WindowJoin(_)
        | PhysicalOperator::Correlate { .. }
        | PhysicalOperator::Union => Vec::new(),
    }
}

fn has_primary_key(join: &PhysicalLookupJoin) -> bool {
    let looked_up: Vec<Option<usize>> =
        join.right_keys.iter().map(|at| expressions::column_of(&join.project[*at])).collect();
    let key = primary_key(&join.table);
    !key.is_empty() && key.iter().all(|column| looked_up.contains(&Some(*column)))
}

// A pair of rows is known by a key of each; the changes of a key meet in one place only
// if it holds the columns that are joined on.
fn joined(join: &PhysicalJoin, left: Vec<Key>, right: Vec<Key>, width: usize) -> Vec<Key> {
    let holds = |key: &Key, columns: &[usize]| columns.iter().all(|column| key.contains(column));
    let left = left.into_iter().filter(|key| holds(key, &join.left_keys));
    if matches!(join.emits, JoinEmits::Semi | JoinEmits::Anti) {
        return left.collect();
    }
    let right: Vec<Key> = right.into_iter().filter(|key| holds(key, &join.right_keys)).collect();
    let pair = |left: &Key, right: &Key| -> Key {
        left.iter().copied().chain(right.iter().map(|column| column + width)).collect()
    };
    left.flat_map(|key| right.iter().map(|other| pair(&key, other)).collect::<Vec<_>>())
        .take(KEYS)
        .collect()
}

// Keys all of whose columns are still there, once for each place they are at.
fn projected(keys: &[Key], picks: &[Option<usize>]) -> Vec<Key> {
    let mut all = Vec::new();
    for key in keys {
        let mut moved = vec![Key::new()];
        for column in key {
            let places = || (0..picks.len()).filter(|at| picks[*at] == Some(*column));
            moved = moved
                .iter()
                .flat_map(|key| places().map(|at| key.iter().copied().chain([at]).collect()))
                .take(KEYS)
                .collect();
        }
        all.extend(moved);
    }
    all.truncate(KEYS);
    all
}
