//! Window Top-N and window deduplication: the first rows of each window and key, in
//! order (rows B3.14, B3.15).
//!
//! Emitted once, when the watermark reaches the window's last millisecond, so insert-only.
//! Only the rows up to the last rank are kept. Equal rows are in order of arrival; where
//! the last row of a key is kept, the later of them wins. Rows of a window that has
//! fired are dropped and counted as late. Source of the rules: Flink
//! `WindowRankOperator`, `RowTimeWindowDeduplicateRecordsCombiner`.
//!
//! With a page store, rows that do not fit into memory wait there (see [`super::log`]).
//! A key may then have first rows here and there: the first rows of all of them are the
//! first ones of both. What is in the store and fell behind later does no harm.
//!
//! State: table 0, one entry a kept row: window end, window start, number of arrival,
//! key -> row; table 1, the watermark.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, take_record_batch};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use arrow::row::{RowConverter, Rows, SortField};
use millrace_dataflow::graph::WindowRank as Config;
use millrace_dataflow::key_group::KeyGroup;
use millrace_dataflow::{Batch, Schema};
use millrace_state::frozen::PutEntry;
use millrace_state::{PageStore, row};

use super::assign::Clock;
use super::attached::{PREFIX_BYTES, PREFIX_TYPES, by_window, has_fired, prefix};
use super::log::{Append, WindowLog};
use super::slices::Span;
use crate::memory::{Account, StateBytes};
use crate::operator::{
    Operator, OperatorContext, OperatorError, Output, Parts, StateEntry, StateWriter,
};
use crate::operators::keys::{Bytes, KeyIndex, KeySlab, spilled_bytes};
use crate::operators::progress::Progress;
use crate::operators::rank::one_zero;
use crate::operators::shape::{BATCH_ROWS, Shape};

const ROWS: u8 = 0;
const PROGRESS: u8 = 1;
/// Keys whose rows are appended to the store at once: bounds the copies held meanwhile.
const KEYS_AT_ONCE: usize = 16 * 1024;

pub struct WindowRank {
    shape: Shape,
    config: Config,
    clock: Clock,
    row_types: Vec<ArrowType>,
    sort: RowConverter,
    slab: KeySlab,
    windows: BTreeMap<Span, Keys>,
    /// The first rows of each slot.
    tops: Vec<Vec<Ranked>>,
    /// Of the kept rows.
    held_bytes: usize,
    progress: Progress,
    /// Entries of the progress that were restored so far.
    restored: Vec<StateEntry>,
    arrivals: i64,
    log: Option<WindowLog>,
    account: Option<Arc<Account>>,
}

/// The keys of one window, in order of arrival.
#[derive(Debug, Default)]
struct Keys {
    index: KeyIndex,
    slots: Vec<u32>,
    /// Those with rows that the store has not; kept only with a store.
    dirty: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Ranked {
    /// Bytes that are ordered as the sort columns are.
    sort: Bytes,
    arrival: i64,
    /// The store has it, too.
    is_stored: bool,
    row: Box<[u8]>,
}

impl Ranked {
    /// About what it takes in memory.
    fn bytes(&self) -> usize {
        size_of::<Ranked>() + 16 + spilled_bytes(self.sort.len()) + self.row.len()
    }
}

impl WindowRank {
    /// # Errors
    /// The session time zone is unknown, or a sort column has a type without an order.
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
    ) -> Result<WindowRank, OperatorError> {
        let shape = Shape::new(name, output);
        let row_types: Vec<ArrowType> =
            input.fields.iter().map(|field| field.data_type.to_arrow()).collect();
        let fields = config.order.iter().map(|key| {
            let options = SortOptions { descending: !key.ascending, nulls_first: key.nulls_first };
            SortField::new_with_options(row_types[key.column].clone(), options)
        });
        Ok(WindowRank {
            clock: Clock::new(config.time_zone.as_deref(), &shape)?,
            sort: RowConverter::new(fields.collect()).map_err(|error| shape.failed(error))?,
            config: config.clone(),
            row_types,
            slab: KeySlab::default(),
            windows: BTreeMap::new(),
            tops: Vec::new(),
            held_bytes: 0,
            progress: Progress::default(),
            restored: Vec::new(),
            arrivals: 0,
            log: None,
            account: None,
            shape,
        })
    }

    fn last_rank(&self) -> usize {
        usize::try_from(self.config.end).unwrap_or(usize::MAX)
    }

    /// Order bytes of every row; they live in memory only.
    fn sort_keys(&self, columns: &[ArrayRef]) -> Result<Rows, OperatorError> {
        let columns: Vec<ArrayRef> =
            self.config.order.iter().map(|key| one_zero(&columns[key.column])).collect();
        self.sort.convert_columns(&columns).map_err(|error| self.shape.failed(error))
    }

