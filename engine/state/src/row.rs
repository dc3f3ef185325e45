//! Rows as bytes: one stable encoding for keys, state values and hashing.
//!
//! The encoding is part of the snapshot format. Two rows are equal exactly when
//! their bytes are (NaN and -0.0 included: floats are brought to one form, and the
//! entries of a map to one order), so that keys can be compared and hashed as bytes.
//!
//! A row is its values one after another. A value is one tag byte, which is 0 for
//! NULL and otherwise names the type, followed by its payload in little endian:
//! fixed-width values as they are, text and bytes after a `u32` length, a list as a
//! `u32` count and its values, a map likewise with a key and a value each, a row
//! value as its members. Tags are never reused (see `tag`).
//!
//! Only bytes that [`encode`] can have written are decoded: [`decode`] refuses a
//! wrong tag, a value cut short, bytes left over, text that is not UTF-8, a float
//! outside its one form, a decimal beyond its precision and a map out of order.

mod decode;
mod encode;
mod hash;
#[cfg(test)]
mod tests;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use millrace_dataflow::key_group::{KeyGroup, key_group};

pub use self::hash::hash_columns;

/// Hash of an encoded key: what the exchange and the key groups go by.
#[inline]
pub fn hash(encoded: &[u8]) -> u64 {
    hash::hash(encoded)
}

/// Rows of one batch, encoded; row `i` is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Debug, Default)]
pub struct EncodedRows {
    pub bytes: Vec<u8>,
    pub offsets: Vec<usize>,
}

impl EncodedRows {
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index]..self.offsets[index + 1]]
    }

    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.offsets.capacity() * size_of::<usize>()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.offsets.windows(2).map(|span| &self.bytes[span[0]..span[1]])
    }
}

/// Bytes that are no row of the expected types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged row: {reason}")]
pub struct DamagedRow {
    pub reason: String,
}

impl DamagedRow {
    fn new(reason: impl Into<String>) -> DamagedRow {
        DamagedRow { reason: reason.into() }
    }
}

/// Encodes row by row. All columns have one length.
///
/// # Panics
/// A column has an Arrow type that no SQL type is laid out in
/// (`millrace_dataflow::DataType::to_arrow`), or the columns differ in length.
pub fn encode(columns: &[ArrayRef]) -> EncodedRows {
    encode::columns(columns, columns.first().map_or(0, |column| column.len()))
}

/// Encodes these columns of a batch, in the order given; with none, every row is
/// empty (the key of a global group).
///
/// # Panics
/// As [`encode`], or an index beyond the batch.
pub fn encode_column_subset(batch: &RecordBatch, columns: &[usize]) -> EncodedRows {
    let chosen: Vec<ArrayRef> = columns.iter().map(|&index| batch.column(index).clone()).collect();
    encode::columns(&chosen, batch.num_rows())
}

/// Appends a BIGINT as [`encode`] writes it.
pub fn push_int(bytes: &mut Vec<u8>, value: i64) {
    bytes.push(tag::INT64);
    bytes.extend_from_slice(&value.to_le_bytes());
}

/// Appends a BYTES value as [`encode`] writes it.
pub fn push_binary(bytes: &mut Vec<u8>, value: &[u8]) {
    let length = u32::try_from(value.len()).expect("a row is shorter than 4 GiB");
    bytes.push(tag::BINARY);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(value);
}

/// The hash of every row, see [`hash`].
pub fn hashes(rows: &EncodedRows) -> Vec<u64> {
    rows.iter().map(hash).collect()
}

/// The key group of every row, by [`hash`].
pub fn key_groups(rows: &EncodedRows, max_parallelism: u16) -> Vec<KeyGroup> {
    rows.iter().map(|row| key_group(hash(row), max_parallelism)).collect()
}

/// The columns that [`encode`] was given; maps come back in key order.
///
/// # Errors
/// The bytes do not hold exactly these types.
pub fn decode<'a>(
    types: &[ArrowType],
    rows: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<ArrayRef>, DamagedRow> {
    decode::columns(types, rows.collect())
}

/// First byte of a value. 0 is NULL, whatever the type.
mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INT8: u8 = 3;
    pub const INT16: u8 = 4;
    pub const INT32: u8 = 5;
    pub const INT64: u8 = 6;
    pub const FLOAT32: u8 = 7;
    pub const FLOAT64: u8 = 8;
    pub const DECIMAL128: u8 = 9;
    pub const UTF8: u8 = 10;
    pub const BINARY: u8 = 11;
    pub const DATE32: u8 = 12;
    pub const TIME32_MS: u8 = 13;
    /// Seconds, milliseconds, microseconds, nanoseconds.
    pub const TIMESTAMP: u8 = 14;
    /// The same with a zone.
    pub const TIMESTAMP_ZONED: u8 = 18;
    pub const LIST: u8 = 22;
    pub const MAP: u8 = 23;
    pub const STRUCT: u8 = 24;
}

fn timestamp_tag(unit: TimeUnit, zoned: bool) -> u8 {
    let base = if zoned { tag::TIMESTAMP_ZONED } else { tag::TIMESTAMP };
    base + match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

/// Tag and payload width of a type whose values all have one width.
fn fixed(data_type: &ArrowType) -> Option<(u8, usize)> {
    Some(match data_type {
        ArrowType::Int8 => (tag::INT8, 1),
        ArrowType::Int16 => (tag::INT16, 2),
        ArrowType::Int32 => (tag::INT32, 4),
        ArrowType::Int64 => (tag::INT64, 8),
        ArrowType::Float32 => (tag::FLOAT32, 4),
        ArrowType::Float64 => (tag::FLOAT64, 8),
        ArrowType::Decimal128(_, _) => (tag::DECIMAL128, 16),
        ArrowType::Date32 => (tag::DATE32, 4),
        ArrowType::Time32(TimeUnit::Millisecond) => (tag::TIME32_MS, 4),
        ArrowType::Timestamp(unit, zone) => (timestamp_tag(*unit, zone.is_some()), 8),
        _ => return None,
    })
}

/// The one form of a float: one NaN, no negative zero.
fn canonical_f32(value: f32) -> f32 {
    if value.is_nan() {
        f32::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}

/// As [`canonical_f32`].
fn canonical_f64(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}
