//! CASE: the first branch whose condition holds gives a row its value.
//!
//! What is cheap is computed for all rows, and nothing is filtered to do so; the rest
//! only for the rows that get there (Flink: the generated code is nested IFs), so an
//! error elsewhere fails no row.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{interleave, prep_null_mask_filter};
use arrow::datatypes::{DataType as ArrowType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Literal;

use super::cheap::is_cheap;
use super::logic::on_rows;
use super::narrow::narrowed;
use super::{node_identity, to_array};

pub(crate) struct ChoiceExpr {
    data_type: ArrowType,
    /// `condition, value, ..., else`.
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// Computed for all rows, and put together by masks.
    by_masks: bool,
}

/// One value of a CASE, computed.
struct Source {
    values: ArrayRef,
    place: Place,
}

/// Where a row's element is.
enum Place {
    /// One for all.
    Only,
    /// At the row's number.
    Row,
    /// Behind that of the row before it that has this value.
    Next(usize),
}

impl ChoiceExpr {
    pub fn node(
        data_type: ArrowType,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Arc<dyn PhysicalExpr> {
        let by_masks = data_type.is_primitive() && arguments.iter().all(is_cheap);
        Arc::new(ChoiceExpr { data_type, arguments, by_masks })
    }

    fn identity(&self) -> &'static str {
        "CHOICE"
    }

    fn branches(&self) -> (&[Arc<dyn PhysicalExpr>], &Arc<dyn PhysicalExpr>) {
        let (otherwise, branches) = self.arguments.split_last().expect("CASE has an ELSE");
        (branches, otherwise)
    }

    /// From the last to the first, which so has the last word.
    fn masked(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        let column = |argument: &Arc<dyn PhysicalExpr>| to_array(argument.evaluate(batch)?, rows);
        let (branches, otherwise) = self.branches();
        let mut result: ArrayRef = column(otherwise)?;
        for branch in branches.chunks_exact(2).rev() {
            let condition = column(&branch[0])?;
            result = zip(&holds(condition.as_boolean()), &column(&branch[1])?, &result)?;
        }
        Ok(result)
    }

    /// For each row the number of its value.
    fn picks(&self, batch: &RecordBatch) -> Result<Vec<u16>> {
        let (branches, _) = self.branches();
        let mut picks = vec![(branches.len() / 2) as u16; batch.num_rows()];
        let mut open = BooleanArray::new(BooleanBuffer::new_set(batch.num_rows()), None);
        for (at, branch) in branches.chunks_exact(2).enumerate() {
            if open.true_count() == 0 {
                break;
            }
            let condition = on_rows(&branch[0], batch, &open)?;
            let holds = holds(condition.as_boolean());
            let here = open.values() & holds.values();
            here.set_indices().for_each(|row| picks[row] = at as u16);
            open = BooleanArray::new(open.values() & &!&here, None);
        }
        Ok(picks)
    }

    fn picked(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let picks = self.picks(batch)?;
        let (branches, otherwise) = self.branches();
        let values = branches.chunks_exact(2).map(|branch| &branch[1]).chain([otherwise]);
        let mut sources = Vec::new();
        for (at, value) in values.enumerate() {
            sources.push(Source::of(value, batch, &picks, at as u16)?);
        }
        if let [Source { values, place: Place::Row }] = sources.as_slice() {
            return Ok(Arc::clone(values));
        }
        let mut place_of = |(row, pick): (usize, &u16)| {
            let pick = usize::from(*pick);
            (pick, sources[pick].place(row))
        };
        let places: Vec<(usize, usize)> = picks.iter().enumerate().map(&mut place_of).collect();
        let arrays: Vec<&dyn Array> = sources.iter().map(|source| source.values.as_ref()).collect();
        Ok(interleave(&arrays, &places)?)
    }
}

impl Source {
    fn of(
        value: &Arc<dyn PhysicalExpr>,
        batch: &RecordBatch,
        picks: &[u16],
        at: u16,
    ) -> Result<Source> {
        let (rows, node): (usize, &dyn Any) = (batch.num_rows(), value.as_ref());
        if let Some(literal) = node.downcast_ref::<Literal>() {
            return Ok(Source { values: literal.value().to_array()?, place: Place::Only });
        }
        if is_cheap(value) {
            let values = to_array(value.evaluate(batch)?, rows)?;
            return Ok(Source { values, place: Place::Row });
        }
        let mine = BooleanBuffer::collect_bool(rows, |row| picks[row] == at);
        if mine.count_set_bits() == rows {
            let values = to_array(value.evaluate(batch)?, rows)?;
            return Ok(Source { values, place: Place::Row });
        }
        let some = narrowed(batch, &BooleanArray::new(mine, None), value)?;
        let values = to_array(value.evaluate(&some)?, some.num_rows())?;
        Ok(Source { values, place: Place::Next(0) })
    }

    fn place(&mut self, row: usize) -> usize {
        match &mut self.place {
            Place::Only => 0,
            Place::Row => row,
            Place::Next(next) => {
                *next += 1;
                *next - 1
            }
        }
    }
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
        let result = if self.by_masks { self.masked(batch)? } else { self.picked(batch)? };
        Ok(ColumnarValue::Array(result))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.arguments.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(ChoiceExpr::node(self.data_type.clone(), children))
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
