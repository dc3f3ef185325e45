//! Columns that grow a value at a time and can be cut back, so that a record that
//! turns out bad half way leaves nothing behind.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, ListArray, MapArray, NullArray,
    NullBufferBuilder, PrimitiveArray, StringArray, StructArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{self as arrow_types, ArrowPrimitiveType, Fields};
use millrace_dataflow::types::{DataType, Field, TypeRoot};

/// One column under construction, laid out as [`DataType::to_arrow`] says.
#[derive(Debug)]
pub struct ColumnBuilder {
    arrow_type: arrow_types::DataType,
    nulls: NullBufferBuilder,
    values: Values,
}

/// The values of a column; a NULL takes a place with a neutral value.
#[derive(Debug)]
pub(crate) enum Values {
    Null,
    Boolean(BooleanBufferBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    /// INT, DATE, TIME and intervals of months.
    I32(Vec<i32>),
    /// BIGINT, timestamps and intervals of milliseconds.
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I128(Vec<i128>),
    /// Text and bytes.
    Bytes {
        offsets: Vec<i32>,
        bytes: Vec<u8>,
    },
    List {
        offsets: Vec<i32>,
        child: Box<ColumnBuilder>,
    },
    Map {
        offsets: Vec<i32>,
        keys: Box<ColumnBuilder>,
        values: Box<ColumnBuilder>,
    },
    Row {
        members: Vec<ColumnBuilder>,
        /// So many NULLs are yet to be appended to each member: rows that are NULL
        /// mostly come in runs.
        owed: usize,
    },
}

impl ColumnBuilder {
    pub fn new(data_type: &DataType) -> ColumnBuilder {
        ColumnBuilder {
            arrow_type: data_type.to_arrow(),
            nulls: NullBufferBuilder::new(0),
            values: Values::new(&data_type.root),
        }
    }

    pub fn len(&self) -> usize {
        self.nulls.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn push_null(&mut self) {
        self.nulls.append_null();
        self.values.push_neutrals(1);
    }

    fn push_nulls(&mut self, count: usize) {
        self.nulls.append_n_nulls(count);
        self.values.push_neutrals(count);
    }

    #[inline]
    pub fn push_bool(&mut self, value: bool) {
        if let Values::Boolean(values) = &mut self.values {
            values.append(value);
            self.nulls.append_non_null();
        }
    }

    /// Appends an integer of the column's own width; the caller has checked that it fits.
    #[inline]
    pub fn push_integer(&mut self, value: i64) {
        match &mut self.values {
            Values::I8(values) => values.push(value as i8),
            Values::I16(values) => values.push(value as i16),
            Values::I32(values) => values.push(value as i32),
            Values::I64(values) => values.push(value),
            _ => return,
        }
        self.nulls.append_non_null();
    }

    #[inline]
    pub fn push_float(&mut self, value: f64) {
        match &mut self.values {
            Values::F32(values) => values.push(value as f32),
            Values::F64(values) => values.push(value),
            _ => return,
        }
        self.nulls.append_non_null();
    }

    pub fn push_f32(&mut self, value: f32) {
        if let Values::F32(values) = &mut self.values {
            values.push(value);
            self.nulls.append_non_null();
        }
    }

    /// Appends the unscaled value of a DECIMAL.
    #[inline]
    pub fn push_decimal(&mut self, unscaled: i128) {
        if let Values::I128(values) = &mut self.values {
            values.push(unscaled);
            self.nulls.append_non_null();
        }
    }

    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(value));
    }

