//! Interval join: equal keys and times within bounds (rows B6.8, B6.9, E.15).
//!
//! A row is joined at once with the kept rows of the other side. It is kept until no
//! row that is still to come can match it: a left row at time `t` until the watermark
//! is past `t - lower`, a right row until it is past `t + upper`. A row of an outer
//! side that has found no match by then is emitted with NULLs for the other side. A
//! late row joins what is still kept; one whose interval is closed already is not
//! kept, and is padded at once. NULL keys match nothing.
//!
//! By the wall clock, a row's time is its arrival and rows are dropped by timers, not
//! at the end of the input (row E.18).
//!
//! Source of the rule for closing: Flink `TimeIntervalJoin`.
//!
//! State: tables 0 and 1, one entry a kept row of the left and the right side: number
//! of arrival, key -> time, matched, row; table 2, the watermark.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, RecordBatch, UInt32Array,
    new_null_array,
};
use arrow::compute::{filter_record_batch, prep_null_mask_filter, take};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::{IntervalJoin as Config, JoinKind, WindowTime};
use millrace_dataflow::{Batch, Schema};
use millrace_state::row::{self, EncodedRows};

use super::keys::KeyTable;
use super::paged::{Pageable, Put, snapshot_all};
use super::progress::Progress;
use super::shape::{BATCH_ROWS, Shape, eval_context};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const PROGRESS: u8 = 2;
/// Bytes of the number of arrival before the key: one BIGINT value.
const ARRIVAL_BYTES: usize = 9;
/// Deadlines of rows that are gone, beside two for each that is not.
const MOST_STALE: usize = 1024;

pub struct IntervalJoin {
    shape: Shape,
    config: Config,
    /// Left, then right.
    sides: [Side; 2],
    keys: KeyTable,
    progress: Progress,
    arrivals: i64,
}

/// The kept rows of one side.
#[derive(Debug)]
struct Side {
    types: Vec<ArrowType>,
    /// A row without a match is emitted, padded.
    outer: bool,
    /// From a row's time to the watermark that closes its interval.
    open_for_ms: i64,
    rows: Vec<Kept>,
    held_bytes: usize,
    free: Vec<u32>,
    /// Kept rows of each key by time, then arrival.
    of_key: Vec<Vec<(i64, u32)>>,
    /// Kept rows by the watermark that closes their interval.
    by_deadline: BTreeMap<i64, Vec<u32>>,
    /// Deadlines of rows that were dropped from memory, about.
    stale: usize,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    key: u32,
    time_ms: i64,
    arrival: i64,
    matched: bool,
    /// Else the place is free.
    is_live: bool,
    row: Box<[u8]>,
}

impl Kept {
    /// About what it takes in memory, with its places by key and by deadline.
    fn bytes(&self) -> usize {
        size_of::<Kept>() + 16 + 16 + 8 + self.row.len()
    }
}

impl Side {
    fn new(schema: &Schema, outer: bool, open_for_ms: i64) -> Side {
        let types = schema.fields.iter().map(|field| field.data_type.to_arrow()).collect();
        Side {
            types,
            outer,
            open_for_ms,
            rows: Vec::new(),
            held_bytes: 0,
            free: Vec::new(),
            of_key: Vec::new(),
            by_deadline: BTreeMap::new(),
            stale: 0,
        }
    }

    /// The watermark that closes the interval of a row.
    fn deadline_ms(&self, time_ms: i64) -> i64 {
        time_ms.saturating_add(self.open_for_ms)
    }

    fn keep(&mut self, kept: Kept) {
        let deadline_ms = self.deadline_ms(kept.time_ms);
        let (key, time) = (kept.key as usize, kept.time_ms);
        self.held_bytes += kept.bytes();
        let id = match self.free.pop() {
            Some(id) => {
                self.rows[id as usize] = kept;
                id
            }
            None => {
                self.rows.push(kept);
                u32::try_from(self.rows.len() - 1).expect("fewer than 2^32 kept rows")
            }
        };
        if self.of_key.len() <= key {
            self.of_key.resize_with(key + 1, Vec::new);
        }
        let of_key = &mut self.of_key[key];
        of_key.insert(of_key.partition_point(|(other, _)| *other <= time), (time, id));
        self.by_deadline.entry(deadline_ms).or_default().push(id);
    }

    /// Rows of the key with times from `first` to `last`.
    fn between(&self, key: u32, first: i64, last: i64) -> &[(i64, u32)] {
        let Some(rows) = self.of_key.get(key as usize) else { return &[] };
        let start = rows.partition_point(|(time, _)| *time < first);
        let end = rows.partition_point(|(time, _)| *time <= last);
        rows.get(start..end).unwrap_or(&[])
    }

