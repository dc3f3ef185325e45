//! The first of two phases (row F2.1; Flink: `MiniBatchLocalGroupAggFunction`): the rows
//! of a mini-batch are added up by group where they are, so that the subtask of a group
//! with many rows gets few.
//!
//! Nothing of it is state: the mini-batch ends before a snapshot. What is told of a group
//! is what its rows changed, so that rows may be taken back here that were added in
//! another mini-batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType as ArrowType;
use millrace_dataflow::graph::LocalGroupAggregate as Config;
use millrace_dataflow::{Batch, Schema};
use millrace_state::row;

use super::Lookups;
use crate::memory::StateBytes;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::operators::aggregate::{Calls, Steps};
use crate::operators::keys::KeyTable;
use crate::operators::mini_batch::Filling;
use crate::operators::shape::{BATCH_ROWS, Shape};

pub struct LocalGroupAggregate {
    shape: Shape,
    keys: Vec<usize>,
    /// The columns that are no keys; they go with rows that pass.
    others: Vec<usize>,
    key_types: Vec<ArrowType>,
    calls: Calls,
    groups: KeyTable,
    /// By slot: rows that were added less those that were taken back.
    rows: Vec<i64>,
    filling: Filling,
    thrift: Option<Thrift>,
}

/// Whether adding up is worth it (strategy AUTO): where most rows of a mini-batch are
/// alone in their group, those of the next ones go on as they are. So do all rows of a
/// single subtask: they are not sent to others.
#[derive(Debug, Default)]
struct Thrift {
    /// Rows that go on as they are before it is tried again.
    passing: usize,
}

/// A mini-batch with fewer rows says little.
const TELLING_ROWS: usize = 1000;
/// For each row that adding up was tried with in vain.
const PASSED_PER_TRIED: usize = 20;

impl Thrift {
    fn saw(&mut self, rows: usize, groups: usize) {
        if rows >= TELLING_ROWS && groups * 2 > rows {
            self.passing = rows * PASSED_PER_TRIED;
        }
    }

    /// Whether a batch goes on as it is.
    fn passes(&mut self, rows: usize, ctx: &OperatorContext) -> bool {
        let is_alone = ctx.key_groups.start == 0 && ctx.key_groups.end == ctx.max_parallelism;
        let passes = is_alone || self.passing > 0;
        self.passing = self.passing.saturating_sub(rows);
        passes
    }
}

