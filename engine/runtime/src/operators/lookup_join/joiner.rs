//! Rows of a batch with the rows of a table that were found for them.

use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, UInt32Builder,
};
use arrow::compute::{prep_null_mask_filter, take};
use millrace_dataflow::graph::{JoinKind, LookupJoin as Config};
use millrace_dataflow::{Batch, EvalContext, RowKind, Schema};

use crate::operator::{OperatorContext, OperatorError, Output};
use crate::operators::shape::{BATCH_ROWS, Shape, eval_context};

/// What both kinds of lookup joins do with what was found.
#[derive(Debug)]
pub struct Joiner {
    pub shape: Shape,
    pub config: Config,
    /// Columns that the residual is over: the input's, then those of the table that go on.
    both: Shape,
}

/// Rows of the input and of the table that meet; none for a padded row.
#[derive(Debug, Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<Option<u32>>,
}

impl Joiner {
    pub fn new(config: &Config, input: &Schema, output: &Schema, name: &str) -> Joiner {
        let of_table = config.table.columns.fields[..config.emits].iter();
        let both = Schema::new(input.fields.iter().chain(of_table).cloned().collect());
        Joiner {
            shape: Shape::new(name, output),
            config: config.clone(),
            both: Shape::new(name, &both),
        }
    }

    /// Emits a batch joined with rows of `table`: `each` gives those of one row.
    pub fn emit(
        &self,
        batch: &Batch,
        table: &[ArrayRef],
        each: impl Fn(usize, &mut Vec<u32>),
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let rows = batch.num_rows() as u32;
        let (mut pairs, mut from, mut found) = (Pairs::default(), 0, Vec::new());
        for row in 0..rows {
            found.clear();
            each(row as usize, &mut found);
            pairs.left.extend(found.iter().map(|_| row));
            pairs.right.extend(found.iter().map(|right| Some(*right)));
            if pairs.left.len() >= BATCH_ROWS {
                self.emit_some(
                    batch,
                    table,
                    (std::mem::take(&mut pairs), from..row + 1),
                    ctx,
                    out,
                )?;
                from = row + 1;
            }
        }
        self.emit_some(batch, table, (pairs, from..rows), ctx, out)
    }

    /// Of some rows of a batch.
    fn emit_some(
        &self,
        batch: &Batch,
        table: &[ArrayRef],
        (pairs, rows): (Pairs, Range<u32>),
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let mut pairs = self.holding(batch, table, pairs, &eval_context(ctx))?;
        if self.config.kind == JoinKind::Left {
            pairs = pairs.padded(rows);
        }
        if pairs.left.is_empty() {
            return Ok(());
        }
        let columns = self.columns(batch, table, &pairs)?;
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

    /// The columns of some pairs, in the order of the output.
    fn columns(
        &self,
        batch: &Batch,
        table: &[ArrayRef],
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
        let of_right = table[..self.config.emits].iter().map(|column| take(column, &right, None));
        of_left.chain(of_right).collect::<Result<_, _>>().map_err(|error| self.shape.failed(error))
    }

    /// Those that the rest of the condition holds for.
    fn holding(
        &self,
        batch: &Batch,
        table: &[ArrayRef],
        pairs: Pairs,
        ctx: &EvalContext,
    ) -> Result<Pairs, OperatorError> {
        let Some(residual) = &self.config.residual else { return Ok(pairs) };
        if pairs.left.is_empty() {
            return Ok(pairs);
        }
        let columns = self.columns(batch, table, &pairs)?;
        let record: RecordBatch = self.both.record(columns, pairs.left.len())?;
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
    fn padded(self, rows: Range<u32>) -> Pairs {
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