    fn has_key(&self, key: u32) -> bool {
        self.of_key.get(key as usize).is_some_and(|rows| !rows.is_empty())
    }

    /// Takes out the rows whose interval is closed before `progress`, in order.
    fn close(&mut self, progress_ms: i64) -> Vec<Kept> {
        let open = self.by_deadline.split_off(&progress_ms);
        let closed = std::mem::replace(&mut self.by_deadline, open);
        let mut rows = Vec::new();
        let closed =
            closed.into_iter().flat_map(|(at, ids)| ids.into_iter().map(move |id| (at, id)));
        for (deadline_ms, id) in closed {
            let kept = &self.rows[id as usize];
            if !kept.is_live || self.deadline_ms(kept.time_ms) != deadline_ms {
                continue;
            }
            let kept = std::mem::take(&mut self.rows[id as usize]);
            self.free.push(id);
            self.held_bytes -= kept.bytes();
            self.forget(&kept, progress_ms);
            rows.push(kept);
        }
        rows
    }
}

impl Side {
    /// Drops the rows of a key from memory.
    fn drop_key(&mut self, key: u32) {
        let Some(rows) = self.of_key.get_mut(key as usize) else { return };
        for (_, id) in std::mem::take(rows) {
            let kept = std::mem::take(&mut self.rows[id as usize]);
            self.held_bytes -= kept.bytes();
            self.free.push(id);
            self.stale += 1;
        }
    }

    /// Makes the deadlines anew when most of them are of rows that are gone.
    fn drop_stale(&mut self) {
        if self.stale < MOST_STALE + 2 * (self.rows.len() - self.free.len()) {
            return;
        }
        self.stale = 0;
        self.by_deadline.clear();
        for (id, kept) in self.rows.iter().enumerate().filter(|(_, kept)| kept.is_live) {
            let deadline_ms = kept.time_ms.saturating_add(self.open_for_ms);
            self.by_deadline.entry(deadline_ms).or_default().push(id as u32);
        }
    }

    /// The rows of a key, by time.
    fn rows_of(&self, key: u32) -> &[(i64, u32)] {
        self.of_key.get(key as usize).map_or(&[], Vec::as_slice)
    }

    /// Takes a closed row out of its key's rows, and all that close with it: they are
    /// the first ones.
    fn forget(&mut self, closed: &Kept, progress_ms: i64) {
        let of_key = &mut self.of_key[closed.key as usize];
        if of_key.first().is_none_or(|(time, _)| *time > closed.time_ms) {
            return;
        }
        let open_for_ms = self.open_for_ms;
        let upto =
            of_key.partition_point(|(time, _)| time.saturating_add(open_for_ms) < progress_ms);
        of_key.drain(..upto);
    }
}

/// A batch of one side with all that is known of its rows.
#[derive(Debug)]
struct Arrived {
    side: usize,
    batch: Batch,
    keys: EncodedRows,
    hashes: Vec<u64>,
    /// NULL in the key.
    no_key: Vec<bool>,
    times: Vec<i64>,
    matched: Vec<bool>,
}

/// What a batch found: rows of the batch with kept rows of the other side.
#[derive(Debug, Default)]
struct Pairs {
    rows: Vec<u32>,
    kept: Vec<u32>,
}

impl IntervalJoin {
    pub fn new(config: &Config, inputs: &[Schema], output: &Schema, name: &str) -> IntervalJoin {
        let outer = match config.kind {
            JoinKind::Inner => [false, false],
            JoinKind::Left => [true, false],
            JoinKind::Right => [false, true],
            JoinKind::Full => [true, true],
        };
        let open_for = [config.lower_ms.saturating_neg(), config.upper_ms];
        let sides = [0, 1].map(|side| Side::new(&inputs[side], outer[side], open_for[side]));
        IntervalJoin {
            shape: Shape::new(name, output),
            config: config.clone(),
            sides,
            keys: KeyTable::default(),
            progress: Progress::default(),
            arrivals: 0,
        }
    }

    fn is_proctime(&self) -> bool {
        self.config.left_time == WindowTime::Proctime
    }

    /// First and last time of the other side that a row matches.
    fn bounds(&self, side: usize, time: i64) -> (i64, i64) {
        let (lower, upper) = (self.config.lower_ms, self.config.upper_ms);
        if side == 0 {
            (time.saturating_sub(upper), time.saturating_sub(lower))
        } else {
            (time.saturating_add(lower), time.saturating_add(upper))
        }
    }

