//! A source's subtask: takes splits and barriers from the coordinator, rows from
//! its reader, and gives both to its chain in one order.

use std::time::Duration;

use arrow::array::{Array, TimestampMillisecondArray};
use arrow::compute::{cast, max};
use arrow::datatypes::{DataType as ArrowType, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use crossbeam_channel::{Receiver, TryRecvError};
use millrace_dataflow::graph::WatermarkSpec;
use millrace_dataflow::source::{Assignment, ReaderEvent, SourceReader, Split};
use millrace_dataflow::{Barrier, Batch, EvalContext, Expression, Message, Watermark};
use millrace_state::manifest::SplitPosition;

use crate::alignment::Aligner;
use crate::chain::{Chain, ReaderSnapshot};
use crate::error::{TaskError, TaskStop};
use crate::in_flight::AlignmentReport;
use crate::metrics::{SubtaskMetrics, Wait};
use crate::split_watermarks::{SplitWatermarks, Tell};
use crate::task::{SourceCommand, TaskClock, TaskEnvironment, TaskEvent, acknowledge, report};

/// A subtask without a split looks at the time no more often than this, in milliseconds.
const LEAST_LOOK_MS: i64 = 20;

/// A subtask without room in its outputs looks again after this time at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a source operator does to the rows of its reader.
pub struct Preparation {
    pub name: String,
    pub compute: Option<Vec<Expression>>,
    pub watermark: Option<WatermarkSpec>,
    /// Watermarks go on only when they pass a multiple of it (row E.23).
    pub watermark_step_ms: Option<i64>,
    pub output: SchemaRef,
}

pub struct SourceTask {
    pub node: usize,
    pub reader: Box<dyn SourceReader>,
    pub assignment: Assignment,
    pub preparation: Preparation,
    pub watermarks: SplitWatermarks,
    pub watermark_interval_ms: i64,
    pub aligner: Option<Aligner>,
    pub commands: Receiver<SourceCommand>,
    pub chain: Chain,
    pub environment: TaskEnvironment,
    pub state: ReadState,
}

/// Where the subtask is with its splits.
#[derive(Debug, Default)]
pub struct ReadState {
    splits: usize,
    no_more: bool,
    exhausted: bool,
    last_watermark_ms: i64,
    /// The last barrier was handled.
    ended: bool,
}

impl SourceTask {
    pub fn run(mut self) -> Result<(), TaskStop> {
        if let Some(restored) = self.watermarks.sent() {
            self.chain.on_watermark(Watermark(restored))?;
        }
        if self.assignment == Assignment::OnDemand {
            self.want_split()?;
        }
        let mut clock = TaskClock::new(&self.environment);
        while !self.state.ended {
            if self.environment.wake.is_cancelled() {
                return Err(TaskStop::Cancelled);
            }
            self.environment.settle_when_due();
            self.take_commands()?;
            if self.state.ended {
                break;
            }
            if !self.chain.has_room() {
                self.wait_for_room();
                continue;
            }
            clock.tick(&mut self.chain, &self.environment)?;
            self.chain.on_answers()?;
            if !self.chain.takes_rows() {
                self.wait_for_room();
                continue;
            }
            let patience = self.step()?;
            if let Some(patience) = patience {
                let until_timer = clock.wait_at_most(&self.chain, &self.environment);
                self.wait(patience.min(until_timer));
            }
        }
        Ok(())
    }

    fn take_commands(&mut self) -> Result<(), TaskStop> {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.obey(command)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(TaskStop::Cancelled),
            }
            if self.state.ended {
                return Ok(());
            }
        }
    }

    fn obey(&mut self, command: SourceCommand) -> Result<(), TaskStop> {
        match command {
            SourceCommand::AddSplit { split, watermark_ms } => self.add_split(split, watermark_ms),
            SourceCommand::NoSplitYet => {
                if self.state.splits == 0 {
                    self.watermarks.no_split_yet(self.environment.clock.now_ms());
                }
                self.tell_watermark()
            }
            SourceCommand::NoMoreSplits => {
                self.state.no_more = true;
                self.end_when_exhausted()
            }
            SourceCommand::Trigger(barrier) => self.on_trigger(barrier),
        }
    }

    fn add_split(&mut self, split: Split, watermark_ms: Option<i64>) -> Result<(), TaskStop> {
        let now = self.environment.clock.now_ms();
        self.watermarks.add(&split.id, watermark_ms, now);
        self.state.splits += 1;
        let added = self.reader.add_split(split);
        added.map_err(|error| TaskError::from_error(&self.preparation.name, &error).into())
    }

    fn on_trigger(&mut self, barrier: Barrier) -> Result<(), TaskStop> {
        use millrace_dataflow::BarrierKind::StopWithSavepoint;
        if barrier.kind == (StopWithSavepoint { drain: true }) {
            self.chain.on_watermark(Watermark::MAX)?;
        }
        let snapshot = self.snapshot();
        let snapshots = self.chain.on_barrier(barrier, Some(snapshot))?;
        self.state.ended = acknowledge(
            &self.environment,
            &self.chain,
            barrier,
            snapshots,
            AlignmentReport::default(),
        )?;
        Ok(())
    }

    fn snapshot(&self) -> ReaderSnapshot {
        let position = |split: Split| SplitPosition {
            watermark_ms: self.watermarks.of_split(&split.id),
            split,
        };
        ReaderSnapshot {
            reading: self.reader.snapshot().into_iter().map(position).collect(),
            watermark_ms: self.watermarks.sent(),
        }
    }

    /// One look at the reader; `Some` when there is nothing to do for so long.
    fn step(&mut self) -> Result<Option<Duration>, TaskStop> {
        if self.state.splits == 0 {
            self.tell_watermark()?;
            self.align(true)?;
            return Ok(Some(self.patience_without_splits()));
        }
        self.align(false)?;
        let now = self.environment.clock.now_ms();
        if let Some(aligner) = self.aligner.as_ref().filter(|_| self.watermarks.all_paused()) {
            let wait = aligner.next_look_ms.saturating_sub(now).max(1);
            return Ok(Some(Duration::from_millis(wait.unsigned_abs())));
        }
        let event = self
            .reader
            .poll(now)
            .map_err(|error| TaskError::from_error(&self.preparation.name, &error))?;
        match event {
            ReaderEvent::Batch { split, batch } => {
                self.on_batch(&split, batch, now)?;
                self.tell_watermark_in_time(now)?;
                Ok(None)
            }
            ReaderEvent::SplitFinished { split } => {
                self.split_finished(&split)?;
                Ok(None)
            }
            ReaderEvent::Wait(patience) => {
                self.tell_watermark()?;
                Ok(Some(patience))
            }
        }
    }

    /// Looks where the others of its group are, when it is time or `at_once`.
    fn align(&mut self, at_once: bool) -> Result<(), TaskStop> {
        let now = self.environment.clock.now_ms();
        if !self.aligner.as_ref().is_some_and(|aligner| at_once || aligner.is_due(now)) {
            return Ok(());
        }
        self.tell_watermark()?;
        let Some(aligner) = &mut self.aligner else { return Ok(()) };
        let limit = aligner.look(now, self.watermarks.counts());
        for (split, paused) in self.watermarks.pause_beyond(limit, now) {
            self.reader.set_paused(&split, paused);
        }
        Ok(())
    }

    fn patience_without_splits(&self) -> Duration {
        if !self.watermarks.is_holding() || self.state.exhausted {
            return Duration::MAX;
        }
        Duration::from_millis(self.watermark_interval_ms.max(LEAST_LOOK_MS).unsigned_abs())
    }

    fn on_batch(&mut self, split: &str, batch: Batch, now_ms: i64) -> Result<(), TaskStop> {
        SubtaskMetrics::add(&self.environment.metrics.records_in, batch.num_rows());
        let prepared = self.preparation.prepare(batch, now_ms, self.chain.watermark())?;
        let Prepared { batch, watermarks } = prepared;
        let Some(watermarks) = watermarks else {
            self.watermarks.rows(split, None, now_ms);
            return self.chain.emit_from_head(batch);
        };
        let spec = self.preparation.watermark.as_ref();
        // Row E.3: an interval of 0 means every growth, too.
        if self.watermark_interval_ms == 0 || spec.is_some_and(|spec| spec.on_event) {
            return self.on_rows(split, &batch, &watermarks, now_ms);
        }
        self.chain.emit_from_head(batch)?;
        self.watermarks.rows(split, max(&watermarks), now_ms);
        Ok(())
    }

    /// A watermark after every row that raises it (row E.4).
    fn on_rows(
        &mut self,
        split: &str,
        batch: &Batch,
        watermarks: &TimestampMillisecondArray,
        now_ms: i64,
    ) -> Result<(), TaskStop> {
        let (mut from, mut greatest) = (0, self.watermarks.of_split(split));
        for row in 0..batch.num_rows() {
            let watermark = watermarks.is_valid(row).then(|| watermarks.value(row));
            if watermark > greatest {
                greatest = watermark;
                self.chain.emit_from_head(batch.slice(from, row + 1 - from))?;
                self.watermarks.rows(split, watermark, now_ms);
                self.tell_watermark()?;
                from = row + 1;
            }
        }
        self.watermarks.rows(split, None, now_ms);
        if from == batch.num_rows() {
            return Ok(());
        }
        self.chain.emit_from_head(batch.slice(from, batch.num_rows() - from))
    }

    fn split_finished(&mut self, split: &str) -> Result<(), TaskStop> {
        // Its last watermark counts before the split is forgotten.
        self.tell_watermark()?;
        self.watermarks.remove(split);
        self.state.splits = self.state.splits.saturating_sub(1);
        if self.assignment == Assignment::OnDemand && self.state.splits == 0 {
            self.want_split()?;
        }
        self.end_when_exhausted()
    }

    fn want_split(&mut self) -> Result<(), TaskStop> {
        let (node, subtask) = (self.node, self.environment.subtask);
        report(&self.environment, TaskEvent::SplitWanted { node, subtask })
    }

    /// All rows given: the watermark ends time here, and the final barrier will come.
    fn end_when_exhausted(&mut self) -> Result<(), TaskStop> {
        if !self.state.no_more || self.state.splits > 0 || self.state.exhausted {
            return Ok(());
        }
        self.state.exhausted = true;
        self.watermarks.end();
        self.align(true)?;
        self.chain.on_watermark(Watermark::MAX)?;
        report(&self.environment, TaskEvent::Exhausted(self.environment.id))
    }

    fn tell_watermark_in_time(&mut self, now_ms: i64) -> Result<(), TaskStop> {
        if now_ms - self.state.last_watermark_ms < self.watermark_interval_ms {
            return Ok(());
        }
        self.tell_watermark()
    }

    fn tell_watermark(&mut self) -> Result<(), TaskStop> {
        if self.state.exhausted {
            return Ok(());
        }
        let now_ms = self.environment.clock.now_ms();
        self.state.last_watermark_ms = now_ms;
        match self.watermarks.tell(now_ms) {
            Tell::Nothing => Ok(()),
            Tell::Idle => self.chain.broadcast(&Message::Idle),
            Tell::Watermark(watermark)
                if self.preparation.passes_step(self.chain.watermark(), watermark) =>
            {
                self.chain.on_watermark(watermark)
            }
            // Nothing new, but whoever took this subtask for idle must wait for it again.
            Tell::Watermark(_) => self.chain.repeat_watermark(),
        }
    }

    /// Waits for a command, the time, or the end of the task.
    fn wait(&self, patience: Duration) {
        self.wait_as(Wait::Idle, patience);
    }

    /// Waits for room in the outputs, a command, or the end of the task.
    fn wait_for_room(&self) {
        TaskClock::look_at_outputs(&self.chain, &self.environment);
        self.wait_as(Wait::Soft, LOOK_AGAIN);
    }

    fn wait_as(&self, kind: Wait, patience: Duration) {
        let TaskEnvironment { wake, metrics, clock, .. } = &self.environment;
        metrics.while_waiting(kind, clock.as_ref(), || wake.wait(patience));
    }
}

