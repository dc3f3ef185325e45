//! The operators of one task, fused: a batch goes from one to the next by a call.

use std::sync::Arc;

use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::{Barrier, BarrierKind, Batch, Message, Watermark};
use millrace_state::manifest::{SinkState, SplitPosition};
use millrace_state::{EntryBuffer, Frozen, RunSet};

use crate::error::{TaskError, TaskStop};
use crate::exchange::{OutputEdge, SendContext};
use crate::memory::{Account, StateBytes};
use crate::metrics::{OperatorMetrics, SubtaskMetrics};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::sink_node::SinkNode;
use crate::task::TaskEnvironment;
use crate::valve::Advance;

/// Receives the rows of a top-level SELECT: (node, batch). Called from task threads.
pub type OnRows = Arc<dyn Fn(usize, &Batch) + Send + Sync>;

/// What a node of a chain does.
pub enum Body {
    /// A source: rows enter here from its reader.
    Head,
    Operator(Box<dyn Operator>),
    Sink(Box<SinkNode>),
    Collect(OnRows),
}

pub struct ChainNode {
    /// Index into the job graph.
    pub node: usize,
    pub name: String,
    pub body: Body,
    /// What it has been told: while its predecessor emits because of a watermark,
    /// it still has the one before.
    pub watermark: Watermark,
    /// What it has passed on: the same, unless it holds that back.
    pub passed: Watermark,
    /// Positions in this chain that are called with what it emits.
    pub children: Vec<usize>,
    pub outputs: Vec<OutputEdge>,
    /// For an operator: where its state is counted.
    pub account: Option<Arc<Account>>,
    pub metrics: Arc<OperatorMetrics>,
}

/// What one node of one subtask puts into a checkpoint.
#[derive(Debug, Default)]
pub struct NodeSnapshot {
    pub node: usize,
    /// How long the task stood still for it.
    pub sync_ns: u64,
    pub entries: EntryBuffer,
    /// The pages of an operator that keeps some, frozen.
    pub runs: Option<RunSet>,
    pub source: Option<ReaderSnapshot>,
    pub sink: Option<SinkState>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReaderSnapshot {
    pub reading: Vec<SplitPosition>,
    pub watermark_ms: Option<i64>,
}

pub struct Chain {
    nodes: Vec<ChainNode>,
    watermark: Watermark,
    environment: TaskEnvironment,
}

impl Chain {
    pub fn new(nodes: Vec<ChainNode>, environment: TaskEnvironment) -> Chain {
        let operators = nodes.iter().map(|node| Arc::clone(&node.metrics)).collect();
        environment.metrics.has_operators(operators);
        Chain { nodes, watermark: Watermark::MIN, environment }
    }

    /// Rows for an input of the head.
    pub fn on_batch(&mut self, input: usize, batch: Batch) -> Result<(), TaskStop> {
        self.push(0, input, batch)
    }

    /// Rows that the head, a source, has read.
    pub fn emit_from_head(&mut self, batch: Batch) -> Result<(), TaskStop> {
        self.emit(0, vec![batch])
    }

    pub fn watermark(&self) -> Watermark {
        self.watermark
    }

    /// Part of what may be queued behind the task.
    pub fn output_usage(&self) -> f64 {
        let edges = self.nodes.iter().flat_map(|node| &node.outputs).map(OutputEdge::usage);
        let (used, limit) = edges.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        used as f64 / limit.max(1) as f64
    }

    /// Whether every output takes more rows: else nothing that makes some should begin.
    pub fn has_room(&self) -> bool {
        self.nodes.iter().flat_map(|node| &node.outputs).all(OutputEdge::has_room)
    }

    pub fn on_advance(&mut self, advance: Advance) -> Result<(), TaskStop> {
        match advance {
            Advance::Nothing => Ok(()),
            Advance::To(watermark) => self.on_watermark(watermark),
            Advance::Idle(grown) => {
                if let Some(watermark) = grown {
                    self.on_watermark(watermark)?;
                }
                self.broadcast(&Message::Idle)
            }
        }
    }

    /// The watermark has grown: each operator sees it after what its predecessors
    /// emitted because of it.
    pub fn on_watermark(&mut self, watermark: Watermark) -> Result<(), TaskStop> {
        if watermark <= self.watermark {
            return Ok(());
        }
        self.watermark = watermark;
        self.environment.metrics.set_watermark(watermark.0);
        self.tell_watermark(0, watermark)
    }

    fn tell_watermark(&mut self, position: usize, watermark: Watermark) -> Result<(), TaskStop> {
        self.nodes[position].watermark = watermark;
        self.call(position, |operator, ctx, out| operator.on_watermark(ctx, out))?;
        match &self.nodes[position].body {
            Body::Operator(operator) if operator.holds_watermark() => Ok(()),
            _ => self.pass_watermark(position, watermark),
        }
    }

