//! How many bytes a message keeps in memory: its own rows, not those of a larger batch
//! that it is a slice of.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use millrace_dataflow::{Batch, Message};

/// Of a message without rows, and of every batch beside its rows.
const MESSAGE: usize = 64;
/// Of a column beside its values: the array, its buffers' heads.
const COLUMN: usize = 128;

pub fn message_bytes(message: &Message) -> usize {
    match message {
        Message::Batch(batch) => batch_bytes(batch),
        _ => MESSAGE,
    }
}

pub fn batch_bytes(batch: &Batch) -> usize {
    let kinds = batch.kinds.as_ref().map_or(0, |kinds| kinds.len());
    let columns = batch.record.columns().iter().map(|column| COLUMN + values_bytes(column));
    MESSAGE + kinds + columns.sum::<usize>()
}

fn values_bytes(array: &ArrayRef) -> usize {
    let rows = array.len();
    if let Some(width) = array.data_type().primitive_width() {
        return rows * width;
    }
    let spread = |offsets: &[i32]| match offsets {
        [first, .., last] => (last - first) as usize,
        _ => 0,
    };
    let part = |values: &ArrayRef, offsets: &[i32]| match values.len() {
        0 => 0,
        all => values_bytes(values) * spread(offsets) / all,
    };
    4 * rows
        + match array.data_type() {
            DataType::Utf8 => spread(array.as_string::<i32>().value_offsets()),
            DataType::Binary => spread(array.as_binary::<i32>().value_offsets()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                part(list.values(), list.value_offsets())
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                part(map.keys(), map.value_offsets()) + part(map.values(), map.value_offsets())
            }
            DataType::Struct(_) => array.as_struct().columns().iter().map(values_bytes).sum(),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_slice_counts_its_own_rows() {
        let check = |array: ArrayRef, whole: usize, two: usize| {
            assert_eq!((values_bytes(&array), values_bytes(&array.slice(1, 2))), (whole, two));
        };
        check(Arc::new(Int64Array::from(vec![1, 2, 3, 4])), 32, 16);
        check(Arc::new(StringArray::from(vec!["abcd", "e", "fg", ""])), 16 + 7, 8 + 3);
    }
}
