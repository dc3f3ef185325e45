//! Whether a snapshot fits a job graph, operator by operator: pure (rows H1.14,
//! H5.9). The engine asks before it starts, and `check` before anything stops.

use millrace_dataflow::graph::{Node, Operator, StateLayout};
use millrace_dataflow::key_group::default_max_parallelism;
use millrace_dataflow::{JobGraph, OperatorId};
use millrace_state::Manifest;
use millrace_state::manifest::{OperatorState, layout_digest};

use crate::in_flight;

/// Of the state of a constant table, which nobody misses.
pub const VALUES_KIND: &str = "values";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Restored,
    /// Nothing in the snapshot: starts empty.
    New,
    /// In the snapshot, and nowhere in the graph.
    Dropped,
    /// In both, and not readable.
    Incompatible,
}

impl Verdict {
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Restored => "restored",
            Verdict::New => "new",
            Verdict::Dropped => "dropped",
            Verdict::Incompatible => "incompatible",
        }
    }
}

/// One operator's fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorVerdict {
    pub id: OperatorId,
    pub name: String,
    pub verdict: Verdict,
    /// One sentence; empty when there is nothing to say.
    pub reason: String,
}

/// The snapshot cannot be restored by this job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DoesNotFit {
    pub message: String,
}

/// What the operator keeps: as planned, or what sources and sinks always keep.
pub fn state_layout(node: &Node) -> Option<StateLayout> {
    let implied = |kind: &str| StateLayout { kind: kind.into(), layout: String::new() };
    node.state.clone().or_else(|| match node.operator {
        Operator::Source(_) => Some(implied("source")),
        Operator::Values { .. } => Some(implied(VALUES_KIND)),
        Operator::Sink(_) => Some(implied("sink")),
        _ => None,
    })
}

/// The fate of every stateful operator of the graph, then of those dropped.
pub fn verdicts(graph: &JobGraph, manifest: &Manifest) -> Vec<OperatorVerdict> {
    let stateful = graph.nodes.iter().filter_map(|node| Some((node, state_layout(node)?)));
    let mut verdicts: Vec<OperatorVerdict> = stateful
        .map(|(node, layout)| {
            let state = manifest.operators.iter().find(|state| state.id == node.id);
            judge(node, &layout, state)
        })
        .collect();
    let is_in_graph = |id: &OperatorId| graph.nodes.iter().any(|node| node.id == *id);
    let dropped = manifest
        .operators
        .iter()
        .filter(|state| !is_in_graph(&state.id) && state.kind != in_flight::KIND);
    verdicts.extend(dropped.filter(|state| state.kind != VALUES_KIND).map(|state| {
        OperatorVerdict {
            id: state.id.clone(),
            name: state.name.clone(),
            verdict: Verdict::Dropped,
            reason: "the snapshot holds state of it, and the new job has no such operator".into(),
        }
    }));
    let in_flight = manifest.operators.iter().filter(|state| state.kind == in_flight::KIND);
    verdicts.extend(in_flight.map(|state| judge_in_flight(graph, state)));
    verdicts
}

/// Rows in flight fit the same edge only: same ends, same columns, same exchange (rows
/// H1.4, H1.5).
fn judge_in_flight(graph: &JobGraph, state: &OperatorState) -> OperatorVerdict {
    let edge = graph.edges.iter().find(|edge| in_flight::edge_id(graph, edge) == state.id);
    let layout = edge.map(|edge| in_flight::edge_layout(graph, edge));
    let (verdict, reason) = match &layout {
        None => (
            Verdict::Dropped,
            "the checkpoint is unaligned, and the new job does not send rows from there to there; take a savepoint with the job as it was".to_owned(),
        ),
        Some(layout) if state.layout_digest == layout_digest(layout) => {
            (Verdict::Restored, String::new())
        }
        Some(layout) => (Verdict::Incompatible, incompatible(layout, state)),
    };
    OperatorVerdict { id: state.id.clone(), name: state.name.clone(), verdict, reason }
}

fn judge(node: &Node, layout: &StateLayout, state: Option<&OperatorState>) -> OperatorVerdict {
    let (verdict, reason) = match state {
        None => (Verdict::New, String::new()),
        Some(state)
            if state.kind == layout.kind && state.layout_digest == layout_digest(layout) =>
        {
            (Verdict::Restored, String::new())
        }
        Some(state) => (Verdict::Incompatible, incompatible(layout, state)),
    };
    OperatorVerdict { id: node.id.clone(), name: node.name.clone(), verdict, reason }
}

fn incompatible(layout: &StateLayout, state: &OperatorState) -> String {
    match &state.layout {
        Some(before) => format!(
            "its state was written as {}({before}), and the new job reads {}({})",
            state.kind, layout.kind, layout.layout
        ),
        None => format!(
            "its state was written by another {} than the new job's {}({})",
            state.kind, layout.kind, layout.layout
        ),
    }
}

