//! `check --job FILE`: could this job run, and with which state? Stops nobody.

use std::process::ExitCode;
use std::sync::Arc;

use millrace_connectors::Connectors;
use millrace_dataflow::graph::Node;
use millrace_dataflow::{JobGraph, RuntimeLevel};
use millrace_plan::Diagnostic;
use millrace_runtime::RuntimeSettings;
use millrace_runtime::restore::{self, OperatorVerdict};
use millrace_state::{CheckpointStore, Manifest, Restored, StateError, log};
use object_store::local::LocalFileSystem;
use serde::Serialize;
use serde_json::json;

use crate::description::JobDescription;
use crate::planning::{self, without_place};

/// What `check` prints.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    pub ok: bool,
    pub diagnostics: Vec<Diagnostic>,
    pub operators: Vec<serde_json::Value>,
    /// The checkpoint it would restore now.
    pub restored_checkpoint: Option<u64>,
    /// The operators of the job, in the order of the data, as far as there is a plan.
    pub plan: Vec<serde_json::Value>,
}

/// Prints the verdict; exit code 0 when the job could run, 1 when not.
pub async fn check(description: &JobDescription) -> ExitCode {
    let verdict = judge(description).await;
    println!("{}", serde_json::to_string(&verdict).expect("a verdict is plain data"));
    if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub async fn judge(description: &JobDescription) -> Verdict {
    match try_judge(description).await {
        Ok(verdict) => verdict,
        Err(diagnostics) => Verdict { diagnostics, ..Verdict::default() },
    }
}

async fn try_judge(description: &JobDescription) -> Result<Verdict, Vec<Diagnostic>> {
    let problem = |message: String| vec![without_place(message)];
    let level = description.level().map_err(problem)?;
    let script = std::fs::read_to_string(&description.script).map_err(|error| {
        problem(format!("cannot read the script {}: {error}", description.script.display()))
    })?;
    let connectors = Connectors::builder().owner(&description.application).build();
    let planned = planning::plan(&script, level, &description.settings, &connectors)?;
    let manifest = find_snapshot(description, level)
        .await
        .map_err(|error| problem(millrace_state::chain(&error)))?;
    let graph = &planned.script.graph;
    let verdicts = manifest.as_ref().map(|manifest| restore::verdicts(graph, manifest));
    let verdicts = verdicts.unwrap_or_default();
    let allow = description.allow_non_restored_state;
    let mut diagnostics = planned.script.warnings;
    let fits = restore::check(&verdicts, allow);
    let groups = key_groups(graph, &planned.settings, description.parallelism, manifest.as_ref());
    let refused = [fits.err(), groups.err()];
    diagnostics.extend(refused.into_iter().flatten().map(|error| without_place(error.message)));
    Ok(Verdict {
        ok: diagnostics.iter().all(|d| d.severity != millrace_plan::Severity::Error),
        diagnostics,
        operators: verdicts.iter().map(operator_json).collect(),
        restored_checkpoint: manifest.map(|manifest| manifest.checkpoint.0),
        plan: plan_json(graph),
    })
}

/// What a plan is compared by: its operators, where their rows come from, what they keep.
fn plan_json(graph: &JobGraph) -> Vec<serde_json::Value> {
    let inputs = |to: usize| -> Vec<&str> {
        let edges = graph.edges.iter().filter(|edge| edge.to == to);
        edges.map(|edge| graph.nodes[edge.from].id.0.as_str()).collect()
    };
    let operator = |(index, node): (usize, &Node)| {
        json!({
            "id": node.id,
            "name": node.name,
            "parallelism": node.parallelism,
            "inputs": inputs(index),
            "state": node.state.as_ref().map(|state| &state.kind),
        })
    };
    graph.nodes.iter().enumerate().map(operator).collect()
}

fn key_groups(
    graph: &JobGraph,
    settings: &RuntimeSettings,
    parallelism: u16,
    manifest: Option<&Manifest>,
) -> Result<u16, restore::DoesNotFit> {
    let explicit = graph.nodes.iter().filter_map(|node| node.parallelism).max();
    let greatest = parallelism.max(explicit.unwrap_or(1));
    let snapshot = manifest.map(|manifest| manifest.max_parallelism);
    restore::max_parallelism(settings.max_parallelism, greatest, snapshot)
}

fn operator_json(verdict: &OperatorVerdict) -> serde_json::Value {
    json!({
        "id": verdict.id,
        "name": verdict.name,
        "verdict": verdict.verdict.text(),
        "reason": verdict.reason,
    })
}

/// How often a snapshot that a running engine retires meanwhile is looked up again.
const LOOKS: usize = 5;

/// The manifest of what would be restored, with its files there.
async fn find_snapshot(
    description: &JobDescription,
    level: RuntimeLevel,
) -> Result<Option<Manifest>, StateError> {
    let objects = Arc::new(LocalFileSystem::new());
    let store =
        CheckpointStore::new(objects, &description.state, &description.application, "check")?;
    let level = description.restore.reads(level);
    let mut looks = 0;
    loop {
        looks += 1;
        let location = match log::resolve(&store.entries().await?, &description.restore) {
            Restored::None => return Ok(None),
            Restored::Snapshot { location } => {
                return store.inspect(&location, level).await.map(Some);
            }
            Restored::Checkpoint { location, .. } => location,
        };
        match store.inspect(&location, level).await {
            Err(StateError::NoSnapshot { .. } | StateError::Damaged { .. }) if looks < LOOKS => {}
            result => return result.map(Some),
        }
    }
}
