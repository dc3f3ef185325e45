//! Deduplication in mini-batches: a key emits at the end what became of it (Flink:
//! `ProcTimeMiniBatchDeduplicateKeepLastRowFunction`, and for event time, when
//! `table.exec.deduplicate.mini-batch.compact-changes-enabled` (row F1.17),
//! `RowTimeMiniBatchLatestChangeDeduplicateFunction`). The row that a key keeps is
//! replaced at once; only what it showed before is remembered here.

use std::sync::Arc;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use millrace_dataflow::graph::{MiniBatch, WindowTime};
use millrace_dataflow::{Batch, RowKind};
use millrace_state::row;

use super::Deduplicate;
use crate::operator::{OperatorContext, OperatorError, Output};
use crate::operators::mini_batch::Filling;
use crate::operators::shape::BATCH_ROWS;

/// The keys whose row was replaced in this mini-batch. Their slots stay theirs until
/// its end.
#[derive(Debug)]
pub struct Pending {
    pub filling: Filling,
    /// Slot to the row that the key showed, in the order of first replacement.
    shown: IndexMap<u32, Option<Arc<[u8]>>, FixedState>,
}

impl Pending {
    pub fn new(config: MiniBatch) -> Pending {
        Pending { filling: Filling::new(config), shown: IndexMap::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Whether the slot's change was not told of yet.
    pub fn holds(&self, slot: u32) -> bool {
        self.shown.contains_key(&slot)
    }

    /// The key's row is about to give way to another.
    pub fn replaced(&mut self, slot: u32, shown: Option<&Arc<[u8]>>) {
        self.shown.entry(slot).or_insert_with(|| shown.cloned());
    }
}

impl Deduplicate {
    pub(super) fn take_in(
        &mut self,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let mut rest = Some(batch);
        while let (Some(batch), Some(pending)) = (rest.take(), &self.pending) {
            let (now, later) = pending.filling.split(batch);
            let encoded = row::encode(now.record.columns());
            self.replace(&now, &encoded, ctx)?;
            if let Some(pending) = &mut self.pending {
                pending.filling.add(now.num_rows(), ctx);
            }
            if self.pending.as_ref().is_some_and(|pending| pending.filling.is_full()) {
                self.give_out(ctx, out)?;
            }
            rest = later;
        }
        Ok(())
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
        let shown = std::mem::take(&mut pending.shown);
        let mut changes: Vec<(RowKind, Arc<[u8]>)> = Vec::new();
        for (slot, before) in shown {
            self.net_change(before, &self.kept[slot as usize].row, &mut changes);
        }
        for changes in changes.chunks(BATCH_ROWS) {
            let rows = changes.iter().map(|(_, row)| &**row);
            let columns =
                row::decode(&self.row_types, rows).map_err(|error| self.shape.damaged(error))?;
            let record = self.shape.record(columns, changes.len())?;
            out.emit(Batch::changelog(record, changes.iter().map(|(kind, _)| *kind).collect()));
        }
        self.forget_expired(rows, ctx);
        Ok(())
    }

    /// By the wall clock a row that came back is none; by event time Flink tells of it.
    fn net_change(
        &self,
        before: Option<Arc<[u8]>>,
        after: &Arc<[u8]>,
        changes: &mut Vec<(RowKind, Arc<[u8]>)>,
    ) {
        let Some(before) = before else {
            return changes.push((RowKind::Insert, after.clone()));
        };
        let by_clock = self.config.time == WindowTime::Proctime;
        if by_clock && !self.ttl.is_on() && before == *after {
            return;
        }
        if self.config.emit_update_before {
            changes.push((RowKind::UpdateBefore, before));
        }
        changes.push((RowKind::UpdateAfter, after.clone()));
    }
}
