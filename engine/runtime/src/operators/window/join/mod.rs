//! Window join: rows of one window with equal keys (row B3.16).
//!
//! Rows are kept as they come, by window, and joined when the watermark reaches the
//! window's last millisecond. Rows of a window that has fired are dropped and counted as
//! late. NULL keys match nothing. Source of the rule: Flink `WindowJoinOperator`.
//!
//! With a page store, rows that do not fit into memory wait there: see
//! [`super::log`].
//!
//! State: tables 0 and 1, one entry a row of the left and the right side: window end,
//! window start, number of arrival, key -> row; table 2, the watermark.

mod held;
mod pairs;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType as ArrowType, Int64Type, SchemaRef};
use millrace_dataflow::graph::{JoinKind, WindowBounds, WindowJoin as Config};
use millrace_dataflow::key_group::KeyGroup;
use millrace_dataflow::{Batch, Schema};
use millrace_state::{PageStore, row};

use super::assign::Clock;
use super::attached::{PREFIX_BYTES, PREFIX_TYPES, by_window, has_fired};
use super::log::{Append, WindowLog};
use super::slices::Span;
use crate::memory::{Account, StateBytes};
use crate::operator::{
    Operator, OperatorContext, OperatorError, Output, Parts, StateEntry, StateWriter,
};
use crate::operators::progress::Progress;
use crate::operators::shape::Shape;
use held::{Arrivals, FrozenWindows, Held, Sides, Windows};

const PROGRESS: u8 = 2;
/// Rows that are appended to the store at once, about: bounds the copies held meanwhile.
const APPENDED_AT_ONCE: usize = 64 * 1024;

pub struct WindowJoin {
    shape: Shape,
    config: Config,
    clock: Clock,
    /// Left, then right.
    schemas: [SchemaRef; 2],
    /// A row without a match is emitted, padded.
    outer: [bool; 2],
    windows: Windows,
    /// Of the batches in the windows.
    held_bytes: usize,
    arrivals: i64,
    progress: Progress,
    /// Entries of the progress that were restored so far.
    restored: Vec<StateEntry>,
    log: Option<WindowLog>,
    account: Option<Arc<Account>>,
}

impl WindowJoin {
    /// # Errors
    /// The session time zone is unknown.
    pub fn new(
        config: &Config,
        inputs: &[Schema],
        output: &Schema,
        name: &str,
    ) -> Result<WindowJoin, OperatorError> {
        let shape = Shape::new(name, output);
        Ok(WindowJoin {
            clock: Clock::new(config.time_zone.as_deref(), &shape)?,
            config: config.clone(),
            schemas: [0, 1].map(|side: usize| inputs[side].to_arrow()),
            outer: match config.kind {
                JoinKind::Inner => [false, false],
                JoinKind::Left => [true, false],
                JoinKind::Right => [false, true],
                JoinKind::Full => [true, true],
            },
            windows: BTreeMap::new(),
            held_bytes: 0,
            arrivals: 0,
            progress: Progress::default(),
            restored: Vec::new(),
            log: None,
            account: None,
            shape,
        })
    }

    fn bounds(&self, side: usize) -> WindowBounds {
        if side == 0 { self.config.left_window } else { self.config.right_window }
    }

    fn key_columns(&self, side: usize) -> &[usize] {
        if side == 0 { &self.config.left_keys } else { &self.config.right_keys }
    }

    fn keep(&mut self, side: usize, record: RecordBatch) -> Result<u64, OperatorError> {
        let bounds = self.bounds(side);
        let found = by_window(&record, bounds, &self.clock, self.progress, &self.shape)?;
        for (window, rows) in found.rows {
            let rows = if rows.len() == record.num_rows() {
                record.clone()
            } else {
                take_record_batch(&record, &UInt32Array::from(rows))
                    .map_err(|error| self.shape.failed(error))?
            };
            let arrivals = Arrivals::From(self.arrivals);
            self.arrivals += rows.num_rows() as i64;
            self.hold(window, side, Held { record: rows, arrivals, is_stored: false });
        }
        Ok(found.late)
    }

