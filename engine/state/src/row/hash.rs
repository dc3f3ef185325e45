//! Hashes of keys: of their encoded bytes, without writing those where that can be
//! spared.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType,
};

use super::{encode_column_subset, fixed, tag};

const PRIME_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME_5: u64 = 0x27D4_EB2F_1656_67C5;

/// XXH64 with seed 0.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    if bytes.len() < 32 { short(bytes) } else { twox_hash::XxHash64::oneshot(0, bytes) }
}

/// XXH64 of fewer than 32 bytes, which has no lanes to set up; most keys are.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    let mut hash = PRIME_5.wrapping_add(bytes.len() as u64);
    let (words, mut rest) = bytes.as_chunks::<8>();
    for word in words {
        let lane = u64::from_le_bytes(*word).wrapping_mul(PRIME_2).rotate_left(31);
        hash ^= lane.wrapping_mul(PRIME_1);
        hash = hash.rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
    }
    if let Some((half, tail)) = rest.split_first_chunk::<4>() {
        hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIME_1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
        rest = tail;
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(PRIME_5);
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

/// The hash of each row's key, as [`super::hashes`] of [`encode_column_subset`] gives it,
/// put into `into` after what is there.
///
/// # Panics
/// As [`encode_column_subset`].
pub fn hash_columns(batch: &RecordBatch, columns: &[usize], into: &mut Vec<u64>) {
    if let [column] = columns
        && hash_one(batch.column(*column), into)
    {
        return;
    }
    into.extend(encode_column_subset(batch, columns).iter().map(hash));
}

/// A key of one common type is encoded on the stack, value by value.
fn hash_one(column: &ArrayRef, into: &mut Vec<u64>) -> bool {
    let Some((tag, _)) = fixed(column.data_type()) else {
        return column.data_type() == &ArrowType::Utf8 && hash_text(column, into);
    };
    match column.data_type() {
        ArrowType::Int64 => primitive::<Int64Type, 9>(column, into, |v| pack(tag, v.to_le_bytes())),
        ArrowType::Int32 => primitive::<Int32Type, 5>(column, into, |v| pack(tag, v.to_le_bytes())),
        ArrowType::Date32 => {
            primitive::<Date32Type, 5>(column, into, |v| pack(tag, v.to_le_bytes()));
        }
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            primitive::<TimestampMillisecondType, 9>(column, into, |v| pack(tag, v.to_le_bytes()));
        }
        _ => return false,
    }
    true
}

fn primitive<T: ArrowPrimitiveType, const N: usize>(
    column: &ArrayRef,
    into: &mut Vec<u64>,
    bytes: impl Fn(T::Native) -> [u8; N],
) {
    let array = column.as_primitive::<T>();
    match array.nulls() {
        None => into.extend(array.values().iter().map(|value| short(&bytes(*value)))),
        Some(nulls) => {
            let null = short(&[tag::NULL]);
            let values = array.values().iter().zip(nulls.iter());
            into.extend(
                values.map(|(value, valid)| if valid { short(&bytes(*value)) } else { null }),
            );
        }
    }
}

fn hash_text(column: &ArrayRef, into: &mut Vec<u64>) -> bool {
    let mut encoded = Vec::with_capacity(64);
    into.extend(column.as_string::<i32>().iter().map(|text| {
        encoded.clear();
        match text {
            None => encoded.push(tag::NULL),
            Some(text) => {
                encoded.push(tag::UTF8);
                encoded.extend_from_slice(&(text.len() as u32).to_le_bytes());
                encoded.extend_from_slice(text.as_bytes());
            }
        }
        hash(&encoded)
    }));
    true
}

#[inline]
fn pack<const W: usize, const N: usize>(tag: u8, payload: [u8; W]) -> [u8; N] {
    let mut packed = [tag; N];
    packed[1..].copy_from_slice(&payload);
    packed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Date32Array, Int32Array, Int64Array, StringArray, TimestampMillisecondArray,
    };

    use super::*;
    use crate::row::hashes;

    #[test]
    fn every_length_hashes_as_xxh64() {
        let bytes: Vec<u8> = (0..80u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
        for length in 0..bytes.len() {
            let wanted = twox_hash::XxHash64::oneshot(0, &bytes[..length]);
            assert_eq!(hash(&bytes[..length]), wanted, "{length} bytes");
        }
    }

    #[test]
    fn a_key_hashes_as_its_encoded_bytes() {
        let check = |columns: Vec<ArrayRef>| {
            let named = columns.into_iter().enumerate().map(|(at, c)| (format!("c{at}"), c, true));
            let batch = RecordBatch::try_from_iter_with_nullable(named).unwrap();
            let all: Vec<usize> = (0..batch.num_columns()).collect();
            let mut found = vec![7];
            hash_columns(&batch, &all, &mut found);
            assert_eq!(found.remove(0), 7, "what was there stays");
            assert_eq!(found, hashes(&encode_column_subset(&batch, &all)));
        };
        let long = "x".repeat(100);
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec![Some("a"), None, Some(&long), Some("")]));
        let numbers: ArrayRef =
            Arc::new(Int64Array::from(vec![Some(1), None, Some(-7), Some(i64::MAX)]));
        check(vec![Arc::clone(&texts)]);
        check(vec![Arc::clone(&numbers)]);
        check(vec![texts, numbers]);
        check(vec![Arc::new(Int32Array::from(vec![Some(1), None]))]);
        check(vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]);
        check(vec![Arc::new(Date32Array::from(vec![1, 2, 3]))]);
        check(vec![Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3]).with_timezone("UTC"))]);
    }
}
