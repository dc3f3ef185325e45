//! Compiled plans: a script with the operators that it becomes, so that the time-to-live of
//! each state can be set by itself (rows A6.5, A6.6, H3.1 to H3.7; Flink: FLIP-190,
//! FLIP-292).
//!
//! A plan is made of the script once more when it is run, and refused when that gives other
//! operators than it lists: it says what of their state is to expire, not what they are.

use std::collections::{BTreeMap, BTreeSet};

use millrace_dataflow::graph::{Exchange, OperatorId};
use millrace_dataflow::settings::parse_duration_ms;
use millrace_dataflow::{JobGraph, RuntimeLevel};
use millrace_sql::{Problem, Span};
use serde::{Deserialize, Serialize};

use crate::Diagnostic;
use crate::identity::role;
use crate::physical::{PhysicalOperator, Plan};

/// As JSON it is what a user edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledPlan {
    /// Of the level that it was compiled under: `1.18`.
    pub flink_version: String,
    pub script: String,
    pub nodes: Vec<PlanNode>,
    pub edges: Vec<PlanEdge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanNode {
    pub id: usize,
    /// `stream-exec-join_1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name under which snapshots hold its state.
    pub operator: OperatorId,
    pub description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<PlanState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanState {
    pub index: usize,
    /// `3600000 ms`; `0 ms`: for ever.
    pub ttl: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanEdge {
    pub source: usize,
    pub target: usize,
    pub shuffle: PlanShuffle,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanShuffle {
    #[serde(rename = "type")]
    pub kind: String,
}

/// For a node of the plan: the time-to-live of each of its states, in milliseconds.
pub(crate) type StateTtls = BTreeMap<usize, Vec<i64>>;

/// Whether a text is a plan rather than a script.
pub(crate) fn is_plan(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

impl CompiledPlan {
    /// # Errors
    /// The text is no plan, or one of a later level.
    pub(crate) fn read(text: &str, level: RuntimeLevel) -> Result<CompiledPlan, Box<Diagnostic>> {
        let plan: CompiledPlan = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let mut problem = told(format!("this is no compiled plan: {error}"));
            (problem.line, problem.column) = (line, column);
            problem
        })?;
        let known =
            RuntimeLevel::ALL.into_iter().find(|known| version(*known) == plan.flink_version);
        match known {
            Some(known) if known <= level => Ok(plan),
            _ => Err(Box::new(told(format!(
                "the plan was compiled for Flink {}; this application runs on {level}",
                plan.flink_version
            )))),
        }
    }

    pub(crate) fn of(script: &str, level: RuntimeLevel, made: &Made<'_>) -> CompiledPlan {
        let node = |id: usize| PlanNode {
            id: id + 1,
            kind: kind(&made.plan.nodes[id].operator),
            operator: made.graph.nodes[id].id.clone(),
            description: made.graph.nodes[id].name.clone(),
            state: made.states(id),
        };
        let edge = |edge: &millrace_dataflow::graph::Edge| PlanEdge {
            source: edge.from + 1,
            target: edge.to + 1,
            shuffle: PlanShuffle { kind: shuffle(&edge.exchange).to_owned() },
        };
        CompiledPlan {
            flink_version: version(level).to_owned(),
            script: script.to_owned(),
            nodes: (0..made.plan.nodes.len()).map(node).collect(),
            edges: made.graph.edges.iter().map(edge).collect(),
        }
    }

    /// What the plan says of the states of the operators that its script becomes.
    ///
    /// # Errors
    /// Those are others, or a time cannot be read.
    pub(crate) fn ttls(&self, plan: &Plan, ids: &[OperatorId]) -> Result<StateTtls, Problem> {
        let mut ttls = StateTtls::new();
        for node in &self.nodes {
            let at = ids.iter().position(|id| *id == node.operator);
            let at = at.filter(|at| kind(&plan.nodes[*at].operator) == node.kind);
            let at = at.ok_or_else(|| other_operators(&node.description))?;
            let names = state_names(&plan.nodes[at].operator);
            let listed: BTreeSet<(usize, &str)> =
                node.state.iter().map(|state| (state.index, state.name.as_str())).collect();
            if listed != names.iter().copied().enumerate().collect() {
                return Err(other_states(node, names));
            }
            let mut of_node = vec![0; names.len()];
            for state in &node.state {
                of_node[state.index] = parse_duration_ms(&state.ttl).map_err(|error| {
                    let place = format!("'{}' of node {}", state.name, node.id);
                    Problem::new(Span::default(), format!("the ttl of {place}: {error}"))
                })?;
            }
            ttls.insert(at, of_node);
        }
        match (0..plan.nodes.len()).find(|at| !ttls.contains_key(at)) {
            Some(at) => Err(other_operators(role(&plan.nodes[at].operator))),
            None => Ok(ttls),
        }
    }
}

/// A script that was planned.
pub(crate) struct Made<'a> {
    pub plan: &'a Plan,
    pub graph: &'a JobGraph,
    /// By node.
    pub ttls: StateTtls,
}

impl Made<'_> {
    fn states(&self, node: usize) -> Vec<PlanState> {
        let ttls = self.ttls.get(&node).map_or(&[][..], Vec::as_slice);
        let names = state_names(&self.plan.nodes[node].operator);
        let states = names.iter().zip(ttls).enumerate();
        states
            .map(|(index, (name, ttl))| PlanState {
                index,
                ttl: format!("{ttl} ms"),
                name: (*name).to_owned(),
            })
            .collect()
    }
}