    fn hold(&mut self, window: Span, side: usize, held: Held) {
        self.held_bytes += held.bytes();
        self.windows.entry(window).or_default()[side].push(held);
    }

    /// Takes a window's rows out of memory.
    fn release(&mut self, window: Span) -> Sides {
        let sides = self.windows.remove(&window).unwrap_or_default();
        self.held_bytes -= sides.iter().flatten().map(Held::bytes).sum::<usize>();
        sides
    }

    /// The first window that has rows.
    fn first_window(&self) -> Option<Span> {
        let here = self.windows.first_key_value().map(|(window, _)| *window);
        let absent = self.log.as_ref().and_then(WindowLog::first_absent);
        here.into_iter().chain(absent).min()
    }
}

impl Operator for WindowJoin {
    fn on_batch(
        &mut self,
        input: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        out.late_records_dropped += self.keep(input, batch.record)?;
        self.shrink(ctx)
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.progress.advance(ctx.watermark.0);
        while let Some(window) = self.first_window() {
            if !has_fired(window, &self.clock, self.progress) {
                break;
            }
            if self.log.as_ref().is_some_and(|log| log.is_absent(window)) {
                self.fire_by_group(window, ctx, out)?;
                continue;
            }
            let sides = self.release(window);
            self.fire(&sides, ctx, out)?;
            if let Some(log) = &mut self.log {
                log.remove(window)?;
            }
        }
        Ok(())
    }

    fn keeps_pages(&self) -> bool {
        true
    }

    fn use_pages(&mut self, store: Box<dyn PageStore>) {
        self.log = Some(WindowLog::new(store, &self.shape));
    }

    fn account_for(&mut self, account: &Arc<Account>) {
        self.account = Some(Arc::clone(account));
    }

    fn state_bytes(&self) -> StateBytes {
        StateBytes {
            memory: self.held_bytes as u64,
            stored: self.log.as_ref().map_or(0, WindowLog::stored_bytes),
            indexes: self.log.as_ref().map_or(0, WindowLog::index_bytes),
        }
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.progress.save(PROGRESS, ctx, writer);
        if self.log.is_some() {
            return self.freeze(ctx, writer);
        }
        if !self.windows.is_empty() {
            let keys = [self.key_columns(0), self.key_columns(1)];
            writer.put_frozen(Arc::new(FrozenWindows::new(
                &self.windows,
                keys,
                ctx.max_parallelism,
                self.held_bytes,
            )));
        }
        Ok(())
    }

    fn restores_in_parts(&self) -> Option<Parts> {
        Some(Parts { first: Some(PROGRESS) })
    }

    fn restore(
        &mut self,
        ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let (progress, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.table == PROGRESS);
        self.restored.extend(progress);
        self.progress = Progress::load(&self.restored, &self.shape)?;
        if let Some(log) = &mut self.log {
            self.arrivals = self.arrivals.max(log.look_around(ctx)?.unwrap_or(0));
        }
        for (side, window, held) in self.read(&entries)? {
            self.hold(window, side, held);
        }
        self.shrink(ctx)
    }
}

impl WindowJoin {
    /// Fires a window of which rows are in the store.
    fn fire_by_group(
        &mut self,
        window: Span,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.append(window, ctx)?;
        self.release(window);
        self.log().begin(window);
        for group in ctx.key_groups.start..ctx.key_groups.end {
            let entries = self.log().take(window, KeyGroup(group))?;
            if entries.is_empty() {
                continue;
            }
            let mut sides = Sides::default();
            for (side, _, held) in self.read(&entries)? {
                sides[side].push(held);
            }
            self.fire(&sides, ctx, out)?;
        }
        Ok(())
    }

    fn log(&mut self) -> &mut WindowLog {
        self.log.as_mut().expect("called with a store alone")
    }

