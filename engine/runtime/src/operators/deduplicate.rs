//! First or last row of each key by time (rows B9.8 to B9.12).
//!
//! Keeping the first row by the wall clock is insert-only. By event time, a row
//! replaces the kept one when it is strictly earlier (first) or not earlier (last);
//! late rows are not dropped, their time decides. Keeping the last by the wall clock
//! sends nothing for a row equal to the kept one, unless state has a time-to-live.
//!
//! State: table 0, one entry a key: key -> last write, time, kept row (empty when only
//! its presence matters).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::{Deduplicate as Config, Keep, WindowTime};
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::row::{self, EncodedRows};

use super::keys::KeyTable;
use super::shape::{BATCH_ROWS, Picks, Shape};
use super::ttl::Ttl;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const KEPT: u8 = 0;

#[derive(Debug)]
pub struct Deduplicate {
    shape: Shape,
    config: Config,
    row_types: Vec<ArrowType>,
    keys: KeyTable,
    kept: Vec<Kept>,
    ttl: Ttl,
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
            kept: Vec::new(),
            ttl: Ttl::new(config.state_ttl_ms),
        }
    }

    /// Only the first row of a key is ever shown: no row needs to be kept.
    fn is_presence_only(&self) -> bool {
        self.config.keep == Keep::First && self.config.time == WindowTime::Proctime
    }

    /// The key's slot when it shows a row.
    fn slot(&mut self, key: &[u8], ctx: &OperatorContext) -> (u32, bool) {
        let (slot, is_new) = self.keys.find_or_insert(row::hash(key), key);
        if self.kept.len() <= slot as usize {
            self.kept.resize(slot as usize + 1, Kept::default());
        }
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
            let kind = if known { RowKind::UpdateAfter } else { RowKind::Insert };
            if known && self.config.emit_update_before {
                picks.push(RowKind::UpdateBefore, 1, replaced.len());
                replaced.push(kept.row.clone());
            }
            picks.push(kind, 0, row);
            self.kept[slot as usize] =
                Kept { in_use: true, time_ms: times[row], row: rows.row(row).into() };
            self.ttl.write(slot, ctx.processing_time_ms);
        }
        Ok(Replacements { picks, replaced })
    }

    fn forget(&mut self, rows: usize, ctx: &OperatorContext) {
        for slot in self.ttl.sweep(rows, ctx) {
            if self.kept[slot as usize].in_use {
                self.kept[slot as usize] = Kept::default();
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
        self.forget(rows, ctx);
        Ok(())
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        let slots: Vec<u32> =
            self.keys.index.slots().filter(|&slot| !self.ttl.is_expired(slot, ctx)).collect();
        // A part at a time: columns of all would need their memory once more.
        slots.chunks(BATCH_ROWS).for_each(|slots| self.save(slots, ctx, writer));
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
            self.kept[slot as usize] =
                Kept { in_use: true, time_ms: times.value(at), row: rows.value(at).into() };
            self.ttl.write(slot, written.value(at));
        }
        Ok(())
    }
}

impl Deduplicate {
    fn save(&self, slots: &[u32], ctx: &OperatorContext, writer: &mut dyn StateWriter) {
        let kept = || slots.iter().map(|&slot| &self.kept[slot as usize]);
        let written = slots.iter().map(|&slot| self.ttl.written_ms(slot));
        let columns: [ArrayRef; 3] = [
            Arc::new(Int64Array::from_iter_values(written)),
            Arc::new(Int64Array::from_iter_values(kept().map(|kept| kept.time_ms))),
            Arc::new(BinaryArray::from_iter_values(kept().map(|kept| &*kept.row))),
        ];
        let values = row::encode(&columns);
        for (value, &slot) in values.iter().zip(slots) {
            writer.put(StateEntry {
                key_group: Some(self.keys.slab.group(slot, ctx.max_parallelism)),
                table: KEPT,
                key: self.keys.slab.key(slot).to_vec(),
                value: value.to_vec(),
            });
        }
    }
}