    fn times(
        &self,
        side: usize,
        batch: &Batch,
        ctx: &OperatorContext,
    ) -> Result<Vec<i64>, OperatorError> {
        let time = if side == 0 { self.config.left_time } else { self.config.right_time };
        match time {
            WindowTime::Rowtime(index) => self.shape.times_ms(batch.record.column(index)),
            WindowTime::Proctime => Ok(vec![ctx.processing_time_ms; batch.num_rows()]),
        }
    }

    fn columns_of_key(&self, side: usize) -> &[usize] {
        if side == 0 { &self.config.left_keys } else { &self.config.right_keys }
    }

    fn arrive(
        &self,
        side: usize,
        batch: Batch,
        ctx: &OperatorContext,
    ) -> Result<Arrived, OperatorError> {
        let columns = self.columns_of_key(side);
        let keys = row::encode_column_subset(&batch.record, columns);
        let hashes = row::hashes(&keys);
        let mut no_key = vec![false; batch.num_rows()];
        for nulls in columns.iter().filter_map(|&at| batch.record.column(at).logical_nulls()) {
            no_key.iter_mut().zip(&nulls).for_each(|(no_key, valid)| *no_key |= !valid);
        }
        let times = self.times(side, &batch, ctx)?;
        let matched = vec![false; batch.num_rows()];
        Ok(Arrived { side, batch, keys, hashes, no_key, times, matched })
    }

    /// Joins the rows with the other side, noting which found a match.
    fn join(
        &mut self,
        arrived: &mut Arrived,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let mut pairs = Pairs::default();
        for row in 0..arrived.times.len() {
            if arrived.no_key[row] {
                continue;
            }
            let key = self.keys.find(arrived.hashes[row], arrived.keys.row(row));
            let Some(key) = key else { continue };
            self.keys.mark_read(key);
            let (first, last) = self.bounds(arrived.side, arrived.times[row]);
            for (_, id) in self.sides[1 - arrived.side].between(key, first, last) {
                pairs.rows.push(row as u32);
                pairs.kept.push(*id);
            }
            if pairs.rows.len() >= BATCH_ROWS {
                self.emit_pairs(arrived, std::mem::take(&mut pairs), ctx, out)?;
            }
        }
        self.emit_pairs(arrived, pairs, ctx, out)
    }

    fn emit_pairs(
        &mut self,
        arrived: &mut Arrived,
        pairs: Pairs,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if pairs.rows.is_empty() {
            return Ok(());
        }
        let record = self.joined(arrived.side, &arrived.batch, &pairs)?;
        let mask = self.residual(&record, ctx)?;
        let other = &mut self.sides[1 - arrived.side];
        for (at, (&row, &id)) in pairs.rows.iter().zip(&pairs.kept).enumerate() {
            if mask.as_ref().is_none_or(|mask| mask.value(at)) {
                arrived.matched[row as usize] = true;
                let kept = &mut other.rows[id as usize];
                if other.outer && !kept.matched {
                    self.keys.mark_dirty(kept.key);
                }
                kept.matched = true;
            }
        }
        let record = match &mask {
            None => record,
            Some(mask) => {
                filter_record_batch(&record, mask).map_err(|error| self.shape.failed(error))?
            }
        };
        out.emit(Batch::insert_only(record));
        Ok(())
    }

    fn joined(
        &self,
        side: usize,
        batch: &Batch,
        pairs: &Pairs,
    ) -> Result<RecordBatch, OperatorError> {
        let other = &self.sides[1 - side];
        let rows = UInt32Array::from(pairs.rows.clone());
        let own = batch.record.columns().iter().map(|column| take(column, &rows, None));
        let own = own.collect::<Result<Vec<_>, _>>().map_err(|error| self.shape.failed(error))?;
        let kept = pairs.kept.iter().map(|&id| &*other.rows[id as usize].row);
        let kept = row::decode(&other.types, kept).map_err(|error| self.shape.damaged(error))?;
        let columns = if side == 0 { [own, kept] } else { [kept, own] }.concat();
        self.shape.record(columns, rows.len())
    }