    /// Lets rows go, those of the windows that end last first, until three quarters of
    /// what they may take are not exceeded.
    fn shrink(&mut self, ctx: &OperatorContext) -> Result<(), OperatorError> {
        let (Some(_), Some(account)) = (&self.log, &self.account) else { return Ok(()) };
        let allowance = usize::try_from(account.allowance()).unwrap_or(usize::MAX);
        if self.held_bytes <= allowance {
            return Ok(());
        }
        while self.held_bytes > allowance / 4 * 3 {
            let Some((&window, _)) = self.windows.last_key_value() else { break };
            self.append(window, ctx)?;
            self.release(window);
            self.log().let_go(window);
        }
        Ok(())
    }

    /// Appends those of a window's rows that the store has not.
    fn append(&mut self, window: Span, ctx: &OperatorContext) -> Result<(), OperatorError> {
        let Some(mut sides) = self.windows.remove(&window) else { return Ok(()) };
        let (mut append, mut rows) = (Append::new(window), 0);
        for (side, batches) in sides.iter_mut().enumerate() {
            let keys = self.key_columns(side).to_vec();
            for held in batches.iter_mut().filter(|held| !held.is_stored) {
                held.is_stored = true;
                let all: Vec<u32> = (0..held.record.num_rows() as u32).collect();
                let groups = held.groups(&keys, ctx.max_parallelism);
                held.write(window, side, &keys, (&all, &groups), &mut |group, table, key, row| {
                    append.put(group, table, key, row);
                });
                rows += all.len();
                if rows >= APPENDED_AT_ONCE {
                    let full = std::mem::replace(&mut append, Append::new(window));
                    let next_arrival = self.arrivals;
                    self.log().append(full, next_arrival)?;
                    rows = 0;
                }
            }
        }
        self.windows.insert(window, sides);
        let next_arrival = self.arrivals;
        self.log().append(append, next_arrival)
    }

    /// Brings the store up to date and hands over its runs.
    fn freeze(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        let windows: Vec<Span> = self.windows.keys().copied().collect();
        for window in windows {
            self.append(window, ctx)?;
        }
        self.log().freeze(writer)
    }

    /// The rows of entries in order of arrival, by side and window.
    fn read(&mut self, entries: &[StateEntry]) -> Result<Vec<(usize, Span, Held)>, OperatorError> {
        if let Some(entry) = entries.iter().find(|entry| entry.table >= PROGRESS) {
            return Err(self.shape.damaged(format!("unknown table {}", entry.table)));
        }
        let mut prefixes = Vec::with_capacity(entries.len());
        for entry in entries {
            let parts = entry.key.split_at_checked(PREFIX_BYTES);
            prefixes.push(parts.ok_or_else(|| self.shape.damaged("a key without a window"))?.0);
        }
        let columns = row::decode(&PREFIX_TYPES, prefixes.into_iter())
            .map_err(|error| self.shape.damaged(error))?;
        let [ends, starts, arrivals] =
            [0, 1, 2].map(|at: usize| columns[at].as_primitive::<Int64Type>());
        let mut windows: BTreeMap<(usize, Span), Vec<(i64, usize)>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            let window = Span { end: ends.value(at), start: starts.value(at) };
            let rows = windows.entry((usize::from(entry.table), window)).or_default();
            rows.push((arrivals.value(at), at));
            self.arrivals = self.arrivals.max(arrivals.value(at).saturating_add(1));
        }
        let mut read = Vec::with_capacity(windows.len());
        for ((side, window), mut rows) in windows {
            rows.sort_unstable();
            let values = rows.iter().map(|(_, at)| entries[*at].value.as_slice());
            let record = self.decode(side, values)?;
            let arrivals = Arrivals::Listed(rows.iter().map(|(arrival, _)| *arrival).collect());
            read.push((side, window, Held { record, arrivals, is_stored: false }));
        }
        Ok(read)
    }

    fn decode<'a>(
        &self,
        side: usize,
        values: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> Result<RecordBatch, OperatorError> {
        let fields = self.schemas[side].fields().iter();
        let types: Vec<ArrowType> = fields.map(|field| field.data_type().clone()).collect();
        let columns = row::decode(&types, values).map_err(|error| self.shape.damaged(error))?;
        RecordBatch::try_new(self.schemas[side].clone(), columns)
            .map_err(|error| self.shape.damaged(error))
    }
}
