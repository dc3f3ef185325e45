//! An upsert stream becomes a full changelog (rows B12.16, B12.20): the last row of
//! each key is kept, so that a change can say what it replaces and a deletion, of which
//! perhaps only the key was sent, what it takes away.
//!
//! A row equal to the kept one sends nothing, unless state has a time-to-live. A
//! deletion of an unknown key sends nothing. -U is not looked at: the kept row says the
//! same.
//!
//! In mini-batches a key says what became of it since the last one: see [`mini_batch`].
//!
//! Source of the rule: Flink `ProcTimeDeduplicateKeepLastRowFunction` over a changelog.
//!
//! State: table 0, one entry a key: key -> last write, row.

mod mini_batch;

use std::sync::Arc;

use arrow::array::{AsArray, BinaryArray, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::ChangelogNormalize as Config;
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::row;

use self::mini_batch::Pending;
use super::keys::KeyTable;
use super::paged::{Pageable, Put, snapshot_all};
use super::shape::{Picks, Shape};
use super::ttl::Ttl;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const KEPT: u8 = 0;

#[derive(Debug)]
pub struct ChangelogNormalize {
    shape: Shape,
    config: Config,
    row_types: Vec<ArrowType>,
    keys: KeyTable,
    /// The row of each slot; `None` for slots that are free.
    kept: Vec<Option<Arc<[u8]>>>,
    /// Of the kept rows.
    held_bytes: usize,
    ttl: Ttl,
    /// In mini-batches: the keys that changed and were not told of.
    pending: Option<Pending>,
}

/// What a batch changes: source 0 of the picks is the input, source 1 the kept rows
/// that gave way.
#[derive(Debug, Default)]
struct Changes {
    picks: Picks,
    before: Vec<Arc<[u8]>>,
}

impl Changes {
    fn push_before(&mut self, kind: RowKind, row: Arc<[u8]>) {
        self.picks.push(kind, 1, self.before.len());
        self.before.push(row);
    }
}

impl ChangelogNormalize {
    pub fn new(config: &Config, output: &Schema, name: &str) -> ChangelogNormalize {
        let shape = Shape::new(name, output);
        let row_types = shape.schema.fields().iter().map(|f| f.data_type().clone()).collect();
        ChangelogNormalize {
            shape,
            config: config.clone(),
            row_types,
            keys: KeyTable::default(),
            kept: Vec::new(),
            held_bytes: 0,
            ttl: Ttl::new(config.state_ttl_ms),
            pending: config.mini_batch.map(Pending::new),
        }
    }

    fn changes(&mut self, batch: &Batch, ctx: &OperatorContext) -> Changes {
        let keys = row::encode_column_subset(&batch.record, &self.config.keys);
        let hashes = row::hashes(&keys);
        let rows = row::encode(batch.record.columns());
        let mut changes = Changes::default();
        for (at, &hash) in hashes.iter().enumerate() {
            match batch.kind(at) {
                RowKind::Insert | RowKind::UpdateAfter => {
                    let (slot, known) = self.slot(hash, keys.row(at), ctx);
                    self.set(slot, known, at, rows.row(at), ctx, &mut changes);
                }
                RowKind::Delete => self.delete(hash, keys.row(at), ctx, &mut changes),
                RowKind::UpdateBefore => {}
            }
        }
        changes
    }

    /// The key's slot, and whether it shows a row.
    fn slot(&mut self, hash: u64, key: &[u8], ctx: &OperatorContext) -> (u32, bool) {
        let (slot, is_new) = self.keys.find_or_insert(hash, key);
        if self.kept.len() <= slot as usize {
            self.kept.resize(slot as usize + 1, None);
        }
        (slot, !is_new && !self.ttl.is_expired(slot, ctx))
    }

    fn set(
        &mut self,
        slot: u32,
        known: bool,
        at: usize,
        row: &[u8],
        ctx: &OperatorContext,
        changes: &mut Changes,
    ) {
        match self.kept[slot as usize].as_ref().filter(|_| known) {
            Some(before) => {
                if !self.ttl.is_on() && **before == *row {
                    return;
                }
                if self.config.emit_update_before {
                    changes.push_before(RowKind::UpdateBefore, before.clone());
                }
                changes.picks.push(RowKind::UpdateAfter, 0, at);
            }
            None => changes.picks.push(RowKind::Insert, 0, at),
        }
        self.keep(slot, row);
        self.ttl.write(slot, ctx.processing_time_ms);
    }

    fn delete(&mut self, hash: u64, key: &[u8], ctx: &OperatorContext, changes: &mut Changes) {
        let Some(slot) = self.keys.find(hash, key) else { return };
        let expired = self.ttl.is_expired(slot, ctx);
        if let Some(row) = self.take(slot).filter(|_| !expired) {
            changes.push_before(RowKind::Delete, row);
        }
        self.keys.remove(slot);
    }

    fn keep(&mut self, slot: u32, row: &[u8]) {
        self.take(slot);
        self.held_bytes += row.len();
        self.kept[slot as usize] = Some(row.into());
        self.keys.mark_dirty(slot);
    }

    fn take(&mut self, slot: u32) -> Option<Arc<[u8]>> {
        let kept = self.kept[slot as usize].take();
        self.held_bytes -= kept.as_ref().map_or(0, |row| row.len());
        kept
    }

    fn forget_expired(&mut self, rows: usize, ctx: &OperatorContext) {
        for slot in self.ttl.sweep(rows, ctx) {
            if self.take(slot).is_some() {
                self.keys.remove(slot);
            }
        }
    }
}

impl Operator for ChangelogNormalize {
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
        let Changes { picks, before } = self.changes(&batch, ctx);
        if !picks.rows.is_empty() {
            out.emit(self.shape.picked(picks, &batch, &before)?);
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
        snapshot_all(self, ctx, writer);
        Ok(())
    }

    fn restore(
        &mut self,
        ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let types = [ArrowType::Int64, ArrowType::Binary];
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(|error| self.shape.damaged(error))?;
        let written = columns[0].as_primitive::<Int64Type>();
        let rows = columns[1].as_binary::<i32>();
        row::decode(&self.row_types, (0..entries.len()).map(|at| rows.value(at)))
            .map_err(|error| self.shape.damaged(error))?;
        for (at, entry) in entries.iter().enumerate() {
            if entry.table != KEPT {
                return Err(self.shape.damaged(format!("unknown table {}", entry.table)));
            }
            let (slot, _) = self.slot(row::hash(&entry.key), &entry.key, ctx);
            self.keep(slot, rows.value(at));
            self.ttl.write(slot, written.value(at));
        }
        Ok(())
    }
}

/// A kept row and the counters that it is shared by.
const KEPT_BYTES: usize = size_of::<Option<Arc<[u8]>>>() + 16;

impl Pageable for ChangelogNormalize {
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
        let alive = (0..slots.len()).filter(|&at| !self.ttl.is_expired(slots[at], ctx));
        let kept: Vec<(usize, &[u8])> = alive
            .filter_map(|at| self.kept[slots[at] as usize].as_deref().map(|row| (at, row)))
            .collect();
        let written = kept.iter().map(|(at, _)| self.ttl.written_ms(slots[*at]));
        let values = row::encode(&[
            Arc::new(Int64Array::from_iter_values(written)),
            Arc::new(BinaryArray::from_iter_values(kept.iter().map(|(_, row)| row))),
        ]);
        for (value, (at, _)) in values.iter().zip(&kept) {
            put(*at, KEPT, &[], value);
        }
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            self.take(slot);
            self.keys.evict(slot);
        }
    }

    fn memory_bytes(&self) -> usize {
        let of_slots = self.keys.slab.live() * (KEPT_BYTES + self.ttl.slot_bytes());
        self.keys.memory_bytes() + of_slots + self.held_bytes
    }

    fn is_pinned(&self, slot: u32) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.holds(slot))
    }

    fn changes_what_it_touches(&self) -> bool {
        false
    }

    fn life_of(&self, _: u8) -> Option<(i64, usize)> {
        self.ttl.life_ms().map(|ttl_ms| (ttl_ms, 0))
    }
}
