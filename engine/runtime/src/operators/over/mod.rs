//! OVER aggregation: each row with the aggregates of the rows before it (section B.5).
//!
//! By event time, rows wait for the watermark and come out in order of time, then of
//! arrival. A row is late, and dropped, when the watermark has passed it (a frame
//! without a lower end, row B5.4) or when a row of its key that is as new was emitted
//! (a bounded frame, row B5.5: one behind the watermark may so survive, and comes out
//! with the next watermark). By the wall clock rows come out at once, but for a RANGE
//! with an end: those of one millisecond come out together when it is over, and not at
//! the end of the input (row E.18). Rows of equal time share a result by RANGE; by the
//! wall clock without a lower end each row has its own, as in Flink
//! `ProcTimeUnboundedPrecedingFunction`.
//!
//! State goes by `table.exec.state.ttl` unless rows of the key still wait. That of a
//! RANGE with an end goes instead when time is half the range past the frame (Flink:
//! `RowTimeRangeBoundedPrecedingFunction`).
//!
//! State: table 0, one entry a key: key -> last write, time of the last row emitted,
//! time to drop the key, aggregates; table 1, one entry a waiting row: number of
//! arrival, key -> time, row; table 2, one entry a row in the frame of a bounded
//! window: place in the frame, key -> time, the columns that aggregates read; table 3,
//! the watermark.

mod frame;
mod paged;
mod pending;
mod snapshot;
mod store;

use std::collections::{BTreeMap, VecDeque};

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use millrace_dataflow::graph::{AggregateCall, Over as Config, OverFrame, WindowTime};
use millrace_dataflow::{Batch, Schema};
use millrace_state::row;

use super::aggregate::{Calls, Steps};
use super::keys::KeyTable;
use super::paged::{Pageable, snapshot_all};
use super::progress::Progress;
use super::shape::{BATCH_ROWS, Shape};
use super::ttl::Ttl;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use frame::Frames;
use pending::{Pending, Waiting};
use store::{RowRef, RowStore};

#[derive(Debug)]
struct Key {
    in_use: bool,
    /// Rows that wait.
    waiting: u32,
    /// None of them is earlier.
    first_waiting_ms: i64,
    /// `i64::MIN` before the first row.
    last_emitted_ms: i64,
    /// When the key is dropped, by a bounded range; `i64::MIN`: not known.
    cleanup_ms: i64,
    /// The frame of the last row: time and what the aggregates read of it.
    frame: VecDeque<(i64, RowRef)>,
}

impl Default for Key {
    fn default() -> Key {
        Key {
            in_use: false,
            waiting: 0,
            first_waiting_ms: i64::MAX,
            last_emitted_ms: i64::MIN,
            cleanup_ms: i64::MIN,
            frame: VecDeque::new(),
        }
    }
}

impl Key {
    /// One more row waits for its time.
    fn wait(&mut self, time_ms: i64) {
        let first = if self.waiting == 0 { i64::MAX } else { self.first_waiting_ms };
        self.first_waiting_ms = first.min(time_ms);
        self.waiting += 1;
    }
}

pub struct Over {
    shape: Shape,
    config: Config,
    input_types: Vec<ArrowType>,
    /// Input columns that the aggregates read.
    read: Vec<usize>,
    read_schema: SchemaRef,
    calls: Calls,
    table: KeyTable,
    keys: Vec<Key>,
    pending: Pending,
    frames: RowStore,
    /// Keys by the time at which they are dropped.
    cleanups: BTreeMap<i64, Vec<u32>>,
    /// Times in it of keys that were dropped from memory, about.
    stale: usize,
    progress: Progress,
    ttl: Ttl,
}

/// Rows in order of time that are emitted together.
struct Ready {
    columns: Vec<ArrayRef>,
    slots: Vec<u32>,
    times: Vec<i64>,
}