    fn pass_watermark(&mut self, position: usize, watermark: Watermark) -> Result<(), TaskStop> {
        let passed = if position == 0 { self.passed_on(watermark) } else { watermark };
        self.nodes[position].passed = passed;
        self.broadcast_from(position, &Message::Watermark(passed))?;
        for child in 0..self.nodes[position].children.len() {
            self.tell_watermark(self.nodes[position].children[child], passed)?;
        }
        Ok(())
    }

    /// Tells every output once more what it was told last: whoever took this task for idle
    /// waits for it again.
    pub fn repeat_watermark(&self) -> Result<(), TaskStop> {
        (0..self.nodes.len()).try_for_each(|position| {
            self.broadcast_from(position, &Message::Watermark(self.nodes[position].passed))
        })
    }

    /// Whether every operator wants more rows.
    pub fn takes_rows(&self) -> bool {
        self.operators().all(|operator| operator.takes_rows())
    }

    /// Has operators look for answers that they wait for.
    pub fn on_answers(&mut self) -> Result<(), TaskStop> {
        for position in 0..self.nodes.len() {
            if matches!(&self.nodes[position].body, Body::Operator(operator) if operator.awaits_answers())
            {
                self.call(position, |operator, ctx, out| operator.on_answers(ctx, out))?;
            }
        }
        Ok(())
    }

    fn operators(&self) -> impl Iterator<Item = &dyn Operator> {
        self.nodes.iter().filter_map(|node| match &node.body {
            Body::Operator(operator) => Some(operator.as_ref()),
            _ => None,
        })
    }

    /// What follows the head sees the watermark behind the head's delay.
    fn passed_on(&self, watermark: Watermark) -> Watermark {
        let delay_ms = match self.nodes.first().map(|node| &node.body) {
            Some(Body::Operator(operator)) => operator.watermark_delay_ms(),
            _ => 0,
        };
        match watermark {
            Watermark::MAX => Watermark::MAX,
            Watermark(ms) => Watermark(ms.saturating_sub(delay_ms)),
        }
    }

    pub fn next_timer(&self) -> Option<i64> {
        self.operators().filter_map(|operator| operator.next_processing_timer()).min()
    }