struct Prepared {
    batch: Batch,
    watermarks: Option<TimestampMillisecondArray>,
}

impl Preparation {
    /// Whether a watermark is to go on, after `last`. With a step, only the first past
    /// each multiple of it: mini-batches in event time end at watermarks (Flink:
    /// `RowTimeMiniBatchAssginerOperator`).
    fn passes_step(&self, last: Watermark, watermark: Watermark) -> bool {
        let next_end = |Watermark(ms): Watermark, step: i64| {
            // The last millisecond of a step belongs to it.
            ms.saturating_add(1).div_euclid(step)
        };
        match self.watermark_step_ms.filter(|step| *step > 0) {
            Some(step) if last > Watermark::MIN && watermark < Watermark::MAX => {
                next_end(watermark, step) > next_end(last, step)
            }
            _ => watermark > last,
        }
    }

    /// The rows as the operator's output, with each one's watermark.
    fn prepare(
        &self,
        batch: Batch,
        now_ms: i64,
        watermark: Watermark,
    ) -> Result<Prepared, TaskError> {
        let ctx = EvalContext {
            processing_time_ms: now_ms,
            watermark_ms: (watermark > Watermark::MIN).then_some(watermark.0),
        };
        let batch = self.compute(batch, &ctx)?;
        let watermarks = self.watermarks_of(&batch.record, &ctx)?;
        Ok(Prepared { batch, watermarks })
    }