    /// Appends what `write` adds to the column's byte store as one value.
    #[inline]
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Values::Bytes { offsets, bytes } = &mut self.values {
            write(bytes);
            offsets.push(offset(bytes.len()));
            self.nulls.append_non_null();
        }
    }

    #[inline]
    pub fn push_row(&mut self) {
        self.nulls.append_non_null();
    }

    /// Ends an array or a map whose elements were appended to its children.
    pub fn end_elements(&mut self) {
        match &mut self.values {
            Values::List { offsets, child } => offsets.push(offset(child.len())),
            Values::Map { offsets, keys, .. } => offsets.push(offset(keys.len())),
            _ => return,
        }
        self.nulls.append_non_null();
    }

    /// The members of a ROW column; empty for any other.
    #[inline]
    pub fn members(&mut self) -> &mut [ColumnBuilder] {
        match &mut self.values {
            Values::Row { members, owed } => {
                pay(members, owed);
                members
            }
            _ => &mut [],
        }
    }

    /// The elements of an ARRAY column.
    pub fn elements(&mut self) -> Option<&mut ColumnBuilder> {
        match &mut self.values {
            Values::List { child, .. } => Some(child),
            _ => None,
        }
    }

    /// The keys and values of a MAP column.
    pub fn entries(&mut self) -> Option<(&mut ColumnBuilder, &mut ColumnBuilder)> {
        match &mut self.values {
            Values::Map { keys, values, .. } => Some((keys, values)),
            _ => None,
        }
    }

    /// Cuts the column back to `len` values, also when elements or members of an
    /// unfinished value were appended already.
    pub fn truncate(&mut self, len: usize) {
        self.nulls.truncate(len.min(self.nulls.len()));
        self.values.truncate(len);
    }

    /// The values so far as an array; the column is empty afterwards.
    pub fn finish(&mut self) -> ArrayRef {
        let len = self.len();
        let nulls = self.nulls.finish();
        self.values.finish(&self.arrow_type, len, nulls)
    }
}

fn offset(len: usize) -> i32 {
    i32::try_from(len).expect("a batch is cut long before 2 GiB of text")
}

impl Values {
    fn new(root: &TypeRoot) -> Values {
        match root {
            TypeRoot::Null => Values::Null,
            TypeRoot::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            TypeRoot::TinyInt => Values::I8(Vec::new()),
            TypeRoot::SmallInt => Values::I16(Vec::new()),
            TypeRoot::Int | TypeRoot::Date | TypeRoot::Time | TypeRoot::IntervalYearMonth => {
                Values::I32(Vec::new())
            }
            TypeRoot::BigInt
            | TypeRoot::Timestamp { .. }
            | TypeRoot::TimestampLtz { .. }
            | TypeRoot::IntervalDayTime => Values::I64(Vec::new()),
            TypeRoot::Float => Values::F32(Vec::new()),
            TypeRoot::Double => Values::F64(Vec::new()),
            TypeRoot::Decimal { .. } => Values::I128(Vec::new()),
            TypeRoot::Char(_)
            | TypeRoot::VarChar(_)
            | TypeRoot::Binary(_)
            | TypeRoot::VarBinary(_) => Values::Bytes { offsets: vec![0], bytes: Vec::new() },
            TypeRoot::Array(element) => {
                Values::List { offsets: vec![0], child: Box::new(ColumnBuilder::new(element)) }
            }
            TypeRoot::Map(key, value) => Values::map(key, value),
            TypeRoot::Multiset(element) => Values::map(element, &TypeRoot::Int.not_null()),
            TypeRoot::Row(fields) => {
                let member = |field: &Field| ColumnBuilder::new(&field.data_type);
                Values::Row { members: fields.iter().map(member).collect(), owed: 0 }
            }
        }
    }

    fn map(key: &DataType, value: &DataType) -> Values {
        Values::Map {
            offsets: vec![0],
            keys: Box::new(ColumnBuilder::new(key)),
            values: Box::new(ColumnBuilder::new(value)),
        }
    }

