//! Several small batches of one input as one: what an operator does once a batch is
//! then done once for all of them.

use arrow::array::ArrayRef;
use arrow::compute::concat;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use millrace_dataflow::{Batch, RowKind};

use crate::error::TaskError;

/// The rows of all parts, in order.
///
/// # Errors
/// The parts have different columns.
pub fn concatenate(mut parts: Vec<Batch>) -> Result<Batch, TaskError> {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return Ok(only);
    }
    let failed = |error: arrow::error::ArrowError| TaskError::new("exchange", error.to_string());
    let schema = parts[0].record.schema();
    let columns = (0..schema.fields().len()).map(|column| {
        let arrays: Vec<&dyn arrow::array::Array> =
            parts.iter().map(|part| part.record.column(column).as_ref()).collect();
        concat(&arrays)
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>().map_err(failed)?;
    let rows = parts.iter().map(Batch::num_rows).sum();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let record = RecordBatch::try_new_with_options(schema, columns, &options).map_err(failed)?;
    Ok(Batch { record, kinds: kinds(&parts, rows).map(Into::into) })
}

fn kinds(parts: &[Batch], rows: usize) -> Option<Vec<RowKind>> {
    parts.iter().any(|part| part.kinds.is_some()).then(|| {
        let mut all = Vec::with_capacity(rows);
        for part in parts {
            match &part.kinds {
                Some(kinds) => all.extend_from_slice(kinds),
                None => all.resize(all.len() + part.num_rows(), RowKind::Insert),
            }
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    fn batch(rows: &[i64], kinds: Option<Vec<RowKind>>) -> Batch {
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
        let column: ArrayRef = Arc::new(Int64Array::from(rows.to_vec()));
        let record = RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap();
        Batch { record, kinds: kinds.map(Into::into) }
    }

    #[test]
    fn rows_and_kinds_keep_their_order() {
        use RowKind::{Delete, Insert};
        let parts = vec![batch(&[1, 2], None), batch(&[3], Some(vec![Delete])), batch(&[4], None)];
        let all = concatenate(parts).unwrap();
        assert_eq!(all.record.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3, 4]);
        assert_eq!(all.kinds.as_deref(), Some([Insert, Insert, Delete, Insert].as_slice()));
        assert!(concatenate(vec![batch(&[1], None), batch(&[2], None)]).unwrap().kinds.is_none());
    }
}
