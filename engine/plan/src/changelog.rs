//! Which row kinds flow: derived from the sources up, then who needs -U from the
//! sinks down (section B.12).

use millrace_dataflow::catalog::{ChangelogMode, ConnectorCatalog, TableUsage};
use millrace_dataflow::graph::Keep;
use millrace_dataflow::{RuntimeLevel, graph::WindowTime};
use millrace_sql::Problem;

use crate::build::Built;
use crate::names;
use crate::physical::{PhysicalOperator, Plan};
use crate::two_phase;

/// What a node's output holds beside inserts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds {
    pub update: bool,
    pub delete: bool,
}

impl Kinds {
    pub(crate) fn is_insert_only(self) -> bool {
        self == Kinds::default()
    }

    fn text(self) -> &'static str {
        match (self.update, self.delete) {
            (true, true) => "update and delete",
            (true, false) => "update",
            _ => "delete",
        }
    }
}

/// For each node: its output's kinds, and whether that holds -U.
#[derive(Clone, Debug)]
pub(crate) struct Changelog {
    pub kinds: Vec<Kinds>,
    pub update_before: Vec<bool>,
}

impl Changelog {
    pub(crate) fn mode(&self, node: usize) -> ChangelogMode {
        let kinds = self.kinds[node];
        ChangelogMode {
            update_before: kinds.update && self.update_before[node],
            update_after: kinds.update,
            delete: kinds.delete,
        }
    }

    /// `[I,UB,UA,D]` (row A6.2).
    pub(crate) fn text(&self, node: usize) -> String {
        let mode = self.mode(node);
        let mut kinds = vec!["I"];
        kinds.extend(mode.update_before.then_some("UB"));
        kinds.extend(mode.update_after.then_some("UA"));
        kinds.extend(mode.delete.then_some("D"));
        format!("[{}]", kinds.join(","))
    }
}

/// # Errors
/// An operator or sink cannot take the changes that reach it (rows B12.6, B12.7,
/// B12.24).
pub(crate) fn infer(
    plan: &Plan,
    connectors: &dyn ConnectorCatalog,
    level: RuntimeLevel,
) -> Built<Changelog> {
    let mut kinds: Vec<Kinds> = Vec::with_capacity(plan.nodes.len());
    for index in 0..plan.nodes.len() {
        check_input(plan, index, &kinds, connectors, level)?;
        let produced = produced(plan, index, &kinds, connectors)?;
        kinds.push(produced);
    }
    let update_before = needed_before(plan, &kinds, connectors);
    Ok(Changelog { kinds, update_before })
}

fn union(plan: &Plan, index: usize, kinds: &[Kinds]) -> Kinds {
    plan.nodes[index].inputs.iter().fold(Kinds::default(), |all, input| Kinds {
        update: all.update || kinds[*input].update,
        delete: all.delete || kinds[*input].delete,
    })
}

fn produced(
    plan: &Plan,
    index: usize,
    kinds: &[Kinds],
    connectors: &dyn ConnectorCatalog,
) -> Built<Kinds> {
    let input = union(plan, two_phase::first_phase(plan, index), kinds);
    let node = &plan.nodes[index];
    let everything = Kinds { update: true, delete: true };
    Ok(match &node.operator {
        PhysicalOperator::Source { table, .. } => {
            let mode = connectors.changelog_mode(&table.spec, TableUsage::Source);
            Kinds { update: mode.update_after, delete: mode.delete }
        }
        PhysicalOperator::LocalGroupAggregate { .. } => Kinds::default(),
        PhysicalOperator::GroupAggregate { calls, .. }
        | PhysicalOperator::GlobalGroupAggregate { calls, .. }
            if calls.is_empty() =>
        {
            Kinds { update: !input.is_insert_only(), delete: !input.is_insert_only() }
        }
        PhysicalOperator::GroupAggregate { .. } | PhysicalOperator::GlobalGroupAggregate { .. } => {
            Kinds { update: true, delete: !input.is_insert_only() }
        }
        PhysicalOperator::Rank { order, .. } if order.is_empty() && input.is_insert_only() => {
            Kinds::default()
        }
        PhysicalOperator::Rank { .. } => everything,
        PhysicalOperator::Deduplicate { time: WindowTime::Proctime, keep: Keep::First, .. } => {
            Kinds::default()
        }
        PhysicalOperator::Deduplicate { .. } => everything,
        PhysicalOperator::Join(join) if !join.emits.forwards_kinds() => everything,
        PhysicalOperator::WindowAggregate { .. }
        | PhysicalOperator::WindowJoin(_)
        | PhysicalOperator::WindowRank(_)
        | PhysicalOperator::IntervalJoin(_)
        | PhysicalOperator::OverAggregate { .. } => Kinds::default(),
        PhysicalOperator::ChangelogNormalize { .. } | PhysicalOperator::SinkMaterialize { .. } => {
            everything
        }
        PhysicalOperator::TemporalJoin(_) | PhysicalOperator::LookupJoin(_) => {
            kinds[node.inputs[0]]
        }
        _ => input,
    })
}