impl LocalGroupAggregate {
    /// # Errors
    /// An aggregate does not take its argument types.
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
    ) -> Result<LocalGroupAggregate, OperatorError> {
        let shape = Shape::new(name, output);
        let calls = Calls::local(&config.aggregates, config.retracts);
        let input = input.to_arrow();
        Ok(LocalGroupAggregate {
            keys: config.keys.clone(),
            others: Config::others(input.fields().len(), &config.keys),
            key_types: config.keys.iter().map(|&k| input.field(k).data_type().clone()).collect(),
            calls: calls.map_err(|error| shape.failed(error))?,
            groups: KeyTable::default(),
            rows: Vec::new(),
            filling: Filling::new(config.mini_batch),
            thrift: config.adaptive.then(Thrift::default),
            shape,
        })
    }

    /// Whether the mini-batch is full now.
    fn add(&mut self, batch: &Batch, ctx: &OperatorContext) -> bool {
        let mut lookups = Lookups::new(batch, &self.keys);
        let mut slots = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let found = lookups.find(&mut self.groups, &self.keys, row, true);
            let (slot, is_new) = found.expect("a key that is not there is made");
            if is_new {
                self.rows.push(0);
            }
            self.rows[slot as usize] += sign(batch, row);
            slots.push(slot);
        }
        self.calls.resize(self.rows.len());
        let accumulate = accumulating(batch);
        let steps = Steps { slots: &slots, fresh: None, accumulate: accumulate.as_deref() };
        self.calls.update(&batch.record, &steps);
        self.filling.add(batch.num_rows(), ctx);
        self.filling.is_full()
    }

    /// The rows themselves.
    fn pass(&self, batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        let rows = batch.num_rows();
        let mut columns = self.picked(&batch, &self.keys);
        columns.push(new_null_array(&ArrowType::Binary, rows));
        columns.extend(self.picked(&batch, &self.others));
        let record = self.shape.record(columns, rows)?;
        out.emit(Batch { record, kinds: batch.kinds });
        Ok(())
    }

    fn picked(&self, batch: &Batch, columns: &[usize]) -> Vec<ArrayRef> {
        columns.iter().map(|&column| batch.record.column(column).clone()).collect()
    }

    fn give_out(&mut self, out: &mut Output) -> Result<(), OperatorError> {
        let (rows, groups) = (self.filling.rows(), self.rows.len());
        self.filling.end();
        if let Some(thrift) = &mut self.thrift {
            thrift.saw(rows, groups);
        }
        let slots: Vec<u32> = (0..groups as u32).collect();
        for slots in slots.chunks(BATCH_ROWS) {
            let keys = slots.iter().map(|&slot| self.groups.slab.key(slot));
            let keys =
                row::decode(&self.key_types, keys).map_err(|error| self.shape.failed(error))?;
            let rows = slots.iter().map(|&slot| self.rows[slot as usize]).collect();
            self.emit(keys, slots, rows, out)?;
        }
        self.empty(&slots);
        self.rows.clear();
        self.groups = KeyTable::default();
        Ok(())
    }

    fn emit(
        &self,
        mut columns: Vec<ArrayRef>,
        slots: &[u32],
        rows: Vec<i64>,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        columns.push(Arc::new(self.calls.partials(slots, rows)));
        let others = self.shape.schema.fields().iter().skip(columns.len());
        let nulls = others.map(|field| new_null_array(field.data_type(), slots.len()));
        columns.extend(nulls.collect::<Vec<_>>());
        out.emit(Batch::insert_only(self.shape.record(columns, slots.len())?));
        Ok(())
    }

    fn empty(&mut self, slots: &[u32]) {
        slots.iter().for_each(|&slot| self.calls.clear(slot));
        self.calls.resize(0);
    }
}

fn sign(batch: &Batch, row: usize) -> i64 {
    if batch.kind(row).is_accumulate() { 1 } else { -1 }
}

fn accumulating(batch: &Batch) -> Option<Vec<bool>> {
    let kinds = batch.kinds.as_ref()?;
    Some(kinds.iter().map(|kind| kind.is_accumulate()).collect())
}

impl Operator for LocalGroupAggregate {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let rows = batch.num_rows();
        if self.thrift.as_mut().is_some_and(|thrift| thrift.passes(rows, ctx)) {
            // What a row takes back must not come after it.
            if self.filling.rows() > 0 {
                self.give_out(out)?;
            }
            return self.pass(batch, out);
        }
        let mut rest = Some(batch);
        while let Some(batch) = rest.take() {
            let (now, later) = self.filling.split(batch);
            if self.add(&now, ctx) {
                self.give_out(out)?;
            }
            rest = later;
        }
        Ok(())
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.filling.ends_at(ctx.watermark) { self.give_out(out) } else { Ok(()) }
    }

    fn next_processing_timer(&self) -> Option<i64> {
        self.filling.due_ms()
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.filling.is_due(ctx) { self.give_out(out) } else { Ok(()) }
    }

    fn flush(&mut self, _: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.give_out(out)
    }

    fn on_end(&mut self, _: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.give_out(out)
    }

    fn state_bytes(&self) -> StateBytes {
        let groups = self.rows.len();
        StateBytes::in_memory(self.groups.slab.memory_bytes() + self.calls.memory_bytes(groups))
    }

    fn snapshot(
        &mut self,
        _: &OperatorContext,
        _: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        Err(self.shape.failed("a snapshot before its mini-batch was given out"))
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        match entries.first() {
            None => Ok(()),
            Some(entry) => Err(self.shape.damaged(format!("unknown table {}", entry.table))),
        }
    }
}
