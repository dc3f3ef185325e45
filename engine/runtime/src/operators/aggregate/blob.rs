//! State that is no fixed-width column: wide sums, and collections of values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::datatypes::{DataType as ArrowType, i256};

use super::AggregateError;
use crate::operators::keys::{Bytes, spilled_bytes};

/// Saved as 32 bytes, little endian.
pub fn wide_type() -> ArrowType {
    ArrowType::Binary
}

pub fn save_wide(values: &[i256]) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values(values.iter().map(|value| value.to_le_bytes())))
}

pub fn load_wide(column: &ArrayRef) -> Result<Vec<i256>, AggregateError> {
    let column = column.as_binary::<i32>();
    (0..column.len())
        .map(|row| {
            let bytes = column.value(row).try_into();
            bytes.map(i256::from_le_bytes).map_err(|_| damaged("a sum of another width"))
        })
        .collect()
}

/// About what one value takes in a collection in memory.
pub fn value_bytes(value: &[u8]) -> usize {
    2 * size_of::<Bytes>() + spilled_bytes(value.len())
}

/// Values in order with how often each is there: `length, value, count` each.
#[derive(Debug, Default)]
pub struct Collection(Vec<u8>);

impl Collection {
    pub fn push(&mut self, value: &[u8], count: i64) {
        let length = u32::try_from(value.len()).expect("one value is below 4 GiB");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(&count.to_le_bytes());
    }
}

/// One collection a row.
pub fn save_collections(collections: impl Iterator<Item = Collection>) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values(collections.map(|collection| collection.0)))
}

/// Calls `each(row, value, count)` for all that the rows hold.
///
/// # Errors
/// Bytes that [`save_collections`] did not write.
pub fn load_collections(
    column: &ArrayRef,
    mut each: impl FnMut(usize, &[u8], i64),
) -> Result<(), AggregateError> {
    let column = column.as_binary::<i32>();
    for row in 0..column.len() {
        let mut rest = column.value(row);
        while !rest.is_empty() {
            let length = u32::from_le_bytes(take(&mut rest)?);
            let (value, after) = rest
                .split_at_checked(length as usize)
                .ok_or_else(|| damaged("a collection cut short"))?;
            rest = after;
            each(row, value, i64::from_le_bytes(take(&mut rest)?));
        }
    }
    Ok(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], AggregateError> {
    let (head, after) =
        rest.split_first_chunk::<N>().ok_or_else(|| damaged("a collection cut short"))?;
    *rest = after;
    Ok(*head)
}

pub fn damaged(reason: impl Into<String>) -> AggregateError {
    AggregateError(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_come_back_and_damage_is_refused() {
        let mut collection = Collection::default();
        collection.push(b"ab", 2);
        collection.push(b"", -1);
        let saved = save_collections([collection].into_iter());
        let mut seen = Vec::new();
        load_collections(&saved, |row, value, count| seen.push((row, value.to_vec(), count)))
            .expect("just saved");
        assert_eq!(seen, [(0, b"ab".to_vec(), 2), (0, b"".to_vec(), -1)]);
        let bytes = saved.as_binary::<i32>().value(0);
        for end in 1..bytes.len() {
            let cut: ArrayRef = Arc::new(BinaryArray::from_iter_values([&bytes[..end]]));
            let whole = end == 4 + 2 + 8;
            assert_eq!(load_collections(&cut, |_, _, _| {}).is_ok(), whole, "{end}");
        }
    }
}
