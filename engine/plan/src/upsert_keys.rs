//! Upsert keys: column sets by which the rows of a node's changelog are known apart, so
//! that all changes of one row carry one key and stay in order. Source of the rules:
//! Flink `FlinkRelMdUpsertKeys`.

use std::collections::BTreeSet;

use millrace_sql::expressions;

use crate::physical::{PhysicalOperator, Plan};
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
        PhysicalOperator::GroupAggregate { keys, .. } => vec![(0..keys.len()).collect()],
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
        PhysicalOperator::TemporalSort { .. }
        | PhysicalOperator::Sink(_)
        | PhysicalOperator::Collect => input(0),
        PhysicalOperator::Values(_)
        | PhysicalOperator::WindowAssign(_)
        | PhysicalOperator::IntervalJoin(_)
        | PhysicalOperator::Union => Vec::new(),
    }
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
