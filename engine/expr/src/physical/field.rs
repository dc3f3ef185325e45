//! A member of a ROW as a physical expression.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::nullif;
use arrow::datatypes::{DataType as ArrowType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;

use super::{node_identity, to_array};

pub(crate) struct FieldExpr {
    index: usize,
    data_type: ArrowType,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
}

impl FieldExpr {
    pub fn node(
        value: Arc<dyn PhysicalExpr>,
        index: usize,
        data_type: ArrowType,
    ) -> Arc<dyn PhysicalExpr> {
        Arc::new(FieldExpr { index, data_type, arguments: vec![value] })
    }

    /// The column and the member of it, when it is a member of a column.
    pub fn of_column(&self) -> Option<(usize, usize)> {
        let value: &dyn Any = self.arguments[0].as_ref();
        value.downcast_ref::<Column>().map(|column| (column.index(), self.index))
    }

    fn identity(&self) -> String {
        format!("FIELD {}", self.index)
    }
}

/// A member of a NULL row is NULL.
fn member(row: &ArrayRef, index: usize) -> Result<ArrayRef> {
    let row = row.as_struct();
    let member = row.column(index);
    if row.null_count() == 0 || matches!(member.data_type(), ArrowType::Null) {
        return Ok(member.clone());
    }
    let Some(valid) = row.nulls() else { return Ok(member.clone()) };
    let missing = BooleanArray::new(!valid.inner(), None);
    Ok(nullif(member.as_ref(), &missing)?)
}

node_identity!(FieldExpr);

impl PhysicalExpr for FieldExpr {
    fn data_type(&self, _: &Schema) -> Result<ArrowType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let row = to_array(self.arguments[0].evaluate(batch)?, batch.num_rows())?;
        Ok(ColumnarValue::Array(member(&row, self.index)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.arguments.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let value = children.pop().expect("a member has one child");
        Ok(FieldExpr::node(value, self.index, self.data_type.clone()))
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
