//! `MIN` and `MAX` (rows B2.11, D8.4): numbers, text, dates and times; NULLs ignored.
//!
//! Append-only numbers are a plain column. All else is held as bytes in the order of
//! the type (text by its UTF-8, row C7.4): one value a slot, or, when the input
//! retracts, all values with how often each is there.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, PrimitiveArray, PrimitiveBuilder,
};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::row::{RowConverter, Rows, SortField};
use millrace_dataflow::DataType;
use millrace_state::cow::CowVec;
use millrace_state::row;

use super::AggregateError;
use super::blob::{Collection, damaged, load_collections, save_collections, value_bytes};
use super::encoded::decode_one;
use super::fold::{Accumulator, States};
use crate::operators::keys::Bytes;

pub fn new(argument: &DataType, is_max: bool, retracts: bool) -> Box<dyn Accumulator> {
    let data_type = argument.to_arrow();
    macro_rules! plain {
        ($t:ty) => {
            Box::new(Plain::<$t>::new(data_type, is_max))
        };
    }
    if retracts {
        return Box::new(Ordered::new(data_type, is_max, true));
    }
    match data_type {
        ArrowType::Int8 => plain!(Int8Type),
        ArrowType::Int16 => plain!(Int16Type),
        ArrowType::Int32 => plain!(Int32Type),
        ArrowType::Int64 => plain!(Int64Type),
        ArrowType::Float32 => plain!(Float32Type),
        ArrowType::Float64 => plain!(Float64Type),
        ArrowType::Decimal128(_, _) => plain!(Decimal128Type),
        ArrowType::Date32 => plain!(Date32Type),
        ArrowType::Time32(TimeUnit::Millisecond) => plain!(Time32MillisecondType),
        ArrowType::Timestamp(TimeUnit::Second, _) => plain!(TimestampSecondType),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => plain!(TimestampMillisecondType),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => plain!(TimestampMicrosecondType),
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => plain!(TimestampNanosecondType),
        other => Box::new(Ordered::new(other, is_max, false)),
    }
}

#[derive(Debug)]
struct Plain<T: ArrowPrimitiveType> {
    data_type: ArrowType,
    is_max: bool,
    values: CowVec<T::Native>,
    valid: CowVec<bool>,
}

impl<T: ArrowPrimitiveType> Plain<T> {
    fn new(data_type: ArrowType, is_max: bool) -> Plain<T> {
        Plain { data_type, is_max, values: CowVec::default(), valid: CowVec::default() }
    }

    #[inline]
    fn put(&mut self, slot: usize, value: T::Native) {
        let held = self.values[slot];
        let better = if self.is_max { value.is_gt(held) } else { value.is_lt(held) };
        if better || !self.valid[slot] {
            self.values[slot] = value;
            self.valid[slot] = true;
        }
    }
}

impl<T: ArrowPrimitiveType + Debug> States for Plain<T> {
    type Arguments<'a> = &'a [T::Native];
    type Output = PrimitiveBuilder<T>;

    fn bind<'a>(&self, columns: &'a [ArrayRef]) -> &'a [T::Native] {
        columns[0].as_primitive::<T>().values()
    }

    fn resize(&mut self, slots: usize) {
        self.values.grow(slots);
        self.valid.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.valid[slot] = false;
    }

    fn add(&mut self, slot: usize, values: &&[T::Native], row: usize) {
        self.put(slot, values[row]);
    }

    fn retract(&mut self, _: usize, _: &&[T::Native], _: usize) {
        unreachable!("made for input that never retracts");
    }

    fn output(&self, rows: usize) -> PrimitiveBuilder<T> {
        PrimitiveBuilder::with_capacity(rows).with_data_type(self.data_type.clone())
    }

    fn append(&self, slot: usize, output: &mut PrimitiveBuilder<T>) {
        output.append_option(self.valid[slot].then_some(self.values[slot]));
    }

    fn finish(&self, mut output: PrimitiveBuilder<T>) -> ArrayRef {
        Arc::new(output.finish())
    }

    fn merge(&mut self, from: usize, to: usize) {
        if self.valid[from] {
            let value = self.values[from];
            self.put(to, value);
        }
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![Accumulator::evaluate(self, slots)]
    }

    fn freeze(&mut self) -> Option<Plain<T>> {
        let (values, valid) = (self.values.freeze(), self.valid.freeze());
        Some(Plain { data_type: self.data_type.clone(), is_max: self.is_max, values, valid })
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![self.data_type.clone()]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let column: &PrimitiveArray<T> = columns[0].as_primitive();
        for (&slot, value) in slots.iter().zip(column) {
            self.valid[slot as usize] = value.is_some();
            self.values[slot as usize] = value.unwrap_or(T::Native::ZERO);
        }
        Ok(())
    }
}