    /// Where a row of this sort key would stand.
    fn place(&self, slot: u32, sort: &[u8]) -> usize {
        let latest = self.config.latest_first;
        self.tops[slot as usize].partition_point(|held| {
            let held = held.sort.as_slice();
            held < sort || (held == sort && !latest)
        })
    }

    fn slot(&mut self, window: Span, key: &[u8]) -> u32 {
        let keys = self.windows.entry(window).or_default();
        let (slot, is_new) = keys.index.find_or_insert(&mut self.slab, row::hash(key), key);
        if is_new {
            keys.slots.push(slot);
            if self.tops.len() <= slot as usize {
                self.tops.resize_with(slot as usize + 1, Vec::new);
            }
        }
        slot
    }

    /// The rows of one window that may come in, with their slots: those that are
    /// behind the last rank already are not even encoded.
    fn candidates(
        &mut self,
        window: Span,
        rows: &[u32],
        keys: &row::EncodedRows,
        sort: &Rows,
    ) -> (Vec<u32>, Vec<u32>) {
        let (mut hopeful, mut slots) = (Vec::new(), Vec::new());
        for &row in rows {
            let slot = self.slot(window, keys.row(row as usize));
            if self.place(slot, sort.row(row as usize).data()) < self.last_rank() {
                hopeful.push(row);
                slots.push(slot);
            }
        }
        (hopeful, slots)
    }

    fn add(
        &mut self,
        window: Span,
        record: &RecordBatch,
        hopeful: Vec<u32>,
        slots: &[u32],
        sort: &Rows,
    ) -> Result<(), OperatorError> {
        let rows = UInt32Array::from(hopeful);
        let taken = take_record_batch(record, &rows).map_err(|error| self.shape.failed(error))?;
        let encoded = row::encode(taken.columns());
        for (at, &slot) in slots.iter().enumerate() {
            let sort = sort.row(rows.value(at) as usize);
            let arrival = self.arrivals;
            self.arrivals += 1;
            self.insert(window, slot, sort.data(), arrival, encoded.row(at));
        }
        Ok(())
    }

    fn insert(&mut self, window: Span, slot: u32, sort: &[u8], arrival: i64, row: &[u8]) {
        let (at, end) = (self.place(slot, sort), self.last_rank());
        if at >= end {
            return;
        }
        let top = &mut self.tops[slot as usize];
        if self.log.is_some() && top.iter().all(|held| held.is_stored) {
            self.windows.entry(window).or_default().dirty.push(slot);
        }
        let sort = Bytes::from_slice(sort);
        let ranked = Ranked { sort, arrival, is_stored: false, row: row.into() };
        self.held_bytes += ranked.bytes();
        top.insert(at, ranked);
        if top.len() > end {
            self.held_bytes -= top.pop().map_or(0, |ranked| ranked.bytes());
        }
    }

    /// Takes a window's keys out of memory: what each slot had, in order of the keys'
    /// arrival.
    fn release(&mut self, window: Span) -> impl Iterator<Item = Vec<Ranked>> {
        let slots = self.windows.remove(&window).unwrap_or_default().slots.into_iter();
        slots.map(|slot| {
            let top = std::mem::take(&mut self.tops[slot as usize]);
            self.held_bytes -= top.iter().map(Ranked::bytes).sum::<usize>();
            self.slab.release(slot);
            top
        })
    }

    fn fire(&mut self, window: Span, out: &mut Output) -> Result<(), OperatorError> {
        let first = usize::try_from(self.config.start.max(1) - 1).unwrap_or(usize::MAX);
        let mut shown: Vec<(i64, Box<[u8]>)> = Vec::new();
        for top in self.release(window) {
            let ranked = top.into_iter().enumerate().skip(first);
            shown.extend(ranked.map(|(at, ranked)| (at as i64 + 1, ranked.row)));
        }
        for shown in shown.chunks(BATCH_ROWS) {
            let mut columns = row::decode(&self.row_types, shown.iter().map(|(_, row)| &**row))
                .map_err(|error| self.shape.damaged(error))?;
            if self.config.output_rank {
                let ranks = shown.iter().map(|(rank, _)| *rank);
                columns.push(Arc::new(Int64Array::from_iter_values(ranks)));
            }
            out.emit(Batch::insert_only(self.shape.record(columns, shown.len())?));
        }
        Ok(())
    }
}

impl Operator for WindowRank {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let record = batch.record;
        let bounds = self.config.window;
        let found = by_window(&record, bounds, &self.clock, self.progress, &self.shape)?;
        out.late_records_dropped += found.late;
        let keys = row::encode_column_subset(&record, &self.config.partition);
        let sort = self.sort_keys(record.columns())?;
        for (window, rows) in found.rows {
            let (hopeful, slots) = self.candidates(window, &rows, &keys, &sort);
            self.add(window, &record, hopeful, &slots, &sort)?;
        }
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
            self.fire(window, out)?;
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
            memory: self.memory_bytes() as u64,
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
        for (window, keys) in &self.windows {
            self.write(*window, &keys.slots, ctx, &mut |group, table, key, value| {
                let (key_group, key, value) = (Some(group), key.concat(), value.to_vec());
                writer.put(StateEntry { key_group, table, key, value });
            });
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
        self.load(&entries)?;
        self.shrink(ctx)
    }
}