    /// Calls whatever waits for the wall clock; sinks are told now and then.
    pub fn on_processing_time(&mut self, now_ms: i64) -> Result<(), TaskStop> {
        for position in 0..self.nodes.len() {
            match &mut self.nodes[position].body {
                Body::Sink(sink) => sink.on_processing_time(now_ms)?,
                Body::Operator(operator)
                    if operator.next_processing_timer().is_some_and(|at| at <= now_ms) =>
                {
                    self.call(position, |operator, ctx, out| {
                        operator.on_processing_time(ctx, out)
                    })?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Has every operator give out what it holds back, snapshots it, then passes the barrier on. `reader` is the head's
    /// when it is a source.
    pub fn on_barrier(
        &mut self,
        barrier: Barrier,
        mut reader: Option<ReaderSnapshot>,
    ) -> Result<Vec<NodeSnapshot>, TaskStop> {
        let ends = ends_input(barrier.kind);
        for position in 0..self.nodes.len() {
            self.call(position, |operator, ctx, out| operator.flush(ctx, out))?;
            if ends {
                self.call(position, |operator, ctx, out| operator.on_end(ctx, out))?;
            }
        }
        // What was sent before may be worked on while this task is busy with itself.
        self.environment.wake.settle();
        let mut snapshots = Vec::with_capacity(self.nodes.len());
        for position in 0..self.nodes.len() {
            snapshots.push(self.snapshot(position, ends, reader.take())?);
        }
        self.broadcast(&Message::Barrier(barrier))?;
        Ok(snapshots)
    }

    /// To every output of the task.
    pub fn broadcast(&self, message: &Message) -> Result<(), TaskStop> {
        (0..self.nodes.len()).try_for_each(|position| self.broadcast_from(position, message))
    }

    fn push(&mut self, position: usize, input: usize, batch: Batch) -> Result<(), TaskStop> {
        let node = self.nodes[position].node;
        SubtaskMetrics::add(&self.nodes[position].metrics.records_in, batch.num_rows());
        match &mut self.nodes[position].body {
            Body::Head => self.emit(position, vec![batch]),
            Body::Operator(_) => {
                self.call(position, |operator, ctx, out| operator.on_batch(input, batch, ctx, out))
            }
            Body::Sink(sink) => Ok(sink.write(batch)?),
            Body::Collect(on_rows) => {
                on_rows(node, &batch);
                Ok(())
            }
        }
    }

    /// Calls an operator, and passes on what it emits.
    fn call(
        &mut self,
        position: usize,
        call: impl FnOnce(&mut dyn Operator, &OperatorContext, &mut Output) -> Result<(), OperatorError>,
    ) -> Result<(), TaskStop> {
        let ctx = self.environment.operator_context(self.nodes[position].watermark);
        let node = &mut self.nodes[position];
        let Body::Operator(operator) = &mut node.body else { return Ok(()) };
        let mut out = Output::default();
        call(operator.as_mut(), &ctx, &mut out)
            .map_err(|error| TaskError::from_operator(&node.name, &error))?;
        let state = operator.state_bytes();
        self.count_state(position, state)?;
        if out.late_records_dropped > 0 {
            let of_task = &self.environment.metrics.late_records_dropped;
            let of_node = &self.nodes[position].metrics.late_records_dropped;
            for late in [of_task, of_node] {
                SubtaskMetrics::add(late, out.late_records_dropped as usize);
            }
        }
        let (mut batches, mut released) = (out.batches, Vec::new());
        for (behind, watermark) in out.watermarks.into_iter().rev() {
            let later = batches.split_off(behind);
            released.push((watermark, later));
        }
        self.emit(position, batches)?;
        for (watermark, later) in released.into_iter().rev() {
            self.pass_watermark(position, watermark)?;
            self.emit(position, later)?;
        }
        Ok(())
    }

    /// # Errors
    /// The state of the job takes more memory than it may.
    fn count_state(&mut self, position: usize, state: StateBytes) -> Result<(), TaskStop> {
        let node = &self.nodes[position];
        if !node.metrics.set_state(state) {
            return Ok(());
        }
        let counted = node.account.as_ref().map_or(Ok(()), |account| account.set(state));
        Ok(counted.map_err(|message| TaskError::new(&node.name, message))?)
    }

    fn emit(&mut self, position: usize, batches: Vec<Batch>) -> Result<(), TaskStop> {
        for batch in batches {
            SubtaskMetrics::add(&self.nodes[position].metrics.records_out, batch.num_rows());
            for child in 0..self.nodes[position].children.len() {
                let child = self.nodes[position].children[child];
                self.push(child, 0, batch.clone())?;
            }
            self.send(position, &batch)?;
        }
        Ok(())
    }

    fn send(&mut self, position: usize, batch: &Batch) -> Result<(), TaskStop> {
        let environment = &self.environment;
        let ctx = send_context(environment);
        for output in &mut self.nodes[position].outputs {
            SubtaskMetrics::add(&environment.metrics.records_out, batch.num_rows());
            output.send_batch(batch.clone(), &ctx)?;
        }
        Ok(())
    }

    fn broadcast_from(&self, position: usize, message: &Message) -> Result<(), TaskStop> {
        self.nodes[position].outputs.iter().try_for_each(|output| output.broadcast(message))
    }

    fn snapshot(
        &mut self,
        position: usize,
        ends: bool,
        reader: Option<ReaderSnapshot>,
    ) -> Result<NodeSnapshot, TaskStop> {
        let ctx = self.environment.operator_context(self.nodes[position].watermark);
        let node = &mut self.nodes[position];
        let mut snapshot = NodeSnapshot { node: node.node, source: reader, ..Default::default() };
        let clock = &self.environment.clock;
        let begun_ns = clock.monotonic_ns();
        match &mut node.body {
            Body::Operator(operator) => operator
                .snapshot(&ctx, &mut NodeWriter(&mut snapshot))
                .map_err(|error| TaskError::from_operator(&node.name, &error))?,
            Body::Sink(sink) => snapshot.sink = Some(sink.snapshot(ends)?),
            Body::Head | Body::Collect(_) => {}
        }
        snapshot.sync_ns = clock.monotonic_ns().saturating_sub(begun_ns);
        Ok(snapshot)
    }
}

impl TaskEnvironment {
    pub fn operator_context(&self, watermark: Watermark) -> OperatorContext {
        OperatorContext {
            subtask: self.subtask,
            max_parallelism: self.max_parallelism,
            key_groups: KeyGroupRange::of_subtask(
                self.max_parallelism,
                self.parallelism,
                self.subtask,
            ),
            processing_time_ms: self.clock.now_ms(),
            watermark,
        }
    }
}

fn send_context(environment: &TaskEnvironment) -> SendContext<'_> {
    SendContext {
        wake: &environment.wake,
        metrics: &environment.metrics,
        clock: environment.clock.as_ref(),
        linger_ns: environment.linger_ns,
    }
}

/// Whether no row follows the barrier, so that operators give out what they hold.
pub fn ends_input(kind: BarrierKind) -> bool {
    matches!(kind, BarrierKind::Final | BarrierKind::StopWithSavepoint { drain: true })
}

/// Whether the task ends after the barrier.
pub fn ends_task(kind: BarrierKind) -> bool {
    matches!(kind, BarrierKind::Final | BarrierKind::StopWithSavepoint { .. })
}

struct NodeWriter<'a>(&'a mut NodeSnapshot);

impl StateWriter for NodeWriter<'_> {
    fn put(&mut self, entry: StateEntry) {
        self.0.entries.put(entry.key_group, entry.table, &entry.key, &entry.value);
    }

    fn put_runs(&mut self, runs: RunSet) {
        self.0.runs = Some(runs);
    }

    fn put_frozen(&mut self, frozen: Arc<dyn Frozen>) {
        self.0.entries.put_frozen(frozen);
    }
}