impl Over {
    /// # Errors
    /// An aggregate does not take its argument types.
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
    ) -> Result<Over, OperatorError> {
        let shape = Shape::new(name, output);
        let input_types: Vec<ArrowType> =
            input.fields.iter().map(|field| field.data_type.to_arrow()).collect();
        let read = read_columns(&config.calls);
        let calls: Vec<AggregateCall> =
            config.calls.iter().map(|call| over_read_columns(call, &read)).collect();
        let bounded = config.frame.is_bounded();
        let calls = Calls::new(&calls, bounded).map_err(|error| shape.failed(error))?;
        let read_fields = read.iter().map(|column| input.fields[*column].clone()).collect();
        let read_types = read.iter().map(|column| input_types[*column].clone()).collect();
        let by_range = matches!(config.frame, OverFrame::Range(_));
        Ok(Over {
            shape,
            config: config.clone(),
            pending: Pending::new(input_types.clone()),
            input_types,
            read,
            read_schema: Schema::new(read_fields).to_arrow(),
            calls,
            table: KeyTable::default(),
            keys: Vec::new(),
            frames: RowStore::new(read_types),
            cleanups: BTreeMap::new(),
            stale: 0,
            progress: Progress::default(),
            ttl: Ttl::new(if by_range { 0 } else { config.state_ttl_ms }),
        })
    }

    fn is_proctime(&self) -> bool {
        self.config.time == WindowTime::Proctime
    }

    /// Whether rows wait before they come out.
    fn waits(&self) -> bool {
        !self.is_proctime() || matches!(self.config.frame, OverFrame::Range(_))
    }

    fn shares_results(&self) -> bool {
        match self.config.frame {
            OverFrame::UnboundedRange => !self.is_proctime(),
            frame => frame.has_peers(),
        }
    }

    /// The key's slot, in use from now on.
    fn slot(&mut self, hash: u64, key: &[u8], ctx: &OperatorContext) -> u32 {
        let (slot, is_new) = self.table.find_or_insert(hash, key);
        if self.keys.len() <= slot as usize {
            self.keys.resize_with(slot as usize + 1, Key::default);
            self.calls.resize(self.keys.len());
        }
        let is_over =
            !is_new && self.keys[slot as usize].waiting == 0 && self.ttl.is_expired(slot, ctx);
        if is_over {
            self.reset(slot);
        }
        self.table.mark_used(slot);
        self.keys[slot as usize].in_use = true;
        slot
    }

    /// The slot is as if no row had come.
    fn reset(&mut self, slot: u32) {
        let key = std::mem::take(&mut self.keys[slot as usize]);
        key.frame.into_iter().for_each(|(_, at)| self.frames.release(at));
        self.calls.clear(slot);
    }

    fn drop_key(&mut self, slot: u32) {
        self.reset(slot);
        self.table.remove(slot);
    }

    /// The slot of a row's key, unless the row is late.
    fn slot_in_time(&mut self, key: &[u8], time_ms: i64, ctx: &OperatorContext) -> Option<u32> {
        let bounded = self.config.frame.is_bounded();
        if !bounded && time_ms <= self.progress.ms() {
            return None;
        }
        let slot = self.slot(row::hash(key), key, ctx);
        let last = self.keys[slot as usize].last_emitted_ms;
        let is_late = bounded && last != i64::MIN && time_ms <= last;
        (!is_late).then_some(slot)
    }

    /// Rows wait for their time; late ones are dropped.
    fn keep(
        &mut self,
        batch: &Batch,
        times: &[i64],
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let keys = row::encode_column_subset(&batch.record, &self.config.partition);
        let mut kept = Vec::with_capacity(times.len());
        for (row, (key, &time_ms)) in keys.iter().zip(times).enumerate() {
            let Some(slot) = self.slot_in_time(key, time_ms, ctx) else {
                out.late_records_dropped += 1;
                continue;
            };
            self.keys[slot as usize].wait(time_ms);
            self.ttl.write(slot, ctx.processing_time_ms);
            self.plan_cleanup(slot, time_ms);
            kept.push((time_ms, slot, row as u32));
        }
        self.pending.add(batch.record.columns(), times.len(), &kept);
        self.pending.tidy().map_err(|error| self.shape.failed(error))
    }

    /// A bounded range is dropped some time after its last row.
    fn plan_cleanup(&mut self, slot: u32, time_ms: i64) {
        let OverFrame::Range(range_ms) = self.config.frame else { return };
        let key = &mut self.keys[slot as usize];
        let frame_end = time_ms.saturating_add(range_ms).saturating_add(1);
        if key.cleanup_ms < frame_end {
            key.cleanup_ms = frame_end.saturating_add(range_ms / 2);
            self.cleanups.entry(key.cleanup_ms).or_default().push(slot);
        }
    }

    fn emit_at_once(
        &mut self,
        batch: &Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let keys = row::encode_column_subset(&batch.record, &self.config.partition);
        let mut slots = Vec::with_capacity(batch.num_rows());
        for key in keys.iter() {
            let slot = self.slot(row::hash(key), key, ctx);
            self.ttl.write(slot, ctx.processing_time_ms);
            slots.push(slot);
        }
        let times = vec![ctx.processing_time_ms; slots.len()];
        let columns = batch.record.columns().to_vec();
        self.emit(&Ready { columns, slots, times }, out)
    }

    /// Emits the rows that waited for this time, and drops keys whose time is over.
    fn fire(&mut self, to_ms: i64, out: &mut Output) -> Result<(), OperatorError> {
        self.progress.advance(to_ms);
        let ready = self.pending.take_until(to_ms);
        let mut rest = ready.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece_end(rest));
            rest = after;
            let ready = Ready {
                columns: self.pending.consume(piece).map_err(|error| self.shape.failed(error))?,
                slots: piece.iter().map(|waiting| waiting.slot).collect(),
                times: piece.iter().map(|waiting| waiting.time_ms).collect(),
            };
            for &slot in &ready.slots {
                let key = &mut self.keys[slot as usize];
                key.waiting -= 1;
                key.first_waiting_ms = to_ms.saturating_add(1);
                self.table.mark_used(slot);
            }
            self.emit(&ready, out)?;
        }
        self.drop_finished();
        Ok(())
    }

    fn drop_finished(&mut self) {
        while let Some((&deadline, _)) = self.cleanups.first_key_value()
            && deadline <= self.progress.ms()
        {
            for slot in self.cleanups.remove(&deadline).unwrap_or_default() {
                let key = &self.keys[slot as usize];
                if key.in_use && key.cleanup_ms == deadline && key.waiting == 0 {
                    self.drop_key(slot);
                }
            }
        }
    }

    fn emit(&mut self, ready: &Ready, out: &mut Output) -> Result<(), OperatorError> {
        let read = self.read.iter().map(|column| ready.columns[*column].clone()).collect();
        let rows = ready.slots.len();
        let peers = self.shares_results().then(|| frame::last_peers(&ready.slots, &ready.times));
        let results = if self.config.frame.is_bounded() {
            self.bounded(ready, read, peers.as_deref())?
        } else {
            let steps = Steps { slots: &ready.slots, fresh: None, accumulate: None };
            let emit = peers.as_deref().map(frame::are_last);
            let record = self.read_record(read, rows)?;
            self.calls.running(&record, &steps, emit.as_deref())
        };
        for (&slot, &time_ms) in ready.slots.iter().zip(&ready.times) {
            self.keys[slot as usize].last_emitted_ms = time_ms;
        }
        let results = match &peers {
            None => results,
            Some(peers) => self.shared(results, peers)?,
        };
        let columns = ready.columns.iter().cloned().chain(results).collect();
        out.emit(Batch::insert_only(self.shape.record(columns, rows)?));
        Ok(())
    }

    /// Rows come into the frame and leave it.
    fn bounded(
        &mut self,
        ready: &Ready,
        read: Vec<ArrayRef>,
        peers: Option<&[u32]>,
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let rows = ready.slots.len();
        let chunk = self.frames.add(read, rows, rows);
        let frames = Frames::plan(self.config.frame, ready, chunk, peers, &mut self.keys);
        let columns = self.frames.gather(&frames.rows).map_err(|error| self.shape.failed(error))?;
        let record = self.read_record(columns, frames.rows.len())?;
        let accumulate = Some(frames.accumulate.as_slice());
        let steps = Steps { slots: &frames.slots, fresh: None, accumulate };
        let results = self.calls.running(&record, &steps, Some(&frames.emit));
        let left = frames.rows.iter().zip(&frames.accumulate).filter(|(_, adds)| !**adds);
        left.for_each(|(at, _)| self.frames.release(*at));
        self.tidy()?;
        Ok(results)
    }

    fn tidy(&mut self) -> Result<(), OperatorError> {
        if !self.frames.is_sparse() {
            return Ok(());
        }
        let frames = self.keys.iter_mut().flat_map(|key| &mut key.frame);
        let rows = frames.map(|(_, at)| at).collect();
        self.frames.compact(rows).map_err(|error| self.shape.failed(error))
    }

    fn read_record(
        &self,
        columns: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<RecordBatch, OperatorError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.read_schema.clone(), columns, &options)
            .map_err(|error| self.shape.failed(error))
    }

    /// Each row's result is that of its last peer.
    fn shared(
        &self,
        results: Vec<ArrayRef>,
        peers: &[u32],
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        if results.first().is_none_or(|result| result.len() == peers.len()) {
            return Ok(results);
        }
        let mut place = vec![0; peers.len()];
        let last = (0..peers.len()).filter(|row| peers[*row] as usize == *row);
        last.enumerate().for_each(|(at, row)| place[row] = at as u32);
        let rows = UInt32Array::from_iter_values(peers.iter().map(|last| place[*last as usize]));
        let results = results.iter().map(|result| take(result, &rows, None));
        results.collect::<Result<_, _>>().map_err(|error| self.shape.failed(error))
    }

    fn forget(&mut self, rows: usize, ctx: &OperatorContext) {
        for slot in self.ttl.sweep(rows, ctx) {
            let key = &self.keys[slot as usize];
            if key.in_use && key.waiting == 0 {
                self.drop_key(slot);
            }
        }
    }
}