    /// Which joined rows pass the rest of the condition; `None`: all.
    fn residual(
        &self,
        record: &RecordBatch,
        ctx: &OperatorContext,
    ) -> Result<Option<BooleanArray>, OperatorError> {
        let Some(residual) = &self.config.residual else { return Ok(None) };
        let column = residual
            .run
            .evaluate(record, &eval_context(ctx))
            .map_err(|error| self.shape.evaluation(error))?;
        let mask = column
            .as_boolean_opt()
            .ok_or_else(|| self.shape.failed("the join condition is not BOOLEAN"))?;
        Ok(Some(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() }))
    }

    /// Keeps the rows that may still find a match; gives back the unmatched ones of an
    /// outer side that cannot.
    fn keep(&mut self, arrived: &Arrived) -> Vec<Box<[u8]>> {
        let side = arrived.side;
        let encoded = row::encode(arrived.batch.record.columns());
        let outer = self.sides[side].outer;
        let mut unmatched = Vec::new();
        for (row, &time_ms) in arrived.times.iter().enumerate() {
            let (_, last) = self.bounds(side, time_ms);
            let matched = arrived.matched[row];
            if self.progress.ms() >= last {
                if outer && !matched {
                    unmatched.push(encoded.row(row).into());
                }
                continue;
            }
            // A row with NULL in its key is kept just to be padded in time.
            if arrived.no_key[row] && !outer {
                continue;
            }
            let key = self.keys.find_or_insert(arrived.hashes[row], arrived.keys.row(row)).0;
            self.keys.mark_used(key);
            let arrival = self.arrivals;
            self.arrivals += 1;
            let row = encoded.row(row).into();
            self.sides[side].keep(Kept { key, time_ms, arrival, matched, is_live: true, row });
        }
        unmatched
    }

    fn pad<'a>(
        &self,
        side: usize,
        rows: impl Iterator<Item = &'a [u8]>,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let rows: Vec<&[u8]> = rows.collect();
        for rows in rows.chunks(BATCH_ROWS) {
            let own = row::decode(&self.sides[side].types, rows.iter().copied())
                .map_err(|error| self.shape.damaged(error))?;
            let other: Vec<ArrayRef> = self.sides[1 - side]
                .types
                .iter()
                .map(|data_type| new_null_array(data_type, rows.len()))
                .collect();
            let columns = if side == 0 { [own, other] } else { [other, own] }.concat();
            out.emit(Batch::insert_only(self.shape.record(columns, rows.len())?));
        }
        Ok(())
    }

    /// Drops rows whose interval is closed, padding those of an outer side.
    fn close(&mut self, progress_ms: i64, out: &mut Output) -> Result<(), OperatorError> {
        self.progress.advance(progress_ms);
        for side in [0, 1] {
            let closed = self.sides[side].close(self.progress.ms());
            if self.sides[side].outer {
                let unmatched = closed.iter().filter(|kept| !kept.matched);
                self.pad(side, unmatched.map(|kept| &*kept.row), out)?;
            }
            for kept in closed {
                let used = self.sides.iter().any(|side| side.has_key(kept.key));
                if used {
                    self.keys.mark_dirty(kept.key);
                } else if self.keys.find_slot(kept.key) {
                    self.keys.remove(kept.key);
                }
            }
        }
        Ok(())
    }
}

impl Operator for IntervalJoin {
    /// A row may be joined or padded until the watermark is past the end of its interval.
    fn watermark_delay_ms(&self) -> i64 {
        let [left, right] = [self.config.lower_ms.saturating_neg(), self.config.upper_ms];
        if self.is_proctime() { 0 } else { left.max(right).max(0) }
    }

    fn on_batch(
        &mut self,
        input: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let now = if self.is_proctime() { ctx.processing_time_ms } else { ctx.watermark.0 };
        self.progress.advance(now);
        let mut arrived = self.arrive(input, batch, ctx)?;
        self.join(&mut arrived, ctx, out)?;
        let unmatched = self.keep(&arrived);
        self.pad(input, unmatched.iter().map(|row| &**row), out)
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.is_proctime() { Ok(()) } else { self.close(ctx.watermark.0, out) }
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.is_proctime() { self.close(ctx.processing_time_ms, out) } else { Ok(()) }
    }

    fn next_processing_timer(&self) -> Option<i64> {
        if !self.is_proctime() {
            return None;
        }
        let firsts = self.sides.iter().filter_map(|side| side.by_deadline.first_key_value());
        firsts.map(|(deadline, _)| deadline.saturating_add(1)).min()
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
        let (progress, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.table == PROGRESS);
        if !progress.is_empty() {
            self.progress = Progress::load(&progress, &self.shape)?;
        }
        let mut restored = self.read(&entries)?;
        restored.sort_by_key(|(_, kept)| kept.arrival);
        for (side, kept) in restored {
            self.arrivals = self.arrivals.max(kept.arrival.saturating_add(1));
            self.sides[side].keep(kept);
        }
        Ok(())
    }
}

