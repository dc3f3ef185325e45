//! Unbounded GROUP BY (rows B2.1 to B2.7): every input row may change its group's row.
//!
//! For each input row, in order: the group's first row emits `+I`; a changed result
//! emits `-U` and `+U`; an unchanged one emits nothing, unless state has a
//! time-to-live, when it is sent so that downstream state stays alive (row B2.2); a
//! group whose last row is retracted emits `-D` and is forgotten (row B2.3). A
//! retraction for a group that is not there is dropped.
//!
//! In mini-batches it says what became of each group since the last time it spoke: see
//! [`mini_batch`].
//!
//! State: table 0, one entry a group: key -> rows in the group, last write, aggregates.

mod global;
pub mod local;
mod mini_batch;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::compute::{filter_record_batch, kernels::cmp::distinct};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::GroupAggregate as Config;
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::cow::CowVec;
use millrace_state::row::{self, EncodedRows};

use self::mini_batch::Pending;
use super::aggregate::{Calls, FrozenCalls, Partials, Steps, Traced};
use super::calc::filter_kinds;
use super::frozen::{FrozenColumns, PutOfSlots, freeze};
use super::keys::KeyTable;
use super::paged::{Pageable, Put};
use super::shape::{BATCH_ROWS, Picks, Shape};
use super::ttl::{FrozenTtl, Ttl};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const GROUPS: u8 = 0;

pub struct GroupAggregate {
    shape: Shape,
    keys: Vec<usize>,
    emit_update_before: bool,
    calls: Calls,
    groups: KeyTable,
    /// Rows in each group; 0: the slot is free.
    counts: CowVec<i64>,
    ttl: Ttl,
    /// In mini-batches: the groups that changed and were not told of.
    pending: Option<Pending>,
    /// The input is partial results.
    partials: Option<Partials>,
}

/// What the rows of a batch do to their groups.
#[derive(Debug, Default)]
struct Plan {
    slots: Vec<u32>,
    /// The group begins with this row.
    fresh: Vec<bool>,
    /// The group ends with this row.
    dies: Vec<bool>,
    accumulate: Vec<bool>,
    /// Rows that retract what is not there; they do nothing.
    ignored: Vec<usize>,
}

impl GroupAggregate {
    /// # Errors
    /// An aggregate does not take its argument types.
    pub fn new(
        config: &Config,
        output: &Schema,
        name: &str,
    ) -> Result<GroupAggregate, OperatorError> {
        let shape = Shape::new(name, output);
        let calls =
            Calls::new(&config.aggregates, config.retracts).map_err(|error| shape.failed(error))?;
        let partials = config.merges.then(|| Partials::new(&config.aggregates, config.retracts));
        Ok(GroupAggregate {
            keys: config.keys.clone(),
            emit_update_before: config.emit_update_before,
            calls,
            groups: KeyTable::default(),
            counts: CowVec::default(),
            ttl: Ttl::new(config.state_ttl_ms),
            pending: config.mini_batch.map(|mini_batch| Pending::new(mini_batch, config.merges)),
            partials: partials.transpose().map_err(|error| shape.failed(error))?,
            shape,
        })
    }

    /// The plan of a batch, and the batch without the rows that do nothing.
    fn planned(
        &mut self,
        mut batch: Batch,
        ctx: &OperatorContext,
    ) -> Result<(Batch, Plan), OperatorError> {
        let plan = self.plan(&batch, ctx);
        if !plan.ignored.is_empty() {
            batch = without(&batch, &plan.ignored).map_err(|error| self.shape.failed(error))?;
        }
        self.calls.resize(self.groups.slab.capacity());
        Ok((batch, plan))
    }

