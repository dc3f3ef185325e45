//! CASE of conditions and values that cost nothing and cannot fail: all are computed for
//! all rows, and nothing is filtered to do so.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::kernels::zip::zip;
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType as ArrowType, Schema};
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, Operator};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, Column, Literal};

use super::field::FieldExpr;
use super::{node_identity, to_array};

pub(crate) struct ChoiceExpr {
    data_type: ArrowType,
    /// `condition, value, ..., else`.
    arguments: Vec<Arc<dyn PhysicalExpr>>,
}

impl ChoiceExpr {
    /// `None`: an argument may fail, or is worth to be computed for fewer rows.
    pub fn node(
        data_type: ArrowType,
        arguments: &[Arc<dyn PhysicalExpr>],
    ) -> Option<Arc<dyn PhysicalExpr>> {
        if !arguments.iter().all(is_cheap) {
            return None;
        }
        Some(Arc::new(ChoiceExpr { data_type, arguments: arguments.to_vec() }))
    }

    fn identity(&self) -> &'static str {
        "CHOICE"
    }
}

/// Columns, members of them, constants and comparisons of those.
fn is_cheap(expression: &Arc<dyn PhysicalExpr>) -> bool {
    let node: &dyn Any = expression.as_ref();
    if node.is::<Column>() || node.is::<Literal>() {
        return true;
    }
    if let Some(comparison) = node.downcast_ref::<BinaryExpr>() {
        use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        let compares = matches!(comparison.op(), Eq | NotEq | Lt | LtEq | Gt | GtEq);
        return compares && is_cheap(comparison.left()) && is_cheap(comparison.right());
    }
    node.downcast_ref::<FieldExpr>()
        .is_some_and(|member| member.children().into_iter().all(is_cheap))
}

/// NULL is not TRUE.
fn holds(condition: &BooleanArray) -> BooleanArray {
    match condition.nulls() {
        Some(_) => prep_null_mask_filter(condition),
        None => condition.clone(),
    }
}

node_identity!(ChoiceExpr);

impl PhysicalExpr for ChoiceExpr {
    fn data_type(&self, _: &Schema) -> Result<ArrowType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let column = |argument: &Arc<dyn PhysicalExpr>| to_array(argument.evaluate(batch)?, rows);
        let (otherwise, branches) = self.arguments.split_last().expect("CASE has an ELSE");
        let mut result: ArrayRef = column(otherwise)?;
        // From the last to the first, which so has the last word.
        for branch in branches.chunks_exact(2).rev() {
            let condition = column(&branch[0])?;
            result = zip(&holds(condition.as_boolean()), &column(&branch[1])?, &result)?;
        }
        Ok(ColumnarValue::Array(result))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.arguments.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(ChoiceExpr { data_type: self.data_type.clone(), arguments: children }))
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
