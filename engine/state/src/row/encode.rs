//! Columns to bytes, a column at a time: lengths first, then every column writes its
//! value of each row where the row has got to.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, GenericByteArray, ListArray,
    MapArray, PrimitiveArray, StructArray,
};
use arrow::datatypes::{
    ArrowNativeType, ByteArrayType, DataType as ArrowType, Date32Type, Decimal128Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use super::{EncodedRows, canonical_f32, canonical_f64, fixed, tag};

pub fn columns(columns: &[ArrayRef], rows: usize) -> EncodedRows {
    assert!(columns.iter().all(|column| column.len() == rows), "columns of one length");
    let prepared: Vec<Column> = columns.iter().map(Column::new).collect();
    let mut lengths = vec![0_usize; rows];
    for column in &prepared {
        column.add_lengths(&mut lengths);
    }
    let mut offsets = Vec::with_capacity(rows + 1);
    let mut end = 0;
    offsets.push(0);
    for length in &lengths {
        end += length;
        offsets.push(end);
    }
    let mut target = Target { bytes: vec![0; end], next: offsets[..rows].to_vec() };
    for column in &prepared {
        column.write(&mut target);
    }
    EncodedRows { bytes: target.bytes, offsets }
}

/// The bytes being written and where each row goes on.
struct Target {
    bytes: Vec<u8>,
    next: Vec<usize>,
}

impl Target {
    #[inline]
    fn put(&mut self, row: usize, payload: &[u8]) {
        let at = self.next[row];
        let end = at + payload.len();
        self.bytes[at..end].copy_from_slice(payload);
        self.next[row] = end;
    }

    #[inline]
    fn put_byte(&mut self, row: usize, byte: u8) {
        let at = self.next[row];
        self.bytes[at] = byte;
        self.next[row] = at + 1;
    }

    fn put_count(&mut self, row: usize, count: usize) {
        let count = u32::try_from(count).expect("Arrow's own offsets are 31 bits");
        self.put(row, &count.to_le_bytes());
    }
}

/// A column with the values inside it already encoded.
enum Column<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Fixed(&'a ArrayRef, u8, usize),
    Bytes(&'a ArrayRef, u8),
    List(&'a ListArray, EncodedRows),
    Map(&'a MapArray, EncodedRows),
    Struct(&'a StructArray, EncodedRows),
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef) -> Column<'a> {
        if let Some((tag, width)) = fixed(array.data_type()) {
            return Column::Fixed(array, tag, width);
        }
        match array.data_type() {
            ArrowType::Null => Column::Null,
            ArrowType::Boolean => Column::Boolean(array.as_boolean()),
            ArrowType::Utf8 => Column::Bytes(array, tag::UTF8),
            ArrowType::Binary => Column::Bytes(array, tag::BINARY),
            ArrowType::List(_) => Column::list(array.as_list()),
            ArrowType::Map(_, _) => Column::map(array.as_map()),
            ArrowType::Struct(_) => Column::row(array.as_struct()),
            other => panic!("no SQL type is laid out as {other}"),
        }
    }

    fn list(array: &'a ListArray) -> Column<'a> {
        let (first, length) = span(array.value_offsets());
        let values = array.values().slice(first, length);
        Column::List(array, columns(&[values], length))
    }

    /// Entries are put in the order of their bytes, so that equal maps are equal.
    fn map(array: &'a MapArray) -> Column<'a> {
        let (first, length) = span(array.value_offsets());
        let keys = array.keys().slice(first, length);
        let values = array.values().slice(first, length);
        let entries = columns(&[keys, values], length);
        let mut sorted = EncodedRows { bytes: Vec::new(), offsets: vec![0] };
        for ends in array.value_offsets().windows(2) {
            let mut of_row: Vec<&[u8]> = (ends[0].as_usize() - first..ends[1].as_usize() - first)
                .map(|entry| entries.row(entry))
                .collect();
            of_row.sort_unstable();
            for entry in of_row {
                sorted.bytes.extend_from_slice(entry);
                sorted.offsets.push(sorted.bytes.len());
            }
        }
        Column::Map(array, sorted)
    }

    fn row(array: &'a StructArray) -> Column<'a> {
        Column::Struct(array, columns(array.columns(), array.len()))
    }

    fn add_lengths(&self, lengths: &mut [usize]) {
        match self {
            Column::Null | Column::Boolean(_) => lengths.iter_mut().for_each(|length| *length += 1),
            Column::Fixed(array, _, width) => add(lengths, *array, |_| *width),
            Column::Bytes(array, tag::UTF8) => {
                let array = array.as_string::<i32>();
                add(lengths, array, |row| 4 + array.value_length(row).as_usize());
            }
            Column::Bytes(array, _) => {
                let array = array.as_binary::<i32>();
                add(lengths, array, |row| 4 + array.value_length(row).as_usize());
            }
            Column::List(array, values) => {
                add(lengths, *array, |row| 4 + inner(array.value_offsets(), values, row).len());
            }
            Column::Map(array, values) => {
                add(lengths, *array, |row| 4 + inner(array.value_offsets(), values, row).len());
            }
            Column::Struct(array, members) => add(lengths, *array, |row| members.row(row).len()),
        }
    }

    fn write(&self, target: &mut Target) {
        match self {
            Column::Null => target.next.iter_mut().for_each(|next| *next += 1),
            Column::Boolean(array) => {
                each(*array, target, |row, target| {
                    target.put_byte(row, if array.value(row) { tag::TRUE } else { tag::FALSE });
                });
            }
            Column::Fixed(array, tag, _) => write_fixed(array, *tag, target),
            Column::Bytes(array, tag::UTF8) => {
                write_bytes(array.as_string::<i32>(), tag::UTF8, target);
            }
            Column::Bytes(array, tag) => write_bytes(array.as_binary::<i32>(), *tag, target),
            Column::List(array, values) => each(*array, target, |row, target| {
                write_values(tag::LIST, array.value_offsets(), values, row, target);
            }),
            Column::Map(array, values) => each(*array, target, |row, target| {
                write_values(tag::MAP, array.value_offsets(), values, row, target);
            }),
            Column::Struct(array, members) => each(*array, target, |row, target| {
                target.put_byte(row, tag::STRUCT);
                target.put(row, members.row(row));
            }),
        }
    }
}

/// First value and number of values that a list's offsets speak of.
fn span(offsets: &[i32]) -> (usize, usize) {
    let first = offsets[0].as_usize();
    (first, offsets[offsets.len() - 1].as_usize() - first)
}

/// The encoded values of one list.
fn inner<'v>(offsets: &[i32], values: &'v EncodedRows, row: usize) -> &'v [u8] {
    let base = offsets[0];
    let start = values.offsets[(offsets[row] - base).as_usize()];
    let end = values.offsets[(offsets[row + 1] - base).as_usize()];
    &values.bytes[start..end]
}

fn write_values(tag: u8, offsets: &[i32], values: &EncodedRows, row: usize, target: &mut Target) {
    target.put_byte(row, tag);
    target.put_count(row, (offsets[row + 1] - offsets[row]).as_usize());
    target.put(row, inner(offsets, values, row));
}

/// One tag byte a row, and `payload` more where it is not NULL.
fn add(lengths: &mut [usize], array: &dyn Array, payload: impl Fn(usize) -> usize) {
    match array.nulls() {
        None => {
            lengths.iter_mut().enumerate().for_each(|(row, length)| *length += 1 + payload(row));
        }
        Some(nulls) => lengths.iter_mut().enumerate().for_each(|(row, length)| {
            *length += if nulls.is_valid(row) { 1 + payload(row) } else { 1 };
        }),
    }
}

/// Writes every row: the NULL tag (which is 0, as the bytes are already) or `value`.
#[inline]
fn each(array: &dyn Array, target: &mut Target, value: impl Fn(usize, &mut Target)) {
    match array.nulls() {
        None => (0..array.len()).for_each(|row| value(row, target)),
        Some(nulls) => (0..array.len()).for_each(|row| {
            if nulls.is_valid(row) {
                value(row, target);
            } else {
                target.put_byte(row, tag::NULL);
            }
        }),
    }
}

fn write_bytes<T: ByteArrayType>(array: &GenericByteArray<T>, tag: u8, target: &mut Target) {
    each(array, target, |row, target| {
        let value: &[u8] = array.value(row).as_ref();
        target.put_byte(row, tag);
        target.put_count(row, value.len());
        target.put(row, value);
    });
}

fn write_fixed(array: &ArrayRef, tag: u8, target: &mut Target) {
    match array.data_type() {
        ArrowType::Int8 => ints::<Int8Type, 2>(array, target, |v| pack(tag, v.to_le_bytes())),
        ArrowType::Int16 => ints::<Int16Type, 3>(array, target, |v| pack(tag, v.to_le_bytes())),
        ArrowType::Int32 => ints::<Int32Type, 5>(array, target, |v| pack(tag, v.to_le_bytes())),
        ArrowType::Int64 => ints::<Int64Type, 9>(array, target, |v| pack(tag, v.to_le_bytes())),
        ArrowType::Float32 => {
            ints::<Float32Type, 5>(array, target, |v| pack(tag, canonical_f32(v).to_le_bytes()))
        }
        ArrowType::Float64 => {
            ints::<Float64Type, 9>(array, target, |v| pack(tag, canonical_f64(v).to_le_bytes()))
        }
        ArrowType::Decimal128(_, _) => {
            ints::<Decimal128Type, 17>(array, target, |v| pack(tag, v.to_le_bytes()));
        }
        ArrowType::Date32 => ints::<Date32Type, 5>(array, target, |v| pack(tag, v.to_le_bytes())),
        ArrowType::Time32(_) => {
            ints::<Time32MillisecondType, 5>(array, target, |v| pack(tag, v.to_le_bytes()));
        }
        ArrowType::Timestamp(unit, _) => write_timestamp(array, *unit, tag, target),
        other => unreachable!("{other} has no fixed width"),
    }
}

fn write_timestamp(array: &ArrayRef, unit: TimeUnit, tag: u8, target: &mut Target) {
    let bytes = |v: i64| pack(tag, v.to_le_bytes());
    match unit {
        TimeUnit::Second => ints::<TimestampSecondType, 9>(array, target, bytes),
        TimeUnit::Millisecond => ints::<TimestampMillisecondType, 9>(array, target, bytes),
        TimeUnit::Microsecond => ints::<TimestampMicrosecondType, 9>(array, target, bytes),
        TimeUnit::Nanosecond => ints::<TimestampNanosecondType, 9>(array, target, bytes),
    }
}

fn ints<T: ArrowPrimitiveType, const N: usize>(
    array: &ArrayRef,
    target: &mut Target,
    bytes: impl Fn(T::Native) -> [u8; N],
) {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let values = array.values();
    each(array, target, |row, target| target.put(row, &bytes(values[row])));
}

/// Tag and payload in one piece, so that a value is one store.
#[inline]
fn pack<const W: usize, const N: usize>(tag: u8, payload: [u8; W]) -> [u8; N] {
    let mut packed = [tag; N];
    packed[1..].copy_from_slice(&payload);
    packed
}
