//! An upsert stream becomes a full changelog (rows B12.16, B12.20): the last row of
//! each key is kept, so that a change can say what it replaces and a deletion, of which
//! perhaps only the key was sent, what it takes away.
//!
//! A row equal to the kept one sends nothing, unless state has a time-to-live. A
//! deletion of an unknown key sends nothing. -U is not looked at: the kept row says the
//! same.
//!
//! Source of the rule: Flink `ProcTimeDeduplicateKeepLastRowFunction` over a changelog.
//!
//! State: table 0, one entry a key: key -> last write, row.

use std::sync::Arc;

use arrow::array::{AsArray, BinaryArray, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::ChangelogNormalize as Config;
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::row;

use super::keys::KeyTable;
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
    ttl: Ttl,
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
            ttl: Ttl::new(config.state_ttl_ms),
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
        let kept = &mut self.kept[slot as usize];
        match kept.as_ref().filter(|_| known) {
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
        *kept = Some(row.into());
        self.ttl.write(slot, ctx.processing_time_ms);
    }

    fn delete(&mut self, hash: u64, key: &[u8], ctx: &OperatorContext, changes: &mut Changes) {
        let Some(slot) = self.keys.find(hash, key) else { return };
        let expired = self.ttl.is_expired(slot, ctx);
        if let Some(row) = self.kept[slot as usize].take().filter(|_| !expired) {
            changes.push_before(RowKind::Delete, row);
        }
        self.keys.remove(slot);
    }

    fn forget(&mut self, rows: usize, ctx: &OperatorContext) {
        for slot in self.ttl.sweep(rows, ctx) {
            if self.kept[slot as usize].take().is_some() {
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
        let rows = batch.num_rows();
        let Changes { picks, before } = self.changes(&batch, ctx);
        if !picks.rows.is_empty() {
            out.emit(self.shape.picked(picks, &batch, &before)?);
        }
        self.forget(rows, ctx);
        Ok(())
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        let alive = self.keys.index.slots().filter(|&slot| !self.ttl.is_expired(slot, ctx));
        let kept: Vec<(u32, &[u8])> = alive
            .filter_map(|slot| self.kept[slot as usize].as_deref().map(|row| (slot, row)))
            .collect();
        let written = kept.iter().map(|(slot, _)| self.ttl.written_ms(*slot));
        let values = row::encode(&[
            Arc::new(Int64Array::from_iter_values(written)),
            Arc::new(BinaryArray::from_iter_values(kept.iter().map(|(_, row)| row))),
        ]);
        for (value, (slot, _)) in values.iter().zip(&kept) {
            writer.put(StateEntry {
                key_group: Some(self.keys.slab.group(*slot, ctx.max_parallelism)),
                table: KEPT,
                key: self.keys.slab.key(*slot).to_vec(),
                value: value.to_vec(),
            });
        }
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
            self.kept[slot as usize] = Some(rows.value(at).into());
            self.ttl.write(slot, written.value(at));
        }
        Ok(())
    }
}
