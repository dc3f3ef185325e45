//! One value at a time: what row-wise functions read and write.
//!
//! The hot paths work on Arrow arrays directly; everything else reads a row's
//! arguments as [`Value`]s, which borrow text and bytes from the arrays.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray, NullArray,
    PrimitiveArray, StringArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType as ArrowType, TimeUnit};
use millrace_dataflow::types::time_unit;
use millrace_dataflow::{DataType, TypeRoot};

/// A value without its type: the type tells integers from dates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    /// TINYINT to BIGINT, DATE (days), TIME (ms), intervals (months, ms).
    Integer(i64),
    /// Unscaled.
    Decimal(i128),
    /// FLOAT (widened) and DOUBLE.
    Float(f64),
    /// Nanoseconds since the epoch, of wall clock or instant.
    Timestamp(i128),
    String(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Array(Vec<Value<'a>>),
    /// MAP, or MULTISET from element to count.
    Map(Vec<(Value<'a>, Value<'a>)>),
    Row(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Value<'a> {
        Value::String(text.into())
    }

    pub fn bytes(bytes: impl Into<Cow<'a, [u8]>>) -> Value<'a> {
        Value::Binary(bytes.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a string; empty for anything else, which typing excludes.
    pub fn as_str(&self) -> &str {
        if let Value::String(text) = self { text } else { "" }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Value::Binary(bytes) => bytes,
            Value::String(text) => text.as_bytes(),
            _ => &[],
        }
    }

    pub fn as_int(&self) -> i64 {
        if let Value::Integer(value) = self { *value } else { 0 }
    }

    pub fn as_float(&self) -> f64 {
        if let Value::Float(value) = self { *value } else { f64::NAN }
    }

    pub fn as_nanos(&self) -> i128 {
        if let Value::Timestamp(nanos) = self { *nanos } else { 0 }
    }

    pub fn is_true(&self) -> bool {
        matches!(self, Value::Boolean(true))
    }

    pub fn elements(&self) -> &[Value<'a>] {
        match self {
            Value::Array(elements) | Value::Row(elements) => elements,
            _ => &[],
        }
    }

    pub fn entries(&self) -> &[(Value<'a>, Value<'a>)] {
        if let Value::Map(entries) = self { entries } else { &[] }
    }

    /// The natural order of two values of one type; NULLs are the caller's affair.
    /// `None` for what has no order (NaN, rows, arrays, maps).
    pub fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
            (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
            (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
            (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Value::Binary(a), Value::Binary(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Deep equality (row C7.6); two NULL members are equal, maps ignore order.
    pub fn same(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Array(a), Value::Array(b)) | (Value::Row(a), Value::Row(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| {
                        b.iter().any(|(other, found)| key.same(other) && value.same(found))
                    })
            }
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }
}

/// Reads an array row by row.
pub(crate) enum Reader<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array),
    Date(&'a PrimitiveArray<Date32Type>),
    Time(&'a PrimitiveArray<Time32MillisecondType>),
    Millis(&'a PrimitiveArray<TimestampMillisecondType>),
    Micros(&'a PrimitiveArray<TimestampMicrosecondType>),
    Nanos(&'a PrimitiveArray<TimestampNanosecondType>),
    String(&'a StringArray),
    Binary(&'a BinaryArray),
    List(&'a ListArray, Box<Reader<'a>>),
    Map(&'a MapArray, Box<Reader<'a>>, Box<Reader<'a>>),
    Row(&'a StructArray, Vec<Reader<'a>>),
}

impl<'a> Reader<'a> {
    /// # Panics
    /// On an Arrow type that `DataType::to_arrow` never gives.
    pub fn new(array: &'a dyn Array) -> Reader<'a> {
        match array.data_type() {
            ArrowType::Null => Reader::Null,
            ArrowType::Boolean => Reader::Boolean(array.as_boolean()),
            ArrowType::Int8 => Reader::Int8(array.as_primitive::<Int8Type>()),
            ArrowType::Int16 => Reader::Int16(array.as_primitive::<Int16Type>()),
            ArrowType::Int32 => Reader::Int32(array.as_primitive::<Int32Type>()),
            ArrowType::Int64 => Reader::Int64(array.as_primitive::<Int64Type>()),
            ArrowType::Float32 => Reader::Float32(array.as_primitive::<Float32Type>()),
            ArrowType::Float64 => Reader::Float64(array.as_primitive::<Float64Type>()),
            ArrowType::Decimal128(_, _) => Reader::Decimal(array.as_primitive::<Decimal128Type>()),
            ArrowType::Date32 => Reader::Date(array.as_primitive()),
            ArrowType::Time32(_) => Reader::Time(array.as_primitive()),
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => Reader::Millis(array.as_primitive()),
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => Reader::Micros(array.as_primitive()),
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => Reader::Nanos(array.as_primitive()),
            ArrowType::Utf8 => Reader::String(array.as_string()),
            ArrowType::Binary => Reader::Binary(array.as_binary()),
            ArrowType::List(_) => {
                let list = array.as_list::<i32>();
                Reader::List(list, Box::new(Reader::new(list.values().as_ref())))
            }
            ArrowType::Map(_, _) => {
                let map = array.as_map();
                let keys = Reader::new(map.keys().as_ref());
                Reader::Map(map, Box::new(keys), Box::new(Reader::new(map.values().as_ref())))
            }
            ArrowType::Struct(_) => {
                let row = array.as_struct();
                Reader::Row(row, row.columns().iter().map(|c| Reader::new(c.as_ref())).collect())
            }
            other => unreachable!("no logical type is laid out as {other}"),
        }
    }

    pub fn get(&self, row: usize) -> Value<'a> {
        fn number<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, row: usize) -> Value<'static>
        where
            T::Native: Into<i64>,
        {
            if array.is_null(row) { Value::Null } else { Value::Integer(array.value(row).into()) }
        }
        fn instant(nanos: Option<i64>, unit: i128) -> Value<'static> {
            nanos.map_or(Value::Null, |ticks| Value::Timestamp(i128::from(ticks) * unit))
        }
        fn ticks<T: ArrowPrimitiveType<Native = i64>>(
            array: &PrimitiveArray<T>,
            row: usize,
        ) -> Option<i64> {
            array.is_valid(row).then(|| array.value(row))
        }
        match self {
            Reader::Null => Value::Null,
            Reader::Boolean(a) if a.is_valid(row) => Value::Boolean(a.value(row)),
            Reader::Int8(a) => number(a, row),
            Reader::Int16(a) => number(a, row),
            Reader::Int32(a) => number(a, row),
            Reader::Int64(a) => number(a, row),
            Reader::Date(a) => number(a, row),
            Reader::Time(a) => number(a, row),
            Reader::Float32(a) if a.is_valid(row) => Value::Float(f64::from(a.value(row))),
            Reader::Float64(a) if a.is_valid(row) => Value::Float(a.value(row)),
            Reader::Decimal(a) if a.is_valid(row) => Value::Decimal(a.value(row)),
            Reader::Millis(a) => instant(ticks(a, row), 1_000_000),
            Reader::Micros(a) => instant(ticks(a, row), 1_000),
            Reader::Nanos(a) => instant(ticks(a, row), 1),
            Reader::String(a) if a.is_valid(row) => Value::text(a.value(row)),
            Reader::Binary(a) if a.is_valid(row) => Value::bytes(a.value(row)),
            Reader::List(a, elements) if a.is_valid(row) => {
                let offsets = a.value_offsets();
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                Value::Array(range.map(|i| elements.get(i)).collect())
            }
            Reader::Map(a, keys, values) if a.is_valid(row) => {
                let offsets = a.value_offsets();
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                Value::Map(range.map(|i| (keys.get(i), values.get(i))).collect())
            }
            Reader::Row(a, members) if a.is_valid(row) => {
                Value::Row(members.iter().map(|member| member.get(row)).collect())
            }
            _ => Value::Null,
        }
    }
}

/// The column of these values in the layout of `data_type`. Integers wrap to their
/// width; timestamps lose the digits below their unit.
pub(crate) fn build(values: Vec<Value<'_>>, data_type: &DataType) -> ArrayRef {
    match &data_type.root {
        TypeRoot::Null => Arc::new(NullArray::new(values.len())),
        TypeRoot::Boolean => Arc::new(BooleanArray::from_iter(values.iter().map(|v| match v {
            Value::Boolean(value) => Some(*value),
            _ => None,
        }))),
        TypeRoot::TinyInt => integers::<Int8Type>(&values, |v| v as i8),
        TypeRoot::SmallInt => integers::<Int16Type>(&values, |v| v as i16),
        TypeRoot::Int | TypeRoot::IntervalYearMonth => integers::<Int32Type>(&values, |v| v as i32),
        TypeRoot::BigInt | TypeRoot::IntervalDayTime => integers::<Int64Type>(&values, |v| v),
        TypeRoot::Date => integers::<Date32Type>(&values, |v| v as i32),
        TypeRoot::Time => integers::<Time32MillisecondType>(&values, |v| v as i32),
        TypeRoot::Float => Arc::new(Float32Array::from_iter(values.iter().map(|v| match v {
            Value::Float(value) => Some(*value as f32),
            _ => None,
        }))),
        TypeRoot::Double => Arc::new(Float64Array::from_iter(values.iter().map(|v| match v {
            Value::Float(value) => Some(*value),
            _ => None,
        }))),
        TypeRoot::Decimal { precision, scale } => decimals(&values, *precision, *scale),
        TypeRoot::Char(_) | TypeRoot::VarChar(_) => {
            Arc::new(StringArray::from_iter(values.iter().map(|v| match v {
                Value::String(text) => Some(text.as_ref()),
                _ => None,
            })))
        }
        TypeRoot::Binary(_) | TypeRoot::VarBinary(_) => {
            Arc::new(BinaryArray::from_iter(values.iter().map(|v| match v {
                Value::Binary(bytes) => Some(bytes.as_ref()),
                _ => None,
            })))
        }
        TypeRoot::Timestamp { precision } => timestamps(&values, *precision, None),
        TypeRoot::TimestampLtz { precision } => timestamps(&values, *precision, Some("UTC")),
        TypeRoot::Array(element) => lists(values, element, data_type),
        TypeRoot::Map(key, value) => maps(values, key, value, data_type),
        TypeRoot::Multiset(element) => maps(values, element, &TypeRoot::Int.not_null(), data_type),
        TypeRoot::Row(fields) => {
            let types: Vec<&DataType> = fields.iter().map(|field| &field.data_type).collect();
            rows(values, &types, data_type)
        }
    }
}

fn integers<T: ArrowPrimitiveType>(
    values: &[Value<'_>],
    narrow: impl Fn(i64) -> T::Native,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter(values.iter().map(|v| match v {
        Value::Integer(value) => Some(narrow(*value)),
        _ => None,
    })))
}

fn decimals(values: &[Value<'_>], precision: u8, scale: u8) -> ArrayRef {
    let array = Decimal128Array::from_iter(values.iter().map(|v| match v {
        Value::Decimal(value) => Some(*value),
        _ => None,
    }));
    Arc::new(
        array
            .with_precision_and_scale(precision, scale as i8)
            .expect("a logical DECIMAL is a valid Arrow decimal"),
    )
}

fn timestamps(values: &[Value<'_>], precision: u8, zone: Option<&str>) -> ArrayRef {
    fn ticks(values: &[Value<'_>], unit: i128) -> impl Iterator<Item = Option<i64>> {
        values.iter().map(move |v| match v {
            // Dividing 128 bits is slow, and 64 hold the years 1677 to 2262.
            Value::Timestamp(nanos) => match i64::try_from(*nanos) {
                Ok(nanos) => Some(nanos.div_euclid(unit as i64)),
                Err(_) => i64::try_from(nanos.div_euclid(unit)).ok(),
            },
            _ => None,
        })
    }
    let zone: Option<Arc<str>> = zone.map(Arc::from);
    match time_unit(precision) {
        TimeUnit::Millisecond | TimeUnit::Second => Arc::new(
            PrimitiveArray::<TimestampMillisecondType>::from_iter(ticks(values, 1_000_000))
                .with_timezone_opt(zone),
        ),
        TimeUnit::Microsecond => Arc::new(
            PrimitiveArray::<TimestampMicrosecondType>::from_iter(ticks(values, 1_000))
                .with_timezone_opt(zone),
        ),
        TimeUnit::Nanosecond => Arc::new(
            PrimitiveArray::<TimestampNanosecondType>::from_iter(ticks(values, 1))
                .with_timezone_opt(zone),
        ),
    }
}

fn lists(values: Vec<Value<'_>>, element: &DataType, data_type: &DataType) -> ArrayRef {
    let ArrowType::List(field) = data_type.to_arrow() else { unreachable!("ARRAY is a List") };
    let (mut lengths, mut valid, mut flat) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        valid.push(!value.is_null());
        let elements = if let Value::Array(elements) = value { elements } else { Vec::new() };
        lengths.push(elements.len());
        flat.extend(elements);
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls = Some(NullBuffer::from(valid));
    Arc::new(ListArray::new(field, offsets, build(flat, element), nulls))
}

fn maps(
    values: Vec<Value<'_>>,
    key: &DataType,
    value_type: &DataType,
    data_type: &DataType,
) -> ArrayRef {
    let ArrowType::Map(field, ordered) = data_type.to_arrow() else { unreachable!("MAP is a Map") };
    let ArrowType::Struct(members) = field.data_type() else { unreachable!("entries are rows") };
    let (mut lengths, mut valid) = (Vec::new(), Vec::new());
    let (mut keys, mut items) = (Vec::new(), Vec::new());
    for value in values {
        valid.push(!value.is_null());
        let entries = if let Value::Map(entries) = value { entries } else { Vec::new() };
        // Arrow has no NULL keys: such an entry cannot be kept (row C1.15 allows it
        // in memory only).
        let before = keys.len();
        for (key, item) in entries.into_iter().filter(|(key, _)| !key.is_null()) {
            keys.push(key);
            items.push(item);
        }
        lengths.push(keys.len() - before);
    }
    let columns = vec![build(keys, key), build(items, value_type)];
    let entries = StructArray::new(members.clone(), columns, None);
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(MapArray::new(field, offsets, entries, Some(NullBuffer::from(valid)), ordered))
}

fn rows(values: Vec<Value<'_>>, types: &[&DataType], data_type: &DataType) -> ArrayRef {
    let ArrowType::Struct(fields) = data_type.to_arrow() else { unreachable!("ROW is a Struct") };
    let length = values.len();
    let mut valid = Vec::with_capacity(length);
    let mut columns: Vec<Vec<Value<'_>>> =
        types.iter().map(|_| Vec::with_capacity(length)).collect();
    for value in values {
        valid.push(!value.is_null());
        let mut members =
            if let Value::Row(members) = value { members.into_iter() } else { vec![].into_iter() };
        for column in &mut columns {
            column.push(members.next().unwrap_or(Value::Null));
        }
    }
    let nulls = NullBuffer::from(valid);
    if types.is_empty() {
        return Arc::new(StructArray::new_empty_fields(length, Some(nulls)));
    }
    let arrays = columns.into_iter().zip(types).map(|(column, t)| build(column, t)).collect();
    Arc::new(StructArray::new(fields, arrays, Some(nulls)))
}
