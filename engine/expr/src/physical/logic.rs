//! AND, OR and COALESCE that compute a later argument only for the rows that need
//! it: Flink's generated code short-circuits, so an error there must not fail a
//! row that never gets to it (row C7.3).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::kernels::boolean::{and_kleene, is_null, not, or_kleene};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{prep_null_mask_filter, take};
use arrow::datatypes::{DataType as ArrowType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::cheap::is_cheap;
use super::narrow::narrowed;
use super::{node_identity, to_array};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Coalesce,
}

pub(crate) struct LogicExpr {
    logic: Logic,
    data_type: ArrowType,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
}

impl LogicExpr {
    pub fn node(
        logic: Logic,
        data_type: ArrowType,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Arc<dyn PhysicalExpr> {
        Arc::new(LogicExpr { logic, data_type, arguments })
    }

    /// AND or OR: what its arguments give makes no new error.
    pub fn is_boolean(&self) -> bool {
        self.logic != Logic::Coalesce
    }

    fn identity(&self) -> &'static str {
        match self.logic {
            Logic::And => "AND",
            Logic::Or => "OR",
            Logic::Coalesce => "COALESCE",
        }
    }

    /// The rows that the value so far leaves open.
    fn open(&self, value: &ArrayRef) -> Result<BooleanArray> {
        Ok(match self.logic {
            Logic::Coalesce => is_null(value)?,
            // Everything but a plain FALSE (for AND) or TRUE (for OR).
            Logic::And => not(&definitely(&not(value.as_boolean())?))?,
            Logic::Or => not(&definitely(value.as_boolean()))?,
        })
    }

    fn combine(&self, value: &ArrayRef, next: &ArrayRef, open: &BooleanArray) -> Result<ArrayRef> {
        Ok(match self.logic {
            Logic::Coalesce => zip(open, next, value)?,
            Logic::And => Arc::new(and_kleene(value.as_boolean(), next.as_boolean())?),
            Logic::Or => Arc::new(or_kleene(value.as_boolean(), next.as_boolean())?),
        })
    }
}

/// NULL counts as FALSE.
fn definitely(values: &BooleanArray) -> BooleanArray {
    if values.null_count() == 0 { values.clone() } else { prep_null_mask_filter(values) }
}

/// Evaluates on the open rows only; the others get NULL, or what a cheap argument gives
/// for them.
pub(super) fn on_rows(
    argument: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
    open: &BooleanArray,
) -> Result<ArrayRef> {
    if is_cheap(argument) || open.true_count() == batch.num_rows() {
        return to_array(argument.evaluate(batch)?, batch.num_rows());
    }
    let some = narrowed(batch, open, argument)?;
    let values = to_array(argument.evaluate(&some)?, some.num_rows())?;
    let mut positions = vec![0; batch.num_rows()];
    for (at, row) in open.values().set_indices().enumerate() {
        positions[row] = at as u32;
    }
    let positions =
        arrow::array::UInt32Array::new(positions.into(), Some(open.values().clone().into()));
    Ok(take(values.as_ref(), &positions, None)?)
}

node_identity!(LogicExpr);

impl PhysicalExpr for LogicExpr {
    fn data_type(&self, _: &Schema) -> Result<ArrowType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let mut arguments = self.arguments.iter();
        let first = arguments.next().expect("typing gives at least one argument");
        let mut value = to_array(first.evaluate(batch)?, batch.num_rows())?;
        for argument in arguments {
            let open = self.open(&value)?;
            if open.true_count() == 0 {
                break;
            }
            let next = on_rows(argument, batch, &open)?;
            value = self.combine(&value, &next, &open)?;
        }
        Ok(ColumnarValue::Array(value))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.arguments.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(LogicExpr::node(self.logic, self.data_type.clone(), children))
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
