//! `COLLECT(x)`: the multiset of values, NULLs ignored (row D8.8).

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, MapArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType as ArrowType, FieldRef};
use foldhash::fast::FixedState;
use indexmap::IndexMap;
use millrace_dataflow::DataType;
use millrace_state::row::{self, EncodedRows};

use super::blob::{Collection, load_collections, save_collections, value_bytes};
use super::encoded::{EncodedColumn, decode_one};
use super::fold::{Accumulator, States};
use super::{AggregateError, unsupported};
use crate::operators::keys::Bytes;

#[derive(Debug)]
struct Multisets {
    element: ArrowType,
    entries: FieldRef,
    sets: Vec<IndexMap<Bytes, i64, FixedState>>,
    held_bytes: usize,
}

pub fn new(argument: &DataType, output: &DataType) -> Result<Box<dyn Accumulator>, AggregateError> {
    let ArrowType::Map(entries, _) = output.to_arrow() else {
        return Err(unsupported("COLLECT", argument));
    };
    Ok(Box::new(Multisets {
        element: argument.to_arrow(),
        entries,
        sets: Vec::new(),
        held_bytes: 0,
    }))
}

impl Multisets {
    fn change(&mut self, slot: usize, value: &[u8], by: i64) {
        let set = &mut self.sets[slot];
        let count = set.entry(Bytes::from_slice(value)).or_insert(0);
        if *count == 0 {
            self.held_bytes += value_bytes(value);
        }
        *count += by;
        if *count == 0 {
            set.shift_remove(value);
            self.held_bytes -= value_bytes(value);
        }
    }
}

/// Maps under construction.
struct Maps {
    elements: EncodedColumn,
    counts: Vec<i32>,
    lengths: Vec<usize>,
}

impl States for Multisets {
    type Arguments<'a> = EncodedRows;
    type Output = Maps;

    fn bind(&self, columns: &[ArrayRef]) -> EncodedRows {
        row::encode(&columns[..1])
    }

    fn resize(&mut self, slots: usize) {
        self.sets.resize_with(slots, IndexMap::default);
    }

    fn clear(&mut self, slot: usize) {
        let gone = std::mem::take(&mut self.sets[slot]);
        self.held_bytes -= gone.keys().map(|value| value_bytes(value)).sum::<usize>();
    }

    fn add(&mut self, slot: usize, values: &EncodedRows, row: usize) {
        self.change(slot, values.row(row), 1);
    }

    fn retract(&mut self, slot: usize, values: &EncodedRows, row: usize) {
        self.change(slot, values.row(row), -1);
    }

    fn output(&self, rows: usize) -> Maps {
        Maps {
            elements: EncodedColumn::with_capacity(rows),
            counts: Vec::new(),
            lengths: Vec::new(),
        }
    }

    fn append(&self, slot: usize, output: &mut Maps) {
        let set = &self.sets[slot];
        for (value, count) in set {
            output.elements.push(Some(value));
            output.counts.push(i32::try_from(*count).unwrap_or(i32::MAX));
        }
        output.lengths.push(set.len());
    }

    fn finish(&self, output: Maps) -> ArrayRef {
        let ArrowType::Struct(fields) = self.entries.data_type() else {
            unreachable!("the entries of a map are pairs");
        };
        let counts: ArrayRef = Arc::new(Int32Array::from(output.counts));
        let pairs = vec![output.elements.finish(&self.element), counts];
        let entries = StructArray::new(fields.clone(), pairs, None);
        let offsets = OffsetBuffer::from_lengths(output.lengths);
        Arc::new(MapArray::new(self.entries.clone(), offsets, entries, None, false))
    }

    fn merge(&mut self, from: usize, to: usize) {
        for (value, count) in self.sets[from].clone() {
            self.change(to, &value, count);
        }
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![save_collections(slots.iter().map(|&slot| {
            let mut collection = Collection::default();
            for (value, count) in &self.sets[slot as usize] {
                collection.push(value, *count);
            }
            collection
        }))]
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Binary]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        load_collections(&columns[0], |row, value, count| {
            self.change(slots[row] as usize, value, count);
        })?;
        let all = slots.iter().flat_map(|&slot| self.sets[slot as usize].keys());
        decode_one(&self.element, all.map(Bytes::as_slice)).map(drop)
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}