impl Pageable for IntervalJoin {
    fn table(&self) -> &KeyTable {
        &self.keys
    }

    fn table_mut(&mut self) -> &mut KeyTable {
        &mut self.keys
    }

    fn key_columns(&self, input: usize) -> &[usize] {
        self.columns_of_key(input)
    }

    fn prefix_bytes(&self) -> usize {
        ARRIVAL_BYTES
    }

    fn progress_table(&self) -> Option<u8> {
        Some(PROGRESS)
    }

    fn save_progress(&self, ctx: &OperatorContext, writer: &mut dyn StateWriter) {
        self.progress.save(PROGRESS, ctx, writer);
    }

    fn has_timers(&self) -> bool {
        true
    }

    /// Just behind the first deadline.
    fn due_ms(&self, slot: u32) -> Option<i64> {
        let first = |side: &Side| Some(side.deadline_ms(side.rows_of(slot).first()?.0));
        self.sides.iter().filter_map(first).min().map(|deadline| deadline.saturating_add(1))
    }

    fn goes_by_clock(&self) -> bool {
        self.is_proctime()
    }

    fn marks_what_it_uses(&self) -> bool {
        true
    }

    fn changes_what_it_touches(&self) -> bool {
        false
    }

    fn save(&self, slots: &[u32], _: &OperatorContext, put: &mut Put<'_>) {
        for (table, side) in self.sides.iter().enumerate() {
            let of_slot = |at: usize| {
                side.rows_of(slots[at]).iter().map(move |(_, id)| (at, &side.rows[*id as usize]))
            };
            let kept: Vec<(usize, &Kept)> = (0..slots.len()).flat_map(of_slot).collect();
            let arrivals = Int64Array::from_iter_values(kept.iter().map(|(_, kept)| kept.arrival));
            let times = Int64Array::from_iter_values(kept.iter().map(|(_, kept)| kept.time_ms));
            let matched: Vec<bool> = kept.iter().map(|(_, kept)| kept.matched).collect();
            let rows = BinaryArray::from_iter_values(kept.iter().map(|(_, kept)| &*kept.row));
            let prefixes = row::encode(&[Arc::new(arrivals)]);
            let values = row::encode(&[
                Arc::new(times),
                Arc::new(BooleanArray::from(matched)),
                Arc::new(rows),
            ]);
            for (row, (at, _)) in kept.iter().enumerate() {
                put(*at, table as u8, prefixes.row(row), values.row(row));
            }
        }
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            self.sides.iter_mut().for_each(|side| side.drop_key(slot));
            self.keys.evict(slot);
        }
        self.sides.iter_mut().for_each(Side::drop_stale);
    }

    fn memory_bytes(&self) -> usize {
        let rows: usize = self.sides.iter().map(|side| side.held_bytes).sum();
        self.keys.memory_bytes() + rows
    }

    fn life_of(&self, _: u8) -> Option<(i64, usize)> {
        None
    }
}

impl IntervalJoin {
    fn read(&mut self, entries: &[StateEntry]) -> Result<Vec<(usize, Kept)>, OperatorError> {
        let mut parts = Vec::with_capacity(entries.len());
        for entry in entries {
            let split = entry.key.split_at_checked(ARRIVAL_BYTES);
            let known = split.filter(|_| usize::from(entry.table) < self.sides.len());
            parts.push(
                known.ok_or_else(|| {
                    self.shape.damaged(format!("an entry of table {}", entry.table))
                })?,
            );
        }
        let damaged = |error| self.shape.damaged(error);
        let arrivals =
            row::decode(&[ArrowType::Int64], parts.iter().map(|part| part.0)).map_err(damaged)?;
        let types = [ArrowType::Int64, ArrowType::Boolean, ArrowType::Binary];
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(damaged)?;
        let rows = columns[2].as_binary::<i32>();
        for (side, held) in self.sides.iter().enumerate() {
            let of_side = (0..entries.len()).filter(|&at| usize::from(entries[at].table) == side);
            row::decode(&held.types, of_side.map(|at| rows.value(at))).map_err(damaged)?;
        }
        let read = parts.iter().enumerate().map(|(at, (_, key))| {
            let kept = Kept {
                key: self.keys.find_or_insert(row::hash(key), key).0,
                time_ms: columns[0].as_primitive::<Int64Type>().value(at),
                arrival: arrivals[0].as_primitive::<Int64Type>().value(at),
                matched: columns[1].as_boolean().value(at),
                is_live: true,
                row: rows.value(at).into(),
            };
            (usize::from(entries[at].table), kept)
        });
        Ok(read.collect())
    }
}