fn check_input(
    plan: &Plan,
    index: usize,
    kinds: &[Kinds],
    connectors: &dyn ConnectorCatalog,
    level: RuntimeLevel,
) -> Built<()> {
    let node = &plan.nodes[index];
    let Some(input) = node.inputs.iter().find(|input| !kinds[**input].is_insert_only()) else {
        return Ok(());
    };
    let changes = kinds[*input].text();
    let producer = names::node(plan, changing_node(plan, *input, kinds));
    let refused = |who: String| {
        format!(
            "{who} doesn't support consuming {changes} changes which is produced by node {producer}"
        )
    };
    match &node.operator {
        // The windows of GROUP BY always took updates (row B12.5).
        PhysicalOperator::WindowAggregate { legacy: true, .. } => Ok(()),
        PhysicalOperator::WindowAggregate { .. } => {
            millrace_sql::check_window_over_updates(level, node.span)
        }
        PhysicalOperator::WindowJoin(_) => {
            Err(Problem::new(node.span, refused("StreamPhysicalWindowJoin".to_owned())))
        }
        PhysicalOperator::WindowRank(_) => {
            Err(Problem::new(node.span, refused("StreamPhysicalWindowRank".to_owned())))
        }
        PhysicalOperator::IntervalJoin(_) => {
            Err(Problem::new(node.span, refused("StreamPhysicalIntervalJoin".to_owned())))
        }
        PhysicalOperator::Deduplicate { .. } => {
            Err(Problem::new(node.span, refused("StreamPhysicalDeduplicate".to_owned())))
        }
        PhysicalOperator::OverAggregate { .. } => {
            Err(Problem::new(node.span, refused("StreamPhysicalOverAggregate".to_owned())))
        }

        PhysicalOperator::TemporalSort { .. } => {
            Err(Problem::new(node.span, refused("StreamPhysicalTemporalSort".to_owned())))
        }
        PhysicalOperator::Sink(table) => {
            let accepted = connectors.changelog_mode(&table.spec, TableUsage::Sink);
            let kinds = kinds[*input];
            let fits =
                (!kinds.update || accepted.update_after) && (!kinds.delete || accepted.delete);
            if fits {
                return Ok(());
            }
            let message = refused(format!("Table sink '{}'", table.spec.name));
            Err(Problem::new(node.span, message).with_hint(
                "this sink takes inserts only: use a window, or a sink that takes updates",
            ))
        }
        _ => Ok(()),
    }
}

// The operator that first makes the changes, seen from below a projection.
fn changing_node(plan: &Plan, node: usize, kinds: &[Kinds]) -> usize {
    match (&plan.nodes[node].operator, plan.nodes[node].inputs.as_slice()) {
        (PhysicalOperator::Calc { .. }, [input]) if !kinds[*input].is_insert_only() => {
            changing_node(plan, *input, kinds)
        }
        _ => node,
    }
}

// From the sinks down: a node emits -U when any of its users needs it.
fn needed_before(plan: &Plan, kinds: &[Kinds], connectors: &dyn ConnectorCatalog) -> Vec<bool> {
    let mut needed = vec![false; plan.nodes.len()];
    for index in (0..plan.nodes.len()).rev() {
        let node = &plan.nodes[index];
        let of_inputs = match &node.operator {
            PhysicalOperator::Sink(table) => {
                connectors.changelog_mode(&table.spec, TableUsage::Sink).update_before
            }
            PhysicalOperator::Collect => true,
            PhysicalOperator::Calc { filter: None, .. }
            | PhysicalOperator::WindowAssign(_)
            | PhysicalOperator::TemporalJoin(_)
            | PhysicalOperator::LookupJoin(_)
            | PhysicalOperator::Union => needed[index],
            PhysicalOperator::ChangelogNormalize { .. } => false,
            _ => true,
        };
        // The versions of a temporal join replace each other without being taken back.
        let asking = match &node.operator {
            PhysicalOperator::TemporalJoin(_) => &node.inputs[..1],
            _ => &node.inputs[..],
        };
        for input in asking {
            needed[*input] |= of_inputs && kinds[*input].update;
        }
        match &node.operator {
            PhysicalOperator::Source { table, .. } => {
                needed[index] =
                    connectors.changelog_mode(&table.spec, TableUsage::Source).update_before;
            }
            // What a join forwards holds -U when its inputs do, whoever reads it.
            PhysicalOperator::Join(_) => needed[index] = kinds[index].update,
            // It shows the sink the last row only.
            PhysicalOperator::SinkMaterialize { .. } => needed[index] = false,
            _ => {}
        }
    }
    needed
}
