//! The second of two phases (row F2.1; Flink: `MiniBatchGlobalGroupAggFunction`): each
//! row is what happened to a group in one mini-batch of one subtask, rows that were
//! added less those that were taken back. A row that the first phase let pass is taken as
//! in one phase.
//!
//! The state is that of an aggregation in one phase.

use arrow::array::{Array, BooleanArray};
use millrace_dataflow::Batch;

use super::{GroupAggregate, Lookups, Plan, without};
use crate::operator::{OperatorContext, OperatorError};
use crate::operators::aggregate::Received;

/// A plan, and the rows whose group had ended and begins again.
#[derive(Debug, Default)]
struct Merging {
    plan: Plan,
    revived: Vec<usize>,
}

impl GroupAggregate {
    /// Partial results, and rows that passed the first phase, in their order; whether the
    /// mini-batch is full now.
    pub(super) fn apply_mixed(
        &mut self,
        batch: &Batch,
        ctx: &OperatorContext,
    ) -> Result<bool, OperatorError> {
        let nulls = batch.record.column(self.keys.len()).logical_nulls();
        let is_row = |at: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(at));
        let (mut is_full, mut start) = (false, 0);
        while start < batch.num_rows() {
            let rest = start..batch.num_rows();
            let run = rest.take_while(|at| is_row(*at) == is_row(start)).count();
            let part = batch.slice(start, run);
            is_full |= match is_row(start) {
                true => self.apply_rows(part, ctx)?,
                false => self.apply_partials(part, ctx)?,
            };
            start += run;
        }
        Ok(is_full)
    }

    /// As for single rows: whether the mini-batch is full now.
    fn apply_partials(
        &mut self,
        batch: Batch,
        ctx: &OperatorContext,
    ) -> Result<bool, OperatorError> {
        let Some(partials) = &self.partials else { return Ok(false) };
        let read = partials.read(batch.record.column(self.keys.len()));
        let received = read.map_err(|error| self.shape.failed(error))?;
        let rows = batch.num_rows();
        let Merging { plan, revived } = self.plan_partials(&batch, received.rows(), ctx);
        self.calls.resize(self.groups.slab.capacity());
        let (batch, received) = self.kept(batch, received, &plan)?;
        let is_full = self.remember(&batch, &plan, rows, ctx)?;
        self.merge(&plan, &revived, &received)?;
        Ok(is_full)
    }

    fn plan_partials(&mut self, batch: &Batch, deltas: &[i64], ctx: &OperatorContext) -> Merging {
        let mut lookups = Lookups::new(batch, &self.keys);
        let mut merging = Merging { plan: Plan::with_capacity(deltas.len()), revived: Vec::new() };
        for (row, &delta) in deltas.iter().enumerate() {
            let found = lookups.find(&mut self.groups, &self.keys, row, delta > 0);
            match found {
                Some((slot, is_new))
                    if self.plan_partial(&mut merging, slot, is_new, delta, ctx) => {}
                _ => merging.plan.ignored.push(row),
            }
        }
        merging
    }

    /// Whether the row does anything: what takes back from a group that is not there
    /// does not.
    fn plan_partial(
        &mut self,
        merging: &mut Merging,
        slot: u32,
        is_new: bool,
        delta: i64,
        ctx: &OperatorContext,
    ) -> bool {
        self.counts.grow(slot as usize + 1);
        let fresh = is_new || self.is_gone(slot, ctx);
        if fresh && delta <= 0 {
            return false;
        }
        if fresh && !is_new {
            merging.revived.push(merging.plan.slots.len());
        }
        let count = &mut self.counts[slot as usize];
        *count = if fresh { delta } else { (*count + delta).max(0) };
        let dies = *count == 0;
        self.ttl.write(slot, ctx.processing_time_ms);
        merging.plan.push(slot, fresh, dies, true);
        true
    }

    fn kept(
        &self,
        batch: Batch,
        received: Received,
        plan: &Plan,
    ) -> Result<(Batch, Received), OperatorError> {
        if plan.ignored.is_empty() {
            return Ok((batch, received));
        }
        let mut keep = vec![true; batch.num_rows()];
        plan.ignored.iter().for_each(|&row| keep[row] = false);
        let received = received.filtered(&BooleanArray::from(keep));
        let batch = without(&batch, &plan.ignored);
        let kept = batch.and_then(|batch| Ok((batch, received?)));
        kept.map_err(|error| self.shape.failed(error))
    }

    /// A group that begins again is emptied just before its row.
    fn merge(
        &mut self,
        plan: &Plan,
        revived: &[usize],
        received: &Received,
    ) -> Result<(), OperatorError> {
        let rows = plan.slots.len();
        let starts = std::iter::once(&0).chain(revived).copied();
        let ends = revived.iter().copied().chain([rows]);
        for (start, end) in starts.zip(ends) {
            if revived.contains(&start) {
                self.calls.clear(plan.slots[start]);
            }
            self.merge_run(&plan.slots[start..end], &received.slice(start, end - start))?;
        }
        Ok(())
    }

    fn merge_run(&mut self, slots: &[u32], received: &Received) -> Result<(), OperatorError> {
        let (Some(partials), false) = (&self.partials, slots.is_empty()) else { return Ok(()) };
        let free = self.groups.slab.capacity();
        let added = self.calls.add_partials(partials, received, slots, free);
        added.map_err(|error| self.shape.failed(error))
    }
}
