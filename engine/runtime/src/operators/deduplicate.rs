//! First or last row of each key by time (rows B9.8 to B9.12).
//!
//! Keeping the first row by the wall clock is insert-only. By event time, a row
//! replaces the kept one when it is strictly earlier (first) or not earlier (last);
//! late rows are not dropped, their time decides. Keeping the last by the wall clock
//! sends nothing for a row equal to the kept one, unless state has a time-to-live.
//!
//! State: table 0, one entry a key: key -> last write, time, kept row (empty when only
//! its presence matters).

mod mini_batch;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::{Deduplicate as Config, Keep, WindowTime};
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::cow::CowVec;
use millrace_state::row::{self, EncodedRows};

use self::mini_batch::Pending;
use super::frozen::{FrozenColumns, PutOfSlots, freeze};
use super::keys::KeyTable;
use super::paged::{Pageable, Put};
use super::shape::{Picks, Shape};
use super::ttl::{FrozenTtl, Ttl};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const KEPT: u8 = 0;

#[derive(Debug)]
pub struct Deduplicate {
    shape: Shape,
    config: Config,
    row_types: Vec<ArrowType>,
    keys: KeyTable,
    kept: CowVec<Kept>,
    /// Of the kept rows.
    held_bytes: usize,
    ttl: Ttl,
    /// In mini-batches: the keys that changed and were not told of.
    pending: Option<Pending>,
}

/// The row that a key shows.
#[derive(Clone, Debug, Default)]
struct Kept {
    in_use: bool,
    time_ms: i64,
    row: Arc<[u8]>,
}

/// What a batch changes: source 0 of the picks is the input, source 1 the replaced rows.
struct Replacements {
    picks: Picks,
    replaced: Vec<Arc<[u8]>>,
}

impl Deduplicate {
    pub fn new(config: &Config, output: &Schema, name: &str) -> Deduplicate {
        let shape = Shape::new(name, output);
        let row_types = shape.schema.fields().iter().map(|f| f.data_type().clone()).collect();
        Deduplicate {
            shape,
            config: config.clone(),
            row_types,
            keys: KeyTable::default(),
            kept: CowVec::default(),
            held_bytes: 0,
            ttl: Ttl::new(config.state_ttl_ms),
            pending: config.mini_batch.map(Pending::new),
        }
    }

    /// Only the first row of a key is ever shown: no row needs to be kept.
    fn is_presence_only(&self) -> bool {
        self.config.keep == Keep::First && self.config.time == WindowTime::Proctime
    }

    /// The key's slot when it shows a row.
    fn slot(&mut self, key: &[u8], ctx: &OperatorContext) -> (u32, bool) {
        let (slot, is_new) = self.keys.find_or_insert(row::hash(key), key);
        self.kept.grow(slot as usize + 1);
        let known = !is_new && !self.ttl.is_expired(slot, ctx);
        (slot, known)
    }

