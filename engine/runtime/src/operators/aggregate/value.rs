//! `FIRST_VALUE` and `LAST_VALUE` by arrival, NULLs ignored (rows B2.10, D8.6).
//!
//! When the input retracts, every value of the group is kept in order of arrival and
//! a retraction takes the earliest equal one.

use std::collections::VecDeque;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType as ArrowType;
use millrace_dataflow::DataType;
use millrace_state::row::{self, EncodedRows};

use super::AggregateError;
use super::blob::{Collection, load_collections, save_collections, value_bytes};
use super::encoded::{EncodedColumn, decode_one};
use super::fold::{Accumulator, States};
use crate::operators::keys::Bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    First,
    Last,
}

#[derive(Debug)]
struct Values {
    data_type: ArrowType,
    which: Which,
    retracts: bool,
    values: Vec<VecDeque<Bytes>>,
    held_bytes: usize,
}

pub fn new(argument: &DataType, which: Which, retracts: bool) -> Box<dyn Accumulator> {
    let data_type = argument.to_arrow();
    Box::new(Values { data_type, which, retracts, values: Vec::new(), held_bytes: 0 })
}

impl Values {
    fn put(&mut self, slot: usize, value: &[u8]) {
        let held = &mut self.values[slot];
        if !self.retracts {
            if self.which == Which::First && !held.is_empty() {
                return;
            }
            if let Some(before) = held.pop_back() {
                self.held_bytes -= value_bytes(&before);
            }
        }
        held.push_back(Bytes::from_slice(value));
        self.held_bytes += value_bytes(value);
    }
}

impl States for Values {
    type Arguments<'a> = EncodedRows;
    type Output = EncodedColumn;

    fn bind(&self, columns: &[ArrayRef]) -> EncodedRows {
        row::encode(&columns[..1])
    }

    fn resize(&mut self, slots: usize) {
        self.values.resize_with(slots, VecDeque::new);
    }

    fn clear(&mut self, slot: usize) {
        let gone = std::mem::take(&mut self.values[slot]);
        self.held_bytes -= gone.iter().map(|value| value_bytes(value)).sum::<usize>();
    }

    fn add(&mut self, slot: usize, values: &EncodedRows, row: usize) {
        self.put(slot, values.row(row));
    }

    fn retract(&mut self, slot: usize, values: &EncodedRows, row: usize) {
        let held = &mut self.values[slot];
        if let Some(at) = held.iter().position(|value| value.as_slice() == values.row(row)) {
            held.remove(at);
            self.held_bytes -= value_bytes(values.row(row));
        }
    }

    fn output(&self, rows: usize) -> EncodedColumn {
        EncodedColumn::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut EncodedColumn) {
        let held = &self.values[slot];
        let value = if self.which == Which::First { held.front() } else { held.back() };
        output.push(value.map(Bytes::as_slice));
    }

    fn finish(&self, output: EncodedColumn) -> ArrayRef {
        output.finish(&self.data_type)
    }

    fn merge(&mut self, from: usize, to: usize) {
        for value in self.values[from].clone() {
            self.put(to, &value);
        }
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![save_collections(slots.iter().map(|&slot| {
            let mut collection = Collection::default();
            self.values[slot as usize].iter().for_each(|value| collection.push(value, 1));
            collection
        }))]
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Binary]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        load_collections(&columns[0], |row, value, _| {
            self.values[slots[row] as usize].push_back(Bytes::from_slice(value));
            self.held_bytes += value_bytes(value);
        })?;
        let all = slots.iter().flat_map(|&slot| &self.values[slot as usize]);
        decode_one(&self.data_type, all.map(Bytes::as_slice)).map(drop)
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}