    fn plan(&mut self, batch: &Batch, ctx: &OperatorContext) -> Plan {
        let mut lookups = Lookups::new(batch, &self.keys);
        let mut plan = Plan::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let adds = batch.kind(row).is_accumulate();
            match lookups.find(&mut self.groups, &self.keys, row, adds) {
                Some((slot, is_new)) if adds => self.plan_add(&mut plan, slot, is_new, ctx),
                Some((slot, _)) if self.plan_retract(&mut plan, slot, ctx) => {}
                _ => plan.ignored.push(row),
            }
        }
        plan
    }

    fn plan_add(&mut self, plan: &mut Plan, slot: u32, is_new: bool, ctx: &OperatorContext) {
        self.counts.grow(slot as usize + 1);
        let fresh = is_new || self.is_gone(slot, ctx);
        let count = &mut self.counts[slot as usize];
        *count = if fresh { 1 } else { *count + 1 };
        self.ttl.write(slot, ctx.processing_time_ms);
        plan.push(slot, fresh, false, true);
    }

    fn plan_retract(&mut self, plan: &mut Plan, slot: u32, ctx: &OperatorContext) -> bool {
        if self.is_gone(slot, ctx) {
            return false;
        }
        self.counts[slot as usize] -= 1;
        self.ttl.write(slot, ctx.processing_time_ms);
        plan.push(slot, false, self.counts[slot as usize] == 0, false);
        true
    }

    fn is_gone(&self, slot: u32, ctx: &OperatorContext) -> bool {
        self.counts[slot as usize] == 0 || self.ttl.is_expired(slot, ctx)
    }

    /// Which rows changed a value of their group; all when updates refresh state.
    fn changed(&self, traced: &[Traced], rows: usize) -> Vec<bool> {
        if self.ttl.is_on() {
            return vec![true; rows];
        }
        let mut changed = vec![false; rows];
        for Traced { before, after } in traced {
            if changed.iter().all(|changed| *changed) {
                break;
            }
            let differs = differs(before, after);
            changed.iter_mut().zip(differs).for_each(|(changed, differs)| *changed |= differs);
        }
        changed
    }

    /// The rows to emit: source 0 is the values after each input row, 1 those before.
    fn picks(&self, plan: &Plan, changed: &[bool]) -> Picks {
        let mut picks = Picks::default();
        for (row, &changed) in changed.iter().enumerate() {
            if plan.fresh[row] {
                picks.push(RowKind::Insert, 0, row);
            } else if plan.dies[row] {
                picks.push(RowKind::Delete, 1, row);
            } else if changed {
                if self.emit_update_before {
                    picks.push(RowKind::UpdateBefore, 1, row);
                }
                picks.push(RowKind::UpdateAfter, 0, row);
            }
        }
        picks
    }

    fn emit(
        &self,
        batch: &Batch,
        traced: &[Traced],
        picks: Picks,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if picks.rows.is_empty() {
            return Ok(());
        }
        let mut columns = Vec::with_capacity(self.keys.len() + traced.len());
        for &key in &self.keys {
            let column = batch.record.column(key);
            columns.push(picks.column(&[column, column]));
        }
        for Traced { before, after } in traced {
            columns.push(picks.column(&[after, before]));
        }
        let columns: Vec<ArrayRef> =
            columns.into_iter().collect::<Result<_, _>>().map_err(|e| self.shape.failed(e))?;
        let record = self.shape.record(columns, picks.rows.len())?;
        out.emit(Batch::changelog(record, picks.kinds));
        Ok(())
    }

    /// Forgets those of these groups that ended and stayed so, and some whose time is
    /// over: more of them the more rows came.
    fn forget(&mut self, ended: impl Iterator<Item = u32>, rows: usize, ctx: &OperatorContext) {
        for slot in ended {
            if self.counts[slot as usize] == 0 && self.groups.find_slot(slot) {
                self.drop_group(slot);
            }
        }
        for slot in self.ttl.sweep(rows, ctx) {
            if self.counts[slot as usize] > 0 {
                self.drop_group(slot);
            }
        }
    }

    fn drop_group(&mut self, slot: u32) {
        self.counts[slot as usize] = 0;
        self.calls.clear(slot);
        self.groups.remove(slot);
    }

    fn saved(&self, slots: &[u32]) -> Vec<ArrayRef> {
        let written = slots.iter().map(|&slot| self.ttl.written_ms(slot));
        saved_columns(&self.counts, slots, written, self.calls.save(slots))
    }

    fn frozen(&mut self, ctx: &OperatorContext) -> FrozenGroups {
        let (counts, ttl) = (self.counts.freeze(), self.ttl.freeze(ctx));
        let slots = 0..self.groups.slab.capacity() as u32;
        let live = || slots.filter(|&slot| is_live(&counts, &ttl, slot)).collect();
        let calls = self.calls.freeze(live);
        FrozenGroups { counts, ttl, calls }
    }

    fn state_types(&self) -> Vec<ArrowType> {
        let mut types = vec![ArrowType::Int64, ArrowType::Int64];
        types.extend(self.calls.saved_types());
        types
    }
}

