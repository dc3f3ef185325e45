//! Rows with the rows that a table has for their key when they are looked at (row B6.14).
//!
//! Row kinds are kept, so a changelog goes through; nothing that was emitted is taken back
//! when the table changes. The operator has no state: after a restore rows meet the table
//! as it is then.

mod index;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, UInt32Builder,
};
use arrow::compute::{prep_null_mask_filter, take};
use millrace_dataflow::graph::{JoinKind, LookupJoin as Config};
use millrace_dataflow::{Batch, EvalContext, RowKind, Schema};

use super::shape::{BATCH_ROWS, Shape, eval_context};
use crate::lookup::{FullTable, LookupMetrics};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
pub use index::{KeyedTable, Probe};

pub struct LookupJoin {
    shape: Shape,
    config: Config,
    /// Columns that the residual is over: the input's, then those of the table that go on.
    both: Shape,
    table: Arc<FullTable>,
    metrics: Arc<LookupMetrics>,
}

/// Rows of the input and of the table that meet; none for a padded row.
#[derive(Debug, Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<Option<u32>>,
}

impl LookupJoin {
    /// `table` was read.
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
        table: Arc<FullTable>,
    ) -> LookupJoin {
        let of_table = config.table.columns.fields[..config.emits].iter();
        let both = Schema::new(input.fields.iter().chain(of_table).cloned().collect());
        let metrics = LookupMetrics {
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            table: Arc::clone(&table.metrics),
        };
        LookupJoin {
            shape: Shape::new(name, output),
            config: config.clone(),
            both: Shape::new(name, &both),
            table,
            metrics: Arc::new(metrics),
        }
    }

    /// The columns of some pairs, in the order of the output.
    fn columns(
        &self,
        batch: &Batch,
        table: &RecordBatch,
        pairs: &Pairs,
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let everything = is_everything(&pairs.left, batch.num_rows());
        let left = UInt32Array::from(pairs.left.clone());
        let mut right = UInt32Builder::with_capacity(pairs.right.len());
        pairs.right.iter().for_each(|row| right.append_option(*row));
        let right = right.finish();
        let of_left = batch.record.columns().iter().map(|column| match everything {
            true => Ok(column.clone()),
            false => take(column, &left, None),
        });
        let of_right =
            table.columns()[..self.config.emits].iter().map(|column| take(column, &right, None));
        of_left.chain(of_right).collect::<Result<_, _>>().map_err(|error| self.shape.failed(error))
    }

    /// Those that the rest of the condition holds for.
    fn holding(
        &self,
        batch: &Batch,
        table: &RecordBatch,
        pairs: Pairs,
        ctx: &EvalContext,
    ) -> Result<Pairs, OperatorError> {
        let Some(residual) = &self.config.residual else { return Ok(pairs) };
        if pairs.left.is_empty() {
            return Ok(pairs);
        }
        let columns = self.columns(batch, table, &pairs)?;
        let record = self.both.record(columns, pairs.left.len())?;
        let holds =
            residual.run.evaluate(&record, ctx).map_err(|error| self.shape.evaluation(error))?;
        let holds = holds
            .as_boolean_opt()
            .ok_or_else(|| self.shape.failed("the condition is not BOOLEAN"))?;
        Ok(match holds.null_count() {
            0 => pairs.filtered(holds),
            _ => pairs.filtered(&prep_null_mask_filter(holds)),
        })
    }

    fn emit(
        &self,
        batch: &Batch,
        table: &RecordBatch,
        pairs: &Pairs,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if pairs.left.is_empty() {
            return Ok(());
        }
        let columns = self.columns(batch, table, pairs)?;
        let record = self.shape.record(columns, pairs.left.len())?;
        out.emit(match &batch.kinds {
            None => Batch::insert_only(record),
            Some(kinds) => {
                let kinds: Vec<RowKind> =
                    pairs.left.iter().map(|row| kinds[*row as usize]).collect();
                Batch::changelog(record, kinds)
            }
        });
        Ok(())
    }

    /// Joins some rows of a batch with what was found for them, and emits them.
    fn join(
        &self,
        batch: &Batch,
        table: &RecordBatch,
        (pairs, rows): (Pairs, std::ops::Range<u32>),
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let mut pairs = self.holding(batch, table, pairs, &eval_context(ctx))?;
        if self.config.kind == JoinKind::Left {
            pairs = pairs.padded(rows);
        }
        self.emit(batch, table, &pairs, out)
    }
}

impl Pairs {
    fn filtered(self, holds: &BooleanArray) -> Pairs {
        let mut kept = Pairs::default();
        for at in holds.values().set_indices() {
            kept.left.push(self.left[at]);
            kept.right.push(self.right[at]);
        }
        kept
    }

    /// With every row of a range once at least.
    fn padded(self, rows: std::ops::Range<u32>) -> Pairs {
        let mut all = Pairs::default();
        let mut found = self.left.iter().zip(&self.right).peekable();
        for row in rows {
            let before = all.left.len();
            while let Some((left, right)) = found.next_if(|(left, _)| **left == row) {
                all.left.push(*left);
                all.right.push(*right);
            }
            if all.left.len() == before {
                all.left.push(row);
                all.right.push(None);
            }
        }
        all
    }
}

fn is_everything(rows: &[u32], of: usize) -> bool {
    rows.len() == of && rows.iter().enumerate().all(|(at, row)| at == *row as usize)
}

impl Operator for LookupJoin {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let table = self.table.current();
        let probe = Probe::of(&batch.record, &self.config.left_keys);
        let (mut pairs, mut from, mut hits) = (Pairs::default(), 0, 0);
        for row in 0..probe.len() as u32 {
            let before = pairs.left.len();
            for found in table.rows(&probe, row as usize) {
                pairs.left.push(row);
                pairs.right.push(Some(found));
            }
            hits += u64::from(pairs.left.len() > before);
            if pairs.left.len() >= BATCH_ROWS {
                let part = (std::mem::take(&mut pairs), from..row + 1);
                self.join(&batch, &table.record, part, ctx, out)?;
                from = row + 1;
            }
        }
        self.metrics.hits.fetch_add(hits, Ordering::Relaxed);
        self.metrics.misses.fetch_add(probe.len() as u64 - hits, Ordering::Relaxed);
        self.join(&batch, &table.record, (pairs, from..probe.len() as u32), ctx, out)
    }

    /// One subtask has the table read again for all of them.
    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        _: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.table.take_due(ctx.processing_time_ms) {
            self.table.reload();
        }
        Ok(())
    }

    fn next_processing_timer(&self) -> Option<i64> {
        self.table.next_reload_ms()
    }

    fn lookup_metrics(&self) -> Option<Arc<LookupMetrics>> {
        Some(Arc::clone(&self.metrics))
    }

    fn snapshot(
        &mut self,
        _: &OperatorContext,
        _: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        Ok(())
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
