//! GROUP BY in mini-batches (rows F1.2 to F1.4; Flink: `MiniBatchGroupAggFunction`): rows
//! change the aggregates at once, and of a group that they change what it showed before
//! is remembered. At the end of the mini-batch each such group emits one change: `+I`
//! when it began, `-D` when it ended, `-U` and `+U` when its values differ (or state has
//! a time-to-live); nothing when it came and went, or is as it was. Groups are in the
//! order of their first row.
//!
//! Nothing of this is state: the mini-batch ends before a snapshot.

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::{concat, take};
use millrace_dataflow::graph::MiniBatch;
use millrace_dataflow::{Batch, RowKind};

use super::{GroupAggregate, Plan, differs};
use crate::operator::{OperatorContext, OperatorError, Output};
use crate::operators::mini_batch::Filling;
use crate::operators::shape::{BATCH_ROWS, Picks};

/// The groups that changed in this mini-batch. Their slots stay theirs until its end.
#[derive(Debug)]
pub struct Pending {
    pub filling: Filling,
    slots: Vec<u32>,
    /// By slot.
    is_in: Vec<bool>,
    /// Whether the group was there before.
    existed: Vec<bool>,
    /// The key columns, then the aggregates before the first row; in pieces that
    /// together have a row a group.
    before: Vec<Vec<ArrayRef>>,
}

/// Rows of a batch that are the first of their groups in this mini-batch.
#[derive(Debug, Default)]
struct First {
    rows: Vec<u32>,
    slots: Vec<u32>,
    existed: Vec<bool>,
}

