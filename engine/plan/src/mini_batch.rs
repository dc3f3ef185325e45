//! Which operators work in mini-batches, and what their sources do about watermarks
//! (rows F1.2 to F1.4, F1.17, E.23; Flink: `MiniBatchIntervalInferRule`).
//!
//! From the sinks down: a source below an operator that needs watermarks is in
//! event-time mode, where watermarks end mini-batches and go on only at multiples of
//! the latency; any other in processing-time mode. Below a window of GROUP BY watermarks
//! are not held back. Ids and state layouts know nothing of this: a savepoint taken
//! with mini-batches on is restored with them off, and the other way round.

use std::collections::BTreeMap;

use millrace_dataflow::graph::{Keep, MiniBatch, MiniBatchMode, WindowInput, WindowTime};
use millrace_dataflow::settings::parse_duration_ms;
use millrace_sql::{Problem, Span};

use crate::build::Built;
use crate::physical::{PhysicalOperator, Plan};

const ENABLED: &str = "table.exec.mini-batch.enabled";
const LATENCY: &str = "table.exec.mini-batch.allow-latency";
const SIZE: &str = "table.exec.mini-batch.size";
const COMPACT: &str = "table.exec.deduplicate.mini-batch.compact-changes-enabled";

/// By node of the plan; empty when the job does not work in mini-batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct MiniBatches {
    operators: Vec<Option<MiniBatch>>,
    assigners: Vec<Option<Assigner>>,
}

/// What Flink puts above a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assigner {
    pub interval_ms: i64,
    pub mode: MiniBatchMode,
}

impl MiniBatches {
    /// How an operator gives out its changes; `None`: each at once.
    pub(crate) fn of(&self, node: usize) -> Option<MiniBatch> {
        self.operators.get(node).copied().flatten()
    }

    /// Of a source.
    pub(crate) fn assigner(&self, node: usize) -> Option<Assigner> {
        self.assigners.get(node).copied().flatten()
    }
}

impl Assigner {
    /// To what multiple a source holds its watermarks back.
    pub(crate) fn watermark_step_ms(&self) -> Option<i64> {
        (self.mode == MiniBatchMode::RowTime).then_some(self.interval_ms)
    }

    /// As in Flink's plans, but for the closing parenthesis.
    pub(crate) fn text(&self) -> String {
        let mode = match self.mode {
            MiniBatchMode::ProcTime => "ProcTime",
            MiniBatchMode::RowTime => "RowTime",
        };
        format!("MiniBatchAssigner(interval=[{}ms], mode=[{mode}]", self.interval_ms)
    }
}

/// What the operators above a node ask of the sources below it.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    assigner: bool,
    watermarks: bool,
}

/// # Errors
/// Mini-batches are on without a latency, or without a size although an operator needs
/// one (Flink fails there, too).
pub(crate) fn infer(plan: &Plan, settings: &BTreeMap<String, String>) -> Built<MiniBatches> {
    if !is_on(settings, ENABLED) {
        return Ok(MiniBatches::default());
    }
    let latency_ms = settings.get(LATENCY).and_then(|text| parse_duration_ms(text).ok());
    let Some(latency_ms) = latency_ms.filter(|ms| *ms > 0) else {
        return Err(missing(LATENCY, "2 s"));
    };
    let size = settings.get(SIZE).and_then(|text| text.trim().parse::<i64>().ok());
    let size = size.filter(|size| *size > 0);
    let demands = demands(plan);
    let modes = modes(plan, &demands);
    let mut all = MiniBatches::default();
    for (index, node) in plan.nodes.iter().enumerate() {
        let mode = modes[index];
        let is_source = matches!(node.operator, PhysicalOperator::Source { .. });
        let has_assigner = is_source && demands[index].assigner;
        all.assigners.push(has_assigner.then_some(Assigner { interval_ms: latency_ms, mode }));
        all.operators.push(match gathers(&node.operator, settings) {
            false => None,
            true => {
                let rows = size.ok_or_else(|| missing(SIZE, "5000"))?;
                let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                Some(MiniBatch { rows, latency_ms, mode })
            }
        });
    }
    Ok(all)
}