/// Refuses what cannot be restored.
///
/// # Errors
/// An incompatible operator, or a dropped one unless that is allowed; the text
/// names it and says what to do.
pub fn check(verdicts: &[OperatorVerdict], allow_non_restored: bool) -> Result<(), DoesNotFit> {
    for verdict in verdicts {
        let name = &verdict.name;
        let message = match verdict.verdict {
            Verdict::Incompatible => format!(
                "operator {name} ({}) cannot read its state: {}; change the script back, or start without the snapshot",
                verdict.id, verdict.reason
            ),
            Verdict::Dropped if !allow_non_restored => format!(
                "state of operator {name} ({}) cannot be mapped to the new job: {}; keep the operator, or allow non-restored state",
                verdict.id, verdict.reason
            ),
            _ => continue,
        };
        return Err(DoesNotFit { message });
    }
    Ok(())
}

/// The number of key groups: fixed by the snapshot once there is one (row H5.9).
///
/// # Errors
/// The setting differs from the snapshot's, or is below the parallelism.
pub fn max_parallelism(
    explicit: Option<u16>,
    parallelism: u16,
    snapshot: Option<u16>,
) -> Result<u16, DoesNotFit> {
    let groups = match (explicit, snapshot) {
        (Some(explicit), Some(snapshot)) if explicit != snapshot => {
            return Err(DoesNotFit {
                message: format!(
                    "pipeline.max-parallelism is {explicit}, and the snapshot has {snapshot} key groups, which cannot be changed; set it to {snapshot} or remove it"
                ),
            });
        }
        (Some(groups), _) | (None, Some(groups)) => groups,
        (None, None) => default_max_parallelism(parallelism),
    };
    if parallelism > groups {
        return Err(DoesNotFit {
            message: format!(
                "parallelism {parallelism} is more than the {groups} key groups (pipeline.max-parallelism); use {groups} at most"
            ),
        });
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use millrace_dataflow::{CheckpointId, Generation, RuntimeLevel, Schema};
    use millrace_state::SnapshotKind;

    use super::*;

    fn layout(text: &str) -> StateLayout {
        StateLayout { kind: "group-aggregate".into(), layout: text.into() }
    }

    fn graph(operators: &[(&str, Option<&str>)]) -> JobGraph {
        let nodes = operators.iter().map(|(id, text)| Node {
            id: OperatorId((*id).into()),
            name: format!("Aggregate {id}"),
            operator: Operator::Union,
            output: Schema::default(),
            parallelism: None,
            state: text.map(layout),
        });
        JobGraph { level: RuntimeLevel::Flink1_18, nodes: nodes.collect(), edges: vec![] }
    }

    fn manifest(operators: &[(&str, &str)]) -> Manifest {
        let operators = operators.iter().map(|(id, text)| OperatorState {
            id: OperatorId((*id).into()),
            name: format!("Aggregate {id}"),
            kind: "group-aggregate".into(),
            layout_digest: layout_digest(&layout(text)),
            layout: Some((*text).into()),
            state_ttl_ms: None,
            parallelism: 1,
            entries: 0,
            sections: vec![],
            runs: vec![],
            source: None,
            sink: None,
        });
        Manifest {
            format: 2,
            runtime: "FLINK-1_18".into(),
            application: "a".into(),
            generation: Generation(1),
            checkpoint: CheckpointId(1),
            kind: SnapshotKind::Savepoint,
            created_at_ms: 0,
            max_parallelism: 128,
            held: false,
            operators: operators.collect(),
            files: vec![],
            shared: None,
            runs: vec![],
        }
    }

    #[test]
    fn h1_14_each_operator_has_its_fate_and_what_does_not_fit_is_refused() {
        let graph = graph(&[("a", Some("k1")), ("b", None), ("c", Some("k2"))]);
        let fates = |operators: &[(&str, &str)]| {
            let verdicts = verdicts(&graph, &manifest(operators));
            let texts: Vec<String> =
                verdicts.iter().map(|v| format!("{} {}", v.id, v.verdict.text())).collect();
            (texts, check(&verdicts, false).is_ok(), check(&verdicts, true).is_ok())
        };
        let check = |operators: &[(&str, &str)], texts: &[&str], strict: bool, lenient: bool| {
            let texts = texts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(fates(operators), (texts, strict, lenient));
        };
        check(&[("a", "k1")], &["a restored", "c new"], true, true);
        check(&[("a", "k9")], &["a incompatible", "c new"], false, false);
        check(&[("x", "k1")], &["a new", "c new", "x dropped"], false, true);
    }

    #[test]
    fn h5_9_key_groups_are_fixed_by_the_snapshot() {
        let check = |explicit, parallelism, snapshot, want: Option<u16>| {
            assert_eq!(max_parallelism(explicit, parallelism, snapshot).ok(), want);
        };
        check(None, 1, None, Some(128));
        check(None, 200, None, Some(512));
        check(None, 3, Some(256), Some(256));
        check(Some(64), 3, Some(256), None);
        check(Some(64), 3, None, Some(64));
        check(None, 300, Some(256), None);
    }
}
