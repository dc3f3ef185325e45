//! Normalisation in mini-batches (rows F1.2 to F1.4; Flink:
//! `ProcTimeMiniBatchDeduplicateKeepLastRowFunction`): a key emits at the end what became
//! of it. The row that it keeps is replaced or taken away at once; only what the key
//! showed before is remembered here.

use std::sync::Arc;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use millrace_dataflow::graph::MiniBatch;
use millrace_dataflow::{Batch, RowKind};
use millrace_state::row;

use super::ChangelogNormalize;
use crate::operator::{OperatorContext, OperatorError, Output};
use crate::operators::mini_batch::Filling;
use crate::operators::shape::BATCH_ROWS;

/// The keys that changed in this mini-batch. Their slots stay theirs until its end, also
/// when their row is gone.
#[derive(Debug)]
pub struct Pending {
    pub filling: Filling,
    /// Slot to the row that the key showed, in the order of first change.
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
}

impl ChangelogNormalize {
    pub(super) fn take_in(
        &mut self,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let mut rest = Some(batch);
        while let (Some(batch), Some(pending)) = (rest.take(), &self.pending) {
            let (now, later) = pending.filling.split(batch);
            self.replace(&now, ctx);
            let Some(pending) = &mut self.pending else { return Ok(()) };
            pending.filling.add(now.num_rows(), ctx);
            if pending.filling.is_full() {
                self.give_out(ctx, out)?;
            }
            rest = later;
        }
        Ok(())
    }

    fn replace(&mut self, batch: &Batch, ctx: &OperatorContext) {
        let keys = row::encode_column_subset(&batch.record, &self.config.keys);
        let rows = row::encode(batch.record.columns());
        for at in 0..batch.num_rows() {
            let (key, hash) = (keys.row(at), row::hash(keys.row(at)));
            match batch.kind(at) {
                RowKind::Insert | RowKind::UpdateAfter => {
                    let (slot, known) = self.slot(hash, key, ctx);
                    self.remember(slot, known);
                    self.keep(slot, rows.row(at));
                    self.ttl.write(slot, ctx.processing_time_ms);
                }
                RowKind::Delete => {
                    if let Some(slot) = self.keys.find(hash, key) {
                        let known = !self.ttl.is_expired(slot, ctx);
                        self.remember(slot, known);
                        self.take(slot);
                    }
                }
                RowKind::UpdateBefore => {}
            }
        }
    }

    fn remember(&mut self, slot: u32, known: bool) {
        let Some(pending) = &mut self.pending else { return };
        let kept = &self.kept[slot as usize];
        pending.shown.entry(slot).or_insert_with(|| kept.clone().filter(|_| known));
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
            self.net_change(before, self.kept[slot as usize].clone(), &mut changes);
            if self.kept[slot as usize].is_none() {
                self.keys.remove(slot);
            }
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

    fn net_change(
        &self,
        before: Option<Arc<[u8]>>,
        after: Option<Arc<[u8]>>,
        changes: &mut Vec<(RowKind, Arc<[u8]>)>,
    ) {
        match (before, after) {
            (None, None) => {}
            (None, Some(after)) => changes.push((RowKind::Insert, after)),
            (Some(before), None) => changes.push((RowKind::Delete, before)),
            (Some(before), Some(after)) if before == after && !self.ttl.is_on() => {}
            (Some(before), Some(after)) => {
                if self.config.emit_update_before {
                    changes.push((RowKind::UpdateBefore, before));
                }
                changes.push((RowKind::UpdateAfter, after));
            }
        }
    }
}
