//! The thread of one subtask: restore, run, end.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use millrace_dataflow::source::Split;
use millrace_dataflow::{Barrier, CheckpointId, Message};

use crate::chain::{Chain, NodeSnapshot, ends_task};
use crate::clock::Clock;
use crate::error::{TaskError, TaskStop};
use crate::gate::{GateContext, GateEvent, InputGate};
use crate::in_flight::AlignmentReport;
use crate::memory::StateMemory;
use crate::metrics::SubtaskMetrics;
use crate::source_task::SourceTask;
use crate::view::TaskStatus;
use crate::wake::Wake;

/// A subtask of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    pub chain: usize,
    pub subtask: u16,
}

/// What every part of a task may use.
#[derive(Clone)]
pub struct TaskEnvironment {
    pub id: TaskId,
    pub subtask: u16,
    pub parallelism: u16,
    pub max_parallelism: u16,
    pub clock: Arc<dyn Clock>,
    /// What the task sleeps on; tells it when it must end.
    pub wake: Arc<Wake>,
    pub metrics: Arc<SubtaskMetrics>,
    /// Of the attempt.
    pub memory: Arc<StateMemory>,
    /// To the coordinator. Unbounded, and bounded by its use: a task has at most one
    /// wanted split and one acknowledgement under way.
    pub events: Sender<TaskEvent>,
    /// See [`crate::exchange::SendContext`].
    pub linger_ns: u64,
}

impl TaskEnvironment {
    /// Wakes the receivers of what was sent a while ago.
    pub fn settle_when_due(&self) {
        self.wake.settle_when_due(self.clock.monotonic_ns(), self.linger_ns);
    }
}

/// From a task to the coordinator.
#[derive(Debug)]
pub enum TaskEvent {
    Running(TaskId),
    SplitWanted {
        node: usize,
        subtask: u16,
    },
    /// A bounded source's subtask has given all its rows.
    Exhausted(TaskId),
    Acknowledged {
        task: TaskId,
        checkpoint: CheckpointId,
        snapshots: Vec<NodeSnapshot>,
        alignment: AlignmentReport,
    },
    Ended(TaskId),
    Failed {
        task: TaskId,
        error: TaskError,
    },
}

/// From the coordinator to a source's subtask.
#[derive(Debug)]
pub enum SourceCommand {
    AddSplit {
        split: Split,
        watermark_ms: Option<i64>,
    },
    /// None for now; one may come later.
    NoSplitYet,
    NoMoreSplits,
    Trigger(Barrier),
}

/// What drives a task.
pub enum TaskDriver {
    Source(Box<SourceTask>),
    Gate(Box<InputGate>, Chain),
}

/// How often sinks are told the time while nothing else happens.
const TICK: Duration = Duration::from_millis(100);

/// Runs a task whose operators are restored; returns when its input has ended.
pub fn run(driver: TaskDriver, environment: &TaskEnvironment) -> Result<(), TaskStop> {
    environment.metrics.start(environment.clock.monotonic_ns());
    environment.metrics.set_status(TaskStatus::Running);
    report(environment, TaskEvent::Running(environment.id))?;
    match driver {
        TaskDriver::Source(source) => source.run(),
        TaskDriver::Gate(gate, chain) => run_gate(*gate, chain, environment),
    }
}

pub fn report(environment: &TaskEnvironment, event: TaskEvent) -> Result<(), TaskStop> {
    environment.events.send(event).map_err(|_| TaskStop::Cancelled)
}

/// Sends a subtask's part of a checkpoint, and ends its output when it was the last.
pub fn acknowledge(
    environment: &TaskEnvironment,
    chain: &Chain,
    barrier: Barrier,
    snapshots: Vec<NodeSnapshot>,
    alignment: AlignmentReport,
) -> Result<bool, TaskStop> {
    let (task, checkpoint) = (environment.id, barrier.checkpoint);
    report(environment, TaskEvent::Acknowledged { task, checkpoint, snapshots, alignment })?;
    let ends = ends_task(barrier.kind);
    if ends {
        chain.broadcast(&Message::End)?;
    }
    Ok(ends)
}

fn run_gate(
    mut gate: InputGate,
    mut chain: Chain,
    environment: &TaskEnvironment,
) -> Result<(), TaskStop> {
    let mut clock = TaskClock::new(environment);
    let ctx = GateContext { metrics: &environment.metrics, clock: environment.clock.as_ref() };
    // Snapshotted, and not yet acknowledged: barriers are still to come.
    let mut taken: Option<(Barrier, Vec<NodeSnapshot>)> = None;
    loop {
        environment.settle_when_due();
        gate.measure(&ctx);
        let has_room = chain.has_room();
        if has_room {
            clock.tick(&mut chain, environment)?;
            chain.on_answers()?;
        }
        let event = if has_room && chain.takes_rows() {
            gate.next(clock.wait_at_most(&chain, environment), &ctx)?
        } else {
            TaskClock::look_at_outputs(&chain, environment);
            gate.next_without_rows(TICK, &ctx)?
        };
        match event {
            GateEvent::Batch { input, batch } => {
                SubtaskMetrics::add(&environment.metrics.records_in, batch.num_rows());
                chain.on_batch(input, batch)?;
            }
            GateEvent::Watermark(advance) => chain.on_advance(advance)?,
            GateEvent::Barrier(barrier) => {
                taken = Some((barrier, chain.on_barrier(barrier, None)?))
            }
            GateEvent::End => return Ok(()),
            GateEvent::Recorded | GateEvent::Nothing => {}
        }
        if taken.is_some()
            && let Some(alignment) = gate.finished(environment.clock.as_ref())
            && let Some((barrier, snapshots)) = taken.take()
        {
            acknowledge(environment, &chain, barrier, snapshots, alignment)?;
        }
    }
}

/// When a task looks at the wall clock: at its operators' timers, and every tick.
pub struct TaskClock {
    next_tick_ms: i64,
}

impl TaskClock {
    pub fn new(environment: &TaskEnvironment) -> TaskClock {
        TaskClock { next_tick_ms: environment.clock.now_ms() + TICK.as_millis() as i64 }
    }

    pub fn tick(
        &mut self,
        chain: &mut Chain,
        environment: &TaskEnvironment,
    ) -> Result<(), TaskStop> {
        let now = environment.clock.now_ms();
        if now >= self.next_tick_ms || chain.next_timer().is_some_and(|at| at <= now) {
            self.next_tick_ms = now + TICK.as_millis() as i64;
            TaskClock::look_at_outputs(chain, environment);
            chain.on_processing_time(now)?;
        }
        Ok(())
    }

    pub fn look_at_outputs(chain: &Chain, environment: &TaskEnvironment) {
        let usage = chain.output_usage();
        environment.metrics.update_network(|network| network.out_usage = usage);
    }

    pub fn wait_at_most(&self, chain: &Chain, environment: &TaskEnvironment) -> Duration {
        let now = environment.clock.now_ms();
        let next = chain.next_timer().unwrap_or(i64::MAX).min(self.next_tick_ms);
        Duration::from_millis(next.saturating_sub(now).clamp(1, TICK.as_millis() as i64) as u64)
    }
}