impl WindowRank {
    fn memory_bytes(&self) -> usize {
        self.slab.memory_bytes() + self.held_bytes
    }

    fn log(&mut self) -> &mut WindowLog {
        self.log.as_mut().expect("called with a store alone")
    }

    /// The first window that has rows.
    fn first_window(&self) -> Option<Span> {
        let here = self.windows.first_key_value().map(|(window, _)| *window);
        let absent = self.log.as_ref().and_then(WindowLog::first_absent);
        here.into_iter().chain(absent).min()
    }

    /// Fires a window of which rows are in the store.
    fn fire_by_group(
        &mut self,
        window: Span,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.append(window, ctx)?;
        self.release(window).for_each(drop);
        self.log().begin(window);
        for group in ctx.key_groups.start..ctx.key_groups.end {
            let entries = self.log().take(window, KeyGroup(group))?;
            self.load(&entries)?;
            self.fire(window, out)?;
        }
        Ok(())
    }

    /// Lets keys go, those of the windows that end last first, until three quarters of
    /// what they may take are not exceeded.
    fn shrink(&mut self, ctx: &OperatorContext) -> Result<(), OperatorError> {
        let (Some(_), Some(account)) = (&self.log, &self.account) else { return Ok(()) };
        let allowance = usize::try_from(account.allowance()).unwrap_or(usize::MAX);
        if self.memory_bytes() <= allowance {
            return Ok(());
        }
        while self.memory_bytes() > allowance / 4 * 3 {
            let Some((&window, _)) = self.windows.last_key_value() else { break };
            self.append(window, ctx)?;
            self.release(window).for_each(drop);
            self.log().let_go(window);
        }
        Ok(())
    }

    /// Appends those of a window's rows that the store has not.
    fn append(&mut self, window: Span, ctx: &OperatorContext) -> Result<(), OperatorError> {
        let Some(keys) = self.windows.get_mut(&window) else { return Ok(()) };
        let dirty = std::mem::take(&mut keys.dirty);
        for slots in dirty.chunks(KEYS_AT_ONCE) {
            let mut append = Append::new(window);
            self.write(window, slots, ctx, &mut |group, table, key, row| {
                append.put(group, table, key, row);
            });
            for &slot in slots {
                self.tops[slot as usize].iter_mut().for_each(|held| held.is_stored = true);
            }
            let next_arrival = self.arrivals;
            self.log().append(append, next_arrival)?;
        }
        Ok(())
    }

    /// The entries of those rows of some slots that the store has not.
    fn write(&self, window: Span, slots: &[u32], ctx: &OperatorContext, put: PutEntry<'_>) {
        for &slot in slots {
            let group = self.slab.group(slot, ctx.max_parallelism);
            let new: Vec<&Ranked> =
                self.tops[slot as usize].iter().filter(|held| !held.is_stored).collect();
            let prefixes = row::encode(&prefix(window, new.iter().map(|held| held.arrival)));
            for (at, held) in new.iter().enumerate() {
                put(group, ROWS, [prefixes.row(at), self.slab.key(slot)], &held.row);
            }
        }
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

    fn load(&mut self, entries: &[StateEntry]) -> Result<(), OperatorError> {
        let damaged = |error| self.shape.damaged(error);
        let mut parts = Vec::with_capacity(entries.len());
        for entry in entries {
            let split = entry.key.split_at_checked(PREFIX_BYTES);
            parts.push(
                split.filter(|_| entry.table == ROWS).ok_or_else(|| {
                    self.shape.damaged(format!("an entry of table {}", entry.table))
                })?,
            );
        }
        let columns =
            row::decode(&PREFIX_TYPES, parts.iter().map(|part| part.0)).map_err(damaged)?;
        let rows = row::decode(&self.row_types, entries.iter().map(|e| e.value.as_slice()))
            .map_err(damaged)?;
        let [ends, starts, arrivals] =
            [0, 1, 2].map(|at: usize| columns[at].as_primitive::<Int64Type>());
        let sort = self.sort_keys(&rows)?;
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&at| arrivals.value(at));
        for at in order {
            let window = Span { end: ends.value(at), start: starts.value(at) };
            let slot = self.slot(window, parts[at].1);
            let arrival = arrivals.value(at);
            self.arrivals = self.arrivals.max(arrival.saturating_add(1));
            self.insert(window, slot, sort.row(at).data(), arrival, &entries[at].value);
        }
        Ok(())
    }
}