    fn first_by_clock(
        &mut self,
        batch: Batch,
        ctx: &OperatorContext,
    ) -> Result<Option<Batch>, OperatorError> {
        let keys = row::encode_column_subset(&batch.record, &self.config.keys);
        let mut first = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let (slot, known) = self.slot(key, ctx);
            if !known {
                self.kept[slot as usize].in_use = true;
                self.keys.mark_dirty(slot);
                self.ttl.write(slot, ctx.processing_time_ms);
                first.push(row as u32);
            }
        }
        if first.is_empty() {
            return Ok(None);
        }
        if first.len() == batch.num_rows() {
            return self.shape.rename(batch).map(Some);
        }
        let rows = UInt32Array::from(first);
        let columns = batch.record.columns().iter().map(|column| take(column, &rows, None));
        let columns =
            columns.collect::<Result<Vec<_>, _>>().map_err(|error| self.shape.failed(error))?;
        self.shape.record(columns, rows.len()).map(|record| Some(Batch::insert_only(record)))
    }

    /// Whether a row of this time and content replaces the kept one.
    fn replaces(&self, kept: &Kept, time_ms: i64, row: &[u8]) -> bool {
        match (self.config.time, self.config.keep) {
            (WindowTime::Rowtime(_), Keep::First) => time_ms < kept.time_ms,
            (WindowTime::Rowtime(_), Keep::Last) => time_ms >= kept.time_ms,
            (WindowTime::Proctime, Keep::First) => false,
            (WindowTime::Proctime, Keep::Last) => self.ttl.is_on() || *kept.row != *row,
        }
    }

    fn replace(
        &mut self,
        batch: &Batch,
        rows: &EncodedRows,
        ctx: &OperatorContext,
    ) -> Result<Replacements, OperatorError> {
        let times = match self.config.time {
            WindowTime::Rowtime(index) => self.shape.times_ms(batch.record.column(index))?,
            WindowTime::Proctime => vec![ctx.processing_time_ms; batch.num_rows()],
        };
        let keys = row::encode_column_subset(&batch.record, &self.config.keys);
        let (mut picks, mut replaced) = (Picks::default(), Vec::new());
        for (row, key) in keys.iter().enumerate() {
            let (slot, known) = self.slot(key, ctx);
            let kept = &self.kept[slot as usize];
            if known && !self.replaces(kept, times[row], rows.row(row)) {
                continue;
            }
            if let Some(pending) = &mut self.pending {
                pending.replaced(slot, known.then_some(&kept.row));
                self.keep(slot, times[row], rows.row(row), ctx);
                continue;
            }
            let kind = if known { RowKind::UpdateAfter } else { RowKind::Insert };
            if known && self.config.emit_update_before {
                picks.push(RowKind::UpdateBefore, 1, replaced.len());
                replaced.push(kept.row.clone());
            }
            picks.push(kind, 0, row);
            self.keep(slot, times[row], rows.row(row), ctx);
        }
        Ok(Replacements { picks, replaced })
    }

    fn keep(&mut self, slot: u32, time_ms: i64, row: &[u8], ctx: &OperatorContext) {
        self.put(slot, time_ms, row);
        self.ttl.write(slot, ctx.processing_time_ms);
    }

    fn put(&mut self, slot: u32, time_ms: i64, row: &[u8]) {
        let kept = &mut self.kept[slot as usize];
        self.held_bytes = self.held_bytes + row.len() - kept.row.len();
        *kept = Kept { in_use: true, time_ms, row: row.into() };
        self.keys.mark_dirty(slot);
    }

    fn drop_kept(&mut self, slot: u32) {
        self.held_bytes -= std::mem::take(&mut self.kept[slot as usize]).row.len();
    }

    fn forget_expired(&mut self, rows: usize, ctx: &OperatorContext) {
        for slot in self.ttl.sweep(rows, ctx) {
            if self.kept[slot as usize].in_use {
                self.drop_kept(slot);
                self.keys.remove(slot);
            }
        }
    }
}

