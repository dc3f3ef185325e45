//! The clock and the watermark of a batch, as two columns behind the row's own.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use millrace_dataflow::{EvalContext, EvalError};

use super::node_identity;

/// Which hidden column, counted from the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    Watermark = 1,
    ProcessingTime = 2,
}

/// Reads a hidden column: BIGINT milliseconds.
pub(crate) struct HiddenColumn {
    which: Hidden,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
}

impl HiddenColumn {
    pub fn node(which: Hidden) -> Arc<dyn PhysicalExpr> {
        Arc::new(HiddenColumn { which, arguments: Vec::new() })
    }

    /// Its place in a batch of so many columns.
    pub fn index(&self, columns: usize) -> Option<usize> {
        columns.checked_sub(self.which as usize)
    }

    fn identity(&self) -> &'static str {
        match self.which {
            Hidden::Watermark => "$WATERMARK",
            Hidden::ProcessingTime => "$PROCTIME",
        }
    }
}

node_identity!(HiddenColumn);

impl PhysicalExpr for HiddenColumn {
    fn data_type(&self, _: &Schema) -> Result<ArrowType> {
        Ok(ArrowType::Int64)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let index = self
            .index(batch.num_columns())
            .expect("an expression that reads the clock runs behind `with_context`");
        Ok(ColumnarValue::Array(batch.column(index).clone()))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(self)
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.identity())
    }
}

/// The batch with the two hidden columns behind it.
pub(crate) fn with_context(
    batch: &RecordBatch,
    ctx: &EvalContext,
) -> Result<RecordBatch, EvalError> {
    let rows = batch.num_rows();
    let clock: ArrayRef = Arc::new(Int64Array::from(vec![ctx.processing_time_ms; rows]));
    let watermark: ArrayRef = Arc::new(Int64Array::from(vec![ctx.watermark_ms; rows]));
    let mut fields: Vec<Arc<Field>> = batch.schema_ref().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("$PROCTIME", ArrowType::Int64, true)));
    fields.push(Arc::new(Field::new("$WATERMARK", ArrowType::Int64, true)));
    let columns = batch.columns().iter().cloned().chain([clock, watermark]).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|error| EvalError::new(error.to_string()))
}
