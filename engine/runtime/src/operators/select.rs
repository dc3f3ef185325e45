//! The rows of columns that a mask picks.
//!
//! As Arrow's own filter, but texts are not copied when the rows left out hold none: so it
//! is in a ROW column whose rows are mostly NULL, and in a member that was never made.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray,
    StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{FilterBuilder, FilterPredicate, SlicesIterator, filter};
use arrow::datatypes::DataType as ArrowType;
use arrow::error::ArrowError;

/// A mask without NULLs, looked at once for many columns.
pub struct Selection<'a> {
    mask: &'a BooleanArray,
    predicate: FilterPredicate,
    /// Runs of picked rows.
    runs: Vec<(usize, usize)>,
    rows: usize,
}

impl<'a> Selection<'a> {
    pub fn new(mask: &'a BooleanArray) -> Selection<'a> {
        let runs = SlicesIterator::new(mask).collect();
        let predicate = FilterBuilder::new(mask).optimize().build();
        Selection { mask, predicate, runs, rows: mask.true_count() }
    }

    /// # Errors
    /// The column has another length than the mask.
    pub fn column(&self, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match column.data_type() {
            ArrowType::Struct(_) => self.members(column.as_struct()),
            ArrowType::Utf8 if column.null_count() == 0 => self.texts(column.as_string::<i32>()),
            _ => self.predicate.filter(column),
        }
    }

    /// # Errors
    /// As [`Selection::column`].
    pub fn record(&self, record: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = record.columns().iter().map(|column| self.column(column));
        let columns = columns.collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(record.schema(), columns, &options)
    }

    fn members(&self, rows: &StructArray) -> Result<ArrayRef, ArrowError> {
        let members = rows.columns().iter().map(|member| self.column(member));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let nulls = rows.nulls().map(|nulls| self.nulls(nulls)).transpose()?;
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let picked =
            StructArray::try_new_with_length(rows.fields().clone(), members, nulls, self.rows);
        Ok(Arc::new(picked?))
    }

    fn nulls(&self, nulls: &NullBuffer) -> Result<NullBuffer, ArrowError> {
        let valid = BooleanArray::new(nulls.inner().clone(), None);
        Ok(NullBuffer::new(filter(&valid, self.mask)?.as_boolean().values().clone()))
    }

    fn texts(&self, texts: &StringArray) -> Result<ArrayRef, ArrowError> {
        let offsets = texts.value_offsets();
        let bytes = offsets[texts.len()] - offsets[0];
        if bytes == 0 {
            return Ok(Arc::new(texts.slice(0, self.rows)));
        }
        let picked: i32 = self.runs.iter().map(|(from, to)| offsets[*to] - offsets[*from]).sum();
        if picked < bytes {
            return self.predicate.filter(texts);
        }
        let mut kept = Vec::with_capacity(self.rows + 1);
        kept.push(offsets[self.runs[0].0]);
        for (from, to) in &self.runs {
            kept.extend_from_slice(&offsets[from + 1..=*to]);
        }
        let kept = OffsetBuffer::new(ScalarBuffer::from(kept));
        Ok(Arc::new(StringArray::try_new(kept, texts.values().clone(), None)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever way it takes, the rows are those of Arrow's filter.
    #[test]
    fn the_picked_rows_are_those_of_arrows_filter() {
        let check = |texts: Vec<Option<&str>>, picked: Vec<bool>| {
            let texts: ArrayRef = Arc::new(StringArray::from(texts));
            let numbers: ArrayRef =
                Arc::new(arrow::array::Int64Array::from_iter(0..texts.len() as i64));
            let fields = [("t", texts.clone(), true), ("n", numbers, true)];
            let record = RecordBatch::try_from_iter_with_nullable(fields).unwrap();
            let valid: Vec<bool> = (0..texts.len())
                .map(|row| !texts.slice(row, 1).is_empty() && row % 3 != 1)
                .collect();
            let rows: ArrayRef = Arc::new(StructArray::new(
                record.schema().fields().clone(),
                record.columns().to_vec(),
                Some(NullBuffer::from(valid)),
            ));
            let mask = BooleanArray::from(picked);
            let selection = Selection::new(&mask);
            for column in [&texts, &rows, &texts.slice(0, texts.len())] {
                assert_eq!(&selection.column(column).unwrap(), &filter(column, &mask).unwrap());
            }
            assert_eq!(selection.record(&record).unwrap().num_rows(), mask.true_count());
        };
        let all = || vec![Some("ab"), Some(""), Some("çd"), Some(""), Some("e")];
        check(all(), vec![true, false, true, false, true]);
        check(all(), vec![false, true, false, true, false]);
        check(all(), vec![true, false, false, true, true]);
        check(all(), vec![false; 5]);
        check(vec![Some(""); 5], vec![true, false, true, true, false]);
        check(vec![None, Some("x"), None, Some("y"), None], vec![false, true, false, true, true]);
    }
}