/// The groups as they were at a barrier.
#[derive(Debug)]
struct FrozenGroups {
    counts: CowVec<i64>,
    ttl: FrozenTtl,
    calls: FrozenCalls,
}

impl FrozenColumns for FrozenGroups {
    fn has(&self, slot: u32) -> bool {
        is_live(&self.counts, &self.ttl, slot)
    }

    fn write(&self, slots: &[u32], put: PutOfSlots<'_>) {
        for slots in slots.chunks(BATCH_ROWS) {
            let written = slots.iter().map(|&slot| self.ttl.written_ms(slot));
            let columns = saved_columns(&self.counts, slots, written, self.calls.save(slots));
            let values = row::encode(&columns);
            slots
                .iter()
                .zip(values.iter())
                .for_each(|(slot, value)| put(*slot, GROUPS, &[], value));
        }
    }
}

fn is_live(counts: &CowVec<i64>, ttl: &FrozenTtl, slot: u32) -> bool {
    counts.get(slot as usize).is_some_and(|count| *count > 0) && !ttl.is_expired(slot)
}

/// What the values of the slots' entries are the row bytes of.
fn saved_columns(
    counts: &CowVec<i64>,
    slots: &[u32],
    written: impl Iterator<Item = i64>,
    calls: Vec<ArrayRef>,
) -> Vec<ArrayRef> {
    let counts = slots.iter().map(|&slot| counts[slot as usize]);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(counts)),
        Arc::new(Int64Array::from_iter_values(written)),
    ];
    columns.extend(calls);
    columns
}

impl Plan {
    fn with_capacity(rows: usize) -> Plan {
        Plan {
            slots: Vec::with_capacity(rows),
            fresh: Vec::with_capacity(rows),
            dies: Vec::with_capacity(rows),
            accumulate: Vec::with_capacity(rows),
            ignored: Vec::new(),
        }
    }

    fn steps(&self, batch: &Batch) -> Steps<'_> {
        Steps {
            slots: &self.slots,
            fresh: Some(&self.fresh),
            accumulate: batch.kinds.is_some().then_some(self.accumulate.as_slice()),
        }
    }

    fn push(&mut self, slot: u32, fresh: bool, dies: bool, accumulate: bool) {
        self.slots.push(slot);
        self.fresh.push(fresh);
        self.dies.push(dies);
        self.accumulate.push(accumulate);
    }
}

/// The groups of a batch's rows.
struct Lookups<'a> {
    batch: &'a Batch,
    ints: Option<&'a [i64]>,
    /// Made when a row needs them.
    keys: Option<EncodedRows>,
}

impl<'a> Lookups<'a> {
    fn new(batch: &'a Batch, columns: &[usize]) -> Lookups<'a> {
        Lookups { batch, ints: int_keys(batch, columns), keys: None }
    }

    /// The group's slot and whether it is new; one that is not there is made when the
    /// row `adds` to it.
    #[inline]
    fn find(
        &mut self,
        groups: &mut KeyTable,
        columns: &[usize],
        row: usize,
        adds: bool,
    ) -> Option<(u32, bool)> {
        let known = self.ints.and_then(|ints| groups.slab.ints.find(ints[row]));
        known.map(|slot| (slot, false)).or_else(|| self.find_bytes(groups, columns, row, adds))
    }

    fn find_bytes(
        &mut self,
        groups: &mut KeyTable,
        columns: &[usize],
        row: usize,
        adds: bool,
    ) -> Option<(u32, bool)> {
        let record = &self.batch.record;
        let keys = self.keys.get_or_insert_with(|| row::encode_column_subset(record, columns));
        let (key, hash) = (keys.row(row), row::hash(keys.row(row)));
        let found = match adds {
            true => Some(groups.find_or_insert(hash, key)),
            false => groups.find(hash, key).map(|slot| (slot, false)),
        };
        if let (Some((slot, _)), Some(ints)) = (found, self.ints) {
            groups.slab.ints.insert(ints[row], slot);
        }
        found
    }
}

/// The keys when they are one column of 64-bit integers without NULL.
fn int_keys<'a>(batch: &'a Batch, keys: &[usize]) -> Option<&'a [i64]> {
    let [key] = keys else { return None };
    let column = batch.record.column(*key);
    let ints = column.as_primitive_opt::<Int64Type>()?;
    (ints.null_count() == 0).then(|| ints.values().as_ref())
}