    fn compute(&self, batch: Batch, ctx: &EvalContext) -> Result<Batch, TaskError> {
        let Some(expressions) = &self.compute else { return Ok(batch) };
        let columns = expressions
            .iter()
            .map(|expression| expression.run.evaluate(&batch.record, ctx))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TaskError::from_error(&self.name, &error))?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let record = RecordBatch::try_new_with_options(self.output.clone(), columns, &options)
            .map_err(|error| TaskError::from_error(&self.name, &error))?;
        Ok(Batch { record, kinds: batch.kinds })
    }

    fn watermarks_of(
        &self,
        record: &RecordBatch,
        ctx: &EvalContext,
    ) -> Result<Option<TimestampMillisecondArray>, TaskError> {
        let Some(spec) = &self.watermark else { return Ok(None) };
        let fail = |message: String| TaskError::new(&self.name, message);
        if record.column(spec.rowtime).null_count() > 0 {
            // Row A2.7.
            let column = record.schema().field(spec.rowtime).name().clone();
            return Err(fail(format!(
                "RowTime field '{column}' should not be null, please convert it to a non-null long value."
            )));
        }
        let values = spec.expression.run.evaluate(record, ctx);
        let values = values.map_err(|error| TaskError::from_error(&self.name, &error))?;
        let millis = cast(&values, &ArrowType::Timestamp(TimeUnit::Millisecond, None))
            .map_err(|error| fail(error.to_string()))?;
        let millis = millis
            .as_any()
            .downcast_ref::<TimestampMillisecondArray>()
            .ok_or_else(|| fail("its watermark is not a timestamp".into()))?;
        Ok(Some(millis.clone()))
    }
}
