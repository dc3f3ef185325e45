//! Window Top-N and window deduplication: the first rows of each window and key, in
//! order (rows B3.14, B3.15).
//!
//! Emitted once, when the watermark reaches the window's last millisecond, so insert-only.
//! Only the rows up to the last rank are kept. Equal rows are in order of arrival; where
//! the last row of a key is kept, the later of them wins. Rows of a window that has
//! fired are dropped and counted as late. Source of the rules: Flink
//! `WindowRankOperator`, `RowTimeWindowDeduplicateRecordsCombiner`.
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
use millrace_dataflow::{Batch, Schema};
use millrace_state::row;

use super::assign::Clock;
use super::attached::{PREFIX_BYTES, PREFIX_TYPES, by_window, has_fired, prefix};
use super::slices::Span;
use crate::memory::StateBytes;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::operators::keys::{Bytes, KeyIndex, KeySlab, spilled_bytes};
use crate::operators::progress::Progress;
use crate::operators::rank::one_zero;
use crate::operators::shape::{BATCH_ROWS, Shape};

const ROWS: u8 = 0;
const PROGRESS: u8 = 1;

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
    arrivals: i64,
}

/// The keys of one window, in order of arrival.
#[derive(Debug, Default)]
struct Keys {
    index: KeyIndex,
    slots: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Ranked {
    /// Bytes that are ordered as the sort columns are.
    sort: Bytes,
    arrival: i64,
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
            arrivals: 0,
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
            self.insert(slot, sort.data(), arrival, encoded.row(at));
        }
        Ok(())
    }

    fn insert(&mut self, slot: u32, sort: &[u8], arrival: i64, row: &[u8]) {
        let (at, end) = (self.place(slot, sort), self.last_rank());
        if at < end {
            let top = &mut self.tops[slot as usize];
            let ranked = Ranked { sort: Bytes::from_slice(sort), arrival, row: row.into() };
            self.held_bytes += ranked.bytes();
            top.insert(at, ranked);
            if top.len() > end {
                self.held_bytes -= top.pop().map_or(0, |ranked| ranked.bytes());
            }
        }
    }

    fn fire(&mut self, window: Span, out: &mut Output) -> Result<(), OperatorError> {
        let Some(keys) = self.windows.remove(&window) else { return Ok(()) };
        let first = usize::try_from(self.config.start.max(1) - 1).unwrap_or(usize::MAX);
        let mut shown: Vec<(i64, Box<[u8]>)> = Vec::new();
        for slot in keys.slots {
            let top = std::mem::take(&mut self.tops[slot as usize]);
            self.held_bytes -= top.iter().map(Ranked::bytes).sum::<usize>();
            self.slab.release(slot);
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
        _: &OperatorContext,
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
            self.add(&record, hopeful, &slots, &sort)?;
        }
        Ok(())
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.progress.advance(ctx.watermark.0);
        while let Some((&window, _)) = self.windows.first_key_value() {
            if !has_fired(window, &self.clock, self.progress) {
                break;
            }
            self.fire(window, out)?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> StateBytes {
        StateBytes::in_memory(self.slab.memory_bytes() + self.held_bytes)
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.progress.save(PROGRESS, ctx, writer);
        for (window, keys) in &self.windows {
            for &slot in &keys.slots {
                let top = &self.tops[slot as usize];
                let prefixes = row::encode(&prefix(*window, top.iter().map(|held| held.arrival)));
                for (at, held) in top.iter().enumerate() {
                    writer.put(StateEntry {
                        key_group: Some(self.slab.group(slot, ctx.max_parallelism)),
                        table: ROWS,
                        key: [prefixes.row(at), self.slab.key(slot)].concat(),
                        value: held.row.to_vec(),
                    });
                }
            }
        }
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let (progress, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.table == PROGRESS);
        self.progress = Progress::load(&progress, &self.shape)?;
        let damaged = |error| self.shape.damaged(error);
        let mut parts = Vec::with_capacity(entries.len());
        for entry in &entries {
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
            self.arrivals = self.arrivals.max(arrivals.value(at).saturating_add(1));
            self.insert(slot, sort.row(at).data(), arrivals.value(at), &entries[at].value);
        }
        Ok(())
    }
}