/// Row by row, whether two columns of one type differ; NULLs are equal.
fn differs(before: &ArrayRef, after: &ArrayRef) -> Vec<bool> {
    if !before.data_type().is_nested()
        && let Ok(differs) = distinct(before, after)
    {
        return differs.values().iter().collect();
    }
    let columns = [std::slice::from_ref(before), std::slice::from_ref(after)];
    let [before, after] = columns.map(row::encode);
    before.iter().zip(after.iter()).map(|(before, after)| before != after).collect()
}

/// The batch without some rows.
fn without(batch: &Batch, rows: &[usize]) -> Result<Batch, arrow::error::ArrowError> {
    let mut keep = vec![true; batch.num_rows()];
    rows.iter().for_each(|&row| keep[row] = false);
    let mask = BooleanArray::from(keep);
    let record = filter_record_batch(&batch.record, &mask)?;
    Ok(match filter_kinds(batch, Some(&mask)) {
        Some(kinds) => Batch::changelog(record, kinds),
        None => Batch::insert_only(record),
    })
}

impl Operator for GroupAggregate {
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
        let (batch, plan) = self.planned(batch, ctx)?;
        let steps = plan.steps(&batch);
        let traced = self.calls.trace(&batch.record, &steps);
        let changed = self.changed(&traced, plan.slots.len());
        let picks = self.picks(&plan, &changed);
        self.emit(&batch, &traced, picks, out)?;
        let ended = plan.slots.iter().zip(&plan.dies).filter(|(_, dies)| **dies);
        self.forget(ended.map(|(slot, _)| *slot), plan.slots.len(), ctx);
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
        freeze(self, |of| of.frozen(ctx), ctx, writer);
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        if let Some(entry) = entries.iter().find(|entry| entry.table != GROUPS) {
            return Err(self.shape.damaged(format!("unknown table {}", entry.table)));
        }
        let values = entries.iter().map(|entry| entry.value.as_slice());
        let columns =
            row::decode(&self.state_types(), values).map_err(|error| self.shape.damaged(error))?;
        let slots: Vec<u32> = entries
            .iter()
            .map(|entry| self.groups.find_or_insert(row::hash(&entry.key), &entry.key).0)
            .collect();
        self.calls.resize(self.groups.slab.capacity());
        self.counts.grow(self.groups.slab.capacity());
        let counts = columns[0].as_primitive::<Int64Type>().values();
        let written = columns[1].as_primitive::<Int64Type>().values();
        for (row, &slot) in slots.iter().enumerate() {
            self.counts[slot as usize] = counts[row];
            self.ttl.write(slot, written[row]);
        }
        self.calls.load(&slots, &columns[2..]).map_err(|error| self.shape.damaged(error))
    }
}

impl Pageable for GroupAggregate {
    fn table(&self) -> &KeyTable {
        &self.groups
    }

    fn table_mut(&mut self) -> &mut KeyTable {
        &mut self.groups
    }

    fn key_columns(&self, _: usize) -> &[usize] {
        &self.keys
    }

    fn save(&self, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>) {
        let live: Vec<usize> =
            (0..slots.len()).filter(|&at| !self.is_gone(slots[at], ctx)).collect();
        let slots: Vec<u32> = live.iter().map(|&at| slots[at]).collect();
        for (value, at) in row::encode(&self.saved(&slots)).iter().zip(live) {
            put(at, GROUPS, &[], value);
        }
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            self.counts[slot as usize] = 0;
            self.calls.clear(slot);
            self.groups.evict(slot);
        }
    }

    fn memory_bytes(&self) -> usize {
        let live = self.groups.slab.live();
        let of_slots = live * (size_of::<i64>() + self.ttl.slot_bytes());
        self.groups.memory_bytes() + of_slots + self.calls.memory_bytes(live)
    }

    fn is_pinned(&self, slot: u32) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.holds(slot))
    }

    fn life_of(&self, _: u8) -> Option<(i64, usize)> {
        self.ttl.life_ms().map(|ttl_ms| (ttl_ms, 1))
    }
}
