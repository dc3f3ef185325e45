//! Values of any type as row bytes, for functions that only keep and return them.

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::DataType as ArrowType;
use millrace_state::row::{self, EncodedRows};

use super::AggregateError;

/// NULL in the row encoding.
const NULL: [u8; 1] = [0];

/// A column of values under construction.
#[derive(Debug)]
pub struct EncodedColumn(EncodedRows);

impl EncodedColumn {
    pub fn with_capacity(rows: usize) -> EncodedColumn {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        EncodedColumn(EncodedRows { bytes: Vec::with_capacity(rows * 9), offsets })
    }

    pub fn push(&mut self, value: Option<&[u8]>) {
        self.0.bytes.extend_from_slice(value.unwrap_or(&NULL));
        self.0.offsets.push(self.0.bytes.len());
    }

    pub fn finish(&self, data_type: &ArrowType) -> ArrayRef {
        decode_one(data_type, self.0.iter()).expect("values that were encoded or checked on load")
    }
}

/// One column of encoded values.
///
/// # Errors
/// They are not of this type.
pub fn decode_one<'a>(
    data_type: &ArrowType,
    values: impl Iterator<Item = &'a [u8]>,
) -> Result<ArrayRef, AggregateError> {
    row::decode(std::slice::from_ref(data_type), values)
        .map(|mut columns| columns.pop().unwrap_or_else(|| new_empty_array(data_type)))
        .map_err(|error| AggregateError(error.to_string()))
}