/// The states of an operator that may expire, by Flink's names (row H3.6).
pub(crate) fn state_names(operator: &PhysicalOperator) -> &'static [&'static str] {
    match operator {
        PhysicalOperator::GroupAggregate { .. } => &["groupAggregateState"],
        PhysicalOperator::GlobalGroupAggregate { .. } => &["globalGroupAggregateState"],
        PhysicalOperator::Deduplicate { .. } => &["deduplicateState"],
        PhysicalOperator::Rank { .. } => &["rankState"],
        PhysicalOperator::Join(_) => &["leftState", "rightState"],
        PhysicalOperator::ChangelogNormalize { .. } => &["changelogNormalizeState"],
        PhysicalOperator::SinkMaterialize { .. } => &["sinkMaterializeState"],
        _ => &[],
    }
}

/// Row H3.9.
fn kind(operator: &PhysicalOperator) -> String {
    let role = match role(operator) {
        "group-aggregate" if state_names(operator) == ["globalGroupAggregateState"] => {
            "global-group-aggregate"
        }
        "source" => "table-source-scan",
        "window-assign" => "window-table-function",
        other => other,
    };
    format!("stream-exec-{role}_1")
}

fn shuffle(exchange: &Exchange) -> &'static str {
    match exchange {
        Exchange::Forward => "FORWARD",
        Exchange::Hash(_) => "HASH",
        Exchange::Global => "SINGLETON",
        Exchange::Rebalance => "ANY",
    }
}

/// `FLINK-1_18` as `1.18`.
fn version(level: RuntimeLevel) -> String {
    level.environment().trim_start_matches("FLINK-").replace('_', ".")
}

fn told(message: String) -> Diagnostic {
    Diagnostic::without_place(millrace_sql::Severity::Error, message)
}

fn other_operators(what: &str) -> Problem {
    let message = format!(
        "the plan does not fit its script: the operators that the script becomes and those of the plan differ ({what})"
    );
    Problem::new(Span::default(), message)
        .with_hint("compile the script again, and set the times of its states in the new plan")
}

fn other_states(node: &PlanNode, names: &[&str]) -> Problem {
    let expected = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let message = format!(
        "node {} of the plan ({}) does not list the states that such an operator has, which are {expected}",
        node.id, node.description
    );
    Problem::new(Span::default(), message)
        .with_hint("change nothing in a plan but the 'ttl' of its states")
}
