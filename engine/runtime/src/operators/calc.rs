//! Filter, then project. Row kinds are kept: a filter on a changelog sees both halves
//! of an update, so none is torn (row B2.7).

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::prep_null_mask_filter;
use millrace_dataflow::{Batch, EvalContext, Expression, RowKind, Schema};

use super::select::Selection;
use super::shape::{Shape, eval_context};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

#[derive(Debug)]
pub struct Calc {
    shape: Shape,
    filter: Option<Expression>,
    project: Vec<Expression>,
    /// Set when every output column is an input column: nothing is computed, and only
    /// the columns that go on are filtered.
    columns: Option<Vec<usize>>,
}

impl Calc {
    pub fn new(
        filter: Option<Expression>,
        project: Vec<Expression>,
        output: &Schema,
        name: &str,
    ) -> Calc {
        let columns = project.iter().map(|expression| expression.column).collect();
        Calc { shape: Shape::new(name, output), filter, project, columns }
    }

    /// The rows that pass; `None`: all of them.
    fn selected(
        &self,
        batch: &Batch,
        ctx: &EvalContext,
    ) -> Result<Option<BooleanArray>, OperatorError> {
        let Some(filter) = &self.filter else { return Ok(None) };
        let column = filter
            .run
            .evaluate(&batch.record, ctx)
            .map_err(|error| self.shape.evaluation(error))?;
        let mask = column
            .as_boolean_opt()
            .ok_or_else(|| self.shape.failed("the filter is not BOOLEAN"))?;
        let mask = if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() };
        Ok((mask.true_count() < mask.len()).then_some(mask))
    }

    fn project(
        &self,
        record: &RecordBatch,
        ctx: &EvalContext,
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let columns = self.project.iter().map(|expression| match expression.column {
            Some(index) => Ok(record.column(index).clone()),
            None => expression.run.evaluate(record, ctx),
        });
        columns.collect::<Result<_, _>>().map_err(|error| self.shape.evaluation(error))
    }

    fn pass(
        &self,
        record: &RecordBatch,
        mask: Option<&BooleanArray>,
        ctx: &EvalContext,
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let Some(mask) = mask else { return self.project(record, ctx) };
        let selection = Selection::new(mask);
        let Some(columns) = &self.columns else {
            let kept = selection.record(record).map_err(|error| self.shape.failed(error))?;
            return self.project(&kept, ctx);
        };
        columns
            .iter()
            .map(|&index| selection.column(record.column(index)))
            .collect::<Result<_, _>>()
            .map_err(|error| self.shape.failed(error))
    }
}

/// The kinds of the selected rows.
pub fn filter_kinds(batch: &Batch, mask: Option<&BooleanArray>) -> Option<Vec<RowKind>> {
    let kinds = batch.kinds.as_deref()?;
    Some(match mask {
        None => kinds.to_vec(),
        Some(mask) => mask.values().set_indices().map(|row| kinds[row]).collect(),
    })
}

impl Operator for Calc {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let ctx = eval_context(ctx);
        let mask = self.selected(&batch, &ctx)?;
        let rows = mask.as_ref().map_or(batch.num_rows(), BooleanArray::true_count);
        if rows == 0 {
            return Ok(());
        }
        let columns = self.pass(&batch.record, mask.as_ref(), &ctx)?;
        let record = self.shape.record(columns, rows)?;
        out.emit(match (&mask, filter_kinds(&batch, mask.as_ref())) {
            (None, _) => Batch { record, kinds: batch.kinds },
            (Some(_), Some(kinds)) => Batch::changelog(record, kinds),
            (Some(_), None) => Batch::insert_only(record),
        });
        Ok(())
    }

    fn snapshot(
        &mut self,
        _: &OperatorContext,
        _: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(&mut self, _: &OperatorContext, _: Vec<StateEntry>) -> Result<(), OperatorError> {
        Ok(())
    }
}