    fn push_neutrals(&mut self, count: usize) {
        fn more<T: Clone>(values: &mut Vec<T>, count: usize, value: T) {
            values.resize(values.len() + count, value);
        }
        match self {
            Values::Null => {}
            Values::Boolean(values) => values.append_n(count, false),
            Values::I8(values) => more(values, count, 0),
            Values::I16(values) => more(values, count, 0),
            Values::I32(values) => more(values, count, 0),
            Values::I64(values) => more(values, count, 0),
            Values::F32(values) => more(values, count, 0.0),
            Values::F64(values) => more(values, count, 0.0),
            Values::I128(values) => more(values, count, 0),
            Values::Bytes { offsets, bytes } => more(offsets, count, offset(bytes.len())),
            Values::List { offsets, child } => more(offsets, count, offset(child.len())),
            Values::Map { offsets, keys, .. } => more(offsets, count, offset(keys.len())),
            Values::Row { owed, .. } => *owed += count,
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Values::Null => {}
            Values::Boolean(values) => values.truncate(len.min(values.len())),
            Values::I8(values) => values.truncate(len),
            Values::I16(values) => values.truncate(len),
            Values::I32(values) => values.truncate(len),
            Values::I64(values) => values.truncate(len),
            Values::F32(values) => values.truncate(len),
            Values::F64(values) => values.truncate(len),
            Values::I128(values) => values.truncate(len),
            Values::Bytes { offsets, bytes } => {
                offsets.truncate(len + 1);
                bytes.truncate(last(offsets));
            }
            Values::List { offsets, child } => {
                offsets.truncate(len + 1);
                child.truncate(last(offsets));
            }
            Values::Map { offsets, keys, values } => {
                offsets.truncate(len + 1);
                keys.truncate(last(offsets));
                values.truncate(last(offsets));
            }
            Values::Row { members, owed } => {
                pay(members, owed);
                members.iter_mut().for_each(|member| member.truncate(len));
            }
        }
    }

    fn finish(
        &mut self,
        arrow_type: &arrow_types::DataType,
        len: usize,
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        use arrow_types::DataType as A;
        match self {
            Values::Null => Arc::new(NullArray::new(len)),
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::I8(values) => primitive::<arrow_types::Int8Type>(values, arrow_type, nulls),
            Values::I16(values) => primitive::<arrow_types::Int16Type>(values, arrow_type, nulls),
            Values::I32(values) => finish_i32(values, arrow_type, nulls),
            Values::I64(values) => finish_i64(values, arrow_type, nulls),
            Values::F32(values) => primitive::<arrow_types::Float32Type>(values, arrow_type, nulls),
            Values::F64(values) => primitive::<arrow_types::Float64Type>(values, arrow_type, nulls),
            Values::I128(values) => {
                primitive::<arrow_types::Decimal128Type>(values, arrow_type, nulls)
            }
            Values::Bytes { offsets, bytes } => {
                let (offsets, bytes) = (take_offsets(offsets), take_bytes(bytes));
                if *arrow_type == A::Binary {
                    return Arc::new(BinaryArray::new(offsets, bytes, nulls));
                }
                Arc::new(StringArray::new(offsets, bytes, nulls))
            }
            Values::List { offsets, child } => {
                let A::List(item) = arrow_type else { unreachable!("a list is laid out as List") };
                let (offsets, values) = (take_offsets(offsets), child.finish());
                Arc::new(ListArray::new(item.clone(), offsets, values, nulls))
            }
            Values::Map { offsets, keys, values } => {
                let A::Map(entries, _) = arrow_type else {
                    unreachable!("a map is laid out as Map")
                };
                let A::Struct(fields) = entries.data_type() else {
                    unreachable!("a map's entries are a struct")
                };
                let columns = vec![keys.finish(), values.finish()];
                let structs = StructArray::new(fields.clone(), columns, None);
                let offsets = take_offsets(offsets);
                Arc::new(MapArray::new(entries.clone(), offsets, structs, nulls, false))
            }
            Values::Row { members, owed } => {
                pay(members, owed);
                let A::Struct(fields) = arrow_type else {
                    unreachable!("a row is laid out as Struct")
                };
                row_array(fields, members, len, nulls)
            }
        }
    }
}

fn pay(members: &mut [ColumnBuilder], owed: &mut usize) {
    let count = std::mem::take(owed);
    if count > 0 {
        members.iter_mut().for_each(|member| member.push_nulls(count));
    }
}