/// Whether the job works in mini-batches.
pub(crate) fn is_enabled(settings: &BTreeMap<String, String>) -> bool {
    is_on(settings, ENABLED)
}

fn is_on(settings: &BTreeMap<String, String>, key: &str) -> bool {
    settings.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

fn missing(key: &str, example: &str) -> Problem {
    let message = format!("'{ENABLED}' is true, so '{key}' must be greater than 0");
    let hint = format!("SET '{key}' = '{example}', or '{ENABLED}' = 'false'");
    Problem::new(Span::default(), message).with_hint(hint)
}

/// Whether an operator gathers what it emits. Deduplication by event time tells of
/// every change unless changes are to be compacted; one that keeps the first row by the
/// wall clock has one row to tell of, which it need not hold back.
fn gathers(operator: &PhysicalOperator, settings: &BTreeMap<String, String>) -> bool {
    match operator {
        PhysicalOperator::GroupAggregate { .. }
        | PhysicalOperator::LocalGroupAggregate { .. }
        | PhysicalOperator::GlobalGroupAggregate { .. }
        | PhysicalOperator::ChangelogNormalize { .. } => true,
        PhysicalOperator::Deduplicate { time: WindowTime::Proctime, keep, .. } => {
            *keep == Keep::Last
        }
        PhysicalOperator::Deduplicate { .. } => is_on(settings, COMPACT),
        _ => false,
    }
}

fn demands(plan: &Plan) -> Vec<Demand> {
    let mut demands = vec![Demand::default(); plan.nodes.len()];
    for (index, node) in plan.nodes.iter().enumerate().rev() {
        let mut demand = demands[index];
        match &node.operator {
            PhysicalOperator::Sink(_) | PhysicalOperator::Collect => demand.assigner = true,
            PhysicalOperator::WindowAggregate { legacy: true, .. } => demand.assigner = false,
            _ => {}
        }
        demand.watermarks |= needs_watermarks(&node.operator);
        for &input in &node.inputs {
            demands[input].assigner |= demand.assigner;
            demands[input].watermarks |= demand.watermarks;
        }
    }
    demands
}

// Each node's is that of the sources above it.
fn modes(plan: &Plan, demands: &[Demand]) -> Vec<MiniBatchMode> {
    let mut modes: Vec<MiniBatchMode> = Vec::with_capacity(plan.nodes.len());
    for (index, node) in plan.nodes.iter().enumerate() {
        let is_rowtime = match node.inputs.as_slice() {
            [] => demands[index].watermarks,
            inputs => inputs.iter().any(|input| modes[*input] == MiniBatchMode::RowTime),
        };
        modes.push(if is_rowtime { MiniBatchMode::RowTime } else { MiniBatchMode::ProcTime });
    }
    modes
}

fn needs_watermarks(operator: &PhysicalOperator) -> bool {
    let is_rowtime = |time: &WindowTime| *time != WindowTime::Proctime;
    match operator {
        PhysicalOperator::WindowAggregate { window: WindowInput::Assign(window), .. } => {
            is_rowtime(&window.time)
        }
        PhysicalOperator::WindowJoin(join) => is_rowtime(&join.window.time),
        PhysicalOperator::IntervalJoin(join) => is_rowtime(&join.left_time),
        PhysicalOperator::OverAggregate { time, .. }
        | PhysicalOperator::Deduplicate { time, .. } => is_rowtime(time),
        PhysicalOperator::WindowAggregate { .. }
        | PhysicalOperator::WindowRank(_)
        | PhysicalOperator::TemporalJoin(_)
        | PhysicalOperator::TemporalSort { .. } => true,
        _ => false,
    }
}