impl Operator for Deduplicate {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.pending.is_some() {
            return self.take_in(batch, ctx, out);
        }
        let rows = batch.num_rows();
        if self.is_presence_only() {
            if let Some(batch) = self.first_by_clock(batch, ctx)? {
                out.emit(batch);
            }
        } else {
            let encoded = row::encode(batch.record.columns());
            let Replacements { picks, replaced } = self.replace(&batch, &encoded, ctx)?;
            out.emit(self.shape.picked(picks, &batch, &replaced)?);
        }
        self.forget_expired(rows, ctx);
        Ok(())
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        match &self.pending {
            Some(pending) if pending.filling.ends_at(ctx.watermark) => self.give_out(ctx, out),
            _ => Ok(()),
        }
    }

    fn next_processing_timer(&self) -> Option<i64> {
        self.pending.as_ref().and_then(|pending| pending.filling.due_ms())
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        match &self.pending {
            Some(pending) if pending.filling.is_due(ctx) => self.give_out(ctx, out),
            _ => Ok(()),
        }
    }

    fn flush(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.give_out(ctx, out)
    }

    fn on_end(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.give_out(ctx, out)
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        if self.pending.as_ref().is_some_and(|pending| !pending.is_empty()) {
            return Err(self.shape.failed("a snapshot before its mini-batch was given out"));
        }
        let frozen = |of: &mut Deduplicate| FrozenDeduplicate {
            kept: of.kept.freeze(),
            ttl: of.ttl.freeze(ctx),
        };
        freeze(self, frozen, ctx, writer);
        Ok(())
    }

    fn restore(
        &mut self,
        ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let types = [ArrowType::Int64, ArrowType::Int64, ArrowType::Binary];
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(|error| self.shape.damaged(error))?;
        let [written, times] = [0, 1].map(|at: usize| columns[at].as_primitive::<Int64Type>());
        let rows = columns[2].as_binary::<i32>();
        if !self.is_presence_only() {
            row::decode(&self.row_types, (0..rows.len()).map(|at| rows.value(at)))
                .map_err(|error| self.shape.damaged(error))?;
        }
        for (at, entry) in entries.iter().enumerate() {
            if entry.table != KEPT {
                return Err(self.shape.damaged(format!("unknown table {}", entry.table)));
            }
            let (slot, _) = self.slot(&entry.key, ctx);
            self.put(slot, times.value(at), rows.value(at));
            self.ttl.write(slot, written.value(at));
        }
        Ok(())
    }
}

/// The kept rows as they were at a barrier.
#[derive(Debug)]
struct FrozenDeduplicate {
    kept: CowVec<Kept>,
    ttl: FrozenTtl,
}

impl FrozenColumns for FrozenDeduplicate {
    fn has(&self, slot: u32) -> bool {
        self.kept.get(slot as usize).is_some_and(|kept| kept.in_use)
    }

    fn write(&self, slots: &[u32], put: PutOfSlots<'_>) {
        let mut value = Vec::new();
        for &slot in slots.iter().filter(|slot| !self.ttl.is_expired(**slot)) {
            let kept = &self.kept[slot as usize];
            value.clear();
            row::push_int(&mut value, self.ttl.written_ms(slot));
            row::push_int(&mut value, kept.time_ms);
            row::push_binary(&mut value, &kept.row);
            put(slot, KEPT, &[], &value);
        }
    }
}

/// A kept row and the counters that it is shared by.
const KEPT_BYTES: usize = size_of::<Kept>() + 16;

impl Pageable for Deduplicate {
    fn table(&self) -> &KeyTable {
        &self.keys
    }

    fn table_mut(&mut self) -> &mut KeyTable {
        &mut self.keys
    }

    fn key_columns(&self, _: usize) -> &[usize] {
        &self.config.keys
    }

    fn save(&self, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>) {
        let live: Vec<usize> =
            (0..slots.len()).filter(|&at| !self.ttl.is_expired(slots[at], ctx)).collect();
        let kept = || live.iter().map(|&at| &self.kept[slots[at] as usize]);
        let written = live.iter().map(|&at| self.ttl.written_ms(slots[at]));
        let columns: [ArrayRef; 3] = [
            Arc::new(Int64Array::from_iter_values(written)),
            Arc::new(Int64Array::from_iter_values(kept().map(|kept| kept.time_ms))),
            Arc::new(BinaryArray::from_iter_values(kept().map(|kept| &*kept.row))),
        ];
        for (value, &at) in row::encode(&columns).iter().zip(&live) {
            put(at, KEPT, &[], value);
        }
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            self.drop_kept(slot);
            self.keys.evict(slot);
        }
    }

    fn memory_bytes(&self) -> usize {
        let of_slots = self.keys.slab.live() * (KEPT_BYTES + self.ttl.slot_bytes());
        self.keys.memory_bytes() + of_slots + self.held_bytes
    }

    fn changes_what_it_touches(&self) -> bool {
        false
    }

    fn is_pinned(&self, slot: u32) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.holds(slot))
    }

    fn life_of(&self, _: u8) -> Option<(i64, usize)> {
        self.ttl.life_ms().map(|ttl_ms| (ttl_ms, 0))
    }
}