fn row_array(
    fields: &Fields,
    members: &mut [ColumnBuilder],
    len: usize,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    if members.is_empty() {
        return Arc::new(StructArray::new_empty_fields(len, nulls));
    }
    let columns = members.iter_mut().map(ColumnBuilder::finish).collect();
    Arc::new(StructArray::new(fields.clone(), columns, nulls))
}

fn last(offsets: &[i32]) -> usize {
    offsets.last().map_or(0, |offset| *offset as usize)
}

// The next batch is about as large, and mostly a little more or less: without some
// room to spare every other one would move.
fn next_capacity(len: usize) -> usize {
    len + len / 8 + 8
}

fn take_offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let next = Vec::with_capacity(next_capacity(offsets.len()));
    let full = std::mem::replace(offsets, next);
    offsets.push(0);
    OffsetBuffer::new(ScalarBuffer::from(full))
}

fn take_bytes(bytes: &mut Vec<u8>) -> Buffer {
    let next = Vec::with_capacity(next_capacity(bytes.len()));
    Buffer::from_vec(std::mem::replace(bytes, next))
}

fn primitive<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    arrow_type: &arrow_types::DataType,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let next = Vec::with_capacity(next_capacity(values.len()));
    let full = std::mem::replace(values, next);
    let array = PrimitiveArray::<T>::new(ScalarBuffer::from(full), nulls);
    Arc::new(array.with_data_type(arrow_type.clone()))
}

fn finish_i32(
    values: &mut Vec<i32>,
    arrow_type: &arrow_types::DataType,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    use arrow_types::DataType as A;
    match arrow_type {
        A::Date32 => primitive::<arrow_types::Date32Type>(values, arrow_type, nulls),
        A::Time32(_) => primitive::<arrow_types::Time32MillisecondType>(values, arrow_type, nulls),
        _ => primitive::<arrow_types::Int32Type>(values, arrow_type, nulls),
    }
}

fn finish_i64(
    values: &mut Vec<i64>,
    arrow_type: &arrow_types::DataType,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    use arrow_types::TimeUnit::{Microsecond, Millisecond, Nanosecond};
    use arrow_types::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    };
    match arrow_type {
        arrow_types::DataType::Timestamp(Millisecond, _) => {
            primitive::<TimestampMillisecondType>(values, arrow_type, nulls)
        }
        arrow_types::DataType::Timestamp(Microsecond, _) => {
            primitive::<TimestampMicrosecondType>(values, arrow_type, nulls)
        }
        arrow_types::DataType::Timestamp(Nanosecond, _) => {
            primitive::<TimestampNanosecondType>(values, arrow_type, nulls)
        }
        _ => primitive::<arrow_types::Int64Type>(values, arrow_type, nulls),
    }
}

/// A column that holds one value in every row.
pub fn repeat(value: &ArrayRef, rows: usize) -> ArrayRef {
    let indices = arrow::array::UInt32Array::from(vec![0_u32; rows]);
    arrow::compute::take(value.as_ref(), &indices, None)
        .expect("index 0 of a column of one value exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_column_forgets_unfinished_nested_values() {
        let element = TypeRoot::Row(vec![Field::new("a", TypeRoot::string().nullable())]);
        let data_type = TypeRoot::Array(Box::new(element.nullable())).nullable();
        let mut column = ColumnBuilder::new(&data_type);
        push_strings(&mut column, &["x"]);
        column.end_elements();
        push_strings(&mut column, &["half", "way"]);
        column.truncate(1);
        push_strings(&mut column, &["y", "z"]);
        column.end_elements();
        column.push_null();
        let array = column.finish();
        assert_eq!(array.len(), 3);
        assert_eq!(array.null_count(), 1);
        assert_eq!(format!("{:?}", array.slice(0, 2)).matches("half").count(), 0);
        assert!(column.is_empty());
    }

    fn push_strings(column: &mut ColumnBuilder, values: &[&str]) {
        let elements = column.elements().expect("an array");
        for value in values {
            elements.members()[0].push_bytes(value.as_bytes());
            elements.push_row();
        }
    }
}