fn read_columns(calls: &[AggregateCall]) -> Vec<usize> {
    let mut read: Vec<usize> =
        calls.iter().flat_map(|call| call.arguments.iter().copied().chain(call.filter)).collect();
    read.sort_unstable();
    read.dedup();
    read
}

fn over_read_columns(call: &AggregateCall, read: &[usize]) -> AggregateCall {
    let place = |column: usize| read.binary_search(&column).expect("all that a call reads");
    AggregateCall {
        arguments: call.arguments.iter().map(|column| place(*column)).collect(),
        filter: call.filter.map(place),
        ..call.clone()
    }
}

// Rows of one time stay together.
fn piece_end(rows: &[Waiting]) -> usize {
    if rows.len() <= BATCH_ROWS {
        return rows.len();
    }
    let last = rows[BATCH_ROWS - 1].time_ms;
    rows.partition_point(|waiting| waiting.time_ms <= last)
}

impl Operator for Over {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let rows = batch.num_rows();
        match self.config.time {
            _ if !self.waits() => self.emit_at_once(&batch, ctx, out)?,
            WindowTime::Rowtime(column) => {
                self.progress.advance(ctx.watermark.0);
                let times = self.shape.times_ms(batch.record.column(column))?;
                self.keep(&batch, &times, ctx, out)?;
            }
            WindowTime::Proctime => {
                // The clock may have been set back since: such rows come out next.
                let now = ctx.processing_time_ms.max(self.progress.ms().saturating_add(1));
                self.keep(&batch, &vec![now; rows], ctx, out)?;
            }
        }
        self.forget(rows, ctx);
        Ok(())
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.is_proctime() { Ok(()) } else { self.fire(ctx.watermark.0, out) }
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.is_proctime() && self.waits() {
            self.fire(ctx.processing_time_ms.saturating_sub(1), out)?;
        }
        Ok(())
    }

    fn next_processing_timer(&self) -> Option<i64> {
        if !self.is_proctime() {
            return None;
        }
        let cleanup = self.cleanups.first_key_value().map(|(deadline, _)| *deadline);
        let first = self.pending.first_ms().into_iter().chain(cleanup).min()?;
        Some(first.saturating_add(1))
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.save_progress(ctx, writer);
        snapshot_all(self, ctx, writer);
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        self.read(entries)
    }
}
