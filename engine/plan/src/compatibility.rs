//! Whether a snapshot's state fits another graph: operator by operator, in words.

use millrace_dataflow::JobGraph;
use millrace_dataflow::graph::{OperatorId, OperatorStateMeta, StateLayout};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// The operator takes its state from the snapshot.
    Restored,
    /// The snapshot knows no such operator: it starts empty.
    New,
    /// The graph has no such operator: its state is lost.
    Dropped,
    /// Both have it, but the state means something else.
    Incompatible,
}

/// What happens to one operator's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub id: OperatorId,
    pub name: String,
    #[serde(rename = "verdict")]
    pub kind: VerdictKind,
    pub reason: String,
    /// The job must not be started from this snapshot.
    pub blocks: bool,
}

/// Compares a snapshot's operators with a graph: first those of the snapshot, in its
/// order, then the new ones.
///
/// A dropped operator blocks unless `allow_non_restored` (Flink:
/// `execution.savepoint.ignore-unclaimed-state`); an incompatible one always does.
pub fn compatibility(
    old: &[OperatorStateMeta],
    new: &JobGraph,
    allow_non_restored: bool,
) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> =
        old.iter().map(|operator| verdict(operator, new, allow_non_restored)).collect();
    for node in &new.nodes {
        if node.state.is_some() && !old.iter().any(|operator| operator.id == node.id) {
            verdicts.push(Verdict {
                id: node.id.clone(),
                name: node.name.clone(),
                kind: VerdictKind::New,
                reason: "the snapshot has no state for it: it starts empty".to_owned(),
                blocks: false,
            });
        }
    }
    verdicts
}

fn verdict(old: &OperatorStateMeta, new: &JobGraph, allow_non_restored: bool) -> Verdict {
    let found = new.nodes.iter().find(|node| node.id == old.id);
    let (kind, reason) = match found.and_then(|node| node.state.as_ref()) {
        Some(layout) if *layout == old.layout => {
            (VerdictKind::Restored, "its state is read from the snapshot".to_owned())
        }
        Some(layout) => (VerdictKind::Incompatible, difference(&old.layout, layout)),
        None if allow_non_restored => {
            (VerdictKind::Dropped, "the script has it no more: its state is left behind, as allowed".to_owned())
        }
        None => (
            VerdictKind::Dropped,
            "the script has it no more: its state would be lost (allow non-restored state to accept that)"
                .to_owned(),
        ),
    };
    Verdict {
        id: old.id.clone(),
        name: found.map_or_else(|| old.name.clone(), |node| node.name.clone()),
        blocks: match kind {
            VerdictKind::Incompatible => true,
            VerdictKind::Dropped => !allow_non_restored,
            VerdictKind::Restored | VerdictKind::New => false,
        },
        kind,
        reason,
    }
}

// The parts that differ: `the window was TUMBLE(..) and is now TUMBLE(..)`.
fn difference(old: &StateLayout, new: &StateLayout) -> String {
    if old.kind != new.kind {
        return format!("it was a {} and is now a {}", old.kind, new.kind);
    }
    let (old_parts, new_parts) = (parts(&old.layout), parts(&new.layout));
    let mut changes = Vec::new();
    for (name, was) in &old_parts {
        match new_parts.iter().find(|(known, _)| known == name) {
            Some((_, is)) if is == was => {}
            Some((_, is)) => changes.push(format!("{name} was {was} and is now {is}")),
            None => changes.push(format!("{name} was {was} and is not there any more")),
        }
    }
    for (name, is) in &new_parts {
        if !old_parts.iter().any(|(known, _)| known == name) {
            changes.push(format!("{name} is now {is} and was not there"));
        }
    }
    format!("its state means something else: {}", changes.join("; "))
}

fn parts(layout: &str) -> Vec<(&str, &str)> {
    layout.split("; ").map(|part| part.split_once('=').unwrap_or((part, ""))).collect()
}