impl Pending {
    /// `merges`: its input comes in mini-batches, too.
    pub fn new(config: MiniBatch, merges: bool) -> Pending {
        let filling = if merges { Filling::after_others } else { Filling::new };
        Pending {
            filling: filling(config),
            slots: Vec::new(),
            is_in: Vec::new(),
            existed: Vec::new(),
            before: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether the slot's change was not told of yet.
    pub fn holds(&self, slot: u32) -> bool {
        self.is_in.get(slot as usize).is_some_and(|is_in| *is_in)
    }

    /// The rows that bring groups into the mini-batch.
    fn first(&mut self, plan: &Plan, capacity: usize) -> First {
        self.is_in.resize(capacity.max(self.is_in.len()), false);
        let mut first = First::default();
        for (row, &slot) in plan.slots.iter().enumerate() {
            if !std::mem::replace(&mut self.is_in[slot as usize], true) {
                first.rows.push(row as u32);
                first.slots.push(slot);
                first.existed.push(!plan.fresh[row]);
            }
        }
        first
    }

    fn add(&mut self, first: First, before: Vec<ArrayRef>) {
        self.slots.extend(first.slots);
        self.existed.extend(first.existed);
        self.before.push(before);
    }
}

impl GroupAggregate {
    /// Applies a batch, giving out every mini-batch that it fills.
    pub(super) fn take_in(
        &mut self,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let mut rest = Some(batch);
        while let (Some(batch), Some(pending)) = (rest.take(), &self.pending) {
            let (now, later) = pending.filling.split(batch);
            if self.apply(now, ctx)? {
                self.give_out(ctx, out)?;
            }
            rest = later;
        }
        Ok(())
    }

    /// Whether the mini-batch is full now.
    fn apply(&mut self, batch: Batch, ctx: &OperatorContext) -> Result<bool, OperatorError> {
        if self.partials.is_some() {
            return self.apply_mixed(&batch, ctx);
        }
        self.apply_rows(batch, ctx)
    }

    pub(super) fn apply_rows(
        &mut self,
        batch: Batch,
        ctx: &OperatorContext,
    ) -> Result<bool, OperatorError> {
        let rows = batch.num_rows();
        let (batch, plan) = self.planned(batch, ctx)?;
        let is_full = self.remember(&batch, &plan, rows, ctx)?;
        self.calls.update(&batch.record, &plan.steps(&batch));
        Ok(is_full)
    }

    /// Keeps what the groups showed before their first row of the mini-batch; whether it
    /// is full now.
    pub(super) fn remember(
        &mut self,
        batch: &Batch,
        plan: &Plan,
        rows: usize,
        ctx: &OperatorContext,
    ) -> Result<bool, OperatorError> {
        let Some(pending) = &mut self.pending else { return Ok(false) };
        let first = pending.first(plan, self.groups.slab.capacity());
        if !first.rows.is_empty() {
            let at = UInt32Array::from(first.rows.clone());
            let keys = self.keys.iter().map(|&key| take(batch.record.column(key), &at, None));
            let mut before =
                keys.collect::<Result<Vec<_>, _>>().map_err(|error| self.shape.failed(error))?;
            before.extend(self.calls.evaluate(&first.slots));
            pending.add(first, before);
        }
        pending.filling.add(rows, ctx);
        Ok(pending.filling.is_full())
    }

    /// Ends the mini-batch.
    pub(super) fn give_out(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let Some(pending) = &mut self.pending else { return Ok(()) };
        let rows = pending.filling.rows();
        pending.filling.end();
        let slots = std::mem::take(&mut pending.slots);
        let existed = std::mem::take(&mut pending.existed);
        let before = std::mem::take(&mut pending.before);
        slots.iter().for_each(|&slot| pending.is_in[slot as usize] = false);
        if !slots.is_empty() {
            self.emit_net(&slots, &existed, &before, out)?;
        }
        self.forget(slots.into_iter(), rows, ctx);
        Ok(())
    }

    fn emit_net(
        &self,
        slots: &[u32],
        existed: &[bool],
        before: &[Vec<ArrayRef>],
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let before = joined(before).map_err(|error| self.shape.failed(error))?;
        let (keys, before) = before.split_at(self.keys.len());
        let after = self.calls.evaluate(slots);
        let picks = self.net_picks(slots, existed, before, &after);
        if picks.rows.is_empty() {
            return Ok(());
        }
        let same = keys.iter().map(|key| [key, key]);
        let values = after.iter().zip(before).map(|(after, before)| [after, before]);
        let columns = same.chain(values).map(|[after, before]| picks.column(&[after, before]));
        let columns =
            columns.collect::<Result<Vec<_>, _>>().map_err(|error| self.shape.failed(error))?;
        let record = self.shape.record(columns, picks.rows.len())?;
        emit_in_pieces(Batch::changelog(record, picks.kinds), out);
        Ok(())
    }

    /// Source 0 is the values now, 1 those before.
    fn net_picks(
        &self,
        slots: &[u32],
        existed: &[bool],
        before: &[ArrayRef],
        after: &[ArrayRef],
    ) -> Picks {
        let mut changed = vec![self.ttl.is_on(); slots.len()];
        for (before, after) in before.iter().zip(after) {
            if !changed.iter().all(|changed| *changed) {
                let differs = differs(before, after);
                changed.iter_mut().zip(differs).for_each(|(changed, differs)| *changed |= differs);
            }
        }
        let mut picks = Picks::default();
        for (row, &slot) in slots.iter().enumerate() {
            match (existed[row], self.counts[slot as usize] > 0) {
                (false, true) => picks.push(RowKind::Insert, 0, row),
                (true, false) => picks.push(RowKind::Delete, 1, row),
                (true, true) if changed[row] => {
                    if self.emit_update_before {
                        picks.push(RowKind::UpdateBefore, 1, row);
                    }
                    picks.push(RowKind::UpdateAfter, 0, row);
                }
                _ => {}
            }
        }
        picks
    }
}

/// Each column of all pieces.
fn joined(pieces: &[Vec<ArrayRef>]) -> Result<Vec<ArrayRef>, arrow::error::ArrowError> {
    if let [piece] = pieces {
        return Ok(piece.clone());
    }
    let columns = pieces.first().map_or(0, Vec::len);
    (0..columns)
        .map(|column| {
            let parts: Vec<&dyn Array> =
                pieces.iter().map(|piece| piece[column].as_ref()).collect();
            concat(&parts)
        })
        .collect()
}

/// In batches that what follows can take well.
fn emit_in_pieces(batch: Batch, out: &mut Output) {
    let rows = batch.num_rows();
    for from in (0..rows).step_by(BATCH_ROWS) {
        out.emit(batch.slice(from, BATCH_ROWS.min(rows - from)));
    }
}