/// Values by their order bytes. Those bytes live in memory only: snapshots hold row
/// bytes, which do not change between releases.
struct Ordered {
    data_type: ArrowType,
    is_max: bool,
    retracts: bool,
    converter: RowConverter,
    values: Vec<BTreeMap<Bytes, i64>>,
    held_bytes: usize,
}

impl Ordered {
    fn new(data_type: ArrowType, is_max: bool, retracts: bool) -> Ordered {
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())])
            .expect("every SQL type that MIN and MAX take has an order");
        Ordered { data_type, is_max, retracts, converter, values: Vec::new(), held_bytes: 0 }
    }

    fn best(&self, slot: usize) -> Option<&Bytes> {
        let entries = &self.values[slot];
        let entry = if self.is_max { entries.last_key_value() } else { entries.first_key_value() };
        entry.map(|(value, _)| value)
    }

    fn put(&mut self, slot: usize, value: &[u8], count: i64) {
        if self.retracts {
            self.change(slot, value, count);
            return;
        }
        let better = self.best(slot).is_none_or(|held| match self.is_max {
            true => value > held.as_slice(),
            false => value < held.as_slice(),
        });
        if better {
            States::clear(self, slot);
            self.change(slot, value, 1);
        }
    }

    /// Adds to the count of a value; one that is there zero times is dropped.
    fn change(&mut self, slot: usize, value: &[u8], by: i64) {
        let values = &mut self.values[slot];
        let count = values.entry(Bytes::from_slice(value)).or_insert(0);
        if *count == 0 {
            self.held_bytes += value_bytes(value);
        }
        *count += by;
        if *count == 0 {
            values.remove(value);
            self.held_bytes -= value_bytes(value);
        }
    }

    fn column(&self, values: &[Option<Bytes>]) -> ArrayRef {
        let parser = self.converter.parser();
        let present = values.iter().flatten().map(|value| parser.parse(value));
        let dense = self.converter.convert_rows(present).expect("bytes of this very converter");
        let mut next = 0;
        let indices = values.iter().map(|value| {
            value.as_ref().map(|_| {
                next += 1;
                next - 1
            })
        });
        let indices = arrow::array::UInt32Array::from_iter(indices);
        arrow::compute::take(&dense[0], &indices, None).expect("indices below the length")
    }
}

impl States for Ordered {
    type Arguments<'a> = Rows;
    type Output = Vec<Option<Bytes>>;

    fn bind(&self, columns: &[ArrayRef]) -> Rows {
        self.converter.convert_columns(&columns[..1]).expect("a column of the declared type")
    }

    fn resize(&mut self, slots: usize) {
        self.values.resize_with(slots, BTreeMap::new);
    }

    fn clear(&mut self, slot: usize) {
        let gone = std::mem::take(&mut self.values[slot]);
        self.held_bytes -= gone.keys().map(|value| value_bytes(value)).sum::<usize>();
    }

    fn add(&mut self, slot: usize, values: &Rows, row: usize) {
        self.put(slot, values.row(row).data(), 1);
    }

    fn retract(&mut self, slot: usize, values: &Rows, row: usize) {
        self.put(slot, values.row(row).data(), -1);
    }

    fn output(&self, rows: usize) -> Vec<Option<Bytes>> {
        Vec::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut Vec<Option<Bytes>>) {
        output.push(self.best(slot).cloned());
    }

    fn finish(&self, output: Vec<Option<Bytes>>) -> ArrayRef {
        self.column(&output)
    }

    fn merge(&mut self, from: usize, to: usize) {
        for (value, count) in self.values[from].clone() {
            self.put(to, &value, count);
        }
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![save_collections(slots.iter().map(|&slot| {
            let entries = &self.values[slot as usize];
            let keys: Vec<Option<Bytes>> = entries.keys().cloned().map(Some).collect();
            let encoded = row::encode(&[self.column(&keys)]);
            let mut collection = Collection::default();
            for (value, count) in encoded.iter().zip(entries.values()) {
                collection.push(value, *count);
            }
            collection
        }))]
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Binary]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let (mut of_slot, mut values) = (Vec::new(), Vec::new());
        load_collections(&columns[0], |row, value, count| {
            of_slot.push((slots[row] as usize, count));
            values.push(value.to_vec());
        })?;
        let column = decode_one(&self.data_type, values.iter().map(Vec::as_slice))?;
        let rows = self
            .converter
            .convert_columns(&[column])
            .map_err(|error| damaged(error.to_string()))?;
        for (row, (slot, count)) in of_slot.into_iter().enumerate() {
            let value = rows.row(row).data();
            if self.values[slot].insert(Bytes::from_slice(value), count).is_none() {
                self.held_bytes += value_bytes(value);
            }
        }
        Ok(())
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}
