//! CAST and TRY_CAST as a physical expression.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType as ArrowType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::{node_identity, to_array, to_datafusion};
use crate::cast::Cast;

pub(crate) struct CastExpr {
    cast: Cast,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
}

impl CastExpr {
    pub fn node(cast: Cast, value: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        Arc::new(CastExpr { cast, arguments: vec![value] })
    }

    fn identity(&self) -> String {
        let name = if self.cast.try_cast { "TRY_CAST" } else { "CAST" };
        format!("{name}:{}:{}:{:?}", self.cast.from, self.cast.to, self.cast.zone)
    }
}

node_identity!(CastExpr);

impl PhysicalExpr for CastExpr {
    fn data_type(&self, _: &Schema) -> Result<ArrowType> {
        Ok(self.cast.to.to_arrow())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let value = to_array(self.arguments[0].evaluate(batch)?, batch.num_rows())?;
        Ok(ColumnarValue::Array(self.cast.column(&value).map_err(to_datafusion)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.arguments.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let value = children.pop().expect("a cast has one child");
        Ok(CastExpr::node(self.cast.clone(), value))
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
